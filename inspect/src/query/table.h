/* table.h - what a table of gcquery is: its columns, and how its rows are had.
 *
 * A table is data: whoever asks it (module.c, for SQLite), lists it (columns_of.c) or writes it to
 * a file needs no more than this. Nothing is computed before a row, or a cell that costs, is asked
 * for. Invariant: a lookup by a key gives the rows that a search of all rows would give, and no
 * other. */
#ifndef RHI_TABLE_H
#define RHI_TABLE_H

#include "query/query.h"

enum rhi_cell_kind { RHI_CELL_NULL, RHI_CELL_INTEGER, RHI_CELL_REAL, RHI_CELL_TEXT };
/* A value. lasts: the text is there as long as the question; else until the next cell or row. */
typedef struct rhi_cell {
    uint8_t kind; /* enum rhi_cell_kind */
    bool lasts;
    int64_t integer;
    double real;
    const char *text;
    size_t size;
} rhi_cell;

static inline rhi_cell rhi__null_cell(void)
{
    return (rhi_cell){.kind = RHI_CELL_NULL};
}
/* Beyond 2^63 - 1: cut, as in JSON. */
static inline rhi_cell rhi__number_cell(uint64_t number)
{
    return (rhi_cell){.kind = RHI_CELL_INTEGER,
                      .integer = number > INT64_MAX ? INT64_MAX : (int64_t)number};
}
rhi_cell rhi__text_cell(const char *text, bool lasts); /* NULL: null */

enum rhi_column_type { RHI_COLUMN_TEXT, RHI_COLUMN_INTEGER, RHI_COLUMN_ANY };
/* What has to be known before the first such cell: made once, and kept. */
enum rhi_cost {
    RHI_COST_NONE,
    RHI_COST_GRAPH, /* the graph of all references */
    RHI_COST_RETAINED /* its dominators, too */,
    RHI_COST_SEARCH /* all memory is searched for who owns what */
};

typedef struct rhi_column {
    const char *name;
    uint8_t type, cost; /* enum rhi_column_type, rhi_cost */
    /* how many rows a value has, about, if rows can be looked up by it; 0: they cannot */
    uint32_t rows;
    const char *doc;
    /* of tables whose rows are made as JSON (listed.h): where the value is, "site.file"; NULL: at
     * the column's name */
    const char *path;
} rhi_column;
/* A column that costs is no part of `*`: it is computed if the query names it. */
static inline bool rhi__is_hidden(const rhi_column *column)
{
    return column->cost != RHI_COST_NONE;
}

typedef struct rhi_table rhi_table;

/* Rows that are being read: the table's own struct begins with it. */
typedef struct rhi_rows {
    const rhi_table *table;
    rhi_query *query;
    uint64_t wanted; /* bits: the columns that will be asked for; 63: all from there on */
    bool is_end;
    uint64_t number; /* of the row: no other one of the table has it, however it was found */
    char text[RHI_ID_SIZE + RHI_VALUE_SIZE]; /* for a cell */
} rhi_rows;

enum { RHI_NO_KEY = -1 };
typedef struct rhi_lookup {
    int column; /* RHI_NO_KEY: all rows */
    rhi_cell value;
    bool in_order; /* all rows, in the order of the table's `order` column */
} rhi_lookup;

struct rhi_table {
    const char *name, *doc;
    const rhi_column *columns;
    unsigned column_count;
    int order;      /* the column in whose order rows can be had; RHI_NO_KEY: none */
    uint8_t cost;   /* of its rows: enum rhi_cost */
    uint64_t rows;  /* about how many there are; 0: as many as objects */
    size_t size;    /* of its struct of rows, which starts as zeros */
    const void *of; /* the table's own */
    /* Goes to the first row. Rows may be begun again and again. */
    rhi_error *(*begin)(rhi_rows *rows, const rhi_lookup *lookup);
    rhi_error *(*next)(rhi_rows *rows);
    rhi_error *(*cell)(rhi_rows *rows, unsigned column, rhi_cell *cell);
    void (*end)(rhi_rows *rows); /* frees what it holds, not the struct */
};

static inline bool rhi__wants(const rhi_rows *rows, unsigned column)
{
    return rows->wanted >> (column < 63 ? column : 63) & 1;
}

/* Visits the rows of a lookup (rows.c). */
typedef rhi_error *(*rhi_row_visitor)(void *context, rhi_rows *rows);
rhi_error *rhi__each_row(rhi_query *query, const rhi_table *table, const rhi_lookup *lookup,
                         rhi_row_visitor visit, void *context);
/* The number of the column of this name, which there is. */
unsigned rhi__column(const rhi_table *table, const char *name);

/* All of them, one after the other; NULL behind the last (tables.c). */
const rhi_table *rhi__table(unsigned index);

#endif
