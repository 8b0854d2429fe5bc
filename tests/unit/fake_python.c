/* fake_python.c - a CPython in a fake target (see fake_python.h). */
#include "fake_python.h"

#include <check.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>

enum {
    LINK_BASE = 0x400000, /* of fake_module */
    TYPE_BYTES = 0x400,
    TYPES_AT = 0x80000, /* in the library's data */
    GENERATIONS = 24,
    PERMANENT = 104
};

/* clang-format off */
static const fake_python_places places[] = {
    {.head = 32, .next = 0, .id = 24, .threads = 8, .runtime = 16, .gc = 616, .modules = 856,
     .sysdict = 872, .builtins = 880, .pool_bytes = 4096, .text = 48},
    {.head = 32, .next = 0, .id = 24, .threads = 8, .runtime = 16, .gc = 616, .modules = 856,
     .sysdict = 872, .builtins = 880, .pool_bytes = 16384, .text = 48},
    {.head = 40, .main_interpreter = 58936, .next = 0, .id = 48, .threads = 16, .runtime = 40,
     .gc = 648, .modules = 888, .sysdict = 904, .builtins = 912, .pool_bytes = 16384, .text = 48},
    {.head = 40, .main_interpreter = 76392, .next = 0, .id = 8, .threads = 72, .runtime = 96,
     .gc = 112, .modules = 944, .sysdict = 352, .builtins = 360, .pool_bytes = 16384, .text = 40},
    {.head = 632, .main_interpreter = 88352, .next = 7264, .id = 7272, .threads = 7344,
     .runtime = 7376, .gc = 7400, .modules = 7656, .sysdict = 7640, .builtins = 7648,
     .pool_bytes = 16384, .text = 40},
};

/* _Py_DebugOffsets of 3.13.0, behind the cookie. */
static const uint64_t published[] = {
    0x030d00f0, 0, 283320, 608, 632,                                                  /* runtime */
    194968, 7272, 7264, 7344, 7400, 7656, 7640, 7648, 16, 7752, 0, 7768, 7760,    /* interpreter */
    304, 0, 8, 16, 72, 152, 160, 232, 32,                                              /* thread */
    80, 8, 0, 56, 72, 70,                                                               /* frame */
    208, 112, 120, 128, 136, 68, 52, 96, 104, 200,                                       /* code */
    16, 8, 416, 24, 88, 168, 32, 24, 16, 40, 24, 16, 48, 32, 40, /* object … dict */
    24, 16, 32, 16, 24, 40, 16, 32, 64, 32, 16, 40,                  /* float, int, bytes, str */
    240, 200,                                                                       /* collector */
};
/* clang-format on */

static void put(const fake_python *p, uint64_t address, uint64_t value)
{
    fake_put(p->t, address, value, 8);
}

uint64_t fake_python_room(fake_python *p, uint64_t size)
{
    uint64_t at = p->room;
    p->room = (at + size + 15) & ~15ull;
    ck_assert_uint_le(p->room, p->heap + FAKE_PYTHON_HEAP);
    return at;
}

static uint64_t new_type(const fake_python *p, unsigned number, uint64_t basicsize, uint32_t flags)
{
    enum { READY = 1 << 12, BASE_TYPE = 1 << 10 };
    uint64_t at = p->base + FAKE_MODULE_DATA + TYPES_AT + (uint64_t)number * TYPE_BYTES;
    put(p, at, 1 << 20);
    put(p, at + 8, p->type ? p->type : at);
    put(p, at + 32, basicsize);
    put(p, at + 168, flags | READY | BASE_TYPE);
    put(p, at + 256, p->object);
    return at;
}

static void make_types(fake_python *p)
{
    const uint32_t gc = 1 << 14;
    p->type = new_type(p, 0, 880, 1u << 31 | gc);
    p->object = new_type(p, 1, 16, 0);
    put(p, p->type + 256, p->object);
    put(p, p->object + 256, 0);
    p->dict = new_type(p, 2, 48, 1u << 29 | gc);
    p->integer = new_type(p, 3, 24, 1u << 24);
    put(p, p->integer + 40, 4);
    p->text = new_type(p, 4, 80, 1u << 28);
    p->module = new_type(p, 5, 56, gc);
}

static uint64_t new_object(fake_python *p, uint64_t type, uint64_t size)
{
    uint64_t at = fake_python_room(p, size + 16) + 16; /* links of the collector, all 0 */
    put(p, at, 1);
    put(p, at + 8, type);
    return at;
}

static uint64_t new_text(fake_python *p, const char *text)
{
    uint64_t length = strlen(text), at = new_object(p, p->text, p->at.text + length + 1);
    put(p, at + 16, length);
    put(p, at + 32, 1 << 2 | 1 << 5 | 1 << 6); /* of single bytes, compact, ASCII */
    fake_copy(p->t, at + p->at.text, text, length);
    return at;
}

static uint64_t new_integer(fake_python *p, uint32_t value)
{
    uint64_t at = new_object(p, p->integer, 32);
    put(p, at + 16, p->minor < 12 ? 1 : 1 << 3);
    fake_put(p->t, at + 24, value, 4);
    return at;
}

/* Fills the dict with up to 5 entries. */
static void fill_dict(fake_python *p, uint64_t dict, unsigned count, const char *const *names,
                      const uint64_t *values)
{
    bool is_old = p->minor < 11;
    uint64_t keys = fake_python_room(p, 256), entry = keys + (is_old ? 48 : 40);
    put(p, dict, 3);
    put(p, dict + 8, p->dict);
    put(p, dict + 16, count);
    put(p, dict + 32, keys);
    put(p, keys, 1);
    put(p, keys + 8, is_old ? 8 : 3 | 3 << 8 | 1 << 16);
    put(p, keys + (is_old ? 24 : 16), 5 - count);
    put(p, keys + (is_old ? 32 : 24), count);
    for (unsigned i = 0; i < count; i++, entry += is_old ? 24 : 16) {
        put(p, entry + (is_old ? 8 : 0), new_text(p, names[i]));
        put(p, entry + (is_old ? 16 : 8), values[i]);
    }
}

/* A pool of blocks of 64 bytes, of which the first three are dicts with the collector's links. */
static void make_dicts(fake_python *p)
{
    enum { BLOCK = 64, HEADER = 48 };
    uint64_t pool = p->heap;
    fake_put(p->t, pool, 3, 4);
    fake_put(p->t, pool + 36, BLOCK / 16 - 1, 4);
    fake_put(p->t, pool + 40, HEADER + 3 * BLOCK, 4);
    fake_put(p->t, pool + 44, p->at.pool_bytes - BLOCK, 4);
    p->modules = pool + HEADER + 16;
    p->sysdict = p->modules + BLOCK;
    p->builtins = p->sysdict + BLOCK;
}

/* The table of arenas, of one entry, as glibc's malloc has it, and what leads to it. */
static void make_arena(fake_python *p)
{
    enum { ENTRIES = 16, ENTRY = 48, STATE_TABLE = 512, VARIABLE = 0x7f000 };
    uint64_t table = fake_python_room(p, ENTRIES * ENTRY + 16) + 16,
             size = p->minor < 10 ? FAKE_PYTHON_ARENA / 4 : FAKE_PYTHON_ARENA,
             state = p->interpreter + 3960;
    p->arenas = table;
    put(p, table - 8, ENTRIES * ENTRY + 16 + 1);
    put(p, table, p->heap);
    put(p, table + 8, p->heap + p->at.pool_bytes);
    fake_put(p->t, table + 16, size / p->at.pool_bytes - 1, 4);
    fake_put(p->t, table + 20, size / p->at.pool_bytes, 4);
    if (p->minor < 12) {
        put(p, p->base + FAKE_MODULE_DATA + VARIABLE, table);
        return;
    }
    if (p->minor == 13) {
        state = fake_python_room(p, 1024);
        put(p, p->interpreter + 10800, state);
    }
    put(p, state + STATE_TABLE, table);
    put(p, state + STATE_TABLE + 8, ENTRIES);
}

static void make_interpreter(fake_python *p, uint64_t at, uint64_t id, uint64_t thread)
{
    put(p, at + p->at.id, id);
    put(p, at + p->at.runtime, p->runtime);
    put(p, at + p->at.threads, thread);
    put(p, at + p->at.modules, p->modules);
    put(p, at + p->at.sysdict, p->sysdict);
    put(p, at + p->at.builtins, p->builtins);
    put(p, thread + 16, at);
    for (unsigned list = 0; list < 4; list++) {
        uint64_t head = at + p->at.gc + (list == 3 ? PERMANENT : GENERATIONS + list * 24);
        put(p, head, head);
        put(p, head + 8, head);
        fake_put(p->t, head + 16, list == 0 ? 700 : list < 3 ? 10 : 0, 4);
    }
}

/* {…, is preinitialized, …, mutex, newest interpreter, main one, the next one's number} */
static void make_runtime(fake_python *p)
{
    uint64_t head = p->runtime + p->at.head;
    if (p->minor < 13) {
        fake_put(p->t, p->runtime + (p->minor < 11 ? 4 : 8), 1, 4);
        put(p, head - 8, p->heap);
    } else {
        fake_copy(p->t, p->runtime, "xdebugpy", 8);
        fake_copy(p->t, p->runtime + 8, published, sizeof published);
    }
    put(p, head, p->interpreter);
    put(p, head + 8, p->interpreter);
    put(p, head + 16, 1);
}

fake_python fake_python_new(fake_target *t, uint64_t base, unsigned minor, unsigned micro)
{
    fake_python p = {.t = t,
                     .at = places[minor - FAKE_PYTHON_MIN],
                     .minor = minor,
                     .base = base,
                     .heap = base - (1ull << 40)};
    char text[64];
    snprintf(text, sizeof text, "/usr/lib/libpython3.%u.so.1.0", minor);
    fake_module(t, base, text, FAKE_PYTHON_DATA, FAKE_PYTHON_BSS, 0);
    fake_map(t, p.heap, FAKE_PYTHON_HEAP, RHI_REGION_READ | RHI_REGION_WRITE, "");
    p.room = p.heap + FAKE_PYTHON_ARENA;
    p.runtime = base + FAKE_MODULE_DATA + (minor < 11 ? FAKE_PYTHON_DATA : 0) + 0x140;
    p.interpreter =
        p.at.main_interpreter ? p.runtime + p.at.main_interpreter : fake_python_room(&p, 8192);
    p.thread = fake_python_room(&p, 512);
    make_types(&p);
    make_dicts(&p);
    make_arena(&p);
    make_runtime(&p);
    make_interpreter(&p, p.interpreter, 0, p.thread);
    snprintf(text, sizeof text, "3.%u.%u (main, Feb  2 2026)", minor, micro);
    p.hexversion = new_integer(&p, 3u << 24 | minor << 16 | micro << 8 | 0xf0);
    p.version = new_text(&p, text);
    fill_dict(&p, p.modules, 1, (const char *const[]){"sys"},
              (const uint64_t[]){p.sys = new_object(&p, p.module, 56)});
    fill_dict(&p, p.sysdict, 2, (const char *const[]){"hexversion", "version"},
              (const uint64_t[]){p.hexversion, p.version});
    fill_dict(&p, p.builtins, 1, (const char *const[]){"object"}, &p.object);
    return p;
}

uint64_t fake_python_interpreter(fake_python *p, uint64_t id)
{
    uint64_t at = fake_python_room(p, 8192), head = p->runtime + p->at.head,
             thread = fake_python_room(p, 512);
    make_interpreter(p, at, id, thread);
    put(p, at + p->at.next, fake_get(p->t, head, 8));
    put(p, head, at);
    return at;
}

/* ---- exported symbols ----------------------------------------------------------------------- */

/* One bucket for all. */
void fake_export(fake_target *t, uint64_t base, const char *const *names, const uint64_t *addresses)
{
    enum { DYNAMIC = 0x400, HASH = 0x500, SYMBOLS = 0x600, TEXTS = 0x800, PHDR = 2 };
    const uint64_t first = base + 64 + PHDR * sizeof(Elf64_Phdr);
    uint64_t text = TEXTS + 1, chain = base + HASH + 16 + 8 + 4;
    const Elf64_Phdr segment = {.p_type = PT_DYNAMIC, .p_vaddr = LINK_BASE + DYNAMIC};
    /* the first as the file has it, the others as the dynamic linker leaves them */
    const Elf64_Dyn dynamic[] = {{DT_SYMTAB, {LINK_BASE + SYMBOLS}},
                                 {DT_STRTAB, {base + TEXTS}},
                                 {DT_GNU_HASH, {base + HASH}},
                                 {DT_NULL, {0}}};
    const uint32_t hash[] = {1, 1, 1, 6, 0, 0, 1};
    fake_copy(t, first, &segment, sizeof segment);
    fake_copy(t, base + DYNAMIC, dynamic, sizeof dynamic);
    fake_copy(t, base + HASH, hash, sizeof hash);
    for (unsigned i = 0; names[i]; i++) {
        Elf64_Sym symbol = {.st_name = (uint32_t)(text - TEXTS),
                            .st_shndx = 1,
                            .st_value = addresses[i] - base + LINK_BASE};
        uint32_t value = 5381;
        for (const char *c = names[i]; *c; c++)
            value = value * 33 + (uint8_t)*c;
        fake_put(t, chain + i * 4, names[i + 1] ? value & ~1u : value | 1u, 4);
        fake_copy(t, base + SYMBOLS + (i + 1) * sizeof symbol, &symbol, sizeof symbol);
        fake_copy(t, base + text, names[i], strlen(names[i]) + 1);
        text += strlen(names[i]) + 1;
    }
}
