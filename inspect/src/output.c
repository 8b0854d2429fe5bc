/* output.c - buffered text and streamed JSON (see output.h).
 * Invariant: session->json_items counts what was written at the open level, so that a comma comes
 * before everything but the first. */
#include "output.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An answer is held back until it is this long: until then it can be taken back. */
enum { BUFFER_BYTES = 1 << 16, HELD_BYTES = 4 << 20 };

static void emit(rhi_session *session, int stream, const char *text, size_t size)
{
    session->target->emit(session->target->context, stream, text, size);
}

const char *rhi__plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

void rhi__flush(rhi_session *session)
{
    if (session->out_size) {
        emit(session, RHI_STREAM_OUT, session->out, session->out_size);
        session->was_flushed = true;
    }
    session->out_size = 0;
}

static void make_room(rhi_session *session)
{
    size_t wanted = session->out_capacity ? session->out_capacity * 2 : BUFFER_BYTES;
    char *grown = wanted <= HELD_BYTES && !session->was_flushed ? realloc(session->out, wanted) : NULL;
    if (grown) {
        session->out = grown;
        session->out_capacity = wanted;
    } else {
        rhi__flush(session);
    }
}

static void put(const char *text, size_t size, rhi_session *session)
{
    while (size) {
        if (session->out_size == session->out_capacity)
            make_room(session);
        size_t room = session->out_capacity - session->out_size, step = size < room ? size : room;
        if (session->out_capacity == 0) { /* no memory for a buffer */
            emit(session, RHI_STREAM_OUT, text, size);
            session->was_flushed = true;
            return;
        }
        memcpy(session->out + session->out_size, text, step);
        session->out_size += step;
        text += step;
        size -= step;
    }
}

/* ---- text ---------------------------------------------------------------------------------------------- */

/* Does the user's locale show UTF-8? The environment is asked, as setlocale would: what a debugger has
 * set for itself is not ours to change. */
static bool shows_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "UTF-8") || strcasestr(value, "UTF8");
    }
    return false;
}

/* Rewrites UTF-8 as ASCII in place: never longer than before. */
static size_t to_ascii(char *text, size_t size)
{
    static const struct { const char *from, *to; } pairs[] = {{"…", "..."}, {"→", "->"}, {"⇢", "~>"}, {"↺", "^"}, {"├", "|"}, {"└", "`"},
                                                              {"┌", ","}, {"─", "-"}, {"│", "|"}, {"–", "-"}};
    size_t to = 0;
    for (size_t i = 0, length; i < size; i += length) {
        const char *ascii = "?";
        length = rhi__character(text + i, size - i);
        if (length <= 1) {
            length = 1;
            text[to++] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
            continue;
        }
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++)
            if (strlen(pairs[k].from) == length && memcmp(text + i, pairs[k].from, length) == 0)
                ascii = pairs[k].to;
        for (; *ascii; ascii++)
            text[to++] = *ascii;
    }
    return to;
}

/* Gives the text, formatted, to `deliver`, cut only where memory is short. */
static void format_text(rhi_session *session, const char *format, va_list arguments,
                        void (*deliver)(const char *text, size_t size, rhi_session *session))
{
    char line[2048], *longer = NULL;
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(line, sizeof line, format, arguments);
    if (size >= (int)sizeof line && vasprintf(&longer, format, again) != size) {
        longer = NULL;
        size = sizeof line - 1;
    }
    va_end(again);
    char *text = longer ? longer : line;
    size_t length = size < 0 ? 0 : (size_t)size;
    if (length && !session->json && !shows_utf8())
        length = to_ascii(text, length);
    deliver(text, length, session);
    free(longer);
}

void rhi__print(rhi_session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_text(session, format, arguments, put);
    va_end(arguments);
}

static void put_notice(const char *text, size_t size, rhi_session *session)
{
    emit(session, RHI_STREAM_ERROR, text, size);
}

void rhi__notice(rhi_session *session, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    format_text(session, format, arguments, put_notice);
    va_end(arguments);
}

const char *rhi__styled(rhi_session *session, enum rhi_style style, const char *text)
{
    static const char *const colours[] = {"36", "31", "32", "34", "35", "1"};
    if (session->json || !(session->target->flags & RHI_TARGET_COLOR))
        return text;
    char *styled = session->styled[session->next_styled++ % 8];
    snprintf(styled, sizeof session->styled[0], "\033[%sm%.220s\033[0m", colours[style], text);
    return styled;
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

enum { DUMP_FLAGS = JSON_ENCODE_ANY | JSON_COMPACT };

static void dump(rhi_session *session, json_t *value)
{
    /* Whole or not at all; into a buffer of ours, because jansson forgets keys when its own cannot grow. */
    size_t size = value ? json_dumpb(value, NULL, 0, DUMP_FLAGS) : 0;
    char *text = size ? malloc(size) : NULL;
    bool whole = text && json_dumpb(value, text, size, DUMP_FLAGS) == size;
    put(whole ? text : "null", whole ? size : 4, session);
    session->complete = session->complete && whole;
    free(text);
    json_decref(value);
}

static void separate(rhi_session *session)
{
    if (session->json_items++)
        put(session->json_in_array ? ",\n  " : ",\n ", session->json_in_array ? 4 : 3, session);
}

void rhi__json_begin(rhi_session *session)
{
    put("{", 1, session);
    session->json_items = 0;
    session->json_in_array = false;
    rhi__json_key(session, "command", rhi__json_text(session->command));
}

void rhi__json_key(rhi_session *session, const char *key, json_t *value)
{
    separate(session);
    rhi__print(session, "\"%s\":", key);
    dump(session, value);
}

void rhi__json_array(rhi_session *session, const char *key)
{
    separate(session);
    rhi__print(session, "\"%s\":[", key);
    session->json_in_array = true;
    session->json_items = 0;
}

void rhi__json_item(rhi_session *session, json_t *value)
{
    separate(session);
    dump(session, value);
}

void rhi__json_array_end(rhi_session *session)
{
    put("]", 1, session);
    session->json_in_array = false;
    session->json_items = 1; /* there is the array before the next key */
}

/* What the reader could not read or make sense of concerns every answer. */
bool rhi__settle(rhi_session *session)
{
    for (uint64_t i = 0; session->reader && i < session->reader->problems.count; i++)
        rhi__incomplete(session, session->reader->problems.items[i]);
    if (session->has_memory && session->memory.truncated[0])
        rhi__incomplete(session, session->memory.truncated);
    if (session->has_memory && session->memory.is_short)
        rhi__incomplete(session, rhi__error_memory()->message);
    if (session->target->flags & RHI_TARGET_NO_STOP)
        rhi__incomplete(session, "the process ran while it was read: provisional");
    return session->complete;
}

bool rhi__is_complete(rhi_session *session)
{
    rhi__settle(session);
    return session->complete;
}

void rhi__json_end(rhi_session *session)
{
    rhi__settle(session);
    if (session->not_read)
        rhi__json_key(session, "not_read", json_incref(session->not_read));
    rhi__json_key(session, "complete", json_boolean(session->complete));
    if (!session->complete)
        rhi__json_key(session, "incomplete_because", json_incref(session->because));
    put("}\n", 2, session);
}

void rhi__json_error(rhi_session *session, const char *message)
{
    rhi__json_begin(session);
    rhi__json_key(session, "complete", json_false());
    rhi__json_key(session, "error", rhi__json_text(message));
    rhi__json_close(session);
}

void rhi__json_close(rhi_session *session)
{
    put("}\n", 2, session);
}

void rhi__print_incomplete(rhi_session *session)
{
    size_t index;
    json_t *reason;
    rhi__settle(session);
    json_array_foreach(session->because, index, reason)
        rhi__print(session, "incomplete: %s\n", json_string_value(reason));
    if (json_array_size(session->not_read)) {
        const char *path = json_string_value(json_object_get(json_array_get(session->not_read, 0), "path"));
        rhi__print(session, "not read: %zu writable mapping%s shared with other processes (%s%s)\n", json_array_size(session->not_read),
                   json_array_size(session->not_read) == 1 ? "" : "s", path && *path ? path : "without a name",
                   json_array_size(session->not_read) == 1 ? "" : ", …");
    }
}

json_t *rhi__json_address(uint64_t address)
{
    return json_sprintf("0x%" PRIx64, address);
}

json_t *rhi__json_u64(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

size_t rhi__character(const char *bytes, size_t size)
{
    const unsigned char *b = (const unsigned char *)bytes;
    size_t length = size == 0 ? 0 : b[0] < 0x80 ? 1 : b[0] < 0xc2 ? 0 : b[0] < 0xe0 ? 2 : b[0] < 0xf0 ? 3 : b[0] < 0xf5 ? 4 : 0;
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = length > 2 && ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xf0 && b[1] < 0x90));
    bool no_character = length > 2 && ((b[0] == 0xed && b[1] > 0x9f) || (b[0] == 0xf4 && b[1] > 0x8f));
    return overlong || no_character ? 0 : length;
}

/* Text from the target may be no UTF-8: what does not decode is shown as '?'. */
json_t *rhi__json_bytes(const char *bytes, size_t size)
{
    json_t *value = json_stringn(bytes, size);
    char *copy = value ? NULL : malloc(size + 1);
    if (!copy)
        return value;
    memcpy(copy, bytes, size);
    for (size_t i = 0, length; i < size; i += length ? length : 1)
        if (!(length = rhi__character(copy + i, size - i)))
            copy[i] = '?';
    value = json_stringn(copy, size);
    free(copy);
    return value;
}

json_t *rhi__json_text(const char *text)
{
    return rhi__json_bytes(text, strlen(text));
}
