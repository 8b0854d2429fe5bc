/* gcgraph.c - `gcgraph`: the graph around objects, or the cycles of the heap, with verdicts.
 *
 * Invariant: without operands the answer is about the members of all cycles, and these are
 * counted, not collected: only those that are shown or drawn are looked at. With operands they
 * are in the selection. */
#include "render/gcgraph.h"
#include "base/array.h"
#include "graph/harm.h"
#include "session/resolve.h"

enum { DEFAULT_DEPTH = 2 };

typedef struct rhi_gcgraph answer;

/* ---- gathering ------------------------------------------------------------------------------ */

static bool in_wanted_heap(const answer *a, uint32_t cycle)
{
    if (!a->session->has_heap)
        return true;
    uint64_t address =
        rhi__object_address(a->s.reader, a->s.graph->cycle_member[a->s.graph->cycle_start[cycle]]);
    const rhi_block *block = rhi__block_at(a->s.reader, address);
    return block && rhi__heap_wanted(a->session, a->s.reader, block->heap);
}

bool rhi__gcgraph_wants(const answer *a, uint32_t cycle)
{
    return (!a->only_garbage || a->s.graph->cycle_facts[cycle] & RHI_CYCLE_GARBAGE) &&
           in_wanted_heap(a, cycle);
}

static bool add_cycle(answer *a, uint32_t cycle)
{
    bool is_garbage = a->s.graph->cycle_facts[cycle] & RHI_CYCLE_GARBAGE;
    a->cycles_total++;
    a->garbage_total += is_garbage;
    a->nodes_total += rhi__cycle_size(a->s.graph, cycle);
    if (a->cycles.count >= a->args->limit)
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
    for (uint32_t c = 0; c < g->cycle_count && !(known && a->cycles.count >= a->args->limit); c++) {
        if (c % 65536 == 65535)
            RHI_TRY(rhi__progress(&a->session->work, "choosing cycles", c, g->cycle_count));
        if (rhi__gcgraph_wants(a, c) && !add_cycle(a, c))
            return rhi__error_memory();
    }
    if (known) {
        a->cycles_total = a->only_garbage ? g->garbage_cycles : g->cycle_count;
        a->garbage_total = g->garbage_cycles;
        a->nodes_total = a->only_garbage ? g->garbage_members : g->cycle_start[g->cycle_count];
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
            if (a->s.nodes.count >= a->args->limit)
                return NULL;
            if (m % 65536 == 65535)
                RHI_TRY(rhi__progress(&a->session->work, "selecting", a->s.nodes.count,
                                      a->nodes_total));
            if (!rhi__selection_add(&a->s, g->cycle_member[m], 1))
                return rhi__error_memory();
        }
    return NULL;
}

/* With --cycles or --garbage: of what was selected around the operands, only that. */
static rhi_error *narrow(answer *a)
{
    bool cycles = rhi__option(a->args, "--cycles");
    uint64_t kept = 0;
    for (uint64_t i = 0; i < a->s.nodes.count; i++) {
        uint32_t index = a->s.nodes.items[i];
        bool keep = rhi__is_asked_for(&a->s, index) ||
                    ((!cycles || a->s.graph->cycle_of[index] != RHI_NO_OBJECT) &&
                     (!a->only_garbage || rhi__is_unreachable(a->s.graph, index)));
        if (keep)
            a->s.nodes.items[kept++] = index;
        else if (!rhi__map_set(&a->s.depth, index, RHI_NOT_THERE))
            return rhi__error_memory();
    }
    a->s.nodes.count = kept;
    return NULL;
}

/* The cycles that pass a selected object, in order. */
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
        if (c == RHI_NO_OBJECT || rhi__map_get(&met, c) != RHI_NOT_THERE ||
            !rhi__gcgraph_wants(a, c))
            continue;
        ok = rhi__map_set(&met, c, 0) && rhi__array_reserve(&touched, 1);
        if (ok)
            touched.items[touched.count++] = c;
    }
    if (touched.count)
        qsort(touched.items, touched.count, sizeof *touched.items, rhi__index_order);
    for (uint64_t i = 0; i < touched.count && ok; i++)
        ok = add_cycle(a, touched.items[i]);
    a->nodes_total = a->s.nodes.count;
    rhi__map_free(&met);
    free(touched.items);
    return ok ? NULL : rhi__error_memory();
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
    a->roots = (uint32_t)a->s.nodes.count;
    RHI_TRY(rhi__selection_grow(&a->s, a->depth));
    RHI_TRY(narrow(a));
    return take_touched_cycles(a);
}

static rhi_error *gather_holders(answer *a)
{
    uint64_t count = 0;
    a->shown_cycles = a->cycles.count;
    a->held = calloc(a->shown_cycles + 1, sizeof *a->held);
    rhi_held *groups = calloc(a->shown_cycles + 1, sizeof *groups); /* of those that are held */
    if (!a->held || !groups) {
        free(groups);
        return rhi__error_memory();
    }
    for (uint64_t i = 0; i < a->shown_cycles; i++)
        if (!rhi__cycle_is_garbage(a->s.graph, a->cycles.items[i]))
            groups[count++] = (rhi_held){.cycle = a->cycles.items[i], .index = RHI_NO_OBJECT};
    rhi_error *error = rhi__find_holders(&a->s, groups, count, a->args->limit);
    if (!error)
        rhi__name_held(&a->s, groups, count);
    for (uint64_t i = a->shown_cycles; i-- > 0;)
        if (!rhi__cycle_is_garbage(a->s.graph, a->cycles.items[i]))
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
                     .depth = a->depth,
                     .limit = a->args->limit};
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

/* ---- pictures ------------------------------------------------------------------------------- */

/* The objects of a cycle, nearest to its first one first, until the picture is full. */
static bool add_cycle_nearest_first(const answer *a, rhi_selection *picture, uint32_t cycle)
{
    const rhi_graph *g = a->s.graph;
    uint64_t next = picture->nodes.count;
    bool ok = rhi__selection_add(picture, g->cycle_member[g->cycle_start[cycle]], 1);
    for (; ok && next < picture->nodes.count && picture->nodes.count < RHI_DRAWN_MAX; next++) {
        uint32_t i = picture->nodes.items[next];
        for (uint32_t e = g->edge_start[i];
             ok && e < g->edge_start[i + 1] && picture->nodes.count < RHI_DRAWN_MAX; e++)
            if (g->cycle_of[g->edge_to[e]] == cycle)
                ok = rhi__selection_add(picture, g->edge_to[e], 1);
    }
    return ok;
}

static rhi_error *draw(answer *a)
{
    uint64_t drawn = a->nodes_total < RHI_DRAWN_MAX ? a->nodes_total : RHI_DRAWN_MAX;
    a->picture.left_out = a->nodes_total - drawn;
    if (a->args->operand_count)
        return rhi__draw(&a->s, &a->picture);
    rhi_selection picture = {
        .session = a->session, .reader = a->s.reader, .graph = a->s.graph, .leaks = a->s.leaks};
    bool ok = true;
    for (uint32_t c = 0; c < a->s.graph->cycle_count && ok && picture.nodes.count < RHI_DRAWN_MAX;
         c++)
        if (rhi__gcgraph_wants(a, c))
            ok = add_cycle_nearest_first(a, &picture, c);
    rhi_error *error = ok ? rhi__draw(&picture, &a->picture) : rhi__error_memory();
    rhi__selection_close(&picture);
    return error;
}

static rhi_error *gather(answer *a)
{
    RHI_TRY(rhi__option_number(a->args, "--depth", DEFAULT_DEPTH, &a->depth));
    RHI_TRY(rhi__selection_open(a->session, &a->s));
    RHI_TRY(rhi__tell_harm(&a->session->work, &a->session->notes, a->s.reader, true));
    RHI_TRY(rhi__cycle_facts(a->session, a->s.graph));
    if (a->args->operand_count) {
        RHI_TRY(select_around(a));
        if (!a->args->json)
            RHI_TRY(gather_trees(a));
    } else {
        RHI_TRY(take_cycles(a));
        if (a->args->json)
            RHI_TRY(select_listed(a));
    }
    RHI_TRY(gather_holders(a));
    a->picture.dot_path = rhi__option(a->args, "--dot");
    a->picture.svg_path = rhi__option(a->args, "--svg");
    bool is_drawn = a->picture.dot_path || a->picture.svg_path;
    /* marks and colours say what gcleaks says */
    if (is_drawn || (a->args->operand_count && !a->args->json)) {
        rhi_leaks *leaks;
        RHI_TRY(rhi__session_leaks(a->session, &leaks));
        a->s.leaks = leaks;
    }
    return is_drawn ? draw(a) : NULL;
}

rhi_error *rhi__run_gcgraph(rhi_session *session, const rhi_args *args, int *status)
{
    answer a = {
        .session = session, .args = args, .only_garbage = rhi__option(args, "--garbage") != NULL};
    (void)status;
    rhi_error *error = gather(&a);
    if (!error)
        error = args->json ? rhi__gcgraph_json(&a) : rhi__gcgraph_text(&a);
    for (uint64_t i = 0; a.held && i < a.shown_cycles; i++)
        rhi__holders_free(&a.held[i].rows);
    free(a.held);
    free(a.cycles.items);
    rhi__tree_free(&a.below);
    rhi__tree_free(&a.above);
    rhi__selection_close(&a.s);
    return error;
}
