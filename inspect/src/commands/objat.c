/* objat.c - `objat`: what is at an address.
 * Decode (gather), then render (text or JSON): everything is read before a word is printed. */
#include "commands/all.h"
#include "render/objects.h"
#include "render/output.h"
#include "words/owners.h"
#include "words/words.h"
#include "render/value.h"
#include "render/stacks.h"
#include "questions/ledger.h"
#include "questions/malloc_place.h"
#include "render/ledger.h"
#include "render/malloc_place.h"
#include "session/resolve.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TENANTS_MAX = 64, EVENTS_MAX = 256, BYTES_SHOWN = 256 };

typedef struct tenant { /* who died in this slot */
    char id[RHI_ID_SIZE];
    uint8_t death;
    uint64_t time; /* 0: unknown */
    uint32_t thread;
} tenant;

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_args *args;
    uint64_t address;
    enum rhi_place place;
    rhi_object object;
    const uint8_t *bytes; /* of a live object */
    rhi_scratch scratch;
    tenant tenants[TENANTS_MAX];
    unsigned tenant_count;
    rhi_event events[EVENTS_MAX];
    uint64_t event_count;
    rhi_ledger ledger;
    bool has_ledger;
    rhi_malloc_place block; /* of an unmanaged address */
} answer;

/* ---- gathering ------------------------------------------------------------------------------ */

static void gather_tenants(answer *a)
{
    if (a->place == RHI_PLACE_FREED) {
        tenant *last = &a->tenants[a->tenant_count++];
        rhi__object_id(a->reader, &a->object, last->id, sizeof last->id);
        last->death = a->object.death;
    }
    for (uint64_t i = 0; i < a->event_count && a->tenant_count < TENANTS_MAX; i++) {
        const rhi_event *event = &a->events[i];
        if (event->kind != RHI_EVENT_FREE)
            continue;
        bool is_last = a->place == RHI_PLACE_FREED && event->serial == a->object.serial;
        tenant *t = is_last ? &a->tenants[0] : &a->tenants[a->tenant_count++];
        rhi__make_id(a->reader, event->type, event->serial, t->id, sizeof t->id);
        t->death = event->death;
        t->time = event->time;
        t->thread = event->thread;
    }
}

/* What its header says may be wrong, and so may all that is said of the object. */
static void tell_damage(answer *a)
{
    if (a->place == RHI_PLACE_FREED)
        rhi__note(&a->session->notes,
                  "its slot is free, but holds the header of a live object: one "
                  "of the two is damaged; gcverify tells more");
    else
        rhi__note(
            &a->session->notes,
            a->object.type == UINT32_MAX
                ? "the object's header names no type: it is damaged"
                : "the object's header contradicts itself: it is damaged; gcverify tells more");
}

static rhi_error *gather(answer *a, const char *operand)
{
    RHI_TRY(rhi__resolve(a->session, a->reader, operand, &a->address));
    if (!rhi__place_of(a->reader, a->address, &a->place, &a->object))
        return rhi__error("0x%" PRIx64 " lies in the heap, but its memory cannot be read%s%s",
                          a->address, a->reader->memory->truncated[0] ? ": " : "",
                          a->reader->memory->truncated);
    if (a->place == RHI_PLACE_UNMANAGED)
        return rhi__malloc_place(a->session, a->reader, a->address, a->args->limit, &a->block);
    if (a->place > RHI_PLACE_UNUSED)
        return NULL;
    a->event_count = rhi__history(a->reader, a->object.address, 0, a->events, EVENTS_MAX);
    gather_tenants(a);
    if (a->object.damaged)
        tell_damage(a);
    if (a->place != RHI_PLACE_LIVE)
        return NULL;
    a->bytes = rhi__object_bytes(a->reader, &a->object, &a->scratch);
    if (!a->bytes)
        rhi__question_problem(a->reader, "the object at 0x%" PRIx64 " cannot be read in full",
                              a->object.address);
    if (rhi__option(a->args, "--ledger")) {
        rhi_holders holders = {0};
        uint64_t end = rhi__object_end(&a->object);
        rhi_error *error = rhi__reader_load(a->reader);
        if (!error)
            error = rhi__each_referrer(a->session, a->reader, &a->object, false,
                                       rhi__collect_holder, &holders);
        if (!error)
            error = rhi__each_word(a->session, a->reader, a->object.address, end,
                                   rhi__collect_holder, &holders);
        if (!error)
            error = rhi__judge_holders(a->session, a->reader, &holders);
        if (!error)
            error = rhi__ledger(a->session, a->reader, &a->object, &holders, &a->ledger);
        if (!error && !a->ledger.immortal && a->ledger.unexplained > 0)
            error = rhi__owner_not_found(a->session, a->reader);
        rhi__say_left_out(a->session, &holders, 0);
        rhi__holders_free(&holders);
        a->has_ledger = !error;
        return error;
    }
    return NULL;
}

/* ---- fields --------------------------------------------------------------------------------- */

/* One element of a field, ready to print. */
typedef struct field_row {
    char name[RHI_NAME_SIZE + 64];
    const rhi_field *field;
    uint64_t value;
    double real;
    char text[BYTES_SHOWN * 4 + 8]; /* bytes, escaped, for people */
    char raw[BYTES_SHOWN + 1];      /* bytes, for JSON */
    uint64_t raw_size;
    /* bytes that the target does not hold, as read-only pages in a core */
    bool is_unreadable;
    char target[RHI_ID_SIZE];  /* empty: none */
    const char *target_status; /* NULL: not a reference, or NULL */
    rhi_object object;         /* the target */
} field_row;

static void fill_reference(answer *a, field_row *row)
{
    enum rhi_place place;
    rhi_object object;
    if (row->value == 0)
        return;
    if (!rhi__place_of(a->reader, row->value, &place, &object)) {
        row->target_status = "unreadable";
        return;
    }
    row->target_status = rhi__place_word(place);
    row->object = object;
    if (place <= RHI_PLACE_FREED && object.address == row->value)
        rhi__object_id(a->reader, &object, row->target, sizeof row->target);
    else if (place <= RHI_PLACE_UNUSED)
        row->target_status = place == RHI_PLACE_UNUSED ? "unused" : "interior";
}

static bool fill_bytes(answer *a, field_row *row, uint64_t first, uint64_t count)
{
    uint64_t shown = count < BYTES_SHOWN ? count : BYTES_SHOWN;
    uint64_t got = rhi__memory_read(a->reader->memory, first, row->raw, shown);
    row->raw_size = count > shown ? rhi__whole_characters(row->raw, got) : got;
    rhi__quote(row->raw, row->raw_size, count > shown, row->text, sizeof row->text);
    row->value = count;
    return got == shown;
}

static bool fill_row(answer *a, const rhi_field *field, uint64_t first, uint64_t element,
                     field_row *row)
{
    uint8_t bytes[16] = {0};
    uint64_t at = first + element * field->stride + field->element_offset;
    rhi__slot_name(field, element, row->name, sizeof row->name);
    row->field = field;
    row->text[0] = row->target[0] = '\0';
    row->target_status = NULL;
    if (rhi__memory_read(a->reader->memory, at, bytes, field->width) != field->width)
        return false;
    row->value = rhi__load(bytes, field->width);
    if (field->kind <= RHI_KIND_BORROWED) {
        fill_reference(a, row);
    } else if (field->kind == RHI_KIND_INT) {
        row->value = (uint64_t)rhi__load_signed(bytes, field->width);
    } else if (field->kind == RHI_KIND_FLOAT) {
        row->real = rhi__load_real(bytes, field->width);
    }
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

/* Rows are shown up to the limit. In text, runs of NULL elements are one row. */
typedef struct listing {
    void (*show)(answer *a, const field_row *row);
    bool has_runs;
    uint64_t rows;           /* shown */
    uint64_t covered, total; /* elements that the rows are about; all */
    uint64_t looked_at;      /* elements, where runs are looked for */
    rhi_error *error;
} listing;

static void show_row(answer *a, listing *l, const field_row *row, uint64_t elements)
{
    if (l->rows >= a->args->limit)
        return;
    l->rows++;
    l->covered += elements;
    l->show(a, row);
}

/* The field's text, as one row. */
static void list_bytes(answer *a, listing *l, const rhi_type *type, const rhi_field *field,
                       uint64_t first, uint64_t count)
{
    field_row row = {.field = field};
    snprintf(row.name, sizeof row.name, "%s", field->name);
    row.is_unreadable = !fill_bytes(a, &row, first, count);
    if (row.is_unreadable)
        tell_unreadable(a, type, field, first);
    l->total++;
    show_row(a, l, &row, 1);
}

/* The row of the NULL elements [from, to), if there are any. */
static void end_run(answer *a, listing *l, const rhi_field *field, uint64_t from, uint64_t to)
{
    field_row row = {.field = field};
    if (to == from + 1)
        rhi__slot_name(field, from, row.name, sizeof row.name);
    else
        rhi__slots_name(field, from, to - 1, row.name, sizeof row.name);
    if (to > from)
        show_row(a, l, &row, to - from);
}

/* The elements of a field. A vector that claims a million times a million NULLs is not walked to
 * its end. */
static void list_elements(answer *a, listing *l, const rhi_type *type, const rhi_field *field,
                          uint64_t first, uint64_t count)
{
    enum { LOOKED_AT_MAX = 1 << 20, STEP = 1 << 12 };
    uint64_t element = 0, run = 0; /* where the run of NULLs began */
    bool joins = l->has_runs && field->form != RHI_FORM_ONE && field->kind <= RHI_KIND_BORROWED,
         is_bounded = a->args->limit != UINT64_MAX;
    field_row row;
    l->total += count;
    for (; element < count && l->rows < a->args->limit && !l->error &&
           !(is_bounded && l->looked_at >= LOOKED_AT_MAX);
         element++) {
        if (!fill_row(a, field, first, element, &row)) {
            tell_unreadable(a, type, field, first);
            l->covered += count - element;
            break;
        }
        if (joins && ++l->looked_at % STEP == 0)
            l->error = rhi__progress(&a->session->work, "reading elements", element, count);
        if (joins && row.value == 0)
            continue;
        end_run(a, l, field, joins ? run : element, element);
        run = element + 1;
        show_row(a, l, &row, 1);
    }
    if (joins)
        end_run(a, l, field, run, element);
}

enum which { SINGLES /* and texts */, ELEMENTS, ALL };

typedef struct coded_listing {
    answer *a;
    listing *l;
} coded_listing;

/* A slot that the format found by code. */
static bool list_coded(void *context, const rhi_slot *slot)
{
    const coded_listing *c = context;
    field_row row = {.field = slot->field, .value = slot->value};
    c->l->total++;
    if (c->l->rows < c->a->args->limit) {
        rhi__slot_name(slot->field, slot->element, row.name, sizeof row.name);
        fill_reference(c->a, &row);
        show_row(c->a, c->l, &row, 1);
    }
    return true;
}

static void list_fields(answer *a, listing *l, enum which which)
{
    uint64_t first, count;
    const rhi_type *type = a->bytes && a->object.type < a->reader->types.count
                               ? &a->reader->types.items[a->object.type]
                               : NULL;
    if (type && type->has_code && which != SINGLES)
        rhi__each_slot(a->reader, &a->object, a->bytes, list_coded, &(coded_listing){a, l});
    for (uint32_t i = 0; type && i < type->field_count && !l->error; i++) {
        const rhi_field *field = &type->fields[i];
        bool is_single = field->form == RHI_FORM_ONE || field->kind == RHI_KIND_BYTES;
        if (which != ALL && is_single != (which == SINGLES))
            continue;
        if (!rhi__field_span(a->reader, &a->object, a->bytes, field, &first, &count))
            rhi__question_problem(
                a->reader, "%s: the element count of field %s makes no sense (corrupt object?)",
                type->name, field->name);
        else if (field->kind == RHI_KIND_BYTES)
            list_bytes(a, l, type, field, first, count);
        else
            list_elements(a, l, type, field, first, count);
    }
}

static const char *const kind_words[] = {"strong", "weak",  "borrowed", "int",
                                         "uint",   "float", "bytes"};

static void print_row(answer *a, const field_row *row)
{
    rhi_session *s = a->session;
    char text[RHI_VALUE_SIZE] = "";
    if (row->target[0] && row->target_status && strcmp(row->target_status, "live") == 0)
        rhi__value(a->reader, &row->object, text);
    rhi__print(s, "  %-20s ", row->name);
    switch (row->field->kind) {
    case RHI_KIND_INT:
        rhi__print(s, "%" PRId64 "\n", (int64_t)row->value);
        break;
    case RHI_KIND_UINT:
        rhi__print(s, "%" PRIu64 "\n", row->value);
        break;
    case RHI_KIND_FLOAT:
        rhi__real_text(row->real, row->field->width, text, sizeof text);
        rhi__print(s, "%s\n", text);
        break;
    case RHI_KIND_BYTES:
        rhi__print(s, "%s\n",
                   row->is_unreadable ? "(not in the target's readable memory)" : row->text);
        break;
    default:
        if (row->value == 0)
            rhi__print(s, "NULL\n");
        else
            rhi__print(s, "%s0x%" PRIx64 " %s%s%s%s%s\n",
                       row->field->kind == RHI_KIND_STRONG ? ""
                       : row->field->kind == RHI_KIND_WEAK ? "weak "
                                                           : "borrowed ",
                       row->value, row->target, row->target[0] ? "" : "(",
                       row->target[0] ? "" : row->target_status,
                       row->target[0]
                           ? strcmp(row->target_status, "freed") == 0 ? " (freed: stale)" : ""
                           : ")",
                       text);
    }
}

static void json_row(answer *a, const field_row *row)
{
    json_t *json = json_object(), *value;
    char text[RHI_VALUE_SIZE];
    switch (row->field->kind) {
    case RHI_KIND_INT:
        value = json_integer((json_int_t)row->value);
        break;
    case RHI_KIND_UINT:
        value = rhi__json_u64(row->value);
        break;
    case RHI_KIND_FLOAT:
        rhi__real_text(row->real, row->field->width, text, sizeof text);
        value = json_real(strtod(text, NULL));
        value = value ? value : json_sprintf("%g", row->real); /* inf and nan are no JSON numbers */
        break;
    case RHI_KIND_BYTES:
        value = row->is_unreadable ? json_null() : rhi__json_bytes(row->raw, row->raw_size);
        break;
    default:
        value = row->value ? rhi__json_address(row->value) : json_null();
    }
    json_object_set_new(json, "name", rhi__json_text(row->name));
    json_object_set_new(json, "kind", json_string(kind_words[row->field->kind]));
    json_object_set_new(json, "value", value);
    json_object_set_new(json, "target", row->target[0] ? json_string(row->target) : json_null());
    json_object_set_new(json, "target_value",
                        row->target[0] && strcmp(row->target_status, "live") == 0
                            ? rhi__value_json(a->reader, &row->object)
                            : json_null());
    json_object_set_new(json, "target_status",
                        row->target_status ? json_string(row->target_status) : json_null());
    if (row->field->kind == RHI_KIND_BYTES && row->value > row->raw_size)
        json_object_set_new(json, "value_total", rhi__json_u64(row->value));
    rhi__json_item(a->session, json);
}

/* ---- rendering ------------------------------------------------------------------------------ */

static void time_text(uint64_t time, char *text, size_t size)
{
    time_t seconds = (time_t)(time / 1000000000u);
    struct tm parts;
    text[0] = '\0';
    if (time && gmtime_r(&seconds, &parts)) {
        size_t used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(text + used, size - used, ".%06uZ", (unsigned)(time / 1000 % 1000000));
    }
}

static const char *event_word(uint8_t kind)
{
    static const char *const words[] = {"other", "alloc", "free", "finalize", "resurrect"};
    return words[kind < sizeof words / sizeof *words ? kind : 0];
}

static void print_history(answer *a)
{
    char when[48], id[RHI_ID_SIZE];
    if (!rhi__option(a->args, "--history"))
        return;
    if (a->event_count == 0)
        rhi__print(a->session,
                   "no recorded event (REFHEAP_OPTIONS=history=4096 keeps a history)\n");
    for (uint64_t i = 0; i < a->event_count && i < a->args->limit; i++) {
        const rhi_event *e = &a->events[i];
        time_text(e->time, when, sizeof when);
        rhi__make_id(a->reader, e->type, e->serial, id, sizeof id);
        rhi__print(a->session, "  event %" PRIu64 ": %s %s%s%s, %s, thread %u\n", e->sequence,
                   event_word(e->kind), id, e->kind == RHI_EVENT_FREE ? " by " : "",
                   e->kind == RHI_EVENT_FREE ? rhi__death_word(e->death) : "", when, e->thread);
        rhi__stack_print(a->session, a->reader, e, "    ");
    }
    if (a->event_count > a->args->limit)
        rhi__print(a->session, "  … %" PRIu64 " more event%s (--limit=0 shows all)\n",
                   a->event_count - a->args->limit, rhi__plural(a->event_count - a->args->limit));
}

static void print_tenants(answer *a)
{
    char when[48];
    for (unsigned i = a->place == RHI_PLACE_FREED; i < a->tenant_count && i < a->args->limit; i++) {
        time_text(a->tenants[i].time, when, sizeof when);
        rhi__print(a->session, "  earlier here: %s, freed by %s%s%s\n", a->tenants[i].id,
                   rhi__death_word(a->tenants[i].death), when[0] ? " at " : "", when);
    }
    if (a->tenant_count > a->args->limit)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n",
                   a->tenant_count - a->args->limit);
}

static rhi_error *print_live(answer *a)
{
    char id[RHI_ID_SIZE], count[32];
    uint64_t offset = a->address - a->object.address;
    uint64_t size =
        a->bytes ? rhi__object_size(a->reader, &a->object, a->bytes) : a->object.slot_size;
    const rhi_heap_info *heap = &a->reader->heaps.items[a->object.heap];
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    rhi__count_text(&a->object, count, sizeof count);
    rhi__print(a->session, "0x%" PRIx64 " is %s", a->address, id);
    if (offset)
        rhi__print(a->session, " + %" PRIu64 " bytes (the object begins at 0x%" PRIx64 ")", offset,
                   a->object.address);
    rhi__print(a->session, ": %s, %s%s, %" PRIu64 " bytes, heap %" PRIu64 "%s%s%s\n",
               rhi__state_word(&a->object), a->object.immortal ? "" : "refcount ", count, size,
               heap->number, heap->name[0] ? " \"" : "", heap->name, heap->name[0] ? "\"" : "");
    if (heap->provisional)
        rhi__print(a->session, "  the count is provisional: the heap is %s\n", heap->phase);
    listing l = {.show = print_row, .has_runs = true};
    char value[RHI_VALUE_SIZE] = "";
    if (a->object.type < a->reader->types.count &&
        a->reader->types.items[a->object.type].has_code) /* no field says it */
        rhi__value(a->reader, &a->object, value);
    if (value[0])
        rhi__print(a->session, "  %s\n", value + 1);
    list_fields(a, &l, SINGLES);
    list_fields(a, &l, ELEMENTS);
    if (l.total > l.covered)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n", l.total - l.covered);
    print_tenants(a);
    if (a->has_ledger)
        rhi__ledger_print(a->session, &a->ledger);
    return l.error;
}

static rhi_error *print_text(answer *a)
{
    rhi_session *s = a->session;
    char when[48];
    const rhi_region *region = rhi__memory_region(a->reader->memory, a->address);
    const rhi_own_range *own = rhi__own_at(a->reader, a->address);
    switch (a->place) {
    case RHI_PLACE_LIVE:
        RHI_TRY(print_live(a));
        break;
    case RHI_PLACE_FREED:
        time_text(a->tenants[0].time, when, sizeof when);
        rhi__print(s,
                   "0x%" PRIx64 " was %s: freed by %s%s%s; its slot at 0x%" PRIx64
                   " is free (heap %" PRIu64 ")\n",
                   a->address, a->tenants[0].id, rhi__death_word(a->tenants[0].death),
                   when[0] ? " at " : "", when, a->object.address,
                   a->reader->heaps.items[a->object.heap].number);
        print_tenants(a);
        break;
    case RHI_PLACE_UNUSED:
        rhi__print(s, "0x%" PRIx64 " is a slot of heap %" PRIu64 " that was never used\n",
                   a->address, a->reader->heaps.items[a->object.heap].number);
        break;
    case RHI_PLACE_INTERNAL:
        rhi__print(s, "0x%" PRIx64 " is the runtime's own memory (%s)\n", a->address,
                   own ? own->what : "?");
        break;
    case RHI_PLACE_UNMANAGED:
        rhi__print(s,
                   "0x%" PRIx64 " is not of a refheap heap: it lies in %s (0x%" PRIx64 "-0x%" PRIx64
                   ", %c%c%c)\n",
                   a->address, region && region->path[0] ? region->path : "anonymous memory",
                   region ? region->start : 0, region ? region->end : 0,
                   region && region->flags & RHI_REGION_READ ? 'r' : '-',
                   region && region->flags & RHI_REGION_WRITE ? 'w' : '-',
                   region && region->flags & RHI_REGION_EXECUTE ? 'x' : '-');
        rhi__malloc_place_print(s, a->reader, &a->block, a->address, a->args->limit);
        break;
    case RHI_PLACE_UNMAPPED:
        rhi__print(s, "0x%" PRIx64 " is not mapped: no memory there\n", a->address);
        break;
    }
    print_history(a);
    rhi__print_incomplete(s);
    return NULL;
}

static json_t *tenant_json(const tenant *t)
{
    char when[48];
    time_text(t->time, when, sizeof when);
    json_t *json = json_pack("{s:s, s:s}", "id", t->id, "reason", rhi__death_word(t->death));
    json_object_set_new(json, "time", when[0] ? json_string(when) : json_null());
    json_object_set_new(json, "thread", t->thread ? json_integer(t->thread) : json_null());
    return json;
}

static void json_history(answer *a)
{
    char when[48], id[RHI_ID_SIZE];
    rhi__json_array(a->session, "history");
    for (uint64_t i = 0;
         rhi__option(a->args, "--history") && i < a->event_count && i < a->args->limit; i++) {
        const rhi_event *e = &a->events[i];
        time_text(e->time, when, sizeof when);
        rhi__make_id(a->reader, e->type, e->serial, id, sizeof id);
        json_t *json =
            json_pack("{s:I, s:s, s:s, s:s, s:I}", "event", (json_int_t)e->sequence, "kind",
                      event_word(e->kind), "id", id, "time", when, "thread", (json_int_t)e->thread);
        if (e->kind == RHI_EVENT_FREE)
            json_object_set_new(json, "reason", json_string(rhi__death_word(e->death)));
        json_object_set_new(json, "stack", rhi__stack_json(a->session, a->reader, e));
        rhi__json_item(a->session, json);
    }
    rhi__json_array_end(a->session);
    if (rhi__option(a->args, "--history") && a->event_count > a->args->limit)
        rhi__json_key(a->session, "history_total", rhi__json_u64(a->event_count));
}

static void print_json(answer *a)
{
    rhi_session *s = a->session;
    bool in_slot = a->place <= RHI_PLACE_UNUSED;
    const rhi_region *region = rhi__memory_region(a->reader->memory, a->address);
    rhi__json_begin(s);
    rhi__json_key(s, "address", rhi__json_address(a->address));
    rhi__json_key(s, "status", json_string(rhi__place_word(a->place)));
    rhi__json_key(s, "object",
                  a->place == RHI_PLACE_LIVE ? rhi__object_json(a->reader, &a->object)
                                             : json_null());
    rhi__json_key(s, "offset", rhi__json_u64(in_slot ? a->address - a->object.address : 0));
    rhi__json_array(s, "fields");
    listing l = {.show = json_row};
    list_fields(a, &l, ALL);
    rhi__json_array_end(s);
    if (l.total > a->args->limit)
        rhi__json_key(s, "fields_total", rhi__json_u64(l.total));
    rhi__json_key(s, "ledger", a->has_ledger ? rhi__ledger_json(&a->ledger) : json_null());
    rhi__json_array(s, "previous");
    for (unsigned i = 0; i < a->tenant_count && i < a->args->limit; i++)
        rhi__json_item(s, tenant_json(&a->tenants[i]));
    rhi__json_array_end(s);
    if (a->tenant_count > a->args->limit)
        rhi__json_key(s, "previous_total", json_integer(a->tenant_count));
    json_history(a);
    if (a->place == RHI_PLACE_UNMANAGED && region)
        rhi__json_key(s, "mapping",
                      json_pack("{s:o, s:o, s:o}", "start", rhi__json_address(region->start), "end",
                                rhi__json_address(region->end), "path",
                                rhi__json_text(region->path)));
    if (a->block.is_malloc)
        rhi__json_key(s, "block",
                      rhi__malloc_place_json(a->reader, &a->block, a->address, a->args->limit));
    rhi__json_end(s);
}

rhi_error *rhi__run_objat(rhi_session *session, const rhi_args *args, int *status)
{
    answer *a = calloc(1, sizeof *a);
    (void)status;
    if (!a)
        return rhi__error_memory();
    *a = (answer){.session = session, .args = args};
    rhi_error *error = rhi__session_open(session, &a->reader);
    if (!error)
        error = gather(a, args->operands[0]);
    if (!error && args->json)
        print_json(a);
    else if (!error)
        error = print_text(a);
    rhi__scratch_free(&a->scratch);
    rhi__malloc_place_free(&a->block);
    free(a);
    return error;
}
