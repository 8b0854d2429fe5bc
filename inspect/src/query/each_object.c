/* each_object.c - the tables `holders` and `fields`: for each object who refers to it, as `refs`
 * has it, and what its fields hold, as `objat` has them (see tables.h). */
#include "query/listed.h"
#include "query/tables.h"
#include "base/array.h"
#include "questions/objat.h"
#include "questions/refs.h"
#include "render/holders.h"
#include "program/symbols.h"
#include "render/objat.h"
#include "render/objects.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- holders -------------------------------------------------------------------------------- */

static const rhi_column holder_columns[] = {
    {"target", RHI_COLUMN_TEXT, 0, 16, "the object that is held", 0},
    {"target_address", RHI_COLUMN_TEXT, 0, 16, "where that is", 0},
    {"kind", RHI_COLUMN_TEXT, 0, 0,
     "field, undeclared, root, register, stack, local, global, thread_local, foreign, unknown, …",
     0},
    {"strength", RHI_COLUMN_TEXT, 0, 0, "strong; conservative: it may be a leftover", 0},
    {"address", RHI_COLUMN_TEXT, 0, 0, "where the word is; null: in a register", 0},
    {"name", RHI_COLUMN_TEXT, 0, 0, "of the field, root, variable, register", 0},
    {"function", RHI_COLUMN_TEXT, 0, 0, "of a variable", 0},
    {"thread", RHI_COLUMN_INTEGER, 0, 0, "of a stack or register", 0},
    {"source", RHI_COLUMN_TEXT, 0, 0, "the object that the word is in; null: in none", 0},
    {"type", RHI_COLUMN_TEXT, 0, 0, "of a variable, by debug info", 0},
    {"offset", RHI_COLUMN_INTEGER, 0, 0, "how far into the object it leads", 0},
    {"reachable", RHI_COLUMN_INTEGER, 0, 0,
     "of a word in a block of malloc: 1: something reaches that", 0}};

static void free_refs(void *value)
{
    if (value)
        rhi__refs_free(value);
    free(value);
}

static rhi_error *gather_holders(rhi_listed *l, const rhi_object *object)
{
    rhi_query *query = l->rows.query;
    char operand[32];
    snprintf(operand, sizeof operand, "0x%" PRIx64, object->address);
    const rhi_refs_asked asked = {.operand = operand, .limit = UINT64_MAX, .depth = 1, .in = true};
    rhi_refs *answer = calloc(1, sizeof *answer);
    /* whoever asks again asks often */
    rhi_error *error = !answer            ? rhi__error_memory()
                       : query->lookups++ ? rhi__query_graph(query)
                                          : NULL;
    if (!error)
        error = rhi__refs(query->session, &asked, answer);
    l->answer = answer;
    if (!error)
        l->count = answer->holders.count;
    return error;
}

const rhi_holder *rhi__holders_holder(const rhi_rows *rows)
{
    const rhi_listed *l = (const rhi_listed *)rows;
    return &((const rhi_refs *)l->answer)->holders.items[l->at];
}

enum {
    H_TARGET,
    H_TARGET_ADDRESS,
    H_KIND,
    H_STRENGTH,
    H_ADDRESS,
    H_NAME,
    H_FUNCTION,
    H_THREAD,
    H_SOURCE,
    H_TYPE,
    H_OFFSET,
    H_REACHABLE
};

/* A text of the row's own. */
static rhi_cell made_text(rhi_listed *l, bool is_there)
{
    return rhi__text_cell(is_there ? l->rows.text : NULL, false);
}

static rhi_cell address_cell(rhi_listed *l, uint64_t address)
{
    snprintf(l->rows.text, sizeof l->rows.text, "0x%" PRIx64, address);
    return made_text(l, true);
}

static rhi_cell id_cell(rhi_listed *l, rhi_reader *reader, const rhi_object *object)
{
    rhi__object_id(reader, object, l->rows.text, sizeof l->rows.text);
    return made_text(l, true);
}

static rhi_cell text_if(const char *text)
{
    return rhi__text_cell(text[0] ? text : NULL, false);
}

/* Of the debug info's. */
static rhi_cell variable_cell(const rhi_holder *holder, unsigned column)
{
    const rhi_variable *variable = holder->variable;
    return !variable              ? rhi__null_cell()
           : column == H_FUNCTION ? text_if(variable->function)
                                  : text_if(variable->type);
}

static rhi_cell reach_cell(const rhi_holder *holder)
{
    bool is_known = holder->reach == RHI_REACH_YES || holder->reach == RHI_REACH_NO;
    return is_known ? rhi__number_cell(holder->reach == RHI_REACH_YES) : rhi__null_cell();
}

static bool set_holder(rhi_listed *l, unsigned column, rhi_cell *cell)
{
    const rhi_refs *answer = l->answer;
    const rhi_holder *holder = &answer->holders.items[l->at];
    rhi_object from;
    switch (column) {
    case H_TARGET:
        *cell = id_cell(l, answer->reader, &answer->object);
        break;
    case H_TARGET_ADDRESS:
        *cell = address_cell(l, answer->object.address);
        break;
    case H_KIND:
    case H_STRENGTH:
        *cell = rhi__text_cell(
            column == H_KIND ? rhi__holder_word(holder) : rhi__strength_word(holder), true);
        break;
    case H_ADDRESS:
        *cell = holder->address ? address_cell(l, holder->address) : rhi__null_cell();
        break;
    case H_NAME:
        *cell = rhi__text_cell(holder->name, false);
        break;
    case H_THREAD:
        *cell = holder->lwp ? rhi__number_cell(holder->lwp) : rhi__null_cell();
        break;
    case H_SOURCE:
        *cell = made_text(
            l, rhi__holder_from(answer->reader, holder, &from, l->rows.text, sizeof l->rows.text));
        break;
    case H_OFFSET:
        *cell = (rhi_cell){.kind = RHI_CELL_INTEGER, .integer = rhi__holder_offset(holder)};
        break;
    case H_REACHABLE:
        *cell = reach_cell(holder);
        break;
    default:
        *cell = variable_cell(holder, column);
    }
    return true;
}

static const rhi_list holders = {
    .gather_of = gather_holders, .cell = set_holder, .drop = free_refs};
const rhi_table rhi__holders_table = {.name = "holders",
                                      .doc = "who refers to an object, as refs --in has it, best "
                                             "with target=",
                                      .cost = RHI_COST_SEARCH,
                                      RHI_LISTED(&holders, holder_columns)};

/* ---- fields --------------------------------------------------------------------------------- */

static const rhi_column field_columns[] = {
    {"object", RHI_COLUMN_TEXT, 0, 8, "the object", 0},
    {"object_address", RHI_COLUMN_TEXT, 0, 8, "where that is", 0},
    {"name", RHI_COLUMN_TEXT, 0, 0, "of the field", 0},
    {"kind", RHI_COLUMN_TEXT, 0, 0, "strong, weak, borrowed, conservative, int, uint, float, bytes",
     0},
    {"value", RHI_COLUMN_ANY, 0, 0,
     "what it holds; of a reference the address, or null; a number above 2^63-1: its digits, a "
     "text",
     0},
    {"target", RHI_COLUMN_TEXT, 0, 0, "the object that it leads to, alive or dead", 0},
    {"target_value", RHI_COLUMN_TEXT, 0, 0, "what that holds, short", 0},
    {"target_status", RHI_COLUMN_TEXT, 0, 0, "live, freed, interior, …", 0},
    {"value_total", RHI_COLUMN_INTEGER, 0, 0, "of bytes that are cut: how many there are", 0}};

enum { FIELDS_MAX = 1 << 18, TIMES = 3 /* that a pass may read a byte */ };

static void free_objat(void *at)
{
    free(at);
}

static rhi_error *begin_objat(void *context, void *value)
{
    const rhi_query *query = context;
    rhi_objat *at = value;
    at->session = query->session;
    at->reader = query->reader;
    at->asked.limit = FIELDS_MAX;
    return NULL;
}

/* Rows as they were read: there may be many of which nothing is asked but how many. */
typedef struct fields_of {
    const rhi_objat *at;
    rhi_objat_row *items;
    uint64_t count, capacity;
    uint64_t bytes; /* that the rows are about */
    bool is_short;
} fields_of;

static void free_fields(void *answer)
{
    fields_of *f = answer;
    if (f)
        free(f->items);
    free(f);
}

static void add_field(void *context, const rhi_objat_row *row)
{
    fields_of *f = context;
    f->is_short = f->is_short || !rhi__array_reserve(f, 1);
    if (!f->is_short)
        f->items[f->count++] = *row;
    uint64_t bytes = row->is_whole ? row->raw_size : row->field->width;
    f->bytes += bytes ? bytes : sizeof(uint64_t);
}

static rhi_error *gather_fields(rhi_listed *l, const rhi_object *object)
{
    rhi_query *query = l->rows.query;
    rhi_objat_rows rows = {0};
    void *value;
    const uint8_t *bytes = rhi__scan_bytes(&l->scan);
    /* large: one for all objects of a question */
    RHI_TRY(
        rhi__kept_or_made(&query->kept, sizeof(rhi_objat), begin_objat, query, free_objat, &value));
    rhi_objat *at = value;
    at->object = *object;
    at->bytes = bytes;
    fields_of *f = l->answer = calloc(1, sizeof *f);
    if (!f)
        return rhi__error_memory();
    f->at = at;
    if (bytes)
        RHI_TRY(rhi__objat_fields(at, false, add_field, f, &rows));
    if (f->is_short)
        return rhi__error_memory();
    uint64_t listed = TIMES * f->bytes;
    l->room -= listed < l->room ? listed : l->room;
    if (l->room == 0) { /* as rhi__take_room says of the slots of a pass */
        rhi__question_problem(query->reader, "objects claim more fields than the core has words: "
                                             "the rest is left out");
        l->scan.at = l->scan.end;
    }
    if (rows.total > FIELDS_MAX)
        rhi__note(&query->session->notes, "an object has more fields than are shown");
    l->count = f->count;
    return NULL;
}

const rhi_objat_row *rhi__fields_field(const rhi_rows *rows)
{
    const rhi_listed *l = (const rhi_listed *)rows;
    return &((const fields_of *)l->answer)->items[l->at];
}

enum { F_OBJECT, F_ADDRESS, F_NAME, F_KIND, F_VALUE, F_TARGET, F_TARGET_VALUE, F_STATUS, F_TOTAL };

/* Of a reference; of other fields false: they are numbers in many forms, and bytes. */
static bool set_reference(rhi_listed *l, unsigned column, const rhi_objat_row *row, rhi_cell *cell)
{
    rhi_reader *reader = l->rows.query->reader;
    const rhi_referent *referent = &row->referent;
    bool is_live = row->value && rhi__referent_is_live(referent);
    if (column == F_TOTAL || !row->value)
        return true;
    if (column == F_VALUE) {
        *cell = address_cell(l, row->value);
    } else if (column == F_TARGET) {
        *cell = made_text(l, rhi__referent_id(reader, referent, l->rows.text));
    } else if (column == F_STATUS) {
        *cell = rhi__text_cell(rhi__referent_word(referent), true);
    } else if (is_live) {
        rhi__value(reader, &referent->object, l->rows.text);
        *cell = rhi__text_cell(l->rows.text[0] ? l->rows.text + 1 : NULL, false);
    }
    return true;
}

static bool set_field(rhi_listed *l, unsigned column, rhi_cell *cell)
{
    const rhi_objat_row *row = &((const fields_of *)l->answer)->items[l->at];
    const rhi_object *object = rhi__scan_object(&l->scan);
    switch (column) {
    case F_OBJECT:
        *cell = id_cell(l, l->rows.query->reader, object);
        break;
    case F_ADDRESS:
        *cell = address_cell(l, object->address);
        break;
    case F_NAME:
        rhi__field_row_name(row, l->rows.text, sizeof l->rows.text);
        *cell = made_text(l, true);
        break;
    case F_KIND:
        *cell = rhi__text_cell(rhi__field_kind(row->field), true);
        break;
    default:
        return rhi__is_reference(row->field) && set_reference(l, column, row, cell);
    }
    return true;
}

static json_t *field_row(rhi_listed *l, uint64_t number)
{
    const rhi_query *query = l->rows.query;
    const rhi_object *object = rhi__scan_object(&l->scan);
    char id[RHI_ID_SIZE];
    const fields_of *f = l->answer;
    json_t *row = rhi__field_json(f->at, &f->items[number]);
    rhi__object_id(query->reader, object, id, sizeof id);
    json_object_set_new(row, "object", rhi__json_text(id));
    json_object_set_new(row, "object_address", rhi__json_address(object->address));
    return row;
}

static const rhi_list fields = {
    .gather_of = gather_fields, .row = field_row, .cell = set_field, .drop = free_fields};
const rhi_table rhi__fields_table = {.name = "fields",
                                     .doc = "what the fields of an object hold, as objat has them",
                                     RHI_LISTED(&fields, field_columns)};
