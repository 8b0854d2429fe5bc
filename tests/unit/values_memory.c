/* values_memory.c - lists and dictionaries whose operations need memory in several places: each
 * allocation fails once.
 *
 * Invariant: after every failure everything is as it was, and no object is left over. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

static rh_list *ten; /* 1009 down to 1000, each in a deep nest: comparing them needs memory */

static bool extend_by_itself(void)
{
    return rh_list_extend(ten, ten);
}

static bool sort_deep(void)
{
    return rh_list_sort(ten, NULL, NULL);
}

static bool slice_all(void)
{
    rh_list *slice = rh_list_slice(heap, ten, 0, SIZE_MAX);
    rh_release(slice);
    return slice != NULL;
}

START_TEST(short_memory_leaves_extend_sort_and_slice_undone)
{
    bool (*const operations[])(void) = {extend_by_itself, sort_deep, slice_all};
    static const int refusals_min[] = {1, 3, 1};
    for (size_t i = 0; i < 3; i++) {
        ten = rh_list_new(heap);
        for (int n = 9; n >= 0; n--) {
            void *nest = new_nest(rh_int_new(heap, 1000 + n), 40);
            MUST(rh_list_append(ten, nest));
            rh_release(nest);
        }
        rh_list *before = rh_list_slice(heap, ten, 0, SIZE_MAX);
        size_t objects = objects_alive();
        int refusals = 0;
        for (bool is_done = false; !is_done; refusals += !is_done) {
            failing_malloc_after(refusals);
            is_done = operations[i]();
            failing_malloc_after(-1);
            MUST(is_done || rh_equal(ten, before));
            for (size_t n = 0; n < 10 && !is_done; n++)
                MUST(rh_refcount(rh_list_get(ten, n)) == 2);
            MUST(objects_alive() == objects);
            assert_heap();
        }
        ck_assert_int_ge(refusals, refusals_min[i]);
        rh_release(before);
        rh_release(ten);
        assert_objects(0);
    }
}
END_TEST

static void slice_without_memory(void)
{
    ck_assert_ptr_null(rh_list_new(heap));
    ck_assert_ptr_null(rh_list_slice(heap, ten, 0, SIZE_MAX));
    ck_assert(rh_list_extend(ten, ten)); /* needs none of the heap */
}

START_TEST(a_heap_without_memory_makes_no_list)
{
    ten = INTS(1, 2, 3);
    destroy_heap_running(slice_without_memory);
}
END_TEST

static rh_dict *full, *other_dict; /* of the ints 0..5 and 3..40 */

static bool update(void)
{
    return rh_dict_update(full, other_dict);
}

static bool take_keys(void)
{
    rh_list *keys = rh_dict_keys(heap, full);
    rh_release(keys);
    return keys != NULL;
}

static void fill_dicts(void)
{
    full = rh_dict_new(heap);
    other_dict = rh_dict_new(heap);
    for (int i = 0; i <= 40; i++)
        MUST(rh_dict_set(i < 6 ? full : other_dict, rh_int_new(heap, i), rh_nil()));
    for (int i = 3; i < 6; i++)
        MUST(rh_dict_set(other_dict, rh_int_new(heap, i), rh_bool(true)));
}

START_TEST(short_memory_leaves_update_and_keys_undone)
{
    bool (*const operations[])(void) = {update, take_keys};
    static const int refusals_min[] = {3, 1};
    for (size_t i = 0; i < 2; i++) {
        fill_dicts();
        rh_dict *before = rh_dict_new(heap);
        ck_assert(rh_dict_update(before, full));
        size_t objects = objects_alive();
        int refusals = 0;
        for (bool is_done = false; !is_done; refusals += !is_done) {
            failing_malloc_after(refusals);
            is_done = operations[i]();
            failing_malloc_after(-1);
            MUST(is_done || rh_equal(full, before));
            MUST(objects_alive() == objects);
            assert_heap();
        }
        ck_assert_int_ge(refusals, refusals_min[i]);
        rh_release(before);
        rh_release(full);
        rh_release(other_dict);
        assert_objects(0);
    }
}
END_TEST

static void set_without_memory(void)
{
    ck_assert_ptr_null(rh_dict_new(heap));
    ck_assert_ptr_null(rh_dict_keys(heap, full));
    ck_assert_ptr_null(rh_dict_values(heap, full));
    ck_assert(!rh_dict_set_text(full, "new", rh_nil()));
    ck_assert_uint_eq(rh_dict_length(full), 6);
    ck_assert_ptr_null(rh_dict_get_text(full, "new"));
    ck_assert(rh_dict_update(full, other_dict)); /* needs none of the heap */
}

START_TEST(a_heap_without_memory_makes_no_dict)
{
    fill_dicts();
    destroy_heap_running(set_without_memory);
}
END_TEST

RUN_TESTS("values_memory", short_memory_leaves_extend_sort_and_slice_undone,
          a_heap_without_memory_makes_no_list, short_memory_leaves_update_and_keys_undone,
          a_heap_without_memory_makes_no_dict)
