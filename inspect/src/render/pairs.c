/* pairs.c - which retains of a traced object were never given back (see pairs.h): sums, which are
 * certain, before what is read from stacks. */
#include "render/pairs.h"
#include "base/text.h"
#include "heap/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"

#include <inttypes.h>
#include <stdio.h>

static void print_untraced(rhi_session *s, rhi_reader *reader, const rhi_object *object,
                           const rhi_pairs *pairs)
{
    const rhi_heap_info *heap = &reader->heaps.items[object->heap];
    char id[RHI_ID_SIZE];
    rhi__object_id(reader, object, id, sizeof id);
    rhi__print(s, "pairs: %s is not traced, so who took its counts is not recorded; ", id);
    if (pairs->trace.can == RHI_TRACE_NEVER)
        rhi__print(s, "objects of %s cannot be traced\n", heap->format->name);
    else if (pairs->trace.can == RHI_TRACE_BY_NEWER)
        rhi__print(s, "the program's runtime is too old for it\n");
    else if (pairs->trace.can == RHI_TRACE_NEEDS_HISTORY)
        rhi__print(s,
                   "heap %" PRIu64 " keeps no history: run the program without history=0 "
                   "(REFHEAP_OPTIONS, or rh_heap_options)\n",
                   heap->number);
    else
        rhi__print(
            s,
            "to trace it: refwatch %s in a live process, rh_trace(object) in the program, or "
            "REFHEAP_OPTIONS=trace=%s in its environment\n",
            id, rhi__type_name(reader, object->type));
}

/* What is certain. */
static void print_sums(rhi_session *s, const rhi_pairs *p)
{
    if (p->is_ended) {
        rhi__print(s, "pairs: it is traced no more: %s%" PRIu64 " retain%s, %" PRIu64 " release%s",
                   p->from_birth ? "its birth, " : "", p->retains, rhi__plural(p->retains),
                   p->releases, rhi__plural(p->releases));
        if (p->has_begin)
            rhi__print(s, ", from a count of %" PRId64 " on", p->began_with);
        rhi__print(s, " recorded until traced event %" PRIu64, p->last);
        if (p->has_begin || p->has_end)
            rhi__print(s, ", when its count was %" PRId64, p->stored);
        rhi__print(s, "; what came after%s is not recorded\n",
                   p->trace.has_ranges ? "" : ", or in a pause before,");
        return;
    }
    if (p->is_ahead) {
        rhi__print(s, "pairs: it is marked, and its record begins with the next change of its "
                      "count: who took those that it has is not recorded\n");
        return;
    }
    rhi__print(s, "pairs: %s%" PRIu64 " retain%s, %" PRIu64 " release%s recorded",
               p->from_birth ? "its birth, " : "", p->retains, rhi__plural(p->retains), p->releases,
               rhi__plural(p->releases));
    if (p->early > 0 && !p->from_birth && rhi__pairs_decided(p))
        rhi__print(s, ", from a count of %" PRId64 " on", p->early);
    rhi__print(s, ": %" PRId64 " count%s%s\n", p->stored, rhi__plural((uint64_t)p->stored),
               p->is_provisional ? " (provisional)" : "");
}

/* Why the record need not be the whole truth. */
static void print_doubts(rhi_session *s, const rhi_pairs *p)
{
    if (p->is_changing && !p->is_provisional)
        rhi__print(s, "  its count is in motion just now: the record may be ahead or behind\n");
    if (p->is_forgotten)
        rhi__print(
            s, "  older events are forgotten: the record begins with traced event %" PRIu64 "\n",
            p->trace.begin);
    if (p->is_cut)
        rhi__print(s, "  it has more events than were looked at\n");
    if (p->is_lost)
        rhi__print(s, "  there was no memory for %" PRIu64 " event%s of traced objects\n",
                   p->trace.lost, rhi__plural(p->trace.lost));
    if (p->earlier)
        rhi__print(s,
                   "  before that %" PRIu64 " change%s recorded, and then it was not traced for a "
                   "while: objat --history lists %s\n",
                   p->earlier, p->earlier == 1 ? " was" : "s were",
                   p->earlier == 1 ? "it" : "them");
    if (p->has_gap)
        rhi__print(s,
                   "  meanwhile it was not traced: what happened then is not recorded, and pairs "
                   "are undecided\n");
    if (p->is_untold)
        rhi__print(s, "  its mark was undone by a change that was under way: changes are not "
                      "recorded just now, and pairs are undecided\n");
    if (p->is_unread)
        rhi__print(s, "  a part of the record could not be read: pairs are undecided\n");
    if (p->is_provisional && !p->is_ended)
        rhi__print(s,
                   "  the heap is %s: its count and its record are on their way, and pairs are "
                   "provisional\n",
                   p->phase);
    if (!p->is_ended && !rhi__pairs_fit(p) && !p->is_changing && !p->is_provisional &&
        !p->is_unread && !p->has_gap && !p->is_untold && !p->is_ahead)
        rhi__print(s, "  the record does not explain its count: changes were not recorded, and "
                      "pairs are undecided\n");
    if (p->has_many)
        rhi__print(s, "  it has too many different stacks to pair them\n");
}

static const char *be(uint64_t count, bool is_ended)
{
    return is_ended ? count == 1 ? "was" : "were" : count == 1 ? "is" : "are";
}

static void print_group(rhi_session *s, const rhi_reader *reader, const rhi_pair_group *g,
                        bool is_ended)
{
    char range[64];
    if (g->at_least == g->at_most)
        snprintf(range, sizeof range, "%" PRIu64, g->open);
    else
        snprintf(range, sizeof range, "%" PRIu64 " to %" PRIu64, g->at_least, g->at_most);
    rhi__print(s, "  %s of %" PRIu64 " taken here %s open%s%s:\n", range, g->taken,
               be(g->at_most, is_ended), is_ended ? " then" : "",
               !g->has_birth   ? ""
               : g->taken == 1 ? " (its birth)"
                               : " (its birth is one of these)");
    if (g->event->depth)
        rhi__stack_print(s, reader, g->event, "    ");
    else
        rhi__print(s, "    no stack was recorded\n");
}

/* Open counts, and who owns the object today: a count that a holder owns is no leak. */
static void print_verdict(rhi_session *s, const rhi_pairs *p, const rhi_ledger *ledger)
{
    if (!ledger || ledger->immortal || ledger->provisional || p->stored <= 0)
        return;
    uint64_t counts = (uint64_t)p->stored, left = ledger->unexplained <= 0 ? 0
                                                  : (uint64_t)ledger->unexplained < counts
                                                      ? (uint64_t)ledger->unexplained
                                                      : counts;
    const char *most = rhi__complete_so_far(s) ? "" : " (at most: not everything was searched)";
    if (left == 0)
        rhi__print(s, "  who holds it today explains as many counts as it has\n");
    else if (left == counts)
        rhi__print(s, "  %s owner today was found%s\n",
                   counts == 1 ? "of this count no" : "of these counts no", most);
    else
        rhi__print(s,
                   "  %" PRIu64 " of these %" PRIu64 " counts %s no owner today that was found%s; "
                   "the others are those of who holds it\n",
                   left, counts, left == 1 ? "has" : "have", most);
}

void rhi__pairs_print(rhi_session *s, rhi_reader *reader, const rhi_object *object,
                      const rhi_pairs *p, const rhi_ledger *ledger, uint64_t limit)
{
    if (!p->is_traced && !p->is_ended) {
        print_untraced(s, reader, object, p);
        return;
    }
    print_sums(s, p);
    print_doubts(s, p);
    for (uint64_t i = 0; i < p->groups.count && i < limit; i++)
        print_group(s, reader, &p->groups.items[i], p->is_ended);
    if (p->groups.count > limit)
        rhi__print_more(s, "  ", p->groups.count - limit, NULL);
    if (p->early_open)
        rhi__print(s, "  %" PRIu64 " %s older than the record%s\n", p->early_open,
                   be(p->early_open, p->is_ended),
                   p->releases ? ", if no release here gave one back" : "");
    if (!p->is_ended && !p->is_ahead)
        print_verdict(s, p, ledger);
}

static json_t *group_json(rhi_session *s, const rhi_reader *reader, const rhi_pair_group *g)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:o}", "open", rhi__json_u64(g->open), "at_least",
                     rhi__json_u64(g->at_least), "at_most", rhi__json_u64(g->at_most), "taken",
                     rhi__json_u64(g->taken), "has_birth", g->has_birth, "stack",
                     rhi__stack_json(s, reader, g->event));
}

static const rhi_json_type group_type = {
    .name = "retains",
    .doc = "Retains of an object that have the same stack.",
    .members = (const rhi_json_member[]){
        {"open", .is = RHI_JSON_COUNT, "how many were not given back"},
        {"at_least", .is = RHI_JSON_COUNT,
         "how many at least, whichever of several retains a release gave back"},
        {"at_most", .is = RHI_JSON_COUNT, "how many at most"},
        {"taken", .is = RHI_JSON_COUNT, "how many there were in all"},
        {"has_birth", .is = RHI_JSON_BOOLEAN, "one of them is the object's birth"},
        {"stack", .is = RHI_JSON_LIST, "the calls, innermost first", .of = {&rhi__call_type}},
        {0}}};

const rhi_json_type rhi__pairs_type = {
    .name = "pairs",
    .doc = "Which retains of a traced object were never given back.",
    .members = (const rhi_json_member[]){
        {"traced", .is = RHI_JSON_BOOLEAN, "the object's retains and releases are recorded"},
        {"reason", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "why they are not; null: they are",
         .words = "format|old runtime|history off|not traced"},
        {"recorded_until", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "the last traced event of an object that is traced no more"},
        {"from_birth", .is = RHI_JSON_BOOLEAN, "the record begins with the object's birth"},
        {"retains", .is = RHI_JSON_COUNT, "retains that are recorded"},
        {"releases", .is = RHI_JSON_COUNT, "releases that are recorded"},
        {"counts", .is = RHI_JSON_INTEGER | RHI_JSON_NULL, "the object's own count"},
        {"early", .is = RHI_JSON_INTEGER | RHI_JSON_NULL, "counts from before the record"},
        {"early_open", .is = RHI_JSON_COUNT, "of these, those that were not given back"},
        {"changing", .is = RHI_JSON_BOOLEAN, "its count is being changed just now"},
        {"gap", .is = RHI_JSON_BOOLEAN,
         "meanwhile it was not traced, and an older runtime does not say when"},
        {"not_begun", .is = RHI_JSON_BOOLEAN,
         "its record begins with the next change of its count"},
        {"earlier_changes", .is = RHI_JSON_COUNT, "changes that were recorded before a pause"},
        {"provisional", .is = RHI_JSON_BOOLEAN,
         "its heap was stopped where counts are in motion: inside a collection, say"},
        {"decided", .is = RHI_JSON_BOOLEAN, "all changes of its count are in the record"},
        {"groups", .is = RHI_JSON_ROWS,
         "retains that are open, or were when the record ended, by stack; the most first",
         .of = {&group_type}},
        {0}}};

json_t *rhi__pairs_json(rhi_session *s, const rhi_reader *reader, const rhi_pairs *p,
                        uint64_t limit)
{
    static const char *const reasons[] = {"format", "old runtime", "history off", "not traced"};
    json_t *json = json_object(), *groups = json_array();
    json_object_set_new(json, "traced", json_boolean(p->is_traced));
    json_object_set_new(json, "reason",
                        p->is_traced ? json_null() : json_string(reasons[p->trace.can]));
    json_object_set_new(json, "recorded_until", p->is_ended ? rhi__json_u64(p->last) : json_null());
    json_object_set_new(json, "from_birth", json_boolean(p->from_birth));
    json_object_set_new(json, "retains", rhi__json_u64(p->retains));
    json_object_set_new(json, "releases", rhi__json_u64(p->releases));
    json_object_set_new(json, "counts", p->is_traced ? json_integer(p->stored) : json_null());
    json_object_set_new(json, "early", p->is_traced ? json_integer(p->early) : json_null());
    json_object_set_new(json, "early_open", rhi__json_u64(p->early_open));
    json_object_set_new(json, "changing", json_boolean(p->is_changing));
    json_object_set_new(json, "gap", json_boolean(p->has_gap));
    json_object_set_new(json, "not_begun", json_boolean(p->is_ahead));
    json_object_set_new(json, "earlier_changes", rhi__json_u64(p->earlier));
    json_object_set_new(json, "provisional", json_boolean(p->is_traced && p->is_provisional));
    json_object_set_new(json, "decided", json_boolean(rhi__pairs_decided(p)));
    for (uint64_t i = 0; i < p->groups.count && i < limit; i++)
        json_array_append_new(groups, group_json(s, reader, &p->groups.items[i]));
    json_object_set_new(json, "groups", groups);
    if (p->groups.count > limit)
        json_object_set_new(json, "groups_total", rhi__json_u64(p->groups.count));
    return json;
}
