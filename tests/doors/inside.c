/* inside.c - stops inside of what the runtime calls: finalizers, dispose functions and callbacks,
 * of deaths by release, of collections and of rh_heap_destroy, where the runtime holds counts of
 * its own. What it loses is one object in a heap of its own. Says at each checkpoint what is
 * true, and waits at the one that it is told.
 *
 * Invariant: nothing of the heap under work is leaked at any checkpoint; where its counts are in
 * motion, its phase says so. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next, *other;
} node;

static rh_heap *heap, *other_heap;
static const char *operation; /* what the program does; NULL: checkpoints say nothing */
static unsigned long long lost;
static int wait_at, checkpoints;

static void checkpoint(const char *where, const void *object, int runtime, int is_provisional)
{
    if (!operation)
        return;
    printf("{\"checkpoint\": %d, \"name\": \"%s of %s\", \"object\": \"%p\", \"runtime\": %d, "
           "\"provisional\": %s, \"lost\": \"node#%llu\"}\n",
           ++checkpoints, where, operation, object, runtime, is_provisional ? "true" : "false",
           lost);
    fflush(stdout);
    while (checkpoints == wait_at)
        pause();
}

static void node_finalize(void *object)
{
    checkpoint("a finalizer", object, strcmp(operation ? operation : "", "a release") != 0, 0);
}

static void node_dispose(void *object)
{
    checkpoint("the dispose", object, 0, strcmp(operation ? operation : "", "a release") != 0);
}

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_FIELDS_END};
static rh_type plain_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static rh_type node_type = {.name = "finalized",
                            .size = sizeof(node),
                            .fields = node_fields,
                            .finalize = node_finalize,
                            .dispose = node_dispose};

static void on_collection(rh_heap *collected, const rh_gc_event *event, void *context)
{
    (void)context;
    if (event->is_stop)
        checkpoint("the callback", collected, 0, 0);
}

static __attribute__((noinline)) void lose_one(void)
{
    lost = rh_serial(rh_new(other_heap, &plain_type));
}

/* What calls left on the stack would hold objects for whoever looks. */
static __attribute__((noinline)) void sweep(void)
{
    volatile char room[16384];
    memset((char *)room, 0, sizeof room);
}

/* Two that hold each other, and a third that only they hold. */
static __attribute__((noinline)) node *pair(rh_type *type)
{
    node *a = rh_new(heap, type), *b = rh_new(heap, type);
    a->next = b;
    rh_set(&b->next, a);
    b->other = rh_new(heap, &plain_type);
    return a;
}

int main(void)
{
    const char *text = getenv("REFHEAP_WAIT_AT");
    wait_at = text ? atoi(text) : 0;
    other_heap = rh_heap_create(NULL);
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    rh_gc_add_callback(heap, on_collection, NULL);
    lose_one();

    node *one = pair(&node_type);
    rh_set(&one->next->next, NULL); /* no cycle any more */
    sweep();
    operation = "a release";
    rh_release(one);

    operation = NULL;
    rh_release(pair(&node_type));
    sweep();
    operation = "a collection";
    rh_gc_collect(heap);

    operation = NULL;
    node *kept = pair(&node_type);
    rh_root_add(heap, &kept, "kept");
    rh_release(pair(&node_type));
    sweep();
    operation = "a destruction";
    rh_heap_destroy(heap);
    return 0;
}
