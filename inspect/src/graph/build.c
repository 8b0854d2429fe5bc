/* build.c - builds the graph in one pass over the blocks (see graph.h).
 *
 * Invariant while building: edge_start is set for all objects before `started`. The slots of the
 * batch come behind all edges that there are. */
#include "graph/graph.h"
#include "graph/harm.h"
#include "graph/spread.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ------------------------------------------------------------------------------- */

/* A strong slot on its way to becoming an edge. Each step of that waits for memory, so that a step
 * is taken for all slots of a batch before the next one. */
typedef struct pending {
    uint64_t value, slot;
    const rhi_block *block; /* that contains the value; NULL: none does */
    uint32_t from, heap;    /* the object that it is in */
    uint32_t to;
    bool is_live, is_guess; /* is_live: that object is not dying */
} pending;

typedef struct builder {
    rhi_work *work;
    rhi_reader *reader;
    rhi_graph *graph;
    rhi_headers headers;
    rhi_declarer declarer;
    rhi_error *error; /* of it */
    pending *batch;
    uint32_t waiting;           /* so many of the batch */
    uint32_t object;            /* whose slots are visited */
    uint32_t heap;              /* its */
    bool is_live;               /* is it? */
    uint32_t started;           /* objects whose edges have a beginning */
    bool out_of_memory, is_cut; /* is_cut: there are more edges than a core has words */
} builder;

enum { BATCH = 256 };

/* Room for `extra` more edges. No two come from one word. What is large is not grown by realloc:
 * that gives pages of the small size. */
static bool reserve_edges(builder *b, uint64_t extra)
{
    enum { EDGES_MIN = 1 << 23 };
    rhi_graph *graph = b->graph;
    if (graph->edge_count + extra <= graph->edge_capacity)
        return true;
    uint64_t words = b->reader->memory->core_bytes / 8;
    if (graph->edge_count > words && graph->edge_count - words > EDGES_MIN) {
        b->is_cut = true;
        return false;
    }
    uint64_t wanted = graph->edge_capacity + graph->edge_capacity / 2 + extra;
    uint32_t *grown = wanted <= UINT32_MAX ? rhi__big_array(wanted, sizeof *grown) : NULL;
    b->out_of_memory = !grown;
    if (!grown)
        return false;
    memcpy(grown, graph->edge_to, graph->edge_count * sizeof *grown);
    free(graph->edge_to);
    graph->edge_to = grown;
    graph->edge_capacity = wanted;
    return true;
}

/* A strong slot of a live object that holds what is no object: something has written over it. */
static void note_stray(rhi_reader *reader, uint64_t value)
{
    if (reader->harm.slots++ == 0)
        reader->harm.first_slot = value;
}

/* An edge to this object is a guess. False if memory is short. */
static bool note_guess(rhi_graph *graph, uint32_t to)
{
    if (!graph->guessed && !(graph->guessed = calloc((uint64_t)graph->count + 1, 1)))
        return false;
    uint32_t count = rhi__guessed(graph, to) + 1;
    graph->guessed[to] = (uint8_t)(count < RHI_GUESSED_MORE ? count : RHI_GUESSED_MORE);
    return count < RHI_GUESSED_MORE || rhi__map_set(&graph->guessed_more, to, count);
}

static inline void locate(rhi_reader *reader, pending *p)
{
    const rhi_block *block = p->block = rhi__block_at(reader, p->value);
    if (!block)
        return;
    p->slot = rhi__slot_number(block, p->value);
    __builtin_prefetch(&block->live[p->slot / 64]);
    __builtin_prefetch(&block->rank[p->slot / 64]);
    if (block->prefixes)
        __builtin_prefetch(&block->prefixes[p->slot]);
}

/* What does not lead to the start of a slot is no reference, unless its format has prefixes: the
 * block does not say what prefix the object of a free slot had. Who leads there is stale. */
static inline bool is_reference(rhi_reader *reader, const pending *p)
{
    rhi_object gone;
    if (!p->block)
        return false;
    return rhi__is_slot_address(reader, p->block, p->slot, p->value) ||
           (p->block->prefixes && rhi__slot_at(reader, p->block, p->value, &gone) &&
            gone.state == RHI_FREED && gone.address == p->value);
}

/* Adds the edge, if the slot leads to an object. */
static inline void settle(builder *b, pending *p)
{
    p->to = RHI_NO_OBJECT;
    if (__builtin_expect(!is_reference(b->reader, p), 0)) {
        /* what a dying one holds is being let go of; a guess that leads to no object is none */
        if (p->value && p->is_live && !p->is_guess &&
            !rhi__may_lie_alone(b->reader, p->heap, p->value))
            note_stray(b->reader, p->value);
        return;
    }
    p->to = rhi__slot_index(p->block, p->slot);
    if (p->to == RHI_NO_OBJECT)
        return;
    b->graph->edge_to[b->graph->edge_count++] = p->to;
    __builtin_prefetch(&b->graph->found[p->to], 1);
}

static inline void count_found(builder *b, const pending *p)
{
    if (p->to == RHI_NO_OBJECT)
        return;
    if (!p->is_live) /* what dying objects hold owns no count any more */
        b->graph->dying_edges++;
    else
        b->graph->found[p->to]++;
    if (p->is_guess && p->is_live && !note_guess(b->graph, p->to))
        b->out_of_memory = true;
}

/* The edges of all objects up to this one begin here, if they have not begun yet. */
static inline void start_edges(builder *b, uint32_t index)
{
    while (b->started <= index)
        b->graph->edge_start[b->started++] = (uint32_t)b->graph->edge_count;
}

static void settle_batch(builder *b)
{
    uint32_t count = reserve_edges(b, b->waiting) ? b->waiting : 0;
    for (uint32_t i = 0; i < count; i++)
        locate(b->reader, &b->batch[i]);
    for (uint32_t i = 0; i < count; i++) {
        start_edges(b, b->batch[i].from);
        settle(b, &b->batch[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        count_found(b, &b->batch[i]);
    b->waiting = 0;
}

static inline void add_value(builder *b, uint64_t value, bool is_guess)
{
    if (b->waiting == BATCH)
        settle_batch(b);
    b->batch[b->waiting++] = (pending){.value = value,
                                       .from = b->object,
                                       .heap = b->heap,
                                       .is_live = b->is_live,
                                       .is_guess = is_guess};
}

static bool add_slot(void *context, const rhi_slot *slot)
{
    builder *b = context;
    if (slot->field->kind != RHI_KIND_BORROWED)
        add_value(b, slot->value, slot->field->is_guess);
    return !b->is_cut && !b->out_of_memory;
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
    if (!b->is_cut && rhi__is_object(header->state) && header->type < b->reader->types.count)
        add_references(b, block, offset, bytes, header);
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
    return error ? error : b->out_of_memory ? rhi__error_memory() : NULL;
}

static rhi_error *add_blocks(builder *b)
{
    rhi_block_room buffer = {.scratch = {0}};
    RHI_TRY(rhi__declare_begin(&b->declarer, b->reader, &b->graph->declared));
    rhi_error *error = NULL;
    uint64_t room = rhi__begin_pass(b->reader);
    b->reader->harm.slots = 0;
    rhi__begin_harm(b->reader);
    b->batch = malloc(BATCH * sizeof *b->batch);
    if (!b->batch)
        error = rhi__error_memory();
    for (uint64_t i = 0; i < b->reader->blocks.count && !error; i++) {
        error = rhi__progress(b->work, "reading objects", i, b->reader->blocks.count);
        if (!error)
            error = add_block(b, &b->reader->blocks.items[i], &buffer);
    }
    settle_batch(b);
    start_edges(b, b->graph->count);
    if (!error && b->out_of_memory)
        error = rhi__error_memory();
    b->reader->slot_room = room;
    if (b->is_cut)
        rhi__reader_problem(
            b->reader,
            "objects claim more references than the core has words: the rest is left out");
    rhi__block_room_free(&buffer);
    if (!error)
        rhi__harm_is_known(b->reader);
    b->graph->has_declared = !error && !b->is_cut;
    free(b->headers.items);
    free(b->batch);
    return error;
}

/* A stale field may lead to a slot that the bitmap has as taken, though nobody lives there (the
 * allocator's own, or freed a moment ago): that is no edge. What somebody holds and was never
 * freed has lost its header. */
static void drop_edges_to_nobody(rhi_reader *reader, rhi_graph *graph)
{
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
                note_stray(reader, rhi__object_address(reader, target));
        }
        graph->edge_start[i] = first;
    }
    if (any) {
        graph->edge_start[graph->count] = kept;
        graph->edge_count = kept;
    }
}

/* ---- what is in motion ---------------------------------------------------------------------- */

static bool can_be_over(const rhi_graph *graph, uint32_t index)
{
    return !(graph->flags[index] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING | RHI_GRAPH_CORRUPT));
}

static bool is_in_motion(rhi_reader *reader, uint32_t index)
{
    rhi_object object;
    uint64_t address = rhi__object_address(reader, index);
    const rhi_block *block = rhi__block_at(reader, address);
    return rhi__format_of(reader, block->heap)->in_motion &&
           rhi__slot_at(reader, block, address, &object) &&
           rhi__format_of(reader, block->heap)->in_motion(reader, &object);
}

static rhi_error *mark_over(uint64_t **over, const rhi_graph *graph, uint32_t index)
{
    if (!*over && !(*over = calloc((uint64_t)graph->count / 64 + 1, sizeof **over)))
        return rhi__error_memory();
    rhi__bit_set(*over, index);
    return NULL;
}

/* Exact roots own a count each, as fields do. */
static rhi_error *mark_rooted(const builder *b, uint64_t **over)
{
    const rhi_reader *reader = b->reader;
    uint32_t *held = malloc((reader->roots.count + 1) * sizeof *held), count = 0;
    rhi_error *error = held ? NULL : rhi__error_memory();
    uint64_t value;
    for (uint64_t i = 0; i < reader->roots.count && !error; i++)
        if (!reader->roots.items[i].is_guess &&
            rhi__memory_u64(reader->memory, reader->roots.items[i].slot, &value) &&
            (held[count] = rhi__object_of(reader, value)) != RHI_NO_OBJECT)
            count++;
    if (count)
        qsort(held, count, sizeof *held, rhi__index_order);
    for (uint32_t first = 0, end; first < count && !error; first = end) {
        for (end = first; end < count && held[end] == held[first];)
            end++;
        if (can_be_over(b->graph, held[first]) &&
            rhi__open_at_most(b->graph, held[first]) < (int64_t)(end - first))
            error = mark_over(over, b->graph, held[first]);
    }
    free(held);
    return error;
}

static bool any_motion(const rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->in_motion)
            return true;
    return false;
}

/* Where more fields and roots hold an object than it has counts, those of objects that a thread may
 * be changing count like guesses. There are few such, or none: only then edges are looked at. */
static rhi_error *doubt_motion(builder *b)
{
    rhi_graph *graph = b->graph;
    uint64_t *over = NULL;
    rhi_error *error = NULL;
    if (!any_motion(b->reader))
        return NULL;
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (can_be_over(graph, i) && rhi__open_at_most(graph, i) < 0)
            error = mark_over(&over, graph, i);
    if (!error)
        error = mark_rooted(b, &over);
    for (uint32_t i = 0; over && i < graph->count && !error; i++)
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1] && !error; e++)
            if (rhi__bit(over, graph->edge_to[e]) && is_in_motion(b->reader, i) &&
                !note_guess(graph, graph->edge_to[e]))
                error = rhi__error_memory();
    free(over);
    return error;
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
    enum { EDGES_EACH = 4 };
    uint64_t n = count;
    graph->count = count;
    graph->edge_capacity = n * EDGES_EACH + BATCH;
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
        drop_edges_to_nobody(reader, graph);
    if (!error)
        trim_edges(graph);
    if (!error)
        error = doubt_motion(&b);
    if (!error)
        error = mark_reached(work, reader, graph);
    if (error)
        rhi__graph_free(graph);
    else
        *result = graph;
    return error;
}
