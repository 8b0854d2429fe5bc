/* map.h - from object numbers to a number each, for the few objects that a question is about: no
 * array of as many entries as the heap has objects is made for one command. Starts as {0}. */
#ifndef RHI_MAP_H
#define RHI_MAP_H

#include "base/array.h"

#define RHI_NOT_THERE UINT32_MAX /* no key, and the value of a key that is not there */

typedef struct rhi_map {
    struct rhi_map_entry {
        uint32_t key, value;
    } * entries;
    uint64_t capacity, count; /* capacity: 0 or a power of two */
} rhi_map;

static inline uint64_t rhi__map_place(const rhi_map *map, uint32_t key)
{
    uint64_t place = (key * 0x9E3779B97F4A7C15ull >> 32) & (map->capacity - 1);
    while (map->entries[place].key != key && map->entries[place].key != RHI_NOT_THERE)
        place = (place + 1) & (map->capacity - 1);
    return place;
}

static inline uint32_t rhi__map_get(const rhi_map *map, uint32_t key)
{
    if (map->capacity == 0)
        return RHI_NOT_THERE;
    const struct rhi_map_entry *entry = &map->entries[rhi__map_place(map, key)];
    return entry->key == key ? entry->value : RHI_NOT_THERE;
}

/* Sets the value of a key, added if it was not there; the value RHI_NOT_THERE takes it away.
 * False if memory is short. */
bool rhi__map_set(rhi_map *map, uint32_t key, uint32_t value);
void rhi__map_free(rhi_map *map);

#endif
