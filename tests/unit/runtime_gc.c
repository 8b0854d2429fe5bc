/* runtime_gc.c - tests of what a program may ask of the collector and set: thresholds, counts,
 * statistics, callbacks.
 *
 * A stress build runs a full collection at every birth: where that matters, what is looked at is
 * done after the last birth. */
#include "runtime_gc_test.h"

/* ---- thresholds ----------------------------------------------------------------------------- */

START_TEST(thresholds_have_defaults_and_are_kept)
{
    setup_heap();
    rh_gc_thresholds thresholds = rh_gc_get_thresholds(heap);
    ck_assert_uint_eq(thresholds.young, 10000);
    ck_assert_uint_eq(thresholds.full_percent, 25);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 7, .full_percent = (size_t)1 << 40});
    thresholds = rh_gc_get_thresholds(heap);
    ck_assert_uint_eq(thresholds.young, 7);
    ck_assert_uint_eq(thresholds.full_percent, (size_t)1 << 40);
    rh_heap_destroy(heap);
}
END_TEST

#ifndef REFHEAP_GC_STRESS

START_TEST(a_young_collection_starts_when_its_threshold_is_reached)
{
    static node *nodes[200];
    setup_heap();
    make_nodes(nodes, 200);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 50, .full_percent = 25});
    rh_gc_enable(heap);
    touch_all(nodes, 0, 49);
    touch_all(nodes, 0, 49); /* the same ones */
    rh_release(rh_new(heap, &node_type));
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 0);
    touch(nodes[49]);
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 0); /* on births only */
    rh_release(rh_new(heap, &node_type));
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 1);
    assert_counts(0, 50, 200);
    touch_all(nodes, 0, 200); /* old now: no young candidates */
    rh_release(rh_new(heap, &node_type));
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 1);
    assert_counts(0, 200, 200);
    ck_assert_uint_eq(collections(RH_GC_FULL), 0);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_lower_threshold_applies_at_once_and_zero_means_never)
{
    static node *nodes[3000];
    setup_heap();
    make_nodes(nodes, 3000);
    rh_gc_enable(heap);
    touch_all(nodes, 0, 100);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 0, .full_percent = 1});
    for (int i = 0; i < 3000; i++)
        drop_as_ring(new_node(heap, &node_type, i));
    ck_assert_uint_eq(collections(RH_GC_YOUNG) + collections(RH_GC_FULL), 0);
    assert_counts(3100, 0, 6000);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 100, .full_percent = 0});
    rh_release(rh_new(heap, &node_type));
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 1);
    assert_counts(0, 100, 3000);
    touch_all(nodes, 100, 3000);
    for (int i = 0; i < 20000; i++) /* spared ones are most of the heap */
        drop_as_ring(new_node(heap, &node_type, i));
    ck_assert_uint_eq(collections(RH_GC_FULL), 0);
    ck_assert_uint_ge(collections(RH_GC_YOUNG), 200);
    rh_heap_destroy(heap);
}
END_TEST

/* Ten candidates that are garbage, and a birth. */
static void drop_ten(void)
{
    for (int i = 0; i < 10; i++)
        drop_as_ring(new_node(heap, &node_type, i));
    rh_release(rh_new(heap, &node_type));
}

/* Touches nodes until `share` of them are spared: too few for a full collection. A few more are
 * enough. The collection finds ten garbage objects among 1010. */
static void assert_full_at(node **nodes, int share)
{
    uint64_t before = collections(RH_GC_FULL);
    touch_all(nodes, 0, share - 10);
    drop_ten();
    ck_assert_uint_eq(collections(RH_GC_FULL), before);
    touch_all(nodes, share - 10, share + 15);
    drop_ten();
    ck_assert_uint_eq(collections(RH_GC_FULL), before + 1);
    assert_counts(0, 0, 1000);
}

START_TEST(a_full_collection_starts_by_its_share_of_the_heap)
{
    static node *nodes[1000];
    setup_heap();
    make_nodes(nodes, 1000);
    rh_gc_collect(heap); /* which leaves 1000 objects */
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 10, .full_percent = 25});
    rh_gc_enable(heap);
    assert_full_at(nodes, 250);
    assert_full_at(nodes, 500); /* twice as much after a useless one, once more, and no further */
    touch_all(nodes, 0, 990);
    drop_ten();
    ck_assert_uint_eq(collections(RH_GC_FULL), 3);
    rh_gc_collect(heap);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 10, .full_percent = 25});
    assert_full_at(nodes, 250); /* as asked again */
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 10, .full_percent = (size_t)1 << 32});
    touch_all(nodes, 0, 1000);
    uint64_t before = collections(RH_GC_FULL);
    drop_ten();
    ck_assert_uint_eq(collections(RH_GC_FULL), before); /* more than there can be */
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_full_collection_waits_for_ten_times_the_young_threshold)
{
    static node *nodes[1000];
    setup_heap();
    make_nodes(nodes, 1000);
    rh_gc_collect(heap);
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 10, .full_percent = 1});
    rh_gc_enable(heap);
    touch_all(nodes, 0, 95);
    drop_ten();
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 1);
    touch_all(nodes, 95, 115);
    drop_ten();
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 1);
    ck_assert_uint_eq(collections(RH_GC_FULL), 2);
    rh_heap_destroy(heap);
}
END_TEST

#define POLICY_TESTS                                                                               \
    a_young_collection_starts_when_its_threshold_is_reached,                                       \
        a_lower_threshold_applies_at_once_and_zero_means_never,                                    \
        a_full_collection_starts_by_its_share_of_the_heap,                                         \
        a_full_collection_waits_for_ten_times_the_young_threshold

#else

START_TEST(a_stress_build_runs_a_full_collection_at_every_birth)
{
    setup_heap();
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){0, 0});
    for (int i = 0; i < 20; i++)
        drop_as_ring(new_node(heap, &node_type, i));
    ck_assert_uint_eq(collections(RH_GC_FULL), 20);
    ck_assert_uint_eq(collections(RH_GC_YOUNG), 0);
    assert_counts(1, 0, 1);
    rh_heap_destroy(heap);
}
END_TEST

#define POLICY_TESTS a_stress_build_runs_a_full_collection_at_every_birth

#endif

/* ---- counts and statistics ------------------------------------------------------------------ */

START_TEST(counts_tell_candidates_and_objects)
{
    node *nodes[5];
    setup_heap();
    assert_counts(0, 0, 0);
    make_nodes(nodes, 5);
    rh_weak *weak = rh_weak_new(nodes[0]);
    rh_make_immortal(nodes[4]);
    rh_gc_collect(heap);
    assert_counts(0, 0, 6);
    touch_all(nodes, 0, 2);
    touch(nodes[4]); /* immortal: never a candidate */
    rh_retain(weak);
    rh_release(weak); /* acyclic: never a candidate */
    assert_counts(0, 2, 6);
    nodes[2]->next = NULL;
    rh_release(nodes[2]); /* dies at once */
    rh_release(nodes[3]);
    assert_counts(0, 2, 4);
    nodes[2] = new_node(heap, &node_type, 2);
    touch_all(nodes, 0, 3);
#ifdef REFHEAP_GC_STRESS
    assert_counts(1, 2, 5);
#else
    assert_counts(1, 2, 5);
    rh_gc_collect_young(heap);
    assert_counts(0, 3, 5);
#endif
    rh_release(nodes[1]); /* a candidate dies */
    rh_gc_collect(heap);
    assert_counts(0, 0, 4);
    rh_release(weak);
    rh_heap_destroy(heap);
}
END_TEST

static void see_itself_counted(void *object)
{
    (void)object;
    assert_counts(0, 0, 2);
    death_count++;
}

START_TEST(a_dying_object_counts_as_an_object_until_it_is_freed)
{
    static rh_type type = {.name = "seen",
                           .size = sizeof(node),
                           .fields = node_fields,
                           .finalize = see_itself_counted};
    setup_heap();
    node *parent = new_node(heap, &type, 1);
    parent->next = new_node(heap, &node_type, 2);
    rh_release(parent);
    ck_assert_int_eq(death_count, 1);
    assert_counts(0, 0, 0);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(statistics_add_up_by_generation)
{
    static rh_type leaf = {.name = "leaf", .size = sizeof(node)};
    node *nodes[6];
    setup_heap();
    make_nodes(nodes, 6);
    rh_set(&nodes[0]->other, nodes[1]);
    rh_release(nodes[1]);
    nodes[1]->other = new_node(heap, &leaf, 1);
    rh_gc_stats full_before = rh_gc_get_stats(heap, RH_GC_FULL);
    drop_as_ring(nodes[0]); /* itself, another, a leaf: three objects */
    touch(nodes[2]);
#ifdef REFHEAP_GC_STRESS
    size_t freed = rh_gc_collect(heap);
    ck_assert_uint_eq(freed, 3);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).visited, full_before.visited + 6);
#else
    ck_assert_uint_eq(rh_gc_collect_young(heap), 3);
    rh_gc_stats young = rh_gc_get_stats(heap, RH_GC_YOUNG);
    ck_assert_uint_eq(young.collections, 1);
    ck_assert_uint_eq(young.reclaimed, 3);
    ck_assert_uint_eq(young.visited, 3); /* 0, 1, 2; no acyclic object is looked at */
    ck_assert_uint_eq(full_before.collections, 0);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).visited, 4);
#endif
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).collections, full_before.collections + 1);
    drop_as_ring(nodes[3]);
    rh_gc_stats before = rh_gc_get_stats(heap, RH_GC_FULL);
    ck_assert_uint_eq(rh_gc_collect(heap), 1);
    rh_gc_stats full = rh_gc_get_stats(heap, RH_GC_FULL);
    ck_assert_uint_eq(full.reclaimed, before.reclaimed + 1);
    ck_assert_uint_eq(full.total_ns, before.total_ns + full.last_ns);
    ck_assert_uint_ge(full.longest_ns, full.last_ns);
    ck_assert_uint_ge(full.longest_ns, before.longest_ns);
    ck_assert_uint_ge(full.total_ns, full.longest_ns);
    ck_assert_uint_gt(full.last_ns, 0);
    ck_assert_uint_eq(full.uncollectable, 0);
    rh_heap_destroy(heap);
}
END_TEST

/* ---- callbacks ------------------------------------------------------------------------------ */

typedef struct record {
    int count;
    rh_gc_event events[64];
    bool may_use_heap;
    node *made;
    rh_weak *saves;
    node *saved;
} record;

static void note(rh_heap *which, const rh_gc_event *event, void *context)
{
    record *self = context;
    ck_assert_ptr_eq(which, heap);
    if (self->count < 64)
        self->events[self->count] = *event;
    self->count++;
    assert_valid(heap);
    if (!self->may_use_heap)
        return;
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    for (int i = 0; i < 100; i++) {
        node *a = new_node(heap, &node_type, i);
        a->next = self->made;
        self->made = a;
        drop_as_ring(new_node(heap, &node_type, i));
    }
    if (self->saves && !event->is_stop)
        self->saved = rh_weak_get(self->saves);
    assert_valid(heap);
}

static void assert_event(const record *self, int index, rh_gc_generation generation, bool is_stop,
                         size_t reclaimed)
{
    ck_assert_int_lt(index, self->count);
    ck_assert_int_eq(self->events[index].generation, generation);
    ck_assert_int_eq(self->events[index].is_stop, is_stop);
    ck_assert_uint_eq(self->events[index].reclaimed, reclaimed);
    ck_assert_uint_eq(self->events[index].uncollectable, 0);
}

START_TEST(callbacks_are_told_of_start_and_stop)
{
    record first = {0}, second = {0};
    node *nodes[3];
    setup_heap();
    make_nodes(nodes, 3);
    ck_assert(rh_gc_add_callback(heap, note, &first));
    ck_assert(rh_gc_add_callback(heap, note, &second));
    drop_as_ring(nodes[0]);
    rh_gc_collect_young(heap);
    size_t in_young = second.events[1].reclaimed;
    rh_gc_collect(heap);
    size_t in_full = second.events[3].reclaimed;
    ck_assert_uint_eq(in_young + in_full, 1); /* a stress build's last birth made all of them old */
    ck_assert_int_eq(first.count, 4);
    ck_assert_int_eq(second.count, 4);
    assert_event(&first, 0, RH_GC_YOUNG, false, 0);
    assert_event(&first, 1, RH_GC_YOUNG, true, in_young);
    assert_event(&first, 2, RH_GC_FULL, false, 0);
    assert_event(&first, 3, RH_GC_FULL, true, in_full);
    rh_gc_remove_callback(heap, note, &first);
    drop_as_ring(nodes[1]);
    rh_gc_collect(heap);
    ck_assert_int_eq(first.count, 4);
    ck_assert_int_eq(second.count, 6);
    assert_event(&second, 5, RH_GC_FULL, true, 1);
    rh_gc_remove_callback(heap, note, &second);
    rh_gc_remove_callback(heap, note, &second); /* not there: nothing happens */
    rh_gc_collect(heap);
    ck_assert_int_eq(second.count, 6);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_callback_may_use_the_heap_but_not_collect)
{
    record user = {.may_use_heap = true};
    node *nodes[2];
    setup_heap();
    make_nodes(nodes, 2);
    user.saves = rh_weak_new(nodes[0]);
    drop_as_ring(nodes[0]);
    drop_as_ring(nodes[1]);
    ck_assert(rh_gc_add_callback(heap, note, &user));
    /* It takes one of the two back, and makes 100 rings before the collection has begun. */
    ck_assert_uint_eq(rh_gc_collect(heap), 101);
    ck_assert_int_eq(user.count, 2);
    ck_assert_ptr_eq(user.saved, nodes[0]);
    ck_assert(rh_is_object(heap, nodes[0]));
    rh_gc_remove_callback(heap, note, &user);
    ck_assert_uint_eq(rh_gc_collect(heap), 100); /* those of the stop */
    /* two hundred made, the saved one, its weak reference */
    assert_counts(0, 0, 202);
    rh_release(user.made);
    rh_release(user.saved);
    rh_release(user.saves);
    ck_assert_uint_eq(rh_gc_collect(heap), 1);
    assert_counts(0, 0, 0);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(there_are_at_most_eight_callbacks)
{
    record records[9] = {0};
    setup_heap();
    for (int i = 0; i < 8; i++)
        ck_assert(rh_gc_add_callback(heap, note, &records[i]));
    ck_assert(!rh_gc_add_callback(heap, note, &records[8]));
    rh_gc_collect(heap);
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(records[i].count, i < 8 ? 2 : 0);
    rh_gc_remove_callback(heap, note, &records[8]);
    ck_assert(!rh_gc_add_callback(heap, note, &records[8]));
    rh_gc_remove_callback(heap, note, &records[3]);
    ck_assert(rh_gc_add_callback(heap, note, &records[8]));
    rh_gc_collect(heap);
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(records[i].count, i == 3 || i == 8 ? 2 : 4);
    rh_heap_destroy(heap);
}
END_TEST

static void remove_itself(rh_heap *which, const rh_gc_event *event, void *context)
{
    (void)event;
    ++*(int *)context;
    rh_gc_remove_callback(which, remove_itself, context);
}

START_TEST(a_callback_may_remove_itself)
{
    int called = 0;
    record other = {0};
    setup_heap();
    ck_assert(rh_gc_add_callback(heap, remove_itself, &called));
    ck_assert(rh_gc_add_callback(heap, note, &other));
    rh_gc_collect(heap);
    ck_assert_int_eq(called, 1);
    ck_assert_int_eq(other.count, 2);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_gc", thresholds_have_defaults_and_are_kept, POLICY_TESTS,
          counts_tell_candidates_and_objects, a_dying_object_counts_as_an_object_until_it_is_freed,
          statistics_add_up_by_generation, callbacks_are_told_of_start_and_stop,
          a_callback_may_use_the_heap_but_not_collect, there_are_at_most_eight_callbacks,
          a_callback_may_remove_itself)
