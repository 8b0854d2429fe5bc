/* inspect_describe.c - what debuggers show of a variable that holds an object: its words, its
 * functions, its fields, in few reads and after the program ran on. */
#include "inspect_test.h"

static json_t *describe(const world *w, uint64_t address, uint64_t children)
{
    w->t->reads = 0;
    const char *text = rhi_session_describe(w->t->session, &w->t->target, address, children, 200);
    return text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

/* text NULL: nothing is to be said. */
static void check_text(const world *w, uint64_t address, const char *text)
{
    json_t *json = describe(w, address, 0);
    ck_assert_msg(json != NULL, "no answer about 0x%" PRIx64, address);
    if (text)
        ck_assert_str_eq(fake_string(json, "text"), text);
    else
        ck_assert_msg(json_is_null(fake_at(json, "text")), "0x%" PRIx64 " is said to be '%s'",
                      address, fake_string(json, "text"));
    json_decref(json);
}

START_TEST(an_address_that_is_an_objects_is_described_and_no_other)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 3), b = new_node(&w, 1), c = new_node(&w, 1), d = new_node(&w, 2);
    fake_map(w.t, 0x7f0000000000, 0x1000, RHI_REGION_READ, "/usr/share/data");
    fake_free_object(w.heap, b, RH_DEATH_RELEASE);
    fake_immortal(w.heap, c);
    fake_dying(w.heap, d, 1);
    check_text(&w, a, "node#1 rc=3");
    check_text(&w, b, "STALE: was node#2, freed by release");
    check_text(&w, c, "node#3 immortal");
    check_text(&w, d, "node#4 dying");
    check_text(&w, a + 8, NULL);
    check_text(&w, b + 1, NULL);
    check_text(&w, fake_unused_slot(w.heap, d), NULL);
    check_text(&w, w.heap->chunk, NULL);
    check_text(&w, w.heap->address, NULL);
    check_text(&w, 0x7f0000000010, NULL);
    check_text(&w, 0, NULL);
    check_text(&w, UINT64_MAX, NULL);
    fake_phase(w.heap, RH_PHASE_MARKING);
    w.t->state++;
    check_text(&w, a, "node#1 rc=3 (provisional)");
    fake_put(w.t, a + w.space->c[RH_MC_object_type], 999, 2);
    check_text(&w, a, "damaged: its header contradicts itself (provisional)");
    fake_phase(w.heap, RH_PHASE_IDLE);
    w.t->state++;
    check_text(&w, a, "damaged: its header contradicts itself");
    world_free(&w);
}
END_TEST

START_TEST(functions_answer_for_any_address)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 3), b = new_node(&w, 1), c = new_node(&w, 1);
    fake_born(w.heap, a, fake_site(w.space, "/src/app.c", "run", 12));
    fake_free_object(w.heap, b, RH_DEATH_COLLECT);
    fake_immortal(w.heap, c);
    const struct {
        uint64_t address;
        long long count, is_stale;
        const char *id, *type, *born;
    } rows[] = {{a, 3, 0, "node#1", "node", "app.c:12 in run()"},
                {b, 0, 1, "node#2", "node", ""},
                {c, INT64_MAX, 0, "node#3", "node", ""},
                {a + 4, 0, 0, "", "", ""},
                {0, 0, 0, "", "", ""}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *json = describe(&w, rows[i].address, 0);
        ck_assert_int_eq(fake_integer(json, "functions.refcount"), rows[i].count);
        ck_assert_int_eq(fake_integer(json, "functions.is_stale"), rows[i].is_stale);
        ck_assert_str_eq(fake_string(json, "functions.objid"), rows[i].id);
        ck_assert_str_eq(fake_string(json, "functions.objtype"), rows[i].type);
        ck_assert_str_eq(fake_string(json, "functions.born"), rows[i].born);
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

START_TEST(children_are_the_declared_fields_as_many_as_are_asked_for)
{
    world w = world_new(_i);
    const fake_field list_fields[] = {FAKE_VECTOR("items", 0, 8)};
    uint32_t list = fake_type(w.space, "list", 16, list_fields, 1);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), items[5] = {a, b, 0, a, b};
    uint64_t l = fake_new(w.heap, list, 1, 0);
    fake_link(w.heap, a, NEXT, b);
    fake_put(w.t, fake_slot(w.space, a, VALUE), (uint32_t)-14, 4);
    fake_vector(w.heap, l, 0, 8, items, 5);
    json_t *json = describe(&w, a, 10);
    ck_assert_uint_eq(fake_size(json, "children"), 5);
    ck_assert_str_eq(fake_string(json, "children.0.name"), "next");
    ck_assert_str_eq(fake_string(json, "children.0.kind"), "strong");
    ck_assert_str_eq(fake_string(json, "children.0.value"), text_of(b));
    ck_assert_str_eq(fake_string(json, "children.3.kind"), "borrowed");
    ck_assert_str_eq(fake_string(json, "children.4.name"), "value");
    ck_assert_str_eq(fake_string(json, "children.4.text"), "-14");
    json_decref(json);
    json = describe(&w, l, 3);
    ck_assert_uint_eq(fake_size(json, "children"), 3);
    ck_assert_int_eq(fake_integer(json, "children_total"), 5);
    ck_assert_str_eq(fake_string(json, "children.1.name"), "items[1]");
    ck_assert_str_eq(fake_string(json, "children.2.value"), "0x0");
    json_decref(json);
    json = describe(&w, l, 0);
    ck_assert_uint_eq(fake_size(json, "children"), 0);
    ck_assert(json_is_true(fake_at(json, "is_live")));
    json_decref(json);
    world_free(&w);
}
END_TEST

/* Nothing is opened again where the program ran and has the same heaps, and what changed is seen
 * all the same. */
START_TEST(what_ran_on_is_read_anew_and_not_opened_again)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 3), b = new_node(&w, 1);
    check_text(&w, a, "node#1 rc=3");
    unsigned long opened = w.t->region_calls;
    w.t->stop_after_reads = 1000000; /* so that they are counted */
    fake_count(w.heap, a, 4);
    fake_free_object(w.heap, b, RH_DEATH_RELEASE);
    uint64_t c = new_node(&w, 2);
    w.t->state++;
    check_text(&w, a, "node#1 rc=4");
    check_text(&w, b, "STALE: was node#2, freed by release");
    check_text(&w, c, "node#3 rc=2");
    ck_assert_uint_eq(w.t->region_calls, opened);
    ck_assert_msg(w.t->reads > 0 && w.t->reads < 20, "%lu reads", w.t->reads);

    fake_heap *other = fake_heap_new(w.space, 2, "other"); /* another heap: in lists not known */
    uint64_t d = fake_new(other, w.node, 1, 0);
    w.t->state++;
    check_text(&w, d, "node#4 rc=1");
    ck_assert_uint_gt(w.t->region_calls, opened);
    fake_heap_free(other);
    world_free(&w);
}
END_TEST

/* A chunk that is another's now, or memory of the program's, holds none of the heap's objects. */
START_TEST(a_chunk_that_is_none_any_more_is_not_believed)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 3);
    check_text(&w, a, "node#1 rc=3");
    fake_put(w.t, w.heap->chunk + w.space->c[RH_MC_mapping_heap], 0x1234, 8);
    w.t->state++;
    check_text(&w, a, NULL);
    world_free(&w);
}
END_TEST

/* Commands ask about all memory: what was opened for a variable is not enough for them. */
START_TEST(a_command_after_a_description_sees_threads_and_map_of_now)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    fake_map(w.t, 0x7f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 77, 0x7f0000000800);
    fake_put(w.t, 0x7f0000000900, a, 8);
    check_text(&w, a, "node#1 rc=1");
    json_t *json = ask(&w, "refs", "", a);
    ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "stack");
    json_decref(json);
    w.t->state++;
    check_text(&w, a, "node#1 rc=1"); /* renewed */
    fake_map(w.t, 0x7f0000002000, 0x1000, RHI_REGION_READ, "/usr/share/data");
    json = ask(&w, "objat", "", 0x7f0000002000);
    ck_assert_str_eq(fake_string(json, "status"), "unmanaged");
    json_decref(json);
    json = ask(&w, "refs", "", a);
    ck_assert_str_eq(fake_string(json, "referrers.0.kind"), "stack");
    json_decref(json);
    world_free(&w);
}
END_TEST

/* That no object is there is said of no address whose memory nobody could read. */
START_TEST(what_cannot_be_read_is_undecided)
{
    world w = world_new(_i);
    fake_map(w.t, 0x6f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "")->hidden = true;
    fake_map(w.t, 0x6e0000000000, 0x1000, 0, "")->hidden = true;
    fake_map(w.t, 0x6d0000000000, 0x1000, RHI_REGION_READ, "/bin/app")->hidden = true;
    /* nothing is mapped there, or what no object can be in */
    const uint64_t nothing[] = {0x5f0000000000, 0x6e0000000000, 0x6d0000000010};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        json_t *json = describe(&w, nothing[i], 0);
        ck_assert(json_is_null(json_object_get(json, "undecided")));
        json_decref(json);
    }
    json_t *json = describe(&w, 0x6f0000000000, 0);
    ck_assert_str_eq(fake_string(json, "undecided"), "its memory cannot be read");
    json_decref(json);
    uint64_t a = new_node(&w, 1);
    fake_put(w.t, a + w.space->c[RH_MC_object_type], 999, 2);
    w.t->state++;
    json = describe(&w, a, 0);
    ck_assert_str_eq(fake_string(json, "undecided"), "its header contradicts itself");
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(an_address_in_memory_that_is_missing_may_be_a_heaps)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    for (unsigned i = 0; i < w.t->segment_count; i++)
        if (a - w.t->segments[i].start < w.t->segments[i].end - w.t->segments[i].start)
            w.t->segments[i].hidden = true;
    ck_assert_int_eq(fake_run(w.t, "objat", text_of(a)), 0);
    ck_assert_has(w.t->out.bytes, " heap that could be read: it lies in ");
    ck_assert_has(w.t->out.bytes, "incomplete: ");
    world_free(&w);
}
END_TEST

START_TEST(where_there_is_nothing_to_read_nothing_is_said)
{
    fake_target *t = fake_target_new();
    (void)_i;
    ck_assert_ptr_null(rhi_session_describe(t->session, &t->target, 0x1000, 5, 200));
    fake_map(t, 0x7f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    ck_assert_ptr_null(rhi_session_describe(t->session, &t->target, 0x7f0000000000, 5, 200));
    unsigned long opened = t->region_calls; /* that there is no heap is known, too */
    ck_assert_ptr_null(rhi_session_describe(t->session, &t->target, 0x7f0000000008, 5, 200));
    ck_assert_uint_eq(t->region_calls, opened);
    fake_target_free(t);
}
END_TEST

RUN_TESTS("inspect_describe", an_address_that_is_an_objects_is_described_and_no_other,
          functions_answer_for_any_address,
          children_are_the_declared_fields_as_many_as_are_asked_for,
          what_ran_on_is_read_anew_and_not_opened_again,
          a_chunk_that_is_none_any_more_is_not_believed,
          a_command_after_a_description_sees_threads_and_map_of_now,
          what_cannot_be_read_is_undecided, an_address_in_memory_that_is_missing_may_be_a_heaps,
          where_there_is_nothing_to_read_nothing_is_said)
