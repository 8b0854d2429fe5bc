/* loader.c - reads the loader's list of modules, and vectors of thread-local blocks (see loader.h).
 *
 * Invariant: lists of the target are followed with a bound. */
#include "program/loader.h"
#include "base/array.h"
#include "target/modules.h"

#include <elf.h>

enum { MODULES_MAX = 4096, DYNAMIC_MAX = 512 };

typedef struct headers {
    uint64_t dynamic, dynamic_end, tls_size;
} headers;

static bool note_header(void *context, const rhi_segment *segment)
{
    headers *h = context;
    if (segment->type == PT_DYNAMIC) {
        h->dynamic = segment->start;
        h->dynamic_end = segment->end;
    }
    if (segment->type == PT_TLS)
        h->tls_size = segment->end - segment->start;
    return true;
}

/* The loader's list of modules, from the DT_DEBUG of the program; 0: this is not the program. */
static uint64_t link_map_of(rhi_memory *memory, const headers *h)
{
    uint64_t tag, value, map;
    for (uint64_t at = h->dynamic, i = 0; at + 16 <= h->dynamic_end && i < DYNAMIC_MAX;
         at += 16, i++) {
        if (!rhi__memory_u64(memory, at, &tag) || tag == DT_NULL ||
            !rhi__memory_u64(memory, at + 8, &value))
            return 0;
        if (tag == DT_DEBUG)
            return value && rhi__memory_u64(memory, value + 8, &map) ? map : 0;
    }
    return 0;
}

/* Modules with thread-local storage are numbered from 1 in the order in which they were loaded,
 * and the loader's list is in that order. */
void rhi__tls_modules_find(rhi_memory *memory, rhi_tls_modules *modules)
{
    uint64_t list = 0, ordered = 0;
    modules->count = 0;
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        headers h = {0};
        if (region->file_offset != 0 || !rhi__region_is_file(region) ||
            rhi__each_segment(memory, region->start, note_header, &h) != RHI_SEGMENTS_DONE)
            continue;
        uint64_t found = link_map_of(memory, &h);
        list = found ? found : list;
        if (h.tls_size && modules->count < MODULES_MAX && rhi__array_reserve(modules, 1))
            modules->items[modules->count++] =
                (rhi_tls_module){region->start, h.dynamic, h.tls_size};
    }
    for (uint64_t i = 0, dynamic;
         list && i < MODULES_MAX && rhi__memory_u64(memory, list + 16, &dynamic); i++) {
        for (uint64_t k = ordered; k < modules->count; k++)
            if (modules->items[k].dynamic == dynamic) {
                rhi_tls_module moved = modules->items[k];
                modules->items[k] = modules->items[ordered];
                modules->items[ordered++] = moved;
            }
        if (!rhi__memory_u64(memory, list + 24, &list))
            break;
    }
    if (modules->count > 1)
        modules->count = ordered; /* the order of the others is not known */
}

#if defined(__x86_64__)
enum { VECTOR_OFFSET = 8 }; /* of the dynamic thread vector, from the thread pointer */
#else
enum { VECTOR_OFFSET = 0 };
#endif

const rhi_tls_module *rhi__tls_module_at(rhi_memory *memory, const rhi_tls_modules *modules,
                                         uint64_t address, uint64_t thread_pointer,
                                         uint64_t *offset)
{
    uint64_t vector, block;
    if (!rhi__memory_u64(memory, thread_pointer + VECTOR_OFFSET, &vector))
        return NULL;
    for (uint64_t i = 0; i < modules->count; i++)
        if (rhi__memory_u64(memory, vector + 16 * (i + 1), &block) &&
            address - block < modules->items[i].size) {
            *offset = address - block;
            return &modules->items[i];
        }
    return NULL;
}

uint64_t rhi__tls_block(rhi_memory *memory, const rhi_tls_modules *modules, uint64_t start,
                        uint64_t thread_pointer)
{
    uint64_t vector, block;
    for (uint64_t i = 0; thread_pointer && i < modules->count; i++)
        if (modules->items[i].start == start)
            return rhi__memory_u64(memory, thread_pointer + VECTOR_OFFSET, &vector) &&
                           rhi__memory_u64(memory, vector + 16 * (i + 1), &block) &&
                           block != UINT64_MAX
                       ? block
                       : 0;
    return 0;
}

bool rhi__is_module(rhi_memory *memory, const rhi_region *region, bool *is_program)
{
    headers h = {0};
    *is_program = false;
    if (region->file_offset != 0 || !rhi__region_is_file(region) ||
        rhi__each_segment(memory, region->start, note_header, &h) != RHI_SEGMENTS_DONE)
        return false;
    *is_program = link_map_of(memory, &h) != 0;
    return true;
}
