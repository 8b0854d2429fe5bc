/* extents.c - see extents.h. */
#include "program/extents.h"
#include "base/search.h"

#include <stddef.h>
#include <stdlib.h>

static int extent_order(const void *left, const void *right)
{
    const rhi_extent *a = left, *b = right;
    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (a->size != b->size)
        return a->size < b->size ? -1 : 1;
    return a->die < b->die ? -1 : a->die > b->die;
}

void rhi__extents_sort(rhi_extents *extents)
{
    if (extents->count)
        qsort(extents->items, extents->count, sizeof *extents->items, extent_order);
}

const rhi_extent *rhi__extents_find(const rhi_extents *extents, uint64_t address)
{
    enum { LOOK_BACK = 16 }; /* variables overlap in damaged files alone, symbols by aliases */
    uint64_t behind = rhi__first(0, extents->count, at, extents->items[at].address > address);
    for (uint64_t i = behind; i > 0 && behind - i < LOOK_BACK; i--)
        if (address - extents->items[i - 1].address < extents->items[i - 1].size)
            return &extents->items[i - 1];
    return NULL;
}
