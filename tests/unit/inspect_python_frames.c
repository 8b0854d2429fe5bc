/* inspect_python_frames.c - lines, stack depths and names of code objects, and the roots of
 * interpreters, threads and frames, in structures of each version that are made up in fake memory.
 */
#include "base/array.h"
#include "fake_target.h"
#include "python_code.h"
#include "readers/cpython/uses.h"
#include "target/open.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CODE = 0x10000,
    TABLE = 0x20000,
    EXCEPTIONS = 0x22000,
    BYTES = 0x24000, /* of 3.9 and 3.10: the code itself */
    OBJECTS = 0x30000,
    INTERPRETER = 0x100000,
    INTERPRETER_BYTES = 0x60000,
    THREAD = 0x200000,
    CFRAME = 0x201000,
    STACK = 0x300000, /* of frames */
    STACK_BYTES = 0x4000,
    STACK_DATA = 24,
    FRAME_OBJECTS = 0x310000,
    KERNEL_STACK = 0x400000,
    VARIABLES = 0x500000, /* of CPython */
    ARENA = 0x600000,
    READ_WRITE = RHI_REGION_READ | RHI_REGION_WRITE
};

/* Members of a code object of this version. */
static const struct parts {
    unsigned flags, first_line, stack_size, locals, names, kinds, filename, name, lines, bytes,
        exceptions, cellvars, freevars;
} parts[PYTHON_CODES] = {{36, 40, 32, 28, 72, 0, 104, 112, 120, 48, 0, 88, 80},
                         {36, 40, 32, 28, 72, 0, 104, 112, 120, 48, 0, 88, 80},
                         {48, 72, 68, 76, 96, 104, 112, 120, 136, 184, 40, 0, 0},
                         {48, 68, 64, 72, 96, 104, 112, 120, 136, 192, 40, 0, 0},
                         {48, 68, 64, 72, 96, 104, 112, 120, 136, 200, 40, 0, 0}};

typedef struct scene {
    fake_target *t;
    rhi_memory memory;
    rhi_reader *reader;
    py_runtime py;
    const struct parts *parts;
    uint64_t objects; /* where the next one goes */
    uint64_t code_type, str_type, weak_type, list_type;
} scene;

static void put(scene *s, uint64_t address, uint64_t value)
{
    fake_put(s->t, address, value, 8);
}

/* ---- objects -------------------------------------------------------------------------------- */

static uint64_t add_object(scene *s, uint64_t type, uint64_t size)
{
    uint64_t at = s->objects;
    s->objects += (size + 31) & ~15ull;
    put(s, at, 1);
    put(s, at + PY_OB_TYPE, type);
    return at;
}

static uint64_t add_str(scene *s, const char *text)
{
    uint64_t at = add_object(s, s->str_type, s->py.at->ascii_data + strlen(text) + 1);
    put(s, at + 16, strlen(text));
    fake_put(s->t, at + 32, 0x64, 4); /* compact, ASCII */
    fake_copy(s->t, at + s->py.at->ascii_data, text, strlen(text));
    return at;
}

static uint64_t add_type(scene *s, const char *name, uint64_t basicsize, uint64_t flags)
{
    uint64_t at = add_object(s, s->py.type_type, 0x1c0), text = s->objects;
    s->objects += 64;
    fake_copy(s->t, text, name, strlen(name));
    put(s, at + PY_TP_NAME, text);
    put(s, at + PY_TP_BASICSIZE, basicsize);
    fake_put(s->t, at + PY_TP_FLAGS, PY_FLAG_READY | flags, 8);
    if (s->py.object_type)
        put(s, at + PY_TP_BASE, s->py.object_type);
    return at;
}

/* ---- code ----------------------------------------------------------------------------------- */

static void put_bytes(scene *s, uint64_t at, const void *bytes, uint64_t size)
{
    put(s, at + 16, size);
    fake_copy(s->t, at + 32, bytes, size);
}

static void make_code(scene *s, const struct python_code *c)
{
    const struct parts *p = s->parts;
    fake_map(s->t, CODE, 0x1000, READ_WRITE, "");
    fake_map(s->t, TABLE, 0x1000, READ_WRITE, "");
    fake_map(s->t, EXCEPTIONS, 0x1000, READ_WRITE, "");
    fake_map(s->t, BYTES, 0x1000, READ_WRITE, "");
    fake_put(s->t, CODE + p->flags, c->flags, 4);
    fake_put(s->t, CODE + p->first_line, 1, 4);
    fake_put(s->t, CODE + p->stack_size, 10, 4);
    put(s, CODE + p->lines, TABLE);
    if (c->lines)
        put_bytes(s, TABLE, c->lines, c->line_size);
    if (c->minor < 11) {
        put(s, CODE + p->bytes, BYTES);
        put_bytes(s, BYTES, c->code, c->code_size);
    } else {
        put(s, CODE + PY_OB_SIZE, c->code_size / 2);
        fake_copy(s->t, CODE + p->bytes, c->code, c->code_size);
        put(s, CODE + p->exceptions, EXCEPTIONS);
        put_bytes(s, EXCEPTIONS, c->exceptions, c->exception_size);
    }
}

/* A byte of the code, as a frame has it. */
static uint64_t instruction(const scene *s, unsigned byte)
{
    return s->py.minor >= 11   ? CODE + s->py.at->code_bytes + byte
           : s->py.minor == 10 ? byte / 2
                               : byte;
}

static scene scene_new(const struct python_code *c)
{
    scene s = {.t = fake_target_new(),
               .parts = &parts[c->minor - PY_MINOR_MIN],
               .objects = OBJECTS,
               .py = {.minor = (uint8_t)c->minor, .at = rhi__py_offsets(c->minor)}};
    fake_map(s.t, OBJECTS, 0x8000, READ_WRITE, "");
    make_code(&s, c);
    return s;
}

static void scene_open(scene *s)
{
    ck_assert_ptr_null(rhi__memory_open(&s->memory, &s->t->target));
    s->py.memory = &s->memory;
}

static void scene_free(scene *s)
{
    if (s->reader)
        rhi__py_types_free(&s->py);
    rhi__reader_free(s->reader);
    rhi__memory_close(&s->memory);
    fake_target_free(s->t);
}

/* ---- lines ---------------------------------------------------------------------------------- */

static unsigned line_at(scene *s, unsigned byte)
{
    return rhi__py_line(&s->py, CODE, instruction(s, byte));
}

START_TEST(each_instruction_is_of_the_line_that_python_says)
{
    const struct python_code *c = &python_f[_i];
    scene s = scene_new(c);
    scene_open(&s);
    for (unsigned i = 0; i < c->piece_count; i++)
        for (unsigned at = c->pieces[i].start; at < c->pieces[i].end; at += 2)
            ck_assert_msg(line_at(&s, at) == c->pieces[i].line,
                          "3.%u, byte %u: line %u instead of %u", c->minor, at, line_at(&s, at),
                          c->pieces[i].line);
    scene_free(&s);
}
END_TEST

START_TEST(lines_without_columns_are_read)
{
    /* python -X no_debug_ranges: two units 70 lines on, one of no line, one a line back */
    static const uint8_t table[] = {0xe9, 0x4c, 0x02, 0xf8, 0xe8, 0x03};
    scene s = scene_new(&python_f[_i]);
    scene_open(&s);
    put_bytes(&s, TABLE, table, sizeof table);
    ck_assert_uint_eq(line_at(&s, 2), 71);
    ck_assert_uint_eq(line_at(&s, 4), 0);
    ck_assert_uint_eq(line_at(&s, 6), 70);
    ck_assert_uint_eq(line_at(&s, 8), 0);
    scene_free(&s);
}
END_TEST

START_TEST(before_the_first_instruction_it_is_the_line_of_the_function)
{
    scene s = scene_new(&python_f[_i]);
    scene_open(&s);
    uint64_t before = s.py.minor >= 11 ? instruction(&s, 0) - 2 : UINT32_MAX;
    ck_assert_uint_eq(rhi__py_line(&s.py, CODE, before), 1);
    fake_put(s.t, TABLE + 16, 0, 8); /* in 3.9 that means: all of it */
    ck_assert_uint_eq(line_at(&s, 0), s.py.minor == 9 ? 1 : 0);
    scene_free(&s);
}
END_TEST

START_TEST(a_table_that_is_cut_or_absent_gives_no_wrong_line)
{
    const struct python_code *c = &python_f[_i];
    scene s = scene_new(c);
    scene_open(&s);
    unsigned last = c->pieces[c->piece_count - 1].end - 2;
    for (uint64_t size = 0; size <= c->line_size; size++) {
        put(&s, TABLE + 16, size);
        for (unsigned at = 0; at <= last; at += 2)
            ck_assert_uint_le(line_at(&s, at), 318);
    }
    put(&s, TABLE + 16, UINT64_MAX);
    ck_assert_uint_le(line_at(&s, last), 318);
    memset(fake_bytes(s.t, TABLE + 32, 0x800), 0x7f, 0x800);
    for (unsigned at = 0; at <= last; at += 2)
        line_at(&s, at); /* nonsense, but it comes back */
    put(&s, CODE + s.parts->lines, 0xdead0000);
    ck_assert_uint_eq(line_at(&s, 0), 0);
    ck_assert_uint_eq(rhi__py_line(&s.py, 0xdead0000, 0), 0);
    scene_free(&s);
}
END_TEST

/* ---- depths --------------------------------------------------------------------------------- */

static int64_t depth_at(scene *s, unsigned byte)
{
    py_opcode opcodes[256];
    rhi__py_opcodes(&s->py, opcodes);
    return rhi__py_depth(&s->py, opcodes, CODE, instruction(s, byte)).values;
}

START_TEST(the_stack_is_as_deep_as_python_says_before_each_instruction)
{
    const struct python_code *both[] = {&python_f[_i], &python_h[_i]};
    for (unsigned i = 0; i < 2; i++) {
        scene s = scene_new(both[i]);
        scene_open(&s);
        ck_assert_uint_eq(strlen(both[i]->depths) * 2, both[i]->code_size);
        for (unsigned unit = 0; both[i]->depths[unit]; unit++)
            if (both[i]->depths[unit] != '.')
                ck_assert_msg(depth_at(&s, unit * 2) == both[i]->depths[unit] - '0',
                              "3.%u, %c, byte %u: %d instead of %d", both[i]->minor, i ? 'h' : 'f',
                              unit * 2, (int)depth_at(&s, unit * 2), both[i]->depths[unit] - '0');
        scene_free(&s);
    }
}
END_TEST

START_TEST(of_code_that_makes_no_sense_no_depth_is_said)
{
    const struct python_code *c = &python_f[_i];
    scene s = scene_new(c);
    scene_open(&s);
    uint64_t at = c->minor < 11 ? BYTES + 32 : CODE + s.py.at->code_bytes;
    ck_assert_int_eq(depth_at(&s, (unsigned)c->code_size), -1); /* behind its end */
    fake_put(s.t, at, 255, 1);                                  /* an instruction of none */
    ck_assert_int_eq(depth_at(&s, 2), -1);
    for (unsigned seed = 0; seed < 2000; seed++) {
        uint8_t *bytes = fake_bytes(s.t, at, c->code_size);
        for (uint64_t i = 0; i < c->code_size; i++)
            bytes[i] = (uint8_t)((seed * 2654435761u + i * 40503u) >> 7 ^ i * seed);
        ck_assert_int_le(depth_at(&s, (unsigned)c->code_size - 2), INT16_MAX);
    }
    put(&s, (c->minor < 11 ? BYTES : CODE) + 16, UINT64_MAX / 2);
    ck_assert_int_eq(depth_at(&s, 0), -1);
    scene_free(&s);
}
END_TEST

/* ---- a scene with an interpreter and a thread ------------------------------------------------ */

enum {
    LOCALS = 3,
    LIVE = 0x111000,
    DEAD = 0x222000,
    STACK_SIZE = 10,
    FRAME_BYTES = 72 + 8 * (LOCALS + STACK_SIZE)
};

static void make_types(scene *s)
{
    s->py.type_type = add_type(s, "type", 880, PY_FLAG_TYPE);
    put(s, s->py.type_type + PY_OB_TYPE, s->py.type_type);
    s->py.object_type = add_type(s, "object", 16, 0);
    put(s, s->py.type_type + PY_TP_BASE, s->py.object_type);
    s->code_type = add_type(s, "code", 176, 0);
    s->str_type = add_type(s, "str", 80, PY_FLAG_STR);
    s->weak_type = add_type(s, "weakref", 72, PY_FLAG_GC);
    s->list_type = add_type(s, "list", 40, PY_FLAG_GC | PY_FLAG_LIST);
}

static void name_code(scene *s)
{
    const struct parts *p = s->parts;
    uint64_t names = add_object(s, 0, 24 + 8 * LOCALS), kinds = add_object(s, 0, 64);
    put(s, CODE + PY_OB_TYPE, s->code_type);
    put(s, CODE + p->filename, add_str(s, "/srv/app.py"));
    put(s, CODE + p->name, add_str(s, "handle"));
    put(s, names + 16, LOCALS);
    put(s, names + 24, add_str(s, "request"));
    put(s, names + 32, add_str(s, "unbound"));
    put(s, names + 40, add_str(s, "shared"));
    fake_put(s->t, CODE + p->locals, LOCALS, 4);
    put(s, CODE + p->names, names);
    if (p->kinds) {
        put(s, CODE + p->kinds, kinds);
        put(s, kinds + 16, LOCALS);
        fake_put(s->t, kinds + 32, 0x402020, 3); /* two locals, a cell */
    } else {
        uint64_t none = add_object(s, 0, 24);
        put(s, CODE + p->cellvars, none);
        put(s, CODE + p->freevars, none);
    }
}

static void make_interpreter(scene *s)
{
    static const unsigned thread_field[] = {24, 24, 56, 56, 72};
    const py_offsets *at = s->py.at;
    fake_map(s->t, INTERPRETER, INTERPRETER_BYTES, READ_WRITE, "");
    fake_map(s->t, THREAD, 0x2000, READ_WRITE, "");
    put(s, INTERPRETER + at->threads_head, THREAD);
    put(s, THREAD + at->thread_interpreter, INTERPRETER);
    put(s, THREAD + at->thread_id, 0x7f0000001000);
    if (at->native_id != PY_ABSENT)
        put(s, THREAD + at->native_id, 99);
    if (at->through_cframe != PY_ABSENT)
        put(s, THREAD + thread_field[s->py.minor - PY_MINOR_MIN], CFRAME);
    fake_map(s->t, KERNEL_STACK, 0x1000, READ_WRITE, "");
    fake_thread(s->t, 4711, KERNEL_STACK + 0x800);
    fake_register(s->t, "fs_base", 0x7f0000001000);
}

static void open_types(scene *s)
{
    scene_open(s);
    s->reader = calloc(1, sizeof *s->reader);
    s->reader->memory = &s->memory;
    s->py.reader = s->reader;
    ck_assert(rhi__array_reserve(&s->reader->heaps, 1));
    s->reader->heaps.items[s->reader->heaps.count++] =
        (rhi_heap_info){.name = "python", .phase = "idle"};
    ck_assert_ptr_null(rhi__py_types_open(&s->py));
}

/* Opens memory, types and roots, once all was written. */
static void open_roots(scene *s)
{
    py_interpreter interpreter = {.address = INTERPRETER, .gc = INTERPRETER + s->py.at->gc};
    s->py.interpreters.items = &interpreter;
    s->py.interpreters.count = 1;
    open_types(s);
    rhi__py_type_at(&s->py, s->list_type);
    ck_assert_ptr_null(rhi__py_roots_open(&s->py));
    s->py.interpreters.items = NULL;
    s->py.interpreters.count = 0;
    rhi__sort_own(s->reader);
}

/* ---- names of variables in code ------------------------------------------------------------- */

typedef struct names_scene {
    scene s;
    py_opcode opcodes[256];
    uint8_t roles[256], bytes[512];
    py_code code;
} names_scene;

static names_scene *names_open(int version)
{
    static const char *const names[] = {"cache", "setdefault", "append", "table", "g", "get"};
    enum { COUNT = sizeof names / sizeof *names };
    names_scene *n = calloc(1, sizeof *n);
    n->s = scene_new(&python_f[version]);
    make_types(&n->s);
    uint64_t tuple = add_object(&n->s, 0, 24 + 8 * COUNT);
    put(&n->s, tuple + PY_OB_SIZE, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        put(&n->s, tuple + 24 + 8 * i, add_str(&n->s, names[i]));
    py_interpreter interpreter = {.address = 0};
    n->s.py.interpreters.items = &interpreter;
    open_types(&n->s);
    rhi__py_type_at(&n->s.py, n->s.str_type);
    n->s.py.interpreters.items = NULL;
    rhi__py_opcodes(&n->s.py, n->opcodes);
    rhi__py_roles(&n->s.py, n->roles);
    memcpy(n->bytes, python_g[version].code, python_g[version].size);
    n->code = (py_code){.py = &n->s.py,
                        .opcodes = n->opcodes,
                        .roles = n->roles,
                        .bytes = n->bytes,
                        .units = python_g[version].size / 2,
                        .names = tuple,
                        .name_count = COUNT};
    return n;
}

static void names_free(names_scene *n)
{
    scene_free(&n->s);
    free(n);
}

/* What becomes of each global in the code, a line each; false: it is not decoded to its end. */
static bool write_fates(const names_scene *n, char *text, size_t size)
{
    py_instruction i;
    uint64_t unit = 0, steps = 100000;
    char name[PY_USE_NAME_SIZE];
    text[0] = '\0';
    for (; unit < n->code.units && rhi__py_instruction(&n->code, unit, &i); unit = i.next)
        if (i.role == PY_LOAD_GLOBAL &&
            rhi__py_name_text(&n->code, rhi__py_name_of(&n->code, &i), name)) {
            py_fate fate = rhi__py_fate(&n->code, &i, name, true, &steps);
            size_t used = strlen(text);
            snprintf(text + used, size - used, "%u %s\n", fate.kind, fate.text);
        }
    return unit >= n->code.units;
}

START_TEST(what_becomes_of_a_global_is_told_in_each_version)
{
    names_scene *n = names_open(_i);
    char text[4096], wanted[512];
    snprintf(wanted, sizeof wanted,
             "%u cache[…] = …\n%u cache.setdefault(…)\n%u table[…] += …\n%u g(…)\n%u cache\n"
             "%u del cache[…]\n%u cache.get(…)\n%u cache\n",
             RHI_USE_FILLS, RHI_USE_FILLS, RHI_USE_FILLS, RHI_USE_READS, RHI_USE_PASSES,
             RHI_USE_EMPTIES, RHI_USE_READS, RHI_USE_PASSES);
    ck_assert(write_fates(n, text, sizeof text));
    ck_assert_str_eq(text, wanted);
    names_free(n);
}
END_TEST

START_TEST(each_instruction_with_a_role_is_known)
{
    names_scene *n = names_open(_i);
    for (unsigned i = 0; i < 256; i++) {
        bool is_known = n->opcodes[i].flow != PY_UNKNOWN;
        if (_i > 0) /* 3.9 has the table of 3.10 */
            ck_assert(n->roles[i] == PY_NO_ROLE || is_known);
        ck_assert(n->roles[i] == PY_NO_ROLE || !is_known || n->opcodes[i].base == i);
    }
    names_free(n);
}
END_TEST

START_TEST(code_that_makes_no_sense_comes_to_an_end)
{
    names_scene *n = names_open(_i);
    char text[1 << 16];
    uint64_t all = n->code.units;
    for (n->code.units = 0; n->code.units < all; n->code.units++)
        write_fates(n, text, sizeof text);
    for (unsigned seed = 0; seed < 2000; seed++) {
        for (uint64_t i = seed % 5 == 0 ? 0 : seed % 37; i < 2 * all; i += 1 + seed % 5)
            n->bytes[i] = (uint8_t)((seed * 2654435761u + i * 40503u) >> 7 ^ i * seed);
        write_fates(n, text, sizeof text);
    }
    names_free(n);
}
END_TEST

/* The name of the root in that slot; "": none. Fails if there are two. */
static const char *root_at(const scene *s, uint64_t slot)
{
    const char *name = "";
    for (uint64_t i = 0; i < s->reader->roots.count; i++)
        if (s->reader->roots.items[i].slot == slot) {
            ck_assert_str_eq(name, "");
            name = s->reader->roots.items[i].name;
        }
    return name;
}

static bool is_guess(const scene *s, uint64_t slot)
{
    for (uint64_t i = 0; i < s->reader->roots.count; i++)
        if (s->reader->roots.items[i].slot == slot)
            return s->reader->roots.items[i].is_guess;
    return false;
}

static void must_be_root(const scene *s, uint64_t slot, const char *name)
{
    ck_assert_str_eq(root_at(s, slot), name);
}

static bool owns_nothing(const scene *s, uint64_t address)
{
    const rhi_own_range *range = rhi__own_at(s->reader, address);
    return range && !range->has_blocks;
}

/* A frame in the data stack, from 3.11 on; stacktop as it is stored. */
static void put_frame(scene *s, uint64_t frame, uint64_t previous, unsigned byte, int stacktop,
                      unsigned owner)
{
    const py_offsets *at = s->py.at;
    uint64_t locals = frame + at->frame_size;
    put(s, frame + at->frame_code, CODE);
    put(s, frame + at->frame_function, LIVE);
    put(s, frame + at->frame_previous, previous);
    put(s, frame + at->frame_instruction, instruction(s, byte));
    fake_put(s->t, frame + at->frame_stacktop, (uint32_t)stacktop, 4);
    fake_put(s->t, frame + at->frame_owner, owner, 1);
    put(s, locals, LIVE);
    put(s, locals + 16, LIVE);
    for (unsigned i = LOCALS; i < LOCALS + 10; i++)
        put(s, locals + 8 * i, DEAD);
}

/* A running frame, a caller of known depth, and its caller; in 3.12 and later one of the C stack
 * between. */
static void put_frames(scene *s, unsigned byte)
{
    const py_offsets *at = s->py.at;
    uint64_t first = STACK + STACK_DATA, entry = CFRAME + 0x100,
             frames[] = {first + 2 * FRAME_BYTES, first + FRAME_BYTES, first};
    fake_map(s->t, STACK, STACK_BYTES, READ_WRITE, "");
    put(s, THREAD + at->datastack_chunk, STACK);
    put(s, THREAD + at->datastack_top, first + 3 * FRAME_BYTES);
    put(s, STACK + 8, STACK_BYTES);
    put_frame(s, frames[0], s->py.minor >= 12 ? entry : frames[1], byte, -1, 0);
    put_frame(s, frames[1], frames[2], 4, LOCALS + 1, 0);
    put_frame(s, frames[2], 0, 0, LOCALS, 0);
    if (s->py.minor >= 12) {
        put(s, entry + at->frame_previous, frames[1]);
        fake_put(s->t, entry + at->frame_owner, 3, 1);
    }
    if (at->through_cframe != PY_ABSENT)
        put(s, CFRAME + at->through_cframe, frames[0]);
    else
        put(s, THREAD + at->thread_frame, frames[0]);
}

/* ---- frames --------------------------------------------------------------------------------- */

/* The first byte of f before which the stack has two values, and its line. */
static unsigned two_deep(const struct python_code *c, unsigned *line)
{
    unsigned byte = 2 * (unsigned)(strchr(c->depths, '2') - c->depths);
    for (unsigned i = 0; i < c->piece_count; i++)
        if (byte >= c->pieces[i].start && byte < c->pieces[i].end)
            *line = c->pieces[i].line;
    return byte;
}

START_TEST(what_frames_own_are_roots_with_names_and_nothing_else_is)
{
    unsigned line = 0, byte = two_deep(&python_f[_i], &line);
    char place[64], text[128];
    scene s = scene_new(&python_f[_i]);
    const py_offsets *at = s.py.at;
    make_types(&s);
    name_code(&s);
    make_interpreter(&s);
    put_frames(&s, byte);
    open_roots(&s);
    ck_assert_uint_eq(s.reader->problems.count, 0);
    uint64_t frame = STACK + STACK_DATA + 2 * FRAME_BYTES, locals = frame + at->frame_size;
    snprintf(place, sizeof place, "handle() at app.py:%u, thread 4711", line);
    snprintf(text, sizeof text, "local 'request' in %s", place);
    must_be_root(&s, locals, text);
    must_be_root(&s, locals + 8, ""); /* it has no value */
    snprintf(text, sizeof text, "cell of 'shared' in %s", place);
    must_be_root(&s, locals + 16, text);
    snprintf(text, sizeof text, "value stack of %s", place);
    must_be_root(&s, locals + 24, text);
    must_be_root(&s, locals + 32, text);
    must_be_root(&s, locals + 40, ""); /* left from before */
    snprintf(text, sizeof text, "function of %s", place);
    must_be_root(&s, frame + at->frame_function, text);
    snprintf(text, sizeof text, "code of %s", place);
    must_be_root(&s, frame + at->frame_code, text);
    /* the caller, whose depth is kept */
    locals -= FRAME_BYTES;
    ck_assert_str_ne(root_at(&s, locals + 24), "");
    must_be_root(&s, locals + 32, "");
    locals -= FRAME_BYTES;
    ck_assert_str_ne(root_at(&s, locals), "");
    must_be_root(&s, locals + 24, "");
    for (uint64_t i = STACK; i < STACK + STACK_BYTES; i += 8)
        ck_assert(owns_nothing(&s, i));
    scene_free(&s);
}
END_TEST

/* f's call of g(2): what a call takes from the stack it may have given back, where it waits for its
 * turn to go on; what lies below is the frame's in any case. */
START_TEST(what_a_running_instruction_takes_is_guessed)
{
    static const struct {
        unsigned byte, depth, steady;
    } calls[] = {{24, 5, 3}, {24, 5, 3}, {40, 6, 3}, {38, 6, 3}, {50, 6, 3}};
    scene s = scene_new(&python_f[_i]);
    make_types(&s);
    name_code(&s);
    make_interpreter(&s);
    put_frames(&s, calls[_i].byte);
    open_roots(&s);
    uint64_t locals = STACK + STACK_DATA + 2 * FRAME_BYTES + s.py.at->frame_size,
             stack = locals + 8 * LOCALS;
    for (unsigned i = 0; i < calls[_i].depth; i++) {
        ck_assert_str_ne(root_at(&s, stack + 8 * i), "");
        ck_assert(is_guess(&s, stack + 8 * i) == (i >= calls[_i].steady));
    }
    must_be_root(&s, stack + 8 * calls[_i].depth, "");
    ck_assert(!is_guess(&s, locals));
    if (s.py.minor == 11) /* of the frame that called it; later ones have one of C between */
        ck_assert(!is_guess(&s, stack - FRAME_BYTES));
    scene_free(&s);
}
END_TEST

START_TEST(what_a_frame_holds_that_is_taken_down_is_guessed)
{
    for (unsigned way = 0; way < 2; way++) {
        scene s = scene_new(&python_f[_i]);
        uint64_t frame = STACK + STACK_DATA + FRAME_BYTES, locals = frame + s.py.at->frame_size;
        make_types(&s);
        name_code(&s);
        make_interpreter(&s);
        put_frames(&s, 4);
        if (way == 0) /* nothing runs for it: it is the innermost */
            fake_put(s.t, frame + FRAME_BYTES + s.py.at->frame_stacktop, LOCALS, 4);
        else if (s.py.minor == 11) /* a finalizer runs, called from C */
            fake_put(s.t, frame + FRAME_BYTES + 68, 1, 1);
        open_roots(&s);
        ck_assert(is_guess(&s, locals + FRAME_BYTES) == (way == 0));
        ck_assert(is_guess(&s, locals) == (way == 1 || s.py.minor >= 12));
        ck_assert(!is_guess(&s, locals - FRAME_BYTES));
        scene_free(&s);
    }
}
END_TEST

START_TEST(words_of_a_frame_that_is_just_being_entered_stay_words)
{
    scene s = scene_new(&python_f[_i]);
    make_types(&s);
    name_code(&s);
    make_interpreter(&s);
    put_frames(&s, 4);
    uint64_t next = STACK + STACK_DATA + 3 * FRAME_BYTES;
    put(&s, THREAD + s.py.at->datastack_top, next + FRAME_BYTES);
    put(&s, next, LIVE);
    open_roots(&s);
    for (uint64_t i = STACK; i < STACK + STACK_BYTES; i += 8)
        ck_assert(owns_nothing(&s, i) == (i < next || i >= next + FRAME_BYTES));
    scene_free(&s);
}
END_TEST

START_TEST(where_the_depth_is_not_known_words_stay_words)
{
    scene s = scene_new(&python_f[_i]);
    make_types(&s);
    name_code(&s);
    make_interpreter(&s);
    put_frames(&s, 6);
    fake_put(s.t, CODE + s.py.at->code_bytes, 255, 1);
    open_roots(&s);
    uint64_t locals = STACK + STACK_DATA + 2 * FRAME_BYTES + s.py.at->frame_size,
             stack = locals + 8 * LOCALS;
    ck_assert_str_ne(root_at(&s, locals), "");
    for (uint64_t i = STACK; i < STACK + STACK_BYTES; i += 8)
        ck_assert(owns_nothing(&s, i) == (i < stack || i >= stack + 80));
    for (uint64_t i = stack; i < stack + 80; i += 8)
        must_be_root(&s, i, "");
    scene_free(&s);
}
END_TEST

START_TEST(a_running_generator_leaves_its_value_stack_to_the_thread)
{
    scene s = scene_new(&python_f[_i]);
    make_types(&s);
    name_code(&s);
    make_interpreter(&s);
    put_frames(&s, two_deep(&python_f[_i], &(unsigned){0}));
    uint64_t frame = STACK + STACK_DATA + 2 * FRAME_BYTES, locals = frame + s.py.at->frame_size;
    fake_put(s.t, frame + s.py.at->frame_owner, 1, 1);
    open_roots(&s);
    must_be_root(&s, locals, "");
    must_be_root(&s, frame + s.py.at->frame_code, "");
    ck_assert_str_ne(root_at(&s, locals + 24), "");
    ck_assert_str_ne(root_at(&s, locals + 32), "");
    must_be_root(&s, locals + 40, "");
    scene_free(&s);
}
END_TEST

START_TEST(frames_that_break_off_are_noted)
{
    for (unsigned way = 0; way < 5; way++) {
        scene s = scene_new(&python_f[_i]);
        const py_offsets *at = s.py.at;
        uint64_t frame = STACK + STACK_DATA + FRAME_BYTES;
        make_types(&s);
        name_code(&s);
        make_interpreter(&s);
        put_frames(&s, 4);
        if (way == 0)
            put(&s, frame + at->frame_previous, 0xdead0000);
        else if (way == 1)
            put(&s, frame + at->frame_previous, frame); /* a circle */
        else if (way == 2)
            put(&s, frame + at->frame_code, LIVE);
        else if (way == 3)
            fake_put(s.t, frame + at->frame_stacktop, 1000, 4);
        else
            fake_put(s.t, CODE + s.parts->stack_size, 0x7fffffff, 4);
        open_roots(&s);
        ck_assert_uint_eq(s.reader->problems.count, 1);
        scene_free(&s);
    }
}
END_TEST

/* Before 3.11 frames are objects, which own their locals: of the value stack they do not know.
 * Writes two, the first innermost. */
static void put_frame_objects(scene *s, unsigned byte)
{
    const py_offsets *at = s->py.at;
    uint64_t frames[] = {FRAME_OBJECTS, FRAME_OBJECTS + 0x400};
    fake_map(s->t, FRAME_OBJECTS, 0x1000, READ_WRITE, "");
    for (unsigned i = 0; i < 2; i++) {
        uint64_t stack = frames[i] + (s->py.minor == 9 ? 360 : 352) + 8 * LOCALS;
        put(s, frames[i] + at->frame_previous, i == 0 ? frames[1] : 0);
        put(s, frames[i] + at->frame_code, CODE);
        put(s, frames[i] + 64, stack);
        fake_put(s->t, frames[i] + at->frame_instruction, instruction(s, byte), 4);
        if (s->py.minor == 10)
            fake_put(s->t, frames[i] + at->frame_stacktop, UINT32_MAX, 4);
        for (unsigned k = 0; k < 5; k++)
            put(s, stack + 8 * k, DEAD);
    }
    put(s, THREAD + at->thread_frame, frames[0]);
}

START_TEST(frames_that_are_objects_leave_their_value_stack_to_the_thread)
{
    for (unsigned of_generator = 0; of_generator < 2; of_generator++) {
        unsigned line = 0, byte = two_deep(&python_f[_i], &line);
        scene s = scene_new(&python_f[_i]);
        unsigned is_9 = s.py.minor == 9, locals = is_9 ? 360 : 352;
        char text[128];
        make_types(&s);
        name_code(&s);
        make_interpreter(&s);
        put_frame_objects(&s, byte);
        if (of_generator) /* the generator owns it */
            put(&s, FRAME_OBJECTS + (is_9 ? 96 : 88), LIVE);
        open_roots(&s);
        ck_assert_uint_eq(s.reader->problems.count, 0);
        snprintf(text, sizeof text, "frame of handle() at app.py:%u, thread 4711", line);
        must_be_root(&s, THREAD + s.py.at->thread_frame, of_generator ? "" : text);
        snprintf(text, sizeof text, "value stack of handle() at app.py:%u, thread 4711", line);
        for (unsigned i = 0; i < 2; i++) {
            uint64_t stack = FRAME_OBJECTS + 0x400 * i + locals + 8 * LOCALS;
            must_be_root(&s, stack, text);
            must_be_root(&s, stack + 8, text);
            must_be_root(&s, stack + 16, "");
            must_be_root(&s, stack - 8, "");
        }
        scene_free(&s);
    }
}
END_TEST

/* ---- interpreters and threads --------------------------------------------------------------- */

START_TEST(what_interpreters_and_threads_own_are_roots)
{
    static const unsigned exception[] = {120, 120, 320, 256, 256};
    scene s = scene_new(&python_f[_i]);
    const py_offsets *at = s.py.at;
    make_types(&s);
    make_interpreter(&s);
    put(&s, INTERPRETER + at->modules, LIVE);
    put(&s, INTERPRETER + at->sysdict, LIVE);
    put(&s, INTERPRETER + at->builtins, LIVE);
    put(&s, INTERPRETER + at->gc + PY_GC_GARBAGE, LIVE);
    put(&s, INTERPRETER + at->gc + PY_GC_GENERATIONS, LIVE);
    put(&s, THREAD + at->thread_dict, LIVE);
    put(&s, THREAD + at->thread_context, LIVE);
    put(&s, THREAD + exception[_i], LIVE);
    if (at->type_cache != PY_ABSENT) {
        put(&s, INTERPRETER + at->type_cache + 8, LIVE);
        put(&s, INTERPRETER + at->type_cache + 16, DEAD);
    }
    open_roots(&s);
    must_be_root(&s, INTERPRETER + at->modules, "sys.modules");
    must_be_root(&s, INTERPRETER + at->sysdict, "sys.__dict__");
    must_be_root(&s, INTERPRETER + at->builtins, "builtins.__dict__");
    must_be_root(&s, INTERPRETER + at->gc + PY_GC_GARBAGE, "gc.garbage");
    must_be_root(&s, INTERPRETER + at->gc + PY_GC_GENERATIONS, "");
    ck_assert(owns_nothing(&s, INTERPRETER + at->gc + PY_GC_GENERATIONS));
    must_be_root(&s, THREAD + at->thread_dict, "dict of the thread's state, thread 4711");
    must_be_root(&s, THREAD + at->thread_context, "context, thread 4711");
    must_be_root(&s, THREAD + exception[_i], "exception that is being handled, thread 4711");
    ck_assert(owns_nothing(&s, THREAD + at->thread_dict));
    if (at->type_cache != PY_ABSENT) {
        must_be_root(&s, INTERPRETER + at->type_cache + 8, "cache of types' attributes");
        must_be_root(&s, INTERPRETER + at->type_cache + 16, "");
        ck_assert(owns_nothing(&s, INTERPRETER + at->type_cache + 16));
    }
    if (at->callable_cache != PY_ABSENT)
        ck_assert(owns_nothing(&s, INTERPRETER + at->callable_cache));
    ck_assert(!owns_nothing(&s, INTERPRETER + at->modules));
    scene_free(&s);
}
END_TEST

/* Entries at `at`: so many lead to lists that are free, then so many to lists that are not. */
static void put_entries(scene *s, uint64_t at, unsigned free, unsigned live)
{
    for (unsigned i = 0; i < free + live; i++) {
        uint64_t list = ARENA + 0x1000 + 64 * i;
        put(s, at + 8 * i, i < free ? list : list + 0x10000);
        put(s, list + PY_OB_TYPE, s->list_type);
        put(s, list + 0x10000, 1);
        put(s, list + 0x10000 + PY_OB_TYPE, s->list_type);
    }
}

/* In 3.9. */
START_TEST(an_array_of_objects_that_are_kept_for_reuse_owns_nothing)
{
    enum { KEPT = VARIABLES + 0x100, HELD = 0x400, FEW = 0x500, SHIFTED = 0x608, LONG = 0x800 };
    static uint64_t arenas[] = {ARENA};
    scene s = scene_new(&python_f[_i]);
    bool is_9 = s.py.minor == 9;
    make_types(&s);
    make_interpreter(&s);
    fake_map(s.t, VARIABLES, 0x2000, READ_WRITE, "");
    fake_map(s.t, ARENA, 0x40000, READ_WRITE, "");
    s.py.address = VARIABLES + 0x1f00;
    s.py.arenas.items = arenas;
    s.py.arenas.count = 1;
    put_entries(&s, KEPT, 4, 3);
    put(&s, KEPT + 8 * 7, ARENA + 0x20000); /* of which something else was made */
    put(&s, KEPT + 8 * 9, ARENA + 0x11000); /* a variable of its own */
    put_entries(&s, VARIABLES + HELD, 0, 8);
    put_entries(&s, VARIABLES + FEW, 3, 2);
    put_entries(&s, VARIABLES + SHIFTED, 5, 2);
    put_entries(&s, VARIABLES + LONG, 41, 40);
    open_roots(&s);
    ck_assert_uint_eq(s.reader->problems.count, 0);
    for (unsigned i = 0; i < 8; i++)
        ck_assert_int_eq(owns_nothing(&s, KEPT + 8 * i), is_9);
    ck_assert(!owns_nothing(&s, KEPT - 8) && !owns_nothing(&s, KEPT + 8 * 9));
    for (uint64_t at = VARIABLES + HELD; at < VARIABLES + 0x1000; at += 8)
        ck_assert_msg(!owns_nothing(&s, at), "0x%" PRIx64, at);
    s.py.arenas.items = NULL;
    scene_free(&s);
}
END_TEST

START_TEST(what_a_thread_hands_on_when_it_ends_is_owned_if_it_is_a_weak_reference)
{
    static const unsigned at_end[] = {208, 208, 192, 176};
    scene s = scene_new(&python_f[_i]);
    make_types(&s);
    make_interpreter(&s);
    put(&s, THREAD + at_end[_i] - 8, 0x401000);
    uint64_t reference = add_object(&s, s.weak_type, 72);
    put(&s, THREAD + at_end[_i], reference);
    open_roots(&s);
    must_be_root(&s, THREAD + at_end[_i], "lock for the end of thread 4711");
    scene_free(&s);
    s = scene_new(&python_f[_i]); /* of another program: whatever it is */
    make_types(&s);
    make_interpreter(&s);
    put(&s, THREAD + at_end[_i] - 8, 0x401000);
    put(&s, THREAD + at_end[_i], THREAD);
    open_roots(&s);
    must_be_root(&s, THREAD + at_end[_i], "");
    scene_free(&s);
}
END_TEST

START_TEST(a_collection_that_was_stopped_makes_the_heap_provisional)
{
    for (unsigned collecting = 0; collecting < 2; collecting++) {
        scene s = scene_new(&python_f[_i]);
        uint64_t gc = INTERPRETER + s.py.at->gc;
        make_types(&s);
        make_interpreter(&s);
        fake_put(s.t, gc + PY_GC_ENABLED, 1, 4);
        fake_put(s.t, gc + PY_GC_COLLECTING, collecting, 4);
        for (unsigned i = 0; i < 3; i++) {
            put(&s, gc + PY_GC_STATS + 24 * i, 10 + i);
            put(&s, gc + PY_GC_STATS + 24 * i + 8, 100 * i);
        }
        open_roots(&s);
        const rhi_heap_info *info = &s.reader->heaps.items[0];
        ck_assert(info->provisional == (collecting != 0));
        ck_assert_str_eq(info->phase, collecting ? "collecting" : "idle");
        ck_assert(info->gc_enabled);
        ck_assert_uint_eq(info->collections, 33);
        ck_assert_uint_eq(info->reclaimed, 300);
        scene_free(&s);
    }
}
END_TEST

START_TEST(threads_that_break_off_or_go_round_are_noted)
{
    for (unsigned way = 0; way < 3; way++) {
        scene s = scene_new(&python_f[_i]);
        make_types(&s);
        make_interpreter(&s);
        if (way == 0)
            put(&s, THREAD + s.py.at->thread_next, THREAD);
        else if (way == 1)
            put(&s, THREAD + s.py.at->thread_next, 0xdead0000);
        else
            put(&s, THREAD + s.py.at->thread_interpreter, LIVE);
        open_roots(&s);
        ck_assert_uint_eq(s.reader->problems.count, 1);
        scene_free(&s);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect_python_frames");
    TCase *tcase = tcase_create("inspect_python_frames");
    enum { NEW = 2 /* from 3.11 on */ };
    tcase_set_timeout(tcase, 600);
#define EACH(test) tcase_add_loop_test(tcase, test, 0, PYTHON_CODES)
#define NEWER(test) tcase_add_loop_test(tcase, test, NEW, PYTHON_CODES)
    EACH(each_instruction_is_of_the_line_that_python_says);
    NEWER(lines_without_columns_are_read);
    EACH(before_the_first_instruction_it_is_the_line_of_the_function);
    EACH(a_table_that_is_cut_or_absent_gives_no_wrong_line);
    EACH(the_stack_is_as_deep_as_python_says_before_each_instruction);
    EACH(of_code_that_makes_no_sense_no_depth_is_said);
    EACH(what_becomes_of_a_global_is_told_in_each_version);
    EACH(each_instruction_with_a_role_is_known);
    EACH(code_that_makes_no_sense_comes_to_an_end);
    NEWER(what_frames_own_are_roots_with_names_and_nothing_else_is);
    NEWER(words_of_a_frame_that_is_just_being_entered_stay_words);
    NEWER(what_a_running_instruction_takes_is_guessed);
    NEWER(what_a_frame_holds_that_is_taken_down_is_guessed);
    NEWER(where_the_depth_is_not_known_words_stay_words);
    NEWER(a_running_generator_leaves_its_value_stack_to_the_thread);
    NEWER(frames_that_break_off_are_noted);
    tcase_add_loop_test(tcase, frames_that_are_objects_leave_their_value_stack_to_the_thread, 0,
                        NEW);
    EACH(what_interpreters_and_threads_own_are_roots);
    EACH(an_array_of_objects_that_are_kept_for_reuse_owns_nothing);
    tcase_add_loop_test(tcase,
                        what_a_thread_hands_on_when_it_ends_is_owned_if_it_is_a_weak_reference, 0,
                        PYTHON_CODES - 1);
    EACH(a_collection_that_was_stopped_makes_the_heap_provisional);
    EACH(threads_that_break_off_or_go_round_are_noted);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
