/* cmd_gcleaks.c - `gcleaks`: what is leaked, by cause, with one representative of each group. */
#include "array.h"
#include "command.h"
#include "leaks.h"
#include "objects.h"
#include "output.h"
#include "selection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MEMBERS_SHOWN = 5, BIRTHS_AT_ONCE = 1024 };

/* Groups of one cause whose representatives are of one type. */
typedef struct total {
    uint64_t groups, objects, bytes;
    uint32_t sample; /* the representative of the largest */
    uint32_t type;
    uint8_t cause;
} total;

typedef struct answer {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    const rhi_args *args;
    const rhi_leaks *leaks;
    struct { uint32_t *items; uint64_t count, capacity; } shown; /* groups */
    struct { total *items; uint64_t count, capacity; } by_type;  /* most bytes first */
    total by_cause[RHI_CAUSES], all;
    uint64_t certain; /* objects in heaps that are at rest */
    /* Of the representatives of so many shown groups at a time: */
    uint64_t serials[BIRTHS_AT_ONCE];
    rhi_event *births;
    uint64_t birth_count;
} answer;

/* ---- gathering ------------------------------------------------------------------------------------------- */

static int total_order(const void *left, const void *right)
{
    const total *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->cause != b->cause)
        return a->cause < b->cause ? -1 : 1;
    return a->type < b->type ? -1 : a->type > b->type;
}

static void count_group(total *t, const rhi_leaks *leaks, const rhi_leak *leak)
{
    if (t->groups++ == 0)
        t->sample = leaks->members[leak->first];
    t->objects += leak->count;
    t->bytes += leak->bytes;
}

static rhi_error *count_groups(answer *a, total *table, uint64_t types)
{
    for (uint32_t i = 0; i < a->leaks->group_count; i++) {
        const rhi_leak *leak = &a->leaks->groups[i];
        if (!rhi__heap_wanted(a->session, a->reader, leak->heap))
            continue;
        if (!a->reader->heaps.items[leak->heap].provisional)
            a->certain += leak->count;
        count_group(&a->all, a->leaks, leak);
        count_group(&a->by_cause[leak->cause], a->leaks, leak);
        count_group(&table[leak->cause * types + (leak->type < types ? leak->type : types - 1)], a->leaks, leak);
        if (a->shown.count >= a->args->limit)
            continue;
        if (!rhi__array_reserve(&a->shown, 1))
            return rhi__error_memory();
        a->shown.items[a->shown.count++] = i;
    }
    return NULL;
}

static rhi_error *gather(answer *a)
{
    rhi_leaks *leaks;
    RHI_TRY(rhi__session_reader(a->session, &a->reader));
    RHI_TRY(rhi__session_leak_groups(a->session, &leaks));
    RHI_TRY(rhi__session_graph(a->session, &a->graph));
    a->leaks = leaks;
    uint64_t types = a->reader->types.count + 1; /* one more: of damaged objects */
    total *table = calloc(types * RHI_CAUSES, sizeof *table);
    rhi_error *error = table ? count_groups(a, table, types) : rhi__error_memory();
    for (uint64_t i = 0; i < types * RHI_CAUSES && !error; i++) {
        if (table[i].groups == 0)
            continue;
        table[i].cause = (uint8_t)(i / types);
        table[i].type = (uint32_t)(i % types);
        if (rhi__array_reserve(&a->by_type, 1))
            a->by_type.items[a->by_type.count++] = table[i];
        else
            error = rhi__error_memory();
    }
    free(table);
    if (a->by_type.count)
        qsort(a->by_type.items, a->by_type.count, sizeof *a->by_type.items, total_order);
    return error;
}

/* ---- allocation sites --------------------------------------------------------------------------------------- */

static int serial_order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The births of the representatives from the shown group `first` on, from one pass over the histories. */
static void find_births(answer *a, uint64_t first)
{
    rhi_object object;
    a->birth_count = 0;
    if (!a->births && !(a->births = calloc(BIRTHS_AT_ONCE, sizeof *a->births))) {
        rhi__incomplete(a->session, "memory is short: allocation sites are left out");
        return;
    }
    for (uint64_t i = first; i < a->shown.count && i - first < BIRTHS_AT_ONCE; i++)
        if (rhi__object_at_index(a->session, a->reader, a->leaks->members[a->leaks->groups[a->shown.items[i]].first], &object))
            a->serials[a->birth_count++] = object.serial;
    qsort(a->serials, a->birth_count, sizeof *a->serials, serial_order);
    a->reader->ops->births(a->reader, a->serials, a->birth_count, a->births);
}

/* The recorded birth of the representative of a shown group, or NULL. */
static const rhi_event *birth_of(answer *a, uint64_t shown, const rhi_object *object)
{
    if (shown % BIRTHS_AT_ONCE == 0)
        find_births(a, shown);
    const uint64_t *serial = a->birth_count ? bsearch(&object->serial, a->serials, a->birth_count, sizeof *serial,
                                                      serial_order) : NULL;
    const rhi_event *birth = serial ? &a->births[serial - a->serials] : NULL;
    return birth && birth->kind == RHI_EVENT_ALLOC ? birth : NULL;
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

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
    const total *rest = &a->by_cause[RHI_CAUSE_DEPENDENT], *block = &a->by_cause[RHI_CAUSE_LOST_BLOCK];
    if (a->all.objects == 0) {
        rhi__print(s, rhi__is_complete(s) ? "no leak was found\n" : "no leak was found in what could be read\n");
        return;
    }
    rhi__print(s, "%" PRIu64 " object%s, %" PRIu64 " bytes, leaked:\n", a->all.objects, rhi__plural(a->all.objects), a->all.bytes);
    if (cycle->groups)
        rhi__print(s,
                   "  %" PRIu64 " in %" PRIu64 " group%s of garbage: cycles that nothing outside holds, with all they reach\n", cycle->objects,
                   cycle->groups, rhi__plural(cycle->groups));
    if (lost->groups)
        rhi__print(s, "  %" PRIu64 " with a lost reference: a count that no field, root or word owns\n", lost->objects);
    if (block->groups)
        rhi__print(s, "  %" PRIu64 " lost with %" PRIu64 " malloc block%s that nothing reaches: only words in them own a count\n", block->objects,
                   block->groups, rhi__plural(block->groups));
    if (rest->groups)
        rhi__print(s, "  %" PRIu64 " that only those hold (dependent)\n", rest->objects);
    rhi__print(s, "\n  %-15s %-24s %8s %10s %12s  %s\n", "cause", "type", "groups", "objects", "bytes", "largest");
    for (uint64_t i = 0; i < a->by_type.count && i < a->args->limit; i++) {
        char id[RHI_ID_SIZE];
        const total *t = &a->by_type.items[i];
        index_id(a, t->sample, id, sizeof id);
        rhi__print(s, "  %-15s %-24s %8" PRIu64 " %10" PRIu64 " %12" PRIu64 "  %s\n", rhi__cause_word(t->cause),
                   rhi__type_name(a->reader, t->type),
                   t->groups, t->objects, t->bytes, id);
    }
    if (a->by_type.count > a->args->limit)
        rhi__print(s, "  … %" PRIu64 " more (--limit=0 shows all)\n", a->by_type.count - a->args->limit);
}

/* What the representative's count is made of. */
static void print_count(answer *a, const rhi_leak *leak)
{
    uint32_t index = a->leaks->members[leak->first], found = a->graph->found[index];
    int64_t ext = rhi__ext(a->graph, index);
    bool in_use = a->leaks->causes[index] & RHI_LEAK_IN_USE;
    rhi__print(a->session, "  %" PRIu32 " count%s: ", a->graph->stored[index], rhi__plural(a->graph->stored[index]));
    if (found)
        rhi__print(a->session, "%" PRIu32 " field%s%s", found, rhi__plural(found), ext > 0 ? ", " : "");
    if (ext > 0 && leak->cause != RHI_CAUSE_LOST)
        rhi__print(a->session, "%" PRId64 " owned by words in malloc blocks that nothing reaches%s", ext,
                   in_use ? " (it is in use all the same: a field holds it, too)" : "");
    else if (ext > 0)
        rhi__print(a->session, "%" PRId64 " owned by nobody that was found%s", ext,
                   in_use ? " (it is in use all the same: a field holds it, too)" : "");
    else if (ext < 0)
        rhi__print(a->session, ", %" PRId64 " more reference%s than counts", -ext, rhi__plural((uint64_t)-ext));
    else
        rhi__print(a->session, "%s",
                   !found ? "none" : leak->cause == RHI_CAUSE_CYCLE ? ", all from inside the garbage" : ", all from leaked objects");
    rhi__print(a->session, "\n");
}

static void print_group(answer *a, uint64_t shown)
{
    rhi_session *s = a->session;
    const rhi_leak *leak = &a->leaks->groups[a->shown.items[shown]];
    const uint32_t *members = &a->leaks->members[leak->first];
    rhi_object object;
    uint64_t start, end;
    char id[RHI_ID_SIZE], other[RHI_ID_SIZE];
    index_id(a, members[0], id, sizeof id);
    rhi__print(s, "\n%s %s at 0x%" PRIx64 ": %" PRIu32 " object%s, %" PRIu64 " bytes, %" PRIu64 " retained",
               rhi__cause_word(leak->cause), id,
               rhi__object_address(a->reader, members[0]), leak->count, rhi__plural(leak->count), leak->bytes, leak->retained);
    if (leak->cause == RHI_CAUSE_DEPENDENT) {
        index_id(a, leak->of, other, sizeof other);
        rhi__print(s, ", held by the %s %s", rhi__cause(a->leaks, leak->of) == RHI_CAUSE_CYCLE ? "leaked" : "lost", other);
    }
    if (leak->block != RHI_NO_BLOCK) {
        rhi__malloc_range(s->blocks, leak->block, &start, &end);
        rhi__print(s, ", lost with the malloc block 0x%" PRIx64 " of %" PRIu64 " bytes", start, end - start);
    }
    rhi__print(s, "\n");
    print_count(a, leak);
    for (uint32_t i = 1; i < leak->count && i <= MEMBERS_SHOWN; i++) {
        index_id(a, members[i], other, sizeof other);
        rhi__print(s, "%s%s", i == 1 ? "  with " : ", ", other);
    }
    if (leak->count > 1)
        rhi__print(s, leak->count - 1 > MEMBERS_SHOWN ? ", … %" PRIu32 " more\n" : "\n", leak->count - 1 - MEMBERS_SHOWN);
    const rhi_event *birth = rhi__object_at_index(a->session, a->reader, members[0], &object) ? birth_of(a, shown, &object) : NULL;
    if (birth) {
        rhi__print(s, "  allocated by thread %" PRIu32 " (event %" PRIu64 ")%s\n", birth->thread, birth->sequence,
                   birth->depth ? " at:" : "");
        rhi__stack_print(s, a->reader, birth, "    ");
    }
    rhi__print(s, "  next: refs %s\n", id);
}

static void print_undecided(answer *a)
{
    if (!a->leaks->is_decided)
        rhi__print(a->session,
                   "\n%" PRIu64 " object%s a count whose owner was not found; not everything could be searched, so nothing is called lost\n",
                   a->leaks->undecided, a->leaks->undecided == 1 ? " has" : "s have");
}

static void print_text(answer *a)
{
    print_totals(a);
    for (uint64_t i = 0; i < a->shown.count; i++)
        print_group(a, i);
    if (a->all.groups > a->shown.count)
        rhi__print(a->session, "\n… %" PRIu64 " more group%s (--limit=0 shows all)\n", a->all.groups - a->shown.count,
                   rhi__plural(a->all.groups - a->shown.count));
    print_undecided(a);
    rhi__print_provisional(a->session);
    rhi__print_incomplete(a->session);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

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
    json_t *json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o}", "cause", rhi__cause_word(leak->cause), "objects", objects,
                             "bytes",
                             rhi__json_u64(leak->bytes), "count", rhi__json_u64(leak->count), "retained", rhi__json_u64(leak->retained),
                             "representative", id, "representative_address",
                             rhi__json_address(rhi__object_address(a->reader, members[0])));
    if (leak->count > a->args->limit)
        json_object_set_new(json, "objects_total", rhi__json_u64(leak->count));
    if (leak->cause == RHI_CAUSE_DEPENDENT) {
        index_id(a, leak->of, id, sizeof id);
        json_object_set_new(json, "of", json_string(id));
    }
    if (leak->block != RHI_NO_BLOCK)
        json_object_set_new(json, "block", rhi__block_json(a->session, leak->block));
    const rhi_event *birth = rhi__object_at_index(a->session, a->reader, members[0], &object) ? birth_of(a, shown, &object) : NULL;
    if (birth)
        json_object_set_new(json, "allocated", json_pack("{s:o, s:o, s:o}", "event", rhi__json_u64(birth->sequence), "thread",
                                                         rhi__json_u64(birth->thread), "stack", rhi__stack_json(a->session, a->reader, birth)));
    return json;
}

static json_t *total_json(const answer *a, const total *t)
{
    char id[RHI_ID_SIZE];
    index_id(a, t->sample, id, sizeof id);
    return json_pack("{s:s, s:s, s:o, s:o, s:o, s:s}", "cause", rhi__cause_word(t->cause), "type", rhi__type_name(a->reader, t->type),
                     "groups", rhi__json_u64(t->groups), "objects", rhi__json_u64(t->objects), "bytes", rhi__json_u64(t->bytes),
                     "sample", id);
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
    rhi__json_key(s, "objects", rhi__json_u64(a->all.objects));
    rhi__json_key(s, "bytes", rhi__json_u64(a->all.bytes));
    rhi__json_array(s, "by_type");
    for (uint64_t i = 0; i < a->by_type.count && i < a->args->limit; i++)
        rhi__json_item(s, total_json(a, &a->by_type.items[i]));
    rhi__json_array_end(s);
    if (a->by_type.count > a->args->limit)
        rhi__json_key(s, "by_type_total", rhi__json_u64(a->by_type.count));
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
    free(a.by_type.items);
    free(a.births);
    return error;
}
