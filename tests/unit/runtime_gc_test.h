/* runtime_gc_test.h - what the tests of the collector's functions share: a heap with automatic
 * collections off, objects that are made candidates or garbage, and the heap's counts. */
#ifndef RUNTIME_GC_TEST_H
#define RUNTIME_GC_TEST_H

#include "runtime_test.h"

static rh_heap *heap;

__attribute__((unused)) static void setup_heap(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    death_count = 0;
}

__attribute__((unused)) static void make_nodes(node **nodes, int n)
{
    for (int i = 0; i < n; i++)
        nodes[i] = new_node(heap, &node_type, i);
}

/* A release that leaves it alive: a candidate root. */
__attribute__((unused)) static void touch(node *a)
{
    rh_retain(a);
    rh_release(a);
}

__attribute__((unused)) static void touch_all(node **nodes, int first, int end)
{
    for (int i = first; i < end; i++)
        touch(nodes[i]);
}

/* Makes garbage of an object that nothing else holds, or leaves it to its other holders. */
__attribute__((unused)) static void drop_as_ring(node *a)
{
    rh_set(&a->next, a);
    rh_release(a);
}

__attribute__((unused)) static void assert_counts(size_t young, size_t spared, size_t objects)
{
    rh_gc_counts counts = rh_gc_get_counts(heap);
    ck_assert_uint_eq(counts.young_candidates, young);
    ck_assert_uint_eq(counts.spared_candidates, spared);
    ck_assert_uint_eq(counts.objects, objects);
    ck_assert_uint_eq(counts.uncollectable, 0);
}

__attribute__((unused)) static uint64_t collections(rh_gc_generation generation)
{
    return rh_gc_get_stats(heap, generation).collections;
}

#endif
