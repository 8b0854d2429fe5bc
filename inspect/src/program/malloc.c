/* malloc.c - glibc's arenas: finding, walking, and the lists of chunks that are free without
 * saying so (see malloc.h). Every number read here is checked before it is an address or a
 * length. Invariant: each chunk of a span has a size of at least MINSIZE and ends inside the
 * span. */
#include "program/malloc.h"
#include "base/search.h"
#include "base/array.h"
#include "base/cycle_guard.h"

#include <string.h>

enum {
    BINS = 127,
    FASTBINS = 10,
    TCACHE_BINS = 64,
    MINSIZE = 32,
    ALIGNMENT = 16,
    FENCEPOST = 16,
    PREV_INUSE = 1,
    IS_MMAPPED = 2,
    NON_MAIN_ARENA = 4,
    FLAGS = 7,
    ARENAS_MAX = 1 << 14,
    HEAPS_MAX = 1 << 16,
    /* thread-local variables of static programs lie before it */
    FIRST_CHUNK_WINDOW_BYTES = 1 << 20,
    /* a walk that fails at once costs reads all the same */
    FAILED_STEPS_MAX = 1 << 22,
    FAILED_WALK_STEPS = 1 << 10,
    MAIN_ARENAS_MAX = 16, /* copies of libc in one process */
    PROGRESS_CHUNKS = 1 << 18
};

/* struct malloc_state, counted from its bins: `top` and `last_remainder` stand right before them,
 * and the fastbins before these. The members before the fastbins have 16 bytes since 2.27, 8 in
 * 2.26. */
enum {
    TOP_BEFORE = 16,
    FASTBINS_BEFORE = 96,
    NEXT_BEHIND = BINS * 16 + 16,
    END_BEHIND = NEXT_BEHIND + 40
};
#define HOLES_BYTES_MAX (16ull << 30) /* that a sparse core may have in arenas */
static const uint64_t bins_offsets[] = {112, 104};

/* struct tcache_perthread_struct: counts of 16 bits since 2.30, of 8 before. */
static const struct {
    uint64_t chunk_size;
    unsigned count_width;
} tcache_forms[] = {{0x290, 2}, {0x250, 1}};

typedef struct finder {
    rhi_work *work;
    rhi_memory *memory;
    rhi_malloc *malloc;
    const rhi_range *data;
    uint64_t data_count;
    rhi_window window; /* of the walk */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } tcaches; /* chunks that may be one */
    /* addresses of arrays of list heads */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } fastbins;
    rhi_window near; /* of the free lists: a page, for links that lead to and fro */
    /* free chunks that are not noted yet */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } list;
    uint64_t failed_steps;
    uint64_t room; /* bytes that arenas may still claim: a core has no more */
    unsigned main_arenas;
    bool out_of_memory;
} finder;

#define push(f, array, value)                                                                      \
    do {                                                                                           \
        if (rhi__array_reserve((array), 1))                                                        \
            (array)->items[(array)->count++] = (value);                                            \
        else                                                                                       \
            (f)->out_of_memory = true;                                                             \
    } while (0)

/* ---- walking chunks ------------------------------------------------------------------------- */

/* Could this chunk hold a tcache? Its counts and its heads must agree; the lists are followed
 * later. An empty one need not be known: it hides nothing. */
static bool looks_like_tcache(finder *f, uint64_t chunk, uint64_t size)
{
    unsigned form = size == tcache_forms[0].chunk_size ? 0 : 1,
             width = tcache_forms[form].count_width, lists = 0, odd = 0;
    if (size != tcache_forms[form].chunk_size)
        return false;
    const uint8_t *bytes = rhi__window_at(&f->window, chunk + 16, size - 16);
    for (unsigned i = 0; bytes && i < TCACHE_BINS; i++) {
        uint64_t count = rhi__load(bytes + i * width, width),
                 head = rhi__load64(bytes + TCACHE_BINS * width + i * 8);
        if (head % ALIGNMENT)
            return false;
        lists += count && head;
        odd += (count == 0) != (head == 0); /* one: stopped between two steps */
    }
    return bytes && lists && odd <= 1;
}

static void mark_chunk(finder *f, rhi_chunk_span *span, uint64_t chunk, uint64_t size)
{
    rhi_malloc *m = f->malloc;
    uint64_t next = span->start + (m->marks.count - span->first_mark) * RHI_MARK_BYTES;
    if (next >= chunk + size)
        return;
    uint64_t added = (chunk + size - next + RHI_MARK_BYTES - 1) / RHI_MARK_BYTES;
    if (!rhi__array_reserve(&m->marks, added)) {
        f->out_of_memory = true;
        return;
    }
    for (; added; added--)
        m->marks.items[m->marks.count++] = chunk;
}

/* Is this the end of a heap that is no longer the arena's last one? */
static bool is_fence(finder *f, uint64_t at, uint64_t header)
{
    uint64_t size = header & ~(uint64_t)FLAGS, behind;
    return size == 0 ||
           (size == FENCEPOST && rhi__window_u64(&f->window, at + FENCEPOST + 8, &behind) &&
            (behind & ~(uint64_t)FLAGS) == 0);
}

/* Follows the chunks from `start` to `goal`; goal 0: to a fencepost before `limit`. *walked tells
 * if they lead there; only then anything was added to the marks and the tcaches. */
static rhi_error *walk(finder *f, uint64_t start, uint64_t goal, uint64_t limit, bool is_main,
                       rhi_chunk_span *span, bool *walked)
{
    uint64_t marks = f->malloc->marks.count, tcaches = f->tcaches.count, at = start, size = 0,
             header, steps = 0;
    *span = (rhi_chunk_span){.start = start, .first_mark = marks};
    *walked = false;
    if (limit > start && limit - start > f->room) {
        f->failed_steps += FAILED_WALK_STEPS;
        return NULL;
    }
    while (at != goal) {
        const uint8_t *bytes = rhi__window_at(&f->window, at, 16);
        if (!bytes || at >= limit || limit - at < 16)
            break;
        header = rhi__load64(bytes + 8);
        if (!(header & PREV_INUSE) && (at == start || rhi__load64(bytes) != size))
            break;
        if (goal == 0 && is_fence(f, at, header)) {
            goal = at;
            break;
        }
        size = header & ~(uint64_t)FLAGS;
        if (header & IS_MMAPPED || (is_main && header & NON_MAIN_ARENA) || size < MINSIZE ||
            size % ALIGNMENT || size > limit - at)
            break;
        mark_chunk(f, span, at, size);
        if ((size == tcache_forms[0].chunk_size || size == tcache_forms[1].chunk_size) &&
            looks_like_tcache(f, at, size))
            push(f, &f->tcaches, at);
        at += size;
        if (++steps % PROGRESS_CHUNKS == 0)
            RHI_TRY(rhi__progress(f->work, "walking malloc's arenas", at - start, limit - start));
    }
    span->end = span->top_end = at;
    /* What is before the top chunk is in use, or it would be a part of it. */
    *walked =
        at == goal &&
        (goal != limit || (rhi__window_u64(&f->window, at + 8, &header) && header & PREV_INUSE)) &&
        !f->out_of_memory;
    if (!*walked) {
        f->malloc->marks.count = marks;
        f->tcaches.count = tcaches;
        f->failed_steps += steps + FAILED_WALK_STEPS;
    }
    return f->out_of_memory ? rhi__error_memory() : NULL;
}

static void add_span(finder *f, rhi_chunk_span *span, uint64_t top)
{
    uint64_t header;
    if (span->end == top && rhi__memory_u64(f->memory, top + 8, &header) && header & PREV_INUSE) {
        uint64_t size = header & ~(uint64_t)FLAGS;
        const rhi_region *region = rhi__memory_region(f->memory, top);
        if (region && size >= MINSIZE && size <= region->end - top)
            span->top_end = top + size;
    }
    f->room -= span->end - span->start;
    push(f, &f->malloc->spans, *span);
}

/* ---- arenas --------------------------------------------------------------------------------- */

/* Where memory of the main arena may begin that ends in the region of its top. */
static uint64_t main_low(const finder *f, const rhi_region *region, uint64_t top)
{
    uint64_t low = region->start;
    /* a program's .bss and what sbrk gives may be one mapping */
    for (uint64_t i = 0; i < f->data_count; i++)
        if (f->data[i].end > low && f->data[i].end <= top)
            low = f->data[i].end;
    return (low + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
}

/* The main arena's memory need not begin where its mapping does: the first place is taken from
 * which chunks lead to the top. */
static rhi_error *walk_main(finder *f, uint64_t top)
{
    const rhi_region *region = rhi__memory_region(f->memory, top);
    rhi_chunk_span span;
    bool walked = false;
    if (!region || top % ALIGNMENT || !(region->flags & RHI_REGION_WRITE))
        return NULL;
    uint64_t low = main_low(f, region, top),
             end = top - low < FIRST_CHUNK_WINDOW_BYTES ? top : low + FIRST_CHUNK_WINDOW_BYTES;
    f->failed_steps = 0;
    for (uint64_t at = low; at <= end && !walked && f->failed_steps < FAILED_STEPS_MAX;
         at += ALIGNMENT) {
        uint64_t header;
        if (at == top ||
            (rhi__window_u64(&f->window, at + 8, &header) && (header & FLAGS) == PREV_INUSE &&
             header > MINSIZE && header - PREV_INUSE <= top - at))
            RHI_TRY(walk(f, at, top, top, true, &span, &walked));
    }
    if (walked)
        add_span(f, &span, top);
    return NULL;
}

/* The heaps of another arena: the one with its top, then by `prev` to the one that the arena lies
 * in. */
static rhi_error *walk_heaps(finder *f, uint64_t arena, uint64_t bins, uint64_t top)
{
    uint64_t first = arena & ~(RHI_HEAP_BYTES - 1), info_size = arena - first,
             heap = top & ~(RHI_HEAP_BYTES - 1), info[3];
    rhi_cycle_guard guard = {0};
    if (info_size < 32 || info_size > 256 || info_size % ALIGNMENT)
        return NULL;
    for (unsigned n = 0; heap && n < HEAPS_MAX && !rhi__is_repeated(&guard, heap); n++) {
        rhi_chunk_span span;
        bool walked;
        if (heap % RHI_HEAP_BYTES ||
            rhi__memory_read(f->memory, heap, info, sizeof info) != sizeof info ||
            info[0] != arena || info[2] > RHI_HEAP_BYTES)
            break;
        uint64_t start = heap == first
                             ? (bins + END_BEHIND + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1)
                             : heap + info_size;
        bool is_last = heap == (top & ~(RHI_HEAP_BYTES - 1));
        RHI_TRY(walk(f, start, is_last ? top : 0, is_last ? top : heap + info[2], false, &span,
                     &walked));
        if (walked)
            add_span(f, &span, top);
        heap = heap == first ? 0 : info[1];
    }
    return NULL;
}

/* Are these 127 heads of circular doubly linked lists? From the last one on, which is always empty.
 */
static bool are_bins(finder *f, uint64_t bins)
{
    uint64_t links[BINS * 2], back;
    if (bins % 8 || rhi__memory_read(f->memory, bins, links, sizeof links) != sizeof links)
        return false;
    for (unsigned i = BINS; i-- > 0;) {
        uint64_t head = bins + i * 16 - 16, first = links[i * 2], last = links[i * 2 + 1];
        if ((first == head) != (last == head) || (i == BINS - 1 && first != head))
            return false;
        if (first != head && (!rhi__memory_u64(f->memory, first + 24, &back) || back != head ||
                              !rhi__memory_u64(f->memory, last + 16, &back) || back != head))
            return false;
    }
    return true;
}

static rhi_error *take_arena(finder *f, uint64_t arena, uint64_t bins, bool is_main)
{
    uint64_t top;
    /* nothing allocated yet */
    if (!rhi__memory_u64(f->memory, bins - TOP_BEFORE, &top) || top == bins - 16)
        return NULL;
    push(f, &f->fastbins, bins - FASTBINS_BEFORE);
    uint64_t spans = f->malloc->spans.count;
    RHI_TRY(is_main ? walk_main(f, top) : walk_heaps(f, arena, bins, top));
    rhi_range heads = {arena, bins + NEXT_BEHIND};
    if (f->malloc->spans.count > spans)
        push(f, &f->malloc->arenas, heads);
    return NULL;
}

/* All arenas of the list that the main one is in. */
static rhi_error *take_arenas(finder *f, uint64_t bins)
{
    uint64_t offset = 0, next = 0;
    if (!rhi__memory_u64(f->memory, bins + NEXT_BEHIND, &next))
        return NULL;
    for (unsigned i = 0; i < sizeof bins_offsets / sizeof *bins_offsets && !offset; i++)
        if (next == bins - bins_offsets[i] || are_bins(f, next + bins_offsets[i]))
            offset = bins_offsets[i];
    /* a list of one whose link is damaged, or no arena at all: the bins are in order */
    if (!offset)
        offset = bins_offsets[0];
    RHI_TRY(take_arena(f, bins - offset, bins, true));
    rhi_cycle_guard guard = {0};
    for (unsigned n = 0; n < ARENAS_MAX && next != bins - offset &&
                         !rhi__is_repeated(&guard, next) && are_bins(f, next + offset);
         n++) {
        RHI_TRY(take_arena(f, next, next + offset, false));
        if (!rhi__memory_u64(f->memory, next + offset + NEXT_BEHIND, &next))
            break;
    }
    return NULL;
}

/* An empty bin refers to itself twice; the last one always is empty. */
static rhi_error *search_data(finder *f, const rhi_range *range)
{
    enum { STEP_BYTES = 1 << 20 };
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    for (uint64_t at = (range->start + 7) & ~7ull;
         at < range->end && range->end - at >= 16 && !error;) {
        uint64_t data = range->end - at > STEP_BYTES
                            ? rhi__memory_data_start(f->memory, at, range->end) & ~7ull
                            : at;
        at = data - at >= 16 ? data - 8 : at;
        uint64_t size = range->end - at < STEP_BYTES ? range->end - at : STEP_BYTES, got;
        const uint8_t *bytes = rhi__memory_view(f->memory, at, size, &scratch, &got);
        for (uint64_t i = 0; bytes && i + 16 <= got && !error; i += 8) {
            uint64_t head = at + i - 16, bins = at + i - (BINS - 1) * 16;
            if (rhi__load64(bytes + i) == head && rhi__load64(bytes + i + 8) == head &&
                are_bins(f, bins))
                error = f->main_arenas++ < MAIN_ARENAS_MAX ? take_arenas(f, bins) : NULL;
        }
        if (!error)
            error = rhi__progress(f->work, "looking for malloc's arenas", at - range->start,
                                  range->end - range->start);
        if (got == size && size == STEP_BYTES)
            at += size - 8;
        else
            at = got == size ? range->end
                             : (rhi__memory_hole_end(f->memory, at + got, range->end) + 7) & ~7ull;
    }
    rhi__scratch_free(&scratch);
    return error;
}

/* ---- free chunks that look as if they were in use ------------------------------------------- */

static bool near_u64(finder *f, uint64_t address, uint64_t *value)
{
    if (!rhi__window_covers(&f->near, address, 8))
        rhi__window_at(&f->near, address & ~4095ull, 8);
    if (!rhi__window_covers(&f->near, address, 8))
        return rhi__memory_u64(f->memory, address, value);
    return rhi__window_u64(&f->near, address, value);
}

static bool is_chunk_of(finder *f, uint64_t chunk, uint64_t size)
{
    uint64_t header;
    return chunk % ALIGNMENT == 0 && rhi__malloc_span(f->malloc, chunk) &&
           near_u64(f, chunk + 8, &header) && (header & ~(uint64_t)FLAGS) == size;
}

/* Follows a list of free chunks of one size. `to_chunk`: from what links hold to the chunk. Since
 * 2.32 a link is stored xor the address of its place / 4096. False: it leads to something else. */
static bool follow(finder *f, uint64_t value, uint64_t size, uint64_t to_chunk, uint64_t limit,
                   uint64_t *length)
{
    rhi_cycle_guard guard = {0};
    for (*length = 0; value; ++*length) {
        uint64_t chunk = value - to_chunk, stored, place = chunk + 16;
        if (*length >= limit || !is_chunk_of(f, chunk, size) || rhi__is_repeated(&guard, chunk) ||
            !near_u64(f, place, &stored))
            return false;
        push(f, &f->list, chunk);
        uint64_t revealed = stored ^ place >> 12;
        value = revealed == 0 || is_chunk_of(f, revealed - to_chunk, size) ? revealed : stored;
    }
    return true;
}

static uint64_t bit_of(const rhi_chunk_span *span, uint64_t chunk)
{
    return span->first_bit + (chunk - span->start) / ALIGNMENT;
}

/* The chunks of the list are free; if not `is_free`, they are not after all. */
static void note_list(finder *f, bool is_free)
{
    for (uint64_t i = 0; is_free && i < f->list.count; i++) {
        const rhi_chunk_span *span = rhi__malloc_span(f->malloc, f->list.items[i]);
        uint64_t bit = span ? bit_of(span, f->list.items[i]) : 0;
        if (span)
            f->malloc->idle[bit / 64] |= 1ull << (bit % 64);
    }
    f->list.count = 0;
}

static void take_fastbins(finder *f, uint64_t heads)
{
    uint64_t value, length;
    for (unsigned i = 0; i < FASTBINS; i++)
        if (near_u64(f, heads + i * 8, &value)) {
            follow(f, value, MINSIZE + i * 16, 0, UINT64_MAX, &length);
            note_list(f, true);
        }
}

/* A tcache and its lists; nothing of it if one list is none. */
static void take_tcache(finder *f, uint64_t chunk)
{
    uint8_t bytes[0x290];
    uint64_t header, length;
    bool is_one = true;
    if (!rhi__memory_u64(f->memory, chunk + 8, &header))
        return;
    uint64_t size = header & ~(uint64_t)FLAGS;
    unsigned width = size == tcache_forms[0].chunk_size ? 2 : 1;
    if (size > sizeof bytes ||
        rhi__memory_read(f->memory, chunk + 16, bytes, size - 16) != size - 16)
        return;
    push(f, &f->list, chunk);
    for (unsigned i = 0; i < TCACHE_BINS && is_one; i++) {
        uint64_t count = rhi__load(bytes + i * width, width),
                 head = rhi__load64(bytes + TCACHE_BINS * width + i * 8);
        is_one = follow(f, head, MINSIZE + i * 16, 16, count + 1, &length) && length + 1 >= count;
    }
    note_list(f, is_one);
}

/* ---- the interface -------------------------------------------------------------------------- */

static int span_order(const void *left, const void *right)
{
    const rhi_chunk_span *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Arenas that claim the same memory are not believed, neither of them. */
static void sort_spans(rhi_malloc *m)
{
    uint64_t kept = 0;
    if (m->spans.count)
        qsort(m->spans.items, m->spans.count, sizeof *m->spans.items, span_order);
    for (uint64_t i = 0, next; i < m->spans.count; i = next) {
        uint64_t end = m->spans.items[i].top_end;
        for (next = i + 1; next < m->spans.count && m->spans.items[next].start < end; next++)
            end = m->spans.items[next].top_end > end ? m->spans.items[next].top_end : end;
        if (next == i + 1)
            m->spans.items[kept++] = m->spans.items[i];
    }
    m->spans.count = kept;
}

/* Finds what is free without saying so in the chunks of the spans. */
static rhi_error *read_free_lists(finder *f)
{
    rhi_malloc *m = f->malloc;
    uint64_t bits = 0, total = f->fastbins.count + f->tcaches.count;
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < m->spans.count; i++) {
        m->spans.items[i].first_bit = bits;
        bits += (m->spans.items[i].end - m->spans.items[i].start) / ALIGNMENT;
    }
    m->bits = bits;
    m->idle = bits ? calloc(bits / 64 + 1, sizeof *m->idle) : NULL;
    if (bits && !m->idle)
        return rhi__error_memory();
    for (uint64_t i = 0; bits && i < total && !error; i++) {
        if (i < f->fastbins.count)
            take_fastbins(f, f->fastbins.items[i]);
        else
            take_tcache(f, f->tcaches.items[i - f->fastbins.count]);
        if (i % 64 == 0)
            error = rhi__progress(f->work, "reading malloc's free lists", i, total);
    }
    return error;
}

rhi_error *rhi__malloc_open(rhi_work *work, rhi_memory *memory, const rhi_range *data,
                            uint64_t count, rhi_malloc *malloc)
{
    finder f = {.work = work,
                .memory = memory,
                .malloc = malloc,
                .data = data,
                .data_count = count,
                .window = {.memory = memory, .step = 1 << 20},
                .near = {.memory = memory, .step = 4096}};
    rhi_error *error = NULL;
    f.room = memory->core_bytes < UINT64_MAX - HOLES_BYTES_MAX
                 ? memory->core_bytes + HOLES_BYTES_MAX
                 : UINT64_MAX;
    *malloc = (rhi_malloc){.window = {.memory = memory, .step = 1 << 16}};
    for (uint64_t i = 0; i < count && !error; i++)
        error = search_data(&f, &data[i]);
    sort_spans(malloc);
    if (!error)
        error = read_free_lists(&f);
    free(f.tcaches.items);
    free(f.fastbins.items);
    free(f.list.items);
    rhi__scratch_free(&f.window.scratch);
    rhi__scratch_free(&f.near.scratch);
    return error ? error : f.out_of_memory ? rhi__error_memory() : NULL;
}

void rhi__malloc_close(rhi_malloc *malloc)
{
    free(malloc->spans.items);
    free(malloc->marks.items);
    free(malloc->idle);
    free(malloc->arenas.items);
    rhi__scratch_free(&malloc->window.scratch);
    memset(malloc, 0, sizeof *malloc);
}

const rhi_chunk_span *rhi__malloc_span(const rhi_malloc *malloc, uint64_t address)
{
    return rhi__piece_at(&malloc->spans, address);
}

static bool is_idle(const rhi_malloc *malloc, const rhi_chunk_span *span, uint64_t chunk)
{
    uint64_t bit = bit_of(span, chunk);
    return malloc->idle && malloc->idle[bit / 64] >> (bit % 64) & 1;
}

bool rhi__malloc_chunk(rhi_malloc *malloc, const rhi_chunk_span *span, uint64_t chunk,
                       uint64_t *size, bool *in_use)
{
    uint64_t header;
    if (!rhi__window_u64(&malloc->window, chunk + 8, &header))
        return false;
    *size = header & ~(uint64_t)FLAGS;
    if (*size < MINSIZE || *size % ALIGNMENT || *size > span->end - chunk)
        return false;
    *in_use = !rhi__window_u64(&malloc->window, chunk + *size + 8, &header) ||
              (header & PREV_INUSE && !is_idle(malloc, span, chunk));
    return true;
}

/* Sets malloc->chunk to the one that contains `inside`. False: the memory is no longer what was
 * walked. */
static bool seek(rhi_malloc *malloc, const rhi_chunk_span *span, uint64_t inside)
{
    uint64_t chunk =
                 malloc->marks.items[span->first_mark + (inside - span->start) / RHI_MARK_BYTES],
             size;
    if (malloc->size && malloc->chunk > chunk && malloc->chunk <= inside)
        chunk = malloc->chunk;
    malloc->size = 0;
    while (rhi__malloc_chunk(malloc, span, chunk, &size, &malloc->in_use)) {
        if (inside - chunk < size) {
            malloc->chunk = chunk;
            malloc->size = size;
            return true;
        }
        chunk += size;
    }
    return false;
}

bool rhi__malloc_block(rhi_malloc *malloc, const rhi_chunk_span *span, uint64_t address,
                       uint64_t *base, uint64_t *end)
{
    /* A block in use reaches 8 bytes into the next chunk's header, and begins 16 behind its own. */
    uint64_t inside = address - 16;
    if (address - span->start < 16)
        return false;
    if ((malloc->size == 0 || inside - malloc->chunk >= malloc->size) &&
        !seek(malloc, span, inside)) {
        *base = *end = address; /* conservatively */
        return true;
    }
    *base = malloc->chunk + 16;
    *end = malloc->chunk + malloc->size + 8;
    return malloc->in_use && address < *end;
}

bool rhi__malloc_is_arena(const rhi_malloc *malloc, uint64_t address)
{
    for (uint64_t i = 0; i < malloc->arenas.count; i++)
        if (address - malloc->arenas.items[i].start <
            malloc->arenas.items[i].end - malloc->arenas.items[i].start)
            return true;
    return false;
}

uint64_t rhi__malloc_mapped_end(rhi_window *window, uint64_t start, uint64_t limit)
{
    if (start % 4096 || start >= limit || limit - start < 4096)
        return 0;
    const uint8_t *header = rhi__window_at(window, start, 16);
    if (!header || rhi__load64(header) != 0 || (rhi__load64(header + 8) & FLAGS) != IS_MMAPPED)
        return 0;
    uint64_t size = rhi__load64(header + 8) & ~(uint64_t)FLAGS;
    return size && size % 4096 == 0 && size <= limit - start ? start + size : 0;
}
