/* inner.c - words inside of objects in forms that no slot has (see inner.h).
 *
 * A field that is declared as a number may hold a pointer all the same: an interpreter's value has
 * its type in the upper bits. C code packs its structs. The bytes of Python's `bytes` are whatever
 * was put there. Invariant: no slot and no word that slots.c takes for undeclared is visited, for
 * these are owners already. */
#include "words/inner.h"
#include "graph/graph.h"
#include "words/holders.h"

#include <stdlib.h>

enum { WORD = 8, TOLD_WORDS = 64, PROGRESS_BYTES = 1 << 20, MARK_BIT = 40, MARK_BYTE = 5 };

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    uint64_t low, high;
    uint64_t *plain; /* by type: which of the first 64 words of its objects are plain data */
    rhi_inner_visitor visit;
    void *context;
} search;

static uint64_t plain_words(const rhi_type *type)
{
    uint64_t words = 0;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        if (rhi__is_reference(field) || field->form == RHI_FORM_VECTOR)
            continue;
        bool is_open = field->count_width != 0; /* each object says how many there are */
        uint64_t at = (uint64_t)field->offset + field->element_offset;
        uint64_t last = field->width ? field->width - 1 : 0;
        for (uint64_t k = 0; (is_open || k < field->count) && at < TOLD_WORDS * WORD; k++) {
            for (uint64_t b = at / WORD; b <= (at + last) / WORD && b < TOLD_WORDS; b++)
                words |= 1ull << b;
            at += field->stride ? field->stride : TOLD_WORDS * WORD;
        }
    }
    return words;
}

static bool is_worth(const search *s, const rhi_header *header)
{
    const rhi_type *type =
        header->type < s->reader->types.count ? &s->reader->types.items[header->type] : NULL;
    return type && rhi__is_object(header->state) &&
           (!type->has_code || type->has_raw_words || type->has_bytes);
}

/* Words that lie and look as slots do are worth a look where there may be plain data. An object of
 * C code's may also hold itself, which its format takes for no slot: as ctypes' functions do. */
static bool may_be_plain(const search *s, uint32_t index, uint32_t number, uint64_t word,
                         uint64_t at)
{
    const rhi_type *type = &s->reader->types.items[number];
    if (!type->has_code)
        return at >= TOLD_WORDS * WORD || s->plain[number] >> at / WORD & 1;
    return type->has_bytes ||
           (type->has_raw_words && word == rhi__object_address(s->reader, index));
}

static bool leads_somewhere(const search *s, uint32_t index, uint32_t type, const uint8_t *bytes,
                            uint64_t at)
{
    uint64_t word = rhi__load64(bytes + at);
    return (word & RHI_OBJECT_MASK) - s->low < s->high - s->low &&
           (at % WORD || word & ~RHI_POINTER_MASK || may_be_plain(s, index, type, word, at));
}

/* Which of the 8 bytes from here on may begin an address, whatever marks it has: bit 8 * i + 7 for
 * byte i. All addresses of a heap have the same byte at bit 40, as a rule, which lies 5 bytes
 * further on. Zero bytes are found as in H. S. Warren, "Hacker's Delight" (2012), 6-1. */
static uint64_t candidates(const search *s, const uint8_t *bytes)
{
    const uint64_t ones = 0x0101010101010101u, low_bits = 0x7f7f7f7f7f7f7f7fu,
                   unmarked = (RHI_POINTER_MASK >> MARK_BIT) * ones;
    if (s->low >> MARK_BIT != (s->high - 1) >> MARK_BIT)
        return ~low_bits;
    uint64_t differs = (rhi__load64(bytes + MARK_BYTE) ^ (s->low >> MARK_BIT) * ones) & unmarked;
    return ~(((differs & low_bits) + low_bits) | differs | low_bits);
}

static bool has_any(void *context, uint32_t index, const rhi_block *block, const rhi_header *header,
                    const uint8_t *bytes)
{
    const search *s = context;
    uint64_t size = block->slot_size;
    if (!is_worth(s, header))
        return false;
    uint64_t at = s->reader->heaps.items[block->heap].first_word & ~7ull;
    for (; at + 2 * WORD <= size; at += WORD)
        for (uint64_t some = candidates(s, bytes + at); some; some &= some - 1)
            if (leads_somewhere(s, index, header->type, bytes,
                                at + (unsigned)__builtin_ctzll(some) / 8))
                return true;
    return at + WORD <= size && leads_somewhere(s, index, header->type, bytes, at);
}

static rhi_error *visit_words(void *context, uint32_t index, const rhi_object *object,
                              const uint8_t *bytes)
{
    const search *s = context;
    uint64_t first = object->address - object->start, element,
             word = s->reader->heaps.items[object->heap].first_word;
    for (uint64_t at = first > word ? first : word; at + WORD <= object->slot_size; at++) {
        uint64_t value = rhi__load64(bytes + at) & RHI_OBJECT_MASK;
        if (at % PROGRESS_BYTES == 0)
            RHI_TRY(
                rhi__progress(&s->session->work, "looking into an object", at, object->slot_size));
        if (!leads_somewhere(s, index, object->type, bytes, at))
            continue;
        uint32_t target = rhi__object_index(s->reader, value);
        if (target == RHI_NO_OBJECT || rhi__object_address(s->reader, target) != value)
            continue;
        const rhi_field *field =
            at % WORD ? NULL : rhi__field_at(s->reader, object, bytes, at, &element);
        bool is_undeclared = !field && at % WORD == 0 &&
                             !(rhi__load64(bytes + at) & ~RHI_POINTER_MASK) &&
                             !s->reader->types.items[object->type].has_code;
        if (!is_undeclared && !(field && rhi__is_reference(field)))
            RHI_TRY(s->visit(s->context, index, object->start + at, value));
    }
    return NULL;
}

rhi_error *rhi__each_inner_word(rhi_session *session, rhi_reader *reader, uint64_t low,
                                uint64_t high, rhi_inner_visitor visit, void *context)
{
    search s = {session, reader, low, high, calloc(reader->types.count + 1, sizeof *s.plain),
                visit,   context};
    if (!s.plain)
        return rhi__error_memory();
    for (uint64_t i = 0; i < reader->types.count; i++)
        s.plain[i] = plain_words(&reader->types.items[i]);
    rhi_error *error =
        rhi__each_chosen(&session->work, reader, "looking into objects", has_any, visit_words, &s);
    free(s.plain);
    return error;
}
