/* pending.c - what is not written yet: each part takes its functions out of here (see python.h). */
#include "readers/cpython/python.h"

rhi_error *rhi__py_read_lone(rhi_reader *reader, rhi_blocks *blocks)
{
    (void)reader;
    (void)blocks;
    return NULL;
}
rhi_error *rhi__py_lone_near(rhi_reader *reader, uint64_t address, rhi_blocks *blocks)
{
    (void)reader;
    (void)address;
    (void)blocks;
    return NULL;
}
