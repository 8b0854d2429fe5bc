/* cleared.c - an object that something has written zeros over, or whose slot or slab the runtime's
 * own tables no longer tell of as they did. Takes the kind of damage by name, does it, says which
 * object it was, and waits:
 *
 *     {"checkpoint": 0, "harmed": "0x…", "slab": "0x…", "unused": "0x…"}
 *
 * Invariant: `keeper` is held by a global variable and alone holds `kept`; the harmed object is
 * the keeper. */
#include <refheap/metadata.h>
#include <refheap/refheap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern struct rh_metadata_descriptor rh_debug_descriptor;

typedef struct node {
    rh_object base;
    struct node *next, *other;
} node;
static const rh_field node_fields[] = {RH_STRONG(node, next), RH_STRONG(node, other),
                                       RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = sizeof(node), .fields = node_fields};

static node *keeper;

static uint64_t constant(enum rh_metadata_constant_id id)
{
    const struct rh_metadata_constant *table =
        (const void *)(uintptr_t)rh_debug_descriptor.constants;
    return table[id].value;
}

/* The descriptor of the object's slab, and the number of its slot. */
static char *slab_of(const node *object, uint64_t *slot)
{
    uint64_t chunk = (uintptr_t)object & ~(constant(RH_MC_chunk_size) - 1);
    for (uint64_t i = 0; i < constant(RH_MC_chunk_slabs); i++) {
        char *slab = (char *)(uintptr_t)(chunk + constant(RH_MC_chunk_slab_table) +
                                         i * constant(RH_MC_slab_size));
        uint64_t base, slot_size;
        uint32_t capacity;
        memcpy(&base, slab + constant(RH_MC_slab_base), sizeof base);
        memcpy(&slot_size, slab + constant(RH_MC_slab_slot_size), sizeof slot_size);
        memcpy(&capacity, slab + constant(RH_MC_slab_capacity), sizeof capacity);
        if ((uintptr_t)object >= base && (uintptr_t)object < base + slot_size * capacity) {
            *slot = ((uintptr_t)object - base) / slot_size;
            return slab;
        }
    }
    exit(1);
}

/* The address of the slot that is made up. */
static void *damage(const char *kind)
{
    uint64_t slot, *live, size;
    char *slab = slab_of(keeper, &slot);
    live = (uint64_t *)(void *)(slab + constant(RH_MC_slab_live));
    memcpy(&size, slab + constant(RH_MC_slab_slot_size), sizeof size);
    uint64_t never = slot / 64 * 64 + (strcmp(kind, "far") == 0 ? 1024 : 64),
             wrong_size = size + 16;
    if (strcmp(kind, "half") == 0)
        memset((void *)keeper, 0, 8);
    else if (strcmp(kind, "header") == 0)
        memset((void *)keeper, 0, sizeof(rh_object));
    else if (strcmp(kind, "serial") == 0)
        memset(&keeper->base.rh_origin, 0, 8);
    else if (strcmp(kind, "free") == 0)
        live[slot / 64] &= ~(1ull << slot % 64);
    else if (strcmp(kind, "taken") == 0 || strcmp(kind, "far") == 0) /* in a page in no use */
        live[never / 64] |= 1;
    else if (strcmp(kind, "size") == 0)
        memcpy(slab + constant(RH_MC_slab_slot_size), &wrong_size, sizeof wrong_size);
    else if (strcmp(kind, "nothing") != 0)
        exit(2);
    return (char *)keeper + (never - slot) * size;
}

int main(int argc, char **argv)
{
    rh_heap *heap = rh_heap_create(NULL);
    uint64_t slot;
    keeper = rh_new(heap, &node_type);
    if (!keeper || argc != 2)
        return 2;
    keeper->next = rh_new(heap, &node_type);
    rh_release(rh_new(heap, &node_type)); /* leaves a tombstone between slots that are available */
    char *slab = slab_of(keeper, &slot);
    void *unused = damage(argv[1]);
    printf("{\"checkpoint\": 0, \"harmed\": \"%p\", \"slab\": \"%p\", \"unused\": \"%p\"}\n",
           (void *)keeper, (void *)slab, unused);
    fflush(stdout);
    for (;;)
        pause();
}
