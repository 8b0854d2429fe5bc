/* objects.c - the table `objects`: a row for each object, as `gcfind` lists them (see tables.h). */
#include "query/scan.h"
#include "query/tables.h"
#include "questions/selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    ID,
    ADDRESS,
    TYPE,
    SERIAL,
    SIZE,
    REFCOUNT,
    STATE,
    HEAP,
    SITE_FILE,
    SITE_LINE,
    SITE_FUNCTION,
    VALUE,
    QUALIFIED,
    FORMAT,
    RETAINED,
    REACHABLE,
    GARBAGE,
    LEAKED,
    REFERRERS
};

static const rhi_column columns[] = {
    {"id", RHI_COLUMN_TEXT, 0, 1, "what the object is called: node#12, dict@0x7f…", 0},
    {"address", RHI_COLUMN_TEXT, 0, 1, "where it is: 0x…", 0},
    {"type", RHI_COLUMN_TEXT, 0, 100000, "the name of its type", 0},
    {"serial", RHI_COLUMN_INTEGER, 0, 0, "null where the format has none", 0},
    {"size", RHI_COLUMN_INTEGER, 0, 0, "its bytes", 0},
    {"refcount", RHI_COLUMN_INTEGER, 0, 0, "null: it is immortal", 0},
    {"state", RHI_COLUMN_TEXT, 0, 0, "live, dying, finalized, uncollectable", 0},
    {"heap", RHI_COLUMN_INTEGER, 0, 0, "the number of its heap", 0},
    {"site_file", RHI_COLUMN_TEXT, 0, 0, "the file whose line made it; null: not known", 0},
    {"site_line", RHI_COLUMN_INTEGER, 0, 0, "that line", 0},
    {"site_function", RHI_COLUMN_TEXT, 0, 0, "and its function", 0},
    {"value", RHI_COLUMN_TEXT, 0, 0, "what it holds, short", 0},
    {"qualified", RHI_COLUMN_TEXT, 0, 0, "its type's name with the module: app.User", 0},
    {"format", RHI_COLUMN_TEXT, 0, 0, "refheap, python", 0},
    {"retained", RHI_COLUMN_INTEGER, RHI_COST_RETAINED, 0, "bytes that would go if it went", 0},
    {"reachable", RHI_COLUMN_INTEGER, RHI_COST_SEARCH, 0,
     "1: something holds it; 0: it is leaked; null: that is undecided", 0},
    {"garbage", RHI_COLUMN_INTEGER, RHI_COST_GRAPH, 0,
     "1: all counts come from garbage like itself", 0},
    {"leaked", RHI_COLUMN_TEXT, RHI_COST_SEARCH, 0,
     "cycle, lost_reference, lost_block, dependent, as gcleaks says; else null", 0},
    {"referrers", RHI_COLUMN_INTEGER, RHI_COST_GRAPH, 0,
     "how many fields of live objects hold it, and own a count", 0}};

typedef struct object_rows {
    rhi_rows rows;
    rhi_scan scan;
    bool has_site, is_site_read;
    rhi_site site;
} object_rows;

static rhi_error *next(rhi_rows *rows)
{
    object_rows *o = (object_rows *)rows;
    RHI_TRY(rhi__scan_next(&o->scan));
    rows->is_end = rhi__scan_is_over(&o->scan);
    rows->number = o->scan.index;
    o->is_site_read = false;
    return NULL;
}

static rhi_error *begin(rhi_rows *rows, const rhi_lookup *lookup)
{
    object_rows *o = (object_rows *)rows;
    const rhi_by_type *by_type;
    uint64_t first, end;
    o->scan.found.count = 0;
    if (lookup->column == ID || lookup->column == ADDRESS) {
        RHI_TRY(lookup->column == ID
                    ? rhi__query_by_id(rows->query, &lookup->value, &o->scan.found)
                    : rhi__query_by_address(rows->query, &lookup->value, &o->scan.found));
        rhi__scan_found(&o->scan, rows->query);
    } else if (lookup->column == TYPE) {
        RHI_TRY(rhi__query_of_type(rows->query, &lookup->value, &by_type, &first, &end));
        rhi__scan_list(&o->scan, rows->query, by_type->order + first, end - first);
    } else if (lookup->in_order) {
        RHI_TRY(rhi__query_by_type(rows->query, &by_type));
        rhi__scan_list(&o->scan, rows->query, by_type->order, by_type->count);
    } else {
        RHI_TRY(rhi__scan_all(&o->scan, rows->query));
    }
    return next(rows);
}

/* ---- cells ---------------------------------------------------------------------------------- */

static const rhi_type *type_of(object_rows *o)
{
    const rhi_reader *reader = o->rows.query->reader;
    uint32_t type = rhi__scan_type(&o->scan);
    return type < reader->types.count ? &reader->types.items[type] : NULL;
}

/* Most types say it of all of their objects: then nothing is read. */
static void set_size(object_rows *o, rhi_cell *cell)
{
    const rhi_type *type = type_of(o);
    uint64_t slot_size = o->scan.block->slot_size;
    const uint8_t *bytes;
    if (type && type->has_fixed_size)
        *cell = rhi__number_cell(type->size < slot_size ? type->size : slot_size);
    else if ((bytes = rhi__scan_bytes(&o->scan)))
        *cell = rhi__number_cell(rhi__object_size(o->rows.query->reader, &o->scan.object, bytes));
    else
        *cell = rhi__number_cell(slot_size);
}

static void set_count(object_rows *o, rhi_cell *cell)
{
    const rhi_listing *listing = o->rows.query->listing;
    uint32_t count = listing ? listing->counts[o->scan.index] : 0;
    bool is_whole = count && count < UINT32_MAX;
    const rhi_object *object = is_whole ? NULL : rhi__scan_object(&o->scan);
    if (is_whole)
        *cell = rhi__number_cell(count);
    else if (object && !object->immortal)
        *cell = (rhi_cell){.kind = RHI_CELL_INTEGER, .integer = object->count};
}

static void set_site(object_rows *o, unsigned column, rhi_cell *cell)
{
    if (!o->is_site_read) {
        const rhi_object *object = rhi__scan_object(&o->scan);
        o->has_site = object && rhi__site(o->rows.query->reader, object, &o->site);
        o->is_site_read = true;
    }
    if (!o->has_site)
        return;
    *cell = column == SITE_LINE
                ? rhi__number_cell(o->site.line)
                : rhi__text_cell(column == SITE_FILE ? o->site.file : o->site.function, true);
}

/* What its header tells. */
static void set_from_header(object_rows *o, unsigned column, rhi_cell *cell)
{
    rhi_reader *reader = o->rows.query->reader;
    const rhi_object *object = rhi__scan_object(&o->scan);
    char *text = o->rows.text;
    if (!object)
        return;
    if (column == ID) {
        rhi__object_id(reader, object, text, sizeof o->rows.text);
        *cell = rhi__text_cell(text, false);
    } else if (column == SERIAL && rhi__format_of(reader, object->heap)->has_serials) {
        *cell = rhi__number_cell(object->serial);
    } else if (column == STATE) {
        *cell = rhi__text_cell(rhi__state_word(object), true);
    } else if (column == VALUE) {
        rhi__value(reader, object, text);
        *cell = rhi__text_cell(text[0] ? text + 1 : NULL, false);
    }
}

static rhi_error *set_verdict(object_rows *o, unsigned column, rhi_cell *cell)
{
    rhi_query *query = o->rows.query;
    uint32_t index = o->scan.index;
    bool is_held = true;
    if (column == RETAINED) {
        RHI_TRY(rhi__query_retained(query));
        *cell = rhi__number_cell(query->graph->retained[index]);
        return NULL;
    }
    if (column == GARBAGE || column == REFERRERS) {
        RHI_TRY(rhi__query_graph(query));
        *cell = rhi__number_cell(column == REFERRERS ? rhi__found(query->graph, index)
                                                     : rhi__is_unreachable(query->graph, index));
        return NULL;
    }
    RHI_TRY(rhi__query_leaks(query));
    enum rhi_cause cause = rhi__cause(query->leaks, index);
    if (column == LEAKED) {
        *cell = rhi__text_cell(cause == RHI_CAUSE_NONE ? NULL : rhi__cause_word(cause), true);
        return NULL;
    }
    if (cause == RHI_CAUSE_NONE && !query->leaks->is_decided)
        RHI_TRY(rhi__query_is_held(query, index, &is_held));
    if (is_held)
        *cell = rhi__number_cell(cause == RHI_CAUSE_NONE);
    return NULL;
}

static rhi_error *cell(rhi_rows *rows, unsigned column, rhi_cell *cell)
{
    object_rows *o = (object_rows *)rows;
    const rhi_reader *reader = rows->query->reader;
    const rhi_heap_info *heap = &reader->heaps.items[o->scan.block->heap];
    *cell = rhi__null_cell();
    switch (column) {
    case TYPE:
        *cell = rhi__text_cell(rhi__type_name(reader, rhi__scan_type(&o->scan)), true);
        break;
    case ADDRESS:
        snprintf(rows->text, sizeof rows->text, "0x%" PRIx64, rhi__scan_address(&o->scan));
        *cell = rhi__text_cell(rows->text, false);
        break;
    case SIZE:
        set_size(o, cell);
        break;
    case REFCOUNT:
        set_count(o, cell);
        break;
    case HEAP:
        *cell = rhi__number_cell(heap->number);
        break;
    case SITE_FILE:
    case SITE_LINE:
    case SITE_FUNCTION:
        set_site(o, column, cell);
        break;
    case QUALIFIED:
        *cell = rhi__text_cell(
            type_of(o) && type_of(o)->qualified[0] ? type_of(o)->qualified : NULL, true);
        break;
    case FORMAT:
        *cell = rhi__text_cell(heap->format->name, true);
        break;
    case RETAINED:
    case REACHABLE:
    case GARBAGE:
    case LEAKED:
    case REFERRERS:
        return set_verdict(o, column, cell);
    default:
        set_from_header(o, column, cell);
    }
    return NULL;
}

static void end(rhi_rows *rows)
{
    rhi__scan_free(&((object_rows *)rows)->scan);
}

const rhi_table rhi__objects_table = {.name = "objects",
                                      .doc = "the objects, as gcfind lists them",
                                      .columns = columns,
                                      .column_count = sizeof columns / sizeof *columns,
                                      .order = TYPE,
                                      .size = sizeof(object_rows),
                                      .begin = begin,
                                      .next = next,
                                      .cell = cell,
                                      .end = end};
