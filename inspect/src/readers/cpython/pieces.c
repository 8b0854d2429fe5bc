/* pieces.c - what a piece of memory in an arena is used for (see checks.h).
 *
 * Invariant: free is only what its pool has in its list of free blocks. */
#include "readers/cpython/checks.h"

bool rhi__py_is_pool(const py_checker *c, const rhi_block *block)
{
    const rhi_own_range *range = rhi__own_at(c->reader, block->base);
    return range && range->has_blocks;
}

void rhi__py_piece_at(const py_checker *c, uint64_t address, py_piece *piece)
{
    const rhi_block *block = rhi__block_at(c->reader, address);
    *piece = (py_piece){.use = PY_USE_ELSEWHERE};
    if (!block || !rhi__py_is_pool(c, block))
        return;
    uint64_t slot = rhi__slot_number(block, address), hooks = c->py->block_prefix;
    piece->start = block->base + slot * block->slot_size;
    piece->use = rhi__slot_is_live(block, slot)                                    ? PY_USE_OBJECT
                 : py_is_raw(block, slot) || !rhi__py_is_free(c->py, piece->start) ? PY_USE_RAW
                                                                                   : PY_USE_FREE;
    piece->start += hooks;
    piece->size = block->slot_size - hooks;
}
