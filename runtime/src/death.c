/* death.c - from the last release to the tombstone, without recursion and without memory.
 *
 * The short way, for an object with nothing but references in its first words: what its slots
 * held is taken over, into registers or a small array on the stack (cascade); the tombstone is
 * written; the references are released, the slot is given back. What dies by that goes on in the
 * same loop. If they are too many to be taken over, the object is dying first, which makes what
 * its slots hold its own.
 *
 * The long way, for finalizers, weak references, vectors, dispose and observed heaps, and for
 * what finds no room in that array: the object is dying at once (weak references to it read NULL,
 * one count belongs to the runtime) and waits in the heap's queue, which the outermost release
 * works until it is empty. The queue is a bit per slot, so queueing cannot fail.
 *
 * Invariant: parents die before children; code of the program runs only from the queue, when no
 * reference waits on the stack, so it sees every count where it belongs.
 */
#include "internal.h"

/* ---- the work queue, shared with the collector ---------------------------------------------- */

/* In a cascade the slab that was last added comes first, and of a slab the lowest address: a
 * structure that was built depth first dies in the order of its addresses. */
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

/* What makes a death go the long way. */
#define LONG_WAY                                                                                   \
    ((uint32_t)(RH__FLAG_INVOLVED | RH__FLAG_LAST_TOLD | RH_FLAG_HAS_WEAK | RH_FLAG_IMMORTAL |     \
                RH_FLAG_TRACED))

#define REFERENCES_MAX 64u

/* ---- dying ---------------------------------------------------------------------------------- */

void rh__hold(rh_object *object)
{
    uint32_t word = object->rh_count + 2;
    bool is_traced = word - RH__WORD_TRACED < RH__WORD_TRACED_END - RH__WORD_TRACED;
    if ((int32_t)word < 0 && (!is_traced || rh__is_special(object)))
        rh__retain_slow(object); /* immortal, or too many counts */
    else
        rh__header_write(object, word, object->rh_type_index, object->rh_flags | RH_FLAG_HELD);
}

bool rh__finalize(rh_heap *heap, rh_object *object)
{
    void (*finalize)(void *) = rh__type_of(object)->finalize;
    if (!finalize || (object->rh_flags & RH_FLAG_FINALIZED))
        return false;
    object->rh_flags |= RH_FLAG_FINALIZED;
    heap->finalized++;
    rh__history(heap, RH_EVENT_FINALIZE, object);
    /* What the finalizer itself lets go of dies by release, whatever runs around it. */
    uint8_t death = heap->death;
    uint64_t place = heap->place;
    heap->death = RH_DEATH_RELEASE;
    finalize(object);
    heap->death = death;
    heap->place = place;
    return true;
}

void rh__dispose(rh_heap *heap, rh_object *object)
{
    void (*dispose)(void *) = rh__type_of(object)->dispose;
    uint64_t place = heap->place;
    if (dispose)
        dispose(object);
    heap->place = place;
}

void rh__release_slot(void *heap, void **slot)
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
    uint32_t flags = object->rh_flags & ~(RH_FLAG_DYING | RH_FLAG_DEATH_MASK | RH__FLAG_LAST_TOLD);
    if (flags & RH_FLAG_IMMORTAL) {
        rh__trace_end(heap, object);
        flags &= ~(uint32_t)RH_FLAG_TRACED;
        rh__header_write(object, RH__WORD_IMMORTAL, object->rh_type_index, flags);
    } else {
        uint32_t count = rh__dying_count(object) - 1;
        rh__header_write(object, (count - 1) * 2, object->rh_type_index, flags);
        /* It may hold itself, and no release may ever tell: a candidate from the start. */
        if (!(flags & RH_FLAG_ACYCLIC))
            rh__candidate_add(heap, object);
        rh__trace_mark(object);
    }
    rh__history(heap, RH_EVENT_RESURRECT, object);
}

/* The long way of a queued object: finalizer, weak references, vectors, dispose. */
static void finish_death(rh_heap *heap, rh_object *object)
{
    rh__finalize(heap, object);
    if (RH__UNLIKELY(rh__dying_count(object) > 1 || (object->rh_flags & RH_FLAG_IMMORTAL))) {
        resurrect(heap, object);
        return;
    }
    if (RH__UNLIKELY(object->rh_flags & RH_FLAG_HAS_WEAK)) /* made by the finalizer */
        rh__weak_clear(heap, object);
    heap->uncollectable -= (object->rh_flags & RH_FLAG_UNCOLLECTABLE) != 0;
    enum rh_death death = rh__death_of(object);
    heap->death = (uint8_t)death;
    rh__visit_slots(heap, object, rh__release_slot);
    rh__dispose(heap, object);
    rh__object_free(heap, object, death);
}

static inline bool is_candidate(const rh_object *object)
{
    return !(object->rh_count & RH__WORD_ARMED) && !(object->rh_flags & RH_FLAG_ACYCLIC);
}

/* From the last count to dying: no candidate any more, weak references read NULL. */
static inline __attribute__((always_inline)) void begin_death(rh_heap *heap, rh_object *object,
                                                              enum rh_death death)
{
    if (is_candidate(object))
        rh__candidate_drop(heap, object);
    if (RH__UNLIKELY(object->rh_flags & RH_FLAG_HAS_WEAK))
        rh__weak_clear(heap, object);
    rh__dying_write_info(object, rh__header_info(object), death);
}

static inline void release_to_candidate(rh_heap *heap, rh_object *object)
{
    object->rh_count -= 2;
    rh__candidate_add(heap, object);
}

/* Its last count goes in the midst of a cascade. Inside of a finalizer it waits for the outermost
 * release: who gave that count away is told now, by an event of its own. */
static void queue_death(rh_heap *heap, rh_object *object, enum rh_death death, uint64_t place)
{
    begin_death(heap, object, death);
    if (heap->draining && place != heap->outer_place) {
        rh__history_record(heap, RH_EVENT_LAST, object, death, place);
        object->rh_flags |= RH__FLAG_LAST_TOLD;
    }
    rh__work_push(heap, object);
}

/* Releases a traced object. True: it dies, and is queued. */
static bool release_marked(rh_heap *heap, rh_object *object, enum rh_death death, uint64_t place)
{
    uint32_t word = object->rh_count;
    bool is_last = word - RH__WORD_TRACED < 2;
    rh__trace_begin(heap, object);
    if (is_last)
        queue_death(heap, object, death, place);
    else if (word & RH__WORD_ARMED)
        release_to_candidate(heap, object);
    else
        object->rh_count = word - 2;
    rh__trace_tell(heap, object, -1, is_last ? 0 : rh_refcount(object), place);
    rh__trace_settle(object);
    return is_last;
}

/* A cascade at work, off the heap: what it still has to release, and the slots it has not given
 * back. Both are empty whenever code of the program runs: finalizers and dispose wait in the
 * heap's queue. */
typedef struct cascade {
    uint32_t count;
    enum rh_death death;
    uint64_t place; /* of the program's call that set it in motion */
    /* Slots of one word that only have to be given back: `freed` of them. */
    rh__slab *slab;
    uint32_t word;
    uint32_t freed;
    uint64_t bits;
    rh_object *references[REFERENCES_MAX]; /* owned, not released yet; the last one comes next */
} cascade;

static void give_back(rh_heap *heap, cascade *self)
{
    if (!self->freed)
        return;
    rh__slab *slab = self->slab;
    uint64_t left = slab->live[self->word] & ~self->bits;
    slab->live[self->word] = left;
    heap->freed += self->freed;
    if (self->death == RH_DEATH_COLLECT)
        heap->collect_freed += self->freed;
    self->freed = 0;
    self->bits = 0;
    if (rh__needs_state(slab, self->word, left))
        rh__slab_freed(heap, slab);
}

static inline __attribute__((always_inline)) void give_back_later(rh_heap *heap, cascade *self,
                                                                  rh_object *object)
{
    rh__slab *slab = rh__slab_of(object);
    uint32_t slot = rh__slot_of(slab, object), word = slot >> 6;
#if defined(RH__CHECKED) || defined(RH__ASAN) /* else a heap that poisons is an observed one */
    rh__payload_poison(heap, slab, object);
#endif
    if (rh__history_put(heap, RH__EVENT_WHAT(RH_EVENT_FREE, self->death), object, self->place))
        rh__history_turn(heap);
    if (slab != self->slab || word != self->word) {
        give_back(heap, self);
        self->slab = slab;
        self->word = word;
    }
    self->bits |= (uint64_t)1 << (slot & 63);
    self->freed++;
}

/* A reference to an object whose count word is special. */
static __attribute__((noinline)) void release_special(rh_heap *heap, const cascade *self,
                                                      rh_object *object)
{
    if (rh__is_marked(object))
        release_marked(heap, object, self->death, self->place);
    else
        rh__release_special(object, self->place);
}

/* Releases a reference; what dies by it and takes the long way, or has no room in `self`, is
 * queued. Returns the object if it dies the short way. */
static inline __attribute__((always_inline)) bool
release_reference(rh_heap *heap, cascade *self, rh_object *object, bool has_room)
{
    uint32_t word = object->rh_count, less = word - 2;
    if (!(less & 0x80000001u)) {
        object->rh_count = less;
    } else if (RH__LIKELY(word < 2)) {
        if (has_room && !(object->rh_flags & LONG_WAY) && !heap->is_observed)
            return true;
        begin_death(heap, object, self->death);
        rh__work_push(heap, object);
    } else if ((int32_t)word < 0) {
        release_special(heap, self, object);
    } else {
        release_to_candidate(heap, object);
    }
    return false;
}

static inline uint64_t distance(const rh_object *a, const rh_object *b)
{
    return a > b ? (uint64_t)((const char *)a - (const char *)b)
                 : (uint64_t)((const char *)b - (const char *)a);
}

static inline __attribute__((always_inline)) void keep_reference(rh_heap *heap, cascade *self,
                                                                 rh_object *reference)
{
    if (RH__LIKELY(self->count < REFERENCES_MAX))
        self->references[self->count++] = reference;
    else
        release_reference(heap, self, reference, false);
}

/* Of the children first and last in an object the one that is nearer to it goes first: a
 * structure that was built depth first then dies along its addresses, whether parents or children
 * were made first. */
static inline bool goes_upwards(const rh_object *object, const rh_object *first,
                                const rh_object *last)
{
    return distance(first, object) <= distance(last, object);
}

static __attribute__((noinline)) rh_object *keep_many_references(rh_heap *heap, cascade *self,
                                                                 rh_object *object, uint64_t slots)
{
    rh_object **words = (rh_object **)(void *)object, *next = NULL;
    bool upwards =
        goes_upwards(object, words[__builtin_ctzll(slots)], words[63 - __builtin_clzll(slots)]);
    while (slots) {
        /* What is kept last is released first. */
        uint32_t slot =
            upwards ? 63 - (uint32_t)__builtin_clzll(slots) : (uint32_t)__builtin_ctzll(slots);
        slots ^= (uint64_t)1 << slot;
        if (!words[slot])
            continue;
        if (next)
            keep_reference(heap, self, next);
        next = words[slot];
    }
    return next;
}

/* What a dying object holds by `slots` waits in `self`, but for the reference that is to be
 * released next: that is returned. */
static inline __attribute__((always_inline)) rh_object *
keep_references(rh_heap *heap, cascade *self, rh_object *object, uint64_t slots)
{
    if (!slots)
        return NULL;
    rh_object **words = (rh_object **)(void *)object, *first = words[__builtin_ctzll(slots)];
    uint64_t rest = slots & (slots - 1);
    if (!rest)
        return first;
    if (RH__UNLIKELY(rest & (rest - 1)))
        return keep_many_references(heap, self, object, slots);
    rh_object *last = words[__builtin_ctzll(rest)];
    if (!first)
        return last;
    if (!last)
        return first;
    bool upwards = goes_upwards(object, first, last);
    keep_reference(heap, self, upwards ? last : first);
    return upwards ? first : last;
}

/* The short way of death. With the tombstone the slots of the object are no references any more,
 * so what they held can be released later, in any order, without clearing them one by one; but
 * whoever looks from outside must find each of these references somewhere at every instruction:
 * in the slots of a dying object, or in `self`. Returns the reference that is to be released
 * next. */
static inline __attribute__((always_inline)) rh_object *bury(rh_heap *heap, cascade *self,
                                                             rh_object *object, uint32_t info)
{
    uint64_t slots = rh__type_slots[(uint16_t)info], rest = slots & (slots - 1);
    if (RH__UNLIKELY((rest & (rest - 1)) || self->count == REFERENCES_MAX)) {
        rh__dying_write_info(object, info, self->death); /* some may be released at once */
        RH__ORDER();
    }
    rh_object *next = keep_references(heap, self, object, slots);
    RH__ORDER();
    rh__tombstone_write_info(object, info, self->death);
    RH__ORDER();
    give_back_later(heap, self, object);
    return next;
}

/* Releases `object`, which may be NULL, what waits in `self`, and all that follows. */
static void release_all(rh_heap *heap, cascade *self, rh_object *object)
{
    for (;;) {
        if (!object) {
            if (!self->count)
                break;
            object = self->references[--self->count];
        }
        if (!release_reference(heap, self, object, true)) {
            object = NULL;
            continue;
        }
        if (is_candidate(object))
            rh__candidate_drop(heap, object);
        object = bury(heap, self, object, rh__header_info(object));
    }
    give_back(heap, self);
}

/* Works the heap's queue until it is empty. */
static void work_queue(rh_heap *heap, cascade *self)
{
    rh_object *object;
    while ((object = rh__work_pop(heap))) {
        uint32_t info = rh__header_info(object);
        self->death = rh__death_of(object);
        /* A finalizer, of another object, may have given it a new count or a weak reference. */
        if ((info & (LONG_WAY << 16)) || heap->is_observed || object->rh_count != RH__WORD_DYING) {
            finish_death(heap, object);
            continue;
        }
        release_all(heap, self, bury(heap, self, object, info));
    }
}

static void begin_cascade(rh_heap *heap, cascade *self, uint64_t place)
{
    self->place = place;
    self->count = self->freed = self->word = 0;
    self->bits = 0;
    self->slab = NULL;
    self->death = (enum rh_death)heap->death;
}

/* The outermost release works off what it sets in motion. */
static void run_cascade(rh_heap *heap, cascade *self, rh_object *object)
{
    heap->draining = true;
    heap->place = heap->outer_place = self->place;
    release_all(heap, self, object);
    work_queue(heap, self);
    heap->draining = false;
    heap->death = RH_DEATH_RELEASE;
}

__attribute__((noinline)) void rh__drain(rh_heap *heap)
{
    cascade self;
    begin_cascade(heap, &self, heap->place);
    work_queue(heap, &self);
}

/* The object has its tombstone; these references that it held, NULL or not, are left to release. */
static __attribute__((noinline)) void run_with(rh_heap *heap, rh_object *object, rh_object *first,
                                               rh_object *last, uint64_t place)
{
    cascade self;
    begin_cascade(heap, &self, place);
    rh_object *next = first ? first : last;
    if (first && last) {
        bool upwards = goes_upwards(object, first, last);
        self.references[self.count++] = upwards ? last : first;
        next = upwards ? first : last;
    }
    give_back_later(heap, &self, object);
    run_cascade(heap, &self, next);
    RH__VALIDATE(heap, "rh_release");
}

/* Apart, so that most deaths need no stack frame. */
static __attribute__((noinline)) void turn_and_give_back(rh_heap *heap, rh__slab *slab,
                                                         rh_object *object)
{
    rh__history_turn(heap);
    rh__slot_free(heap, slab, object);
    RH__VALIDATE(heap, "rh_release");
}

/* The tombstone is written and nothing is left to release. */
static inline __attribute__((always_inline)) void give_back_alone(rh_heap *heap, rh_object *object,
                                                                  uint64_t place)
{
    rh__slab *slab = rh__slab_of(object);
#if defined(RH__CHECKED) || defined(RH__ASAN)
    rh__payload_poison(heap, slab, object);
#endif
    RH__ORDER();
    heap->freed++;
    if (rh__history_put(heap, RH__EVENT_WHAT(RH_EVENT_FREE, RH_DEATH_RELEASE), object, place)) {
        turn_and_give_back(heap, slab, object);
        return;
    }
    rh__slot_free(heap, slab, object);
    RH__VALIDATE(heap, "rh_release");
}

/* The short way of an object with more than two slots, outside a cascade: more references than
 * registers. */
static __attribute__((noinline)) void release_many(rh_heap *heap, rh_object *object, uint64_t slots,
                                                   uint64_t place)
{
    rh__dying_write_info(object, rh__header_info(object), RH_DEATH_RELEASE);
    RH__ORDER();
    for (; slots; slots &= slots - 1) {
        rh_object *child = ((rh_object **)(void *)object)[__builtin_ctzll(slots)];
        uint32_t less = child ? child->rh_count - 2 : 0;
        if (RH__UNLIKELY(less & 0x80000001u))
            break;
        if (child)
            child->rh_count = less;
    }
    cascade self;
    begin_cascade(heap, &self, place);
    rh_object *next = keep_references(heap, &self, object, slots);
    RH__ORDER();
    rh__tombstone_write(object, RH_DEATH_RELEASE);
    RH__ORDER();
    if (!slots) {
        give_back_alone(heap, object, place);
        return;
    }
    give_back_later(heap, &self, object);
    run_cascade(heap, &self, next);
    RH__VALIDATE(heap, "rh_release");
}

/* Of an object that is special in nothing but its heap, which is observed: only what dies with it
 * is queued. */
static void die_observed(rh_heap *heap, rh_object *object, uint64_t place)
{
    enum rh_death death = (enum rh_death)heap->death;
    heap->draining = true;
    heap->place = heap->outer_place = place;
    begin_death(heap, object, death);
    rh__visit_slots(heap, object, rh__release_slot);
    rh__object_free(heap, object, death);
    if (heap->work_slabs)
        rh__drain(heap);
    heap->draining = false;
    heap->death = RH_DEATH_RELEASE;
}

/* The last count goes, and it takes more than a tombstone. */
static __attribute__((noinline)) void die_long_way(rh_heap *heap, rh_object *object, uint64_t place)
{
    if (!heap->draining && !(object->rh_flags & LONG_WAY)) {
        die_observed(heap, object, place);
        return;
    }
    if (!heap->draining) {
        cascade self;
        begin_cascade(heap, &self, place);
        run_cascade(heap, &self, object);
        return;
    }
    queue_death(heap, object, (enum rh_death)heap->death, place);
}

static void release_traced(rh_heap *heap, rh_object *object, uint64_t place)
{
    if (!release_marked(heap, object, (enum rh_death)heap->death, place) || heap->draining)
        return;
    cascade self;
    begin_cascade(heap, &self, place);
    run_cascade(heap, &self, NULL);
}

static __attribute__((noinline)) void release_long_way(rh_object *object, uint64_t place)
{
    rh_heap *heap = rh__heap_of(object);
    if (RH__CHECKS_THREAD(heap) && !(object->rh_flags & RH_FLAG_FREED))
        rh__check_thread(heap, "release", object);
    if (!rh__is_marked(object))
        rh__trace_settle(object);
    if (rh__is_marked(object))
        release_traced(heap, object, place);
    else if ((int32_t)object->rh_count < 0)
        rh__release_special(object, place);
    else if (object->rh_count >= 2)
        release_to_candidate(heap, object);
    else
        die_long_way(heap, object, place);
    RH__VALIDATE(heap, "rh_release");
}

/* Written so that the common cases, a new candidate and a death without the death of a child,
 * save no registers. */
static inline __attribute__((always_inline)) void release_slow(rh_object *object, rh_heap *heap,
                                                               uint64_t place)
{
    uint32_t word = object->rh_count, info = rh__header_info(object), flags = info >> 16;
#ifdef RH__CHECKED
    if (!(flags & RH_FLAG_FREED))
        rh__check_thread(heap, "release", object);
#endif
#ifndef REFHEAP_GC_STRESS
    if ((int32_t)word >= 2 && !heap->is_observed) {
        release_to_candidate(heap, object);
        return;
    }
#endif
    /* An acyclic object with word 0, or an armed one with word 1; else it may be a candidate. */
    if (RH__LIKELY(word == !(flags & RH_FLAG_ACYCLIC) && !(flags & LONG_WAY) &&
                   !(heap->is_observed | heap->draining))) {
        uint64_t slots = rh__type_slots[(uint16_t)info], rest = slots & (slots - 1);
        if (RH__UNLIKELY(rest & (rest - 1))) {
            release_many(heap, object, slots, place);
            return;
        }
        rh_object **words = (rh_object **)(void *)object;
        rh_object *first = slots ? words[__builtin_ctzll(slots)] : NULL;
        rh_object *last = rest ? words[__builtin_ctzll(rest)] : NULL;
        RH__ORDER(); /* held by registers from here on */
        rh__tombstone_write_info(object, info, RH_DEATH_RELEASE);
        RH__ORDER();
        if (first) {
            uint32_t less = first->rh_count - 2;
            if (RH__UNLIKELY(less & 0x80000001u)) {
                run_with(heap, object, first, last, place);
                return;
            }
            first->rh_count = less;
        }
        if (last) {
            uint32_t less = last->rh_count - 2;
            if (RH__UNLIKELY(less & 0x80000001u)) {
                run_with(heap, object, NULL, last, place);
                return;
            }
            last->rh_count = less;
        }
        give_back_alone(heap, object, place);
        return;
    }
    release_long_way(object, place);
}

RH__HOT void rh__release_slow(void *object)
{
    release_slow(object, rh__heap_of(object), (uint64_t)(uintptr_t)__builtin_return_address(0));
}

void rh__release_within(void *object)
{
    rh_heap *heap = rh__heap_of(object);
    release_slow(object, heap, heap->place);
}

void rh__release_at(void *object, uint64_t place)
{
    release_slow(object, rh__heap_of(object), place);
}
