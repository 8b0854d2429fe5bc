/* buffers.c - memory that array, bytearray and StringIO have for their contents (see python.h).
 *
 * It comes from where objects come from, and contents of a few bytes are written over the count of
 * an object that was freed there, whose type stays: an array of one small number looks like an
 * object with so many counts. But who has the memory is known.
 * Invariant: what is taken out of the blocks had no prefix: nothing told but its type and its count
 * that it was an object. */
#include "base/array.h"
#include "base/bits.h"
#include "base/search.h"
#include "heap/reader.h"
#include "readers/cpython/python.h"

#include <stdlib.h>
#include <string.h>

uint8_t rhi__py_buffer_of_name(const char *name)
{
    static const struct {
        const char *name;
        uint8_t at;
    } rows[] = {{"array.array", 24}, {"bytearray", 32}, {"_io.StringIO", 16}};
    for (uint64_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, name) == 0)
            return rows[i].at;
    return 0;
}

void rhi__py_note_buffer(py_runtime *py, const py_type *type, const uint8_t *object, uint64_t got)
{
    uint64_t buffer =
        type->buffer_at && got >= type->buffer_at + 8u ? rhi__load64(object + type->buffer_at) : 0;
    if (!buffer || py->block_prefix) /* debug hooks say what is an object */
        return;
    if (rhi__array_reserve(&py->buffers, 1))
        py->buffers.items[py->buffers.count++] = buffer;
    else
        py->buffers.is_short = true;
}

static int order(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The first of the buffers from the address on. */
static uint64_t first_from(const py_runtime *py, uint64_t address)
{
    return rhi__first(0, py->buffers.count, i, py->buffers.items[i] >= address);
}

static bool take_from_pool(const py_runtime *py, rhi_block *block)
{
    uint64_t end = block->base + block->slot_size * block->capacity;
    for (uint64_t i = first_from(py, block->base);
         i < py->buffers.count && py->buffers.items[i] < end; i++) {
        uint64_t offset = py->buffers.items[i] - block->base, slot = offset / block->slot_size;
        if (offset % block->slot_size || !rhi__bit(block->live, slot) ||
            (block->prefixes && block->prefixes[slot]))
            continue;
        if (!block->raw && !(block->raw = calloc((block->capacity + 63u) / 64, sizeof *block->raw)))
            return false;
        block->live[slot / 64] &= ~(1ull << slot % 64);
        rhi__bit_set(block->raw, slot);
    }
    return true;
}

static bool is_buffer(const py_runtime *py, const rhi_block *block)
{
    uint64_t place = first_from(py, block->base);
    return !block->prefixes && block->origin != PY_IS_STATIC && place < py->buffers.count &&
           py->buffers.items[place] == block->base;
}

bool rhi__py_take_buffers(py_runtime *py, rhi_blocks *blocks)
{
    bool ok = !py->buffers.is_short;
    if (py->buffers.count)
        qsort(py->buffers.items, py->buffers.count, sizeof *py->buffers.items, order);
    for (uint64_t i = 0; i < blocks->count && py->buffers.count; i++) {
        rhi_block *block = &blocks->items[i];
        if (py->reader->heaps.items[block->heap].state != py)
            continue;
        if (!block->is_lone)
            ok &= take_from_pool(py, block);
        else if (is_buffer(py, block)) /* blocks have no order yet */
            *block = blocks->items[--blocks->count], i--;
    }
    return ok;
}

void rhi__py_drop_buffers(py_runtime *py)
{
    free(py->buffers.items);
    py->buffers.items = NULL;
    py->buffers.count = py->buffers.capacity = 0;
    py->buffers.is_short = false;
}
