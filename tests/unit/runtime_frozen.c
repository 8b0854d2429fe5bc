/* runtime_frozen.c - tests of rh_gc_freeze: what is frozen is left out of collections, is not
 * written to, and starts none; what became garbage meanwhile is found after rh_gc_unfreeze.
 *
 * A stress build runs a full collection at every birth: births come first. */
#include "runtime_gc_test.h"

START_TEST(frozen_objects_are_left_out_and_hold)
{
    node *nodes[6];
    setup_heap();
    make_nodes(nodes, 4);
    drop_as_ring(nodes[0]); /* frozen garbage */
    ck_assert_uint_eq(rh_gc_freeze_count(heap), 0);
    rh_gc_freeze(heap);
    ck_assert_uint_eq(rh_gc_freeze_count(heap), 4);
    make_nodes(nodes + 4, 2);
    ck_assert_uint_eq(rh_gc_freeze_count(heap), 4);
    rh_set(&nodes[1]->next, nodes[4]); /* a frozen holder, garbage itself */
    drop_as_ring(nodes[4]);
    rh_set(&nodes[1]->other, nodes[1]);
    rh_release(nodes[1]);
    drop_as_ring(nodes[5]);
    ck_assert_uint_eq(rh_gc_collect(heap), 1);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    ck_assert(rh_is_object(heap, nodes[0]));
    ck_assert(rh_is_object(heap, nodes[4]));
    assert_valid(heap);
    rh_release(nodes[2]); /* dies like any other */
    ck_assert_uint_eq(rh_gc_freeze_count(heap), 3);
    rh_gc_unfreeze(heap);
    ck_assert_uint_eq(rh_gc_freeze_count(heap), 0);
    ck_assert_uint_eq(rh_gc_collect(heap), 3);
    assert_counts(0, 0, 1);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

/* Nothing of theirs is written: neither marks nor headers nor the pages they lie in. */
START_TEST(collections_write_to_no_frozen_object)
{
    enum { COUNT = MANY(20000) };
    static node *nodes[COUNT], copies[COUNT];
    setup_heap();
    make_nodes(nodes, COUNT);
    for (int i = 0; i + 1 < COUNT; i++)
        rh_set(&nodes[i]->other, nodes[i + 1]);
    touch_all(nodes, 0, COUNT / 2);
    rh_gc_freeze(heap);
    for (int i = 0; i < COUNT; i++)
        copies[i] = *nodes[i];
    node *young = new_node(heap, &node_type, 0);
    young->other = rh_retain(nodes[0]);
    for (int i = 0; i < COUNT; i++) /* one more holder died, with it the only change */
        MUST(memcmp(&copies[i], nodes[i], sizeof(node)) == 0 || i == 0);
    copies[0] = *nodes[0];
    rh_retain(young);
    rh_release(young);
    rh_gc_collect_young(heap);
    rh_gc_collect(heap);
    for (int i = 0; i < COUNT; i++)
        MUST(memcmp(&copies[i], nodes[i], sizeof(node)) == 0);
    rh_release(young);
    rh_heap_destroy(heap);
}
END_TEST

/* They cannot be worked off, so they must not call for collections either. */
START_TEST(frozen_candidates_start_no_collections)
{
    enum { COUNT = 2000 / (MANY(100000) == 100000 ? 1 : 20), BIRTHS = COUNT * 5 };
    static node *nodes[COUNT];
    setup_heap();
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 10, .full_percent = 10});
    make_nodes(nodes, COUNT);
    touch_all(nodes, 0, COUNT / 2);
    rh_gc_collect_young(heap);
    touch_all(nodes, COUNT / 2, COUNT); /* spared ones and */
    node *late = new_node(heap, &node_type, 1);
    touch(late); /* young ones */
    rh_gc_freeze(heap);
    assert_valid(heap);
    rh_gc_collect(heap);
    assert_valid(heap);
    rh_gc_collect_young(heap);
    assert_valid(heap);
    uint64_t young = collections(RH_GC_YOUNG), full = collections(RH_GC_FULL);
    rh_gc_enable(heap);
    for (int i = 0; i < BIRTHS; i++)
        rh_release(rh_new(heap, &node_type));
#ifndef REFHEAP_GC_STRESS
    ck_assert_uint_eq(collections(RH_GC_YOUNG), young);
    ck_assert_uint_eq(collections(RH_GC_FULL), full);
    for (int i = 0; i < BIRTHS; i++)
        drop_as_ring(new_node(heap, &node_type, i));
    ck_assert_uint_ge(collections(RH_GC_YOUNG), young + BIRTHS / 10 - 1);
    ck_assert_uint_eq(collections(RH_GC_FULL), full);
#else
    ck_assert_uint_eq(collections(RH_GC_YOUNG), young);
    ck_assert_uint_eq(collections(RH_GC_FULL), full + BIRTHS);
#endif
    rh_gc_unfreeze(heap);
    for (int i = 0; i < COUNT; i++)
        drop_as_ring(nodes[i]);
    rh_gc_collect(heap);
    assert_counts(0, 0, 1);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

/* What became cyclic garbage while it was frozen has no candidates: unfreezing asks for a full
 * collection. */
START_TEST(what_was_frozen_garbage_goes_by_automatic_collections_later)
{
    enum { COUNT = MANY(1000) };
    static node *nodes[COUNT];
    setup_heap();
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){.young = 10, .full_percent = 25});
    make_nodes(nodes, COUNT);
    rh_gc_freeze(heap);
    for (int i = 0; i < COUNT; i++)
        drop_as_ring(nodes[i]);
    rh_gc_enable(heap);
    for (int i = 0; i < 100; i++)
        drop_as_ring(new_node(heap, &node_type, i));
    ck_assert_uint_ge(rh_gc_get_counts(heap).objects, COUNT);
    rh_gc_unfreeze(heap);
    for (int i = 0; i < 30; i++)
        drop_as_ring(new_node(heap, &node_type, i));
    ck_assert_uint_le(rh_gc_get_counts(heap).objects, 20);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_frozen", frozen_objects_are_left_out_and_hold,
          collections_write_to_no_frozen_object, frozen_candidates_start_no_collections,
          what_was_frozen_garbage_goes_by_automatic_collections_later)
