/* count.c - what retain and release do when their inlined fast path does not apply.
 *
 * Invariant: an object that is not special and whose type can be in a cycle is either armed or a
 * registered candidate root, so that no release that leaves it alive goes unnoticed twice.
 */
/* Out of line the place is where these were called. */
#define RH__RELEASE_SLOW(object)                                                                   \
    rh__release_at((object), (uint64_t)(uintptr_t)__builtin_return_address(0))
#include "internal.h"

/* The out-of-line copies. */
extern inline void *rh__retain_here(void *object, int line);
extern inline void rh__release_here(void *object, int line);
extern inline void rh__set_here(void *slot_address, void *object, int line);
extern inline void *rh__made_here(void *result, int line);
extern inline rh_weak *rh__weak_here(rh_weak *result, int line);
extern inline size_t rh__size_here(size_t result, int line);
extern inline bool rh__bool_here(bool result, int line);
extern inline void rh__line_here(int line);
extern inline rh_int *rh__int_here(rh_int *result, int line);
extern inline rh_float *rh__float_here(rh_float *result, int line);
extern inline rh_string *rh__string_here(rh_string *result, int line);
extern inline rh_list *rh__list_here(rh_list *result, int line);
extern inline rh_dict *rh__dict_here(rh_dict *result, int line);
extern inline void *rh_retain(void *object);
extern inline void rh_release(void *object);
extern inline void rh_set(void *slot_address, void *object);

/* One of its counts is the runtime's own. */
static void change_dying(rh_object *object, int change, uint64_t place)
{
    if (RH__LIKELY(!(object->rh_flags & RH_FLAG_TRACED))) {
        object->rh_count += (uint32_t)(2 * change);
        return;
    }
    rh_heap *heap = rh__heap_of(object);
    rh__trace_begin(heap, object);
    object->rh_count += (uint32_t)(2 * change);
    rh__trace_tell(heap, object, change, rh__dying_count(object) - 1, place);
}

void rh__retain_slow(void *address)
{
    rh_object *object = address;
    uint32_t flags = object->rh_flags;
    if (flags & RH_FLAG_DYING)
        change_dying(object, 1, RH__PLACE);
    else if (flags & RH_FLAG_IMMORTAL)
        return;
    else if (flags & RH_FLAG_FREED)
        rh__misuse("retain of", object);
    else if (rh__is_marked(object))
        rh__trace_retain(object, RH__PLACE);
    else
        rh__misuse("count overflow: retain of", object);
}

void rh__release_special(rh_object *object, uint64_t place)
{
    uint32_t flags = object->rh_flags;
    if (flags & RH_FLAG_DYING) {
        if (rh__dying_count(object) < 2)
            rh__misuse("over-release: release of", object);
        change_dying(object, -1, place);
    } else if (!(flags & RH_FLAG_IMMORTAL)) {
        rh__misuse("release of", object);
    }
}

bool rh__is_candidate(const rh_object *object)
{
    const rh__slab *slab = rh__slab_of(object);
    uint32_t slot = rh__slot_of(slab, object);
    return rh__bit(slab->fresh, slot) || rh__bit(slab->spared, slot);
}

void rh__candidate_add(rh_heap *heap, rh_object *object)
{
    rh__slab *slab = rh__slab_of(object);
    uint32_t slot = rh__slot_of(slab, object);
    if (object->rh_origin < heap->frozen_origin) {
        object->rh_count |= RH__WORD_ARMED;
        return;
    }
    object->rh_count &= ~RH__WORD_ARMED;
    heap->registered++;
    if (object->rh_origin < heap->young_origin) {
        rh__bit_set(slab->spared, slot);
        heap->spared++;
        return;
    }
    rh__bit_set(slab->fresh, slot);
    rh__chunk *chunk = rh__chunk_of(object);
    chunk->fresh_slabs |= (uint64_t)1 << (slab - chunk->slabs);
    heap->fresh++;
    if (RH__UNLIKELY(heap->fresh == heap->thresholds.young))
        rh__set_limit(heap);
}

void rh__candidate_drop(rh_heap *heap, rh_object *object)
{
    rh__slab *slab = rh__slab_of(object);
    uint32_t slot = rh__slot_of(slab, object);
    heap->fresh -= rh__bit(slab->fresh, slot);
    heap->spared -= rh__bit(slab->spared, slot);
    rh__bit_clear(slab->fresh, slot);
    rh__bit_clear(slab->spared, slot);
}

size_t rh_refcount(const void *address)
{
    const rh_object *object = address;
    if (!object)
        return 0;
    if (!rh__is_special(object)) {
        uint32_t word = object->rh_count;
        return (size_t)((rh__is_marked(object) ? word - RH__WORD_TRACED : word) >> 1) + 1;
    }
    if (object->rh_flags & RH_FLAG_IMMORTAL)
        return RH_IMMORTAL;
    return object->rh_flags & RH_FLAG_DYING ? rh__dying_count(object) : 0;
}

uint64_t rh_serial(const void *object)
{
    return object ? rh__serial(object) : 0;
}

bool rh_is_object(const rh_heap *heap, const void *address)
{
    const rh_object *object = rh__slot_at(heap, address);
    return object && !(object->rh_flags & (RH_FLAG_DYING | RH_FLAG_FREED));
}

void rh_make_immortal(void *address)
{
    rh_object *object = address;
    if (!object || (object->rh_flags & RH_FLAG_IMMORTAL))
        return;
    if (object->rh_flags & RH_FLAG_FREED)
        rh__misuse("rh_make_immortal of", object);
    rh_heap *heap = rh__heap_of(object);
    if (RH__CHECKS_THREAD(heap))
        rh__check_thread(heap, "rh_make_immortal", object);
    if (object->rh_flags & RH_FLAG_DYING) {
        /* Its finalizer runs, or waits to: the death is called off when it is done. */
        object->rh_flags |= RH_FLAG_IMMORTAL;
        return;
    }
    heap->uncollectable -= (object->rh_flags & RH_FLAG_UNCOLLECTABLE) != 0;
    rh__trace_end(heap, object);
    rh__header_write(object, RH__WORD_IMMORTAL, object->rh_type_index,
                     (object->rh_flags & ~((uint32_t)RH_FLAG_UNCOLLECTABLE | RH_FLAG_TRACED)) |
                         RH_FLAG_IMMORTAL);
    rh__candidate_drop(heap, object);
    RH__VALIDATE(heap, "rh_make_immortal");
}
