/* owners.h - which open counts of objects (counts that no field explains) have an owner: a
 * registered root, or a word that something reaches. Each explains one count; only a register or a
 * word of a stack may stand for several variables that own one each (rhi_format.has_variables).
 *
 * Owners outside heaps form one graph: roots → blocks of malloc → objects. Objects lead on to
 * blocks and to objects, if something holds them. So what a block owns is known when it is known
 * what reaches the block: found by following both, in turns, until nothing new is met.
 *
 * Invariant: an object that has an open count and is not `owned` has no word that a root reaches,
 * directly, through blocks, or through objects that are held; words in other blocks that lead to
 * it are in `words`. `lacking` and `with_blocks` are the counts of an object that no such word is
 * left for. */
#ifndef RHI_OWNERS_H
#define RHI_OWNERS_H

#include "words/malloc_graph.h"

/* words: that lead there, and own no count yet */
typedef struct rhi_link {
    uint32_t from, to, words;
} rhi_link;
typedef struct rhi_links {
    rhi_link *items; /* sorted by `from` */
    uint64_t count, capacity;
    uint64_t *has; /* bits by `from`: has any */
} rhi_links;

/* What is not lost for certain: what nothing but a vector register leads to, which may be in use,
 * or the register was left so; or a thin object (rhi_type.is_thin) to which nothing leads at all,
 * or a bare one to which fewer words lead than it has counts, and no field or root: these may be
 * none. */
#define RHI_IN_NOTHING UINT32_MAX
#define RHI_IN_WORDS (UINT32_MAX - 1)
static inline bool rhi__is_in_register(uint32_t in)
{
    return in < RHI_IN_WORDS;
}
typedef struct rhi_possible {
    uint32_t object; /* RHI_NO_OBJECT: it is a block */
    uint32_t block;
    uint32_t in; /* register, in memory.map.registers; RHI_IN_NOTHING, RHI_IN_WORDS */
} rhi_possible;

typedef struct rhi_owners {
    uint64_t *owned; /* bits by object: something leads to it; those of `possible` are */
    /* by object: open counts that nothing at all leads to; that only words in `words` own (NULL:
     * there are no such words) */
    uint32_t *lacking, *with_blocks;
    struct {
        rhi_possible *items;
        uint64_t count, capacity;
    } possible;
    uint64_t open; /* objects with such counts */
    /* blocks were followed through objects: what follows is there, and session->blocks is final */
    bool is_full;
    uint64_t *held; /* objects that something holds: roots, or what these hold */
    /* from blocks that no root reaches through blocks alone, to objects with open counts and no
     * other owner */
    rhi_links words;
    rhi_links refs; /* from objects to such blocks */
} rhi_owners;

/* Found on first use, as far as the verdict on open counts needs it; with `full` in any case. */
rhi_error *rhi__session_owners(rhi_session *session, rhi_reader *reader, bool full,
                               rhi_owners **owners);

/* Sets `reach` of the rows that lie in blocks of malloc. */
rhi_error *rhi__judge_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders);
/* The same for one block. */
rhi_error *rhi__judge_block(rhi_session *session, rhi_reader *reader, uint64_t address,
                            uint8_t *reach);

static inline bool rhi__has_open_count(const rhi_graph *graph, uint32_t i)
{
    return !(graph->flags[i] &
             (RHI_GRAPH_DYING | RHI_GRAPH_IMMORTAL | RHI_GRAPH_DAMAGED | RHI_GRAPH_CORRUPT)) &&
           rhi__open(graph, i) > 0;
}

static inline uint32_t rhi__counts_with_blocks(const rhi_owners *owners, uint32_t i)
{
    return owners->with_blocks ? owners->with_blocks[i] : 0;
}
/* Does it have a count without an owner? */
static inline bool rhi__lacks_owner(const rhi_owners *owners, uint32_t i)
{
    return owners->lacking[i] || rhi__counts_with_blocks(owners, i);
}
/* And are such counts owned by words in blocks that nothing reaches, all of them? */
static inline bool rhi__is_lost_with_block(const rhi_owners *owners, uint32_t i)
{
    return rhi__counts_with_blocks(owners, i) && owners->lacking[i] == 0;
}
/* Does nothing need to hold it, or has it an owner outside of the heap? */
static inline bool rhi__is_held_itself(const rhi_graph *graph, const rhi_owners *owners, uint32_t i)
{
    return graph->flags[i] & (RHI_GRAPH_STAYS | RHI_GRAPH_CORRUPT) ||
           (rhi__bit(owners->owned, i) && rhi__is_held_outside(graph, i));
}

/* The links from one block or object: links->items[*first .. what is returned). */
uint64_t rhi__links_from(const rhi_links *links, uint32_t from, uint64_t *first);

/* A walk through objects and blocks, each of which is met once. */
typedef struct rhi_walk {
    rhi_session *session;
    const rhi_graph *graph;
    const rhi_malloc_graph *blocks;
    const rhi_owners *owners;
    uint64_t *objects, *met; /* bits: objects and blocks that were met; met NULL: no blocks */
    const uint64_t *objects_within, *within; /* the only ones to go to; NULL: any */
    rhi_numbers queue;                       /* all blocks that were met */
} rhi_walk;
/* From graph->queue[0 .. count), which are in `objects`, and the blocks in the queue from `head`
 * on, which are in `met`. */
rhi_error *rhi__walk(rhi_walk *walk, uint32_t count, uint64_t head);

#endif
