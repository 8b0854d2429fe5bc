/* history.c - the ring of events of a heap: what died there, and, if asked for, what was allocated,
 * finalized and resurrected.
 *
 * The ring consists of blocks. A block begins with a mark: the number of the event that follows,
 * the clock and the thread; another thread, and a moment that is worth it, have a mark of their
 * own in the midst of a block. So an event itself has no number, no time and no thread, and costs
 * three stores.
 *
 * Invariant: event_next is a slot that may be written, behind a mark of its block. All slots of
 * its block before it are whole, and so are all other blocks; what follows it in its block is what
 * is left of an older one. A slot is written before event_next moves on.
 *
 * The ring of the default size lies at the end of the heap's control block, in a mapping that has
 * room for all that it may become, if that could be had. Of that it uses an eighth of the heap's
 * memory at most. It becomes larger where it would begin anew: its blocks then lie in the order of
 * time, and more of them follow. So neither an event nor a heap that grows asks the system for
 * anything.
 *
 * Stacks, if asked for, are kept once each, in a hash table of stack_depth words an entry. They are
 * the program's: the runtime's own functions on top are left out. */
#include "internal.h"

#include <execinfo.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX ((size_t)16 << 20)
#define RING_HEADER (RH__MAPPING_DATA + sizeof(rh__ring))
#define HEAP_BYTES ((uint64_t)16 << 10) /* control block and first pages of a chunk's header */
#define STACKS_MAX (1u << 15)

_Thread_local uint32_t rh__thread __attribute__((tls_model("initial-exec")));

uint32_t rh__thread_id(void)
{
    if (RH__UNLIKELY(!rh__thread))
        rh__thread = (uint32_t)gettid();
    return rh__thread;
}

/* The child's only thread has a new number. pre: the process lock is held. */
void rh__history_forked(void)
{
    uint32_t before = rh__thread;
    rh__thread = 0;
    for (rh_heap *heap = (rh_heap *)(uintptr_t)rh_debug_descriptor.heaps; before && heap;
         heap = heap->next)
        if (heap->owner_thread == before)
            heap->owner_thread = rh__thread_id();
}

/* ---- the ring ------------------------------------------------------------------------------- */

static rh__event *slots_of(const rh__ring *ring)
{
    return (rh__event *)(uintptr_t)(ring + 1);
}

/* The coarse clock is a few milliseconds late, and needs no system call anywhere. */
static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* pre: the slot at event_next is not the block's last one. */
static void put_mark(rh_heap *heap, uint64_t number)
{
    rh__event *event = heap->event_next;
    heap->event_thread = rh__thread_id();
    rh__event_write(event, RH__EVENT_WHAT(RH_EVENT_MARK, 0) | (uint64_t)heap->event_thread << 4,
                    clock_ns(), number);
    RH__ORDER();
    heap->event_mark = event;
    heap->event_next = event + 1;
}

/* The number of the event that is written next. */
static uint64_t next_number(const rh_heap *heap)
{
    return heap->event_mark->where + (uint64_t)(heap->event_next - heap->event_mark) - 1;
}

static void unmap_ring(rh_heap *heap, rh__ring *ring)
{
    if (ring != &heap->first_ring)
        rh__unmap((rh__mapping *)(void *)((char *)ring - RH__MAPPING_DATA));
}

static rh__ring *map_ring(rh_heap *heap, uint64_t capacity)
{
    rh__mapping *mapping =
        rh__map(heap, RH_MAPPING_HISTORY, RING_HEADER + capacity * sizeof(rh__event), 0, true);
    if (!mapping)
        return NULL;
    rh__ring *ring = (rh__ring *)(void *)((char *)mapping + RH__MAPPING_DATA);
    ring->capacity = capacity;
    return ring;
}

/* How many slots the ring may have now. */
static uint64_t slots_for(const rh_heap *heap)
{
    uint64_t bytes = (heap->touched_bytes + HEAP_BYTES) / 8 - sizeof(rh__ring);
    uint64_t slots = bytes / (RH__RING_BLOCK * sizeof(rh__event)) * RH__RING_BLOCK;
    return slots < heap->ring_slots_max ? slots : heap->ring_slots_max;
}

/* pre: event_next is at a block's end. */
static void begin_block(rh_heap *heap, uint64_t number)
{
    rh__ring *ring = heap->ring;
    if (heap->event_next == slots_of(ring) + ring->capacity) {
        uint64_t slots = slots_for(heap);
        if (slots > ring->capacity)
            ring->capacity = slots; /* what follows is all 0 */
        else
            heap->event_next = slots_of(ring);
    }
    heap->event_stop = heap->event_next + RH__RING_BLOCK;
    RH__ORDER();
    put_mark(heap, number);
}

void rh__history_turn(rh_heap *heap)
{
    if (heap->event_thread == rh__thread_id()) {
        if (heap->event_next == heap->event_stop)
            begin_block(heap, next_number(heap));
        return;
    }
    /* The event is this thread's, and needs its mark before it. */
    rh__event event = heap->event_next[-1];
    heap->event_next--;
    RH__ORDER();
    if (heap->event_next + 1 == heap->event_stop) {
        /* the block's last slot: a mark for nothing, so that the block is whole */
        put_mark(heap, next_number(heap));
        begin_block(heap, next_number(heap));
    } else {
        put_mark(heap, next_number(heap));
    }
    *heap->event_next = event;
    RH__ORDER();
    heap->event_next++;
    if (heap->event_next == heap->event_stop)
        begin_block(heap, next_number(heap));
}

bool rh__history_start(rh_heap *heap, size_t events)
{
    rh__ring *ring = &heap->first_ring;
    ring->capacity = RH__RING_FIRST;
    if (events) {
        if (events > EVENTS_MAX)
            events = EVENTS_MAX;
        /* Of the block that is written next nothing is left. */
        uint64_t blocks = (events + RH__RING_BLOCK - 2) / (RH__RING_BLOCK - 1) + 1;
        if (blocks * RH__RING_BLOCK > RH__RING_FIRST)
            ring = map_ring(heap, blocks * RH__RING_BLOCK);
        if (!ring)
            return false;
        ring->capacity = blocks * RH__RING_BLOCK;
    }
    uint64_t room = heap->mapping.bytes - offsetof(rh_heap, first_events);
    room -= rh__trace_reserve(heap) ? RH__RESERVE_BYTES : 0;
    room = room < RH__RING_BYTES_MAX ? room : RH__RING_BYTES_MAX;
    uint64_t blocks_max = room / sizeof(rh__event) / RH__RING_BLOCK;
    heap->ring_slots_max = events ? 0 : blocks_max * RH__RING_BLOCK;
    heap->ring = ring;
    RH__ORDER();
    heap->event_next = slots_of(ring);
    begin_block(heap, 0);
    return true;
}

bool rh__stacks_start(rh_heap *heap, uint32_t frames)
{
    uint32_t depth = frames < RH__STACK_MAX ? frames : RH__STACK_MAX;
    size_t bytes = (size_t)STACKS_MAX * (depth + 1) * sizeof(uint64_t); /* and their checks */
    rh__mapping *mapping = rh__map(heap, RH_MAPPING_HISTORY, RH__MAPPING_DATA + bytes, 0, true);
    if (!mapping)
        return false;
    void *frame;
    backtrace(&frame, 1); /* the first call loads the unwinder and needs memory */
#ifdef RH__UNWINDS
    heap->unwinder = rh__unwinder_new(heap);
    if (!heap->unwinder) {
        rh__unmap(mapping);
        return false;
    }
    rh__stack_find();
#endif
    uint64_t *stacks = (uint64_t *)(void *)((char *)mapping + RH__MAPPING_DATA);
    heap->stack_depth = depth;
    heap->stack_checks = stacks + (size_t)STACKS_MAX * depth;
    RH__ORDER();
    heap->stacks = stacks;
    return true;
}

void rh__history_free(rh_heap *heap)
{
    rh__ring *ring = heap->ring;
    uint64_t *stacks = heap->stacks;
    heap->ring = NULL; /* first: a ring without a next slot reads as an empty one */
    RH__ORDER();
    heap->event_next = NULL;
    heap->keeps_all = false;
    rh__trace_free(heap);
    RH__ORDER();
    heap->stacks = NULL;
    RH__ORDER();
    if (ring)
        unmap_ring(heap, ring);
#ifdef RH__UNWINDS
    if (heap->unwinder)
        rh__unwinder_free(heap->unwinder);
    heap->unwinder = NULL;
#endif
    if (stacks)
        rh__unmap((rh__mapping *)(void *)((char *)stacks - RH__MAPPING_DATA));
}

/* ---- stacks --------------------------------------------------------------------------------- */

typedef struct code_range {
    uint64_t begin;
    uint64_t end;
} code_range;
/* Of each file of the runtime (base.h); the linker names both ends. */
extern const code_range __start_rh_code[] __attribute__((visibility("hidden")));
extern const code_range __stop_rh_code[] __attribute__((visibility("hidden")));

uint64_t rh__code_begin, rh__code_bytes;

void rh__code_find(void)
{
    uint64_t begin = UINT64_MAX, end = 0;
    for (const code_range *range = __start_rh_code; range < __stop_rh_code; range++) {
        begin = range->begin < begin ? range->begin : begin;
        end = range->end > end ? range->end : end;
    }
    rh__code_begin = begin;
    rh__code_bytes = end - begin;
}

bool rh__is_own_code(uint64_t address)
{
    for (const code_range *range = __start_rh_code; range < __stop_rh_code; range++)
        if (address > range->begin && address <= range->end)
            return true;
    return false;
}

/* The number of the stack in the table; STACKS_MAX: the table is full. */
static uint32_t stack_number(rh_heap *heap, const uint64_t *stack)
{
    uint32_t depth = heap->stack_depth;
    uint64_t hash = 0;
    for (uint32_t i = 0; i < depth; i++)
        hash = rh__hash(hash ^ stack[i]);
    for (uint32_t i = (uint32_t)hash % STACKS_MAX;; i = (i + 1) % STACKS_MAX) {
        uint64_t *entry = &heap->stacks[(uint64_t)i * depth];
        if (memcmp(entry, stack, depth * sizeof *stack) == 0)
            return i;
        if (*entry)
            continue;
        if (heap->stack_count >= STACKS_MAX / 4 * 3)
            return STACKS_MAX;
        uint64_t check = i;
        for (uint32_t k = 0; k < depth; k++)
            check = rh_metadata_word_check(check, stack[k]);
        heap->stack_checks[i] = check;
        memcpy(entry, stack, depth * sizeof *stack);
        heap->stack_count++;
        return i;
    }
}

/* False: there is none. */
static __attribute__((noinline)) bool ask_library(const rh_heap *heap, uint64_t *stack)
{
    void *frames[RH__STACK_MAX + RH__OWN_FRAMES_MAX];
    uint32_t count = (uint32_t)backtrace(frames, (int)(heap->stack_depth + RH__OWN_FRAMES_MAX)),
             first = 0;
    while (first < count && !rh__is_own_code((uint64_t)(uintptr_t)frames[first]))
        first++; /* a sanitizer's backtrace names itself */
    while (first < count && rh__is_own_code((uint64_t)(uintptr_t)frames[first]))
        first++;
    if (first == count)
        first = 0; /* built in a way that the ranges do not show: better too much than nothing */
    for (uint32_t i = 0; i < heap->stack_depth; i++)
        stack[i] = first + i < count ? (uint64_t)(uintptr_t)frames[first + i] : 0;
    return stack[0] != 0;
}

#ifdef RH__UNWINDS

static __attribute__((noinline)) uint32_t new_stack(rh_heap *heap, rh__memo *set,
                                                    const rh__here *here)
{
    uint64_t stack[RH__STACK_MAX];
    rh__unwinder_check(heap->unwinder);
    rh__memo *memo = rh__unwind(heap->unwinder, set, here, heap->stack_depth, stack);
    if (!memo && !ask_library(heap, stack))
        return STACKS_MAX;
    uint32_t number = stack_number(heap, stack);
    if (memo)
        memo->number = number;
    return number;
}

/* STACKS_MAX: there is none. */
static inline __attribute__((always_inline)) uint32_t record_stack(rh_heap *heap, uint64_t place)
{
    rh__here here;
    rh__unwinder *unwinder = heap->unwinder;
    rh__here_find(&here);
    rh__memo *set = rh__memo_set(unwinder, &here, place);
    for (uint32_t way = 0; way < RH__MEMO_WAYS; way++)
        if (rh__memo_holds(&set[way], &here)) {
            if (RH__UNLIKELY(set[way].passes) && rh__unwinder_check(unwinder))
                break;
            return set[way].number;
        }
    return new_stack(heap, set, &here);
}

#else

static uint32_t record_stack(rh_heap *heap, uint64_t place)
{
    uint64_t stack[RH__STACK_MAX];
    (void)place;
    return ask_library(heap, stack) ? stack_number(heap, stack) : STACKS_MAX;
}

#endif

void rh__history_record(rh_heap *heap, enum rh_event kind, const rh_object *object,
                        enum rh_death death, uint64_t place)
{
    if (!heap->event_next)
        return;
    uint64_t what = RH__EVENT_WHAT(kind, death);
    bool is_traced = RH__UNLIKELY(object->rh_flags & RH_FLAG_TRACED) && rh__trace_is_ready(heap);
    if ((heap->keeps_stacks || (is_traced && heap->stacks)) && (place || kind != RH_EVENT_FREE)) {
        uint32_t stack = record_stack(heap, place);
        if (RH__LIKELY(stack != STACKS_MAX)) {
            what |= RH__EVENT_STACK;
            place = stack;
        }
    }
    if (RH__UNLIKELY(is_traced))
        rh__trace_put(heap, what, object, place);
    else if (rh__history_put(heap, what, object, place))
        rh__history_turn(heap);
}

/* ---- looking back --------------------------------------------------------------------------- */

/* Says of the slot what the last mark before it says. pre: its block begins with a mark. */
static void recall(const rh__event *block, const rh__event *slot, rh__recalled *ret)
{
    const rh__event *mark = slot;
    while (mark > block && (mark->what & RH__EVENT_KIND) != RH_EVENT_MARK)
        mark--;
    *ret = (rh__recalled){.slot = slot,
                          .number = mark->where + (uint64_t)(slot - mark) - 1,
                          .since = mark->origin,
                          .thread = (uint32_t)(mark->what >> 4)};
}

/* Goes back through one ring. What follows `next` in its block is left out: of an older one. */
typedef struct cursor {
    const rh__event *slots, *begin, *slot; /* begin: of the block that slot lies in */
    uint64_t blocks, left;
} cursor;

static cursor cursor_at(const rh__ring *ring, const rh__event *block, const rh__event *next)
{
    uint64_t blocks = ring->capacity / RH__RING_BLOCK;
    return (cursor){slots_of(ring), block, next, blocks, blocks - 1};
}

/* False: there is no older one of this address. */
static bool step_back(cursor *self, const rh_object *object, rh__recalled *ret)
{
    for (;;) {
        while (self->slot > self->begin) {
            const rh__event *slot = --self->slot;
            uint32_t kind = slot->what & RH__EVENT_KIND;
            if (!kind || kind == RH_EVENT_MARK ||
                (slot->what & RH__EVENT_ADDRESS) != (uint64_t)(uintptr_t)object)
                continue;
            recall(self->begin, slot, ret);
            return true;
        }
        if (!self->left)
            return false;
        self->left--;
        if (self->begin == self->slots)
            self->begin += self->blocks * RH__RING_BLOCK;
        self->slot = self->begin;
        self->begin -= RH__RING_BLOCK;
    }
}

/* Did `a` happen after `b`, of the other ring? An object was born first, and it dies last; the rest
 * the clocks say as far as they can: it was not traced all the time. */
static bool is_later(const rh__recalled *a, const rh__recalled *b)
{
    uint64_t a_serial = a->slot->origin >> RH__SITE_BITS,
             b_serial = b->slot->origin >> RH__SITE_BITS;
    uint32_t a_kind = a->slot->what & RH__EVENT_KIND, b_kind = b->slot->what & RH__EVENT_KIND;
    if (a_serial != b_serial)
        return a_serial > b_serial;
    if (a_kind == RH_EVENT_FREE || b_kind == RH_EVENT_ALLOC)
        return true;
    return b_kind != RH_EVENT_FREE && a_kind != RH_EVENT_ALLOC && a->since > b->since;
}

void rh__history_recall(const rh_heap *heap, const rh_object *object, rh__recall_visit *visit,
                        void *context)
{
    if (!heap->event_next)
        return;
    cursor all = cursor_at(heap->ring, heap->event_stop - RH__RING_BLOCK, heap->event_next),
           traced = {0};
    if (heap->trace) {
        const rh__event *slots = slots_of(heap->trace);
        uint64_t in_block = (uint64_t)(heap->trace_next - slots) % RH__RING_BLOCK;
        traced = cursor_at(heap->trace, heap->trace_next - in_block, heap->trace_next);
    }
    rh__recalled a, b;
    bool has_a = step_back(&traced, object, &a), has_b = step_back(&all, object, &b);
    while (has_a || has_b) {
        bool takes_a = has_a && (!has_b || is_later(&a, &b));
        if (!visit(context, heap, takes_a ? &a : &b))
            return;
        if (takes_a)
            has_a = step_back(&traced, object, &a);
        else
            has_b = step_back(&all, object, &b);
    }
}
