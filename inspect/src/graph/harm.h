/* harm.h - what something has written over, and what is uncertain for that.
 *
 * An object whose header contradicts itself may be of another type, hold anything, and have any
 * count; a strong slot that holds no object has forgotten its own. Who first reads all headers
 * looks for such objects on the way; the graph looks for such slots. Invariant: garbage stays
 * certain, since none of its counts is open: whatever such an object held, it would own a count
 * of it. */
#ifndef RHI_HARM_H
#define RHI_HARM_H

#include "base/notes.h"
#include "base/work.h"
#include "heap/fields.h"

/* Begins a pass over all blocks; the pass calls rhi__look_for_harm for each, rhi__harm_of for each
 * header that it decodes, of all live slots, and then rhi__harm_is_known. */
void rhi__begin_harm(rhi_reader *reader);
/* `got` bytes of the block, from its first slot on, are at `bytes`. Does nothing if it is known. */
void rhi__look_for_harm(rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                        uint64_t got);
/* The header of the live slot at `start`, decoded. Likewise. */
static inline void rhi__harm_of(rhi_reader *reader, uint64_t start, bool is_damaged)
{
    if (__builtin_expect(is_damaged, 0) && !reader->harm.is_known)
        rhi__count_harmed(&reader->harm, start);
}
void rhi__harm_is_known(rhi_reader *reader);
/* So many objects of the block cannot be read: makes each answer about this state incomplete. */
void rhi__tell_lost(rhi_reader *reader, const rhi_block *block, uint64_t count);

/* Makes the answer incomplete if there is such an object, since what it holds is not known, and
 * says so; with `slots`, if there is such a slot, too. Looks for them if nobody did. */
rhi_error *rhi__tell_harm(rhi_work *work, rhi_notes *notes, rhi_reader *reader, bool slots);

#endif
