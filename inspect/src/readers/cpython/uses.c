/* uses.c - which code of the program names a variable: a global of a module, or an attribute (see
 * python.h, uses.h).
 *
 * A code object does not know whose globals it runs with, but functions do, and the code within a
 * function's constants runs with the same. Names alone are compared: what the code does elsewhere
 * with what it reached by another name is not known.
 * Invariant: of code that is not decoded to its end nothing is said. */
#include "readers/cpython/uses.h"
#include "base/map.h"
#include "heap/objects.h"
#include "readers/cpython/views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TUPLE_ITEMS = 24,
    MODULE_DICT = 16,
    MRO_MAX = 64,
    PATH_SIZE = 4096,
    NAMES_MAX = 1 << 16,
    CONSTANTS_MAX = 1 << 20,
    HITS_MAX = 256,      /* in one piece of code */
    STEPS_MAX = 1 << 24, /* instructions that are followed, entries that are compared */
    POLL_EVERY = 256,
    OPTIMIZED = 1 /* a flag of code: its names are no entries of a dict */
};

/* What a piece of code calls names: it is a module's own, a class's body, or a function's. */
enum scope { MODULE, CLASS, FUNCTION };

typedef struct piece {
    uint64_t code, globals, function; /* function: 0: the code of a constant */
    uint8_t scope;
    bool is_guess;  /* of a module's own: perhaps its names lie elsewhere */
    bool is_unread; /* not all that it names is known */
} piece;

typedef struct finder {
    py_runtime *py;
    rhi_reader *reader;
    rhi_use_search *search;
    py_opcode opcodes[256];
    uint8_t roles[256];
    char name[RHI_NAME_SIZE];
    uint64_t key;     /* the name's object; 0: not known */
    uint64_t globals; /* of a module's variable: the dict; 0: it is an attribute */
    uint64_t owner;   /* the module; or the object that has the attribute */
    uint64_t class;   /* of an attribute */
    bool is_container;
    uint64_t steps; /* that are left of STEPS_MAX */
    bool is_cut;    /* not all places in some code are told of */
    struct {
        uint64_t class, globals; /* of its functions that its module has; 0: it has none */
    } asked;                     /* of is_of_module */
    rhi_map seen;
    struct {
        piece *items;
        uint64_t count, capacity;
    } work;
} finder;

typedef struct hit {
    py_instruction at;
    const char *before; /* "self.", "….", NULL: the name alone */
    char owner[PY_USE_NAME_SIZE];
    bool is_guess;
} hit;

static const py_type *type_at(py_runtime *py, uint64_t object)
{
    return object ? rhi__py_known_type(py, py_word_at(py, object + PY_OB_TYPE)) : NULL;
}

static bool is_layout(py_runtime *py, uint64_t object, enum py_layout layout)
{
    const py_type *type = type_at(py, object);
    return type && rhi__py_is_a(type, layout);
}

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
static bool is_data(const finder *f, uint64_t value)
{
    const py_type *type = type_at(f->py, value);
    return type && type->layout != PY_FUNCTION && type->layout != PY_TYPE &&
           type->layout != PY_MODULE && type->layout != PY_BUILTIN &&
           type->layout != PY_DESCRIPTOR && type->layout != PY_CODE;
}

static bool is_container(const finder *f, uint64_t value)
{
    const py_type *type = type_at(f->py, value);
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
static bool understand(finder *f, rhi_reader *reader, const rhi_variable_slot *slot,
                       char shown[RHI_NAME_SIZE])
{
    char what[RHI_NAME_SIZE], of[RHI_NAME_SIZE];
    bool is_entry;
    *f = (finder){.py = py_of_heap(reader, slot->holder.heap), .reader = reader};
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
    if (!f->owner || !class || !class->is_heap_type || is_layout(f->py, f->owner, PY_MODULE))
        return false;
    rhi__text(shown, RHI_NAME_SIZE, "%s.%s",
              rhi__plain_type_name(reader, py_type_number(f->py, class)), f->name);
    return true;
}

bool rhi__py_variable(rhi_reader *reader, const rhi_variable_slot *slot, char name[RHI_NAME_SIZE])
{
    finder f;
    return understand(&f, reader, slot, name);
}

/* ---- dicts ---------------------------------------------------------------------------------- */

typedef struct lookup {
    finder *f;
    uint64_t key, value;
    const char *text; /* NULL: the key is this very object, as names in code are */
} lookup;

static bool match_entry(void *context, const py_entry *entry)
{
    lookup *l = context;
    bool is_it = l->text ? rhi__py_is_text(l->f->py, entry->key, l->text) : entry->key == l->key;
    if (is_it)
        l->value = entry->value;
    l->f->steps -= l->f->steps > 0;
    return !is_it && l->f->steps > 0;
}

/* What a dict has under the key, or the text; 0: nothing. */
static uint64_t look_up(finder *f, uint64_t dict, uint64_t key, const char *text)
{
    lookup l = {.f = f, .key = key, .text = text};
    if (dict && f->steps > 0)
        rhi__py_each_entry(f->py, dict, match_entry, &l);
    return l.value;
}

/* ---- what leads to an attribute ------------------------------------------------------------- */

/* "Store.put", of the code or the function that has it. False: not known. */
static bool qualified_name(py_runtime *py, const piece *p, char *text, size_t size)
{
    enum { FUNCTION_NAME = 40, OLD_FUNCTION_NAME = 104 };
    const py_code_parts *parts = rhi__py_code_parts(py);
    uint64_t name = py_word_at(py, p->code + parts->qualified_name);
    char own[RHI_NAME_SIZE], *dot;
    if (!rhi__py_text(py, name, text, size))
        return false;
    if (py->minor >= 11 || !p->function || !is_layout(py, p->function, PY_FUNCTION))
        return true;
    /* a function may have been given another one's name, its code has not */
    name = py_word_at(py, p->function + (py->minor == 9 ? OLD_FUNCTION_NAME : FUNCTION_NAME));
    dot = rhi__py_text(py, name, own, sizeof own) ? strrchr(own, '.') : NULL;
    if (dot && strcmp(dot + 1, text) == 0)
        rhi__text(text, size, "%s", own);
    return true;
}

static bool same_text(py_runtime *py, uint64_t left, uint64_t right)
{
    char text[256];
    return left && right &&
           (left == right ||
            (rhi__py_text(py, left, text, sizeof text) && rhi__py_is_text(py, right, text)));
}

static uint64_t globals_of(py_runtime *py, uint64_t function)
{
    return py_word_at(py, function + (py->minor == 9 ? 24 : 16));
}

typedef struct own_globals {
    finder *f;
    uint64_t module, found; /* module: the class's __module__ */
} own_globals;

static bool match_function(void *context, const py_entry *entry)
{
    own_globals *o = context;
    finder *f = o->f;
    uint64_t globals =
        is_layout(f->py, entry->value, PY_FUNCTION) ? globals_of(f->py, entry->value) : 0;
    if (globals && same_text(f->py, look_up(f, globals, 0, "__name__"), o->module))
        o->found = globals;
    f->steps -= f->steps > 0;
    return !o->found && f->steps > 0;
}

/* Is that the class's module whose globals these are? By the class's functions: interpreters have
 * modules of one name each, and one may have been imported anew. Where it has none, by name. */
static bool is_of_module(finder *f, const piece *p, const py_type *class)
{
    own_globals o = {.f = f, .module = look_up(f, class->dict, 0, "__module__")};
    if (f->asked.class != class->address && class->dict && o.module)
        rhi__py_each_entry(f->py, class->dict, match_function, &o);
    if (f->asked.class != class->address)
        f->asked.globals = o.found;
    f->asked.class = class->address;
    return f->asked.globals ? p->globals == f->asked.globals
                            : same_text(f->py, look_up(f, p->globals, 0, "__name__"), o.module);
}

static uint64_t code_of(py_runtime *py, uint64_t function)
{
    return py_word_at(py, function + (py->minor == 9 ? 16 : 48));
}

/* Has the class other code of the method's name? Then this is of another class of the same name.
 * What wraps a method has a name of its own. */
static bool has_other_code(finder *f, const piece *p, const py_type *class, const char *method)
{
    uint64_t function = look_up(f, class->dict, 0, method),
             code = is_layout(f->py, function, PY_FUNCTION) ? code_of(f->py, function) : p->code,
             name = rhi__py_code_parts(f->py)->name;
    return code != p->code &&
           same_text(f->py, py_word_at(f->py, code + name), py_word_at(f->py, p->code + name));
}

/* Is it a method of the attribute's class, or of one of its bases? By module and name: what wraps
 * a method hides it. */
static bool is_method(finder *f, const piece *p)
{
    char name[RHI_NAME_SIZE], class_name[RHI_NAME_SIZE], *dot;
    uint64_t mro = py_word_at(f->py, f->class + PY_TP_MRO),
             count = py_word_at(f->py, mro + PY_OB_SIZE);
    if (!qualified_name(f->py, p, name, sizeof name) || !(dot = strrchr(name, '.')))
        return false;
    *dot = '\0';
    for (uint64_t i = 0; mro && i < count && i < MRO_MAX; i++) {
        uint64_t class = py_word_at(f->py, mro + TUPLE_ITEMS + 8 * i);
        const py_type *type = rhi__py_known_type(f->py, class);
        if (type && type->is_heap_type &&
            rhi__py_text(f->py, py_word_at(f->py, class + f->py->at->ht_qualname), class_name,
                         sizeof class_name) &&
            strcmp(class_name, name) == 0 && is_of_module(f, p, type) &&
            !has_other_code(f, p, type, dot + 1))
            return true;
    }
    return false;
}

/* Does the instruction leave the code's first variable, an argument of methods, on the stack? */
static bool loads_first(const finder *f, const py_instruction *i)
{
    static const struct {
        uint8_t first, last, opcode;
    } loads[] = {{9, 12, 124}, {13, 13, 85}};
    for (unsigned k = 0; k < sizeof loads / sizeof *loads; k++)
        if (f->py->minor >= loads[k].first && f->py->minor <= loads[k].last &&
            i->opcode->base == loads[k].opcode)
            return i->argument == 0;
    return f->py->minor == 13 && i->opcode->base == 88 && (i->argument & 15) == 0;
}

/* Is that variable called as methods call what they are called on? A static one has none. */
static bool is_self(finder *f, const piece *p, char name[PY_USE_NAME_SIZE])
{
    uint64_t names = py_word_at(f->py, p->code + rhi__py_code_parts(f->py)->local_names);
    return names && py_word_at(f->py, names + PY_OB_SIZE) &&
           rhi__py_text(f->py, py_word_at(f->py, names + TUPLE_ITEMS), name, PY_USE_NAME_SIZE) &&
           (strcmp(name, "self") == 0 || strcmp(name, "cls") == 0);
}

/* The object that a name of globals, and attributes of modules behind it, lead to; 0: not known.
 * before[0] is the last instruction. */
static uint64_t object_before(finder *f, const py_code *code, const piece *p,
                              const py_instruction *before, unsigned count)
{
    uint32_t number = count && before[0].opcode ? rhi__py_name_of(code, &before[0]) : UINT32_MAX;
    if (number == UINT32_MAX)
        return 0;
    uint64_t name = py_word_at(f->py, code->names + TUPLE_ITEMS + 8 * (uint64_t)number);
    if (before[0].role == PY_LOAD_GLOBAL || (before[0].role == PY_LOAD_NAME && p->scope == MODULE))
        return look_up(f, p->globals, name, NULL);
    if (before[0].role != PY_LOAD_ATTR)
        return 0;
    uint64_t module = object_before(f, code, p, before + 1, count - 1);
    return is_layout(f->py, module, PY_MODULE)
               ? look_up(f, py_word_at(f->py, module + MODULE_DICT), name, NULL)
               : 0;
}

enum { BEFORE = 3 };

/* Is it the attribute that is asked for? *is_guess: of an object that is not known. */
static bool is_owners(finder *f, const py_code *code, const piece *p, const py_instruction *before,
                      hit *h)
{
    uint64_t object = object_before(f, code, p, before, BEFORE);
    h->is_guess = false;
    h->owner[0] = '\0';
    if (object) {
        uint64_t class = py_word_at(f->py, object + PY_OB_TYPE);
        if (object != f->owner && (f->globals || (object != f->class && class != f->class)))
            return false;
        h->is_guess = object != f->owner && object != f->class;
        return rhi__py_name_text(code, rhi__py_name_of(code, &before[0]), h->owner);
    }
    if (f->globals)
        return false;
    h->is_guess = !(before[0].opcode && loads_first(f, &before[0]) && is_self(f, p, h->owner) &&
                    is_method(f, p));
    if (h->is_guess)
        rhi__text(h->owner, sizeof h->owner, "…");
    const py_type *class = rhi__py_known_type(f->py, f->class);
    return !h->is_guess || (class && is_of_module(f, p, class));
}

/* ---- a piece of code ------------------------------------------------------------------------ */

/* Which of the code's names is that of the variable? UINT32_MAX: none. by_text: the name may be
 * another object with the same text. False: they cannot be read. */
static bool find_name(finder *f, py_code *code, bool by_text, uint32_t *index)
{
    *index = UINT32_MAX;
    code->names = py_word_at(f->py, code->address + (f->py->minor >= 11 ? 32 : 64));
    code->name_count = py_word_at(f->py, code->names + PY_OB_SIZE);
    if (!is_layout(f->py, code->names, PY_TUPLE) || code->name_count > NAMES_MAX ||
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
static bool names_it(finder *f, const py_code *code, const piece *p, const py_instruction *before,
                     bool binds, hit *h)
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
        h->is_guess = p->scope == MODULE && p->is_guess;
        return is_here && (p->scope == MODULE || (p->scope == CLASS && !binds));
    case PY_STORE_NAME:
    case PY_DELETE_NAME:
        h->is_guess = p->is_guess;
        return is_here && p->scope == MODULE;
    default:
        return is_owners(f, code, p, before, h);
    }
}

/* Goes through the code; false: it is not understood. */
static bool find_hits(finder *f, const py_code *code, const piece *p, uint32_t name, hit *hits,
                      unsigned *count)
{
    py_instruction before[BEFORE] = {{0}}, i = {0};
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
            memmove(before + 1, before, (BEFORE - 1) * sizeof *before);
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

static void call_function(py_runtime *py, const piece *p, char *text, size_t size)
{
    char name[RHI_NAME_SIZE];
    if (!qualified_name(py, p, name, sizeof name))
        snprintf(name, sizeof name, "?");
    size_t length = strlen(name);
    rhi__text(text, size, length && name[length - 1] == '>' ? "%s" : "%s()", name);
}

static rhi_error *tell(finder *f, const py_code *code, const piece *p, const hit *h)
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

static rhi_error *look_in(finder *f, piece *p)
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
    hit *hits = malloc(HITS_MAX * sizeof *hits);
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
static rhi_error *add_piece(finder *f, const piece *p)
{
    uint32_t index =
        is_layout(f->py, p->code, PY_CODE) ? rhi__object_of(f->reader, p->code) : RHI_NO_OBJECT;
    f->search->unread += index == RHI_NO_OBJECT;
    if (index == RHI_NO_OBJECT || rhi__map_get(&f->seen, index) != RHI_NOT_THERE)
        return NULL;
    if (!rhi__map_set(&f->seen, index, 0) || !rhi__array_reserve(&f->work, 1))
        return rhi__error_memory();
    f->work.items[f->work.count++] = *p;
    return NULL;
}

/* Is that the file of the module whose globals these are? */
static bool is_own_file(finder *f, const piece *p)
{
    uint64_t file = look_up(f, p->globals, 0, "__file__"),
             own = py_word_at(f->py, p->code + rhi__py_code_parts(f->py)->filename);
    return same_text(f->py, file, own);
}

/* What a function runs, or a frame of 3.9 and 3.10. Others are those of another Python. */
static rhi_error *add_function(finder *f, uint64_t object)
{
    py_runtime *py = f->py;
    piece p = {.function = object, .scope = FUNCTION};
    if (is_layout(py, object, PY_FRAME)) {
        p.code = py_word_at(py, object + 32);
        p.globals = py_word_at(py, object + 48);
        p.scope = is_optimized(py, p.code)                   ? FUNCTION
                  : py_word_at(py, object + 56) == p.globals ? MODULE
                                                             : CLASS;
        return add_piece(f, &p);
    }
    if (!is_layout(py, object, PY_FUNCTION))
        return NULL;
    p.globals = globals_of(py, object);
    p.code = code_of(py, object);
    if (!is_optimized(py, p.code)) {
        uint64_t name = py_word_at(py, p.code + rhi__py_code_parts(py)->name);
        p.scope = name && rhi__py_is_text(py, name, "<module>") ? MODULE : CLASS;
        p.is_guess = p.scope == MODULE && !is_own_file(f, &p);
    }
    return add_piece(f, &p);
}

/* Functions and classes that a piece of code defines are constants of it. */
static rhi_error *add_constants(finder *f, piece *p)
{
    uint64_t constants = py_word_at(f->py, p->code + (f->py->minor >= 11 ? 24 : 56)),
             count = py_word_at(f->py, constants + PY_OB_SIZE);
    if (!is_layout(f->py, constants, PY_TUPLE) || count > CONSTANTS_MAX ||
        !rhi__take_room(f->reader, count * 8)) {
        p->is_unread = true;
        return NULL;
    }
    for (uint64_t i = 0; i < count; i++) {
        uint64_t code = py_word_at(f->py, constants + TUPLE_ITEMS + 8 * i);
        if (!is_layout(f->py, code, PY_CODE)) {
            p->is_unread |= !type_at(f->py, code);
            continue;
        }
        RHI_TRY(add_piece(f, &(piece){.code = code,
                                      .globals = p->globals,
                                      .scope = is_optimized(f->py, code) ? FUNCTION : CLASS}));
    }
    return NULL;
}

/* What functions run comes before what is a constant of other code: they know its full name. */
static rhi_error *look_through(finder *f, const uint64_t *objects, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        if (i % POLL_EVERY == 0)
            RHI_TRY(rhi__progress(f->search->work, "looking through code", i, 2 * count));
        RHI_TRY(add_function(f, objects[i]));
    }
    uint64_t all = f->work.count;
    for (uint64_t i = 0; f->work.count; i++) {
        piece p = f->work.items[--f->work.count];
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
    finder f;
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
