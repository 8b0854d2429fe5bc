/* doubt.h - which objects need not be any, or are being changed: what they hold is a guess. */
#ifndef RHI_DOUBT_H
#define RHI_DOUBT_H

#include "graph/graph.h"

/* Objects by number. */
typedef struct rhi_bare {
    uint32_t *items;
    uint64_t count, capacity;
} rhi_bare;

/* Marks in graph->doubted the objects of `bare`, which are in order, to which no field and no exact
 * root leads: they may be memory of C that looks so. */
rhi_error *rhi__doubt_bare(rhi_reader *reader, rhi_graph *graph, const rhi_bare *bare);
/* Where more fields and roots hold an object than it has counts, those of objects that are doubted,
 * or that a thread may be changing, count like guesses. */
rhi_error *rhi__doubt_over(rhi_reader *reader, rhi_graph *graph);
/* May that slot hold no object in a sound heap? */
bool rhi__is_doubtful_stray(rhi_reader *reader, const rhi_graph *graph, uint32_t from,
                            uint64_t value);

#endif
