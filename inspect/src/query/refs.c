/* refs.c - the table `refs`: a row for each reference slot of an object that is not empty, as `refs
 * --out --weak` lists them (see tables.h). */
#include "query/scan.h"
#include "query/tables.h"
#include "base/array.h"
#include "questions/objects.h"
#include "render/holders.h"
#include "render/objects.h"

#include <inttypes.h>
#include <stdio.h>

enum {
    SOURCE,
    TARGET,
    NAME,
    STRENGTH,
    TARGET_STATUS,
    VALUE,
    ADDRESS,
    SOURCE_ADDRESS,
    TARGET_ADDRESS,
    SLOTS_MAX = 1 << 22
};

static const rhi_column columns[] = {
    {"source", RHI_COLUMN_TEXT, 0, 8, "the id of the object that has the slot", 0},
    {"target", RHI_COLUMN_TEXT, 0, 16, "that of the object that it holds; null: no object is there",
     0},
    {"name", RHI_COLUMN_TEXT, 0, 0, "the slot: next, items[3], ['key']", 0},
    {"strength", RHI_COLUMN_TEXT, 0, 0, "strong, weak, borrowed, conservative", 0},
    {"target_status", RHI_COLUMN_TEXT, 0, 0, "live, freed, interior, unmanaged, …, as in refs", 0},
    {"value", RHI_COLUMN_TEXT, 0, 0, "the address that it holds", 0},
    {"address", RHI_COLUMN_TEXT, 0, 0, "where the slot is", 0},
    {"source_address", RHI_COLUMN_TEXT, 0, 8, "as in objects", 0},
    {"target_address", RHI_COLUMN_TEXT, 0, 16, "as in objects; null as target", 0}};

typedef struct ref_rows {
    rhi_rows rows;
    rhi_scan scan; /* over the sources */
    rhi_found targets;
    uint64_t target; /* the one of targets that is asked about; UINT64_MAX: all slots are */
    struct {
        struct numbered_slot {
            rhi_slot slot;
            uint64_t number; /* among all slots of the source */
        } * items;
        uint64_t count, capacity;
    } slots; /* of the source */
    uint64_t at, visited;
    uint64_t room; /* bytes of slots that may still be read: of all objects, those of one pass */
    bool is_short, is_cut;
    char source[RHI_ID_SIZE];
    bool has_source, is_looked_up;
    rhi_referent referent;
} ref_rows;

static bool add_slot(void *context, const rhi_slot *slot)
{
    ref_rows *r = context;
    uint64_t number = r->visited++;
    if (r->target != UINT64_MAX &&
        rhi__query_object_of(r->rows.query, slot->value) != r->targets.items[r->target])
        return true;
    r->is_cut = r->slots.count >= SLOTS_MAX;
    r->is_short = !r->is_cut && !rhi__array_reserve(&r->slots, 1);
    if (r->is_cut || r->is_short)
        return false;
    r->slots.items[r->slots.count++] = (struct numbered_slot){*slot, number};
    return true;
}

/* The slots of the source; none if it cannot be read, which was noted. */
static rhi_error *read_slots(ref_rows *r)
{
    rhi_query *query = r->rows.query;
    rhi_reader *reader = query->reader;
    const uint8_t *bytes = rhi__scan_bytes(&r->scan);
    uint64_t before = reader->slot_room, room = before < r->room ? before : r->room;
    reader->slot_room = room;
    r->slots.count = r->at = r->visited = 0;
    r->has_source = r->is_cut = r->is_short = false;
    if (bytes && rhi__is_object(r->scan.object.state))
        rhi__each_slot(reader, &r->scan.object, bytes, add_slot, r);
    uint64_t used = room - reader->slot_room;
    r->room -= used;
    reader->slot_room = before - used;
    if (r->is_cut)
        rhi__note(&query->session->notes, "an object holds more than is shown");
    return r->is_short ? rhi__error_memory() : NULL;
}

/* Goes to the sources of the next target. */
static rhi_error *next_target(ref_rows *r, bool *is_over)
{
    *is_over = r->target == UINT64_MAX || r->target + 1 >= r->targets.count;
    if (*is_over)
        return NULL;
    r->target++;
    r->scan.found.count = 0;
    RHI_TRY(rhi__query_sources(r->rows.query, r->targets.items[r->target], &r->scan.found));
    rhi__scan_found(&r->scan, r->rows.query);
    return NULL;
}

static rhi_error *next(rhi_rows *rows)
{
    ref_rows *r = (ref_rows *)rows;
    bool is_over = false;
    r->is_looked_up = false;
    r->at++;
    while (r->at >= r->slots.count && !is_over) {
        RHI_TRY(rhi__scan_next(&r->scan));
        if (rhi__scan_is_over(&r->scan))
            RHI_TRY(next_target(r, &is_over));
        else
            RHI_TRY(read_slots(r));
    }
    rows->is_end = is_over;
    if (!is_over)
        rows->number = (uint64_t)r->scan.index << 32 | (uint32_t)r->slots.items[r->at].number;
    return NULL;
}

static rhi_error *begin(rhi_rows *rows, const rhi_lookup *lookup)
{
    ref_rows *r = (ref_rows *)rows;
    bool by_source = lookup->column == SOURCE || lookup->column == SOURCE_ADDRESS,
         by_id = lookup->column == SOURCE || lookup->column == TARGET;
    rhi_found *found = by_source ? &r->scan.found : &r->targets;
    r->scan.found.count = r->targets.count = r->slots.count = r->at = 0;
    r->target = r->room = UINT64_MAX;
    if (lookup->column == RHI_NO_KEY) {
        r->room = rhi__pass_room(rows->query->reader);
        RHI_TRY(rhi__scan_all(&r->scan, rows->query));
        return next(rows);
    }
    RHI_TRY(by_id ? rhi__query_by_id(rows->query, &lookup->value, found)
                  : rhi__query_by_address(rows->query, &lookup->value, found));
    rhi__scan_found(&r->scan, rows->query); /* of a target: none yet */
    if (!by_source && !r->targets.count) {
        rows->is_end = true;
        return NULL;
    }
    if (!by_source) {
        r->target = 0;
        RHI_TRY(rhi__query_sources(rows->query, r->targets.items[0], &r->scan.found));
        rhi__scan_found(&r->scan, rows->query);
    }
    return next(rows);
}

/* ---- cells ---------------------------------------------------------------------------------- */

static void set_address(ref_rows *r, uint64_t address, rhi_cell *cell)
{
    snprintf(r->rows.text, sizeof r->rows.text, "0x%" PRIx64, address);
    *cell = rhi__text_cell(r->rows.text, false);
}

static void set_target(ref_rows *r, unsigned column, const rhi_slot *slot, rhi_cell *cell)
{
    rhi_query *query = r->rows.query;
    uint32_t index = rhi__query_object_of(query, slot->value);
    if (!r->is_looked_up)
        rhi__look_up(query->reader, slot->value, &r->referent);
    r->is_looked_up = true;
    if (column == TARGET_STATUS) {
        *cell = rhi__text_cell(rhi__referent_word(&r->referent), true);
    } else if (index != RHI_NO_OBJECT) {
        rhi__object_id(query->reader, &r->referent.object, r->rows.text, sizeof r->rows.text);
        *cell = rhi__text_cell(r->rows.text, false);
    }
}

static void set_source(ref_rows *r, rhi_cell *cell)
{
    const rhi_object *object = r->has_source ? NULL : rhi__scan_object(&r->scan);
    if (object)
        rhi__object_id(r->rows.query->reader, object, r->source, sizeof r->source);
    r->has_source = true;
    *cell = rhi__text_cell(r->source, false);
}

static rhi_error *cell(rhi_rows *rows, unsigned column, rhi_cell *cell)
{
    ref_rows *r = (ref_rows *)rows;
    const rhi_slot *slot = &r->slots.items[r->at].slot;
    *cell = rhi__null_cell();
    switch (column) {
    case SOURCE:
        set_source(r, cell);
        break;
    case TARGET:
    case TARGET_STATUS:
        set_target(r, column, slot, cell);
        break;
    case NAME:
        rhi__slot_name(slot->field, slot->element, rows->text, sizeof rows->text);
        *cell = rhi__text_cell(rows->text, false);
        break;
    case STRENGTH:
        *cell = rhi__text_cell(rhi__field_strength(slot->field), true);
        break;
    case SOURCE_ADDRESS:
        set_address(r, rhi__scan_address(&r->scan), cell);
        break;
    case TARGET_ADDRESS:
        if (rhi__query_object_of(rows->query, slot->value) != RHI_NO_OBJECT)
            set_address(r, slot->value, cell);
        break;
    default:
        set_address(r, column == VALUE ? slot->value : slot->address, cell);
    }
    return NULL;
}

const rhi_slot *rhi__refs_slot(const rhi_rows *rows)
{
    const ref_rows *r = (const ref_rows *)rows;
    return &r->slots.items[r->at].slot;
}

static void end(rhi_rows *rows)
{
    ref_rows *r = (ref_rows *)rows;
    rhi__scan_free(&r->scan);
    free(r->targets.items);
    free(r->slots.items);
}

const rhi_table rhi__refs_table = {.name = "refs",
                                   .doc = "the references in objects, as refs --out --weak lists "
                                          "them",
                                   .columns = columns,
                                   .column_count = sizeof columns / sizeof *columns,
                                   .order = RHI_NO_KEY,
                                   .size = sizeof(ref_rows),
                                   .begin = begin,
                                   .next = next,
                                   .cell = cell,
                                   .end = end};
