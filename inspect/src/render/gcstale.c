/* gcstale.c - stale pointers, for people and in JSON (see gcstale.h). */
#include "render/gcstale.h"
#include "base/text.h"
#include "heap/objects.h"
#include "render/holders.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"
#include "render/value.h"

#include <inttypes.h>
#include <stdio.h>

/* What was and is in a slot, in words; empty: nobody, or nobody knows. */
typedef struct tenants {
    char was[RHI_ID_SIZE], now[RHI_ID_SIZE], value[RHI_VALUE_SIZE];
    char death[RHI_DEATH_SIZE]; /* of who was there */
} tenants;

static void name_tenants(const rhi_gcstale *a, const rhi_stale_verdict *v, tenants *t)
{
    rhi_reader *reader = a->reader;
    t->was[0] = t->now[0] = t->value[0] = t->death[0] = '\0';
    if (v->has_tenant) {
        rhi__object_id(reader, &v->tenant, t->was, sizeof t->was);
        rhi__death_text(a->session, reader, &v->tenant, v->is_recorded ? &v->event : NULL,
                        t->death);
    }
    if (v->has_object) {
        rhi__object_id(reader, &v->object, t->now, sizeof t->now);
        rhi__value(reader, &v->object, t->value);
    }
}

/* What is where it leads. */
static void print_target(const rhi_gcstale *a, const rhi_holder *row, const rhi_stale_verdict *v)
{
    tenants t;
    name_tenants(a, v, &t);
    rhi__print(a->session, "  -> 0x%" PRIx64 " ", row->target);
    if (v->evidence == RHI_STALE_NO_OBJECT)
        rhi__print(a->session, "is %s: the object that it led to is gone\n",
                   rhi__empty_text(a->reader, &v->object, row->value));
    else if (v->evidence == RHI_STALE_INSIDE_ANOTHER)
        rhi__print(a->session, "lies in %s%s: the object that it led to is gone\n", t.now, t.value);
    else if (v->has_object)
        rhi__print(a->session, "is %s%s, %s%s%s%s%s\n", t.now, t.value,
                   v->evidence == RHI_STALE_OF_ANOTHER_TYPE
                       ? "but the variable is of another type"
                       : "which has more references than counts: one of them at least is stale",
                   t.was[0] ? "; before, it was " : "", t.was, t.was[0] ? ", " : "", t.death);
    else if (v->has_tenant)
        rhi__print(a->session, "was %s, %s\n", t.was, t.death);
    else
        rhi__print(a->session, "cannot be read\n");
    if (v->remark[0])
        rhi__print(a->session, "     %s\n", v->remark);
}

/* Is the same said of what is there? */
static bool are_alike(const rhi_stale_verdict *a, const rhi_stale_verdict *b)
{
    bool are_gone = a->has_tenant && b->has_tenant && !a->has_object && !b->has_object;
    return are_gone || a->evidence == b->evidence;
}

/* Several in a row that lead to the same are told of together. */
static void print_rows(const rhi_gcstale *a, const rhi_stale_rows *rows)
{
    const rhi_holder *all = rows->holders.items;
    for (uint64_t i = 0; i < rows->holders.count; i++) {
        if (i == 0 || all[i].target != all[i - 1].target ||
            !are_alike(&rows->verdicts[i], &rows->verdicts[i - 1]))
            print_target(a, &all[i], &rows->verdicts[i]);
        rhi__holder_print(a->session, a->reader, &all[i], "     ");
    }
    rhi__print_more(a->session, "  ", rows->total - rows->holders.count, NULL);
}

/* What debug info was not asked about. */
static void print_not_asked(rhi_session *s, const rhi_stale *stale)
{
    if (stale->not_asked)
        rhi__print(s, "%" PRIu64 " stack word%s beyond the first %d %s not named: %s as possible\n",
                   stale->not_asked, rhi__plural(stale->not_asked), (int)RHI_STALE_NAMED_MAX,
                   stale->not_asked == 1 ? "was" : "were",
                   stale->not_asked == 1 ? "it counts" : "they count");
    if (stale->types_not_asked)
        rhi__print(s,
                   "%" PRIu64 " word%s to live objects, beyond the first %d, %s not held against "
                   "the types of variables\n",
                   stale->types_not_asked, rhi__plural(stale->types_not_asked),
                   (int)RHI_STALE_NAMED_MAX, stale->types_not_asked == 1 ? "was" : "were");
}

static bool has_variables(const rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (!reader->formats.items[i].format->has_variables)
            return false;
    return true;
}

void rhi__gcstale_print(const rhi_gcstale *a)
{
    rhi_session *s = a->session;
    rhi__print(s, "%" PRIu64 " stale pointer%s%s\n", a->certain.total,
               a->certain.total == 1 ? "" : "s", a->certain.total ? ":" : "");
    print_rows(a, &a->certain);
    if (a->possible.total) {
        rhi__print(s, "%" PRIu64 " possible, which may be leftovers%s:\n", a->possible.total,
                   has_variables(a->reader)
                       ? " (unnamed stack words, registers, memory of unknown use)"
                       : "");
        print_rows(a, &a->possible);
    }
    print_not_asked(s, a->stale);
    rhi__print_provisional(s);
    rhi__print_incomplete(s);
}

json_t *rhi__stale_json(const rhi_gcstale *a, const rhi_holder *row, const rhi_stale_verdict *v)
{
    static const char *const evidence[] = {[RHI_STALE_UNREADABLE] = "unreadable",
                                           [RHI_STALE_FREED] = "freed slot",
                                           [RHI_STALE_INSIDE_FREED] = "inside a freed slot",
                                           [RHI_STALE_NO_OBJECT] = "no object",
                                           [RHI_STALE_INSIDE_ANOTHER] = "inside another object",
                                           [RHI_STALE_OF_ANOTHER_TYPE] = "variable of another type",
                                           [RHI_STALE_TOO_MANY] = "more references than counts"};
    tenants t;
    name_tenants(a, v, &t);
    json_t *json = json_pack(
        "{s:o, s:o, s:s?, s:s?, s:s?, s:s, s:s?, s:o}", "holder", rhi__holder_json(a->reader, row),
        "address", rhi__json_address(row->target), "was", t.was[0] ? t.was : NULL, "now",
        t.now[0] ? t.now : NULL, "now_value", t.value[0] ? t.value + 1 : NULL, "evidence",
        evidence[v->evidence], "reason", v->has_tenant ? rhi__death_word(v->tenant.death) : NULL,
        "remark", v->remark[0] ? rhi__json_text(v->remark) : json_null());
    json_object_set_new(json, "was_site",
                        v->has_tenant ? rhi__site_json(a->reader, &v->tenant) : json_null());
    json_object_set_new(json, "place",
                        v->is_recorded ? rhi__place_json(a->session, a->reader, &v->event)
                                       : json_null());
    return json;
}

static void json_rows(const rhi_gcstale *a, const char *key, const rhi_stale_rows *rows)
{
    char total_key[32];
    rhi__json_array(a->session, key);
    for (uint64_t i = 0; i < rows->holders.count; i++)
        rhi__json_item(a->session, rhi__stale_json(a, &rows->holders.items[i], &rows->verdicts[i]));
    rhi__json_array_end(a->session);
    snprintf(total_key, sizeof total_key, "%s_total", key);
    if (rows->total > rows->holders.count)
        rhi__json_key(a->session, total_key, rhi__json_u64(rows->total));
}

static const rhi_json_type stale_type = {
    .name = "stale",
    .doc = "A pointer to where an object was.",
    .members = (const rhi_json_member[]){
        {"holder", .is = 0, "the slot or word that holds it", .of = {&rhi__holder_type}},
        {"address", .is = RHI_JSON_ADDRESS, "of the slot that it points into"},
        {"was", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the name of who died there; null: not known"},
        {"was_site", .is = RHI_JSON_NULL, "the line that made it; null: not known",
         .of = {&rhi__site_type}},
        {"now", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the name of who lives there; null: nobody"},
        {"now_value", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "what that holds, short"},
        {"evidence", .is = RHI_JSON_TEXT, "why it is called stale",
         .words = "freed slot|inside a freed slot|no object|inside another object|more references "
                  "than counts|variable of another type|unreadable"},
        {"reason", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "how it died; null: not known",
         .words = RHI_DEATH_WORDS},
        {"place", .is = RHI_JSON_NULL, "the call that let it die; null: not recorded",
         .of = {&rhi__call_type}},
        {"remark", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "what the format says of the place, in words"},
        {0}}};

const rhi_json_type rhi__gcstale_type = {
    .name = "gcstale",
    .doc = "Pointers to where an object was.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"stale", .is = RHI_JSON_ROWS, "those that are stale for certain", .of = {&stale_type}},
        {"possible", .is = RHI_JSON_ROWS, "those that may be leftovers", .of = {&stale_type}},
        {"not_named", .is = RHI_JSON_COUNT, "stack words that debug info was not asked about"},
        {"types_not_compared", .is = RHI_JSON_COUNT,
         "words to live objects that were not held against the types of variables"},
        {"provisional", .is = RHI_JSON_BOOLEAN,
         "counts are in motion: evidence of counts may be none"},
        {0}}};

void rhi__gcstale_json(const rhi_gcstale *a)
{
    rhi__json_begin(a->session);
    json_rows(a, "stale", &a->certain);
    json_rows(a, "possible", &a->possible);
    rhi__json_key(a->session, "not_named", rhi__json_u64(a->stale->not_asked));
    rhi__json_key(a->session, "types_not_compared", rhi__json_u64(a->stale->types_not_asked));
    rhi__json_key(a->session, "provisional", json_boolean(rhi__is_provisional(a->session)));
    rhi__json_end(a->session);
}
