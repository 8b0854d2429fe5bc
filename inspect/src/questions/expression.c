/* expression.c - writes the path to an object as an expression for the debugger (see expression.h).
 *
 * It grows step by step. Where a debugger evaluates, each step is evaluated before it is kept: as
 * C by the declared types first, with a cast to what the object is known to be otherwise, and if
 * nothing else works, the slot's address with a cast. Without a debugger, DWARF says where a cast
 * is needed. Invariants: nothing is run in the target for a check; no text of the target reaches a
 * debugger unless it is a plain name or path of members. */
#include "questions/expression.h"
#include "base/array.h"
#include "program/dwarf.h"
#include "words/naming.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { EXPRESSION_SIZE = 1024, STEPS_MAX = 64 };

typedef struct writer {
    rhi_session *session;
    rhi_reader *reader;
    rhi_path *path;
    char text[EXPRESSION_SIZE]; /* so far */
    rhi_dwarf *dwarf;           /* without a debugger: what the text's type is, if known */
    uint64_t type;
} writer;

static bool is_plain(const char *text)
{
    const char *c = text;
    for (size_t scope = strlen(RHI_ANONYMOUS); *c;)
        if (strncmp(c, RHI_ANONYMOUS, scope) == 0)
            c += scope;
        else if (isalnum((unsigned char)*c) || strchr("_.:[]$", *c))
            c++;
        else
            return false;
    return *text != '\0';
}

static bool is_identifier(const char *text)
{
    return is_plain(text) && !isdigit((unsigned char)*text) && text[strcspn(text, ".:[]$")] == '\0';
}

static bool evaluate(const writer *w, const char *text, uint64_t *value)
{
    const rhi_target *target = w->session->target;
    char error[256];
    bool in_thread = w->path->in_thread;
    return target->evaluate_in(target->context, in_thread ? w->path->lwp : 0,
                               in_thread ? w->path->frame : 0, text, value, error,
                               sizeof error) == 0;
}

/* Keeps the text if it stands for `wanted`. */
__attribute__((format(printf, 3, 4))) static bool keep(writer *w, uint64_t wanted,
                                                       const char *format, ...)
{
    char text[EXPRESSION_SIZE];
    uint64_t value;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text || !evaluate(w, text, &value) ||
        value != wanted)
        return false;
    memcpy(w->text, text, sizeof text);
    return true;
}

/* "node", "struct node", or as the value types of the runtime are called; or what its format says.
 * False: no text for it. */
static bool type_spelling(const rhi_reader *reader, const rhi_object *object, int way,
                          char *spelling, size_t size)
{
    static const char *const before[] = {"", "struct ", "rh_"};
    const char *own = rhi__format_of(reader, object->heap)->c_type,
               *name = own ? own : rhi__type_name(reader, object->type);
    if (way >= (own ? 1 : 3) || !is_identifier(name))
        return false;
    snprintf(spelling, size, "%s%s", before[way], name);
    return true;
}

/* By the slot alone: what every debugger understands. */
static bool keep_address(writer *w, uint64_t slot, const rhi_object *object)
{
    char type[RHI_NAME_SIZE + 16];
    for (int way = 0; type_spelling(w->reader, object, way, type, sizeof type); way++)
        if (keep(w, object->address, "*(%s **)0x%" PRIx64, type, slot))
            return true;
    return keep(w, object->address, "*(void **)0x%" PRIx64, slot);
}

/* ---- the root ------------------------------------------------------------------------------- */

/* The variable in which the root lies: a registered root has a label and lies in some variable. */
static const rhi_variable *variable_of(const writer *w, rhi_holders *slot)
{
    const rhi_holder *root = &w->path->root;
    const rhi_memory *memory = w->reader->memory;
    if (root->kind != RHI_HOLDER_ROOT)
        return root->variable;
    const rhi_region *region = rhi__memory_region(memory, root->address);
    rhi_holder word = {.kind = RHI_HOLDER_GLOBAL, .address = root->address};
    for (uint64_t i = 0; i < memory->map.threads.count && region; i++)
        if (rhi__memory_region(memory, memory->map.threads.items[i].stack_pointer) == region) {
            word.kind = RHI_HOLDER_STACK;
            word.lwp = memory->map.threads.items[i].lwp;
        }
    rhi__error_free(rhi__collect_holder(slot, &word));
    rhi__name_holders(w->session, w->reader, slot, slot->count);
    return slot->count ? slot->items[0].variable : NULL;
}

static void set_scope(rhi_path *path, bool in_thread, bool in_frame, uint64_t lwp, uint32_t frame)
{
    path->in_thread = in_thread;
    path->in_frame = in_frame;
    path->lwp = lwp;
    path->frame = frame;
}

/* A variable of a namespace or class: GDB, stopped in C, knows the whole name in quotes alone;
 * LLDB knows what is in an unnamed namespace by the rest of its name. */
static bool keep_scoped(writer *w, const char *text, const rhi_object *object)
{
    char rest[RHI_VARIABLE_SIZE];
    size_t used = 0, scope = strlen(RHI_ANONYMOUS), length = strcspn(text, ".[");
    if (keep(w, object->address, "::%s", text))
        return true;
    if (strstr(text, "::") &&
        keep(w, object->address, "'%.*s'%s", (int)length, text, text + length))
        return true;
    for (const char *at = text; *at && used + 1 < sizeof rest;) {
        if (strncmp(at, RHI_ANONYMOUS, scope) == 0)
            at += scope;
        else
            rest[used++] = *at++;
    }
    rest[used] = '\0';
    return strlen(text) != used && keep(w, object->address, "::%s", rest);
}

static bool start(writer *w, const rhi_object *object)
{
    rhi_path *path = w->path;
    rhi_holders slot = {0};
    const rhi_variable *v = variable_of(w, &slot);
    uint64_t lwp = slot.count ? slot.items[0].lwp : path->root.lwp;
    bool done = false;
    if (v && is_plain(v->text)) {
        set_scope(path, v->is_local || path->root.kind == RHI_HOLDER_THREAD_LOCAL, v->is_local, lwp,
                  v->frame);
        if (v->function[0] && !v->is_local) /* a static: in scope in its function alone */
            done =
                is_plain(v->function) && keep(w, object->address, "%s::%s", v->function, v->text);
        done = done || keep(w, object->address, "%s", v->text) ||
               (!v->is_local && keep_scoped(w, v->text, object));
    }
    if (path->root.kind == RHI_HOLDER_REGISTER && path->root.name &&
        is_identifier(path->root.name)) {
        set_scope(path, true, false, path->root.lwp, 0);
        done = keep(w, object->address, "$%s", path->root.name);
    }
    rhi__holders_free(&slot);
    if (!done)
        set_scope(path, false, false, 0, 0);
    return done || (path->root.address && keep_address(w, path->root.address, object));
}

/* ---- steps ---------------------------------------------------------------------------------- */

/* The slot's name; then with the index at each dot of it, because the name of a vector does not
 * say which part of it is the vector. False: no other way. */
static bool slot_spelling(const rhi_path_step *step, int way, char *spelling, size_t size)
{
    const char *at = step->field ? step->field->name : "";
    if (way == 0) {
        snprintf(spelling, size, "%s", step->name);
        return is_plain(step->name);
    }
    if (!step->field || step->field->form == RHI_FORM_ONE || !is_plain(at))
        return false;
    for (int i = 0; i < way && *at; i++)
        at += strcspn(at + 1, ".") + 1;
    snprintf(spelling, size, "%.*s[%" PRIu64 "]%s", (int)(at - step->field->name),
             step->field->name, step->element, at);
    return *at;
}

static bool advance(writer *w, const rhi_path_step *step)
{
    char before[EXPRESSION_SIZE], type[RHI_NAME_SIZE + 16], member[RHI_NAME_SIZE + 32];
    memcpy(before, w->text, sizeof before);
    for (int dot = 0; slot_spelling(step, dot, member, sizeof member); dot++) {
        if (keep(w, step->wanted, before[0] == '*' || before[0] == '$' ? "(%s)->%s" : "%s->%s",
                 before, member))
            return true;
        for (int way = 0; type_spelling(w->reader, &step->object, way, type, sizeof type); way++)
            if (keep(w, step->wanted, "((%s *)%s)->%s", type, before, member))
                return true;
    }
    return false;
}

static bool write_verified(writer *w)
{
    const rhi_path *path = w->path;
    rhi_path_step step, last = {.slot = 0};
    bool good = path->objects.count <= STEPS_MAX && rhi__path_step(w->reader, path, 0, &step) &&
                start(w, &step.object);
    for (uint64_t i = 0; good && i + 1 < path->objects.count; i++)
        good = rhi__path_step(w->reader, path, i, &step) && advance(w, &step);
    if (good || path->objects.count < 2)
        return good;
    /* The slot that holds the object, wherever it is. */
    set_scope(w->path, false, false, 0, 0);
    return rhi__path_step(w->reader, path, path->objects.count - 2, &last) && last.slot &&
           rhi__path_step(w->reader, path, path->objects.count - 1, &step) &&
           keep_address(w, last.slot, &step.object);
}

/* ---- without a debugger --------------------------------------------------------------------- */

/* What the step's object may be called in the program, as the debugger's casts try it; 0: no such
 * type. */
static uint64_t type_of_object(const writer *w, const rhi_path_step *step, char *spelling,
                               size_t size)
{
    const char *name = rhi__type_name(w->reader, step->object.type);
    bool is_struct = false;
    uint64_t type = 0;
    char value_type[RHI_NAME_SIZE + 8];
    snprintf(value_type, sizeof value_type, "rh_%s", name);
    if (is_identifier(name) && !(type = rhi__dwarf_type(w->dwarf, name, &is_struct))) {
        type = rhi__dwarf_type(w->dwarf, value_type, &is_struct);
        name = value_type;
    }
    snprintf(spelling, size, "%s%s", is_struct ? "struct " : "", name);
    return type;
}

/* Does the declared type lead on, or must the text be cast? */
static bool advance_unverified(writer *w, const rhi_path_step *step)
{
    char before[EXPRESSION_SIZE], cast[RHI_NAME_SIZE + 32], member[RHI_NAME_SIZE + 32];
    memcpy(before, w->text, sizeof before);
    uint64_t types[] = {w->type, w->dwarf ? type_of_object(w, step, cast, sizeof cast) : 0};
    int length = -1;
    for (int i = 0; i < 2 && w->dwarf && length < 0; i++)
        for (int dot = 0; length < 0 && slot_spelling(step, dot, member, sizeof member); dot++) {
            w->type = types[i];
            if (types[i] && rhi__dwarf_follow(w->dwarf, &w->type, member))
                length =
                    i ? snprintf(w->text, sizeof w->text, "((%s *)%s)->%s", cast, before, member)
                      : snprintf(w->text, sizeof w->text, "%s->%s", before, member);
        }
    if (length < 0) { /* from here on by names alone */
        w->dwarf = NULL;
        length = slot_spelling(step, 0, member, sizeof member)
                     ? snprintf(w->text, sizeof w->text, "%s->%s", before, member)
                     : -1;
    }
    return length > 0 && (size_t)length < sizeof w->text;
}

static bool write_unverified(writer *w)
{
    const rhi_path *path = w->path;
    rhi_holders slot = {0};
    const rhi_variable *v = variable_of(w, &slot);
    rhi_path_step step;
    /* A word that points into the object is no expression for it, and nobody evaluates one here. */
    bool good = v && path->root.value == path->root.target && !v->is_local && is_plain(v->text) &&
                path->objects.count <= STEPS_MAX;
    if (good) {
        snprintf(w->text, sizeof w->text, "%s%s%s", v->function, v->function[0] ? "::" : "",
                 v->text);
        w->dwarf = v->dwarf;
        w->type = v->type_die;
        set_scope(w->path, path->root.kind == RHI_HOLDER_THREAD_LOCAL, false, path->root.lwp, 0);
    }
    for (uint64_t i = 0; good && i + 1 < path->objects.count; i++)
        good = rhi__path_step(w->reader, path, i, &step) && advance_unverified(w, &step);
    rhi__holders_free(&slot);
    return good;
}

/* ---- in the language of the objects --------------------------------------------------------- */

/* Are all of the format that knows the root? */
static bool take_steps(rhi_reader *reader, const rhi_path *path, const rhi_format *format,
                       rhi_way_step *steps)
{
    rhi_path_step step;
    for (uint64_t i = 0; i < path->objects.count; i++) {
        if (!rhi__path_step(reader, path, i, &step) ||
            rhi__format_of(reader, step.object.heap) != format)
            return false;
        steps[i] = (rhi_way_step){.object = step.object,
                                  .field = step.field,
                                  .element = step.element,
                                  .slot = step.slot,
                                  .value = step.wanted};
    }
    return true;
}

static void write_in_language(rhi_reader *reader, rhi_path *path)
{
    rhi_way_step steps[STEPS_MAX];
    char text[EXPRESSION_SIZE];
    if (!path->has_root || path->root.kind != RHI_HOLDER_ROOT || path->words.count != 1 ||
        path->objects.count > STEPS_MAX)
        return;
    const rhi_root *root = &reader->roots.items[path->root.index];
    const rhi_format *format = rhi__format_of(reader, root->heap);
    if (!format->express || !take_steps(reader, path, format, steps) ||
        !format->express(reader, &(rhi_way){root, steps, path->objects.count}, text, sizeof text))
        return;
    path->in_language = strdup(text);
    path->language = format->language;
}

void rhi__path_express(rhi_session *session, rhi_reader *reader, rhi_path *path)
{
    writer w = {.session = session, .reader = reader, .path = path, .text = ""};
    bool verified = session->target->evaluate_in != NULL;
    if (path->objects.count < (path->has_root ? 1 : 2))
        return;
    write_in_language(reader, path);
    if (verified ? write_verified(&w) : path->has_root && write_unverified(&w)) {
        path->expression = strdup(w.text);
        path->is_unverified = !verified;
    }
}
