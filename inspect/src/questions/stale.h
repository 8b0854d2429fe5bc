/* stale.h - slots and words that point where an object was: the search behind gcstale.
 *
 * Invariant: a row is certain only if a declared slot, a registered root, a variable, module
 * data, thread-local or malloc memory holds it; what may be a leftover (unnamed stack words,
 * registers, unknown memory, words behind an object's end; all words, if no C variables hold
 * objects of that format) is possible. A strong slot that leads to no object, in a format that
 * uses memory again for anything, is certain. Any other pointer into a slot
 * that is used again is a row by evidence alone: a slot or root that owns one of more references
 * than its target has counts, or a variable whose type, by debug info, is a pointer to another
 * managed type. */
#ifndef RHI_STALE_H
#define RHI_STALE_H

#include "words/words.h"

/* Stack words into freed slots that debug info is asked about, and words to live objects. */
enum { RHI_STALE_NAMED_MAX = 10000 };

typedef struct rhi_stale {
    /* by class, then address; target: the start of the slot pointed into */
    rhi_holders certain, possible;
    uint64_t not_asked; /* stack words beyond RHI_STALE_NAMED_MAX: possible ones */
    /* words to live objects beyond RHI_STALE_NAMED_MAX: not held against their types */
    uint64_t types_not_asked;
    rhi_notes because; /* why not everything was searched */
    rhi_notes remarks; /* what its names and types rest on */
} rhi_stale;

/* Found on first use. */
rhi_error *rhi__session_stale(rhi_session *session, rhi_stale **stale);

/* Does debug info give the variable, which points to an object of this type, another managed type?
 * It must have the struct of the object, too, which may begin with that of the variable. */
bool rhi__is_of_another_type(rhi_session *session, const rhi_reader *reader,
                             const struct rhi_variable *variable, uint32_t type);

#endif
