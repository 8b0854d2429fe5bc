/* merge.h - two histories, each the newest event first, become one. */
#ifndef RHI_READER_REFHEAP_MERGE_H
#define RHI_READER_REFHEAP_MERGE_H

#include "readers/refheap/reader.h"

/* Merges `others` into `events`, of which *count are there, and `limit` at most are kept: the
 * newest. of_one_heap: some may be of the same objects. False: memory is short, and nothing has
 * changed. */
bool rhi__history_merge(rhi_event *events, uint64_t *count, uint64_t limit, const rhi_event *others,
                        uint64_t other_count, bool of_one_heap);

#endif
