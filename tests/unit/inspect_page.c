/* inspect_page.c - `.html` of `gcexport`: what goes into a page comes out of it as it was, in
 * letters that are no markup; without the page's parts, which need Node.js, it is said what is
 * missing.
 *
 * Invariant: what is unpacked here is unpacked by zlib and by a table of letters of its own. */
#include "inspect_test.h"
#include "unpacked.h"

#include <unistd.h>

/* The format as it is in a refheap that was built without the page's parts. */
#undef REFHEAP_PAGE
#define rhi__page_format page_format_without_parts
#include "export/page.c"
#undef rhi__page_format

/* A text of a document, there and back. */
static json_t *carried(const char *text)
{
    static rhi_packed packed;
    char *letters, *plain;
    size_t count, size;
    FILE *file = open_memstream(&letters, &count);
    ck_assert_ptr_null(rhi__packed_begin(&packed, file));
    rhi__packed_put(&packed, "[");
    rhi__packed_text(&packed, text);
    rhi__packed_put(&packed, ",");
    rhi__packed_value(&packed, json_pack("{s:i}", "a", 7));
    rhi__packed_put(&packed, ",");
    rhi__packed_number(&packed, UINT64_MAX >> 1);
    rhi__packed_put(&packed, "]");
    ck_assert_ptr_null(rhi__packed_end(&packed, true));
    fclose(file);
    plain = unpacked(letters, count, &size);
    json_t *json = json_loadb(plain, size, 0, NULL), *first = json_incref(json_array_get(json, 0));
    ck_assert_msg(json_array_size(json) == 3, "no document: %.200s", plain);
    ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(json, 1), "a")), 7);
    ck_assert_int_eq(json_integer_value(json_array_get(json, 2)), INT64_MAX);
    json_decref(json);
    free(plain);
    free(letters);
    return first;
}

START_TEST(what_is_packed_comes_out_as_it_was)
{
    static const char *const texts[] = {"",
                                        "a",
                                        "ab",
                                        "abc",
                                        "</script><!--\"\\",
                                        "\x01\t\n\x1f\x7f",
                                        "\342\200\256\303\244\360\237\231\202"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        json_t *json = carried(texts[i]);
        ck_assert_str_eq(json_string_value(json), texts[i]);
        json_decref(json);
    }
    json_t *json = carried("a\377b\342\200");
    ck_assert_str_eq(json_string_value(json), "a\357\277\275b\357\277\275\357\277\275");
    json_decref(json);
    json = carried(NULL);
    ck_assert(json_is_null(json));
    json_decref(json);
}
END_TEST

START_TEST(more_than_one_piece_is_packed)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    uint64_t random = 1;
    for (size_t i = 0; i < SIZE - 1; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        text[i] = (char)(' ' + (random >> 33) % 95);
    }
    text[SIZE - 1] = '\0';
    json_t *json = carried(text);
    ck_assert_str_eq(json_string_value(json), text);
    json_decref(json);
    free(text);
}
END_TEST

START_TEST(without_its_parts_it_says_what_is_missing)
{
    ck_assert_has(page_format_without_parts.missing, "Node.js");
    ck_assert_has(page_format_without_parts.missing, "npm");
    ck_assert_has(page_format_without_parts.missing, "REFHEAP_PAGE");
}
END_TEST

#ifdef REFHEAP_HAS_PAGE

/* The document of the page that is written of it. */
static json_t *page_of(const world *w)
{
    static const char mark[] = "id=\"heap\">";
    char path[] = "/tmp/refheap-page-XXXXXX.html", line[64], *text = NULL, *start;
    size_t room = 0, size;
    int file = mkstemps(path, 5);
    ck_assert_int_ge(file, 0);
    w->t->state++;
    snprintf(line, sizeof line, "--force %s", path);
    ck_assert_int_eq(fake_run(w->t, "gcexport", line), RHI_ANSWERED);
    close(file);
    FILE *written = fopen(path, "r");
    ck_assert_int_gt(getdelim(&text, &room, '\0', written), 0);
    fclose(written);
    unlink(path);
    ck_assert_ptr_nonnull(start = strstr(text, mark));
    start += sizeof mark - 1;
    char *plain = unpacked(start, strcspn(start, "<"), &size);
    json_t *json = json_loadb(plain, size, 0, NULL);
    ck_assert_msg(json != NULL, "no document: %.200s", plain);
    free(plain);
    free(text);
    return json;
}

/* A column of an object's row, by the object's place; slots of a row are name, kind and value. */
static const char *column_of(const json_t *page, unsigned place, unsigned column)
{
    const json_t *row = json_array_get(json_object_get(page, "objects"), place);
    return json_string_value(json_array_get(row, column));
}
enum { STATE = 8, CAUSE = 9, SLOTS = 13, IN_USE = 15, KEPT_LEFT_OUT = 16 };

static const char *slot_of(const json_t *page, unsigned place, const char *name)
{
    const json_t *row = json_array_get(json_object_get(page, "objects"), place),
                 *slots = json_array_get(row, SLOTS);
    for (size_t i = 0; i < json_array_size(slots); i += 3)
        if (strcmp(json_string_value(json_array_get(slots, i)), name) == 0)
            return json_string_value(json_array_get(slots, i + 2));
    return NULL;
}

static world with_stack(int layout)
{
    world w = world_new(layout);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    return w;
}

START_TEST(who_owns_a_cycle_is_said_as_gcgraph_says_it)
{
    world w = with_stack(_i);
    uint64_t a = new_node(&w, 2), b = new_node(&w, 1);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, b, NEXT, a);
    json_t *page = page_of(&w);
    ck_assert_str_eq(fake_string(page, "cycles.rows.0.held"),
                     "held from outside, by counts whose owner is lost");
    ck_assert_uint_eq(fake_size(page, "cycles.rows.0.held_by"), 0);
    json_decref(page);
    w.t->hole_start = 0x7ffe00001800;
    w.t->hole_end = 0x7ffe00001808;
    page = page_of(&w);
    ck_assert_str_eq(fake_string(page, "cycles.rows.0.held"),
                     "held from outside, by counts whose owner was not found: lost, or in memory "
                     "that was not searched");
    ck_assert(json_is_false(fake_at(page, "complete")));
    json_decref(page);
    w.t->hole_start = w.t->hole_end = 0;
    fake_put(w.t, 0x7ffe00001800, a, 8);
    page = page_of(&w);
    ck_assert_str_eq(fake_string(page, "cycles.rows.0.held"), "held from outside by");
    ck_assert_uint_eq(fake_size(page, "cycles.rows.0.held_by"), 1);
    json_decref(page);
    fake_count(w.heap, a, 1);
    page = page_of(&w);
    ck_assert_str_eq(fake_string(page, "cycles.rows.0.verdict"), "garbage");
    ck_assert(json_is_null(fake_at(page, "cycles.rows.0.held")));
    json_decref(page);
    world_free(&w);
}
END_TEST

START_TEST(the_largest_number_is_itself)
{
    static const fake_field fields[] = {FAKE_ONE("most", RH_KIND_UINT, 0, 8),
                                        FAKE_ONE("least", RH_KIND_INT, 8, 8)};
    world w = with_stack(_i);
    uint32_t type = fake_type(w.space, "meter", 16, fields, 2);
    uint64_t meter = fake_new(w.heap, type, 1, 0);
    static const struct {
        uint64_t value;
        const char *text, *signed_text;
    } cases[] = {{UINT64_MAX, "18446744073709551615", "-1"},
                 {1ull << 63, "9223372036854775808", "-9223372036854775808"},
                 {INT64_MAX, "9223372036854775807", "9223372036854775807"},
                 {(1ull << 53) + 1, "9007199254740993", "9007199254740993"}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_put(w.t, fake_slot(w.space, meter, 0), cases[i].value, 8);
        fake_put(w.t, fake_slot(w.space, meter, 8), cases[i].value, 8);
        json_t *page = page_of(&w);
        ck_assert_str_eq(slot_of(page, 0, "most"), cases[i].text);
        ck_assert_str_eq(slot_of(page, 0, "least"), cases[i].signed_text);
        json_decref(page);
    }
    world_free(&w);
}
END_TEST

START_TEST(what_lost_a_count_and_is_held_is_in_use)
{
    world w = with_stack(_i);
    uint64_t holder = new_node(&w, 1), held = new_node(&w, 2), lost = new_node(&w, 1);
    fake_put(w.t, 0x7ffe00001800, holder, 8);
    fake_link(w.heap, holder, NEXT, held);
    json_t *page = page_of(&w);
    ck_assert_str_eq(column_of(page, 1, CAUSE), "lost_reference");
    ck_assert_str_eq(column_of(page, 1, IN_USE),
                     "it is in use all the same: a field holds it, too");
    ck_assert_str_eq(column_of(page, 2, CAUSE), "lost_reference");
    ck_assert_ptr_null(column_of(page, 2, IN_USE));
    ck_assert_uint_eq(fake_size(page, "leaks.groups"), 2);
    ck_assert_str_eq(fake_string(page, "leaks.groups.0.largest"), id_of(&w, lost));
    ck_assert_ptr_null(fake_at(page, "leaks.groups.0.in_use"));
    ck_assert(json_is_true(fake_at(page, "leaks.groups.1.in_use")));
    json_decref(page);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "(it is in use all the same: a field holds it, too)");
    json_t *json = fake_json(w.t, "gcleaks", "");
    ck_assert_ptr_null(fake_at(json, "leaks.0.in_use"));
    ck_assert(json_is_true(fake_at(json, "leaks.1.in_use")));
    json_decref(json);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_page", what_is_packed_comes_out_as_it_was, more_than_one_piece_is_packed,
          without_its_parts_it_says_what_is_missing, who_owns_a_cycle_is_said_as_gcgraph_says_it,
          the_largest_number_is_itself, what_lost_a_count_and_is_held_is_in_use)
#else
RUN_TESTS("inspect_page", what_is_packed_comes_out_as_it_was, more_than_one_piece_is_packed,
          without_its_parts_it_says_what_is_missing)
#endif
