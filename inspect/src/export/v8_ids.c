/* v8_ids.c - gives ids (see v8_ids.h). Pages are made where ids are: those of objects
 * that lie near each other are near each other. */
#include "export/v8_ids.h"
#include "base/bits.h"

#include <stdlib.h>

enum { PAGE_IDS = 1 << 16 };

/* *is_new: it was not taken. False if memory is short. */
static bool take(rhi_v8_ids *ids, uint32_t id, bool *is_new)
{
    uint64_t **page = &ids->pages[id / PAGE_IDS];
    if (!*page && !(*page = calloc(PAGE_IDS / 64, sizeof **page)))
        return false;
    *is_new = !rhi__bit(*page, id % PAGE_IDS);
    rhi__bit_set(*page, id % PAGE_IDS);
    return true;
}

bool rhi__v8_id(rhi_v8_ids *ids, const rhi_object *object, uint32_t *id)
{
    bool is_new = false;
    bool has_serial = object && object->serial && object->serial <= UINT32_MAX;
    *id = !object      ? 0
          : has_serial ? (uint32_t)object->serial
                       : (uint32_t)(object->address / sizeof(uint64_t));
    if (*id > RHI_V8_ROOT_ID && !take(ids, *id, &is_new))
        return false;
    while (!is_new)
        if (!take(ids, *id = --ids->given, &is_new)) /* each is tried once */
            return false;
    return true;
}

void rhi__v8_ids_free(rhi_v8_ids *ids)
{
    for (unsigned i = 0; i < RHI_V8_ID_PAGES; i++)
        free(ids->pages[i]);
}
