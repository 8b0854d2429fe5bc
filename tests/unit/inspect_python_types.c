/* inspect_python_types.c - what types are called, which layout they have, whether their facts
 * agree. */
#include "python_heap.h"
#include "unit_main.h"
#include "base/array.h"
#include "base/bits.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names and layouts ---------------------------------------------------------------------- */

START_TEST(types_that_share_a_name_are_told_apart)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t one = new_class(&s, "Session", 16, 0), two = new_class(&s, "f.<locals>.C", 16, 0),
             three = new_class(&s, "f.<locals>.C", 16, 0),
             c = new_type(&s, "web.Session", 16, 0, 0);
    char text[RHI_NAME_SIZE];
    make_table(&s, 0);
    s.children = 0; /* learned later */
    uint64_t late = new_class(&s, "Session", 16, 0), other = new_class(&s, "Late", 16, 0);
    scene_open(&s);
    ck_assert_str_eq(type_name(&s, s.list), "list");
    ck_assert_str_eq(type_name(&s, one), "app.Session");
    ck_assert_str_eq(type_name(&s, c), "web.Session");
    snprintf(text, sizeof text, "app.f.<locals>.C(0x%" PRIx64 ")", two);
    ck_assert_str_eq(type_name(&s, two), text);
    ck_assert_str_ne(type_name(&s, three), text);
    ck_assert_str_eq(type_name(&s, late), "");
    uint64_t count = s.reader->types.count;
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, late));
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, other));
    ck_assert_uint_eq(s.reader->types.count, count + 2);
    ck_assert_str_eq(type_name(&s, late), "Session");
    ck_assert_str_eq(type_name(&s, other), "Late");
    ck_assert_str_eq(type_name(&s, one), "app.Session");
    /* each answers to its plain name, too */
    const char *const names[] = {"Session", "C", "app.Session", "web.Session", "Sess"};
    const unsigned bearers[] = {3, 2, 2, 1, 0};
    for (unsigned i = 0; i < 5; i++) {
        unsigned found = 0;
        for (uint32_t type = 0; type < s.reader->types.count; type++)
            found += rhi__is_type_named(s.reader, type, names[i]);
        ck_assert_uint_eq(found, bearers[i]);
    }
    scene_free(&s);
}
END_TEST

START_TEST(without_read_only_data_names_come_from_dicts)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t set = new_type(&s, NULL, 200, 0, PY_FLAG_GC),
             function = new_type(&s, NULL, 152, 0, PY_FLAG_GC),
             deque = new_type(&s, NULL, 64, 0, PY_FLAG_GC),
             lost = new_type(&s, NULL, 64, 0, PY_FLAG_GC), own = new_dict(&s, 4),
             modules = new_dict(&s, 4), builtins = new_dict(&s, 4), collections = new_dict(&s, 4);
    const uint64_t dicts[] = {builtins, collections};
    const char *const names[] = {"builtins", "collections"};
    for (unsigned i = 0; i < 2; i++) {
        uint64_t module = room_for(&s, 64);
        put(&s, module + PY_OB_TYPE, s.module);
        put(&s, module + 16, dicts[i]);
        put_name(&s, modules, names[i], module);
    }
    s.children = 0;
    uint64_t late = new_type(&s, NULL, 40, 0, 0); /* in nobody's list of subclasses */
    put_name(&s, collections, "late", late);
    put_name(&s, own, "__closure__", s.object);
    put(&s, function + PY_TP_DICT, own);
    put_name(&s, builtins, "set", set);
    put_name(&s, collections, "cute", set);
    put_name(&s, collections, "deque", deque);
    make_table(&s, 0);
    ck_assert(rhi__array_reserve(&s.py.interpreters, 1));
    s.py.interpreters.items[0] = (py_interpreter){.modules = modules, .builtins = builtins};
    scene_open(&s);
    ck_assert_str_eq(type_name(&s, set), "set");
    ck_assert_str_eq(type_name(&s, function), "function");
    ck_assert_str_eq(type_name(&s, deque), "deque");
    ck_assert_str_eq(type_name(&s, lost), "unnamed");
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, late));
    ck_assert_str_eq(type_name(&s, late), "late");
    ck_assert_int_eq(rhi__py_known_type(&s.py, set)->layout, PY_SET);
    ck_assert_int_eq(rhi__py_known_type(&s.py, function)->layout, PY_FUNCTION);
    ck_assert_int_eq(rhi__py_known_type(&s.py, deque)->layout, PY_DEQUE);
    ck_assert_int_eq(rhi__py_known_type(&s.py, lost)->layout, PY_OWN_WORDS);
    scene_free(&s);
}
END_TEST

/* Extensions name their types as CPython does, and these have the same attributes. */
START_TEST(a_layout_by_name_is_for_types_of_cpython_alone)
{
    enum { EXTENSION = 0x20000, SIZE = 0x4000 };
    static const char *const files[] = {"/usr/lib/extension.so", ""};
    for (unsigned i = 0; i < 2; i++) {
        scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
        uint64_t own = new_dict(&s, 4), right = new_type(&s, "generator", 96, 0, PY_FLAG_GC),
                 builtins = new_dict(&s, 4), modules = new_dict(&s, 4), room = s.room;
        fake_map(s.t, EXTENSION, SIZE, READ_WRITE, files[i]);
        s.room = EXTENSION;
        uint64_t named = new_type(&s, "function", 152, 0, PY_FLAG_GC),
                 other = new_type(&s, "generator", 152, 0, PY_FLAG_GC),
                 nameless = new_type(&s, NULL, 152, 0, PY_FLAG_GC),
                 deque = new_type(&s, "collections.deque", 64, 0, PY_FLAG_GC);
        s.room = room;
        put_name(&s, own, "__closure__", s.object);
        put(&s, nameless + PY_TP_DICT, own);
        make_table(&s, 0);
        ck_assert(rhi__array_reserve(&s.py.interpreters, 1));
        s.py.interpreters.items[0] = (py_interpreter){.modules = modules, .builtins = builtins};
        scene_open(&s);
        ck_assert_int_eq(rhi__py_known_type(&s.py, right)->layout, PY_GENERATOR);
        ck_assert_int_eq(rhi__py_known_type(&s.py, named)->layout, PY_OWN_WORDS);
        ck_assert_int_eq(rhi__py_known_type(&s.py, other)->layout, PY_OWN_WORDS);
        ck_assert_int_eq(rhi__py_known_type(&s.py, nameless)->layout, PY_OWN_WORDS);
        ck_assert_str_eq(type_name(&s, nameless), "unnamed");
        ck_assert_int_eq(rhi__py_known_type(&s.py, deque)->layout, PY_DEQUE);
        const rhi_type *all = &s.reader->types.items[s.py.first_type];
        ck_assert(all[rhi__py_known_type(&s.py, named) - s.py.types.items].has_raw_words);
        ck_assert(all[rhi__py_known_type(&s.py, s.type) - s.py.types.items].has_raw_words);
        ck_assert(!all[rhi__py_known_type(&s.py, right) - s.py.types.items].has_raw_words);
        ck_assert(!all[rhi__py_known_type(&s.py, s.list) - s.py.types.items].has_raw_words);
        ck_assert(all[rhi__py_known_type(&s.py, s.text) - s.py.types.items].lends_bytes);
        ck_assert(!all[rhi__py_known_type(&s.py, s.tuple) - s.py.types.items].lends_bytes);
        scene_free(&s);
    }
}
END_TEST

START_TEST(a_layout_is_that_of_the_nearest_base)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t set = new_type(&s, "set", 200, 0, PY_FLAG_GC), child = new_class(&s, "S", 208, 0),
             grandchild = new_class(&s, "deque", 216, 0), /* of the program's own */
        other = new_class(&s, "D", 56, PY_FLAG_DICT);
    put(&s, child + PY_TP_BASE, set);
    put(&s, grandchild + PY_TP_BASE, child);
    put(&s, other + PY_TP_BASE, s.dict);
    put(&s, other + PY_TP_DICTOFFSET, 48);
    put(&s, child + PY_TP_DICTOFFSET, 1000);
    put(&s, grandchild + PY_TP_WEAKLISTOFFSET, 1000);
    make_table(&s, 0);
    scene_open(&s);
    const py_type *type = rhi__py_known_type(&s.py, grandchild);
    ck_assert_int_eq(type->layout, PY_SET);
    ck_assert_uint_eq(type->layout_end, 200);
    ck_assert_int_eq(type->weaklistoffset, 0); /* it lies outside */
    ck_assert_int_eq(rhi__py_known_type(&s.py, child)->dictoffset, 0);
    type = rhi__py_known_type(&s.py, other);
    ck_assert(rhi__py_is_a(type, PY_DICT));
    ck_assert_uint_eq(type->layout_end, 48);
    ck_assert_int_eq(type->dictoffset, 48);
    const rhi_type *known = &s.reader->types.items[py_type_number(&s.py, type)];
    ck_assert(known->has_code && known->has_references && known->has_vectors);
    known = &s.reader->types.items[py_type_number(&s.py, rhi__py_known_type(&s.py, s.integer))];
    ck_assert(!known->has_references && known->acyclic);
    scene_free(&s);
}
END_TEST

START_TEST(bases_and_subclasses_that_go_round_come_to_an_end)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t one = new_type(&s, "one", 16, 0, 0), two = new_type(&s, "two", 16, 0, 0),
             self = new_type(&s, "self", 16, 0, 0);
    put(&s, one + PY_TP_BASE, two);
    put(&s, two + PY_TP_BASE, one);
    put(&s, self + PY_TP_BASE, self);
    put(&s, one + PY_TP_SUBCLASSES, s.children);
    put(&s, two + PY_TP_SUBCLASSES, UINT64_MAX - 7);
    put(&s, self + PY_TP_SUBCLASSES, new_dict(&s, 4));
    uint64_t keys = keys_of(&s, fake_get(s.t, self + PY_TP_SUBCLASSES, 8));
    for (unsigned at = 0; at < 40; at += 8)
        put(&s, keys + at, UINT64_MAX);
    make_table(&s, 0);
    scene_open(&s);
    ck_assert_str_eq(type_name(&s, one), "one");
    ck_assert_str_eq(type_name(&s, two), "two");
    ck_assert_str_eq(type_name(&s, self), "self");
    scene_free(&s);
}
END_TEST

/* What an interpreter has of a static type from 3.12 on, as pycore_typeobject.h declares it. */
static void put_state(scene *s, uint64_t interpreter, bool is_extension, unsigned number,
                      uint64_t type, uint64_t dict)
{
    uint64_t size = s->py.minor >= 13 ? 48 : 40,
             at = interpreter + s->py.at->type_cache + 4096 * 24 + 8 +
                  (is_extension ? 200 * size + 16 : 0) + number * size;
    put(s, at, type);
    put(s, at + size - 24, dict);
    put(s, type + PY_TP_SUBCLASSES, number + 1);
    put(s, type + PY_TP_DICT, 0);
}

/* Builtin types and those of extensions have the same numbers; what one interpreter alone has
 * imported, it has alone. */
START_TEST(the_dict_of_a_static_type_lies_in_an_interpreter)
{
    enum { OTHER = INTERPRETER + 2 * INTERPRETER_BYTES };
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    uint64_t builtin = new_type(&s, "builtin", 16, 0, 0),
             extension = new_type(&s, "late.extension", 16, 0, 0), one = new_dict(&s, 4),
             two = new_dict(&s, 4);
    fake_map(s.t, OTHER, INTERPRETER_BYTES, READ_WRITE, "");
    put(&s, builtin + PY_TP_DICT, one);
    put(&s, extension + PY_TP_DICT, two);
    if (s.py.minor >= 12) {
        put_state(&s, INTERPRETER, false, 3, builtin, one);
        put_state(&s, OTHER, false, 3, builtin, two);
        put_state(&s, OTHER, s.py.minor >= 13, s.py.minor >= 13 ? 3 : 4, extension, two);
    }
    make_table(&s, 0);
    ck_assert(rhi__array_reserve(&s.py.interpreters, 2));
    s.py.interpreters.items[0] = (py_interpreter){0};
    s.py.interpreters.items[1] = (py_interpreter){.address = OTHER, .gc = OTHER + s.py.at->gc};
    scene_open_all(&s, 2);
    ck_assert_uint_eq(rhi__py_known_type(&s.py, builtin)->dict, one);
    ck_assert_uint_eq(rhi__py_known_type(&s.py, extension)->dict, two);
    scene_free(&s);
}
END_TEST

START_TEST(more_types_than_there_is_room_for_are_left_out)
{
    scene s = scene_new(PY_MINOR_MIN + (unsigned)_i);
    make_table(&s, 0);
    s.children = 0;
    uint64_t late = new_class(&s, "Late", 16, 0), later = new_class(&s, "Later", 16, 0);
    scene_open(&s);
    const rhi_type *types = s.reader->types.items;
    s.py.types_max = (uint32_t)s.py.types.count + 1;
    ck_assert_ptr_nonnull(rhi__py_type_at(&s.py, late));
    ck_assert_ptr_null(rhi__py_type_at(&s.py, later));
    ck_assert_ptr_null(rhi__py_type_at(&s.py, later));
    ck_assert_uint_eq(s.reader->problems.count, 1);
    ck_assert_ptr_eq(types, s.reader->types.items);
    scene_free(&s);
}
END_TEST

/* ---- do the facts of a type agree? ---------------------------------------------------------- */

static void must_be_damaged(unsigned minor, uint64_t offset, uint64_t value, const char *part)
{
    scene s = scene_new(minor);
    uint64_t at = new_slotted(&s);
    put(&s, at + offset, value == UINT64_MAX ? s.list : value);
    open_pool(&s, 0);
    ck_assert_uint_eq(s.reader->damage.count, part != NULL);
    if (part) {
        ck_assert_uint_eq(s.reader->damage.items[0].address, at);
        ck_assert_uint_eq(s.reader->damage.items[0].kind, RHI_FOUND_BAD_TYPE);
        ck_assert_ptr_nonnull(strstr(s.reader->damage.items[0].text, "Slotted is damaged: "));
        ck_assert_ptr_nonnull(strstr(s.reader->damage.items[0].text, part));
    }
    scene_free(&s);
}

START_TEST(a_type_whose_facts_disagree_is_damage)
{
    unsigned minor = PY_MINOR_MIN + (unsigned)_i;
    enum { FLAGS = PY_FLAG_READY | PY_FLAG_HEAPTYPE | PY_FLAG_GC };
    must_be_damaged(minor, PY_TP_FLAGS, FLAGS, NULL);
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 16, "one of its __slots__ lies where");
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 32, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 8, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_WEAKLISTOFFSET, 28, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_DICTOFFSET, 24, "its weaklistoffset is its dictoffset");
    must_be_damaged(minor, PY_TP_DICTOFFSET, 40, "its dictoffset leads to no word");
    must_be_damaged(minor, PY_TP_DICTOFFSET, 0x100000, "its dictoffset leads to no word");
    must_be_damaged(minor, PY_TP_DICTOFFSET, (uint64_t)-8, "its dictoffset leads to no word");
    must_be_damaged(minor, PY_TP_BASICSIZE, 33, "is no multiple of 8");
    must_be_damaged(minor, PY_TP_BASICSIZE, 24, "its weaklistoffset leads to no word");
    must_be_damaged(minor, PY_TP_BASE, 0, "its __base__ is not among its __bases__");
    must_be_damaged(minor, PY_TP_BASE, UINT64_MAX, "its __base__ is not among its __bases__");
    must_be_damaged(minor, PY_TP_FLAGS, FLAGS | PY_FLAG_LIST, "another kind of type");
    must_be_damaged(minor, PY_TP_FLAGS, FLAGS ^ PY_FLAG_HEAPTYPE, "the name of a class");
    if (minor >= 11)
        must_be_damaged(minor, PY_TP_FLAGS, FLAGS | PY_FLAG_MANAGED_DICT,
                        "its dictoffset and its flags disagree");
    if (minor >= 12)
        must_be_damaged(minor, PY_TP_FLAGS, FLAGS | PY_FLAG_MANAGED_WEAKREF,
                        "its weaklistoffset and its flags disagree");
}
END_TEST

UNIT_MAIN_EACH("inspect_python_types", VERSIONS, types_that_share_a_name_are_told_apart,
               without_read_only_data_names_come_from_dicts,
               a_layout_by_name_is_for_types_of_cpython_alone, a_layout_is_that_of_the_nearest_base,
               bases_and_subclasses_that_go_round_come_to_an_end,
               the_dict_of_a_static_type_lies_in_an_interpreter,
               more_types_than_there_is_room_for_are_left_out,
               a_type_whose_facts_disagree_is_damage)
