/* by_type.c - the objects of each type together (see query.h). */
#include "query/table.h"

#include <string.h>

typedef struct types {
    rhi_by_type by_type; /* first: it is handed out */
    uint32_t *sorted;    /* types by their names */
    uint64_t *start;     /* by the place of a type in that: where its objects are in the order */
    uint64_t count;      /* of types; one more: those without a valid one */
} types;

static void free_types(void *value)
{
    types *t = value;
    if (!t)
        return;
    free(t->by_type.order);
    free(t->sorted);
    free(t->start);
    free(t);
}

static int name_order(const void *left, const void *right, void *context)
{
    const rhi_reader *reader = context;
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    int order = strcmp(rhi__type_name(reader, a), rhi__type_name(reader, b));
    return order ? order : a < b ? -1 : a > b;
}

/* Visits all objects with the places of their types. The second time start[place] runs on to where
 * the next type begins. */
static rhi_error *sort_objects(rhi_query *query, types *t, const uint32_t *place_of)
{
    const rhi_reader *reader = query->reader;
    for (int pass = 0; pass < 2; pass++) {
        for (uint64_t b = 0; b < reader->blocks.count; b++) {
            const rhi_block *block = &reader->blocks.items[b];
            if (!rhi__heap_wanted(query->session, reader, block->heap))
                continue;
            RHI_TRY(
                rhi__progress(&query->session->work, "sorting objects", b, reader->blocks.count));
            for (uint32_t i = block->first_object; i < block->first_object + block->object_count;
                 i++) {
                uint32_t kind = query->listing->kinds[i], type = kind >> RHI_LISTING_TYPE_SHIFT;
                if (!(kind & RHI_LISTING_OBJECT))
                    continue;
                uint64_t place = place_of[type < t->count ? type : t->count - 1];
                if (pass)
                    t->by_type.order[t->start[place + 1]++] = i;
                else
                    t->start[place + 2]++;
            }
        }
        for (uint64_t place = 2; !pass && place < t->count + 2; place++)
            t->start[place] += t->start[place - 1];
    }
    t->by_type.count = t->start[t->count];
    return NULL;
}

static rhi_error *make(void *context, void *value)
{
    rhi_query *query = context;
    types *t = value;
    t->count = query->reader->types.count + 1;
    t->by_type.order = rhi__big_array((uint64_t)query->count + 1, sizeof *t->by_type.order);
    t->sorted = calloc(t->count, sizeof *t->sorted);
    t->start = calloc(t->count + 3, sizeof *t->start);
    uint32_t *place_of = calloc(t->count, sizeof *place_of);
    if (!t->by_type.order || !t->sorted || !t->start || !place_of) {
        free(place_of);
        return rhi__error_memory();
    }
    for (uint32_t i = 0; i < t->count; i++)
        t->sorted[i] = i;
    qsort_r(t->sorted, t->count, sizeof *t->sorted, name_order, query->reader);
    for (uint32_t i = 0; i < t->count; i++)
        place_of[t->sorted[i]] = i;
    rhi_error *error = sort_objects(query, t, place_of);
    free(place_of);
    return error;
}

static rhi_error *types_of(rhi_query *query, types **result)
{
    void *value;
    RHI_TRY(rhi__query_listing(query));
    RHI_TRY(rhi__kept_or_made(&query->kept, sizeof **result, make, query, free_types, &value));
    *result = value;
    return NULL;
}

rhi_error *rhi__query_by_type(rhi_query *query, const rhi_by_type **by_type)
{
    types *t;
    RHI_TRY(types_of(query, &t));
    *by_type = &t->by_type;
    return NULL;
}

/* How a name compares with a value that may have bytes of any kind. */
static int compare(const char *name, const rhi_cell *value)
{
    size_t size = strlen(name), common = size < value->size ? size : value->size;
    int order = memcmp(name, value->text, common);
    return order ? order : size < value->size ? -1 : size > value->size;
}

rhi_error *rhi__query_of_type(rhi_query *query, const rhi_cell *name, const rhi_by_type **by_type,
                              uint64_t *first, uint64_t *end)
{
    types *t;
    RHI_TRY(types_of(query, &t));
    *by_type = &t->by_type;
    *first = *end = 0;
    if (name->kind != RHI_CELL_TEXT)
        return NULL;
    uint64_t low = rhi__first(0, t->count, at,
                              compare(rhi__type_name(query->reader, t->sorted[at]), name) >= 0);
    uint64_t high = rhi__first(low, t->count, at,
                               compare(rhi__type_name(query->reader, t->sorted[at]), name) > 0);
    *first = t->start[low];
    *end = t->start[high];
    return NULL;
}
