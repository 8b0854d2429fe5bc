/* malloc_graph.h - the blocks of malloc as a graph, and which of them a root reaches.
 *
 * A root is a general register (vector registers are asked last: owners.h), a registered slot,
 * and every word of memory that is searched and is no block of malloc: stacks, globals,
 * thread-local variables, other allocators' memory; also the runtime's own memory, except for its
 * objects, which are no roots (owners.h). A word leads to a block if it points anywhere into it,
 * its upper bits left aside: interpreters keep types there.
 *
 * Invariant: a block that is not in `reached` is one for certain, in use, and no word that was
 * read leads to it from a root. What could be something else (an arena that was not walked to its
 * end, a page that only looks like a block) is no block here but root memory. `reached` only
 * grows. */
#ifndef RHI_MALLOC_GRAPH_H
#define RHI_MALLOC_GRAPH_H

#include "words/words.h"

#define RHI_NO_BLOCK UINT32_MAX

typedef struct rhi_numbers {
    uint32_t *items;
    uint64_t count, capacity;
} rhi_numbers;

typedef struct rhi_malloc_graph {
    rhi_word_map *map;
    /* Numbers: all chunks of the spans in address order, free ones too; then the blocks with
     * mappings of their own. */
    uint64_t *starts; /* a bit each 16 bytes of the spans: a chunk begins here */
    /* by word of `starts`: the number of its first chunk, or of the next behind it */
    uint32_t *rank;
    struct {
        rhi_range *items;
        uint64_t count, capacity;
    } mapped;
    uint32_t chunk_count, count;
    uint64_t *reached; /* bits by number; free chunks count as reached: they are nobody's loss */
    uint64_t *in_use;
    uint64_t *direct[2];  /* what a word of a root leads to: of a variable's memory, of any other */
    uint32_t *edge_start; /* block i leads to edges.items[edge_start[i] .. edge_start[i + 1]) */
    rhi_numbers edges;
    uint8_t *near; /* may there be a block in these 2 MiB? by the address modulo 2^16 of them */
    /* memory changed while it was read, or has more blocks than are numbered: all count as
     * reached */
    bool is_doubtful;
} rhi_malloc_graph;

/* The blocks of this state of the target, with what roots reach through blocks alone: made on first
 * use. */
rhi_error *rhi__session_malloc_graph(rhi_session *session, rhi_reader *reader,
                                     rhi_malloc_graph **blocks);
/* The same if it was made before, or NULL. */
const rhi_malloc_graph *rhi__malloc_graph_known(const rhi_session *session);
/* The block in use that the word leads to, or RHI_NO_BLOCK. Of most words it is soon told that they
 * lead to none. */
enum { RHI_NEAR_SHIFT = 21, RHI_NEAR_PIECES = 1 << 16 };
uint32_t rhi__malloc_number_near(const rhi_malloc_graph *blocks, uint64_t address);
static inline uint32_t rhi__malloc_number(const rhi_malloc_graph *blocks, uint64_t word)
{
    uint64_t address = word & RHI_POINTER_MASK;
    return blocks->near[address >> RHI_NEAR_SHIFT & (RHI_NEAR_PIECES - 1)]
               ? rhi__malloc_number_near(blocks, address)
               : RHI_NO_BLOCK;
}
/* The memory [*start, *end) that the program has of a block. */
void rhi__malloc_range(const rhi_malloc_graph *blocks, uint32_t number, uint64_t *start,
                       uint64_t *end);
bool rhi__malloc_is_reached(const rhi_malloc_graph *blocks, uint32_t number);
/* Something that is no variable leads to it, after all. */
void rhi__malloc_reach(rhi_malloc_graph *blocks, uint32_t number);
/* From the blocks of `queue` from `head` on, all of them in `met`, along their words to whatever
 * is not in `met` yet; `within`: go nowhere else (NULL: anywhere). Adds all that is met to both. */
rhi_error *rhi__malloc_spread(rhi_work *work, const rhi_malloc_graph *blocks, uint64_t *met,
                              const uint64_t *within, rhi_numbers *queue, uint64_t head);
/* The shortest chain of blocks down to `number`, from one that a root leads to, where possible a
 * variable; else from one of `others` (bits; NULL: none). Empty: there is none. */
rhi_error *rhi__malloc_chain(rhi_work *work, const rhi_malloc_graph *blocks, uint32_t number,
                             const uint64_t *others, rhi_numbers *chain);
/* Appends; false if memory is short. */
bool rhi__number_add(rhi_numbers *list, uint32_t number);
uint64_t *rhi__malloc_bits(const rhi_malloc_graph *blocks);

#endif
