/* runtime_quarantine.c - tests of the quarantine, which keeps freed slots from being used again, so
 * that reports of misuse are certain for longer. */
#include "runtime_reports.h"
#include "runtime_test.h"

#include <sys/resource.h>

#define NODE_SLOT 48u /* bytes of a node's slot */

#ifdef REFHEAP_GC_STRESS /* every birth and every death validates the heap */
enum { SOME = 12, LOTS = 240, SEEDS = 3, STEPS = 300 };
#else
enum { SOME = 100, LOTS = 4000, SEEDS = 6, STEPS = 20000 };
#endif

static rh_heap *quarantined_heap(size_t nodes)
{
    return rh_heap_create(&(rh_heap_options){.quarantine_bytes = nodes * NODE_SLOT});
}

static bool is_tombstone(const node *a, uint64_t serial)
{
    return (a->base.rh_flags & RH_FLAG_FREED) && rh_serial(a) == serial;
}

START_TEST(freed_slots_wait_and_are_given_back_in_order)
{
    enum { WAIT = SOME };
    rh_heap *heap = quarantined_heap(WAIT);
    static node *dead[3 * WAIT];
    uint64_t serial[3 * WAIT];
    for (int i = 0; i < 3 * WAIT; i++) {
        dead[i] = new_node(heap, &node_type, i);
        serial[i] = rh_serial(dead[i]);
        for (int k = i - WAIT < 0 ? 0 : i - WAIT; k < i; k++) {
            MUST(dead[k] != dead[i]);
            MUST(is_tombstone(dead[k], serial[k]));
        }
        rh_release(dead[i]);
        if (i > WAIT) /* the slot that was given back last is taken first: it is the oldest one */
            MUST(dead[i] == dead[i - WAIT - 1]);
        MUST(!rh_is_object(heap, dead[i]));
    }
    assert_valid(heap);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}
END_TEST

#ifndef TEST_ASAN /* which has terabytes of addresses */
static void short_of_memory(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)48 << 20;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(1);
    rh_heap *heap = quarantined_heap((size_t)10 << 20);
    for (int i = 0; i < MANY(2 << 20); i++) { /* twice as much as there is */
        node *a = rh_new(heap, &node_type);
        if (!a)
            _exit(2);
        rh_release(a);
    }
}

START_TEST(it_gives_way_where_memory_is_short)
{
    char text[200];
    ck_assert_int_eq(run_child(short_of_memory, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST
#endif

START_TEST(cascades_and_collections_pass_through_it)
{
    enum { COUNT = SOME / 2 };
    rh_heap *heap = quarantined_heap(2 * COUNT);
    node *members[2 * COUNT];
    for (int i = 0; i < COUNT; i++) { /* a list */
        members[i] = new_node(heap, &node_type, i);
        members[i]->next = i ? members[i - 1] : NULL;
    }
    rh_release(members[COUNT - 1]);
    for (int i = COUNT; i < 2 * COUNT; i++) { /* a ring */
        members[i] = new_node(heap, &node_type, i);
        if (i > COUNT)
            rh_set(&members[i]->next, members[i - 1]);
    }
    if (HAS_COLLECTOR) /* else a second list */
        rh_set(&members[COUNT]->next, members[2 * COUNT - 1]);
    for (int i = COUNT; i < 2 * COUNT; i++)
        rh_release(members[i]);
    ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? COUNT : 0);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    assert_valid(heap);
    for (int i = 0; i < 2 * COUNT; i++) {
        node *fresh = new_node(heap, &node_type, 0);
        for (int k = 0; k < 2 * COUNT; k++)
            MUST(fresh != members[k] && is_tombstone(members[k], (uint64_t)k + 1));
    }
    rh_heap_destroy(heap);
}
END_TEST

/* How many of the freed slots still hold their tombstone after as many births. */
static int still_waiting(rh_heap *heap, node **dead, int count)
{
    int waiting = 0;
    uint64_t serial[LOTS];
    for (int i = 0; i < count; i++)
        serial[i] = rh_serial(dead[i]);
    for (int i = 0; i < 2 * count + 1500; i++) /* and the rest of a slab */
        new_node(heap, &node_type, 0);
    for (int i = 0; i < count; i++)
        waiting += is_tombstone(dead[i], serial[i]);
    return waiting;
}

START_TEST(a_collection_larger_than_the_quarantine_fills_it)
{
    enum { COUNT = LOTS, WAIT = LOTS / 4 };
    for (int with_older = 0; with_older < 2; with_older++) {
        rh_heap *heap = quarantined_heap(WAIT);
        rh_gc_disable(heap);
        static node *older[WAIT], *ring[COUNT];
        for (int i = 0; with_older && i < WAIT; i++)
            older[i] = new_node(heap, &node_type, i);
        for (int i = 0; i < COUNT; i++) {
            ring[i] = new_node(heap, &node_type, i);
            if (HAS_COLLECTOR)
                rh_set(&ring[i]->next, ring[i]);
        }
        for (int i = 0; with_older && i < WAIT; i++)
            rh_release(older[i]);
        for (int i = 0; i < COUNT; i++)
            rh_release(ring[i]);
        ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? COUNT : 0);
        assert_valid(heap);
        ck_assert_int_eq(still_waiting(heap, ring, COUNT), WAIT);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
}
END_TEST

START_TEST(large_objects_and_tiny_quarantines)
{
    static rh_type large = {.name = "large", .size = 20000};
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.quarantine_bytes = 1 << 20});
    void *first = rh_new(heap, &large);
    rh_release(first);
    void *second = rh_new(heap, &large);
    ck_assert_ptr_eq(first, second); /* not kept back */
    rh_release(second);
    assert_valid(heap);
    rh_heap_destroy(heap);
    static const size_t sizes[] = {1, 31, 32, 47, 48, 60};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        heap = rh_heap_create(&(rh_heap_options){.quarantine_bytes = sizes[i]});
        node *a = new_node(heap, &node_type, 1);
        rh_release(a);
        node *b = new_node(heap, &node_type, 2);
        ck_assert_int_eq(a != b, sizes[i] >= NODE_SLOT);
        rh_release(b);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
}
END_TEST

static uint32_t roll(uint32_t *state, uint32_t sides)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % sides;
}

/* Objects of several sizes, live graph and garbage: the heap stays valid, and nothing is reused
 * early. */
START_TEST(a_heap_with_everything_observed_stays_valid)
{
    static rh_type wide = {.name = "wide", .size = 600, .fields = node_fields};
    static rh_type huge = {.name = "huge", .size = 9000, .fields = node_fields};
    static rh_type *const types[] = {&node_type,   &node_type, &node_type,
                                     &logged_type, &wide,      &huge};
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        uint32_t state = seed;
        rh_heap *heap =
            rh_heap_create(&(rh_heap_options){.quarantine_bytes = (size_t)1 << (9 + 2 * seed),
                                              .history_events = 128,
                                              .stack_frames = 2,
                                              .check_threads = true});
        rh_gc_set_thresholds(heap, (rh_gc_thresholds){50, 25});
        enum { SLOTS = 64 };
        static node *slots[SLOTS];
        memset(slots, 0, sizeof slots);
        for (uint32_t step = 0; step < STEPS; step++) {
            node **at = &slots[roll(&state, SLOTS)], *from = slots[roll(&state, SLOTS)];
            switch (roll(&state, 6)) {
            case 0:
            case 1:
                rh_release(*at);
                *at = new_node(heap, types[roll(&state, 6)], 0);
                break;
            case 2:
                rh_set(at, NULL);
                break;
            case 3:
                if (*at)
                    rh_set(&(*at)->next, from);
                break;
            case 4:
                if (*at)
                    rh_set(&(*at)->other, from);
                break;
            default:
                rh_set(at, from);
            }
            if (roll(&state, 500) == 0)
                rh_gc_collect(heap);
            if (step % 512 == 0)
                assert_valid(heap);
        }
        assert_valid(heap);
        for (int i = 0; i < SLOTS; i++)
            rh_release(slots[i]);
        rh_gc_collect(heap);
        if (HAS_COLLECTOR)
            ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
}
END_TEST

static void release_it(void *object)
{
    rh_release(object);
}

static void quarantine_makes_it_certain(void)
{
    setenv("REFHEAP_OPTIONS", "quarantine=64k", 1);
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    release_it(a);
    for (int i = 0; i < 1000; i++) /* they would have been born there */
        rh_release(rh_new(heap, &node_type));
    release_it(a);
}

START_TEST(a_quarantined_object_is_known_long_after_its_end)
{
    assert_reports(quarantine_makes_it_certain,
                   "refheap: release of freed object node#1 (freed by release)\n"
                   "refheap: the history of heap 1 does not reach back to it\n");
}
END_TEST

#ifdef TEST_ASAN
#define WITH_LIMITS
#else
#define WITH_LIMITS it_gives_way_where_memory_is_short,
#endif

RUN_TESTS("runtime_quarantine", freed_slots_wait_and_are_given_back_in_order,
          WITH_LIMITS cascades_and_collections_pass_through_it,
          a_collection_larger_than_the_quarantine_fills_it, large_objects_and_tiny_quarantines,
          a_heap_with_everything_observed_stays_valid,
          a_quarantined_object_is_known_long_after_its_end)
