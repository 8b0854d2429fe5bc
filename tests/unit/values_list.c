/* values_list.c - tests of the list: ownership, every operation against a plain array, and what happens
 * when finalizers come back or memory runs out.
 *
 * Invariant: after each operation the heap checks clean and each item's count is known. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

START_TEST(append_retains_and_release_of_the_list_gives_back)
{
    rh_list *list = rh_list_new(heap);
    rh_int *item = rh_int_new(heap, 1000);
    for (size_t i = 1; i <= 100; i++) {
        ck_assert(rh_list_append(list, item));
        ck_assert_uint_eq(rh_list_length(list), i);
        ck_assert_uint_eq(rh_refcount(item), i + 1);
        assert_heap();
    }
    rh_release(list);
    ck_assert_uint_eq(rh_refcount(item), 1);
    rh_release(item);
    assert_heap();
}
END_TEST

START_TEST(get_is_borrowed_and_pop_is_owned)
{
    rh_list *list = rh_list_new(heap);
    rh_int *item = rh_int_new(heap, 1000);
    rh_list_append(list, item);
    rh_release(item);
    ck_assert_ptr_eq(rh_list_get(list, 0), item);
    ck_assert_uint_eq(rh_refcount(item), 1);
    ck_assert_ptr_eq(rh_list_pop(list), item);
    ck_assert_uint_eq(rh_refcount(item), 1);
    ck_assert_ptr_null(rh_list_pop(list));
    rh_release(item);
    ck_assert(!rh_is_object(heap, item));
    rh_release(list);
}
END_TEST

START_TEST(wrong_arguments_are_refused_and_change_nothing)
{
    rh_list *list = rh_list_new(heap);
    rh_int *item = rh_int_new(heap, 1000);
    ck_assert(!rh_list_append(list, NULL));
    ck_assert(!rh_list_insert(list, 1, item));
    ck_assert(!rh_list_set(list, 0, item));
    ck_assert(!rh_list_remove(list, 0));
    ck_assert_ptr_null(rh_list_get(list, 0));
    ck_assert(rh_list_append(list, item));
    ck_assert(!rh_list_insert(list, 2, item));
    ck_assert(!rh_list_insert(list, 0, NULL));
    ck_assert(!rh_list_set(list, 1, item));
    ck_assert(!rh_list_set(list, 0, NULL));
    ck_assert(!rh_list_remove(list, 1));
    ck_assert(!rh_list_remove(list, SIZE_MAX));
    ck_assert_uint_eq(rh_list_length(list), 1);
    ck_assert_uint_eq(rh_refcount(item), 2);
    rh_release(item);
    rh_release(list);
}
END_TEST

/* Random operations on a list and on a plain array; both must hold the same after each. */
START_TEST(operations_agree_with_a_plain_array)
{
    enum { ITEMS = 16, STEPS = 20000, LENGTH_MAX = 300 };
    rh_int *items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = rh_int_new(heap, 1000 + i);
    static int twin[LENGTH_MAX + 1];
    size_t counts[ITEMS] = { 0 };
    size_t length = 0;
    rh_list *list = rh_list_new(heap);
    srand(1);
    for (int step = 0; step < STEPS; step++) {
        int which = rand() % ITEMS;
        /* Long phases of growth and of decay, so that the vector moves both ways. */
        bool is_growing = length == 0 || (length < LENGTH_MAX && rand() % 100 < (step / 1000 % 2 ? 35 : 65));
        size_t at = length ? (size_t)rand() % length : 0;
        if (is_growing) {
            at = rand() % 2 ? length : at;
            ck_assert(rh_list_insert(list, at, items[which]));
            memmove(&twin[at + 1], &twin[at], (length - at) * sizeof *twin);
            twin[at] = which;
            counts[which]++;
            length++;
        } else if (rand() % 3 == 0) {
            ck_assert(rh_list_set(list, at, items[which]));
            counts[twin[at]]--;
            counts[which]++;
            twin[at] = which;
        } else if (rand() % 2) {
            ck_assert(rh_list_remove(list, at));
            counts[twin[at]]--;
            memmove(&twin[at], &twin[at + 1], (length - at - 1) * sizeof *twin);
            length--;
        } else {
            length--;
            counts[twin[length]]--;
            void *popped = rh_list_pop(list);
            ck_assert_ptr_eq(popped, items[twin[length]]);
            rh_release(popped);
        }
        /* One assertion for all: each costs a write to a file. */
        bool is_equal = rh_list_length(list) == length;
        for (size_t i = 0; i < length; i++)
            is_equal &= rh_list_get(list, i) == items[twin[i]];
        for (int i = 0; i < ITEMS; i++)
            is_equal &= rh_refcount(items[i]) == counts[i] + 1;
        for (size_t i = length; i < list->capacity; i++)
            is_equal &= !list->items[i];
        ck_assert_msg(is_equal, "step %d, length %zu", step, length);
        if (step % 100 == 0)
            assert_heap();
    }
    rh_release(list);
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_uint_eq(rh_refcount(items[i]), 1);
        rh_release(items[i]);
    }
    assert_heap();
}
END_TEST

START_TEST(a_list_that_shrinks_returns_memory)
{
    rh_list *list = rh_list_new(heap);
    for (int i = 0; i < 10000; i++)
        ck_assert(rh_list_append(list, rh_nil()));
    ck_assert_uint_ge(list->capacity, 10000);
    while (rh_list_length(list) > 10)
        rh_release(rh_list_pop(list));
    ck_assert_uint_le(list->capacity, 64);
    rh_release(list);
}
END_TEST

/* An object whose finalizer uses the list that is just letting it go. */
typedef struct meddler {
    rh_object base;
    rh_list *list; /* borrowed: the list outlives it */
} meddler;

static size_t meddler_runs;

static void meddle(void *object)
{
    meddler *self = object;
    meddler_runs++;
    for (int i = 0; i < 50; i++)
        ck_assert(rh_list_append(self->list, rh_nil()));
}

static const rh_field meddler_fields[] = { RH_BORROWED(meddler, list), RH_FIELDS_END };
static rh_type meddler_type = {
    .name = "meddler", .size = sizeof(meddler), .fields = meddler_fields, .finalize = meddle
};

static void append_meddler(rh_list *list)
{
    meddler *object = rh_new(heap, &meddler_type);
    object->list = list;
    ck_assert(rh_list_append(list, object));
    rh_release(object);
}

START_TEST(finalizers_may_change_the_list_they_leave)
{
    rh_list *list = rh_list_new(heap);
    append_meddler(list);
    ck_assert(rh_list_set(list, 0, rh_bool(true)));
    ck_assert_uint_eq(meddler_runs, 1);
    ck_assert_uint_eq(rh_list_length(list), 51);
    append_meddler(list);
    ck_assert(rh_list_remove(list, 51));
    ck_assert_uint_eq(meddler_runs, 2);
    ck_assert_uint_eq(rh_list_length(list), 101);
    ck_assert_ptr_eq(rh_list_get(list, 0), rh_bool(true));
    for (size_t i = 1; i < 101; i++)
        ck_assert_ptr_eq(rh_list_get(list, i), rh_nil());
    assert_heap();
    rh_release(list);
}
END_TEST

START_TEST(short_memory_leaves_the_list_as_it_was)
{
    rh_list *list = rh_list_new(heap);
    rh_int *item = rh_int_new(heap, 1000);
    size_t refused = 0;
    for (size_t length = 0; length < 200;) {
        failing_malloc_after(0);
        bool is_added = rh_list_insert(list, length / 2, item);
        failing_malloc_after(-1);
        if (!is_added) {
            refused++;
            ck_assert_uint_eq(rh_list_length(list), length);
            ck_assert_uint_eq(rh_refcount(item), length + 1);
            assert_heap();
            ck_assert(rh_list_insert(list, length / 2, item));
        }
        length++;
    }
    ck_assert_uint_gt(refused, 3);
    /* A smaller vector cannot be had: the list keeps the large one. (No assertion in between: they
     * allocate, too.) */
    bool is_removed = true;
    failing_malloc_after(0);
    for (size_t length = 200; length > 0; length--)
        is_removed &= rh_list_remove(list, length / 2);
    failing_malloc_after(-1);
    ck_assert(is_removed);
    ck_assert_uint_ge(list->capacity, 200);
    ck_assert_uint_eq(rh_refcount(item), 1);
    ck_assert(rh_list_append(list, item));
    assert_heap();
    rh_release(item);
    rh_release(list);
}
END_TEST

START_TEST(a_list_that_holds_itself_is_collected)
{
    rh_list *list = rh_list_new(heap);
    rh_list *other = rh_list_new(heap);
    ck_assert(rh_list_append(list, list));
    ck_assert(rh_list_append(list, other));
    ck_assert(rh_list_append(other, list));
    rh_release(other);
    rh_release(list);
    ck_assert(rh_is_object(heap, list));
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    ck_assert(!rh_is_object(heap, list));
    ck_assert(!rh_is_object(heap, other));
    assert_heap();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("values_list");
    TCase *tests = tcase_create("values_list");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, append_retains_and_release_of_the_list_gives_back);
    tcase_add_test(tests, get_is_borrowed_and_pop_is_owned);
    tcase_add_test(tests, wrong_arguments_are_refused_and_change_nothing);
    tcase_add_test(tests, operations_agree_with_a_plain_array);
    tcase_add_test(tests, a_list_that_shrinks_returns_memory);
    tcase_add_test(tests, finalizers_may_change_the_list_they_leave);
    tcase_add_test(tests, short_memory_leaves_the_list_as_it_was);
    tcase_add_test(tests, a_list_that_holds_itself_is_collected);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
