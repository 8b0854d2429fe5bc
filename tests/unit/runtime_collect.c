/* runtime_collect.c - tests of the cycle collector: what it frees, what it keeps, and when it runs.
 */
#include "runtime_test.h"

#include <refheap/metadata.h>

static rh_heap *heap;
static node *kept;

/* A library without a collector: garbage stays as it is, and only rh_heap_destroy ends it, with its
 * `finalizers` finalizers. */
static void assert_stays(int finalizers)
{
    ck_assert_int_eq(death_count, 0);
    assert_collects(heap, 0);
    ck_assert_int_eq(death_count, 0);
    rh_heap_destroy(heap);
    ck_assert_int_eq(death_count, finalizers);
}

static void setup_heap(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    death_count = 0;
    kept = NULL;
}

/* A ring of n nodes whose only references are its own links. */
static node *drop_ring(rh_type *type, int n)
{
    node *first = new_node(heap, type, 0), *last = first;
    for (int i = 1; i < n; i++) {
        node *a = new_node(heap, type, i);
        rh_set(&last->next, a);
        rh_release(a);
        last = a;
    }
    rh_set(&last->next, first);
    rh_release(first);
    return first;
}

START_TEST(a_garbage_ring_of_a_million_is_collected)
{
    setup_heap();
    int n = MANY(1000000);
    drop_ring(&node_type, n);
#ifdef REFHEAP_GC_STRESS
    rh_gc_collect(heap);
#else
    assert_collects(heap, (size_t)n);
#endif
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_held_ring_survives_with_its_counts)
{
    setup_heap();
    node *ring = rh_retain(drop_ring(&node_type, 1));
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_set(&b->other, b);
    rh_release(a);
    assert_collects(heap, 0);
    ck_assert_uint_eq(rh_refcount(a), 1);
    ck_assert_uint_eq(rh_refcount(b), 3);
    ck_assert_uint_eq(rh_refcount(ring), 2);
    assert_valid(heap);
    rh_release(b);
    rh_release(ring);
    assert_collects(heap, 3);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_cycle_closed_by_moving_references_is_collected)
{
    setup_heap();
    node *a = new_node(heap, &node_type, 1);
    a->next = new_node(heap, &node_type, 2);
    a->next->next = a; /* no release ever happened */
    assert_collects(heap, 2);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(what_only_a_cycle_holds_dies_with_it)
{
    static rh_type leaf = {.name = "leaf", .size = sizeof(node), .finalize = log_value};
    setup_heap();
    node *ring = rh_retain(drop_ring(&node_type, 3));
    ring->other = new_node(heap, &node_type, 1);          /* a tail */
    ring->other->next = (node *)new_node(heap, &leaf, 2); /* an acyclic leaf */
    ring->next->other = rh_retain(ring->other->next);
    /* held by us, too */
    node *outside = ring->next->next->other = rh_retain(new_node(heap, &node_type, 3));
    ring->weak = rh_weak_new(outside);
    rh_release(ring);
    assert_collects(heap, 6); /* the ring, the tail, the leaf, the weak reference */
    ck_assert_int_eq(death_count, HAS_COLLECTOR);
    ck_assert(rh_is_object(heap, outside));
    ck_assert_uint_eq(rh_refcount(outside), HAS_COLLECTOR ? 1 : 2);
    assert_valid(heap);
    rh_release(outside);
    rh_heap_destroy(heap);
}
END_TEST

static void see_everything(void *object)
{
    node *self = object;
    log_value(object);
    ck_assert(rh_is_object(heap, self->next)); /* the others are intact while finalizers run */
    ck_assert_ptr_nonnull(self->next->next);
    ck_assert_uint_eq(rh_refcount(self), 2); /* its ring and the runtime */
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
}

START_TEST(cycles_with_finalizers_are_finalized_and_freed)
{
    static rh_type type = {
        .name = "seer", .size = sizeof(node), .fields = node_fields, .finalize = see_everything};
    setup_heap();
    kept = rh_retain(drop_ring(&type, 5));
    rh_release(kept);
    if (!HAS_COLLECTOR) {
        assert_stays(5);
        return;
    }
    ck_assert_uint_eq(rh_gc_collect(heap), 5);
    ck_assert_int_eq(death_count, 5);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void keep_the_first(void *object)
{
    node *self = object;
    log_value(object);
    if (self->value == 0)
        kept = rh_retain(self);
}

static rh_type phoenix_type = {
    .name = "phoenix", .size = sizeof(node), .fields = node_fields, .finalize = keep_the_first};

START_TEST(resurrection_rescues_what_it_reaches_and_nothing_else)
{
    setup_heap();
    node *first = rh_retain(drop_ring(&phoenix_type, 4));
    node *child = first->other = new_node(heap, &node_type, 10);
    /* points into the ring, held by its own cycle */
    node *behind = new_node(heap, &logged_type, 11);
    rh_set(&behind->other, first);
    rh_set(&behind->next, behind);
    rh_release(behind);
    rh_release(first);
    if (!HAS_COLLECTOR) {
        assert_stays(5);
        ck_assert_ptr_eq(kept, first); /* it tried */
        return;
    }
    ck_assert_uint_eq(rh_gc_collect(heap), 1); /* behind */
    ck_assert_int_eq(death_count, 5);
    ck_assert_ptr_eq(kept, first);
    ck_assert_uint_eq(rh_refcount(first), 2);
    ck_assert(rh_is_object(heap, first->next->next->next));
    ck_assert(rh_is_object(heap, child));
    assert_valid(heap);
    rh_release(kept);
    ck_assert_uint_eq(rh_gc_collect(heap), 5);
    ck_assert_int_eq(death_count, 5); /* not finalized again */
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void store_in_a_new_cycle(void *object)
{
    log_value(object);
    node *made = rh_new(heap, &node_type);
    if (!made) /* the heap is being destroyed */
        return;
    rh_set(&made->next, made);
    rh_set(&made->other, object);
    rh_release(made);
}

START_TEST(garbage_that_finalizers_made_goes_with_the_next_collection)
{
    static rh_type type = {.name = "maker",
                           .size = sizeof(node),
                           .fields = node_fields,
                           .finalize = store_in_a_new_cycle};
    setup_heap();
    rh_release(rh_retain(drop_ring(&type, 2)));
    if (!HAS_COLLECTOR) {
        assert_stays(2);
        return;
    }
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    assert_valid(heap);
    ck_assert_uint_eq(rh_gc_collect(heap), 4);
    ck_assert_int_eq(death_count, 2);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void break_the_ring(void *object)
{
    node *self = object;
    log_value(object);
    rh_set(&self->next, NULL); /* others lose their reference while they are condemned */
}

START_TEST(finalizers_may_take_the_cycle_apart)
{
    static rh_type type = {
        .name = "breaker", .size = sizeof(node), .fields = node_fields, .finalize = break_the_ring};
    setup_heap();
    rh_release(rh_retain(drop_ring(&type, 6)));
    if (!HAS_COLLECTOR) {
        assert_stays(6);
        return;
    }
    ck_assert_uint_eq(rh_gc_collect(heap), 6);
    ck_assert_int_eq(death_count, 6);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(weak_references_to_a_cycle_read_null_in_its_finalizers)
{
    setup_heap();
    node *ring = rh_retain(drop_ring(&logged_type, 3));
    rh_weak *weak = rh_weak_new(ring->next);
    void *strong = rh_weak_get(weak);
    ck_assert_ptr_eq(strong, ring->next);
    rh_release(strong);
    rh_release(ring);
    if (!HAS_COLLECTOR) {
        strong = rh_weak_get(weak);
        ck_assert_ptr_eq(strong, ring->next);
        rh_release(strong);
        assert_stays(3);
        return;
    }
    ck_assert_uint_eq(rh_gc_collect(heap), 3);
    ck_assert_ptr_null(rh_weak_get(weak));
    rh_release(weak);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static node *bystander;

static void release_bystander(void *object)
{
    (void)object;
    rh_set(&bystander, NULL);
}

static enum rh_death death_of(const node *tombstone)
{
    ck_assert(tombstone->base.rh_flags & RH_FLAG_FREED);
    return (enum rh_death)((tombstone->base.rh_flags & RH_FLAG_DEATH_MASK) >> RH_FLAG_DEATH_SHIFT);
}

/* What a cycle held dies of the collection, what a finalizer let go of meanwhile by release. */
START_TEST(tombstones_tell_who_died_of_the_collection)
{
    static rh_type leaf_type = {.name = "leaf",
                                .size = sizeof(node),
                                .fields = node_fields,
                                .finalize = release_bystander,
                                .flags = RH_TYPE_ACYCLIC};
    setup_heap();
    node *a = new_node(heap, &node_type, 1);
    node *leaf = a->next = new_node(heap, &leaf_type, 2);
    node *below = leaf->next = new_node(heap, &leaf_type, 3);
    bystander = new_node(heap, &leaf_type, 4);
    node *first = bystander, *second = bystander->next = new_node(heap, &leaf_type, 5);
    rh_set(&a->other, a);
    rh_release(a);
    assert_collects(heap, 3);
    if (!HAS_COLLECTOR)
        rh_set(&a->other, NULL); /* the same deaths, but by release */
    const enum rh_death expected = HAS_COLLECTOR ? RH_DEATH_COLLECT : RH_DEATH_RELEASE;
    ck_assert_int_eq(death_of(a), expected);
    ck_assert_int_eq(death_of(leaf), expected);
    ck_assert_int_eq(death_of(below), expected);
    ck_assert_int_eq(death_of(first), RH_DEATH_RELEASE);
    ck_assert_int_eq(death_of(second), RH_DEATH_RELEASE);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(immortals_hold_cycles)
{
    setup_heap();
    node *ring = rh_retain(drop_ring(&node_type, 2));
    node *immortal = new_node(heap, &node_type, 1);
    rh_make_immortal(immortal);
    rh_set(&immortal->next, ring);
    rh_set(&ring->other, immortal);
    rh_release(ring);
    assert_collects(heap, 0);
    assert_valid(heap);
    rh_set(&immortal->next, NULL);
    assert_collects(heap, 2);
    rh_heap_destroy(heap);
}
END_TEST

static node *over_release(void)
{
    node *a = new_node(heap, &node_type, 1), *holder = new_node(heap, &node_type, 2);
    rh_set(&a->next, a);
    holder->next = a; /* a reference without a count: a bug of the program */
    rh_set(&holder->other, a);
    rh_release(a); /* count 2, held by three slots */
    return a;
}

#ifdef REFHEAP_GC_STRESS
static void over_release_in_child(void)
{
    setup_heap();
    over_release();
}
#endif

START_TEST(an_over_released_cycle_is_not_freed_under_its_holders)
{
#ifdef REFHEAP_GC_STRESS /* which notices at once */
    assert_aborts(over_release_in_child, "refheap: heap 1 is damaged after rh_release:\n"
                                         "node#1: count 2, but 3 declared slots hold it\n");
#else
    setup_heap();
    node *a = over_release();
    char report[256];
    ck_assert_uint_eq(rh_heap_check(heap, report, sizeof report), 1);
    ck_assert_str_eq(report, "node#1: count 2, but 3 declared slots hold it\n");
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert(rh_is_object(heap, a));
    ck_assert_uint_eq(rh_refcount(a), 2);
#endif
}
END_TEST

START_TEST(automatic_collections_run_on_allocation_only_when_enabled)
{
    setup_heap();
    static rh_type counted = {
        .name = "counted", .size = sizeof(node), .fields = node_fields, .finalize = log_value};
    rh_gc_enable(heap);
    ck_assert_int_eq(rh_gc_is_enabled(heap), HAS_COLLECTOR);
    for (int i = 0; i < MANY(100000); i++)
        drop_ring(&counted, 2);
    if (!HAS_COLLECTOR) {
        ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 2 * MANY(100000));
        assert_stays(2 * MANY(100000));
        return;
    }
#ifndef REFHEAP_GC_STRESS
    ck_assert_int_ge(death_count, 190000); /* the default: 10000 young candidates */
    ck_assert_int_le(death_count, 200000);
#endif
    rh_gc_disable(heap);
    ck_assert(!rh_gc_is_enabled(heap));
    rh_gc_collect(heap);
    death_count = 0;
    for (int i = 0; i < MANY(10000); i++)
        drop_ring(&counted, 2);
#ifndef REFHEAP_GC_STRESS
    ck_assert_int_eq(death_count, 0); /* but candidates were recorded */
    rh_gc_enable(heap);
    rh_release(rh_new(heap, &node_type));
    ck_assert_int_eq(death_count, 20000);
#endif
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

#ifndef REFHEAP_GC_STRESS
/* Live data that never becomes garbage, touched again and again: full collections, which visit
 * all of it, must become rare, and young ones must not visit it at all. */
START_TEST(useless_collections_become_rare)
{
    setup_heap();
    enum { COUNT = 100000, ROUNDS = 40 };
    static node *all[COUNT];
    for (int i = 0; i < COUNT; i++)
        all[i] = new_node(heap, &node_type, i);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 100, .full_percent = 10});
    rh_gc_collect_young(heap); /* now they are old */
    rh_gc_enable(heap);
    uint64_t rounds_by_share = 0;
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < COUNT / 10; i++) {
            node *a = all[(round * (COUNT / 10) + i) % COUNT];
            rh_retain(a);
            rh_release(a);
        }
        for (int i = 0; i < 100; i++)
            drop_ring(&node_type, 1);
        rh_release(rh_new(heap, &node_type));
        rounds_by_share += rh_gc_get_counts(heap).spared_candidates == 0;
    }
    rh_gc_stats young = rh_gc_get_stats(heap, RH_GC_YOUNG),
                full = rh_gc_get_stats(heap, RH_GC_FULL);
    if (!HAS_COLLECTOR) {
        ck_assert_uint_eq(young.collections + full.collections + young.visited + full.visited, 0);
        ck_assert_uint_eq(rh_gc_get_counts(heap).objects, COUNT + 100 * ROUNDS);
        ck_assert_uint_eq(rh_gc_get_thresholds(heap).young, 100); /* kept, and not heeded */
        rh_heap_destroy(heap);
        return;
    }
    ck_assert_uint_ge(full.collections, 5); /* the share grows from 10 to 40 percent */
    ck_assert_uint_le(full.collections, 16);
    ck_assert_uint_eq(full.collections, rounds_by_share);
    ck_assert_uint_le(young.visited, 200 * ROUNDS);
    ck_assert_uint_eq(young.reclaimed + full.reclaimed, 100 * ROUNDS);
    for (int i = 0; i < COUNT; i++)
        rh_release(all[i]);
    rh_heap_destroy(heap);
}
END_TEST
#else
START_TEST(useless_collections_become_rare)
{
    /* A stress build collects at every allocation, whatever the policy: see that it does. */
    setup_heap();
    drop_ring(&logged_type, 1);
    rh_release(rh_new(heap, &node_type));
    ck_assert_int_eq(death_count, HAS_COLLECTOR);
    rh_heap_destroy(heap);
}
END_TEST
#endif

RUN_TESTS("runtime_collect", a_garbage_ring_of_a_million_is_collected,
          a_held_ring_survives_with_its_counts, a_cycle_closed_by_moving_references_is_collected,
          what_only_a_cycle_holds_dies_with_it, cycles_with_finalizers_are_finalized_and_freed,
          resurrection_rescues_what_it_reaches_and_nothing_else,
          garbage_that_finalizers_made_goes_with_the_next_collection,
          finalizers_may_take_the_cycle_apart,
          weak_references_to_a_cycle_read_null_in_its_finalizers,
          tombstones_tell_who_died_of_the_collection, immortals_hold_cycles,
          an_over_released_cycle_is_not_freed_under_its_holders,
          automatic_collections_run_on_allocation_only_when_enabled,
          useless_collections_become_rare)
