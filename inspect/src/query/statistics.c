/* statistics.c - the tables `types`, `sites` and `heaps`, as `gcstat` has them (see tables.h). */
#include "query/listed.h"
#include "query/tables.h"
#include "questions/gcstat.h"
#include "render/gcstat.h"

/* ---- the answers of gcstat, kept as long as the question ------------------------------------ */

static void free_answer(void *value)
{
    if (value)
        rhi__gcstat_free(value);
    free(value);
}
/* One each of: with what is retained, with lines, with both. */
static void free_with_retained(void *value)
{
    free_answer(value);
}
static void free_with_sites(void *value)
{
    free_answer(value);
}
static void free_with_both(void *value)
{
    free_answer(value);
}

typedef struct asked {
    rhi_query *query;
    bool retained, sites;
} asked;

static rhi_error *make_answer(void *context, void *answer)
{
    const asked *a = context;
    if (a->retained)
        RHI_TRY(rhi__query_graph(a->query)); /* says what that rests on */
    return rhi__gcstat(a->query->session, a->retained, a->sites, UINT64_MAX, answer);
}

static rhi_error *answer_of(rhi_listed *l, bool retained, bool sites, const rhi_gcstat **answer)
{
    asked a = {.query = l->rows.query, .retained = retained, .sites = sites};
    rhi_free keep = retained && sites ? free_with_both
                    : retained        ? free_with_retained
                    : sites           ? free_with_sites
                                      : free_answer;
    RHI_TRY(rhi__kept_or_made(&a.query->kept, sizeof **answer, make_answer, &a, keep, &l->answer));
    *answer = l->answer;
    return NULL;
}

static void add_heap(json_t *row, const rhi_gcstat *answer, uint32_t heap)
{
    const rhi_heap_info *info = &answer->reader->heaps.items[heap];
    json_object_set_new(row, "heap", rhi__json_u64(info->number));
    json_object_set_new(row, "format", json_string(info->format->name));
}

/* Is one of the columns wanted that need it? */
static bool wants_retained(const rhi_rows *rows)
{
    for (unsigned i = 0; i < rows->table->column_count; i++)
        if (rows->table->columns[i].cost == RHI_COST_RETAINED && rhi__wants(rows, i))
            return true;
    return false;
}

/* ---- types ---------------------------------------------------------------------------------- */

static const rhi_column type_columns[] = {
    {"type", RHI_COLUMN_TEXT, 0, 0, "its name", 0},
    {"qualified", RHI_COLUMN_TEXT, 0, 0, "with the module: app.User", 0},
    {"heap", RHI_COLUMN_INTEGER, 0, 0, "the heap in which its objects are", 0},
    {"format", RHI_COLUMN_TEXT, 0, 0, "refheap, python", 0},
    {"count", RHI_COLUMN_INTEGER, 0, 0, "how many objects", 0},
    {"bytes", RHI_COLUMN_INTEGER, 0, 0, "their bytes", 0},
    {"retained", RHI_COLUMN_INTEGER, RHI_COST_RETAINED, 0, "bytes that would go if they went", 0},
    {"sample", RHI_COLUMN_TEXT, RHI_COST_RETAINED, 0, "the object that retains most", 0},
    {"sample_value", RHI_COLUMN_TEXT, RHI_COST_RETAINED, 0, "what that holds, short", 0}};

static rhi_error *gather_types(rhi_listed *l, const rhi_lookup *lookup)
{
    const rhi_gcstat *answer;
    (void)lookup;
    RHI_TRY(answer_of(l, wants_retained(&l->rows), false, &answer));
    for (uint64_t i = 0; i < answer->count; i++)
        l->count += answer->statistics->heaps[answer->heaps[i]].rows.count;
    return NULL;
}

static json_t *type_row(rhi_listed *l, uint64_t number)
{
    const rhi_gcstat *answer = l->answer;
    uint64_t place = 0;
    while (number >= answer->statistics->heaps[answer->heaps[place]].rows.count)
        number -= answer->statistics->heaps[answer->heaps[place++]].rows.count;
    uint32_t heap = answer->heaps[place];
    const rhi_tally *tally = &answer->statistics->heaps[heap].rows.items[number];
    const char *qualified = answer->reader->types.items[tally->type].qualified;
    json_t *row = rhi__type_row_json(answer, tally);
    add_heap(row, answer, heap);
    json_object_set_new(row, "qualified", qualified[0] ? rhi__json_text(qualified) : json_null());
    return row;
}

static const rhi_list types = {.gather = gather_types, .row = type_row};
const rhi_table rhi__types_table = {.name = "types",
                                    .doc = "the types of each heap, as gcstat has them",
                                    .rows = 1000,
                                    RHI_LISTED(&types, type_columns)};

/* ---- sites ---------------------------------------------------------------------------------- */

static const rhi_column site_columns[] = {
    {"file", RHI_COLUMN_TEXT, 0, 0, "the file of a line that made objects", 0},
    {"line", RHI_COLUMN_INTEGER, 0, 0, "the line", 0},
    {"function", RHI_COLUMN_TEXT, 0, 0, "its function; null: not known", 0},
    {"heap", RHI_COLUMN_INTEGER, 0, 0, "the heap in which they are", 0},
    {"format", RHI_COLUMN_TEXT, 0, 0, "refheap, python", 0},
    {"objects", RHI_COLUMN_INTEGER, 0, 0, "how many there are", 0},
    {"bytes", RHI_COLUMN_INTEGER, 0, 0, "their bytes", 0},
    {"retained", RHI_COLUMN_INTEGER, RHI_COST_RETAINED, 0, "bytes that would go if they went", 0},
    {"sample", RHI_COLUMN_TEXT, RHI_COST_RETAINED, 0, "the object that retains most", 0},
    {"sample_value", RHI_COLUMN_TEXT, RHI_COST_RETAINED, 0, "what that holds, short", 0}};

static rhi_error *gather_sites(rhi_listed *l, const rhi_lookup *lookup)
{
    const rhi_gcstat *answer;
    (void)lookup;
    RHI_TRY(answer_of(l, wants_retained(&l->rows), true, &answer));
    l->count = answer->sites.count;
    return NULL;
}

static json_t *site_row(rhi_listed *l, uint64_t number)
{
    const rhi_gcstat *answer = l->answer;
    json_t *row = rhi__site_row_json(answer, &answer->sites.items[number]);
    add_heap(row, answer, answer->sites.items[number].heap);
    return row;
}

static const rhi_list sites = {.gather = gather_sites, .row = site_row};
const rhi_table rhi__sites_table = {.name = "sites",
                                    .doc = "the lines that made objects which live, as gcstat "
                                           "--sites has them",
                                    .rows = 1000,
                                    RHI_LISTED(&sites, site_columns)};

/* ---- heaps ---------------------------------------------------------------------------------- */

static const rhi_column heap_columns[] = {
    {"heap", RHI_COLUMN_INTEGER, 0, 0, "its number, as --heap takes it", 0},
    {"name", RHI_COLUMN_TEXT, 0, 0, "what it is called", 0},
    {"format", RHI_COLUMN_TEXT, 0, 0, "refheap, python", 0},
    {"objects", RHI_COLUMN_INTEGER, 0, 0, "how many there are", 0},
    {"bytes", RHI_COLUMN_INTEGER, 0, 0, "their bytes", 0},
    {"blocks", RHI_COLUMN_INTEGER, 0, 0, "blocks of memory that it has", 0},
    {"block_bytes", RHI_COLUMN_INTEGER, 0, 0, "their bytes", 0},
    {"fragmentation_percent", RHI_COLUMN_INTEGER, 0, 0, "of these, what no object uses", 0},
    {"damaged", RHI_COLUMN_INTEGER, 0, 0, "objects whose header makes no sense", 0},
    {"phase", RHI_COLUMN_TEXT, 0, 0, "what its collector is at: idle, marking, …", 0},
    {"collections", RHI_COLUMN_INTEGER, 0, 0, "how often it was; null: the format counts none",
     "collector.collections"},
    {"reclaimed", RHI_COLUMN_INTEGER, 0, 0, "objects that it found", "collector.reclaimed"},
    {"candidates", RHI_COLUMN_INTEGER, 0, 0, "objects that it will look at",
     "collector.candidates"}};

static rhi_error *gather_heaps(rhi_listed *l, const rhi_lookup *lookup)
{
    const rhi_gcstat *answer;
    (void)lookup;
    RHI_TRY(answer_of(l, false, false, &answer));
    l->count = answer->count;
    return NULL;
}

/* What a format calls its blocks is a key of its own in gcstat. */
static json_t *heap_row(rhi_listed *l, uint64_t number)
{
    const rhi_gcstat *answer = l->answer;
    const rhi_heap_tally *heap = &answer->statistics->heaps[answer->heaps[number]];
    json_t *row = rhi__heap_json(answer, number, 0);
    add_heap(row, answer, answer->heaps[number]);
    json_object_set_new(row, "blocks", rhi__json_u64(heap->blocks));
    json_object_set_new(row, "block_bytes", rhi__json_u64(heap->block_bytes));
    return row;
}

static const rhi_list heaps = {.gather = gather_heaps, .row = heap_row};
const rhi_table rhi__heaps_table = {.name = "heaps",
                                    .doc = "the heaps, as gcstat has them",
                                    .rows = 10,
                                    RHI_LISTED(&heaps, heap_columns)};
