/* history.c - recorded events of addresses and of objects, newest first (see heap/format.h): those
 * of version 1 of the metadata are read here, later ones in ring.c. */
#include "readers/refheap/merge.h"
#include "readers/refheap/ring.h"

#include <inttypes.h>
#include <stdlib.h>

enum { HISTORY_STEP = 1024 };

static void match_event(rhi_reader *reader, const space *s, const rhi_heap_info *heap,
                        const uint8_t *row, uint64_t number, uint64_t capacity,
                        rhi_history_query *query)
{
    uint64_t address = rhi__load64(row + C(s, event_address)),
             serial = rhi__load64(row + C(s, event_serial));
    if (query->found == query->limit || rhi__load64(row + C(s, event_sequence)) != number + 1)
        return;
    rhi_event *event = rhi__history_wants(query, address, serial, row[C(s, event_kind)]);
    if (!event)
        return;
    uint32_t type = rhi__load16(row + C(s, event_type));
    uint64_t time = rhi__load64(row + C(s, event_time));
    query->found++;
    *event = (rhi_event){.sequence = number,
                         .address = address,
                         .serial = serial,
                         .time = time,
                         .until = time,
                         .heap = (uint32_t)(heap - reader->heaps.items),
                         .type = type < heap->type_count ? heap->first_type + type : UINT32_MAX,
                         .thread = rhi__load32(row + C(s, event_thread)),
                         .kind = row[C(s, event_kind)],
                         .death = row[C(s, event_death)]};
    rhi__history_stack(reader, heap, number % capacity, event);
}

#define HEAP(id) rhi__refheap_member(reader, s, heap->address, RH_MC_heap_##id, 8)

static void search_events(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query)
{
    const space *s = space_of(heap);
    if (C(s, heap_history) == ABSENT)
        return;
    uint64_t size = C(s, event_size), capacity = HEAP(history_capacity), got,
             history = HEAP(history);
    if (history == 0 || capacity == 0 || capacity > 1ull << 32)
        return;
    rhi_scratch scratch = {0};
    uint64_t newest = HEAP(history_count), oldest = newest > capacity ? newest - capacity : 0;
    while (newest > oldest && rhi__history_goes_on(reader, heap, query, newest - oldest)) {
        uint64_t step = newest - oldest < HISTORY_STEP ? newest - oldest : HISTORY_STEP;
        if ((newest - 1) % capacity + 1 < step) /* do not cross the end of the ring */
            step = (newest - 1) % capacity + 1;
        uint64_t first = newest - step;
        query->looked_at += step;
        uint64_t at = history + first % capacity * size;
        /* a hole of a sparse core has no events */
        if (rhi__memory_data_start(reader->memory, at, at + step * size) == at + step * size) {
            newest = first;
            continue;
        }
        const uint8_t *bytes = rhi__memory_view(reader->memory, at, step * size, &scratch, &got);
        if (!bytes || got < step * size) {
            rhi__history_unread(reader, heap);
            break;
        }
        for (uint64_t i = step; i-- > 0;)
            match_event(reader, s, heap, bytes + i * size, first + i, capacity, query);
        newest = first;
    }
    rhi__scratch_free(&scratch);
}

static void search_history(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query)
{
    search_events(reader, heap, query);
    rhi__history_ring(reader, heap, query);
}

/* The newest events of all heaps are those of none: each is searched for as many. */
static void merge_history(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query)
{
    rhi_history_query own = *query;
    own.found = 0;
    own.events = calloc(own.limit + 1, sizeof *own.events);
    bool has_room = own.events != NULL;
    if (has_room) {
        search_history(reader, heap, &own);
        query->looked_at = own.looked_at;
        query->next_poll = own.next_poll;
    }
    if (own.found)
        has_room = rhi__history_merge(query->events, &query->found, query->limit, own.events,
                                      own.found, false);
    reader->memory->is_short |= !has_room; /* said in the answer */
    free(own.events);
}

/* Is the heap one of this format? */
static bool has_events(const rhi_reader *reader, uint64_t heap)
{
    return reader->heaps.items[heap].format->history == rhi__refheap_history;
}

uint64_t rhi__refheap_history(rhi_reader *reader, uint64_t address, uint64_t serial, bool counts,
                              rhi_event *events, uint64_t limit)
{
    rhi_history_query query = {
        .address = address, .serial = serial, .counts = counts, .events = events, .limit = limit};
    const rhi_block *block = address ? rhi__block_near(reader, address) : NULL;
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (has_events(reader, i) && rhi__asks_for_all(&query))
            merge_history(reader, &reader->heaps.items[i], &query);
        else if (has_events(reader, i) && (!address || (block && block->heap == i)))
            search_history(reader, &reader->heaps.items[i], &query);
    return query.found;
}

bool rhi__refheap_history_begin(rhi_reader *reader, uint32_t index, uint64_t *number)
{
    const rhi_heap_info *heap = &reader->heaps.items[index];
    const space *s = space_of(heap);
    uint64_t capacity = HEAP(history_capacity), count = HEAP(history_count);
    if (!count)
        return rhi__history_ring_begin(reader, heap, false, number);
    *number = count > capacity ? count - capacity : 0;
    return true;
}

void rhi__refheap_trace(rhi_reader *reader, uint32_t index, rhi_trace *trace)
{
    const rhi_heap_info *heap = &reader->heaps.items[index];
    const space *s = space_of(heap);
    trace->can = C(s, object_traced) == ABSENT ? RHI_TRACE_BY_NEWER
                 : !HEAP(ring)                 ? RHI_TRACE_NEEDS_HISTORY
                                               : RHI_TRACE_POSSIBLE;
    trace->is_ready = HEAP(trace) != 0;
    trace->lost = HEAP(trace_lost);
    trace->changing = HEAP(tracing);
    trace->has_ranges = has_ranges(s);
    trace->any = rhi__history_ring_begin(reader, heap, true, &trace->begin);
    if (!trace->any)
        trace->begin = 0;
}

void rhi__refheap_births(rhi_reader *reader, const rhi_born *born, uint64_t count,
                         rhi_event *events)
{
    rhi_history_query query = {.births = born, .events = events, .limit = count};
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (has_events(reader, i))
            search_history(reader, &reader->heaps.items[i], &query);
}
