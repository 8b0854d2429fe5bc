/* hostile.h - small core files that claim to hold much: what is asked of them must not cost what
 * they claim.
 *
 * Each is the core of a small valid heap, with more segments behind its end and holes in the
 * file. Invariant: none takes more than 64 MiB of the disk, and what is claimed beside the heap
 * lies from HOSTILE_EXTRA on. */
#ifndef REFHEAP_TESTS_HOSTILE_H
#define REFHEAP_TESTS_HOSTILE_H

#define HOSTILE_EXTRA 0x600000000000ull

typedef struct hostile_core {
    const char *name;
    void (*write)(const char *path);
    const char *said; /* what `gcverify` is incomplete for; NULL: nothing is left out */
} hostile_core;

extern const hostile_core hostile_cores[];
extern const unsigned hostile_core_count;

#endif
