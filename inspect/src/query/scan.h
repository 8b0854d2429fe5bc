/* scan.h - goes over objects by their numbers, and reads of each what is asked for.
 *
 * All objects lie in address order, and a block is read in one piece; of a list each object is read
 * by itself. Invariant: an object is decoded, and its bytes are read, once and not before they are
 * asked for. */
#ifndef RHI_SCAN_H
#define RHI_SCAN_H

#include "query/table.h"

typedef struct rhi_scan {
    rhi_query *query;
    const uint32_t *list; /* NULL: the numbers themselves */
    uint64_t at, end;     /* the next one */
    uint32_t index;       /* the object; RHI_NO_OBJECT behind the last */
    const rhi_block *block;
    uint64_t word; /* of its bitmap, where the object is */
    uint64_t slot; /* the address where it begins */
    bool is_placed, is_decoded, is_read;
    rhi_object object;
    const uint8_t *bytes;
    const rhi_block *read; /* whose bytes are there */
    const uint8_t *block_bytes;
    uint64_t got;
    rhi_block_room room;
    rhi_scratch scratch;
    rhi_found found; /* the list, where it is the scan's own */
} rhi_scan;

/* Over all objects, or those of a list, which stays with the caller. The scan starts as zeros; it
 * is begun again as often as one likes. */
rhi_error *rhi__scan_all(rhi_scan *scan, rhi_query *query);
void rhi__scan_list(rhi_scan *scan, rhi_query *query, const uint32_t *list, uint64_t count);
/* Over scan->found. */
void rhi__scan_found(rhi_scan *scan, rhi_query *query);
/* Goes to the next object, at the beginning to the first. */
rhi_error *rhi__scan_next(rhi_scan *scan);
static inline bool rhi__scan_is_over(const rhi_scan *scan)
{
    return scan->index == RHI_NO_OBJECT;
}
/* The number of its type; beyond all: it has none. */
uint32_t rhi__scan_type(rhi_scan *scan);
/* The object's address; its header: NULL if it cannot be read; all bytes of its slot, likewise. */
uint64_t rhi__scan_address(rhi_scan *scan);
const rhi_object *rhi__scan_object(rhi_scan *scan);
const uint8_t *rhi__scan_bytes(rhi_scan *scan);
void rhi__scan_free(rhi_scan *scan);

#endif
