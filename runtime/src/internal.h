/* internal.h - the runtime's structs and the functions its files share, grouped by owning file.
 *
 * Invariant: the layouts below are published through the constants table (metadata.c), so a
 * reader outside never depends on them directly; what it relies on is stated in
 * <refheap/metadata.h>.
 *
 * Every file of the runtime includes this header first: it gives the public functions default
 * visibility, everything else stays hidden. It is one file, longer than the others, so that every
 * struct and every agreement between files can be read in one place.
 */
#ifndef RH_INTERNAL_H
#define RH_INTERNAL_H

#define RH_NO_SITES /* the lines of the library are nobody's sites */

#ifndef RH__RELEASE_SLOW
#define RH__RELEASE_SLOW(object) rh__release_within(object)
#endif

#include <stdint.h>
/* What the runtime's own code releases: rh__release_slow for the sake of rh_heap.place. */
void rh__release_within(void *object);
/* The same for the sake of a return address. */
void rh__release_at(void *object, uint64_t place);

#pragma GCC visibility push(default)
#include <refheap/refheap.h>
#pragma GCC visibility pop
#include <refheap/metadata.h>

#include <pthread.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define RH__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RH__ASAN 1
#endif
#endif
#ifdef RH__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes) ((void)(address), (void)(bytes))
#endif

/* Debug and stress builds check more; release builds define NDEBUG. */
#if !defined(NDEBUG) || defined(REFHEAP_GC_STRESS)
#define RH__CHECKED 1
#endif

/* Where the code of each file of the runtime begins and ends, so that recorded stacks can leave
 * it out: subsection 8191 comes behind all code of the file. */
__asm__(".pushsection .text\n661:\n.popsection\n"
        ".pushsection .text, 8191\n662:\n.popsection\n"
        ".pushsection rh_code,\"aw\"\n.balign 8\n.quad 661b, 662b\n.popsection");

#define RH__LIKELY(x) __builtin_expect(!!(x), 1)
#define RH__UNLIKELY(x) __builtin_expect(!!(x), 0)
/* Begins with a cache line: what it costs is then no matter of what stands before it. */
#define RH__HOT __attribute__((aligned(64)))

/* Stores before it are done before stores behind it, as far as the compiler is concerned: a core or
 * a stopped process shows memory at an instruction boundary, so no CPU barrier is needed. */
#define RH__ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

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

/* ---- os.c: the only file that asks the system for memory ------------------------------------ */

/* A zeroed mapping, linked into the descriptor's list; NULL if memory is short. alignment is 0 or a
 * power of two. `lazy`: most of it will never be touched, reserve nothing. */
rh__mapping *rh__map(rh_heap *heap, uint32_t kind, size_t bytes, size_t alignment, bool lazy);
void rh__unmap(rh__mapping *mapping);
/* A control block for a heap: a mapping, but in AddressSanitizer builds malloc memory, so that a
 * lost heap is a leak. */
rh__mapping *rh__map_heap(size_t bytes);
/* Is there a chunk at the (aligned) address? Asks the list of mappings: slow, safe for any number.
 */
bool rh__is_chunk(const void *chunk);
extern uint32_t rh__chunks_unmapped; /* atomic: how many were, ever */
/* Zeroes [address, address + bytes), giving whole pages back to the system. */
void rh__discard(void *address, size_t bytes);
/* Draws the nonce, notes the pid, installs the fork handlers; once. */
void rh__process_init(void);
void rh__lock(void); /* the process lock: heap list, mapping list, destroyed ring */
void rh__unlock(void);

/* ---- observe.c ------------------------------------------------------------------------------ */

/* Freed slots that wait; false if memory is short. */
bool rh__quarantine_start(rh_heap *heap, size_t bytes);
void rh__quarantine_free(rh_heap *heap);
/* Memory is short: gives all back that waits; false if nothing did. */
bool rh__quarantine_empty(rh_heap *heap);
/* Makes room for what the trial of a collection is about to free. */
void rh__quarantine_prepare(rh_heap *heap);
/* The tombstone of an observed heap's object is written: true if the slot is not to be given back
 * yet. */
bool rh__observe_free(rh_heap *heap, rh__slab *slab, rh_object *object);
/* The same in a collection: lets nothing else go meanwhile. */
bool rh__observe_bury(rh_heap *heap, rh__slab *slab, rh_object *object);

/* Nothing outside of Valgrind. */
void rh__valgrind_start(rh_heap *heap);
void rh__valgrind_stop(rh_heap *heap);
void rh__valgrind_birth(rh_heap *heap, rh_object *object, size_t bytes);
void rh__valgrind_open(void *address, size_t bytes);  /* the runtime works there */
void rh__valgrind_close(void *address, size_t bytes); /* nobody does */

/* ---- heap.c --------------------------------------------------------------------------------- */

extern struct rh_metadata_descriptor rh_debug_descriptor __attribute__((visibility("default")));

typedef struct rh__destroyed {
    uint64_t heap;
    uint64_t objects;
    uint64_t first_serial;
    uint64_t last_serial;
} rh__destroyed;
#define RH__DESTROYED_CAPACITY 64u

/* The process's own heap, number 0, for immortal objects that every heap and thread may hold; NULL
 * if memory is short. */
rh_heap *rh__heap_zero(void);
/* A new immortal object of heap 0, or NULL. Safe from any thread; fill the object in before other
 * threads can see it. */
void *rh__new_immortal(rh_type *type, rh_site *site);
/* Is it a live object of heap 0? Safe from any thread. */
bool rh__is_shared_object(const void *address);
void rh__heap_zero_lock(void);
void rh__heap_zero_unlock(void);
extern uint64_t rh__next_serial; /* atomic: the first that no heap has taken */
/* False: all are used up. */
bool rh__refill_serials(rh_heap *heap);

/* ---- values_scalar.c: the lock under which the shared values are made, for the fork handlers  */

void rh__shared_values_lock(void);
void rh__shared_values_unlock(void);

/* ---- metadata.c ----------------------------------------------------------------------------- */

#define RH__METADATA_ROW(id, text) +1
#define RH__METADATA_ROWS                                                                          \
    (RH_MC_COUNT RH_METADATA_STACK_CONSTANTS(RH__METADATA_ROW)                                     \
         RH_METADATA_WEAK_CONSTANTS(RH__METADATA_ROW) RH_METADATA_SLOT_CONSTANTS(RH__METADATA_ROW) \
             RH_METADATA_SITE_CONSTANTS(RH__METADATA_ROW)                                          \
                 RH_METADATA_RING_CONSTANTS(RH__METADATA_ROW)                                      \
                     RH_METADATA_POISON_CONSTANTS(RH__METADATA_ROW)                                \
                         RH_METADATA_TRACE_CONSTANTS(RH__METADATA_ROW)                             \
                             RH_METADATA_RANGE_CONSTANTS(RH__METADATA_ROW)                         \
                                 RH_METADATA_QUIET_CONSTANTS(RH__METADATA_ROW)                     \
                                     RH_METADATA_CHECK_CONSTANTS(RH__METADATA_ROW))
extern struct rh_metadata_constant rh__metadata_constants[RH__METADATA_ROWS];
/* Writes the check of the constants into the descriptor; once. */
void rh__metadata_begin(void);

/* ---- options.c ------------------------------------------------------------------------------ */

/* Applies $REFHEAP_OPTIONS; names wrong ones on stderr, once per process. */
void rh__options_from_environment(rh_heap_options *options);

/* ---- type.c --------------------------------------------------------------------------------- */

#define RH__TYPES_MAX 65536u

extern rh__type_entry *rh__types; /* entry 0 is no type */
/* By type: bit k says that the word at 8 * k in the object is a reference. */
extern uint64_t rh__type_slots[RH__TYPES_MAX];

/* Registers the type if it is not; false if that is impossible. */
bool rh__type_register(rh_type *type);
/* Lets its births go the short way, or the long one, as its flags say. pre: it is registered. */
void rh__type_choose_way(rh_type *type);
/* Traces the objects that are born from now on. pre: the lock is held, and the type has the index.
 */
void rh__type_trace(uint32_t index);
/* atomic: types that are traced, but whose births do not know that they have to go the long way */
extern uint32_t rh__types_lagging;
void rh__type_lock(void); /* of the registry of types and sites */
void rh__type_unlock(void);
/* A copy of the text in memory that is never given back, or NULL. pre: the lock is held. */
const char *rh__copy_text(const char *text);
/* Entries of the table; other threads may add some. */
static inline uint64_t rh__type_count(void)
{
    return __atomic_load_n(&rh_debug_descriptor.type_count, __ATOMIC_ACQUIRE);
}

/* The name of a type by index; never NULL. */
const char *rh__type_name(uint32_t index);

static inline bool rh__type_is_traced(uint32_t index)
{
    return __atomic_load_n(&rh__types[index].flags, __ATOMIC_RELAXED) & RH_TYPE_TRACED;
}

static inline bool rh__some_type_lags(void)
{
    return __atomic_load_n(&rh__types_lagging, __ATOMIC_RELAXED) != 0;
}

static inline bool rh__type_ready(rh_type *type)
{
    return RH__LIKELY(__atomic_load_n(&type->rh_private.index, __ATOMIC_ACQUIRE) != 0) ||
           rh__type_register(type);
}

static inline rh__type_entry *rh__type_of(const rh_object *object)
{
    return &rh__types[object->rh_type_index];
}

/* ---- site.c --------------------------------------------------------------------------------- */

#define RH__SITES_MAX 65536u
#define RH__SITE_BITS 16u
/* The rh_number of a site beyond them: the header takes the lower 16 bits. */
#define RH__SITE_REFUSED RH__SITES_MAX

typedef struct rh__site_entry {
    const char *file;
    const char *function; /* NULL: unknown */
    uint32_t line;
    uint32_t next;  /* of those that may be told apart by their texts alone; 0: none */
    uint64_t check; /* of the rest, but for `next` (RH_METADATA_CHECK_CONSTANTS) */
} rh__site_entry;

extern rh__site_entry *rh__sites; /* entry 0 is no site */

/* What goes into the headers of the site's objects, registering it first if it is not. 0: there is
 * no site, or one too many, or memory is short. */
uint64_t rh__site_register(rh_site *site);
/* Entry `number`, or NULL: it is no site's. */
const rh__site_entry *rh__site_at(uint32_t number);
/* "in log_in() at mistakes.c:30", where the object was born; false, and "": that is not known. */
#define RH__BIRTH_TEXT_SIZE 256u
bool rh__birth_text(const rh_object *object, char text[RH__BIRTH_TEXT_SIZE]);

/* The same of a site that is registered; 0: ask rh__site_register. */
static inline __attribute__((always_inline)) uint64_t rh__site_number(const rh_site *site)
{
    _Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the lower half comes first");
    if (!site)
        return 0;
    return __atomic_load_n((const uint16_t *)(const void *)&site->rh_number, __ATOMIC_RELAXED);
}

/* pre: site_number is of 16 bits. */
static inline uint64_t rh__origin(uint64_t serial, uint64_t site_number)
{
    return serial << RH__SITE_BITS | site_number;
}

static inline uint64_t rh__serial(const rh_object *object)
{
    return object->rh_origin >> RH__SITE_BITS;
}

/* ---- slab.c --------------------------------------------------------------------------------- */

extern uint8_t rh__class_table[RH__SLOT_MAX / 16 + 1]; /* class by (bytes + 15) / 16 */
void rh__class_table_fill(void);

static inline uint32_t rh__size_class(size_t bytes)
{
    return RH__LIKELY(bytes <= RH__SLOT_MAX) ? rh__class_table[(bytes + 15) / 16] : RH__CLASS_LARGE;
}

/* Makes slots of the class available in heap->alloc; false if memory is short. */
bool rh__slots_refill(rh_heap *heap, uint32_t size_class);
/* A free slot of its own chunk for a large object, or NULL. */
void *rh__slot_find_large(rh_heap *heap, size_t bytes);
/* Slots of the slab were given back, which may change its state: the slab may be gone afterwards.
 */
void rh__slab_freed(rh_heap *heap, rh__slab *slab);
/* Gives the chunks without a used slab back to the system, but for `keep` of them. */
void rh__chunks_trim(rh_heap *heap, uint64_t keep);
/* The live slot that begins at `address` (any number), or NULL. */
rh_object *rh__slot_at(const rh_heap *heap, const void *address);
void rh__chunks_unmap(rh_heap *heap);

/* A walk over the heap's objects, dying ones included. { 0 } is its beginning. The slabs must
 * stay where they are; objects may come and go. */
typedef struct rh__cursor {
    rh__chunk *chunk;
    uint32_t slab; /* index of the slab in the chunk, + 1 */
    uint32_t word; /* next word of its bitmap */
    uint64_t bits; /* what is left of the word before that */
} rh__cursor;
rh_object *rh__next_object(rh_heap *heap, rh__cursor *cursor); /* NULL: the end */

static inline rh__chunk *rh__chunk_of(const void *object)
{
    return (rh__chunk *)((uintptr_t)object & ~(uintptr_t)(RH__CHUNK_SIZE - 1));
}

static inline rh_heap *rh__heap_of(const void *object)
{
    return rh__chunk_of(object)->mapping.heap;
}

static inline uint32_t rh__slab_index(const void *object)
{
    return (uint32_t)(((uintptr_t)object & (RH__CHUNK_SIZE - 1)) / RH__SLAB_BYTES -
                      RH__CHUNK_DATA / RH__SLAB_BYTES);
}

static inline rh__slab *rh__slab_of(const void *object)
{
    return &rh__chunk_of(object)->slabs[rh__slab_index(object)];
}

/* pre: in the slab's first RH__SLAB_BYTES, as every slot's beginning is. */
static inline uint32_t rh__slot_of(const rh__slab *slab, const void *address)
{
    uint64_t offset = (uintptr_t)address & (RH__SLAB_BYTES - 1);
    return (uint32_t)((offset * slab->reciprocal) >> 32);
}

static inline rh_object *rh__slot_object(const rh__slab *slab, uint32_t slot)
{
    return (rh_object *)(slab->base + slot * slab->slot_size);
}

static inline bool rh__bit(const uint64_t *bitmap, uint32_t bit)
{
    return (bitmap[bit >> 6] >> (bit & 63)) & 1;
}

static inline void rh__bit_set(uint64_t *bitmap, uint32_t bit)
{
    bitmap[bit >> 6] |= (uint64_t)1 << (bit & 63);
}

static inline void rh__bit_clear(uint64_t *bitmap, uint32_t bit)
{
    bitmap[bit >> 6] &= ~((uint64_t)1 << (bit & 63));
}

/* The bits of word `word` that stand for slots. */
static inline uint64_t rh__word_mask(const rh__slab *slab, uint32_t word)
{
    uint32_t left = slab->capacity - word * 64;
    return left >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << left) - 1;
}

/* Is the taken slot an object's? A blank header is the allocator's; a tombstone, too, or the
 * quarantine's. */
static inline bool rh__is_in_use(const rh_object *object)
{
    return object->rh_type_index != 0 && !(object->rh_flags & RH_FLAG_FREED);
}

/* Takes the lowest bit out of *bits. */
static inline uint32_t rh__take_bit(uint64_t *bits)
{
    uint32_t bit = (uint32_t)__builtin_ctzll(*bits);
    *bits &= *bits - 1;
    return bit;
}

/* May slots that were given back in `word`, of which `left` is left, change the slab's state? The
 * last word has bits behind the capacity, which are never 0. */
static inline bool rh__needs_state(const rh__slab *slab, uint32_t word, uint64_t left)
{
    return RH__UNLIKELY(slab->state != RH__SLAB_CURRENT) &&
           (slab->state != RH__SLAB_PARTIAL || !left || word + 1 == slab->words);
}

/* Gives back the slot of an object whose tombstone is written. The slab may be gone afterwards. */
static inline void rh__slot_free(rh_heap *heap, rh__slab *slab, rh_object *object)
{
    rh__alloc *alloc = slab->alloc;
    uint32_t cached = alloc->cached;
    if (RH__LIKELY(cached < RH__CACHED_MAX)) {
        alloc->cache[cached] = object;
        alloc->cached = cached + 1;
        return;
    }
    uint32_t slot = rh__slot_of(slab, object);
    uint64_t left = slab->live[slot >> 6] & ~((uint64_t)1 << (slot & 63));
    slab->live[slot >> 6] = left;
    if (rh__needs_state(slab, slot >> 6, left))
        rh__slab_freed(heap, slab);
}

/* ---- table.c -------------------------------------------------------------------------------- */

uint64_t rh__hash(uint64_t key);
bool rh__table_put(rh_heap *heap, rh__table *table, uint64_t key, uint64_t value); /* key is new */
rh__pair *rh__table_find(const rh__table *table, uint64_t key);
void rh__table_remove(rh__table *table, uint64_t key);
void rh__table_free(rh__table *table);

/* ---- object.c ------------------------------------------------------------------------------- */

/* Frees an object whose references are gone: tombstone, then the slot. */
void rh__object_free(rh_heap *heap, rh_object *object, enum rh_death death);
/* rh_new_at that starts no collection. */
void *rh__object_new(rh_heap *heap, rh_type *type, rh_site *site);
/* Decides whether the next birth goes the long way. */
void rh__set_limit(rh_heap *heap);

/* Objects alive or dying. */
static inline uint64_t rh__object_count(const rh_heap *heap)
{
    return heap->serials_taken - (heap->serial_end - heap->serial_next) - heap->freed;
}

/* Before the slot leaves the allocator's hands. A reader sees the last tenant's tombstone or a
 * blank header of an available slot, then nothing (type 0), then the object. */
static inline __attribute__((always_inline)) void rh__header_take(rh_object *object)
{
    __atomic_store_n((uint64_t *)(void *)object, RH__HEADER_TAKEN, __ATOMIC_RELAXED);
    RH__ORDER();
}

static inline __attribute__((always_inline)) void rh__header_begin(rh_object *object,
                                                                   uint64_t birth, uint64_t origin)
{
    object->rh_origin = origin;
    RH__ORDER();
    __atomic_store_n((uint64_t *)(void *)object, birth, __ATOMIC_RELAXED);
}

/* The first 8 header bytes, written with one store: a reader sees count and flags change together.
 */
static inline void rh__header_write(rh_object *object, uint32_t count, uint32_t type,
                                    uint32_t flags)
{
    uint64_t word = (uint64_t)count | (uint64_t)type << 32 | (uint64_t)(uint16_t)flags << 48;
    __atomic_store_n((uint64_t *)(void *)object, word, __ATOMIC_RELAXED);
}

static inline bool rh__is_special(const rh_object *object)
{
    return (object->rh_flags & RH__FLAGS_SPECIAL) != 0;
}

/* Is the count word that of a traced object? */
static inline bool rh__is_marked(const rh_object *object)
{
    return object->rh_count - RH__WORD_TRACED < RH__WORD_TRACED_END - RH__WORD_TRACED &&
           !rh__is_special(object);
}

static inline uint32_t rh__dying_count(const rh_object *object)
{
    return ((object->rh_count & RH__WORD_DYING_MASK) >> 1) + 1;
}

static inline enum rh_death rh__death_of(const rh_object *object)
{
    return (enum rh_death)((object->rh_flags & RH_FLAG_DEATH_MASK) >> RH_FLAG_DEATH_SHIFT);
}

/* ---- the one child visitor ------------------------------------------------------------------ */

static inline uint64_t rh__read_uint(const char *address, uint32_t width)
{
    switch (width) {
    case 1:
        return *(const uint8_t *)address;
    case 2:
        return *(const uint16_t *)(const void *)address;
    case 4:
        return *(const uint32_t *)(const void *)address;
    default:
        return *(const uint64_t *)(const void *)address;
    }
}

typedef void rh__slot_visit(void *context, void **slot);

/* The references that `slots` cannot say: far ones, vectors, flexible tails. */
static inline __attribute__((always_inline)) void
rh__visit_more(void *context, rh_object *object, const rh__type_entry *type, rh__slot_visit *visit)
{
    for (uint32_t i = 0; i < type->more_refs; i++) {
        const rh__ref *ref = &type->refs[i];
        char *first = (char *)object + ref->offset;
        uint64_t count = ref->form == RH_FORM_ONE ? 1
                         : ref->count_width
                             ? rh__read_uint((char *)object + ref->count_offset, ref->count_width)
                             : ref->count;
        if (ref->form == RH_FORM_VECTOR)
            first = *(char **)(void *)first;
        if (!first)
            continue;
        first += ref->element_offset;
        for (uint64_t n = 0; n < count; n++)
            visit(context, (void **)(void *)(first + n * ref->stride));
    }
}

/* Calls visit for each reference slot of the object, weak ones included. Made for constant `visit`:
 * the compiler folds it in. */
static inline __attribute__((always_inline)) void rh__visit_slots(void *context, rh_object *object,
                                                                  rh__slot_visit *visit)
{
    for (uint64_t slots = rh__type_slots[object->rh_type_index]; slots;)
        visit(context, (void **)(void *)object + rh__take_bit(&slots));
    if (RH__UNLIKELY(object->rh_flags & RH__FLAG_INVOLVED))
        rh__visit_more(context, object, rh__type_of(object), visit);
}

#define RH__POISON 0xdd

#if defined(RH__CHECKED) || defined(RH__ASAN)
#define RH__POISONS(heap) ((void)(heap), true)
#else
#define RH__POISONS(heap) RH__UNLIKELY((heap)->poisons)
#endif

/* What lies behind a tombstone belongs to nobody. Small slots only: a large one is given back. */
static inline void rh__payload_poison(const rh_heap *heap, const rh__slab *slab, rh_object *object)
{
    if (!RH__POISONS(heap) || slab->state == RH__SLAB_LARGE)
        return;
    char *payload = (char *)(object + 1);
    ASAN_UNPOISON_MEMORY_REGION(payload, slab->slot_size - sizeof(rh_object));
    rh__valgrind_open(payload, slab->slot_size - sizeof(rh_object));
    memset(payload, RH__POISON, slab->slot_size - sizeof(rh_object));
    ASAN_POISON_MEMORY_REGION(payload, slab->slot_size - sizeof(rh_object));
}

/* Type and flags of a header, read together: the type is the lower half. */
static inline uint32_t rh__header_info(const rh_object *object)
{
    uint32_t info;
    memcpy(&info, &object->rh_type_index, sizeof info);
    return info;
}

/* The object is nobody's any more, and what its slots hold is its own until the tombstone. */
static inline void rh__dying_write_info(rh_object *object, uint32_t info, enum rh_death death)
{
    info |= ((uint32_t)RH_FLAG_DYING | (uint32_t)death << RH_FLAG_DEATH_SHIFT) << 16;
    __atomic_store_n((uint64_t *)(void *)object, (uint64_t)info << 32 | RH__WORD_DYING,
                     __ATOMIC_RELAXED);
}

static inline void rh__tombstone_write_info(rh_object *object, uint32_t info, enum rh_death death)
{
    info &= ~((uint32_t)(RH_FLAG_DYING | RH_FLAG_IMMORTAL | RH_FLAG_DEATH_MASK) << 16);
    info |= ((uint32_t)RH_FLAG_FREED | (uint32_t)death << RH_FLAG_DEATH_SHIFT) << 16;
    __atomic_store_n((uint64_t *)(void *)object, (uint64_t)info << 32 | RH__WORD_FREED,
                     __ATOMIC_RELAXED);
}

static inline void rh__tombstone_write(rh_object *object, enum rh_death death)
{
    rh__tombstone_write_info(object, rh__header_info(object), death);
}

/* ---- death.c -------------------------------------------------------------------------------- */

/* Works the queue until it is empty. */
void rh__drain(rh_heap *heap);
/* Runs the finalizer if the object's type has one that did not run; true if it ran. */
bool rh__finalize(rh_heap *heap, rh_object *object);
/* Takes a count for the runtime, and says so in the same store. An immortal object has none. */
void rh__hold(rh_object *object);
/* Runs the type's dispose, if it has one. */
void rh__dispose(rh_heap *heap, rh_object *object);
/* Releases what the slot holds, storing NULL first. */
void rh__release_slot(void *heap, void **slot);
void rh__work_push(rh_heap *heap, rh_object *object);
rh_object *rh__work_pop(rh_heap *heap); /* NULL: nothing queued */

static inline bool rh__is_busy(const rh_heap *heap)
{
    return heap->draining | heap->collecting | heap->destroying;
}

/* ---- count.c -------------------------------------------------------------------------------- */

/* Disarms the object and registers it; a frozen one stays armed instead. pre: it is no candidate.
 */
void rh__candidate_add(rh_heap *heap, rh_object *object);
bool rh__is_candidate(const rh_object *object);
void rh__candidate_drop(rh_heap *heap, rh_object *object);
/* Releases an object whose count word is special, and not marked. */
void rh__release_special(rh_object *object, uint64_t place);

/* ---- misuse.c ------------------------------------------------------------------------------- */

/* What was done to which object, and what is known of its end, on stderr; then abort. */
void rh__misuse(const char *what, const rh_object *object) __attribute__((noreturn));
/* Reports the operation (on an object, or NULL) and aborts if the heap is attached to another
 * thread. */
void rh__check_thread(const rh_heap *heap, const char *operation, const rh_object *object);

/* a heap was made that checks: what would be too dear to ask the heap */
extern bool rh__checks_some;
/* Is the thread checked? Debug builds do always. */
#ifdef RH__CHECKED
#define RH__CHECKS_SOME true
#define RH__CHECKS_THREAD(heap) ((void)(heap), true)
#else
#define RH__CHECKS_SOME RH__UNLIKELY(__atomic_load_n(&rh__checks_some, __ATOMIC_RELAXED))
#define RH__CHECKS_THREAD(heap) RH__UNLIKELY((heap)->checks_thread)
#endif
#define rh__check_owner(heap)                                                                      \
    (RH__CHECKS_THREAD(heap) ? rh__check_thread((heap), __func__, NULL) : (void)0)

/* ---- weak.c --------------------------------------------------------------------------------- */

void rh__weak_clear(rh_heap *heap, rh_object *target); /* pre: RH_FLAG_HAS_WEAK */
void rh__weak_clear_all(rh_heap *heap);

/* ---- leaks.c -------------------------------------------------------------------------------- */

/* Says on stderr what the heap holds. pre: nothing of its end has run. */
void rh__leaks_report(rh_heap *heap);

/* ---- root.c --------------------------------------------------------------------------------- */

void rh__roots_free(rh_heap *heap);

/* ---- history.c ------------------------------------------------------------------------------ */

#define RH__STACK_MAX 16u
#define RH__OWN_FRAMES_MAX 24u /* more than births and deaths have */

/* The LWP of the calling thread, 0 until it is asked for. */
extern _Thread_local uint32_t rh__thread __attribute__((tls_model("initial-exec")));
uint32_t rh__thread_id(void);

/* As the options say; false if there is no memory for so many events. */
bool rh__history_start(rh_heap *heap, size_t events);
/* False if there is no memory for the stacks. */
bool rh__stacks_start(rh_heap *heap, uint32_t frames);
void rh__history_free(rh_heap *heap);
void rh__history_forked(void);
/* Is the address in the runtime's own code? */
bool rh__is_own_code(uint64_t address);
void rh__code_find(void); /* once */

/* An event by its number, the newest first, or those of one address. */
typedef struct rh__recalled {
    const rh__event *slot; /* of the ring */
    uint64_t number;
    uint64_t since; /* the clock before it, in ns */
    uint32_t thread;
} rh__recalled;
typedef bool rh__recall_visit(void *context, const rh_heap *heap, const rh__recalled *event);
/* Visits the events of the object, newest first, until `visit` returns false. */
void rh__history_recall(const rh_heap *heap, const rh_object *object, rh__recall_visit *visit,
                        void *context);

/* The words of a slot. */
#define RH__EVENT_KIND 15u
#define RH__EVENT_ADDRESS 0x0000FFFFFFFFFFF0u
#define RH__EVENT_DEATH_SHIFT 48
#define RH__EVENT_STACK ((uint64_t)1 << 50)
#define RH__EVENT_WHAT(kind, death) ((uint64_t)(kind) | (uint64_t)(death) << RH__EVENT_DEATH_SHIFT)

/* The stores are single ones: a compiler that joins two of them first brings both together. */
static inline __attribute__((always_inline)) void rh__event_write(rh__event *event, uint64_t what,
                                                                  uint64_t origin, uint64_t where)
{
    __atomic_store_n(&event->where, where, __ATOMIC_RELAXED);
    __atomic_store_n(&event->origin, origin, __ATOMIC_RELAXED);
    what |= rh_metadata_slot_check(what, origin, where);
    __atomic_store_n(&event->what, what, __ATOMIC_RELAXED);
}

/* Goes on behind an event that filled its block, or that another thread wrote. */
void rh__history_turn(rh_heap *heap);
/* Whatever is no death that takes the short way. A death whose place is 0: an earlier event has it.
 */
void rh__history_record(rh_heap *heap, enum rh_event kind, const rh_object *object,
                        enum rh_death death, uint64_t place);

/* Writes an event. Returns whether rh__history_turn has to follow. */
static inline __attribute__((always_inline)) bool
rh__history_put(rh_heap *heap, uint64_t what, const rh_object *object, uint64_t place)
{
    rh__event *event = heap->event_next;
    if (RH__UNLIKELY(!event))
        return false;
    rh__event_write(event, what | (uint64_t)(uintptr_t)object, object->rh_origin,
                    place << 16 | object->rh_type_index);
    RH__ORDER();
    heap->event_next = ++event;
    return RH__UNLIKELY((event == heap->event_stop) | (heap->event_thread != rh__thread));
}

/* What only a history of everything has, and that of a traced object. */
static inline void rh__history(rh_heap *heap, enum rh_event kind, const rh_object *object)
{
    if (RH__UNLIKELY(heap->keeps_all | (object->rh_flags & RH_FLAG_TRACED)))
        rh__history_record(heap, kind, object, RH_DEATH_NONE, heap->place);
}

extern uint64_t rh__code_begin, rh__code_bytes; /* the runtime's own code, and perhaps more */

/* A public function was called from there. If the runtime itself calls it, what the program called
 * stays at work. */
static inline __attribute__((always_inline)) void rh__enter(rh_heap *heap, uint64_t place)
{
    if (RH__LIKELY(place - rh__code_begin > rh__code_bytes) || !rh__is_own_code(place))
        heap->place = place;
}

/* At the entry of a public function that may make or free objects. */
#define RH__PLACE ((uint64_t)(uintptr_t)__builtin_return_address(0))
#define RH__ENTER(heap) rh__enter((heap), RH__PLACE)

/* ---- trace.c -------------------------------------------------------------------------------- */

/* Traces all objects of types of such names from their births on. False: no room for the pattern.
 */
bool rh__trace_types(const char *pattern);
/* Does a pattern ask for it? */
bool rh__trace_wants(const char *type_name);
/* After the options were read: if the heap is to trace, prepares it, or says that it cannot. */
void rh__trace_check(rh_heap *heap);
/* Joins flag and mark again where one of them was undone: the record has a gap. */
void rh__trace_settle(rh_object *object);
/* Marks a traced object whose word the runtime itself has written without the mark. */
void rh__trace_mark(rh_object *object);
/* It will be traced no more: says so in the record. */
void rh__trace_end(rh_heap *heap, const rh_object *object);
/* The new object is of a traced type. */
void rh__trace_birth(rh_heap *heap, rh_object *object);
/* pre: marked. */
void rh__trace_retain(rh_object *object, uint64_t place);
/* Records a change of an object's count, if it is traced. pre: rh__trace_begin, before the count
 * changed. */
void rh__trace_tell(rh_heap *heap, const rh_object *object, int32_t change, uint64_t count,
                    uint64_t place);
/* Is there a ring for the events of traced objects? Makes it. */
bool rh__trace_is_ready(rh_heap *heap);
/* Where its ring may be without asking for memory, or NULL: its heap had no room. */
rh__ring *rh__trace_reserve(rh_heap *heap);
/* pre: it is. */
void rh__trace_put(rh_heap *heap, uint64_t what, const rh_object *object, uint64_t place);
void rh__trace_free(rh_heap *heap);
/* The breakpoint's place: does nothing. */
void rh__trace_hook(const void *object, int32_t change, uint64_t count);

/* Says in the record from where on it is one. pre: heap->tracing is the object. */
void rh__trace_resume(rh_heap *heap, rh_object *object);

/* The count and the record of a traced object are about to change. */
static inline void rh__trace_begin(rh_heap *heap, rh_object *object)
{
    heap->tracing = object;
    RH__ORDER();
    if (RH__UNLIKELY(object->rh_flags & RH_FLAG_GAP))
        rh__trace_resume(heap, object);
}

/* ---- frame.c -------------------------------------------------------------------------------- */

/* Where stacks are walked without the C library's help. */
#if defined(__x86_64__) && defined(__GLIBC__)
#define RH__UNWINDS 1
#endif

enum rh__frame_kind {
    RH__FRAME_UNSURE,
    RH__FRAME_FROM_STACK,   /* begins `offset` behind the stack pointer */
    RH__FRAME_FROM_POINTER, /* the same of the frame pointer */
    RH__FRAME_AT_POINTER,   /* begins where the word says that lies there */
    RH__FRAME_OUTERMOST     /* nobody called it */
};
enum rh__frame_pointer {
    RH__POINTER_SAME,     /* the caller's is still in its register */
    RH__POINTER_AT_FRAME, /* it lies pointer_offset behind the frame's beginning */
    RH__POINTER_AT_POINTER,
    RH__POINTER_LOST
};
/* Of a return address. The return address of its function lies before the frame's beginning. */
typedef struct rh__frame_rule {
    uint64_t address; /* 0: free */
    int32_t offset;
    int16_t pointer_offset;
    uint8_t kind : 4; /* enum rh__frame_kind */
    uint8_t pointer : 4;
    uint8_t is_own : 4; /* the runtime's code */
    uint8_t passes : 4; /* of a module that may be unloaded */
} rh__frame_rule;
_Static_assert(sizeof(rh__frame_rule) == 16, "four in a cache line");

/* Of the instruction at `address`. `lasts`: its module is never unloaded. */
void rh__frame_rule_find(uint64_t address, rh__frame_rule *ret, bool *lasts);
/* A number that is another one when modules came or went. */
uint64_t rh__module_changes(void);

/* ---- unwind.c ------------------------------------------------------------------------------- */

/* Where the walk over a stack begins. */
typedef struct rh__here {
    uint64_t stack, pointer, address;
} rh__here;

#define RH__MEMO_WORDS 48u
#define RH__MEMO_STEP 4u
/* A stack that was walked: the words that the walk depended on. */
typedef struct rh__memo {
    uint64_t stack;   /* the stack pointer */
    uint64_t pointer; /* the frame pointer, if the walk depended on it */
    uint32_t number;  /* whatever the caller calls the stack */
    uint32_t reach;   /* the words lie in so many bytes */
    uint32_t address; /* lower half, of where it began: each copy of the asking code has its own */
    uint16_t words;   /* 0: free; else a multiple of RH__MEMO_STEP: some may be there twice */
    bool has_pointer;
    bool passes; /* a module that it goes through may be unloaded */
    uint16_t
        offsets[RH__MEMO_WORDS]; /* in words, from the stack pointer; in the order of the walk */
    uint64_t values[RH__MEMO_WORDS];
} rh__memo;

#define RH__FRAME_RULES 4096u
#define RH__MEMO_SET_BITS 10u
#define RH__MEMO_SETS (1u << RH__MEMO_SET_BITS)
#define RH__MEMO_WAYS 4u
typedef struct rh__unwinder {
    rh__mapping mapping;
    uint64_t changes; /* rh__module_changes, if has_passing */
    bool has_passing; /* something here is of a module that may be unloaded */
    uint32_t turn;    /* which way goes next */
    rh__frame_rule rules[RH__FRAME_RULES];
    rh__memo memos[RH__MEMO_SETS][RH__MEMO_WAYS];
} rh__unwinder;

/* Finds out where the calling thread's stack is, if that was not tried yet. Where recording stacks
 * begins, and where a heap that does it comes to another thread; not when an event is recorded. */
void rh__stack_find(void);
/* Of the calling thread; 0, 0: not asked for yet; 1, 1: not known. */
extern _Thread_local uint64_t rh__stack_begin __attribute__((tls_model("initial-exec")));
extern _Thread_local uint64_t rh__stack_end __attribute__((tls_model("initial-exec")));

rh__unwinder *rh__unwinder_new(rh_heap *heap); /* NULL: memory is short */
void rh__unwinder_free(rh__unwinder *self);
/* Forgets all, and says so, if what is known may be of other modules than those that are there. */
bool rh__unwinder_check(rh__unwinder *self);
/* Finds the return addresses of the program's functions that are at work, `depth` at most,
 * innermost first, then zeros. Returns a memo of `set` for their number. NULL: it is not sure. */
rh__memo *rh__unwind(rh__unwinder *self, rh__memo *set, const rh__here *here, uint32_t depth,
                     uint64_t *addresses);

/* Of the function that it is inlined in. */
#ifdef RH__UNWINDS
static inline __attribute__((always_inline)) void rh__here_find(rh__here *ret)
{
    __asm__ volatile("leaq 663f(%%rip), %0\n663:\n\tmovq %%rsp, %1\n\tmovq %%rbp, %2"
                     : "=r"(ret->address), "=r"(ret->stack), "=r"(ret->pointer));
}
#endif

/* `place` is any number that tells calls apart. */
static inline rh__memo *rh__memo_set(rh__unwinder *self, const rh__here *here, uint64_t place)
{
    uint64_t hash = (here->stack / 16 ^ place) * 0x9E3779B97F4A7C15u;
    return self->memos[hash >> (64 - RH__MEMO_SET_BITS)];
}

/* AddressSanitizer knows the variables of a stack, not what lies between them. */
#ifdef RH__ASAN
#define RH__STACK_READER static __attribute__((noinline, unused, no_sanitize("address")))
#else
#define RH__STACK_READER static inline __attribute__((always_inline))
#endif

/* Would a walk go the way of the memo? The words are read before it is proven that they belong to
 * the walk, but not outside of the thread's stack. */
RH__STACK_READER bool rh__memo_holds(const rh__memo *memo, const rh__here *here)
{
    if (memo->stack != here->stack || memo->address != (uint32_t)here->address || !memo->words ||
        (memo->has_pointer && memo->pointer != here->pointer) || here->stack < rh__stack_begin ||
        here->stack + memo->reach > rh__stack_end)
        return false;
    const uint64_t *words = (const uint64_t *)(uintptr_t)here->stack, *values = memo->values;
    const uint16_t *offsets = memo->offsets, *end = offsets + memo->words;
    do {
        uint64_t differs = (words[offsets[0]] ^ values[0]) | (words[offsets[1]] ^ values[1]) |
                           (words[offsets[2]] ^ values[2]) | (words[offsets[3]] ^ values[3]);
        if (differs)
            return false;
        values += RH__MEMO_STEP;
        offsets += RH__MEMO_STEP;
    } while (offsets < end);
    return true;
}

/* ---- collect.c ------------------------------------------------------------------------------ */

typedef struct rh__collection {
    uint64_t visited;
    uint64_t freed;
    uint64_t uncollectable; /* newly found */
    /* what died with the garbage let go of objects that may be garbage now */
    bool has_successor;
} rh__collection;

/* One collection. pre: heap->collecting, and no cascade runs. */
void rh__collect(rh_heap *heap, rh_gc_generation generation, rh__collection *result);

/* ---- gc.c ----------------------------------------------------------------------------------- */

/* Is an automatic collection due? */
static inline bool rh__gc_is_due(const rh_heap *heap)
{
    return heap->gc_enabled && heap->thresholds.young && heap->fresh >= heap->thresholds.young;
}
void rh__gc_automatic(rh_heap *heap);

/* ---- check.c -------------------------------------------------------------------------------- */

/* In a stress build every public operation that is not inlined validates the heap behind itself. */
#ifdef REFHEAP_GC_STRESS
void rh__stress_validate(rh_heap *heap, const char *operation);
#define RH__VALIDATE(heap, operation) rh__stress_validate((heap), operation)
#else
#define RH__VALIDATE(heap, operation) ((void)(heap))
#endif

#endif
