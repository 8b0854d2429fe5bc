/* session.c - runs commands: checks the cache, parses, runs, tells errors (see session.h). */
#include "session.h"
#include "command.h"
#include "output.h"
#include "symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rhi_command no_command = {.name = "refheap", .usage = "", .operands_max = 1};
static const rhi_reader_ops *const readers[] = {&rhi__reader_refheap};

uint32_t rhi_abi(void)
{
    return RHI_ABI;
}

rhi_session *rhi_session_new(void)
{
    rhi_session *session = calloc(1, sizeof *session);
    if (session)
        session->work.poll_milliseconds = 10; /* far below what a person notices */
    return session;
}

static void drop_cache(rhi_session *session)
{
    rhi__kept_drop(&session->kept);
    rhi__symbols_forget(session->symbols);
    rhi__graph_free(session->graph);
    rhi__reader_free(session->reader);
    if (session->has_memory)
        rhi__memory_close(&session->memory);
    free(session->core_path);
    session->core_path = NULL;
    session->graph = NULL;
    session->reader = NULL;
    session->has_memory = false;
}

void rhi_session_free(rhi_session *session)
{
    if (!session)
        return;
    drop_cache(session);
    rhi__symbols_free(session->symbols);
    json_decref(session->because);
    json_decref(session->not_read);
    free(session->out);
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
}

/* ---- the cache ---------------------------------------------------------------------------------------- */

bool rhi__same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool rhi__core_has_changed(const rhi_session *session)
{
    uint64_t state = !session->has_memory ? 0 : rhi__core_state(session->memory.is_direct ? &session->memory.direct : session->target);
    return state && state != session->core_state; /* 0: no core, or the way to its file was given up */
}

static bool cache_holds(const rhi_session *session)
{
    const rhi_target *target = session->target;
    return session->has_memory && target->state_id && target->state_id(target->context) == session->state &&
           !rhi__core_has_changed(session) && session->context == target->context && session->pid == target->pid && rhi__same_text(session->core_path, target->core_path);
}

static rhi_error *open_memory(rhi_session *session)
{
    const rhi_target *target = session->target;
    if (session->has_memory && session->is_checked)
        return NULL;
    session->is_checked = true;
    if (cache_holds(session)) {
        session->memory.door = target;
        return NULL;
    }
    drop_cache(session);
    session->state = target->state_id ? target->state_id(target->context) : 0;
    session->context = target->context;
    session->pid = target->pid;
    if (target->core_path && !(session->core_path = strdup(target->core_path)))
        return rhi__error_memory();
    RHI_TRY(rhi__memory_open(&session->memory, target));
    session->has_memory = true;
    session->core_state = rhi__core_state(session->memory.is_direct ? &session->memory.direct : target);
    return NULL;
}

/* Does the map name private writable memory of which not a byte can be read, as cores without it do? */
static bool writable_memory_is_missing(rhi_memory *memory)
{
    uint8_t byte;
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        if (region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED) &&
            rhi__memory_read(memory, region->start, &byte, 1) == 0)
            return true;
    }
    return false;
}

static rhi_error *no_such_heap(const rhi_session *session)
{
    enum { HEAPS_NAMED = 16 };
    const rhi_reader *reader = session->reader;
    char known[HEAPS_NAMED * 24 + 8] = "";
    uint64_t after = 0;
    for (int named = 0; named <= HEAPS_NAMED; named++) { /* in the order of their numbers */
        uint64_t next = UINT64_MAX;
        for (uint64_t i = 0; i < reader->heaps.count; i++)
            if (reader->heaps.items[i].number >= after && reader->heaps.items[i].number < next)
                next = reader->heaps.items[i].number;
        if (next == UINT64_MAX)
            break;
        size_t used = strlen(known);
        if (named == HEAPS_NAMED)
            snprintf(known + used, sizeof known - used, ", …");
        else
            snprintf(known + used, sizeof known - used, "%s%" PRIu64, named ? ", " : "", next);
        after = next + 1;
    }
    return rhi__error("there is no heap %" PRIu64 "%s%s", session->heap, known[0] ? ": numbers in use: " : "", known);
}

rhi_error *rhi__session_open(rhi_session *session, rhi_reader **reader)
{
    RHI_TRY(open_memory(session));
    for (size_t i = 0; i < sizeof readers / sizeof *readers && !session->reader; i++)
        RHI_TRY(readers[i]->open(&session->memory, &session->reader));
    if (!session->reader && session->memory.truncated[0])
        return rhi__error("no refheap heap was found, but %s", session->memory.truncated);
    if (!session->reader && writable_memory_is_missing(&session->memory))
        return rhi__error("no refheap heap was found, but writable memory is not in the core: see coredump_filter in core(5)");
    if (!session->reader)
        return rhi__error("no refheap heap here: the program does not use refheap, or has not created a heap yet");
    *reader = session->reader;
    for (uint32_t i = 0; i < session->reader->heaps.count; i++)
        if (rhi__heap_wanted(session, session->reader, i))
            return NULL;
    return session->has_heap ? no_such_heap(session) : NULL;
}

rhi_error *rhi__session_reader(rhi_session *session, rhi_reader **reader)
{
    RHI_TRY(rhi__session_open(session, reader));
    return rhi__reader_load(*reader);
}

bool rhi__heap_wanted(const rhi_session *session, const rhi_reader *reader, uint32_t heap)
{
    return !session->has_heap || reader->heaps.items[heap].number == session->heap;
}

rhi_error *rhi__session_graph(rhi_session *session, rhi_graph **graph)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    if (!session->graph)
        RHI_TRY(rhi__graph_build(&session->work, reader, &session->graph));
    *graph = session->graph;
    return NULL;
}

/* ---- what commands use ----------------------------------------------------------------------------------- */

void rhi__incomplete(rhi_session *session, const char *reason)
{
    size_t index;
    json_t *said;
    session->complete = false;
    json_array_foreach(session->because, index, said)
        if (strcmp(json_string_value(said), reason) == 0)
            return;
    json_array_append_new(session->because, rhi__json_text(reason));
}

json_t *rhi__incomplete_because(const rhi_session *session)
{
    return json_copy(session->because);
}

void rhi__incomplete_again(rhi_session *session, const json_t *because)
{
    for (size_t i = 0; i < json_array_size(because); i++)
        rhi__incomplete(session, json_string_value(json_array_get(because, i)));
}

void rhi__check_header(rhi_session *session, uint32_t index, const rhi_object *object)
{
    const rhi_graph *graph = session->graph;
    if (!graph || index >= graph->count)
        return;
    uint8_t flags = graph->flags[index];
    uint64_t count = object->count < 0 ? 0 : (uint64_t)object->count;
    bool is_same = graph->stored[index] == (count > UINT32_MAX ? UINT32_MAX : (uint32_t)count) &&
                   !(flags & RHI_GRAPH_IMMORTAL) == !object->immortal && !(flags & RHI_GRAPH_DYING) == (object->state != RHI_DYING) &&
                   !(flags & RHI_GRAPH_HELD) == !object->held &&
                   !(flags & RHI_GRAPH_CORRUPT) == (object->state <= RHI_DYING && object->type != UINT32_MAX);
    session->has_changed = session->has_changed || !is_same;
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

/* ---- running ------------------------------------------------------------------------------------------------ */

static void start(rhi_session *session, const rhi_target *target, const char *command)
{
    session->target = target;
    session->is_checked = false;
    session->command = command;
    session->json = false;
    session->complete = true;
    session->error[0] = '\0';
    session->asked_names = false;
    session->out_size = 0;
    session->was_flushed = session->has_changed = false;
    json_decref(session->because);
    session->because = json_array();
    json_decref(session->not_read);
    session->not_read = NULL;
    session->work.interrupted = is_interrupted;
    session->work.show = target->flags & RHI_TARGET_TERMINAL ? show_progress : NULL;
    session->work.context = session;
    rhi__work_start(&session->work);
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

/* Runs the command. Where what it printed did not fit the cache, it is asked once more without one: its
 * answer is still here, unless it is very long. */
static rhi_error *run_command(rhi_session *session, const rhi_args *args, int *status)
{
    const rhi_target *target = session->target;
    rhi_error *error = args->command->run(session, args, status);
    bool core_has_changed = rhi__core_has_changed(session);
    if (!session->has_changed && !core_has_changed)
        return error;
    drop_cache(session);
    if (error == rhi__error_cancelled())
        return error;
    if (session->was_flushed) {
        rhi__notice(session, "%s: %s: ask again\n", session->command,
                    core_has_changed ? "the core file changed while it was read" : "the process was changed by hand");
        return error;
    }
    struct timespec started = session->work.started, shown = session->work.shown;
    rhi__error_free(error);
    start(session, target, session->command);
    session->json = args->json;
    session->work.started = started;
    session->work.shown = shown;
    *status = RHI_ANSWERED;
    error = args->command->run(session, args, status);
    core_has_changed = rhi__core_has_changed(session);
    if (core_has_changed && !session->was_flushed && error != rhi__error_cancelled()) {
        rhi__error_free(error);
        error = rhi__error("the core file changes while it is read: ask again when it is written in full");
    }
    if (session->has_changed || core_has_changed) /* it changes under our eyes: keep nothing of it */
        drop_cache(session);
    return error;
}

/* A door that is told to stop may fail to read before it is asked whether it was: what was made of that is
 * neither an answer nor worth keeping. */
static rhi_error *settle_interrupt(rhi_session *session, rhi_error *error)
{
    const rhi_target *target = session->target;
    bool stopped = error == rhi__error_cancelled() ||
                   (!session->was_flushed && target->interrupted && target->interrupted(target->context));
    if (!stopped)
        return error;
    rhi__error_free(error);
    if (session->has_memory && !session->memory.is_direct)
        drop_cache(session);
    return rhi__error_cancelled();
}

static rhi_error *no_such_command(void)
{
    char names[256] = "";
    const char *name;
    for (unsigned i = 0; (name = rhi__command_name(i)); i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i ? ", " : "", name);
    return rhi__error("no such command; there are %s", names);
}

/* With `refusal` the command is parsed, but not run: there is no target. */
static int run(rhi_session *session, const rhi_target *target, const char *name, rhi_line line, const char *refusal)
{
    rhi_args args = {0};
    int status = RHI_ANSWERED;
    const rhi_command *command = rhi__command_find(name);
    start(session, target, name);
    rhi_error *error = rhi__args_parse(command ? command : &no_command, line, &args);
    if (!command) { /* parsed all the same: --json holds for this error too */
        rhi__error_free(error);
        error = no_such_command();
    }
    session->json = args.json;
    session->has_heap = args.has_heap;
    session->heap = args.heap;
    session->is_about_all = args.operand_count == 0;
    if (!error && args.help)
        error = print_help(session, command);
    else if (!error && refusal)
        error = rhi__error("%s", refusal);
    else if (!error)
        error = settle_interrupt(session, run_command(session, &args, &status));
    end_progress(session);
    if (error && session->has_memory && session->memory.is_short) { /* whatever it says, that is why */
        rhi__error_free(error);
        error = rhi__error_memory();
    }
    if (error)
        session->out_size = 0; /* nothing of a failed answer */
    if (error)
        status = fail(session, name, error);
    rhi__flush(session);
    rhi__args_free(&args);
    session->target = NULL;
    if (session->has_memory)
        session->memory.door = NULL;
    if (session->has_memory && session->memory.is_short)
        drop_cache(session); /* read it again when there is memory */
    return status;
}

int rhi_session_run(rhi_session *session, const rhi_target *target, const char *command, const char *line)
{
    return run(session, target, command, (rhi_line){.text = line ? line : ""}, NULL);
}

int rhi_session_run_words(rhi_session *session, const rhi_target *target, const char *command, const char *const *words)
{
    return run(session, target, command, (rhi_line){.words = words}, NULL);
}

int rhi_session_refuse_words(rhi_session *session, const rhi_target *target, const char *command, const char *const *words, const char *message)
{
    return run(session, target, command, (rhi_line){.words = words}, message);
}
