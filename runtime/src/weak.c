/* weak.c - weak references: one rh_weak per target, found by a table of the heap.
 *
 * Invariant: the table has an entry for a target iff a rh_weak that is not freed points to it,
 * and then the target has RH_FLAG_HAS_WEAK. The table owns no count. It never grows while
 * references are cleared. Where more than one of them changes, weak_changing says so meanwhile.
 * Objects of heap 0 are written by nobody, so theirs are immortal, without flag, and under its
 * lock.
 */
#include "internal.h"

static void weak_dispose(void *object);

static const rh_field weak_fields[] = {RH_BORROWED(rh_weak, target), RH_FIELDS_END};
static rh_type weak_type = {.name = "weak",
                            .size = sizeof(rh_weak),
                            .fields = weak_fields,
                            .dispose = weak_dispose,
                            .flags = RH_TYPE_ACYCLIC};

static void set_changing(rh_heap *heap, bool is_changing)
{
    RH__ORDER();
    heap->weak_changing = is_changing;
    RH__ORDER();
}

static uint64_t key_of(const rh_object *target)
{
    return (uint64_t)(uintptr_t)target;
}

/* The reference dies before its target. */
static void weak_dispose(void *object)
{
    rh_weak *weak = object;
    rh_heap *heap = rh__heap_of(weak);
    if (!weak->target || heap->destroying)
        return;
    set_changing(heap, true);
    weak->target->rh_flags &= (uint16_t)~RH_FLAG_HAS_WEAK;
    rh__table_remove(&heap->weak_table, key_of(weak->target));
    weak->target = NULL;
    set_changing(heap, false);
}

void rh__weak_clear(rh_heap *heap, rh_object *target)
{
    set_changing(heap, true);
    rh__pair *pair = rh__table_find(&heap->weak_table, key_of(target));
    if (pair) {
        ((rh_weak *)(uintptr_t)pair->value)->target = NULL;
        rh__table_remove(&heap->weak_table, key_of(target));
    }
    target->rh_flags &= (uint16_t)~RH_FLAG_HAS_WEAK;
    set_changing(heap, false);
}

void rh__weak_clear_all(rh_heap *heap)
{
    set_changing(heap, true);
    for (uint64_t i = 0; i < heap->weak_table.capacity; i++) {
        const rh__pair *pair = &heap->weak_table.pairs[i];
        if (!pair->key)
            continue;
        ((rh_weak *)(uintptr_t)pair->value)->target = NULL;
        ((rh_object *)(uintptr_t)pair->key)->rh_flags &= (uint16_t)~RH_FLAG_HAS_WEAK;
    }
    rh__table_free(&heap->weak_table);
    set_changing(heap, false);
}

/* pre: the lock of heap 0 is held. What a pair holds must be read under it, too: another thread
 * may grow the table, and then the pair's memory is gone. */
static rh_weak *find_shared(const rh_heap *heap, const rh_object *target)
{
    const rh__pair *pair = rh__table_find(&heap->weak_table, key_of(target));
    return pair ? (rh_weak *)(uintptr_t)pair->value : NULL;
}

static rh_weak *weak_of_shared(rh_heap *heap, rh_object *target, rh_site *site)
{
    rh__heap_zero_lock();
    rh_weak *weak = find_shared(heap, target);
    rh__heap_zero_unlock();
    rh_weak *fresh = weak ? NULL : rh__new_immortal(&weak_type, site);
    if (!fresh)
        return weak;
    rh__heap_zero_lock();
    /* another thread may have been faster: the spare one is never seen */
    weak = find_shared(heap, target);
    set_changing(heap, true);
    if (!weak &&
        rh__table_put(heap, &heap->weak_table, key_of(target), (uint64_t)(uintptr_t)fresh)) {
        fresh->target = target;
        weak = fresh;
    }
    set_changing(heap, false);
    rh__heap_zero_unlock();
    return weak;
}

rh_weak *rh_weak_new_at(void *object, rh_site *site)
{
    rh_object *target = object;
    if (!target)
        return NULL;
    if (target->rh_flags & RH_FLAG_FREED)
        rh__misuse("rh_weak_new of", target);
    rh_heap *heap = rh__heap_of(target);
    if (heap->number == 0)
        return weak_of_shared(heap, target, site);
    if (RH__CHECKS_THREAD(heap))
        rh__check_thread(heap, "rh_weak_new", target);
    rh__pair *pair = target->rh_flags & RH_FLAG_HAS_WEAK
                         ? rh__table_find(&heap->weak_table, key_of(target))
                         : NULL;
    if (pair)
        return rh_retain((void *)(uintptr_t)pair->value);
    RH__ENTER(heap);
    if (heap->destroying || !rh__type_ready(&weak_type))
        return NULL;
    rh_weak *weak = rh__object_new(heap, &weak_type, site);
    if (!weak)
        return NULL;
    set_changing(heap, true);
    bool is_kept =
        rh__table_put(heap, &heap->weak_table, key_of(target), (uint64_t)(uintptr_t)weak);
    if (is_kept) {
        weak->target = target;
        target->rh_flags |= RH_FLAG_HAS_WEAK;
    }
    set_changing(heap, false);
    if (!is_kept) {
        rh_release(weak);
        return NULL;
    }
    RH__VALIDATE(heap, "rh_weak_new");
    return weak;
}

rh_weak *rh_weak_new(void *object)
{
    return rh_weak_new_at(object, NULL);
}

void *rh_weak_get(rh_weak *weak)
{
    if (weak && RH__CHECKS_SOME && RH__CHECKS_THREAD(rh__heap_of(weak)))
        rh__check_thread(rh__heap_of(weak), "rh_weak_get", &weak->base);
    if (!weak || !weak->target || (weak->target->rh_flags & (RH_FLAG_DYING | RH_FLAG_FREED)))
        return NULL;
    return rh_retain(weak->target);
}
