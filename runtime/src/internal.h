/* internal.h - the runtime's structs and the functions its files share, grouped by owning file.
 *
 * Invariant: the layouts below are published through the constants table (metadata.c), so a reader
 * outside never depends on them directly; what it relies on is stated in <refheap/metadata.h>.
 *
 * Every file of the runtime includes this header first: it gives the public functions default
 * visibility, everything else stays hidden. It is one file, longer than the others, so that every struct
 * and every agreement between files can be read in one place.
 */
#ifndef RH_INTERNAL_H
#define RH_INTERNAL_H

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

#define RH__LIKELY(x) __builtin_expect(!!(x), 1)
#define RH__UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Stores before it are done before stores behind it, as far as the compiler is concerned: a core or
 * a stopped process shows memory at an instruction boundary, so no CPU barrier is needed. */
#define RH__ORDER() __atomic_signal_fence(__ATOMIC_SEQ_CST)

/* ---- count words --------------------------------------------------------------------------------- */

/* Special words lie so far inside the special range that no +-2 leaves their meaning. */
#define RH__WORD_FREED 0x90000000u
#define RH__WORD_DYING 0xA0000000u /* + 2 * (count - 1) */
#define RH__WORD_DYING_MASK 0x1FFFFFFFu
#define RH__WORD_IMMORTAL 0xC0000000u
#define RH__WORD_TRIAL_ZERO 0xFFFFFFFEu /* and the armed 0xFFFFFFFF */
#define RH__WORD_ARMED 1u

#define RH__FLAGS_SPECIAL ((uint16_t)(RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED))

/* ---- memory -------------------------------------------------------------------------------------- */

#define RH__CHUNK_SIZE ((size_t)4 << 20)
#define RH__CHUNK_DATA ((size_t)128 << 10) /* offset of the first slab in its chunk */
#define RH__CHUNK_SLABS 62u
#define RH__SLAB_TABLE 128u /* offset of the first slab descriptor in its chunk */
#define RH__SLAB_BYTES ((size_t)64 << 10)
#define RH__SLOT_MIN 32u
#define RH__SLOT_MAX 8192u /* larger objects have a chunk of their own */
#define RH__SLOTS_MAX 2048u
#define RH__BITMAP_WORDS (RH__SLOTS_MAX / 64)
#define RH__CLASSES 31u
#define RH__CLASS_LARGE RH__CLASSES

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

enum rh__slab_state {
    RH__SLAB_FREE = 0, /* in its chunk's free set; slots of earlier use keep their tombstones */
    RH__SLAB_CURRENT,  /* the class allocates from it */
    RH__SLAB_PARTIAL,  /* 0 < used < capacity, on the class's partial list */
    RH__SLAB_FULL,     /* used == capacity, on no list */
    RH__SLAB_EMPTY,    /* the one empty slab the class keeps */
    RH__SLAB_LARGE     /* the single slab of a large object's chunk */
};

/* A slab descriptor. Its bitmaps say everything about a slot: no link lies inside a slot.
 *   live       the slot holds an object; bits from capacity on are 1, so that no search finds them
 *   candidate  registered candidate root (subset of live)
 *   work       queued for the running cascade or pass
 *   trial      in the running collection
 *   rescued    of those, reachable from outside
 * Invariant: no slot is free in the words of `live` below `cursor`. */
typedef struct rh__slab {
    char *base;
    uint64_t slot_size; /* 0: never used; written last when the slab changes its class */
    uint32_t capacity;
    uint32_t used;
    uint32_t cursor;     /* word of `live` where the search for a free slot starts */
    uint32_t words;      /* words of the bitmaps that cover capacity */
    uint32_t reciprocal; /* ceil(2^32 / slot_size); 0 for capacity 1 */
    uint32_t size_class;
    uint32_t touched_words; /* slots in words from here on were never used */
    uint32_t state;
    struct rh__slab *next; /* on the partial list */
    struct rh__slab *prev;
    struct rh__slab *work_next; /* valid while work_summary is not 0 */
    struct rh__slab *trial_next; /* valid while in_trial */
    uint32_t work_summary;       /* bit w: work[w] is not 0 */
    uint32_t in_trial;
    uint64_t check_base; /* scratch of rh_heap_check */
    uint64_t reserved[60];
    uint64_t live[RH__BITMAP_WORDS];
    uint64_t candidate[RH__BITMAP_WORDS];
    uint64_t work[RH__BITMAP_WORDS];
    uint64_t trial[RH__BITMAP_WORDS];
    uint64_t rescued[RH__BITMAP_WORDS];
    uint64_t spare[RH__BITMAP_WORDS];
} rh__slab;

/* 33 cache lines: a power of two would put the same bitmap of all slabs in the same cache sets. */
_Static_assert(sizeof(rh__slab) == 2112, "slab descriptors have a fixed stride");

typedef struct rh__chunk {
    rh__mapping mapping;
    uint64_t free_slabs;      /* bit i: slab i is RH__SLAB_FREE; 0 in a large object's chunk */
    uint64_t candidate_slabs; /* bit i: slab i may have candidates */
    struct rh__chunk *next;   /* all chunks of the heap */
    struct rh__chunk *prev;
    struct rh__chunk *open_next; /* chunks with a free slab; freed large chunks */
    struct rh__chunk *open_prev;
    char reserved[RH__SLAB_TABLE - 88];
    rh__slab slabs[RH__CHUNK_SLABS];
} rh__chunk;

_Static_assert(offsetof(rh__chunk, slabs) == RH__SLAB_TABLE, "slab table behind the chunk header");
_Static_assert(sizeof(rh__chunk) <= RH__CHUNK_DATA, "chunk header and slab table end before the slabs");
_Static_assert(RH__CHUNK_DATA + RH__CHUNK_SLABS * RH__SLAB_BYTES == RH__CHUNK_SIZE, "slabs fill the chunk");

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

typedef struct rh__event {
    uint64_t sequence;
    uint64_t address;
    uint64_t serial;
    uint64_t time;
    uint16_t type;
    uint8_t kind;
    uint8_t death;
    uint32_t thread;
    uint64_t reserved;
} rh__event;
_Static_assert(sizeof(rh__event) == 48, "the size that rh_heap_options promises");

/* ---- types --------------------------------------------------------------------------------------- */

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

typedef struct rh__type_entry {
    const char *name;
    uint64_t object_size;
    const rh_field *fields;
    uint32_t field_count;
    uint32_t flags;
    uint32_t element_size;
    uint32_t length_offset;
    void (*finalize)(void *object);
    void (*dispose)(void *object);
    const rh__ref *refs;
    uint32_t ref_count;
    uint32_t reserved;
} rh__type_entry;

/* ---- heaps --------------------------------------------------------------------------------------- */

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
    uint64_t objects;
    uint64_t candidates;
    uint64_t gc_trigger; /* more candidates than this: collect on entry to rh_new */
    uint64_t serial_next;
    uint64_t serial_end;
    uint64_t serial_first;
    rh__event *history;
    uint64_t history_capacity;
    uint64_t history_count;
    rh__slab *current[RH__CLASSES];
    rh__slab *partial[RH__CLASSES];
    rh__slab *empty[RH__CLASSES];
    rh__chunk *chunks;
    rh__chunk *open_chunks;
    rh__chunk *spare_chunk;   /* the one chunk without a used slab that is kept */
    rh__chunk *freed_large;   /* newest first; kept for their tombstones and for reuse */
    uint64_t freed_large_count;
    rh__table chunk_table;    /* chunk address -> 1 */
    rh__table weak_table;     /* target -> rh_weak */
    rh__root *roots;
    uint64_t roots_capacity;
    uint64_t roots_used; /* entries that are not 0, removed ones included */
    uint64_t roots_count;
    rh__slab *work_slabs;
    rh_object *work_next; /* a queued object that needs no bit: the common chain */
    rh__slab *trial_slabs;
    uint64_t collections;
    uint64_t reclaimed;
    uint64_t collect_freed; /* objects freed with reason `collect`, ever */
    uint64_t visited;       /* objects in the running or last collection */
    uint64_t finalized;     /* finalizers run, ever */
    uint32_t gc_share;      /* quarters of the live heap that may become candidates */
    uint8_t draining;       /* a release cascade is running */
    uint8_t collecting;
    uint8_t destroying;
    uint8_t death; /* enum rh_death of what dies now */
    pthread_t owner;
};

/* ---- os.c: the only file that asks the system for memory ------------------------------------------ */

/* A zeroed mapping, linked into the descriptor's list; NULL if memory is short. alignment is 0 or a
 * power of two. `lazy`: most of it will never be touched, reserve nothing. */
rh__mapping *rh__map(rh_heap *heap, uint32_t kind, size_t bytes, size_t alignment, bool lazy);
void rh__unmap(rh__mapping *mapping);
/* Zeroes [address, address + bytes), giving whole pages back to the system. */
void rh__discard(void *address, size_t bytes);
/* Draws the nonce, notes the pid, installs the fork handlers; once. */
void rh__process_init(void);
void rh__lock(void); /* the process lock: heap list, mapping list, destroyed ring */
void rh__unlock(void);

/* ---- heap.c ---------------------------------------------------------------------------------------- */

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
/* A new immortal object of heap 0 with `count` elements (0 for a plain type), or NULL. Safe from any
 * thread; fill the object in before other threads can see it. */
void *rh__new_immortal(rh_type *type, size_t count);
/* Is it a live object of heap 0? Safe from any thread. */
bool rh__is_shared_object(const void *address);
void rh__heap_zero_lock(void);
void rh__heap_zero_unlock(void);
bool rh__refill_serials(rh_heap *heap);
#ifdef RH__CHECKED
void rh__check_owner(const rh_heap *heap);
#else
#define rh__check_owner(heap) ((void)(heap))
#endif

/* ---- metadata.c ------------------------------------------------------------------------------------- */

extern struct rh_metadata_constant rh__metadata_constants[RH_MC_COUNT];

/* ---- options.c -------------------------------------------------------------------------------------- */

/* Applies $REFHEAP_OPTIONS; names wrong ones on stderr, once per process. */
void rh__options_from_environment(rh_heap_options *options);

/* ---- type.c ----------------------------------------------------------------------------------------- */

extern rh__type_entry *rh__types; /* entry 0 is no type */

/* Registers the type if it is not; false if that is impossible. */
bool rh__type_register(rh_type *type);
void rh__type_lock(void); /* for the fork handlers */
void rh__type_unlock(void);
/* The name of a type by index; never NULL. */
const char *rh__type_name(uint32_t index);

static inline bool rh__type_ready(rh_type *type)
{
    return RH__LIKELY(__atomic_load_n(&type->rh_private.index, __ATOMIC_ACQUIRE) != 0) ||
           rh__type_register(type);
}

static inline rh__type_entry *rh__type_of(const rh_object *object)
{
    return &rh__types[object->rh_type_index];
}

/* ---- slab.c ----------------------------------------------------------------------------------------- */

uint32_t rh__size_class(size_t bytes); /* RH__CLASS_LARGE where it has none */
/* A free slot and its slab; the slot's live bit is not set yet. NULL if memory is short. */
void *rh__slot_find(rh_heap *heap, uint32_t size_class, rh__slab **slab);
void *rh__slot_find_large(rh_heap *heap, size_t bytes, rh__slab **slab);
/* The slot's tombstone is written: gives the slot back. */
void rh__slot_free(rh_heap *heap, rh__slab *slab, uint32_t slot);
/* The live slot that begins at `address` (any number), or NULL. */
rh_object *rh__slot_at(const rh_heap *heap, const void *address);
void rh__chunks_unmap(rh_heap *heap);

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
    return (uint32_t)((((uintptr_t)object & (RH__CHUNK_SIZE - 1)) - RH__CHUNK_DATA) / RH__SLAB_BYTES);
}

static inline rh__slab *rh__slab_of(const void *object)
{
    return &rh__chunk_of(object)->slabs[rh__slab_index(object)];
}

static inline uint32_t rh__slot_of(const rh__slab *slab, const void *object)
{
    uint64_t offset = (uint64_t)((const char *)object - slab->base);
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

/* Takes the lowest bit out of *bits. */
static inline uint32_t rh__take_bit(uint64_t *bits)
{
    uint32_t bit = (uint32_t)__builtin_ctzll(*bits);
    *bits &= *bits - 1;
    return bit;
}

/* ---- table.c ---------------------------------------------------------------------------------------- */

uint64_t rh__hash(uint64_t key);
bool rh__table_put(rh_heap *heap, rh__table *table, uint64_t key, uint64_t value); /* key is new */
rh__pair *rh__table_find(const rh__table *table, uint64_t key);
void rh__table_remove(rh__table *table, uint64_t key);
void rh__table_free(rh__table *table);

/* ---- object.c --------------------------------------------------------------------------------------- */

/* Frees an object whose references are gone: tombstone, then the slot. */
void rh__object_free(rh_heap *heap, rh_object *object);
/* Allocates without starting a collection. */
void *rh__object_new(rh_heap *heap, rh_type *type, size_t bytes);

/* The first 8 header bytes, written with one store: a reader sees count and flags change together. */
static inline void rh__header_write(rh_object *object, uint32_t count, uint32_t type, uint32_t flags)
{
    uint64_t word = (uint64_t)count | (uint64_t)type << 32 | (uint64_t)(uint16_t)flags << 48;
    __atomic_store_n((uint64_t *)(void *)object, word, __ATOMIC_RELAXED);
}

static inline bool rh__is_special(const rh_object *object)
{
    return (object->rh_flags & RH__FLAGS_SPECIAL) != 0;
}

static inline uint32_t rh__dying_count(const rh_object *object)
{
    return ((object->rh_count & RH__WORD_DYING_MASK) >> 1) + 1;
}

static inline enum rh_death rh__death_of(const rh_object *object)
{
    return (enum rh_death)((object->rh_flags & RH_FLAG_DEATH_MASK) >> RH_FLAG_DEATH_SHIFT);
}

/* ---- the one child visitor ------------------------------------------------------------------------- */

static inline uint64_t rh__read_uint(const char *address, uint32_t width)
{
    switch (width) {
    case 1: return *(const uint8_t *)address;
    case 2: return *(const uint16_t *)(const void *)address;
    case 4: return *(const uint32_t *)(const void *)address;
    default: return *(const uint64_t *)(const void *)address;
    }
}

/* Calls visit for each reference slot of the object, weak ones included. Made for constant `visit`:
 * the compiler folds it in. */
static inline __attribute__((always_inline)) void
rh__visit_slots(rh_heap *heap, rh_object *object, void (*visit)(rh_heap *heap, void **slot))
{
    const rh__type_entry *type = rh__type_of(object);
    for (uint32_t i = 0; i < type->ref_count; i++) {
        const rh__ref *ref = &type->refs[i];
        char *first = (char *)object + ref->offset;
        if (RH__LIKELY(ref->form == RH_FORM_ONE)) {
            visit(heap, (void **)(void *)first);
            continue;
        }
        uint64_t count = ref->count_width
                             ? rh__read_uint((char *)object + ref->count_offset, ref->count_width)
                             : ref->count;
        if (ref->form == RH_FORM_VECTOR)
            first = *(char **)(void *)first;
        if (!first)
            continue;
        first += ref->element_offset;
        for (uint64_t n = 0; n < count; n++)
            visit(heap, (void **)(void *)(first + n * ref->stride));
    }
}

/* ---- death.c ---------------------------------------------------------------------------------------- */

/* The last count goes: queues the object in a running cascade, or runs one. */
void rh__object_dies(rh_heap *heap, rh_object *object);
/* Works the queue until it is empty. */
void rh__drain(rh_heap *heap);
/* Runs the finalizer if the object's type has one that did not run; true if it ran. */
bool rh__finalize(rh_heap *heap, rh_object *object);
/* Releases what the slot holds, storing NULL first. */
void rh__release_slot(rh_heap *heap, void **slot);
void rh__work_push(rh_heap *heap, rh_object *object);
rh_object *rh__work_pop(rh_heap *heap); /* NULL: nothing queued */

static inline bool rh__is_busy(const rh_heap *heap)
{
    return heap->draining | heap->collecting | heap->destroying;
}

/* ---- count.c ---------------------------------------------------------------------------------------- */

void rh__candidate_add(rh_heap *heap, rh_object *object);
/* One line on stderr, then abort. */
void rh__misuse(const char *what, const rh_object *object) __attribute__((noreturn));

/* ---- weak.c ----------------------------------------------------------------------------------------- */

void rh__weak_clear(rh_heap *heap, rh_object *target); /* pre: RH_FLAG_HAS_WEAK */
void rh__weak_clear_all(rh_heap *heap);

/* ---- root.c ----------------------------------------------------------------------------------------- */

void rh__roots_free(rh_heap *heap);

/* ---- history.c -------------------------------------------------------------------------------------- */

bool rh__history_start(rh_heap *heap, size_t events);
void rh__history_record(rh_heap *heap, enum rh_event kind, const rh_object *object, enum rh_death death);
void rh__history_forked(void);

static inline void rh__history(rh_heap *heap, enum rh_event kind, const rh_object *object,
                               enum rh_death death)
{
    if (RH__UNLIKELY(heap->history != NULL))
        rh__history_record(heap, kind, object, death);
}

/* ---- collect.c -------------------------------------------------------------------------------------- */

void rh__gc_automatic(rh_heap *heap);
void rh__gc_set_trigger(rh_heap *heap);

/* ---- check.c ---------------------------------------------------------------------------------------- */

/* In a stress build every public operation that is not inlined validates the heap behind itself. */
#ifdef REFHEAP_GC_STRESS
void rh__stress_validate(rh_heap *heap, const char *operation);
#define RH__VALIDATE(heap) rh__stress_validate((heap), __func__)
#else
#define RH__VALIDATE(heap) ((void)(heap))
#endif

#endif
