/* graph.h - the object table and the graph of strong references, in compressed sparse rows.
 *
 * Objects are numbered in address order (block by block), 32-bit. Edges are strong slots: fields
 * that own a count, those to rh_weak objects included, from live and dying objects. Invariant:
 * edges of object i are edge_to[edge_start[i] .. edge_start[i + 1]), in slot order; referrers
 * likewise; rhi__found(i) counts the edges to i that come from live objects. A slot that is a guess
 * (rhi_field.is_guess) is an edge, too: what is garbage and what reaches what goes by these;
 * that an object has more references than counts does not.
 *
 * build.c makes it, graph.c visits it, spread.c follows references, cycles.c and dominators.c find
 * what their names say. */
#ifndef RHI_GRAPH_H
#define RHI_GRAPH_H

#include "heap/declared.h"
#include "heap/fields.h"
#include "base/map.h"
#include "base/work.h"

enum rhi_graph_flag {
    RHI_GRAPH_DYING = 1,
    RHI_GRAPH_IMMORTAL = 2,
    /* live by the bitmap, but its header is no live object's, or cannot be read */
    RHI_GRAPH_CORRUPT = 4,
    /* strongly reachable from an immortal or dying object or one with ext > 0 */
    RHI_GRAPH_REACHED = 8,
    RHI_GRAPH_HELD = 16, /* one of its counts is the runtime's own */
    /* its header contradicts itself: its count says nothing, and its references may be others */
    RHI_GRAPH_DAMAGED = 32,
    RHI_GRAPH_BLANK = 64, /* taken by the bitmap, but neither an object nor a tombstone */
    /* not reached: it, or what leads to it, would have an open count if guesses owned none;
     * reached: an exact root holds it, whose count a guess explains */
    RHI_GRAPH_GUESSED = 128,
    /* nothing else need hold it */
    RHI_GRAPH_STAYS_ITSELF = RHI_GRAPH_DYING | RHI_GRAPH_IMMORTAL | RHI_GRAPH_HELD,
    /* or whether something does is not known */
    RHI_GRAPH_STAYS = RHI_GRAPH_STAYS_ITSELF | RHI_GRAPH_DAMAGED
};

/* What later questions need is made on their first use. UINT32_MAX (RHI_NO_OBJECT) stands for
 * "none". */
typedef struct rhi_graph {
    uint32_t count;
    uint32_t *stored;     /* stored count */
    uint32_t *found;      /* see rhi__found; NULL: referrer_start tells it, which took its room */
    uint32_t *found_room; /* where `found` lies, with an entry more in front */
    uint8_t *guessed;     /* of `found`, those by slots that are guesses; NULL: there are none */
    rhi_map guessed_more; /* the same of objects with RHI_GUESSED_MORE or more */
    uint64_t *doubted;    /* bits: objects that need not be any (doubt.h); NULL: there are none */
    uint8_t *flags;
    uint32_t *edge_start, *edge_to;
    uint64_t edge_count, edge_capacity;
    /* room for all objects and one more: the work list of one search at a time */
    uint32_t *queue;
    bool has_guessed;     /* some object is RHI_GRAPH_GUESSED and not reached */
    uint64_t dying_edges; /* those that come from dying objects: found does not count them */
    /* the slots outside of objects, found on the way; gone when somebody took them */
    rhi_declared declared;
    bool has_declared;
    /* rhi__graph_referrers: */
    uint32_t *referrer_start, *referrer_from;
    /* rhi__graph_cycles: components that are cycles, in the order of their first members; members
     * of cycle c are cycle_member[cycle_start[c] .. cycle_start[c + 1]), in order; cycle_of[i]:
     * the cycle of object i. */
    uint32_t *cycle_of, *cycle_start, *cycle_member;
    uint32_t cycle_count;
    /* rhi__cycle_facts: enum rhi_cycle_fact of each cycle, and how much of it all is garbage. */
    uint8_t *cycle_facts;
    /* references from outside, and the first member that has one; in order of the cycles */
    struct rhi_large_cycle {
        uint32_t cycle, first;
        uint64_t outside;
    } * large_cycles;
    uint32_t large_count;
    uint32_t garbage_cycles;
    uint64_t garbage_members;
    /* references among members of any cycle, of any garbage cycle; 0: not counted yet */
    uint64_t cycle_edges[2];
    /* rhi__graph_dominators: dominator[i]: the object that alone keeps i (its immediate
     * dominator), none if several do, or something outside; retained[i]: bytes that would go if i
     * went. */
    uint32_t *dominator;
    uint64_t *retained;
} rhi_graph;

rhi_error *rhi__graph_build(rhi_work *work, rhi_reader *reader, rhi_graph **graph);
/* malloc(count * size), on huge pages if that is many: not zeroed. Released with free. */
void *rhi__big_array(uint64_t count, size_t size);
rhi_error *rhi__graph_referrers(rhi_work *work, rhi_graph *graph);
/* Finds the cycles: components of two or more objects, or one with an edge to itself. */
rhi_error *rhi__graph_cycles(rhi_work *work, rhi_graph *graph);
/* Dominators over everything: held objects below what is held from outside, garbage below its own
 * topmost components. */
rhi_error *rhi__graph_dominators(rhi_work *work, rhi_reader *reader, rhi_graph *graph);
void rhi__graph_free(rhi_graph *graph);

/* References to it by live objects' fields. */
static inline uint32_t rhi__found(const rhi_graph *graph, uint32_t index)
{
    return graph->found ? graph->found[index]
                        : graph->referrer_start[index + 1] - graph->referrer_start[index];
}
/* Counts that come from no live object's field: stored - found. Meaningless for immortals. */
static inline int64_t rhi__ext(const rhi_graph *graph, uint32_t index)
{
    return (int64_t)graph->stored[index] - (int64_t)rhi__found(graph, index);
}
/* Of these, how many have an owner that is to be found: not the runtime's. */
static inline int64_t rhi__open(const rhi_graph *graph, uint32_t index)
{
    return rhi__ext(graph, index) - ((graph->flags[index] & RHI_GRAPH_HELD) != 0);
}
/* Edges to it that are guesses. Few objects have so many of them that it takes more than a byte. */
enum { RHI_GUESSED_MORE = UINT8_MAX };
static inline uint32_t rhi__guessed(const rhi_graph *graph, uint32_t index)
{
    uint32_t guessed = graph->guessed ? graph->guessed[index] : 0;
    return guessed == RHI_GUESSED_MORE ? rhi__map_get(&graph->guessed_more, index) : guessed;
}
/* Need it not be an object? Nothing certain rests on what it holds then. */
static inline bool rhi__is_doubted(const rhi_graph *graph, uint32_t index)
{
    return graph->doubted && rhi__bit(graph->doubted, index);
}
/* As rhi__open, if no guess owned a count: below 0, fields are more than counts for certain. */
static inline int64_t rhi__open_at_most(const rhi_graph *graph, uint32_t index)
{
    return rhi__open(graph, index) + rhi__guessed(graph, index);
}

/* Is it reached whatever leads to it: does it stay, or come counts from outside? */
static inline bool rhi__is_held_outside(const rhi_graph *graph, uint32_t index)
{
    enum { ROOTED = RHI_GRAPH_REACHED | RHI_GRAPH_GUESSED };
    return graph->flags[index] & RHI_GRAPH_STAYS || rhi__ext(graph, index) > 0 ||
           (graph->flags[index] & ROOTED) == ROOTED;
}

/* For qsort of object numbers. */
static inline int rhi__index_order(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

/* Visits every live slot with its decoded header and its bytes (slot_size of them), in index order.
 * What cannot be read is left out and noted as a problem. */
typedef rhi_error *(*rhi_object_visitor)(void *context, uint32_t index, const rhi_object *object,
                                         const uint8_t *bytes);
rhi_error *rhi__each_object(rhi_work *work, rhi_reader *reader, const char *what,
                            rhi_object_visitor visit, void *context);
/* The same of objects that `choose` picks by what headers say in short, which is read faster. */
typedef bool (*rhi_header_chooser)(void *context, uint32_t index, const rhi_block *block,
                                   const rhi_header *header, const uint8_t *bytes);
rhi_error *rhi__each_chosen(rhi_work *work, rhi_reader *reader, const char *what,
                            rhi_header_chooser choose, rhi_object_visitor visit, void *context);

#endif
