/* inspect_session.c - the cache by state_id, cancelling at every poll, errors and their stream. */
#include "inspect_test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static world small(int layout)
{
    world w = world_new(layout);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 2);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, b, NEXT, a);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    fake_put(w.t, 0x7ffe00001800, b, 8);
    return w;
}

static size_t cycles_of(const world *w)
{
    json_t *json = fake_json(w->t, "gcgraph", "");
    size_t count = fake_size(json, "cycles");
    json_decref(json);
    return count;
}

START_TEST(what_was_learned_is_kept_until_the_state_changes)
{
    world w = small(_i);
    ck_assert_uint_eq(cycles_of(&w), 1);
    unsigned long calls = w.t->region_calls;
    ck_assert_uint_eq(cycles_of(&w), 1);
    ck_assert_uint_eq(w.t->region_calls, calls);
    uint64_t c = new_node(&w, 1);
    fake_link(w.heap, c, NEXT, c);
    w.t->state++;
    ck_assert_uint_eq(cycles_of(&w), 2);
    ck_assert_uint_gt(w.t->region_calls, calls);
    fake_link(w.heap, c, NEXT, 0);
    w.t->target.state_id = NULL; /* no state: nothing is kept */
    ck_assert_uint_eq(cycles_of(&w), 1);
    calls = w.t->region_calls;
    ck_assert_uint_eq(cycles_of(&w), 1);
    ck_assert_uint_gt(w.t->region_calls, calls);
    world_free(&w);
}
END_TEST

START_TEST(another_target_is_not_answered_from_the_cache)
{
    world w = small(_i), v = world_new(_i);
    rhi_session *own = v.t->session;
    v.t->session = w.t->session;
    ck_assert_uint_eq(cycles_of(&w), 1);
    ck_assert_uint_eq(cycles_of(&v), 0); /* same state number, another context */
    ck_assert_uint_eq(cycles_of(&w), 1);
    v.t->session = own;
    world_free(&v);
    world_free(&w);
}
END_TEST

START_TEST(every_poll_can_cancel_and_the_next_command_works)
{
    static const struct {
        const char *command, *line;
    } asks[] = {{"objat", "#2"},          {"objat", "--ledger #2"},
                {"refs", "#2"},           {"refs", "--path #2"},
                {"refs", "--depth=3 #2"}, {"gcgraph", ""},
                {"gcgraph", "#1"},        {"gcfind", "--unreachable"},
                {"gcstat", ""},           {"gcverify", ""},
                {"gcstat", "--sites"},    {"gcfind", "--site=*"},
                {"gcleaks", ""},          {"gcstale", ""},
                {"refwatch", ""}};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        world w = small(_i);
        json_t *whole = fake_json(w.t, asks[i].command, asks[i].line);
        unsigned long cancelled = 0;
        for (unsigned long k = 1;; k++) {
            int status;
            w.t->state++; /* from the beginning */
            w.t->interrupt_at = k;
            json_t *json = fake_json_status(w.t, asks[i].command, asks[i].line, &status);
            if (status == RHI_ANSWERED) {
                ck_assert(json_equal(json, whole));
                json_decref(json);
                break;
            }
            ck_assert_str_eq(fake_string(json, "error"), "cancelled");
            ck_assert(json_is_false(fake_at(json, "complete")));
            json_decref(json);
            cancelled++;
            w.t->interrupt_at = 0;
            /* from what the cancelled one left */
            json = fake_json(w.t, asks[i].command, asks[i].line);
            ck_assert(json_equal(json, whole));
            json_decref(json);
        }
        ck_assert_uint_ge(cancelled, 1);
        json_decref(whole);
        world_free(&w);
    }
}
END_TEST

START_TEST(reads_that_fail_because_of_an_interrupt_make_no_answer)
{
    static const struct {
        const char *command, *line;
    } asks[] = {{"objat", "--ledger #2"}, {"refs", "--path #2"}, {"gcgraph", "#1"}};
    for (size_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        world w = small(_i);
        json_t *whole = fake_json(w.t, asks[i].command, asks[i].line);
        /* it is long before anybody asks */
        rhi_session_set(w.t->session, RHI_POLL_MILLISECONDS, 1000000);
        bool answered = false;
        for (unsigned long k = 1; !answered; k++) {
            int status;
            w.t->state++;
            w.t->stop_after_reads = k;
            json_t *json = fake_json_status(w.t, asks[i].command, asks[i].line, &status);
            answered = status == RHI_ANSWERED;
            if (answered)
                ck_assert(json_equal(json, whole));
            else
                ck_assert_str_eq(fake_string(json, "error"), "cancelled");
            ck_assert(!answered || k > 5);
            json_decref(json);
            w.t->stop_after_reads = 0;
            json = fake_json(w.t, asks[i].command, asks[i].line); /* nothing of it was kept */
            ck_assert(json_equal(json, whole));
            json_decref(json);
        }
        json_decref(whole);
        world_free(&w);
    }
}
END_TEST

START_TEST(a_cancelled_command_prints_one_line_and_no_half_answer)
{
    world w = small(_i);
    w.t->interrupt_at = 3;
    ck_assert_int_eq(fake_run(w.t, "refs", "#2"), RHI_NO_ANSWER);
    ck_assert_str_eq(w.t->out.bytes, "");
    ck_assert_str_eq(w.t->err.bytes, "refs: cancelled\n");
    ck_assert_str_eq(rhi_session_error(w.t->session), "refs: cancelled");
    rhi_session_set(w.t->session, RHI_QUIET_ERRORS, 1);
    w.t->state++;
    ck_assert_int_eq(fake_run(w.t, "refs", "#2"), RHI_NO_ANSWER);
    ck_assert_str_eq(w.t->err.bytes, "");
    ck_assert_str_eq(rhi_session_error(w.t->session), "refs: cancelled");
    w.t->interrupt_at = 0;
    ck_assert_int_eq(fake_run(w.t, "refs", "#2"), RHI_ANSWERED);
    ck_assert_str_eq(rhi_session_error(w.t->session), "");
    world_free(&w);
}
END_TEST

START_TEST(a_target_without_heap_or_map_is_told_so)
{
    fake_target *t = fake_target_new();
    ck_assert_has(fake_json_failure(t, "gcgraph", ""), "no process and no core");
    fake_map(t, 0x1000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    ck_assert_has(fake_json_failure(t, "gcgraph", ""), "no heap of refheap or python here");
    fake_target_free(t);
}
END_TEST

/* A process that the engine reads itself, until its door shows other bytes and then has no map, as
 * of one that was killed meanwhile: it may not be said then that it has no heap. */
START_TEST(a_map_that_was_lost_is_asked_for_again)
{
    fake_target *t = fake_target_new();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        for (;;)
            pause();
    t->target.pid = child;
    for (int i = 0; i < 3; i++)
        ck_assert_has(fake_json_failure(t, "gcgraph", ""), "no process and no core");
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    fake_target_free(t);
}
END_TEST

START_TEST(threads_that_cannot_be_had_make_the_answer_incomplete)
{
    world w = small(_i);
    w.t->target.threads = NULL;
    json_t *json = fake_json(w.t, "refs", "#2");
    ck_assert(json_is_false(fake_at(json, "complete")));
    char *reasons = json_dumps(fake_at(json, "incomplete_because"), 0);
    ck_assert_has(reasons, "registers were not searched, and stacks not told from other memory");
    ck_assert_int_eq(fake_integer(json, "ledger.words"), 1);
    ck_assert_str_eq(fake_string(json, "referrers.1.kind"), "unknown");
    free(reasons);
    json_decref(json);
    w.t->target.flags = RHI_TARGET_NO_STOP;
    json = fake_json(w.t, "objat", "#2");
    ck_assert(json_is_false(fake_at(json, "complete")));
    ck_assert_has(fake_string(json, "incomplete_because.0"), "provisional");
    json_decref(json);
    world_free(&w);
}
END_TEST

static const char *const checks[] = {"gcleaks", "gcstale", "gcverify"};

START_TEST(a_process_that_ran_meanwhile_proves_nothing)
{
    /* An over-release, a leaked cycle, a stale field: certain if nobody moved. */
    world w = small(_i);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1), dead = new_node(&w, 1);
    fake_link(w.heap, a, NEXT, a);
    fake_link(w.heap, b, NEXT, b);
    fake_link(w.heap, b, OTHER, b);
    fake_link(w.heap, a, OTHER, dead);
    fake_free_object(w.heap, dead, RH_DEATH_RELEASE);
    for (unsigned i = 0; i < 3; i++) {
        w.t->state++;
        w.t->target.flags = 0;
        ck_assert_int_eq(fake_run(w.t, checks[i], "--check"), RHI_FOUND);
        w.t->state++;
        w.t->target.flags = RHI_TARGET_NO_STOP;
        ck_assert_int_eq(fake_run(w.t, checks[i], "--check"), RHI_NO_ANSWER);
        ck_assert_has(w.t->out.bytes, "the process ran while it was read");
    }
    world_free(&w);
}
END_TEST

START_TEST(without_a_heap_there_is_nothing_to_look_at)
{
    fake_target *t = fake_target_new();
    fake_space *space = fake_space_new(t, 0x500000000040, _i, NULL);
    fake_map(t, 0x7f0000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_thread(t, 321, 0x7f0000000800);
    static const char *const all[] = {"gcleaks", "gcstale", "gcverify",
                                      "gcstat",  "gcgraph", "gcfind"};
    for (unsigned i = 0; i < 6; i++) {
        t->state++;
        ck_assert_int_eq(fake_run(t, all[i], ""), RHI_NO_ANSWER);
        ck_assert_str_eq(t->out.bytes, "");
        ck_assert_has(t->err.bytes, ": there was nothing to look at: no heap was created yet; ask "
                                    "when rh_heap_create has returned\n");
        int status;
        json_t *json = fake_json_status(t, all[i], "", &status);
        ck_assert_int_eq(status, RHI_NO_ANSWER);
        ck_assert_has(rhi_session_error(t->session), "no heap was created yet");
        ck_assert_has(fake_string(json, "incomplete_because.0"), "no heap was created yet");
        ck_assert_has(fake_string(json, "error"), "no heap was created yet");
        json_decref(json);
    }
    /* the values that all heaps share are not the program's */
    fake_heap *shared = fake_heap_new(space, 0, "shared");
    fake_immortal(shared,
                  fake_new(shared, fake_type(space, "node", NODE_BODY, node_fields, 5), 1, 0));
    fake_put(t, FAKE_DESCRIPTOR(space, destroyed_count), 2, 8);
    for (unsigned i = 0; i < 3; i++) {
        t->state++;
        ck_assert_int_eq(fake_run(t, checks[i], "--check"), RHI_NO_ANSWER);
        ck_assert_has(t->err.bytes, "there is no heap any more, 2 were destroyed; ask before that");
        int status;
        json_t *json = fake_json_status(t, checks[i], "", &status);
        ck_assert_int_eq(status, RHI_NO_ANSWER);
        ck_assert(json_is_false(fake_at(json, "complete")));
        json_decref(json);
    }
    /* that is certain all the same */
    ck_assert_int_eq(fake_run(t, "objat", "0x7f0000000000"), RHI_ANSWERED);
    ck_assert_has_not(t->out.bytes, "incomplete");
    ck_assert_int_eq(fake_run(t, "gcverify", "--heap=0 --check"), RHI_ANSWERED);
    fake_heap *heap = fake_heap_new(space, 3, "empty"); /* no object is an answer */
    for (unsigned i = 0; i < 3; i++) {
        t->state++;
        ck_assert_msg(fake_run(t, checks[i], "--check") == RHI_ANSWERED, "%s %s", t->out.bytes,
                      t->err.bytes);
    }
    fake_heap_free(heap);
    fake_heap_free(shared);
    fake_space_free(space);
    fake_target_free(t);
}
END_TEST

START_TEST(another_heap_in_motion_makes_nothing_provisional)
{
    world w = small(_i);
    static const char *const commands[] = {"gcleaks", "gcstale", "gcverify", "gcgraph",
                                           "gcfind --unreachable"};
    fake_heap *busy = fake_heap_new(w.space, 2, "busy");
    fake_phase(busy, RH_PHASE_MARKING);
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        for (unsigned heap = 1; heap <= 2; heap++) {
            char name[32], line[64];
            const char *space = strchr(commands[i], ' ');
            snprintf(name, sizeof name, "%.*s", (int)strcspn(commands[i], " "), commands[i]);
            snprintf(line, sizeof line, "%s --heap=%u", space ? space : "", heap);
            json_t *json = fake_json(w.t, name, line);
            ck_assert_msg(json_is_true(fake_at(json, "provisional")) == (heap == 2), "%s --heap=%u",
                          commands[i], heap);
            json_decref(json);
            ck_assert_int_eq(fake_run(w.t, name, line), RHI_ANSWERED);
            ck_assert_msg((strstr(w.t->out.bytes, "heap 2 is marking") != NULL) == (heap == 2),
                          "%s: %s", line, w.t->out.bytes);
        }
    fake_heap_free(busy);
    world_free(&w);
}
END_TEST

START_TEST(completion_offers_options_and_types)
{
    world w = small(_i);
    char text[512];
    ck_assert_uint_eq(rhi_complete(w.t->session, &w.t->target, "refs", "--p", text, sizeof text),
                      1);
    ck_assert_str_eq(text, "--path");
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "refs", "--in no", text, sizeof text), 1);
    ck_assert_str_eq(text, "node#");
    /* cut, and counted */
    ck_assert_uint_gt(rhi_complete(w.t->session, &w.t->target, "gcgraph", "--", text, 10), 5);
    ck_assert_uint_lt(strlen(text), 10);
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "gcfind", "--type=no", text, sizeof text), 1);
    ck_assert_str_eq(text, "--type=node");
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "gcfind", "--type no", text, sizeof text), 1);
    ck_assert_str_eq(text, "node");
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "gcgraph", "--depth=no", text, sizeof text), 0);
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "gcgraph", "--depth no", text, sizeof text), 0);
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "gcgraph", "--svg ", text, sizeof text), 0);
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "gcgraph", "--depth 1 no", text, sizeof text), 1);
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "refs", "node#1 --p", text, sizeof text), 1);
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "refs", "node#1 --path no", text, sizeof text), 0);
    ck_assert_uint_eq(rhi_complete(w.t->session, &w.t->target, "gcleaks", "no", text, sizeof text),
                      0);
    ck_assert_uint_eq(rhi_complete(w.t->session, &w.t->target, "nonsense", "--", text, sizeof text),
                      0);
    ck_assert_int_eq(fake_run(w.t, "objat", "#1"), RHI_ANSWERED);
    world_free(&w);
}
END_TEST

START_TEST(a_door_learns_what_the_last_word_is_to_be)
{
    static const struct {
        const char *command, *line;
        enum rhi_expected expected;
    } rows[] = {{"objat", "", RHI_EXPECTS_EXPRESSION},
                {"objat", "no", RHI_EXPECTS_EXPRESSION},
                {"objat", "a + no", RHI_EXPECTS_EXPRESSION},
                {"objat", "--ledger ", RHI_EXPECTS_EXPRESSION},
                {"objat", "--limit=3 ", RHI_EXPECTS_EXPRESSION},
                {"objat", "-- --x", RHI_EXPECTS_NOTHING},
                {"objat", "-- x", RHI_EXPECTS_EXPRESSION},
                {"objat", "--limit 3 x", RHI_EXPECTS_EXPRESSION},
                {"objat", "--led", RHI_EXPECTS_NOTHING},
                {"objat", "--limit ", RHI_EXPECTS_NOTHING},
                {"objat", "--limit=", RHI_EXPECTS_NOTHING},
                {"objat", "--limit 3", RHI_EXPECTS_NOTHING},
                {"objat", "p --json ", RHI_EXPECTS_NOTHING},
                {"objat", "p --limit 3", RHI_EXPECTS_NOTHING},
                {"gcgraph", "a, ", RHI_EXPECTS_EXPRESSION},
                {"gcgraph", "--svg=", RHI_EXPECTS_FILE},
                {"gcgraph", "--svg=/tmp/x", RHI_EXPECTS_FILE},
                {"gcgraph", "--dot ", RHI_EXPECTS_FILE},
                {"gcgraph", "p --dot /tm", RHI_EXPECTS_FILE},
                {"gcgraph", "--dot x ", RHI_EXPECTS_EXPRESSION},
                {"gcgraph", "--svg", RHI_EXPECTS_NOTHING},
                {"gcleaks", "", RHI_EXPECTS_NOTHING},
                {"gcleaks", "x", RHI_EXPECTS_NOTHING},
                {"gcfind", "--type=", RHI_EXPECTS_NOTHING},
                {"nonsense", "x", RHI_EXPECTS_NOTHING}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        ck_assert_msg(rhi_expects(rows[i].command, rows[i].line) == rows[i].expected, "%s %s",
                      rows[i].command, rows[i].line);
}
END_TEST

RUN_TESTS("inspect_session", what_was_learned_is_kept_until_the_state_changes,
          another_target_is_not_answered_from_the_cache,
          every_poll_can_cancel_and_the_next_command_works,
          reads_that_fail_because_of_an_interrupt_make_no_answer,
          a_cancelled_command_prints_one_line_and_no_half_answer,
          a_target_without_heap_or_map_is_told_so, a_map_that_was_lost_is_asked_for_again,
          threads_that_cannot_be_had_make_the_answer_incomplete,
          a_process_that_ran_meanwhile_proves_nothing, without_a_heap_there_is_nothing_to_look_at,
          another_heap_in_motion_makes_nothing_provisional, completion_offers_options_and_types,
          a_door_learns_what_the_last_word_is_to_be)
