/* probe_engine.c - an engine that answers nothing about heaps: its one command shows what a door
 * lends.
 *
 * Takes the place of librefheap-inspect by $REFHEAP_INSPECT, so that each callback of a door can
 * be tested alone, a command of any length is at hand for Ctrl-C, and it is seen that a command
 * which no door has ever heard of appears in all of them.
 *
 * Invariant: it uses a door's callbacks only as inspect.h allows. */
#include <refheap/inspect.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rhi_session {
    char error[512];
    int is_quiet;
};

struct rhi_sink {
    const rhi_target *target;
};

enum { READ_BYTES = 3 << 20, FLOOD_LINES = 200000 };

uint32_t rhi_abi(void)
{
    return getenv("PROBE_ABI") ? (uint32_t)atoi(getenv("PROBE_ABI")) : RHI_ABI;
}

const char *rhi_describes(void)
{
    return "{\"structs\": [\"rh_object\"], \"functions\": []}";
}

const char *rhi_session_describe(rhi_session *session, const rhi_target *target, uint64_t address,
                                 uint64_t children, uint64_t characters)
{
    (void)session, (void)target, (void)address, (void)children, (void)characters;
    return NULL;
}

const char *rhi_commands(void)
{
    return "[{\"name\":\"probe\",\"usage\":\"probe WHAT\",\"summary\":\"Shows what a door lends.\","
           "\"help\":\"Usage: probe WHAT\\nThe long help of probe.\",\"help_unfilled\":\"The long "
           "help of probe.\",\"options\":[\"--json\",\"--limit\"],"
           "\"operand\":\"expression\"}]";
}

static __attribute__((format(printf, 3, 4))) void say(const rhi_target *target, int stream,
                                                      const char *format, ...)
{
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    target->emit(target->context, stream, text, (uint64_t)size);
}

void rhi_sink_region(rhi_sink *sink, uint64_t start, uint64_t end, uint32_t flags,
                     uint64_t file_offset, const char *path)
{
    say(sink->target, RHI_STREAM_OUT,
        "region 0x%" PRIx64 " 0x%" PRIx64 " %" PRIu32 " 0x%" PRIx64 " %s\n", start, end, flags,
        file_offset, path);
}

void rhi_sink_thread(rhi_sink *sink, uint64_t lwp, uint64_t stack_pointer)
{
    say(sink->target, RHI_STREAM_OUT, "thread %" PRIu64 " 0x%" PRIx64 "\n", lwp, stack_pointer);
}

void rhi_sink_register(rhi_sink *sink, const char *name, uint64_t value)
{
    say(sink->target, RHI_STREAM_OUT, "register %s 0x%" PRIx64 "\n", name, value);
}

rhi_session *rhi_session_new(void)
{
    return calloc(1, sizeof(rhi_session));
}

void rhi_session_free(rhi_session *session)
{
    free(session);
}

const char *rhi_session_error(const rhi_session *session)
{
    return session->error;
}

void rhi_session_set(rhi_session *session, enum rhi_session_option option, int value)
{
    if (option == RHI_QUIET_ERRORS)
        session->is_quiet = value;
}

size_t rhi_complete(rhi_session *session, const rhi_target *target, const char *command,
                    const char *line, char *buffer, size_t size)
{
    static const char *const words[] = {"--json", "--limit", "node#1", "node#12"};
    (void)session, (void)target, (void)command;
    const char *space = strrchr(line, ' ');
    const char *last = space ? space + 1 : line;
    size_t count = 0, used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < sizeof words / sizeof *words && *last; i++) {
        if (strncmp(words[i], last, strlen(last)) == 0) {
            used +=
                (size_t)snprintf(buffer + used, size - used, "%s%s", count++ ? "\n" : "", words[i]);
        }
    }
    return count;
}

#ifndef PROBE_OLDER
/* As of a command whose option --file has a file's name as its value. */
enum rhi_expected rhi_expects(const char *command, const char *line)
{
    const char *space = strrchr(line, ' '), *last = space ? space + 1 : line;
    (void)command;
    return strncmp(last, "--file=", 7) == 0 ||
                   (space && space - line >= 6 && strncmp(space - 6, "--file", 6) == 0)
               ? RHI_EXPECTS_FILE
           : strncmp(last, "--", 2) == 0 || strstr(line, "--limit ") ? RHI_EXPECTS_NOTHING
                                                                     : RHI_EXPECTS_EXPRESSION;
}
#endif

static int fail(rhi_session *session, const rhi_target *target, const char *why)
{
    snprintf(session->error, sizeof session->error, "probe: %s", why);
    if (!session->is_quiet)
        say(target, RHI_STREAM_ERROR, "%s\n", session->error);
    return RHI_NO_ANSWER;
}

/* Works until it is told to stop. */
static int spin(rhi_session *session, const rhi_target *target, uint64_t address)
{
    char word[8];
    while (!target->interrupted(target->context)) {
        for (volatile int i = 0; i < 1000000; i++)
            continue;
        target->read(target->context, address, word, sizeof word);
    }
    return fail(session, target, "cancelled");
}

static int flood(rhi_session *session, const rhi_target *target)
{
    for (int i = 0; i < FLOOD_LINES; i++) {
        say(target, RHI_STREAM_OUT, "line %d\n", i);
        if (target->interrupted(target->context))
            return fail(session, target, "cancelled");
    }
    return RHI_ANSWERED;
}

/* Reads a lot from `address` on; the sum shows whether two doors saw the same bytes. */
static int read_from(const rhi_target *target, uint64_t address)
{
    unsigned char *bytes = malloc(READ_BYTES);
    uint64_t size = bytes ? target->read(target->context, address, bytes, READ_BYTES) : 0, sum = 0;
    for (uint64_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    free(bytes);
    say(target, RHI_STREAM_OUT, "read %" PRIu64 " 0x%" PRIx64 "\n", size, sum);
    return RHI_ANSWERED;
}

/* Writes a word, and then what was there before: how many bytes, and are they there? */
static int write_there(const rhi_target *target, uint64_t address)
{
    uint64_t before = 0, after = 0;
    if (!target->write) {
        say(target, RHI_STREAM_OUT, "write none\n");
        return RHI_ANSWERED;
    }
    target->read(target->context, address, &before, sizeof before);
    uint64_t turned = ~before, size = target->write(target->context, address, &turned, 8);
    target->read(target->context, address, &after, sizeof after);
    target->write(target->context, address, &before, 8);
    say(target, RHI_STREAM_OUT, "write %" PRIu64 " %s\n", size,
        size && after == turned ? "taken" : "lost");
    return RHI_ANSWERED;
}

/* Nothing is ever waited for. */
int rhi_session_reached(rhi_session *session, const rhi_target *target)
{
    (void)session, (void)target;
    return RHI_GO_ON;
}

/* "LWP EXPRESSION": the name of the word there; LWP 0: it is in the data of a module. */
static int name_word(rhi_session *session, const rhi_target *target, const char *text)
{
    char error[200], *expression;
    rhi_word word = {.lwp = strtoull(text, &expression, 10)};
    word.is_stack = word.lwp != 0;
    if (target->evaluate(target->context, expression + strspn(expression, " "), &word.address,
                         error, sizeof error))
        return fail(session, target, error);
    int status = target->name(target->context, &word, 1);
    say(target, RHI_STREAM_OUT, "name %d %" PRIu32 " [%s] [%s] [%s] %" PRIu32 "\n", status,
        word.kind, word.name, word.function, word.type, word.frame);
    return RHI_ANSWERED;
}

static int lent(const rhi_target *target)
{
    say(target, RHI_STREAM_OUT, "core [%s]\nexe [%s]\npid %" PRId64 "\nstate %" PRIu64 "\n",
        target->core_path ? target->core_path : "", target->exe_path ? target->exe_path : "",
        target->pid, target->state_id(target->context));
    return RHI_ANSWERED;
}

static int report(const rhi_target *target, int (*callback)(void *, rhi_sink *))
{
    rhi_sink sink = {target};
    say(target, RHI_STREAM_OUT, "status %d\n", callback(target->context, &sink));
    return RHI_ANSWERED;
}

static const char *after(const char *line, const char *word)
{
    size_t size = strlen(word);
    return strncmp(line, word, size) == 0 && (line[size] == ' ' || !line[size])
               ? line + size + (line[size] == ' ')
               : NULL;
}

int rhi_session_run(rhi_session *session, const rhi_target *target, const char *command,
                    const char *line)
{
    (void)command;
    uint64_t address = 0;
    char error[200];
    const char *rest;
    session->error[0] = '\0';
    if (after(line, "lent"))
        return lent(target);
    if (after(line, "regions"))
        return report(target, target->regions);
    if (after(line, "threads"))
        return report(target, target->threads);
    if (after(line, "flood"))
        return flood(session, target);
    if ((rest = after(line, "raw"))) {
        say(target, RHI_STREAM_OUT, "raw [%s]\n", rest);
        return RHI_ANSWERED;
    }
    if (after(line, "split")) { /* a letter in two pieces, and a byte that is none */
        say(target, RHI_STREAM_OUT, "\xc3");
        say(target, RHI_STREAM_OUT, "\xa9 \xff\n");
        return RHI_ANSWERED;
    }
    if (after(line, "notice")) {
        say(target, RHI_STREAM_ERROR, "a notice\n");
        return RHI_ANSWERED;
    }
    if (after(line, "found"))
        return RHI_FOUND;
    if ((rest = after(line, "name")))
        return name_word(session, target, rest);
    const char *expression = (rest = after(line, "spin")) || (rest = after(line, "read")) ||
                                     (rest = after(line, "write"))
                                 ? rest
                                 : line;
    if (target->evaluate(target->context, expression, &address, error, sizeof error))
        return fail(session, target, error);
    if (after(line, "spin"))
        return spin(session, target, address);
    if (after(line, "read"))
        return read_from(target, address);
    if (after(line, "write"))
        return write_there(target, address);
    say(target, RHI_STREAM_OUT, "value 0x%" PRIx64 "\n", address);
    return RHI_ANSWERED;
}
