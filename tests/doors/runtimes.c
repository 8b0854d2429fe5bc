/* runtimes.c - a program and a plugin, each with a copy of the runtime of its own: both have a
 * heap 1, an object node#1, a type that only one of them has, and something that is leaked:
 * number 3, born in leak_one or leak_there. Says what is true, and waits. */
#include <refheap/refheap.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct node {
    rh_object base;
    struct node *next;
} node;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};
static rh_type own_type = {.name = "own", .size = sizeof(node), .fields = node_fields};
static node *kept;

static __attribute__((noinline)) void leak_one(rh_heap *heap)
{
    node *lost = rh_new(heap, &own_type);
    lost->next = lost; /* its one count is its own: garbage */
}

int main(int argc, char **argv)
{
    void *(*start)(void);
    const char *wait_at = getenv("REFHEAP_WAIT_AT");
    setenv("REFHEAP_OPTIONS", "history=64,stacks=8", 1); /* of both copies */
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "of the program"});
    kept = rh_new(heap, &node_type);
    kept->next = rh_new(heap, &own_type);
    leak_one(heap);
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
    void *symbol = plugin ? dlsym(plugin, "plugin_start") : NULL;
    if (!symbol)
        return 1;
    memcpy(&start, &symbol, sizeof start);
    void *theirs = start();
    printf("{\"checkpoint\": 1, \"node\": \"%p\", \"plugin_node\": \"%p\"}\n", (void *)kept,
           theirs);
    fflush(stdout);
    while (wait_at)
        pause();
    return 0;
}
