/* selection.h - the part of the graph that an answer is about: objects in the order they were
 * met; what is read again of the target for it, checked against the graph; and who holds a part
 * from outside. */
#ifndef RHI_SELECTION_H
#define RHI_SELECTION_H

#include "questions/leaks.h"
#include "base/map.h"
#include "words/words.h"

typedef struct rhi_selection {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } nodes;
    const rhi_leaks *leaks; /* for marks and colours, where they are wanted; else NULL */
    rhi_map depth;          /* how far a selected object is from an asked-for one */
} rhi_selection;

/* Takes the session's graph, with referrers and cycles. */
rhi_error *rhi__selection_open(rhi_session *session, rhi_selection *selection);
void rhi__selection_close(rhi_selection *selection);
bool rhi__selection_add(rhi_selection *selection, uint32_t index, uint32_t depth);
/* Adds everything up to `depth` strong references away from what is selected, both ways. */
rhi_error *rhi__selection_grow(rhi_selection *selection, uint64_t depth);
static inline bool rhi__is_selected(const rhi_selection *selection, uint32_t index)
{
    return rhi__map_get(&selection->depth, index) != RHI_NOT_THERE;
}
static inline bool rhi__is_asked_for(const rhi_selection *selection, uint32_t index)
{
    return rhi__map_get(&selection->depth, index) == 0;
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
static inline uint32_t rhi__cycle_size(const rhi_graph *graph, uint32_t cycle)
{
    return graph->cycle_start[cycle + 1] - graph->cycle_start[cycle];
}

/* The decoded header of an object by its number; false if it cannot be read. */
bool rhi__object_at_index(rhi_session *session, rhi_reader *reader, uint32_t index,
                          rhi_object *object);
/* "node#12", "(unreadable)" */
void rhi__index_id(rhi_session *session, rhi_reader *reader, uint32_t index, char *id, size_t size);

/* One reference between two live objects. */
typedef struct rhi_edge {
    uint32_t from, to;
    const rhi_field *field;
    uint64_t element, address;
} rhi_edge;
typedef bool (*rhi_edge_visitor)(void *context, const rhi_edge *edge); /* false stops */
/* Visits the references of an object to objects that are there, in field order. */
void rhi__each_edge(rhi_session *session, rhi_reader *reader, uint32_t from, rhi_edge_visitor visit,
                    void *context);
/* The row of a reference. */
rhi_holder rhi__edge_holder(const rhi_reader *reader, const rhi_edge *edge);

/* ---- held.c: who holds a part of the graph from outside ---- */

/* Facts about each cycle that need a look at all its members: gathered once for a graph. */
enum rhi_cycle_fact {
    RHI_CYCLE_GARBAGE = 1,
    RHI_CYCLE_HAS_EXT = 2 /* counts that no field explains */,
    RHI_CYCLE_HAS_STAYING = 4 /* an immortal or dying member */
};
rhi_error *rhi__cycle_facts(rhi_session *session, rhi_graph *graph);

/* Who holds a group of objects from outside: a cycle, or a single object. */
typedef struct rhi_held {
    uint32_t cycle, index; /* the cycle, or none and the one object */
    rhi_holders rows;      /* at most `limit`, sorted */
    uint64_t total;        /* rows there are */
    bool is_at_least;      /* more were not looked for */
} rhi_held;
/* Finds the holders of `count` groups: fields of other objects, members that stay, and, where a
 * member has counts that no field explains, registered roots and words, also those in objects
 * that no field declares. The work is bounded whatever the size of the groups: what was not
 * looked at is said by is_at_least. No two groups are the same. */
rhi_error *rhi__find_holders(const rhi_selection *selection, rhi_held *groups, uint64_t count,
                             uint64_t limit);
/* The same, of single objects and without the fields. */
rhi_error *rhi__find_word_holders(const rhi_selection *selection, rhi_held *groups, uint64_t count,
                                  uint64_t limit);
/* Was nothing found that owns the counts from outside? A word in a block that nothing reaches owns
 * none. */
static inline bool rhi__held_by_nobody(const rhi_held *held)
{
    bool nobody = held->total == held->rows.count && !held->is_at_least;
    for (uint64_t i = 0; i < held->rows.count; i++)
        nobody &= held->rows.items[i].reach > RHI_REACH_YES;
    return nobody;
}
/* Names the rows of all groups, at once. */
void rhi__name_held(const rhi_selection *selection, rhi_held *groups, uint64_t count);

/* ---- round.c: a way round a cycle ---- */

typedef struct rhi_round {
    /* objects from the first member on; and, behind a gap, those before it comes again */
    uint32_t *head, *tail;
    uint64_t head_count, tail_count;
    bool has_gap; /* the way between was not looked for: it is long */
} rhi_round;
/* The shortest way round the cycle from its first object, or both its ends if it is very long. */
rhi_error *rhi__find_round(const rhi_selection *selection, uint32_t cycle, rhi_round *round);
void rhi__round_free(rhi_round *round);

/* ---- draw.c: pictures ---- */

enum { RHI_DRAWN_MAX = 100 };
typedef struct rhi_picture {
    const char *dot_path, *svg_path; /* or NULL */
    uint64_t left_out;               /* objects that are part of the answer and not drawn */
    uint64_t edges_left_out;         /* out: references between those that are drawn */
} rhi_picture;
/* Writes the first objects of the selection (at most RHI_DRAWN_MAX) as a Graphviz graph, and has
 * `dot` draw it. */
rhi_error *rhi__draw(const rhi_selection *selection, rhi_picture *picture);

#endif
