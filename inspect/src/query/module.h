/* module.h - the tables as virtual tables of SQLite, which read the heap in place. */
#ifndef RHI_MODULE_H
#define RHI_MODULE_H

#include "query/table.h"

#include <sqlite3.h>

/* One table in one database; shared by its connections. */
typedef struct rhi_module {
    const rhi_table *table;
    const char *name; /* in SQL */
    rhi_query *query;
    rhi_error **error; /* where the first error goes that is ours */
    bool *is_declared; /* set while SQLite is told of the columns, as if a table were created */
    bool is_named;     /* by the statement that is prepared */
} rhi_module;

/* Makes the table known. The module stays where it is as long as the database is open. */
int rhi__module_add(sqlite3 *database, rhi_module *module);

#endif
