/* gcstat.c - counts what each heap holds, by type (see gcstat.h).
 *
 * One pass over the headers counts; retained bytes come from the dominator tree, which is made on
 * the first question that wants it. Invariant of a tally: its rows are those of one heap and one
 * type. */
#include "questions/gcstat.h"
#include "base/array.h"
#include "graph/graph.h"
#include "graph/harm.h"
#include "heap/objects.h"
#include "questions/retained.h"

#include <inttypes.h>
#include <string.h>

static void free_statistics(void *value)
{
    rhi_statistics *statistics = value;
    for (uint64_t i = 0; statistics && i < statistics->heap_count; i++) {
        free(statistics->heaps[i].rows.items);
        rhi__map_free(&statistics->heaps[i].row_of);
    }
    if (statistics) {
        free(statistics->heaps);
        free(statistics->order);
        free(statistics->near);
    }
    free(statistics);
}

/* ---- tallies -------------------------------------------------------------------------------- */

/* The tally of a heap and type, made if there is none: there are as many as objects at most,
 * whatever heaps and types are claimed. NULL: memory is short. Valid until the next one of this
 * heap is made. */
static rhi_tally *new_tally(rhi_statistics *statistics, rhi_heap_tally *heap, uint32_t type,
                            struct rhi_tally_place *near)
{
    near->row = rhi__map_get(&heap->row_of, type);
    if (near->row != RHI_NOT_THERE)
        return &heap->rows.items[near->row];
    if (!rhi__array_reserve(&heap->rows, 1) ||
        !rhi__map_set(&heap->row_of, type, (uint32_t)heap->rows.count))
        return NULL;
    near->row = (uint32_t)heap->rows.count++;
    heap->rows.items[near->row] = (rhi_tally){.type = type, .number = statistics->tally_count++};
    return &heap->rows.items[near->row];
}

static inline rhi_tally *tally_of(rhi_statistics *statistics, uint32_t heap, uint32_t type)
{
    struct rhi_tally_place *near = &statistics->near[type];
    if (near->heap == heap)
        return &statistics->heaps[heap].rows.items[near->row];
    rhi_tally *found = new_tally(statistics, &statistics->heaps[heap], type, near);
    near->heap = found ? heap : UINT32_MAX;
    return found;
}

/* ---- counting ------------------------------------------------------------------------------- */

typedef struct counter {
    rhi_session *session;
    rhi_reader *reader;
    rhi_statistics *statistics;
    rhi_headers headers;
    rhi_block_room room;
    uint32_t *tallies; /* by object, of those that are there: numbers; NULL: not wanted */
    bool out_of_memory;
} counter;

static uint64_t size_of(counter *c, const rhi_block *block, uint64_t offset, const uint8_t *bytes,
                        uint32_t type)
{
    const rhi_type *t = &c->reader->types.items[type];
    if (t->has_fixed_size)
        return t->size < block->slot_size ? t->size : block->slot_size;
    rhi_object object;
    rhi__decode(c->reader, block, block->base + offset, bytes + offset, true, &object);
    return rhi__object_size(c->reader, &object, bytes + offset);
}

static void count_object(counter *c, const rhi_block *block, uint64_t offset, const uint8_t *bytes,
                         const rhi_header *header)
{
    rhi_heap_tally *heap = &c->statistics->heaps[block->heap];
    uint32_t index = block->first_object + (uint32_t)(header - c->headers.items);
    if (header->type >= c->reader->types.count) {
        heap->damaged++;
        return;
    }
    rhi_tally *t = tally_of(c->statistics, block->heap, header->type);
    if (!t) {
        c->out_of_memory = true;
        return;
    }
    uint64_t size = size_of(c, block, offset, bytes, header->type);
    if (t->count++ == 0)
        t->first = t->largest = index;
    t->bytes += size;
    heap->objects++;
    heap->bytes += size;
    heap->slot_bytes += block->is_lone ? 0 : block->slot_size;
    heap->lone += block->is_lone;
    if (c->tallies)
        c->tallies[index] = t->number;
}

static rhi_error *count_block(counter *c, const rhi_block *block)
{
    rhi_heap_tally *heap = &c->statistics->heaps[block->heap];
    /* free slots, too: is none of them taken? */
    uint64_t got = 0, size = rhi__block_used_bytes(block);
    if (!block->is_lone) {
        heap->blocks++;
        heap->block_bytes += block->size;
    }
    const uint8_t *bytes = rhi__block_bytes(c->reader, block, block->size, &c->room, &got);
    rhi__look_for_harm(c->reader, block, bytes, got);
    uint64_t readable = bytes ? got / block->slot_size : 0;
    const rhi_header *header = rhi__headers(c->reader, block, bytes, readable, &c->headers);
    if (!header)
        return rhi__error_memory();
    if (got < size && readable * block->slot_size < size)
        rhi__reader_problem(
            c->reader, "%" PRIu64 " bytes of the %s at 0x%" PRIx64 " cannot be read", size - got,
            rhi__format_of(c->reader, block->heap)->block_word, block->base);
    for (uint64_t first = 0; first < readable; first += 64)
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1, header++) {
            uint64_t slot = first + (uint64_t)__builtin_ctzll(bits);
            if (slot >= readable)
                break;
            rhi__harm_of(c->reader, block->base + slot * block->slot_size, header->damaged);
            if (rhi__is_object(header->state))
                count_object(c, block, slot * block->slot_size, bytes, header);
        }
    return c->out_of_memory ? rhi__error_memory() : NULL;
}

static rhi_error *count_objects(rhi_session *session, rhi_reader *reader,
                                rhi_statistics *statistics, uint32_t *tallies)
{
    counter c = {
        .session = session, .reader = reader, .statistics = statistics, .tallies = tallies};
    rhi_error *error = NULL;
    rhi__begin_harm(reader);
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        error = rhi__progress(&session->work, "counting objects", i, reader->blocks.count);
        if (!error)
            error = count_block(&c, &reader->blocks.items[i]);
    }
    free(c.headers.items);
    rhi__block_room_free(&c.room);
    if (!error)
        rhi__harm_is_known(reader);
    return error;
}

/* ---- retained bytes ------------------------------------------------------------------------- */

/* Each heap and type is a kind of its own: what an object of another heap dominates, of the same
 * type, is retained by both. */
static rhi_error *find_retained(rhi_session *session, rhi_statistics *statistics,
                                const uint32_t *tallies)
{
    rhi_graph *graph;
    uint32_t count = statistics->tally_count;
    RHI_TRY(rhi__session_graph(session, &graph)); /* is there already */
    rhi_retained *sums = calloc((uint64_t)count + 1, sizeof *sums);
    uint32_t *itself = calloc((uint64_t)count + 1, sizeof *itself);
    rhi_error *error = sums && itself ? NULL : rhi__error_memory();
    for (uint32_t i = 0; i < count && !error; i++)
        itself[i] = i;
    if (!error)
        error = rhi__retained_by_class(session, graph, tallies, itself, count, count, sums);
    for (uint64_t h = 0; h < statistics->heap_count && !error; h++)
        for (uint64_t i = 0; i < statistics->heaps[h].rows.count; i++) {
            rhi_tally *t = &statistics->heaps[h].rows.items[i];
            t->retained = sums[t->number].bytes;
            t->largest = sums[t->number].bytes ? sums[t->number].largest : t->largest;
        }
    free(sums);
    free(itself);
    return error;
}

/* ---- the statistics of a session ------------------------------------------------------------ */

static int row_order(const void *left, const void *right)
{
    const rhi_tally *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a->type < b->type ? -1 : a->type > b->type;
}

static int heap_order(const void *left, const void *right, void *context)
{
    const rhi_reader *reader = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    if (reader->heaps.items[a].number != reader->heaps.items[b].number)
        return reader->heaps.items[a].number < reader->heaps.items[b].number ? -1 : 1;
    return a < b ? -1 : a > b;
}

static rhi_error *allocate(rhi_reader *reader, rhi_statistics **result)
{
    rhi_statistics *statistics = *result = calloc(1, sizeof *statistics);
    if (!statistics ||
        !(statistics->heaps = calloc(reader->heaps.count + 1, sizeof *statistics->heaps)))
        return rhi__error_memory();
    statistics->heap_count = reader->heaps.count;
    statistics->order = calloc(reader->heaps.count + 1, sizeof *statistics->order);
    if (!statistics->order)
        return rhi__error_memory();
    for (uint32_t i = 0; i < reader->heaps.count; i++)
        statistics->order[i] = i;
    if (reader->heaps.count)
        qsort_r(statistics->order, reader->heaps.count, sizeof *statistics->order, heap_order,
                reader);
    statistics->near = malloc((reader->types.count + 1) * sizeof *statistics->near);
    if (!statistics->near)
        return rhi__error_memory();
    memset(statistics->near, 0xff, (reader->types.count + 1) * sizeof *statistics->near);
    return NULL;
}

static rhi_error *make(rhi_session *session, rhi_reader *reader, bool retained,
                       rhi_statistics **result)
{
    uint64_t objects = 0;
    rhi_graph *graph;
    if (retained) { /* before there is a number for each object: they take the most memory */
        RHI_TRY(rhi__session_graph(session, &graph));
        RHI_TRY(rhi__graph_dominators(&session->work, reader, graph));
    }
    for (uint64_t i = 0; i < reader->blocks.count; i++)
        objects += reader->blocks.items[i].object_count;
    uint32_t *tallies = retained ? rhi__big_array(objects + 1, sizeof *tallies) : NULL;
    rhi_error *error = retained && !tallies ? rhi__error_memory() : allocate(reader, result);
    if (tallies)
        memset(tallies, 0xff, (objects + 1) * sizeof *tallies);
    if (!error)
        error = count_objects(session, reader, *result, tallies);
    if (!error && retained)
        error = find_retained(session, *result, tallies);
    free(tallies);
    for (uint64_t h = 0; h < reader->heaps.count && !error; h++) {
        rhi_heap_tally *heap = &(*result)->heaps[h];
        rhi__map_free(&heap->row_of);
        if (heap->rows.count)
            qsort(heap->rows.items, heap->rows.count, sizeof *heap->rows.items, row_order);
    }
    if (!error)
        (*result)->has_retained = retained;
    return error;
}

static rhi_error *statistics_of(rhi_session *session, rhi_reader *reader, bool retained,
                                rhi_statistics **result)
{
    *result = rhi__kept(&session->kept, free_statistics);
    if (*result && (!retained || (*result)->has_retained))
        return rhi__tell_harm(&session->work, &session->notes, reader, retained);
    *result = NULL;
    rhi_error *error = make(session, reader, retained, result);
    if (!error)
        error = rhi__keep(&session->kept, *result, free_statistics);
    else
        free_statistics(*result);
    return error ? error : rhi__tell_harm(&session->work, &session->notes, reader, retained);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void add_fact(void *context, const rhi_fact *fact)
{
    rhi_facts *facts = context;
    if (!rhi__array_reserve(facts, 1))
        facts->is_short = true;
    else
        facts->items[facts->count++] = *fact;
}

static rhi_error *gather_facts(rhi_gcstat *answer)
{
    answer->facts = calloc(answer->count + 1, sizeof *answer->facts);
    if (!answer->facts)
        return rhi__error_memory();
    for (uint64_t i = 0; i < answer->count; i++) {
        const rhi_format *format = rhi__format_of(answer->reader, answer->heaps[i]);
        if (format->facts)
            format->facts(answer->reader, answer->heaps[i], add_fact, &answer->facts[i]);
        if (answer->facts[i].is_short)
            return rhi__error_memory();
    }
    return NULL;
}

rhi_error *rhi__gcstat(rhi_session *session, bool retained, bool sites, uint64_t limit,
                       rhi_gcstat *answer)
{
    rhi_statistics *statistics;
    *answer = (rhi_gcstat){.has_retained = retained, .has_sites = sites};
    RHI_TRY(rhi__session_reader(session, &answer->reader));
    RHI_TRY(statistics_of(session, answer->reader, retained, &statistics));
    answer->statistics = statistics;
    answer->heaps = calloc(statistics->heap_count + 1, sizeof *answer->heaps);
    if (!answer->heaps)
        return rhi__error_memory();
    for (uint64_t row = 0; row < statistics->heap_count; row++) {
        uint32_t heap = statistics->order[row];
        if (rhi__heap_wanted(session, answer->reader, heap) && answer->total++ < limit)
            answer->heaps[answer->count++] = heap;
    }
    if (sites)
        RHI_TRY(rhi__sites(session, answer->reader, retained, &answer->sites));
    return gather_facts(answer);
}

void rhi__gcstat_free(rhi_gcstat *answer)
{
    for (uint64_t i = 0; answer->facts && i < answer->count; i++)
        free(answer->facts[i].items);
    free(answer->facts);
    rhi__sites_free(&answer->sites);
    free(answer->heaps);
}
