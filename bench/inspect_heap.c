/* inspect_heap.c - the heap that the benchmark of the engine asks about: inspect_heap core|wait
 * random|local HELD RUNS-FILE builds it, says what it built as one line of JSON, and dies (core)
 * or waits to be read (wait). With USE_MALLOC the same heap in blocks of glibc's malloc, for
 * tools that read those.
 *
 * HELD objects lie on one ring, which a root holds: `a` is the next one, `b` any other, so each
 * has two references. `random`: the ring is a random permutation and `b` uniformly random;
 * `local`: both lead about a thousand objects away at most. Scattered among them lie 1 % of
 * objects in garbage pairs, 0.1 % whose count nobody owns any more, every tenth of these with an
 * object of its own, and slots that were freed at last; one global is stale.
 *
 * Invariant: after the last line no word of the process but the root, the fields and the stale
 * global is the address of an object, so what the line says is what a reader must find.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"

enum {
    PAIR_EVERY = 200,
    LOST_EVERY = 1000,
    DEPENDENT_EVERY = 10,
    FREED = 1000,
    NEAR = 1000,
    SCRUB = 256 * 1024
};

#ifdef USE_MALLOC
typedef struct node {
    uint64_t count, serial;
    struct node *a, *b;
    uint64_t value;
} node;

static void heap_begin(node *volatile *slot)
{
    (void)slot;
}

static node *node_new(void)
{
    static uint64_t serial;
    node *n = bench_need(calloc(1, sizeof *n));
    n->count = 1;
    n->serial = ++serial;
    return n;
}

static node *node_retain(node *n)
{
    n->count++;
    return n;
}

static void node_release(node *n)
{
    free(n);
}
#else
#include <refheap/refheap.h>

typedef struct node {
    rh_object base;
    struct node *a, *b;
    uint64_t value;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, a), RH_STRONG(node, b), RH_UINT(node, value),
                                       RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static rh_heap *heap;

static void heap_begin(node *volatile *slot)
{
    rh_heap_options options = {.name = "inspected", .gc_disabled = true};
    heap = bench_need(rh_heap_create(&options));
    rh_root_add(heap, (void *)(uintptr_t)slot, "ring");
}

static node *node_new(void)
{
    return bench_need(rh_new(heap, &node_type));
}

static node *node_retain(node *n)
{
    return rh_retain(n);
}

static void node_release(node *n)
{
    rh_release(n);
}
#endif

/* Volatile, or what nobody reads would not be written. */
static node *volatile root;
static node *volatile stale; /* to an object that is freed, as a forgotten pointer is */

/* ---- shape ---------------------------------------------------------------------------------- */

typedef struct build {
    uint32_t held;
    bool is_local;
    bench_random random;
    node **table;       /* the held objects by number */
    node *freed[FREED]; /* those that are to be freed */
    uint32_t pairs, lost, dependent, freed_count;
    uint32_t live, other; /* two of the held objects, to be asked about */
    uint32_t live_references, other_references;
    uint64_t edges;
    /* of objects that lie side by side, stride bytes apart: lines "ADDRESS COUNT" */
    FILE *runs;
    uintptr_t run_start, run_count, stride;
} build;

static void end_run(build *b)
{
    if (b->run_count) {
        fprintf(b->runs, "%" PRIuPTR " %" PRIuPTR "\n", b->run_start, b->run_count);
    }
}

/* A new object that stays. */
static node *born(build *b)
{
    node *n = node_new();
    uintptr_t address = (uintptr_t)n;
    if (b->run_count == 1 && !b->stride) {
        b->stride = address - b->run_start;
    }
    if (!b->run_count || address != b->run_start + b->run_count * b->stride) {
        end_run(b);
        b->run_start = address;
        b->run_count = 0;
    }
    b->run_count++;
    return n;
}

/* One of the first `limit` held objects; near number `from` if the heap is local. */
static uint32_t any_object(build *b, uint32_t from, uint32_t limit)
{
    uint32_t low = 0;
    if (b->is_local) {
        low = from < NEAR ? 0 : from - NEAR;
        limit = limit - from < NEAR ? limit : from + NEAR;
    }
    return low + bench_below(&b->random, limit - low);
}

static void count_edge(build *b, uint32_t to)
{
    b->edges++;
    b->live_references += to == b->live;
    b->other_references += to == b->other;
}

static void refer(build *b, node **slot, uint32_t to)
{
    *slot = node_retain(b->table[to]);
    count_edge(b, to);
}

/* What no root leads to, beside held object `i`; it holds objects that are there already. */
static void add_others(build *b, uint32_t i)
{
    if (i % PAIR_EVERY == 0) {
        node *one = born(b), *two = born(b);
        one->a = two;
        two->a = one;
        refer(b, &one->b, any_object(b, i, i + 1));
        refer(b, &two->b, any_object(b, i, i + 1));
        b->edges += 2;
        b->pairs++;
    }
    if (i % LOST_EVERY == 0) {
        node *lost = born(b);
        refer(b, &lost->b, any_object(b, i, i + 1));
        if (i % (LOST_EVERY * DEPENDENT_EVERY) == 0) {
            lost->a = born(b);
            b->edges++;
            b->dependent++;
        }
        b->lost++;
    }
}

static void bear(build *b)
{
    uint32_t step = b->held / FREED;
    for (uint32_t i = 0; i < b->held; i++) {
        b->table[i] = born(b);
        b->table[i]->value = i;
        if (i % step == step / 2 && b->freed_count < FREED) {
            b->freed[b->freed_count++] = node_new();
        }
        add_others(b, i);
    }
    end_run(b);
}

/* The numbers in the order of the ring. */
static uint32_t *ring_order(build *b)
{
    uint32_t *order = bench_array((size_t)b->held * sizeof *order);
    uint32_t block = b->is_local ? NEAR / 2 : b->held;
    for (uint32_t i = 0; i < b->held; i++) {
        order[i] = i;
    }
    for (uint32_t start = 0; start < b->held; start += block) {
        uint32_t size = b->held - start < block ? b->held - start : block;
        for (uint32_t left = size; left > 1; left--) {
            uint32_t last = start + left - 1, other = start + bench_below(&b->random, left);
            uint32_t number = order[last];
            order[last] = order[other];
            order[other] = number;
        }
    }
    return order;
}

static void connect(build *b)
{
    uint32_t *order = ring_order(b);
    for (uint32_t i = 0; i < b->held; i++) {
        uint32_t to = order[i + 1 == b->held ? 0 : i + 1];
        b->table[order[i]]->a = b->table[to]; /* owns the count that its birth gave it */
        count_edge(b, to);
    }
    munmap(order, (size_t)b->held * sizeof *order);
    for (uint32_t i = 0; i < b->held; i++) {
        refer(b, &b->table[i]->b, any_object(b, i, b->held));
    }
    root = node_retain(b->table[0]);
}

static void tell(const build *b)
{
    uint64_t objects = (uint64_t)b->held + 2 * (uint64_t)b->pairs + b->lost + b->dependent;
    printf("{\"shape\": \"%s\", \"held\": %" PRIu32 ", \"objects\": %" PRIu64
           ", \"edges\": %" PRIu64,
           b->is_local ? "local" : "random", b->held, objects, b->edges);
    printf(", \"pairs\": %" PRIu32 ", \"lost\": %" PRIu32 ", \"dependent\": %" PRIu32, b->pairs,
           b->lost, b->dependent);
    printf(", \"live\": \"%p\", \"live_references\": %" PRIu32, (void *)b->table[b->live],
           b->live_references);
    printf(", \"other\": \"%p\", \"other_references\": %" PRIu32, (void *)b->table[b->other],
           b->other_references);
    printf(", \"freed\": \"%p\", \"stride\": %" PRIuPTR "}\n", (void *)stale, b->stride);
    fflush(stdout);
}

__attribute__((noinline)) static void build_heap(uint32_t held, bool is_local, const char *runs)
{
    build b = {
        .held = held, .is_local = is_local, .random = {held}, .live = held / 2, .other = held / 3};
    b.runs = fopen(runs, "we");
    if (!b.runs) {
        bench_fail("the file of runs cannot be written");
    }
    heap_begin(&root);
    b.table = bench_array((size_t)held * sizeof *b.table);
    bear(&b);
    connect(&b);
    stale = b.freed[FREED / 2];
    for (uint32_t i = 0; i < b.freed_count; i++) {
        node_release(b.freed[i]);
    }
    if (ferror(b.runs) || fclose(b.runs)) {
        bench_fail("the file of runs cannot be written");
    }
    tell(&b);
    munmap(b.table, (size_t)held * sizeof *b.table);
}

/* Overwrites what build_heap left on the stack. */
__attribute__((noinline)) static void scrub(void)
{
    volatile char stack[SCRUB];
    for (size_t i = 0; i < sizeof stack; i++) {
        stack[i] = 0;
    }
}

int main(int count, char **words)
{
    char *end = NULL;
    unsigned long held = count == 5 ? strtoul(words[3], &end, 10) : 0;
    bool dies = count == 5 && strcmp(words[1], "core") == 0;
    if (held < FREED || held > UINT32_MAX / 2 || *end) {
        bench_fail("usage: inspect_heap core|wait random|local HELD RUNS-FILE");
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
    if (dies) {
        struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
        if (setrlimit(RLIMIT_CORE, &limit) && !getrlimit(RLIMIT_CORE, &limit)) {
            limit.rlim_cur = limit.rlim_max;
            setrlimit(RLIMIT_CORE, &limit);
        }
    }
    build_heap((uint32_t)held, strcmp(words[2], "local") == 0, words[4]);
    scrub();
    if (dies) {
        abort();
    }
    for (;;) {
        pause();
    }
}
