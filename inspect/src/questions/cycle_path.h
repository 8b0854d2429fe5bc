/* cycle_path.h - a way round a cycle, step by step. */
#ifndef RHI_CYCLE_PATH_H
#define RHI_CYCLE_PATH_H

#include "questions/selection.h"

/* From this object on by this slot of its. */
typedef struct rhi_cycle_step {
    uint32_t from;
    const rhi_field *field; /* NULL: it was not looked for */
    uint64_t element;
} rhi_cycle_step;

typedef struct rhi_cycle_path {
    rhi_cycle_step *steps; /* from the cycle's first object on; at most `limit` */
    uint64_t count;
    uint64_t left_out; /* steps behind these, until the first object comes again */
    bool is_at_least;  /* more than that: the way between was not looked for, because it is long */
} rhi_cycle_path;

/* The shortest way round the cycle from its first object, or, if it is very long, its beginning. */
rhi_error *rhi__find_cycle_path(const rhi_selection *selection, uint32_t cycle, uint64_t limit,
                                rhi_cycle_path *path);
void rhi__cycle_path_free(rhi_cycle_path *path);

#endif
