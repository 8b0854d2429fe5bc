/* refheap.h - a reference-counted heap for C that a debugger can read.
 *
 * A managed object is a struct that begins with `rh_object`. Its type is declared as data (name,
 * size, table of fields), so that GDB, LLDB and the `refheap` command can read the object in a
 * live process or in a core dump, where nobody can call a function of yours.
 *
 *     typedef struct node {
 *         rh_object base;
 *         struct node *next;
 *         int value;
 *     } node;
 *     static const rh_field node_fields[] = {
 *         RH_STRONG(node, next), RH_INT(node, value), RH_FIELDS_END
 *     };
 *     static rh_type node_type = {
 *         .name = "node",
 *         .size = RH_SIZE(node, base),
 *         .fields = node_fields,
 *     };
 *
 *     rh_heap *heap = rh_heap_create(NULL);
 *     node *a = rh_new(heap, &node_type);  // count 1, owned by `a`
 *     node *b = rh_new(heap, &node_type);
 *     rh_set(&a->next, b);                 // retain b, store it: count 2
 *     rh_release(b);                       // `b` gives its count up: 1
 *     rh_release(a);                       // a dies, then b
 *     rh_heap_destroy(heap);
 *
 * Ownership. Every strong slot (a field declared RH_STRONG, or a variable of yours) that holds an
 * object owns one count of it. Functions that return an object return an owned reference unless
 * they say "borrowed". NULL may be retained, released and stored.
 *
 * Threads. One thread at a time uses a heap. Different heaps are independent and may be used by
 * different threads at the same time. rh_heap_attach hands a heap over. Nothing here may be
 * called in a signal handler: some functions take locks, all find what was interrupted half done.
 * (More of that, of fork, finalizers, exit and dlclose: docs/runtime.md, "What may be called
 * where".)
 *
 * Errors. A function that allocates returns NULL when memory is short and changes nothing. Misuse
 * that can be seen (release of a freed object) is reported on stderr, with what is known of the
 * object's end, and aborts. An address that never was an object, or whose heap is destroyed, is
 * not seen: the program crashes or damages what lies there. Compile with -DREFHEAP_CHECKED to
 * have it reported.
 */
#ifndef REFHEAP_REFHEAP_H
#define REFHEAP_REFHEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <refheap/metadata.h> /* kinds and forms of fields */

#ifdef __cplusplus
extern "C" {
#endif

/* A heap is opaque. The members of a type are its program's to fill in, see below. */
typedef struct rh_heap rh_heap;
typedef struct rh_type rh_type;

/* Called without a detour over the procedure linkage table where the library is a shared one. */
#if defined(__has_attribute)
#if __has_attribute(noplt)
#define RH__DIRECT __attribute__((noplt))
#endif
#endif
#ifndef RH__DIRECT
#define RH__DIRECT
#endif

/* ---- objects -------------------------------------------------------------------------------- */

/* The 16-byte header of every managed object. Read it through the functions below.
 *
 * Count word (this encoding is ABI, because the fast paths are inlined into programs):
 *   bit 31      special: immortal, dying, freed (the flags say which);
 *               never reached by +-2
 *   bits 1..30  count - 1
 *   bit 0       armed: the next release that leaves the object alive
 *               registers a candidate root */
typedef struct rh_object {
    uint32_t rh_count;
    uint16_t rh_type_index;
    uint16_t rh_flags;
    /* the serial, unique in the process, for ever, increasing within a heap; in the low 16 bits
     * the number of the line that made the object, 0: unknown */
    uint64_t rh_origin;
} rh_object;

#ifdef __cplusplus
static_assert(sizeof(rh_object) == 16, "the object header is 16 bytes");
#else
_Static_assert(sizeof(rh_object) == 16, "the object header is 16 bytes");
#endif

/* What rh_refcount returns for an immortal object. */
#define RH_IMMORTAL SIZE_MAX

/* ---- types ---------------------------------------------------------------------------------- */

/* One declared field. Use the macros; unknown members stay zero.
 * The number of elements is `count`, or, where count_width is not 0, the unsigned integer of
 * count_width bytes at count_offset in the object. Element i begins at first + i * stride, its slot
 * lies element_offset behind that. */
typedef struct rh_field {
    const char *name;
    uint32_t offset;
    uint8_t kind;
    uint8_t form;
    uint8_t width;
    uint8_t count_width;
    uint32_t count;
    uint32_t count_offset;
    uint32_t stride;
    uint32_t element_offset;
    uint64_t reserved[2];
} rh_field;

#define RH__SIZEOF(type, member) sizeof(((type *)0)->member)
/* All members in their order: C++ before C++20 knows no other way, and nothing is left out that a
 * compiler could warn of. */
#define RH__FIELD(name, offset, kind, form, width, count_width, count, count_offset, stride,       \
                  element_offset)                                                                  \
    {                                                                                              \
        name, offset, kind, form, width, count_width, count, count_offset, stride, element_offset, \
        {                                                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }
#define RH__ONE(type, member, kind)                                                                \
    RH__FIELD(#member, offsetof(type, member), kind, RH_FORM_ONE, RH__SIZEOF(type, member), 0, 1,  \
              0, RH__SIZEOF(type, member), 0)
/* `count_member` says how many elements there are. */
#define RH__COUNTED(name, type, member, kind, form, width, count_member, stride, element_offset)   \
    RH__FIELD(name, offsetof(type, member), kind, form, width, RH__SIZEOF(type, count_member), 0,  \
              offsetof(type, count_member), stride, element_offset)

/* One reference: `struct node *next`. */
#define RH_STRONG(type, member) RH__ONE(type, member, RH_KIND_STRONG)
/* One weak reference: `rh_weak *owner`. */
#define RH_WEAK(type, member) RH__ONE(type, member, RH_KIND_WEAK)
/* A pointer to a managed object that owns no count and may dangle: `struct node *parent`. */
#define RH_BORROWED(type, member) RH__ONE(type, member, RH_KIND_BORROWED)
/* Plain data, shown by the debugger commands. RH_UINT is right for bool and unsigned enums too. */
#define RH_INT(type, member) RH__ONE(type, member, RH_KIND_INT)
#define RH_UINT(type, member) RH__ONE(type, member, RH_KIND_UINT)
#define RH_FLOAT(type, member) RH__ONE(type, member, RH_KIND_FLOAT)

/* An array of references inside the struct: `struct node *child[4]`. */
#define RH_STRONG_ARRAY(type, member)                                                              \
    RH__FIELD(#member, offsetof(type, member), RH_KIND_STRONG, RH_FORM_ARRAY, sizeof(void *), 0,   \
              RH__SIZEOF(type, member) / sizeof(void *), 0, sizeof(void *), 0)
/* A flexible array of references at the end of the struct; count_member says how many. */
#define RH_STRONG_TAIL(type, member, count_member)                                                 \
    RH__COUNTED(#member, type, member, RH_KIND_STRONG, RH_FORM_ARRAY, sizeof(void *),              \
                count_member, sizeof(void *), 0)
/* A vector outside the object, `struct node **items; size_t length;`. The object owns the memory
 * (free it in the type's `dispose`). Keep every slot below `length` NULL or owned at all times. */
#define RH_STRONG_VECTOR(type, member, count_member)                                               \
    RH__COUNTED(#member, type, member, RH_KIND_STRONG, RH_FORM_VECTOR, sizeof(void *),             \
                count_member, sizeof(void *), 0)
/* One reference in each struct of such a vector: `struct entry { rh_object *key, *value; }
 * *entries`. */
#define RH_STRONG_VECTOR_OF(type, member, count_member, element, element_member)                   \
    RH__COUNTED(#member "." #element_member, type, member, RH_KIND_STRONG, RH_FORM_VECTOR,         \
                sizeof(void *), count_member, sizeof(element), offsetof(element, element_member))
/* Text inside the object, `size_t length; char bytes[];`, or behind a pointer. */
#define RH_BYTES(type, member, length_member)                                                      \
    RH__COUNTED(#member, type, member, RH_KIND_BYTES, RH_FORM_ARRAY, 1, length_member, 1, 0)
#define RH_BYTES_VECTOR(type, member, length_member)                                               \
    RH__COUNTED(#member, type, member, RH_KIND_BYTES, RH_FORM_VECTOR, 1, length_member, 1, 0)

/* Ends a table of fields. */
#define RH_FIELDS_END RH__FIELD(NULL, 0, RH_KIND_END, RH_FORM_ONE, 0, 0, 0, 0, 0, 0)

/* For rh_type.size: sizeof(type), where `base` is what the struct begins with: its rh_object, or a
 * struct that begins with one. Of any other struct the compiler says that an array's size is
 * negative. With a plain sizeof nobody sees such a mistake: to C a type does not tell what it
 * begins with, and to the runtime it is a number of bytes. */
#define RH_SIZE(type, base)                                                                        \
    (sizeof(type) *                                                                                \
     sizeof(                                                                                       \
         char[offsetof(type, base) == 0 && RH__SIZEOF(type, base) >= sizeof(rh_object) ? 1 : -1]))

/* rh_type.flags */
#define RH_TYPE_ACYCLIC 1u /* its objects cannot be part of a cycle: never candidate roots */
#define RH_TYPE_TRACED 2u  /* its objects are traced from their birth on, see rh_trace */

/* A type: static, writable, outlives every heap that uses it. It is registered (for the whole
 * process, under a lock) by the first rh_new that names it; from then on do not change it. The
 * struct begins with its rh_object. At most 65535 types of at most 4096 fields each; of a type
 * that cannot be (a field in the header or outside the struct, a reference that is no pointer, a
 * slot that two fields own) a line on stderr says why, and its objects are not allocated (NULL). */
struct rh_type {
    const char *name;       /* shown by the debugger commands; may repeat */
    size_t size;            /* bytes of the struct, header included: RH_SIZE(node, base) */
    const rh_field *fields; /* ended by RH_FIELDS_END; NULL: no fields */
    /* Runs once in an object's life, when its last reference is gone or its cycle is collected,
     * while all its fields are intact and one count is held by the runtime. Retaining the object
     * (or storing it somewhere) resurrects it; it is not finalized again. NULL: none. */
    void (*finalize)(void *object);
    /* Runs just before the object's memory is freed, after its declared references were released:
     * frees what is not managed (the memory of a vector, a file). It must not touch any managed
     * object but read its own plain fields. NULL: none. */
    void (*dispose)(void *object);
    uint32_t flags;
    /* For rh_new_array: bytes per element of the flexible array at the struct's end, and where
     * the struct keeps the number of elements (a size_t member, written by rh_new_array; 0:
     * nowhere). */
    uint32_t element_size;
    uint32_t length_offset;
    uint32_t reserved32;
    uint64_t reserved[4];
    /* The runtime's own words. */
    struct {
        uint32_t index;      /* 0: not registered yet; written with release order */
        uint32_t slot_class; /* the same; written last */
        uint64_t birth;      /* first 8 header bytes of a new object */
        uint64_t reserved[2];
    } rh_private;
};

/* ---- birth sites ---------------------------------------------------------------------------- */

/* A line that makes objects. Functions whose names end in `_at` take one, and each object knows the
 * site that made it (in a core, too, of a stripped program). rh_new and the other functions that
 * make objects are also macros, which give the line that they stand in. So a function of yours
 * that makes objects for others can be such a macro, too, and each object is then said to be born
 * where yours was called:
 *
 *     node *node_new_at(rh_heap *heap, rh_site *site); // calls rh_new_at
 *     #define node_new(heap) node_new_at((heap), RH_HERE)
 *
 * The functions themselves stay: (rh_new)(heap, type), and what is no C, makes an object of unknown
 * site; so does a site that is NULL. The texts are copied when the first object is made, and from
 * then on do not change them. A process has at most 65535 sites; what others make is of unknown
 * site. With RH_NO_SITES defined before this header is included, no macros are.
 * Whatever else takes or gives counts is a macro for a like reason: it tells the compiler its line.
 */
typedef struct rh_site {
    const char *file;
    const char *function; /* NULL: unknown */
    uint32_t line;
    uint32_t rh_number; /* the runtime's own: 0 until the first object is made */
} rh_site;

/* The site of this line. In C++ also where no function is, as in the initializer of a global. It is
 * a static variable: C allows none in inline functions that are not static, and compilers warn.
 * Make such functions static, or call (rh_new)(heap, type) there. */
#ifdef __cplusplus
#define RH_HERE                                                                                    \
    ([](const char *rh__function) __attribute__((always_inline))->rh_site * {                      \
        static rh_site rh__here = {__FILE__, nullptr, __LINE__, 0};                                \
        if (!__atomic_load_n(&rh__here.rh_number, __ATOMIC_RELAXED))                               \
            __atomic_store_n(&rh__here.function, rh__function, __ATOMIC_RELAXED);                  \
        return &rh__here;                                                                          \
    }(__builtin_FUNCTION()))
#else
#if defined(__clang__)
#define RH__CLANG(text) _Pragma(text)
#else
#define RH__CLANG(text)
#endif
#define RH_HERE                                                                                    \
    (__extension__({                                                                               \
        RH__CLANG("clang diagnostic push")                                                         \
        RH__CLANG("clang diagnostic ignored \"-Wstatic-local-in-inline\"")                         \
        static rh_site rh__here = {__FILE__, __func__, __LINE__, 0};                               \
        RH__CLANG("clang diagnostic pop")                                                          \
        &rh__here;                                                                                 \
    }))
#endif

/* ---- heaps ---------------------------------------------------------------------------------- */

/* Zero means default everywhere. $REFHEAP_OPTIONS ("history=4096,gc=off") overrides the program's
 * choice, but not in setuid programs (secure_getenv); a wrong option is named on stderr and the
 * rest still applies. Where memory is short, history and quarantine get less than was asked for,
 * or nothing, and a line on stderr says so. */
#define RH_HISTORY_ALL SIZE_MAX
#define RH_HISTORY_OFF (SIZE_MAX - 1)

typedef struct rh_heap_options {
    /* shown by the debugger commands; copied, at most 31 bytes; NULL: none */
    const char *name;
    bool gc_disabled; /* start with automatic collections off; "gc=off|on" */
    /* What the heap remembers. By default: who died lately, when, and which line of the program let
     * it die. That costs 24 bytes a death, in a ring that grows with the heap, to an eighth of it
     * and 3 MB at most. RH_HISTORY_ALL ("history=all"): births, finalizers and resurrections, too.
     * A number, 16M at most ("history=N", k and M allowed): all of these, and so many in any case.
     * RH_HISTORY_OFF ("history=0"): nothing. */
    size_t history_events;
    /* The rule before PEP 442 (Python < 3.4): a garbage cycle that contains objects whose
     * finalizer has not run stays, and those objects are listed (rh_gc_each_uncollectable);
     * "finalizers=stay|run" */
    bool finalizer_cycles_stay;
    /* Freed small objects (8 KiB at most each) of this many bytes in all, a million of them at
     * most, wait before their memory is used again, so that a pointer to one still meets its
     * tombstone; "quarantine=BYTES" */
    size_t quarantine_bytes;
    /* Return addresses kept with each event of the history, 16 at most: equal stacks are kept once,
     * 24576 different ones at most (events behind those have one return address, as without);
     * "stacks=N" */
    uint32_t stack_frames;
    /* Verify that births, last releases, collections, roots and weak references come from the
     * thread that the heap is attached to; debug builds of the library always do; "check=on|off" */
    bool check_threads;
    /* Say on stderr, when the heap is destroyed, what it still holds, by type and by the line that
     * made it; "leaks=on|off" */
    bool report_leaks;
    /* Fill freed small objects (8 KiB at most each) with 0xdd, so that who reads one sees it, and
     * `gcverify` finds who wrote into one. Until its memory is used again: quarantine_bytes makes
     * that later; "poison=on|off" */
    bool poison_freed;
    uint64_t reserved[6];
} rh_heap_options;

/* A new heap; NULL if memory is short. `options` may be NULL. */
rh_heap *rh_heap_create(const rh_heap_options *options);
/* Runs the finalizers that have not run yet (nothing is resurrected, rh_new returns NULL), disposes
 * of every object and returns the memory. NULL is fine. */
void rh_heap_destroy(rh_heap *heap);
/* The calling thread uses the heap from now on. */
void rh_heap_attach(rh_heap *heap);

/* A new zeroed object with count 1, owned by the caller, or NULL. May run an automatic collection
 * first (never afterwards, so the new object needs no protection). */
RH__DIRECT void *rh_new(rh_heap *heap, rh_type *type);
RH__DIRECT void *rh_new_at(rh_heap *heap, rh_type *type, rh_site *site);
/* The same with `count` elements of type->element_size bytes behind the struct. */
RH__DIRECT void *rh_new_array(rh_heap *heap, rh_type *type, size_t count);
RH__DIRECT void *rh_new_array_at(rh_heap *heap, rh_type *type, size_t count, rh_site *site);

/* The number of counts; reading does not change it. RH_IMMORTAL for an immortal object. */
size_t rh_refcount(const void *object);
/* The object's serial; unlike its address it is never used again. */
uint64_t rh_serial(const void *object);
/* Is `address` (any number) the start of an object of this heap that is alive and not dying? */
bool rh_is_object(const rh_heap *heap, const void *address);
/* From now on the object is never freed before its heap; its count is no longer kept. */
void rh_make_immortal(void *object);

/* ---- tracing -------------------------------------------------------------------------------- */

/* From now on each retain and each release of the object is recorded, with its stack, clock and
 * thread, and so are finalizer and death: `objat --history` lists them, and `refs --ledger` pairs
 * them and names who never gave back what it took. The option "trace=TYPE" (a name, or a pattern
 * like node*; it may be repeated) does that for all future objects of a type, from their birth on;
 * the debugger command refwatch does both in a live process.
 *
 * A heap remembers the last 65536 events of its traced objects, apart from all other history, in
 * 3 MB, and their stacks in 2 MB; a traced retain or release costs about as much as a recorded
 * stack. Objects that are not traced cost nothing. False, with a line on stderr: the heap has no
 * history ("history=0"). False: NULL, an immortal object, or one with 2^28 counts (a traced one
 * that gets so many is traced no longer). By the thread that uses the heap. */
bool rh_trace(void *object);
void rh_untrace(void *object);

/* ---- weak references ------------------------------------------------------------------------ */

typedef struct rh_weak rh_weak;
/* The weak reference to `object` (a managed object itself, one per target, which lives on after the
 * target and then reads NULL). The caller owns one count of it; NULL if memory is short. */
rh_weak *rh_weak_new(void *object);
rh_weak *rh_weak_new_at(void *object, rh_site *site);
/* A strong reference to the target, owned by the caller; NULL once the target is dying or dead. */
void *rh_weak_get(rh_weak *weak);

/* ---- roots and collection ------------------------------------------------------------------- */

/* Declares that the slot (a variable of yours) owns the count of the object it holds, so that the
 * debugger commands can name it. Takes no reference; the collector ignores it. `name` is copied
 * (at most 55 bytes). A second call for the same slot renames it. If memory is short, a line on
 * stderr says so and the root is not recorded, which changes nothing for the program. */
void rh_root_add(rh_heap *heap, void *slot_address, const char *name);
void rh_root_remove(rh_heap *heap, void *slot_address);

/* A full collection: afterwards no garbage cycle is left but what finalizers made. Returns the
 * number of objects reclaimed (members of cycles and what only they held); 0 inside a finalizer
 * or callback. Needs no memory. Synchronous trial deletion: D. F. Bacon, V. T. Rajan, "Concurrent
 * Cycle Collection in Reference Counted Systems", ECOOP 2001. O(objects). */
size_t rh_gc_collect(rh_heap *heap);
/* A collection of what was born since the last collection: older objects count as holders, so a
 * young cycle that only old garbage holds waits for a full collection. O(young objects that
 * candidate roots reach), however large the heap is. */
size_t rh_gc_collect_young(rh_heap *heap);
/* Automatic collections, which start only on entry to rh_new*. Candidates are recorded either way.
 * A library built with REFHEAP_COLLECTOR=OFF never collects: the functions exist and return 0. */
void rh_gc_enable(rh_heap *heap);
void rh_gc_disable(rh_heap *heap);
bool rh_gc_is_enabled(const rh_heap *heap);

/* ---- the collector, looked at and tuned (what Python's gc module offers) -------------------- */

typedef enum rh_gc_generation { RH_GC_YOUNG = 0, RH_GC_FULL = 1 } rh_gc_generation;

/* When automatic collections start. A candidate root is an object that a release left alive; it
 * is young until a collection, and spared if that collection proves it live only by the age of
 * its holders. 0 means: never of this kind.
 *   young         young candidates that start a young collection
 *                 (default 10000)
 *   full_percent  spared candidates that make it a full one, in percent
 *                 of the objects that the last full collection left
 *                 alive, but more than ten times `young` (default 25;
 *                 while full collections find little, up to four times
 *                 as much is waited for) */
typedef struct rh_gc_thresholds {
    size_t young;
    size_t full_percent;
} rh_gc_thresholds;
void rh_gc_set_thresholds(rh_heap *heap, rh_gc_thresholds thresholds);
rh_gc_thresholds rh_gc_get_thresholds(const rh_heap *heap);

/* How far the heap is from the next collection, and what is in it. O(1). */
typedef struct rh_gc_counts {
    size_t young_candidates;
    size_t spared_candidates;
    size_t objects;       /* alive or dying, immortal ones included */
    size_t uncollectable; /* see finalizer_cycles_stay */
} rh_gc_counts;
rh_gc_counts rh_gc_get_counts(const rh_heap *heap);

/* What the collections of one kind did so far. Times are wall clock, finalizers included. */
typedef struct rh_gc_stats {
    uint64_t collections;
    uint64_t visited;       /* objects looked at */
    uint64_t reclaimed;     /* objects freed, those that only garbage held included */
    uint64_t uncollectable; /* objects found to be so */
    uint64_t total_ns;
    uint64_t longest_ns;
    uint64_t last_ns;
} rh_gc_stats;
rh_gc_stats rh_gc_get_stats(const rh_heap *heap, rh_gc_generation generation);

/* Called with a borrowed object; returns false to stop. It may read; it must not retain, release,
 * allocate or collect in the heap that is being walked. */
typedef bool rh_gc_visitor(void *object, void *context);
/* Visits the objects that rh_is_object affirms, in no certain order. Returns how many it visited.
 * O(heap). */
size_t rh_gc_each_object(rh_heap *heap, rh_gc_visitor *visit, void *context);
/* Visits each object of the heap that has a strong or weak field holding `object`, once. O(heap).
 */
size_t rh_gc_referrers(rh_heap *heap, const void *object, rh_gc_visitor *visit, void *context);
/* Visits what the object's strong and weak fields hold, once per slot, in no certain order. */
size_t rh_gc_referents(const void *object, rh_gc_visitor *visit, void *context);
/* Can a collection find the object in a cycle? Not if its type is acyclic or it is immortal. */
bool rh_gc_is_tracked(const void *object);
/* Did its finalizer run? It does not run again. */
bool rh_gc_is_finalized(const void *object);

/* Leaves every object that is alive now out of all collections (they count as holders), until
 * rh_gc_unfreeze: before fork, so that collections in the child write to none of their pages. */
void rh_gc_freeze(rh_heap *heap);
void rh_gc_unfreeze(rh_heap *heap);
/* Objects frozen. O(heap). */
size_t rh_gc_freeze_count(rh_heap *heap);

/* Told at the start and at the stop of every collection, after every count is as it should be. It
 * may use the heap; rh_gc_collect inside it returns 0. */
typedef struct rh_gc_event {
    bool is_stop;
    rh_gc_generation generation;
    size_t reclaimed;     /* these two: at the stop */
    size_t uncollectable; /* objects found */
} rh_gc_event;
typedef void rh_gc_callback(rh_heap *heap, const rh_gc_event *event, void *context);
/* At most 8 per heap: false if there are more. */
bool rh_gc_add_callback(rh_heap *heap, rh_gc_callback *callback, void *context);
void rh_gc_remove_callback(rh_heap *heap, rh_gc_callback *callback, void *context);

/* Visits the objects with finalizers that collections left in their garbage cycles, because the
 * heap was made with finalizer_cycles_stay. Break their cycles and they die. */
size_t rh_gc_each_uncollectable(rh_heap *heap, rh_gc_visitor *visit, void *context);

/* Gives memory without objects back to the system (the heap keeps up to 128 MiB of it for reuse).
 * What freed objects were there is forgotten. Returns the bytes given back. */
size_t rh_heap_trim(rh_heap *heap);

/* Validates the whole heap: headers, bitmaps, types, fields, and that every object has at least as
 * many counts as declared slots hold it. Returns the number of problems; up to `size` bytes of text
 * (one line each) are written to `report` if that is not NULL. O(heap), allocates memory. */
size_t rh_heap_check(rh_heap *heap, char *report, size_t size);

/* ---- retain, release, set: inlined fast paths ----------------------------------------------- */

/* Not for callers: what the inlined functions below do when the fast path does not apply. */
RH__DIRECT void rh__retain_slow(void *object);
RH__DIRECT void rh__release_slow(void *object);
void rh__check_access(const void *object, const char *operation);

/* The runtime's own files have another one. */
#ifndef RH__RELEASE_SLOW
#define RH__RELEASE_SLOW(object) rh__release_slow(object)
#endif

/* Programs compiled with -DREFHEAP_CHECKED have every retain and release checked: is it an
 * object, and is this the thread that its heap is attached to? */
#ifdef REFHEAP_CHECKED
#define RH__CHECK(object, operation) rh__check_access((object), (operation))
#else
#define RH__CHECK(object, operation) ((void)0)
#endif

/* always_inline, and the slow call is never a tail call (the asm behind it), so that recorded
 * return addresses lie in the function that retained or released. The asm has no instruction, but
 * the number of the line: compilers join equal calls in different branches of a function, and the
 * calls of two lines must not be equal. Each function also exists out of line in the library. */
#define RH__INLINE inline __attribute__((always_inline))
#define RH__LINE(line) __asm__ volatile("" : : "X"(line))

RH__INLINE void *rh__retain_here(void *object, int line)
{
    if (object) {
        RH__CHECK(object, "retain");
        rh_object *header = (rh_object *)object;
        uint32_t word = header->rh_count + 2;
        if (__builtin_expect((int32_t)word < 0, 0)) {
            rh__retain_slow(object);
            RH__LINE(line);
        } else {
            header->rh_count = word;
        }
    }
    return object;
}

RH__INLINE void rh__release_here(void *object, int line)
{
    if (object) {
        RH__CHECK(object, "release");
        rh_object *header = (rh_object *)object;
        uint32_t word = header->rh_count - 2;
        if (__builtin_expect((word & 0x80000001u) != 0, 0)) {
            RH__RELEASE_SLOW(object);
            RH__LINE(line);
        } else {
            header->rh_count = word;
        }
    }
}

RH__INLINE void rh__set_here(void *slot_address, void *object, int line)
{
    void *old;
    rh__retain_here(object, line);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* a core may be made between any two instructions: */
    __builtin_memcpy(&old, slot_address, sizeof old);
    __builtin_memcpy(slot_address, &object, sizeof object);
    /* no slot may hold an object that has no count for it */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    rh__release_here(old, line);
}

/* Adds one count. Returns its argument. */
RH__INLINE void *rh_retain(void *object)
{
    return rh__retain_here(object, 0);
}

/* Gives one count up. At zero: weak references read NULL, the finalizer runs, the children are
 * released, the memory is freed; a chain of any length needs no recursion and no memory. */
RH__INLINE void rh_release(void *object)
{
    rh__release_here(object, 0);
}

/* Stores `object` in a slot that holds NULL or an owned reference: retain new, store, release old.
 * `slot_address` is the address of any pointer-sized strong slot. */
RH__INLINE void rh_set(void *slot_address, void *object)
{
    rh__set_here(slot_address, object, 0);
}

/* Behind a call, as above: it is of this line, and no tail call. */
#define RH__BEHIND(name, type)                                                                     \
    RH__INLINE type name(type result, int line)                                                    \
    {                                                                                              \
        RH__LINE(line);                                                                            \
        return result;                                                                             \
    }
RH__BEHIND(rh__made_here, void *)
RH__BEHIND(rh__weak_here, rh_weak *)
RH__BEHIND(rh__size_here, size_t)
RH__BEHIND(rh__bool_here, bool)
RH__INLINE void rh__line_here(int line)
{
    RH__LINE(line);
}

#ifdef __cplusplus
}
#endif

/* Calls whose arguments do not tell lines apart: compilers may also make one call of the first ones
 * of two branches. */
#define RH__AT(behind, call) (rh__line_here(__LINE__), behind(call, __LINE__))
#define RH__AT_VOID(call) (rh__line_here(__LINE__), call, rh__line_here(__LINE__))

#ifndef RH_NO_SITES
#define rh_new(...) rh__made_here(rh_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_new_array(...) rh__made_here(rh_new_array_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_weak_new(...) rh__weak_here(rh_weak_new_at(__VA_ARGS__, RH_HERE), __LINE__)
#define rh_weak_get(...) RH__AT(rh__made_here, rh_weak_get(__VA_ARGS__))
#define rh_gc_collect(...) RH__AT(rh__size_here, rh_gc_collect(__VA_ARGS__))
#define rh_gc_collect_young(...) RH__AT(rh__size_here, rh_gc_collect_young(__VA_ARGS__))
#define rh_heap_destroy(...) RH__AT_VOID(rh_heap_destroy(__VA_ARGS__))
#define rh_retain(...) rh__retain_here(__VA_ARGS__, __LINE__)
#define rh_release(...) rh__release_here(__VA_ARGS__, __LINE__)
#define rh_set(...) rh__set_here(__VA_ARGS__, __LINE__)
#endif

#include <refheap/values.h>

#endif
