/* type_map.c - the number of a type by its address (see python.h).
 *
 * Open addressing, since every object asks (rhi__py_known_type). Invariant: at most half of the
 * places are taken. */
#include "readers/cpython/python.h"

#include <stdlib.h>
#include <string.h>

void rhi__py_place_type(py_runtime *py, uint32_t number)
{
    uint64_t capacity = py->type_places.capacity,
             place = py_type_place(py->types.items[number].address, capacity);
    while (py->type_places.items[place] != UINT32_MAX)
        place = (place + 1) & (capacity - 1);
    py->type_places.items[place] = number;
}

bool rhi__py_make_places(py_runtime *py)
{
    uint64_t capacity = py->type_places.capacity ? py->type_places.capacity : 1024;
    while ((py->types.count + 1) * 2 > capacity)
        capacity *= 2;
    if (capacity == py->type_places.capacity)
        return true;
    uint32_t *items = malloc(capacity * sizeof *items);
    if (!items)
        return false;
    memset(items, 0xff, capacity * sizeof *items);
    free(py->type_places.items);
    py->type_places.items = items;
    py->type_places.capacity = capacity;
    for (uint32_t i = 0; i < py->types.count; i++)
        rhi__py_place_type(py, i);
    return true;
}

bool rhi__py_is_own_type(const py_runtime *py, const py_type *type)
{
    const rhi_region *region = rhi__memory_region(py->memory, type->address);
    return !type->is_heap_type && region && region == rhi__memory_region(py->memory, py->type_type);
}
