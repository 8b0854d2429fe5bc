/* large.c - a heap that takes a while to look at: two million objects, each with two references
 * to others chosen at random, so that most of them are one cycle. The first is held by a global,
 * and a list of garbage pairs hangs off nothing. It says that it is at its only checkpoint, as
 * the samples do, and waits.
 *
 * Invariant: there, every object is owned by fields of others, but `first` and what nothing owns.
 */
#include <refheap/refheap.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NODES = 2000000, PAIRS = 1000 };

typedef struct node {
    rh_object base;
    struct node *next, *other;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
node *first;

static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

int main(int count, char **words)
{
    size_t nodes = count > 1 ? (size_t)strtoull(words[1], NULL, 10) : NODES;
    rh_heap *heap = rh_heap_create(NULL);
    node **all = malloc(nodes * sizeof *all);
    uint64_t random = 1;
    if (!heap || !all || nodes == 0)
        return 1;
    rh_gc_disable(heap);
    for (size_t i = 0; i < nodes; i++)
        all[i] = rh_new(heap, &node_type);
    for (size_t i = 0; i < nodes; i++) {
        rh_set(&all[i]->next, all[next_random(&random) % nodes]);
        rh_set(&all[i]->other, all[next_random(&random) % nodes]);
    }
    first = rh_retain(all[0]);
    for (size_t i = 0; i < nodes; i++)
        rh_release(all[i]);
    free(all);
    for (int i = 0; i < PAIRS; i++) {
        node *a = rh_new(heap, &node_type), *b = rh_new(heap, &node_type);
        rh_set(&a->next, b);
        rh_set(&b->next, a);
        rh_release(a);
        rh_release(b);
    }
    puts("{\"checkpoint\": 1}");
    fflush(stdout);
    pause();
    return first == NULL;
}
