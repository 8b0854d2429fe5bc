/* inspect_refs.c - `refs`: every kind of referrer, referents, paths, and the arithmetic of the
 * ledger. */
#include "inspect_test.h"

enum { MODULE_BSS_OFFSET = 0x1000 };
static const uint64_t module = 0x400000000000, stack = 0x7ffe00000000, lone = 0x610000000000;

/* A program with data and bss, a stack of two pages and one thread. */
static void add_program(world *w)
{
    fake_module(w->t, module, "/usr/bin/program", 0x1000, 0x1000, 0);
    fake_map(w->t, stack, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_map(w->t, lone, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_thread(w->t, 321, stack + 0x1000);
}

static void check_ledger(const json_t *json, long long stored, long long fields, long long exact,
                         long long words, long long roots, long long unexplained)
{
    ck_assert_int_eq(fake_integer(json, "ledger.stored"), stored);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), fields);
    ck_assert_int_eq(fake_integer(json, "ledger.exact"), exact);
    ck_assert_int_eq(fake_integer(json, "ledger.words"), words);
    ck_assert_int_eq(fake_integer(json, "ledger.roots"), roots);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), unexplained);
}

/* One referrer row; address 0: null; from, name NULL: null. */
static void check_row(const json_t *json, unsigned row, const char *kind, const char *strength,
                      uint64_t address, const char *from, const char *name, long long offset)
{
    const json_t *r = json_array_get(fake_at(json, "referrers"), row);
    ck_assert_msg(r != NULL, "no referrer %u", row);
    ck_assert_str_eq(fake_string(r, "kind"), kind);
    ck_assert_str_eq(fake_string(r, "strength"), strength);
    if (address)
        ck_assert_str_eq(fake_string(r, "address"), text_of(address));
    else
        ck_assert(json_is_null(fake_at(r, "address")));
    if (from)
        ck_assert_str_eq(fake_string(r, "from"), from);
    else
        ck_assert(json_is_null(fake_at(r, "from")));
    if (name)
        ck_assert_str_eq(fake_string(r, "name"), name);
    else
        ck_assert(json_is_null(fake_at(r, "name")));
    ck_assert_int_eq(fake_integer(r, "offset"), offset);
}

START_TEST(every_kind_of_referrer_is_found_in_its_class)
{
    world w = world_new(_i);
    add_program(&w);
    uint64_t a = new_node(&w, 9), b = new_node(&w, 1), c = new_node(&w, 1);
    uint64_t data = module + FAKE_MODULE_DATA, bss = data + MODULE_BSS_OFFSET;
    fake_link(w.heap, b, NEXT, a);
    fake_link(w.heap, c, WEAK, a); /* owns a count of a */
    fake_link(w.heap, c, BACK, a); /* owns none */
    fake_link(w.heap, c, BLIND, a + 24);
    fake_put(w.t, lone + 8, a, 8);
    fake_root(w.heap, lone + 8, "cache");
    fake_root(w.heap, data + 0x30, "main::table"); /* in module data: a root, not a global */
    fake_put(w.t, data + 0x30, a, 8);
    fake_register(w.t, "rbx", a);
    fake_register(w.t, "r12", a + 4);
    fake_register(w.t, "rcx", b);
    fake_put(w.t, stack + 0x1000 - 128, a, 8);
    fake_put(w.t, stack + 0x1000 - 136, a, 8); /* below the red zone: not looked at */
    fake_put(w.t, stack + 0x1ff8, a + 1, 8);
    fake_put(w.t, data + 0x40, a, 8);
    fake_put(w.t, bss + 0x48, a, 8);
    fake_put(w.t, data + 0x54, a, 8); /* no word: not aligned */
    fake_name(w.t, stack + 0x1ff8, RHI_WORD_LOCAL, "main::p", "frame 2");
    fake_name(w.t, bss + 0x48, RHI_WORD_GLOBAL, "registry.slots[3]", "");
    json_t *json = ask(&w, "refs", "", a);
    ck_assert_uint_eq(fake_size(json, "referrers"), 11);
    check_row(json, 0, "field", "strong", fake_slot(w.space, b, NEXT), id_of(&w, b), "next", 0);
    check_row(json, 1, "field", "strong", fake_slot(w.space, c, WEAK), id_of(&w, c), "weak", 0);
    char plus[16];
    snprintf(plus, sizeof plus, "+%u", (unsigned)w.space->c[RH_MC_object_size] + BLIND);
    check_row(json, 2, "undeclared", "conservative", fake_slot(w.space, c, BLIND), id_of(&w, c),
              plus, 24);
    check_row(json, 3, "root", "strong", data + 0x30, NULL, "main::table", 0);
    check_row(json, 4, "root", "strong", lone + 8, NULL, "cache", 0);
    check_row(json, 5, "register", "conservative", 0, NULL, "r12", 4);
    check_row(json, 6, "register", "conservative", 0, NULL, "rbx", 0);
    check_row(json, 7, "stack", "conservative", stack + 0x1000 - 128, NULL, "sp-0x80", 0);
    check_row(json, 8, "local", "conservative", stack + 0x1ff8, NULL, "main::p", 1);
    ck_assert_int_eq(fake_integer(json, "referrers.8.frame"), 2);
    ck_assert_str_eq(fake_string(json, "referrers.8.function"), "main");
    ck_assert_int_eq(fake_integer(json, "referrers.8.thread"), 321);
    check_row(json, 9, "global", "conservative", data + 0x40, NULL, "program+0x1040", 0);
    check_row(json, 10, "global", "conservative", bss + 0x48, NULL, "registry.slots[3]", 0);
    check_ledger(json, 9, 2, 2, 7, 7, 0);
    json_decref(json);
    json = ask(&w, "refs", "--weak", a); /* now with the reference that owns nothing */
    ck_assert_uint_eq(fake_size(json, "referrers"), 12);
    check_row(json, 2, "field", "borrowed", fake_slot(w.space, c, BACK), id_of(&w, c), "back", 0);
    check_ledger(json, 9, 2, 2, 7, 7, 0);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(words_explain_counts_and_the_rest_remembers)
{
    /* stored, fields (a's are made by 3 nodes at most), registered roots, words -> roots,
     * unexplained */
    static const int rows[][6] = {{1, 0, 0, 0, 0, 1},  {1, 1, 0, 0, 0, 0},  {1, 1, 0, 2, 0, 0},
                                  {3, 1, 1, 1, 2, 0},  {3, 1, 1, 5, 2, 0},  {5, 1, 1, 1, 2, 2},
                                  {1, 3, 0, 0, 0, -2}, {1, 3, 0, 2, 0, -2}, {1, 1, 1, 0, 1, -1},
                                  {2, 3, 1, 1, 1, -2}, {4, 0, 2, 2, 4, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const int *r = rows[i];
        world w = world_new(_i);
        add_program(&w);
        uint64_t a = new_node(&w, (unsigned)r[0]);
        for (int k = 0; k < r[1]; k++)
            fake_link(w.heap, new_node(&w, 1), NEXT, a);
        for (int k = 0; k < r[2]; k++) {
            fake_put(w.t, lone + (uint64_t)k * 8, a, 8);
            fake_root(w.heap, lone + (uint64_t)k * 8, "root");
        }
        for (int k = 0; k < r[3]; k++)
            fake_put(w.t, module + FAKE_MODULE_DATA + (uint64_t)k * 16, a + (uint64_t)k, 8);
        json_t *json = ask(&w, "refs", "", a);
        check_ledger(json, r[0], r[1], r[2], r[3], r[4], r[5]);
        json_decref(json);
        ck_assert_int_eq(fake_run(w.t, "refs", "node#1"), RHI_ANSWERED);
        if (r[0] < r[1])
            ck_assert_has(w.t->out.bytes, "over-released: ");
        else if (r[5] < 0)
            ck_assert_has(w.t->out.bytes, "1 registered root more than counts");
        else if (r[5] > 0)
            ck_assert_has(w.t->out.bytes, " unexplained: no owner was found");
        else
            ck_assert_has(w.t->out.bytes, "nothing unexplained");
        if (r[3] > r[4] - r[2])
            ck_assert_has(w.t->out.bytes, "also remembered by ");
        else
            ck_assert_has_not(w.t->out.bytes, "also remembered by ");
        world_free(&w);
    }
}
END_TEST

START_TEST(immortals_and_dying_holders)
{
    world w = world_new(_i);
    add_program(&w);
    uint64_t a = new_node(&w, 1), dying = new_node(&w, 1);
    fake_link(w.heap, dying, NEXT, a);
    fake_dying(w.heap, dying, 1);
    json_t *json = ask(&w, "refs", "", a);
    /* shown, but its count is not one of a live object's */
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    check_ledger(json, 1, 0, 0, 0, 0, 1);
    json_decref(json);
    fake_immortal(w.heap, a);
    w.t->state++;
    json = ask(&w, "refs", "", a);
    ck_assert(json_is_null(fake_at(json, "ledger.stored")));
    ck_assert(json_is_null(fake_at(json, "ledger.unexplained")));
    json_decref(json);
    world_free(&w);
}
END_TEST

/* Nothing leads on from a lost object but its own fields, and where it was made. */
START_TEST(a_lost_object_s_next_step_is_the_object_itself)
{
    world w = world_new(_i);
    uint64_t lost = new_node(&w, 1), held = new_node(&w, 1);
    char line[64];
    snprintf(line, sizeof line, "0x%" PRIx64, lost);
    ck_assert_int_eq(fake_run(w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "nothing was found that holds it\n");
    ck_assert_has(w.t->out.bytes, "next: objat node#1: what it holds\n");
    ck_assert_has(w.t->out.bytes, "REFHEAP_OPTIONS=history=all,stacks=8");
    fake_link(w.heap, lost, NEXT, held);
    snprintf(line, sizeof line, "0x%" PRIx64, held);
    ck_assert_int_eq(fake_run(w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has_not(w.t->out.bytes, "next: ");
    fake_event(w.heap, RH_EVENT_ALLOC, lost, 1, w.node, RH_DEATH_NONE);
    w.t->state++;
    snprintf(line, sizeof line, "0x%" PRIx64, lost);
    ck_assert_int_eq(fake_run(w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "next: objat --history node#1: what it holds, and who made it\n");
    world_free(&w);
}
END_TEST

START_TEST(referents_and_directions)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 2), dead = new_node(&w, 1);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, a, OTHER, dead);
    fake_link(w.heap, a, WEAK, b);
    fake_link(w.heap, b, NEXT, a);
    json_t *json = ask(&w, "refs", "", a);
    ck_assert_uint_eq(fake_size(json, "referents"), 2);
    ck_assert_str_eq(fake_string(json, "referents.0.name"), "next");
    ck_assert_str_eq(fake_string(json, "referents.0.target"), id_of(&w, b));
    ck_assert_str_eq(fake_string(json, "referents.0.strength"), "strong");
    ck_assert_str_eq(fake_string(json, "referents.1.target"), id_of(&w, dead));
    ck_assert_str_eq(fake_string(json, "referents.1.target_status"), "freed");
    ck_assert_ptr_null(fake_at(json, "path"));
    json_decref(json);
    json = ask(&w, "refs", "--weak --out", a);
    ck_assert_uint_eq(fake_size(json, "referents"), 3);
    ck_assert_str_eq(fake_string(json, "referents.2.strength"), "weak");
    ck_assert_uint_eq(fake_size(json, "referrers"), 0);
    ck_assert(json_is_null(fake_at(json, "ledger")));
    json_decref(json);
    json = ask(&w, "refs", "--in", a);
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    ck_assert_uint_eq(fake_size(json, "referents"), 0);
    json_decref(json);
    json = ask(&w, "refs", "--in --out", a);
    ck_assert_uint_eq(fake_size(json, "referrers"), 1);
    ck_assert_uint_eq(fake_size(json, "referents"), 2);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(the_shortest_path_from_outside)
{
    world w = world_new(_i);
    add_program(&w);
    uint64_t n[6];
    for (unsigned i = 0; i < 6; i++)
        n[i] = new_node(&w, i == 4 ? 2 : 1);
    /* root -> 0 -> 1 -> 2 -> 4 and root -> 3 -> 4; 5 is alone with itself */
    fake_link(w.heap, n[0], NEXT, n[1]);
    fake_link(w.heap, n[1], OTHER, n[2]);
    fake_link(w.heap, n[2], NEXT, n[4]);
    fake_link(w.heap, n[3], OTHER, n[4]);
    fake_link(w.heap, n[5], NEXT, n[5]);
    fake_put(w.t, lone, n[0], 8);
    fake_put(w.t, lone + 8, n[3], 8);
    fake_root(w.heap, lone, "far");
    fake_root(w.heap, lone + 8, "near");
    json_t *json = ask(&w, "refs", "--path", n[4]);
    ck_assert_uint_eq(fake_size(json, "path"), 3);
    ck_assert_str_eq(fake_string(json, "path.0.name"), "near");
    ck_assert_str_eq(fake_string(json, "path.1.object"), id_of(&w, n[3]));
    ck_assert_str_eq(fake_string(json, "path.1.name"), "other");
    ck_assert_str_eq(fake_string(json, "path.2.object"), id_of(&w, n[4]));
    json_decref(json);
    json = ask(&w, "refs", "--path", n[5]);
    ck_assert_uint_eq(fake_size(json, "path"), 0);
    json_decref(json);
    char line[64];
    snprintf(line, sizeof line, "--path 0x%" PRIx64, n[2]);
    ck_assert_int_eq(fake_run(w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "path: far -> node#1 .next -> node#2 .other -> node#3\n");
    snprintf(line, sizeof line, "--path 0x%" PRIx64, n[5]);
    ck_assert_int_eq(fake_run(w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "path: none");
    world_free(&w);
}
END_TEST

START_TEST(garbage_comes_last_where_the_question_makes_the_graph)
{
    world w = world_new(_i);
    uint64_t one = new_node(&w, 1), two = new_node(&w, 1), held = new_node(&w, 3),
             owner = new_node(&w, 1);
    fake_link(w.heap, one, NEXT, two);
    fake_link(w.heap, two, NEXT, one);
    fake_link(w.heap, one, OTHER, held);
    fake_link(w.heap, two, OTHER, held);
    fake_link(w.heap, owner, NEXT, held);
    add_program(&w);
    fake_put(w.t, module + FAKE_MODULE_DATA, owner, 8);
    fake_root(w.heap, module + FAKE_MODULE_DATA, "owner");
    static const char *const others[] = {"refs", "gcgraph"}, *const options[] = {"--in --path",
                                                                                 "--in --depth=2"};
    for (unsigned i = 0; i < 2; i++) {
        w.t->state++;
        json_decref(ask(&w, others[i], i ? "" : "--in", held));
        json_t *json = ask(&w, "refs", "--in", held); /* by address, graph or not */
        ck_assert_str_eq(fake_string(json, "referrers.0.from"), id_of(&w, one));
        json_decref(json);
        json = ask(&w, "refs", options[i], held);
        ck_assert_uint_eq(fake_size(json, "referrers"), 3);
        ck_assert_str_eq(fake_string(json, "referrers.0.from"), id_of(&w, owner));
        ck_assert_str_eq(fake_string(json, "referrers.1.from"), id_of(&w, one));
        json_decref(json);
        json = ask(&w, "refs", options[i], one); /* garbage itself */
        ck_assert_str_eq(fake_string(json, "referrers.0.from"), id_of(&w, two));
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

START_TEST(what_is_no_object_fails_and_says_why)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_free_object(w.heap, a, RH_DEATH_COLLECT);
    ck_assert_has(fake_json_failure(w.t, "refs", text_of(a)), "it was node#1, freed by collect");
    ck_assert_has(fake_json_failure(w.t, "refs", text_of(fake_unused_slot(w.heap, a))),
                  "is unused");
    ck_assert_has(fake_json_failure(w.t, "refs", text_of(w.heap->address)), "is internal");
    ck_assert_has(fake_json_failure(w.t, "refs", "16"),
                  "0x10 is no object of a refheap heap: the address is unmapped");
    ck_assert_int_eq(fake_run(w.t, "refs", "16"), RHI_NO_ANSWER);
    ck_assert_str_eq(w.t->out.bytes, "");
    ck_assert_has(w.t->err.bytes, "refs: 0x10 is no object");
    world_free(&w);
}
END_TEST

START_TEST(lists_are_cut_and_totals_are_not)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 30);
    for (unsigned i = 0; i < 30; i++)
        fake_link(w.heap, new_node(&w, 1), NEXT, a);
    json_t *json = ask(&w, "refs", "--limit=7", a);
    ck_assert_uint_eq(fake_size(json, "referrers"), 7);
    ck_assert_int_eq(fake_integer(json, "referrers_total"), 30);
    check_ledger(json, 30, 30, 0, 0, 0, 0);
    json_decref(json);
    json = ask(&w, "refs", "", a);
    ck_assert_uint_eq(fake_size(json, "referrers"), 30);
    ck_assert_ptr_null(fake_at(json, "referrers_total"));
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "refs", "node#1"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "… 10 more"); /* 20 in text */
    ck_assert_int_eq(fake_run(w.t, "refs", "--limit=0 node#1"), RHI_ANSWERED);
    ck_assert_has_not(w.t->out.bytes, "more (");
    world_free(&w);
}
END_TEST

START_TEST(a_hole_in_a_stack_is_said_and_what_is_around_it_counted_once)
{
    world w = world_new(_i);
    add_program(&w);
    uint64_t a = new_node(&w, 5), big = 0x7ffd00000000;
    fake_map(w.t, big, 0x8000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack2]");
    fake_thread(w.t, 322, big + 0x1880);
    fake_put(w.t, big + 0x2008, a, 8); /* readable, in the page that ends early */
    fake_put(w.t, big + 0x3008, a, 8); /* behind the hole */
    w.t->hole_start = big + 0x2400;
    w.t->hole_end = big + 0x3000;
    json_t *json = ask(&w, "refs", "", a);
    ck_assert_int_eq(fake_integer(json, "ledger.words"), 2);
    char *reasons = json_dumps(fake_at(json, "incomplete_because"), 0);
    ck_assert_has(reasons, "3072 bytes of a stack");
    free(reasons);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_tail_with_its_own_count_holds_what_it_refers_to)
{
    /* The type does not say where the length is (length_offset 0): only the field's count does. */
    enum { COUNT = 0, TAIL = 8, SLOTS = 5 };
    world w = world_new(_i);
    const fake_field fields[] = {{.name = "tail",
                                  .kind = RH_KIND_STRONG,
                                  .form = RH_FORM_ARRAY,
                                  .width = 8,
                                  .count_width = 4,
                                  .offset = TAIL,
                                  .count_offset = COUNT,
                                  .stride = 8}};
    uint32_t type = fake_type(w.space, "tailed", TAIL, fields, 1);
    uint64_t holder = fake_new(w.heap, type, 1, SLOTS * 8), a = new_node(&w, 1);
    fake_put(w.t, fake_slot(w.space, holder, COUNT), SLOTS, 4);
    fake_put(w.t, fake_slot(w.space, holder, TAIL + 4 * 8), a, 8);
    json_t *json = ask(&w, "refs", "", a);
    check_ledger(json, 1, 1, 0, 0, 0, 0);
    ck_assert_str_eq(fake_string(json, "referrers.0.name"), "tail[4]");
    json_decref(json);
    json = ask(&w, "objat", "", holder);
    ck_assert_int_ge(fake_integer(json, "object.size"), TAIL + SLOTS * 8);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(many_slots_that_hold_one_object_are_counted_in_one_pass)
{
    /* A million slots in one object: a search that looks each one up among the others does not end.
     */
    enum { SLOTS = 1 << 20 };
    world w = world_new(_i);
    const fake_field fields[] = {{.name = "slot",
                                  .kind = RH_KIND_STRONG,
                                  .form = RH_FORM_ARRAY,
                                  .width = 8,
                                  .count = SLOTS,
                                  .stride = 8}};
    uint32_t type = fake_type(w.space, "wide", (uint64_t)SLOTS * 8, fields, 1);
    uint64_t a = new_node(&w, 1), size = (uint64_t)SLOTS * 8 + 0x10000;
    uint64_t chunk = fake_mapping(w.space, size, w.space->c[RH_MC_chunk_size], RH_MAPPING_CHUNK,
                                  w.heap->address);
    uint64_t slab = chunk + w.space->c[RH_MC_chunk_slab_table], wide = chunk + 0x1000;
    fake_put(w.t, slab + w.space->c[RH_MC_slab_base], wide, 8);
    fake_put(w.t, slab + w.space->c[RH_MC_slab_slot_size], chunk + size - wide, 8);
    fake_put(w.t, slab + w.space->c[RH_MC_slab_capacity], 1, 4);
    fake_put(w.t, slab + w.space->c[RH_MC_slab_live], 1, 8);
    fake_put(w.t, wide + w.space->c[RH_MC_object_type], type, 2);
    fake_serial_put(w.space, wide, 1000);
    fake_count(w.heap, wide, 1);
    for (unsigned i = 0; i < SLOTS; i++)
        fake_put(w.t, fake_slot(w.space, wide, (uint64_t)i * 8), a, 8);
    json_t *json = ask(&w, "refs", "--limit=1", a);
    ck_assert_int_eq(fake_integer(json, "ledger.fields"), SLOTS);
    ck_assert_str_eq(fake_string(json, "referrers.0.name"), "slot[0]");
    json_decref(json);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_refs", every_kind_of_referrer_is_found_in_its_class,
          words_explain_counts_and_the_rest_remembers, immortals_and_dying_holders,
          a_lost_object_s_next_step_is_the_object_itself, referents_and_directions,
          the_shortest_path_from_outside, garbage_comes_last_where_the_question_makes_the_graph,
          what_is_no_object_fails_and_says_why, lists_are_cut_and_totals_are_not,
          a_hole_in_a_stack_is_said_and_what_is_around_it_counted_once,
          many_slots_that_hold_one_object_are_counted_in_one_pass,
          a_tail_with_its_own_count_holds_what_it_refers_to)
