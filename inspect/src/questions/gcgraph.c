/* gcgraph.c - gathers the graph around objects, or the cycles of the heap (see gcgraph.h). */
#include "questions/gcgraph.h"
#include "base/array.h"
#include "graph/harm.h"
#include "session/resolve.h"

typedef struct rhi_gcgraph answer;

/* ---- cycles --------------------------------------------------------------------------------- */

static bool in_wanted_heap(const answer *a, uint32_t cycle)
{
    if (!a->session->has_heap)
        return true;
    uint64_t address =
        rhi__object_address(a->s.reader, a->s.graph->cycle_member[a->s.graph->cycle_start[cycle]]);
    const rhi_block *block = rhi__block_at(a->s.reader, address);
    return block && rhi__heap_wanted(a->session, a->s.reader, block->heap);
}

static bool is_garbage(const answer *a, uint32_t cycle)
{
    return a->s.graph->cycle_facts[cycle] & RHI_CYCLE_GARBAGE;
}

/* Is the cycle part of the answer? */
static bool is_wanted(const answer *a, uint32_t cycle)
{
    return (!a->asked.only_garbage || is_garbage(a, cycle)) && in_wanted_heap(a, cycle);
}

/* The next cycle of the answer, garbage first, for a heap may have any number of cycles that are
 * as they should be: each type of Python is one. *at counts twice over all of them, from 0 on.
 * RHI_NO_OBJECT: there is no more. */
static rhi_error *next_cycle(const answer *a, uint64_t *at, uint32_t *cycle)
{
    uint64_t count = a->s.graph->cycle_count;
    while (*at < 2 * count) {
        bool wants_garbage = *at < count;
        *cycle = (uint32_t)((*at)++ % count);
        if (*at % 65536 == 0)
            RHI_TRY(rhi__progress(&a->session->work, "choosing cycles", *at, 2 * count));
        if (is_garbage(a, *cycle) == wants_garbage && is_wanted(a, *cycle))
            return NULL;
    }
    *cycle = RHI_NO_OBJECT;
    return NULL;
}

static bool add_cycle(answer *a, uint32_t cycle)
{
    a->cycles_total++;
    a->garbage_total += is_garbage(a, cycle);
    a->nodes_total += rhi__cycle_size(a->s.graph, cycle);
    if (a->cycles.count >= a->asked.limit)
        return true;
    if (!rhi__array_reserve(&a->cycles, 1))
        return false;
    a->cycles.items[a->cycles.count++] = cycle;
    return true;
}

/* Without operands: the totals of all cycles, and the first of them. */
static rhi_error *take_cycles(answer *a)
{
    const rhi_graph *g = a->s.graph;
    bool known = !a->session->has_heap; /* the totals */
    uint64_t at = 0;
    uint32_t c;
    while (!(known && a->cycles.count >= a->asked.limit)) {
        RHI_TRY(next_cycle(a, &at, &c));
        if (c == RHI_NO_OBJECT)
            break;
        if (!add_cycle(a, c))
            return rhi__error_memory();
    }
    if (known) {
        a->cycles_total = a->asked.only_garbage ? g->garbage_cycles : g->cycle_count;
        a->garbage_total = g->garbage_cycles;
        a->nodes_total =
            a->asked.only_garbage ? g->garbage_members : g->cycle_start[g->cycle_count];
    }
    return NULL;
}

/* The members of the first cycles, as many as are listed. */
static rhi_error *select_listed(answer *a)
{
    const rhi_graph *g = a->s.graph;
    for (uint64_t i = 0; i < a->cycles.count; i++)
        for (uint32_t m = g->cycle_start[a->cycles.items[i]];
             m < g->cycle_start[a->cycles.items[i] + 1]; m++) {
            if (a->s.nodes.count >= a->asked.limit)
                return NULL;
            if (m % 65536 == 65535)
                RHI_TRY(rhi__progress(&a->session->work, "selecting", a->s.nodes.count,
                                      a->nodes_total));
            if (!rhi__selection_add(&a->s, g->cycle_member[m], rhi__way(1, RHI_WAY_MIXED)))
                return rhi__error_memory();
        }
    return NULL;
}

/* With --cycles or --garbage: of what was selected around the operands, only that. */
static rhi_error *narrow(answer *a)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < a->s.nodes.count; i++) {
        uint32_t index = a->s.nodes.items[i];
        bool keep = rhi__is_asked_for(&a->s, index) ||
                    ((!a->asked.only_cycles || a->s.graph->cycle_of[index] != RHI_NO_OBJECT) &&
                     (!a->asked.only_garbage || rhi__is_unreachable(a->s.graph, index)));
        if (keep)
            a->s.nodes.items[kept++] = index;
        else if (!rhi__map_set(&a->s.way, index, RHI_NOT_THERE))
            return rhi__error_memory();
    }
    a->s.nodes.count = kept;
    return NULL;
}

/* The cycles that pass a selected object, in order: garbage first. */
static rhi_error *take_touched_cycles(answer *a)
{
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } touched = {0};
    rhi_map met = {0};
    bool ok = true;
    for (uint64_t i = 0; i < a->s.nodes.count && ok; i++) {
        uint32_t c = a->s.graph->cycle_of[a->s.nodes.items[i]];
        if (c == RHI_NO_OBJECT || rhi__map_get(&met, c) != RHI_NOT_THERE || !is_wanted(a, c))
            continue;
        ok = rhi__map_set(&met, c, 0) && rhi__array_reserve(&touched, 1);
        if (ok)
            touched.items[touched.count++] = c;
    }
    if (touched.count)
        qsort(touched.items, touched.count, sizeof *touched.items, rhi__index_order);
    for (unsigned held = 0; held < 2; held++)
        for (uint64_t i = 0; i < touched.count && ok; i++)
            if (is_garbage(a, touched.items[i]) == !held)
                ok = add_cycle(a, touched.items[i]);
    a->nodes_total = a->s.nodes.count;
    rhi__map_free(&met);
    free(touched.items);
    return ok ? NULL : rhi__error_memory();
}

static rhi_error *select_around(answer *a)
{
    rhi_object object;
    for (unsigned i = 0; i < a->asked.object_count; i++) {
        RHI_TRY(rhi__resolve_object(a->session, a->s.reader, a->asked.objects[i], &object));
        uint32_t index = rhi__object_index(a->s.reader, object.address);
        if (index == RHI_NO_OBJECT || !rhi__selection_add(&a->s, index, 0))
            return rhi__error_memory();
    }
    a->roots = (uint32_t)a->s.nodes.count;
    RHI_TRY(rhi__selection_grow(&a->s, a->asked.depth, a->asked.limit == UINT64_MAX));
    RHI_TRY(narrow(a));
    return take_touched_cycles(a);
}

static rhi_error *gather_holders(answer *a)
{
    uint64_t count = 0;
    a->held = calloc(a->cycles.count + 1, sizeof *a->held);
    rhi_held *groups = calloc(a->cycles.count + 1, sizeof *groups); /* of those that are held */
    if (!a->held || !groups) {
        free(groups);
        return rhi__error_memory();
    }
    for (uint64_t i = 0; i < a->cycles.count; i++)
        if (!is_garbage(a, a->cycles.items[i]))
            groups[count++] = (rhi_held){.cycle = a->cycles.items[i], .index = RHI_NO_OBJECT};
    rhi_error *error = rhi__find_holders(&a->s, groups, count, a->asked.limit);
    if (!error)
        rhi__name_held(&a->s, groups, count);
    for (uint64_t i = a->cycles.count; i-- > 0;)
        if (!is_garbage(a, a->cycles.items[i]))
            a->held[i] = groups[--count];
    free(groups);
    return error;
}

/* What is around the operands, as trees. */
static rhi_error *gather_trees(answer *a)
{
    rhi_tree tree = {.session = a->session,
                     .reader = a->s.reader,
                     .graph = a->s.graph,
                     .depth = a->asked.depth,
                     .limit = a->asked.limit};
    a->below = a->above = tree;
    a->above.upwards = true;
    a->above.depth = 1;
    for (uint32_t i = 0; i < a->roots; i++) {
        RHI_TRY(rhi__tree_add_root(&a->below, a->s.nodes.items[i], NULL));
        RHI_TRY(rhi__tree_add_root(&a->above, a->s.nodes.items[i], NULL));
    }
    RHI_TRY(rhi__tree_grow(&a->below));
    return rhi__tree_grow(&a->above);
}

static rhi_error *gather_cycle_paths(answer *a)
{
    a->cycle_paths = calloc(a->cycles.count + 1, sizeof *a->cycle_paths);
    if (!a->cycle_paths)
        return rhi__error_memory();
    for (uint64_t i = 0; i < a->cycles.count; i++) {
        RHI_TRY(rhi__progress(&a->session->work, "looking for ways round", i, a->cycles.count));
        RHI_TRY(
            rhi__find_cycle_path(&a->s, a->cycles.items[i], a->asked.limit, &a->cycle_paths[i]));
    }
    return NULL;
}

/* ---- pictures ------------------------------------------------------------------------------- */

/* The objects of a cycle, nearest to its first one first, until the picture is full. */
static bool add_cycle_nearest_first(const answer *a, rhi_selection *picture, uint32_t cycle)
{
    const rhi_graph *g = a->s.graph;
    uint64_t next = picture->nodes.count;
    bool ok = rhi__selection_add(picture, g->cycle_member[g->cycle_start[cycle]],
                                 rhi__way(1, RHI_WAY_MIXED));
    for (; ok && next < picture->nodes.count && picture->nodes.count < RHI_DRAWN_MAX; next++) {
        uint32_t i = picture->nodes.items[next];
        for (uint32_t e = g->edge_start[i];
             ok && e < g->edge_start[i + 1] && picture->nodes.count < RHI_DRAWN_MAX; e++)
            if (g->cycle_of[g->edge_to[e]] == cycle)
                ok = rhi__selection_add(picture, g->edge_to[e], rhi__way(1, RHI_WAY_MIXED));
    }
    return ok;
}

static rhi_error *gather_picture(answer *a)
{
    uint64_t drawn = a->nodes_total < RHI_DRAWN_MAX ? a->nodes_total : RHI_DRAWN_MAX;
    a->picture.left_out = a->nodes_total - drawn;
    if (a->asked.object_count)
        return rhi__picture(&a->s, &a->picture);
    rhi_selection *picture = &a->pictured;
    *picture = (rhi_selection){
        .session = a->session, .reader = a->s.reader, .graph = a->s.graph, .leaks = a->s.leaks};
    uint64_t at = 0;
    uint32_t c;
    while (picture->nodes.count < RHI_DRAWN_MAX) {
        RHI_TRY(next_cycle(a, &at, &c));
        if (c == RHI_NO_OBJECT)
            break;
        if (!add_cycle_nearest_first(a, picture, c))
            return rhi__error_memory();
    }
    return rhi__picture(picture, &a->picture);
}

/* ---- references ----------------------------------------------------------------------------- */

/* Is the object part of the answer, listed or not? */
static bool is_part(const answer *a, uint32_t index)
{
    uint32_t cycle = a->s.graph->cycle_of[index];
    return a->asked.object_count ? rhi__is_selected(&a->s, index)
                                 : cycle != RHI_NO_OBJECT && is_wanted(a, cycle);
}

typedef struct edge_visit {
    const answer *a;
    rhi_edge_visitor visit;
    void *context;
    uint64_t count;
} edge_visit;

static bool visit_edge(void *context, const rhi_edge *edge)
{
    edge_visit *v = context;
    if (!is_part(v->a, edge->to))
        return true;
    v->count++;
    return v->visit(v->context, edge);
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
        uint32_t first = g->cycle_start[c], end = is_wanted(a, c) ? g->cycle_start[c + 1] : first;
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
    uint64_t *known = a->session->has_heap ? NULL : &g->cycle_edges[a->asked.only_garbage];
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

rhi_error *rhi__gcgraph_edges(answer *a, rhi_edge_visitor visit, void *context, uint64_t *total)
{
    edge_visit v = {.a = a, .visit = visit, .context = context};
    for (uint64_t i = 0; i < a->s.nodes.count; i++) {
        if (i % 1024 == 1023)
            RHI_TRY(rhi__progress(&a->session->work, "reading references", i, a->s.nodes.count));
        rhi__each_edge(a->session, a->s.reader, a->s.nodes.items[i], visit_edge, &v);
    }
    *total = v.count;
    return a->nodes_total > a->s.nodes.count ? count_edges(a, total) : NULL;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static rhi_error *gather_objects(answer *a)
{
    if (a->asked.object_count == 0) {
        RHI_TRY(take_cycles(a));
        return a->asked.as_list ? select_listed(a) : NULL;
    }
    RHI_TRY(select_around(a));
    return a->asked.as_list ? NULL : gather_trees(a);
}

/* Are there marks that the graph alone does not tell? Of objects that were asked for; and in
 * pictures. Garbage is found without a search of words. */
static bool wants_leaks(const answer *a)
{
    bool all_garbage = a->asked.as_list;
    for (uint64_t i = 0; i < a->s.nodes.count && all_garbage; i++)
        all_garbage = rhi__is_unreachable(a->s.graph, a->s.nodes.items[i]);
    return a->asked.is_drawn || (a->asked.object_count && !all_garbage);
}

rhi_error *rhi__gcgraph(rhi_session *session, const rhi_gcgraph_asked *asked, answer *a)
{
    *a = (answer){.session = session, .asked = *asked};
    RHI_TRY(rhi__selection_open(session, &a->s));
    RHI_TRY(rhi__tell_harm(&session->work, &session->notes, a->s.reader, true));
    RHI_TRY(rhi__cycle_facts(session, a->s.graph));
    RHI_TRY(gather_objects(a));
    RHI_TRY(gather_holders(a));
    /* marks and colours say what gcleaks says */
    if (wants_leaks(a)) {
        rhi_leaks *leaks;
        RHI_TRY(rhi__session_leaks(session, &leaks));
        a->s.leaks = leaks;
    }
    if (!asked->as_list)
        RHI_TRY(gather_cycle_paths(a));
    return asked->is_drawn ? gather_picture(a) : NULL;
}

void rhi__gcgraph_free(answer *a)
{
    for (uint64_t i = 0; i < a->cycles.count; i++) {
        if (a->held)
            rhi__holders_free(&a->held[i].rows);
        if (a->cycle_paths)
            rhi__cycle_path_free(&a->cycle_paths[i]);
    }
    free(a->held);
    free(a->cycle_paths);
    free(a->cycles.items);
    rhi__tree_free(&a->below);
    rhi__tree_free(&a->above);
    rhi__picture_free(&a->picture);
    rhi__selection_close(&a->pictured);
    rhi__selection_close(&a->s);
}
