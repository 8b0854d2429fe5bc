/* prompt.h - several commands about one target, which is read once: what was learned for one helps
 * the next. */
#ifndef REFHEAP_PROMPT_H
#define REFHEAP_PROMPT_H

#include <refheap/inspect.h>

#include <signal.h>
#include <stdio.h>

typedef struct prompt {
    rhi_session *session;
    const rhi_target *target;
    const char *name;                       /* of the target: "core FILE" */
    volatile sig_atomic_t *was_interrupted; /* set by Ctrl-C; asked by target->interrupted */
    sigset_t heard;                         /* the signal mask outside of the line editor */
} prompt;

/* Takes commands from standard input until its end: with line editing if that is a terminal, else
 * one a line. The exit status: at a terminal 0; else the highest of all commands, and
 * RHI_NO_ANSWER if there was none. */
int run_prompt(prompt *self);

/* The commands, each with what it is for. */
void print_commands(FILE *stream);

#endif
