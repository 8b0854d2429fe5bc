/* statement.h - runs one statement of SQL over the tables, and hands out its rows. */
#ifndef RHI_STATEMENT_H
#define RHI_STATEMENT_H

#include "query/query.h"

typedef struct rhi_statement rhi_statement;

typedef struct rhi_asked_sql {
    const char *text;
    size_t size;           /* NUL bytes are none of SQL's */
    const char *parameter; /* what ?1 stands for; NULL: nothing */
    uint64_t steps_max;    /* of SQLite's machine */
} rhi_asked_sql;

/* Prepares it: an error says what is wrong, and what there is. Freed in any case, with NULL, too.
 */
rhi_error *rhi__statement_open(rhi_query *query, const rhi_asked_sql *asked,
                               rhi_statement **statement);
void rhi__statement_close(rhi_statement *statement);

unsigned rhi__statement_columns(const rhi_statement *statement);
const char *rhi__statement_column(const rhi_statement *statement, unsigned column);
/* Goes to the next row, at the beginning to the first. */
rhi_error *rhi__statement_next(rhi_statement *statement, bool *is_end);
/* A value of the row, good until the next one. is_blob: its bytes are no text. */
struct rhi_cell;
void rhi__statement_cell(rhi_statement *statement, unsigned column, struct rhi_cell *cell,
                         bool *is_blob);

#endif
