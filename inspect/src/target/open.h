/* open.h - decides in which way the target's memory is read: directly, or by the door's reads. */
#ifndef RHI_OPEN_H
#define RHI_OPEN_H

#include "target/memory.h"

/* Opens memory for the door's target: decides the way and reads the map and the threads. */
rhi_error *rhi__memory_open(rhi_memory *memory, const rhi_target *door);
/* Gives the direct way up for the door's reads (they showed different bytes). */
rhi_error *rhi__memory_use_door(rhi_memory *memory);
/* Do both ways show the same `size` (at most 256) bytes at `address`? True if there is one way
 * only. */
bool rhi__memory_reads_agree(rhi_memory *memory, uint64_t address, uint64_t size);

#endif
