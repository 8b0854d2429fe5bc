/* harm.c - looks for objects that something has written over (see harm.h). */
#include "graph/harm.h"

#include <inttypes.h>
#include <stdio.h>

void rhi__begin_harm(rhi_reader *reader)
{
    if (!reader->harm.is_known)
        reader->harm = (rhi_harm){0};
}

void rhi__look_for_harm(rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                        uint64_t got)
{
    uint64_t slots = bytes ? got / block->slot_size : 0;
    const rhi_format *format = rhi__format_of(reader, block->heap);
    if (!reader->harm.is_known && slots && format->count_unmarked)
        format->count_unmarked(reader, block, bytes,
                               slots < block->capacity ? slots : block->capacity, &reader->harm);
}

void rhi__harm_is_known(rhi_reader *reader)
{
    reader->harm.is_known = true;
}

void rhi__tell_lost(rhi_reader *reader, const rhi_block *block, uint64_t count)
{
    if (count)
        rhi__reader_problem(reader, "%" PRIu64 " objects of the %s at 0x%" PRIx64 " cannot be read",
                            count, rhi__format_of(reader, block->heap)->block_word, block->base);
}

static void look_at_live(rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                         uint64_t got)
{
    uint64_t seen = 0;
    for (uint64_t first = 0; first < block->capacity; first += 64)
        for (uint64_t bits = block->live[first / 64]; bits; bits &= bits - 1) {
            rhi_object object;
            uint64_t offset = (first + (uint64_t)__builtin_ctzll(bits)) * block->slot_size;
            if (!bytes || got < block->slot_size || offset > got - block->slot_size)
                continue;
            rhi__decode(reader, block, block->base + offset, bytes + offset, true, &object);
            rhi__harm_of(reader, object.start, object.damaged);
            seen++;
        }
    rhi__tell_lost(reader, block, block->object_count - seen);
}

static rhi_error *look(rhi_work *work, rhi_reader *reader)
{
    rhi_block_room room = {.scratch = {0}};
    rhi_error *error = NULL;
    rhi__begin_harm(reader);
    for (uint64_t i = 0; i < reader->blocks.count && !error; i++) {
        const rhi_block *block = &reader->blocks.items[i];
        uint64_t got = 0;
        const uint8_t *bytes = rhi__block_bytes(reader, block, block->size, &room, &got);
        rhi__look_for_harm(reader, block, bytes, got);
        look_at_live(reader, block, bytes, got);
        error = rhi__progress(work, "looking at headers", i, reader->blocks.count);
    }
    rhi__block_room_free(&room);
    if (!error)
        rhi__harm_is_known(reader);
    return error;
}

rhi_error *rhi__tell_harm(rhi_work *work, rhi_notes *notes, rhi_reader *reader, bool slots)
{
    const rhi_harm *harm = &reader->harm;
    char text[240];
    if (!harm->is_known)
        RHI_TRY(look(work, reader));
    if (harm->headers) {
        snprintf(text, sizeof text,
                 "the header%s of %" PRIu64 " object%s %s damaged (%s0x%" PRIx64
                 "): what %s is not known; gcverify tells more",
                 rhi__plural(harm->headers), harm->headers, rhi__plural(harm->headers),
                 harm->headers == 1 ? "is" : "are", harm->headers == 1 ? "at " : "the first at ",
                 harm->first_header, harm->headers == 1 ? "it holds" : "they hold");
        rhi__note(notes, text);
    }
    if (slots && harm->slots) {
        snprintf(text, sizeof text,
                 "%" PRIu64 " strong reference%s to no object (%s0x%" PRIx64
                 "): what %s held is not known; gcverify tells more",
                 harm->slots, harm->slots == 1 ? " leads" : "s lead",
                 harm->slots == 1 ? "it is " : "the first is ", harm->first_slot,
                 harm->slots == 1 ? "it" : "they");
        rhi__note(notes, text);
    }
    return NULL;
}
