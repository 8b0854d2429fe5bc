/* headers.c - the objects in the slots of blocks: counts, types, sizes (see python.h).
 *
 * Invariant: a type is one of py_runtime.types, or UINT32_MAX. */
#include "heap/reader.h"
#include "readers/cpython/python.h"

static uint64_t header_bytes(const rhi_block *block)
{
    enum { MOST = PY_DEBUG_PREFIX + PY_PREFIX_MAX + 16 };
    return block->slot_size < MOST ? block->slot_size : MOST;
}

/* What the collector keeps in front of an object. */
static void decode_collector(const uint8_t *header, rhi_object *object)
{
    object->tracked = (rhi__load64(header) & ~(uint64_t)PY_GC_LINK_FLAGS) != 0;
    object->finalized = rhi__load64(header + 8) & 1;
}

/* What nobody made does not die, and its count begins anywhere. Nor does the definition of a
 * module, wherever C code has it: its first count is nobody's. */
static bool is_kept(const py_runtime *py, const rhi_block *block, const py_type *type)
{
    return (block->is_lone && block->origin == PY_IS_STATIC) ||
           (type && type->address == py->definition_type);
}

static void decode_live(const py_runtime *py, const rhi_block *block, const uint8_t *bytes,
                        rhi_object *object)
{
    uint8_t prefix = (uint8_t)(object->address - object->start);
    uint64_t count = rhi__load64(bytes + prefix);
    const py_type *type = rhi__py_known_type(py, rhi__load64(bytes + prefix + PY_OB_TYPE));
    object->state = RHI_LIVE;
    object->immortal = is_kept(py, block, type) || rhi__py_is_immortal(py, count);
    object->count = object->immortal ? 0 : (int64_t)count;
    object->type = type ? py_type_number(py, type) : UINT32_MAX;
    if (type && (type->flags & PY_FLAG_GC) && prefix >= 16)
        decode_collector(bytes + prefix - 16, object);
}

/* The block of one that was freed keeps its type, and with a prefix its count, until it is used
 * again. */
static void decode_freed(py_runtime *py, const rhi_block *block, const uint8_t *bytes,
                         rhi_object *object)
{
    py_found found;
    uint64_t slot = rhi__slot_number(block, object->start);
    bool was_used = block->capacity == 1 || slot < block->origin,
         is_taken = block->raw && rhi__bit(block->raw, slot); /* or is about to be freed */
    object->state = RHI_UNUSED;
    if (!was_used ||
        !rhi__py_was_object(py, bytes, header_bytes(block), block->slot_size, !is_taken, &found))
        return;
    object->state = RHI_FREED;
    object->address = object->start + found.prefix;
    object->type = py_type_number(py, found.type);
}

void rhi__py_decode(const rhi_reader *reader, const rhi_block *block, uint64_t start,
                    const uint8_t *bytes, bool live, rhi_object *object)
{
    py_runtime *py = py_of_heap(reader, block->heap);
    *object = (rhi_object){.address = start,
                           .start = start,
                           .slot_size = block->slot_size,
                           .type = UINT32_MAX,
                           .heap = block->heap};
    if (!live) {
        decode_freed(py, block, bytes, object);
        return;
    }
    object->address = rhi__slot_address(block, rhi__slot_number(block, start));
    if (object->address - start + 16 <= header_bytes(block))
        decode_live(py, block, bytes, object);
}

void rhi__py_headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                     uint64_t slot_count, rhi_header *headers)
{
    enum { LAST_TYPES = 16 };
    const py_runtime *py = py_of_heap(reader, block->heap);
    const py_type *last[LAST_TYPES] = {NULL}; /* that were met; most of a pool have one of few */
    for (uint64_t first = 0; first < slot_count; first += 64)
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1) {
            uint64_t slot = first + (uint64_t)__builtin_ctzll(bits);
            if (slot >= slot_count)
                return;
            uint64_t prefix = block->prefixes ? block->prefixes[slot] : 0;
            const uint8_t *object = bytes + slot * block->slot_size + prefix;
            uint64_t count = rhi__load64(object), address = rhi__load64(object + PY_OB_TYPE);
            const py_type **place = &last[address / 16 % LAST_TYPES], *type = *place;
            if (!type || type->address != address)
                type = *place = rhi__py_known_type(py, address);
            bool immortal = is_kept(py, block, type) || rhi__py_is_immortal(py, count);
            *headers++ = (rhi_header){.count = immortal             ? 0
                                               : count < UINT32_MAX ? (uint32_t)count
                                                                    : UINT32_MAX,
                                      .type = type ? py_type_number(py, type) : UINT32_MAX,
                                      .state = RHI_LIVE,
                                      .immortal = immortal,
                                      .finalized = type && (type->flags & PY_FLAG_GC) &&
                                                   prefix >= 16 && (rhi__load64(object - 8) & 1)};
        }
}

uint64_t rhi__py_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes)
{
    const py_runtime *py = py_of_heap(reader, object->heap);
    const py_type *type = py_type_of(py, object);
    uint64_t prefix = object->address - object->start, room = object->slot_size - prefix,
             size = type ? rhi__py_object_size(py, type, bytes + prefix, room) : 0;
    return prefix + (size && size < room ? size : room);
}
