/* compact_slots.c - a row for each reference slot that is not empty, and one for each field of an
 * object (see compact.h). */
#include "export/compact.h"
#include "query/tables.h"
#include "render/holders.h"
#include "render/objat.h"
#include "render/objects.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct slots {
    rhi_compact *compact;
    rhi_query *query;
    sqlite3_stmt *put;
    unsigned status;  /* the column target_status of refs */
    unsigned value;   /* value of fields */
    unsigned total;   /* value_total of fields */
    uint32_t source;  /* of the last row */
    uint64_t address; /* of that */
} slots;

static rhi_error *bind_number(const slots *s, int parameter, int64_t number)
{
    const rhi_cell cell = {.kind = RHI_CELL_INTEGER, .integer = number};
    return rhi__database_bind(s->compact->database, s->put, parameter, &cell);
}

static rhi_error *bind_text(const slots *s, int parameter, const char *text)
{
    const rhi_cell cell = rhi__text_cell(text, false);
    return rhi__database_bind(s->compact->database, s->put, parameter, &cell);
}

static rhi_error *bind_address(const slots *s, int parameter, uint64_t address)
{
    char text[32];
    snprintf(text, sizeof text, "0x%" PRIx64, address);
    return bind_text(s, parameter, text);
}

/* The row of slot_names. status: null: it is no reference, or NULL. */
static rhi_error *bind_name(const slots *s, const char *name, const rhi_field *field,
                            const char *status, uint32_t target)
{
    int64_t number;
    const char *holds = !rhi__slot_holds(s->compact, field, target) ? NULL
                        : field->is_guess                           ? "conservative"
                                                                    : "strong";
    const rhi_cell values[] = {rhi__text_cell(name, false),
                               rhi__text_cell(rhi__field_kind(field), true),
                               rhi__text_cell(status, true), rhi__text_cell(holds, true)};
    RHI_TRY(rhi__dictionary_number(&s->compact->slots, values, 4, &number));
    return bind_number(s, 4, number);
}

static rhi_error *bind_target(const slots *s, int parameter, uint32_t target)
{
    if (target == RHI_NO_OBJECT)
        return NULL;
    if (!rhi__is_exported(s->compact, target))
        rhi__bit_set(s->compact->mentioned, target);
    return bind_number(s, parameter, rhi__compact_number(target));
}

static rhi_error *begin_row(const slots *s, const rhi_rows *rows)
{
    sqlite3_clear_bindings(s->put);
    RHI_TRY(bind_number(s, 1, rhi__compact_number((uint32_t)(rows->number >> 32))));
    return bind_number(s, 2, (uint32_t)rows->number);
}

/* ---- refs ----------------------------------------------------------------------------------- */

static rhi_error *put_ref(void *context, rhi_rows *rows)
{
    slots *s = context;
    const rhi_slot *slot = rhi__refs_slot(rows);
    uint32_t target = rhi__query_object_of(s->query, slot->value),
             source = (uint32_t)(rows->number >> 32);
    char name[RHI_ID_SIZE + RHI_VALUE_SIZE];
    rhi_cell status;
    if (s->source != source) {
        s->source = source;
        s->address = rhi__object_address(s->query->reader, source);
    }
    RHI_TRY(begin_row(s, rows));
    RHI_TRY(target == RHI_NO_OBJECT ? bind_number(s, 3, 0) : bind_target(s, 3, target));
    RHI_TRY(rows->table->cell(rows, s->status, &status));
    rhi__slot_name(slot->field, slot->element, name, sizeof name);
    RHI_TRY(bind_name(s, name, slot->field, status.text, target));
    if (target == RHI_NO_OBJECT)
        RHI_TRY(bind_address(s, 5, slot->value));
    RHI_TRY(bind_number(s, 6, (int64_t)(slot->address - s->address)));
    s->compact->database->export->references++;
    return rhi__database_put(s->compact->database, s->put);
}

static rhi_error *fill(slots *s, const rhi_table *table, const char *sql, rhi_row_visitor put)
{
    const rhi_lookup all = {.column = RHI_NO_KEY};
    s->query = &s->compact->database->export->query;
    RHI_TRY(rhi__database_prepare(s->compact->database, sql, &s->put));
    rhi_error *error = rhi__each_row(s->query, table, &all, put, s);
    sqlite3_finalize(s->put);
    return error;
}

rhi_error *rhi__compact_refs(rhi_compact *compact)
{
    const rhi_table *table = &rhi__refs_table;
    slots s = {
        .compact = compact, .status = rhi__column(table, "target_status"), .source = RHI_NO_OBJECT};
    return fill(&s, table, "INSERT INTO ref_rows VALUES(?1,?2,?3,?4,?5,?6)", put_ref);
}

/* ---- fields --------------------------------------------------------------------------------- */

/* What a reference holds; a live object has its value in its own row. */
static rhi_error *bind_reference(const slots *s, const rhi_objat_row *row, uint32_t target)
{
    char id[RHI_ID_SIZE];
    if (target != RHI_NO_OBJECT)
        return bind_target(s, 6, target);
    RHI_TRY(bind_address(s, 5, row->value));
    return rhi__referent_id(s->query->reader, &row->referent, id) ? bind_text(s, 7, id) : NULL;
}

static rhi_error *bind_value(const slots *s, rhi_rows *rows, const rhi_objat_row *row)
{
    rhi_cell cell;
    bool is_number = row->field->kind == RHI_KIND_INT || row->field->kind == RHI_KIND_UINT;
    if (is_number && (row->field->kind == RHI_KIND_INT || row->value <= INT64_MAX))
        return bind_number(s, 5, (int64_t)row->value);
    RHI_TRY(rows->table->cell(rows, s->value, &cell));
    RHI_TRY(rhi__database_bind(s->compact->database, s->put, 5, &cell));
    RHI_TRY(rows->table->cell(rows, s->total, &cell));
    return rhi__database_bind(s->compact->database, s->put, 7, &cell);
}

static rhi_error *put_field(void *context, rhi_rows *rows)
{
    slots *s = context;
    const rhi_objat_row *row = rhi__fields_field(rows);
    bool refers = rhi__is_reference(row->field);
    const rhi_referent *referent = refers && row->value ? &row->referent : NULL;
    uint32_t target = referent && rhi__referent_is_live(referent)
                          ? rhi__query_object_of(s->query, row->value)
                          : RHI_NO_OBJECT;
    char name[RHI_ID_SIZE + RHI_VALUE_SIZE];
    RHI_TRY(begin_row(s, rows));
    rhi__field_row_name(row, name, sizeof name);
    RHI_TRY(bind_name(s, name, row->field, referent ? rhi__referent_word(referent) : NULL, target));
    if (referent)
        RHI_TRY(bind_reference(s, row, target));
    else if (!refers)
        RHI_TRY(bind_value(s, rows, row));
    return rhi__database_put(s->compact->database, s->put);
}

rhi_error *rhi__compact_fields(rhi_compact *compact)
{
    const rhi_table *table = &rhi__fields_table;
    slots s = {.compact = compact,
               .value = rhi__column(table, "value"),
               .total = rhi__column(table, "value_total")};
    return fill(&s, table, "INSERT INTO field_rows VALUES(?1,?2,?4,?5,?6,?7)", put_field);
}
