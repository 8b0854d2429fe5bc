/* object.c - how an object begins and how its slot ends.
 *
 * Invariant: a slot whose live bit is set has a complete header; a slot whose bit is clear has the
 * tombstone of its last tenant or was never used. Births write the header before the bit, deaths
 * write the tombstone before they clear it.
 */
#include "internal.h"

/* Makes poisoned memory usable for an object of `bytes`, and zeroes it. */
static void clear_payload(rh__slab *slab, char *slot, size_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(slot, slab->slot_size);
    /* A large slot is zero already: fresh from the system, or wiped when it was freed. */
    if (RH__LIKELY(slab->state != RH__SLAB_LARGE))
        memset(slot + sizeof(rh_object), 0, slab->slot_size - sizeof(rh_object));
#ifdef RH__ASAN
    size_t end = (bytes + 7) & ~(size_t)7;
    if (end < slab->slot_size)
        ASAN_POISON_MEMORY_REGION(slot + end, slab->slot_size - end);
#else
    (void)bytes;
#endif
}

void *rh__object_new(rh_heap *heap, rh_type *type, size_t bytes)
{
    if (RH__UNLIKELY(heap->serial_next == heap->serial_end) && !rh__refill_serials(heap))
        return NULL;
    uint32_t size_class = bytes == type->size ? type->rh_private.slot_class : rh__size_class(bytes);
    rh__slab *slab;
    char *slot = size_class == RH__CLASS_LARGE ? rh__slot_find_large(heap, bytes, &slab)
                                               : rh__slot_find(heap, size_class, &slab);
    if (RH__UNLIKELY(!slot))
        return NULL;
    clear_payload(slab, slot, bytes);
    rh_object *object = (rh_object *)(void *)slot;
    object->rh_serial = heap->serial_next++;
    __atomic_store_n((uint64_t *)(void *)object, type->rh_private.birth, __ATOMIC_RELAXED);
    RH__ORDER();
    rh__bit_set(slab->live, rh__slot_of(slab, slot));
    slab->used++;
    heap->objects++;
    rh__history(heap, RH_EVENT_ALLOC, object, RH_DEATH_NONE);
    return object;
}

/* What both allocations do before they allocate. */
static bool may_allocate(rh_heap *heap, rh_type *type)
{
    rh__check_owner(heap);
    if (!rh__type_ready(type) || RH__UNLIKELY(heap->destroying))
        return false;
#ifdef REFHEAP_GC_STRESS
    rh_gc_collect(heap);
#else
    if (RH__UNLIKELY(heap->candidates > heap->gc_trigger))
        rh__gc_automatic(heap);
#endif
    return true;
}

void *rh_new(rh_heap *heap, rh_type *type)
{
    if (!may_allocate(heap, type))
        return NULL;
    void *object = rh__object_new(heap, type, type->size);
    RH__VALIDATE(heap);
    return object;
}

void *rh_new_array(rh_heap *heap, rh_type *type, size_t count)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, (size_t)type->element_size, &bytes) ||
        __builtin_add_overflow(bytes, type->size, &bytes) || !may_allocate(heap, type))
        return NULL;
    char *object = rh__object_new(heap, type, bytes);
    if (object && type->length_offset)
        memcpy(object + type->length_offset, &count, sizeof count);
    RH__VALIDATE(heap);
    return object;
}

void rh__object_free(rh_heap *heap, rh_object *object)
{
    rh__slab *slab = rh__slab_of(object);
    uint32_t slot = rh__slot_of(slab, object);
    enum rh_death death = rh__death_of(object);
    rh__history(heap, RH_EVENT_FREE, object, death);
    if (rh__bit(slab->candidate, slot)) {
        rh__bit_clear(slab->candidate, slot);
        heap->candidates--;
    }
    heap->collect_freed += death == RH_DEATH_COLLECT;
    rh__header_write(object, RH__WORD_FREED, object->rh_type_index,
                     (object->rh_flags & ~(RH_FLAG_DYING | RH_FLAG_IMMORTAL)) | RH_FLAG_FREED);
    char *payload = (char *)object + sizeof(rh_object);
    if (slab->state == RH__SLAB_LARGE) {
        rh__discard(payload, slab->slot_size - sizeof(rh_object));
    } else {
#ifdef RH__CHECKED
        ASAN_UNPOISON_MEMORY_REGION(payload, slab->slot_size - sizeof(rh_object));
        memset(payload, 0xdd, slab->slot_size - sizeof(rh_object));
#endif
    }
    ASAN_POISON_MEMORY_REGION(payload, slab->slot_size - sizeof(rh_object));
    RH__ORDER();
    heap->objects--;
    rh__slot_free(heap, slab, slot);
}
