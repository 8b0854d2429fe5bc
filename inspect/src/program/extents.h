/* extents.h - which variable or function of a file lies at an address of that file.
 * Invariant: `items` are sorted once rhi__extents_sort was called. */
#ifndef RHI_EXTENTS_H
#define RHI_EXTENTS_H

#include <stdint.h>

/* A variable or symbol: bytes [address, address + size). Thread-local ones begin at RHI_TLS |
 * offset in the module's block. */
#define RHI_TLS (1ull << 63)
typedef struct rhi_extent {
    uint64_t address, size;
    const char *name, *function; /* function: that a static is in, or NULL */
    uint64_t die;                /* 0: known by the ELF symbol alone */
    /* the name with its namespaces and classes, once that was asked; NULL: not yet */
    char *scoped;
} rhi_extent;
typedef struct rhi_extents {
    rhi_extent *items;
    uint64_t count, capacity;
} rhi_extents;
void rhi__extents_sort(rhi_extents *extents);
const rhi_extent *rhi__extents_find(const rhi_extents *extents, uint64_t address);

#endif
