/* pairs.c - pairs the recorded retains and releases of an object (see pairs.h).
 *
 * Invariant: whatever the record holds, the work is bounded: at most EVENTS_MAX events, and stacks
 * are compared once for each two different ones, of which there are at most STACKS_MAX. */
#include "questions/pairs.h"
#include "base/array.h"
#include "questions/open_range.h"

#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = (1 << 16) + (1 << 12), STACKS_MAX = 2048, NOT_COMPARED = 255 };
#define NONE UINT32_MAX

typedef struct stack {
    uint32_t sample; /* an event that has it */
    uint32_t open;   /* its latest open retain, an event */
    uint64_t taken, left;
    unsigned best; /* the most calls that it shares with any release */
    bool is_release, is_birth;
} stack;

typedef struct pairing {
    rhi_work *work;
    rhi_pairs *pairs;
    uint64_t stack_depth;
    uint32_t *stack_of; /* by event: the number of its stack */
    uint32_t *before;   /* by event: the open retain of the same stack before it */
    uint32_t *order;    /* events by stack */
    stack *stacks;
    rhi_open_range *ranges; /* by stack */
    uint32_t stack_count;
    uint8_t *shared; /* by two stacks: their outer calls */
    int64_t early;
} pairing;

static bool takes(const rhi_event *event)
{
    return event->kind == RHI_EVENT_ALLOC || event->kind == RHI_EVENT_RETAIN;
}

static bool counts(const rhi_event *event)
{
    return takes(event) || event->kind == RHI_EVENT_RELEASE;
}

/* ---- stacks --------------------------------------------------------------------------------- */

static int event_order(const void *left, const void *right, void *context)
{
    const rhi_pairs *pairs = context;
    const rhi_event *a = &pairs->events[*(const uint32_t *)left],
                    *b = &pairs->events[*(const uint32_t *)right];
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    return memcmp(a->stack, b->stack, a->depth * sizeof *a->stack);
}

/* Numbers the different stacks. */
static void number_stacks(pairing *p)
{
    uint32_t count = 0;
    for (uint64_t i = 0; i < p->pairs->event_count; i++)
        if (counts(&p->pairs->events[i]))
            p->order[count++] = (uint32_t)i;
    qsort_r(p->order, count, sizeof *p->order, event_order, p->pairs);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t event = p->order[i];
        if (i == 0 || event_order(&p->order[i - 1], &event, p->pairs) != 0)
            p->stacks[p->stack_count++] = (stack){.sample = event, .open = NONE};
        stack *its = &p->stacks[p->stack_count - 1];
        its->is_release |= p->pairs->events[event].kind == RHI_EVENT_RELEASE;
        its->is_birth |= p->pairs->events[event].kind == RHI_EVENT_ALLOC;
        p->stack_of[event] = p->stack_count - 1;
    }
}

/* Calls that two stacks share from the outside, if the record of `a` lacks as many outer calls as
 * `outer`, which that of `b` has. */
static unsigned shared_from(const rhi_event *a, const rhi_event *b, unsigned outer)
{
    unsigned count = 0;
    while (count < a->depth && count + outer < b->depth &&
           a->stack[a->depth - 1 - count] == b->stack[b->depth - 1 - outer - count])
        count++;
    return count ? count + outer : 0;
}

static unsigned shared_calls(const pairing *p, const rhi_event *a, const rhi_event *b)
{
    unsigned best = shared_from(a, b, 0);
    for (unsigned outer = 1; a->depth == p->stack_depth && !best && outer < b->depth; outer++)
        best = shared_from(a, b, outer);
    for (unsigned outer = 1; b->depth == p->stack_depth && !best && outer < a->depth; outer++)
        best = shared_from(b, a, outer);
    return best;
}

static unsigned shared_by(pairing *p, uint32_t release, uint32_t retain)
{
    uint8_t *shared = &p->shared[(uint64_t)release * p->stack_count + retain];
    if (*shared == NOT_COMPARED)
        *shared = (uint8_t)shared_calls(p, &p->pairs->events[p->stacks[release].sample],
                                        &p->pairs->events[p->stacks[retain].sample]);
    return *shared;
}

static unsigned best_of(pairing *p, uint32_t retain)
{
    stack *self = &p->stacks[retain];
    if (self->best != NOT_COMPARED)
        return self->best;
    self->best = 0;
    for (uint32_t release = 0; release < p->stack_count; release++) {
        unsigned shared = p->stacks[release].is_release ? shared_by(p, release, retain) : 0;
        self->best = shared > self->best ? shared : self->best;
    }
    return self->best;
}

/* How well a retain fits: by shared calls, then by how few others it fits as well. */
static unsigned fit(pairing *p, uint32_t release, uint32_t retain)
{
    return shared_by(p, release, retain) * NOT_COMPARED + NOT_COMPARED - best_of(p, retain);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static void take(pairing *p, uint32_t event)
{
    stack *its = &p->stacks[p->stack_of[event]];
    p->before[event] = its->open;
    its->open = event;
    its->taken++;
    its->left++;
    rhi__range_take(p->ranges, p->stack_of[event]);
}

/* The stack whose latest open retain fits best, or NONE. Events are newest first: of two, the lower
 * number is the later one. */
static uint32_t choose(const pairing *p)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < p->stack_count; i++)
        if (p->stacks[i].open != NONE &&
            (best == NONE || p->ranges[i].fit > p->ranges[best].fit ||
             (p->ranges[i].fit == p->ranges[best].fit && p->stacks[i].open < p->stacks[best].open)))
            best = i;
    return best;
}

static void give_back(pairing *p, uint32_t event)
{
    for (uint32_t i = 0; i < p->stack_count; i++)
        if (p->ranges[i].most)
            p->ranges[i].fit = fit(p, p->stack_of[event], i);
    uint32_t best = choose(p);
    if (best == NONE) {
        p->pairs->unmatched += p->early <= 0;
        p->early -= p->early > 0;
        return;
    }
    stack *chosen = &p->stacks[best];
    chosen->open = p->before[chosen->open];
    chosen->left--;
    rhi__range_give_back(p->ranges, p->stack_count);
}

static int group_order(const void *left, const void *right)
{
    const rhi_pair_group *a = left, *b = right;
    if (a->open != b->open)
        return a->open > b->open ? -1 : 1;
    if (a->at_most != b->at_most)
        return a->at_most > b->at_most ? -1 : 1;
    return a->event < b->event ? -1 : a->event > b->event;
}

static rhi_error *group(pairing *p)
{
    rhi_pairs *pairs = p->pairs;
    for (uint32_t i = 0; i < p->stack_count; i++) {
        const stack *from = &p->stacks[i];
        if (!p->ranges[i].most)
            continue;
        if (!rhi__array_reserve(&pairs->groups, 1))
            return rhi__error_memory();
        pairs->groups.items[pairs->groups.count++] =
            (rhi_pair_group){.event = &pairs->events[from->sample],
                             .taken = from->taken,
                             .open = from->left,
                             .at_least = p->ranges[i].least,
                             .at_most = p->ranges[i].most,
                             .has_birth = from->is_birth};
    }
    if (pairs->groups.count)
        qsort(pairs->groups.items, pairs->groups.count, sizeof *pairs->groups.items, group_order);
    return NULL;
}

static rhi_error *pair(pairing *p)
{
    number_stacks(p);
    p->pairs->has_many = p->stack_count > STACKS_MAX;
    if (p->pairs->has_many)
        return NULL;
    size_t squares = (size_t)p->stack_count * p->stack_count;
    p->shared = malloc(squares + 1);
    p->ranges = calloc((size_t)p->stack_count + 1, sizeof *p->ranges);
    if (!p->shared || !p->ranges)
        return rhi__error_memory();
    memset(p->shared, NOT_COMPARED, squares);
    for (uint32_t i = 0; i < p->stack_count; i++) {
        p->stacks[i].best = NOT_COMPARED;
        p->ranges[i].set = RHI_NO_SET;
    }
    p->early = p->pairs->early;
    for (uint64_t i = p->pairs->event_count; i-- > 0;) {
        if (i % 1024 == 0)
            RHI_TRY(rhi__progress(p->work, "pairing retains and releases",
                                  p->pairs->event_count - i, p->pairs->event_count));
        if (takes(&p->pairs->events[i]))
            take(p, (uint32_t)i);
        else if (counts(&p->pairs->events[i]))
            give_back(p, (uint32_t)i);
    }
    bool is_known = !p->pairs->is_ended || p->pairs->has_begin || p->pairs->has_end;
    p->pairs->early_open = p->early > 0 && is_known ? (uint64_t)p->early : 0;
    return group(p);
}

/* Of several records with pauses between them the last one is kept. */
static void keep_last_range(rhi_pairs *pairs)
{
    rhi_event *events = pairs->events;
    uint64_t count = pairs->event_count, first = 0, end;
    if (pairs->is_ended && count && events[0].kind == RHI_EVENT_END) {
        pairs->has_end = true;
        pairs->stored = events[first++].count;
    }
    for (end = first; end < count && events[end].kind != RHI_EVENT_BEGIN; end++)
        if (events[end].kind == RHI_EVENT_END && !pairs->is_ahead)
            break;
    end = pairs->is_ahead ? first : end;
    if (end < count && !pairs->is_ahead) {
        pairs->has_begin = events[end].kind == RHI_EVENT_BEGIN;
        pairs->is_torn |= !pairs->has_begin;
        pairs->began_with = events[end].count;
    }
    for (uint64_t i = end; i < count; i++)
        pairs->earlier += counts(&events[i]);
    memmove(events, events + first, (end - first) * sizeof *events);
    pairs->event_count = end - first;
}

rhi_error *rhi__pair_events(rhi_work *work, uint64_t stack_depth, rhi_pairs *pairs)
{
    keep_last_range(pairs);
    uint64_t n = pairs->event_count, births = 0; /* more than one in damaged records alone */
    for (uint64_t i = 0; i < n; i++) {
        births += pairs->events[i].kind == RHI_EVENT_ALLOC;
        pairs->retains += pairs->events[i].kind == RHI_EVENT_RETAIN;
        pairs->releases += pairs->events[i].kind == RHI_EVENT_RELEASE;
    }
    pairs->from_birth = births != 0;
    int64_t change = (int64_t)(births + pairs->retains) - (int64_t)pairs->releases;
    if (pairs->is_ended && !pairs->has_end)
        pairs->stored =
            pairs->has_begin ? pairs->began_with + change : (int64_t)(births + pairs->retains);
    pairs->early = pairs->stored - change;
    pairs->is_torn |= pairs->has_begin && pairs->began_with != pairs->early;
    pairing p = {.work = work,
                 .pairs = pairs,
                 .stack_depth = stack_depth,
                 .stack_of = calloc(n + 1, sizeof *p.stack_of),
                 .before = calloc(n + 1, sizeof *p.before),
                 .order = calloc(n + 1, sizeof *p.order),
                 .stacks = calloc(n + 1, sizeof *p.stacks)};
    bool has_room = p.stack_of && p.before && p.order && p.stacks;
    rhi_error *error = has_room ? pair(&p) : rhi__error_memory();
    free(p.stack_of);
    free(p.before);
    free(p.order);
    free(p.stacks);
    free(p.shared);
    free(p.ranges);
    return error;
}

/* ---- the record ----------------------------------------------------------------------------- */

/* What was recorded while the object was not traced is of no count: the birth, for one. Newest
 * first. What is traced there and of another object was before this one. */
static void keep_own(rhi_pairs *pairs, const rhi_object *object)
{
    uint64_t kept = 0;
    bool is_other = false;
    for (uint64_t i = 0; i < pairs->event_count; i++) {
        if (!pairs->events[i].traced)
            continue;
        bool is_own = pairs->events[i].serial == object->serial;
        pairs->is_torn |= is_own && is_other;
        is_other |= !is_own;
        if (is_own)
            pairs->events[kept++] = pairs->events[i];
    }
    pairs->event_count = kept;
    pairs->is_ended = !pairs->is_traced && kept;
    pairs->last = kept ? pairs->events[0].sequence : 0;
}

rhi_error *rhi__pairs(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                      rhi_pairs *pairs)
{
    *pairs = (rhi_pairs){.is_traced = object->traced,
                         .is_untold = object->untold,
                         .phase = reader->heaps.items[object->heap].phase,
                         .is_provisional = !rhi__is_at_rest(reader, object->heap),
                         .stored = object->count - object->held - (object->state == RHI_DYING)};
    rhi__trace(reader, object->heap, &pairs->trace);
    pairs->is_ahead = object->has_gap && pairs->trace.has_ranges;
    pairs->has_gap = object->has_gap && !pairs->trace.has_ranges;
    if (!object->traced && !pairs->trace.any)
        return NULL;
    pairs->events = calloc(EVENTS_MAX + 1, sizeof *pairs->events);
    if (!pairs->events)
        return rhi__error_memory();
    uint64_t count = rhi__history(reader, object->address, 0, true, pairs->events, EVENTS_MAX + 1);
    pairs->is_unread = reader->is_history_short;
    bool is_cut = count > EVENTS_MAX;
    pairs->event_count = count - is_cut;
    keep_own(pairs, object);
    /* a collection borrows counts, which is no change of theirs */
    pairs->is_changing =
        pairs->trace.changing == object->address || !rhi__is_at_rest(reader, object->heap);
    pairs->is_lost = pairs->trace.lost != 0;
    RHI_TRY(rhi__pair_events(&session->work, reader->heaps.items[object->heap].stack_depth, pairs));
    bool has_start = pairs->from_birth || pairs->has_begin;
    pairs->is_cut = is_cut && !has_start;
    pairs->is_forgotten = pairs->trace.begin && !has_start;
    /* each record has one, and nothing is forgotten */
    pairs->is_torn |= pairs->is_traced && pairs->trace.has_ranges && !pairs->is_ahead &&
                      !has_start && !pairs->trace.begin;
    return NULL;
}

void rhi__pairs_free(rhi_pairs *pairs)
{
    free(pairs->events);
    free(pairs->groups.items);
}
