/* stale.h - slots and words that point where an object was: the search behind gcstale.
 *
 * Invariant: a row is certain only if a declared slot, a registered root, a variable, module data, thread-local
 * or malloc memory holds it; what may be a leftover (unnamed stack words, registers, unknown memory, words
 * behind an object's end) is possible. A pointer into a slot that is used again is a row by evidence alone: a
 * slot or root that owns one of more references than its target has counts. */
#ifndef RHI_STALE_H
#define RHI_STALE_H

#include "words.h"

enum { RHI_STALE_NAMED_MAX = 10000 }; /* stack words that debug info is asked about */

typedef struct rhi_stale {
    rhi_holders certain, possible; /* by class, then address; target: the start of the slot pointed into */
    uint64_t not_asked;            /* stack words beyond RHI_STALE_NAMED_MAX: possible ones */
    json_t *because;               /* why not everything was searched */
} rhi_stale;

/* Found on first use. */
rhi_error *rhi__session_stale(rhi_session *session, rhi_stale **stale);
void rhi__stale_free(rhi_stale *stale);

#endif
