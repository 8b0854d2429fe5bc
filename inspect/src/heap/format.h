/* format.h - the seam: what a heap format must offer, and what the engine knows of objects.
 *
 * A format turns the bytes of one kind of heap into types, blocks of slots, objects and their
 * references. Graph, words, questions and rendering know nothing but this. Another format is one
 * more table in readers/all.c; those of one process answer together (heap/reader.h).
 *
 * Invariant: whatever the target holds, types are sane (text printable, offsets inside the object),
 * blocks do not overlap and lie in mappings. */
#ifndef RHI_FORMAT_H
#define RHI_FORMAT_H

#include "base/text.h"
#include "base/work.h"
#include "target/memory.h"

typedef struct rhi_reader rhi_reader;
typedef struct rhi_format rhi_format;

enum rhi_field_kind {
    RHI_KIND_STRONG,
    RHI_KIND_WEAK,
    RHI_KIND_BORROWED,
    RHI_KIND_INT,
    RHI_KIND_UINT,
    RHI_KIND_FLOAT,
    RHI_KIND_BYTES
};
enum rhi_field_form { RHI_FORM_ONE, RHI_FORM_ARRAY, RHI_FORM_VECTOR };

/* What a slot is: its kind, how it is called, and, where a type's slots lie at places that can be
 * told once for all of its objects, where. A format that finds slots by code hands out fields of
 * its own with each slot: kind, name and `call` say something then, and the form: a vector's slots
 * lie outside of the object. */
typedef struct rhi_field {
    char name[RHI_NAME_SIZE];
    uint8_t kind, form, width, count_width;
    uint32_t offset, count, count_offset, stride, element_offset;
    bool is_weak_target; /* the one slot of the heap's own weak reference */
    /* nothing declares it: a word that holds the address of an object, in an object whose layout
     * the format does not know. It counts as one that owns, and is shown as conservative; no
     * certain statement rests on it. */
    bool is_guess;
    /* it owns a count that the format's collector is not told of, though it knows the object */
    bool is_unseen;
    bool is_unsure; /* whether it is told of this one is not known */
    /* what is called when the target of a weak reference dies */
    bool is_callback;
    /* Writes the name of a slot with this field, of which `element` is the format's own label,
     * once it is printed: "['key']", "cell". NULL: by name and form. */
    void (*call)(void *context, uint64_t element, char *name, size_t size);
    void *context; /* for `call` */
} rhi_field;

static inline bool rhi__is_reference(const rhi_field *field)
{
    return field->kind == RHI_KIND_STRONG || field->kind == RHI_KIND_WEAK ||
           field->kind == RHI_KIND_BORROWED;
}
/* Does it own a count of what it holds? A weak one owns a count of the weak reference. */
static inline bool rhi__owns(const rhi_field *field)
{
    return field->kind == RHI_KIND_STRONG || field->kind == RHI_KIND_WEAK;
}

typedef struct rhi_type {
    char name[RHI_NAME_SIZE];
    /* with the module it comes from: "app.User"; "": the format has none. A name that several
     * types have is the qualified one. */
    char qualified[RHI_NAME_SIZE];
    uint64_t size;
    /* variable objects: where their element count is; 0: fixed */
    uint32_t element_size, length_offset;
    uint32_t field_count;
    rhi_field *fields;
    bool acyclic, has_references, has_finalizer;
    bool has_vectors; /* slots outside of the object: in vectors, tables */
    /* some of them where no word of the object itself leads: in tables behind tables, in others'
     * objects */
    bool has_chains;
    /* the format finds slots, size and value by code: there are no fields, and no other words of
     * its objects are references, but for those of the two below */
    bool has_code;
    /* with has_code. C code keeps what it likes in the objects' own words, and behind what they say
     * they have: also addresses of bytes inside of objects that it holds. */
    bool has_raw_words;
    bool has_unseen;   /* some slots of its objects are unseen or unsure, see rhi_field */
    bool has_callback; /* one of them is a callback */
    /* its objects may own more than their slots, of which the collector is told, and may tell it of
     * fewer; with rhi_format.hides: if that says so of one */
    bool is_opaque;
    bool is_part;     /* the objects they are part of tell the collector what they hold */
    bool has_parts;   /* its objects do so of such that they hold */
    bool lends_bytes; /* such an address alone may tell that an object is held: of text, say */
    bool has_bytes;   /* with has_code: plain ones, in which a program may keep what it likes */
    bool is_thin;     /* a count and the type are all there is of its objects, and other memory may
                       * hold these two by chance: left by one that was freed there, say */
    /* nothing but a count and the type tells that one of its objects is there: C code may fill what
     * it got of memory with a few bytes, which look like a count, and leave the type there */
    bool is_bare;
    bool has_fixed_size; /* all objects have `size` bytes */
    bool is_weak;        /* the heap's own weak reference: one borrowed slot, its target */
    bool runs_code;      /* its objects lead to code of the program, see `uses` */
} rhi_type;

enum rhi_state { RHI_LIVE, RHI_DYING, RHI_FREED, RHI_UNUSED };
/* Is an object there, whole or dying? */
static inline bool rhi__is_object(uint8_t state)
{
    return state == RHI_LIVE || state == RHI_DYING;
}
enum rhi_death { RHI_DEATH_UNKNOWN, RHI_DEATH_RELEASE, RHI_DEATH_COLLECT, RHI_DEATH_DESTROY };

/* One slot's header, decoded. type is an index into rhi_reader.types, or UINT32_MAX if the stored
 * one is none (a corrupt header). Its memory is the slot, slot_size bytes from `start` on; what
 * others hold is `address`, behind a prefix where the format has one. serial: 0 where the format
 * has none. */
typedef struct rhi_object {
    uint64_t address, start, slot_size, serial;
    int64_t count;       /* 0 for immortals, whose count is not kept */
    uint32_t type, heap; /* heap: index into rhi_reader.heaps */
    uint32_t site;       /* what the header says of who made it, for the format's own `site` */
    uint8_t state, death;
    bool immortal, finalized, uncollectable;
    bool tracked; /* the collector knows it; said where the format has_tracking */
    bool held;    /* one of its counts is the runtime's own: it is being finalized, say */
    bool damaged; /* its header contradicts itself: something has written over it */
    bool unborn;  /* unused, and not for long: an object is just being born there, or something has
                     written over a header */
    bool traced;  /* each change of its count is recorded; untold: but not just now */
    bool untold;
    bool has_gap; /* meanwhile it was not traced; rhi_trace.has_ranges: and no BEGIN tells since
                     when */
} rhi_object;

/* Where its memory ends. */
static inline uint64_t rhi__object_end(const rhi_object *object)
{
    return object->start + object->slot_size;
}

/* An array of equal slots; one alone is a block of its own (rhi__add_lone). live: bit s of word
 * s / 64; owned by the block. */
typedef struct rhi_block {
    uint64_t base, size, slot_size;
    uint64_t reciprocal; /* of slot_size, see rhi__slot_number; 0: the block is too large for it */
    uint64_t *live;
    /* number in the object table of the first live slot of each word of `live`, or behind */
    uint32_t *rank;
    uint64_t origin; /* the format's own: where the target describes it */
    uint32_t capacity, heap;
    bool is_exact; /* live has no slot that was never written to */
    bool is_lone;  /* of one slot: it owns nothing, and there may be millions of them */
    /* the graph was built since it was read, and no word of its objects but for slots that code
     * finds may be a reference: there is nothing to search */
    bool has_slots_alone;
    uint32_t first_object, object_count; /* numbers of its live slots in the object table */
    /* of each slot: bytes from its start to the object's address; NULL: none has a prefix; owned */
    uint8_t *prefixes;
    /* slots in use that hold no object: memory that the program took from the same allocator, whose
     * words may be references. Not among `live`. NULL: there are none; owned */
    uint64_t *raw;
} rhi_block;

/* How good a root is as the beginning of a path. */
enum rhi_root_reach {
    RHI_ROOT_LASTS,   /* as long as the program, or its thread */
    RHI_ROOT_BY_NAME, /* the same, and the program reaches it by name: see `express` */
    RHI_ROOT_IN_CALL, /* as long as a call, by a variable */
    /* on a stack of values, which an exception may be emptying just now: whether the root still
     * holds something is not certain */
    RHI_ROOT_IN_PASSING
};
typedef struct rhi_root {
    uint64_t slot;
    uint32_t heap;
    uint8_t reach; /* enum rhi_root_reach */
    /* what it holds may be lent to it just now: it counts as a word that has a name, and no certain
     * statement rests on it */
    bool is_guess;
    char name[RHI_NAME_SIZE];
} rhi_root;

typedef struct rhi_heap_info {
    const rhi_format *format;
    void *state; /* what the format's open made for itself */
    uint32_t
        header_size;     /* bytes from a slot's start that `decode` needs; fewer in smaller slots */
    uint32_t first_word; /* bytes at a slot's start that hold no reference */
    /* of the header, where the 64 bits are whose upper ones, from this on, are the serial, if the
     * format has any */
    uint32_t serial_at, serial_shift;
    uint64_t address;
    uint64_t number; /* no other heap of the process has it */
    bool is_shared;  /* it holds what all heaps of its copy of the runtime share */
    /* that know some of its objects each, and find garbage among these; 0: said of one alone */
    uint32_t collectors;
    char name[RHI_NAME_SIZE];
    bool provisional;  /* counts are in motion: stopped inside a collection */
    const char *phase; /* "idle", "marking", … */
    /* stopped where weak references are joined or parted: what is of them need not fit together */
    bool weak_in_motion;
    uint64_t candidates, collections, reclaimed;
    bool gc_enabled;
    uint32_t first_type, type_count; /* its copy of the runtime's types in rhi_reader.types */
    /* a history: of deaths; does it have births, too; stacks of its events, words each, 0: none */
    bool keeps_deaths, keeps_births;
    uint64_t stacks, stack_depth;
    /* lines that make objects and have no number any more: those of their objects are not known */
    uint64_t sites_refused;
    uint32_t space; /* its copy of the runtime: each has types and serials of its own */
    /* no other run of any program has such a copy: 0: that is not known of it by itself. A child
     * of fork has the nonce of its parent. */
    uint64_t nonce, pid;
    /* What only grows tells which of two moments is the earlier one. Of the heap, where the format
     * has_serials: no object has the serial next_serial or a higher one; and so many died so far,
     * or more, for those of a release that is under way are not counted yet. */
    bool has_counters;
    uint64_t next_serial, freed;
    /* Of its copy of the runtime: a clock that goes on by one whenever something happens there, as
     * that a heap is destroyed, or that the collector runs. It tells no time. Without a nonce the
     * copy may have been begun anew, and then its clock began at 0 again. */
    bool has_clock;
    uint64_t clock;
} rhi_heap_info;

/* One reference slot of an object. */
typedef struct rhi_slot {
    uint64_t address, value;
    const rhi_field *field;
    uint64_t element; /* index; meaningful unless field->form is RHI_FORM_ONE */
} rhi_slot;
typedef bool (*rhi_slot_visitor)(void *context, const rhi_slot *slot); /* false stops */
/* A piece of memory outside of an object: `stride` bytes from one word to the next. */
typedef rhi_error *(*rhi_span_visitor)(void *context, uint64_t first, uint64_t count,
                                       uint64_t stride);

enum { RHI_STACK_MAX = 32 };
enum rhi_event_kind {
    RHI_EVENT_OTHER,
    RHI_EVENT_ALLOC,
    RHI_EVENT_FREE,
    RHI_EVENT_FINALIZE,
    RHI_EVENT_RESURRECT,
    RHI_EVENT_LAST,   /* its last count was given away, inside of a finalizer */
    RHI_EVENT_RETAIN, /* these: of traced objects */
    RHI_EVENT_RELEASE,
    RHI_EVENT_BEGIN = 9, /* from here on, or up to here, each change of its count is recorded */
    RHI_EVENT_END
};
/* It happened between `time` and `until`, in ns; until 0: after `time`, more is not known. */
typedef struct rhi_event {
    uint64_t sequence, address, serial, time, until;
    uint32_t heap, type, thread;
    uint32_t site; /* as in rhi_object */
    uint8_t kind, death;
    uint8_t depth; /* return addresses into the program, innermost first */
    bool traced;   /* one of a traced object: their events have numbers of their own */
    int64_t count; /* of BEGIN and END: what it was then, without the runtime's own */
    uint64_t stack[RHI_STACK_MAX];
} rhi_event;

/* Can a heap record what happens to counts of its objects, and what is missing of that? */
enum rhi_trace_can {
    RHI_TRACE_NEVER,
    RHI_TRACE_BY_NEWER,
    RHI_TRACE_NEEDS_HISTORY,
    RHI_TRACE_POSSIBLE
};
typedef struct rhi_trace {
    uint8_t can;       /* enum rhi_trace_can; BY_NEWER: the runtime is too old for it */
    bool is_ready;     /* its memory was taken: to record asks the system for nothing */
    bool any;          /* some object's changes were recorded */
    bool has_ranges;   /* BEGIN and END are recorded, too */
    uint64_t begin;    /* so many events of traced objects are forgotten */
    uint64_t lost;     /* there was no memory for these */
    uint64_t changing; /* the object whose count and record are just being changed; 0: none */
} rhi_trace;

/* heap UINT32_MAX: none. has_blocks: its heap's format finds blocks in it; unread: from here on
 * the target's memory could not be read, and blocks may be missing (rhi__reader_unread); 0: none.
 */
typedef struct rhi_own_range {
    uint64_t start, end, unread;
    const char *what;
    uint32_t heap;
    bool has_blocks;
} rhi_own_range;
typedef struct rhi_blocks {
    rhi_block *items;
    uint64_t count, capacity;
} rhi_blocks;

/* Metadata that can be read and makes no sense, so that it is no matter of what is missing. */
typedef struct rhi_damage {
    uint64_t address;
    char *text;
    uint8_t kind; /* enum rhi_finding_kind */
} rhi_damage;

/* What something has written over, so that it is not known what it held (harm.h). */
typedef struct rhi_harm {
    /* objects whose headers contradict themselves; the address of the first */
    uint64_t headers, first_header;
    /* strong slots that hold what neither is nor was an object; what the first holds */
    uint64_t slots, first_slot;
    bool is_known; /* all headers were looked at */
} rhi_harm;

static inline void rhi__count_harmed(rhi_harm *harm, uint64_t start)
{
    if (harm->headers++ == 0 || start < harm->first_header)
        harm->first_header = start;
}

/* What the graph needs of one live slot's header. */
typedef struct rhi_header {
    uint32_t count; /* stored; 0 for immortals; UINT32_MAX: so many or more */
    uint32_t type;  /* as in rhi_object */
    uint8_t state;  /* enum rhi_state */
    bool immortal, held, finalized;
    bool damaged, traced; /* as in rhi_object */
    /* no object, and no tombstone either: it is being born, or something has written over it */
    bool blank;
} rhi_header;

/* An object whose birth is looked for: serials alone are those of one copy of the runtime. */
typedef struct rhi_born {
    uint64_t serial, address;
} rhi_born;
static inline int rhi__born_order(const void *left, const void *right)
{
    const rhi_born *a = left, *b = right;
    if (a->serial != b->serial)
        return a->serial < b->serial ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

/* What a format knows of a heap besides its objects: a figure, a yes or no, or a text. Facts of one
 * group are a line: "generation 0: 12 objects, 700 at most"; the group's underlines are blanks
 * there. In JSON: {"generation_0": {"objects": 12, "threshold": 700}}. In text a figure stands
 * before `words`, a text behind them. */
enum rhi_fact_kind { RHI_FACT_NUMBER, RHI_FACT_YES_NO, RHI_FACT_TEXT };
typedef struct rhi_fact {
    const char *group, *key, *words; /* the format's, as long as the reader lives */
    uint8_t kind;                    /* enum rhi_fact_kind */
    uint64_t number;                 /* of yes or no: 0: no */
    char text[RHI_NAME_SIZE];
} rhi_fact;
typedef void (*rhi_fact_visitor)(void *context, const rhi_fact *fact);

/* The line of the program that made an object. `number`: no other site of the format has it. The
 * texts are the format's, as long as the reader lives, printable; function NULL: not known. name:
 * what of the file is shown to people; NULL: all. */
typedef struct rhi_site {
    uint32_t number, line;
    const char *file, *name, *function;
} rhi_site;

/* A path from a root to an object: each step is an object and the slot that holds the next one; the
 * last has none. */
typedef struct rhi_way_step {
    rhi_object object;
    const rhi_field *field; /* NULL: of the last one */
    uint64_t element, slot, value;
} rhi_way_step;
typedef struct rhi_way {
    const rhi_root *root;
    const rhi_way_step *steps;
    uint64_t count; /* at least 1 */
} rhi_way;

/* What code of the program can do with what a variable holds, the most telling first. */
enum rhi_use_kind {
    RHI_USE_FILLS,   /* puts something into it */
    RHI_USE_SETS,    /* has the variable hold something else */
    RHI_USE_EMPTIES, /* takes something out of it */
    RHI_USE_UNSETS,  /* deletes the variable */
    RHI_USE_PASSES,  /* hands it on: what is done with it then is not known */
    RHI_USE_READS,
    RHI_USE_KINDS
};
/* A line of code that names a variable. Whether it ever ran is not told by code. The texts last as
 * long as the call that is given them, and are printable. line: 0: not known. name: what of the
 * file is shown to people. is_guess: what it names is perhaps another one. */
typedef struct rhi_use {
    uint8_t kind;
    bool is_guess;
    uint32_t line;
    const char *function, *file, *name, *text;
} rhi_use;
/* A variable: a slot of `holder`. owner: the object whose `__dict__`, say, the holder is; address
 * 0: not known. */
typedef struct rhi_variable_slot {
    rhi_object holder, owner;
    const rhi_field *field;
    uint64_t element, value;
} rhi_variable_slot;
typedef struct rhi_use_search {
    const rhi_variable_slot *variable;
    rhi_work *work;
    rhi_error *(*visit)(void *context, const rhi_use *use);
    void *context;
    uint64_t unread; /* set: so many pieces of code cannot be understood */
} rhi_use_search;

/* Bytes of the target that are to be changed, in this order; count 0: none need be. */
enum { RHI_PATCHES_MAX = 2, RHI_PATCH_BYTES_MAX = 16 };
typedef struct rhi_patches {
    struct rhi_patch {
        uint64_t address;
        uint8_t bytes[RHI_PATCH_BYTES_MAX], size;
    } items[RHI_PATCHES_MAX];
    unsigned count;
} rhi_patches;

/* What does not fit together in a heap, in the order of the printed rows. */
enum rhi_finding_kind {
    RHI_FOUND_OVER_RELEASE,
    RHI_FOUND_ROOT_WITHOUT_COUNT,
    RHI_FOUND_BAD_LINK,
    RHI_FOUND_BAD_TYPE,
    RHI_FOUND_BAD_COUNT,
    RHI_FOUND_BAD_BITMAP,
    RHI_FOUND_WRITTEN_FREED, /* what was filled when it was freed */
    RHI_FOUND_BAD_CANDIDATE,
    RHI_FOUND_BAD_WEAK,
    RHI_FOUND_BAD_ROOT,
    RHI_FOUND_BAD_SIZE,
    RHI_FOUND_DUPLICATE_SERIAL,
    RHI_FOUND_BAD_SERIAL,
    RHI_FOUND_BAD_TRACKING, /* links of a collector */
    RHI_FOUND_BAD_TABLE,    /* that an object has outside of itself */
    RHI_FOUND_BAD_GUARD,    /* what an allocator keeps around blocks to see such things */
    RHI_FOUND_BAD_BLOCK,
    RHI_FOUND_BAD_METADATA,
    RHI_FINDING_KINDS
};

/* What is said of a kind of finding: "bad_link", "reference points to no object…", the same of
 * several, and what to do next. */
typedef struct rhi_finding_words {
    const char *kind, *one, *many, *advice;
} rhi_finding_words;

/* A check of all heaps, as a format sees it. */
typedef struct rhi_check {
    const rhi_format *format; /* the one that is asked */
    rhi_work *work;
    uint32_t object_count;
    /* a bit for each object: its slot is taken, but its header is no object's */
    const uint64_t *no_objects;
    /* likewise, set by the format: it is a weak reference of the heap's own */
    uint64_t *weak_objects;
    /* Notes a finding about an object (NULL: about none). heap: UINT32_MAX: of none. */
    __attribute__((format(printf, 6, 7))) void (*found)(struct rhi_check *check,
                                                        enum rhi_finding_kind kind, uint32_t heap,
                                                        uint64_t address, const rhi_object *object,
                                                        const char *format, ...);
} rhi_check;

/* Functions that may be NULL say so. `bytes` of an object are those of its slot, from its start. */
struct rhi_format {
    const char *name;       /* "refheap": in answers */
    const char *example;    /* how one of its objects may be called: "node#12" */
    const char *block_word; /* what it calls a block: "pool" */
    const char *root_word;  /* and an exact root: "registered root" */
    /* how a program is run so that it is recorded what makes its objects: "PYTHONTRACEMALLOC=1 in
     * the program's environment"; NULL: it cannot be */
    const char *recording;
    /* why it may know no line of any object of a heap, where no recording would help: "they were
     * made by an older runtime"; NULL: `recording` helps */
    const char *siteless;
    /* where it has_tracking: what frees the garbage that is tracked: "gc.collect()" */
    const char *collect_word;
    /* what it calls a slot in use that holds no object: "pymalloc block". NULL: it has none */
    const char *raw_word;
    bool has_collector; /* it counts candidates and collections */
    bool has_serials;   /* its objects are called type#serial; else type@0xaddress */
    /* programs hold its objects by variables that own a count each, of which a compiler may keep
     * several in one word */
    bool has_variables;
    bool names_roots;     /* a root's name is a phrase: "local 'x' in f()" */
    const char *language; /* "Python", for `express`; NULL: C */
    const char *c_type;   /* how all of its objects are declared in C; NULL: as their types */
    bool has_tracking;    /* its collector knows some objects and not others */
    bool remarks_words;   /* `remark` knows words that lie in no block, too: slot_size is 0 then */
    /* Appends the heaps of this format that the target has, with their types, ranges and roots.
     * *found: some. What cannot be read and need not is noted; an error says that all of it
     * cannot. A format that sees the direct way show other bytes than the door's gives it up
     * (rhi__memory_use_door), and returns: all formats are opened again. */
    rhi_error *(*open)(rhi_reader *reader, bool *found);
    /* Frees what it made for itself: state of its heaps. Called once, where open was. */
    void (*close)(rhi_reader *reader);
    /* The target ran since it was opened: does all that was learned of it still stand, but for its
     * blocks? What else may be another now is read anew. In time that does not grow with the heap.
     * False: it must be opened again. NULL: always. */
    bool (*renew)(rhi_reader *reader);
    /* The same of one range, which renew does not look at. NULL where renew is. */
    bool (*is_range_same)(rhi_reader *reader, const rhi_own_range *range);
    /* Appends the blocks of one range of the runtime's own memory; those that make no sense are
     * noted. */
    rhi_error *(*read_blocks)(rhi_reader *reader, const rhi_own_range *range, rhi_blocks *blocks);
    /* Appends the blocks that lie in no range, once those of all ranges were read: objects alone in
     * memory of others, of which some may not be found: a strong slot that leads into such memory
     * may hold one of these. NULL: there are none. */
    rhi_error *(*read_lone)(rhi_reader *reader, rhi_blocks *blocks);
    /* Appends the block that contains the address, if there is one, and reads no more than that
     * needs: range NULL: the address lies in none with blocks. NULL: the whole range is read, and
     * no object lies outside. */
    rhi_error *(*read_near)(rhi_reader *reader, const rhi_own_range *range, uint64_t address,
                            rhi_blocks *blocks);
    /* Decodes the header of the slot at `start` from its first bytes (header_size, if it has
     * so many). */
    void (*decode)(const rhi_reader *reader, const rhi_block *block, uint64_t start,
                   const uint8_t *bytes, bool live, rhi_object *object);
    /* Decodes the headers of the block's live slots, of which `bytes` holds the first `slot_count`,
     * in order. */
    void (*headers)(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                    uint64_t slot_count, rhi_header *headers);
    /* Counts the block's slots, of which `bytes` holds the first `slot_count`, that are not live
     * and have an object's header all the same. NULL: that cannot be told. */
    void (*count_unmarked)(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                           uint64_t slot_count, rhi_harm *harm);
    /* Of types that have code: */
    /* Visits the reference slots of a live object, also those outside of it; one that owns several
     * counts of one target is visited as often. Of the object no more need be set than what
     * rhi_header has, and where it lies. False if the visitor stopped it. NULL: no type has code.
     */
    bool (*slots)(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                  rhi_slot_visitor visit, void *context);
    /* Visits the memory outside of a live object that is its own, tables and vectors: no word there
     * is a reference but for the object's slots, whatever it holds. NULL: that is the words of
     * its slots alone. */
    rhi_error *(*spans)(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                        rhi_span_visitor visit, void *context);
    /* Bytes that the object itself says it has, at most its slot's from the start. */
    uint64_t (*size)(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);
    /* What it holds, in a few words: "'hello'"; "" if that is nothing. */
    void (*value)(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, char *text,
                  size_t size);
    /* The newest events about an address or (address 0) an object, or (serial 0, too) all of them,
     * newest first, as far as clocks tell; at most `limit`. counts: retains and releases, too.
     * Returns how many. NULL: the format keeps no history. */
    uint64_t (*history)(rhi_reader *reader, uint64_t address, uint64_t serial, bool counts,
                        rhi_event *events, uint64_t limit);
    /* The number of the oldest event that the heap remembers; false: it remembers none. NULL: as of
     * `history`. */
    bool (*history_begin)(rhi_reader *reader, uint32_t heap, uint64_t *number);
    /* The births of `count` objects, sorted by rhi__born_order: sets events[i] to that of born[i],
     * where it knows one. NULL likewise. */
    void (*births)(rhi_reader *reader, const rhi_born *born, uint64_t count, rhi_event *events);
    /* NULL: counts of its objects are never recorded. */
    void (*trace)(rhi_reader *reader, uint32_t heap, rhi_trace *trace);
    /* Which line made a live object, or a freed one whose header tells it; false: that is not
     * known. Called for all objects of a heap, one after the other. NULL: the format never knows.
     */
    bool (*site)(rhi_reader *reader, const rhi_object *object, rhi_site *site);
    /* Writes what else is known of an address in one of its blocks, whose slot was decoded as
     * `object`: whether it was used again, and what cannot be told. "": nothing. NULL: never. */
    void (*remark)(rhi_reader *reader, uint64_t address, const rhi_object *object, char *text,
                   size_t size);
    /* Visits what there is to be said of a heap, groups together. NULL: nothing. */
    void (*facts)(rhi_reader *reader, uint32_t heap, rhi_fact_visitor visit, void *context);
    /* What an object that holds variables by their names is called by people: "globals of app" is
     * written as "globals" and "app". False: it is no such object. NULL: there are none. */
    bool (*scope)(rhi_reader *reader, const rhi_object *object, char what[RHI_NAME_SIZE],
                  char of[RHI_NAME_SIZE]);
    /* Writes the path as an expression of the language that its objects belong to: pasted into
     * the program where it stands, it gives the last object. False: it has none. NULL: the
     * language is C. */
    bool (*express)(rhi_reader *reader, const rhi_way *way, char *text, size_t size);
    /* Is the slot a variable that code of the program may name? Writes what it is called:
     * "app.cache". NULL: there are none; then `uses` is, too. */
    bool (*variable)(rhi_reader *reader, const rhi_variable_slot *slot, char name[RHI_NAME_SIZE]);
    /* Visits the places in the code of these objects, whose types run code, that name the variable.
     */
    rhi_error *(*uses)(rhi_reader *reader, const uint64_t *objects, uint64_t count,
                       rhi_use_search *search);
    /* May a slot of this object hold `value` in a sound heap, although no object was found there? A
     * thread may be changing one of the two just now, or what is there looks like an object. One
     * without a type stands for a root. NULL: never. */
    bool (*may_hold)(rhi_reader *reader, const rhi_object *object, uint64_t value);
    /* May a thread be changing the slots of this object one after the other just now, so that some
     * hold what they own no count of yet, or no more? They count like guesses then. NULL: never. */
    bool (*in_motion)(rhi_reader *reader, const rhi_object *object);
    /* Is it opaque? Asked of objects whose types may be. NULL: all of these are. */
    bool (*hides)(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);
    /* Visits each object that the collector knows and leaves alone. False: there may be more. NULL:
     * there are none. */
    bool (*each_frozen)(rhi_reader *reader, void (*visit)(void *context, uint64_t address),
                        void *context);
    /* What is to be written so that from now on each change of the object's count is recorded, or
     * (on false) none. Everything that could speak against it was read once more from the target:
     * an error says in one line why nothing is to be written. NULL: its objects cannot be traced.
     */
    rhi_error *(*mark)(rhi_reader *reader, const rhi_object *object, bool on, rhi_patches *patches);
    /* Likewise, of the objects of a type that are yet to be born. */
    rhi_error *(*mark_type)(rhi_reader *reader, uint32_t type, bool on, rhi_patches *patches);
    /* Are they traced now? */
    bool (*type_is_marked)(rhi_reader *reader, uint32_t type);
    /* The function that is called after each change of a traced object of this heap: with the
     * object, the change and the count. 0: there is none. */
    uint64_t (*hook)(rhi_reader *reader, uint32_t heap);
    /* Holds against each other what only this format knows of: headers, bitmaps, candidates, the
     * table of weak references. NULL: nothing of the kind. */
    rhi_error *(*check)(rhi_reader *reader, rhi_check *check);
    /* RHI_FINDING_KINDS of them: for the kinds that only this format finds, and for those of every
     * format that it says in words of its own. NULL: there are none. */
    const rhi_finding_words *words;
    /* What is to be written so that recording changes in this heap asks the system for nothing,
     * where it is not prepared for that yet; count 0: nothing helps. NULL: nothing ever does. */
    rhi_error *(*quiet)(rhi_reader *reader, uint32_t heap, rhi_patches *patches);
};

#endif
