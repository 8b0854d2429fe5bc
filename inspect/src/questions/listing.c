/* listing.c - reads the headers of all objects once (see listing.h). */
#include "questions/listing.h"
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

static void free_listing(void *value)
{
    rhi_listing *listing = value;
    if (!listing)
        return;
    free(listing->kinds);
    free(listing->counts);
    free(listing);
}

static rhi_error *add(void *context, uint32_t index, const rhi_object *object, const uint8_t *bytes)
{
    rhi_listing *listing = context;
    (void)bytes;
    if (!rhi__is_object(object->state))
        return NULL;
    uint32_t type = object->type < UINT32_MAX >> RHI_LISTING_TYPE_SHIFT
                        ? object->type
                        : UINT32_MAX >> RHI_LISTING_TYPE_SHIFT;
    listing->kinds[index] = type << RHI_LISTING_TYPE_SHIFT | RHI_LISTING_OBJECT |
                            (object->finalized ? RHI_LISTING_FINALIZED : 0);
    listing->counts[index] = object->count < 0            ? 0
                             : object->count > UINT32_MAX ? UINT32_MAX
                                                          : (uint32_t)object->count;
    return NULL;
}

static uint32_t *zeros(uint64_t count)
{
    uint32_t *array = rhi__big_array(count, sizeof *array);
    return array ? memset(array, 0, count * sizeof *array) : NULL;
}

rhi_error *rhi__session_listing(rhi_session *session, const rhi_listing **listing)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    *listing = rhi__kept(&session->kept, free_listing);
    if (!*listing) {
        uint64_t count = 1;
        for (uint64_t i = 0; i < reader->blocks.count; i++)
            count += reader->blocks.items[i].object_count;
        rhi_listing *made = calloc(1, sizeof *made);
        rhi_error *error = made ? NULL : rhi__error_memory();
        if (made) {
            made->kinds = zeros(count);
            made->counts = zeros(count);
            error = made->kinds && made->counts
                        ? rhi__each_object(&session->work, reader, "reading objects", add, made)
                        : rhi__error_memory();
        }
        if (error) {
            free_listing(made);
            return error;
        }
        RHI_TRY(rhi__keep(&session->kept, made, free_listing));
        *listing = made;
    }
    return NULL;
}
