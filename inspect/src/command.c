/* command.c - the command table, its JSON form for doors, and completion (see command.h). */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const rhi_option rhi__common_options[] = {
    {"--json", NULL, "answer as one JSON document"},
    {"--limit", "N", "rows of each list (default 20, JSON 1000; 0: all)"},
    {"--heap", "N", "only this heap: its cycles, and objects named type#serial in it"},
    {"--help", NULL, "this text"},
    {NULL, NULL, NULL},
};

static const rhi_command table[] = {
    {
        .name = "objat", .usage = "objat [--option…] ADDRESS", .summary = "what is at an address",
        .help = "Says what is there: a live object with its fields, a pointer into one, a freed slot (who died there, how), an\n"
                "earlier tenant of a reused slot, memory that is not managed, or nothing mapped. ADDRESS is a number, an object's\n"
                "name like node#12, or an expression. Reads only the slot, its slab and the history; changes nothing.",
        .json = "{\"command\", \"complete\", \"address\", \"status\": \"live|freed|unused|internal|unmanaged|unmapped\", \"object\": OBJ|null,\n"
                " \"offset\": bytes into the slot, \"fields\": [{\"name\", \"kind\": \"strong|weak|borrowed|int|uint|float|bytes\", \"value\",\n"
                " \"target\": \"T#n\"|null, \"target_status\": a status, or interior, unreadable, null, \"value_total\": bytes, if cut}],\n"
                " \"fields_total\" if cut,\n"
                " \"ledger\": LEDGER|null, \"previous\": [{\"id\", \"reason\": \"release|collect|destroy|unknown\", \"time\", \"thread\"}],\n"
                " \"history\": [{\"event\", \"kind\": \"alloc|free|finalize|resurrect\", \"id\", \"time\", \"thread\", \"reason\"}], \"history_total\" if cut,\n"
                " \"mapping\": {\"start\", \"end\", \"path\"} of unmanaged memory}\n"
                "A freed slot has object null; previous is newest first, so previous[0] is who died there last.",
        .operands_min = 1, .operands_max = 1,
        .options = {{"--ledger", NULL, "count who holds it (reads the whole heap)"},
                    {"--history", NULL, "all recorded events of this address"}},
        .run = rhi__run_objat,
    },
    {
        .name = "refs", .usage = "refs [--option…] OBJECT", .summary = "who holds an object, and what it holds",
        .help = "Lists referrers (fields of objects, registered roots, registers, stack words, module data; named where debug info\n"
                "knows them) and referents, and sets the stored count against what was found. OBJECT is an address, an object's\n"
                "name like node#12, or an expression.",
        .json = "{\"command\", \"complete\", \"object\": OBJ, \"referrers\": [ROW; with --depth above 1, those of kind field with their\n"
                " own \"referrers\", and \"seen_above\" or \"referrers_left_out\": true where these are elsewhere or too many], \"referrers_total\" if cut,\n"
                " \"referents\": [{\"name\", \"strength\": \"strong|weak|borrowed\", \"target\": \"T#n\"|null, \"target_status\", \"value\"}],\n"
                " \"referents_total\" if cut, \"path\": with --path [ROW, {\"object\", \"name\": the field that leads on}…], \"ledger\": LEDGER|null}",
        .operands_min = 1, .operands_max = 1,
        .options = {{"--in", NULL, "only who holds it"},
                    {"--out", NULL, "only what it holds"},
                    {"--weak", NULL, "also references that own no count"},
                    {"--depth", "N", "also who holds the holders, up to N levels (default 1)"},
                    {"--path", NULL, "also the shortest path from something held from outside"}},
        .run = rhi__run_refs,
    },
    {
        .name = "gcgraph", .usage = "gcgraph [--option…] [OBJECT, …]", .summary = "the graph around objects, or the heap's cycles",
        .help = "With objects: what is around them, up to --depth references away in both directions, and the cycles among that.\n"
                "In text a tree: above each object who holds it, below it what it holds; ↺ marks an object whose own references\n"
                "stand elsewhere in it, ⇢ a weak reference.\n"
                "Without: every cycle of the heap, with the verdict: garbage (all counts of its objects come from inside) or held,\n"
                "and by whom. Pictures are drawn by Graphviz.",
        .json = "{\"command\", \"complete\", \"nodes\": [OBJ], \"nodes_total\" if cut,\n"
                " \"edges\": [{\"from\", \"to\", \"name\", \"strength\": \"strong|weak\"}], \"edges_total\" if cut,\n"
                " \"cycles\": [{\"objects\": [\"T#n\"], \"objects_total\" if cut, \"verdict\": \"garbage|held\",\n"
                " \"held_by\": [ROW, also of kind immortal or dying: a member that stays; or {\"kind\": \"lost\"}], \"held_by_total\" if cut,\n"
                " \"held_by_is_at_least\": true if not all were looked for}], \"cycles_total\" if cut, \"provisional\",\n"
                " \"left_out\": objects not drawn, with --dot or --svg}",
        .operands_min = 0, .operands_max = RHI_OPERANDS_MAX,
        .options = {{"--cycles", NULL, "only objects that are part of a cycle"},
                    {"--garbage", NULL, "only cycles that are garbage"},
                    {"--depth", "N", "how far to go from the objects (default 2)"},
                    {"--dot", "FILE", "write the graph for Graphviz (at most 100 objects)"},
                    {"--svg", "FILE", "draw it (needs Graphviz's dot)"}},
        .run = rhi__run_gcgraph,
    },
};

enum { TABLE_SIZE = sizeof table / sizeof *table };

const rhi_command *rhi__command_find(const char *name)
{
    for (unsigned i = 0; i < TABLE_SIZE; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

char *rhi__help_text(const rhi_command *command)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return NULL;
    fprintf(stream, "%s: %s\n\n%s\n\n", command->usage, command->summary, command->help);
    for (int pass = 0; pass < 2; pass++)
        for (const rhi_option *o = pass ? rhi__common_options : command->options; o->name; o++)
            fprintf(stream, "  %s%s%-*s %s\n", o->name, o->argument ? "=" : " ", (int)(18 - strlen(o->name)),
                    o->argument ? o->argument : "", o->help);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

static void add_options(json_t *array, const rhi_option *options)
{
    for (; options->name; options++)
        json_array_append_new(array, json_pack("{s:s, s:s?, s:s}", "name", options->name, "argument", options->argument, "help", options->help));
}

const char *rhi_commands(void)
{
    static char *text; /* made once, kept: "Static." for the caller */
    if (text)
        return text;
    json_t *commands = json_array();
    for (unsigned i = 0; i < TABLE_SIZE; i++) {
        json_t *options = json_array();
        add_options(options, table[i].options);
        add_options(options, rhi__common_options);
        char *help = rhi__help_text(&table[i]);
        json_array_append_new(commands, json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s, s:s, s:o}", "name", table[i].name, "usage",
                                                  table[i].usage, "summary", table[i].summary, "description", table[i].help, "help", help,
                                                  "json", table[i].json, "operand", table[i].operands_max ? "expression" : "none",
                                                  "options", options));
        free(help);
    }
    text = json_dumps(commands, JSON_COMPACT);
    json_decref(commands);
    return text ? text : "[]";
}

/* ---- completion --------------------------------------------------------------------------------------- */

typedef struct completions {
    const char *prefix;
    char *buffer;
    size_t size, used, count;
} completions;

static void offer(completions *c, const char *word, const char *tail)
{
    size_t length = strlen(word) + strlen(tail);
    if (strncmp(word, c->prefix, strlen(c->prefix)) != 0)
        return;
    c->count++;
    if (c->used + length + 2 > c->size)
        return;
    c->used += (size_t)snprintf(c->buffer + c->used, c->size - c->used, "%s%s%s", c->used ? "\n" : "", word, tail);
}

size_t rhi_complete(rhi_session *session, const rhi_target *target, const char *name, const char *line, char *buffer, size_t size)
{
    const rhi_command *command = rhi__command_find(name);
    const char *word = line + strlen(line);
    while (word > line && !strchr(" \t,", word[-1]))
        word--;
    completions c = {.prefix = word, .buffer = buffer, .size = size};
    if (size)
        buffer[0] = '\0';
    if (!command || size == 0)
        return 0;
    if (word[0] == '-') {
        for (const rhi_option *o = command->options; o->name; o++)
            offer(&c, o->name, o->argument ? "=" : "");
        for (const rhi_option *o = rhi__common_options; o->name; o++)
            offer(&c, o->name, o->argument ? "=" : "");
        return c.count;
    }
    rhi_reader *reader;
    session->target = target;
    session->is_checked = false;
    rhi_error *error = command->operands_max ? rhi__session_reader(session, &reader) : rhi__error_memory();
    for (uint64_t i = 0; !error && i < reader->types.count; i++) {
        bool repeated = reader->types.items[i].size == 0; /* entry 0 is no type */
        for (uint64_t k = 0; k < i && !repeated; k++)
            repeated = strcmp(reader->types.items[k].name, reader->types.items[i].name) == 0;
        if (!repeated)
            offer(&c, reader->types.items[i].name, "#");
    }
    rhi__error_free(error);
    session->target = NULL;
    return c.count;
}
