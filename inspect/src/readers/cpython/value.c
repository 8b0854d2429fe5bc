/* value.c - what an object holds, in a few words of about 60 columns (see python.h).
 *
 * It costs a few reads of bounded size, whatever the object claims; nothing is followed further
 * than to what it holds. What cannot be read is left out. */
#include "readers/cpython/views.h"
#include "readers/cpython/roots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    PARTS_MAX = 8, /* that are shown */
    PART_SIZE = 128,
    KEY_BYTES = 28, /* of a text that is one of several */
    TEXT_BYTES = 32,
    LIST_ITEMS = 24,
    TUPLE_ITEMS = 24,
    SET_USED = 24,
    FRAME_FRAME = 24,
    DESCRIPTOR_CLASS = 16,
    DESCRIPTOR_NAME = 24,
    BUILTIN_DEF = 16,
    SCANNED_MAX = 64, /* slots that are looked at for what is shown */
};

typedef struct writer {
    py_runtime *py;
    rhi_brief out;
} writer;

/* ---- one object among others ---------------------------------------------------------------- */

static const py_type *type_at(py_runtime *py, uint64_t address)
{
    uint64_t type;
    return address && address % 8 == 0 && rhi__py_u64(py, address + PY_OB_TYPE, &type)
               ? rhi__py_known_type(py, type)
               : NULL;
}

static const char *name_of(py_runtime *py, const py_type *type)
{
    return rhi__type_name(py->reader, py_type_number(py, type));
}

/* "handle at app.py:12". line 0: its first one. */
static void code_place(py_runtime *py, uint64_t code, unsigned line, char *text, size_t size)
{
    const py_code_parts *parts = rhi__py_code_parts(py);
    char name[64] = "?", file[64];
    rhi__py_text(py, py_word_at(py, code + parts->qualified_name), name, sizeof name);
    rhi__py_code_file(py, code, file, sizeof file);
    rhi__text(text, size, "%s at %s:%u", name, file,
              line ? line : (unsigned)(uint32_t)py_word_at(py, code + parts->first_line));
}

/* Of a generator, and of what is like it: its code and the frame that it has or had. */
static uint64_t generator_code(py_runtime *py, uint64_t address, uint64_t *frame)
{
    static const uint8_t codes[] = {32, 24, 16, 72, 72}, frames[] = {16, 16, 80, 72, 72},
                         states[] = {0, 0, 75, 67, 67};
    unsigned version = py->minor - PY_MINOR_MIN;
    int8_t state = 0;
    *frame = address + frames[version];
    if (py->minor < 11)
        *frame = py_word_at(py, *frame);
    else if (rhi__py_read(py, address + states[version], &state, 1) != 1 || state > 0)
        *frame = 0; /* it has ended */
    return py_word_at(py, address + codes[version]);
}

/* What stands somewhere in its code: "<coroutine answer at app.py:14>". */
static void standing_text(py_runtime *py, const py_type *type, uint64_t address, char *text,
                          size_t size)
{
    char place[RHI_NAME_SIZE];
    uint64_t frame = py->minor < 11 ? address : py_word_at(py, address + FRAME_FRAME),
             code = type->layout == PY_GENERATOR ? generator_code(py, address, &frame)
                                                 : py_word_at(py, frame + py->at->frame_code);
    code_place(py, code, frame ? rhi__py_line_of(py, frame, code) : 0, place, sizeof place);
    rhi__text(text, size, "<%s %s>", name_of(py, type), place);
}

/* <built-in len>, <method_descriptor append of <class 'list'>> */
static bool builtin_text(py_runtime *py, const py_type *type, uint64_t address, char *text,
                         size_t size)
{
    char name[RHI_NAME_SIZE] = "";
    if (type->layout == PY_DESCRIPTOR &&
        rhi__py_text(py, py_word_at(py, address + DESCRIPTOR_NAME), name, sizeof name)) {
        const py_type *owner = rhi__py_known_type(py, py_word_at(py, address + DESCRIPTOR_CLASS));
        rhi__text(text, size, "<%s %s of %s>", name_of(py, type), name,
                  owner ? name_of(py, owner) : "?");
    } else if (type->layout == PY_BUILTIN &&
               rhi__module_name(py->files, py->memory,
                                py_word_at(py, py_word_at(py, address + BUILTIN_DEF)), name)) {
        rhi__text(text, size, "<built-in %s>", name);
    }
    return name[0] != '\0';
}

/* A class, module, function, code: what has a name of its own. False: something else. */
static bool named_text(py_runtime *py, const py_type *type, uint64_t address, char *text,
                       size_t size)
{
    char name[RHI_NAME_SIZE] = "?";
    const py_type *other = NULL;
    switch (type->layout) {
    case PY_TYPE:
        other = rhi__py_known_type(py, address);
        if (!other)
            return false;
        const rhi_type *known = &py->reader->types.items[py_type_number(py, other)];
        rhi__text(text, size, "<class '%s'>", known->qualified[0] ? known->qualified : known->name);
        return true;
    case PY_MODULE:
        rhi__py_text(py, py_word_at(py, address + 48), name, sizeof name);
        rhi__text(text, size, "<module %s>", name);
        return true;
    case PY_FUNCTION:
        code_place(py, py_word_at(py, address + (py->minor == 9 ? 16 : 48)), 0, name, sizeof name);
        rhi__text(text, size, "<function %s>", name);
        return true;
    case PY_CODE:
        code_place(py, address, 0, name, sizeof name);
        rhi__text(text, size, "<code %s>", name);
        return true;
    case PY_GENERATOR:
    case PY_FRAME:
        standing_text(py, type, address, text, size);
        return true;
    default:
        return builtin_text(py, type, address, text, size);
    }
}

static void id_text(py_runtime *py, const py_type *type, uint64_t address, char *text, size_t size)
{
    if (type)
        rhi__text(text, size, "<%s@0x%llx>", name_of(py, type), (unsigned long long)address);
    else
        rhi__text(text, size, address ? "0x%llx" : "NULL", (unsigned long long)address);
}

/* What has no parts: a number, a text (of so many bytes), something with a name; else its id. */
static void short_text(py_runtime *py, uint64_t address, size_t most, char *text, size_t size)
{
    const py_type *type = type_at(py, address);
    if (!type || (!rhi__py_scalar(py, type, address, text, most < size ? most : size) &&
                  !named_text(py, type, address, text, size)))
        id_text(py, type, address, text, size);
}

/* ---- containers ----------------------------------------------------------------------------- */

static void put_items(writer *w, uint64_t first, uint64_t count)
{
    char part[PART_SIZE];
    uint64_t shown = 0, item;
    for (bool fits = true; fits && shown < count && shown < PARTS_MAX; shown += fits) {
        if (!rhi__py_u64(w->py, first + shown * 8, &item))
            break;
        short_text(w->py, item, TEXT_BYTES, part, sizeof part);
        fits = rhi__brief_part(&w->out, part);
    }
    rhi__brief_more(&w->out, count - shown);
}

static void put_sequence(writer *w, const py_type *type, uint64_t address)
{
    bool is_tuple = type->layout == PY_TUPLE;
    uint64_t count = py_word_at(w->py, address + PY_OB_SIZE),
             first = is_tuple ? address + TUPLE_ITEMS : py_word_at(w->py, address + LIST_ITEMS);
    rhi__brief_put(&w->out, is_tuple ? "(" : "[");
    put_items(w, first, count);
    rhi__brief_put(&w->out, !is_tuple ? "]" : count == 1 ? ",)" : ")");
}

/* Entries of a dict, as many as fit. */
typedef struct entries {
    writer *w;
    uint64_t shown;
    bool is_bare; /* names of attributes, without quotes */
} entries;

static bool put_named(writer *w, const char *name, uint64_t value)
{
    char part[PART_SIZE];
    size_t at = strlen(name);
    if (at > KEY_BYTES + 16)
        at = rhi__whole_characters(name, KEY_BYTES + 16);
    memcpy(part, name, at);
    memcpy(part + at, ": ", 3);
    short_text(w->py, value, TEXT_BYTES, part + at + 2, sizeof part - at - 2);
    return rhi__brief_part(&w->out, part);
}

static bool put_entry(void *context, const py_entry *entry)
{
    entries *e = context;
    char key[PART_SIZE];
    if (!e->is_bare || !rhi__py_text(e->w->py, entry->key, key, sizeof key))
        short_text(e->w->py, entry->key, KEY_BYTES, key, sizeof key);
    bool fits = put_named(e->w, key, entry->value);
    e->shown += fits;
    return fits;
}

static void put_dict(writer *w, uint64_t address, bool is_bare)
{
    entries e = {.w = w, .is_bare = is_bare};
    uint64_t used = py_word_at(w->py, address + PY_OB_SIZE);
    rhi__brief_put(&w->out, "{");
    rhi__py_each_entry(w->py, address, put_entry, &e);
    rhi__brief_more(&w->out, used > e.shown ? used - e.shown : 0);
    rhi__brief_put(&w->out, "}");
}

/* ---- by slots ------------------------------------------------------------------------------- */

typedef struct parts {
    writer *w;
    const py_type *type;
    unsigned seen, shown;
    uint64_t dict; /* its `__dict__` */
} parts;

static bool put_element(void *context, const rhi_slot *slot)
{
    parts *p = context;
    char part[PART_SIZE];
    const rhi_field *labels = p->w->py->views->labels;
    bool is_one = slot->field == &labels[PY_LABEL_ELEMENT] ||
                  slot->field == &labels[PY_LABEL_INNER_ELEMENT] ||
                  slot->field == &labels[PY_LABEL_ITEM];
    if (!is_one)
        return ++p->seen < SCANNED_MAX;
    short_text(p->w->py, slot->value, TEXT_BYTES, part, sizeof part);
    bool fits = rhi__brief_part(&p->w->out, part);
    p->shown += fits;
    return fits;
}

static bool put_attribute(void *context, const rhi_slot *slot)
{
    parts *p = context;
    char name[RHI_NAME_SIZE];
    const rhi_field *labels = p->w->py->views->labels;
    if (slot->field == &labels[PY_LABEL_DICT] || slot->field == &labels[PY_LABEL_DICT_UNSURE])
        p->dict = slot->value;
    if (slot->field != &labels[PY_LABEL_ATTRIBUTE] &&
        slot->field != &labels[PY_LABEL_INNER_ATTRIBUTE] && slot->field != &labels[PY_LABEL_MEMBER])
        return ++p->seen < SCANNED_MAX;
    slot->field->call(slot->field->context, slot->element, name, sizeof name);
    bool fits = put_named(p->w, name, slot->value);
    p->shown += fits;
    return fits;
}

/* {1, 2}, deque([1, 2]): what is visited is shown. */
static void put_elements(writer *w, const py_type *type, const rhi_object *object,
                         const uint8_t *bytes, uint64_t used)
{
    parts p = {.w = w, .type = type};
    bool is_deque = type->layout == PY_DEQUE;
    bool is_set = !is_deque && strcmp(name_of(w->py, type), "set") == 0 && used;
    if (!is_set)
        rhi__brief_put(&w->out, name_of(w->py, type));
    rhi__brief_put(&w->out, is_set ? "{" : is_deque ? "([" : used ? "({" : "(");
    rhi__py_slots(w->py->reader, object, bytes, put_element, &p);
    rhi__brief_more(&w->out, used > p.shown ? used - p.shown : 0);
    rhi__brief_put(&w->out, is_set ? "}" : is_deque ? "])" : used ? "})" : ")");
}

/* {name: 'x', age: 3}: attributes, or nothing. */
static void put_attributes(writer *w, const py_type *type, const rhi_object *object,
                           const uint8_t *bytes)
{
    parts p = {.w = w, .type = type};
    rhi__brief_put(&w->out, "{");
    rhi__py_slots(w->py->reader, object, bytes, put_attribute, &p);
    if (p.dict && !w->out.is_full) {
        entries e = {.w = w, .is_bare = true};
        rhi__py_each_entry(w->py, p.dict, put_entry, &e);
    }
    rhi__brief_put(&w->out, w->out.is_full ? ", …}" : "}");
    if (w->out.parts == 0)
        w->out.used = 0;
    w->out.text[w->out.used] = '\0';
}

static bool put_container(writer *w, const py_type *type, uint64_t address)
{
    switch (type->layout) {
    case PY_LIST:
    case PY_TUPLE:
        put_sequence(w, type, address);
        return true;
    case PY_DICT:
    case PY_ORDERED_DICT:
        put_dict(w, address, false);
        return true;
    default:
        return false;
    }
}

/* `name` and what the word at `at` leads to. */
static void put_referent(writer *w, const char *name, uint64_t slot)
{
    char part[PART_SIZE], all[256];
    short_text(w->py, py_word_at(w->py, slot), sizeof part, part, sizeof part);
    rhi__text(all, sizeof all, "<%s %s>", name, part);
    rhi__brief_put(&w->out, all);
}

static void put_other(writer *w, const py_type *type, const rhi_object *object,
                      const uint8_t *bytes)
{
    uint64_t address = object->address, args;
    switch (type->layout) {
    case PY_SET:
        put_elements(w, type, object, bytes, py_word_at(w->py, address + SET_USED));
        break;
    case PY_DEQUE:
        put_elements(w, type, object, bytes, py_word_at(w->py, address + PY_OB_SIZE));
        break;
    case PY_CELL:
        put_referent(w, "cell", address + 16);
        break;
    case PY_WEAKREF:
        put_referent(w, "weakref to", address + 16);
        break;
    case PY_METHOD:
        put_referent(w, "method", address + 16);
        break;
    case PY_EXCEPTION:
        args = py_word_at(w->py, address + 24);
        rhi__brief_put(&w->out, name_of(w->py, type));
        rhi__brief_put(&w->out, "(");
        put_items(w, args + TUPLE_ITEMS, args ? py_word_at(w->py, args + PY_OB_SIZE) : 0);
        rhi__brief_put(&w->out, ")");
        break;
    default:
        put_attributes(w, type, object, bytes);
    }
}

/* ---- the whole ------------------------------------------------------------------------------ */

void rhi__py_value(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, char *text,
                   size_t size)
{
    py_runtime *py = py_of_heap(reader, object->heap);
    const py_type *type = py_type_of(py, object);
    writer w = {.py = py, .out.parts_max = PARTS_MAX};
    text[0] = '\0';
    if (!type || !py->views || rhi__py_scalar(py, type, object->address, text, size) ||
        named_text(py, type, object->address, text, size))
        return;
    if (!put_container(&w, type, object->address))
        put_other(&w, type, object, bytes);
    rhi__text(text, size, "%s", w.out.text);
}

void rhi__py_repr(py_runtime *py, uint64_t address, char *text, size_t size)
{
    const py_type *type = type_at(py, address);
    writer w = {.py = py, .out.parts_max = PARTS_MAX};
    if (type && type->layout == PY_TUPLE && put_container(&w, type, address))
        rhi__text(text, size, "%s", w.out.text);
    else
        short_text(py, address, size, text, size);
}
