/* object.c - how an object begins and how its slot ends.
 *
 * Invariant: the header of a taken slot says what it is: an object, the tombstone of its last
 * tenant, or, without a type, nothing; it is blank only while the allocator has the slot
 * available. A birth zeroes the payload and then writes the header with one store; a death writes
 * the tombstone and then gives the slot back. So memory is true at every instruction.
 *
 * The short way of a birth is taken if the class has a slot available and serial_next is not
 * serial_limit. Everything else that a birth may have to do is hidden behind these two: an
 * unregistered or traced type (its class has never a slot), types that do not know yet that they
 * are traced, a full word, the end of a block of serials, a collection that is due, history, a heap
 * being destroyed, checks of the thread. A site that has no number yet goes the same way.
 */
#include "internal.h"

void rh__set_limit(rh_heap *heap)
{
#ifdef REFHEAP_GC_STRESS
    bool is_short = false;
#else
    bool is_short = !heap->is_observed && !heap->destroying && !rh__gc_is_due(heap) &&
                    RH__LIKELY(!rh__some_type_lags());
#endif
#ifdef RH__CHECKED
    is_short = false; /* the thread is checked */
#endif
    heap->serial_limit = is_short ? heap->serial_end : heap->serial_next;
}

#define PAYLOAD_SHORT 48u /* bytes that are zeroed in place; memset is better at more */

/* Makes the slot's memory usable for an object of `bytes`, and zeroes it. */
static inline __attribute__((always_inline)) void clear_payload(rh_object *object, size_t slot_size,
                                                                size_t bytes)
{
    char *payload = (char *)(object + 1);
    ASAN_UNPOISON_MEMORY_REGION(object, slot_size);
#if defined(RH__CHECKED) || defined(RH__ASAN)
    memset(payload, 0, slot_size - sizeof(rh_object));
    ASAN_POISON_MEMORY_REGION((char *)object + bytes, slot_size - bytes);
    (void)bytes;
#else
    (void)slot_size;
    if (bytes > sizeof(rh_object) + PAYLOAD_SHORT) {
        memset(payload, 0, bytes - sizeof(rh_object));
        return;
    }
    /* Slots are multiples of 16 and at least 32 bytes. The empty asm keeps the compiler from
     * making a slower `rep stos` of it. */
    typedef uint64_t pair __attribute__((vector_size(16), may_alias, aligned(16)));
    const char *end = (char *)object + bytes;
    do {
        *(pair *)(void *)payload = (pair){0, 0};
        payload += sizeof(pair);
        __asm__("" : "+r"(payload));
    } while (payload < end);
#endif
}

/* NULL if none is cached or available. */
static inline __attribute__((always_inline)) rh_object *take_slot(rh__alloc *alloc)
{
    uint32_t cached = alloc->cached;
    if (RH__LIKELY(cached)) {
        alloc->cached = cached - 1;
        rh_object *object = alloc->cache[cached - 1];
        if (!object)
            __builtin_unreachable();
        rh__header_take(object);
        return object;
    }
    uint64_t available = alloc->available;
    if (RH__UNLIKELY(!available))
        return NULL;
    rh_object *object = (rh_object *)(void *)(alloc->base + (uint64_t)__builtin_ctzll(available) *
                                                                alloc->slot_size);
    rh__header_take(object);
    alloc->available = available & (available - 1);
    return object;
}

/* `count` goes where the type keeps its number of elements. */
static inline __attribute__((always_inline)) rh_object *begin(rh_heap *heap, const rh_type *type,
                                                              rh_object *object, size_t slot_size,
                                                              size_t bytes, size_t count,
                                                              uint64_t serial, uint64_t site_number)
{
    clear_payload(object, slot_size, bytes);
    heap->serial_next = serial + 1;
    if (count && type->length_offset)
        memcpy((char *)object + type->length_offset, &count, sizeof count);
    RH__ORDER();
    rh__header_begin(object, type->rh_private.birth, rh__origin(serial, site_number));
    return object;
}

/* Apart, so that births of small objects need no stack frame. */
static __attribute__((noinline)) rh_object *begin_long(rh_heap *heap, const rh_type *type,
                                                       rh_object *object, size_t slot_size,
                                                       size_t bytes, size_t count,
                                                       uint64_t site_number)
{
    return begin(heap, type, object, slot_size, bytes, count, heap->serial_next, site_number);
}

/* Another thread may be registering the type: with its class all the rest is there. */
static inline uint32_t slot_class(const rh_type *type)
{
    return __atomic_load_n(&type->rh_private.slot_class, __ATOMIC_ACQUIRE);
}

static inline uint32_t array_class(const rh_type *type, size_t bytes)
{
    return slot_class(type) == RH__CLASS_NONE ? RH__CLASS_NONE : rh__size_class(bytes);
}

static rh_object *object_new(rh_heap *heap, rh_type *type, size_t bytes, size_t count,
                             uint64_t site_number)
{
    if (!rh__type_ready(type) || heap->destroying)
        return NULL;
    bool is_traced = rh__type_is_traced(type->rh_private.index);
    if (RH__UNLIKELY(is_traced != (slot_class(type) == RH__CLASS_NONE)))
        rh__type_choose_way(type);
    if (heap->serial_next == heap->serial_end && !rh__refill_serials(heap))
        return NULL;
    uint32_t size_class = rh__size_class(bytes);
    rh_object *object;
    if (size_class == RH__CLASS_LARGE) {
        /* Zero already: fresh from the system, or wiped when it was freed. */
        object = rh__slot_find_large(heap, bytes);
        if (!object)
            return NULL;
        ASAN_UNPOISON_MEMORY_REGION(object, bytes);
        rh__valgrind_open(object, bytes);
        if (type->length_offset)
            memcpy((char *)object + type->length_offset, &count, sizeof count);
        rh__header_begin(object, type->rh_private.birth,
                         rh__origin(heap->serial_next++, site_number));
    } else {
        rh__alloc *alloc = &heap->alloc[size_class];
        object = take_slot(alloc);
        if (!object && rh__slots_refill(heap, size_class))
            object = take_slot(alloc);
        if (!object && rh__quarantine_empty(heap)) {
            object = take_slot(alloc);
            if (!object && rh__slots_refill(heap, size_class))
                object = take_slot(alloc);
        }
        if (!object)
            return NULL;
        if (RH__UNLIKELY(heap->is_on_valgrind))
            rh__valgrind_open(object, alloc->slot_size);
        begin(heap, type, object, alloc->slot_size, bytes, count, heap->serial_next, site_number);
    }
    if (RH__UNLIKELY(heap->is_on_valgrind))
        rh__valgrind_birth(heap, object, bytes);
    if (RH__UNLIKELY(is_traced))
        rh__trace_birth(heap, object);
    rh__history(heap, RH_EVENT_ALLOC, object);
    if (RH__UNLIKELY(is_traced && (object->rh_flags & RH_FLAG_TRACED)))
        rh__trace_hook(object, 1, 1);
    rh__set_limit(heap);
    return object;
}

void *rh__object_new(rh_heap *heap, rh_type *type, rh_site *site)
{
    uint64_t number = rh__site_number(site);
    return object_new(heap, type, type->size, 0, number ? number : rh__site_register(site));
}

/* In a heap whose history has all, and that has nothing else to do at a birth: as the short way,
 * with an event. NULL: there is more to do. */
static inline __attribute__((always_inline)) rh_object *
new_recorded(rh_heap *heap, const rh_type *type, size_t bytes, size_t count, uint64_t site_number)
{
#ifdef RH__CHECKED
    return NULL;
#endif
    if (!heap->keeps_all || heap->checks_thread || heap->is_on_valgrind || heap->destroying ||
        heap->serial_next == heap->serial_end || rh__gc_is_due(heap) || rh__some_type_lags())
        return NULL;
    rh__alloc *alloc = &heap->alloc[array_class(type, bytes)];
    rh_object *object = take_slot(alloc);
    if (!object)
        return NULL;
    begin(heap, type, object, alloc->slot_size, bytes, count, heap->serial_next, site_number);
    heap->serial_limit = heap->serial_next;
    rh__history_record(heap, RH_EVENT_ALLOC, object, RH_DEATH_NONE, heap->place);
    return object;
}

/* Only here automatic collections start: never behind a birth, so that the new object needs no
 * care. */
static __attribute__((noinline)) void *new_long_way(rh_heap *heap, rh_type *type, size_t bytes,
                                                    size_t count, uint64_t site_number,
                                                    uint64_t place)
{
    rh__enter(heap, place);
    void *object = new_recorded(heap, type, bytes, count, site_number);
    if (object)
        return object;
    if (RH__CHECKS_THREAD(heap))
        rh__check_thread(heap, "rh_new", NULL);
#ifdef REFHEAP_GC_STRESS
    rh_gc_collect(heap);
#else
    if (rh__gc_is_due(heap))
        rh__gc_automatic(heap);
#endif
    object = object_new(heap, type, bytes, count, site_number);
    RH__VALIDATE(heap, "rh_new");
    return object;
}

static inline __attribute__((always_inline)) void *new_object(rh_heap *heap, rh_type *type,
                                                              uint32_t size_class, size_t bytes,
                                                              size_t count, uint64_t site_number)
{
    uint64_t serial = heap->serial_next;
    if (RH__UNLIKELY(serial == heap->serial_limit))
        return new_long_way(heap, type, bytes, count, site_number, RH__PLACE);
    rh__alloc *alloc = &heap->alloc[size_class];
    /* The empty asm make GCC neither compute the way to the cache twice, nor save a register. */
    __asm__("" : "+r"(alloc));
    rh_object *object = take_slot(alloc);
    if (!__builtin_constant_p(site_number))
        __asm__("" : "+r"(site_number));
    if (RH__UNLIKELY(!object))
        return new_long_way(heap, type, bytes, count, site_number, RH__PLACE);
    if (bytes > sizeof(rh_object) + PAYLOAD_SHORT)
        return begin_long(heap, type, object, alloc->slot_size, bytes, count, site_number);
    return begin(heap, type, object, alloc->slot_size, bytes, count, serial, site_number);
}

/* Births at a site without a number: the first one, and those at NULL, at one site too many, and
 * where no memory was left to register it. */
static __attribute__((noinline)) void *new_without_number(rh_heap *heap, rh_type *type,
                                                          size_t bytes, size_t count, rh_site *site,
                                                          uint64_t place)
{
    rh__enter(heap, place);
    return new_object(heap, type, array_class(type, bytes), bytes, count, rh__site_register(site));
}

static inline __attribute__((always_inline)) bool array_bytes(const rh_type *type, size_t count,
                                                              size_t *bytes)
{
    return !__builtin_mul_overflow(count, (size_t)type->element_size, bytes) &&
           !__builtin_add_overflow(*bytes, type->size, bytes);
}

RH__HOT void *rh_new(rh_heap *heap, rh_type *type)
{
    return new_object(heap, type, slot_class(type), type->size, 0, 0);
}

RH__HOT void *rh_new_at(rh_heap *heap, rh_type *type, rh_site *site)
{
    uint64_t number = rh__site_number(site);
    if (RH__UNLIKELY(!number))
        return new_without_number(heap, type, type->size, 0, site, RH__PLACE);
    return new_object(heap, type, slot_class(type), type->size, 0, number);
}

RH__HOT void *rh_new_array(rh_heap *heap, rh_type *type, size_t count)
{
    size_t bytes;
    if (!array_bytes(type, count, &bytes))
        return NULL;
    return new_object(heap, type, array_class(type, bytes), bytes, count, 0);
}

RH__HOT void *rh_new_array_at(rh_heap *heap, rh_type *type, size_t count, rh_site *site)
{
    size_t bytes;
    if (!array_bytes(type, count, &bytes))
        return NULL;
    uint64_t number = rh__site_number(site);
    if (RH__UNLIKELY(!number))
        return new_without_number(heap, type, bytes, count, site, RH__PLACE);
    return new_object(heap, type, array_class(type, bytes), bytes, count, number);
}

void rh__object_free(rh_heap *heap, rh_object *object, enum rh_death death)
{
    rh__slab *slab = rh__slab_of(object);
    rh__history_record(heap, RH_EVENT_FREE, object, death,
                       object->rh_flags & RH__FLAG_LAST_TOLD ? 0 : heap->place);
    heap->collect_freed += death == RH_DEATH_COLLECT;
    heap->poisoning = object;
    RH__ORDER();
    rh__tombstone_write(object, death);
    rh__payload_poison(heap, slab, object);
    RH__ORDER();
    heap->poisoning = NULL;
    heap->freed++;
    bool may_wait = heap->quarantine || heap->is_on_valgrind;
    if (!RH__UNLIKELY(may_wait) || !rh__observe_free(heap, slab, object))
        rh__slot_free(heap, slab, object);
}
