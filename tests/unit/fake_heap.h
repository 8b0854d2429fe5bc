/* fake_heap.h - a refheap heap in the memory of a fake target, made from <refheap/metadata.h>
 * alone.
 *
 * There are two layouts, both different from the real runtime's in every offset: what the engine
 * answers can come only from the constants that the heap publishes. Invariant: what these
 * functions leave behind is a valid heap, except where a test writes into it by hand. Offsets of
 * fields are counted from behind the object's header. */
#ifndef REFHEAP_TESTS_FAKE_HEAP_H
#define REFHEAP_TESTS_FAKE_HEAP_H

#include "fake_target.h"

#include <refheap/metadata.h>

enum { FAKE_TYPES_MAX = 64, FAKE_SLABS_MAX = 64, FAKE_OBJECTS_MAX = 1024 };

typedef struct fake_field {
    const char *name;
    uint8_t kind, form, width, count_width;
    uint32_t offset, count, count_offset, stride, element_offset;
} fake_field;

#define FAKE_ONE(name_, kind_, offset_, width_)                                                    \
    {                                                                                              \
        .name = (name_), .kind = (kind_), .form = RH_FORM_ONE, .offset = (offset_),                \
        .width = (width_), .count = 1, .stride = (width_)                                          \
    }
#define FAKE_STRONG(name_, offset_) FAKE_ONE(name_, RH_KIND_STRONG, offset_, 8)
/* A vector of references: pointer at offset, 64-bit count at count_offset. */
#define FAKE_VECTOR(name_, offset_, count_offset_)                                                 \
    {                                                                                              \
        .name = (name_), .kind = RH_KIND_STRONG, .form = RH_FORM_VECTOR, .offset = (offset_),      \
        .width = 8, .count_width = 8, .count_offset = (count_offset_), .stride = 8                 \
    }

/* The constants that a table may have besides. */
enum {
    FAKE_BEFORE_MORE = RH_MC_COUNT - 1,
#define FAKE_ID(id, name) RH_MC_##id,
    RH_METADATA_WEAK_CONSTANTS(FAKE_ID) RH_METADATA_SLOT_CONSTANTS(FAKE_ID)
        RH_METADATA_SITE_CONSTANTS(FAKE_ID) RH_METADATA_EVENT_CONSTANTS(FAKE_ID)
            RH_METADATA_RING_CONSTANTS(FAKE_ID) RH_METADATA_POISON_CONSTANTS(FAKE_ID)
                RH_METADATA_TRACE_CONSTANTS(FAKE_ID) RH_METADATA_RANGE_CONSTANTS(FAKE_ID)
                    RH_METADATA_CHECK_CONSTANTS(FAKE_ID) RH_METADATA_QUIET_CONSTANTS(FAKE_ID)
                        RH_METADATA_COUNTER_CONSTANTS(FAKE_ID)
#undef FAKE_ID
                            FAKE_CONSTANTS
};

typedef struct fake_space { /* one copy of the runtime: one descriptor */
    fake_target *target;
    uint64_t c[FAKE_CONSTANTS]; /* the constants: c[RH_MC_heap_next] */
    uint64_t descriptor, constants, types, text, text_end, sites;
    uint32_t site_count;
    unsigned layout, type_count, constant_size;
    uint64_t type_bytes[FAKE_TYPES_MAX]; /* size of a struct, header included */
    uint64_t serial;                     /* the last one given */
    uint64_t next_address;               /* where the next mapping goes */
} fake_space;

typedef struct fake_heap {
    fake_space *space;
    fake_target *target;
    uint64_t address, number;
    struct {
        uint64_t descriptor, base, slot_size;
        uint32_t capacity, used;
    } slabs[FAKE_SLABS_MAX];
    unsigned slab_count;
    uint64_t chunk;
    unsigned chunk_used; /* slabs of the newest chunk in use */
    uint64_t chunk_next; /* where its next slab's slots begin */
} fake_heap;

/* Writes descriptor and constants at `descriptor` (mapped there if it is not). omit: names of
 * constants that are left out of the table, separated by spaces; NULL: none. */
fake_space *fake_space_new(fake_target *target, uint64_t descriptor, int layout, const char *omit);
void fake_space_free(fake_space *space);
/* The address of a descriptor's member: FAKE_DESCRIPTOR(space, heaps). */
#define FAKE_DESCRIPTOR(space, member)                                                             \
    ((space)->descriptor + offsetof(struct rh_metadata_descriptor, member))
/* Sets a published constant again. */
void fake_constant(fake_space *space, unsigned id, uint64_t value);

/* A type of `body` bytes behind the header; returns its index. */
uint32_t fake_type(fake_space *space, const char *name, uint64_t body, const fake_field *fields,
                   unsigned field_count);
/* Makes a type variable: element_size bytes each, their number at length_offset of the body. */
void fake_type_elements(fake_space *space, uint32_t type, uint32_t element_size,
                        uint32_t length_offset);
uint64_t fake_type_row(const fake_space *space, uint32_t type);
uint64_t fake_field_row(const fake_space *space, uint32_t type, unsigned field);

fake_heap *fake_heap_new(fake_space *space, uint64_t number, const char *name);
void fake_heap_free(fake_heap *heap);
void fake_phase(fake_heap *heap, enum rh_phase phase);
/* A new mapping of the runtime, entered in the list; returns its address. */
uint64_t fake_mapping(fake_space *space, uint64_t size, uint64_t alignment, uint32_t kind,
                      uint64_t heap);

/* A live object with this count; serials go up. extra: bytes behind the struct. */
uint64_t fake_new(fake_heap *heap, uint32_t type, unsigned count, uint64_t extra);
/* The address of a field in the object's body. */
uint64_t fake_slot(const fake_space *space, uint64_t object, uint64_t offset);
void fake_link(fake_heap *heap, uint64_t from, uint64_t offset, uint64_t to);
/* Points a vector field at new memory outside the heap that holds these references. */
uint64_t fake_vector(fake_heap *heap, uint64_t object, uint64_t offset, uint64_t count_offset,
                     const uint64_t *items, uint64_t count);
void fake_count(fake_heap *heap, uint64_t object, unsigned count);
void fake_word(fake_heap *heap, uint64_t object, uint32_t word); /* the raw count word */
/* The word of a count in this layout. */
uint32_t fake_count_word(const fake_space *space, int count);
void fake_flags(fake_heap *heap, uint64_t object, uint32_t flags);
void fake_immortal(fake_heap *heap, uint64_t object);
void fake_dying(fake_heap *heap, uint64_t object, unsigned count);
/* leaves a tombstone */
void fake_free_object(fake_heap *heap, uint64_t object, enum rh_death death);
uint64_t fake_serial(fake_heap *heap, uint64_t object);
void fake_serial_put(fake_space *space, uint64_t object, uint64_t serial); /* of no site */
/* A line that makes objects; returns its number. function NULL: unknown. */
uint32_t fake_site(fake_space *space, const char *file, const char *function, uint32_t line);
void fake_born(fake_heap *heap, uint64_t object, uint32_t site);
enum { FAKE_SITES = 64 };
/* The slot after the last object of this size: never used. */
uint64_t fake_unused_slot(fake_heap *heap, uint64_t object);

void fake_root(fake_heap *heap, uint64_t slot, const char *name);
/* Events go into a ring of 8, made by the first. */
void fake_event(fake_heap *heap, enum rh_event kind, uint64_t address, uint64_t serial,
                uint32_t type, enum rh_death death);
/* A ring of blocks, made by the first mark, and what is written into it next: a mark, or an event
 * that happened at `place`. */
enum { FAKE_BLOCK = 4, FAKE_RING_SLOTS = 3 * FAKE_BLOCK };
void fake_ring_mark(fake_heap *heap, uint64_t number, uint64_t time, uint32_t thread);
void fake_ring_event(fake_heap *heap, enum rh_event kind, uint64_t address, uint64_t serial,
                     uint32_t site, uint32_t type, enum rh_death death, uint64_t place);
/* The same into the ring of traced objects, each with a mark of its own. */
void fake_traced_event(fake_heap *heap, uint64_t number, uint64_t time, enum rh_event kind,
                       uint64_t address, uint64_t serial, uint32_t type);
enum { FAKE_RING = 8, FAKE_ROOTS = 16, FAKE_WEAK = 16, FAKE_STACK_DEPTH = 4 };
/* Enters a weak reference (an object of a type that fake_weak_type made) for its target: in the
 * table, which the first one makes, in the target's flags and in the reference. */
uint32_t fake_weak_type(fake_space *space);
void fake_weak(fake_heap *heap, uint64_t reference, uint64_t target);
/* The word of a slab's bitmap (RH_MC_slab_live, _fresh, _spared) that has the object's bit, and
 * that bit. */
uint64_t fake_bitmap_word(fake_heap *heap, enum rh_metadata_constant_id bitmap, uint64_t object,
                          uint64_t *bit);
/* The slot is one of those that the heap's allocator has available. */
void fake_available(fake_heap *heap, uint64_t slot);
/* A slot of a ring, or a site, was written by hand: it is as if the runtime had written it. */
void fake_slot_sound(fake_heap *heap, uint64_t slot);
void fake_site_sound(fake_space *space, uint32_t number, const char *file, const char *function);
#define FAKE_CHECKS "slot.check site.check heap.stack_checks heap.trace_quietly"
#define FAKE_COUNTERS "heap.serial_next heap.freed"
/* What older runtimes do not publish. */
#define FAKE_OLDER                                                                                 \
    "chunk.data slab.bytes slab.reciprocal heap.alloc heap.allocs alloc.size alloc.base "          \
    "alloc.slot_size alloc.available object.serial_shift site.size site.file site.function "       \
    "site.line heap.ring heap.ring_next heap.keeps_all ring.capacity ring.filled ring.slots "      \
    "ring.slot_size ring.block ring.clock_ns slot.what slot.origin slot.where "                    \
    "heap.poisons heap.poisoning poison.byte poison.slot_max object.traced count.traced "          \
    "type.traced type.source source.index source.slot_class heap.trace heap.trace_next "           \
    "heap.trace_lost heap.tracing " FAKE_CHECKS " " FAKE_COUNTERS
/* The return addresses of event number `event`. */
void fake_stack(fake_heap *heap, uint64_t event, const uint64_t *addresses, unsigned count);

#endif
