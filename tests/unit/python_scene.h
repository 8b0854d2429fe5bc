/* python_scene.h - types and objects of CPython in fake memory, made by hand for each version, and
 * what the reader says of them. No interpreter stands behind them: the types are told one by one.
 *
 * Offsets are written down once more, and not taken from what is tested. */
#ifndef REFHEAP_TESTS_PYTHON_SCENE_H
#define REFHEAP_TESTS_PYTHON_SCENE_H

#include "fake_target.h"
#include "readers/cpython/python.h"

enum { SCENE_SLOTS_MAX = 4096, SCENE_VERSIONS = PY_MINOR_MAX - PY_MINOR_MIN + 1 };

typedef struct scene {
    fake_target *t;
    rhi_memory memory;
    rhi_reader *reader;
    py_runtime py;
    unsigned minor;
    uint64_t used; /* of the memory: what lies behind is free */
    uint64_t type, object, str, integer, tuple, list, dict, set, code, function, frame, generator,
        real, bytes, module, weakref;
    uint64_t types[64];
    unsigned type_count;
} scene;

/* A slot that was visited, under the name that is printed. */
typedef struct seen_slot {
    uint64_t address, value;
    uint8_t kind, form;
    bool is_guess;
    char name[RHI_NAME_SIZE + 64];
} seen_slot;
typedef struct seen {
    seen_slot slots[SCENE_SLOTS_MAX];
    unsigned count;
} seen;

/* version: 0 is 3.9. Types and objects are made first; then it is opened. */
scene *scene_new(unsigned version);
void scene_open(scene *s);
void scene_free(scene *s);

/* Zeroed memory, aligned to 16. */
uint64_t scene_room(scene *s, uint64_t size);
void put(scene *s, uint64_t address, uint64_t value);
/* Puts words one behind the other. */
void put_words(scene *s, uint64_t address, const uint64_t *words, unsigned count);
/* base 0: object. */
uint64_t scene_type(scene *s, const char *name, uint64_t base, uint64_t basicsize,
                    uint64_t itemsize, uint64_t flags);
/* An object with a count of 1 and 32 free bytes in front of it. */
uint64_t scene_object(scene *s, uint64_t type, uint64_t size);
uint64_t scene_str(scene *s, const char *text);
/* kind: bytes of a character. */
uint64_t scene_wide(scene *s, const uint32_t *characters, unsigned count, unsigned kind);
uint64_t scene_int(scene *s, int64_t value);
uint64_t scene_tuple(scene *s, const uint64_t *items, unsigned count);
/* A table with room for 8 entries; kind: 0 any keys, 1 str alone, 2 shared. Old versions have one
 * kind. values: NULL for a shared one. */
uint64_t scene_keys(scene *s, unsigned kind, const uint64_t *keys, const uint64_t *values,
                    unsigned count);
uint64_t scene_dict(scene *s, const uint64_t *keys, const uint64_t *values, unsigned count);

/* Visits an object of `size` bytes from its address on. */
seen *scene_slots(scene *s, uint64_t address, uint64_t size);
/* The slot with that name; fails if it is not there once. */
const seen_slot *must_see(const seen *all, const char *name);
/* How many slots hold that. */
unsigned holders_of(const seen *all, uint64_t value);
/* What it holds, as it is printed; valid until the next call. */
const char *scene_value(scene *s, uint64_t address, uint64_t size);
/* Bytes outside that are its own, of words that contain the address. */
bool scene_is_spanned(scene *s, uint64_t address, uint64_t size, uint64_t word);

#endif
