/* orphans.h - blocks of malloc that nothing reaches and that own objects: which of them are the
 * cause, and what hangs on what.
 *
 * A count that only words in unreached blocks own is lost with the block. The cause is a topmost
 * block: one that no other unreached block leads to, directly or through objects; of blocks that
 * lead to each other the one with the lowest address. If a leaked object leads to the block, that
 * object is the cause, and what the block owns depends on it.
 *
 * Invariant: each object with an open count that a word in a block leads to, and nothing that is
 * held, is in `objects` or in `dependents`, and in one of them. */
#ifndef RHI_ORPHANS_H
#define RHI_ORPHANS_H

#include "words/owners.h"

typedef struct rhi_orphan {
    uint32_t block, first, count;
} rhi_orphan; /* objects[first …] */

typedef struct rhi_orphans {
    /* in address order; only those that own objects */
    struct {
        rhi_orphan *items;
        uint64_t count, capacity;
    } tops;
    rhi_numbers objects;    /* what blocks own that are the top's own, or lie below it */
    rhi_numbers dependents; /* what blocks own to which leaked objects lead */
} rhi_orphans;

/* `leaked`: bits of the objects that are leaked themselves, of which none is owned by a block. */
rhi_error *rhi__orphans_find(rhi_session *session, const rhi_graph *graph,
                             const rhi_malloc_graph *blocks, const rhi_owners *owners,
                             const uint64_t *leaked, rhi_orphans *orphans);
void rhi__orphans_free(rhi_orphans *orphans);

#endif
