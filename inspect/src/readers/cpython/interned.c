/* interned.c - the dicts of interned strings (see views.h).
 *
 * Such a dict owns none of its strings: an interpreter takes back both counts of each. No symbol
 * says where it is: it is the one dict of many strings, each of which is its own value, that a word
 * of the module's data or of an interpreter leads to. Only so much of that is read; it is done
 * once, when a dict is met that may be one. */
#include "readers/cpython/views.h"

#include <stdlib.h>

enum {
    USED_MIN = 1000, /* strings: a Python that has begun has more, PY_INTERNED_MIN while it does */
    ENTRIES_SEEN = 32,
    DATA_MAX = 16 << 20, /* of a module, on either side of _PyRuntime */
    DICT_BYTES = 48
};

typedef struct strings {
    py_runtime *py;
    unsigned seen, equal;
} strings;

static bool compare_entry(void *context, const py_entry *entry)
{
    strings *s = context;
    s->seen++;
    s->equal += entry->key == entry->value;
    return s->seen < ENTRIES_SEEN;
}

/* Are its keys their own values? */
static bool is_interned(py_runtime *py, uint64_t address, uint64_t used_min)
{
    uint8_t body[DICT_BYTES];
    strings s = {.py = py};
    if (rhi__py_read(py, address, body, sizeof body) != sizeof body ||
        rhi__load64(body + PY_OB_SIZE) < used_min || rhi__load64(body + 40) != 0)
        return false;
    const py_type *type = rhi__py_known_type(py, rhi__load64(body + PY_OB_TYPE));
    if (!type || type->layout != PY_DICT)
        return false;
    rhi__py_each_entry(py, address, compare_entry, &s);
    return s.seen == ENTRIES_SEEN && s.equal == s.seen;
}

static bool is_known(const py_views *views, uint64_t address)
{
    for (unsigned i = 0; i < views->interned_count; i++)
        if (views->interned[i] == address)
            return true;
    return false;
}

static bool is_in_arena(const py_runtime *py, uint64_t address)
{
    const rhi_own_range *range = rhi__own_at(py->reader, address);
    return range && range->has_blocks;
}

static void look_in(py_runtime *py, uint64_t start, uint64_t end, uint64_t used_min)
{
    rhi_scratch scratch = {0};
    uint64_t got;
    const uint8_t *bytes = rhi__memory_view(py->memory, start, end - start, &scratch, &got);
    for (uint64_t i = 0; bytes && i + 8 <= got; i += 8) {
        uint64_t word = rhi__load64(bytes + i);
        if (word == 0 || word % 16 || py->views->interned_count == PY_INTERNED_MAX ||
            (py->allocator != PY_MALLOC && !is_in_arena(py, word)) || is_known(py->views, word) ||
            !is_interned(py, word, used_min))
            continue;
        py->views->interned[py->views->interned_count++] = word;
        py->interned = py->views->interned[0];
    }
    rhi__scratch_free(&scratch);
}

/* The module's data: writable mappings without a gap around _PyRuntime. */
static void look_in_module(py_runtime *py, uint64_t used_min)
{
    const rhi_region *items = py->memory->map.regions.items,
                     *last = items + py->memory->map.regions.count,
                     *first = rhi__memory_region(py->memory, py->address), *next = first;
    if (!first)
        return;
    while (first > items && first[-1].end == first->start && first[-1].flags & RHI_REGION_WRITE)
        first--;
    while (next + 1 < last && next[1].start == next->end && next[1].flags & RHI_REGION_WRITE)
        next++;
    uint64_t start = py->address - first->start < DATA_MAX ? first->start : py->address - DATA_MAX,
             end = next->end - py->address < DATA_MAX ? next->end : py->address + DATA_MAX;
    look_in(py, start, end, used_min);
}

static void look_everywhere(py_runtime *py, uint64_t used_min)
{
    look_in_module(py, used_min);
    for (uint64_t i = 0; py->minor >= 12 && i < py->interpreters.count; i++) {
        uint64_t start = py->interpreters.items[i].address;
        if (rhi__range_ok(start, py->at->interpreter_size))
            look_in(py, start, start + py->at->interpreter_size, used_min);
    }
}

bool rhi__py_is_interned_dict(py_runtime *py, uint64_t address)
{
    if (!py->views->knows_interned) {
        py->views->knows_interned = true;
        look_everywhere(py, USED_MIN);
        if (!py->views->interned_count) /* else a small one might be another's */
            look_everywhere(py, PY_INTERNED_MIN);
    }
    /* the word that leads to it may be missing from a core: its looks are left */
    return py->views->interned_count ? is_known(py->views, address)
                                     : is_interned(py, address, USED_MIN);
}
