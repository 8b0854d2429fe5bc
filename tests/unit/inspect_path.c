/* inspect_path.c - `refs --path`: which root a path begins with, and the expression that walks it.
 */
#include "inspect_test.h"

static const uint64_t module = 0x400000000000, stack = 0x7ffe00000000;
enum { LWP = 321 };

static uint64_t data_word(unsigned i)
{
    return module + FAKE_MODULE_DATA + 8 * i;
}

static uint64_t stack_word(unsigned i)
{
    return stack + 0x1000 + 8 * i;
}

static void add_program(world *w)
{
    fake_module(w->t, module, "/usr/bin/program", 0x1000, 0x1000, 0);
    fake_map(w->t, stack, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w->t, LWP, stack + 0x1000);
}

/* n[0] -> n[1] -> … by `next`; n[0] has one count that no field explains. */
static void chain(world *w, uint64_t *n, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        n[i] = new_node(w, 1);
        if (i)
            fake_link(w->heap, n[i - 1], NEXT, n[i]);
    }
}

/* The expression of a path, or NULL; valid until the next call. */
static const char *expression(const world *w, uint64_t object)
{
    static char text[1200];
    w->t->evaluated[0] = '\0';
    json_t *json = ask(w, "refs", "--path", object), *found = fake_at(json, "expression");
    ck_assert(found && (json_is_string(found) || json_is_null(found)));
    snprintf(text, sizeof text, "%s", json_is_string(found) ? json_string_value(found) : "");
    bool is_null = json_is_null(found);
    json_decref(json);
    return is_null ? NULL : text;
}

static void check_root(const world *w, uint64_t object, const char *kind, const char *name,
                       size_t steps)
{
    json_t *json = ask(w, "refs", "--path", object);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), kind);
    ck_assert_str_eq(fake_string(json, "path.0.name"), name);
    ck_assert_uint_eq(fake_size(json, "path"), steps + 1);
    json_decref(json);
}

START_TEST(the_class_of_a_word_and_no_name_decides_which_root_begins_a_path)
{
    world w = world_new(_i);
    uint64_t far[3], near[1];
    add_program(&w);
    chain(&w, far, 3);
    chain(&w, near, 1);
    uint64_t asked = new_node(&w, 2);
    fake_link(w.heap, far[2], NEXT, asked);
    fake_link(w.heap, near[0], NEXT, asked);
    fake_put(w.t, stack_word(1), near[0], 8);
    fake_put(w.t, stack_word(2), far[0], 8);
    check_root(&w, asked, "stack", "sp+0x8", 2);
    fake_name(w.t, stack_word(2), RHI_WORD_LOCAL, "main::p", "frame 2"); /* a name, but farther */
    w.t->state++;
    check_root(&w, asked, "stack", "sp+0x8", 2);
    fake_put(w.t, stack_word(5), near[0], 8); /* of an outer frame */
    fake_name(w.t, stack_word(1), RHI_WORD_LOCAL, "main::q", "frame 0");
    fake_register(w.t, "rbx", near[0]);
    w.t->state++;
    check_root(&w, asked, "stack", "sp+0x28", 2);
    fake_put(w.t, stack_word(1), 0, 8);
    fake_put(w.t, stack_word(5), 0, 8);
    fake_put(w.t, stack_word(2), 0, 8);
    w.t->state++;
    check_root(&w, asked, "register", "rbx", 2);
    fake_put(w.t, data_word(3), far[1], 8);
    fake_count(w.heap, far[1], 2); /* else the word remembers only */
    w.t->state++;
    check_root(&w, asked, "global", "program+0x1018", 3);
    fake_put(w.t, data_word(2), near[0], 8);
    fake_put(w.t, data_word(4), near[0], 8);
    fake_root(w.heap, data_word(4), "near");
    w.t->state++;
    check_root(&w, asked, "root", "near", 2);
    world_free(&w);
}
END_TEST

START_TEST(a_word_that_points_into_an_object_begins_a_path)
{
    world w = world_new(_i);
    uint64_t n[3];
    add_program(&w);
    chain(&w, n, 3);
    fake_put(w.t, data_word(1), n[0] + w.space->c[RH_MC_object_size] + NODE_BODY - 1, 8);
    fake_name(w.t, data_word(1), RHI_WORD_GLOBAL, "inside", "");
    w.t->target.evaluate = NULL;
    w.t->target.evaluate_in = NULL;
    json_t *json = ask(&w, "refs", "--path", n[2]);
    ck_assert_str_eq(fake_string(json, "path.0.name"), "inside");
    ck_assert_int_eq(fake_integer(json, "path.0.offset"),
                     (long long)w.space->c[RH_MC_object_size] + NODE_BODY - 1);
    ck_assert_uint_eq(fake_size(json, "path"), 4);
    /* the variable is no pointer to the object */
    ck_assert(json_is_null(fake_at(json, "expression")));
    json_decref(json);
    fake_put(w.t, stack_word(1), n[0], 8); /* of another class */
    w.t->state++;
    check_root(&w, n[2], "global", "inside", 3);
    fake_put(w.t, data_word(2), n[0], 8); /* of the same one: it points to the start */
    w.t->state++;
    check_root(&w, n[2], "global", "program+0x1010", 3);
    world_free(&w);
}
END_TEST

START_TEST(a_word_that_no_field_declares_begins_a_path_if_nothing_better_does)
{
    world w = world_new(_i);
    uint64_t n[3], from = new_node(&w, 0), other = 0x620000000000;
    char text[80], plus[24];
    add_program(&w);
    chain(&w, n, 3);
    snprintf(plus, sizeof plus, "+%" PRIu64, w.space->c[RH_MC_object_size] + BLIND);
    json_t *json = ask(&w, "refs", "--path", n[2]);
    ck_assert_uint_eq(fake_size(json, "path"), 3); /* none that is known */
    json_decref(json);
    fake_map(w.t, other, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, other, n[0], 8);
    w.t->state++;
    json = ask(&w, "refs", "--path", n[2]);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), "unknown");
    json_decref(json);
    fake_link(w.heap, from, BLIND, n[0] + 8);
    w.t->state++;
    for (int i = 0; i < 2; i++) { /* the second from what is kept */
        json = ask(&w, "refs", "--path", n[2]);
        ck_assert_str_eq(fake_string(json, "path.0.kind"), "undeclared");
        ck_assert_str_eq(fake_string(json, "path.0.from"), id_of(&w, from));
        ck_assert_str_eq(fake_string(json, "path.0.name"), plus);
        ck_assert_int_eq(fake_integer(json, "path.0.offset"), 8);
        ck_assert_uint_eq(fake_size(json, "path"), 4);
        json_decref(json);
    }
    fake_run(w.t, "refs", "--path node#4");
    snprintf(text, sizeof text, "path: node#1%s -> node#2 .next -> node#3 .next -> node#4\n", plus);
    ck_assert_has(w.t->out.bytes, text);
    fake_link(w.heap, from, BLIND, 0); /* by hand: what is kept is not believed */
    json = ask(&w, "refs", "--path", n[2]);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), "unknown");
    json_decref(json);
    fake_link(w.heap, from, BLIND, n[0] + 8);
    fake_register(w.t, "rbx", n[0] + 1);
    w.t->state++;
    check_root(&w, n[2], "register", "rbx", 3);
    world_free(&w);
}
END_TEST

/* near[0] and far[0], with two steps more, hold the same object. */
START_TEST(a_better_word_is_worth_a_longer_way)
{
    world w = world_new(_i);
    uint64_t far[3], near[1], from = new_node(&w, 0), other = 0x620000000000;
    add_program(&w);
    fake_map(w.t, other, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    chain(&w, far, 3);
    chain(&w, near, 1);
    uint64_t asked = new_node(&w, 2);
    fake_link(w.heap, far[2], NEXT, asked);
    fake_link(w.heap, near[0], NEXT, asked);
    fake_link(w.heap, from, BLIND, far[0]); /* and nothing holds the near one */
    json_t *json = ask(&w, "refs", "--path", asked);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), "undeclared");
    ck_assert_uint_eq(fake_size(json, "path"), 5);
    json_decref(json);
    fake_put(w.t, other, near[0], 8);
    w.t->state++;
    json = ask(&w, "refs", "--path", asked);
    ck_assert_str_eq(fake_string(json, "path.0.kind"), "unknown");
    ck_assert_uint_eq(fake_size(json, "path"), 3);
    json_decref(json);
    fake_register(w.t, "rbx", far[0]);
    w.t->state++;
    check_root(&w, asked, "register", "rbx", 4);
    fake_register(w.t, "rcx", near[0]);
    fake_put(w.t, data_word(3), far[0], 8);
    w.t->state++;
    check_root(&w, asked, "global", "program+0x1018", 4);
    fake_put(w.t, stack_word(1), near[0], 8); /* perhaps a leftover */
    w.t->state++;
    check_root(&w, asked, "global", "program+0x1018", 4);
    fake_put(w.t, data_word(3), 0, 8);
    w.t->state++;
    check_root(&w, asked, "stack", "sp+0x8", 2);
    world_free(&w);
}
END_TEST

START_TEST(a_word_that_owns_no_count_begins_no_path)
{
    world w = world_new(_i);
    uint64_t n[3];
    add_program(&w);
    chain(&w, n, 3);
    fake_put(w.t, data_word(1), n[1], 8); /* its only count is n[0]'s */
    fake_put(w.t, stack_word(1), n[0], 8);
    fake_name(w.t, data_word(1), RHI_WORD_GLOBAL, "id", "");
    check_root(&w, n[2], "stack", "sp+0x8", 3);
    world_free(&w);
}
END_TEST

/* A chain of three that begins with the variable registry.slots[3]. */
static void named_chain(world *w, uint64_t *n)
{
    add_program(w);
    chain(w, n, 3);
    fake_put(w->t, data_word(1), n[0], 8);
    fake_name(w->t, data_word(1), RHI_WORD_GLOBAL, "registry.slots[3]", "");
}

START_TEST(an_expression_is_plain_where_that_evaluates_and_cast_where_not)
{
    world w = world_new(_i);
    uint64_t n[3];
    named_chain(&w, n);
    ck_assert_ptr_null(expression(&w, n[0]));
    fake_value(w.t, "registry.slots[3]", n[0]);
    fake_value(w.t, "registry.slots[3]->next", n[1]);
    ck_assert_str_eq(expression(&w, n[0]), "registry.slots[3]");
    ck_assert_str_eq(expression(&w, n[1]), "registry.slots[3]->next");
    fake_value(w.t, "registry.slots[3]->next->next", n[1]); /* evaluates to something else */
    fake_value(w.t, "((rh_node *)registry.slots[3]->next)->next", n[2]);
    ck_assert_str_eq(expression(&w, n[2]), "((rh_node *)registry.slots[3]->next)->next");
    fake_value(w.t, "((struct node *)registry.slots[3]->next)->next", n[2]);
    ck_assert_str_eq(expression(&w, n[2]), "((struct node *)registry.slots[3]->next)->next");
    fake_value(w.t, "((node *)registry.slots[3]->next)->next", n[2]);
    ck_assert_str_eq(expression(&w, n[2]), "((node *)registry.slots[3]->next)->next");
    char line[64];
    snprintf(line, sizeof line, "--path 0x%" PRIx64, n[2]);
    ck_assert_int_eq(fake_run(w.t, "refs", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\nexpression: ((node *)registry.slots[3]->next)->next\n");
    world_free(&w);
}
END_TEST

START_TEST(what_no_expression_walks_is_reached_by_its_slot)
{
    world w = world_new(_i);
    uint64_t n[3];
    char slot[3][80];
    named_chain(&w, n);
    fake_value(w.t, "registry.slots[3]", n[0]);
    snprintf(slot[0], sizeof slot[0], "*(void **)0x%" PRIx64, fake_slot(w.space, n[1], NEXT));
    snprintf(slot[1], sizeof slot[1], "*(struct node **)0x%" PRIx64,
             fake_slot(w.space, n[1], NEXT));
    snprintf(slot[2], sizeof slot[2], "*(node **)0x%" PRIx64, fake_slot(w.space, n[1], NEXT));
    for (int i = 0; i < 3; i++) {
        fake_value(w.t, slot[i], n[2]);
        ck_assert_str_eq(expression(&w, n[2]), slot[i]);
    }
    ck_assert_ptr_null(expression(&w, n[1]));
    world_free(&w);
}
END_TEST

START_TEST(a_root_without_a_name_is_its_address_in_parentheses)
{
    world w = world_new(_i);
    uint64_t n[3];
    add_program(&w);
    chain(&w, n, 3);
    fake_put(w.t, data_word(1), n[0], 8);
    fake_value(w.t, "*(node **)0x400000001008", n[0]);
    fake_value(w.t, "(*(node **)0x400000001008)->next", n[1]);
    ck_assert_str_eq(expression(&w, n[1]), "(*(node **)0x400000001008)->next");
    world_free(&w);
}
END_TEST

START_TEST(a_local_is_evaluated_in_its_frame_and_a_register_in_its_thread)
{
    world w = world_new(_i);
    uint64_t n[3];
    add_program(&w);
    chain(&w, n, 3);
    fake_register(w.t, "rbx", n[0]);
    fake_value(w.t, "((node *)$rbx)->next", 1); /* in whatever frame is selected: not asked */
    fake_value_in(w.t, LWP, 0, "$rbx", n[0]);
    fake_value_in(w.t, LWP, 0, "((node *)$rbx)->next", n[1]);
    json_t *json = ask(&w, "refs", "--path", n[1]);
    ck_assert_str_eq(fake_string(json, "expression"), "((node *)$rbx)->next");
    ck_assert_int_eq(fake_integer(json, "thread"), LWP);
    ck_assert_ptr_null(fake_at(json, "frame"));
    json_decref(json);
    fake_put(w.t, stack_word(2), n[0], 8);
    fake_name(w.t, stack_word(2), RHI_WORD_LOCAL, "serve::conn.table[3]", "frame 2");
    fake_value(w.t, "conn.table[3]", n[0]); /* of the same name, in the selected frame */
    fake_value_in(w.t, LWP, 2, "conn.table[3]", n[0]);
    fake_value_in(w.t, LWP, 2, "conn.table[3]->next", n[1]);
    w.t->state++;
    json = ask(&w, "refs", "--path", n[1]);
    ck_assert_str_eq(fake_string(json, "expression"), "conn.table[3]->next");
    ck_assert_int_eq(fake_integer(json, "thread"), LWP);
    ck_assert_int_eq(fake_integer(json, "frame"), 2);
    ck_assert_ptr_null(fake_at(json, "unverified"));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_registered_root_is_written_as_the_variable_it_lies_in)
{
    world w = world_new(_i);
    uint64_t n[3];
    add_program(&w);
    chain(&w, n, 3);
    fake_put(w.t, data_word(1), n[0], 8);
    fake_root(w.heap, data_word(1), "the cache");
    fake_name(w.t, data_word(1), RHI_WORD_GLOBAL, "cache", "");
    fake_value(w.t, "::cache", n[0]); /* `cache` is something else where the debugger stands */
    fake_value(w.t, "cache", n[1]);
    fake_value(w.t, "::cache->next", n[1]);
    ck_assert_str_eq(expression(&w, n[1]), "::cache->next");
    world_free(&w);
}
END_TEST

START_TEST(without_a_debugger_an_expression_is_marked)
{
    world w = world_new(_i);
    uint64_t n[3];
    named_chain(&w, n);
    w.t->target.evaluate = NULL;
    w.t->target.evaluate_in = NULL;
    json_t *json = ask(&w, "refs", "--path", n[2]);
    ck_assert_str_eq(fake_string(json, "expression"), "registry.slots[3]->next->next");
    ck_assert(json_is_true(fake_at(json, "unverified")));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(no_text_of_the_target_but_names_is_evaluated)
{
    static const char *const hostile[] = {"x *)0; evil(", "evil()", "x, evil", "a b",
                                          "x\nevil",      "",       "1x",      "x[evil()]"};
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        world w = world_new(_i);
        const fake_field fields[] = {FAKE_STRONG(i % 2 ? "next" : hostile[i], NEXT)};
        add_program(&w);
        uint32_t type = fake_type(w.space, hostile[i], NODE_BODY, fields, 1);
        uint64_t a = fake_new(w.heap, type, 1, 0), b = fake_new(w.heap, type, 1, 0);
        fake_link(w.heap, a, NEXT, b);
        fake_put(w.t, data_word(1), a, 8);
        fake_name(w.t, data_word(1), RHI_WORD_GLOBAL, i % 3 ? "slots[3]" : "evil(1)", "");
        fake_value(w.t, "slots[3]", a);
        ck_assert_ptr_null(expression(&w, b));
        ck_assert_str_ne(w.t->evaluated, ""); /* the address form at least */
        ck_assert_has_not(w.t->evaluated, "evil");
        ck_assert_has_not(w.t->evaluated, "a b");
        ck_assert_has_not(w.t->evaluated, "1x");
        world_free(&w);
    }
}
END_TEST

START_TEST(a_long_path_is_not_written_out)
{
    enum { LENGTH = 500 };
    world w = world_new(_i);
    static uint64_t n[LENGTH];
    add_program(&w);
    chain(&w, n, LENGTH);
    fake_put(w.t, data_word(1), n[0], 8);
    fake_name(w.t, data_word(1), RHI_WORD_GLOBAL, "head", "");
    enum { KNOWN = 20 };
    static char known[KNOWN][KNOWN * 8];
    for (unsigned i = 0; i < KNOWN; i++) { /* the first steps do evaluate */
        snprintf(known[i], sizeof known[i], "%s%s", i ? known[i - 1] : "head", i ? "->next" : "");
        fake_value(w.t, known[i], n[i]);
    }
    unsigned long before = w.t->evaluate_calls;
    char slot[64];
    snprintf(slot, sizeof slot, "*(node **)0x%" PRIx64, fake_slot(w.space, n[LENGTH - 2], NEXT));
    fake_value(w.t, slot, n[LENGTH - 1]);
    ck_assert_str_eq(expression(&w, n[LENGTH - 1]), slot);
    ck_assert_uint_lt(w.t->evaluate_calls - before, 10);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_path", the_class_of_a_word_and_no_name_decides_which_root_begins_a_path,
          a_word_that_points_into_an_object_begins_a_path,
          a_word_that_no_field_declares_begins_a_path_if_nothing_better_does,
          a_better_word_is_worth_a_longer_way, a_word_that_owns_no_count_begins_no_path,
          an_expression_is_plain_where_that_evaluates_and_cast_where_not,
          what_no_expression_walks_is_reached_by_its_slot,
          a_root_without_a_name_is_its_address_in_parentheses,
          a_local_is_evaluated_in_its_frame_and_a_register_in_its_thread,
          a_registered_root_is_written_as_the_variable_it_lies_in,
          without_a_debugger_an_expression_is_marked, no_text_of_the_target_but_names_is_evaluated,
          a_long_path_is_not_written_out)
