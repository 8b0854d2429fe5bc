/* runtime_count.c - tests of count words: every transition, and the reports of misuse. */
#include "runtime_test.h"

#include <refheap/metadata.h>

START_TEST(a_new_object_has_count_one_and_is_zeroed)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    ck_assert_uint_eq(rh_refcount(a), 1);
    ck_assert_ptr_null(a->next);
    ck_assert_int_eq(a->value, 0);
    ck_assert_uint_eq(a->base.rh_count, HAS_COLLECTOR); /* armed, if anybody wants candidates */
    ck_assert_int_eq(rh_gc_is_tracked(a), HAS_COLLECTOR);
    a->value = 77;
    rh_release(a);
    node *b = rh_new(heap, &node_type);
    ck_assert_ptr_eq(b, a); /* the lowest free slot again */
    ck_assert_int_eq(b->value, 0);
    rh_release(b);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(serials_start_at_one_and_increase)
{
    rh_nil(); /* shared values come first and disturb nothing */
    rh_int *one = rh_int_new(NULL, 1);
    ck_assert_uint_ge(rh_serial(one), ((uint64_t)1 << 48) - ((uint64_t)1 << 32));
    rh_heap *heap = rh_heap_create(NULL);
    for (uint64_t i = 1; i <= MANY(3000); i++) {
        node *a = rh_new(heap, &node_type);
        MUST(rh_serial(a) == i);
        rh_release(a);
    }
    rh_heap *second = rh_heap_create(NULL);
    node *a = rh_new(second, &node_type);
    ck_assert_uint_gt(rh_serial(a), MANY(3000));
    uint64_t seen = rh_serial(a);
    rh_release(a);
    rh_heap_destroy(second);
    rh_heap_destroy(heap);
    heap = rh_heap_create(NULL);
    a = rh_new(heap, &node_type);
    ck_assert_uint_gt(rh_serial(a), seen); /* never again */
    rh_release(a);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(retain_and_release_count_and_disarm_once)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    ck_assert_ptr_eq(rh_retain(a), a);
    rh_retain(a);
    ck_assert_uint_eq(rh_refcount(a), 3);
    ck_assert_uint_eq(a->base.rh_count & 1, HAS_COLLECTOR);
    rh_release(a); /* leaves it alive: a candidate, unarmed */
    ck_assert_uint_eq(rh_gc_get_counts(heap).young_candidates, HAS_COLLECTOR);
    ck_assert_uint_eq(rh_refcount(a), 2);
    ck_assert_uint_eq(a->base.rh_count & 1, 0);
    rh_release(a);
    ck_assert_uint_eq(a->base.rh_count, 0);
    rh_gc_collect(heap); /* proved live: armed again */
    ck_assert_uint_eq(a->base.rh_count, HAS_COLLECTOR);
    assert_valid(heap);
    rh_release(a);
    ck_assert(!rh_is_object(heap, a));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(acyclic_objects_are_born_unarmed)
{
    static rh_type flagged = {
        .name = "flagged", .size = sizeof(node), .fields = node_fields, .flags = RH_TYPE_ACYCLIC};
    static const rh_field leaf_fields[] = {RH_INT(node, value), RH_FIELDS_END};
    static rh_type leaf = {.name = "leaf", .size = sizeof(node), .fields = leaf_fields};
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &flagged), *b = rh_new(heap, &leaf);
    ck_assert_uint_eq(a->base.rh_count, 0);
    ck_assert_uint_eq(b->base.rh_count, 0);
    ck_assert(b->base.rh_flags & RH_FLAG_ACYCLIC);
    rh_retain(b);
    rh_release(b);
    assert_valid(heap);
    rh_release(a);
    rh_release(b);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(null_is_retained_released_and_stored)
{
    node *slot = NULL;
    ck_assert_ptr_null(rh_retain(NULL));
    rh_release(NULL);
    rh_set(&slot, NULL);
    ck_assert_ptr_null(slot);
    ck_assert_uint_eq(rh_refcount(NULL), 0);
    rh_heap_destroy(NULL);
}
END_TEST

START_TEST(set_retains_the_new_before_it_releases_the_old)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type);
    rh_set(&a->next, b);
    ck_assert_uint_eq(rh_refcount(b), 2);
    rh_release(b);
    rh_set(&a->next, a->next); /* the only reference, stored over itself */
    ck_assert_uint_eq(rh_refcount(a->next), 1);
    ck_assert(rh_is_object(heap, b));
    rh_set(&a->next, NULL);
    ck_assert(!rh_is_object(heap, b));
    rh_release(a);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(the_functions_exist_out_of_line)
{
    void *(*volatile retain)(void *) = rh_retain;
    void (*volatile release)(void *) = rh_release;
    void (*volatile set)(void *, void *) = rh_set;
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type), *slot = NULL;
    ck_assert_ptr_eq(retain(a), a);
    release(a);
    set(&slot, a);
    ck_assert_uint_eq(rh_refcount(a), 2);
    release(slot);
    release(a);
    ck_assert(!rh_is_object(heap, a));
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(immortals_keep_no_count)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    rh_retain(a);
    rh_release(a); /* a candidate: that must end, too */
    rh_make_immortal(a);
    rh_make_immortal(a);
    ck_assert_uint_eq(rh_refcount(a), RH_IMMORTAL);
    for (int i = 0; i < 10; i++)
        rh_release(a);
    rh_retain(a);
    ck_assert_uint_eq(a->base.rh_count, 0xC0000000u);
    assert_valid(heap);
    rh_gc_collect(heap);
    ck_assert(rh_is_object(heap, a));
    rh_heap_destroy(heap);
}
END_TEST

/* ---- misuse --------------------------------------------------------------------------------- */

static void release_freed(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    rh_release(a);
    rh_release(a);
}

static void retain_collected(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_release(a);
    rh_release(b);
    if (rh_gc_collect(heap) == 2)
        rh_retain(b);
}

/* Without a collector neither is dead, and what is done to them is no misuse. */
static void use_uncollected(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type);
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_release(a);
    rh_release(b);
    if (rh_gc_collect(heap) != 0 || rh_refcount(rh_retain(b)) != 2)
        _exit(1);
    rh_release(b);
    rh_set(&b->next, NULL); /* by hand, then: b holds a no longer, so both die */
    if (rh_is_object(heap, a) || rh_is_object(heap, b))
        _exit(2);
    rh_heap_destroy(heap);
}

static void weak_of_freed(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    rh_release(a);
    rh_weak_new(a);
}

static void release_in_own_finalizer(void *object)
{
    rh_release(object); /* gives up the runtime's count */
}

static void over_release_dying(void)
{
    static rh_type type = {
        .name = "greedy", .size = sizeof(node), .finalize = release_in_own_finalizer};
    rh_heap *heap = rh_heap_create(NULL);
    rh_release(rh_new(heap, &type));
}

static void retain_too_often(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &node_type);
    a->base.rh_count = 0x7ffffffd; /* as if it had been retained a billion times */
    rh_retain(a);
    if (rh_refcount(a) == (size_t)1 << 30)
        rh_retain(a);
}

static void destroy_in_finalizer(void *object)
{
    node *self = object;
    rh_heap *heap;
    memcpy(&heap, &self->value + 1, sizeof heap);
    rh_heap_destroy(heap);
}

static void destroy_while_busy(void)
{
    static rh_type type = {
        .name = "n", .size = sizeof(node) + 16, .finalize = destroy_in_finalizer};
    rh_heap *heap = rh_heap_create(NULL);
    node *a = rh_new(heap, &type);
    memcpy(&a->value + 1, &heap, sizeof heap);
    rh_release(a);
}

START_TEST(misuse_is_named_and_aborts)
{
    assert_aborts(release_freed,
                  "refheap: release of freed object node#1, born in release_freed() at "
                  "runtime_count.c:N (freed by release)\n");
    if (HAS_COLLECTOR) {
        assert_aborts(retain_collected,
                      "refheap: retain of freed object node#2, born in retain_collected() at "
                      "runtime_count.c:N (freed by collect)\n");
    } else {
        char text[1024];
        ck_assert_int_eq(run_child(use_uncollected, text, sizeof text), 0);
        ck_assert_str_eq(text, "");
    }
    assert_aborts(weak_of_freed,
                  "refheap: rh_weak_new of freed object node#1, born in weak_of_freed() at "
                  "runtime_count.c:N (freed by release)\n");
    assert_aborts(over_release_dying,
                  "refheap: over-release: release of dying object greedy#1, born in "
                  "over_release_dying() at runtime_count.c:N\n");
    assert_aborts(retain_too_often, "refheap: count overflow: retain of object node#1, born in "
                                    "retain_too_often() at runtime_count.c:N\n");
    assert_aborts(destroy_while_busy,
                  "refheap: rh_heap_destroy of heap 1 inside one of its finalizers\n");
}
END_TEST

START_TEST(misuse_of_a_large_object_is_still_named)
{
    rh_heap *heap = rh_heap_create(NULL);
    static rh_type big = {.name = "big", .size = 100000};
    rh_object *object = rh_new(heap, &big);
    rh_release(object);
    ck_assert_uint_ne(object->rh_flags & RH_FLAG_FREED, 0);
    ck_assert_uint_eq(rh_serial(object), 1);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_count", a_new_object_has_count_one_and_is_zeroed,
          serials_start_at_one_and_increase, retain_and_release_count_and_disarm_once,
          acyclic_objects_are_born_unarmed, null_is_retained_released_and_stored,
          set_retains_the_new_before_it_releases_the_old, the_functions_exist_out_of_line,
          immortals_keep_no_count, misuse_is_named_and_aborts,
          misuse_of_a_large_object_is_still_named)
