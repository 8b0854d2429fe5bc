/* build.c - builds the graph in one pass over the blocks (see graph.h).
 *
 * Invariant while building: edge_start is set for all objects up to the present one, and edge_to
 * has room for what look_ahead has found. */
#include "graph/graph.h"
#include "graph/harm.h"
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
    struct pending *pending, *next_pending; /* of the objects that look_ahead saw */
    bool is_live;                           /* the object whose slots are visited */
    uint32_t heap;                          /* its */
    bool out_of_memory, is_cut;             /* is_cut: there are more edges than a core has words */
} builder;

/* Room for `extra` more edges. No two come from one word. */
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
    uint32_t *grown = wanted <= UINT32_MAX ? realloc(graph->edge_to, wanted * sizeof *grown) : NULL;
    if (!grown)
        return false;
    graph->edge_to = grown;
    graph->edge_capacity = wanted;
    return true;
}

/* A reference on its way to becoming an edge: its slot is known, whether an object lives there not
 * yet. */
typedef struct pending {
    const uint64_t *live; /* the bitmap's word; NULL: no reference */
    const uint32_t *rank;
    uint64_t bit; /* as wide as the others: half a word on the way through memory stalls */
} pending;

/* A strong slot of a live object that holds what is no object: something has written over it. */
static void note_stray(rhi_reader *reader, uint64_t value)
{
    if (reader->harm.slots++ == 0)
        reader->harm.first_slot = value;
}

static inline pending slot_of(const rhi_block *block, uint64_t slot)
{
    return (pending){
        .live = &block->live[slot / 64], .rank = &block->rank[slot / 64], .bit = slot % 64};
}

/* What does not lead to the start of a slot is no reference, unless its format has prefixes. */
__attribute__((noinline)) static pending find_unusual(rhi_reader *reader, uint64_t value,
                                                      bool is_live)
{
    rhi_object gone;
    const rhi_block *block = rhi__block_at(reader, value);
    uint64_t slot = block ? rhi__slot_number(block, value) : 0;
    if (block && rhi__slot_address(block, slot) == value)
        return slot_of(block, slot);
    /* the block does not say what prefix the object of a free slot had: who leads there is stale */
    if (block && block->prefixes && rhi__slot_at(reader, block, value, &gone) &&
        gone.state == RHI_FREED && gone.address == value)
        return slot_of(block, slot);
    if (value && is_live) /* what a dying one holds is being let go of */
        note_stray(reader, value);
    return (pending){0};
}

static inline pending find_target(rhi_reader *reader, uint64_t value, bool is_live)
{
    if (__builtin_expect(reader->has_prefixes, 0))
        return find_unusual(reader, value, is_live);
    const rhi_block *block = rhi__block_at(reader, value);
    uint64_t slot = block ? rhi__slot_number(block, value) : 0;
    if (!block || slot * block->slot_size != value - block->base)
        return find_unusual(reader, value, is_live);
    return slot_of(block, slot);
}

static inline void add_target(rhi_graph *graph, const pending *p)
{
    if (p->live && *p->live >> p->bit & 1)
        graph->edge_to[graph->edge_count++] =
            *p->rank + rhi__population(*p->live & ((1ull << p->bit) - 1));
}

/* An edge to this object is a guess. False if memory is short. */
static bool note_guess(rhi_graph *graph, uint32_t to)
{
    if (!graph->guessed) {
        graph->guessed = rhi__big_array((uint64_t)graph->count + 1, sizeof *graph->guessed);
        if (!graph->guessed)
            return false;
        memset(graph->guessed, 0, ((uint64_t)graph->count + 1) * sizeof *graph->guessed);
    }
    graph->guessed[to]++;
    return true;
}

static bool add_slot(void *context, const rhi_slot *slot)
{
    builder *b = context;
    uint64_t edges = b->graph->edge_count;
    if (slot->field->kind == RHI_KIND_BORROWED)
        return true;
    if (!reserve_edges(b, 1)) {
        b->out_of_memory = !b->is_cut;
        return false;
    }
    pending target = find_target(b->reader, slot->value, false);
    /* a guess that leads to no object is none: nothing was written over */
    if (!target.live && slot->value && b->is_live && !slot->field->is_guess &&
        !rhi__may_lie_alone(b->reader, b->heap, slot->value))
        note_stray(b->reader, slot->value);
    add_target(b->graph, &target);
    if (slot->field->is_guess && b->is_live && b->graph->edge_count > edges &&
        !note_guess(b->graph, b->graph->edge_to[b->graph->edge_count - 1])) {
        b->out_of_memory = true;
        return false;
    }
    return true;
}

/* The references of an object of a type whose slots are not all at fixed places. */
static void add_slots(builder *b, const rhi_block *block, uint64_t address, const uint8_t *bytes)
{
    rhi_object object;
    rhi__decode(b->reader, block, address, bytes, true, &object);
    b->is_live = object.state == RHI_LIVE;
    b->heap = object.heap;
    rhi__each_slot(b->reader, &object, bytes, add_slot, b);
}

/* The plan for an object if its references are where its type says; else NULL. */
static const rhi_plan *plan_of(const builder *b, const rhi_block *block, const rhi_header *header)
{
    const rhi_plan *p = rhi__is_object(header->state) && header->type < b->reader->types.count
                            ? &b->reader->plans[header->type]
                            : NULL;
    return p && p->is_fixed && p->end <= block->slot_size ? p : NULL;
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
    const rhi_plan *p = plan_of(b, block, header);
    if (b->is_cut)
        return;
    for (uint32_t i = 0; p && i < p->count; i++)
        add_target(graph, b->next_pending++);
    if (!p && rhi__is_object(header->state) && header->type < b->reader->types.count &&
        b->reader->types.items[header->type].has_references)
        add_slots(b, block, block->base + offset, bytes + offset);
}

/* Finds where the references of up to 64 objects lead, and has the bitmaps' words there fetched. */
static void look_ahead(builder *b, const rhi_block *block, uint64_t first, uint64_t bits,
                       const uint8_t *bytes, const rhi_header *headers)
{
    pending *next = b->pending;
    for (; bits; bits &= bits - 1, headers++) {
        const rhi_plan *p = plan_of(b, block, headers);
        const uint8_t *object =
            bytes + (first + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
        for (uint32_t i = 0; p && i < p->count; i++, next++) {
            *next = find_target(b->reader, rhi__load64(object + p->offsets[i]),
                                headers->state == RHI_LIVE);
            __builtin_prefetch(next->live);
            __builtin_prefetch(next->rank);
        }
    }
    b->next_pending = b->pending;
}

/* Counts the edges of the objects [first, end), whose targets lie anywhere: fetched first, then
 * counted. */
static void count_found(rhi_graph *graph, uint32_t first, uint32_t end)
{
    enum { AHEAD = 24 };
    for (uint32_t i = first; i < end; i++) {
        /* what dying objects hold owns no count any more */
        if (graph->flags[i] & RHI_GRAPH_DYING) {
            graph->dying_edges += graph->edge_start[i + 1] - graph->edge_start[i];
            continue;
        }
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++) {
            if (e + AHEAD < graph->edge_start[end])
                __builtin_prefetch(&graph->found[graph->edge_to[e + AHEAD]], 1);
            graph->found[graph->edge_to[e]]++;
        }
    }
}

static rhi_error *add_block(builder *b, const rhi_block *block, rhi_block_room *room)
{
    rhi_graph *graph = b->graph;
    uint64_t got; /* free slots, too: is none of them taken? */
    const uint8_t *bytes = rhi__block_bytes(b->reader, block, block->size, room, &got);
    uint64_t readable = bytes ? got / block->slot_size : 0;
    const rhi_header *headers = rhi__headers(b->reader, block, bytes, readable, &b->headers);
    if (!headers)
        return rhi__error_memory();
    rhi__look_for_harm(b->reader, block, bytes, got);
    uint32_t index = block->first_object;
    for (uint64_t first = 0; first < readable; first += 64) {
        uint64_t bits = block->live[first / 64] &
                        (readable - first < 64 ? (1ull << (readable - first)) - 1 : UINT64_MAX);
        if (!reserve_edges(b, 64 * RHI_PLAN_MAX) && !b->is_cut)
            return rhi__error_memory();
        look_ahead(b, block, first, bits, bytes, &headers[index - block->first_object]);
        for (; bits; bits &= bits - 1, index++) {
            uint64_t offset = (first + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
            graph->edge_start[index] = (uint32_t)graph->edge_count;
            add_object(b, block, index, offset, bytes, &headers[index - block->first_object]);
        }
    }
    uint32_t end = block->first_object + block->object_count, lost = end - index;
    for (; index <= end; index++) /* what could not be read refers to nothing */
        graph->edge_start[index] = (uint32_t)graph->edge_count;
    count_found(graph, block->first_object, end);
    if (lost)
        rhi__reader_problem(b->reader,
                            "%" PRIu32 " objects of the %s at 0x%" PRIx64 " cannot be read", lost,
                            rhi__format_of(b->reader, block->heap)->block_word, block->base);
    return b->out_of_memory ? rhi__error_memory() : NULL;
}

static rhi_error *add_blocks(builder *b)
{
    rhi_block_room buffer = {.scratch = {0}};
    rhi_error *error = NULL;
    uint64_t room = rhi__begin_pass(b->reader);
    b->reader->harm.slots = 0;
    rhi__begin_harm(b->reader);
    b->pending = malloc(64 * RHI_PLAN_MAX * sizeof *b->pending);
    if (!error && !b->pending)
        error = rhi__error_memory();
    for (uint64_t i = 0; i < b->reader->blocks.count && !error; i++) {
        error = rhi__progress(b->work, "reading objects", i, b->reader->blocks.count);
        if (!error)
            error = add_block(b, &b->reader->blocks.items[i], &buffer);
    }
    b->reader->slot_room = room;
    if (b->is_cut)
        rhi__reader_problem(
            b->reader,
            "objects claim more references than the core has words: the rest is left out");
    rhi__block_room_free(&buffer);
    if (!error)
        rhi__harm_is_known(b->reader);
    free(b->headers.items);
    free(b->pending);
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
        any = graph->flags[i] & RHI_GRAPH_CORRUPT && graph->found[i];
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

static bool is_over(const rhi_graph *graph, uint32_t index)
{
    return rhi__open_at_most(graph, index) < 0 &&
           !(graph->flags[index] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING | RHI_GRAPH_CORRUPT));
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

/* Where more fields hold an object than it has counts, those of objects that a thread may be
 * changing count like guesses. There are few such, or none: only then edges are looked at. */
static rhi_error *doubt_motion(builder *b)
{
    rhi_graph *graph = b->graph;
    uint64_t *over = NULL;
    for (uint32_t i = 0; i < graph->count; i++)
        if (is_over(graph, i)) {
            if (!over && !(over = calloc((uint64_t)graph->count / 64 + 1, sizeof *over)))
                return rhi__error_memory();
            rhi__bit_set(over, i);
        }
    for (uint32_t i = 0; over && i < graph->count; i++)
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++)
            if (rhi__bit(over, graph->edge_to[e]) && is_in_motion(b->reader, i) &&
                !note_guess(graph, graph->edge_to[e])) {
                free(over);
                return rhi__error_memory();
            }
    free(over);
    return NULL;
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
    rhi_error *error = rhi__graph_spread(work, graph, false, met, NULL, graph->queue, &count);
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
        error = rhi__graph_spread(work, graph, false, reached, NULL, queue, &count);
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (rhi__bit(reached, i))
            graph->flags[i] |= RHI_GRAPH_REACHED;
    if (!error && graph->guessed)
        error = mark_guessed(work, graph, reached);
    free(reached);
    return error;
}

static bool allocate(rhi_graph *graph, uint32_t count)
{
    uint64_t n = count;
    graph->count = count;
    graph->edge_capacity = n * 2 + 64 * RHI_PLAN_MAX;
    graph->stored = rhi__big_array(n + 1, sizeof *graph->stored);
    graph->found = rhi__big_array(n + 1, sizeof *graph->found);
    graph->flags = calloc(n + 1, sizeof *graph->flags);
    graph->edge_start = rhi__big_array(n + 1, sizeof *graph->edge_start);
    graph->edge_to = rhi__big_array(graph->edge_capacity, sizeof *graph->edge_to);
    graph->queue = rhi__big_array(n + 1, sizeof *graph->queue);
    if (!graph->stored || !graph->found || !graph->flags || !graph->edge_start || !graph->edge_to ||
        !graph->queue)
        return false;
    memset(graph->stored, 0, (n + 1) * sizeof *graph->stored);
    memset(graph->found, 0, (n + 1) * sizeof *graph->found);
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
        error = doubt_motion(&b);
    if (!error)
        error = mark_reached(work, reader, graph);
    if (error)
        rhi__graph_free(graph);
    else
        *result = graph;
    return error;
}
