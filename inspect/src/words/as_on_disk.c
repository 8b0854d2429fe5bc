/* as_on_disk.c - looks for addresses in files that were mapped (see as_on_disk.h). Invariant: which
 * files these are is a core's word: what is no regular file is not read, and only so much is. */
#include "words/as_on_disk.h"
#include "base/bytes.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_BYTES = 1 << 16, ADDRESS_BITS = 48 };

static bool is_newer(const rhi_memory *memory, const struct stat *file)
{
    const char *path = rhi__memory_core_path(memory);
    struct stat core;
    if (!path && memory->door)
        path = memory->door->core_path;
    if (!path || stat(path, &core) != 0)
        return true;
    return file->st_mtim.tv_sec != core.st_mtim.tv_sec
               ? file->st_mtim.tv_sec > core.st_mtim.tv_sec
               : file->st_mtim.tv_nsec > core.st_mtim.tv_nsec;
}

static bool has_address(rhi_memory *memory, const uint8_t *bytes, uint64_t size)
{
    for (uint64_t i = 0; i + 8 <= size; i += 8) {
        uint64_t value = rhi__load64(bytes + i);
        const rhi_region *region =
            value && value >> ADDRESS_BITS == 0 ? rhi__memory_region(memory, value) : NULL;
        if (region && region->flags & RHI_REGION_WRITE)
            return true;
    }
    return false;
}

static bool is_code(int file)
{
    char magic[SELFMAG];
    return pread(file, magic, sizeof magic, 0) == SELFMAG && memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static bool search_file(rhi_memory *memory, int file, uint64_t offset, uint64_t size)
{
    uint8_t bytes[STEP_BYTES];
    ssize_t got = 1;
    for (uint64_t done = 0; done < size && got > 0;) {
        uint64_t step = size - done < sizeof bytes ? size - done : sizeof bytes;
        got = pread(file, bytes, step, (off_t)(offset + done));
        if (got > 0 && has_address(memory, bytes, (uint64_t)got))
            return true;
        done += got > 0 ? (uint64_t)got : 0;
    }
    return got < 0;
}

/* An open file that may be read; -1: it is not to be had. */
static int open_file(const rhi_memory *memory, const char *path, struct stat *status)
{
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return -1;
    if (fstat(file, status) == 0 && S_ISREG(status->st_mode) && !is_newer(memory, status))
        return file;
    close(file);
    return -1;
}

bool rhi__is_file_of_system(const char *path)
{
    static const char *const folders[] = {"/usr/", "/lib/", "/lib64/"};
    for (unsigned i = 0; i < sizeof folders / sizeof *folders; i++)
        if (strncmp(path, folders[i], strlen(folders[i])) == 0)
            return strncmp(path, "/usr/local/", strlen("/usr/local/")) != 0;
    return false;
}

bool rhi__file_has_no_address(rhi_memory *memory, const char *path, uint64_t offset, uint64_t size,
                              uint64_t *room)
{
    struct stat status;
    int file = open_file(memory, path, &status);
    if (file < 0)
        return false;
    bool has_none = is_code(file);
    uint64_t there = (uint64_t)status.st_size > offset ? (uint64_t)status.st_size - offset : 0;
    size = size < there ? size : there;
    if (!has_none && size <= *room) {
        *room -= size;
        has_none = !search_file(memory, file, offset, size);
    }
    close(file);
    return has_none;
}
