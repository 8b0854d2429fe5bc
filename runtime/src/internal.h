/* internal.h - what the files of the runtime share: all of it is here, or in the headers below.
 *
 * Every file of the runtime includes this header first: it gives the public functions default
 * visibility, everything else stays hidden. */
#ifndef RH_INTERNAL_H
#define RH_INTERNAL_H

#include "events.h"
#include "stacks.h"

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
