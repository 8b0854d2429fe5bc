/* pools.h - what pools.c and arenas.c share: a pool, as its header has it.
 *
 * Invariant: its blocks, and the first free one, lie inside of it. */
#ifndef RHI_PYTHON_POOLS_H
#define RHI_PYTHON_POOLS_H

#include "readers/cpython/python.h"

enum { PY_POOL_HEADER = 48 };

typedef struct py_pool {
    uint64_t address, block_size;
    uint32_t in_use, carved; /* carved: blocks that were ever given out */
    uint32_t blocks;         /* that there is room for */
    uint64_t free;           /* the first of the list; 0: none */
    uint32_t arena;          /* its number in the table */
} py_pool;

/* Is that the header of a pool at the address? */
bool rhi__py_pool_of(const py_runtime *py, uint64_t address, const uint8_t *header, py_pool *p);
/* What pools.c needs while blocks are read. False if memory is short. */
bool rhi__py_pools_make(py_runtime *py);
void rhi__py_pools_free(py_runtime *py);

#endif
