/* sqlite.c - `.sqlite`: the tables of gcquery, with an index for each key (see export.h).
 *
 * Small ones are real: SQLite itself fills them out of the virtual tables, so that a file says what
 * gcquery says. Large ones are views over tables that take less room (compact.h). */
#include "export/compact.h"
#include "export/formats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_SIZE = 4096 };

typedef rhi_database database;

/* ---- tables --------------------------------------------------------------------------------- */

/* As they are declared, or as they are asked for. */
static size_t add_columns(char *sql, size_t used, const rhi_table *table, bool declared)
{
    static const char *const types[] = {" TEXT", " INTEGER", ""};
    for (unsigned i = 0; i < table->column_count; i++) {
        const rhi_column *column = &table->columns[i];
        bool is_number = column->type == RHI_COLUMN_INTEGER;
        used += (size_t)snprintf(sql + used, SQL_SIZE - used,
                                 declared || is_number ? "%s\"%s\"%s" : "%sshown(\"%s\")%s",
                                 i ? "," : "", column->name, declared ? types[column->type] : "");
    }
    return used;
}

/* Every column, those that cost too. */
static rhi_error *fill_table(database *d, const rhi_table *table)
{
    char sql[SQL_SIZE];
    size_t used = (size_t)snprintf(sql, sizeof sql, "CREATE TABLE \"%s\"(", table->name);
    used = add_columns(sql, used, table, true);
    used += (size_t)snprintf(sql + used, sizeof sql - used, "); INSERT INTO \"%s\" SELECT ",
                             table->name);
    used = add_columns(sql, used, table, false);
    snprintf(sql + used, sizeof sql - used, " FROM " RHI_HEAP_PREFIX "%s", table->name);
    d->doing = "writing";
    return rhi__database_run(d, sql);
}

static rhi_error *add_indices(database *d, const rhi_table *table)
{
    char sql[SQL_SIZE];
    d->doing = "sorting";
    for (unsigned i = 0; i < table->column_count; i++) {
        const char *column = table->columns[i].name;
        if (!table->columns[i].rows)
            continue;
        snprintf(sql, sizeof sql, "CREATE INDEX \"%s_%s\" ON \"%s\"(\"%s\")", table->name, column,
                 table->name, column);
        RHI_TRY(rhi__database_run(d, sql));
    }
    return NULL;
}

/* ---- what it is of -------------------------------------------------------------------------- */

static rhi_error *add_fact(database *d, const char *name, const char *text, uint64_t number)
{
    char *sql = text ? sqlite3_mprintf("INSERT INTO about VALUES(%Q, shown(%Q))", name, text)
                     : sqlite3_mprintf("INSERT INTO about VALUES(%Q, %llu)", name,
                                       (unsigned long long)number);
    rhi_error *error = sql ? rhi__database_run(d, sql) : rhi__error_memory();
    sqlite3_free(sql);
    return error;
}

/* A path is whole: whoever asks the file is in another folder, and may be on another machine. */
static rhi_error *add_program(database *d)
{
    const rhi_exported_program who = rhi__export_program(d->export);
    char *whole = who.core ? realpath(who.core, NULL) : NULL;
    rhi_error *error = who.core ? add_fact(d, "core", whole ? whole : who.core, 0) : NULL;
    free(whole);
    if (!error && who.process.pid)
        error = add_fact(d, "process", NULL, who.process.pid);
    if (!error && who.process.name[0])
        error = add_fact(d, "program", who.process.name, 0);
    return error;
}

/* A row for each, the weightiest first, and all of them in one line of `about`. */
static rhi_error *fill_caveats(database *d, const rhi_caveats *caveats)
{
    RHI_TRY(rhi__database_run(d, "CREATE TABLE caveats(kind TEXT, text TEXT)"));
    for (uint64_t i = 0; i < caveats->count; i++) {
        char *sql = sqlite3_mprintf("INSERT INTO caveats VALUES(%Q, shown(%Q))",
                                    caveats->items[i].kind, caveats->items[i].text);
        rhi_error *error = sql ? rhi__database_run(d, sql) : rhi__error_memory();
        sqlite3_free(sql);
        if (error)
            return error;
    }
    return rhi__database_run(d,
                             "INSERT INTO about SELECT 'caveats', "
                             "ifnull(group_concat(kind || ': ' || text, '; '), '') FROM caveats");
}

static rhi_error *add_caveats(database *d)
{
    rhi_caveats caveats = {0};
    rhi_error *error = rhi__export_caveats(d->export, &caveats);
    if (!error)
        error = fill_caveats(d, &caveats);
    rhi__caveats_free(&caveats);
    return error;
}

/* Last: by then it is known what was not read. */
static rhi_error *add_about(database *d)
{
    rhi_export *export = d->export;
    const rhi_session *session = export->query.session;
    RHI_TRY(rhi__database_run(d, "CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID"));
    RHI_TRY(add_program(d));
    RHI_TRY(add_fact(d, "complete", NULL, rhi__complete_so_far(export->query.session)));
    RHI_TRY(add_fact(d, "provisional", NULL, rhi__is_provisional(session)));
    RHI_TRY(add_fact(d, "decided", NULL, export->query.leaks->is_decided));
    RHI_TRY(add_caveats(d));
    return add_fact(d, "objects", NULL, export->objects);
}

static rhi_error *write(rhi_export *export)
{
    database d = {.export = export, .doing = "writing"};
    const rhi_table *table;
    rhi_error *error = rhi__database_open(&d);
    if (!error)
        error = rhi__compact_fill(&d);
    for (unsigned i = 0; !error && (table = rhi__table(i)); i++)
        error = rhi__is_compact(table) ? NULL : fill_table(&d, table);
    if (!error)
        error = rhi__compact_finish(&d);
    for (unsigned i = 0; !error && (table = rhi__table(i)); i++)
        error = rhi__is_compact(table) ? NULL : add_indices(&d, table);
    if (!error)
        error = add_about(&d);
    if (!error)
        error = rhi__database_run(&d, "COMMIT");
    rhi__database_close(&d);
    return error;
}

const rhi_export_format rhi__sqlite_format = {
    .next = "ask it by sqlite3 FILE 'select …': the tables are those of gcquery --tables",
    .needs = RHI_EXPORT_VERDICTS,
    .write = write};
