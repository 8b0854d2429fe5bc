/* holders.c - the ledger and the referrer rows, in text and JSON (see objects.h, words.h). */
#include "objects.h"
#include "output.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_words[] = {"field", "undeclared", "root", "register", "stack", "global", "thread_local", "foreign", "unknown",
                                         "immortal", "dying"};

void rhi__ledger(const rhi_reader *reader, const rhi_object *object, const rhi_holders *holders, rhi_ledger *ledger)
{
    *ledger = (rhi_ledger){.stored = object->count, .immortal = object->immortal,
                           .provisional = reader->heaps.items[object->heap].provisional};
    for (uint64_t i = 0; i < holders->count; i++) {
        const rhi_holder *holder = &holders->items[i];
        if (holder->kind == RHI_HOLDER_FIELD)
            ledger->fields += holder->strong && holder->in_live;
        else if (holder->kind == RHI_HOLDER_ROOT)
            ledger->exact += holder->value == object->address;
        else
            ledger->words++;
    }
    int64_t ext = ledger->stored - (int64_t)ledger->fields;
    int64_t open = ext - (int64_t)ledger->exact; /* counts that words may explain */
    uint64_t used = open <= 0 ? 0 : (uint64_t)open < ledger->words ? (uint64_t)open : ledger->words;
    ledger->roots = ledger->exact + used;
    ledger->unexplained = ext - (int64_t)ledger->roots;
}

json_t *rhi__ledger_json(const rhi_ledger *ledger)
{
    json_t *json = json_object();
    json_object_set_new(json, "stored", ledger->immortal ? json_null() : json_integer(ledger->stored));
    json_object_set_new(json, "fields", rhi__json_u64(ledger->fields));
    json_object_set_new(json, "exact", rhi__json_u64(ledger->exact));
    json_object_set_new(json, "words", rhi__json_u64(ledger->words));
    json_object_set_new(json, "roots", rhi__json_u64(ledger->immortal ? ledger->exact : ledger->roots));
    json_object_set_new(json, "unexplained", ledger->immortal ? json_null() : json_integer(ledger->unexplained));
    json_object_set_new(json, "provisional", json_boolean(ledger->provisional));
    return json;
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

void rhi__ledger_print(rhi_session *session, const rhi_ledger *ledger)
{
    if (ledger->immortal) {
        rhi__print(session, "ledger: immortal, its count is not kept; %" PRIu64 " field%s and %" PRIu64 " registered root%s refer to it\n",
                   ledger->fields, plural(ledger->fields), ledger->exact, plural(ledger->exact));
        return;
    }
    uint64_t used = ledger->roots - ledger->exact;
    rhi__print(session, "ledger: %" PRId64 " count%s: %" PRIu64 " field%s, %" PRIu64 " registered root%s, %" PRIu64 " from words", ledger->stored,
               plural((uint64_t)ledger->stored), ledger->fields, plural(ledger->fields), ledger->exact, plural(ledger->exact), used);
    if (ledger->unexplained == 0)
        rhi__print(session, "; nothing unexplained");
    else if (ledger->unexplained > 0)
        rhi__print(session, "; %" PRId64 " unexplained (at most: not everything was searched)", ledger->unexplained);
    else if (ledger->stored < (int64_t)ledger->fields)
        rhi__print(session, "; over-released: %" PRId64 " more reference%s than counts", -ledger->unexplained,
                   plural((uint64_t)-ledger->unexplained));
    else
        rhi__print(session, "; %" PRId64 " registered root%s more than counts", -ledger->unexplained, plural((uint64_t)-ledger->unexplained));
    if (ledger->words > used)
        rhi__print(session, "; also remembered by %" PRIu64 " word%s", ledger->words - used, plural(ledger->words - used));
    rhi__print(session, "%s\n", ledger->provisional ? " (provisional: stopped inside a collection)" : "");
}

static const char *kind_word(const rhi_holder *holder)
{
    return holder->is_local ? "local" : kind_words[holder->kind];
}

static const char *strength_word(const rhi_holder *holder)
{
    return holder->strong ? "strong" : holder->weak ? "weak" : "conservative";
}

/* The id of the object that a field row is in. */
static bool from_id(rhi_reader *reader, const rhi_holder *holder, char *id, size_t size)
{
    enum rhi_place place;
    rhi_object object;
    if (!holder->from || !rhi__place_of(reader, holder->from, &place, &object) || place > RHI_PLACE_UNUSED)
        return false;
    rhi__object_id(reader, &object, id, size);
    return true;
}

json_t *rhi__holder_json(rhi_reader *reader, const rhi_holder *holder)
{
    char id[RHI_ID_SIZE];
    json_t *json = json_object();
    json_object_set_new(json, "kind", json_string(kind_word(holder)));
    json_object_set_new(json, "strength", json_string(strength_word(holder)));
    json_object_set_new(json, "address", holder->address ? rhi__json_address(holder->address) : json_null());
    json_object_set_new(json, "from", from_id(reader, holder, id, sizeof id) ? json_string(id) : json_null());
    json_object_set_new(json, "name", holder->name ? rhi__json_text(holder->name) : json_null());
    json_object_set_new(json, "offset", rhi__json_u64(holder->value - holder->target));
    if (holder->lwp)
        json_object_set_new(json, "thread", rhi__json_u64(holder->lwp));
    if (holder->detail)
        json_object_set_new(json, "detail", rhi__json_text(holder->detail));
    return json;
}

void rhi__holder_print(rhi_session *session, rhi_reader *reader, const rhi_holder *holder, const char *indent)
{
    char id[RHI_ID_SIZE], what[RHI_ID_SIZE + 256], where[64] = "";
    if (from_id(reader, holder, id, sizeof id))
        snprintf(what, sizeof what, "%s%s%s", id, holder->kind == RHI_HOLDER_FIELD ? "." : "", holder->name ? holder->name : "");
    else
        snprintf(what, sizeof what, "%s", holder->name ? holder->name : "(no name)");
    if (holder->lwp)
        snprintf(where, sizeof where, " thread %" PRIu64, holder->lwp);
    rhi__print(session, "%s%-28s %-8s", indent, what, kind_word(holder));
    if (!holder->strong)
        rhi__print(session, " %s", strength_word(holder));
    if (holder->address)
        rhi__print(session, " at 0x%" PRIx64, holder->address);
    rhi__print(session, "%s%s%s", where, holder->detail ? " " : "", holder->detail ? holder->detail : "");
    if (holder->value != holder->target)
        rhi__print(session, " (points %" PRIu64 " bytes into it)", holder->value - holder->target);
    rhi__print(session, "\n");
}
