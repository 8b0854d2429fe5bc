/* values_scalar.c - tests of nil, booleans and numbers, and of what kind a value is.
 *
 * Invariant: every test leaves a heap that rh_heap_check accepts and that holds no object. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

START_TEST(small_integers_are_shared_and_immortal)
{
    for (int64_t value = RH_INT_SHARED_MIN; value <= RH_INT_SHARED_MAX; value++) {
        rh_int *one = rh_int_new(heap, value);
        rh_int *other = rh_int_new(heap, value);
        ck_assert_ptr_eq(one, other);
        ck_assert_int_eq(rh_int_value(one), value);
        ck_assert(rh_refcount(one) == RH_IMMORTAL);
        rh_release(one);
        rh_release(other);
        rh_release(other);
        ck_assert(rh_refcount(one) == RH_IMMORTAL);
        ck_assert(!rh_is_object(heap, one)); /* heap 0's */
    }
}
END_TEST

START_TEST(large_integers_are_objects_of_their_own)
{
    static const int64_t values[] = {RH_INT_SHARED_MIN - 1, RH_INT_SHARED_MAX + 1, INT64_MIN,
                                     INT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        rh_int *one = rh_int_new(heap, values[i]);
        rh_int *other = rh_int_new(heap, values[i]);
        ck_assert_ptr_ne(one, other);
        ck_assert(rh_equal(one, other));
        ck_assert_int_eq(rh_int_value(one), values[i]);
        ck_assert_uint_eq(rh_refcount(one), 1);
        ck_assert(rh_is_object(heap, one));
        rh_release(one);
        ck_assert(!rh_is_object(heap, one));
        rh_release(other);
    }
}
END_TEST

START_TEST(nil_and_booleans_exist_once)
{
    ck_assert_ptr_eq(rh_nil(), rh_nil());
    ck_assert_ptr_eq(rh_bool(true), rh_bool(true));
    ck_assert_ptr_eq(rh_bool(false), rh_bool(false));
    ck_assert_ptr_ne(rh_bool(false), rh_bool(true));
    ck_assert(rh_bool_value(rh_bool(true)));
    ck_assert(!rh_bool_value(rh_bool(false)));
    ck_assert(rh_refcount(rh_nil()) == RH_IMMORTAL);
    ck_assert(rh_refcount(rh_bool(true)) == RH_IMMORTAL);
}
END_TEST

static void *use_shared(void *result)
{
    rh_heap *own = rh_heap_create(NULL);
    rh_list *list = rh_list_new(own);
    for (int i = 0; i < 1000; i++) {
        ck_assert(rh_list_append(list, rh_nil()));
        ck_assert(rh_list_append(list, rh_int_new(own, i % 250)));
        ck_assert(rh_list_append(list, rh_bool(i & 1)));
    }
    *(void **)result = rh_list_get(list, 1 + 3 * 7);
    rh_release(list);
    rh_heap_destroy(own);
    return NULL;
}

START_TEST(threads_share_small_integers)
{
    pthread_t threads[4];
    void *seen[4] = {NULL};
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_shared, &seen[i]), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (int i = 0; i < 4; i++)
        ck_assert_ptr_eq(seen[i], rh_int_new(heap, 7));
}
END_TEST

START_TEST(floats_keep_every_bit)
{
    static const double values[] = {0.0, -0.0, 0.1, DBL_MAX, DBL_MIN, -INFINITY};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        rh_float *number = rh_float_new(heap, values[i]);
        double value = rh_float_value(number);
        ck_assert_int_eq(memcmp(&value, &values[i], sizeof value), 0);
        rh_release(number);
    }
}
END_TEST

START_TEST(kinds_are_told_apart)
{
    void *objects[] = {rh_nil(),
                       rh_bool(true),
                       rh_int_new(heap, 1000),
                       rh_float_new(heap, 1),
                       rh_string_new(heap, ""),
                       rh_list_new(heap),
                       rh_dict_new(heap)};
    bool (*const tests[])(const void *) = {rh_is_nil,    rh_is_bool, rh_is_int, rh_is_float,
                                           rh_is_string, rh_is_list, rh_is_dict};
    const rh_value_kind kinds[] = {RH_VALUE_NIL,    RH_VALUE_BOOL, RH_VALUE_INT, RH_VALUE_FLOAT,
                                   RH_VALUE_STRING, RH_VALUE_LIST, RH_VALUE_DICT};
    for (size_t i = 0; i < 7; i++) {
        ck_assert(!tests[i](NULL));
        ck_assert_int_eq(rh_value_kind_of(objects[i]), kinds[i]);
        for (size_t j = 0; j < 7; j++)
            ck_assert_int_eq(tests[i](objects[j]), i == j);
    }
    rh_weak *other = rh_weak_new(objects[2]);
    for (size_t i = 0; i < 7; i++)
        ck_assert(!tests[i](other));
    ck_assert_int_eq(rh_value_kind_of(other), RH_VALUE_OTHER);
    ck_assert_int_eq(rh_value_kind_of(NULL), RH_VALUE_OTHER);
    rh_release(other);
    release_all(objects, 7);
    assert_objects(0);
}
END_TEST

RUN_TESTS("values_scalar", small_integers_are_shared_and_immortal,
          large_integers_are_objects_of_their_own, nil_and_booleans_exist_once,
          threads_share_small_integers, floats_keep_every_bit, kinds_are_told_apart)
