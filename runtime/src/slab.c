/* slab.c - chunks, slabs and slots: where objects lie.
 *
 * Invariants. A chunk is aligned to its size, so that address -> chunk -> slab -> slot is
 * arithmetic. A slab holds slots of one size class; its state says which list it is on (see
 * rh__slab_state). A class hands out the few slots that were freed last first: their memory is in
 * the processor's caches. Then it allocates from one word (64 slots) of its current slab's bitmap
 * at a time: the word's free slots are taken together and handed out lowest first. Then comes the
 * same word again, if much of it was freed meanwhile, else the next word with free slots, else
 * the slab that waited longest. So what is allocated together lies together. What is freed by a
 * cascade or a collection does not pass through the cache. A slab that runs empty is kept by its
 * class (one) or returned to its chunk; it keeps class and tombstones until another class needs
 * it. Chunks without used slabs are kept up to EMPTY_CHUNKS_MAX.
 */
#include "internal.h"

#define FREED_LARGE_MAX 16u
#define EMPTY_CHUNKS_MAX 32u
#define WORD_AGAIN 16 /* free slots that make it worth taking the same word again */
#define ALL_SLABS (((uint64_t)1 << RH__CHUNK_SLABS) - 1)

uint8_t rh__class_table[RH__SLOT_MAX / 16 + 1];

/* 32, 48, … 128, then four classes per doubling up to 8192; the first has number RH__CLASS_FIRST.
 */
static uint32_t class_of(size_t bytes)
{
    if (bytes <= 128)
        return RH__CLASS_FIRST + (bytes <= RH__SLOT_MIN ? 0 : (uint32_t)((bytes + 15) / 16 - 2));
    uint32_t doubling = 63 - (uint32_t)__builtin_clzll(bytes - 1); /* 7 for 129..256 */
    return RH__CLASS_FIRST + 7 + (doubling - 7) * 4 + (uint32_t)((bytes - 1) >> (doubling - 2)) - 4;
}

static uint32_t class_bytes(uint32_t size_class)
{
    size_class -= RH__CLASS_FIRST;
    if (size_class < 7)
        return (size_class + 2) * 16;
    uint32_t doubling = (size_class - 7) / 4, step = (size_class - 7) % 4;
    return (128u << doubling) / 4 * (5 + step);
}

void rh__class_table_fill(void)
{
    for (size_t i = 0; i <= RH__SLOT_MAX / 16; i++)
        rh__class_table[i] = (uint8_t)class_of(i * 16);
}

/* ---- chunks --------------------------------------------------------------------------------- */

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

static uint64_t touched_bytes(const rh__slab *slab)
{
    uint64_t slots = (uint64_t)slab->touched_words * 64;
    return (slots < slab->capacity ? slots : slab->capacity) * slab->slot_size;
}

static void set_touched(rh_heap *heap, rh__slab *slab, uint32_t words)
{
    heap->touched_bytes -= touched_bytes(slab);
    slab->touched_words = words;
    heap->touched_bytes += touched_bytes(slab);
}

static rh__chunk *chunk_map(rh_heap *heap, size_t bytes)
{
    /* Only the first chunk of a heap shuns huge pages: a small heap stays small, a big one is fast.
     */
    rh__chunk *chunk =
        (rh__chunk *)(void *)rh__map(heap, RH_MAPPING_CHUNK, bytes, RH__CHUNK_SIZE, !heap->chunks);
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
    for (uint32_t i = 0; i < RH__CHUNK_SLABS; i++)
        set_touched(heap, &chunk->slabs[i], 0);
    rh__table_remove(&heap->chunk_table, (uint64_t)(uintptr_t)chunk);
    rh__unmap(&chunk->mapping);
}

void rh__chunks_unmap(rh_heap *heap)
{
    while (heap->chunks)
        chunk_unmap(heap, heap->chunks);
    rh__table_free(&heap->chunk_table);
}

/* ---- slabs ---------------------------------------------------------------------------------- */

/* What lies behind the headers of slots without an object belongs to nobody. */
static void close_slots(char *base, uint64_t slot_size, uint32_t capacity)
{
#ifdef RH__ASAN
    ASAN_POISON_MEMORY_REGION(base, capacity == 1 ? slot_size : RH__SLAB_BYTES);
    for (uint32_t slot = 0; slot < capacity; slot++)
        ASAN_UNPOISON_MEMORY_REGION(base + slot * slot_size, sizeof(rh_object));
#else
    (void)base, (void)slot_size, (void)capacity;
#endif
}

/* Gives a slab (in no list) its class. What an earlier class left there is wiped first: its
 * tombstones would lie in the middle of the new slots. */
static void slab_format(rh_heap *heap, rh__slab *slab, char *base, uint64_t slot_size,
                        uint32_t capacity, uint32_t size_class)
{
    uint64_t used_bytes = (uint64_t)slab->touched_words * 64 * slab->slot_size;
    set_touched(heap, slab, 0);
    if (slab->slot_size) {
        slab->slot_size = 0;
        RH__ORDER();
        if (used_bytes > RH__SLAB_BYTES)
            used_bytes = RH__SLAB_BYTES;
        ASAN_UNPOISON_MEMORY_REGION(base, RH__SLAB_BYTES);
        rh__valgrind_open(base, RH__SLAB_BYTES);
        memset(base, 0, used_bytes);
    }
    close_slots(base, slot_size, capacity);
    /* While the slab is in no use no bit below its capacity is set, whatever the capacity. */
    memset(slab->live, 0, sizeof slab->live);
    RH__ORDER();
    slab->base = base;
    slab->capacity = capacity;
    slab->words = (capacity + 63) / 64;
    slab->reciprocal =
        capacity == 1 ? 0 : (uint32_t)((((uint64_t)1 << 32) + slot_size - 1) / slot_size);
    slab->size_class = size_class;
    slab->alloc = size_class == RH__CLASS_LARGE ? &heap->no_cache : &heap->alloc[size_class];
    RH__ORDER();
    for (uint32_t word = 0; word < RH__BITMAP_WORDS; word++)
        if (word >= slab->words)
            slab->live[word] = ~(uint64_t)0;
        else
            slab->live[word] = ~rh__word_mask(slab, word);
    RH__ORDER();
    slab->slot_size = slot_size;
}

/* A chunk with a free slab, or NULL. */
static rh__chunk *chunk_open(rh_heap *heap)
{
    if (heap->open_chunks)
        return heap->open_chunks;
    rh__chunk *chunk = heap->empty_chunks;
    if (chunk) {
        heap->empty_chunks = chunk->open_next;
        heap->empty_chunk_count--;
    } else {
        chunk = chunk_map(heap, RH__CHUNK_SIZE);
        if (!chunk)
            return NULL;
        chunk->free_slabs = ALL_SLABS;
    }
    open_link(heap, chunk);
    return chunk;
}

static rh__slab *slab_take(rh_heap *heap, uint32_t size_class)
{
    rh__chunk *chunk = chunk_open(heap);
    if (!chunk)
        return NULL;
    uint32_t index = (uint32_t)__builtin_ctzll(chunk->free_slabs);
    chunk->free_slabs &= chunk->free_slabs - 1;
    if (!chunk->free_slabs)
        open_unlink(heap, chunk);
    rh__slab *slab = &chunk->slabs[index];
    uint32_t slot_size = class_bytes(size_class);
    if (slab->slot_size != slot_size)
        slab_format(heap, slab, (char *)chunk + RH__CHUNK_DATA + index * RH__SLAB_BYTES, slot_size,
                    (uint32_t)(RH__SLAB_BYTES / slot_size), size_class);
    return slab;
}

void rh__chunks_trim(rh_heap *heap, uint64_t keep)
{
    while (heap->empty_chunk_count > keep) {
        rh__chunk *chunk = heap->empty_chunks;
        heap->empty_chunks = chunk->open_next;
        heap->empty_chunk_count--;
        chunk_unmap(heap, chunk);
    }
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
    open_unlink(heap, chunk);
    if (heap->empty_chunk_count >= EMPTY_CHUNKS_MAX) {
        chunk_unmap(heap, chunk);
        return;
    }
    chunk->open_next = heap->empty_chunks;
    heap->empty_chunks = chunk;
    heap->empty_chunk_count++;
}

/* At the end: slabs wait in line, and collect free slots meanwhile. */
static void partial_link(rh_heap *heap, rh__slab *slab)
{
    rh__slab *last = heap->partial_last[slab->size_class];
    slab->state = RH__SLAB_PARTIAL;
    slab->next = NULL;
    slab->prev = last;
    if (last)
        last->next = slab;
    else
        heap->partial_first[slab->size_class] = slab;
    heap->partial_last[slab->size_class] = slab;
}

static void partial_unlink(rh_heap *heap, rh__slab *slab)
{
    if (slab->prev)
        slab->prev->next = slab->next;
    else
        heap->partial_first[slab->size_class] = slab->next;
    if (slab->next)
        slab->next->prev = slab->prev;
    else
        heap->partial_last[slab->size_class] = slab->prev;
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* The first word from `word` on with a free slot; slab->words if there is none. */
static uint32_t free_word(const rh__slab *slab, uint32_t word)
{
    while (word < slab->words && slab->live[word] == ~(uint64_t)0)
        word++;
    return word;
}

static bool slab_is_empty(const rh__slab *slab)
{
    for (uint32_t word = 0; word < slab->words; word++)
        if (slab->live[word] & rh__word_mask(slab, word))
            return false;
    return true;
}

static void slab_emptied(rh_heap *heap, rh__slab *slab)
{
    if (heap->empty[slab->size_class]) {
        slab_return(heap, slab);
        return;
    }
    slab->state = RH__SLAB_EMPTY;
    heap->empty[slab->size_class] = slab;
}

/* The class is through with its current slab. */
static void slab_leave(rh_heap *heap, rh__slab *slab)
{
    if (slab_is_empty(slab))
        slab_emptied(heap, slab);
    else if (free_word(slab, 0) < slab->words)
        partial_link(heap, slab);
    else
        slab->state = RH__SLAB_FULL;
}

/* A slab with free slots to be the current one, or NULL. */
static rh__slab *slab_next(rh_heap *heap, uint32_t size_class)
{
    rh__slab *slab = heap->partial_first[size_class];
    if (slab) {
        partial_unlink(heap, slab);
    } else if (heap->empty[size_class]) {
        slab = heap->empty[size_class];
        heap->empty[size_class] = NULL;
    } else {
        slab = slab_take(heap, size_class);
    }
    if (slab)
        slab->state = RH__SLAB_CURRENT;
    return slab;
}

bool rh__slots_refill(rh_heap *heap, uint32_t size_class)
{
    rh__alloc *alloc = &heap->alloc[size_class];
    rh__slab *slab = alloc->slab;
    uint32_t word = alloc->word;
    if (slab && __builtin_popcountll(~slab->live[word]) < WORD_AGAIN) {
        word = free_word(slab, word + 1);
        if (word == slab->words) {
            alloc->slab = NULL;
            slab_leave(heap, slab);
            slab = NULL;
        }
    }
    if (!slab) {
        slab = slab_next(heap, size_class);
        if (!slab)
            return false;
        word = free_word(slab, 0);
    }
    if (word >= slab->touched_words)
        set_touched(heap, slab, word + 1);
    alloc->slab = slab;
    alloc->word = word;
    alloc->slot_size = (uint32_t)slab->slot_size;
    alloc->base = slab->base + (size_t)word * 64 * slab->slot_size;
    RH__ORDER();
    alloc->available = ~slab->live[word];
    RH__ORDER(); /* available before they are taken, since they may be blank */
    slab->live[word] = ~(uint64_t)0;
    return true;
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

void *rh__slot_find_large(rh_heap *heap, size_t bytes)
{
    rh__slab *slab = large_reuse(heap, bytes);
    if (!slab) {
        if (bytes > SIZE_MAX / 4)
            return NULL;
        rh__chunk *chunk = chunk_map(heap, RH__CHUNK_DATA + bytes);
        if (!chunk)
            return NULL;
        slab = &chunk->slabs[0];
        slab_format(heap, slab, (char *)chunk + RH__CHUNK_DATA,
                    chunk->mapping.bytes - RH__CHUNK_DATA, 1, RH__CLASS_LARGE);
        slab->state = RH__SLAB_LARGE;
        set_touched(heap, slab, 1);
    }
    rh__header_take((rh_object *)(void *)slab->base);
    slab->live[0] = ~(uint64_t)0;
    return slab->base;
}

/* Keeps the mapping for its tombstone and for reuse, and lets the oldest kept one go. */
static void large_free(rh_heap *heap, rh__slab *slab)
{
    rh__chunk *chunk = rh__chunk_of(slab);
    rh__discard(slab->base + sizeof(rh_object), slab->slot_size - sizeof(rh_object));
    ASAN_POISON_MEMORY_REGION(slab->base + sizeof(rh_object), slab->slot_size - sizeof(rh_object));
    rh__valgrind_close(slab->base + sizeof(rh_object), slab->slot_size - sizeof(rh_object));
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

void rh__slab_freed(rh_heap *heap, rh__slab *slab)
{
    switch (slab->state) {
    case RH__SLAB_LARGE:
        large_free(heap, slab);
        return;
    case RH__SLAB_FULL:
        partial_link(heap, slab);
        break;
    case RH__SLAB_PARTIAL:
        break;
    default:
        return;
    }
    if (slab_is_empty(slab)) {
        partial_unlink(heap, slab);
        slab_emptied(heap, slab);
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
    rh_object *object = rh__slot_object(slab, slot);
    if (slot >= slab->capacity || (const void *)object != address || !rh__bit(slab->live, slot) ||
        !rh__is_in_use(object))
        return NULL;
    return object;
}

/* The next slab of the heap that was ever used, or NULL. */
static rh__slab *cursor_next_slab(rh_heap *heap, rh__cursor *cursor)
{
    if (!cursor->chunk)
        cursor->chunk = heap->chunks;
    while (cursor->chunk) {
        while (cursor->slab < RH__CHUNK_SLABS) {
            rh__slab *slab = &cursor->chunk->slabs[cursor->slab++];
            if (slab->slot_size)
                return slab;
        }
        cursor->chunk = cursor->chunk->next;
        cursor->slab = 0;
    }
    return NULL;
}

rh_object *rh__next_object(rh_heap *heap, rh__cursor *cursor)
{
    rh__slab *slab =
        cursor->slab ? &cursor->chunk->slabs[cursor->slab - 1] : cursor_next_slab(heap, cursor);
    for (; slab; slab = cursor_next_slab(heap, cursor), cursor->word = 0)
        for (;;) {
            while (cursor->bits) {
                rh_object *object =
                    rh__slot_object(slab, (cursor->word - 1) * 64 + rh__take_bit(&cursor->bits));
                if (rh__is_in_use(object))
                    return object;
            }
            if (cursor->word == slab->words)
                break;
            cursor->bits = slab->live[cursor->word] & rh__word_mask(slab, cursor->word);
            cursor->word++;
        }
    return NULL;
}

size_t rh_heap_trim(rh_heap *heap)
{
    rh__check_owner(heap);
    size_t chunks = heap->empty_chunk_count;
    rh__chunks_trim(heap, 0);
    return chunks * RH__CHUNK_SIZE;
}
