/* inspect_gcgraph.c - `gcgraph`: selections, cycles with verdicts and holders, pictures, limits. */
#include "inspect_test.h"

#include <unistd.h>

/* The ids of a list of objects, joined by spaces. */
static const char *ids(const json_t *list)
{
    static char text[4096];
    size_t index;
    json_t *item;
    text[0] = '\0';
    json_array_foreach(list, index, item)
    {
        const char *id = json_is_string(item) ? json_string_value(item)
                                              : json_string_value(json_object_get(item, "id"));
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", index ? " " : "", id);
    }
    return text;
}

/* 1 <-> 2 garbage; 3 <-> 4 held by 5.next, 5 with a count of its own; 6 -> 6 lost; 7 -> 1 garbage.
 */
static world with_cycles(int layout, uint64_t *n)
{
    world w = world_new(layout);
    static const unsigned counts[] = {2, 1, 2, 1, 1, 2, 1};
    for (unsigned i = 0; i < 7; i++)
        n[i + 1] = new_node(&w, counts[i]);
    fake_link(w.heap, n[1], NEXT, n[2]);
    fake_link(w.heap, n[2], NEXT, n[1]);
    fake_link(w.heap, n[3], OTHER, n[4]);
    fake_link(w.heap, n[4], NEXT, n[3]);
    fake_link(w.heap, n[5], NEXT, n[3]);
    fake_link(w.heap, n[6], OTHER, n[6]);
    fake_link(w.heap, n[7], NEXT, n[1]);
    fake_link(w.heap, n[7], OTHER, n[7]);
    return w;
}

/* The slot still counts as taken by the bitmap, as those do that the allocator keeps at hand. */
START_TEST(a_field_that_leads_to_nobody_is_no_reference)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), gone = new_node(&w, 1), b = new_node(&w, 2);
    fake_link(w.heap, a, NEXT, gone);
    fake_link(w.heap, a, OTHER, b);
    fake_link(w.heap, gone, NEXT, a);
    fake_word(w.heap, gone, 0);
    fake_put(w.t, gone + w.space->c[RH_MC_object_type], 0, 2);
    json_t *json = ask(&w, "gcgraph", "", a);
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#3");
    ck_assert_uint_eq(fake_size(json, "edges"), 1);
    ck_assert_uint_eq(fake_size(json, "cycles"), 0);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(every_cycle_has_a_verdict)
{
    uint64_t n[8];
    world w = with_cycles(_i, n);
    json_t *json = fake_json(w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 4);
    ck_assert_str_eq(ids(fake_at(json, "cycles.0.objects")), "node#1 node#2");
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
    ck_assert_str_eq(ids(fake_at(json, "cycles.2.objects")), "node#3 node#4");
    ck_assert_str_eq(fake_string(json, "cycles.2.verdict"), "held");
    ck_assert_uint_eq(fake_size(json, "cycles.2.held_by"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.2.held_by.0.from"), "node#5");
    ck_assert_str_eq(fake_string(json, "cycles.2.held_by.0.name"), "next");
    ck_assert_str_eq(ids(fake_at(json, "cycles.3.objects")), "node#6");
    ck_assert_str_eq(fake_string(json, "cycles.3.verdict"), "held");
    ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.kind"), "lost");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#3 node#4 node#6 node#7");
    ck_assert_uint_eq(fake_size(json, "edges"), 7);
    /* it costs a search of all words, which a list of cycles need not have */
    ck_assert_ptr_null(fake_at(json, "nodes.0.leaked"));
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "#1");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#7");
    ck_assert_str_eq(fake_string(json, "nodes.0.leaked"), "cycle");
    ck_assert_str_eq(fake_string(json, "nodes.1.leaked"), "cycle");
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "#6");
    ck_assert(json_is_null(fake_at(json, "nodes.0.leaked"))); /* not everything was searched */
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--garbage");
    ck_assert_uint_eq(fake_size(json, "cycles"), 2);
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#7");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "4 cycles, 2 of them garbage\n");
    ck_assert_has(w.t->out.bytes, "cycle of 2 objects: node#3 .other → node#4 .next → node#3\n");
    ck_assert_has(w.t->out.bytes, "by counts whose owner was not found: lost, or in memory");
    ck_assert_has(w.t->out.bytes, "\n  next: gcleaks: what was not searched\n");
    ck_assert_int_eq(fake_run(w.t, "gcgraph", "--garbage"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "2 cycles, 2 of them garbage\n");
    ck_assert_int_eq(fake_run(w.t, "gcgraph", "--cycles node#6"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "1 cycle, held\n");
    world_free(&w);
}
END_TEST

/* A heap may have any number of cycles that are held, and few that are garbage. */
START_TEST(garbage_cycles_come_first)
{
    world w = world_new(_i);
    uint64_t n[7];
    for (unsigned i = 1; i < 7; i++)
        n[i] = new_node(&w, i < 5 ? 2 : 1);
    for (unsigned i = 1; i < 7; i++)
        fake_link(w.heap, n[i], OTHER, n[i]);
    json_t *json = fake_json(w.t, "gcgraph", "");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#3 node#4 node#5 node#6");
    ck_assert_str_eq(ids(fake_at(json, "cycles.0.objects")), "node#5");
    ck_assert_str_eq(ids(fake_at(json, "cycles.1.objects")), "node#6");
    ck_assert_str_eq(ids(fake_at(json, "cycles.2.objects")), "node#1");
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--limit=3");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#5 node#6");
    ck_assert_uint_eq((unsigned)fake_integer(json, "cycles_total"), 6);
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "node#1, node#6"); /* and of those around objects */
    ck_assert_str_eq(ids(fake_at(json, "cycles.0.objects")), "node#6");
    ck_assert_str_eq(ids(fake_at(json, "cycles.1.objects")), "node#1");
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(the_neighbourhood_of_objects_up_to_a_depth)
{
    uint64_t n[8];
    world w = with_cycles(_i, n);
    json_t *json = fake_json(w.t, "gcgraph", "--depth=0 node#4");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#4");
    ck_assert_uint_eq(fake_size(json, "edges"), 0);
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--depth=1 node#4");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#3 node#4");
    ck_assert_uint_eq(fake_size(json, "edges"), 2);
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "node#4"); /* two is the default */
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#3 node#4 node#5");
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "node#6, node#7");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#6 node#7");
    ck_assert_uint_eq(fake_size(json, "cycles"), 3);
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--cycles node#7"); /* what was asked for stays */
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#7");
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--garbage node#5");
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#5");
    ck_assert_uint_eq(fake_size(json, "cycles"), 0);
    json_decref(json);
    ck_assert_has(fake_json_failure(w.t, "gcgraph", "node#4, 16"), "is no object");
    ck_assert_has(fake_json_failure(w.t, "gcgraph", "--depth=x node#4"), "--depth wants a number");
    ck_assert_int_eq(fake_run(w.t, "gcgraph", "node#7"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "* node#7 rc=1 garbage at 0x");
    ck_assert_has(w.t->out.bytes, ": not reachable from outside {");
    world_free(&w);
}
END_TEST

static char *read_whole(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    return text;
}

/* Where a thousand hold the same object, or an object holds a thousand, it is no way from one of
 * these to another. */
START_TEST(the_neighbourhood_ends_at_hubs)
{
    enum { ITEMS = 0, ITEM_COUNT = 8, MANY = 1100, FOLLOWED = 1000 };
    static const fake_field fields[] = {FAKE_VECTOR("items", ITEMS, ITEM_COUNT)};
    static uint64_t items[MANY];
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = world_new(_i);
    uint64_t hub = new_node(&w, MANY), own = new_node(&w, 1);
    uint32_t bag = fake_type(w.space, "bag", 16, fields, 1);
    uint64_t registry = fake_new(w.heap, bag, 1, 0);
    for (unsigned i = 0; i < MANY; i++) {
        items[i] = new_node(&w, 1);
        fake_link(w.heap, items[i], NEXT, hub);
    }
    fake_vector(w.heap, registry, ITEMS, ITEM_COUNT, items, MANY);
    fake_link(w.heap, items[5], OTHER, own);
    uint64_t owner = new_node(&w, 1);
    fake_link(w.heap, owner, NEXT, registry);
    close(mkstemp(path));
    snprintf(line, sizeof line, "--dot=%s", path);
    json_t *json = ask(&w, "gcgraph", line, items[5]);
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#1 node#2 node#9 bag#3 node#1104");
    ck_assert_uint_eq(fake_size(json, "edges"), 4);
    ck_assert_uint_eq(fake_size(json, "not_followed"), 2);
    ck_assert_str_eq(fake_string(json, "not_followed.0.object"), "node#1");
    ck_assert_int_eq(fake_integer(json, "not_followed.0.referrers"), MANY - 1);
    ck_assert_int_eq(fake_integer(json, "not_followed.0.referents"), 0);
    ck_assert_str_eq(fake_string(json, "not_followed.1.object"), "bag#3");
    ck_assert_int_eq(fake_integer(json, "not_followed.1.referrers"), 0);
    ck_assert_int_eq(fake_integer(json, "not_followed.1.referents"), MANY - 1);
    json_decref(json);
    const char *dot = read_whole(path);
    ck_assert_has(dot, "label=\"1099 more\"];\n  t0 -> n0 [style=dotted];\n");
    ck_assert_has(dot, "label=\"1099 more\"];\n  n");
    unlink(path);
    json = ask(&w, "gcgraph", "--limit=0", items[5]);
    ck_assert_uint_eq(fake_size(json, "nodes"), MANY + 4);
    ck_assert_ptr_null(fake_at(json, "not_followed"));
    json_decref(json);
    /* it ends there in any case */
    json = ask(&w, "gcgraph", "--depth=1", items[5]);
    ck_assert_ptr_null(fake_at(json, "not_followed"));
    json_decref(json);
    /* straight on it is followed, as far as that can be shown */
    json = ask(&w, "gcgraph", "--limit=1", owner);
    ck_assert_int_eq(fake_integer(json, "nodes_total"), FOLLOWED + 2);
    ck_assert_str_eq(fake_string(json, "not_followed.0.object"), "bag#3");
    ck_assert_int_eq(fake_integer(json, "not_followed.0.referents"), MANY - FOLLOWED);
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--depth=1 --limit=1 #1, #2");
    ck_assert_int_eq(fake_integer(json, "nodes_total"), FOLLOWED + 2);
    ck_assert_int_eq(fake_integer(json, "not_followed.0.referrers"), MANY - FOLLOWED);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", "--limit=1 #9"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "not followed (--limit=0 follows all):\n"
                                  "  1099 references to node#1 ");
    ck_assert_has(w.t->out.bytes, "\n  … 1 more object (--limit=0 shows all)\n");
    world_free(&w);
}
END_TEST

START_TEST(who_holds_a_cycle)
{
    uint64_t n[8];
    world w = with_cycles(_i, n);
    fake_map(w.t, 0x610000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x610000000000, n[6], 8);
    fake_root(w.heap, 0x610000000000, "main::self");
    fake_put(w.t, 0x610000000008, n[1], 8);
    fake_root(w.heap, 0x610000000008, "stale root"); /* holds no count: changes nothing */
    json_t *json = fake_json(w.t, "gcgraph", "");
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
    ck_assert_uint_eq(fake_size(json, "cycles.3.held_by"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.kind"), "root");
    ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.name"), "main::self");
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(words_that_no_field_declares_hold_a_cycle)
{
    uint64_t n[8];
    world w = with_cycles(_i, n);
    fake_link(w.heap, n[7], BLIND, n[6] + 24);
    fake_link(w.heap, n[6], BLIND, n[6]); /* of a member */
    fake_link(w.heap, n[3], BLIND, n[1]); /* garbage all the same */
    fake_link(w.heap, n[5], BLIND, n[4]); /* fields explain its counts */
    for (int i = 0; i < 2; i++) {         /* the second from what is kept */
        json_t *json = fake_json(w.t, "gcgraph", "");
        ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
        ck_assert_uint_eq(fake_size(json, "cycles.0.held_by"), 0);
        ck_assert_uint_eq(fake_size(json, "cycles.2.held_by"), 1);
        ck_assert_uint_eq(fake_size(json, "cycles.3.held_by"), 2);
        ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.kind"), "undeclared");
        ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.from"), "node#6");
        ck_assert_int_eq(fake_integer(json, "cycles.3.held_by.0.offset"), 0);
        ck_assert_str_eq(fake_string(json, "cycles.3.held_by.1.from"), "node#7");
        ck_assert_int_eq(fake_integer(json, "cycles.3.held_by.1.offset"), 24);
        json_decref(json);
    }
    json_t *json = fake_json(w.t, "gcgraph", "--limit=1 #6");
    ck_assert_uint_eq(fake_size(json, "cycles.0.held_by"), 1);
    ck_assert_int_eq(fake_integer(json, "cycles.0.held_by_total"), 2);
    json_decref(json);
    fake_link(w.heap, n[6], BLIND, 0); /* by hand: what is kept is not believed */
    json = fake_json(w.t, "refs", "#6");
    ck_assert_uint_eq(fake_size(json, "referrers"), 2); /* its own field, and the word of node#7 */
    json_decref(json);
    fake_link(w.heap, n[7], BLIND, 0);
    json = fake_json(w.t, "gcgraph", "");
    ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.kind"), "lost");
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(an_immortal_or_dying_member_holds_its_cycle_and_nothing_is_lost)
{
    uint64_t n[8];
    world w = with_cycles(_i, n);
    fake_immortal(w.heap, n[6]);
    fake_dying(w.heap, n[2], 1);
    json_t *json = fake_json(w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 4);
    ck_assert_str_eq(fake_string(json, "cycles.1.verdict"), "held");
    ck_assert_str_eq(fake_string(json, "cycles.1.held_by.0.kind"), "dying");
    ck_assert_str_eq(fake_string(json, "cycles.1.held_by.0.from"), "node#2");
    /* node#7.next, by the way: it is garbage */
    ck_assert_str_eq(fake_string(json, "cycles.1.held_by.1.kind"), "field");
    ck_assert_str_eq(fake_string(json, "cycles.3.verdict"), "held");
    ck_assert_uint_eq(fake_size(json, "cycles.3.held_by"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.kind"), "immortal");
    ck_assert_str_eq(fake_string(json, "cycles.3.held_by.0.from"), "node#6");
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", ""), RHI_ANSWERED);
    ck_assert_has_not(w.t->out.bytes, "whose owner");
    ck_assert_has(w.t->out.bytes, "node#6");
    world_free(&w);
}
END_TEST

START_TEST(only_the_heap_that_was_asked_for)
{
    uint64_t n[8];
    world w = with_cycles(_i, n);
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    uint64_t a = fake_new(second, w.node, 1, 0);
    fake_link(second, a, NEXT, a);
    json_t *json = fake_json(w.t, "gcgraph", "--heap=2");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(ids(fake_at(json, "nodes")), "node#8");
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 5);
    json_decref(json);
    ck_assert_has(fake_json_failure(w.t, "gcgraph", "--heap=3"), "there is no heap 3");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(limits_cut_every_list_and_leave_totals)
{
    world w = world_new(_i);
    uint64_t first = 0, last = 0;
    for (unsigned i = 0; i < 30; i++) {
        uint64_t a = new_node(&w, 1);
        fake_link(w.heap, a, OTHER, a);
        if (last)
            fake_link(w.heap, last, NEXT, a);
        first = first ? first : a;
        last = a;
    }
    json_t *json = fake_json(w.t, "gcgraph", "--limit=4");
    ck_assert_uint_eq(fake_size(json, "nodes"), 4);
    ck_assert_int_eq(fake_integer(json, "nodes_total"), 30);
    ck_assert_uint_eq(fake_size(json, "edges"), 4);
    ck_assert_int_eq(fake_integer(json, "edges_total"), 59);
    ck_assert_uint_eq(fake_size(json, "cycles"), 4);
    ck_assert_int_eq(fake_integer(json, "cycles_total"), 30);
    json_decref(json);
    fake_link(w.heap, last, NEXT, first); /* one cycle of 30 */
    fake_link(w.heap, first, OTHER, 0);
    w.t->state++;
    json = fake_json(w.t, "gcgraph", "--limit=4");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_uint_eq(fake_size(json, "cycles.0.objects"), 4);
    ck_assert_int_eq(fake_integer(json, "cycles.0.objects_total"), 30);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", "--limit=4"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "… 26 more … → node#1\n");
    world_free(&w);
}
END_TEST

START_TEST(a_picture_names_objects_references_and_colours)
{
    uint64_t n[8];
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = with_cycles(_i, n);
    close(mkstemp(path));
    fake_put_text(w.t,
                  fake_get(w.t, fake_type_row(w.space, w.node) + w.space->c[RH_MC_type_name], 8),
                  "n\"\\e", 5);
    fake_immortal(w.heap, n[6]);
    fake_link(w.heap, n[3], WEAK, n[6]);
    snprintf(line, sizeof line, "--dot=%s #3, #1, #6", path);
    json_t *json = fake_json(w.t, "gcgraph", line);
    ck_assert_int_eq(fake_integer(json, "left_out"), 0);
    json_decref(json);
    const char *dot = read_whole(path);
    ck_assert_has(dot, "digraph refheap {");
    ck_assert_has(dot, "n0 [fillcolor=\"#aecbfa\", peripheries=2, style=\"filled,rounded,dashed\"");
    ck_assert_has(dot, "label=\"n\\\"\\\\e#1\\ncount 2, garbage\\n{");
    ck_assert_has(dot, "n1 [fillcolor=\"#aecbfa\", style=\"filled,rounded,dashed\"");
    ck_assert_has(dot, "label=\"n\\\"\\\\e#2\\ncount 1, garbage\\n{");
    ck_assert_has(dot, "n2 [fillcolor=\"#aecbfa\", peripheries=2, label=");
    ck_assert_has(dot, "#6\\nimmortal");
    ck_assert_has(dot,
                  "n0 -> n1 [label=\" next \", tooltip=\"next\", labeltooltip=\"next\", penwidth=");
    ck_assert_has(
        dot, "n2 -> n5 [label=\" weak \", tooltip=\"weak\", labeltooltip=\"weak\", style=dashed];");
    ck_assert_has(dot, "<td bgcolor=\"#aecbfa\">n&quot;\\e</td>");
    ck_assert_has(dot + strlen(dot) - 2, "}\n");
    ck_assert_has(fake_json_failure(w.t, "gcgraph", "--dot=/nonexistent/x #3"),
                  "cannot write /nonexistent/x");
    unlink(path);
    world_free(&w);
}
END_TEST

START_TEST(a_large_picture_is_cut_and_says_so)
{
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = world_new(_i);
    close(mkstemp(path));
    for (unsigned i = 0; i < 130; i++) {
        uint64_t a = new_node(&w, 1);
        fake_link(w.heap, a, NEXT, a);
    }
    snprintf(line, sizeof line, "--dot=%s", path);
    json_t *json = fake_json(w.t, "gcgraph", line);
    ck_assert_int_eq(fake_integer(json, "left_out"), 30);
    json_decref(json);
    const char *dot = read_whole(path);
    ck_assert_has(dot, "30 more objects are left out");
    unsigned below =
        0; /* parts that nothing connects make eight columns, and no row of a hundred */
    for (const char *at = dot; (at = strstr(at, "[style=invis]")); at++)
        below++;
    ck_assert_uint_eq(below, 92);
    unlink(path);
    world_free(&w);
}
END_TEST

/* The widths and heights of a picture of an object that holds many, and of one that many hold. */
static void draw_fan(int layout, unsigned count, bool is_below, double size[2], unsigned *spread)
{
    enum { ITEMS = 0, ITEM_COUNT = 8, MOST = 99 };
    static const fake_field fields[] = {FAKE_VECTOR("items", ITEMS, ITEM_COUNT)};
    static uint64_t items[MOST];
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = world_new(layout);
    uint32_t bag = fake_type(w.space, "bag", 16, fields, 1);
    uint64_t one = is_below ? fake_new(w.heap, bag, 1, 0) : new_node(&w, count);
    for (unsigned i = 0; i < count; i++) {
        items[i] = new_node(&w, 1);
        if (!is_below)
            fake_link(w.heap, items[i], NEXT, one);
    }
    if (is_below)
        fake_vector(w.heap, one, ITEMS, ITEM_COUNT, items, count);
    close(mkstemp(path));
    snprintf(line, sizeof line, "--limit=2 --dot=%s", path);
    json_decref(ask(&w, "gcgraph", line, one));
    *spread = 0;
    for (const char *at = read_whole(path); (at = strstr(at, "minlen=")); at++)
        ++*spread;
    snprintf(line, sizeof line, "--limit=2 --svg=%s", path);
    json_decref(ask(&w, "gcgraph", line, one));
    const char *svg = strstr(read_whole(path), "<svg width=");
    ck_assert_ptr_nonnull(svg);
    ck_assert_int_eq(sscanf(svg, "<svg width=\"%lfpt\" height=\"%lfpt\"", &size[0], &size[1]), 2);
    unlink(path);
    world_free(&w);
}

/* Side by side they are a strip that nobody can read. --limit is about lists. */
START_TEST(many_that_one_object_holds_stand_in_rows)
{
    enum { MANY = 99, FEW = 6 };
    double size[2];
    unsigned spread;
    for (int is_below = 0; is_below < 2; is_below++) {
        draw_fan(_i, MANY, is_below, size, &spread);
        ck_assert_uint_eq(spread, MANY);
        ck_assert_msg(size[0] < 6 * size[1], "%g wide, %g high", size[0], size[1]);
        draw_fan(_i, FEW, is_below, size, &spread);
        ck_assert_uint_eq(spread, 0);
    }
}
END_TEST

START_TEST(a_picture_says_what_was_not_read)
{
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = world_new(_i);
    uint64_t a = new_node(&w, 2);
    fake_link(w.heap, a, NEXT, a);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    close(mkstemp(path));
    snprintf(line, sizeof line, "--dot=%s", path);
    for (unsigned has_hole = 0; has_hole < 2; has_hole++) {
        w.t->hole_start = has_hole ? 0x7ffe00001800 : 0;
        w.t->hole_end = has_hole ? 0x7ffe00001808 : 0;
        w.t->state++;
        ck_assert_int_eq(fake_run(w.t, "gcgraph", line), RHI_ANSWERED);
        const char *dot = read_whole(path);
        ck_assert(!strstr(dot, "incomplete: ") == !has_hole);
        ck_assert(!strstr(dot, "undecided: not everything could be searched") == !has_hole);
    }
    unlink(path);
    world_free(&w);
}
END_TEST

START_TEST(long_labels_are_cut_and_whole_in_the_tooltip)
{
    char path[] = "/tmp/refheap-test-XXXXXX", line[128], name[100] = {0};
    world w = world_new(_i);
    close(mkstemp(path));
    memset(name, 'n', sizeof name - 1);
    const fake_field fields[] = {FAKE_STRONG(name, 0)};
    uint32_t type = fake_type(w.space, name, 16, fields, 1);
    uint64_t a = fake_new(w.heap, type, 1, 0);
    fake_link(w.heap, a, 0, a);
    snprintf(line, sizeof line, "--dot=%s #1", path);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", line), RHI_ANSWERED);
    const char *dot = read_whole(path);
    ck_assert_has(dot, "label=\"nnnnnnnnnnnnnnnnnnnnnnnnnnn…#1\\ncount 1");
    ck_assert_has(dot, "n0 -> n0 [label=\" nnnnnnnnnnnnnnnnnnnnn… \", tooltip=\"n");
    snprintf(line, sizeof line, "tooltip=\"%s", name);
    ck_assert_has(dot, line);
    ck_assert_has(dot, "<td bgcolor=\"#aecbfa\">nnnnnnnnnnnnnnnnnnnnnnnnnnnnn…</td>");
    unlink(path);
    world_free(&w);
}
END_TEST

/* A picture stays small however many references there are: those between the same two objects are
 * one edge. */
START_TEST(the_edges_of_a_picture_are_merged_and_cut)
{
    enum { ITEMS = 0, ITEM_COUNT = 8, MANY = 20000, AROUND = 90 };
    static const fake_field fields[] = {FAKE_VECTOR("items", ITEMS, ITEM_COUNT)};
    static uint64_t items[MANY];
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = world_new(_i);
    uint32_t bag = fake_type(w.space, "bag", 16, fields, 1);
    uint64_t one = fake_new(w.heap, bag, 1, 0), null = new_node(&w, 1), n[AROUND];
    close(mkstemp(path));
    fake_immortal(w.heap, null);
    for (unsigned i = 0; i < MANY; i++)
        items[i] = null;
    fake_vector(w.heap, one, ITEMS, ITEM_COUNT, items, MANY);
    snprintf(line, sizeof line, "--dot=%s bag#1", path);
    json_t *json = fake_json(w.t, "gcgraph", line);
    ck_assert_int_eq(fake_integer(json, "edges_left_out"), 0);
    json_decref(json);
    ck_assert_has(read_whole(path), "n0 -> n1 [label=\" items[0] \\n and 19999 more \",");
    for (unsigned i = 0; i < AROUND; i++)
        n[i] = new_node(&w, 2);
    for (unsigned i = 0; i < AROUND; i++)
        for (unsigned k = 0; k < 4; k++) /* each to four others */
            fake_link(w.heap, n[i], 8 * k, n[(i + 1 + k) % AROUND]);
    w.t->state++;
    snprintf(line, sizeof line, "--depth=100 --dot=%s node#3", path);
    json = fake_json(w.t, "gcgraph", line);
    ck_assert_int_eq(fake_integer(json, "edges_left_out"), 4 * AROUND - 300);
    json_decref(json);
    const char *dot = read_whole(path);
    ck_assert_has(dot, "60 more references are left out");
    unsigned edges = 0;
    for (const char *at = dot; (at = strstr(at, " -> ")); at++)
        edges++;
    for (const char *at = dot; (at = strstr(at, "[style=invis]")); at++)
        edges--; /* it only sets parts below each other */
    ck_assert_uint_eq(edges, 300);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "the picture leaves 60 references between its objects out");
    unlink(path);
    world_free(&w);
}
END_TEST

/* What is garbage keeps nothing: whoever looks for the one to let go wants the other first. */
START_TEST(of_the_holders_of_a_cycle_live_ones_come_first)
{
    enum { GARBAGE = 20 };
    static const unsigned limits[] = {0, 2, 5};
    world w = world_new(_i);
    uint64_t garbage[GARBAGE];
    for (unsigned i = 0; i < GARBAGE; i++)
        garbage[i] = new_node(&w, 1);
    uint64_t one = new_node(&w, GARBAGE + 2), two = new_node(&w, 1),
             live = new_node(&w, 1); /* with a count of its own */
    for (unsigned i = 0; i < GARBAGE; i++) {
        fake_link(w.heap, garbage[i], NEXT, garbage[(i + 1) % GARBAGE]);
        fake_link(w.heap, garbage[i], OTHER, one);
    }
    fake_link(w.heap, one, NEXT, two);
    fake_link(w.heap, two, NEXT, one);
    fake_link(w.heap, live, NEXT, one);
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        char line[80];
        snprintf(line, sizeof line, "--cycles --limit=%u", limits[i]);
        json_t *json = fake_json(w.t, "gcgraph", line);
        ck_assert_uint_eq(fake_size(json, "cycles"), 2);
        ck_assert_str_eq(fake_string(json, "cycles.1.verdict"), "held");
        ck_assert_uint_eq(fake_size(json, "cycles.1.held_by"), limits[i] ? limits[i] : GARBAGE + 1);
        ck_assert_str_eq(fake_string(json, "cycles.1.held_by.0.from"), id_of(&w, live));
        ck_assert_str_eq(fake_string(json, "cycles.1.held_by.1.from"), id_of(&w, garbage[0]));
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_gcgraph", a_field_that_leads_to_nobody_is_no_reference,
          every_cycle_has_a_verdict, garbage_cycles_come_first,
          the_neighbourhood_of_objects_up_to_a_depth, the_neighbourhood_ends_at_hubs,
          who_holds_a_cycle, of_the_holders_of_a_cycle_live_ones_come_first,
          words_that_no_field_declares_hold_a_cycle,
          an_immortal_or_dying_member_holds_its_cycle_and_nothing_is_lost,
          only_the_heap_that_was_asked_for, limits_cut_every_list_and_leave_totals,
          a_picture_names_objects_references_and_colours, a_large_picture_is_cut_and_says_so,
          many_that_one_object_holds_stand_in_rows, a_picture_says_what_was_not_read,
          long_labels_are_cut_and_whole_in_the_tooltip, the_edges_of_a_picture_are_merged_and_cut)
