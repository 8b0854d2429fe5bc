/* inspect_python_values.c - what Python's objects hold, in a few words, as Python itself would
 * write it; and entries of dicts by their names. */
#include "python_scene.h"
#include "unit_main.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *repr(scene *s, uint64_t address)
{
    static char text[160];
    rhi__py_repr(&s->py, address, text, sizeof text);
    return text;
}

static uint64_t add_float(scene *s, double value)
{
    uint64_t at = scene_object(s, s->real, 24);
    fake_copy(s->t, at + 16, &value, sizeof value);
    return at;
}

static uint64_t add_bytes(scene *s, const char *text)
{
    uint64_t at = scene_object(s, s->bytes, 33 + strlen(text));
    put(s, at + 16, strlen(text));
    fake_copy(s->t, at + 32, text, strlen(text));
    return at;
}

START_TEST(texts_are_quoted_as_python_does)
{
    static const uint32_t euro[] = {'a', 0x20ac}, smile[] = {0x1f600, '!'}, latin[] = {0xe9},
                          turned[] = {0x202e, 'x'}, surrogate[] = {0xdc80, 'x'};
    scene *s = scene_new((unsigned)_i);
    const struct {
        uint64_t address;
        const char *text;
    } all[] = {{scene_str(s, "hello"), "'hello'"},
               {scene_str(s, ""), "''"},
               {scene_str(s, "o'neil"), "\"o'neil\""},
               {scene_str(s, "'\""), "'\\'\"'"},
               {scene_str(s, "a\n\t\\\x1b[0m\x7f"), "'a\\n\\t\\\\\\x1b[0m\\x7f'"},
               {scene_wide(s, euro, 2, 2), "'a\u20ac'"},
               {scene_wide(s, smile, 2, 4), "'\U0001f600!'"},
               {scene_wide(s, latin, 1, 1), "'\u00e9'"},
               {scene_wide(s, turned, 2, 2), "'\\u202ex'"},
               {scene_wide(s, surrogate, 2, 2), "'\\udc80x'"},
               {add_bytes(s, "a'\xff"), "b\"a'\\xff\""}};
    scene_open(s);
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        ck_assert_str_eq(repr(s, all[i].address), all[i].text);
    scene_free(s);
}
END_TEST

START_TEST(complex_numbers_are_written_as_python_does)
{
    static const double parts[][2] = {{1, 2},    {0, 2},       {-0.0, 1},
                                      {0, -0.0}, {1.5, -2.25}, {1e16, 0.5}};
    static const char *const texts[] = {"(1+2j)", "2j",          "(-0+1j)",
                                        "-0j",    "(1.5-2.25j)", "(1e+16+0.5j)"};
    scene *s = scene_new((unsigned)_i);
    uint64_t type = scene_type(s, "complex", 0, 32, 0, 0), at[6];
    for (unsigned i = 0; i < 6; i++) {
        at[i] = scene_object(s, type, 32);
        fake_copy(s->t, at[i] + 16, parts[i], sizeof parts[i]);
    }
    scene_open(s);
    for (unsigned i = 0; i < 6; i++)
        ck_assert_str_eq(repr(s, at[i]), texts[i]);
    scene_free(s);
}
END_TEST

START_TEST(a_long_text_is_cut_and_says_so)
{
    scene *s = scene_new((unsigned)_i);
    char text[300];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    uint64_t at = scene_str(s, text), absurd = scene_str(s, "abc");
    put(s, absurd + 16, UINT64_MAX / 2);
    scene_open(s);
    ck_assert_uint_le(strlen(repr(s, at)), 80);
    ck_assert_str_eq(repr(s, at) + strlen(repr(s, at)) - 4, "'…");
    ck_assert_ptr_nonnull(strstr(scene_value(s, absurd, 80), "'abc\\x00"));
    ck_assert(rhi__py_text(&s->py, at, text, 10));
    ck_assert_uint_lt(strlen(text), 10);
    scene_free(s);
}
END_TEST

START_TEST(numbers_are_exact)
{
    static const double reals[] = {0.0,
                                   -0.0,
                                   1.0,
                                   3.14,
                                   0.1,
                                   1e16,
                                   1e22,
                                   1.5e-5,
                                   0.0001,
                                   123456789012345680.0,
                                   1e15,
                                   5e-324,
                                   1.7976931348623157e308};
    static const char *const texts[] = {"0.0",
                                        "-0.0",
                                        "1.0",
                                        "3.14",
                                        "0.1",
                                        "1e+16",
                                        "1e+22",
                                        "1.5e-05",
                                        "0.0001",
                                        "1.2345678901234568e+17",
                                        "1000000000000000.0",
                                        "5e-324",
                                        "1.7976931348623157e+308"};
    scene *s = scene_new((unsigned)_i);
    uint64_t at[13], big = scene_object(s, s->integer, 128);
    const int64_t numbers[] = {0, 1, -7, 1073741823, 1073741824, INT64_MAX, INT64_MIN + 1};
    uint64_t ints[7];
    for (unsigned i = 0; i < 13; i++)
        at[i] = add_float(s, reals[i]);
    for (unsigned i = 0; i < 7; i++)
        ints[i] = scene_int(s, numbers[i]);
    put(s, big + 16, s->minor >= 12 ? 20 << 3 : 20);
    scene_open(s);
    for (unsigned i = 0; i < 13; i++)
        ck_assert_str_eq(repr(s, at[i]), texts[i]);
    for (unsigned i = 0; i < 7; i++) {
        char text[32];
        snprintf(text, sizeof text, "%" PRId64, numbers[i]);
        ck_assert_str_eq(repr(s, ints[i]), text);
    }
    ck_assert_str_eq(repr(s, big), "<int of more than 570 bits>");
    /* 10 ** 30 */
    put(s, big + 16, s->minor >= 12 ? 4 << 3 : 4);
    uint32_t digits[] = {0x40000000 & 0x3fffffff, 0, 0, 0};
    __extension__ unsigned __int128 ten30 = 1;
    for (unsigned i = 0; i < 30; i++)
        ten30 *= 10;
    for (unsigned i = 0; i < 4; i++, ten30 >>= 30)
        digits[i] = (uint32_t)(ten30 & 0x3fffffff);
    fake_copy(s->t, big + 24, digits, sizeof digits);
    rhi__begin_question(s->reader);
    rhi__py_views_free(&s->py);
    ck_assert(rhi__py_views_make(&s->py));
    ck_assert_str_eq(repr(s, big), "1000000000000000000000000000000");
    scene_free(s);
}
END_TEST

START_TEST(containers_show_what_fits)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t numbers[40], list = scene_object(s, s->list, 40), items = scene_room(s, 320),
                          x = scene_str(s, "user"), other = scene_object(s, s->module, 56);
    for (unsigned i = 0; i < 40; i++)
        numbers[i] = scene_int(s, i);
    put_words(s, items, numbers, 40);
    put(s, list + 16, 40);
    put(s, list + 24, items);
    uint64_t one = scene_tuple(s, numbers, 1), none = scene_tuple(s, NULL, 0),
             two = scene_tuple(s, numbers, 2), keys[] = {x, two}, values[] = {list, x},
             dict = scene_dict(s, keys, values, 2), empty = scene_dict(s, NULL, NULL, 0);
    put(s, other + 48, scene_str(s, "app"));
    scene_open(s);
    char text[128];
    ck_assert_str_eq(scene_value(s, list, 40), "[0, 1, 2, 3, 4, 5, 6, 7, … 32 more]");
    ck_assert_str_eq(scene_value(s, one, 32), "(0,)");
    ck_assert_str_eq(scene_value(s, none, 24), "()");
    ck_assert_str_eq(scene_value(s, empty, 48), "{}");
    snprintf(text, sizeof text, "{'user': <list@0x%" PRIx64 ">, … 1 more}", list);
    ck_assert_str_eq(scene_value(s, dict, 48), text);
    ck_assert_str_eq(scene_value(s, other, 56), "<module app>");
    ck_assert_str_eq(repr(s, two), "(0, 1)");
    scene_free(s);
}
END_TEST

START_TEST(values_of_any_length_stay_one_short_line)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t keys[8], values[8];
    for (unsigned i = 0; i < 8; i++) {
        char text[200];
        memset(text, 'k' + (int)i, sizeof text - 1);
        text[sizeof text - 1] = '\0';
        keys[i] = scene_str(s, text);
        values[i] = i % 2 ? scene_tuple(s, keys, i) : keys[i];
    }
    uint64_t dict = scene_dict(s, keys, values, 5), tuple = scene_tuple(s, keys, 8);
    scene_open(s);
    ck_assert_uint_le(strlen(scene_value(s, dict, 48)), 100);
    ck_assert_uint_le(strlen(scene_value(s, tuple, 88)), 100);
    for (size_t size = 8; size < 100; size++) {
        char text[100];
        memset(text, 1, sizeof text);
        rhi__py_repr(&s->py, tuple, text, size);
        ck_assert_uint_lt(strnlen(text, sizeof text), size);
        rhi__py_repr(&s->py, keys[0], text, size);
        ck_assert_uint_lt(strnlen(text, sizeof text), size);
    }
    scene_free(s);
}
END_TEST

START_TEST(entries_are_found_by_their_keys)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t keys[] = {scene_int(s, 1), scene_str(s, "path"), scene_str(s, "path2")},
             values[] = {keys[0], keys[1], keys[2]}, dict = scene_dict(s, keys, values, 3);
    scene_open(s);
    ck_assert_uint_eq(rhi__py_dict_get(&s->py, dict, "path"), keys[1]);
    ck_assert_uint_eq(rhi__py_dict_get(&s->py, dict, "path2"), keys[2]);
    ck_assert_uint_eq(rhi__py_dict_get(&s->py, dict, "pat"), 0);
    ck_assert_uint_eq(rhi__py_dict_get(&s->py, 0, "path"), 0);
    ck_assert_uint_eq(rhi__py_dict_get(&s->py, 0xdead0000, "path"), 0);
    scene_free(s);
}
END_TEST

UNIT_MAIN_EACH("inspect_python_values", SCENE_VERSIONS, texts_are_quoted_as_python_does,
               a_long_text_is_cut_and_says_so, complex_numbers_are_written_as_python_does,
               numbers_are_exact, containers_show_what_fits,
               values_of_any_length_stay_one_short_line, entries_are_found_by_their_keys)
