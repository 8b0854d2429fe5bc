/* inspect_leaks.c - `gcleaks`: causes, groups, bytes, --check, what is said when not everything
 * can be searched; and random heaps against a plain reading of the definitions. */
#include "inspect_test.h"

enum { STACK = 0x10000 };
static const uint64_t stack_base = 0x7ffe00000000;

static void with_stack(const world *w)
{
    fake_map(w->t, stack_base, STACK, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w->t, 321, stack_base + 0x100);
}

static void hold(const world *w, unsigned word, uint64_t object)
{
    fake_put(w->t, stack_base + 0x800 + word * 8, object, 8);
}

/* "cycle: node#1 node#2 (2 objects) retained 192; …" with sizes in objects. */
static const char *leaks(const world *w, const char *line)
{
    static char text[8192];
    size_t index, at;
    uint64_t objects = 0, bytes = 0, size = w->space->type_bytes[w->node];
    json_t *leak, *id, *json = fake_json(w->t, "gcleaks", line);
    text[0] = '\0';
    json_array_foreach(fake_at(json, "leaks"), index, leak)
    {
        char *to = text + strlen(text);
        to += sprintf(to, "%s%s:", index ? "; " : "", fake_string(leak, "cause"));
        json_array_foreach(fake_at(leak, "objects"), at, id) to +=
            sprintf(to, " %s", json_string_value(id) + strlen("node#"));
        if (fake_at(leak, "of"))
            to += sprintf(to, " of %s", fake_string(leak, "of") + strlen("node#"));
        sprintf(to, " /%lld", fake_integer(leak, "retained") / (long long)size);
        ck_assert_str_eq(fake_string(leak, "representative"),
                         json_string_value(json_array_get(fake_at(leak, "objects"), 0)));
        ck_assert_int_eq(fake_integer(leak, "bytes"),
                         fake_integer(leak, "count") * (long long)size);
        objects += (uint64_t)fake_integer(leak, "count");
        bytes += (uint64_t)fake_integer(leak, "bytes");
    }
    if (!fake_at(json, "leaks_total")) {
        ck_assert_int_eq(fake_integer(json, "objects"), (long long)objects);
        ck_assert_int_eq(fake_integer(json, "bytes"), (long long)bytes);
    }
    json_decref(json);
    return text;
}

static void nodes(const world *w, uint64_t *n, unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        n[i] = new_node(w, 1);
}

/* As in a finalizer that a collection runs. */
START_TEST(what_the_runtime_holds_is_not_leaked)
{
    world w = world_new(_i);
    uint64_t n[6];
    with_stack(&w);
    nodes(&w, n, 5);
    fake_link(w.heap, n[1], NEXT, n[2]); /* 1 <-> 2 -> 3, both being finalized */
    fake_link(w.heap, n[2], NEXT, n[1]);
    fake_link(w.heap, n[2], OTHER, n[3]);
    fake_count(w.heap, n[1], 2);
    fake_count(w.heap, n[2], 2);
    fake_flags(w.heap, n[1], RH_FLAG_HELD);
    fake_flags(w.heap, n[2], RH_FLAG_HELD);
    fake_flags(w.heap, n[4], RH_FLAG_HELD);
    fake_count(w.heap, n[4], 2); /* one of them is lost */
    hold(&w, 0, n[5]);
    ck_assert_str_eq(leaks(&w, ""), "lost_reference: 4 /0");
    json_t *json = ask(&w, "refs", "", n[2]);
    ck_assert_int_eq(fake_integer(json, "ledger.runtime"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.roots"), 1);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 0);
    json_decref(json);
    json = ask(&w, "refs", "", n[4]);
    ck_assert_int_eq(fake_integer(json, "ledger.unexplained"), 1);
    json_decref(json);
    json = fake_json(w.t, "gcgraph", "--cycles");
    ck_assert_str_eq(fake_string(json, "cycles.0.verdict"), "held");
    ck_assert_str_eq(fake_string(json, "cycles.0.held_by.0.kind"), "runtime");
    ck_assert_str_eq(fake_string(json, "cycles.0.held_by.0.from"), "node#1");
    ck_assert_uint_eq(fake_size(json, "cycles.0.held_by"), 2);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_group_is_a_topmost_cycle_with_all_it_reaches)
{
    world w = world_new(_i);
    uint64_t n[10];
    with_stack(&w);
    nodes(&w, n, 9);
    fake_link(w.heap, n[2], NEXT, n[1]); /* 1 <-> 2 -> 3 -> 4 -> 4 */
    fake_link(w.heap, n[1], NEXT, n[2]);
    fake_link(w.heap, n[2], OTHER, n[3]);
    fake_link(w.heap, n[3], NEXT, n[4]);
    fake_link(w.heap, n[4], OTHER, n[4]);
    fake_count(w.heap, n[4], 2);
    fake_link(w.heap, n[6], NEXT, n[6]); /* 6 -> 6, -> 7 */
    fake_link(w.heap, n[6], OTHER, n[7]);
    fake_link(w.heap, n[8], NEXT, n[9]); /* 8 -> 9, held by a word */
    hold(&w, 0, n[8]);
    hold(&w, 1, n[5]);
    hold(&w, 2, n[1]); /* holds no count */
    ck_assert_str_eq(leaks(&w, ""), "cycle: 1 2 3 4 /4; cycle: 6 7 /2");
    ck_assert_str_eq(leaks(&w, ""), "cycle: 1 2 3 4 /4; cycle: 6 7 /2"); /* from the cache */
    world_free(&w);
}
END_TEST

START_TEST(what_two_groups_reach_is_of_the_first_and_retained_by_none)
{
    world w = world_new(_i);
    uint64_t n[10];
    with_stack(&w);
    nodes(&w, n, 6);
    fake_link(w.heap, n[1], NEXT, n[1]); /* 1 -> 3 -> 4 <- 2; 2 -> 5, 6 */
    fake_link(w.heap, n[1], OTHER, n[3]);
    fake_link(w.heap, n[3], NEXT, n[4]);
    fake_link(w.heap, n[2], NEXT, n[2]);
    fake_link(w.heap, n[2], OTHER, n[5]);
    fake_link(w.heap, n[5], NEXT, n[4]);
    fake_link(w.heap, n[5], OTHER, n[6]);
    fake_count(w.heap, n[4], 2);
    ck_assert_str_eq(leaks(&w, ""), "cycle: 2 5 6 /3; cycle: 1 3 4 /2");
    world_free(&w);
}
END_TEST

START_TEST(a_lost_object_and_what_only_it_holds_are_two_entries)
{
    world w = world_new(_i);
    uint64_t n[10];
    with_stack(&w);
    nodes(&w, n, 8);
    fake_link(w.heap, n[1], NEXT, n[2]); /* 1 lost -> 2 -> 3, and -> 4, which 5 holds, too */
    fake_link(w.heap, n[2], NEXT, n[3]);
    fake_link(w.heap, n[1], OTHER, n[4]);
    fake_link(w.heap, n[5], OTHER, n[4]);
    fake_count(w.heap, n[4], 2);
    hold(&w, 0, n[5] + 3);               /* anywhere in the object */
    fake_link(w.heap, n[6], NEXT, n[3]); /* 6 lost, shares 3 */
    fake_count(w.heap, n[3], 2);
    fake_link(w.heap, n[5], NEXT, n[7]); /* 7 has one count of its own more, and is in use */
    fake_count(w.heap, n[7], 2);
    fake_link(w.heap, n[7], NEXT, n[8]);
    ck_assert_str_eq(
        leaks(&w, ""),
        "lost_reference: 1 /2; dependent: 2 3 of 1 /1; lost_reference: 6 /1; lost_reference: 7 /0");
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "5 objects, ");
    ck_assert_has(w.t->out.bytes,
                  "  3 with a lost reference: a count that no field, root or word owns\n");
    ck_assert_has(w.t->out.bytes, "  2 that only those hold (dependent)\n");
    ck_assert_has(w.t->out.bytes, "1 count: 1 owned by nobody that was found\n");
    ck_assert_has(w.t->out.bytes, "2 counts: 1 field, 1 owned by nobody that was found (it is in "
                                  "use all the same: a field holds it, too)\n");
    ck_assert_has(w.t->out.bytes, ", held by the lost node#1\n");
    ck_assert_has(w.t->out.bytes, "2 × lost_reference node, 2 objects, ");
    ck_assert_has(w.t->out.bytes, "  holds {value: 0, next: node#2, other: node#4}\n");
    ck_assert_has(w.t->out.bytes, "  next: objat node#1\n");         /* nothing holds it */
    ck_assert_has(w.t->out.bytes, "  next: refs --ledger node#7\n"); /* a count of it alone is */
    ck_assert_has(w.t->out.bytes, "REFHEAP_OPTIONS=history=all,stacks=8");
    world_free(&w);
}
END_TEST

START_TEST(every_kind_of_owner_is_one)
{
    world w = world_new(_i);
    uint64_t n[10];
    with_stack(&w);
    nodes(&w, n, 8);
    fake_register(w.t, "rbx", n[1]);
    hold(&w, 0, n[2]);
    fake_map(w.t, 0x610000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x610000000000, n[3], 8);
    fake_root(w.heap, 0x610000000000, "root");
    fake_module(w.t, 0x400000000000, "/usr/bin/program", 0x1000, 0x1000, 0);
    fake_put(w.t, 0x400000000000 + FAKE_MODULE_DATA + 64, n[4], 8);
    fake_link(w.heap, n[1], BLIND, n[5]); /* an undeclared word of another object */
    fake_link(w.heap, n[6], BLIND, n[6]); /* of its own: no owner */
    fake_link(w.heap, n[1], BACK, n[7]);  /* borrowed: declared to own nothing */
    fake_immortal(w.heap, n[8]);
    ck_assert_str_eq(leaks(&w, ""), "lost_reference: 6 /1; lost_reference: 7 /1");
    world_free(&w);
}
END_TEST

/* What a field declares to own nothing owns nothing. Any other word may own, a number too: behind a
 * tail of as many elements as the object says, far behind its first words, in a larger slot. */
START_TEST(an_undeclared_word_is_an_owner_wherever_it_lies)
{
    enum { BODY = 1400, COUNT = 8, TAIL = 16, FAR = 1200, EXTRA = 904 };
    static const fake_field fields[] = {FAKE_ONE("count", RH_KIND_UINT, COUNT, 8),
                                        {.name = "tail",
                                         .kind = RH_KIND_BORROWED,
                                         .form = RH_FORM_ARRAY,
                                         .width = 8,
                                         .count_width = 8,
                                         .offset = TAIL,
                                         .count_offset = COUNT,
                                         .stride = 8},
                                        FAKE_ONE("data", RH_KIND_UINT, FAR + 8, 8)};
    world w = world_new(_i);
    uint64_t n[10];
    with_stack(&w);
    nodes(&w, n, 8);
    uint32_t large = fake_type(w.space, "large", BODY, fields, 3);
    uint64_t first = fake_new(w.heap, large, 1, 0), second = fake_new(w.heap, large, 1, EXTRA),
             wide = fake_new(w.heap, w.node, 1, 64);
    hold(&w, 0, first);
    hold(&w, 1, second);
    hold(&w, 2, wide);
    fake_put(w.t, fake_slot(w.space, first, COUNT), 2, 8);
    fake_link(w.heap, first, TAIL, n[1]);              /* borrowed */
    fake_link(w.heap, first, TAIL + 8, n[2]);          /* the last element */
    fake_link(w.heap, first, TAIL + 16, n[3]);         /* behind it */
    fake_link(w.heap, first, FAR, n[4]);               /* behind the first 64 words */
    fake_link(w.heap, first, FAR + 8, n[5]);           /* data */
    fake_link(w.heap, second, 0, n[6]);                /* the same type in a slot of another size */
    fake_link(w.heap, second, BODY + EXTRA - 8, n[7]); /* behind the struct */
    fake_link(w.heap, wide, NODE_BODY + 56, n[8]);
    ck_assert_str_eq(leaks(&w, ""), "lost_reference: 1 /1; lost_reference: 2 /1");
    world_free(&w);
}
END_TEST

START_TEST(immortal_and_dying_objects_hold_and_are_not_lost)
{
    world w = world_new(_i);
    uint64_t n[10];
    with_stack(&w);
    nodes(&w, n, 6);
    fake_immortal(w.heap, n[1]);
    fake_link(w.heap, n[1], NEXT, n[2]);
    fake_dying(w.heap, n[3], 1);
    fake_link(w.heap, n[3], NEXT, n[4]);
    fake_word(w.heap, n[5], 0x90000000u); /* freed, though its live bit is set: in quarantine */
    fake_flags(w.heap, n[5], RH_FLAG_FREED);
    /* damaged: nothing is known of it */
    fake_put(w.t, n[6] + w.space->c[RH_MC_object_type], 0xfff0, 2);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "no leak was found in what could be read\n");
    world_free(&w);
}
END_TEST

START_TEST(check_has_a_status_of_its_own)
{
    world w = world_new(_i);
    uint64_t a = new_node(&w, 1);
    int status;
    with_stack(&w);
    hold(&w, 0, a);
    json_t *json = fake_json_status(w.t, "gcleaks", "--check", &status);
    ck_assert_int_eq(status, RHI_ANSWERED);
    json_decref(json);
    hold(&w, 0, 0);
    w.t->state++;
    json = fake_json_status(w.t, "gcleaks", "--check", &status);
    ck_assert_int_eq(status, RHI_FOUND);
    ck_assert_uint_eq(fake_size(json, "leaks"), 1);
    json_decref(json);
    /* without --check an answer is an answer */
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", "--check"), RHI_FOUND);
    ck_assert_has(w.t->out.bytes, "lost_reference node#1"); /* it is printed all the same */
    fake_phase(w.heap, RH_PHASE_MARKING);
    w.t->state++;
    json = fake_json_status(w.t, "gcleaks", "--check", &status);
    ck_assert_int_eq(status, RHI_NO_ANSWER); /* counts are in motion: nothing is certain */
    ck_assert(json_is_true(fake_at(json, "provisional")));
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "provisional: heap 1 is marking");
    world_free(&w);
}
END_TEST

START_TEST(nothing_is_called_lost_if_not_everything_was_searched)
{
    world w = world_new(_i);
    uint64_t n[5];
    int status;
    with_stack(&w);
    nodes(&w, n, 3);
    w.t->hole_start = stack_base + 0x4000;
    w.t->hole_end = stack_base + 0x5000;
    /* the second answer comes from the cache, and says the same */
    for (int again = 0; again < 2; again++) {
        json_t *json = fake_json_status(w.t, "gcleaks", "--check", &status);
        ck_assert_int_eq(status, RHI_NO_ANSWER);
        ck_assert_uint_eq(fake_size(json, "leaks"), 0);
        ck_assert_int_eq(fake_integer(json, "undecided"), 3);
        ck_assert(json_is_false(fake_at(json, "complete")));
        ck_assert_has(json_string_value(fake_at(json, "incomplete_because.0")), "cannot be read");
        json_decref(json);
    }
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "3 objects have a count whose owner was not found; not "
                                  "everything could be searched, so nothing is called lost\n");
    ck_assert_int_eq(fake_run(w.t, "gcfind", "--unreachable"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "0 objects\n");
    ck_assert_has(w.t->out.bytes, "garbage only: 3 objects");
    fake_link(w.heap, n[1], NEXT, n[1]); /* garbage is garbage all the same */
    w.t->state++;
    json_t *json = fake_json_status(w.t, "gcleaks", "--check", &status);
    ck_assert_int_eq(status, RHI_FOUND);
    ck_assert_str_eq(fake_string(json, "leaks.0.cause"), "cycle");
    ck_assert_uint_eq(fake_size(json, "leaks"), 1);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(objects_that_cannot_be_read_are_not_called_leaked)
{
    world w = world_new(_i);
    uint64_t n[40];
    with_stack(&w);
    nodes(&w, n, 30);
    for (unsigned i = 1; i <= 30; i++)
        hold(&w, i, n[i]);
    fake_link(w.heap, n[1], NEXT, n[30]); /* of the unread, a field is known, a count is not */
    w.t->hole_start = n[20];
    w.t->hole_end = n[30] + 4096;
    ck_assert_str_eq(leaks(&w, ""), "");
    world_free(&w);
}
END_TEST

START_TEST(heaps_limits_and_types)
{
    world w = world_new(_i);
    uint64_t n[30];
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    with_stack(&w);
    nodes(&w, n, 12);
    for (unsigned i = 1; i < 8; i++)
        fake_link(w.heap, n[i], NEXT, n[i + 1]);
    fake_link(w.heap, n[8], NEXT, n[1]);
    uint64_t other = fake_new(second, w.node, 1, 0);
    json_t *json = fake_json(w.t, "gcleaks", "--limit=2");
    ck_assert_uint_eq(fake_size(json, "leaks"), 2);
    ck_assert_int_eq(fake_integer(json, "leaks_total"), 6);
    ck_assert_int_eq(fake_integer(json, "objects"), 13);
    ck_assert_uint_eq(fake_size(json, "leaks.0.objects"), 2);
    ck_assert_int_eq(fake_integer(json, "leaks.0.objects_total"), 8);
    ck_assert_int_eq(fake_integer(json, "leaks.0.count"), 8);
    ck_assert_str_eq(fake_string(json, "by_type.0.cause"), "cycle");
    ck_assert_int_eq(fake_integer(json, "by_type.0.objects"), 8);
    ck_assert_str_eq(fake_string(json, "by_type.0.sample"), id_of(&w, n[1]));
    ck_assert_str_eq(fake_string(json, "by_type.1.cause"), "lost_reference");
    ck_assert_int_eq(fake_integer(json, "by_type.1.groups"), 5);
    json_decref(json);
    json = fake_json(w.t, "gcleaks", "--heap=2");
    ck_assert_int_eq(fake_integer(json, "objects"), 1);
    ck_assert_uint_eq(fake_size(json, "leaks"), 1);
    ck_assert_str_eq(fake_string(json, "leaks.0.representative_address"), text_of(other));
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", "--limit=2"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "13 objects, ");
    ck_assert_has(w.t->out.bytes, "with node#2, node#3, node#4, node#5, node#6, … 2 more\n");
    ck_assert_has(w.t->out.bytes, "1 count: 1 field, all from inside the garbage\n");
    ck_assert_has(w.t->out.bytes, "\n5 × lost_reference node, 5 objects, ");
    ck_assert_has_not(w.t->out.bytes, "more kind");
    ck_assert_int_eq(fake_run(w.t, "gcleaks", "--limit=1"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\n… 1 more kind (--limit=0 shows all)\n");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(the_allocation_site_of_the_representative)
{
    world w = world_new(_i);
    const uint64_t site[] = {0x400000000123, 0x400000000456, 0x7fff12345678, 0x400000000001};
    with_stack(&w);
    fake_module(w.t, 0x400000000000, "/usr/bin/program", 0x1000, 0x1000, 0);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), c = new_node(&w, 1);
    fake_event(w.heap, RH_EVENT_ALLOC, a, 77, w.node, RH_DEATH_NONE); /* of an earlier tenant */
    fake_event(w.heap, RH_EVENT_ALLOC, a, fake_serial(w.heap, a), w.node, RH_DEATH_NONE);
    fake_stack(w.heap, 1, site, 3);
    fake_event(w.heap, RH_EVENT_ALLOC, b, fake_serial(w.heap, b), w.node, RH_DEATH_NONE);
    fake_event(w.heap, RH_EVENT_RESURRECT, a, fake_serial(w.heap, a), w.node, RH_DEATH_NONE);
    fake_stack(w.heap, 3, site + 3, 1);
    json_t *json = fake_json(w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "leaks"), 3);
    ck_assert_int_eq(fake_integer(json, "leaks.0.allocated.event"), 1);
    ck_assert_int_eq(fake_integer(json, "leaks.0.allocated.thread"), 77);
    ck_assert_uint_eq(fake_size(json, "leaks.0.allocated.stack"), 3);
    ck_assert_str_eq(fake_string(json, "leaks.0.allocated.stack.1.address"), "0x400000000456");
    ck_assert_str_eq(fake_string(json, "leaks.0.allocated.stack.1.module"), "program+0x456");
    ck_assert(json_is_null(fake_at(json, "leaks.0.allocated.stack.2.module")));
    ck_assert_int_eq(fake_integer(json, "leaks.1.allocated.event"), 2); /* no stack was kept */
    ck_assert_uint_eq(fake_size(json, "leaks.1.allocated.stack"), 0);
    ck_assert_ptr_null(fake_at(json, "leaks.2.allocated")); /* nor the event */
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes,
                  "allocated by thread 77 (event 1) at:\n    #0  0x400000000123 program+0x123\n");
    json = ask(&w, "objat", "--history", a);
    ck_assert_uint_eq(fake_size(json, "history.0.stack"), 1);
    ck_assert_str_eq(fake_string(json, "history.1.stack.0.address"), "0x400000000123");
    json_decref(json);
    (void)c;
    world_free(&w);
}
END_TEST

START_TEST(leaks_that_are_alike_are_one_block)
{
    static const uint64_t sites[2][3] = {{0x400000000123, 0x400000000456, 0x400000000789},
                                         {0x400000000123, 0x400000000999, 0x400000000789}};
    static const struct {
        int count;
        const char *largest;
    } groups[] = {{4, "node#2"}, {2, "node#1"}, {2, "node#7"}};
    world w = world_new(_i);
    uint64_t made[8], event = 0;
    with_stack(&w);
    setenv("LC_ALL", "C.UTF-8", 1);
    fake_module(w.t, 0x400000000000, "/usr/bin/program", 0x1000, 0x1000, 0);
    for (unsigned i = 0; i < 8; i++) {
        made[i] = new_node(&w, 1);
        if (i >= 6) /* two of which no event is recorded */
            continue;
        fake_event(w.heap, RH_EVENT_ALLOC, made[i], fake_serial(w.heap, made[i]), w.node,
                   RH_DEATH_NONE);
        /* of node#1 and node#4 the second one's */
        fake_stack(w.heap, event++, sites[i % 3 == 0], 3);
    }
    json_t *json = fake_json(w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "leaks"), 8); /* each has its row all the same */
    ck_assert_uint_eq(fake_size(json, "groups"), 3);
    for (int i = 0; i < 3; i++) {
        int count = 0;
        for (int k = 0; k < 3; k++) { /* those of equal size are in any order */
            char largest[32], number[32];
            snprintf(largest, sizeof largest, "groups.%d.largest", k);
            snprintf(number, sizeof number, "groups.%d.count", k);
            count += strcmp(fake_string(json, largest), groups[i].largest) == 0
                         ? (int)fake_integer(json, number)
                         : 0;
        }
        ck_assert_int_eq(count, groups[i].count);
    }
    ck_assert_str_eq(fake_string(json, "groups.0.cause"), "lost_reference");
    ck_assert_str_eq(fake_string(json, "groups.0.type"), "node");
    ck_assert_int_eq(fake_integer(json, "groups.0.objects"), 4);
    ck_assert_str_eq(fake_string(json, "groups.0.value"), "{value: 0}");
    ck_assert_str_eq(fake_string(json, "groups.0.allocated.stack.1.module"), "program+0x456");
    json_decref(json);
    json = fake_json(w.t, "gcleaks", "--limit=1");
    ck_assert_uint_eq(fake_size(json, "groups"), 1);
    ck_assert_int_eq(fake_integer(json, "groups_total"), 3);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcleaks", "--limit=1"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\n4 × lost_reference node, 4 objects, ");
    ck_assert_has(w.t->out.bytes, " bytes\n  the largest: node#2 at 0x");
    ck_assert_has(w.t->out.bytes, "program+0x456\n");
    ck_assert_has(w.t->out.bytes, "  next: objat --history node#2\n");
    ck_assert_has(w.t->out.bytes, "\n… 2 more kinds (--limit=0 shows all)\n");
    ck_assert_has_not(w.t->out.bytes, "REFHEAP_OPTIONS");
    world_free(&w);
}
END_TEST

START_TEST(a_damaged_ring_of_stacks_is_bounded)
{
    world w = world_new(_i);
    const uint64_t site[] = {1, 2, 3, 4};
    uint64_t a = new_node(&w, 1);
    fake_event(w.heap, RH_EVENT_ALLOC, a, fake_serial(w.heap, a), w.node, RH_DEATH_NONE);
    fake_stack(w.heap, 0, site, 4);
    /* heap.stacks, as fake_heap.c places it */
    uint64_t member = w.heap->address + 0x400 + 16 * (uint64_t)_i;
    const uint64_t places[] = {1, UINT64_MAX, UINT64_MAX - 7, w.heap->address, 0x123456789};
    const uint64_t depths[] = {0, 1, 4, 31, 33, UINT32_MAX};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        for (unsigned k = 0; k < sizeof depths / sizeof *depths; k++) {
            fake_put(w.t, member, places[i], 8);
            fake_put(w.t, member + 8, depths[k], 4);
            w.t->state++;
            json_t *json = ask(&w, "objat", "--history", a);
            MUST(fake_size(json, "history") == 1);
            MUST(fake_size(json, "history.0.stack") <= 32);
            json_decref(json);
        }
    world_free(&w);
}
END_TEST

/* ---- random heaps --------------------------------------------------------------------------- */

enum { OBJECTS = 14, EDGES = 2 };

typedef struct model {
    unsigned count;
    int edge[OBJECTS][EDGES]; /* -1: none */
    unsigned extra[OBJECTS];  /* counts besides those of fields */
    bool word[OBJECTS], immortal[OBJECTS];
    bool reach[OBJECTS][OBJECTS]; /* in one step or more, or the same */
    const char *cause[OBJECTS];   /* NULL: not leaked */
} model;

static bool is_held(const model *m, unsigned i, bool words_count)
{
    for (unsigned k = 0; k < m->count; k++)
        if (m->reach[k][i] && (m->immortal[k] || (m->extra[k] && (m->word[k] || !words_count))))
            return true;
    return false;
}

static void judge(model *m)
{
    memset(m->reach, 0, sizeof m->reach);
    for (unsigned i = 0; i < m->count; i++)
        m->reach[i][i] = true;
    for (unsigned round = 0; round < m->count; round++)
        for (unsigned i = 0; i < m->count; i++)
            for (unsigned k = 0; k < m->count; k++)
                for (unsigned e = 0; e < EDGES; e++)
                    if (m->reach[i][k] && m->edge[k][e] >= 0)
                        m->reach[i][m->edge[k][e]] = true;
    for (unsigned i = 0; i < m->count; i++)
        m->cause[i] = !is_held(m, i, false)                           ? "cycle"
                      : !m->immortal[i] && m->extra[i] && !m->word[i] ? "lost_reference"
                      : !is_held(m, i, true)                          ? "dependent"
                                                                      : NULL;
}

/* Does anything outside the group of `top` reach i? The group: what `top` reaches of the causes
 * given. */
static uint64_t retained_of(const model *m, unsigned top)
{
    bool garbage = strcmp(m->cause[top], "cycle") == 0;
    const char *tail = garbage ? "cycle" : "dependent";
    uint64_t kept = 0;
    for (unsigned i = 0; i < m->count; i++) {
        if (i != top && (!m->reach[top][i] || !m->cause[i] || strcmp(m->cause[i], tail) != 0))
            continue;
        bool only = true;
        for (unsigned k = 0; k < m->count; k++) /* every way to i begins at what belongs to `top` */
            only &= !m->reach[k][i] || (m->cause[k] && m->reach[top][k] &&
                                        (k == top || strcmp(m->cause[k], tail) == 0));
        kept += only;
    }
    return kept;
}

static void compare(const world *w, const model *m, const uint64_t *objects)
{
    json_t *leak, *id, *json = fake_json(w->t, "gcleaks", "--limit=0");
    size_t index, at;
    unsigned seen[OBJECTS] = {0}, leaked = 0, total = 0;
    int64_t before = INT64_MAX;
    uint64_t first = fake_serial(w->heap, objects[0]), size = w->space->type_bytes[w->node];
    json_array_foreach(fake_at(json, "leaks"), index, leak)
    {
        const char *cause = fake_string(leak, "cause");
        uint64_t top =
            strtoull(fake_string(leak, "representative") + strlen("node#"), NULL, 10) - first;
        MUST(top < m->count);
        json_array_foreach(fake_at(leak, "objects"), at, id)
        {
            uint64_t i = strtoull(json_string_value(id) + strlen("node#"), NULL, 10) - first;
            MUST(i < m->count && m->cause[i] && strcmp(m->cause[i], cause) == 0);
            uint64_t from =
                fake_at(leak, "of")
                    ? strtoull(fake_string(leak, "of") + strlen("node#"), NULL, 10) - first
                    : top;
            MUST(m->reach[from][i]);
            seen[i]++;
        }
        if (strcmp(cause, "dependent") != 0)
            MUST((uint64_t)fake_integer(leak, "retained") == retained_of(m, (unsigned)top) * size);
        MUST(fake_integer(leak, "retained") <= before); /* largest first */
        before = fake_integer(leak, "retained");
        total++;
    }
    for (unsigned i = 0; i < m->count; i++) {
        MUST(seen[i] == (m->cause[i] != NULL));
        leaked += m->cause[i] != NULL;
    }
    MUST(fake_integer(json, "objects") == leaked);
    json_decref(json);
    json = fake_json(w->t, "gcfind", "--unreachable --limit=0");
    MUST(fake_integer(json, "total") == leaked);
    json_decref(json);
    (void)total;
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state >> 16;
}

START_TEST(random_heaps_agree_with_the_definitions)
{
    world w = world_new(_i);
    uint64_t objects[OBJECTS], random = 88172645463325252u + (uint64_t)_i;
    unsigned causes[3] = {0};
    with_stack(&w);
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = new_node(&w, 1);
    for (unsigned round = 0; round < 3000; round++) {
        model m = {.count = OBJECTS};
        unsigned found[OBJECTS] = {0};
        for (unsigned i = 0; i < OBJECTS; i++)
            for (unsigned e = 0; e < EDGES; e++) {
                m.edge[i][e] =
                    next_random(&random) % 3 ? -1 : (int)(next_random(&random) % OBJECTS);
                if (m.edge[i][e] >= 0)
                    found[m.edge[i][e]]++;
            }
        for (unsigned i = 0; i < OBJECTS; i++) {
            /* One that nothing refers to has a count, or it would be dead. */
            m.extra[i] = found[i] == 0 || next_random(&random) % 8 == 0;
            m.word[i] = next_random(&random) % 3 == 0;
            m.immortal[i] = next_random(&random) % 24 == 0;
            fake_flags(w.heap, objects[i], 0);
            fake_count(w.heap, objects[i], found[i] + m.extra[i]);
            if (m.immortal[i])
                fake_immortal(w.heap, objects[i]);
            hold(&w, i, m.word[i] ? objects[i] : 0);
            fake_link(w.heap, objects[i], NEXT, m.edge[i][0] < 0 ? 0 : objects[m.edge[i][0]]);
            fake_link(w.heap, objects[i], OTHER, m.edge[i][1] < 0 ? 0 : objects[m.edge[i][1]]);
        }
        w.t->state++;
        judge(&m);
        for (unsigned i = 0; i < OBJECTS; i++)
            causes[!m.cause[i] ? 0 : m.cause[i][0] == 'c' ? 1 : 2]++;
        compare(&w, &m, objects);
    }
    ck_assert_uint_gt(causes[0], 1000);
    ck_assert_uint_gt(causes[1], 1000);
    ck_assert_uint_gt(causes[2], 1000);
    world_free(&w);
}
END_TEST

/* Vector registers hold the only pointer, or what libc's string functions left there. */
START_TEST(what_only_a_vector_register_holds_is_possible)
{
    const uint64_t libc = 0x7f1200000000, program = 0x400000000000;
    static const struct {
        uint64_t pc;
        uint64_t before;
        bool is_dead;
    } places[] = {{0, 0, false},
                  {program + 0x100, 0, false},
                  {program + 0x100, 0x050f, false},
                  {libc + 0x100, 0, false},
                  {libc + 0x100, 0x050f, true}};
    world w = world_new(_i);
    uint64_t n[6];
    with_stack(&w);
    nodes(&w, n, 4);
    fake_link(w.heap, n[1], NEXT, n[2]);
    fake_module(w.t, program, "/usr/bin/program", 0x1000, 0x1000, 0);
    fake_module(w.t, libc, "/usr/lib/libc.so.6", 0x1000, 0x1000, 0);
    fake_register(w.t, "xmm17[1]", n[1] + 8);
    fake_register(w.t, "xmm3[0]", n[3]);
    hold(&w, 0, n[3]); /* certain: the register adds nothing */
    fake_register(w.t, "rip", 0);
    ck_assert_str_eq(leaks(&w, ""), "lost_reference: 4 /1");
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        w.t->registers[2].value = places[i].pc;
        if (places[i].pc)
            fake_put(w.t, places[i].pc - 2, places[i].before, 2);
        w.t->state++;
        json_t *json = fake_json(w.t, "gcleaks", "");
        ck_assert(json_is_true(fake_at(json, "complete")));
        ck_assert_uint_eq(fake_size(json, "possible"), !places[i].is_dead);
        ck_assert_int_eq(fake_integer(json, "objects"), places[i].is_dead ? 3 : 1);
        if (!places[i].is_dead) {
            ck_assert_str_eq(fake_string(json, "possible.0.object"), "node#1");
            ck_assert_str_eq(fake_string(json, "possible.0.register"), "xmm17[1]");
            ck_assert_int_eq(fake_integer(json, "possible.0.thread"), 321);
            ck_assert_int_eq(fake_run(w.t, "gcleaks", ""), RHI_ANSWERED);
            ck_assert_has(
                w.t->out.bytes,
                "only a word in xmm17[1] of thread 321 leads to it, which may be a leftover\n");
        }
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_leaks", what_only_a_vector_register_holds_is_possible,
          what_the_runtime_holds_is_not_leaked, a_group_is_a_topmost_cycle_with_all_it_reaches,
          what_two_groups_reach_is_of_the_first_and_retained_by_none,
          a_lost_object_and_what_only_it_holds_are_two_entries, every_kind_of_owner_is_one,
          an_undeclared_word_is_an_owner_wherever_it_lies,
          immortal_and_dying_objects_hold_and_are_not_lost, check_has_a_status_of_its_own,
          nothing_is_called_lost_if_not_everything_was_searched,
          objects_that_cannot_be_read_are_not_called_leaked, heaps_limits_and_types,
          the_allocation_site_of_the_representative, leaks_that_are_alike_are_one_block,
          a_damaged_ring_of_stacks_is_bounded, random_heaps_agree_with_the_definitions)
