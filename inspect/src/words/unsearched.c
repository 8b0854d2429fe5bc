/* unsearched.c - says what was not searched, where an answer depends on it (see words.h).
 *
 * A count without an owner is lost only if everything was searched that may hold one. What was
 * not is kept in the map of the words; here it becomes a reason, or, where a user says that it
 * holds nothing, none. */
#include "base/array.h"
#include "base/search.h"
#include "target/modules.h"
#include "target/vectors.h"
#include "words/as_on_disk.h"
#include "words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    RANGES_NAMED = 3,
    UNLISTED_NAMED = 3,
    NEAR_BITS = 30,
    STEP_BYTES = 1 << 20,
    PAGE_BYTES = 4096,
    FILES_KEPT = 256,
    FILES_ROOM = 1 << 30 /* bytes that are read of them: half a second */
};
#define HINT "; if that holds nothing, say --missing=empty"

/* "0x7f…+8192 (/dev/shm/x), …, 3 more": the first of the gaps of this worth. Returns their bytes;
 * 0: there are none. */
static uint64_t gaps_text(const rhi_word_map *map, enum rhi_worth worth, char *text, size_t size)
{
    uint64_t bytes = 0, count = 0;
    text[0] = '\0';
    for (uint64_t i = 0; i < map->gaps.count; i++) {
        const rhi_gap *gap = &map->gaps.items[i];
        size_t used = strlen(text);
        if (gap->worth != worth)
            continue;
        bytes += gap->end - gap->start;
        if (count++ < RANGES_NAMED)
            snprintf(text + used, size - used, "%s0x%" PRIx64 "+%" PRIu64 "%s%.60s%s",
                     count > 1 ? ", " : "", gap->start, gap->end - gap->start,
                     gap->path[0] ? " (" : "", gap->path, gap->path[0] ? ")" : "");
    }
    size_t used = strlen(text);
    if (count > RANGES_NAMED)
        snprintf(text + used, size - used, ", and %" PRIu64 " more", count - RANGES_NAMED);
    return bytes;
}

/* ---- what leads to missing memory ----------------------------------------------------------- */

typedef struct search {
    const rhi_reader *reader;
    rhi_session *session;
    rhi_memory *memory;
    rhi_word_map *map;
    uint64_t low, span;         /* values worth a look */
    uint64_t known, known_size; /* the region that was met last, and is no gap */
    bool lists_all;
    unsigned found; /* of unlisted places */
    /* files that words lead to, whose pages the core has not */
    struct led_file {
        const char *path;
        bool holds_nothing;
    } files[FILES_KEPT];
    unsigned file_count, file; /* file: the one that was met last */
    uint64_t room;
} search;

/* Is some of it there as the process has it, as the data of each module is? */
static bool is_module_file(const search *s, const char *path)
{
    const struct rhi_sink *map = &s->memory->map;
    for (uint64_t i = 0; i < map->regions.count; i++)
        if (map->regions.items[i].flags & RHI_REGION_WRITE &&
            strcmp(map->regions.items[i].path, path) == 0)
            return true;
    return false;
}

/* Is this a file's, mapped, that holds no address of the program's? The kernel's cores say of each
 * mapping whether it could be written; GDB's name the files of those that they leave out, shared
 * ones that can be written, too. */
static bool is_of_harmless_file(search *s, uint64_t value)
{
    const char *path = rhi__memory_file(s->memory, value);
    if (!path)
        return false;
    if (s->file < s->file_count && s->files[s->file].path == path)
        return s->files[s->file].holds_nothing;
    for (s->file = 0; s->file < s->file_count; s->file++)
        if (strcmp(s->files[s->file].path, path) == 0)
            return s->files[s->file].holds_nothing;
    if (s->file_count == FILES_KEPT)
        return false;
    s->files[s->file_count++] = (struct led_file){
        path, rhi__is_file_of_system(path) || is_module_file(s, path) ||
                  rhi__file_has_no_address(s->memory, path, 0, UINT64_MAX, &s->room)};
    return s->files[s->file].holds_nothing;
}

/* Was a number or a text put over the lower bytes of an address that was there before? All programs
 * have such words: 32 bits and their padding keep the upper half. They lead anywhere into the same
 * 4 GiB. Memory that really begins at such a border has words that lead further into it, too. */
static bool is_written_over(uint64_t value)
{
    enum { SMALL = 1 << 16, BYTES = 4 };
    uint32_t low = (uint32_t)value, length = 0;
    if (low + SMALL < 2 * SMALL)
        return true;
    for (uint32_t byte; length < BYTES; length++) {
        byte = low >> 8 * length & 0xff;
        if ((byte < ' ' && byte != '\t' && byte != '\n' && byte != '\r') || byte > '~')
            break;
    }
    if (length == 0 || length == BYTES)
        return false;
    return length == BYTES - 1 ? low >> 24 == 0 : (low & 0xffffff) >> 8 * length == 0;
}

/* Does the value lead to memory near what is mapped, of which the core says nothing? */
static bool is_unlisted(search *s, uint64_t value)
{
    if (s->lists_all || is_written_over(value))
        return false;
    const rhi_region *regions = s->memory->map.regions.items;
    uint64_t count = s->memory->map.regions.count,
             behind = rhi__first(0, count, at, regions[at].start > value);
    bool is_near = (behind && (value - regions[behind - 1].end) >> NEAR_BITS == 0) ||
                   (behind < count && (regions[behind].start - value) >> NEAR_BITS == 0);
    return is_near && !is_of_harmless_file(s, value);
}

/* The end of a module or of malloc's memory: both are noted where nothing need follow. */
static bool is_known_end(const search *s, uint64_t value)
{
    char text[256];
    if (value % RHI_HEAP_BYTES == 0 && rhi__memory_region(s->memory, value - RHI_HEAP_BYTES))
        return true; /* where malloc would put its next heap */
    for (uint64_t i = 0; i < s->map->malloc->spans.count; i++)
        if (s->map->malloc->spans.items[i].top_end == value)
            return true;
    return rhi__module_text(s->memory, value - 1, text, sizeof text);
}

static rhi_gap *gap_at(const rhi_word_map *map, uint64_t address)
{
    for (uint64_t i = 0; i < map->gaps.count; i++)
        if (address >= map->gaps.items[i].start && address < map->gaps.items[i].end)
            return &map->gaps.items[i];
    return NULL;
}

/* Does a format that tells all slots of its objects own this memory? Then no other word there is an
 * address: it is text, or left from what was there before. */
static bool is_told_by_code(const rhi_reader *reader, const rhi_block *block)
{
    return block && rhi__format_of(reader, block->heap)->slots;
}

static void look_at(search *s, const rhi_part *part, uint64_t address, uint64_t value)
{
    uint64_t base, end;
    char *text = s->map->unlisted;
    size_t used = strlen(text), size = sizeof s->map->unlisted;
    const rhi_region *region = rhi__memory_region(s->memory, value);
    rhi_gap *gap = region ? gap_at(s->map, value) : NULL;
    if (region && !gap) {
        s->known = region->start;
        s->known_size = region->end - region->start;
    }
    if (gap ? gap->lead == RHI_LEAD_WORD
            : region || !is_unlisted(s, value) || is_known_end(s, value))
        return;
    if (is_told_by_code(s->reader, rhi__block_at(s->reader, address)))
        return;
    if (part && part->is_chunks) {
        const rhi_chunk_span *span = rhi__malloc_span(s->map->malloc, address - 16);
        if (!span || !rhi__malloc_block(s->map->malloc, span, address, &base, &end))
            return;
    }
    if (gap) {
        gap->lead = part && (part->kind == RHI_HOLDER_STACK || part->kind == RHI_PART_NOTHING)
                        ? RHI_LEAD_STACK
                        : RHI_LEAD_WORD;
        return;
    }
    s->found++;
    snprintf(text + used, size - used, "%s0x%" PRIx64 " at 0x%" PRIx64, used ? ", " : "", value,
             address);
}

static rhi_error *search_range(search *s, const rhi_part *part, uint64_t start, uint64_t end,
                               rhi_scratch *scratch)
{
    for (uint64_t at = (start + 7) & ~7ull; at < end && s->found < UNLISTED_NAMED;) {
        uint64_t size = end - at < STEP_BYTES ? end - at : STEP_BYTES, got;
        const uint8_t *bytes = rhi__memory_view(s->memory, at, size, scratch, &got);
        got = bytes ? got : 0;
        for (uint64_t i = 0; i + 8 <= got && s->found < UNLISTED_NAMED; i += 8) {
            uint64_t value = rhi__load64(bytes + i);
            if (value - s->low < s->span && value - s->known >= s->known_size)
                look_at(s, part, at + i, value);
        }
        RHI_TRY(rhi__progress(&s->session->work, "looking for memory that is not there", at - start,
                              end - start));
        uint64_t next = got == size ? at + size : rhi__memory_hole_end(s->memory, at + got, end);
        at = next > UINT64_MAX - 7 ? end : (next + 7) & ~7ull;
    }
    return NULL;
}

static rhi_error *search_all(search *s, rhi_reader *reader)
{
    const struct rhi_sink *all = &reader->memory->map;
    rhi_scratch scratch = {0};
    rhi_error *error = NULL;
    for (uint64_t i = 0; i < all->registers.count && s->found < UNLISTED_NAMED; i++)
        if (all->registers.items[i].value - s->low < s->span)
            look_at(s, NULL, 0, all->registers.items[i].value);
    /* code and tables of names are full of what looks like one */
    for (uint64_t i = 0; i < s->map->parts.count && !error; i++) {
        const rhi_region *region = rhi__memory_region(reader->memory, s->map->parts.items[i].start);
        if (region && region->flags & RHI_REGION_WRITE && !s->map->parts.items[i].in_heap)
            error = search_range(s, &s->map->parts.items[i], s->map->parts.items[i].start,
                                 s->map->parts.items[i].end, &scratch);
    }
    for (uint64_t i = 0; i < reader->own.count && !error; i++)
        if (reader->own.items[i].heap == UINT32_MAX ||
            !rhi__format_of(reader, reader->own.items[i].heap)->slots)
            error = search_range(s, NULL, reader->own.items[i].start, reader->own.items[i].end,
                                 &scratch);
    rhi__scratch_free(&scratch);
    return error;
}

/* What the kernel would have joined with this region, had it been mapped alike: a program may count
 * on from there. */
static bool is_like(const search *s, const rhi_reader *reader, const rhi_region *region,
                    uint64_t address)
{
    const rhi_region *other = rhi__memory_region(s->memory, address);
    return other && other->flags == region->flags && !other->path[0] &&
           !rhi__own_at(reader, address);
}

/* LLDB maps a page that can be read, written and executed to see whether it can, and half a MiB
 * for its interpreter. Both stay when it goes, and the program knows of neither: words that lead
 * there are left from what was there before. */
static bool is_debuggers_page(const search *s, const rhi_gap *gap)
{
    const uint32_t all = RHI_REGION_READ | RHI_REGION_WRITE | RHI_REGION_EXECUTE;
    const rhi_region *region = rhi__memory_region(s->memory, gap->start);
    return region && (region->flags & all) == all && !region->path[0] &&
           gap->end - gap->start == PAGE_BYTES;
}

static bool has_debuggers_page(const search *s, enum rhi_lead most)
{
    for (uint64_t i = 0; i < s->map->gaps.count; i++) {
        const rhi_gap *gap = &s->map->gaps.items[i];
        if (gap->worth == RHI_WORTH_MISSING && is_debuggers_page(s, gap) && gap->lead <= most)
            return true;
    }
    return false;
}

/* Of the size that LLDB's memory has, alone or joined with a page of the same kind. */
static bool is_debuggers_frame(const rhi_gap *gap)
{
    uint64_t pages = (gap->end - gap->start) / PAGE_BYTES, frame = (512 << 10) / PAGE_BYTES;
    return pages == frame + 1 || pages == frame + 2;
}

/* Where a debugger was, memory that no word leads to is its own, and was never written by the
 * program. */
static void judge_gaps(search *s, const rhi_reader *reader)
{
    bool has_page = has_debuggers_page(s, RHI_LEAD_STACK);
    for (uint64_t i = 0; i < s->map->gaps.count && has_page; i++) {
        rhi_gap *gap = &s->map->gaps.items[i];
        const rhi_region *region = rhi__memory_region(s->memory, gap->start);
        enum rhi_lead most =
            is_debuggers_page(s, gap) || is_debuggers_frame(gap) ? RHI_LEAD_STACK : RHI_LEAD_NONE;
        if (gap->worth == RHI_WORTH_MISSING && gap->lead <= most && region && !region->path[0] &&
            !is_like(s, reader, region, region->start - 1) &&
            !is_like(s, reader, region, region->end))
            gap->worth = RHI_WORTH_UNUSED;
    }
}

/* Memory that the program keeps out of cores is not even named in GDB's. A program that has words
 * in it must know where it is: so a word that leads nowhere tells. (It may also be left from
 * memory that was unmapped.) */
static rhi_error *find_leads(rhi_session *session, rhi_reader *reader, rhi_word_map *map)
{
    search s = {.session = session,
                .reader = reader,
                .memory = reader->memory,
                .map = map,
                .low = 1ull << 32,
                .span = (1ull << 47) - (1ull << 32),
                .room = FILES_ROOM,
                .lists_all = rhi__memory_lists_all(reader->memory)};
    bool is_worth = !s.lists_all || has_debuggers_page(&s, RHI_LEAD_WORD);
    if (map->has_leads || !rhi__memory_is_core(reader->memory) || !is_worth ||
        session->missing_is_empty)
        return NULL;
    map->unlisted[0] = '\0';
    RHI_TRY(search_all(&s, reader));
    judge_gaps(&s, reader);
    map->has_leads = true;
    return NULL;
}

/* ---- what is said --------------------------------------------------------------------------- */

rhi_error *rhi__missing_matters(rhi_session *session, rhi_reader *reader)
{
    char ranges[400], text[640];
    rhi_word_map *map;
    RHI_TRY(rhi__session_word_map(session, reader, &map));
    if (session->missing_is_empty || gaps_text(map, RHI_WORTH_MISSING, ranges, sizeof ranges) == 0)
        return NULL;
    RHI_TRY(find_leads(session, reader, map));
    uint64_t bytes = gaps_text(map, RHI_WORTH_MISSING, ranges, sizeof ranges);
    if (bytes == 0)
        return NULL;
    snprintf(text, sizeof text, "%" PRIu64 " bytes that the program may have written %s: %s" HINT,
             bytes,
             rhi__memory_is_core(reader->memory) ? "are not in the core"
                                                 : "were not searched, they are too many",
             ranges);
    rhi__note(&session->notes, text);
    return NULL;
}

/* A core shows no descriptors, but who waits for what they are for. */
static void remind_of_waiting(rhi_session *session, const rhi_memory *memory)
{
    char text[192];
    for (uint64_t i = 0; i < memory->map.threads.count && rhi__memory_is_core(memory); i++) {
        const char *call = rhi__waits_for_kernel_words(memory, &memory->map.threads.items[i]);
        if (!call)
            continue;
        snprintf(
            text, sizeof text,
            "not seen: thread %" PRIu64
            " is in %s, and what the kernel keeps for it (%s) may own a count: no core has that",
            memory->map.threads.items[i].lwp, call, call[0] == 'e' ? "epoll_data" : "user_data");
        rhi__note(&session->remarks, text);
        return; /* once is enough */
    }
}

rhi_error *rhi__owner_not_found(rhi_session *session, rhi_reader *reader)
{
    char ranges[400], text[640];
    rhi_word_map *map;
    RHI_TRY(rhi__missing_matters(session, reader));
    RHI_TRY(rhi__session_word_map(session, reader, &map));
    RHI_TRY(find_leads(session, reader, map));
    if (map->unlisted[0] && !session->missing_is_empty) {
        snprintf(
            text, sizeof text,
            "this core does not name the memory that it lacks, and words lead to such: %s" HINT,
            map->unlisted);
        rhi__note(&session->notes, text);
    }
    if (gaps_text(map, RHI_WORTH_UNUSED, ranges, sizeof ranges)) {
        snprintf(text, sizeof text, "taken as never used, for the core has nothing of it: %s",
                 ranges);
        rhi__note(&session->remarks, text);
    }
    if (map->kernel.unseen[0]) {
        snprintf(text, sizeof text, "not seen: what the kernel keeps for %s may own a count",
                 map->kernel.unseen);
        rhi__note(&session->remarks, text);
    }
    remind_of_waiting(session, reader->memory);
    return NULL;
}

void rhi__say_left_out(rhi_session *session, const rhi_holders *holders, uint64_t limit)
{
    char text[128];
    if (!holders->left_out.others && (!holders->left_out.rows || limit <= holders->count))
        return;
    snprintf(text, sizeof text,
             "there are %" PRIu64 " more rows than are kept: they were counted, and not looked at",
             holders->left_out.rows);
    rhi__note(&session->notes, text);
}
