/* smashed.c - the text over a header, from its beginning to its end (see smashed.h). */
#include "questions/smashed.h"

enum { BEFORE_MAX = 64, BEHIND_MAX = 64 };

/* Of UTF-8 the bytes of which text may be; whether they are is seen when all are there. */
static bool may_be_text(const uint8_t *bytes, uint64_t i)
{
    return (bytes[i] >= 0x20 && bytes[i] < 0x7f) || bytes[i] >= 0x80;
}

static bool is_utf8(const char *bytes, uint64_t size)
{
    size_t length = 1;
    for (uint64_t i = 0; i < size && length; i += length)
        length = rhi__character(bytes + i, size - i);
    return length != 0;
}

bool rhi__smashed(rhi_reader *reader, uint64_t address, rhi_smashed *smashed)
{
    uint8_t bytes[BEFORE_MAX + BEHIND_MAX] = {0};
    *smashed = (rhi_smashed){0};
    const rhi_block *block = rhi__block_at(reader, address),
                    *below = rhi__block_at(reader, address - 1);
    uint64_t header = block ? reader->heaps.items[block->heap].header_size : 0;
    header = header < BEHIND_MAX ? header : BEHIND_MAX;
    if (!block || rhi__memory_read(reader->memory, address, bytes + BEFORE_MAX, header) != header)
        return false;
    smashed->has_below = below && rhi__slot_at(reader, below, address - 1, &smashed->below) &&
                         smashed->below.state != RHI_UNUSED;
    uint64_t before = 0, end = BEFORE_MAX + header;
    if (smashed->has_below) {
        uint64_t room =
            smashed->below.slot_size < BEFORE_MAX ? smashed->below.slot_size : BEFORE_MAX;
        if (rhi__memory_read(reader->memory, address - room, bytes + BEFORE_MAX - room, room) ==
                room &&
            may_be_text(bytes, BEFORE_MAX))
            while (before < room && may_be_text(bytes, BEFORE_MAX - before - 1))
                before++;
    }
    uint64_t more = block->slot_size - header < sizeof bytes - end ? block->slot_size - header
                                                                   : sizeof bytes - end;
    more = rhi__memory_read(reader->memory, address + header, bytes + end, more);
    for (uint64_t last = end + more;
         end < last && may_be_text(bytes, end - 1) && may_be_text(bytes, end);)
        end++;
    if (!is_utf8((const char *)bytes + BEFORE_MAX - before, before + end - BEFORE_MAX)) {
        before = 0;
        end = BEFORE_MAX + header;
    }
    smashed->from = address - before;
    rhi__quote((const char *)bytes + BEFORE_MAX - before, before + end - BEFORE_MAX, false,
               smashed->text, sizeof smashed->text);
    return true;
}
