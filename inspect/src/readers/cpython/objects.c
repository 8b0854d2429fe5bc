/* objects.c - is an object in some memory, where does it begin, how large is it (see python.h).
 *
 * An object's address lies behind a prefix of its type: the collector's header, and in front of
 * that a word or two for attributes. So there are three places where it may begin.
 * Invariant: what is found lies in its room, and its type says the prefix that it has. */
#include "readers/cpython/python.h"

#include <string.h>

enum {
    CODE_MAX = 1 << 20, /* slots of a frame */
    LOWEST_ADDRESS = 1 << 20
};

/* ---- counts --------------------------------------------------------------------------------- */

/* Is it the address of an object? Those of a program that lies low in memory are no larger than the
 * counts of objects that very many hold. */
static bool is_address(const py_runtime *py, uint64_t value)
{
    uint64_t type;
    return value >= LOWEST_ADDRESS && value % 8 == 0 && value <= UINT64_MAX - 16 &&
           rhi__memory_u64(py->memory, value + PY_OB_TYPE, &type) && rhi__py_known_type(py, type);
}

/* In 3.11 static objects begin with 999,999,999, and few move far from there. Where memory of a
 * program that lies low has such addresses, only those next to it are taken for counts. */
bool rhi__py_is_static_count(const py_runtime *py, uint64_t refcount)
{
    enum { FIRST = 999999999, BELOW = 10 << 20, ABOVE = 100 << 20, NEAR = 200000 };
    if (py->minor >= 12)
        return refcount >> 31 == 1;
    if (py->minor < 11 || refcount < FIRST - BELOW || refcount > FIRST + ABOVE ||
        is_address(py, refcount))
        return false;
    return refcount - (FIRST - NEAR) <= 2 * NEAR || !rhi__memory_region(py->memory, refcount);
}

/* Is it the count of an object? One that static objects begin with is no other's. */
static bool is_count(const py_runtime *py, uint64_t refcount, enum py_fit fit)
{
    if (py->minor >= 12 && (refcount & 0x80000000u))
        return refcount >> 32 == 0;
    return refcount > 0 && ((refcount < py->refcount_max && !is_address(py, refcount)) ||
                            (fit == PY_WITHIN && rhi__py_is_static_count(py, refcount)));
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

static bool has_inline_values(const py_runtime *py, const py_type *type)
{
    return py->at->has_inline_values && (type->flags & PY_FLAG_INLINE_VALUES);
}

/* 3.13: the values of attributes follow the object. */
static uint64_t inline_size(uint64_t capacity)
{
    return round_up(capacity, 8) + (capacity + 1) * 8;
}

uint64_t rhi__py_object_size(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                             uint64_t got)
{
    if (got < 40 && (type->flags & PY_FLAG_STR))
        return 0;
    if (got <= PY_HAS_ZONE)
        return type->itemsize || has_inline_values(py, type) ? 0 : type->basicsize;
    if (type->flags & PY_FLAG_STR)
        return text_size(py, type, bytes);
    if (type->layout == PY_GENERATOR)
        return generator_size(py, type, bytes, got);
    if (type->layout == PY_FRAME && py->minor >= 11)
        return frame_object_size(py, type, bytes, got);
    uint64_t size = type->basicsize;
    if (has_inline_values(py, type)) {
        if (size >= got)
            return 0;
        size += inline_size(bytes[size]);
    }
    if (rhi__py_lacks_zone(type, bytes))
        size -= 8;
    if (!type->itemsize)
        return size;
    uint64_t items = item_count(py, type, bytes);
    return items < (UINT64_MAX >> 1) / type->itemsize ? size + items * type->itemsize : 0;
}

/* ---- is it one ------------------------------------------------------------------------------ */

static bool has_own_size(const py_runtime *py, const py_type *type)
{
    return type->itemsize || (type->flags & PY_FLAG_STR) || has_inline_values(py, type);
}

/* Does an object of this size, with its prefix, come from a piece of this room? One of a variable
 * size may have been made larger, and then be cut where less than a quarter was gained, as
 * obmalloc and malloc do it; a number is cut without asking them; a type has one item more than
 * it says, and the first objects of a class have one inline value more. */
static bool fits(const py_runtime *py, const py_type *type, uint64_t size, uint64_t room,
                 enum py_fit fit)
{
    enum { MALLOC_ROUNDS = 47, PAGES_FROM = 128 << 10, PAGE = 4096 };
    if (fit == PY_WITHIN)
        return size <= room;
    uint64_t spare = fit == PY_FILLS      ? 0
                     : room >= PAGES_FROM ? PAGE + MALLOC_ROUNDS
                                          : MALLOC_ROUNDS;
    uint64_t least = round_up(size, 16), most = round_up(room, 16);
    if (!has_own_size(py, type))
        return least <= most && most - least <= spare;
    uint64_t more = has_inline_values(py, type) ? 16 : type->itemsize;
    return size <= room && (round_up(size + more, 16) + spare >= most || size > room - room / 4 ||
                            (type->flags & PY_FLAG_LONG));
}

/* The collector's header: in no list, or `next` leads to another header, with a flag in its low
 * bits while it runs; `prev` holds something else then. */
static bool has_collector_header(const uint8_t *header)
{
    uint64_t next = rhi__load64(header), prev = rhi__load64(header + 8);
    if (next == 0)
        return prev <= PY_GC_LINK_FLAGS;
    next &= ~(uint64_t)PY_GC_LINK_FLAGS;
    return next >= 4096 && next % 8 == 0 && next < 1ull << 56;
}

/* Is one of this type there, behind the type's prefix? Its count was looked at. */
static bool fits_type(const py_runtime *py, const py_type *type, const uint8_t *bytes, uint64_t got,
                      uint64_t room, enum py_fit fit, py_found *found)
{
    uint64_t prefix = type->prefix;
    if ((type->flags & PY_FLAG_GC) && !has_collector_header(bytes + prefix - 16))
        return false;
    /* it may be taken apart just now, but has never had more items than there are words */
    if (type->layout == PY_LIST && got >= prefix + PY_OB_SIZE + 8 &&
        rhi__load64(bytes + prefix + PY_OB_SIZE) > py->refcount_max)
        return false;
    uint64_t size = rhi__py_object_size(py, type, bytes + prefix, got - prefix);
    if (!size || size > UINT64_MAX / 2 || !fits(py, type, prefix + size, room, fit))
        return false;
    *found = (py_found){type, type->prefix, prefix + size};
    return true;
}

static bool fits_prefix(py_runtime *py, const uint8_t *bytes, uint64_t got, uint64_t room,
                        enum py_fit fit, uint8_t prefix, py_found *found)
{
    bool has_collector = prefix > 16 || (prefix == 16 && !py->at->has_managed_weakref);
    if (got < prefix + 16u || (has_collector && !has_collector_header(bytes + prefix - 16)) ||
        !is_count(py, rhi__load64(bytes + prefix), fit))
        return false;
    const py_type *type = rhi__py_type_at(py, rhi__load64(bytes + prefix + PY_OB_TYPE));
    return type && type->prefix == prefix && fits_type(py, type, bytes, got, room, fit, found);
}

bool rhi__py_object_like(const py_runtime *py, const py_type *type, const uint8_t *bytes,
                         uint64_t room, py_found *found)
{
    uint64_t prefix = type->prefix;
    return !py->block_prefix && room >= prefix + 16 &&
           rhi__load64(bytes + prefix + PY_OB_TYPE) == type->address &&
           is_count(py, rhi__load64(bytes + prefix), PY_FILLS) &&
           fits_type(py, type, bytes, room, room, PY_FILLS, found);
}

/* Is the object at the address in one of the collector's lists? */
static bool is_linked(py_runtime *py, const uint8_t *bytes, uint64_t start, const py_found *found)
{
    uint64_t back;
    return (found->type->flags & PY_FLAG_GC) &&
           rhi__memory_u64(py->memory,
                           (rhi__load64(bytes + found->prefix - 16) & ~(uint64_t)PY_GC_LINK_FLAGS) +
                               8,
                           &back) &&
           (back & ~(uint64_t)PY_GC_LINK_FLAGS) == start + found->prefix - 16;
}

/* Is it in one of the collector's lists, or in none? Its neighbours need not be of one mind while
 * it is put into a list, or taken out. */
static bool has_links(py_runtime *py, const uint8_t *bytes, uint64_t start, const py_found *found)
{
    uint64_t next = rhi__load64(bytes + found->prefix - 16) & ~(uint64_t)PY_GC_LINK_FLAGS,
             prev = rhi__load64(bytes + found->prefix - 8) & ~(uint64_t)PY_GC_LINK_FLAGS, forth;
    return next == 0 || is_linked(py, bytes, start, found) ||
           (rhi__memory_u64(py->memory, prev, &forth) &&
            (forth & ~(uint64_t)PY_GC_LINK_FLAGS) == start + found->prefix - 16);
}

bool rhi__py_is_collecting(const py_runtime *py)
{
    for (uint64_t i = 0; i < py->interpreters.count; i++)
        if (py->interpreters.items[i].is_collecting)
            return true;
    return false;
}

/* Where obmalloc serves what is small, only that lies in malloc's blocks that was larger once, or
 * that C code takes from malloc itself, for types of its own and not for the collector's. So most
 * structs of C that look like an object are told from one. */
static bool may_be_malloced(py_runtime *py, const uint8_t *bytes, uint64_t start,
                            const py_found *found)
{
    enum { SMALL = 512 };
    const rhi_type *type = &py->reader->types.items[py_type_number(py, found->type)];
    if (py->allocator != PY_PYMALLOC)
        return true;
    if (!(found->type->flags & PY_FLAG_GC))
        return found->size > SMALL || has_own_size(py, found->type) || type->has_raw_words;
    return (found->size > SMALL || has_own_size(py, found->type)) &&
           (rhi__py_is_collecting(py) || has_links(py, bytes, start, found));
}

/* What debug hooks put in front: size, who asked for it, seven times 0xfd. More than obmalloc has
 * gets this twice. Returns the bytes of it, *room is what was asked for then; 0: no object. */
static uint64_t debug_prefix(const uint8_t *bytes, uint64_t got, uint64_t *room)
{
    for (uint64_t at = 0; at <= PY_DEBUG_PREFIX && got >= at + PY_DEBUG_PREFIX;) {
        uint64_t mark = rhi__load64(bytes + at + 8),
                 size = __builtin_bswap64(rhi__load64(bytes + at));
        at += PY_DEBUG_PREFIX;
        if (mark >> 8 != 0xfdfdfdfdfdfdfdull || *room < PY_DEBUG_PREFIX ||
            size > *room - PY_DEBUG_PREFIX)
            return 0;
        *room = size;
        if ((mark & 0xff) == 'o')
            return at;
        if ((mark & 0xff) != 'r')
            return 0;
    }
    return 0;
}

bool rhi__py_object_in(py_runtime *py, uint64_t start, const uint8_t *bytes, uint64_t got,
                       uint64_t room, enum py_fit fit, py_found *found)
{
    py_found one;
    uint64_t hooks = 0;
    bool any = false;
    if (py->block_prefix && fit != PY_WITHIN) {
        hooks = debug_prefix(bytes, got, &room);
        if (!hooks)
            return false;
        bytes += hooks;
        got -= hooks;
        start += hooks;
    }
    for (unsigned prefix = 0; prefix <= PY_PREFIX_MAX; prefix += 16) {
        if (!fits_prefix(py, bytes, got, room, fit, (uint8_t)prefix, &one) ||
            (fit == PY_CHUNK && !may_be_malloced(py, bytes, start, &one)))
            continue;
        if (!any || (!is_linked(py, bytes, start, found) && is_linked(py, bytes, start, &one)))
            *found = one;
        any = true;
    }
    if (any) {
        found->prefix = (uint8_t)(found->prefix + hooks);
        found->size += hooks;
    }
    return any;
}

/* May an object with no counts be in a block that was not given back? Numbers and texts are never
 * kept for reuse: what looks so is left in memory that is used for something else. */
static bool may_be_kept(const py_type *type)
{
    return !(type->flags & (PY_FLAG_LONG | PY_FLAG_STR | PY_FLAG_BYTES));
}

bool rhi__py_was_object(py_runtime *py, const uint8_t *bytes, uint64_t got, uint64_t room,
                        bool is_free, py_found *found)
{
    for (unsigned prefix = 0; prefix <= PY_PREFIX_MAX && got >= prefix + 16; prefix += 16) {
        /* its count is gone, which is sooner told than what type it had */
        if (rhi__load64(bytes + prefix) != 0 && !(is_free && prefix == 0))
            continue;
        const py_type *type = rhi__py_type_at(py, rhi__load64(bytes + prefix + PY_OB_TYPE));
        if (!type || type->prefix != prefix || (!is_free && !may_be_kept(type)) ||
            (has_own_size(py, type) ? prefix + type->basicsize > round_up(room, 16)
                                    : !fits(py, type, prefix + type->basicsize, room, PY_FILLS)))
            continue;
        *found = (py_found){type, (uint8_t)prefix, prefix + type->basicsize};
        return true;
    }
    return false;
}
