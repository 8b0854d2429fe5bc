/* places.h - words of a program outside its heaps, of every class, to put addresses into.
 *
 * Threads that own such words are parked before the first address is known to anybody, and are
 * never told one: whoever fills a place writes to it from another thread. So an address is in the
 * place and nowhere else: in no register, no copy on a stack.
 *
 * A place of kind "freed" lies in a malloc block that its owner frees in the end, and holds
 * nothing then. */
#ifndef REFHEAP_TESTS_PLACES_H
#define REFHEAP_TESTS_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct place {
    const char *kind; /* as refs calls it, or "freed" */
    const char *name; /* as a debugger with debug info calls it; NULL: not certain */
    void *volatile *slot;
    long lwp; /* of a thread's own words, else 0 */
} place;

void place_add(const char *kind, const char *name, void *volatile *slot, long lwp);
size_t place_count(void);
const place *place_at(size_t index);
/* Writes an address into the place. */
void place_fill(const place *where, const void *address);

/* The main thread's places but its stack, and the other threads with theirs. */
void places_open(void);
/* Called by the main thread when all are filled: freed blocks are freed, registers loaded. Every
 * other thread waits for ever afterwards. */
void places_settle(void);

#endif
