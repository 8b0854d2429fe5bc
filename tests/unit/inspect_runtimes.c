/* inspect_runtimes.c - several copies of the runtime in one process: heaps, names, births,
 * references across. */
#include "inspect_test.h"

static const uint64_t program = 0x400000000000, library = 0x7f0000000000, plugin = 0x7e0000000000;

typedef struct copy {
    fake_space *space;
    fake_heap *heap;
    uint32_t node, own;
} copy;

/* A module with a runtime of its own, whose heap has this number; `own` is a type that no other
 * copy has. */
static copy copy_new(fake_target *t, uint64_t base, const char *path, int layout, uint64_t number,
                     const char *own)
{
    copy c;
    fake_module(t, base, path, 0x8000, 0, base + FAKE_MODULE_DATA);
    c.space = fake_space_new(t, base + FAKE_MODULE_DATA, layout, NULL);
    c.node = fake_type(c.space, "node", NODE_BODY, node_fields, 5);
    c.own = fake_type(c.space, own, NODE_BODY, node_fields, 5);
    c.heap = fake_heap_new(c.space, number, own);
    return c;
}

static void copy_free(copy *c)
{
    fake_heap_free(c->heap);
    fake_space_free(c->space);
}

static long long heap_of(fake_target *t, const char *operand)
{
    json_t *json = fake_json(t, "objat", operand);
    long long heap = fake_integer(json, "object.heap");
    json_decref(json);
    return heap;
}

START_TEST(heaps_have_numbers_of_their_own_that_stay)
{
    fake_target *t = fake_target_new();
    copy a = copy_new(t, program, "/usr/bin/program", _i, 1, "a"),
         b = copy_new(t, library, "/usr/lib/library.so", !_i, 1, "b");
    fake_new(a.heap, a.own, 1, 0);
    fake_new(b.heap, b.own, 1, 0);
    ck_assert_int_eq(heap_of(t, "a#1"), 1);
    ck_assert_int_eq(heap_of(t, "b#1"), 1001);
    copy c = copy_new(t, plugin, "/usr/lib/plugin.so", _i, 2, "c"); /* loaded later */
    fake_new(c.heap, c.own, 1, 0);
    t->state++;
    ck_assert_int_eq(heap_of(t, "a#1"), 1);
    ck_assert_int_eq(heap_of(t, "b#1"), 1001);
    ck_assert_int_eq(heap_of(t, "c#1"), 2002);
    fake_put(t, a.heap->address + a.space->c[RH_MC_heap_number], 1000, 8);
    t->state++;
    ck_assert_int_eq(heap_of(t, "a#1"), 1000);
    ck_assert_int_eq(heap_of(t, "b#1"), 1000001);
    /* damaged: still all different */
    fake_put(t, a.heap->address + a.space->c[RH_MC_heap_number], UINT64_MAX, 8);
    t->state++;
    ck_assert_int_ne(heap_of(t, "a#1"), heap_of(t, "b#1"));
    ck_assert_int_ne(heap_of(t, "b#1"), heap_of(t, "c#1"));
    copy_free(&a);
    copy_free(&b);
    copy_free(&c);
    fake_target_free(t);
}
END_TEST

START_TEST(names_are_matched_by_type_and_serial_over_all)
{
    fake_target *t = fake_target_new();
    copy a = copy_new(t, program, "/usr/bin/program", _i, 1, "a"),
         b = copy_new(t, library, "/usr/lib/library.so", !_i, 1, "b");
    uint64_t one = fake_new(a.heap, a.node, 1, 0), two = fake_new(b.heap, b.node, 1, 0);
    fake_new(a.heap, a.own, 1, 0);
    fake_new(b.heap, b.own, 1, 0);
    char expected[256];
    ck_assert_int_eq(heap_of(t, "b#2"), 1001);
    ck_assert_int_eq(heap_of(t, "--heap=1 #2"), 1);
    ck_assert_int_eq(heap_of(t, "--heap=1001 node#1"), 1001);
    snprintf(expected, sizeof expected,
             "node#1 is ambiguous: node#1 at 0x%" PRIx64 " in heap 1, node#1 at 0x%" PRIx64
             " in heap 1001: "
             "say which with --heap=N, or give its address",
             one, two);
    ck_assert_has(fake_json_failure(t, "objat", "node#1"), expected);
    ck_assert_has(fake_json_failure(t, "refs", "#2"), "#2 is ambiguous: a#2 at ");
    ck_assert_has(fake_json_failure(t, "objat", "c#2"),
                  "there is no object c#2: there are a#2, b#2");
    ck_assert_has(fake_json_failure(t, "objat", "--heap=1 b#2"),
                  "there is no object b#2 in heap 1: there are a#2 in heap 1, b#2 in heap 1001");
    fake_free_object(b.heap, two, RH_DEATH_RELEASE); /* a grave has its name, too */
    t->state++;
    ck_assert_has(fake_json_failure(t, "objat", "node#1"), expected);
    copy_free(&a);
    copy_free(&b);
    fake_target_free(t);
}
END_TEST

START_TEST(the_dead_are_told_apart_by_the_histories)
{
    fake_target *t = fake_target_new();
    copy a = copy_new(t, program, "/usr/bin/program", _i, 1, "a"),
         b = copy_new(t, library, "/usr/lib/library.so", !_i, 1, "b");
    uint64_t one = fake_new(a.heap, a.node, 1, 0), two = fake_new(b.heap, b.node, 1, 0);
    fake_event(a.heap, RH_EVENT_FREE, one, 77, a.node, RH_DEATH_RELEASE);
    fake_event(b.heap, RH_EVENT_FREE, two, 77, b.node, RH_DEATH_RELEASE);
    fake_event(b.heap, RH_EVENT_FREE, two, 78, b.own, RH_DEATH_RELEASE);
    fake_event(a.heap, RH_EVENT_FREE, one, 78, a.own, RH_DEATH_RELEASE);
    ck_assert_has(fake_json_failure(t, "objat", "node#77"), "node#77 is ambiguous: ");
    ck_assert_int_eq(heap_of(t, "b#78"), 1001);
    ck_assert_int_eq(heap_of(t, "a#78"), 1);
    ck_assert_int_eq(heap_of(t, "--heap=1001 node#77"), 1001);
    copy_free(&a);
    copy_free(&b);
    fake_target_free(t);
}
END_TEST

START_TEST(a_birth_is_that_of_the_object_itself)
{
    fake_target *t = fake_target_new();
    copy a = copy_new(t, program, "/usr/bin/program", _i, 1, "a"),
         b = copy_new(t, library, "/usr/lib/library.so", !_i, 1, "b");
    uint64_t one = fake_new(a.heap, a.node, 1, 0), two = fake_new(b.heap, b.node, 1, 0);
    fake_link(a.heap, one, NEXT, one);
    fake_link(b.heap, two, NEXT, two);
    fake_event(a.heap, RH_EVENT_NONE, 0, 0, 0, RH_DEATH_NONE);
    /* event 1; the other one's was not recorded */
    fake_event(a.heap, RH_EVENT_ALLOC, one, 1, a.node, RH_DEATH_NONE);
    json_t *json = fake_json(t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "leaks"), 2);
    for (unsigned i = 0; i < 2; i++) {
        json_t *leak = json_array_get(fake_at(json, "leaks"), i);
        bool is_first = strcmp(fake_string(leak, "representative_address"), text_of(one)) == 0;
        ck_assert((json_object_get(leak, "allocated") != NULL) == is_first);
    }
    json_decref(json);
    ck_assert_int_eq(fake_run(t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(t->out.bytes, "  next: refs --heap=1 node#1\n");
    ck_assert_has(t->out.bytes, "  next: refs --heap=1001 node#1\n");
    copy_free(&a);
    copy_free(&b);
    fake_target_free(t);
}
END_TEST

START_TEST(a_reference_leads_from_one_copy_to_the_other)
{
    fake_target *t = fake_target_new();
    copy a = copy_new(t, program, "/usr/bin/program", _i, 1, "a"),
         b = copy_new(t, library, "/usr/lib/library.so", !_i, 1, "b");
    uint64_t one = fake_new(a.heap, a.own, 1, 0), two = fake_new(b.heap, b.own, 1, 0);
    fake_link(a.heap, one, NEXT, two);
    fake_link(b.heap, two, NEXT, one);
    json_t *json = fake_json(t, "gcgraph", "");
    ck_assert_uint_eq(fake_size(json, "cycles"), 1);
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "garbage");
    json_decref(json);
    json = fake_json(t, "refs", "b#1");
    ck_assert_str_eq(fake_string(json, "referrers.0.from"), "a#1");
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
    copy_free(&a);
    copy_free(&b);
    fake_target_free(t);
}
END_TEST

RUN_TESTS("inspect_runtimes", heaps_have_numbers_of_their_own_that_stay,
          names_are_matched_by_type_and_serial_over_all, the_dead_are_told_apart_by_the_histories,
          a_birth_is_that_of_the_object_itself, a_reference_leads_from_one_copy_to_the_other)
