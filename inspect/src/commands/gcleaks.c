/* gcleaks.c - `gcleaks`: what is leaked, by cause. In text, groups that are alike (one
 * mistake makes many: their cause, the type of their representatives and the stack that allocated
 * these are the same) are one block with their number and the largest of them; JSON has both. */
#include "base/array.h"
#include "commands/all.h"
#include "questions/leaks.h"
#include "render/objects.h"
#include "render/output.h"
#include "questions/selection.h"
#include "render/value.h"
#include "render/stacks.h"
#include "render/holders.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of so many groups, the largest, is it asked which stack made them; others are alike by cause and
 * type. */
enum { MEMBERS_SHOWN = 5, BIRTHS_AT_ONCE = 1 << 14 };

/* Groups of one cause whose representatives are of one type, and, where it says so, made by one
 * stack. */
typedef struct total {
    uint64_t groups, objects, bytes;
    uint64_t stack;  /* a mark of the stack; 0: not known */
    uint32_t leak;   /* the largest of them */
    uint32_t sample; /* its representative */
    uint32_t type;
    uint8_t cause;
    bool in_use; /* lost counts of objects that are held all the same: another mistake */
} total;
typedef struct totals {
    total *items;
    uint64_t count, capacity;
} totals;
typedef struct leak_list {
    uint32_t *items;
    uint64_t count, capacity;
} leak_list; /* by number */

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    const rhi_args *args;
    const rhi_leaks *leaks;
    const rhi_owners *owners; /* for what is only possible */
    leak_list shown;          /* as many as there are rows */
    leak_list looked_up;      /* those whose stacks are compared */
    leak_list largest;        /* of those that are alike, as many as there are rows */
    totals by_type, alike;    /* most bytes first */
    total by_cause[RHI_CAUSES], all;
    uint64_t certain; /* objects in heaps that are at rest */
    /* Of the representatives of so many groups of a list at a time: */
    rhi_born *born;
    rhi_event *births;
    uint64_t birth_count;
    bool has_unrecorded; /* a lost object was shown whose allocation was not recorded */
} answer;

/* ---- gathering ------------------------------------------------------------------------------ */

static int total_order(const void *left, const void *right)
{
    const total *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->cause != b->cause)
        return a->cause < b->cause ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return a->leak < b->leak ? -1 : a->leak > b->leak;
}

static int kind_order(const void *left, const void *right)
{
    const total *a = left, *b = right;
    if (a->cause != b->cause)
        return a->cause < b->cause ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->stack != b->stack)
        return a->stack < b->stack ? -1 : 1;
    if (a->in_use != b->in_use)
        return a->in_use ? 1 : -1;
    return a->leak < b->leak ? -1 : a->leak > b->leak;
}

static void count_group(total *t, const rhi_leaks *leaks, uint32_t number)
{
    const rhi_leak *leak = &leaks->groups[number];
    if (t->groups++ == 0) {
        t->leak = number;
        t->sample = leaks->members[leak->first];
    }
    t->objects += leak->count;
    t->bytes += leak->bytes;
}

static bool has_history(const answer *a)
{
    for (uint64_t i = 0; i < a->reader->heaps.count; i++)
        if (a->reader->heaps.items[i].history_count)
            return true;
    return false;
}

static rhi_error *add_to_list(leak_list *list, uint32_t leak)
{
    if (!rhi__array_reserve(list, 1))
        return rhi__error_memory();
    list->items[list->count++] = leak;
    return NULL;
}

static bool is_in_use(const rhi_leaks *leaks, uint32_t number)
{
    return leaks->causes[leaks->members[leaks->groups[number].first]] & RHI_LEAK_IN_USE;
}

/* Fills tables with an entry for each cause and type: of all groups, and of those that are not
 * looked up, two of them: others, and in use. */
static rhi_error *count_groups(answer *a, total *table, total *others[2], uint64_t types)
{
    bool looks_up = has_history(a);
    for (uint32_t i = 0; i < a->leaks->group_count; i++) {
        const rhi_leak *leak = &a->leaks->groups[i];
        if (!rhi__heap_wanted(a->session, a->reader, leak->heap))
            continue;
        if (!a->reader->heaps.items[leak->heap].provisional)
            a->certain += leak->count;
        uint64_t place = leak->cause * types + (leak->type < types ? leak->type : types - 1);
        count_group(&a->all, a->leaks, i);
        count_group(&a->by_cause[leak->cause], a->leaks, i);
        count_group(&table[place], a->leaks, i);
        if (looks_up && a->looked_up.count < BIRTHS_AT_ONCE)
            RHI_TRY(add_to_list(&a->looked_up, i));
        else
            count_group(&others[is_in_use(a->leaks, i)][place], a->leaks, i);
        if (a->args->json && a->shown.count < a->args->limit)
            RHI_TRY(add_to_list(&a->shown, i));
    }
    return NULL;
}

/* Appends the entries of a table that have groups. */
static rhi_error *list_totals(totals *list, const total *table, uint64_t types, bool in_use)
{
    for (uint64_t i = 0; i < types * RHI_CAUSES; i++) {
        if (table[i].groups == 0)
            continue;
        if (!rhi__array_reserve(list, 1))
            return rhi__error_memory();
        total *added = &list->items[list->count++];
        *added = table[i];
        added->cause = (uint8_t)(i / types);
        added->type = (uint32_t)(i % types);
        added->in_use = in_use;
    }
    return NULL;
}

/* ---- allocation sites ----------------------------------------------------------------------- */

/* The births of the representatives of groups, from one pass over the histories. */
static void find_births(answer *a, const uint32_t *leaks, uint64_t count)
{
    rhi_object object;
    a->birth_count = 0;
    if (!a->births && (!(a->births = calloc(BIRTHS_AT_ONCE, sizeof *a->births)) ||
                       !(a->born = calloc(BIRTHS_AT_ONCE, sizeof *a->born)))) {
        rhi__note(&a->session->notes, "memory is short: allocation sites are left out");
        return;
    }
    for (uint64_t i = 0; a->born && i < count && i < BIRTHS_AT_ONCE; i++)
        if (rhi__object_at_index(a->session, a->reader,
                                 a->leaks->members[a->leaks->groups[leaks[i]].first], &object))
            a->born[a->birth_count++] = (rhi_born){object.serial, object.address};
    if (a->birth_count == 0)
        return;
    qsort(a->born, a->birth_count, sizeof *a->born, rhi__born_order);
    rhi__births(a->reader, a->born, a->birth_count, a->births);
}

/* The recorded birth of the representative of a group whose births were found, or NULL. */
static const rhi_event *birth_among(answer *a, uint32_t leak)
{
    rhi_object object;
    if (a->birth_count == 0 ||
        !rhi__object_at_index(a->session, a->reader,
                              a->leaks->members[a->leaks->groups[leak].first], &object))
        return NULL;
    const rhi_born wanted = {object.serial, object.address},
                   *born =
                       bsearch(&wanted, a->born, a->birth_count, sizeof wanted, rhi__born_order);
    const rhi_event *birth = born ? &a->births[born - a->born] : NULL;
    return birth && birth->kind == RHI_EVENT_ALLOC ? birth : NULL;
}

/* The same for the groups of a list, taken in order. */
static const rhi_event *birth_of(answer *a, const leak_list *list, uint64_t place)
{
    if (place % BIRTHS_AT_ONCE == 0)
        find_births(a, list->items + place, list->count - place);
    return birth_among(a, list->items[place]);
}

static uint64_t stack_mark(const rhi_event *birth)
{
    uint64_t mark = birth && birth->depth ? 0xcbf29ce484222325u : 0;
    for (unsigned i = 0; birth && i < birth->depth; i++)
        mark = ((mark ^ birth->stack[i]) * 0x9e3779b97f4a7c15u) ^ mark >> 29;
    return mark;
}

/* ---- groups that are alike ------------------------------------------------------------------ */

/* Adds those that are looked up, each by itself, then makes one of those that are alike. */
static rhi_error *join_alike(answer *a)
{
    uint64_t kept = 0;
    if (a->looked_up.count)
        find_births(a, a->looked_up.items, a->looked_up.count);
    if (!rhi__array_reserve(&a->alike, a->looked_up.count + 1))
        return rhi__error_memory();
    for (uint64_t i = 0; i < a->looked_up.count; i++) {
        uint32_t number = a->looked_up.items[i];
        const rhi_leak *leak = &a->leaks->groups[number];
        uint32_t types = (uint32_t)a->reader->types.count;
        total one = {.cause = leak->cause,
                     .type = leak->type < types ? leak->type : types,
                     .stack = stack_mark(birth_among(a, number)),
                     .in_use = is_in_use(a->leaks, number)};
        count_group(&one, a->leaks, number);
        a->alike.items[a->alike.count++] = one;
    }
    if (a->alike.count)
        qsort(a->alike.items, a->alike.count, sizeof *a->alike.items, kind_order);
    for (uint64_t i = 0; i < a->alike.count; i++) {
        total *last = &a->alike.items[kept ? kept - 1 : 0], *next = &a->alike.items[i];
        if (kept && last->cause == next->cause && last->type == next->type &&
            last->stack == next->stack && last->in_use == next->in_use) {
            last->groups += next->groups;
            last->objects += next->objects;
            last->bytes += next->bytes;
        } else {
            a->alike.items[kept++] = *next;
        }
    }
    a->alike.count = kept;
    if (kept)
        qsort(a->alike.items, kept, sizeof *a->alike.items, total_order);
    return NULL;
}

/* The largest of each kind that is shown, as a list. */
static rhi_error *list_largest(answer *a, leak_list *list)
{
    for (uint64_t i = 0; i < a->alike.count && i < a->args->limit; i++)
        RHI_TRY(add_to_list(list, a->alike.items[i].leak));
    return NULL;
}

static rhi_error *gather(answer *a)
{
    rhi_leaks *leaks;
    RHI_TRY(rhi__session_reader(a->session, &a->reader));
    RHI_TRY(rhi__session_leak_groups(a->session, &leaks));
    RHI_TRY(rhi__session_graph(a->session, &a->graph));
    rhi_owners *owners;
    RHI_TRY(rhi__session_owners(a->session, a->reader, false, &owners));
    a->leaks = leaks;
    a->owners = owners;
    uint64_t types = a->reader->types.count + 1; /* one more: of damaged objects */
    total *table = calloc(3 * types * RHI_CAUSES, sizeof *table);
    if (!table)
        return rhi__error_memory();
    total *others[] = {table + types * RHI_CAUSES, table + 2 * types * RHI_CAUSES};
    rhi_error *error = count_groups(a, table, others, types);
    if (!error)
        error = list_totals(&a->by_type, table, types, false);
    for (int in_use = 0; in_use < 2 && !error; in_use++)
        error = list_totals(&a->alike, others[in_use], types, in_use);
    free(table);
    if (error)
        return error;
    if (a->by_type.count)
        qsort(a->by_type.items, a->by_type.count, sizeof *a->by_type.items, total_order);
    RHI_TRY(join_alike(a));
    return list_largest(a, &a->largest);
}

/* ---- text ----------------------------------------------------------------------------------- */

static void index_id(const answer *a, uint32_t index, char *id, size_t size)
{
    rhi_object object;
    if (rhi__object_at_index(a->session, a->reader, index, &object))
        rhi__object_id(a->reader, &object, id, size);
    else
        snprintf(id, size, "(unreadable)");
}

static void print_totals(answer *a)
{
    rhi_session *s = a->session;
    const total *cycle = &a->by_cause[RHI_CAUSE_CYCLE], *lost = &a->by_cause[RHI_CAUSE_LOST];
    const total *rest = &a->by_cause[RHI_CAUSE_DEPENDENT],
                *block = &a->by_cause[RHI_CAUSE_LOST_BLOCK];
    if (a->all.objects == 0) {
        rhi__print(s, rhi__settle(s) ? "no leak was found\n"
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
    if (lost->groups)
        rhi__print(
            s, "  %" PRIu64 " with a lost reference: a count that no field, root or word owns\n",
            lost->objects);
    if (block->groups)
        rhi__print(s,
                   "  %" PRIu64 " lost with %" PRIu64
                   " malloc block%s that nothing reaches: only words in them own a count\n",
                   block->objects, block->groups, rhi__plural(block->groups));
    if (rest->groups)
        rhi__print(s, "  %" PRIu64 " that only those hold (dependent)\n", rest->objects);
    rhi__print(s, "\n  %-15s %-24s %8s %10s %12s  %s\n", "cause", "type", "groups", "objects",
               "bytes", "largest");
    for (uint64_t i = 0; i < a->by_type.count && i < a->args->limit; i++) {
        char id[RHI_ID_SIZE];
        const total *t = &a->by_type.items[i];
        index_id(a, t->sample, id, sizeof id);
        rhi__print(s, "  %-15s %-24s %8" PRIu64 " %10" PRIu64 " %12" PRIu64 "  %s\n",
                   rhi__cause_word(t->cause), rhi__type_name(a->reader, t->type), t->groups,
                   t->objects, t->bytes, id);
    }
    if (a->by_type.count > a->args->limit)
        rhi__print(s, "  … %" PRIu64 " more (--limit=0 shows all)\n",
                   a->by_type.count - a->args->limit);
}

/* What the representative's count is made of. */
static void print_count(answer *a, const rhi_leak *leak)
{
    uint32_t index = a->leaks->members[leak->first], found = a->graph->found[index];
    int64_t ext = rhi__ext(a->graph, index);
    bool in_use = a->leaks->causes[index] & RHI_LEAK_IN_USE;
    rhi__print(a->session, "  %" PRIu32 " count%s: ", a->graph->stored[index],
               rhi__plural(a->graph->stored[index]));
    if (found)
        rhi__print(a->session, "%" PRIu32 " field%s%s", found, rhi__plural(found),
                   ext > 0 ? ", " : "");
    if (ext > 0 && leak->cause != RHI_CAUSE_LOST)
        rhi__print(a->session, "%" PRId64 " owned by words in malloc blocks that nothing reaches%s",
                   ext, in_use ? " (it is in use all the same: a field holds it, too)" : "");
    else if (ext > 0)
        rhi__print(a->session, "%" PRId64 " owned by nobody that was found%s", ext,
                   in_use ? " (it is in use all the same: a field holds it, too)" : "");
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

/* What to ask next: nothing holds what is lost, so its own fields tell more, or where it was made.
 */
static void print_next(answer *a, const rhi_leak *leak, const char *id, const rhi_event *birth)
{
    uint64_t start, end;
    char heap[40] = "";
    bool is_lost = leak->cause == RHI_CAUSE_LOST || leak->cause == RHI_CAUSE_LOST_BLOCK;
    a->has_unrecorded |= is_lost && !(birth && birth->depth);
    if (a->reader->copies > 1) /* another copy of the runtime may have such an object, too */
        snprintf(heap, sizeof heap, "--heap=%" PRIu64 " ",
                 a->reader->heaps.items[leak->heap].number);
    if (leak->block != RHI_NO_BLOCK) {
        rhi__malloc_range(rhi__malloc_graph_known(a->session), leak->block, &start, &end);
        rhi__print(a->session, "  next: objat 0x%" PRIx64 "\n", start);
    } else if (is_lost && a->graph->found[a->leaks->members[leak->first]] == 0) {
        rhi__print(a->session, "  next: objat %s%s%s\n", heap, birth ? "--history " : "", id);
    } else {
        rhi__print(a->session, "  next: refs %s%s\n", heap, id);
    }
}

/* The largest of groups that are alike, and how many they are. */
static void print_group(answer *a, uint64_t shown)
{
    rhi_session *s = a->session;
    const total *alike = &a->alike.items[shown];
    const rhi_leak *leak = &a->leaks->groups[alike->leak];
    const uint32_t *members = &a->leaks->members[leak->first];
    rhi_object object;
    uint64_t start, end;
    char id[RHI_ID_SIZE], other[RHI_ID_SIZE], value[RHI_VALUE_SIZE] = "";
    index_id(a, members[0], id, sizeof id);
    if (rhi__object_at_index(s, a->reader, members[0], &object))
        rhi__value(a->reader, &object, value);
    if (alike->groups > 1)
        rhi__print(
            s, "\n%" PRIu64 " × %s %s, %" PRIu64 " object%s, %" PRIu64 " bytes\n  the largest: ",
            alike->groups, rhi__cause_word(leak->cause), rhi__type_name(a->reader, alike->type),
            alike->objects, rhi__plural(alike->objects), alike->bytes);
    else
        rhi__print(s, "\n%s ", rhi__cause_word(leak->cause));
    rhi__print(s,
               "%s at 0x%" PRIx64 ": %" PRIu32 " object%s, %" PRIu64 " bytes, %" PRIu64 " retained",
               id, rhi__object_address(a->reader, members[0]), leak->count,
               rhi__plural(leak->count), leak->bytes, leak->retained);
    if (leak->cause == RHI_CAUSE_DEPENDENT) {
        index_id(a, leak->of, other, sizeof other);
        rhi__print(s, ", held by the %s %s",
                   rhi__cause(a->leaks, leak->of) == RHI_CAUSE_CYCLE ? "leaked" : "lost", other);
    }
    if (leak->block != RHI_NO_BLOCK) {
        rhi__malloc_range(rhi__malloc_graph_known(a->session), leak->block, &start, &end);
        rhi__print(s, ", lost with the malloc block 0x%" PRIx64 " of %" PRIu64 " bytes", start,
                   end - start);
    }
    rhi__print(s, "\n");
    if (value[0])
        rhi__print(s, "  holds%s\n", value);
    print_count(a, leak);
    for (uint32_t i = 1; i < leak->count && i <= MEMBERS_SHOWN; i++) {
        index_id(a, members[i], other, sizeof other);
        rhi__print(s, "%s%s", i == 1 ? "  with " : ", ", other);
    }
    if (leak->count > 1)
        rhi__print(s, leak->count - 1 > MEMBERS_SHOWN ? ", … %" PRIu32 " more\n" : "\n",
                   leak->count - 1 - MEMBERS_SHOWN);
    const rhi_event *birth = birth_of(a, &a->largest, shown);
    if (birth) {
        rhi__print(s, "  allocated by thread %" PRIu32 " (event %" PRIu64 ")%s\n", birth->thread,
                   birth->sequence, birth->depth ? " at:" : "");
        rhi__stack_print(s, a->reader, birth, "    ");
    }
    print_next(a, leak, id, birth);
}

/* What nothing but a vector register leads to: neither lost for certain, nor in use for certain. */
static void print_possible(answer *a)
{
    const struct rhi_sink *map = &a->reader->memory->map;
    for (uint64_t i = 0; i < a->owners->possible.count && i < a->args->limit; i++) {
        const rhi_possible *p = &a->owners->possible.items[i];
        char id[RHI_ID_SIZE];
        uint64_t start, end;
        rhi__print(a->session, i ? "" : "\n");
        if (p->object != RHI_NO_OBJECT) {
            index_id(a, p->object, id, sizeof id);
            rhi__print(a->session, "possible: %s at 0x%" PRIx64, id,
                       rhi__object_address(a->reader, p->object));
        } else {
            rhi__malloc_range(rhi__malloc_graph_known(a->session), p->block, &start, &end);
            rhi__print(a->session,
                       "possible: the malloc block 0x%" PRIx64 " of %" PRIu64
                       " bytes and what it owns",
                       start, end - start);
        }
        rhi__print(a->session,
                   ": only a word in %s of thread %" PRIu64
                   " leads to it, which may be a leftover\n",
                   map->registers.items[p->in].name, rhi__register_lwp(a->reader->memory, p->in));
    }
    if (a->owners->possible.count > a->args->limit)
        rhi__print(a->session, "… %" PRIu64 " more (--limit=0 shows all)\n",
                   a->owners->possible.count - a->args->limit);
}

static void print_undecided(answer *a)
{
    if (!a->leaks->is_decided)
        rhi__print(a->session,
                   "\n%" PRIu64 " object%s a count whose owner was not found; not everything could "
                   "be searched, so nothing is called lost\n",
                   a->leaks->undecided, a->leaks->undecided == 1 ? " has" : "s have");
}

static void print_text(answer *a)
{
    print_totals(a);
    for (uint64_t i = 0; i < a->largest.count; i++)
        print_group(a, i);
    if (a->alike.count > a->largest.count)
        rhi__print(a->session, "\n… %" PRIu64 " more kind%s (--limit=0 shows all)\n",
                   a->alike.count - a->largest.count,
                   rhi__plural(a->alike.count - a->largest.count));
    if (a->has_unrecorded)
        rhi__print(a->session, "\nwhere the lost were allocated is not recorded: "
                               "REFHEAP_OPTIONS=history=1M,stacks=8 in the program's environment "
                               "does that\n");
    print_possible(a);
    print_undecided(a);
    rhi__print_provisional(a->session);
    rhi__print_incomplete(a->session);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void add_birth(answer *a, json_t *json, const rhi_event *birth)
{
    if (birth)
        json_object_set_new(json, "allocated",
                            json_pack("{s:o, s:o, s:o}", "event", rhi__json_u64(birth->sequence),
                                      "thread", rhi__json_u64(birth->thread), "stack",
                                      rhi__stack_json(a->session, a->reader, birth)));
}

static json_t *group_json(answer *a, uint64_t shown)
{
    const rhi_leak *leak = &a->leaks->groups[a->shown.items[shown]];
    const uint32_t *members = &a->leaks->members[leak->first];
    json_t *objects = json_array();
    rhi_object object;
    char id[RHI_ID_SIZE];
    for (uint32_t i = 0; i < leak->count && i < a->args->limit; i++) {
        index_id(a, members[i], id, sizeof id);
        json_array_append_new(objects, json_string(id));
    }
    index_id(a, members[0], id, sizeof id);
    json_t *json = json_pack(
        "{s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "cause", rhi__cause_word(leak->cause), "objects",
        objects, "bytes", rhi__json_u64(leak->bytes), "count", rhi__json_u64(leak->count),
        "retained", rhi__json_u64(leak->retained), "representative", id, "representative_address",
        rhi__json_address(rhi__object_address(a->reader, members[0])));
    if (leak->count > a->args->limit)
        json_object_set_new(json, "objects_total", rhi__json_u64(leak->count));
    if (leak->cause == RHI_CAUSE_DEPENDENT) {
        index_id(a, leak->of, id, sizeof id);
        json_object_set_new(json, "of", json_string(id));
    }
    if (leak->block != RHI_NO_BLOCK)
        json_object_set_new(json, "block", rhi__block_json(a->session, leak->block));
    if (rhi__object_at_index(a->session, a->reader, members[0], &object))
        json_object_set_new(json, "value", rhi__value_json(a->reader, &object));
    add_birth(a, json, birth_of(a, &a->shown, shown));
    return json;
}

static json_t *alike_json(answer *a, uint64_t place)
{
    const total *alike = &a->alike.items[place];
    rhi_object object;
    char id[RHI_ID_SIZE];
    index_id(a, alike->sample, id, sizeof id);
    json_t *json = json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:s, s:o}", "cause", rhi__cause_word(alike->cause), "type",
        rhi__type_name(a->reader, alike->type), "count", rhi__json_u64(alike->groups), "objects",
        rhi__json_u64(alike->objects), "bytes", rhi__json_u64(alike->bytes), "largest", id,
        "largest_address", rhi__json_address(rhi__object_address(a->reader, alike->sample)));
    if (rhi__object_at_index(a->session, a->reader, alike->sample, &object))
        json_object_set_new(json, "value", rhi__value_json(a->reader, &object));
    add_birth(a, json, birth_of(a, &a->largest, place));
    return json;
}

static json_t *total_json(const answer *a, const total *t)
{
    char id[RHI_ID_SIZE];
    index_id(a, t->sample, id, sizeof id);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "cause", rhi__cause_word(t->cause), "type",
                     rhi__type_name(a->reader, t->type), "groups", rhi__json_u64(t->groups),
                     "objects", rhi__json_u64(t->objects), "bytes", rhi__json_u64(t->bytes),
                     "sample", id);
}

static json_t *possible_json(const answer *a, const rhi_possible *p)
{
    json_t *json = json_pack("{s:n, s:n, s:s, s:o}", "object", "block", "register",
                             a->reader->memory->map.registers.items[p->in].name, "thread",
                             rhi__json_u64(rhi__register_lwp(a->reader->memory, p->in)));
    char id[RHI_ID_SIZE];
    if (p->object != RHI_NO_OBJECT) {
        index_id(a, p->object, id, sizeof id);
        json_object_set_new(json, "object", json_string(id));
        json_object_set_new(json, "address",
                            rhi__json_address(rhi__object_address(a->reader, p->object)));
    } else {
        json_object_set_new(json, "block", rhi__block_json(a->session, p->block));
    }
    return json;
}

static void print_json(answer *a)
{
    rhi_session *s = a->session;
    rhi__json_begin(s);
    rhi__json_array(s, "leaks");
    for (uint64_t i = 0; i < a->shown.count; i++)
        rhi__json_item(s, group_json(a, i));
    rhi__json_array_end(s);
    if (a->all.groups > a->shown.count)
        rhi__json_key(s, "leaks_total", rhi__json_u64(a->all.groups));
    rhi__json_array(s, "groups");
    for (uint64_t i = 0; i < a->largest.count; i++)
        rhi__json_item(s, alike_json(a, i));
    rhi__json_array_end(s);
    if (a->alike.count > a->largest.count)
        rhi__json_key(s, "groups_total", rhi__json_u64(a->alike.count));
    rhi__json_key(s, "objects", rhi__json_u64(a->all.objects));
    rhi__json_key(s, "bytes", rhi__json_u64(a->all.bytes));
    rhi__json_array(s, "by_type");
    for (uint64_t i = 0; i < a->by_type.count && i < a->args->limit; i++)
        rhi__json_item(s, total_json(a, &a->by_type.items[i]));
    rhi__json_array_end(s);
    if (a->by_type.count > a->args->limit)
        rhi__json_key(s, "by_type_total", rhi__json_u64(a->by_type.count));
    rhi__json_array(s, "possible");
    for (uint64_t i = 0; i < a->owners->possible.count && i < a->args->limit; i++)
        rhi__json_item(s, possible_json(a, &a->owners->possible.items[i]));
    rhi__json_array_end(s);
    if (a->owners->possible.count > a->args->limit)
        rhi__json_key(s, "possible_total", rhi__json_u64(a->owners->possible.count));
    rhi__json_key(s, "undecided", rhi__json_u64(a->leaks->undecided));
    rhi__json_key(s, "provisional", json_boolean(rhi__is_provisional(s)));
    rhi__json_end(s);
}

rhi_error *rhi__run_gcleaks(rhi_session *session, const rhi_args *args, int *status)
{
    answer a = {.session = session, .args = args};
    rhi_error *error = gather(&a);
    if (!error && args->json)
        print_json(&a);
    else if (!error)
        print_text(&a);
    if (!error)
        *status = rhi__check_status(session, args, a.certain > 0);
    free(a.shown.items);
    free(a.looked_up.items);
    free(a.largest.items);
    free(a.by_type.items);
    free(a.alike.items);
    free(a.born);
    free(a.births);
    return error;
}
