/* poison.c - what is left of freed slots that were filled (see poison.h). */
#include "readers/refheap/poison.h"

#include <inttypes.h>
#include <stdio.h>

bool rhi__poison_fills(rhi_reader *reader, const rhi_block *block, uint64_t slot)
{
    const rhi_heap_info *heap = &reader->heaps.items[block->heap];
    const space *s = space_of(heap);
    return block->slot_size <= C(s, poison_slot_max) &&
           rhi__refheap_member(reader, s, heap->address, RH_MC_heap_poisons, 4) &&
           (!slot ||
            rhi__refheap_member(reader, s, heap->address, RH_MC_heap_poisoning, 8) != slot);
}

bool rhi__poison_written(const space *s, const uint8_t *bytes, uint64_t room, rhi_written *written)
{
    *written = (rhi_written){0};
    for (uint64_t i = C(s, object_size); i < room; i++) {
        if (bytes[i] == (uint8_t)C(s, poison_byte))
            continue;
        if (written->count++ == 0)
            written->first = i;
        written->last = i + 1;
    }
    return written->count > 0;
}

void rhi__written_text(const rhi_written *written, char *text, size_t size)
{
    if (written->count == written->last - written->first)
        snprintf(text, size, "%" PRIu64 " byte%s at +%" PRIu64, written->count,
                 rhi__plural(written->count), written->first);
    else
        snprintf(text, size, "%" PRIu64 " bytes from +%" PRIu64 " to +%" PRIu64, written->count,
                 written->first, written->last - 1);
}

/* The word that a read of a filled slot gives. */
static bool is_fill(const rhi_reader *reader, uint64_t word)
{
    for (uint64_t i = 0; i < reader->heaps.count; i++) {
        const rhi_heap_info *heap = &reader->heaps.items[i];
        if (heap->format->remark != rhi__refheap_remark)
            continue;
        const space *s = space_of(heap);
        if (C(s, heap_poisons) != ABSENT &&
            word == (uint8_t)C(s, poison_byte) * UINT64_C(0x0101010101010101))
            return true;
    }
    return false;
}

void rhi__refheap_remark(rhi_reader *reader, uint64_t address, const rhi_object *object, char *text,
                         size_t size)
{
    uint64_t got;
    rhi_written written;
    char where[80];
    if (!object->slot_size) {
        if (is_fill(reader, address))
            snprintf(text, size,
                     "freed objects are filled with this (REFHEAP_OPTIONS=poison=on): it was read "
                     "from one, or is what one held");
        return;
    }
    const rhi_block *block = rhi__block_near(reader, object->address);
    if (object->state != RHI_FREED || !block || !rhi__poison_fills(reader, block, object->start))
        return;
    const space *s = space_of(&reader->heaps.items[block->heap]);
    rhi_scratch scratch = {0};
    const uint8_t *bytes =
        rhi__memory_view(reader->memory, object->start, block->slot_size, &scratch, &got);
    if (bytes && got == block->slot_size) {
        if (rhi__poison_written(s, bytes, got, &written)) {
            rhi__written_text(&written, where, sizeof where);
            snprintf(text, size,
                     "something has written to it since: of the 0x%02x that it was filled with, "
                     "%s %s",
                     (unsigned)(uint8_t)C(s, poison_byte), where,
                     written.count == 1 ? "is another" : "are others");
        } else
            snprintf(text, size, "it is filled with 0x%02x, and nothing has written to it since",
                     (unsigned)(uint8_t)C(s, poison_byte));
    }
    rhi__scratch_free(&scratch);
}
