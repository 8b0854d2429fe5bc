/* pieces.c - steps over what lies in blocks of heaps (see pieces.h). */
#include "words/pieces.h"

static uint64_t word_at(uint64_t address)
{
    return (address + 7) & ~7ull;
}

rhi_pieces rhi__pieces(const rhi_reader *reader, uint64_t start, uint64_t end, bool in_heap)
{
    rhi_pieces p = {.reader = reader, .at = word_at(start), .end = end, .in_heap = in_heap};
    const rhi_block *blocks = reader->blocks.items;
    p.block = rhi__first(0, reader->blocks.count, i, blocks[i].base + blocks[i].size > p.at);
    return p;
}

/* Bits of the slots that are searched. */
static uint64_t searched(const rhi_pieces *p, const rhi_block *block, uint64_t word)
{
    return p->any_slot ? ~block->live[word] : block->raw ? block->raw[word] : 0;
}

static bool is_searched(const rhi_pieces *p, const rhi_block *block, uint64_t slot)
{
    return searched(p, block, slot / 64) >> (slot % 64) & 1;
}

/* The raw slots of the block from p->at on that follow each other. */
static bool next_raw(rhi_pieces *p, const rhi_block *block, uint64_t *start, uint64_t *end)
{
    uint64_t slot = block->raw || p->any_slot ? rhi__slot_number(block, p->at) : block->capacity,
             past;
    while (slot < block->capacity && !is_searched(p, block, slot)) {
        uint64_t rest = searched(p, block, slot / 64) >> (slot % 64);
        slot = rest ? slot + (uint64_t)__builtin_ctzll(rest) : (slot | 63) + 1;
    }
    if (slot >= block->capacity)
        return false;
    for (past = slot + 1; past < block->capacity && is_searched(p, block, past);)
        past++;
    *start = word_at(block->base + slot * block->slot_size);
    *start = *start > p->at ? *start : p->at;
    *end = block->base + past * block->slot_size;
    *end = *end < p->end ? *end : p->end;
    return *start < *end;
}

bool rhi__next_piece(rhi_pieces *p, uint64_t *start, uint64_t *end)
{
    while (p->at < p->end) {
        const rhi_block *block =
            p->block < p->reader->blocks.count ? &p->reader->blocks.items[p->block] : NULL;
        if (!block || block->base >= p->end || p->at < block->base) {
            *start = p->at;
            *end = block && block->base < p->end ? word_at(block->base) : p->end;
            p->at = *end;
            if (!p->in_heap)
                return true;
            continue;
        }
        p->has_block = true;
        if (next_raw(p, block, start, end)) {
            p->at = *end;
            return true;
        }
        p->at = word_at(block->base + block->size);
        p->block++;
    }
    return false;
}
