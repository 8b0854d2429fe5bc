/* type_names.c - what types are called, and what their dicts say (see python.h).
 *
 * A type that was made in C has its name in read-only data, of which cores have nothing: it is read
 * from the module's file. One that the program made has it in a str.
 * Invariant: a name is clean text; two types never have the same one. */
#include "base/array.h"
#include "readers/cpython/python.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- names ---------------------------------------------------------------------------------- */

static bool read_name(py_runtime *py, uint64_t address, char name[RHI_NAME_SIZE])
{
    char text[1024];
    if (!address || !rhi__py_text(py, address, text, sizeof text))
        return false;
    rhi__cut_name(text, strlen(text), name);
    return true;
}

uint32_t rhi__py_items_of(py_runtime *py, uint64_t dict)
{
    enum { ITEMS_MAX = 4096 };
    uint8_t bytes[28];
    uint64_t number = rhi__py_dict_get(py, dict, "n_fields");
    if (!number || rhi__memory_read(py->memory, number, bytes, sizeof bytes) != sizeof bytes)
        return 0;
    uint32_t count = rhi__load32(bytes + 24); /* the one digit of an int */
    return count <= ITEMS_MAX ? count : 0;
}

static void full_name(py_runtime *py, const py_type *type, const uint8_t *head,
                      char name[RHI_NAME_SIZE])
{
    char module[RHI_NAME_SIZE], own[RHI_NAME_SIZE], both[2 * RHI_NAME_SIZE];
    uint64_t text = 0;
    if (!type->is_heap_type) {
        if (!rhi__module_name(py->files, py->memory, rhi__load64(head + PY_TP_NAME), name))
            name[0] = '\0';
        return;
    }
    if (!rhi__memory_u64(py->memory, type->address + py->at->ht_qualname, &text) ||
        !read_name(py, text, own))
        return;
    bool has_module = read_name(py, rhi__py_dict_get(py, type->dict, "__module__"), module) &&
                      strcmp(module, "builtins") != 0;
    int length =
        snprintf(both, sizeof both, "%s%s%s", has_module ? module : "", has_module ? "." : "", own);
    rhi__cut_name(both, (size_t)length, name);
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

void rhi__py_full_names(py_runtime *py, uint64_t first)
{
    uint8_t head[PY_TYPE_READ_BYTES];
    for (uint64_t i = first; i < py->types.count; i++)
        if (rhi__memory_read(py->memory, py->types.items[i].address, head, sizeof head) ==
            sizeof head)
            full_name(py, &py->types.items[i], head,
                      py->reader->types.items[py->first_type + i].qualified);
}

void rhi__py_short_names(py_runtime *py, uint64_t first)
{
    for (uint64_t i = first; i < py->types.count; i++) {
        rhi_type *type = &py->reader->types.items[py->first_type + i];
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
