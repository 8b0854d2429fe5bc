/* lone.c - objects that lie in no pool: in blocks of malloc, and in the data of modules (see
 * python.h).
 *
 * Whatever has more than 512 bytes comes from malloc, and with its allocator everything does. Where
 * malloc is not glibc's the collector's lists have what it knows. Static objects: statics.c.
 * Invariant: what is found lies in one block of malloc, or where a list of the collector leads. */
#include "base/array.h"
#include "base/cycle_guard.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"
#include "target/modules.h"

enum {
    LOOK_BYTES = 4096 /* of a block, to see what it holds */,
    PAGE_BYTES = 4096,
    CHUNK_HEADER = 16
};

typedef struct finder {
    py_runtime *py;
    rhi_program *program;
    rhi_blocks *blocks;
    uint32_t heap;
    rhi_window heads; /* of blocks with mappings of their own: a page apart */
    rhi_window window;
} finder;

static rhi_error *progress(const finder *f, const char *what, uint64_t done, uint64_t total)
{
    rhi_work *work = f->py->memory->work;
    return work ? rhi__progress(work, what, done, total) : NULL;
}

/* ---- blocks of malloc ----------------------------------------------------------------------- */

/* Extensions make types in a block as others have them in their data: the collector does not know
 * them, and their counts say nothing. */
static rhi_error *try_type(finder *f, uint64_t start, uint64_t room)
{
    const py_type *type = rhi__py_known_type(f->py, start);
    if (!type || type->is_heap_type)
        return NULL;
    RHI_TRY(rhi__add_lone(f->blocks, start, room, 0, f->heap));
    f->blocks->items[f->blocks->count - 1].origin = PY_IS_STATIC;
    return NULL;
}

/* Adds the object in the block [start, end), if there is one. */
static rhi_error *try_block(finder *f, rhi_window *window, uint64_t start, uint64_t end)
{
    py_found found;
    uint64_t room = end - start, got = room < LOOK_BYTES ? room : LOOK_BYTES;
    const uint8_t *bytes = rhi__window_at(window, start, got);
    if (!bytes)
        return NULL;
    if (!rhi__py_object_in(f->py, start, bytes, got, room, PY_CHUNK, &found))
        return try_type(f, start, room);
    uint64_t hooks = found.prefix - found.type->prefix; /* of debugging */
    if (found.type->buffer_at && got >= found.prefix)
        rhi__py_note_buffer(f->py, found.type, bytes + found.prefix, got - found.prefix);
    return rhi__add_lone(f->blocks, start + hooks, room - hooks, found.type->prefix, f->heap);
}

static rhi_error *add_span(finder *f, const rhi_chunk_span *span)
{
    enum { PROGRESS_CHUNKS = 1 << 12 };
    rhi_malloc *malloc = &f->program->malloc;
    uint64_t size, count = 0;
    bool in_use;
    for (uint64_t chunk = span->start; chunk < span->end; chunk += size) {
        if (++count % PROGRESS_CHUNKS == 0)
            RHI_TRY(progress(f, "looking into malloc's blocks", chunk - span->start,
                             span->end - span->start));
        if (!rhi__malloc_chunk(malloc, span, chunk, &size, &in_use))
            break; /* the memory is no longer what was walked */
        if (in_use)
            RHI_TRY(try_block(f, &f->window, chunk + CHUNK_HEADER, chunk + size + 8));
    }
    return NULL;
}

/* Where memory of a known kind ends that the address lies in; 0: it lies in none. */
static uint64_t known_end(const finder *f, uint64_t address)
{
    const rhi_own_range *own = rhi__own_at(f->py->reader, address);
    const rhi_chunk_span *span = rhi__malloc_span(&f->program->malloc, address);
    return own ? own->end : span ? span->top_end ? span->top_end : span->end : 0;
}

/* The first page behind what cannot be read at `at`. */
static uint64_t behind_hole(finder *f, uint64_t at, uint64_t end)
{
    uint64_t next = rhi__memory_hole_end(f->py->memory, at, end);
    return next < end
               ? (next > at ? (next + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1ull) : at + PAGE_BYTES)
               : end;
}

/* Blocks with mappings of their own. The kernel joins these with others, so that each page may be
 * the beginning of one. */
static rhi_error *add_mapped(finder *f, const rhi_region *region)
{
    enum { PROGRESS_PAGES = 1 << 12, HOLE_STEP = 1 << 20 };
    uint64_t next, pages = 0;
    for (uint64_t at = region->start, checked = at; at < region->end; at = next) {
        if (at >= checked) { /* holes of a sparse core hold no block's header */
            at = rhi__memory_data_start(f->py->memory, at, region->end) & ~(PAGE_BYTES - 1ull);
            checked = at + HOLE_STEP;
        }
        if (++pages % PROGRESS_PAGES == 0)
            RHI_TRY(progress(f, "looking for malloc's blocks", at - region->start,
                             region->end - region->start));
        next = (known_end(f, at) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1ull);
        if (next > at)
            continue;
        next = rhi__malloc_mapped_end(&f->heads, at, region->end);
        if (next)
            RHI_TRY(try_block(f, &f->window, at + CHUNK_HEADER, next));
        else if (rhi__window_covers(&f->heads, at, CHUNK_HEADER))
            next = at + PAGE_BYTES;
        else /* a region may claim to be without end, and hold nothing */
            next = behind_hole(f, at, region->end);
    }
    return NULL;
}

static rhi_error *add_blocks(finder *f)
{
    const struct rhi_sink *map = &f->py->memory->map;
    for (uint64_t i = 0; i < f->program->malloc.spans.count; i++)
        RHI_TRY(add_span(f, &f->program->malloc.spans.items[i]));
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *region = &map->regions.items[i];
        if (region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED) &&
            !rhi__region_is_file(region) && !rhi__has_header(f->program, region))
            RHI_TRY(add_mapped(f, region));
    }
    return NULL;
}

/* ---- the collector's lists ------------------------------------------------------------------ */

/* The object behind a collector's header at `link`, which says itself how large it is. */
static rhi_error *add_tracked(finder *f, uint64_t link)
{
    uint8_t bytes[256];
    uint64_t address = link + PY_GC_PREFIX, word = 0;
    const rhi_region *region = rhi__memory_region(f->py->memory, link);
    const py_type *type = rhi__memory_u64(f->py->memory, address + PY_OB_TYPE, &word)
                              ? rhi__py_type_at(f->py, word)
                              : NULL;
    py_found found;
    if (!type || !region || address - type->prefix < region->start)
        return NULL;
    uint64_t start = address - type->prefix, room = region->end - start,
             got = rhi__memory_read(f->py->memory, start, bytes,
                                    room < sizeof bytes ? room : sizeof bytes);
    if (!rhi__py_object_in(f->py, start, bytes, got, room, PY_WITHIN, &found) ||
        found.prefix != type->prefix)
        return NULL;
    return rhi__add_lone(f->blocks, start, (found.size + 7) & ~7ull, found.prefix, f->heap);
}

/* Follows `next` alone: while the collector runs `prev` holds counts. */
static rhi_error *add_list(finder *f, uint64_t head)
{
    enum { PROGRESS_LINKS = 1 << 12 };
    rhi_cycle_guard guard = {0};
    uint64_t at = head, count = 0;
    while (rhi__memory_u64(f->py->memory, at, &at) && (at &= ~(uint64_t)PY_GC_LINK_FLAGS) != head &&
           at && !rhi__is_repeated(&guard, at)) {
        const rhi_own_range *own = rhi__own_at(f->py->reader, at);
        if (!own || !own->has_blocks)
            RHI_TRY(add_tracked(f, at));
        if (++count % PROGRESS_LINKS == 0)
            RHI_TRY(progress(f, "following the collector's lists", 0, 0));
    }
    return NULL;
}

static rhi_error *add_lists(finder *f)
{
    rhi_error *error = NULL;
    rhi__memory_keep_pages(f->py->memory);
    for (uint64_t i = 0; i < f->py->interpreters.count; i++) {
        const py_interpreter *interpreter = &f->py->interpreters.items[i];
        f->heap = interpreter->heap;
        for (unsigned k = 0; k < 3 && !error; k++)
            error = add_list(f, interpreter->gc + PY_GC_GENERATIONS + k * PY_GC_GENERATION_BYTES);
        if (!error)
            error = add_list(f, interpreter->gc + PY_GC_PERMANENT);
    }
    rhi__memory_drop_pages(f->py->memory);
    return error;
}

/* ---- the interface -------------------------------------------------------------------------- */

static rhi_error *open_finder(rhi_reader *reader, py_runtime *py, rhi_blocks *blocks, finder *f)
{
    enum { HEAD_BYTES = 16, NEAR_BYTES = 1 << 16 };
    *f = (finder){.py = py,
                  .blocks = blocks,
                  .heap = py->interpreters.items[0].heap,
                  .heads = {.memory = reader->memory, .step = HEAD_BYTES},
                  .window = {.memory = reader->memory, .step = NEAR_BYTES}};
    return rhi__reader_program(reader, &f->program);
}

static void close_finder(finder *f)
{
    rhi__py_drop_buffers(f->py);
    rhi__scratch_free(&f->heads.scratch);
    rhi__scratch_free(&f->window.scratch);
}

/* The runtime whose first heap this is; NULL: it is another's. */
static py_runtime *runtime_of(const rhi_reader *reader, uint64_t heap)
{
    const rhi_heap_info *info = &reader->heaps.items[heap];
    py_runtime *py = info->format->read_lone == rhi__py_read_lone ? info->state : NULL;
    return py && py->interpreters.items[0].heap == heap ? py : NULL;
}

rhi_error *rhi__py_read_lone(rhi_reader *reader, rhi_blocks *blocks)
{
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < reader->heaps.count && !error; i++) {
        py_runtime *py = runtime_of(reader, i);
        finder f;
        if (!py)
            continue;
        error = open_finder(reader, py, blocks, &f);
        if (!error)
            error = rhi__py_add_statics(f.py, f.program, blocks);
        if (!error)
            error = add_blocks(&f);
        if (!error && !f.program->malloc.spans.count)
            error = add_lists(&f);
        if (!error && !rhi__py_take_buffers(py, blocks))
            error = rhi__error_memory();
        close_finder(&f);
    }
    return error;
}

/* Where malloc's blocks are not known: what one of the collector's lists leads to. */
static rhi_error *try_listed(finder *f, uint64_t address)
{
    rhi_blocks all = {0}, *blocks = f->blocks;
    uint64_t next, back;
    if (address >= PY_GC_PREFIX && rhi__memory_u64(f->py->memory, address - PY_GC_PREFIX, &next) &&
        (next &= ~(uint64_t)PY_GC_LINK_FLAGS) && rhi__memory_u64(f->py->memory, next + 8, &back) &&
        (back & ~(uint64_t)PY_GC_LINK_FLAGS) == address - PY_GC_PREFIX)
        return add_tracked(f, address - PY_GC_PREFIX);
    f->blocks = &all;
    rhi_error *error = add_lists(f);
    f->blocks = blocks;
    for (uint64_t i = 0; i < all.count && !error; i++)
        if (address - all.items[i].base < all.items[i].slot_size) {
            error = rhi__array_reserve(blocks, 1) ? NULL : rhi__error_memory();
            if (!error)
                blocks->items[blocks->count++] = all.items[i];
            break;
        }
    free(all.items); /* blocks of one slot own nothing */
    return error;
}

/* The block with a mapping of its own that the address lies in. */
static rhi_error *try_mapped(finder *f, uint64_t address)
{
    enum { PAGES_MAX = 1 << 18 };
    const rhi_region *region = rhi__memory_region(f->py->memory, address);
    uint64_t at = address & ~(PAGE_BYTES - 1ull);
    for (unsigned i = 0; region && i < PAGES_MAX && at >= region->start && !known_end(f, at);
         i++, at -= PAGE_BYTES) {
        uint64_t end = rhi__malloc_mapped_end(&f->heads, at, region->end);
        if (end > address)
            return try_block(f, &f->window, at + CHUNK_HEADER, end);
        if (end)
            break;
    }
    return NULL;
}

static rhi_error *try_near(finder *f, uint64_t address)
{
    rhi_malloc *malloc = &f->program->malloc;
    const rhi_chunk_span *span =
        address < CHUNK_HEADER ? NULL : rhi__malloc_span(malloc, address - CHUNK_HEADER);
    uint64_t base, end;
    if (span)
        return rhi__malloc_block(malloc, span, address, &base, &end) && base < end
                   ? try_block(f, &f->window, base, end)
                   : NULL;
    for (uint64_t i = 0; i < f->program->data.count; i++)
        if (address - f->program->data.items[i].start <
            f->program->data.items[i].end - f->program->data.items[i].start)
            return rhi__py_static_near(f->py, f->program, &f->program->data.items[i], address,
                                       f->blocks);
    uint64_t first = f->blocks->count;
    RHI_TRY(try_mapped(f, address));
    return f->blocks->count == first && !malloc->spans.count ? try_listed(f, address) : NULL;
}

rhi_error *rhi__py_lone_near(rhi_reader *reader, uint64_t address, rhi_blocks *blocks)
{
    uint64_t first = blocks->count;
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < reader->heaps.count && blocks->count == first && !error; i++) {
        py_runtime *py = runtime_of(reader, i);
        finder f;
        if (!py)
            continue;
        error = open_finder(reader, py, blocks, &f);
        if (!error)
            error = try_near(&f, address);
        close_finder(&f);
    }
    return error;
}
