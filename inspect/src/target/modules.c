/* modules.c - program headers of mapped modules (see modules.h). */
#include "target/modules.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SEGMENTS_MAX = 128 };

enum rhi_segments rhi__each_segment(rhi_memory *memory, uint64_t start,
                                    bool (*visit)(void *context, const rhi_segment *),
                                    void *context)
{
    Elf64_Ehdr header;
    Elf64_Phdr segments[SEGMENTS_MAX];
    uint64_t bias = start;
    if (rhi__memory_read(memory, start, &header, sizeof header) != sizeof header ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof *segments || header.e_phnum > SEGMENTS_MAX)
        return RHI_SEGMENTS_NO_MODULE;
    uint64_t size = header.e_phnum * sizeof *segments;
    if (rhi__memory_read(memory, start + header.e_phoff, segments, size) != size)
        return RHI_SEGMENTS_NO_MODULE;
    for (unsigned i = 0; i < header.e_phnum; i++)
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset == 0)
            bias = start - segments[i].p_vaddr;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        rhi_segment segment = {.type = segments[i].p_type,
                               .flags = segments[i].p_flags,
                               .start = bias + segments[i].p_vaddr};
        if (!rhi__range_ok(segment.start, segments[i].p_memsz))
            continue;
        segment.end = segment.start + segments[i].p_memsz;
        if (!visit(context, &segment))
            return RHI_SEGMENTS_STOPPED;
    }
    return RHI_SEGMENTS_DONE;
}

bool rhi__region_is_file(const rhi_region *region)
{
    return region->path[0] == '/' && strncmp(region->path, "/dev/", 5) != 0;
}

bool rhi__module_text(const rhi_memory *memory, uint64_t address, char *text, size_t size)
{
    const rhi_region *all = memory->map.regions.items,
                     *region = rhi__memory_region(memory, address);
    while (region && region > all && !region->path[0] && region[-1].end == region->start)
        region--;
    if (!region || !rhi__region_is_file(region))
        return false;
    const rhi_region *first = region;
    while (first > all && (first->file_offset != 0 || strcmp(first->path, region->path) != 0))
        first--;
    if (strcmp(first->path, region->path) != 0)
        first = region; /* its first page is not mapped */
    rhi__text(text, size, "%.200s+0x%" PRIx64, strrchr(region->path, '/') + 1,
              address - first->start);
    return true;
}
