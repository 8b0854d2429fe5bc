/* map.c - the hash table of map.h: open addressing, at most half full. */
#include "base/map.h"

#include <string.h>

static bool grow(rhi_map *map)
{
    rhi_map wider = {.capacity = map->capacity ? map->capacity * 2 : 64};
    wider.entries = malloc(wider.capacity * sizeof *wider.entries);
    if (!wider.entries)
        return false;
    memset(wider.entries, 0xff, wider.capacity * sizeof *wider.entries);
    for (uint64_t i = 0; i < map->capacity; i++) {
        const struct rhi_map_entry *entry = &map->entries[i];
        if (entry->key == RHI_NOT_THERE || entry->value == RHI_NOT_THERE)
            continue;
        wider.entries[rhi__map_place(&wider, entry->key)] = *entry;
        wider.count++;
    }
    free(map->entries);
    *map = wider;
    return true;
}

bool rhi__map_set(rhi_map *map, uint32_t key, uint32_t value)
{
    if (map->count * 2 >= map->capacity && !grow(map))
        return false;
    struct rhi_map_entry *entry = &map->entries[rhi__map_place(map, key)];
    map->count += entry->key != key;
    *entry = (struct rhi_map_entry){.key = key, .value = value};
    return true;
}

void rhi__map_free(rhi_map *map)
{
    free(map->entries);
    *map = (rhi_map){0};
}
