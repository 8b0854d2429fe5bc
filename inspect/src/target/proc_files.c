/* proc_files.c - reads /proc/PID: smaps, pagemap, mem, fd, fdinfo, timers, status (see
 * proc_files.h). Invariant: a page that is not there is never made: memory that was never touched
 * stays so. */
#include "target/proc_files.h"
#include "base/array.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAGEMAP_ENTRIES = 4096, DESCRIPTORS_MAX = 1 << 16, WORDS_MAX = 1 << 20 };
#define PAGE_THERE (3ull << 62) /* in memory, or swapped out */

static int open_file(int64_t pid, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "/proc/%lld/%s", (long long)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- pages ---------------------------------------------------------------------------------- */

static void note_row(rhi_region *region, const char *line)
{
    unsigned long long size;
    if (sscanf(line, "Rss: %llu", &size) == 1 || sscanf(line, "Swap: %llu", &size) == 1)
        region->flags |= size ? RHI_REGION_USED : 0;
    if (sscanf(line, "Anonymous: %llu", &size) == 1 || sscanf(line, "Swap: %llu", &size) == 1)
        region->flags |= size ? RHI_REGION_COPIED : 0;
    if (strncmp(line, "VmFlags:", 8) == 0)
        region->flags |= (strstr(line, " dd") ? RHI_REGION_EXCLUDED : 0) |
                         (strstr(line, " mw") ? RHI_REGION_MAY_WRITE : 0) |
                         (strstr(line, " io") || strstr(line, " pf") ? RHI_REGION_DEVICE : 0);
}

bool rhi__note_usage(int64_t pid, struct rhi_sink *map)
{
    int file = open_file(pid, "smaps");
    FILE *stream = file < 0 ? NULL : fdopen(file, "r");
    char *line = NULL;
    size_t line_size = 0;
    unsigned long long start, end;
    uint64_t at = 0;
    rhi_region *region = NULL;
    if (!stream)
        return false;
    while (getline(&line, &line_size, stream) > 0) {
        if (sscanf(line, "%llx-%llx ", &start, &end) == 2) { /* both lists are sorted */
            while (at < map->regions.count && map->regions.items[at].start < start)
                at++;
            region = at < map->regions.count && map->regions.items[at].start == start
                         ? &map->regions.items[at]
                         : NULL;
        } else if (region) {
            note_row(region, line);
        }
    }
    free(line);
    fclose(stream);
    return true;
}

uint64_t rhi__page_after(int64_t pid, uint64_t address, uint64_t end)
{
    uint64_t entries[PAGEMAP_ENTRIES], page_size = (uint64_t)sysconf(_SC_PAGESIZE),
                                       page = address / page_size + 1, found = 0;
    int file = open_file(pid, "pagemap");
    while (file >= 0 && !found) {
        uint64_t left = end / page_size > page ? end / page_size - page : 0,
                 count = left < PAGEMAP_ENTRIES ? left : PAGEMAP_ENTRIES;
        ssize_t got = count ? pread(file, entries, count * 8, (off_t)(page * 8)) : 0;
        if (count == 0)
            found = end;
        else if (got < 8)
            break;
        for (uint64_t i = 0; !found && i < (uint64_t)got / 8; i++, page++)
            found = entries[i] & PAGE_THERE ? page * page_size : 0;
    }
    if (file >= 0)
        close(file);
    return found;
}

uint64_t rhi__read_page_by_force(int64_t pid, uint64_t address, void *buffer, uint64_t size)
{
    uint64_t page_size = (uint64_t)sysconf(_SC_PAGESIZE), first = address / page_size, entries[256],
             done = 0;
    uint64_t count = (address % page_size + size + page_size - 1) / page_size;
    int pages = open_file(pid, "pagemap"), file = -1;
    ssize_t got = pages < 0 || size == 0
                      ? 0
                      : pread(pages, entries, (count < 256 ? count : 256) * 8, (off_t)(first * 8));
    uint64_t there = 0;
    while (got > 0 && there < (uint64_t)got / 8 && entries[there] & PAGE_THERE)
        there++;
    if (there && (file = open_file(pid, "mem")) >= 0) {
        uint64_t room = there * page_size - address % page_size;
        got = pread(file, buffer, size < room ? size : room, (off_t)address);
        done = got > 0 ? (uint64_t)got : 0;
        close(file);
    }
    if (pages >= 0)
        close(pages);
    return done;
}

/* ---- what the kernel keeps ------------------------------------------------------------------ */

static bool add_word(rhi_kernel_words *found, uint64_t value, const char *name)
{
    if (value == 0 || found->words.count >= WORDS_MAX)
        return true;
    if (!rhi__array_reserve(&found->words, 1))
        return false;
    rhi_kernel_word *word = &found->words.items[found->words.count++];
    word->value = value;
    snprintf(word->name, sizeof word->name, "%s", name);
    return true;
}

static void add_unseen(rhi_kernel_words *found, const char *what, const char *descriptor)
{
    size_t used = strlen(found->unseen);
    snprintf(found->unseen + used, sizeof found->unseen - used, "%s%s%s%s", used ? ", " : "", what,
             descriptor ? " fd " : "", descriptor ? descriptor : "");
}

/* "tfd: 7 events: 19 data: 7f…": epoll_data of each descriptor that is watched. */
static bool read_epoll(int64_t pid, const char *descriptor, rhi_kernel_words *found)
{
    char path[64], name[56], *line = NULL;
    size_t line_size = 0;
    bool done = true;
    snprintf(path, sizeof path, "fdinfo/%.20s", descriptor);
    int file = open_file(pid, path), watched;
    FILE *stream = file < 0 ? NULL : fdopen(file, "r");
    uint64_t data;
    if (!stream) {
        add_unseen(found, "epoll", descriptor);
        return true;
    }
    while (done && getline(&line, &line_size, stream) > 0)
        if (sscanf(line, "tfd: %d events: %*x data: %" SCNx64, &watched, &data) == 2) {
            snprintf(name, sizeof name, "epoll fd %.10s, watching fd %d", descriptor, watched);
            done = add_word(found, data, name);
        }
    free(line);
    fclose(stream);
    return done;
}

static bool read_descriptors(int64_t pid, rhi_kernel_words *found)
{
    int folder = open_file(pid, "fd");
    DIR *descriptors = folder < 0 ? NULL : fdopendir(folder);
    bool done = true;
    unsigned count = 0;
    if (!descriptors)
        return true;
    for (struct dirent *entry; done && count < DESCRIPTORS_MAX && (entry = readdir(descriptors));
         count++) {
        char target[64];
        ssize_t size = readlinkat(dirfd(descriptors), entry->d_name, target, sizeof target - 1);
        target[size > 0 ? size : 0] = '\0';
        if (strcmp(target, "anon_inode:[eventpoll]") == 0)
            done = read_epoll(pid, entry->d_name, found);
        else if (strcmp(target, "anon_inode:[io_uring]") == 0)
            add_unseen(found, "io_uring", entry->d_name);
    }
    closedir(descriptors);
    return done;
}

/* "ID: 0", then "signal: 14/00007f…": sigev_value of each POSIX timer. */
static bool read_timers(int64_t pid, rhi_kernel_words *found)
{
    char name[56], *line = NULL;
    size_t line_size = 0;
    int file = open_file(pid, "timers"), id = 0;
    FILE *stream = file < 0 ? NULL : fdopen(file, "r");
    uint64_t value;
    bool done = true;
    while (stream && done && getline(&line, &line_size, stream) > 0) {
        if (sscanf(line, "ID: %d", &id) == 1)
            continue;
        if (sscanf(line, "signal: %*d/%" SCNx64, &value) == 1) {
            snprintf(name, sizeof name, "sigev_value of timer %d", id);
            done = add_word(found, value, name);
        }
    }
    free(line);
    if (stream)
        fclose(stream);
    return done;
}

bool rhi__read_kernel_words(int64_t pid, rhi_kernel_words *found)
{
    *found = (rhi_kernel_words){0};
    return read_descriptors(pid, found) && read_timers(pid, found);
}

/* ---- what the kernel forbids ---------------------------------------------------------------- */

static bool is_thread_sealed(int64_t pid, const char *thread)
{
    char name[64], line[256];
    unsigned mode = 0;
    snprintf(name, sizeof name, "task/%.20s/status", thread);
    int file = open_file(pid, name);
    FILE *stream = file < 0 ? NULL : fdopen(file, "r");
    while (stream && fgets(line, sizeof line, stream) && sscanf(line, "Seccomp: %u", &mode) != 1)
        ;
    if (stream)
        fclose(stream);
    return mode != 0;
}

bool rhi__is_sealed(int64_t pid)
{
    int file = open_file(pid, "task");
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    const struct dirent *entry;
    bool found = false;
    while (folder && !found && (entry = readdir(folder)) != NULL)
        found = entry->d_name[0] != '.' && is_thread_sealed(pid, entry->d_name);
    if (folder)
        closedir(folder);
    return found;
}
