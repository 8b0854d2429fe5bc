/* bytes.h - numbers in bytes of the target: little-endian, of any alignment, never trusted. */
#ifndef RHI_BYTES_H
#define RHI_BYTES_H

#include <stdbool.h>
#include <stdint.h>

/* Is [start, start + size) inside the address space, without wrapping around? */
static inline bool rhi__range_ok(uint64_t start, uint64_t size)
{
    return size <= UINT64_MAX - start;
}

static inline uint64_t rhi__load(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width && i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}
static inline uint64_t rhi__load64(const uint8_t *bytes)
{
    uint64_t value;
    __builtin_memcpy(&value, bytes, 8);
    return value;
}
static inline uint32_t rhi__load32(const uint8_t *bytes)
{
    uint32_t value;
    __builtin_memcpy(&value, bytes, 4);
    return value;
}
static inline uint16_t rhi__load16(const uint8_t *bytes)
{
    uint16_t value;
    __builtin_memcpy(&value, bytes, 2);
    return value;
}

#endif
