/* python_heap.c - makes them (see python_heap.h). */
#include "python_heap.h"
#include "base/array.h"
#include "base/bits.h"
#include "heap/objects.h"
#include "target/open.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void put(scene *s, uint64_t address, uint64_t value)
{
    fake_put(s->t, address, value, 8);
}

uint64_t room_for(scene *s, uint64_t size)
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

uint64_t new_dict(scene *s, unsigned room)
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

uint64_t keys_of(scene *s, uint64_t dict)
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

void put_name(scene *s, uint64_t dict, const char *name, uint64_t value)
{
    put_entry(s, dict, new_str(s, name), value);
}

uint64_t new_type(scene *s, const char *name, uint64_t basicsize, uint64_t itemsize, uint64_t flags)
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

uint64_t new_class(scene *s, const char *name, uint64_t basicsize, uint64_t flags)
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

uint64_t new_slotted(scene *s)
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

/* ---- pools ---------------------------------------------------------------------------------- */

uint64_t new_pool(scene *s, unsigned number, uint64_t size, unsigned carved)
{
    uint64_t at = ARENA + number * (uint64_t)s->py.at->pool_bytes;
    fake_put(s->t, at, carved, 4);
    put(s, at + 8, 0);
    fake_put(s->t, at + 36, size / 16 - 1, 4);
    fake_put(s->t, at + 40, POOL_HEADER + carved * size, 4);
    fake_put(s->t, at + 44, s->py.at->pool_bytes - size, 4);
    return at;
}

uint64_t block_of(scene *s, uint64_t pool, unsigned number)
{
    return pool + POOL_HEADER + number * (fake_get(s->t, pool + 36, 4) + 1) * 16;
}

void free_block(scene *s, uint64_t pool, unsigned number)
{
    uint64_t block = block_of(s, pool, number);
    put(s, block, fake_get(s->t, pool + 8, 8));
    put(s, pool + 8, block);
    fake_put(s->t, pool, fake_get(s->t, pool, 4) - 1, 4);
}

uint64_t put_object(scene *s, uint64_t block, uint64_t type, uint64_t count)
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

scene scene_new(unsigned minor)
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

void make_table(scene *s, uint64_t pool)
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

void scene_open_all(scene *s, uint64_t interpreters)
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

void scene_open(scene *s)
{
    scene_open_all(s, 1);
}

const rhi_block *read_pool(scene *s, uint64_t pool)
{
    ck_assert_uint_eq(s->reader->own.count, 1);
    if (!s->blocks.count)
        ck_assert_ptr_null(rhi__py_read_blocks(s->reader, &s->reader->own.items[0], &s->blocks));
    for (uint64_t i = 0; i < s->blocks.count; i++)
        if (s->blocks.items[i].base == pool + POOL_HEADER)
            return &s->blocks.items[i];
    return NULL;
}

const rhi_block *open_pool(scene *s, uint64_t pool)
{
    uint64_t sample = new_pool(s, 0, 64, 1);
    put_object(s, block_of(s, sample, 0), s->list, 1);
    make_table(s, sample);
    scene_open(s);
    return read_pool(s, pool);
}

void blocks_free(rhi_blocks *blocks)
{
    for (uint64_t i = 0; i < blocks->count; i++) {
        free(blocks->items[i].live);
        free(blocks->items[i].raw);
        free(blocks->items[i].prefixes);
    }
    free(blocks->items);
}

void scene_free(scene *s)
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

void must_be(const rhi_block *block, const char *kinds)
{
    ck_assert_ptr_nonnull(block);
    for (unsigned i = 0; kinds[i]; i++)
        ck_assert_msg(kind_of(block, i) == kinds[i], "block %u is '%c' instead of '%c'", i,
                      kind_of(block, i), kinds[i]);
}

rhi_object decode(scene *s, const rhi_block *block, unsigned slot)
{
    rhi_object object;
    uint64_t start = block->base + slot * block->slot_size;
    uint8_t bytes[64] = {0};
    uint64_t size = block->slot_size < sizeof bytes ? block->slot_size : sizeof bytes;
    ck_assert_uint_eq(rhi__memory_read(&s->memory, start, bytes, size), size);
    rhi__py_decode(s->reader, block, start, bytes, rhi__bit(block->live, slot), &object);
    return object;
}

const char *type_name(const scene *s, uint64_t type)
{
    const py_type *known = rhi__py_known_type(&s->py, type);
    return known ? s->reader->types.items[py_type_number(&s->py, known)].name : "";
}
