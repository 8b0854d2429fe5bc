/* sqlite.c - `.sqlite`: the tables of gcquery as real ones, with an index for each key (see
 * export.h).
 *
 * SQLite itself fills them out of the virtual tables, so that a file says what gcquery says.
 * Invariant: it is written in one transaction without a journal: nobody reads it before it is
 * whole. What is sorted for an index and does not fit in SQLite's cache lies in temporary files of
 * SQLite's, which have no names either. */
#include "export/formats.h"
#include "export/sqlite_file.h"
#include "query/module.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_BETWEEN = 100000, SQL_SIZE = 4096, TABLES_MAX = 16 };
/* Of the virtual table beside that of the same name in the file. */
#define HEAP_PREFIX "heap_"

typedef struct database {
    rhi_export *export;
    sqlite3 *sqlite;
    rhi_sqlite_file file;
    rhi_error *error; /* ours, which SQLite knows nothing of */
    bool is_declared; /* see module.h */
    rhi_module modules[TABLES_MAX];
    char names[TABLES_MAX][32];
    const char *doing; /* for progress */
} database;

/* ---- the file ------------------------------------------------------------------------------- */

static int must_stop(void *context)
{
    database *d = context;
    rhi_error *error = rhi__progress(&d->export->query.session->work, d->doing, 0, 0);
    if (error && !d->error)
        d->error = error;
    else if (error)
        rhi__error_free(error);
    return d->error != NULL || d->export->query.session->has_changed;
}

/* What failed: ours, or SQLite's. */
static rhi_error *wrong(database *d, int status)
{
    rhi_error *error = d->error;
    d->error = NULL;
    if (error)
        return error;
    if (d->export->query.session->has_changed)
        return rhi__error("it changed while it was read: nothing was written");
    if (status == SQLITE_NOMEM)
        return rhi__error_memory();
    errno = d->file.wrong;
    if (errno)
        return rhi__file_error(d->export->output);
    return rhi__error("cannot write %.300s: %.200s", d->export->path,
                      d->sqlite ? sqlite3_errmsg(d->sqlite) : sqlite3_errstr(status));
}

static rhi_error *run(database *d, const char *sql)
{
    int status = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);
    return status == SQLITE_OK && !d->error ? NULL : wrong(d, status);
}

/* shown(value): of a text what people may be shown, as in every answer; whoever asks the file has
 * no engine in between. */
static void show_value(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *text = NULL;
    size_t size = 0, at = 0;
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_TEXT) {
        text = (const char *)sqlite3_value_text(values[0]);
        size = (size_t)sqlite3_value_bytes(values[0]);
    }
    while (at < size && text[at] >= ' ' && text[at] != 0x7f) /* beyond ASCII: char is signed */
        at++;
    if (at == size) {
        sqlite3_result_value(context, values[0]);
        return;
    }
    char *clean = sqlite3_malloc64(size);
    if (!clean) {
        sqlite3_result_error_nomem(context);
        return;
    }
    memcpy(clean, text, size);
    sqlite3_result_text64(context, clean, rhi__clean(clean, size), sqlite3_free, SQLITE_UTF8);
}

static rhi_error *open_database(database *d)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    int status = rhi__sqlite_file_add(&d->file, rhi__file_descriptor(d->export->output));
    if (status == SQLITE_OK)
        status = sqlite3_open_v2("heap", &d->sqlite, flags, d->file.files.zName);
    if (status != SQLITE_OK)
        return wrong(d, status);
    sqlite3_progress_handler(d->sqlite, STEPS_BETWEEN, must_stop, d);
    const int kind = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    if (sqlite3_create_function_v2(d->sqlite, "shown", 1, kind, NULL, show_value, NULL, NULL,
                                   NULL) != SQLITE_OK)
        return rhi__error_memory();
    const rhi_table *table;
    for (unsigned i = 0; (table = rhi__table(i)) && i < TABLES_MAX; i++) {
        snprintf(d->names[i], sizeof d->names[i], HEAP_PREFIX "%s", table->name);
        d->modules[i] = (rhi_module){.table = table,
                                     .name = d->names[i],
                                     .query = &d->export->query,
                                     .error = &d->error,
                                     .is_declared = &d->is_declared};
        if (rhi__module_add(d->sqlite, &d->modules[i]) != SQLITE_OK)
            return rhi__error_memory();
    }
    return run(d, "PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; "
                  "PRAGMA cache_size=-65536; PRAGMA application_id=0x72656668; BEGIN");
}

static void close_database(database *d)
{
    sqlite3_close(d->sqlite);
    rhi__sqlite_file_remove(&d->file);
    rhi__error_free(d->error);
}

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
    snprintf(sql + used, sizeof sql - used, " FROM " HEAP_PREFIX "%s", table->name);
    d->doing = "writing";
    RHI_TRY(run(d, sql));
    uint64_t rows = (uint64_t)sqlite3_changes64(d->sqlite);
    if (strcmp(table->name, "objects") == 0)
        d->export->objects = rows;
    else if (strcmp(table->name, "refs") == 0)
        d->export->references = rows;
    return NULL;
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
        RHI_TRY(run(d, sql));
    }
    return NULL;
}

/* ---- what it is of -------------------------------------------------------------------------- */

static rhi_error *add_fact(database *d, const char *name, const char *text, uint64_t number)
{
    char *sql = text ? sqlite3_mprintf("INSERT INTO about VALUES(%Q, shown(%Q))", name, text)
                     : sqlite3_mprintf("INSERT INTO about VALUES(%Q, %llu)", name,
                                       (unsigned long long)number);
    rhi_error *error = sql ? run(d, sql) : rhi__error_memory();
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
    RHI_TRY(run(d, "CREATE TABLE caveats(kind TEXT, text TEXT)"));
    for (uint64_t i = 0; i < caveats->count; i++) {
        char *sql = sqlite3_mprintf("INSERT INTO caveats VALUES(%Q, shown(%Q))",
                                    caveats->items[i].kind, caveats->items[i].text);
        rhi_error *error = sql ? run(d, sql) : rhi__error_memory();
        sqlite3_free(sql);
        if (error)
            return error;
    }
    return run(d, "INSERT INTO about SELECT 'caveats', "
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
    RHI_TRY(run(d, "CREATE TABLE about(name TEXT PRIMARY KEY, value) WITHOUT ROWID"));
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
    rhi_error *error = open_database(&d);
    for (unsigned i = 0; !error && (table = rhi__table(i)); i++)
        error = fill_table(&d, table);
    for (unsigned i = 0; !error && (table = rhi__table(i)); i++)
        error = add_indices(&d, table);
    if (!error)
        error = add_about(&d);
    if (!error)
        error = run(&d, "COMMIT");
    close_database(&d);
    return error;
}

const rhi_export_format rhi__sqlite_format = {
    .next = "ask it by sqlite3 FILE 'select …': the tables are those of gcquery --tables",
    .needs = RHI_EXPORT_VERDICTS,
    .write = write};
