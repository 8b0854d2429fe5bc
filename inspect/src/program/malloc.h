/* malloc.h - which memory glibc's malloc has given out: its arenas, walked without symbols and
 * files.
 *
 * An arena is found by its shape in the data of a module (glibc 2.26 to 2.41): 127 bins, each the
 * head of a circular list, and the lists `next` and `prev` of arenas and of their heaps. Only
 * memory whose chunks follow each other without a gap from the first one to the end is a span;
 * whatever else malloc owns (a damaged arena, another allocator) is nobody's here and is to be
 * searched as unknown memory: words are never lost for a walk that failed. */
#ifndef RHI_MALLOC_H
#define RHI_MALLOC_H

#include "base/work.h"
#include "target/window.h"

/* Chunks from `start` to `end`, where the top chunk or a fencepost begins. */
typedef struct rhi_chunk_span {
    /* [end, top_end) is the top chunk, which holds nothing; end: none */
    uint64_t start, end, top_end;
    uint64_t first_mark; /* in rhi_malloc.marks: one each RHI_MARK_BYTES from `start` on */
    uint64_t first_bit;  /* in rhi_malloc.idle: one each 16 bytes */
} rhi_chunk_span;
enum { RHI_MARK_BYTES = 4096 };
/* HEAP_MAX_SIZE: heaps of all but the main arena are aligned to it */
#define RHI_HEAP_BYTES (64ull << 20)

typedef struct rhi_range {
    uint64_t start, end;
} rhi_range;
typedef struct rhi_malloc {
    struct {
        rhi_chunk_span *items;
        uint64_t count, capacity;
    } spans; /* sorted, without overlap */
    /* the chunk that each marked place lies in */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } marks;
    uint64_t *idle; /* bits: chunks in fastbins and tcaches, and the tcaches; NULL: none */
    uint64_t bits;  /* of all spans */
    /* those whose chunks are spans: their heads of lists */
    struct {
        struct rhi_range *items;
        uint64_t count, capacity;
    } arenas;
    rhi_window window;
    uint64_t chunk, size; /* the chunk of the last answer; size 0: none */
    bool in_use;
} rhi_malloc;

/* Finds the arenas whose main one lies in `data`, `count` ranges of module data. Opens *malloc
 * also if there are none. */
rhi_error *rhi__malloc_open(rhi_work *work, rhi_memory *memory, const rhi_range *data,
                            uint64_t count, rhi_malloc *malloc);
void rhi__malloc_close(rhi_malloc *malloc);
/* The user memory [*base, *end) of the block in use that the word at `address` of this span lies
 * in; false: a free chunk, or malloc's own. Near the last answer is fast. */
bool rhi__malloc_block(rhi_malloc *malloc, const rhi_chunk_span *span, uint64_t address,
                       uint64_t *base, uint64_t *end);
/* The chunk that begins at `chunk`; false: the memory is no longer what was walked. From chunk to
 * chunk is fast. */
bool rhi__malloc_chunk(rhi_malloc *malloc, const rhi_chunk_span *span, uint64_t chunk,
                       uint64_t *size, bool *in_use);
const rhi_chunk_span *rhi__malloc_span(const rhi_malloc *malloc, uint64_t address);
/* Is this word one of malloc's own in an arena? Those lead to free memory, and so past the end of
 * what is before it. */
bool rhi__malloc_is_arena(const rhi_malloc *malloc, uint64_t address);
/* The end of the block with a mapping of its own that seems to begin at `start`; 0: there is none.
 */
uint64_t rhi__malloc_mapped_end(rhi_window *window, uint64_t start, uint64_t limit);

#endif
