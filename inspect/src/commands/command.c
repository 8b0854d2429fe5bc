/* command.c - the command table, and its JSON form for doors (see command.h). */
#include "commands/command.h"
#include "commands/all.h"
#include "commands/help.h"
#include "export/formats.h"
#include "export/write.h"
#include "readers/refheap/words.h"
#include "query/catalog.h"
#include "query/show.h"
#include "render/gcdiff.h"
#include "render/gcfind.h"
#include "render/gcgraph.h"
#include "render/gcleaks.h"
#include "render/gcstale.h"
#include "render/gcstat.h"
#include "render/gcverify.h"
#include "render/objat.h"
#include "render/refs.h"
#include "render/refwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISSING_HELP                                                                               \
    "memory that a core lacks holds nothing: for those who know (else what depends on it is "      \
    "undecided)"

#define FORMAT_LINE(name, ending, what) "- " ending ": " what "\n"

static const rhi_command table[] = {
    {
        .name = "objat",
        .usage = "objat [--option…] ADDRESS",
        .summary = "what is at an address",
        .help =
            "Says what is there: a live object with its fields, a pointer into one, a freed slot "
            "(who died there, how),\nan earlier tenant of a reused slot, memory that is not "
            "managed, or nothing mapped. ADDRESS is a number, an\n"
            "object's name like node#12, #12 or Session@0x7fb5e9a08150, or an expression.\nReads "
            "only the "
            "slot, its " RHI_REFHEAP_BLOCK
            " and the history. Of an address in memory of malloc's: its block, the words\n"
            "that lead to it, and whether a root reaches it (searches all memory).",
        .answers = {&rhi__objat_type},
        .operands_min = 1,
        .operands_max = 1,
        .options = {{"--missing", "empty", MISSING_HELP},
                    {"--ledger", NULL,
                     "also who holds it, in figures (searches all memory, as refs does)"},
                    {"--history", NULL,
                     "also all recorded events of this address, and where its heap's history "
                     "begins"}},
        .example = "objat node#12 --ledger",
        .run = rhi__run_objat,
    },
    {
        .name = "refs",
        .usage = "refs [--option…] OBJECT",
        .summary = "who holds an object, and what it holds",
        .help =
            "Lists referrers (fields of objects, registered roots, registers, stack words, module "
            "data, thread-locals,\nmalloc blocks and other memory; named where debug info knows "
            "them) and referents, and sets the stored count\nagainst what was found. A word that "
            "looks like a pointer to the object, or into it, is listed as\n"
            "conservative: it may be a leftover. OBJECT is a number, an object's name like "
            "node#12, #12 or\nSession@0x7fb5e9a08150, or an expression. Of a variable of Python "
            "that holds it the lines of code are\nlisted that fill and use the variable.",
        .answers = {&rhi__refs_type},
        .operands_min = 1,
        .operands_max = 1,
        .options = {{"--missing", "empty", MISSING_HELP},
                    {"--in", NULL, "only who holds it"},
                    {"--out", NULL, "only what it holds"},
                    {"--weak", NULL, "also references that own no count: weak and borrowed ones"},
                    {"--depth", "N", "also who holds the holders, up to N levels (default 1)"},
                    {"--path", NULL,
                     "also the shortest path from a root, an expression that walks it, and, in "
                     "Python, code that names variables on it"},
                    {"--ledger", NULL,
                     "also which retains of a traced object were never given back, by stack"}},
        .example = "refs node#12 --path",
        .run = rhi__run_refs,
    },
    {
        .name = "gcgraph",
        .usage = "gcgraph [--option…] [OBJECT, …]",
        .summary = "the graph around objects, or the heap's cycles",
        .help =
            "With objects (several are divided by commas): what is around them, up to --depth "
            "references away in both\ndirections, and the cycles among that.\n"
            "In text a tree: above each object who holds it, below it what it holds; ↺ marks an "
            "object whose own\nreferences stand elsewhere in it, ⇢ a weak reference.\n"
            "Where more than 1000 references lead to an object, or from it, they are no way from "
            "one of these to another.\nStraight up or down the first 1000 are followed; --limit=0 "
            "follows all. What is left out is said.\n"
            "Without: every cycle of the heap, with the verdict: garbage (all counts of its "
            "objects come from inside) or\nheld, and by whom. Garbage comes first. Pictures are "
            "drawn by Graphviz.",
        .answers = {&rhi__gcgraph_type},
        .operands_min = 0,
        .operands_max = RHI_OPERANDS_MAX,
        .options =
            {{"--missing", "empty", MISSING_HELP},
             {"--cycles", NULL, "only objects that are part of a cycle (as without objects)"},
             {"--garbage", NULL, "of the cycles only those that are garbage"},
             {"--depth", "N", "how far to go from the objects (default 2)"},
             {"--dot", "FILE",
              "write the graph for Graphviz (at most 100 objects, 300 edges, whatever --limit is)"},
             {"--svg", "FILE",
              "draw it (needs Graphviz's dot; at most 100 objects, 300 edges, likewise)"}},
        .example = "gcgraph node#12 --depth=3 --svg=node.svg",
        .run = rhi__run_gcgraph,
    },
    {
        .name = "gcfind",
        .usage = "gcfind [--option…]",
        .summary = "the objects that have certain properties",
        .help =
            "Lists the objects that have all the properties asked for, in address order; without "
            "an option all objects.\nIn GLOB, * stands for any text and ? for one character (quote "
            "it in the shell). --unreachable means what\ngcleaks means by leaked. Immortals, whose "
            "count is not kept, match no --min-refs.",
        .answers = {&rhi__gcfind_type},
        .operands_min = 0,
        .operands_max = 0,
        .options = {{"--missing", "empty", MISSING_HELP},
                    {"--type", "GLOB",
                     "of types with such a name, qualified or not: node, http_*, app.*"},
                    {"--site", "GLOB",
                     "made by such a line or function, if that is known: server.c:*, server.c:30, "
                     "'log_in()'; unknown: by no known one"},
                    {"--min-refs", "N", "with a count of N or more"},
                    {"--min-size", "N", "of N bytes or more"},
                    {"--unreachable", NULL,
                     "leaked: garbage, lost references and what only those hold"},
                    {"--finalized", NULL, "whose finalizer has run (resurrected or dying)"}},
        .example = "gcfind --type=http_* --min-refs=2",
        .run = rhi__run_gcfind,
    },
    {
        .name = "gcleaks",
        .usage = "gcleaks [--option…]",
        .summary = "leaked objects, by cause, one representative of each group",
        .help =
            "Leaked are: garbage (cause cycle: no count of it comes from outside); objects with a "
            "count that no field,\nregistered root or word of memory owns (lost_reference); "
            "objects with a count that only words in malloc blocks\n"
            "own which nothing reaches (lost_block); what only those hold (dependent). Groups: a "
            "topmost component of the\ngarbage with all it reaches; one lost object; what was lost "
            "with one topmost block; the dependents of a group.\n"
            "In text, groups that are alike (equal in cause, type, the line that made them and, "
            "where it is recorded, the stack)\nare one row and one block: their number, and the "
            "largest of them. JSON has each in leaks, and the alike in groups.\n"
            "What several groups reach is in the first of them. The largest come first, by "
            "retained bytes: those that nothing\noutside the group reaches. Of the alike, "
            "dependent ones come last: so the first row is the line to look at.\nWhere the heap "
            "has a history, the representative's allocation is shown, with its stack if the heap "
            "records stacks\n(REFHEAP_OPTIONS=history=all,stacks=8). If not everything could be "
            "searched, nothing is called lost. What\nnothing but a word in a vector register "
            "leads to is possible: libc leaves addresses there. So is an object of a count and a "
            "type "
            "alone to which nothing\nleads: other memory may look like that.",
        .answers = {&rhi__gcleaks_type},
        .operands_min = 0,
        .operands_max = 0,
        .options =
            {{"--missing", "empty", MISSING_HELP},
             {"--check", NULL,
              "exit with 1 if something leaked, with 2 if that cannot be told (in a debugger both "
              "fail)"},
             {"--sarif", "FILE",
              "also write all groups that are alike as results in SARIF 2.1.0, each at the line "
              "that made its objects: code hosts show them there"}},
        .example = "gcleaks --check",
        .run = rhi__run_gcleaks,
    },
    {
        .name = "gcstale",
        .usage = "gcstale [--option…]",
        .summary = "pointers to where an object was",
        .help =
            "Lists slots and words that point into a freed slot: fields and undeclared words of "
            "objects, registered\nroots, globals, thread-locals, malloc blocks, and stack words "
            "that debug info names. Unnamed stack words,\nregisters, memory of unknown use and "
            "words behind an object's end may be leftovers: they are listed apart,\n"
            "as possible. A pointer into a slot that is used again is listed on evidence alone: it "
            "is a strong field or\nregistered root, and its target has fewer counts than such "
            "references, so that one of them at least is\nstale; or debug info says that it is a "
            "variable of another managed type. (A struct that begins with the\n"
            "variable's is no other type, and of one that debug info does not have nothing is "
            "said.)\nWhere a format uses memory again for anything "
            "(Python's), a strong field that holds no object's start is stale, too: it\nleads "
            "into another object, or to none. Words of C are all possible ones there.",
        .answers = {&rhi__gcstale_type},
        .operands_min = 0,
        .operands_max = 0,
        .options = {{"--missing", "empty", MISSING_HELP},
                    {"--check", NULL,
                     "exit with 1 if a pointer is stale (possible ones do not count), with 2 if "
                     "that cannot be "
                     "told (in a debugger both fail)"}},
        .example = "gcstale --limit=0",
        .run = rhi__run_gcstale,
    },
    {
        .name = "gcstat",
        .usage = "gcstat [--option…]",
        .summary = "what each heap holds, by type",
        .help =
            "Per heap: objects, bytes, " RHI_REFHEAP_BLOCK
            "s, the collector's work; per type: how many, "
            "their bytes, what they retain\n(the bytes that would go if they went: their own and "
            "of what they alone dominate; what another object of the\n"
            "type dominates is counted once) and a sample: the object that retains most, or, with "
            "--no-retained, the\nfirst.",
        .answers = {&rhi__gcstat_type},
        .operands_min = 0,
        .operands_max = 0,
        .options =
            {{"--sites", NULL,
              "by the line that made the objects, instead of their type; of Python's, where the "
              "program records lines"},
             {"--pprof", "FILE",
              "the same, and write what lives by line for pprof: go tool pprof -http=: FILE"},
             {"--no-retained", NULL,
              "leave the retained bytes out, which is faster: no graph is built"}},
        .example = "gcstat --no-retained --json",
        .run = rhi__run_gcstat,
    },
    {
        .name = "gcverify",
        .usage = "gcverify [--option…]",
        .summary = "what does not fit together in the heap",
        .help =
            "Holds counts, headers, bitmaps, types, references, candidates, weak references and "
            "registered roots against\neach other, and names each kind of problem:\n"
            "- over_release: more fields of live objects hold an object than it has counts; "
            "certain;\n- root_without_count: fields and registered roots that hold an object are "
            "more than its counts;\n- bad_link: a strong, weak or borrowed field holds what is no "
            "object's start (freed, never used, inside an\n"
            "  object, outside the heap, unmapped), a mortal object of another heap, or, if it is "
            "weak, no weak\n  reference; a borrowed field may hold what was freed: see gcstale;\n"
            "- bad_type: a header names no type;\n- bad_count: a count word contradicts its "
            "object's flags (immortal, dying, freed), or is 0 at rest;\n"
            "- bad_bitmap: a slot is free by its bitmap, but has a live object's header;\n"
            "- written_after_free: a freed object was written to (looked for in heaps that poison: "
            "REFHEAP_OPTIONS=poison=on);\n"
            "- bad_candidate: a candidate of the collector is no object, dying, or of a type that "
            "is in no cycle; is\n  fresh and spared at once; or the heap's own numbers are not "
            "what its bitmaps say;\n- bad_weak: a weak reference whose target is no object, two of "
            "them for one target, or a target, its mark\n"
            "  and the table of weak references that contradict each other;\n"
            "- bad_root: a registered root that lies in no mapped memory, or holds something that "
            "is no object;\n- bad_size: an object that claims more elements than its slot or the "
            "mapped memory has;\n- duplicate_serial: two objects with one serial (looked for where "
            "serials lie close enough together);\n- bad_serial: the serial of a live object, or "
            "the one that a freed slot remembers, is 0;\n"
            "- bad_tracking, bad_table, bad_guard: of Python's heap: links of the collector that "
            "lead elsewhere; a list, dict or\n  set whose table does not fit it; with debug hooks "
            "(`-X dev`), memory that was written to past its ends, or\n  after it was freed;\n"
            "- bad_" RHI_REFHEAP_BLOCK ", bad_metadata: " RHI_REFHEAP_BLOCK
            "s, lists, tables and types that "
            "make no sense.\n\nOf a damaged header its bytes are shown as text, from where the "
            "text begins, and the object that lies below it in\n"
            "memory: what runs over its end writes there.\n"
            "\nWhat could not be read is no problem: it makes the answer incomplete; so does a "
            "heap that was stopped inside\na collection, of which only headers and bitmaps are "
            "judged. Fields of dying objects are not looked at.",
        .answers = {&rhi__gcverify_type},
        .operands_min = 0,
        .operands_max = 0,
        .options = {{"--check", NULL,
                     "exit with 1 if there is a problem, with 2 if there is none but not all could "
                     "be checked "
                     "(in a debugger both fail)"}},
        .example = "gcverify --check",
        .run = rhi__run_gcverify,
    },
    {
        .name = "gcdiff",
        .usage = "gcdiff [--option…] [FILE…]",
        .summary = "what was born, died and grew between moments",
        .help =
            "With --save writes down which objects there are now: a few bytes each. With FILE, "
            "later, says what was born,\ndied and survived since, by type, by line of the program "
            "and by object. FILE may be a core, too. Two files or\nmore are compared with each "
            "other, the earliest first, and need no process: gcdiff core.1 core.2. Of several,\n"
            "what grew each time comes first. Types and lines that did not change are left out.\n"
            "Objects with serials are followed exactly. Python's have none: counts and bytes by "
            "type are exact, but an\nobject of the same type at the same address is only perhaps "
            "the same, so that at least so many were born and\ndied (one whose class was changed "
            "counts as both). Moments of different processes are refused,\nand those that "
            "are known to be in the wrong order.\n"
            "Where not all of a moment could be read, nothing is said to be born or dead: it was "
            "not found.",
        .answers = {&rhi__gcdiff_type, &rhi__gcdiff_saved_type},
        .operands_min = 0,
        .operands_max = RHI_OPERANDS_MAX,
        .takes_files = true,
        .options = {{"--save", "FILE", "write down which objects there are now"}},
        .example = "gcdiff --save=before.snapshot",
        .run = rhi__run_gcdiff,
    },
    {
        .name = "gcquery",
        .usage = "gcquery [--option…] SQL",
        .summary = "any question, in SQL",
        .help =
            "SQL is one SELECT (WITH, VALUES, EXPLAIN) of SQLite's, over tables that read the heap "
            "where it is: --tables\nshows them. Rows have the words and values of the other "
            "commands' JSON. An id, address, type, source or target that is\ncompared by = is "
            "looked up: select * from refs where target='node#12' takes as long as refs. Columns "
            "that cost (retained,\nleaked, …) are computed if the question names them, and no "
            "part of *. With --file=NAME.sql the question is a file's, or one\nthat is shipped "
            "(--list); behind it, what ?1 stands for there.\nNothing is written: no other "
            "database, no PRAGMA, no extension. A question may take 10 billion steps of SQLite's, "
            "and 1 GiB.",
        .answers = {&rhi__gcquery_type, &rhi__gcquery_tables_type, &rhi__gcquery_list_type},
        .operands_min = 0,
        .operands_max = 1,
        .takes_text = true,
        .about_itself = {"--tables", "--list"},
        .options = {{"--missing", "empty", MISSING_HELP},
                    {"--file", "FILE",
                     "the question is in this file, or is shipped under this name"},
                    {"--csv", NULL, "rows as comma-separated values"},
                    {"--steps", "N", "how many steps of SQLite's it may take (default 10 billion)"},
                    {"--tables", NULL, "what tables and columns there are"},
                    {"--list", NULL, "the questions that are shipped"}},
        .example = "gcquery select type, count(*), sum(size) from objects group by type",
        .run = rhi__run_gcquery,
    },
    {
        .name = "gcexport",
        .usage = "gcexport [--option…] FILE",
        .summary = "the whole graph in a file, for other tools",
        .help = "The file's ending says the format:\n\n" RHI_EXPORT_FORMATS(
            FORMAT_LINE) "\n"
                         "The file is there when all of it is written, and not before: an error, a "
                         "full disk or "
                         "an interrupt leaves nothing. A file that exists is replaced with --force "
                         "alone, and "
                         "what is no regular file never. Where not all could be read, the answer "
                         "says so, and "
                         "so does the file.",
        .answers = {&rhi__gcexport_type},
        .operands_min = 1,
        .operands_max = 1,
        .takes_files = true,
        .options = {{"--missing", "empty", MISSING_HELP},
                    {"--force", NULL, "replace the file that is there"}},
        .example = "gcexport heap.sqlite",
        .run = rhi__run_gcexport,
    },
    {
        .name = "refwatch",
        .usage = "refwatch [--option…] [OBJECT]",
        .summary = "records who takes and gives an object's counts",
        .help =
            "Marks the object in the process: from then on its runtime records each change of its "
            "count, with the stack of\nthe program. Later refs --ledger pairs what was taken with "
            "what was given back, and objat --history lists it.\nAny number of objects can be "
            "marked; those that are not cost nothing. The program is stopped for a moment, and "
            "only\nthe mark is written.\n"
            "With --stop the program stops at each change, too, and a line says what the count "
            "was, what it is, and which line\nof the program changed it: in GDB and LLDB, until "
            "--off, or until the process ends. The frame of that line is selected.\n"
            "Without an object and --type: what is marked. A change that was under way when the "
            "mark was written may undo it;\nthat is said here, and refwatch OBJECT sets it again.",
        .answers = {&rhi__refwatch_type},
        .operands_min = 0,
        .operands_max = 1,
        .options = {{"--off", NULL, "take the mark off again"},
                    {"--type", "GLOB",
                     "all objects of such types that are yet to be born (--off: no more)"},
                    {"--living", NULL, "with --type: also those that live now"},
                    {"--stop", NULL,
                     "also stop the program at each change of the count (in a debugger)"}},
        .example = "refwatch node#12 --stop",
        .run = rhi__run_refwatch,
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

const char *rhi__command_name(unsigned index)
{
    return index < TABLE_SIZE ? table[index].name : NULL;
}

/* ---- for doors ------------------------------------------------------------------------------ */

static const char *operand_word(const rhi_command *command)
{
    return command->operands_max == 0 ? "none"
           : command->takes_files     ? "file"
           : command->takes_text      ? "text"
                                      : "expression";
}

static void add_options(json_t *array, const rhi_option *options)
{
    for (; options->name; options++)
        json_array_append_new(array,
                              json_pack("{s:s, s:s?, s:s}", "name", options->name, "argument",
                                        options->argument, "help", options->help));
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
        char *help = rhi__help_text(&table[i], RHI_HELP_COLUMNS),
             *unfilled = rhi__help_text(&table[i], 0);
        json_array_append_new(commands, json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?, s:s, s:s, s:o}",
                                                  "name", table[i].name, "usage", table[i].usage,
                                                  "summary", table[i].summary, "description",
                                                  table[i].help, "help", help, "help_unfilled",
                                                  unfilled, "example", table[i].example, "operand",
                                                  operand_word(&table[i]), "options", options));
        free(help);
        free(unfilled);
    }
    text = json_dumps(commands, JSON_COMPACT);
    json_decref(commands);
    return text ? text : "[]";
}
