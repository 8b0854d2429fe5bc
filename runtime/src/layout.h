/* layout.h - what the runtime has in memory: count words, mappings, slabs, rings, types, heaps.
 *
 * Invariant: the layouts below are published through the constants table (metadata.c), so a
 * reader outside never depends on them directly; what it relies on is stated in
 * <refheap/metadata.h>. */
#ifndef RH_LAYOUT_H
#define RH_LAYOUT_H

#include "base.h"

/* ---- count words ---------------------------------------------------------------------------- */

/* Special words lie so far inside the special range that no +-2 leaves their meaning. */
#define RH__WORD_FREED 0x90000000u
#define RH__WORD_DYING 0xA0000000u /* + 2 * (count - 1) */
#define RH__WORD_DYING_MASK 0x1FFFFFFFu
#define RH__WORD_IMMORTAL 0xC0000000u
/* Added to the word of a traced object: so each retain and release takes the long way. The word
 * stays below RH__WORD_TRACED_END; one below, and the armed one, is a count of 0 in a collection.
 */
#define RH__WORD_TRACED 0xC0000000u
#define RH__WORD_TRACED_END 0xE0000000u
#define RH__WORD_TRIAL_ZERO 0xFFFFFFFEu /* and the armed 0xFFFFFFFF */
#define RH__WORD_ARMED 1u
/* The first 8 header bytes of a slot whose object is being born: of no type, so that it holds
 * nothing, and not blank, as those of slots are that nobody took. */
#define RH__HEADER_TAKEN ((uint64_t)RH_FLAG_FREED << 48 | RH__WORD_FREED)

#define RH__FLAGS_SPECIAL ((uint16_t)(RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED))

/* Flags of no interest to readers. */
#define RH__FLAG_FOUND (1u << 12) /* uncollectable, and the running collection found it */
/* of birth: death is more than releasing what rh__type_slots says */
#define RH__FLAG_INVOLVED (1u << 11)
/* of a dying object: the event RH_EVENT_LAST has the place of its death */
#define RH__FLAG_LAST_TOLD (1u << 13)

/* ---- memory --------------------------------------------------------------------------------- */

#define RH__CHUNK_SIZE ((size_t)4 << 20)
#define RH__CHUNK_DATA ((size_t)128 << 10) /* offset of the first slab in its chunk */
#define RH__CHUNK_SLABS 62u
#define RH__SLAB_TABLE 128u /* offset of the first slab descriptor in its chunk */
#define RH__SLAB_BYTES ((size_t)64 << 10)
#define RH__SLOT_MIN 32u
#define RH__SLOT_MAX 8192u /* larger objects have a chunk of their own */
#define RH__SLOTS_MAX 2048u
#define RH__BITMAP_WORDS (RH__SLOTS_MAX / 64)
#define RH__CLASS_NONE 0u /* of a type that is not registered: nothing is ever available */
#define RH__CLASS_FIRST 1u
#define RH__CLASS_LARGE 32u /* from here on no slabs */
#define RH__CLASSES 33u

/* Begins every mapping of the runtime, so that all of its memory can be listed from outside. */
typedef struct rh__mapping {
    struct rh__mapping *next;
    struct rh__mapping *prev;
    uint64_t bytes;
    uint32_t kind;
    uint32_t reserved;
    rh_heap *heap; /* NULL: process-wide */
} rh__mapping;

#define RH__MAPPING_DATA 64u /* where the contents of a mapping with a table or ring begin */

/* Ordered: a free in a slab of one of the first two states has little to do (rh__slot_free). */
enum rh__slab_state {
    RH__SLAB_CURRENT = 0, /* the class allocates from it */
    RH__SLAB_PARTIAL,     /* some slots free, on the class's partial list */
    RH__SLAB_FULL,        /* no slot free, on no list */
    RH__SLAB_EMPTY,       /* no slot in use: the one empty slab the class keeps */
    RH__SLAB_FREE,        /* in its chunk's free set; slots of earlier use keep their tombstones */
    RH__SLAB_LARGE        /* the single slab of a large object's chunk */
};

/* A slab descriptor. Its bitmaps say everything about a slot: no link lies inside a slot.
 *   live       the slot is taken: by an object, by the allocator (the rest of the word it
 *              allocates from) or by the quarantine; the slot's header says which. Bits from
 *              capacity on are 1, so that no search finds them
 *   fresh      registered candidate root that was born after the last collection
 *   spared     registered candidate root that is older than that
 *   work       queued for the running cascade or pass
 *   trial      in the running collection
 *   rescued    of those, reachable from outside */
typedef struct rh__slab {
    char *base;
    uint64_t slot_size;  /* 0: never used; written last when the slab changes its class */
    uint32_t reciprocal; /* ceil(2^32 / slot_size); 0 for capacity 1 */
    uint32_t state;
    uint32_t capacity;
    uint32_t words; /* words of the bitmaps that cover capacity */
    uint32_t size_class;
    uint32_t touched_words;  /* slots in words from here on were never used */
    struct rh__alloc *alloc; /* where its slots are cached; for a large object heap->no_cache */
    struct rh__slab *next;   /* on the partial list */
    struct rh__slab *prev;
    struct rh__slab *work_next;  /* valid while work_summary is not 0 */
    struct rh__slab *trial_next; /* valid while in_trial */
    uint32_t work_summary;       /* bit w: work[w] is not 0 */
    uint32_t in_trial;
    uint64_t check_base; /* scratch of rh_heap_check */
    uint64_t reserved[60];
    uint64_t live[RH__BITMAP_WORDS];
    uint64_t fresh[RH__BITMAP_WORDS];
    uint64_t spared[RH__BITMAP_WORDS];
    uint64_t work[RH__BITMAP_WORDS];
    uint64_t trial[RH__BITMAP_WORDS];
    uint64_t rescued[RH__BITMAP_WORDS];
} rh__slab;

/* 33 cache lines: a power of two would put the same bitmap of all slabs in the same cache sets. */
_Static_assert(sizeof(rh__slab) == 2112, "slab descriptors have a fixed stride");

typedef struct rh__chunk {
    rh__mapping mapping;
    uint64_t free_slabs;    /* bit i: slab i is RH__SLAB_FREE; 0 in a large object's chunk */
    uint64_t fresh_slabs;   /* bit i: slab i may have fresh candidates */
    struct rh__chunk *next; /* all chunks of the heap */
    struct rh__chunk *prev;
    struct rh__chunk *open_next; /* chunks with a free slab; empty chunks; freed large chunks */
    struct rh__chunk *open_prev;
    char reserved[RH__SLAB_TABLE - 88];
    rh__slab slabs[RH__CHUNK_SLABS];
} rh__chunk;

_Static_assert(offsetof(rh__chunk, slabs) == RH__SLAB_TABLE, "slab table behind the chunk header");
_Static_assert(sizeof(rh__chunk) <= RH__CHUNK_DATA,
               "chunk header and slab table end before the slabs");
_Static_assert(RH__CHUNK_DATA + RH__CHUNK_SLABS * RH__SLAB_BYTES == RH__CHUNK_SIZE,
               "slabs fill the chunk");

/* An open-addressing table of its own mapping: key 0 is free. */
typedef struct rh__pair {
    uint64_t key;
    uint64_t value;
} rh__pair;
typedef struct rh__table {
    rh__pair *pairs; /* RH__MAPPING_DATA bytes into the mapping; NULL: empty */
    uint64_t capacity;
    uint64_t count;
    uint32_t kind;
} rh__table;

typedef struct rh__root {
    uint64_t slot; /* 0: never used, 1: removed */
    char name[56];
} rh__root;

/* A slot of the ring of events. What its words mean says metadata.h (RH_METADATA_RING_CONSTANTS).
 */
typedef struct rh__event {
    uint64_t what;
    uint64_t origin;
    uint64_t where;
} rh__event;
_Static_assert(sizeof(rh__event) == 24, "the size that rh_heap_options promises");

/* Slots follow it. It lies in the heap's control block, or, if it was asked for by its size, in a
 * mapping of its own. */
typedef struct rh__ring {
    uint64_t capacity; /* slots; whole blocks */
    uint64_t filled;   /* slots that came from the ring before it: none */
} rh__ring;

#define RH__RING_BLOCK 32u
#define RH__RING_FIRST (2 * RH__RING_BLOCK)
/* The end of a control block: events of traced objects, where nothing else may be had. */
#define RH__RESERVE_BYTES ((size_t)256 << 10)
/* What the slots of a ring in a control block may become. */
#define RH__RING_BYTES_MAX (((size_t)3 << 20) - RH__RING_BLOCK * sizeof(rh__event))

/* ---- types ---------------------------------------------------------------------------------- */

/* A field that holds references, reduced to what the visitor needs. */
typedef struct rh__ref {
    uint32_t offset;
    uint8_t form;
    uint8_t count_width;
    uint8_t kind;
    uint8_t reserved;
    uint32_t count;
    uint32_t count_offset;
    uint32_t stride;
    uint32_t element_offset;
} rh__ref;

/* What births, deaths and collections need comes first. */
typedef struct rh__type_entry {
    const rh__ref *refs; /* all references; those that rh__type_slots cannot say come first */
    uint32_t more_refs;  /* how many those are */
    uint32_t ref_count;
    void (*finalize)(void *object);
    void (*dispose)(void *object);
    const char *name;
    uint64_t object_size;
    const rh_field *fields;
    uint32_t field_count;
    uint32_t flags; /* atomic */
    uint32_t element_size;
    uint32_t length_offset;
    rh_type *source; /* the program's; nobody follows it but an outside writer, who checks */
} rh__type_entry;

/* Where a class allocates: first the slots that were freed last, whose memory is in the processor's
 * caches; then those of one word of a slab's `live` that were free when it was taken. */
#define RH__CACHED_MAX 10u

typedef struct rh__alloc {
    uint32_t cached; /* entries of `cache` */
    uint32_t slot_size;
    uint64_t available; /* bits of the word, taken lowest first */
    char *base;         /* slot 0 of the word */
    rh__slab *slab;
    uint32_t word;
    uint32_t reserved;
    rh_object *cache[RH__CACHED_MAX]; /* tombstones; their slots count as taken */
    uint64_t reserved64;
} rh__alloc;
_Static_assert(sizeof(rh__alloc) == 128, "indexed by a shift");

#define RH__GC_HOOKS 8u

typedef struct rh__gc_hook {
    rh_gc_callback *callback; /* NULL: free */
    void *context;
} rh__gc_hook;

struct rh_weak {
    rh_object base;
    rh_object *target; /* NULL once the target died */
};

struct rh_heap {
    rh__mapping mapping;
    rh_heap *next;
    rh_heap *prev;
    uint64_t number;
    char name[32];
    uint32_t phase;
    uint32_t gc_enabled;
    /* Birth and death. */
    uint64_t serial_next;
    /* serial_end, or serial_next if the next birth has more to do (rh__set_limit) */
    uint64_t serial_limit;
    uint64_t freed; /* objects freed, ever */
    /* births and deaths have more to do: history of all, stacks, quarantine, Valgrind */
    uint32_t is_observed;
    /* a release cascade is running; beside is_observed, for one comparison */
    uint32_t draining;
    uint8_t collecting;
    uint8_t destroying;
    uint8_t death;         /* enum rh_death of what dies now */
    rh__slab *work_slabs;  /* slabs with queued objects */
    rh__slab *work_last;   /* of them, in a collection */
    rh__event *event_next; /* the slot that is written next; NULL: no history */
    rh__event *event_stop; /* the end of its block */
    uint64_t place;        /* return address of the program's call that is at work */
    uint32_t event_thread; /* LWP that the events since the last mark are of */
    uint32_t keeps_all;    /* the history has more than deaths */
    rh__alloc alloc[RH__CLASSES];
    rh__alloc no_cache; /* always full */
    /* Collections. */
    uint64_t fresh;      /* candidates born since the last collection */
    uint64_t spared;     /* older ones */
    uint64_t registered; /* candidates registered, ever */
    /* These three are compared with rh_origin (rh__origin of a serial and site 0). */
    uint64_t young_origin;   /* of the first serial behind the last collection */
    uint64_t frozen_origin;  /* objects before it are left out of every collection */
    uint64_t trial_origin;   /* in a collection: members are not older */
    uint32_t trial_is_whole; /* every member that a condemned object holds is in the trial */
    uint32_t trial_is_young;
    rh__slab *trial_slabs;
    rh_gc_thresholds thresholds;
    uint64_t full_share; /* percent: thresholds.full_percent, adapted */
    uint64_t full_base;  /* objects that the last full collection left alive */
    uint32_t wants_full; /* the next automatic collection is a full one */
    uint32_t old_rule;   /* cycles with finalizers are uncollectable */
    uint64_t held;       /* objects with RH_FLAG_HELD that the old rule keeps */
    uint64_t collections;
    uint64_t reclaimed;
    uint64_t collect_freed; /* objects freed with reason `collect`, ever */
    uint64_t finalized;     /* finalizers run, ever */
    uint64_t uncollectable;
    rh_gc_stats stats[2];
    rh__gc_hook hooks[RH__GC_HOOKS];
    /* Slabs. */
    rh__slab *partial_first[RH__CLASSES];
    rh__slab *partial_last[RH__CLASSES];
    rh__slab *empty[RH__CLASSES];
    rh__chunk *chunks;
    rh__chunk *open_chunks;  /* some slabs free, some in use */
    rh__chunk *empty_chunks; /* without a used slab, kept for reuse */
    uint64_t empty_chunk_count;
    rh__chunk *freed_large; /* newest first; kept for their tombstones and for reuse */
    uint64_t freed_large_count;
    /* The rest. */
    rh__table chunk_table; /* chunk address -> 1 */
    rh__table weak_table;  /* target -> rh_weak */
    uint64_t serial_end;
    uint64_t serial_first;
    uint64_t serials_taken;
    uint64_t outer_place;    /* as `place`, of the call whose cascade runs */
    rh__ring *ring;          /* NULL: no history */
    rh__event *event_mark;   /* the newest one */
    uint64_t ring_slots_max; /* that there is room for; 0: it does not grow */
    uint64_t touched_bytes;  /* of slots that were ever used, in mapped chunks */
    rh__root *roots;
    uint64_t roots_capacity;
    uint64_t roots_used; /* entries that are not 0, removed ones included */
    uint64_t roots_count;
    /* What an observed heap has. */
    uint32_t owner_thread; /* LWP of the thread that the heap is attached to */
    uint32_t checks_thread;
    uint32_t reports_leaks;
    uint32_t trace_quietly; /* written from outside: to trace asks the system for nothing */
    uint64_t *stacks; /* a hash table of stacks, stack_depth return addresses each; NULL: none */
    uint32_t stack_depth;
    uint32_t is_on_valgrind;
    uint64_t stack_count;
    uint64_t *stack_checks; /* of each stack; behind the table */
    uint32_t keeps_stacks;  /* with all events, not with those of traced objects alone */
    uint32_t trace_tries;   /* to make the ring: those that are a power of two are made */
    rh__ring *trace;        /* events of traced objects; NULL until the first */
    rh__event *trace_next;
    uint64_t trace_count; /* events written to it, ever */
    uint64_t trace_lost;
    rh_object *tracing; /* its count changes, and the event that says so is not whole yet */
    struct rh__unwinder *unwinder; /* NULL: none */
    struct rh__quarantine *quarantine;
    rh_object *poisoning;   /* its slot is freed, and perhaps not filled yet */
    uint32_t poisons;       /* freed slots are filled */
    uint32_t weak_changing; /* weak_table, flags and references are being joined or parted */
    rh__ring first_ring;
    rh__event first_events[RH__RING_FIRST]; /* and more, as far as the mapping goes */
};
_Static_assert(offsetof(rh_heap, first_events) == offsetof(rh_heap, first_ring) + sizeof(rh__ring),
               "slots follow their ring");

#endif
