/* values_sort.c - tests of sorting: the order, stability, and comparators that refuse or interfere.
 *
 * Invariant: a sort that fails leaves the list as it was. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

/* Lists of two ints; the first is the key, the second tells equal ones apart. */
static rh_order by_first(const void *a, const void *b, void *context)
{
    ++*(size_t *)context;
    return rh_compare(rh_list_get(a, 0), rh_list_get(b, 0));
}

static int64_t number(const rh_list *pair, size_t i)
{
    return rh_int_value(rh_list_get(pair, i));
}

START_TEST(sort_is_stable_and_asks_little)
{
    srand(4);
    for (int length = 0; length < MANY(300); length++) {
        rh_list *list = rh_list_new(heap);
        for (int i = 0; i < length; i++) {
            rh_list *pair = INTS(rand() % (length / 3 + 1), i);
            MUST(rh_list_append(list, pair));
            rh_release(pair);
        }
        size_t asked = 0, logarithm = 0;
        while (1 << logarithm < length)
            logarithm++;
        MUST(rh_list_sort(list, by_first, &asked));
        MUST(asked <= (logarithm + 1) * (size_t)length);
        for (size_t i = 1; i < (size_t)length; i++) {
            const rh_list *one = rh_list_get(list, i - 1), *other = rh_list_get(list, i);
            MUST(number(one, 0) < number(other, 0) ||
                 (number(one, 0) == number(other, 0) && number(one, 1) < number(other, 1)));
            MUST(rh_refcount(one) == 1);
        }
        asked = 0;
        MUST(rh_list_sort(list, by_first, &asked) && asked <= (size_t)length);
        rh_release(list);
        assert_heap();
    }
    assert_objects(0);
}
END_TEST

static rh_order descending(const void *a, const void *b, void *context)
{
    (void)context;
    return rh_compare(b, a);
}

static rh_order any_number(const void *a, const void *b, void *context)
{
    (void)context;
    return (rh_order)(100 * (rh_int_value(a) - rh_int_value(b)));
}

START_TEST(comparators_choose_the_order_and_may_refuse)
{
    rh_list *list = INTS(3, 1000, 2, 1, 1000), *expected = INTS(1000, 1000, 3, 2, 1);
    ck_assert(rh_list_sort(list, descending, NULL));
    ck_assert(rh_equal(list, expected));
    rh_list_reverse(expected);
    ck_assert(rh_list_sort(list, any_number, NULL));
    ck_assert(rh_equal(list, expected));
    rh_list *mixed = rh_list_slice(heap, expected, 0, SIZE_MAX);
    rh_list_reverse(mixed);
    ck_assert(rh_list_insert(mixed, 2, rh_nil()));
    rh_list *before = rh_list_slice(heap, mixed, 0, SIZE_MAX);
    ck_assert(!rh_list_sort(mixed, NULL, NULL));
    ck_assert(!rh_list_sort(mixed, descending, NULL));
    ck_assert(rh_equal(mixed, before));
    rh_list_clear(before);
    ck_assert(rh_list_sort(before, NULL, NULL));
    void *objects[] = {list, expected, mixed, before};
    release_all(objects, 4);
    assert_objects(0);
}
END_TEST

/* Replaces what is sorted, item by item and then with more than there was. */
static rh_order spoil(const void *a, const void *b, void *context)
{
    rh_list *list = context;
    rh_order order = rh_compare(a, b);
    if (rh_list_length(list) && rh_list_length(list) < 10)
        MUST(rh_list_remove(list, 0));
    else
        for (int i = 0; i < 20; i++) {
            rh_int *other = rh_int_new(heap, 1000 + i);
            MUST(rh_list_append(list, other));
            rh_release(other);
        }
    MUST(rh_compare(a, b) == order); /* both are alive */
    return order;
}

START_TEST(comparators_may_change_the_list)
{
    rh_list *list = INTS(5000, 2000, 4000, 1000, 3000, 6000);
    rh_list *expected = INTS(1000, 2000, 3000, 4000, 5000, 6000);
    ck_assert(rh_list_sort(list, spoil, list));
    ck_assert(rh_equal(list, expected));
    for (size_t i = 0; i < 6; i++)
        ck_assert_uint_eq(rh_refcount(rh_list_get(list, i)), 1);
    ck_assert(rh_list_append(list, rh_nil()));
    rh_release(list);
    rh_release(expected);
    assert_objects(0);
}
END_TEST

RUN_TESTS("values_sort", sort_is_stable_and_asks_little,
          comparators_choose_the_order_and_may_refuse, comparators_may_change_the_list)
