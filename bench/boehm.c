/* boehm.c - the Boehm collector in the runtime benchmark.
 *
 * There are no counts: releasing does nothing, and what memory costs is paid when the collector
 * runs, by itself while the program allocates, or in the full collection that the cycle workloads
 * ask for. It marks then, and sweeps later, when the memory is needed again.
 *
 * Invariant: all references to objects lie where the collector looks: in objects, in peer_array,
 * on the stack.
 */
#include "bench.h"

#include <gc.h>

#define PEER_HAS_CELL
#define PEER_HAS_BLOB
#define PEER_HAS_NODE
#define PEER_HAS_CYCLES

static void peer_begin(void)
{
    GC_INIT();
}

static void *peer_array(size_t bytes)
{
    return bench_need(GC_MALLOC_UNCOLLECTABLE(bytes));
}

typedef struct cell {
    uint64_t value;
    struct cell *a, *b;
    uint64_t more;
} cell;

static inline cell *cell_new(void)
{
    return GC_MALLOC(sizeof(cell));
}

static inline void cell_release(cell *object)
{
    (void)object;
}

static inline void *blob_new(size_t payload_bytes)
{
    return GC_MALLOC(payload_bytes);
}

static inline uint64_t *blob_word(void *object)
{
    return object;
}

static inline void blob_release(void *object)
{
    (void)object;
}

typedef struct node {
    struct node *a, *b;
} node;

static inline node *node_new(node *a, node *b)
{
    node *object = GC_MALLOC(sizeof *object);
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
    *slot = target;
}

static inline void node_release(node *object)
{
    (void)object;
}

static inline size_t peer_collect(void)
{
    GC_gcollect();
    return PEER_UNKNOWN;
}

static inline size_t peer_collect_young(void)
{
    return peer_collect();
}

/* It collects while the program allocates; GC_disable would forbid the collection that is asked for
 * too. */
static inline void peer_gc_pause(void)
{
}

static inline void peer_gc_resume(void)
{
}

#include "workloads.h"
