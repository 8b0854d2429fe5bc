/* recall.c - which events a question asks for, and how many may be looked at (see recall.h). */
#include "readers/refheap/recall.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_MAX = 1 << 26, /* looked at for one question */
    POLL_EVENTS = 1 << 16,
    STACKS_MAX = 1 << 28
};

rhi_event *rhi__history_wants(const rhi_history_query *query, uint64_t address, uint64_t serial,
                              uint8_t kind)
{
    bool is_count = kind == RH_EVENT_RETAIN || kind == RH_EVENT_RELEASE || kind == RH_EVENT_BEGIN ||
                    kind == RH_EVENT_END;
    if (!query->births && is_count && !query->counts)
        return NULL;
    if (!query->births)
        return (query->address  ? address == query->address
                : query->serial ? serial == query->serial
                                : true)
                   ? &query->events[query->found]
                   : NULL;
    const rhi_born born = {serial, address};
    const rhi_born *wanted = kind == RH_EVENT_ALLOC ? bsearch(&born, query->births, query->limit,
                                                              sizeof born, rhi__born_order)
                                                    : NULL;
    rhi_event *event = wanted ? &query->events[wanted - query->births] : NULL;
    return event && event->kind == RHI_EVENT_OTHER ? event : NULL;
}

bool rhi__history_goes_on(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query,
                          uint64_t left)
{
    if (query->found == query->limit)
        return false;
    if (query->looked_at >= EVENTS_MAX) {
        reader->is_history_short = true;
        rhi__question_problem(reader,
                              "heap %" PRIu64 ": its history has %" PRIu64
                              " older events, which were not looked at",
                              heap->number, left);
        return false;
    }
    if (query->looked_at < query->next_poll)
        return true;
    query->next_poll = query->looked_at + POLL_EVENTS;
    return !poll(reader, 4095); /* if cancelled, the session asks again, and answers so */
}

void rhi__history_unread(rhi_reader *reader, const rhi_heap_info *heap)
{
    reader->is_history_short = true;
    rhi__question_problem(reader, "heap %" PRIu64 ": its history cannot be read in full",
                          heap->number);
}

/* Its words, as they are. Returns how many could be read. */
static uint64_t read_stack(rhi_reader *reader, const rhi_heap_info *heap, uint64_t number,
                           rhi_event *event)
{
    uint64_t depth = heap->stack_depth < RHI_STACK_MAX ? heap->stack_depth : RHI_STACK_MAX;
    /* < 2^67: wraps in damaged metadata alone */
    uint64_t offset = number * heap->stack_depth * 8;
    if (heap->stacks == 0 || !rhi__range_ok(heap->stacks, offset))
        return 0;
    return rhi__memory_read(reader->memory, heap->stacks + offset, event->stack, depth * 8) / 8;
}

static void find_depth(rhi_event *event, uint64_t words)
{
    while (event->depth < words && event->stack[event->depth])
        event->depth++;
}

void rhi__history_stack(rhi_reader *reader, const rhi_heap_info *heap, uint64_t number,
                        rhi_event *event)
{
    find_depth(event, read_stack(reader, heap, number, event));
}

void rhi__history_checked_stack(rhi_reader *reader, const rhi_heap_info *heap, uint64_t number,
                                rhi_event *event)
{
    const space *s = space_of(heap);
    uint64_t words = read_stack(reader, heap, number, event), check = number, written,
             checks = rhi__refheap_member(reader, s, heap->address, RH_MC_heap_stack_checks, 8);
    for (uint64_t i = 0; i < words; i++)
        check = rh_metadata_word_check(check, event->stack[i]);
    bool is_sound = words == heap->stack_depth && checks && number < STACKS_MAX &&
                    rhi__memory_u64(reader->memory, checks + number * 8, &written) &&
                    written == check;
    if (is_sound || C(s, heap_stack_checks) == ABSENT) {
        find_depth(event, words);
        return;
    }
    memset(event->stack, 0, sizeof event->stack);
    rhi__question_problem(reader, "heap %" PRIu64 ": a stack of its history is damaged",
                          heap->number);
}
