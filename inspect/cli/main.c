/* main.c - the shell door: `refheap --core FILE [--exe FILE] | --pid N  COMMAND …`.
 * Opens the target, lends a terminal and Ctrl-C, and exits with the engine's status. No logic. */
#include <refheap/inspect.h>

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct choice {
    const char *core, *exe, *pid;
    bool no_stop;
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

static int complain(const char *message)
{
    fprintf(stderr, "refheap: %s\n", message);
    return RHI_NO_ANSWER;
}

static int usage(FILE *stream)
{
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command;
    size_t index;
    fprintf(stream, "usage: refheap --core FILE [--exe FILE] COMMAND [--option…] [OPERAND]\n"
                    "       refheap --pid N [--no-stop] COMMAND [--option…] [OPERAND]\n"
                    "       refheap COMMAND --help\n\n"
                    "Reads the reference-counted heap of a core dump or of a process (which is stopped meanwhile).\n\ncommands:\n");
    json_array_foreach(commands, index, command)
        fprintf(stream, "  %-10s %s\n", json_string_value(json_object_get(command, "name")),
                json_string_value(json_object_get(command, "summary")));
    fprintf(stream, "\nexit status: 0 answered; 1 --check found something; 2 no answer, or --check found nothing in what could be searched\n");
    json_decref(commands);
    return stream == stdout ? RHI_ANSWERED : RHI_NO_ANSWER;
}

/* The manual's page of commands, from the table. */
static int manual(void)
{
    json_t *commands = json_loads(rhi_commands(), 0, NULL), *command, *option;
    size_t index, at;
    printf("# Commands\n\nMade from the command table by `refheap --manual`; the same in GDB, LLDB and the shell.\n");
    json_array_foreach(commands, index, command) {
        printf("\n## %s\n\n`%s`: %s.\n\n%s\n\n", json_string_value(json_object_get(command, "name")),
               json_string_value(json_object_get(command, "usage")), json_string_value(json_object_get(command, "summary")),
               json_string_value(json_object_get(command, "description")));
        json_array_foreach(json_object_get(command, "options"), at, option) {
            const char *argument = json_string_value(json_object_get(option, "argument"));
            printf("- `%s%s%s`: %s\n", json_string_value(json_object_get(option, "name")), argument ? "=" : "", argument ? argument : "",
                   json_string_value(json_object_get(option, "help")));
        }
        printf("\n```\n%s\n```\n", json_string_value(json_object_get(command, "json")));
    }
    json_decref(commands);
    return RHI_ANSWERED;
}

/* Takes the options before the command. Returns the index of the command, or -1 after a complaint. */
static int parse(int count, char **words, choice *chosen)
{
    int i = 1;
    for (; i < count && strncmp(words[i], "--", 2) == 0; i++) {
        char *value = strchr(words[i], '=');
        size_t length = value ? (size_t)(value - words[i]) : strlen(words[i]);
        const char **place = strncmp(words[i], "--core", length) == 0 && length == 6 ? &chosen->core
                             : strncmp(words[i], "--exe", length) == 0 && length == 5 ? &chosen->exe
                             : strncmp(words[i], "--pid", length) == 0 && length == 5 ? &chosen->pid : NULL;
        if (strcmp(words[i], "--no-stop") == 0) {
            chosen->no_stop = true;
        } else if (!place) {
            fprintf(stderr, "refheap: unknown option %s: see refheap --help\n", words[i]);
            return -1;
        } else if (!value && i + 1 == count) {
            fprintf(stderr, "refheap: %s wants a value\n", words[i]);
            return -1;
        } else {
            *place = value ? value + 1 : words[++i];
        }
    }
    if (i == count)
        usage(stderr);
    return i < count ? i : -1;
}

/* 0, or -1 with one line in `error`. */
static int open_target(const choice *chosen, rhi_target *target, char *error, size_t error_size)
{
    char *end;
    if (chosen->core && chosen->pid)
        return snprintf(error, error_size, "--core or --pid, not both"), -1;
    if (chosen->core)
        return rhi_target_open_core(chosen->core, chosen->exe, target, error, error_size);
    if (!chosen->pid)
        return snprintf(error, error_size, "which process or core? give --core FILE or --pid N"), -1;
    errno = 0;
    long long pid = strtoll(chosen->pid, &end, 10);
    if (*end || end == chosen->pid || errno)
        return snprintf(error, error_size, "--pid wants the number of a process, not '%.60s'", chosen->pid), -1;
    return rhi_target_open_process(pid, chosen->no_stop ? RHI_TARGET_NO_STOP : 0, target, error, error_size);
}

static bool shows_colors(void)
{
    const char *term = getenv("TERM"), *unwanted = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && !(unwanted && *unwanted) && term && strcmp(term, "dumb") != 0;
}

int main(int count, char **words)
{
    choice chosen = {0};
    if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0))
        return usage(stdout);
    if (count > 1 && strcmp(words[1], "--version") == 0) {
        printf("refheap %s\n", REFHEAP_VERSION);
        return RHI_ANSWERED;
    }
    if (count > 1 && strcmp(words[1], "--manual") == 0)
        return manual();
    int at = parse(count, words, &chosen);
    if (at < 0)
        return RHI_NO_ANSWER;
    char error[512];
    rhi_target target = {.abi = RHI_ABI};
    bool opened = open_target(&chosen, &target, error, sizeof error) == 0;
    struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    target.emit = emit;
    target.interrupted = interrupted;
    target.flags |= (isatty(STDERR_FILENO) ? RHI_TARGET_TERMINAL : 0) | (shows_colors() ? RHI_TARGET_COLOR : 0);
    rhi_session *session = rhi_session_new();
    const char *const *rest = (const char *const *)words + at + 1;
    int status = !session ? complain("memory is short on this machine")
                 : opened ? rhi_session_run_words(session, &target, words[at], rest)
                          : rhi_session_refuse_words(session, &target, words[at], rest, error);
    rhi_session_free(session);
    if (opened)
        rhi_target_close(&target);
    if (fflush(stdout) != 0 && status == RHI_ANSWERED)
        status = complain("the answer could not be written in full");
    return status;
}
