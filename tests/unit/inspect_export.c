/* inspect_export.c - `gcexport`: a file is there when all of it is, and says what it lacks.
 *
 * Invariant: each check writes into a folder of its own, which it leaves empty. */
#include "inspect_test.h"

#include <dirent.h>
#include <sqlite3.h>
#include <unistd.h>

typedef struct place {
    char folder[64], path[96];
} place;

static place new_place(const char *ending)
{
    place p = {.folder = "/tmp/refheap-export-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(p.folder));
    snprintf(p.path, sizeof p.path, "%s/heap%s", p.folder, ending);
    return p;
}

static unsigned files_in(const place *p)
{
    unsigned count = 0;
    DIR *folder = opendir(p->folder);
    ck_assert_ptr_nonnull(folder);
    for (const struct dirent *each; (each = readdir(folder));)
        count += each->d_name[0] != '.' || strlen(each->d_name) > 2;
    closedir(folder);
    return count;
}

static void leave(const place *p)
{
    unlink(p->path);
    ck_assert_int_eq(rmdir(p->folder), 0);
}

static world small(int layout)
{
    world w = world_new(layout);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 2);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, b, NEXT, a);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    fake_put(w.t, 0x7ffe00001800, b, 8);
    new_node(&w, 1); /* lost, if all is there to be searched */
    return w;
}

/* What the file says: one value, good until the next call. */
static const char *said(const place *p, const char *sql)
{
    static char text[2048];
    sqlite3 *database;
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_open_v2(p->path, &database, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return text;
}

static const char *const endings[] = {".sqlite", ".heapsnapshot", ".dot", ".svg"};
enum { ENDINGS = sizeof endings / sizeof *endings };

START_TEST(an_interrupt_leaves_no_file)
{
    for (unsigned e = 0; e < ENDINGS; e++) {
        world w = small(_i);
        place p = new_place(endings[e]);
        unsigned cancelled = 0;
        for (unsigned long k = 1;; k++) {
            w.t->state++;
            w.t->interrupt_at = k;
            if (fake_run(w.t, "gcexport", p.path) == RHI_ANSWERED)
                break;
            ck_assert_str_eq(w.t->err.bytes, "gcexport: cancelled\n");
            ck_assert_str_eq(w.t->out.bytes, "");
            ck_assert_uint_eq(files_in(&p), 0);
            cancelled++;
        }
        ck_assert_uint_ge(cancelled, 3);
        ck_assert_uint_eq(files_in(&p), 1);
        leave(&p);
        world_free(&w);
    }
}
END_TEST

START_TEST(a_file_says_what_it_lacks)
{
    world w = small(_i);
    place p = new_place(".sqlite");
    ck_assert_int_eq(fake_run(w.t, "gcexport", p.path), RHI_ANSWERED);
    ck_assert_str_eq(said(&p, "select value from about where name = 'complete'"), "1");
    ck_assert_str_eq(said(&p, "select value from about where name = 'caveats'"), "");
    ck_assert_str_eq(said(&p, "select leaked from objects where id = 'node#3'"), "lost_reference");
    ck_assert_str_eq(said(&p, "select reachable from objects where id = 'node#3'"), "0");
    unlink(p.path);
    fake_phase(w.heap, RH_PHASE_FREEING);
    w.t->state++;
    ck_assert_int_eq(fake_run(w.t, "gcexport", p.path), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "provisional");
    ck_assert_has(said(&p, "select value from about where name = 'caveats'"), "provisional");
    ck_assert_str_eq(said(&p, "select value from about where name = 'provisional'"), "1");
    unlink(p.path);
    fake_phase(w.heap, RH_PHASE_IDLE);
    w.t->hole_start = 0x7ffe00001800; /* what holds one is not there */
    w.t->hole_end = 0x7ffe00001808;
    w.t->state++;
    ck_assert_int_eq(fake_run(w.t, "gcexport", p.path), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "incomplete");
    ck_assert_str_eq(said(&p, "select value from about where name = 'complete'"), "0");
    ck_assert_str_eq(said(&p, "select value from about where name = 'decided'"), "0");
    ck_assert_has(said(&p, "select value from about where name = 'caveats'"), "incomplete: ");
    ck_assert_str_eq(said(&p, "select count(*) from objects where leaked = 'lost_reference'"), "0");
    ck_assert_str_eq(
        said(&p, "select ifnull(reachable, 'undecided') from objects where id = 'node#3'"),
        "undecided");
    leave(&p);
    world_free(&w);
}
END_TEST

START_TEST(one_heap_can_be_exported)
{
    world w = small(_i);
    place p = new_place(".sqlite");
    char line[160];
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    fake_new(second, w.node, 1, 0);
    snprintf(line, sizeof line, "--heap=2 %s", p.path);
    json_t *json = fake_json(w.t, "gcexport", line);
    ck_assert_int_eq(fake_integer(json, "objects"), 1);
    ck_assert_int_eq(fake_integer(json, "references"), 0);
    ck_assert_str_eq(said(&p, "select group_concat(id) from objects"), "node#4");
    json_decref(json);
    fake_heap_free(second);
    leave(&p);
    world_free(&w);
}
END_TEST

START_TEST(a_heap_that_is_not_there_makes_no_file)
{
    fake_target *t = fake_target_new();
    place p = new_place(".sqlite");
    fake_map(t, 0x1000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    ck_assert_has(fake_json_failure(t, "gcexport", p.path), "no heap of refheap or python here");
    ck_assert_uint_eq(files_in(&p), 0);
    leave(&p);
    fake_target_free(t);
}
END_TEST

RUN_TESTS("inspect_export", an_interrupt_leaves_no_file, a_file_says_what_it_lacks,
          one_heap_can_be_exported, a_heap_that_is_not_there_makes_no_file)
