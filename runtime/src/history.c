/* history.c - the ring of events of a heap: what was allocated, freed, finalized and resurrected.
 *
 * Invariant: event n lies at n % capacity, and its sequence is n + 1 only while all its other
 * members are those of event n: the sequence is cleared before an old event is overwritten, and
 * stored last. The stacks are a second ring behind the first: stack_depth words at n % capacity *
 * stack_depth, filled up with 0. They are the program's: the runtime's own functions on top are
 * left out.
 */
#include "internal.h"

#include <execinfo.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX ((size_t)16 << 20)

static _Thread_local uint32_t thread_id;

uint32_t rh__thread_id(void)
{
    if (RH__UNLIKELY(!thread_id))
        thread_id = (uint32_t)gettid();
    return thread_id;
}

/* The child's only thread has a new number. pre: the process lock is held. */
void rh__history_forked(void)
{
    uint32_t before = thread_id;
    thread_id = 0;
    for (rh_heap *heap = (rh_heap *)(uintptr_t)rh_debug_descriptor.heaps; before && heap;
         heap = heap->next)
        if (heap->owner_thread == before)
            heap->owner_thread = rh__thread_id();
}

bool rh__history_start(rh_heap *heap, size_t events, uint32_t stack_frames)
{
    uint64_t capacity = 1;
    while (capacity < events && capacity < EVENTS_MAX)
        capacity *= 2;
    uint32_t depth = stack_frames < RH__STACK_MAX ? stack_frames : RH__STACK_MAX;
    uint64_t ring_bytes = capacity * sizeof(rh__event);
    rh__mapping *mapping =
        rh__map(heap, RH_MAPPING_HISTORY,
                RH__MAPPING_DATA + ring_bytes + capacity * depth * sizeof(uint64_t), 0, true);
    if (!mapping)
        return false;
    heap->history = (rh__event *)(void *)((char *)mapping + RH__MAPPING_DATA);
    heap->history_capacity = capacity;
    if (depth) {
        void *frame;
        backtrace(&frame, 1); /* the first call loads the unwinder and needs memory */
        heap->stack_depth = depth;
        heap->stacks = (uint64_t *)(void *)((char *)heap->history + ring_bytes);
    }
    heap->is_observed = true;
    return true;
}

typedef struct code_range {
    uint64_t begin;
    uint64_t end;
} code_range;
/* Of each file of the runtime (internal.h); the linker names both ends. */
extern const code_range __start_rh_code[] __attribute__((visibility("hidden")));
extern const code_range __stop_rh_code[] __attribute__((visibility("hidden")));

static bool is_own_code(uint64_t address)
{
    for (const code_range *range = __start_rh_code; range < __stop_rh_code; range++)
        if (address > range->begin && address <= range->end)
            return true;
    return false;
}

#define OWN_FRAMES_MAX 24 /* more than births and deaths have */

static void record_stack(rh_heap *heap, uint64_t number)
{
    uint64_t *stack = &heap->stacks[(number & (heap->history_capacity - 1)) * heap->stack_depth];
    void *frames[RH__STACK_MAX + OWN_FRAMES_MAX];
    uint32_t count = (uint32_t)backtrace(frames, (int)heap->stack_depth + OWN_FRAMES_MAX),
             first = 0;
    while (first < count && !is_own_code((uint64_t)(uintptr_t)frames[first]))
        first++; /* a sanitizer's backtrace names itself */
    while (first < count && is_own_code((uint64_t)(uintptr_t)frames[first]))
        first++;
    if (first == count)
        first = 0; /* built in a way that the ranges do not show: better too much than nothing */
    for (uint32_t i = 0; i < heap->stack_depth; i++)
        stack[i] = first + i < count ? (uint64_t)(uintptr_t)frames[first + i] : 0;
}

void rh__history_record(rh_heap *heap, enum rh_event kind, const rh_object *object,
                        enum rh_death death)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t number = heap->history_count;
    rh__event *event = &heap->history[number & (heap->history_capacity - 1)];
    event->sequence = 0;
    RH__ORDER();
    event->address = (uint64_t)(uintptr_t)object;
    event->serial = rh__serial(object);
    event->time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    event->type = object->rh_type_index;
    event->kind = (uint8_t)kind;
    event->death = (uint8_t)death;
    event->thread = rh__thread_id();
    if (heap->stacks)
        record_stack(heap, number);
    RH__ORDER();
    event->sequence = number + 1;
    heap->history_count = number + 1;
}
