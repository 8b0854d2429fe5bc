/* program.c - a program outside the tree: knows of refheap what is installed. It says "packaged"
 * if its objects lived and died as they should. */
#include <refheap/refheap.h>

#include <stdio.h>

typedef struct node {
    rh_object base;
    struct node *next;
    rh_weak *owner;
    int value;
} node;

static int finalized;

static void count_death(void *object)
{
    finalized += ((node *)object)->value;
}

static const rh_field fields[] = {RH_STRONG(node, next), RH_WEAK(node, owner), RH_INT(node, value),
                                  RH_FIELDS_END};
static rh_type type = {
    .name = "node", .size = sizeof(node), .fields = fields, .finalize = count_death};

/* A cycle of two, which a library without a collector keeps until the heap goes. */
static int collect_pair(rh_heap *heap)
{
    node *a = rh_new(heap, &type), *b = rh_new(heap, &type);
    if (!a || !b)
        return 0;
    a->value = 1;
    b->value = 10;
    rh_set(&a->next, b);
    rh_set(&b->next, a);
    rh_release(a);
    rh_release(b);
    size_t expected = rh_gc_is_enabled(heap) ? 2 : 0;
    return rh_gc_collect(heap) == expected && finalized == (expected ? 11 : 0);
}

static int share_values(rh_heap *heap)
{
    rh_list *list = rh_list_new(heap);
    int is_right =
        list && rh_list_append(list, rh_nil()) && rh_int_new(heap, 5) == rh_int_new(heap, 5);
    rh_weak *weak = rh_weak_new(list);
    rh_release(list);
    is_right = is_right && weak && !rh_weak_get(weak);
    rh_release(weak);
    return is_right;
}

int main(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    if (!heap || !collect_pair(heap) || !share_values(heap) || rh_heap_check(heap, NULL, 0) != 0)
        return 1;
    rh_heap_destroy(heap);
    if (finalized != 11)
        return 2;
    puts("packaged");
    return 0;
}
