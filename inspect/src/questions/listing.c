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

/* Lists the object; no header is to be read in full. */
static bool add(void *context, uint32_t index, const rhi_block *block, const rhi_header *header,
                const uint8_t *bytes)
{
    rhi_listing *listing = context;
    (void)block;
    (void)bytes;
    if (!rhi__is_object(header->state))
        return false;
    uint32_t type = header->type < UINT32_MAX >> RHI_LISTING_TYPE_SHIFT
                        ? header->type
                        : UINT32_MAX >> RHI_LISTING_TYPE_SHIFT;
    listing->kinds[index] = type << RHI_LISTING_TYPE_SHIFT | RHI_LISTING_OBJECT |
                            (header->finalized ? RHI_LISTING_FINALIZED : 0);
    listing->counts[index] = header->count;
    return false;
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
            error =
                made->kinds && made->counts
                    ? rhi__each_chosen(&session->work, reader, "reading objects", add, NULL, made)
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
