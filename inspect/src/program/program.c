/* program.c - finds the data of modules, and malloc's blocks by it (see program.h). */
#include "program/program.h"
#include "base/array.h"
#include "target/modules.h"

#include <elf.h>

/* so that rounding up never wraps around; no user memory is there */
#define ADDRESS_MAX (UINT64_MAX - 0xffff)
enum { RANGES_MAX = 4096, TLS_SLACK_BYTES = 64 };

static void add_range(rhi_program *p, uint64_t start, uint64_t end, bool is_segment)
{
    end = end < ADDRESS_MAX ? end : ADDRESS_MAX;
    if (start >= end)
        return;
    if (!(is_segment ? rhi__array_reserve(&p->segments, 1) : rhi__array_reserve(&p->data, 1)))
        p->is_short = true;
    else if (is_segment)
        p->segments.items[p->segments.count++] = (rhi_range){start, end};
    else
        p->data.items[p->data.count++] = (rhi_range){start, end};
}

static bool add_segment(void *context, const rhi_segment *segment)
{
    rhi_program *p = context;
    if (segment->type == PT_TLS && segment->end - segment->start < 1ull << 30)
        p->tls_bytes += segment->end - segment->start + TLS_SLACK_BYTES;
    if (segment->type != PT_LOAD || !(segment->flags & PF_W))
        return true;
    p->is_cut |= p->segments.count >= RANGES_MAX;
    if (!p->is_cut)
        add_range(p, segment->start, segment->end, true);
    return !p->is_cut;
}

bool rhi__has_header(const rhi_program *p, const rhi_region *region)
{
    for (uint64_t i = 0; i < p->segments.count; i++)
        if (region->start < p->segments.items[i].end && region->end > p->segments.items[i].start)
            return true;
    return false;
}

static void find_data(rhi_program *p, rhi_memory *memory)
{
    const struct rhi_sink *map = &memory->map;
    for (uint64_t i = 0; i < map->regions.count; i++)
        if (map->regions.items[i].file_offset == 0 && rhi__region_is_file(&map->regions.items[i]))
            rhi__each_segment(memory, map->regions.items[i].start, add_segment, p);
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *region = &map->regions.items[i];
        if (region->flags & RHI_REGION_SHARED)
            continue;
        for (uint64_t k = 0; k < p->segments.count; k++) {
            const rhi_range *segment = &p->segments.items[k];
            uint64_t start = region->start > segment->start ? region->start : segment->start;
            uint64_t end = region->end < segment->end ? region->end : segment->end;
            if (start < end)
                add_range(p, start, end, false);
        }
        if (region->flags & RHI_REGION_WRITE && rhi__region_is_file(region) &&
            region->file_offset && !rhi__has_header(p, region))
            add_range(p, region->start, region->end, false);
    }
}

rhi_error *rhi__program_open(rhi_work *work, rhi_memory *memory, rhi_program **result)
{
    rhi_program *p = calloc(1, sizeof *p);
    if (!p)
        return rhi__error_memory();
    find_data(p, memory);
    rhi_error *error = rhi__malloc_open(work, memory, p->data.items, p->data.count, &p->malloc);
    if (!error && p->is_short)
        error = rhi__error_memory();
    if (error) {
        rhi__program_close(p);
        return error;
    }
    *result = p;
    return NULL;
}

void rhi__program_close(rhi_program *p)
{
    if (!p)
        return;
    rhi__malloc_close(&p->malloc);
    free(p->data.items);
    free(p->segments.items);
    free(p);
}
