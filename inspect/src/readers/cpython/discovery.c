/* discovery.c - finds every _PyRuntime of the target by its looks, in the data of its modules (see
 * python.h).
 *
 * A core has no symbols, and a stripped program few: so the first bytes of _PyRuntime are looked
 * for, and runtime.c holds what they lead to against what must be true in every Python. It is a
 * variable of a program or a library: only their data is looked through, the zeroed part included,
 * and no heap, however large. */
#include "base/array.h"
#include "readers/cpython/python.h"
#include "target/modules.h"

#include <elf.h>
#include <string.h>

enum {
    SCAN_STEP_BYTES = 1 << 20,
    HEAD_BYTES = 64, /* of _PyRuntime, that are looked at */
    /* of zeroed data whose end no program header tells */
    ZEROED_BYTES_MAX = 16 << 20,
    /* where no file is named: of all that could be data */
    NAMELESS_BYTES_MAX = 512 << 20
};
#define COOKIE 0x7970677562656478ull /* "xdebugpy" */

typedef struct search {
    rhi_reader *reader;
    rhi_memory *memory;
    py_runtimes *found;
    rhi_scratch scratch;
    bool is_short;
} search;

/* ---- one place ------------------------------------------------------------------------------ */

static bool is_flag(uint32_t value)
{
    return value <= 1;
}

static bool is_pointer(uint64_t value)
{
    return value >= 1 << 16 && value % 8 == 0 && value < 1ull << 56;
}

/* A mutex, the newest interpreter, the main one, the number of the next. */
static bool is_interpreters(const uint8_t *bytes)
{
    uint64_t next_id = rhi__load64(bytes + 24);
    return is_pointer(rhi__load64(bytes)) && is_pointer(rhi__load64(bytes + 8)) &&
           is_pointer(rhi__load64(bytes + 16)) && next_id >= 1 && next_id < 1ull << 40;
}

/* The oldest version whose _PyRuntime may begin so; 0: none. Whether it is preinitialized is the
 * second number up to 3.10, and the third from 3.11 on: one load refuses nearly every place. */
static unsigned looks_like(const uint8_t *bytes)
{
    uint64_t first = rhi__load64(bytes), second = rhi__load64(bytes + 8);
    if (first == COOKIE)
        return 13;
    if (first >> 32 == 1 && is_flag((uint32_t)first) && is_flag((uint32_t)second) &&
        is_flag((uint32_t)(second >> 32)) && is_interpreters(bytes + 24))
        return 9;
    if ((uint32_t)second == 1 && is_flag((uint32_t)(second >> 32)) && is_flag((uint32_t)first) &&
        is_flag((uint32_t)(first >> 32)) && is_interpreters(bytes + 32))
        return 11;
    return 0;
}

static bool is_known(const search *s, uint64_t address)
{
    for (uint64_t i = 0; i < s->found->items.count; i++)
        if (s->found->items.items[i]->address == address)
            return true;
    return false;
}

/* Versions whose _PyRuntime begins alike are tried one after the other. */
static void take(search *s, uint64_t address, unsigned oldest)
{
    char reason[PY_REASON_SIZE] = "";
    unsigned newest = oldest == 11 ? 12 : oldest == 9 ? 10 : oldest;
    if (is_known(s, address))
        return;
    for (unsigned minor = oldest; minor <= newest; minor++) {
        py_runtime *py;
        enum py_verdict verdict = rhi__py_runtime_open(s->reader, address, minor, &py, reason);
        s->is_short |= verdict == PY_NO_MEMORY;
        if (verdict != PY_IS_ONE)
            continue;
        if (rhi__array_reserve(&s->found->items, 1)) {
            s->found->items.items[s->found->items.count++] = py;
        } else {
            s->is_short = true;
            rhi__py_runtime_free(py);
        }
        return;
    }
    if (reason[0])
        rhi__reader_problem(s->reader, "%s", reason);
}

/* ---- where it may lie ----------------------------------------------------------------------- */

static uint64_t up_to_word(uint64_t address, uint64_t end)
{
    return end - address > 7 ? (address + 7) & ~7ull : end;
}

static rhi_error *scan(search *s, uint64_t start, uint64_t end)
{
    uint64_t got;
    for (uint64_t at = up_to_word(start, end); at < end;) {
        at = rhi__memory_data_start(s->memory, at, end) & ~7ull;
        uint64_t size = end - at < SCAN_STEP_BYTES ? end - at : SCAN_STEP_BYTES;
        if (s->memory->work && rhi__work_stopped(s->memory->work))
            return rhi__error_cancelled();
        const uint8_t *bytes = rhi__memory_view(s->memory, at, size, &s->scratch, &got);
        for (uint64_t offset = 0; bytes && offset + HEAD_BYTES <= got; offset += 8) {
            unsigned oldest = looks_like(bytes + offset);
            if (oldest)
                take(s, at + offset, oldest);
        }
        if (got < size)
            at = up_to_word(rhi__memory_hole_end(s->memory, at + got, end), end);
        else
            at = at + size == end ? end : at + size - HEAD_BYTES;
    }
    return s->is_short ? rhi__error_memory() : NULL;
}

static bool is_private_writable(const rhi_region *region)
{
    return region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED);
}

static bool segment_end(void *context, const rhi_segment *segment)
{
    uint64_t *end = context;
    if (segment->type == PT_LOAD && segment->end > *end)
        *end = segment->end;
    return true;
}

/* Where the module's zeroed data ends, that begins at the end of its region `data`: it may be
 * followed by other memory without a gap. */
static uint64_t zeroed_end(search *s, const rhi_region *data)
{
    const rhi_region *all = s->memory->map.regions.items, *first = data;
    uint64_t end = 0;
    while (first > all && (first->file_offset != 0 || strcmp(first->path, data->path) != 0))
        first--;
    if (strcmp(first->path, data->path) == 0)
        rhi__each_segment(s->memory, first->start, segment_end, &end);
    return end > data->end && end - data->end < 1ull << 40 ? end : data->end + ZEROED_BYTES_MAX;
}

/* The data of modules: what is private of their files and may be written to, and the zeroed part
 * right behind it. *named: a file is. */
static rhi_error *scan_modules(search *s, bool *named)
{
    const struct rhi_sink *map = &s->memory->map;
    const rhi_region *data = NULL; /* that the region at hand follows without a gap */
    uint64_t end = 0;
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *region = &map->regions.items[i];
        bool is_file = rhi__region_is_file(region);
        *named |= is_file;
        if (!is_private_writable(region) || (!is_file && region->path[0]) ||
            (!is_file && !(data && region[-1].end == region->start))) {
            data = NULL;
            continue;
        }
        if (is_file) {
            data = region;
            end = zeroed_end(s, data);
        }
        uint64_t stop = is_file || region->end < end ? region->end : end;
        if (stop > region->start)
            RHI_TRY(scan(s, region->start, stop));
    }
    return NULL;
}

/* A core without names of files: whatever could be data. */
static rhi_error *scan_nameless(search *s)
{
    const struct rhi_sink *map = &s->memory->map;
    uint64_t left = NAMELESS_BYTES_MAX;
    for (uint64_t i = 0; i < map->regions.count && left; i++) {
        const rhi_region *region = &map->regions.items[i];
        uint64_t size = region->end - region->start < left ? region->end - region->start : left;
        if (!is_private_writable(region))
            continue;
        RHI_TRY(scan(s, region->start, region->start + size));
        left -= size;
    }
    return NULL;
}

rhi_error *rhi__py_discover(rhi_reader *reader, py_runtimes *found)
{
    search s = {.reader = reader, .memory = reader->memory, .found = found};
    bool named = false;
    rhi_error *error = scan_modules(&s, &named);
    if (!error && !named)
        error = scan_nameless(&s);
    rhi__scratch_free(&s.scratch);
    return error;
}
