/* objat.c - gathers what is at an address (see objat.h). */
#include "questions/objat.h"
#include "session/resolve.h"
#include "words/asked.h"
#include "words/owners.h"
#include "words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct rhi_objat answer;

/* ---- who died there ------------------------------------------------------------------------- */

static void gather_tenants(answer *a, uint64_t count, bool is_cut)
{
    if (a->place == RHI_PLACE_FREED)
        a->tenant_count = 1; /* by its tombstone */
    uint64_t i = 0;
    for (; i < count && a->tenant_count < RHI_TENANTS_MAX; i++) {
        const rhi_event *event = &a->lives[i];
        /* Who is there still had its death recorded just before it dies. */
        if (event->kind != RHI_EVENT_FREE ||
            (a->place == RHI_PLACE_LIVE && event->serial == a->object.serial))
            continue;
        bool is_last = a->place == RHI_PLACE_FREED && event->serial == a->object.serial;
        rhi_tenant *t = is_last ? &a->tenants[0] : &a->tenants[a->tenant_count++];
        t->event = event;
    }
    a->tenants_cut = is_cut || i < count;
    for (unsigned k = 0; k < a->tenant_count; k++) {
        rhi_tenant *t = &a->tenants[k];
        t->object = t->event ? rhi__event_object(t->event) : a->object;
    }
}

/* counts: with retains and releases, of which a traced object may have more than are looked at.
 * Returns whether there are older ones. */
static bool gather_events(answer *a, bool counts, rhi_event *events, uint64_t *count)
{
    *count = rhi__history(a->reader, a->object.address, 0, counts, events, RHI_EVENTS_MAX + 1);
    bool is_cut = *count > RHI_EVENTS_MAX;
    *count -= is_cut;
    return is_cut;
}

static void gather_past(answer *a)
{
    uint64_t lives;
    bool lives_cut = gather_events(a, false, a->lives, &lives);
    gather_tenants(a, lives, lives_cut);
    if (a->asked.history)
        a->events_cut = gather_events(a, true, a->events, &a->event_count);
    a->has_begin = rhi__history_begin(a->reader, a->object.heap, &a->begin);
    rhi__trace(a->reader, a->object.heap, &a->trace);
}

/* ---- who holds it --------------------------------------------------------------------------- */

static rhi_error *find_holders(answer *a, rhi_holders *holders)
{
    RHI_TRY(rhi__who_holds(a->session, a->reader, &a->object, 0, holders));
    return rhi__add_packed_holders(a->session, a->reader, &a->object, holders);
}

static rhi_error *gather_ledger(answer *a)
{
    rhi_holders holders = {0};
    rhi_error *error = find_holders(a, &holders);
    if (!error)
        error = rhi__ledger(a->session, a->reader, &a->object, &holders, &a->ledger);
    if (!error && !a->ledger.immortal && a->ledger.unexplained > 0)
        error = rhi__owner_not_found(a->session, a->reader);
    rhi__say_left_out(a->session, &holders, 0);
    rhi__holders_free(&holders);
    a->has_ledger = !error;
    return error;
}

/* ---- the answer ----------------------------------------------------------------------------- */

/* What its header says may be wrong, and so may all that is said of the object. */
static void tell_damage(const answer *a)
{
    bool has_type = a->object.type != UINT32_MAX;
    rhi__note(
        &a->session->notes,
        a->object.unborn ? "an object is just being born there, or something has written over "
                           "the header of the slot"
        : a->place == RHI_PLACE_FREED && has_type
            ? "its slot is free, but holds the header of a live object: one "
              "of the two is damaged; gcverify tells more"
        : a->place == RHI_PLACE_FREED
            ? "the header of the freed slot names no type: it is damaged; gcverify tells more"
        : !has_type ? "the object's header names no type: it is damaged"
                    : "the object's header contradicts itself: it is damaged; gcverify tells more");
}

/* The slot at an address inside of an object. */
static void gather_inner_slot(answer *a)
{
    uint64_t word = a->address & ~7ull, element;
    if (!a->bytes || word < a->object.start || word == a->object.address)
        return;
    const rhi_field *field =
        rhi__field_at(a->reader, &a->object, a->bytes, word - a->object.start, &element);
    a->has_slot = field && rhi__is_reference(field) &&
                  rhi__memory_u64(a->reader->memory, word, &a->slot.value);
    if (!a->has_slot)
        return;
    a->slot.is_slot = a->slot.has_owner = true;
    a->slot.owner = a->object;
    rhi__slot_name(field, element, a->slot.name, sizeof a->slot.name);
}

static rhi_error *gather_live(answer *a)
{
    a->bytes = rhi__whole_object(a->reader, &a->object, &a->scratch);
    a->size = a->bytes ? rhi__object_size(a->reader, &a->object, a->bytes) : a->object.slot_size;
    gather_inner_slot(a);
    return a->asked.ledger ? gather_ledger(a) : NULL;
}

/* The slot at an address in no object, in the memory that was taken in one piece with it. */
static rhi_error *gather_slot(answer *a)
{
    uint64_t start = a->region ? a->region->start : 0, end = a->region ? a->region->end : 0;
    bool is_block = a->block.is_known && a->block.in_use,
         is_raw = a->object.slot_size != 0; /* in a block of the heap's own allocator */
    if (is_block || is_raw) {
        start = is_raw ? a->object.start : a->block.start;
        end = is_raw ? rhi__object_end(&a->object) : a->block.end;
    }
    RHI_TRY(rhi__slot_place(a->session, a->reader, a->address, start, end, is_block || is_raw,
                            &a->slot, &a->has_slot));
    return is_raw && !a->has_slot
               ? rhi__raw_place(a->session, a->reader, &a->object, a->asked.limit, &a->block)
               : NULL;
}

rhi_error *rhi__objat(rhi_session *session, const rhi_objat_asked *asked, answer *a)
{
    *a = (answer){.session = session, .asked = *asked};
    RHI_TRY(rhi__session_open(session, &a->reader));
    RHI_TRY(rhi__resolve(session, a->reader, asked->operand, &a->address));
    if (!rhi__place_of(a->reader, a->address, &a->place, &a->object))
        return rhi__error("0x%" PRIx64 " lies in the heap, but its memory cannot be read%s%s",
                          a->address, a->reader->memory->truncated[0] ? ": " : "",
                          a->reader->memory->truncated);
    a->region = rhi__memory_region(a->reader->memory, a->address);
    a->own = rhi__own_at(a->reader, a->address);
    rhi__remark(a->reader, a->address, &a->object, a->remark);
    if (a->place == RHI_PLACE_UNMANAGED)
        RHI_TRY(rhi__malloc_place(session, a->reader, a->address, asked->limit, &a->block));
    if (a->place == RHI_PLACE_UNMANAGED || a->place == RHI_PLACE_INTERNAL)
        return gather_slot(a);
    if (!rhi__place_is_slot(a->place))
        return NULL;
    gather_past(a);
    if (a->object.damaged || a->object.unborn)
        tell_damage(a);
    return a->place == RHI_PLACE_LIVE ? gather_live(a) : NULL;
}

void rhi__objat_free(answer *a)
{
    rhi__scratch_free(&a->scratch);
    rhi__malloc_place_free(&a->block);
}

/* ---- fields --------------------------------------------------------------------------------- */

typedef struct listing {
    answer *a;
    rhi_objat_visitor visit;
    void *context;
    bool has_runs;
    uint64_t looked_at; /* elements, where runs are looked for */
    rhi_objat_rows rows;
    rhi_error *error;
} listing;

static bool fill_bytes(rhi_memory *memory, rhi_objat_row *row, uint64_t first, uint64_t count)
{
    uint64_t shown = count < RHI_BYTES_SHOWN ? count : RHI_BYTES_SHOWN;
    uint64_t got = rhi__memory_read(memory, first, row->raw, shown);
    row->raw_size = count > shown ? rhi__whole_characters(row->raw, got) : got;
    row->value = count;
    return got == shown;
}

/* Reads a field: what lies in the object itself is there already. */
static bool read_field(const answer *a, uint64_t at, uint8_t width, uint8_t *bytes)
{
    const rhi_object *object = &a->object;
    uint64_t offset = at - object->start;
    if (!a->bytes || offset >= object->slot_size || width > object->slot_size - offset)
        return rhi__memory_read(a->reader->memory, at, bytes, width) == width;
    memcpy(bytes, a->bytes + offset, width);
    return true;
}

static bool fill_row(answer *a, const rhi_field *field, uint64_t first, uint64_t element,
                     rhi_objat_row *row)
{
    uint8_t bytes[16] = {0};
    uint64_t at = first + element * field->stride + field->element_offset;
    row->field = field;
    row->element = row->last = element;
    row->is_whole = row->is_unreadable = false;
    if (!read_field(a, at, field->width, bytes))
        return false;
    row->value = rhi__load(bytes, field->width);
    if (rhi__is_reference(field) && row->value)
        rhi__look_up(a->reader, row->value, &row->referent);
    else if (field->kind == RHI_KIND_INT)
        row->value = (uint64_t)rhi__load_signed(bytes, field->width);
    else if (field->kind == RHI_KIND_FLOAT)
        row->real = rhi__load_real(bytes, field->width);
    return true;
}

/* Read-only pages of a file are not in a core, and say nothing about the heap: their absence is
 * shown in the row and makes no answer incomplete. */
static void tell_unreadable(answer *a, const rhi_type *type, const rhi_field *field,
                            uint64_t address)
{
    char text[2 * RHI_NAME_SIZE + 64];
    const rhi_region *region = rhi__memory_region(a->reader->memory, address);
    if (region && !(region->flags & RHI_REGION_WRITE))
        return;
    snprintf(text, sizeof text, "%s: field %s cannot be read", type->name, field->name);
    rhi__note(&a->session->notes, text);
}

static void show_row(listing *l, const rhi_objat_row *row, uint64_t elements)
{
    if (l->rows.shown >= l->a->asked.limit)
        return;
    l->rows.shown++;
    l->rows.covered += elements;
    l->visit(l->context, row);
}

/* The field's text, as one row. */
static void list_bytes(listing *l, const rhi_type *type, const rhi_field *field, uint64_t first,
                       uint64_t count)
{
    rhi_objat_row row = {.field = field, .is_whole = true};
    row.is_unreadable = !fill_bytes(l->a->reader->memory, &row, first, count);
    if (row.is_unreadable)
        tell_unreadable(l->a, type, field, first);
    l->rows.total++;
    show_row(l, &row, 1);
}

/* One field of the elements of an array. Those of structs have several, and are told element by
 * element: a dict's keys beside their values. */
typedef struct column {
    const rhi_field *field;
    uint64_t first, run;       /* the address of element 0; where the run of NULLs began */
    bool joins, is_unreadable; /* tells NULLs in runs; ends early */
} column;

enum { COLUMNS_MAX = 8 };

/* The row of the NULL elements before `to`, if there are any. */
static void end_run(listing *l, column *c, uint64_t to)
{
    rhi_objat_row row = {.field = c->field, .element = c->run, .last = to - 1};
    if (c->joins && to > c->run)
        show_row(l, &row, to - c->run);
    c->run = to + 1;
}

static void list_element(listing *l, const rhi_type *type, column *c, uint64_t element,
                         uint64_t count)
{
    enum { STEP = 1 << 12 };
    rhi_objat_row row = {0};
    if (c->is_unreadable)
        return;
    if (!fill_row(l->a, c->field, c->first, element, &row)) {
        tell_unreadable(l->a, type, c->field, c->first);
        l->rows.covered += count - element;
        end_run(l, c, element);
        c->is_unreadable = true;
        return;
    }
    if (c->joins && ++l->looked_at % STEP == 0)
        l->error = rhi__progress(&l->a->session->work, "reading elements", element, count);
    if (c->joins && row.value == 0)
        return;
    end_run(l, c, element);
    show_row(l, &row, 1);
}

/* A vector that claims a million times a million NULLs is not walked to its end. */
static void list_elements(listing *l, const rhi_type *type, column *columns, unsigned n,
                          uint64_t count)
{
    enum { LOOKED_AT_MAX = 1 << 20 };
    bool is_bounded = l->a->asked.limit != UINT64_MAX;
    uint64_t element = 0;
    l->rows.total += count * n;
    for (; element < count && l->rows.shown < l->a->asked.limit && !l->error &&
           !(is_bounded && l->looked_at >= LOOKED_AT_MAX);
         element++) {
        unsigned unreadable = 0;
        for (unsigned k = 0; k < n && !l->error; k++) {
            list_element(l, type, &columns[k], element, count);
            unreadable += columns[k].is_unreadable;
        }
        if (unreadable == n)
            break;
    }
    for (unsigned k = 0; k < n; k++)
        if (!columns[k].is_unreadable)
            end_run(l, &columns[k], element);
}

/* A slot that the format found by code. */
static bool list_coded(void *context, const rhi_slot *slot)
{
    listing *l = context;
    rhi_objat_row row = {.field = slot->field,
                         .element = slot->element,
                         .last = slot->element,
                         .value = slot->value};
    l->rows.total++;
    if (l->rows.shown >= l->a->asked.limit)
        return true;
    if (row.value)
        rhi__look_up(l->a->reader, row.value, &row.referent);
    show_row(l, &row, 1);
    return true;
}

enum which { SINGLES /* and texts */, ELEMENTS, ALL };

static bool is_single(const rhi_field *field)
{
    return field->form == RHI_FORM_ONE || field->kind == RHI_KIND_BYTES;
}

/* Are they of the same elements? */
static bool is_beside(const rhi_field *a, const rhi_field *b)
{
    return !is_single(a) && !is_single(b) && a->form == b->form && a->offset == b->offset &&
           a->stride == b->stride && a->count == b->count && a->count_offset == b->count_offset &&
           a->count_width == b->count_width;
}

/* The field, and those behind it that are of the same elements. Returns how many. */
static unsigned list_field(listing *l, const rhi_type *type, uint32_t i)
{
    answer *a = l->a;
    const rhi_field *field = &type->fields[i];
    column columns[COLUMNS_MAX];
    uint64_t first, count, same;
    unsigned n = 0;
    if (!rhi__field_span(a->reader, &a->object, a->bytes, field, &first, &count)) {
        rhi__question_problem(a->reader,
                              "%s: the element count of field %s makes no sense (corrupt object?)",
                              type->name, field->name);
        return 1;
    }
    if (field->kind == RHI_KIND_BYTES) {
        list_bytes(l, type, field, first, count);
        return 1;
    }
    do {
        const rhi_field *each = field + n;
        bool joins = l->has_runs && each->form != RHI_FORM_ONE && rhi__is_reference(each);
        columns[n++] = (column){.field = each, .first = first, .joins = joins};
    } while (n < COLUMNS_MAX && i + n < type->field_count && is_beside(field, field + n) &&
             rhi__field_span(a->reader, &a->object, a->bytes, field + n, &first, &same) &&
             same == count);
    list_elements(l, type, columns, n, count);
    return n;
}

static void list_fields(listing *l, enum which which)
{
    answer *a = l->a;
    const rhi_type *type = a->bytes && a->object.type < a->reader->types.count
                               ? &a->reader->types.items[a->object.type]
                               : NULL;
    if (type && type->has_code && which != SINGLES)
        rhi__each_slot(a->reader, &a->object, a->bytes, list_coded, l);
    for (uint32_t i = 0; type && i < type->field_count && !l->error;) {
        bool is_asked = which == ALL || is_single(&type->fields[i]) == (which == SINGLES);
        i += is_asked ? list_field(l, type, i) : 1;
    }
}

rhi_error *rhi__objat_fields(answer *a, bool for_people, rhi_objat_visitor visit, void *context,
                             rhi_objat_rows *rows)
{
    listing l = {.a = a, .visit = visit, .context = context, .has_runs = for_people};
    list_fields(&l, for_people ? SINGLES : ALL);
    if (for_people)
        list_fields(&l, ELEMENTS);
    *rows = l.rows;
    return l.error;
}
