/* holders.c - the ledger and the referrer rows, in text and JSON (see objects.h, words.h). */
#include "objects.h"
#include "output.h"
#include "symbols.h"
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
    return holder->variable && holder->variable->is_local ? "local" : kind_words[holder->kind];
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
    const rhi_variable *variable = holder->variable;
    json_t *json = json_object();
    json_object_set_new(json, "kind", json_string(kind_word(holder)));
    json_object_set_new(json, "strength", json_string(strength_word(holder)));
    json_object_set_new(json, "address", holder->address ? rhi__json_address(holder->address) : json_null());
    json_object_set_new(json, "from", from_id(reader, holder, id, sizeof id) ? json_string(id) : json_null());
    json_object_set_new(json, "name", holder->name ? rhi__json_text(holder->name) : json_null());
    json_object_set_new(json, "offset", rhi__json_u64(holder->value - holder->target));
    if (variable && variable->type[0])
        json_object_set_new(json, "type", rhi__json_text(variable->type));
    if (variable && variable->function[0])
        json_object_set_new(json, "function", rhi__json_text(variable->function));
    if (variable && variable->is_local)
        json_object_set_new(json, "frame", json_integer(variable->frame));
    if (holder->lwp)
        json_object_set_new(json, "thread", rhi__json_u64(holder->lwp));
    return json;
}

enum { WHAT_SIZE = RHI_ID_SIZE + RHI_VARIABLE_SIZE + 2 * RHI_OWNER_SIZE + 64 };

/* local 'conn.table[3]' (node *) in serve() frame 0 */
static void variable_text(const rhi_holder *holder, char *text, size_t size)
{
    const rhi_variable *v = holder->variable;
    char type[RHI_OWNER_SIZE + 8] = "", frame[32] = "";
    if (v->type[0])
        snprintf(type, sizeof type, " (%s)", v->type);
    if (v->is_local)
        snprintf(frame, sizeof frame, " frame %" PRIu32, v->frame);
    if (v->function[0] || v->is_local)
        snprintf(text, size, "%s '%s'%s in %s()%s",
                 v->is_local ? "local" : holder->kind == RHI_HOLDER_THREAD_LOCAL ? "thread-local" : "static", v->text, type,
                 v->function[0] ? v->function : "??", frame);
    else if (holder->kind == RHI_HOLDER_THREAD_LOCAL)
        snprintf(text, size, "thread-local '%s'%s", v->text, type);
    else
        snprintf(text, size, "global %s%s", v->text, type);
}

/* A row without its address and strength; *has_address: the text says where the word lies. */
static void what_text(rhi_reader *reader, const rhi_holder *holder, char *text, size_t size, bool *has_address)
{
    char id[RHI_ID_SIZE] = "(unreadable)";
    const char *name = holder->name ? holder->name : "";
    *has_address = false;
    from_id(reader, holder, id, sizeof id);
    if (holder->variable) {
        variable_text(holder, text, size);
        return;
    }
    switch (holder->kind) {
    case RHI_HOLDER_FIELD:
        snprintf(text, size, "%s.%s", id, name);
        break;
    case RHI_HOLDER_UNDECLARED:
        snprintf(text, size, "%s%s (no declared field)", id, name);
        break;
    case RHI_HOLDER_ROOT:
        snprintf(text, size, "root '%s'", name);
        break;
    case RHI_HOLDER_REGISTER:
        snprintf(text, size, "register %s", name);
        break;
    case RHI_HOLDER_IMMORTAL:
    case RHI_HOLDER_DYING:
        snprintf(text, size, "%s is %s", id, kind_words[holder->kind]);
        break;
    default:
        *has_address = holder->kind == RHI_HOLDER_STACK || !*name;
        if (*has_address)
            snprintf(text, size, "%s word at 0x%" PRIx64 "%s%s%s",
                     holder->kind == RHI_HOLDER_THREAD_LOCAL ? "thread-local" : kind_words[holder->kind], holder->address,
                     *name ? " (" : "", name, *name ? ")" : "");
        else
            snprintf(text, size, "%s", name); /* libfoo.so+0x4040, malloc block 0x…+16 */
    }
}

void rhi__holder_print(rhi_session *session, rhi_reader *reader, const rhi_holder *holder, const char *indent)
{
    char what[WHAT_SIZE], row[WHAT_SIZE + 32];
    bool has_address, is_member = holder->kind == RHI_HOLDER_IMMORTAL || holder->kind == RHI_HOLDER_DYING;
    what_text(reader, holder, what, sizeof what, &has_address);
    if (holder->lwp)
        snprintf(row, sizeof row, "%s thread %" PRIu64, what, holder->lwp);
    rhi__print(session, "%s%-44s", indent, holder->lwp ? row : what);
    if (!is_member)
        rhi__print(session, " %s", holder->strong ? "exact" : strength_word(holder));
    if (holder->address && !has_address)
        rhi__print(session, " at 0x%" PRIx64, holder->address);
    if (holder->value != holder->target)
        rhi__print(session, " (points %" PRIu64 " bytes into it)", holder->value - holder->target);
    rhi__print(session, "\n");
}
