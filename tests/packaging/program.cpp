// program.cpp - the same from C++: the header is included, a type is declared with its macros, and
// the inlined functions and their out-of-line copies are used.
#include <refheap/refheap.h>

#include <cstdio>

struct node {
    rh_object base;
    node *next;
    int value;
};

static const rh_field fields[] = {RH_STRONG(node, next), RH_INT(node, value), RH_FIELDS_END};
static rh_type type = {.name = "node", .size = sizeof(node), .fields = fields};

int main()
{
    void (*volatile release)(void *) = rh_release;
    rh_heap *heap = rh_heap_create(nullptr);
    node *a = static_cast<node *>(rh_new(heap, &type)),
         *b = static_cast<node *>(rh_new(heap, &type));
    rh_set(&a->next, b);
    if (rh_refcount(b) != 2 || rh_retain(a) != a)
        return 1;
    rh_release(b);
    release(a);
    release(a);
    if (rh_is_object(heap, a) || rh_is_object(heap, b))
        return 2;
    rh_heap_destroy(heap);
    std::puts("packaged");
}
