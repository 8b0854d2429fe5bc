/* database.h - the database of a `.sqlite` file while it is written: gcquery's tables beside those
 * of the file, and rows that are put into these.
 *
 * Invariant: it is written in one transaction without a journal: nobody reads it before it is
 * whole. No text of the target gets into it that people may not be shown: whoever asks the file has
 * no engine in between. */
#ifndef RHI_DATABASE_H
#define RHI_DATABASE_H

#include "export/export.h"
#include "export/sqlite_file.h"
#include "query/module.h"

enum { RHI_DATABASE_TABLES_MAX = 16 };
/* Of gcquery's table beside that of the same name in the file. */
#define RHI_HEAP_PREFIX "heap_"

typedef struct rhi_database {
    rhi_export *export;
    sqlite3 *sqlite;
    rhi_sqlite_file file;
    rhi_error *error; /* ours, which SQLite knows nothing of */
    bool is_declared; /* see module.h */
    rhi_module modules[RHI_DATABASE_TABLES_MAX];
    char names[RHI_DATABASE_TABLES_MAX][32];
    const char *doing; /* for progress */
} rhi_database;

/* Starts with the export alone, and is closed in any case. */
rhi_error *rhi__database_open(rhi_database *database);
void rhi__database_close(rhi_database *database);

/* Statements without rows; in SQL, shown(text) is what people may be shown of it. */
rhi_error *rhi__database_run(rhi_database *database, const char *sql);
/* One to be run again and again, for sqlite3_finalize. */
rhi_error *rhi__database_prepare(rhi_database *database, const char *sql, sqlite3_stmt **statement);
/* Puts in a row: what is bound, beginning with 1. */
rhi_error *rhi__database_put(rhi_database *database, sqlite3_stmt *statement);
/* What stands for a parameter; a text is copied. */
rhi_error *rhi__database_bind(rhi_database *database, sqlite3_stmt *statement, int parameter,
                              const rhi_cell *cell);

#endif
