/* caveats.h - why an answer about whole heaps is not the whole truth, and what it rests on besides:
 * what a file that outlives the answer has to carry.
 *
 * Invariant: all that the command's own answer says of this is here, whole, in the order of its
 * weight: what makes counts and verdicts doubtful first. */
#ifndef RHI_CAVEATS_H
#define RHI_CAVEATS_H

#include "questions/leaks.h"

typedef struct rhi_caveat {
    /* "provisional", "undecided", "incomplete", "left out", "not read", "wrong executable", "note"
     */
    const char *kind;
    char *text; /* owned; parts of it may come from the target */
} rhi_caveat;

typedef struct rhi_caveats {
    rhi_caveat *items;
    uint64_t count, capacity;
} rhi_caveats;

/* What is known by now: asked last, when all has been read. leaks: NULL: nobody asked who is
 * leaked. Starts as {0}, and is freed in any case. */
rhi_error *rhi__caveats(rhi_session *session, const rhi_leaks *leaks, rhi_caveats *caveats);
bool rhi__caveats_are_same(const rhi_caveats *left, const rhi_caveats *right);
void rhi__caveats_free(rhi_caveats *caveats);

#endif
