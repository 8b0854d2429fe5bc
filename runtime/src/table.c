/* table.c - open-addressing tables from one word to another, each in a mapping of its own.
 *
 * Invariant: capacity is a power of two, at most half of it is used, and every pair is reachable
 * from its home position without crossing a free one (removal shifts back, so there are no
 * tombstones and removing never needs memory).
 */
#include "internal.h"

#define CAPACITY_FIRST 128u

/* splitmix64's finalizer: addresses differ in few bits. */
uint64_t rh__hash(uint64_t key)
{
    key ^= key >> 30;
    key *= 0xbf58476d1ce4e5b9u;
    key ^= key >> 27;
    key *= 0x94d049bb133111ebu;
    return key ^ key >> 31;
}

static rh__mapping *mapping_of(const rh__table *table)
{
    return (rh__mapping *)(void *)((char *)table->pairs - RH__MAPPING_DATA);
}

static void insert(rh__table *table, uint64_t key, uint64_t value)
{
    uint64_t mask = table->capacity - 1;
    uint64_t i = rh__hash(key) & mask;
    while (table->pairs[i].key)
        i = (i + 1) & mask;
    table->pairs[i].value = value;
    table->pairs[i].key = key;
    table->count++;
}

static bool grow(rh_heap *heap, rh__table *table)
{
    rh__table bigger = {.kind = table->kind,
                        .capacity = table->capacity ? table->capacity * 2 : CAPACITY_FIRST};
    rh__mapping *mapping =
        rh__map(heap, table->kind, RH__MAPPING_DATA + bigger.capacity * sizeof(rh__pair), 0, false);
    if (!mapping)
        return false;
    bigger.pairs = (rh__pair *)(void *)((char *)mapping + RH__MAPPING_DATA);
    for (uint64_t i = 0; i < table->capacity; i++)
        if (table->pairs[i].key)
            insert(&bigger, table->pairs[i].key, table->pairs[i].value);
    rh__mapping *old = table->pairs ? mapping_of(table) : NULL;
    *table = bigger;
    if (old)
        rh__unmap(old);
    return true;
}

bool rh__table_put(rh_heap *heap, rh__table *table, uint64_t key, uint64_t value)
{
    if ((table->count + 1) * 2 > table->capacity && !grow(heap, table))
        return false;
    insert(table, key, value);
    return true;
}

rh__pair *rh__table_find(const rh__table *table, uint64_t key)
{
    if (!table->count || !key)
        return NULL;
    uint64_t mask = table->capacity - 1;
    for (uint64_t i = rh__hash(key) & mask; table->pairs[i].key; i = (i + 1) & mask)
        if (table->pairs[i].key == key)
            return &table->pairs[i];
    return NULL;
}

void rh__table_remove(rh__table *table, uint64_t key)
{
    rh__pair *found = rh__table_find(table, key);
    if (!found)
        return;
    uint64_t mask = table->capacity - 1;
    uint64_t hole = (uint64_t)(found - table->pairs);
    for (uint64_t i = (hole + 1) & mask; table->pairs[i].key; i = (i + 1) & mask) {
        uint64_t home = rh__hash(table->pairs[i].key) & mask;
        /* The pair may move into the hole unless its home lies behind the hole. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->pairs[hole] = table->pairs[i];
            hole = i;
        }
    }
    table->pairs[hole] = (rh__pair){0, 0};
    table->count--;
}

void rh__table_free(rh__table *table)
{
    rh__mapping *mapping = table->pairs ? mapping_of(table) : NULL;
    table->capacity = table->count = 0;
    RH__ORDER();
    table->pairs = NULL;
    RH__ORDER();
    if (mapping)
        rh__unmap(mapping);
}
