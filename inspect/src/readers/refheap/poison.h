/* poison.h - freed slots that were filled, and what was written to them since.
 *
 * Invariant: nothing is said of the one slot that the runtime is filling just now. */
#ifndef RHI_READER_REFHEAP_POISON_H
#define RHI_READER_REFHEAP_POISON_H

#include "readers/refheap/reader.h"

/* Does the heap fill freed slots of this block, and (slot not 0) did it fill this one? */
bool rhi__poison_fills(rhi_reader *reader, const rhi_block *block, uint64_t slot);
/* Bytes of a filled slot that are others: how many, the first of them and behind the last. */
typedef struct rhi_written {
    uint64_t count, first, last;
} rhi_written;
/* Of `room` bytes; false: none are. */
bool rhi__poison_written(const space *s, const uint8_t *bytes, uint64_t room, rhi_written *written);
/* "2 bytes at +32", or, with others in between, "2 bytes from +32 to +60". */
void rhi__written_text(const rhi_written *written, char *text, size_t size);

#endif
