/* inspect_sites.c - the lines that made objects, wherever an answer names them: objects, groups of
 * leaks, totals, stale pointers, and what is found by them. */
#include "inspect_test.h"

typedef struct scene {
    world w;
    uint32_t login, logout; /* sites */
    uint64_t n[8];          /* nodes 1 to 7 */
} scene;

static const uint64_t root = 0x610000000000;

/* Nodes 1, 2 are a garbage cycle of login, 3 and 4 another; 5 is garbage of logout, alone with
 * itself, as large as any; 6 is of no known line and held by a root; 7 is a tombstone of login, to
 * which 6 leads. */
static scene scene_new(int layout)
{
    scene s = {.w = world_new(layout)};
    s.login = fake_site(s.w.space, "/src/app/server.c", "log_in", 30);
    s.logout = fake_site(s.w.space, "/src/app/client.c", "log_out", 7);
    for (unsigned i = 1; i < 8; i++) {
        s.n[i] = new_node(&s.w, 1);
        fake_born(s.w.heap, s.n[i], i == 5 ? s.logout : i == 6 ? 0 : s.login);
    }
    fake_link(s.w.heap, s.n[1], NEXT, s.n[2]);
    fake_link(s.w.heap, s.n[2], NEXT, s.n[1]);
    fake_link(s.w.heap, s.n[3], NEXT, s.n[4]);
    fake_link(s.w.heap, s.n[4], NEXT, s.n[3]);
    fake_link(s.w.heap, s.n[5], NEXT, s.n[5]);
    fake_link(s.w.heap, s.n[6], BACK, s.n[7]);
    fake_map(s.w.t, root, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(s.w.t, root, s.n[6], 8);
    fake_root(s.w.heap, root, "root");
    fake_free_object(s.w.heap, s.n[7], RH_DEATH_RELEASE);
    return s;
}

static const char *say(const scene *s, const char *command, const char *line)
{
    ck_assert_int_eq(fake_run(s->w.t, command, line), RHI_ANSWERED);
    return s->w.t->out.bytes;
}

START_TEST(leaks_are_grouped_by_cause_type_and_line)
{
    scene s = scene_new(_i);
    json_t *json = fake_json(s.w.t, "gcleaks", "");
    ck_assert_uint_eq(fake_size(json, "groups"), 2);
    ck_assert_int_eq(fake_integer(json, "groups.0.count"), 2);
    ck_assert_int_eq(fake_integer(json, "groups.0.objects"), 4);
    ck_assert_str_eq(fake_string(json, "groups.0.site.file"), "/src/app/server.c");
    ck_assert_int_eq(fake_integer(json, "groups.0.site.line"), 30);
    ck_assert_str_eq(fake_string(json, "groups.0.site.function"), "log_in");
    ck_assert_int_eq(fake_integer(json, "groups.1.objects"), 1);
    ck_assert_str_eq(fake_string(json, "groups.1.site.function"), "log_out");
    ck_assert_str_eq(fake_string(json, "leaks.0.site.function"), "log_in");
    json_decref(json);
    const char *text = say(&s, "gcleaks", ""), *first = strstr(text, "\n  cycle "),
               *second = first ? strstr(first + 1, "\n  cycle ") : NULL;
    ck_assert_ptr_nonnull(second);
    ck_assert_has(text, " largest              born\n");
    char row[400];
    snprintf(row, sizeof row, "%.*s", (int)(second - first), first);
    ck_assert_has(row, " 4 ");
    ck_assert_has(row, "node#1               server.c:30 in log_in()");
    ck_assert_has(second, "node#5               client.c:7 in log_out()\n");
    ck_assert_has(text, "  born in log_in() at server.c:30\n");
    world_free(&s.w);
}
END_TEST

/* However much the lost one brings with it, the row of its line comes first. */
START_TEST(what_only_leaked_objects_hold_comes_behind_its_cause)
{
    world w = world_new(_i);
    uint32_t line = fake_site(w.space, "a.c", "lose", 1),
             other = fake_site(w.space, "a.c", "add", 2);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    uint64_t lost = new_node(&w, 1), last = lost;
    fake_born(w.heap, lost, line);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t next = new_node(&w, 1);
        fake_born(w.heap, next, other);
        fake_link(w.heap, last, NEXT, next);
        last = next;
    }
    json_t *json = fake_json(w.t, "gcleaks", "");
    long long size = (long long)w.space->type_bytes[w.node];
    ck_assert_uint_eq(fake_size(json, "groups"), 2);
    ck_assert_str_eq(fake_string(json, "groups.0.cause"), "lost_reference");
    ck_assert_str_eq(fake_string(json, "groups.0.site.function"), "lose");
    ck_assert_int_eq(fake_integer(json, "groups.0.retained"), 6 * size);
    ck_assert_str_eq(fake_string(json, "groups.1.cause"), "dependent");
    ck_assert_int_eq(fake_integer(json, "groups.1.bytes"), 5 * size);
    json_decref(json);
    world_free(&w);
}
END_TEST

/* The second row of the table is of what has no line. */
START_TEST(what_is_leaked_by_no_known_line_is_a_row_too)
{
    scene s = scene_new(_i);
    fake_born(s.w.heap, s.n[5], 0);
    const char *text = say(&s, "gcleaks", "");
    ck_assert_has(text, "node#1               server.c:30 in log_in()\n");
    ck_assert_has(text, "node#5               ?\n");
    for (unsigned i = 1; i < 6; i++)
        fake_born(s.w.heap, s.n[i], 0);
    s.w.t->state++;
    text = say(&s, "gcleaks", "");
    ck_assert_has(text, " groups    objects        bytes  largest\n"); /* by type, as ever */
    ck_assert_has_not(text, "born");
    world_free(&s.w);
}
END_TEST

START_TEST(live_objects_are_counted_by_line)
{
    scene s = scene_new(_i);
    uint64_t size = s.w.space->type_bytes[s.w.node];
    json_t *json = fake_json(s.w.t, "gcstat", "--sites");
    ck_assert_uint_eq(fake_size(json, "heaps.0.sites"), 2);
    ck_assert_str_eq(fake_string(json, "heaps.0.sites.0.function"), "log_in");
    ck_assert_int_eq(fake_integer(json, "heaps.0.sites.0.objects"), 4); /* no tombstone */
    ck_assert_int_eq(fake_integer(json, "heaps.0.sites.0.bytes"), (long long)(4 * size));
    ck_assert_int_eq(fake_integer(json, "heaps.0.sites.0.retained"), (long long)(4 * size));
    ck_assert_int_eq(fake_integer(json, "heaps.0.sites.1.objects"), 1);
    ck_assert_int_eq(fake_integer(json, "heaps.0.without_site"), 1);
    json_decref(json);
    const char *text = say(&s, "gcstat", "--sites");
    ck_assert_has(text, "  server.c:30 in log_in()          node#1");
    ck_assert_has(text, "  of 1 more object no line is known\n");
    ck_assert_has_not(text, "had no number");
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, sites_refused), 3, 8);
    s.w.t->state++;
    ck_assert_has(say(&s, "gcstat", "--sites"),
                  "  of 1 more object no line is known: 3 lines beyond the first 65535 have no "
                  "number\n");
    world_free(&s.w);
}
END_TEST

/* The ids of the objects found, joined by spaces. */
static const char *found(const scene *s, const char *line)
{
    static char text[1024];
    size_t index;
    json_t *item, *json = fake_json(s->w.t, "gcfind", line);
    text[0] = '\0';
    json_array_foreach(fake_at(json, "objects"), index, item)
        sprintf(text + strlen(text), "%s%s", index ? " " : "",
                json_string_value(json_object_get(item, "id")));
    ck_assert_int_eq(fake_integer(json, "total"), (long long)fake_size(json, "objects"));
    json_decref(json);
    return text;
}

START_TEST(objects_are_found_by_the_line_that_made_them)
{
    scene s = scene_new(_i);
    ck_assert_str_eq(found(&s, "--site=server.c:30"), "node#1 node#2 node#3 node#4");
    ck_assert_str_eq(found(&s, "--site='server.c:*'"), "node#1 node#2 node#3 node#4");
    ck_assert_str_eq(found(&s, "--site=/src/app/server.c:30"), "node#1 node#2 node#3 node#4");
    ck_assert_str_eq(found(&s, "--site='log_out()'"), "node#5");
    ck_assert_str_eq(found(&s, "--site='log_*'"), "node#1 node#2 node#3 node#4 node#5");
    ck_assert_str_eq(found(&s, "--site='*client.c:?'"), "node#5");
    ck_assert_str_eq(found(&s, "--site=client.c"), "");
    ck_assert_str_eq(found(&s, "--site=unknown"), "node#6");
    ck_assert_str_eq(found(&s, "--site='*' --unreachable --type=node --min-refs=1"),
                     "node#1 node#2 node#3 node#4 node#5");
    ck_assert_has(say(&s, "gcfind", "--site='log_out()'"),
                  ", live, born in log_out() at client.c:7");
    world_free(&s.w);
}
END_TEST

START_TEST(what_is_freed_is_told_with_the_line_that_made_it)
{
    scene s = scene_new(_i);
    ck_assert_has(say(&s, "gcstale", ""), " was node#7, born in log_in() at server.c:30, freed by "
                                          "release\n");
    json_t *json = fake_json(s.w.t, "gcstale", "");
    ck_assert_str_eq(fake_string(json, "stale.0.was_site.function"), "log_in");
    json_decref(json);
    ck_assert_has(say(&s, "objat", text_of(s.n[7])),
                  " was node#7: born in log_in() at server.c:30, freed by release; its slot at ");
    json = ask(&s.w, "objat", "", s.n[7]);
    ck_assert_str_eq(fake_string(json, "previous.0.site.file"), "/src/app/server.c");
    json_decref(json);
    ck_assert_has(say(&s, "refs", text_of(s.n[5])), ", next: node#5}\n  born in "
                                                    "log_out() at client.c:7\n");
    world_free(&s.w);
}
END_TEST

/* What something has written over says nothing for certain. */
START_TEST(a_damaged_header_names_no_line)
{
    scene s = scene_new(_i);
    fake_put(s.w.t, s.n[5] + s.w.space->c[RH_MC_object_flags], RH_FLAG_DYING, 2);
    json_t *json = ask(&s.w, "objat", "", s.n[5]);
    ck_assert(json_is_null(fake_at(json, "object.site")));
    json_decref(json);
    world_free(&s.w);
}
END_TEST

RUN_TESTS("inspect_sites", leaks_are_grouped_by_cause_type_and_line,
          what_only_leaked_objects_hold_comes_behind_its_cause,
          what_is_leaked_by_no_known_line_is_a_row_too, live_objects_are_counted_by_line,
          objects_are_found_by_the_line_that_made_them,
          what_is_freed_is_told_with_the_line_that_made_it, a_damaged_header_names_no_line)
