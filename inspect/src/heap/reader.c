/* reader.c - blocks of all formats in one table, and the numbers of their objects (see reader.h).
 */
#include "heap/reader.h"
#include "base/search.h"
#include "base/array.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PROBLEMS_KEPT = 100, HOLES_MAX = 1 << 30 };
#define HOLES_IN_ALL_MAX (4ull << 30)

/* The kept text, or NULL: said before, too many, or memory is short. */
static const char *keep_problem(rhi_reader *reader, const char *format, va_list arguments)
{
    char text[400];
    if (reader->problems.count >= PROBLEMS_KEPT) /* a damaged heap may have one for each object */
        return NULL;
    vsnprintf(text, sizeof text, format, arguments);
    for (uint64_t i = 0; i < reader->problems.count; i++)
        if (strcmp(reader->problems.items[i], text) == 0)
            return NULL;
    if (!rhi__array_reserve(&reader->problems, 1))
        return NULL;
    char *copy = strdup(text);
    if (copy)
        reader->problems.items[reader->problems.count++] = copy;
    return copy;
}

void rhi__reader_problem(rhi_reader *reader, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    keep_problem(reader, format, arguments);
    va_end(arguments);
}

void rhi__reader_refuse(rhi_reader *reader, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rhi__note(reader->refused, text);
}

void rhi__question_problem(rhi_reader *reader, const char *format, ...)
{
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    rhi__note(&reader->asked, text);
}

void rhi__reader_damage(rhi_reader *reader, uint64_t address, enum rhi_finding_kind kind,
                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = keep_problem(reader, format, arguments);
    va_end(arguments);
    char *copy = text && rhi__array_reserve(&reader->damage, 1) ? strdup(text) : NULL;
    if (copy)
        reader->damage.items[reader->damage.count++] =
            (rhi_damage){.address = address, .text = copy, .kind = (uint8_t)kind};
}

/* `times` the bytes that a core has, and at least so many; without end where there is no core. */
static uint64_t room_for(const rhi_reader *reader, uint64_t times, uint64_t least)
{
    uint64_t bytes = reader->memory->core_bytes;
    return bytes < UINT64_MAX / times - least ? bytes * times + least : UINT64_MAX;
}

static int block_order(const void *left, const void *right)
{
    const rhi_block *a = left, *b = right;
    return a->base < b->base ? -1 : a->base > b->base;
}

static int own_order(const void *left, const void *right)
{
    const rhi_own_range *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

static int root_order(const void *left, const void *right)
{
    const rhi_root *a = left, *b = right;
    return a->slot < b->slot ? -1 : a->slot > b->slot;
}

static void block_free(rhi_block *block)
{
    if (!block->is_lone) {
        free(block->live);
        free(block->rank);
        free(block->prefixes);
        free(block->raw);
    }
    *block = (rhi_block){0};
}

/* The bitmaps of blocks of one slot: an object lives there, or none does. */
static const uint64_t lone_live = 1, lone_empty = 0;

rhi_error *rhi__add_lone(rhi_blocks *blocks, uint64_t start, uint64_t size, uint8_t prefix,
                         uint32_t heap)
{
    enum { STEP = 8 };
    /* by eighths of the prefix */
    static const uint8_t prefixes[] = {0, 8, 16, 24, 32, 40, 48, 56, 64};
    if (prefix % STEP || prefix / STEP >= sizeof prefixes)
        return rhi__error("no format has a prefix of %u bytes", prefix);
    if (!rhi__array_reserve(blocks, 1))
        return rhi__error_memory();
    blocks->items[blocks->count++] = (rhi_block){
        .base = start,
        .slot_size = size,
        .capacity = 1,
        .heap = heap,
        .is_lone = true,
        .live = (uint64_t *)(uintptr_t)&lone_live,
        .prefixes = prefix ? (uint8_t *)(uintptr_t)&prefixes[prefix / STEP] : NULL,
    };
    return NULL;
}

uint64_t rhi__block_used_bytes(const rhi_block *block)
{
    for (uint64_t word = (block->capacity + 63u) / 64; word-- > 0;)
        if (block->live[word])
            return (word * 64 + 64 - (uint64_t)__builtin_clzll(block->live[word])) *
                   block->slot_size;
    return 0;
}

/* Counts the live slots; `first` is the number of the first of them. False if memory is short. */
static bool count_live(rhi_block *block, uint32_t first)
{
    uint64_t words = (block->capacity + 63u) / 64;
    if (block->is_lone) {
        block->first_object = first;
        block->object_count = (uint32_t)*block->live;
        return true;
    }
    block->rank = malloc(words * sizeof *block->rank);
    if (!block->rank)
        return false;
    block->first_object = first;
    block->object_count = 0;
    if (block->capacity % 64)
        block->live[words - 1] &= (1ull << (block->capacity % 64)) - 1;
    for (uint64_t i = 0; i < words; i++) {
        block->rank[i] = first + block->object_count;
        block->object_count += (uint32_t)__builtin_popcountll(block->live[i]);
    }
    return true;
}

/* Makes the table of the island of blocks [first, end). Pieces are about as large as its blocks,
 * and so many that the table stays small beside them. */
static rhi_error *chart(rhi_reader *reader, uint64_t first, uint64_t end)
{
    enum { SHIFT_MIN = 10, SHIFT_MAX = 16, PIECES_MIN = 4096, PIECES_PER_BLOCK = 16 };
    const rhi_block *blocks = reader->blocks.items;
    uint64_t most = PIECES_MIN + (end - first) * PIECES_PER_BLOCK, bytes = 0, block = first,
             stop = blocks[end - 1].base + blocks[end - 1].size;
    rhi_island island = {.shift = SHIFT_MIN};
    for (uint64_t i = first; i < end; i++)
        bytes += blocks[i].size;
    while (island.shift < SHIFT_MAX && bytes / (end - first) >> island.shift > 1)
        island.shift++;
    while ((stop - 1 - blocks[first].base) >> island.shift >= most)
        island.shift++;
    island.start = blocks[first].base >> island.shift << island.shift;
    island.size = stop - island.start;
    uint64_t count = ((island.size - 1) >> island.shift) + 1;
    island.first = malloc((count + 1) * sizeof *island.first);
    if (!island.first || !rhi__array_reserve(&reader->islands, 1)) {
        free(island.first);
        return rhi__error_memory();
    }
    for (uint64_t piece = 0; piece < count; piece++) {
        while (blocks[block].base + blocks[block].size <= island.start + (piece << island.shift))
            block++;
        island.first[piece] = (uint32_t)block;
    }
    island.first[count] = (uint32_t)end - 1;
    reader->islands.items[reader->islands.count++] = island;
    return NULL;
}

/* Blocks lie where a program, its heap and its mappings do: far apart. */
static rhi_error *chart_all(rhi_reader *reader)
{
    const uint64_t sea = 1ull << 32; /* between islands: at least so many bytes */
    const rhi_block *blocks = reader->blocks.items;
    uint64_t most = 0, count = reader->blocks.count;
    for (uint64_t first = 0, end = 1; first < count; first = end++) {
        while (end < count &&
               blocks[end].base - (blocks[end - 1].base + blocks[end - 1].size) < sea)
            end++;
        RHI_TRY(chart(reader, first, end));
        if (end - first > most) {
            most = end - first;
            reader->main_island = reader->islands.items[reader->islands.count - 1];
        }
    }
    reader->lowest = blocks[0].base;
    reader->highest = blocks[count - 1].base + blocks[count - 1].size;
    return NULL;
}

const rhi_island *rhi__island_at(const rhi_reader *reader, uint64_t address)
{
    const rhi_island *items = reader->islands.items;
    uint64_t i =
        rhi__first(0, reader->islands.count, at, items[at].start + items[at].size > address);
    return i < reader->islands.count && address >= items[i].start ? &items[i] : NULL;
}

/* Clears the live bits of slots [first, end); returns how many were set. */
static uint64_t clear_live(rhi_block *block, uint64_t first, uint64_t end)
{
    uint64_t cleared = 0;
    if (block->is_lone) {
        cleared = first == 0 && end ? *block->live : 0;
        block->live = cleared ? (uint64_t *)(uintptr_t)&lone_empty : block->live;
        return cleared;
    }
    for (uint64_t word = first / 64; word * 64 < end; word++) {
        uint64_t mask = word == first / 64 ? UINT64_MAX << (first % 64) : UINT64_MAX;
        mask &= end - word * 64 < 64 ? (1ull << (end - word * 64)) - 1 : UINT64_MAX;
        cleared += (uint64_t)__builtin_popcountll(block->live[word] & mask);
        block->live[word] &= ~mask;
    }
    return cleared;
}

/* A slot whose header lies in a hole of a sparse core holds no object, whatever a bitmap says: it
 * was taken in advance, and never written to; and else a few bytes could claim objects without
 * end. *dropped: how many such there are. Returns how many bytes of the block are there. */
static uint64_t drop_absent(const rhi_memory *memory, rhi_block *block, uint64_t *dropped)
{
    uint64_t end = block->base + block->slot_size * block->capacity, data = 0, hole, stop;
    *dropped = 0;
    for (uint64_t at = block->base; at < end; at = stop) {
        hole = rhi__memory_data_end(memory, at, end);
        stop = hole < end ? rhi__memory_data_start(memory, hole, end) : end;
        data += hole - at;
        if (stop == at) /* it cannot be said */
            break;
        if (stop > hole) {
            uint64_t past = (stop - block->base + block->slot_size - 1) / block->slot_size;
            *dropped +=
                clear_live(block, (hole - block->base + block->slot_size - 1) / block->slot_size,
                           past < block->capacity ? past : block->capacity);
        }
    }
    return data;
}

/* What is left of a block of a sparse core: objects that are there. *room: bytes of holes that
 * blocks may have in all, since all of their words are looked at. False: it has too many, and is
 * left out. */
static bool settle_block(rhi_reader *reader, rhi_block *block, uint64_t *room)
{
    uint64_t dropped, data = drop_absent(reader->memory, block, &dropped),
                      holes = block->slot_size * block->capacity - data;
    bool has_room = holes <= HOLES_MAX && holes <= *room;
    if (dropped && block->is_exact)
        rhi__reader_problem(
            reader,
            "%llu taken slots of the %s at 0x%llx are not in the core: its file has "
            "a hole there",
            (unsigned long long)dropped, rhi__format_of(reader, block->heap)->block_word,
            (unsigned long long)block->base);
    *room -= has_room ? holes : 0;
    if (!has_room)
        rhi__reader_problem(
            reader,
            "%llu objects of the %s at 0x%llx are not in the core: its file has a hole there",
            (unsigned long long)clear_live(block, 0, block->capacity),
            rhi__format_of(reader, block->heap)->block_word, (unsigned long long)block->base);
    return has_room;
}

static void block_extent(rhi_block *block)
{
    block->size = block->slot_size * block->capacity;
    block->reciprocal = block->size <= UINT32_MAX ? UINT64_MAX / block->slot_size + 1 : 0;
}

/* Sorts the blocks, drops those that overlap, and numbers the objects. */
static rhi_error *number_objects(rhi_reader *reader)
{
    if (reader->blocks.count == 0)
        return NULL;
    qsort(reader->blocks.items, reader->blocks.count, sizeof *reader->blocks.items, block_order);
    uint64_t kept = 0, end = 0, objects = 0, room = HOLES_IN_ALL_MAX;
    for (uint64_t i = 0; i < reader->blocks.count; i++) {
        rhi_block block = reader->blocks.items[i];
        reader->blocks.items[i] = (rhi_block){0}; /* it has one owner at any time */
        if (block.base < end) {
            rhi__reader_damage(reader, block.base, RHI_FOUND_BAD_BLOCK,
                               "%s at 0x%llx overlaps the one before it: ignored",
                               rhi__format_of(reader, block.heap)->block_word,
                               (unsigned long long)block.base);
            block_free(&block);
            continue;
        }
        if (!settle_block(reader, &block, &room)) {
            block_free(&block);
            continue;
        }
        if (!count_live(&block, (uint32_t)objects)) {
            block_free(&block);
            return rhi__error_memory(); /* the rest is freed by rhi__reader_free */
        }
        objects += block.object_count;
        block_extent(&block);
        reader->has_prefixes |= block.prefixes != NULL;
        reader->has_raw |= block.raw != NULL;
        end = block.base + block.size;
        reader->blocks.items[kept++] = block;
        if (objects >= UINT32_MAX)
            return rhi__error("the heap claims to have more objects than this engine can number");
    }
    reader->blocks.count = kept;
    if (kept == 0)
        return NULL;
    for (uint64_t i = 0; i < kept; i++) /* their place is final */
        if (reader->blocks.items[i].is_lone)
            reader->blocks.items[i].rank = &reader->blocks.items[i].first_object;
    return chart_all(reader);
}

static rhi_error *read_blocks(rhi_reader *reader, const rhi_own_range *range, rhi_blocks *blocks)
{
    return rhi__format_of(reader, range->heap)->read_blocks(reader, range, blocks);
}

/* Bytes that our own tables of these blocks take. */
static uint64_t table_bytes(const rhi_blocks *blocks, uint64_t first)
{
    uint64_t bytes = 0;
    for (uint64_t i = first; i < blocks->count; i++)
        bytes += sizeof *blocks->items + (blocks->items[i].capacity + 63u) / 64 * 12ull;
    return bytes;
}

/* Plans of the types that were learned since they were made. */
static rhi_error *plan_types(rhi_reader *reader)
{
    if (reader->plans && reader->plan_count == reader->types.count)
        return NULL;
    rhi_plan *plans = rhi__plans_make(reader->types.items, reader->types.count);
    if (!plans)
        return rhi__error_memory();
    free(reader->plans);
    reader->plans = plans;
    reader->plan_count = reader->types.count;
    return NULL;
}

static rhi_error *read_lone(rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->read_lone)
            RHI_TRY(reader->formats.items[i].format->read_lone(reader, &reader->blocks));
    return NULL;
}

/* The tables of blocks are small beside their objects: what claims more of them than a core has
 * room for is left out. */
static rhi_error *load(rhi_reader *reader)
{
    enum { BLOCK_BYTES = 16 /* of memory for each byte of our tables */ };
    uint64_t room = room_for(reader, 1, 0) / BLOCK_BYTES + (64 << 20);
    for (uint64_t i = 0, first; i < reader->own.count; i++) {
        if (!reader->own.items[i].has_blocks)
            continue;
        first = reader->blocks.count;
        RHI_TRY(read_blocks(reader, &reader->own.items[i], &reader->blocks));
        uint64_t taken = table_bytes(&reader->blocks, first);
        room -= taken < room ? taken : room;
        if (room == 0) {
            rhi__reader_problem(
                reader, "%ss claim more than the core has: those from 0x%llx on are left out",
                rhi__format_of(reader, reader->own.items[i].heap)->block_word,
                (unsigned long long)reader->own.items[i].end);
            break;
        }
    }
    RHI_TRY(read_lone(reader));
    RHI_TRY(plan_types(reader));
    return number_objects(reader);
}

static void blocks_free(rhi_blocks *blocks)
{
    for (uint64_t i = 0; i < blocks->count; i++)
        block_free(&blocks->items[i]);
    free(blocks->items);
    *blocks = (rhi_blocks){0};
}

rhi_error *rhi__reader_load(rhi_reader *reader)
{
    if (reader->is_loaded)
        return NULL;
    rhi_error *error = load(reader);
    if (error)
        blocks_free(&reader->blocks);
    reader->is_loaded = !error;
    return error;
}

static const rhi_block *block_among(const rhi_blocks *blocks, uint64_t address)
{
    for (uint64_t i = 0; i < blocks->count; i++)
        if (address - blocks->items[i].base < blocks->items[i].size)
            return &blocks->items[i];
    return NULL;
}

/* Does a format find objects outside of its ranges? */
static bool finds_near(const rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->read_near)
            return true;
    return false;
}

/* Appends the blocks of the range, or the one block that a format finds at the address. */
static rhi_error *read_near(rhi_reader *reader, const rhi_own_range *range, uint64_t address,
                            rhi_blocks *found)
{
    const rhi_format *format = range ? rhi__format_of(reader, range->heap) : NULL;
    if (format)
        return format->read_near ? format->read_near(reader, range, address, found)
                                 : format->read_blocks(reader, range, found);
    for (uint64_t i = 0; i < reader->formats.count && found->count == 0; i++)
        if (reader->formats.items[i].format->read_near)
            RHI_TRY(reader->formats.items[i].format->read_near(reader, NULL, address, found));
    return NULL;
}

/* Keeps what was read: a range, or where one address of it asked for a block alone, that block. */
static const rhi_block *keep_near(rhi_reader *reader, const rhi_own_range *range, uint64_t address)
{
    rhi_blocks found = {0};
    rhi_error *error = rhi__array_reserve(&reader->near, 1)
                           ? read_near(reader, range, address, &found)
                           : rhi__error_memory();
    if (!error)
        error = plan_types(reader);
    for (uint64_t i = 0; i < found.count; i++) {
        block_extent(&found.items[i]);
        reader->has_prefixes |= found.items[i].prefixes != NULL;
    }
    if (error) {
        blocks_free(&found);
        rhi__error_free(error);
        reader->memory->is_short = true;
        return NULL;
    }
    struct rhi_near near = {.start = address, .end = address + 1, .blocks = found};
    const rhi_block *block = block_among(&found, address);
    if (range && !rhi__format_of(reader, range->heap)->read_near) {
        near.start = range->start;
        near.end = range->end;
    } else if (block) {
        near.start = block->base;
        near.end = block->base + block->size;
    }
    reader->near.items[reader->near.count++] = near;
    return block;
}

const rhi_block *rhi__block_near(rhi_reader *reader, uint64_t address)
{
    if (reader->is_loaded)
        return rhi__block_at(reader, address);
    const rhi_own_range *range = rhi__own_at(reader, address);
    if (range && !range->has_blocks) /* an object alone may lie among tables, too */
        range = NULL;
    if (!range && !finds_near(reader))
        return NULL;
    for (uint64_t i = 0; i < reader->near.count; i++)
        if (address - reader->near.items[i].start <
            reader->near.items[i].end - reader->near.items[i].start)
            return block_among(&reader->near.items[i].blocks, address);
    if (range && reader->is_renewed &&
        !rhi__format_of(reader, range->heap)->is_range_same(reader, range)) {
        reader->has_moved = true;
        return NULL;
    }
    return keep_near(reader, range, address);
}

bool rhi__reader_renew(rhi_reader *reader)
{
    bool is_good = !reader->is_loaded && !reader->has_moved && reader->formats.count;
    for (uint64_t i = 0; i < reader->formats.count && is_good; i++)
        is_good = reader->formats.items[i].format->renew &&
                  reader->formats.items[i].format->renew(reader);
    for (uint64_t i = 0; i < reader->near.count; i++)
        blocks_free(&reader->near.items[i].blocks);
    reader->near.count = 0;
    reader->is_renewed = is_good;
    return is_good;
}

void rhi__reader_free(rhi_reader *reader)
{
    if (!reader)
        return;
    for (uint64_t i = 0; i < reader->formats.count; i++)
        reader->formats.items[i].format->close(reader);
    free(reader->formats.items);
    for (uint64_t i = 0; i < reader->types.count; i++)
        free(reader->types.items[i].fields);
    blocks_free(&reader->blocks);
    for (uint64_t i = 0; i < reader->near.count; i++)
        blocks_free(&reader->near.items[i].blocks);
    free(reader->near.items);
    for (uint64_t i = 0; i < reader->problems.count; i++)
        free(reader->problems.items[i]);
    for (uint64_t i = 0; i < reader->damage.count; i++)
        free(reader->damage.items[i].text);
    rhi__program_close(reader->program);
    free(reader->types.items);
    free(reader->plans);
    free(reader->heaps.items);
    for (uint64_t i = 0; i < reader->islands.count; i++)
        free(reader->islands.items[i].first);
    free(reader->islands.items);
    free(reader->roots.items);
    free(reader->own.items);
    free(reader->problems.items);
    free(reader->damage.items);
    rhi__notes_free(&reader->asked);
    free(reader);
}

const uint8_t *rhi__block_bytes(rhi_reader *reader, const rhi_block *block, uint64_t size,
                                rhi_block_room *room, uint64_t *got)
{
    enum { NEAR_BYTES = 1 << 16, SMALL_BYTES = 4096 };
    if (block->is_lone && size <= SMALL_BYTES) {
        room->window.memory = reader->memory;
        room->window.step = NEAR_BYTES;
        *got = size;
        const uint8_t *bytes = rhi__window_at(&room->window, block->base, size);
        if (bytes)
            return bytes;
    }
    return rhi__memory_view(reader->memory, block->base, size, &room->scratch, got);
}

void rhi__block_room_free(rhi_block_room *room)
{
    rhi__scratch_free(&room->window.scratch);
    rhi__scratch_free(&room->scratch);
}

const rhi_own_range *rhi__own_at(const rhi_reader *reader, uint64_t address)
{
    return rhi__piece_at(&reader->own, address);
}

void rhi__reader_unread(rhi_reader *reader, uint64_t from)
{
    rhi_own_range *range = rhi__piece_at(&reader->own, from);
    if (range && (!range->unread || from < range->unread))
        range->unread = from;
}

rhi_header *rhi__headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                         uint64_t slots, rhi_headers *room)
{
    if (!room->items || room->capacity < block->object_count) {
        uint64_t count = block->object_count ? block->object_count : 1;
        rhi_header *grown = realloc(room->items, count * sizeof *grown);
        if (!grown)
            return NULL;
        *room = (rhi_headers){grown, count};
    }
    if (slots)
        rhi__format_of(reader, block->heap)->headers(reader, block, bytes, slots, room->items);
    return room->items;
}

bool rhi__slot_at(rhi_reader *reader, const rhi_block *block, uint64_t address, rhi_object *object)
{
    uint8_t header[64];
    uint64_t slot = rhi__slot_number(block, address), start = block->base + slot * block->slot_size,
             size = reader->heaps.items[block->heap].header_size;
    size = size < block->slot_size ? size : block->slot_size;
    if (size > sizeof header || rhi__memory_read(reader->memory, start, header, size) != size)
        return false;
    rhi__decode(reader, block, start, header, rhi__slot_is_live(block, slot), object);
    return true;
}

const char *rhi__type_name(const rhi_reader *reader, uint32_t type)
{
    return type < reader->types.count ? reader->types.items[type].name : "?";
}

/* ---- formats -------------------------------------------------------------------------------- */

static bool has_fixed_size(const rhi_type *type)
{
    bool fixed = !type->has_code && (type->element_size == 0 || type->length_offset == 0);
    for (uint32_t i = 0; i < type->field_count; i++) { /* a tail may have its own count */
        const rhi_field *f = &type->fields[i];
        fixed &=
            f->form != RHI_FORM_ARRAY ||
            (!f->count_width && (uint64_t)f->offset + (uint64_t)f->count * f->stride <= type->size);
    }
    return fixed;
}

void rhi__sort_own(rhi_reader *reader)
{
    if (reader->own.count)
        qsort(reader->own.items, reader->own.count, sizeof *reader->own.items, own_order);
}

static void finish(rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->types.count; i++)
        reader->types.items[i].has_fixed_size = has_fixed_size(&reader->types.items[i]);
    rhi__sort_own(reader);
    if (reader->roots.count)
        qsort(reader->roots.items, reader->roots.count, sizeof *reader->roots.items, root_order);
}

bool rhi__format_opened(rhi_reader *reader, const rhi_format *format, void *state)
{
    if (!rhi__array_reserve(&reader->formats, 1))
        return false;
    reader->formats.items[reader->formats.count++] =
        (struct rhi_opened){.format = format, .state = state};
    return true;
}

/* Each format numbers its heaps as it likes. To those of the second one that is found a thousand
 * is added, or, where the first has counted so far, a million, and so on. */
static void number_apart(rhi_reader *reader, uint64_t first)
{
    uint64_t step = 1000;
    for (uint64_t i = 0; i < first; i++)
        while (reader->heaps.items[i].number >= step && step < 1ull << 48)
            step *= 1000;
    for (uint64_t i = first; first && i < reader->heaps.count; i++)
        reader->heaps.items[i].number += step;
}

/* *again: a format saw that the direct way shows other bytes than the door's, and gave it up. */
static rhi_error *open_formats(rhi_reader *reader, const rhi_format *const *formats, bool *any,
                               bool *again)
{
    *any = *again = false;
    for (; *formats && !*again; formats++) {
        uint64_t first_heap = reader->heaps.count;
        bool found = false, was_direct = reader->memory->is_direct;
        RHI_TRY((*formats)->open(reader, &found));
        number_apart(reader, first_heap);
        *any |= found;
        *again = reader->memory->is_direct != was_direct;
    }
    if (reader->memory->is_short)
        return rhi__error_memory();
    finish(reader);
    return plan_types(reader);
}

rhi_error *rhi__reader_open(rhi_memory *memory, const rhi_format *const *formats, bool is_glance,
                            rhi_notes *refused, rhi_reader **result)
{
    bool any = false, again;
    enum rhi_search search = is_glance ? RHI_SEARCH_GLANCE : RHI_SEARCH_MODULES;
    do {
        rhi_reader *reader = calloc(1, sizeof *reader);
        if (!reader)
            return rhi__error_memory();
        reader->memory = memory;
        reader->refused = refused;
        reader->search = search;
        reader->question_least = 1ull << 30; /* a second or two */
        reader->pass_least = 64 << 20;
        rhi__notes_free(refused);
        rhi_error *error = open_formats(reader, formats, &any, &again);
        if (error || !any || again)
            rhi__reader_free(reader);
        else
            *result = reader;
        if (error)
            return error;
        if (!any && !again && search == RHI_SEARCH_MODULES) {
            search = RHI_SEARCH_ALL;
            again = true;
        }
    } while (again); /* the direct way is given up once, all memory searched once */
    return NULL;
}

uint64_t rhi__history(rhi_reader *reader, uint64_t address, uint64_t serial, bool counts,
                      rhi_event *events, uint64_t limit)
{
    uint64_t count = 0;
    reader->is_history_short = false;
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->history)
            count += reader->formats.items[i].format->history(reader, address, serial, counts,
                                                              events + count, limit - count);
    return count;
}

bool rhi__history_begin(rhi_reader *reader, uint32_t heap, uint64_t *number)
{
    const rhi_format *format = rhi__format_of(reader, heap);
    return format->history_begin && format->history_begin(reader, heap, number);
}

void rhi__trace(rhi_reader *reader, uint32_t heap, rhi_trace *trace)
{
    const rhi_format *format = rhi__format_of(reader, heap);
    *trace = (rhi_trace){.can = RHI_TRACE_NEVER};
    if (format->trace)
        format->trace(reader, heap, trace);
}

void rhi__births(rhi_reader *reader, const rhi_born *born, uint64_t count, rhi_event *events)
{
    memset(events, 0, count * sizeof *events);
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->births)
            reader->formats.items[i].format->births(reader, born, count, events);
}

rhi_error *rhi__reader_program(rhi_reader *reader, rhi_program **program)
{
    rhi_work none = {0}, *work = reader->memory->work;
    if (!reader->program)
        RHI_TRY(rhi__program_open(work ? work : &none, reader->memory, &reader->program));
    *program = reader->program;
    return NULL;
}

/* ---- what is read in one pass --------------------------------------------------------------- */

void rhi__begin_question(rhi_reader *reader)
{
    rhi__notes_free(&reader->asked);
    reader->readings++;
    reader->slot_room = room_for(reader, 16, reader->question_least);
}

void rhi__renew_room(rhi_reader *reader)
{
    uint64_t room = rhi__pass_room(reader);
    if (reader->slot_room < room)
        reader->slot_room = room;
}

uint64_t rhi__pass_room(const rhi_reader *reader)
{
    /* a check may read one again, and once more to tell of it */
    return room_for(reader, 3, reader->pass_least);
}

uint64_t rhi__begin_pass(rhi_reader *reader)
{
    uint64_t before = reader->slot_room;
    reader->readings++;
    reader->slot_room = rhi__pass_room(reader);
    return before;
}

bool rhi__take_room(rhi_reader *reader, uint64_t bytes)
{
    if (bytes <= reader->slot_room) {
        reader->slot_room -= bytes;
        return true;
    }
    reader->slot_room = 0;
    rhi__reader_problem(
        reader, "objects claim more references than the core has words: the rest is left out");
    return false;
}

/* ---- numbers of objects --------------------------------------------------------------------- */

uint32_t rhi__object_index(const rhi_reader *reader, uint64_t address)
{
    const rhi_block *block = rhi__block_at(reader, address);
    return block ? rhi__slot_index(block, rhi__slot_number(block, address)) : RHI_NO_OBJECT;
}

uint32_t rhi__object_of(const rhi_reader *reader, uint64_t address)
{
    const rhi_block *block = rhi__block_at(reader, address);
    uint64_t slot = block ? rhi__slot_number(block, address) : 0;
    return block && rhi__is_slot_address(reader, block, slot, address)
               ? rhi__slot_index(block, slot)
               : RHI_NO_OBJECT;
}

uint64_t rhi__object_address(const rhi_reader *reader, uint32_t index)
{
    /* Blocks without objects share their first_object with the next one: the last of them. */
    const rhi_block *block = reader->blocks.items;
    block += rhi__first(1, reader->blocks.count, at, block[at].first_object > index) - 1;
    uint64_t word = 0, words = (block->capacity + 63u) / 64;
    while (word + 1 < words && block->rank[word + 1] <= index)
        word++;
    uint64_t bits = block->live[word];
    for (uint32_t skip = index - block->rank[word]; skip; skip--)
        bits &= bits - 1;
    return rhi__slot_address(block, word * 64 + (uint64_t)__builtin_ctzll(bits));
}
