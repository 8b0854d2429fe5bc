/* memory.c - regions, threads and bulk reads over the target seam (see memory.h). */
#include "target/memory.h"
#include "base/search.h"
#include "target/ops.h"
#include "target/proc_files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct rhi_target_ops *ops(const rhi_memory *memory)
{
    return rhi__target_ops(rhi__memory_source(memory));
}

static void *context(const rhi_memory *memory)
{
    return rhi__memory_source(memory)->context;
}

void rhi_target_close(rhi_target *target)
{
    if (rhi__target_ops(target)->close)
        rhi__target_ops(target)->close(target->context);
    memset(target, 0, sizeof *target);
}

void rhi__memory_close(rhi_memory *memory)
{
    if (memory->is_direct)
        rhi_target_close(&memory->direct);
    rhi__sink_clear(&memory->map);
    rhi__memory_drop_pages(memory);
    memset(memory, 0, sizeof *memory);
}

/* ---- reading -------------------------------------------------------------------------------- */

enum {
    READ_STEP_BYTES = 1 << 20, /* the size at which debuggers read fastest */
    READ_COST_BYTES = 1 << 16,
    READS_PER_POLL = 64
};

static bool is_stopped(rhi_memory *memory, uint64_t size)
{
    if (!memory->work)
        return false;
    memory->reads += 1 + (uint32_t)(size / READ_COST_BYTES);
    if (memory->reads < READS_PER_POLL)
        return memory->work->is_stopped;
    memory->reads = 0;
    return rhi__work_stopped(memory->work);
}

enum { KEPT_BYTES = 4096, PAGES_KEPT = 1 << 14, GROUP_PAGES = 16, SMALL_BYTES = 1024 };

struct rhi_pages {
    uint64_t held[PAGES_KEPT]; /* which page is in each place, counted from 1; 0: none */
    /* the places, in groups that are there once one of them is used */
    uint8_t (*groups[PAGES_KEPT / GROUP_PAGES])[KEPT_BYTES];
};

void rhi__memory_keep_pages(rhi_memory *memory)
{
    if (!memory->pages)
        memory->pages = calloc(1, sizeof *memory->pages); /* without it, it is slower */
}

void rhi__memory_drop_pages(rhi_memory *memory)
{
    if (memory->pages)
        for (size_t i = 0; i < PAGES_KEPT / GROUP_PAGES; i++)
            free(memory->pages->groups[i]);
    free(memory->pages);
    memory->pages = NULL;
}

/* The bytes of a place; NULL: there is no room for them. */
static uint8_t *bytes_of_place(struct rhi_pages *pages, uint64_t place)
{
    uint8_t(**group)[KEPT_BYTES] = &pages->groups[place / GROUP_PAGES];
    if (!*group)
        *group = malloc(GROUP_PAGES * sizeof **group);
    return *group ? (*group)[place % GROUP_PAGES] : NULL;
}

/* From a page that is kept; false: it must be read as it is. */
static bool read_kept(rhi_memory *memory, uint64_t address, void *buffer, uint64_t size)
{
    uint64_t page = address / KEPT_BYTES, offset = address % KEPT_BYTES, place = page % PAGES_KEPT;
    const rhi_target *target = rhi__memory_source(memory);
    if (size > SMALL_BYTES || offset + size > KEPT_BYTES)
        return false;
    uint8_t *bytes = bytes_of_place(memory->pages, place);
    if (!bytes)
        return false;
    if (memory->pages->held[place] != page + 1) {
        memory->pages->held[place] = 0;
        if (target->read(target->context, page * KEPT_BYTES, bytes, KEPT_BYTES) != KEPT_BYTES)
            return false;
        memory->pages->held[place] = page + 1;
    }
    memcpy(buffer, bytes + offset, size);
    return true;
}

uint64_t rhi__memory_read(rhi_memory *memory, uint64_t address, void *buffer, uint64_t size)
{
    const rhi_target *target = rhi__memory_source(memory);
    uint64_t done = 0;
    if (memory->pages && read_kept(memory, address, buffer, size))
        return size;
    if (!rhi__range_ok(address, size))
        size = UINT64_MAX - address;
    while (done < size) {
        uint64_t step = size - done < READ_STEP_BYTES ? size - done : READ_STEP_BYTES;
        uint64_t got = is_stopped(memory, step) ? 0
                                                : target->read(target->context, address + done,
                                                               (uint8_t *)buffer + done, step);
        done += got < step ? got : step;
        if (got < step)
            break;
    }
    return done;
}

bool rhi__memory_is_writable(const rhi_memory *memory)
{
    return memory->door->write != NULL;
}

/* The door's own way, whatever is read directly: a debugger keeps copies of what it has read. */
bool rhi__memory_write(rhi_memory *memory, uint64_t address, const void *bytes, uint64_t size)
{
    enum { WRITTEN_MAX = 64 };
    uint8_t found[WRITTEN_MAX];
    const rhi_target *door = memory->door;
    rhi__memory_drop_pages(memory);
    return size <= WRITTEN_MAX && door->write &&
           door->write(door->context, address, bytes, size) == size &&
           rhi__memory_read(memory, address, found, size) == size &&
           memcmp(found, bytes, size) == 0;
}

/* Zeros in a buffer from malloc, which take no memory where they are many. */
static void put_zeros(uint8_t *bytes, uint64_t size)
{
    enum { PAGE_BYTES = 1 << 16 }; /* the largest of any kernel */
    uint64_t before = -(uintptr_t)bytes % PAGE_BYTES,
             pages = size > before ? (size - before) / PAGE_BYTES * PAGE_BYTES : 0;
    if (pages == 0 || madvise(bytes + before, pages, MADV_DONTNEED) != 0) {
        memset(bytes, 0, size);
        return;
    }
    memset(bytes, 0, before);
    memset(bytes + before + pages, 0, size - before - pages);
}

/* Bytes for a view, up to the first unreadable one. Holes of a sparse core are not read. */
static uint64_t read_view(rhi_memory *memory, uint64_t address, uint8_t *bytes, uint64_t size)
{
    for (uint64_t done = 0, step, got; done < size; done += got) {
        uint64_t data = size > READ_STEP_BYTES
                            ? rhi__memory_data_start(memory, address + done, address + size)
                            : address + done;
        put_zeros(bytes + done, data - address - done);
        done = data - address;
        step = size - done < READ_STEP_BYTES ? size - done : READ_STEP_BYTES;
        got = rhi__memory_read(memory, data, bytes + done, step);
        if (got < step)
            return done + got;
    }
    return size;
}

const uint8_t *rhi__memory_view(rhi_memory *memory, uint64_t address, uint64_t size,
                                rhi_scratch *scratch, uint64_t *got)
{
    /* Room grows with what was really read: `size` may be a corrupt length of many gigabytes. */
    uint64_t done = 0;
    while (done < size) {
        uint64_t room = done + (done < READ_STEP_BYTES ? READ_STEP_BYTES : done);
        if (room > size || room < done)
            room = size;
        if (scratch->capacity < room) {
            void *grown = realloc(scratch->bytes, room);
            if (!grown) {
                memory->is_short = true;
                *got = 0;
                return NULL;
            }
            scratch->bytes = grown;
            scratch->capacity = room;
        }
        uint64_t step =
            read_view(memory, address + done, (uint8_t *)scratch->bytes + done, room - done);
        done += step;
        if (done < room)
            break;
    }
    *got = done;
    return done ? scratch->bytes : NULL;
}

uint64_t rhi__memory_hole_end(const rhi_memory *memory, uint64_t address, uint64_t end)
{
    const struct rhi_target_ops *o = ops(memory);
    uint64_t next = o->hole_end ? o->hole_end(context(memory), address) : 0;
    if (next <= address && memory->has_usage)
        next = rhi__page_after(rhi__memory_process(memory), address, end);
    if (next <= address)
        next = (address | 4095) + 1;
    return next <= address || next > end ? end : next;
}

uint64_t rhi__memory_data_start(const rhi_memory *memory, uint64_t address, uint64_t end)
{
    const struct rhi_target_ops *o = ops(memory);
    uint64_t start = o->data_start ? o->data_start(context(memory), address) : address;
    return start < end ? start : end;
}

uint64_t rhi__memory_data_end(const rhi_memory *memory, uint64_t address, uint64_t end)
{
    const struct rhi_target_ops *o = ops(memory);
    uint64_t hole = o->data_end ? o->data_end(context(memory), address) : UINT64_MAX;
    return hole < end ? hole : end;
}

bool rhi__memory_is_core(const rhi_memory *memory)
{
    return ops(memory)->state != NULL;
}

const char *rhi__memory_core_path(const rhi_memory *memory)
{
    return ops(memory)->path ? ops(memory)->path(context(memory)) : NULL;
}

int rhi__memory_process(const rhi_memory *memory)
{
    return ops(memory)->process_id ? ops(memory)->process_id(context(memory)) : 0;
}

rhi_identity rhi__memory_identity(const rhi_memory *memory)
{
    return ops(memory)->identity ? ops(memory)->identity(context(memory)) : (rhi_identity){0};
}

bool rhi__memory_is_gone(const rhi_memory *memory)
{
    return ops(memory)->is_gone && ops(memory)->is_gone(context(memory));
}

uint64_t rhi__memory_core_state(const rhi_memory *memory)
{
    return ops(memory)->state ? ops(memory)->state(context(memory)) : 0;
}

bool rhi__memory_lists_all(const rhi_memory *memory)
{
    return !ops(memory)->lists_all || ops(memory)->lists_all(context(memory));
}

const char *rhi__memory_file(const rhi_memory *memory, uint64_t address)
{
    const rhi_region *region = rhi__memory_region(memory, address);
    if (region && region->path[0] == '/')
        return region->path;
    return ops(memory)->file ? ops(memory)->file(context(memory), address) : NULL;
}

void rhi__memory_note_usage(rhi_memory *memory)
{
    int64_t pid = rhi__memory_process(memory);
    if (pid && !memory->has_usage)
        memory->has_usage = rhi__note_usage(pid, &memory->map);
}

void rhi__scratch_free(rhi_scratch *scratch)
{
    free(scratch->bytes);
    *scratch = (rhi_scratch){0};
}

bool rhi__memory_u64(rhi_memory *memory, uint64_t address, uint64_t *value)
{
    uint8_t bytes[8];
    if (rhi__memory_read(memory, address, bytes, sizeof bytes) != sizeof bytes)
        return false;
    *value = rhi__load64(bytes);
    return true;
}

bool rhi__memory_text(rhi_memory *memory, uint64_t address, char *text, size_t size)
{
    uint64_t got = rhi__memory_read(memory, address, text, size - 1);
    if (got == 0)
        return false;
    /* without an end it was cut, perhaps inside a character */
    uint64_t length = strnlen(text, got);
    text[rhi__clean(text, length < got ? length : rhi__whole_characters(text, got))] = '\0';
    return true;
}

bool rhi__memory_name(rhi_memory *memory, uint64_t address, char name[RHI_NAME_SIZE])
{
    enum { LONGEST = 4096 };
    char full[LONGEST];
    uint64_t got = rhi__memory_read(memory, address, full, RHI_NAME_SIZE),
             length = strnlen(full, got);
    if (got == RHI_NAME_SIZE && length == got) {
        got += rhi__memory_read(memory, address + got, full + got, sizeof full - got);
        length = strnlen(full, got);
    }
    rhi__cut_name(full, length, name);
    return got > 0;
}

const rhi_region *rhi__memory_region(const rhi_memory *memory, uint64_t address)
{
    return rhi__piece_at(&memory->map.regions, address);
}
