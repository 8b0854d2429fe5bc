/* inspect_graph.c - what is reached in graphs of every shape, by lists and by sweeps, against a
 * search that takes one reference at a time.
 *
 * The graphs are larger than those of fake heaps, so that both ways are taken, and each turns into
 * the other. */
#include "base/bits.h"
#include "graph/spread.h"
#include "unit_main.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* For loops: libcheck's own asserts write a record each time they pass. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

enum { COUNT = 50000, EDGES_MAX = 4 * COUNT, WORDS = COUNT / 64 + 1 };

static uint64_t random_state;

static uint32_t any(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % below);
}

/* Where reference `k` of object i leads in a graph of a shape; COUNT: nowhere. */
static uint32_t random_pair(uint32_t i, uint32_t k)
{
    (void)i;
    return k < 2 ? any(COUNT) : COUNT;
}
static uint32_t chain_up(uint32_t i, uint32_t k)
{
    return k == 0 && i + 1 < COUNT ? i + 1 : COUNT;
}
static uint32_t chain_down(uint32_t i, uint32_t k)
{
    return k == 0 && i ? i - 1 : COUNT;
}
static uint32_t tree_down(uint32_t i, uint32_t k) /* its root is the last object */
{
    uint32_t child = (COUNT - 1 - i) * 2 + 1 + k;
    return k < 2 && child < COUNT ? COUNT - 1 - child : COUNT;
}
/* Wide and narrow by turns: thousands at once, then one at a time. */
static uint32_t knots(uint32_t i, uint32_t k)
{
    enum { WIDE = 10000, LONG = 20000 };
    uint32_t inside = i % LONG, base = i - inside;
    if (inside >= WIDE) /* a chain that leads to the next knot */
        return k == 0 && i + 1 < COUNT ? i + 1 : COUNT;
    uint32_t to = base + (inside * 4 + 1 + k) % WIDE;
    return k == 3 ? base + WIDE : to < COUNT ? to : COUNT;
}
static uint32_t sparse(uint32_t i, uint32_t k)
{
    (void)i;
    return k == 0 && any(3) ? any(COUNT) : COUNT;
}

static uint32_t (*const shapes[])(uint32_t, uint32_t) = {random_pair, chain_up, chain_down,
                                                         tree_down,   knots,    sparse};
enum { SHAPES = sizeof shapes / sizeof *shapes };

typedef struct made {
    rhi_graph graph;
    uint32_t queue[COUNT + 1];
    uint64_t reached[WORDS], expected[WORDS], within[WORDS];
    uint32_t starts[COUNT], start_count;
} made;

static made *make(int shape, uint64_t seed)
{
    made *m = calloc(1, sizeof *m);
    MUST(m);
    rhi_graph *g = &m->graph;
    g->count = COUNT;
    g->edge_start = calloc(COUNT + 1, sizeof *g->edge_start);
    g->edge_to = calloc(EDGES_MAX, sizeof *g->edge_to);
    g->found_room = calloc(COUNT + 2, sizeof *g->found_room);
    MUST(g->edge_start && g->edge_to && g->found_room);
    g->found = g->found_room + 1;
    random_state = seed;
    for (uint32_t i = 0; i < COUNT; i++) {
        g->edge_start[i] = (uint32_t)g->edge_count;
        for (uint32_t k = 0; k < 4; k++) {
            uint32_t to = shapes[shape](i, k);
            if (to == COUNT)
                continue;
            g->edge_to[g->edge_count++] = to;
            g->found[to]++;
        }
    }
    g->edge_start[COUNT] = (uint32_t)g->edge_count;
    return m;
}

static void drop(made *m)
{
    free(m->graph.edge_start);
    free(m->graph.edge_to);
    free(m->graph.found_room);
    free(m->graph.referrer_from);
    if (m->graph.referrer_start != m->graph.found_room)
        free(m->graph.referrer_start);
    free(m);
}

/* One reference at a time, with a stack. */
static void expect(made *m, bool backwards, const uint64_t *within)
{
    const rhi_graph *g = &m->graph;
    uint32_t *stack = malloc((COUNT + 1) * sizeof *stack), depth = 0;
    MUST(stack);
    memset(m->expected, 0, sizeof m->expected);
    for (uint32_t s = 0; s < m->start_count; s++) {
        rhi__bit_set(m->expected, m->starts[s]);
        stack[depth++] = m->starts[s];
    }
    while (depth) {
        uint32_t i = stack[--depth];
        const uint32_t *start = backwards ? g->referrer_start : g->edge_start,
                       *to = backwards ? g->referrer_from : g->edge_to;
        for (uint32_t e = start[i]; e < start[i + 1]; e++)
            if (!rhi__bit(m->expected, to[e]) && (!within || rhi__bit(within, to[e]))) {
                rhi__bit_set(m->expected, to[e]);
                stack[depth++] = to[e];
            }
    }
    free(stack);
}

static void begin(made *m)
{
    memset(m->reached, 0, sizeof m->reached);
    memcpy(m->queue, m->starts, m->start_count * sizeof *m->starts);
    for (uint32_t s = 0; s < m->start_count; s++)
        rhi__bit_set(m->reached, m->starts[s]);
}

static void compare(made *m, bool backwards, const uint64_t *within)
{
    rhi_work work = {0};
    uint32_t count = m->start_count, bits = 0;
    expect(m, backwards, within);
    begin(m);
    MUST(!rhi__graph_reach(&work, &m->graph, backwards, m->reached, within, m->queue, count));
    MUST(memcmp(m->reached, m->expected, sizeof m->reached) == 0);
    begin(m);
    MUST(!rhi__graph_spread(&work, &m->graph, backwards, m->reached, within, m->queue, &count));
    MUST(memcmp(m->reached, m->expected, sizeof m->reached) == 0);
    for (uint32_t i = 0; i < COUNT; i++)
        bits += rhi__bit(m->reached, i);
    MUST(bits == count);
    for (uint32_t i = 0; i < count; i++) { /* the list has each of them once */
        MUST(rhi__bit(m->reached, m->queue[i]));
        m->reached[m->queue[i] / 64] &= ~(1ull << (m->queue[i] % 64));
    }
}

/* From one object, from some, from many; from none. */
static void choose_starts(made *m, uint32_t count)
{
    uint64_t taken[WORDS] = {0};
    m->start_count = 0;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t i = k == 0 ? 0 : k == 1 ? COUNT - 1 : any(COUNT);
        if (rhi__bit(taken, i))
            continue;
        rhi__bit_set(taken, i);
        m->starts[m->start_count++] = i;
    }
}

START_TEST(what_is_reached_is_so_by_lists_and_by_sweeps)
{
    static const uint32_t starts[] = {0, 1, 2, 60, 3000, COUNT};
    for (int shape = 0; shape < SHAPES; shape++) {
        made *m = make(shape, (uint64_t)shape + 1);
        rhi_work work = {0};
        MUST(!rhi__graph_referrers(&work, &m->graph));
        for (uint32_t i = 0; i < COUNT; i++)
            if (any(10))
                rhi__bit_set(m->within, i);
        for (unsigned k = 0; k < sizeof starts / sizeof *starts; k++) {
            choose_starts(m, starts[k]);
            compare(m, false, NULL);
            compare(m, true, NULL);
            compare(m, false, m->within);
            compare(m, true, m->within);
        }
        drop(m);
    }
}
END_TEST

static int stop(void *context)
{
    int *looks = context;
    return --*looks <= 0;
}

START_TEST(a_search_ends_when_its_user_wants_it_to)
{
    made *m = make(0, 9);
    bool was_stopped = false, was_finished = false;
    choose_starts(m, 60);
    for (int looks = 1; looks < 100 && !was_finished; looks++) {
        int left = looks;
        rhi_work work = {.interrupted = stop, .context = &left};
        begin(m);
        rhi_error *error =
            rhi__graph_reach(&work, &m->graph, false, m->reached, NULL, m->queue, m->start_count);
        was_stopped |= error != NULL;
        was_finished = !error;
        rhi__error_free(error);
    }
    MUST(was_stopped && was_finished);
    drop(m);
}
END_TEST

UNIT_MAIN("inspect_graph", NULL, NULL, what_is_reached_is_so_by_lists_and_by_sweeps,
          a_search_ends_when_its_user_wants_it_to)
