/* reader.c - what all heap formats have in common: blocks, slots, fields (see reader.h). */
#include "heap/reader.h"
#include "base/array.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    PROBLEMS_KEPT = 100,
    VECTOR_STEP_BYTES = 1 << 16,
    VECTOR_STEP_COST = 256,
    HOLES_MAX = 1 << 30
};
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

void rhi__reader_damage(rhi_reader *reader, uint64_t address, bool of_slab, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *text = keep_problem(reader, format, arguments);
    va_end(arguments);
    char *copy = text && rhi__array_reserve(&reader->damage, 1) ? strdup(text) : NULL;
    if (copy)
        reader->damage.items[reader->damage.count++] =
            (rhi_damage){.address = address, .text = copy, .of_slab = of_slab};
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
    free(block->live);
    free(block->rank);
    *block = (rhi_block){0};
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

/* Pieces of 64 KiB and up, so many that the table stays small beside the blocks. */
static rhi_error *make_directory(rhi_reader *reader, uint64_t lowest, uint64_t highest)
{
    enum { SHIFT_MIN = 16, PIECES_MIN = 4096, PIECES_PER_BLOCK = 16 };
    uint64_t most = PIECES_MIN + reader->blocks.count * PIECES_PER_BLOCK, block = 0;
    unsigned shift = SHIFT_MIN;
    while ((highest - lowest - 1) >> shift >= most)
        shift++;
    uint64_t count = ((highest - lowest - 1) >> shift) + 1;
    reader->directory = malloc((count + 1) * sizeof *reader->directory);
    if (!reader->directory)
        return rhi__error_memory();
    for (uint64_t piece = 0; piece < count; piece++) {
        const rhi_block *items = reader->blocks.items;
        while (items[block].base + items[block].size <= lowest + (piece << shift))
            block++;
        reader->directory[piece] = (uint32_t)block;
    }
    reader->directory[count] = (uint32_t)reader->blocks.count - 1;
    reader->directory_count = count;
    reader->directory_shift = shift;
    reader->lowest = lowest;
    reader->highest = highest;
    return NULL;
}

static bool has_fixed_size(const rhi_type *type)
{
    bool fixed = type->element_size == 0 || type->length_offset == 0;
    for (uint32_t i = 0; i < type->field_count; i++) { /* a tail may have its own count */
        const rhi_field *f = &type->fields[i];
        fixed &=
            f->form != RHI_FORM_ARRAY ||
            (!f->count_width && (uint64_t)f->offset + (uint64_t)f->count * f->stride <= type->size);
    }
    return fixed;
}

void rhi__reader_finish(rhi_reader *reader)
{
    for (uint64_t i = 0; i < reader->types.count; i++)
        reader->types.items[i].has_fixed_size = has_fixed_size(&reader->types.items[i]);
    if (reader->own.count)
        qsort(reader->own.items, reader->own.count, sizeof *reader->own.items, own_order);
    if (reader->roots.count)
        qsort(reader->roots.items, reader->roots.count, sizeof *reader->roots.items, root_order);
}

/* Clears the live bits of slots [first, end); returns how many were set. */
static uint64_t clear_live(rhi_block *block, uint64_t first, uint64_t end)
{
    uint64_t cleared = 0;
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
 * end. Returns how many bytes of the block are there. */
static uint64_t drop_absent(const rhi_memory *memory, rhi_block *block)
{
    uint64_t end = block->base + block->slot_size * block->capacity, data = 0, hole, stop;
    for (uint64_t at = block->base; at < end; at = stop) {
        hole = rhi__memory_data_end(memory, at, end);
        stop = rhi__memory_data_start(memory, hole, end);
        data += hole - at;
        if (stop == at) /* it cannot be said */
            break;
        if (stop > hole) {
            uint64_t past = (stop - block->base + block->slot_size - 1) / block->slot_size;
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
    uint64_t data = drop_absent(reader->memory, block),
             holes = block->slot_size * block->capacity - data;
    bool has_room = holes <= HOLES_MAX && holes <= *room;
    *room -= has_room ? holes : 0;
    if (!has_room)
        rhi__reader_problem(
            reader,
            "%llu objects of the slab at 0x%llx are not in the core: its file has a hole there",
            (unsigned long long)clear_live(block, 0, block->capacity),
            (unsigned long long)block->base);
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
            rhi__reader_damage(reader, block.base, true,
                               "slab at 0x%llx overlaps the one before it: ignored",
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
        end = block.base + block.size;
        reader->blocks.items[kept++] = block;
        if (objects >= UINT32_MAX)
            return rhi__error("the heap claims to have more objects than this engine can number");
    }
    reader->blocks.count = kept;
    return make_directory(reader, reader->blocks.items[0].base, end);
}

/* Bytes that our own tables of these blocks take. */
static uint64_t table_bytes(const rhi_blocks *blocks, uint64_t first)
{
    uint64_t bytes = 0;
    for (uint64_t i = first; i < blocks->count; i++)
        bytes += sizeof *blocks->items + (blocks->items[i].capacity + 63u) / 64 * 12ull;
    return bytes;
}

/* Slabs are small beside their objects: what claims more of them than a core has room for is left
 * out. */
static rhi_error *load(rhi_reader *reader)
{
    enum { SLAB_BYTES = 16 /* of memory for each byte of our tables */ };
    uint64_t room = room_for(reader, 1, 0) / SLAB_BYTES + (64 << 20);
    for (uint64_t i = 0, first; i < reader->own.count; i++) {
        if (!reader->own.items[i].has_blocks)
            continue;
        first = reader->blocks.count;
        RHI_TRY(reader->ops->read_blocks(reader, &reader->own.items[i], &reader->blocks));
        uint64_t taken = table_bytes(&reader->blocks, first);
        room -= taken < room ? taken : room;
        if (room == 0) {
            rhi__reader_problem(
                reader, "slabs claim more than the core has: those from 0x%llx on are left out",
                (unsigned long long)reader->own.items[i].end);
            break;
        }
    }
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

const rhi_block *rhi__block_near(rhi_reader *reader, uint64_t address)
{
    if (reader->is_loaded)
        return rhi__block_at(reader, address);
    const rhi_own_range *range = rhi__own_at(reader, address);
    if (!range || !range->has_blocks)
        return NULL;
    for (uint64_t i = 0; i < reader->near.count; i++)
        if (reader->near.items[i].start == range->start)
            return block_among(&reader->near.items[i].blocks, address);
    rhi_blocks found = {0};
    rhi_error *error = rhi__array_reserve(&reader->near, 1)
                           ? reader->ops->read_blocks(reader, range, &found)
                           : rhi__error_memory();
    for (uint64_t i = 0; i < found.count; i++)
        block_extent(&found.items[i]);
    if (error) {
        blocks_free(&found);
        rhi__error_free(error);
        reader->memory->is_short = true;
        return NULL;
    }
    reader->near.items[reader->near.count++] = (struct rhi_near){range->start, found};
    return block_among(&found, address);
}

void rhi__reader_free(rhi_reader *reader)
{
    if (!reader)
        return;
    reader->ops->close(reader);
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
    free(reader->types.items);
    free(reader->heaps.items);
    free(reader->directory);
    free(reader->roots.items);
    free(reader->own.items);
    free(reader->problems.items);
    free(reader->damage.items);
    free(reader);
}

const rhi_own_range *rhi__own_at(const rhi_reader *reader, uint64_t address)
{
    uint64_t low = 0, high = reader->own.count;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        const rhi_own_range *range = &reader->own.items[middle];
        if (address < range->start)
            high = middle;
        else if (address >= range->end)
            low = middle + 1;
        else
            return range;
    }
    return NULL;
}

bool rhi__slot_at(rhi_reader *reader, const rhi_block *block, uint64_t address, rhi_object *object)
{
    uint8_t header[64];
    uint64_t slot = rhi__slot_number(block, address);
    uint64_t start = block->base + slot * block->slot_size;
    if (reader->header_size > sizeof header ||
        rhi__memory_read(reader->memory, start, header, reader->header_size) != reader->header_size)
        return false;
    reader->ops->decode(reader, block, start, header, rhi__slot_is_live(block, slot), object);
    return true;
}

const char *rhi__type_name(const rhi_reader *reader, uint32_t type)
{
    return type < reader->types.count ? reader->types.items[type].name : "?";
}

/* ---- fields --------------------------------------------------------------------------------- */

bool rhi__field_span(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                     const rhi_field *field, uint64_t *first, uint64_t *count)
{
    (void)reader;
    uint64_t size = object->slot_size, elements = field->count;
    *first = object->address + field->offset;
    *count = 0;
    if (field->count_width) {
        if ((uint64_t)field->count_offset + field->count_width > size)
            return false;
        elements = rhi__load(bytes + field->count_offset, field->count_width);
    }
    if (field->form == RHI_FORM_VECTOR) {
        if ((uint64_t)field->offset + 8 > size)
            return false;
        *first = rhi__load64(bytes + field->offset);
        if (*first == 0 || elements == 0)
            return true;
        if (field->stride == 0 || elements > (UINT64_MAX >> 1) / field->stride ||
            !rhi__range_ok(*first, elements * field->stride))
            return false;
        *count = elements;
        return true;
    }
    uint64_t room = size > field->offset ? size - field->offset : 0;
    if (field->stride == 0 || elements > room / field->stride ||
        (elements && (uint64_t)field->element_offset + field->width > field->stride))
        return false;
    *count = elements;
    return true;
}

uint64_t rhi__object_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes)
{
    if (object->type >= reader->types.count)
        return object->slot_size;
    const rhi_type *type = &reader->types.items[object->type];
    uint64_t size = type->size;
    if (type->element_size && type->length_offset &&
        (uint64_t)type->length_offset + 8 <= object->slot_size) {
        uint64_t length = rhi__load64(bytes + type->length_offset);
        if (length <= object->slot_size / type->element_size)
            size += length * type->element_size;
    }
    for (uint32_t i = 0; i < type->field_count; i++) { /* a tail may have its own count */
        uint64_t first, count;
        if (type->fields[i].form != RHI_FORM_ARRAY ||
            !rhi__field_span(reader, object, bytes, &type->fields[i], &first, &count))
            continue;
        uint64_t end = first - object->address + count * type->fields[i].stride;
        size = end > size ? end : size;
    }
    return size < object->slot_size ? size : object->slot_size;
}

void rhi__begin_question(rhi_reader *reader)
{
    reader->slot_room = room_for(reader, 16, 1ull << 30); /* a second or two */
}

uint64_t rhi__begin_pass(rhi_reader *reader)
{
    uint64_t before = reader->slot_room;
    /* a check may read one again, and once more to tell of it */
    reader->slot_room = room_for(reader, 3, 64 << 20);
    return before;
}

/* Takes it from the room; false: there is no more, and that is said. */
static bool take_room(rhi_reader *reader, uint64_t bytes)
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

/* How many elements of a long vector from this address on lie in holes of a sparse core: they are
 * NULL. */
static uint64_t elements_in_hole(const rhi_reader *reader, uint64_t at, uint64_t count,
                                 uint64_t stride)
{
    if (count * stride <= VECTOR_STEP_BYTES)
        return 0;
    return (rhi__memory_data_start(reader->memory, at, at + count * stride) - at) / stride;
}

static bool each_vector_slot(rhi_reader *reader, const rhi_object *object, rhi_slot *slot,
                             uint64_t first, uint64_t count, rhi_slot_visitor visit, void *context)
{
    const rhi_field *field = slot->field;
    uint8_t buffer[VECTOR_STEP_BYTES];
    uint64_t per_step = sizeof buffer / field->stride, done = 0;
    while (done < count) {
        uint64_t step = count - done < per_step ? count - done : per_step;
        uint64_t at = first + done * field->stride,
                 skipped = elements_in_hole(reader, at, count - done, field->stride);
        if (!take_room(reader, (skipped ? 0 : step * field->stride) + VECTOR_STEP_COST))
            return true;
        done += skipped;
        if (skipped)
            continue;
        uint64_t got =
            rhi__memory_read(reader->memory, at, buffer, step * field->stride) / field->stride;
        for (uint64_t i = 0; i < got; i++) {
            slot->address = at + i * field->stride + field->element_offset;
            slot->value = rhi__load64(buffer + i * field->stride + field->element_offset);
            slot->element = done + i;
            if (slot->value && !visit(context, slot))
                return false;
        }
        if (got < step) {
            rhi__reader_problem(
                reader, "%s#%llu.%s: elements %llu to %llu of its vector cannot be read",
                rhi__type_name(reader, object->type), (unsigned long long)object->serial,
                field->name, (unsigned long long)(done + got), (unsigned long long)(count - 1));
            break;
        }
        done += step;
    }
    return true;
}

static bool each_field_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                            const rhi_field *field, rhi_slot_visitor visit, void *context)
{
    uint64_t first, count;
    rhi_slot slot = {.field = field};
    if (!rhi__field_span(reader, object, bytes, field, &first, &count) ||
        (field->form == RHI_FORM_VECTOR && field->stride > VECTOR_STEP_BYTES)) {
        rhi__reader_problem(
            reader, "%s#%llu.%s: its element count makes no sense (corrupt object?)",
            rhi__type_name(reader, object->type), (unsigned long long)object->serial, field->name);
        return true;
    }
    if (field->form == RHI_FORM_VECTOR)
        return each_vector_slot(reader, object, &slot, first, count, visit, context);
    if (!take_room(reader, count * 8))
        return true;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = field->offset + i * field->stride + field->element_offset;
        slot.address = object->address + offset;
        slot.value = rhi__load64(bytes + offset);
        slot.element = i;
        if (slot.value && !visit(context, &slot))
            return false;
    }
    return true;
}

bool rhi__each_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                    rhi_slot_visitor visit, void *context)
{
    if (object->type >= reader->types.count)
        return true;
    const rhi_type *type = &reader->types.items[object->type];
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        if (field->kind <= RHI_KIND_BORROWED &&
            !each_field_slot(reader, object, bytes, field, visit, context))
            return false;
    }
    return true;
}
