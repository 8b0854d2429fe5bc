/* values_text.c - tests of rh_repr and rh_print: exact texts, random values against a naive
 * writer, values that are deep or hold themselves, streams and memory that fail.
 *
 * Invariant: writing changes no count and leaves no memory behind. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <refheap/refheap.h>

#include "values_test.h"

static void assert_text(const void *object, const char *expected)
{
    rh_string *text = rh_repr(heap, object);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(rh_string_text(text), expected);
    ck_assert_uint_eq(rh_string_length(text), strlen(expected));
    rh_release(text);
}

/* The same, and releases it. */
static void expect_text(void *object, const char *expected)
{
    assert_text(object, expected);
    rh_release(object);
}

START_TEST(plain_values_are_written)
{
    expect_text(rh_nil(), "nil");
    expect_text(rh_bool(true), "true");
    expect_text(rh_bool(false), "false");
    expect_text(rh_int_new(heap, INT64_MIN), "-9223372036854775808");
    expect_text(rh_int_new(heap, 7), "7");
    expect_text(NULL, "NULL");
    rh_int *target = rh_int_new(heap, 1000);
    rh_weak *weak = rh_weak_new(target);
    char expected[64];
    snprintf(expected, sizeof expected, "<weak#%llu>", (unsigned long long)rh_serial(weak));
    expect_text(weak, expected);
    rh_release(target);
    assert_objects(0);
}
END_TEST

START_TEST(floats_are_written_as_short_as_they_can_be_read_back)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {0.1, "0.1"},
        {-2.5, "-2.5"},
        {1e15, "1e+15"},
        {123456, "123456.0"},
        {1e100, "1e+100"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324, "5e-324"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {INFINITY, "inf"},
        {-INFINITY, "-inf"},
        {NAN, "nan"},
        {0x1p63, "9.223372036854776e+18"},
        {2.0 / 3, "0.6666666666666666"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_text(rh_float_new(heap, cases[i].value), cases[i].text);
    srand(7);
    for (int i = 0; i < MANY(100000); i++) {
        uint64_t bits = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
        double value;
        memcpy(&value, &bits, sizeof value);
        rh_float *number = rh_float_new(heap, value);
        rh_string *text = rh_repr(heap, number);
        double back = strtod(rh_string_text(text), NULL);
        MUST(isnan(value) || memcmp(&back, &value, sizeof value) == 0);
        rh_release(text);
        rh_release(number);
    }
    assert_objects(0);
}
END_TEST

START_TEST(strings_are_quoted_and_harmless)
{
    expect_text(rh_string_new(heap, ""), "\"\"");
    expect_text(rh_string_new(heap, "a \"b\" \\ /"), "\"a \\\"b\\\" \\\\ /\"");
    expect_text(rh_string_new(heap, "\b\f\n\r\t\x1b\x7f"), "\"\\b\\f\\n\\r\\t\\u001b\\u007f\"");
    expect_text(rh_string_new_bytes(heap, "a\0b", 3), "\"a\\u0000b\"");
    /* Characters of two, three and four bytes stay; C1 controls do not. */
    expect_text(rh_string_new(heap, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
                "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_text(rh_string_new(heap, "\xc2\x80\xc2\x9f\xc2\xa0"), "\"\\u0080\\u009f\xc2\xa0\"");
    /* No UTF-8: alone, cut off, too long, a surrogate, beyond the last one. */
    expect_text(rh_string_new(heap, "\x80z\xff"), "\"\\x80z\\xff\"");
    expect_text(rh_string_new(heap, "\xe2\x82"), "\"\\xe2\\x82\"");
    expect_text(rh_string_new(heap, "\xc3("), "\"\\xc3(\"");
    expect_text(rh_string_new(heap, "\xc0\xaf"), "\"\\xc0\\xaf\"");
    expect_text(rh_string_new(heap, "\xe0\x80\xaf"), "\"\\xe0\\x80\\xaf\"");
    expect_text(rh_string_new(heap, "\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
    expect_text(rh_string_new(heap, "\xed\x9f\xbf"), "\"\xed\x9f\xbf\"");
    expect_text(rh_string_new(heap, "\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"");
    expect_text(rh_string_new(heap, "\xf8\x88\x80\x80\x80"), "\"\\xf8\\x88\\x80\\x80\\x80\"");
    assert_objects(0);
}
END_TEST

START_TEST(containers_are_written_in_order)
{
    expect_text(rh_list_new(heap), "[]");
    expect_text(rh_dict_new(heap), "{}");
    rh_list *list = INTS(1, -2, 3000), *inner = rh_list_new(heap);
    rh_dict *dict = rh_dict_new(heap);
    assert_text(list, "[1, -2, 3000]");
    ck_assert(rh_dict_set_text(dict, "gone", rh_nil()) && rh_dict_set_text(dict, "list", list));
    ck_assert(rh_dict_set(dict, rh_int_new(heap, 5), rh_dict_new(heap)));
    ck_assert(rh_dict_set(dict, rh_nil(), inner));
    rh_release(rh_dict_get(dict, rh_int_new(heap, 5)));
    ck_assert(rh_dict_delete_text(dict, "gone"));
    assert_text(dict, "{\"list\": [1, -2, 3000], 5: {}, nil: []}");
    /* Held twice is no cycle. */
    rh_list_append(inner, list);
    rh_list_append(inner, list);
    assert_text(inner, "[[1, -2, 3000], [1, -2, 3000]]");
    ck_assert_uint_eq(rh_refcount(list), 4);
    void *objects[] = {dict, inner, list};
    release_all(objects, 3);
    assert_objects(0);
}
END_TEST

START_TEST(what_holds_itself_is_written_once)
{
    rh_list *list = rh_list_new(heap);
    rh_dict *dict = rh_dict_new(heap);
    rh_list_append(list, list);
    assert_text(list, "[[...]]");
    rh_list_append(list, dict);
    ck_assert(rh_dict_set_text(dict, "list", list) && rh_dict_set_text(dict, "dict", dict));
    assert_text(list, "[[...], {\"list\": [...], \"dict\": {...}}]");
    assert_text(dict, "{\"list\": [[...], {...}], \"dict\": {...}}");
    rh_release(list);
    rh_release(dict);
    assert_garbage_only();
}
END_TEST

/* Wherever it stands on the way down. */
START_TEST(what_holds_itself_is_found_at_every_depth)
{
    for (size_t depth = 0; depth < 150; depth++) {
        rh_list *self = rh_list_new(heap), *nest = new_nest(rh_retain(self), depth);
        MUST(rh_list_append(self, self) && rh_list_append(self, nest));
        rh_string *text = rh_repr(heap, nest);
        /* The outermost [ again, where it is not self, is [...] as well. */
        MUST(rh_string_length(text) == 2 * depth + strlen("[[...], [...]]"));
        MUST(strncmp(rh_string_text(text) + depth, "[[...], [...]]", 14) == 0);
        rh_list_clear(self);
        void *objects[] = {self, nest, text};
        release_all(objects, 3);
    }
    assert_objects(0);
}
END_TEST

/* ---- the twin: recursive -------------------------------------------------------------------- */

typedef struct plain_text {
    char at[1 << 16];
    size_t length;
    const void *open[16];
    size_t depth;
} plain_text;

static void plain_put(plain_text *text, const char *bytes)
{
    MUST(text->length + strlen(bytes) < sizeof text->at);
    text->length += (size_t)sprintf(&text->at[text->length], "%s", bytes);
}

static void plain_write(plain_text *text, const void *object)
{
    bool is_list = rh_is_list(object);
    if (!is_list && !rh_is_dict(object)) {
        char number[32];
        sprintf(number, "%d", (int)rh_int_value(object));
        plain_put(text, number);
        return;
    }
    for (size_t i = 0; i < text->depth; i++)
        if (text->open[i] == object) {
            plain_put(text, is_list ? "[...]" : "{...}");
            return;
        }
    text->open[text->depth++] = object;
    plain_put(text, is_list ? "[" : "{");
    size_t length = is_list ? rh_list_length(object) : rh_dict_length(object), position = 0;
    void *key, *value;
    for (size_t i = 0; i < length; i++) {
        if (is_list)
            value = rh_list_get(object, i);
        else
            MUST(rh_dict_next(object, &position, &key, &value));
        if (i)
            plain_put(text, ", ");
        if (!is_list) {
            plain_write(text, key);
            plain_put(text, ": ");
        }
        plain_write(text, value);
    }
    plain_put(text, is_list ? "]" : "}");
    text->depth--;
}

/* At the top, where the open containers are few, and deep below, where they are many. */
static void assert_texts(void *object, plain_text *expected)
{
    enum { DEPTH = 50 };
    expected->length = 0;
    plain_write(expected, object);
    rh_string *text = rh_repr(heap, object);
    MUST(strcmp(rh_string_text(text), expected->at) == 0);
    rh_release(text);
    void *nest = new_nest(rh_retain(object), DEPTH);
    text = rh_repr(heap, nest);
    MUST(rh_string_length(text) == expected->length + 2 * DEPTH);
    MUST(strncmp(rh_string_text(text) + DEPTH, expected->at, expected->length) == 0);
    for (size_t i = 0; i < DEPTH; i++)
        MUST(rh_string_text(text)[i] == '[' &&
             rh_string_text(text)[DEPTH + expected->length + i] == ']');
    rh_release(text);
    rh_release(nest);
}

START_TEST(random_graphs_are_written_as_a_naive_writer_does)
{
    enum { NODES = 5 };
    static plain_text expected;
    srand(8);
    for (int round = 0; round < MANY(5000); round++) {
        void *nodes[NODES];
        for (int i = 0; i < NODES; i++)
            nodes[i] = i % 2 ? (void *)rh_dict_new(heap) : (void *)rh_list_new(heap);
        for (int edge = 0; edge < 2 * NODES; edge++) {
            int from = rand() % NODES;
            void *target = rand() % 4 ? nodes[rand() % NODES] : rh_int_new(heap, rand() % 100);
            MUST(from % 2 ? rh_dict_set(nodes[from], rh_int_new(heap, rand() % 4), target)
                          : rh_list_append(nodes[from], target));
        }
        for (int i = 0; i < NODES; i++)
            assert_texts(nodes[i], &expected);
        release_all(nodes, NODES);
        if (round % 100 == 0)
            rh_gc_collect(heap);
    }
    assert_garbage_only();
}
END_TEST

/* ---- depth, streams, memory ----------------------------------------------------------------- */

static void write_deep(void)
{
    enum { DEPTH = MANY(1000000) };
    rh_list *nest = new_nest(rh_int_new(heap, 7), DEPTH), *innermost = nest;
    while (rh_is_list(rh_list_get(innermost, 0)))
        innermost = rh_list_get(innermost, 0);
    MUST(rh_list_append(innermost, nest));
    rh_string *text = rh_repr(heap, nest);
    MUST(text && rh_string_length(text) == 2 * DEPTH + strlen("7, [...]"));
    MUST(memcmp(rh_string_text(text) + DEPTH, "7, [...]]", 9) == 0);
    MUST(rh_list_remove(innermost, 1));
    rh_release(text);
    rh_release(nest);
}

START_TEST(deep_values_need_no_stack)
{
    on_small_stack(write_deep);
    assert_objects(0);
}
END_TEST

START_TEST(print_writes_the_text_to_a_stream)
{
    char *written = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&written, &length);
    rh_list *list = INTS(1, 2);
    rh_string *zero = rh_string_new_bytes(heap, "\0", 1);
    ck_assert(rh_print(stream, list) && rh_print(stream, zero));
    fclose(stream);
    ck_assert_str_eq(written, "[1, 2]\"\\u0000\"");
    free(written);
    stream = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(stream);
    setvbuf(stream, NULL, _IONBF, 0);
    ck_assert(!rh_print(stream, list));
    fclose(stream);
    rh_release(list);
    rh_release(zero);
    assert_objects(0);
}
END_TEST

START_TEST(short_memory_writes_nothing)
{
    enum { DEPTH = 1000 };
    rh_list *nest = new_nest(rh_int_new(heap, 7), DEPTH);
    char *written = NULL;
    size_t length = 0, objects = objects_alive();
    FILE *stream = open_memstream(&written, &length);
    ck_assert_int_eq(fputc('>', stream), '>'); /* its own memory is there */
    setvbuf(stream, NULL, _IOFBF, 1 << 16);
    int refusals = 0;
    for (bool is_done = false; !is_done; refusals++) {
        failing_malloc_after(refusals);
        rh_string *text = rh_repr(heap, nest);
        failing_malloc_after(refusals);
        bool is_printed = rh_print(stream, nest);
        failing_malloc_after(-1);
        is_done = text != NULL;
        MUST(is_done == is_printed);
        MUST(objects_alive() == objects + is_done);
        MUST(!text || rh_string_length(text) == 2 * DEPTH + 1);
        rh_release(text);
    }
    ck_assert_int_gt(refusals, 8);
    fclose(stream);
    ck_assert_uint_eq(length, 1 + 2 * DEPTH + 1);
    free(written);
    rh_release(nest);
    assert_objects(0);
}
END_TEST

static void write_without_memory(void)
{
    ck_assert_ptr_null(rh_repr(heap, rh_nil()));
    ck_assert(rh_print(stderr, rh_nil())); /* needs none of the heap */
}

START_TEST(a_heap_without_memory_writes_no_string)
{
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    destroy_heap_running(write_without_memory);
}
END_TEST

RUN_TESTS("values_text", plain_values_are_written,
          floats_are_written_as_short_as_they_can_be_read_back, strings_are_quoted_and_harmless,
          containers_are_written_in_order, what_holds_itself_is_written_once,
          what_holds_itself_is_found_at_every_depth,
          random_graphs_are_written_as_a_naive_writer_does, deep_values_need_no_stack,
          print_writes_the_text_to_a_stream, short_memory_writes_nothing,
          a_heap_without_memory_writes_no_string)
