/* gcgraph_json.c - the answer of `gcgraph` as JSON: nodes, the references among them, cycles. */
#include "render/gcgraph.h"
#include "render/output.h"
#include "render/objects.h"
#include "render/holders.h"
#include "heap/objects.h"

typedef struct rhi_gcgraph answer;

typedef struct edge_list {
    const answer *a;
    uint64_t count; /* up to the limit */
} edge_list;

static bool json_edge(void *context, const rhi_edge *edge)
{
    edge_list *l = context;
    const answer *a = l->a;
    char from[RHI_ID_SIZE], to[RHI_ID_SIZE], name[RHI_NAME_SIZE + 32];
    if (l->count >= a->asked.limit)
        return true;
    l->count++;
    rhi__index_id(a->session, a->s.reader, edge->from, from, sizeof from);
    rhi__index_id(a->session, a->s.reader, edge->to, to, sizeof to);
    rhi__slot_name(edge->field, edge->element, name, sizeof name);
    rhi__json_item(
        a->session,
        json_pack("{s:s, s:s, s:s, s:s}", "from", from, "to", to, "name", name, "strength",
                  edge->field->is_weak_target ? "weak" : rhi__field_strength(edge->field)));
    return true;
}

/* An object, and, of those that were asked for, why it is leaked, as gcleaks says. */
static json_t *node_json(const answer *a, uint32_t index, const rhi_object *object)
{
    enum rhi_cause cause = rhi__mark(&a->s, index);
    json_t *json = rhi__object_json(a->s.reader, object);
    if (a->asked.object_count)
        json_object_set_new(json, "leaked",
                            cause == RHI_CAUSE_NONE ? json_null()
                                                    : json_string(rhi__cause_word(cause)));
    return json;
}

static rhi_error *json_graph(answer *a)
{
    uint64_t total, shown = a->s.nodes.count < a->asked.limit ? a->s.nodes.count : a->asked.limit;
    edge_list edges = {.a = a};
    rhi_object object;
    if (shown)
        qsort(a->s.nodes.items, shown, sizeof *a->s.nodes.items, rhi__index_order);
    rhi__json_array(a->session, "nodes");
    for (uint64_t i = 0; i < shown; i++)
        if (rhi__object_at_index(a->session, a->s.reader, a->s.nodes.items[i], &object))
            rhi__json_item(a->session, node_json(a, a->s.nodes.items[i], &object));
    rhi__json_array_end(a->session);
    if (shown < a->nodes_total)
        rhi__json_key(a->session, "nodes_total", rhi__json_u64(a->nodes_total));
    rhi__json_array(a->session, "edges");
    RHI_TRY(rhi__gcgraph_edges(a, json_edge, &edges, &total));
    rhi__json_array_end(a->session);
    if (total > a->asked.limit)
        rhi__json_key(a->session, "edges_total", rhi__json_u64(total));
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
    for (uint32_t m = 0; m < size && m < a->asked.limit; m++) {
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
    if (rhi__cycle_is_guessed(g, c))
        json_object_set_new(json, "guessed", json_true());
    if (size > a->asked.limit)
        json_object_set_new(json, "objects_total", json_integer(size));
    if (held->total > held->rows.count || held->is_at_least)
        json_object_set_new(json, "held_by_total", rhi__json_u64(held->total));
    if (held->is_at_least)
        json_object_set_new(json, "held_by_is_at_least", json_true());
    return json;
}

/* Which references were not followed. */
static void json_hubs(answer *a)
{
    char id[RHI_ID_SIZE];
    rhi__json_array(a->session, "not_followed");
    for (uint64_t i = 0; i < a->s.hubs.count && i < a->asked.limit; i++) {
        const struct rhi_hub *hub = &a->s.hubs.items[i];
        rhi__index_id(a->session, a->s.reader, hub->index, id, sizeof id);
        rhi__json_item(a->session,
                       json_pack("{s:s, s:o, s:o}", "object", id, "referrers",
                                 rhi__json_u64(hub->to), "referents", rhi__json_u64(hub->from)));
    }
    rhi__json_array_end(a->session);
    if (a->s.hubs.count > a->asked.limit)
        rhi__json_key(a->session, "not_followed_total", rhi__json_u64(a->s.hubs.count));
}

static const rhi_json_type node_type = {
    .name = "node",
    .doc = "An object of the graph.",
    .base = {&rhi__object_type},
    .members = (const rhi_json_member[]){
        {"leaked", .is = RHI_JSON_TEXT | RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "around objects that were asked for: why it is leaked; null: it is not, or that is "
         "undecided",
         .words = RHI_CAUSE_WORDS},
        {NULL}}};

static const rhi_json_type edge_type = {
    .name = "edge",
    .doc = "A reference from an object to another one.",
    .members =
        (const rhi_json_member[]){{"from", .is = RHI_JSON_TEXT, "the name of the object it is in"},
                                  {"to", .is = RHI_JSON_TEXT, "the object that it leads to"},
                                  {"name", .is = RHI_JSON_TEXT, "of the field"},
                                  {"strength", .is = RHI_JSON_TEXT, "as of a holder",
                                   .words = "strong|weak|borrowed|conservative"},
                                  {NULL}}};

static const rhi_json_type lost_type = {
    .name = "lost",
    .doc = "Nobody was found who owns a count of a cycle that is held.",
    .members =
        (const rhi_json_member[]){{"kind", .is = RHI_JSON_TEXT, "lost", .words = "lost"}, {NULL}}};

static const rhi_json_type cycle_type = {
    .name = "cycle",
    .doc = "Objects that hold each other in circles.",
    .members = (const rhi_json_member[]){
        {"objects", .is = RHI_JSON_TEXT | RHI_JSON_ROWS, "their names"},
        {"verdict", .is = RHI_JSON_TEXT,
         "garbage: all counts of its objects come from inside; held: others hold it",
         .words = "garbage|held"},
        {"guessed", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: the verdict rests on conservative fields"},
        {"held_by", .is = RHI_JSON_ROWS, "who holds it from outside",
         .of = {&rhi__holder_type, &lost_type}},
        {"held_by_is_at_least", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: not all were looked for"},
        {NULL}}};

static const rhi_json_type hub_type = {
    .name = "hub",
    .doc = "Where the graph ends before --depth.",
    .members = (const rhi_json_member[]){
        {"object", .is = RHI_JSON_TEXT, "its name"},
        {"referrers", .is = RHI_JSON_COUNT, "references to it whose other end is no node"},
        {"referents", .is = RHI_JSON_COUNT, "references from it whose other end is no node"},
        {NULL}}};

const rhi_json_type rhi__gcgraph_type = {
    .name = "gcgraph",
    .doc = "The graph around objects, or the heap's cycles.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"nodes", .is = RHI_JSON_ROWS, "the objects", .of = {&node_type}},
        {"edges", .is = RHI_JSON_ROWS, "the references among them", .of = {&edge_type}},
        {"cycles", .is = RHI_JSON_ROWS, "the cycles, garbage first", .of = {&cycle_type}},
        {"not_followed", .is = RHI_JSON_ROWS | RHI_JSON_OPTIONAL,
         "objects with more references than are followed", .of = {&hub_type}},
        {"provisional", .is = RHI_JSON_BOOLEAN, "counts are in motion: garbage may be none"},
        {"left_out", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "objects that a picture does not show"},
        {"edges_left_out", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "references between drawn objects that it does not show"},
        {NULL}}};

rhi_error *rhi__gcgraph_json(rhi_gcgraph *a)
{
    rhi__json_begin(a->session);
    RHI_TRY(json_graph(a));
    rhi__json_array(a->session, "cycles");
    for (uint64_t i = 0; i < a->cycles.count; i++)
        rhi__json_item(a->session, cycle_json(a, i));
    rhi__json_array_end(a->session);
    if (a->cycles_total > a->cycles.count)
        rhi__json_key(a->session, "cycles_total", rhi__json_u64(a->cycles_total));
    if (a->s.hubs.count)
        json_hubs(a);
    rhi__json_key(a->session, "provisional", json_boolean(rhi__is_provisional(a->session)));
    if (a->asked.is_drawn) {
        rhi__json_key(a->session, "left_out", rhi__json_u64(a->picture.left_out));
        rhi__json_key(a->session, "edges_left_out", rhi__json_u64(a->picture.edges_left_out));
    }
    rhi__json_end(a->session);
    return NULL;
}
