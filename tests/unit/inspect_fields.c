/* inspect_fields.c - every kind and form of a field, as `objat` shows it. */
#include "inspect_test.h"

/* One row of the answer: kind and value as JSON text, target and its status (NULL: null). */
static void check_row(const json_t *json, size_t row, const char *name, const char *kind,
                      const char *value, const char *target, const char *status)
{
    json_t *field = json_array_get(fake_at(json, "fields"), row);
    ck_assert_msg(field != NULL, "no row %zu for %s", row, name);
    ck_assert_str_eq(fake_string(field, "name"), name);
    ck_assert_str_eq(fake_string(field, "kind"), kind);
    char *text = json_dumps(fake_at(field, "value"), JSON_ENCODE_ANY | JSON_COMPACT);
    ck_assert_msg(text && strcmp(text, value) == 0, "%s is %s, not %s", name, text ? text : "?",
                  value);
    free(text);
    if (target)
        ck_assert_str_eq(fake_string(field, "target"), target);
    else
        ck_assert_msg(json_is_null(fake_at(field, "target")), "%s has a target", name);
    if (status)
        ck_assert_str_eq(fake_string(field, "target_status"), status);
    else
        ck_assert_msg(json_is_null(fake_at(field, "target_status")), "%s has a target_status",
                      name);
}

static const char *address_json(uint64_t address)
{
    static char texts[8][32];
    static unsigned next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "\"0x%" PRIx64 "\"", address);
    return text;
}

START_TEST(references_tell_what_is_at_their_target)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), dead = new_node(&w, 1);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, a, OTHER, dead);
    fake_link(w.heap, a, WEAK, b);
    fake_link(w.heap, a, BACK, b + 8);
    json_t *json = ask(&w, "objat", "", a);
    ck_assert_uint_eq(fake_size(json, "fields"), 5);
    check_row(json, 0, "next", "strong", address_json(b), id_of(&w, b), "live");
    check_row(json, 1, "other", "strong", address_json(dead), id_of(&w, dead), "freed");
    check_row(json, 2, "weak", "weak", address_json(b), id_of(&w, b), "live");
    check_row(json, 3, "back", "borrowed", address_json(b + 8), NULL, "interior");
    check_row(json, 4, "value", "int", "0", NULL, NULL);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "node#3 (freed: stale)\n");
    ck_assert_has(w.t->out.bytes, "weak 0x");
    fake_link(w.heap, a, NEXT, fake_unused_slot(w.heap, a));
    fake_link(w.heap, a, OTHER, w.heap->address);
    fake_link(w.heap, a, WEAK, 0);
    fake_link(w.heap, a, BACK, 0x10);
    json = ask(&w, "objat", "", a);
    check_row(json, 0, "next", "strong", address_json(fake_unused_slot(w.heap, a)), NULL, "unused");
    check_row(json, 1, "other", "strong", address_json(w.heap->address), NULL, "internal");
    check_row(json, 2, "weak", "weak", "null", NULL, NULL);
    check_row(json, 3, "back", "borrowed", "\"0x10\"", NULL, "unmapped");
    json_decref(json);
    world_free(&w);
}
END_TEST

static const fake_field number_fields[] = {
    FAKE_ONE("i8", RH_KIND_INT, 0, 1),    FAKE_ONE("i16", RH_KIND_INT, 2, 2),
    FAKE_ONE("i32", RH_KIND_INT, 4, 4),   FAKE_ONE("i64", RH_KIND_INT, 8, 8),
    FAKE_ONE("u8", RH_KIND_UINT, 16, 1),  FAKE_ONE("u16", RH_KIND_UINT, 18, 2),
    FAKE_ONE("u32", RH_KIND_UINT, 20, 4), FAKE_ONE("u64", RH_KIND_UINT, 24, 8),
    FAKE_ONE("f", RH_KIND_FLOAT, 32, 4),  FAKE_ONE("d", RH_KIND_FLOAT, 40, 8),
    FAKE_ONE("ld", RH_KIND_FLOAT, 48, 16)};

START_TEST(numbers_of_every_width)
{
    world w = world_new(_i);
    uint32_t type = fake_type(w.space, "numbers", 64, number_fields, 11);
    uint64_t a = fake_new(w.heap, type, 1, 0);
    const float f = -0.5f;
    const double d = 1e100;
    const long double ld = 2.25L;
    /* all ones and a hole: each width takes its own */
    fake_put(w.t, fake_slot(w.space, a, 0), (uint64_t)-2, 8);
    fake_put(w.t, fake_slot(w.space, a, 8), (uint64_t)INT64_MIN, 8);
    fake_put(w.t, fake_slot(w.space, a, 16), 0x8000000180010080ull, 8);
    fake_put(w.t, fake_slot(w.space, a, 24), 1ull << 62, 8);
    fake_copy(w.t, fake_slot(w.space, a, 32), &f, 4);
    fake_copy(w.t, fake_slot(w.space, a, 40), &d, 8);
    fake_copy(w.t, fake_slot(w.space, a, 48), &ld, sizeof ld);
    json_t *json = ask(&w, "objat", "", a);
    check_row(json, 0, "i8", "int", "-2", NULL, NULL);
    check_row(json, 1, "i16", "int", "-1", NULL, NULL);
    check_row(json, 2, "i32", "int", "-1", NULL, NULL);
    check_row(json, 3, "i64", "int", "-9223372036854775808", NULL, NULL);
    check_row(json, 4, "u8", "uint", "128", NULL, NULL);
    check_row(json, 5, "u16", "uint", "32769", NULL, NULL);
    check_row(json, 6, "u32", "uint", "2147483649", NULL, NULL);
    check_row(json, 7, "u64", "uint", "4611686018427387904", NULL, NULL);
    check_row(json, 8, "f", "float", "-0.5", NULL, NULL);
    ck_assert(json_real_value(fake_at(json, "fields.9.value")) > 0.99e100 &&
              json_real_value(fake_at(json, "fields.9.value")) < 1.01e100);
    check_row(json, 10, "ld", "float", "2.25", NULL, NULL);
    json_decref(json);
    fake_put(w.t, fake_slot(w.space, a, 32), 0x7f800000, 4); /* infinity is no JSON number */
    json = ask(&w, "objat", "", a);
    check_row(json, 8, "f", "float", "\"inf\"", NULL, NULL);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "  i8                   -2\n");
    ck_assert_has(w.t->out.bytes, "  u32                  2147483649\n");
    world_free(&w);
}
END_TEST

enum { TEXT_LENGTH = 0, TEXT_POINTER = 8, TEXT_BYTES = 16, TEXT_BODY = 16 };
static const fake_field text_fields[] = {{.name = "inline",
                                          .kind = RH_KIND_BYTES,
                                          .form = RH_FORM_ARRAY,
                                          .width = 1,
                                          .count_width = 8,
                                          .offset = TEXT_BYTES,
                                          .count_offset = TEXT_LENGTH,
                                          .stride = 1},
                                         {.name = "behind",
                                          .kind = RH_KIND_BYTES,
                                          .form = RH_FORM_VECTOR,
                                          .width = 1,
                                          .count_width = 8,
                                          .offset = TEXT_POINTER,
                                          .count_offset = TEXT_LENGTH,
                                          .stride = 1}};

static uint64_t new_text(world *w, const char *bytes, size_t size, uint64_t extra)
{
    uint32_t type = fake_type(w->space, "text", TEXT_BODY, text_fields, 2);
    fake_type_elements(w->space, type, 1, TEXT_LENGTH);
    uint64_t a = fake_new(w->heap, type, 1, extra), memory = 0x600000000000;
    if (!fake_is_mapped(w->t, memory))
        fake_map(w->t, memory, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w->t, fake_slot(w->space, a, TEXT_LENGTH), size, 8);
    fake_put(w->t, fake_slot(w->space, a, TEXT_POINTER), memory, 8);
    fake_copy(w->t, fake_slot(w->space, a, TEXT_BYTES), bytes, size < extra ? size : extra);
    fake_copy(w->t, memory, bytes, size < 0x1000 ? size : 0x1000);
    return a;
}

START_TEST(bytes_inside_and_behind_a_pointer)
{
    world w = world_new(_i);
    uint64_t a = new_text(&w, "say \"hi\"\n\x01 Gr\xc3\xbc\xc3\x9f", 17, 32);
    json_t *json = ask(&w, "objat", "", a);
    for (unsigned i = 0; i < 2; i++) {
        char path[32];
        snprintf(path, sizeof path, "fields.%u.value", i);
        ck_assert_str_eq(fake_string(json, path), "say \"hi\"\n\x01 Gr\xc3\xbc\xc3\x9f");
    }
    ck_assert_int_eq(fake_integer(json, "object.size"),
                     (long long)w.space->c[RH_MC_object_size] + TEXT_BODY + 17);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\"say \\\"hi\\\"\\n\\x01 Gr\xc3\xbc\xc3\x9f\"\n");
    world_free(&w);
}
END_TEST

START_TEST(bytes_that_are_no_text_do_not_break_the_answer)
{
    world w = world_new(_i);
    uint64_t a = new_text(&w, "a\0b\xff\x9b", 5, 32);
    json_t *json = ask(&w, "objat", "", a);
    const json_t *value = fake_at(json, "fields.0.value");
    ck_assert_uint_eq(json_string_length(value), 5);
    ck_assert_int_eq(memcmp(json_string_value(value), "a\0b??", 5), 0);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\"a\\x00b\\xff\\x9b\"\n");
    world_free(&w);
}
END_TEST

START_TEST(long_bytes_are_cut_between_characters_and_say_so)
{
    world w = world_new(_i);
    char text[600];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i == 0 ? 'x' : i % 2 ? '\xc3' : '\xbc';
    uint64_t a = new_text(&w, text, 599, 640);
    json_t *json = ask(&w, "objat", "", a);
    const char *value = fake_string(json, "fields.0.value");
    ck_assert_uint_eq(strlen(value), 255); /* of 256 bytes the last is half a character */
    ck_assert_ptr_null(strchr(value, '?'));
    ck_assert_int_eq(fake_integer(json, "fields.0.value_total"), 599);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\"…");
    world_free(&w);
}
END_TEST

START_TEST(a_length_that_makes_no_sense_is_named)
{
    world w = world_new(_i);
    uint64_t a = new_text(&w, "abc", 3, 32);
    fake_put(w.t, fake_slot(w.space, a, TEXT_LENGTH), UINT64_MAX, 8);
    json_t *json = ask(&w, "objat", "", a);
    ck_assert(json_is_false(fake_at(json, "complete")));
    ck_assert_has(fake_string(json, "incomplete_because.0"), "inline");
    json_decref(json);
    /* A count that would lie far behind the object. */
    uint64_t field = fake_field_row(w.space, w.node + 1, 0);
    fake_put(w.t, field + w.space->c[RH_MC_field_count_offset], 1u << 31, 4);
    w.t->state++;
    json = ask(&w, "objat", "", a);
    ck_assert_has(fake_string(json, "incomplete_because.0"), "inline");
    json_decref(json);
    world_free(&w);
}
END_TEST

/* Four inline references; a vector of references; structs of 24 bytes with a key and a value. */
enum { ITEMS = 32, ITEM_COUNT = 40, ENTRIES = 48, ENTRY_COUNT = 56, BAG_BODY = 64 };
static const fake_field bag_fields[] = {{.name = "child",
                                         .kind = RH_KIND_STRONG,
                                         .form = RH_FORM_ARRAY,
                                         .width = 8,
                                         .count = 4,
                                         .stride = 8},
                                        FAKE_VECTOR("items", ITEMS, ITEM_COUNT),
                                        {.name = "entries.key",
                                         .kind = RH_KIND_STRONG,
                                         .form = RH_FORM_VECTOR,
                                         .width = 8,
                                         .count_width = 2,
                                         .offset = ENTRIES,
                                         .count_offset = ENTRY_COUNT,
                                         .stride = 24,
                                         .element_offset = 8},
                                        {.name = "entries.value",
                                         .kind = RH_KIND_STRONG,
                                         .form = RH_FORM_VECTOR,
                                         .width = 8,
                                         .count_width = 2,
                                         .offset = ENTRIES,
                                         .count_offset = ENTRY_COUNT,
                                         .stride = 24,
                                         .element_offset = 16}};

START_TEST(arrays_vectors_and_strides)
{
    world w = world_new(_i);
    uint32_t type = fake_type(w.space, "bag", BAG_BODY, bag_fields, 4);
    uint64_t bag = fake_new(w.heap, type, 1, 0), n[4];
    for (unsigned i = 0; i < 4; i++)
        n[i] = new_node(&w, 1);
    fake_link(w.heap, bag, 8, n[1]);
    const uint64_t entries[] = {7, n[0], n[1], 9, n[2], n[3]};
    fake_vector(w.heap, bag, ITEMS, ITEM_COUNT, n, 3);
    fake_vector(w.heap, bag, ENTRIES, ENTRY_COUNT, entries, 6);
    /* two; the count has 16 bits */
    fake_put(w.t, fake_slot(w.space, bag, ENTRY_COUNT), 0xAAAA0002, 8);
    json_t *json = ask(&w, "objat", "", bag);
    ck_assert_uint_eq(fake_size(json, "fields"), 4 + 3 + 2 + 2);
    check_row(json, 0, "child[0]", "strong", "null", NULL, NULL);
    check_row(json, 1, "child[1]", "strong", address_json(n[1]), id_of(&w, n[1]), "live");
    check_row(json, 6, "items[2]", "strong", address_json(n[2]), id_of(&w, n[2]), "live");
    check_row(json, 7, "entries[0].key", "strong", address_json(n[0]), id_of(&w, n[0]), "live");
    check_row(json, 8, "entries[0].value", "strong", address_json(n[1]), id_of(&w, n[1]), "live");
    check_row(json, 9, "entries[1].key", "strong", address_json(n[2]), id_of(&w, n[2]), "live");
    check_row(json, 10, "entries[1].value", "strong", address_json(n[3]), id_of(&w, n[3]), "live");
    json_decref(json);
    json = ask(&w, "objat", "--limit 5", bag);
    ck_assert_uint_eq(fake_size(json, "fields"), 5);
    ck_assert_int_eq(fake_integer(json, "fields_total"), 11);
    json_decref(json);
    /* a vector may be NULL, whatever its count */
    fake_put(w.t, fake_slot(w.space, bag, ITEMS), 0, 8);
    w.t->state++;
    json = ask(&w, "objat", "", bag);
    ck_assert_uint_eq(fake_size(json, "fields"), 8);
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_vector_that_ends_early_is_named_and_its_beginning_shown)
{
    world w = world_new(_i);
    uint32_t type = fake_type(w.space, "bag", BAG_BODY, bag_fields, 4);
    uint64_t bag = fake_new(w.heap, type, 1, 0), n = new_node(&w, 1);
    fake_vector(w.heap, bag, ITEMS, ITEM_COUNT, &n, 1);
    fake_put(w.t, fake_slot(w.space, bag, ITEM_COUNT), 1ull << 50, 8);
    json_t *json = ask(&w, "objat", "--limit=0", bag);
    ck_assert_uint_eq(fake_size(json, "fields"), 4 + 512); /* the mapped page */
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    json = ask(&w, "refs", "", n);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 1);
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_fields", references_tell_what_is_at_their_target, numbers_of_every_width,
          bytes_inside_and_behind_a_pointer, bytes_that_are_no_text_do_not_break_the_answer,
          long_bytes_are_cut_between_characters_and_say_so, a_length_that_makes_no_sense_is_named,
          arrays_vectors_and_strides, a_vector_that_ends_early_is_named_and_its_beginning_shown)
