/* attributes.c - is it the attribute that is asked for which code names? What leads to it tells: a
 * global that holds the object, or `self` in a method of its class (see uses.h).
 *
 * Invariant: what may be another object's attribute is a guess. Names alone make nothing certain
 * where another class, module or interpreter may have the same ones. */
#include "readers/cpython/uses.h"
#include "heap/objects.h"
#include "readers/cpython/views.h"

#include <string.h>

enum { TUPLE_ITEMS = 24, MODULE_DICT = 16, MRO_MAX = 64 };

/* ---- dicts ---------------------------------------------------------------------------------- */

typedef struct lookup {
    py_finder *f;
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

uint64_t rhi__py_look_up(py_finder *f, uint64_t dict, uint64_t key, const char *text)
{
    lookup l = {.f = f, .key = key, .text = text};
    if (dict && f->steps > 0)
        rhi__py_each_entry(f->py, dict, match_entry, &l);
    return l.value;
}

/* ---- what leads to an attribute ------------------------------------------------------------- */

bool rhi__py_qualified_name(py_runtime *py, const py_code_piece *p, char *text, size_t size)
{
    enum { FUNCTION_NAME = 40, OLD_FUNCTION_NAME = 104 };
    const py_code_parts *parts = rhi__py_code_parts(py);
    uint64_t name = py_word_at(py, p->code + parts->qualified_name);
    char own[RHI_NAME_SIZE], *dot;
    if (!rhi__py_text(py, name, text, size))
        return false;
    if (py->minor >= 11 || !p->function || !py_is_layout(py, p->function, PY_FUNCTION))
        return true;
    /* a function may have been given another one's name, its code has not */
    name = py_word_at(py, p->function + (py->minor == 9 ? OLD_FUNCTION_NAME : FUNCTION_NAME));
    dot = rhi__py_text(py, name, own, sizeof own) ? strrchr(own, '.') : NULL;
    if (dot && strcmp(dot + 1, text) == 0)
        rhi__text(text, size, "%s", own);
    return true;
}

bool rhi__py_same_text(py_runtime *py, uint64_t left, uint64_t right)
{
    char text[256];
    return left && right &&
           (left == right ||
            (rhi__py_text(py, left, text, sizeof text) && rhi__py_is_text(py, right, text)));
}

typedef struct own_globals {
    py_finder *f;
    uint64_t module, found; /* module: the class's __module__ */
} own_globals;

static bool match_function(void *context, const py_entry *entry)
{
    own_globals *o = context;
    py_finder *f = o->f;
    uint64_t globals =
        py_is_layout(f->py, entry->value, PY_FUNCTION) ? py_globals_of(f->py, entry->value) : 0;
    if (globals && rhi__py_same_text(f->py, rhi__py_look_up(f, globals, 0, "__name__"), o->module))
        o->found = globals;
    f->steps -= f->steps > 0;
    return !o->found && f->steps > 0;
}

/* Is that the class's module whose globals these are? By the class's functions: interpreters have
 * modules of one name each, and one may have been imported anew. Where it has none, by name. */
static bool is_of_module(py_finder *f, const py_code_piece *p, const py_type *class)
{
    own_globals o = {.f = f, .module = rhi__py_look_up(f, class->dict, 0, "__module__")};
    if (f->asked.class != class->address && class->dict && o.module)
        rhi__py_each_entry(f->py, class->dict, match_function, &o);
    if (f->asked.class != class->address)
        f->asked.globals = o.found;
    f->asked.class = class->address;
    return f->asked.globals
               ? p->globals == f->asked.globals
               : rhi__py_same_text(f->py, rhi__py_look_up(f, p->globals, 0, "__name__"), o.module);
}

/* Has the class other code of the method's name? Then this is of another class of the same name.
 * What wraps a method has a name of its own. */
static bool has_other_code(py_finder *f, const py_code_piece *p, const py_type *class,
                           const char *method)
{
    uint64_t function = rhi__py_look_up(f, class->dict, 0, method),
             code =
                 py_is_layout(f->py, function, PY_FUNCTION) ? py_code_of(f->py, function) : p->code,
             name = rhi__py_code_parts(f->py)->name;
    return code != p->code && rhi__py_same_text(f->py, py_word_at(f->py, code + name),
                                                py_word_at(f->py, p->code + name));
}

/* Is it a method of the attribute's class, or of one of its bases? By module and name: what wraps
 * a method hides it. */
static bool is_method(py_finder *f, const py_code_piece *p)
{
    char name[RHI_NAME_SIZE], class_name[RHI_NAME_SIZE], *dot;
    uint64_t mro = py_word_at(f->py, f->class + PY_TP_MRO),
             count = py_word_at(f->py, mro + PY_OB_SIZE);
    if (!rhi__py_qualified_name(f->py, p, name, sizeof name) || !(dot = strrchr(name, '.')))
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
static bool loads_first(const py_finder *f, const py_instruction *i)
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
static bool is_self(py_finder *f, const py_code_piece *p, char name[PY_USE_NAME_SIZE])
{
    uint64_t names = py_word_at(f->py, p->code + rhi__py_code_parts(f->py)->local_names);
    return names && py_word_at(f->py, names + PY_OB_SIZE) &&
           rhi__py_text(f->py, py_word_at(f->py, names + TUPLE_ITEMS), name, PY_USE_NAME_SIZE) &&
           (strcmp(name, "self") == 0 || strcmp(name, "cls") == 0);
}

/* The object that a name of globals, and attributes of modules behind it, lead to; 0: not known.
 * before[0] is the last instruction. */
static uint64_t object_before(py_finder *f, const py_code *code, const py_code_piece *p,
                              const py_instruction *before, unsigned count)
{
    uint32_t number = count && before[0].opcode ? rhi__py_name_of(code, &before[0]) : UINT32_MAX;
    if (number == UINT32_MAX)
        return 0;
    uint64_t name = py_word_at(f->py, code->names + TUPLE_ITEMS + 8 * (uint64_t)number);
    if (before[0].role == PY_LOAD_GLOBAL ||
        (before[0].role == PY_LOAD_NAME && p->scope == PY_OF_MODULE))
        return rhi__py_look_up(f, p->globals, name, NULL);
    if (before[0].role != PY_LOAD_ATTR)
        return 0;
    uint64_t module = object_before(f, code, p, before + 1, count - 1);
    return py_is_layout(f->py, module, PY_MODULE)
               ? rhi__py_look_up(f, py_word_at(f->py, module + MODULE_DICT), name, NULL)
               : 0;
}

bool rhi__py_is_owners(py_finder *f, const py_code *code, const py_code_piece *p,
                       const py_instruction *before, py_hit *h)
{
    uint64_t object = object_before(f, code, p, before, PY_BEFORE);
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
