/* values_list.c - tests of the list: ownership, every operation against a plain array, and what
 * happens when finalizers come back or memory runs out.
 *
 * Invariant: after each operation the heap checks clean and each item's count is known. */
#include <check.h>
#include <malloc.h>
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
    ck_assert_uint_eq(rh_list_index(list, item, 0), 0);
    ck_assert_uint_eq(rh_list_index(list, item, 1), RH_NOT_FOUND);
    ck_assert_uint_eq(rh_list_index(list, item, SIZE_MAX), RH_NOT_FOUND);
    ck_assert(!rh_list_contains(list, NULL));
    rh_list *slices[] = {rh_list_slice(heap, list, 1, 0),
                         rh_list_slice(heap, list, SIZE_MAX, SIZE_MAX),
                         rh_list_slice(heap, list, 0, SIZE_MAX)};
    ck_assert_uint_eq(rh_list_length(slices[0]), 0);
    ck_assert_uint_eq(rh_list_length(slices[1]), 0);
    ck_assert(rh_equal(slices[2], list) && slices[2] != list);
    release_all((void **)slices, 3);
    rh_release(item);
    rh_release(list);
    assert_objects(0);
}
END_TEST

/* ---- the twin: a plain array of the items' numbers ------------------------------------------ */

enum { ITEMS = 16, LENGTH_MAX = 300 };
static rh_int *items[ITEMS];
static int twin[2 * LENGTH_MAX];
static size_t twin_length;

/* One test for all: libcheck's assertions write to a file each time. */
static void assert_twin(const rh_list *list, int step)
{
    size_t counts[ITEMS] = {0};
    bool is_equal = rh_list_length(list) == twin_length;
    for (size_t i = 0; is_equal && i < twin_length; i++) {
        is_equal &= rh_list_get(list, i) == items[twin[i]];
        counts[twin[i]]++;
    }
    for (int i = 0; i < ITEMS; i++)
        is_equal &= rh_refcount(items[i]) == counts[i] + 1;
    for (size_t i = twin_length; i < list->capacity; i++)
        is_equal &= !list->items[i];
    if (!is_equal)
        ck_abort_msg("step %d, length %zu", step, twin_length);
}

static void grow(rh_list *list, size_t at, int which)
{
    at = rand() % 2 ? twin_length : at;
    MUST(rh_list_insert(list, at, items[which]));
    memmove(&twin[at + 1], &twin[at], (twin_length - at) * sizeof *twin);
    twin[at] = which;
    twin_length++;
}

static void set(rh_list *list, size_t at, int which)
{
    MUST(rh_list_set(list, at, items[which]));
    twin[at] = which;
}

static void shrink(rh_list *list, size_t at, int which)
{
    twin_length--;
    if (which % 2) {
        MUST(rh_list_remove(list, at));
        memmove(&twin[at], &twin[at + 1], (twin_length - at) * sizeof *twin);
    } else {
        void *popped = rh_list_pop(list);
        MUST(popped == items[twin[twin_length]]);
        rh_release(popped);
    }
}

/* Appends a slice, or the list to itself. */
static void extend(rh_list *list, size_t at, int which)
{
    size_t end = at + (size_t)which, stop = end < twin_length ? end : twin_length;
    if (which == 0 && twin_length <= LENGTH_MAX / 2) {
        MUST(rh_list_extend(list, list));
        memcpy(&twin[twin_length], twin, twin_length * sizeof *twin);
        twin_length *= 2;
        return;
    }
    rh_list *slice = rh_list_slice(heap, list, at, end);
    MUST(rh_list_length(slice) == stop - at);
    if (twin_length + stop - at <= LENGTH_MAX) {
        MUST(rh_list_extend(list, slice));
        memcpy(&twin[twin_length], &twin[at], (stop - at) * sizeof *twin);
        twin_length += stop - at;
    }
    rh_release(slice);
}

static void reverse(rh_list *list, size_t at, int which)
{
    (void)at, (void)which;
    rh_list_reverse(list);
    for (size_t i = 0; i < twin_length / 2; i++) {
        int other = twin[i];
        twin[i] = twin[twin_length - 1 - i];
        twin[twin_length - 1 - i] = other;
    }
}

static void clear(rh_list *list, size_t at, int which)
{
    if (at % 16 == 0 && which == 0) { /* seldom */
        rh_list_clear(list);
        twin_length = 0;
    }
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void sort(rh_list *list, size_t at, int which)
{
    if (which < 4 && at % 2) {
        MUST(rh_list_sort(list, NULL, NULL)); /* the items' numbers are their order */
        qsort(twin, twin_length, sizeof *twin, by_number);
    }
}

static void find(rh_list *list, size_t at, int which)
{
    rh_int *same = rh_int_new(heap, rh_int_value(items[which]));
    size_t expected = at;
    while (expected < twin_length && twin[expected] != which)
        expected++;
    MUST(rh_list_index(list, same, at) == (expected < twin_length ? expected : RH_NOT_FOUND));
    MUST(rh_list_contains(list, same) == (rh_list_index(list, same, 0) != RH_NOT_FOUND));
    rh_release(same);
}

START_TEST(operations_agree_with_a_plain_array)
{
    static void (*const operations[])(rh_list *, size_t, int) = {set,   extend, reverse,
                                                                 clear, sort,   find};
    for (int i = 0; i < ITEMS; i++)
        items[i] = rh_int_new(heap, 1000 + i);
    rh_list *list = rh_list_new(heap);
    srand(1);
    for (int step = 0; step < MANY(30000); step++) {
        size_t at = twin_length ? (size_t)rand() % twin_length : 0;
        int which = rand() % ITEMS, choice = rand() % 100;
        /* Long phases of growth and of decay, so that the vector moves both ways. */
        if (twin_length == 0 || (twin_length < LENGTH_MAX && choice < (step / 1000 % 2 ? 15 : 55)))
            grow(list, at, which);
        else if (choice < 70)
            shrink(list, at, which);
        else
            operations[choice % 6](list, at, which);
        assert_twin(list, step);
        if (step % 100 == 0)
            assert_heap();
    }
    rh_release(list);
    for (int i = 0; i < ITEMS; i++) {
        ck_assert_uint_eq(rh_refcount(items[i]), 1);
        rh_release(items[i]);
    }
    assert_objects(0);
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

static const rh_field meddler_fields[] = {RH_BORROWED(meddler, list), RH_FIELDS_END};
static rh_type meddler_type = {
    .name = "meddler", .size = sizeof(meddler), .fields = meddler_fields, .finalize = meddle};

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

START_TEST(finalizers_find_a_cleared_list_empty_and_may_fill_it)
{
    rh_list *list = rh_list_new(heap);
    append_meddler(list);
    append_meddler(list);
    rh_list_clear(list);
    ck_assert_uint_eq(meddler_runs, 2);
    ck_assert_uint_eq(rh_list_length(list), 100);
    assert_heap();
    rh_list_clear(list);
    ck_assert_uint_eq(rh_list_length(list), 0);
    ck_assert_ptr_null(list->items);
    ck_assert(rh_list_append(list, rh_nil()));
    rh_release(list);
    assert_objects(0);
}
END_TEST

/* A meddler that only garbage holds: its finalizer runs in the collection that an allocation
 * starts. */
static void make_garbage(rh_list *list)
{
    rh_list *garbage = rh_list_new(heap);
    MUST(rh_list_append(garbage, garbage));
    meddler *object = rh_new(heap, &meddler_type);
    object->list = list;
    MUST(rh_list_append(garbage, object));
    rh_release(object);
    rh_release(garbage);
}

START_TEST(a_slice_is_of_the_list_as_the_allocation_left_it)
{
    rh_list *list = rh_list_new(heap);
    size_t runs;
    do { /* without a collector nothing ever happens in between */
        rh_list_clear(list);
        make_garbage(list);
        runs = meddler_runs;
        size_t length = rh_list_length(list);
        rh_list *slice = rh_list_slice(heap, list, 0, SIZE_MAX);
        MUST(rh_list_length(slice) == rh_list_length(list));
        MUST(rh_list_length(slice) == length + 50 * (meddler_runs - runs));
        rh_release(slice);
    } while (HAS_COLLECTOR && meddler_runs == runs);
    assert_heap();
    rh_release(list);
}
END_TEST

/* ---- memory that runs out ------------------------------------------------------------------- */

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
    ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? 2 : 0);
    ck_assert_int_eq(rh_is_object(heap, list), !HAS_COLLECTOR);
    ck_assert_int_eq(rh_is_object(heap, other), !HAS_COLLECTOR);
    assert_garbage_only();
}
END_TEST

/* malloc gives more than it is asked for, with what is left of an earlier block. */
START_TEST(no_word_behind_the_items_is_left_of_an_earlier_block)
{
    rh_list *list = rh_list_new(heap);
    for (size_t length = 1; length <= 100; length++) {
        for (size_t size = 24; size <= 2048; size += 16) {
            char *block = malloc(size);
            memset(block, 'a', size);
            free(block);
        }
        ck_assert(rh_list_append(list, rh_nil()));
        for (size_t i = length; i < malloc_usable_size(list->items) / sizeof *list->items; i++)
            ck_assert_msg(!list->items[i], "%zu items, slot %zu", length, i);
    }
    rh_release(list);
    assert_objects(0);
}
END_TEST

RUN_TESTS("values_list", no_word_behind_the_items_is_left_of_an_earlier_block,
          append_retains_and_release_of_the_list_gives_back, get_is_borrowed_and_pop_is_owned,
          wrong_arguments_are_refused_and_change_nothing, operations_agree_with_a_plain_array,
          a_list_that_shrinks_returns_memory, finalizers_may_change_the_list_they_leave,
          finalizers_find_a_cleared_list_empty_and_may_fill_it,
          a_slice_is_of_the_list_as_the_allocation_left_it, short_memory_leaves_the_list_as_it_was,
          a_list_that_holds_itself_is_collected)
