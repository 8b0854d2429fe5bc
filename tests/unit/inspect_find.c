/* inspect_find.c - `gcfind`: each property, all of them together, limits, heaps. */
#include "inspect_test.h"

#include <limits.h>

/* The ids of the objects found, joined by spaces; `total` must be their number. */
static const char *found(const world *w, const char *line)
{
    static char text[4096];
    size_t index;
    json_t *item, *json = fake_json(w->t, "gcfind", line);
    text[0] = '\0';
    json_array_foreach(fake_at(json, "objects"), index, item)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", index ? " " : "",
                 json_string_value(json_object_get(item, "id")));
    ck_assert_int_eq(fake_integer(json, "total"), (long long)fake_size(json, "objects"));
    json_decref(json);
    return text;
}

/* nodes 1 (count 1), 2 (count 5), 3 immortal, 4 dying, 5 finalized, 6 freed; twigs 7 and 8, 8
 * with a tail of 4 elements; node 9 of heap 2. */
static world with_all(int layout, fake_heap **second)
{
    static const fake_field twig_fields[] = {FAKE_STRONG("up", 0),
                                             FAKE_ONE("length", RH_KIND_UINT, 8, 8)};
    world w = world_new(layout);
    uint32_t twig = fake_type(w.space, "twig", 16, twig_fields, 2);
    fake_type_elements(w.space, twig, 100, 8);
    new_node(&w, 1);
    new_node(&w, 5);
    fake_immortal(w.heap, new_node(&w, 1));
    fake_dying(w.heap, new_node(&w, 1), 1);
    fake_flags(w.heap, new_node(&w, 1), RH_FLAG_FINALIZED);
    fake_free_object(w.heap, new_node(&w, 1), RH_DEATH_RELEASE);
    fake_new(w.heap, twig, 2, 400);
    uint64_t long_twig = fake_new(w.heap, twig, 7, 400);
    fake_put(w.t, fake_slot(w.space, long_twig, 8), 4, 8);
    *second = fake_heap_new(w.space, 2, "second");
    fake_new(*second, w.node, 2, 0);
    return w;
}

#define LONG_NAME                                                                                  \
    "long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_long_"   \
    "long_long_long_long_long_long_long_long_long_long_"

START_TEST(every_property_selects)
{
    fake_heap *second;
    world w = with_all(_i, &second);
    ck_assert_str_eq(found(&w, ""), "node#1 node#2 node#3 node#4 node#5 twig#7 twig#8 node#9");
    ck_assert_str_eq(found(&w, "--type=node"), "node#1 node#2 node#3 node#4 node#5 node#9");
    ck_assert_str_eq(found(&w, "--type='t*g'"), "twig#7 twig#8");
    ck_assert_str_eq(found(&w, "--type='[tm]wi?'"), "twig#7 twig#8");
    ck_assert_str_eq(found(&w, "--type=nod"), "");
    /* an immortal's count is not kept */
    ck_assert_str_eq(found(&w, "--min-refs=2"), "node#2 twig#7 twig#8 node#9");
    ck_assert_str_eq(found(&w, "--min-refs=6"), "twig#8");
    ck_assert_str_eq(found(&w, "--min-size=400"), "twig#8");
    ck_assert_str_eq(found(&w, "--finalized"), "node#4 node#5");
    ck_assert_str_eq(found(&w, "--heap=2"), "node#9");
    ck_assert_str_eq(found(&w, "--type=node --min-refs=2 --heap=1"), "node#2");
    ck_assert_str_eq(found(&w, "--min-refs=2 --finalized"), "");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

/* As when a name was typed wrongly. A type that has no such object is no wrong name. */
START_TEST(a_type_that_nothing_has_is_told)
{
    fake_heap *second;
    world w = with_all(_i, &second);
    ck_assert_int_eq(fake_run(w.t, "gcfind", "--type=nod"), RHI_ANSWERED);
    ck_assert_str_eq(
        w.t->out.bytes,
        "0 objects\n"
        "  no object that was read has a type that fits 'nod': gcstat shows the types\n");
    ck_assert_int_eq(fake_run(w.t, "gcfind", "--type=node --min-refs=100"), RHI_ANSWERED);
    ck_assert_str_eq(w.t->out.bytes, "0 objects\n");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(the_size_is_the_object_s_own)
{
    fake_heap *second;
    world w = with_all(_i, &second);
    uint64_t header = w.space->c[RH_MC_object_size];
    char line[64];
    snprintf(line, sizeof line, "--type=twig --min-size=%" PRIu64, header + 16 + 400);
    ck_assert_str_eq(found(&w, line), "twig#8");
    snprintf(line, sizeof line, "--type=twig --min-size=%" PRIu64, header + 16 + 401);
    ck_assert_str_eq(found(&w, line), "");
    snprintf(line, sizeof line, "--type=twig --min-size=%" PRIu64, header + 16);
    ck_assert_str_eq(found(&w, line), "twig#7 twig#8");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(unreachable_is_what_gcleaks_calls_leaked)
{
    world w = world_new(_i);
    uint64_t n[6];
    for (unsigned i = 0; i < 6; i++)
        n[i] = new_node(&w, 1);
    fake_link(w.heap, n[0], NEXT, n[1]); /* 1 <-> 2 garbage, 2 -> 3 its tail */
    fake_link(w.heap, n[1], NEXT, n[0]);
    fake_link(w.heap, n[1], OTHER, n[2]);
    fake_link(w.heap, n[3], NEXT, n[4]); /* 4 lost, 5 its dependent, 6 owned */
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    fake_put(w.t, 0x7ffe00001800, n[5], 8);
    ck_assert_str_eq(found(&w, "--unreachable"), "node#1 node#2 node#3 node#4 node#5");
    ck_assert_str_eq(found(&w, "--unreachable --min-refs=2"), "");
    ck_assert_int_eq(fake_run(w.t, "gcfind", "--unreachable"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "5 objects\n");
    ck_assert_has(w.t->out.bytes, "live, cycle, {value: 0, next: node#2}\n");
    ck_assert_has(w.t->out.bytes, "live, lost_reference, {value: 0, next: node#5}\n");
    ck_assert_has(w.t->out.bytes, "live, dependent, {value: 0}\n");
    world_free(&w);
}
END_TEST

START_TEST(limits_bad_input_and_text)
{
    fake_heap *second;
    world w = with_all(_i, &second);
    json_t *json = fake_json(w.t, "gcfind", "--limit=3");
    ck_assert_uint_eq(fake_size(json, "objects"), 3);
    ck_assert_int_eq(fake_integer(json, "objects_total"), 8);
    ck_assert_int_eq(fake_integer(json, "total"), 8);
    ck_assert_str_eq(fake_string(json, "objects.2.id"), "node#3");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcfind", "--limit=2"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "8 objects\n  node#1 ");
    ck_assert_has(w.t->out.bytes, "  … 6 more (--limit=0 shows all)\n");
    ck_assert_has(fake_json_failure(w.t, "gcfind", "--min-refs=many"), "--min-refs wants a number");
    ck_assert_has(fake_json_failure(w.t, "gcfind", "--min-size=-1"), "--min-size wants a number");
    ck_assert_has(fake_json_failure(w.t, "gcfind", "--heap=3"), "there is no heap 3");
    ck_assert_has(fake_json_failure(w.t, "gcfind", "node#1"), "takes no operand");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

/* In a pattern, ? is a character, not a byte; a name that is typed as it is, is found, however long
 * and whatever is in it. */
START_TEST(types_of_any_name_are_found)
{
    static const char *const locales[] = {"C.UTF-8", "C"};
    char line[400];
    world w = world_new(_i);
    fake_new(w.heap, fake_type(w.space, "日本語", 16, NULL, 0), 1, 0);
    fake_new(w.heap, fake_type(w.space, "map<int[3], *>", 16, NULL, 0), 1, 0);
    fake_new(w.heap, fake_type(w.space, LONG_NAME "1", 16, NULL, 0), 1, 0);
    fake_new(w.heap, fake_type(w.space, LONG_NAME "2", 16, NULL, 0), 1, 0);
    for (int i = 0; i < 2; i++) {
        setenv("LC_ALL", locales[i], 1);
        ck_assert_str_eq(found(&w, "--type=日?語"), "日本語#1");
        ck_assert_str_eq(found(&w, "--type=???"), "日本語#1");
        ck_assert_str_eq(found(&w, "--type=日??語"), "");
        ck_assert_str_eq(found(&w, "--type='map<int[3], *>'"), "map<int[3], *>#2");
        snprintf(line, sizeof line, "--type=%s2", LONG_NAME);
        ck_assert_has(found(&w, line), "#4");
        ck_assert_has_not(found(&w, line), "#3");
    }
    world_free(&w);
}
END_TEST

/* Nothing but a damaged header is needed to have no type. */
START_TEST(objects_of_no_type_are_listed_and_hurt_nothing)
{
    world w = world_new(_i);
    uint64_t odd = new_node(&w, 1);
    new_node(&w, 1);
    fake_put(w.t, odd + w.space->c[RH_MC_object_type], 0xfff0, 2);
    ck_assert_str_eq(found(&w, ""), "?#1 node#2");
    ck_assert_str_eq(found(&w, "--type=n*"), "node#2");
    ck_assert_str_eq(found(&w, "--type='?'"), "?#1");
    ck_assert_str_eq(found(&w, "--min-size=1 --min-refs=1"), "?#1 node#2");
    world_free(&w);
}
END_TEST

/* A row shows what its object holds, from slots that lie near those of the row before: a list
 * does not read for each of them. With a page that is missing in part the rows are the same. */
START_TEST(a_long_list_reads_less_often_than_it_has_rows)
{
    enum { NODES = 3000 };
    world w = world_new(_i);
    uint64_t previous = 0, first = 0;
    for (unsigned i = 0; i < NODES; i++) {
        uint64_t node = new_node(&w, 1);
        fake_put(w.t, fake_slot(w.space, node, VALUE), i, 4);
        if (previous)
            fake_link(w.heap, node, NEXT, previous);
        previous = node;
        first = first ? first : node;
    }
    w.t->stop_after_reads = ULONG_MAX; /* count them */
    json_t *json = fake_json(w.t, "gcfind", "--limit=0");
    unsigned long reads = w.t->reads;
    ck_assert_uint_eq(fake_size(json, "objects"), NODES);
    ck_assert_str_eq(fake_string(json, "objects.2.value"), "{value: 2, next: node#2}");
    ck_assert_uint_gt(reads, 0);
    ck_assert_uint_lt(reads, NODES / 4);
    json_decref(json);
    w.t->hole_start = first + 3000; /* inside of a page */
    w.t->hole_end = first + 3100;
    json = fake_json(w.t, "gcfind", "--limit=0");
    ck_assert_str_eq(fake_string(json, "objects.2.value"), "{value: 2, next: node#2}");
    json_decref(json);
    /* and what was kept is not kept until the next list */
    fake_put(w.t, fake_slot(w.space, first, VALUE), 77, 4);
    json = fake_json(w.t, "gcfind", "--limit=1");
    ck_assert_str_eq(fake_string(json, "objects.0.value"), "{value: 77}");
    json_decref(json);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_find", every_property_selects, a_type_that_nothing_has_is_told,
          the_size_is_the_object_s_own, unreachable_is_what_gcleaks_calls_leaked,
          limits_bad_input_and_text, types_of_any_name_are_found,
          objects_of_no_type_are_listed_and_hurt_nothing,
          a_long_list_reads_less_often_than_it_has_rows)
