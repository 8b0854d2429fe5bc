/* slots.c - the references of an object: those of its layout, its attributes, and its own words
 * (see python.h, views.h).
 *
 * A type says by its nearest base with a known layout where references are. What stands behind that
 * base's bytes is no part of the layout: `__slots__` declare some of it; of the rest each word
 * that holds the address of an object is taken for a reference, and said to be a guess. The size by
 * the type counts, not the memory's: what lies behind it is stale.
 * Invariant: nothing outside of the object's slot is taken for a part of it. */
#include "readers/cpython/views.h"

#include <stdlib.h>
#include <string.h>

enum {
    VALUES_AT = -32, /* 3.11: of instance attributes; from 3.12 on that is where weak ones are */
    DICT_AT = -24,
    INLINE_HEADER = 8, /* 3.13: {u8 capacity, size, embedded, valid} */
    WEAKREF_TARGET = 16,
    MODULE_DEF = 24,
    MODULE_STATE = 32,
    DEF_SIZE = 56, /* of a PyModuleDef: bytes of the state */
    STATE_MAX = 1 << 16,
    TUPLE_ITEMS = 24,
    TEE_READ = 24,
    TEE_VALUES = 40,
    TEE_MAX = 57,
    MEMBERS_MAX = 1 << 10,
    BASES_MAX = 64,
    SMALL_NUMBER = 1 << 12 /* tp_subclasses of a static type is one, from 3.12 on */
};

/* ---- words that may be references ----------------------------------------------------------- */

/* Marks the slots that one class declares. */
static void mark_members(py_runtime *py, const py_type *type, uint64_t start, uint64_t *declared)
{
    uint8_t member[PY_MEMBER_BYTES];
    uint64_t slots, at;
    if (!type->is_heap_type || !rhi__py_u64(py, type->address + py->at->ht_slots, &slots) ||
        slots == 0 || !rhi__py_u64(py, type->address + PY_TP_MEMBERS, &at))
        return;
    for (unsigned i = 0; i < MEMBERS_MAX; i++, at += PY_MEMBER_BYTES) {
        if (rhi__py_read(py, at, member, sizeof member) != sizeof member ||
            rhi__load64(member) == 0)
            return;
        uint64_t word = (rhi__load64(member + 16) - start) / 8;
        if (rhi__load32(member + 8) == PY_MEMBER_OBJECT_EX && word < 64)
            *declared |= 1ull << word;
    }
}

static uint64_t first_own_word(const py_type *type)
{
    return type->layout_end > 16 ? (type->layout_end + 7ull) & ~7ull : 16;
}

/* Which of its own words a type's `__slots__` declare: bit by bit, from the first one on. */
static uint64_t declared_words(const py_visit *v)
{
    py_views *views = v->views;
    uint64_t number = (uint64_t)(v->type - v->py->types.items), count = v->py->types.count;
    if (number >= views->word_count) {
        struct py_words *grown = realloc(views->words, count * sizeof *grown);
        if (!grown)
            return 0;
        memset(grown + views->word_count, 0, (count - views->word_count) * sizeof *grown);
        views->words = grown;
        views->word_count = count;
    }
    struct py_words *words = &views->words[number];
    const py_type *type = v->type;
    for (unsigned i = 0; !words->is_known && type && i < BASES_MAX; i++) {
        if (type->basicsize <= v->type->layout_end)
            break;
        mark_members(v->py, type, first_own_word(v->type), &words->declared);
        type = type->base ? rhi__py_known_type(v->py, type->base) : NULL;
    }
    words->is_known = true;
    return words->declared;
}

static uint64_t item_count(const py_visit *v)
{
    int64_t count = (int64_t)py_word(v, PY_OB_SIZE);
    if (v->type->flags & PY_FLAG_LONG && v->py->minor >= 12)
        return (uint64_t)count >> 3;
    return count < 0 ? -(uint64_t)count : (uint64_t)count;
}

static const py_type *type_of(const py_visit *v, uint64_t object)
{
    uint64_t type;
    return object % 8 == 0 && rhi__py_u64(v->py, object + PY_OB_TYPE, &type)
               ? rhi__py_known_type(v->py, type)
               : NULL;
}

/* Where the object's `__dict__` is, by its type's dictoffset; 0: nowhere. */
static uint64_t dict_offset(const py_visit *v)
{
    int64_t offset = v->type->dictoffset;
    if (v->type->flags & PY_FLAG_MANAGED_DICT && v->py->at->has_managed_dict)
        return 0;
    if (offset < 0) {
        uint64_t count = item_count(v);
        if (count > v->size)
            return 0;
        offset += (int64_t)((v->type->basicsize + count * v->type->itemsize + 7) & ~7ull);
    }
    if (offset < 16 || offset % 8 || (uint64_t)offset + 8 > v->size)
        return 0;
    /* where C says it, nothing else does */
    uint64_t value = v->type->is_heap_type ? 0 : py_word(v, (uint64_t)offset);
    const py_type *type = value ? type_of(v, value) : NULL;
    return !value || (type && rhi__py_is_a(type, PY_DICT)) ? (uint64_t)offset : 0;
}

/* Is the word at `offset` one of the layout's own? */
static bool is_member(const py_visit *v, uint64_t offset)
{
    for (uint32_t i = 0; i < v->views->members[v->type->layout].count; i++)
        if (v->views->members[v->type->layout].items[i].at == offset)
            return true;
    return false;
}

/* Does the word begin the list of weak references to the object, as its type says? */
static bool is_weak_list(const py_visit *v, uint64_t offset, uint64_t value)
{
    uint64_t target;
    if ((int64_t)offset != v->type->weaklistoffset)
        return false;
    const py_type *type = type_of(v, value);
    return type && type->layout == PY_WEAKREF &&
           rhi__py_u64(v->py, value + WEAKREF_TARGET, &target) && target == v->object->address;
}

static bool own_words(const py_visit *v, uint64_t dict)
{
    uint64_t start = first_own_word(v->type),
             end = v->type->basicsize - (rhi__py_lacks_zone(v->type, v->body) ? 8u : 0);
    /* behind the layout's bytes come its items */
    if (v->type->itemsize && (v->type->layout == PY_TUPLE || v->type->layout == PY_PLAIN))
        return true;
    bool has_items =
        v->type->layout == PY_OWN_WORDS && v->type->itemsize && v->type->itemsize % 8 == 0;
    if (has_items && item_count(v) <= v->size)
        end += item_count(v) * v->type->itemsize;
    end = end < v->size ? end : v->size;
    if (start + 8 > end)
        return true;
    uint64_t declared = declared_words(v), label = (uint64_t)(v->type - v->py->types.items) << 32;
    for (uint64_t at = start; at + 8 <= end; at += 8) {
        uint64_t value = py_word(v, at), word = (at - start) / 8;
        if (value == 0 || at == dict || is_member(v, at) || is_weak_list(v, at, value))
            continue;
        bool is_declared = word < 64 && declared >> word & 1;
        /* one that C code has to the object itself owns nothing: it would never die */
        bool is_guess =
            !is_declared && value != v->object->address && rhi__py_is_object(v->py, value);
        bool is_hidden = at / 8 < 64 && v->type->hidden >> at / 8 & 1;
        enum py_label which = is_declared ? PY_LABEL_MEMBER
                              : is_hidden ? PY_LABEL_HIDDEN_WORD
                                          : PY_LABEL_WORD;
        if ((is_declared || is_guess) &&
            !py_label(v, which, v->object->address + at, value, label | at))
            return false;
    }
    return true;
}

/* ---- attributes ----------------------------------------------------------------------------- */

/* A word in front of the object; 0: there is none. */
static uint64_t word_before(const py_visit *v, int offset)
{
    uint64_t prefix = v->object->address - v->object->start;
    return prefix >= (uint64_t)-offset ? rhi__load64(v->body + offset) : 0;
}

/* Where the values of its attributes are, apart from the object; 0: nowhere. */
static uint64_t values_of(const py_visit *v)
{
    if (!(v->type->flags & PY_FLAG_MANAGED_DICT) || v->py->minor < 11 || v->py->minor > 12)
        return 0;
    if (v->py->minor == 11)
        return word_before(v, VALUES_AT);
    uint64_t word = word_before(v, DICT_AT);
    return word & 1 ? word + 1 : 0;
}

/* 3.13: values behind the object, as long as they are valid; else 0. */
static uint64_t inline_values_at(const py_visit *v)
{
    uint64_t at = (v->type->basicsize + 7ull) & ~7ull;
    return v->type->flags & PY_FLAG_INLINE_VALUES && v->py->minor >= 13 &&
                   at + INLINE_HEADER <= v->size && v->body[at + 3]
               ? at
               : 0;
}

static bool inline_values(const py_visit *v)
{
    uint64_t at = inline_values_at(v);
    if (!at)
        return true;
    uint64_t room = (v->size - at - INLINE_HEADER) / 8, most = v->body[at];
    return rhi__py_value_slots(v, v->object->address + at + INLINE_HEADER,
                               most < room ? most : room, true);
}

static bool attributes(const py_visit *v)
{
    uint64_t values = values_of(v), word = word_before(v, DICT_AT);
    bool has_dict = v->type->flags & PY_FLAG_MANAGED_DICT && v->py->at->has_managed_dict;
    if (values && !rhi__py_value_slots(v, values, UINT64_MAX, false))
        return false;
    /* 3.13.0 tells the collector of such a dict only once the values have gone */
    enum py_label dict = inline_values_at(v) ? PY_LABEL_DICT_UNSURE : PY_LABEL_DICT;
    if (has_dict && word % 2 == 0 &&
        !py_label(v, dict, v->object->address + (uint64_t)(int64_t)DICT_AT, word, 0))
        return false;
    return inline_values(v);
}

/* ---- layouts -------------------------------------------------------------------------------- */

static bool is_heap_type(const py_visit *v)
{
    return py_word(v, PY_TP_FLAGS) & PY_FLAG_HEAPTYPE;
}

/* References at fixed places. */
static bool members(const py_visit *v)
{
    const py_member *items = v->views->members[v->type->layout].items;
    uint32_t count = v->views->members[v->type->layout].count;
    bool is_type = v->type->layout == PY_TYPE;
    if (is_type && !is_heap_type(v))
        count = v->views->static_type_members;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = py_word(v, items[i].at);
        if (items[i].at + 8ull > v->type->basicsize || (is_type && value < SMALL_NUMBER))
            continue;
        if (v->type->layout == PY_ELEMENT)
            value &= ~1ull; /* a mark */
        if (!py_give(v, &items[i].field, v->object->address + items[i].at, value, 0))
            return false;
    }
    return true;
}

/* `count` items inside of the object. */
static bool items_inside(const py_visit *v, uint64_t first, uint64_t count)
{
    for (uint64_t i = 0; i < count && first + i * 8 + 8 <= v->size; i++)
        if (!py_label(v, PY_LABEL_INNER_ITEM, v->object->address + first + i * 8,
                      rhi__load64(v->body + first + i * 8), i))
            return false;
    return true;
}

/* A module's state, in C: what it is, its definition says not. */
static uint64_t state_of(const py_visit *v, uint64_t *words)
{
    uint64_t def = py_word(v, MODULE_DEF), state = py_word(v, MODULE_STATE), size;
    if (!def || !state || state % 8 || !rhi__py_u64(v->py, def + DEF_SIZE, &size) ||
        size > STATE_MAX)
        return 0;
    *words = size / 8;
    return state;
}

static bool module_state(const py_visit *v)
{
    uint64_t words, value, state = state_of(v, &words);
    for (uint64_t i = 0; state && i < words && rhi__take_room(v->reader, 8); i++) {
        if (!rhi__py_u64(v->py, state + i * 8, &value))
            break;
        if (rhi__py_is_object(v->py, value) &&
            !py_label(v, PY_LABEL_STATE, state + i * 8, value, i * 8))
            return false;
    }
    return true;
}

static bool layout_slots(const py_visit *v)
{
    uint64_t read;
    switch (v->type->layout) {
    case PY_TUPLE:
        return items_inside(v, TUPLE_ITEMS,
                            v->type->items ? v->type->items : py_word(v, PY_OB_SIZE));
    case PY_LIST:
        return rhi__py_list_slots(v);
    case PY_DICT:
        return rhi__py_dict_slots(v, py_word(v, PY_OB_SIZE) >= PY_INTERNED_MIN &&
                                         rhi__py_is_interned_dict(v->py, v->object->address));
    case PY_ORDERED_DICT:
        return rhi__py_ordered_slots(v);
    case PY_SET:
        return rhi__py_set_slots(v);
    case PY_CODE:
        return rhi__py_code_slots(v);
    case PY_TYPE:
        return !is_heap_type(v) ||
               rhi__py_shared_key_slots(v, py_word(v, v->py->at->ht_cached_keys));
    case PY_GENERATOR:
        return rhi__py_generator_slots(v);
    case PY_FRAME:
        return rhi__py_frame_slots(v);
    case PY_MODULE:
        return module_state(v);
    case PY_WEAKREF:
        return py_label(v, PY_LABEL_TARGET, v->object->address + WEAKREF_TARGET,
                        py_word(v, WEAKREF_TARGET), 0);
    case PY_DEQUE:
        return rhi__py_deque_slots(v);
    case PY_LRU_CACHE:
        return rhi__py_cache_slots(v);
    case PY_ELEMENT:
        return rhi__py_element_slots(v);
    case PY_XML_PARSER:
        return rhi__py_handler_slots(v);
    case PY_ELEMENT_ITERATOR:
        return rhi__py_parent_slots(v);
    case PY_RING_QUEUE:
        return rhi__py_ring_slots(v);
    case PY_TEE_DATA:
        read = (uint32_t)py_word(v, TEE_READ);
        return items_inside(v, TEE_VALUES, read < TEE_MAX ? read : TEE_MAX);
    default:
        return true;
    }
}

static bool all_slots(const py_visit *v)
{
    uint64_t dict = v->type->dictoffset ? dict_offset(v) : 0;
    return (!v->type->is_heap_type ||
            py_label(v, PY_LABEL_CLASS, v->object->address + PY_OB_TYPE, v->type->address, 0)) &&
           members(v) && layout_slots(v) && attributes(v) &&
           (dict == 0 || is_member(v, dict) ||
            py_label(v, PY_LABEL_DICT, v->object->address + dict, py_word(v, dict), 0)) &&
           own_words(v, dict);
}

/* ---- what is frozen into the program -------------------------------------------------------- */

typedef struct frozen {
    const rhi_region *region; /* the object's own */
    rhi_slot_visitor visit;
    void *context;
} frozen;

static bool visit_frozen(void *context, const rhi_slot *slot)
{
    const frozen *f = context;
    return slot->value - f->region->start < f->region->end - f->region->start ||
           f->visit(f->context, slot);
}

/* ---- the table's functions ------------------------------------------------------------------ */

static bool begin(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, py_visit *v)
{
    py_runtime *py = py_of_heap(reader, object->heap);
    uint64_t prefix = object->address - object->start;
    *v = (py_visit){.py = py,
                    .views = py->views,
                    .reader = reader,
                    .object = object,
                    .type = py_type_of(py, object),
                    .body = bytes + prefix,
                    .size = object->slot_size - prefix};
    return v->type && py->views && prefix < object->slot_size;
}

bool rhi__py_slots(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                   rhi_slot_visitor visit, void *context)
{
    py_visit v;
    frozen f = {.visit = visit, .context = context};
    if (!begin(reader, object, bytes, &v))
        return true;
    v.visit = visit;
    v.context = context;
    /* code that is part of the program's file, and its constants: what they hold of there was
     * never counted */
    if (v.py->minor == 11 && object->immortal &&
        (v.type->layout == PY_CODE || v.type->layout == PY_TUPLE)) {
        f.region = rhi__memory_region(reader->memory, object->address);
        v.visit = f.region ? visit_frozen : visit;
        v.context = f.region ? &f : context;
    }
    return all_slots(&v);
}

static rhi_error *value_spans(const py_visit *v, rhi_span_visitor visit, void *context)
{
    py_table table;
    uint64_t values = values_of(v);
    if (values && values % 8 == 0 && rhi__py_table_open(v->py, v->type->cached_keys, 0, &table) &&
        table.count)
        return visit(context, values, table.count, 8);
    return NULL;
}

rhi_error *rhi__py_spans(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                         rhi_span_visitor visit, void *context)
{
    py_visit v;
    py_table table;
    uint64_t words = 0, at;
    /* what a thread is just filling may hold more than it says already */
    bool is_known;
    if (!begin(reader, object, bytes, &v) ||
        rhi__py_at_hand(v.py, object->address, object->address + 1, &is_known))
        return NULL;
    RHI_TRY(value_spans(&v, visit, context));
    switch (v.type->layout) {
    case PY_LIST:
    case PY_DICT:
    case PY_SET:
        return rhi__py_table_spans(&v, visit, context);
    case PY_MODULE:
        at = state_of(&v, &words);
        return at && words ? visit(context, at, words, 8) : NULL;
    case PY_TYPE:
        at = is_heap_type(&v) ? py_word(&v, v.py->at->ht_cached_keys) : 0;
        return at && rhi__py_owns_keys(&v, at) && rhi__py_table_open(v.py, at, 0, &table)
                   ? visit(context, at, table.bytes / 8, 8)
                   : NULL;
    default:
        return rhi__py_chain_spans(&v, visit, context);
    }
}
