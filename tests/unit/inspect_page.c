/* inspect_page.c - `.html` of `gcexport`: what goes into a page comes out of it as it was, in
 * letters that are no markup; without the page's parts, which need Node.js, it is said what is
 * missing.
 *
 * Invariant: what is unpacked here is unpacked by zlib and by a table of letters of its own. */
#include "inspect_test.h"
#include "unpacked.h"

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

RUN_TESTS("inspect_page", what_is_packed_comes_out_as_it_was, more_than_one_piece_is_packed,
          without_its_parts_it_says_what_is_missing)
