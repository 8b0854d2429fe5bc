/* statement.c - a database that has nothing but the tables, and one statement in it (see
 * statement.h).
 *
 * Invariant: nothing is written anywhere. What is no question is refused while it is prepared; the
 * database lies in memory, and no other can be attached; no extension is loaded, and no function
 * reaches a file. Length, memory and steps are bounded. */
#include "query/statement.h"
#include "query/module.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TEXT_MAX = 1 << 20,   /* bytes of a value */
    SQL_MAX = 1000000,    /* of a statement */
    STEPS_BETWEEN = 1000, /* questions whether to go on */
    TABLES_MAX = 16,
    MEMORY_MIB = 1024
};

struct rhi_statement {
    rhi_query *query;
    rhi_asked_sql asked;
    sqlite3 *database;
    sqlite3_stmt *prepared;
    rhi_error *error; /* ours, which SQLite knows nothing of */
    rhi_module modules[TABLES_MAX];
    unsigned module_count;
    uint64_t steps;
    int64_t memory;      /* of SQLite's, when it began */
    bool is_declared;    /* see module.h */
    const char *refused; /* what was no question; NULL: nothing */
};

/* ---- what is allowed ------------------------------------------------------------------------ */

static const char *word_of(int action)
{
    switch (action) {
    case SQLITE_PRAGMA:
        return "PRAGMA";
    case SQLITE_ATTACH:
        return "ATTACH";
    case SQLITE_DETACH:
        return "DETACH";
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return "a transaction";
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return "a change";
    case SQLITE_FUNCTION:
        return "a function that reaches outside";
    default:
        return "a statement that is no question";
    }
}

/* Is it a question, which names a table that SQLite makes by itself? */
static bool names_own_table(const rhi_statement *s, int action, const char *first)
{
    const char *text = s->asked.text + strspn(s->asked.text, " \t\r\n(");
    bool is_schema = (action == SQLITE_INSERT || action == SQLITE_UPDATE) && first &&
                     strcmp(first, "sqlite_master") == 0;
    return is_schema &&
           (sqlite3_strnicmp(text, "select", 6) == 0 || sqlite3_strnicmp(text, "with", 4) == 0 ||
            sqlite3_strnicmp(text, "values", 6) == 0);
}

static int authorize(void *context, int action, const char *first, const char *second,
                     const char *database, const char *trigger)
{
    rhi_statement *s = context;
    (void)database, (void)trigger;
    bool is_question = s->is_declared || action == SQLITE_SELECT || action == SQLITE_READ ||
                       action == SQLITE_RECURSIVE ||
                       (action == SQLITE_FUNCTION && strcmp(second, "load_extension") != 0 &&
                        strcmp(second, "fts3_tokenizer") != 0); /* tells addresses of ours */
    if (is_question)
        return SQLITE_OK;
    if (!s->refused)
        s->refused =
            names_own_table(s, action, first) ? "a table of SQLite's own" : word_of(action);
    return SQLITE_DENY;
}

static rhi_error *take_over(rhi_statement *s, rhi_error *error)
{
    if (!s->error)
        s->error = error;
    else
        rhi__error_free(error);
    return NULL;
}

/* Is the user, the bound, or the state of things against going on? */
static int must_stop(void *context)
{
    rhi_statement *s = context;
    rhi_session *session = s->query->session;
    const rhi_target *target = session->target;
    s->steps += STEPS_BETWEEN;
    rhi_error *error = rhi__progress(&session->work, "asking", 0, 0);
    /* half a document is out: it ends here, and says so */
    if (!error && session->work.must_finish && s->steps % (STEPS_BETWEEN * 1000) == 0 &&
        target->interrupted && target->interrupted(target->context))
        error = rhi__error("cancelled");
    if (!error && s->steps > s->asked.steps_max)
        error = rhi__error("the question took more than %" PRIu64
                           " steps of SQLite's: ask for less, or allow more with --steps=N",
                           s->asked.steps_max);
    if (!error && sqlite3_memory_used() - s->memory > (int64_t)MEMORY_MIB << 20)
        error = rhi__error("the question needs more than %d MiB: ask for less, as with LIMIT",
                           MEMORY_MIB);
    if (error)
        take_over(s, error);
    return s->error != NULL || session->has_changed;
}

static void set_limits(sqlite3 *database)
{
    static const struct {
        int limit, value;
    } limits[] = {{SQLITE_LIMIT_LENGTH, TEXT_MAX},
                  {SQLITE_LIMIT_SQL_LENGTH, SQL_MAX},
                  {SQLITE_LIMIT_COLUMN, 200},
                  {SQLITE_LIMIT_EXPR_DEPTH, 200},
                  {SQLITE_LIMIT_COMPOUND_SELECT, 100},
                  {SQLITE_LIMIT_VDBE_OP, 1000000},
                  {SQLITE_LIMIT_FUNCTION_ARG, 50},
                  {SQLITE_LIMIT_ATTACHED, 0},
                  {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 100},
                  {SQLITE_LIMIT_VARIABLE_NUMBER, 9},
                  {SQLITE_LIMIT_TRIGGER_DEPTH, 0},
                  {SQLITE_LIMIT_WORKER_THREADS, 0}};
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++)
        sqlite3_limit(database, limits[i].limit, limits[i].value);
}

static rhi_error *open_database(rhi_statement *s)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY | SQLITE_OPEN_NOMUTEX;
    s->memory = sqlite3_memory_used();
    if (sqlite3_open_v2(":memory:", &s->database, flags, NULL) != SQLITE_OK)
        return rhi__error_memory();
    /* sorted rows stay in memory, which is bounded: they are the heap's, and no file's */
    if (sqlite3_exec(s->database, "PRAGMA temp_store=MEMORY", NULL, NULL, NULL) != SQLITE_OK)
        return rhi__error_memory();
    sqlite3_db_config(s->database, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(s->database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(s->database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    const rhi_table *table;
    for (unsigned i = 0; (table = rhi__table(i)) && i < TABLES_MAX; i++) {
        s->modules[i] = (rhi_module){.table = table,
                                     .name = table->name,
                                     .query = s->query,
                                     .error = &s->error,
                                     .is_declared = &s->is_declared};
        s->module_count++;
        if (rhi__module_add(s->database, &s->modules[i]) != SQLITE_OK)
            return rhi__error_memory();
    }
    set_limits(s->database);
    sqlite3_set_authorizer(s->database, authorize, s);
    sqlite3_progress_handler(s->database, STEPS_BETWEEN, must_stop, s);
    return NULL;
}

/* ---- what is wrong -------------------------------------------------------------------------- */

static void add_text(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    rhi__text(text + used, size - used, "%s", more);
}

/* "objects has id, address, …" of the tables that the statement names; else the names of all. */
static void tell_what_there_is(const rhi_statement *s, char *text, size_t size)
{
    bool any = false;
    text[0] = '\0';
    for (unsigned i = 0; i < s->module_count; i++) {
        const rhi_table *table = s->modules[i].table;
        if (!s->modules[i].is_named)
            continue;
        add_text(text, size, any ? "; " : "");
        add_text(text, size, table->name);
        add_text(text, size, " has ");
        for (unsigned c = 0; c < table->column_count; c++) {
            add_text(text, size, c ? ", " : "");
            add_text(text, size, table->columns[c].name);
        }
        any = true;
    }
    for (unsigned i = 0; !any && i < s->module_count; i++) {
        add_text(text, size, i ? ", " : "the tables are ");
        add_text(text, size, s->modules[i].table->name);
    }
}

/* SQLite refuses some changes by itself: "table objects may not be modified", "virtual tables may
 * not be indexed". */
static bool is_change(const char *message)
{
    return strstr(message, " may not be ") &&
           (strncmp(message, "table ", 6) == 0 || strncmp(message, "virtual tables ", 15) == 0);
}

/* What SQLite does not know, or says in other words; NULL: nothing. */
static rhi_error *ours(rhi_statement *s, int status)
{
    rhi_error *error = s->error;
    s->error = NULL;
    if (!error && s->refused)
        error = rhi__error("gcquery only reads: a question begins with SELECT, WITH, VALUES or "
                           "EXPLAIN, and this has %s",
                           s->refused);
    return !error && status == SQLITE_NOMEM ? rhi__error_memory() : error;
}

static rhi_error *wrong(rhi_statement *s, int status)
{
    char there_is[1800];
    int at = sqlite3_error_offset(s->database);
    if (is_change(sqlite3_errmsg(s->database)))
        s->refused = word_of(SQLITE_UPDATE);
    rhi_error *error = ours(s, status);
    if (error)
        return error;
    tell_what_there_is(s, there_is, sizeof there_is);
    if (at >= 0 && (size_t)at < s->asked.size)
        return rhi__error("%.100s, at '%.30s'; %s", sqlite3_errmsg(s->database), s->asked.text + at,
                          there_is);
    return rhi__error("%.100s; %s", sqlite3_errmsg(s->database), there_is);
}

/* Is there more than blanks and comments? What SQLite makes no statement of is that. */
static bool has_statement(rhi_statement *s, const char *text)
{
    sqlite3_stmt *another = NULL;
    const char *rest = text;
    bool found = false;
    while (*rest && !found) {
        const char *from = rest;
        int status = sqlite3_prepare_v2(s->database, from, -1, &another, &rest);
        found = status != SQLITE_OK || another;
        sqlite3_finalize(another);
        if (rest == from)
            break;
    }
    return found;
}

static rhi_error *bind(rhi_statement *s)
{
    int wanted = sqlite3_bind_parameter_count(s->prepared);
    if (wanted > 1)
        return rhi__error("a question has one parameter at most, ?1, and not %d", wanted);
    if (wanted == 1 && !s->asked.parameter)
        return rhi__error("%s stands for what is missing here: say --file=NAME and then what it "
                          "stands for",
                          sqlite3_bind_parameter_name(s->prepared, 1)
                              ? sqlite3_bind_parameter_name(s->prepared, 1)
                              : "?");
    if (wanted == 0 && s->asked.parameter)
        return rhi__error("the question has no parameter ?1 for '%.100s' to stand for",
                          s->asked.parameter);
    if (wanted == 1 &&
        sqlite3_bind_text(s->prepared, 1, s->asked.parameter, -1, SQLITE_STATIC) != SQLITE_OK)
        return rhi__error("'%.100s' is too long", s->asked.parameter);
    return NULL;
}

static rhi_error *prepare(rhi_statement *s)
{
    const char *rest;
    if (s->asked.size > SQL_MAX)
        return rhi__error("the question has more than %d bytes, and no more are read",
                          (int)SQL_MAX);
    if (memchr(s->asked.text, '\0', s->asked.size))
        return rhi__error("the question has a NUL byte in it: it is no text");
    int status =
        sqlite3_prepare_v2(s->database, s->asked.text, (int)s->asked.size, &s->prepared, &rest);
    if (status != SQLITE_OK)
        return wrong(s, status);
    if (!s->prepared)
        return rhi__error("there is no question: as in gcquery select type, count(*) from objects "
                          "group by type");
    if (has_statement(s, rest))
        return rhi__error("one question at a time: another one begins at '%.60s'", rest);
    /* nobody was asked whether VACUUM may be, nor REINDEX where there is no index */
    if (!sqlite3_stmt_readonly(s->prepared) || sqlite3_column_count(s->prepared) == 0) {
        s->refused = word_of(SQLITE_UPDATE);
        return ours(s, SQLITE_OK);
    }
    return bind(s);
}

/* ---- the statement -------------------------------------------------------------------------- */

rhi_error *rhi__statement_open(rhi_query *query, const rhi_asked_sql *asked,
                               rhi_statement **statement)
{
    rhi_statement *s = *statement = calloc(1, sizeof *s);
    if (!s)
        return rhi__error_memory();
    s->query = query;
    s->asked = *asked;
    RHI_TRY(open_database(s));
    return prepare(s);
}

void rhi__statement_close(rhi_statement *s)
{
    if (!s)
        return;
    sqlite3_finalize(s->prepared);
    sqlite3_close(s->database);
    rhi__error_free(s->error);
    free(s);
}

unsigned rhi__statement_columns(const rhi_statement *s)
{
    return (unsigned)sqlite3_column_count(s->prepared);
}

const char *rhi__statement_column(const rhi_statement *s, unsigned column)
{
    const char *name = sqlite3_column_name(s->prepared, (int)column);
    return name ? name : "";
}

rhi_error *rhi__statement_next(rhi_statement *s, bool *is_end)
{
    int status = sqlite3_step(s->prepared);
    *is_end = status == SQLITE_DONE;
    if (status == SQLITE_DONE || status == SQLITE_ROW)
        return NULL;
    rhi_error *error = ours(s, status);
    return error ? error : rhi__error("%.300s", sqlite3_errmsg(s->database));
}

void rhi__statement_cell(rhi_statement *s, unsigned column, rhi_cell *cell, bool *is_blob)
{
    int type = sqlite3_column_type(s->prepared, (int)column);
    *cell = rhi__null_cell();
    *is_blob = type == SQLITE_BLOB;
    if (type == SQLITE_INTEGER) {
        cell->kind = RHI_CELL_INTEGER;
        cell->integer = sqlite3_column_int64(s->prepared, (int)column);
    } else if (type == SQLITE_FLOAT) {
        cell->kind = RHI_CELL_REAL;
        cell->real = sqlite3_column_double(s->prepared, (int)column);
    } else if (type != SQLITE_NULL) {
        cell->kind = RHI_CELL_TEXT;
        cell->text = *is_blob ? sqlite3_column_blob(s->prepared, (int)column)
                              : (const char *)sqlite3_column_text(s->prepared, (int)column);
        cell->size = (size_t)sqlite3_column_bytes(s->prepared, (int)column);
        if (!cell->text && cell->size == 0)
            cell->text = "";
        else if (!cell->text)
            *cell = rhi__null_cell(); /* memory is short */
    }
}
