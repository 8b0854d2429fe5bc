/* spread.h - what objects lead to, and what leads to them. */
#ifndef RHI_SPREAD_H
#define RHI_SPREAD_H

#include "graph/graph.h"

/* Breadth-first from the queue's first *queue_count objects, all of them in `reached`, along
 * references or backwards along referrers: adds all that is met to both. within: go nowhere else
 * (NULL: anywhere). The queue has room for all objects and one more; the bitmaps have a bit per
 * object. Rows are fetched ahead, since each lies anywhere in memory: several times faster than
 * depth-first. */
rhi_error *rhi__graph_spread(rhi_work *work, const rhi_graph *graph, bool backwards,
                             uint64_t *reached, const uint64_t *within, uint32_t *queue,
                             uint32_t *queue_count);
/* The same in any order, and faster, where nobody asks for the list: afterwards the queue says
 * nothing. */
rhi_error *rhi__graph_reach(rhi_work *work, const rhi_graph *graph, bool backwards,
                            uint64_t *reached, const uint64_t *within, uint32_t *queue,
                            uint32_t count);

#endif
