/* rcbox.c - GLib's g_rc_box in the runtime benchmark: plain counted memory with a function that
 * clears it.
 *
 * Invariant: the last release of a node releases what it refers to; there is no collector.
 */
#include "bench.h"

#include <glib.h>

#define PEER_HAS_CELL
#define PEER_HAS_COUNT
#define PEER_HAS_BLOB
#define PEER_HAS_NODE

static void peer_begin(void)
{
}

static void *peer_array(size_t bytes)
{
    return bench_array(bytes);
}

typedef struct cell {
    uint64_t value;
    struct cell *a, *b;
    uint64_t more;
} cell;

static inline cell *cell_new(void)
{
    return g_rc_box_alloc(sizeof(cell));
}

static inline void cell_retain(cell *object)
{
    (void)g_rc_box_acquire(object);
}

static inline void cell_release(cell *object)
{
    g_rc_box_release(object);
}

static inline void *blob_new(size_t payload_bytes)
{
    return g_rc_box_alloc(payload_bytes);
}

static inline uint64_t *blob_word(void *object)
{
    return object;
}

static inline void blob_release(void *object)
{
    g_rc_box_release(object);
}

typedef struct node {
    struct node *a, *b;
} node;

static inline node *node_new(node *a, node *b)
{
    node *object = g_rc_box_alloc(sizeof *object);
    object->a = a;
    object->b = b;
    return object;
}

static void node_clear(void *pointer)
{
    node *object = pointer;
    if (object->a) {
        g_rc_box_release_full(object->a, node_clear);
    }
    if (object->b) {
        g_rc_box_release_full(object->b, node_clear);
    }
}

static inline void node_release(node *object)
{
    g_rc_box_release_full(object, node_clear);
}

#include "workloads.h"
