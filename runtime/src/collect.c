/* collect.c - synchronous trial deletion: Bacon and Rajan, "Concurrent Cycle Collection in Reference
 * Counted Systems", ECOOP 2001, with the finalizer rules of PEP 442.
 *
 *   subtract_internal   from the seeds on, takes off every count that a member of the trial gives
 *   rescue_reachable    what has counts left is held from outside: it and all it reaches get theirs back
 *   restore_condemned   the others get theirs back, too
 *
 * Now all counts are as before and trial & ~rescued is garbage. It is held, its weak references are
 * cleared, its finalizers run, and if any ran it is tried once more.
 *
 * Invariant: counts change only while the phase word says so, no code of the program runs meanwhile,
 * and an edge is skipped by all passes or by none (flags and trial bits do not change between them).
 * All state is in the slabs' bitmaps: a collection needs no memory and does not recurse.
 *
 * Cost. A candidate is registered by a release, and a collection forgets all candidates that it proved
 * live. Automatic collections start when the candidates exceed a share of the live heap (a quarter, at
 * least CANDIDATES_MIN), so a visit of the whole heap is paid by at least that share of releases. After
 * a collection that reclaimed less than an eighth of what it visited the share doubles, up to the whole
 * live heap (then garbage can at most double the heap before it is found); after a better one it is a
 * quarter again.
 */
#include "internal.h"

#define CANDIDATES_MIN 1000u
#define SHARE_MIN 1u /* quarters */
#define SHARE_MAX 4u

void rh__gc_set_trigger(rh_heap *heap)
{
    uint64_t share = heap->objects / 4 * heap->gc_share;
    heap->gc_trigger = !heap->gc_enabled ? UINT64_MAX : share > CANDIDATES_MIN ? share : CANDIDATES_MIN;
}

/* ---- the trial set --------------------------------------------------------------------------------- */

static void trial_add_word(rh_heap *heap, rh__slab *slab, uint32_t word, uint64_t bits)
{
    if (!slab->in_trial) {
        slab->in_trial = true;
        slab->trial_next = heap->trial_slabs;
        heap->trial_slabs = slab;
    }
    slab->trial[word] |= bits;
    heap->visited += (uint64_t)__builtin_popcountll(bits);
    if (!slab->work_summary) {
        slab->work_next = heap->work_slabs;
        heap->work_slabs = slab;
    }
    slab->work[word] |= bits;
    slab->work_summary |= 1u << word;
}

/* The objects of a word of slots that can be in a cycle. */
static uint64_t cyclic_objects(const rh__slab *slab, uint32_t word)
{
    uint64_t result = 0;
    uint64_t bits = slab->live[word] & rh__word_mask(slab, word);
    while (bits) {
        uint32_t bit = rh__take_bit(&bits);
        uint32_t flags = rh__slot_object(slab, word * 64 + bit)->rh_flags;
        if (!(flags & (RH_FLAG_ACYCLIC | RH__FLAGS_SPECIAL)))
            result |= (uint64_t)1 << bit;
    }
    return result;
}

/* Starts the trial with the candidates, or with every object that can be in a cycle: a cycle that was
 * closed by moving references, without a release, has no candidate. */
static void seed(rh_heap *heap, bool every_object)
{
    heap->visited = 0;
    for (rh__chunk *chunk = heap->chunks; chunk; chunk = chunk->next) {
        uint64_t slabs = every_object ? ((uint64_t)1 << RH__CHUNK_SLABS) - 1 : chunk->candidate_slabs;
        chunk->candidate_slabs = 0;
        while (slabs) {
            rh__slab *slab = &chunk->slabs[rh__take_bit(&slabs)];
            if (!slab->slot_size || !slab->used)
                continue;
            for (uint32_t word = 0; word < slab->words; word++) {
                uint64_t bits = every_object ? cyclic_objects(slab, word) : slab->candidate[word];
                if (bits)
                    trial_add_word(heap, slab, word, bits);
            }
        }
    }
}

/* Calls `visit` for each object of the trial that is not rescued, or that is. */
static inline __attribute__((always_inline)) void for_each_trial(rh_heap *heap, bool is_rescued,
                                                                 void (*visit)(rh_heap *, rh_object *))
{
    for (rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++) {
            uint64_t bits = slab->trial[word] & (is_rescued ? slab->rescued[word] : ~slab->rescued[word]);
            while (bits)
                visit(heap, rh__slot_object(slab, word * 64 + rh__take_bit(&bits)));
        }
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

/* ---- the three passes ------------------------------------------------------------------------------ */

/* An object whose counts the passes leave alone; edges to it are no edges. */
static bool is_skipped(const rh_object *object)
{
    return !object || (object->rh_flags & (RH_FLAG_ACYCLIC | RH__FLAGS_SPECIAL));
}

static rh__slab *find_slot(const rh_object *object, uint32_t *slot)
{
    rh__slab *slab = rh__slab_of(object);
    *slot = rh__slot_of(slab, object);
    return slab;
}

static void subtract_edge(rh_heap *heap, void **field)
{
    rh_object *child = *field;
    if (is_skipped(child))
        return;
    child->rh_count -= 2;
    uint32_t slot;
    rh__slab *slab = find_slot(child, &slot);
    if (!rh__bit(slab->trial, slot))
        trial_add_word(heap, slab, slot >> 6, (uint64_t)1 << (slot & 63));
}

/* The first trial: everything that the seeds reach joins it. */
static void subtract_internal(rh_heap *heap)
{
    rh_object *object;
    while ((object = rh__work_pop(heap)))
        rh__visit_slots(heap, object, subtract_edge);
}

static void subtract_edge_within(rh_heap *heap, void **field)
{
    (void)heap;
    rh_object *child = *field;
    if (is_skipped(child))
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

static void rescue(rh_heap *heap, rh_object *object)
{
    uint32_t slot;
    rh__slab *slab = find_slot(object, &slot);
    rh__bit_set(slab->rescued, slot);
    rh__work_push(heap, object);
}

/* Counts below zero mean that somebody released too much: such an object is not freed, either; nor is
 * one that a finalizer made immortal. */
static void rescue_if_held(rh_heap *heap, rh_object *object)
{
    if ((object->rh_count | RH__WORD_ARMED) != (RH__WORD_TRIAL_ZERO | RH__WORD_ARMED))
        rescue(heap, object);
}

static void rescue_edge(rh_heap *heap, void **field)
{
    rh_object *child = *field;
    if (is_skipped(child))
        return;
    uint32_t slot;
    rh__slab *slab = find_slot(child, &slot);
    if (!rh__bit(slab->trial, slot))
        return;
    child->rh_count += 2;
    if (!rh__bit(slab->rescued, slot))
        rescue(heap, child);
}

static void rescue_reachable(rh_heap *heap)
{
    for_each_trial(heap, false, rescue_if_held);
    rh_object *object;
    while ((object = rh__work_pop(heap)))
        rh__visit_slots(heap, object, rescue_edge);
}

static void restore_edge(rh_heap *heap, void **field)
{
    (void)heap;
    rh_object *child = *field;
    if (is_skipped(child))
        return;
    uint32_t slot;
    rh__slab *slab = find_slot(child, &slot);
    if (rh__bit(slab->trial, slot))
        child->rh_count += 2;
}

static void restore_object(rh_heap *heap, rh_object *object)
{
    rh__visit_slots(heap, object, restore_edge);
}

static void restore_condemned(rh_heap *heap)
{
    for_each_trial(heap, false, restore_object);
}

static void set_phase(rh_heap *heap, enum rh_phase phase)
{
    RH__ORDER();
    heap->phase = phase;
    RH__ORDER();
}

/* ---- what is done with the result ------------------------------------------------------------------ */

/* Proved live: armed again, and no candidate any more. */
static void forget_survivors(rh_heap *heap)
{
    for (rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next)
        for (uint32_t word = 0; word < slab->words; word++) {
            uint64_t bits = slab->candidate[word] & slab->rescued[word];
            slab->candidate[word] &= ~bits;
            heap->candidates -= (uint64_t)__builtin_popcountll(bits);
            while (bits)
                rh__slot_object(slab, word * 64 + rh__take_bit(&bits))->rh_count |= RH__WORD_ARMED;
        }
}

static void hold(rh_heap *heap, rh_object *object)
{
    rh_retain(object);
    if (object->rh_flags & RH_FLAG_HAS_WEAK)
        rh__weak_clear(heap, object);
}

static void let_go(rh_heap *heap, rh_object *object)
{
    (void)heap;
    if (!rh__is_special(object))
        object->rh_count -= 2;
}

static void take_again(rh_heap *heap, rh_object *object)
{
    (void)heap;
    if (!rh__is_special(object))
        object->rh_count += 2;
}

static void survive(rh_heap *heap, rh_object *object)
{
    if (!rh__is_special(object)) {
        /* What holds it may be garbage that the finalizers made: it stays a candidate. */
        rh__candidate_add(heap, object);
        object->rh_count = (object->rh_count - 2) & ~RH__WORD_ARMED;
    }
    rh__history(heap, RH_EVENT_RESURRECT, object, RH_DEATH_NONE);
}

/* The finalizers ran: what is reachable now, from outside the condemned set, lives on. */
static void try_again(rh_heap *heap)
{
    set_phase(heap, RH_PHASE_MARKING);
    for_each_trial(heap, false, let_go);
    for_each_trial(heap, false, subtract_within);
    set_phase(heap, RH_PHASE_RESTORING);
    rescue_reachable(heap);
    restore_condemned(heap);
    for_each_trial(heap, false, take_again);
    for_each_trial(heap, true, take_again);
    set_phase(heap, RH_PHASE_IDLE);
    for_each_trial(heap, true, survive);
    keep_condemned(heap);
}

static void run_finalizer(rh_heap *heap, rh_object *object)
{
    rh__finalize(heap, object);
}

/* Dying from now on, with its own count: the others' references and the hold. */
static void condemn(rh_heap *heap, rh_object *object)
{
    if (object->rh_flags & RH_FLAG_HAS_WEAK)
        rh__weak_clear(heap, object);
    rh__header_write(object, RH__WORD_DYING | (object->rh_count & ~RH__WORD_ARMED), object->rh_type_index,
                     object->rh_flags | RH_FLAG_DYING | RH_DEATH_COLLECT << RH_FLAG_DEATH_SHIFT);
}

static void release_children(rh_heap *heap, rh_object *object)
{
    rh__visit_slots(heap, object, rh__release_slot);
}

/* The last object of a slab may take the slab with it. */
static void bury_slab(rh_heap *heap, rh__slab *slab)
{
    uint64_t left = 0;
    for (uint32_t word = 0; word < slab->words; word++)
        left += (uint64_t)__builtin_popcountll(slab->trial[word]);
    for (uint32_t word = 0; left; word++) {
        uint64_t bits = slab->trial[word];
        slab->trial[word] = 0;
        for (; bits; left--) {
            rh_object *object = rh__slot_object(slab, word * 64 + rh__take_bit(&bits));
            void (*dispose)(void *) = rh__type_of(object)->dispose;
            if (dispose)
                dispose(object);
            rh__object_free(heap, object);
        }
    }
}

/* Frees the trial set. What only it held dies behind it, by the queue of the release cascade. */
static void free_garbage(rh_heap *heap)
{
    heap->draining = true;
    for_each_trial(heap, false, condemn);
    heap->death = RH_DEATH_COLLECT;
    for_each_trial(heap, false, release_children);
    while (heap->trial_slabs) {
        rh__slab *slab = heap->trial_slabs;
        heap->trial_slabs = slab->trial_next;
        slab->in_trial = false;
        bury_slab(heap, slab);
    }
    rh__drain(heap);
    heap->death = RH_DEATH_RELEASE;
    heap->draining = false;
}

/* pre: not busy. */
static size_t collect(rh_heap *heap, bool every_object)
{
    uint64_t freed_before = heap->collect_freed;
    heap->collecting = true;
    seed(heap, every_object);
    uint64_t visited = 0;
    if (heap->trial_slabs) {
        set_phase(heap, RH_PHASE_MARKING);
        subtract_internal(heap);
        set_phase(heap, RH_PHASE_RESTORING);
        rescue_reachable(heap);
        restore_condemned(heap);
        set_phase(heap, RH_PHASE_IDLE);
        visited = heap->visited;
        forget_survivors(heap);
        keep_condemned(heap);
        for_each_trial(heap, false, hold);
        uint64_t finalized = heap->finalized;
        for_each_trial(heap, false, run_finalizer);
        if (heap->finalized != finalized)
            try_again(heap);
        free_garbage(heap);
    }
    uint64_t freed = heap->collect_freed - freed_before;
    heap->collections++;
    heap->reclaimed += freed;
    if (freed * 8 >= visited)
        heap->gc_share = SHARE_MIN;
    else if (heap->gc_share < SHARE_MAX)
        heap->gc_share *= 2;
    rh__gc_set_trigger(heap);
    heap->collecting = false;
    return freed;
}

size_t rh_gc_collect(rh_heap *heap)
{
    rh__check_owner(heap);
    if (rh__is_busy(heap))
        return 0;
    size_t freed = collect(heap, true);
    RH__VALIDATE(heap);
    return freed;
}

void rh__gc_automatic(rh_heap *heap)
{
    if (!rh__is_busy(heap))
        collect(heap, false);
}

void rh_gc_enable(rh_heap *heap)
{
    heap->gc_enabled = true;
    rh__gc_set_trigger(heap);
}

void rh_gc_disable(rh_heap *heap)
{
    heap->gc_enabled = false;
    rh__gc_set_trigger(heap);
}

bool rh_gc_is_enabled(const rh_heap *heap)
{
    return heap->gc_enabled;
}
