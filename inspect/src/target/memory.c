/* memory.c - regions, threads and bulk reads over the target seam (see memory.h). */
#include "target/memory.h"
#include "base/array.h"
#include "target/proc_files.h"
#include "target/vectors.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* ---- the sink ------------------------------------------------------------------------------- */

void rhi_sink_region(rhi_sink *sink, uint64_t start, uint64_t end, uint32_t flags,
                     uint64_t file_offset, const char *path)
{
    if (start >= end)
        return;
    char *copy = strdup(path ? path : "");
    if (!copy || !rhi__array_reserve(&sink->regions, 1)) {
        free(copy);
        sink->out_of_memory = true;
        return;
    }
    sink->regions.items[sink->regions.count++] = (rhi_region){
        .start = start, .end = end, .file_offset = file_offset, .flags = flags, .path = copy};
}

void rhi_sink_thread(rhi_sink *sink, uint64_t lwp, uint64_t stack_pointer)
{
    if (!rhi__array_reserve(&sink->threads, 1)) {
        sink->out_of_memory = true;
        return;
    }
    sink->threads.items[sink->threads.count++] =
        (rhi_thread){.lwp = lwp,
                     .stack_pointer = stack_pointer,
                     .first_register = (uint32_t)sink->registers.count};
}

void rhi_sink_register(rhi_sink *sink, const char *name, uint64_t value)
{
    if (sink->threads.count == 0 || sink->registers.count >= UINT32_MAX ||
        !rhi__array_reserve(&sink->registers, 1)) {
        sink->out_of_memory |= sink->threads.count != 0;
        return;
    }
    rhi_register *added = &sink->registers.items[sink->registers.count++];
    snprintf(added->name, sizeof added->name, "%s", name ? name : "?");
    added->value = value;
    sink->threads.items[sink->threads.count - 1].register_count++;
}

void rhi__sink_clear(struct rhi_sink *sink)
{
    for (uint64_t i = 0; i < sink->regions.count; i++)
        free(sink->regions.items[i].path);
    free(sink->regions.items);
    free(sink->threads.items);
    free(sink->registers.items);
    memset(sink, 0, sizeof *sink);
}

static int region_order(const void *left, const void *right)
{
    const rhi_region *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

/* Sorts the regions and cuts what overlaps: the map may come from a hostile core. */
static void normalize_regions(struct rhi_sink *sink)
{
    if (sink->regions.count == 0)
        return;
    qsort(sink->regions.items, sink->regions.count, sizeof *sink->regions.items, region_order);
    uint64_t kept = 0, end = 0;
    for (uint64_t i = 0; i < sink->regions.count; i++) {
        rhi_region region = sink->regions.items[i];
        if (region.start < end) {
            region.file_offset += end - region.start;
            region.start = end;
        }
        if (region.start >= region.end) {
            free(region.path);
            continue;
        }
        end = region.end;
        sink->regions.items[kept++] = region;
    }
    sink->regions.count = kept;
}

/* ---- opening -------------------------------------------------------------------------------- */

static const rhi_target *way(const rhi_memory *memory)
{
    return memory->is_direct ? &memory->direct : memory->door;
}

static int register_order(const void *left, const void *right)
{
    return strcmp(((const rhi_register *)left)->name, ((const rhi_register *)right)->name);
}

/* Registers in one order, whatever door reports them. */
static void sort_registers(struct rhi_sink *sink)
{
    for (uint64_t i = 0; i < sink->threads.count; i++)
        if (sink->threads.items[i].register_count)
            qsort(sink->registers.items + sink->threads.items[i].first_register,
                  sink->threads.items[i].register_count, sizeof *sink->registers.items,
                  register_order);
}

static rhi_error *read_map(rhi_memory *memory)
{
    rhi__sink_clear(&memory->map);
    const rhi_target *target = way(memory);
    if (target->regions(target->context, &memory->map) != 0 || memory->map.regions.count == 0)
        return rhi__core_truncated(target) ? rhi__error("%s", rhi__core_truncated(target))
                                           : rhi__error("no process and no core to read: run the "
                                                        "program, attach to it, or load its core");
    const rhi_target *threads = target->threads ? target : memory->door;
    memory->has_threads = threads->threads &&
                          threads->threads(threads->context, &memory->map) == 0 &&
                          memory->map.threads.count > 0;
    if (memory->map.out_of_memory)
        return rhi__error_memory();
    normalize_regions(&memory->map);
    sort_registers(&memory->map);
    rhi__forget_dead_vectors(memory);
    return NULL;
}

rhi_error *rhi__memory_open(rhi_memory *memory, const rhi_target *door)
{
    memset(memory, 0, sizeof *memory);
    memory->door = door;
    /* A door whose reads are the engine's own needs no second way. */
    if (rhi__core_state(door))
        memory->is_direct = false;
    else if (door->core_path)
        memory->is_direct = rhi_target_open_core(door->core_path, door->exe_path, &memory->direct,
                                                 memory->refused, sizeof memory->refused) == 0;
    else if (door->pid > 0)
        memory->is_direct = rhi__process_open_stopped(door->pid, &memory->direct, memory->refused,
                                                      sizeof memory->refused) == 0;
    /* before the map: what is cut off from here on has another state */
    memory->core_state = rhi__core_state(way(memory));
    /* also for a debugger's reads of it, if they are preferred */
    memory->core_bytes = rhi__core_bytes(way(memory));
    rhi_error *error = read_map(memory);
    if (rhi__core_truncated(way(memory)))
        snprintf(memory->truncated, sizeof memory->truncated, "%s",
                 rhi__core_truncated(way(memory)));
    if (error && memory->is_direct) {
        rhi__error_free(error);
        error = rhi__memory_use_door(memory);
    }
    if (error)
        rhi__memory_close(memory);
    return error;
}

void rhi__memory_close(rhi_memory *memory)
{
    if (memory->is_direct)
        rhi_target_close(&memory->direct);
    rhi__sink_clear(&memory->map);
    rhi__memory_drop_pages(memory);
    memset(memory, 0, sizeof *memory);
}

rhi_error *rhi__memory_use_door(rhi_memory *memory)
{
    if (memory->is_direct) {
        rhi_target_close(&memory->direct);
        memory->is_direct = false;
    }
    return read_map(memory);
}

bool rhi__memory_ways_agree(rhi_memory *memory, uint64_t address, uint64_t size)
{
    if (!memory->is_direct)
        return true;
    uint8_t direct[256], door[256];
    if (size > sizeof direct)
        size = sizeof direct;
    uint64_t direct_got = memory->direct.read(memory->direct.context, address, direct, size);
    if (direct_got < size && rhi__core_state(&memory->direct) &&
        rhi__core_truncated(&memory->direct))
        /* a debugger that has mapped the file would die of reading what was cut off, perhaps
         * just now */
        return true;
    uint64_t door_got = memory->door->read(memory->door->context, address, door, size);
    return direct_got == size && door_got == size && memcmp(direct, door, size) == 0;
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

enum { KEPT_BYTES = 4096, PAGES_KEPT = 1 << 14, SMALL_BYTES = 1024 };

struct rhi_pages {
    uint64_t held[PAGES_KEPT]; /* which page is in each place, counted from 1; 0: none */
    uint8_t bytes[PAGES_KEPT][KEPT_BYTES];
};

void rhi__memory_keep_pages(rhi_memory *memory)
{
    if (!memory->pages)
        /* so much of it is touched as is used; without it, it is slower */
        memory->pages = calloc(1, sizeof *memory->pages);
}

void rhi__memory_drop_pages(rhi_memory *memory)
{
    free(memory->pages);
    memory->pages = NULL;
}

/* From a page that is kept; false: it must be read as it is. */
static bool read_kept(rhi_memory *memory, uint64_t address, void *buffer, uint64_t size)
{
    uint64_t page = address / KEPT_BYTES, offset = address % KEPT_BYTES, place = page % PAGES_KEPT;
    const rhi_target *target = way(memory);
    if (size > SMALL_BYTES || offset + size > KEPT_BYTES)
        return false;
    if (memory->pages->held[place] != page + 1) {
        memory->pages->held[place] = 0;
        if (target->read(target->context, page * KEPT_BYTES, memory->pages->bytes[place],
                         KEPT_BYTES) != KEPT_BYTES)
            return false;
        memory->pages->held[place] = page + 1;
    }
    memcpy(buffer, memory->pages->bytes[place] + offset, size);
    return true;
}

uint64_t rhi__memory_read(rhi_memory *memory, uint64_t address, void *buffer, uint64_t size)
{
    const rhi_target *target = way(memory);
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
    uint64_t next = rhi__core_hole_end(way(memory), address);
    if (next <= address && memory->has_usage)
        next = rhi__page_after(rhi__memory_process(memory), address, end);
    if (next <= address)
        next = (address | 4095) + 1;
    return next <= address || next > end ? end : next;
}

uint64_t rhi__memory_data_start(const rhi_memory *memory, uint64_t address, uint64_t end)
{
    uint64_t start = rhi__core_data_start(way(memory), address);
    return start < end ? start : end;
}

uint64_t rhi__memory_data_end(const rhi_memory *memory, uint64_t address, uint64_t end)
{
    uint64_t hole = rhi__core_data_end(way(memory), address);
    return hole < end ? hole : end;
}

bool rhi__memory_is_core(const rhi_memory *memory)
{
    return rhi__core_hole_end(way(memory), 0) != 0;
}

int rhi__memory_process(const rhi_memory *memory)
{
    return rhi__process_id(way(memory));
}

bool rhi__memory_lists_all(const rhi_memory *memory)
{
    return rhi__core_lists_all(way(memory));
}

const char *rhi__memory_file(const rhi_memory *memory, uint64_t address)
{
    const rhi_region *region = rhi__memory_region(memory, address);
    return region && region->path[0] == '/' ? region->path : rhi__core_file(way(memory), address);
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
    uint64_t low = 0, high = memory->map.regions.count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        const rhi_region *region = &memory->map.regions.items[middle];
        if (address < region->start)
            high = middle;
        else if (address >= region->end)
            low = middle + 1;
        else
            return region;
    }
    return NULL;
}
