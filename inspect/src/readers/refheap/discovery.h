/* discovery.h - finds the descriptors of refheap's runtime in a target. */
#ifndef RHI_DISCOVERY_H
#define RHI_DISCOVERY_H

#include "heap/reader.h"

#include <refheap/metadata.h>

enum { RHI_DESCRIPTORS_MAX = 64 };

typedef struct rhi_descriptors {
    struct rh_metadata_descriptor items[RHI_DESCRIPTORS_MAX];
    unsigned count;
} rhi_descriptors;

/* All descriptors of the target, each with its own address in it and a version this engine reads:
 * by the ELF note of every module; by a scan of the writable segments of the modules whose note
 * is not readable; by a scan of all private writable memory if that found nothing; as far as
 * `most` allows. An error if there are only descriptors of other versions; none at all is no error.
 * Gives the direct way of reading up if it shows other bytes than the door's. */
rhi_error *rhi__discover(rhi_memory *memory, enum rhi_search most, rhi_descriptors *found);

#endif
