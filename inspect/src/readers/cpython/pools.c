/* pools.c - obmalloc's arenas and pools: which of their blocks hold objects (see python.h).
 *
 * An arena is cut into pools of one size class each. A pool's header says how many blocks are in
 * use, and heads the list of those that are not: the others hold an object, or raw memory that the
 * program took from the same allocator.
 * Invariant: what is made of a pool lies inside of it, whatever its header says. */
#include "base/array.h"
#include "base/bits.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"

#include <inttypes.h>
#include <string.h>

enum {
    HEADER = 48, /* of a pool, and an entry of the table of arenas */
    CLASSES = 32,
    BLOCK_MAX = 512,
    POOL_MAX = 16 << 10,
    BLOCKS_MAX = POOL_MAX / 16,
    ARENAS_MAX = 1 << 22
};

struct py_pools {
    rhi_scratch scratch;
    uint64_t in_motion; /* the pool whose count is one off: the program was stopped there */
};

/* ---- a pool --------------------------------------------------------------------------------- */

typedef struct pool {
    uint64_t address, block_size;
    uint32_t in_use, carved; /* carved: blocks that were ever given out */
    uint32_t blocks;         /* that there is room for */
    uint64_t free;           /* the first of the list; 0: none */
    uint32_t arena;          /* its number in the table */
} pool;

/* Is that the header of a pool? */
static bool read_pool(const py_runtime *py, uint64_t address, const uint8_t *header, pool *p)
{
    uint64_t size_class = rhi__load32(header + 36), next = rhi__load32(header + 40),
             last = rhi__load32(header + 44), size = (size_class + 1) * 16;
    if (size_class >= CLASSES || last != py->at->pool_bytes - size || next < HEADER ||
        next > py->at->pool_bytes || (next - HEADER) % size)
        return false;
    *p = (pool){.address = address,
                .block_size = size,
                .in_use = rhi__load32(header),
                .carved = (uint32_t)((next - HEADER) / size),
                .blocks = (uint32_t)((py->at->pool_bytes - HEADER) / size),
                .free = rhi__load64(header + 8),
                .arena = rhi__load32(header + 32)};
    return p->in_use <= p->blocks && p->carved <= p->blocks &&
           (p->free == 0 || p->free - address < py->at->pool_bytes);
}

/* Sets the bits of the blocks in the list of free ones; returns how many. *is_damaged: the list
 * goes round in circles, or leaves the pool. */
static uint32_t mark_free(const pool *p, const uint8_t *bytes, uint64_t *free_bits,
                          bool *is_damaged)
{
    uint32_t count = 0;
    *is_damaged = false;
    for (uint64_t at = p->free; at; count++) {
        uint64_t offset = at - p->address - HEADER, block = offset / p->block_size;
        if (at < p->address + HEADER || block >= p->carved || offset % p->block_size ||
            rhi__bit(free_bits, block)) {
            *is_damaged = true;
            break;
        }
        rhi__bit_set(free_bits, block);
        at = rhi__load64(bytes + HEADER + offset);
    }
    return count;
}

/* Between two instructions of the allocator one pool's count is one off. */
static void check_count(py_runtime *py, const pool *p, uint32_t free_count, bool is_damaged)
{
    uint32_t left = p->carved - free_count,
             off = left > p->in_use ? left - p->in_use : p->in_use - left;
    if (is_damaged)
        rhi__reader_damage(py->reader, p->address, true,
                           "the list of free blocks of the pool at 0x%" PRIx64 " is damaged",
                           p->address);
    else if (off == 1 && (!py->pools->in_motion || py->pools->in_motion == p->address))
        py->pools->in_motion = p->address;
    else if (off)
        rhi__reader_damage(py->reader, p->address, true,
                           "the pool at 0x%" PRIx64
                           " counts %u blocks in use, its list of free blocks leaves %u",
                           p->address, p->in_use, left);
}

/* ---- its blocks ----------------------------------------------------------------------------- */

typedef struct filling {
    uint64_t live[BLOCKS_MAX / 64], raw[BLOCKS_MAX / 64];
    uint8_t prefixes[BLOCKS_MAX];
    bool any_raw, any_prefix;
} filling;

static void fill(py_runtime *py, const pool *p, const uint8_t *bytes, filling *f)
{
    uint64_t free_bits[BLOCKS_MAX / 64] = {0};
    bool is_damaged;
    uint32_t free_count = mark_free(p, bytes, free_bits, &is_damaged);
    py_found found = {0} /* the last one */, was;
    memset(f, 0, sizeof *f);
    check_count(py, p, free_count, is_damaged);
    for (uint32_t i = 0; i < p->carved; i++) {
        const uint8_t *block = bytes + HEADER + i * p->block_size;
        uint64_t start = p->address + HEADER + i * p->block_size;
        if (rhi__bit(free_bits, i))
            continue;
        if ((found.type && rhi__py_object_like(py, found.type, block, p->block_size, &found)) ||
            rhi__py_object_in(py, start, block, p->block_size, p->block_size, PY_FILLS, &found)) {
            rhi__bit_set(f->live, i);
            f->prefixes[i] = found.prefix;
            f->any_prefix |= found.prefix != 0;
        } else if (!rhi__py_was_object(py, block, p->block_size, p->block_size, false, &was)) {
            rhi__bit_set(f->raw, i);
            f->any_raw = true;
        }
    }
}

static void *copy_of(const void *bytes, size_t size)
{
    void *copy = malloc(size);
    if (copy)
        memcpy(copy, bytes, size);
    return copy;
}

/* Appends the pool as a block. Slots that were never given out are not live. */
static rhi_error *add_pool(py_runtime *py, const pool *p, const uint8_t *bytes, uint32_t heap,
                           rhi_blocks *blocks)
{
    filling f;
    uint64_t words = (p->blocks + 63u) / 64 * 8;
    if (!rhi__array_reserve(blocks, 1))
        return rhi__error_memory();
    fill(py, p, bytes, &f);
    rhi_block block = {.base = p->address + HEADER,
                       .slot_size = p->block_size,
                       .capacity = p->blocks,
                       .heap = heap,
                       .origin = p->carved,
                       .is_exact = true,
                       .live = copy_of(f.live, words),
                       .raw = f.any_raw ? copy_of(f.raw, words) : NULL,
                       .prefixes = f.any_prefix ? copy_of(f.prefixes, p->blocks) : NULL};
    if (!block.live || (f.any_raw && !block.raw) || (f.any_prefix && !block.prefixes)) {
        free(block.live);
        free(block.raw);
        free(block.prefixes);
        return rhi__error_memory();
    }
    blocks->items[blocks->count++] = block;
    return NULL;
}

rhi_error *rhi__py_read_blocks(rhi_reader *reader, const rhi_own_range *range, rhi_blocks *blocks)
{
    py_runtime *py = py_of_heap(reader, range->heap);
    uint64_t step = py->at->pool_bytes, size = range->end - range->start, got = 0;
    const uint8_t *bytes =
        rhi__memory_view(reader->memory, range->start, size, &py->pools->scratch, &got);
    for (uint64_t at = -range->start & (step - 1); bytes && at + step <= got; at += step) {
        pool p;
        if (read_pool(py, range->start + at, bytes + at, &p))
            RHI_TRY(add_pool(py, &p, bytes + at, range->heap, blocks));
    }
    if (got < size)
        rhi__reader_problem(reader,
                            "%" PRIu64 " bytes of the arena at 0x%" PRIx64 " cannot be read",
                            size - got, range->start);
    return NULL;
}

rhi_error *rhi__py_read_near(rhi_reader *reader, const rhi_own_range *range, uint64_t address,
                             rhi_blocks *blocks)
{
    if (!range || !range->has_blocks)
        return rhi__py_lone_near(reader, address, blocks);
    py_runtime *py = py_of_heap(reader, range->heap);
    uint64_t step = py->at->pool_bytes, start = address & -step, got = 0;
    pool p;
    if (start < range->start || start + step > range->end)
        return NULL;
    const uint8_t *bytes = rhi__memory_view(reader->memory, start, step, &py->pools->scratch, &got);
    return bytes && got == step && read_pool(py, start, bytes, &p)
               ? add_pool(py, &p, bytes, range->heap, blocks)
               : NULL;
}

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

static int by_number(const void *left, const void *right)
{
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* Appends the arenas of a table as ranges of the heap. */
static rhi_error *add_table(py_runtime *py, uint64_t table, uint64_t count, uint32_t heap)
{
    rhi_scratch scratch = {0};
    uint64_t got = 0;
    const uint8_t *bytes = rhi__memory_view(py->memory, table, count * HEADER, &scratch, &got);
    rhi_error *error = NULL;
    for (uint64_t i = 0; bytes && !error && (i + 1) * HEADER <= got; i++) {
        const uint8_t *entry = bytes + i * HEADER;
        uint64_t address = rhi__load64(entry);
        if (!is_arena(py, entry))
            continue;
        if (!rhi__array_reserve(&py->arenas, 1) || !rhi__array_reserve(&py->reader->own, 1)) {
            error = rhi__error_memory();
            break;
        }
        py->arenas.items[py->arenas.count++] = address;
        py->reader->own.items[py->reader->own.count++] =
            (rhi_own_range){.start = address,
                            .end = address + py->at->arena_bytes,
                            .what = "arena",
                            .heap = heap,
                            .has_blocks = true};
    }
    rhi__scratch_free(&scratch);
    return error;
}

/* How many entries a table of malloc has: obmalloc doubles it, malloc's header has its size. */
static uint64_t table_entries(const py_runtime *py, uint64_t table)
{
    uint64_t size = 0;
    uint64_t at = table - py->block_prefix - 8;
    if (!rhi__memory_u64(py->memory, at, &size))
        return 0;
    size = (size & ~7ull) / HEADER;
    return size < ARENAS_MAX ? size : 0;
}

/* ---- where the table is --------------------------------------------------------------------- */

enum { SAMPLES_MAX = 8, LOOKED_AT_MAX = 4096 };
typedef struct samples {
    pool items[SAMPLES_MAX]; /* of different arenas */
    unsigned count;
} samples;

static void take_sample(py_runtime *py, uint64_t address, samples *s)
{
    uint8_t header[HEADER];
    pool p;
    address &= -(uint64_t)py->at->pool_bytes;
    if (s->count == SAMPLES_MAX ||
        rhi__memory_read(py->memory, address, header, sizeof header) != sizeof header ||
        !read_pool(py, address, header, &p) || !p.in_use)
        return;
    for (unsigned i = 0; i < s->count; i++)
        if (s->items[i].arena == p.arena)
            return;
    s->items[s->count++] = p;
}

/* Pools that objects of the collector's lists lie in. */
static void take_samples(py_runtime *py, samples *s)
{
    uint64_t gc = py->interpreters.items[0].gc, at;
    s->count = 0;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t head = gc + PY_GC_GENERATIONS + i * PY_GC_GENERATION_BYTES;
        at = head;
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
        const pool *p = &s->items[i];
        if (rhi__memory_read(py->memory, table + (uint64_t)p->arena * HEADER, entry,
                             sizeof entry) != sizeof entry ||
            !is_arena(py, entry) || p->address - rhi__load64(entry) >= py->at->arena_bytes)
            return false;
    }
    return true;
}

/* Looks through the module's data for the variable that leads to the table. */
static uint64_t find_in(py_runtime *py, uint64_t start, uint64_t end, const samples *s)
{
    rhi_scratch scratch = {0};
    uint64_t got = 0, found = 0, last = 0;
    const uint8_t *bytes = rhi__memory_view(py->memory, start, end - start, &scratch, &got);
    for (uint64_t at = 0; bytes && !found && at + 8 <= got; at += 8) {
        uint64_t word = rhi__load64(bytes + at);
        if (word % 16 || word < 1 << 16 || word >> 56 || word == last ||
            word - start < end - start || !rhi__memory_region(py->memory, word))
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

/* ---- opening -------------------------------------------------------------------------------- */

enum { OBMALLOC_ARENAS = 512, OBMALLOC_COUNT = 520 };

/* From 3.12 on each interpreter may have a table of its own. */
static rhi_error *add_states(py_runtime *py)
{
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        const py_interpreter *interpreter = &py->interpreters.items[i];
        uint64_t state = interpreter->address + py->at->obmalloc, table, count;
        if ((py->minor >= 13 && !rhi__memory_u64(py->memory, state, &state)) ||
            !rhi__memory_u64(py->memory, state + OBMALLOC_ARENAS, &table) ||
            !rhi__memory_u64(py->memory, state + OBMALLOC_COUNT, &count))
            continue;
        count &= UINT32_MAX;
        if (table && count < ARENAS_MAX)
            RHI_TRY(add_table(py, table, count, interpreter->heap));
    }
    return NULL;
}

rhi_error *rhi__py_arenas_open(py_runtime *py)
{
    py->pools = calloc(1, sizeof *py->pools);
    if (!py->pools)
        return rhi__error_memory();
    if (py->allocator == PY_MALLOC)
        return NULL;
    if (py->at->obmalloc != PY_ABSENT) {
        RHI_TRY(add_states(py));
    } else {
        rhi__memory_keep_pages(py->memory);
        uint64_t table = find_table(py);
        rhi__memory_drop_pages(py->memory);
        if (table)
            RHI_TRY(add_table(py, table, table_entries(py, table), py->interpreters.items[0].heap));
    }
    if (py->arenas.count)
        qsort(py->arenas.items, py->arenas.count, sizeof *py->arenas.items, by_number);
    return NULL;
}

void rhi__py_arenas_free(py_runtime *py)
{
    if (py->pools)
        rhi__scratch_free(&py->pools->scratch);
    free(py->pools);
    free(py->arenas.items);
}
