/* runtimes_plugin.c - the plugin of runtimes.c: nothing but plugin_start is seen of it. */
#include <refheap/refheap.h>

typedef struct node {
    rh_object base;
    struct node *next;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static rh_type their_type = {.name = "their", .size = sizeof(node), .fields = node_fields};
static node *kept;

void *plugin_start(void);

static __attribute__((noinline)) void leak_there(rh_heap *heap)
{
    node *lost = rh_new(heap, &node_type);
    lost->next = lost;
}

void *plugin_start(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "of the plugin"});
    kept = rh_new(heap, &node_type);
    kept->next = rh_new(heap, &their_type);
    leak_there(heap);
    return kept;
}
