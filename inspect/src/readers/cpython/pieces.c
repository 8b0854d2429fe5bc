/* pieces.c - what a piece of memory in an arena is used for (see checks.h).
 *
 * Invariant: free is only what its pool has in its list of free blocks. */
#include "base/cycle_guard.h"
#include "readers/cpython/checks.h"

enum { POOL_FREE = 8 /* of a pool's header: the first of its free blocks */ };

bool rhi__py_is_pool(const py_checker *c, const rhi_block *block)
{
    const rhi_own_range *range = rhi__own_at(c->reader, block->base);
    return range && range->has_blocks;
}

/* Is the block in its pool's list of free ones? What holds no object may be memory all the same
 * that looks like one that was freed. */
static bool is_listed(const py_checker *c, uint64_t start)
{
    uint64_t pool = start & -(uint64_t)c->py->at->pool_bytes, at = 0;
    rhi_cycle_guard guard = {0};
    for (bool more = rhi__memory_u64(c->py->memory, pool + POOL_FREE, &at);
         more && at && !rhi__is_repeated(&guard, at) && at - pool < c->py->at->pool_bytes;
         more = rhi__memory_u64(c->py->memory, at, &at))
        if (at == start)
            return true;
    return false;
}

void rhi__py_piece_at(const py_checker *c, uint64_t address, py_piece *piece)
{
    const rhi_block *block = rhi__block_at(c->reader, address);
    *piece = (py_piece){.use = PY_USE_ELSEWHERE};
    if (!block || !rhi__py_is_pool(c, block))
        return;
    uint64_t slot = rhi__slot_number(block, address), hooks = c->py->block_prefix;
    piece->start = block->base + slot * block->slot_size;
    piece->use = rhi__slot_is_live(block, slot)                          ? PY_USE_OBJECT
                 : py_is_raw(block, slot) || !is_listed(c, piece->start) ? PY_USE_RAW
                                                                         : PY_USE_FREE;
    piece->start += hooks;
    piece->size = block->slot_size - hooks;
}
