/* inspect_value.c - what an object holds, in a few words, from its fields: texts, numbers,
 * vectors, keys and values, and fields by name; rows of objat; hostile counts and pointers. */
#include "inspect_test.h"

#include <math.h>

enum { LENGTH = 0, BYTES = 8, ITEMS = 8, USED = 16 };

typedef struct types {
    uint32_t text, number, real, narrow, list, map, pair, table;
} types;

static types new_types(const world *w)
{
    static const fake_field text[] = {FAKE_ONE("length", RH_KIND_UINT, LENGTH, 8),
                                      {.name = "bytes",
                                       .kind = RH_KIND_BYTES,
                                       .form = RH_FORM_ARRAY,
                                       .offset = BYTES,
                                       .width = 1,
                                       .count_width = 8,
                                       .count_offset = LENGTH,
                                       .stride = 1}};
    static const fake_field number[] = {FAKE_ONE("value", RH_KIND_INT, 0, 8)};
    static const fake_field real[] = {FAKE_ONE("value", RH_KIND_FLOAT, 0, 8)},
                            narrow[] = {FAKE_ONE("value", RH_KIND_FLOAT, 0, 4)};
    static const fake_field list[] = {FAKE_VECTOR("items", ITEMS, LENGTH),
                                      FAKE_ONE("length", RH_KIND_UINT, LENGTH, 8)};
    static const fake_field map[] = {{.name = "entries.key",
                                      .kind = RH_KIND_STRONG,
                                      .form = RH_FORM_VECTOR,
                                      .offset = ITEMS,
                                      .width = 8,
                                      .count_width = 8,
                                      .count_offset = LENGTH,
                                      .stride = 24,
                                      .element_offset = 8},
                                     {.name = "entries.value",
                                      .kind = RH_KIND_STRONG,
                                      .form = RH_FORM_VECTOR,
                                      .offset = ITEMS,
                                      .width = 8,
                                      .count_width = 8,
                                      .count_offset = LENGTH,
                                      .stride = 24,
                                      .element_offset = 16},
                                     FAKE_ONE("length", RH_KIND_UINT, USED, 8)};
    static const fake_field pair[] = {FAKE_STRONG("next", 0), FAKE_ONE("key", RH_KIND_INT, 8, 4),
                                      FAKE_ONE("hits", RH_KIND_UINT, 12, 4)};
    static const fake_field table[] = {{.name = "buckets",
                                        .kind = RH_KIND_STRONG,
                                        .form = RH_FORM_ARRAY,
                                        .width = 8,
                                        .count = 64,
                                        .stride = 8},
                                       FAKE_ONE("size", RH_KIND_UINT, 512, 8),
                                       FAKE_STRONG("owner", 520)};
    return (types){
        fake_type(w->space, "string", 200, text, 2), fake_type(w->space, "int", 16, number, 1),
        fake_type(w->space, "float", 16, real, 1),   fake_type(w->space, "narrow", 16, narrow, 1),
        fake_type(w->space, "list", 16, list, 2),    fake_type(w->space, "map", 24, map, 3),
        fake_type(w->space, "pair", 16, pair, 3),    fake_type(w->space, "table", 528, table, 3)};
}

static uint64_t new_text(const world *w, uint32_t type, const char *text)
{
    uint64_t made = fake_new(w->heap, type, 1, 0);
    fake_put(w->t, fake_slot(w->space, made, LENGTH), strlen(text), 8);
    fake_copy(w->t, fake_slot(w->space, made, BYTES), text, strlen(text));
    return made;
}

static uint64_t new_number(const world *w, uint32_t type, uint64_t value, unsigned width)
{
    uint64_t made = fake_new(w->heap, type, 1, 0);
    fake_put(w->t, fake_slot(w->space, made, 0), value, width);
    return made;
}

/* The value of an object, in JSON; "(null)" for none. Up to eight at a time. */
static const char *value_of(const world *w, uint64_t object)
{
    static char texts[8][300];
    static unsigned next;
    char *text = texts[next++ % 8];
    w->t->state++;
    json_t *json = ask(w, "objat", "--limit=1", object), *value = fake_at(json, "object.value");
    ck_assert(value != NULL);
    snprintf(text, sizeof texts[0], "%s",
             json_is_string(value) ? json_string_value(value) : "(null)");
    ck_assert_str_eq(fake_string(json, "object.format"), "refheap");
    json_decref(json);
    return text;
}

START_TEST(a_text_and_a_number_are_shown_as_they_are)
{
    world w = world_new(_i);
    types t = new_types(&w);
    ck_assert_str_eq(value_of(&w, new_text(&w, t.text, "hello")), "\"hello\"");
    ck_assert_str_eq(value_of(&w, new_text(&w, t.text, "")), "\"\"");
    ck_assert_str_eq(value_of(&w, new_text(&w, t.text, "a\"b\\\n\033\342\200\256\377é")),
                     "\"a\\\"b\\\\\\n\\x1b\\xe2\\x80\\xae\\xffé\"");
    ck_assert_str_eq(
        value_of(
            &w, new_text(&w, t.text,
                         "0123456789012345678901234567890123456789012345678901234567890123456789")),
        "\"012345678901234567890123456789012345678901234567\"…");
    ck_assert_str_eq(
        value_of(&w,
                 new_text(&w, t.text,
                          "0123456789012345678901234567890123456789012345éx012345678901234567890")),
        "\"0123456789012345678901234567890123456789012345é\"…");
    ck_assert_str_eq(value_of(&w, new_number(&w, t.number, (uint64_t)-42, 8)), "-42");
    ck_assert_str_eq(value_of(&w, new_number(&w, t.number, 1ull << 63, 8)), "-9223372036854775808");
    world_free(&w);
}
END_TEST

START_TEST(a_number_with_a_fraction_has_the_fewest_digits_that_mean_the_same)
{
    static const struct {
        double value;
        const char *text;
        bool is_narrow;
    } rows[] = {{0.1, "0.1", false},
                {1e30, "1e+30", false},
                {1.0 / 3, "0.3333333333333333", false},
                {5e-324, "5e-324", false},
                {-0.0, "-0", false},
                {INFINITY, "inf", false},
                {NAN, "nan", false},
                {0.1 + 0.2, "0.30000000000000004", false},
                {0.1f, "0.1", true},
                {1e30f, "1e+30", true},
                {1.0f / 3, "0.33333334", true},
                {16777216.0f, "16777216", true}};
    world w = world_new(_i);
    types t = new_types(&w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bits = 0;
        float narrow = (float)rows[i].value;
        memcpy(&bits, rows[i].is_narrow ? (const void *)&narrow : (const void *)&rows[i].value,
               rows[i].is_narrow ? 4 : 8);
        uint64_t object =
            new_number(&w, rows[i].is_narrow ? t.narrow : t.real, bits, rows[i].is_narrow ? 4 : 8);
        char line[64];
        ck_assert_str_eq(value_of(&w, object), rows[i].text);
        snprintf(line, sizeof line, "0x%" PRIx64, object);
        fake_run(w.t, "objat", line);
        snprintf(line, sizeof line, "  value                %s\n", rows[i].text);
        ck_assert_has(w.t->out.bytes, line);
        snprintf(line, sizeof line, "--json 0x%" PRIx64, object);
        fake_run(w.t, "objat", line);
        bool is_whole = strspn(rows[i].text, "-0123456789") == strlen(rows[i].text),
             is_number = rows[i].value - rows[i].value == 0;
        snprintf(line, sizeof line, is_number ? "\"value\":%s%s," : "\"value\":\"%s%s\",",
                 rows[i].text, is_whole ? ".0" : "");
        /* as jansson writes it */
        ck_assert_has(w.t->out.bytes, strstr(line, "e+30") ? "\"value\":1e30," : line);
    }
    world_free(&w);
}
END_TEST

START_TEST(a_vector_shows_its_first_elements)
{
    world w = world_new(_i);
    types t = new_types(&w);
    uint64_t items[50] = {new_number(&w, t.number, 1, 8), new_text(&w, t.text, "two"), 0,
                          new_node(&w, 1)};
    for (int i = 4; i < 50; i++)
        items[i] = items[0];
    uint64_t list = fake_new(w.heap, t.list, 1, 0), small = fake_new(w.heap, t.list, 1, 0),
             empty = fake_new(w.heap, t.list, 1, 0);
    fake_vector(w.heap, list, ITEMS, LENGTH, items, 50);
    fake_vector(w.heap, small, ITEMS, LENGTH, items, 2);
    char node[64], line[128];
    snprintf(node, sizeof node, "[1, \"two\", NULL, %s, 1, 1, … 44 more]", id_of(&w, items[3]));
    ck_assert_str_eq(value_of(&w, list), node);
    ck_assert_str_eq(value_of(&w, small), "[1, \"two\"]");
    ck_assert_str_eq(value_of(&w, empty), "[]");
    uint64_t outer = fake_new(w.heap, t.list, 1, 0); /* one level deep */
    fake_vector(w.heap, outer, ITEMS, LENGTH, &list, 1);
    snprintf(line, sizeof line, "[list#%" PRIu64 "]", fake_serial(w.heap, list));
    ck_assert_str_eq(value_of(&w, outer), line);
    fake_free_object(w.heap, items[3], RH_DEATH_RELEASE);
    ck_assert_has(value_of(&w, list), " (freed), 1, ");
    world_free(&w);
}
END_TEST

static uint64_t new_map(const world *w, uint32_t type, const uint64_t *entries, uint64_t count,
                        uint64_t used)
{
    uint64_t map = fake_new(w->heap, type, 1, 0);
    fake_vector(w->heap, map, ITEMS, LENGTH, entries, count * 3);
    fake_put(w->t, fake_slot(w->space, map, LENGTH), count, 8);
    fake_put(w->t, fake_slot(w->space, map, USED), used, 8);
    return map;
}

START_TEST(keys_and_values_are_shown_in_pairs)
{
    world w = world_new(_i);
    types t = new_types(&w);
    uint64_t a = new_text(&w, t.text, "a"), b = new_text(&w, t.text, "b"),
             one = new_number(&w, t.number, 1, 8), node = new_node(&w, 1);
    /* the second was deleted */
    const uint64_t entries[] = {7, a, one, 0, 0, 0, 8, b, node, 9, one, 0, 9, one, one};
    char wanted[128];
    snprintf(wanted, sizeof wanted, "{\"a\": 1, \"b\": %s, 1: NULL, … 1 more}", id_of(&w, node));
    ck_assert_str_eq(value_of(&w, new_map(&w, t.map, entries, 5, 4)), wanted);
    ck_assert_str_eq(value_of(&w, new_map(&w, t.map, entries, 1, 1)), "{\"a\": 1}");
    ck_assert_str_eq(value_of(&w, new_map(&w, t.map, entries, 0, 0)), "{}");
    world_free(&w);
}
END_TEST

START_TEST(other_objects_show_fields_by_name)
{
    world w = world_new(_i);
    types t = new_types(&w);
    uint64_t a = fake_new(w.heap, t.pair, 1, 0), b = fake_new(w.heap, t.pair, 1, 0);
    fake_put(w.t, fake_slot(w.space, a, 8), 14, 4);
    fake_put(w.t, fake_slot(w.space, a, 12), 3, 4);
    ck_assert_str_eq(value_of(&w, a), "{key: 14, hits: 3}");
    fake_link(w.heap, a, 0, b);
    char wanted[64], line[64];
    snprintf(wanted, sizeof wanted, "{key: 14, hits: 3, next: pair#%" PRIu64 "}",
             fake_serial(w.heap, b));
    ck_assert_str_eq(value_of(&w, a), wanted);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    w.t->state++;
    setenv("LC_ALL", "C.UTF-8", 1);
    static const char *const commands[] = {"gcfind", "gcstat"};
    for (size_t i = 0; i < 2; i++) { /* wherever it appears */
        fake_run(w.t, commands[i], "");
        ck_assert_msg(strstr(w.t->out.bytes, wanted) != NULL, "%s: %s", commands[i],
                      w.t->out.bytes);
    }
    snprintf(line, sizeof line, "0x%" PRIx64, b);
    fake_run(w.t, "refs", line);
    /* in who holds it, but for what the row says itself */
    ck_assert_has(w.t->out.bytes, "  in {key: 14, hits: 3}\n");
    ck_assert_has(w.t->out.bytes, ", {key: 0, hits: 0}\n");
    fake_run(w.t, "gcgraph", line);
    ck_assert_has(w.t->out.bytes, " {key: 0, hits: 0}\n");
    snprintf(line, sizeof line, "0x%" PRIx64, a);
    fake_run(w.t, "gcgraph", line);
    ck_assert_has(w.t->out.bytes, wanted);
    fake_run(w.t, "objat", line);
    ck_assert_has(w.t->out.bytes, " {key: 0, hits: 0}\n");
    fake_run(w.t, "refs", line);
    ck_assert_has(w.t->out.bytes, " {key: 0, hits: 0}\n"); /* in what it holds */
    uint64_t table = fake_new(w.heap, t.table, 1, 0);
    fake_put(w.t, fake_slot(w.space, table, 512), 7, 8); /* behind many references */
    ck_assert_str_eq(value_of(&w, table), "{size: 7, buckets[64]}");
    world_free(&w);
}
END_TEST

START_TEST(hostile_counts_and_pointers_are_left_out)
{
    world w = world_new(_i);
    types t = new_types(&w);
    uint64_t text = new_text(&w, t.text, "x"), list = fake_new(w.heap, t.list, 1, 0),
             map = fake_new(w.heap, t.map, 1, 0);
    static const uint64_t counts[] = {UINT64_MAX, 1ull << 61, 1ull << 40, 200};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        fake_put(w.t, fake_slot(w.space, text, LENGTH), counts[i], 8);
        fake_put(w.t, fake_slot(w.space, list, LENGTH), counts[i], 8);
        fake_put(w.t, fake_slot(w.space, list, ITEMS), 0x123456789000, 8); /* not mapped */
        fake_put(w.t, fake_slot(w.space, map, LENGTH), counts[i], 8);
        fake_put(w.t, fake_slot(w.space, map, ITEMS), UINT64_MAX - 8, 8);
        w.t->state++;
        ck_assert_str_eq(value_of(&w, list), "(null)");
        ck_assert_int_le((int)strlen(value_of(&w, text)), 80);
        ck_assert_int_le((int)strlen(value_of(&w, map)), 80);
    }
    uint64_t first = 0; /* a big vector that is there */
    fake_vector(w.heap, list, ITEMS, LENGTH, &first, 1);
    fake_put(w.t, fake_slot(w.space, list, LENGTH), 1ull << 32, 8);
    ck_assert_str_eq(value_of(&w, list), "(null)");
    world_free(&w);
}
END_TEST

START_TEST(fields_come_before_elements_and_runs_of_null_are_one_row)
{
    world w = world_new(_i);
    types t = new_types(&w);
    uint64_t table = fake_new(w.heap, t.table, 1, 0), node = new_node(&w, 1);
    char line[64];
    snprintf(line, sizeof line, "0x%" PRIx64, table);
    setenv("LC_ALL", "C.UTF-8", 1);
    fake_run(w.t, "objat", line);
    ck_assert_has(
        w.t->out.bytes,
        "\n  size                 0\n  owner                NULL\n  buckets[0..63]       NULL\n");
    fake_link(w.heap, table, 0, node);
    fake_link(w.heap, table, 10 * 8, node);
    fake_link(w.heap, table, 12 * 8, node);
    fake_run(w.t, "objat", line);
    const char *out = w.t->out.bytes;
    ck_assert_has(out, "\n  owner                NULL\n  buckets[0]           0x");
    ck_assert_has(out, "\n  buckets[1..9]        NULL\n  buckets[10]          0x");
    ck_assert_has(out, "\n  buckets[11]          NULL\n  buckets[12]          0x");
    ck_assert_has(out, " {value: 0}\n  buckets[13..63]      NULL\n");
    ck_assert_has_not(out, "more");
    snprintf(line, sizeof line, "--limit=4 0x%" PRIx64, table);
    fake_run(w.t, "objat", line);
    ck_assert_has(w.t->out.bytes,
                  "\n  buckets[1..9]        NULL\n  … 54 more (--limit=0 shows all)\n");
    json_t *json = ask(&w, "objat", "", table); /* JSON has all rows as they are declared */
    ck_assert_uint_eq(fake_size(json, "fields"), 66);
    ck_assert_str_eq(fake_string(json, "fields.1.name"), "buckets[1]");
    ck_assert_str_eq(fake_string(json, "fields.0.target_value"), "{value: 0}");
    ck_assert(json_is_null(fake_at(json, "fields.1.target_value")));
    json_decref(json);
    json = ask(&w, "objat", "--limit=3", table);
    ck_assert_int_eq(fake_integer(json, "fields_total"), 66);
    json_decref(json);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_value", a_text_and_a_number_are_shown_as_they_are,
          a_number_with_a_fraction_has_the_fewest_digits_that_mean_the_same,
          a_vector_shows_its_first_elements, keys_and_values_are_shown_in_pairs,
          other_objects_show_fields_by_name, hostile_counts_and_pointers_are_left_out,
          fields_come_before_elements_and_runs_of_null_are_one_row)
