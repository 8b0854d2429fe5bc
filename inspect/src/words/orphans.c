/* orphans.c - finds the topmost of the blocks that nothing reaches (see orphans.h). */
#include "words/orphans.h"
#include "base/array.h"

#include <string.h>

typedef struct search {
    rhi_session *session;
    const rhi_graph *graph;
    const rhi_malloc_graph *blocks;
    const rhi_owners *owners;
    rhi_orphans *orphans;
    uint64_t *loose;     /* objects that nothing holds */
    uint64_t *unreached; /* blocks */
    /* of these, blocks to which no leaked object leads that is a cause itself */
    uint64_t *orphaned;
    uint64_t *top;    /* blocks */
    uint64_t *wanted; /* objects that are not placed yet */
    rhi_walk walk;
} search;

static rhi_error *begin(search *s)
{
    uint64_t objects = (uint64_t)s->graph->count / 64 + 1,
             blocks = (uint64_t)s->blocks->count / 64 + 1;
    s->loose = calloc(objects, sizeof *s->loose);
    s->wanted = calloc(objects, sizeof *s->wanted);
    s->unreached = rhi__malloc_bits(s->blocks);
    s->orphaned = rhi__malloc_bits(s->blocks);
    s->top = rhi__malloc_bits(s->blocks);
    s->walk = (rhi_walk){.session = s->session,
                         .graph = s->graph,
                         .blocks = s->blocks,
                         .owners = s->owners,
                         .objects_within = s->loose,
                         .within = s->unreached,
                         .objects = calloc(objects, sizeof *s->walk.objects),
                         .met = rhi__malloc_bits(s->blocks)};
    if (!s->loose || !s->wanted || !s->unreached || !s->orphaned || !s->top || !s->walk.objects ||
        !s->walk.met)
        return rhi__error_memory();
    for (uint64_t i = 0; i < objects; i++)
        s->loose[i] = ~s->owners->held[i];
    for (uint64_t i = 0; i < blocks; i++)
        s->unreached[i] = ~s->blocks->reached[i];
    for (uint64_t i = 0; i < s->owners->words.count; i++)
        if (rhi__is_lost_with_block(s->owners, s->owners->words.items[i].to))
            rhi__bit_set(s->wanted, s->owners->words.items[i].to);
    return NULL;
}

/* What garbage and lost objects lead to hangs on those. */
static rhi_error *leave_out_what_objects_lead_to(search *s, const uint64_t *leaked)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (rhi__bit(leaked, i)) {
            rhi__bit_set(s->walk.objects, i);
            s->graph->queue[count++] = i;
        }
    RHI_TRY(rhi__walk(&s->walk, count, 0));
    for (uint64_t i = 0; i < (uint64_t)s->blocks->count / 64 + 1; i++)
        s->orphaned[i] = s->unreached[i] & ~s->walk.met[i];
    s->walk.within = s->orphaned;
    return NULL;
}

static void forget_walk(search *s)
{
    s->walk.queue.count = 0;
    memset(s->walk.met, 0, ((uint64_t)s->blocks->count / 64 + 1) * sizeof *s->walk.met);
    memset(s->walk.objects, 0, ((uint64_t)s->graph->count / 64 + 1) * sizeof *s->walk.objects);
}

static rhi_error *walk_from(search *s, uint32_t block)
{
    s->walk.queue.count = 0;
    rhi__bit_set(s->walk.met, block);
    return rhi__number_add(&s->walk.queue, block) ? rhi__walk(&s->walk, 0, 0) : rhi__error_memory();
}

/* First in address order, from each block that was not met before: what is begun with reaches
 * none that is begun with later, and a topmost one is met from itself alone, or from blocks
 * behind it that it leads to as well. Then from the last beginning to the first: one that is met
 * now is reached from a later one. (As with garbage in leaks.c.) */
static rhi_error *find_tops(search *s)
{
    forget_walk(s);
    for (uint32_t i = 0; i < s->blocks->count; i++)
        if (rhi__bit(s->orphaned, i) && !rhi__bit(s->walk.met, i)) {
            rhi__bit_set(s->top, i);
            RHI_TRY(walk_from(s, i));
        }
    forget_walk(s);
    for (uint32_t i = s->blocks->count; i-- > 0;) {
        if (!rhi__bit(s->top, i))
            continue;
        if (rhi__bit(s->walk.met, i))
            s->top[i / 64] &= ~(1ull << (i % 64));
        else
            RHI_TRY(walk_from(s, i));
    }
    return NULL;
}

/* The objects that the blocks of the queue own and that are not placed yet. */
static rhi_error *place_objects(search *s, rhi_numbers *objects)
{
    uint64_t first;
    for (uint64_t i = 0; i < s->walk.queue.count; i++) {
        uint64_t end = rhi__links_from(&s->owners->words, s->walk.queue.items[i], &first);
        for (; first < end; first++) {
            uint32_t to = s->owners->words.items[first].to;
            if (!rhi__bit(s->wanted, to))
                continue;
            s->wanted[to / 64] &= ~(1ull << (to % 64));
            if (!rhi__number_add(objects, to))
                return rhi__error_memory();
        }
    }
    return NULL;
}

/* What lies below a topmost block without an object between is its own; everything else depends on
 * some object. */
static rhi_error *place_all(search *s)
{
    forget_walk(s);
    for (uint32_t i = 0; i < s->blocks->count; i++) {
        if (!rhi__bit(s->top, i))
            continue;
        rhi_orphan top = {.block = i, .first = (uint32_t)s->orphans->objects.count};
        s->walk.queue.count = 0;
        rhi__bit_set(s->walk.met, i);
        if (!rhi__number_add(&s->walk.queue, i))
            return rhi__error_memory();
        RHI_TRY(rhi__malloc_spread(&s->session->work, s->blocks, s->walk.met, s->orphaned,
                                   &s->walk.queue, 0));
        RHI_TRY(place_objects(s, &s->orphans->objects));
        top.count = (uint32_t)s->orphans->objects.count - top.first;
        if (top.count == 0)
            continue;
        if (!rhi__array_reserve(&s->orphans->tops, 1))
            return rhi__error_memory();
        s->orphans->tops.items[s->orphans->tops.count++] = top;
    }
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (rhi__bit(s->wanted, i) && !rhi__number_add(&s->orphans->dependents, i))
            return rhi__error_memory();
    return NULL;
}

rhi_error *rhi__orphans_find(rhi_session *session, const rhi_graph *graph,
                             const rhi_malloc_graph *blocks, const rhi_owners *owners,
                             const uint64_t *leaked, rhi_orphans *orphans)
{
    search s = {
        .session = session, .graph = graph, .blocks = blocks, .owners = owners, .orphans = orphans};
    if (!owners->is_full || blocks->is_doubtful)
        return NULL;
    rhi_error *error = begin(&s);
    if (!error)
        error = leave_out_what_objects_lead_to(&s, leaked);
    if (!error)
        error = find_tops(&s);
    if (!error)
        error = place_all(&s);
    free(s.loose);
    free(s.wanted);
    free(s.unreached);
    free(s.orphaned);
    free(s.top);
    free(s.walk.objects);
    free(s.walk.met);
    free(s.walk.queue.items);
    return error;
}

void rhi__orphans_free(rhi_orphans *orphans)
{
    free(orphans->tops.items);
    free(orphans->objects.items);
    free(orphans->dependents.items);
    *orphans = (rhi_orphans){0};
}
