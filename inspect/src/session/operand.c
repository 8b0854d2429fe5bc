/* operand.c - the value of an expression of the kind that refheap prints, where no debugger
 * evaluates (see resolve.h).
 *
 * Names of variables and registered roots; ., ->, [n]; unary * and &; parentheses and casts to a
 * pointer. As in a debugger pointers and integers count by value, arrays and structs by address.
 * Invariant: nothing is called, nothing written; the text is read once from left to right, nested
 * to a bound. */
#include "session/resolve.h"
#include "heap/fields.h"
#include "heap/objects.h"
#include "program/symbols.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NESTED_MAX = 32, NAMED_MAX = 64 };

/* A place of the target, or (is_value) a pointer that was made of one. Type 0: not known, taken as
 * a pointer. */
typedef struct value {
    rhi_dwarf *dwarf;
    uint64_t type; /* of what lies at the place, or of what the pointer points to */
    uint64_t at;
    unsigned taken; /* dimensions of an array that were followed */
    bool is_value;
} value;

typedef struct parser {
    rhi_session *session;
    rhi_reader *reader;
    const char *text, *at;
    rhi_error *error;
    unsigned depth;
} parser;

__attribute__((format(printf, 2, 3))) static bool fail(parser *p, const char *format, ...)
{
    char what[640];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    if (!p->error)
        p->error = rhi__error("cannot evaluate '%.100s': %s", p->text, what);
    return false;
}

static void skip_spaces(parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

static bool take(parser *p, const char *sign)
{
    skip_spaces(p);
    if (strncmp(p->at, sign, strlen(sign)) != 0)
        return false;
    p->at += strlen(sign);
    return true;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool shape_of(const value *v, rhi_shape *shape)
{
    *shape = (rhi_shape){.kind = RHI_SHAPE_POINTER, .size = 8};
    return !v->type || rhi__dwarf_shape(v->dwarf, v->type, v->taken, shape);
}

/* What the operand means: the number itself, or where the array or struct lies. */
static bool number_of(parser *p, const value *v, uint64_t *number)
{
    rhi_shape shape;
    uint8_t bytes[8];
    *number = v->at;
    if (v->is_value)
        return true;
    if (!shape_of(v, &shape))
        return fail(p, "its type is not known");
    if (shape.kind == RHI_SHAPE_ARRAY || shape.kind == RHI_SHAPE_STRUCT)
        return true;
    if (shape.size == 0 || shape.size > sizeof bytes)
        return fail(p, "it is neither a pointer nor an integer");
    if (rhi__memory_read(&p->session->memory, v->at, bytes, shape.size) != shape.size)
        return fail(p, "the memory at 0x%" PRIx64 " cannot be read", v->at);
    *number = rhi__load(bytes, (unsigned)shape.size);
    return true;
}

static bool is_pointer(const value *v)
{
    rhi_shape shape;
    return v->type && shape_of(v, &shape) && shape.kind == RHI_SHAPE_POINTER;
}

/* The pointer at a place, as a value; of an array the pointer to its first element. */
static bool decay(parser *p, value *v)
{
    rhi_shape shape;
    uint64_t number;
    if (v->is_value)
        return true;
    if (!shape_of(v, &shape) || (shape.kind != RHI_SHAPE_POINTER && shape.kind != RHI_SHAPE_ARRAY))
        return fail(p, "a pointer is wanted before '%.20s'", p->at);
    if (!number_of(p, v, &number))
        return false;
    /* points to rows of the same array type */
    bool is_row = shape.kind == RHI_SHAPE_ARRAY && shape.dimensions > 1;
    *v = (value){.dwarf = v->dwarf,
                 .type = is_row ? v->type : shape.target,
                 .at = number,
                 .taken = is_row ? v->taken + 1 : 0,
                 .is_value = true};
    return true;
}

static bool pointed(parser *p, value *v)
{
    if (!decay(p, v))
        return false;
    v->is_value = false;
    return true;
}

static bool element(parser *p, value *v)
{
    rhi_shape shape;
    char *end;
    uint64_t index = strtoull(p->at, &end, 0), size = 8, offset;
    if (end == p->at || !isdigit((unsigned char)*p->at))
        return fail(p, "an index is a number");
    p->at = end;
    if (!take(p, "]"))
        return fail(p, "']' is missing");
    if (v->is_value || !shape_of(v, &shape) || shape.kind != RHI_SHAPE_ARRAY) {
        if (!pointed(p, v))
            return false;
        if (v->type)
            size = rhi__dwarf_size(v->dwarf, v->type);
    } else {
        size = shape.size;
        if (!pointed(p, v))
            return false;
    }
    if (size == 0 || __builtin_mul_overflow(size, index, &offset))
        return fail(p, "the elements' size is not known");
    v->at += offset;
    return true;
}

/* ---- names ---------------------------------------------------------------------------------- */

static bool ambiguous(parser *p, const rhi_named *found, unsigned count)
{
    char list[160] = "", hint[RHI_NAME_SIZE];
    for (unsigned i = 0; i < count && i < 3; i++) {
        size_t used = strlen(list);
        if (found[i].lwp)
            snprintf(list + used, sizeof list - used, "%s0x%" PRIx64 " in thread %" PRIu64,
                     i ? ", " : "", found[i].address, found[i].lwp);
        else
            snprintf(list + used, sizeof list - used, "%s0x%" PRIx64, i ? ", " : "",
                     found[i].address);
    }
    rhi__no_variables(p->reader, hint);
    return fail(p, "several variables are called so: at %s%s%s%s", list, count > 3 ? ", …" : "",
                hint[0] ? "; " : "", hint);
}

/* Of several the one that holds something, if there is one: a thread-local is often NULL in the
 * other threads. */
static unsigned choose(parser *p, const rhi_named *found, unsigned count)
{
    unsigned chosen = UINT32_MAX;
    uint64_t word;
    for (unsigned i = 0; i < count; i++) {
        if (!found[i].lwp || !rhi__memory_u64(&p->session->memory, found[i].address, &word))
            return count == 1 ? 0 : UINT32_MAX;
        if (word && chosen != UINT32_MAX)
            return UINT32_MAX;
        chosen = word ? i : chosen;
    }
    return chosen == UINT32_MAX ? 0 : chosen;
}

/* A registered root by its label; each slot once. */
static unsigned roots_named(const parser *p, const char *name, size_t length, rhi_named *found)
{
    unsigned count = 0;
    for (uint64_t i = 0; i < p->reader->roots.count && count < NAMED_MAX; i++) {
        const rhi_root *root = &p->reader->roots.items[i];
        if (rhi__is_typed_name(name, length, root->name) &&
            rhi__heap_wanted(p->session, p->reader, root->heap) &&
            !(count && found[count - 1].address == root->slot))
            found[count++] = (rhi_named){.address = root->slot};
    }
    return count;
}

static bool known(parser *p, const char *name, size_t length, value *v)
{
    rhi_named found[NAMED_MAX];
    char examples[RHI_NAME_SIZE], hint[RHI_NAME_SIZE];
    unsigned count = rhi__symbols_named(p->session->symbols, name, length, found, NAMED_MAX);
    if (count == 0)
        count = roots_named(p, name, length, found);
    if (count == 0 && isdigit((unsigned char)name[0]))
        return fail(p,
                    "'%.*s' is no number of at most 64 bits, and no name begins with a digit; "
                    "hexadecimal numbers begin with 0x",
                    length < 60 ? (int)length : 60, name);
    if (count == 0) {
        rhi__examples(p->reader, examples);
        rhi__no_variables(p->reader, hint);
        return fail(p,
                    "no variable or registered root '%.*s'; operands here are numbers, objects "
                    "(%s), registered roots, and globals, "
                    "statics and thread-locals by debug info (locals need GDB or LLDB)%s%s",
                    length < 60 ? (int)length : 60, name, examples, hint[0] ? "; " : "", hint);
    }
    unsigned chosen = choose(p, found, count);
    if (chosen == UINT32_MAX)
        return ambiguous(p, found, count);
    *v = (value){
        .dwarf = found[chosen].dwarf, .type = found[chosen].type, .at = found[chosen].address};
    return true;
}

/* What is behind "name", "function::name", "'file.c'::name", "a::(anonymous namespace)::name",
 * "'a::name'". */
static const char *name_end(const char *at)
{
    size_t scope = strlen(RHI_ANONYMOUS);
    if (*at == '\'') {
        at += 1 + strcspn(at + 1, "'");
        at += *at == '\'';
    }
    for (;;)
        if (is_name(*at))
            at++;
        else if (at[0] == ':' && at[1] == ':')
            at += 2;
        else if (strncmp(at, RHI_ANONYMOUS, scope) == 0)
            at += scope;
        else
            return at;
}

static bool name(parser *p, value *v)
{
    skip_spaces(p);
    const char *start = p->at;
    p->at = name_end(start);
    size_t length = (size_t)(p->at - start);
    if (length > 2 && start[0] == '\'' && start[length - 1] == '\'') { /* "'a::name'" */
        start++;
        length -= 2;
    }
    if (length > 2 && start[0] == ':') { /* "::name" */
        start += 2;
        length -= 2;
    }
    if (length == 0)
        return fail(p, *p->at ? "a name is wanted at '%.20s'" : "it ends too early", p->at);
    return known(p, start, length, v);
}

/* "name+16", "libfoo.so+0x4040": a word that has no name of its own. */
static bool word_behind(parser *p, value *v)
{
    const char *plus = strrchr(p->text, '+');
    char *end;
    if (!plus || plus == p->text || !isdigit((unsigned char)plus[1]))
        return false;
    uint64_t offset = strtoull(plus + 1, &end, 0);
    size_t length = (size_t)(plus - p->text);
    if (*end)
        return false;
    *v = (value){.at = rhi__symbols_module(p->session->symbols, p->text, length)};
    if (!v->at && name_end(p->text) != plus)
        return false;
    if (!v->at && !known(p, p->text, length, v))
        return false;
    if (is_pointer(v)) /* debuggers add to its value */
        return fail(p, "'%.*s' is a pointer, and nothing is added to it here: give an address",
                    length < 60 ? (int)length : 60, p->text);
    *v = (value){.at = v->at + offset};
    return true;
}

/* ---- the grammar ---------------------------------------------------------------------------- */

static bool unary(parser *p, value *v);

typedef struct slot_search {
    const char *name;
    size_t length;
    uint64_t address;
} slot_search;

static bool match_slot(void *context, const rhi_slot *slot)
{
    slot_search *s = context;
    char text[RHI_NAME_SIZE + 32];
    rhi__slot_name(slot->field, slot->element, text, sizeof text);
    if (strlen(text) != s->length || memcmp(text, s->name, s->length) != 0)
        return true;
    s->address = slot->address;
    return false;
}

/* By the heap's own types: a slot of the object that the pointer leads to, named up to the next
 * arrow. */
static bool slot_of_object(parser *p, value *v)
{
    slot_search s = {.name = p->at};
    rhi_object object;
    rhi_scratch scratch = {0};
    enum rhi_place place;
    while (is_name(s.name[s.length]) || strchr(".[]", s.name[s.length] ? s.name[s.length] : ' '))
        s.length++;
    if (!rhi__place_of(p->reader, v->at, &place, &object) || place != RHI_PLACE_LIVE ||
        object.address != v->at)
        return false;
    const uint8_t *bytes = rhi__object_bytes(p->reader, &object, &scratch);
    if (bytes)
        rhi__each_slot(p->reader, &object, bytes, match_slot, &s);
    rhi__scratch_free(&scratch);
    if (!s.address)
        return false;
    p->at += s.length;
    *v = (value){.at = s.address};
    return true;
}

static bool member(parser *p, value *v)
{
    rhi_text text = {p->at, 0};
    uint64_t offset;
    skip_spaces(p);
    for (text.at = p->at; is_name(text.at[text.length]);)
        text.length++;
    if (v->type && v->taken == 0 && text.length &&
        rhi__dwarf_member(v->dwarf, &v->type, &text, &offset)) {
        v->at += offset;
        p->at += text.length;
        return true;
    }
    return slot_of_object(p, v) ||
           fail(p, "there is no member '%.*s'", text.length < 60 ? (int)text.length : 60, text.at);
}

/* "struct node *)": a cast, if it is one; the parenthesis was taken. */
static bool cast(parser *p, value *v, bool *is_cast)
{
    const char *start = p->at, *name_at;
    char type[RHI_NAME_SIZE];
    skip_spaces(p);
    if (strncmp(p->at, "struct ", 7) == 0)
        p->at += 7;
    for (name_at = p->at; is_name(*p->at);)
        p->at++;
    size_t length = (size_t)(p->at - name_at);
    *is_cast = length && length < sizeof type && take(p, "*") && take(p, ")");
    if (!*is_cast) {
        p->at = start;
        return true;
    }
    snprintf(type, sizeof type, "%.*s", (int)length, name_at);
    if (!unary(p, v))
        return false;
    value pointer = {.is_value = true};
    if (!number_of(p, v, &pointer.at))
        return false;
    pointer.type = rhi__symbols_type(p->session->symbols, type, &pointer.dwarf);
    *v = pointer;
    return true;
}

static bool primary(parser *p, value *v)
{
    bool is_cast;
    skip_spaces(p);
    if (strncmp(p->at, RHI_ANONYMOUS, strlen(RHI_ANONYMOUS)) == 0 || !take(p, "("))
        return name(p, v);
    if (!cast(p, v, &is_cast))
        return false;
    if (is_cast)
        return true;
    return unary(p, v) && (take(p, ")") || fail(p, "')' is missing"));
}

static bool postfix(parser *p, value *v)
{
    if (!primary(p, v))
        return false;
    for (;;) {
        bool good = true;
        if (take(p, "->"))
            good = pointed(p, v) && member(p, v);
        else if (take(p, "."))
            good = !v->is_value && !is_pointer(v) ? member(p, v)
                                                  : fail(p, "'.' behind a pointer: write '->'");
        else if (take(p, "["))
            good = element(p, v);
        else
            return true;
        if (!good)
            return false;
    }
}

static bool unary(parser *p, value *v)
{
    bool good;
    if (++p->depth > NESTED_MAX)
        return fail(p, "it is nested too deeply");
    if (take(p, "*")) {
        good = unary(p, v) && pointed(p, v);
    } else if (take(p, "&")) {
        good = unary(p, v) && (!v->is_value || fail(p, "it has no address"));
        v->is_value = true;
    } else {
        good = postfix(p, v);
    }
    p->depth--;
    return good;
}

rhi_error *rhi__operand_evaluate(rhi_session *session, rhi_reader *reader, const char *text,
                                 uint64_t *address)
{
    parser p = {.session = session, .reader = reader, .text = text, .at = text};
    value v = {.at = 0};
    bool good = word_behind(&p, &v);
    if (!good && !p.error && unary(&p, &v)) {
        skip_spaces(&p);
        good = *p.at == '\0' || fail(&p, "'%.20s' is not understood here", p.at);
    }
    if (good && number_of(&p, &v, address))
        return NULL;
    if (!rhi__operand_is_root(session, reader, text, address)) /* a label may be any text */
        return p.error;
    rhi__error_free(p.error);
    return NULL;
}

bool rhi__operand_is_root(rhi_session *session, rhi_reader *reader, const char *text,
                          uint64_t *address)
{
    parser p = {.session = session, .reader = reader, .text = text};
    rhi_named found[NAMED_MAX];
    return roots_named(&p, text, strlen(text), found) == 1 &&
           rhi__memory_u64(&session->memory, found[0].address, address);
}
