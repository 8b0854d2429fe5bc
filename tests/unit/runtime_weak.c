/* runtime_weak.c - tests of weak references. */
#include "runtime_test.h"

#include <refheap/metadata.h>

START_TEST(one_weak_reference_per_target)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_weak *weak = rh_weak_new(a);
    ck_assert_ptr_eq(rh_weak_new(a), weak);
    ck_assert_uint_eq(rh_refcount(weak), 2);
    ck_assert_uint_eq(rh_refcount(a), 1);
    node *strong = rh_weak_get(weak);
    ck_assert_ptr_eq(strong, a);
    ck_assert_uint_eq(rh_refcount(a), 2);
    rh_release(strong);
    rh_release(a);
    ck_assert_ptr_null(rh_weak_get(weak));
    ck_assert(rh_is_object(heap, weak)); /* it lives on */
    rh_release(weak);
    rh_release(weak);
    assert_valid(heap);
    ck_assert_ptr_null(rh_weak_get(NULL));
    ck_assert_ptr_null(rh_weak_new(NULL));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_target_outlives_its_weak_reference)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_release(rh_weak_new(a));
    ck_assert_uint_eq(a->base.rh_flags & RH_FLAG_HAS_WEAK, 0);
    assert_valid(heap);
    rh_weak *again = rh_weak_new(a);
    rh_weak *of_weak = rh_weak_new(again); /* a managed object like others */
    ck_assert_ptr_nonnull(of_weak);
    rh_release(again);
    ck_assert_ptr_null(rh_weak_get(of_weak));
    rh_release(of_weak);
    rh_release(a);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(weak_fields_own_a_count_of_the_weak_reference)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    a->weak = rh_weak_new(b);
    rh_set(&b->weak, a->weak);
    ck_assert_uint_eq(rh_refcount(a->weak), 2);
    rh_weak *weak = a->weak;
    rh_release(a);
    ck_assert_uint_eq(rh_refcount(weak), 1);
    rh_release(b); /* holds the weak reference to itself: no cycle */
    ck_assert(!rh_is_object(heap, weak));
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(many_weak_references_grow_the_table_and_empty_it)
{
    rh_heap *heap = rh_heap_create(NULL);
    enum { COUNT = MANY(20000) };
    static node *targets[COUNT];
    static rh_weak *weaks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        targets[i] = new_node(heap, &node_type, i);
        weaks[i] = rh_weak_new(targets[i]);
    }
    assert_valid(heap);
    for (int i = 0; i < COUNT; i += 2) /* every second target, every third reference */
        rh_release(targets[i]);
    for (int i = 0; i < COUNT; i += 3)
        rh_release(weaks[i]);
    assert_valid(heap);
    for (int i = 0; i < COUNT; i++)
        if (i % 3) {
            node *strong = rh_weak_get(weaks[i]);
            MUST(strong == (i % 2 ? targets[i] : NULL));
            rh_release(strong);
        }
    rh_heap_destroy(heap);
}
END_TEST

static rh_weak *made;

static void make_weak(void *object)
{
    made = rh_weak_new(object);
    ck_assert_ptr_null(rh_weak_get(made)); /* its target is dying */
}

START_TEST(a_weak_reference_made_by_the_finalizer_reads_null)
{
    static rh_type type = {
        .name = "weakling", .size = sizeof(node), .fields = node_fields, .finalize = make_weak};
    rh_heap *heap = rh_heap_create(NULL);
    rh_release(rh_new(heap, &type));
    ck_assert_ptr_null(rh_weak_get(made));
    assert_valid(heap);
    rh_release(made);
    rh_heap_destroy(heap);
}
END_TEST

static rh_weak *to_phoenix;
static node *risen;

static void rise(void *object)
{
    ck_assert_ptr_null(rh_weak_get(to_phoenix));
    risen = rh_retain(object);
}

static rh_type phoenix_type = {
    .name = "phoenix", .size = sizeof(node), .fields = node_fields, .finalize = rise};

START_TEST(weak_references_stay_null_after_a_resurrection)
{
    rh_heap *heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    for (int is_cycle = 0; is_cycle < 2; is_cycle++) {
        node *a = rh_new(heap, &phoenix_type);
        to_phoenix = rh_weak_new(a);
        risen = NULL;
        if (is_cycle)
            rh_set(&a->next, a);
        rh_release(a);
        rh_gc_collect(heap);
        if (is_cycle && !HAS_COLLECTOR) { /* it stays, and is in reach, until it is broken up */
            node *strong = rh_weak_get(to_phoenix);
            ck_assert_ptr_eq(strong, a);
            rh_release(strong);
            rh_set(&a->next, NULL);
        }
        ck_assert_ptr_eq(risen, a);
        ck_assert(rh_is_object(heap, a));
        ck_assert_ptr_null(rh_weak_get(to_phoenix));
        rh_weak *again = rh_weak_new(a);
        ck_assert_ptr_ne(again, to_phoenix);
        assert_valid(heap);
        rh_release(again);
        rh_release(to_phoenix);
        rh_set(&a->next, NULL);
        rh_release(a);
    }
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(shared_values_have_weak_references_too)
{
    rh_weak *weak = rh_weak_new(rh_nil());
    ck_assert_ptr_nonnull(weak);
    ck_assert_ptr_eq(rh_weak_new(rh_nil()), weak);
    ck_assert_ptr_eq(rh_weak_get(weak), rh_nil());
    ck_assert_uint_eq(rh_refcount(weak), RH_IMMORTAL);
    rh_release(weak);
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    a->weak = weak;
    assert_valid(heap);
    rh_release(a);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_weak", one_weak_reference_per_target, a_target_outlives_its_weak_reference,
          weak_fields_own_a_count_of_the_weak_reference,
          many_weak_references_grow_the_table_and_empty_it,
          a_weak_reference_made_by_the_finalizer_reads_null,
          weak_references_stay_null_after_a_resurrection, shared_values_have_weak_references_too)
