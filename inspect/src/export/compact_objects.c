/* compact_objects.c - a row for each object (see compact.h). */
#include "export/compact.h"
#include "query/tables.h"
#include "words/edges.h"

#include <inttypes.h>
#include <stdio.h>

/* Parameters of the statement, of columns that are as gcquery has them. */
enum { NUMBER = 1, ID, KIND, SERIAL, ADDRESS, PLACE, SITE = 10, VALUE, CYCLE = 17 };
static const struct column {
    const char *name;
    int parameter;
} columns[] = {{"id", ID},        {"serial", SERIAL}, {"address", ADDRESS}, {"size", 7},
               {"refcount", 8},   {"heap", 9},        {"value", VALUE},     {"retained", 12},
               {"reachable", 13}, {"garbage", 14},    {"leaked", 15},       {"referrers", 16}};
enum { COLUMNS = sizeof columns / sizeof *columns };

typedef struct objects {
    rhi_compact *compact;
    sqlite3_stmt *put;
    unsigned numbers[COLUMNS]; /* of these in the table of gcquery */
    unsigned type, qualified, format, state, site_file, site_line, site_function;
} objects;

static rhi_error *bind_number(const objects *o, int parameter, int64_t number)
{
    const rhi_cell cell = {.kind = RHI_CELL_INTEGER, .integer = number};
    return rhi__database_bind(o->compact->database, o->put, parameter, &cell);
}

static rhi_error *bind_text(const objects *o, int parameter, const char *text)
{
    const rhi_cell cell = rhi__text_cell(text[0] ? text : NULL, false);
    return rhi__database_bind(o->compact->database, o->put, parameter, &cell);
}

static rhi_error *bind_place(const objects *o, uint32_t index)
{
    const rhi_query *query = &o->compact->database->export->query;
    uint32_t cycle = rhi__query_cycle(query, index);
    RHI_TRY(bind_number(o, NUMBER, rhi__compact_number(index)));
    RHI_TRY(bind_number(o, PLACE, (int64_t)rhi__object_address(query->reader, index)));
    return cycle ? bind_number(o, CYCLE, cycle) : NULL;
}

static rhi_error *bind_shared(const objects *o, int parameter, rhi_dictionary *dictionary,
                              const rhi_cell *values, unsigned count)
{
    int64_t number;
    RHI_TRY(rhi__dictionary_number(dictionary, values, count, &number));
    return bind_number(o, parameter, number);
}

static rhi_error *bind_kind_and_site(objects *o, rhi_rows *rows)
{
    rhi_error *(*cell)(rhi_rows * rows, unsigned column, rhi_cell *cell) = rows->table->cell;
    rhi_cell kind[4], site[3];
    RHI_TRY(cell(rows, o->type, &kind[0]));
    RHI_TRY(cell(rows, o->qualified, &kind[1]));
    RHI_TRY(cell(rows, o->format, &kind[2]));
    RHI_TRY(cell(rows, o->state, &kind[3]));
    RHI_TRY(bind_shared(o, KIND, &o->compact->kinds, kind, 4));
    RHI_TRY(cell(rows, o->site_file, &site[0]));
    if (site[0].kind == RHI_CELL_NULL)
        return NULL;
    RHI_TRY(cell(rows, o->site_line, &site[1]));
    RHI_TRY(cell(rows, o->site_function, &site[2]));
    return bind_shared(o, SITE, &o->compact->sites, site, 3);
}

static rhi_error *put_object(void *context, rhi_rows *rows)
{
    objects *o = context;
    rhi_cell cell;
    sqlite3_clear_bindings(o->put);
    for (unsigned i = 0; i < COLUMNS; i++) {
        RHI_TRY(rows->table->cell(rows, o->numbers[i], &cell));
        if (cell.kind != RHI_CELL_NULL)
            RHI_TRY(rhi__database_bind(o->compact->database, o->put, columns[i].parameter, &cell));
    }
    RHI_TRY(bind_place(o, (uint32_t)rows->number));
    RHI_TRY(bind_kind_and_site(o, rows));
    o->compact->database->export->objects++;
    return rhi__database_put(o->compact->database, o->put);
}

static rhi_error *open_statement(rhi_compact *compact, objects *o)
{
    *o = (objects){.compact = compact};
    return rhi__database_prepare(
        compact->database,
        "INSERT INTO object_rows VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
        "?17)",
        &o->put);
}

rhi_error *rhi__compact_objects(rhi_compact *compact)
{
    const rhi_table *table = &rhi__objects_table;
    rhi_query *query = &compact->database->export->query;
    const rhi_lookup all = {.column = RHI_NO_KEY};
    objects o;
    RHI_TRY(open_statement(compact, &o));
    for (unsigned i = 0; i < COLUMNS; i++)
        o.numbers[i] = rhi__column(table, columns[i].name);
    o.type = rhi__column(table, "type");
    o.qualified = rhi__column(table, "qualified");
    o.format = rhi__column(table, "format");
    o.state = rhi__column(table, "state");
    o.site_file = rhi__column(table, "site_file");
    o.site_line = rhi__column(table, "site_line");
    o.site_function = rhi__column(table, "site_function");
    rhi_error *error = rhi__query_cycles(query);
    if (!error)
        error = rhi__each_row(query, table, &all, put_object, &o);
    sqlite3_finalize(o.put);
    return error;
}

/* ---- of heaps that are left out ------------------------------------------------------------- */

static rhi_error *put_mentioned(objects *o, uint32_t index)
{
    const rhi_query *query = &o->compact->database->export->query;
    rhi_reader *reader = query->reader;
    rhi_object object;
    char text[RHI_VALUE_SIZE + RHI_ID_SIZE];
    sqlite3_clear_bindings(o->put);
    RHI_TRY(bind_place(o, index));
    snprintf(text, sizeof text, "0x%" PRIx64, rhi__object_address(reader, index));
    RHI_TRY(bind_text(o, ADDRESS, text));
    if (rhi__object_at_index(query->session, reader, index, &object)) {
        const rhi_type *type =
            object.type < reader->types.count ? &reader->types.items[object.type] : NULL;
        const rhi_cell kind[] = {
            rhi__text_cell(rhi__type_name(reader, object.type), true),
            rhi__text_cell(type && type->qualified[0] ? type->qualified : NULL, true),
            rhi__text_cell(rhi__format_of(reader, object.heap)->name, true),
            rhi__text_cell(rhi__state_word(&object), true)};
        rhi__object_id(reader, &object, text, sizeof text);
        RHI_TRY(bind_text(o, ID, text));
        RHI_TRY(bind_shared(o, KIND, &o->compact->kinds, kind, 4));
        rhi__value(reader, &object, text);
        RHI_TRY(text[0] ? bind_text(o, VALUE, text + 1) : NULL);
    }
    return rhi__database_put(o->compact->database, o->put);
}

rhi_error *rhi__compact_mentioned(rhi_compact *compact)
{
    rhi_query *query = &compact->database->export->query;
    objects o;
    RHI_TRY(open_statement(compact, &o));
    rhi_error *error = NULL;
    for (uint32_t i = 0; query->session->has_heap && i < query->count && !error; i++) {
        bool is_member = rhi__query_cycle(query, i) != 0;
        if (i % 65536 == 0)
            error = rhi__progress(&query->session->work, "writing objects", i, query->count);
        if (!error && !rhi__is_exported(compact, i) &&
            (is_member || rhi__bit(compact->mentioned, i)))
            error = put_mentioned(&o, i);
    }
    sqlite3_finalize(o.put);
    return error;
}
