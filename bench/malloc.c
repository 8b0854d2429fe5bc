/* malloc.c - malloc with a hand-written inline count in the runtime benchmark: glibc's, or
 * mimalloc's with -DUSE_MIMALLOC.
 *
 *   -DZEROING    the payload is cleared first, as refheap delivers it
 *   -DITERATIVE  a chain along `a` is torn down in a loop, as a program does that knows its
 *   structure;
 *                otherwise a dying node releases its references, which is recursion
 *
 * Invariant: an object is freed when its count reaches 0, and nothing but the count decides that;
 * there is no collector.
 */
#include "bench.h"

#ifdef USE_MIMALLOC
#include <mimalloc.h>
#define ALLOCATE mi_malloc
#define DEALLOCATE mi_free
#else
#define ALLOCATE malloc
#define DEALLOCATE free
#endif

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

/* ---- cell: nothing else is ever put into its references here, so that they need not be read - */

typedef struct cell {
    uint32_t count;
    uint64_t value;
    struct cell *a, *b;
    uint64_t more;
} cell;

static inline cell *cell_new(void)
{
    cell *object = ALLOCATE(sizeof *object);
    if (object) {
        object->count = 1;
#ifdef ZEROING
        memset(&object->value, 0, sizeof *object - offsetof(cell, value));
#endif
    }
    return object;
}

static inline void cell_retain(cell *object)
{
    object->count++;
}

static inline void cell_release(cell *object)
{
    if (--object->count == 0) {
        DEALLOCATE(object);
    }
}

/* ---- blob ----------------------------------------------------------------------------------- */

typedef struct blob {
    uint32_t count;
    uint64_t word[];
} blob;

static inline void *blob_new(size_t payload_bytes)
{
    blob *object = ALLOCATE(sizeof *object + payload_bytes);
    if (object) {
        object->count = 1;
#ifdef ZEROING
        memset(object->word, 0, payload_bytes);
#endif
    }
    return object;
}

static inline uint64_t *blob_word(void *object)
{
    return ((blob *)object)->word;
}

static inline void blob_release(void *object)
{
    if (--((blob *)object)->count == 0) {
        DEALLOCATE(object);
    }
}

/* ---- node ----------------------------------------------------------------------------------- */

typedef struct node {
    uint32_t count;
    struct node *a, *b;
} node;

static inline node *node_new(node *a, node *b)
{
    node *object = ALLOCATE(sizeof *object);
    if (object) {
        object->count = 1;
        object->a = a;
        object->b = b;
    }
    return object;
}

#ifdef ITERATIVE
static void node_release(node *object)
{
    while (object && --object->count == 0) {
        node *next = object->a;
        if (object->b) {
            node_release(object->b);
        }
        DEALLOCATE(object);
        object = next;
    }
}
#else
static void node_release(node *object)
{
    if (--object->count == 0) {
        if (object->a) {
            node_release(object->a);
        }
        if (object->b) {
            node_release(object->b);
        }
        DEALLOCATE(object);
    }
}
#endif

#include "workloads.h"
