/* inspect_python_objects.c - types, pools and the objects in their blocks, in structures of each
 * version that are made up in fake memory. */
#include "base/array.h"
#include "base/bits.h"
#include "fake_target.h"
#include "heap/objects.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"
#include "target/open.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OBJECTS = 0x100000, /* types, and what belongs to them */
    OBJECTS_BYTES = 0x40000,
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

static void put(scene *s, uint64_t address, uint64_t value)
{
    fake_put(s->t, address, value, 8);
}

static uint64_t room_for(scene *s, uint64_t size)
{
    uint64_t at = s->room;
    s->room = (at + size + 31) & ~15ull;
    ck_assert_uint_le(s->room, OBJECTS + OBJECTS_BYTES);
    return at;
}

/* ---- objects outside of pools --------------------------------------------------------------- */

static uint64_t new_str(scene *s, const char *text)
{
    uint64_t length = strlen(text), at = room_for(s, s->py.at->ascii_data + length + 1);
    put(s, at, 1);
    put(s, at + PY_OB_TYPE, s->text);
    put(s, at + PY_OB_SIZE, length);
    fake_put(s->t, at + 32, 0x64, 4); /* compact, ASCII, of single bytes */
    fake_copy(s->t, at + s->py.at->ascii_data, text, length);
    return at;
}

static uint64_t new_dict(scene *s, unsigned room)
{
    bool is_old = s->py.minor < 11;
    uint64_t at = room_for(s, 64), keys = room_for(s, 40 + 256 + room * 24);
    put(s, at, 1);
    put(s, at + PY_OB_TYPE, s->dict);
    put(s, at + 32, keys);
    put(s, keys, 1);
    put(s, keys + 8, is_old ? 64 : 6 | 6 << 8); /* entries of three words */
    return at;
}

static uint64_t keys_of(scene *s, uint64_t dict)
{
    return fake_get(s->t, dict + 32, 8);
}

static void put_entry(scene *s, uint64_t dict, uint64_t key, uint64_t value)
{
    bool is_old = s->py.minor < 11;
    uint64_t keys = keys_of(s, dict), at = keys + (is_old ? 32 : 24), count = fake_get(s->t, at, 8),
             entry = keys + (is_old ? 40 : 32) + 64 + count * 24;
    put(s, entry + 8, key);
    put(s, entry + 16, value);
    put(s, at, count + 1);
}

static void put_name(scene *s, uint64_t dict, const char *name, uint64_t value)
{
    put_entry(s, dict, new_str(s, name), value);
}

/* A type below `object`. name NULL: in memory that cannot be read. */
static uint64_t new_type(scene *s, const char *name, uint64_t basicsize, uint64_t itemsize,
                         uint64_t flags)
{
    uint64_t at = room_for(s, 1024), text = room_for(s, 64), weak = room_for(s, 64);
    put(s, at, 1);
    put(s, at + PY_OB_TYPE, s->type ? s->type : at);
    put(s, at + PY_TP_BASICSIZE, basicsize);
    put(s, at + PY_TP_ITEMSIZE, itemsize);
    put(s, at + PY_TP_FLAGS, flags | PY_FLAG_READY);
    put(s, at + PY_TP_BASE, s->object);
    if (name)
        fake_copy(s->t, text, name, strlen(name));
    put(s, at + PY_TP_NAME, name ? text : 0x10);
    put(s, weak + 16, at);
    if (s->children)
        put_entry(s, s->children, weak, weak);
    return at;
}

/* A class that the program made, in the module `app`. */
static uint64_t new_class(scene *s, const char *name, uint64_t basicsize, uint64_t flags)
{
    uint64_t at = new_type(s, NULL, basicsize, 0, flags | PY_FLAG_HEAPTYPE), dict = new_dict(s, 4);
    put_name(s, dict, "__module__", new_str(s, "app"));
    put(s, at + PY_TP_DICT, dict);
    put(s, at + s->py.at->ht_name, new_str(s, name));
    put(s, at + s->py.at->ht_qualname, new_str(s, name));
    if (flags & PY_FLAG_MANAGED_DICT && s->py.minor >= 11)
        put(s, at + PY_TP_DICTOFFSET, s->py.minor == 11 ? -(basicsize + 24) : (uint64_t)-1);
    if (flags & PY_FLAG_MANAGED_WEAKREF && s->py.minor >= 12)
        put(s, at + PY_TP_WEAKLISTOFFSET, (uint64_t)-32);
    return at;
}

/* ---- pools ---------------------------------------------------------------------------------- */

/* The number-th pool of the arena, whose blocks have this size; `carved` were given out. */
static uint64_t new_pool(scene *s, unsigned number, uint64_t size, unsigned carved)
{
    uint64_t at = ARENA + number * (uint64_t)s->py.at->pool_bytes;
    fake_put(s->t, at, carved, 4);
    put(s, at + 8, 0);
    fake_put(s->t, at + 36, size / 16 - 1, 4);
    fake_put(s->t, at + 40, POOL_HEADER + carved * size, 4);
    fake_put(s->t, at + 44, s->py.at->pool_bytes - size, 4);
    return at;
}

static uint64_t block_of(scene *s, uint64_t pool, unsigned number)
{
    return pool + POOL_HEADER + number * (fake_get(s->t, pool + 36, 4) + 1) * 16;
}

/* Puts a block in front of the list of free ones. */
static void free_block(scene *s, uint64_t pool, unsigned number)
{
    uint64_t block = block_of(s, pool, number);
    put(s, block, fake_get(s->t, pool + 8, 8));
    put(s, pool + 8, block);
    fake_put(s->t, pool, fake_get(s->t, pool, 4) - 1, 4);
}

/* An object with its prefix in a block. */
static uint64_t put_object(scene *s, uint64_t block, uint64_t type, uint64_t count)
{
    uint64_t flags = fake_get(s->t, type + PY_TP_FLAGS, 8), at = block;
    if (flags & (s->py.minor >= 12   ? PY_FLAG_MANAGED_DICT | PY_FLAG_MANAGED_WEAKREF
                 : s->py.minor == 11 ? PY_FLAG_MANAGED_DICT
                                     : 0))
        at += 16;
    if (flags & PY_FLAG_GC)
        at += 16;
    put(s, at, count);
    put(s, at + PY_OB_TYPE, type);
    return at;
}

/* ---- the scene ------------------------------------------------------------------------------ */

static void make_types(scene *s)
{
    s->type = new_type(s, "type", s->py.at->heap_type_size, 40, PY_FLAG_TYPE | PY_FLAG_GC);
    s->object = new_type(s, "object", 16, 0, 0);
    put(s, s->type + PY_TP_BASE, s->object);
    put(s, s->object + PY_TP_BASE, 0);
    s->children = new_dict(s, SUBCLASSES_MAX);
    put(s, s->object + PY_TP_SUBCLASSES, s->children);
    s->text = new_type(s, "str", s->py.minor < 12 ? 80 : 64, 0, PY_FLAG_STR);
    s->dict = new_type(s, "dict", 48, 0, PY_FLAG_DICT | PY_FLAG_GC);
    s->integer = new_type(s, "int", 24, 4, PY_FLAG_LONG);
    s->list = new_type(s, "list", 40, 0, PY_FLAG_LIST | PY_FLAG_GC);
    s->tuple = new_type(s, "tuple", 24, 8, PY_FLAG_TUPLE | PY_FLAG_GC);
    s->plain = new_type(s, "float", 24, 0, 0);
    s->module = new_type(s, "module", 56, 0, PY_FLAG_GC);
}

static scene scene_new(unsigned minor)
{
    scene s = {.t = fake_target_new(),
               .room = OBJECTS,
               .py = {.minor = (uint8_t)minor,
                      .at = rhi__py_offsets(minor),
                      .address = DATA + 0x100,
                      .allocator = PY_PYMALLOC}};
    fake_map(s.t, OBJECTS, OBJECTS_BYTES, READ_WRITE, "");
    fake_map(s.t, DATA, DATA_BYTES, READ_WRITE, "/usr/lib/libpython.so");
    fake_map(s.t, TABLE_AT & ~0xfffull, 0x1000, READ_WRITE, "");
    fake_map(s.t, INTERPRETER, INTERPRETER_BYTES, READ_WRITE, "");
    fake_map(s.t, ARENA, s.py.at->arena_bytes, READ_WRITE, "");
    make_types(&s);
    return s;
}

/* The table of arenas, and whatever leads to it: a variable and an object of the collector's in
 * `pool`, or the state of the interpreter. */
static void make_table(scene *s, uint64_t pool)
{
    const py_offsets *at = s->py.at;
    uint64_t gc = INTERPRETER + at->gc, head = gc + PY_GC_GENERATIONS, state;
    put(s, TABLE_AT, ARENA);
    put(s, TABLE_AT + 8, ARENA + at->arena_bytes);
    fake_put(s->t, TABLE_AT + 20, at->arena_bytes / at->pool_bytes, 4);
    put(s, TABLE_AT - 8, TABLE_ENTRIES * POOL_HEADER + 16 + 1); /* malloc's size */
    for (unsigned i = 0; i < 3; i++)
        put(s, head + i * PY_GC_GENERATION_BYTES, head + i * PY_GC_GENERATION_BYTES);
    if (pool)
        put(s, head, block_of(s, pool, 0));
    else
        s->py.allocator = PY_MALLOC;
    if (at->obmalloc == PY_ABSENT) {
        put(s, DATA + 0x4000, TABLE_AT);
        return;
    }
    state = INTERPRETER + at->obmalloc;
    if (s->py.minor >= 13) {
        put(s, state, DATA + 0x2000);
        state = DATA + 0x2000;
    }
    put(s, state + 512, TABLE_AT);
    fake_put(s->t, state + 520, TABLE_ENTRIES, 4);
}

/* Opens memory, types and arenas, once all was written. */
static void scene_open_all(scene *s, uint64_t interpreters)
{
    ck_assert_ptr_null(rhi__memory_open(&s->memory, &s->t->target));
    s->reader = calloc(1, sizeof *s->reader);
    s->reader->memory = &s->memory;
    s->py.memory = &s->memory;
    s->py.reader = s->reader;
    s->py.type_type = s->type;
    s->py.object_type = s->object;
    ck_assert(rhi__array_reserve(&s->reader->heaps, 1));
    s->reader->heaps.items[s->reader->heaps.count++] =
        (rhi_heap_info){.name = "python", .phase = "idle", .state = &s->py, .header_size = 64};
    if (!s->py.interpreters.items) {
        ck_assert(rhi__array_reserve(&s->py.interpreters, 1));
        s->py.interpreters.items[0] = (py_interpreter){0};
    }
    s->py.interpreters.items[0].address = INTERPRETER;
    s->py.interpreters.items[0].gc = INTERPRETER + s->py.at->gc;
    s->py.interpreters.count = interpreters;
    ck_assert_ptr_null(rhi__py_types_open(&s->py));
    ck_assert_ptr_null(rhi__py_arenas_open(&s->py));
    rhi__sort_own(s->reader);
}

static void scene_open(scene *s)
{
    scene_open_all(s, 1);
}

/* Reads the arena; the block of a pool, or NULL. */
static const rhi_block *read_pool(scene *s, uint64_t pool)
{
    ck_assert_uint_eq(s->reader->own.count, 1);
    if (!s->blocks.count)
        ck_assert_ptr_null(rhi__py_read_blocks(s->reader, &s->reader->own.items[0], &s->blocks));
    for (uint64_t i = 0; i < s->blocks.count; i++)
        if (s->blocks.items[i].base == pool + POOL_HEADER)
            return &s->blocks.items[i];
    return NULL;
}

/* Opens the scene with this pool, and reads it. */
static const rhi_block *open_pool(scene *s, uint64_t pool)
{
    uint64_t sample = new_pool(s, 0, 64, 1);
    put_object(s, block_of(s, sample, 0), s->list, 1);
    make_table(s, sample);
    scene_open(s);
    return read_pool(s, pool);
}

static void blocks_free(rhi_blocks *blocks)
{
    for (uint64_t i = 0; i < blocks->count; i++) {
        free(blocks->items[i].live);
        free(blocks->items[i].raw);
        free(blocks->items[i].prefixes);
    }
    free(blocks->items);
}

static void scene_free(scene *s)
{
    blocks_free(&s->blocks);
    rhi__py_types_free(&s->py);
    rhi__py_arenas_free(&s->py);
    rhi__py_hands_free(s->py.hands);
    free(s->py.interpreters.items);
    rhi__reader_free(s->reader);
    rhi__memory_close(&s->memory);
    fake_target_free(s->t);
}

/* 'l': an object, 'r': raw memory, '-': neither. */
static char kind_of(const rhi_block *block, unsigned slot)
{
    bool is_live = rhi__bit(block->live, slot), is_raw = block->raw && rhi__bit(block->raw, slot);
    ck_assert(!(is_live && is_raw));
    return is_live ? 'l' : is_raw ? 'r' : '-';
}

static void must_be(const rhi_block *block, const char *kinds)
{
    ck_assert_ptr_nonnull(block);
    for (unsigned i = 0; kinds[i]; i++)
        ck_assert_msg(kind_of(block, i) == kinds[i], "block %u is '%c' instead of '%c'", i,
                      kind_of(block, i), kinds[i]);
}

static rhi_object decode(scene *s, const rhi_block *block, unsigned slot)
{
    rhi_object object;
    uint64_t start = block->base + slot * block->slot_size;
    uint8_t bytes[64] = {0};
    uint64_t size = block->slot_size < sizeof bytes ? block->slot_size : sizeof bytes;
    ck_assert_uint_eq(rhi__memory_read(&s->memory, start, bytes, size), size);
    rhi__py_decode(s->reader, block, start, bytes, rhi__bit(block->live, slot), &object);
    return object;
}

static const char *type_name(const scene *s, uint64_t type)
{
    const py_type *known = rhi__py_known_type(&s->py, type);
    return known ? s->reader->types.items[py_type_number(&s->py, known)].name : "";
}

/* ---- pools ---------------------------------------------------------------------------------- */

START_TEST(blocks_hold_objects_raw_memory_or_what_was_freed)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 1, 64, 6), list = put_object(&s, block_of(&s, pool, 0), s.list, 3);
    put(&s, list - 16, OBJECTS); /* the collector's list */
    put(&s, list - 8, OBJECTS | 1);
    put(&s, block_of(&s, pool, 1), 17); /* a table of pointers */
    put(&s, block_of(&s, pool, 1) + 8, list);
    put_object(&s, block_of(&s, pool, 2), s.list, 0);
    free_block(&s, pool, 2);
    put_object(&s, block_of(&s, pool, 3), s.list, 0); /* kept for the next list */
    put_object(&s, block_of(&s, pool, 4), s.dict, 1);
    put(&s, block_of(&s, pool, 5), list);
    free_block(&s, pool, 5);
    put_object(&s, block_of(&s, pool, 6), s.list, 0); /* a leftover: never given out */
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, "lr--l---");
    ck_assert_uint_eq(block->capacity, (s.py.at->pool_bytes - POOL_HEADER) / 64);
    rhi_object object = decode(&s, block, 0);
    ck_assert_uint_eq(object.address, list);
    ck_assert_int_eq(object.count, 3);
    ck_assert(object.tracked && object.finalized && !object.immortal);
    ck_assert_str_eq(rhi__type_name(s.reader, object.type), "list");
    object = decode(&s, block, 4);
    ck_assert(!object.tracked && object.state == RHI_LIVE);
    for (unsigned slot = 2; slot <= 3; slot++) {
        object = decode(&s, block, slot);
        ck_assert_int_eq(object.state, RHI_FREED);
        ck_assert_uint_eq(object.address, block_of(&s, pool, slot) + 16);
        ck_assert_str_eq(rhi__type_name(s.reader, object.type), "list");
    }
    for (unsigned slot = 5; slot <= 6; slot++)
        ck_assert_int_eq(decode(&s, block, slot).state, RHI_UNUSED);
    ck_assert_int_eq(decode(&s, block, 1).state, RHI_UNUSED);
    ck_assert_uint_eq(s.reader->problems.count, 0);
    scene_free(&s);
}
END_TEST

/* A dict's table of the smallest size, of str alone where there is such a kind. */
static void put_table(scene *s, uint64_t at, uint64_t count, uint64_t usable, uint64_t used)
{
    bool is_old = s->py.minor < 11;
    put(s, at, count);
    put(s, at + 8, is_old ? 8 : 0x010303);
    put(s, at + (is_old ? 24 : 16), usable);
    put(s, at + (is_old ? 32 : 24), used);
    put(s, at + 64, s->list); /* what it holds, or held */
}

START_TEST(a_table_that_is_kept_for_the_next_dict_holds_nothing)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    static const struct {
        unsigned list, count;
    } kept[] = {{0, 0}, {11336, 11976}, {5168, 5808}, {271376, 272020}, {12504, 13144}};
    uint64_t pool = new_pool(&s, 1, 176, 5);
    put_table(&s, block_of(&s, pool, 0), 1, 3, 2);
    put_table(&s, block_of(&s, pool, 3), 1, 3, 2);
    put_table(&s, block_of(&s, pool, 4), 1, 3, 2);
    put(&s, INTERPRETER + kept[_i].list, block_of(&s, pool, 3));
    put(&s, INTERPRETER + kept[_i].list + 8, block_of(&s, pool, 4)); /* no more */
    fake_put(s.t, INTERPRETER + kept[_i].count, 1, 4);
    put_table(&s, block_of(&s, pool, 1), 0, 3, 2);
    put_table(&s, block_of(&s, pool, 2), 0, 3, 3); /* it has no room for so many */
    must_be(open_pool(&s, pool), s.py.minor == 9 ? "r-rrr" : "r-r-r");
    scene_free(&s);
}
END_TEST

START_TEST(an_address_reads_no_more_than_its_pool)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 2, 32, 3);
    rhi_blocks near = {0};
    for (unsigned i = 0; i < 3; i++)
        put_object(&s, block_of(&s, pool, i), s.plain, 1);
    must_be(open_pool(&s, pool), "lll-");
    ck_assert_ptr_null(
        rhi__py_read_near(s.reader, &s.reader->own.items[0], block_of(&s, pool, 1) + 5, &near));
    ck_assert_uint_eq(near.count, 1);
    must_be(&near.items[0], "lll-");
    ck_assert_ptr_null(near.items[0].prefixes);
    blocks_free(&near);
    near = (rhi_blocks){0};
    ck_assert_ptr_null(rhi__py_read_near(s.reader, &s.reader->own.items[0],
                                         ARENA + 3 * (uint64_t)s.py.at->pool_bytes, &near));
    ck_assert_uint_eq(near.count, 0);
    scene_free(&s);
}
END_TEST

START_TEST(headers_of_live_objects_come_in_order)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 1, 64, 4);
    uint8_t bytes[4 * 64];
    rhi_header headers[4] = {{0}};
    uint64_t list = put_object(&s, block_of(&s, pool, 1), s.list, 5);
    put(&s, list - 8, 1);
    bool has_immortals = s.py.minor >= 12; /* before, they lie in the data of modules alone */
    put_object(&s, block_of(&s, pool, 3), s.dict, has_immortals ? 0xffffffff : 3);
    put(&s, block_of(&s, pool, 0), 1);
    put(&s, block_of(&s, pool, 2), 1);
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, "rlrl");
    ck_assert_uint_eq(rhi__memory_read(&s.memory, block->base, bytes, sizeof bytes), sizeof bytes);
    rhi__py_headers(s.reader, block, bytes, 4, headers);
    ck_assert_uint_eq(headers[0].count, 5);
    ck_assert(headers[0].finalized && !headers[0].immortal);
    ck_assert_str_eq(rhi__type_name(s.reader, headers[0].type), "list");
    ck_assert(headers[1].immortal == has_immortals);
    ck_assert_uint_eq(headers[1].count, has_immortals ? 0 : 3);
    ck_assert_str_eq(rhi__type_name(s.reader, headers[1].type), "dict");
    scene_free(&s);
}
END_TEST

/* What the free list of a pool of six blocks is like; how many faults are told. */
static uint64_t faults(unsigned minor, uint64_t first, uint64_t link, unsigned in_use,
                       const char *kinds)
{
    scene s = scene_new(minor);
    uint64_t pool = new_pool(&s, 1, 64, 6);
    for (unsigned i = 0; i < 6; i++)
        put_object(&s, block_of(&s, pool, i), s.list, 1);
    fake_put(s.t, pool, in_use, 4);
    put(&s, pool + 8, first ? pool + first : 0);
    if (first && fake_is_mapped(s.t, pool + first))
        put(&s, pool + first, link);
    must_be(open_pool(&s, pool), kinds);
    uint64_t count = s.reader->damage.count;
    scene_free(&s);
    return count;
}

START_TEST(free_lists_that_make_no_sense_are_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    const uint64_t third = POOL_HEADER + 2 * 64, pool = ARENA + rhi__py_offsets(minor)->pool_bytes;
    ck_assert_uint_eq(faults(minor, 0, 0, 6, "llllll-"), 0);
    ck_assert_uint_eq(faults(minor, third, 0, 5, "ll-lll-"), 0);
    ck_assert_uint_eq(faults(minor, third, pool + third, 5, "ll-lll-"), 1);      /* a circle */
    ck_assert_uint_eq(faults(minor, third, pool + third + 16, 5, "ll-lll-"), 1); /* no block */
    ck_assert_uint_eq(faults(minor, third, pool + 16, 5, "ll-lll-"), 1);         /* the header */
    ck_assert_uint_eq(faults(minor, third, 0x10, 5, "ll-lll-"), 1);              /* outside */
    ck_assert_uint_eq(faults(minor, third, UINT64_MAX, 5, "ll-lll-"), 1);
    ck_assert_uint_eq(faults(minor, POOL_HEADER + 7 * 64, 0, 5, "llllll-"), 1); /* not carved */
    ck_assert_uint_eq(faults(minor, third, 0, 2, "ll-lll-"), 1);                /* the count */
}
END_TEST

START_TEST(one_pool_may_be_in_motion_and_no_more)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t one = new_pool(&s, 1, 64, 2), two = new_pool(&s, 2, 64, 2);
    for (unsigned i = 0; i < 2; i++) {
        put_object(&s, block_of(&s, one, i), s.list, 1);
        put_object(&s, block_of(&s, two, i), s.list, 1);
    }
    fake_put(s.t, one, 1, 4);
    must_be(open_pool(&s, one), "ll");
    ck_assert_uint_eq(s.reader->damage.count, 0);
    blocks_free(&s.blocks);
    s.blocks = (rhi_blocks){0};
    fake_put(s.t, two, 3, 4);
    must_be(read_pool(&s, two), "ll");
    ck_assert_uint_eq(s.reader->damage.count, 1);
    ck_assert_uint_eq(s.reader->damage.items[0].address, two);
    scene_free(&s);
}
END_TEST

/* ---- do the facts of a type agree? ---------------------------------------------------------- */

/* class Slotted: __slots__ = "one", "__weakref__" */
static uint64_t new_slotted(scene *s)
{
    uint64_t at = new_class(s, "Slotted", 32, PY_FLAG_GC), members = room_for(s, 80),
             text = room_for(s, 16), bases = room_for(s, 64);
    fake_copy(s->t, text, "Slotted", 8);
    put(s, at + PY_TP_NAME, text);
    put(s, members, text);
    fake_put(s->t, members + 8, 16, 4);
    put(s, members + 16, 16);
    put(s, at + PY_TP_MEMBERS, members);
    put(s, at + s->py.at->ht_slots, bases);
    put(s, at + PY_TP_WEAKLISTOFFSET, 24);
    put(s, bases + PY_OB_TYPE, s->tuple);
    put(s, bases + PY_OB_SIZE, 1);
    put(s, bases + 24, s->object);
    put(s, at + PY_TP_BASES, bases);
    return at;
}

static void must_be_damaged(unsigned minor, uint64_t offset, uint64_t value, const char *part)
{
    scene s = scene_new(minor);
    uint64_t at = new_slotted(&s);
    put(&s, at + offset, value == UINT64_MAX ? s.list : value);
    open_pool(&s, 0);
    ck_assert_uint_eq(s.reader->damage.count, part != NULL);
    if (part) {
        ck_assert_uint_eq(s.reader->damage.items[0].address, at);
        ck_assert_uint_eq(s.reader->damage.items[0].kind, RHI_FOUND_BAD_TYPE);
        ck_assert_ptr_nonnull(strstr(s.reader->damage.items[0].text, "Slotted is damaged: "));
        ck_assert_ptr_nonnull(strstr(s.reader->damage.items[0].text, part));
    }
    scene_free(&s);
}

START_TEST(a_type_whose_facts_disagree_is_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    enum { FLAGS = PY_FLAG_READY | PY_FLAG_HEAPTYPE | PY_FLAG_GC };
    must_be_damaged(minor, PY_TP_FLAGS, FLAGS, NULL);
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 16, "one of its __slots__ lies where");
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 32, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 8, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 28, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_DICTOFFSET, 24, "its weaklistoffset is its dictoffset");
    must_be_damaged(minor, PY_TP_DICTOFFSET, 40, "its dictoffset leads to no word");
    must_be_damaged(minor, PY_TP_DICTOFFSET, 0x100000, "its dictoffset leads to no word");
    must_be_damaged(minor, PY_TP_DICTOFFSET, (uint64_t)-8, "its dictoffset leads to no word");
    must_be_damaged(minor, PY_TP_BASICSIZE, 33, "is no multiple of 8");
    must_be_damaged(minor, PY_TP_BASICSIZE, 24, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_BASE, 0, "its __base__ is not among its __bases__");
    must_be_damaged(minor, PY_TP_BASE, UINT64_MAX, "its __base__ is not among its __bases__");
    must_be_damaged(minor, PY_TP_FLAGS, FLAGS | PY_FLAG_LIST, "another kind of type");
    must_be_damaged(minor, PY_TP_FLAGS, FLAGS ^ PY_FLAG_HEAPTYPE, "the name of a class");
    if (minor >= 11)
        must_be_damaged(minor, PY_TP_FLAGS, FLAGS | PY_FLAG_MANAGED_DICT,
                        "its dictoffset and its flags disagree");
    if (minor >= 12)
        must_be_damaged(minor, PY_TP_FLAGS, FLAGS | PY_FLAG_MANAGED_WEAKREF,
                        "its weaklistoffset and its flags disagree");
}
END_TEST

/* ---- what threads have at hand -------------------------------------------------------------- */

/* The state of a thread, which is the last to have held the GIL; it has its block at `pointer`. */
static void put_gil(scene *s, uint64_t pointer, bool is_locked)
{
    static const unsigned places[] = {352, 352, 360, 384, 16},
                          states[][2] = {{16, 176}, {16, 176}, {16, 152}, {16, 136}, {16, 152}};
    unsigned version = s->py.minor - PY_MINOR_MIN;
    uint64_t state = room_for(s, 512), gil = s->py.address + places[version];
    put(s, state + states[version][0], INTERPRETER);
    put(s, state + states[version][1], pointer);
    if (s->py.minor >= 12) {
        gil = room_for(s, 64);
        put(s, INTERPRETER + places[version], gil);
    }
    put(s, gil, 5000);
    put(s, gil + 8, state);
    fake_put(s->t, gil + 16, is_locked, 4);
}

enum { SEAT = 0x7000, OTHER_SEAT = 0x8000 };

/* Two threads, of which the second has a word in a register. */
static void put_threads(scene *s, uint64_t word)
{
    fake_thread(s->t, 1, 0x1000);
    fake_register(s->t, "fs_base", OTHER_SEAT);
    fake_thread(s->t, 2, 0x1000);
    fake_register(s->t, "fs_base", SEAT);
    fake_register(s->t, "rbx", word);
}

/* Faults of two pools of three blocks, of which the second thread has one at hand; blocks as
 * `kinds` say. */
static uint64_t faults_in_hand(unsigned minor, uint64_t seat, bool is_locked, bool in_hand,
                               uint64_t link, unsigned in_use, const char *kinds)
{
    scene s = scene_new(minor);
    uint64_t pool = new_pool(&s, 1, 64, 3), third = block_of(&s, pool, 2);
    for (unsigned i = 0; i < 3; i++)
        put_object(&s, block_of(&s, pool, i), s.list, 1);
    fake_put(s.t, pool, in_use, 4);
    put(&s, pool + 8, third);
    put(&s, third, link == 1 ? block_of(&s, pool, 0) : link);
    put_threads(&s, in_hand ? third : 0x1234);
    if (seat)
        put_gil(&s, seat, is_locked);
    must_be(open_pool(&s, pool), kinds);
    uint64_t count = s.reader->damage.count;
    scene_free(&s);
    return count;
}

START_TEST(what_the_allocator_has_in_hand_is_no_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    static const struct {
        uint64_t seat;
        bool is_locked, in_hand;
        bool may_move;
    } cases[] = {{0, false, true, true},     /* who may be at work is not known */
                 {0, false, false, false},   /* */
                 {SEAT, true, true, true},   /* who has it at hand holds the GIL */
                 {SEAT, true, false, false}, /* */
                 {SEAT, false, true, false}, /* nobody does */
                 {OTHER_SEAT, true, true, false}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
#define FAULTS(link, in_use)                                                                       \
    faults_in_hand(minor, cases[i].seat, cases[i].is_locked, cases[i].in_hand, link, in_use, "ll-")
        ck_assert_uint_eq(FAULTS(0, 2), 0);
        ck_assert_uint_eq(FAULTS(0, 3), !cases[i].may_move);      /* the count is not changed yet */
        ck_assert_uint_eq(FAULTS(0x1111, 2), !cases[i].may_move); /* the link is not written yet */
        ck_assert_uint_eq(FAULTS(0x1111, 3), !cases[i].may_move);
        ck_assert_uint_eq(FAULTS(0x1111, 1), !cases[i].may_move);
        ck_assert_uint_eq(FAULTS(0, 0), 1); /* no moment is like that */
        ck_assert_uint_eq(FAULTS(0x1111, 0), 1);
#undef FAULTS
    }
    /* a link that is not written yet, and leads to a block in use by chance */
    ck_assert_uint_eq(faults_in_hand(minor, SEAT, true, true, 1, 2, "ll-"), 0);
    ck_assert_uint_eq(faults_in_hand(minor, SEAT, true, false, 1, 2, "-l-"), 1);
}
END_TEST

/* `__bases__` being assigned, or the class being freed: of its other facts none may be wrong. */
static void bases_of_class(unsigned minor, bool in_hand, uint64_t count, uint64_t weaklistoffset,
                           uint64_t damaged, uint64_t problems)
{
    scene s = scene_new(minor);
    uint64_t at = new_slotted(&s);
    put(&s, at, count);
    put(&s, at + PY_TP_BASE, weaklistoffset == 24 ? s.list : s.object);
    put(&s, at + PY_TP_WEAKLISTOFFSET, weaklistoffset);
    put_threads(&s, in_hand ? at : 0x1234);
    put_gil(&s, SEAT, true);
    s.py.at_hand = rhi__py_at_hand;
    open_pool(&s, 0);
    ck_assert_uint_eq(s.reader->damage.count, damaged);
    ck_assert_uint_eq(s.reader->problems.count, damaged + problems); /* damage is one, too */
    ck_assert(!problems || strstr(s.reader->problems.items[0], "Slotted is being changed: "));
    scene_free(&s);
}

START_TEST(bases_of_a_class_in_hand_are_no_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    bases_of_class(minor, false, 1, 24, 1, 0);
    bases_of_class(minor, true, 1, 24, 0, 1);
    bases_of_class(minor, false, 0, 24, 0, 1);
    bases_of_class(minor, true, 1, 16, 1, 0);
}
END_TEST

START_TEST(a_list_of_more_items_than_memory_has_words_is_none)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned is_list = 0; is_list < 2; is_list++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 1),
                 list = put_object(&s, block_of(&s, pool, 0), s.list, 5);
        put(&s, list + PY_OB_SIZE, is_list ? 3 : 0xfefefefefefefee4);
        must_be(open_pool(&s, pool), is_list ? "l" : "r");
        scene_free(&s);
    }
}
END_TEST

START_TEST(what_is_being_freed_may_own_what_it_holds)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned in_hand = 0; in_hand < 2; in_hand++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 2),
                 list = put_object(&s, block_of(&s, pool, 1), s.list, 0);
        put_object(&s, block_of(&s, pool, 0), s.list, 1);
        put_threads(&s, in_hand ? list : 0x1234);
        put_gil(&s, SEAT, true);
        const rhi_block *block = open_pool(&s, pool);
        must_be(block, in_hand ? "lr" : "l-");
        rhi_object object = decode(&s, block, 1);
        ck_assert_int_eq(object.state, RHI_FREED); /* all the same */
        scene_free(&s);
    }
}
END_TEST

/* A module's dict is in some hand always: what a dict does not hold any more leaves its table
 * before it is released. Lists are changed item by item. */
START_TEST(a_list_in_hand_is_in_motion_and_a_dict_is_not)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned in_hand = 0; in_hand < 4; in_hand++) { /* bit 0: the list, bit 1: the dict */
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 2),
                 list = put_object(&s, block_of(&s, pool, 0), s.list, 1),
                 dict = put_object(&s, block_of(&s, pool, 1), s.dict, 1);
        put_threads(&s, in_hand & 1 ? list : 0x1234);
        fake_register(s.t, "rcx", in_hand & 2 ? dict : 0x1234);
        put_gil(&s, SEAT, true);
        const rhi_block *block = open_pool(&s, pool);
        must_be(block, "ll");
        rhi_object objects[] = {decode(&s, block, 0), decode(&s, block, 1)};
        ck_assert_int_eq(rhi__py_in_motion(s.reader, &objects[0]), in_hand & 1);
        ck_assert(!rhi__py_in_motion(s.reader, &objects[1]));
        ck_assert_int_eq(rhi__py_may_hold(s.reader, &objects[0], 0x10), in_hand & 1);
        ck_assert(!rhi__py_may_hold(s.reader, &objects[1], 0x10));
        scene_free(&s);
    }
}
END_TEST

/* ---- pools ---------------------------------------------------------------------------------- */

START_TEST(what_is_no_header_is_no_pool)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } wrong[] = {{36, 32},       {36, UINT32_MAX}, {40, 0},  {40, POOL_HEADER + 8},
                 {40, 1u << 20}, {40, UINT32_MAX}, {44, 0},  {44, 0x1000 + 16},
                 {0, 1000},      {0, UINT32_MAX},  {8, 0x20}};
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 2);
        fake_put(s.t, pool + wrong[i].at, wrong[i].value, 4);
        ck_assert_msg(open_pool(&s, pool) == NULL, "row %u", i);
        scene_free(&s);
    }
}
END_TEST

START_TEST(arenas_are_found_by_what_leads_to_their_table)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 0, 64, 1);
    put_object(&s, block_of(&s, pool, 0), s.list, 1);
    make_table(&s, pool);
    /* words that lead elsewhere, and entries that are no arenas */
    put(&s, DATA + 0x3000, OBJECTS);
    put(&s, DATA + 0x3010, UINT64_MAX & ~15ull);
    put(&s, TABLE_AT + POOL_HEADER, ARENA + 8);
    put(&s, TABLE_AT + 2 * POOL_HEADER, UINT64_MAX - 4095);
    scene_open(&s);
    ck_assert_uint_eq(s.reader->own.count, 1);
    ck_assert_uint_eq(s.reader->own.items[0].start, ARENA);
    ck_assert_uint_eq(s.reader->own.items[0].end, ARENA + s.py.at->arena_bytes);
    ck_assert(s.reader->own.items[0].has_blocks);
    scene_free(&s);
}
END_TEST

START_TEST(without_a_table_pools_are_found_by_their_headers)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t step = s.py.at->pool_bytes, first = new_pool(&s, 1, 64, 1),
             third = new_pool(&s, 3, 64, 1), other = new_pool(&s, 5, 64, 1);
    put_object(&s, block_of(&s, first, 0), s.list, 1);
    fake_put(s.t, other + 32, 1, 4); /* of another arena */
    scene_open(&s);
    ck_assert_uint_eq(s.reader->own.count, 2);
    ck_assert_uint_eq(s.reader->own.items[0].start, first);
    ck_assert_uint_eq(s.reader->own.items[0].end, third + step);
    ck_assert_uint_eq(s.reader->own.items[1].start, other);
    ck_assert_uint_eq(s.reader->problems.count, 1);
    scene_free(&s);
}
END_TEST

START_TEST(arenas_that_two_tables_have_are_one)
{
    for (unsigned minor = 12; minor <= 13; minor++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 0, 64, 1);
        put_object(&s, block_of(&s, pool, 0), s.list, 1);
        make_table(&s, pool);
        ck_assert(rhi__array_reserve(&s.py.interpreters, 2));
        s.py.interpreters.items[0] = (py_interpreter){0};
        s.py.interpreters.items[1] = (py_interpreter){.address = INTERPRETER};
        scene_open_all(&s, 2);
        ck_assert_uint_eq(s.reader->own.count, 1);
        scene_free(&s);
    }
}
END_TEST

START_TEST(a_table_is_as_long_as_it_says)
{
    for (unsigned minor = PY_MINOR_MIN; minor < 12; minor++)
        for (unsigned says = 0; says < 2; says++) { /* malloc's header, or the entries */
            scene s = scene_new(minor);
            uint64_t pool = new_pool(&s, 0, 64, 1), second = ARENA + 0x4000000;
            put_object(&s, block_of(&s, pool, 0), s.list, 1);
            make_table(&s, pool);
            for (unsigned i = 0; i < 6; i++)
                put(&s, TABLE_AT + 20 * POOL_HEADER + i * 8, fake_get(s.t, TABLE_AT + i * 8, 8));
            put(&s, TABLE_AT + 20 * POOL_HEADER, second);
            put(&s, TABLE_AT + 20 * POOL_HEADER + 8, second);
            put(&s, TABLE_AT - 8, says ? 32 * POOL_HEADER + 16 + 1 : 0x1234567);
            put(&s, TABLE_AT + 32 * POOL_HEADER, 0x777); /* what follows is none of it */
            scene_open(&s);
            ck_assert_uint_eq(s.reader->own.count, 2);
            ck_assert_uint_eq(s.reader->own.items[1].start, second);
            scene_free(&s);
        }
}
END_TEST

START_TEST(without_pools_there_are_no_arenas)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    make_table(&s, 0);
    scene_open(&s);
    ck_assert_uint_eq(s.reader->own.count, 0);
    ck_assert_uint_eq(s.reader->problems.count, 0);
    scene_free(&s);
}
END_TEST

/* ---- objects -------------------------------------------------------------------------------- */

/* What is in a block of this size that holds these words. */
static bool is_object(scene *s, const uint64_t *words, uint64_t size, py_found *found)
{
    return rhi__py_object_in(&s->py, ARENA, (const uint8_t *)words, size, size, PY_FILLS, found);
}

START_TEST(words_that_look_like_an_object_need_not_be_one)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t odd = new_type(&s, "odd", 24, 0, 0), meta = new_type(&s, "meta", 24, 0, 0),
             below = new_type(&s, "below", 24, 0, 0), one = new_type(&s, "one", 24, 0, 0),
             two = new_type(&s, "two", 24, 0, PY_FLAG_TYPE), class = new_class(&s, "C", 16, 0);
    py_found found;
    make_table(&s, 0);
    put(&s, odd + PY_TP_BASICSIZE, 1ull << 40);
    put(&s, below + PY_OB_TYPE, meta); /* whose type is not below `type` */
    put(&s, one + PY_OB_TYPE, two);    /* a circle */
    put(&s, two + PY_OB_TYPE, two);
    scene_open(&s);
    uint64_t words[64] = {1, s.plain, 7, 7};
    ck_assert(is_object(&s, words, 32, &found));
    ck_assert_uint_eq(found.prefix, 0);
    ck_assert_uint_eq(found.size, 24);
    ck_assert(!is_object(&s, words, 48, &found)); /* too much room for its size */
    ck_assert(!is_object(&s, words, 16, &found));
    const uint64_t counts[] = {0, s.py.refcount_max, ARENA, 1ull << 40, UINT64_MAX};
    for (unsigned i = 0; i < 5; i++) {
        words[0] = counts[i];
        ck_assert_msg(!is_object(&s, words, 32, &found), "count %u", i);
    }
    s.py.refcount_max = 1 << 30;
    words[0] = s.list + 24; /* so many may hold it, */
    ck_assert(is_object(&s, words, 32, &found));
    words[0] = s.list; /* and hardly as many as an object's address */
    ck_assert(!is_object(&s, words, 32, &found));
    words[0] = 1;
    const uint64_t types[] = {0, 8, odd, below, one, OBJECTS + 8, UINT64_MAX & ~7ull, s.plain + 1};
    for (unsigned i = 0; i < 8; i++) {
        words[1] = types[i];
        ck_assert_msg(!is_object(&s, words, 32, &found), "type %u", i);
    }
    words[1] = s.list; /* which has a prefix */
    ck_assert(!is_object(&s, words, 32, &found));
    words[1] = class;
    ck_assert(is_object(&s, words, 16, &found));
    scene_free(&s);
}
END_TEST

START_TEST(of_two_prefixes_the_one_in_a_list_is_taken)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t small = new_type(&s, "small", 48, 0, 0),
             tracked = new_type(&s, "t", 32, 0, PY_FLAG_GC), next = room_for(&s, 64);
    py_found found;
    make_table(&s, 0);
    scene_open(&s);
    /* {count, type} twice: the first may be a link and an address */
    uint64_t words[6] = {(s.py.refcount_max - 8) & ~7ull, small, 2, tracked, 0, 0};
    ck_assert(is_object(&s, words, 48, &found));
    ck_assert_uint_eq(found.prefix, 0);
    words[0] = next;
    put(&s, next + 8, ARENA | 2);
    s.py.refcount_max = UINT64_MAX;
    ck_assert(is_object(&s, words, 48, &found));
    ck_assert_uint_eq(found.prefix, 16);
    put(&s, next + 8, ARENA + 64); /* another's list */
    ck_assert(is_object(&s, words, 48, &found));
    ck_assert_uint_eq(found.prefix, 0);
    scene_free(&s);
}
END_TEST

/* The tuple (C, object) holds a number and C where an object of C with attributes in front has a
 * count and its type. */
START_TEST(a_tuple_of_types_is_no_object_of_the_first)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t class = new_class(&s, "C", 24, PY_FLAG_GC | PY_FLAG_MANAGED_DICT);
    uint64_t pool = new_pool(&s, 1, 64, 2), tuple;
    put_object(&s, block_of(&s, pool, 0), class, 1);
    tuple = put_object(&s, block_of(&s, pool, 1), s.tuple, 1);
    put(&s, tuple + PY_OB_SIZE, 2);
    put(&s, tuple + 24, class);
    put(&s, tuple + 32, s.object);
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, s.py.minor >= 11 ? "ll" : "rl");
    ck_assert_uint_eq(decode(&s, block, 1).address, tuple);
    scene_free(&s);
}
END_TEST

START_TEST(attributes_in_front_make_the_prefix_longer)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t both = new_class(&s, "Both", 16, PY_FLAG_GC | PY_FLAG_MANAGED_DICT),
             weak = new_class(&s, "Weak", 16, PY_FLAG_MANAGED_WEAKREF);
    py_found found;
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[8] = {0x1000, 0, 0, 0, 1, both}, at = s.py.minor >= 11 ? 32 : 16;
    words[at / 8] = 1;
    words[at / 8 + 1] = both;
    ck_assert(is_object(&s, words, at + 16, &found));
    ck_assert_uint_eq(found.prefix, at);
    ck_assert_uint_eq(found.size, at + 16);
    at = s.py.minor >= 12 ? 16 : 0;
    words[at / 8] = 1;
    words[at / 8 + 1] = weak;
    ck_assert(is_object(&s, words, at + 16, &found));
    ck_assert_uint_eq(found.prefix, at);
    scene_free(&s);
}
END_TEST

static void must_fit(scene *s, const uint64_t *words, uint64_t least, uint64_t most)
{
    py_found found;
    for (uint64_t size = 16; size <= 512; size += 16)
        ck_assert_msg(is_object(s, words, size, &found) == (size >= least && size <= most),
                      "%" PRIu64 " bytes, not %" PRIu64 " to %" PRIu64, size, least, most);
}

START_TEST(what_varies_in_size_says_its_own)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    bool is_new = s.py.minor >= 12;
    uint64_t named = new_class(&s, "stat_result", 24, PY_FLAG_TUPLE | PY_FLAG_GC),
             fields = room_for(&s, 32), text = s.py.at->ascii_data, wide = s.py.at->wide_data;
    put(&s, fields, 1);
    put(&s, fields + PY_OB_TYPE, s.integer);
    put(&s, fields + PY_OB_SIZE, is_new ? 1 << 3 : 1);
    put(&s, fields + 24, 20);
    put(&s, named + PY_TP_ITEMSIZE, 8);
    put(&s, named + PY_TP_BASE, s.tuple);
    put_name(&s, fake_get(s.t, named + PY_TP_DICT, 8), "n_fields", fields);
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[64] = {1, s.integer, is_new ? 2 << 3 : 2};
    must_fit(&s, words, 32, 512); /* a number may have been longer */
    words[2] = is_new ? (4ull << 3 | 2) : 0 - 4ull;
    must_fit(&s, words, 48, 512);
    memcpy(words, (uint64_t[]){1, s.text, 100, 0, 0x64}, 40);
    must_fit(&s, words, (text + 101 + 15) & ~15ull, ((text + 101) * 4 - 1) / 3 & ~15ull);
    words[4] = 0x28; /* two bytes each */
    must_fit(&s, words, (wide + 202 + 15) & ~15ull, ((wide + 202) * 4 - 1) / 3 & ~15ull);
    words[4] = 0; /* its characters lie elsewhere */
    must_fit(&s, words, is_new ? 64 : 80, is_new ? 80 : 96);
    words[4] = 0x74; /* a kind that is none */
    must_fit(&s, words, 1000, 0);
    memcpy(words, (uint64_t[]){0, 0, 1, s.tuple, 3}, 40);
    must_fit(&s, words, 64, 80);
    words[4] = UINT64_MAX >> 2;
    must_fit(&s, words, 1000, 0);
    words[4] = 1ull << 63;
    must_fit(&s, words, 1000, 0);
    memcpy(words, (uint64_t[]){0, 0, 1, named, 10}, 40); /* has 20 items, whatever it says */
    must_fit(&s, words, 208, 256);
    scene_free(&s);
}
END_TEST

START_TEST(a_time_without_a_zone_is_shorter)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t type = new_type(&s, "datetime.time", 40, 0, 0),
             other = new_type(&s, "datetime.date", 40, 0, 0);
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[64] = {1, type};
    must_fit(&s, words, 32, 32);
    words[3] = 1; /* it has one */
    must_fit(&s, words, 48, 48);
    words[1] = other;
    words[3] = 0;
    must_fit(&s, words, 48, 48);
    scene_free(&s);
}
END_TEST

START_TEST(generators_are_as_large_as_their_code_says)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    bool is_old = s.py.minor < 11;
    uint64_t basicsize = is_old             ? 88
                         : s.py.minor == 11 ? 152
                                            : 144,
             generator = new_type(&s, "generator", basicsize, is_old ? 0 : 8, PY_FLAG_GC),
             code = room_for(&s, 256), at = s.py.minor == 11 ? 68 : 64;
    make_table(&s, 0);
    fake_put(s.t, code + at, 5, 4);
    fake_put(s.t, code + at + 8, 4, 4);
    scene_open(&s);
    uint64_t words[64] = {0, 0, 1, generator};
    words[2 + (s.py.minor == 11 ? 2 : 9)] = code;
    uint64_t size = is_old ? 112 : (16 + basicsize + 9 * 8 + 15) & ~15ull;
    must_fit(&s, words, size, is_old ? size : (size * 4 - 1) / 3 & ~15ull);
    fake_put(s.t, code + at, UINT32_MAX, 4);
    fake_put(s.t, code + at + 8, UINT32_MAX, 4);
    py_found found;
    is_object(&s, words, 512, &found); /* comes back */
    scene_free(&s);
}
END_TEST

START_TEST(inline_values_follow_their_object)
{
    scene s = scene_new(13);
    uint64_t class =
        new_class(&s, "C", 16, PY_FLAG_GC | PY_FLAG_MANAGED_DICT | PY_FLAG_INLINE_VALUES);
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[64] = {0, 0, 0, 0, 1, class, 29};
    must_fit(&s, words, 320, 416);
    words[6] = 3;
    must_fit(&s, words, 96, 112);
    scene_free(&s);
}
END_TEST

static bool is_thin(scene *s, uint64_t type)
{
    const py_type *known = rhi__py_known_type(&s->py, type);
    return s->reader->types.items[py_type_number(&s->py, known)].is_thin;
}

/* Blocks of 16 bytes are also given out for 8 bytes or less, and keep the second word then. */
START_TEST(a_count_and_a_type_alone_are_thin_where_no_hooks_tell_more)
{
    for (unsigned has_hooks = 0; has_hooks < 2; has_hooks++) {
        scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
        uint64_t bare = new_class(&s, "Bare", 16, 0), more = new_class(&s, "More", 24, 0),
                 tracked = new_class(&s, "Tracked", 16, PY_FLAG_GC),
                 varies = new_type(&s, "varies", 16, 8, 0);
        make_table(&s, 0);
        s.py.block_prefix = has_hooks ? PY_DEBUG_PREFIX : 0;
        scene_open(&s);
        ck_assert(is_thin(&s, s.object) == !has_hooks);
        ck_assert(is_thin(&s, bare) == !has_hooks);
        ck_assert(!is_thin(&s, more));
        ck_assert(!is_thin(&s, tracked));
        ck_assert(!is_thin(&s, varies));
        ck_assert(!is_thin(&s, s.list));
        scene_free(&s);
    }
}
END_TEST

START_TEST(debug_hooks_lie_in_front)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    py_found found;
    make_table(&s, 0);
    scene_open(&s);
    s.py.block_prefix = PY_DEBUG_PREFIX;
    const uint64_t fill = 0xfdfdfdfdfdfdfd00;
    uint64_t words[12] = {__builtin_bswap64(56), fill | 'o', 0, 0, 1, s.list};
    ck_assert(is_object(&s, words, 80, &found));
    ck_assert_uint_eq(found.prefix, 32);
    ck_assert_uint_eq(found.size, 72);
    words[1] = fill | 'm';
    ck_assert(!is_object(&s, words, 80, &found));
    words[1] = 'o';
    ck_assert(!is_object(&s, words, 80, &found));
    words[1] = fill | 'o';
    words[0] = UINT64_MAX;
    ck_assert(!is_object(&s, words, 80, &found));
    /* what obmalloc hands on has them twice */
    memcpy(words,
           (uint64_t[]){__builtin_bswap64(80), fill | 'r', __builtin_bswap64(56), fill | 'o', 0, 0,
                        1, s.list},
           64);
    ck_assert(rhi__py_object_in(&s.py, ARENA, (const uint8_t *)words, sizeof words, 104, PY_CHUNK,
                                &found));
    ck_assert_uint_eq(found.prefix, 48);
    scene_free(&s);
}
END_TEST

/* ---- types ---------------------------------------------------------------------------------- */

START_TEST(types_that_share_a_name_are_told_apart)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t one = new_class(&s, "Session", 16, 0), two = new_class(&s, "f.<locals>.C", 16, 0),
             three = new_class(&s, "f.<locals>.C", 16, 0),
             c = new_type(&s, "web.Session", 16, 0, 0);
    char text[RHI_NAME_SIZE];
    make_table(&s, 0);
    s.children = 0; /* learned later */
    uint64_t late = new_class(&s, "Session", 16, 0), other = new_class(&s, "Late", 16, 0);
    scene_open(&s);
    ck_assert_str_eq(type_name(&s, s.list), "list");
    ck_assert_str_eq(type_name(&s, one), "app.Session");
    ck_assert_str_eq(type_name(&s, c), "web.Session");
    snprintf(text, sizeof text, "app.f.<locals>.C(0x%" PRIx64 ")", two);
    ck_assert_str_eq(type_name(&s, two), text);
    ck_assert_str_ne(type_name(&s, three), text);
    ck_assert_str_eq(type_name(&s, late), "");
    uint64_t count = s.reader->types.count;
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, late));
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, other));
    ck_assert_uint_eq(s.reader->types.count, count + 2);
    ck_assert_str_eq(type_name(&s, late), "Session");
    ck_assert_str_eq(type_name(&s, other), "Late");
    ck_assert_str_eq(type_name(&s, one), "app.Session");
    /* each answers to its plain name, too */
    const char *const names[] = {"Session", "C", "app.Session", "web.Session", "Sess"};
    const unsigned bearers[] = {3, 2, 2, 1, 0};
    for (unsigned i = 0; i < 5; i++) {
        unsigned found = 0;
        for (uint32_t type = 0; type < s.reader->types.count; type++)
            found += rhi__is_type_named(s.reader, type, names[i]);
        ck_assert_uint_eq(found, bearers[i]);
    }
    scene_free(&s);
}
END_TEST

START_TEST(without_read_only_data_names_come_from_dicts)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t set = new_type(&s, NULL, 200, 0, PY_FLAG_GC),
             function = new_type(&s, NULL, 152, 0, PY_FLAG_GC),
             deque = new_type(&s, NULL, 64, 0, PY_FLAG_GC),
             lost = new_type(&s, NULL, 64, 0, PY_FLAG_GC), own = new_dict(&s, 4),
             modules = new_dict(&s, 4), builtins = new_dict(&s, 4), collections = new_dict(&s, 4);
    const uint64_t dicts[] = {builtins, collections};
    const char *const names[] = {"builtins", "collections"};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t module = room_for(&s, 64);
        put(&s, module + PY_OB_TYPE, s.module);
        put(&s, module + 16, dicts[i]);
        put_name(&s, modules, names[i], module);
    }
    s.children = 0;
    uint64_t late = new_type(&s, NULL, 40, 0, 0); /* in nobody's list of subclasses */
    put_name(&s, collections, "late", late);
    put_name(&s, own, "__closure__", s.object);
    put(&s, function + PY_TP_DICT, own);
    put_name(&s, builtins, "set", set);
    put_name(&s, collections, "cute", set);
    put_name(&s, collections, "deque", deque);
    make_table(&s, 0);
    ck_assert(rhi__array_reserve(&s.py.interpreters, 1));
    s.py.interpreters.items[0] = (py_interpreter){.modules = modules, .builtins = builtins};
    scene_open(&s);
    ck_assert_str_eq(type_name(&s, set), "set");
    ck_assert_str_eq(type_name(&s, function), "function");
    ck_assert_str_eq(type_name(&s, deque), "deque");
    ck_assert_str_eq(type_name(&s, lost), "unnamed");
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, late));
    ck_assert_str_eq(type_name(&s, late), "late");
    ck_assert_int_eq(rhi__py_known_type(&s.py, set)->layout, PY_SET);
    ck_assert_int_eq(rhi__py_known_type(&s.py, function)->layout, PY_FUNCTION);
    ck_assert_int_eq(rhi__py_known_type(&s.py, deque)->layout, PY_DEQUE);
    ck_assert_int_eq(rhi__py_known_type(&s.py, lost)->layout, PY_OWN_WORDS);
    scene_free(&s);
}
END_TEST

/* Extensions name their types as CPython does, and these have the same attributes. */
START_TEST(a_layout_by_name_is_for_types_of_cpython_alone)
{
    enum { EXTENSION = 0x20000, SIZE = 0x4000 };
    static const char *const files[] = {"/usr/lib/extension.so", ""};
    for (unsigned i = 0; i < 2; i++) {
        scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
        uint64_t own = new_dict(&s, 4), right = new_type(&s, "generator", 96, 0, PY_FLAG_GC),
                 builtins = new_dict(&s, 4), modules = new_dict(&s, 4), room = s.room;
        fake_map(s.t, EXTENSION, SIZE, READ_WRITE, files[i]);
        s.room = EXTENSION;
        uint64_t named = new_type(&s, "function", 152, 0, PY_FLAG_GC),
                 other = new_type(&s, "generator", 152, 0, PY_FLAG_GC),
                 nameless = new_type(&s, NULL, 152, 0, PY_FLAG_GC),
                 deque = new_type(&s, "collections.deque", 64, 0, PY_FLAG_GC);
        s.room = room;
        put_name(&s, own, "__closure__", s.object);
        put(&s, nameless + PY_TP_DICT, own);
        make_table(&s, 0);
        ck_assert(rhi__array_reserve(&s.py.interpreters, 1));
        s.py.interpreters.items[0] = (py_interpreter){.modules = modules, .builtins = builtins};
        scene_open(&s);
        ck_assert_int_eq(rhi__py_known_type(&s.py, right)->layout, PY_GENERATOR);
        ck_assert_int_eq(rhi__py_known_type(&s.py, named)->layout, PY_OWN_WORDS);
        ck_assert_int_eq(rhi__py_known_type(&s.py, other)->layout, PY_OWN_WORDS);
        ck_assert_int_eq(rhi__py_known_type(&s.py, nameless)->layout, PY_OWN_WORDS);
        ck_assert_str_eq(type_name(&s, nameless), "unnamed");
        ck_assert_int_eq(rhi__py_known_type(&s.py, deque)->layout, PY_DEQUE);
        const rhi_type *all = &s.reader->types.items[s.py.first_type];
        ck_assert(all[rhi__py_known_type(&s.py, named) - s.py.types.items].has_raw_words);
        ck_assert(all[rhi__py_known_type(&s.py, s.type) - s.py.types.items].has_raw_words);
        ck_assert(!all[rhi__py_known_type(&s.py, right) - s.py.types.items].has_raw_words);
        ck_assert(!all[rhi__py_known_type(&s.py, s.list) - s.py.types.items].has_raw_words);
        ck_assert(all[rhi__py_known_type(&s.py, s.text) - s.py.types.items].lends_bytes);
        ck_assert(!all[rhi__py_known_type(&s.py, s.tuple) - s.py.types.items].lends_bytes);
        scene_free(&s);
    }
}
END_TEST

START_TEST(a_layout_is_that_of_the_nearest_base)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t set = new_type(&s, "set", 200, 0, PY_FLAG_GC), child = new_class(&s, "S", 208, 0),
             grandchild = new_class(&s, "deque", 216, 0), /* of the program's own */
        other = new_class(&s, "D", 56, PY_FLAG_DICT);
    put(&s, child + PY_TP_BASE, set);
    put(&s, grandchild + PY_TP_BASE, child);
    put(&s, other + PY_TP_BASE, s.dict);
    put(&s, other + PY_TP_DICTOFFSET, 48);
    put(&s, child + PY_TP_DICTOFFSET, 1000);
    put(&s, grandchild + PY_TP_WEAKLISTOFFSET, 1000);
    make_table(&s, 0);
    scene_open(&s);
    const py_type *type = rhi__py_known_type(&s.py, grandchild);
    ck_assert_int_eq(type->layout, PY_SET);
    ck_assert_uint_eq(type->layout_end, 200);
    ck_assert_int_eq(type->weaklistoffset, 0); /* it lies outside */
    ck_assert_int_eq(rhi__py_known_type(&s.py, child)->dictoffset, 0);
    type = rhi__py_known_type(&s.py, other);
    ck_assert(rhi__py_is_a(type, PY_DICT));
    ck_assert_uint_eq(type->layout_end, 48);
    ck_assert_int_eq(type->dictoffset, 48);
    const rhi_type *known = &s.reader->types.items[py_type_number(&s.py, type)];
    ck_assert(known->has_code && known->has_references && known->has_vectors);
    known = &s.reader->types.items[py_type_number(&s.py, rhi__py_known_type(&s.py, s.integer))];
    ck_assert(!known->has_references && known->acyclic);
    scene_free(&s);
}
END_TEST

START_TEST(bases_and_subclasses_that_go_round_come_to_an_end)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t one = new_type(&s, "one", 16, 0, 0), two = new_type(&s, "two", 16, 0, 0),
             self = new_type(&s, "self", 16, 0, 0);
    put(&s, one + PY_TP_BASE, two);
    put(&s, two + PY_TP_BASE, one);
    put(&s, self + PY_TP_BASE, self);
    put(&s, one + PY_TP_SUBCLASSES, s.children);
    put(&s, two + PY_TP_SUBCLASSES, UINT64_MAX - 7);
    put(&s, self + PY_TP_SUBCLASSES, new_dict(&s, 4));
    uint64_t keys = keys_of(&s, fake_get(s.t, self + PY_TP_SUBCLASSES, 8));
    for (unsigned at = 0; at < 40; at += 8)
        put(&s, keys + at, UINT64_MAX);
    make_table(&s, 0);
    scene_open(&s);
    ck_assert_str_eq(type_name(&s, one), "one");
    ck_assert_str_eq(type_name(&s, two), "two");
    ck_assert_str_eq(type_name(&s, self), "self");
    scene_free(&s);
}
END_TEST

START_TEST(more_types_than_there_is_room_for_are_left_out)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    make_table(&s, 0);
    s.children = 0;
    uint64_t late = new_class(&s, "Late", 16, 0), later = new_class(&s, "Later", 16, 0);
    scene_open(&s);
    const rhi_type *types = s.reader->types.items;
    s.py.types_max = (uint32_t)s.py.types.count + 1;
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, late));
    ck_assert_ptr_null(rhi__py_type_at(&s.py, later));
    ck_assert_ptr_null(rhi__py_type_at(&s.py, later));
    ck_assert_uint_eq(s.reader->problems.count, 1);
    ck_assert_ptr_eq(types, s.reader->types.items);
    scene_free(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect_python_objects");
    TCase *tcase = tcase_create("inspect_python_objects");
    tcase_set_timeout(tcase, 600);
#define EACH(test) tcase_add_loop_test(tcase, test, 0, VERSIONS)
    EACH(blocks_hold_objects_raw_memory_or_what_was_freed);
    EACH(a_table_that_is_kept_for_the_next_dict_holds_nothing);
    EACH(an_address_reads_no_more_than_its_pool);
    EACH(headers_of_live_objects_come_in_order);
    EACH(free_lists_that_make_no_sense_are_damage);
    EACH(one_pool_may_be_in_motion_and_no_more);
    EACH(bases_of_a_class_in_hand_are_no_damage);
    EACH(a_list_of_more_items_than_memory_has_words_is_none);
    EACH(a_type_whose_facts_disagree_is_damage);
    EACH(what_the_allocator_has_in_hand_is_no_damage);
    EACH(what_is_being_freed_may_own_what_it_holds);
    EACH(a_list_in_hand_is_in_motion_and_a_dict_is_not);
    EACH(what_is_no_header_is_no_pool);
    EACH(arenas_are_found_by_what_leads_to_their_table);
    EACH(without_a_table_pools_are_found_by_their_headers);
    tcase_add_test(tcase, arenas_that_two_tables_have_are_one);
    tcase_add_test(tcase, a_table_is_as_long_as_it_says);
    EACH(without_pools_there_are_no_arenas);
    EACH(words_that_look_like_an_object_need_not_be_one);
    EACH(of_two_prefixes_the_one_in_a_list_is_taken);
    EACH(a_tuple_of_types_is_no_object_of_the_first);
    EACH(attributes_in_front_make_the_prefix_longer);
    EACH(what_varies_in_size_says_its_own);
    EACH(a_time_without_a_zone_is_shorter);
    EACH(generators_are_as_large_as_their_code_says);
    tcase_add_test(tcase, inline_values_follow_their_object);
    EACH(a_count_and_a_type_alone_are_thin_where_no_hooks_tell_more);
    EACH(debug_hooks_lie_in_front);
    EACH(types_that_share_a_name_are_told_apart);
    EACH(without_read_only_data_names_come_from_dicts);
    EACH(a_layout_is_that_of_the_nearest_base);
    EACH(a_layout_by_name_is_for_types_of_cpython_alone);
    EACH(bases_and_subclasses_that_go_round_come_to_an_end);
    EACH(more_types_than_there_is_room_for_are_left_out);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
