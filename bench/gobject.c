/* gobject.c - GObject in the runtime benchmark: the counted objects of GTK and GStreamer.
 *
 * All objects of a type have one size, so there is no blob. Invariant: the finalize function of a
 * node releases what it refers to; there is no collector.
 */
#include "bench.h"

#include <glib-object.h>

#define PEER_HAS_CELL
#define PEER_HAS_COUNT
#define PEER_HAS_NODE

typedef struct cell {
    GObject base;
    uint64_t value;
    struct cell *a, *b;
    uint64_t more;
} cell;

typedef struct node {
    GObject base;
    struct node *a, *b;
} node;

static GType cell_type, node_type;
static GObjectClass *parent_class;

static void node_finalize(GObject *base)
{
    node *object = (node *)base;
    if (object->a) {
        g_object_unref(object->a);
    }
    if (object->b) {
        g_object_unref(object->b);
    }
    parent_class->finalize(base);
}

static void node_class_init(void *class, void *data)
{
    (void)data;
    parent_class = g_type_class_peek_parent(class);
    ((GObjectClass *)class)->finalize = node_finalize;
}

static void peer_begin(void)
{
    cell_type = g_type_register_static_simple(G_TYPE_OBJECT, "BenchCell", sizeof(GObjectClass),
                                              NULL, sizeof(cell), NULL, 0);
    node_type = g_type_register_static_simple(G_TYPE_OBJECT, "BenchNode", sizeof(GObjectClass),
                                              node_class_init, sizeof(node), NULL, 0);
}

static void *peer_array(size_t bytes)
{
    return bench_array(bytes);
}

static inline cell *cell_new(void)
{
    return g_object_new(cell_type, NULL);
}

static inline void cell_retain(cell *object)
{
    g_object_ref(object);
}

static inline void cell_release(cell *object)
{
    g_object_unref(object);
}

static inline node *node_new(node *a, node *b)
{
    node *object = g_object_new(node_type, NULL);
    object->a = a;
    object->b = b;
    return object;
}

static inline void node_release(node *object)
{
    g_object_unref(object);
}

#include "workloads.h"
