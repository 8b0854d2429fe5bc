/* refwatch.c - which objects are marked, and what was done about it, for people and in JSON (see
 * refwatch.h). */
#include "render/refwatch.h"
#include "heap/objects.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"

#include <inttypes.h>

typedef struct rhi_refwatch answer;

/* ---- one object ----------------------------------------------------------------------------- */

static void print_next(const answer *a, const char *id, uint32_t heap)
{
    char option[RHI_HEAP_OPTION_SIZE];
    rhi__heap_option(a->reader, heap, option);
    rhi__print(a->session,
               "  let the program go on; then refs --ledger %s%s says which counts were not given "
               "back, objat --history %s%s what happened\n",
               option, id, option, id);
}

static void print_object(const answer *a)
{
    const struct rhi_watched *w = &a->objects.items[0];
    char id[RHI_ID_SIZE];
    rhi__object_id(a->reader, &w->object, id, sizeof id);
    if (a->asked.off) {
        rhi__print(a->session,
                   w->changed ? "%s is traced no more; what was recorded of it stays\n"
                              : "%s was not traced\n",
                   id);
        return;
    }
    rhi__print(a->session, "%s is traced%s: each change of its count is recorded%s%s\n", id,
               w->changed ? "" : " already", w->changed ? " from now on" : "",
               w->stops ? ", and the program stops there" : "");
    print_next(a, id, w->object.heap);
}

/* ---- types ---------------------------------------------------------------------------------- */

static void print_living(const answer *a)
{
    if (a->asked.living)
        rhi__print(a->session, "  %" PRIu64 " object%s that %s now %s %s\n", a->living,
                   rhi__plural(a->living), a->living == 1 ? "lives" : "live",
                   a->living == 1 ? "is" : "are", a->asked.off ? "traced no more" : "traced, too");
    else if (!a->asked.off)
        rhi__print(a->session, "  those that live now stay as they are: --living traces them, "
                               "too, and refwatch OBJECT one of them\n");
    else
        rhi__print(a->session, "  those that live now stay as they are: --living ends it for "
                               "them, too\n");
    if (a->refused)
        rhi__print(a->session,
                   "  %" PRIu64 " could not be: immortal, dying, damaged, or in the midst of a "
                   "change (refwatch OBJECT says which)\n",
                   a->refused);
}

static void print_types(const answer *a)
{
    for (uint64_t i = 0; i < a->types.count; i++) {
        const struct rhi_watched_type *t = &a->types.items[i];
        const char *name = rhi__type_name(a->reader, t->type);
        if (a->asked.off)
            rhi__print(a->session,
                       t->changed ? "new objects of type %s are traced no more\n"
                                  : "new objects of type %s were not traced\n",
                       name);
        else
            rhi__print(a->session, "new objects of type %s are traced%s%s\n", name,
                       t->changed || !a->asked.type ? "" : " already",
                       t->stops ? ", and the program stops at changes of their counts" : "");
    }
}

/* ---- what is marked ------------------------------------------------------------------------- */

static void print_list(const answer *a)
{
    rhi_session *s = a->session;
    char id[RHI_ID_SIZE], count[32];
    if (a->total == 0 && a->types.count == 0)
        rhi__print(s,
                   "nothing is traced: refwatch OBJECT does that, or refwatch --type=NAME\n"
                   "  a type is known from its first object on: what the program itself traces by "
                   "trace=TYPE shows then\n");
    else
        rhi__print(s, "%" PRIu64 " object%s %s traced\n", a->total, rhi__plural(a->total),
                   a->total == 1 ? "is" : "are");
    for (uint64_t i = 0; i < a->objects.count; i++) {
        const struct rhi_watched *w = &a->objects.items[i];
        rhi__object_id(a->reader, &w->object, id, sizeof id);
        rhi__count_text(&w->object, count, sizeof count);
        rhi__print(s, "  %-28s 0x%" PRIx64 "  refcount %s, heap %" PRIu64 ", %s%s%s\n", id,
                   w->object.address, count, a->reader->heaps.items[w->object.heap].number,
                   rhi__state_word(&w->object), w->stops ? ", the program stops" : "",
                   w->object.untold ? ", its mark was undone by a change that was under way: "
                                      "refwatch sets it again"
                                    : "");
    }
    rhi__print_more(s, "  ", a->total - a->objects.count, NULL);
    print_types(a);
}

void rhi__refwatch_print(const answer *a)
{
    if (a->asked.operand)
        print_object(a);
    else if (a->asked.type)
        print_types(a), print_living(a);
    else
        print_list(a);
    rhi__print_incomplete(a->session);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static const rhi_json_type watched_row_type = {
    .name = "watched",
    .doc = "An object whose retains and releases are recorded, or were.",
    .members = (const rhi_json_member[]){
        {"object", .is = 0, "the object", .of = {&rhi__object_type}},
        {"traced", .is = RHI_JSON_BOOLEAN, "it is marked: its changes are recorded"},
        {"undone", .is = RHI_JSON_BOOLEAN, "a change that was under way undid the mark"},
        {"stops", .is = RHI_JSON_BOOLEAN, "the program stops at its changes"},
        {"changed", .is = RHI_JSON_BOOLEAN, "by this command"},
        {0}}};

static const rhi_json_type watched_type = {
    .name = "watched_type",
    .doc = "A type whose new objects are recorded.",
    .members = (const rhi_json_member[]){
        {"type", .is = RHI_JSON_TEXT, "its name"},
        {"traced", .is = RHI_JSON_BOOLEAN, "its new objects are recorded"},
        {"stops", .is = RHI_JSON_BOOLEAN, "the program stops at their changes"},
        {"changed", .is = RHI_JSON_BOOLEAN, "by this command"},
        {0}}};

const rhi_json_type rhi__refwatch_type = {
    .name = "refwatch",
    .doc = "What is recorded, or no more.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"watched", .is = RHI_JSON_ROWS, "objects", .of = {&watched_row_type}},
        {"types", .is = RHI_JSON_LIST, "types", .of = {&watched_type}},
        {"living", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "with --living: objects that were marked"},
        {"refused", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "with --living: objects that could not be marked"},
        {0}}};

void rhi__refwatch_json(const answer *a)
{
    rhi_session *s = a->session;
    bool is_list = !a->asked.operand && !a->asked.type;
    rhi__json_begin(s);
    rhi__json_array(s, "watched");
    for (uint64_t i = 0; i < a->objects.count; i++) {
        const struct rhi_watched *w = &a->objects.items[i];
        rhi__json_item(s, json_pack("{s:o, s:b, s:b, s:b, s:b}", "object",
                                    rhi__object_json(a->reader, &w->object), "traced",
                                    w->object.traced, "undone", w->object.untold, "stops", w->stops,
                                    "changed", w->changed));
    }
    rhi__json_array_end(s);
    if (a->total > a->objects.count)
        rhi__json_key(s, "watched_total", rhi__json_u64(a->total));
    rhi__json_array(s, "types");
    for (uint64_t i = 0; i < a->types.count; i++) {
        const struct rhi_watched_type *t = &a->types.items[i];
        rhi__json_item(s, json_pack("{s:o, s:b, s:b, s:b}", "type",
                                    rhi__json_text(rhi__type_name(a->reader, t->type)), "traced",
                                    !a->asked.off, "stops", t->stops, "changed", t->changed));
    }
    rhi__json_array_end(s);
    if (!is_list && a->asked.living) {
        rhi__json_key(s, "living", rhi__json_u64(a->living));
        rhi__json_key(s, "refused", rhi__json_u64(a->refused));
    }
    rhi__json_end(s);
}

/* ---- where a program stops ------------------------------------------------------------------ */

static const char *change_word(const rhi_reached *r)
{
    return r->event.kind == RHI_EVENT_ALLOC ? "born" : r->change > 0 ? "retained" : "released";
}

void rhi__reached_print(rhi_session *session, const rhi_reached *r)
{
    char id[RHI_ID_SIZE], place[RHI_PLACE_SIZE];
    rhi__object_id(r->reader, &r->object, id, sizeof id);
    rhi__place_text(session, r->reader, &r->event, place);
    rhi__print(session, "%s: refcount %" PRIu64 " -> %" PRIu64 ", %s%s%s%s\n", id,
               r->count - (uint64_t)(int64_t)r->change, r->count, change_word(r),
               place[0] ? " " : "", place, r->count ? "" : ": it dies now");
}
