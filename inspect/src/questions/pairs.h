/* pairs.h - which stacks took counts of a traced object that were never given back.
 *
 * What is certain are sums: the object's count is what it was when the record began (`early`; 0 if
 * it was traced from its birth), and one for its birth, if that is recorded, and for each retain,
 * less one for each release. The runtime's own count is left out.
 *
 * Which release gave back which retain nobody records: that is read from their stacks. From the
 * oldest event on, a release is paired with the open retain that shares the most outer calls with
 * it; of several such, with one whose stack shares less with all other releases, so that it has no
 * better partner. Where stacks leave several such, any of them is admissible. The birth counts as a
 * retain. Outer calls are shared from the outermost on; where a stack is longer than what is
 * recorded, from where it may go on in the other. A release that no retain is open for gave back an
 * early count. What may be open at last is grouped by stack.
 *
 * `open` is what is open of a group if of admissible retains the latest is taken each time, the
 * most first: the sum of all groups and of `early_open` is the count. No admissible pairing, of
 * whatever choices one after the other, leaves less open than `at_least`, nor more than `at_most`;
 * a stack that has no group is closed in all of them (see open_range.h).
 *
 * An object may be traced, and not, and traced again. What was taken and given in such a pause is
 * not recorded, and may be what was open before: so the record is what came after it. It says with
 * which count it began, which are early ones. (Older runtimes do not say that: then pauses are
 * known, but not when they were, and all is undecided.)
 *
 * Of an object that is traced no more, the record ends before now. It is paired as it is, and says
 * what was open then. Where it does not say its count, it has as many early counts as it needs. Of
 * today it says nothing.
 *
 * An open retain is no leak as such: who holds the object today took a count, too. */
#ifndef RHI_PAIRS_H
#define RHI_PAIRS_H

#include "session/session.h"

/* Retains of one stack. */
typedef struct rhi_pair_group {
    const rhi_event *event; /* one of them */
    uint64_t taken, open;
    uint64_t at_least, at_most; /* of the open, whatever the choices */
    bool has_birth;
} rhi_pair_group;

typedef struct rhi_pairs {
    rhi_event *events; /* of the object, newest first */
    uint64_t event_count;
    rhi_trace trace;
    bool is_traced, from_birth;
    bool is_ended; /* it was traced: its last recorded event is `last` */
    uint64_t last;
    /* The record says with which count it began, and with which it ended: `began_with` and
     * `stored`. Before it lay another one, with so many changes, and a pause. */
    bool has_begin, has_end;
    int64_t began_with;
    uint64_t earlier;
    bool is_torn; /* its numbers contradict each other */
    /* older events are forgotten, or there are more than are looked at; some had no memory; its
     * count and its record are being changed; it has too many stacks to pair them */
    bool is_forgotten, is_cut, is_lost, is_changing, has_many;
    bool is_provisional; /* its count is in motion: its heap is in this phase */
    const char *phase;
    bool has_gap;   /* meanwhile it was not traced, and no one knows when */
    bool is_ahead;  /* it was marked, and its record begins with its next change */
    bool is_untold; /* its changes are not recorded just now */
    bool is_unread; /* a part of the record could not be read */
    uint64_t retains, releases;
    int64_t stored, early;
    uint64_t early_open;
    uint64_t unmatched; /* releases that neither a retain nor an early count explains */
    struct {
        rhi_pair_group *items;
        uint64_t count, capacity;
    } groups;
} rhi_pairs;

/* Reads the record of an object and pairs it. Freed in any case. */
rhi_error *rhi__pairs(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                      rhi_pairs *pairs);
/* The same of events that were read: needs events, stored, is_ended, is_ahead, and stack_depth, the
 * longest stack that is recorded. */
rhi_error *rhi__pair_events(rhi_work *work, uint64_t stack_depth, rhi_pairs *pairs);
void rhi__pairs_free(rhi_pairs *pairs);

/* Does the record explain the count, so that what is open is all there is? */
static inline bool rhi__pairs_fit(const rhi_pairs *pairs)
{
    return !pairs->is_changing && !pairs->is_provisional && !pairs->unmatched && !pairs->is_torn &&
           pairs->early >= 0 && (pairs->early == 0 || !pairs->from_birth);
}

/* Is all of what it did recorded and read, so that the pairs can be judged? */
static inline bool rhi__pairs_decided(const rhi_pairs *pairs)
{
    return pairs->is_traced && rhi__pairs_fit(pairs) && !pairs->is_forgotten && !pairs->is_cut &&
           !pairs->is_lost && !pairs->is_unread && !pairs->has_gap && !pairs->is_ahead &&
           !pairs->is_untold && !pairs->has_many;
}

#endif
