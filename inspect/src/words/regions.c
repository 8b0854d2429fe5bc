/* regions.c - judges regions by who could have written them and by what is there of them (see
 * regions.h).
 *
 * Permissions of now say little: memory is sealed after it was written. What tells is the file
 * behind it (files that are not writable are as they are on disk, unless pages of them were
 * copied), the kernel's counts of pages of a live process, and of a core whether it has the
 * bytes. */
#include "words/regions.h"
#include "words/as_on_disk.h"

#include <string.h>

#define HUGE_BYTES (1ull << 30)
#define TOO_HUGE_BYTES (1ull << 40)

static bool begins_with_one_of(const char *path, const char *const *names)
{
    for (; *names; names++)
        if (strncmp(path, *names, strlen(*names)) == 0)
            return true;
    return false;
}

/* Memory with a name, but without a file that somebody else could have filled. */
static bool is_memory(const char *path)
{
    static const char *const names[] = {"/dev/zero", "/dev/shm/",      "/dev/hugepages/", "/memfd:",
                                        "/SYSV",     "/anon_hugepage", "/[aio]",          NULL};
    return path[0] != '/' || begins_with_one_of(path, names);
}

static bool is_device(const rhi_region *region)
{
    static const char *const names[] = {"/dev/", "anon_inode:", "/dmabuf", "/drm mm object",
                                        "/i915", "socket:",     NULL};
    return region->flags & RHI_REGION_DEVICE ||
           (!(region->path[0] == '/' && is_memory(region->path)) &&
            begins_with_one_of(region->path, names));
}

static bool is_kernels(const rhi_region *region)
{
    static const char *const names[] = {"[vvar",    "[vdso",    "[vsyscall",
                                        "[uprobes", "[vectors", NULL};
    return begins_with_one_of(region->path, names);
}

bool rhi__region_is_absent(rhi_memory *memory, const rhi_region *region)
{
    uint8_t byte;
    return rhi__memory_is_core(memory) && rhi__memory_read(memory, region->start, &byte, 1) == 0 &&
           rhi__memory_hole_end(memory, region->start, region->end) == region->end;
}

/* What AddressSanitizer keeps out of cores, at addresses of its own: it holds no pointers. */
static bool is_shadow(const rhi_region *region)
{
    const uint64_t low_start = 0x7fff7000, low_end = 0x8fff7000;
    return region->end - region->start >= TOO_HUGE_BYTES ||
           (region->start == low_start && region->end == low_end);
}

/* Is it of a file with code that runs, which lies beside it? Nobody writes to that. */
static bool is_code(const rhi_memory *memory, const rhi_region *region)
{
    enum { PIECES_MAX = 16 };
    const rhi_region *all = memory->map.regions.items, *at = region;
    for (unsigned i = 0; i < PIECES_MAX && at > all && strcmp(at[-1].path, region->path) == 0; i++)
        at--;
    for (unsigned i = 0; i < 2 * PIECES_MAX && at < all + memory->map.regions.count &&
                         strcmp(at->path, region->path) == 0;
         i++, at++)
        if (at->flags & RHI_REGION_EXECUTE)
            return true;
    return false;
}

/* Cores do not tell shared from private: what is there is searched. */
static enum rhi_worth worth_in_core(rhi_memory *memory, const rhi_region *region, bool is_module)
{
    uint8_t byte;
    bool is_writable = region->flags & RHI_REGION_WRITE;
    /* of a file that is not writable, the first page alone is there for its ELF header */
    if (!rhi__region_is_absent(memory, region))
        return is_memory(region->path) || is_writable ||
                       rhi__memory_read(memory, region->end - 1, &byte, 1)
                   ? RHI_WORTH_SEARCH
                   : RHI_WORTH_NOTHING;
    if (!is_memory(region->path) && (is_module || is_code(memory, region)))
        return RHI_WORTH_NOTHING; /* as on disk */
    if (!is_memory(region->path) && !is_writable)
        return rhi__is_file_of_system(region->path) ? RHI_WORTH_NOTHING : RHI_WORTH_FILE;
    bool is_accessible = region->flags & (RHI_REGION_READ | RHI_REGION_WRITE | RHI_REGION_EXECUTE);
    return is_accessible && !is_shadow(region) ? RHI_WORTH_MISSING : RHI_WORTH_UNUSED;
}

/* Of a file that is not writable now: has the program put anything into its pages? Those of a
 * shared one are the file's own: whether it could tells then. */
static bool was_written(const rhi_memory *memory, const rhi_region *region)
{
    return region->flags & RHI_REGION_SHARED
               ? !memory->has_usage || region->flags & RHI_REGION_MAY_WRITE
               : region->flags & RHI_REGION_COPIED;
}

static enum rhi_worth worth_in_process(const rhi_memory *memory, const rhi_region *region)
{
    uint64_t size = region->end - region->start;
    bool is_shared = region->flags & RHI_REGION_SHARED, is_used = region->flags & RHI_REGION_USED;
    bool is_readable = region->flags & (RHI_REGION_READ | RHI_REGION_WRITE);
    if (!is_memory(region->path) && !(region->flags & RHI_REGION_WRITE) &&
        !was_written(memory, region))
        return RHI_WORTH_NOTHING;
    if (is_shared)
        return size >= HUGE_BYTES ? RHI_WORTH_MISSING : RHI_WORTH_SEARCH;
    if (memory->has_usage && !is_used && (size >= HUGE_BYTES || !is_readable))
        return RHI_WORTH_NOTHING;
    if (size >= TOO_HUGE_BYTES) /* a sanitizer's shadow: it holds no pointers */
        return region->flags & RHI_REGION_EXCLUDED ? RHI_WORTH_NOTHING : RHI_WORTH_MISSING;
    return size >= HUGE_BYTES && !is_readable && !memory->has_usage ? RHI_WORTH_MISSING
                                                                    : RHI_WORTH_SEARCH;
}

enum rhi_worth rhi__region_worth(rhi_memory *memory, const rhi_region *region, bool is_module)
{
    if (is_device(region))
        return region->flags & RHI_REGION_WRITE ? RHI_WORTH_DEVICE : RHI_WORTH_NOTHING;
    if (is_kernels(region))
        return RHI_WORTH_NOTHING;
    return rhi__memory_is_core(memory) ? worth_in_core(memory, region, is_module)
                                       : worth_in_process(memory, region);
}
