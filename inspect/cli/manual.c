/* manual.c - pages about the commands (see manual.h): one in Markdown, and one of each command for
 * man. Both have the same words.
 *
 * Invariant: what a page says of a command comes from the command table, and what it says of an
 * answer from its schema. */
#include "manual.h"

#include <refheap/inspect.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How a page is marked up. */
typedef struct style {
    bool is_man;
    const char *code, *code_end, *indent; /* of lists in lists */
} style;

static const style markdown = {false, "`", "`", "  "}, man = {true, "*", "*", "\t"};

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text ? text : "";
}

/* What scdoc would take for markup is escaped; Markdown has it as it is. */
static void put(const style *s, const char *text)
{
    for (; *text; text++) {
        if (s->is_man && strchr("\\*_#~<>[]|`", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void put_code(const style *s, const char *text)
{
    fputs(s->code, stdout);
    put(s, text);
    fputs(s->code_end, stdout);
}

/* ---- members of answers --------------------------------------------------------------------- */

static void put_members(const style *s, const json_t *object, const json_t *common, unsigned depth);

/* "string or null", "array of holder", "0x…" */
static void put_type(const style *s, const json_t *value)
{
    const json_t *type = json_object_get(value, "type"), *either = json_object_get(value, "anyOf"),
                 *items = json_object_get(value, "items");
    const char *ref = text_of(value, "$ref");
    const json_t *one;
    size_t index;
    if (*ref) {
        const char *name = strrchr(ref, '/') + 1;
        printf(s->is_man ? "_%s_" : "[%s](#%s)", name, name);
    }
    json_array_foreach(either, index, one)
    {
        fputs(index ? " or " : "", stdout);
        put_type(s, one);
    }
    if (json_is_string(type))
        fputs(json_object_get(value, "pattern") ? "\"0x…\"" : json_string_value(type), stdout);
    json_array_foreach(type, index, one)
    {
        bool is_address = json_object_get(value, "pattern") && index == 0;
        printf("%s%s", index ? " or " : "", is_address ? "\"0x…\"" : json_string_value(one));
    }
    if (items) {
        fputs(" of ", stdout);
        put_type(s, items);
    }
}

/* The words that a text may be, behind what it is. */
static void put_words(const style *s, const json_t *value)
{
    const json_t *words = json_object_get(value, "enum"), *word;
    size_t index, put_before = 0;
    json_array_foreach(words, index, word)
    {
        if (!json_is_string(word))
            continue;
        fputs(put_before++ ? ", " : ". One of ", stdout);
        put_code(s, json_string_value(word));
    }
}

/* The object of which members are listed below a value: itself, or the items of a list. */
static const json_t *inner_object(const json_t *value)
{
    const json_t *items = json_object_get(value, "items"), *either, *one;
    size_t index;
    value = items ? items : value;
    either = json_object_get(value, "anyOf");
    json_array_foreach(either, index, one)
    {
        if (json_object_get(one, "properties"))
            return one;
    }
    return json_object_get(value, "properties") ? value : NULL;
}

static bool is_among(const json_t *names, const char *name)
{
    const json_t *one;
    size_t index;
    json_array_foreach(names, index, one)
    {
        if (strcmp(json_string_value(one), name) == 0)
            return true;
    }
    return false;
}

/* How many a list would have that is cut: that is told with the list. */
static bool is_total(const char *name, const json_t *value)
{
    size_t length = strlen(name);
    return value && length > 6 && strcmp(name + length - 6, "_total") == 0 &&
           strncmp(text_of(value, "description"), "if it is cut", 12) == 0;
}

/* object: that it is a member of. */
static void put_member(const style *s, const char *name, const json_t *value, const json_t *object,
                       unsigned depth)
{
    char total[64];
    snprintf(total, sizeof total, "%s_total", name);
    for (unsigned i = 0; i < depth; i++)
        fputs(s->indent, stdout);
    fputs("- ", stdout);
    put_code(s, name);
    fputs(" (", stdout);
    put_type(s, value);
    if (is_total(total, json_object_get(json_object_get(object, "properties"), total))) {
        fputs("; ", stdout);
        put_code(s, total);
        fputs(" if cut", stdout);
    }
    bool is_there = strcmp(name, "…") == 0 || is_among(json_object_get(object, "required"), name);
    fputs(is_there ? "): " : ", optional): ", stdout);
    put(s, text_of(value, "description"));
    put_words(s, value);
    putchar('\n');
    const json_t *inner = inner_object(value);
    if (inner)
        put_members(s, inner, NULL, depth + 1);
}

/* All but those that `common` has, too. */
static void put_members(const style *s, const json_t *object, const json_t *common, unsigned depth)
{
    json_t *properties = json_object_get(object, "properties"), *value,
           *rest = json_object_get(object, "additionalProperties");
    const char *name;
    json_object_foreach(properties, name, value)
    {
        if (!is_total(name, value) && !json_object_get(json_object_get(common, "properties"), name))
            put_member(s, name, value, object, depth);
    }
    if (json_is_object(rest))
        put_member(s, "…", rest, object, depth);
}

/* What all answers have. */
static json_t *load_common(void)
{
    char *text = rhi_schema(NULL);
    json_t *schema = text ? json_loads(text, 0, NULL) : NULL,
           *common = json_incref(json_object_get(json_object_get(schema, "$defs"), "answer"));
    free(text);
    json_decref(schema);
    return common;
}

static json_t *load_schema(const char *command)
{
    char *text = rhi_schema(command);
    json_t *schema = text ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return schema;
}

/* Is this definition a whole answer? */
static bool is_answer(const json_t *schema, const char *name)
{
    const json_t *one;
    size_t index;
    json_array_foreach(json_object_get(schema, "anyOf"), index, one)
    {
        if (strcmp(strrchr(text_of(one, "$ref"), '/') + 1, name) == 0)
            return true;
    }
    return false;
}

/* The members of a command's answers. */
static void put_answers(const style *s, const json_t *schema, const json_t *common)
{
    const char *name;
    json_t *definition;
    json_object_foreach(json_object_get(schema, "$defs"), name, definition)
    {
        if (!is_answer(schema, name) || strcmp(name, "error") == 0 || strcmp(name, "help") == 0)
            continue;
        fputs(s->is_man ? "\n" : "\n**JSON.** ", stdout);
        put(s, text_of(definition, "description"));
        fputs(s->is_man ? " Its members, besides those of every answer, see "
                          "*refheap-json*(7):\n\n"
                        : " Besides what [every answer](#every-answer) has:\n\n",
              stdout);
        put_members(s, definition, common, 0);
    }
}

/* What all answers have, and what they consist of, by name. */
static void put_parts(const style *s, const json_t *commands, const json_t *common)
{
    json_t *seen = json_object(), *definition;
    const json_t *command;
    const char *name;
    size_t index;
    printf("%s\n\nLists are cut by --limit: then a number says how many there are. What is "
           "optional is missing where there is nothing to say.\n\n",
           s->is_man ? "# EVERY ANSWER" : "\n## Every answer");
    put_members(s, common, NULL, 0);
    puts(s->is_man ? "\n# PARTS OF ANSWERS" : "\n## Parts of answers");
    json_array_foreach(commands, index, command)
    {
        json_t *schema = load_schema(text_of(command, "name"));
        json_object_foreach(json_object_get(schema, "$defs"), name, definition)
        {
            if (is_answer(schema, name) || json_object_get(seen, name))
                continue;
            json_object_set_new(seen, name, json_true());
            printf(s->is_man ? "\n## " : "\n### ");
            put(s, name);
            fputs("\n\n", stdout);
            put(s, text_of(definition, "description"));
            fputs("\n\n", stdout);
            put_members(s, definition, NULL, 0);
        }
        json_decref(schema);
    }
    json_decref(seen);
}

/* ---- Markdown ------------------------------------------------------------------------------- */

static void put_option(const style *s, const json_t *option)
{
    char name[128];
    const char *argument = text_of(option, "argument");
    snprintf(name, sizeof name, "%s%s%s", text_of(option, "name"), *argument ? "=" : "", argument);
    if (s->is_man)
        put_code(s, name);
    else
        printf("- `%s`", name);
    fputs(s->is_man ? "\n\t" : ": ", stdout);
    put(s, text_of(option, "help"));
    fputs(s->is_man ? "\n\n" : "\n", stdout);
}

static void put_options(const style *s, const json_t *command)
{
    const json_t *option;
    size_t index;
    json_array_foreach(json_object_get(command, "options"), index, option) put_option(s, option);
}

void print_manual(void)
{
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command, *common = load_common();
    size_t index;
    printf("# Commands\n\nMade from the command table by `refheap --manual`; the same in GDB, LLDB "
           "and the shell.\n");
    json_array_foreach(commands, index, command)
    {
        json_t *schema = load_schema(text_of(command, "name"));
        printf("\n## %s\n\n`%s`: %s.\n\n%s\n\n", text_of(command, "name"),
               text_of(command, "usage"), text_of(command, "summary"),
               text_of(command, "description"));
        put_options(&markdown, command);
        printf("\nExample: `%s`\n", text_of(command, "example"));
        put_answers(&markdown, schema, common);
        json_decref(schema);
    }
    put_parts(&markdown, commands, common);
    json_decref(common);
    json_decref(commands);
}

/* ---- man ------------------------------------------------------------------------------------ */

/* What may stand before a command in the shell, or instead of one. */
static const struct {
    const char *option, *help;
} shell_options[] = {
    {"--core FILE", "Reads a core dump. A core alone is enough."},
    {"--exe FILE", "With --core: the program, for names of variables. The file that the core names "
                   "is used if it is still there."},
    {"--pid N", "Reads a process, which is stopped meanwhile and goes on afterwards."},
    {"--no-stop", "With --pid: does not stop the process. Every answer is then marked incomplete."},
    {"--help", "Prints the options and the commands. After a command: what it does."},
    {"--version", "Prints the version."},
    {"--schema COMMAND", "Prints the JSON Schema of what the command answers with --json; of "
                         "answer: of what all answers have."},
    {"--schemas FOLDER", "Writes all schemas into the folder."},
    {"--completion SHELL", "Prints the completion script for bash, zsh or fish."},
    {"--manual", "Prints the manual of all commands in Markdown."},
    {"--man PAGE", "Prints the source of a manual page for scdoc, as refheap-objat.1; list: the "
                   "names of all pages."}};

/* Of a command, or of the shell's program, which has all of them. */
static void put_exit_status(bool has_check)
{
    printf("# EXIT STATUS\n\n%s Of several commands the highest.\n\n# EXAMPLES\n\n",
           has_check ? "0: answered. 1: --check found something. 2: no answer, or --check found "
                       "nothing but proves nothing, as not everything could be searched or counts "
                       "were in motion."
                     : "0: answered. 2: no answer.");
}

static bool has_option(const json_t *command, const char *name)
{
    const json_t *option;
    size_t index;
    json_array_foreach(json_object_get(command, "options"), index, option)
    {
        if (strcmp(text_of(option, "name"), name) == 0)
            return true;
    }
    return false;
}

static void begin_page(const char *name, int section, const char *summary)
{
    printf("%s(%d) \"refheap\" \"refheap\"\n\n# NAME\n\n%s - ", name, section, name);
    put(&man, summary);
}

/* Text of the table: paragraphs, and lists, which scdoc wants apart. */
static void put_paragraphs(const char *text)
{
    bool is_in_list = false;
    for (size_t size; *text; text += size + (text[size] == '\n')) {
        size = strcspn(text, "\n");
        char *line = strndup(text, size);
        if (!line)
            return;
        bool is_point = strncmp(line, "- ", 2) == 0;
        if (is_point != is_in_list && strncmp(line, "  ", 2) != 0)
            putchar('\n');
        is_in_list = is_point || (is_in_list && strncmp(line, "  ", 2) == 0);
        put(&man, line);
        putchar('\n');
        free(line);
    }
}

/* The commands but one, and what else is of use. */
static void put_see_also(const json_t *commands, const char *but)
{
    const json_t *command;
    size_t index;
    fputs("\n# SEE ALSO\n\n", stdout);
    if (*but)
        fputs("*refheap*(1), ", stdout);
    json_array_foreach(commands, index, command)
    {
        if (strcmp(text_of(command, "name"), but) != 0)
            printf("*refheap-%s*(1), ", text_of(command, "name"));
    }
    fputs("*refheap-json*(7), *refheap*(3)\n", stdout);
}

static void put_command_page(const json_t *commands, const json_t *command)
{
    const char *name = text_of(command, "name"), *usage = text_of(command, "usage");
    char page[64];
    json_t *schema = load_schema(name), *common = load_common();
    snprintf(page, sizeof page, "refheap-%s", name);
    begin_page(page, 1, text_of(command, "summary"));
    fputs("\n\n# SYNOPSIS\n\n*refheap* --core FILE \\[--exe FILE\\] ", stdout);
    put(&man, usage);
    fputs("++\n*refheap* --pid N \\[--no-stop\\] ", stdout);
    put(&man, usage);
    fputs("++\n(gdb) ", stdout);
    put(&man, usage);
    fputs("++\n(lldb) ", stdout);
    put(&man, usage);
    fputs("\n\n# DESCRIPTION\n\n", stdout);
    put_paragraphs(text_of(command, "description"));
    fputs("\n# OPTIONS\n\n", stdout);
    put_options(&man, command);
    put_exit_status(has_option(command, "--check"));
    printf("In GDB, in LLDB, and at the prompt of *refheap* --core FILE:\n\n```\n%s\n```\n\n"
           "# JSON\n\nWith *--json* the answer is one document. Its schema is printed by "
           "*refheap --schema %s*.\n",
           text_of(command, "example"), name);
    put_answers(&man, schema, common);
    put_see_also(commands, name);
    json_decref(schema);
    json_decref(common);
}

static void put_shell_page(const json_t *commands)
{
    const json_t *command;
    size_t index;
    begin_page("refheap", 1, "reads reference-counted heaps of processes and core dumps");
    fputs("\n\n# SYNOPSIS\n\n*refheap* --core FILE \\[--exe FILE\\] \\[COMMAND \\[--option…\\] "
          "\\[OPERAND\\]\\]++\n"
          "*refheap* --pid N \\[--no-stop\\] \\[COMMAND \\[--option…\\] \\[OPERAND\\]\\]++\n"
          "*refheap* help \\[COMMAND\\]\n\n# DESCRIPTION\n\n"
          "Says of the objects of a reference-counted heap what they are, who holds them, which of "
          "them are leaked, and which pointers are stale. It reads heaps of the library "
          "*refheap*(3) and of CPython 3.9 to 3.13. GDB and LLDB have the same commands.\n\n"
          "Without a command it opens a prompt. If standard input is no terminal, each of its "
          "lines is a command. The heap is read once for all of them.\n\n# COMMANDS\n\n",
          stdout);
    json_array_foreach(commands, index, command)
    {
        printf("*%s*\n\t", text_of(command, "name"));
        put(&man, text_of(command, "summary"));
        printf(": *refheap-%s*(1)\n\n", text_of(command, "name"));
    }
    fputs("# OPTIONS\n\n", stdout);
    for (size_t i = 0; i < sizeof shell_options / sizeof *shell_options; i++) {
        put_code(&man, shell_options[i].option);
        fputs("\n\t", stdout);
        put(&man, shell_options[i].help);
        fputs("\n\n", stdout);
    }
    put_exit_status(true);
    fputs("What is leaked in a core, for a script:\n\n```\n"
          "refheap --core core gcleaks --check\n```\n\nWho holds an object of a process:\n\n```\n"
          "refheap --pid 4711 refs node#12 --path\n```\n\nSeveral questions:\n\n```\n"
          "printf '%s\\\\n' gcstat gcleaks | refheap --core core\n```\n",
          stdout);
    put_see_also(commands, "");
}

static void put_json_page(const json_t *commands)
{
    json_t *common = load_common();
    begin_page("refheap-json", 7, "answers of refheap in JSON");
    fputs("\n\n# DESCRIPTION\n\n"
          "With *--json* each command of *refheap*(1), in GDB and LLDB too, answers with one JSON "
          "document and no other text. JSON Schemas (2020-12) describe the answers, one for each "
          "command. They are installed in _share/refheap/schemas_, and printed by *refheap "
          "--schema COMMAND*. They allow no member that they do not name. A later version only "
          "adds members, and words where a text is one of several. It keeps those that there are, "
          "and their meaning. So a program should ignore members that it does not know, and a "
          "validator be given the schemas of the version that answers.\n\n"
          "An error is a document, too: _command_, _complete_, which is false, and _error_.\n\n",
          stdout);
    put_parts(&man, commands, common);
    put_see_also(commands, "");
    json_decref(common);
}

/* The page of a command: "refheap-objat.1". */
static void page_name(const json_t *command, char *name, size_t size)
{
    snprintf(name, size, "refheap-%s.1", text_of(command, "name"));
}

bool print_page(const char *name)
{
    static const struct {
        const char *name;
        void (*put)(const json_t *commands);
    } pages[] = {{"refheap.1", put_shell_page}, {"refheap-json.7", put_json_page}};
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    size_t index;
    bool is_list = strcmp(name, "list") == 0, is_printed = is_list;
    char own_name[64];
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (is_list)
            puts(pages[i].name);
        if (strcmp(name, pages[i].name) != 0)
            continue;
        pages[i].put(commands);
        is_printed = true;
    }
    json_array_foreach(commands, index, command)
    {
        page_name(command, own_name, sizeof own_name);
        if (is_list)
            puts(own_name);
        if (strcmp(name, own_name) != 0)
            continue;
        put_command_page(commands, command);
        is_printed = true;
    }
    json_decref(commands);
    return is_printed;
}
