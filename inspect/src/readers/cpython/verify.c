/* verify.c - holds the parts of Python's heap against each other (see heap/format.h): the
 * collector's links, the tables of objects, the guards around blocks, types.
 *
 * What every format has, counts and references, is checked above the seam. Invariant: as in
 * checks.h; while a collection runs, the collector's links are not judged. */
#include "readers/cpython/checks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAD_BYTES = 256, /* of a large object: as much as a table's numbers take */
    /* a pool's header */
    POOL_BYTES = 48,
    POOL_NEXT_OFFSET = 40,
    /* what debug hooks put around a block: size and id in front, then its bytes, and guards */
    GUARD_ID = 8,
    GUARD_BYTES = 8,
    DEAD_FROM = 8, /* of a freed block: behind the link of the list it is in */
    DEAD_TO = 24,
    DEAD = 0xdd
};
#define GUARD 0xfdfdfdfdfdfdfdfdull

/* ---- guards --------------------------------------------------------------------------------- */

#define FIND_BLOCK(c, block, at, ...)                                                              \
    (c)->check->found((c)->check, RHI_FOUND_BAD_GUARD, (block)->heap, at, NULL, __VA_ARGS__)

/* Of what is in an allocated block: its object, if there is one. */
static void find_guard(const py_checker *c, const rhi_block *block, uint64_t slot,
                       const uint8_t *bytes, const char *what, uint64_t at)
{
    rhi_object object;
    uint64_t start = block->base + slot * block->slot_size;
    bool is_object = rhi__slot_is_live(block, slot);
    if (is_object)
        rhi__decode(c->reader, block, start, bytes, true, &object);
    c->check->found(c->check, RHI_FOUND_BAD_GUARD, block->heap,
                    is_object ? object.address : start + c->py->block_prefix,
                    is_object ? &object : NULL, "%s at 0x%" PRIx64, what, at);
}

static bool has_front_guard(const uint8_t *bytes)
{
    return (rhi__load64(bytes + GUARD_ID) | 0xff) == (GUARD | 0xff);
}

static void check_guards(const py_checker *c, const rhi_block *block, uint64_t slot,
                         const uint8_t *bytes)
{
    uint64_t start = block->base + slot * block->slot_size, hooks = c->py->block_prefix,
             size = __builtin_bswap64(rhi__load64(bytes)),
             most = block->slot_size - hooks - GUARD_BYTES;
    if (rhi__py_in_hand(c->py, start) || rhi__py_in_hand(c->py, start + hooks))
        return;
    if (size > most || !has_front_guard(bytes))
        find_guard(c, block, slot, bytes, "the guard in front of it is written over,", start);
    else if (rhi__load64(bytes + hooks + size) != GUARD)
        find_guard(c, block, slot, bytes, "the guard behind it is written over,",
                   start + hooks + size);
}

/* A freed block was filled when it was freed. The last one that was cut from the pool may never
 * have been given out: it is in the list from the beginning. */
static void check_dead(const py_checker *c, const rhi_block *block, uint64_t slot,
                       const uint8_t *bytes)
{
    uint64_t start = block->base + slot * block->slot_size;
    for (unsigned i = DEAD_FROM; i < DEAD_TO; i++)
        if (bytes[i] != DEAD) {
            if (!rhi__py_in_hand(c->py, start) &&
                !rhi__py_in_hand(c->py, start + c->py->block_prefix))
                FIND_BLOCK(c, block, start + i,
                           "the freed block at 0x%" PRIx64 " was written to at 0x%" PRIx64, start,
                           start + i);
            return;
        }
}

static void check_hooks(const py_checker *c, const rhi_block *block, const uint8_t *bytes)
{
    uint8_t header[POOL_BYTES];
    if (block->slot_size < DEAD_TO + GUARD_BYTES ||
        rhi__memory_read(c->py->memory, block->base - POOL_BYTES, header, sizeof header) !=
            sizeof header)
        return;
    uint64_t carved = rhi__load32(header + POOL_NEXT_OFFSET);
    for (uint64_t slot = 0; slot < block->capacity; slot++) {
        const uint8_t *at = bytes + slot * block->slot_size;
        /* or a table that is kept for the next dict, which holds nothing */
        if (rhi__slot_is_live(block, slot) || py_is_raw(block, slot) || has_front_guard(at))
            check_guards(c, block, slot, at);
        else if (POOL_BYTES + (slot + 1) * block->slot_size < carved)
            check_dead(c, block, slot, at);
    }
}

/* ---- objects -------------------------------------------------------------------------------- */

static bool has_table(const py_type *type)
{
    return type->layout == PY_LIST || type->layout == PY_SET || py_has_entries(type);
}

static void check_objects(py_checker *c, const rhi_block *block, const uint8_t *bytes, uint64_t got)
{
    for (uint64_t first = 0; first < block->capacity; first += 64)
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1) {
            uint64_t slot = first + (uint64_t)__builtin_ctzll(bits),
                     prefix = block->prefixes ? block->prefixes[slot] : 0,
                     at = slot * block->slot_size, end = at + block->slot_size;
            if (at + prefix + PY_OB_SIZE > got)
                return;
            const py_type *type =
                rhi__py_known_type(c->py, rhi__load64(bytes + at + prefix + PY_OB_TYPE));
            rhi_object object;
            if (!type || !has_table(type))
                continue;
            rhi__decode(c->reader, block, block->base + at, bytes + at, true, &object);
            if (object.state == RHI_LIVE)
                rhi__py_check_table(c, type, &object, bytes + at + prefix,
                                    (end < got ? end : got) - at - prefix);
        }
}

static void check_block(py_checker *c, const rhi_block *block)
{
    uint64_t got = 0, size = block->size;
    if (block->capacity == 1 && size > HEAD_BYTES)
        size = HEAD_BYTES;
    const uint8_t *bytes = rhi__block_bytes(c->reader, block, size, &c->room, &got);
    if (!bytes)
        return;
    if (c->py->allocator == PY_DEBUG && got == block->size && rhi__py_is_pool(c, block))
        check_hooks(c, block, bytes);
    check_objects(c, block, bytes, got);
}

/* ---- types ---------------------------------------------------------------------------------- */

static void check_type(const py_checker *c, const py_type *type)
{
    py_runtime *py = c->py;
    uint64_t dict_type = 0;
    rhi_object object = {.address = type->address,
                         .start = type->address,
                         .slot_size = PY_TYPE_READ_BYTES,
                         .heap = py->interpreters.items[0].heap,
                         .type = UINT32_MAX};
    const rhi_block *block = rhi__block_at(c->reader, type->address);
    if (rhi__py_in_hand(c->py, type->address) || !block ||
        !rhi__slot_at(c->reader, block, type->address, &object))
        return;
    const char *name = rhi__type_name(c->reader, py_type_number(py, type));
    if (type->dict && rhi__memory_u64(py->memory, type->dict + PY_OB_TYPE, &dict_type)) {
        const py_type *of_dict = rhi__py_known_type(py, dict_type);
        if (of_dict ? !py_has_entries(of_dict) : !py_lacks_type(py, dict_type))
            c->check->found(c->check, RHI_FOUND_BAD_TYPE, object.heap, object.address, &object,
                            "what the class %s has as its __dict__, 0x%" PRIx64 ", is no dict",
                            name, type->dict);
    }
}

/* ---- slots ---------------------------------------------------------------------------------- */

/* Lists and tuples are filled, and frames taken down, item by item. A dict takes what it does not
 * hold any more out of its table first, and is judged at any time: that of a module is in some hand
 * always. But one that is made of a dict kept for reuse has that one's table for a moment, and
 * one that goes frees what its table still has: the collector knows neither. */
static bool is_changed_in_steps(py_runtime *py, const rhi_object *object, uint64_t value)
{
    const py_type *type = py_type_of(py, object);
    bool is_settled = type && type->layout == PY_DICT && object->tracked;
    return !is_settled && (rhi__py_in_hand(py, object->address) || rhi__py_in_hand(py, value));
}

bool rhi__py_in_motion(rhi_reader *reader, const rhi_object *object)
{
    return is_changed_in_steps(py_of_heap(reader, object->heap), object, object->address);
}

bool rhi__py_may_hold(rhi_reader *reader, const rhi_object *object, uint64_t value)
{
    py_runtime *py = py_of_heap(reader, object->heap);
    const rhi_block *block = rhi__block_at(reader, value);
    return is_changed_in_steps(py, object, value) ||
           (block && py_is_raw(block, rhi__slot_number(block, value)) &&
            rhi__py_may_be_object(py, value));
}

/* ---- all ------------------------------------------------------------------------------------ */

static bool is_at_rest(const py_checker *c)
{
    for (uint64_t i = 0; i < c->py->interpreters.count; i++)
        if (!rhi__is_at_rest(c->reader, c->py->interpreters.items[i].heap))
            return false;
    return true;
}

static rhi_error *check_runtime(py_checker *c)
{
    rhi_reader *reader = c->reader;
    if (is_at_rest(c))
        RHI_TRY(rhi__py_check_links(c));
    for (uint64_t i = 0; i < c->py->types.count; i++)
        check_type(c, &c->py->types.items[i]);
    for (uint64_t i = 0; i < reader->blocks.count; i++) {
        if (i % 256 == 0)
            RHI_TRY(rhi__progress(c->check->work, "checking tables", i, reader->blocks.count));
        if (reader->heaps.items[reader->blocks.items[i].heap].state == c->py)
            check_block(c, &reader->blocks.items[i]);
    }
    return NULL;
}

rhi_error *rhi__py_check(rhi_reader *reader, rhi_check *check)
{
    const py_runtimes *runtimes = rhi__format_state(reader, check->format);
    rhi_error *error = NULL;
    for (uint64_t i = 0; runtimes && i < runtimes->items.count && !error; i++) {
        py_checker c = {.py = runtimes->items.items[i],
                        .reader = reader,
                        .check = check,
                        .piece = malloc(PY_PIECE_BYTES)};
        error = c.piece ? check_runtime(&c) : rhi__error_memory();
        rhi__block_room_free(&c.room);
        free(c.piece);
    }
    return error;
}
