/* graph.c - builds the graph in one pass over the blocks and one over the edges (see graph.h). */
#include "graph.h"
#include "session.h"

#include <string.h>

uint32_t rhi__object_index(const rhi_reader *reader, uint64_t address)
{
    const rhi_block *block = rhi__block_at(reader, address);
    if (!block)
        return RHI_NO_OBJECT;
    uint64_t slot = (address - block->base) / block->slot_size;
    if (!rhi__slot_is_live(block, slot))
        return RHI_NO_OBJECT;
    uint64_t below = block->live[slot / 64] & ((1ull << (slot % 64)) - 1);
    return block->first_object + block->rank[slot / 64] + (uint32_t)__builtin_popcountll(below);
}

uint64_t rhi__object_address(const rhi_reader *reader, uint32_t index)
{
    uint64_t low = 0, high = reader->blocks.count;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        if (index < reader->blocks.items[middle].first_object)
            high = middle;
        else
            low = middle;
    }
    /* Blocks without objects share their first_object with the next one: `low` is the last of them. */
    const rhi_block *block = &reader->blocks.items[low];
    uint32_t wanted = index - block->first_object;
    uint64_t word = 0, words = (block->capacity + 63u) / 64;
    while (word + 1 < words && block->rank[word + 1] <= wanted)
        word++;
    uint64_t bits = block->live[word];
    for (uint32_t skip = wanted - block->rank[word]; skip; skip--)
        bits &= bits - 1;
    return block->base + (word * 64 + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
}

uint64_t rhi__block_used_bytes(const rhi_block *block)
{
    for (uint64_t word = (block->capacity + 63u) / 64; word-- > 0;)
        if (block->live[word])
            return (word * 64 + 64 - (uint64_t)__builtin_clzll(block->live[word])) * block->slot_size;
    return 0;
}

static rhi_error *each_in_block(rhi_reader *reader, const rhi_block *block, rhi_scratch *scratch, rhi_object_visitor visit, void *context)
{
    uint64_t size = rhi__block_used_bytes(block), got = 0, lost = 0;
    const uint8_t *bytes = rhi__memory_view(reader->memory, block->base, size, scratch, &got);
    uint32_t index = block->first_object;
    for (uint64_t word = 0; word < (block->capacity + 63u) / 64; word++) {
        for (uint64_t bits = block->live[word]; bits; bits &= bits - 1, index++) {
            uint64_t offset = (word * 64 + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
            if (!bytes || offset + block->slot_size > got) {
                lost++;
                continue;
            }
            rhi_object object;
            reader->ops->decode(reader, block, block->base + offset, bytes + offset, true, &object);
            RHI_TRY(visit(context, index, &object, bytes + offset));
        }
    }
    if (lost)
        rhi__reader_problem(reader, "%llu objects of the slab at 0x%llx cannot be read", (unsigned long long)lost,
                            (unsigned long long)block->base);
    return NULL;
}

rhi_error *rhi__each_object(rhi_session *session, rhi_reader *reader, const char *what, rhi_object_visitor visit, void *context)
{
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        error = rhi__progress(session, what, i, reader->blocks.count);
        if (!error && reader->blocks.items[i].object_count)
            error = each_in_block(reader, &reader->blocks.items[i], &scratch, visit, context);
    }
    rhi__scratch_free(&scratch);
    return error;
}

/* ---- building ----------------------------------------------------------------------------------------- */

typedef struct builder {
    rhi_reader *reader;
    rhi_graph *graph;
    uint32_t next; /* objects whose edge_start is set */
    bool source_counts; /* is the visited object live, so that its edges count as found? */
    bool out_of_memory;
} builder;

static bool add_edge(void *context, const rhi_slot *slot)
{
    builder *b = context;
    rhi_graph *graph = b->graph;
    if (slot->field->kind == RHI_KIND_BORROWED)
        return true;
    const rhi_block *block = rhi__block_at(b->reader, slot->value);
    if (!block || (slot->value - block->base) % block->slot_size)
        return true;
    uint32_t target = rhi__object_index(b->reader, slot->value);
    if (target == RHI_NO_OBJECT)
        return true;
    if (graph->edge_count == graph->edge_capacity) {
        uint64_t wanted = graph->edge_capacity * 2;
        uint32_t *grown = wanted <= UINT32_MAX ? realloc(graph->edge_to, wanted * sizeof *grown) : NULL;
        if (!grown) {
            b->out_of_memory = true;
            return false;
        }
        graph->edge_to = grown;
        graph->edge_capacity = wanted;
    }
    graph->edge_to[graph->edge_count++] = target;
    graph->found[target] += b->source_counts;
    return true;
}

static rhi_error *add_object(void *context, uint32_t index, const rhi_object *object, const uint8_t *bytes)
{
    builder *b = context;
    while (b->next <= index) /* objects that could not be read have no edges */
        b->graph->edge_start[b->next++] = (uint32_t)b->graph->edge_count;
    uint64_t stored = object->count < 0 ? 0 : (uint64_t)object->count;
    b->graph->stored[index] = stored > UINT32_MAX ? UINT32_MAX : (uint32_t)stored;
    b->graph->flags[index] = (uint8_t)((object->state == RHI_DYING ? RHI_GRAPH_DYING : 0) |
                                       (object->immortal ? RHI_GRAPH_IMMORTAL : 0) |
                                       (object->state > RHI_DYING || object->type == UINT32_MAX ? RHI_GRAPH_CORRUPT : 0));
    b->source_counts = object->state == RHI_LIVE;
    if (object->state <= RHI_DYING && object->type < b->reader->types.count && b->reader->types.items[object->type].has_references)
        rhi__each_slot(b->reader, object, bytes, add_edge, b);
    return b->out_of_memory ? rhi__error_memory() : NULL;
}

static rhi_error *link_referrers(rhi_session *session, const rhi_graph *graph, uint32_t *start, uint32_t *from)
{
    for (uint64_t e = 0; e < graph->edge_count; e++)
        start[graph->edge_to[e] + 1]++;
    for (uint32_t i = 0; i < graph->count; i++)
        start[i + 1] += start[i];
    /* Fill; start[i] walks to the next one's beginning, and is moved back afterwards. */
    for (uint32_t i = 0; i < graph->count; i++) {
        if (i % 65536 == 0)
            RHI_TRY(rhi__progress(session, "linking referrers", i, graph->count));
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++)
            from[start[graph->edge_to[e]]++] = i;
    }
    memmove(start + 1, start, graph->count * sizeof *start);
    start[0] = 0;
    return NULL;
}

rhi_error *rhi__graph_referrers(rhi_session *session, rhi_graph *graph)
{
    if (graph->referrer_from)
        return NULL;
    uint32_t *start = calloc((uint64_t)graph->count + 2, sizeof *start);
    uint32_t *from = malloc((graph->edge_count + 1) * sizeof *from);
    rhi_error *error = start && from ? link_referrers(session, graph, start, from) : rhi__error_memory();
    if (error) {
        free(start);
        free(from);
        return error;
    }
    graph->referrer_start = start;
    graph->referrer_from = from;
    return NULL;
}

/* Breadth-first over strong edges from everything that is held from outside. */
static rhi_error *mark_reached(rhi_session *session, rhi_graph *graph)
{
    uint32_t *queue = malloc(((uint64_t)graph->count + 1) * sizeof *queue);
    uint32_t head = 0, tail = 0;
    if (!queue)
        return rhi__error_memory();
    for (uint32_t i = 0; i < graph->count; i++)
        if (graph->flags[i] & (RHI_GRAPH_DYING | RHI_GRAPH_IMMORTAL) || rhi__ext(graph, i) > 0) {
            graph->flags[i] |= RHI_GRAPH_REACHED;
            queue[tail++] = i;
        }
    rhi_error *error = NULL;
    while (head < tail && !error) {
        uint32_t i = queue[head++];
        if (head % 65536 == 0)
            error = rhi__progress(session, "following references", head, graph->count);
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++) {
            uint32_t target = graph->edge_to[e];
            if (!(graph->flags[target] & RHI_GRAPH_REACHED)) {
                graph->flags[target] |= RHI_GRAPH_REACHED;
                queue[tail++] = target;
            }
        }
    }
    free(queue);
    return error;
}

static bool allocate(rhi_graph *graph, uint32_t count)
{
    uint64_t n = count;
    graph->count = count;
    graph->edge_capacity = n * 2 + 16;
    graph->stored = calloc(n + 1, sizeof *graph->stored);
    graph->found = calloc(n + 1, sizeof *graph->found);
    graph->flags = calloc(n + 1, sizeof *graph->flags);
    graph->edge_start = calloc(n + 1, sizeof *graph->edge_start);
    graph->edge_to = malloc(graph->edge_capacity * sizeof *graph->edge_to);
    return graph->stored && graph->found && graph->flags && graph->edge_start && graph->edge_to;
}

rhi_error *rhi__graph_build(rhi_session *session, rhi_reader *reader, rhi_graph **result)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < reader->blocks.count; i++)
        count += reader->blocks.items[i].object_count;
    rhi_graph *graph = calloc(1, sizeof *graph);
    if (!graph || !allocate(graph, (uint32_t)count)) {
        rhi__graph_free(graph);
        return rhi__error_memory();
    }
    builder b = {.reader = reader, .graph = graph};
    rhi_error *error = rhi__each_object(session, reader, "reading objects", add_object, &b);
    while (b.next <= graph->count)
        graph->edge_start[b.next++] = (uint32_t)graph->edge_count;
    if (!error)
        error = mark_reached(session, graph);
    if (error)
        rhi__graph_free(graph);
    else
        *result = graph;
    return error;
}

void rhi__graph_free(rhi_graph *graph)
{
    if (!graph)
        return;
    free(graph->stored);
    free(graph->found);
    free(graph->flags);
    free(graph->edge_start);
    free(graph->edge_to);
    free(graph->referrer_start);
    free(graph->referrer_from);
    free(graph->cycle_of);
    free(graph->cycle_start);
    free(graph->cycle_member);
    free(graph->cycle_facts);
    free(graph->large_cycles);
    free(graph->dominator);
    free(graph->retained);
    free(graph);
}
