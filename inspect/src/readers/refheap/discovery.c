/* discovery.c - finds descriptors: ELF notes of modules, then scans (see discovery.h).
 *
 * A module is a mapped file whose first page is readable as an ELF header. The symbol
 * `rh_debug_descriptor` is not asked for: a symbol table is often stripped and never in a core, and
 * the note (first page) and the scan (writable data) find every copy that a symbol could name.
 * Invariant: `found` holds a descriptor only if the bytes at its own address say it is one. */
#include "readers/refheap/discovery.h"
#include "base/elf_note.h"
#include "target/modules.h"
#include "target/open.h"

#include <elf.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct search {
    rhi_memory *memory;
    rhi_descriptors *found;
    uint32_t other_version; /* of a descriptor that this engine does not read */
    uint64_t most, left;    /* bytes that may be scanned: of a region, and in all from now on */
} search;

enum {
    SCAN_STEP_BYTES = 1 << 20,
    NOTE_BYTES_MAX = 1 << 16,
    STACKS_COMPARED_MAX = 16,
    STACK_COMPARED_BYTES = 64
};

/* Takes the descriptor at `address` if it is one. True if it is, readable version or not. */
static bool take(search *s, uint64_t address)
{
    struct rh_metadata_descriptor d;
    if (rhi__memory_read(s->memory, address, &d, sizeof d) != sizeof d ||
        memcmp(d.magic, RH_METADATA_MAGIC, sizeof d.magic) != 0 || d.self != address)
        return false;
    for (unsigned i = 0; i < s->found->count; i++)
        if (s->found->items[i].self == address)
            return true;
    if (d.version < RH_METADATA_VERSION_FIRST || d.version > RH_METADATA_VERSION ||
        d.size < sizeof d)
        s->other_version = d.version ? d.version : UINT32_MAX;
    else if (s->found->count < RHI_DESCRIPTORS_MAX)
        s->found->items[s->found->count++] = d;
    return true;
}

/* ---- the note ------------------------------------------------------------------------------- */

static bool search_notes(search *s, uint64_t address, uint64_t size)
{
    uint8_t bytes[4096];
    if (size > sizeof bytes)
        size = sizeof bytes;
    size = rhi__memory_read(s->memory, address, bytes, size);
    rhi_elf_note note;
    for (uint64_t at = 0; at + RHI_ELF_NOTE_HEADER <= size; at = note.next) {
        if (!rhi__elf_note(bytes + at, at, size, &note))
            return false;
        if (note.type == RH_METADATA_NOTE_TYPE && note.size == 8 &&
            note.name_size == sizeof RH_METADATA_NOTE_OWNER &&
            memcmp(bytes + note.name, RH_METADATA_NOTE_OWNER, note.name_size) == 0)
            return take(s, address + note.bytes + rhi__load64(bytes + note.bytes));
    }
    return false;
}

static bool search_note_segment(void *context, const rhi_segment *segment)
{
    return !(segment->type == PT_NOTE &&
             search_notes(context, segment->start, segment->end - segment->start));
}

/* True if the note of the module whose first page is at `start` led to a descriptor. */
static bool search_module(search *s, uint64_t start)
{
    return rhi__each_segment(s->memory, start, search_note_segment, s) == RHI_SEGMENTS_STOPPED;
}

/* ---- the scan ------------------------------------------------------------------------------- */

/* Segments of a damaged core begin anywhere: rounded down, the scan would come back to the same one
 * for ever. */
static uint64_t up_to_word(uint64_t address, uint64_t end)
{
    return end - address > 7 ? (address + 7) & ~7ull : end;
}

static rhi_error *scan(search *s, const rhi_region *whole, rhi_scratch *scratch)
{
    uint64_t room = s->most < s->left ? s->most : s->left;
    rhi_region part = *whole, *region = &part;
    if (part.end - part.start > room)
        part.end = part.start + room;
    s->left -= part.end - part.start;
    const uint64_t overlap = sizeof((struct rh_metadata_descriptor *)0)->magic - 8;
    for (uint64_t at = up_to_word(region->start, region->end); at < region->end;) {
        if (region->end - at > SCAN_STEP_BYTES) /* holes of a sparse core are skipped */
            at = rhi__memory_data_start(s->memory, at, region->end) & ~7ull;
        uint64_t size = region->end - at < SCAN_STEP_BYTES ? region->end - at : SCAN_STEP_BYTES,
                 got;
        if (s->memory->work && rhi__work_stopped(s->memory->work))
            return rhi__error_cancelled();
        const uint8_t *bytes = rhi__memory_view(s->memory, at, size, scratch, &got);
        const uint8_t *from = bytes, *end = bytes ? bytes + got : NULL;
        const uint8_t *hit;
        while (from && (hit = memmem(from, (size_t)(end - from), RH_METADATA_MAGIC, 16))) {
            uint64_t address = at + (uint64_t)(hit - bytes);
            if (address % 8 == 0)
                take(s, address);
            from = hit + 8;
        }
        if (got < size)
            at = up_to_word(rhi__memory_hole_end(s->memory, at + got, region->end), region->end);
        else
            at = at + size == region->end ? region->end : at + size - overlap;
    }
    return NULL;
}

static bool is_private_writable(const rhi_region *region)
{
    return region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED);
}

static rhi_error *search_memory(search *s, enum rhi_search most)
{
    const struct rhi_sink *map = &s->memory->map;
    rhi_scratch scratch = {0};
    const char *answered = NULL; /* the module whose note was found */
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < map->regions.count && !error; i++) {
        const rhi_region *region = &map->regions.items[i];
        if (!rhi__region_is_file(region))
            continue;
        if (region->file_offset == 0 && search_module(s, region->start))
            answered = region->path;
        else if (is_private_writable(region) && !(answered && strcmp(answered, region->path) == 0))
            error = scan(s, region, &scratch);
    }
    for (uint64_t i = 0; most != RHI_SEARCH_MODULES && i < map->regions.count &&
                         s->found->count == 0 && s->other_version == 0 && !error;
         i++)
        if (is_private_writable(&map->regions.items[i]))
            error = scan(s, &map->regions.items[i], &scratch);
    rhi__scratch_free(&scratch);
    return error;
}

/* Does the direct way show what the debugger sees? Same process, same bytes of descriptors and
 * stacks; where there is nothing of either to compare, nobody can tell, and the debugger is
 * believed. */
static bool direct_way_is_right(const search *s)
{
    rhi_memory *memory = s->memory;
    const struct rhi_sink *map = &memory->map;
    for (unsigned i = 0; i < s->found->count; i++) {
        const struct rh_metadata_descriptor *d = &s->found->items[i];
        if (memory->door->pid > 0 && d->pid && d->pid != (uint64_t)memory->door->pid)
            return false;
        if (!rhi__memory_reads_agree(memory, d->self, sizeof *d))
            return false;
    }
    for (uint64_t i = 0; i < map->threads.count && i < STACKS_COMPARED_MAX; i++)
        if (!rhi__memory_reads_agree(memory, map->threads.items[i].stack_pointer,
                                     STACK_COMPARED_BYTES))
            return false;
    return s->found->count > 0 || map->threads.count > 0;
}

/* The program's own copy comes first, then those of libraries in the order in which they are
 * loaded as a rule (from high addresses to low ones): what a plugin brings changes nothing for
 * those that were there. */
static int copy_rank(const rhi_memory *memory, uint64_t address)
{
    const rhi_region *region = rhi__memory_region(memory, address);
    if (!region || !rhi__region_is_file(region))
        return 2;
    for (uint64_t i = 0; i < memory->map.regions.count; i++)
        if (rhi__region_is_file(&memory->map.regions.items[i]))
            return strcmp(memory->map.regions.items[i].path, region->path) != 0;
    return 2;
}

static int copy_order(const void *left, const void *right, void *memory)
{
    const struct rh_metadata_descriptor *a = left, *b = right;
    int rank = copy_rank(memory, a->self), other = copy_rank(memory, b->self);
    return rank != other ? rank - other : a->self > b->self ? -1 : a->self < b->self;
}

rhi_error *rhi__discover(rhi_memory *memory, enum rhi_search most, rhi_descriptors *found)
{
    bool is_glance = most == RHI_SEARCH_GLANCE;
    search s = {.memory = memory,
                .found = found,
                .most = is_glance ? RHI_GLANCE_BYTES : UINT64_MAX,
                .left = is_glance ? RHI_GLANCE_BYTES_IN_ALL : UINT64_MAX};
    memset(found, 0, sizeof *found);
    RHI_TRY(search_memory(&s, most));
    if (memory->is_direct && !direct_way_is_right(&s)) {
        memset(found, 0, sizeof *found);
        return rhi__memory_use_door(memory);
    }
    if (memory->is_short)
        return rhi__error_memory();
    qsort_r(found->items, found->count, sizeof *found->items, copy_order, memory);
    if (found->count == 0 && s.other_version)
        return rhi__error(
            "the heap's metadata has version %" PRIu32
            "; this engine reads versions %u to %u: use the refheap of the program's release",
            s.other_version, RH_METADATA_VERSION_FIRST, RH_METADATA_VERSION);
    return NULL;
}
