/* tracemalloc.c - which line made an object, where the program's own `tracemalloc` runs: read from
 * its tables.
 *
 * `tracemalloc_traces` is a hash table of CPython's own kind: from the address that an allocator
 * returned to {size, traceback}. No symbol leads to it; up to 3.11 it is a static variable, later a
 * member of _PyRuntime. So it is looked for once, on the first question about a site, in the data
 * of the module that has _PyRuntime: by its shape, and by entries that lead to frames with a str.
 *
 * Invariant: a site is one that the table has for exactly the address where the object's memory
 * begins. Chains are followed so far only; what cannot be read is not known. */
#include "base/array.h"
#include "readers/cpython/python.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* _Py_hashtable_t */
    TABLE_COUNT = 0,
    TABLE_BUCKETS = 8, /* how many: a power of two */
    TABLE_HEADS = 16,
    TABLE_FUNCTIONS = 24, /* to find an entry, to hash, to compare */
    TABLE_BYTES = 48,
    BUCKETS_MIN = 16,
    /* an entry: next, hash, key, value */
    ENTRY_HASH = 8,
    ENTRY_KEY = 16,
    ENTRY_VALUE = 24,
    ENTRY_BYTES = 32,
    CHAIN_MAX = 256,
    /* a trace: size, traceback */
    TRACE_TRACEBACK = 8,
    TRACE_BYTES = 16,
    /* a traceback: hash, u16 frames, u16 that there were, {file, u32 line} nearest first */
    TRACEBACK_FRAMES = 8,
    TRACEBACK_ALL = 10,
    TRACEBACK_FILE = 12,
    TRACEBACK_LINE = 20,
    TRACEBACK_BYTES = 24,
    /* looking for the table */
    SAMPLE_BUCKETS = 4096,
    SAMPLE_ENTRIES = 8,
    /* pages kept, since neighbours in memory have neighbours in the table */
    PAGE_BYTES = 4096,
    PAGES = 1024,
    SITES_MAX = 1 << 24, /* of one runtime */
    FILES_MAX = 1 << 14,
    PATH_SIZE = 1024
};
#define BEFORE_MAX (4ull << 20) /* of the data in front of _PyRuntime */
#define BEHIND_MAX (8ull << 20)

/* From a 64-bit key to a number: open addressing, at most half full; key 0 is none. */
typedef struct numbers {
    struct number {
        uint64_t key;
        uint32_t value;
    } * items;
    uint64_t count, capacity;
} numbers;

struct py_traces {
    uint64_t heads, buckets; /* buckets 0: tracemalloc does not run */
    uint64_t *page_starts;   /* of each kept page, + 1; 0: none */
    uint8_t *pages;
    numbers site_of_traceback, file_of_str, site_of_line;
    struct {
        char **items;
        uint64_t count, capacity;
    } files;
    struct {
        struct line {
            uint32_t file, line;
        } * items;
        uint64_t count, capacity;
    } sites;
};

void rhi__py_traces_free(struct py_traces *traces)
{
    if (!traces)
        return;
    for (uint64_t i = 0; i < traces->files.count; i++)
        free(traces->files.items[i]);
    free(traces->files.items);
    free(traces->sites.items);
    free(traces->site_of_traceback.items);
    free(traces->file_of_str.items);
    free(traces->site_of_line.items);
    free(traces->page_starts);
    free(traces->pages);
    free(traces);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static struct number *number_place(const numbers *map, uint64_t key)
{
    uint64_t place = (key * 0x9E3779B97F4A7C15ull >> 20) & (map->capacity - 1);
    while (map->items[place].key != key && map->items[place].key != 0)
        place = (place + 1) & (map->capacity - 1);
    return &map->items[place];
}

static bool number_get(const numbers *map, uint64_t key, uint32_t *value)
{
    const struct number *found = map->capacity ? number_place(map, key) : NULL;
    if (!found || found->key != key)
        return false;
    *value = found->value;
    return true;
}

static bool number_set(numbers *map, uint64_t key, uint32_t value)
{
    if (map->count * 2 >= map->capacity) {
        numbers wider = {.count = map->count, .capacity = map->capacity ? map->capacity * 2 : 64};
        wider.items = calloc(wider.capacity, sizeof *wider.items);
        if (!wider.items)
            return false;
        for (uint64_t i = 0; i < map->capacity; i++)
            if (map->items[i].key)
                *number_place(&wider, map->items[i].key) = map->items[i];
        free(map->items);
        *map = wider;
    }
    struct number *place = number_place(map, key);
    map->count += place->key == 0;
    *place = (struct number){.key = key, .value = value};
    return true;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* The part of one page: false if it cannot be read. */
static bool read_page(py_runtime *py, uint64_t address, uint8_t *bytes, uint64_t size)
{
    struct py_traces *t = py->traces;
    uint64_t page = address / PAGE_BYTES, slot = page % PAGES;
    uint8_t *kept = t->pages + slot * PAGE_BYTES;
    if (t->page_starts[slot] != page + 1) {
        t->page_starts[slot] = 0;
        if (rhi__memory_read(py->memory, page * PAGE_BYTES, kept, PAGE_BYTES) != PAGE_BYTES)
            return rhi__memory_read(py->memory, address, bytes, size) == size;
        t->page_starts[slot] = page + 1;
    }
    memcpy(bytes, kept + address % PAGE_BYTES, size);
    return true;
}

static bool read_kept(py_runtime *py, uint64_t address, uint8_t *bytes, uint64_t size)
{
    uint64_t room = PAGE_BYTES - address % PAGE_BYTES, first = size < room ? size : room;
    return rhi__range_ok(address, size) && read_page(py, address, bytes, first) &&
           (first == size || read_page(py, address + first, bytes + first, size - first));
}

typedef struct entry {
    uint64_t next, hash, key, value;
} entry;

static bool read_entry(py_runtime *py, uint64_t address, entry *e)
{
    uint8_t bytes[ENTRY_BYTES];
    if (!read_kept(py, address, bytes, sizeof bytes))
        return false;
    *e = (entry){.next = rhi__load64(bytes),
                 .hash = rhi__load64(bytes + ENTRY_HASH),
                 .key = rhi__load64(bytes + ENTRY_KEY),
                 .value = rhi__load64(bytes + ENTRY_VALUE)};
    return true;
}

static uint64_t hash_of(uint64_t key)
{
    return key >> 4 | key << 60;
}

static bool read_head(py_runtime *py, uint64_t heads, uint64_t bucket, uint64_t *first)
{
    uint8_t bytes[8];
    if (!read_kept(py, heads + bucket * 8, bytes, sizeof bytes))
        return false;
    *first = rhi__load64(bytes);
    return true;
}

typedef struct frame {
    uint64_t file;
    uint32_t line;
} frame;

/* The traceback of a trace, and its nearest frame. */
static bool read_traceback(py_runtime *py, uint64_t traceback, frame *nearest)
{
    uint8_t bytes[TRACEBACK_BYTES];
    if (!read_kept(py, traceback, bytes, sizeof bytes))
        return false;
    uint16_t frames = rhi__load16(bytes + TRACEBACK_FRAMES);
    nearest->file = rhi__load64(bytes + TRACEBACK_FILE);
    nearest->line = rhi__load32(bytes + TRACEBACK_LINE);
    return frames > 0 && frames <= rhi__load16(bytes + TRACEBACK_ALL);
}

static bool read_trace(py_runtime *py, uint64_t trace, uint64_t *traceback)
{
    uint8_t bytes[TRACE_BYTES];
    if (!read_kept(py, trace, bytes, sizeof bytes))
        return false;
    *traceback = rhi__load64(bytes + TRACE_TRACEBACK);
    return true;
}

static bool is_str(py_runtime *py, uint64_t address)
{
    uint8_t type[8], meta[8], flags[4];
    return read_kept(py, address + PY_OB_TYPE, type, sizeof type) &&
           read_kept(py, rhi__load64(type) + PY_OB_TYPE, meta, sizeof meta) &&
           rhi__load64(meta) == py->type_type &&
           read_kept(py, rhi__load64(type) + PY_TP_FLAGS, flags, sizeof flags) &&
           rhi__load32(flags) & PY_FLAG_STR;
}

/* ---- looking for the table ------------------------------------------------------------------ */

/* Is an entry of this bucket one from an address to a trace? */
static bool is_trace(py_runtime *py, const entry *e, uint64_t bucket, uint64_t buckets)
{
    uint64_t traceback;
    frame nearest;
    return e->key && e->hash == hash_of(e->key) && (e->hash & (buckets - 1)) == bucket &&
           read_trace(py, e->value, &traceback) && read_traceback(py, traceback, &nearest) &&
           is_str(py, nearest.file);
}

static bool has_traces(py_runtime *py, uint64_t heads, uint64_t buckets)
{
    unsigned seen = 0;
    for (uint64_t i = 0; i < buckets && i < SAMPLE_BUCKETS && seen < SAMPLE_ENTRIES; i++) {
        uint64_t first;
        entry e;
        if (!read_head(py, heads, i, &first))
            return false;
        if (!first)
            continue;
        if (!read_entry(py, first, &e) || !is_trace(py, &e, i, buckets))
            return false;
        seen++;
    }
    return seen > 0;
}

/* Is it the table of traces that lies at the address? */
static bool is_table(py_runtime *py, uint64_t address)
{
    uint8_t bytes[TABLE_BYTES];
    if (!read_kept(py, address, bytes, sizeof bytes))
        return false;
    uint64_t count = rhi__load64(bytes + TABLE_COUNT), buckets = rhi__load64(bytes + TABLE_BUCKETS),
             heads = rhi__load64(bytes + TABLE_HEADS);
    bool is_shaped = buckets >= BUCKETS_MIN && buckets < 1ull << 40 &&
                     (buckets & (buckets - 1)) == 0 && count > 0 && count <= buckets && heads &&
                     heads % 8 == 0;
    for (unsigned i = 0; i < 3 && is_shaped; i++)
        is_shaped = rhi__load64(bytes + TABLE_FUNCTIONS + 8 * i) != 0;
    if (!is_shaped || !has_traces(py, heads, buckets))
        return false;
    py->traces->heads = heads;
    py->traces->buckets = buckets;
    return true;
}

static bool look_in(py_runtime *py, uint64_t start, uint64_t end)
{
    rhi_scratch scratch = {0};
    uint64_t got;
    bool found = false;
    const uint8_t *bytes = rhi__memory_view(py->memory, start, end - start, &scratch, &got);
    for (uint64_t i = 0; bytes && i + 8 <= got && !found; i += 8) {
        uint64_t word = rhi__load64(bytes + i);
        const rhi_region *region =
            word && word % 16 == 0 ? rhi__memory_region(py->memory, word) : NULL;
        found = region && region->flags & RHI_REGION_WRITE && is_table(py, word);
    }
    rhi__scratch_free(&scratch);
    return found;
}

/* Writable memory without a gap around an address, so much of it: a module's data, and what may
 * follow it at once. */
static void data_around(const py_runtime *py, uint64_t address, uint64_t *start, uint64_t *end)
{
    const rhi_region *items = py->memory->map.regions.items,
                     *last = items + py->memory->map.regions.count,
                     *first = rhi__memory_region(py->memory, address), *next = first;
    *start = *end = address;
    if (!first)
        return;
    while (first > items && first[-1].end == first->start && first[-1].flags & RHI_REGION_WRITE)
        first--;
    while (next + 1 < last && next[1].start == next->end && next[1].flags & RHI_REGION_WRITE)
        next++;
    *start = address - first->start < BEFORE_MAX ? first->start : address - BEFORE_MAX;
    *end = next->end - address < BEHIND_MAX ? next->end : address + BEHIND_MAX;
}

static void look_for_table(py_runtime *py)
{
    enum { STATE_IS_IN_RUNTIME = 12 /* from 3.12 on */ };
    uint64_t start = py->address, end = py->address + py->at->runtime_size;
    if (py->minor < STATE_IS_IN_RUNTIME)
        data_around(py, py->address, &start, &end);
    look_in(py, start, end);
}

/* NULL: memory is short. */
static struct py_traces *traces_of(py_runtime *py)
{
    if (py->traces)
        return py->traces;
    struct py_traces *traces = calloc(1, sizeof *traces);
    if (!traces)
        return NULL;
    traces->page_starts = calloc(PAGES, sizeof *traces->page_starts);
    traces->pages = malloc((size_t)PAGES * PAGE_BYTES);
    if (!traces->page_starts || !traces->pages) {
        rhi__py_traces_free(traces);
        return NULL;
    }
    py->traces = traces;
    look_for_table(py);
    return traces;
}

/* ---- sites ---------------------------------------------------------------------------------- */

static bool file_number(py_runtime *py, uint64_t file, uint32_t *number)
{
    struct py_traces *t = py->traces;
    char text[PATH_SIZE];
    if (number_get(&t->file_of_str, file, number))
        return true;
    if (!is_str(py, file) || !rhi__py_text(py, file, text, sizeof text) ||
        !rhi__array_reserve(&t->files, 1))
        return false;
    if (t->files.count >= FILES_MAX)
        return false;
    for (*number = 0; *number < t->files.count; ++*number) /* the same text in another str */
        if (strcmp(t->files.items[*number], text) == 0)
            return number_set(&t->file_of_str, file, *number);
    char *copy = strdup(text);
    if (!copy)
        return false;
    t->files.items[t->files.count++] = copy;
    return number_set(&t->file_of_str, file, *number);
}

static bool site_of_frame(py_runtime *py, const frame *nearest, uint32_t *number)
{
    struct py_traces *t = py->traces;
    uint32_t file;
    if (nearest->line == 0 || !file_number(py, nearest->file, &file))
        return false;
    uint64_t key = (uint64_t)file << 32 | nearest->line;
    if (number_get(&t->site_of_line, key, number))
        return true;
    if (t->sites.count >= SITES_MAX || !rhi__array_reserve(&t->sites, 1))
        return false;
    *number = (uint32_t)t->sites.count;
    t->sites.items[t->sites.count++] = (struct line){.file = file, .line = nearest->line};
    return number_set(&t->site_of_line, key, *number);
}

/* The traceback that the table has for what an allocator returned. */
static bool find_traceback(py_runtime *py, uint64_t memory, uint64_t *traceback)
{
    const struct py_traces *t = py->traces;
    uint64_t hash = hash_of(memory), at = 0;
    entry e;
    if (!read_head(py, t->heads, hash & (t->buckets - 1), &at))
        return false;
    for (unsigned steps = 0; at && steps < CHAIN_MAX && read_entry(py, at, &e);
         steps++, at = e.next)
        if (e.hash == hash && e.key == memory)
            return read_trace(py, e.value, traceback);
    return false;
}

bool rhi__py_site(rhi_reader *reader, const rhi_object *object, rhi_site *site)
{
    py_runtime *py = py_of_heap(reader, object->heap);
    const py_type *type = py_type_of(py, object);
    const struct py_traces *t = type ? traces_of(py) : NULL;
    uint64_t traceback;
    uint32_t number;
    frame nearest;
    if (!t || !t->buckets || !find_traceback(py, object->address - type->prefix, &traceback))
        return false;
    if (!number_get(&t->site_of_traceback, traceback, &number) &&
        !(read_traceback(py, traceback, &nearest) && site_of_frame(py, &nearest, &number) &&
          number_set(&py->traces->site_of_traceback, traceback, number)))
        return false;
    *site = (rhi_site){.number = number | reader->heaps.items[object->heap].space * SITES_MAX,
                       .line = t->sites.items[number].line,
                       .file = t->files.items[t->sites.items[number].file]};
    return true;
}
