/* types.c - type objects: what is one, where its objects have their references, and a number for
 * each by its address (see python.h).
 *
 * Learned when the heap is opened, from `object` on by lists of subclasses, and later, where an
 * object is found of a type that is not known yet.
 * Invariant: a base was learned before the types below it; once open has ended neither
 * py_runtime.types nor rhi_reader.types is moved, since others hold pointers into them. */
#include "base/array.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"

#include <string.h>

enum {
    BASICSIZE_MAX = 1 << 20,
    CHAIN_MAX = 64,  /* bases above a type, and metatypes above these */
    ROOM_MIN = 4096, /* for types that are learned later */
    TYPES_MAX = 1 << 18,
    NO_TYPES = 1 << 14, /* a power of two */
    LOOKUPS_MAX = 256,
    TP_DEL = 376,
    TP_FINALIZE = 392
};

/* What types.c keeps for itself. */
struct py_learning {
    bool has_fixed_room, is_full;
    unsigned lookups;            /* of names, through all modules */
    uint64_t no_types[NO_TYPES]; /* addresses that were looked at and are none, by their hash */
};

/* ---- layouts -------------------------------------------------------------------------------- */

static uint8_t layout_by_flags(uint32_t flags)
{
    return flags & PY_FLAG_TYPE                                   ? PY_TYPE
           : flags & PY_FLAG_EXCEPTION                            ? PY_EXCEPTION
           : flags & PY_FLAG_DICT                                 ? PY_DICT
           : flags & PY_FLAG_LIST                                 ? PY_LIST
           : flags & PY_FLAG_TUPLE                                ? PY_TUPLE
           : flags & (PY_FLAG_LONG | PY_FLAG_BYTES | PY_FLAG_STR) ? PY_PLAIN
                                                                  : PY_OWN_WORDS;
}

/* Objects of types that are made in C hold what C has in its structs. */
static bool has_raw_words(py_runtime *py, const py_type *type)
{
    const rhi_type *all = py->reader->types.items + py->first_type;
    const py_type *base = rhi__py_known_type(py, type->base);
    return type->layout == PY_TYPE ||
           (type->layout == PY_OWN_WORDS &&
            ((base && all[base - py->types.items].has_raw_words) ||
             (type->basicsize > type->layout_end && rhi__py_is_made_in_c(py, type))));
}

static void find_layout(py_runtime *py, py_type *type, const char *name)
{
    const py_type *base = rhi__py_known_type(py, type->base);
    uint8_t by_flags = layout_by_flags(type->flags),
            of_base = base ? layout_by_flags(base->flags) : PY_OWN_WORDS,
            by_name = (uint8_t)rhi__py_layout_of_name(name);
    type->layout = base ? base->layout : PY_OWN_WORDS;
    type->layout_end = base ? base->layout_end : PY_OB_SIZE;
    if (by_flags != PY_OWN_WORDS && of_base == PY_OWN_WORDS) {
        type->layout = by_flags;
        type->layout_end = type->basicsize;
    }
    if (by_name != PY_OWN_WORDS && rhi__py_is_as_named(py, type, name) &&
        rhi__py_has_size_of(py, type, by_name)) {
        type->layout = by_name;
        type->layout_end = type->basicsize;
    }
    type->buffer_at = rhi__py_buffer_of_name(name);
    if (!type->buffer_at || !rhi__py_is_as_named(py, type, name))
        type->buffer_at = base ? base->buffer_at : 0;
}

static bool has_vectors(const py_runtime *py, const py_type *type)
{
    switch (type->layout) {
    case PY_LIST:
    case PY_DICT:
    case PY_ORDERED_DICT:
    case PY_SET:
    case PY_DEQUE:
    case PY_MODULE:
    case PY_ELEMENT:
    case PY_CODE:
    case PY_FRAME:
    case PY_LRU_CACHE:
    case PY_XML_PARSER:
    case PY_ELEMENT_ITERATOR:
    case PY_RING_QUEUE:
    case PY_TYPE: /* the keys that its instances share */
        return true;
    default:
        return type->prefix == PY_PREFIX_MAX && !py->at->has_inline_values;
    }
}

/* Nodes and blocks that lead to each other; frames elsewhere. */
static bool has_chains(const py_type *type)
{
    return type->layout == PY_ORDERED_DICT || type->layout == PY_DEQUE ||
           type->layout == PY_ELEMENT || type->layout == PY_FRAME || type->layout == PY_LRU_CACHE;
}

/* See members.c. */
static bool has_unseen(const py_type *type)
{
    return type->hidden || type->layout == PY_TYPE || type->layout == PY_LOCAL ||
           type->layout == PY_RW_PAIR || type->layout == PY_XML_PARSER ||
           type->layout == PY_GENERATOR || type->layout == PY_MODULE ||
           type->flags & PY_FLAG_INLINE_VALUES;
}

/* Nothing in front of its objects tells that they are some. */
static bool is_bare(const py_runtime *py, const py_type *type)
{
    return !py->block_prefix && type->prefix == 0;
}

/* Memory for 8 bytes or less comes in blocks of 16: who uses it writes what looks like a count, and
 * the type stays there of the object that was freed before. Debug hooks say who uses it. */
static bool is_thin(const py_runtime *py, const py_type *type)
{
    return is_bare(py, type) && !type->itemsize && type->basicsize <= PY_OB_TYPE + 8;
}

/* What is known of the types from `first` on once their names are. */
static void settle(py_runtime *py, uint64_t first)
{
    for (uint64_t i = first; i < py->types.count; i++)
        rhi__py_note_traversal(py, &py->types.items[i],
                               py->reader->types.items[py->first_type + i].qualified);
    for (uint64_t i = first; i < py->types.count; i++) {
        py_type *type = &py->types.items[i];
        rhi_type *known = &py->reader->types.items[py->first_type + i];
        find_layout(py, type, known->qualified);
        rhi__py_find_traversal(py, type, known->qualified);
        type->may_lack_zone = !type->is_heap_type && rhi__py_may_lack_zone(known->qualified);
        known->has_vectors = has_vectors(py, type);
        known->has_unseen = has_unseen(type);
        known->has_callback = type->layout == PY_WEAKREF;
        known->is_opaque = type->is_opaque || type->layout == PY_MODULE;
        known->is_part = type->layout == PY_LRU_LINK;
        known->has_parts = type->layout == PY_LRU_CACHE;
        known->has_raw_words = has_raw_words(py, type);
        known->has_bytes = (type->flags & PY_FLAG_BYTES) != 0;
        known->lends_bytes = (type->flags & (PY_FLAG_STR | PY_FLAG_BYTES)) != 0;
        known->is_bare = is_bare(py, type);
        known->is_thin = is_thin(py, type);
        known->has_chains = has_chains(type);
        known->runs_code =
            type->layout == PY_FUNCTION || (type->layout == PY_FRAME && py->minor <= 10);
        known->has_references =
            type->layout != PY_PLAIN || type->is_heap_type || type->layout_end < type->basicsize;
    }
}

/* Names the types from `first` on, and settles what follows from that. */
static bool name_types(py_runtime *py, uint64_t first)
{
    bool ok = true;
    rhi__py_full_names(py, first);
    if (py->learning->lookups++ < LOOKUPS_MAX)
        ok = rhi__py_name_nameless(py, first);
    settle(py, first);
    rhi__py_short_names(py, first);
    rhi__py_check_types(py, first);
    return ok;
}

/* ---- what is a type ------------------------------------------------------------------------- */

static uint32_t flags_of(const uint8_t *head)
{
    return rhi__load32(head + PY_TP_FLAGS);
}

/* A static type that nobody made ready, since its objects come from C alone, or since Python begins
 * just now, as classmethod in 3.9: it has no base yet. */
static bool is_unready(const uint8_t *head)
{
    return rhi__load64(head) - 1 < INT32_MAX && rhi__load64(head + PY_OB_SIZE) == 0 &&
           rhi__load64(head + PY_TP_NAME) && !rhi__load64(head + PY_TP_DICT) &&
           !rhi__load64(head + PY_TP_BASE) && !rhi__load64(head + PY_TP_BASES) &&
           !rhi__load64(head + PY_TP_MRO) && !(flags_of(head) & PY_FLAG_HEAPTYPE);
}

static bool has_shape(const uint8_t *head)
{
    uint64_t basicsize = rhi__load64(head + PY_TP_BASICSIZE),
             itemsize = rhi__load64(head + PY_TP_ITEMSIZE);
    return ((flags_of(head) & (PY_FLAG_READY | PY_FLAG_READYING)) || is_unready(head)) &&
           basicsize >= PY_OB_SIZE && basicsize < BASICSIZE_MAX && itemsize < BASICSIZE_MAX;
}

/* Types are written to, by their counts: most words that are none need no read, which a debugger
 * far away would take its time for. */
static bool read_head(py_runtime *py, uint64_t address, uint8_t *head)
{
    const rhi_region *region = rhi__memory_region(py->memory, address);
    return address % 8 == 0 && region && region->flags & RHI_REGION_WRITE &&
           rhi__range_ok(address, PY_TYPE_READ_BYTES) &&
           rhi__memory_read(py->memory, address, head, PY_TYPE_READ_BYTES) == PY_TYPE_READ_BYTES;
}

/* Is its type a type, and that one's type, and so on up to `type`? */
static bool is_type(const py_runtime *py, const uint8_t *head)
{
    uint8_t above[PY_TYPE_READ_BYTES];
    if (!has_shape(head))
        return false;
    uint64_t meta = rhi__load64(head + PY_OB_TYPE);
    for (unsigned step = 0; step < CHAIN_MAX && meta != py->type_type; step++) {
        const py_type *known = rhi__py_known_type(py, meta);
        if (known)
            return (known->flags & PY_FLAG_TYPE) != 0;
        if (!read_head((py_runtime *)py, meta, above) || !has_shape(above) ||
            !(flags_of(above) & PY_FLAG_TYPE))
            return false;
        meta = rhi__load64(above + PY_OB_TYPE);
    }
    return meta == py->type_type && meta != 0;
}

/* ---- what each interpreter has of a static type ---------------------------------------------- */

/* Behind the type cache, from 3.12 on. Types of extensions have numbers of their own, from 3.13 on:
 * how many there are, and the next number, are between. */
enum { CACHE_BYTES = 4096 * 24, BUILTINS = 200, EXTENSIONS = 10, BETWEEN = 16 };

/* The state of a static type of this head in an interpreter; 0: it has none. */
static uint64_t state_of(const py_runtime *py, const py_interpreter *interpreter, uint64_t address,
                         const uint8_t *head)
{
    uint64_t number = rhi__load64(head + PY_TP_SUBCLASSES) - 1, size = py->minor >= 13 ? 48 : 40,
             state = interpreter->address + py->at->type_cache + CACHE_BYTES + 8 + number * size,
             found;
    if (py->minor < 12 || number >= BUILTINS || (flags_of(head) & PY_FLAG_HEAPTYPE))
        return 0;
    if (rhi__memory_u64(py->memory, state, &found) && found == address)
        return state;
    state += BUILTINS * size + BETWEEN;
    return py->minor >= 13 && number < EXTENSIONS && rhi__memory_u64(py->memory, state, &found) &&
                   found == address
               ? state
               : 0;
}

/* An extension may have been imported by another interpreter than the main one alone. */
static uint64_t dict_of(const py_runtime *py, uint64_t address, const uint8_t *head)
{
    uint64_t dict = rhi__load64(head + PY_TP_DICT), state;
    for (uint64_t i = 0; i < py->interpreters.count && !dict; i++) {
        state = state_of(py, &py->interpreters.items[i], address, head);
        if (state && !rhi__memory_u64(py->memory, state + (py->minor >= 13 ? 24 : 16), &dict))
            dict = 0;
    }
    return dict;
}

/* ---- learning ------------------------------------------------------------------------------- */

static uint32_t offset_inside(uint64_t offset, uint32_t basicsize)
{
    return offset && offset + 8 <= basicsize ? (uint32_t)offset : 0;
}

/* dictoffset: from the end, of objects of many sizes, if it is negative. */
static void find_offsets(const py_runtime *py, py_type *type, const uint8_t *head)
{
    int64_t dict = (int64_t)rhi__load64(head + PY_TP_DICTOFFSET);
    type->weaklistoffset =
        (int32_t)offset_inside(rhi__load64(head + PY_TP_WEAKLISTOFFSET), type->basicsize);
    if (py->at->has_managed_dict && (type->flags & PY_FLAG_MANAGED_DICT))
        return;
    if (dict < 0 && dict % 8 == 0 && dict >= -(int64_t)type->basicsize)
        type->dictoffset = (int32_t)dict;
    else if (dict > 0)
        type->dictoffset = (int32_t)offset_inside((uint64_t)dict, type->basicsize);
}

static uint8_t prefix_of(const py_runtime *py, uint32_t flags)
{
    uint32_t managed = (py->at->has_managed_dict ? PY_FLAG_MANAGED_DICT : 0) |
                       (py->at->has_managed_weakref ? PY_FLAG_MANAGED_WEAKREF : 0);
    return (uint8_t)((flags & PY_FLAG_GC ? 16 : 0) + (flags & managed ? 16 : 0));
}

/* Appends a type to both tables. Its name comes later. */
static const py_type *append(py_runtime *py, const py_type *type, const uint8_t *head)
{
    rhi_reader *reader = py->reader;
    struct py_learning *own = py->learning;
    uint64_t number = py->first_type + py->types.count;
    if (own->has_fixed_room && py->types.count >= py->types_max) {
        if (!own->is_full)
            rhi__reader_problem(reader, "more than %u types of Python: others are left out",
                                (unsigned)py->types.count);
        own->is_full = true;
        return NULL;
    }
    if (py->types.count >= TYPES_MAX || !rhi__array_reserve(&py->types, 1) ||
        !rhi__array_reserve(&reader->types, 1) || !rhi__py_make_places(py))
        return NULL;
    py_type *added = &py->types.items[py->types.count];
    *added = *type;
    rhi__py_place_type(py, (uint32_t)py->types.count++);
    reader->types.count += number == reader->types.count; /* or it has a blank one */
    reader->types.items[number] =
        (rhi_type){.size = type->basicsize,
                   .has_code = true,
                   .acyclic = !(type->flags & PY_FLAG_GC),
                   .has_references = type->layout != PY_PLAIN || type->is_heap_type ||
                                     type->layout_end < type->basicsize,
                   .has_vectors = has_vectors(py, type),
                   .has_unseen = has_unseen(type),
                   .has_chains = has_chains(type),
                   .has_finalizer = rhi__load64(head + TP_FINALIZE) || rhi__load64(head + TP_DEL)};
    return added;
}

/* Learns a type whose base is known, or has none. */
static const py_type *learn_one(py_runtime *py, uint64_t address, const uint8_t *head)
{
    py_type type = {.address = address,
                    .dict = dict_of(py, address, head),
                    .basicsize = (uint32_t)rhi__load64(head + PY_TP_BASICSIZE),
                    .itemsize = (uint32_t)rhi__load64(head + PY_TP_ITEMSIZE),
                    .traverse = rhi__load64(head + PY_TP_TRAVERSE),
                    .flags = flags_of(head)};
    const py_type *base = rhi__py_known_type(py, rhi__load64(head + PY_TP_BASE));
    type.base = base ? base->address : 0;
    type.is_heap_type = (type.flags & PY_FLAG_HEAPTYPE) != 0;
    type.prefix = prefix_of(py, type.flags);
    find_offsets(py, &type, head);
    if (type.is_heap_type &&
        !rhi__memory_u64(py->memory, address + py->at->ht_cached_keys, &type.cached_keys))
        return NULL;
    if ((type.flags & PY_FLAG_TUPLE) && base)
        type.items = base->items ? base->items : rhi__py_items_of(py, type.dict);
    return append(py, &type, head);
}

/* Learns a type of this head, and its bases before it. */
static const py_type *learn(py_runtime *py, uint64_t address, const uint8_t *head)
{
    uint64_t chain[CHAIN_MAX];
    uint8_t above[PY_TYPE_READ_BYTES];
    unsigned count = 0;
    uint64_t base = rhi__load64(head + PY_TP_BASE);
    while (count < CHAIN_MAX && base && base != address && !rhi__py_known_type(py, base) &&
           read_head(py, base, above) && is_type(py, above)) {
        chain[count++] = base;
        base = rhi__load64(above + PY_TP_BASE);
    }
    while (count-- > 0)
        if (!rhi__py_known_type(py, chain[count]) && read_head(py, chain[count], above))
            learn_one(py, chain[count], above);
    const py_type *known = rhi__py_known_type(py, address); /* a circle of bases */
    return known ? known : learn_one(py, address, head);
}

/* No block of obmalloc is large enough for a type: in an arena there is none. */
static bool lies_in_arena(const py_runtime *py, uint64_t address)
{
    uint64_t count = py->arenas.count;
    if (!count || address < py->arenas.items[0] ||
        address >= py->arenas.items[count - 1] + py->at->arena_bytes)
        return false;
    uint64_t i = rhi__first(0, count, at, py->arenas.items[at] > address);
    return i > 0 && address - py->arenas.items[i - 1] < py->at->arena_bytes;
}

const py_type *rhi__py_type_at(py_runtime *py, uint64_t address)
{
    uint8_t head[PY_TYPE_READ_BYTES];
    if (address % 8 || address < 4096)
        return NULL;
    const py_type *type = rhi__py_known_type(py, address);
    if (type || lies_in_arena(py, address))
        return type;
    uint64_t *none = &py->learning->no_types[py_type_place(address, NO_TYPES)],
             first = py->types.count;
    if (*none == address)
        return NULL;
    if (read_head(py, address, head) && is_type(py, head))
        type = learn(py, address, head);
    if (!type)
        *none = address;
    else if (py->learning->has_fixed_room)
        name_types(py, first);
    return type;
}

/* ---- opening -------------------------------------------------------------------------------- */

static bool add_subclass(void *context, const py_entry *entry)
{
    py_runtime *py = context;
    uint64_t target;
    if (rhi__memory_u64(py->memory, entry->value + 16 /* of a weak reference */, &target))
        rhi__py_type_at(py, target);
    return true;
}

/* A static type may have its subclasses in each interpreter. */
static void add_subclasses(py_runtime *py, uint64_t address)
{
    uint8_t head[PY_TYPE_READ_BYTES];
    uint64_t subclasses;
    bool has_state = false;
    if (!read_head(py, address, head))
        return;
    for (uint64_t i = 0; i < py->interpreters.count && py->minor >= 12; i++) {
        uint64_t state = state_of(py, &py->interpreters.items[i], address, head);
        has_state |= state != 0;
        if (state && rhi__memory_u64(py->memory, state + (py->minor >= 13 ? 32 : 24), &subclasses))
            rhi__py_each_entry(py, subclasses, add_subclass, py);
    }
    if (!has_state)
        rhi__py_each_entry(py, rhi__load64(head + PY_TP_SUBCLASSES), add_subclass, py);
}

/* What the runtimes that were opened before may still learn has numbers of its own: blank ones. */
static bool leave_room_for_others(py_runtime *py)
{
    rhi_reader *reader = py->reader;
    const rhi_heap_info *heaps = reader->heaps.items,
                        *mine = &heaps[py->interpreters.items[0].heap];
    uint64_t end = 0;
    for (uint64_t i = 0; i < reader->heaps.count; i++) {
        const py_runtime *other = heaps[i].format == mine->format ? heaps[i].state : NULL;
        if (other && other->types_max)
            end = (uint64_t)other->first_type + other->types_max;
    }
    if (end > reader->types.count && !rhi__array_reserve(&reader->types, end - reader->types.count))
        return false;
    while (reader->types.count < end)
        reader->types.items[reader->types.count++] = (rhi_type){.has_code = true};
    return true;
}

static bool reserve_room(py_runtime *py)
{
    uint64_t room = py->types.count + ROOM_MIN;
    if (!rhi__array_reserve(&py->types, room) || !rhi__array_reserve(&py->reader->types, room))
        return false;
    py->types_max = (uint32_t)(py->types.count + room);
    py->learning->has_fixed_room = true;
    return true;
}

static uint64_t words_of(const rhi_memory *memory)
{
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < memory->map.regions.count; i++)
        bytes += memory->map.regions.items[i].end - memory->map.regions.items[i].start;
    return bytes < memory->core_bytes ? bytes / 8 : memory->core_bytes / 8;
}

/* The type of what describes the module sys, which every Python has. */
static uint64_t definition_type(py_runtime *py)
{
    enum { MD_DEF = 24, DEFINITION_BYTES = 104 };
    uint64_t sys = rhi__py_dict_get(py, py->interpreters.items[0].modules, "sys"), at, type;
    const py_type *known = sys && rhi__memory_u64(py->memory, sys + MD_DEF, &at) && at &&
                                   rhi__memory_u64(py->memory, at + PY_OB_TYPE, &type)
                               ? rhi__py_type_at(py, type)
                               : NULL;
    return known && !known->is_heap_type && known->basicsize == DEFINITION_BYTES ? known->address
                                                                                 : 0;
}

rhi_error *rhi__py_types_open(py_runtime *py)
{
    py->learning = calloc(1, sizeof *py->learning);
    py->files = rhi__module_files_new(py->memory);
    if (!py->learning || !py->files || !leave_room_for_others(py))
        return rhi__error_memory();
    py->first_type = (uint32_t)py->reader->types.count;
    py->refcount_max = words_of(py->memory);
    rhi__memory_keep_pages(py->memory);
    rhi__py_type_at(py, py->type_type);
    rhi__py_type_at(py, py->object_type);
    for (uint64_t i = 0; i < py->types.count; i++)
        add_subclasses(py, py->types.items[i].address);
    py->definition_type = definition_type(py);
    bool ok = name_types(py, 0);
    rhi__memory_drop_pages(py->memory);
    return ok && reserve_room(py) ? rhi__py_keep_names(py) : rhi__error_memory();
}

void rhi__py_types_free(py_runtime *py)
{
    free(py->learning);
    rhi__module_files_free(py->files);
    free(py->types.items);
    free(py->type_places.items);
    free(py->names.items);
}
