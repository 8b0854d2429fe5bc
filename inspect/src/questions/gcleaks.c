/* gcleaks.c - counts what is leaked, and finds what is alike (see gcleaks.h). */
#include "questions/gcleaks.h"
#include "base/array.h"
#include "heap/objects.h"
#include "questions/selection.h"

#include <string.h>

/* Of so many groups, the largest, is it asked which stack made them, or which line; others are
 * alike by cause and type. */
enum { BIRTHS_AT_ONCE = 1 << 14, SITES_LOOKED_UP = 1 << 18 };

typedef struct rhi_gcleaks answer;

typedef struct gathering {
    answer *answer;
    bool each;
    rhi_leak_list looked_up; /* those whose stacks are compared */
    /* Of the representatives of so many groups of a list at a time: */
    rhi_born *born;
    rhi_event *births;
    uint64_t birth_count;
} gathering;

/* ---- counting ------------------------------------------------------------------------------- */

static int total_order(const void *left, const void *right)
{
    const rhi_leak_total *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    if (a->cause != b->cause)
        return a->cause < b->cause ? -1 : 1;
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return a->leak < b->leak ? -1 : a->leak > b->leak;
}

/* Of one that is in use nothing is retained, but its own bytes count. */
static uint64_t weight(const rhi_leak_total *t)
{
    return t->retained > t->bytes ? t->retained : t->bytes;
}

static int look_order(const void *left, const void *right)
{
    const rhi_leak_total *a = left, *b = right;
    if ((a->cause == RHI_CAUSE_DEPENDENT) != (b->cause == RHI_CAUSE_DEPENDENT))
        return a->cause == RHI_CAUSE_DEPENDENT ? 1 : -1;
    if (weight(a) != weight(b))
        return weight(a) > weight(b) ? -1 : 1;
    return total_order(left, right);
}

static int kind_order(const void *left, const void *right)
{
    const rhi_leak_total *a = left, *b = right;
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

static void count_group(rhi_leak_total *t, const rhi_leaks *leaks, uint32_t number)
{
    const rhi_leak *leak = &leaks->groups[number];
    if (t->groups++ == 0) {
        t->leak = number;
        t->sample = leaks->members[leak->first];
    }
    t->objects += leak->count;
    t->bytes += leak->bytes;
    t->retained += leak->retained;
    t->lost += leak->lost;
}

static bool has_births(const answer *a)
{
    for (uint64_t i = 0; i < a->reader->heaps.count; i++)
        if (a->reader->heaps.items[i].keeps_births)
            return true;
    return false;
}

/* Of how many groups, the largest, is it asked who made them? */
static uint64_t looked_up_at_most(const answer *a)
{
    for (uint64_t i = 0; i < a->reader->formats.count; i++)
        if (a->reader->formats.items[i].format->site)
            return SITES_LOOKED_UP;
    return has_births(a) ? BIRTHS_AT_ONCE : 0;
}

static rhi_error *add_to_list(rhi_leak_list *list, uint32_t leak)
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
static rhi_error *count_groups(gathering *g, rhi_leak_total *table, rhi_leak_total *others[2],
                               uint64_t types)
{
    answer *a = g->answer;
    uint64_t looked_up = looked_up_at_most(a);
    for (uint32_t i = 0; i < a->leaks->group_count; i++) {
        const rhi_leak *leak = &a->leaks->groups[i];
        if (!rhi__heap_wanted(a->session, a->reader, leak->heap))
            continue;
        if (rhi__is_at_rest(a->reader, leak->heap) && !leak->is_guessed)
            a->certain += leak->count;
        uint64_t place = leak->cause * types + (leak->type < types ? leak->type : types - 1);
        count_group(&a->all, a->leaks, i);
        count_group(&a->by_cause[leak->cause], a->leaks, i);
        count_group(&table[place], a->leaks, i);
        if (g->looked_up.count < looked_up)
            RHI_TRY(add_to_list(&g->looked_up, i));
        else
            count_group(&others[is_in_use(a->leaks, i)][place], a->leaks, i);
        if (g->each && a->each.count < a->limit)
            RHI_TRY(add_to_list(&a->each, i));
    }
    return NULL;
}

/* Appends the entries of a table that have groups. */
static rhi_error *list_totals(rhi_leak_totals *list, const rhi_leak_total *table, uint64_t types,
                              bool in_use)
{
    for (uint64_t i = 0; i < types * RHI_CAUSES; i++) {
        if (table[i].groups == 0)
            continue;
        if (!rhi__array_reserve(list, 1))
            return rhi__error_memory();
        rhi_leak_total *added = &list->items[list->count++];
        *added = table[i];
        added->cause = (uint8_t)(i / types);
        added->type = (uint32_t)(i % types);
        added->in_use = in_use;
    }
    return NULL;
}

/* ---- allocation sites ----------------------------------------------------------------------- */

/* The births of the representatives of groups, from one pass over the histories. */
static void find_births(gathering *g, const uint32_t *leaks, uint64_t count)
{
    const answer *a = g->answer;
    rhi_object object;
    g->birth_count = 0;
    if (!g->births && (!(g->births = calloc(BIRTHS_AT_ONCE, sizeof *g->births)) ||
                       !(g->born = calloc(BIRTHS_AT_ONCE, sizeof *g->born)))) {
        rhi__note(&a->session->notes, "memory is short: allocation sites are left out");
        return;
    }
    for (uint64_t i = 0; g->born && i < count && i < BIRTHS_AT_ONCE; i++)
        if (rhi__object_at_index(a->session, a->reader,
                                 a->leaks->members[a->leaks->groups[leaks[i]].first], &object))
            g->born[g->birth_count++] = (rhi_born){object.serial, object.address};
    if (g->birth_count == 0)
        return;
    qsort(g->born, g->birth_count, sizeof *g->born, rhi__born_order);
    rhi__births(a->reader, g->born, g->birth_count, g->births);
}

/* The recorded birth of the representative of a group whose births were found, or NULL. */
static const rhi_event *birth_among(const gathering *g, uint32_t leak)
{
    const answer *a = g->answer;
    rhi_object object;
    if (g->birth_count == 0 ||
        !rhi__object_at_index(a->session, a->reader,
                              a->leaks->members[a->leaks->groups[leak].first], &object))
        return NULL;
    const rhi_born wanted = {object.serial, object.address},
                   *born =
                       bsearch(&wanted, g->born, g->birth_count, sizeof wanted, rhi__born_order);
    const rhi_event *birth = born ? &g->births[born - g->born] : NULL;
    return birth && birth->kind == RHI_EVENT_ALLOC ? birth : NULL;
}

/* The same for all groups of a list. */
static rhi_error *list_births(gathering *g, rhi_leak_list *list)
{
    list->birth_of = calloc(list->count + 1, sizeof *list->birth_of);
    if (!list->birth_of)
        return rhi__error_memory();
    for (uint64_t i = 0; i < list->count; i++) {
        if (i % BIRTHS_AT_ONCE == 0)
            find_births(g, list->items + i, list->count - i);
        const rhi_event *birth = birth_among(g, list->items[i]);
        if (!birth)
            continue;
        if (!rhi__array_reserve(&list->births, 1))
            return rhi__error_memory();
        list->births.items[list->births.count++] = *birth;
        list->birth_of[i] = (uint32_t)list->births.count;
    }
    return NULL;
}

static uint64_t stack_mark(const rhi_event *birth)
{
    uint64_t mark = birth && birth->depth ? 0xcbf29ce484222325u : 0;
    for (unsigned i = 0; birth && i < birth->depth; i++)
        mark = ((mark ^ birth->stack[i]) * 0x9e3779b97f4a7c15u) ^ mark >> 29;
    return mark;
}

/* ---- groups that are alike ------------------------------------------------------------------ */

/* Of the line that made the representative of a group, and of the stack; 0: neither is known. */
static uint64_t mark_of(const gathering *g, uint32_t leak)
{
    const answer *a = g->answer;
    uint64_t mark = stack_mark(birth_among(g, leak));
    rhi_object object;
    rhi_site site;
    if (rhi__object_at_index(a->session, a->reader, a->leaks->members[a->leaks->groups[leak].first],
                             &object) &&
        rhi__site(a->reader, &object, &site))
        return mark ^ ((uint64_t)site.number << 1 | 1) * 0x9e3779b97f4a7c15u;
    return mark;
}

/* Adds those that are looked up, each by itself. */
static rhi_error *add_looked_up(gathering *g)
{
    answer *a = g->answer;
    if (g->looked_up.count && has_births(a))
        find_births(g, g->looked_up.items, g->looked_up.count);
    if (!rhi__array_reserve(&a->alike, g->looked_up.count + 1))
        return rhi__error_memory();
    for (uint64_t i = 0; i < g->looked_up.count; i++) {
        uint32_t number = g->looked_up.items[i];
        const rhi_leak *leak = &a->leaks->groups[number];
        uint32_t types = (uint32_t)a->reader->types.count;
        rhi_leak_total one = {.cause = leak->cause,
                              .type = leak->type < types ? leak->type : types,
                              .stack = mark_of(g, number),
                              .in_use = is_in_use(a->leaks, number)};
        count_group(&one, a->leaks, number);
        a->alike.items[a->alike.count++] = one;
    }
    return NULL;
}

/* Makes one of those that are alike. */
static void join_alike(rhi_leak_totals *alike)
{
    uint64_t kept = 0;
    if (alike->count)
        qsort(alike->items, alike->count, sizeof *alike->items, kind_order);
    for (uint64_t i = 0; i < alike->count; i++) {
        rhi_leak_total *last = &alike->items[kept ? kept - 1 : 0], *next = &alike->items[i];
        if (kept && last->cause == next->cause && last->type == next->type &&
            last->stack == next->stack && last->in_use == next->in_use) {
            last->groups += next->groups;
            last->objects += next->objects;
            last->bytes += next->bytes;
            last->retained += next->retained;
            last->lost += next->lost;
        } else {
            alike->items[kept++] = *next;
        }
    }
    alike->count = kept;
    if (kept)
        qsort(alike->items, kept, sizeof *alike->items, look_order);
}

static void free_gathering(gathering *g)
{
    free(g->looked_up.items);
    free(g->born);
    free(g->births);
}

rhi_error *rhi__list_alike(answer *a, uint64_t limit, rhi_leak_list *list)
{
    gathering g = {.answer = a};
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < a->alike.count && i < limit && !error; i++)
        error = add_to_list(list, a->alike.items[i].leak);
    if (!error)
        error = list_births(&g, list);
    free_gathering(&g);
    return error;
}

/* The largest of each kind that is shown, and whether their allocations are recorded. */
static rhi_error *list_largest(answer *a)
{
    RHI_TRY(rhi__list_alike(a, a->limit, &a->largest));
    for (uint64_t i = 0; i < a->largest.count; i++) {
        const rhi_event *birth = rhi__birth(&a->largest, i);
        const rhi_leak *leak = &a->leaks->groups[a->largest.items[i]];
        rhi_object object;
        rhi_site site;
        if (rhi__leak_is_lost(leak) && !(birth && birth->depth) && !a->unrecorded &&
            !(rhi__object_at_index(a->session, a->reader, a->leaks->members[leak->first],
                                   &object) &&
              rhi__site(a->reader, &object, &site)))
            a->unrecorded = rhi__format_of(a->reader, leak->heap);
    }
    return NULL;
}

static int frequency_order(const void *left, const void *right)
{
    const rhi_leak_total *a = left, *b = right;
    if (a->objects != b->objects)
        return a->objects > b->objects ? -1 : 1;
    return total_order(left, right);
}

/* What lost references are of, most frequent first. */
static rhi_error *list_lost(answer *a)
{
    if (!rhi__array_reserve(&a->lost_by_type, a->by_type.count + 1))
        return rhi__error_memory();
    for (uint64_t i = 0; i < a->by_type.count; i++)
        if (a->by_type.items[i].cause == RHI_CAUSE_LOST)
            a->lost_by_type.items[a->lost_by_type.count++] = a->by_type.items[i];
    if (a->lost_by_type.count)
        qsort(a->lost_by_type.items, a->lost_by_type.count, sizeof *a->lost_by_type.items,
              frequency_order);
    return NULL;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static rhi_error *count_all(gathering *g)
{
    answer *a = g->answer;
    uint64_t types = a->reader->types.count + 1; /* one more: of damaged objects */
    rhi_leak_total *table = calloc(3 * types * RHI_CAUSES, sizeof *table);
    if (!table)
        return rhi__error_memory();
    rhi_leak_total *others[] = {table + types * RHI_CAUSES, table + 2 * types * RHI_CAUSES};
    rhi_error *error = count_groups(g, table, others, types);
    if (!error)
        error = list_totals(&a->by_type, table, types, false);
    for (int in_use = 0; in_use < 2 && !error; in_use++)
        error = list_totals(&a->alike, others[in_use], types, in_use);
    free(table);
    if (!error && a->by_type.count)
        qsort(a->by_type.items, a->by_type.count, sizeof *a->by_type.items, total_order);
    return error ? error : list_lost(a);
}

static rhi_error *gather(gathering *g)
{
    answer *a = g->answer;
    rhi_leaks *leaks;
    rhi_owners *owners;
    RHI_TRY(rhi__session_reader(a->session, &a->reader));
    RHI_TRY(rhi__session_leak_groups(a->session, &leaks));
    RHI_TRY(rhi__session_graph(a->session, &a->graph));
    RHI_TRY(rhi__session_owners(a->session, a->reader, false, &owners));
    a->leaks = leaks;
    a->owners = owners;
    for (uint64_t i = 0; i < a->reader->formats.count && !a->collect_word; i++)
        a->collect_word = a->reader->formats.items[i].format->collect_word;
    for (uint64_t i = 0; i < a->reader->heaps.count; i++)
        if (a->reader->heaps.items[i].format->collect_word)
            a->collectors += a->reader->heaps.items[i].collectors;
    RHI_TRY(count_all(g));
    RHI_TRY(add_looked_up(g));
    join_alike(&a->alike);
    RHI_TRY(list_births(g, &a->each));
    return list_largest(a);
}

rhi_error *rhi__gcleaks(rhi_session *session, bool each, uint64_t limit, answer *a)
{
    gathering g = {.answer = a, .each = each};
    *a = (answer){.session = session, .limit = limit};
    rhi_error *error = gather(&g);
    free_gathering(&g);
    return error;
}

void rhi__leak_list_free(rhi_leak_list *list)
{
    free(list->items);
    free(list->births.items);
    free(list->birth_of);
}

void rhi__gcleaks_free(answer *a)
{
    rhi__leak_list_free(&a->each);
    rhi__leak_list_free(&a->largest);
    free(a->by_type.items);
    free(a->alike.items);
    free(a->lost_by_type.items);
}
