/* recall.h - what is asked of a history, whatever form its events have.
 *
 * Invariant: a question that stops before the oldest event says so, unless it has all it wants. */
#ifndef RHI_READER_REFHEAP_RECALL_H
#define RHI_READER_REFHEAP_RECALL_H

#include "readers/refheap/reader.h"

/* What a history is asked for, and where the answers go. */
typedef struct rhi_history_query {
    uint64_t address, serial; /* address 0: any, of this serial; serial 0, too: all events */
    bool counts;              /* retains and releases, too */
    const rhi_born *births;   /* or: the births of these `limit` objects, sorted */
    rhi_event *events;
    uint64_t found, limit;
    uint64_t looked_at, next_poll; /* events */
} rhi_history_query;
static inline bool rhi__asks_for_all(const rhi_history_query *query)
{
    return !query->address && !query->serial && !query->births;
}

/* Where an event that the query asks for goes; NULL: it does not. pre: found < limit. */
rhi_event *rhi__history_wants(const rhi_history_query *query, uint64_t address, uint64_t serial,
                              uint8_t kind);
/* Are more events to be looked at? `left`: how many there are. */
bool rhi__history_goes_on(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query,
                          uint64_t left);
/* Says that a part of it cannot be read. */
void rhi__history_unread(rhi_reader *reader, const rhi_heap_info *heap);
/* Reads stack number `number` of the heap. */
void rhi__history_stack(rhi_reader *reader, const rhi_heap_info *heap, uint64_t number,
                        rhi_event *event);
/* The same of a stack that has a check, as those of rings have: a damaged one is not told. */
void rhi__history_checked_stack(rhi_reader *reader, const rhi_heap_info *heap, uint64_t number,
                                rhi_event *event);

#endif
