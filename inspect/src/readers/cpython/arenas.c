/* arenas.c - where obmalloc's arenas are: from the table that it keeps of them, else by what lies
 * in them (see python.h).
 *
 * Before 3.12 the table is a variable of the module's own, and found by what it must say of pools
 * that the collector's objects lie in. Invariant: arenas do not overlap; each is a range of the
 * reader. */
#include "base/array.h"
#include "heap/reader.h"
#include "readers/cpython/pools.h"
#include "target/modules.h"

#include <stdlib.h>

enum { HEADER = PY_POOL_HEADER /* an entry has so many bytes, too */, ARENAS_MAX = 1 << 22 };

typedef struct arena {
    uint64_t start, end;
    uint32_t heap;
} arena;

typedef struct finder {
    py_runtime *py;
    struct {
        arena *items;
        uint64_t count, capacity;
    } found;
} finder;

/* ---- the table of arenas -------------------------------------------------------------------- */

/* One entry of it: {address; next pool to cut; free pools, pools; …}. address 0: not in use. */
static bool is_arena(const py_runtime *py, const uint8_t *entry)
{
    uint64_t address = rhi__load64(entry), next = rhi__load64(entry + 8);
    uint32_t free_count = rhi__load32(entry + 16), count = rhi__load32(entry + 20),
             most = py->at->arena_bytes / py->at->pool_bytes;
    return address && address % 4096 == 0 && address >> 56 == 0 && next >= address &&
           next <= address + py->at->arena_bytes && next % py->at->pool_bytes == 0 &&
           count >= most - 1 && count <= most && free_count <= count;
}

static bool take_arena(finder *f, uint64_t start, uint64_t end, uint32_t heap)
{
    if (!rhi__array_reserve(&f->found, 1))
        return false;
    f->found.items[f->found.count++] = (arena){start, end, heap};
    return true;
}

static rhi_error *take_table(finder *f, uint64_t table, uint64_t count, uint32_t heap)
{
    py_runtime *py = f->py;
    rhi_scratch scratch = {0};
    uint64_t got = 0, size = py->at->arena_bytes;
    const uint8_t *bytes = rhi__memory_view(py->memory, table, count * HEADER, &scratch, &got);
    bool ok = true;
    for (uint64_t i = 0; bytes && ok && (i + 1) * HEADER <= got; i++) {
        uint64_t address = rhi__load64(bytes + i * HEADER);
        if (is_arena(py, bytes + i * HEADER))
            ok = take_arena(f, address, address + size, heap);
    }
    rhi__scratch_free(&scratch);
    return ok ? NULL : rhi__error_memory();
}

/* Has an entry in the upper half of a table of twice as many an arena, and is none of another
 * kind? */
static bool is_upper_half(py_runtime *py, uint64_t table, uint64_t half)
{
    bool any = false;
    for (uint64_t i = half; i < 2 * half; i++) {
        uint8_t entry[HEADER];
        if (rhi__memory_read(py->memory, table + i * HEADER, entry, HEADER) != HEADER ||
            (rhi__load64(entry) && !is_arena(py, entry)))
            return false;
        any |= rhi__load64(entry) != 0;
    }
    return any;
}

/* How many entries a table has: 16, and each time twice as many; glibc's malloc notes its size. */
static uint64_t table_entries(py_runtime *py, uint64_t table)
{
    enum { FIRST = 16, PAGE = 4096 };
    uint64_t size = 0, hooks = py->block_prefix ? PY_DEBUG_PREFIX + 8 : 0, count = FIRST;
    if (!rhi__memory_u64(py->memory, table - py->block_prefix - 8, &size))
        size = 0;
    size = (size & ~7ull) - hooks;
    for (uint64_t n = FIRST; n < ARENAS_MAX; n *= 2)
        if (size >= n * HEADER && size - n * HEADER <= PAGE + 32 && size < n * HEADER * 3 / 2)
            count = n;
    while (count < ARENAS_MAX && is_upper_half(py, table, count))
        count *= 2;
    return count;
}

/* ---- where the table is --------------------------------------------------------------------- */

enum { SAMPLES_MAX = 8, LOOKED_AT_MAX = 1024 };
typedef struct samples {
    py_pool items[SAMPLES_MAX]; /* of different arenas */
    unsigned count;
} samples;

static void take_sample(py_runtime *py, uint64_t address, samples *s)
{
    uint8_t header[HEADER];
    py_pool p;
    address &= -(uint64_t)py->at->pool_bytes;
    if (s->count == SAMPLES_MAX ||
        rhi__memory_read(py->memory, address, header, sizeof header) != sizeof header ||
        !rhi__py_pool_of(py, address, header, &p) || !p.in_use)
        return;
    for (unsigned i = 0; i < s->count; i++)
        if (s->items[i].arena == p.arena)
            return;
    s->items[s->count++] = p;
}

/* Pools that objects lie in: dicts that every interpreter has, and what the collector knows. */
static void take_samples(py_runtime *py, samples *s)
{
    const py_interpreter *main = &py->interpreters.items[0];
    s->count = 0;
    take_sample(py, main->modules, s);
    take_sample(py, main->sysdict, s);
    take_sample(py, main->builtins, s);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t head = main->gc + PY_GC_GENERATIONS + i * PY_GC_GENERATION_BYTES, at = head;
        for (unsigned step = 0; step < LOOKED_AT_MAX && s->count < SAMPLES_MAX; step++) {
            if (!rhi__memory_u64(py->memory, at, &at) ||
                (at &= ~(uint64_t)PY_GC_LINK_FLAGS) == head || !at)
                break;
            take_sample(py, at, s);
        }
    }
}

/* Does the table at `table` say of each sample which arena it lies in? */
static bool has_samples(py_runtime *py, uint64_t table, const samples *s)
{
    uint8_t entry[HEADER];
    for (unsigned i = 0; i < s->count; i++) {
        const py_pool *p = &s->items[i];
        if (rhi__memory_read(py->memory, table + (uint64_t)p->arena * HEADER, entry,
                             sizeof entry) != sizeof entry ||
            !is_arena(py, entry) || p->address - rhi__load64(entry) >= py->at->arena_bytes)
            return false;
    }
    return true;
}

/* Looks through the module's data for the variable that leads to the table. What is searched may
 * have the table in it, too: malloc's heap follows the program's data at once, where addresses are
 * not chosen at random (as GDB starts programs). */
static uint64_t find_in(py_runtime *py, uint64_t start, uint64_t end, const samples *s)
{
    rhi_scratch scratch = {0};
    uint64_t got = 0, found = 0, last = 0;
    const uint8_t *bytes = rhi__memory_view(py->memory, start, end - start, &scratch, &got);
    for (uint64_t at = 0; bytes && !found && at + 8 <= got; at += 8) {
        uint64_t word = rhi__load64(bytes + at);
        if (word % 16 || word < 1 << 16 || word >> 56 || word == last ||
            !rhi__memory_region(py->memory, word))
            continue;
        last = word;
        if (has_samples(py, word, s))
            found = word;
    }
    rhi__scratch_free(&scratch);
    return found;
}

static uint64_t find_table(py_runtime *py)
{
    enum { DATA_MAX = 64 << 20 };
    const rhi_region *all = py->memory->map.regions.items,
                     *region = rhi__memory_region(py->memory, py->address);
    samples s;
    take_samples(py, &s);
    if (!s.count || !region)
        return 0;
    uint64_t start = region->start, end = region->end, count = py->memory->map.regions.count;
    for (const rhi_region *r = region;
         r > all && r[-1].end == start && r[-1].flags & RHI_REGION_WRITE; r--)
        start = r[-1].start;
    for (const rhi_region *r = region + 1;
         r < all + count && r->start == end && r->flags & RHI_REGION_WRITE; r++)
        end = r->end;
    start = py->address - start > DATA_MAX ? py->address - DATA_MAX : start;
    end = end - py->address > DATA_MAX ? py->address + DATA_MAX : end;
    return find_in(py, start, end, &s);
}

/* ---- without a table ------------------------------------------------------------------------ */

/* Adds a pool to the arena before it, if it is of that one. */
static bool take_pool(finder *f, const py_pool *p, uint32_t *number)
{
    py_runtime *py = f->py;
    uint64_t end = p->address + py->at->pool_bytes, count = f->found.count;
    arena *last = count ? &f->found.items[count - 1] : NULL;
    if (last && *number == p->arena && end - last->start <= py->at->arena_bytes) {
        last->end = end;
        return true;
    }
    *number = p->arena;
    return take_arena(f, p->address, end, py->interpreters.items[0].heap);
}

/* What cannot be read, or is a hole of a sparse core, is passed at once, however long it claims to
 * be. */
static rhi_error *scan_region(finder *f, const rhi_region *region, uint32_t *number)
{
    enum { HOLE_STEP = 1 << 20 };
    py_runtime *py = f->py;
    uint8_t header[HEADER];
    py_pool p;
    uint64_t step = py->at->pool_bytes, end = region->end, next,
             at = (region->start + step - 1) & -step, checked = at;
    for (; at >= region->start && at < end && end - at >= step; at = (next + step - 1) & -step) {
        if (py->memory->work && rhi__work_stopped(py->memory->work))
            return rhi__error_cancelled();
        next = at >= checked ? rhi__memory_data_start(py->memory, at, end) : at;
        if (at >= checked)
            checked = next + HOLE_STEP;
        if (next > at)
            continue;
        next = at + step;
        if (rhi__memory_read(py->memory, at, header, HEADER) != HEADER)
            next = rhi__memory_hole_end(py->memory, at, end);
        else if (rhi__py_pool_of(py, at, header, &p) && !take_pool(f, &p, number))
            return rhi__error_memory();
    }
    return NULL;
}

/* Looks for pools by their headers, wherever there may be some. */
static rhi_error *scan_for_pools(finder *f)
{
    const struct rhi_sink *map = &f->py->memory->map;
    uint32_t number = 0;
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *region = &map->regions.items[i];
        if (region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED) &&
            !rhi__region_is_file(region))
            RHI_TRY(scan_region(f, region, &number));
    }
    return NULL;
}

/* ---- opening -------------------------------------------------------------------------------- */

enum { OBMALLOC_ARENAS = 512, OBMALLOC_COUNT = 520 };

/* From 3.12 on each interpreter may have a table of its own, or share the first one's. */
static bool table_of(const py_runtime *py, const py_interpreter *interpreter, uint64_t *table,
                     uint64_t *count)
{
    uint64_t state = interpreter->address + py->at->obmalloc;
    if (py->at->obmalloc == PY_ABSENT ||
        (py->minor >= 13 && !rhi__memory_u64(py->memory, state, &state)) ||
        !rhi__memory_u64(py->memory, state + OBMALLOC_ARENAS, table) ||
        !rhi__memory_u64(py->memory, state + OBMALLOC_COUNT, count))
        return false;
    *count &= UINT32_MAX;
    return *table && *count < ARENAS_MAX;
}

bool rhi__py_has_own_arenas(const py_runtime *py, const py_interpreter *interpreter)
{
    uint64_t table, count, of_main;
    return table_of(py, interpreter, &table, &count) &&
           !(table_of(py, &py->interpreters.items[0], &of_main, &count) && of_main == table);
}

static rhi_error *take_states(finder *f)
{
    py_runtime *py = f->py;
    for (uint64_t i = 0, table, count; i < py->interpreters.count; i++)
        if (table_of(py, &py->interpreters.items[i], &table, &count))
            RHI_TRY(take_table(f, table, count, py->interpreters.items[i].heap));
    return NULL;
}

static rhi_error *find_arenas(finder *f)
{
    py_runtime *py = f->py;
    if (py->at->obmalloc != PY_ABSENT) {
        RHI_TRY(take_states(f));
    } else {
        rhi__memory_keep_pages(py->memory);
        uint64_t table = find_table(py), count = table ? table_entries(py, table) : 0;
        rhi__memory_drop_pages(py->memory);
        if (table)
            RHI_TRY(take_table(f, table, count, py->interpreters.items[0].heap));
    }
    if (f->found.count)
        return NULL;
    RHI_TRY(scan_for_pools(f));
    rhi__reader_problem(py->reader, "the table of Python's arenas is not found: pools are those "
                                    "that look like some, and others may be missing");
    return NULL;
}

static int by_start(const void *left, const void *right)
{
    const arena *a = left, *b = right;
    return a->start != b->start ? (a->start < b->start ? -1 : 1)
                                : (a->heap > b->heap) - (a->heap < b->heap);
}

/* Makes ranges of what was found, each once. */
static rhi_error *add_ranges(finder *f)
{
    py_runtime *py = f->py;
    uint64_t end = 0, count = f->found.count;
    if (!count)
        return NULL;
    qsort(f->found.items, count, sizeof *f->found.items, by_start);
    if (!rhi__array_reserve(&py->arenas, count) || !rhi__array_reserve(&py->reader->own, count))
        return rhi__error_memory();
    for (uint64_t i = 0; i < count; i++) {
        const arena *a = &f->found.items[i];
        if (a->start < end)
            continue;
        end = a->end;
        py->arenas.items[py->arenas.count++] = a->start;
        py->reader->own.items[py->reader->own.count++] = (rhi_own_range){
            .start = a->start, .end = a->end, .what = "arena", .heap = a->heap, .has_blocks = true};
    }
    return NULL;
}

rhi_error *rhi__py_arenas_open(py_runtime *py)
{
    finder f = {.py = py};
    if (!rhi__py_pools_make(py))
        return rhi__error_memory();
    if (py->allocator == PY_MALLOC)
        return NULL;
    rhi_error *error = find_arenas(&f);
    if (!error)
        error = add_ranges(&f);
    free(f.found.items);
    return error;
}

void rhi__py_arenas_free(py_runtime *py)
{
    rhi__py_pools_free(py);
    free(py->arenas.items);
}
