/* inspect_export.c - `gcexport`: a file is there when all of it is, and says what it lacks.
 *
 * Invariant: each check writes into a folder of its own, which it leaves empty; what a failing one
 * leaves is removed with the folder around it. */
#include "fake_python.h"
#include "inspect_test.h"
#include "own_folder.h"
#include "unpacked.h"

#include <dirent.h>
#include <sqlite3.h>
#include <unistd.h>

typedef struct scene {
    world w;
    char folder[32], path[64];
} scene;

static scene in_folder(world w, const char *ending)
{
    scene s = {.w = w, .folder = "export-XXXXXX"};
    ck_assert_ptr_nonnull(mkdtemp(s.folder));
    snprintf(s.path, sizeof s.path, "%s/heap%s", s.folder, ending);
    return s;
}

/* A cycle that a stack holds, an object that nothing does, and a folder for a file. */
static scene begin(int layout, const char *ending)
{
    world w = world_new(layout);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 2);
    fake_link(w.heap, a, NEXT, b);
    fake_link(w.heap, b, NEXT, a);
    fake_map(w.t, 0x7ffe00000000, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_thread(w.t, 321, 0x7ffe00001000);
    fake_put(w.t, 0x7ffe00001800, b, 8);
    new_node(&w, 1); /* lost, if all is there to be searched */
    return in_folder(w, ending);
}

static unsigned files_in(const scene *s)
{
    unsigned count = 0;
    DIR *folder = opendir(s->folder);
    ck_assert_ptr_nonnull(folder);
    for (const struct dirent *each; (each = readdir(folder));)
        count += each->d_name[0] != '.' || strlen(each->d_name) > 2;
    closedir(folder);
    return count;
}

static void end(scene *s)
{
    unlink(s->path);
    ck_assert_int_eq(rmdir(s->folder), 0);
    if (s->w.heap)
        world_free(&s->w);
    else
        fake_target_free(s->w.t);
}

/* Exports it anew, and must be answered. */
static void write_file(scene *s)
{
    unlink(s->path);
    s->w.t->state++;
    ck_assert_int_eq(fake_run(s->w.t, "gcexport", s->path), RHI_ANSWERED);
}

/* What the file says: one value, good until the next call. */
static const char *said(const scene *s, const char *sql)
{
    static char text[2048];
    sqlite3 *database;
    sqlite3_stmt *statement;
    ck_assert_int_eq(sqlite3_open_v2(s->path, &database, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_prepare_v2(database, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return text;
}

static const char *const endings[] = {
    ".sqlite", ".heapsnapshot", ".dot", ".svg",
#ifdef REFHEAP_PAGE
    ".html",
#endif
};
enum { ENDINGS = sizeof endings / sizeof *endings };

START_TEST(an_interrupt_leaves_no_file)
{
    for (unsigned e = 0; e < ENDINGS; e++) {
        scene s = begin(_i, endings[e]);
        unsigned cancelled = 0;
        for (unsigned long k = 1;; k++) {
            s.w.t->state++;
            s.w.t->interrupt_at = k;
            if (fake_run(s.w.t, "gcexport", s.path) == RHI_ANSWERED)
                break;
            ck_assert_str_eq(s.w.t->err.bytes, "gcexport: cancelled\n");
            ck_assert_str_eq(s.w.t->out.bytes, "");
            ck_assert_uint_eq(files_in(&s), 0);
            cancelled++;
        }
        ck_assert_uint_ge(cancelled, 3);
        ck_assert_uint_eq(files_in(&s), 1);
        end(&s);
    }
}
END_TEST

START_TEST(a_file_says_what_it_lacks)
{
    scene s = begin(_i, ".sqlite");
    write_file(&s);
    ck_assert_str_eq(said(&s, "select value from about where name = 'complete'"), "1");
    ck_assert_str_eq(said(&s, "select value from about where name = 'caveats'"), "");
    ck_assert_str_eq(said(&s, "select leaked from objects where id = 'node#3'"), "lost_reference");
    ck_assert_str_eq(said(&s, "select reachable from objects where id = 'node#3'"), "0");
    fake_phase(s.w.heap, RH_PHASE_FREEING);
    write_file(&s);
    ck_assert_has(s.w.t->out.bytes, "provisional");
    ck_assert_has(said(&s, "select value from about where name = 'caveats'"), "provisional");
    ck_assert_str_eq(said(&s, "select value from about where name = 'provisional'"), "1");
    fake_phase(s.w.heap, RH_PHASE_IDLE);
    s.w.t->hole_start = 0x7ffe00001800; /* what holds one is not there */
    s.w.t->hole_end = 0x7ffe00001808;
    write_file(&s);
    ck_assert_has(s.w.t->out.bytes, "incomplete");
    ck_assert_str_eq(said(&s, "select value from about where name = 'complete'"), "0");
    ck_assert_str_eq(said(&s, "select value from about where name = 'decided'"), "0");
    ck_assert_has(said(&s, "select value from about where name = 'caveats'"), "incomplete: ");
    ck_assert_str_eq(said(&s, "select count(*) from objects where leaked = 'lost_reference'"), "0");
    ck_assert_str_eq(
        said(&s, "select ifnull(reachable, 'undecided') from objects where id = 'node#3'"),
        "undecided");
    end(&s);
}
END_TEST

START_TEST(one_heap_can_be_exported)
{
    scene s = begin(_i, ".sqlite");
    char line[160];
    fake_heap *second = fake_heap_new(s.w.space, 2, "second");
    uint64_t held = fake_new(second, s.w.node, 1, 0);
    fake_link(s.w.heap, new_node(&s.w, 1), NEXT, held); /* node#5 */
    snprintf(line, sizeof line, "--heap=2 %s", s.path);
    json_t *json = fake_json(s.w.t, "gcexport", line);
    ck_assert_int_eq(fake_integer(json, "objects"), 1);
    ck_assert_int_eq(fake_integer(json, "references"), 0);
    ck_assert_str_eq(said(&s, "select group_concat(id) from objects"), "node#4");
    ck_assert_str_eq(said(&s, "select source || name || strength || kind from holders "
                              "where target = 'node#4'"),
                     "node#5nextstrongfield");
    json_decref(json);
    snprintf(line, sizeof line, "--force --heap=1 %s", s.path);
    ck_assert_int_eq(fake_run(s.w.t, "gcexport", line), RHI_ANSWERED);
    ck_assert_str_eq(said(&s, "select target from refs where source = 'node#5'"), "node#4");
    ck_assert_str_eq(said(&s, "select target from fields where object = 'node#5' and name = "
                              "'next'"),
                     "node#4");
    ck_assert_str_eq(said(&s, "select group_concat(id) from objects"),
                     "node#1,node#2,node#3,node#5");
    ck_assert_str_eq(said(&s, "select count(*) from holders where target = 'node#4'"), "0");
    fake_heap_free(second);
    end(&s);
}
END_TEST

/* A count that no slot owns may have a word that lies at no multiple of 8. */
START_TEST(a_packed_word_that_owns_a_count_is_a_holder)
{
    scene s = begin(_i, ".sqlite");
    fake_put(s.w.t, 0x7ffe00001905, fake_get(s.w.t, 0x7ffe00001800, 8), 8); /* has its owners */
    write_file(&s);
    ck_assert_str_eq(said(&s, "select count(*) from holders where target = 'node#3'"), "0");
    json_t *json = fake_json(s.w.t, "objat", "#3");
    uint64_t lost = strtoull(fake_string(json, "object.address"), NULL, 16);
    json_decref(json);
    fake_put(s.w.t, 0x7ffe00001b05, lost, 8);
    s.w.t->state++;
    write_file(&s);
    ck_assert_str_eq(said(&s, "select group_concat(kind || address) from holders "
                              "where target = 'node#3'"),
                     "stack0x7ffe00001b05");
    ck_assert_str_eq(said(&s, "select count(*) from holders where address = '0x7ffe00001905'"),
                     "0");
    end(&s);
}
END_TEST

/* Slots are all there; words come behind them, and a caveat says that rows are missing. */
START_TEST(all_slots_that_hold_an_object_are_holders)
{
    enum { ITEMS = 0, ITEM_COUNT = 8, BAGS = 3, IN_ONE = 100000 };
    static const fake_field fields[] = {FAKE_VECTOR("items", ITEMS, ITEM_COUNT)};
    static uint64_t items[IN_ONE];
    scene s = begin(_i, ".sqlite");
    uint64_t hub = new_node(&s.w, BAGS * IN_ONE);
    bool has_word = _i == 0; /* it takes a second */
    uint32_t bag = fake_type(s.w.space, "bag", 16, fields, 1);
    for (unsigned i = 0; i < IN_ONE; i++)
        items[i] = hub;
    for (unsigned i = 0; i < BAGS; i++)
        fake_vector(s.w.heap, fake_new(s.w.heap, bag, 1, 0), ITEMS, ITEM_COUNT, items, IN_ONE);
    if (has_word)
        fake_put(s.w.t, 0x7ffe00001a00, hub, 8);
    write_file(&s);
    ck_assert_str_eq(said(&s, "select group_concat(kind || strength) || sum(number) from "
                              "(select kind, strength, count(*) as number from holders "
                              "where target = 'node#4' group by 1, 2)"),
                     "fieldstrong300000");
    ck_assert_str_eq(said(&s, "select ifnull(group_concat(text), 'none') from caveats"),
                     has_word ? "there are 37857 more rows than are kept: they were counted, "
                                "and not looked at"
                              : "none");
    ck_assert_str_eq(said(&s, "select value from about where name = 'complete'"),
                     has_word ? "0" : "1");
    end(&s);
}
END_TEST

/* All of the file; of a page what it unpacks. Freed by the caller. */
static char *content(const scene *s, const char *ending)
{
    char *bytes = NULL;
    size_t size = 0, unpacked_size;
    FILE *file = fopen(s->path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_gt(getdelim(&bytes, &size, EOF, file), 0);
    fclose(file);
    if (strcmp(ending, ".html") != 0)
        return bytes;
    const char *letters = strstr(bytes, "id=\"heap\">");
    ck_assert_ptr_nonnull(letters);
    letters = strchr(letters, '>') + 1;
    char *plain = unpacked(letters, strcspn(letters, "<"), &unpacked_size);
    free(bytes);
    return plain;
}

/* What the line said, and the file says, too. */
static void must_say(scene *s, const char *line, const char *ending, const char *kind,
                     const char *text)
{
    char whole[160], row[160];
    snprintf(whole, sizeof whole, "%s: %s", kind, text);
    snprintf(row, sizeof row, "[\"%s\",\"%s", kind, text);
    s->w.t->state++;
    ck_assert_int_eq(fake_run(s->w.t, "gcexport", line), RHI_ANSWERED);
    if (strcmp(ending, ".sqlite") == 0) {
        char sql[400];
        ck_assert_has(said(s, "select value from about where name = 'caveats'"), whole);
        snprintf(sql, sizeof sql,
                 "select count(*) from caveats where kind = '%s' and text like '%s%%'", kind, text);
        ck_assert_str_eq(said(s, sql), "1");
    } else {
        char *bytes = content(s, ending);
        ck_assert_msg(strstr(bytes, strcmp(ending, ".html") == 0 ? row : whole),
                      "%s does not say %s", ending, whole);
        free(bytes);
    }
    unlink(s->path);
}

START_TEST(what_an_answer_rests_on_reaches_each_kind_of_file)
{
    enum { FREE_THREADED = 16 };
    for (unsigned e = 0; e < ENDINGS; e++) {
        scene s = begin(_i, endings[e]);
        char line[160];
        fake_python python = fake_python_new(s.w.t, 0x7f0000000000, 13, 7);
        fake_put(s.w.t, python.runtime + FREE_THREADED, 1, 8);
        must_say(&s, s.path, endings[e], "note", "free"); /* no "-", which SVG spells another way */
        fake_phase(s.w.heap, RH_PHASE_FREEING);
        must_say(&s, s.path, endings[e], "provisional", "heap 1 is freeing");
        fake_phase(s.w.heap, RH_PHASE_IDLE);
        s.w.t->hole_start = 0x7ffe00001800;
        s.w.t->hole_end = 0x7ffe00001808;
        must_say(&s, s.path, endings[e], "undecided", "not everything could be searched");
        s.w.t->hole_start = s.w.t->hole_end = 0;
        fake_heap *second = fake_heap_new(s.w.space, 2, "second");
        snprintf(line, sizeof line, "--heap=2 %s", s.path);
        must_say(&s, line, endings[e], "left out",
                 "only heap 2 was asked for: 1 other heap is not here");
        fake_heap_free(second);
        end(&s);
    }
}
END_TEST

#ifdef REFHEAP_PAGE
START_TEST(a_page_has_lines_of_long_paths)
{
    enum { LENGTH = 400, SITE = 7 };
    scene s = begin(_i, ".html");
    char path[LENGTH + 1];
    memset(path, 'd', LENGTH);
    path[0] = '/';
    path[LENGTH] = '\0';
    fake_born(s.w.heap, new_node(&s.w, 1), fake_site(s.w.space, path, "f", 12));
    write_file(&s);
    char *text = content(&s, ".html");
    json_t *json = json_loads(text, 0, NULL), *row = NULL, *each;
    ck_assert_ptr_nonnull(json);
    free(text);
    size_t at;
    json_array_foreach(fake_at(json, "objects"), at, each) row =
        json_is_integer(json_array_get(each, SITE)) ? each : row;
    ck_assert_msg(row != NULL, "no object has a line");
    const json_t *site = json_array_get(fake_at(json, "sites"),
                                        (size_t)json_integer_value(json_array_get(row, SITE)));
    ck_assert_int_eq(json_integer_value(json_array_get(site, 1)), 12);
    ck_assert(json_is_false(fake_at(json, "shown.events_cut")));
    json_decref(json);
    end(&s);
}
END_TEST
#endif

START_TEST(many_reasons_are_all_said)
{
    enum { MANY = 60 };
    scene s = begin(_i, ".sqlite");
    s.w.t->hole_start = 0x7ffe00001800;
    s.w.t->hole_end = 0x7ffe00001808;
    fake_heap *heaps[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        heaps[i] = fake_heap_new(s.w.space, 2 + i, "more");
        fake_phase(heaps[i], RH_PHASE_FREEING);
    }
    write_file(&s);
    ck_assert_str_eq(said(&s, "select count(*) from caveats where kind = 'provisional'"), "60");
    ck_assert_str_eq(said(&s, "select kind from caveats limit 1"), "provisional");
    ck_assert_str_eq(said(&s, "select value like 'provisional: %undecided: %incomplete: %' from "
                              "about where name = 'caveats'"),
                     "1");
    for (unsigned i = 0; i < MANY; i++)
        fake_heap_free(heaps[i]);
    end(&s);
}
END_TEST

START_TEST(a_replaced_file_is_not_said_to_be_there)
{
    scene s = begin(_i, ".sqlite");
    char line[160];
    write_file(&s);
    ck_assert_has(fake_json_failure(s.w.t, "gcexport", s.path),
                  "it exists already, and --force replaces it");
    for (unsigned i = 0; i < 100; i++) { /* all names that it may have until it is whole */
        snprintf(line, sizeof line, "%s/.refheap-%ld-%u", s.folder, (long)getpid(), i);
        fclose(fopen(line, "w"));
    }
    snprintf(line, sizeof line, "--force %s", s.path);
    const char *failure = fake_json_failure(s.w.t, "gcexport", line);
    ck_assert_has_not(failure, "exists already");
    ck_assert_has(failure, "all are taken: ");
    for (unsigned i = 0; i < 100; i++) {
        snprintf(line, sizeof line, "%s/.refheap-%ld-%u", s.folder, (long)getpid(), i);
        unlink(line);
    }
    end(&s);
}
END_TEST

START_TEST(without_graphviz_the_ending_is_the_way_out)
{
    scene s = begin(_i, ".svg");
    char *before = strdup(getenv("PATH"));
    setenv("PATH", "/nonexistent", 1);
    const char *failure = fake_json_failure(s.w.t, "gcexport", s.path);
    ck_assert_has(failure, "install the package graphviz, or name the file .dot");
    ck_assert_has_not(failure, "--dot");
    setenv("PATH", before, 1);
    free(before);
    end(&s);
}
END_TEST

START_TEST(an_ending_in_capitals_is_told_how_to_be_written)
{
    scene s = begin(_i, ".SQLITE");
    ck_assert_has(fake_json_failure(s.w.t, "gcexport", s.path),
                  "heap.SQLITE: endings are lower-case: say .sqlite");
    ck_assert_uint_eq(files_in(&s), 0);
    end(&s);
}
END_TEST

START_TEST(a_name_that_is_none_is_told_what_it_lacks)
{
    static const char *const names[][2] = {{"''", "to what file?"},
                                           {"", "to what file?"},
                                           {"' '", "the ending of ' ' says no format"},
                                           {".sqlite", "is an ending alone: name the file, as"},
                                           {"/tmp/.dot", "is an ending alone: name the file, as"},
                                           {".", "the ending of '.' says no format"},
                                           {"/", "the ending of '/' says no format"}};
    scene s = begin(_i, "");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        ck_assert_has(fake_json_failure(s.w.t, "gcexport", names[i][0]), names[i][1]);
    end(&s);
}
END_TEST

START_TEST(a_heap_that_is_not_there_makes_no_file)
{
    scene s = in_folder((world){.t = fake_target_new()}, ".sqlite");
    fake_map(s.w.t, 0x1000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    ck_assert_has(fake_json_failure(s.w.t, "gcexport", s.path),
                  "no heap of refheap or python here");
    ck_assert_uint_eq(files_in(&s), 0);
    end(&s);
}
END_TEST

#ifdef REFHEAP_PAGE
#define OF_PAGES a_page_has_lines_of_long_paths,
#else
#define OF_PAGES
#endif
RUN_TESTS("inspect_export", OF_PAGES an_interrupt_leaves_no_file, a_file_says_what_it_lacks,
          one_heap_can_be_exported, a_packed_word_that_owns_a_count_is_a_holder,
          all_slots_that_hold_an_object_are_holders,
          what_an_answer_rests_on_reaches_each_kind_of_file, many_reasons_are_all_said,
          a_replaced_file_is_not_said_to_be_there, without_graphviz_the_ending_is_the_way_out,
          an_ending_in_capitals_is_told_how_to_be_written,
          a_name_that_is_none_is_told_what_it_lacks, a_heap_that_is_not_there_makes_no_file)
