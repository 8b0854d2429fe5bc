/* inspect_watch.c - `refwatch`: what is written into a process, and when nothing is; where a
 * debugger is told to stop, and what it says there.
 *
 * Invariant: after each refusal the memory is what it was before, byte for byte. */
#include "inspect_test.h"

enum { CODE = 0x700000, HOOK = CODE + 0x120, SOURCES = 0x800000 };

typedef struct scene {
    world w;
    uint64_t a, b, immortal, dying, freed;
    uint64_t source; /* the program's struct of the type */
} scene;

static void put_source(scene *s)
{
    fake_target *t = s->w.t;
    const uint64_t *c = s->w.space->c;
    s->source = SOURCES + 0x40;
    fake_put(t, fake_type_row(s->w.space, s->w.node) + c[RH_MC_type_source], s->source, 8);
    fake_put(t, s->source + c[RH_MC_source_index], s->w.node, 4);
    fake_put(t, s->source + c[RH_MC_source_slot_class], 3, 4);
}

static scene scene_without(int layout, const char *omit, bool has_history)
{
    scene s = {.w = world_without(layout, omit)};
    fake_heap *heap = s.w.heap;
    s.a = new_node(&s.w, 1);
    s.b = new_node(&s.w, 5);
    s.immortal = new_node(&s.w, 1);
    s.dying = new_node(&s.w, 1);
    s.freed = new_node(&s.w, 1);
    fake_immortal(heap, s.immortal);
    fake_dying(heap, s.dying, 1);
    fake_free_object(heap, s.freed, RH_DEATH_RELEASE);
    fake_map(s.w.t, CODE, 0x1000, RHI_REGION_READ | RHI_REGION_EXECUTE, "/usr/bin/app");
    fake_map(s.w.t, SOURCES, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "/usr/bin/app");
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, trace_hook), HOOK, 8);
    put_source(&s);
    if (has_history)
        fake_ring_mark(heap, 0, 1000, 4711);
    return s;
}

static scene scene_new(int layout)
{
    return scene_without(layout, NULL, true);
}

static void scene_free(scene *s)
{
    world_free(&s->w);
}

/* ---- what is written ------------------------------------------------------------------------ */

static uint32_t word_of(const scene *s, uint64_t object)
{
    return (uint32_t)fake_get(s->w.t, object + s->w.space->c[RH_MC_object_count], 4);
}

static uint32_t flags_of(const scene *s, uint64_t object)
{
    return (uint32_t)fake_get(s->w.t, object + s->w.space->c[RH_MC_object_flags], 2);
}

static bool watched(const scene *s, const char *line, const char *path)
{
    json_t *json = fake_json(s->w.t, "refwatch", line), *found = fake_at(json, path);
    bool is_true = json_is_true(found);
    ck_assert_msg(json_is_boolean(found), "%s is not said", path);
    json_decref(json);
    return is_true;
}

START_TEST(a_mark_is_flag_and_count_word_in_one_piece)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    uint64_t body = c[RH_MC_object_size] + NODE_BODY;
    uint8_t before[256], after[256];
    MUST(body <= sizeof before);
    memcpy(before, fake_bytes(s.w.t, s.b, body), body);
    uint32_t word = word_of(&s, s.b), flags = flags_of(&s, s.b);
    ck_assert(watched(&s, "#2", "watched.0.changed"));
    ck_assert_uint_eq(s.w.t->writes, 1);
    ck_assert_uint_eq(word_of(&s, s.b), (uint32_t)(word + c[RH_MC_count_traced]));
    ck_assert_uint_eq(flags_of(&s, s.b), flags | c[RH_MC_object_traced] | RH_FLAG_GAP);
    /* nothing else */
    memcpy(after, fake_bytes(s.w.t, s.b, body), body);
    memcpy(after + c[RH_MC_object_count], before + c[RH_MC_object_count], 4);
    memcpy(after + c[RH_MC_object_flags], before + c[RH_MC_object_flags], 2);
    ck_assert_mem_eq(after, before, body);
    /* once is enough */
    ck_assert(!watched(&s, "#2", "watched.0.changed"));
    ck_assert_uint_eq(s.w.t->writes, 1);
    json_t *json = ask(&s.w, "objat", "", s.b);
    ck_assert_int_eq(fake_integer(json, "object.refcount"), 5);
    json_decref(json);
    json = fake_json(s.w.t, "gcverify", "");
    ck_assert_int_eq((int)fake_size(json, "problems"), 0);
    json_decref(json);
    /* and taken off: as it was */
    ck_assert(watched(&s, "--off #2", "watched.0.changed"));
    ck_assert_uint_eq(flags_of(&s, s.b), flags | RH_FLAG_GAP);
    fake_put(s.w.t, s.b + c[RH_MC_object_flags], flags, 2);
    ck_assert_mem_eq(fake_bytes(s.w.t, s.b, body), before, body);
    ck_assert(!watched(&s, "--off #2", "watched.0.changed"));
    ck_assert_uint_eq(s.w.t->writes, 2);
    scene_free(&s);
}
END_TEST

START_TEST(whether_a_process_elsewhere_may_be_killed_is_not_known)
{
    scene s = scene_new(_i);
    json_t *json = fake_json(s.w.t, "refwatch", "#1");
    ck_assert_has(fake_string(json, "notes.0"),
                  "whether the program runs under seccomp is not known here; if it does, it may be "
                  "killed at the first change");
    json_decref(json);
    json = fake_json(s.w.t, "refwatch", "--off #1");
    ck_assert_ptr_null(json_object_get(json, "notes"));
    json_decref(json);
    scene_free(&s);
}
END_TEST

START_TEST(what_is_marked_is_listed)
{
    scene s = scene_new(_i);
    ck_assert_int_eq(fake_run(s.w.t, "refwatch", ""), RHI_ANSWERED);
    ck_assert_has(s.w.t->out.bytes, "nothing is traced");
    ck_assert(watched(&s, "#1", "watched.0.traced"));
    ck_assert(watched(&s, "#2", "watched.0.traced"));
    /* a change that was under way puts the word back that it had read before */
    fake_count(s.w.heap, s.a, 2);
    s.w.t->state++;
    json_t *json = fake_json(s.w.t, "refwatch", "");
    ck_assert_int_eq((int)fake_size(json, "watched"), 2);
    ck_assert_str_eq(fake_string(json, "watched.0.object.id"), "node#1");
    ck_assert_int_eq(fake_integer(json, "watched.0.object.refcount"), 2);
    ck_assert(json_is_true(fake_at(json, "watched.0.undone")));
    ck_assert(json_is_false(fake_at(json, "watched.1.undone")));
    ck_assert(json_is_false(fake_at(json, "watched.1.stops")));
    json_decref(json);
    ck_assert_int_eq(fake_run(s.w.t, "refwatch", "--limit=1"), RHI_ANSWERED);
    ck_assert_has(s.w.t->out.bytes, "2 objects are traced\n");
    ck_assert_has(s.w.t->out.bytes, "its mark was undone");
    ck_assert_has(s.w.t->out.bytes, "1 more");
    ck_assert(watched(&s, "#1", "watched.0.changed")); /* set again */
    ck_assert(!watched(&s, "", "watched.0.undone"));
    scene_free(&s);
}
END_TEST

START_TEST(future_objects_of_a_type_are_marked_by_its_entry_and_its_source)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    uint64_t flags_at = fake_type_row(s.w.space, s.w.node) + c[RH_MC_type_flags],
             before = fake_get(s.w.t, flags_at, 4);
    ck_assert(watched(&s, "--type=no?e", "types.0.changed"));
    ck_assert_uint_eq(fake_get(s.w.t, flags_at, 4), before | c[RH_MC_type_traced]);
    ck_assert_uint_eq(fake_get(s.w.t, s.source + c[RH_MC_source_slot_class], 4), 0);
    ck_assert_uint_eq(s.w.t->writes, 2);
    ck_assert_uint_eq(flags_of(&s, s.a) & c[RH_MC_object_traced], 0); /* what lives is not */
    ck_assert(!watched(&s, "--type=node", "types.0.changed"));
    ck_assert_uint_eq(s.w.t->writes, 2);
    ck_assert(watched(&s, "", "types.0.traced"));
    /* the next birth does the rest */
    fake_put(s.w.t, s.source + c[RH_MC_source_slot_class], 3, 4);
    s.w.t->state++;
    ck_assert(watched(&s, "--type=node --off", "types.0.changed"));
    ck_assert_uint_eq(fake_get(s.w.t, flags_at, 4), before);
    ck_assert_uint_eq(fake_get(s.w.t, s.source + c[RH_MC_source_slot_class], 4), 3);
    ck_assert_uint_eq(s.w.t->writes, 3);
    scene_free(&s);
}
END_TEST

START_TEST(living_objects_are_marked_where_that_is_asked_for)
{
    scene s = scene_new(_i);
    json_t *json = fake_json(s.w.t, "refwatch", "--type=node --living");
    ck_assert_int_eq(fake_integer(json, "living"), 2);
    ck_assert_int_eq(fake_integer(json, "refused"), 1); /* the immortal one */
    json_decref(json);
    ck_assert_uint_eq(s.w.t->writes, 4);
    json = fake_json(s.w.t, "refwatch", "");
    ck_assert_int_eq((int)fake_size(json, "watched"), 2);
    json_decref(json);
    json = fake_json(s.w.t, "refwatch", "--type=node --living --off");
    ck_assert_int_eq(fake_integer(json, "living"), 2);
    ck_assert_int_eq(fake_integer(json, "refused"), 0);
    json_decref(json);
    json = fake_json(s.w.t, "refwatch", "");
    ck_assert_int_eq((int)fake_size(json, "watched"), 0);
    ck_assert_int_eq((int)fake_size(json, "types"), 0);
    json_decref(json);
    scene_free(&s);
}
END_TEST

/* ---- what is not written -------------------------------------------------------------------- */

/* Refused in one line that has this in it, and nothing was written. */
static void refused(scene *s, const char *line, const char *why)
{
    unsigned long writes = s->w.t->writes;
    s->w.t->state++;
    ck_assert_int_eq(fake_run(s->w.t, "refwatch", line), RHI_NO_ANSWER);
    ck_assert_str_eq(s->w.t->out.bytes, "");
    ck_assert_has(s->w.t->err.bytes, why);
    ck_assert_ptr_eq(strchr(s->w.t->err.bytes, '\n') + 1, s->w.t->err.bytes + s->w.t->err.size);
    ck_assert_uint_eq(s->w.t->writes, writes);
    ck_assert_has(fake_json_failure(s->w.t, "refwatch", line), why);
    ck_assert_uint_eq(s->w.t->writes, writes);
}

START_TEST(what_has_no_count_to_trace_is_refused)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    uint64_t heap = s.w.heap->address;
    refused(&s, text_of(s.freed), "freed by release");
    refused(&s, text_of(s.immortal), "immortal");
    refused(&s, text_of(s.dying), "dying");
    refused(&s, "0x10", "no object of a refheap heap");
    refused(&s, text_of(heap), "no object");
    refused(&s, "#99", "no object");
    refused(&s, "--type=nothing", "there is no type 'nothing'");
    fake_phase(s.w.heap, RH_PHASE_MARKING);
    refused(&s, "#1", "in the midst of a collection");
    fake_phase(s.w.heap, RH_PHASE_IDLE);
    fake_put(s.w.t, heap + c[RH_MC_heap_tracing], s.a, 8);
    refused(&s, "#1", "is just being changed");
    fake_put(s.w.t, heap + c[RH_MC_heap_tracing], 0, 8);
    fake_put(s.w.t, heap + c[RH_MC_heap_ring], 0, 8);
    refused(&s, "#1", "keeps no history: run the program without history=0");
    refused(&s, "--type=node", "keeps no history: run the program without history=0");
    scene_free(&s);
    s = scene_without(_i, FAKE_OLDER, false);
    refused(&s, "#1", "its runtime is an older one");
    refused(&s, "--type=node", "its runtime is an older one");
    scene_free(&s);
}
END_TEST

static uint64_t write_nothing(void *context, uint64_t address, const void *bytes, uint64_t size)
{
    (void)context, (void)address, (void)bytes, (void)size;
    return 0;
}

/* Says that it did. */
static uint64_t write_away(void *context, uint64_t address, const void *bytes, uint64_t size)
{
    (void)context, (void)address, (void)bytes;
    return size;
}

START_TEST(a_target_that_takes_no_writes_is_refused)
{
    scene s = scene_new(_i);
    s.w.t->target.write = NULL;
    refused(&s, "#1", "needs a process");
    refused(&s, "--type=node", "needs a process");
    s.w.t->target.flags |= RHI_TARGET_NO_STOP;
    refused(&s, "#1", "without --no-stop");
    s.w.t->target.flags = 0;
    ck_assert_int_eq(fake_run(s.w.t, "refwatch", ""),
                     RHI_ANSWERED); /* what is marked can be read */
    s.w.t->target.write = write_nothing;
    refused(&s, "#1", "cannot be written");
    s.w.t->target.write = write_away;
    refused(&s, "#1", "cannot be written");
    scene_free(&s);
}
END_TEST

START_TEST(another_process_than_the_one_looked_at_is_refused)
{
    scene s = scene_new(_i);
    uint64_t nonce = FAKE_DESCRIPTOR(s.w.space, nonce);
    ck_assert_int_eq(fake_run(s.w.t, "objat", "#1"), RHI_ANSWERED);
    fake_put(s.w.t, nonce, 4321, 8); /* the debugger does not say that it changed */
    ck_assert_int_eq(fake_run(s.w.t, "refwatch", "#1"), RHI_NO_ANSWER);
    ck_assert_has(s.w.t->err.bytes, "no longer the one");
    ck_assert_uint_eq(s.w.t->writes, 0);
    scene_free(&s);
}
END_TEST

START_TEST(a_type_whose_source_is_gone_is_refused)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    uint64_t source_at = fake_type_row(s.w.space, s.w.node) + c[RH_MC_type_source];
    const uint64_t bad[] = {0,
                            0x10,
                            UINT64_MAX - 8,
                            CODE + 0x40,
                            s.source + 4,
                            s.source + 0x100,
                            s.a,
                            s.w.heap->address};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fake_put(s.w.t, source_at, bad[i], 8);
        refused(&s, "--type=node", "no longer there");
    }
    fake_put(s.w.t, source_at, s.source, 8);
    fake_put(s.w.t, s.source + c[RH_MC_source_index], s.w.node + 1, 4);
    refused(&s, "--type=node", "no longer there");
    scene_free(&s);
}
END_TEST

/* Whatever stands in a header: what is written lies in it, keeps the count, and is of an object. */
START_TEST(hostile_headers_get_no_mark)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    uint64_t size = c[RH_MC_object_size];
    uint8_t before[64], header[64];
    unsigned marked = 0, refused_count = 0;
    MUST(size <= sizeof before);
    memcpy(before, fake_bytes(s.w.t, s.b, size), size);
    srand(4711);
    for (unsigned round = 0; round < 3000; round++) {
        memcpy(header, before, size);
        for (int n = rand() % 3; n >= 0; n--)
            header[(unsigned)rand() % size] = rand() % 3 ? (uint8_t)rand() : 0;
        if (rand() % 2) /* the serial may stay */
            memcpy(header + c[RH_MC_object_serial], before + c[RH_MC_object_serial], 8);
        fake_copy(s.w.t, s.b, header, size);
        s.w.t->state++;
        unsigned long writes = s.w.t->writes;
        int status = fake_run(s.w.t, "refwatch", text_of(s.b));
        MUST(status == RHI_ANSWERED || status == RHI_NO_ANSWER);
        bool is_written = s.w.t->writes > writes;
        MUST(is_written <= (status == RHI_ANSWERED));
        marked += is_written;
        refused_count += status == RHI_NO_ANSWER;
        if (!is_written) {
            MUST(memcmp(fake_bytes(s.w.t, s.b, size), header, size) == 0);
            continue;
        }
        MUST(s.w.t->write_address >= s.b && s.w.t->write_address + s.w.t->write_size <= s.b + size);
        uint32_t word, flags = 0;
        memcpy(&word, header + c[RH_MC_object_count], 4);
        memcpy(&flags, header + c[RH_MC_object_flags], 2);
        word += flags & c[RH_MC_object_traced] ? 0 : (uint32_t)c[RH_MC_count_traced];
        MUST(word_of(&s, s.b) == word || flags & c[RH_MC_object_traced]);
        MUST(!(flags_of(&s, s.b) & (RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED)));
        MUST(fake_get(s.w.t, s.b + c[RH_MC_object_type], 2) == s.w.node);
    }
    ck_assert_uint_gt(marked, 100);
    ck_assert_uint_gt(refused_count, 100);
    scene_free(&s);
}
END_TEST

START_TEST(lines_that_make_no_sense_are_refused)
{
    scene s = scene_new(_i);
    refused(&s, "--off", "which object?");
    refused(&s, "--stop", "which object?");
    refused(&s, "--living", "--living goes with --type");
    refused(&s, "--type=node #1", "not both");
    refused(&s, "--off --stop #1", "give one of the two");
    refused(&s, "#1, #2", "takes one operand");
    scene_free(&s);
}
END_TEST

/* ---- stopping ------------------------------------------------------------------------------- */

static int reached(scene *s, uint64_t object, int change, uint64_t count)
{
    fake_target *t = s->w.t;
    t->value_count = 0;
    fake_value(t, "$rdi", object);
    fake_value(t, "$rsi", (uint32_t)change);
    fake_value(t, "$rdx", count);
    t->out.size = t->err.size = 0;
    t->out.bytes[0] = t->err.bytes[0] = '\0';
    t->state++;
    return rhi_session_reached(t->session, &t->target);
}

START_TEST(a_debugger_stops_at_what_is_waited_for)
{
    scene s = scene_new(_i);
    refused(&s, "--stop #1", "needs a debugger");
    refused(&s, "--stop --type=node", "needs a debugger");
    fake_debugger(s.w.t);
    ck_assert(watched(&s, "#2", "watched.0.traced"));
    ck_assert_uint_eq(s.w.t->stop_count, 0);
    ck_assert(watched(&s, "--stop #1", "watched.0.stops"));
    ck_assert_uint_eq(s.w.t->stop_count, 1);
    ck_assert_uint_eq(s.w.t->stops[0], HOOK);
    /* the other one is traced, and nobody waits for it */
    ck_assert_int_eq(reached(&s, s.b, 1, 6), RHI_GO_ON);
    ck_assert_str_eq(s.w.t->out.bytes, "");
    ck_assert_int_eq(reached(&s, s.a, 1, 2), 0);
    ck_assert_str_eq(s.w.t->out.bytes, "node#1: refcount 1 -> 2, retained\n");
    ck_assert_int_eq(reached(&s, s.a, -1, 0), 0);
    ck_assert_str_eq(s.w.t->out.bytes, "node#1: refcount 1 -> 0, released: it dies now\n");
    ck_assert(!watched(&s, "--off #1", "watched.0.traced"));
    ck_assert_uint_eq(s.w.t->stop_count, 0);
    ck_assert_int_eq(reached(&s, s.a, 1, 2), RHI_GO_ON);
    scene_free(&s);
}
END_TEST

START_TEST(the_frame_of_the_program_is_selected)
{
    scene s = scene_new(_i);
    fake_debugger(s.w.t);
    ck_assert(watched(&s, "--stop #1", "watched.0.stops"));
    fake_ring_event(s.w.heap, RH_EVENT_RETAIN, s.a, 1, 0, s.w.node, RH_DEATH_NONE, CODE + 0x345);
    const uint64_t frames[] = {HOOK, CODE + 0x222, CODE + 0x345, CODE + 0x999};
    memcpy(s.w.t->frames, frames, sizeof frames);
    s.w.t->frame_count = 4;
    ck_assert_int_eq(reached(&s, s.a, 1, 2), 2);
    ck_assert_has(s.w.t->out.bytes, "node#1: refcount 1 -> 2, retained at app+0x345\n");
    s.w.t->frame_count = 2; /* the debugger does not get so far */
    ck_assert_int_eq(reached(&s, s.a, 1, 2), 0);
    ck_assert_has(s.w.t->out.bytes, "retained at app+0x345\n");
    scene_free(&s);
}
END_TEST

START_TEST(objects_of_a_type_are_waited_for)
{
    scene s = scene_new(_i);
    fake_debugger(s.w.t);
    ck_assert(watched(&s, "--stop --type=node", "types.0.stops"));
    ck_assert_uint_eq(s.w.t->stop_count, 1);
    ck_assert_int_eq(reached(&s, s.a, 1, 2), 0);
    ck_assert(watched(&s, "", "types.0.stops"));
    ck_assert(!watched(&s, "--type=node", "types.0.stops")); /* the last word holds */
    ck_assert_uint_eq(s.w.t->stop_count, 0);
    ck_assert_int_eq(reached(&s, s.a, 1, 2), RHI_GO_ON);
    scene_free(&s);
}
END_TEST

START_TEST(no_code_is_touched_where_there_is_none)
{
    scene s = scene_new(_i);
    fake_debugger(s.w.t);
    const uint64_t bad[] = {0, s.a, SOURCES, 0x123456789000, UINT64_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, trace_hook), bad[i], 8);
        refused(&s, "--stop #1", "finds no function to stop in");
        ck_assert_uint_eq(s.w.t->stop_count, 0);
    }
    scene_free(&s);
}
END_TEST

START_TEST(watches_of_what_is_gone_are_forgotten)
{
    scene s = scene_new(_i);
    fake_debugger(s.w.t);
    ck_assert(watched(&s, "--stop #1", "watched.0.stops"));
    fake_free_object(s.w.heap, s.a, RH_DEATH_RELEASE);
    s.w.t->state++;
    ck_assert_int_eq(fake_run(s.w.t, "refwatch", ""), RHI_ANSWERED);
    ck_assert_uint_eq(s.w.t->stop_count, 0);
    /* the same place in another run of the program is another object */
    ck_assert(watched(&s, "--stop #2", "watched.0.stops"));
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, nonce), 4321, 8);
    ck_assert_int_eq(reached(&s, s.b, 1, 6), RHI_GO_ON);
    scene_free(&s);
}
END_TEST

/* ---- what was recorded ---------------------------------------------------------------------- */

static json_t *pairs_of(const scene *s)
{
    return ask(&s->w, "refs", "--ledger", s->a);
}

START_TEST(pairs_of_counts_in_motion_are_provisional)
{
    scene s = scene_new(_i);
    ck_assert(watched(&s, "#1", "watched.0.traced"));
    json_t *json = pairs_of(&s);
    ck_assert(json_is_false(fake_at(json, "pairs.provisional")));
    json_decref(json);
    fake_phase(s.w.heap, RH_PHASE_MARKING);
    s.w.t->state++;
    json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.provisional")));
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    json_decref(json);
    fake_run(s.w.t, "refs", "--ledger #1");
    ck_assert_has(s.w.t->out.bytes, "pairs are provisional");
    scene_free(&s);
}
END_TEST

START_TEST(pairs_of_a_record_with_a_gap_are_undecided)
{
    scene s = scene_without(_i, "event.begin event.end", true); /* an older runtime */
    ck_assert(watched(&s, "#1", "watched.0.traced"));
    ck_assert(!(flags_of(&s, s.a) & RH_FLAG_GAP));
    json_t *json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.decided")));
    json_decref(json);
    ck_assert(!watched(&s, "--off #1", "watched.0.traced"));
    ck_assert(watched(&s, "#1", "watched.0.traced"));
    json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.gap")));
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    json_decref(json);
    fake_run(s.w.t, "refs", "--ledger #1");
    ck_assert_has(s.w.t->out.bytes, "meanwhile it was not traced");
    ck_assert_ptr_null(strstr(s.w.t->out.bytes, "from a count of"));
    /* the mark is undone, the flag stands */
    const uint64_t *c = s.w.space->c;
    fake_put(s.w.t, s.a + c[RH_MC_object_count], word_of(&s, s.a) - c[RH_MC_count_traced], 4);
    fake_put(s.w.t, s.a + c[RH_MC_object_flags], c[RH_MC_object_traced], 2);
    s.w.t->state++;
    json = pairs_of(&s);
    ck_assert(json_is_false(fake_at(json, "pairs.gap")));
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    json_decref(json);
    scene_free(&s);
}
END_TEST

static void put_event(scene *s, uint64_t number, enum rh_event kind, uint64_t place)
{
    const uint64_t *c = s->w.space->c;
    fake_traced_event(s->w.heap, number, 1000, kind, s->a, 1, s->w.node);
    uint64_t next = fake_get(s->w.t, s->w.heap->address + c[RH_MC_heap_trace_next], 8);
    uint64_t slot = next - c[RH_MC_ring_slot_size];
    fake_put(s->w.t, slot + c[RH_MC_slot_where], place << 16 | s->w.node, 8);
    fake_slot_sound(s->w.heap, slot);
    s->w.t->state++;
}

START_TEST(a_record_begins_with_the_next_change_and_says_so)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    put_event(&s, 0, RH_EVENT_RETAIN, 0x701234); /* when it was traced before */
    ck_assert(watched(&s, "#1", "watched.0.traced"));
    json_t *json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.not_begun")));
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    ck_assert_int_eq(fake_integer(json, "pairs.earlier_changes"), 1);
    ck_assert_int_eq((int)fake_size(json, "pairs.groups"), 0);
    json_decref(json);
    fake_run(s.w.t, "refs", "--ledger #1");
    ck_assert_has(s.w.t->out.bytes, "its record begins with the next change of its count");
    ck_assert_has(s.w.t->out.bytes, "before that 1 change was recorded");
    /* which comes */
    put_event(&s, 1, RH_EVENT_BEGIN, 1);
    put_event(&s, 2, RH_EVENT_RETAIN, 0x701234);
    fake_put(s.w.t, s.a + c[RH_MC_object_count], word_of(&s, s.a) + (1u << c[RH_MC_count_shift]),
             4);
    fake_put(s.w.t, s.a + c[RH_MC_object_flags], c[RH_MC_object_traced], 2);
    json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.decided")));
    ck_assert_int_eq(fake_integer(json, "pairs.early"), 1);
    ck_assert_int_eq(fake_integer(json, "pairs.retains"), 1);
    ck_assert_int_eq(fake_integer(json, "pairs.groups.0.open"), 1);
    json_decref(json);
    fake_run(s.w.t, "refs", "--ledger #1");
    ck_assert_has(s.w.t->out.bytes,
                  "1 retain, 0 releases recorded, from a count of 1 on: 2 counts");
    json = ask(&s.w, "objat", "--history", s.a);
    ck_assert_str_eq(fake_string(json, "history.1.kind"), "begin");
    ck_assert_int_eq(fake_integer(json, "history.1.count"), 1);
    ck_assert_int_eq((int)fake_size(json, "history.1.stack"), 0);
    json_decref(json);
    /* and ends */
    put_event(&s, 3, RH_EVENT_END, 2);
    fake_put(s.w.t, s.a + c[RH_MC_object_count], word_of(&s, s.a) - c[RH_MC_count_traced], 4);
    fake_put(s.w.t, s.a + c[RH_MC_object_flags], RH_FLAG_GAP, 2);
    fake_run(s.w.t, "refs", "--ledger #1");
    ck_assert_has(s.w.t->out.bytes, "from a count of 1 on recorded until traced event 3, when its "
                                    "count was 2; what came after is not recorded");
    ck_assert_has(s.w.t->out.bytes, "1 of 1 taken here was open then");
    scene_free(&s);
}
END_TEST

START_TEST(a_record_without_its_beginning_is_undecided)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    uint64_t at = s.w.heap->address;
    put_event(&s, 0, RH_EVENT_BEGIN, 1);
    fake_put(s.w.t, s.a + c[RH_MC_object_count], word_of(&s, s.a) + c[RH_MC_count_traced], 4);
    fake_put(s.w.t, s.a + c[RH_MC_object_flags], c[RH_MC_object_traced], 2);
    json_t *json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.decided")));
    json_decref(json);
    /* a ring that does not reach to where is written, and none */
    uint64_t ring = fake_get(s.w.t, at + c[RH_MC_heap_trace], 8),
             capacity = fake_get(s.w.t, ring + c[RH_MC_ring_capacity], 8);
    fake_put(s.w.t, at + c[RH_MC_heap_trace_next],
             ring + c[RH_MC_ring_slots] + (capacity + 1) * c[RH_MC_ring_slot_size], 8);
    s.w.t->state++;
    json = pairs_of(&s);
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    fake_put(s.w.t, at + c[RH_MC_heap_trace], 0, 8);
    s.w.t->state++;
    json = pairs_of(&s);
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    json_decref(json);
    scene_free(&s);
}
END_TEST

START_TEST(what_another_object_did_meanwhile_at_its_place_tears_a_record)
{
    scene s = scene_new(_i);
    const uint64_t *c = s.w.space->c;
    put_event(&s, 0, RH_EVENT_BEGIN, 1);
    put_event(&s, 1, RH_EVENT_RETAIN, 0x701234);
    put_event(&s, 2, RH_EVENT_RELEASE, 0x701238);
    put_event(&s, 3, RH_EVENT_RETAIN, 0x701234);
    put_event(&s, 4, RH_EVENT_RELEASE, 0x701238);
    fake_put(s.w.t, s.a + c[RH_MC_object_count], word_of(&s, s.a) + c[RH_MC_count_traced], 4);
    fake_put(s.w.t, s.a + c[RH_MC_object_flags], c[RH_MC_object_traced], 2);
    uint64_t slot = fake_get(s.w.t, s.w.heap->address + c[RH_MC_heap_trace_next], 8);
    for (int before = 5; before >= 3; before -= 2) { /* events 2 and 3: the sums stay */
        json_t *json = pairs_of(&s);
        ck_assert(json_is_true(fake_at(json, "pairs.decided")) == (before == 5));
        json_decref(json);
        uint64_t at = slot - (uint64_t)before * c[RH_MC_ring_slot_size];
        fake_put(s.w.t, at + c[RH_MC_slot_origin], 77ull << c[RH_MC_object_serial_shift], 8);
        fake_slot_sound(s.w.heap, at);
        s.w.t->state++;
    }
    json_t *json = pairs_of(&s);
    ck_assert_int_eq(fake_integer(json, "pairs.retains"), 1);
    ck_assert_int_eq(fake_integer(json, "pairs.releases"), 1);
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    json_decref(json);
    scene_free(&s);
}
END_TEST

START_TEST(pairs_of_a_record_that_cannot_be_read_are_undecided)
{
    scene s = scene_new(_i);
    ck_assert(watched(&s, "#1", "watched.0.traced"));
    const uint64_t *c = s.w.space->c;
    uint64_t at = s.w.heap->address, ring = fake_get(s.w.t, at + c[RH_MC_heap_ring], 8);
    fake_put(s.w.t, at + c[RH_MC_heap_trace], ring, 8);
    fake_put(s.w.t, at + c[RH_MC_heap_trace_next], ring + c[RH_MC_ring_slots] + 1, 8);
    json_t *json = pairs_of(&s);
    ck_assert(json_is_true(fake_at(json, "pairs.traced")));
    ck_assert(json_is_false(fake_at(json, "pairs.decided")));
    json_decref(json);
    fake_run(s.w.t, "refs", "--ledger #1");
    ck_assert_has(s.w.t->out.bytes, "could not be read: pairs are undecided");
    scene_free(&s);
}
END_TEST

RUN_TESTS("watch", a_mark_is_flag_and_count_word_in_one_piece, what_is_marked_is_listed,
          whether_a_process_elsewhere_may_be_killed_is_not_known,
          future_objects_of_a_type_are_marked_by_its_entry_and_its_source,
          living_objects_are_marked_where_that_is_asked_for, what_has_no_count_to_trace_is_refused,
          a_target_that_takes_no_writes_is_refused,
          another_process_than_the_one_looked_at_is_refused, a_type_whose_source_is_gone_is_refused,
          hostile_headers_get_no_mark, lines_that_make_no_sense_are_refused,
          a_debugger_stops_at_what_is_waited_for, the_frame_of_the_program_is_selected,
          objects_of_a_type_are_waited_for, no_code_is_touched_where_there_is_none,
          watches_of_what_is_gone_are_forgotten, pairs_of_counts_in_motion_are_provisional,
          pairs_of_a_record_with_a_gap_are_undecided,
          a_record_begins_with_the_next_change_and_says_so,
          a_record_without_its_beginning_is_undecided,
          what_another_object_did_meanwhile_at_its_place_tears_a_record,
          pairs_of_a_record_that_cannot_be_read_are_undecided)
