/* scan.c - goes over objects (see scan.h). */
#include "query/scan.h"
#include "words/edges.h"

enum { PROGRESS_STEP = 1 << 14 };

static void begin(rhi_scan *scan, rhi_query *query, const uint32_t *list, uint64_t count)
{
    if (query->outer == scan)
        query->outer = NULL;
    scan->query = query;
    scan->list = list;
    scan->at = 0;
    scan->end = count;
    scan->index = RHI_NO_OBJECT;
    scan->block = scan->read = NULL;
}

rhi_error *rhi__scan_all(rhi_scan *scan, rhi_query *query)
{
    RHI_TRY(rhi__query_listing(query));
    begin(scan, query, NULL, query->count);
    if (!query->outer)
        query->outer = scan;
    return NULL;
}

void rhi__scan_list(rhi_scan *scan, rhi_query *query, const uint32_t *list, uint64_t count)
{
    begin(scan, query, list, count);
}

void rhi__scan_found(rhi_scan *scan, rhi_query *query)
{
    begin(scan, query, scan->found.items, scan->found.count);
}

/* ---- where an object lies ------------------------------------------------------------------- */

static inline bool is_in(const rhi_block *block, uint32_t index)
{
    return block && index >= block->first_object &&
           index - block->first_object < block->object_count;
}

static void find_block(rhi_scan *scan, uint32_t index)
{
    const rhi_reader *reader = scan->query->reader;
    const rhi_block *blocks = reader->blocks.items, *next = scan->block ? scan->block + 1 : NULL;
    scan->is_placed = false;
    if (is_in(scan->block, index))
        return;
    scan->word = 0;
    scan->block =
        next && next < blocks + reader->blocks.count && is_in(next, index)
            ? next
            /* blocks without objects share their first_object with the next one */
            : blocks + rhi__first(1, reader->blocks.count, at, blocks[at].first_object > index) - 1;
}

/* Its slot: most often the next one. */
static void place(rhi_scan *scan)
{
    const rhi_block *block = scan->block;
    if (scan->is_placed)
        return;
    if (block->rank[scan->word] > scan->index)
        scan->word = 0;
    uint64_t words = (block->capacity + 63u) / 64;
    while (scan->word + 1 < words && block->rank[scan->word + 1] <= scan->index)
        scan->word++;
    uint64_t bits = block->live[scan->word];
    for (uint32_t skip = scan->index - block->rank[scan->word]; skip; skip--)
        bits &= bits - 1;
    scan->slot =
        block->base + (scan->word * 64 + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
    scan->is_placed = true;
}

uint64_t rhi__scan_address(rhi_scan *scan)
{
    place(scan);
    return rhi__slot_address(scan->block,
                             (scan->slot - scan->block->base) / scan->block->slot_size);
}

/* ---- the next one --------------------------------------------------------------------------- */

/* Is it an object, in a wanted heap? */
static bool is_wanted(rhi_scan *scan)
{
    const rhi_query *query = scan->query;
    if (!rhi__heap_wanted(query->session, query->reader, scan->block->heap))
        return false;
    if (query->listing)
        return query->listing->kinds[scan->index] & RHI_LISTING_OBJECT;
    const rhi_object *object = rhi__scan_object(scan);
    return object && rhi__is_object(object->state);
}

rhi_error *rhi__scan_next(rhi_scan *scan)
{
    rhi_query *query = scan->query;
    while (scan->at < scan->end) {
        scan->is_decoded = scan->is_read = false;
        if (scan->at % PROGRESS_STEP == PROGRESS_STEP - 1)
            RHI_TRY(rhi__progress(&query->session->work, "reading objects", scan->at,
                                  query->outer == scan ? scan->end : 0));
        scan->index = scan->list ? scan->list[scan->at] : (uint32_t)scan->at;
        scan->at++;
        find_block(scan, scan->index);
        if (is_wanted(scan))
            return NULL;
    }
    scan->index = RHI_NO_OBJECT;
    return NULL;
}

/* ---- what it is ----------------------------------------------------------------------------- */

/* Its bytes in those of the block, which are read in one piece; NULL: they are not there. */
static const uint8_t *bytes_in_block(rhi_scan *scan)
{
    const rhi_block *block = scan->block;
    if (scan->read != block) {
        scan->got = 0;
        scan->block_bytes = rhi__block_bytes(scan->query->reader, block,
                                             rhi__block_used_bytes(block), &scan->room, &scan->got);
        scan->read = block;
    }
    uint64_t offset = scan->slot - block->base;
    return scan->block_bytes && offset + block->slot_size <= scan->got ? scan->block_bytes + offset
                                                                       : NULL;
}

const rhi_object *rhi__scan_object(rhi_scan *scan)
{
    rhi_reader *reader = scan->query->reader;
    if (scan->is_decoded)
        return scan->object.slot_size ? &scan->object : NULL;
    place(scan);
    scan->is_decoded = true;
    scan->object.slot_size = 0;
    const uint8_t *bytes = scan->list ? NULL : bytes_in_block(scan);
    if (bytes)
        rhi__decode(reader, scan->block, scan->slot, bytes, true, &scan->object);
    else if (scan->list && rhi__slot_at(reader, scan->block, scan->slot, &scan->object))
        rhi__check_header(scan->query->session, scan->index, &scan->object);
    else
        scan->object.slot_size = 0;
    return scan->object.slot_size ? &scan->object : NULL;
}

uint32_t rhi__scan_type(rhi_scan *scan)
{
    const rhi_listing *listing = scan->query->listing;
    const rhi_object *object = listing ? NULL : rhi__scan_object(scan);
    return listing  ? listing->kinds[scan->index] >> RHI_LISTING_TYPE_SHIFT
           : object ? object->type
                    : UINT32_MAX;
}

const uint8_t *rhi__scan_bytes(rhi_scan *scan)
{
    const rhi_object *object = rhi__scan_object(scan);
    if (!object || scan->is_read)
        return object ? scan->bytes : NULL;
    scan->is_read = true;
    scan->bytes = scan->list ? rhi__object_bytes(scan->query->reader, object, &scan->scratch)
                             : bytes_in_block(scan);
    return scan->bytes;
}

void rhi__scan_free(rhi_scan *scan)
{
    if (scan->query && scan->query->outer == scan)
        scan->query->outer = NULL;
    rhi__block_room_free(&scan->room);
    rhi__scratch_free(&scan->scratch);
    free(scan->found.items);
}
