/* smashed.h - who wrote over a header: the bytes there as text, and the object that lies below it
 * in memory.
 *
 * What runs over its end writes upwards, so the text that covers a header often begins in the
 * object below, which is where the mistake is. Nothing here is certain of who wrote: it is shown
 * for its reader to judge. */
#ifndef RHI_SMASHED_H
#define RHI_SMASHED_H

#include "heap/reader.h"

enum { RHI_SMASHED_TEXT = 256 };

typedef struct rhi_smashed {
    /* where the shown bytes begin: the header, or before it, where its text does */
    uint64_t from;
    char text[RHI_SMASHED_TEXT]; /* in quotes, as rhi__quote makes it */
    bool has_below;
    /* of the slot that ends where the header begins: any state but unused */
    rhi_object below;
} rhi_smashed;

/* What there is around the header of the slot at `address`. False if it cannot be read. */
bool rhi__smashed(rhi_reader *reader, uint64_t address, rhi_smashed *smashed);

#endif
