/* python.h - what the files that read CPython's heap share. Private to them.
 *
 * offsets.c has where things lie, by version; discovery.c finds the runtimes of the target and
 * verifies that. types.c learns type objects; objects.c tells whether an object is in some memory,
 * and where it begins; pools.c finds those of obmalloc, lone.c those in malloc's blocks, statics.c
 * those in modules. headers.c decodes them. slots.c and tables.c visit their references, names.c
 * calls these; members.c has which words of a function, say, are references. pages.c keeps what
 * they read; value.c and scalars.c show what objects hold. threads.c, frames.c and interpreter.c
 * find the roots; expression.c writes a path from there in Python; uses.c and what uses.h names
 * find the code that names a variable.
 *
 * Invariant: whatever the target holds, what is kept here was checked and is bounded: offsets lie
 * inside of their objects, numbers of types inside of `types`. */
#ifndef RHI_PYTHON_H
#define RHI_PYTHON_H

#include "heap/reader.h"
#include "program/module_files.h"

#include <pthread.h>

enum {
    PY_MINOR_MIN = 9,
    PY_MINOR_MAX = 13,
    PY_PREFIX_MAX = 32,   /* of an object, in front of its address */
    PY_DEBUG_PREFIX = 16, /* in front of that, with debug hooks */
    PY_IS_STATIC = 1 /* rhi_block.origin of an object in a module's data: its count says nothing */
};

/* Where things lie in one minor version; offsets in bytes. ABSENT: that version has none. */
#define PY_ABSENT UINT32_MAX
typedef struct py_offsets {
    uint8_t minor;
    uint32_t pool_bytes, arena_bytes;
    /* of _PyRuntime */
    uint32_t runtime_size, finalizing, interpreters_head, interpreters_main;
    /* of an interpreter */
    uint32_t interpreter_size, next, id, threads_head, interpreter_runtime, gc, modules, sysdict,
        builtins, obmalloc, type_cache, callable_cache;
    /* the GIL: of _PyRuntime; gil_is_own: of an interpreter, which has its address there */
    uint32_t gil;
    bool gil_is_own;
    uint32_t gil_end; /* what is from here on has moved where mutexes are longer; see
                         py_in_interpreter */
    /* of a thread's state; native_id: PY_ABSENT before 3.11. frame: what leads to the innermost
     * frame; through_cframe: at this offset of what it leads to; PY_ABSENT: it is the frame */
    uint32_t thread_next, thread_interpreter, thread_frame, through_cframe, thread_id, native_id,
        thread_dict, thread_context, exc_info, thread_trash, datastack_chunk, datastack_top;
    /* of a type that the program made, behind the 880 bytes or so that all types have */
    uint32_t ht_name, ht_slots, ht_qualname, ht_cached_keys, ht_module, heap_type_size;
    /* of a str: where its characters are, if all are ASCII and else */
    uint32_t ascii_data, wide_data;
    /* in front of an object: its pre-header has these flags' words */
    bool has_managed_dict, has_managed_weakref, has_inline_values;
    /* a frame */
    uint32_t frame_size, frame_code, frame_previous, frame_function, frame_locals, frame_object,
        frame_instruction, frame_stacktop, frame_owner;
    uint32_t code_bytes; /* of a code object: where its instructions begin */
} py_offsets;

/* Where a member of an interpreter lies that x86-64 has at `offset`. From 3.12 on each has two
 * mutexes of its own, which have 40 bytes there. The engine reads programs of its own machine
 * alone. */
static inline uint32_t py_in_interpreter(const py_offsets *at, uint32_t offset)
{
    enum { MUTEXES = 2, MUTEX_BYTES = 40 };
    return offset != PY_ABSENT && offset >= at->gil_end
               ? offset + MUTEXES * (uint32_t)(sizeof(pthread_mutex_t) - MUTEX_BYTES)
               : offset;
}

/* The same in all versions. */
enum {
    PY_OB_REFCNT = 0,
    PY_OB_TYPE = 8,
    PY_OB_SIZE = 16,
    /* types */
    PY_TP_NAME = 24,
    PY_TP_BASICSIZE = 32,
    PY_TP_ITEMSIZE = 40,
    PY_TP_FLAGS = 168,
    PY_TP_TRAVERSE = 184,
    PY_TP_WEAKLISTOFFSET = 208,
    PY_TP_MEMBERS = 240,
    PY_TP_BASE = 256,
    PY_TP_DICT = 264,
    PY_TP_DICTOFFSET = 288,
    PY_TP_BASES = 336,
    PY_TP_MRO = 344,
    PY_TP_CACHE = 352,
    PY_TP_SUBCLASSES = 360,
    PY_TP_WEAKLIST = 368,
    PY_TYPE_READ_BYTES = 408, /* that every type has */
    /* the collector's part of an interpreter: three lists, each a head of 24 bytes */
    PY_GC_ENABLED = 12,
    PY_GC_GENERATIONS = 24,
    PY_GC_GENERATION_BYTES = 24,
    PY_GC_PERMANENT = 104, /* a list of its own */
    PY_GC_STATS = 128,
    PY_GC_COLLECTING = 200,
    PY_GC_GARBAGE = 208,
    PY_GC_LINK_FLAGS = 3, /* in the low bits of a link */
    PY_GC_PREFIX = 16,    /* the links, in front of an object */
    /* flags of types */
    PY_FLAG_INLINE_VALUES = 1 << 2,
    PY_FLAG_MANAGED_WEAKREF = 1 << 3,
    PY_FLAG_MANAGED_DICT = 1 << 4,
    PY_FLAG_HEAPTYPE = 1 << 9,
    PY_FLAG_READY = 1 << 12,
    PY_FLAG_READYING = 1 << 13, /* a thread makes it ready just now */
    PY_FLAG_GC = 1 << 14,
    PY_FLAG_LONG = 1 << 24,
    PY_FLAG_LIST = 1 << 25,
    PY_FLAG_TUPLE = 1 << 26,
    PY_FLAG_BYTES = 1 << 27,
    PY_FLAG_STR = 1 << 28,
    PY_FLAG_DICT = 1 << 29,
    PY_FLAG_EXCEPTION = 1 << 30
};
#define PY_FLAG_TYPE (1u << 31)

/* How the references of a type's objects are found: by the nearest base that has a layout. */
enum py_layout {
    PY_OWN_WORDS, /* no base has one: each word that holds the address of an object */
    PY_PLAIN,     /* int, str, bytes, float, …: no references of its own */
    PY_TUPLE,
    PY_LIST,
    PY_DICT,
    PY_ORDERED_DICT,
    PY_SET,
    PY_FUNCTION,
    PY_METHOD,
    PY_BUILTIN,
    PY_CELL,
    PY_CODE,
    PY_TYPE,
    PY_GENERATOR, /* coroutines and async generators, too */
    PY_FRAME,
    PY_MODULE,
    PY_WEAKREF,
    PY_DESCRIPTOR,
    PY_EXCEPTION,
    PY_TRACEBACK,
    PY_DEQUE,
    PY_LRU_CACHE,
    PY_LRU_LINK,
    PY_CONTEXT_VAR,
    PY_MEMORYVIEW,
    PY_ELEMENT, /* of xml.etree */
    PY_GROUPBY,
    PY_TEE_DATA,
    PY_MATCH, /* of re: its marks are no references */
    PY_LOCAL_DUMMY,
    PY_FUTURE, /* of asyncio, in C */
    PY_TASK,
    PY_LOCAL,      /* threading.local, in C */
    PY_RW_PAIR,    /* io.BufferedRWPair */
    PY_XML_PARSER, /* of pyexpat */
    PY_ELEMENT_ITERATOR,
    PY_RING_QUEUE, /* SimpleQueue, from 3.13 on */
    PY_CDATA,      /* of ctypes */
    PY_CFUNCTION,  /* a function of C, there */
    PY_LAYOUTS
};

/* A type object; its number in `py_runtime.types` and that in rhi_reader.types differ by
 * py_runtime.first_type. */
typedef struct py_type {
    uint64_t address, base; /* base: of its tp_base; 0: none */
    uint64_t dict;          /* tp_dict */
    uint64_t traverse;      /* tp_traverse: what tells the collector what its objects hold */
    uint64_t cached_keys;   /* 0: none: names of instance attributes */
    uint32_t basicsize, itemsize, flags;
    int32_t dictoffset, weaklistoffset;
    uint32_t layout_end; /* bytes of the base that has the layout: own words begin behind */
    /* items that each of its objects has, whatever they say: of a named tuple of C, some of whose
     * items have no number; 0: they say it */
    uint32_t items;
    uint8_t layout; /* enum py_layout */
    /* which words, counted from the object on, its tp_traverse leaves out */
    uint64_t hidden;
    uint8_t prefix; /* bytes in front of its objects: 0, 16 or 32 */
    uint8_t
        buffer_at; /* where its objects have the address of memory for their contents; 0: none */
    bool is_heap_type;
    bool is_opaque;     /* as in rhi_type */
    bool may_lack_zone; /* datetime's: an object without a time zone has no room for one */
} py_type;

/* PY_DEBUG: obmalloc's pools, with debug hooks. PY_MALLOC: no pools; hooks if there is a
 * block_prefix. */
enum py_allocator { PY_PYMALLOC, PY_DEBUG, PY_MALLOC };

/* What gcstat says of an interpreter, line by line. */
enum { PY_GROUP_SELF, PY_GROUP_COLLECTOR, PY_GROUP_GENERATIONS, PY_GROUPS = 5, PY_GROUP_SIZE = 56 };

/* An interpreter. Those that have one allocator have one heap: its objects do not say whose they
 * are. */
typedef struct py_interpreter {
    uint64_t address, id, gc; /* gc: where its lists of objects are */
    uint64_t modules, sysdict, builtins;
    bool
        is_collecting; /* the collector has some objects on lists of its own, and counts in links */
    uint32_t heap;     /* index into rhi_reader.heaps */
    /* what its lines are called; "": it is the first of its heap */
    char groups[PY_GROUPS][PY_GROUP_SIZE];
} py_interpreter;

/* One copy of CPython in the process: heaps of it have it as their `state`. */
typedef struct py_runtime {
    rhi_reader *reader;
    rhi_memory *memory;
    const py_offsets *at; /* `offsets` */
    py_offsets offsets;   /* of the version, corrected by what the target itself says of them */
    uint64_t address;     /* of _PyRuntime */
    uint8_t minor, micro;
    bool micro_is_known;
    bool is_finalizing;         /* it ends just now: modules and types are taken down */
    char module[RHI_NAME_SIZE]; /* the file that it lies in: "libpython3.11.so.1.0" */
    struct {
        py_interpreter *items;
        uint64_t count, capacity;
    } interpreters;
    enum py_allocator allocator;
    uint8_t block_prefix;            /* PY_DEBUG_PREFIX or 0 */
    uint64_t type_type, object_type; /* `type` and `object` */
    uint64_t class_traverse;         /* tp_traverse of all classes of Python code; 0: not known */
    uint64_t definition_type; /* of definitions of modules, which nobody frees; 0: not known */
    uint32_t first_type;      /* in rhi_reader.types */
    struct {
        py_type *items;
        uint64_t count, capacity;
    } types;
    /* the number of a type by its address: open addressing, types.c */
    struct {
        uint32_t *items;
        uint64_t capacity;
    } type_places;
    /* the number of a type by its name, likewise, type_names.c */
    struct {
        uint32_t *items;
        uint64_t capacity;
    } names;
    uint32_t types_max;           /* that there is room for: rhi_reader.types is never moved */
    struct py_learning *learning; /* types.c */
    struct py_pools *pools;       /* pools.c */
    uint64_t refcount_max;        /* no object has more holders than memory has words */
    /* arenas: own ranges of the reader; sorted */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
    } arenas;
    uint64_t interned; /* the dict of interned strings, which owns none of them; 0: not known */
    /* buffers.c: memory that objects have for their contents, as blocks are read */
    struct {
        uint64_t *items;
        uint64_t count, capacity;
        bool is_short;
    } buffers;
    struct py_parts *parts;   /* what pools.c, lone.c and others made for themselves */
    struct py_traces *traces; /* of tracemalloc.c; NULL: nobody asked yet */
    struct py_hands *hands;   /* of hands.c; likewise */
    /* rhi__py_at_hand, for types_check.c: what threads are doing is found by types; NULL: not told
     */
    bool (*at_hand)(struct py_runtime *py, uint64_t start, uint64_t end, bool *is_known);
    struct py_views *views;  /* what slots.c and those with it did: views.h */
    rhi_module_files *files; /* where names are that C code has */
} py_runtime;

typedef struct py_runtimes {
    struct {
        py_runtime **items;
        uint64_t count, capacity;
    } items;
} py_runtimes;

/* The runtime that a heap, or a type, belongs to. */
static inline py_runtime *py_of_heap(const rhi_reader *reader, uint32_t heap)
{
    return reader->heaps.items[heap].state;
}
static inline const py_type *py_type_of(const py_runtime *py, const rhi_object *object)
{
    uint64_t number = object->type - (uint64_t)py->first_type;
    return number < py->types.count ? &py->types.items[number] : NULL;
}

/* ---- offsets.c, discovery.c ----------------------------------------------------------------- */

/* NULL: that version is not read. */
const py_offsets *rhi__py_offsets(unsigned minor);
/* From 3.13 on _PyRuntime begins with offsets of its own: takes them over. NULL, or what cannot be
 * right. */
const char *rhi__py_published_offsets(rhi_memory *memory, uint64_t runtime, py_offsets *offsets);
/* Finds the runtimes of the target, their interpreters, `type`, and the allocator, verified. What
 * is Python and cannot be read is refused, in one line with the version and the check that failed.
 * Appends to *found; each is freed by rhi__py_runtime_free. */
rhi_error *rhi__py_discover(rhi_reader *reader, py_runtimes *found);
void rhi__py_runtime_free(py_runtime *py);

/* ---- runtime.c ------------------------------------------------------------------------------ */

/* What a place that may be _PyRuntime turned out to be. PY_NOT_ONE: something else; PY_REFUSED:
 * Python, and not to be read, as was said. */
enum py_verdict { PY_NOT_ONE, PY_REFUSED, PY_IS_ONE, PY_NO_MEMORY };
/* Opens the runtime at an address where offsets of that version are to be tried: its version,
 * interpreters, `type`, allocator, all of it verified. *result is set with PY_IS_ONE. */
enum py_verdict rhi__py_runtime_open(rhi_reader *reader, uint64_t address, unsigned minor,
                                     py_runtime **result);
/* Is it the _PyRuntime of a 3.8, which is not read? */
bool rhi__py_is_3_8(rhi_memory *memory, uint64_t address);
/* Do the collector's lists, whose heads begin at `generations`, close? */
bool rhi__py_lists_close(rhi_memory *memory, uint64_t generations);
/* The name of the file that an address lies in. */
void rhi__py_module_name(const rhi_memory *memory, uint64_t address, char name[RHI_NAME_SIZE]);
/* Refuses a Python of a version, "3.14.0", that is not read. */
void rhi__py_refuse_version(rhi_reader *reader, uint64_t address, const char *version);

/* ---- types.c -------------------------------------------------------------------------------- */

/* Learns all types that are reached from `object` by lists of subclasses, and names them. */
rhi_error *rhi__py_types_open(py_runtime *py);
/* The type at an address, learned if it is one and new; NULL: it is none. */
const py_type *rhi__py_type_at(py_runtime *py, uint64_t address);
/* The same of those that are known already; type_map.c says where each is. */
static inline uint64_t py_type_place(uint64_t address, uint64_t capacity)
{
    return (address >> 3) * 0x9E3779B97F4A7C15ull >> 20 & (capacity - 1);
}
static inline const py_type *rhi__py_known_type(const py_runtime *py, uint64_t address)
{
    uint64_t capacity = py->type_places.capacity;
    if (!capacity)
        return NULL;
    for (uint64_t place = py_type_place(address, capacity);; place = (place + 1) & (capacity - 1)) {
        uint32_t number = py->type_places.items[place];
        if (number == UINT32_MAX)
            return NULL;
        if (py->types.items[number].address == address)
            return &py->types.items[number];
    }
}
static inline uint32_t py_type_number(const py_runtime *py, const py_type *type)
{
    return py->first_type + (uint32_t)(type - py->types.items);
}
/* Is it the type with that layout, or one below it? */
static inline bool rhi__py_is_a(const py_type *type, enum py_layout layout)
{
    return type->layout == layout || (layout == PY_DICT && type->layout == PY_ORDERED_DICT);
}
/* Frees what types.c made. */
void rhi__py_types_free(py_runtime *py);

/* ---- types_check.c -------------------------------------------------------------------------- */

/* Do the facts of the types from `first` on agree with one another, and with those of their bases?
 * What does not is damage. */
void rhi__py_check_types(py_runtime *py, uint64_t first);
/* Is it no class of the program's? Such a class has its module in no word, nor in tp_name. */
bool rhi__py_is_made_in_c(py_runtime *py, const py_type *type);

/* ---- type_map.c ----------------------------------------------------------------------------- */

/* Room for one type more; false if memory is short. */
bool rhi__py_make_places(py_runtime *py);
/* Enters a type of py_runtime.types. */
void rhi__py_place_type(py_runtime *py, uint32_t number);
/* Is it one that CPython itself has, in the same data of its program or library as `type`? */
bool rhi__py_is_own_type(const py_runtime *py, const py_type *type);

/* ---- traversal.c ---------------------------------------------------------------------------- */

/* Sets what follows from a type's tp_traverse: py_type.hidden and is_opaque. Its layout is known.
 */
void rhi__py_find_traversal(py_runtime *py, py_type *type, const char *name);
/* The function of all classes that Python code makes, once one that each Python has is known. */
void rhi__py_note_traversal(py_runtime *py, const py_type *type, const char *name);
/* See rhi_format. */
bool rhi__py_hides(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);
bool rhi__py_each_frozen(py_runtime *py, void (*visit)(void *context, uint64_t address),
                         void *context);

/* ---- known_types.c -------------------------------------------------------------------------- */

/* Names without a module are those of CPython's own types. Extensions have types of the same names,
 * and of other layouts. */
bool rhi__py_is_as_named(py_runtime *py, const py_type *type, const char *name);

/* The layout of a type of CPython's own; PY_OWN_WORDS: none of that name has one. */
enum py_layout rhi__py_layout_of_name(const char *name);
/* Do objects of the type have as many bytes as those of the layout have in this version? */
bool rhi__py_has_size_of(const py_runtime *py, const py_type *type, enum py_layout layout);
/* Which words of its objects the type of that name hides from the collector: py_type.hidden. */
uint64_t rhi__py_hidden_words(const py_runtime *py, const py_type *type, const char *name);
/* Is it the name of a type of datetime whose objects may lack their last member? */
bool rhi__py_may_lack_zone(const char *name);
/* Names those types from `first` on whose names cannot be read. False if memory is short. */
bool rhi__py_name_nameless(py_runtime *py, uint64_t first);

/* ---- type_names.c --------------------------------------------------------------------------- */

/* "n_fields" of a tp_dict; 0: it has none. */
uint32_t rhi__py_items_of(py_runtime *py, uint64_t dict);
/* Gives the types from `first` on their qualified names, as far as these can be read. */
void rhi__py_full_names(py_runtime *py, uint64_t first);
/* And those by which they are called: the last component; all of it where several have that; and
 * with its address, "app.C(0x7f…)", where several have that. */
void rhi__py_short_names(py_runtime *py, uint64_t first);
/* From here on names that were given are kept: a type that is learned later gets another one. */
rhi_error *rhi__py_keep_names(py_runtime *py);

/* ---- objects.c ------------------------------------------------------------------------------ */

/* What is in an allocated piece of memory. */
typedef struct py_found {
    const py_type *type;
    uint8_t prefix; /* bytes from the beginning of the piece to the object's address */
    uint64_t size;  /* of the object with its prefix, as it says itself */
} py_found;
enum py_fit {
    PY_FILLS, /* a block of obmalloc: the size rounds to it */
    PY_CHUNK, /* a block of malloc: the size rounds to it, or is a little less */
    PY_WITHIN /* module data: there is so much room */
};
/* Is there an object in the piece at `start`, of which `bytes` are the first `got`, with room for
 * `room`? Learns types. */
bool rhi__py_object_in(py_runtime *py, uint64_t start, const uint8_t *bytes, uint64_t got,
                       uint64_t room, enum py_fit fit, py_found *found);
/* Is one of this type in a block of obmalloc? Most of a pool are alike: this is fast. */
bool rhi__py_object_like(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                         uint64_t room, py_found *found);
/* Was there one in a block of obmalloc that is free (is_free: its first word is a link), or waits
 * for the next of its type with a count of 0? */
bool rhi__py_was_object(py_runtime *py, const uint8_t *bytes, uint64_t got, uint64_t room,
                        bool is_free, py_found *found);
/* Is a collector at work, which has some objects on lists of its own, and counts in links? */
bool rhi__py_is_collecting(const py_runtime *py);
/* Bytes that an object says it has, from its address on, by its type and own length; `bytes` are
 * those from the address on, `got` of them. 0: that makes no sense. */
uint64_t rhi__py_object_size(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                             uint64_t got);
/* Has this object of datetime's no room for its last member? */
enum { PY_HAS_ZONE = 24 };
static inline bool rhi__py_lacks_zone(const py_type *type, const uint8_t *body)
{
    return type->may_lack_zone && !body[PY_HAS_ZONE];
}
#define PY_STATIC_COUNT 500000000u /* static objects begin with twice as many, before 3.12 */
static inline bool rhi__py_is_immortal(const py_runtime *py, uint64_t refcount)
{
    return py->minor >= 12 ? (refcount & 0x80000000u) != 0
                           : py->minor == 11 && refcount >= PY_STATIC_COUNT;
}
/* One that static objects begin with? */
bool rhi__py_is_static_count(const py_runtime *py, uint64_t refcount);

/* ---- pools.c, lone.c, statics.c
 * ------------------------------------------------------------------------ */

/* Finds the arenas and makes each a range of the reader. */
rhi_error *rhi__py_arenas_open(py_runtime *py);
/* Has an interpreter that is not the main one an allocator of its own? Some have from 3.12 on. */
bool rhi__py_has_own_arenas(const py_runtime *py, const py_interpreter *interpreter);
void rhi__py_arenas_free(py_runtime *py);
/* As in rhi_format. */
rhi_error *rhi__py_read_blocks(rhi_reader *reader, const rhi_own_range *range, rhi_blocks *blocks);
rhi_error *rhi__py_read_near(rhi_reader *reader, const rhi_own_range *range, uint64_t address,
                             rhi_blocks *blocks);
rhi_error *rhi__py_read_lone(rhi_reader *reader, rhi_blocks *blocks);
/* Appends the objects in the data of modules; that which contains the address alone. */
rhi_error *rhi__py_add_statics(py_runtime *py, const rhi_program *program, rhi_blocks *blocks);
rhi_error *rhi__py_static_near(py_runtime *py, const rhi_program *program, const rhi_range *data,
                               uint64_t address, rhi_blocks *blocks);
/* What rhi__py_read_near finds where no arena is. */
rhi_error *rhi__py_lone_near(rhi_reader *reader, uint64_t address, rhi_blocks *blocks);

/* ---- buffers.c ------------------------------------------------------------------------------ */

/* py_type.buffer_at of the type of that name. */
uint8_t rhi__py_buffer_of_name(const char *name);
/* Notes the memory that the object has for its contents, if its type has any. */
void rhi__py_note_buffer(py_runtime *py, const py_type *type, const uint8_t *object, uint64_t got);
/* Takes what was noted out of the blocks: no objects are there. False if memory is short. */
bool rhi__py_take_buffers(py_runtime *py, rhi_blocks *blocks);
/* Forgets what was noted. */
void rhi__py_drop_buffers(py_runtime *py);

/* ---- headers.c ------------------------------------------------------------------------------ */

/* As in rhi_format. */
void rhi__py_decode(const rhi_reader *reader, const rhi_block *block, uint64_t start,
                    const uint8_t *bytes, bool live, rhi_object *object);
void rhi__py_headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                     uint64_t slot_count, rhi_header *headers);
uint64_t rhi__py_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);

/* ---- views.c, pages.c ----------------------------------------------------------------------- */

/* False if memory is short. To be freed before the runtime is. */
bool rhi__py_views_make(py_runtime *py);
void rhi__py_views_free(py_runtime *py);
/* As rhi__memory_read and _u64, of what lies near what was read before: tables, names. What was
 * read is kept until the next pass or question begins; without views nothing is. */
uint64_t rhi__py_read(py_runtime *py, uint64_t address, void *buffer, uint64_t size);
bool rhi__py_u64(py_runtime *py, uint64_t address, uint64_t *value);
/* The word there; 0: it cannot be read. */
static inline uint64_t py_word_at(py_runtime *py, uint64_t address)
{
    uint64_t value;
    return rhi__py_u64(py, address, &value) ? value : 0;
}

/* ---- slots.c, tables.c, names.c, value.c ---------------------------------------------------- */

/* Is that a dict's table of the smallest size? */
bool rhi__py_is_smallest_table(const py_runtime *py, const uint8_t *bytes, uint64_t size);
/* As in rhi_format. */
bool rhi__py_slots(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                   rhi_slot_visitor visit, void *context);
rhi_error *rhi__py_spans(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                         rhi_span_visitor visit, void *context);
void rhi__py_value(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, char *text,
                   size_t size);
/* The text of a str object, cleaned and cut; false: it cannot be read, or is none. */
bool rhi__py_text(py_runtime *py, uint64_t address, char *text, size_t size);
/* "'hello'", "42", "<User@0x7f…>": an object in a few words; always writes something. */
void rhi__py_repr(py_runtime *py, uint64_t address, char *text, size_t size);
/* The value of a key in a dict by its text; 0: it has none. */
uint64_t rhi__py_dict_get(py_runtime *py, uint64_t dict, const char *key);
/* Visits the entries of a dict, whatever its table; false if the visitor stopped it. key_slot:
 * where the key lies; owns_key: the dict owns a count of it. */
typedef struct py_entry {
    uint64_t key, value, key_slot, value_slot;
    bool owns_key, owns_value;
} py_entry;
typedef bool (*py_entry_visitor)(void *context, const py_entry *entry);
bool rhi__py_each_entry(py_runtime *py, uint64_t dict, py_entry_visitor visit, void *context);

/* ---- threads.c, frames.c, interpreter.c ----------------------------------------------------- */

/* Appends the exact roots: what threads, their frames and the interpreters own; and ranges of
 * memory that own nothing (unused parts of data stacks, caches, lists of free objects). */
rhi_error *rhi__py_roots_open(py_runtime *py);
/* Where a thread of the process has its control block, which is what Python calls it by. 0: not
 * known. */
uint64_t rhi__py_thread_pointer(const struct rhi_sink *map, const rhi_thread *thread);
/* The line of an instruction of a code object, as the frame has it: its address, or, before 3.11,
 * f_lasti; 0: not known. */
unsigned rhi__py_line(py_runtime *py, uint64_t code, uint64_t instruction);

/* ---- collector.c ---------------------------------------------------------------------------- */

/* The collector's lists of an interpreter: three generations, and what is frozen. */
enum { PY_GC_LISTS = 4, PY_LINKS_BYTES = 16 /* in front of an object */ };
uint64_t rhi__py_list_head(const py_interpreter *interpreter, unsigned list);
/* How many objects a list has; false: it cannot be walked to its end, or has more than `most`. */
bool rhi__py_list_length(py_runtime *py, uint64_t head, uint64_t most, uint64_t *length);
/* An object that the collector knows. Its links lie at `head`, and lead to those of others. */
typedef struct py_links {
    const rhi_block *block;
    uint64_t head, next, previous;
} py_links;
typedef void (*py_links_visitor)(void *context, const py_links *links);
/* Visits them all in the order of memory, once all blocks were read. False: some cannot be read, or
 * the work was stopped. work: NULL: nobody waits. */
bool rhi__py_each_tracked(py_runtime *py, rhi_work *work, py_links_visitor visit, void *context);

/* ---- tracemalloc.c, facts.c, freed.c, verify.c, words.c ------------------------------------- */

/* As in rhi_format. */
void rhi__py_facts(rhi_reader *reader, uint32_t heap, rhi_fact_visitor visit, void *context);
bool rhi__py_site(rhi_reader *reader, const rhi_object *object, rhi_site *site);
void rhi__py_remark(rhi_reader *reader, uint64_t address, const rhi_object *object, char *text,
                    size_t size);
/* May a type be there, of which the core has not all? */
static inline bool py_lacks_type(const py_runtime *py, uint64_t address)
{
    uint8_t head[PY_TYPE_READ_BYTES];
    uint64_t last;
    return rhi__memory_region(py->memory, address) &&
           (rhi__memory_read(py->memory, address, head, sizeof head) != sizeof head ||
            !rhi__memory_u64(py->memory, address + py->at->heap_type_size - 8, &last));
}
/* Has it a count, and a type whose type is `type`? Then it may be an object of a size that is not
 * known, or of a type that was never made ready, as 3.9 has one. So it may be of a type, or of the
 * type of one, that the core lacks. */
bool rhi__py_may_be_object(py_runtime *py, uint64_t address);
bool rhi__py_may_hold(rhi_reader *reader, const rhi_object *object, uint64_t value);
bool rhi__py_in_motion(rhi_reader *reader, const rhi_object *object);
rhi_error *rhi__py_check(rhi_reader *reader, rhi_check *check);
extern const rhi_finding_words rhi__py_words[RHI_FINDING_KINDS];
/* Is the block in its pool's list of free ones? What holds no object may be memory all the same
 * that looks like one that was freed. */
bool rhi__py_is_free(const py_runtime *py, uint64_t start);
/* May a thread be changing what lies from `start` on? *is_known: whether that can be told. */
bool rhi__py_at_hand(py_runtime *py, uint64_t start, uint64_t end, bool *is_known);
/* Is a thread about to free an object that lies there, which has no counts any more? Part of what
 * it held may be its own still. */
bool rhi__py_is_being_freed(py_runtime *py, uint64_t start, uint64_t end);
void rhi__py_hands_free(struct py_hands *hands);
void rhi__py_traces_free(struct py_traces *traces);

/* ---- expression.c --------------------------------------------------------------------------- */

/* As `express` of rhi_format. */
bool rhi__py_expression(rhi_reader *reader, const rhi_way *way, char *text, size_t size);
bool rhi__py_scope(rhi_reader *reader, const rhi_object *object, char what[RHI_NAME_SIZE],
                   char of[RHI_NAME_SIZE]);

/* ---- uses.c --------------------------------------------------------------------------------- */

/* As `variable` and `uses` of rhi_format. */
bool rhi__py_variable(rhi_reader *reader, const rhi_variable_slot *slot, char name[RHI_NAME_SIZE]);
rhi_error *rhi__py_uses(rhi_reader *reader, const uint64_t *objects, uint64_t count,
                        rhi_use_search *search);

#endif
