/* ring.h - histories of the present form: rings of blocks, one of deaths and one of what was
 * traced.
 */
#ifndef RHI_READER_REFHEAP_RING_H
#define RHI_READER_REFHEAP_RING_H

#include "readers/refheap/recall.h"

/* Searches the heap's rings, if it has any. */
void rhi__history_ring(rhi_reader *reader, const rhi_heap_info *heap, rhi_history_query *query);
/* The number of the oldest event of one of the two; false: it has none. */
bool rhi__history_ring_begin(rhi_reader *reader, const rhi_heap_info *heap, bool of_traced,
                             uint64_t *number);

#endif
