/* runtime_policy.c - the policy of automatic collections on a heap that grows: neither does
 * garbage pile up nor do collections cost more and more.
 *
 * Programs build a live tree, cyclic through parent links, and make cyclic garbage meanwhile.
 * They know what they can reach, so what else is alive is floating garbage. Every collection is
 * watched. All asserts are on counts. With RH_PAUSES=1 in the environment a table of pauses is
 * printed as well. */
#include "runtime_test.h"

#if defined(REFHEAP_GC_STRESS)
enum { SIZE_FIRST = 25, SIZES = 3, YOUNG = 5 };
#elif defined(TEST_ASAN)
enum { SIZE_FIRST = 5000, SIZES = 6, YOUNG = 1000 };
#else
enum { SIZE_FIRST = 62500, SIZES = 6, YOUNG = 10000 }; /* up to 2 million */
#endif
enum { FULL_PERCENT = 25, RING = 3, WINDOW = YOUNG / 2, VISITS_PER_BIRTH = 5, PAUSES_MAX = 20000 };

typedef struct twig {
    rh_object base;
    struct twig *left, *right, *parent;
} twig;

static const rh_field twig_fields[] = {RH_STRONG(twig, left), RH_STRONG(twig, right),
                                       RH_STRONG(twig, parent), RH_FIELDS_END};
static rh_type twig_type = {.name = "twig", .size = sizeof(twig), .fields = twig_fields};

/* What a program does for each object that it adds to its tree. */
typedef struct program {
    const char *name;
    int young_rings; /* garbage at once, pointing into the tree */
    /* rings that live for WINDOW births and are garbage then, old by that time */
    bool has_sessions;
    bool is_relinked; /* old objects of the tree become candidates again */
} program;

static rh_heap *heap;
static twig **tree;
static size_t tree_size, births;
static twig *sessions[WINDOW];

/* ---- watching ------------------------------------------------------------------------------- */

static struct {
    size_t born_at_last;  /* births when the last collection started */
    size_t born_at_start; /* when this one did */
    uint64_t visited_at_start;
    size_t left_by_full; /* objects that the last full collection left */
    size_t most_floating;
    uint64_t visited;
    size_t counts[2];
    uint64_t pauses_ns[2][PAUSES_MAX];
} seen;

static size_t reachable(void)
{
    size_t in_sessions = 0;
    for (int i = 0; i < WINDOW; i++)
        in_sessions += sessions[i] ? RING : 0;
    return tree_size + in_sessions;
}

static void watch(rh_heap *which, const rh_gc_event *event, void *context)
{
    (void)which, (void)context;
    rh_gc_stats stats = rh_gc_get_stats(heap, event->generation);
    if (!event->is_stop) {
        seen.born_at_start = births;
        seen.visited_at_start = stats.visited;
        return;
    }
    uint64_t visited = stats.visited - seen.visited_at_start;
    if (event->generation == RH_GC_YOUNG && visited > seen.born_at_start - seen.born_at_last)
        ck_abort_msg("a young collection visited %llu objects of %zu that were born since the last",
                     (unsigned long long)visited, seen.born_at_start - seen.born_at_last);
    if (event->generation == RH_GC_FULL)
        seen.left_by_full = rh_gc_get_counts(heap).objects;
    seen.born_at_last = seen.born_at_start;
    seen.visited += visited;
    if (seen.counts[event->generation] < PAUSES_MAX)
        seen.pauses_ns[event->generation][seen.counts[event->generation]] = stats.last_ns;
    seen.counts[event->generation]++;
}

/* Garbage has a candidate for each ring of it. Candidates wait for a full collection until they
 * are four times full_percent of what the last one left, or ten times YOUNG; and until a young
 * one notices. */
static size_t floating_bound(void)
{
    size_t waiting = seen.left_by_full / 100 * FULL_PERCENT * 4;
    if (waiting < 10 * YOUNG)
        waiting = 10 * YOUNG;
    return (waiting + 2 * YOUNG) * RING;
}

static void look_at_garbage(void)
{
    size_t objects = rh_gc_get_counts(heap).objects, alive = reachable();
    MUST(objects >= alive);
    if (objects - alive > floating_bound())
        ck_abort_msg("%zu objects of garbage beside %zu, at most %zu expected", objects - alive,
                     alive, floating_bound());
    if (objects - alive > seen.most_floating)
        seen.most_floating = objects - alive;
}

/* ---- programs ------------------------------------------------------------------------------- */

static twig *new_twig(void)
{
    twig *made = rh_new(heap, &twig_type);
    MUST(made != NULL);
    births++;
    return made;
}

static void grow_tree(void)
{
    twig *made = new_twig();
    if (tree_size == 0) {
        tree[tree_size++] = made; /* we hold the root */
        return;
    }
    twig *parent = tree[(tree_size - 1) / 2];
    rh_set(&made->parent, parent);
    rh_set(tree_size % 2 ? &parent->left : &parent->right, made);
    rh_release(made);
    tree[tree_size++] = made;
}

/* RING objects, one count ours; the ring holds `into` as well. */
static twig *new_ring(twig *into)
{
    twig *first = new_twig(), *last = first;
    for (int i = 1; i < RING; i++) {
        twig *next = new_twig();
        rh_set(&last->left, next);
        rh_release(next);
        last = next;
    }
    rh_set(&last->left, first);
    rh_set(&first->right, into);
    return first;
}

static void run_step(const program *self, size_t step)
{
    grow_tree();
    twig *some = tree[step * 7919 % tree_size];
    for (int i = 0; i < self->young_rings; i++)
        rh_release(new_ring(some));
    if (self->has_sessions && step % 4 == 0) {
        twig **place = &sessions[step / 4 % WINDOW], *old = *place;
        *place = NULL;
        rh_release(old);
        *place = new_ring(some);
    }
    if (self->is_relinked) {
        rh_retain(some);
        rh_release(some);
    }
}

/* ---- the table ------------------------------------------------------------------------------ */

static int compare_ns(const void *a, const void *b)
{
    uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;
    return (first > second) - (first < second);
}

static void print_pauses(rh_gc_generation generation)
{
    uint64_t *pauses = seen.pauses_ns[generation];
    size_t count = seen.counts[generation] < PAUSES_MAX ? seen.counts[generation] : PAUSES_MAX;
    qsort(pauses, count, sizeof *pauses, compare_ns);
    printf(" %6zu %10.1f %10.1f |", seen.counts[generation],
           count ? (double)pauses[count / 2] / 1e3 : 0,
           count ? (double)pauses[count - 1] / 1e3 : 0);
}

static void print_heading(const program *self)
{
    printf("%s\n%8s | %6s %10s %10s | %6s %10s %10s | %12s | %9s\n", self->name, "live", "young",
           "median us", "longest", "full", "median us", "longest", "visited/born", "floating");
}

static void print_row(uint64_t visited, size_t born)
{
    printf("%8zu |", tree_size);
    print_pauses(RH_GC_YOUNG);
    print_pauses(RH_GC_FULL);
    printf(" %12.2f | %9zu\n", (double)visited / (double)born, seen.most_floating);
    fflush(stdout);
}

/* ---- the test ------------------------------------------------------------------------------- */

static void begin_program(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = YOUNG, .full_percent = FULL_PERCENT});
    MUST(rh_gc_add_callback(heap, watch, NULL));
    memset(&seen, 0, sizeof seen);
    tree_size = births = 0;
    tree = calloc((size_t)SIZE_FIRST << (SIZES - 1), sizeof *tree);
}

static void end_program(void)
{
    for (int i = 0; i < WINDOW; i++)
        rh_set(&sessions[i], NULL);
    rh_release(tree[0]);
    tree_size = 0;
    rh_gc_collect(heap);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    free(tree);
    rh_heap_destroy(heap);
}

static void run_program(const program *self)
{
    bool is_printing = getenv("RH_PAUSES") != NULL;
    begin_program();
    if (is_printing)
        print_heading(self);
    size_t step = 0;
    uint64_t total_visited = 0;
    for (int i = 0; i < SIZES; i++) {
        size_t born_before = births;
        for (; step < (size_t)SIZE_FIRST << i; step++) {
            run_step(self, step);
            if (step % (YOUNG / 5) == 0)
                look_at_garbage();
        }
        look_at_garbage();
        total_visited += seen.visited;
        if (is_printing)
            print_row(seen.visited, births - born_before);
#ifndef REFHEAP_GC_STRESS
        if (total_visited > VISITS_PER_BIRTH * births)
            ck_abort_msg("%s: at %zu objects, %llu were visited for %zu births", self->name,
                         tree_size, (unsigned long long)total_visited, births);
#endif
        seen.visited = seen.counts[0] = seen.counts[1] = seen.most_floating = 0;
    }
    assert_valid(heap);
#ifndef REFHEAP_GC_STRESS
    rh_gc_stats young = rh_gc_get_stats(heap, RH_GC_YOUNG),
                full = rh_gc_get_stats(heap, RH_GC_FULL);
    /* there were collections to speak of */
    ck_assert_uint_ge(young.collections, births / YOUNG / 10);
    ck_assert_uint_ge(full.collections, 2);
#endif
    end_program();
}

START_TEST(a_growing_heap_with_young_garbage)
{
    run_program(&(program){.name = "young garbage", .young_rings = 1});
}
END_TEST

START_TEST(a_growing_heap_with_garbage_that_grew_old)
{
    run_program(&(program){.name = "garbage that grew old", .has_sessions = true});
}
END_TEST

START_TEST(a_growing_heap_with_all_kinds_of_candidates)
{
    run_program(&(program){.name = "both, and live objects relinked",
                           .young_rings = 1,
                           .has_sessions = true,
                           .is_relinked = true});
}
END_TEST

RUN_TESTS("runtime_policy", a_growing_heap_with_young_garbage,
          a_growing_heap_with_garbage_that_grew_old, a_growing_heap_with_all_kinds_of_candidates)
