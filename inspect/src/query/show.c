/* show.c - shows the rows of a statement (see show.h).
 *
 * Rows go out as they come: there may be millions. Of a table the first ones are held back, since
 * the widths of its columns come from them. */
#include "query/show.h"
#include "query/table.h"
#include "base/array.h"
#include "render/output.h"
#include "render/sentences.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { HELD_ROWS = 1000, CELL_BYTES = 256, KEY_NAME_BYTES = 200, BLOB_BYTES = 64 };

typedef struct cell_text {
    char *text; /* clean; NULL: null */
    bool is_number;
} cell_text;

typedef struct show {
    rhi_query *query;
    rhi_session *session;
    rhi_statement *statement;
    unsigned columns;
    uint64_t limit, rows;
    bool is_cut;              /* there are more rows */
    char (*keys)[CELL_BYTES]; /* of the columns, in JSON */
    /* of a table: */
    struct {
        cell_text *items; /* of one row after the other */
        uint64_t count, capacity;
    } held;
    size_t *widths;
    bool *is_left; /* some cell of the column is no number */
    bool is_begun;
} show;

/* ---- texts ---------------------------------------------------------------------------------- */

/* "x'00ff'": in a table the beginning, in a form for programs all of it */
static char *blob_text(const rhi_cell *cell, size_t most)
{
    const uint8_t *bytes = (const uint8_t *)cell->text;
    static const char digits[] = "0123456789abcdef";
    size_t shown = cell->size < most ? cell->size : most;
    char *text = malloc(2 * shown + 16);
    if (!text)
        return NULL;
    size_t used = (size_t)sprintf(text, "x'");
    for (size_t i = 0; i < shown; i++) {
        text[used++] = digits[bytes[i] >> 4];
        text[used++] = digits[bytes[i] & 15];
    }
    sprintf(text + used, "%s'", shown < cell->size ? "…" : "");
    return text;
}

/* Allocated, clean; *is_short: memory was. NULL besides: null. */
static char *text_of(const rhi_cell *cell, bool is_blob, size_t most, bool *is_short)
{
    char number[40], *text = NULL;
    size_t size = cell->size;
    if (cell->kind == RHI_CELL_NULL)
        return NULL;
    if (is_blob) {
        text = blob_text(cell, most == SIZE_MAX ? most : BLOB_BYTES);
    } else if (cell->kind == RHI_CELL_TEXT) {
        size_t kept = size > most ? rhi__whole_characters(cell->text, most) : size;
        text = malloc(kept + sizeof "…");
        if (text) {
            memcpy(text, cell->text, kept);
            kept = rhi__clean(text, kept);
            strcpy(text + kept, size > most ? "…" : "");
        }
    } else {
        if (cell->kind == RHI_CELL_INTEGER)
            snprintf(number, sizeof number, "%" PRId64, cell->integer);
        else
            rhi__real_text(cell->real, 8, number, sizeof number);
        text = strdup(number);
    }
    *is_short |= !text;
    return text;
}

/* ---- a table -------------------------------------------------------------------------------- */

static void print_cell(show *s, unsigned column, const char *text, bool is_number)
{
    size_t width = text ? rhi__columns(text, strlen(text)) : 4;
    int room = s->widths[column] > width ? (int)(s->widths[column] - width) : 0;
    bool is_right = is_number || (!text && !s->is_left[column]), is_last = column + 1 == s->columns;
    for (int i = 0; is_right && i < room; i++)
        rhi__print(s->session, " ");
    rhi__print(s->session, "%s", text ? text : "null");
    for (int i = 0; !is_right && !is_last && i < room; i++)
        rhi__print(s->session, " ");
    rhi__print(s->session, is_last ? "\n" : "  ");
}

static void print_row(show *s, const cell_text *cells)
{
    for (unsigned i = 0; i < s->columns; i++)
        print_cell(s, i, cells[i].text, cells[i].is_number);
}

static void drop_held(show *s)
{
    for (uint64_t i = 0; i < s->held.count; i++)
        free(s->held.items[i].text);
    s->held.count = 0;
}

/* Prints the names of the columns, and the rows that were held back. */
static rhi_error *begin_table(show *s)
{
    bool is_short = false;
    for (unsigned i = 0; i < s->columns; i++) {
        rhi_cell name = rhi__text_cell(rhi__statement_column(s->statement, i), false);
        char *text = text_of(&name, false, CELL_BYTES, &is_short);
        if (!text)
            return rhi__error_memory();
        s->widths[i] = rhi__columns(text, strlen(text));
        for (uint64_t at = i; at < s->held.count; at += s->columns) {
            const cell_text *cell = &s->held.items[at];
            size_t width = cell->text ? rhi__columns(cell->text, strlen(cell->text)) : 4;
            s->widths[i] = width > s->widths[i] ? width : s->widths[i];
            s->is_left[i] |= cell->text && !cell->is_number;
        }
        s->is_left[i] |= s->held.count == 0;
        print_cell(s, i, text, !s->is_left[i]);
        free(text);
    }
    for (uint64_t at = 0; at < s->held.count; at += s->columns)
        print_row(s, &s->held.items[at]);
    drop_held(s);
    s->is_begun = true;
    return NULL;
}

static rhi_error *table_row(show *s)
{
    bool is_short = false, is_blob;
    if (!rhi__array_reserve(&s->held, s->columns))
        return rhi__error_memory();
    for (unsigned i = 0; i < s->columns; i++) {
        rhi_cell cell;
        rhi__statement_cell(s->statement, i, &cell, &is_blob);
        s->held.items[s->held.count++] =
            (cell_text){.text = text_of(&cell, is_blob, CELL_BYTES, &is_short),
                        .is_number = cell.kind != RHI_CELL_TEXT && cell.kind != RHI_CELL_NULL};
    }
    if (is_short)
        return rhi__error_memory();
    if (!s->is_begun)
        return s->rows < HELD_ROWS ? NULL : begin_table(s);
    print_row(s, s->held.items);
    drop_held(s);
    return NULL;
}

static rhi_error *end_table(show *s)
{
    rhi_session *session = s->session;
    if (!s->is_begun)
        RHI_TRY(begin_table(s));
    if (s->rows == 0)
        rhi__print(session, "no rows\n");
    if (s->is_cut)
        rhi__print(session, "… more rows (--limit=0 shows all)\n");
    if (s->query->leaks && !s->query->leaks->is_decided)
        rhi__print(session,
                   "%" PRIu64 " object%s a count whose owner was not found, but not everything "
                   "could be searched: what is not garbage may be leaked, too\n",
                   s->query->leaks->undecided, s->query->leaks->undecided == 1 ? " has" : "s have");
    rhi__print_provisional(session);
    rhi__print_incomplete(session);
    return NULL;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *value_json(const rhi_cell *cell, bool is_blob)
{
    if (is_blob) {
        char *text = blob_text(cell, SIZE_MAX);
        json_t *value = text ? rhi__json_text(text) : NULL;
        free(text);
        return value;
    }
    json_t *real = cell->kind == RHI_CELL_REAL ? json_real(cell->real) : NULL;
    return cell->kind == RHI_CELL_INTEGER ? json_integer(cell->integer)
           : cell->kind == RHI_CELL_TEXT  ? rhi__json_bytes(cell->text, cell->size)
           : real                         ? real
           /* a number that JSON does not know */
           : cell->kind == RHI_CELL_REAL ? json_string(cell->real > 0 ? "inf" : "-inf")
                                         : json_null();
}

/* The keys of the columns, each another one: two of one name are "size" and "size:1". */
static rhi_error *make_keys(show *s)
{
    s->keys = calloc(s->columns + 1, sizeof *s->keys);
    if (!s->keys)
        return rhi__error_memory();
    for (unsigned i = 0; i < s->columns; i++) {
        rhi_cell name = rhi__text_cell(rhi__statement_column(s->statement, i), false);
        bool is_short = false, is_taken = true;
        char *text = text_of(&name, false, KEY_NAME_BYTES, &is_short);
        if (!text)
            return rhi__error_memory();
        for (unsigned before = 0; is_taken; before++) {
            is_taken = false;
            rhi__text(s->keys[i], CELL_BYTES, before ? "%s:%u" : "%s", text, before);
            for (unsigned k = 0; k < i; k++)
                is_taken = is_taken || strcmp(s->keys[k], s->keys[i]) == 0;
        }
        free(text);
    }
    return NULL;
}

static void json_row(show *s)
{
    json_t *row = json_object();
    bool is_blob;
    for (unsigned i = 0; i < s->columns; i++) {
        rhi_cell cell;
        rhi__statement_cell(s->statement, i, &cell, &is_blob);
        json_object_set_new(row, s->keys[i], value_json(&cell, is_blob));
    }
    rhi__json_item(s->session, row);
}

const rhi_json_type rhi__gcquery_type = {
    .name = "gcquery",
    .doc = "The rows of a question.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"columns", .is = RHI_JSON_TEXT | RHI_JSON_LIST,
         "their names; the second column of a name is name:1"},
        {"rows", .is = RHI_JSON_LIST, "the rows",
         .members =
             (const rhi_json_member[]){{"*", .is = RHI_JSON_NUMBER | RHI_JSON_TEXT | RHI_JSON_NULL,
                                        "the value of a column"},
                                       {0}}},
        {"rows_cut", .is = RHI_JSON_BOOLEAN, "there are more rows than --limit"},
        {"undecided", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "where it was asked what is leaked: objects with a count whose owner was not found"},
        {"provisional", .is = RHI_JSON_BOOLEAN, "counts are in motion"},
        {0}}};

static void begin_json(show *s)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < s->columns; i++)
        json_array_append_new(names, rhi__json_text(s->keys[i]));
    rhi__json_begin(s->session);
    rhi__json_key(s->session, "columns", names);
    rhi__json_array(s->session, "rows");
}

static void end_json(show *s)
{
    rhi__json_array_end(s->session);
    rhi__json_key(s->session, "rows_cut", json_boolean(s->is_cut));
    if (s->query->leaks)
        rhi__json_key(s->session, "undecided", rhi__json_u64(s->query->leaks->undecided));
    rhi__json_key(s->session, "provisional", json_boolean(rhi__is_provisional(s->session)));
    rhi__json_end(s->session);
}

/* ---- comma-separated values (RFC 4180) ------------------------------------------------------ */

static void print_value(show *s, unsigned column, const char *text)
{
    bool is_quoted = text && (!*text || strpbrk(text, "\",\n\r"));
    rhi__print(s->session, "%s%s", column ? "," : "", is_quoted ? "\"" : "");
    for (const char *from = text; from && *from;) {
        size_t length = strcspn(from, "\"");
        rhi__print(s->session, "%.*s%s", (int)length, from, from[length] ? "\"\"" : "");
        from += length + (from[length] != '\0');
    }
    rhi__print(s->session, is_quoted ? "\"" : "");
    rhi__print(s->session, column + 1 == s->columns ? "\n" : ""); /* a format: it is kept */
}

static rhi_error *csv_row(show *s)
{
    bool is_short = false, is_blob;
    for (unsigned i = 0; i < s->columns; i++) {
        rhi_cell cell;
        rhi__statement_cell(s->statement, i, &cell, &is_blob);
        char *text = text_of(&cell, is_blob, SIZE_MAX, &is_short);
        print_value(s, i, text);
        free(text);
    }
    return is_short ? rhi__error_memory() : NULL;
}

static rhi_error *begin_csv(show *s)
{
    bool is_short = false;
    for (unsigned i = 0; i < s->columns; i++) {
        rhi_cell name = rhi__text_cell(rhi__statement_column(s->statement, i), false);
        char *text = text_of(&name, false, SIZE_MAX, &is_short);
        print_value(s, i, text);
        free(text);
    }
    return is_short ? rhi__error_memory() : NULL;
}

/* What is said of the rows is none of them: it goes where errors go. */
static void end_csv(show *s)
{
    rhi_session *session = s->session;
    rhi__flush(session);
    if (s->is_cut)
        rhi__notice(session, "… more rows (--limit=0 shows all)\n");
    rhi__complete_so_far(session);
    if (s->query->leaks && !s->query->leaks->is_decided)
        rhi__note(&session->notes, "not everything could be searched: what is not garbage may be "
                                   "leaked, too");
    if (rhi__is_provisional(session))
        rhi__notice(session, "provisional: counts are in motion\n");
    for (uint64_t i = 0; i < session->notes.count; i++)
        rhi__notice(session, "incomplete: %s\n", session->notes.items[i]);
    if (session->notes.is_short)
        rhi__notice(session, "incomplete: %s\n", rhi__error_memory()->message);
    for (uint64_t i = 0; i < session->remarks.count; i++)
        rhi__notice(session, "note: %s\n", session->remarks.items[i]);
}

/* ---- all of them ---------------------------------------------------------------------------- */

static rhi_error *show_row(show *s, enum rhi_show_form form)
{
    s->rows++;
    if (form == RHI_SHOW_JSON)
        json_row(s);
    return form == RHI_SHOW_TABLE ? table_row(s) : form == RHI_SHOW_CSV ? csv_row(s) : NULL;
}

static rhi_error *show_rows(show *s, enum rhi_show_form form)
{
    for (;;) {
        bool is_end;
        RHI_TRY(rhi__statement_next(s->statement, &is_end));
        if (is_end)
            return NULL;
        s->is_cut = s->rows == s->limit;
        if (s->is_cut)
            return NULL;
        RHI_TRY(show_row(s, form));
    }
}

static rhi_error *show_all(show *s, enum rhi_show_form form, int *status)
{
    s->columns = rhi__statement_columns(s->statement);
    s->widths = calloc(s->columns + 1, sizeof *s->widths);
    s->is_left = calloc(s->columns + 1, sizeof *s->is_left);
    if (!s->widths || !s->is_left)
        return rhi__error_memory();
    if (form == RHI_SHOW_JSON) {
        RHI_TRY(make_keys(s));
        begin_json(s);
    }
    if (form == RHI_SHOW_CSV)
        RHI_TRY(begin_csv(s));
    rhi_error *error = show_rows(s, form);
    if (error && form == RHI_SHOW_JSON && s->session->was_flushed) {
        rhi__note(&s->session->notes, error->message);
        rhi__error_free(error);
        error = NULL;
        *status = RHI_NO_ANSWER;
    }
    if (!error && form == RHI_SHOW_TABLE)
        error = end_table(s);
    else if (!error && form == RHI_SHOW_JSON)
        end_json(s);
    else if (!error)
        end_csv(s);
    return error;
}

rhi_error *rhi__show(rhi_query *query, rhi_statement *statement, enum rhi_show_form form,
                     uint64_t limit, int *status)
{
    show s = {.query = query, .session = query->session, .statement = statement, .limit = limit};
    rhi_error *error = show_all(&s, form, status);
    drop_held(&s);
    free(s.held.items);
    free(s.widths);
    free(s.keys);
    free(s.is_left);
    return error;
}
