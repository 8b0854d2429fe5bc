/* pending.c - what is not written yet: each part takes its functions out of here (see python.h). */
#include "readers/cpython/python.h"

#include <stdlib.h>
#include <string.h>

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
/* of ASCII alone */
__attribute__((weak)) bool rhi__py_text(py_runtime *py, uint64_t address, char *text, size_t size)
{
    uint64_t length;
    if (!rhi__memory_u64(py->memory, address + 16, &length))
        return false;
    length = length < size - 1 ? length : size - 1;
    if (rhi__memory_read(py->memory, address + py->at->ascii_data, text, length) != length)
        return false;
    text[rhi__clean(text, length)] = '\0';
    return true;
}
/* of unicode or general tables, not split */
__attribute__((weak)) uint64_t rhi__py_dict_get(py_runtime *py, uint64_t dict, const char *key)
{
    uint8_t head[40];
    uint64_t keys, k, v;
    char text[64];
    if (!rhi__memory_u64(py->memory, dict + 32, &keys) ||
        rhi__memory_read(py->memory, keys, head, sizeof head) != sizeof head)
        return 0;
    bool is_old = py->minor < 11, is_wide = is_old || head[10] == 0;
    uint64_t size = rhi__load64(head + 8), count = rhi__load64(head + (is_old ? 32 : 24)),
             at = is_old ? keys + 40 +
                               size * (size <= 255     ? 1
                                       : size <= 65535 ? 2
                                                       : 4)
                         : keys + 32 + (1ull << (head[9] & 31));
    for (uint64_t i = 0; i < count && i < 100000; i++, at += is_wide ? 24 : 16)
        if (rhi__memory_u64(py->memory, at + is_wide * 8, &k) &&
            rhi__memory_u64(py->memory, at + is_wide * 8 + 8, &v) && k && v &&
            rhi__py_text(py, k, text, sizeof text) && strcmp(text, key) == 0)
            return v;
    return 0;
}
__attribute__((weak)) const py_type *rhi__py_known_type(const py_runtime *py, uint64_t address)
{
    (void)py;
    (void)address;
    return NULL;
}
