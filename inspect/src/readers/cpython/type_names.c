/* type_names.c - what types are called, and what their dicts say (see python.h).
 *
 * A type that was made in C has its name in read-only data, which a core alone may not have; one
 * that the program made has it in a str.
 * Invariant: a name is clean text; two types never have the same one. */
#include "base/array.h"
#include "readers/cpython/python.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- entries of dicts ----------------------------------------------------------------------- */

enum { MA_KEYS = 32, MA_VALUES = 40, ENTRIES_MAX = 1 << 20 };

typedef struct table {
    uint64_t entries; /* where they begin */
    uint64_t count, stride, key_at;
} table;

static bool read_table(py_runtime *py, uint64_t keys, table *t)
{
    uint8_t head[40];
    if (rhi__memory_read(py->memory, keys, head, sizeof head) != sizeof head)
        return false;
    if (py->minor >= 11) {
        if (head[9] >= 40)
            return false;
        *t = (table){keys + 32 + (1ull << head[9]), rhi__load64(head + 24), head[10] ? 16 : 24,
                     head[10] ? 0 : 8};
        return t->count <= ENTRIES_MAX;
    }
    uint64_t size = rhi__load64(head + 8), width = size <= 0x7f         ? 1
                                                   : size <= 0x7fff     ? 2
                                                   : size <= 0x7fffffff ? 4
                                                                        : 8;
    *t = (table){keys + 40 + size * width, rhi__load64(head + 32), 24, 8};
    return size <= ENTRIES_MAX * 4 && t->count <= ENTRIES_MAX;
}

bool rhi__py_each_type_entry(py_runtime *py, uint64_t dict,
                             bool (*visit)(void *context, uint64_t key, uint64_t value),
                             void *context)
{
    uint8_t head[48];
    table t;
    rhi_scratch scratch = {0};
    uint64_t got = 0;
    bool goes_on = true;
    if (!dict || dict % 8 || rhi__memory_read(py->memory, dict, head, sizeof head) != sizeof head ||
        !read_table(py, rhi__load64(head + MA_KEYS), &t))
        return true;
    uint64_t values = rhi__load64(head + MA_VALUES);
    const uint8_t *bytes =
        rhi__memory_view(py->memory, t.entries, t.count * t.stride, &scratch, &got);
    for (uint64_t i = 0; bytes && goes_on && (i + 1) * t.stride <= got; i++) {
        const uint8_t *entry = bytes + i * t.stride + t.key_at;
        uint64_t key = rhi__load64(entry), value = rhi__load64(entry + 8);
        if (values && !rhi__memory_u64(py->memory, values + 8 * i, &value))
            break;
        if (key && value)
            goes_on = visit(context, key, value);
    }
    rhi__scratch_free(&scratch);
    return goes_on;
}

/* ---- strings -------------------------------------------------------------------------------- */

enum { TEXT_MAX = 1024 };

static size_t put_character(uint32_t c, char *out)
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 0x3f)), 2;
    unsigned length = c < 0x10000 ? 3 : 4;
    for (unsigned i = length - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)((length == 3 ? 0xe0 : 0xf0) | (c & 7) | (length == 3 ? c & 8 : 0));
    return length;
}

/* The text of a compact str, as all names of types and modules are. */
static bool read_name(py_runtime *py, uint64_t address, char name[RHI_NAME_SIZE])
{
    uint8_t head[40], bytes[TEXT_MAX];
    char text[TEXT_MAX * 4 + 1];
    if (!address || address % 8 ||
        rhi__memory_read(py->memory, address, head, sizeof head) != sizeof head)
        return false;
    uint64_t flags;
    uint32_t state = rhi__load32(head + 32), kind = state >> 2 & 7;
    uint64_t length = rhi__load64(head + 16);
    bool is_compact = state >> 5 & 1, is_ascii = state >> 6 & 1;
    if (!rhi__memory_u64(py->memory, rhi__load64(head + PY_OB_TYPE) + PY_TP_FLAGS, &flags) ||
        !(flags & PY_FLAG_STR) || !is_compact || !kind || kind == 3 || kind > 4 ||
        length > TEXT_MAX / kind)
        return false;
    uint64_t size = length * kind, used = 0;
    if (rhi__memory_read(py->memory, address + (is_ascii ? py->at->ascii_data : py->at->wide_data),
                         bytes, size) != size)
        return false;
    for (uint64_t i = 0; i < length; i++)
        used += put_character((uint32_t)rhi__load(bytes + i * kind, kind) & 0x1fffff, text + used);
    rhi__cut_name(text, used, name);
    return true;
}

/* ---- names ---------------------------------------------------------------------------------- */

typedef struct wanted {
    py_runtime *py;
    const char *key;
    uint64_t value;
} wanted;

static bool find_key(void *context, uint64_t key, uint64_t value)
{
    wanted *w = context;
    char name[RHI_NAME_SIZE];
    if (!read_name(w->py, key, name) || strcmp(name, w->key) != 0)
        return true;
    w->value = value;
    return false;
}

static uint64_t entry_of(py_runtime *py, uint64_t dict, const char *key)
{
    wanted w = {.py = py, .key = key};
    rhi__py_each_type_entry(py, dict, find_key, &w);
    return w.value;
}

uint32_t rhi__py_items_of(py_runtime *py, uint64_t dict)
{
    enum { ITEMS_MAX = 4096 };
    uint8_t bytes[28];
    uint64_t number = entry_of(py, dict, "n_fields");
    if (!number || rhi__memory_read(py->memory, number, bytes, sizeof bytes) != sizeof bytes)
        return 0;
    uint32_t count = rhi__load32(bytes + 24); /* the one digit of an int */
    return count <= ITEMS_MAX ? count : 0;
}

void rhi__py_full_name(py_runtime *py, uint64_t address, const uint8_t *head,
                       char name[RHI_NAME_SIZE])
{
    char module[RHI_NAME_SIZE], own[RHI_NAME_SIZE];
    uint64_t text = 0;
    name[0] = '\0';
    if (!(rhi__load32(head + PY_TP_FLAGS) & PY_FLAG_HEAPTYPE)) {
        if (!rhi__memory_name(py->memory, rhi__load64(head + PY_TP_NAME), name))
            name[0] = '\0';
        return;
    }
    if (!rhi__memory_u64(py->memory, address + py->at->ht_qualname, &text) ||
        !read_name(py, text, own))
        return;
    uint64_t entry = entry_of(py, rhi__load64(head + PY_TP_DICT), "__module__");
    if (!entry || !read_name(py, entry, module) || strcmp(module, "builtins") == 0)
        memcpy(name, own, sizeof own);
    else {
        char both[2 * RHI_NAME_SIZE + 1];
        int length = snprintf(both, sizeof both, "%s.%s", module, own);
        rhi__cut_name(both, (size_t)length, name);
    }
}

/* "C" of "app.f.<locals>.C" */
static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot[1] ? dot + 1 : name;
}

typedef struct named {
    const char *name;
    uint32_t number;
} named;

static int name_order(const void *left, const void *right)
{
    const named *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : a->number < b->number ? -1 : a->number > b->number;
}

static void add_address(const py_runtime *py, uint32_t number, char name[RHI_NAME_SIZE])
{
    char text[RHI_NAME_SIZE + 24];
    int size =
        snprintf(text, sizeof text, "%s(0x%" PRIx64 ")", name, py->types.items[number].address);
    rhi__cut_name(text, (size_t)size, name);
}

/* Of types with one name each gets all of it; of those that share all of it, with its address. */
static void set_apart(py_runtime *py, bool is_whole)
{
    rhi_type *types = py->reader->types.items + py->first_type;
    named *all = malloc((py->types.count + 1) * sizeof *all);
    if (!all)
        return;
    for (uint32_t i = 0; i < py->types.count; i++)
        all[i] = (named){is_whole ? types[i].qualified : types[i].name, i};
    qsort(all, py->types.count, sizeof *all, name_order);
    for (uint64_t i = 0, end; i < py->types.count; i = end) {
        for (end = i + 1; end < py->types.count && strcmp(all[i].name, all[end].name) == 0;)
            end++;
        for (uint64_t k = i; end - i > 1 && k < end; k++) {
            rhi_type *type = &types[all[k].number];
            memcpy(type->name, type->qualified, sizeof type->name);
            if (is_whole)
                add_address(py, all[k].number, type->name);
        }
    }
    free(all);
}

/* ---- names that are taken ------------------------------------------------------------------- */

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

/* The place of a name: of the type that has it, or free. */
static uint32_t *name_place(const py_runtime *py, const char *name)
{
    const rhi_type *types = py->reader->types.items + py->first_type;
    uint64_t mask = py->names.capacity - 1, place = hash_of(name) & mask;
    while (py->names.items[place] != UINT32_MAX &&
           strcmp(types[py->names.items[place]].name, name) != 0)
        place = (place + 1) & mask;
    return &py->names.items[place];
}

/* A name that no other type has: those that have theirs keep it. */
static void take_name(py_runtime *py, uint32_t number)
{
    rhi_type *type = &py->reader->types.items[py->first_type + number];
    char name[RHI_NAME_SIZE];
    rhi__cut_name(last_part(type->qualified), strlen(last_part(type->qualified)), name);
    if (*name_place(py, name) != UINT32_MAX)
        memcpy(name, type->qualified, sizeof name);
    if (*name_place(py, name) != UINT32_MAX)
        add_address(py, number, name);
    memcpy(type->name, name, sizeof name);
    *name_place(py, name) = number;
}

rhi_error *rhi__py_keep_names(py_runtime *py)
{
    uint64_t capacity = 1024;
    while (capacity < py->types_max * 2ull)
        capacity *= 2;
    py->names.items = malloc(capacity * sizeof *py->names.items);
    if (!py->names.items)
        return rhi__error_memory();
    memset(py->names.items, 0xff, capacity * sizeof *py->names.items);
    py->names.capacity = capacity;
    for (uint32_t i = 0; i < py->types.count; i++)
        *name_place(py, py->reader->types.items[py->first_type + i].name) = i;
    return NULL;
}

void rhi__py_name_types(py_runtime *py, uint64_t first)
{
    uint8_t head[PY_TYPE_READ_BYTES];
    for (uint64_t i = first; i < py->types.count; i++) {
        uint64_t address = py->types.items[i].address;
        rhi_type *type = &py->reader->types.items[py->first_type + i];
        if (rhi__memory_read(py->memory, address, head, sizeof head) == sizeof head)
            rhi__py_full_name(py, address, head, type->qualified);
        if (!type->qualified[0])
            memcpy(type->qualified, "unnamed", sizeof "unnamed");
        memcpy(type->name, last_part(type->qualified), strlen(last_part(type->qualified)) + 1);
        if (py->names.items)
            take_name(py, (uint32_t)i);
    }
    if (!py->names.items) {
        set_apart(py, false);
        set_apart(py, true);
    }
}
