/* database.c - opens the database of a `.sqlite` file, and runs statements in it (see database.h).
 *
 * What is sorted for an index and does not fit in SQLite's cache lies in temporary files of
 * SQLite's, which have no names either. */
#include "export/database.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS_BETWEEN = 100000 };

static int must_stop(void *context)
{
    rhi_database *d = context;
    rhi_error *error = rhi__progress(&d->export->query.session->work, d->doing, 0, 0);
    if (error && !d->error)
        d->error = error;
    else if (error)
        rhi__error_free(error);
    return d->error != NULL || d->export->query.session->has_changed;
}

/* What failed: ours, or SQLite's. */
static rhi_error *wrong(rhi_database *d, int status)
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

/* ---- statements ----------------------------------------------------------------------------- */

rhi_error *rhi__database_run(rhi_database *d, const char *sql)
{
    int status = sqlite3_exec(d->sqlite, sql, NULL, NULL, NULL);
    return status == SQLITE_OK && !d->error ? NULL : wrong(d, status);
}

rhi_error *rhi__database_prepare(rhi_database *d, const char *sql, sqlite3_stmt **statement)
{
    int status = sqlite3_prepare_v3(d->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    return status == SQLITE_OK ? NULL : wrong(d, status);
}

rhi_error *rhi__database_put(rhi_database *d, sqlite3_stmt *statement)
{
    int status = sqlite3_step(statement);
    sqlite3_reset(statement);
    return status == SQLITE_DONE && !d->error ? NULL : wrong(d, status);
}

/* ---- texts ---------------------------------------------------------------------------------- */

static bool is_plain(const char *text, size_t size)
{
    size_t at = 0;
    while (at < size && text[at] >= ' ' && text[at] != 0x7f) /* beyond ASCII: char is signed */
        at++;
    return at == size;
}

/* A copy for sqlite3_free; NULL: memory is short. */
static char *clean_copy(const char *text, size_t *size)
{
    char *clean = sqlite3_malloc64(*size + 1);
    if (!clean)
        return NULL;
    memcpy(clean, text, *size);
    *size = rhi__clean(clean, *size);
    return clean;
}

static int bind_text(sqlite3_stmt *statement, int parameter, const char *text, size_t size)
{
    if (is_plain(text, size))
        return sqlite3_bind_text64(statement, parameter, text, size, SQLITE_TRANSIENT, SQLITE_UTF8);
    char *clean = clean_copy(text, &size);
    return clean ? sqlite3_bind_text64(statement, parameter, clean, size, sqlite3_free, SQLITE_UTF8)
                 : SQLITE_NOMEM;
}

rhi_error *rhi__database_bind(rhi_database *d, sqlite3_stmt *statement, int parameter,
                              const rhi_cell *cell)
{
    int status =
        cell->kind == RHI_CELL_INTEGER ? sqlite3_bind_int64(statement, parameter, cell->integer)
        : cell->kind == RHI_CELL_REAL  ? sqlite3_bind_double(statement, parameter, cell->real)
        : cell->kind == RHI_CELL_TEXT  ? bind_text(statement, parameter, cell->text, cell->size)
                                       : sqlite3_bind_null(statement, parameter);
    return status == SQLITE_OK ? NULL : wrong(d, status);
}

/* shown(value) */
static void show_value(sqlite3_context *context, int count, sqlite3_value **values)
{
    const char *text = NULL;
    size_t size = 0;
    (void)count;
    if (sqlite3_value_type(values[0]) == SQLITE_TEXT) {
        text = (const char *)sqlite3_value_text(values[0]);
        size = (size_t)sqlite3_value_bytes(values[0]);
    }
    if (!text || is_plain(text, size)) {
        sqlite3_result_value(context, values[0]);
        return;
    }
    char *clean = clean_copy(text, &size);
    if (clean)
        sqlite3_result_text64(context, clean, size, sqlite3_free, SQLITE_UTF8);
    else
        sqlite3_result_error_nomem(context);
}

/* ---- the file ------------------------------------------------------------------------------- */

static rhi_error *add_tables(rhi_database *d)
{
    const rhi_table *table;
    for (unsigned i = 0; (table = rhi__table(i)) && i < RHI_DATABASE_TABLES_MAX; i++) {
        snprintf(d->names[i], sizeof d->names[i], RHI_HEAP_PREFIX "%s", table->name);
        d->modules[i] = (rhi_module){.table = table,
                                     .name = d->names[i],
                                     .query = &d->export->query,
                                     .error = &d->error,
                                     .is_declared = &d->is_declared};
        if (rhi__module_add(d->sqlite, &d->modules[i]) != SQLITE_OK)
            return rhi__error_memory();
    }
    return NULL;
}

rhi_error *rhi__database_open(rhi_database *d)
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
    RHI_TRY(add_tables(d));
    return rhi__database_run(d, "PRAGMA page_size=8192; PRAGMA journal_mode=OFF; "
                                "PRAGMA synchronous=OFF; PRAGMA cache_size=-65536; "
                                "PRAGMA application_id=0x72656668; BEGIN");
}

void rhi__database_close(rhi_database *d)
{
    sqlite3_close(d->sqlite);
    rhi__sqlite_file_remove(&d->file);
    rhi__error_free(d->error);
}
