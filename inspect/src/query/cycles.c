/* cycles.c - the tables `cycles` and `cycle_members`, as `gcgraph` has them (see tables.h). */
#include "query/tables.h"
#include "questions/held.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct cycle_rows {
    rhi_rows rows;
    uint32_t cycle, cycle_end; /* the row's cycle, and where to stop */
    uint32_t member;           /* of members: its place in graph->cycle_member */
    rhi_found found;
    uint64_t found_at; /* members that are looked up: the next one */
    bool by_object;
} cycle_rows;

/* Its first member is in a wanted heap, as in gcgraph. */
static bool is_wanted(const rhi_query *query, uint32_t cycle, uint32_t *heap)
{
    const rhi_graph *g = query->graph;
    uint64_t address = rhi__object_address(query->reader, g->cycle_member[g->cycle_start[cycle]]);
    const rhi_block *block = rhi__block_at(query->reader, address);
    *heap = block ? block->heap : 0;
    return block && rhi__heap_wanted(query->session, query->reader, block->heap);
}

static rhi_error *go_to_wanted(cycle_rows *c)
{
    uint32_t heap;
    for (; c->cycle < c->cycle_end && !is_wanted(c->rows.query, c->cycle, &heap); c->cycle++)
        if (c->cycle % 65536 == 0)
            RHI_TRY(rhi__progress(&c->rows.query->session->work, "choosing cycles", c->cycle,
                                  c->cycle_end));
    c->rows.is_end = c->cycle >= c->cycle_end;
    return NULL;
}

rhi_error *rhi__query_cycles(rhi_query *query)
{
    rhi_session *session = query->session;
    RHI_TRY(rhi__query_graph(query));
    RHI_TRY(rhi__graph_referrers(&session->work, query->graph));
    RHI_TRY(rhi__graph_cycles(&session->work, query->graph));
    return rhi__cycle_facts(session, query->graph);
}

uint32_t rhi__query_cycle(const rhi_query *query, uint32_t index)
{
    uint32_t heap, cycle = query->graph->cycle_of[index];
    return cycle != RHI_NO_OBJECT && is_wanted(query, cycle, &heap) ? cycle + 1 : 0;
}

/* Numbers of cycles begin with 1. */
static void choose_cycles(cycle_rows *c, const rhi_lookup *lookup, int key)
{
    uint32_t count = c->rows.query->graph->cycle_count;
    c->cycle = 0;
    c->cycle_end = count;
    if (lookup->column != key)
        return;
    bool is_one = lookup->value.kind == RHI_CELL_INTEGER && lookup->value.integer >= 1 &&
                  lookup->value.integer <= (int64_t)count;
    c->cycle = is_one ? (uint32_t)lookup->value.integer - 1 : 0;
    c->cycle_end = is_one ? c->cycle + 1 : 0;
}

static void end(rhi_rows *rows)
{
    free(((cycle_rows *)rows)->found.items);
}

/* ---- cycles --------------------------------------------------------------------------------- */

enum { CYCLE, VERDICT, OBJECTS, HEAP, GUESSED };

static const rhi_column cycle_columns[] = {
    {"cycle", RHI_COLUMN_INTEGER, 0, 1, "a number for this answer", 0},
    {"verdict", RHI_COLUMN_TEXT, 0, 0, "garbage: all counts come from inside; held", 0},
    {"objects", RHI_COLUMN_INTEGER, 0, 0, "how many are members", 0},
    {"heap", RHI_COLUMN_INTEGER, 0, 0, "of the first of them", 0},
    {"guessed", RHI_COLUMN_INTEGER, 0, 0, "1: the verdict rests on conservative fields", 0}};

static rhi_error *begin_cycles(rhi_rows *rows, const rhi_lookup *lookup)
{
    cycle_rows *c = (cycle_rows *)rows;
    RHI_TRY(rhi__query_cycles(rows->query));
    choose_cycles(c, lookup, CYCLE);
    RHI_TRY(go_to_wanted(c));
    rows->number = c->cycle;
    return NULL;
}

static rhi_error *next_cycle(rhi_rows *rows)
{
    cycle_rows *c = (cycle_rows *)rows;
    c->cycle++;
    RHI_TRY(go_to_wanted(c));
    rows->number = c->cycle;
    return NULL;
}

static rhi_error *cycle_cell(rhi_rows *rows, unsigned column, rhi_cell *cell)
{
    const cycle_rows *c = (const cycle_rows *)rows;
    const rhi_graph *g = rows->query->graph;
    uint32_t heap;
    switch (column) {
    case CYCLE:
        *cell = rhi__number_cell(c->cycle + 1ull);
        break;
    case VERDICT:
        *cell =
            rhi__text_cell(g->cycle_facts[c->cycle] & RHI_CYCLE_GARBAGE ? "garbage" : "held", true);
        break;
    case OBJECTS:
        *cell = rhi__number_cell(rhi__cycle_size(g, c->cycle));
        break;
    case HEAP:
        is_wanted(c->rows.query, c->cycle, &heap);
        *cell = rhi__number_cell(rows->query->reader->heaps.items[heap].number);
        break;
    default:
        *cell = rhi__number_cell(rhi__cycle_is_guessed(g, c->cycle));
    }
    return NULL;
}

const rhi_table rhi__cycles_table = {.name = "cycles",
                                     .doc = "the cycles of references, as gcgraph has them",
                                     .columns = cycle_columns,
                                     .column_count = sizeof cycle_columns / sizeof *cycle_columns,
                                     .order = RHI_NO_KEY,
                                     .cost = RHI_COST_GRAPH,
                                     .rows = 100000,
                                     .size = sizeof(cycle_rows),
                                     .begin = begin_cycles,
                                     .next = next_cycle,
                                     .cell = cycle_cell,
                                     .end = end};

/* ---- members -------------------------------------------------------------------------------- */

enum { MEMBER_CYCLE, MEMBER_OBJECT, MEMBER_ADDRESS, MEMBER_TYPE };

static const rhi_column member_columns[] = {
    {"cycle", RHI_COLUMN_INTEGER, 0, 100, "as in cycles", 0},
    {"object", RHI_COLUMN_TEXT, 0, 1, "the id of a member", 0},
    {"address", RHI_COLUMN_TEXT, 0, 1, "where it is", 0},
    {"type", RHI_COLUMN_TEXT, 0, 0, "its type", 0}};

static uint32_t member_of(const cycle_rows *c)
{
    return c->by_object ? c->found.items[c->found_at]
                        : c->rows.query->graph->cycle_member[c->member];
}

/* Goes to the next cycle where this one's members are over. */
static rhi_error *settle_member(cycle_rows *c)
{
    const rhi_graph *g = c->rows.query->graph;
    uint32_t heap;
    while (c->by_object && c->found_at < c->found.count &&
           ((c->cycle = g->cycle_of[c->found.items[c->found_at]]) == RHI_NO_OBJECT ||
            !is_wanted(c->rows.query, c->cycle, &heap)))
        c->found_at++;
    if (c->by_object) {
        c->rows.is_end = c->found_at >= c->found.count;
    } else if (!c->rows.is_end && c->member >= g->cycle_start[c->cycle + 1]) {
        c->cycle++;
        RHI_TRY(go_to_wanted(c));
        c->member = c->rows.is_end ? 0 : g->cycle_start[c->cycle];
    }
    c->rows.number = c->rows.is_end ? 0 : member_of(c); /* which is in one cycle */
    return NULL;
}

static rhi_error *begin_members(rhi_rows *rows, const rhi_lookup *lookup)
{
    cycle_rows *c = (cycle_rows *)rows;
    RHI_TRY(rhi__query_cycles(rows->query));
    c->found.count = c->found_at = 0;
    c->by_object = lookup->column == MEMBER_OBJECT || lookup->column == MEMBER_ADDRESS;
    if (c->by_object) {
        RHI_TRY(lookup->column == MEMBER_OBJECT
                    ? rhi__query_by_id(rows->query, &lookup->value, &c->found)
                    : rhi__query_by_address(rows->query, &lookup->value, &c->found));
        return settle_member(c);
    }
    choose_cycles(c, lookup, MEMBER_CYCLE);
    RHI_TRY(go_to_wanted(c));
    c->member = rows->is_end ? 0 : rows->query->graph->cycle_start[c->cycle];
    return settle_member(c);
}

static rhi_error *next_member(rhi_rows *rows)
{
    cycle_rows *c = (cycle_rows *)rows;
    if (c->by_object)
        c->found_at++;
    else
        c->member++;
    return settle_member(c);
}

static rhi_error *member_cell(rhi_rows *rows, unsigned column, rhi_cell *cell)
{
    const cycle_rows *c = (const cycle_rows *)rows;
    rhi_query *query = rows->query;
    uint32_t index = member_of(c);
    rhi_object object;
    *cell = rhi__null_cell();
    if (column == MEMBER_CYCLE) {
        *cell = rhi__number_cell(c->cycle + 1ull);
    } else if (column == MEMBER_OBJECT) {
        rhi__index_id(query->session, query->reader, index, rows->text, sizeof rows->text);
        *cell = rhi__text_cell(rows->text, false);
    } else if (column == MEMBER_ADDRESS) {
        snprintf(rows->text, sizeof rows->text, "0x%" PRIx64,
                 rhi__object_address(query->reader, index));
        *cell = rhi__text_cell(rows->text, false);
    } else if (rhi__object_at_index(query->session, query->reader, index, &object)) {
        *cell = rhi__text_cell(rhi__type_name(query->reader, object.type), true);
    }
    return NULL;
}

const rhi_table rhi__cycle_members_table = {.name = "cycle_members",
                                            .doc = "the objects of each cycle",
                                            .columns = member_columns,
                                            .column_count =
                                                sizeof member_columns / sizeof *member_columns,
                                            .order = RHI_NO_KEY,
                                            .cost = RHI_COST_GRAPH,
                                            .size = sizeof(cycle_rows),
                                            .begin = begin_members,
                                            .next = next_member,
                                            .cell = member_cell,
                                            .end = end};
