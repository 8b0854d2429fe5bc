/* inspect_tree.c - trees of references, what bounds them, the ledger in words, and what is shown
 * how: colours, ASCII, polls; and memory that is written by hand between two questions. */
#include "inspect_test.h"

#include <unistd.h>

static const uint64_t module = 0x400000000000, stack = 0x7ffe00000000;

static void add_program(world *w)
{
    fake_module(w->t, module, "/usr/bin/program", 0x1000, 0x1000, 0);
    fake_map(w->t, stack, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w->t, 321, stack + 0x1000);
}

static const char *text(const world *w, const char *command, const char *line)
{
    ck_assert_msg(fake_run(w->t, command, line) == RHI_ANSWERED, "%s %s: %s", command, line,
                  w->t->err.bytes);
    return w->t->out.bytes;
}

/* 1 -> 2 -> 1, 2 -> 3, 1 weakly to 3; 4 -> 1; 5 <-> 6 garbage. A local holds 1. */
static world with_tree(int layout, uint64_t *n)
{
    static const unsigned counts[] = {3, 1, 1, 1, 1, 1};
    world w = world_new(layout);
    add_program(&w);
    for (unsigned i = 0; i < 6; i++)
        n[i + 1] = new_node(&w, counts[i]);
    fake_link(w.heap, n[1], NEXT, n[2]);
    fake_link(w.heap, n[2], NEXT, n[1]);
    fake_link(w.heap, n[2], OTHER, n[3]);
    fake_link(w.heap, n[1], BACK, n[3]);
    fake_link(w.heap, n[4], NEXT, n[1]);
    fake_link(w.heap, n[5], NEXT, n[6]);
    fake_link(w.heap, n[6], OTHER, n[5]);
    fake_put(w.t, stack + 0x1800, n[1], 8);
    fake_name(w.t, stack + 0x1800, RHI_WORD_LOCAL, "main::a", "frame 0");
    return w;
}

START_TEST(a_tree_shows_what_is_below_and_above_with_back_references)
{
    uint64_t n[7];
    world w = with_tree(_i, n);
    const char *out = text(&w, "gcgraph", "node#1");
    ck_assert_has(out, "┌─ node#2.next");
    ck_assert_has(out, "├─ node#4.next");
    ck_assert_has(out, "├─ local 'a' in main()");
    ck_assert_has(out, "* node#1 rc=3 at 0x");
    ck_assert_has(out, "\n├─ .next → node#2 rc=1 {value: 0, next: node#1, other: node#3}\n│  ├─ "
                       ".next → ↺ node#1\n│  └─ .other → node#3 rc=1 {value: 0}\n"
                       "└─ .back ⇢ node#3 rc=1 borrowed {value: 0}\n");
    out = text(&w, "gcgraph", "--depth=1 node#1");
    ck_assert_has(out,
                  "\n├─ .next → node#2 rc=1 {value: 0, next: node#1, other: node#3}\n└─ .back ⇢");
    out = text(&w, "gcgraph", "--depth=0 node#1");
    ck_assert_has_not(out, "─ .next →");
    out = text(&w, "gcgraph", "node#5, node#6"); /* each asked-for object has its own tree */
    ck_assert_has(out, "* node#5 rc=1 garbage at 0x");
    ck_assert_has(out,
                  ": not reachable from outside {value: 0, next: node#6}\n└─ .next → ↺ node#6\n");
    ck_assert_has(out,
                  ": not reachable from outside {value: 0, other: node#5}\n└─ .other → ↺ node#5\n");
    setenv("LC_ALL", "C", 1);
    out = text(&w, "gcgraph", "node#1");
    ck_assert_has(
        out,
        "\n|- .next -> node#2 rc=1 {value: 0, next: node#1, other: node#3}\n|  |- .next -> ^ "
        "node#1\n"
        "|  `- .other -> node#3 rc=1 {value: 0}\n`- .back ~> node#3 rc=1 borrowed {value: 0}\n");
    for (const char *c = out; *c; c++)
        MUST((unsigned char)*c < 0x80);
    setenv("LC_ALL", "", 1); /* empty: as if it were not set */
    setenv("LC_CTYPE", "de_DE.utf8", 1);
    ck_assert_has(text(&w, "gcgraph", "node#1"), "↺ node#1");
    world_free(&w);
}
END_TEST

START_TEST(a_wide_object_shows_head_and_tail_of_what_it_holds)
{
    enum { SLOTS = 50 };
    world w = world_new(_i);
    const fake_field fields[] = {{.name = "slot",
                                  .kind = RH_KIND_STRONG,
                                  .form = RH_FORM_ARRAY,
                                  .width = 8,
                                  .count = SLOTS,
                                  .stride = 8}};
    uint32_t type = fake_type(w.space, "wide", SLOTS * 8, fields, 1);
    uint64_t wide = fake_new(w.heap, type, 1, 0);
    for (unsigned i = 0; i < SLOTS; i++)
        fake_link(w.heap, wide, i * 8, new_node(&w, 1));
    const char *out = text(&w, "gcgraph", "--limit=5 wide#1");
    ck_assert_has(
        out, "├─ .slot[0] → node#2 rc=1 {value: 0}\n├─ .slot[1] → node#3 rc=1 {value: 0}\n├─ "
             ".slot[2] → node#4 rc=1 {value: 0}\n├─ … 45 more\n"
             "├─ .slot[48] → node#50 rc=1 {value: 0}\n└─ .slot[49] → node#51 rc=1 {value: 0}\n");
    ck_assert_has(text(&w, "gcgraph", "--limit=1 wide#1"),
                  "├─ .slot[0] → node#2 rc=1 {value: 0}\n└─ … 49 more\n");
    out = text(&w, "gcgraph", "--limit=0 wide#1");
    ck_assert_has(out, "├─ .slot[24] → node#26 rc=1 {value: 0}\n");
    ck_assert_has_not(out, "… 45 more\n");
    json_t *json = fake_json(w.t, "gcgraph", "--limit=5 wide#1");
    ck_assert_uint_eq(fake_size(json, "nodes"), 5);
    ck_assert_int_eq(fake_integer(json, "nodes_total"), SLOTS + 1);
    ck_assert_int_eq(fake_integer(json, "edges_total"), SLOTS);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_long_chain_is_drawn_without_end_of_stack_or_output)
{
    enum { LENGTH = 3000 };
    world w = world_new(_i);
    uint64_t last = 0;
    for (unsigned i = 0; i < LENGTH; i++) {
        uint64_t a = new_node(&w, 1);
        if (last)
            fake_link(w.heap, last, NEXT, a);
        last = a;
    }
    const char *out = text(&w, "gcgraph", "--depth=1000000 node#1");
    ck_assert_has(out, "… what 1 of these hold is left out");
    ck_assert_has_not(out, "node#300 ");
    ck_assert_has(text(&w, "gcgraph", "--depth=1000000 --limit=0 node#1"),
                  "→ node#3000 rc=1 {value: 0}\n");
    ck_assert_has(text(&w, "refs", "--in --depth=1000000 --limit=0 node#3000"), "node#1.next");
    json_t *json = fake_json(w.t, "refs", "--depth=100 node#3000");
    const json_t *row = fake_at(json, "referrers.0");
    char id[24];
    for (unsigned i = 1; i < 100; i++, row = fake_at(row, "referrers.0")) {
        snprintf(id, sizeof id, "node#%u", LENGTH - i);
        ck_assert_str_eq(fake_string(row, "from"), id);
    }
    ck_assert_str_eq(fake_string(row, "from"), "node#2900");
    ck_assert_uint_eq(fake_size(row, "referrers"), 0);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(referrers_of_referrers_to_a_depth)
{
    uint64_t n[7];
    world w = with_tree(_i, n);
    json_t *json = fake_json(w.t, "refs", "node#3");
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    ck_assert_ptr_null(fake_at(json, "referrers.0.referrers"));
    json_decref(json);
    json = fake_json(w.t, "refs", "--depth=3 node#3");
    ck_assert_str_eq(fake_string(json, "referrers.0.from"), "node#2");
    ck_assert_str_eq(fake_string(json, "referrers.0.referrers.0.from"), "node#1");
    ck_assert_uint_eq(fake_size(json, "referrers.0.referrers.0.referrers"), 3);
    ck_assert_str_eq(fake_string(json, "referrers.0.referrers.0.referrers.0.from"), "node#2");
    ck_assert(json_is_true(fake_at(json, "referrers.0.referrers.0.referrers.0.seen_above")));
    ck_assert_str_eq(fake_string(json, "referrers.0.referrers.0.referrers.1.from"), "node#4");
    ck_assert_str_eq(fake_string(json, "referrers.0.referrers.0.referrers.2.name"), "main::a");
    ck_assert_str_eq(fake_string(json, "referrers.0.referrers.0.referrers.2.kind"), "local");
    json_decref(json);
    json = fake_json(w.t, "refs", "--depth=3 --limit=2 node#3");
    ck_assert_uint_eq(fake_size(json, "referrers.0.referrers.0.referrers"), 2);
    ck_assert_int_eq(fake_integer(json, "referrers.0.referrers.0.referrers_total"), 3);
    json_decref(json);
    const char *out = text(&w, "refs", "--in --depth=3 node#3");
    ck_assert_has(out, "\n  node#2.other");
    ck_assert_has(out, "\n    node#1.next");
    ck_assert_has(out, "\n      node#2.next");
    ck_assert_has(out, "\n        [seen above]\n      node#4.next");
    ck_assert_has(out, "\n      local 'a' in main()");
    ck_assert_has(fake_json_failure(w.t, "refs", "--depth=-1 node#3"), "--depth wants a number");
    world_free(&w);
}
END_TEST

START_TEST(referrers_are_the_same_with_and_without_a_graph)
{
    enum { OBJECTS = 60 };
    world w = world_new(_i);
    add_program(&w);
    uint64_t n[OBJECTS], random = 7 + (unsigned)_i;
    for (unsigned i = 0; i < OBJECTS; i++)
        n[i] = new_node(&w, 3);
    for (unsigned i = 0; i < OBJECTS; i++) {
        static const uint64_t at[] = {NEXT, OTHER, WEAK, BACK, BLIND};
        for (unsigned f = 0; f < 5; f++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint64_t to = n[(random >> 33) % OBJECTS];
            if ((random >> 60) % 3)
                fake_link(w.heap, n[i], at[f], at[f] == BLIND ? to + (random >> 20) % 40 : to);
        }
    }
    fake_dying(w.heap, n[5], 1);
    fake_immortal(w.heap, n[6]);
    for (unsigned i = 0; i < OBJECTS; i++)
        for (unsigned weak = 0; weak < 2; weak++) {
            w.t->state++;
            json_t *scanned = ask(&w, "refs", weak ? "--weak" : "", n[i]);
            json_decref(fake_json(w.t, "gcgraph", ""));
            json_t *looked_up = ask(&w, "refs", weak ? "--weak" : "", n[i]);
            MUST(json_equal(scanned, looked_up));
            json_decref(scanned);
            json_decref(looked_up);
        }
    world_free(&w);
}
END_TEST

START_TEST(memory_written_by_hand_is_noticed_where_it_is_read_again)
{
    uint64_t n[7];
    world w = with_tree(_i, n);
    json_t *json = fake_json(w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 2);
    json_decref(json);
    fake_link(w.heap, n[5], NEXT, n[4]); /* no other state: nobody told */
    json = fake_json(w.t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    json_decref(json);
    /* as gcleaks says */
    ck_assert_has(text(&w, "gcgraph", "node#6"), "* node#6 rc=1 lost_reference at ");
    ck_assert_has(w.t->out.bytes, "node#5 rc=1 dependent {");
    json = fake_json(w.t, "gcgraph", "node#6 --depth=1");
    for (size_t i = 0; i < fake_size(json, "nodes"); i++) {
        const json_t *node = json_array_get(fake_at(json, "nodes"), i);
        const char *id = json_string_value(json_object_get(node, "id"));
        ck_assert_str_eq(json_string_value(json_object_get(node, "leaked")),
                         strcmp(id, "node#6") == 0 ? "lost_reference" : "dependent");
    }
    ck_assert_uint_gt(fake_size(json, "nodes"), 1);
    json_decref(json);
    fake_link(w.heap, n[6], NEXT, n[6]);
    ck_assert_has(text(&w, "gcgraph", "node#6"), "* node#6 rc=1 garbage at ");
    fake_link(w.heap, n[4], NEXT, 0);
    json = fake_json(w.t, "refs", "node#1");
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), 1);
    json_decref(json);
    fake_link(w.heap, n[2], NEXT, 0);
    ck_assert_has(text(&w, "gcgraph", "node#2"), "0 cycles");
    ck_assert_has_not(w.t->out.bytes, "↺");
    unsigned long calls = w.t->region_calls;
    json_decref(fake_json(w.t, "gcgraph", ""));
    ck_assert_uint_eq(w.t->region_calls, calls); /* nothing changed: from the cache */
    world_free(&w);
}
END_TEST

START_TEST(a_large_cycle_costs_what_is_shown_of_it)
{
    enum { RING = 5000, OUTSIDE = 60 };
    world w = world_new(_i);
    uint64_t *ring = calloc(RING, sizeof *ring);
    for (unsigned i = 0; i < RING; i++)
        ring[i] = new_node(&w, 1);
    for (unsigned i = 0; i < RING; i++)
        fake_link(w.heap, ring[i], NEXT, ring[(i + 1) % RING]);
    for (unsigned i = 0; i < OUTSIDE; i++) {
        uint64_t outside = new_node(&w, 1);
        fake_link(w.heap, outside, NEXT, ring[RING - 1 - i]);
        fake_count(w.heap, ring[RING - 1 - i], 2);
    }
    json_t *json = fake_json(w.t, "gcgraph", "--limit=7");
    ck_assert_int_eq(fake_integer(json, "nodes_total"), RING);
    ck_assert_int_eq(fake_integer(json, "edges_total"), RING);
    ck_assert_int_eq(fake_integer(json, "cycles.0.objects_total"), RING);
    ck_assert_uint_eq(fake_size(json, "cycles.0.held_by"), 7);
    ck_assert_int_eq(fake_integer(json, "cycles.0.held_by_total"), OUTSIDE);
    ck_assert_ptr_null(fake_at(json, "cycles.0.held_by_is_at_least"));
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--limit=100");
    ck_assert_uint_eq(fake_size(json, "cycles.0.held_by"), OUTSIDE);
    ck_assert_str_eq(fake_string(json, "cycles.0.held_by.0.from"), "node#5001");
    json_decref(json);
    ck_assert_has(text(&w, "gcgraph", "--limit=3"), ".next → … 4997 more … → node#1\n");
    free(ring);
    world_free(&w);
}
END_TEST

START_TEST(the_ledger_in_words)
{
    uint64_t n[7];
    world w = with_tree(_i, n);
    const char *out = text(&w, "refs", "node#1");
    ck_assert_has(out, "ledger: 3 counts: 2 fields, 1 local; nothing unexplained\n");
    ck_assert_has_not(out, "garbage"); /* there is no graph to tell */
    fake_register(w.t, "rbx", n[1]);
    fake_put(w.t, module + FAKE_MODULE_DATA, n[1], 8);
    fake_put(w.t, stack + 0x1900, n[1] + 1, 8);
    w.t->state++;
    out = text(&w, "refs", "node#1");
    ck_assert_has(out, "3 counts: 2 fields, 1 global; nothing unexplained; also remembered by 3 "
                       "words: 1 local, 1 register, 1 unnamed stack word\n");
    out = text(&w, "refs", "--depth=2 node#5");
    ck_assert_has(out, "ledger: 1 count: 1 field; nothing unexplained\ngarbage: its only count "
                       "comes from inside\n");
    fake_link(w.heap, n[4], OTHER, n[4]);
    fake_count(w.heap, n[3], 3);
    fake_link(w.heap, n[6], NEXT, n[5]);
    fake_count(w.heap, n[5], 2);
    w.t->state++;
    ck_assert_has(
        text(&w, "refs", "--path node#5"),
        "2 counts: 2 fields; nothing unexplained\ngarbage: all 2 counts come from inside\n");
    ck_assert_has(text(&w, "refs", "--path node#4"), "garbage: its only count comes from inside\n");
    ck_assert_has(text(&w, "refs", "node#3"),
                  "3 counts: 1 field; 2 unexplained: no owner was found");
    /* the graph is there */
    ck_assert_has(text(&w, "objat", "--ledger node#5"), "garbage: all 2 counts come from inside\n");
    world_free(&w);
}
END_TEST

START_TEST(colours_only_where_they_are_shown)
{
    uint64_t n[7];
    world w = with_tree(_i, n);
    ck_assert_has_not(text(&w, "gcgraph", "node#5"), "\033");
    w.t->target.flags |= RHI_TARGET_COLOR;
    const char *out = text(&w, "gcgraph", "node#5");
    ck_assert_has(out, "* \033[1mnode#5\033[0m rc=1 \033[31mgarbage\033[0m at 0x");
    ck_assert_has(out, "→ \033[36mnode#6\033[0m");
    ck_assert_has(text(&w, "gcgraph", ""), "\033[32mheld\033[0m from outside");
    json_decref(fake_json(w.t, "gcgraph", "node#5"));
    ck_assert_ptr_null(strchr(w.t->out.bytes, 033));
    world_free(&w);
}
END_TEST

START_TEST(a_door_is_asked_no_oftener_than_it_wants_to_be)
{
    uint64_t n[7];
    world w = with_tree(_i, n);
    text(&w, "gcgraph", "");
    text(&w, "gcgraph", ""); /* what is cached needs no polls of its own */
    ck_assert_uint_gt(w.t->polls, 2);
    rhi_session_set(w.t->session, RHI_POLL_MILLISECONDS, 1000000);
    text(&w, "gcgraph", "");
    ck_assert_uint_eq(w.t->polls, 2); /* at once, and before it answers */
    world_free(&w);
}
END_TEST

START_TEST(a_picture_of_a_large_cycle_is_connected)
{
    enum { RING = 300 };
    char path[] = "/tmp/refheap-test-XXXXXX", line[96];
    world w = world_new(_i);
    uint64_t ring[RING];
    for (unsigned i = 0; i < RING; i++)
        ring[i] = new_node(&w, 1);
    for (unsigned i = 0; i < RING; i++) /* the next one lies far away */
        fake_link(w.heap, ring[i], NEXT, ring[(i + 101) % RING]);
    close(mkstemp(path));
    snprintf(line, sizeof line, "--dot=%s", path);
    ck_assert_has(text(&w, "gcgraph", line),
                  "the picture leaves 200 objects out: it shows the 100 nearest\n");
    FILE *file = fopen(path, "r");
    unsigned edges = 0;
    char row[512];
    while (fgets(row, sizeof row, file))
        edges += strstr(row, ", penwidth=2.2, color=") != NULL;
    fclose(file);
    unlink(path);
    ck_assert_uint_eq(edges, 99);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_tree", a_tree_shows_what_is_below_and_above_with_back_references,
          a_wide_object_shows_head_and_tail_of_what_it_holds,
          a_long_chain_is_drawn_without_end_of_stack_or_output, referrers_of_referrers_to_a_depth,
          referrers_are_the_same_with_and_without_a_graph,
          memory_written_by_hand_is_noticed_where_it_is_read_again,
          a_large_cycle_costs_what_is_shown_of_it, the_ledger_in_words,
          colours_only_where_they_are_shown, a_door_is_asked_no_oftener_than_it_wants_to_be,
          a_picture_of_a_large_cycle_is_connected)
