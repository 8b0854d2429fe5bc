/* described.c - what is at the address that a variable holds (see described.h). */
#include "questions/described.h"

/* Of an object, what its fields' places and counts are read from. */
enum { HEAD_BYTES_MAX = 1 << 16, CODED_BYTES_MAX = 1 << 20 };
enum { RANGES_MAX = 8 }; /* where an object is looked for */

/* Do the words that say where the fields are lie in the first `got` bytes? */
static bool has_words(const rhi_type *type, uint64_t got)
{
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        if ((uint64_t)field->count_offset + field->count_width > got ||
            (field->form == RHI_FORM_VECTOR && (uint64_t)field->offset + 8 > got))
            return false;
    }
    return true;
}

static void read_head(rhi_described *answer)
{
    rhi_objat *a = &answer->at;
    const rhi_type *type =
        a->object.type < a->reader->types.count ? &a->reader->types.items[a->object.type] : NULL;
    uint64_t most = type && type->has_code ? CODED_BYTES_MAX : HEAD_BYTES_MAX, got = 0;
    uint64_t size = a->object.slot_size < most ? a->object.slot_size : most;
    if (!type || (type->has_code && a->object.slot_size > most))
        return;
    const uint8_t *bytes =
        rhi__memory_view(a->reader->memory, a->object.start, size, &a->scratch, &got);
    if (bytes && got == size && has_words(type, got))
        a->bytes = bytes;
}

static bool is_found(rhi_described *answer)
{
    rhi_objat *a = &answer->at;
    return rhi__place_of(a->reader, a->address, &a->place, &a->object) &&
           rhi__place_has_object(a->place) && a->object.address == a->address;
}

/* Could an object begin at this address, of a heap that is not known? */
static bool is_worth_another_look(rhi_memory *memory, uint64_t address)
{
    uint64_t word;
    return address % 8 == 0 && rhi__memory_u64(memory, address, &word) && word != 0;
}

/* Why is it not known whether an object is there? Where nothing is mapped, or what nobody can write
 * to, none is, whatever else could not be read. */
static void say_undecided(rhi_session *session, rhi_described *answer)
{
    rhi_memory *memory = &session->memory;
    const rhi_reader *reader = answer->at.reader;
    char byte;
    const char *why = reader && reader->problems.count ? reader->problems.items[0]
                      : session->refused.count         ? session->refused.items[0]
                      : !reader                        ? memory->truncated
                                                       : "";
    const rhi_region *region = rhi__memory_region(memory, answer->at.address);
    if (!region || !(region->flags & RHI_REGION_WRITE))
        return;
    if (rhi__memory_read(memory, answer->at.address, &byte, 1) == 0)
        why = "its memory cannot be read";
    rhi__text(answer->undecided, sizeof answer->undecided, "%s", why);
}

static rhi_error *find(rhi_session *session, rhi_described *answer)
{
    rhi_objat *a = &answer->at;
    RHI_TRY(rhi__session_glance(session, &a->reader));
    if (!a->reader)
        return NULL;
    rhi__begin_question(a->reader);
    answer->is_object = is_found(answer);
    if (!answer->is_object && is_worth_another_look(a->reader->memory, a->address)) {
        RHI_TRY(rhi__session_look_again(session, &a->reader));
        answer->is_object = a->reader && is_found(answer);
    }
    return NULL;
}

rhi_error *rhi__describe(rhi_session *session, uint64_t address, uint64_t children,
                         rhi_described *answer)
{
    rhi_objat *a = &answer->at;
    a->session = session;
    a->asked.limit = children;
    a->address = address;
    RHI_TRY(find(session, answer));
    if (!answer->is_object)
        say_undecided(session, answer);
    else if (a->object.damaged || a->object.type >= a->reader->types.count)
        rhi__text(answer->undecided, sizeof answer->undecided, "its header contradicts itself");
    if (answer->is_object && a->place == RHI_PLACE_LIVE && children)
        read_head(answer);
    return NULL;
}

static uint64_t live_object(const rhi_block *block)
{
    for (uint64_t slot = 0; slot < block->capacity; slot++)
        if (rhi__slot_is_live(block, slot))
            return rhi__slot_address(block, slot);
    return 0;
}

rhi_error *rhi__describable(rhi_session *session, uint64_t *address)
{
    rhi_reader *reader;
    *address = 0;
    RHI_TRY(rhi__session_glance(session, &reader));
    for (uint64_t i = 0; reader && i < reader->own.count && i < RANGES_MAX && !*address; i++) {
        const rhi_own_range *range = &reader->own.items[i];
        uint64_t known = reader->near.count;
        if (range->has_blocks)
            rhi__block_near(reader, range->start);
        for (; known < reader->near.count && !*address; known++) {
            const rhi_blocks *found = &reader->near.items[known].blocks;
            *address = found->count ? live_object(&found->items[0]) : 0;
        }
    }
    return NULL;
}

void rhi__described_free(rhi_described *answer)
{
    rhi__scratch_free(&answer->at.scratch);
}

bool rhi__described_text(rhi_described *answer, const rhi_field *field, char *bytes, uint64_t size,
                         uint64_t *got)
{
    rhi_objat *a = &answer->at;
    uint64_t first, count;
    if (!a->bytes || !rhi__field_span(a->reader, &a->object, a->bytes, field, &first, &count))
        return false;
    *got = count < size ? count : size;
    if (rhi__memory_read(a->reader->memory, first, bytes, *got) != *got)
        return false;
    *got = count > size ? rhi__whole_characters(bytes, *got) : *got;
    return true;
}
