/* spread.c - spreads over the graph along references (see spread.h).
 *
 * What is met and not yet followed is a list where it is little, and a bitmap where it is much (J.
 * Shun, G. Blelloch, "Ligra: a lightweight graph processing framework for shared memory", 2013). A
 * list leads anywhere in memory at each step. A sweep over a bitmap takes objects in the order in
 * which their rows lie, and the bitmaps themselves stay in the cache.
 *
 * Invariant: each object is in the list or in the cells once at most: when it is met. */
#include "graph/spread.h"
#include "base/bits.h"

#include <stdlib.h>
#include <string.h>

/* A sweep is worth it where of so many objects one is to be followed. So there are no more sweeps
 * than that, whatever the graph is like. */
enum { SPARSE = 512, PROGRESS_OBJECTS = 65536, CHUNK = 4096, AHEAD_MAX = 32 };

/* Of 64 objects: which were met, and which of these are yet to be followed. */
typedef struct cell {
    uint64_t met, pending;
} cell;

typedef struct spread {
    rhi_work *work;
    const uint32_t *start, *to;
    uint32_t count; /* objects of the graph */
    uint64_t *reached;
    const uint64_t *within; /* NULL: anywhere */
    uint32_t *queue, head, tail;
    cell *cells;      /* NULL: there was no need of them */
    uint64_t waiting; /* in them */
} spread;

static spread spread_of(rhi_work *work, const rhi_graph *graph, bool backwards, uint64_t *reached,
                        const uint64_t *within, uint32_t *queue, uint32_t count)
{
    return (spread){.work = work,
                    .start = backwards ? graph->referrer_start : graph->edge_start,
                    .to = backwards ? graph->referrer_from : graph->edge_to,
                    .count = graph->count,
                    .reached = reached,
                    .within = within,
                    .queue = queue,
                    .tail = count};
}

/* 1 if the object is met now for the first time. No branch: which way it goes could not be
 * predicted. */
static inline uint64_t meet(uint64_t *reached, const uint64_t *within, uint32_t target)
{
    uint64_t is_new = ~reached[target / 64] >> (target % 64) &
                      (within ? within[target / 64] >> (target % 64) : 1) & 1;
    reached[target / 64] |= is_new << (target % 64);
    return is_new;
}

/* ---- by the list ---------------------------------------------------------------------------- */

/* Follows the list to its end, or until so many wait in it. */
static rhi_error *follow_list(spread *s, uint64_t most)
{
    enum { ROW_AHEAD = 24, EDGES_AHEAD = 12 };
    const uint32_t *start = s->start, *to = s->to;
    uint32_t *queue = s->queue, head = s->head, tail = s->tail;
    for (; head < tail && tail - head <= most; head++) {
        if (head % PROGRESS_OBJECTS == PROGRESS_OBJECTS - 1)
            RHI_TRY(rhi__progress(s->work, "following references", head, s->count));
        if (head + ROW_AHEAD < tail) {
            __builtin_prefetch(&start[queue[head + ROW_AHEAD]]);
            __builtin_prefetch(&to[start[queue[head + EDGES_AHEAD]]]);
        }
        uint32_t i = queue[head];
        for (uint32_t e = start[i], end = start[i + 1]; e < end; e++) {
            queue[tail] = to[e];
            tail += (uint32_t)meet(s->reached, s->within, to[e]);
        }
    }
    s->head = head;
    s->tail = tail;
    return NULL;
}

rhi_error *rhi__graph_spread(rhi_work *work, const rhi_graph *graph, bool backwards,
                             uint64_t *reached, const uint64_t *within, uint32_t *queue,
                             uint32_t *queue_count)
{
    spread s = spread_of(work, graph, backwards, reached, within, queue, *queue_count);
    RHI_TRY(follow_list(&s, UINT64_MAX));
    *queue_count = s.tail;
    return NULL;
}

/* ---- by sweeps ------------------------------------------------------------------------------ */

/* The bitmaps become cells, so that both bits of an object are in one line of the cache. Outside of
 * `within` all count as met. */
static void list_to_cells(spread *s)
{
    for (uint64_t w = 0; w <= s->count / 64; w++)
        s->cells[w] = (cell){.met = s->reached[w] | (s->within ? ~s->within[w] : 0)};
    s->waiting = s->tail - s->head;
    for (; s->head < s->tail; s->head++)
        rhi__bit_set(&s->cells[s->queue[s->head] / 64].pending, s->queue[s->head] % 64);
}

static void cells_to_list(spread *s)
{
    s->head = s->tail = 0;
    for (uint64_t w = 0; w <= s->count / 64; w++) {
        s->reached[w] |= s->cells[w].met & (s->within ? s->within[w] : UINT64_MAX);
        for (uint64_t bits = s->cells[w].pending; bits; bits &= bits - 1)
            s->queue[s->tail++] = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits);
    }
    s->waiting = 0;
}

/* Takes objects out of the cells from word *w on, in order: not many more than CHUNK. */
static uint32_t take_chunk(spread *s, uint64_t *w, uint32_t *chunk)
{
    uint64_t words = s->count / 64 + 1, at = *w;
    uint32_t count = 0;
    for (; at < words && count < CHUNK; at++) {
        for (uint64_t bits = s->cells[at].pending; bits; bits &= bits - 1)
            chunk[count++] = (uint32_t)(at * 64) + (uint32_t)__builtin_ctzll(bits);
        s->cells[at].pending = 0;
    }
    *w = at;
    return count;
}

/* Follows the objects of a chunk. Returns how many were met for the first time. */
static uint64_t follow_chunk(const spread *s, const uint32_t *chunk, uint32_t count)
{
    enum { ROW_AHEAD = 24, EDGES_AHEAD = 12 };
    const uint32_t *start = s->start, *to = s->to;
    cell *cells = s->cells;
    uint64_t met = 0;
    for (uint32_t k = 0; k < count; k++) {
        __builtin_prefetch(&start[chunk[k + ROW_AHEAD]]);
        __builtin_prefetch(&to[start[chunk[k + EDGES_AHEAD]]]);
        uint32_t i = chunk[k];
        for (uint32_t e = start[i], end = start[i + 1]; e < end; e++) {
            cell *c = &cells[to[e] / 64];
            uint64_t is_new = ~c->met >> (to[e] % 64) & 1, bit = is_new << (to[e] % 64);
            c->met |= bit;
            c->pending |= bit;
            met += is_new;
        }
    }
    return met;
}

/* Follows all that waits, in order, and of what it meets that which lies further on. */
static rhi_error *sweep(spread *s)
{
    uint32_t chunk[CHUNK + 64 + AHEAD_MAX], count;
    for (uint64_t w = 0, words = s->count / 64 + 1; w < words;) {
        RHI_TRY(rhi__progress(s->work, "following references", w, words));
        count = take_chunk(s, &w, chunk);
        memset(&chunk[count], 0, AHEAD_MAX * sizeof *chunk); /* what is fetched ahead at the end */
        s->waiting += follow_chunk(s, chunk, count);
        s->waiting -= count;
    }
    return NULL;
}

rhi_error *rhi__graph_reach(rhi_work *work, const rhi_graph *graph, bool backwards,
                            uint64_t *reached, const uint64_t *within, uint32_t *queue,
                            uint32_t count)
{
    spread s = spread_of(work, graph, backwards, reached, within, queue, count);
    const uint64_t few = graph->count / SPARSE;
    rhi_error *error = NULL;
    while (s.head < s.tail && !error) {
        error = follow_list(&s, few);
        if (error || s.head == s.tail)
            break;
        if (!s.cells && !(s.cells = rhi__big_array((uint64_t)graph->count / 64 + 1, sizeof(cell))))
            return rhi__error_memory();
        list_to_cells(&s);
        while (s.waiting > few && !error)
            error = sweep(&s);
        if (!error)
            cells_to_list(&s);
    }
    free(s.cells);
    return error;
}
