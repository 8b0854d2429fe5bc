/* values_string.c - tests of strings: any bytes, the operations against plain arrays of bytes,
 * and what happens when memory runs out.
 *
 * Invariant: every test leaves a heap that rh_heap_check accepts and that holds no object. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <refheap/refheap.h>

#include "values_test.h"

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
    assert_objects(0);
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

START_TEST(format_prints_what_printf_prints)
{
    char expected[1200];
    for (int width = 0; width < 1000; width++) {
        size_t length =
            (size_t)snprintf(expected, sizeof expected, "%s %*d|", "int", width, -width);
        rh_string *string = rh_string_format(heap, "%s %*d|", "int", width, -width);
        MUST(string && rh_string_length(string) == length &&
             strcmp(rh_string_text(string), expected) == 0);
        rh_release(string);
    }
    wchar_t unprintable[] = {0x110000, 0}; /* no character of any locale */
    ck_assert_ptr_null(rh_string_format(heap, "%ls", unprintable));
    assert_objects(0);
}
END_TEST

/* ---- the twin: arrays of few different bytes, so that parts are often found ----------------- */

enum { BYTES_MAX = 12 };
typedef struct plain {
    unsigned char at[BYTES_MAX];
    size_t length;
} plain;

static plain random_bytes(size_t length_max)
{
    static const unsigned char few[] = {0, 'a', 0xff};
    plain result = {.length = (size_t)rand() % (length_max + 1)};
    for (size_t i = 0; i < result.length; i++)
        result.at[i] = few[rand() % 3];
    return result;
}

static bool holds(const rh_string *string, const unsigned char *expected, size_t length)
{
    return string && rh_string_length(string) == length && rh_string_text(string)[length] == 0 &&
           memcmp(rh_string_text(string), expected, length) == 0;
}

static size_t plain_find(const plain *whole, const plain *part, size_t start)
{
    for (size_t at = start; at + part->length <= whole->length; at++)
        if (memcmp(whole->at + at, part->at, part->length) == 0)
            return at;
    return RH_NOT_FOUND;
}

static void assert_split(const rh_string *string, const plain *whole, const rh_string *separator,
                         const plain *between)
{
    rh_list *parts = rh_string_split(heap, string, separator);
    if (between->length == 0) {
        MUST(!parts);
        return;
    }
    size_t start = 0, count = 0, end;
    do {
        end = plain_find(whole, between, start);
        size_t stop = end == RH_NOT_FOUND ? whole->length : end;
        MUST(holds(rh_list_get(parts, count), whole->at + start, stop - start));
        MUST(rh_refcount(rh_list_get(parts, count)) == 1);
        count++;
        start = end + between->length;
    } while (end != RH_NOT_FOUND);
    MUST(rh_list_length(parts) == count);
    rh_string *joined = rh_string_join(heap, separator, parts);
    MUST(holds(joined, whole->at, whole->length));
    rh_release(joined);
    rh_release(parts);
}

START_TEST(operations_agree_with_plain_bytes)
{
    srand(3);
    for (int step = 0; step < MANY(20000); step++) {
        plain a = random_bytes(BYTES_MAX), b = random_bytes(3);
        rh_string *one = rh_string_new_bytes(heap, a.at, a.length);
        rh_string *other = rh_string_new_bytes(heap, b.at, b.length);
        unsigned char both[2 * BYTES_MAX];
        memcpy(both, a.at, a.length);
        memcpy(both + a.length, b.at, b.length);
        rh_string *whole = rh_string_concat(heap, one, other);
        MUST(holds(whole, both, a.length + b.length));
        for (size_t start = 0; start <= BYTES_MAX + 1; start++)
            MUST(rh_string_find(one, other, start) == plain_find(&a, &b, start));
        size_t start = (size_t)rand() % (BYTES_MAX + 2);
        size_t end = rand() % 4 ? (size_t)rand() % (BYTES_MAX + 2) : SIZE_MAX;
        size_t stop = end < a.length ? end : a.length;
        rh_string *slice = rh_string_slice(heap, one, start, end);
        MUST(start < stop ? holds(slice, a.at + start, stop - start) : holds(slice, a.at, 0));
        assert_split(one, &a, other, &b);
        void *objects[] = {one, other, whole, slice};
        release_all(objects, 4);
    }
    assert_objects(0);
}
END_TEST

START_TEST(join_takes_strings_only)
{
    rh_string *separator = rh_string_new(heap, ", "), *item = rh_string_new(heap, "x");
    rh_list *list = rh_list_new(heap);
    rh_string *joined = rh_string_join(heap, separator, list);
    ck_assert(is_text(joined, ""));
    rh_release(joined);
    for (int i = 0; i < 3; i++)
        ck_assert(rh_list_append(list, item));
    joined = rh_string_join(heap, separator, list);
    ck_assert(is_text(joined, "x, x, x"));
    ck_assert_uint_eq(rh_refcount(item), 4);
    ck_assert(rh_list_append(list, rh_nil()));
    ck_assert_ptr_null(rh_string_join(heap, separator, list));
    void *objects[] = {separator, item, list, joined};
    release_all(objects, 4);
    assert_objects(0);
}
END_TEST

/* An immutable value is not changed by what is made from it, and what is made is another object. */
START_TEST(operations_leave_their_arguments_alone)
{
    rh_string *a = rh_string_new(heap, "ab"), *empty = rh_string_new(heap, "");
    rh_string *same = rh_string_concat(heap, a, empty),
              *copy = rh_string_slice(heap, a, 0, SIZE_MAX);
    rh_string *twice = rh_string_concat(heap, a, a);
    ck_assert(same != a && copy != a && is_text(same, "ab") && is_text(copy, "ab"));
    ck_assert(is_text(twice, "abab"));
    ck_assert(is_text(a, "ab") && is_text(empty, ""));
    ck_assert_uint_eq(rh_refcount(a), 1);
    void *objects[] = {a, empty, same, copy, twice};
    release_all(objects, 5);
    assert_objects(0);
}
END_TEST

/* ---- memory that runs out ------------------------------------------------------------------- */

static rh_string *text, *comma;
static rh_list *strings;

static void make_strings_without_memory(void)
{
    ck_assert_ptr_null(rh_string_new(heap, "x"));
    ck_assert_ptr_null(rh_string_format(heap, "%d", 1));
    ck_assert_ptr_null(rh_string_concat(heap, text, comma));
    ck_assert_ptr_null(rh_string_slice(heap, text, 0, 1));
    ck_assert_ptr_null(rh_string_join(heap, comma, strings));
    ck_assert_ptr_null(rh_string_split(heap, text, comma));
    ck_assert_uint_eq(rh_list_length(strings), 2);
}

START_TEST(a_heap_without_memory_makes_no_string)
{
    text = rh_string_new(heap, "a,b");
    comma = rh_string_new(heap, ",");
    strings = rh_string_split(heap, text, comma);
    ck_assert_ptr_nonnull(strings);
    destroy_heap_running(make_strings_without_memory);
}
END_TEST

static void *join(void)
{
    return rh_string_join(heap, comma, strings);
}

static void *split(void)
{
    return rh_string_split(heap, text, comma);
}

static void *format(void)
{
    return rh_string_format(heap, "%s", rh_string_text(text));
}

static void *concat(void)
{
    return rh_string_concat(heap, text, comma);
}

enum { PARTS = 6, PART_LENGTH = 1 << 20 }; /* so large that each has its own mapping */

/* In a heap of its own, so that no mapping is left over from an earlier attempt. */
static void new_strings(void)
{
    rh_heap_destroy(heap);
    heap = rh_heap_create(NULL);
    char *bytes = malloc(PARTS * PART_LENGTH);
    memset(bytes, 'x', PARTS * PART_LENGTH);
    for (size_t i = 1; i < PARTS; i++)
        bytes[i * PART_LENGTH] = ',';
    text = rh_string_new_bytes(heap, bytes, PARTS * PART_LENGTH);
    comma = rh_string_new(heap, ",");
    strings = rh_string_split(heap, text, comma);
    free(bytes);
    MUST(rh_list_length(strings) == PARTS);
}

static int refusals_of(void *(*operation)(void))
{
    int refusals = 0;
    for (;; refusals++) {
        new_strings();
        size_t objects = objects_alive();
        failing_malloc_after(refusals);
        void *result = operation();
        failing_malloc_after(-1);
        MUST(rh_refcount(text) == 1 && rh_refcount(strings) == 1 &&
             rh_list_length(strings) == PARTS);
        assert_heap();
        if (result)
            return refusals;
        MUST(objects_alive() == objects);
    }
}

START_TEST(short_memory_makes_no_string)
{
    ck_assert_int_ge(refusals_of(join), 2);
    ck_assert_int_ge(refusals_of(split), PARTS);
    ck_assert_int_ge(refusals_of(format), 2);
    ck_assert_int_ge(refusals_of(concat), 1);
}
END_TEST

RUN_TESTS("values_string", strings_hold_any_bytes_and_end_in_zero, large_strings_are_whole,
          format_prints_what_printf_prints, operations_agree_with_plain_bytes,
          join_takes_strings_only, operations_leave_their_arguments_alone,
          a_heap_without_memory_makes_no_string, short_memory_makes_no_string)
