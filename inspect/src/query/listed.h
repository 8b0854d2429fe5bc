/* listed.h - tables whose rows are those of other commands' answers: each row is made as JSON, by
 * what makes it there, and a column is a key of it. So words and values are the same.
 *
 * A list is of the whole heap, or one for each object. Invariant: a list is gathered when its first
 * row is asked for, and a row made when one of its cells is. */
#ifndef RHI_LISTED_H
#define RHI_LISTED_H

#include "query/scan.h"
#include "render/output.h"

typedef struct rhi_listed {
    rhi_rows rows;
    rhi_scan scan; /* lists of objects: over these */
    uint64_t at, count;
    uint64_t room; /* bytes that may still be listed: of all objects, those of one pass */
    json_t *row;   /* NULL: not made yet */
    void *answer;
} rhi_listed;

typedef struct rhi_list {
    /* Sets l->answer and l->count: all rows, or, where they can be looked up, those of the lookup.
     */
    rhi_error *(*gather)(rhi_listed *l, const rhi_lookup *lookup);
    /* the same of l->scan's object; then the first two columns, its id and address, are the keys */
    rhi_error *(*gather_of)(rhi_listed *l, const rhi_object *object);
    json_t *(*row)(rhi_listed *l, uint64_t number); /* NULL: `cell` sets all */
    /* sets a cell without such a row, to what it would have; false: it cannot. For rows that there
     * are many of: most of a row would not be asked for. NULL: never */
    bool (*cell)(rhi_listed *l, unsigned column, rhi_cell *cell);
    /* which row that is, in other questions, too; NULL: the rows are the same in all */
    uint64_t (*number)(const rhi_listed *l, uint64_t at);
    void (*drop)(void *answer); /* frees it; NULL: it is not the rows' own */
} rhi_list;

rhi_error *rhi__listed_begin(rhi_rows *rows, const rhi_lookup *lookup);
rhi_error *rhi__listed_next(rhi_rows *rows);
rhi_error *rhi__listed_cell(rhi_rows *rows, unsigned column, rhi_cell *cell);
void rhi__listed_end(rhi_rows *rows);

/* The members of an rhi_table that all such tables have alike. */
#define RHI_LISTED(list, table_columns)                                                            \
    .columns = (table_columns), .column_count = sizeof(table_columns) / sizeof *(table_columns),   \
    .order = RHI_NO_KEY, .size = sizeof(rhi_listed), .of = (list), .begin = rhi__listed_begin,     \
    .next = rhi__listed_next, .cell = rhi__listed_cell, .end = rhi__listed_end

#endif
