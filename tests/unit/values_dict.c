/* values_dict.c - tests of the dictionary: order, ownership, every operation against a plain list
 * of pairs, and what happens when finalizers come back or memory runs out.
 *
 * Invariant: after each operation the heap checks clean and the dictionary equals its twin. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

static void set_text(rh_dict *dict, const char *key, void *value)
{
    rh_string *string = rh_string_new(heap, key);
    ck_assert(rh_dict_set(dict, string, value));
    rh_release(string);
}

START_TEST(keys_are_found_by_equality)
{
    rh_dict *dict = rh_dict_new(heap);
    rh_int *number = rh_int_new(heap, 123456789), *same_number = rh_int_new(heap, 123456789);
    rh_float *half = rh_float_new(heap, 0.5), *same_half = rh_float_new(heap, 0.5);
    set_text(dict, "name", rh_int_new(heap, 1));
    ck_assert(rh_dict_set(dict, number, rh_int_new(heap, 2)));
    ck_assert(rh_dict_set(dict, half, rh_int_new(heap, 3)));
    ck_assert_ptr_eq(rh_dict_get_text(dict, "name"), rh_int_new(heap, 1));
    ck_assert_ptr_eq(rh_dict_get(dict, same_number), rh_int_new(heap, 2));
    ck_assert_ptr_eq(rh_dict_get(dict, same_half), rh_int_new(heap, 3));
    ck_assert_ptr_null(rh_dict_get_text(dict, "nam"));
    ck_assert_ptr_null(rh_dict_get_text(dict, "name "));
    ck_assert_ptr_null(rh_dict_get(dict, NULL));
    ck_assert_ptr_null(rh_dict_get(dict, dict));
    ck_assert(rh_dict_set(dict, rh_nil(), rh_int_new(heap, 4)));
    ck_assert_ptr_eq(rh_dict_get(dict, rh_nil()), rh_int_new(heap, 4));
    ck_assert_uint_eq(rh_dict_length(dict), 4);
    void *objects[] = {number, same_number, half, same_half, dict};
    release_all(objects, 5);
    assert_objects(0);
}
END_TEST

START_TEST(equal_numbers_are_one_key_and_other_objects_are_keys_by_identity)
{
    rh_dict *dict = rh_dict_new(heap);
    rh_float *zero = rh_float_new(heap, 0.0), *negative = rh_float_new(heap, -0.0);
    rh_list *list = rh_list_new(heap), *target = rh_list_new(heap);
    rh_weak *one = rh_weak_new(list), *other = rh_weak_new(target);
    ck_assert(rh_dict_set(dict, zero, rh_nil()));
    ck_assert_ptr_eq(rh_dict_get(dict, negative), rh_nil());
    ck_assert_ptr_eq(rh_dict_get(dict, rh_int_new(heap, 0)), rh_nil());
    ck_assert_ptr_null(rh_dict_get(dict, rh_bool(false)));
    ck_assert(rh_dict_set(dict, one, rh_bool(true)));
    ck_assert_ptr_null(rh_dict_get(dict, other));
    ck_assert_ptr_eq(rh_dict_get(dict, one), rh_bool(true));
    void *objects[] = {zero, negative, list, target, one, other, dict};
    release_all(objects, 7);
    assert_objects(0);
}
END_TEST

START_TEST(what_may_change_is_no_key)
{
    rh_dict *dict = rh_dict_new(heap);
    rh_list *list = rh_list_new(heap);
    ck_assert(!rh_dict_set(dict, list, rh_nil()) && !rh_dict_set(dict, dict, rh_nil()));
    ck_assert(!rh_dict_contains(dict, list) && !rh_dict_delete(dict, list));
    ck_assert_ptr_null(rh_dict_get(dict, dict));
    ck_assert_uint_eq(rh_dict_length(dict), 0);
    ck_assert_uint_eq(rh_refcount(list), 1);
    rh_release(list);
    rh_release(dict);
    assert_objects(0);
}
END_TEST

START_TEST(text_finds_the_string_of_the_same_bytes)
{
    rh_dict *dict = rh_dict_new(heap);
    rh_string *key = rh_string_new(heap, "key"), *with_zero = rh_string_new_bytes(heap, "key\0", 4);
    rh_int *value = rh_int_new(heap, 1000);
    ck_assert(rh_dict_set_text(dict, "key", value));
    ck_assert_ptr_eq(rh_dict_get(dict, key), value);
    ck_assert(rh_dict_contains(dict, key) && !rh_dict_contains(dict, with_zero));
    ck_assert_uint_eq(rh_refcount(key), 1); /* the dictionary made a key of its own */
    ck_assert(rh_dict_set(dict, with_zero, rh_nil()));
    ck_assert(rh_dict_set_text(dict, "key", rh_bool(true)));
    ck_assert_uint_eq(rh_refcount(value), 1);
    ck_assert(!rh_dict_set_text(dict, "key", NULL) && !rh_dict_set_text(dict, "other", NULL));
    ck_assert_ptr_eq(rh_dict_get(dict, key), rh_bool(true));
    ck_assert(rh_dict_delete_text(dict, "key") && !rh_dict_delete_text(dict, "key"));
    ck_assert(!rh_dict_contains(dict, key) && rh_dict_contains(dict, with_zero));
    void *objects[] = {key, with_zero, value, dict};
    release_all(objects, 4);
    assert_objects(0);
}
END_TEST

START_TEST(set_retains_key_and_value_and_keeps_the_first_key)
{
    rh_dict *dict = rh_dict_new(heap);
    rh_string *key = rh_string_new(heap, "k"), *again = rh_string_new(heap, "k");
    rh_int *value = rh_int_new(heap, 1000), *next = rh_int_new(heap, 1001);
    ck_assert(rh_dict_set(dict, key, value));
    ck_assert_uint_eq(rh_refcount(key), 2);
    ck_assert_uint_eq(rh_refcount(value), 2);
    ck_assert(rh_dict_set(dict, again, next));
    ck_assert_uint_eq(rh_refcount(key), 2);
    ck_assert_uint_eq(rh_refcount(again), 1);
    ck_assert_uint_eq(rh_refcount(value), 1);
    ck_assert_uint_eq(rh_refcount(next), 2);
    ck_assert(rh_dict_delete(dict, again));
    ck_assert(!rh_dict_delete(dict, again));
    ck_assert(!rh_dict_delete(dict, NULL));
    ck_assert_uint_eq(rh_refcount(key), 1);
    ck_assert_uint_eq(rh_refcount(next), 1);
    ck_assert(!rh_dict_set(dict, NULL, value));
    ck_assert(!rh_dict_set(dict, key, NULL));
    ck_assert_uint_eq(rh_dict_length(dict), 0);
    void *objects[] = {key, again, value, next, dict};
    release_all(objects, 5);
    assert_objects(0);
}
END_TEST

START_TEST(iteration_follows_insertion_and_survives_deletion)
{
    rh_dict *dict = rh_dict_new(heap);
    for (int i = 0; i < 1000; i++)
        ck_assert(rh_dict_set(dict, rh_int_new(heap, i % 200), rh_int_new(heap, i % 3)));
    size_t position = 0;
    void *key, *value;
    for (int64_t expected = 0; expected < 200; expected++) {
        ck_assert(rh_dict_next(dict, &position, &key, &value));
        ck_assert_int_eq(rh_int_value(key), expected);
        ck_assert_int_eq(rh_int_value(value), (800 + expected) % 3);
        if (expected % 2)
            ck_assert(rh_dict_delete(dict, key));
    }
    ck_assert(!rh_dict_next(dict, &position, &key, &value));
    ck_assert_uint_eq(rh_dict_length(dict), 100);
    position = 0;
    for (int64_t expected = 0; expected < 200; expected += 2) {
        ck_assert(rh_dict_next(dict, &position, &key, NULL));
        ck_assert_int_eq(rh_int_value(key), expected);
    }
    ck_assert(!rh_dict_next(dict, &position, NULL, NULL));
    rh_release(dict);
    assert_heap();
}
END_TEST

/* The twin: pairs in the order of insertion, searched from the start. */
#ifdef REFHEAP_GC_STRESS /* each rh_new collects and validates the heap */
enum { KEYS = 150, VALUES = 8, STEPS = 3000, QUEUE_STEPS = 3000 };
#else
enum { KEYS = 150, VALUES = 8, STEPS = 30000, QUEUE_STEPS = 100000 };
#endif
static struct pair {
    int key, value;
} pairs[KEYS + 1];
static size_t pair_count;

static size_t pair_of(int key)
{
    size_t i = 0;
    while (i < pair_count && pairs[i].key != key)
        i++;
    return i;
}

/* One assertion for all: each costs a write to a file. */
static void assert_twin(const rh_dict *dict, rh_int **values, void **keys, int step)
{
    size_t position = 0, n = 0, holders[VALUES] = {0};
    bool is_equal = rh_dict_length(dict) == pair_count;
    void *key, *value;
    while (is_equal && rh_dict_next(dict, &position, &key, &value)) {
        is_equal =
            n < pair_count && rh_equal(key, keys[pairs[n].key]) && value == values[pairs[n].value];
        holders[pairs[n++].value]++;
    }
    is_equal &= n == pair_count;
    for (int i = 0; i < VALUES; i++)
        is_equal &= rh_refcount(values[i]) == holders[i] + 1;
    for (size_t i = dict->entry_count; i < dict->entry_capacity; i++)
        is_equal &= !dict->entries[i].key && !dict->entries[i].value;
    ck_assert_msg(is_equal, "step %d, length %zu", step, pair_count);
}

static void step_twin(rh_dict *dict, rh_int **values, void *same_key, int key, int percent_set)
{
    int value = rand() % VALUES;
    size_t at = pair_of(key);
    if (rand() % 100 < percent_set) {
        ck_assert(rh_dict_set(dict, same_key, values[value]));
        if (at == pair_count)
            pair_count++;
        pairs[at] = (struct pair){key, value};
    } else {
        ck_assert_int_eq(rh_dict_delete(dict, same_key), at < pair_count);
        if (at < pair_count)
            memmove(&pairs[at], &pairs[at + 1], (--pair_count - at) * sizeof *pairs);
    }
    at = pair_of(key);
    ck_assert_ptr_eq(rh_dict_get(dict, same_key), at < pair_count ? values[pairs[at].value] : NULL);
}

static void *new_key(int i)
{
    char text[32];
    if (i % 2)
        return rh_int_new(heap, (int64_t)i * 1000000007 - 50000000000);
    snprintf(text, sizeof text, "key %d", i);
    return rh_string_new(heap, text);
}

START_TEST(operations_agree_with_a_plain_list_of_pairs)
{
    void *keys[KEYS];
    rh_int *values[VALUES];
    for (int i = 0; i < KEYS; i++)
        keys[i] = new_key(i);
    for (int i = 0; i < VALUES; i++)
        values[i] = rh_int_new(heap, 1000 + i);
    rh_dict *dict = rh_dict_new(heap);
    srand(2);
    for (int step = 0; step < STEPS; step++) {
        int key = rand() % KEYS;
        void *same_key = new_key(key);
        step_twin(dict, values, same_key, key, step / 500 % 2 ? 25 : 75);
        rh_release(same_key);
        assert_twin(dict, values, keys, step);
        if (step % 100 == 0)
            assert_heap();
    }
    rh_release(dict);
    for (int i = 0; i < VALUES; i++) {
        ck_assert_uint_eq(rh_refcount(values[i]), 1);
        rh_release(values[i]);
    }
    for (int i = 0; i < KEYS; i++) {
        ck_assert_uint_eq(rh_refcount(keys[i]), 1);
        rh_release(keys[i]);
    }
    assert_heap();
}
END_TEST

/* A dictionary of random entries, some deleted again. */
static rh_dict *random_dict(void **keys, rh_int **values, int range)
{
    rh_dict *dict = rh_dict_new(heap);
    for (int left = rand() % (2 * range); left > 0; left--) {
        if (rand() % 5)
            MUST(rh_dict_set(dict, keys[rand() % range], values[rand() % VALUES]));
        else
            rh_dict_delete(dict, keys[rand() % range]);
    }
    return dict;
}

/* Sets every entry of the dictionary in the twin. */
static void update_twin(const rh_dict *dict, void **keys, rh_int **values)
{
    size_t position = 0;
    void *key, *value;
    while (rh_dict_next(dict, &position, &key, &value)) {
        int k = 0, v = 0;
        while (keys[k] != key)
            k++;
        while (values[v] != value)
            v++;
        size_t at = pair_of(k);
        pair_count += at == pair_count;
        pairs[at] = (struct pair){k, v};
    }
}

static void assert_keys_and_values(const rh_dict *dict, void **keys, rh_int **values)
{
    rh_list *key_list = rh_dict_keys(heap, dict), *value_list = rh_dict_values(heap, dict);
    MUST(rh_list_length(key_list) == pair_count && rh_list_length(value_list) == pair_count);
    for (size_t i = 0; i < pair_count; i++)
        MUST(rh_list_get(key_list, i) == keys[pairs[i].key] &&
             rh_list_get(value_list, i) == values[pairs[i].value]);
    rh_release(key_list);
    rh_release(value_list);
}

START_TEST(update_keys_values_and_clear_agree_with_a_plain_list_of_pairs)
{
    rh_int *values[VALUES];
    void *keys[KEYS];
    for (int i = 0; i < VALUES; i++)
        values[i] = rh_int_new(heap, 1000 + i);
    for (int i = 0; i < KEYS; i++)
        keys[i] = new_key(i);
    srand(9);
    for (int round = 0; round < STEPS / 100; round++) {
        int range = 1 + rand() % KEYS;
        rh_dict *dict = random_dict(keys, values, range), *other = random_dict(keys, values, range);
        pair_count = 0;
        update_twin(dict, keys, values);
        update_twin(other, keys, values);
        MUST(rh_dict_update(dict, other) && rh_dict_update(dict, dict));
        rh_release(other);
        assert_twin(dict, values, keys, round);
        assert_keys_and_values(dict, keys, values);
        rh_dict_clear(dict);
        pair_count = 0;
        assert_twin(dict, values, keys, round);
        step_twin(dict, values, keys[0], 0, 100);
        assert_twin(dict, values, keys, round);
        rh_release(dict);
        assert_heap();
    }
    release_all((void **)values, VALUES);
    release_all(keys, KEYS);
    assert_objects(0);
}
END_TEST

START_TEST(a_dict_used_as_a_queue_does_not_grow)
{
    rh_dict *dict = rh_dict_new(heap);
    for (int64_t i = 0; i < QUEUE_STEPS; i++) {
        rh_int *key = rh_int_new(heap, 1000 + i);
        ck_assert(rh_dict_set(dict, key, rh_nil()));
        rh_release(key);
        if (i >= 10) {
            rh_int *oldest = rh_int_new(heap, 1000 + i - 10);
            ck_assert(rh_dict_delete(dict, oldest));
            rh_release(oldest);
        }
    }
    ck_assert_uint_eq(rh_dict_length(dict), 10);
    ck_assert_uint_le(dict->entry_capacity, 64);
    ck_assert_uint_le(dict->index_size, 64);
    rh_release(dict);
}
END_TEST

typedef struct meddler {
    rh_object base;
    rh_dict *dict; /* borrowed: the dictionary outlives it */
} meddler;

static size_t meddler_runs;

static void meddle(void *object)
{
    meddler *self = object;
    meddler_runs++;
    for (int i = 0; i < 50; i++)
        ck_assert(rh_dict_set(self->dict, rh_int_new(heap, i), rh_nil()));
}

static const rh_field meddler_fields[] = {RH_BORROWED(meddler, dict), RH_FIELDS_END};
static rh_type meddler_type = {
    .name = "meddler", .size = sizeof(meddler), .fields = meddler_fields, .finalize = meddle};

static void set_meddler(rh_dict *dict, const char *key)
{
    meddler *object = rh_new(heap, &meddler_type);
    object->dict = dict;
    set_text(dict, key, object);
    rh_release(object);
}

START_TEST(finalizers_may_change_the_dict_they_leave)
{
    for (int is_deleted = 0; is_deleted < 2; is_deleted++) {
        rh_dict *dict = rh_dict_new(heap);
        set_meddler(dict, "meddler");
        size_t runs = meddler_runs;
        rh_string *key = rh_string_new(heap, "meddler");
        ck_assert(is_deleted ? rh_dict_delete(dict, key) : rh_dict_set(dict, key, rh_bool(true)));
        rh_release(key);
        ck_assert_uint_eq(meddler_runs, runs + 1);
        ck_assert_uint_eq(rh_dict_length(dict), is_deleted ? 50 : 51);
        ck_assert_ptr_eq(rh_dict_get_text(dict, "meddler"),
                         is_deleted ? NULL : (void *)rh_bool(true));
        ck_assert_ptr_eq(rh_dict_get(dict, rh_int_new(heap, 49)), rh_nil());
        assert_heap();
        rh_release(dict);
    }
}
END_TEST

START_TEST(finalizers_find_a_cleared_dict_empty_and_may_fill_it)
{
    rh_dict *dict = rh_dict_new(heap);
    set_meddler(dict, "one");
    set_meddler(dict, "two");
    size_t runs = meddler_runs;
    rh_dict_clear(dict);
    ck_assert_uint_eq(meddler_runs, runs + 2);
    ck_assert_uint_eq(rh_dict_length(dict), 50);
    ck_assert(!rh_dict_contains(dict, rh_nil()) && rh_dict_contains(dict, rh_int_new(heap, 49)));
    assert_heap();
    rh_release(dict);
    assert_objects(0);
}
END_TEST

/* The finalizer of the value that is replaced first fills the dictionary; it has to come after
 * the last entry was set. */
START_TEST(finalizers_run_after_an_update)
{
    rh_dict *dict = rh_dict_new(heap), *other = rh_dict_new(heap);
    set_meddler(dict, "one");
    set_text(other, "one", rh_nil());
    for (int i = 0; i < 60; i++)
        ck_assert(rh_dict_set(other, rh_int_new(heap, i), rh_bool(true)));
    size_t runs = meddler_runs;
    ck_assert(rh_dict_update(dict, other));
    ck_assert_uint_eq(meddler_runs, runs + 1);
    ck_assert_uint_eq(rh_dict_length(dict), 61);
    ck_assert_ptr_eq(rh_dict_get(dict, rh_int_new(heap, 49)), rh_nil()); /* the finalizer's */
    ck_assert_ptr_eq(rh_dict_get(dict, rh_int_new(heap, 59)), rh_bool(true));
    rh_release(dict);
    rh_release(other);
    assert_objects(0);
}
END_TEST

START_TEST(short_memory_leaves_the_dict_as_it_was)
{
    for (long calls = 0; calls < 2; calls++) { /* the vector fails, or the index behind it */
        rh_dict *dict = rh_dict_new(heap);
        size_t refused = 0;
        for (int64_t i = 0; i < 200; i++) {
            rh_int *key = rh_int_new(heap, 1000 + i);
            failing_malloc_after(calls);
            bool is_set = rh_dict_set(dict, key, rh_nil());
            failing_malloc_after(-1);
            if (!is_set) {
                refused++;
                ck_assert_uint_eq(rh_dict_length(dict), (size_t)i);
                ck_assert_uint_eq(rh_refcount(key), 1);
                ck_assert_ptr_null(rh_dict_get(dict, key));
                assert_heap();
                ck_assert(rh_dict_set(dict, key, rh_nil()));
            }
            ck_assert_ptr_eq(rh_dict_get(dict, key), rh_nil());
            rh_release(key);
        }
        ck_assert_uint_gt(refused, 3);
        rh_release(dict);
    }
}
END_TEST

START_TEST(a_dict_that_holds_itself_is_collected)
{
    rh_dict *dict = rh_dict_new(heap);
    rh_weak *weak = rh_weak_new(dict);
    set_text(dict, "self", dict);
    ck_assert(rh_dict_set(dict, weak, rh_nil()));
    ck_assert_uint_eq(rh_refcount(dict), 2);
    rh_release(weak);
    rh_release(dict);
    ck_assert(rh_is_object(heap, dict));
    ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? 3 : 0); /* the dictionary and its keys */
    ck_assert_int_eq(rh_is_object(heap, dict), !HAS_COLLECTOR);
    assert_garbage_only();
}
END_TEST

RUN_TESTS("values_dict", keys_are_found_by_equality,
          equal_numbers_are_one_key_and_other_objects_are_keys_by_identity,
          what_may_change_is_no_key, text_finds_the_string_of_the_same_bytes,
          set_retains_key_and_value_and_keeps_the_first_key,
          iteration_follows_insertion_and_survives_deletion,
          operations_agree_with_a_plain_list_of_pairs,
          update_keys_values_and_clear_agree_with_a_plain_list_of_pairs,
          a_dict_used_as_a_queue_does_not_grow, finalizers_may_change_the_dict_they_leave,
          finalizers_find_a_cleared_dict_empty_and_may_fill_it, finalizers_run_after_an_update,
          short_memory_leaves_the_dict_as_it_was, a_dict_that_holds_itself_is_collected)
