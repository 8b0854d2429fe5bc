/* modules.c - program headers of mapped modules (see modules.h). */
#include "target/modules.h"
#include "base/search.h"

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { SEGMENTS_MAX = 128, DYNAMIC_MAX = 256, SYMBOL_STEPS_MAX = 1 << 12, SYMBOL_NAME_MAX = 64 };

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
                               .start = bias + segments[i].p_vaddr,
                               .bias = bias};
        if (!rhi__range_ok(segment.start, segments[i].p_memsz))
            continue;
        segment.end = segment.start + segments[i].p_memsz;
        if (!visit(context, &segment))
            return RHI_SEGMENTS_STOPPED;
    }
    return RHI_SEGMENTS_DONE;
}

/* ---- exported symbols ----------------------------------------------------------------------- */

/* The tables that the dynamic linker uses. */
typedef struct exports {
    rhi_memory *memory;
    uint64_t start, bias, symbols, texts, hash; /* hash: DT_GNU_HASH */
} exports;

static bool read_dynamic(void *context, const rhi_segment *segment)
{
    exports *e = context;
    if (segment->type != PT_DYNAMIC)
        return true;
    e->bias = segment->bias;
    Elf64_Dyn entry;
    for (uint64_t i = 0; i < DYNAMIC_MAX; i++) {
        uint64_t at = segment->start + i * sizeof entry;
        if (rhi__memory_read(e->memory, at, &entry, sizeof entry) != sizeof entry ||
            entry.d_tag == DT_NULL)
            break;
        /* glibc has added the bias already, as a rule */
        uint64_t address =
            entry.d_un.d_ptr < e->start ? e->bias + entry.d_un.d_ptr : entry.d_un.d_ptr;
        if (entry.d_tag == DT_SYMTAB)
            e->symbols = address;
        else if (entry.d_tag == DT_STRTAB)
            e->texts = address;
        else if (entry.d_tag == DT_GNU_HASH)
            e->hash = address;
    }
    return false;
}

static bool read32(rhi_memory *memory, uint64_t address, uint32_t *value)
{
    return rhi__memory_read(memory, address, value, sizeof *value) == sizeof *value;
}

/* Is that symbol defined here, with this name? */
static bool is_export(const exports *e, uint32_t number, const char *name, uint64_t *address)
{
    Elf64_Sym symbol;
    char text[SYMBOL_NAME_MAX];
    uint64_t length = strlen(name) + 1;
    if (rhi__memory_read(e->memory, e->symbols + number * sizeof symbol, &symbol, sizeof symbol) !=
            sizeof symbol ||
        symbol.st_shndx == SHN_UNDEF || length > sizeof text ||
        rhi__memory_read(e->memory, e->texts + symbol.st_name, text, length) != length ||
        memcmp(text, name, length) != 0)
        return false;
    *address = e->bias + symbol.st_value;
    return true;
}

/* {bucket count, first symbol, filter words, filter shift}, filter, buckets, hashes: a bucket has
 * the first symbol of its chain, and the lowest bit of a hash ends that. */
static bool search_hash(const exports *e, const char *name, uint64_t *address)
{
    uint32_t header[4], hash = 5381, symbol, value;
    for (const char *c = name; *c; c++)
        hash = hash * 33 + (uint8_t)*c;
    if (rhi__memory_read(e->memory, e->hash, header, sizeof header) != sizeof header ||
        header[0] == 0)
        return false;
    uint64_t buckets = e->hash + sizeof header + header[2] * 8ull,
             hashes = buckets + header[0] * 4ull;
    if (!read32(e->memory, buckets + hash % header[0] * 4ull, &symbol) || symbol < header[1])
        return false;
    for (unsigned steps = 0; steps < SYMBOL_STEPS_MAX; steps++, symbol++) {
        if (!read32(e->memory, hashes + (symbol - header[1]) * 4ull, &value))
            return false;
        if ((value | 1) == (hash | 1) && is_export(e, symbol, name, address))
            return true;
        if (value & 1)
            return false;
    }
    return false;
}

bool rhi__module_symbol(rhi_memory *memory, uint64_t start, const char *name, uint64_t *address)
{
    exports e = {.memory = memory, .start = start};
    return rhi__each_segment(memory, start, read_dynamic, &e) == RHI_SEGMENTS_STOPPED &&
           e.symbols && e.texts && e.hash && search_hash(&e, name, address);
}

/* ---- regions -------------------------------------------------------------------------------- */

bool rhi__region_is_file(const rhi_region *region)
{
    return region->path[0] == '/' && strncmp(region->path, "/dev/", 5) != 0;
}

/* The first page of the file at `path`, the nearest at or before `from`; NULL: it is not mapped. */
static const rhi_region *first_page(const rhi_memory *memory, const rhi_region *from,
                                    const char *path)
{
    for (; from >= memory->map.regions.items; from--)
        if (from->file_offset == 0 && strcmp(from->path, path) == 0)
            return from;
    return NULL;
}

/* The last region that begins at or before the address; NULL: there is none. */
static const rhi_region *region_before(const rhi_memory *memory, uint64_t address)
{
    const rhi_region *all = memory->map.regions.items;
    uint64_t behind = rhi__first(0, memory->map.regions.count, at, all[at].start > address);
    return behind ? &all[behind - 1] : NULL;
}

bool rhi__module_text(const rhi_memory *memory, uint64_t address, char *text, size_t size)
{
    const rhi_region *all = memory->map.regions.items,
                     *region = rhi__memory_region(memory, address);
    while (region && region > all && !region->path[0] && region[-1].end == region->start)
        region--;
    if (region && !rhi__region_is_file(region))
        return false;
    /* GDB's cores leave code out, but for its place in the table of files. */
    const rhi_region *from = region ? region : region_before(memory, address), *first = NULL;
    const char *path = region ? region->path : rhi__memory_file(memory, address);
    if (from && path && path[0] == '/')
        first = first_page(memory, from, path);
    if (!first)
        first = region; /* its first page is not mapped */
    if (!first)
        return false;
    rhi__text(text, size, "%.200s+0x%" PRIx64, strrchr(path, '/') + 1, address - first->start);
    return true;
}
