/* expression.c - a path from a root as an expression of Python (see python.h).
 *
 * It is written step by step, from what a program reaches by a name: sys.modules, or a thread's
 * frame. `__dict__` and what leads on from it become one attribute, where no descriptor of the
 * class is in the way. What has no other expression is picked by its address:
 * next(k for k in … if id(k) == 0x…). Where that does not lead on either, as through memory of C,
 * there is no expression. Invariant: pasted into the program where it stands, the text gives the
 * object, or there is none.
 */
#include "heap/objects.h"
#include "readers/cpython/roots.h"
#include "readers/cpython/views.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    TEXT_SIZE = 1024,
    NAME_SIZE = 128,
    TYPE_DESCR_GET = 272,
    TYPE_DESCR_SET = 280,
    TUPLE_ITEMS = 24,
    MODULE_DICT = 16,
    MRO_MAX = 64
};

typedef struct writer {
    py_runtime *py;
    char text[TEXT_SIZE];
    /* the text is that of what has the dict which was reached last, and that is its address; 0: the
     * text is that of the object itself */
    uint64_t dict_owner;
    bool is_in_cell; /* the text is that of what is in the cell that was reached last */
} writer;

/* The text so far is the first argument. False: it becomes too long. */
__attribute__((format(printf, 2, 3))) static bool rewrite(writer *w, const char *format, ...)
{
    char text[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text)
        return false;
    memcpy(w->text, text, sizeof text);
    return true;
}

static const py_type *type_at(const writer *w, uint64_t object)
{
    return rhi__py_known_type(w->py, py_word_at(w->py, object + PY_OB_TYPE));
}

/* ---- attributes ----------------------------------------------------------------------------- */

static bool is_keyword(const char *name)
{
    static const char words[] =
        " False None True and as assert async await break class continue def del elif else except "
        "finally for from global if import in is lambda nonlocal not or pass raise return try "
        "while with yield ";
    char word[NAME_SIZE + 2];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(words, word);
}

/* A name as one writes it behind a dot. */
static bool is_identifier(const char *name)
{
    const char *c = name;
    while (isalnum((unsigned char)*c) || *c == '_')
        c++;
    return *name && !*c && !isdigit((unsigned char)*name) && !is_keyword(name);
}

/* The first of a class and its bases that has the name: what it has there; 0: none has. */
static uint64_t in_classes(const writer *w, uint64_t class, const char *name)
{
    uint64_t mro = py_word_at(w->py, class + PY_TP_MRO),
             count = py_word_at(w->py, mro + PY_OB_SIZE), found = 0;
    for (uint64_t i = 0; mro && i < count && i < MRO_MAX && !found; i++) {
        uint64_t each = py_word_at(w->py, mro + TUPLE_ITEMS + 8 * i);
        const py_type *type = rhi__py_known_type(w->py, each);
        found = type && type->dict ? rhi__py_dict_get(w->py, type->dict, name) : 0;
    }
    return found;
}

/* Does a class say itself what objects answer to this? C's own answer is a descriptor. */
static bool overrides(const writer *w, uint64_t class, const char *name)
{
    uint64_t found = in_classes(w, class, name);
    const py_type *descriptor = found ? type_at(w, found) : NULL;
    return found && !(descriptor && descriptor->layout == PY_DESCRIPTOR);
}

static bool dict_of(writer *w, uint64_t owner)
{
    return !overrides(w, py_word_at(w->py, owner + PY_OB_TYPE), "__dict__") &&
           rewrite(w, "%s.__dict__", w->text);
}

/* owner.name, which is_attribute said is one; around what its class says of attributes. */
static bool named_attribute(writer *w, uint64_t owner, const char *name)
{
    if (!overrides(w, py_word_at(w->py, owner + PY_OB_TYPE), "__getattribute__"))
        return rewrite(w, "%s.%s", w->text, name);
    return rewrite(w, "%s.__getattribute__(%s, '%s')",
                   rhi__py_known_type(w->py, owner) ? "type" : "object", w->text, name);
}

/* Is owner.name what the owner's `__dict__` has under that name? */
static bool is_attribute(const writer *w, uint64_t owner, const char *name, uint64_t value)
{
    uint64_t class = py_word_at(w->py, owner + PY_OB_TYPE), found = in_classes(w, class, name);
    const py_type *own = rhi__py_known_type(w->py, owner), *of_value = type_at(w, value);
    if (found && py_word_at(w->py, py_word_at(w->py, found + PY_OB_TYPE) + TYPE_DESCR_SET))
        return false; /* what the class says goes before */
    if (!own)
        return true;
    /* of a class: what is asked for by it may answer something else than itself */
    return of_value && (of_value->layout == PY_FUNCTION ||
                        !py_word_at(w->py, of_value->address + TYPE_DESCR_GET));
}

/* A key as Python writes it, in full; false: it cannot be written so, as nan. */
static bool literal(const writer *w, uint64_t key, char *text, size_t size)
{
    static const char *const names[] = {"None", "True", "False", "Ellipsis"};
    const py_type *type = type_at(w, key);
    if (!type || type->is_heap_type || !rhi__py_scalar(w->py, type, key, text, size) ||
        strstr(text, "…"))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0)
            return true;
    const char *start = text[0] == 'b' ? text + 1 : text;
    return *start == '\'' || *start == '"' || text[strspn(text, "0123456789+-.e")] == '\0';
}

/* x[text], around what the class of x says of items. */
static bool item(writer *w, const py_type *class, const char *text)
{
    const char *base = class->layout == PY_LIST    ? "list"
                       : class->layout == PY_TUPLE ? "tuple"
                       : class->layout == PY_DEQUE ? NULL
                                                   : "dict";
    if (!overrides(w, class->address, "__getitem__"))
        return rewrite(w, "%s[%s]", w->text, text);
    return base && rewrite(w, "%s.__getitem__(%s, %s)", base, w->text, text);
}

static bool item_of_dict(writer *w, const py_type *class, uint64_t key, uint64_t value)
{
    char text[256], name[NAME_SIZE];
    uint64_t owner = w->dict_owner;
    w->dict_owner = 0;
    if (owner && rhi__py_text(w->py, key, name, sizeof name) && is_identifier(name) &&
        is_attribute(w, owner, name, value))
        return named_attribute(w, owner, name);
    if (owner && !dict_of(w, owner))
        return false;
    if (literal(w, key, text, sizeof text))
        return item(w, class, text);
    return !overrides(w, class->address, "values") &&
           rewrite(w, "next(v for v in %s.values() if id(v) == 0x%" PRIx64 ")", w->text, value);
}

static bool attribute(writer *w, uint64_t object, uint64_t key, uint64_t value)
{
    char name[NAME_SIZE], text[256];
    if (rhi__py_text(w->py, key, name, sizeof name) && is_identifier(name) &&
        is_attribute(w, object, name, value))
        return named_attribute(w, object, name);
    return literal(w, key, text, sizeof text) && dict_of(w, object) &&
           rewrite(w, "%s[%s]", w->text, text);
}

/* What the class declares as a member in C, as `__slots__` do: its descriptor gives it. */
static bool declared(writer *w, const py_type *type, const rhi_way_step *step)
{
    char name[RHI_NAME_SIZE];
    step->field->call(step->field->context, step->element, name, sizeof name);
    const py_type *descriptor = NULL;
    if (is_identifier(name))
        descriptor = type_at(w, in_classes(w, type->address, name));
    return descriptor && descriptor->layout == PY_DESCRIPTOR && rewrite(w, "%s.%s", w->text, name);
}

/* ---- members -------------------------------------------------------------------------------- */

/* Members that have the name by which a program asks for them. */
static const struct {
    uint8_t layout;
    const char *names; /* between blanks */
} visible[] = {
    {PY_FUNCTION, " __globals__ __builtins__ __name__ __qualname__ __code__ __defaults__ "
                  "__kwdefaults__ __closure__ __doc__ __module__ __annotations__ "
                  "__type_params__ "},
    {PY_METHOD, " __func__ __self__ "},
    {PY_BUILTIN, " __self__ __module__ "},
    {PY_CELL, " cell_contents "},
    {PY_CODE, " co_consts co_names co_filename co_name co_qualname "},
    {PY_TYPE, " __bases__ __mro__ __base__ "},
    {PY_GENERATOR, " __name__ __qualname__ "},
    {PY_FRAME, " f_back f_code f_builtins f_globals f_trace "},
    {PY_MODULE, " __name__ "},
    {PY_WEAKREF, " __callback__ "},
    {PY_DESCRIPTOR, " __objclass__ __name__ "},
    {PY_EXCEPTION, " args __traceback__ __context__ __cause__ __notes__ "},
    {PY_TRACEBACK, " tb_next tb_frame "},
    {PY_LRU_CACHE, " __wrapped__ "},
    {PY_CONTEXT_VAR, " name "},
    {PY_FUTURE, " _loop _exception _result _source_traceback _cancel_message "},
    {PY_TASK, " _loop _exception _result _source_traceback _cancel_message _fut_waiter _coro "},
    {PY_ELEMENT, " tag text tail "}};

/* Asked for by name, annotations that lie in a tuple become a dict: 3.10 on. */
static bool is_made_when_asked(const writer *w, const rhi_way_step *step)
{
    const py_type *of_value = type_at(w, step->value);
    return strcmp(step->field->name, "__annotations__") == 0 && of_value &&
           of_value->layout == PY_TUPLE;
}

/* What its type tells the collector of, all of it, in an order that is not known here. */
static bool referent(writer *w, uint64_t value)
{
    return rewrite(w,
                   "next(x for x in __import__('gc').get_referents(%s) if id(x) == 0x%" PRIx64 ")",
                   w->text, value);
}

/* Proxies, views and iterators of CPython's own: their words are told to the collector, all of
 * them. Of other types that is not known. */
static bool is_view(const writer *w, const py_type *type)
{
    static const char names[] = " mappingproxy dict_keys dict_values dict_items enumerate zip map "
                                "filter reversed classmethod staticmethod ";
    char word[RHI_NAME_SIZE + 2];
    const char *name = rhi__plain_type_name(w->py->reader, py_type_number(w->py, type)),
               *qualified = w->py->reader->types.items[py_type_number(w->py, type)].qualified;
    size_t length = strlen(name), end = strlen("iterator");
    snprintf(word, sizeof word, " %s ", name);
    if (strncmp(qualified, "itertools.", strlen("itertools.")) == 0)
        return rhi__py_is_made_in_c(w->py, type);
    return rhi__py_is_own_type(w->py, type) &&
           (strstr(names, word) || (length >= end && strcmp(name + length - end, "iterator") == 0));
}

static bool own_word(writer *w, const py_type *type, uint64_t value)
{
    return type->flags & PY_FLAG_GC && type->layout == PY_OWN_WORDS && is_view(w, type) &&
           referent(w, value);
}

/* Does the program's class say something else of the name? */
static bool is_hidden(const writer *w, const py_type *class, const char *name)
{
    return overrides(w, class->address, name) || overrides(w, class->address, "__getattribute__");
}

typedef struct variables {
    writer *w;
    uint64_t module, value; /* wanted: a variable of the module that has the value */
    char name[NAME_SIZE];
} variables;

static bool compare_variable(void *context, const py_entry *entry)
{
    variables *v = context;
    return entry->value != v->value ||
           !rhi__py_text(v->w->py, entry->key, v->name, sizeof v->name) ||
           !is_identifier(v->name) || !is_attribute(v->w, v->module, v->name, v->value);
}

/* What a module keeps for its C code, one of its variables may have, too. */
static bool kept_in_state(writer *w, const rhi_way_step *step)
{
    variables v = {.w = w, .module = step->object.address, .value = step->value};
    return !rhi__py_each_entry(w->py, py_word_at(w->py, v.module + MODULE_DICT), compare_variable,
                               &v) &&
           named_attribute(w, v.module, v.name);
}

static bool member(writer *w, const py_type *type, const rhi_way_step *step)
{
    const char *name = step->field->name;
    bool is_task = type->layout == PY_TASK;
    char word[RHI_NAME_SIZE + 2];
    snprintf(word, sizeof word, " %s ", name);
    if (is_made_when_asked(w, step))
        return false;
    for (size_t i = 0; i < sizeof visible / sizeof *visible && !is_hidden(w, type, name); i++)
        if (visible[i].layout == type->layout && strstr(visible[i].names, word))
            return rewrite(w, "%s.%s", w->text, name);
    if (type->layout == PY_CONTEXT_VAR && strcmp(name, "default") == 0)
        return rewrite(w, "__import__('contextvars').Context().run(%s.get)", w->text);
    if (is_task && strcmp(name, "name") == 0 && !is_hidden(w, type, "get_name"))
        return rewrite(w, "%s.get_name()", w->text);
    bool is_cache = type->layout == PY_LRU_CACHE && strcmp(name, "cache") == 0;
    return (is_task || is_cache || type->layout == PY_FUTURE) && referent(w, step->value);
}

/* "gi", "cr", "ag": of generators, coroutines, asynchronous generators. */
static const char *prefix_of(const writer *w, const py_type *type)
{
    const char *name = rhi__plain_type_name(w->py->reader, py_type_number(w->py, type));
    return strcmp(name, "coroutine") == 0 ? "cr" : strcmp(name, "generator") == 0 ? "gi" : "ag";
}

/* What a coroutine waits for is the top of its value stack: from 3.11 on it has that itself. */
static bool is_awaited(const writer *w, const py_type *type, uint64_t label)
{
    uint64_t frame = label & ((1ull << PY_FRAME_BITS) - 1), slot = label >> PY_FRAME_BITS;
    return w->py->at->frame_owner != PY_ABSENT && type->layout == PY_GENERATOR &&
           strcmp(prefix_of(w, type), "cr") == 0 &&
           (int32_t)py_word_at(w->py, frame + w->py->at->frame_stacktop) == (int64_t)slot + 1;
}

static bool local(writer *w, const py_type *type, uint64_t label)
{
    char variable[NAME_SIZE];
    if (!rhi__py_local_variable(w->py, label, variable, sizeof variable, &w->is_in_cell))
        return is_awaited(w, type, label) && rewrite(w, "%s.cr_await", w->text);
    if (!is_identifier(variable))
        return false;
    return type->layout == PY_GENERATOR
               ? rewrite(w, "%s.%s_frame.f_locals['%s']", w->text, prefix_of(w, type), variable)
               : rewrite(w, "%s.f_locals['%s']", w->text, variable);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static bool picked(writer *w, const py_type *class, uint64_t value)
{
    return !overrides(w, class->address, "__iter__") &&
           rewrite(w, "next(x for x in %s if id(x) == 0x%" PRIx64 ")", w->text, value);
}

static bool labelled(writer *w, const rhi_way_step *step, const py_type *type, enum py_label label)
{
    char number[24];
    switch (label) {
    case PY_LABEL_ITEM:
    case PY_LABEL_INNER_ITEM:
        snprintf(number, sizeof number, "%" PRIu64, step->element);
        return (type->layout == PY_LIST || type->layout == PY_TUPLE || type->layout == PY_DEQUE) &&
               item(w, type, number);
    case PY_LABEL_KEY:
    case PY_LABEL_ORDER:
    case PY_LABEL_ELEMENT:
    case PY_LABEL_INNER_ELEMENT:
        return picked(w, type, step->value);
    case PY_LABEL_ATTRIBUTE:
    case PY_LABEL_INNER_ATTRIBUTE:
        return attribute(w, step->object.address, step->element, step->value);
    case PY_LABEL_WORD:
        return declared(w, type, step) || own_word(w, type, step->value);
    case PY_LABEL_MEMBER:
    case PY_LABEL_HIDDEN_WORD:
        return declared(w, type, step);
    case PY_LABEL_STATE:
        return kept_in_state(w, step);
    case PY_LABEL_CLASS:
        return rewrite(w, "type(%s)", w->text);
    case PY_LABEL_LOCAL:
        return local(w, type, step->element);
    case PY_LABEL_FRAME_CODE:
        return type->layout == PY_GENERATOR ? rewrite(w, "%s.%s_code", w->text, prefix_of(w, type))
                                            : rewrite(w, "%s.f_code", w->text);
    case PY_LABEL_FRAME_OBJECT:
        return type->layout == PY_GENERATOR &&
               rewrite(w, "%s.%s_frame", w->text, prefix_of(w, type));
    default:
        return false;
    }
}

static bool advance(writer *w, const rhi_way_step *step)
{
    const py_views *views = w->py->views;
    const py_type *type = py_type_of(w->py, &step->object);
    bool is_label = step->field >= views->labels && step->field < views->labels + PY_LABELS;
    enum py_label label = is_label ? (enum py_label)(step->field - views->labels) : PY_LABELS;
    bool is_in_cell = w->is_in_cell;
    w->is_in_cell = false;
    if (!type || !step->field)
        return false;
    if (is_in_cell)
        return type->layout == PY_CELL && strcmp(step->field->name, "cell_contents") == 0;
    if (label == PY_LABEL_VALUE)
        return item_of_dict(w, type, step->element, step->value);
    if (w->dict_owner && !dict_of(w, w->dict_owner))
        return false;
    w->dict_owner = 0;
    if (label == PY_LABEL_DICT || label == PY_LABEL_DICT_UNSURE ||
        (!is_label && strcmp(step->field->name, "__dict__") == 0)) {
        w->dict_owner = step->object.address;
        return true;
    }
    if (is_label)
        return labelled(w, step, type, label);
    if (type->layout == PY_GENERATOR && strcmp(step->field->name, "gi_frame") == 0)
        return rewrite(w, "%s.%s_frame", w->text, prefix_of(w, type));
    return member(w, type, step);
}

/* ---- the beginning -------------------------------------------------------------------------- */

/* Of all modules the reader of the text has to have `sys` alone. */
static bool begin_by_name(writer *w, const char *name)
{
    int module = (int)strcspn(name, ".");
    return strncmp(name, "sys.", 4) == 0
               ? rewrite(w, "%s", name)
               : rewrite(w, "__import__('%.*s')%s", module, name, name + module);
}

/* False: no name of the program leads there. */
static bool begin(writer *w, const rhi_root *root)
{
    py_frame_place place;
    if (root->reach == RHI_ROOT_BY_NAME)
        return begin_by_name(w, root->name);
    if (!rhi__py_frame_at(w->py, root->slot, &place) ||
        !rewrite(w, "sys._current_frames()[%" PRIu64 "]", place.thread))
        return false;
    for (uint64_t i = 0; i < place.depth; i++)
        if (!rewrite(w, "%s.f_back", w->text))
            return false;
    w->is_in_cell = place.is_cell;
    return place.is_frame ||
           (is_identifier(place.local) && rewrite(w, "%s.f_locals['%s']", w->text, place.local));
}

/* A class gives its `__dict__` through a proxy, which leads to the keys and values but is not it;
 * nothing gives the cell of a local variable. */
static bool end(writer *w)
{
    if (w->is_in_cell)
        return false;
    bool is_of_class = w->dict_owner && rhi__py_known_type(w->py, w->dict_owner);
    return w->dict_owner == 0 ||
           (dict_of(w, w->dict_owner) &&
            (!is_of_class || rewrite(w, "__import__('gc').get_referents(%s)[0]", w->text)));
}

/* The names are those of one interpreter; which, is a comment, unless it is the main one. */
static bool say_interpreter(writer *w, const rhi_root *root)
{
    for (uint64_t i = 1; i < w->py->interpreters.count; i++) {
        const py_interpreter *interpreter = &w->py->interpreters.items[i];
        if (root->reach == RHI_ROOT_BY_NAME &&
            root->slot - interpreter->address < w->py->at->interpreter_size)
            return rewrite(w, "%s  # in interpreter %" PRIu64, w->text, interpreter->id);
    }
    return true;
}

bool rhi__py_expression(rhi_reader *reader, const rhi_way *way, char *text, size_t size)
{
    writer w = {.py = py_of_heap(reader, way->steps[0].object.heap)};
    if (!w.py->views || !begin(&w, way->root))
        return false;
    for (uint64_t i = 0; i + 1 < way->count; i++)
        if (!advance(&w, &way->steps[i]))
            return false;
    if (!end(&w) || !say_interpreter(&w, way->root) || strlen(w.text) >= size)
        return false;
    memcpy(text, w.text, strlen(w.text) + 1);
    return true;
}

/* ---- scopes --------------------------------------------------------------------------------- */

/* The dict that a module of that name has, as sys.modules knows it, holds its globals. */
bool rhi__py_scope(rhi_reader *reader, const rhi_object *object, char what[RHI_NAME_SIZE],
                   char of[RHI_NAME_SIZE])
{
    py_runtime *py = py_of_heap(reader, object->heap);
    const py_type *type = py_type_of(py, object);
    uint64_t name = type && type->layout == PY_DICT
                        ? rhi__py_dict_get(py, object->address, "__name__")
                        : 0,
             dict;
    if (!name || !rhi__py_text(py, name, of, RHI_NAME_SIZE))
        return false;
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        uint64_t module = rhi__py_dict_get(py, py->interpreters.items[i].modules, of);
        if (module && rhi__memory_u64(py->memory, module + MODULE_DICT, &dict) &&
            dict == object->address) {
            snprintf(what, RHI_NAME_SIZE, "globals");
            return true;
        }
    }
    return false;
}
