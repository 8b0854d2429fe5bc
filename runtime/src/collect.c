/* collect.c - one collection: synchronous trial deletion. Bacon and Rajan, "Concurrent Cycle
 * Collection in Reference Counted Systems", ECOOP 2001, with the finalizer rules of PEP 442.
 *
 * Members are the objects that can be in a cycle and are not older than trial_origin; whatever
 * else holds a member counts as outside. The trial set is closed: every member that a member of
 * it holds is in it.
 *
 *   subtract   takes off every count that an object of the trial gives to another
 *   rescue     what has counts left is held from outside: it, and all it reaches, get theirs back
 *
 * Now trial & ~rescued is garbage; "condemned" here. If none of it has a weak reference or a
 * finalizer to run, it is freed at once (bury). Else all counts are restored first, the condemned
 * are held, their weak references cleared, their finalizers run, and then the condemned set is
 * tried once more.
 *
 * A full collection makes every member part of the trial, in one linear pass over the slabs,
 * which also finds cycles that were closed without any release. A young one starts from the fresh
 * candidates and follows references, so its cost does not depend on the size of the heap; members
 * are the objects born since the last collection. It proves nothing about an object that only old
 * garbage may hold: all its survivors stay candidates, and a full collection follows when they
 * are many (gc.c).
 *
 * Invariant: counts change only while the phase word says so, no code of the program but
 * `dispose` runs meanwhile, and an edge is skipped by all passes or by none. All state is in the
 * slabs' bitmaps: a collection needs no memory and does not recurse.
 */
#include "internal.h"

/* ---- members and passes over them ----------------------------------------------------------- */

static inline bool is_member(const rh_heap *heap, const rh_object *object)
{
    return !(object->rh_flags & (RH_FLAG_ACYCLIC | RH__FLAGS_SPECIAL)) &&
           object->rh_origin >= heap->trial_origin;
}

/* Marked or not, armed or not. */
static inline bool has_no_count(const rh_object *object)
{
    const uint32_t differ =
        RH__WORD_ARMED | ((RH__WORD_TRACED + RH__WORD_TRIAL_ZERO) ^ RH__WORD_TRIAL_ZERO);
    return (object->rh_count | differ) == (RH__WORD_TRIAL_ZERO | differ);
}

static inline rh__slab *find_slot(const rh_object *object, uint32_t *slot)
{
    rh__slab *slab = rh__slab_of(object);
    *slot = rh__slot_of(slab, object);
    return slab;
}

static void add_slab(rh_heap *heap, rh__slab *slab)
{
    if (slab->in_trial)
        return;
    slab->in_trial = true;
    slab->trial_next = heap->trial_slabs;
    heap->trial_slabs = slab;
}

typedef void object_visit(rh_heap *heap, rh_object *object);

/* Visits the edges of some objects of one word. The children's headers are asked for first: they
 * are anywhere, the objects lie side by side. */
static inline __attribute__((always_inline)) void
visit_word(rh_heap *heap, const rh__slab *slab, uint32_t word, uint64_t bits, rh__slot_visit *visit)
{
    for (uint64_t left = bits; left;) {
        rh_object *object = rh__slot_object(slab, word * 64 + rh__take_bit(&left));
        for (uint64_t slots = rh__type_slots[object->rh_type_index]; slots;)
            __builtin_prefetch(((void **)(void *)object)[rh__take_bit(&slots)], 1);
    }
    while (bits)
        rh__visit_slots(heap, rh__slot_object(slab, word * 64 + rh__take_bit(&bits)), visit);
}

/* Works the queue, a word of slots at a time; `visit` may add to it, in the same word, too. */
static inline __attribute__((always_inline)) void visit_queued(rh_heap *heap, rh__slot_visit *visit)
{
    rh__slab *slab;
    while ((slab = heap->work_slabs)) {
        uint32_t word = (uint32_t)__builtin_ctz(slab->work_summary);
        uint64_t bits = slab->work[word];
        slab->work[word] = 0;
        visit_word(heap, slab, word, bits, visit);
        if (slab->work[word])
            continue;
        slab->work_summary &= ~(1u << word);
        if (!slab->work_summary)
            heap->work_slabs = slab->work_next;
    }
}

/* Calls `visit` for each object of the trial that is condemned, or that is rescued. */
static inline __attribute__((always_inline)) void for_each_trial(rh_heap *heap, bool is_rescued,
                                                                 object_visit *visit)
{
    for (rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++) {
            uint64_t bits =
                slab->trial[word] & (is_rescued ? slab->rescued[word] : ~slab->rescued[word]);
            while (bits)
                visit(heap, rh__slot_object(slab, word * 64 + rh__take_bit(&bits)));
        }
}

/* Queues objects of one word. A slab goes to the end of the line: it gathers work while it waits,
 * and is worked off in one go. */
static inline void enqueue(rh_heap *heap, rh__slab *slab, uint32_t word, uint64_t bits)
{
    slab->work[word] |= bits;
    if (!slab->work_summary) {
        slab->work_next = NULL;
        if (heap->work_slabs)
            heap->work_last->work_next = slab;
        else
            heap->work_slabs = slab;
        heap->work_last = slab;
    }
    slab->work_summary |= 1u << word;
}

static void set_phase(rh_heap *heap, enum rh_phase phase)
{
    RH__ORDER();
    heap->phase = phase;
    RH__ORDER();
}

/* ---- subtract ------------------------------------------------------------------------------- */

static void subtract_edge(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (child && is_member(heap, child))
        child->rh_count -= 2;
}

static void subtract_edge_and_follow(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (!child || !is_member(heap, child))
        return;
    child->rh_count -= 2;
    uint32_t slot;
    rh__slab *slab = find_slot(child, &slot);
    if (rh__bit(slab->trial, slot))
        return;
    add_slab(heap, slab);
    rh__bit_set(slab->trial, slot);
    enqueue(heap, slab, slot >> 6, (uint64_t)1 << (slot & 63));
}

static uint64_t members_of_word(const rh_heap *heap, const rh__slab *slab, uint32_t word)
{
    uint64_t members = 0;
    for (uint64_t bits = slab->live[word] & rh__word_mask(slab, word); bits;) {
        uint32_t bit = rh__take_bit(&bits);
        const rh_object *object = rh__slot_object(slab, word * 64 + bit);
        if (rh__is_in_use(object) && is_member(heap, object))
            members |= (uint64_t)1 << bit;
    }
    return members;
}

/* Candidates are fresh for one collection only. */
static void age_candidates(rh_heap *heap, rh__slab *slab, uint32_t word)
{
    uint64_t count = (uint64_t)__builtin_popcountll(slab->fresh[word]);
    heap->fresh -= count;
    heap->spared += count;
    slab->spared[word] |= slab->fresh[word];
    slab->fresh[word] = 0;
}

/* Every member is in the trial. */
static void subtract_all(rh_heap *heap)
{
    for (rh__chunk *chunk = heap->chunks; chunk; chunk = chunk->next) {
        chunk->fresh_slabs = 0;
        for (uint64_t slabs = (((uint64_t)1 << RH__CHUNK_SLABS) - 1) & ~chunk->free_slabs; slabs;) {
            rh__slab *slab = &chunk->slabs[rh__take_bit(&slabs)];
            for (uint32_t word = 0; slab->slot_size && word < slab->words; word++) {
                uint64_t members = members_of_word(heap, slab, word);
                if (!members)
                    continue;
                add_slab(heap, slab);
                slab->trial[word] = members;
                age_candidates(heap, slab, word);
                visit_word(heap, slab, word, members, subtract_edge);
            }
        }
    }
}

/* The fresh candidates and what they reach. */
static void subtract_fresh(rh_heap *heap)
{
    for (rh__chunk *chunk = heap->chunks; chunk; chunk = chunk->next) {
        uint64_t slabs = chunk->fresh_slabs;
        chunk->fresh_slabs = 0;
        while (slabs) {
            rh__slab *slab = &chunk->slabs[rh__take_bit(&slabs)];
            for (uint32_t word = 0; slab->slot_size && word < slab->words; word++) {
                uint64_t bits = slab->fresh[word];
                if (!bits)
                    continue;
                age_candidates(heap, slab, word);
                add_slab(heap, slab);
                slab->trial[word] |= bits;
                enqueue(heap, slab, word, bits);
            }
        }
    }
    visit_queued(heap, subtract_edge_and_follow);
}

/* ---- rescue --------------------------------------------------------------------------------- */

static void rescue(rh_heap *heap, rh_object *object)
{
    uint32_t slot;
    rh__slab *slab = find_slot(object, &slot);
    if (rh__bit(slab->rescued, slot))
        return;
    rh__bit_set(slab->rescued, slot);
    enqueue(heap, slab, slot >> 6, (uint64_t)1 << (slot & 63));
}

/* Whoever has counts before any is given back is rescued already; so a first count tells a new one.
 */
static void rescue_edge(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (!child || !is_member(heap, child))
        return;
    bool is_first = has_no_count(child);
    child->rh_count += 2;
    if (is_first)
        rescue(heap, child);
}

static void rescue_edge_within(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (!child || !is_member(heap, child))
        return;
    uint32_t slot;
    rh__slab *slab = find_slot(child, &slot);
    if (rh__bit(slab->trial, slot))
        rescue_edge(heap, field);
}

static bool has_finalizer_to_run(const rh_object *object)
{
    return (object->rh_flags & RH__FLAG_INVOLVED) && !(object->rh_flags & RH_FLAG_FINALIZED) &&
           rh__type_of(object)->finalize;
}

/* Queues what is held from outside the trial. Counts below zero mean that somebody released too
 * much: such an object is not freed, either; nor is one that a finalizer made immortal. Returns
 * whether any of the others has a weak reference or a finalizer. */
static bool rescue_held(rh_heap *heap)
{
    bool is_involved = false;
    for (rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++) {
            uint64_t held = 0;
            for (uint64_t bits = slab->trial[word]; bits;) {
                uint32_t bit = rh__take_bit(&bits);
                const rh_object *object = rh__slot_object(slab, word * 64 + bit);
                if (!has_no_count(object))
                    held |= (uint64_t)1 << bit;
                else
                    is_involved |=
                        (object->rh_flags & RH_FLAG_HAS_WEAK) || has_finalizer_to_run(object);
            }
            if (!held)
                continue;
            slab->rescued[word] |= held;
            enqueue(heap, slab, word, held);
        }
    return is_involved;
}

/* ---- the old rule: cycles with finalizers stay ---------------------------------------------- */

static void stay(rh_heap *heap, rh_object *object)
{
    if (!has_finalizer_to_run(object))
        return;
    rh__hold(object);
    heap->held++;
    rescue(heap, object);
}

/* Holds the condemned with finalizers and rescues what they reach. */
static void keep_finalizable(rh_heap *heap)
{
    for_each_trial(heap, false, stay);
    visit_queued(heap, rescue_edge);
}

static void stop_holding(rh_heap *heap, rh_object *object)
{
    if (!(object->rh_flags & RH_FLAG_HELD))
        return;
    object->rh_flags &= (uint16_t)~RH_FLAG_HELD;
    heap->held--;
    if (!(object->rh_flags & RH_FLAG_UNCOLLECTABLE)) {
        object->rh_flags |= RH_FLAG_UNCOLLECTABLE | RH__FLAG_FOUND;
        heap->uncollectable++;
    }
    /* A count of the runtime's own is in no record. */
    if (rh__is_marked(object))
        object->rh_count -= RH__WORD_TRACED;
    rh_release(object); /* what only freed garbage held dies now, the usual way */
    rh__trace_mark(object);
}

static void forget_uncollectable(rh_heap *heap, rh_object *object)
{
    heap->uncollectable -= (object->rh_flags & RH_FLAG_UNCOLLECTABLE) != 0;
    object->rh_flags &= (uint16_t)~RH_FLAG_UNCOLLECTABLE;
}

/* ---- finalizers, and the second try --------------------------------------------------------- */

static void restore_edge(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (child && is_member(heap, child))
        child->rh_count += 2;
}

static void restore_object(rh_heap *heap, rh_object *object)
{
    rh__visit_slots(heap, object, restore_edge);
}

/* Drops the rescued from the trial, and slabs without condemned objects from its list: those may be
 * given back while finalizers run. */
static void keep_condemned(rh_heap *heap)
{
    rh__slab **link = &heap->trial_slabs;
    while (*link) {
        rh__slab *slab = *link;
        uint64_t left = 0;
        for (uint32_t word = 0; word < slab->words; word++) {
            slab->trial[word] &= ~slab->rescued[word];
            slab->rescued[word] = 0;
            left |= slab->trial[word];
        }
        if (left) {
            link = &slab->trial_next;
        } else {
            *link = slab->trial_next;
            slab->in_trial = false;
        }
    }
}

static void hold(rh_heap *heap, rh_object *object)
{
    rh__hold(object);
    if (object->rh_flags & RH_FLAG_HAS_WEAK)
        rh__weak_clear(heap, object);
}

static void run_finalizer(rh_heap *heap, rh_object *object)
{
    rh__finalize(heap, object);
}

static void let_go(rh_heap *heap, rh_object *object)
{
    (void)heap;
    object->rh_flags &= (uint16_t)~RH_FLAG_HELD;
    if (!rh__is_special(object)) /* its finalizer may have made it immortal */
        object->rh_count -= 2;
}

static void subtract_edge_within(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (!child || !is_member(heap, child))
        return;
    uint32_t slot;
    rh__slab *slab = find_slot(child, &slot);
    if (rh__bit(slab->trial, slot))
        child->rh_count -= 2;
}

static void subtract_within(rh_heap *heap, rh_object *object)
{
    rh__visit_slots(heap, object, subtract_edge_within);
}

static void survive(rh_heap *heap, rh_object *object)
{
    if (!rh__is_special(object)) {
        /* What holds it may be garbage that the finalizers made: it stays a candidate. */
        if (!rh__is_candidate(object))
            rh__candidate_add(heap, object);
    }
    rh__history(heap, RH_EVENT_RESURRECT, object);
}

/* pre: phase restoring, the condemned have not got their counts back. The same afterwards, for
 * those that are condemned still. */
static void finalize_condemned(rh_heap *heap)
{
    for_each_trial(heap, false, restore_object);
    keep_condemned(heap);
    for_each_trial(heap, false, hold);
    set_phase(heap, RH_PHASE_IDLE);
    for_each_trial(heap, false, run_finalizer);
    set_phase(heap, RH_PHASE_MARKING);
    for_each_trial(heap, false, let_go);
    for_each_trial(heap, false, subtract_within);
    set_phase(heap, RH_PHASE_RESTORING);
    rescue_held(heap);
    visit_queued(heap, rescue_edge_within);
    for_each_trial(heap, true, survive);
}

/* ---- burying -------------------------------------------------------------------------------- */

/* A young collection may have rescued it for the sake of an old holder that is garbage itself: a
 * candidate, as after any release. */
static void keep_candidate(rh_heap *heap, rh_object *object)
{
    uint32_t slot;
    const rh__slab *slab = find_slot(object, &slot);
    if (rh__bit(slab->rescued, slot))
        rh__candidate_add(heap, object);
}

/* The garbage had a count of a traced object that lives on: subtract took it. */
static __attribute__((noinline)) void tell_release(rh_heap *heap, rh_object *object)
{
    uint32_t slot;
    const rh__slab *slab = find_slot(object, &slot);
    if (!rh__bit(slab->rescued, slot))
        return;
    heap->tracing = object; /* without rh__trace_begin: its count has changed already */
    RH__ORDER();
    rh__trace_tell(heap, object, -1, rh_refcount(object), heap->place);
}

/* Counts that the trial gives to its own were taken off by subtract. */
static void release_edge(void *context, void **field)
{
    rh_heap *heap = context;
    rh_object *child = *field;
    if (!child)
        return;
    if (!(child->rh_flags & RH_FLAG_ACYCLIC)) {
        if (RH__UNLIKELY(child->rh_flags & RH_FLAG_TRACED))
            tell_release(heap, child);
        if (heap->trial_is_whole && is_member(heap, child)) {
            if (heap->trial_is_young && (child->rh_count & RH__WORD_ARMED))
                keep_candidate(heap, child);
            return;
        }
        uint32_t slot;
        const rh__slab *slab = find_slot(child, &slot);
        if (rh__bit(slab->trial, slot)) /* dead already, perhaps */
            return;
    }
    rh_release(child);
}

static void bury_word(rh_heap *heap, rh__slab *slab, uint32_t word, uint64_t condemned)
{
    uint64_t kept = 0; /* in quarantine */
    for (uint64_t bits = condemned; bits;) {
        uint32_t bit = rh__take_bit(&bits);
        rh_object *object = rh__slot_object(slab, word * 64 + bit);
        if (RH__UNLIKELY(object->rh_flags & RH_FLAG_HAS_WEAK)) /* made by a finalizer */
            rh__weak_clear(heap, object);
        rh__visit_slots(heap, object, release_edge);
        if (RH__UNLIKELY(object->rh_flags & RH__FLAG_INVOLVED))
            rh__dispose(heap, object);
        rh__history_record(heap, RH_EVENT_FREE, object, RH_DEATH_COLLECT, heap->place);
        heap->poisoning = object;
        RH__ORDER();
        rh__tombstone_write(object, RH_DEATH_COLLECT);
        rh__payload_poison(heap, slab, object);
        RH__ORDER();
        heap->poisoning = NULL;
        if (RH__UNLIKELY(heap->is_observed) && rh__observe_bury(heap, slab, object))
            kept |= (uint64_t)1 << bit;
    }
    RH__ORDER();
    uint64_t count = (uint64_t)__builtin_popcountll(condemned);
    heap->freed += count;
    heap->collect_freed += count;
    heap->spared -= (uint64_t)__builtin_popcountll(slab->spared[word] & condemned);
    heap->fresh -= (uint64_t)__builtin_popcountll(slab->fresh[word] & condemned);
    slab->spared[word] &= ~condemned;
    slab->fresh[word] &= ~condemned;
    slab->live[word] &= ~condemned | kept;
}

/* Frees the condemned. What only they held dies behind them, by the queue of the release cascade.
 * Slabs are not given back before all marks are off. Returns whether the latter let go of objects
 * that live: those may be garbage now. */
static bool bury(rh_heap *heap)
{
    set_phase(heap, RH_PHASE_FREEING);
    rh__quarantine_prepare(heap);
    heap->draining = true;
    heap->outer_place = heap->place;
    heap->death = RH_DEATH_COLLECT;
    for (rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++) {
            uint64_t condemned = slab->trial[word] & ~slab->rescued[word];
            if (condemned)
                bury_word(heap, slab, word, condemned);
        }
    while (heap->trial_slabs) {
        rh__slab *slab = heap->trial_slabs;
        heap->trial_slabs = slab->trial_next;
        slab->in_trial = false;
        uint64_t given_back = 0;
        for (uint32_t word = 0; word < slab->words; word++) {
            given_back |= slab->trial[word] & ~slab->rescued[word] & ~slab->live[word];
            slab->trial[word] = slab->rescued[word] = 0;
        }
        if (given_back)
            rh__slab_freed(heap, slab);
    }
    set_phase(heap, RH_PHASE_IDLE);
    uint64_t registered = heap->registered;
    rh__drain(heap);
    heap->death = RH_DEATH_RELEASE;
    heap->draining = false;
    return heap->registered != registered;
}

/* ---- a collection --------------------------------------------------------------------------- */

/* A full collection proved them live: armed again, and no candidates any more. */
static void forget_candidates(rh_heap *heap)
{
    for (rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++) {
            uint64_t bits = slab->spared[word] & slab->rescued[word];
            slab->spared[word] &= ~bits;
            heap->spared -= (uint64_t)__builtin_popcountll(bits);
            while (bits)
                rh__slot_object(slab, word * 64 + rh__take_bit(&bits))->rh_count |= RH__WORD_ARMED;
        }
}

static uint64_t trial_size(const rh_heap *heap)
{
    uint64_t size = 0;
    for (const rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++)
            size += (uint64_t)__builtin_popcountll(slab->trial[word]);
    return size;
}

/* Walks over the heap, so that the held need no list: only where the old rule found something.
 * Returns how many are newly found to be uncollectable. */
static uint64_t release_held(rh_heap *heap)
{
    heap->draining = true;
    heap->outer_place = heap->place;
    heap->death = RH_DEATH_COLLECT;
    rh__cursor cursor = {0};
    for (rh_object *object; heap->held && (object = rh__next_object(heap, &cursor));)
        stop_holding(heap, object);
    rh__drain(heap);
    heap->death = RH_DEATH_RELEASE;
    heap->draining = false;
    uint64_t found = 0;
    cursor = (rh__cursor){0};
    for (rh_object *object; (object = rh__next_object(heap, &cursor));) {
        found += (object->rh_flags & RH__FLAG_FOUND) != 0;
        object->rh_flags &= (uint16_t)~RH__FLAG_FOUND;
    }
    return found;
}

void rh__collect(rh_heap *heap, rh_gc_generation generation, rh__collection *result)
{
    uint64_t freed_before = heap->collect_freed;
    heap->trial_origin = generation == RH_GC_FULL ? heap->frozen_origin : heap->young_origin;
    if (heap->trial_origin < heap->frozen_origin)
        heap->trial_origin = heap->frozen_origin;
    /* What is born or registered from now on is the next collection's. */
    heap->young_origin = rh__origin(heap->serial_next, 0);
    set_phase(heap, RH_PHASE_MARKING);
    if (generation == RH_GC_FULL)
        subtract_all(heap);
    else
        subtract_fresh(heap);
    result->visited = trial_size(heap);
    set_phase(heap, RH_PHASE_RESTORING);
    bool is_involved = rescue_held(heap);
    visit_queued(heap, rescue_edge);
    if (generation == RH_GC_FULL)
        forget_candidates(heap);
    if (heap->uncollectable)
        for_each_trial(heap, true, forget_uncollectable);
    if (is_involved && heap->old_rule)
        keep_finalizable(heap);
    heap->trial_is_whole = !is_involved;
    if (is_involved)
        finalize_condemned(heap);
    heap->trial_is_young = generation == RH_GC_YOUNG;
    result->has_successor = bury(heap);
    result->uncollectable = heap->held ? release_held(heap) : 0;
    result->freed = heap->collect_freed - freed_before;
}
