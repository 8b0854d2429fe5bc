/* values_compare.c - tests of rh_equal, rh_compare and rh_hash: against a naive comparison where
 * values are trees, against the definition where they hold themselves, and where they are deep or
 * memory is short.
 *
 * Invariant: comparing changes no count and leaves no memory behind. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

static rh_order reversed(rh_order order)
{
    return order == RH_LESS ? RH_GREATER : order == RH_GREATER ? RH_LESS : order;
}

/* Compares in both directions, with rh_equal and with the hashes. */
static void assert_order(const void *a, const void *b, rh_order expected)
{
    MUST(rh_compare(a, b) == expected);
    MUST(rh_compare(b, a) == reversed(expected));
    MUST(rh_equal(a, b) == (expected == RH_EQUAL));
    MUST(rh_equal(b, a) == (expected == RH_EQUAL));
    MUST(rh_equal(a, a) && rh_compare(b, b) == RH_EQUAL);
    uint64_t a_hash = 1, b_hash = 1;
    bool a_has = rh_hash(a, &a_hash), b_has = rh_hash(b, &b_hash);
    if (expected == RH_EQUAL)
        MUST(a_has == b_has && a_hash == b_hash);
    MUST(a_has || a_hash == 1);
}

/* The same, and releases them. */
static void expect_order(void *a, void *b, rh_order expected)
{
    assert_order(a, b, expected);
    rh_release(a);
    rh_release(b);
}

START_TEST(numbers_are_compared_by_their_exact_value)
{
    expect_order(rh_int_new(heap, 1000), rh_int_new(heap, 1000), RH_EQUAL);
    expect_order(rh_int_new(heap, 1000), rh_int_new(heap, 1001), RH_LESS);
    expect_order(rh_int_new(heap, 1), rh_float_new(heap, 1), RH_EQUAL);
    expect_order(rh_int_new(heap, 0), rh_float_new(heap, -0.0), RH_EQUAL);
    expect_order(rh_int_new(heap, -2), rh_float_new(heap, -2.5), RH_GREATER);
    expect_order(rh_int_new(heap, 2), rh_float_new(heap, 2.5), RH_LESS);
    expect_order(rh_float_new(heap, 0.0), rh_float_new(heap, -0.0), RH_EQUAL);
    expect_order(rh_float_new(heap, NAN), rh_float_new(heap, NAN), RH_UNORDERED);
    expect_order(rh_float_new(heap, NAN), rh_int_new(heap, 0), RH_UNORDERED);
    /* 2^53 + 1 is no double: converted, it would be equal to 2^53. */
    expect_order(rh_int_new(heap, ((int64_t)1 << 53) + 1), rh_float_new(heap, 0x1p53), RH_GREATER);
    expect_order(rh_int_new(heap, INT64_MAX), rh_float_new(heap, 0x1p63), RH_LESS);
    expect_order(rh_int_new(heap, INT64_MIN), rh_float_new(heap, -0x1p63), RH_EQUAL);
    expect_order(rh_int_new(heap, INT64_MIN), rh_float_new(heap, -INFINITY), RH_GREATER);
    assert_objects(0);
}
END_TEST

START_TEST(values_of_different_kinds_are_unordered)
{
    expect_order(rh_bool(false), rh_bool(true), RH_LESS);
    expect_order(rh_bool(true), rh_int_new(heap, 1), RH_UNORDERED);
    expect_order(rh_nil(), rh_bool(false), RH_UNORDERED);
    expect_order(rh_string_new(heap, "1"), rh_int_new(heap, 1), RH_UNORDERED);
    expect_order(rh_list_new(heap), rh_dict_new(heap), RH_UNORDERED);
    expect_order(rh_nil(), NULL, RH_UNORDERED);
    expect_order(NULL, NULL, RH_EQUAL);
    rh_int *target = rh_int_new(heap, 1000);
    rh_list *other = rh_list_new(heap);
    expect_order(rh_weak_new(target), rh_weak_new(other), RH_UNORDERED);
    expect_order(rh_weak_new(target), rh_weak_new(target), RH_EQUAL); /* one object */
    rh_release(target);
    rh_release(other);
    assert_objects(0);
}
END_TEST

START_TEST(strings_are_compared_by_their_bytes)
{
    expect_order(rh_string_new(heap, "a"), rh_string_new(heap, "a"), RH_EQUAL);
    expect_order(rh_string_new(heap, "a"), rh_string_new(heap, "b"), RH_LESS);
    expect_order(rh_string_new(heap, "a"), rh_string_new(heap, "ab"), RH_LESS);
    expect_order(rh_string_new(heap, ""), rh_string_new(heap, "a"), RH_LESS);
    expect_order(rh_string_new(heap, "a"), rh_string_new(heap, "\xff"), RH_LESS); /* unsigned */
    expect_order(rh_string_new_bytes(heap, "a\0b", 3), rh_string_new_bytes(heap, "a\0c", 3),
                 RH_LESS);
    expect_order(rh_string_new_bytes(heap, "a\0b", 3), rh_string_new(heap, "a"), RH_GREATER);
    assert_objects(0);
}
END_TEST

START_TEST(lists_are_compared_by_the_first_items_that_differ)
{
    expect_order(rh_list_new(heap), rh_list_new(heap), RH_EQUAL);
    expect_order(INTS(1, 2000), INTS(1, 2000), RH_EQUAL);
    expect_order(INTS(1), INTS(1, 2), RH_LESS);
    expect_order(INTS(2), INTS(1, 2), RH_GREATER);
    rh_list *mixed = INTS(1, 2), *ints = INTS(1, 2, 3);
    rh_list_append(mixed, rh_nil());
    assert_order(mixed, ints, RH_UNORDERED);
    rh_list_set(ints, 1, rh_nil());
    assert_order(mixed, ints, RH_UNORDERED); /* decided before the last one is reached */
    rh_list_set(ints, 0, rh_int_new(heap, 0));
    assert_order(mixed, ints, RH_GREATER);
    rh_release(mixed);
    rh_release(ints);
    assert_objects(0);
}
END_TEST

START_TEST(dicts_are_equal_in_any_order_and_otherwise_unordered)
{
    rh_dict *a = rh_dict_new(heap), *b = rh_dict_new(heap);
    rh_list *a_list = INTS(1000), *b_list = INTS(1000);
    ck_assert(rh_dict_set_text(a, "x", a_list) && rh_dict_set_text(a, "y", rh_nil()));
    ck_assert(rh_dict_set_text(b, "y", rh_nil()));
    assert_order(a, b, RH_UNORDERED);
    ck_assert(rh_dict_set_text(b, "x", b_list));
    assert_order(a, b, RH_EQUAL);
    rh_list_append(b_list, rh_nil());
    assert_order(a, b, RH_UNORDERED); /* the lists are ordered, what holds them is not */
    ck_assert(rh_dict_set_text(b, "x", a_list) && rh_dict_delete_text(b, "y"));
    ck_assert(rh_dict_set_text(b, "z", rh_nil()));
    assert_order(a, b, RH_UNORDERED); /* as many keys, others */
    /* 1 and 1.0 are one key. */
    rh_dict *one = rh_dict_new(heap), *other = rh_dict_new(heap);
    rh_float *key = rh_float_new(heap, 1);
    ck_assert(rh_dict_set(one, rh_int_new(heap, 1), rh_nil()) && rh_dict_set(other, key, rh_nil()));
    assert_order(one, other, RH_EQUAL);
    void *objects[] = {a, b, a_list, b_list, one, other, key};
    release_all(objects, 7);
    assert_objects(0);
}
END_TEST

START_TEST(what_may_change_has_no_hash)
{
    uint64_t hash = 5;
    rh_list *list = rh_list_new(heap);
    rh_dict *dict = rh_dict_new(heap);
    ck_assert(!rh_hash(list, &hash) && !rh_hash(dict, &hash) && !rh_hash(NULL, &hash));
    ck_assert_uint_eq(hash, 5);
    rh_weak *weak = rh_weak_new(list);
    uint64_t again;
    ck_assert(rh_hash(weak, &hash) && rh_hash(weak, &again) && hash == again);
    ck_assert(rh_hash(rh_nil(), &hash) && rh_hash(rh_bool(true), &again) && hash != again);
    void *objects[] = {list, dict, weak};
    release_all(objects, 3);
}
END_TEST

/* ---- the twin: recursive, with every number as a long double, which holds each exactly ------ */

_Static_assert(LDBL_MANT_DIG >= 64, "holds every int64_t");

static bool plain_number(const void *object, long double *value)
{
    if (rh_is_int(object))
        *value = rh_int_value(object);
    else if (rh_is_float(object))
        *value = rh_float_value(object);
    return rh_is_int(object) || rh_is_float(object);
}

static rh_order plain_order(const void *a, const void *b);

static rh_order plain_dicts(const rh_dict *a, const rh_dict *b)
{
    size_t a_at = 0, b_at = 0;
    void *a_key, *a_value, *b_key, *b_value;
    while (rh_dict_next(a, &a_at, &a_key, &a_value)) {
        bool is_found = false;
        for (b_at = 0; !is_found && rh_dict_next(b, &b_at, &b_key, &b_value);)
            is_found =
                plain_order(a_key, b_key) == RH_EQUAL && plain_order(a_value, b_value) == RH_EQUAL;
        if (!is_found)
            return RH_UNORDERED;
    }
    return rh_dict_length(a) == rh_dict_length(b) ? RH_EQUAL : RH_UNORDERED;
}

static rh_order plain_order(const void *a, const void *b)
{
    long double left, right;
    if (a == b)
        return RH_EQUAL;
    if (plain_number(a, &left) && plain_number(b, &right))
        return left < right    ? RH_LESS
               : left > right  ? RH_GREATER
               : left == right ? RH_EQUAL
                               : RH_UNORDERED;
    if (rh_is_dict(a) && rh_is_dict(b))
        return plain_dicts(a, b);
    if (rh_is_list(a) && rh_is_list(b)) {
        for (size_t i = 0; rh_list_get(a, i) && rh_list_get(b, i); i++) {
            rh_order order = plain_order(rh_list_get(a, i), rh_list_get(b, i));
            if (order != RH_EQUAL)
                return order;
        }
        long difference = (long)rh_list_length(a) - (long)rh_list_length(b);
        return difference < 0 ? RH_LESS : difference > 0 ? RH_GREATER : RH_EQUAL;
    }
    if (rh_is_string(a) && rh_is_string(b)) { /* without zeros here */
        int difference = strcmp(rh_string_text(a), rh_string_text(b));
        return difference < 0 ? RH_LESS : difference > 0 ? RH_GREATER : RH_EQUAL;
    }
    if (rh_is_bool(a) && rh_is_bool(b))
        return rh_bool_value(a) < rh_bool_value(b) ? RH_LESS : RH_GREATER;
    return RH_UNORDERED;
}

static void *new_plain(int which)
{
    static const int64_t ints[] = {0, 1, -6, 1000, ((int64_t)1 << 53) + 1, INT64_MAX, INT64_MIN};
    static const double floats[] = {0.0,    -0.0,    1.0,      0.5, 1000.0, 0x1p53,
                                    0x1p63, -0x1p63, INFINITY, NAN, -5.5,   DBL_MIN};
    static const char *const texts[] = {"", "a", "ab", "b"};
    if (which < 7)
        return rh_int_new(heap, ints[which]);
    if (which < 19)
        return rh_float_new(heap, floats[which - 7]);
    return which < 23 ? (void *)rh_string_new(heap, texts[which - 19])
                      : (void *)rh_bool(which == 23);
}

/* A container of some of the earlier objects: what the pool holds are trees that share branches. */
static void *new_container(void **pool, int count)
{
    rh_list *list = rand() % 3 ? rh_list_new(heap) : NULL;
    rh_dict *dict = list ? NULL : rh_dict_new(heap);
    for (int left = rand() % 4; left > 0; left--) {
        void *item = pool[rand() % 2 ? rand() % 5 : rand() % count];
        MUST(list ? rh_list_append(list, item) : rh_dict_set(dict, pool[rand() % 24], item));
    }
    return list ? (void *)list : dict;
}

START_TEST(random_values_agree_with_a_naive_comparison)
{
    enum { PLAIN = 25, POOL = 60 };
    srand(5);
    size_t orders[4] = {0};
    for (int round = 0; round < MANY(300); round++) {
        void *pool[POOL];
        for (int i = 0; i < POOL; i++)
            pool[i] = i < PLAIN ? new_plain(i) : new_container(pool, i);
        for (int i = 0; i < POOL; i++)
            for (int j = 0; j <= i; j++) {
                rh_order order = plain_order(pool[i], pool[j]);
                assert_order(pool[i], pool[j], order);
                orders[order == RH_UNORDERED ? 3 : order + 1]++;
            }
        release_all(pool, POOL);
    }
    for (int i = 0; i < 4; i++)
        ck_assert_uint_gt(orders[i], 300);
    assert_objects(0);
}
END_TEST

/* ---- values that hold themselves ------------------------------------------------------------ */

START_TEST(values_that_hold_themselves_are_compared)
{
    rh_list *self = rh_list_new(heap), *one = rh_list_new(heap), *other = rh_list_new(heap);
    rh_list_append(self, self);
    rh_list_append(one, other);
    rh_list_append(other, one);
    assert_order(self, one, RH_EQUAL);
    assert_order(one, other, RH_EQUAL);
    rh_list_append(one, rh_int_new(heap, 1));
    assert_order(self, one, RH_LESS);
    rh_list_append(self, rh_int_new(heap, 2));
    assert_order(self, one, RH_GREATER); /* their first items differ in length */
    rh_list_append(other, rh_int_new(heap, 1));
    assert_order(one, other, RH_EQUAL);
    assert_order(self, one, RH_GREATER);
    rh_list_append(one, rh_nil());
    assert_order(one, other, RH_GREATER);
    rh_dict *dict = rh_dict_new(heap), *twin = rh_dict_new(heap);
    ck_assert(rh_dict_set_text(dict, "self", dict) && rh_dict_set_text(twin, "self", dict));
    assert_order(dict, twin, RH_EQUAL);
    ck_assert(rh_dict_set_text(twin, "self", self));
    assert_order(dict, twin, RH_UNORDERED);
    void *objects[] = {self, one, other, dict, twin};
    release_all(objects, 5);
    assert_garbage_only();
}
END_TEST

enum { NODES = 7, EDGES = 3 };
typedef struct graph {
    void *nodes[NODES];
    int edges[NODES][EDGES]; /* < NODES: that node; the others are the ints edge - NODES */
    int counts[NODES];
} graph;

/* Nodes are lists, or dicts whose keys are 0, 1, ... in whatever order. */
static void new_graph(graph *g, bool are_dicts)
{
    for (int i = 0; i < NODES; i++) {
        g->nodes[i] = are_dicts ? (void *)rh_dict_new(heap) : (void *)rh_list_new(heap);
        g->counts[i] = rand() % 8 ? 2 : rand() % (EDGES + 1);
    }
    for (int i = 0; i < NODES; i++) {
        int first = rand() % EDGES;
        for (int n = 0; n < EDGES; n++) {
            int at = are_dicts ? (first + n) % EDGES : n;
            if (at >= g->counts[i])
                continue;
            int edge = rand() % 8 ? rand() % NODES : NODES + rand() % 2;
            void *target = edge < NODES ? g->nodes[edge] : rh_int_new(heap, edge - NODES);
            g->edges[i][at] = edge;
            MUST(are_dicts ? rh_dict_set(g->nodes[i], rh_int_new(heap, at), target)
                           : rh_list_append(g->nodes[i], target));
        }
    }
}

static bool edges_agree(const graph *g, bool equal[NODES][NODES], int i, int j)
{
    if (g->counts[i] != g->counts[j])
        return false;
    for (int at = 0; at < g->counts[i]; at++) {
        int one = g->edges[i][at], other = g->edges[j][at];
        if (one < NODES && other < NODES ? !equal[one][other] : one != other)
            return false;
    }
    return true;
}

/* The definition: the largest relation in which nodes are equal only if what they hold is. */
static void plain_equality(const graph *g, bool equal[NODES][NODES])
{
    memset(equal, 1, sizeof(bool) * NODES * NODES);
    for (bool is_changed = true; is_changed;) {
        is_changed = false;
        for (int i = 0; i < NODES; i++)
            for (int j = 0; j < NODES; j++)
                if (i != j && equal[i][j] && !edges_agree(g, equal, i, j)) {
                    equal[i][j] = false;
                    is_changed = true;
                }
    }
}

START_TEST(random_cycles_agree_with_the_definition)
{
    srand(6);
    size_t answers[2] = {0};
    for (int round = 0; round < MANY(5000); round++) {
        graph g;
        bool equal[NODES][NODES];
        new_graph(&g, round % 2);
        plain_equality(&g, equal);
        for (int i = 0; i < NODES; i++)
            for (int j = 0; j < NODES; j++) {
                MUST(rh_equal(g.nodes[i], g.nodes[j]) == equal[i][j]);
                rh_order order = rh_compare(g.nodes[i], g.nodes[j]);
                MUST((order == RH_EQUAL) == equal[i][j]);
                MUST(rh_compare(g.nodes[j], g.nodes[i]) == reversed(order));
                answers[equal[i][j] && i != j]++;
            }
        release_all(g.nodes, NODES);
        if (round % 100 == 0)
            rh_gc_collect(heap);
    }
    ck_assert_uint_gt(answers[1], (size_t)MANY(5000) / 10);
    ck_assert_uint_gt(answers[0], answers[1]);
    assert_garbage_only();
}
END_TEST

/* ---- depth, sharing, memory ----------------------------------------------------------------- */

static void compare_deep(void)
{
    enum { DEPTH = MANY(1000000) };
    rh_list *one = new_nest(rh_int_new(heap, 1), DEPTH),
            *other = new_nest(rh_float_new(heap, 1), DEPTH);
    rh_list *less = new_nest(rh_int_new(heap, 0), DEPTH);
    MUST(rh_equal(one, other) && rh_compare(one, other) == RH_EQUAL);
    MUST(!rh_equal(one, less) && rh_compare(one, less) == RH_GREATER);
    rh_release(one);
    rh_release(other);
    rh_release(less);
}

START_TEST(deep_values_need_no_stack)
{
    on_small_stack(compare_deep);
    assert_objects(0);
}
END_TEST

/* Each of 100 lists holds the next one twice: 2^100 paths. */
START_TEST(shared_parts_are_compared_once)
{
    void *tops[2];
    for (int i = 0; i < 2; i++) {
        tops[i] = rh_string_new(heap, "bottom");
        for (int depth = 0; depth < 100; depth++) {
            rh_list *list = rh_list_new(heap);
            ck_assert(rh_list_append(list, tops[i]) && rh_list_append(list, tops[i]));
            rh_release(tops[i]);
            tops[i] = list;
        }
    }
    assert_order(tops[0], tops[1], RH_EQUAL);
    release_all(tops, 2);
    assert_objects(0);
}
END_TEST

START_TEST(short_memory_is_not_taken_for_an_answer)
{
    enum { DEPTH = 1000 };
    rh_list *one = new_nest(rh_int_new(heap, 1), DEPTH),
            *other = new_nest(rh_int_new(heap, 1), DEPTH);
    rh_list *flat = INTS(1, 2, 3), *same = INTS(1, 2, 3);
    rh_dict *one_dict = rh_dict_new(heap), *other_dict = rh_dict_new(heap);
    ck_assert(rh_dict_set_text(one_dict, "", one) && rh_dict_set_text(other_dict, "", other));
    size_t objects = objects_alive();
    int refusals = 0;
    for (bool is_done = false; !is_done; refusals++) {
        failing_malloc_after(refusals);
        rh_order order = rh_compare(one, other);
        failing_malloc_after(refusals);
        rh_order dict_order = rh_compare(one_dict, other_dict);
        failing_malloc_after(refusals);
        bool is_equal = rh_equal(one, other);
        failing_malloc_after(0);
        bool flat_is_equal = rh_equal(flat, same); /* small values need none */
        failing_malloc_after(-1);
        is_done = order == RH_EQUAL;
        MUST((is_done || order == RH_NO_MEMORY) && dict_order == order);
        MUST(is_equal == is_done && flat_is_equal);
        MUST(objects_alive() == objects);
    }
    ck_assert_int_gt(refusals, 8);
    ck_assert_uint_eq(rh_list_index(one, rh_list_get(other, 0), 0), 0);
    void *all[] = {one, other, flat, same, one_dict, other_dict};
    release_all(all, 6);
    assert_objects(0);
}
END_TEST

RUN_TESTS("values_compare", numbers_are_compared_by_their_exact_value,
          values_of_different_kinds_are_unordered, strings_are_compared_by_their_bytes,
          lists_are_compared_by_the_first_items_that_differ,
          dicts_are_equal_in_any_order_and_otherwise_unordered, what_may_change_has_no_hash,
          random_values_agree_with_a_naive_comparison, values_that_hold_themselves_are_compared,
          random_cycles_agree_with_the_definition, deep_values_need_no_stack,
          shared_parts_are_compared_once, short_memory_is_not_taken_for_an_answer)
