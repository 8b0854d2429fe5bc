/* rows.c - visits the rows of a table, where no SQL asks for them (see table.h). */
#include "query/table.h"

#include <string.h>

unsigned rhi__column(const rhi_table *table, const char *name)
{
    unsigned column = 0;
    while (column + 1 < table->column_count && strcmp(table->columns[column].name, name) != 0)
        column++;
    return column;
}

rhi_error *rhi__each_row(rhi_query *query, const rhi_table *table, const rhi_lookup *lookup,
                         rhi_row_visitor visit, void *context)
{
    rhi_rows *rows = calloc(1, table->size);
    if (!rows)
        return rhi__error_memory();
    rows->table = table;
    rows->query = query;
    rows->wanted = UINT64_MAX;
    rhi__renew_room(query->reader);
    rhi_error *error = table->begin(rows, lookup);
    while (!error && !rows->is_end && !(error = visit(context, rows)))
        error = table->next(rows);
    if (table->end)
        table->end(rows);
    free(rows);
    return error;
}
