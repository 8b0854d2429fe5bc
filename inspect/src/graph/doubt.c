/* doubt.c - which objects need not be any, or are being changed (see doubt.h).
 *
 * Invariant: what was known of an object before stays as it is; all that is added here makes
 * answers less certain. */
#include "graph/doubt.h"
#include "graph/settle.h"
#include "base/bits.h"
#include "heap/objects.h"

#include <stdlib.h>

/* ---- roots ---------------------------------------------------------------------------------- */

/* The objects that exact roots hold, in order, one for each such root; NULL: memory is short. */
static uint32_t *rooted_objects(const rhi_reader *reader, uint32_t *count)
{
    uint32_t *held = malloc((reader->roots.count + 1) * sizeof *held);
    uint64_t value;
    *count = 0;
    for (uint64_t i = 0; held && i < reader->roots.count; i++)
        if (!reader->roots.items[i].is_guess &&
            rhi__memory_u64(reader->memory, reader->roots.items[i].slot, &value) &&
            (held[*count] = rhi__object_of(reader, value)) != RHI_NO_OBJECT)
            ++*count;
    if (*count)
        qsort(held, *count, sizeof *held, rhi__index_order);
    return held;
}

static rhi_error *mark(uint64_t **bits, const rhi_graph *graph, uint32_t index)
{
    if (!*bits && !(*bits = calloc((uint64_t)graph->count / 64 + 1, sizeof **bits)))
        return rhi__error_memory();
    rhi__bit_set(*bits, index);
    return NULL;
}

/* ---- what need not be an object ------------------------------------------------------------- */

rhi_error *rhi__doubt_bare(rhi_reader *reader, rhi_graph *graph, const rhi_bare *bare)
{
    enum { LEFT_OUT = RHI_GRAPH_DYING | RHI_GRAPH_CORRUPT };
    uint32_t *rooted = NULL, count = 0, root = 0;
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < bare->count && !error; i++) {
        uint32_t index = bare->items[i];
        if (rhi__found(graph, index) || graph->flags[index] & LEFT_OUT)
            continue;
        if (!rooted && !(rooted = rooted_objects(reader, &count)))
            return rhi__error_memory();
        while (root < count && rooted[root] < index)
            root++;
        if (root == count || rooted[root] != index)
            error = mark(&graph->doubted, graph, index);
    }
    free(rooted);
    return error;
}

/* ---- what is in motion ---------------------------------------------------------------------- */

static bool can_be_over(const rhi_graph *graph, uint32_t index)
{
    return !(graph->flags[index] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING | RHI_GRAPH_CORRUPT));
}

static bool object_of(rhi_reader *reader, uint32_t index, rhi_object *object)
{
    uint64_t address = rhi__object_address(reader, index);
    const rhi_block *block = rhi__block_at(reader, address);
    return block && rhi__slot_at(reader, block, address, object);
}

static bool is_in_motion(rhi_reader *reader, uint32_t index)
{
    rhi_object object;
    return object_of(reader, index, &object) && rhi__format_of(reader, object.heap)->in_motion &&
           rhi__format_of(reader, object.heap)->in_motion(reader, &object);
}

/* Exact roots own a count each, as fields do. */
static rhi_error *mark_rooted(const rhi_reader *reader, const rhi_graph *graph, uint64_t **over)
{
    uint32_t count, *held = rooted_objects(reader, &count);
    rhi_error *error = held ? NULL : rhi__error_memory();
    for (uint32_t first = 0, end; first < count && !error; first = end) {
        for (end = first; end < count && held[end] == held[first];)
            end++;
        if (can_be_over(graph, held[first]) &&
            rhi__open_at_most(graph, held[first]) < (int64_t)(end - first))
            error = mark(over, graph, held[first]);
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

/* There are few such, or none: only then edges are looked at. */
rhi_error *rhi__doubt_over(rhi_reader *reader, rhi_graph *graph)
{
    uint64_t *over = NULL;
    rhi_error *error = NULL;
    if (!any_motion(reader) && !graph->doubted)
        return NULL;
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (can_be_over(graph, i) && rhi__open_at_most(graph, i) < 0)
            error = mark(&over, graph, i);
    if (!error)
        error = mark_rooted(reader, graph, &over);
    for (uint32_t i = 0; over && i < graph->count && !error; i++)
        for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1] && !error; e++)
            if (rhi__bit(over, graph->edge_to[e]) &&
                (rhi__is_doubted(graph, i) || is_in_motion(reader, i)) &&
                !rhi__note_guess(graph, graph->edge_to[e]))
                error = rhi__error_memory();
    free(over);
    return error;
}

bool rhi__is_doubtful_stray(rhi_reader *reader, const rhi_graph *graph, uint32_t from,
                            uint64_t value)
{
    rhi_object object;
    return rhi__is_doubted(graph, from) ||
           (object_of(reader, from, &object) && rhi__may_hold(reader, &object, value));
}
