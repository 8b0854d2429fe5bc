/* word_map.c - divides memory among the classes of words (see word_map.h).
 * Claims are painted class by class, the first in rank first; each takes what is not taken yet. */
#include "words/word_map.h"
#include "base/search.h"
#include "base/array.h"
#include "program/thread_locals.h"
#include "target/modules.h"
#include "words/as_on_disk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* so that rounding up never wraps around; no user memory is there */
#define ADDRESS_MAX (UINT64_MAX - 0xffff)
enum { RED_ZONE_BYTES = 128 };

typedef struct painter {
    rhi_session *session;
    rhi_reader *reader;
    rhi_memory *memory;
    rhi_word_map *map;
    /* of the class that is painted next */
    struct {
        rhi_part *items;
        uint64_t count, capacity;
    } claims;
    rhi_program *program;
    /* stack pointers of all threads; sorted */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } pointers;
    rhi_thread_locals locals;
    rhi_window window; /* for the first words of pages */
    bool out_of_memory;
} painter;

/* ---- painting ------------------------------------------------------------------------------- */

static int part_order(const void *left, const void *right)
{
    const rhi_part *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static void claim(painter *p, uint64_t start, uint64_t end, rhi_part part)
{
    end = end < ADDRESS_MAX ? end : ADDRESS_MAX;
    if (start >= end)
        return;
    if (!rhi__array_reserve(&p->claims, 1)) {
        p->out_of_memory = true;
        return;
    }
    part.start = (start + 7) & ~7ull; /* both up: a word belongs to where it begins */
    part.end = (end + 7) & ~7ull;
    p->claims.items[p->claims.count++] = part;
}

static void add_part(painter *p, rhi_part part, uint64_t start, uint64_t end)
{
    if (!rhi__array_reserve(&p->map->parts, 1)) {
        p->out_of_memory = true;
        return;
    }
    part.start = start;
    part.end = end;
    p->map->parts.items[p->map->parts.count++] = part;
}

/* Gives each claim what is free of its range. */
static void paint(painter *p)
{
    uint64_t taken = p->map->parts.count, i = 0, done = 0;
    if (p->claims.count)
        qsort(p->claims.items, p->claims.count, sizeof *p->claims.items, part_order);
    for (uint64_t c = 0; c < p->claims.count; c++) {
        const rhi_part *wanted = &p->claims.items[c];
        uint64_t at = wanted->start > done ? wanted->start : done;
        while (at < wanted->end) {
            while (i < taken && p->map->parts.items[i].end <= at)
                i++;
            if (i < taken && p->map->parts.items[i].start <= at) {
                at = p->map->parts.items[i].end;
                continue;
            }
            uint64_t end = i < taken && p->map->parts.items[i].start < wanted->end
                               ? p->map->parts.items[i].start
                               : wanted->end;
            add_part(p, *wanted, at, end);
            at = end;
        }
        done = at > done ? at : done;
    }
    if (p->map->parts.count)
        qsort(p->map->parts.items, p->map->parts.count, sizeof *p->map->parts.items, part_order);
    p->claims.count = 0;
}

static void say(painter *p, const char *text)
{
    rhi__note(&p->map->problems, text);
    p->out_of_memory |= p->map->problems.is_short;
}

/* What a program took from a heap's own allocator is its memory, as if it came from another. */
static void claim_own(painter *p)
{
    for (uint64_t i = 0; i < p->reader->own.count; i++) {
        const rhi_own_range *own = &p->reader->own.items[i];
        bool has_raw = own->has_blocks && rhi__format_of(p->reader, own->heap)->raw_word;
        claim(p, own->start, own->end,
              (rhi_part){.kind = has_raw ? RHI_HOLDER_UNKNOWN : RHI_PART_NOTHING,
                         .in_heap = has_raw});
    }
}

/* ---- threads -------------------------------------------------------------------------------- */

static void claim_thread_locals(painter *p)
{
    for (uint64_t i = 0; i < p->locals.blocks.count; i++) {
        const rhi_tls_block *block = &p->locals.blocks.items[i];
        uint64_t end = block->end, base;
        const rhi_chunk_span *span = end ? NULL : rhi__malloc_span(p->map->malloc, block->start);
        if (!end && (!span || !rhi__malloc_block(p->map->malloc, span, block->start, &base, &end)))
            continue;
        claim(p, block->start, end,
              (rhi_part){.kind = RHI_HOLDER_THREAD_LOCAL,
                         .lwp = block->lwp,
                         .base = block->thread_pointer});
    }
}

static int pointer_order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The first thread's stack pointer from `address` on; UINT64_MAX: none. */
static uint64_t next_pointer(const painter *p, uint64_t address)
{
    uint64_t next = rhi__first(0, p->pointers.count, at, p->pointers.items[at] >= address);
    return next < p->pointers.count ? p->pointers.items[next] : UINT64_MAX;
}

/* Does the mapping that a thread's stack pointer points into serve for nothing but this stack? */
static bool is_stack_alone(painter *p, const rhi_region *region, uint64_t pointer)
{
    if (next_pointer(p, region->start) != pointer || next_pointer(p, pointer + 1) < region->end ||
        rhi__region_is_file(region))
        return false;
    /* the runtime's own, thread-local variables */
    for (uint64_t i = 0; i < p->map->parts.count; i++)
        if (p->map->parts.items[i].start < region->end &&
            p->map->parts.items[i].end > region->start &&
            p->map->parts.items[i].kind != RHI_HOLDER_THREAD_LOCAL)
            return false;
    for (uint64_t i = 0; i < p->map->malloc->spans.count; i++)
        if (p->map->malloc->spans.items[i].start < region->end &&
            p->map->malloc->spans.items[i].top_end > region->start)
            return false;
    for (uint64_t i = 0; i < p->program->data.count; i++)
        if (p->program->data.items[i].start < region->end &&
            p->program->data.items[i].end > region->start)
            return false;
    return !rhi__malloc_mapped_end(&p->window, region->start, region->end);
}

/* The stack that a thread runs on ends where pthread_create was told so; or with its mapping,
 * with the block of malloc that it is in, or before the next thread's. */
static void claim_stack(painter *p, uint64_t thread)
{
    const rhi_thread *t = &p->memory->map.threads.items[thread];
    const rhi_thread_place *place = &p->locals.threads[thread];
    const rhi_region *region = rhi__memory_region(p->memory, t->stack_pointer);
    if (!region) {
        say(p, "the stack of a thread was not searched: its stack pointer points nowhere");
        return;
    }
    uint64_t low = region->start, high = region->end,
             from = t->stack_pointer > RED_ZONE_BYTES ? t->stack_pointer - RED_ZONE_BYTES : 0;
    bool alone = place->stack_end || is_stack_alone(p, region, t->stack_pointer);
    if (place->stack_end) {
        low = place->stack_start > low ? place->stack_start : low;
        high = place->stack_end < high ? place->stack_end : high;
    } else if (!alone) {
        const rhi_chunk_span *span = rhi__malloc_span(p->map->malloc, t->stack_pointer);
        uint64_t base, end, next = next_pointer(p, t->stack_pointer + 1);
        if (span && rhi__malloc_block(p->map->malloc, span, t->stack_pointer, &base, &end) &&
            end > t->stack_pointer && end < high)
            high = end;
        if (next < high)
            high =
                next - t->stack_pointer > RED_ZONE_BYTES ? next - RED_ZONE_BYTES : t->stack_pointer;
    }
    if (from < low)
        from = low;
    claim(p, from, high,
          (rhi_part){.kind = RHI_HOLDER_STACK, .lwp = t->lwp, .must_be_there = true});
    if (alone)
        claim(p, low, from, (rhi_part){.kind = RHI_PART_NOTHING});
}

static void claim_stacks(painter *p)
{
    uint64_t count = p->memory->map.threads.count;
    if (!p->memory->has_threads)
        say(p, "registers were not searched, and stacks not told from other memory: the threads "
               "cannot be had");
    if (!rhi__array_reserve(&p->pointers, count)) {
        p->out_of_memory = true;
        return;
    }
    for (uint64_t i = 0; i < count; i++)
        p->pointers.items[p->pointers.count++] = p->memory->map.threads.items[i].stack_pointer;
    if (count)
        qsort(p->pointers.items, count, sizeof *p->pointers.items, pointer_order);
    for (uint64_t i = 0; i < count; i++)
        claim_stack(p, i);
}

/* ---- other memory --------------------------------------------------------------------------- */

/* A part of an absent region that no class takes for good. */
static void add_gap(painter *p, const rhi_region *region, uint64_t start, uint64_t end,
                    enum rhi_worth worth)
{
    if (!rhi__array_reserve(&p->map->gaps, 1))
        p->out_of_memory = true;
    else
        p->map->gaps.items[p->map->gaps.count++] =
            (rhi_gap){.start = start, .end = end, .worth = (uint8_t)worth, .path = region->path};
}

/* What malloc keeps behind a heap of an arena, or a page that guards the stack of a thread above
 * it. */
static bool is_reserve(const painter *p, const rhi_region *region)
{
    uint64_t heap = region->start & ~(RHI_HEAP_BYTES - 1);
    for (uint64_t i = 0; i < p->map->malloc->spans.count; i++)
        if (p->map->malloc->spans.items[i].start >= heap &&
            p->map->malloc->spans.items[i].start < region->start)
            return region->end <= heap + RHI_HEAP_BYTES;
    const rhi_region *above = rhi__memory_region(p->memory, region->end);
    uint64_t pointer = above ? next_pointer(p, above->start) : UINT64_MAX;
    return above && pointer < above->end;
}

/* The zeroed end of a module's data, all pages of it, of which none was written. */
static bool is_zeroed_data(const painter *p, const rhi_region *region)
{
    enum { PAGE_BYTES = 4096 };
    for (uint64_t i = 0; i < p->program->segments.count && !region->path[0]; i++) {
        uint64_t end =
            (p->program->segments.items[i].end + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
        const rhi_region *before = rhi__memory_region(p->memory, region->start - 1);
        if (region->end == end && region->start >= p->program->segments.items[i].start &&
            (!before || before->end <= p->program->segments.items[i].start ||
             rhi__region_is_file(before)))
            return true;
    }
    return false;
}

/* What of a region is not there to be searched; of what is known to hold nothing it does not
 * matter. */
static void note_gap(painter *p, const rhi_region *region, enum rhi_worth worth)
{
    uint64_t at = region->start;
    if (worth == RHI_WORTH_UNUSED && is_reserve(p, region))
        return;
    if (worth == RHI_WORTH_MISSING && rhi__region_is_absent(p->memory, region) &&
        is_zeroed_data(p, region))
        worth = RHI_WORTH_UNUSED;
    for (uint64_t i = 0; i < p->map->parts.count; i++) {
        const rhi_part *part = &p->map->parts.items[i];
        if (part->kind != RHI_PART_NOTHING || part->end <= at || part->start >= region->end)
            continue;
        if (part->start > at)
            add_gap(p, region, at, part->start, worth);
        at = part->end;
    }
    if (at < region->end)
        add_gap(p, region, at, region->end, worth);
}

static void add_not_read(painter *p, const rhi_gap *gap)
{
    rhi_not_read_row row = {.start = gap->start,
                            .end = gap->end,
                            .path = gap->path,
                            .why = gap->worth == RHI_WORTH_DEVICE   ? "device"
                                   : rhi__memory_is_core(p->memory) ? "absent"
                                                                    : "large"};
    if (!rhi__array_reserve(&p->map->not_read, 1))
        p->out_of_memory = true;
    else
        p->map->not_read.items[p->map->not_read.count++] = row;
}

static void claim_rest(painter *p)
{
    const struct rhi_sink *map = &p->memory->map;
    uint64_t room = 1ull << 30; /* of files: half a second */
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *region = &map->regions.items[i];
        enum rhi_worth worth =
            rhi__region_worth(p->memory, region, rhi__has_header(p->program, region));
        if (worth == RHI_WORTH_FILE)
            worth = rhi__file_has_no_address(p->memory, region->path, region->file_offset,
                                             region->end - region->start, &room)
                        ? RHI_WORTH_NOTHING
                        : RHI_WORTH_MISSING;
        if (worth == RHI_WORTH_SEARCH)
            claim(p, region->start, region->end, (rhi_part){.kind = RHI_HOLDER_UNKNOWN});
        else if (worth != RHI_WORTH_NOTHING)
            note_gap(p, region, worth);
    }
    for (uint64_t i = 0; i < p->map->gaps.count; i++)
        if (p->map->gaps.items[i].worth != RHI_WORTH_UNUSED)
            add_not_read(p, &p->map->gaps.items[i]);
}

/* Blocks that malloc maps one by one begin where a page does. The kernel joins their mappings
 * with others, so every page is looked at that is not in such a block already. What only looks
 * like one is searched all the same, as malloc's instead of as unknown memory. A block for
 * certain is only what begins with its piece of memory, or behind another such block: a number in
 * the midst of somebody's memory may look like a length. */
static rhi_error *split_mapped(painter *p)
{
    enum { PAGE_BYTES = 4096, PROGRESS_PAGES = 1 << 14, HOLE_STEP = 1 << 20 };
    uint64_t count = p->map->parts.count, pages = 0;
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < count && !p->out_of_memory && !error; i++) {
        rhi_part part = p->map->parts.items[i];
        const rhi_region *region = rhi__memory_region(p->memory, part.start);
        if (part.kind != RHI_HOLDER_UNKNOWN || part.in_heap || !region ||
            rhi__region_is_file(region))
            continue;
        uint64_t from = part.start, begun = from,
                 at = (from + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
        for (uint64_t checked = at; at < part.end && !error;) {
            if (at >= checked) { /* holes of a sparse core hold no block's header */
                at = rhi__memory_data_start(p->memory, at, part.end) & ~(uint64_t)(PAGE_BYTES - 1);
                checked = at + HOLE_STEP;
            }
            uint64_t end = rhi__malloc_mapped_end(&p->window, at, region->end);
            if (++pages % PROGRESS_PAGES == 0)
                error = rhi__progress(&p->session->work, "looking for malloc's blocks",
                                      at - part.start, part.end - part.start);
            if (!end) { /* behind what cannot be read: a corrupt length may be without end */
                at = rhi__window_covers(&p->window, at, 16)
                         ? at + PAGE_BYTES
                         : rhi__memory_hole_end(p->memory, at, part.end);
                at = (at + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
                continue;
            }
            bool is_block = at == begun && end <= part.end;
            end = end < part.end ? end : part.end;
            if (from < at)
                add_part(p, part, from, at);
            add_part(p,
                     (rhi_part){.kind = RHI_HOLDER_FOREIGN, .base = at + 16, .is_block = is_block},
                     at, end);
            begun = is_block ? end : begun;
            from = at = end;
        }
        p->map->parts.items[i].start = from; /* what is left, perhaps nothing */
    }
    if (p->map->parts.count)
        qsort(p->map->parts.items, p->map->parts.count, sizeof *p->map->parts.items, part_order);
    return error;
}

/* ---- all of it ------------------------------------------------------------------------------ */

/* What cannot be read matters where the program can read it, and not what a core leaves out for
 * good. Shared mappings may reach beyond the end of what they map, where there is nothing. */
static void settle(painter *p)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < p->map->parts.count; i++) {
        rhi_part *part = &p->map->parts.items[i];
        const rhi_region *region = rhi__memory_region(p->memory, part->start);
        if (part->kind == RHI_PART_NOTHING || part->start >= part->end)
            continue;
        if (!part->must_be_there)
            part->must_be_there = region && region->flags & RHI_REGION_READ &&
                                  !(region->flags & RHI_REGION_SHARED) &&
                                  !rhi__region_is_absent(p->memory, region);
        p->map->bytes += part->end - part->start;
        p->map->parts.items[kept++] = *part;
    }
    p->map->parts.count = kept;
}

static rhi_error *fill(painter *p)
{
    rhi_word_map *map = p->map;
    rhi__memory_note_usage(p->memory);
    if (rhi__memory_process(p->memory))
        p->out_of_memory |= !rhi__read_kernel_words(rhi__memory_process(p->memory), &map->kernel);
    RHI_TRY(rhi__reader_program(p->reader, &p->program));
    map->malloc = &p->program->malloc;
    if (p->program->is_cut)
        say(p, "there are more modules than are told from other memory");
    RHI_TRY(rhi__thread_locals_open(p->memory, p->program->tls_bytes, &p->locals));
    claim_own(p);
    paint(p);
    claim_thread_locals(p);
    paint(p);
    claim_stacks(p);
    paint(p);
    for (uint64_t i = 0; i < p->program->data.count; i++)
        claim(p, p->program->data.items[i].start, p->program->data.items[i].end,
              (rhi_part){.kind = RHI_HOLDER_GLOBAL});
    paint(p);
    /* a block in use reaches 8 bytes into what follows it: so may what is before */
    for (uint64_t i = 0; i < map->malloc->spans.count; i++) {
        const rhi_chunk_span *span = &map->malloc->spans.items[i];
        claim(p, span->start + 8, span->end + 8,
              (rhi_part){.kind = RHI_HOLDER_FOREIGN, .is_chunks = true});
        claim(p, span->end + 8, span->top_end, (rhi_part){.kind = RHI_PART_NOTHING});
    }
    paint(p);
    claim_rest(p);
    paint(p);
    RHI_TRY(split_mapped(p));
    settle(p);
    return p->out_of_memory ? rhi__error_memory() : NULL;
}

rhi_error *rhi__word_map_open(rhi_session *session, rhi_reader *reader, rhi_word_map *map)
{
    painter p = {.session = session,
                 .reader = reader,
                 .memory = reader->memory,
                 .map = map,
                 .window = {.memory = reader->memory, .step = 1 << 16}};
    *map = (rhi_word_map){.bytes = 0};
    rhi_error *error = fill(&p);
    rhi__thread_locals_close(&p.locals);
    rhi__scratch_free(&p.window.scratch);
    free(p.claims.items);
    free(p.pointers.items);
    if (error)
        rhi__word_map_close(map);
    return error;
}

void rhi__word_map_close(rhi_word_map *map)
{
    free(map->parts.items);
    rhi__notes_free(&map->problems);
    free(map->not_read.items);
    free(map->gaps.items);
    free(map->kernel.words.items);
    memset(map, 0, sizeof *map);
}
