/* reader.h - the interface between a heap's layout and everything above it.
 *
 * A reader turns the bytes of one heap format into types, blocks of equal slots, objects and their
 * references. Graph, queries, commands and rendering know nothing but this; a reader for another
 * refcounted heap implements `rhi_reader_ops` and is added to the list in session.c.
 *
 * Invariant: whatever the target holds, types are sane (text printable, offsets inside the object),
 * blocks are sorted by address, do not overlap and lie in mappings of the heap. */
#ifndef RHI_READER_H
#define RHI_READER_H

#include "target/memory.h"
#include "base/text.h"

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

typedef struct rhi_field {
    char name[RHI_NAME_SIZE];
    uint8_t kind, form, width, count_width;
    uint32_t offset, count, count_offset, stride, element_offset;
    bool is_weak_target; /* the one slot of the heap's own weak reference */
} rhi_field;

typedef struct rhi_type {
    char name[RHI_NAME_SIZE];
    uint64_t size;
    /* variable objects: where their element count is; 0: fixed */
    uint32_t element_size, length_offset;
    uint32_t field_count;
    rhi_field *fields;
    bool acyclic, has_references, has_vectors, has_finalizer;
    bool has_fixed_size; /* all objects have `size` bytes */
    bool is_weak;        /* the heap's own weak reference: one borrowed slot, its target */
} rhi_type;

enum rhi_state { RHI_LIVE, RHI_DYING, RHI_FREED, RHI_UNUSED };
enum rhi_death { RHI_DEATH_UNKNOWN, RHI_DEATH_RELEASE, RHI_DEATH_COLLECT, RHI_DEATH_DESTROY };

/* One slot's header, decoded. type is an index into rhi_reader.types, or UINT32_MAX if the stored
 * one is none (a corrupt header). */
typedef struct rhi_object {
    uint64_t address, slot_size, serial;
    int64_t count;       /* 0 for immortals, whose count is not kept */
    uint32_t type, heap; /* heap: index into rhi_reader.heaps */
    uint8_t state, death;
    bool immortal, finalized, uncollectable;
    bool held;    /* one of its counts is the runtime's own: it is being finalized, say */
    bool damaged; /* its header contradicts itself: something has written over it */
} rhi_object;

/* An array of equal slots. live: bit s of word s / 64; owned by the block. */
typedef struct rhi_block {
    uint64_t base, size, slot_size;
    uint64_t reciprocal; /* of slot_size, see rhi__slot_number; 0: the block is too large for it */
    uint64_t *live;
    /* number in the object table of the first live slot of each word of `live`, or behind */
    uint32_t *rank;
    uint64_t origin; /* the format's own: where the target describes it */
    uint32_t capacity, heap;
    uint32_t first_object, object_count; /* numbers of its live slots in the object table */
} rhi_block;

typedef struct rhi_root {
    uint64_t slot;
    uint32_t heap;
    char name[RHI_NAME_SIZE];
} rhi_root;

typedef struct rhi_heap_info {
    uint64_t address;
    uint64_t number; /* no other heap of the process has it */
    bool is_shared;  /* it holds what all heaps of its copy of the runtime share */
    char name[RHI_NAME_SIZE];
    bool provisional;  /* counts are in motion: stopped inside a collection */
    const char *phase; /* "idle", "marking", … */
    /* stopped where weak references are joined or parted: what is of them need not fit together */
    bool weak_in_motion;
    uint64_t candidates, collections, reclaimed;
    bool gc_enabled;
    uint32_t first_type, type_count; /* its copy of the runtime's types in rhi_reader.types */
    uint64_t history, history_capacity, history_count;
    uint64_t stacks, stack_depth; /* of the history's events: words each; 0: none */
    uint32_t space;
} rhi_heap_info;

/* One reference slot of an object. */
typedef struct rhi_slot {
    uint64_t address, value;
    const rhi_field *field;
    uint64_t element; /* index; meaningful unless field->form is RHI_FORM_ONE */
} rhi_slot;
typedef bool (*rhi_slot_visitor)(void *context, const rhi_slot *slot); /* false stops */

enum { RHI_STACK_MAX = 32 };
enum rhi_event_kind {
    RHI_EVENT_OTHER,
    RHI_EVENT_ALLOC,
    RHI_EVENT_FREE,
    RHI_EVENT_FINALIZE,
    RHI_EVENT_RESURRECT
};
typedef struct rhi_event {
    uint64_t sequence, address, serial, time;
    uint32_t type, thread;
    uint8_t kind, death;
    uint8_t depth; /* return addresses, innermost first */
    uint64_t stack[RHI_STACK_MAX];
} rhi_event;

/* heap UINT32_MAX: none. has_blocks: ops->read_blocks finds blocks in it. */
typedef struct rhi_own_range {
    uint64_t start, end;
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
    bool of_slab;
} rhi_damage;

/* What something has written over, so that it is not known what it held (harm.h). */
typedef struct rhi_harm {
    /* objects whose headers contradict themselves; the address of the first */
    uint64_t headers, first_header;
    /* strong slots that hold what neither is nor was an object; what the first holds */
    uint64_t slots, first_slot;
    bool is_known; /* all headers were looked at */
} rhi_harm;

typedef struct rhi_reader rhi_reader;
struct rhi_verify;

/* What the graph needs of one live slot's header. */
typedef struct rhi_header {
    uint32_t count; /* stored; 0 for immortals */
    uint32_t type;  /* as in rhi_object */
    uint8_t state;  /* enum rhi_state */
    bool immortal, held;
    bool damaged; /* as in rhi_object */
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

typedef struct rhi_reader_ops {
    const char *name;
    /* Finds the heaps of this format. NULL with *reader NULL: none in this target. */
    rhi_error *(*open)(rhi_memory *memory, rhi_reader **reader);
    /* Appends the blocks of one range of the runtime's own memory; those that make no sense are
     * noted. */
    rhi_error *(*read_blocks)(rhi_reader *reader, const rhi_own_range *range, rhi_blocks *blocks);
    void (*close)(rhi_reader *reader);
    /* Decodes a slot's header from its first bytes (at least header_size). */
    void (*decode)(const rhi_reader *reader, const rhi_block *block, uint64_t address,
                   const uint8_t *bytes, bool live, rhi_object *object);
    /* Decodes the headers of the block's live slots, of which `bytes` holds the first `slot_count`,
     * in order. */
    void (*headers)(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                    uint64_t slot_count, rhi_header *headers);
    /* Counts the block's slots, of which `bytes` holds the first `slot_count`, whose headers
     * contradict themselves or the block's bitmap. */
    void (*count_harm)(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                       uint64_t slot_count, rhi_harm *harm);
    /* The newest events about an address or (address 0) an object, newest first; at most `limit`.
     * Returns how many. */
    uint64_t (*history)(rhi_reader *reader, uint64_t address, uint64_t serial, rhi_event *events,
                        uint64_t limit);
    /* The births of `count` objects, sorted by rhi__born_order: events[i] is that of born[i], or
     * zeros. */
    void (*births)(rhi_reader *reader, const rhi_born *born, uint64_t count, rhi_event *events);
    /* Holds against each other what only this format knows of: headers, bitmaps, candidates, the
     * table of weak references. Notes what does not fit (verify.h). NULL: nothing of the kind. */
    struct rhi_error *(*verify)(rhi_reader *reader, struct rhi_verify *verify);
} rhi_reader_ops;

struct rhi_reader {
    const rhi_reader_ops *ops;
    rhi_memory *memory;
    uint32_t header_size;
    uint32_t copies; /* of the runtime, each with types, serials and heaps of its own */
    struct {
        rhi_type *items;
        uint64_t count, capacity;
    } types;
    struct {
        rhi_heap_info *items;
        uint64_t count, capacity;
    } heaps;
    bool is_loaded;
    rhi_blocks blocks; /* from rhi__reader_load on */
    /* see rhi__block_near */
    struct {
        struct rhi_near {
            uint64_t start;
            rhi_blocks blocks;
        } * items;
        uint64_t count, capacity;
    } near;
    struct {
        rhi_root *items;
        uint64_t count, capacity;
    } roots; /* sorted by slot */
    /* sorted: all of the runtime's own memory */
    struct {
        rhi_own_range *items;
        uint64_t count, capacity;
    } own;
    /* what could not be read or made no sense */
    struct {
        char **items;
        uint64_t count, capacity;
    } problems;
    /* of those, what made no sense */
    struct {
        rhi_damage *items;
        uint64_t count, capacity;
    } damage;
    rhi_harm harm;
    uint64_t slot_room; /* bytes of slots and vectors that may still be read: rhi__begin_pass */
    uint64_t destroyed; /* heaps that are gone, of all that there were */
    uint64_t lowest, highest; /* span of all blocks */
    /* The span in equal pieces of 2^directory_shift bytes; directory[p]: the first block that
     * ends behind the beginning of piece p; one more entry than pieces. Most pieces hold one
     * block. */
    uint32_t *directory;
    uint64_t directory_count;
    unsigned directory_shift;
    void *format; /* the implementation's own */
};

/* Notes a problem (one line); the answer becomes incomplete. */
__attribute__((format(printf, 2, 3))) void rhi__reader_problem(rhi_reader *reader,
                                                               const char *format, ...);
/* Notes a problem that is damage, at `address`: of a slab, or of lists, tables and types. */
__attribute__((format(printf, 4, 5))) void
rhi__reader_damage(rhi_reader *reader, uint64_t address, bool of_slab, const char *format, ...);
/* Sorts and checks what an implementation's open filled in. */
void rhi__reader_finish(rhi_reader *reader);
/* What slots and vectors may be read: no two references have a word in common, so that in one
 * pass over all objects no more of them is read than a core has, a few times over, and in a
 * question many times as much. What claims more is left out, and said to be. A question begins
 * with rhi__begin_question; a pass gives back what was left before it. */
void rhi__begin_question(rhi_reader *reader);
uint64_t rhi__begin_pass(rhi_reader *reader);
/* Reads all blocks, if that is yet to be done: what numbers or looks through objects needs them. */
rhi_error *rhi__reader_load(rhi_reader *reader);
/* The block that contains the address, of which no more is read than the range it lies in: the
 * answer about one address takes the same time in a heap of any size. Its slots are not numbered.
 */
const rhi_block *rhi__block_near(rhi_reader *reader, uint64_t address);
void rhi__reader_free(rhi_reader *reader);
/* The same where all blocks were read; NULL before. */
static inline const rhi_block *rhi__block_at(const rhi_reader *reader, uint64_t address)
{
    if (address - reader->lowest >= reader->highest - reader->lowest) /* also: no blocks */
        return NULL;
    uint64_t piece = (address - reader->lowest) >> reader->directory_shift;
    uint32_t low = reader->directory[piece], high = reader->directory[piece + 1];
    while (low < high) { /* the first block that ends behind the address */
        uint32_t middle = low + (high - low) / 2;
        if (reader->blocks.items[middle].base + reader->blocks.items[middle].size <= address)
            low = middle + 1;
        else
            high = middle;
    }
    const rhi_block *block = &reader->blocks.items[low];
    return low < reader->blocks.count && address - block->base < block->size ? block : NULL;
}
/* The slot that contains an address of the block. Division by multiplication: exact while offset
 * and slot size are below 2^32. */
static inline uint64_t rhi__slot_number(const rhi_block *block, uint64_t address)
{
    uint64_t offset = address - block->base;
    return block->reciprocal ? (uint64_t)((unsigned __int128)offset * block->reciprocal >> 64)
                             : offset / block->slot_size;
}
/* Bytes of a block up to the end of its last live slot: pages behind it may never have been
 * touched. */
uint64_t rhi__block_used_bytes(const rhi_block *block);
const rhi_own_range *rhi__own_at(const rhi_reader *reader, uint64_t address);
static inline bool rhi__slot_is_live(const rhi_block *block, uint64_t slot)
{
    return block->live[slot / 64] >> (slot % 64) & 1;
}
/* The header of the slot that contains an address of a block; false if it cannot be read. */
bool rhi__slot_at(rhi_reader *reader, const rhi_block *block, uint64_t address, rhi_object *object);
/* Visits the reference slots of a live object whose bytes (object.slot_size of them) are at
 * `bytes`. Vectors are read from the target. False if the visitor stopped it. */
bool rhi__each_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                    rhi_slot_visitor visit, void *context);
/* Elements of a field of this object (bounded by what the object or any memory can hold), the
 * address of the first, and false if the field is corrupt. */
bool rhi__field_span(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                     const rhi_field *field, uint64_t *first, uint64_t *count);
/* Bytes that the object itself says it has (header, struct, elements), at most its slot. */
uint64_t rhi__object_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);
const char *rhi__type_name(const rhi_reader *reader, uint32_t type);

extern const rhi_reader_ops rhi__reader_refheap;

#endif
