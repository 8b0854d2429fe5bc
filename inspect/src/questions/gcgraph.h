/* gcgraph.h - what is around objects, or the cycles of the heap, with verdicts: the answer of
 * `gcgraph`.
 *
 * Invariant: without objects the answer is about the members of all cycles, and these are counted,
 * not collected: only those that are shown or drawn are looked at. With objects they are in the
 * selection. */
#ifndef RHI_GCGRAPH_H
#define RHI_GCGRAPH_H

#include "questions/held.h"
#include "questions/picture.h"
#include "questions/cycle_path.h"
#include "questions/tree.h"

typedef struct rhi_gcgraph_asked {
    char *const *objects; /* as they were typed; none: all cycles are asked about */
    unsigned object_count;
    uint64_t limit, depth;
    bool only_cycles, only_garbage;
    bool as_list;  /* nodes and references one by one, instead of trees and ways round */
    bool is_drawn; /* a picture, too */
} rhi_gcgraph_asked;

typedef struct rhi_gcgraph {
    rhi_session *session;
    rhi_gcgraph_asked asked;
    rhi_selection s;
    /* the first ones of the answer; with objects all */
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } cycles;
    uint64_t cycles_total, garbage_total, nodes_total;
    rhi_held *held;              /* of each of these cycles who holds it */
    rhi_cycle_path *cycle_paths; /* and a way round it; NULL: as_list */
    rhi_tree below, above;       /* of the objects; empty: as_list */
    uint32_t roots;              /* the objects: so many are first in the selection */
    rhi_picture picture;
    rhi_selection pictured; /* without objects: what it shows */
} rhi_gcgraph;

/* Gathers the answer. Freed in any case. */
rhi_error *rhi__gcgraph(rhi_session *session, const rhi_gcgraph_asked *asked, rhi_gcgraph *answer);
void rhi__gcgraph_free(rhi_gcgraph *answer);
/* Visits the references among the objects of the answer that begin at listed ones; *total: those
 * that begin anywhere. They are read as they are visited: there may be millions. */
rhi_error *rhi__gcgraph_edges(rhi_gcgraph *answer, rhi_edge_visitor visit, void *context,
                              uint64_t *total);

#endif
