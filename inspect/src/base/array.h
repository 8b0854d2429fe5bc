/* array.h - growing arrays: `items`, `count`, `capacity` members in any struct.
 * rhi__array_reserve makes room for `extra` more; false if memory is short, nothing changed then.
 */
#ifndef RHI_ARRAY_H
#define RHI_ARRAY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static inline bool rhi__array_grow(void **items, uint64_t count, uint64_t *capacity, uint64_t extra,
                                   size_t size)
{
    if (count + extra <= *capacity)
        return true;
    uint64_t wanted = *capacity ? *capacity * 2 : 16;
    if (wanted < count + extra)
        wanted = count + extra;
    if (wanted > SIZE_MAX / size)
        return false;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *capacity = wanted;
    return true;
}

#define rhi__array_reserve(array, extra)                                                           \
    rhi__array_grow((void **)&(array)->items, (array)->count, &(array)->capacity, (extra),         \
                    sizeof *(array)->items)

#endif
