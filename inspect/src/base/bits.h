/* bits.h - bitmaps: bit i is bit i % 64 of word i / 64. */
#ifndef RHI_BITS_H
#define RHI_BITS_H

#include <stdbool.h>
#include <stdint.h>

static inline bool rhi__bit(const uint64_t *bits, uint64_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}
static inline void rhi__bit_set(uint64_t *bits, uint64_t i)
{
    bits[i / 64] |= 1ull << (i % 64);
}
/* Bits that are set. In line: not every machine has an instruction for it, and a call costs more.
 */
static inline uint32_t rhi__population(uint64_t bits)
{
    bits -= bits >> 1 & 0x5555555555555555u;
    bits = (bits & 0x3333333333333333u) + (bits >> 2 & 0x3333333333333333u);
    return (uint32_t)(((bits + (bits >> 4)) & 0x0f0f0f0f0f0f0f0fu) * 0x0101010101010101u >> 56);
}

#endif
