/* inspect_python_hands.c - what threads have at hand just now is no damage. */
#include "python_heap.h"
#include "unit_main.h"
#include "base/array.h"
#include "base/bits.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The state of a thread, which is the last to have held the GIL; it has its block at `pointer`. */
static void put_gil(scene *s, uint64_t pointer, bool is_locked)
{
    static const unsigned places[] = {352, 352, 360, 384, 16},
                          states[][2] = {{16, 176}, {16, 176}, {16, 152}, {16, 136}, {16, 152}};
    unsigned version = s->py.minor - PY_MINOR_MIN;
    uint64_t state = room_for(s, 512), gil = s->py.address + places[version];
    put(s, state + states[version][0], INTERPRETER);
    put(s, state + states[version][1], pointer);
    if (s->py.minor >= 12) {
        gil = room_for(s, 64);
        put(s, INTERPRETER + places[version], gil);
    }
    put(s, gil, 5000);
    put(s, gil + 8, state);
    fake_put(s->t, gil + 16, is_locked, 4);
}

enum { SEAT = 0x7000, OTHER_SEAT = 0x8000 };

/* Two threads, of which the second has a word in a register. */
static void put_threads(scene *s, uint64_t word)
{
    fake_thread(s->t, 1, 0x1000);
    fake_register(s->t, "fs_base", OTHER_SEAT);
    fake_thread(s->t, 2, 0x1000);
    fake_register(s->t, "fs_base", SEAT);
    fake_register(s->t, "rbx", word);
}

/* Faults of two pools of three blocks, of which the second thread has one at hand; blocks as
 * `kinds` say. */
static uint64_t faults_in_hand(unsigned minor, uint64_t seat, bool is_locked, bool in_hand,
                               uint64_t link, unsigned in_use, const char *kinds)
{
    scene s = scene_new(minor);
    uint64_t pool = new_pool(&s, 1, 64, 3), third = block_of(&s, pool, 2);
    for (unsigned i = 0; i < 3; i++)
        put_object(&s, block_of(&s, pool, i), s.list, 1);
    fake_put(s.t, pool, in_use, 4);
    put(&s, pool + 8, third);
    put(&s, third, link == 1 ? block_of(&s, pool, 0) : link);
    put_threads(&s, in_hand ? third : 0x1234);
    if (seat)
        put_gil(&s, seat, is_locked);
    must_be(open_pool(&s, pool), kinds);
    uint64_t count = s.reader->damage.count;
    scene_free(&s);
    return count;
}

START_TEST(what_the_allocator_has_in_hand_is_no_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    static const struct {
        uint64_t seat;
        bool is_locked, in_hand;
        bool may_move;
    } cases[] = {{0, false, true, true},     /* who may be at work is not known */
                 {0, false, false, false},   /* */
                 {SEAT, true, true, true},   /* who has it at hand holds the GIL */
                 {SEAT, true, false, false}, /* */
                 {SEAT, false, true, false}, /* nobody does */
                 {OTHER_SEAT, true, true, false}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
#define FAULTS(link, in_use)                                                                       \
    faults_in_hand(minor, cases[i].seat, cases[i].is_locked, cases[i].in_hand, link, in_use, "ll-")
        ck_assert_uint_eq(FAULTS(0, 2), 0);
        ck_assert_uint_eq(FAULTS(0, 3), !cases[i].may_move);      /* the count is not changed yet */
        ck_assert_uint_eq(FAULTS(0x1111, 2), !cases[i].may_move); /* the link is not written yet */
        ck_assert_uint_eq(FAULTS(0x1111, 3), !cases[i].may_move);
        ck_assert_uint_eq(FAULTS(0x1111, 1), !cases[i].may_move);
        ck_assert_uint_eq(FAULTS(0, 0), 1); /* no moment is like that */
        ck_assert_uint_eq(FAULTS(0x1111, 0), 1);
#undef FAULTS
    }
    /* a link that is not written yet, and leads to a block in use by chance */
    ck_assert_uint_eq(faults_in_hand(minor, SEAT, true, true, 1, 2, "ll-"), 0);
    ck_assert_uint_eq(faults_in_hand(minor, SEAT, true, false, 1, 2, "-l-"), 1);
}
END_TEST

/* `__bases__` being assigned: of its other facts none may be wrong. Nothing is said of a class that
 * is gone, or about to be. */
static void bases_of_class(unsigned minor, bool in_hand, uint64_t count, uint64_t weaklistoffset,
                           uint64_t damaged, uint64_t problems)
{
    scene s = scene_new(minor);
    uint64_t at = new_slotted(&s);
    put(&s, at, count);
    put(&s, at + PY_TP_BASE, weaklistoffset == 24 ? s.list : s.object);
    put(&s, at + PY_TP_WEAKLISTOFFSET, weaklistoffset);
    put_threads(&s, in_hand ? at : 0x1234);
    put_gil(&s, SEAT, true);
    s.py.at_hand = rhi__py_at_hand;
    open_pool(&s, 0);
    ck_assert_uint_eq(s.reader->damage.count, damaged);
    ck_assert_uint_eq(s.reader->problems.count, damaged + problems); /* damage is one, too */
    ck_assert(!problems || strstr(s.reader->problems.items[0], "Slotted is being changed: "));
    scene_free(&s);
}

START_TEST(bases_of_a_class_in_hand_are_no_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    bases_of_class(minor, false, 1, 24, 1, 0);
    bases_of_class(minor, true, 1, 24, 0, 1);
    bases_of_class(minor, false, 0, 24, 0, 0);
    bases_of_class(minor, true, 1, 16, 1, 0);
}
END_TEST

START_TEST(a_list_of_more_items_than_memory_has_words_is_none)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned is_list = 0; is_list < 2; is_list++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 1),
                 list = put_object(&s, block_of(&s, pool, 0), s.list, 5);
        put(&s, list + PY_OB_SIZE, is_list ? 3 : 0xfefefefefefefee4);
        must_be(open_pool(&s, pool), is_list ? "l" : "r");
        scene_free(&s);
    }
}
END_TEST

START_TEST(what_is_being_freed_may_own_what_it_holds)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned in_hand = 0; in_hand < 2; in_hand++) {
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 2),
                 list = put_object(&s, block_of(&s, pool, 1), s.list, 0);
        put_object(&s, block_of(&s, pool, 0), s.list, 1);
        put_threads(&s, in_hand ? list : 0x1234);
        put_gil(&s, SEAT, true);
        const rhi_block *block = open_pool(&s, pool);
        must_be(block, in_hand ? "lr" : "l-");
        rhi_object object = decode(&s, block, 1);
        ck_assert_int_eq(object.state, RHI_FREED); /* all the same */
        scene_free(&s);
    }
}
END_TEST

/* A module's dict is in some hand always: what a dict does not hold any more leaves its table
 * before it is released. Lists are changed item by item. */
/* And a dict that the collector does not know: yet, or any more. */
START_TEST(a_list_in_hand_is_in_motion_and_a_settled_dict_is_not)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    for (unsigned in_hand = 0; in_hand < 8; in_hand++) { /* a bit for each object */
        scene s = scene_new(minor);
        uint64_t pool = new_pool(&s, 1, 64, 3),
                 list = put_object(&s, block_of(&s, pool, 0), s.list, 1),
                 settled = put_object(&s, block_of(&s, pool, 1), s.dict, 1),
                 fresh = put_object(&s, block_of(&s, pool, 2), s.dict, 1);
        put(&s, settled - 16, LIST); /* the collector's links */
        put(&s, settled - 8, LIST);
        put(&s, LIST, settled - 16);
        put(&s, LIST + 8, settled - 16);
        put_threads(&s, in_hand & 1 ? list : 0x1234);
        fake_register(s.t, "rcx", in_hand & 2 ? settled : 0x1234);
        fake_register(s.t, "rdx", in_hand & 4 ? fresh : 0x1234);
        put_gil(&s, SEAT, true);
        const rhi_block *block = open_pool(&s, pool);
        must_be(block, "lll");
        for (unsigned i = 0; i < 3; i++) {
            rhi_object object = decode(&s, block, i);
            bool is_in_motion = in_hand >> i & 1 && i != 1;
            ck_assert_int_eq(rhi__py_in_motion(s.reader, &object), is_in_motion);
            ck_assert_int_eq(rhi__py_may_hold(s.reader, &object, 0x10), is_in_motion);
        }
        scene_free(&s);
    }
}
END_TEST

UNIT_MAIN_EACH("inspect_python_hands", VERSIONS, what_the_allocator_has_in_hand_is_no_damage,
               bases_of_a_class_in_hand_are_no_damage,
               a_list_of_more_items_than_memory_has_words_is_none,
               what_is_being_freed_may_own_what_it_holds,
               a_list_in_hand_is_in_motion_and_a_settled_dict_is_not)
