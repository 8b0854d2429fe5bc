/* gcstale.c - `gcstale`: pointers to where an object was. */
#include "base/array.h"
#include "commands/all.h"
#include "render/objects.h"
#include "render/output.h"
#include "questions/stale.h"
#include "program/symbols.h"
#include "render/value.h"
#include "render/holders.h"
#include "heap/objects.h"
#include "words/naming.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_LOOKED_AT = 32 };

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_args *args;
    rhi_stale *stale;
    rhi_holders certain, possible; /* the rows that are printed, of the wanted heaps */
    uint64_t certain_total, possible_total;
} answer;

/* What is said of a row. */
typedef struct verdict {
    char was[RHI_ID_SIZE], now[RHI_ID_SIZE]; /* empty: not known, none */
    char value[RHI_VALUE_SIZE];              /* of the object that is there now */
    const char *evidence, *death;
    bool is_typed; /* by the variable's type, not one of too many references */
    uint64_t offset;
} verdict;

/* ---- gathering ------------------------------------------------------------------------------ */

/* The rows of the wanted heaps: as many as are printed, and how many there are. */
static rhi_error *choose(answer *a, const rhi_holders *rows, rhi_holders *chosen, uint64_t *total)
{
    for (uint64_t i = 0; i < rows->count; i++) {
        const rhi_holder *row = &rows->items[i];
        const rhi_block *block = rhi__block_at(a->reader, row->target);
        if ((block && !rhi__heap_wanted(a->session, a->reader, block->heap)) ||
            (*total)++ >= a->args->limit)
            continue;
        if (!rhi__array_reserve(chosen, 1) || !rhi__holder_copy(row, &chosen->items[chosen->count]))
            return rhi__error_memory();
        chosen->count++;
    }
    rhi__name_holders(a->session, a->reader, chosen, chosen->count);
    return NULL;
}

static rhi_error *gather(answer *a)
{
    RHI_TRY(rhi__session_reader(a->session, &a->reader));
    RHI_TRY(rhi__session_stale(a->session, &a->stale));
    RHI_TRY(choose(a, &a->stale->certain, &a->certain, &a->certain_total));
    return choose(a, &a->stale->possible, &a->possible, &a->possible_total);
}

/* Who died in the slot before the object that is there now, if the history tells. */
static void find_tenant(answer *a, const rhi_object *object, verdict *v)
{
    rhi_event events[EVENTS_LOOKED_AT];
    uint64_t count = rhi__history(a->reader, object->address, 0, events, EVENTS_LOOKED_AT);
    for (uint64_t i = 0; i < count && !v->was[0]; i++)
        if (events[i].kind == RHI_EVENT_FREE && events[i].serial != object->serial) {
            rhi__make_id(a->reader, events[i].type, events[i].serial, v->was, sizeof v->was);
            v->death = rhi__death_word(events[i].death);
        }
}

static void judge(answer *a, const rhi_holder *row, verdict *v)
{
    rhi_object object;
    const rhi_block *block = rhi__block_at(a->reader, row->target);
    *v = (verdict){.evidence = "unreadable", .offset = row->value - row->target};
    if (!block || !rhi__slot_at(a->reader, block, row->target, &object))
        return;
    if (object.state == RHI_FREED) {
        rhi__object_id(a->reader, &object, v->was, sizeof v->was);
        v->death = rhi__death_word(object.death);
        v->evidence = v->offset ? "inside a freed slot" : "freed slot";
        return;
    }
    rhi__object_id(a->reader, &object, v->now, sizeof v->now);
    rhi__value(a->reader, &object, v->value);
    v->is_typed =
        row->variable && rhi__is_of_another_type(a->session, a->reader, row->variable, object.type);
    v->evidence = v->is_typed ? "variable of another type" : "more references than counts";
    find_tenant(a, &object, v);
}

/* ---- rendering ------------------------------------------------------------------------------ */

static void print_row(answer *a, const rhi_holder *row)
{
    verdict v;
    judge(a, row, &v);
    rhi__print(a->session, "  -> 0x%" PRIx64 " ", row->target);
    if (v.now[0])
        rhi__print(a->session, "is %s%s, %s%s%s%s%s\n", v.now, v.value,
                   v.is_typed
                       ? "but the variable is of another type"
                       : "which has more references than counts: one of them at least is stale",
                   v.was[0] ? "; before, it was " : "", v.was, v.death ? ", freed by " : "",
                   v.death ? v.death : "");
    else if (v.was[0])
        rhi__print(a->session, "was %s, freed by %s\n", v.was, v.death);
    else
        rhi__print(a->session, "cannot be read\n");
    rhi__holder_print(a->session, a->reader, row, "     ");
}

static void print_rows(answer *a, const rhi_holders *rows, uint64_t total)
{
    for (uint64_t i = 0; i < rows->count; i++)
        print_row(a, &rows->items[i]);
    if (total > rows->count)
        rhi__print(a->session, "  … %" PRIu64 " more (--limit=0 shows all)\n", total - rows->count);
}

static void print_text(answer *a)
{
    rhi_session *s = a->session;
    rhi__print(s, "%" PRIu64 " stale pointer%s%s\n", a->certain_total,
               a->certain_total == 1 ? "" : "s", a->certain_total ? ":" : "");
    print_rows(a, &a->certain, a->certain_total);
    if (a->possible_total) {
        rhi__print(s,
                   "%" PRIu64 " possible, which may be leftovers (unnamed stack words, registers, "
                   "memory of unknown use):\n",
                   a->possible_total);
        print_rows(a, &a->possible, a->possible_total);
    }
    if (a->stale->not_asked)
        rhi__print(s, "%" PRIu64 " stack word%s beyond the first %d %s not named: %s as possible\n",
                   a->stale->not_asked, rhi__plural(a->stale->not_asked), (int)RHI_STALE_NAMED_MAX,
                   a->stale->not_asked == 1 ? "was" : "were",
                   a->stale->not_asked == 1 ? "it counts" : "they count");
    if (a->stale->types_not_asked)
        rhi__print(s,
                   "%" PRIu64 " word%s to live objects, beyond the first %d, %s not held against "
                   "the types of variables\n",
                   a->stale->types_not_asked, rhi__plural(a->stale->types_not_asked),
                   (int)RHI_STALE_NAMED_MAX, a->stale->types_not_asked == 1 ? "was" : "were");
    rhi__print_provisional(s);
    rhi__print_incomplete(s);
}

static void json_rows(answer *a, const char *key, const rhi_holders *rows, uint64_t total)
{
    char total_key[32];
    rhi__json_array(a->session, key);
    for (uint64_t i = 0; i < rows->count; i++) {
        verdict v;
        judge(a, &rows->items[i], &v);
        rhi__json_item(a->session,
                       json_pack("{s:o, s:o, s:s?, s:s?, s:s?, s:s, s:s?}", "holder",
                                 rhi__holder_json(a->reader, &rows->items[i]), "address",
                                 rhi__json_address(rows->items[i].target), "was",
                                 v.was[0] ? v.was : NULL, "now", v.now[0] ? v.now : NULL,
                                 "now_value", v.value[0] ? v.value + 1 : NULL, "evidence",
                                 v.evidence, "reason", v.death));
    }
    rhi__json_array_end(a->session);
    snprintf(total_key, sizeof total_key, "%s_total", key);
    if (total > rows->count)
        rhi__json_key(a->session, total_key, rhi__json_u64(total));
}

static void print_json(answer *a)
{
    rhi__json_begin(a->session);
    json_rows(a, "stale", &a->certain, a->certain_total);
    json_rows(a, "possible", &a->possible, a->possible_total);
    rhi__json_key(a->session, "not_named", rhi__json_u64(a->stale->not_asked));
    rhi__json_key(a->session, "types_not_compared", rhi__json_u64(a->stale->types_not_asked));
    rhi__json_key(a->session, "provisional", json_boolean(rhi__is_provisional(a->session)));
    rhi__json_end(a->session);
}

rhi_error *rhi__run_gcstale(rhi_session *session, const rhi_args *args, int *status)
{
    answer a = {.session = session, .args = args};
    rhi_error *error = gather(&a);
    if (!error && args->json)
        print_json(&a);
    else if (!error)
        print_text(&a);
    if (!error)
        *status = rhi__check_status(session, args, a.certain_total > 0);
    rhi__holders_free(&a.certain);
    rhi__holders_free(&a.possible);
    return error;
}
