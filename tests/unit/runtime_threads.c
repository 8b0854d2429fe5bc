/* runtime_threads.c - many heaps in many threads at once: created, filled, handed over, collected
 * and destroyed, with types that several threads register at the same moment and values that all
 * share.
 *
 * A program of its own (no libcheck: that forks), so that it can be built with ThreadSanitizer,
 * too. Exit status 0 and silence: all went well. */
#include <refheap/metadata.h>
#include <refheap/refheap.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

extern struct rh_metadata_descriptor rh_debug_descriptor;

#ifdef REFHEAP_GC_STRESS
enum { THREADS = 8, ROUNDS = 3, NODES = 40 };
#else
enum { THREADS = 8, ROUNDS = 40, NODES = 1500 };
#endif

typedef struct node {
    rh_object base;
    struct node *next, *other;
    rh_weak *weak;
    long value;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_WEAK(node, weak), RH_INT(node, value), RH_FIELDS_END};
/* One per round: each is registered by whichever thread comes first. */
static rh_type types[ROUNDS];

static pthread_mutex_t exchange_lock = PTHREAD_MUTEX_INITIALIZER;
static rh_heap *on_offer; /* a heap that its thread gave away, with one list in it */
static node *offered_list;

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "runtime_threads.c:%d: %s\n", __LINE__, #condition);                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static node *make_list(rh_heap *heap, rh_type *type, uint64_t *last_serial)
{
    node *list = NULL;
    for (int i = 0; i < NODES; i++) {
        node *a = rh_new(heap, type);
        MUST(a && rh_serial(a) > *last_serial); /* ages, within a heap */
        *last_serial = rh_serial(a);
        uint32_t site = (uint16_t)a->base.rh_origin; /* one for all threads */
        MUST(site && (!list || site == (uint16_t)list->base.rh_origin));
        a->value = i;
        a->next = list;
        list = a;
        if (i % 3 == 0) {
            node *ring = rh_new(heap, type);
            *last_serial = rh_serial(ring);
            rh_set(&ring->other, ring);
            rh_release(ring);
        }
        rh_int *number = rh_int_new(heap, i % 40 - 5); /* small ones are shared by all threads */
        MUST(number && rh_int_value(number) == i % 40 - 5);
        rh_release(number);
    }
    return list;
}

static void check_and_drop(rh_heap *heap, node *list)
{
    char report[1000];
    rh_weak *weak = rh_weak_new(list);
    rh_set(&list->weak, weak);
    rh_release(weak);
    rh_weak *nil = rh_weak_new(rh_nil());
    void *target = rh_weak_get(nil);
    MUST(target == rh_nil());
    long count = 0;
    for (node *a = list; a; a = a->next)
        count++;
    MUST(count == NODES);
    if (rh_heap_check(heap, report, sizeof report)) {
        fputs(report, stderr);
        abort();
    }
    rh_gc_collect(heap);
    rh_release(list);
    rh_gc_collect(heap);
#ifdef REFHEAP_NO_COLLECTOR
    MUST(rh_gc_get_counts(heap).objects == (NODES + 2) / 3); /* the rings stay */
#else
    MUST(rh_gc_get_counts(heap).objects == 0);
#endif
    rh_heap_destroy(heap);
}

/* Gives the own heap away and takes another thread's, if one is on offer. */
static void exchange(rh_heap **heap, node **list)
{
    pthread_mutex_lock(&exchange_lock);
    rh_heap *their_heap = on_offer;
    node *their_list = offered_list;
    on_offer = *heap;
    offered_list = *list;
    pthread_mutex_unlock(&exchange_lock);
    *heap = their_heap;
    *list = their_list;
    if (their_heap)
        rh_heap_attach(their_heap);
}

static void *work(void *argument)
{
    for (int round = 0; round < ROUNDS; round++) {
        rh_heap *heap = rh_heap_create(NULL);
        MUST(heap);
        uint64_t last_serial = 0;
        node *list = make_list(heap, &types[round], &last_serial);
        exchange(&heap, &list);
        if (heap)
            check_and_drop(heap, list);
    }
    return argument;
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++)
        types[i] = (rh_type){.name = "node", .size = sizeof(node), .fields = node_fields};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    MUST(on_offer);
    rh_heap_attach(on_offer);
    check_and_drop(on_offer, offered_list);
    /* Each type was registered once, every heap left the list but the shared one, numbered 0. */
    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < i; k++)
            MUST(types[i].rh_private.index &&
                 types[i].rh_private.index != types[k].rh_private.index);
    MUST(rh_debug_descriptor.destroyed_count == (uint64_t)THREADS * ROUNDS);
    MUST(rh_debug_descriptor.heaps);
    return 0;
}
