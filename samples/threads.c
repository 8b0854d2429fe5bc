/* threads.c - two threads with a heap each, stopped together, each with objects on its own stack.
 *
 * Heaps are independent: no object of one holds one of the other (small integers and nil, which
 * are immortal, may be held by both). A debugger finds the holders on every thread's stack.
 *
 *     gdb: break checkpoint, run, refs HEAD-OF-A-WORKER, thread apply all bt
 *
 * Invariant: between the two barriers no worker changes anything, and each one's `head` owns one
 * count. */
#define _GNU_SOURCE
#include "checkpoint.h"

#include <pthread.h>
#include <stdio.h>

enum { WORKERS = 2 };

typedef struct node {
    rh_object base;
    struct node *next;
    rh_object *value;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, value),
                                       RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = RH_SIZE(node, base), .fields = node_fields};

static pthread_barrier_t is_built, may_end;

static node *new_node(rh_heap *heap, void *value, node *next)
{
    node *object = rh_new(heap, &node_type);
    rh_set(&object->value, value);
    rh_set(&object->next, next);
    return object;
}

/* Says what is known of head, and of the tail that only head holds. */
static void tell(rh_heap *heap, const char *thread, const node *head)
{
    const char *head_id = truth_id("node", head);
    const char *tail_id = truth_id("node", head->next);
    const char *value_id = truth_id("int", head->value);
    static char names[WORKERS][2][64];
    char(*name)[64] = names[thread[7] - '1'];
    snprintf(name[0], sizeof name[0], "%s.next", head_id);
    snprintf(name[1], sizeof name[1], "%s.value", head_id);
    truth_object("head", head, .heap = heap, .status = "live", .id = head_id, .refcount = 1,
                 .frame = "worker", .thread = thread, .locals = {"head"},
                 .referents = {{"next", tail_id}, {"value", value_id}});
    truth_object(NULL, head->next, .heap = heap, .status = "live", .id = tail_id, .refcount = 1,
                 .thread = thread, .referrers = {name[0]}, .referents = {{"value", value_id}});
}

static void *worker(void *number)
{
    char thread[16];
    snprintf(thread, sizeof thread, "worker-%d", *(int *)number);
    pthread_setname_np(pthread_self(), thread);
    static const char *const thread_names[] = {"worker-1", "worker-2"};
    const char *name = thread_names[*(int *)number - 1];

    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = name});
    rh_int *seven = rh_int_new(heap, 7); /* the same object in both threads */
    node *tail = new_node(heap, seven, NULL);
    node *head = new_node(heap, seven, tail);
    assign(&tail, NULL);
    tell(heap, name, head);

    pthread_barrier_wait(&is_built);
    pthread_barrier_wait(&may_end);
    expect(head->value == &seven->base && tail == NULL);
    rh_release(head);
    rh_heap_destroy(heap);
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    int numbers[WORKERS] = {1, 2};
    expect(pthread_barrier_init(&is_built, NULL, WORKERS + 1) == 0);
    expect(pthread_barrier_init(&may_end, NULL, WORKERS + 1) == 0);
    for (int i = 0; i < WORKERS; i++)
        expect(pthread_create(&threads[i], NULL, worker, &numbers[i]) == 0);
    pthread_barrier_wait(&is_built);
    truth_type("node", 4);
    checkpoint("both stopped");
    pthread_barrier_wait(&may_end);
    for (int i = 0; i < WORKERS; i++)
        expect(pthread_join(threads[i], NULL) == 0);
    return 0;
}
