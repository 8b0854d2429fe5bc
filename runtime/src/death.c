/* death.c - from the last release to the tombstone, without recursion and without memory.
 *
 * Invariant: an object whose count reached zero is dying at once (weak references to it read NULL,
 * one count belongs to the runtime) and is queued; the outermost release works the queue until it is
 * empty. The queue is a bit per slot plus one register for the common chain, so queueing cannot fail.
 * An object is queued only after its last owner let go of it: parents die before children.
 */
#include "internal.h"

/* ---- the work queue, shared with the collector --------------------------------------------------- */

void rh__work_push(rh_heap *heap, rh_object *object)
{
    rh__slab *slab = rh__slab_of(object);
    uint32_t slot = rh__slot_of(slab, object);
    rh__bit_set(slab->work, slot);
    if (!slab->work_summary) {
        slab->work_next = heap->work_slabs;
        heap->work_slabs = slab;
    }
    slab->work_summary |= 1u << (slot >> 6);
}

rh_object *rh__work_pop(rh_heap *heap)
{
    rh__slab *slab = heap->work_slabs;
    if (!slab)
        return NULL;
    uint32_t word = (uint32_t)__builtin_ctz(slab->work_summary);
    uint32_t slot = word * 64 + rh__take_bit(&slab->work[word]);
    if (!slab->work[word]) {
        slab->work_summary &= slab->work_summary - 1;
        if (!slab->work_summary)
            heap->work_slabs = slab->work_next;
    }
    return rh__slot_object(slab, slot);
}

/* ---- dying --------------------------------------------------------------------------------------- */

bool rh__finalize(rh_heap *heap, rh_object *object)
{
    void (*finalize)(void *) = rh__type_of(object)->finalize;
    if (!finalize || (object->rh_flags & RH_FLAG_FINALIZED))
        return false;
    object->rh_flags |= RH_FLAG_FINALIZED;
    heap->finalized++;
    rh__history(heap, RH_EVENT_FINALIZE, object, RH_DEATH_NONE);
    /* What the finalizer itself lets go of dies by release, whatever runs around it. */
    uint8_t death = heap->death;
    heap->death = RH_DEATH_RELEASE;
    finalize(object);
    heap->death = death;
    return true;
}

void rh__release_slot(rh_heap *heap, void **slot)
{
    (void)heap;
    void *child = *slot;
    if (!child)
        return;
    *slot = NULL;
    RH__ORDER();
    rh_release(child);
}

/* The finalizer (or one that ran meanwhile) left a reference: the object lives on. */
static void resurrect(rh_heap *heap, rh_object *object)
{
    uint32_t flags = object->rh_flags & ~(RH_FLAG_DYING | RH_FLAG_DEATH_MASK);
    if (flags & RH_FLAG_IMMORTAL) {
        rh__header_write(object, RH__WORD_IMMORTAL, object->rh_type_index, flags);
    } else {
        uint32_t count = rh__dying_count(object) - 1;
        /* It may hold itself, and no release may ever tell: a candidate from the start. */
        if (!(flags & RH_FLAG_ACYCLIC))
            rh__candidate_add(heap, object);
        rh__header_write(object, (count - 1) * 2, object->rh_type_index, flags);
    }
    rh__history(heap, RH_EVENT_RESURRECT, object, RH_DEATH_NONE);
}

static void finish_death(rh_heap *heap, rh_object *object)
{
    const rh__type_entry *type = rh__type_of(object);
    if (type->finalize)
        rh__finalize(heap, object);
    if (RH__UNLIKELY(rh__dying_count(object) > 1 || (object->rh_flags & RH_FLAG_IMMORTAL))) {
        resurrect(heap, object);
        return;
    }
    if (RH__UNLIKELY(object->rh_flags & RH_FLAG_HAS_WEAK)) /* made by the finalizer */
        rh__weak_clear(heap, object);
    heap->death = (uint8_t)rh__death_of(object);
    rh__visit_slots(heap, object, rh__release_slot);
    if (type->dispose)
        type->dispose(object);
    rh__object_free(heap, object);
}

void rh__drain(rh_heap *heap)
{
    rh_object *object;
    while ((object = heap->work_next) != NULL || (object = rh__work_pop(heap)) != NULL) {
        if (object == heap->work_next)
            heap->work_next = NULL;
        finish_death(heap, object);
    }
}

void rh__object_dies(rh_heap *heap, rh_object *object)
{
    if (RH__UNLIKELY(object->rh_flags & RH_FLAG_HAS_WEAK))
        rh__weak_clear(heap, object);
    rh__header_write(object, RH__WORD_DYING, object->rh_type_index,
                     object->rh_flags | RH_FLAG_DYING | (uint32_t)heap->death << RH_FLAG_DEATH_SHIFT);
    if (!heap->work_next)
        heap->work_next = object;
    else
        rh__work_push(heap, object);
    if (heap->draining)
        return;
    heap->draining = true;
    rh__drain(heap);
    heap->draining = false;
    heap->death = RH_DEATH_RELEASE;
}
