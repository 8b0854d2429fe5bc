/* cycle_path.c - the shortest way round a cycle (see cycle_path.h).
 *
 * Breadth-first at once forwards from its first object and backwards to it, until the two meet: a
 * way of twenty steps through ten million objects is found after some thousand. Invariant: each
 * side's map leads from an object that it met to the one before it, seen from the first object. */
#include "base/array.h"
#include "questions/cycle_path.h"

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
    uint32_t from, to; /* the step that closes it; RHI_NO_OBJECT: none yet */
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

/* Objects in the order of the way: from the first one on, and, behind a gap, those before it comes
 * again. */
typedef struct way {
    uint32_t *head, *tail;
    uint64_t head_count, tail_count;
    bool has_gap; /* what lies between was not looked for: it is long */
} way;

static bool find_way(const rhi_graph *g, uint32_t cycle, way *found)
{
    search s = {.graph = g,
                .cycle = cycle,
                .first = g->cycle_member[g->cycle_start[cycle]],
                .from = RHI_NO_OBJECT};
    bool ok = meet(&s.ahead, s.first, s.first) && meet(&s.behind, s.first, s.first);
    while (ok && s.from == RHI_NO_OBJECT &&
           s.ahead.queue.count + s.behind.queue.count < OBJECTS_MAX &&
           s.ahead.next < s.ahead.queue.count && s.behind.next < s.behind.queue.count)
        ok = go_on(&s, s.ahead.queue.count - s.ahead.next <= s.behind.queue.count - s.behind.next);
    found->has_gap = s.from == RHI_NO_OBJECT;
    uint32_t from = found->has_gap && ok ? s.ahead.queue.items[s.ahead.queue.count - 1] : s.from;
    uint32_t to = found->has_gap && ok ? s.behind.queue.items[s.behind.queue.count - 1] : s.to;
    ok = ok && walk_back(&s, &s.ahead, from, &found->head, &found->head_count) &&
         walk_back(&s, &s.behind, to, &found->tail, &found->tail_count);
    for (uint64_t i = 0; ok && i < found->head_count / 2; i++) { /* it was found backwards */
        uint32_t swapped = found->head[i];
        found->head[i] = found->head[found->head_count - 1 - i];
        found->head[found->head_count - 1 - i] = swapped;
    }
    if (ok)
        found->tail_count--; /* the first object is where it ends, not a part of it again */
    rhi__map_free(&s.ahead.before);
    rhi__map_free(&s.behind.before);
    free(s.ahead.queue.items);
    free(s.behind.queue.items);
    return ok;
}

/* ---- steps ---------------------------------------------------------------------------------- */

typedef struct slot_search {
    uint32_t wanted;
    rhi_cycle_step *step;
} slot_search;

static bool take_slot(void *context, const rhi_edge *edge)
{
    slot_search *s = context;
    if (edge->to != s->wanted || edge->field->kind == RHI_KIND_BORROWED)
        return true;
    s->step->field = edge->field;
    s->step->element = edge->element;
    return false;
}

/* The object in this place of the way; behind the last one comes the first again. */
static uint32_t object_at(const way *w, uint64_t i)
{
    i %= w->head_count + w->tail_count;
    return i < w->head_count ? w->head[i] : w->tail[i - w->head_count];
}

static void take_steps(const rhi_selection *selection, const way *w, rhi_cycle_path *path)
{
    for (uint64_t i = 0; i < path->count; i++) {
        slot_search s = {.wanted = object_at(w, i + 1), .step = &path->steps[i]};
        path->steps[i] = (rhi_cycle_step){.from = object_at(w, i)};
        if (!(w->has_gap && i + 1 == w->head_count))
            rhi__each_edge(selection->session, selection->reader, path->steps[i].from, take_slot,
                           &s);
    }
}

rhi_error *rhi__find_cycle_path(const rhi_selection *selection, uint32_t cycle, uint64_t limit,
                                rhi_cycle_path *path)
{
    way w = {0};
    *path = (rhi_cycle_path){0};
    bool ok = find_way(selection->graph, cycle, &w);
    uint64_t length = w.head_count + w.tail_count, shown = w.has_gap ? w.head_count : length;
    path->count = shown < limit ? shown : limit;
    path->left_out = length - path->count;
    path->is_at_least = w.has_gap;
    path->steps = ok ? calloc(path->count + 1, sizeof *path->steps) : NULL;
    if (path->steps)
        take_steps(selection, &w, path);
    free(w.head);
    free(w.tail);
    return path->steps ? NULL : rhi__error_memory();
}

void rhi__cycle_path_free(rhi_cycle_path *path)
{
    free(path->steps);
    *path = (rhi_cycle_path){0};
}
