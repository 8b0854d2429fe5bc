/* objects.h - headers of objects, their references, their deaths and counts, grouped by owning
 * file.
 */
#ifndef RH_OBJECTS_H
#define RH_OBJECTS_H

#include "slots.h"

/* ---- object.c ------------------------------------------------------------------------------- */

/* Frees an object whose references are gone: tombstone, then the slot. */
void rh__object_free(rh_heap *heap, rh_object *object, enum rh_death death);
/* rh_new_at that starts no collection. */
void *rh__object_new(rh_heap *heap, rh_type *type, rh_site *site);
/* Decides whether the next birth goes the long way. */
void rh__set_limit(rh_heap *heap);

/* Objects alive or dying. */
static inline uint64_t rh__object_count(const rh_heap *heap)
{
    return heap->serials_taken - (heap->serial_end - heap->serial_next) - heap->freed;
}

/* Before the slot leaves the allocator's hands. A reader sees the last tenant's tombstone or a
 * blank header of an available slot, then nothing (type 0), then the object. */
static inline __attribute__((always_inline)) void rh__header_take(rh_object *object)
{
    __atomic_store_n((uint64_t *)(void *)object, RH__HEADER_TAKEN, __ATOMIC_RELAXED);
    RH__ORDER();
}

static inline __attribute__((always_inline)) void rh__header_begin(rh_object *object,
                                                                   uint64_t birth, uint64_t origin)
{
    object->rh_origin = origin;
    RH__ORDER();
    __atomic_store_n((uint64_t *)(void *)object, birth, __ATOMIC_RELAXED);
}

/* The first 8 header bytes, written with one store: a reader sees count and flags change together.
 */
static inline void rh__header_write(rh_object *object, uint32_t count, uint32_t type,
                                    uint32_t flags)
{
    uint64_t word = (uint64_t)count | (uint64_t)type << 32 | (uint64_t)(uint16_t)flags << 48;
    __atomic_store_n((uint64_t *)(void *)object, word, __ATOMIC_RELAXED);
}

static inline bool rh__is_special(const rh_object *object)
{
    return (object->rh_flags & RH__FLAGS_SPECIAL) != 0;
}

/* Is the count word that of a traced object? */
static inline bool rh__is_marked(const rh_object *object)
{
    return object->rh_count - RH__WORD_TRACED < RH__WORD_TRACED_END - RH__WORD_TRACED &&
           !rh__is_special(object);
}

static inline uint32_t rh__dying_count(const rh_object *object)
{
    return ((object->rh_count & RH__WORD_DYING_MASK) >> 1) + 1;
}

static inline enum rh_death rh__death_of(const rh_object *object)
{
    return (enum rh_death)((object->rh_flags & RH_FLAG_DEATH_MASK) >> RH_FLAG_DEATH_SHIFT);
}

/* ---- the one child visitor ------------------------------------------------------------------ */

static inline uint64_t rh__read_uint(const char *address, uint32_t width)
{
    switch (width) {
    case 1:
        return *(const uint8_t *)address;
    case 2:
        return *(const uint16_t *)(const void *)address;
    case 4:
        return *(const uint32_t *)(const void *)address;
    default:
        return *(const uint64_t *)(const void *)address;
    }
}

typedef void rh__slot_visit(void *context, void **slot);

/* The references that `slots` cannot say: far ones, vectors, flexible tails. */
static inline __attribute__((always_inline)) void
rh__visit_more(void *context, rh_object *object, const rh__type_entry *type, rh__slot_visit *visit)
{
    for (uint32_t i = 0; i < type->more_refs; i++) {
        const rh__ref *ref = &type->refs[i];
        char *first = (char *)object + ref->offset;
        uint64_t count = ref->form == RH_FORM_ONE ? 1
                         : ref->count_width
                             ? rh__read_uint((char *)object + ref->count_offset, ref->count_width)
                             : ref->count;
        if (ref->form == RH_FORM_VECTOR)
            first = *(char **)(void *)first;
        if (!first)
            continue;
        first += ref->element_offset;
        for (uint64_t n = 0; n < count; n++)
            visit(context, (void **)(void *)(first + n * ref->stride));
    }
}

/* Calls visit for each reference slot of the object, weak ones included. Made for constant `visit`:
 * the compiler folds it in. */
static inline __attribute__((always_inline)) void rh__visit_slots(void *context, rh_object *object,
                                                                  rh__slot_visit *visit)
{
    for (uint64_t slots = rh__type_slots[object->rh_type_index]; slots;)
        visit(context, (void **)(void *)object + rh__take_bit(&slots));
    if (RH__UNLIKELY(object->rh_flags & RH__FLAG_INVOLVED))
        rh__visit_more(context, object, rh__type_of(object), visit);
}

#define RH__POISON 0xdd

#if defined(RH__CHECKED) || defined(RH__ASAN)
#define RH__POISONS(heap) ((void)(heap), true)
#else
#define RH__POISONS(heap) RH__UNLIKELY((heap)->poisons)
#endif

/* What lies behind a tombstone belongs to nobody. Small slots only: a large one is given back. */
static inline void rh__payload_poison(const rh_heap *heap, const rh__slab *slab, rh_object *object)
{
    if (!RH__POISONS(heap) || slab->state == RH__SLAB_LARGE)
        return;
    char *payload = (char *)(object + 1);
    ASAN_UNPOISON_MEMORY_REGION(payload, slab->slot_size - sizeof(rh_object));
    rh__valgrind_open(payload, slab->slot_size - sizeof(rh_object));
    memset(payload, RH__POISON, slab->slot_size - sizeof(rh_object));
    ASAN_POISON_MEMORY_REGION(payload, slab->slot_size - sizeof(rh_object));
}

/* Type and flags of a header, read together: the type is the lower half. */
static inline uint32_t rh__header_info(const rh_object *object)
{
    uint32_t info;
    memcpy(&info, &object->rh_type_index, sizeof info);
    return info;
}

/* The object is nobody's any more, and what its slots hold is its own until the tombstone. */
static inline void rh__dying_write_info(rh_object *object, uint32_t info, enum rh_death death)
{
    info |= ((uint32_t)RH_FLAG_DYING | (uint32_t)death << RH_FLAG_DEATH_SHIFT) << 16;
    __atomic_store_n((uint64_t *)(void *)object, (uint64_t)info << 32 | RH__WORD_DYING,
                     __ATOMIC_RELAXED);
}

static inline void rh__tombstone_write_info(rh_object *object, uint32_t info, enum rh_death death)
{
    info &= ~((uint32_t)(RH_FLAG_DYING | RH_FLAG_IMMORTAL | RH_FLAG_DEATH_MASK) << 16);
    info |= ((uint32_t)RH_FLAG_FREED | (uint32_t)death << RH_FLAG_DEATH_SHIFT) << 16;
    __atomic_store_n((uint64_t *)(void *)object, (uint64_t)info << 32 | RH__WORD_FREED,
                     __ATOMIC_RELAXED);
}

static inline void rh__tombstone_write(rh_object *object, enum rh_death death)
{
    rh__tombstone_write_info(object, rh__header_info(object), death);
}

/* ---- death.c -------------------------------------------------------------------------------- */

/* Works the queue until it is empty. */
void rh__drain(rh_heap *heap);
/* Runs the finalizer if the object's type has one that did not run; true if it ran. */
bool rh__finalize(rh_heap *heap, rh_object *object);
/* Takes a count for the runtime, and says so in the same store. An immortal object has none. */
void rh__hold(rh_object *object);
/* Runs the type's dispose, if it has one. */
void rh__dispose(rh_heap *heap, rh_object *object);
/* Releases what the slot holds, storing NULL first. */
void rh__release_slot(void *heap, void **slot);
void rh__work_push(rh_heap *heap, rh_object *object);
rh_object *rh__work_pop(rh_heap *heap); /* NULL: nothing queued */

static inline bool rh__is_busy(const rh_heap *heap)
{
    return heap->draining | heap->collecting | heap->destroying;
}

/* ---- count.c -------------------------------------------------------------------------------- */

/* Disarms the object and registers it; a frozen one stays armed instead. pre: it is no candidate.
 */
void rh__candidate_add(rh_heap *heap, rh_object *object);
bool rh__is_candidate(const rh_object *object);
void rh__candidate_drop(rh_heap *heap, rh_object *object);
/* Releases an object whose count word is special, and not marked. */
void rh__release_special(rh_object *object, uint64_t place);

#endif
