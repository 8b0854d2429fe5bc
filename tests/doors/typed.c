/* typed.c - variables of one managed type that point to an object of another, because a slot is
 * used again, and such as may do so; and an object that is lost, made at a line that the recorded
 * stacks name. Says at its checkpoint what is true and waits.
 *
 * Invariant: leaf and node are of one size, so that the node takes the leaf's slot; the program
 * ends with 2 if it does not. */
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct leaf {
    rh_object base;
    struct leaf *next;
    long number;
} leaf;
typedef struct node {
    rh_object base;
    struct node *next;
    long number;
} node;
typedef struct shape {
    rh_object base;
    long kind;
} shape;
typedef struct circle {
    shape base;
    long radius;
} circle;
typedef struct sphere {
    shape base;
    long radius;
} sphere;
typedef struct pill {
    union {
        rh_object base;
        shape as_shape;
    };
    long radius;
} pill;
static const rh_field leaf_fields[] = {RH_STRONG(leaf, next), RH_FIELDS_END};
static const rh_field node_fields[] = {RH_STRONG(node, next), RH_FIELDS_END};
static const rh_field no_fields[] = {RH_FIELDS_END};
static rh_type leaf_type = {.name = "leaf", .size = sizeof(leaf), .fields = leaf_fields};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static rh_type shape_type = {.name = "shape", .size = sizeof(shape), .fields = no_fields};
/* the runtime calls it in another way than C */
static rh_type sphere_type = {.name = "ball", .size = sizeof(sphere), .fields = no_fields};
static rh_type circle_type = {.name = "circle", .size = sizeof(circle), .fields = no_fields};
static rh_type pill_type = {.name = "pill", .size = sizeof(pill), .fields = no_fields};

leaf *stale_leaf;
static const struct leaf *table[3];
static __thread leaf *of_thread;
node *owner;
void *blind;
rh_object *any;
shape *drawn;   /* a circle is a shape */
shape *rounded; /* a ball is one, too: of that no debug info tells */
shape *coated;  /* so is a pill: that is not what its union has first */
sphere *globe;
circle *ring; /* debug info has the types of variables alone */
shape *square;

static __attribute__((noinline)) void *made(rh_heap *heap, rh_type *type)
{
    void *object = rh_new(heap, type); /* the line */
    return object;
}
enum { MADE_LINE = __LINE__ - 3 };

int main(void)
{
    setenv("REFHEAP_OPTIONS", "history=64,stacks=4", 1);
    rh_heap *heap = rh_heap_create(NULL);
    stale_leaf = made(heap, &leaf_type);
    table[1] = of_thread = stale_leaf;
    unsigned long long dead = rh_serial(stale_leaf);
    rh_release(stale_leaf);
    owner = made(heap, &node_type);
    blind = owner;
    any = &owner->base;
    ring = made(heap, &circle_type);
    drawn = &ring->base;
    globe = made(heap, &sphere_type);
    rounded = &globe->base;
    coated = &((pill *)made(heap, &pill_type))->as_shape;
    square = made(heap, &shape_type);
    if ((void *)owner != (void *)stale_leaf)
        return 2;
    unsigned long long lost = rh_serial(made(heap, &node_type));
    printf("{\"checkpoint\": 1, \"was\": \"leaf#%llu\", \"now\": \"node#%llu\", \"address\": "
           "\"%p\", \"lost\": \"node#%llu\", ",
           dead, (unsigned long long)rh_serial(owner), (void *)owner, lost);
    printf("\"words\": {\"stale_leaf\": \"%p\", \"table[1]\": \"%p\", \"of_thread\": \"%p\"}, "
           "\"line\": %d}\n",
           (void *)&stale_leaf, (void *)&table[1], (void *)&of_thread, (int)MADE_LINE);
    fflush(stdout);
    for (;;)
        pause();
}
