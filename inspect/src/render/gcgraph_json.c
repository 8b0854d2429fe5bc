/* gcgraph_json.c - the answer of `gcgraph` as JSON: nodes, the references among them, cycles. */
#include "render/gcgraph.h"
#include "render/output.h"
#include "render/objects.h"
#include "render/holders.h"
#include "heap/objects.h"

typedef struct rhi_gcgraph answer;

/* Is the object part of the answer, listed or not? */
static bool is_part(const answer *a, uint32_t index)
{
    uint32_t cycle = a->s.graph->cycle_of[index];
    return a->args->operand_count ? rhi__is_selected(&a->s, index)
                                  : cycle != RHI_NO_OBJECT && rhi__gcgraph_wants(a, cycle);
}

static bool json_edge(void *context, const rhi_edge *edge)
{
    answer *a = context;
    char from[RHI_ID_SIZE], to[RHI_ID_SIZE], name[RHI_NAME_SIZE + 32];
    bool is_borrowed = edge->field->kind == RHI_KIND_BORROWED && !edge->field->is_weak_target;
    if (!is_part(a, edge->to))
        return true;
    if (a->edges++ < a->args->limit) {
        rhi__index_id(a->session, a->s.reader, edge->from, from, sizeof from);
        rhi__index_id(a->session, a->s.reader, edge->to, to, sizeof to);
        rhi__slot_name(edge->field, edge->element, name, sizeof name);
        rhi__json_item(a->session, json_pack("{s:s, s:s, s:s, s:s}", "from", from, "to", to, "name",
                                             name, "strength",
                                             edge->field->kind == RHI_KIND_STRONG ? "strong"
                                             : is_borrowed                        ? "borrowed"
                                                                                  : "weak"));
    }
    return true;
}

typedef struct edge_count {
    const answer *a;
    uint64_t count;
} edge_count;

static bool count_borrowed(void *context, const rhi_slot *slot)
{
    edge_count *c = context;
    if (slot->field->kind != RHI_KIND_BORROWED)
        return true;
    uint32_t to = rhi__object_of(c->a->s.reader, slot->value);
    c->count += to != RHI_NO_OBJECT && is_part(c->a, to);
    return true;
}

static rhi_error *count_in_object(void *context, uint32_t index, const rhi_object *object,
                                  const uint8_t *bytes)
{
    edge_count *c = context;
    const rhi_type *types = c->a->s.reader->types.items;
    if (rhi__is_object(object->state) && object->type < c->a->s.reader->types.count &&
        types[object->type].has_references && !types[object->type].acyclic && is_part(c->a, index))
        rhi__each_slot(c->a->s.reader, object, bytes, count_borrowed, c);
    return NULL;
}

static bool any_borrowed(const rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->types.count; i++) {
        if (reader->types.items[i].has_code)
            return true;
        for (uint32_t f = 0;
             f < reader->types.items[i].field_count && !reader->types.items[i].acyclic; f++)
            if (reader->types.items[i].fields[f].kind == RHI_KIND_BORROWED)
                return true;
    }
    return false;
}

/* The strong ones. A bit for each object stays in the processor's cache, its cycle's number would
 * not. */
static rhi_error *count_strong(const answer *a, uint64_t *count)
{
    const rhi_graph *g = a->s.graph;
    uint64_t *part = calloc((uint64_t)g->count / 64 + 1, sizeof *part);
    rhi_error *error = part ? NULL : rhi__error_memory();
    for (uint32_t c = 0; c < g->cycle_count && !error; c++) {
        uint32_t first = g->cycle_start[c],
                 end = rhi__gcgraph_wants(a, c) ? g->cycle_start[c + 1] : first;
        for (uint32_t m = first; m < end; m++)
            rhi__bit_set(part, g->cycle_member[m]);
    }
    for (uint32_t i = 0; i < g->count && !error; i++) {
        if (i % 65536 == 65535)
            error = rhi__progress(&a->session->work, "counting references", i, g->count);
        for (uint32_t e = g->edge_start[i]; rhi__bit(part, i) && e < g->edge_start[i + 1]; e++)
            *count += rhi__bit(part, g->edge_to[e]);
    }
    free(part);
    return error;
}

/* All references among the members of the wanted cycles, most of which are not listed. Counted
 * once for a graph: strong ones in the graph, others, where types have any, in the objects. */
static rhi_error *count_edges(answer *a, uint64_t *total)
{
    rhi_graph *g = a->s.graph;
    uint64_t *known = a->session->has_heap ? NULL : &g->cycle_edges[a->only_garbage];
    edge_count c = {.a = a};
    if (!(known && *known))
        RHI_TRY(count_strong(a, &c.count));
    if (!(known && *known) && any_borrowed(a->s.reader))
        RHI_TRY(rhi__each_object(&a->session->work, a->s.reader, "counting references",
                                 count_in_object, &c));
    *total = known && *known ? *known : c.count;
    if (known)
        *known = *total;
    return NULL;
}

static rhi_error *json_graph(answer *a)
{
    uint64_t shown = a->s.nodes.count < a->args->limit ? a->s.nodes.count : a->args->limit;
    rhi_object object;
    if (shown)
        qsort(a->s.nodes.items, shown, sizeof *a->s.nodes.items, rhi__index_order);
    rhi__json_array(a->session, "nodes");
    for (uint64_t i = 0; i < shown; i++)
        if (rhi__object_at_index(a->session, a->s.reader, a->s.nodes.items[i], &object))
            rhi__json_item(a->session, rhi__object_json(a->s.reader, &object));
    rhi__json_array_end(a->session);
    if (shown < a->nodes_total)
        rhi__json_key(a->session, "nodes_total", rhi__json_u64(a->nodes_total));
    rhi__json_array(a->session, "edges");
    for (uint64_t i = 0; i < a->s.nodes.count; i++) {
        if (i % 1024 == 1023)
            RHI_TRY(rhi__progress(&a->session->work, "reading references", i, a->s.nodes.count));
        rhi__each_edge(a->session, a->s.reader, a->s.nodes.items[i], json_edge, a);
    }
    rhi__json_array_end(a->session);
    if (a->nodes_total > a->s.nodes.count)
        RHI_TRY(count_edges(a, &a->edges));
    if (a->edges > a->args->limit)
        rhi__json_key(a->session, "edges_total", rhi__json_u64(a->edges));
    return NULL;
}

static json_t *cycle_json(answer *a, uint64_t i)
{
    const rhi_graph *g = a->s.graph;
    uint32_t c = a->cycles.items[i], size = rhi__cycle_size(g, c);
    bool garbage = rhi__cycle_is_garbage(g, c);
    const rhi_held *held = &a->held[i];
    json_t *objects = json_array(), *held_by = json_array();
    char id[RHI_ID_SIZE];
    for (uint32_t m = 0; m < size && m < a->args->limit; m++) {
        rhi__index_id(a->session, a->s.reader, g->cycle_member[g->cycle_start[c] + m], id,
                      sizeof id);
        json_array_append_new(objects, json_string(id));
    }
    for (uint64_t k = 0; k < held->rows.count; k++)
        json_array_append_new(held_by, rhi__holder_json(a->s.reader, &held->rows.items[k]));
    if (!garbage && rhi__held_by_nobody(held))
        json_array_append_new(held_by, json_pack("{s:s}", "kind", "lost"));
    json_t *json = json_pack("{s:o, s:s, s:o}", "objects", objects, "verdict",
                             garbage ? "garbage" : "held", "held_by", held_by);
    if (size > a->args->limit)
        json_object_set_new(json, "objects_total", json_integer(size));
    if (held->total > held->rows.count || held->is_at_least)
        json_object_set_new(json, "held_by_total", rhi__json_u64(held->total));
    if (held->is_at_least)
        json_object_set_new(json, "held_by_is_at_least", json_true());
    return json;
}

rhi_error *rhi__gcgraph_json(answer *a)
{
    rhi__json_begin(a->session);
    RHI_TRY(json_graph(a));
    rhi__json_array(a->session, "cycles");
    for (uint64_t i = 0; i < a->shown_cycles; i++)
        rhi__json_item(a->session, cycle_json(a, i));
    rhi__json_array_end(a->session);
    if (a->cycles_total > a->shown_cycles)
        rhi__json_key(a->session, "cycles_total", rhi__json_u64(a->cycles_total));
    rhi__json_key(a->session, "provisional", json_boolean(rhi__is_provisional(a->session)));
    if (a->picture.dot_path || a->picture.svg_path) {
        rhi__json_key(a->session, "left_out", rhi__json_u64(a->picture.left_out));
        rhi__json_key(a->session, "edges_left_out", rhi__json_u64(a->picture.edges_left_out));
    }
    rhi__json_end(a->session);
    return NULL;
}
