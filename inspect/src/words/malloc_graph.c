/* malloc_graph.c - numbers malloc's blocks, finds what leads from one to another, and marks what
 * roots reach (see malloc_graph.h).
 *
 * Three passes, each in address order, because memory may be another process's: headers, the
 * words of blocks, the words of roots. What is left is done in our own memory, breadth-first and
 * without recursion. */
#include "words/malloc_graph.h"
#include "base/search.h"
#include "base/array.h"
#include "target/vectors.h"
#include "words/pieces.h"

#include <string.h>

enum { WINDOW_BYTES = 1 << 20, PROGRESS_BLOCKS = 1 << 16, VARIABLE = 0, OTHER = 1 };

typedef struct finder {
    rhi_session *session;
    rhi_reader *reader;
    rhi_malloc_graph *blocks;
    rhi_window window;
    uint64_t next;         /* number of the next chunk of a pass */
    uint64_t done, pieces; /* bytes and looks at them, for progress */
    bool out_of_memory;
} finder;

/* ---- numbers -------------------------------------------------------------------------------- */

bool rhi__number_add(rhi_numbers *list, uint32_t number)
{
    if (!rhi__array_reserve(list, 1))
        return false;
    list->items[list->count++] = number;
    return true;
}

uint64_t *rhi__malloc_bits(const rhi_malloc_graph *blocks)
{
    return calloc((uint64_t)blocks->count / 64 + 1, sizeof(uint64_t));
}

static uint32_t mapped_number(const rhi_malloc_graph *b, uint64_t address)
{
    const rhi_range *block = rhi__piece_at(&b->mapped, address);
    return block ? b->chunk_count + (uint32_t)(block - b->mapped.items) : RHI_NO_BLOCK;
}

uint32_t rhi__malloc_number_near(const rhi_malloc_graph *b, uint64_t address)
{
    if (address < 16)
        return RHI_NO_BLOCK;
    /* a block lies 16 bytes behind its chunk */
    const rhi_chunk_span *span = rhi__malloc_span(b->map->malloc, address - 16);
    if (!span)
        return mapped_number(b, address);
    uint64_t bit = span->first_bit + (address - 16 - span->start) / 16,
             up_to = UINT64_MAX >> (63 - bit % 64);
    uint32_t number = b->rank[bit / 64] + rhi__population(b->starts[bit / 64] & up_to) - 1;
    return number < b->chunk_count && rhi__bit(b->in_use, number) ? number : RHI_NO_BLOCK;
}

static uint64_t bit_of_number(const rhi_malloc_graph *b, uint32_t number)
{
    /* the last word whose first chunk is not behind this one */
    uint64_t low = rhi__first(1, b->map->malloc->bits / 64 + 1, at, b->rank[at] > number) - 1;
    uint64_t bits = b->starts[low];
    for (uint32_t skip = number - b->rank[low]; skip; skip--)
        bits &= bits - 1;
    return low * 64 + (bits ? (uint64_t)__builtin_ctzll(bits) : 0);
}

void rhi__malloc_range(const rhi_malloc_graph *b, uint32_t number, uint64_t *start, uint64_t *end)
{
    rhi_malloc *m = b->map->malloc;
    if (number >= b->chunk_count) {
        *start = b->mapped.items[number - b->chunk_count].start + 16;
        *end = b->mapped.items[number - b->chunk_count].end;
        return;
    }
    uint64_t bit = bit_of_number(b, number), size;
    bool in_use;
    const rhi_chunk_span *span = m->spans.items;
    span += rhi__first(1, m->spans.count, at, span[at].first_bit > bit) - 1;
    uint64_t chunk = span->start + (bit - span->first_bit) * 16;
    *start = chunk + 16;
    *end = rhi__malloc_chunk(m, span, chunk, &size, &in_use) ? chunk + size + 8 : *start;
}

bool rhi__malloc_is_reached(const rhi_malloc_graph *b, uint32_t number)
{
    return b->is_doubtful || number >= b->count || rhi__bit(b->reached, number);
}

void rhi__malloc_reach(rhi_malloc_graph *blocks, uint32_t number)
{
    rhi__bit_set(blocks->reached, number);
    rhi__bit_set(blocks->direct[OTHER], number);
}

static void note_near(rhi_malloc_graph *b, uint64_t start, uint64_t end)
{
    for (uint64_t piece = start >> RHI_NEAR_SHIFT; piece <= (end + 16) >> RHI_NEAR_SHIFT; piece++)
        b->near[piece & (RHI_NEAR_PIECES - 1)] = 1;
}

/* ---- headers -------------------------------------------------------------------------------- */

typedef rhi_error *(*chunk_visitor)(finder *f, uint64_t chunk, uint64_t size, bool in_use);

/* Visits all chunks of all spans in order, until something makes no sense any more. */
static rhi_error *each_chunk(finder *f, const char *what, chunk_visitor visit)
{
    rhi_malloc_graph *b = f->blocks;
    rhi_malloc *m = b->map->malloc;
    uint64_t size, steps = 0;
    bool in_use;
    for (uint64_t i = 0; i < m->spans.count && !b->is_doubtful; i++) {
        const rhi_chunk_span *span = &m->spans.items[i];
        for (uint64_t chunk = span->start; chunk < span->end && !b->is_doubtful; chunk += size) {
            if (++steps % PROGRESS_BLOCKS == 0)
                RHI_TRY(rhi__progress(&f->session->work, what,
                                      span->first_bit + (chunk - span->start) / 16, m->bits));
            if (rhi__malloc_chunk(m, span, chunk, &size, &in_use))
                RHI_TRY(visit(f, chunk, size, in_use));
            else
                b->is_doubtful = true;
        }
    }
    return f->out_of_memory ? rhi__error_memory() : NULL;
}

static rhi_error *note_chunk(finder *f, uint64_t chunk, uint64_t size, bool in_use)
{
    rhi_malloc_graph *b = f->blocks;
    const rhi_chunk_span *span = rhi__malloc_span(b->map->malloc, chunk);
    (void)size;
    if (!span || f->next >= b->map->malloc->bits / 2 + 1) { /* a chunk has 32 bytes at least */
        b->is_doubtful = true;
        return NULL;
    }
    rhi__bit_set(b->starts, span->first_bit + (chunk - span->start) / 16);
    rhi__bit_set(in_use ? b->in_use : b->reached, f->next++);
    return NULL;
}

static rhi_error *number_chunks(finder *f)
{
    rhi_malloc_graph *b = f->blocks;
    uint64_t words = b->map->malloc->bits / 64 + 1, number = 0, most;
    for (uint64_t i = 0; i < b->map->parts.count; i++) {
        const rhi_part *part = &b->map->parts.items[i];
        rhi_range range = {part->start, part->end};
        if (part->is_block && !rhi__array_reserve(&b->mapped, 1))
            return rhi__error_memory();
        if (part->is_block)
            b->mapped.items[b->mapped.count++] = range;
    }
    most = b->map->malloc->bits / 2 + 1 + b->mapped.count;
    b->starts = calloc(words, sizeof *b->starts);
    b->rank = calloc(words, sizeof *b->rank);
    b->near = calloc(RHI_NEAR_PIECES, 1);
    b->in_use = calloc(most / 64 + 1, sizeof *b->in_use);
    b->reached = calloc(most / 64 + 1, sizeof *b->reached);
    if (!b->starts || !b->rank || !b->near || !b->in_use || !b->reached)
        return rhi__error_memory();
    RHI_TRY(each_chunk(f, "numbering malloc's blocks", note_chunk));
    for (uint64_t i = 0; i < words && number < RHI_NO_BLOCK; i++) {
        b->rank[i] = (uint32_t)number;
        number += rhi__population(b->starts[i]);
    }
    for (uint64_t i = 0; i < b->mapped.count; i++)
        note_near(b, b->mapped.items[i].start, b->mapped.items[i].end);
    for (uint64_t i = 0; i < b->map->malloc->spans.count; i++)
        note_near(b, b->map->malloc->spans.items[i].start, b->map->malloc->spans.items[i].end);
    if (number + b->mapped.count >= RHI_NO_BLOCK - 1u)
        b->is_doubtful = true;
    else
        b->chunk_count = (uint32_t)number;
    b->count = b->is_doubtful ? 0 : b->chunk_count + (uint32_t)b->mapped.count;
    return NULL;
}

/* ---- words of blocks ------------------------------------------------------------------------ */

typedef void (*word_visitor)(finder *f, uint32_t number, unsigned how);

/* Visits the block of each word of [start, end) that leads to one. What cannot be read is told by
 * who looks for owners (words.h). */
static rhi_error *each_target(finder *f, uint64_t start, uint64_t end, unsigned how,
                              word_visitor visit)
{
    enum { PIECE_BYTES = 4096, PROGRESS_PIECES = 1 << 8, HOLE_STEP = 1 << 20 };
    for (uint64_t at = (start + 7) & ~7ull, checked = at; at < end && end - at >= 8;) {
        if (at >= checked && end - at > HOLE_STEP) { /* holes of a sparse core lead nowhere */
            at = rhi__memory_data_start(f->reader->memory, at, end) & ~7ull;
            checked = at + HOLE_STEP;
            continue;
        }
        uint64_t page_end = (at | (PIECE_BYTES - 1)) + 1, next = page_end < end ? page_end : end,
                 size = (next - at) & ~7ull;
        const uint8_t *bytes = rhi__window_at(&f->window, at, size);
        for (uint64_t i = 0; bytes && i < size; i += 8) {
            uint64_t word = rhi__load64(bytes + i);
            uint32_t number = word ? rhi__malloc_number(f->blocks, word) : RHI_NO_BLOCK;
            if (number != RHI_NO_BLOCK)
                visit(f, number, how);
        }
        f->done += size;
        if (++f->pieces % PROGRESS_PIECES == 0)
            RHI_TRY(rhi__progress(&f->session->work, "following malloc's blocks", f->done,
                                  f->blocks->map->bytes));
        at = bytes || next >= end ? next : rhi__memory_hole_end(f->reader->memory, at, end);
        at = (at + 7) & ~7ull;
    }
    return f->out_of_memory ? rhi__error_memory() : NULL;
}

static void add_edge(finder *f, uint32_t number, unsigned how)
{
    rhi_malloc_graph *b = f->blocks;
    (void)how;
    if (b->edges.count >= UINT32_MAX - 1u)
        b->is_doubtful = true;
    else if (!rhi__number_add(&b->edges, number))
        f->out_of_memory = true;
}

/* The same of what is no object's; *has_object: some of it is. */
static rhi_error *each_target_outside(finder *f, uint64_t start, uint64_t end, bool in_heap,
                                      unsigned how, word_visitor visit, bool *has_object)
{
    rhi_pieces pieces = rhi__pieces(f->reader, start, end, in_heap);
    uint64_t from, to;
    while (rhi__next_piece(&pieces, &from, &to))
        RHI_TRY(each_target(f, from, to, how, visit));
    *has_object = pieces.has_block;
    return NULL;
}

/* What the next block in order leads to. Blocks lie side by side, so that memory is read once. One
 * that an object of a heap lies in is the object's: it is no loss of its own, and who holds the
 * object leads on. */
static rhi_error *add_edges(finder *f, uint64_t start, uint64_t end)
{
    bool has_object;
    rhi_malloc_graph *b = f->blocks;
    if (f->next >= b->count) { /* there are more than a moment ago */
        b->is_doubtful = true;
        return NULL;
    }
    b->edge_start[f->next++] = (uint32_t)b->edges.count;
    RHI_TRY(each_target_outside(f, start, end, false, OTHER, add_edge, &has_object));
    if (has_object)
        rhi__bit_set(b->reached, f->next - 1);
    b->edge_start[f->next] = (uint32_t)b->edges.count;
    return NULL;
}

static rhi_error *add_chunk_edges(finder *f, uint64_t chunk, uint64_t size, bool in_use)
{
    return add_edges(f, chunk + 16, in_use ? chunk + size + 8 : chunk + 16);
}

static rhi_error *find_edges(finder *f)
{
    rhi_malloc_graph *b = f->blocks;
    for (uint32_t i = b->chunk_count; i < b->count; i++)
        rhi__bit_set(b->in_use, i);
    b->edge_start = calloc((uint64_t)b->count + 1, sizeof *b->edge_start);
    if (!b->edge_start)
        return rhi__error_memory();
    f->next = 0;
    RHI_TRY(each_chunk(f, "following malloc's blocks", add_chunk_edges));
    if (f->next != b->chunk_count)
        b->is_doubtful = true;
    for (uint64_t i = 0; i < b->mapped.count && !b->is_doubtful; i++)
        RHI_TRY(add_edges(f, b->mapped.items[i].start + 16, b->mapped.items[i].end));
    return NULL;
}

/* ---- words of roots ------------------------------------------------------------------------- */

static void mark_direct(finder *f, uint32_t number, unsigned how)
{
    rhi__bit_set(f->blocks->direct[how], number);
}

static void mark_word(finder *f, uint64_t word)
{
    uint32_t number = rhi__malloc_number(f->blocks, word);
    if (number != RHI_NO_BLOCK)
        mark_direct(f, number, OTHER);
}

/* Without the heads of malloc's own lists: they lead to free memory, and past the ends of blocks
 * before it. */
static rhi_error *mark_part(finder *f, const rhi_part *part)
{
    const rhi_malloc *m = f->blocks->map->malloc;
    unsigned how = part->kind == RHI_HOLDER_GLOBAL || part->kind == RHI_HOLDER_THREAD_LOCAL ||
                           part->kind == RHI_HOLDER_STACK
                       ? VARIABLE
                       : OTHER;
    uint64_t at = part->start;
    bool has_object;
    while (at < part->end) { /* arenas are in no order, but few of them are in one part */
        uint64_t end = part->end, next = part->end;
        for (uint64_t i = 0; i < m->arenas.count; i++)
            if (m->arenas.items[i].end > at && m->arenas.items[i].start < end) {
                end = m->arenas.items[i].start > at ? m->arenas.items[i].start : at;
                next = m->arenas.items[i].end;
            }
        RHI_TRY(each_target_outside(f, at, end, part->in_heap, how, mark_direct, &has_object));
        at = next;
    }
    return NULL;
}

static rhi_error *mark_roots(finder *f)
{
    const rhi_reader *reader = f->reader;
    const struct rhi_sink *map = &reader->memory->map;
    for (uint64_t i = 0; i < map->registers.count; i++)
        if (!rhi__is_vector(&map->registers.items[i])) /* these come last: see owners.h */
            mark_word(f, map->registers.items[i].value);
    for (uint64_t i = 0; i < f->blocks->map->kernel.words.count; i++)
        mark_word(f, f->blocks->map->kernel.words.items[i].value);
    for (uint64_t i = 0; i < reader->roots.count; i++)
        mark_word(f, reader->roots.items[i].slot);
    for (uint64_t i = 0; i < f->blocks->map->parts.count; i++) {
        const rhi_part *part = &f->blocks->map->parts.items[i];
        if (!part->is_chunks && !part->is_block)
            RHI_TRY(mark_part(f, part));
    }
    for (uint64_t i = 0; i < reader->own.count; i++)
        if (!reader->own.items[i].has_blocks)
            RHI_TRY(each_target(f, reader->own.items[i].start, reader->own.items[i].end, OTHER,
                                mark_direct));
    return NULL;
}

/* ---- reachability --------------------------------------------------------------------------- */

rhi_error *rhi__malloc_spread(rhi_work *work, const rhi_malloc_graph *b, uint64_t *met,
                              const uint64_t *within, rhi_numbers *queue, uint64_t head)
{
    for (; head < queue->count; head++) {
        uint32_t i = queue->items[head];
        if (head % PROGRESS_BLOCKS == PROGRESS_BLOCKS - 1)
            RHI_TRY(rhi__progress(work, "following malloc's blocks", head, b->count));
        for (uint32_t e = b->edge_start[i]; e < b->edge_start[i + 1]; e++) {
            uint32_t to = b->edges.items[e];
            if (rhi__bit(met, to) || (within && !rhi__bit(within, to)))
                continue;
            rhi__bit_set(met, to);
            if (!rhi__number_add(queue, to))
                return rhi__error_memory();
        }
    }
    return NULL;
}

static rhi_error *spread_roots(finder *f)
{
    rhi_malloc_graph *b = f->blocks;
    rhi_numbers queue = {0};
    rhi_error *error = NULL;
    for (uint32_t i = 0; i < b->count && !error; i++)
        if (rhi__bit(b->direct[VARIABLE], i) || rhi__bit(b->direct[OTHER], i)) {
            rhi__bit_set(b->reached, i);
            error = rhi__number_add(&queue, i) ? NULL : rhi__error_memory();
        }
    if (!error)
        error = rhi__malloc_spread(&f->session->work, b, b->reached, NULL, &queue, 0);
    free(queue.items);
    return error;
}

/* Breadth-first from the first blocks, taking down where each was met from; ends with `number`. */
static rhi_error *find_chain(const rhi_malloc_graph *b, const uint64_t *first, uint32_t number,
                             uint32_t *from, rhi_numbers *queue)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (rhi__bit(first, i) && from[i] == RHI_NO_BLOCK) {
            from[i] = i;
            if (!rhi__number_add(queue, i))
                return rhi__error_memory();
        }
    for (uint64_t head = 0; head < queue->count && from[number] == RHI_NO_BLOCK; head++) {
        uint32_t i = queue->items[head];
        for (uint32_t e = b->edge_start[i]; e < b->edge_start[i + 1]; e++) {
            if (from[b->edges.items[e]] != RHI_NO_BLOCK)
                continue;
            from[b->edges.items[e]] = i;
            if (!rhi__number_add(queue, b->edges.items[e]))
                return rhi__error_memory();
        }
    }
    return NULL;
}

rhi_error *rhi__malloc_chain(rhi_work *work, const rhi_malloc_graph *b, uint32_t number,
                             const uint64_t *others, rhi_numbers *chain)
{
    rhi_numbers queue = {0};
    uint32_t *from = number < b->count && !b->is_doubtful
                         ? malloc(((uint64_t)b->count + 1) * sizeof *from)
                         : NULL;
    rhi_error *error = rhi__progress(work, "looking for a path", 0, 0);
    if (!from || error) {
        free(from);
        return error;
    }
    memset(from, 0xff, ((uint64_t)b->count + 1) * sizeof *from);
    error = find_chain(b, b->direct[VARIABLE], number, from, &queue);
    if (!error && from[number] == RHI_NO_BLOCK)
        error = find_chain(b, b->direct[OTHER], number, from, &queue);
    if (!error && others && from[number] == RHI_NO_BLOCK)
        error = find_chain(b, others, number, from, &queue);
    for (uint32_t i = number; !error && from[i] != RHI_NO_BLOCK; i = from[i]) {
        error = rhi__number_add(chain, i) ? NULL : rhi__error_memory();
        if (from[i] == i)
            break;
    }
    for (uint64_t i = 0; i < chain->count / 2; i++) {
        uint32_t other = chain->items[chain->count - 1 - i];
        chain->items[chain->count - 1 - i] = chain->items[i];
        chain->items[i] = other;
    }
    free(from);
    free(queue.items);
    return error;
}

/* ---- the interface -------------------------------------------------------------------------- */

static rhi_error *fill(finder *f)
{
    rhi_malloc_graph *b = f->blocks;
    RHI_TRY(rhi__session_word_map(f->session, f->reader, &b->map));
    RHI_TRY(number_chunks(f));
    b->direct[VARIABLE] = rhi__malloc_bits(b);
    b->direct[OTHER] = rhi__malloc_bits(b);
    if (!b->direct[VARIABLE] || !b->direct[OTHER])
        return rhi__error_memory();
    if (b->is_doubtful)
        return NULL;
    RHI_TRY(find_edges(f));
    if (b->is_doubtful)
        return NULL;
    RHI_TRY(mark_roots(f));
    return spread_roots(f);
}

static void free_graph(void *value)
{
    rhi_malloc_graph *b = value;
    if (!b)
        return;
    free(b->starts);
    free(b->rank);
    free(b->mapped.items);
    free(b->reached);
    free(b->in_use);
    free(b->direct[VARIABLE]);
    free(b->direct[OTHER]);
    free(b->edge_start);
    free(b->edges.items);
    free(b->near);
    free(b);
}

rhi_error *rhi__session_malloc_graph(rhi_session *session, rhi_reader *reader,
                                     rhi_malloc_graph **blocks)
{
    *blocks = rhi__kept(&session->kept, free_graph);
    if (!*blocks) {
        finder f = {.session = session,
                    .reader = reader,
                    .blocks = calloc(1, sizeof *f.blocks),
                    .window = {.memory = reader->memory, .step = WINDOW_BYTES}};
        rhi_error *error = f.blocks ? fill(&f) : rhi__error_memory();
        rhi__scratch_free(&f.window.scratch);
        if (error) {
            free_graph(f.blocks);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, f.blocks, free_graph));
        *blocks = f.blocks;
    }
    return NULL;
}

const rhi_malloc_graph *rhi__malloc_graph_known(const rhi_session *session)
{
    return rhi__kept(&session->kept, free_graph);
}
