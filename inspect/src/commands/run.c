/* run.c - runs a command for a door: parses, asks once more what changed under its eyes, tells
 * errors. */
#include "commands/all.h"
#include "commands/command.h"
#include "commands/help.h"
#include "render/output.h"
#include "program/symbols.h"
#include "target/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rhi_command no_command = {.name = "refheap", .usage = "", .operands_max = 1};
static const rhi_command reached = {.name = "refwatch", .usage = "", .run = rhi__run_reached};

uint32_t rhi_abi(void)
{
    return RHI_ABI;
}

rhi_session *rhi_session_new(void)
{
    rhi_session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    session->limit = -1;
    session->work.poll_milliseconds = 10; /* far below what a person notices */
    session->symbols = rhi__symbols_new(&session->memory, &session->work);
    if (session->symbols)
        return session;
    free(session);
    return NULL;
}

void rhi_session_free(rhi_session *session)
{
    if (!session)
        return;
    rhi__session_drop(session);
    rhi__symbols_free(session->symbols);
    rhi__notes_free(&session->notes);
    rhi__notes_free(&session->remarks);
    free(session->watches.items);
    free(session->out);
    free(session->described);
    free(session);
}

const char *rhi_session_error(const rhi_session *session)
{
    return session->error;
}

void rhi_session_set(rhi_session *session, enum rhi_session_option option, int value)
{
    if (option == RHI_QUIET_ERRORS)
        session->quiet_errors = value != 0;
    else if (option == RHI_POLL_MILLISECONDS)
        session->work.poll_milliseconds = value;
    else if (option == RHI_LIMIT)
        session->limit = value;
}

static int is_interrupted(void *context)
{
    const rhi_target *target = ((rhi_session *)context)->target;
    return target->interrupted && target->interrupted(target->context);
}

static void show_progress(void *context, const char *what, unsigned percent)
{
    rhi__notice(context, "\r%s: %u%%\033[K", what, percent);
}

static void end_progress(rhi_session *session)
{
    if (session->work.shown.tv_sec)
        rhi__notice(session, "\r\033[K");
}

static rhi_error *print_help(rhi_session *session, const rhi_command *command)
{
    char *text = rhi__help_text(command, RHI_HELP_COLUMNS);
    if (!text)
        return rhi__error_memory();
    if (session->json) {
        rhi__json_begin(session);
        rhi__json_key(session, "help", rhi__json_text(text));
        rhi__json_key(session, "complete", json_true());
        rhi__json_close(session);
    } else {
        rhi__print_lines(session, text);
    }
    free(text);
    return NULL;
}

void rhi__run_start(rhi_session *session, const rhi_target *target, const char *command)
{
    rhi__session_use(session, target);
    session->is_checked = session->is_begun = false;
    session->command = command;
    session->json = false;
    session->is_ascii = !rhi__shows_utf8();
    session->error[0] = '\0';
    session->out_size = 0;
    session->was_flushed = session->has_changed = false;
    rhi__notes_free(&session->notes);
    rhi__notes_free(&session->remarks);
    session->not_read = NULL;
    session->work.interrupted = is_interrupted;
    session->work.show = target->flags & RHI_TARGET_TERMINAL ? show_progress : NULL;
    session->work.context = session;
    rhi__work_start(&session->work);
}

void rhi__run_end(rhi_session *session)
{
    rhi__kept_drop(&session->kept_now);
    rhi__session_use(session, NULL);
    if (session->has_memory)
        session->memory.door = NULL;
    if (session->has_memory && session->memory.is_short)
        rhi__session_drop(session); /* read it again when there is memory */
}

/* The one way an error reaches the user. */
static int fail(rhi_session *session, const char *name, rhi_error *error)
{
    rhi__text(session->error, sizeof session->error, "%.60s: %s", name, error->message);
    if (session->json)
        rhi__json_error(session, error->message);
    else if (!session->quiet_errors)
        rhi__notice(session, "%s\n", session->error);
    rhi__error_free(error);
    return RHI_NO_ANSWER;
}

/* What happened to the target meanwhile that makes what was printed no answer; NULL: nothing. A
 * process that was gone before is its door's affair. */
static const char *interference(rhi_session *session, bool was_gone, bool *is_gone)
{
    *is_gone = (session->has_memory && rhi__memory_is_gone(&session->memory)) ||
               (!was_gone && rhi__process_has_ended(session->target->pid));
    if (*is_gone)
        return "the process ended while it was read: its memory is gone";
    if (rhi__core_has_changed(session))
        return "the core file changed while it was read: ask again";
    return session->has_changed ? "the process was changed by hand: ask again" : NULL;
}

static void start_again(rhi_session *session, const rhi_args *args, int *status)
{
    struct timespec started = session->work.started, shown = session->work.shown;
    rhi__run_start(session, session->target, session->command);
    session->json = args->json;
    session->work.started = started;
    session->work.shown = shown;
    *status = RHI_ANSWERED;
}

/* Runs the command. Where what it printed did not fit the cache, it is asked once more without
 * one: its answer is still here, unless it is very long. */
static rhi_error *run_command(rhi_session *session, const rhi_args *args, int *status)
{
    bool was_gone = rhi__process_has_ended(session->target->pid), is_gone = false;
    rhi_error *error = args->command->run(session, args, status);
    const char *reason =
        session->work.is_stopped ? NULL : interference(session, was_gone, &is_gone);
    if (!reason)
        return error;
    rhi__session_drop(session);
    if (error == rhi__error_cancelled())
        return error;
    if (session->was_flushed) {
        rhi__notice(session, "%s: %s\n", session->command, reason);
        *status = RHI_NO_ANSWER; /* parts of it may contradict each other */
        return error;
    }
    rhi__error_free(error);
    if (is_gone)
        return rhi__error("%s", reason);
    start_again(session, args, status);
    error = args->command->run(session, args, status);
    bool core_has_changed = rhi__core_has_changed(session);
    if (core_has_changed && session->was_flushed) {
        *status = RHI_NO_ANSWER;
    } else if (core_has_changed && error != rhi__error_cancelled()) {
        rhi__error_free(error);
        error = rhi__error(
            "the core file changes while it is read: ask again when it is written in full");
    }
    /* it changes under our eyes: keep nothing of it */
    if (session->has_changed || core_has_changed)
        rhi__session_drop(session);
    return error;
}

/* A door that is told to stop may fail to read before it is asked whether it was: what was made
 * of that is neither an answer nor worth keeping. */
static rhi_error *settle_interrupt(rhi_session *session, rhi_error *error)
{
    const rhi_target *target = session->target;
    bool stopped =
        error == rhi__error_cancelled() || session->work.is_stopped ||
        (!session->was_flushed && target->interrupted && target->interrupted(target->context));
    if (!stopped)
        return error;
    rhi__error_free(error);
    if (session->has_memory && (session->work.is_stopped || !session->memory.is_direct))
        rhi__session_drop(session);
    return rhi__error_cancelled();
}

/* An answer about nothing is none. In JSON its keys are there all the same, and say why. */
static rhi_error *refuse_nothing(rhi_session *session, int *status)
{
    char text[RHI_NO_HEAP_SIZE];
    if (!rhi__no_heap(session, text, sizeof text))
        return NULL;
    if (!session->json)
        return rhi__error("%s", text);
    rhi__text(session->error, sizeof session->error, "%.60s: %s", session->command, text);
    *status = RHI_NO_ANSWER;
    return NULL;
}

static rhi_error *no_such_command(void)
{
    char names[256] = "";
    const char *name;
    for (unsigned i = 0; (name = rhi__command_name(i)); i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", name);
    return rhi__error("no such command; there are %s", names);
}

/* What was decided with the other opinion about missing memory is not kept. */
static void take_missing(rhi_session *session, bool is_empty)
{
    if (session->missing_is_empty != is_empty) {
        rhi__kept_drop(&session->kept);
        session->not_read = NULL; /* it was kept, too */
    }
    session->missing_is_empty = is_empty;
}

/* Files are compared with each other, where nobody named a target; and a command may tell of
 * itself. */
static bool needs_no_target(const rhi_target *target, const rhi_args *args)
{
    for (unsigned i = 0; i < 2 && args->command->about_itself[i]; i++)
        if (rhi__option(args, args->command->about_itself[i]))
            return true;
    return target->flags & RHI_TARGET_NONE && args->command->takes_files && args->operand_count > 1;
}

/* With `refusal` the command is parsed, but not run unless it needs no target: there is none.
 * command NULL: there is none of this name. */
static int run(rhi_session *session, const rhi_target *target, const rhi_command *command,
               const char *name, rhi_line line, const char *refusal)
{
    rhi_args args = {0};
    int status = RHI_ANSWERED;
    rhi__run_start(session, target, name);
    rhi_error *error = rhi__args_parse(command ? command : &no_command, line, &args);
    if (!command) { /* parsed all the same: --json holds for this error too */
        rhi__error_free(error);
        error = no_such_command();
    }
    session->json = args.json;
    if (session->limit >= 0 && !args.json && !rhi__option(&args, "--limit"))
        args.limit = session->limit ? (uint64_t)session->limit : UINT64_MAX;
    session->has_heap = args.has_heap;
    session->heap = args.heap;
    session->is_about_all = args.operand_count == 0;
    take_missing(session, rhi__option(&args, "--missing") != NULL);
    bool is_refused = refusal && !needs_no_target(target, &args);
    if (!error && args.help)
        error = print_help(session, command);
    else if (!error && is_refused)
        error = rhi__error("%s", refusal);
    else if (!error)
        error = settle_interrupt(session, run_command(session, &args, &status));
    if (!error && !args.help && !is_refused)
        error = refuse_nothing(session, &status);
    end_progress(session);
    /* whatever it says, that is why */
    if (error && session->has_memory && session->memory.is_short) {
        rhi__error_free(error);
        error = rhi__error_memory();
    }
    if (error)
        session->out_size = 0; /* nothing of a failed answer */
    if (error)
        status = fail(session, name, error);
    rhi__flush(session);
    rhi__args_free(&args);
    rhi__run_end(session);
    return status;
}

int rhi_session_run(rhi_session *session, const rhi_target *target, const char *command,
                    const char *line)
{
    return run(session, target, rhi__command_find(command), command,
               (rhi_line){.text = line ? line : ""}, NULL);
}

int rhi_session_run_words(rhi_session *session, const rhi_target *target, const char *command,
                          const char *const *words)
{
    return run(session, target, rhi__command_find(command), command, (rhi_line){.words = words},
               NULL);
}

int rhi_session_refuse_words(rhi_session *session, const rhi_target *target, const char *command,
                             const char *const *words, const char *message)
{
    return run(session, target, rhi__command_find(command), command, (rhi_line){.words = words},
               message);
}

int rhi_session_reached(rhi_session *session, const rhi_target *target)
{
    session->reached_frame = 0;
    run(session, target, &reached, reached.name, (rhi_line){.text = ""}, NULL);
    return session->reached_frame;
}
