/* metadata.h - the contract between a heap and whoever reads it from outside.
 *
 * The only header that writer and reader share. A reader needs nothing else: no symbol, no debug
 * info, no executable. It finds the descriptor, checks it, and learns everything else from the
 * table of named constants in it, so that an engine can read heaps written by older and newer
 * runtimes.
 *
 * How a reader finds descriptors (a process may have several: one per copy of the library):
 *   1. the symbol `rh_debug_descriptor` of a module;
 *   2. an ELF note, owner "refheap", type 1, whose 8 descriptor bytes are the signed distance
 *      from themselves to the descriptor (the note lies in the first page of the file, which a
 *      kernel core contains by default);
 *   3. an aligned scan of writable memory for the magic, confirmed by the descriptor's own
 *      address.
 *
 * Everything the descriptor leads to lies in writable data or anonymous memory, never in .rodata:
 * the file-backed pages of a binary are not in a core.
 */
#ifndef REFHEAP_METADATA_H
#define REFHEAP_METADATA_H

#include <stdint.h>

#define RH_METADATA_MAGIC "refheap-metadata" /* 16 bytes, no terminator */
#define RH_METADATA_VERSION 2u               /* a reader refuses other numbers, and says so */
#define RH_METADATA_VERSION_FIRST 1u         /* without sites; else the same */
#define RH_METADATA_NOTE_OWNER "refheap"
#define RH_METADATA_NOTE_TYPE 1u

struct rh_metadata_constant {
    char name[40]; /* NUL-terminated */
    uint64_t value;
};

/* Fixed layout. All addresses are of the target. */
struct rh_metadata_descriptor {
    char magic[16];
    uint64_t self;      /* the descriptor's own address: a stray copy of the page has another */
    uint32_t version;   /* RH_METADATA_VERSION */
    uint32_t size;      /* bytes of this struct */
    uint64_t nonce;     /* random, drawn when the process first uses the runtime */
    uint64_t pid;       /* 0 until then */
    uint64_t constants; /* address of struct rh_metadata_constant[constant_count] */
    uint32_t constant_count;
    uint32_t constant_size;
    uint64_t types;      /* address of the type table (see type.*), 0 until the first type */
    uint64_t type_count; /* entries in use, entry 0 included (which is no type) */
    uint64_t heaps;      /* address of the first heap (see heap.*), newest first; 0: none */
    /* address of the first mapping (see mapping.*): all the runtime's own memory */
    uint64_t mappings;
    uint64_t destroyed;       /* address of the ring of destroyed heaps (see destroyed.*) */
    uint64_t destroyed_count; /* heaps destroyed so far */
    /* of the constants, by rh_metadata_check; 0 until then, and from older runtimes: another
     * number is damage, and many a wrong constant would only look like another runtime's */
    uint64_t check;
    uint64_t sites;         /* address of the table of sites (see site.*), 0 until the first site */
    uint64_t site_count;    /* entries in use, entry 0 included (which is no site) */
    uint64_t sites_refused; /* sites beyond those that have numbers: their objects have site 0 */
    /* address of a function that is called after each recorded change of a traced object's count,
     * for a breakpoint: (address of the object: 64, change: 32, +1 or -1, its count then: 64), in
     * the registers of the platform's calling convention; 0 in older runtimes */
    uint64_t trace_hook;
    uint64_t reserved[3];
};

/* What a field holds. (struct rh_field in refheap.h) */
enum rh_field_kind {
    RH_KIND_END = 0,
    RH_KIND_STRONG = 1,  /* pointer to a managed object, owns one count of it */
    RH_KIND_WEAK = 2,    /* rh_weak *: owns one count of the rh_weak object, none of its target */
    RH_KIND_INT = 3,     /* signed integer of `width` bytes */
    RH_KIND_UINT = 4,    /* unsigned integer (or bool) of `width` bytes */
    RH_KIND_FLOAT = 5,   /* float or double by `width` */
    RH_KIND_BYTES = 6,   /* text: `count` bytes (inline, or behind a pointer); shown as a string */
    RH_KIND_BORROWED = 7 /* pointer to a managed object that owns nothing (an rh_weak's target) */
};

/* Fields of one type, at most: registration refuses more, and a reader need not believe in more. */
#define RH_METADATA_FIELDS_MAX 4096u

/* Where the elements of a field are. */
enum rh_field_form {
    RH_FORM_ONE = 0,   /* one slot at `offset` */
    RH_FORM_ARRAY = 1, /* elements inside the object, the first at `offset` */
    RH_FORM_VECTOR = 2 /* a plain pointer at `offset` to elements elsewhere (malloc); may be NULL */
};

/* Kinds of mappings. */
enum rh_mapping_kind {
    RH_MAPPING_CHUNK = 1,   /* a chunk of slabs; aligned to chunk.size (see chunk.*) */
    RH_MAPPING_HEAP = 2,    /* the heap's control block */
    RH_MAPPING_TYPES = 3,   /* type table, names and field tables */
    RH_MAPPING_ROOTS = 4,   /* table of registered roots */
    RH_MAPPING_WEAK = 5,    /* table of weak references */
    RH_MAPPING_HISTORY = 6, /* ring of events */
    RH_MAPPING_CHUNKS = 7,  /* the heap's chunk table */
    RH_MAPPING_SITES = 8    /* table of sites, and their texts */
};

/* Bits of rh_object.rh_flags. */
enum rh_object_flag {
    RH_FLAG_ACYCLIC = 1u << 0,
    RH_FLAG_FINALIZED = 1u << 1,
    RH_FLAG_HAS_WEAK = 1u << 2, /* the heap's weak table has an entry for it */
    /* left in its garbage cycle because it has a finalizer (old rule) */
    RH_FLAG_UNCOLLECTABLE = 1u << 3,
    /* Special states; with any of them bit 31 of the count word is set. */
    RH_FLAG_IMMORTAL = 1u << 4,
    RH_FLAG_DYING = 1u << 5, /* no longer an object for the program; the finalizer may still run */
    RH_FLAG_FREED = 1u << 6, /* a tombstone: type and serial are those of who died here last */
    /* One of the object's counts is the runtime's own: its finalizer runs or ran in a collection
     * or in rh_heap_destroy, or the old rule keeps it. (A dying object is one that the runtime
     * holds anyway.) */
    RH_FLAG_HELD = 1u << 7,
    /* Bits 8..10: why it died (enum rh_death), set from dying on. */
    RH_FLAG_DEATH_SHIFT = 8,
    RH_FLAG_DEATH_MASK = 7u << 8,
    /* Every change of its count is recorded (see object.traced). Bits 11..13 are the runtime's. */
    RH_FLAG_TRACED = 1u << 14,
    /* It was traced, and then it was not; or it is traced, and no RH_EVENT_BEGIN or birth says from
     * when on: then the next change of its count says so first. */
    RH_FLAG_GAP = 1u << 15
};

enum rh_death {
    RH_DEATH_NONE = 0,
    RH_DEATH_RELEASE = 1,
    RH_DEATH_COLLECT = 2,
    RH_DEATH_DESTROY = 3
};

/* The heap's phase word: outside `idle`, counts are provisional. While the heap is destroying,
 * what belongs to it goes piece by piece; it leaves the list of heaps when all its mappings but
 * its own are gone. Finalizers run, and the queue of dying objects is worked, in `idle` alone:
 * every count is where it belongs, the runtime's own (RH_FLAG_HELD) included. What a dying
 * object's slots hold is its own until it is a tombstone. */
enum rh_phase {
    RH_PHASE_IDLE = 0,
    RH_PHASE_DESTROYING = 1,
    RH_PHASE_MARKING = 2,
    RH_PHASE_RESTORING = 3,
    RH_PHASE_FREEING = 4
};

/* Kinds of history events. */
enum rh_event {
    RH_EVENT_NONE = 0,
    RH_EVENT_ALLOC = 1,
    RH_EVENT_FREE = 2,
    RH_EVENT_FINALIZE = 3,
    RH_EVENT_RESURRECT = 4,
    /* The next three are in rings alone. A finalizer gave the last count away: the free follows,
     * and has no place of its own (unless the object was resurrected in between). */
    RH_EVENT_LAST = 5,
    /* of a traced object: a count was taken, or given away (the last one, too) */
    RH_EVENT_RETAIN = 6,
    RH_EVENT_RELEASE = 7,
    RH_EVENT_MARK = 8, /* clock, thread and number of what follows */
    /* of a traced object: from here on, or up to here, each change of its count is recorded */
    RH_EVENT_BEGIN = 9,
    RH_EVENT_END = 10
};

/* The named constants: X(identifier, "name in the table"). `*_offset` are byte offsets of members
 * in the runtime's structs, all of them little-endian unsigned integers of the width in the
 * comment.
 *
 * Counts. word = 32 bits at object.count.offset. A word with count.special_bit set whose value is
 * below count.trial_zero is special: immortal, dying or freed by the flags; a dying object's
 * count is ((word & count.dying_mask) >> count.shift) + count.bias. Any other word, taken as
 * signed, gives count = (word >> count.shift) + count.bias; the words >= count.trial_zero are
 * counts of 0, seen only while the phase is marking or restoring.
 *
 * Slabs. A chunk (mapping kind 1, aligned to chunk.size) holds chunk.slabs slab descriptors from
 * chunk.slab_table on, slab.size bytes each; descriptor i with slab.slot_size 0 is not in use.
 * Slot s begins at slab.base + s * slab.slot_size, s < slab.capacity. If its object.type is 0, it
 * holds nothing: it was never used, or an object is just being born. If its object.flags have
 * RH_FLAG_FREED, or its bit in the bitmap of 64-bit words at slab.live is clear, it holds the
 * tombstone of its last tenant. Else it holds an object. (Bits from slab.capacity on say
 * nothing.) A large object has a chunk of its own, of any length, with one slab of capacity 1.
 *
 * Roots. heap.roots: address of roots.capacity entries of roots.entry_size bytes, 0 if none; an
 * entry is in use iff its slot (64 bits at root.slot) is > 1; its name is NUL-terminated text at
 * root.name. */
#define RH_METADATA_CONSTANTS(X)                                                                   \
    X(object_size, "object.size")                                                                  \
    X(object_count, "object.count")   /* 32 */                                                     \
    X(object_type, "object.type")     /* 16 */                                                     \
    X(object_flags, "object.flags")   /* 16 */                                                     \
    X(object_serial, "object.serial") /* 64, see object.serial_shift */                            \
    X(count_special_bit, "count.special_bit")                                                      \
    X(count_trial_zero, "count.trial_zero")                                                        \
    X(count_dying_mask, "count.dying_mask")                                                        \
    X(count_shift, "count.shift")                                                                  \
    X(count_bias, "count.bias")                                                                    \
    X(type_size, "type.size")                   /* bytes of an entry of the type table */          \
    X(type_name, "type.name")                   /* 64, address of NUL-terminated text */           \
    X(type_object_size, "type.object_size")     /* 64 */                                           \
    X(type_fields, "type.fields")               /* 64, address of field records */                 \
    X(type_field_count, "type.field_count")     /* 32 */                                           \
    X(type_flags, "type.flags")                 /* 32, RH_TYPE_* */                                \
    X(type_element_size, "type.element_size")   /* 32 */                                           \
    X(type_length_offset, "type.length_offset") /* 32, of a size_t in the object; 0: none */       \
    X(type_finalize, "type.finalize")           /* 64, address of the finalizer, 0: none */        \
    X(field_size, "field.size")                 /* bytes of a field record */                      \
    X(field_name, "field.name")     /* 64, address of text; then as in struct rh_field */          \
    X(field_offset, "field.offset") /* 32 */                                                       \
    X(field_kind, "field.kind")     /* 8 */                                                        \
    X(field_form, "field.form")     /* 8 */                                                        \
    X(field_width, "field.width")   /* 8 */                                                        \
    X(field_count_width, "field.count_width")       /* 8 */                                        \
    X(field_count, "field.count")                   /* 32 */                                       \
    X(field_count_offset, "field.count_offset")     /* 32 */                                       \
    X(field_stride, "field.stride")                 /* 32 */                                       \
    X(field_element_offset, "field.element_offset") /* 32 */                                       \
    X(mapping_next, "mapping.next")                 /* 64, address of the next mapping, 0: last */ \
    X(mapping_bytes, "mapping.bytes")               /* 64, from the mapping's own address on */    \
    X(mapping_kind, "mapping.kind")                 /* 32 */                                       \
    X(mapping_heap, "mapping.heap")                 /* 64, address of the heap, 0: process-wide */ \
    X(heap_next, "heap.next")                       /* 64 */                                       \
    X(heap_number, "heap.number")                   /* 64 */                                       \
    X(heap_name, "heap.name")                       /* text inside the heap */                     \
    X(heap_name_size, "heap.name_size")                                                            \
    X(heap_phase, "heap.phase")             /* 32 */                                               \
    X(heap_fresh, "heap.fresh")             /* 64, candidates born since the last collection */    \
    X(heap_spared, "heap.spared")           /* 64, older candidates */                             \
    X(heap_collections, "heap.collections") /* 64 */                                               \
    X(heap_reclaimed, "heap.reclaimed")     /* 64, by collections, in all */                       \
    X(heap_gc_enabled, "heap.gc_enabled")   /* 32 */                                               \
    X(heap_roots, "heap.roots")             /* 64 */                                               \
    X(heap_roots_capacity, "heap.roots_capacity") /* 64 */                                         \
    X(root_size, "root.size")                                                                      \
    X(root_slot, "root.slot") /* 64 */                                                             \
    X(root_name, "root.name") /* text */                                                           \
    X(root_name_size, "root.name_size")                                                            \
    X(chunk_size, "chunk.size")             /* bytes, a power of two; also the alignment */        \
    X(chunk_slabs, "chunk.slabs")           /* slab descriptors in a chunk */                      \
    X(chunk_slab_table, "chunk.slab_table") /* offset of descriptor 0 in the chunk */              \
    X(slab_size, "slab.size")               /* bytes of a slab descriptor */                       \
    X(slab_base, "slab.base")               /* 64 */                                               \
    X(slab_slot_size, "slab.slot_size")     /* 64 */                                               \
    X(slab_capacity, "slab.capacity")       /* 32 */                                               \
    X(slab_live, "slab.live")               /* bitmap in the descriptor */                         \
    X(slab_fresh, "slab.fresh")             /* bitmap: fresh candidates; */                        \
    X(slab_spared, "slab.spared")       /* bitmap: spared ones; together all candidate roots */    \
    X(slab_slots_max, "slab.slots_max") /* bits in each bitmap */                                  \
    X(destroyed_size, "destroyed.size")                                                            \
    X(destroyed_capacity, "destroyed.capacity")                                                    \
    X(destroyed_heap, "destroyed.heap")          /* 64, the heap's number */                       \
    X(destroyed_objects, "destroyed.objects")    /* 64, alive when it was destroyed */             \
    X(destroyed_first, "destroyed.first_serial") /* 64 */                                          \
    X(destroyed_last, "destroyed.last_serial")   /* 64 */

/* Rows that the table has besides, for a reader that knows them; no reader may need them. */
#define RH_METADATA_STACK_CONSTANTS(X)                                                             \
    X(heap_stacks, "heap.stacks")           /* 64, address, 0: none */                             \
    X(heap_stack_depth, "heap.stack_depth") /* 32 */

/* Likewise, all of them or none. The table of weak references: heap.weak_capacity entries of
 * weak.size bytes at the address heap.weak, 0 if there is none; an entry whose target is 0 is
 * free. The reference is the one rh_weak of that target. While heap.weak_changing is not 0 (older
 * runtimes have no such row), table, flags and weak references are on their way from one state
 * that fits together to the next. */
#define RH_METADATA_WEAK_CONSTANTS(X)                                                              \
    X(heap_weak, "heap.weak")                   /* 64, address, 0: none */                         \
    X(heap_weak_capacity, "heap.weak_capacity") /* 64 */                                           \
    X(weak_size, "weak.size")                                                                      \
    X(weak_target, "weak.target")               /* 64 */                                           \
    X(weak_reference, "weak.reference")         /* 64 */                                           \
    X(heap_weak_changing, "heap.weak_changing") /* 32 */

/* Likewise, all of them or none: what tells a slab or a header that something has written over
 * from one that is in no use. The slots of slab i begin chunk.data + i * slab.bytes behind their
 * chunk's beginning, and slab.capacity is slab.bytes / slab.slot_size; a large object's one slot
 * reaches to the end of its mapping. slab.reciprocal is 2^32 / slab.slot_size, rounded up, or 0
 * where slab.capacity is 1. While slab.slot_size is 0, no bit of slab.live below slab.capacity is
 * set.
 * At heap.alloc the heap has heap.allocs entries of alloc.size bytes: for each bit b that is set in
 * alloc.available, the slot at alloc.base + b * alloc.slot_size is in the hands of the allocator,
 * which has bit b of a word of slab.live for it. Of the slots that are taken, no other has a
 * header whose first 8 bytes are 0. No object has the serial 0. */
#define RH_METADATA_SLOT_CONSTANTS(X)                                                              \
    X(chunk_data, "chunk.data")                                                                    \
    X(slab_bytes, "slab.bytes")                                                                    \
    X(slab_reciprocal, "slab.reciprocal") /* 32 */                                                 \
    X(heap_alloc, "heap.alloc")           /* entries inside the heap */                            \
    X(heap_allocs, "heap.allocs")         /* their number */                                       \
    X(alloc_size, "alloc.size")                                                                    \
    X(alloc_base, "alloc.base")           /* 64, of the slot of bit 0 */                           \
    X(alloc_slot_size, "alloc.slot_size") /* 32 */                                                 \
    X(alloc_available, "alloc.available") /* 64 */

/* Likewise, all of them or none; version 1 has none. Of the 64 bits at object.serial, the serial is
 * what lies above the lowest object.serial_shift bits. These are the number of the object's site,
 * the line that made it: entry n of the table of sites, site.size bytes each; 0: unknown. A
 * tombstone has those of its last tenant. Without these rows all 64 bits are the serial. */
#define RH_METADATA_SITE_CONSTANTS(X)                                                              \
    X(object_serial_shift, "object.serial_shift")                                                  \
    X(site_size, "site.size")                                                                      \
    X(site_file, "site.file")         /* 64, address of NUL-terminated text */                     \
    X(site_function, "site.function") /* 64, likewise; 0: unknown */                               \
    X(site_line, "site.line")         /* 32 */

/* The history of version 1, all of them or none; no later runtime writes them. heap.history:
 * address of a ring of history.capacity (64 bits in the heap) events of event.size bytes;
 * heap.history_count events were written so far, event n at n % capacity. Where heap.stacks (of
 * RH_METADATA_STACK_CONSTANTS) is not 0, event n has heap.stack_depth words, the return addresses
 * of the program's functions, innermost first, then zeros, at heap.stacks + n % capacity *
 * heap.stack_depth * 8. */
#define RH_METADATA_EVENT_CONSTANTS(X)                                                             \
    X(heap_history, "heap.history")                   /* 64 */                                     \
    X(heap_history_capacity, "heap.history_capacity") /* 64 */                                     \
    X(heap_history_count, "heap.history_count")       /* 64 */                                     \
    X(event_size, "event.size")                                                                    \
    X(event_sequence, "event.sequence") /* 64, n + 1 of event n, written last */                   \
    X(event_address, "event.address")   /* 64 */                                                   \
    X(event_serial, "event.serial")     /* 64 */                                                   \
    X(event_time, "event.time")         /* 64, CLOCK_REALTIME in ns */                             \
    X(event_type, "event.type")         /* 16 */                                                   \
    X(event_kind, "event.kind")         /* 8, enum rh_event */                                     \
    X(event_death, "event.death")       /* 8, enum rh_death, of a free */                          \
    X(event_thread, "event.thread")     /* 32, LWP */

/* Likewise: the history of later runtimes.
 *
 * heap.ring leads to a ring of ring.capacity slots of ring.slot_size bytes each, which begin
 * ring.slots behind it; ring.block slots make a block. heap.ring_next is the address of the slot
 * that is written next. If that is in no slot of the ring nor at its end, the ring was just made,
 * and its first ring.filled slots are what it has. Of the block of that slot, the slots before it
 * are whole; at a block's beginning, none of that block are. The other blocks are whole: written,
 * the oldest behind that block, or all 0.
 *
 * A slot is three words of 64 bits. Bits 0..3 of slot.what are an enum rh_event. A block begins
 * with a mark, and more may follow. Of a mark, bits 4..35 of slot.what are the LWP of the thread,
 * slot.origin is CLOCK_REALTIME_COARSE in ns, and slot.where the number of the next event that is
 * no mark. Events from there to the next mark are of that thread, and happened between the two
 * marks; the clock is at most ring.clock_ns late.
 *
 * Of other events, bits 4..47 of slot.what are the object's address (its lowest 4 bits are 0),
 * bits 48..49 an enum rh_death, of a free; slot.origin is what the object has at object.serial; the
 * lower 16 bits of slot.where are the type's index, the upper 48 the return address into the
 * function of the program that let it happen: that gave the last count away, or called what
 * started the collection; 0: unknown (of RH_EVENT_BEGIN and RH_EVENT_END, the counts that the
 * object had, without the runtime's own). Where bit 50 of slot.what is set, the upper 48 bits are
 * the number of a stack: heap.stack_depth return addresses, innermost first, then zeros, at
 * heap.stacks + number * heap.stack_depth * 8. */
#define RH_METADATA_RING_CONSTANTS(X)                                                              \
    X(heap_ring, "heap.ring")           /* 64, address, 0: none */                                 \
    X(heap_ring_next, "heap.ring_next") /* 64, address */                                          \
    X(heap_keeps_all, "heap.keeps_all") /* 32, births, finalizers and resurrections, too */        \
    X(ring_capacity, "ring.capacity")   /* 64 */                                                   \
    X(ring_filled, "ring.filled")       /* 64 */                                                   \
    X(ring_slots, "ring.slots")                                                                    \
    X(ring_slot_size, "ring.slot_size")                                                            \
    X(ring_block, "ring.block")                                                                    \
    X(ring_clock_ns, "ring.clock_ns")                                                              \
    X(slot_what, "slot.what")     /* 64 */                                                         \
    X(slot_origin, "slot.origin") /* 64 */                                                         \
    X(slot_where, "slot.where")   /* 64 */

/* Likewise: freed memory that was filled. In a heap with heap.poisons not 0, each slot of at most
 * poison.slot_max bytes that holds a tombstone has all bytes poison.byte behind its header, unless
 * heap.poisoning is its address. */
#define RH_METADATA_POISON_CONSTANTS(X)                                                            \
    X(heap_poisons, "heap.poisons")     /* 32 */                                                   \
    X(heap_poisoning, "heap.poisoning") /* 64, address, 0: none */                                 \
    X(poison_byte, "poison.byte")                                                                  \
    X(poison_slot_max, "poison.slot_max")

/* Likewise: traced objects, each change of whose count is recorded as RH_EVENT_RETAIN or
 * RH_EVENT_RELEASE, with its birth, finalizer and death, if the object was traced then. A runtime
 * without these rows cannot trace; nor can a heap without a history (heap.ring is 0).
 *
 * An object is traced iff its flags have the bit object.traced and neither RH_FLAG_IMMORTAL nor
 * RH_FLAG_FREED. Unless it is dying, its count word is then marked: count.traced was added to it,
 * modulo 2^32. So the word is special, and its count is the signed 32 bits of
 * (word - count.traced) >> count.shift, + count.bias. Where the bit is set and the word is not
 * marked, the mark was undone by an operation that was under way when it was written from outside:
 * the count is right either way, but changes are not recorded until the word is marked again.
 *
 * To trace an object from outside, stop all threads of the process. The object must be live, its
 * word not special and its count below 2^28. Write its first 8 bytes with one store: the word with
 * count.traced added, the flags with the bit, and, if there are RH_METADATA_RANGE_CONSTANTS, with
 * RH_FLAG_GAP. That is right in every phase of the heap. To end it,
 * write the opposite: the word with count.traced subtracted if it is marked, the flags without the
 * bit, and with RH_FLAG_GAP. Afterwards let the process go on and look once more, for a mark may be
 * undone.
 *
 * To trace all future objects of a type, stop all threads. Set the bit type.traced of type.flags
 * in the type's entry, then write 0 to the 32 bits at source.slot_class behind the address that is
 * at type.source, if the 32 bits at source.index behind it are the type's index (else the library
 * that had the type is gone, and so are future objects). To end it, clear the bit; the rest the
 * next birth does.
 *
 * heap.trace leads to a ring, and heap.trace_next to its slot that is written next, as heap.ring
 * and heap.ring_next do: what traced objects have is in this one. Its events have numbers of their
 * own, and each has a mark of its own before it. heap.trace is 0 until something is traced.
 * heap.trace_lost events found no memory for the ring, and are in none. While heap.tracing is not
 * 0, it is the address of an object whose count and events are on their way from one state that
 * fits together to the next. Stacks of these events are recorded in any case, unless there is no
 * memory for their table, or no room in it. */
#define RH_METADATA_TRACE_CONSTANTS(X)                                                             \
    X(object_traced, "object.traced") /* a bit of object.flags */                                  \
    X(count_traced, "count.traced")                                                                \
    X(type_traced, "type.traced")             /* a bit of type.flags */                            \
    X(type_source, "type.source")             /* 64, address of the program's struct */            \
    X(source_index, "source.index")           /* 32 */                                             \
    X(source_slot_class, "source.slot_class") /* 32 */                                             \
    X(heap_trace, "heap.trace")               /* 64, address, 0: none */                           \
    X(heap_trace_next, "heap.trace_next")     /* 64, address */                                    \
    X(heap_trace_lost, "heap.trace_lost")     /* 64 */                                             \
    X(heap_tracing, "heap.tracing")           /* 64, address, 0: none */

/* Likewise: the runtime records where the record of a traced object begins and ends. A birth that
 * is recorded among the events of traced objects begins one, too. What was taken and given between
 * an end and the next beginning is not recorded. Where the mark was taken off from outside there is
 * no end: the last event before the next beginning is the last one that was recorded. */
#define RH_METADATA_RANGE_CONSTANTS(X)                                                             \
    X(event_begin, "event.begin") /* RH_EVENT_BEGIN */                                             \
    X(event_end, "event.end")     /* RH_EVENT_END */

/* Likewise: a program that has shut itself in may be killed for asking the system. Where a heap's
 * 32 bits at heap.trace_quietly are not 0, which a debugger writes as it traces (all threads
 * stopped, heap.trace 0), what traces there asks for nothing: the ring lies in the heap's control
 * block, is shorter, and there are no stacks unless there were before. */
#define RH_METADATA_QUIET_CONSTANTS(X) X(heap_trace_quietly, "heap.trace_quietly") /* 32 */

/* Likewise, all of them or none: numbers that only grow while the heap lives, so that they tell
 * which of two moments is the earlier one. No object of the heap has the serial heap.serial_next or
 * a higher one, but for one that is just being born. Deaths of one release or one collection may be
 * added all together at its end: where heap.freed is the same, some may have died. */
#define RH_METADATA_COUNTER_CONSTANTS(X)                                                           \
    X(heap_serial_next, "heap.serial_next") /* 64 */                                               \
    X(heap_freed, "heap.freed")             /* 64, objects that died, ever */

/* Likewise, all of them or none: what the runtime writes once, and nobody changes, has a check over
 * it. Where that is another one, something has written there since: no part of it is to be
 * believed.
 *
 * The bits of slot.what from slot.check on are those of rh_metadata_slot_check, in each slot of a
 * ring that is not all 0, marks included. At site.check is rh_metadata_text_check of the site's
 * texts, the file's first, begun with rh_metadata_site_check. heap.stack_checks is the address of
 * a table of 64 bits an entry: entry n is rh_metadata_word_check of the words of stack n, begun
 * with n. */
#define RH_METADATA_CHECK_CONSTANTS(X)                                                             \
    X(slot_check, "slot.check")               /* RH_METADATA_SLOT_CHECK */                         \
    X(site_check, "site.check")               /* 64 */                                             \
    X(heap_stack_checks, "heap.stack_checks") /* 64, address, 0: none */

/* Goes on from `check` with one word. Whatever single word is another, so is the result. */
static inline uint64_t rh_metadata_word_check(uint64_t check, uint64_t word)
{
    check = (check ^ word) * 0x9e3779b97f4a7c15u + 1;
    return check ^ check >> 29;
}

#define RH_METADATA_SLOT_CHECK 51 /* bits 51..63 */
#define RH_METADATA_SLOT_CHECK_MASK (~(uint64_t)0 << RH_METADATA_SLOT_CHECK)

/* Of a slot of a ring whose word at slot.what has no check yet: cheap enough for each death, and
 * wrong once in 8192 times. */
static inline uint64_t rh_metadata_slot_check(uint64_t what, uint64_t origin, uint64_t where)
{
    return (what ^ origin ^ where) * 0x9e3779b97f4a7c15u >> RH_METADATA_SLOT_CHECK
                                                                << RH_METADATA_SLOT_CHECK;
}

#define RH_METADATA_TEXT_CHECKED 1000u

/* Goes on with a text, which may be NULL: with RH_METADATA_TEXT_CHECKED bytes of it at most. */
static inline uint64_t rh_metadata_text_check(uint64_t check, const char *text)
{
    unsigned length = 0;
    for (; text && length < RH_METADATA_TEXT_CHECKED && text[length]; length++)
        check = rh_metadata_word_check(check, (unsigned char)text[length]);
    return rh_metadata_word_check(check, text ? 256 + length : 255);
}

/* Of entry `number` of the table of sites without its texts: where these lie, and the line. */
static inline uint64_t rh_metadata_site_check(uint64_t number, uint64_t file, uint64_t function,
                                              uint64_t line)
{
    uint64_t check = rh_metadata_word_check(number, file);
    return rh_metadata_word_check(rh_metadata_word_check(check, function), line);
}

/* Goes on from `check`, at first 0, with one row. Whatever single word is another, so is the
 * result. */
static inline uint64_t rh_metadata_check(uint64_t check, const struct rh_metadata_constant *row)
{
    const unsigned char *bytes = (const unsigned char *)row;
    for (unsigned i = 0; i < sizeof *row; i += 8) {
        uint64_t word = 0;
        for (unsigned k = 0; k < 8; k++)
            word |= (uint64_t)bytes[i + k] << 8 * k;
        check = (check ^ word) * 0x100000001b3u + 1;
    }
    return check;
}

enum rh_metadata_constant_id {
#define RH__METADATA_ID(id, name) RH_MC_##id,
    RH_METADATA_CONSTANTS(RH__METADATA_ID)
#undef RH__METADATA_ID
        RH_MC_COUNT
};

#endif
