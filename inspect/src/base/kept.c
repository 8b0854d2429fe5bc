/* kept.c - a list of values and how to free them (see kept.h). */
#include "base/kept.h"
#include "base/array.h"

static struct rhi_kept_entry *find(const rhi_kept *kept, rhi_free free)
{
    for (uint64_t i = 0; i < kept->count; i++)
        if (kept->items[i].free == free)
            return &kept->items[i];
    return NULL;
}

void *rhi__kept(const rhi_kept *kept, rhi_free free)
{
    const struct rhi_kept_entry *entry = find(kept, free);
    return entry ? entry->value : NULL;
}

rhi_error *rhi__keep(rhi_kept *kept, void *value, rhi_free free)
{
    struct rhi_kept_entry *entry = find(kept, free);
    if (entry) {
        free(entry->value);
        entry->value = value;
        return NULL;
    }
    if (!rhi__array_reserve(kept, 1)) {
        free(value);
        return rhi__error_memory();
    }
    kept->items[kept->count++] = (struct rhi_kept_entry){value, free};
    return NULL;
}

rhi_error *rhi__kept_or_made(rhi_kept *kept, uint64_t size,
                             rhi_error *(*make)(void *context, void *value), void *context,
                             rhi_free free, void **value)
{
    if ((*value = rhi__kept(kept, free)))
        return NULL;
    if (!(*value = calloc(1, size)))
        return rhi__error_memory();
    rhi_error *error = make(context, *value);
    if (error)
        free(*value);
    else
        error = rhi__keep(kept, *value, free);
    *value = error ? NULL : *value;
    return error;
}

void rhi__kept_drop(rhi_kept *kept)
{
    while (kept->count) {
        const struct rhi_kept_entry *last = &kept->items[--kept->count];
        last->free(last->value);
    }
    free(kept->items);
    *kept = (rhi_kept){0};
}
