/* poison.h - freed slots that were filled, and what was written to them since.
 *
 * Invariant: nothing is said of the one slot that the runtime is filling just now. */
#ifndef RHI_READER_REFHEAP_POISON_H
#define RHI_READER_REFHEAP_POISON_H

#include "readers/refheap/reader.h"

/* Does the heap fill freed slots of this block, and (slot not 0) did it fill this one? */
bool rhi__poison_fills(rhi_reader *reader, const rhi_block *block, uint64_t slot);
/* Where bytes of a filled slot are others: [*first, *last) of `room` bytes; false: none are. */
bool rhi__poison_written(const space *s, const uint8_t *bytes, uint64_t room, uint64_t *first,
                         uint64_t *last);

#endif
