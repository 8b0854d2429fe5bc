/* output.c - buffered text and streamed JSON (see output.h).
 * Invariant: session->json_items counts what was written at the open level, so that a comma comes
 * before everything but the first. */
#include "render/output.h"
#include "program/symbols.h"

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

static void was_shown(rhi_session *session)
{
    session->was_flushed = true;
    session->work.must_finish = session->json;
}

void rhi__flush(rhi_session *session)
{
    if (session->out_size) {
        emit(session, RHI_STREAM_OUT, session->out, session->out_size);
        was_shown(session);
    }
    session->out_size = 0;
}

static void make_room(rhi_session *session)
{
    size_t wanted = session->out_capacity ? session->out_capacity * 2 : BUFFER_BYTES;
    char *grown =
        wanted <= HELD_BYTES && !session->was_flushed ? realloc(session->out, wanted) : NULL;
    if (grown) {
        session->out = grown;
        session->out_capacity = wanted;
    } else if (session->work.is_stopped) {
        session->out_size = 0; /* what was made since then is no answer */
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
            was_shown(session);
            return;
        }
        memcpy(session->out + session->out_size, text, step);
        session->out_size += step;
        text += step;
        size -= step;
    }
}

/* ---- text ----------------------------------------------------------------------------------- */

/* A text that rhi__styled made was cleaned then, and its colours are meant. */
static bool is_styled(void *context, const char *text)
{
    const rhi_session *session = context;
    return text >= session->styled[0] && text < session->styled[0] + sizeof session->styled;
}

static void put_text(void *session, const char *text, size_t size)
{
    put(text, size, session);
}

static void put_notice(void *session, const char *text, size_t size)
{
    emit(session, RHI_STREAM_ERROR, text, size);
}

void rhi__print(rhi_session *session, const char *format, ...)
{
    rhi_writer writer = {.deliver = put_text,
                         .context = session,
                         .is_ascii = !session->json && session->is_ascii,
                         .is_clean = is_styled};
    va_list arguments;
    va_start(arguments, format);
    rhi__format(&writer, format, arguments);
    va_end(arguments);
}

void rhi__print_lines(rhi_session *session, const char *text)
{
    for (size_t length; *text; text += length) {
        length = strcspn(text, "\n");
        rhi__print(session, "%.*s", (int)length, text);
        for (; text[length] == '\n'; length++)
            rhi__print(session, "\n");
    }
}

void rhi__notice(rhi_session *session, const char *format, ...)
{
    rhi_writer writer = {
        .deliver = put_notice, .context = session, .is_ascii = !session->json && session->is_ascii};
    va_list arguments;
    va_start(arguments, format);
    rhi__format(&writer, format, arguments);
    va_end(arguments);
}

const char *rhi__styled(rhi_session *session, enum rhi_style style, const char *text)
{
    static const char *const colours[] = {"36", "31", "32", "34", "35", "1"};
    if (session->json || !(session->target->flags & RHI_TARGET_COLOR))
        return text;
    char *styled = session->styled[session->next_styled++ % 8];
    size_t size = sizeof session->styled[0], used;
    rhi__text(styled, size, "\033[%sm%.220s", colours[style], text);
    used = strlen(styled);
    snprintf(styled + used, size - used, "\033[0m");
    return styled;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

enum { DUMP_FLAGS = JSON_ENCODE_ANY | JSON_COMPACT };

/* JSON is text, too: harmful characters, which stand in strings alone, are written as escapes,
 * which mean the same. */
static void put_document(const char *text, size_t size, rhi_session *session)
{
    size_t from = 0, length;
    for (size_t i = 0; i < size; i += length) {
        char escape[16];
        unsigned char c = (unsigned char)text[i];
        length = c < 0x7f ? 1 : rhi__character(text + i, size - i);
        length = length ? length : 1;
        if (c < 0x7f || !rhi__is_harmful(text + i, length))
            continue;
        unsigned code = rhi__code_point(text + i, length), above = code - 0x10000;
        int written = code < 0x10000 ? snprintf(escape, sizeof escape, "\\u%04x", code)
                                     : snprintf(escape, sizeof escape, "\\u%04x\\u%04x",
                                                0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff));
        put(text + from, i - from, session);
        put(escape, (size_t)written, session);
        from = i + length;
    }
    put(text + from, size - from, session);
}

/* As few digits as mean the same number, if the row's value is one with a fraction: jansson would
 * write 0.1 with 17. */
static size_t dump_flags(const json_t *row)
{
    const json_t *value = json_object_get(row, "value");
    char text[40];
    int digits = 1, most = 17;
    if (!json_is_real(value))
        return DUMP_FLAGS;
    for (; digits < most; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, json_real_value(value));
        if (strtod(text, NULL) == json_real_value(value))
            break;
    }
    return DUMP_FLAGS | JSON_REAL_PRECISION((size_t)digits);
}

static void dump(rhi_session *session, json_t *value)
{
    /* Whole or not at all; into a buffer of ours, because jansson forgets keys when its own cannot
     * grow. */
    char row[2048], *text = row;
    size_t flags = dump_flags(value), size = value ? json_dumpb(value, row, sizeof row, flags) : 0;
    bool whole = size > 0 && size <= sizeof row;
    if (size > sizeof row) {
        text = malloc(size);
        whole = text && json_dumpb(value, text, size, flags) == size;
    }
    put_document(whole ? text : "null", whole ? size : 4, session);
    session->notes.is_incomplete |= !whole;
    if (text != row)
        free(text);
    json_decref(value);
}

static void separate(rhi_session *session)
{
    if (session->json_items++)
        put(session->json_in_array ? ",\n  " : ",\n ", session->json_in_array ? 4 : 3, session);
}

const rhi_json_type rhi__common_type = {
    .name = "answer",
    .doc = "What every answer has, whatever else is in it.",
    .members = (const rhi_json_member[]){
        {"command", .is = RHI_JSON_TEXT, "the command that answers"},
        {"complete", .is = RHI_JSON_BOOLEAN,
         "everything that the answer depends on could be read and searched"},
        {"incomplete_because", .is = RHI_JSON_TEXT | RHI_JSON_LIST | RHI_JSON_OPTIONAL,
         "if it is not complete: why, a sentence each"},
        {"notes", .is = RHI_JSON_TEXT | RHI_JSON_LIST | RHI_JSON_OPTIONAL,
         "what is to be known besides, as a Python that is there and not read; a sentence each"},
        {"not_read", .is = RHI_JSON_LIST | RHI_JSON_OPTIONAL,
         "writable mappings that were not searched",
         .members =
             (const rhi_json_member[]){
                 {"start", .is = RHI_JSON_ADDRESS, "its first byte"},
                 {"end", .is = RHI_JSON_ADDRESS, "behind its last byte"},
                 {"path", .is = RHI_JSON_TEXT, "of its file; empty: it has none"},
                 {"why", .is = RHI_JSON_TEXT, "why it was not read, in words"},
                 {0}}},
        {"wrong_executable", .is = RHI_JSON_OPTIONAL,
         "the file that was named is not the program of this process or core: it is not used",
         .members =
             (const rhi_json_member[]){
                 {"path", .is = RHI_JSON_TEXT, "the file"},
                 {"build_id", .is = RHI_JSON_TEXT, "its build-id, the first digits"},
                 {"program_build_id", .is = RHI_JSON_TEXT,
                  "the program's build-id, the first digits"},
                 {"names_from", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
                  "the file from which names come instead; null: there are none"},
                 {0}}},
        {"error", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
         "there is no heap to look at: why. The answer is then about nothing"},
        {0}}};

const rhi_json_type rhi__error_type = {
    .name = "error",
    .doc = "No answer. The exit status is 2.",
    .members = (const rhi_json_member[]){
        {"command", .is = RHI_JSON_TEXT, "the command that was given"},
        {"complete", .is = RHI_JSON_BOOLEAN, "false"},
        {"error", .is = RHI_JSON_TEXT, "why there is no answer, a sentence"},
        {0}}};

const rhi_json_type rhi__help_type = {
    .name = "help",
    .doc = "What --help answers.",
    .members = (const rhi_json_member[]){
        {"command", .is = RHI_JSON_TEXT, "the command that was given"},
        {"complete", .is = RHI_JSON_BOOLEAN, "true"},
        {"help", .is = RHI_JSON_TEXT, "what --help prints, in lines of 79 columns at most"},
        {0}}};

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

static json_t *reasons_json(const rhi_notes *notes)
{
    json_t *reasons = json_array();
    for (uint64_t i = 0; i < notes->count; i++)
        json_array_append_new(reasons, rhi__json_text(notes->items[i]));
    if (notes->is_short)
        json_array_append_new(reasons, rhi__json_text(rhi__error_memory()->message));
    return reasons;
}

static json_t *not_read_json(const rhi_not_read *rows)
{
    json_t *json = json_array();
    for (uint64_t i = 0; i < rows->count; i++)
        json_array_append_new(json, json_pack("{s:o, s:o, s:o, s:s}", "start",
                                              rhi__json_address(rows->items[i].start), "end",
                                              rhi__json_address(rows->items[i].end), "path",
                                              rhi__json_text(rows->items[i].path), "why",
                                              rows->items[i].why));
    return json;
}

void rhi__json_end(rhi_session *session)
{
    if (session->not_read)
        rhi__json_key(session, "not_read", not_read_json(session->not_read));
    if (session->remarks.count)
        rhi__json_key(session, "notes", reasons_json(&session->remarks));
    const rhi_misfit *misfit = rhi__symbols_misfit(session->symbols);
    if (misfit)
        rhi__json_key(session, "wrong_executable",
                      json_pack("{s:o, s:s, s:s, s:o}", "path", rhi__json_text(misfit->path),
                                "build_id", misfit->id, "program_build_id", misfit->program_id,
                                "names_from",
                                *misfit->names ? rhi__json_text(misfit->names) : json_null()));
    rhi__complete_so_far(session); /* behind all that reads */
    rhi__json_key(session, "complete", json_boolean(!session->notes.is_incomplete));
    if (session->notes.is_incomplete)
        rhi__json_key(session, "incomplete_because", reasons_json(&session->notes));
    char nothing[RHI_NO_HEAP_SIZE];
    if (rhi__no_heap(session, nothing, sizeof nothing))
        rhi__json_key(session, "error", rhi__json_text(nothing));
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

/* A file that is ignored because it is another program would else look like debug info that is
 * missing. */
static void print_misfit(rhi_session *session)
{
    const rhi_misfit *misfit = rhi__symbols_misfit(session->symbols);
    if (misfit)
        rhi__print(session,
                   "notice: %s is not the program of this %s: its build-id is %s…, the program's "
                   "%s…; names %s%s\n",
                   misfit->path,
                   session->target->core_path || rhi__memory_is_core(&session->memory) ? "core"
                                                                                       : "process",
                   misfit->id, misfit->program_id, *misfit->names ? "come from " : "are missing",
                   misfit->names);
}

void rhi__print_incomplete(rhi_session *session)
{
    print_misfit(session);
    rhi__complete_so_far(session);
    for (uint64_t i = 0; i < session->notes.count; i++)
        rhi__print(session, "incomplete: %s\n", session->notes.items[i]);
    if (session->notes.is_short)
        rhi__print(session, "incomplete: %s\n", rhi__error_memory()->message);
    for (uint64_t i = 0; i < session->remarks.count; i++)
        rhi__print(session, "note: %s\n", session->remarks.items[i]);
    uint64_t count = session->not_read ? session->not_read->count : 0;
    const char *path = count ? session->not_read->items[0].path : "";
    if (count)
        rhi__print(session, "not read: %" PRIu64 " writable mapping%s (%s%s)\n", count,
                   count == 1 ? "" : "s", *path ? path : "without a name", count == 1 ? "" : ", …");
}

json_t *rhi__json_address(uint64_t address)
{
    return json_sprintf("0x%" PRIx64, address);
}

json_t *rhi__json_u64(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

json_t *rhi__json_exact(uint64_t value)
{
    return value > INT64_MAX ? json_sprintf("%" PRIu64, value) : json_integer((json_int_t)value);
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
