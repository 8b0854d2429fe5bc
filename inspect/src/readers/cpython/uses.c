/* uses.c - which code of the program names a variable: a global of a module, or an attribute (see
 * python.h, uses.h).
 *
 * A code object does not know whose globals it runs with, but functions do, and the code within a
 * function's constants runs with the same. Names alone are compared: what the code does elsewhere
 * with what it reached by another name is not known.
 * Invariant: of code that is not decoded to its end nothing is said. */
#include "readers/cpython/uses.h"
#include "heap/objects.h"
#include "readers/cpython/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TUPLE_ITEMS = 24,
    MODULE_DICT = 16,
    PATH_SIZE = 4096,
    NAMES_MAX = 1 << 16,
    CONSTANTS_MAX = 1 << 20,
    HITS_MAX = 256,      /* in one piece of code */
    STEPS_MAX = 1 << 24, /* instructions that are followed, entries that are compared */
    POLL_EVERY = 256,
    OPTIMIZED = 1 /* a flag of code: its names are no entries of a dict */
};

/* ---- the variable --------------------------------------------------------------------------- */

/* The key of an entry, or the name of an attribute; 0: it is neither. */
static uint64_t key_of(const py_views *views, const rhi_variable_slot *slot, bool *is_entry)
{
    *is_entry = slot->field == &views->labels[PY_LABEL_VALUE];
    return *is_entry || slot->field == &views->labels[PY_LABEL_ATTRIBUTE] ||
                   slot->field == &views->labels[PY_LABEL_INNER_ATTRIBUTE]
               ? slot->element
               : 0;
}

static bool is_name(const char *text)
{
    for (const char *c = text; *c; c++)
        if (!(*c == '_' || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (*c >= '0' && *c <= '9' && c > text) || *c & 0x80))
            return false;
    return *text;
}

/* __name__, __file__, … */
static bool is_pythons_own(const char *name)
{
    size_t length = strlen(name);
    return length > 4 && strncmp(name, "__", 2) == 0 && strcmp(name + length - 2, "__") == 0;
}

/* Functions, classes and modules have names, too: who calls these is another question. */
static bool is_data(const py_finder *f, uint64_t value)
{
    const py_type *type = py_type_at(f->py, value);
    return type && type->layout != PY_FUNCTION && type->layout != PY_TYPE &&
           type->layout != PY_MODULE && type->layout != PY_BUILTIN &&
           type->layout != PY_DESCRIPTOR && type->layout != PY_CODE;
}

static bool is_container(const py_finder *f, uint64_t value)
{
    const py_type *type = py_type_at(f->py, value);
    return type && (type->layout == PY_LIST || rhi__py_is_a(type, PY_DICT) ||
                    type->layout == PY_DEQUE || type->layout == PY_OWN_WORDS ||
                    (type->layout == PY_SET &&
                     strcmp(rhi__plain_type_name(f->reader, py_type_number(f->py, type)),
                            "frozenset") != 0));
}

/* The module that the dict's variables are those of; 0: none. */
static uint64_t module_of(py_runtime *py, uint64_t dict, const char *name)
{
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        uint64_t module = rhi__py_dict_get(py, py->interpreters.items[i].modules, name);
        if (module && py_word_at(py, module + MODULE_DICT) == dict)
            return module;
    }
    return 0;
}

/* What is looked for; shown: "app.cache". False: no code names that. */
static bool understand(py_finder *f, rhi_reader *reader, const rhi_variable_slot *slot,
                       char shown[RHI_NAME_SIZE])
{
    char what[RHI_NAME_SIZE], of[RHI_NAME_SIZE];
    bool is_entry;
    *f = (py_finder){.py = py_of_heap(reader, slot->holder.heap), .reader = reader};
    if (!f->py->views || !slot->field || !is_data(f, slot->value))
        return false;
    f->key = key_of(f->py->views, slot, &is_entry);
    if (f->key ? !rhi__py_text(f->py, f->key, f->name, sizeof f->name)
               : slot->field != &f->py->views->labels[PY_LABEL_MEMBER])
        return false;
    if (!f->key)
        slot->field->call(slot->field->context, slot->element, f->name, sizeof f->name);
    if (!is_name(f->name) || is_pythons_own(f->name))
        return false;
    f->is_container = is_container(f, slot->value);
    if (is_entry && rhi__py_scope(reader, &slot->holder, what, of)) {
        f->globals = slot->holder.address;
        f->owner = module_of(f->py, f->globals, of);
        rhi__text(shown, RHI_NAME_SIZE, "%s.%s", of, f->name);
        return true;
    }
    const rhi_object *owner = is_entry ? &slot->owner : &slot->holder;
    f->owner = owner->address;
    f->class = f->owner && rhi__py_known_type(f->py, f->owner)
                   ? f->owner
                   : py_word_at(f->py, f->owner + PY_OB_TYPE);
    const py_type *class = rhi__py_known_type(f->py, f->class);
    if (!f->owner || !class || !class->is_heap_type || py_is_layout(f->py, f->owner, PY_MODULE))
        return false;
    rhi__text(shown, RHI_NAME_SIZE, "%s.%s",
              rhi__plain_type_name(reader, py_type_number(f->py, class)), f->name);
    return true;
}

bool rhi__py_variable(rhi_reader *reader, const rhi_variable_slot *slot, char name[RHI_NAME_SIZE])
{
    py_finder f;
    return understand(&f, reader, slot, name);
}

/* ---- a piece of code ------------------------------------------------------------------------ */

/* Which of the code's names is that of the variable? UINT32_MAX: none. by_text: the name may be
 * another object with the same text. False: they cannot be read. */
static bool find_name(py_finder *f, py_code *code, bool by_text, uint32_t *index)
{
    *index = UINT32_MAX;
    code->names = py_word_at(f->py, code->address + (f->py->minor >= 11 ? 32 : 64));
    code->name_count = py_word_at(f->py, code->names + PY_OB_SIZE);
    if (!py_is_layout(f->py, code->names, PY_TUPLE) || code->name_count > NAMES_MAX ||
        !rhi__take_room(f->reader, code->name_count * 8))
        return false;
    for (uint64_t i = 0; i < code->name_count && *index == UINT32_MAX; i++) {
        uint64_t name = py_word_at(f->py, code->names + TUPLE_ITEMS + 8 * i);
        if (!name)
            return false;
        if ((f->key && name == f->key) ||
            ((!f->key || by_text) && rhi__py_is_text(f->py, name, f->name)))
            *index = (uint32_t)i;
    }
    return true;
}

/* Does the instruction name it? */
static bool names_it(py_finder *f, const py_code *code, const py_code_piece *p,
                     const py_instruction *before, bool binds, py_hit *h)
{
    bool is_here = f->globals && p->globals == f->globals;
    h->owner[0] = '\0';
    h->is_guess = false;
    switch (h->at.role) {
    case PY_LOAD_GLOBAL:
    case PY_STORE_GLOBAL:
    case PY_DELETE_GLOBAL:
        return is_here;
    case PY_LOAD_NAME:
        h->is_guess = p->scope == PY_OF_MODULE && p->is_guess;
        return is_here && (p->scope == PY_OF_MODULE || (p->scope == PY_OF_CLASS && !binds));
    case PY_STORE_NAME:
    case PY_DELETE_NAME:
        h->is_guess = p->is_guess;
        return is_here && p->scope == PY_OF_MODULE;
    default:
        return rhi__py_is_owners(f, code, p, before, h);
    }
}

/* Goes through the code; false: it is not understood. */
static bool find_hits(py_finder *f, const py_code *code, const py_code_piece *p, uint32_t name,
                      py_hit *hits, unsigned *count)
{
    py_instruction before[PY_BEFORE] = {{0}}, i = {0};
    bool binds = false;
    *count = 0;
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint64_t unit = 0; unit < code->units; unit = i.next) {
            if (!rhi__py_instruction(code, unit, &i))
                return false;
            bool is_named = rhi__py_name_of(code, &i) == name;
            if (pass == 0)
                binds |= is_named && i.role == PY_STORE_NAME;
            else if (is_named && *count == HITS_MAX)
                f->is_cut = true;
            else if (is_named) {
                hits[*count].at = i;
                *count += names_it(f, code, p, before, binds, &hits[*count]);
            }
            memmove(before + 1, before, (PY_BEFORE - 1) * sizeof *before);
            before[0] = i;
        }
    return i.opcode && (i.opcode->flow == PY_ENDS || i.opcode->flow == PY_BACKWARD ||
                        i.opcode->flow == PY_ABSOLUTE);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

static void call_function(py_runtime *py, const py_code_piece *p, char *text, size_t size)
{
    char name[RHI_NAME_SIZE];
    if (!rhi__py_qualified_name(py, p, name, sizeof name))
        snprintf(name, sizeof name, "?");
    size_t length = strlen(name);
    rhi__text(text, size, length && name[length - 1] == '>' ? "%s" : "%s()", name);
}

static rhi_error *tell(py_finder *f, const py_code *code, const py_code_piece *p, const py_hit *h)
{
    char function[RHI_NAME_SIZE], path[PATH_SIZE], called[PY_USE_TEXT_SIZE];
    uint64_t file = py_word_at(f->py, p->code + rhi__py_code_parts(f->py)->filename),
             unit = h->at.unit,
             at = f->py->minor >= 11   ? p->code + f->py->at->code_bytes + 2 * unit
                  : f->py->minor == 10 ? unit
                                       : 2 * unit;
    py_fate fate = {.kind = RHI_USE_KINDS};
    rhi__text(called, sizeof called, h->owner[0] ? "%s.%s" : "%s%s", h->owner, f->name);
    call_function(f->py, p, function, sizeof function);
    if (!rhi__py_text(f->py, file, path, sizeof path))
        snprintf(path, sizeof path, "?");
    if (h->at.role == PY_STORE_GLOBAL || h->at.role == PY_STORE_NAME ||
        h->at.role == PY_STORE_ATTR) {
        fate.kind = RHI_USE_SETS;
        rhi__text(fate.text, sizeof fate.text, "%s = …", called);
    } else if (h->at.role == PY_DELETE_GLOBAL || h->at.role == PY_DELETE_NAME ||
               h->at.role == PY_DELETE_ATTR) {
        fate.kind = RHI_USE_UNSETS;
        rhi__text(fate.text, sizeof fate.text, "del %s", called);
    } else
        fate = rhi__py_fate(code, &h->at, called, f->is_container, &f->steps);
    if (h->is_guess && h->owner[0] && fate.kind >= RHI_USE_PASSES)
        return NULL; /* many objects have an attribute of that name */
    rhi_use use = {.kind = fate.kind,
                   .is_guess = h->is_guess,
                   .line = rhi__py_line(f->py, p->code, at),
                   .function = function,
                   .file = path,
                   .name = last_part(path),
                   .text = fate.text};
    return f->search->visit(f->search->context, &use);
}

static rhi_error *look_in(py_finder *f, py_code_piece *p)
{
    py_code code = {.py = f->py, .opcodes = f->opcodes, .roles = f->roles, .address = p->code};
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    uint32_t name;
    uint64_t size = 0;
    bool is_read = find_name(f, &code, f->globals && p->globals == f->globals, &name);
    p->is_unread |= !is_read;
    if (!is_read || name == UINT32_MAX)
        return NULL;
    py_hit *hits = malloc(HITS_MAX * sizeof *hits);
    unsigned count = 0;
    if (rhi__take_room(f->reader, 2)) /* else what is read would not be bounded */
        code.bytes = rhi__py_instructions(f->py, p->code, &scratch, &size);
    code.units = size / 2;
    if (!hits)
        error = rhi__error_memory();
    else if (!code.bytes || !rhi__take_room(f->reader, size) ||
             !find_hits(f, &code, p, name, hits, &count))
        p->is_unread = true;
    else
        for (unsigned i = 0; i < count && !error; i++)
            error = tell(f, &code, p, &hits[i]);
    free(hits);
    rhi__scratch_free(&scratch);
    return error;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool is_optimized(py_runtime *py, uint64_t code)
{
    uint8_t flags[4];
    return rhi__py_read(py, code + (py->minor >= 11 ? 48 : 36), flags, sizeof flags) ==
               sizeof flags &&
           rhi__load32(flags) & OPTIMIZED;
}

/* Adds a piece, unless it was looked at. */
static rhi_error *add_piece(py_finder *f, const py_code_piece *p)
{
    uint32_t index =
        py_is_layout(f->py, p->code, PY_CODE) ? rhi__object_of(f->reader, p->code) : RHI_NO_OBJECT;
    f->search->unread += index == RHI_NO_OBJECT;
    if (index == RHI_NO_OBJECT || rhi__map_get(&f->seen, index) != RHI_NOT_THERE)
        return NULL;
    if (!rhi__map_set(&f->seen, index, 0) || !rhi__array_reserve(&f->work, 1))
        return rhi__error_memory();
    f->work.items[f->work.count++] = *p;
    return NULL;
}

/* Is that the file of the module whose globals these are? */
static bool is_own_file(py_finder *f, const py_code_piece *p)
{
    uint64_t file = rhi__py_look_up(f, p->globals, 0, "__file__"),
             own = py_word_at(f->py, p->code + rhi__py_code_parts(f->py)->filename);
    return rhi__py_same_text(f->py, file, own);
}

/* What a function runs, or a frame of 3.9 and 3.10. Others are those of another Python. */
static rhi_error *add_function(py_finder *f, uint64_t object)
{
    py_runtime *py = f->py;
    py_code_piece p = {.function = object, .scope = PY_OF_FUNCTION};
    if (py_is_layout(py, object, PY_FRAME)) {
        p.code = py_word_at(py, object + 32);
        p.globals = py_word_at(py, object + 48);
        p.scope = is_optimized(py, p.code)                   ? PY_OF_FUNCTION
                  : py_word_at(py, object + 56) == p.globals ? PY_OF_MODULE
                                                             : PY_OF_CLASS;
        return add_piece(f, &p);
    }
    if (!py_is_layout(py, object, PY_FUNCTION))
        return NULL;
    p.globals = py_globals_of(py, object);
    p.code = py_code_of(py, object);
    if (!is_optimized(py, p.code)) {
        uint64_t name = py_word_at(py, p.code + rhi__py_code_parts(py)->name);
        p.scope = name && rhi__py_is_text(py, name, "<module>") ? PY_OF_MODULE : PY_OF_CLASS;
        p.is_guess = p.scope == PY_OF_MODULE && !is_own_file(f, &p);
    }
    return add_piece(f, &p);
}

/* Functions and classes that a piece of code defines are constants of it. */
static rhi_error *add_constants(py_finder *f, py_code_piece *p)
{
    uint64_t constants = py_word_at(f->py, p->code + (f->py->minor >= 11 ? 24 : 56)),
             count = py_word_at(f->py, constants + PY_OB_SIZE);
    if (!py_is_layout(f->py, constants, PY_TUPLE) || count > CONSTANTS_MAX ||
        !rhi__take_room(f->reader, count * 8)) {
        p->is_unread = true;
        return NULL;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t code = py_word_at(f->py, constants + TUPLE_ITEMS + 8 * i);
        if (!py_is_layout(f->py, code, PY_CODE)) {
            p->is_unread |= !py_type_at(f->py, code);
            continue;
        }
        RHI_TRY(add_piece(f, &(py_code_piece){.code = code,
                                              .globals = p->globals,
                                              .scope = is_optimized(f->py, code) ? PY_OF_FUNCTION
                                                                                 : PY_OF_CLASS}));
    }
    return NULL;
}

/* What functions run comes before what is a constant of other code: they know its full name. */
static rhi_error *look_through(py_finder *f, const uint64_t *objects, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (i % POLL_EVERY == 0)
            RHI_TRY(rhi__progress(f->search->work, "looking through code", i, 2 * count));
        RHI_TRY(add_function(f, objects[i]));
    }
    uint64_t all = f->work.count;
    for (uint64_t i = 0; f->work.count; i++) {
        py_code_piece p = f->work.items[--f->work.count];
        if (i % POLL_EVERY == 0)
            RHI_TRY(rhi__progress(f->search->work, "looking through code", all + i, 2 * all + i));
        RHI_TRY(add_constants(f, &p));
        RHI_TRY(look_in(f, &p));
        f->search->unread += p.is_unread;
    }
    return NULL;
}

rhi_error *rhi__py_uses(rhi_reader *reader, const uint64_t *objects, uint64_t count,
                        rhi_use_search *search)
{
    py_finder f;
    char shown[RHI_NAME_SIZE];
    if (!understand(&f, reader, search->variable, shown))
        return NULL;
    f.search = search;
    f.steps = STEPS_MAX;
    rhi__py_opcodes(f.py, f.opcodes);
    rhi__py_roles(f.py, f.roles);
    rhi_error *error = look_through(&f, objects, count);
    if (f.steps == 0 || f.is_cut)
        rhi__question_problem(reader, "the code that names %s is too much: some is left out",
                              shown);
    rhi__map_free(&f.seen);
    free(f.work.items);
    return error;
}
