/* values_scalar.c - tests of nil, booleans, numbers, strings and rh_equal.
 *
 * Invariant: every test leaves a heap that rh_heap_check accepts and that holds no object. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

static rh_heap *heap;

static void setup(void)
{
    heap = rh_heap_create(NULL);
    ck_assert_ptr_nonnull(heap);
}

static void teardown(void)
{
    char report[4096];
    ck_assert_msg(rh_heap_check(heap, report, sizeof report) == 0, "%s", report);
    rh_heap_destroy(heap);
}

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
    static const int64_t values[] = { RH_INT_SHARED_MIN - 1, RH_INT_SHARED_MAX + 1, INT64_MIN, INT64_MAX };
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
    void *seen[4] = { NULL };
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
    static const double values[] = { 0.0, -0.0, 0.1, DBL_MAX, DBL_MIN, -INFINITY };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        rh_float *number = rh_float_new(heap, values[i]);
        double value = rh_float_value(number);
        ck_assert_int_eq(memcmp(&value, &values[i], sizeof value), 0);
        rh_release(number);
    }
}
END_TEST

START_TEST(strings_hold_any_bytes_and_end_in_zero)
{
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 7 ? i : 0);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        rh_string *string = rh_string_new_bytes(heap, bytes, length);
        ck_assert_uint_eq(rh_string_length(string), length);
        ck_assert_int_eq(memcmp(rh_string_text(string), bytes, length), 0);
        ck_assert_int_eq(rh_string_text(string)[length], 0);
        ck_assert_uint_eq(rh_heap_check(heap, NULL, 0), 0);
        rh_release(string);
    }
    rh_string *text = rh_string_new(heap, "refheap");
    ck_assert_str_eq(rh_string_text(text), "refheap");
    ck_assert_uint_eq(rh_string_length(text), 7);
    rh_release(text);
}
END_TEST

START_TEST(large_strings_are_whole)
{
    size_t length = (size_t)20 << 20;
    char *bytes = malloc(length);
    memset(bytes, 'x', length);
    rh_string *string = rh_string_new_bytes(heap, bytes, length);
    ck_assert_int_eq(memcmp(rh_string_text(string), bytes, length), 0);
    ck_assert_int_eq(rh_string_text(string)[length], 0);
    rh_release(string);
    free(bytes);
}
END_TEST

START_TEST(kinds_are_told_apart)
{
    void *objects[] = { rh_nil(), rh_bool(true), rh_int_new(heap, 1000), rh_float_new(heap, 1),
                        rh_string_new(heap, ""), rh_list_new(heap), rh_dict_new(heap) };
    bool (*const tests[])(const void *) = { rh_is_nil, rh_is_bool, rh_is_int, rh_is_float,
                                            rh_is_string, rh_is_list, rh_is_dict };
    for (size_t i = 0; i < 7; i++) {
        ck_assert(!tests[i](NULL));
        for (size_t j = 0; j < 7; j++)
            ck_assert_int_eq(tests[i](objects[j]), i == j);
    }
    for (size_t i = 0; i < 7; i++)
        rh_release(objects[i]);
}
END_TEST

static void assert_equality(void *a, void *b, bool expected)
{
    ck_assert_int_eq(rh_equal(a, b), expected);
    ck_assert_int_eq(rh_equal(b, a), expected);
    ck_assert(rh_equal(a, a));
    ck_assert(rh_equal(b, b));
    ck_assert(!rh_equal(a, NULL));
    rh_release(a);
    rh_release(b);
}

START_TEST(equality_compares_values_of_one_type)
{
    assert_equality(rh_int_new(heap, 1000), rh_int_new(heap, 1000), true);
    assert_equality(rh_int_new(heap, 1000), rh_int_new(heap, 1001), false);
    assert_equality(rh_int_new(heap, 1000), rh_float_new(heap, 1000), false);
    assert_equality(rh_float_new(heap, 0.0), rh_float_new(heap, -0.0), true);
    assert_equality(rh_float_new(heap, NAN), rh_float_new(heap, NAN), false);
    assert_equality(rh_string_new(heap, "a"), rh_string_new(heap, "a"), true);
    assert_equality(rh_string_new(heap, "a"), rh_string_new(heap, "b"), false);
    assert_equality(rh_string_new_bytes(heap, "a\0b", 3), rh_string_new_bytes(heap, "a\0c", 3), false);
    assert_equality(rh_string_new_bytes(heap, "a\0b", 3), rh_string_new(heap, "a"), false);
    assert_equality(rh_list_new(heap), rh_list_new(heap), false);
    assert_equality(rh_dict_new(heap), rh_dict_new(heap), false);
    assert_equality(rh_nil(), rh_bool(false), false);
    assert_equality(rh_int_new(heap, 0), rh_bool(false), false);
    ck_assert(rh_equal(NULL, NULL));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("values_scalar");
    TCase *tests = tcase_create("values_scalar");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, small_integers_are_shared_and_immortal);
    tcase_add_test(tests, large_integers_are_objects_of_their_own);
    tcase_add_test(tests, nil_and_booleans_exist_once);
    tcase_add_test(tests, threads_share_small_integers);
    tcase_add_test(tests, floats_keep_every_bit);
    tcase_add_test(tests, strings_hold_any_bytes_and_end_in_zero);
    tcase_add_test(tests, large_strings_are_whole);
    tcase_add_test(tests, kinds_are_told_apart);
    tcase_add_test(tests, equality_compares_values_of_one_type);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
