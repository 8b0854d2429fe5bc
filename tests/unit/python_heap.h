/* python_heap.h - types, pools and an arena of CPython in fake memory, made by hand for each
 * version, and opened file by file of the reader: no _PyRuntime stands behind them.
 *
 * Invariant: what a test does not write is as a process of that version has it. */
#ifndef REFHEAP_TESTS_PYTHON_HEAP_H
#define REFHEAP_TESTS_PYTHON_HEAP_H

#include "fake_target.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"

enum {
    OBJECTS = 0x100000, /* types, and what belongs to them */
    OBJECTS_BYTES = 0x40000,
    LIST = OBJECTS + OBJECTS_BYTES - 16, /* the collector's, for tests that put something into it */
    DATA = 0x200000, /* of the library: _PyRuntime, the variable that leads to the arenas */
    DATA_BYTES = 0x10000,
    TABLE_AT = 0x300040, /* of arenas, as malloc has it */
    TABLE_ENTRIES = 16,
    INTERPRETER = 0x400000,
    INTERPRETER_BYTES = 0x60000,
    ARENA = 0x10000000,
    POOL_HEADER = 48,
    SUBCLASSES_MAX = 40,
    VERSIONS = PY_MINOR_MAX - PY_MINOR_MIN + 1,
    READ_WRITE = RHI_REGION_READ | RHI_REGION_WRITE
};

typedef struct scene {
    fake_target *t;
    rhi_memory memory;
    rhi_reader *reader;
    py_runtime py;
    uint64_t room;     /* where the next object goes */
    uint64_t children; /* the table of `object`'s subclasses */
    uint64_t type, object, dict, text, integer, list, tuple, plain, module;
    rhi_blocks blocks;
} scene;

void put(scene *s, uint64_t address, uint64_t value);
uint64_t room_for(scene *s, uint64_t size);
uint64_t new_dict(scene *s, unsigned room);
uint64_t keys_of(scene *s, uint64_t dict);
void put_name(scene *s, uint64_t dict, const char *name, uint64_t value);
/* A type below `object`. name NULL: in memory that cannot be read. */
uint64_t new_type(scene *s, const char *name, uint64_t basicsize, uint64_t itemsize,
                  uint64_t flags);
/* A class that the program made, in the module `app`. */
uint64_t new_class(scene *s, const char *name, uint64_t basicsize, uint64_t flags);
/* class Slotted: __slots__ = "one", "__weakref__" */
uint64_t new_slotted(scene *s);
/* The number-th pool of the arena, whose blocks have this size; `carved` were given out. */
uint64_t new_pool(scene *s, unsigned number, uint64_t size, unsigned carved);
uint64_t block_of(scene *s, uint64_t pool, unsigned number);
/* Puts a block in front of the list of free ones. */
void free_block(scene *s, uint64_t pool, unsigned number);
/* An object with its prefix in a block. */
uint64_t put_object(scene *s, uint64_t block, uint64_t type, uint64_t count);
scene scene_new(unsigned minor);
/* The table of arenas, and whatever leads to it: a variable and an object of the collector's in
 * `pool`, or the state of the interpreter. */
void make_table(scene *s, uint64_t pool);
/* Opens memory, types and arenas, once all was written. */
void scene_open_all(scene *s, uint64_t interpreters);
void scene_open(scene *s);
/* Reads the arena; the block of a pool, or NULL. */
const rhi_block *read_pool(scene *s, uint64_t pool);
/* Opens the scene with this pool, and reads it. */
const rhi_block *open_pool(scene *s, uint64_t pool);
void blocks_free(rhi_blocks *blocks);
void scene_free(scene *s);
void must_be(const rhi_block *block, const char *kinds);
rhi_object decode(scene *s, const rhi_block *block, unsigned slot);
const char *type_name(const scene *s, uint64_t type);

#endif
