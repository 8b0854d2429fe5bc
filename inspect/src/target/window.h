/* window.h - single words of the target, read through a piece of memory that moves along: for
 * walks over structures whose next place is near the last one. Start with {.memory = …, .step =
 * bytes at a time}. */
#ifndef RHI_WINDOW_H
#define RHI_WINDOW_H

#include "target/memory.h"

typedef struct rhi_window {
    rhi_memory *memory;
    uint64_t step;
    rhi_scratch scratch;
    const uint8_t *bytes;
    uint64_t start, size; /* what `bytes` are; size 0: nothing yet */
} rhi_window;

static inline bool rhi__window_covers(const rhi_window *window, uint64_t address, uint64_t size)
{
    return address >= window->start && address - window->start < window->size &&
           window->size - (address - window->start) >= size;
}

/* Up to 4096 bytes at an address, valid until the next call; NULL if they cannot be read. */
static inline const uint8_t *rhi__window_at(rhi_window *window, uint64_t address, uint64_t size)
{
    if (!rhi__window_covers(window, address, size)) {
        window->bytes = rhi__memory_view(window->memory, address, window->step, &window->scratch,
                                         &window->size);
        window->start = address;
        if (!window->bytes)
            window->size = 0;
        if (!rhi__window_covers(window, address, size)) /* across the end of a core's segment */
            window->bytes =
                rhi__memory_view(window->memory, address, size, &window->scratch, &window->size);
        if (!window->bytes || window->size < size) {
            window->size = 0;
            return NULL;
        }
    }
    return window->bytes + (address - window->start);
}

static inline bool rhi__window_u64(rhi_window *window, uint64_t address, uint64_t *value)
{
    const uint8_t *bytes = rhi__window_at(window, address, 8);
    if (bytes)
        *value = rhi__load64(bytes);
    return bytes != NULL;
}

#endif
