/* inspect.h - librefheap-inspect: answers questions about a refheap heap from outside.
 *
 * One engine for GDB, LLDB and the shell: it finds the heaps in a target (a live process, a core,
 * anything whose memory can be read), runs a command, and emits every word of the answer itself.
 * A door (gdb/, lldb/, inspect/cli/) lends memory, names and a terminal, and holds no logic.
 *
 * Threads: a session is used by one thread at a time; the engine keeps no global state.
 * Trust: every byte of the target is untrusted; no input makes the engine abort or recurse.
 */
#ifndef REFHEAP_INSPECT_H
#define REFHEAP_INSPECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Doors compare this with rhi_abi() before anything else. */
#define RHI_ABI 2u
uint32_t rhi_abi(void);

/* ---- the target seam ------------------------------------------------------------------------ */

/* Takes what a callback reports; valid during that call only. */
typedef struct rhi_sink rhi_sink;

enum rhi_region_flag {
    RHI_REGION_READ = 4,
    RHI_REGION_WRITE = 2,
    RHI_REGION_EXECUTE = 1,
    RHI_REGION_SHARED = 8
};

/* One range [start, end) of the target's memory map. `path` is the mapped file, a name like
 * "[heap]" or "[stack]", or "" (never NULL); file_offset counts bytes. */
void rhi_sink_region(rhi_sink *sink, uint64_t start, uint64_t end, uint32_t flags,
                     uint64_t file_offset, const char *path);
/* A stopped thread; then its general-purpose registers, one call each. */
void rhi_sink_thread(rhi_sink *sink, uint64_t lwp, uint64_t stack_pointer);
void rhi_sink_register(rhi_sink *sink, const char *name, uint64_t value);

/* A word of memory that is about to be printed, to be named from debug info. */
typedef struct rhi_word {
    uint64_t address;  /* in: where the word lies */
    uint32_t is_stack; /* in: 1 it lies in the stack of thread lwp; 0 in the data of a module */
    uint32_t kind;     /* out: enum rhi_word_kind; leave 0 where nothing is known */
    uint64_t lwp;      /* in: of a stack */
    /* out, NUL-terminated: the variable and the place in it, as one writes it where it is in
     * scope: "cache", "registry.slots[3]" */
    char name[192];
    char function[96]; /* out: that the variable belongs to, or empty */
    char type[96];     /* out: of the place: "struct node *", or empty */
    uint32_t frame;    /* out: of a local; 0 is the innermost one */
    uint32_t reserved;
} rhi_word;

enum rhi_word_kind { RHI_WORD_UNNAMED = 0, RHI_WORD_LOCAL = 1, RHI_WORD_GLOBAL = 2 };

enum rhi_stream { RHI_STREAM_OUT = 1, RHI_STREAM_ERROR = 2 };
enum rhi_target_flag {
    RHI_TARGET_TERMINAL = 1, /* the error stream is a terminal: show progress */
    RHI_TARGET_NO_STOP = 2,  /* the process runs while it is read: every answer is provisional */
    RHI_TARGET_COLOR = 4,    /* the output stream shows colours, and the user wants them */
    RHI_TARGET_NONE = 8      /* nobody named one: a command that needs none may be answered */
};

/* What the engine needs from the outside. A callback may be NULL unless marked required. */
typedef struct rhi_target {
    uint32_t abi;   /* RHI_ABI */
    uint32_t flags; /* enum rhi_target_flag */
    void *context;  /* first argument of every callback */

    /* Where the target is, if it is a local one: lets the engine read it directly, after it has
     * checked that both ways show the same bytes. NULL / 0 where it does not apply. */
    const char *core_path;
    const char *exe_path;
    int64_t pid;

    /* Reads up to `size` bytes; returns how many could be read from the start on (0: none).
     * Required. */
    uint64_t (*read)(void *context, uint64_t address, void *buffer, uint64_t size);
    /* Reports all regions. 0, or -1 if the map cannot be had. Required. */
    int (*regions)(void *context, rhi_sink *sink);
    /* Reports all threads with their registers. 0 or -1. */
    int (*threads)(void *context, rhi_sink *sink);
    /* The value of the user's expression in the selected frame: pointers and integers by value,
     * arrays, structs and functions by address. 0, or -1 with a message of one line in `error`. */
    int (*evaluate)(void *context, const char *text, uint64_t *value, char *error,
                    uint64_t error_size);
    /* Names what it can of `count` words: locals above all, for which the engine has no means of
     * its own; of module data it is asked only where the files are not at hand. 0 or -1. */
    int (*name)(void *context, rhi_word *words, uint64_t count);
    /* A number that changes whenever the target may have changed (it ran, memory was written,
     * another inferior was selected). Caches are kept while it stays the same. NULL: never cache.
     */
    uint64_t (*state_id)(void *context);
    /* Polled during long work; not 0: stop now, answer "cancelled". */
    int (*interrupted)(void *context);
    /* Writes text (not NUL-terminated) for the user. Required. */
    void (*emit)(void *context, int stream, const char *text, uint64_t size);
    /* The value, as evaluate gives it, of an expression that the engine made: in frame `frame` of
     * a thread, or (lwp 0) in the selected frame. Nothing may run, be written or be allocated in
     * the target for it; what needs that has no value. The user's selection stays. 0 or -1. */
    int (*evaluate_in)(void *context, uint64_t lwp, uint32_t frame, const char *text,
                       uint64_t *value, char *error, uint64_t error_size);
    /* What more the engine knows of a target that it opened itself (rhi_target_open_*). NULL for
     * one whose callbacks are a door's own. */
    const struct rhi_target_ops *ops;
    /* Writes bytes; returns how many were written from the start on. The engine asks for it only in
     * commands that say that they change the process, once it has looked at what is there: the door
     * just writes. NULL: nothing can be written here. */
    uint64_t (*write)(void *context, uint64_t address, const void *bytes, uint64_t size);
    /* From now on the process stops before it executes one of these instructions, and the door asks
     * rhi_session_reached then; at those of an earlier call it stops no more. All of them are
     * forgotten when the process has ended, or is let go. 0 or -1. NULL: it cannot. */
    int (*stop_at)(void *context, const uint64_t *instructions, uint64_t count);
    /* The instructions at which the frames of the selected thread are, the innermost first, at
     * most `max`; returns how many. Functions that were inlined into one have frames of their own,
     * at the same instruction. */
    uint64_t (*frames)(void *context, uint64_t *instructions, uint64_t max);
    void *reserved[3];
} rhi_target;

/* ---- sessions ------------------------------------------------------------------------------- */

typedef struct rhi_session rhi_session;

/* Exit status of a command: the shell exits with it, a debugger's command fails unless it is 0. */
enum rhi_status {
    RHI_ANSWERED = 0, /* an answer */
    RHI_FOUND = 1,    /* --check found something */
    RHI_NO_ANSWER = 2 /* bad input, nothing to read, cancelled */
};

/* NULL if memory is short. The session caches what it learned of the target between commands. */
rhi_session *rhi_session_new(void);
void rhi_session_free(rhi_session *session);

/* Runs one command: `line` is what follows the command's name, raw. Every answer and every error
 * is emitted through target->emit: with --json one JSON document on RHI_STREAM_OUT in each case;
 * without it, an error is one line "NAME: what is wrong and what to do". `target` is read during
 * the call only. */
int rhi_session_run(rhi_session *session, const rhi_target *target, const char *command,
                    const char *line);
/* The same from a shell's argument vector, ended by NULL. */
int rhi_session_run_words(rhi_session *session, const rhi_target *target, const char *command,
                          const char *const *words);
/* Refuses the command with this message, in the form that its words ask for (text, or a JSON
 * document), because there is no target; only target->emit is used. --help is answered all the
 * same, and with RHI_TARGET_NONE what needs no target. */
int rhi_session_refuse_words(rhi_session *session, const rhi_target *target, const char *command,
                             const char *const *words, const char *message);

/* The last error line of rhi_session_run, without newline; "" if the last command answered. Valid
 * until the next call. Debuggers that have their own way to fail show this instead of the emitted
 * line: with RHI_QUIET_ERRORS set by rhi_session_set, errors are not emitted in text mode. */
const char *rhi_session_error(const rhi_session *session);
enum rhi_session_option {
    RHI_QUIET_ERRORS = 1,
    /* at most so often is `interrupted` asked; default 10, 0: whenever it can be */
    RHI_POLL_MILLISECONDS = 2,
    /* rows of each list in text, where --limit says nothing; 0: all; -1, the default: as the help
     * says */
    RHI_LIMIT = 3
};
void rhi_session_set(rhi_session *session, enum rhi_session_option option, int value);

/* The process has come to an instruction of stop_at, in the selected thread. Emits the line to be
 * shown, and returns which of its frames is to be selected (0: the innermost). RHI_GO_ON: it is
 * nothing that anybody waits for, and the process shall go on. */
enum { RHI_GO_ON = -1 };
int rhi_session_reached(rhi_session *session, const rhi_target *target);

/* The command table as a JSON array: [{"name", "usage", "summary", "description", "help": all
 * that --help prints, "help_unfilled": the same with a line for each paragraph, "example",
 * "operand": "expression|file|none", "options": [{"name":
 * "--depth", "argument": "N"|null, "help"}…]}…]. Static. */
const char *rhi_commands(void);
/* The JSON Schema (2020-12) of what a command answers with --json; of NULL, what the answers of all
 * commands have. It refers to no other file. A later engine only adds to it. free() it. NULL: no
 * such command, or memory is short. */
char *rhi_schema(const char *command);

/* What is at the address that a variable holds, for who shows variables: a few dozen reads at most,
 * however large the heap is, and nothing is emitted. So many `children` are asked for (0: none),
 * and of a text so many `characters`. Valid until the next call; NULL: nothing can be said (no
 * heap, no process; memory is short). JSON:
 *
 * - "text": what to show behind the variable's own value, "user#1 rc=3", "STALE: was user#7, freed
 *   by release"; null: no object is there, and nothing is to be said
 * - "pointer": the same for a pointer: its value, too
 * - "undecided": why it is not known whether an object is there, or which; null: it is
 * - "is_live": are there children, if they are asked for?
 * - "functions": the values of the functions of rhi_describes, numbers and texts; for any address
 * - "children": the declared fields [{"name": "next", "items[3]", "kind": as in `objat`, "text": of
 *   numbers and texts, "value": "0x…" of references; of a text, itself, not quoted}…]
 * - "children_total": how many there are. */
const char *rhi_session_describe(rhi_session *session, const rhi_target *target, uint64_t address,
                                 uint64_t children, uint64_t characters);
/* What can be described, as JSON: {"structs": the names of those that objects begin with in C,
 * "foreign": those among them that are other projects', whose own scripts for debuggers go before,
 * with what they are called otherwise,
 * "functions": [{"name": "refcount", "summary"}…]}. Static. */
const char *rhi_describes(void);

/* Completions of the last word of `line` for a command: newline-separated whole words (options,
 * "type#" and then "type#12", file names are left to the door), cut at `size`. Returns how many
 * there are. */
size_t rhi_complete(rhi_session *session, const rhi_target *target, const char *command,
                    const char *line, char *buffer, size_t size);

/* What the last word of `line`, which may be empty, is to be, where a door may complete it by its
 * own means. */
enum rhi_expected {
    RHI_EXPECTS_NOTHING = 0,    /* an option, a number, no operand: nothing that a door knows */
    RHI_EXPECTS_EXPRESSION = 1, /* part of an operand */
    RHI_EXPECTS_FILE = 2        /* the value of an option, behind its `=` or standing alone */
};
enum rhi_expected rhi_expects(const char *command, const char *line);

/* Makes a line of text fit to be shown: puts '?' in place of what is no UTF-8 and of characters
 * that control a terminal or turn the direction of text round. The engine does so with all that
 * it emits; this is for what a door says itself. Returns the length. */
size_t rhi_clean(char *text);

/* ---- targets of the engine itself ----------------------------------------------------------- */

/* Fill *target for a core file or a process, with everything but evaluate, name, interrupted and
 * emit set; the caller may add those. 0, or -1 with one line in `error`. Release with
 * rhi_target_close. exe may be NULL. A process is stopped (PTRACE_SEIZE, all threads) until
 * rhi_target_close or until this process ends in whatever way; with RHI_TARGET_NO_STOP in flags
 * it runs on. */
int rhi_target_open_core(const char *path, const char *exe, rhi_target *target, char *error,
                         size_t error_size);
int rhi_target_open_process(int64_t pid, uint32_t flags, rhi_target *target, char *error,
                            size_t error_size);
void rhi_target_close(rhi_target *target);

#ifdef __cplusplus
}
#endif
#endif
