/* mark.c - marks objects and types, so that their runtime records what becomes of the counts (see
 * heap/format.h): what would have to be written, and why it must not be.
 *
 * Invariant: all that an answer rests on is read here, once more: the descriptor, the phase of the
 * heap, the object's header or the type's entry. What contradicts itself is left as it is. */
#include "readers/refheap/reader.h"

#include <inttypes.h>
#include <string.h>

enum {
    COUNT_MAX = 1 << 28,
    HEADER_MAX = 64,
    STATE_FLAGS = RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED
};

static void store(uint8_t *bytes, uint32_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

/* Is the descriptor as it was when the heaps were opened: the same process, not run again, and
 * nothing has written over it? */
static rhi_error *check_runtime(rhi_reader *reader, const space *s)
{
    struct rh_metadata_descriptor now;
    const struct rh_metadata_descriptor *then = &s->descriptor;
    if (rhi__memory_read(reader->memory, then->self, &now, sizeof now) != sizeof now ||
        memcmp(now.magic, then->magic, sizeof now.magic) != 0 || now.self != then->self ||
        now.version != then->version || now.nonce != then->nonce ||
        now.constants != then->constants || now.types != then->types)
        return rhi__error("the process is no longer the one that was looked at: ask again");
    if (C(s, object_traced) == ABSENT)
        return rhi__error("its runtime is an older one, which cannot trace: build the program with "
                          "this refheap");
    return NULL;
}

static rhi_error *needs_history(const rhi_heap_info *heap)
{
    return rhi__error("heap %" PRIu64 " keeps no history: run the program without history=0 "
                      "(REFHEAP_OPTIONS, or rh_heap_options)",
                      heap->number);
}

static rhi_error *check_heap(rhi_reader *reader, const space *s, const rhi_heap_info *heap,
                             uint64_t object)
{
    uint8_t phase[4];
    if (rhi__memory_read(reader->memory, heap->address + C(s, heap_phase), phase, sizeof phase) !=
        sizeof phase)
        return rhi__error("heap %" PRIu64 " cannot be read", heap->number);
    if (rhi__load32(phase) != RH_PHASE_IDLE)
        return rhi__error("heap %" PRIu64
                          " is in the midst of a collection, and counts are in motion: let the "
                          "program go on a bit, and ask again",
                          heap->number);
    if (!rhi__refheap_member(reader, s, heap->address, RH_MC_heap_ring, 8))
        return needs_history(heap);
    if (rhi__refheap_member(reader, s, heap->address, RH_MC_heap_tracing, 8) == object)
        return rhi__error("its count is just being changed: let the program go on a bit, and ask "
                          "again");
    return NULL;
}

/* Is the count word that of an object that is traced? `word` becomes the one without the mark. */
static bool take_mark(const space *s, uint32_t flags, uint32_t *word)
{
    bool is_marked =
        *word & C(s, count_special_bit) && *word < C(s, count_trial_zero) && !(flags & STATE_FLAGS);
    *word -= is_marked ? (uint32_t)C(s, count_traced) : 0;
    return is_marked;
}

static rhi_error *check_object(const rhi_object *asked, const rhi_object *now, const char *name)
{
    if (now->address != asked->address || now->serial != asked->serial ||
        !rhi__is_object(now->state))
        return rhi__error("0x%" PRIx64 " holds another object than a moment ago: ask again",
                          asked->address);
    if (now->damaged || now->type == UINT32_MAX)
        return rhi__error("%s#%" PRIu64
                          ": its header contradicts itself, so nothing is written there (gcverify "
                          "tells more)",
                          name, now->serial);
    if (now->immortal)
        return rhi__error("%s#%" PRIu64
                          " is immortal: its count is not kept, so there is nothing to trace",
                          name, now->serial);
    if (now->state != RHI_LIVE)
        return rhi__error("%s#%" PRIu64 " is dying: there is nothing left to trace", name,
                          now->serial);
    return NULL;
}

/* Flags and count word, which lie anywhere in the header, as one piece: they change together. */
static rhi_error *make_patch(const space *s, const rhi_object *object, const uint8_t *header,
                             bool on, rhi_patches *patches)
{
    uint64_t flags_at = C(s, object_flags), count_at = C(s, object_count),
             from = flags_at < count_at ? flags_at : count_at,
             end = flags_at + 2 > count_at + 4 ? flags_at + 2 : count_at + 4;
    uint32_t word = rhi__load32(header + count_at), before = word, flags;
    struct rhi_patch *patch = &patches->items[0];
    flags = rhi__load16(header + flags_at);
    bool is_marked = take_mark(s, flags, &word), has_flag = flags & C(s, object_traced);
    if (word & C(s, count_special_bit) || word >> C(s, count_shift) >= COUNT_MAX ||
        end - from > RHI_PATCH_BYTES_MAX)
        return rhi__error("0x%" PRIx64
                          ": its count word is that of no object that could be traced (0x%" PRIx32
                          "): nothing is written",
                          object->address, before);
    if (is_marked == on && has_flag == on)
        return NULL;
    word += on ? (uint32_t)C(s, count_traced) : 0;
    flags = on ? flags | (uint32_t)C(s, object_traced) : flags & ~(uint32_t)C(s, object_traced);
    /* the record begins with the next change, and a runtime that can says so there */
    flags |= !on || has_ranges(s) ? RH_FLAG_GAP : 0;
    *patch = (struct rhi_patch){.address = object->start + from, .size = (uint8_t)(end - from)};
    memcpy(patch->bytes, header + from, patch->size);
    store(patch->bytes + count_at - from, word, 4);
    store(patch->bytes + flags_at - from, flags, 2);
    patches->count = 1;
    return NULL;
}

rhi_error *rhi__refheap_mark(rhi_reader *reader, const rhi_object *object, bool on,
                             rhi_patches *patches)
{
    const rhi_heap_info *heap = &reader->heaps.items[object->heap];
    const space *s = space_of(heap);
    const rhi_block *block = rhi__block_near(reader, object->address);
    uint8_t header[HEADER_MAX];
    rhi_object now;
    patches->count = 0;
    RHI_TRY(check_runtime(reader, s));
    if (!block || block->heap != object->heap || C(s, object_size) > sizeof header ||
        rhi__memory_read(reader->memory, object->start, header, C(s, object_size)) !=
            C(s, object_size))
        return rhi__error("0x%" PRIx64 " cannot be read", object->address);
    rhi__decode(reader, block, object->start, header,
                rhi__slot_is_live(block, rhi__slot_number(block, object->start)), &now);
    RHI_TRY(check_object(object, &now, rhi__type_name(reader, object->type)));
    RHI_TRY(check_heap(reader, s, heap, object->address));
    return make_patch(s, object, header, on, patches);
}

/* ---- types ---------------------------------------------------------------------------------- */

/* A heap of this format that may have such objects: one that keeps a history, if there is any.
 * NULL: none. */
static const rhi_heap_info *heap_of_type(rhi_reader *reader, uint32_t type)
{
    const rhi_heap_info *found = NULL;
    for (uint64_t i = 0; i < reader->heaps.count; i++) {
        const rhi_heap_info *heap = &reader->heaps.items[i];
        if (heap->format->mark_type == rhi__refheap_mark_type &&
            type - heap->first_type < heap->type_count && !(found && found->keeps_deaths))
            found = heap;
    }
    return found;
}

/* The flags in the type's entry: where they lie, and what they are. */
static bool read_flags(rhi_reader *reader, const space *s, uint32_t type, uint64_t *entry,
                       uint32_t *flags)
{
    uint8_t bytes[4];
    *entry = s->descriptor.types + (uint64_t)(type - s->first_type) * C(s, type_size);
    if (rhi__memory_read(reader->memory, *entry + C(s, type_flags), bytes, sizeof bytes) !=
        sizeof bytes)
        return false;
    *flags = rhi__load32(bytes);
    return true;
}

bool rhi__refheap_type_is_marked(rhi_reader *reader, uint32_t type)
{
    const rhi_heap_info *heap = heap_of_type(reader, type);
    const space *s = heap ? space_of(heap) : NULL;
    uint64_t entry;
    uint32_t flags;
    return s && C(s, object_traced) != ABSENT && read_flags(reader, s, type, &entry, &flags) &&
           flags & C(s, type_traced);
}

/* Is it memory of the program's own, in which its struct of a type may lie? */
static bool may_be_source(rhi_reader *reader, uint64_t address)
{
    const rhi_region *region = rhi__memory_region(reader->memory, address);
    return address % 8 == 0 && region && region->flags & RHI_REGION_WRITE &&
           !(region->flags & RHI_REGION_SHARED) && !rhi__own_at(reader, address) &&
           !rhi__block_near(reader, address);
}

/* The program's struct is told to take the long way at its next birth, which sees the flag. */
static rhi_error *patch_source(rhi_reader *reader, const space *s, uint32_t type, uint64_t entry,
                               struct rhi_patch *patch)
{
    uint8_t index[4];
    uint64_t source;
    const char *name = rhi__type_name(reader, type);
    if (!rhi__memory_u64(reader->memory, entry + C(s, type_source), &source))
        return rhi__error("type %s cannot be read", name);
    if (!may_be_source(reader, source) ||
        rhi__memory_read(reader->memory, source + C(s, source_index), index, sizeof index) !=
            sizeof index ||
        rhi__load32(index) != type - s->first_type)
        return rhi__error("type %s is that of a library that is no longer there: no object of it "
                          "will be born",
                          name);
    *patch = (struct rhi_patch){.address = source + C(s, source_slot_class), .size = 4};
    return NULL;
}

rhi_error *rhi__refheap_mark_type(rhi_reader *reader, uint32_t type, bool on, rhi_patches *patches)
{
    const rhi_heap_info *heap = heap_of_type(reader, type);
    const space *s = heap ? space_of(heap) : NULL;
    uint64_t entry;
    uint32_t flags, bit;
    patches->count = 0;
    if (!s)
        return rhi__error("type %s is of no heap", rhi__type_name(reader, type));
    RHI_TRY(check_runtime(reader, s));
    if (on && !heap->keeps_deaths)
        return needs_history(heap);
    if (!read_flags(reader, s, type, &entry, &flags))
        return rhi__error("type %s cannot be read", rhi__type_name(reader, type));
    bit = (uint32_t)C(s, type_traced);
    if (!(flags & bit) == !on)
        return NULL;
    if (on)
        RHI_TRY(patch_source(reader, s, type, entry, &patches->items[1]));
    patches->items[0] = (struct rhi_patch){.address = entry + C(s, type_flags), .size = 4};
    store(patches->items[0].bytes, flags ^ bit, 4);
    patches->count = on ? 2 : 1;
    return NULL;
}

rhi_error *rhi__refheap_quiet(rhi_reader *reader, uint32_t index, rhi_patches *patches)
{
    const rhi_heap_info *heap = &reader->heaps.items[index];
    const space *s = space_of(heap);
    uint64_t offset = C(s, heap_trace_quietly);
    patches->count = 0;
    RHI_TRY(check_runtime(reader, s));
    if (offset == ABSENT || rhi__refheap_member(reader, s, heap->address, RH_MC_heap_trace, 8))
        return NULL;
    patches->items[0] = (struct rhi_patch){.address = heap->address + offset, .size = 4};
    store(patches->items[0].bytes, 1, 4);
    patches->count = 1;
    return NULL;
}

uint64_t rhi__refheap_hook(rhi_reader *reader, uint32_t heap)
{
    uint64_t hook = space_of(&reader->heaps.items[heap])->descriptor.trace_hook;
    const rhi_region *region = hook ? rhi__memory_region(reader->memory, hook) : NULL;
    return region && region->flags & RHI_REGION_EXECUTE ? hook : 0; /* code is put there */
}
