/* pieces.h - which pieces of a stretch of memory hold words that are no object's: all but the
 * blocks of heaps, and of these the raw slots.
 * Invariant: pieces are in order, aligned to words, and hold no byte of a slot that is not raw. */
#ifndef RHI_PIECES_H
#define RHI_PIECES_H

#include "heap/reader.h"

/* Of [at, end). in_heap: it is a range of a format's own memory: outside of blocks are its tables.
 */
typedef struct rhi_pieces {
    const rhi_reader *reader;
    uint64_t at, end;
    bool in_heap;
    bool has_block; /* at least one block was met */
    /* all slots that hold no object: what a format takes for a dead one may be somebody's table */
    bool any_slot;
    uint64_t block; /* the first that ends behind `at` */
} rhi_pieces;

/* All blocks are read. */
rhi_pieces rhi__pieces(const rhi_reader *reader, uint64_t start, uint64_t end, bool in_heap);
/* The next piece [*start, *end); false: there is no more. */
bool rhi__next_piece(rhi_pieces *pieces, uint64_t *start, uint64_t *end);

#endif
