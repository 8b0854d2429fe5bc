/* regions.h - which regions of the map are worth a search for words, and what is known of those
 * that are not there. */
#ifndef RHI_REGIONS_H
#define RHI_REGIONS_H

#include "target/memory.h"

enum rhi_worth {
    RHI_WORTH_NOTHING, /* the program never wrote it, or it is the kernel's own */
    RHI_WORTH_SEARCH,  /* the program could have written it, and its bytes are there */
    RHI_WORTH_MISSING, /* it could have written it, and its bytes are not there, or are too many */
    /* a core has no byte of it, and it is of a kind that is left so when it was never used */
    RHI_WORTH_UNUSED,
    /* a core has no byte of it, for it is a file's that cannot be written now: the file tells */
    RHI_WORTH_FILE,
    RHI_WORTH_DEVICE /* a device's memory: reading it may have effects */
};

/* The region as such. is_module: program headers in memory say that it is of a module. */
enum rhi_worth rhi__region_worth(rhi_memory *memory, const rhi_region *region, bool is_module);
/* Is there no byte of this region in a core? */
bool rhi__region_is_absent(rhi_memory *memory, const rhi_region *region);

#endif
