/* verdicts.c - the tables `leaks` and `stale`, as `gcleaks` and `gcstale` have them (see tables.h).
 */
#include "query/listed.h"
#include "query/tables.h"
#include "questions/gcleaks.h"
#include "questions/gcstale.h"
#include "render/gcleaks.h"
#include "render/gcstale.h"

/* ---- leaks ---------------------------------------------------------------------------------- */

static const rhi_column leak_columns[] = {
    {"cause", RHI_COLUMN_TEXT, 0, 0, "cycle, lost_reference, dependent, lost_block", 0},
    {"representative", RHI_COLUMN_TEXT, 0, 0, "the object that stands for the group", 0},
    {"representative_address", RHI_COLUMN_TEXT, 0, 0, "where it is", 0},
    {"count", RHI_COLUMN_INTEGER, 0, 0, "objects of the group", 0},
    {"bytes", RHI_COLUMN_INTEGER, 0, 0, "their bytes", 0},
    {"retained", RHI_COLUMN_INTEGER, 0, 0, "bytes that nothing outside the group reaches", 0},
    {"counts_lost", RHI_COLUMN_INTEGER, 0, 0, "counts without an owner", 0},
    {"of", RHI_COLUMN_TEXT, 0, 0, "of dependents: the representative of the group that holds them",
     0},
    {"guessed", RHI_COLUMN_INTEGER, 0, 0, "1: it rests on conservative fields", 0},
    {"value", RHI_COLUMN_TEXT, 0, 0, "what the representative holds, short", 0},
    {"site_file", RHI_COLUMN_TEXT, 0, 0, "the file whose line made it; null: not known",
     "site.file"},
    {"site_line", RHI_COLUMN_INTEGER, 0, 0, "that line", "site.line"},
    {"site_function", RHI_COLUMN_TEXT, 0, 0, "and its function", "site.function"}};

static void free_leaks(void *value)
{
    if (value)
        rhi__gcleaks_free(value);
    free(value);
}

static rhi_error *find_leaks(void *context, void *value)
{
    rhi_query *query = context;
    rhi_gcleaks *answer = value;
    RHI_TRY(rhi__query_leaks(query)); /* says what that rests on */
    RHI_TRY(rhi__gcleaks(query->session, true, UINT64_MAX, answer));
    answer->limit = 0; /* of the members that a row names: none */
    return NULL;
}

static rhi_error *gather_leaks(rhi_listed *l, const rhi_lookup *lookup)
{
    rhi_query *query = l->rows.query;
    (void)lookup;
    RHI_TRY(rhi__kept_or_made(&query->kept, sizeof(rhi_gcleaks), find_leaks, query, free_leaks,
                              &l->answer));
    l->count = ((const rhi_gcleaks *)l->answer)->each.count;
    return NULL;
}

static json_t *leak_row(rhi_listed *l, uint64_t number)
{
    return rhi__leak_json(l->answer, number);
}

static const rhi_list leaks = {.gather = gather_leaks, .row = leak_row};
const rhi_table rhi__leaks_table = {.name = "leaks",
                                    .doc = "groups of what is leaked, as gcleaks --json has them",
                                    .cost = RHI_COST_SEARCH,
                                    .rows = 1000,
                                    RHI_LISTED(&leaks, leak_columns)};

/* ---- stale ---------------------------------------------------------------------------------- */

static const rhi_column stale_columns[] = {
    {"certainty", RHI_COLUMN_TEXT, 0, 0, "stale; possible: it may be a leftover", 0},
    {"kind", RHI_COLUMN_TEXT, 0, 0, "what holds it: field, root, global, local, …", "holder.kind"},
    {"holder", RHI_COLUMN_TEXT, 0, 0, "the object that it is in; null: in none", "holder.from"},
    {"name", RHI_COLUMN_TEXT, 0, 0, "of the field, variable, register", "holder.name"},
    {"holder_address", RHI_COLUMN_TEXT, 0, 0, "where the word is", "holder.address"},
    {"function", RHI_COLUMN_TEXT, 0, 0, "of a variable", "holder.function"},
    {"thread", RHI_COLUMN_INTEGER, 0, 0, "of a stack or register", "holder.thread"},
    {"address", RHI_COLUMN_TEXT, 0, 0, "of the slot that it leads to", 0},
    {"was", RHI_COLUMN_TEXT, 0, 0, "who died there; null: not known", 0},
    {"now", RHI_COLUMN_TEXT, 0, 0, "who lives there", 0},
    {"evidence", RHI_COLUMN_TEXT, 0, 0, "why it is stale: freed slot, no object, …", 0},
    {"reason", RHI_COLUMN_TEXT, 0, 0, "of the death: release, collect, destroy, unknown", 0},
    {"was_file", RHI_COLUMN_TEXT, 0, 0, "the file whose line made who died", "was_site.file"},
    {"was_line", RHI_COLUMN_INTEGER, 0, 0, "that line", "was_site.line"},
    {"death_function", RHI_COLUMN_TEXT, 0, 0, "where it died", "place.function"},
    {"death_file", RHI_COLUMN_TEXT, 0, 0, "in which file", "place.file"},
    {"death_line", RHI_COLUMN_INTEGER, 0, 0, "at which line", "place.line"}};

static void free_stale(void *value)
{
    if (value)
        rhi__gcstale_free(value);
    free(value);
}

static rhi_error *find_stale(void *context, void *answer)
{
    return rhi__gcstale(((const rhi_query *)context)->session, UINT64_MAX, answer);
}

static rhi_error *gather_stale(rhi_listed *l, const rhi_lookup *lookup)
{
    rhi_query *query = l->rows.query;
    (void)lookup;
    RHI_TRY(rhi__kept_or_made(&query->kept, sizeof(rhi_gcstale), find_stale, query, free_stale,
                              &l->answer));
    const rhi_gcstale *answer = l->answer;
    l->count = answer->certain.holders.count + answer->possible.holders.count;
    return NULL;
}

static json_t *stale_row(rhi_listed *l, uint64_t number)
{
    const rhi_gcstale *answer = l->answer;
    bool is_certain = number < answer->certain.holders.count;
    const rhi_stale_rows *rows = is_certain ? &answer->certain : &answer->possible;
    number -= is_certain ? 0 : answer->certain.holders.count;
    json_t *row = rhi__stale_json(answer, &rows->holders.items[number], &rows->verdicts[number]);
    json_object_set_new(row, "certainty", json_string(is_certain ? "stale" : "possible"));
    return row;
}

static const rhi_list stale = {.gather = gather_stale, .row = stale_row};
const rhi_table rhi__stale_table = {.name = "stale",
                                    .doc = "pointers to where an object was, as gcstale has them",
                                    .cost = RHI_COST_SEARCH,
                                    .rows = 1000,
                                    RHI_LISTED(&stale, stale_columns)};
