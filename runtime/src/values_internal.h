/* values_internal.h - what the files of the value types share: hashing and type tests.
 *
 * Invariant of all of them: a debugger may stop the program between any two instructions, and then
 * every object has stored >= counts found in declared slots. RH__ORDER() stands between the steps of
 * a change: the compiler neither moves a store across it nor drops one before it. */
#ifndef REFHEAP_VALUES_INTERNAL_H
#define REFHEAP_VALUES_INTERNAL_H

#include "internal.h"

/* values_scalar.c */
bool rh__has_type(const void *object, const rh_type *type);

/* values_string.c: equal objects (rh_equal) have equal hashes. The text need not be in an object. */
uint64_t rh__value_hash(const void *object);
uint64_t rh__bytes_hash(const void *bytes, size_t length);
bool rh__string_is(const void *object, const void *bytes, size_t length);

#endif
