/* made_up_format.h - a second heap format, for tests: crates of slots, and objects that lie alone.
 *
 * It is as unlike refheap's as the seam allows: objects begin behind a prefix, or not; they have no
 * serial; their slots, sizes and values are found by code, some of them outside of the object; one
 * owns two counts of what it holds, of one it is guessed what it holds; those with a prefix are
 * tracked; of some it is known which line made them. Invariant: what these functions leave behind
 * is valid, except where a test writes into it by hand. */
#ifndef REFHEAP_TESTS_MADE_UP_FORMAT_H
#define REFHEAP_TESTS_MADE_UP_FORMAT_H

#include "fake_target.h"

enum made_up_kind {
    MADE_UP_LEAF = 1,
    MADE_UP_PAIR,
    MADE_UP_BAG,
    MADE_UP_TWICE,
    MADE_UP_OPAQUE, /* two words, which hold an object if they look so */
    MADE_UP_SPECK,  /* nothing but a count and a type */
    MADE_UP_KINDS
};

/* Maps the descriptor, with room for crates and lone objects, at `address`. */
void made_up_new(fake_target *target, uint64_t address);
/* Adds a crate of `capacity` (at most 64) slots at `address`, in memory that is not mapped yet. */
void made_up_crate(fake_target *target, uint64_t descriptor, uint64_t address, uint64_t slot_size,
                   uint64_t capacity);
/* A new object in slot `slot` of the crate; returns its address, which is not the slot's. */
uint64_t made_up_object(fake_target *target, uint64_t crate, uint64_t slot, enum made_up_kind kind,
                        uint64_t count);
/* The same alone in memory of its own, at `address` (mapped here). */
uint64_t made_up_lone(fake_target *target, uint64_t descriptor, uint64_t address,
                      enum made_up_kind kind, uint64_t count);
/* Memory that the program took from the crate, in slot `slot`; returns its address. */
uint64_t made_up_raw(fake_target *target, uint64_t crate, uint64_t slot);
void made_up_free(fake_target *target, uint64_t crate, uint64_t slot);
/* Words of the object's body: a leaf's text; what the others hold. */
void made_up_put(fake_target *target, uint64_t object, unsigned word, uint64_t value);
/* Gives the bag a table, at `address` (mapped here, unless it is), of `count` values under the keys
 * 1, 2, … */
void made_up_table(fake_target *target, uint64_t bag, uint64_t address, const uint64_t *values,
                   uint64_t count);
/* A registered root: what the slot holds owns a count. */
/* slot | MADE_UP_GUESS: it may own what is there, or not. */
enum { MADE_UP_GUESS = 1 };
void made_up_root(fake_target *target, uint64_t descriptor, uint64_t slot);

/* The line of shelf.c that made the object; 0: not known. At most 16 are. */
void made_up_site(fake_target *target, uint64_t descriptor, uint64_t object, uint64_t line);

#endif
