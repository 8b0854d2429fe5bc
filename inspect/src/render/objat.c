/* objat.c - what is at an address, for people and in JSON (see objat.h). */
#include "render/objat.h"
#include "base/text.h"
#include "render/holders.h"
#include "render/ledger.h"
#include "render/malloc_place.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"
#include "render/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct rhi_objat answer;

enum { NAME_SIZE = RHI_NAME_SIZE + 64 };

/* ---- fields --------------------------------------------------------------------------------- */

void rhi__field_row_name(const rhi_objat_row *row, char *name, size_t size)
{
    if (row->is_whole)
        snprintf(name, size, "%s", row->field->name);
    else if (row->element == row->last)
        rhi__slot_name(row->field, row->element, name, size);
    else
        rhi__slots_name(row->field, row->element, row->last, name, size);
}

/* What stands behind a reference's address: the object's id, or in brackets what is there. */
static void print_reference(rhi_session *s, rhi_reader *reader, const rhi_objat_row *row)
{
    const char *strength = rhi__field_strength(row->field);
    bool is_strong = strcmp(strength, "strong") == 0;
    const rhi_referent *r = &row->referent;
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "";
    if (rhi__referent_is_live(r))
        rhi__value(reader, &r->object, value);
    rhi__print(s, "%s%s0x%" PRIx64 " ", is_strong ? "" : strength, is_strong ? "" : " ",
               row->value);
    if (rhi__referent_id(reader, r, id))
        rhi__print(s, "%s%s%s\n", id, rhi__referent_is_live(r) ? "" : " (freed: stale)", value);
    else
        rhi__print(s, "(%s)\n", rhi__referent_word(r));
}

static void print_row(void *context, const rhi_objat_row *row)
{
    const answer *a = context;
    rhi_session *s = a->session;
    char name[NAME_SIZE], text[RHI_BYTES_SHOWN * 4 + 8];
    rhi__field_row_name(row, name, sizeof name);
    rhi__print(s, "  %-20s ", name);
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
        rhi__quote(row->raw, row->raw_size, row->value > RHI_BYTES_SHOWN, text, sizeof text);
        rhi__print(s, "%s\n", row->is_unreadable ? "(not in the target's readable memory)" : text);
        break;
    default:
        if (row->value == 0)
            rhi__print(s, "NULL\n");
        else
            print_reference(s, a->reader, row);
    }
}

static json_t *row_value_json(const rhi_objat_row *row)
{
    char text[RHI_VALUE_SIZE];
    json_t *value;
    switch (row->field->kind) {
    case RHI_KIND_INT:
        return json_integer((json_int_t)row->value);
    case RHI_KIND_UINT:
        return rhi__json_exact(row->value);
    case RHI_KIND_FLOAT:
        rhi__real_text(row->real, row->field->width, text, sizeof text);
        value = json_real(strtod(text, NULL));
        return value ? value : json_sprintf("%g", row->real); /* inf and nan are no JSON numbers */
    case RHI_KIND_BYTES:
        return row->is_unreadable ? json_null() : rhi__json_bytes(row->raw, row->raw_size);
    default:
        return row->value ? rhi__json_address(row->value) : json_null();
    }
}

static const rhi_json_type field_type = {
    .name = "field",
    .doc = "A declared field of an object, or an element of one.",
    .members = (const rhi_json_member[]){
        {"name", .is = RHI_JSON_TEXT, "as next, items[3]"},
        {"kind", .is = RHI_JSON_TEXT, "of a reference its strength; else what kind of value it is",
         .words = "strong|weak|borrowed|conservative|int|uint|float|bytes"},
        {"value", .is = RHI_JSON_NUMBER | RHI_JSON_TEXT | RHI_JSON_NULL,
         "a number, or a text; of a reference the address that it holds. A number that JSON does "
         "not know (nan), and one above 2^63-1, is a text; null: NULL, or it could not be read"},
        {"target", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the name of the object that it leads to"},
        {"target_value", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "what that object holds, short"},
        {"target_status", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "what is where it leads; interior: the inside of an object; null: it is no reference, or "
         "NULL",
         .words = RHI_STATUS_WORDS "|interior|unreadable"},
        {"value_total", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "bytes of the text, if it is cut"},
        {0}}};

const char *rhi__field_kind(const rhi_field *field)
{
    static const char *const plain[] = {"int", "uint", "float", "bytes"};
    return rhi__is_reference(field) ? rhi__field_strength(field)
                                    : plain[field->kind - RHI_KIND_INT];
}

json_t *rhi__field_json(const rhi_objat *a, const rhi_objat_row *row)
{
    const rhi_referent *r = &row->referent;
    bool refers = rhi__is_reference(row->field) && row->value;
    char name[NAME_SIZE], id[RHI_ID_SIZE];
    bool has_id = refers && rhi__referent_id(a->reader, r, id);
    json_t *json = json_object();
    rhi__field_row_name(row, name, sizeof name);
    json_object_set_new(json, "name", rhi__json_text(name));
    json_object_set_new(json, "kind", json_string(rhi__field_kind(row->field)));
    json_object_set_new(json, "value", row_value_json(row));
    json_object_set_new(json, "target", has_id ? json_string(id) : json_null());
    json_object_set_new(json, "target_value",
                        refers && rhi__referent_is_live(r) ? rhi__value_json(a->reader, &r->object)
                                                           : json_null());
    json_object_set_new(json, "target_status",
                        refers ? json_string(rhi__referent_word(r)) : json_null());
    if (row->field->kind == RHI_KIND_BYTES && row->value > row->raw_size)
        json_object_set_new(json, "value_total", rhi__json_u64(row->value));
    return json;
}

static void json_row(void *context, const rhi_objat_row *row)
{
    const answer *a = context;
    rhi__json_item(a->session, rhi__field_json(a, row));
}

/* ---- events --------------------------------------------------------------------------------- */

/* `from`: digits behind the point. */
static void time_text(uint64_t time, int digits, char *text, size_t size)
{
    static const uint64_t units[] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000};
    time_t seconds = (time_t)(time / 1000000000u);
    struct tm parts;
    text[0] = '\0';
    if (time && gmtime_r(&seconds, &parts)) {
        size_t used = strftime(text, size, "%Y-%m-%dT%H:%M:%S", &parts);
        snprintf(text + used, size - used, ".%0*uZ", digits,
                 (unsigned)(time % 1000000000u / units[digits]));
    }
}

enum { WHEN_SIZE = 128, TIME_SIZE = 48 };

/* When it happened, as far as it is known, with what goes before: " at …", " between … and …". Of
 * the second time no more than the clock if the day is the same. */
static void when_text(const rhi_event *e, char text[WHEN_SIZE])
{
    char from[TIME_SIZE], to[TIME_SIZE];
    bool is_exact = e && e->time == e->until;
    time_text(e ? e->time : 0, is_exact ? 6 : 2, from, sizeof from);
    /* rounded up: it was not later */
    time_text(e && e->until ? e->until + 9999999 : 0, 2, to, sizeof to);
    const char *clock = strchr(to, 'T'), *day = strchr(from, 'T');
    bool is_same_day = clock && day && strncmp(from, to, (size_t)(clock - to)) == 0;
    text[0] = '\0';
    if (from[0] && (is_exact || !to[0]))
        snprintf(text, WHEN_SIZE, "%s %s", is_exact ? " at" : " after", from);
    else if (from[0])
        snprintf(text, WHEN_SIZE, " between %s and %s", from, is_same_day ? clock + 1 : to);
}

static const char *event_word(uint8_t kind)
{
    static const char *const words[] = {[RHI_EVENT_OTHER] = "other",
                                        [RHI_EVENT_ALLOC] = "alloc",
                                        [RHI_EVENT_FREE] = "free",
                                        [RHI_EVENT_FINALIZE] = "finalize",
                                        [RHI_EVENT_RESURRECT] = "resurrect",
                                        [RHI_EVENT_LAST] = "last release",
                                        [RHI_EVENT_RETAIN] = "retain",
                                        [RHI_EVENT_RELEASE] = "release",
                                        [8] = "other",
                                        [RHI_EVENT_BEGIN] = "begin",
                                        [RHI_EVENT_END] = "end"};
    return words[kind < sizeof words / sizeof *words ? kind : 0];
}

static bool is_boundary(const rhi_event *event)
{
    return event->kind == RHI_EVENT_BEGIN || event->kind == RHI_EVENT_END;
}

static void print_begin(const answer *a)
{
    const rhi_heap_info *heap = &a->reader->heaps.items[a->object.heap];
    if (a->has_begin && a->begin)
        rhi__print(a->session, "  the history begins at event %" PRIu64 "\n", a->begin);
    if (a->trace.begin)
        rhi__print(a->session, "  that of traced objects begins at traced event %" PRIu64 "\n",
                   a->trace.begin);
    if (a->trace.lost)
        rhi__print(a->session, "  there was no memory for %" PRIu64 " traced event%s\n",
                   a->trace.lost, rhi__plural(a->trace.lost));
    if (a->has_begin && !heap->keeps_births)
        rhi__print(
            a->session,
            "  births are recorded of what is traced alone: REFHEAP_OPTIONS=history=all in the "
            "program's environment records all\n");
}

static void print_events(const answer *a)
{
    char when[WHEN_SIZE], id[RHI_ID_SIZE];
    for (uint64_t i = 0; i < a->event_count && i < a->asked.limit; i++) {
        const rhi_event *e = &a->events[i];
        bool is_free = e->kind == RHI_EVENT_FREE;
        char count[40] = "";
        if (is_boundary(e))
            snprintf(count, sizeof count, " with a count of %" PRId64, e->count);
        when_text(e, when);
        rhi__make_id(a->reader, e->type, e->serial, id, sizeof id);
        rhi__print(a->session, "  %sevent %" PRIu64 ": %s %s%s%s%s,%s, thread %u\n",
                   e->traced ? "traced " : "", e->sequence, event_word(e->kind), id,
                   is_free ? " by " : "", is_free ? rhi__death_word(e->death) : "", count, when,
                   e->thread);
        rhi__stack_print(a->session, a->reader, e, "    ");
    }
    if (a->event_count > a->asked.limit)
        rhi__print_more(a->session, "  ", a->event_count - a->asked.limit, "event");
    if (a->events_cut)
        rhi__print(a->session, "  older events of this address were not looked for\n");
}

static void print_history(const answer *a)
{
    if (!a->asked.history)
        return;
    if (!rhi__place_is_slot(a->place)) {
        rhi__print(a->session, "no recorded event: it is no object's slot\n");
        return;
    }
    const rhi_heap_info *heap = &a->reader->heaps.items[a->object.heap];
    if (!heap->format->history)
        rhi__print(a->session, "heaps of the format %s keep no history\n", heap->format->name);
    else if (!heap->keeps_deaths)
        rhi__print(a->session,
                   "no recorded event: the history of heap %" PRIu64
                   " is off (REFHEAP_OPTIONS=history=all in the program's environment turns it "
                   "on)\n",
                   heap->number);
    else if (a->event_count == 0)
        rhi__print(a->session, "no recorded event\n");
    print_events(a);
    print_begin(a);
}

/* "A#12, born in make() at stale.c:21, freed by release in drop() at stale.c:34 between …", with
 * `joint` behind the name. */
static void print_tenant(const answer *a, const rhi_tenant *t, const char *joint)
{
    char when[WHEN_SIZE], id[RHI_ID_SIZE], death[RHI_DEATH_SIZE];
    when_text(t->event, when);
    rhi__object_id(a->reader, &t->object, id, sizeof id);
    rhi__death_text(a->session, a->reader, &t->object, t->event, death);
    rhi__print(a->session, "%s%s%s%s", id, joint, death, when);
}

static bool has_history_off(const answer *a)
{
    const rhi_heap_info *heap = &a->reader->heaps.items[a->object.heap];
    return heap->format->history && !heap->keeps_deaths;
}

/* Silence would be taken for "nobody": without --history, which says it itself. */
static void print_unknown_tenants(const answer *a)
{
    if (a->asked.history || a->place == RHI_PLACE_UNUSED)
        return;
    if (has_history_off(a))
        rhi__print(
            a->session,
            "  earlier tenants are not known: the history of heap %" PRIu64
            " is off (REFHEAP_OPTIONS=history=all in the program's environment turns it on)\n",
            a->reader->heaps.items[a->object.heap].number);
    else if (a->has_begin && a->begin)
        rhi__print(a->session,
                   "  earlier tenants may be forgotten: the history begins at event %" PRIu64 "\n",
                   a->begin);
}

static void print_tenants(const answer *a)
{
    for (unsigned i = a->place == RHI_PLACE_FREED; i < a->tenant_count && i < a->asked.limit; i++) {
        rhi__print(a->session, "  earlier here: ");
        print_tenant(a, &a->tenants[i], ", ");
        rhi__print(a->session, "\n");
    }
    if (a->tenant_count > a->asked.limit)
        rhi__print_more(a->session, "  ", a->tenant_count - a->asked.limit, NULL);
    if (a->tenants_cut)
        rhi__print(a->session, "  older tenants were not looked for\n");
    else
        print_unknown_tenants(a);
}

/* What its format says of it besides: ", tracked by the collector". */
static void print_heap_of(const answer *a)
{
    const rhi_heap_info *heap = &a->reader->heaps.items[a->object.heap];
    rhi__print(a->session, "heap %" PRIu64 "%s%s%s%s%s\n", heap->number, heap->name[0] ? " \"" : "",
               heap->name, heap->name[0] ? "\"" : "", a->object.traced ? ", traced" : "",
               !heap->format->has_tracking ? ""
               : a->object.tracked         ? ", tracked by the collector"
                                           : ", untracked");
    if (a->object.untold)
        rhi__print(a->session, "  its mark was undone: its retains and releases are not recorded "
                               "until it is traced again\n");
    if (heap->provisional)
        rhi__print(a->session, "  the count is provisional: the heap is %s\n", heap->phase);
}

/* "  entry 'user' of dict@0x…: User@0x…". Of an address in no object also what to ask next. */
static void print_slot(const answer *a)
{
    char text[RHI_SLOT_PLACE_SIZE], id[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "";
    rhi_referent target = {.is_readable = false};
    if (!a->has_slot)
        return;
    rhi__slot_place_text(a->reader, &a->slot, text);
    rhi__print(a->session, "  %s", text);
    if (a->slot.is_slot && a->slot.value)
        rhi__look_up(a->reader, a->slot.value, &target);
    if (rhi__referent_id(a->reader, &target, id)) {
        rhi__value(a->reader, &target.object, value);
        rhi__print(a->session, ": %s%s", id, value);
    }
    rhi__print(a->session, "\n");
    if (!a->slot.has_owner || a->place == RHI_PLACE_LIVE)
        return;
    rhi__object_id(a->reader, &a->slot.owner, id, sizeof id);
    rhi__print(a->session, "  next: refs %s\n", id);
}

static rhi_error *print_live(answer *a)
{
    rhi_objat_rows rows;
    char id[RHI_ID_SIZE], count[32], value[RHI_VALUE_SIZE] = "";
    uint64_t offset = a->address - a->object.address;
    bool is_before = a->address < a->object.address;
    rhi__object_id(a->reader, &a->object, id, sizeof id);
    rhi__count_text(&a->object, count, sizeof count);
    rhi__print(a->session, "0x%" PRIx64 " is %s", a->address, id);
    if (offset)
        rhi__print(a->session, " %c %" PRIu64 " bytes (the object begins at 0x%" PRIx64 ")",
                   is_before ? '-' : '+', is_before ? 0 - offset : offset, a->object.address);
    rhi__print(a->session, ": %s, %s%s, %" PRIu64 " bytes, ", rhi__state_word(&a->object),
               a->object.immortal ? "" : "refcount ", count, a->size);
    print_heap_of(a);
    if (a->object.type < a->reader->types.count &&
        a->reader->types.items[a->object.type].has_code) /* no field says it */
        rhi__value(a->reader, &a->object, value);
    if (value[0])
        rhi__print(a->session, "  %s\n", value + 1);
    rhi__print_born(a->session, a->reader, &a->object);
    print_slot(a);
    rhi_error *error = rhi__objat_fields(a, true, print_row, a, &rows);
    rhi__print_more(a->session, "  ", rows.total - rows.covered, NULL);
    print_tenants(a);
    if (a->has_ledger)
        rhi__ledger_print(a->session, &a->ledger);
    return error;
}

static void print_freed(const answer *a)
{
    rhi__print(a->session, "0x%" PRIx64 " was ", a->address);
    print_tenant(a, &a->tenants[0], ": ");
    rhi__print(a->session, "; its slot at 0x%" PRIx64 " is free (heap %" PRIu64 ")\n",
               a->object.address, a->reader->heaps.items[a->object.heap].number);
    print_tenants(a);
}

static json_t *slot_json(const answer *a)
{
    char text[RHI_SLOT_PLACE_SIZE], id[RHI_ID_SIZE];
    rhi_referent target = {.is_readable = false};
    json_t *json = json_object();
    rhi__slot_place_text(a->reader, &a->slot, text);
    if (a->slot.is_slot && a->slot.value)
        rhi__look_up(a->reader, a->slot.value, &target);
    json_object_set_new(json, "text", rhi__json_text(text));
    json_object_set_new(json, "name", a->slot.is_slot ? rhi__json_text(a->slot.name) : json_null());
    if (a->slot.has_owner)
        rhi__object_id(a->reader, &a->slot.owner, id, sizeof id);
    json_object_set_new(json, "of", a->slot.has_owner ? rhi__json_text(id) : json_null());
    json_object_set_new(json, "target",
                        rhi__referent_id(a->reader, &target, id) ? rhi__json_text(id)
                                                                 : json_null());
    return json;
}

/* A name that led nowhere may have been meant for another language's variable. */
static void print_hint(const answer *a)
{
    char hint[RHI_NAME_SIZE];
    bool is_nowhere = a->place == RHI_PLACE_UNMAPPED || a->place == RHI_PLACE_UNMANAGED;
    rhi__no_variables(a->reader, hint);
    if (is_nowhere && hint[0] && isalpha((unsigned char)a->asked.operand[0]))
        rhi__print(a->session, "  '%s' was taken for a name in C; %s\n", a->asked.operand, hint);
}

rhi_error *rhi__objat_print(rhi_objat *a)
{
    rhi_session *s = a->session;
    const rhi_region *region = a->region;
    switch (a->place) {
    case RHI_PLACE_LIVE:
        RHI_TRY(print_live(a));
        break;
    case RHI_PLACE_FREED:
        print_freed(a);
        break;
    case RHI_PLACE_UNUSED:
        rhi__print(s, "0x%" PRIx64 " is %s of heap %" PRIu64 "%s\n", a->address,
                   a->remark[0] ? "a free block" : "a slot",
                   a->reader->heaps.items[a->object.heap].number,
                   a->remark[0]       ? ""
                   : a->object.unborn ? " without an object"
                                      : " that was never used");
        print_tenants(a);
        break;
    case RHI_PLACE_INTERNAL:
        if (a->object.slot_size)
            rhi__print(s,
                       "0x%" PRIx64 " lies in the %s 0x%" PRIx64 " of %" PRIu64
                       " bytes: memory in use that holds no object\n",
                       a->address, rhi__format_of(a->reader, a->object.heap)->raw_word,
                       a->object.start, a->object.slot_size);
        else
            rhi__print(s, "0x%" PRIx64 " is the runtime's own memory (%s)\n", a->address,
                       a->own ? a->own->what : "?");
        print_slot(a);
        rhi__malloc_place_print(s, a->reader, &a->block, false, a->address, a->asked.limit);
        break;
    case RHI_PLACE_UNMANAGED:
        rhi__print(s,
                   "0x%" PRIx64 " is not of a %s heap%s: it lies in %s (0x%" PRIx64 "-0x%" PRIx64
                   ", %c%c%c)\n",
                   a->address, rhi__formats_word(a->reader),
                   a->reader->problems.count ? " that could be read" : "",
                   region && region->path[0] ? region->path : "anonymous memory",
                   region ? region->start : 0, region ? region->end : 0,
                   region && region->flags & RHI_REGION_READ ? 'r' : '-',
                   region && region->flags & RHI_REGION_WRITE ? 'w' : '-',
                   region && region->flags & RHI_REGION_EXECUTE ? 'x' : '-');
        rhi__malloc_place_print(s, a->reader, &a->block, a->has_slot && a->slot.has_owner,
                                a->address, a->asked.limit);
        print_slot(a);
        break;
    case RHI_PLACE_UNMAPPED:
        rhi__print(s, "0x%" PRIx64 " is not mapped: no memory there\n", a->address);
        break;
    }
    if (a->remark[0])
        rhi__print(s, "  %s\n", a->remark);
    print_hint(a);
    print_history(a);
    rhi__print_incomplete(s);
    return NULL;
}

/* What add_when adds. */
static const rhi_json_type when_type = {
    .members = (const rhi_json_member[]){
        {"time", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "the earliest that it can have happened, in UTC; null: not known"},
        {"time_to", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the latest that it can have happened"},
        {"thread", .is = RHI_JSON_COUNT | RHI_JSON_NULL, "the system's number of the thread"},
        {"place", .is = RHI_JSON_NULL,
         "where in the program; of a death the call that gave the last count away, or that started "
         "the "
         "collection",
         .of = {&rhi__call_type}},
        {0}}};

static const rhi_json_type tenant_type = {
    .name = "tenant",
    .doc = "An object that was at an address and died.",
    .base = {&when_type},
    .members = (const rhi_json_member[]){
        {"id", .is = RHI_JSON_TEXT, "its name"},
        {"reason", .is = RHI_JSON_TEXT, "how it died", .words = RHI_DEATH_WORDS},
        {"site", .is = RHI_JSON_NULL, "the line that made it; null: not known",
         .of = {&rhi__site_type}},
        {"event", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "the number of the event; null: not recorded"},
        {0}}};

const rhi_json_type rhi__event_type = {
    .name = "event",
    .doc = "What was recorded of an object.",
    .base = {&when_type},
    .members = (const rhi_json_member[]){
        {"event", .is = RHI_JSON_COUNT, "its number: later ones have larger numbers"},
        {"kind", .is = RHI_JSON_TEXT, "what happened",
         .words = "other|alloc|free|finalize|resurrect|last release|retain|release|begin|end"},
        {"count", .is = RHI_JSON_INTEGER | RHI_JSON_OPTIONAL,
         "of a begin or end of the record of a traced object: the count that it had"},
        {"id", .is = RHI_JSON_TEXT, "the object's name"},
        {"traced", .is = RHI_JSON_BOOLEAN, "it is in the record of traced objects"},
        {"reason", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL, "of a death: how",
         .words = RHI_DEATH_WORDS},
        {"stack", .is = RHI_JSON_LIST, "the calls, innermost first", .of = {&rhi__call_type}},
        {0}}};

/* Of an event, or of none: its time as far as it is known, from the earliest on, and its place. */
static void add_when(rhi_session *session, const rhi_reader *reader, json_t *json,
                     const rhi_event *e)
{
    char from[TIME_SIZE], to[TIME_SIZE];
    time_text(e ? e->time : 0, 6, from, sizeof from);
    time_text(e ? e->until : 0, 6, to, sizeof to);
    json_object_set_new(json, "time", from[0] ? json_string(from) : json_null());
    json_object_set_new(json, "time_to", to[0] ? json_string(to) : json_null());
    json_object_set_new(json, "thread", e && e->thread ? json_integer(e->thread) : json_null());
    json_object_set_new(json, "place", e ? rhi__place_json(session, reader, e) : json_null());
}

static json_t *tenant_json(const answer *a, const rhi_tenant *t)
{
    char id[RHI_ID_SIZE];
    rhi__object_id(a->reader, &t->object, id, sizeof id);
    json_t *json = json_pack("{s:s, s:s}", "id", id, "reason", rhi__death_word(t->object.death));
    json_object_set_new(json, "site", rhi__site_json(a->reader, &t->object));
    json_object_set_new(json, "event", t->event ? rhi__json_u64(t->event->sequence) : json_null());
    add_when(a->session, a->reader, json, t->event);
    return json;
}

json_t *rhi__event_json(rhi_session *session, const rhi_reader *reader, const rhi_event *e)
{
    char id[RHI_ID_SIZE];
    rhi__make_id(reader, e->type, e->serial, id, sizeof id);
    json_t *json = json_pack("{s:I, s:s, s:s}", "event", (json_int_t)e->sequence, "kind",
                             event_word(e->kind), "id", id);
    json_object_set_new(json, "traced", json_boolean(e->traced));
    if (e->kind == RHI_EVENT_FREE)
        json_object_set_new(json, "reason", json_string(rhi__death_word(e->death)));
    if (is_boundary(e))
        json_object_set_new(json, "count", json_integer(e->count));
    add_when(session, reader, json, e);
    json_object_set_new(json, "stack", rhi__stack_json(session, reader, e));
    return json;
}

static void json_history(const answer *a)
{
    rhi__json_array(a->session, "history");
    for (uint64_t i = 0; a->asked.history && i < a->event_count && i < a->asked.limit; i++)
        rhi__json_item(a->session, rhi__event_json(a->session, a->reader, &a->events[i]));
    rhi__json_array_end(a->session);
    if (a->asked.history && a->event_count > a->asked.limit)
        rhi__json_key(a->session, "history_total", rhi__json_u64(a->event_count));
    rhi__json_key(a->session, "history_cut", json_boolean(a->events_cut));
    rhi__json_key(a->session, "history_begins",
                  a->has_begin ? rhi__json_u64(a->begin) : json_null());
    rhi__json_key(a->session, "traced_begins",
                  a->trace.can == RHI_TRACE_POSSIBLE ? rhi__json_u64(a->trace.begin) : json_null());
    rhi__json_key(a->session, "traced_lost", rhi__json_u64(a->trace.lost));
}

static const rhi_json_member slot_members[] = {
    {"text", .is = RHI_JSON_TEXT, "in words: entry 'user' of dict@0x…"},
    {"name", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "of the slot; null: it is none"},
    {"of", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the object whose it is"},
    {"target", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the object that it leads to"},
    {0}};

const rhi_json_type rhi__objat_type = {
    .name = "objat",
    .doc = "What is at an address.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"address", .is = RHI_JSON_ADDRESS, "that was asked about"},
        {"status", .is = RHI_JSON_TEXT, "what is there", .words = RHI_STATUS_WORDS},
        {"object", .is = RHI_JSON_NULL, "the object there; null: none lives there",
         .of = {&rhi__object_type}},
        {"traced", .is = RHI_JSON_BOOLEAN | RHI_JSON_NULL,
         "the object's retains and releases are recorded; null: there is no object"},
        {"offset", .is = RHI_JSON_INTEGER,
         "bytes from the beginning of the object, or of the slot, to the address"},
        {"remark", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "what else is known, in words"},
        {"slot", .is = RHI_JSON_OPTIONAL,
         "where the address is that of a slot, or in memory that an object has elsewhere",
         .members = slot_members},
        {"fields", .is = RHI_JSON_ROWS, "the object's fields", .of = {&field_type}},
        {"ledger", .is = RHI_JSON_NULL, "with --ledger, of an object: who holds it, in figures",
         .of = {&rhi__ledger_type}},
        {"previous", .is = RHI_JSON_ROWS,
         "who was there before, the last one first. Of a freed slot the first is who died there",
         .of = {&tenant_type}},
        {"previous_cut", .is = RHI_JSON_BOOLEAN, "older ones than 64 were not looked for"},
        {"history", .is = RHI_JSON_ROWS, "with --history: all recorded events of the address",
         .of = {&rhi__event_type}},
        {"history_cut", .is = RHI_JSON_BOOLEAN, "older events than 256 were not looked for"},
        {"history_begins", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "the oldest event that the heap remembers; null: none, or not asked"},
        {"traced_begins", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "the oldest event of traced objects; null: they cannot be traced, or not asked"},
        {"traced_lost", .is = RHI_JSON_COUNT, "events of traced objects that had no memory"},
        {"mapping", .is = RHI_JSON_OPTIONAL, "of memory that no heap manages",
         .members =
             (const rhi_json_member[]){
                 {"start", .is = RHI_JSON_ADDRESS, "its first byte"},
                 {"end", .is = RHI_JSON_ADDRESS, "behind its last byte"},
                 {"path", .is = RHI_JSON_TEXT, "of its file; empty: it has none"},
                 {0}}},
        {"block", .is = RHI_JSON_OPTIONAL, "of memory of malloc's",
         .of = {&rhi__malloc_place_type}},
        {0}}};

void rhi__objat_json(rhi_objat *a)
{
    rhi_session *s = a->session;
    bool in_slot = rhi__place_is_slot(a->place);
    const rhi_region *region = a->region;
    rhi_objat_rows rows;
    rhi__json_begin(s);
    rhi__json_key(s, "address", rhi__json_address(a->address));
    rhi__json_key(s, "status", json_string(rhi__place_word(a->place)));
    rhi__json_key(s, "object",
                  a->place == RHI_PLACE_LIVE ? rhi__object_json(a->reader, &a->object)
                                             : json_null());
    rhi__json_key(s, "traced",
                  a->place == RHI_PLACE_LIVE ? json_boolean(a->object.traced) : json_null());
    rhi__json_key(s, "offset",
                  json_integer(in_slot ? (json_int_t)(a->address - a->object.address) : 0));
    rhi__json_key(s, "remark", a->remark[0] ? rhi__json_text(a->remark) : json_null());
    if (a->has_slot)
        rhi__json_key(s, "slot", slot_json(a));
    rhi__json_array(s, "fields");
    /* no runs are looked for, so that nothing ends it early */
    rhi__error_free(rhi__objat_fields(a, false, json_row, a, &rows));
    rhi__json_array_end(s);
    if (rows.total > a->asked.limit)
        rhi__json_key(s, "fields_total", rhi__json_u64(rows.total));
    rhi__json_key(s, "ledger", a->has_ledger ? rhi__ledger_json(&a->ledger) : json_null());
    rhi__json_array(s, "previous");
    for (unsigned i = 0; i < a->tenant_count && i < a->asked.limit; i++)
        rhi__json_item(s, tenant_json(a, &a->tenants[i]));
    rhi__json_array_end(s);
    if (a->tenant_count > a->asked.limit)
        rhi__json_key(s, "previous_total", json_integer(a->tenant_count));
    rhi__json_key(s, "previous_cut", json_boolean(a->tenants_cut));
    json_history(a);
    if (a->place == RHI_PLACE_UNMANAGED && region)
        rhi__json_key(s, "mapping",
                      json_pack("{s:o, s:o, s:o}", "start", rhi__json_address(region->start), "end",
                                rhi__json_address(region->end), "path",
                                rhi__json_text(region->path)));
    if (a->block.is_known)
        rhi__json_key(s, "block",
                      rhi__malloc_place_json(a->reader, &a->block, a->address, a->asked.limit));
    rhi__json_end(s);
}
