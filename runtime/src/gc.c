/* gc.c - when collections happen, and what the program may ask about them.
 *
 * Policy of automatic collections, which start on entry to rh_new* only. Candidates are counted
 * as they are registered. When `thresholds.young` fresh ones are there, a young collection runs:
 * it looks at them and at what they reach among the objects born since the last collection, so a
 * pause does not grow with the heap. Those that it spares stay candidates, and count. When they
 * are more than a share (full_percent) of the objects that the last full collection left alive,
 * the next collection is a full one. So a visit of the whole heap is paid by that share of it in
 * new candidates, and garbage that young collections cannot see has at most so many candidates.
 * (A share of what is alive now would grow with the garbage, which might then stay for ever.)
 * After a full collection that reclaimed less than an eighth of what it visited the share
 * doubles, up to SHARE_GROWTH times what was asked for; after a better one it is as asked again. */
#include "internal.h"

#include <time.h>

#define SHARE_GROWTH 4u
#define FULL_MIN                                                                                   \
    10u /* spared candidates for a full collection, in multiples of thresholds.young               \
         */

static void call_hooks(rh_heap *heap, const rh_gc_event *event)
{
    uint64_t place = heap->place;
    for (unsigned i = 0; i < RH__GC_HOOKS; i++)
        if (heap->hooks[i].callback)
            heap->hooks[i].callback(heap, event, heap->hooks[i].context);
    heap->place = place;
}

#ifndef REFHEAP_NO_COLLECTOR

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void adapt_share(rh_heap *heap, const rh__collection *result)
{
    uint64_t asked = heap->thresholds.full_percent;
    if (result->freed * 8 >= result->visited)
        heap->full_share = asked;
    else if (heap->full_share / SHARE_GROWTH < asked)
        heap->full_share *= 2;
    heap->full_base = rh__object_count(heap);
    heap->wants_full = false;
}

static void count_collection(rh_heap *heap, rh_gc_stats *stats, const rh__collection *result,
                             uint64_t took)
{
    stats->collections++;
    stats->visited += result->visited;
    stats->reclaimed += result->freed;
    stats->uncollectable += result->uncollectable;
    stats->total_ns += took;
    stats->last_ns = took;
    if (took > stats->longest_ns)
        stats->longest_ns = took;
    heap->collections++;
    heap->reclaimed += result->freed;
}

/* pre: not busy. */
static rh__collection run_once(rh_heap *heap, rh_gc_generation generation)
{
    heap->collecting = true;
    rh_gc_event event = {.is_stop = false, .generation = generation};
    call_hooks(heap, &event);
    rh__collection result;
    uint64_t begin = now_ns();
    rh__collect(heap, generation, &result);
    count_collection(heap, &heap->stats[generation], &result, now_ns() - begin);
    if (generation == RH_GC_FULL)
        adapt_share(heap, &result);
    event.is_stop = true;
    event.reclaimed = result.freed;
    event.uncollectable = result.uncollectable;
    call_hooks(heap, &event);
    heap->collecting = false;
    rh__set_limit(heap);
    return result;
}

/* What dies with the garbage may be all that held other garbage cycles together (an object of an
 * acyclic type between two of them): a full collection is repeated then. Not if finalizers made
 * objects, who could do so for ever. */
static size_t run(rh_heap *heap, rh_gc_generation generation)
{
    if (rh__is_busy(heap))
        return 0;
    size_t freed = 0;
    uint64_t born = heap->serial_next;
    rh__collection result;
    do {
        result = run_once(heap, generation);
        freed += result.freed;
    } while (generation == RH_GC_FULL && result.has_successor && result.freed &&
             heap->serial_next == born);
    return freed;
}

#else

static size_t run(rh_heap *heap, rh_gc_generation generation)
{
    (void)heap;
    (void)generation;
    (void)call_hooks;
    return 0;
}

#endif

void rh__gc_automatic(rh_heap *heap)
{
    uint64_t least = (uint64_t)heap->thresholds.young * FULL_MIN;
    uint64_t share = heap->full_base / 100 * heap->full_share;
    bool is_full = heap->wants_full || (heap->spared > least && heap->spared > share);
    is_full = is_full && heap->thresholds.full_percent;
    run(heap, is_full ? RH_GC_FULL : RH_GC_YOUNG);
}

size_t rh_gc_collect(rh_heap *heap)
{
    rh__check_owner(heap);
    RH__ENTER(heap);
    size_t freed = run(heap, RH_GC_FULL);
    RH__VALIDATE(heap, "rh_gc_collect");
    return freed;
}

size_t rh_gc_collect_young(rh_heap *heap)
{
    rh__check_owner(heap);
    RH__ENTER(heap);
    size_t freed = run(heap, RH_GC_YOUNG);
    RH__VALIDATE(heap, "rh_gc_collect_young");
    return freed;
}

void rh_gc_enable(rh_heap *heap)
{
#ifndef REFHEAP_NO_COLLECTOR
    heap->gc_enabled = true;
    rh__set_limit(heap);
#else
    (void)heap;
#endif
}

void rh_gc_disable(rh_heap *heap)
{
    heap->gc_enabled = false;
    rh__set_limit(heap);
}

bool rh_gc_is_enabled(const rh_heap *heap)
{
    return heap->gc_enabled;
}

void rh_gc_set_thresholds(rh_heap *heap, rh_gc_thresholds thresholds)
{
    heap->thresholds = thresholds;
    heap->full_share = thresholds.full_percent;
    rh__set_limit(heap);
}

rh_gc_thresholds rh_gc_get_thresholds(const rh_heap *heap)
{
    return heap->thresholds;
}

rh_gc_counts rh_gc_get_counts(const rh_heap *heap)
{
    return (rh_gc_counts){.young_candidates = heap->fresh,
                          .spared_candidates = heap->spared,
                          .objects = rh__object_count(heap),
                          .uncollectable = heap->uncollectable};
}

rh_gc_stats rh_gc_get_stats(const rh_heap *heap, rh_gc_generation generation)
{
    return heap->stats[generation == RH_GC_FULL];
}

/* ---- callbacks ------------------------------------------------------------------------------ */

bool rh_gc_add_callback(rh_heap *heap, rh_gc_callback *callback, void *context)
{
    for (unsigned i = 0; callback && i < RH__GC_HOOKS; i++)
        if (!heap->hooks[i].callback) {
            heap->hooks[i] = (rh__gc_hook){callback, context};
            return true;
        }
    return false;
}

void rh_gc_remove_callback(rh_heap *heap, rh_gc_callback *callback, void *context)
{
    for (unsigned i = 0; i < RH__GC_HOOKS; i++)
        if (heap->hooks[i].callback == callback && heap->hooks[i].context == context) {
            heap->hooks[i].callback = NULL;
            return;
        }
}

/* ---- looking at objects --------------------------------------------------------------------- */

typedef bool object_test(const rh_heap *heap, const rh_object *object, const void *argument);

static size_t walk_objects(rh_heap *heap, object_test *test, const void *argument,
                           rh_gc_visitor *visit, void *context)
{
    size_t visited = 0;
    rh__cursor cursor = {0};
    rh_object *object;
    while ((object = rh__next_object(heap, &cursor))) {
        if ((object->rh_flags & RH_FLAG_DYING) || !test(heap, object, argument))
            continue;
        visited++;
        if (visit && !visit(object, context))
            break;
    }
    return visited;
}

static bool is_any(const rh_heap *heap, const rh_object *object, const void *argument)
{
    (void)heap, (void)object, (void)argument;
    return true;
}

static bool is_uncollectable(const rh_heap *heap, const rh_object *object, const void *argument)
{
    (void)heap, (void)argument;
    return object->rh_flags & RH_FLAG_UNCOLLECTABLE;
}

static bool is_frozen(const rh_heap *heap, const rh_object *object, const void *argument)
{
    (void)argument;
    return object->rh_origin < heap->frozen_origin;
}

size_t rh_gc_each_object(rh_heap *heap, rh_gc_visitor *visit, void *context)
{
    return walk_objects(heap, is_any, NULL, visit, context);
}

size_t rh_gc_each_uncollectable(rh_heap *heap, rh_gc_visitor *visit, void *context)
{
    return heap->uncollectable ? walk_objects(heap, is_uncollectable, NULL, visit, context) : 0;
}

typedef struct search {
    const void *target;
    bool is_found;
} search;

static void compare_slot(void *context, void **slot)
{
    search *state = context;
    state->is_found |= *slot == state->target;
}

static bool holds(const rh_heap *heap, const rh_object *object, const void *target)
{
    (void)heap;
    search state = {target, false};
    rh__visit_slots(&state, (rh_object *)(uintptr_t)object, compare_slot); /* reads only */
    return state.is_found;
}

size_t rh_gc_referrers(rh_heap *heap, const void *object, rh_gc_visitor *visit, void *context)
{
    return object ? walk_objects(heap, holds, object, visit, context) : 0;
}

typedef struct offer {
    rh_gc_visitor *visit;
    void *context;
    size_t visited;
    bool is_over;
} offer;

static void offer_slot(void *context, void **slot)
{
    offer *state = context;
    if (!*slot || state->is_over)
        return;
    state->visited++;
    state->is_over = state->visit && !state->visit(*slot, state->context);
}

size_t rh_gc_referents(const void *object, rh_gc_visitor *visit, void *context)
{
    offer state = {visit, context, 0, false};
    if (object)
        rh__visit_slots(&state, (rh_object *)(uintptr_t)object, offer_slot); /* reads only */
    return state.visited;
}

bool rh_gc_is_tracked(const void *object)
{
    return object &&
           !(((const rh_object *)object)->rh_flags & (RH_FLAG_ACYCLIC | RH__FLAGS_SPECIAL));
}

bool rh_gc_is_finalized(const void *object)
{
    return object && (((const rh_object *)object)->rh_flags & RH_FLAG_FINALIZED);
}

/* ---- frozen objects ------------------------------------------------------------------------- */

/* Frozen objects are no candidates: no collection could take them off the list, so they would
 * start one after the other. A full collection after rh_gc_unfreeze finds their cycles without. */
void rh_gc_freeze(rh_heap *heap)
{
    rh__check_owner(heap);
    rh__cursor cursor = {0};
    for (rh_object *object; (object = rh__next_object(heap, &cursor));) {
        if ((object->rh_flags & (RH_FLAG_ACYCLIC | RH__FLAGS_SPECIAL)) || !rh__is_candidate(object))
            continue;
        rh__candidate_drop(heap, object);
        object->rh_count |= RH__WORD_ARMED;
    }
    heap->frozen_origin = rh__origin(heap->serial_next, 0);
    rh__set_limit(heap);
}

void rh_gc_unfreeze(rh_heap *heap)
{
    heap->wants_full |= heap->frozen_origin != 0;
    heap->frozen_origin = 0;
}

size_t rh_gc_freeze_count(rh_heap *heap)
{
    return heap->frozen_origin ? walk_objects(heap, is_frozen, NULL, NULL, NULL) : 0;
}
