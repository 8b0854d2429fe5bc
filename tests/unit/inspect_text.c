/* inspect_text.c - text from outside: UTF-8 is shown and can be typed, what harms a terminal
 * never gets there, in names of every kind, in text, JSON and pictures; long names are cut
 * between characters and stay different. */
#include "inspect_test.h"

#include <unistd.h>

/* Of each kind, what may not be shown: an escape sequence, a new line, C1 by UTF-8 and by a byte,
 * marks that turn text round, DEL, a line separator, a tag, and the beginning of a character. */
#define HARM                                                                                       \
    "\033["                                                                                        \
    "31m\n\r\b\302\233\233\342\200\256\342\201\246\330\234\177\342\200\250\363\240\201\201\343"    \
    "\201"
static const char *const harms[] = {
    "\033",         "\r",       "\b",   "\302\233",     "\342\200\256",
    "\342\201\246", "\330\234", "\177", "\342\200\250", "\363\240\201\201"};

/* A value whose type, fields, heap and root have such names, and a name that is wrong at its end.
 */
static world harmful_world(int layout, uint64_t *object)
{
    static const fake_field fields[] = {FAKE_STRONG("n" HARM "ext", 0),
                                        FAKE_ONE("text", RH_KIND_BYTES, 8, 1)};
    world w = {.t = fake_target_new()};
    w.space = fake_space_new(w.t, 0x500000000040, layout, NULL);
    w.node = fake_type(w.space, "a" HARM "b", 32, fields, 2);
    w.heap = fake_heap_new(w.space, 1, "h" HARM);
    uint64_t holder = new_node(&w, 1);
    *object = new_node(&w, 2);
    fake_link(w.heap, holder, 0, *object);
    fake_map(w.t, 0x620000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "/tmp/m" HARM);
    fake_put(w.t, 0x620000000100, *object, 8);
    fake_module(w.t, 0x7e0000000000, "/lib/m" HARM ".so", 64, 64, 0);
    fake_put(w.t, 0x7e0000001000, *object, 8);
    fake_map(w.t, 0x630000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x630000000100, *object, 8);
    fake_root(w.heap, 0x630000000100, "r" HARM);
    fake_map(w.t, 0x640000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE | RHI_REGION_SHARED,
             "/dev/s" HARM);
    fake_thread(w.t, 7, 0x650000000800);
    fake_map(w.t, 0x650000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "[stack]");
    fake_put(w.t, 0x650000000900, *object, 8);
    fake_name(w.t, 0x650000000900, RHI_WORD_LOCAL, "v" HARM, "frame 0");
    return w;
}

/* What reached the user, with the one kind of control character that the engine means: the end of a
 * line. */
static void check_harmless(const fake_text *text, const char *command)
{
    for (size_t i = 0; i < sizeof harms / sizeof *harms; i++)
        ck_assert_msg(strstr(text->bytes, harms[i]) == NULL, "%s: character %zu came through",
                      command, i);
    json_t *valid = json_stringn(text->bytes, text->size); /* refuses what is no UTF-8 */
    ck_assert_msg(valid != NULL, "%s: no UTF-8: %s", command, text->bytes);
    json_decref(valid);
}

START_TEST(no_name_of_any_kind_reaches_the_terminal_as_it_is)
{
    uint64_t object;
    static const char *const lines[] = {"objat #2",
                                        "objat --json #2",
                                        "objat 0x620000000000",
                                        "objat --json 0x620000000000",
                                        "objat 0x7e0000001000",
                                        "refs #2",
                                        "refs --json #2",
                                        "refs --path --depth=3 #2",
                                        "refs --json --path --depth=3 #2",
                                        "gcfind",
                                        "gcfind --json",
                                        "gcleaks",
                                        "gcleaks --json",
                                        "gcstale",
                                        "gcstale --json",
                                        "gcstat",
                                        "gcstat --json",
                                        "gcverify",
                                        "gcverify --json",
                                        "gcgraph #2",
                                        "gcgraph --json #2",
                                        "gcgraph",
                                        "objat x" HARM,
                                        "objat --json x" HARM,
                                        "objat --x" HARM " #1",
                                        "nothing" HARM " #1",
                                        "gcfind --type=x" HARM};
    world w = harmful_world(_i, &object);
    setenv("LC_ALL", "C.UTF-8", 1);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char command[256];
        const char *space = strchr(lines[i], ' ');
        snprintf(command, sizeof command, "%.*s", space ? (int)(space - lines[i]) : 99, lines[i]);
        fake_run(w.t, command, space ? space + 1 : "");
        ck_assert_msg(w.t->out.size + w.t->err.size > 0, "%s says nothing", lines[i]);
        check_harmless(&w.t->out, lines[i]);
        check_harmless(&w.t->err, lines[i]);
        const char *error = rhi_session_error(w.t->session);
        fake_text told = {.bytes = (char *)error, .size = strlen(error)};
        check_harmless(&told, lines[i]);
        ck_assert_msg(strchr(error, '\n') == NULL, "%s: an error of two lines", lines[i]);
    }
    world_free(&w);
}
END_TEST

START_TEST(what_json_may_not_show_it_escapes_and_means_the_same)
{
    uint64_t object;
    world w = harmful_world(_i, &object);
    json_t *json = fake_json(w.t, "objat", "0x620000000000");
    ck_assert_str_eq(fake_string(json, "mapping.path"),
                     "/tmp/"
                     "m\033[31m\n\r\b\302\233?"
                     "\342\200\256\342\201\246\330\234\177\342\200\250\363\240\201\201??");
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(pictures_show_no_harmful_character)
{
    uint64_t object;
    char path[] = "/tmp/refheap-text-XXXXXX", line[64];
    fake_text picture = {.bytes = calloc(1, 65536)};
    world w = harmful_world(_i, &object);
    close(mkstemp(path));
    snprintf(line, sizeof line, "--dot=%s #2", path);
    ck_assert_int_eq(fake_run(w.t, "gcgraph", line), RHI_ANSWERED);
    FILE *file = fopen(path, "r");
    picture.size = fread(picture.bytes, 1, 65535, file);
    fclose(file);
    unlink(path);
    ck_assert(picture.size > 0);
    check_harmless(&picture, "--dot");
    free(picture.bytes);
    world_free(&w);
}
END_TEST

START_TEST(names_in_utf8_are_shown_and_found)
{
    world w = {.t = fake_target_new()};
    static const fake_field fields[] = {FAKE_STRONG("nächster", 0)};
    w.space = fake_space_new(w.t, 0x500000000040, _i, NULL);
    uint32_t small = fake_type(w.space, "Knötchen", 16, fields, 1);
    w.node = fake_type(w.space, "日本語ノード", 16, fields, 1);
    w.heap = fake_heap_new(w.space, 1, "Häufchen");
    uint64_t first = fake_new(w.heap, small, 1, 0), second = new_node(&w, 1);
    fake_map(w.t, 0x630000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    fake_put(w.t, 0x630000000100, first, 8);
    fake_root(w.heap, 0x630000000100, "größter");
    fake_link(w.heap, first, 0, second);
    setenv("LC_ALL", "C.UTF-8", 1);
    ck_assert_int_eq(fake_run(w.t, "objat", "日本語ノード#2"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, " is 日本語ノード#2: live, refcount 1");
    ck_assert_has(w.t->out.bytes, "heap 1 \"Häufchen\"");
    ck_assert_int_eq(fake_run(w.t, "refs", "日本語ノード#2"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "Knötchen#1.nächster");
    json_t *json = fake_json(w.t, "gcfind", "--type=Kn*");
    ck_assert_str_eq(fake_string(json, "objects.0.id"), "Knötchen#1");
    json_decref(json);
    char words[256];
    ck_assert_uint_eq(
        rhi_complete(w.t->session, &w.t->target, "objat", "日本", words, sizeof words), 1);
    ck_assert_str_eq(words, "日本語ノード#");
    setenv("LC_ALL", "C", 1);
    ck_assert_int_eq(fake_run(w.t, "objat", "#1"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, " is Kn?tchen#1: live");
    ck_assert_int_eq(fake_run(w.t, "objat", "Kn?tchen#1"), RHI_ANSWERED); /* typed as it is shown */
    ck_assert_int_eq(fake_run(w.t, "objat", "Kn?tchen#2"), RHI_NO_ANSWER);
    ck_assert_int_eq(fake_run(w.t, "objat", "gr?-ter"), RHI_NO_ANSWER);
    ck_assert_int_eq(fake_run(w.t, "objat", "gr??ter"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, " is Kn?tchen#1: live");
    setenv("LC_ALL", "C.UTF-8", 1);
    ck_assert_int_eq(fake_run(w.t, "objat", "Kn?tchen#1"), RHI_NO_ANSWER);
    world_free(&w);
}
END_TEST

/* The column in which a text stands in its line, counted in characters of one and of two columns.
 */
static size_t column_of(const char *all, const char *part)
{
    const char *at = strstr(all, part), *line = at;
    ck_assert_msg(at != NULL, "'%s' is not in: %s", part, all);
    while (line > all && line[-1] != '\n')
        line--;
    size_t columns = 0;
    for (; line < at; line++)
        columns += (*line & 0xc0) == 0x80 ? 0 : (unsigned char)*line >= 0xe3 ? 2 : 1;
    return columns;
}

START_TEST(columns_are_columns_of_the_terminal)
{
    world w = {.t = fake_target_new()};
    w.space = fake_space_new(w.t, 0x500000000040, _i, NULL);
    uint32_t a = fake_type(w.space, "plain", 16, NULL, 0),
             b = fake_type(w.space, "日本語", 16, NULL, 0);
    uint32_t c = fake_type(w.space, "Knötchen", 16, NULL, 0);
    w.heap = fake_heap_new(w.space, 1, "");
    fake_new(w.heap, a, 1, 0);
    fake_new(w.heap, b, 2, 0);
    fake_new(w.heap, c, 3, 0);
    setenv("LC_ALL", "C.UTF-8", 1);
    fake_run(w.t, "gcfind", "");
    size_t column = column_of(w.t->out.bytes, "refcount 1,");
    ck_assert_uint_eq(column_of(w.t->out.bytes, "refcount 2,"), column);
    ck_assert_uint_eq(column_of(w.t->out.bytes, "refcount 3,"), column);
    world_free(&w);
}
END_TEST

START_TEST(long_names_are_cut_between_characters_and_stay_apart)
{
    char one[700] = "", other[sizeof one + 1], line[800], id[200];
    for (int i = 0; i < 200; i++)
        strcat(one, "語");
    snprintf(other, sizeof other, "%s%s", one, "x");
    world w = {.t = fake_target_new()};
    w.space = fake_space_new(w.t, 0x500000000040, _i, NULL);
    uint32_t first = fake_type(w.space, one, 16, NULL, 0),
             second = fake_type(w.space, other, 16, NULL, 0);
    w.heap = fake_heap_new(w.space, 1, "");
    fake_new(w.heap, first, 1, 0);
    fake_new(w.heap, second, 1, 0);
    json_t *json = fake_json(w.t, "gcfind", "");
    snprintf(id, sizeof id, "%s", fake_string(json, "objects.0.id"));
    ck_assert_has(id, "語語…");
    ck_assert_str_ne(fake_string(json, "objects.0.type"), fake_string(json, "objects.1.type"));
    json_decref(json);
    json = fake_json(w.t, "objat", id); /* as it is shown */
    ck_assert_str_eq(fake_string(json, "object.id"), id);
    json_decref(json);
    snprintf(line, sizeof line, "%s#1", one); /* as the program has it */
    json = fake_json(w.t, "objat", line);
    ck_assert_str_eq(fake_string(json, "object.id"), id);
    json_decref(json);
    snprintf(line, sizeof line, "%s#1", other);
    ck_assert_int_eq(fake_run(w.t, "objat", line), RHI_NO_ANSWER);
    world_free(&w);
}
END_TEST

START_TEST(an_error_that_quotes_much_is_cut_between_characters)
{
    char line[4000] = "";
    world w = world_new(_i);
    setenv("LC_ALL", "C.UTF-8", 1);
    for (int i = 0; i < 900; i++)
        strcat(line, "語");
    for (int before = 0; before < 3; before++) {
        char shifted[sizeof line + 3];
        snprintf(shifted, sizeof shifted, "%.*s%s", before, "xyz", line);
        ck_assert_int_eq(fake_run(w.t, "objat", shifted), RHI_NO_ANSWER);
        ck_assert_has(w.t->err.bytes, "語");
        ck_assert_has_not(w.t->err.bytes, "?");
    }
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_text", no_name_of_any_kind_reaches_the_terminal_as_it_is,
          what_json_may_not_show_it_escapes_and_means_the_same, pictures_show_no_harmful_character,
          names_in_utf8_are_shown_and_found, columns_are_columns_of_the_terminal,
          long_names_are_cut_between_characters_and_stay_apart,
          an_error_that_quotes_much_is_cut_between_characters)
