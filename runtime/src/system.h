/* system.h - memory of the system, options, and what is one for the whole process, grouped by
 * owning file. */
#ifndef RH_SYSTEM_H
#define RH_SYSTEM_H

#include "layout.h"

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
                                     RH_METADATA_CHECK_CONSTANTS(RH__METADATA_ROW)                 \
                                         RH_METADATA_COUNTER_CONSTANTS(RH__METADATA_ROW))
extern struct rh_metadata_constant rh__metadata_constants[RH__METADATA_ROWS];
/* Writes the check of the constants into the descriptor; once. */
void rh__metadata_begin(void);

/* ---- options.c ------------------------------------------------------------------------------ */

/* Applies $REFHEAP_OPTIONS; names wrong ones on stderr, once per process. */
void rh__options_from_environment(rh_heap_options *options);

#endif
