/* ledger.c - the ledger of an object, in figures and in words (see ledger.h). */
#include "render/ledger.h"
#include "base/text.h"
#include "render/output.h"

#include <inttypes.h>

const rhi_json_type rhi__ledger_type = {
    .name = "ledger",
    .doc = "The count of an object against who was found to hold it: stored = fields + roots + "
           "unexplained.",
    .members = (const rhi_json_member[]){
        {"stored", .is = RHI_JSON_INTEGER | RHI_JSON_NULL,
         "the count in the object; null: it is immortal, and its count is not kept"},
        {"fields", .is = RHI_JSON_COUNT, "strong slots of live objects that hold it"},
        {"guessed", .is = RHI_JSON_COUNT, "of the fields, those that are conservative"},
        {"exact", .is = RHI_JSON_COUNT, "registered roots that hold it"},
        {"runtime", .is = RHI_JSON_COUNT, "counts that are the runtime's own"},
        {"words", .is = RHI_JSON_COUNT,
         "other words that hold an address in it: variables, or leftovers"},
        {"unreachable", .is = RHI_JSON_COUNT,
         "of the words, those in blocks of malloc that no root reaches: they own nothing"},
        {"roots", .is = RHI_JSON_COUNT, "the counts that these explain: exact, runtime and words"},
        {"unexplained", .is = RHI_JSON_INTEGER | RHI_JSON_NULL,
         "counts without an owner; below 0: more references than counts; null: it is immortal"},
        {"provisional", .is = RHI_JSON_BOOLEAN, "counts are in motion: it may not add up just now"},
        {0}}};

json_t *rhi__ledger_json(const rhi_ledger *ledger)
{
    json_t *json = json_object();
    json_object_set_new(json, "stored",
                        ledger->immortal ? json_null() : json_integer(ledger->stored));
    json_object_set_new(json, "fields", rhi__json_u64(ledger->fields));
    json_object_set_new(json, "guessed", rhi__json_u64(ledger->guessed));
    json_object_set_new(json, "exact", rhi__json_u64(ledger->exact));
    json_object_set_new(json, "runtime", rhi__json_u64(ledger->runtime));
    json_object_set_new(json, "words", rhi__json_u64(ledger->words));
    json_object_set_new(json, "unreachable", rhi__json_u64(ledger->unreached));
    json_object_set_new(json, "roots",
                        rhi__json_u64(ledger->immortal ? ledger->exact : ledger->roots));
    json_object_set_new(json, "unexplained",
                        ledger->immortal ? json_null() : json_integer(ledger->unexplained));
    json_object_set_new(json, "provisional", json_boolean(ledger->provisional));
    return json;
}

/* ", 2 globals, 1 local" of so many words of each class; `separator` goes before the first. */
static void print_classes(rhi_session *session, const uint64_t *classes, const char *separator)
{
    static const struct {
        const char *one, *more;
    } words[RHI_LEDGER_CLASSES] = {
        [RHI_LEDGER_GLOBAL] = {"global", "globals"},
        [RHI_LEDGER_THREAD_LOCAL] = {"thread-local", "thread-locals"},
        [RHI_LEDGER_LOCAL] = {"local", "locals"},
        [RHI_LEDGER_FOREIGN] = {"word in a malloc block", "words in malloc blocks"},
        [RHI_LEDGER_UNDECLARED] = {"undeclared word in an object", "undeclared words in objects"},
        [RHI_LEDGER_REGISTER] = {"register", "registers"},
        [RHI_LEDGER_STACK] = {"unnamed stack word", "unnamed stack words"},
        [RHI_LEDGER_OTHER] = {"other word", "other words"},
        [RHI_LEDGER_UNREACHED] = {"word in a malloc block that nothing reaches",
                                  "words in malloc blocks that nothing reaches"}};
    for (int i = 0; i < RHI_LEDGER_CLASSES; i++) {
        if (classes[i] == 0)
            continue;
        rhi__print(session, "%s%" PRIu64 " %s", separator, classes[i],
                   classes[i] == 1 ? words[i].one : words[i].more);
        separator = ", ";
    }
}

static void print_immortal(rhi_session *session, const rhi_ledger *ledger)
{
    rhi__print(session,
               "ledger: immortal, its count is not kept; %" PRIu64 " field%s and %" PRIu64
               " %s%s refer to it",
               ledger->fields, rhi__plural(ledger->fields), ledger->exact, ledger->root_word,
               rhi__plural(ledger->exact));
    if (ledger->words) {
        rhi__print(session, "; also remembered by %" PRIu64 " word%s", ledger->words,
                   rhi__plural(ledger->words));
        print_classes(session, ledger->classes, ": ");
    }
    rhi__print(session, "\n");
}

/* What does not add up, if anything. */
static void print_rest(rhi_session *session, const rhi_ledger *ledger, const char *separator)
{
    uint64_t off = (uint64_t)(ledger->unexplained < 0 ? -ledger->unexplained : ledger->unexplained);
    if (ledger->unexplained == 0)
        rhi__print(session, "; nothing unexplained");
    else if (ledger->unexplained > 0)
        rhi__print(session, "%s%" PRIu64 " unexplained%s", separator, off,
                   rhi__complete_so_far(session) ? ": no owner was found"
                                                 : " (at most: not everything was searched)");
    else if (off <= ledger->guessed)
        rhi__print(session,
                   "; %" PRIu64 " reference%s more than counts: a word that nothing declares need "
                   "not own one",
                   off, rhi__plural(off));
    else if (off <= ledger->guessed + ledger->doubted)
        rhi__print(session,
                   "; %" PRIu64 " reference%s more than counts: what nothing leads to need not be "
                   "an object",
                   off, rhi__plural(off));
    else if (ledger->stored < (int64_t)(ledger->fields - ledger->guessed - ledger->doubted))
        rhi__print(session, "; over-released: %" PRIu64 " more reference%s than counts",
                   off - ledger->guessed - ledger->doubted,
                   rhi__plural(off - ledger->guessed - ledger->doubted));
    else
        rhi__print(session, "; %" PRIu64 " %s%s more than counts", off, ledger->root_word,
                   rhi__plural(off));
}

static void print_garbage(rhi_session *session, const rhi_ledger *ledger)
{
    const char *garbage = rhi__styled(session, RHI_STYLE_GARBAGE, "garbage");
    if (ledger->stored <= 0)
        rhi__print(session, "%s: nothing counts a reference to it\n", garbage);
    else if (ledger->stored == 1)
        rhi__print(session, "%s: its only count comes from inside\n", garbage);
    else
        rhi__print(session, "%s: all %" PRId64 " counts come from inside\n", garbage,
                   ledger->stored);
}

void rhi__ledger_print(rhi_session *session, const rhi_ledger *ledger)
{
    if (ledger->immortal) {
        print_immortal(session, ledger);
        return;
    }
    const char *separator = ": ";
    rhi__print(session, "ledger: %" PRId64 " count%s", ledger->stored,
               rhi__plural((uint64_t)ledger->stored));
    if (ledger->fields) {
        rhi__print(session, "%s%" PRIu64 " field%s", separator, ledger->fields,
                   rhi__plural(ledger->fields));
        if (ledger->guessed)
            rhi__print(session, " (%" PRIu64 " of them %s nothing declares)", ledger->guessed,
                       ledger->guessed == 1 ? "a word that" : "words that");
        separator = ", ";
    }
    if (ledger->exact) {
        rhi__print(session, "%s%" PRIu64 " %s%s", separator, ledger->exact, ledger->root_word,
                   rhi__plural(ledger->exact));
        separator = ", ";
    }
    if (ledger->runtime) {
        rhi__print(session, "%s1 of the runtime", separator);
        separator = ", ";
    }
    print_classes(session, ledger->owners, separator);
    print_rest(session, ledger, ledger->fields + ledger->roots ? "; " : ": ");
    if (ledger->surplus) {
        rhi__print(session, "; also remembered by %" PRIu64 " word%s", ledger->surplus,
                   rhi__plural(ledger->surplus));
        print_classes(session, ledger->others, ": ");
    }
    if (ledger->provisional)
        rhi__print(session, " (provisional: the heap is %s)", ledger->phase);
    rhi__print(session, "\n");
    if (ledger->is_garbage && !ledger->provisional)
        print_garbage(session, ledger);
    if (ledger->is_garbage && !ledger->provisional && ledger->is_guessed)
        rhi__print(session, "  (if words that nothing declares own what they hold)\n");
}
