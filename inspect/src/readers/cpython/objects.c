/* objects.c - is an object in some memory, where does it begin, how large is it (see python.h).
 *
 * An object's address lies behind a prefix of its type: the collector's header, and in front of
 * that a word or two for attributes. So there are three places where it may begin.
 * Invariant: what is found lies in its room, and its type says the prefix that it has. */
#include "readers/cpython/python.h"

#include <string.h>

enum { CODE_MAX = 1 << 20 /* slots of a frame */ };

/* ---- counts --------------------------------------------------------------------------------- */

#define STATIC_COUNT 500000000u /* static objects begin with twice as many, before 3.12 */

bool rhi__py_is_immortal(const py_runtime *py, uint64_t refcount)
{
    return py->minor >= 12 ? (refcount & 0x80000000u) != 0 : refcount >= STATIC_COUNT;
}

static bool is_count(const py_runtime *py, uint64_t refcount)
{
    if (py->minor >= 12 && (refcount & 0x80000000u))
        return refcount >> 32 == 0 || refcount >> 31 == UINT64_MAX >> 31;
    return refcount > 0 && (refcount < py->refcount_max ||
                            (refcount >= STATIC_COUNT && refcount < 2ull * STATIC_COUNT + 100000000));
}

/* ---- sizes ---------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t size, uint64_t to)
{
    return (size + to - 1) & ~(to - 1);
}

/* Slots of a frame of this code: what it names, and its stack. 0: it cannot be read. */
static uint64_t frame_slots(const py_runtime *py, uint64_t code)
{
    unsigned first = py->minor == 11 ? 68 : 64; /* co_stacksize, 8 more: co_nlocalsplus */
    uint64_t both[2];
    if (!code || code % 8 ||
        rhi__memory_read(py->memory, code + first, both, sizeof both) != sizeof both)
        return 0;
    uint64_t slots = (uint64_t)(uint32_t)both[0] + (uint32_t)both[1];
    return slots <= CODE_MAX ? slots : 0;
}

/* Generators, coroutines and async generators end with a frame. */
static uint64_t generator_size(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                               uint64_t got)
{
    uint64_t frame = type->basicsize - py->at->frame_size,
             code_at = py->minor == 11 ? 16 : frame + py->at->frame_code;
    if (py->minor < 11 || type->basicsize < py->at->frame_size || code_at + 8 > got)
        return type->basicsize;
    return type->basicsize + 8 * frame_slots(py, rhi__load64(bytes + code_at));
}

static uint64_t frame_object_size(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                                  uint64_t got)
{
    enum { F_FRAME = 24 };
    uint64_t code = 0;
    if (got >= F_FRAME + 8)
        rhi__memory_u64(py->memory, rhi__load64(bytes + F_FRAME) + py->at->frame_code, &code);
    return type->basicsize + 8 * frame_slots(py, code);
}

static uint64_t text_size(const py_runtime *py, const py_type *type, const uint8_t *bytes)
{
    uint32_t state = rhi__load32(bytes + 32), kind = state >> 2 & 7;
    uint64_t length = rhi__load64(bytes + PY_OB_SIZE);
    if (!(state >> 5 & 1) || !kind) /* its characters lie elsewhere */
        return type->basicsize;
    if (kind > 4 || length >= UINT64_MAX / 8)
        return 0;
    return (state >> 6 & 1 ? py->at->ascii_data : py->at->wide_data) + (length + 1) * kind;
}

/* How many items it says it has. */
static uint64_t item_count(const py_runtime *py, const py_type *type, const uint8_t *bytes)
{
    int64_t count = (int64_t)rhi__load64(bytes + PY_OB_SIZE);
    if (type->items)
        return type->items;
    if (py->minor >= 12 && (type->flags & PY_FLAG_LONG))
        return (uint64_t)count >> 3 ? (uint64_t)count >> 3 : 1;
    return count < 0 ? 0 - (uint64_t)count : (uint64_t)count;
}

/* 3.13: the values of attributes follow the object. */
static uint64_t inline_size(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                            uint64_t got)
{
    if (!py->at->has_inline_values || !(type->flags & PY_FLAG_INLINE_VALUES) ||
        type->basicsize >= got)
        return 0;
    uint64_t capacity = bytes[type->basicsize];
    return round_up(capacity, 8) + (capacity + 1) * 8;
}

uint64_t rhi__py_object_size(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                             uint64_t got)
{
    if (got < type->basicsize && got < 40)
        return type->itemsize || (type->flags & PY_FLAG_STR) ? 0 : type->basicsize;
    if (type->flags & PY_FLAG_STR)
        return text_size(py, type, bytes);
    if (type->layout == PY_GENERATOR)
        return generator_size(py, type, bytes, got);
    if (type->layout == PY_FRAME && py->minor >= 11)
        return frame_object_size(py, type, bytes, got);
    uint64_t size = type->basicsize + inline_size(py, type, bytes, got);
    if (!type->itemsize)
        return size;
    uint64_t items = item_count(py, type, bytes);
    return items < (UINT64_MAX >> 1) / type->itemsize ? size + items * type->itemsize : 0;
}
