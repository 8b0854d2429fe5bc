/* workloads.h - the workloads of the runtime benchmark, once for all peers that are programmed in
 * C.
 *
 * A peer defines its objects and operations, says with PEER_HAS_* which it has, and then includes
 * this file, which holds main(). Everything is static, so that each peer is compiled as its own
 * program would be. What a peer defines (payloads are the same everywhere; headers and counts are
 * its own):
 *
 *   static void peer_begin(void);                    once, before anything else
 *   static void *peer_array(size_t bytes);           zeroed memory whose references keep objects
 *   alive
 *   PEER_HAS_CELL   cell: 32 bytes of payload, the first word is `uint64_t value`, two are
 *                   references
 *     cell *cell_new(void);                          count 1, not yet written to
 *     void cell_release(cell *);
 *   PEER_HAS_COUNT  void cell_retain(cell *);
 *   PEER_HAS_BLOB   blob: any number of bytes of payload, 16 at least
 *     void *blob_new(size_t payload_bytes);
 *     uint64_t *blob_word(void *);                   the first word of its payload
 *     void blob_release(void *);
 *   PEER_HAS_NODE   node: 16 bytes of payload, the references `a` and `b`
 *     node *node_new(node *a, node *b);              takes over the caller's references to a and
 *     b
 *     void node_give(node **slot, node *target);     fills an empty slot, takes over the
 *     reference
 *     void node_link(node **slot, node *target);     fills an empty slot, retains the target
 *     void node_release(node *);
 *   PEER_HAS_CYCLES
 *     size_t peer_collect(void);                     objects reclaimed, or PEER_UNKNOWN
 *     size_t peer_collect_young(void);               the same, for garbage that was just made
 *     void peer_gc_pause(void);                      no automatic collection before the one that
 *     is asked for
 *     void peer_gc_resume(void);
 *
 * Invariant: a reported figure covers work that was really done: where a peer says how many
 * objects it reclaimed, the number is checked.
 */
#ifndef WORKLOADS_H
#define WORKLOADS_H

#include "bench.h"

enum {
    /* objects of retain_random, cycles of pairs, members of ring, the live graph */
    LIVE = 1000000,
    WINDOW = 10000,      /* objects alive in window */
    BATCH = 100000,      /* operations between two looks at the clock */
    LEAST_NS = 80000000, /* how long the repeated workloads run at least */
    TREE_DEPTH = 20,
    LIST = 5000000,
    YOUNG = 20000,
    CHAINS = 1000,
};

#if defined(PEER_HAS_NODE)
/* A slot of the program that owned its object gives it up. */
static inline void drop(node **slot)
{
    node *object = *slot;
    *slot = NULL;
    node_release(object);
}
#endif

#ifdef PEER_HAS_CELL
/* ---- alloc_free: one object at a time ------------------------------------------------------- */

static void alloc_free_batch(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cell *object = bench_need(cell_new());
        object->value = i;
        BENCH_TOUCH(object);
        cell_release(object);
    }
}

static void alloc_free(void)
{
    uint64_t count = 0;
    alloc_free_batch(BATCH);
    uint64_t begin = bench_now_ns(), end;
    do {
        alloc_free_batch(BATCH);
        count += BATCH;
        end = bench_now_ns();
    } while (end - begin < LEAST_NS);
    bench_report("alloc_free", "ns", (double)(end - begin) / (double)count);
}

static void alloc_free_bytes(void)
{
    cell **cells = peer_array(LIVE * sizeof *cells);
    memset(cells, 0, LIVE * sizeof *cells);
    double before = bench_rss_bytes();
    for (uint32_t i = 0; i < LIVE; i++) {
        cells[i] = bench_need(cell_new());
        cells[i]->value = i;
    }
    bench_report("alloc_free", "bytes", (bench_rss_bytes() - before) / LIVE);
}
#endif

#ifdef PEER_HAS_COUNT
/* ---- retain_hot, retain_random: counts alone ------------------------------------------------ */

/* The count must go through memory each time; that the object is not NULL may be known, as it is
 * where a program has just used it. */
static void retain_hot_batch(cell *object)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        cell_retain(object);
        __asm__ volatile("" : : "r"(object) : "memory");
        cell_release(object);
        __asm__ volatile("" : : "r"(object) : "memory");
    }
}

static void retain_hot(void)
{
    cell *object = bench_need(cell_new());
    uint64_t count = 0;
    object->value = 1;
    retain_hot_batch(object);
    uint64_t begin = bench_now_ns(), end;
    do {
        retain_hot_batch(object);
        count += BATCH;
        end = bench_now_ns();
    } while (end - begin < LEAST_NS);
    bench_report("retain_hot", "ns", (double)(end - begin) / (double)count);
}

static void retain_random_pass(cell **cells)
{
    for (uint32_t i = 0; i < LIVE; i++) {
        cell *object = cells[i];
        cell_retain(object);
        BENCH_TOUCH(object);
        cell_release(object);
    }
}

static void retain_random(void)
{
    enum { PASSES = 4 };
    cell **cells = peer_array(LIVE * sizeof *cells);
    bench_random random = {1};
    for (uint32_t i = 0; i < LIVE; i++) {
        cells[i] = bench_need(cell_new());
        cells[i]->value = i;
    }
    for (uint32_t i = LIVE - 1; i > 0; i--) {
        uint32_t other = bench_below(&random, i + 1);
        cell *object = cells[i];
        cells[i] = cells[other];
        cells[other] = object;
    }
    uint64_t begin = bench_now_ns();
    retain_random_pass(cells);
    uint64_t first = bench_now_ns();
    for (int pass = 0; pass < PASSES; pass++) {
        retain_random_pass(cells);
    }
    bench_report("retain_random", "ns", (double)(bench_now_ns() - first) / (PASSES * (double)LIVE));
    bench_report("retain_first", "ns", (double)(first - begin) / LIVE);
}
#endif

#ifdef PEER_HAS_BLOB
/* ---- window: a fixed number of objects of mixed sizes, a random one replaced by a new one --- */

static inline void *window_blob(uint64_t bits)
{
    void *object = bench_need(blob_new(16 + bench_scale((uint32_t)bits, 241)));
    *blob_word(object) = bits;
    BENCH_TOUCH(object);
    return object;
}

static void window_batch(void **live, uint32_t size, bench_random *random)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        uint64_t bits = bench_next(random);
        void **slot = &live[bench_scale((uint32_t)(bits >> 32), size)];
        blob_release(*slot);
        *slot = window_blob(bits);
    }
}

static void window(void)
{
    void **live = peer_array(WINDOW * sizeof *live);
    bench_random random = {1};
    uint64_t count = 0;
    for (uint32_t i = 0; i < WINDOW; i++) {
        live[i] = window_blob(bench_next(&random));
    }
    window_batch(live, WINDOW, &random);
    uint64_t begin = bench_now_ns(), end;
    do {
        window_batch(live, WINDOW, &random);
        count += BATCH;
        end = bench_now_ns();
    } while (end - begin < LEAST_NS);
    bench_report("window", "ns", (double)(end - begin) / (double)count);
}

/* More objects than in the timed window, so that pages and arenas do not blur the figure;
 * replaced as often as there are objects, so that what fragmentation costs is in it. */
static void window_bytes(void)
{
    void **live = peer_array(LIVE * sizeof *live);
    bench_random random = {1};
    memset(live, 0, LIVE * sizeof *live);
    double before = bench_rss_bytes();
    for (uint32_t i = 0; i < LIVE; i++) {
        live[i] = window_blob(bench_next(&random));
    }
    for (uint32_t i = 0; i < LIVE; i += BATCH) {
        window_batch(live, LIVE, &random);
    }
    double bytes = (bench_rss_bytes() - before) / LIVE, payload = 0;
    for (uint32_t i = 0; i < LIVE; i++) {
        payload += 16 + bench_scale((uint32_t)*blob_word(live[i]), 241);
    }
    bench_report("window", "bytes", bytes);
    bench_report("window_payload", "bytes", payload / LIVE);
}
#endif

#ifdef PEER_HAS_HISTORY
/* ---- history: what a heap takes in which each object died several times over --------------- */

static void history_of(const char *figure, uint32_t count)
{
    enum { TIMES = 4 };
    cell **live = peer_array(count * sizeof *live);
    bench_random random = {1};
    double before = bench_resident_bytes("Anonymous");
    for (uint32_t i = 0; i < count; i++) {
        live[i] = bench_need(cell_new());
        live[i]->value = i;
    }
    for (uint32_t i = 0; i < TIMES * count; i++) {
        cell **slot = &live[bench_below(&random, count)];
        cell_release(*slot);
        *slot = bench_need(cell_new());
        (*slot)->value = i;
    }
    bench_report(figure, "KiB", (bench_resident_bytes("Anonymous") - before) / 1024);
}

static void history(void)
{
    history_of("history", LIVE);
}

static void history_small(void)
{
    history_of("history_small", LIVE / 10);
}
#endif

#ifdef PEER_HAS_NODE
/* ---- trees: bottom up, then dropped whole --------------------------------------------------- */

enum { TREE_NODES = (2 << TREE_DEPTH) - 1 };

static node *tree_build(int depth)
{
    if (depth == 0) {
        return bench_need(node_new(NULL, NULL));
    }
    node *left = tree_build(depth - 1);
    node *right = tree_build(depth - 1);
    return bench_need(node_new(left, right));
}

/* The first tree takes its memory from the system, the others have it already. One of these is
 * enough where it takes long. */
static void trees(void)
{
    node **root = peer_array(sizeof *root);
    uint64_t begin = bench_now_ns(), first, end;
    int count = 0;
    *root = tree_build(TREE_DEPTH);
    drop(root);
    first = bench_now_ns();
    do {
        *root = tree_build(TREE_DEPTH);
        drop(root);
        count++;
        end = bench_now_ns();
    } while (end - first < LEAST_NS);
    bench_report("trees", "ns", (double)(end - first) / (count * (double)TREE_NODES));
    bench_report("trees_cold", "ns", (double)(first - begin) / TREE_NODES);
}

static void trees_bytes(void)
{
    node **root = peer_array(sizeof *root);
    double before = bench_rss_bytes();
    *root = tree_build(TREE_DEPTH);
    bench_report("trees", "bytes", (bench_rss_bytes() - before) / TREE_NODES);
}

/* ---- list: the teardown of a long chain ----------------------------------------------------- */

static node **list_head;

static void list_teardown(void)
{
    drop(list_head);
}

static void list(void)
{
    list_head = peer_array(sizeof *list_head);
    for (uint32_t i = 0; i < LIST; i++) {
        *list_head = bench_need(node_new(*list_head, NULL));
    }
    uint64_t begin = bench_now_ns();
    bench_on_small_stack(list_teardown);
    bench_report("list", "ns", (double)(bench_now_ns() - begin) / LIST);
}
#endif

#ifdef PEER_HAS_CYCLES
/* ---- pairs, churn, ring: garbage cycles ----------------------------------------------------- */

/* Two objects that hold each other, and one reference to the first of them, which the caller owns.
 */
static inline node *pair_new(void)
{
    node *first = bench_need(node_new(NULL, NULL));
    node *second = bench_need(node_new(NULL, NULL));
    node_give(&first->a, second);
    node_link(&second->a, first);
    return first;
}

static void check_reclaimed(size_t count, size_t expected)
{
    if (count != PEER_UNKNOWN && count != expected) {
        fprintf(stderr, "bench: %zu objects reclaimed instead of %zu\n", count, expected);
        exit(1);
    }
}

/* All cycles are alive until all are dropped, so that none can be collected on the way and the one
 * collection that is timed has all of them before it. Returns the ns of that, and of the whole. */
static uint64_t pairs_round(node **held, uint64_t *whole)
{
    peer_gc_resume();
    uint64_t begin = bench_now_ns();
    for (uint32_t i = 0; i < LIVE; i++) {
        held[i] = pair_new();
    }
    peer_gc_pause();
    for (uint32_t i = 0; i < LIVE; i++) {
        drop(&held[i]);
    }
    uint64_t dropped = bench_now_ns();
    size_t reclaimed = peer_collect();
    uint64_t end = bench_now_ns();
    check_reclaimed(reclaimed, 2 * (size_t)LIVE);
    *whole = end - begin;
    return end - dropped;
}

/* The first round takes its memory from the system, the second has it already. */
static void pairs(void)
{
    node **held = peer_array(LIVE * sizeof *held);
    uint64_t cold, whole;
    memset(held, 0, LIVE * sizeof *held);
    pairs_round(held, &cold);
    uint64_t collect = pairs_round(held, &whole);
    bench_report("pairs", "ns", (double)collect / (2.0 * LIVE));
    bench_report("pairs_build", "ns", (double)whole / (2.0 * LIVE));
    bench_report("pairs_cold", "ns", (double)cold / (2.0 * LIVE));
}

static void pairs_bytes(void)
{
    node **held = peer_array(LIVE * sizeof *held);
    memset(held, 0, LIVE * sizeof *held);
    double before = bench_rss_bytes();
    for (uint32_t i = 0; i < LIVE; i++) {
        held[i] = pair_new();
    }
    bench_report("pairs", "bytes", (bench_rss_bytes() - before) / (2.0 * LIVE));
}

/* The same number of cycles, each dropped as soon as it is made: when to collect is up to the peer.
 */
static void churn(void)
{
    node **slot = peer_array(sizeof *slot);
    uint64_t begin = bench_now_ns();
    for (uint32_t i = 0; i < LIVE; i++) {
        *slot = pair_new();
        drop(slot);
    }
    peer_collect();
    bench_report("churn", "ns", (double)(bench_now_ns() - begin) / (2.0 * LIVE));
}

static void ring(void)
{
    node **first = peer_array(sizeof *first);
    node *last = bench_need(node_new(NULL, NULL)), *head = last;
    for (uint32_t i = 1; i < LIVE; i++) {
        head = bench_need(node_new(head, NULL));
    }
    *first = head;
    node_link(&last->a, head);
    peer_gc_pause();
    drop(first);
    uint64_t begin = bench_now_ns();
    size_t reclaimed = peer_collect();
    uint64_t end = bench_now_ns();
    check_reclaimed(reclaimed, LIVE);
    bench_report("ring", "ns", (double)(end - begin) / LIVE);
}

/* ---- young, young_into: a little new garbage beside much that is alive ---------------------- */

/* CHAINS chains, each held by a root; every object also holds a random one. Returns all of them,
 * borrowed. */
static node **live_graph(void)
{
    node **live = bench_array(LIVE * sizeof *live);
    node **roots = peer_array(CHAINS * sizeof *roots);
    bench_random random = {1};
    for (uint32_t i = 0; i < LIVE; i++) {
        node **root = &roots[i / (LIVE / CHAINS)];
        *root = live[i] = bench_need(node_new(*root, NULL));
    }
    for (uint32_t i = 0; i < LIVE; i++) {
        node_link(&live[i]->b, live[bench_below(&random, LIVE)]);
    }
    return live;
}

static void young_garbage(const char *figure, bool into)
{
    enum { PAIRS = YOUNG / 2 };
    bench_random random = {2};
    node **live = live_graph();
    node **held = peer_array(PAIRS * sizeof *held);
    memset(held, 0, PAIRS * sizeof *held);
    peer_collect();
    peer_gc_pause();
    for (uint32_t i = 0; i < PAIRS; i++) {
        node *pair = pair_new();
        if (into) {
            node_link(&pair->b, live[bench_below(&random, LIVE)]);
            node_link(&((node *)pair->a)->b, live[bench_below(&random, LIVE)]);
        }
        held[i] = pair;
    }
    for (uint32_t i = 0; i < PAIRS; i++) {
        drop(&held[i]);
    }
    uint64_t begin = bench_now_ns();
    size_t reclaimed = peer_collect_young();
    uint64_t end = bench_now_ns();
    check_reclaimed(reclaimed, YOUNG);
    bench_report(figure, "ms", (double)(end - begin) / 1e6);
}

static void young(void)
{
    young_garbage("young", false);
}

static void young_into(void)
{
    young_garbage("young_into", true);
}
#endif

/* ---- main ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} workloads[] = {
#ifdef PEER_HAS_CELL
    {"alloc_free", alloc_free},
    {"alloc_free_bytes", alloc_free_bytes},
#endif
#ifdef PEER_HAS_COUNT
    {"retain_hot", retain_hot},
    {"retain_random", retain_random},
#endif
#ifdef PEER_HAS_HISTORY
    {"history", history},
    {"history_small", history_small},
#endif
#ifdef PEER_HAS_BLOB
    {"window", window},
    {"window_bytes", window_bytes},
#endif
#ifdef PEER_HAS_NODE
    {"trees", trees},
    {"trees_bytes", trees_bytes},
    {"list", list},
#endif
#ifdef PEER_HAS_CYCLES
    {"pairs", pairs},
    {"pairs_bytes", pairs_bytes},
    {"churn", churn},
    {"ring", ring},
    {"young", young},
    {"young_into", young_into},
#endif
};

/* Deep enough for stacks of eight functions, where stacks are recorded. */
static __attribute__((noinline)) void run_below(unsigned functions, void (*run)(void))
{
    if (functions)
        run_below(functions - 1, run);
    else
        run();
    __asm__ volatile("");
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof workloads / sizeof *workloads; i++) {
        if (strcmp(argv[1], workloads[i].name) == 0) {
            peer_begin();
            run_below(8, workloads[i].run);
            return 0;
        }
    }
    fprintf(stderr, "usage: %s WORKLOAD; one of:", argv[0]);
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++) {
        fprintf(stderr, " %s", workloads[i].name);
    }
    fprintf(stderr, "\n");
    return 2;
}

#endif
