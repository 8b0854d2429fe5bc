/* inspect_python_objects.c - is an object in some memory, where does it begin, how large is it? */
#include "python_heap.h"
#include "unit_main.h"
#include "base/array.h"
#include "base/bits.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is in a block of this size that holds these words. */
static bool is_object(scene *s, const uint64_t *words, uint64_t size, py_found *found)
{
    return rhi__py_object_in(&s->py, ARENA, (const uint8_t *)words, size, size, PY_FILLS, found);
}

START_TEST(words_that_look_like_an_object_need_not_be_one)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t odd = new_type(&s, "odd", 24, 0, 0), meta = new_type(&s, "meta", 24, 0, 0),
             below = new_type(&s, "below", 24, 0, 0), one = new_type(&s, "one", 24, 0, 0),
             two = new_type(&s, "two", 24, 0, PY_FLAG_TYPE), class = new_class(&s, "C", 16, 0);
    py_found found;
    make_table(&s, 0);
    put(&s, odd + PY_TP_BASICSIZE, 1ull << 40);
    put(&s, below + PY_OB_TYPE, meta); /* whose type is not below `type` */
    put(&s, one + PY_OB_TYPE, two);    /* a circle */
    put(&s, two + PY_OB_TYPE, two);
    scene_open(&s);
    uint64_t words[64] = {1, s.plain, 7, 7};
    ck_assert(is_object(&s, words, 32, &found));
    ck_assert_uint_eq(found.prefix, 0);
    ck_assert_uint_eq(found.size, 24);
    ck_assert(!is_object(&s, words, 48, &found)); /* too much room for its size */
    ck_assert(!is_object(&s, words, 16, &found));
    const uint64_t counts[] = {0, s.py.refcount_max, ARENA, 1ull << 40, UINT64_MAX};
    for (unsigned i = 0; i < 5; i++) {
        words[0] = counts[i];
        ck_assert_msg(!is_object(&s, words, 32, &found), "count %u", i);
    }
    s.py.refcount_max = 1 << 30;
    words[0] = s.list + 24; /* so many may hold it, */
    ck_assert(is_object(&s, words, 32, &found));
    words[0] = s.list; /* and hardly as many as an object's address */
    ck_assert(!is_object(&s, words, 32, &found));
    words[0] = 1;
    const uint64_t types[] = {0, 8, odd, below, one, OBJECTS + 8, UINT64_MAX & ~7ull, s.plain + 1};
    for (unsigned i = 0; i < 8; i++) {
        words[1] = types[i];
        ck_assert_msg(!is_object(&s, words, 32, &found), "type %u", i);
    }
    words[1] = s.list; /* which has a prefix */
    ck_assert(!is_object(&s, words, 32, &found));
    words[1] = class;
    ck_assert(is_object(&s, words, 16, &found));
    scene_free(&s);
}
END_TEST

START_TEST(of_two_prefixes_the_one_in_a_list_is_taken)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t small = new_type(&s, "small", 48, 0, 0),
             tracked = new_type(&s, "t", 32, 0, PY_FLAG_GC), next = room_for(&s, 64);
    py_found found;
    make_table(&s, 0);
    scene_open(&s);
    /* {count, type} twice: the first may be a link and an address */
    uint64_t words[6] = {(s.py.refcount_max - 8) & ~7ull, small, 2, tracked, 0, 0};
    ck_assert(is_object(&s, words, 48, &found));
    ck_assert_uint_eq(found.prefix, 0);
    words[0] = next;
    put(&s, next + 8, ARENA | 2);
    s.py.refcount_max = UINT64_MAX;
    ck_assert(is_object(&s, words, 48, &found));
    ck_assert_uint_eq(found.prefix, 16);
    put(&s, next + 8, ARENA + 64); /* another's list */
    ck_assert(is_object(&s, words, 48, &found));
    ck_assert_uint_eq(found.prefix, 0);
    scene_free(&s);
}
END_TEST

/* The tuple (C, object) holds a number and C where an object of C with attributes in front has a
 * count and its type. */
START_TEST(a_tuple_of_types_is_no_object_of_the_first)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t class = new_class(&s, "C", 24, PY_FLAG_GC | PY_FLAG_MANAGED_DICT);
    uint64_t pool = new_pool(&s, 1, 64, 2), tuple;
    put_object(&s, block_of(&s, pool, 0), class, 1);
    tuple = put_object(&s, block_of(&s, pool, 1), s.tuple, 1);
    put(&s, tuple + PY_OB_SIZE, 2);
    put(&s, tuple + 24, class);
    put(&s, tuple + 32, s.object);
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, s.py.minor >= 11 ? "ll" : "rl");
    ck_assert_uint_eq(decode(&s, block, 1).address, tuple);
    scene_free(&s);
}
END_TEST

START_TEST(attributes_in_front_make_the_prefix_longer)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t both = new_class(&s, "Both", 16, PY_FLAG_GC | PY_FLAG_MANAGED_DICT),
             weak = new_class(&s, "Weak", 16, PY_FLAG_MANAGED_WEAKREF);
    py_found found;
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[8] = {0x1000, 0, 0, 0, 1, both}, at = s.py.minor >= 11 ? 32 : 16;
    words[at / 8] = 1;
    words[at / 8 + 1] = both;
    ck_assert(is_object(&s, words, at + 16, &found));
    ck_assert_uint_eq(found.prefix, at);
    ck_assert_uint_eq(found.size, at + 16);
    at = s.py.minor >= 12 ? 16 : 0;
    words[at / 8] = 1;
    words[at / 8 + 1] = weak;
    ck_assert(is_object(&s, words, at + 16, &found));
    ck_assert_uint_eq(found.prefix, at);
    scene_free(&s);
}
END_TEST

static void must_fit(scene *s, const uint64_t *words, uint64_t least, uint64_t most)
{
    py_found found;
    for (uint64_t size = 16; size <= 512; size += 16)
        ck_assert_msg(is_object(s, words, size, &found) == (size >= least && size <= most),
                      "%" PRIu64 " bytes, not %" PRIu64 " to %" PRIu64, size, least, most);
}

START_TEST(what_varies_in_size_says_its_own)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    bool is_new = s.py.minor >= 12;
    uint64_t named = new_class(&s, "stat_result", 24, PY_FLAG_TUPLE | PY_FLAG_GC),
             fields = room_for(&s, 32), text = s.py.at->ascii_data, wide = s.py.at->wide_data;
    put(&s, fields, 1);
    put(&s, fields + PY_OB_TYPE, s.integer);
    put(&s, fields + PY_OB_SIZE, is_new ? 1 << 3 : 1);
    put(&s, fields + 24, 20);
    put(&s, named + PY_TP_ITEMSIZE, 8);
    put(&s, named + PY_TP_BASE, s.tuple);
    put_name(&s, fake_get(s.t, named + PY_TP_DICT, 8), "n_fields", fields);
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[64] = {1, s.integer, is_new ? 2 << 3 : 2};
    must_fit(&s, words, 32, 512); /* a number may have been longer */
    words[2] = is_new ? (4ull << 3 | 2) : 0 - 4ull;
    must_fit(&s, words, 48, 512);
    memcpy(words, (uint64_t[]){1, s.text, 100, 0, 0x64}, 40);
    must_fit(&s, words, (text + 101 + 15) & ~15ull, ((text + 101) * 4 - 1) / 3 & ~15ull);
    words[4] = 0x28; /* two bytes each */
    must_fit(&s, words, (wide + 202 + 15) & ~15ull, ((wide + 202) * 4 - 1) / 3 & ~15ull);
    words[4] = 0; /* its characters lie elsewhere */
    must_fit(&s, words, is_new ? 64 : 80, is_new ? 80 : 96);
    words[4] = 0x74; /* a kind that is none */
    must_fit(&s, words, 1000, 0);
    memcpy(words, (uint64_t[]){0, 0, 1, s.tuple, 3}, 40);
    must_fit(&s, words, 64, 80);
    words[4] = UINT64_MAX >> 2;
    must_fit(&s, words, 1000, 0);
    words[4] = 1ull << 63;
    must_fit(&s, words, 1000, 0);
    memcpy(words, (uint64_t[]){0, 0, 1, named, 10}, 40); /* has 20 items, whatever it says */
    must_fit(&s, words, 208, 256);
    scene_free(&s);
}
END_TEST

START_TEST(a_time_without_a_zone_is_shorter)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t type = new_type(&s, "datetime.time", 40, 0, 0),
             other = new_type(&s, "datetime.date", 40, 0, 0);
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[64] = {1, type};
    must_fit(&s, words, 32, 32);
    words[3] = 1; /* it has one */
    must_fit(&s, words, 48, 48);
    words[1] = other;
    words[3] = 0;
    must_fit(&s, words, 48, 48);
    scene_free(&s);
}
END_TEST

START_TEST(generators_are_as_large_as_their_code_says)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    bool is_old = s.py.minor < 11;
    uint64_t basicsize = is_old             ? 88
                         : s.py.minor == 11 ? 152
                                            : 144,
             generator = new_type(&s, "generator", basicsize, is_old ? 0 : 8, PY_FLAG_GC),
             code = room_for(&s, 256), at = s.py.minor == 11 ? 68 : 64;
    make_table(&s, 0);
    fake_put(s.t, code + at, 5, 4);
    fake_put(s.t, code + at + 8, 4, 4);
    scene_open(&s);
    uint64_t words[64] = {0, 0, 1, generator};
    words[2 + (s.py.minor == 11 ? 2 : 9)] = code;
    uint64_t size = is_old ? 112 : (16 + basicsize + 9 * 8 + 15) & ~15ull;
    must_fit(&s, words, size, is_old ? size : (size * 4 - 1) / 3 & ~15ull);
    fake_put(s.t, code + at, UINT32_MAX, 4);
    fake_put(s.t, code + at + 8, UINT32_MAX, 4);
    py_found found;
    is_object(&s, words, 512, &found); /* comes back */
    scene_free(&s);
}
END_TEST

START_TEST(inline_values_follow_their_object)
{
    scene s = scene_new(13);
    uint64_t class =
        new_class(&s, "C", 16, PY_FLAG_GC | PY_FLAG_MANAGED_DICT | PY_FLAG_INLINE_VALUES);
    make_table(&s, 0);
    scene_open(&s);
    uint64_t words[64] = {0, 0, 0, 0, 1, class, 29};
    must_fit(&s, words, 320, 416);
    words[6] = 3;
    must_fit(&s, words, 96, 112);
    scene_free(&s);
}
END_TEST

static bool is_thin(scene *s, uint64_t type)
{
    const py_type *known = rhi__py_known_type(&s->py, type);
    return s->reader->types.items[py_type_number(&s->py, known)].is_thin;
}

/* Blocks of 16 bytes are also given out for 8 bytes or less, and keep the second word then. */
START_TEST(a_count_and_a_type_alone_are_thin_where_no_hooks_tell_more)
{
    for (unsigned has_hooks = 0; has_hooks < 2; has_hooks++) {
        scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
        uint64_t bare = new_class(&s, "Bare", 16, 0), more = new_class(&s, "More", 24, 0),
                 tracked = new_class(&s, "Tracked", 16, PY_FLAG_GC),
                 varies = new_type(&s, "varies", 16, 8, 0);
        make_table(&s, 0);
        s.py.block_prefix = has_hooks ? PY_DEBUG_PREFIX : 0;
        scene_open(&s);
        ck_assert(is_thin(&s, s.object) == !has_hooks);
        ck_assert(is_thin(&s, bare) == !has_hooks);
        ck_assert(!is_thin(&s, more));
        ck_assert(!is_thin(&s, tracked));
        ck_assert(!is_thin(&s, varies));
        ck_assert(!is_thin(&s, s.list));
        scene_free(&s);
    }
}
END_TEST

START_TEST(debug_hooks_lie_in_front)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    py_found found;
    make_table(&s, 0);
    scene_open(&s);
    s.py.block_prefix = PY_DEBUG_PREFIX;
    const uint64_t fill = 0xfdfdfdfdfdfdfd00;
    uint64_t words[12] = {__builtin_bswap64(56), fill | 'o', 0, 0, 1, s.list};
    ck_assert(is_object(&s, words, 80, &found));
    ck_assert_uint_eq(found.prefix, 32);
    ck_assert_uint_eq(found.size, 72);
    words[1] = fill | 'm';
    ck_assert(!is_object(&s, words, 80, &found));
    words[1] = 'o';
    ck_assert(!is_object(&s, words, 80, &found));
    words[1] = fill | 'o';
    words[0] = UINT64_MAX;
    ck_assert(!is_object(&s, words, 80, &found));
    /* what obmalloc hands on has them twice */
    memcpy(words,
           (uint64_t[]){__builtin_bswap64(80), fill | 'r', __builtin_bswap64(56), fill | 'o', 0, 0,
                        1, s.list},
           64);
    ck_assert(rhi__py_object_in(&s.py, ARENA, (const uint8_t *)words, sizeof words, 104, PY_CHUNK,
                                &found));
    ck_assert_uint_eq(found.prefix, 48);
    scene_free(&s);
}
END_TEST

UNIT_MAIN_EACH("inspect_python_objects", VERSIONS, words_that_look_like_an_object_need_not_be_one,
               of_two_prefixes_the_one_in_a_list_is_taken,
               a_tuple_of_types_is_no_object_of_the_first,
               attributes_in_front_make_the_prefix_longer, what_varies_in_size_says_its_own,
               a_time_without_a_zone_is_shorter, generators_are_as_large_as_their_code_says,
               inline_values_follow_their_object,
               a_count_and_a_type_alone_are_thin_where_no_hooks_tell_more, debug_hooks_lie_in_front)
