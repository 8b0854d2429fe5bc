/* refheap.c - refheap in the runtime benchmark.
 *
 * Invariant: every object could be part of a cycle, so candidates are recorded for all of them, and
 * automatic collection is on from beginning to end: what the collector costs is in every figure.
 */
#include <refheap/refheap.h>

#include "bench.h"

#define PEER_HAS_CELL
#define PEER_HAS_COUNT
#define PEER_HAS_BLOB
#define PEER_HAS_NODE
#define PEER_HAS_CYCLES
#define PEER_HAS_HISTORY

#ifndef HISTORY
#define HISTORY 0 /* the default */
#define STACKS 0
#endif

static rh_heap *heap;

static void peer_begin(void)
{
    rh_heap_options options = {.history_events = HISTORY, .stack_frames = STACKS};
    heap = bench_need(rh_heap_create(&options));
}

static void *peer_array(size_t bytes)
{
    return bench_array(bytes);
}

/* ---- cell ----------------------------------------------------------------------------------- */

typedef struct cell {
    rh_object base;
    uint64_t value;
    struct cell *a, *b;
    uint64_t more;
} cell;

static const rh_field cell_fields[] = {RH_UINT(cell, value), RH_STRONG(cell, a), RH_STRONG(cell, b),
                                       RH_UINT(cell, more), RH_FIELDS_END};
static rh_type cell_type = {.name = "cell", .size = sizeof(cell), .fields = cell_fields};

static inline cell *cell_new(void)
{
    return rh_new(heap, &cell_type);
}

static inline void cell_retain(cell *object)
{
    rh_retain(object);
}

static inline void cell_release(cell *object)
{
    rh_release(object);
}

/* ---- blob ----------------------------------------------------------------------------------- */

typedef struct blob {
    rh_object base;
    uint64_t word;
    struct blob *link;
    char bytes[];
} blob;

static const rh_field blob_fields[] = {RH_UINT(blob, word), RH_STRONG(blob, link), RH_FIELDS_END};
static rh_type blob_type = {
    .name = "blob", .size = sizeof(blob), .fields = blob_fields, .element_size = 1};

static inline void *blob_new(size_t payload_bytes)
{
    return rh_new_array(heap, &blob_type, payload_bytes - (sizeof(blob) - sizeof(rh_object)));
}

static inline uint64_t *blob_word(void *object)
{
    return &((blob *)object)->word;
}

static inline void blob_release(void *object)
{
    rh_release(object);
}

/* ---- node ----------------------------------------------------------------------------------- */

typedef struct node {
    rh_object base;
    struct node *a, *b;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, a), RH_STRONG(node, b), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};

static inline node *node_new(node *a, node *b)
{
    node *object = rh_new(heap, &node_type);
    if (object) {
        object->a = a;
        object->b = b;
    }
    return object;
}

static inline void node_give(node **slot, node *target)
{
    *slot = target;
}

static inline void node_link(node **slot, node *target)
{
    rh_retain(target);
    *slot = target;
}

static inline void node_release(node *object)
{
    rh_release(object);
}

/* ---- cycles --------------------------------------------------------------------------------- */

static inline size_t peer_collect(void)
{
    return rh_gc_collect(heap);
}

static inline size_t peer_collect_young(void)
{
    return rh_gc_collect_young(heap);
}

/* Automatic collections start in rh_new alone: dropping starts none, and none is paused. */
static inline void peer_gc_pause(void)
{
}

static inline void peer_gc_resume(void)
{
}

#include "workloads.h"
