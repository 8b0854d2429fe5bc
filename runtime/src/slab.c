/* slab.c - chunks, slabs and slots: where objects lie.
 *
 * Invariants. A chunk is aligned to its size, so that address -> chunk -> slab -> slot is arithmetic.
 * A slab holds slots of one size class; its state says which list it is on (see rh__slab_state).
 * Allocation takes the lowest free slot of the class's current slab. A slab that runs empty is kept
 * by its class (one) or returned to its chunk; it keeps class and tombstones until another class
 * needs it. One chunk without used slabs is kept, a second one goes back to the system.
 */
#include "internal.h"

#define FREED_LARGE_MAX 16u
#define ALL_SLABS (((uint64_t)1 << RH__CHUNK_SLABS) - 1)

/* 32, 48, … 128, then four classes per doubling up to 8192. */
uint32_t rh__size_class(size_t bytes)
{
    if (bytes <= 128)
        return bytes <= RH__SLOT_MIN ? 0 : (uint32_t)((bytes + 15) / 16 - 2);
    if (bytes > RH__SLOT_MAX)
        return RH__CLASS_LARGE;
    uint32_t doubling = 63 - (uint32_t)__builtin_clzll(bytes - 1); /* 7 for 129..256 */
    return 7 + (doubling - 7) * 4 + (uint32_t)((bytes - 1) >> (doubling - 2)) - 4;
}

static uint32_t class_bytes(uint32_t size_class)
{
    if (size_class < 7)
        return (size_class + 2) * 16;
    uint32_t doubling = (size_class - 7) / 4, step = (size_class - 7) % 4;
    return (128u << doubling) / 4 * (5 + step);
}

/* ---- chunks ------------------------------------------------------------------------------------ */

static void open_link(rh_heap *heap, rh__chunk *chunk)
{
    chunk->open_prev = NULL;
    chunk->open_next = heap->open_chunks;
    if (heap->open_chunks)
        heap->open_chunks->open_prev = chunk;
    heap->open_chunks = chunk;
}

static void open_unlink(rh_heap *heap, rh__chunk *chunk)
{
    if (chunk->open_prev)
        chunk->open_prev->open_next = chunk->open_next;
    else
        heap->open_chunks = chunk->open_next;
    if (chunk->open_next)
        chunk->open_next->open_prev = chunk->open_prev;
}

static rh__chunk *chunk_map(rh_heap *heap, size_t bytes)
{
    /* Only the first chunk of a heap shuns huge pages: a small heap stays small, a big one is fast. */
    rh__chunk *chunk = (rh__chunk *)(void *)rh__map(heap, RH_MAPPING_CHUNK, bytes, RH__CHUNK_SIZE, !heap->chunks);
    if (!chunk)
        return NULL;
    if (!rh__table_put(heap, &heap->chunk_table, (uint64_t)(uintptr_t)chunk, 1)) {
        rh__unmap(&chunk->mapping);
        return NULL;
    }
    chunk->next = heap->chunks;
    if (heap->chunks)
        heap->chunks->prev = chunk;
    heap->chunks = chunk;
    return chunk;
}

static void chunk_unmap(rh_heap *heap, rh__chunk *chunk)
{
    if (chunk->prev)
        chunk->prev->next = chunk->next;
    else
        heap->chunks = chunk->next;
    if (chunk->next)
        chunk->next->prev = chunk->prev;
    rh__table_remove(&heap->chunk_table, (uint64_t)(uintptr_t)chunk);
    rh__unmap(&chunk->mapping);
}

void rh__chunks_unmap(rh_heap *heap)
{
    while (heap->chunks)
        chunk_unmap(heap, heap->chunks);
    rh__table_free(&heap->chunk_table);
}

/* ---- slabs ------------------------------------------------------------------------------------- */

/* Gives a slab (in no list) its class. What an earlier class left there is wiped first: its
 * tombstones would lie in the middle of the new slots. */
static void slab_format(rh__slab *slab, char *base, uint64_t slot_size, uint32_t capacity, uint32_t size_class)
{
    uint64_t used_bytes = (uint64_t)slab->touched_words * 64 * slab->slot_size;
    if (slab->slot_size) {
        slab->slot_size = 0;
        RH__ORDER();
        if (used_bytes > RH__SLAB_BYTES)
            used_bytes = RH__SLAB_BYTES;
        ASAN_UNPOISON_MEMORY_REGION(base, RH__SLAB_BYTES);
        memset(base, 0, used_bytes);
    }
    slab->base = base;
    slab->capacity = capacity;
    slab->words = (capacity + 63) / 64;
    slab->reciprocal = capacity == 1 ? 0 : (uint32_t)((((uint64_t)1 << 32) + slot_size - 1) / slot_size);
    slab->size_class = size_class;
    slab->used = slab->cursor = slab->touched_words = 0;
    memset(slab->live, 0, sizeof slab->live);
    for (uint32_t word = 0; word < RH__BITMAP_WORDS; word++)
        if (word >= slab->words)
            slab->live[word] = ~(uint64_t)0;
        else
            slab->live[word] = ~rh__word_mask(slab, word);
    RH__ORDER();
    slab->slot_size = slot_size;
}

static rh__slab *slab_take(rh_heap *heap, uint32_t size_class)
{
    rh__chunk *chunk = heap->open_chunks;
    if (chunk && chunk == heap->spare_chunk && chunk->open_next)
        chunk = chunk->open_next;
    if (!chunk) {
        chunk = chunk_map(heap, RH__CHUNK_SIZE);
        if (!chunk)
            return NULL;
        chunk->free_slabs = ALL_SLABS;
        open_link(heap, chunk);
    }
    if (heap->spare_chunk == chunk)
        heap->spare_chunk = NULL;
    uint32_t index = (uint32_t)__builtin_ctzll(chunk->free_slabs);
    chunk->free_slabs &= chunk->free_slabs - 1;
    if (!chunk->free_slabs)
        open_unlink(heap, chunk);
    rh__slab *slab = &chunk->slabs[index];
    uint32_t slot_size = class_bytes(size_class);
    if (slab->slot_size != slot_size)
        slab_format(slab, (char *)chunk + RH__CHUNK_DATA + index * RH__SLAB_BYTES, slot_size,
                    (uint32_t)(RH__SLAB_BYTES / slot_size), size_class);
    return slab;
}

static void slab_return(rh_heap *heap, rh__slab *slab)
{
    rh__chunk *chunk = rh__chunk_of(slab);
    slab->state = RH__SLAB_FREE;
    if (!chunk->free_slabs)
        open_link(heap, chunk);
    chunk->free_slabs |= (uint64_t)1 << (slab - chunk->slabs);
    if (chunk->free_slabs != ALL_SLABS)
        return;
    if (heap->spare_chunk) {
        open_unlink(heap, chunk);
        chunk_unmap(heap, chunk);
    } else {
        heap->spare_chunk = chunk;
    }
}

static void partial_link(rh_heap *heap, rh__slab *slab)
{
    rh__slab **head = &heap->partial[slab->size_class];
    slab->state = RH__SLAB_PARTIAL;
    slab->prev = NULL;
    slab->next = *head;
    if (*head)
        (*head)->prev = slab;
    *head = slab;
}

static void partial_unlink(rh_heap *heap, rh__slab *slab)
{
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        heap->partial[slab->size_class] = slab->next;
    if (slab->next)
        slab->next->prev = slab->prev;
}

/* Another current slab for the class; the old one, if any, is full. */
static rh__slab *slab_next(rh_heap *heap, uint32_t size_class)
{
    rh__slab *slab = heap->partial[size_class];
    if (slab) {
        partial_unlink(heap, slab);
    } else if (heap->empty[size_class]) {
        slab = heap->empty[size_class];
        heap->empty[size_class] = NULL;
    } else {
        slab = slab_take(heap, size_class);
        if (!slab)
            return NULL;
    }
    if (heap->current[size_class])
        heap->current[size_class]->state = RH__SLAB_FULL;
    slab->state = RH__SLAB_CURRENT;
    heap->current[size_class] = slab;
    return slab;
}

/* ---- slots ------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void *slot_find_slow(rh_heap *heap, uint32_t size_class, rh__slab **ret)
{
    rh__slab *slab = heap->current[size_class];
    for (;;) {
        if (!slab || slab->used == slab->capacity) {
            slab = slab_next(heap, size_class);
            if (!slab)
                return NULL;
        }
        while (slab->live[slab->cursor] == ~(uint64_t)0)
            slab->cursor++; /* ends: used < capacity */
        if (slab->cursor >= slab->touched_words)
            slab->touched_words = slab->cursor + 1;
        *ret = slab;
        uint32_t slot = slab->cursor * 64 + (uint32_t)__builtin_ctzll(~slab->live[slab->cursor]);
        return slab->base + slot * slab->slot_size;
    }
}

void *rh__slot_find(rh_heap *heap, uint32_t size_class, rh__slab **ret)
{
    rh__slab *slab = heap->current[size_class];
    if (RH__UNLIKELY(!slab))
        return slot_find_slow(heap, size_class, ret);
    uint64_t free_slots = ~slab->live[slab->cursor];
    if (RH__UNLIKELY(!free_slots || slab->cursor >= slab->touched_words))
        return slot_find_slow(heap, size_class, ret);
    *ret = slab;
    return slab->base + (slab->cursor * 64 + (uint32_t)__builtin_ctzll(free_slots)) * slab->slot_size;
}

/* A freed large object's mapping that fits without waste. */
static rh__slab *large_reuse(rh_heap *heap, size_t bytes)
{
    for (rh__chunk **link = &heap->freed_large; *link; link = &(*link)->open_next) {
        rh__chunk *chunk = *link;
        if (chunk->slabs[0].slot_size < bytes || chunk->slabs[0].slot_size / 2 > bytes)
            continue;
        *link = chunk->open_next;
        heap->freed_large_count--;
        return &chunk->slabs[0];
    }
    return NULL;
}

void *rh__slot_find_large(rh_heap *heap, size_t bytes, rh__slab **ret)
{
    rh__slab *slab = large_reuse(heap, bytes);
    if (!slab) {
        if (bytes > SIZE_MAX / 4)
            return NULL;
        rh__chunk *chunk = chunk_map(heap, RH__CHUNK_DATA + bytes);
        if (!chunk)
            return NULL;
        slab = &chunk->slabs[0];
        slab_format(slab, (char *)chunk + RH__CHUNK_DATA, chunk->mapping.bytes - RH__CHUNK_DATA, 1,
                    RH__CLASS_LARGE);
        slab->state = RH__SLAB_LARGE;
        slab->touched_words = 1;
    }
    *ret = slab;
    return slab->base;
}

/* Keeps the mapping for its tombstone and for reuse, and lets the oldest kept one go. */
static void large_free(rh_heap *heap, rh__slab *slab)
{
    rh__chunk *chunk = rh__chunk_of(slab);
    chunk->open_next = heap->freed_large;
    heap->freed_large = chunk;
    if (++heap->freed_large_count <= FREED_LARGE_MAX)
        return;
    rh__chunk **link = &heap->freed_large;
    while ((*link)->open_next)
        link = &(*link)->open_next;
    rh__chunk *oldest = *link;
    *link = NULL;
    heap->freed_large_count--;
    chunk_unmap(heap, oldest);
}

void rh__slot_free(rh_heap *heap, rh__slab *slab, uint32_t slot)
{
    rh__bit_clear(slab->live, slot);
    if (slot / 64 < slab->cursor)
        slab->cursor = slot / 64;
    slab->used--;
    if (RH__LIKELY(slab->state == RH__SLAB_CURRENT))
        return;
    if (slab->state == RH__SLAB_LARGE) {
        large_free(heap, slab);
        return;
    }
    if (slab->state == RH__SLAB_FULL)
        partial_link(heap, slab);
    if (slab->used == 0) {
        partial_unlink(heap, slab);
        if (heap->empty[slab->size_class]) {
            slab_return(heap, slab);
        } else {
            slab->state = RH__SLAB_EMPTY;
            heap->empty[slab->size_class] = slab;
        }
    }
}

rh_object *rh__slot_at(const rh_heap *heap, const void *address)
{
    rh__chunk *chunk = rh__chunk_of(address);
    uintptr_t offset = (uintptr_t)address - (uintptr_t)chunk;
    if (offset < RH__CHUNK_DATA || !rh__table_find(&heap->chunk_table, (uint64_t)(uintptr_t)chunk))
        return NULL;
    const rh__slab *slab = rh__slab_of(address);
    if (!slab->slot_size)
        return NULL;
    uint32_t slot = rh__slot_of(slab, address);
    if (slot >= slab->capacity || (void *)rh__slot_object(slab, slot) != address || !rh__bit(slab->live, slot))
        return NULL;
    return rh__slot_object(slab, slot);
}
