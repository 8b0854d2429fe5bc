/* cycles.c - strongly connected components of the graph that are cycles (see graph.h).
 *
 * Depth-first search waits for memory at every step, so it gets what is left over by cheaper
 * means, all breadth-first: objects that no cycle can pass are peeled off; then the component of
 * the best connected object, often most of the heap, is what it reaches and what reaches it (L.
 * Fleischer, B. Hendrickson, A. Pinar, "On identifying strongly connected components in
 * parallel", 2000); the rest by D. Pearce, "A space-efficient algorithm for finding strongly
 * connected components" (2016), without recursion.
 *
 * Invariant: an object is settled in `done` when its component is known. Then, once no more is
 * peeled, `number` is that of its cycle, or none; else it is the search's own. */
#include "graph/spread.h"
#include "base/array.h"
#include "base/work.h"

#include <string.h>

typedef struct frame {
    uint32_t object, edge, end;
    bool is_root; /* of its component, as far as is known */
} frame;

typedef struct search {
    rhi_work *work;
    rhi_graph *graph;
    uint64_t *done;
    uint32_t *number; /* peeling: referrers left. Search: order met; 0: not met */
    uint32_t *queue;
    uint32_t cycles, members;
    struct {
        frame *items;
        uint64_t count, capacity;
    } frames;
    /* of finished components' later members */
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } stack;
} search;

static bool has_self_edge(const rhi_graph *graph, uint32_t i)
{
    for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++)
        if (graph->edge_to[e] == i)
            return true;
    return false;
}

/* ---- peeling -------------------------------------------------------------------------------- */

/* Settles, again and again, objects without a referrer (forwards) or without a reference among
 * what is left: no cycle passes them. */
static rhi_error *peel(search *s, bool forwards)
{
    enum { ROW_AHEAD = 16, EDGES_AHEAD = 8 };
    const rhi_graph *g = s->graph;
    const uint32_t *in_start = forwards ? g->referrer_start : g->edge_start,
                   *in = forwards ? g->referrer_from : g->edge_to;
    const uint32_t *out_start = forwards ? g->edge_start : g->referrer_start,
                   *out = forwards ? g->edge_to : g->referrer_from;
    uint32_t tail = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t degree = in_start[i + 1] - in_start[i];
        /* what was peeled before counts no more */
        if (!forwards && degree && !rhi__bit(s->done, i))
            for (uint32_t e = in_start[i]; e < in_start[i + 1]; e++)
                degree -= rhi__bit(s->done, in[e]);
        s->number[i] = degree;
        if (degree == 0 && !rhi__bit(s->done, i))
            s->queue[tail++] = i;
    }
    for (uint32_t head = 0; head < tail; head++) {
        if (head % 65536 == 0)
            RHI_TRY(rhi__progress(s->work, "finding cycles", head, g->count));
        if (head + ROW_AHEAD < tail) {
            __builtin_prefetch(&out_start[s->queue[head + ROW_AHEAD]]);
            __builtin_prefetch(&out[out_start[s->queue[head + EDGES_AHEAD]]]);
        }
        uint32_t i = s->queue[head];
        rhi__bit_set(s->done, i);
        for (uint32_t e = out_start[i]; e < out_start[i + 1]; e++)
            if (!rhi__bit(s->done, out[e]) && --s->number[out[e]] == 0)
                s->queue[tail++] = out[e];
    }
    return NULL;
}

/* What was peeled is in no cycle; nothing else is met yet. */
static void number_peeled(search *s)
{
    for (uint32_t i = 0; i < s->graph->count; i++)
        s->number[i] = rhi__bit(s->done, i) ? RHI_NO_OBJECT : 0;
}

/* ---- the best connected object's component -------------------------------------------------- */

static uint32_t best_connected(const search *s)
{
    const rhi_graph *g = s->graph;
    uint64_t best = 0;
    uint32_t found = RHI_NO_OBJECT;
    for (uint32_t i = 0; i < g->count; i++) {
        uint64_t in = g->referrer_start[i + 1] - g->referrer_start[i],
                 out = g->edge_start[i + 1] - g->edge_start[i];
        if (in * out > best && !rhi__bit(s->done, i)) {
            best = in * out;
            found = i;
        }
    }
    return found;
}

/* What `from` reaches among what is not settled, or (backwards) of that what reaches it. */
static rhi_error *reach(search *s, uint32_t from, bool backwards, uint64_t *reached,
                        const uint64_t *within)
{
    s->queue[0] = from;
    rhi__bit_set(reached, from);
    return rhi__graph_reach(s->work, s->graph, backwards, reached, within, s->queue, 1);
}

/* Settles the members of a component, if it is a cycle. */
static void take_component(search *s, const uint64_t *members, uint32_t pivot)
{
    uint64_t words = (uint64_t)s->graph->count / 64 + 1;
    uint32_t count = 0;
    for (uint64_t w = 0; w < words; w++)
        count += rhi__population(members[w]);
    if (count < 2 && !has_self_edge(s->graph, pivot))
        return;
    for (uint64_t w = 0; w < words; w++) {
        for (uint64_t bits = members[w]; bits; bits &= bits - 1)
            s->number[w * 64 + (unsigned)__builtin_ctzll(bits)] = s->cycles;
        s->done[w] |= members[w];
    }
    s->cycles++;
    s->members += count;
}

static rhi_error *take_largest(search *s)
{
    uint64_t words = (uint64_t)s->graph->count / 64 + 1;
    uint32_t pivot = best_connected(s);
    if (pivot == RHI_NO_OBJECT)
        return NULL;
    uint64_t *left = malloc(words * 8), *down = calloc(words, 8), *both = calloc(words, 8);
    rhi_error *error = left && down && both ? NULL : rhi__error_memory();
    for (uint64_t w = 0; w < words && !error; w++)
        left[w] = ~s->done[w];
    if (!error)
        error = reach(s, pivot, false, down, left);
    if (!error)
        error = reach(s, pivot, true, both, down);
    if (!error)
        take_component(s, both, pivot);
    free(left);
    free(down);
    free(both);
    return error;
}

/* ---- the rest ------------------------------------------------------------------------------- */

/* number: 0 not met; 1, 2, …: order met, lowered to the earliest that is reachable. *next: the next
 * one: those of a finished component are given again. */
static bool enter(search *s, uint32_t *next, uint32_t i)
{
    if (!rhi__array_reserve(&s->frames, 1))
        return false;
    s->number[i] = (*next)++;
    s->frames.items[s->frames.count++] = (frame){.object = i,
                                                 .edge = s->graph->edge_start[i],
                                                 .end = s->graph->edge_start[i + 1],
                                                 .is_root = true};
    return true;
}

static void settle(search *s, uint32_t i, uint32_t cycle)
{
    rhi__bit_set(s->done, i);
    s->number[i] = cycle;
}

/* Leaves an object all of whose references were followed. False if memory is short. */
static bool leave(search *s, uint32_t *next, const frame *f)
{
    uint32_t i = f->object, number = s->number[i], first_member = s->members;
    if (!f->is_root) {
        if (!rhi__array_reserve(&s->stack, 1))
            return false;
        s->stack.items[s->stack.count++] = i;
        return true;
    }
    (*next)--;
    while (s->stack.count && s->number[s->stack.items[s->stack.count - 1]] >= number) {
        settle(s, s->stack.items[--s->stack.count], s->cycles);
        s->members++;
        (*next)--;
    }
    bool is_cycle = s->members > first_member || has_self_edge(s->graph, i);
    settle(s, i, is_cycle ? s->cycles : RHI_NO_OBJECT);
    s->members += is_cycle;
    s->cycles += is_cycle;
    return true;
}

static rhi_error *search_from(search *s, uint32_t *next, uint32_t start)
{
    if (!enter(s, next, start))
        return rhi__error_memory();
    for (uint32_t steps = 1; s->frames.count; steps++) {
        frame *f = &s->frames.items[s->frames.count - 1];
        if (steps % (1 << 18) == 0)
            RHI_TRY(rhi__progress(s->work, "finding cycles", steps, s->graph->edge_count));
        if (f->edge < f->end) {
            uint32_t target = s->graph->edge_to[f->edge];
            if (rhi__bit(s->done, target)) {
                f->edge++;
            } else if (s->number[target] == 0) {
                /* come back to this edge when the target is finished */
                if (!enter(s, next, target))
                    return rhi__error_memory();
            } else {
                f->edge++;
                if (s->number[target] < s->number[f->object]) {
                    s->number[f->object] = s->number[target];
                    f->is_root = false;
                }
            }
            continue;
        }
        frame left = *f;
        s->frames.count--;
        if (!leave(s, next, &left))
            return rhi__error_memory();
    }
    return NULL;
}

static rhi_error *search_rest(search *s)
{
    uint32_t next = 1;
    for (uint32_t i = 0; i < s->graph->count; i++)
        if (!rhi__bit(s->done, i))
            RHI_TRY(search_from(s, &next, i));
    return NULL;
}

/* ---- the result ----------------------------------------------------------------------------- */

/* Renumbers the cycles in the order of their first members, and lists all members in order. */
static rhi_error *list_members(search *s)
{
    rhi_graph *g = s->graph;
    uint32_t *renamed = malloc(((uint64_t)s->cycles + 1) * sizeof *renamed), next = 0;
    uint32_t *start = calloc((uint64_t)s->cycles + 2, sizeof *start);
    uint32_t *member = rhi__big_array((uint64_t)s->members + 1, sizeof *member);
    if (!renamed || !start || !member) {
        free(renamed);
        free(start);
        free(member);
        return rhi__error_memory();
    }
    memset(renamed, 0xff, ((uint64_t)s->cycles + 1) * sizeof *renamed);
    for (uint32_t i = 0; i < g->count; i++) {
        uint32_t *cycle = &s->number[i];
        if (*cycle == RHI_NO_OBJECT)
            continue;
        if (renamed[*cycle] == RHI_NO_OBJECT)
            renamed[*cycle] = next++;
        *cycle = renamed[*cycle];
        start[*cycle + 2]++;
    }
    for (uint32_t c = 0; c < s->cycles; c++)
        start[c + 2] += start[c + 1];
    for (uint32_t i = 0; i < g->count; i++)
        if (s->number[i] != RHI_NO_OBJECT)
            /* afterwards start[c + 1] is where cycle c ends */
            member[start[s->number[i] + 1]++] = i;
    free(renamed);
    g->cycle_start = start;
    g->cycle_member = member;
    g->cycle_count = s->cycles;
    g->cycle_of = s->number;
    return NULL;
}

rhi_error *rhi__graph_cycles(rhi_work *work, rhi_graph *graph)
{
    if (graph->cycle_of)
        return NULL;
    RHI_TRY(rhi__graph_referrers(work, graph));
    uint64_t n = (uint64_t)graph->count + 1;
    search s = {.work = work,
                .graph = graph,
                .done = calloc(n / 64 + 1, 8),
                .number = rhi__big_array(n, 4),
                .queue = graph->queue};
    rhi_error *error = s.done && s.number ? NULL : rhi__error_memory();
    if (!error)
        error = peel(&s, true);
    if (!error)
        error = peel(&s, false);
    if (!error) {
        number_peeled(&s);
        error = take_largest(&s);
    }
    if (!error)
        error = search_rest(&s);
    free(s.done);
    free(s.frames.items);
    free(s.stack.items);
    if (!error)
        error = list_members(&s);
    if (error)
        free(s.number);
    return error;
}
