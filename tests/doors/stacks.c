/* stacks.c - records stacks in which functions were inlined, and says at its checkpoint, then
 * waits. Also compiled as C++.
 *
 * Invariant: the truth's rows are what a reader of this file says of the place where the object
 * died; every event is of the same address, so that one question shows all stacks. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EVENTS = 64 };
#define INLINE static inline __attribute__((always_inline))

typedef struct node {
    rh_object base;
    struct node *next;
} node;
static rh_field node_fields[2];
static rh_type node_type;
typedef struct wide {
    node base;
    long more;
} wide;
static rh_type wide_type;

static rh_heap *heap;
static volatile int sink;

INLINE void *born(int i)
{
    sink += i;
    return rh_new(heap, &node_type);
}

INLINE void drop(void *object)
{
    sink = sink + 1;
    rh_release(object); /* the line of drop */
}
enum { DROP_LINE = __LINE__ - 2 };

INLINE void drop_twice(void *first, void *second)
{
    drop(first);
    if (second)
        drop(second);
}
enum { TWICE_LINE = __LINE__ - 4 };

static __attribute__((noinline)) unsigned long long work(void)
{
    void *object = born(1);
    unsigned long long dead = rh_serial(object);
    drop_twice(object, NULL); /* the line of work */
    sink = 2;
    return dead;
}
enum { WORK_LINE = __LINE__ - 4 };

int main(void)
{
    static char options[] = "history=64,stacks=16";
    rh_field next = RH_STRONG(node, next), end = RH_FIELDS_END;
    node_fields[0] = next;
    node_fields[1] = end;
    node_type.name = "node";
    node_type.size = sizeof(node);
    node_type.fields = node_fields;
    wide_type.name = "wide";
    wide_type.size = sizeof(wide);
    wide_type.fields = node_fields;
    setenv("REFHEAP_OPTIONS", options, 1);
    heap = rh_heap_create(NULL);
    /* debug info tells that a wide is a node, too */
    wide *volatile made = (wide *)rh_new(heap, &wide_type);
    node *volatile kept = &made->base;
    (void)kept;
    for (int i = 0; i < EVENTS / 2; i++)
        work();
    unsigned long long dead = work();
    printf("{\"checkpoint\": 1, \"dead\": \"node#%llu\", \"lines\": {\"drop\": %d, \"drop_twice\": "
           "%d, \"work\": %d}}\n",
           dead, (int)DROP_LINE, (int)TWICE_LINE, (int)WORK_LINE);
    fflush(stdout);
    for (;;)
        pause();
}
