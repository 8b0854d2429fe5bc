/* inspect_stops.c - a program that comes to one place STOPS times, with an object in hand, for
 * conditions of breakpoints: inspect_stops STOPS.
 *
 * Invariant: no count of the object is ever above 1 there. */
#include <refheap/refheap.h>

#include "bench.h"

typedef struct node {
    rh_object base;
    long value;
} node;

static const rh_field node_fields[] = {RH_INT(node, value), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};

__attribute__((noinline)) static void visit(node *object)
{
    object->value++;
}

int main(int count, char **words)
{
    unsigned long stops = count == 2 ? strtoul(words[1], NULL, 10) : 0;
    rh_heap *heap = bench_need(rh_heap_create(NULL));
    node *object = bench_need(rh_new(heap, &node_type));
    for (unsigned long i = 0; i < stops; i++) {
        visit(object);
    }
    printf("%ld\n", object->value);
    rh_release(object);
    rh_heap_destroy(heap);
    return 0;
}
