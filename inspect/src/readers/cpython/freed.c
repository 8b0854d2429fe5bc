/* freed.c - what became of the memory of an object that is gone: what is known of an address in an
 * arena besides what lives there.
 *
 * Objects have no numbers, and a block is given out again at once: often nothing tells the old
 * tenant from the new one, and then that is said. Blocks do not lie where they did: an object
 * begins 0, 16 or 32 bytes behind its block, by its type, so that an old address may be told from
 * the new object's. Invariant: nothing is said to have been at an address that the bytes do not
 * show. */
#include "base/cycle_guard.h"
#include "heap/objects.h"
#include "readers/cpython/python.h"

#include <inttypes.h>

enum { POOL_FREE = 8 /* of a pool's header: the first of its free blocks */ };

bool rhi__py_is_free(const py_runtime *py, uint64_t start)
{
    uint64_t pool = start & -(uint64_t)py->at->pool_bytes, at = 0;
    rhi_cycle_guard guard = {0};
    for (bool more = rhi__memory_u64(py->memory, pool + POOL_FREE, &at);
         more && at && !rhi__is_repeated(&guard, at) && at - pool < py->at->pool_bytes;
         more = rhi__memory_u64(py->memory, at, &at))
        if (at == start)
            return true;
    return false;
}

/* May an object have begun at this address of the block? */
static bool may_begin(const py_runtime *py, uint64_t address, const rhi_object *block)
{
    uint64_t inside = address - block->start - py->block_prefix;
    return inside <= PY_PREFIX_MAX && inside % 16 == 0;
}

/* An address of a live object's block. */
static void remark_live(rhi_reader *reader, const py_runtime *py, uint64_t address,
                        const rhi_object *object, char *text, size_t size)
{
    char id[RHI_ID_SIZE];
    rhi__object_id(reader, object, id, sizeof id);
    if (address == object->address && !object->immortal)
        rhi__text(
            text, size,
            "Python numbers no objects: whether another one was at this address before cannot "
            "be told");
    else if (may_begin(py, address, object))
        rhi__text(text, size,
                  "if an object was at this address, it is gone: the block at 0x%llx is in use "
                  "again, and %s begins %llu bytes behind its start",
                  (unsigned long long)object->start, id,
                  (unsigned long long)(object->address - object->start));
}

bool rhi__py_may_be_object(py_runtime *py, uint64_t address)
{
    uint64_t count, type, meta;
    if (!rhi__memory_u64(py->memory, address + PY_OB_REFCNT, &count) || !count ||
        (count >= py->refcount_max && !rhi__py_is_immortal(py, count)) ||
        !rhi__memory_u64(py->memory, address + PY_OB_TYPE, &type))
        return false;
    if (rhi__py_type_at(py, type) || py_lacks_type(py, type))
        return true;
    return rhi__memory_u64(py->memory, type + PY_OB_TYPE, &meta) &&
           (meta == py->type_type || py_lacks_type(py, meta));
}

/* Where no object is read: does one seem to begin there? C code may keep more in an object than its
 * type says, and then it is not told from what only looks like one. */
static bool remark_seeming(rhi_reader *reader, const py_runtime *py, uint64_t address, char *text,
                           size_t size)
{
    uint64_t count, type_at;
    if (address % 16 || !rhi__memory_u64(py->memory, address + PY_OB_REFCNT, &count) ||
        !rhi__memory_u64(py->memory, address + PY_OB_TYPE, &type_at) || count == 0 ||
        count > py->refcount_max)
        return false;
    const py_type *type = rhi__py_known_type(py, type_at);
    if (type)
        rhi__text(text, size,
                  "it may be an object all the same: it begins as one of type %s does, and C code "
                  "may keep more in it than that type says; it is not judged, and its words count "
                  "as those of C memory do",
                  rhi__type_name(reader, py_type_number(py, type)));
    return type != NULL;
}

/* The same in memory that is no heap's. */
static void remark_outside(rhi_reader *reader, uint64_t address, char *text, size_t size)
{
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (reader->heaps.items[i].format->remark == rhi__py_remark &&
            remark_seeming(reader, py_of_heap(reader, (uint32_t)i), address, text, size))
            return;
}

void rhi__py_remark(rhi_reader *reader, uint64_t address, const rhi_object *object, char *text,
                    size_t size)
{
    text[0] = '\0';
    if (!object->slot_size) {
        remark_outside(reader, address, text, size);
        return;
    }
    py_runtime *py = py_of_heap(reader, object->heap);
    const rhi_block *block = rhi__block_near(reader, address);
    const rhi_own_range *range = rhi__own_at(reader, address);
    if (!block || !range || !range->has_blocks)
        return;
    uint64_t slot = rhi__slot_number(block, address);
    if (rhi__is_object(object->state))
        remark_live(reader, py, address, object, text, size);
    else if (block->raw && rhi__bit(block->raw, slot) && object->state != RHI_FREED) {
        if (may_begin(py, address, object) && !remark_seeming(reader, py, address, text, size))
            rhi__text(text, size,
                      rhi__py_may_be_object(py, address)
                          ? "it may be an object all the same: its type is not known"
                          : "if an object was at this address, it is gone: its block is in use for "
                            "something else");
    } else if (object->state == RHI_FREED && !rhi__py_is_free(py, object->start))
        rhi__text(text, size,
                  "its block was not given back: Python keeps it for the next object of this kind");
    else if (object->state == RHI_UNUSED && slot < block->origin)
        rhi__text(text, size,
                  "its block was in use before; nothing is left there that says what it held");
}
