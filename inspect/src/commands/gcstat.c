/* gcstat.c - `gcstat`: what each heap holds, by type.
 *
 * One pass over the headers counts; retained bytes come from the dominator tree, which is made on
 * the first question that wants it. Invariant of a tally: its rows are those of one heap and one
 * type. */
#include "base/array.h"
#include "commands/all.h"
#include "graph/graph.h"
#include "graph/harm.h"
#include "base/map.h"
#include "render/value.h"
#include "heap/objects.h"
#include "render/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct tally {
    uint64_t count, bytes, retained;
    uint32_t type;    /* of the reader */
    uint32_t first;   /* an object */
    uint32_t largest; /* the one that retains most */
    uint64_t largest_retained;
} tally;

typedef struct heap_tally {
    uint64_t objects, bytes, blocks, block_bytes, slot_bytes, damaged;
    /* of types that have objects; at last most bytes first */
    struct {
        tally *items;
        uint64_t count, capacity;
    } rows;
    rhi_map row_of; /* by type, until they are in order */
} heap_tally;

typedef struct rhi_statistics {
    heap_tally *heaps;
    uint64_t heap_count;
    uint32_t *order; /* heaps by number: the order of rows */
    /* by type: where its tally was last; heap UINT32_MAX: nowhere yet */
    struct near {
        uint32_t heap, row;
    } * near;
    bool has_retained;
} rhi_statistics;

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
static tally *new_tally(heap_tally *heap, uint32_t type, struct near *near)
{
    near->row = rhi__map_get(&heap->row_of, type);
    if (near->row != RHI_NOT_THERE)
        return &heap->rows.items[near->row];
    if (!rhi__array_reserve(&heap->rows, 1) ||
        !rhi__map_set(&heap->row_of, type, (uint32_t)heap->rows.count))
        return NULL;
    near->row = (uint32_t)heap->rows.count++;
    heap->rows.items[near->row] = (tally){.type = type};
    return &heap->rows.items[near->row];
}

static inline tally *tally_of(rhi_statistics *statistics, uint32_t heap, uint32_t type)
{
    struct near *near = &statistics->near[type];
    if (near->heap == heap)
        return &statistics->heaps[heap].rows.items[near->row];
    tally *found = new_tally(&statistics->heaps[heap], type, near);
    near->heap = found ? heap : UINT32_MAX;
    return found;
}

/* ---- counting ------------------------------------------------------------------------------- */

typedef struct counter {
    rhi_session *session;
    rhi_reader *reader;
    rhi_statistics *statistics;
    rhi_headers headers;
    rhi_scratch scratch;
    uint32_t *types; /* by object, of those that are there; NULL: not wanted */
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
    heap_tally *heap = &c->statistics->heaps[block->heap];
    uint32_t index = block->first_object + (uint32_t)(header - c->headers.items);
    if (header->type >= c->reader->types.count) {
        heap->damaged++;
        return;
    }
    tally *t = tally_of(c->statistics, block->heap, header->type);
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
    heap->slot_bytes += block->slot_size;
    if (c->types)
        c->types[index] = header->type;
}

static rhi_error *count_block(counter *c, const rhi_block *block)
{
    heap_tally *heap = &c->statistics->heaps[block->heap];
    /* free slots, too: is none of them taken? */
    uint64_t got = 0, size = rhi__block_used_bytes(block);
    heap->blocks++;
    heap->block_bytes += block->size;
    const uint8_t *bytes =
        rhi__memory_view(c->reader->memory, block->base, block->size, &c->scratch, &got);
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
            if (header->state <= RHI_DYING)
                count_object(c, block, slot * block->slot_size, bytes, header);
        }
    return c->out_of_memory ? rhi__error_memory() : NULL;
}

static rhi_error *count_objects(rhi_session *session, rhi_reader *reader,
                                rhi_statistics *statistics, uint32_t *types)
{
    counter c = {.session = session, .reader = reader, .statistics = statistics, .types = types};
    rhi_error *error = NULL;
    rhi__begin_harm(reader);
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        error = rhi__progress(&session->work, "counting objects", i, reader->blocks.count);
        if (!error)
            error = count_block(&c, &reader->blocks.items[i]);
    }
    free(c.headers.items);
    rhi__scratch_free(&c.scratch);
    if (!error)
        rhi__harm_is_known(reader);
    return error;
}

/* ---- retained bytes ------------------------------------------------------------------------- */

/* What another object of the type dominates is part of what that one retains: counted once. Types
 * are taken 64 at a time: a bit each for "one of these dominates it". */
typedef struct retainer {
    rhi_session *session;
    const rhi_graph *graph;
    const uint32_t *types;
    uint64_t *above; /* by object; bit 63: known */
    uint32_t first;  /* type of bit 0 */
} retainer;

enum { TYPES_AT_ONCE = 63 };
#define KNOWN (1ull << TYPES_AT_ONCE)

static uint64_t type_bit(const retainer *r, uint32_t index)
{
    uint32_t type = r->types[index] - r->first; /* others wrap around */
    return type < TYPES_AT_ONCE ? 1ull << type : 0;
}

/* The types of what dominates it. Climbs to the next dominator that is known, and comes back down.
 */
static uint64_t types_above(const retainer *r, uint32_t index)
{
    uint32_t *way = r->graph->queue, length = 0, at = index;
    for (; at != RHI_NO_OBJECT && !(r->above[at] & KNOWN); at = r->graph->dominator[at])
        way[length++] = at;
    uint64_t above = at == RHI_NO_OBJECT ? KNOWN : r->above[at] | type_bit(r, at);
    while (length) {
        at = way[--length];
        r->above[at] = above;
        above |= type_bit(r, at);
    }
    return r->above[index];
}

static rhi_error *add_retained(retainer *r, const rhi_reader *reader, rhi_statistics *statistics)
{
    memset(r->above, 0, (uint64_t)r->graph->count * sizeof *r->above);
    for (uint64_t b = 0; b < reader->blocks.count; b++) {
        const rhi_block *block = &reader->blocks.items[b];
        RHI_TRY(
            rhi__progress(&r->session->work, "adding up retained bytes", b, reader->blocks.count));
        for (uint32_t i = block->first_object; i < block->first_object + block->object_count; i++) {
            uint64_t bit = type_bit(r, i);
            if (!bit || types_above(r, i) & bit)
                continue;
            tally *t = tally_of(statistics, block->heap, r->types[i]);
            if (!t)
                return rhi__error_memory();
            t->retained += r->graph->retained[i];
            if (r->graph->retained[i] > t->largest_retained) {
                t->largest = i;
                t->largest_retained = r->graph->retained[i];
            }
        }
    }
    return NULL;
}

static rhi_error *find_retained(rhi_session *session, rhi_reader *reader,
                                rhi_statistics *statistics, const uint32_t *types)
{
    rhi_graph *graph;
    RHI_TRY(rhi__session_graph(session, &graph));
    RHI_TRY(rhi__graph_dominators(&session->work, reader, graph));
    retainer r = {.session = session,
                  .graph = graph,
                  .types = types,
                  .above = rhi__big_array((uint64_t)graph->count + 1, 8)};
    rhi_error *error = r.above ? NULL : rhi__error_memory();
    for (; r.first < reader->types.count && !error; r.first += TYPES_AT_ONCE)
        error = add_retained(&r, reader, statistics);
    free(r.above);
    return error;
}

/* ---- the statistics of a session ------------------------------------------------------------ */

static int row_order(const void *left, const void *right)
{
    const tally *a = left, *b = right;
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
    for (uint64_t i = 0; i < reader->blocks.count; i++)
        objects += reader->blocks.items[i].object_count;
    uint32_t *types = retained ? rhi__big_array(objects + 1, sizeof *types) : NULL;
    rhi_error *error = retained && !types ? rhi__error_memory() : allocate(reader, result);
    if (types)
        memset(types, 0xff, (objects + 1) * sizeof *types);
    if (!error)
        error = count_objects(session, reader, *result, types);
    if (!error && retained)
        error = find_retained(session, reader, *result, types);
    free(types);
    for (uint64_t h = 0; h < reader->heaps.count && !error; h++) {
        heap_tally *heap = &(*result)->heaps[h];
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

/* ---- rendering ------------------------------------------------------------------------------ */

/* The sample's id, and what it holds. */
static void sample_id(rhi_reader *reader, uint32_t index, char *id, size_t size,
                      char value[RHI_VALUE_SIZE])
{
    enum rhi_place place;
    rhi_object object;
    value[0] = '\0';
    if (rhi__place_of(reader, rhi__object_address(reader, index), &place, &object) &&
        place == RHI_PLACE_LIVE) {
        rhi__object_id(reader, &object, id, size);
        rhi__value(reader, &object, value);
    } else {
        snprintf(id, size, "?");
    }
}

/* Of the memory that blocks with objects take, what no object uses. */
static unsigned fragmentation_percent(const heap_tally *heap)
{
    return heap->block_bytes ? (unsigned)((double)(heap->block_bytes - heap->slot_bytes) /
                                          (double)heap->block_bytes * 100)
                             : 0;
}

static void print_heap(rhi_session *session, rhi_reader *reader, const rhi_heap_info *info,
                       const heap_tally *heap, bool retained, uint64_t limit)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    rhi__print(session, "heap %" PRIu64 "%s%s%s: %" PRIu64 " object%s, %" PRIu64 " bytes; ",
               info->number, info->name[0] ? " \"" : "", info->name, info->name[0] ? "\"" : "",
               heap->objects, rhi__plural(heap->objects), heap->bytes);
    rhi__print(session, "%" PRIu64 " %s%s of %" PRIu64 " bytes%s, %u%% of them unused\n",
               heap->blocks, info->format->block_word, rhi__plural(heap->blocks), heap->block_bytes,
               heap->blocks == 1 ? "" : " in all", fragmentation_percent(heap));
    if (info->format->has_collector)
        rhi__print(session,
                   "  collector %s: %" PRIu64 " collection%s, %" PRIu64
                   " object%s reclaimed, %" PRIu64 " candidate root%s\n",
                   info->gc_enabled ? "on" : "off", info->collections,
                   rhi__plural(info->collections), info->reclaimed, rhi__plural(info->reclaimed),
                   info->candidates, rhi__plural(info->candidates));
    if (info->provisional)
        rhi__print(session, "  provisional: the heap is %s\n", info->phase);
    if (heap->damaged)
        rhi__print(session, "  %" PRIu64 " object%s a damaged header: gcverify tells more\n",
                   heap->damaged, heap->damaged == 1 ? " has" : "s have");
    if (heap->rows.count)
        rhi__print(session,
                   retained ? "  %12s %14s %14s  %-24s %s\n" : "  %12s %14s%.0s  %-24s %s\n",
                   "count", "bytes", "retained", "type", "sample");
    for (uint64_t i = 0; i < heap->rows.count && i < limit; i++) {
        const tally *t = &heap->rows.items[i];
        sample_id(reader, retained ? t->largest : t->first, id, sizeof id, value);
        rhi__print(session, "  %12" PRIu64 " %14" PRIu64, t->count, t->bytes);
        if (retained)
            rhi__print(session, " %14" PRIu64, t->retained);
        rhi__print(session, "  %-24s %s%s\n", rhi__type_name(reader, t->type), id, value);
    }
    if (heap->rows.count > limit)
        rhi__print(session, "  … %" PRIu64 " more type%s (--limit=0 shows all)\n",
                   heap->rows.count - limit, rhi__plural(heap->rows.count - limit));
}

static json_t *heap_json(rhi_reader *reader, const rhi_heap_info *info, const heap_tally *heap,
                         bool retained, uint64_t limit)
{
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    json_t *types = json_array();
    for (uint64_t i = 0; i < heap->rows.count && i < limit; i++) {
        const tally *t = &heap->rows.items[i];
        sample_id(reader, retained ? t->largest : t->first, id, sizeof id, value);
        json_t *row = json_object();
        json_object_set_new(row, "type", rhi__json_text(rhi__type_name(reader, t->type)));
        json_object_set_new(row, "count", rhi__json_u64(t->count));
        json_object_set_new(row, "bytes", rhi__json_u64(t->bytes));
        json_object_set_new(row, "retained", retained ? rhi__json_u64(t->retained) : json_null());
        json_object_set_new(row, "sample", rhi__json_text(id));
        json_object_set_new(row, "sample_value",
                            value[0] ? rhi__json_text(value + 1) : json_null());
        json_array_append_new(types, row);
    }
    char key[32];
    json_t *json = json_object(), *collector = json_object();
    json_object_set_new(collector, "enabled", json_boolean(info->gc_enabled));
    json_object_set_new(collector, "collections", rhi__json_u64(info->collections));
    json_object_set_new(collector, "reclaimed", rhi__json_u64(info->reclaimed));
    json_object_set_new(collector, "candidates", rhi__json_u64(info->candidates));
    json_object_set_new(json, "heap", rhi__json_u64(info->number));
    json_object_set_new(json, "name", info->name[0] ? rhi__json_text(info->name) : json_null());
    json_object_set_new(json, "objects", rhi__json_u64(heap->objects));
    json_object_set_new(json, "bytes", rhi__json_u64(heap->bytes));
    snprintf(key, sizeof key, "%ss", info->format->block_word);
    json_object_set_new(json, key, rhi__json_u64(heap->blocks));
    snprintf(key, sizeof key, "%s_bytes", info->format->block_word);
    json_object_set_new(json, key, rhi__json_u64(heap->block_bytes));
    json_object_set_new(json, "fragmentation_percent", json_integer(fragmentation_percent(heap)));
    json_object_set_new(json, "damaged", rhi__json_u64(heap->damaged));
    json_object_set_new(json, "phase", json_string(info->phase));
    if (!info->format->has_collector) {
        json_decref(collector);
        collector = json_null();
    }
    json_object_set_new(json, "collector", collector);
    json_object_set_new(json, "types", types);
    if (heap->rows.count > limit)
        json_object_set_new(json, "types_total", rhi__json_u64(heap->rows.count));
    return json;
}

rhi_error *rhi__run_gcstat(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_reader *reader;
    rhi_statistics *statistics;
    bool retained = !rhi__option(args, "--no-retained");
    (void)status;
    RHI_TRY(rhi__session_reader(session, &reader));
    RHI_TRY(statistics_of(session, reader, retained, &statistics));
    uint64_t wanted = 0, shown = 0;
    if (args->json) {
        rhi__json_begin(session);
        rhi__json_array(session, "heaps");
    }
    for (uint64_t row = 0; row < reader->heaps.count; row++) {
        uint32_t i = statistics->order[row];
        if (!rhi__heap_wanted(session, reader, i) || wanted++ >= args->limit)
            continue;
        shown++;
        if (args->json)
            rhi__json_item(session, heap_json(reader, &reader->heaps.items[i],
                                              &statistics->heaps[i], retained, args->limit));
        else
            print_heap(session, reader, &reader->heaps.items[i], &statistics->heaps[i], retained,
                       args->limit);
    }
    if (args->json) {
        rhi__json_array_end(session);
        if (wanted > shown)
            rhi__json_key(session, "heaps_total", rhi__json_u64(wanted));
        rhi__json_end(session);
        return NULL;
    }
    if (wanted > shown)
        rhi__print(session, "… %" PRIu64 " more heap%s (--limit=0 shows all)\n", wanted - shown,
                   rhi__plural(wanted - shown));
    rhi__print_incomplete(session);
    return NULL;
}
