/* inspect_args.c - command lines: options, values, operands, and how errors are told. */
#include "inspect_test.h"

static world two_nodes(int layout)
{
    world w = world_new(layout);
    uint64_t a = new_node(&w, 1), b = new_node(&w, 1);
    fake_value(w.t, "f(a, b)", a);
    fake_value(w.t, "v[1,2]", b);
    fake_value(w.t, "s.x == ',' ? \"a,)\" : 0", b);
    fake_value(w.t, "{a, (b)}", a);
    fake_value(w.t, "m<a, b>::c", b);
    return w;
}

START_TEST(values_follow_an_equals_sign_or_stand_apart)
{
    static const char *const lines[] = {"--limit=1 #1",        "--limit 1 #1",
                                        "  --limit   1   #1 ", "--limit=5 --limit=1 #1",
                                        "--limit='1' #1",      "--limit=\"1\" -- #1"};
    world w = two_nodes(_i);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        json_t *json = fake_json(w.t, "objat", lines[i]);
        ck_assert_uint_eq(fake_size(json, "fields"), 1);
        ck_assert_int_eq(fake_integer(json, "fields_total"), 5);
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

START_TEST(wrong_lines_get_one_clear_error)
{
    static const struct {
        const char *command, *line, *error;
    } rows[] = {
        {"objat", "--nonsense #1", "unknown option --nonsense: see objat --help"},
        {"objat", "--path #1", "unknown option --path: see objat --help"},
        {"objat", "--limit=x #1",
         "--limit wants a number (of 1024s with k, M or G behind it), not 'x'"},
        {"objat", "--limit=-1 #1",
         "--limit wants a number (of 1024s with k, M or G behind it), not '-1'"},
        {"objat", "--limit= #1", "--limit wants a value: --limit=N"},
        {"objat", "--limit=1kB #1",
         "--limit wants a number (of 1024s with k, M or G behind it), not '1kB'"},
        {"objat", "--limit=k #1", "not 'k'"},
        {"objat", "--limit=17179869184G #1", "--limit=17179869184G is too large a number"},
        {"objat", "--limit=99999999999999999999 #1",
         "--limit=99999999999999999999 is too large a number"},
        {"objat", "--ledger=1 #1", "--ledger takes no value"},
        {"objat", "--limit", "--limit wants a value: --limit=N"},
        {"objat", "", "what object or address? usage: objat"},
        {"refs", "--in", "what object or address? usage: refs"},
        {"gcgraph", "--depth=1.5", "not '1.5'"},
        {"gcgraph", ",", "nothing stands before or behind a comma: usage: gcgraph"},
        {"gcgraph", "#1,,#2", "nothing stands before or behind a comma"},
        {"gcgraph", "#1, ", "nothing stands before or behind a comma"},
        {"gcleaks", "-check", "takes no operand, and options begin with two dashes: gcleaks"},
        {"gcleaks", "#1", "takes no operand: gcleaks"},
        {"objat", "#1, #2, f(a, b)", "takes one operand, got 3: #1, #2, f(a, b)"},
        {"refs", "node#1 0x10", "takes one operand, got 2: node#1 0x10"},
        {"refs", "#1,", "nothing stands before or behind a comma: usage: refs"},
        {"objat", "#1 --nonsense", "unknown option --nonsense: see objat --help"},
        {"objat", "v[1] --path", "unknown option --path: see objat --help"},
        {"objat", "#1 --limit=x", "not 'x'"},
        {"objat", "#1 --limit", "--limit wants a value: --limit=N"},
        {"objat", "#1 --ledger + 1",
         "'+ 1' stands behind an option: options come before the operand or behind it"},
        {"gcgraph", "#1 --depth=1 -- #2", "'#2' stands behind an option"},
        {"gcleaks", "#1 --check", "takes no operand: gcleaks"},
        {"objat", "--heap=7 #1", "there is no heap 7: numbers in use: 1"},
        {"objat", "leaf#1", "there is no object leaf#1: it is node#1"},
        {"objat", "0x", "'0x'"},
        {"objat", "0x123456789abcdef01", "cannot evaluate"},
        {"objat", "#99999999999999999999",
         "'#99999999999999999999' names no object: no serial is so large"},
        {"refs", "node#18446744073709551616", "names no object: no serial is so large"},
        {"refs", "node#18446744073709551614", "there is no object node#18446744073709551614"},
    };
    world w = two_nodes(_i);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_has(fake_json_failure(w.t, rows[i].command, rows[i].line), rows[i].error);
        ck_assert_int_eq(fake_run(w.t, rows[i].command, rows[i].line), RHI_NO_ANSWER);
        ck_assert_str_eq(w.t->out.bytes, "");
        /* one line */
        ck_assert_ptr_eq(strchr(w.t->err.bytes, '\n'), w.t->err.bytes + w.t->err.size - 1);
        ck_assert_int_eq(strncmp(w.t->err.bytes, rows[i].command, strlen(rows[i].command)), 0);
    }
    world_free(&w);
}
END_TEST

/* What is no option goes to the debugger as it was written: there an expression may have two dashes
 * in it. */
START_TEST(options_stand_before_the_operand_or_behind_it)
{
    static const char *const lines[] = {"#1 --limit=1",           "#1 --limit 1 ",
                                        "--limit=2 #1 --limit=1", "f(a, b) --limit=1 --heap=1",
                                        "{a, (b)} --limit=1",     "\"a\" --limit=1",
                                        "(x) --limit=1",          "#1\t--limit=1",
                                        "m<a, b>::c --limit=1"};
    static const char *const expressions[] = {
        "a - --limit",   "(long) --x", "f(a --limit=1)",     "-- (x) --limit",
        "'a --limit=1'", "a--limit",   "s[\"\\\" --limit\"]"};
    world w = two_nodes(_i);
    uint64_t a = new_node(&w, 1);
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        fake_value(w.t,
                   strncmp(expressions[i], "-- ", 3) == 0 ? expressions[i] + 3 : expressions[i], a);
    fake_value(w.t, "\"a\"", a);
    fake_value(w.t, "(x)", a);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        json_t *json = fake_json(w.t, "objat", lines[i]);
        ck_assert_uint_eq(fake_size(json, "fields"), 1);
        json_decref(json);
    }
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        json_t *json = fake_json(w.t, "objat", expressions[i]);
        ck_assert_uint_eq(fake_size(json, "fields"), 5);
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

START_TEST(numbers_of_options_may_have_units)
{
    static const struct {
        const char *value;
        unsigned total;
    } rows[] = {{"0", 2},  {"32", 2}, {"1k", 0},          {"1K", 0},
                {"1M", 0}, {"3G", 0}, {"17179869183G", 0}};
    world w = two_nodes(_i);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char line[64];
        snprintf(line, sizeof line, "--min-size=%s", rows[i].value);
        json_t *json = fake_json(w.t, "gcfind", line);
        ck_assert_int_eq(fake_integer(json, "total"), rows[i].total);
        json_decref(json);
    }
    world_free(&w);
}
END_TEST

START_TEST(json_holds_for_errors_wherever_it_stands)
{
    static const char *const lines[] = {
        "--json --nonsense 1", "--nonsense --json 1", "--limit=x --json 1", "--json",
        "1 --nonsense --json", "1, 2 --json",         "no_such --json",     "--limit=x 1 --json"};
    world w = two_nodes(_i);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ck_assert_int_eq(fake_run(w.t, "objat", lines[i]), RHI_NO_ANSWER);
        json_t *json = json_loads(w.t->out.bytes, 0, NULL);
        ck_assert_ptr_nonnull(json);
        ck_assert_str_eq(fake_string(json, "command"), "objat");
        ck_assert(json_is_false(fake_at(json, "complete")));
        ck_assert_uint_gt(strlen(fake_string(json, "error")), 0);
        ck_assert_str_eq(w.t->err.bytes, "");
        json_decref(json);
    }
    ck_assert_has(fake_json_failure(w.t, "nonsense", "1"), "no such command");
    world_free(&w);
}
END_TEST

START_TEST(operands_are_divided_at_commas_outside_brackets_and_quotes)
{
    static const struct {
        const char *line;
        size_t nodes;
    } rows[] = {{"--depth=0 f(a, b)", 1},
                {"--depth=0 v[1,2], f(a, b)", 2},
                {"--depth=0 s.x == ',' ? \"a,)\" : 0,{a, (b)}", 2},
                {"--depth=0 #1, #2,#1", 2},
                {"--depth=0 -- #1 , #2", 2},
                {"#1, #2 --depth=0", 2},
                {"#1 #2 --depth 0", 2},
                {"node#1 node#2, v[1,2] --depth=0", 2},
                {"m<a, b>::c, #1 --depth=0", 2}};
    world w = two_nodes(_i);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *json = fake_json(w.t, "gcgraph", rows[i].line);
        ck_assert_uint_eq(fake_size(json, "nodes"), rows[i].nodes);
        json_decref(json);
    }
    char many[1024] = "#1";
    for (unsigned i = 0; i < 64; i++)
        strcat(many, ",#1");
    ck_assert_has(fake_json_failure(w.t, "gcgraph", many), "too many operands: at most 64");
    world_free(&w);
}
END_TEST

START_TEST(a_vector_of_words_means_the_same)
{
    static const char *const words[] = {"--json", "--limit", "2", "--", "#1", NULL};
    static const char *const spread[] = {"--json", "f(a,", "b)", NULL};
    static const char *const behind[] = {"#1", "--limit", "2", "--json", NULL};
    static const char *const cut[] = {"--json", "--limit", NULL};
    world w = two_nodes(_i);
    fake_run(w.t, "objat", "--json --limit=2 #1");
    char *expected = strdup(w.t->out.bytes);
    w.t->out.size = 0;
    ck_assert_int_eq(rhi_session_run_words(w.t->session, &w.t->target, "objat", words),
                     RHI_ANSWERED);
    ck_assert_str_eq(w.t->out.bytes, expected);
    w.t->out.size = 0;
    ck_assert_int_eq(rhi_session_run_words(w.t->session, &w.t->target, "objat", behind),
                     RHI_ANSWERED);
    ck_assert_str_eq(w.t->out.bytes, expected);
    ck_assert_int_eq(rhi_session_run_words(w.t->session, &w.t->target, "objat", spread),
                     RHI_ANSWERED);
    w.t->out.size = 0;
    ck_assert_int_eq(rhi_session_run_words(w.t->session, &w.t->target, "objat", cut),
                     RHI_NO_ANSWER);
    ck_assert_has(w.t->out.bytes, "--limit wants a value");
    free(expected);
    world_free(&w);
}
END_TEST

START_TEST(help_tells_every_option_in_both_forms)
{
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command, *option;
    size_t c, o;
    world w = two_nodes(_i);
    ck_assert_uint_ge(json_array_size(commands), 3);
    json_array_foreach(commands, c, command)
    {
        const char *name = fake_string(command, "name");
        ck_assert_int_eq(fake_run(w.t, name, "--help"), RHI_ANSWERED);
        char *text = strdup(w.t->out.bytes);
        json_array_foreach(fake_at(command, "options"), o, option)
            ck_assert_has(text, fake_string(option, "name"));
        ck_assert_has(text, fake_string(command, "summary"));
        free(text);
        json_t *json = fake_json(w.t, name, "--help");
        ck_assert_has(fake_string(json, "help"), fake_string(command, "summary"));
        json_decref(json);
    }
    json_decref(commands);
    world_free(&w);
}
END_TEST

/* Debuggers show it themselves, and GDB refuses what its terminal has no characters for. */
START_TEST(help_is_ascii_where_the_locale_is)
{
    setenv("LC_ALL", "C", 1);
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    size_t index;
    json_array_foreach(commands, index, command)
    {
        const char *texts[] = {fake_string(command, "help"), fake_string(command, "help_unfilled")};
        for (int i = 0; i < 2; i++) {
            ck_assert_has(texts[i], " [--option...]");
            for (const char *c = texts[i]; *c; c++)
                ck_assert_msg((unsigned char)*c < 0x80, "not ASCII: %s", c);
        }
    }
    json_decref(commands);
}
END_TEST

/* 79 columns for terminals and GDB; a line for each paragraph where LLDB fills them. */
START_TEST(help_is_filled_once)
{
    setenv("LC_ALL", "C.UTF-8", 1);
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    size_t index;
    json_array_foreach(commands, index, command)
    {
        const char *help = fake_string(command, "help"),
                   *unfilled = fake_string(command, "help_unfilled"),
                   *example = fake_string(command, "example");
        unsigned column = 0;
        for (const char *c = help; *c; c++) {
            column = *c == '\n' ? 0 : column + (((unsigned char)*c & 0xc0) != 0x80);
            ck_assert_msg(column <= 79, "%s: a line has more than 79 columns:\n%s",
                          fake_string(command, "name"), help);
        }
        char end[128];
        snprintf(end, sizeof end, "\n\nexample: %s\n", example);
        ck_assert_int_eq(
            strncmp(example, fake_string(command, "name"), strlen(fake_string(command, "name"))),
            0);
        ck_assert_str_eq(help + strlen(help) - strlen(end), end);
        ck_assert_str_eq(unfilled + strlen(unfilled) - strlen(end), end);
    }
    ck_assert_has(fake_string(json_array_get(commands, 0), "help_unfilled"),
                  "a freed slot (who died there, how), an earlier tenant of a reused slot, memory");
    ck_assert_has(fake_string(json_array_get(commands, 0), "help_unfilled"),
                  "\n  --history\n      also all recorded events of this address, and where");
    json_decref(commands);
}
END_TEST

RUN_TESTS("inspect_args", values_follow_an_equals_sign_or_stand_apart,
          wrong_lines_get_one_clear_error, options_stand_before_the_operand_or_behind_it,
          numbers_of_options_may_have_units, json_holds_for_errors_wherever_it_stands,
          operands_are_divided_at_commas_outside_brackets_and_quotes,
          a_vector_of_words_means_the_same, help_tells_every_option_in_both_forms,
          help_is_filled_once, help_is_ascii_where_the_locale_is)
