/* runtime_ring.h - the history of a heap of this process, read by the published constants alone.
 *
 * Invariant: what is returned are events, oldest first, each with what the last mark before it
 * says; a ring that breaks what metadata.h promises fails the test. */
#ifndef RUNTIME_RING_H
#define RUNTIME_RING_H

#include "runtime_constants.h"

#include <refheap/refheap.h>

#include <check.h>
#include <string.h>

typedef struct ring_event {
    uint64_t number, address, origin, time, place;
    uint32_t type, thread;
    unsigned kind, death;
    bool has_stack; /* `place` is its number */
} ring_event;

/* Slots; 0: no history. */
static inline uint64_t ring_capacity(const rh_heap *heap)
{
    uint64_t ring = load((uintptr_t)heap + constant("heap.ring"), 8);
    return ring ? load(ring + constant("ring.capacity"), 8) : 0;
}

/* Offsets in a slot. */
typedef struct ring_layout {
    uint64_t size, what, origin, where;
} ring_layout;

static inline ring_layout ring_slot_layout(void)
{
    return (ring_layout){constant("ring.slot_size"), constant("slot.what"), constant("slot.origin"),
                         constant("slot.where")};
}

/* The events of one block that is whole up to `used`; returns how many. */
static inline uint64_t ring_block(const ring_layout *at, uint64_t block, uint64_t used,
                                  ring_event *events)
{
    uint64_t count = 0, number = 0, time = 0, thread = 0;
    for (uint64_t i = 0; i < used; i++) {
        uint64_t slot = block + i * at->size, what = load(slot + at->what, 8),
                 origin = load(slot + at->origin, 8), where = load(slot + at->where, 8);
        unsigned kind = what & 15;
        if (i == 0 && kind == RH_EVENT_NONE)
            return 0; /* never written */
        ck_assert_msg(i || kind == RH_EVENT_MARK, "a block without its mark");
        if (kind == RH_EVENT_MARK) {
            ck_assert_msg(i == 0 || number == where, "mark %lu after %lu", where, number);
            number = where, time = origin, thread = what >> 4;
            continue;
        }
        ck_assert_msg(kind >= RH_EVENT_ALLOC && kind <= RH_EVENT_END, "kind %u", kind);
        events[count++] = (ring_event){.number = number++,
                                       .address = what & 0xFFFFFFFFFFF0,
                                       .origin = origin,
                                       .time = time,
                                       .place = where >> 16,
                                       .type = (uint16_t)where,
                                       .thread = (uint32_t)thread,
                                       .kind = kind,
                                       .death = what >> 48 & 3,
                                       .has_stack = what >> 50 & 1};
    }
    return count;
}

/* What the ring at a heap's constant remembers; `events` has room for its capacity. */
static inline uint64_t events_of_ring(const rh_heap *heap, const char *ring_name,
                                      const char *next_name, ring_event *events)
{
    uint64_t h = (uintptr_t)heap, ring = load(h + constant(ring_name), 8),
             next = load(h + constant(next_name), 8), size = constant("ring.slot_size"),
             block = constant("ring.block");
    if (!ring)
        return 0;
    uint64_t slots = ring + constant("ring.slots"),
             capacity = load(ring + constant("ring.capacity"), 8), blocks = capacity / block;
    const ring_layout at = ring_slot_layout();
    ck_assert_uint_eq(capacity % block, 0);
    ck_assert_uint_le(next - slots, capacity * size);
    uint64_t index = (next - slots) / size, current = index / block % blocks, count = 0;
    for (uint64_t i = 1; i < blocks; i++)
        count +=
            ring_block(&at, slots + (current + i) % blocks * block * size, block, events + count);
    count += ring_block(&at, slots + current * block * size, index % block, events + count);
    for (uint64_t i = 1; i < count; i++)
        ck_assert_uint_eq(events[i].number, events[i - 1].number + 1);
    return count;
}

/* All that the heap remembers; `events` has room for ring_capacity. */
static inline uint64_t ring_events(const rh_heap *heap, ring_event *events)
{
    return events_of_ring(heap, "heap.ring", "heap.ring_next", events);
}

#endif
