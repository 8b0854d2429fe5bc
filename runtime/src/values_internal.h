/* values_internal.h - what the files of the value types share: type tests, hashing, room in
 * lists, and how nested values are walked without recursion.
 *
 * Invariant of all of them: a debugger may stop the program between any two instructions, and
 * then every object has stored >= counts found in declared slots. RH__ORDER() stands between the
 * steps of a change: the compiler neither moves a store across it nor drops one before it. */
#ifndef REFHEAP_VALUES_INTERNAL_H
#define REFHEAP_VALUES_INTERNAL_H

#include "internal.h"

/* values_scalar.c */
bool rh__has_type(const void *object, const rh_type *type);

/* values_hash.c: of any bytes, with the process's key. */
uint64_t rh__bytes_hash(const void *bytes, size_t length);

/* values_compare.c: rh_equal for objects that have a hash, and so hold no others. */
bool rh__equal_keys(const void *a, const void *b);

/* values_string.c: is the object a string of these bytes? */
bool rh__string_is(const void *object, const void *bytes, size_t length);

/* values_list.c: afterwards that many appends cannot fail. False: memory is short. */
bool rh__list_reserve(rh_list *list, size_t extra);

/* ---- values_walk.c -------------------------------------------------------------------------- */

/* A container that is being walked: with the one that it is compared with (or NULL), and how far.
 */
typedef struct rh__walk_frame {
    const void *object;
    const void *other;
    size_t position;
} rh__walk_frame;

/* The containers from the outermost to the innermost; the first few need no memory. */
#define RH__WALK_FIRST 32
typedef struct rh__walk {
    rh__walk_frame first[RH__WALK_FIRST];
    rh__walk_frame *deeper; /* frame RH__WALK_FIRST and what follows */
    size_t capacity;        /* of `deeper` */
    size_t depth;
} rh__walk;

#define RH__WALK_EMPTY(walk) ((walk)->deeper = NULL, (walk)->capacity = 0, (walk)->depth = 0)

static inline rh__walk_frame *rh__walk_at(rh__walk *walk, size_t depth)
{
    return depth < RH__WALK_FIRST ? &walk->first[depth] : &walk->deeper[depth - RH__WALK_FIRST];
}

/* pre: depth > 0. Valid until the next push. */
static inline rh__walk_frame *rh__walk_top(rh__walk *walk)
{
    return rh__walk_at(walk, walk->depth - 1);
}

/* False: memory is short, nothing was pushed. */
bool rh__walk_push(rh__walk *walk, const void *object, const void *other);
void rh__walk_free(rh__walk *walk);

/* A table from objects to a word each. All zero: empty, no memory. */
typedef struct rh__seen_cell {
    const void *object; /* NULL: free */
    uintptr_t value;
} rh__seen_cell;

typedef struct rh__seen {
    rh__seen_cell *cells;
    size_t size; /* a power of two, or 0 */
    size_t used;
} rh__seen;

/* The object's cell, or NULL. Valid until the next add. */
rh__seen_cell *rh__seen_find(const rh__seen *seen, const void *object);
/* The same, made with this value if it was not there. NULL: memory is short. */
rh__seen_cell *rh__seen_add(rh__seen *seen, const void *object, uintptr_t value);
void rh__seen_free(rh__seen *seen);

#endif
