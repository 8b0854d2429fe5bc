/* discovery.c - finds every _PyRuntime of the target by its looks, in the data of its modules (see
 * python.h).
 *
 * A core has no symbols, and a stripped program few: so the first bytes of _PyRuntime are looked
 * for, and runtime.c holds what they lead to against what must be true in every Python. It is a
 * variable of a program or a library: only their data is looked through, the zeroed part included,
 * and no heap, however large; where no file has a name, whatever could be data. Exported symbols,
 * where there are any, tell of the Pythons that are not read. Invariant: what is refused is a
 * Python: a text or a file that speaks of one is none. */
#include "base/array.h"
#include "readers/cpython/python.h"
#include "target/modules.h"
#include "target/open.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SCAN_STEP_BYTES = 1 << 20,
    HEAD_BYTES = 80, /* of _PyRuntime, or of the collector's lists, that are looked at */
    /* of zeroed data whose end no program header tells */
    ZEROED_BYTES_MAX = 16 << 20,
    /* where no file is named: of all that could be data */
    NAMELESS_BYTES_MAX = 512 << 20,
    COMPARED_BYTES = 256
};
#define COOKIE 0x7970677562656478ull /* "xdebugpy" */

typedef struct search {
    rhi_reader *reader;
    rhi_memory *memory;
    py_runtimes *found;
    rhi_scratch scratch;
    uint64_t lists; /* of a collector, in the data of a module: somebody's; 0: none were seen */
    uint64_t most, left; /* bytes that may be scanned: of a module's data, and in all from now on */
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

/* Three times {first, last, u32 threshold, u32 count}; nobody changes the two other thresholds. */
static bool looks_like_lists(const uint8_t *bytes)
{
    return rhi__load32(bytes + 40) == 10 && rhi__load32(bytes + 64) == 10 &&
           is_pointer(rhi__load64(bytes)) && is_pointer(rhi__load64(bytes + 24)) &&
           is_pointer(rhi__load64(bytes + 48));
}

static bool is_known(const search *s, uint64_t address)
{
    for (uint64_t i = 0; i < s->found->items.count; i++)
        if (s->found->items.items[i]->address == address)
            return true;
    return false;
}

/* True if it is a Python, read or refused. */
static bool try_version(search *s, uint64_t address, unsigned minor)
{
    py_runtime *py;
    enum py_verdict verdict = rhi__py_runtime_open(s->reader, address, minor, &py);
    if (verdict == PY_IS_ONE && rhi__array_reserve(&s->found->items, 1)) {
        s->found->items.items[s->found->items.count++] = py;
    } else if (verdict == PY_IS_ONE) {
        rhi__py_runtime_free(py);
        verdict = PY_NO_MEMORY;
    }
    s->is_short |= verdict == PY_NO_MEMORY;
    return verdict != PY_NOT_ONE;
}

/* A _PyRuntime that was not taken: why? */
static void refuse_runtime(search *s, uint64_t address, unsigned minor, const char *version)
{
    char module[RHI_NAME_SIZE];
    uint8_t bytes[16];
    uint64_t head = address + rhi__py_offsets(minor)->interpreters_head;
    rhi__py_module_name(s->memory, address, module);
    if (rhi__memory_read(s->memory, head, bytes, sizeof bytes) == sizeof bytes &&
        (rhi__load64(bytes) | rhi__load64(bytes + 8)) == 0)
        rhi__reader_refuse(s->reader,
                           "%s in %.80s has no interpreter: none was made yet, or all have ended",
                           version, module);
    else
        rhi__reader_refuse(s->reader,
                           "%s in %.80s cannot be read: _PyRuntime does not lead to an interpreter "
                           "of CPython 3.%d to 3.%d that leads back",
                           version, module, PY_MINOR_MIN, PY_MINOR_MAX);
}

/* From 3.13 on: {cookie, version, whether it is free-threaded, the size of _PyRuntime, …}. True if
 * it is a Python. */
static bool take_published(search *s, uint64_t address)
{
    uint8_t bytes[48];
    char version[64];
    if (rhi__memory_read(s->memory, address, bytes, sizeof bytes) != sizeof bytes)
        return false;
    uint64_t hex = rhi__load64(bytes + 8), is_free_threaded = rhi__load64(bytes + 16),
             size = rhi__load64(bytes + 24);
    unsigned minor = hex >> 16 & 255;
    if (hex >> 24 != 3 || minor < 13 || is_free_threaded > 1 || size > 1 << 28 ||
        rhi__load64(bytes + 32) >= size || rhi__load64(bytes + 40) >= size)
        return false;
    snprintf(version, sizeof version, "%sPython 3.%u.%u", is_free_threaded ? "free-threaded " : "",
             minor, (unsigned)(hex >> 8 & 255));
    if (is_free_threaded || !rhi__py_offsets(minor))
        rhi__py_refuse_version(s->reader, address, version);
    else if (!try_version(s, address, minor))
        refuse_runtime(s, address, minor, version);
    return true;
}

/* Takes a place that looks like _PyRuntime of that version, or of one that begins alike. True if
 * it is a Python. */
static bool take(search *s, uint64_t address, unsigned oldest)
{
    if (is_known(s, address))
        return true;
    if (oldest == 13)
        return take_published(s, address);
    if (oldest == 11)
        return try_version(s, address, 11) || try_version(s, address, 12);
    if (try_version(s, address, 9)) /* 3.10 is told from it by what it says itself */
        return true;
    if (!rhi__py_is_3_8(s->memory, address))
        return false;
    rhi__py_refuse_version(s->reader, address, "Python 3.8");
    return true;
}

/* ---- exported symbols ----------------------------------------------------------------------- */

/* Of "python3.11", "libpython3.11d.so.1.0"; -1: it is not called as a Python is. */
static int minor_in_name(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    name += strncmp(name, "lib", 3) == 0 ? 3 : 0;
    if (strncmp(name, "python3.", 8) != 0)
        return -1;
    const char *minor = name + 8, *rest = minor + strspn(minor, "0123456789");
    size_t digits = (size_t)(rest - minor);
    rest += strspn(rest, "dmt"); /* debug, pymalloc (3.7), free-threaded */
    return digits && digits < 4 && (!*rest || strncmp(rest, ".so", 3) == 0) ? atoi(minor) : -1;
}

/* The _PyRuntime that a module exports was not taken: why? From 3.11 on the module has its version,
 * too; before, and where that cannot be read, its name may tell. One that has _PyRuntime alone is
 * no older than 3.7, and no newer than 3.10. */
static void explain(search *s, uint64_t start, uint64_t address)
{
    char version[32], module[RHI_NAME_SIZE];
    unsigned minor = PY_MINOR_MIN;
    uint64_t at;
    uint32_t hex;
    rhi__py_module_name(s->memory, start, module);
    int named = minor_in_name(module);
    bool says_it = rhi__module_symbol(s->memory, start, "Py_Version", &at);
    if (says_it && rhi__memory_read(s->memory, at, &hex, sizeof hex) == sizeof hex &&
        hex >> 24 == 3) {
        minor = hex >> 16 & 255;
        snprintf(version, sizeof version, "Python 3.%u.%u", minor, hex >> 8 & 255);
    } else if (named >= 0) {
        minor = (unsigned)named;
        snprintf(version, sizeof version, "Python 3.%u", minor);
    } else {
        minor = says_it ? 11 : PY_MINOR_MIN;
        snprintf(version, sizeof version, "Python 3.%s", says_it ? "11 or later" : "7 to 3.10");
    }
    if (rhi__py_offsets(minor))
        refuse_runtime(s, address, minor, version);
    else
        rhi__py_refuse_version(s->reader, address, version);
}

/* What the module exports of a Python whose first page the region has. */
static void ask_module(search *s, const rhi_region *region)
{
    uint64_t start = region->start, address;
    if (rhi__module_symbol(s->memory, start, "_PyRuntime", &address)) {
        if (!take(s, address, 13) && !take(s, address, 11) && !take(s, address, 9))
            explain(s, start, address);
        return;
    }
    const char *name = strrchr(region->path, '/') + 1;
    if (rhi__module_symbol(s->memory, start, "_PyThreadState_Current", &address))
        rhi__py_refuse_version(s->reader, start, "a Python before 3.7");
    else if (strncmp(name, "libpypy", 7) == 0 || /* a core alone has no symbols */
             rhi__module_symbol(s->memory, start, "pypy_setup_home", &address))
        rhi__py_refuse_version(s->reader, start, "PyPy");
}

/* Lists of a collector, and no _PyRuntime that leads to them: it was written over. */
static void refuse_lists(search *s)
{
    char module[RHI_NAME_SIZE];
    rhi__py_module_name(s->memory, s->lists, module);
    rhi__reader_refuse(
        s->reader,
        "the Python in %.80s cannot be read: its collector's lists are there, and no "
        "_PyRuntime of CPython 3.%d to 3.%d leads to them",
        module, PY_MINOR_MIN, PY_MINOR_MAX);
}

static bool is_private_writable(const rhi_region *region)
{
    return region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED);
}

/* Nothing is found in the data of what is called so: it may be none, and it may have been one. */
static void refuse_named(search *s)
{
    const struct rhi_sink *map = &s->memory->map;
    char module[RHI_NAME_SIZE];
    for (uint64_t i = 0; i < map->regions.count; i++) {
        const rhi_region *region = &map->regions.items[i];
        if (!rhi__region_is_file(region) || !is_private_writable(region) ||
            minor_in_name(region->path) < 0)
            continue;
        rhi__py_module_name(s->memory, region->start, module);
        rhi__reader_refuse(s->reader,
                           "%.80s has no _PyRuntime of CPython 3.%d to 3.%d in its data that leads "
                           "to an interpreter: none was made yet, all have ended, or it was "
                           "written over",
                           module, PY_MINOR_MIN, PY_MINOR_MAX);
        return;
    }
}

/* ---- where it may lie ----------------------------------------------------------------------- */

static uint64_t up_to_word(uint64_t address, uint64_t end)
{
    return end - address > 7 ? (address + 7) & ~7ull : end;
}

static rhi_error *tell_progress(const search *s, uint64_t done, uint64_t total)
{
    rhi_work *work = s->memory->work;
    return work ? rhi__progress(work, "looking for Python", done, total) : NULL;
}

/* What only looks like it costs reads of its own, and behind a slow door these take long. */
static rhi_error *scan(search *s, uint64_t start, uint64_t end)
{
    uint64_t got;
    for (uint64_t at = up_to_word(start, end); at < end;) {
        at = rhi__memory_data_start(s->memory, at, end) & ~7ull;
        uint64_t size = end - at < SCAN_STEP_BYTES ? end - at : SCAN_STEP_BYTES;
        RHI_TRY(tell_progress(s, at - start, end - start));
        const uint8_t *bytes = rhi__memory_view(s->memory, at, size, &s->scratch, &got);
        for (uint64_t offset = 0; bytes && offset + HEAD_BYTES <= got; offset += 8) {
            unsigned oldest = looks_like(bytes + offset);
            if (oldest)
                RHI_TRY(tell_progress(s, at + offset - start, end - start));
            if (oldest)
                take(s, at + offset, oldest);
            else if (looks_like_lists(bytes + offset) &&
                     rhi__py_lists_close(s->memory, at + offset))
                s->lists = at + offset;
        }
        if (got < size)
            at = up_to_word(rhi__memory_hole_end(s->memory, at + got, end), end);
        else
            at = at + size == end ? end : at + size - HEAD_BYTES;
    }
    return s->is_short ? rhi__error_memory() : NULL;
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
    uint64_t end = 0, room = 0;
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
            room = s->most < s->left ? s->most : s->left;
        }
        uint64_t stop = is_file || region->end < end ? region->end : end;
        uint64_t size = stop > region->start ? stop - region->start : 0;
        size = size < room ? size : room;
        room -= size;
        s->left -= size;
        RHI_TRY(scan(s, region->start, region->start + size));
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

/* Does the direct way show what the debugger sees? */
static bool direct_way_is_right(const search *s)
{
    for (uint64_t i = 0; i < s->found->items.count; i++) {
        const py_runtime *py = s->found->items.items[i];
        if (!rhi__memory_reads_agree(s->memory, py->address, COMPARED_BYTES) ||
            !rhi__memory_reads_agree(s->memory, py->interpreters.items[0].address, COMPARED_BYTES))
            return false;
    }
    return true;
}

rhi_error *rhi__py_discover(rhi_reader *reader, py_runtimes *found)
{
    bool is_glance = reader->search == RHI_SEARCH_GLANCE;
    search s = {.reader = reader,
                .memory = reader->memory,
                .found = found,
                .most = is_glance ? RHI_GLANCE_BYTES : UINT64_MAX,
                .left = is_glance ? RHI_GLANCE_BYTES_IN_ALL : UINT64_MAX};
    const struct rhi_sink *map = &s.memory->map;
    bool named = false;
    rhi_error *error = scan_modules(&s, &named);
    if (!error && !named && reader->search == RHI_SEARCH_ALL)
        error = scan_nameless(&s);
    for (uint64_t i = 0; i < map->regions.count && !error; i++)
        if (map->regions.items[i].file_offset == 0 && rhi__region_is_file(&map->regions.items[i]))
            ask_module(&s, &map->regions.items[i]);
    if (!error && s.lists && found->items.count == 0 && reader->refused->count == 0)
        refuse_lists(&s);
    else if (!error && found->items.count == 0 && reader->refused->count == 0)
        refuse_named(&s);
    rhi__scratch_free(&s.scratch);
    if (!error && s.memory->is_direct && !direct_way_is_right(&s)) {
        for (uint64_t i = 0; i < found->items.count; i++)
            rhi__py_runtime_free(found->items.items[i]);
        found->items.count = 0;
        error = rhi__memory_use_door(s.memory);
    }
    return error;
}
