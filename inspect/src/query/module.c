/* module.c - virtual tables of SQLite (see module.h).
 *
 * Tables exist without being created, and cannot be written. Invariant: what SQLite does not test
 * again (omit) is a comparison that the table's lookup answers exactly. */
#include "query/module.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct vtab {
    sqlite3_vtab base; /* first: SQLite's */
    rhi_module *module;
} vtab;

typedef struct cursor {
    sqlite3_vtab_cursor base; /* likewise */
    rhi_module *module;
    rhi_rows *rows;
} cursor;

enum { DECLARATION_SIZE = 4096 };

static int connect(sqlite3 *database, void *context, int argc, const char *const *argv,
                   sqlite3_vtab **result, char **message)
{
    static const char *const types[] = {"TEXT", "INTEGER", ""};
    rhi_module *module = context;
    const rhi_table *table = module->table;
    char text[DECLARATION_SIZE];
    int used = snprintf(text, sizeof text, "CREATE TABLE t(");
    (void)argc, (void)argv, (void)message;
    for (unsigned i = 0; i < table->column_count; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%s\"%s\" %s%s", i ? "," : "",
                         table->columns[i].name, types[table->columns[i].type],
                         rhi__is_hidden(&table->columns[i]) ? " HIDDEN" : "");
    snprintf(text + used, sizeof text - (size_t)used, ")");
    *module->is_declared = true;
    int status = sqlite3_declare_vtab(database, text);
    *module->is_declared = false;
    vtab *made = status == SQLITE_OK ? sqlite3_malloc(sizeof *made) : NULL;
    if (!made)
        return status == SQLITE_OK ? SQLITE_NOMEM : status;
    *made = (vtab){.module = module};
    module->is_named = true;
    *result = &made->base;
    return SQLITE_OK;
}

static int disconnect(sqlite3_vtab *base)
{
    sqlite3_free(base);
    return SQLITE_OK;
}

/* ---- plans ---------------------------------------------------------------------------------- */

/* About how many objects there are. */
static double rows_of(const rhi_module *module)
{
    uint64_t rows = module->table->rows ? module->table->rows : module->query->count;
    return rows ? (double)rows : 1;
}

/* The constraint that leaves the fewest rows; -1: none. */
static int best_key(const rhi_table *table, sqlite3_index_info *info)
{
    int best = -1;
    for (int i = 0; i < info->nConstraint; i++) {
        const struct sqlite3_index_constraint *c = &info->aConstraint[i];
        if (!c->usable || c->op != SQLITE_INDEX_CONSTRAINT_EQ || c->iColumn < 0 ||
            (unsigned)c->iColumn >= table->column_count || !table->columns[c->iColumn].rows ||
            strcmp(sqlite3_vtab_collation(info, i), "BINARY") != 0)
            continue;
        if (best < 0 ||
            table->columns[c->iColumn].rows < table->columns[info->aConstraint[best].iColumn].rows)
            best = i;
    }
    return best;
}

enum { IN_ORDER = 1 << 20 };

/* What the plan is, for EXPLAIN QUERY PLAN, and the columns that are named, as a number. */
static char *plan_text(const rhi_table *table, sqlite3_uint64 used, int key, bool in_order)
{
    return key >= 0   ? sqlite3_mprintf("%llx LOOKUP %s", used, table->columns[key].name)
           : in_order ? sqlite3_mprintf("%llx BY %s", used, table->columns[table->order].name)
                      : sqlite3_mprintf("%llx ALL", used);
}

/* A bit for each column; the last one for all that are left, which SQLite's mask tells, too. */
static int best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    const rhi_module *module = ((vtab *)base)->module;
    const rhi_table *table = module->table;
    int best = best_key(table, info), key = best < 0 ? RHI_NO_KEY : info->aConstraint[best].iColumn;
    double all = rows_of(module);
    info->idxNum = key + 1;
    info->estimatedRows = (sqlite3_int64)all;
    /* rows that are searched for one by one */
    info->estimatedCost = all * (table->cost == RHI_COST_SEARCH ? 1000 : 1);
    if (key != RHI_NO_KEY) {
        info->aConstraintUsage[best].argvIndex = 1;
        info->aConstraintUsage[best].omit = 1;
        double rows = table->columns[key].rows < all ? table->columns[key].rows : all;
        info->estimatedRows = (sqlite3_int64)rows;
        info->estimatedCost = rows + 1;
    } else if (info->nOrderBy == 1 && table->order != RHI_NO_KEY &&
               info->aOrderBy[0].iColumn == table->order && !info->aOrderBy[0].desc) {
        info->idxNum |= IN_ORDER;
        info->orderByConsumed = 1;
    }
    info->idxStr = plan_text(table, info->colUsed, key, info->idxNum & IN_ORDER);
    info->needToFreeIdxStr = 1;
    return info->idxStr ? SQLITE_OK : SQLITE_NOMEM;
}

/* ---- cursors -------------------------------------------------------------------------------- */

/* SQLite hears that something failed; what, is told by whoever asked SQLite. */
static int told(const cursor *c, rhi_error *error)
{
    if (!error)
        return SQLITE_OK;
    if (*c->module->error)
        rhi__error_free(error);
    else
        *c->module->error = error;
    return SQLITE_ERROR;
}

static int open_cursor(sqlite3_vtab *base, sqlite3_vtab_cursor **result)
{
    rhi_module *module = ((vtab *)base)->module;
    cursor *c = sqlite3_malloc(sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    *c = (cursor){.module = module, .rows = calloc(1, module->table->size)};
    if (!c->rows) {
        sqlite3_free(c);
        return SQLITE_NOMEM;
    }
    c->rows->table = module->table;
    c->rows->query = module->query;
    *result = &c->base;
    return SQLITE_OK;
}

static int close_cursor(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    if (c->module->table->end)
        c->module->table->end(c->rows);
    free(c->rows);
    sqlite3_free(c);
    return SQLITE_OK;
}

static rhi_cell cell_of(sqlite3_value *value)
{
    rhi_cell cell = {0};
    switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
        cell.kind = RHI_CELL_INTEGER;
        cell.integer = sqlite3_value_int64(value);
        break;
    case SQLITE_FLOAT:
        cell.kind = RHI_CELL_REAL;
        cell.real = sqlite3_value_double(value);
        break;
    case SQLITE_TEXT:
        cell.kind = RHI_CELL_TEXT;
        cell.text = (const char *)sqlite3_value_text(value);
        cell.size = (size_t)sqlite3_value_bytes(value);
        break;
    default:
        break;
    }
    return cell;
}

/* The value as the column would have it. SQLite compares a text with a column of numbers as a
 * number, 1.0 with 1, and a number with a column of texts as a text: so does a lookup, then. *room
 * keeps a text that is made. */
static rhi_cell in_column(const rhi_table *table, int column, sqlite3_value *value, char room[40])
{
    rhi_cell cell = cell_of(value);
    uint8_t type = column < 0 ? RHI_COLUMN_ANY : table->columns[column].type;
    if (type == RHI_COLUMN_INTEGER && cell.kind == RHI_CELL_TEXT) {
        sqlite3_value *own = sqlite3_value_dup(value); /* the question's stays a text */
        if (own && sqlite3_value_numeric_type(own) != SQLITE_TEXT)
            cell = cell_of(own); /* a number: nothing of it is lent */
        sqlite3_value_free(own);
    }
    if (type == RHI_COLUMN_INTEGER && cell.kind == RHI_CELL_REAL && fabs(cell.real) < 0x1p53 &&
        cell.real == floor(cell.real))
        cell = (rhi_cell){.kind = RHI_CELL_INTEGER, .integer = (int64_t)cell.real};
    if (type == RHI_COLUMN_TEXT && cell.kind == RHI_CELL_INTEGER) {
        snprintf(room, 40, "%" PRId64, cell.integer);
        cell = rhi__text_cell(room, false);
    } else if (type == RHI_COLUMN_TEXT && cell.kind == RHI_CELL_REAL) {
        sqlite3_snprintf(40, room, "%!.15g", cell.real);
        cell = rhi__text_cell(room, false);
    }
    return cell;
}

static int filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc,
                  sqlite3_value **argv)
{
    cursor *c = (cursor *)base;
    rhi_lookup lookup = {.column = (plan & (IN_ORDER - 1)) - 1, .in_order = plan & IN_ORDER};
    char room[40];
    if (argc > 0)
        lookup.value = in_column(c->module->table, lookup.column, argv[0], room);
    c->rows->wanted = strtoull(text, NULL, 16);
    c->rows->is_end = false;
    if (c->rows->query->reader)
        rhi__renew_room(c->rows->query->reader); /* a join reads a table many times */
    return told(c, c->module->table->begin(c->rows, &lookup));
}

static int next(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    return told(c, c->module->table->next(c->rows));
}

static int is_end(sqlite3_vtab_cursor *base)
{
    return ((cursor *)base)->rows->is_end;
}

static int column(sqlite3_vtab_cursor *base, sqlite3_context *context, int number)
{
    cursor *c = (cursor *)base;
    rhi_cell cell;
    rhi_error *error = c->module->table->cell(c->rows, (unsigned)number, &cell);
    if (error)
        return told(c, error);
    switch (cell.kind) {
    case RHI_CELL_INTEGER:
        sqlite3_result_int64(context, cell.integer);
        break;
    case RHI_CELL_REAL:
        sqlite3_result_double(context, cell.real);
        break;
    case RHI_CELL_TEXT:
        sqlite3_result_text64(context, cell.text, cell.size,
                              cell.lasts ? SQLITE_STATIC : SQLITE_TRANSIENT, SQLITE_UTF8);
        break;
    default:
        break; /* null */
    }
    return SQLITE_OK;
}

/* By it SQLite knows a row again that it met on another way (OR). */
static int rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *number)
{
    *number = (sqlite3_int64)((cursor *)base)->rows->number;
    return SQLITE_OK;
}

int rhi__module_add(sqlite3 *database, rhi_module *module)
{
    static const sqlite3_module functions = {.iVersion = 1,
                                             .xConnect = connect,
                                             .xDisconnect = disconnect,
                                             .xBestIndex = best_index,
                                             .xOpen = open_cursor,
                                             .xClose = close_cursor,
                                             .xFilter = filter,
                                             .xNext = next,
                                             .xEof = is_end,
                                             .xColumn = column,
                                             .xRowid = rowid};
    return sqlite3_create_module(database, module->name, &functions, module);
}
