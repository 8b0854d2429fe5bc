/* views.h - what the files that look into objects share: the visit of an object, the fields that
 * name its slots, and pages of memory that were read. Private to slots.c and those around it.
 *
 * Invariant: no pointer into a page is held across a visitor, which may read itself: what is
 * visited was copied. */
#ifndef RHI_PYTHON_VIEWS_H
#define RHI_PYTHON_VIEWS_H

#include "readers/cpython/python.h"

enum {
    PY_CHUNK_BYTES = 4096,  /* of a table that is read at a time */
    PY_TABLE_MAX_LOG2 = 40, /* entries that a table may claim to have room for */
    PY_INTERNED_MAX = 64,   /* dicts of interned strings: one for each interpreter */
    PY_INTERNED_MIN = 128,  /* strings in one: the names in builtin types alone are more */
    PY_CONSTANTS = 5,
    PY_FRAME_BITS = 48,   /* of a label that are a frame's address; above: a slot of it */
    PY_MEMBERS_MAX = 24,  /* references at fixed places that a layout has */
    PY_MEMBER_BYTES = 40, /* of a PyMemberDef: {name, i32 type, offset, …} */
    PY_MEMBER_OBJECT = 6, /* T_OBJECT, there */
    PY_MEMBER_OBJECT_EX = 16
};

/* A slot at a fixed place in objects of one layout. */
typedef struct py_member {
    uint32_t at;
    rhi_field field;
} py_member;

/* How slots are called; their labels are in rhi_slot.element. */
enum py_label {
    PY_LABEL_ITEM,       /* "[5]": a number */
    PY_LABEL_INNER_ITEM, /* the same inside of the object */
    PY_LABEL_VALUE,      /* "['user']": the key's address */
    PY_LABEL_KEY,        /* "key 'user'": the same */
    PY_LABEL_SHARED_KEY, /* "shared key 'user'": one of a table of several dicts, which this
                            one, or the class that owns the table, need not have */
    PY_LABEL_ORDER,      /* "order 'user'": the same, of what keeps the order of keys */
    PY_LABEL_INTERNED,   /* the same, and nothing is owned */
    PY_LABEL_ELEMENT,    /* "{'user'}": the element's own address */
    PY_LABEL_INNER_ELEMENT,
    PY_LABEL_ATTRIBUTE,       /* "user": the name's address, outside of the object */
    PY_LABEL_INNER_ATTRIBUTE, /* the same inside */
    PY_LABEL_DICT,            /* "__dict__" */
    PY_LABEL_DICT_UNSURE,     /* the same, of which the collector is perhaps not told */
    PY_LABEL_CLASS,           /* "__class__" */
    PY_LABEL_TARGET,          /* of a weak reference: "target" */
    PY_LABEL_MEMBER,          /* a slot that the class declares: type number << 32 | offset */
    PY_LABEL_WORD,            /* the same of a word that nothing declares */
    PY_LABEL_HIDDEN_WORD,     /* the same, which the collector is not told of */
    PY_LABEL_CLEARED,         /* the same of a frame that is perhaps being cleared */
    PY_LABEL_STATE,           /* of a module: "state+16": a number */
    PY_LABEL_LOCAL,           /* of a frame: address | slot << PY_FRAME_BITS */
    PY_LABEL_FRAME_CODE,
    PY_LABEL_FRAME_FUNCTION,
    PY_LABEL_FRAME_LOCALS,
    PY_LABEL_FRAME_OBJECT,
    PY_LABEL_ORIGIN,
    PY_LABEL_LINK, /* of a cache: a number */
    PY_LABEL_INNER_LINK,
    PY_LABEL_ATTRIB,  /* of an xml element */
    PY_LABEL_HANDLER, /* of a parser of xml: a number */
    PY_LABEL_PARENT,  /* of an iterator of elements: a number */
    PY_LABEL_CACHED,  /* of a code object, outside: a number */
    PY_LABELS
};

/* A dict's table. values: where they lie, if apart; 0: they lie in the entries. */
typedef struct py_table {
    uint64_t keys, entries, count, values, bytes;
    uint32_t stride, key_at, value_at;
} py_table;

typedef struct py_views {
    struct py_pages *pages;
    uint64_t reading; /* of the reader, when something was read last */
    py_table table;   /* of a dict or of instances, that was opened last; keys 0: none */
    rhi_field labels[PY_LABELS];
    struct {
        uint32_t count;
        py_member items[PY_MEMBERS_MAX];
    } members[PY_LAYOUTS];
    uint32_t static_type_members; /* of PY_TYPE's: the first, which static types have, too */
    /* by number of type: which of its words `__slots__` declare, counted from layout_end */
    struct py_words {
        uint64_t declared;
        bool is_known;
    } * words;
    uint64_t word_count;
    /* who owns the strings of a table that instances share, by its address: the type, or, where
     * none does, the first dict that was asked for; open addressing */
    struct {
        struct py_owner {
            uint64_t keys, owner;
        } * items;
        uint64_t count, capacity;
    } owners;
    uint64_t types_seen; /* whose tables are in it */
    uint64_t interned[PY_INTERNED_MAX];
    unsigned interned_count;
    bool knows_interned, knows_constants;
    uint64_t constants[PY_CONSTANTS]; /* None, True, … */
} py_views;

/* An object whose slots are visited. body: its bytes from its address on, `size` of them. */
typedef struct py_visit {
    py_runtime *py;
    py_views *views;
    rhi_reader *reader;
    const rhi_object *object;
    const py_type *type;
    const uint8_t *body;
    uint64_t size;
    rhi_slot_visitor visit;
    void *context;
} py_visit;

static inline bool py_give(const py_visit *v, const rhi_field *field, uint64_t address,
                           uint64_t value, uint64_t element)
{
    rhi_slot slot = {.address = address, .value = value, .field = field, .element = element};
    return value == 0 || v->visit(v->context, &slot);
}
static inline bool py_label(const py_visit *v, enum py_label label, uint64_t address,
                            uint64_t value, uint64_t element)
{
    return py_give(v, &v->views->labels[label], address, value, element);
}
/* A word of the object; 0 where it has none. */
static inline uint64_t py_word(const py_visit *v, uint64_t offset)
{
    return offset + 8 <= v->size ? rhi__load64(v->body + offset) : 0;
}

/* ---- pages.c -------------------------------------------------------------------------------- */

/* NULL: memory is short. Freed with free. */
struct py_pages *rhi__py_pages_make(void);
/* Forgets what was read before the pass or question that goes on. */
void rhi__py_forget_read(py_runtime *py);
/* Is that the address of a live object? Before all blocks were read: does it look like one? */
bool rhi__py_is_object(py_runtime *py, uint64_t value);

/* ---- members.c ------------------------------------------------------------------------------ */

void rhi__py_members_make(py_runtime *py, py_views *views);

/* ---- names.c -------------------------------------------------------------------------------- */

void rhi__py_labels_make(py_runtime *py, py_views *views);

/* ---- tables.c ------------------------------------------------------------------------------- */

/* False: it makes no sense, or cannot be read. values: ma_values, 0 of none. */
bool rhi__py_table_open(py_runtime *py, uint64_t keys, uint64_t values, py_table *table);
/* Each visits what the object owns outside, or in its own table; false if the visitor stopped. */
/* is_interned: it owns nothing. */
bool rhi__py_dict_slots(const py_visit *v, bool is_interned);
bool rhi__py_list_slots(const py_visit *v);
bool rhi__py_set_slots(const py_visit *v);
/* The strings in the table that instances of a type share. */
bool rhi__py_shared_key_slots(const py_visit *v, uint64_t keys);
/* Attributes in an array that has their names in the type's shared keys. label: where the array
 * lies. most: values that it has room for. */
bool rhi__py_value_slots(const py_visit *v, uint64_t values, uint64_t most, bool is_inside);
rhi_error *rhi__py_table_spans(const py_visit *v, rhi_span_visitor visit, void *context);
/* Who owns the strings of a table of shared keys: a type, or the first dict that was asked for. */
bool rhi__py_owns_keys(const py_visit *v, uint64_t keys);

/* ---- chains.c ------------------------------------------------------------------------------- */

bool rhi__py_ordered_slots(const py_visit *v);
bool rhi__py_deque_slots(const py_visit *v);
bool rhi__py_cache_slots(const py_visit *v);
bool rhi__py_element_slots(const py_visit *v);
bool rhi__py_handler_slots(const py_visit *v);
bool rhi__py_parent_slots(const py_visit *v);
bool rhi__py_ring_slots(const py_visit *v);
bool rhi__py_code_slots(const py_visit *v);
rhi_error *rhi__py_chain_spans(const py_visit *v, rhi_span_visitor visit, void *context);

/* ---- suspended.c ---------------------------------------------------------------------------- */

/* Of generators and of frame objects: their frames. */
bool rhi__py_generator_slots(const py_visit *v);
bool rhi__py_frame_slots(const py_visit *v);
/* "local 'x' in f() at app.py:12" */
void rhi__py_local_name(py_runtime *py, uint64_t label, char *name, size_t size);
/* "x" alone; false: it is a value of the stack, or has no name. */
bool rhi__py_local_variable(py_runtime *py, uint64_t label, char *name, size_t size, bool *is_cell);

/* ---- interned.c ----------------------------------------------------------------------------- */

/* Is it a dict of interned strings, which owns none of them? */
bool rhi__py_is_interned_dict(py_runtime *py, uint64_t address);

/* ---- scalars.c ------------------------------------------------------------------------------ */

/* The value of an int, str, bytes, float, bool, None, … as Python writes it; false: it is none of
 * them. */
bool rhi__py_scalar(py_runtime *py, const py_type *type, uint64_t address, char *text, size_t size);
/* Is it the str with this text? */
bool rhi__py_is_text(py_runtime *py, uint64_t address, const char *text);

#endif
