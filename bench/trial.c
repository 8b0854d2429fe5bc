/* trial.c - hand-coded trial deletion over mimalloc in the runtime benchmark: what a program can
 * do that writes the collector for its own structure, after D. F. Bacon, V. T. Rajan, "Concurrent
 * Cycle Collection in Reference Counted Systems", ECOOP 2001, the synchronous algorithm.
 *
 * Nodes alone, fields known at compile time. No recursion: `a` is followed in a loop, nodes found
 * through `b` wait on a list. It collects when asked to and knows no ages: what a candidate
 * reaches is visited, however much that is.
 *
 * Invariant: outside a collection every node is black or, while in the array of candidates,
 * purple.
 */
#include "bench.h"

#include <mimalloc.h>

#define PEER_HAS_NODE
#define PEER_HAS_CYCLES

enum { BLACK, GRAY, WHITE, PURPLE };

typedef struct node {
    uint32_t count;
    uint8_t color;
    uint8_t buffered; /* in `candidates`: freed by the collection, not by the release */
    struct node *a, *b;
} node;

typedef struct node_list {
    node **items;
    size_t length, capacity;
} node_list;

static node_list candidates, waiting, garbage;
static size_t visited; /* nodes that this share of a collection went into */

static inline void append(node_list *list, node *object)
{
    if (list->length == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 1024;
        list->items = bench_need(mi_realloc(list->items, list->capacity * sizeof *list->items));
    }
    list->items[list->length++] = object;
}

static void peer_begin(void)
{
}

static void *peer_array(size_t bytes)
{
    return bench_array(bytes);
}

static inline node *node_new(node *a, node *b)
{
    node *object = mi_malloc(sizeof *object);
    if (object) {
        *object = (node){.count = 1, .a = a, .b = b};
    }
    return object;
}

static inline void node_give(node **slot, node *target)
{
    *slot = target;
}

static inline void node_link(node **slot, node *target)
{
    target->count++;
    *slot = target;
}

static void node_release(node *object)
{
    while (object) {
        if (--object->count > 0) {
            object->color = PURPLE;
            if (!object->buffered) {
                object->buffered = 1;
                append(&candidates, object);
            }
            return;
        }
        node *next = object->a;
        if (object->b) {
            node_release(object->b);
        }
        object->color = BLACK;
        object->a = object->b = NULL;
        if (!object->buffered) {
            mi_free(object);
        }
        object = next;
    }
}

/* ---- the three phases ----------------------------------------------------------------------- */

/* One step: does to a child what the phase does, and says whether the walk goes on into it. */
static inline bool subtract(node *child)
{
    child->count--;
    if (child->color == GRAY) {
        return false;
    }
    child->color = GRAY;
    visited++;
    return true;
}

static inline bool restore(node *child)
{
    child->count++;
    if (child->color == BLACK) {
        return false;
    }
    child->color = BLACK;
    return true;
}

static inline bool condemn(node *child)
{
    if (child->color != WHITE) {
        return false;
    }
    child->color = BLACK;
    append(&garbage, child);
    return true;
}

static inline __attribute__((always_inline)) void walk(node *object, bool (*step)(node *child))
{
    size_t bottom = waiting.length;
    for (;;) {
        if (object->b && step(object->b)) {
            append(&waiting, object->b);
        }
        if (object->a && step(object->a)) {
            object = object->a;
        } else if (waiting.length > bottom) {
            object = waiting.items[--waiting.length];
        } else {
            return;
        }
    }
}

static void scan(node *object)
{
    size_t bottom = waiting.length;
    append(&waiting, object);
    while (waiting.length > bottom) {
        object = waiting.items[--waiting.length];
        while (object && object->color == GRAY) {
            if (object->count > 0) {
                object->color = BLACK;
                walk(object, restore);
                break;
            }
            object->color = WHITE;
            if (object->b) {
                append(&waiting, object->b);
            }
            object = object->a;
        }
    }
}

/* The candidates from `begin` to `end`, with all that they reach. */
static size_t collect_some(size_t begin, size_t end)
{
    size_t kept = begin;
    for (size_t i = begin; i < end; i++) {
        node *object = candidates.items[i];
        if (object->color == PURPLE) {
            object->color = GRAY;
            walk(object, subtract);
        }
        if (object->color == BLACK && object->count == 0) {
            mi_free(object);
        } else {
            candidates.items[kept++] = object;
        }
    }
    for (size_t i = begin; i < kept; i++) {
        scan(candidates.items[i]);
    }
    for (size_t i = begin; i < kept; i++) {
        node *object = candidates.items[i];
        object->buffered = 0;
        if (condemn(object)) {
            walk(object, condemn);
        }
    }
    size_t count = garbage.length;
    for (size_t i = 0; i < count; i++) {
        node *object = garbage.items[i];
        object->a = object->b = NULL;
        if (!object->buffered) {
            mi_free(object);
        }
    }
    garbage.length = 0;
    return count;
}

/* Little by little, so that what one phase touched is still in the cache for the next: the best
 * case of small cycles. As soon as a share reached much more than itself, all the others are done
 * at once, so that what is alive is not visited again and again. */
static size_t peer_collect(void)
{
    size_t share = 256, reclaimed = 0;
    for (size_t begin = 0; begin < candidates.length;) {
        size_t left = candidates.length - begin, length = share < left ? share : left;
        visited = 0;
        reclaimed += collect_some(begin, begin + length);
        if (visited > 16 * length) {
            share = SIZE_MAX;
        }
        begin += length;
    }
    candidates.length = 0;
    return reclaimed;
}

static inline size_t peer_collect_young(void)
{
    return peer_collect();
}

static inline void peer_gc_pause(void)
{
}

static inline void peer_gc_resume(void)
{
}

#include "workloads.h"
