/* picture.h - what a picture of a part of the graph shows.
 *
 * Invariant: it is bounded in objects and references, and so is the time that it takes to draw. */
#ifndef RHI_PICTURE_H
#define RHI_PICTURE_H

#include "questions/selection.h"

/* dot takes two seconds for so many references between so many objects, wherever they lead. */
enum { RHI_DRAWN_MAX = 100, RHI_ARROWS_MAX = 300 };

/* One or more references from one object to another. */
typedef struct rhi_arrow {
    uint32_t from, to;
    bool is_dashed, in_cycle; /* dashed: weak */
    uint64_t count;
    char name[RHI_NAME_SIZE + 32]; /* of the first */
} rhi_arrow;

typedef struct rhi_picture {
    const rhi_selection *selection; /* the first `objects` of it are drawn */
    uint64_t objects;
    rhi_arrow *arrows;
    uint64_t arrow_count;
    uint64_t left_out;       /* objects that are part of the answer and not drawn */
    uint64_t edges_left_out; /* references between those that are drawn */
} rhi_picture;

/* The first objects of the selection, which outlives the picture, and the references among them. */
rhi_error *rhi__picture(const rhi_selection *selection, rhi_picture *picture);
void rhi__picture_free(rhi_picture *picture);

#endif
