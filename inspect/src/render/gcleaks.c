/* gcleaks.c - what is leaked, for people and in JSON (see gcleaks.h). In text, groups that are
 * alike are one block with their number and the largest of them; JSON has both. */
#include "render/gcleaks.h"
#include "base/text.h"
#include "heap/objects.h"
#include "questions/selection.h"
#include "render/holders.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"
#include "render/value.h"

#include <inttypes.h>

typedef struct rhi_gcleaks answer;

enum { MEMBERS_SHOWN = 5 };

/* ---- text ----------------------------------------------------------------------------------- */

/* Where the representative of groups that are alike was made: "mistakes.c:30 in log_in()", or "".
 */
static void born_text(const answer *a, const rhi_leak_total *t, char text[RHI_SITE_SIZE])
{
    rhi_object object;
    rhi_site site;
    text[0] = '\0';
    if (rhi__object_at_index(a->session, a->reader, t->sample, &object) &&
        rhi__site(a->reader, &object, &site))
        rhi__site_text(&site, text);
}

/* By cause, type and line; false: no line is known of those that are shown. */
static bool print_by_site(const answer *a)
{
    rhi_session *s = a->session;
    char born[RHI_SITE_SIZE] = "";
    for (uint64_t i = 0; i < a->alike.count && i < a->limit && !born[0]; i++)
        born_text(a, &a->alike.items[i], born);
    if (!born[0])
        return false;
    rhi__print(s, "\n  %-15s %-20s %10s %12s %12s  %-20s %s\n", "cause", "type", "objects", "bytes",
               "retained", "largest", "born");
    for (uint64_t i = 0; i < a->alike.count && i < a->limit; i++) {
        char id[RHI_ID_SIZE];
        const rhi_leak_total *t = &a->alike.items[i];
        rhi__index_id(a->session, a->reader, t->sample, id, sizeof id);
        born_text(a, t, born);
        rhi__print(s, "  %-15s %-20s %10" PRIu64 " %12" PRIu64 " %12" PRIu64 "  %-20s %s\n",
                   rhi__cause_word(t->cause), rhi__type_name(a->reader, t->type), t->objects,
                   t->bytes, t->retained, id, born[0] ? born : "?");
    }
    if (a->alike.count > a->limit)
        rhi__print_more(s, "  ", a->alike.count - a->limit, NULL);
    return true;
}

static void print_by_type(const answer *a)
{
    rhi_session *s = a->session;
    rhi__print(s, "\n  %-15s %-24s %8s %10s %12s  %s\n", "cause", "type", "groups", "objects",
               "bytes", "largest");
    for (uint64_t i = 0; i < a->by_type.count && i < a->limit; i++) {
        char id[RHI_ID_SIZE];
        const rhi_leak_total *t = &a->by_type.items[i];
        rhi__index_id(a->session, a->reader, t->sample, id, sizeof id);
        rhi__print(s, "  %-15s %-24s %8" PRIu64 " %10" PRIu64 " %12" PRIu64 "  %s\n",
                   rhi__cause_word(t->cause), rhi__type_name(a->reader, t->type), t->groups,
                   t->objects, t->bytes, id);
    }
    if (a->by_type.count > a->limit)
        rhi__print_more(s, "  ", a->by_type.count - a->limit, NULL);
}

static void print_table(const answer *a)
{
    if (!print_by_site(a))
        print_by_type(a);
}

/* "    12000 Session, 3 dict, …": of several, most frequent first. */
static void print_lost_by_type(const answer *a)
{
    enum { TYPES_SHOWN = 8 };
    const rhi_leak_totals *lost = &a->lost_by_type;
    if (a->by_cause[RHI_CAUSE_LOST].groups < 2)
        return;
    for (uint64_t i = 0; i < lost->count && i < TYPES_SHOWN; i++)
        rhi__print(a->session, "%s%" PRIu64 " %s",
                   i ? ", " : "    lost references: ", lost->items[i].objects,
                   rhi__type_name(a->reader, lost->items[i].type));
    if (lost->count > TYPES_SHOWN)
        rhi__print(a->session, ", … %" PRIu64 " more type%s", lost->count - TYPES_SHOWN,
                   rhi__plural(lost->count - TYPES_SHOWN));
    rhi__print(a->session, "\n");
}

/* How much of the garbage the program's own collector would find, as far as that is certain. */
static void print_collectable(const answer *a)
{
    const rhi_collectable *c = &a->leaks->collectable;
    rhi_session *s = a->session;
    rhi__print(s, "    %s would find ", a->collect_word);
    if (c->is_open)
        rhi__print(s, "at least %" PRIu64, c->least);
    else if (c->least == c->most)
        rhi__print(s, "%" PRIu64, c->most);
    else if (c->least == 0)
        rhi__print(s, "at most %" PRIu64, c->most);
    else
        rhi__print(s, "%" PRIu64 " to %" PRIu64, c->least, c->most);
    rhi__print(s, " of them");
    if (a->collectors > 1)
        rhi__print(s, ", each of %" PRIu64 " collectors its own", a->collectors);
    if (c->weak)
        rhi__print(s, ", and count at most %" PRIu64 " weak reference%s besides", c->weak,
                   rhi__plural(c->weak));
    if (c->opaque != UINT32_MAX)
        rhi__print(s, "; what types such as %s tell it is not known",
                   rhi__type_name(a->reader, c->opaque));
    rhi__print(s, "\n");
}

static void print_totals(const answer *a)
{
    rhi_session *s = a->session;
    const rhi_leak_total *cycle = &a->by_cause[RHI_CAUSE_CYCLE],
                         *lost = &a->by_cause[RHI_CAUSE_LOST];
    const rhi_leak_total *rest = &a->by_cause[RHI_CAUSE_DEPENDENT],
                         *block = &a->by_cause[RHI_CAUSE_LOST_BLOCK];
    if (a->all.objects == 0) {
        rhi__print(s, rhi__complete_so_far(s) ? "no leak was found\n"
                                              : "no leak was found in what could be read\n");
        return;
    }
    rhi__print(s, "%" PRIu64 " object%s, %" PRIu64 " bytes, leaked:\n", a->all.objects,
               rhi__plural(a->all.objects), a->all.bytes);
    if (cycle->groups)
        rhi__print(s,
                   "  %" PRIu64 " in %" PRIu64
                   " group%s of garbage: cycles that nothing outside holds, with all they reach\n",
                   cycle->objects, cycle->groups, rhi__plural(cycle->groups));
    if (cycle->groups && a->collect_word)
        print_collectable(a);
    if (lost->groups)
        rhi__print(
            s, "  %" PRIu64 " with a lost reference: a count that no field, root or word owns\n",
            lost->objects);
    print_lost_by_type(a);
    if (block->groups)
        rhi__print(s,
                   "  %" PRIu64 " lost with %" PRIu64
                   " malloc block%s that nothing reaches: only words in them own a count\n",
                   block->objects, block->groups, rhi__plural(block->groups));
    if (rest->groups)
        rhi__print(s, "  %" PRIu64 " that only those hold (dependent)\n", rest->objects);
}

const char *rhi__in_use_text(const answer *a, uint32_t index)
{
    return !(a->leaks->causes[index] & RHI_LEAK_IN_USE) ? NULL
           : rhi__found(a->graph, index)
               ? "it is in use all the same: a field holds it, too"
               : "it is in use all the same: a root or word holds it, too";
}

/* Of counts that no field owns: who does. */
static void print_ext(const answer *a, uint32_t index, int64_t ext)
{
    uint32_t lacking = a->owners->lacking[index],
             with_blocks = rhi__counts_with_blocks(a->owners, index);
    int64_t others = ext - (int64_t)lacking - (int64_t)with_blocks;
    const char *separator = "";
    if (others > 0) {
        rhi__print(a->session, "%" PRId64 " owned by roots or words", others);
        separator = ", ";
    }
    if (with_blocks) {
        rhi__print(a->session, "%s%" PRIu32 " owned by words in malloc blocks that nothing reaches",
                   separator, with_blocks);
        separator = ", ";
    }
    if (lacking)
        rhi__print(a->session, "%s%" PRIu32 " owned by nobody that was found", separator, lacking);
    const char *in_use = rhi__in_use_text(a, index);
    if (in_use)
        rhi__print(a->session, " (%s)", in_use);
}

/* What the representative's count is made of. */
static void print_count(const answer *a, const rhi_leak *leak)
{
    uint32_t index = a->leaks->members[leak->first], found = rhi__found(a->graph, index);
    int64_t ext = rhi__ext(a->graph, index);
    rhi__print(a->session, "  %" PRIu32 " count%s: ", a->graph->stored[index],
               rhi__plural(a->graph->stored[index]));
    if (found)
        rhi__print(a->session, "%" PRIu32 " field%s%s", found, rhi__plural(found),
                   ext > 0 ? ", " : "");
    if (ext > 0)
        print_ext(a, index, ext);
    else if (ext < 0)
        rhi__print(a->session, ", %" PRId64 " more reference%s than counts", -ext,
                   rhi__plural((uint64_t)-ext));
    else
        rhi__print(a->session, "%s",
                   !found                           ? "none"
                   : leak->cause == RHI_CAUSE_CYCLE ? ", all from inside the garbage"
                                                    : ", all from leaked objects");
    rhi__print(a->session, "\n");
}

/* Does the ledger tell who took its counts, or how to have that recorded? Of what nothing holds,
 * and of which nothing is recorded, its own fields tell more. */
static bool ledger_tells(const answer *a, uint32_t index)
{
    rhi_object object;
    rhi_trace trace;
    if (!rhi__object_at_index(a->session, a->reader, index, &object))
        return false;
    rhi__trace(a->reader, object.heap, &trace);
    return object.traced || (trace.can != RHI_TRACE_NEVER && rhi__found(a->graph, index) > 0);
}

/* What to ask next: who took the counts of what is lost, or what it is, or where it was made. */
static void print_next(const answer *a, const rhi_leak *leak, const char *id, bool has_birth)
{
    uint64_t start, end;
    char heap[RHI_HEAP_OPTION_SIZE];
    rhi__heap_option(a->reader, leak->heap, heap);
    if (leak->block != RHI_NO_BLOCK) {
        rhi__malloc_range(rhi__malloc_graph_known(a->session), leak->block, &start, &end);
        rhi__print(a->session, "  next: objat 0x%" PRIx64 "\n", start);
    } else if (rhi__leak_is_lost(leak) && ledger_tells(a, a->leaks->members[leak->first])) {
        rhi__print(a->session, "  next: refs --ledger %s%s\n", heap, id);
    } else if (rhi__leak_is_lost(leak) &&
               rhi__found(a->graph, a->leaks->members[leak->first]) == 0) {
        rhi__print(a->session, "  next: objat %s%s%s\n", heap, has_birth ? "--history " : "", id);
    } else {
        rhi__print(a->session, "  next: refs %s%s\n", heap, id);
    }
}

void rhi__leak_line(const answer *a, const rhi_leak *leak, char line[RHI_LEAK_LINE_SIZE])
{
    enum { PART_SIZE = RHI_ID_SIZE + 96 };
    uint64_t start, end;
    char id[RHI_ID_SIZE], holder[PART_SIZE] = "", block[PART_SIZE] = "";
    if (leak->cause == RHI_CAUSE_DEPENDENT) {
        rhi__index_id(a->session, a->reader, leak->of, id, sizeof id);
        rhi__text(holder, sizeof holder, ", held by the %s %s",
                  rhi__cause(a->leaks, leak->of) == RHI_CAUSE_CYCLE ? "leaked" : "lost", id);
    }
    if (leak->block != RHI_NO_BLOCK) {
        rhi__malloc_range(rhi__malloc_graph_known(a->session), leak->block, &start, &end);
        rhi__text(block, sizeof block,
                  ", lost with the malloc block 0x%" PRIx64 " of %" PRIu64 " bytes", start,
                  end - start);
    }
    rhi__index_id(a->session, a->reader, a->leaks->members[leak->first], id, sizeof id);
    rhi__text(line, RHI_LEAK_LINE_SIZE,
              "%s at 0x%" PRIx64 ": %" PRIu32 " object%s, %" PRIu64 " bytes, %" PRIu64
              " retained%s%s",
              id, rhi__object_address(a->reader, a->leaks->members[leak->first]), leak->count,
              rhi__plural(leak->count), leak->bytes, leak->retained, holder, block);
}

/* The first objects of the group behind its representative. */
static void print_members(const answer *a, const rhi_leak *leak)
{
    char id[RHI_ID_SIZE];
    for (uint32_t i = 1; i < leak->count && i <= MEMBERS_SHOWN; i++) {
        rhi__index_id(a->session, a->reader, a->leaks->members[leak->first + i], id, sizeof id);
        rhi__print(a->session, "%s%s", i == 1 ? "  with " : ", ", id);
    }
    if (leak->count > 1)
        rhi__print(a->session, leak->count - 1 > MEMBERS_SHOWN ? ", … %" PRIu32 " more\n" : "\n",
                   leak->count - 1 - MEMBERS_SHOWN);
}

/* The largest of groups that are alike, and how many they are. */
static void print_group(const answer *a, uint64_t shown)
{
    rhi_session *s = a->session;
    const rhi_leak_total *alike = &a->alike.items[shown];
    const rhi_leak *leak = &a->leaks->groups[alike->leak];
    const rhi_event *birth = rhi__birth(&a->largest, shown);
    rhi_object object = {.state = RHI_UNUSED};
    char id[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "", line[RHI_LEAK_LINE_SIZE];
    rhi__index_id(s, a->reader, alike->sample, id, sizeof id);
    if (rhi__object_at_index(s, a->reader, alike->sample, &object))
        rhi__value(a->reader, &object, value);
    if (alike->groups > 1)
        rhi__print(
            s, "\n%" PRIu64 " × %s %s, %" PRIu64 " object%s, %" PRIu64 " bytes\n  the largest: ",
            alike->groups, rhi__cause_word(leak->cause), rhi__type_name(a->reader, alike->type),
            alike->objects, rhi__plural(alike->objects), alike->bytes);
    else
        rhi__print(s, "\n%s ", rhi__cause_word(leak->cause));
    rhi__leak_line(a, leak, line);
    rhi__print(s, "%s\n", line);
    if (value[0])
        rhi__print(s, "  holds%s\n", value);
    print_count(a, leak);
    if (leak->is_guessed)
        rhi__print(s, "  garbage only if words that nothing declares own what they hold: other "
                      "words lead to it, too\n");
    print_members(a, leak);
    rhi__print_born(s, a->reader, &object);
    if (birth) {
        rhi__print(s, "  allocated by thread %" PRIu32 " (event %" PRIu64 ")%s\n", birth->thread,
                   birth->sequence, birth->depth ? " at:" : "");
        rhi__stack_print(s, a->reader, birth, "    ");
    }
    print_next(a, leak, id, birth != NULL);
}

/* Why it is neither lost for certain, nor in use for certain. */
static void print_doubt(const answer *a, const rhi_possible *p)
{
    if (p->in == RHI_IN_NOTHING)
        rhi__print(a->session, ": nothing leads to it, and its count and type are all there is of "
                               "it: it may be no object, but memory that looks like one\n");
    else if (p->in == RHI_IN_WORDS)
        rhi__print(a->session,
                   ": no field or root leads to it, and fewer words than it has counts: "
                   "it may be no object, but memory of C that looks like one\n");
    else
        rhi__print(a->session,
                   ": only a word in %s of thread %" PRIu64
                   " leads to it, which may be a leftover\n",
                   a->reader->memory->map.registers.items[p->in].name,
                   rhi__register_lwp(a->reader->memory, p->in));
}

static void print_possible(const answer *a)
{
    for (uint64_t i = 0; i < a->owners->possible.count && i < a->limit; i++) {
        const rhi_possible *p = &a->owners->possible.items[i];
        char id[RHI_ID_SIZE];
        uint64_t start, end;
        rhi__print(a->session, i ? "" : "\n");
        if (p->object != RHI_NO_OBJECT) {
            rhi__index_id(a->session, a->reader, p->object, id, sizeof id);
            rhi__print(a->session, "possible: %s at 0x%" PRIx64, id,
                       rhi__object_address(a->reader, p->object));
        } else {
            rhi__malloc_range(rhi__malloc_graph_known(a->session), p->block, &start, &end);
            rhi__print(a->session,
                       "possible: the malloc block 0x%" PRIx64 " of %" PRIu64
                       " bytes and what it owns",
                       start, end - start);
        }
        print_doubt(a, p);
    }
    if (a->owners->possible.count > a->limit)
        rhi__print_more(a->session, "", a->owners->possible.count - a->limit, NULL);
}

static void print_undecided(const answer *a)
{
    if (!a->leaks->is_decided)
        rhi__print(a->session,
                   "\n%" PRIu64 " object%s a count whose owner was not found; not everything could "
                   "be searched, so nothing is called lost\n",
                   a->leaks->undecided, a->leaks->undecided == 1 ? " has" : "s have");
}

void rhi__gcleaks_print(const rhi_gcleaks *a)
{
    print_totals(a);
    if (a->all.objects)
        print_table(a);
    for (uint64_t i = 0; i < a->largest.count; i++)
        print_group(a, i);
    if (a->alike.count > a->largest.count) {
        rhi__print(a->session, "\n");
        rhi__print_more(a->session, "", a->alike.count - a->largest.count, "kind");
    }
    if (a->unrecorded) {
        rhi__print(a->session, "\n");
        rhi__print_not_recorded(a->session, a->unrecorded, "the lost were allocated");
    }
    print_possible(a);
    print_undecided(a);
    if (a->sarif)
        rhi__print(a->session, "\n%s: written in SARIF\n", a->sarif);
    rhi__print_provisional(a->session);
    rhi__print_incomplete(a->session);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add_birth(const answer *a, json_t *json, const rhi_event *birth)
{
    if (birth)
        json_object_set_new(json, "allocated",
                            json_pack("{s:o, s:o, s:o}", "event", rhi__json_u64(birth->sequence),
                                      "thread", rhi__json_u64(birth->thread), "stack",
                                      rhi__stack_json(a->session, a->reader, birth)));
}

json_t *rhi__leak_json(const answer *a, uint64_t shown)
{
    const rhi_leak *leak = &a->leaks->groups[a->each.items[shown]];
    const uint32_t *members = &a->leaks->members[leak->first];
    json_t *objects = json_array();
    rhi_object object;
    char id[RHI_ID_SIZE];
    for (uint32_t i = 0; i < leak->count && i < a->limit; i++) {
        rhi__index_id(a->session, a->reader, members[i], id, sizeof id);
        json_array_append_new(objects, json_string(id));
    }
    rhi__index_id(a->session, a->reader, members[0], id, sizeof id);
    json_t *json = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "cause", rhi__cause_word(leak->cause), "objects",
        objects, "bytes", rhi__json_u64(leak->bytes), "count", rhi__json_u64(leak->count),
        "retained", rhi__json_u64(leak->retained), "representative", id, "representative_address",
        rhi__json_address(rhi__object_address(a->reader, members[0])));
    if (leak->count > a->limit)
        json_object_set_new(json, "objects_total", rhi__json_u64(leak->count));
    if (leak->cause == RHI_CAUSE_DEPENDENT) {
        rhi__index_id(a->session, a->reader, leak->of, id, sizeof id);
        json_object_set_new(json, "of", json_string(id));
    }
    if (leak->block != RHI_NO_BLOCK)
        json_object_set_new(json, "block", rhi__block_json(a->session, leak->block));
    json_object_set_new(json, "counts_lost", rhi__json_u64(leak->lost));
    if (rhi__in_use_text(a, members[0]))
        json_object_set_new(json, "in_use", json_true());
    if (leak->is_guessed)
        json_object_set_new(json, "guessed", json_true());
    if (rhi__object_at_index(a->session, a->reader, members[0], &object)) {
        json_object_set_new(json, "value", rhi__value_json(a->reader, &object));
        json_object_set_new(json, "site", rhi__site_json(a->reader, &object));
    }
    add_birth(a, json, rhi__birth(&a->each, shown));
    return json;
}

json_t *rhi__alike_json(const answer *a, uint64_t place)
{
    const rhi_leak_total *alike = &a->alike.items[place];
    rhi_object object;
    char id[RHI_ID_SIZE];
    rhi__index_id(a->session, a->reader, alike->sample, id, sizeof id);
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:s, s:o}", "cause", rhi__cause_word(alike->cause), "type",
        rhi__type_name(a->reader, alike->type), "count", rhi__json_u64(alike->groups), "objects",
        rhi__json_u64(alike->objects), "bytes", rhi__json_u64(alike->bytes), "largest", id,
        "largest_address", rhi__json_address(rhi__object_address(a->reader, alike->sample)));
    json_object_set_new(json, "retained", rhi__json_u64(alike->retained));
    json_object_set_new(json, "counts_lost", rhi__json_u64(alike->lost));
    if (alike->in_use)
        json_object_set_new(json, "in_use", json_true());
    if (rhi__object_at_index(a->session, a->reader, alike->sample, &object)) {
        json_object_set_new(json, "value", rhi__value_json(a->reader, &object));
        json_object_set_new(json, "site", rhi__site_json(a->reader, &object));
    }
    add_birth(a, json, rhi__birth(&a->largest, place));
    return json;
}

static json_t *total_json(const answer *a, const rhi_leak_total *t)
{
    char id[RHI_ID_SIZE];
    rhi__index_id(a->session, a->reader, t->sample, id, sizeof id);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:s}", "cause", rhi__cause_word(t->cause),
                     "type", rhi__type_name(a->reader, t->type), "groups", rhi__json_u64(t->groups),
                     "objects", rhi__json_u64(t->objects), "bytes", rhi__json_u64(t->bytes),
                     "counts_lost", rhi__json_u64(t->lost), "sample", id);
}

static json_t *possible_json(const answer *a, const rhi_possible *p)
{
    json_t *json = json_pack("{s:n, s:n, s:n, s:n}", "object", "block", "register", "thread");
    if (rhi__is_in_register(p->in)) {
        json_object_set_new(json, "register",
                            json_string(a->reader->memory->map.registers.items[p->in].name));
        json_object_set_new(json, "thread",
                            rhi__json_u64(rhi__register_lwp(a->reader->memory, p->in)));
    }
    char id[RHI_ID_SIZE];
    if (p->object != RHI_NO_OBJECT) {
        rhi__index_id(a->session, a->reader, p->object, id, sizeof id);
        json_object_set_new(json, "object", json_string(id));
        json_object_set_new(json, "address",
                            rhi__json_address(rhi__object_address(a->reader, p->object)));
    } else {
        json_object_set_new(json, "block", rhi__block_json(a->session, p->block));
    }
    return json;
}

static const rhi_json_type birth_type = {
    .name = "birth",
    .doc = "The event in which an object was made.",
    .members = (const rhi_json_member[]){
        {"event", .is = RHI_JSON_COUNT, "its number"},
        {"thread", .is = RHI_JSON_COUNT, "the system's number of the thread"},
        {"stack", .is = RHI_JSON_LIST, "the calls, innermost first", .of = {&rhi__call_type}},
        {0}}};

/* Of an object that stands for several. */
static const rhi_json_type shown_type = {
    .members = (const rhi_json_member[]){
        {"retained", .is = RHI_JSON_COUNT, "bytes that nothing outside of the group reaches"},
        {"counts_lost", .is = RHI_JSON_COUNT, "counts that have no owner"},
        {"in_use", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: a count got lost, and something holds it all the same"},
        {"value", .is = RHI_JSON_TEXT | RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "what the object that is shown holds, short"},
        {"site", .is = RHI_JSON_NULL | RHI_JSON_OPTIONAL, "the line that made it; null: not known",
         .of = {&rhi__site_type}},
        {"allocated", .is = RHI_JSON_OPTIONAL, "where it was made, if that is recorded",
         .of = {&birth_type}},
        {0}}};

static const rhi_json_type leak_type = {
    .name = "leak",
    .doc = "A group of leaked objects.",
    .base = {&shown_type},
    .members = (const rhi_json_member[]){
        {"cause", .is = RHI_JSON_TEXT, "why they are leaked", .words = RHI_CAUSE_WORDS},
        {"objects", .is = RHI_JSON_TEXT | RHI_JSON_ROWS, "their names"},
        {"bytes", .is = RHI_JSON_COUNT, "that they take"},
        {"count", .is = RHI_JSON_COUNT, "how many objects these are"},
        {"representative", .is = RHI_JSON_TEXT, "the name of the object that is shown"},
        {"representative_address", .is = RHI_JSON_ADDRESS, "where that begins"},
        {"of", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
         "of dependents: the representative of the group that holds them"},
        {"block", .is = RHI_JSON_OPTIONAL, "of malloc, with which they were lost",
         .of = {&rhi__block_type}},
        {"guessed", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: the verdict rests on conservative fields"},
        {0}}};

static const rhi_json_type alike_type = {
    .name = "alike",
    .doc = "Groups that are equal in cause, type, line and recorded stack.",
    .base = {&shown_type},
    .members = (const rhi_json_member[]){
        {"cause", .is = RHI_JSON_TEXT, "why they are leaked", .words = RHI_CAUSE_WORDS},
        {"type", .is = RHI_JSON_TEXT, "of the representatives"},
        {"count", .is = RHI_JSON_COUNT, "how many groups these are"},
        {"objects", .is = RHI_JSON_COUNT, "how many objects are in them"},
        {"bytes", .is = RHI_JSON_COUNT, "that these take"},
        {"largest", .is = RHI_JSON_TEXT, "the representative of the largest group"},
        {"largest_address", .is = RHI_JSON_ADDRESS, "where that begins"},
        {0}}};

static const rhi_json_type total_type = {
    .name = "leak_total",
    .doc = "Groups of one cause and type.",
    .members = (const rhi_json_member[]){
        {"cause", .is = RHI_JSON_TEXT, "why they are leaked", .words = RHI_CAUSE_WORDS},
        {"type", .is = RHI_JSON_TEXT, "of the representatives"},
        {"groups", .is = RHI_JSON_COUNT, "how many groups"},
        {"objects", .is = RHI_JSON_COUNT, "how many objects are in them"},
        {"bytes", .is = RHI_JSON_COUNT, "that these take"},
        {"counts_lost", .is = RHI_JSON_COUNT, "counts that have no owner"},
        {"sample", .is = RHI_JSON_TEXT, "the representative of the largest group"},
        {0}}};

static const rhi_json_type possible_type = {
    .name = "possible_leak",
    .doc = "What may be lost: all that leads to it is a register, or nothing; or words of C alone.",
    .members = (const rhi_json_member[]){
        {"object", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "its name; null: it is a block"},
        {"address", .is = RHI_JSON_ADDRESS | RHI_JSON_OPTIONAL, "where the object begins"},
        {"block", .is = RHI_JSON_NULL, "of malloc, with what it owns; null: it is an object",
         .of = {&rhi__block_type}},
        {"register", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "that leads to it, as xmm17[0]; null: nothing does, or words alone: it may be no object"},
        {"thread", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "the system's number of the register's thread"},
        {0}}};

const rhi_json_type rhi__gcleaks_type = {
    .name = "gcleaks",
    .doc = "What is leaked.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"leaks", .is = RHI_JSON_ROWS, "each group, the largest first", .of = {&leak_type}},
        {"groups", .is = RHI_JSON_ROWS, "the groups that are alike, together", .of = {&alike_type}},
        {"objects", .is = RHI_JSON_COUNT, "how many objects are leaked in all"},
        {"bytes", .is = RHI_JSON_COUNT, "that these take"},
        {"by_type", .is = RHI_JSON_ROWS, "the groups by cause and type", .of = {&total_type}},
        {"lost_by_type", .is = RHI_JSON_ROWS, "of these the lost references, most frequent first",
         .of = {&total_type}},
        {"collectable", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "objects of the garbage that the program's own collector would find; null: that is not "
         "told apart, or not certain"},
        {"collectable_least", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "it would find at least so many for certain; null: that is not told apart"},
        {"collectable_most", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "it would find at most so many; null: it may find more, what objects hold of types whose "
         "memory is not known, or that could not be read; or it is not told apart"},
        {"collectable_weak", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "weak references that call back as garbage goes: the collector may count so many besides; "
         "null: that is not told apart"},
        {"possible", .is = RHI_JSON_ROWS, "what may be lost", .of = {&possible_type}},
        {"undecided", .is = RHI_JSON_COUNT,
         "objects with a count whose owner was not found, where not everything could be searched"},
        {"sarif", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
         "with --sarif: the file that was written"},
        {"provisional", .is = RHI_JSON_BOOLEAN,
         "counts are in motion: what is called leaked may not be"},
        {0}}};

static void collectable_json(const rhi_gcleaks *a)
{
    const rhi_collectable *c = &a->leaks->collectable;
    rhi_session *s = a->session;
    bool is_told = a->collect_word != NULL, is_exact = !c->is_open && c->least == c->most;
    rhi__json_key(s, "collectable", is_told && is_exact ? rhi__json_u64(c->most) : json_null());
    rhi__json_key(s, "collectable_least", is_told ? rhi__json_u64(c->least) : json_null());
    rhi__json_key(s, "collectable_most",
                  is_told && !c->is_open ? rhi__json_u64(c->most) : json_null());
    rhi__json_key(s, "collectable_weak", is_told ? rhi__json_u64(c->weak) : json_null());
}

void rhi__gcleaks_json(const rhi_gcleaks *a)
{
    rhi_session *s = a->session;
    rhi__json_begin(s);
    rhi__json_array(s, "leaks");
    for (uint64_t i = 0; i < a->each.count; i++)
        rhi__json_item(s, rhi__leak_json(a, i));
    rhi__json_array_end(s);
    if (a->all.groups > a->each.count)
        rhi__json_key(s, "leaks_total", rhi__json_u64(a->all.groups));
    rhi__json_array(s, "groups");
    for (uint64_t i = 0; i < a->largest.count; i++)
        rhi__json_item(s, rhi__alike_json(a, i));
    rhi__json_array_end(s);
    if (a->alike.count > a->largest.count)
        rhi__json_key(s, "groups_total", rhi__json_u64(a->alike.count));
    rhi__json_key(s, "objects", rhi__json_u64(a->all.objects));
    rhi__json_key(s, "bytes", rhi__json_u64(a->all.bytes));
    rhi__json_array(s, "by_type");
    for (uint64_t i = 0; i < a->by_type.count && i < a->limit; i++)
        rhi__json_item(s, total_json(a, &a->by_type.items[i]));
    rhi__json_array_end(s);
    if (a->by_type.count > a->limit)
        rhi__json_key(s, "by_type_total", rhi__json_u64(a->by_type.count));
    rhi__json_array(s, "lost_by_type");
    for (uint64_t i = 0; i < a->lost_by_type.count && i < a->limit; i++)
        rhi__json_item(s, total_json(a, &a->lost_by_type.items[i]));
    rhi__json_array_end(s);
    if (a->lost_by_type.count > a->limit)
        rhi__json_key(s, "lost_by_type_total", rhi__json_u64(a->lost_by_type.count));
    collectable_json(a);
    rhi__json_array(s, "possible");
    for (uint64_t i = 0; i < a->owners->possible.count && i < a->limit; i++)
        rhi__json_item(s, possible_json(a, &a->owners->possible.items[i]));
    rhi__json_array_end(s);
    if (a->owners->possible.count > a->limit)
        rhi__json_key(s, "possible_total", rhi__json_u64(a->owners->possible.count));
    rhi__json_key(s, "undecided", rhi__json_u64(a->leaks->undecided));
    if (a->sarif)
        rhi__json_key(s, "sarif", rhi__json_text(a->sarif));
    rhi__json_key(s, "provisional", json_boolean(rhi__is_provisional(s)));
    rhi__json_end(s);
}
