/* inspect_python_slots.c - the references of Python's objects in structures of each version that
 * are made up in fake memory: which words they are, how they are called, and what is none. */
#include "python_scene.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must_hold(const seen *all, const char *name, uint64_t value, uint8_t kind, uint8_t form)
{
    const seen_slot *slot = must_see(all, name);
    ck_assert_uint_eq(slot->value, value);
    ck_assert_uint_eq(slot->kind, kind);
    ck_assert_uint_eq(slot->form == RHI_FORM_VECTOR, form == RHI_FORM_VECTOR);
}

static void must_own_outside(const seen *all, const char *name, uint64_t value)
{
    must_hold(all, name, value, RHI_KIND_STRONG, RHI_FORM_VECTOR);
}

static void must_own(const seen *all, const char *name, uint64_t value)
{
    must_hold(all, name, value, RHI_KIND_STRONG, RHI_FORM_ONE);
}

/* ---- dicts ---------------------------------------------------------------------------------- */

START_TEST(a_dict_owns_keys_and_values_that_are_there)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t a = scene_str(s, "user"), b = scene_int(s, 5), gone = scene_str(s, "gone"),
             x = scene_str(s, "x"), y = scene_str(s, "y");
    uint64_t keys[] = {a, gone, b}, values[] = {x, 0, y};
    uint64_t dict = scene_dict(s, keys, values, 3);
    scene_open(s);
    seen *all = scene_slots(s, dict, 48);
    must_own_outside(all, "['user']", x);
    must_own_outside(all, "key 'user'", a);
    must_own_outside(all, "[5]", y);
    must_own_outside(all, "key 5", b);
    ck_assert_uint_eq(all->count, 4);
    uint64_t table = fake_get(s->t, dict + 32, 8);
    ck_assert(scene_is_spanned(s, dict, 48, must_see(all, "[5]")->address));
    ck_assert(scene_is_spanned(s, dict, 48, table));
    ck_assert(!scene_is_spanned(s, dict, 48, table - 8));
    scene_free(s);
}
END_TEST

START_TEST(a_table_of_str_alone_is_read)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t keys[] = {scene_str(s, "a"), scene_str(s, "b")}, values[] = {keys[1], keys[0]};
    uint64_t dict = scene_dict(s, keys, values, 2);
    put(s, dict + 32, scene_keys(s, 1, keys, values, 2));
    scene_open(s);
    seen *all = scene_slots(s, dict, 48);
    must_own_outside(all, "['a']", keys[1]);
    must_own_outside(all, "key 'b'", keys[1]);
    ck_assert_uint_eq(all->count, 4);
    scene_free(s);
}
END_TEST

START_TEST(a_large_table_is_read_to_its_end)
{
    enum { COUNT = 1000 };
    scene *s = scene_new((unsigned)_i);
    uint64_t value = scene_str(s, "v"), dict = scene_object(s, s->dict, 48),
             table = scene_room(s, 0x8000), first = s->minor < 11 ? 40 + 2048 : 32 + 2048;
    put(s, dict + 32, table);
    if (s->minor < 11) {
        put(s, table + 8, 1024);
        put(s, table + 32, COUNT);
    } else {
        fake_put(s->t, table + 8, 10, 1);
        fake_put(s->t, table + 9, 11, 1);
        put(s, table + 24, COUNT);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        put(s, table + first + i * 24 + 8, value);
        put(s, table + first + i * 24 + 16, value);
    }
    scene_open(s);
    seen *all = scene_slots(s, dict, 48);
    ck_assert_uint_eq(all->count, 2 * COUNT);
    ck_assert_uint_eq(holders_of(all, value), 2 * COUNT);
    ck_assert_uint_eq(all->slots[2 * COUNT - 2].address, table + first + (COUNT - 1) * 24 + 16);
    scene_free(s);
}
END_TEST

/* ---- instances ------------------------------------------------------------------------------ */

/* A class with two attributes, and one instance, as its version has them. */
typedef struct instance {
    uint64_t keys, names[2], values[2], type, object, size, table;
} instance;

static const unsigned cached_keys_at[] = {864, 872, 872, 880, 880};

static instance make_instance(scene *s)
{
    instance i = {.names = {scene_str(s, "name"), scene_str(s, "age")},
                  .values = {scene_str(s, "bob"), scene_int(s, 41)},
                  .size = 64};
    uint64_t flags = 1 << 9 | 1 << 14 | (s->minor >= 11 ? 1 << 4 : 0) |
                     (s->minor >= 12 ? 1 << 3 : 0) | (s->minor >= 13 ? 1 << 2 : 0);
    i.keys = scene_keys(s, 2, i.names, NULL, 2);
    i.type = scene_type(s, "User", 0, s->minor < 11 ? 32 : 16, 0, flags);
    put(s, i.type + cached_keys_at[s->minor - 9], i.keys);
    i.object = scene_object(s, i.type, i.size);
    if (s->minor < 11) {
        put(s, i.type + 288, 16); /* tp_dictoffset */
        put(s, i.type + 208, 24); /* and of weak references */
    } else if (s->minor < 13) {
        i.table = scene_room(s, 64) + 16;
        put_words(s, i.table, i.values, 2);
        put(s, i.object - (s->minor == 11 ? 32 : 24), s->minor == 11 ? i.table : i.table - 1);
    } else {
        i.table = i.object + 24;
        fake_put(s->t, i.object + 16, 30 | 2 << 8 | 1 << 16 | 1 << 24, 4);
        put_words(s, i.table, i.values, 2);
    }
    return i;
}

/* A dict that shares the class's keys. */
static uint64_t make_split(scene *s, const instance *i)
{
    uint64_t dict = scene_object(s, s->dict, 48), values = scene_room(s, 64);
    put(s, dict + 32, i->keys);
    put(s, dict + 40, values);
    put_words(s, values + (s->minor >= 13 ? 8 : 0), i->values, 2);
    return dict;
}

static uint64_t weak_reference_to(scene *s, uint64_t object)
{
    uint64_t reference = scene_object(s, s->weakref, 64);
    put(s, reference + 16, object);
    return reference;
}

START_TEST(an_instance_owns_its_attributes_and_its_class)
{
    scene *s = scene_new((unsigned)_i);
    instance i = make_instance(s);
    uint64_t dict = s->minor < 11 ? make_split(s, &i) : 0;
    if (dict)
        put(s, i.object + 16, dict);
    if (s->minor < 11)
        put(s, i.object + 24, weak_reference_to(s, i.object));
    scene_open(s);
    seen *all = scene_slots(s, i.object, i.size);
    must_own(all, "__class__", i.type);
    if (s->minor < 11) {
        must_own(all, "__dict__", dict);
        ck_assert_uint_eq(all->count, 2); /* not what holds its weak references */
        all = scene_slots(s, dict, 48);
        must_own_outside(all, "['name']", i.values[0]);
        must_own_outside(all, "['age']", i.values[1]);
    } else {
        uint8_t form = s->minor < 13 ? RHI_FORM_VECTOR : RHI_FORM_ARRAY;
        must_hold(all, "name", i.values[0], RHI_KIND_STRONG, form);
        must_hold(all, "age", i.values[1], RHI_KIND_STRONG, form);
        ck_assert_uint_eq(must_see(all, "age")->address, i.table + 8);
        ck_assert_uint_eq(all->count, 3);
        ck_assert(scene_is_spanned(s, i.object, i.size, i.table + 8) == (s->minor < 13));
    }
    scene_free(s);
}
END_TEST

START_TEST(shared_keys_are_owned_once)
{
    scene *s = scene_new((unsigned)_i);
    instance i = make_instance(s);
    uint64_t dict = make_split(s, &i), other = make_split(s, &i);
    uint64_t orphans = scene_keys(s, 2, i.names, NULL, 2), first = make_split(s, &i),
             second = make_split(s, &i);
    put(s, first + 32, orphans); /* no class has them */
    put(s, second + 32, orphans);
    put(s, fake_get(s->t, second + 40, 8) + (s->minor >= 13 ? 16 : 8), 0); /* has not all of them */
    scene_open(s);
    seen *all = scene_slots(s, i.type, 0x400);
    must_own_outside(all, "shared key 'name'", i.names[0]);
    must_own_outside(all, "shared key 'age'", i.names[1]);
    ck_assert(scene_is_spanned(s, i.type, 0x400, i.keys + 8));
    for (unsigned k = 0; k < 2; k++) {
        all = scene_slots(s, k ? other : dict, 48);
        must_own_outside(all, "['name']", i.values[0]);
        ck_assert_uint_eq(all->count, 2);
        ck_assert(!scene_is_spanned(s, k ? other : dict, 48, i.keys + 8));
    }
    all = scene_slots(s, second, 48); /* it is asked for first, and owns both */
    must_own_outside(all, "key 'name'", i.names[0]);
    must_own_outside(all, "shared key 'age'", i.names[1]);
    ck_assert_uint_eq(all->count, 3);
    ck_assert_uint_eq(scene_slots(s, first, 48)->count, 2);
    ck_assert_uint_eq(scene_slots(s, second, 48)->count, 3);
    scene_free(s);
}
END_TEST

START_TEST(a_dict_that_was_made_for_an_instance_is_its_own)
{
    scene *s = scene_new((unsigned)_i);
    instance i = make_instance(s);
    uint64_t dict = make_split(s, &i);
    if (s->minor < 11) {
        scene_free(s);
        return; /* the test above */
    }
    put(s, i.object - 24, dict);
    if (s->minor == 11)
        put(s, i.object - 32, 0);
    if (s->minor == 13) { /* it shows what lies in the object, which owns that */
        put(s, dict + 40, i.object + 16);
        scene_open(s);
        must_see(scene_slots(s, i.object, i.size), "name");
        ck_assert_uint_eq(scene_slots(s, dict, 48)->count, 0);
        fake_put(s->t, i.object + 19, 0, 1); /* no longer valid */
        rhi__begin_question(s->reader);
    } else {
        scene_open(s);
    }
    seen *all = scene_slots(s, i.object, i.size);
    must_own(all, "__dict__", dict);
    ck_assert_uint_eq(all->count, 2);
    scene_free(s);
}
END_TEST

START_TEST(the_dict_of_an_object_of_many_sizes_lies_behind_its_items)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t type = scene_type(s, "Number", s->integer, 32, 4, 1 << 9 | 1 << 24),
             object = scene_object(s, type, 64), dict = scene_dict(s, NULL, NULL, 0),
             tuples = scene_type(s, "Row", s->tuple, 32, 8, 1 << 9 | 1 << 26),
             item = scene_str(s, "x"), row = scene_object(s, tuples, 64);
    put(s, type + 288, (uint64_t)-8);
    put(s, tuples + 288, (uint64_t)-8);
    put(s, object + 16, s->minor >= 12 ? 3 << 3 : 3);
    fake_put(s->t, object + 24, dict, 8); /* digits, whatever they look like */
    put(s, object + 40, dict);            /* 32 + 3 * 4, rounded up, - 8 */
    put(s, row + 16, 2);
    put(s, row + 24, item);
    put(s, row + 40, dict);
    scene_open(s);
    seen *all = scene_slots(s, object, 64);
    must_own(all, "__dict__", dict);
    ck_assert_uint_eq(must_see(all, "__dict__")->address, object + 40);
    ck_assert_uint_eq(all->count, 2);
    all = scene_slots(s, row, 64);
    must_own(all, "[0]", item); /* once: its own bytes hold no more */
    must_own(all, "__dict__", dict);
    ck_assert_uint_eq(all->count, 3);
    scene_free(s);
}
END_TEST

START_TEST(declared_slots_have_names_and_other_words_are_guesses)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t type = scene_type(s, "Slotted", 0, 48, 0, 1 << 9 | 1 << 14), x = scene_str(s, "x"),
             members = scene_room(s, 80), name = scene_room(s, 16),
             object = scene_object(s, type, 80);
    static const unsigned slots_at[] = {848, 856, 856, 864, 864};
    fake_put_text(s->t, name, "left", 5);
    put(s, members, name);
    fake_put(s->t, members + 8, 16, 4);
    put(s, members + 16, 16);
    put(s, type + 240, members);
    put(s, type + slots_at[s->minor - 9], s->str);
    put(s, type + 208, 40);
    uint64_t words[] = {x, x, x + 8, weak_reference_to(s, object), x, x};
    put_words(s, object + 16, words, 6);
    scene_open(s);
    seen *all = scene_slots(s, object, 80);
    must_own(all, "left", x);
    ck_assert(!must_see(all, "left")->is_guess);
    must_own(all, "+24", x);
    ck_assert(must_see(all, "+24")->is_guess);
    /* not the middle of an object, nor weak references, nor what lies behind its own bytes */
    ck_assert_uint_eq(all->count, 3);
    put(s, object + 40, x); /* what holds no weak reference to it is a word like any other */
    ck_assert(must_see(scene_slots(s, object, 80), "+40")->is_guess);
    scene_free(s);
}
END_TEST

/* As Cython's functions have one. */
START_TEST(a_word_that_leads_to_its_own_object_owns_nothing)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t type = scene_type(s, "cyfunction", 0, 32, 0, 0), x = scene_str(s, "x"),
             object = scene_object(s, type, 32);
    put(s, object + 16, object);
    put(s, object + 24, x);
    scene_open(s);
    seen *all = scene_slots(s, object, 32);
    must_own(all, "+24", x);
    ck_assert_uint_eq(all->count, 1);
    scene_free(s);
}
END_TEST

/* ---- containers ----------------------------------------------------------------------------- */

START_TEST(what_lies_behind_the_end_of_a_list_is_stale)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t x = scene_str(s, "x"), y = scene_str(s, "y"), list = scene_object(s, s->list, 40),
             items = scene_room(s, 64);
    uint64_t words[] = {x, 0, y, y, y};
    put_words(s, items, words, 5);
    put(s, list + 16, 3);
    put(s, list + 24, items);
    put(s, list + 32, 5);
    scene_open(s);
    seen *all = scene_slots(s, list, 40);
    must_own_outside(all, "[0]", x);
    must_own_outside(all, "[2]", y);
    ck_assert_uint_eq(all->count, 2);
    ck_assert(scene_is_spanned(s, list, 40, items + 32)); /* and nobody else's */
    ck_assert(!scene_is_spanned(s, list, 40, items + 40));
    scene_free(s);
}
END_TEST

START_TEST(elements_of_a_set_lie_inside_or_outside)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t x = scene_str(s, "x"), set = scene_object(s, s->set, 200), table = scene_room(s, 512);
    for (unsigned k = 0; k < 2; k++) {
        uint64_t at = k ? table : set + 64;
        put(s, at + 32, x);
        put(s, at + 40, 77);
        put(s, at + 64, s->list); /* deleted */
        put(s, at + 72, UINT64_MAX);
    }
    put(s, set + 32, 7);
    put(s, set + 40, set + 64);
    scene_open(s);
    seen *all = scene_slots(s, set, 200);
    must_own(all, "{'x'}", x);
    ck_assert_uint_eq(all->count, 1);
    put(s, set + 32, 31);
    put(s, set + 40, table);
    all = scene_slots(s, set, 200);
    must_own_outside(all, "{'x'}", x);
    ck_assert_uint_eq(all->count, 1);
    ck_assert(scene_is_spanned(s, set, 200, table + 504));
    scene_free(s);
}
END_TEST

START_TEST(chains_are_followed_as_far_as_they_say)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t deque = scene_type(s, "collections.deque", 0, 80, 0, 1 << 14),
             odict = scene_type(s, "collections.OrderedDict", s->dict, 112, 0, 1 << 29 | 1 << 14),
             x = scene_str(s, "x"), y = scene_str(s, "y"), d = scene_object(s, deque, 80),
             left = scene_room(s, 528), right = scene_room(s, 528), o = scene_object(s, odict, 112),
             node = scene_room(s, 32);
    put(s, d + 16, 3);
    put(s, d + 24, left);
    put(s, d + 40, 62);
    uint64_t words[] = {y, y, x, x, right};
    put_words(s, left + 8 + 60 * 8, words, 5);
    put(s, right + 8, y);
    put(s, right + 16, x);
    put(s, o + 16, 1);
    put(s, o + 32, scene_keys(s, 0, &x, &y, 1));
    put(s, o + 48, node);
    put(s, node, x);
    put(s, node + 16, node); /* a ring, which has no end */
    scene_open(s);
    seen *all = scene_slots(s, d, 80);
    must_own_outside(all, "[0]", x);
    must_own_outside(all, "[2]", y);
    ck_assert_uint_eq(must_see(all, "[2]")->address, right + 8);
    ck_assert_uint_eq(all->count, 3);
    ck_assert(scene_is_spanned(s, d, 80, right + 16)); /* stale */
    all = scene_slots(s, o, 112);
    must_own_outside(all, "['x']", y);
    must_own_outside(all, "key 'x'", x);
    must_own_outside(all, "order 'x'", x);
    ck_assert_uint_eq(holders_of(all, x), 2); /* the table and the order */
    scene_free(s);
}
END_TEST

START_TEST(a_cache_owns_each_link_once)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t cache = scene_type(s, "functools._lru_cache_wrapper", 0, s->minor < 10 ? 136 : 152, 0,
                                1 << 14),
             link = scene_type(s, "functools._lru_list_elem", 0, 56, 0, 0), x = scene_str(s, "x"),
             c = scene_object(s, cache, 152), a = scene_object(s, link, 56),
             b = scene_object(s, link, 56);
    put(s, c + 24, a);
    put(s, a + 24, b);
    put(s, b + 24, c);
    put(s, a + 48, x);
    scene_open(s);
    seen *all = scene_slots(s, c, 152);
    must_own(all, "link 0", a);
    must_own_outside(all, "link 1", b);
    ck_assert_uint_eq(must_see(all, "link 1")->address, a + 24);
    ck_assert_uint_eq(all->count, 2);
    all = scene_slots(s, a, 56);
    must_own(all, "result", x);
    ck_assert_uint_eq(all->count, 1);
    ck_assert(!scene_is_spanned(s, c, 152, a + 48));
    put(s, a + 8, x); /* 3.9: its type does not say that it is one */
    put(s, a + 40, x);
    rhi__begin_pass(s->reader);
    rhi__begin_question(s->reader);
    all = scene_slots(s, c, 152);
    must_own_outside(all, "['x']", x);
    must_own_outside(all, "key 'x'", x);
    must_own_outside(all, "link 1", b);
    ck_assert_uint_eq(all->count, 3);
    ck_assert(scene_is_spanned(s, c, 152, a + 48));
    scene_free(s);
}
END_TEST

START_TEST(a_class_that_a_builtin_method_has_is_one_reference)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t function = scene_type(s, "builtin_function_or_method", 0, 56, 0, 1 << 14),
             method = scene_type(s, "builtin_method", function, 64, 0, 1 << 14),
             m = scene_object(s, method, 64);
    put(s, m + 56, s->list);
    scene_open(s);
    seen *all = scene_slots(s, m, 64);
    must_own(all, "__objclass__", s->list);
    ck_assert_uint_eq(all->count, 1);
    scene_free(s);
}
END_TEST

START_TEST(marks_of_a_match_are_no_references)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t match = scene_type(s, "re.Match", 0, 80, 8, 1 << 14), x = scene_str(s, "x"),
             m = scene_object(s, match, 128), words[] = {3, x, x, x, 7, 8, 9, 9, x, x, x};
    put_words(s, m + 16, words, 11);
    scene_open(s);
    seen *all = scene_slots(s, m, 128);
    must_own(all, "string", x);
    must_own(all, "re", x);
    ck_assert_uint_eq(all->count, 3);
    scene_free(s);
}
END_TEST

START_TEST(a_weak_reference_borrows_its_target)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t x = scene_str(s, "x"), y = scene_str(s, "y"), w = scene_object(s, s->weakref, 64);
    put(s, w + 16, x);
    put(s, w + 24, y);
    put(s, w + 40, x);
    scene_open(s);
    seen *all = scene_slots(s, w, 64);
    must_hold(all, "target", x, RHI_KIND_BORROWED, RHI_FORM_ONE);
    must_own(all, "__callback__", y);
    ck_assert_uint_eq(all->count, 2);
    scene_free(s);
}
END_TEST

START_TEST(the_state_of_a_module_is_guessed)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t x = scene_str(s, "x"), m = scene_object(s, s->module, 56), def = scene_room(s, 104),
             state = scene_room(s, 64);
    uint64_t words[] = {7, x, x + 8, x};
    put_words(s, state, words, 4);
    put(s, m + 24, def);
    put(s, m + 32, state);
    put(s, def + 56, 24);
    scene_open(s);
    seen *all = scene_slots(s, m, 56);
    must_own_outside(all, "state+8", x);
    ck_assert(must_see(all, "state+8")->is_guess);
    ck_assert_uint_eq(all->count, 1);
    ck_assert(scene_is_spanned(s, m, 56, state + 16));
    ck_assert(!scene_is_spanned(s, m, 56, state + 24));
    scene_free(s);
}
END_TEST

/* ---- frames --------------------------------------------------------------------------------- */

/* Code with locals x, y. */
static uint64_t make_code(scene *s)
{
    uint64_t code = scene_object(s, s->code, 208), file = scene_str(s, "/srv/app.py"),
             name = scene_str(s, "handle");
    uint64_t locals[] = {scene_str(s, "x"), scene_str(s, "y")}, none = scene_tuple(s, NULL, 0);
    bool is_old = s->minor < 11;
    put(s, code + (is_old ? 104 : 112), file);
    put(s, code + (is_old ? 112 : 120), name);
    put(s, code + (is_old ? 72 : 96), scene_tuple(s, locals, 2));
    fake_put(s->t, code + (is_old ? 28 : s->minor == 11 ? 76 : 72), 2, 4);
    if (is_old) {
        put(s, code + 80, none);
        put(s, code + 88, none);
    }
    return code;
}

/* The frame at `at`: two locals, a value on its stack, one above. stacktop -1: it runs. */
static void make_frame(scene *s, uint64_t at, uint64_t code, uint64_t value, int stacktop)
{
    put(s, at + (s->minor == 11 ? 32 : 0), code);
    put(s, at + (s->minor == 11 ? 0 : 16), value);
    fake_put(s->t, at + 64, (uint32_t)stacktop, 4);
    uint64_t words[] = {value, value, value, value};
    put_words(s, at + 72, words, 4);
}

START_TEST(a_generator_owns_what_its_frame_holds_until_it_ends)
{
    scene *s = scene_new((unsigned)_i);
    if (s->minor < 11) {
        scene_free(s);
        return; /* its frame is an object: the test below */
    }
    uint64_t code = make_code(s), x = scene_str(s, "v"), g = scene_object(s, s->generator, 256),
             frame = g + (s->minor == 11 ? 80 : 72), state = g + (s->minor == 11 ? 75 : 67);
    make_frame(s, frame, code, x, 3);
    fake_put(s->t, state, 0xff, 1);
    if (s->minor == 11)
        put(s, g + 16, code);
    scene_open(s);
    seen *all = scene_slots(s, g, 256);
    must_own(all, "local 'x' in handle() at app.py", x);
    must_own(all, "local 'y' in handle() at app.py", x);
    must_own(all, "value stack of handle() at app.py", x);
    must_own(all, "f_func", x);
    must_own(all, "f_code", code);
    ck_assert_uint_eq(holders_of(all, x), 4);  /* and not the one above */
    fake_put(s->t, frame + 64, UINT32_MAX, 4); /* running: the stack is the thread's matter */
    ck_assert_uint_eq(holders_of(scene_slots(s, g, 256), x), 3);
    fake_put(s->t, state, 1, 1); /* closed before it began */
    ck_assert_uint_eq(holders_of(scene_slots(s, g, 256), x), 3);
    fake_put(s->t, state, 4, 1);
    all = scene_slots(s, g, 256);
    ck_assert_uint_eq(holders_of(all, x), 0);
    ck_assert_uint_eq(holders_of(all, code), 1);
    scene_free(s);
}
END_TEST

START_TEST(a_frame_object_owns_the_frame_that_lies_in_it)
{
    scene *s = scene_new((unsigned)_i);
    uint64_t code = make_code(s), x = scene_str(s, "v"), f = scene_object(s, s->frame, 512),
             y = scene_str(s, "y"), cells = scene_tuple(s, &y, 1),
             kinds = scene_object(s, s->bytes, 48);
    fake_put(s->t, kinds + 33, 0x40, 1);
    if (s->minor < 11) {
        uint64_t locals = f + (s->minor == 9 ? 360 : 352), words[] = {x, x, x, x};
        put(s, f + 32, code);
        put(s, f + 64, locals + 16);
        put_words(s, locals, words, 4);
        if (s->minor == 9)
            put(s, f + 72, locals + 24);
        else
            fake_put(s->t, f + 80, 1, 4);
    } else {
        make_frame(s, f + (s->minor < 13 ? 48 : 64), code, x, 3);
        put(s, f + 24, f + (s->minor < 13 ? 48 : 64));
    }
    if (s->minor < 11) { /* the second one is in a cell */
        fake_put(s->t, code + 28, 1, 4);
        put(s, fake_get(s->t, code + 72, 8) + 16, 1);
        put(s, code + 88, cells);
    } else
        put(s, code + 104, kinds);
    scene_open(s);
    seen *all = scene_slots(s, f, 512);
    must_own(all, "cell of 'y' in handle() at app.py", x);
    must_own(all, "value stack of handle() at app.py", x);
    must_own(all, "f_code", code);
    ck_assert_uint_eq(holders_of(all, x), s->minor < 11 ? 3 : 4);
    if (s->minor >= 11) { /* one that runs lies elsewhere */
        put(s, f + 24, f + 0x1000);
        ck_assert_uint_eq(scene_slots(s, f, 512)->count, 0);
    }
    scene_free(s);
}
END_TEST

/* ---- what owns nothing ---------------------------------------------------------------------- */

static bool keep_count(void *context, const rhi_slot *slot)
{
    (void)slot;
    ++*(unsigned *)context;
    return true;
}

START_TEST(frozen_code_has_no_count_of_what_lies_beside_it)
{
    scene *s = scene_new((unsigned)_i);
    enum { ELSEWHERE = 0x500000 };
    uint64_t x = scene_str(s, "x"), items[] = {x, ELSEWHERE}, t = scene_tuple(s, items, 2);
    fake_map(s->t, ELSEWHERE, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    scene_open(s);
    rhi_object object = {.address = t,
                         .start = t,
                         .slot_size = 40,
                         .state = RHI_LIVE,
                         .type = py_type_number(&s->py, rhi__py_known_type(&s->py, s->tuple))};
    for (unsigned is_immortal = 0; is_immortal < 2; is_immortal++) {
        unsigned count = 0;
        object.immortal = is_immortal;
        rhi__py_slots(s->reader, &object, fake_bytes(s->t, t, 40), keep_count, &count);
        ck_assert_uint_eq(count, is_immortal && s->minor == 11 ? 1 : 2);
    }
    scene_free(s);
}
END_TEST

START_TEST(the_dict_of_interned_strings_borrows_them)
{
    enum { COUNT = 1100 };
    scene *s = scene_new((unsigned)_i);
    uint64_t dict = scene_object(s, s->dict, 48), other = scene_object(s, s->dict, 48),
             table = scene_room(s, 0x10000), first = (s->minor < 11 ? 40 : 32) + 4096,
             text = scene_str(s, "word"), runtime = scene_room(s, 64);
    for (unsigned i = 0; i < 2; i++) {
        put(s, (i ? other : dict) + 16, COUNT);
        put(s, (i ? other : dict) + 32, table);
    }
    if (s->minor < 11) {
        put(s, table + 8, 2048);
        put(s, table + 32, COUNT);
    } else {
        fake_put(s->t, table + 8, 11, 1);
        fake_put(s->t, table + 9, 12, 1);
        put(s, table + 24, COUNT);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        put(s, table + first + i * 24 + 8, text);
        put(s, table + first + i * 24 + 16, text);
    }
    put(s, runtime + 16, dict); /* the one word that leads to it */
    scene_open(s);
    s->py.address = runtime;
    s->py.allocator = PY_MALLOC;
    seen *all = scene_slots(s, dict, 48);
    ck_assert_uint_eq(all->count, 2 * COUNT);
    ck_assert_uint_eq(all->slots[0].kind, RHI_KIND_BORROWED);
    ck_assert_uint_eq(s->py.interned, dict);
    ck_assert(scene_is_spanned(s, dict, 48, table + first));
    ck_assert_uint_eq(scene_slots(s, other, 48)->slots[0].kind, RHI_KIND_STRONG);
    scene_free(s);
}
END_TEST

/* ---- whatever is written there -------------------------------------------------------------- */

static uint64_t random_word(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 16;
}

/* An address of the scene, a number, anything. */
static uint64_t hostile_word(scene *s, uint64_t *state)
{
    static const uint64_t words[] = {0,
                                     1,
                                     7,
                                     8,
                                     64,
                                     UINT64_MAX,
                                     UINT64_MAX - 7,
                                     1ull << 63,
                                     1ull << 40,
                                     0x7fffffffffffffff,
                                     0xffffffff,
                                     0x00ffffff};
    uint64_t pick = random_word(state);
    return pick % 3 ? 0x100000 + random_word(state) % (s->used - 0x100000 + 64)
                    : words[random_word(state) % (sizeof words / sizeof *words)];
}

START_TEST(no_word_makes_the_reader_fall)
{
    scene *s = scene_new((unsigned)_i % SCENE_VERSIONS);
    uint64_t state = (uint64_t)_i + 1;
    instance i = make_instance(s);
    static const char *const names[] = {"collections.deque",
                                        "collections.OrderedDict",
                                        "functools._lru_cache_wrapper",
                                        "itertools.groupby",
                                        "itertools._tee_dataobject",
                                        "memoryview",
                                        "method",
                                        "xml.etree.ElementTree.Element",
                                        "cell",
                                        "coroutine"};
    for (unsigned k = 0; k < sizeof names / sizeof *names; k++)
        scene_type(s, names[k], 0, 200, k == 9 ? 8 : 0, 1 << 14);
    uint64_t code = make_code(s), objects[64], tables = scene_room(s, 0x2000);
    for (unsigned k = 0; k < 64; k++)
        objects[k] = scene_object(s, s->types[random_word(&state) % s->type_count], 0x400);
    scene_open(s);
    for (unsigned round = 0; round < 400; round++) {
        uint64_t object = objects[random_word(&state) % 64];
        if (round % 16 == 0)
            put(s, object + 8, s->types[random_word(&state) % s->type_count]);
        for (unsigned k = 2; k < 30; k++)
            if (random_word(&state) % 2)
                put(s, object + 8 * k, hostile_word(s, &state));
        for (unsigned k = 0; k < 20; k++)
            put(s, tables + random_word(&state) % 0x1f00 / 8 * 8, hostile_word(s, &state));
        put(s, object - 8 * (1 + random_word(&state) % 4), hostile_word(s, &state));
        put(s, code + 8 * (2 + random_word(&state) % 20), hostile_word(s, &state));
        put(s, i.keys + 8 * (random_word(&state) % 8), hostile_word(s, &state));
        rhi__begin_pass(s->reader);
        uint64_t size = 24 + random_word(&state) % 0x3e0;
        scene_slots(s, object, size);
        scene_value(s, object, size);
        scene_is_spanned(s, object, size, 0);
    }
    scene_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("inspect_python_slots");
    TCase *tcase = tcase_create("inspect_python_slots");
    const TTest *const tests[] = {a_dict_owns_keys_and_values_that_are_there,
                                  a_table_of_str_alone_is_read,
                                  a_large_table_is_read_to_its_end,
                                  an_instance_owns_its_attributes_and_its_class,
                                  shared_keys_are_owned_once,
                                  a_dict_that_was_made_for_an_instance_is_its_own,
                                  the_dict_of_an_object_of_many_sizes_lies_behind_its_items,
                                  a_word_that_leads_to_its_own_object_owns_nothing,
                                  declared_slots_have_names_and_other_words_are_guesses,
                                  what_lies_behind_the_end_of_a_list_is_stale,
                                  elements_of_a_set_lie_inside_or_outside,
                                  chains_are_followed_as_far_as_they_say,
                                  a_cache_owns_each_link_once,
                                  a_class_that_a_builtin_method_has_is_one_reference,
                                  marks_of_a_match_are_no_references,
                                  a_weak_reference_borrows_its_target,
                                  the_state_of_a_module_is_guessed,
                                  a_generator_owns_what_its_frame_holds_until_it_ends,
                                  a_frame_object_owns_the_frame_that_lies_in_it,
                                  frozen_code_has_no_count_of_what_lies_beside_it,
                                  the_dict_of_interned_strings_borrows_them};
    enum { SEEDS = 10 };
    int count = sizeof tests / sizeof *tests;
    tcase_set_timeout(tcase, 600);
    for (int i = 0; i < count; i++)
        tcase_add_loop_test(tcase, tests[i], 0, SCENE_VERSIONS);
    tcase_add_loop_test(tcase, no_word_makes_the_reader_fall, 0, SCENE_VERSIONS * SEEDS);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int ran = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 && ran == SCENE_VERSIONS * (count + SEEDS) ? EXIT_SUCCESS : EXIT_FAILURE;
}
