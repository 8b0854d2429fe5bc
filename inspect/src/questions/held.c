/* held.c - who holds a part of the graph from outside (see held.h).
 *
 * Invariant: the work is bounded by what is shown, not by the size of the parts: a cycle may have
 * ten million members and be held by twice as many fields. Each object outside is read once,
 * however many of the groups it holds. */
#include "questions/held.h"
#include "base/search.h"
#include "base/array.h"
#include "words/owners.h"
#include "words/naming.h"

#include <string.h>

enum {
    EDGES_MAX = 1 << 21, /* looked at for all groups of a question */
    LARGE_MEMBERS = 4096 /* of a cycle whose references from outside are counted beforehand */
};

typedef struct index_list {
    uint32_t *items;
    uint64_t count, capacity;
} index_list;

typedef struct search {
    const rhi_selection *selection;
    rhi_held *groups;
    uint64_t count, limit;
    rhi_map cycles, singles; /* to the group */
    index_list outside[2];   /* objects that hold some group: live ones, and garbage */
    uint64_t wanted;         /* field rows that are still to be read */
    bool out_of_memory;
} search;

/* Counts the references from outside to a large cycle. inside: a bit for each of its members stays
 * in the processor's cache, its cycle's number would not. */
static rhi_error *count_outside(rhi_session *session, const rhi_graph *g, const uint64_t *inside,
                                struct rhi_large_cycle *large)
{
    uint32_t start = g->cycle_start[large->cycle], end = g->cycle_start[large->cycle + 1];
    for (uint32_t m = start; m < end; m++) {
        uint32_t i = g->cycle_member[m];
        uint64_t before = large->outside;
        if (m % 65536 == 0)
            RHI_TRY(rhi__progress(&session->work, "judging cycles", m, g->count));
        for (uint32_t e = g->referrer_start[i]; e < g->referrer_start[i + 1]; e++)
            large->outside += !rhi__bit(inside, g->referrer_from[e]);
        if (before == 0 && large->outside)
            large->first = m - start;
    }
    return NULL;
}

static rhi_error *look_around(rhi_session *session, rhi_graph *g, uint32_t cycle)
{
    struct rhi_large_cycle large = {.cycle = cycle, .first = RHI_NO_OBJECT};
    uint64_t *inside = calloc((uint64_t)g->count / 64 + 1, sizeof *inside);
    if (!inside)
        return rhi__error_memory();
    for (uint32_t m = g->cycle_start[cycle]; m < g->cycle_start[cycle + 1]; m++)
        rhi__bit_set(inside, g->cycle_member[m]);
    rhi_error *error = count_outside(session, g, inside, &large);
    free(inside);
    if (error)
        return error;
    struct rhi_large_cycle *grown =
        realloc(g->large_cycles, ((uint64_t)g->large_count + 1) * sizeof *grown);
    if (!grown)
        return rhi__error_memory();
    g->large_cycles = grown;
    g->large_cycles[g->large_count++] = large;
    return NULL;
}

static const struct rhi_large_cycle *large_cycle(const rhi_graph *g, uint32_t cycle)
{
    uint32_t i = rhi__first(0, g->large_count, at, g->large_cycles[at].cycle >= cycle);
    return i < g->large_count && g->large_cycles[i].cycle == cycle ? &g->large_cycles[i] : NULL;
}

rhi_error *rhi__cycle_facts(rhi_session *session, rhi_graph *graph)
{
    if (graph->cycle_facts)
        return NULL;
    uint8_t *facts = calloc((uint64_t)graph->cycle_count + 1, 1);
    if (!facts)
        return rhi__error_memory();
    graph->large_count = 0;
    graph->garbage_cycles = 0;
    graph->garbage_members = 0;
    for (uint32_t c = 0; c < graph->cycle_count; c++) {
        rhi_error *error =
            rhi__cycle_size(graph, c) >= LARGE_MEMBERS ? look_around(session, graph, c)
            : c % 4096 == 0 ? rhi__progress(&session->work, "judging cycles", c, graph->cycle_count)
                            : NULL;
        if (error) {
            free(facts);
            return error;
        }
        for (uint32_t m = graph->cycle_start[c]; m < graph->cycle_start[c + 1]; m++) {
            uint32_t i = graph->cycle_member[m];
            if (graph->flags[i] & RHI_GRAPH_STAYS_ITSELF)
                facts[c] |= RHI_CYCLE_HAS_STAYING;
            if (rhi__open(graph, i) > 0 ||
                graph->flags[i] & (RHI_GRAPH_IMMORTAL | RHI_GRAPH_DAMAGED))
                facts[c] |= RHI_CYCLE_HAS_EXT;
        }
        if (rhi__cycle_is_garbage(graph, c)) {
            facts[c] |= RHI_CYCLE_GARBAGE;
            graph->garbage_cycles++;
            graph->garbage_members += rhi__cycle_size(graph, c);
        }
    }
    graph->cycle_facts = facts;
    return NULL;
}

/* ---- groups --------------------------------------------------------------------------------- */

static const uint32_t *members_of(const search *s, const rhi_held *group, uint32_t *count)
{
    const rhi_graph *g = s->selection->graph;
    *count = group->cycle == RHI_NO_OBJECT ? 1 : rhi__cycle_size(g, group->cycle);
    return group->cycle == RHI_NO_OBJECT ? &group->index
                                         : g->cycle_member + g->cycle_start[group->cycle];
}

static bool is_inside(const search *s, const rhi_held *group, uint32_t index)
{
    return group->cycle == RHI_NO_OBJECT ? group->index == index
                                         : s->selection->graph->cycle_of[index] == group->cycle;
}

/* Adds a row, and forgets the last ones, in the order of rows, of many more than will be shown. */
static bool add_row(search *s, rhi_held *group, const rhi_holder *row)
{
    if (!rhi__array_reserve(&group->rows, 1)) {
        s->out_of_memory = true;
        return false;
    }
    group->rows.items[group->rows.count++] = *row;
    if (group->rows.count / 2 > s->limit && group->rows.count > 64) {
        rhi__sort_holders(&group->rows);
        group->rows.count = s->limit;
    }
    return true;
}

static void add_staying_members(search *s, rhi_held *group)
{
    const rhi_selection *sel = s->selection;
    const rhi_graph *g = sel->graph;
    uint32_t count, found = 0;
    const uint32_t *members = members_of(s, group, &count);
    if (group->cycle == RHI_NO_OBJECT || !(g->cycle_facts[group->cycle] & RHI_CYCLE_HAS_STAYING))
        return;
    for (uint32_t m = 0; m < count && !s->out_of_memory; m++) {
        uint8_t flags = g->flags[members[m]];
        if (!(flags & RHI_GRAPH_STAYS_ITSELF))
            continue;
        if (found++ >= s->limit || m >= EDGES_MAX) {
            group->is_at_least = true;
            return;
        }
        rhi_holder row = {.kind = flags & RHI_GRAPH_IMMORTAL ? RHI_HOLDER_IMMORTAL
                                  : flags & RHI_GRAPH_DYING  ? RHI_HOLDER_DYING
                                                             : RHI_HOLDER_RUNTIME,
                          .strong = true,
                          .from = rhi__object_address(sel->reader, members[m])};
        group->total += add_row(s, group, &row);
    }
}

/* ---- fields of other objects ---------------------------------------------------------------- */

static uint64_t sort_once(uint32_t *items, uint64_t count)
{
    uint64_t kept = 0;
    if (count)
        qsort(items, count, sizeof *items, rhi__index_order);
    for (uint64_t i = 0; i < count; i++)
        if (i == 0 || items[i] != items[kept - 1])
            items[kept++] = items[i];
    return kept;
}

static bool is_garbage(const search *s, uint32_t index)
{
    return !(s->selection->graph->flags[index] & (RHI_GRAPH_REACHED | RHI_GRAPH_CORRUPT));
}

/* Takes down an object; of many more than will be shown the last ones are forgotten. */
static void add_outside(search *s, index_list *list, uint32_t from)
{
    if (!rhi__array_reserve(list, 1)) {
        s->out_of_memory = true;
        return;
    }
    list->items[list->count++] = from;
    if (list->count / 2 > s->limit && list->count > 2048) {
        list->count = sort_once(list->items, list->count);
        list->count = list->count < s->limit ? list->count : s->limit;
    }
}

/* Moves the first of a group's objects to those of all groups. */
static void keep_outside(search *s, index_list *all, index_list *list)
{
    list->count = sort_once(list->items, list->count);
    list->count = list->count < s->limit ? list->count : s->limit;
    if (!s->out_of_memory && !rhi__array_reserve(all, list->count))
        s->out_of_memory = true;
    if (!s->out_of_memory && list->count) {
        memcpy(all->items + all->count, list->items, list->count * sizeof *list->items);
        all->count += list->count;
    }
    free(list->items);
}

/* Counts the references to the group from outside, and takes down the first objects that they
 * come from, live ones and garbage: of those to a large cycle only as many as are shown. Looks at
 * no more than `budget` references and members; returns what is left of it. */
static uint64_t find_outside(search *s, rhi_held *group, uint64_t budget)
{
    const rhi_graph *g = s->selection->graph;
    index_list lists[2] = {{0}};
    uint64_t found = 0, live = 0,
             room = s->limit - (group->rows.count < s->limit ? group->rows.count : s->limit);
    uint32_t count;
    const uint32_t *members = members_of(s, group, &count);
    const struct rhi_large_cycle *large =
        group->cycle == RHI_NO_OBJECT ? NULL : large_cycle(g, group->cycle);
    for (uint32_t m = large ? large->first : 0;
         m < count && !s->out_of_memory && !(large && live >= room); m++) {
        uint32_t e = g->referrer_start[members[m]], end = g->referrer_start[members[m] + 1];
        if (budget-- == 0) {
            budget = 0;
            group->is_at_least = !large;
            break;
        }
        for (; e < end && budget; e++, budget--) {
            uint32_t from = g->referrer_from[e];
            if (is_inside(s, group, from))
                continue;
            found++;
            live += !is_garbage(s, from);
            add_outside(s, &lists[is_garbage(s, from)], from);
        }
        group->is_at_least = group->is_at_least || (e < end && !large);
    }
    group->total += large ? large->outside : found;
    s->wanted += found < room ? found : room;
    for (unsigned i = 0; i < 2; i++)
        keep_outside(s, &s->outside[i], &lists[i]);
    return budget;
}

static void add_field(search *s, uint32_t group_number, const rhi_edge *edge)
{
    rhi_held *group = group_number == RHI_NOT_THERE ? NULL : &s->groups[group_number];
    if (!group || group->rows.count >= s->limit || is_inside(s, group, edge->from))
        return;
    rhi_holder row = rhi__edge_holder(s->selection->reader, edge);
    row.in_garbage = is_garbage(s, edge->from);
    if (add_row(s, group, &row) && s->wanted)
        s->wanted--;
}

static bool visit_field(void *context, const rhi_edge *edge)
{
    search *s = context;
    if (edge->field->kind == RHI_KIND_BORROWED)
        return true;
    if (s->cycles.count)
        add_field(s, rhi__map_get(&s->cycles, s->selection->graph->cycle_of[edge->to]), edge);
    add_field(s, rhi__map_get(&s->singles, edge->to), edge);
    return s->wanted > 0 && !s->out_of_memory;
}

static rhi_error *read_outside(search *s, index_list *list)
{
    const rhi_selection *sel = s->selection;
    list->count = sort_once(list->items, list->count);
    for (uint64_t i = 0; i < list->count && s->wanted && !s->out_of_memory; i++) {
        RHI_TRY(rhi__progress(&sel->session->work, "looking for holders", i, list->count));
        rhi__each_edge(sel->session, sel->reader, list->items[i], visit_field, s);
    }
    return NULL;
}

/* Live holders first: rows are added while there is room. */
static rhi_error *find_fields(search *s)
{
    const rhi_selection *sel = s->selection;
    uint64_t budget = EDGES_MAX;
    for (uint64_t i = 0; i < s->count && !s->out_of_memory; i++) {
        uint64_t share = budget / (s->count - i);
        RHI_TRY(rhi__progress(&sel->session->work, "looking for holders", i, s->count));
        add_staying_members(s, &s->groups[i]);
        budget -= share - find_outside(s, &s->groups[i], share);
    }
    RHI_TRY(read_outside(s, &s->outside[false]));
    return read_outside(s, &s->outside[true]);
}

/* ---- words ---------------------------------------------------------------------------------- */

/* An undeclared word of a member counts as any other: the references that fields make are known,
 * so a count that none explains is no less likely its. */

static void add_word(search *s, uint32_t group_number, uint32_t member, const rhi_holder *word)
{
    if (group_number == RHI_NOT_THERE)
        return;
    rhi_holder row = *word;
    row.target = rhi__object_address(s->selection->reader, member);
    s->groups[group_number].total += add_row(s, &s->groups[group_number], &row);
}

static rhi_error *visit_word(void *context, const rhi_holder *word)
{
    search *s = context;
    const rhi_graph *g = s->selection->graph;
    uint32_t member = rhi__object_index(s->selection->reader, word->value);
    if (member == RHI_NO_OBJECT ||
        (!(g->flags[member] & RHI_GRAPH_IMMORTAL) && rhi__open(g, member) <= 0))
        return NULL;
    if (s->cycles.count) /* else the graph may have none */
        add_word(s, rhi__map_get(&s->cycles, g->cycle_of[member]), member, word);
    add_word(s, rhi__map_get(&s->singles, member), member, word);
    return s->out_of_memory ? rhi__error_memory() : NULL;
}

static bool group_needs_words(const search *s, const rhi_held *group)
{
    const rhi_graph *g = s->selection->graph;
    return group->cycle != RHI_NO_OBJECT
               ? g->cycle_facts[group->cycle] & RHI_CYCLE_HAS_EXT
               : rhi__open(g, group->index) > 0 || g->flags[group->index] & RHI_GRAPH_IMMORTAL;
}

static bool needs_words(const search *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        if (group_needs_words(s, &s->groups[i]))
            return true;
    return false;
}

/* Is there one of these for which nothing was found? */
static bool has_unheld(const search *s)
{
    for (uint64_t i = 0; i < s->count; i++)
        if (s->groups[i].total == 0 && group_needs_words(s, &s->groups[i]))
            return true;
    return false;
}

/* Words outside the heap, and words in objects that no field declares. */
static rhi_error *find_words(search *s)
{
    const rhi_selection *sel = s->selection;
    uint64_t low = sel->reader->lowest, high = sel->reader->highest;
    RHI_TRY(rhi__each_word(sel->session, sel->reader, low, high, visit_word, s));
    RHI_TRY(rhi__each_kept_undeclared(sel->session, sel->reader, low, high, visit_word, s));
    if (has_unheld(s))
        RHI_TRY(rhi__each_packed_word(sel->session, sel->reader, low, high, visit_word, s));
    return has_unheld(s) ? rhi__owner_not_found(sel->session, sel->reader) : NULL;
}

/* Leaves the rows that are shown. */
static void cut_rows(const search *s, rhi_holders *rows)
{
    rhi__sort_holders(rows);
    if (rows->count > s->limit)
        rows->count = s->limit;
    for (uint64_t i = 0; i < rows->count; i++)
        if (rows->items[i].kind == RHI_HOLDER_UNDECLARED)
            rhi__check_undeclared(s->selection->session, s->selection->reader, &rows->items[i]);
}

static rhi_error *find(search *s, bool fields)
{
    for (uint64_t i = 0; i < s->count && !s->out_of_memory; i++)
        s->out_of_memory = !(s->groups[i].cycle != RHI_NO_OBJECT
                                 ? rhi__map_set(&s->cycles, s->groups[i].cycle, (uint32_t)i)
                                 : rhi__map_set(&s->singles, s->groups[i].index, (uint32_t)i));
    rhi_error *error = s->out_of_memory || !fields ? NULL : find_fields(s);
    if (!error && !s->out_of_memory && needs_words(s))
        error = find_words(s);
    for (uint64_t i = 0; i < s->count; i++)
        cut_rows(s, &s->groups[i].rows);
    for (uint64_t i = 0; i < s->count && !error; i++)
        error = rhi__judge_holders(s->selection->session, s->selection->reader, &s->groups[i].rows);
    rhi__map_free(&s->cycles);
    rhi__map_free(&s->singles);
    free(s->outside[false].items);
    free(s->outside[true].items);
    return error ? error : s->out_of_memory ? rhi__error_memory() : NULL;
}

rhi_error *rhi__find_holders(const rhi_selection *selection, rhi_held *groups, uint64_t count,
                             uint64_t limit)
{
    search s = {.selection = selection, .groups = groups, .count = count, .limit = limit};
    RHI_TRY(rhi__cycle_facts(selection->session, selection->graph));
    return find(&s, true);
}

rhi_error *rhi__find_word_holders(const rhi_selection *selection, rhi_held *groups, uint64_t count,
                                  uint64_t limit)
{
    search s = {.selection = selection, .groups = groups, .count = count, .limit = limit};
    return find(&s, false);
}

void rhi__name_held(const rhi_selection *selection, rhi_held *groups, uint64_t count)
{
    rhi_holders all = {0};
    uint64_t next = 0;
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < groups[i].rows.count; k++)
            if (!rhi__array_reserve(&all, 1)) {
                free(all.items);
                /* said in the answer: they stay without names */
                selection->reader->memory->is_short = true;
                return;
            } else {
                all.items[all.count++] = groups[i].rows.items[k];
            }
    rhi__name_holders(selection->session, selection->reader, &all, all.count);
    for (uint64_t i = 0; i < count; i++)
        for (uint64_t k = 0; k < groups[i].rows.count; k++)
            groups[i].rows.items[k] = all.items[next++];
    free(all.items);
}
