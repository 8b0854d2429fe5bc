/* changing.c - a heap that changes between moments, and writes down what it did: changing SEED
 * OBJECTS MOMENTS. Objects of three types, one of many sizes, are born in two heaps and die at
 * random; in one run of four births are few, so that most of what there is dies.
 *
 * At each moment it writes one line of JSON, {"checkpoint": n, "live": {"1/node#7": bytes…}}: what
 * is alive, by heap and name, and how large; it goes on when it reads a line. After the last it
 * waits to be ended. Invariant: what is written comes from the program's own list of what it made,
 * never from the heap. */
#include <refheap/refheap.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEAPS = 2, TYPES = 3, ELEMENTS_MAX = 60 };

typedef struct node {
    rh_object base;
    struct node *next;
    int64_t value;
} node;
typedef struct leaf {
    rh_object base;
    unsigned char bytes[16]; /* as large as a node, so that it gets a dead one's place */
} leaf;
typedef struct text {
    rh_object base;
    size_t length;
    char bytes[];
} text;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_INT(node, value), RH_FIELDS_END};
static rh_type types[TYPES] = {{.name = "node", .size = RH_SIZE(node, base), .fields = node_fields},
                               {.name = "leaf", .size = RH_SIZE(leaf, base)},
                               {.name = "text",
                                .size = RH_SIZE(text, base),
                                .element_size = 1,
                                .length_offset = offsetof(text, length)}};

typedef struct made {
    void *object;
    uint64_t serial;
    size_t bytes;
    unsigned heap, type;
} made;

static made *all;
static size_t count;
static uint64_t state;
static rh_heap *heaps[HEAPS];

static size_t below(size_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % limit;
}

static void bear(void)
{
    made m = {.heap = (unsigned)below(HEAPS), .type = (unsigned)below(TYPES)};
    size_t elements = m.type == TYPES - 1 ? below(ELEMENTS_MAX) : 0;
    m.object = m.type == TYPES - 1 ? rh_new_array(heaps[m.heap], &types[m.type], elements)
                                   : rh_new(heaps[m.heap], &types[m.type]);
    if (!m.object)
        exit(3);
    m.bytes = types[m.type].size + elements;
    m.serial = rh_serial(m.object);
    all[count++] = m;
}

static void end_one(void)
{
    size_t at = below(count);
    rh_release(all[at].object);
    all[at] = all[--count];
}

static void tell(unsigned moment)
{
    printf("{\"checkpoint\": %u, \"live\": {", moment);
    for (size_t i = 0; i < count; i++)
        printf("%s\"%u/%s#%" PRIu64 "\": %zu", i ? ", " : "", all[i].heap + 1,
               types[all[i].type].name, all[i].serial, all[i].bytes);
    printf("}}\n");
    fflush(stdout);
    while (getchar() != '\n')
        if (feof(stdin))
            exit(0);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 4)
        return 2;
    state = strtoull(arguments[1], NULL, 10) * 2654435761u + 1;
    size_t objects = strtoull(arguments[2], NULL, 10);
    unsigned moments = (unsigned)strtoul(arguments[3], NULL, 10);
    all = calloc(objects * (moments + 1), sizeof *all);
    if (!all)
        return 3;
    for (unsigned i = 0; i < HEAPS; i++)
        heaps[i] = rh_heap_create(&(rh_heap_options){.name = i ? "second" : "first"});
    for (unsigned moment = 1; moment <= moments; moment++) {
        size_t births = moment > 1 && below(4) == 0 ? objects / 20 : below(objects) + 1,
               deaths = moment > 1 ? below(count / 2 + births) : 0;
        for (size_t i = 0; i < births || (i < deaths && count); i++) {
            if (i < births)
                bear();
            if (i < deaths && count > 1)
                end_one();
        }
        tell(moment);
    }
    return 0;
}
