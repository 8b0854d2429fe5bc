/* malloc_blocks.c - builds a random graph of malloc's blocks that hold objects, and of objects
 * that lead to blocks, with some roots; says what it built, and waits:
 *
 *     malloc_blocks SEED
 *     {"checkpoint": 0, "blocks": [{"address", "size", "leads_to": [block…], "is_root": bool}…],
 *      "objects": [{"address", "id", "owner": "root"|"block"|"nobody"|"object", "from": which,
 *      "leads_to": block|-1}…]}
 *
 * What follows from that is for the reader to find out: this program follows nothing. Invariant:
 * addresses are kept inverted, blocks are zeroed, and the stack below main is cleared, so that no
 * word leads anywhere but those that the program tells of. */
#define _GNU_SOURCE
#include <malloc.h>
#include <refheap/refheap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCKS = 60, OBJECTS = 80, ROOTS = 12, EDGES_MAX = 3, OBJECT_SLOTS = 6, BIG = 2 };

typedef struct widget {
    rh_object base;
    void *raw;
    rh_object *child;
} widget;
static const rh_field widget_fields[] = {RH_STRONG(widget, child), RH_FIELDS_END};
static rh_type widget_type = {.name = "widget", .size = sizeof(widget), .fields = widget_fields};

static struct {
    uintptr_t inverted;
    size_t size;
    int leads_to[EDGES_MAX], edges, objects;
    int is_root;
} blocks[BLOCKS];
static struct {
    uintptr_t inverted;
    size_t serial;
    const char *owner;
    int from, leads_to;
} objects[OBJECTS];
static int object_count;
static void *volatile globals[ROOTS];
static __thread void *volatile local;
static void *volatile owned[OBJECTS];
static unsigned long state;

static unsigned next(unsigned below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 20) % below;
}

/* Words 0 to 2 of a block lead to others, 3 to 8 own objects. */
static void *volatile *word_of(int block, int word)
{
    return (void *volatile *)~blocks[block].inverted + word;
}

/* A pointer into the block, at any place, with a mark in its lowest bits or in its highest. */
static void *into(int block)
{
    size_t offset = next(2) ? 0 : next((unsigned)blocks[block].size / 8) * 8;
    uintptr_t mark = next(3) ? next(8) : 0, type = next(4) == 0 ? (uintptr_t)0xfff9 << 48 : 0;
    return (void *)((~blocks[block].inverted + offset + mark) | type);
}

static void make_blocks(void)
{
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = i < BIG ? 300000 : 9 * sizeof(void *) + next(200);
        char *block = malloc(size);
        if (!block)
            abort();
        blocks[i].size = malloc_usable_size(block);
        memset(block, 0, blocks[i].size);
        blocks[i].inverted = ~(uintptr_t)block;
    }
    for (int i = 0; i < BLOCKS; i++)
        for (unsigned edges = next(3) ? next(EDGES_MAX) : 0; edges; edges--) {
            int to = (int)next(BLOCKS);
            *word_of(i, blocks[i].edges) = into(to);
            blocks[i].leads_to[blocks[i].edges++] = to;
        }
    for (int i = 0; i < ROOTS; i++) {
        int to = i < BIG ? i : (int)next(BLOCKS);
        blocks[to].is_root = 1;
        if (i == ROOTS - 1)
            local = into(to);
        else
            globals[i] = into(to);
    }
}

static void make_object(rh_heap *heap)
{
    int i = object_count, block = (int)next(BLOCKS), leads_to = next(3) ? -1 : (int)next(BLOCKS);
    widget *w = rh_new(heap, &widget_type);
    if (!w)
        abort();
    objects[i].inverted = ~(uintptr_t)w;
    objects[i].serial = rh_serial(w);
    objects[i].leads_to = leads_to;
    w->raw = leads_to < 0 ? NULL : into(leads_to);
    unsigned way = next(10);
    if (way < 6 && blocks[block].objects < OBJECT_SLOTS) {
        *word_of(block, EDGES_MAX + blocks[block].objects++) = w;
        objects[i].owner = "block";
        objects[i].from = block;
    } else if (way < 8 && i && !((widget *)~objects[i - 1].inverted)->child) {
        ((widget *)~objects[i - 1].inverted)->child = &w->base;
        objects[i].owner = "object";
        objects[i].from = i - 1;
    } else if (way < 9) {
        owned[i] = w;
        objects[i].owner = "root";
    } else {
        objects[i].owner = "nobody";
    }
    object_count++;
}

static void tell(void)
{
    printf("{\"checkpoint\": 0, \"blocks\": [");
    for (int i = 0; i < BLOCKS; i++) {
        printf("%s{\"address\": \"0x%zx\", \"size\": %zu, \"is_root\": %s, \"leads_to\": [",
               i ? ", " : "", (size_t)~blocks[i].inverted, blocks[i].size,
               blocks[i].is_root ? "true" : "false");
        for (int k = 0; k < blocks[i].edges; k++)
            printf("%s%d", k ? ", " : "", blocks[i].leads_to[k]);
        printf("]}");
    }
    printf("], \"objects\": [");
    for (int i = 0; i < OBJECTS; i++)
        printf("%s{\"address\": \"0x%zx\", \"id\": \"widget#%zu\", \"owner\": \"%s\", \"from\": "
               "%d, \"leads_to\": %d}",
               i ? ", " : "", (size_t)~objects[i].inverted, objects[i].serial, objects[i].owner,
               objects[i].from, objects[i].leads_to);
    printf("]}\n");
    fflush(stdout);
}

static void __attribute__((noinline)) build(unsigned long seed)
{
    static char buffer[1 << 16];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    state = seed * 0x9E3779B97F4A7C15ul + 1;
    rh_heap *heap = rh_heap_create(NULL);
    make_blocks();
    for (int i = 0; i < OBJECTS; i++)
        make_object(heap);
    tell();
}

static void __attribute__((noinline)) clear_stack(void)
{
    volatile char bytes[1 << 16];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

int main(int argc, char **argv)
{
    build(argc > 1 ? strtoul(argv[1], NULL, 0) : 1);
    clear_stack();
    for (;;)
        pause();
    return globals[0] || local || owned[0];
}
