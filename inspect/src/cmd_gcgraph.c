/* cmd_gcgraph.c - `gcgraph`: the graph around objects, or the cycles of the heap, with verdicts. */
#include "array.h"
#include "command.h"
#include "output.h"
#include "selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_DEPTH = 2 };

typedef struct answer {
    rhi_selection s; /* first: visitors get it as the context */
    rhi_session *session;
    const rhi_args *args;
    struct { uint32_t *items; uint64_t count, capacity; } cycles; /* those that are part of the answer */
    rhi_holders *held_by; /* per shown cycle */
    uint64_t shown_cycles, left_out, edges, depth;
    const char *dot, *svg;
} answer;

/* ---- gathering ------------------------------------------------------------------------------------------- */

static bool wants_cycle(const answer *a, uint32_t cycle)
{
    const rhi_graph *g = a->s.graph;
    rhi_object object;
    if (rhi__option(a->args, "--garbage") && !rhi__cycle_is_garbage(g, cycle))
        return false;
    return !a->session->has_heap || (rhi__object_at_index(a->s.reader, g->cycle_member[g->cycle_start[cycle]], &object) &&
                                     rhi__heap_wanted(a->session, a->s.reader, object.heap));
}

/* Without operands: the members of all cycles. */
static rhi_error *select_cycles(answer *a)
{
    const rhi_graph *g = a->s.graph;
    for (uint32_t c = 0; c < g->cycle_count; c++) {
        if (!wants_cycle(a, c))
            continue;
        for (uint32_t m = g->cycle_start[c]; m < g->cycle_start[c + 1]; m++)
            if (!rhi__selection_add(&a->s, g->cycle_member[m], 1))
                return rhi__error_memory();
    }
    return NULL;
}

/* With --cycles or --garbage: of what was selected around the operands, only that. */
static void narrow(answer *a)
{
    bool cycles = rhi__option(a->args, "--cycles"), garbage = rhi__option(a->args, "--garbage");
    uint64_t kept = 0;
    for (uint64_t i = 0; i < a->s.nodes.count; i++) {
        uint32_t index = a->s.nodes.items[i];
        bool keep = a->s.depth[index] == 0 || ((!cycles || a->s.graph->cycle_of[index] != UINT32_MAX) &&
                                               (!garbage || !(a->s.graph->flags[index] & RHI_GRAPH_REACHED)));
        if (keep)
            a->s.nodes.items[kept++] = index;
        else
            a->s.depth[index] = UINT32_MAX;
    }
    a->s.nodes.count = kept;
}

static rhi_error *select_around(answer *a)
{
    rhi_object object;
    for (unsigned i = 0; i < a->args->operand_count; i++) {
        RHI_TRY(rhi__resolve_object(a->session, a->s.reader, a->args->operands[i], &object));
        uint32_t index = rhi__object_index(a->s.reader, object.address);
        if (index == RHI_NO_OBJECT || !rhi__selection_add(&a->s, index, 0))
            return rhi__error_memory();
    }
    RHI_TRY(rhi__selection_grow(&a->s, a->depth));
    narrow(a);
    return NULL;
}

/* The cycles that pass a selected object, in address order of their first object. */
static rhi_error *gather_cycles(answer *a)
{
    const rhi_graph *g = a->s.graph;
    for (uint32_t index = 0; index < g->count; index++) {
        uint32_t c = a->s.graph->cycle_of[index];
        if (c == UINT32_MAX || g->cycle_member[g->cycle_start[c]] != index)
            continue;
        bool touched = false;
        for (uint32_t m = g->cycle_start[c]; m < g->cycle_start[c + 1] && !touched; m++)
            touched = rhi__is_selected(&a->s, g->cycle_member[m]);
        if (!touched || !wants_cycle(a, c))
            continue;
        if (!rhi__array_reserve(&a->cycles, 1))
            return rhi__error_memory();
        a->cycles.items[a->cycles.count++] = c;
    }
    a->shown_cycles = a->cycles.count < a->args->limit ? a->cycles.count : a->args->limit;
    a->held_by = calloc(a->shown_cycles + 1, sizeof *a->held_by);
    return a->held_by ? NULL : rhi__error_memory();
}

/* Words are looked for only if a shown cycle has counts that no field explains. */
static rhi_error *gather_holders(answer *a)
{
    const rhi_graph *g = a->s.graph;
    rhi_holders words = {0};
    rhi_error *error = NULL;
    bool wanted = false;
    for (uint64_t i = 0; i < a->shown_cycles && !wanted; i++)
        for (uint32_t m = g->cycle_start[a->cycles.items[i]]; m < g->cycle_start[a->cycles.items[i] + 1] && !wanted; m++)
            wanted = rhi__ext(g, g->cycle_member[m]) > 0;
    if (wanted)
        error = rhi__each_word(a->session, a->s.reader, a->s.reader->lowest, a->s.reader->highest, rhi__collect_holder, &words);
    for (uint64_t i = 0; i < a->shown_cycles && !error; i++) {
        if (rhi__cycle_is_garbage(g, a->cycles.items[i]))
            continue;
        error = rhi__cycle_holders(&a->s, a->cycles.items[i], &words, &a->held_by[i]);
        if (!error)
            rhi__name_holders(a->session, a->s.reader, &a->held_by[i], a->args->limit);
    }
    rhi__holders_free(&words);
    return error;
}

static rhi_error *gather(answer *a)
{
    RHI_TRY(rhi__option_number(a->args, "--depth", DEFAULT_DEPTH, &a->depth));
    RHI_TRY(rhi__selection_open(a->session, &a->s));
    RHI_TRY(a->args->operand_count ? select_around(a) : select_cycles(a));
    RHI_TRY(gather_cycles(a));
    RHI_TRY(gather_holders(a));
    a->dot = rhi__option(a->args, "--dot");
    a->svg = rhi__option(a->args, "--svg");
    return a->dot || a->svg ? rhi__draw(&a->s, a->dot, a->svg, &a->left_out) : NULL;
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

static void index_id(const answer *a, uint32_t index, char *id, size_t size)
{
    rhi_object object;
    if (rhi__object_at_index(a->s.reader, index, &object))
        rhi__object_id(a->s.reader, &object, id, size);
    else
        snprintf(id, size, "(unreadable)");
}

/* The shortest way round the cycle from its first object, as "A#1 .other -> B#2 .other -> A#1". */
typedef struct round {
    const answer *a;
    uint32_t cycle, wanted;
    char step[RHI_NAME_SIZE + 32];
} round_trip;

static bool name_step(void *context, const rhi_edge *edge)
{
    round_trip *r = context;
    if (edge->to != r->wanted || edge->field->kind == RHI_KIND_BORROWED)
        return true;
    rhi__slot_name(edge->field, edge->element, r->step, sizeof r->step);
    return false;
}

/* towards[i]: the object before i on the way, by breadth-first search inside the cycle. Returns the
 * last one before coming home, or RHI_NO_OBJECT. */
static uint32_t search_round(const answer *a, uint32_t cycle, uint32_t first, uint32_t *towards, uint32_t *queue)
{
    const rhi_graph *g = a->s.graph;
    uint32_t head = 0, tail = 0;
    queue[tail++] = first;
    while (head < tail) {
        uint32_t i = queue[head++];
        for (uint32_t e = g->edge_start[i]; e < g->edge_start[i + 1]; e++) {
            uint32_t to = g->edge_to[e];
            if (to == first)
                return i;
            if (a->s.graph->cycle_of[to] == cycle && towards[to] == RHI_NO_OBJECT) {
                towards[to] = i;
                queue[tail++] = to;
            }
        }
    }
    return RHI_NO_OBJECT;
}

static void print_round(const answer *a, uint32_t cycle)
{
    const rhi_graph *g = a->s.graph;
    uint32_t first = g->cycle_member[g->cycle_start[cycle]];
    uint32_t *towards = malloc((size_t)g->count * sizeof *towards), *queue = malloc((size_t)g->count * sizeof *queue);
    uint64_t steps = 0, most = a->args->limit;
    char id[RHI_ID_SIZE];
    if (towards && queue) {
        memset(towards, 0xff, (size_t)g->count * sizeof *towards);
        uint32_t last = search_round(a, cycle, first, towards, queue);
        for (uint32_t i = last; i != RHI_NO_OBJECT && i != first; i = towards[i])
            queue[steps++] = i; /* backwards */
        uint64_t length = steps;
        uint32_t from = first;
        for (uint64_t i = 0; i <= length; i++) {
            round_trip r = {.a = a, .cycle = cycle, .wanted = i < length ? queue[length - 1 - i] : first};
            if (i >= most) {
                rhi__print(a->session, "… %" PRIu64 " more … -> ", length + 1 - i);
                break;
            }
            rhi__each_edge(a->s.reader, from, name_step, &r);
            index_id(a, from, id, sizeof id);
            rhi__print(a->session, "%s .%s -> ", id, r.step);
            from = r.wanted;
        }
        index_id(a, first, id, sizeof id);
        rhi__print(a->session, "%s", id);
    }
    a->s.reader->memory->is_short |= !towards || !queue;
    free(towards);
    free(queue);
}

static void print_cycles(const answer *a)
{
    const rhi_graph *g = a->s.graph;
    uint64_t garbage = 0;
    for (uint64_t i = 0; i < a->cycles.count; i++)
        garbage += rhi__cycle_is_garbage(g, a->cycles.items[i]);
    rhi__print(a->session, "%" PRIu64 " cycle%s, %" PRIu64 " of them garbage\n", a->cycles.count, a->cycles.count == 1 ? "" : "s", garbage);
    for (uint64_t i = 0; i < a->shown_cycles; i++) {
        uint32_t c = a->cycles.items[i], size = g->cycle_start[c + 1] - g->cycle_start[c];
        rhi__print(a->session, "cycle of %" PRIu32 " object%s: ", size, size == 1 ? "" : "s");
        print_round(a, c);
        if (rhi__cycle_is_garbage(g, c)) {
            rhi__print(a->session, "\n  garbage: every count comes from inside\n");
            continue;
        }
        rhi__print(a->session, "\n  held from outside%s\n", a->held_by[i].count ? " by:"
                   : a->session->complete ? ", by counts whose owner is lost"
                   : ", by counts whose owner was not found: lost, or in memory that was not searched");
        for (uint64_t k = 0; k < a->held_by[i].count && k < a->args->limit; k++)
            rhi__holder_print(a->session, a->s.reader, &a->held_by[i].items[k], "    ");
        if (a->held_by[i].count > a->args->limit)
            rhi__print(a->session, "    … %" PRIu64 " more (--limit=0 shows all)\n", a->held_by[i].count - a->args->limit);
    }
    if (a->cycles.count > a->shown_cycles)
        rhi__print(a->session, "… %" PRIu64 " more cycles (--limit=0 shows all)\n", a->cycles.count - a->shown_cycles);
}

static bool print_edge(void *context, const rhi_edge *edge)
{
    answer *a = context;
    char id[RHI_ID_SIZE], name[RHI_NAME_SIZE + 32];
    if (!rhi__is_selected(&a->s, edge->to))
        return true;
    if (a->edges++ < a->args->limit) {
        index_id(a, edge->to, id, sizeof id);
        rhi__slot_name(edge->field, edge->element, name, sizeof name);
        rhi__print(a->session, "    .%s -> %s%s\n", name, id, edge->field->kind == RHI_KIND_STRONG ? "" : " (weak)");
    }
    return true;
}

static void print_nodes(answer *a)
{
    char id[RHI_ID_SIZE], count[32];
    for (uint64_t i = 0; i < a->s.nodes.count && i < a->args->limit; i++) {
        rhi_object object;
        uint32_t index = a->s.nodes.items[i];
        if (!rhi__object_at_index(a->s.reader, index, &object))
            continue;
        rhi__object_id(a->s.reader, &object, id, sizeof id);
        rhi__count_text(&object, count, sizeof count);
        rhi__print(a->session, "%s%s at 0x%" PRIx64 ", %s%s, %s\n", a->s.depth[index] ? "  " : "* ", id, object.address,
                   object.immortal ? "" : "refcount ", count,
                   a->s.graph->flags[index] & RHI_GRAPH_REACHED ? "held" : "garbage: not reachable from outside");
        a->edges = 0;
        rhi__each_edge(a->s.reader, index, print_edge, a);
        if (a->edges > a->args->limit)
            rhi__print(a->session, "    … %" PRIu64 " more references\n", a->edges - a->args->limit);
    }
    if (a->s.nodes.count > a->args->limit)
        rhi__print(a->session, "… %" PRIu64 " more objects (--limit=0 shows all)\n", a->s.nodes.count - a->args->limit);
}

static void print_provisional(const answer *a)
{
    for (uint64_t i = 0; i < a->s.reader->heaps.count; i++)
        if (a->s.reader->heaps.items[i].provisional)
            rhi__print(a->session, "provisional: heap %" PRIu64 " is %s\n", a->s.reader->heaps.items[i].number, a->s.reader->heaps.items[i].phase);
}

static void print_text(answer *a)
{
    if (a->args->operand_count)
        print_nodes(a);
    print_cycles(a);
    print_provisional(a);
    if (a->dot)
        rhi__print(a->session, "wrote %s\n", a->dot);
    if (a->svg)
        rhi__print(a->session, "drew %s\n", a->svg);
    if (a->left_out)
        rhi__print(a->session, "the picture leaves %" PRIu64 " objects out\n", a->left_out);
    rhi__print_incomplete(a->session);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

static bool json_edge(void *context, const rhi_edge *edge)
{
    answer *a = context;
    char from[RHI_ID_SIZE], to[RHI_ID_SIZE], name[RHI_NAME_SIZE + 32];
    if (!rhi__is_selected(&a->s, edge->to))
        return true;
    if (a->edges++ < a->args->limit) {
        index_id(a, edge->from, from, sizeof from);
        index_id(a, edge->to, to, sizeof to);
        rhi__slot_name(edge->field, edge->element, name, sizeof name);
        rhi__json_item(a->session, json_pack("{s:s, s:s, s:s, s:s}", "from", from, "to", to, "name", name, "strength",
                                             edge->field->kind == RHI_KIND_STRONG ? "strong" : "weak"));
    }
    return true;
}

static void json_graph(answer *a)
{
    uint64_t shown = a->s.nodes.count < a->args->limit ? a->s.nodes.count : a->args->limit;
    rhi_object object;
    if (shown)
        qsort(a->s.nodes.items, shown, sizeof *a->s.nodes.items, rhi__index_order);
    rhi__json_array(a->session, "nodes");
    for (uint64_t i = 0; i < shown; i++)
        if (rhi__object_at_index(a->s.reader, a->s.nodes.items[i], &object))
            rhi__json_item(a->session, rhi__object_json(a->s.reader, &object));
    rhi__json_array_end(a->session);
    if (shown < a->s.nodes.count)
        rhi__json_key(a->session, "nodes_total", rhi__json_u64(a->s.nodes.count));
    rhi__json_array(a->session, "edges");
    for (uint64_t i = 0; i < a->s.nodes.count; i++)
        rhi__each_edge(a->s.reader, a->s.nodes.items[i], json_edge, a);
    rhi__json_array_end(a->session);
    if (a->edges > a->args->limit)
        rhi__json_key(a->session, "edges_total", rhi__json_u64(a->edges));
}

static json_t *cycle_json(answer *a, uint64_t i)
{
    const rhi_graph *g = a->s.graph;
    uint32_t c = a->cycles.items[i], size = g->cycle_start[c + 1] - g->cycle_start[c];
    bool garbage = rhi__cycle_is_garbage(g, c);
    json_t *objects = json_array(), *held_by = json_array();
    char id[RHI_ID_SIZE];
    for (uint32_t m = 0; m < size && m < a->args->limit; m++) {
        index_id(a, g->cycle_member[g->cycle_start[c] + m], id, sizeof id);
        json_array_append_new(objects, json_string(id));
    }
    for (uint64_t k = 0; k < a->held_by[i].count && k < a->args->limit; k++)
        json_array_append_new(held_by, rhi__holder_json(a->s.reader, &a->held_by[i].items[k]));
    if (!garbage && a->held_by[i].count == 0)
        json_array_append_new(held_by, json_pack("{s:s}", "kind", "lost"));
    json_t *json = json_pack("{s:o, s:s, s:o}", "objects", objects, "verdict", garbage ? "garbage" : "held", "held_by", held_by);
    if (size > a->args->limit)
        json_object_set_new(json, "objects_total", json_integer(size));
    if (a->held_by[i].count > a->args->limit)
        json_object_set_new(json, "held_by_total", rhi__json_u64(a->held_by[i].count));
    return json;
}

static void print_json(answer *a)
{
    bool provisional = false;
    rhi__json_begin(a->session);
    json_graph(a);
    rhi__json_array(a->session, "cycles");
    for (uint64_t i = 0; i < a->shown_cycles; i++)
        rhi__json_item(a->session, cycle_json(a, i));
    rhi__json_array_end(a->session);
    if (a->cycles.count > a->shown_cycles)
        rhi__json_key(a->session, "cycles_total", rhi__json_u64(a->cycles.count));
    for (uint64_t i = 0; i < a->s.reader->heaps.count; i++)
        provisional |= a->s.reader->heaps.items[i].provisional;
    rhi__json_key(a->session, "provisional", json_boolean(provisional));
    if (a->dot || a->svg)
        rhi__json_key(a->session, "left_out", rhi__json_u64(a->left_out));
    rhi__json_end(a->session);
}

rhi_error *rhi__run_gcgraph(rhi_session *session, const rhi_args *args, int *status)
{
    answer a = {.session = session, .args = args};
    (void)status;
    rhi_error *error = gather(&a);
    if (!error && args->json)
        print_json(&a);
    else if (!error)
        print_text(&a);
    for (uint64_t i = 0; a.held_by && i < a.shown_cycles; i++)
        rhi__holders_free(&a.held_by[i]);
    free(a.held_by);
    free(a.cycles.items);
    rhi__selection_close(&a.s);
    return error;
}
