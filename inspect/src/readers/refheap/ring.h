/* ring.h - histories of the present form: rings of blocks. */
#ifndef RHI_READER_REFHEAP_RING_H
#define RHI_READER_REFHEAP_RING_H

#include "readers/refheap/recall.h"

/* Searches the heap's ring, if it has one. */
void rhi__history_ring(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query);
/* The number of its oldest event; false: it has none. */
bool rhi__history_ring_begin(rhi_reader *reader, const rhi_heap_info *heap, uint64_t *number);

#endif
