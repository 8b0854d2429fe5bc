/* fake_python.h - a CPython in a fake target: a library with _PyRuntime, an interpreter, a thread,
 * the few objects that every Python has.
 *
 * Its offsets are written down here once more, and not taken from the engine's tables.
 * Invariant: what a test does not change is as a process of that version has it. */
#ifndef REFHEAP_TESTS_FAKE_PYTHON_H
#define REFHEAP_TESTS_FAKE_PYTHON_H

#include "fake_target.h"

enum { FAKE_PYTHON_MIN = 9, FAKE_PYTHON_MAX = 13 };

typedef struct fake_python_places {
    uint32_t head, main_interpreter; /* of _PyRuntime; main_interpreter 0: it lies elsewhere */
    uint32_t next, id, threads, runtime, gc, modules, sysdict, builtins; /* of an interpreter */
    uint32_t pool_bytes, text;                                           /* text: of a str */
} fake_python_places;

typedef struct fake_python {
    fake_target *t;
    fake_python_places at;
    unsigned minor;
    uint64_t base, runtime, interpreter, thread;
    uint64_t type, object, dict, integer, text, module; /* type objects */
    uint64_t modules, sysdict, builtins;                /* dicts */
    uint64_t sys;                                       /* a module, of no definition */
    uint64_t arenas;                                    /* the table of them */
    uint64_t hexversion, version;                       /* an int, a str */
    uint64_t heap, room;                                /* anonymous memory; its free part */
} fake_python;

enum {
    FAKE_PYTHON_DATA = 0x90000,   /* bytes of the library's data */
    FAKE_PYTHON_BSS = 0x2000,     /* and of its zeroed data */
    FAKE_PYTHON_ARENA = 0x100000, /* at the beginning of the heap; 3.9 has less */
    FAKE_PYTHON_HEAP = 0x180000
};

/* Python 3.MINOR.MICRO in a library at `base`, with a heap 1 TiB below it. */
fake_python fake_python_new(fake_target *t, uint64_t base, unsigned minor, unsigned micro);
/* One more interpreter, the newest; its address. */
uint64_t fake_python_interpreter(fake_python *p, uint64_t id);
/* Bytes of its heap, zeroed, aligned to 16. */
uint64_t fake_python_room(fake_python *p, uint64_t size);
/* The module at `base` of fake_module exports these names, until NULL. */
void fake_export(fake_target *t, uint64_t base, const char *const *names,
                 const uint64_t *addresses);

#endif
