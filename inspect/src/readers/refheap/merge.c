/* merge.c - one history out of two (see merge.h).
 *
 * Each ring has its own numbers, so that clocks alone say how events of two of them followed each
 * other, as far as they can. Invariant: the events of a ring keep their order; an object dies after
 * all else that happened to it, and is born before that, and, since its heap counts up serials,
 * before whatever happened to an object of a higher one. */
#include "readers/refheap/merge.h"
#include "base/search.h"

#include <stdlib.h>
#include <string.h>

/* An event's place in its history; those of one object are neighbours, deaths behind the rest. */
typedef struct place {
    uint64_t serial;
    uint32_t index;
    uint32_t up_to_rest; /* how many events there are up to the last one of this serial or higher */
    bool is_free;
} place;

static int place_order(const void *left, const void *right)
{
    const place *a = left, *b = right;
    if (a->serial != b->serial)
        return a->serial < b->serial ? -1 : 1;
    if (a->is_free != b->is_free)
        return a->is_free ? 1 : -1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static place *places_of(const rhi_event *events, uint64_t count)
{
    place *places = malloc((count + 1) * sizeof *places);
    for (uint64_t i = 0; places && i < count; i++)
        places[i] = (place){.serial = events[i].serial,
                            .index = (uint32_t)i,
                            .is_free = events[i].kind == RHI_EVENT_FREE};
    if (places && count)
        qsort(places, count, sizeof *places, place_order);
    uint32_t up_to_rest = 0;
    for (uint64_t i = count; places && i-- > 0;) {
        up_to_rest = places[i].index >= up_to_rest ? places[i].index + 1 : up_to_rest;
        places[i].up_to_rest = up_to_rest;
    }
    return places;
}

/* How many events there are up to the death of the object; 0: there is none. */
static uint32_t up_to_death(const place *places, uint64_t count, uint64_t serial)
{
    const place bound = {.serial = serial, .index = UINT32_MAX, .is_free = true};
    uint64_t behind = rhi__first(0, count, at, place_order(&places[at], &bound) > 0);
    const place *last = behind ? &places[behind - 1] : NULL;
    return last && last->serial == serial && last->is_free ? last->index + 1 : 0;
}

/* How many up to the oldest that was not before the object's birth. */
static uint32_t up_to_birth(const place *places, uint64_t count, uint64_t serial)
{
    uint64_t first = rhi__first(0, count, at, places[at].serial >= serial);
    return first < count ? places[first].up_to_rest : 0;
}

/* For each event, how many of the other history are newer for certain. */
static uint32_t *newer_than(const rhi_event *events, uint64_t count, const rhi_event *others,
                            uint64_t other_count)
{
    uint32_t *newer = calloc(count + 1, sizeof *newer);
    place *places = places_of(others, other_count);
    for (uint64_t i = 0; newer && places && i < count; i++)
        if (events[i].kind == RHI_EVENT_ALLOC)
            newer[i] = up_to_birth(places, other_count, events[i].serial);
        else if (events[i].kind != RHI_EVENT_FREE)
            newer[i] = up_to_death(places, other_count, events[i].serial);
    if (!places) {
        free(newer);
        newer = NULL;
    }
    free(places);
    return newer;
}

/* For each event, when it happened at the earliest: not before what is older in its history. */
static uint64_t *earliest(const rhi_event *events, uint64_t count)
{
    uint64_t *from = calloc(count + 1, sizeof *from);
    for (uint64_t i = count; from && i-- > 0;)
        from[i] = events[i].time > from[i + 1] ? events[i].time : from[i + 1];
    return from;
}

typedef struct side {
    const rhi_event *events;
    uint64_t count, at;
    uint64_t *from;
    uint32_t *newer; /* NULL: no object of the other side is one of this side */
} side;

static bool prepare(side *s, const side *other, bool of_one_heap)
{
    s->from = earliest(s->events, s->count);
    s->newer = of_one_heap ? newer_than(s->events, s->count, other->events, other->count) : NULL;
    return s->from && (s->newer || !of_one_heap);
}

/* Is the next event of `a` the newest that is left? */
static bool is_next(const side *a, const side *b)
{
    if (a->at == a->count || b->at == b->count)
        return b->at == b->count;
    bool a_may = !a->newer || a->newer[a->at] <= b->at,
         b_may = !b->newer || b->newer[b->at] <= a->at;
    return a_may != b_may ? a_may : a->from[a->at] >= b->from[b->at];
}

bool rhi__history_merge(rhi_event *events, uint64_t *count, uint64_t limit, const rhi_event *others,
                        uint64_t other_count, bool of_one_heap)
{
    rhi_event *kept = malloc((*count + 1) * sizeof *kept);
    side a = {.events = others, .count = other_count}, b = {.events = kept, .count = *count};
    if (kept)
        memcpy(kept, events, *count * sizeof *kept);
    bool has_room = kept && prepare(&a, &b, of_one_heap) && prepare(&b, &a, of_one_heap);
    uint64_t n = 0;
    for (; has_room && n < limit && (a.at < a.count || b.at < b.count); n++)
        events[n] = is_next(&a, &b) ? others[a.at++] : kept[b.at++];
    *count = has_room ? n : *count;
    free(a.from);
    free(a.newer);
    free(b.from);
    free(b.newer);
    free(kept);
    return has_room;
}
