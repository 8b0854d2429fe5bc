/* sqlite_file.h - lets SQLite write a database to a file that is open already, and may have no
 * name: its own way opens files by name, and follows no link. */
#ifndef RHI_SQLITE_FILE_H
#define RHI_SQLITE_FILE_H

#include <sqlite3.h>

typedef struct rhi_sqlite_file {
    sqlite3_vfs files; /* first: SQLite's; its name opens a database */
    sqlite3_vfs *others;
    int descriptor;
    int wrong; /* errno of the first write to it that failed */
} rhi_sqlite_file;

/* Makes the file known to SQLite as long as it stays where it is. The database in it is nobody
 * else's: nothing is locked. Temporary files are SQLite's own. An error is a status of SQLite's. */
int rhi__sqlite_file_add(rhi_sqlite_file *file, int descriptor);
void rhi__sqlite_file_remove(rhi_sqlite_file *file);

#endif
