/* cycles.c - strongly connected components of the graph, without recursion (see graph.h).
 * Invariant of the search: an object is on `stack` iff it was met and its component is not finished. */
#include "graph.h"
#include "session.h"

#include <string.h>

typedef struct tarjan {
    rhi_graph *graph;
    uint32_t *degree; /* referrers left while peeling; UINT32_MAX: peeled. Then: order met, 0: not yet */
    uint32_t *low;    /* earliest object on the stack that is reachable */
    uint32_t *next;   /* next edge to look at */
    uint32_t *stack, *path;
    uint32_t stack_count, order;
    uint8_t *state; /* enum node_state */
    uint32_t members, cycles;
} tarjan;

enum node_state { UNSEEN, PEELED, ON_STACK, FINISHED };

static bool has_self_edge(const rhi_graph *graph, uint32_t i)
{
    for (uint32_t e = graph->edge_start[i]; e < graph->edge_start[i + 1]; e++)
        if (graph->edge_to[e] == i)
            return true;
    return false;
}

/* Peels off, again and again, objects without a referrer (`forward`) or without a reference: no cycle
 * passes them. `t->stack` serves as the work list. */
static void peel(tarjan *t, bool forward)
{
    const rhi_graph *graph = t->graph;
    const uint32_t *in_start = forward ? graph->referrer_start : graph->edge_start;
    const uint32_t *in = forward ? graph->referrer_from : graph->edge_to;
    const uint32_t *out_start = forward ? graph->edge_start : graph->referrer_start;
    const uint32_t *out = forward ? graph->edge_to : graph->referrer_from;
    uint32_t work = 0;
    for (uint32_t i = 0; i < graph->count; i++) {
        t->degree[i] = 0;
        if (t->state[i] == PEELED)
            continue;
        for (uint32_t e = in_start[i]; e < in_start[i + 1]; e++)
            t->degree[i] += t->state[in[e]] != PEELED;
        if (t->degree[i] == 0)
            t->stack[work++] = i;
    }
    while (work) {
        uint32_t i = t->stack[--work];
        t->state[i] = PEELED;
        for (uint32_t e = out_start[i]; e < out_start[i + 1]; e++)
            if (t->state[out[e]] != PEELED && --t->degree[out[e]] == 0)
                t->stack[work++] = out[e];
    }
}

static void finish_component(tarjan *t, uint32_t root)
{
    rhi_graph *graph = t->graph;
    uint32_t first = t->members, member;
    do {
        member = t->stack[--t->stack_count];
        t->state[member] = FINISHED;
        graph->cycle_member[t->members++] = member;
    } while (member != root);
    if (t->members - first == 1 && !has_self_edge(graph, root))
        t->members = first;
    else
        graph->cycle_start[++t->cycles] = t->members;
}

static void enter(tarjan *t, uint32_t i, uint32_t *depth)
{
    t->degree[i] = t->low[i] = ++t->order;
    t->next[i] = t->graph->edge_start[i];
    t->state[i] = ON_STACK;
    t->stack[t->stack_count++] = i;
    t->path[(*depth)++] = i;
}

static rhi_error *search_from(rhi_session *session, tarjan *t, uint32_t start)
{
    uint32_t depth = 0, steps = 0;
    enter(t, start, &depth);
    while (depth) {
        uint32_t i = t->path[depth - 1];
        if (++steps % (1 << 20) == 0)
            RHI_TRY(rhi__progress(session, "finding cycles", t->order, t->graph->count));
        if (t->next[i] < t->graph->edge_start[i + 1]) {
            uint32_t target = t->graph->edge_to[t->next[i]++];
            if (t->state[target] == UNSEEN)
                enter(t, target, &depth);
            else if (t->state[target] == ON_STACK && t->degree[target] < t->low[i])
                t->low[i] = t->degree[target];
            continue;
        }
        depth--;
        if (t->low[i] == t->degree[i])
            finish_component(t, i);
        else if (depth && t->low[i] < t->low[t->path[depth - 1]])
            t->low[t->path[depth - 1]] = t->low[i];
    }
    return NULL;
}

/* Renumbers the cycles in the order of their first members, and lists all members in order. */
static rhi_error *put_in_order(rhi_graph *g)
{
    uint32_t *renamed = malloc(((uint64_t)g->cycle_count + 1) * sizeof *renamed), next = 0, at = 0;
    uint32_t *start = calloc((uint64_t)g->cycle_count + 2, sizeof *start);
    if (!renamed || !start) {
        free(renamed);
        free(start);
        free(g->cycle_of);
        g->cycle_of = NULL;
        return rhi__error_memory();
    }
    memset(renamed, 0xff, ((uint64_t)g->cycle_count + 1) * sizeof *renamed);
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->cycle_of[i] == RHI_NO_OBJECT)
            continue;
        if (renamed[g->cycle_of[i]] == RHI_NO_OBJECT)
            renamed[g->cycle_of[i]] = next++;
        g->cycle_of[i] = renamed[g->cycle_of[i]];
        start[g->cycle_of[i] + 1]++;
    }
    for (uint32_t c = 0; c < g->cycle_count; c++) {
        uint32_t size = start[c + 1];
        start[c + 1] = at;
        at += size;
    }
    for (uint32_t i = 0; i < g->count; i++)
        if (g->cycle_of[i] != RHI_NO_OBJECT)
            g->cycle_member[start[g->cycle_of[i] + 1]++] = i;
    free(renamed);
    free(g->cycle_start);
    g->cycle_start = start;
    return NULL;
}

rhi_error *rhi__graph_cycles(rhi_session *session, rhi_graph *graph)
{
    if (graph->cycle_of)
        return NULL;
    RHI_TRY(rhi__graph_referrers(session, graph));
    uint64_t n = (uint64_t)graph->count + 1;
    uint32_t *numbers = malloc(n * 5 * sizeof *numbers);
    uint8_t *state = calloc(n, 1);
    free(graph->cycle_member); /* of a search that was cancelled */
    free(graph->cycle_start);
    graph->cycle_member = malloc(n * sizeof *graph->cycle_member);
    graph->cycle_start = calloc(n + 1, sizeof *graph->cycle_start);
    rhi_error *error = numbers && state && graph->cycle_member && graph->cycle_start ? NULL : rhi__error_memory();
    if (!error) {
        tarjan t = {.graph = graph, .degree = numbers, .low = numbers + n, .next = numbers + 2 * n, .stack = numbers + 3 * n,
                    .path = numbers + 4 * n, .state = state};
        peel(&t, true);
        peel(&t, false);
        for (uint32_t i = 0; i < graph->count && !error; i++)
            if (state[i] == UNSEEN)
                error = search_from(session, &t, i);
        graph->cycle_count = t.cycles;
        if (!error && !(graph->cycle_of = malloc(n * sizeof *graph->cycle_of)))
            error = rhi__error_memory();
        if (!error)
            memset(graph->cycle_of, 0xff, n * sizeof *graph->cycle_of);
        for (uint32_t c = 0; c < t.cycles && !error; c++)
            for (uint32_t m = graph->cycle_start[c]; m < graph->cycle_start[c + 1]; m++)
                graph->cycle_of[graph->cycle_member[m]] = c;
        if (!error)
            error = put_in_order(graph);
    }
    free(numbers);
    free(state);
    return error;
}
