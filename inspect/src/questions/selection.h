/* selection.h - the part of the graph that an answer is about: objects in the order they were
 * met, and what is read again of the target for it, checked against the graph. */
#ifndef RHI_SELECTION_H
#define RHI_SELECTION_H

#include "questions/leaks.h"
#include "base/map.h"
#include "words/edges.h"

typedef struct rhi_selection {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } nodes;
    const rhi_leaks *leaks; /* for marks and colours, where they are wanted; else NULL */
    rhi_map way;            /* how a selected object was met: rhi__way */
    /* where it was not grown: references to the object, and from it, whose other end is not
     * selected */
    struct {
        struct rhi_hub {
            uint32_t index, to, from;
        } * items;
        uint64_t count, capacity;
    } hubs;
} rhi_selection;

/* How far from the next asked-for object, by references all of which lead away from that, or all
 * towards it. */
enum rhi_way_kind { RHI_WAY_DOWN = 1, RHI_WAY_UP = 2, RHI_WAY_MIXED = 3 };
static inline uint32_t rhi__way(uint32_t depth, enum rhi_way_kind kind)
{
    return depth << 2 | (depth ? kind : 0);
}

/* Objects that hold, or are held by, the same hub have little to do with each other: instances of a
 * type, elements of a registry. Where more references lead to an object, or from it, they are no
 * way from one of these to another: none is followed. Straight on, up or down, so many are. */
enum { RHI_FOLLOWED_MAX = 1000 };

/* Takes the session's graph, with referrers and cycles. */
rhi_error *rhi__selection_open(rhi_session *session, rhi_selection *selection);
void rhi__selection_close(rhi_selection *selection);
bool rhi__selection_add(rhi_selection *selection, uint32_t index, uint32_t way);
/* Adds everything up to `depth` strong references away from what is selected, both ways, but for
 * what hubs lead to; `all`: that, too. */
rhi_error *rhi__selection_grow(rhi_selection *selection, uint64_t depth, bool all);
static inline bool rhi__is_selected(const rhi_selection *selection, uint32_t index)
{
    return rhi__map_get(&selection->way, index) != RHI_NOT_THERE;
}
static inline bool rhi__is_asked_for(const rhi_selection *selection, uint32_t index)
{
    return rhi__map_get(&selection->way, index) == 0;
}
/* No count of it comes from outside. */
static inline bool rhi__is_unreachable(const rhi_graph *graph, uint32_t index)
{
    return !(graph->flags[index] & RHI_GRAPH_REACHED);
}
/* What colours and marks mean: leaked, as gcleaks says, or held. */
static inline enum rhi_cause rhi__mark(const rhi_selection *selection, uint32_t index)
{
    return selection->leaks                               ? rhi__cause(selection->leaks, index)
           : rhi__is_unreachable(selection->graph, index) ? RHI_CAUSE_CYCLE
                                                          : RHI_CAUSE_NONE;
}
static inline bool rhi__cycle_is_garbage(const rhi_graph *graph, uint32_t cycle)
{
    return !(graph->flags[graph->cycle_member[graph->cycle_start[cycle]]] & RHI_GRAPH_REACHED);
}
/* And does that rest on guesses? Then it does of all members alike. */
static inline bool rhi__cycle_is_guessed(const rhi_graph *graph, uint32_t cycle)
{
    return rhi__cycle_is_garbage(graph, cycle) &&
           graph->flags[graph->cycle_member[graph->cycle_start[cycle]]] & RHI_GRAPH_GUESSED;
}
static inline uint32_t rhi__cycle_size(const rhi_graph *graph, uint32_t cycle)
{
    return graph->cycle_start[cycle + 1] - graph->cycle_start[cycle];
}

#endif
