/* selection.c - selects objects of the graph and re-reads their references (see selection.h).
 * Invariant: depth[i] != UINT32_MAX exactly for the objects in `nodes`. */
#include "selection.h"
#include "array.h"

#include <stdio.h>
#include <string.h>

rhi_error *rhi__selection_open(rhi_session *session, rhi_selection *selection)
{
    *selection = (rhi_selection){.session = session};
    RHI_TRY(rhi__session_reader(session, &selection->reader));
    RHI_TRY(rhi__session_graph(session, &selection->graph));
    RHI_TRY(rhi__graph_referrers(session, selection->graph));
    RHI_TRY(rhi__graph_cycles(session, selection->graph));
    rhi_graph *graph = selection->graph;
    size_t size = ((size_t)graph->count + 1) * sizeof(uint32_t);
    selection->depth = malloc(size);
    if (!selection->depth)
        return rhi__error_memory();
    memset(selection->depth, 0xff, size);
    return NULL;
}

void rhi__selection_close(rhi_selection *selection)
{
    free(selection->nodes.items);
    free(selection->depth);
}

bool rhi__selection_add(rhi_selection *selection, uint32_t index, uint32_t depth)
{
    if (rhi__is_selected(selection, index))
        return true;
    if (!rhi__array_reserve(&selection->nodes, 1))
        return false;
    selection->nodes.items[selection->nodes.count++] = index;
    selection->depth[index] = depth;
    return true;
}

static bool add_all(rhi_selection *selection, const uint32_t *from, const uint32_t *to, uint32_t depth)
{
    for (; from < to; from++)
        if (!rhi__selection_add(selection, *from, depth))
            return false;
    return true;
}

rhi_error *rhi__selection_grow(rhi_selection *selection, uint64_t depth)
{
    const rhi_graph *g = selection->graph;
    for (uint64_t i = 0; i < selection->nodes.count; i++) {
        uint32_t index = selection->nodes.items[i], reached = selection->depth[index];
        if (reached >= depth || reached == UINT32_MAX - 1)
            continue;
        if (i % 65536 == 65535)
            RHI_TRY(rhi__progress(selection->session, "selecting", i, selection->nodes.count));
        if (!add_all(selection, g->edge_to + g->edge_start[index], g->edge_to + g->edge_start[index + 1], reached + 1) ||
            !add_all(selection, g->referrer_from + g->referrer_start[index], g->referrer_from + g->referrer_start[index + 1], reached + 1))
            return rhi__error_memory();
    }
    return NULL;
}

bool rhi__object_at_index(rhi_reader *reader, uint32_t index, rhi_object *object)
{
    uint64_t address = rhi__object_address(reader, index);
    const rhi_block *block = rhi__block_at(reader, address);
    return block && rhi__slot_at(reader, block, address, object);
}

/* ---- edges ------------------------------------------------------------------------------------------------ */

typedef struct edge_visit {
    rhi_reader *reader;
    uint32_t from;
    bool (*visit)(void *context, const rhi_edge *edge);
    void *context;
} edge_visit;

static bool visit_slot(void *context, const rhi_slot *slot)
{
    const edge_visit *v = context;
    const rhi_block *block = rhi__block_at(v->reader, slot->value);
    if (!block || (slot->value - block->base) % block->slot_size)
        return true;
    uint32_t to = rhi__object_index(v->reader, slot->value);
    if (to == RHI_NO_OBJECT)
        return true;
    rhi_edge edge = {.from = v->from, .to = to, .field = slot->field, .element = slot->element, .address = slot->address};
    return v->visit(v->context, &edge);
}

rhi_error *rhi__each_edge(rhi_reader *reader, uint32_t from, bool (*visit)(void *context, const rhi_edge *edge), void *context)
{
    rhi_object object;
    rhi_scratch scratch = {0};
    edge_visit v = {.reader = reader, .from = from, .visit = visit, .context = context};
    if (!rhi__object_at_index(reader, from, &object))
        return NULL; /* noted when the graph was built */
    const uint8_t *bytes = object.state <= RHI_DYING ? rhi__object_bytes(reader, &object, &scratch) : NULL;
    if (bytes)
        rhi__each_slot(reader, &object, bytes, visit_slot, &v);
    rhi__scratch_free(&scratch);
    return NULL;
}

/* ---- holders of a cycle -------------------------------------------------------------------------------------- */

typedef struct holder_search {
    const rhi_selection *selection;
    rhi_holders *holders;
    uint32_t cycle;
    bool out_of_memory;
} holder_search;

static bool add_field_holder(void *context, const rhi_edge *edge)
{
    holder_search *s = context;
    if (s->selection->graph->cycle_of[edge->to] != s->cycle || edge->field->kind == RHI_KIND_BORROWED)
        return true;
    if (!rhi__array_reserve(s->holders, 1)) {
        s->out_of_memory = true;
        return false;
    }
    rhi_holder *holder = &s->holders->items[s->holders->count++];
    uint64_t value = rhi__object_address(s->selection->reader, edge->to);
    *holder = (rhi_holder){.kind = RHI_HOLDER_FIELD, .strong = true, .in_live = true, .address = edge->address, .value = value,
                           .target = value, .from = rhi__object_address(s->selection->reader, edge->from), .field = edge->field,
                           .element = edge->element};
    return true;
}

/* Members that stay without anybody's count: immortal and dying ones. False if memory is short. */
static bool add_special_members(const rhi_selection *selection, uint32_t cycle, rhi_holders *holders)
{
    const rhi_graph *g = selection->graph;
    for (uint32_t m = g->cycle_start[cycle]; m < g->cycle_start[cycle + 1]; m++) {
        uint8_t flags = g->flags[g->cycle_member[m]];
        if (!(flags & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DYING)))
            continue;
        if (!rhi__array_reserve(holders, 1))
            return false;
        holders->items[holders->count++] =
            (rhi_holder){.kind = flags & RHI_GRAPH_IMMORTAL ? RHI_HOLDER_IMMORTAL : RHI_HOLDER_DYING, .strong = true,
                         .from = rhi__object_address(selection->reader, g->cycle_member[m])};
    }
    return true;
}

rhi_error *rhi__cycle_holders(const rhi_selection *selection, uint32_t cycle, const rhi_holders *words, rhi_holders *holders)
{
    const rhi_graph *g = selection->graph;
    holder_search search = {.selection = selection, .holders = holders, .cycle = cycle};
    struct { uint32_t *items; uint64_t count, capacity; } outside = {0};
    search.out_of_memory = !add_special_members(selection, cycle, holders);
    for (uint32_t m = g->cycle_start[cycle]; m < g->cycle_start[cycle + 1]; m++) {
        uint32_t target = g->cycle_member[m];
        for (uint32_t e = g->referrer_start[target]; e < g->referrer_start[target + 1] && !search.out_of_memory; e++) {
            if (selection->graph->cycle_of[g->referrer_from[e]] == cycle)
                continue;
            search.out_of_memory = !rhi__array_reserve(&outside, 1);
            if (!search.out_of_memory)
                outside.items[outside.count++] = g->referrer_from[e];
        }
    }
    /* Each holder is read once: a list outside may hold every member of a large cycle. */
    if (outside.count)
        qsort(outside.items, outside.count, sizeof *outside.items, rhi__index_order);
    for (uint64_t i = 0; i < outside.count && !search.out_of_memory; i++)
        if (i == 0 || outside.items[i] != outside.items[i - 1])
            rhi__each_edge(selection->reader, outside.items[i], add_field_holder, &search);
    free(outside.items);
    for (uint64_t i = 0; i < words->count && !search.out_of_memory; i++) {
        uint32_t member = rhi__object_index(selection->reader, words->items[i].value);
        if (member == RHI_NO_OBJECT || selection->graph->cycle_of[member] != cycle ||
            (!(g->flags[member] & RHI_GRAPH_IMMORTAL) && rhi__ext(g, member) <= 0))
            continue;
        if (!rhi__array_reserve(holders, 1)) {
            search.out_of_memory = true;
            break;
        }
        holders->items[holders->count] = words->items[i];
        holders->items[holders->count++].target = rhi__object_address(selection->reader, member);
    }
    rhi__sort_holders(holders);
    return search.out_of_memory ? rhi__error_memory() : NULL;
}
