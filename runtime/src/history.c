/* history.c - the ring of events of a heap: what was allocated, freed, finalized and resurrected.
 *
 * Invariant: event n lies at n % capacity, and its sequence is n + 1 only while all its other members
 * are those of event n: the sequence is cleared before an old event is overwritten, and stored last.
 */
#include "internal.h"

#include <time.h>
#include <unistd.h>

#define EVENTS_MAX ((size_t)16 << 20)

static _Thread_local uint32_t thread_id;

void rh__history_forked(void)
{
    thread_id = 0; /* the child's only thread has a new number */
}

bool rh__history_start(rh_heap *heap, size_t events)
{
    uint64_t capacity = 1;
    while (capacity < events && capacity < EVENTS_MAX)
        capacity *= 2;
    rh__mapping *mapping =
        rh__map(heap, RH_MAPPING_HISTORY, RH__MAPPING_DATA + capacity * sizeof(rh__event), 0, true);
    if (!mapping)
        return false;
    heap->history = (rh__event *)(void *)((char *)mapping + RH__MAPPING_DATA);
    heap->history_capacity = capacity;
    heap->is_observed = true;
    return true;
}

void rh__history_record(rh_heap *heap, enum rh_event kind, const rh_object *object, enum rh_death death)
{
    if (!thread_id)
        thread_id = (uint32_t)gettid();
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t number = heap->history_count;
    rh__event *event = &heap->history[number & (heap->history_capacity - 1)];
    event->sequence = 0;
    RH__ORDER();
    event->address = (uint64_t)(uintptr_t)object;
    event->serial = object->rh_serial;
    event->time = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    event->type = object->rh_type_index;
    event->kind = (uint8_t)kind;
    event->death = (uint8_t)death;
    event->thread = thread_id;
    RH__ORDER();
    event->sequence = number + 1;
    heap->history_count = number + 1;
}
