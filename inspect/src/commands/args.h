/* args.h - what a command is, as far as its command line goes, and what such a line said. */
#ifndef RHI_ARGS_H
#define RHI_ARGS_H

#include "session/session.h"

typedef struct rhi_option {
    const char *name;     /* "--depth" */
    const char *argument; /* "N", "FILE"; NULL: a flag */
    const char *help;
} rhi_option;

enum { RHI_ANSWERS_MAX = 3, RHI_OPTIONS_MAX = 8, RHI_OPERANDS_MAX = 64, RHI_SET_MAX = 16 };

typedef struct rhi_args rhi_args;

typedef struct rhi_command {
    const char *name, *usage, *summary;
    /* Markdown without markup: paragraphs and lists; it is filled to the reader's width */
    const char *help;
    const char *example;                                  /* a line that one could type */
    const struct rhi_json_type *answers[RHI_ANSWERS_MAX]; /* what it answers with --json */
    unsigned operands_min, operands_max;
    bool takes_files; /* its operands are names of files; two or more need no target */
    /* its operand is a text, as it was typed: nothing divides it, and only options that there are
     * end it */
    bool takes_text;
    const char *about_itself[2];         /* options with which it asks nothing of a target */
    rhi_option options[RHI_OPTIONS_MAX]; /* its own; the common ones come on top */
    /* Computes everything before it prints anything; an error leaves no output behind. */
    rhi_error *(*run)(rhi_session *session, const rhi_args *args, int *status);
} rhi_command;

/* What a command line said. Owned by the run. */
struct rhi_args {
    const rhi_command *command;
    struct {
        const char *name;
        char *value;
    } set[RHI_SET_MAX];
    unsigned set_count;
    char *operands[RHI_OPERANDS_MAX];
    unsigned operand_count;
    bool json, help;
    uint64_t limit; /* rows of each list; UINT64_MAX: all */
    bool has_heap;
    uint64_t heap; /* --heap N */
};

extern const rhi_option rhi__common_options[]; /* ended by a NULL name */
/* An option of the command, or a common one, by its whole name; else NULL. */
const rhi_option *rhi__option_find(const rhi_command *command, const char *name, size_t length);

/* The value of an option: NULL if it was not given, "" for a flag. */
const char *rhi__option(const rhi_args *args, const char *name);
rhi_error *rhi__option_number(const rhi_args *args, const char *name, uint64_t default_value,
                              uint64_t *value);
/* The exit status of an answer: with --check 1 if something was found, 2 if nothing was, but the
 * answer is incomplete or provisional; else 0. Comes after everything was looked at. */
int rhi__check_status(rhi_session *session, const rhi_args *args, bool found);

/* Where the words of a command line come from: a raw line, or a shell's argument vector. */
typedef struct rhi_line {
    const char *text;         /* what is left of a raw line */
    const char *const *words; /* or: what is left of a vector, ended by NULL */
} rhi_line;
rhi_error *rhi__args_parse(const rhi_command *command, rhi_line line, rhi_args *args);
void rhi__args_free(rhi_args *args);

#endif
