/* build.c - builds the graph in one pass over the blocks (see graph.h).
 *
 * What is read here becomes edges in settle.c, meanwhile. Invariant: between rhi__settle_begin and
 * rhi__settle_end nothing here looks at edges, or at what counts them. */
#include "graph/graph.h"
#include "base/array.h"
#include "graph/doubt.h"
#include "graph/harm.h"
#include "graph/settle.h"
#include "graph/spread.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ------------------------------------------------------------------------------- */

typedef struct builder {
    rhi_work *work;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_headers headers;
    rhi_declarer declarer;
    rhi_error *error; /* of it */
    rhi_settler settler;
    rhi_bare bare;   /* objects of such types that hold others */
    uint32_t object; /* whose slots are visited */
    uint32_t heap;   /* its */
    bool is_live;    /* is it? */
} builder;

/* A strong slot of a live object that holds what is no object: something has written over it. */
static void note_stray(builder *b, uint32_t from, uint64_t value)
{
    rhi_harm *harm = &b->reader->harm;
    if (!rhi__is_doubtful_stray(b->reader, b->graph, from, value) && harm->slots++ == 0)
        harm->first_slot = value;
}

static inline void add_value(builder *b, uint64_t value, bool is_guess)
{
    rhi__settle_add(&b->settler, (rhi_loose){.value = value,
                                             .from = b->object,
                                             .heap = b->heap & RHI_LOOSE_HEAP,
                                             .is_live = b->is_live,
                                             .is_guess = is_guess});
}

static bool add_slot(void *context, const rhi_slot *slot)
{
    builder *b = context;
    if (slot->field->kind != RHI_KIND_BORROWED)
        add_value(b, slot->value, slot->field->is_guess);
    return !rhi__settle_is_over(&b->settler);
}

/* The references of an object of a type whose slots are not all at fixed places. Where code finds
 * them, the header says all that it needs. */
static void add_slots(builder *b, const rhi_block *block, uint64_t address, const uint8_t *bytes,
                      const rhi_header *header)
{
    rhi_object object;
    if (b->reader->types.items[header->type].has_code)
        object = rhi__object_by_header(block, address, header);
    else
        rhi__decode(b->reader, block, address, bytes, true, &object);
    b->is_live = object.state == RHI_LIVE;
    b->heap = object.heap;
    rhi__each_slot(b->reader, &object, bytes, add_slot, b);
    if (b->declarer.any && !b->error)
        b->error = rhi__declare(&b->declarer, &object, bytes);
}

/* The plan for an object if its references are where its type says; else NULL. */
static const rhi_plan *plan_of(const builder *b, const rhi_block *block, const rhi_header *header)
{
    const rhi_plan *p = &b->reader->plans[header->type];
    return p->is_fixed && p->end <= block->slot_size ? p : NULL;
}

static void add_references(builder *b, const rhi_block *block, uint64_t offset,
                           const uint8_t *bytes, const rhi_header *header)
{
    const rhi_plan *p = plan_of(b, block, header);
    b->is_live = header->state == RHI_LIVE;
    b->heap = block->heap;
    for (uint32_t i = 0; p && i < p->count; i++)
        add_value(b, rhi__load64(bytes + offset + p->offsets[i]), false);
    if (!p && b->reader->types.items[header->type].has_references)
        add_slots(b, block, block->base + offset, bytes + offset, header);
}

static void add_bare(builder *b, uint32_t index)
{
    if (rhi__array_reserve(&b->bare, 1))
        b->bare.items[b->bare.count++] = index;
    else if (!b->error)
        b->error = rhi__error_memory();
}

static void add_object(builder *b, const rhi_block *block, uint32_t index, uint64_t offset,
                       const uint8_t *bytes, const rhi_header *header)
{
    rhi_graph *graph = b->graph;
    rhi__harm_of(b->reader, block->base + offset, header->damaged);
    graph->stored[index] = header->count;
    graph->flags[index] =
        (uint8_t)((header->state == RHI_DYING ? RHI_GRAPH_DYING : 0) |
                  (header->immortal ? RHI_GRAPH_IMMORTAL : 0) |
                  (header->held ? RHI_GRAPH_HELD : 0) | (header->damaged ? RHI_GRAPH_DAMAGED : 0) |
                  (header->blank ? RHI_GRAPH_BLANK : 0) |
                  (!rhi__is_object(header->state) || header->type == UINT32_MAX ? RHI_GRAPH_CORRUPT
                                                                                : 0));
    b->object = index;
    if (rhi__settle_is_over(&b->settler) || !rhi__is_object(header->state) ||
        header->type >= b->reader->types.count)
        return;
    add_references(b, block, offset, bytes, header);
    if (b->reader->types.items[header->type].is_bare &&
        b->reader->types.items[header->type].has_references)
        add_bare(b, index);
}

/* Does code find all references of these objects? */
static bool has_slots_alone(const rhi_reader *reader, const rhi_header *headers, uint32_t count)
{
    const rhi_type *types = reader->types.items;
    for (uint32_t i = 0; i < count; i++)
        if (headers[i].type >= reader->types.count || !types[headers[i].type].has_code ||
            types[headers[i].type].has_raw_words)
            return false;
    return true;
}

static rhi_error *add_block(builder *b, rhi_block *block, rhi_block_room *room)
{
    uint64_t got; /* free slots, too: is none of them taken? */
    const uint8_t *bytes = rhi__block_bytes(b->reader, block, block->size, room, &got);
    uint64_t readable = bytes ? got / block->slot_size : 0;
    const rhi_header *headers = rhi__headers(b->reader, block, bytes, readable, &b->headers);
    if (!headers)
        return rhi__error_memory();
    rhi__look_for_harm(b->reader, block, bytes, got);
    uint32_t index = block->first_object, end = index + block->object_count;
    for (uint64_t first = 0; first < readable; first += 64) {
        uint64_t bits = block->live[first / 64] &
                        (readable - first < 64 ? (1ull << (readable - first)) - 1 : UINT64_MAX);
        for (; bits; bits &= bits - 1, index++)
            add_object(b, block, index,
                       (first + (uint64_t)__builtin_ctzll(bits)) * block->slot_size, bytes,
                       &headers[index - block->first_object]);
    }
    block->has_slots_alone =
        index == end && has_slots_alone(b->reader, headers, block->object_count);
    rhi__tell_lost(b->reader, block, end - index);
    rhi_error *error = b->error;
    b->error = NULL;
    return error;
}

/* What was kept of the strays is judged; the others count. */
static void add_strays(builder *b)
{
    const rhi_settler *s = &b->settler;
    for (uint64_t i = 0; i < s->kept.count; i++)
        note_stray(b, s->kept.items[i].from, s->kept.items[i].value);
    b->reader->harm.slots += s->strays - s->kept.count;
}

static rhi_error *add_blocks(builder *b)
{
    rhi_block_room buffer = {.scratch = {0}};
    RHI_TRY(rhi__declare_begin(&b->declarer, b->reader, &b->graph->declared));
    uint64_t room = rhi__begin_pass(b->reader);
    b->reader->harm.slots = 0;
    rhi__begin_harm(b->reader);
    rhi_error *error = rhi__settle_begin(&b->settler, b->reader, b->graph);
    for (uint64_t i = 0; i < b->reader->blocks.count && !error; i++) {
        error = rhi__progress(b->work, "reading objects", i, b->reader->blocks.count);
        if (!error)
            error = add_block(b, &b->reader->blocks.items[i], &buffer);
    }
    rhi_error *unsettled = rhi__settle_end(&b->settler);
    error = error ? error : unsettled;
    b->reader->slot_room = room;
    if (b->settler.is_cut)
        rhi__reader_problem(
            b->reader,
            "objects claim more references than the core has words: the rest is left out");
    rhi__block_room_free(&buffer);
    if (!error)
        rhi__harm_is_known(b->reader);
    b->graph->has_declared = !error && !b->settler.is_cut;
    free(b->headers.items);
    return error;
}

/* A stale field may lead to a slot that the bitmap has as taken, though nobody lives there (the
 * allocator's own, or freed a moment ago): that is no edge. What somebody holds and was never
 * freed has lost its header. */
static void drop_edges_to_nobody(builder *b)
{
    rhi_reader *reader = b->reader;
    rhi_graph *graph = b->graph;
    uint32_t kept = 0;
    bool any = graph->dying_edges != 0;
    for (uint32_t i = 0; i < graph->count && !any; i++)
        any = graph->flags[i] & RHI_GRAPH_CORRUPT && rhi__found(graph, i);
    for (uint32_t i = 0, e = 0; i < graph->count && any; i++) {
        uint32_t first = kept;
        for (; e < graph->edge_start[i + 1]; e++) {
            uint32_t target = graph->edge_to[e];
            bool is_edge = !(graph->flags[target] & RHI_GRAPH_CORRUPT);
            graph->edge_to[kept] = target;
            kept += is_edge;
            graph->found[target] -= !is_edge && !(graph->flags[i] & RHI_GRAPH_DYING);
            graph->dying_edges -= !is_edge && graph->flags[i] & RHI_GRAPH_DYING;
            if (!is_edge && graph->flags[target] & RHI_GRAPH_BLANK &&
                !(graph->flags[i] & RHI_GRAPH_DYING))
                note_stray(b, i, rhi__object_address(reader, target));
        }
        graph->edge_start[i] = first;
    }
    if (any) {
        graph->edge_start[graph->count] = kept;
        graph->edge_count = kept;
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

/* Objects that exact roots hold are in use, whatever guesses explain their counts. */
static void add_rooted(rhi_reader *reader, const rhi_graph *graph, uint64_t *reached,
                       uint32_t *count)
{
    uint64_t value;
    for (uint64_t i = 0; graph->guessed && i < reader->roots.count; i++) {
        uint32_t index = rhi__memory_u64(reader->memory, reader->roots.items[i].slot, &value)
                             ? rhi__object_of(reader, value)
                             : RHI_NO_OBJECT;
        if (index == RHI_NO_OBJECT || graph->guessed[index] == 0 || rhi__bit(reached, index) ||
            rhi__open_at_most(graph, index) <= 0)
            continue;
        graph->flags[index] |= RHI_GRAPH_GUESSED;
        rhi__bit_set(reached, index);
        graph->queue[(*count)++] = index;
    }
}

/* Marks what would be reached, too, if guesses owned no counts. */
static rhi_error *mark_guessed(rhi_work *work, rhi_graph *graph, const uint64_t *reached)
{
    uint64_t words = (uint64_t)graph->count / 64 + 1;
    uint64_t *met = malloc(words * sizeof *met);
    uint32_t count = 0;
    if (!met)
        return rhi__error_memory();
    memcpy(met, reached, words * sizeof *met);
    for (uint32_t i = 0; i < graph->count; i++)
        if (!rhi__bit(met, i) && rhi__open_at_most(graph, i) > 0) {
            rhi__bit_set(met, i);
            graph->queue[count++] = i;
        }
    rhi_error *error = rhi__graph_reach(work, graph, false, met, NULL, graph->queue, count);
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (rhi__bit(met, i) && !rhi__bit(reached, i)) {
            graph->flags[i] |= RHI_GRAPH_GUESSED;
            graph->has_guessed = true;
        }
    free(met);
    return error;
}

static rhi_error *mark_reached(rhi_work *work, rhi_reader *reader, rhi_graph *graph)
{
    uint32_t *queue = graph->queue, count = 0;
    uint64_t *reached = calloc((uint64_t)graph->count / 64 + 1, sizeof *reached);
    rhi_error *error = reached ? NULL : rhi__error_memory();
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (graph->flags[i] & RHI_GRAPH_STAYS || rhi__ext(graph, i) > 0) {
            rhi__bit_set(reached, i);
            queue[count++] = i;
        }
    if (!error)
        add_rooted(reader, graph, reached, &count);
    if (!error)
        error = rhi__graph_reach(work, graph, false, reached, NULL, queue, count);
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (rhi__bit(reached, i))
            graph->flags[i] |= RHI_GRAPH_REACHED;
    if (!error && graph->guessed)
        error = mark_guessed(work, graph, reached);
    free(reached);
    return error;
}

/* Gives back the room that no edge took. It stays where that cannot be done. */
static void trim_edges(rhi_graph *graph)
{
    uint32_t *trimmed = realloc(graph->edge_to, (graph->edge_count + 1) * sizeof *trimmed);
    if (trimmed) {
        graph->edge_to = trimmed;
        graph->edge_capacity = graph->edge_count + 1;
    }
}

/* Room for so many edges that few heaps have more: pages that none reaches are no memory. */
static bool allocate(rhi_graph *graph, uint32_t count)
{
    enum { EDGES_EACH = 4, EDGES_MORE = 256 };
    uint64_t n = count;
    graph->count = count;
    graph->edge_capacity = n * EDGES_EACH + EDGES_MORE;
    graph->stored = rhi__big_array(n + 1, sizeof *graph->stored);
    graph->found_room = rhi__big_array(n + 2, sizeof *graph->found_room);
    graph->flags = calloc(n + 1, sizeof *graph->flags);
    graph->edge_start = rhi__big_array(n + 1, sizeof *graph->edge_start);
    graph->edge_to = rhi__big_array(graph->edge_capacity, sizeof *graph->edge_to);
    graph->queue = rhi__big_array(n + 1, sizeof *graph->queue);
    if (!graph->stored || !graph->found_room || !graph->flags || !graph->edge_start ||
        !graph->edge_to || !graph->queue)
        return false;
    memset(graph->stored, 0, (n + 1) * sizeof *graph->stored);
    memset(graph->found_room, 0, (n + 2) * sizeof *graph->found_room);
    graph->found = graph->found_room + 1;
    memset(graph->flags, RHI_GRAPH_CORRUPT, n); /* until its header is read */
    graph->edge_start[0] = 0;
    return true;
}

rhi_error *rhi__graph_build(rhi_work *work, rhi_reader *reader, rhi_graph **result)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < reader->blocks.count; i++)
        count += reader->blocks.items[i].object_count;
    rhi_graph *graph = calloc(1, sizeof *graph);
    if (!graph || !allocate(graph, (uint32_t)count)) {
        rhi__graph_free(graph);
        return rhi__error_memory();
    }
    builder b = {.work = work, .reader = reader, .graph = graph};
    rhi_error *error = add_blocks(&b);
    if (!error)
        error = rhi__doubt_bare(reader, graph, &b.bare);
    if (!error) {
        add_strays(&b);
        drop_edges_to_nobody(&b);
        trim_edges(graph);
        error = rhi__doubt_over(reader, graph);
    }
    free(b.settler.kept.items);
    free(b.bare.items);
    if (!error)
        error = mark_reached(work, reader, graph);
    if (error)
        rhi__graph_free(graph);
    else
        *result = graph;
    return error;
}
