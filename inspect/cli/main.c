/* main.c - the shell door: `refheap --core FILE [--exe FILE] | --pid N  [COMMAND …]`. Opens the
 * target, lends a terminal and Ctrl-C, and exits with the engine's status. Without a command it
 * takes them from standard input (prompt.h). No logic. Invariant: an answer that was not written
 * in full never ends with a status that says more. Behind a pipe that nobody reads (`| head`)
 * SIGPIPE ends it quietly, as other commands. */
#include "completion.h"
#include "manual.h"
#include "prompt.h"
#include "schema.h"

#include <refheap/inspect.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct choice {
    const char *core, *exe, *pid;
    bool no_stop, help;
    const char *command; /* NULL: a prompt */
    const char **rest;   /* what stands behind it, ended by NULL */
} choice;

static volatile sig_atomic_t was_interrupted;

static void on_interrupt(int signal)
{
    (void)signal;
    was_interrupted = 1;
}

static int interrupted(void *context)
{
    (void)context;
    return was_interrupted;
}

static void emit(void *context, int stream, const char *text, uint64_t size)
{
    (void)context;
    fwrite(text, 1, size, stream == RHI_STREAM_ERROR ? stderr : stdout);
}

/* The message may quote what the user or a file says. */
static int complain(const char *message)
{
    char line[600];
    snprintf(line, sizeof line, "%s", message);
    rhi_clean(line);
    fprintf(stderr, "refheap: %s\n", line);
    return RHI_NO_ANSWER;
}

static int usage(FILE *stream)
{
    fprintf(stream,
            "usage: refheap --core FILE [--exe FILE] [COMMAND [--option…] [OPERAND]]\n"
            "       refheap --pid N [--no-stop] [COMMAND [--option…] [OPERAND]]\n"
            "       refheap help [COMMAND]\n"
            "       refheap --schema COMMAND\n\n"
            "Reads the reference-counted heap of a core dump or of a process (which is stopped\n"
            "meanwhile). Without a COMMAND it opens a prompt, or takes one command from each line\n"
            "of standard input: the heap is read once for all of them. --schema prints the JSON\n"
            "Schema of what a command answers with --json.\n\ncommands:\n");
    print_commands(stream);
    fprintf(stream,
            "\nexit status: 0 answered; 1 --check found something; 2 no answer, or --check found\n"
            "nothing in what could be searched. Of several commands the highest.\n\n"
            "example: refheap --core core gcleaks --check\n");
    return stream == stdout ? RHI_ANSWERED : RHI_NO_ANSWER;
}

/* Where the value of one of the target's options goes; NULL if the word is none. */
static const char **place_of(choice *chosen, const char *word)
{
    static const struct {
        const char *name;
        size_t offset;
    } options[] = {{"--core", offsetof(choice, core)},
                   {"--exe", offsetof(choice, exe)},
                   {"--pid", offsetof(choice, pid)}};
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (strlen(options[i].name) == length && memcmp(word, options[i].name, length) == 0)
            return (const char **)((char *)chosen + options[i].offset);
    return NULL;
}

static int complain_of(const char *word, const char *message)
{
    char line[512];
    snprintf(line, sizeof line, "%.300s %s", word, message);
    complain(line);
    return -1;
}

/* Takes the target's options out of the words, before the command and behind it up to `--`; what
 * is left is the command and its line. 0, or -1 after a complaint. */
static int parse(int count, char **words, choice *chosen)
{
    int kept = 0;
    bool is_ended = false;
    for (int i = 1; i < count; i++) {
        const char **place = is_ended ? NULL : place_of(chosen, words[i]);
        const char *equals = place ? strchr(words[i], '=') : NULL;
        if (place && (equals ? !equals[1] : i + 1 == count))
            return complain_of(words[i], "wants a value");
        if (place)
            *place = equals ? equals + 1 : words[++i];
        else if (!is_ended && strcmp(words[i], "--no-stop") == 0)
            chosen->no_stop = true;
        else if (kept == 0 && (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0))
            chosen->help = true;
        else if (kept == 0 && words[i][0] == '-')
            return complain_of(words[i],
                               "is no option that may stand before a command: see refheap --help");
        else
            words[kept++] = words[i];
        is_ended = is_ended || strcmp(words[i], "--") == 0;
    }
    words[kept] = NULL;
    chosen->command = words[0];
    chosen->rest = (const char **)words + (kept > 0);
    return 0;
}

/* 0, or -1 with one line in `error`. */
static int open_target(const choice *chosen, rhi_target *target, char *error, size_t error_size)
{
    char *end;
    if (chosen->core && chosen->pid)
        return snprintf(error, error_size, "--core or --pid, not both"), -1;
    if (chosen->exe && !chosen->core)
        return snprintf(error, error_size, "--exe goes with --core FILE"), -1;
    if (chosen->no_stop && !chosen->pid)
        return snprintf(error, error_size, "--no-stop goes with --pid N"), -1;
    if (chosen->core)
        return rhi_target_open_core(chosen->core, chosen->exe, target, error, error_size);
    if (!chosen->pid)
        return snprintf(error, error_size, "which process or core? give --core FILE or --pid N"),
               -1;
    errno = 0;
    long long pid = strtoll(chosen->pid, &end, 10);
    if (*end || end == chosen->pid || errno || pid <= 0)
        return snprintf(error, error_size, "--pid wants the number of a process, not '%.60s'",
                        chosen->pid),
               -1;
    return rhi_target_open_process(pid, chosen->no_stop ? RHI_TARGET_NO_STOP : 0, target, error,
                                   error_size);
}

static bool shows_colors(void)
{
    const char *term = getenv("TERM"), *unwanted = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(unwanted && *unwanted) && term && strcmp(term, "dumb") != 0;
}

static int run(const choice *chosen, rhi_target *target, const char *error)
{
    rhi_session *session = rhi_session_new();
    char name[512];
    prompt lines = {
        .session = session, .target = target, .name = name, .was_interrupted = &was_interrupted};
    snprintf(name, sizeof name,
             chosen->core      ? "core %s"
             : chosen->no_stop ? "process %s, which runs on"
                               : "process %s, which is stopped",
             chosen->core ? chosen->core : chosen->pid);
    rhi_clean(name);
    int status =
        !session           ? complain("memory is short on this machine")
        : !chosen->command ? (error ? complain(error) : run_prompt(&lines))
        : error ? rhi_session_refuse_words(session, target, chosen->command, chosen->rest, error)
                : rhi_session_run_words(session, target, chosen->command, chosen->rest);
    rhi_session_free(session);
    return status;
}

/* The word is the option, or the option and its value behind "=", which is then told. */
static bool is_option(const char *word, const char *option, const char **value)
{
    size_t length = strlen(option);
    if (strncmp(word, option, length) != 0 || (word[length] && word[length] != '='))
        return false;
    *value = word[length] ? word + length + 1 : NULL;
    return true;
}

/* What it tells of itself, for whoever installs it. RHI_GO_ON: that is not asked. */
static int answer_about_itself(int count, char **words)
{
    static const struct {
        const char *option;
        bool (*print)(const char *value);
        const char *complaint;
    } rows[] = {
        {"--completion", print_completion, "--completion wants bash, zsh or fish"},
        {"--schema", print_schema, "--schema wants the name of a command, or answer"},
        {"--schemas", write_schemas, "--schemas wants a folder: it could not be written there"},
        {"--man", print_page, "--man wants the name of a page, or list"}};
    if (count > 1 && strcmp(words[1], "--version") == 0) {
        printf("refheap %s\n", REFHEAP_VERSION);
        return RHI_ANSWERED;
    }
    if (count > 1 && strcmp(words[1], "--manual") == 0) {
        print_manual();
        return RHI_ANSWERED;
    }
    const char *value;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (count < 2 || !is_option(words[1], rows[i].option, &value))
            continue;
        bool is_whole = count == (value ? 2 : 3);
        return is_whole && rows[i].print(value ? value : words[2]) ? RHI_ANSWERED
                                                                   : complain(rows[i].complaint);
    }
    return RHI_GO_ON;
}

/* `refheap help` and `refheap help objat`, as people type it, are options. */
static void take_help(int count, char **words)
{
    static char help[] = "--help";
    if (count == 2 && strcmp(words[1], "help") == 0)
        words[1] = help;
    if (count != 3 || strcmp(words[1], "help") != 0)
        return;
    words[1] = words[2];
    words[2] = help;
}

static int answer(int count, char **words)
{
    choice chosen = {0};
    take_help(count, words);
    int about_itself = answer_about_itself(count, words);
    if (about_itself != RHI_GO_ON)
        return about_itself;
    if (parse(count, words, &chosen) != 0)
        return RHI_NO_ANSWER;
    if (chosen.help || (!chosen.command && !chosen.core && !chosen.pid && !chosen.exe))
        return usage(chosen.help ? stdout : stderr);
    char error[512];
    rhi_target target = {.abi = RHI_ABI};
    bool opened = open_target(&chosen, &target, error, sizeof error) == 0;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    target.flags |= chosen.core || chosen.pid || chosen.exe ? 0 : RHI_TARGET_NONE;
    target.emit = emit;
    target.interrupted = interrupted;
    target.flags |=
        (isatty(STDERR_FILENO) ? RHI_TARGET_TERMINAL : 0) | (shows_colors() ? RHI_TARGET_COLOR : 0);
    int status = run(&chosen, &target, opened ? NULL : error);
    if (opened)
        rhi_target_close(&target);
    return status;
}

/* A file that is opened must not become a stream that was closed: answers would go into it. */
static void keep_streams_apart(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* the lowest that is free; nothing can be written to it */
}

int main(int count, char **words)
{
    keep_streams_apart();
    int status = answer(count, words);
    /* the mark of an earlier write that failed stays */
    bool is_written = fflush(stdout) == 0 && !ferror(stdout);
    return is_written ? status : complain("the answer could not be written in full");
}
