/* stacks.c - recorded stacks as people read them (see objects.h).
 *
 * One row for each call, inlined ones too. A mistake is never in refheap's own headers nor in
 * what starts a program or a thread: these calls are left out at both ends. Invariant: a stack
 * that has calls keeps one. */
#include "target/modules.h"
#include "render/stacks.h"
#include "render/output.h"
#include "render/sentences.h"
#include "program/symbols.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef rhi_stack_row row;
typedef rhi_stack_rows stack;

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- what is left out ----------------------------------------------------------------------- */

static bool starts_code(const rhi_call *call)
{
    static const char *const names[] = {"_start",
                                        "__libc_start_main",
                                        "__libc_start_main_impl",
                                        "__libc_start_call_main",
                                        "generic_start_main",
                                        "start_thread",
                                        "clone",
                                        "clone3",
                                        "__clone",
                                        "__clone3"};
    for (size_t i = 0; call && call->name && i < sizeof names / sizeof *names; i++)
        if (strcmp(call->name, names[i]) == 0)
            return true;
    return false;
}

static bool is_in_libc(const rhi_reader *reader, uint64_t address)
{
    char where[256];
    return rhi__module_text(reader->memory, address, where, sizeof where) &&
           (strncmp(where, "libc.so.", 8) == 0 || strncmp(where, "libc-2.", 7) == 0 ||
            strncmp(where, "libpthread", 10) == 0);
}

/* Does the event have as many addresses as its heap keeps, so that outer calls may be missing? */
static bool is_cut(const rhi_reader *reader, const rhi_event *event)
{
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (reader->heaps.items[i].stack_depth == event->depth)
            return true;
    return event->depth == RHI_STACK_MAX;
}

/* Without symbols: what of libc lies between the program and a start function, or ends a whole
 * stack, starts, too; so does the last address of any module (_start of a stripped program) if a
 * start function called it. */
static void leave_out(const rhi_reader *reader, const rhi_event *event, stack *s)
{
    bool starts = !is_cut(reader, event);
    while (s->first + 1 < s->end && s->rows[s->first].call && s->rows[s->first].call->is_of_header)
        s->first++;
    for (; s->end > s->first + 1; s->end--) {
        const row *last = &s->rows[s->end - 1], *inner = last - 1;
        bool is_main = inner->call && inner->call->name && strcmp(inner->call->name, "main") == 0;
        bool is_unnamed =
            !last->call && (((starts || is_main) && is_in_libc(reader, last->address)) ||
                            starts_code(inner->call));
        if (!starts_code(last->call) && !is_unnamed)
            break;
        starts = true;
    }
}

/* ---- rows ----------------------------------------------------------------------------------- */

/* Return addresses lie behind a call; those of outer frames may also be where a signal came. */
static const char *doubt_of(rhi_session *session, const rhi_event *event, unsigned frame)
{
    enum rhi_return is = rhi__symbols_return(session->symbols, event->stack[frame]);
    return is == RHI_RETURN_NO_CODE                 ? "which is not in code"
           : is == RHI_RETURN_NO_CALL && frame == 0 ? "which is not behind a call"
                                                    : NULL;
}

/* The call lies before its return address, which may be behind the end of the function. */
stack rhi__stack_rows(rhi_session *session, const rhi_reader *reader, const rhi_event *event)
{
    stack s = {.rows = calloc((size_t)event->depth * RHI_CALLS_MAX + 1, sizeof *s.rows)};
    for (unsigned i = 0; s.rows && i < event->depth; i++) {
        unsigned count = 0;
        const char *doubt = doubt_of(session, event, i);
        const rhi_call *calls =
            !doubt ? rhi__symbols_calls(session->symbols, event->stack[i] - 1, &count) : NULL;
        for (unsigned k = 0; k < count; k++)
            s.rows[s.end++] = (row){.address = event->stack[i], .call = &calls[k]};
        if (count == 0)
            s.rows[s.end++] = (row){.address = event->stack[i], .doubt = doubt};
    }
    reader->memory->is_short |= !s.rows; /* said in the answer */
    leave_out(reader, event, &s);
    return s;
}

const rhi_json_type rhi__call_type = {
    .name = "call",
    .doc = "A place in the program: a call of a stack, or the innermost one of an event.",
    .members = (const rhi_json_member[]){
        {"address", .is = RHI_JSON_ADDRESS, "the return address, or that of the instruction"},
        {"module", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "the file that it lies in and the offset, as libfoo.so+0x4040"},
        {"function", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "its function; null: no symbol tells"},
        {"file", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "the source file of the call; null: not known"},
        {"line", .is = RHI_JSON_COUNT | RHI_JSON_NULL, "the line of the call; null: not known"},
        {"doubt", .is = RHI_JSON_TEXT | RHI_JSON_OPTIONAL,
         "why no call was made there, whatever was recorded: the record is damaged, or the code is "
         "another one by now"},
        {"inlined", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: it was inlined, into the next one of the stack"},
        {0}}};

json_t *rhi__stack_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event)
{
    json_t *array = json_array();
    stack s = rhi__stack_rows(session, reader, event);
    for (uint64_t i = s.first; i < s.end; i++) {
        char where[256] = "";
        const rhi_call *call = s.rows[i].call;
        bool is_module = rhi__module_text(reader->memory, s.rows[i].address, where, sizeof where),
             has_line = call && call->file;
        json_t *json =
            json_pack("{s:o, s:o, s:o, s:o, s:o}", "address", rhi__json_address(s.rows[i].address),
                      "module", is_module ? rhi__json_text(where) : json_null(), "function",
                      call && call->name ? rhi__json_text(call->name) : json_null(), "file",
                      has_line ? rhi__json_text(call->file) : json_null(), "line",
                      has_line ? json_integer(call->line) : json_null());
        if (call && call->is_inlined)
            json_object_set_new(json, "inlined", json_true());
        if (s.rows[i].doubt)
            json_object_set_new(json, "doubt", rhi__json_text(s.rows[i].doubt));
        json_array_append_new(array, json);
    }
    free(s.rows);
    return array;
}

void rhi__stack_print(rhi_session *session, const rhi_reader *reader, const rhi_event *event,
                      const char *indent)
{
    stack s = rhi__stack_rows(session, reader, event);
    for (uint64_t i = s.first; i < s.end; i++) {
        char where[256] = "";
        const rhi_call *call = s.rows[i].call;
        const char *name = call && call->name ? call->name : "?";
        rhi__print(session, "%s#%-2" PRIu64 " 0x%" PRIx64, indent, i - s.first, s.rows[i].address);
        if (s.rows[i].doubt)
            rhi__print(session, ", as recorded, %s", s.rows[i].doubt);
        else if (!call)
            rhi__print(
                session, "%s%s",
                rhi__module_text(reader->memory, s.rows[i].address, where, sizeof where) ? " " : "",
                where);
        else if (call->file)
            rhi__print(session, " %s() %s:%d", name, base_name(call->file), call->line);
        else if (call->offset)
            rhi__print(session, " %s()+0x%" PRIx64, name, call->offset + 1);
        else
            rhi__print(session, " %s()", name);
        rhi__print(session, "%s\n", call && call->is_inlined ? " (inlined)" : "");
    }
    free(s.rows);
}

void rhi__place_text(rhi_session *session, const rhi_reader *reader, const rhi_event *event,
                     char text[RHI_PLACE_SIZE])
{
    text[0] = '\0';
    if (!event->depth)
        return;
    char where[256];
    snprintf(where, sizeof where, "0x%" PRIx64, event->stack[0]); /* where no module is known */
    stack s = rhi__stack_rows(session, reader, event);
    const rhi_call *call = s.first < s.end ? s.rows[s.first].call : NULL;
    const char *doubt = s.first < s.end ? s.rows[s.first].doubt : NULL;
    const char *name = call && call->name ? call->name : "?";
    rhi__module_text(reader->memory, event->stack[0], where, sizeof where);
    if (doubt)
        rhi__text(text, RHI_PLACE_SIZE, "at 0x%" PRIx64 ", as recorded, %s", event->stack[0],
                  doubt);
    else if (!call)
        rhi__text(text, RHI_PLACE_SIZE, "at %s", where);
    else if (call->file)
        rhi__text(text, RHI_PLACE_SIZE, "in %s() at %s:%d", name, base_name(call->file),
                  call->line);
    else
        rhi__text(text, RHI_PLACE_SIZE, "in %s()+0x%" PRIx64, name, call->offset + 1);
    free(s.rows);
}

void rhi__death_text(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                     const rhi_event *event, char text[RHI_DEATH_SIZE])
{
    rhi_site site;
    char born[RHI_SITE_SIZE] = "", place[RHI_PLACE_SIZE] = "";
    if (rhi__site(reader, object, &site))
        rhi__born_text(&site, born);
    if (event)
        rhi__place_text(session, reader, event, place);
    rhi__text(text, RHI_DEATH_SIZE, "%s%s%s%s%s%s", born[0] ? "born " : "", born,
              born[0] ? ", " : "", rhi__freed_text(object->death), place[0] ? " " : "", place);
}

json_t *rhi__place_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event)
{
    json_t *all = rhi__stack_json(session, reader, event), *first = json_array_get(all, 0);
    json_incref(first);
    json_decref(all);
    return first ? first : json_null();
}
