/* inspect_python_pools.c - pools and arenas: which of their blocks hold objects, and what makes no
 * sense. */
#include "python_heap.h"
#include "unit_main.h"
#include "base/array.h"
#include "base/bits.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- blocks --------------------------------------------------------------------------------- */

START_TEST(blocks_hold_objects_raw_memory_or_what_was_freed)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 1, 64, 6), list = put_object(&s, block_of(&s, pool, 0), s.list, 3);
    put(&s, list - 16, LIST); /* the collector's list */
    put(&s, list - 8, LIST | 1);
    put(&s, LIST, list - 16);
    put(&s, LIST + 8, list - 16);
    put(&s, block_of(&s, pool, 1), 17); /* a table of pointers */
    put(&s, block_of(&s, pool, 1) + 8, list);
    put_object(&s, block_of(&s, pool, 2), s.list, 0);
    free_block(&s, pool, 2);
    put_object(&s, block_of(&s, pool, 3), s.list, 0); /* kept for the next list */
    put_object(&s, block_of(&s, pool, 4), s.dict, 1);
    put(&s, block_of(&s, pool, 5), list);
    free_block(&s, pool, 5);
    put_object(&s, block_of(&s, pool, 6), s.list, 0); /* a leftover: never given out */
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, "lr--l---");
    ck_assert_uint_eq(block->capacity, (s.py.at->pool_bytes - POOL_HEADER) / 64);
    rhi_object object = decode(&s, block, 0);
    ck_assert_uint_eq(object.address, list);
    ck_assert_int_eq(object.count, 3);
    ck_assert(object.tracked && object.finalized && !object.immortal);
    ck_assert_str_eq(rhi__type_name(s.reader, object.type), "list");
    object = decode(&s, block, 4);
    ck_assert(!object.tracked && object.state == RHI_LIVE);
    for (unsigned slot = 2; slot <= 3; slot++) {
        object = decode(&s, block, slot);
        ck_assert_int_eq(object.state, RHI_FREED);
        ck_assert_uint_eq(object.address, block_of(&s, pool, slot) + 16);
        ck_assert_str_eq(rhi__type_name(s.reader, object.type), "list");
    }
    for (unsigned slot = 5; slot <= 6; slot++)
        ck_assert_int_eq(decode(&s, block, slot).state, RHI_UNUSED);
    ck_assert_int_eq(decode(&s, block, 1).state, RHI_UNUSED);
    ck_assert_uint_eq(s.reader->problems.count, 0);
    scene_free(&s);
}
END_TEST

/* Memory that C code took and did not fill has what was there before. */
START_TEST(what_no_neighbour_in_the_collectors_lists_knows_is_no_object)
{
    enum { BOTH, NEXT_ALONE, PREV_ALONE, EACH_OTHER, YOUNG, FREE_ONE, NOBODY, NO_PREV, CASES };
    const char *const expected[CASES] = {"l", "l", "l", "l", "l", "r", "r", "r"};
    for (unsigned i = 0; i < CASES; i++) {
        scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
        uint64_t pool = new_pool(&s, 1, 64, 2), own = block_of(&s, pool, 0),
                 next = block_of(&s, pool, 1), young = INTERPRETER + s.py.at->gc + 24;
        put_object(&s, own, s.list, 1);
        put_object(&s, next, s.list, 1);
        put(&s, own, i == YOUNG ? young : next);
        put(&s, own + 8, i == YOUNG || i == NO_PREV ? 0 : LIST);
        put(&s, next, LIST);
        put(&s, next + 8, i == BOTH || i == NEXT_ALONE || i == FREE_ONE ? own : LIST);
        put(&s, LIST, i == BOTH || i == PREV_ALONE ? own : next);
        put(&s, LIST + 8, next);
        put(&s, LIST - 16, LIST);
        if (i == PREV_ALONE) /* which its own other side knows */
            put(&s, LIST + 8, LIST - 16);
        if (i == NOBODY)
            put(&s, own + 8, s.list);
        if (i == FREE_ONE) {
            put(&s, LIST, LIST);
            free_block(&s, pool, 1);
        }
        must_be(open_pool(&s, pool), expected[i]);
        scene_free(&s);
    }
}
END_TEST

/* One that is kept for reuse, and whose type the program made, still owns that. */
START_TEST(what_is_kept_for_reuse_owns_a_type_that_was_made)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 1, 64, 2), made = new_class(&s, "Made", 48, PY_FLAG_GC);
    put_object(&s, block_of(&s, pool, 0), made, 0);
    put_object(&s, block_of(&s, pool, 1), s.list, 0);
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, "r-");
    ck_assert_int_eq(decode(&s, block, 0).state, RHI_FREED);
    scene_free(&s);
}
END_TEST

/* C code that took memory leaves the first words as they were where it does not fill it. */
START_TEST(a_text_without_counts_is_memory_in_use)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 1, 96, 2);
    put_object(&s, block_of(&s, pool, 0), s.text, 0);
    put_object(&s, block_of(&s, pool, 1), s.text, 0);
    free_block(&s, pool, 1);
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, "r-");
    ck_assert_int_eq(decode(&s, block, 0).state, RHI_UNUSED);
    ck_assert_int_eq(decode(&s, block, 1).state, RHI_FREED);
    scene_free(&s);
}
END_TEST

/* A dict's table of the smallest size, of str alone where there is such a kind. */
static void put_table(scene *s, uint64_t at, uint64_t count, uint64_t usable, uint64_t used)
{
    bool is_old = s->py.minor < 11;
    put(s, at, count);
    put(s, at + 8, is_old ? 8 : 0x010303);
    put(s, at + (is_old ? 24 : 16), usable);
    put(s, at + (is_old ? 32 : 24), used);
    put(s, at + 64, s->list); /* what it holds, or held */
}

START_TEST(a_table_that_is_kept_for_the_next_dict_holds_nothing)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    static const struct {
        unsigned list, count;
    } kept[] = {{0, 0}, {11336, 11976}, {5168, 5808}, {271376, 272020}, {12504, 13144}};
    uint64_t pool = new_pool(&s, 1, 176, 5);
    put_table(&s, block_of(&s, pool, 0), 1, 3, 2);
    put_table(&s, block_of(&s, pool, 3), 1, 3, 2);
    put_table(&s, block_of(&s, pool, 4), 1, 3, 2);
    put(&s, INTERPRETER + kept[_i].list, block_of(&s, pool, 3));
    put(&s, INTERPRETER + kept[_i].list + 8, block_of(&s, pool, 4)); /* no more */
    fake_put(s.t, INTERPRETER + kept[_i].count, 1, 4);
    put_table(&s, block_of(&s, pool, 1), 0, 3, 2);
    put_table(&s, block_of(&s, pool, 2), 0, 3, 3); /* it has no room for so many */
    must_be(open_pool(&s, pool), s.py.minor == 9 ? "r-rrr" : "r-r-r");
    scene_free(&s);
}
END_TEST

START_TEST(an_address_reads_no_more_than_its_pool)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 2, 32, 3);
    rhi_blocks near = {0};
    for (unsigned i = 0; i < 3; i++)
        put_object(&s, block_of(&s, pool, i), s.plain, 1);
    must_be(open_pool(&s, pool), "lll-");
    ck_assert_ptr_null(
        rhi__py_read_near(s.reader, &s.reader->own.items[0], block_of(&s, pool, 1) + 5, &near));
    ck_assert_uint_eq(near.count, 1);
    must_be(&near.items[0], "lll-");
    ck_assert_ptr_null(near.items[0].prefixes);
    blocks_free(&near);
    near = (rhi_blocks){0};
    ck_assert_ptr_null(rhi__py_read_near(s.reader, &s.reader->own.items[0],
                                         ARENA + 3 * (uint64_t)s.py.at->pool_bytes, &near));
    ck_assert_uint_eq(near.count, 0);
    scene_free(&s);
}
END_TEST

START_TEST(headers_of_live_objects_come_in_order)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 1, 64, 4);
    uint8_t bytes[4 * 64];
    rhi_header headers[4] = {{0}};
    uint64_t list = put_object(&s, block_of(&s, pool, 1), s.list, 5);
    put(&s, list - 8, 1);
    bool has_immortals = s.py.minor >= 12; /* before, they lie in the data of modules alone */
    put_object(&s, block_of(&s, pool, 3), s.dict, has_immortals ? 0xffffffff : 3);
    put(&s, block_of(&s, pool, 0), 1);
    put(&s, block_of(&s, pool, 2), 1);
    const rhi_block *block = open_pool(&s, pool);
    must_be(block, "rlrl");
    ck_assert_uint_eq(rhi__memory_read(&s.memory, block->base, bytes, sizeof bytes), sizeof bytes);
    rhi__py_headers(s.reader, block, bytes, 4, headers);
    ck_assert_uint_eq(headers[0].count, 5);
    ck_assert(headers[0].finalized && !headers[0].immortal);
    ck_assert_str_eq(rhi__type_name(s.reader, headers[0].type), "list");
    ck_assert(headers[1].immortal == has_immortals);
    ck_assert_uint_eq(headers[1].count, has_immortals ? 0 : 3);
    ck_assert_str_eq(rhi__type_name(s.reader, headers[1].type), "dict");
    scene_free(&s);
}
END_TEST

/* What the free list of a pool of six blocks is like; how many faults are told. */
static uint64_t faults(unsigned minor, uint64_t first, uint64_t link, unsigned in_use,
                       const char *kinds)
{
    scene s = scene_new(minor);
    uint64_t pool = new_pool(&s, 1, 64, 6);
    for (unsigned i = 0; i < 6; i++)
        put_object(&s, block_of(&s, pool, i), s.list, 1);
    fake_put(s.t, pool, in_use, 4);
    put(&s, pool + 8, first ? pool + first : 0);
    if (first && fake_is_mapped(s.t, pool + first))
        put(&s, pool + first, link);
    must_be(open_pool(&s, pool), kinds);
    uint64_t count = s.reader->damage.count;
    scene_free(&s);
    return count;
}

START_TEST(free_lists_that_make_no_sense_are_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    const uint64_t third = POOL_HEADER + 2 * 64, pool = ARENA + rhi__py_offsets(minor)->pool_bytes;
    ck_assert_uint_eq(faults(minor, 0, 0, 6, "llllll-"), 0);
    ck_assert_uint_eq(faults(minor, third, 0, 5, "ll-lll-"), 0);
    ck_assert_uint_eq(faults(minor, third, pool + third, 5, "ll-lll-"), 1);      /* a circle */
    ck_assert_uint_eq(faults(minor, third, pool + third + 16, 5, "ll-lll-"), 1); /* no block */
    ck_assert_uint_eq(faults(minor, third, pool + 16, 5, "ll-lll-"), 1);         /* the header */
    ck_assert_uint_eq(faults(minor, third, 0x10, 5, "ll-lll-"), 1);              /* outside */
    ck_assert_uint_eq(faults(minor, third, UINT64_MAX, 5, "ll-lll-"), 1);
    ck_assert_uint_eq(faults(minor, POOL_HEADER + 7 * 64, 0, 5, "llllll-"), 1); /* not carved */
    ck_assert_uint_eq(faults(minor, third, 0, 2, "ll-lll-"), 1);                /* the count */
}
END_TEST

START_TEST(one_pool_may_be_in_motion_and_no_more)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t one = new_pool(&s, 1, 64, 2), two = new_pool(&s, 2, 64, 2);
    for (unsigned i = 0; i < 2; i++) {
        put_object(&s, block_of(&s, one, i), s.list, 1);
        put_object(&s, block_of(&s, two, i), s.list, 1);
    }
    fake_put(s.t, one, 1, 4);
    must_be(open_pool(&s, one), "ll");
    ck_assert_uint_eq(s.reader->damage.count, 0);
    blocks_free(&s.blocks);
    s.blocks = (rhi_blocks){0};
    fake_put(s.t, two, 3, 4);
    must_be(read_pool(&s, two), "ll");
    ck_assert_uint_eq(s.reader->damage.count, 1);
    ck_assert_uint_eq(s.reader->damage.items[0].address, two);
    scene_free(&s);
}
END_TEST

/* ---- arenas --------------------------------------------------------------------------------- */

START_TEST(what_is_no_header_is_no_pool)
{
    static const struct {
        unsigned at;
        uint32_t value;
    } wrong[] = {{36, 32},       {36, UINT32_MAX}, {40, 0},  {40, POOL_HEADER + 8},
                 {40, 1u << 20}, {40, UINT32_MAX}, {44, 0},  {44, 0x1000 + 16},
                 {0, 1000},      {0, UINT32_MAX},  {8, 0x20}};
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 2);
        fake_put(s.t, pool + wrong[i].at, wrong[i].value, 4);
        ck_assert_msg(open_pool(&s, pool) == NULL, "row %u", i);
        scene_free(&s);
    }
}
END_TEST

START_TEST(arenas_are_found_by_what_leads_to_their_table)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t pool = new_pool(&s, 0, 64, 1);
    put_object(&s, block_of(&s, pool, 0), s.list, 1);
    make_table(&s, pool);
    /* words that lead elsewhere, and entries that are no arenas */
    put(&s, DATA + 0x3000, OBJECTS);
    put(&s, DATA + 0x3010, UINT64_MAX & ~15ull);
    put(&s, TABLE_AT + POOL_HEADER, ARENA + 8);
    put(&s, TABLE_AT + 2 * POOL_HEADER, UINT64_MAX - 4095);
    scene_open(&s);
    ck_assert_uint_eq(s.reader->own.count, 1);
    ck_assert_uint_eq(s.reader->own.items[0].start, ARENA);
    ck_assert_uint_eq(s.reader->own.items[0].end, ARENA + s.py.at->arena_bytes);
    ck_assert(s.reader->own.items[0].has_blocks);
    scene_free(&s);
}
END_TEST

START_TEST(without_a_table_pools_are_found_by_their_headers)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t step = s.py.at->pool_bytes, first = new_pool(&s, 1, 64, 1),
             third = new_pool(&s, 3, 64, 1), other = new_pool(&s, 5, 64, 1);
    put_object(&s, block_of(&s, first, 0), s.list, 1);
    fake_put(s.t, other + 32, 1, 4); /* of another arena */
    scene_open(&s);
    ck_assert_uint_eq(s.reader->own.count, 2);
    ck_assert_uint_eq(s.reader->own.items[0].start, first);
    ck_assert_uint_eq(s.reader->own.items[0].end, third + step);
    ck_assert_uint_eq(s.reader->own.items[1].start, other);
    ck_assert_uint_eq(s.reader->problems.count, 1);
    scene_free(&s);
}
END_TEST

START_TEST(arenas_that_two_tables_have_are_one)
{
    for (unsigned minor = 12; minor <= 13; minor++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 0, 64, 1);
        put_object(&s, block_of(&s, pool, 0), s.list, 1);
        make_table(&s, pool);
        ck_assert(rhi__array_reserve(&s.py.interpreters, 2));
        s.py.interpreters.items[0] = (py_interpreter){0};
        s.py.interpreters.items[1] = (py_interpreter){.address = INTERPRETER};
        scene_open_all(&s, 2);
        ck_assert_uint_eq(s.reader->own.count, 1);
        scene_free(&s);
    }
}
END_TEST

START_TEST(a_table_is_as_long_as_it_says)
{
    for (unsigned minor = PY_MINOR_MIN; minor < 12; minor++)
        for (unsigned says = 0; says < 2; says++) { /* malloc's header, or the entries */
            scene s = scene_new(minor);
            uint64_t pool = new_pool(&s, 0, 64, 1), second = ARENA + 0x4000000;
            put_object(&s, block_of(&s, pool, 0), s.list, 1);
            make_table(&s, pool);
            for (unsigned i = 0; i < 6; i++)
                put(&s, TABLE_AT + 20 * POOL_HEADER + i * 8, fake_get(s.t, TABLE_AT + i * 8, 8));
            put(&s, TABLE_AT + 20 * POOL_HEADER, second);
            put(&s, TABLE_AT + 20 * POOL_HEADER + 8, second);
            put(&s, TABLE_AT - 8, says ? 32 * POOL_HEADER + 16 + 1 : 0x1234567);
            put(&s, TABLE_AT + 32 * POOL_HEADER, 0x777); /* what follows is none of it */
            scene_open(&s);
            ck_assert_uint_eq(s.reader->own.count, 2);
            ck_assert_uint_eq(s.reader->own.items[1].start, second);
            scene_free(&s);
        }
}
END_TEST

START_TEST(without_pools_there_are_no_arenas)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    make_table(&s, 0);
    scene_open(&s);
    ck_assert_uint_eq(s.reader->own.count, 0);
    ck_assert_uint_eq(s.reader->problems.count, 0);
    scene_free(&s);
}
END_TEST

UNIT_MAIN_EACH("inspect_python_pools", VERSIONS, blocks_hold_objects_raw_memory_or_what_was_freed,
               what_no_neighbour_in_the_collectors_lists_knows_is_no_object,
               what_is_kept_for_reuse_owns_a_type_that_was_made,
               a_text_without_counts_is_memory_in_use,
               a_table_that_is_kept_for_the_next_dict_holds_nothing,
               an_address_reads_no_more_than_its_pool, headers_of_live_objects_come_in_order,
               free_lists_that_make_no_sense_are_damage, one_pool_may_be_in_motion_and_no_more,
               what_is_no_header_is_no_pool, arenas_are_found_by_what_leads_to_their_table,
               without_a_table_pools_are_found_by_their_headers,
               arenas_that_two_tables_have_are_one, a_table_is_as_long_as_it_says,
               without_pools_there_are_no_arenas)
