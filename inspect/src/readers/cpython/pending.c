/* pending.c - what is not written yet: each part takes its functions out of here (see python.h). */
#include "readers/cpython/python.h"

#include <stdlib.h>

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
bool rhi__py_slots(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                   rhi_slot_visitor visit, void *context)
{
    (void)reader;
    (void)object;
    (void)bytes;
    (void)visit;
    (void)context;
    return true;
}
void rhi__py_value(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes, char *text,
                   size_t size)
{
    (void)reader;
    (void)object;
    (void)bytes;
    (void)size;
    text[0] = '\0';
}
__attribute__((weak)) bool rhi__py_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    (void)py;
    (void)address;
    (void)text;
    (void)size;
    return false;
}
__attribute__((weak)) const py_type *rhi__py_known_type(const py_runtime *py, uint64_t address)
{
    (void)py;
    (void)address;
    return NULL;
}
