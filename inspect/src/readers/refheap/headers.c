/* headers.c - headers of slots: what is there, and what contradicts itself (see heap/format.h). */
#include "readers/refheap/reader.h"

enum { STATE_FLAGS = RH_FLAG_IMMORTAL | RH_FLAG_DYING | RH_FLAG_FREED };

/* Does the header of what is no tombstone contradict itself, its type, its slot, or, by a count of
 * 0 or less (see rhi__is_at_rest), its heap's phase? */
static inline bool is_damaged(const rhi_reader *reader, const rhi_heap_info *heap,
                              uint64_t slot_size, uint32_t type, uint32_t flags, uint64_t serial,
                              int64_t count, bool special)
{
    return (count <= 0 && !special && !heap->provisional) || type == 0 || serial == 0 ||
           type >= heap->type_count ||
           reader->types.items[heap->first_type + type].size > slot_size ||
           special != ((flags & STATE_FLAGS) != 0);
}

/* Is the header one that a slot has while an object is being born in it: of no type, and freed for
 * no reason? In older runtimes its first 8 bytes are 0, and what was there may have left its
 * serial. */
static inline bool is_unborn(uint32_t type, uint32_t flags, uint64_t serial, bool blank, bool freed)
{
    return type == 0 && ((freed && flags == RH_FLAG_FREED) || (blank && serial));
}

/* Below the mark is a count of 0. */
uint32_t rhi__refheap_unmarked(const space *s, uint32_t word, uint32_t flags, bool *is_marked)
{
    uint32_t zero = 1u << C(s, count_shift);
    uint32_t rest = word - (uint32_t)C(s, count_traced);
    *is_marked = C(s, object_traced) != ABSENT && flags & C(s, object_traced) &&
                 !(flags & STATE_FLAGS) && rest + zero <= (uint32_t)C(s, count_dying_mask);
    return *is_marked ? rest : word;
}

void rhi__refheap_decode(const rhi_reader *reader, const rhi_block *block, uint64_t address,
                         const uint8_t *bytes, bool live, rhi_object *object)
{
    const rhi_heap_info *heap = &reader->heaps.items[block->heap];
    const space *s = space_of(heap);
    uint32_t word = rhi__load32(bytes + C(s, object_count)),
             type = rhi__load16(bytes + C(s, object_type));
    uint32_t flags = rhi__load16(bytes + C(s, object_flags));
    uint64_t origin = rhi__load64(bytes + C(s, object_serial)), serial = origin >> s->serial_shift;
    bool is_marked;
    word = rhi__refheap_unmarked(s, word, flags, &is_marked);
    int64_t count = ((int64_t)(int32_t)word >> C(s, count_shift)) + (int64_t)C(s, count_bias);
    bool special =
        word & (uint32_t)C(s, count_special_bit) && word < (uint32_t)C(s, count_trial_zero);
    bool has_type = type > 0 && type < heap->type_count,
         damaged = is_damaged(reader, heap, block->slot_size, type, flags, serial, count, special);
    *object = (rhi_object){.address = address,
                           .start = address,
                           .slot_size = block->slot_size,
                           .heap = block->heap,
                           .serial = serial,
                           .site = (uint32_t)(origin & ((1ull << s->serial_shift) - 1)),
                           .type = has_type ? heap->first_type + type : UINT32_MAX,
                           .count = special ? 0 : count,
                           .held = !special && flags & RH_FLAG_HELD,
                           .traced = live && C(s, object_traced) != ABSENT &&
                                     flags & C(s, object_traced) &&
                                     !(flags & (RH_FLAG_IMMORTAL | RH_FLAG_FREED)),
                           .finalized = (flags & RH_FLAG_FINALIZED) != 0,
                           .uncollectable = (flags & RH_FLAG_UNCOLLECTABLE) != 0,
                           .death = (uint8_t)((flags & RH_FLAG_DEATH_MASK) >> RH_FLAG_DEATH_SHIFT)};
    if (object->death > RHI_DEATH_DESTROY)
        object->death = RHI_DEATH_UNKNOWN;
    object->untold = object->traced && !is_marked && !special;
    object->has_gap = object->traced && flags & RH_FLAG_GAP;
    if (__builtin_expect(live && !special && !damaged, 1)) /* nearly all */
        return;
    /* in older runtimes the allocator's own, or just being born */
    bool blank = word == 0 && type == 0 && flags == 0 && !s->blank_is_damage,
         freed = special && flags & RH_FLAG_FREED;
    if (!live || blank || freed) {
        object->unborn = is_unborn(type, flags, serial, blank, freed);
        bool is_empty = serial == 0 && word == 0 && type == 0 && flags == 0;
        object->state = is_empty || object->unborn ? RHI_UNUSED : RHI_FREED;
        object->count = 0;
        object->held = false;
    } else if (special && flags & RH_FLAG_DYING) {
        object->state = RHI_DYING;
        object->count = (int64_t)((word & (uint32_t)C(s, count_dying_mask)) >> C(s, count_shift)) +
                        (int64_t)C(s, count_bias);
    } else if (special) {
        object->immortal = true;
    }
    if (rhi__is_object(object->state))
        object->damaged = damaged;
    else if (object->state == RHI_FREED) /* or the bitmap is wrong */
        object->damaged = !has_type || serial == 0 || !(flags & RH_FLAG_FREED);
}

/* The fields of refheap_decode that the graph needs, for a block at a time. */
void rhi__refheap_headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                          uint64_t slot_count, rhi_header *headers)
{
    const rhi_heap_info *heap = &reader->heaps.items[block->heap];
    const space *s = space_of(heap);
    uint64_t count_at = C(s, object_count), flags_at = C(s, object_flags),
             type_at = C(s, object_type), slot_size = block->slot_size;
    uint64_t serial_at = C(s, object_serial);
    uint32_t serial_shift = s->serial_shift;
    uint32_t shift = (uint32_t)C(s, count_shift), special_bit = (uint32_t)C(s, count_special_bit),
             trial_zero = (uint32_t)C(s, count_trial_zero);
    int32_t bias = (int32_t)C(s, count_bias);
    uint32_t traced = C(s, object_traced) == ABSENT ? 0 : (uint32_t)C(s, object_traced);
    for (uint64_t first = 0; first < slot_count; first += 64) {
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1) {
            uint64_t slot = first + (uint64_t)__builtin_ctzll(bits);
            if (slot >= slot_count)
                return;
            const uint8_t *header = bytes + slot * slot_size;
            uint32_t word = rhi__load32(header + count_at), type = rhi__load16(header + type_at),
                     flags = rhi__load16(header + flags_at);
            int64_t count = ((int32_t)word >> shift) + (int64_t)bias;
            bool special = word & special_bit && word < trial_zero;
            if (__builtin_expect(!special &&
                                     !is_damaged(reader, heap, slot_size, type, flags,
                                                 rhi__load64(header + serial_at) >> serial_shift,
                                                 count, special),
                                 1)) {
                *headers++ = (rhi_header){.count = count < 0 ? 0 : (uint32_t)count,
                                          .type = heap->first_type + type,
                                          .state = RHI_LIVE,
                                          .held = (flags & RH_FLAG_HELD) != 0,
                                          .traced = (flags & traced) != 0,
                                          .finalized = (flags & RH_FLAG_FINALIZED) != 0};
                continue;
            }
            rhi_object object; /* whatever is special */
            rhi__refheap_decode(reader, block, block->base + slot * slot_size, header, true,
                                &object);
            *headers++ =
                (rhi_header){.count = object.count < 0            ? 0
                                      : object.count > UINT32_MAX ? UINT32_MAX
                                                                  : (uint32_t)object.count,
                             .type = object.type,
                             .state = object.state,
                             .immortal = object.immortal,
                             .held = object.held,
                             .traced = object.traced,
                             .finalized = object.finalized,
                             .damaged = object.damaged,
                             .blank = object.unborn || (!special && !rhi__is_object(object.state))};
        }
    }
}

void rhi__refheap_count_unmarked(const rhi_reader *reader, const rhi_block *block,
                                 const uint8_t *bytes, uint64_t slot_count, rhi_harm *harm)
{
    const space *s = space_of(&reader->heaps.items[block->heap]);
    uint64_t flags_at = C(s, object_flags), type_at = C(s, object_type);
    for (uint64_t first = 0; first < slot_count; first += 64) {
        uint64_t slots = slot_count - first < 64 ? (1ull << (slot_count - first)) - 1 : UINT64_MAX;
        for (uint64_t bits = ~block->live[first / 64] & slots; bits; bits &= bits - 1) {
            uint64_t offset = (first + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
            if (rhi__load16(bytes + offset + type_at) &&
                !(rhi__load16(bytes + offset + flags_at) & RH_FLAG_FREED))
                rhi__count_harmed(harm, block->base + offset);
        }
    }
}
