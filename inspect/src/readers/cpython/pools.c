/* pools.c - obmalloc's pools: which of their blocks hold objects (see python.h, pools.h).
 *
 * An arena is cut into pools of one size class each. A pool's header says how many blocks are in
 * use, and heads the list of those that are not: the others hold an object, or raw memory that the
 * program took from the same allocator.
 * Invariant: what is made of a pool lies inside of it, whatever its header says. */
#include "base/array.h"
#include "base/bits.h"
#include "heap/reader.h"
#include "readers/cpython/pools.h"

#include <inttypes.h>
#include <string.h>

enum {
    HEADER = PY_POOL_HEADER,
    CLASSES = 32,
    POOL_MAX = 16 << 10,
    BLOCKS_MAX = POOL_MAX / 16,
    KEPT_EACH = 80,
    KEPT_MAX = 4 * KEPT_EACH
};

struct py_pools {
    rhi_scratch scratch;
    struct { /* what was read last: most neighbours of an object lie there */
        const uint8_t *bytes;
        uint64_t start, size;
    } view;
    uint64_t
        in_motion; /* where threads are not known: the pool that one is taken to have in hand */
    /* tables that are kept for the next dicts, sorted */
    uint64_t kept[KEPT_MAX];
    unsigned kept_count;
    bool knows_kept;
};

/* ---- a pool --------------------------------------------------------------------------------- */

bool rhi__py_pool_of(const py_runtime *py, uint64_t address, const uint8_t *header, py_pool *p)
{
    uint64_t size_class = rhi__load32(header + 36), next = rhi__load32(header + 40),
             last = rhi__load32(header + 44), size = (size_class + 1) * 16;
    if (size_class >= CLASSES || last != py->at->pool_bytes - size || next < HEADER ||
        next > py->at->pool_bytes || (next - HEADER) % size)
        return false;
    *p = (py_pool){.address = address,
                   .block_size = size,
                   .in_use = rhi__load32(header),
                   .carved = (uint32_t)((next - HEADER) / size),
                   .blocks = (uint32_t)((py->at->pool_bytes - HEADER) / size),
                   .free = rhi__load64(header + 8),
                   .arena = rhi__load32(header + 32)};
    return p->in_use <= p->blocks && p->carved <= p->blocks &&
           (p->free == 0 || p->free - address < py->at->pool_bytes);
}

/* What the list of free blocks of a pool says. is_damaged: it goes round in circles, or leaves the
 * pool. */
typedef struct free_list {
    uint64_t bits[BLOCKS_MAX / 64];
    uint32_t count;
    bool is_damaged;
} free_list;

/* Follows the list for `most` blocks. */
static void walk_free(const py_pool *p, const uint8_t *bytes, uint32_t most, free_list *list)
{
    memset(list, 0, sizeof *list);
    for (uint64_t at = p->free; at && list->count < most; list->count++) {
        uint64_t offset = at - p->address - HEADER, block = offset / p->block_size;
        if (at < p->address + HEADER || block >= p->carved || offset % p->block_size ||
            rhi__bit(list->bits, block)) {
            list->is_damaged = true;
            break;
        }
        rhi__bit_set(list->bits, block);
        at = rhi__load64(bytes + HEADER + offset);
    }
}

/* By how much the count and the list disagree. */
static uint32_t off_by(const py_pool *p, const free_list *list)
{
    uint32_t left = p->carved - list->count;
    return left > p->in_use ? left - p->in_use : p->in_use - left;
}

/* Between two instructions of the allocator the count of its pool is one off; of a block that was
 * just cut from the pool the link is not written yet, which may lead to one in use by chance. */
static bool fits_motion(const py_pool *p, const uint8_t *bytes, free_list *list)
{
    bool may_be_whole = !list->is_damaged && off_by(p, list) <= 1;
    free_list begun;
    walk_free(p, bytes, 1, &begun);
    if (off_by(p, &begun) > (may_be_whole ? 0 : 1))
        return may_be_whole;
    *list = begun;
    return true;
}

/* May it be so because the allocator is at work in this pool? If it is not known who has what at
 * hand, the count of one pool may be off. */
static bool is_in_motion(py_runtime *py, const py_pool *p, const uint8_t *bytes, free_list *list)
{
    uint64_t *one = &py->pools->in_motion;
    bool is_known,
        is_at_hand = rhi__py_at_hand(py, p->address, p->address + py->at->pool_bytes, &is_known);
    if (is_known)
        return is_at_hand && fits_motion(p, bytes, list);
    if (list->is_damaged || off_by(p, list) > 1 || (*one && *one != p->address))
        return false;
    *one = p->address;
    return true;
}

static void find_free(py_runtime *py, const py_pool *p, const uint8_t *bytes, free_list *list)
{
    walk_free(p, bytes, p->blocks, list);
    if ((!list->is_damaged && off_by(p, list) == 0) || is_in_motion(py, p, bytes, list))
        return;
    if (list->is_damaged)
        rhi__reader_damage(py->reader, p->address, RHI_FOUND_BAD_BLOCK,
                           "the list of free blocks of the pool at 0x%" PRIx64 " is damaged",
                           p->address);
    else
        rhi__reader_damage(py->reader, p->address, RHI_FOUND_BAD_BLOCK,
                           "the pool at 0x%" PRIx64
                           " counts %u blocks in use, its list of free blocks leaves %u",
                           p->address, p->in_use, p->carved - list->count);
}

/* ---- its blocks ----------------------------------------------------------------------------- */

typedef struct filling {
    uint64_t live[BLOCKS_MAX / 64], raw[BLOCKS_MAX / 64];
    uint8_t prefixes[BLOCKS_MAX];
    bool any_raw, any_prefix;
} filling;

static int address_order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* Dicts' tables of the smallest size are kept for the next dicts, with what they held; some of them
 * have the count that they had. Where an interpreter lists them is known from 3.10 on. */
static void learn_kept(py_runtime *py, const py_interpreter *interpreter)
{
    static const struct {
        uint32_t list, count;
    } places[] = {{0, 0}, {11336, 11976}, {5168, 5808}, {271376, 272020}, {12504, 13144}};
    uint8_t list[KEPT_EACH * 8], count[4];
    uint64_t at = interpreter->address;
    unsigned version = py->minor - PY_MINOR_MIN, *total = &py->pools->kept_count;
    if (!places[version].list ||
        rhi__memory_read(py->memory, at + places[version].list, list, sizeof list) != sizeof list ||
        rhi__memory_read(py->memory, at + places[version].count, count, sizeof count) !=
            sizeof count)
        return;
    for (uint32_t i = 0; i < rhi__load32(count) && i < KEPT_EACH && *total < KEPT_MAX; i++)
        py->pools->kept[(*total)++] = rhi__load64(list + i * 8);
}

static void learn_all_kept(py_runtime *py)
{
    py->pools->knows_kept = true;
    for (uint64_t i = 0; i < py->interpreters.count; i++)
        learn_kept(py, &py->interpreters.items[i]);
    qsort(py->pools->kept, py->pools->kept_count, sizeof *py->pools->kept, address_order);
}

/* A dict's table that no dict uses? */
static bool is_dead_table(py_runtime *py, const py_pool *p, uint64_t start, const uint8_t *block)
{
    uint64_t prefix = py->block_prefix, address = start + prefix;
    if (!py->pools->knows_kept)
        learn_all_kept(py);
    return p->block_size > prefix &&
           rhi__py_is_smallest_table(py, block + prefix, p->block_size - prefix) &&
           (rhi__load64(block + prefix) == 0 ||
            bsearch(&address, py->pools->kept, py->pools->kept_count, sizeof address,
                    address_order));
}

/* ---- neighbours ----------------------------------------------------------------------------- */

/* A link of the collector's, without its flags; 0: it cannot be read. */
static uint64_t link_at(py_runtime *py, uint64_t address)
{
    uint64_t inside = address - py->pools->view.start, link = 0;
    if (py->pools->view.size >= 8 && inside <= py->pools->view.size - 8)
        link = rhi__load64(py->pools->view.bytes + inside);
    else if (!rhi__memory_u64(py->memory, address, &link))
        return 0;
    return link & ~(uint64_t)PY_GC_LINK_FLAGS;
}

/* May what has these links, and leads to one that it names as its neighbour, be in a list itself?
 * The one on its other side leads back to it, and it is not in a free block. */
static bool is_neighbour(py_runtime *py, uint64_t links, uint64_t other_side)
{
    return other_side == links && !rhi__py_is_free(py, links);
}

/* The list of young objects, to whose end each new one comes? */
static bool is_youngest(const py_runtime *py, uint64_t links)
{
    for (uint64_t i = 0; i < py->interpreters.count; i++)
        if (links == py->interpreters.items[i].gc + PY_GC_GENERATIONS)
            return true;
    return false;
}

/* Memory that C code took and did not fill keeps what was there before, and may look like an object
 * that the collector knows. But no neighbour of it in the collector's lists knows it. Where one is
 * being put in or taken out just now, one neighbour knows it, or both know each other. */
static bool has_neighbours(py_runtime *py, const uint8_t *block, uint64_t start,
                           const py_found *found)
{
    if (!(found->type->flags & PY_FLAG_GC) || py->block_prefix || rhi__py_is_collecting(py))
        return true;
    const uint8_t *links = block + found->prefix - PY_GC_PREFIX;
    uint64_t own = start + found->prefix - PY_GC_PREFIX,
             next = rhi__load64(links) & ~(uint64_t)PY_GC_LINK_FLAGS,
             prev = rhi__load64(links + 8) & ~(uint64_t)PY_GC_LINK_FLAGS;
    if (!next || (!prev && is_youngest(py, next)))
        return true;
    uint64_t back = link_at(py, next + 8), forth = prev ? link_at(py, prev) : 0;
    return (back == own && forth == own) || (back == prev && forth == next) ||
           (back == own && is_neighbour(py, next, link_at(py, link_at(py, next) + 8))) ||
           (forth == own && is_neighbour(py, prev, link_at(py, link_at(py, prev + 8))));
}

/* Does what is in a block that was not given back own nothing? An object that is kept for reuse
 * still owns its type, if the program made that: as C code keeps those of a module. */
static bool owns_nothing(py_runtime *py, const py_pool *p, uint64_t start, const uint8_t *block)
{
    py_found was;
    return rhi__py_was_object(py, block, p->block_size, p->block_size, false, &was)
               ? !was.type->is_heap_type
               : is_dead_table(py, p, start, block);
}

static void fill(py_runtime *py, const py_pool *p, const uint8_t *bytes, filling *f)
{
    free_list list;
    py_found found = {0}; /* the last one */
    memset(f, 0, sizeof *f);
    find_free(py, p, bytes, &list);
    for (uint32_t i = 0; i < p->carved; i++) {
        const uint8_t *block = bytes + HEADER + i * p->block_size;
        uint64_t start = p->address + HEADER + i * p->block_size;
        if (rhi__bit(list.bits, i))
            continue;
        if (((found.type && rhi__py_object_like(py, found.type, block, p->block_size, &found)) ||
             rhi__py_object_in(py, start, block, p->block_size, p->block_size, PY_FILLS, &found)) &&
            has_neighbours(py, block, start, &found)) {
            rhi__bit_set(f->live, i);
            f->prefixes[i] = found.prefix;
            f->any_prefix |= found.prefix != 0;
            if (found.type->buffer_at)
                rhi__py_note_buffer(py, found.type, block + found.prefix,
                                    p->block_size - found.prefix);
        } else if (!owns_nothing(py, p, start, block) ||
                   rhi__py_is_being_freed(py, start, start + p->block_size)) {
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
static rhi_error *add_pool(py_runtime *py, const py_pool *p, const uint8_t *bytes, uint32_t heap,
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
    py->pools->view.bytes = bytes;
    py->pools->view.start = range->start;
    py->pools->view.size = bytes ? got : 0;
    rhi_error *error = NULL;
    uint64_t at = -range->start & (step - 1);
    for (; bytes && at + step <= got && !error; at += step) {
        py_pool p;
        if (rhi__py_pool_of(py, range->start + at, bytes + at, &p))
            error = add_pool(py, &p, bytes + at, range->heap, blocks);
    }
    py->pools->view.size = 0;
    RHI_TRY(error);
    if (got < size) {
        rhi__reader_unread(reader, range->start + at);
        rhi__reader_problem(reader,
                            "%" PRIu64 " bytes of the arena at 0x%" PRIx64 " cannot be read",
                            size - got, range->start);
    }
    return NULL;
}

rhi_error *rhi__py_read_near(rhi_reader *reader, const rhi_own_range *range, uint64_t address,
                             rhi_blocks *blocks)
{
    if (!range || !range->has_blocks)
        return rhi__py_lone_near(reader, address, blocks);
    py_runtime *py = py_of_heap(reader, range->heap);
    uint64_t step = py->at->pool_bytes, start = address & -step, got = 0;
    py_pool p;
    if (start < range->start || start + step > range->end)
        return NULL;
    const uint8_t *bytes = rhi__memory_view(reader->memory, start, step, &py->pools->scratch, &got);
    rhi_error *error = bytes && got == step && rhi__py_pool_of(py, start, bytes, &p)
                           ? add_pool(py, &p, bytes, range->heap, blocks)
                           : NULL;
    if (got < step)
        rhi__reader_unread(reader, start);
    rhi__py_drop_buffers(py); /* those of other pools are not known */
    return error;
}

bool rhi__py_pools_make(py_runtime *py)
{
    py->pools = calloc(1, sizeof *py->pools);
    return py->pools != NULL;
}

void rhi__py_pools_free(py_runtime *py)
{
    if (py->pools)
        rhi__scratch_free(&py->pools->scratch);
    free(py->pools);
}
