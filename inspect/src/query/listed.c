/* listed.c - rows that are made as JSON (see listed.h). */
#include "query/listed.h"

#include <string.h>

enum { ID, ADDRESS };

static const rhi_list *list_of(const rhi_listed *l)
{
    return l->rows.table->of;
}

static void drop(rhi_listed *l)
{
    json_decref(l->row);
    if (list_of(l)->drop)
        list_of(l)->drop(l->answer);
    l->row = NULL;
    l->answer = NULL;
    l->at = l->count = 0;
}

static void note_row(rhi_listed *l)
{
    uint64_t object = list_of(l)->gather_of ? (uint64_t)l->scan.index << 32 : 0;
    bool has_number = list_of(l)->number && l->at < l->count;
    l->rows.number = has_number ? list_of(l)->number(l, l->at) : object | (uint32_t)l->at;
    json_decref(l->row);
    l->row = NULL;
}

/* The first row of the next object that has one. */
static rhi_error *next_object(rhi_listed *l)
{
    while (l->at >= l->count) {
        drop(l);
        RHI_TRY(rhi__scan_next(&l->scan));
        l->rows.is_end = rhi__scan_is_over(&l->scan);
        if (l->rows.is_end)
            return NULL;
        const rhi_object *object = rhi__scan_object(&l->scan);
        if (object)
            RHI_TRY(list_of(l)->gather_of(l, object));
    }
    note_row(l);
    return NULL;
}

rhi_error *rhi__listed_begin(rhi_rows *rows, const rhi_lookup *lookup)
{
    rhi_listed *l = (rhi_listed *)rows;
    drop(l);
    if (!list_of(l)->gather_of) {
        RHI_TRY(list_of(l)->gather(l, lookup));
        rows->is_end = l->count == 0;
        note_row(l);
        return NULL;
    }
    l->scan.found.count = 0;
    /* a row takes long: a small core that claims much gets less of what a pass reads at least */
    const rhi_reader *reader = rows->query->reader;
    l->room = lookup->column == RHI_NO_KEY ? rhi__pass_room(reader) - reader->pass_least / 4 * 3
                                           : UINT64_MAX;
    if (lookup->column == RHI_NO_KEY) {
        RHI_TRY(rhi__scan_all(&l->scan, rows->query));
        return next_object(l);
    }
    RHI_TRY(lookup->column == ID
                ? rhi__query_by_id(rows->query, &lookup->value, &l->scan.found)
                : rhi__query_by_address(rows->query, &lookup->value, &l->scan.found));
    rhi__scan_found(&l->scan, rows->query);
    return next_object(l);
}

rhi_error *rhi__listed_next(rhi_rows *rows)
{
    rhi_listed *l = (rhi_listed *)rows;
    l->at++;
    if (list_of(l)->gather_of)
        return next_object(l);
    if (l->at % 1024 == 0)
        RHI_TRY(rhi__progress(&rows->query->session->work, "listing", l->at, l->count));
    rows->is_end = l->at >= l->count;
    note_row(l);
    return NULL;
}

/* The value at "site.file" of a row. */
static const json_t *value_at(const json_t *row, const char *path)
{
    char key[64];
    for (size_t length; row; path += length + 1) {
        length = strcspn(path, ".");
        if (length >= sizeof key)
            return NULL;
        memcpy(key, path, length);
        key[length] = '\0';
        row = json_object_get(row, key);
        if (!path[length])
            break;
    }
    return row;
}

rhi_error *rhi__listed_cell(rhi_rows *rows, unsigned column, rhi_cell *cell)
{
    rhi_listed *l = (rhi_listed *)rows;
    const rhi_column *c = &rows->table->columns[column];
    *cell = rhi__null_cell();
    if (list_of(l)->cell && list_of(l)->cell(l, column, cell))
        return NULL;
    if (!l->row)
        l->row = list_of(l)->row(l, l->at);
    if (!l->row)
        return rhi__error_memory();
    const json_t *value = value_at(l->row, c->path ? c->path : c->name);
    if (json_is_integer(value))
        *cell = (rhi_cell){.kind = RHI_CELL_INTEGER, .integer = json_integer_value(value)};
    else if (json_is_boolean(value))
        *cell = rhi__number_cell(json_is_true(value));
    else if (json_is_real(value))
        *cell = (rhi_cell){.kind = RHI_CELL_REAL, .real = json_real_value(value)};
    else if (json_is_string(value))
        *cell = (rhi_cell){.kind = RHI_CELL_TEXT,
                           .text = json_string_value(value),
                           .size = json_string_length(value)};
    return NULL;
}

void rhi__listed_end(rhi_rows *rows)
{
    rhi_listed *l = (rhi_listed *)rows;
    drop(l);
    rhi__scan_free(&l->scan);
}
