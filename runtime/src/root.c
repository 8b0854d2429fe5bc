/* root.c - the registered roots: variables of the program that own a count, with names.
 *
 * The runtime never reads the slots; the table exists for whoever looks from outside.
 * Invariant: an entry's name is complete before its slot is stored; a slot is in at most one entry;
 * at least a quarter of the entries has never been used, so that every search ends.
 */
#include "internal.h"

#include <stdio.h>

#define REMOVED 1u
#define CAPACITY_FIRST 64u

static rh__mapping *mapping_of(rh__root *roots)
{
    return (rh__mapping *)(void *)((char *)roots - RH__MAPPING_DATA);
}

static rh__root *find(rh__root *roots, uint64_t capacity, uint64_t slot)
{
    if (!capacity)
        return NULL;
    for (uint64_t i = rh__hash(slot) & (capacity - 1); roots[i].slot; i = (i + 1) & (capacity - 1))
        if (roots[i].slot == slot)
            return &roots[i];
    return NULL;
}

static rh__root *free_entry(rh__root *roots, uint64_t capacity, uint64_t slot)
{
    uint64_t i = rh__hash(slot) & (capacity - 1);
    while (roots[i].slot > REMOVED)
        i = (i + 1) & (capacity - 1);
    return &roots[i];
}

static void name_entry(rh__root *root, const char *name)
{
    size_t length = strnlen(name, sizeof root->name - 1);
    /* The last byte stays 0: the text is terminated at every instruction. */
    memset(root->name + length, 0, sizeof root->name - length);
    memcpy(root->name, name, length);
}

/* A table with room for twice the roots there are, without removed entries. */
static bool rebuild(rh_heap *heap)
{
    uint64_t capacity = CAPACITY_FIRST;
    while (capacity < (heap->roots_count + 1) * 2)
        capacity *= 2;
    rh__mapping *mapping =
        rh__map(heap, RH_MAPPING_ROOTS, RH__MAPPING_DATA + capacity * sizeof(rh__root), 0, false);
    if (!mapping)
        return false;
    rh__root *roots = (rh__root *)(void *)((char *)mapping + RH__MAPPING_DATA);
    rh__root *old = heap->roots;
    for (uint64_t i = 0; i < heap->roots_capacity; i++)
        if (old[i].slot > REMOVED)
            *free_entry(roots, capacity, old[i].slot) = old[i];
    /* The smaller capacity goes with either table, whichever order that takes. */
    if (capacity < heap->roots_capacity)
        heap->roots_capacity = capacity;
    RH__ORDER();
    heap->roots = roots;
    RH__ORDER();
    heap->roots_capacity = capacity;
    heap->roots_used = heap->roots_count;
    if (old)
        rh__unmap(mapping_of(old));
    return true;
}

void rh_root_add(rh_heap *heap, void *slot_address, const char *name)
{
    uint64_t slot = (uint64_t)(uintptr_t)slot_address;
    if (slot <= REMOVED)
        return;
    rh__check_owner(heap);
    rh__root *root = find(heap->roots, heap->roots_capacity, slot);
    if (root) {
        name_entry(root, name ? name : "");
        return;
    }
    if ((heap->roots_used + 1) * 4 > heap->roots_capacity * 3 && !rebuild(heap)) {
        fprintf(stderr, "refheap: no memory to record root %s\n", name ? name : "");
        return;
    }
    root = free_entry(heap->roots, heap->roots_capacity, slot);
    name_entry(root, name ? name : "");
    heap->roots_used += root->slot == 0;
    RH__ORDER();
    root->slot = slot;
    heap->roots_count++;
}

void rh_root_remove(rh_heap *heap, void *slot_address)
{
    rh__check_owner(heap);
    uint64_t slot = (uint64_t)(uintptr_t)slot_address;
    rh__root *root = slot > REMOVED ? find(heap->roots, heap->roots_capacity, slot) : NULL;
    if (!root)
        return;
    root->slot = REMOVED;
    heap->roots_count--;
}

void rh__roots_free(rh_heap *heap)
{
    rh__root *roots = heap->roots;
    heap->roots_capacity = 0;
    RH__ORDER();
    heap->roots = NULL;
    RH__ORDER();
    if (roots)
        rh__unmap(mapping_of(roots));
}
