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

#include "memory.h"

enum { RHI_NAME_SIZE = 128 };

enum rhi_field_kind { RHI_KIND_STRONG, RHI_KIND_WEAK, RHI_KIND_BORROWED, RHI_KIND_INT, RHI_KIND_UINT, RHI_KIND_FLOAT, RHI_KIND_BYTES };
enum rhi_field_form { RHI_FORM_ONE, RHI_FORM_ARRAY, RHI_FORM_VECTOR };

typedef struct rhi_field {
    char name[RHI_NAME_SIZE];
    uint8_t kind, form, width, count_width;
    uint32_t offset, count, count_offset, stride, element_offset;
} rhi_field;

typedef struct rhi_type {
    char name[RHI_NAME_SIZE];
    uint64_t size;
    uint32_t element_size, length_offset; /* variable objects: where their element count is; 0: fixed */
    uint32_t field_count;
    rhi_field *fields;
    bool acyclic, has_references, has_vectors, has_finalizer;
} rhi_type;

enum rhi_state { RHI_LIVE, RHI_DYING, RHI_FREED, RHI_UNUSED };
enum rhi_death { RHI_DEATH_UNKNOWN, RHI_DEATH_RELEASE, RHI_DEATH_COLLECT, RHI_DEATH_DESTROY };

/* One slot's header, decoded. type is an index into rhi_reader.types, or UINT32_MAX if the stored one
 * is none (a corrupt header). */
typedef struct rhi_object {
    uint64_t address, slot_size, serial;
    int64_t count; /* 0 for immortals, whose count is not kept */
    uint32_t type, heap; /* heap: index into rhi_reader.heaps */
    uint8_t state, death;
    bool immortal, finalized, uncollectable;
} rhi_object;

/* An array of equal slots. live: bit s of word s / 64; owned by the block. */
typedef struct rhi_block {
    uint64_t base, slot_size;
    uint32_t capacity, heap;
    uint64_t *live;
    uint32_t *rank;       /* live slots before each word of `live` */
    uint32_t first_object, object_count; /* indices of its live slots in the object table */
} rhi_block;

typedef struct rhi_root {
    uint64_t slot;
    uint32_t heap;
    char name[RHI_NAME_SIZE];
} rhi_root;

typedef struct rhi_heap_info {
    uint64_t address, number;
    char name[RHI_NAME_SIZE];
    bool provisional;  /* counts are in motion: stopped inside a collection */
    const char *phase; /* "idle", "marking", … */
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
enum rhi_event_kind { RHI_EVENT_OTHER, RHI_EVENT_ALLOC, RHI_EVENT_FREE, RHI_EVENT_FINALIZE, RHI_EVENT_RESURRECT };
typedef struct rhi_event {
    uint64_t sequence, address, serial, time;
    uint32_t type, thread;
    uint8_t kind, death;
    uint8_t depth; /* return addresses, innermost first */
    uint64_t stack[RHI_STACK_MAX];
} rhi_event;

typedef struct rhi_own_range { uint64_t start, end; const char *what; uint32_t heap; } rhi_own_range; /* heap UINT32_MAX: none */

typedef struct rhi_reader rhi_reader;

typedef struct rhi_reader_ops {
    const char *name;
    /* Finds the heaps of this format. NULL with *reader NULL: none in this target. */
    rhi_error *(*open)(rhi_memory *memory, rhi_reader **reader);
    void (*close)(rhi_reader *reader);
    /* Decodes a slot's header from its first bytes (at least header_size). */
    void (*decode)(const rhi_reader *reader, const rhi_block *block, uint64_t address, const uint8_t *bytes, bool live, rhi_object *object);
    /* The newest events about an address or (address 0) an object, newest first; at most `limit`.
     * Returns how many. */
    uint64_t (*history)(rhi_reader *reader, uint64_t address, uint64_t serial, rhi_event *events, uint64_t limit);
    /* The births of `count` objects, whose serials are sorted: events[i] is that of serials[i], or zeros. */
    void (*births)(rhi_reader *reader, const uint64_t *serials, uint64_t count, rhi_event *events);
} rhi_reader_ops;

struct rhi_reader {
    const rhi_reader_ops *ops;
    rhi_memory *memory;
    uint32_t header_size;
    struct { rhi_type *items; uint64_t count, capacity; } types;
    struct { rhi_heap_info *items; uint64_t count, capacity; } heaps;
    struct { rhi_block *items; uint64_t count, capacity; } blocks;
    struct { rhi_root *items; uint64_t count, capacity; } roots; /* sorted by slot */
    struct { rhi_own_range *items; uint64_t count, capacity; } own; /* sorted: all of the runtime's own memory */
    struct { char **items; uint64_t count, capacity; } problems;    /* what could not be read or made no sense */
    uint64_t lowest, highest; /* span of all blocks */
    void *format;             /* the implementation's own */
};

/* Notes a problem (one line); the answer becomes incomplete. */
__attribute__((format(printf, 2, 3))) void rhi__reader_problem(rhi_reader *reader, const char *format, ...);
/* Sorts and checks what an implementation filled in. */
rhi_error *rhi__reader_finish(rhi_reader *reader);
void rhi__reader_free(rhi_reader *reader);
const rhi_block *rhi__block_at(const rhi_reader *reader, uint64_t address);
const rhi_own_range *rhi__own_at(const rhi_reader *reader, uint64_t address);
static inline bool rhi__slot_is_live(const rhi_block *block, uint64_t slot)
{
    return block->live[slot / 64] >> (slot % 64) & 1;
}
/* The header of the slot that contains an address of a block; false if it cannot be read. */
bool rhi__slot_at(rhi_reader *reader, const rhi_block *block, uint64_t address, rhi_object *object);
/* Visits the reference slots of a live object whose bytes (object.slot_size of them) are at `bytes`.
 * Vectors are read from the target. False if the visitor stopped it. */
bool rhi__each_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, rhi_slot_visitor visit, void *context);
/* Elements of a field of this object (bounded by what the object or any memory can hold), the address
 * of the first, and false if the field is corrupt. */
bool rhi__field_span(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, const rhi_field *field,
                     uint64_t *first, uint64_t *count);
/* Bytes that the object itself says it has (header, struct, elements), at most its slot. */
uint64_t rhi__object_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes);
const char *rhi__type_name(const rhi_reader *reader, uint32_t type);

extern const rhi_reader_ops rhi__reader_refheap;

#endif
