/* slots.h - types, sites, and the slots that objects lie in, grouped by owning file. */
#ifndef RH_SLOTS_H
#define RH_SLOTS_H

#include "system.h"

/* ---- type.c --------------------------------------------------------------------------------- */

#define RH__TYPES_MAX 65536u

extern rh__type_entry *rh__types; /* entry 0 is no type */
/* By type: bit k says that the word at 8 * k in the object is a reference. */
extern uint64_t rh__type_slots[RH__TYPES_MAX];

/* Registers the type if it is not; false if that is impossible. */
bool rh__type_register(rh_type *type);
/* Lets its births go the short way, or the long one, as its flags say. pre: it is registered. */
void rh__type_choose_way(rh_type *type);
/* Traces the objects that are born from now on. pre: the lock is held, and the type has the index.
 */
void rh__type_trace(uint32_t index);
/* atomic: types that are traced, but whose births do not know that they have to go the long way */
extern uint32_t rh__types_lagging;
void rh__type_lock(void); /* of the registry of types and sites */
void rh__type_unlock(void);
/* A copy of the text in memory that is never given back, or NULL. pre: the lock is held. */
const char *rh__copy_text(const char *text);
/* Entries of the table; other threads may add some. */
static inline uint64_t rh__type_count(void)
{
    return __atomic_load_n(&rh_debug_descriptor.type_count, __ATOMIC_ACQUIRE);
}

/* The name of a type by index; never NULL. */
const char *rh__type_name(uint32_t index);

static inline bool rh__type_is_traced(uint32_t index)
{
    return __atomic_load_n(&rh__types[index].flags, __ATOMIC_RELAXED) & RH_TYPE_TRACED;
}

static inline bool rh__some_type_lags(void)
{
    return __atomic_load_n(&rh__types_lagging, __ATOMIC_RELAXED) != 0;
}

static inline bool rh__type_ready(rh_type *type)
{
    return RH__LIKELY(__atomic_load_n(&type->rh_private.index, __ATOMIC_ACQUIRE) != 0) ||
           rh__type_register(type);
}

static inline rh__type_entry *rh__type_of(const rh_object *object)
{
    return &rh__types[object->rh_type_index];
}

/* ---- site.c --------------------------------------------------------------------------------- */

#define RH__SITES_MAX 65536u
#define RH__SITE_BITS 16u
/* The rh_number of a site beyond them: the header takes the lower 16 bits. */
#define RH__SITE_REFUSED RH__SITES_MAX

typedef struct rh__site_entry {
    const char *file;
    const char *function; /* NULL: unknown */
    uint32_t line;
    uint32_t next;  /* of those that may be told apart by their texts alone; 0: none */
    uint64_t check; /* of the rest, but for `next` (RH_METADATA_CHECK_CONSTANTS) */
} rh__site_entry;

extern rh__site_entry *rh__sites; /* entry 0 is no site */

/* What goes into the headers of the site's objects, registering it first if it is not. 0: there is
 * no site, or one too many, or memory is short. */
uint64_t rh__site_register(rh_site *site);
/* Entry `number`, or NULL: it is no site's. */
const rh__site_entry *rh__site_at(uint32_t number);
/* "in log_in() at mistakes.c:30", where the object was born; false, and "": that is not known. */
#define RH__BIRTH_TEXT_SIZE 256u
bool rh__birth_text(const rh_object *object, char text[RH__BIRTH_TEXT_SIZE]);

/* The same of a site that is registered; 0: ask rh__site_register. */
static inline __attribute__((always_inline)) uint64_t rh__site_number(const rh_site *site)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half comes first");
    if (!site)
        return 0;
    return __atomic_load_n((const uint16_t *)(const void *)&site->rh_number, __ATOMIC_RELAXED);
}

/* pre: site_number is of 16 bits. */
static inline uint64_t rh__origin(uint64_t serial, uint64_t site_number)
{
    return serial << RH__SITE_BITS | site_number;
}

static inline uint64_t rh__serial(const rh_object *object)
{
    return object->rh_origin >> RH__SITE_BITS;
}

/* ---- slab.c --------------------------------------------------------------------------------- */

extern uint8_t rh__class_table[RH__SLOT_MAX / 16 + 1]; /* class by (bytes + 15) / 16 */
void rh__class_table_fill(void);

static inline uint32_t rh__size_class(size_t bytes)
{
    return RH__LIKELY(bytes <= RH__SLOT_MAX) ? rh__class_table[(bytes + 15) / 16] : RH__CLASS_LARGE;
}

/* Makes slots of the class available in heap->alloc; false if memory is short. */
bool rh__slots_refill(rh_heap *heap, uint32_t size_class);
/* A free slot of its own chunk for a large object, or NULL. */
void *rh__slot_find_large(rh_heap *heap, size_t bytes);
/* Slots of the slab were given back, which may change its state: the slab may be gone afterwards.
 */
void rh__slab_freed(rh_heap *heap, rh__slab *slab);
/* Gives the chunks without a used slab back to the system, but for `keep` of them. */
void rh__chunks_trim(rh_heap *heap, uint64_t keep);
/* The live slot that begins at `address` (any number), or NULL. */
rh_object *rh__slot_at(const rh_heap *heap, const void *address);
void rh__chunks_unmap(rh_heap *heap);

/* A walk over the heap's objects, dying ones included. { 0 } is its beginning. The slabs must
 * stay where they are; objects may come and go. */
typedef struct rh__cursor {
    rh__chunk *chunk;
    uint32_t slab; /* index of the slab in the chunk, + 1 */
    uint32_t word; /* next word of its bitmap */
    uint64_t bits; /* what is left of the word before that */
} rh__cursor;
rh_object *rh__next_object(rh_heap *heap, rh__cursor *cursor); /* NULL: the end */

static inline rh__chunk *rh__chunk_of(const void *object)
{
    return (rh__chunk *)((uintptr_t)object & ~(uintptr_t)(RH__CHUNK_SIZE - 1));
}

static inline rh_heap *rh__heap_of(const void *object)
{
    return rh__chunk_of(object)->mapping.heap;
}

static inline uint32_t rh__slab_index(const void *object)
{
    return (uint32_t)(((uintptr_t)object & (RH__CHUNK_SIZE - 1)) / RH__SLAB_BYTES -
                      RH__CHUNK_DATA / RH__SLAB_BYTES);
}

static inline rh__slab *rh__slab_of(const void *object)
{
    return &rh__chunk_of(object)->slabs[rh__slab_index(object)];
}

/* pre: in the slab's first RH__SLAB_BYTES, as every slot's beginning is. */
static inline uint32_t rh__slot_of(const rh__slab *slab, const void *address)
{
    uint64_t offset = (uintptr_t)address & (RH__SLAB_BYTES - 1);
    return (uint32_t)((offset * slab->reciprocal) >> 32);
}

static inline rh_object *rh__slot_object(const rh__slab *slab, uint32_t slot)
{
    return (rh_object *)(slab->base + slot * slab->slot_size);
}

static inline bool rh__bit(const uint64_t *bitmap, uint32_t bit)
{
    return (bitmap[bit >> 6] >> (bit & 63)) & 1;
}

static inline void rh__bit_set(uint64_t *bitmap, uint32_t bit)
{
    bitmap[bit >> 6] |= (uint64_t)1 << (bit & 63);
}

static inline void rh__bit_clear(uint64_t *bitmap, uint32_t bit)
{
    bitmap[bit >> 6] &= ~((uint64_t)1 << (bit & 63));
}

/* The bits of word `word` that stand for slots. */
static inline uint64_t rh__word_mask(const rh__slab *slab, uint32_t word)
{
    uint32_t left = slab->capacity - word * 64;
    return left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
}

/* Is the taken slot an object's? A blank header is the allocator's; a tombstone, too, or the
 * quarantine's. */
static inline bool rh__is_in_use(const rh_object *object)
{
    return object->rh_type_index != 0 && !(object->rh_flags & RH_FLAG_FREED);
}

/* Takes the lowest bit out of *bits. */
static inline uint32_t rh__take_bit(uint64_t *bits)
{
    uint32_t bit = (uint32_t)__builtin_ctzll(*bits);
    *bits &= *bits - 1;
    return bit;
}

/* May slots that were given back in `word`, of which `left` is left, change the slab's state? The
 * last word has bits behind the capacity, which are never 0. */
static inline bool rh__needs_state(const rh__slab *slab, uint32_t word, uint64_t left)
{
    return RH__UNLIKELY(slab->state != RH__SLAB_CURRENT) &&
           (slab->state != RH__SLAB_PARTIAL || !left || word + 1 == slab->words);
}

/* Gives back the slot of an object whose tombstone is written. The slab may be gone afterwards. */
static inline void rh__slot_free(rh_heap *heap, rh__slab *slab, rh_object *object)
{
    rh__alloc *alloc = slab->alloc;
    uint32_t cached = alloc->cached;
    if (RH__LIKELY(cached < RH__CACHED_MAX)) {
        alloc->cache[cached] = object;
        alloc->cached = cached + 1;
        return;
    }
    uint32_t slot = rh__slot_of(slab, object);
    uint64_t left = slab->live[slot >> 6] & ~((uint64_t)1 << (slot & 63));
    slab->live[slot >> 6] = left;
    if (rh__needs_state(slab, slot >> 6, left))
        rh__slab_freed(heap, slab);
}

/* ---- table.c -------------------------------------------------------------------------------- */

uint64_t rh__hash(uint64_t key);
bool rh__table_put(rh_heap *heap, rh__table *table, uint64_t key, uint64_t value); /* key is new */
rh__pair *rh__table_find(const rh__table *table, uint64_t key);
void rh__table_remove(rh__table *table, uint64_t key);
void rh__table_free(rh__table *table);

#endif
