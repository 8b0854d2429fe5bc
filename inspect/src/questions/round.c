/* round.c - the shortest way round a cycle (see selection.h).
 *
 * Breadth-first at once forwards from its first object and backwards to it, until the two meet: a
 * way of twenty steps through ten million objects is found after some thousand. Invariant: each
 * side's map leads from an object that it met to the one before it, seen from the first object. */
#include "base/array.h"
#include "questions/selection.h"

enum { OBJECTS_MAX = 1 << 15 }; /* met on both sides together */

typedef struct side {
    rhi_map before;
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } queue;
    uint64_t next; /* in the queue */
} side;

typedef struct search {
    const rhi_graph *graph;
    uint32_t cycle, first;
    side ahead, behind;
    uint32_t from, to; /* the step that closes the round; RHI_NO_OBJECT: none yet */
} search;

static bool meet(side *s, uint32_t index, uint32_t before)
{
    if (!rhi__array_reserve(&s->queue, 1) || !rhi__map_set(&s->before, index, before))
        return false;
    s->queue.items[s->queue.count++] = index;
    return true;
}

/* All steps from the newest ring of one side. False if memory is short. */
static bool go_on(search *s, bool forwards)
{
    const rhi_graph *g = s->graph;
    side *own = forwards ? &s->ahead : &s->behind;
    const side *other = forwards ? &s->behind : &s->ahead;
    const uint32_t *start = forwards ? g->edge_start : g->referrer_start,
                   *row = forwards ? g->edge_to : g->referrer_from;
    for (uint64_t end = own->queue.count; own->next < end; own->next++) {
        uint32_t i = own->queue.items[own->next];
        for (uint32_t e = start[i]; e < start[i + 1]; e++) {
            if (g->cycle_of[row[e]] != s->cycle)
                continue;
            if (rhi__map_get(&other->before, row[e]) != RHI_NOT_THERE) {
                s->from = forwards ? i : row[e];
                s->to = forwards ? row[e] : i;
                return true;
            }
            if (rhi__map_get(&own->before, row[e]) == RHI_NOT_THERE && !meet(own, row[e], i))
                return false;
            if (s->ahead.queue.count + s->behind.queue.count >= OBJECTS_MAX)
                return true;
        }
    }
    return true;
}

/* The objects from `index` back to the first one, both included. */
static bool walk_back(const search *s, const side *way, uint32_t index, uint32_t **items,
                      uint64_t *count)
{
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } list = {0};
    for (;; index = rhi__map_get(&way->before, index)) {
        if (!rhi__array_reserve(&list, 1)) {
            free(list.items);
            return false;
        }
        list.items[list.count++] = index;
        if (index == s->first)
            break;
    }
    *items = list.items;
    *count = list.count;
    return true;
}

rhi_error *rhi__find_round(const rhi_selection *selection, uint32_t cycle, rhi_round *round)
{
    const rhi_graph *g = selection->graph;
    search s = {.graph = g,
                .cycle = cycle,
                .first = g->cycle_member[g->cycle_start[cycle]],
                .from = RHI_NO_OBJECT};
    *round = (rhi_round){0};
    bool ok = meet(&s.ahead, s.first, s.first) && meet(&s.behind, s.first, s.first);
    while (ok && s.from == RHI_NO_OBJECT &&
           s.ahead.queue.count + s.behind.queue.count < OBJECTS_MAX &&
           s.ahead.next < s.ahead.queue.count && s.behind.next < s.behind.queue.count)
        ok = go_on(&s, s.ahead.queue.count - s.ahead.next <= s.behind.queue.count - s.behind.next);
    round->has_gap = s.from == RHI_NO_OBJECT;
    uint32_t from = round->has_gap && ok ? s.ahead.queue.items[s.ahead.queue.count - 1] : s.from;
    uint32_t to = round->has_gap && ok ? s.behind.queue.items[s.behind.queue.count - 1] : s.to;
    ok = ok && walk_back(&s, &s.ahead, from, &round->head, &round->head_count) &&
         walk_back(&s, &s.behind, to, &round->tail, &round->tail_count);
    for (uint64_t i = 0; ok && i < round->head_count / 2; i++) { /* it was found backwards */
        uint32_t swapped = round->head[i];
        round->head[i] = round->head[round->head_count - 1 - i];
        round->head[round->head_count - 1 - i] = swapped;
    }
    if (ok)
        round->tail_count--; /* the first object is where it ends, not a part of it again */
    rhi__map_free(&s.ahead.before);
    rhi__map_free(&s.behind.before);
    free(s.ahead.queue.items);
    free(s.behind.queue.items);
    if (!ok)
        rhi__round_free(round);
    return ok ? NULL : rhi__error_memory();
}

void rhi__round_free(rhi_round *round)
{
    free(round->head);
    free(round->tail);
    *round = (rhi_round){0};
}
