/* declared.c - the elements of vectors, as a set of words (see declared.h). Only where a vector
 * lies is read, not its elements; what no mapping holds is left out, so that a corrupt count
 * costs no more than memory that is there. */
#include "heap/declared.h"
#include "base/array.h"
#include "heap/objects.h"

#include <string.h>

enum { PAGE_BYTES = 64 * 64 * 8 };
enum { TIMES = 3, WORDS_MIN = 1 << 23, HOLE_STEP = 1 << 20 };
#define WORDS_MAX (1ull << 31) /* corrupt objects may all claim the same big vector */

static uint64_t place_of(const rhi_declared *d, uint64_t number)
{
    uint64_t i = (number * 0x9E3779B97F4A7C15ull) >> 20 & (d->place_count - 1);
    while (d->places[i] && d->pages.items[d->places[i] - 1].number != number)
        i = (i + 1) & (d->place_count - 1);
    return i;
}

/* Twice as many places. */
static bool grow(rhi_declared *d)
{
    uint64_t count = d->place_count ? d->place_count * 2 : 64;
    uint32_t *places = count <= UINT32_MAX ? calloc(count, sizeof *places) : NULL;
    if (!places)
        return false;
    free(d->places);
    d->places = places;
    d->place_count = count;
    for (uint64_t i = 0; i < d->pages.count; i++)
        places[place_of(d, d->pages.items[i].number)] = (uint32_t)i + 1;
    return true;
}

/* The page of an address, NULL if there is none; with `make` there is one unless memory is short.
 */
static struct rhi_declared_page *page_of(rhi_declared *d, uint64_t address, bool make)
{
    uint64_t number = address / PAGE_BYTES;
    if (d->last < d->pages.count && d->pages.items[d->last].number == number)
        return &d->pages.items[d->last];
    if (make && d->pages.count >= d->place_count / 2 && !grow(d))
        return NULL;
    if (d->place_count == 0)
        return NULL;
    uint32_t *place = &d->places[place_of(d, number)];
    if (!*place) {
        if (!make || !rhi__array_reserve(&d->pages, 1))
            return NULL;
        d->pages.items[d->pages.count] = (struct rhi_declared_page){.number = number};
        *place = (uint32_t)++d->pages.count;
    }
    d->last = *place - 1;
    return &d->pages.items[d->last];
}

static rhi_error *add_slots(rhi_declarer *c, uint64_t at, uint64_t end, uint64_t stride)
{
    for (uint64_t checked = at; at < end && end - at >= 8 && c->words < c->words_max;
         at += stride, c->words++) {
        /* in holes of a sparse core there is no word to be told */
        if (at >= checked && end - at > HOLE_STEP) {
            at += (rhi__memory_data_start(c->reader->memory, at, end) - at) / stride * stride;
            checked = at + HOLE_STEP;
        }
        struct rhi_declared_page *page = page_of(c->declared, at, true);
        if (!page)
            return rhi__error_memory();
        uint64_t bit = at % PAGE_BYTES / 8;
        if (at % 8 == 0) /* else no aligned word is this slot */
            page->bits[bit / 64] |= 1ull << (bit % 64);
        if (stride > end - at)
            break;
    }
    return NULL;
}

/* All words of [start, end). */
static rhi_error *add_whole(rhi_declarer *c, uint64_t start, uint64_t end)
{
    c->start = start;
    c->end = end;
    for (uint64_t at = start & ~7ull; at < end && c->words < c->words_max;) {
        struct rhi_declared_page *page = page_of(c->declared, at, true);
        if (!page)
            return rhi__error_memory();
        uint64_t bit = at % PAGE_BYTES / 8, count = 64 - bit % 64, wanted = (end - at + 7) / 8;
        count = wanted < count ? wanted : count;
        page->bits[bit / 64] |= UINT64_MAX >> (64 - count) << (bit % 64);
        at += count * 8;
        c->words += count;
    }
    return NULL;
}

/* The raw slot or block of malloc that holds the word. */
static bool piece_of(rhi_declarer *c, uint64_t address, uint64_t *start, uint64_t *end)
{
    if (rhi__raw_slot(c->reader, address, start, end))
        return true;
    const rhi_chunk_span *span = rhi__malloc_span(c->malloc, address - 16);
    return span && rhi__malloc_block(c->malloc, span, address, start, end);
}

/* The slots of one vector, mapping by mapping. */
static rhi_error *add_span(void *context, uint64_t first, uint64_t count, uint64_t stride)
{
    rhi_declarer *c = context;
    uint64_t end = first + (count - 1) * stride + 8, at = first;
    const rhi_region *region;
    c->is_told = true;
    if (at < PAGE_BYTES || (c->has_code && at - c->start < c->end - c->start))
        return NULL;
    if (c->has_code && piece_of(c, at, &c->start, &c->end))
        return add_whole(c, c->start, c->end);
    c->start = c->end = 0;
    while (at < end && (region = rhi__memory_region(c->reader->memory, at))) {
        uint64_t stop = region->end < end ? region->end : end;
        RHI_TRY(add_slots(c, at, stop, stride));
        if (stop == end || c->words >= c->words_max)
            break;
        at += (stop - at + stride - 1) / stride * stride;
    }
    return NULL;
}

rhi_error *rhi__declare_begin(rhi_declarer *c, rhi_reader *reader, rhi_declared *declared)
{
    rhi_program *program;
    uint64_t words = reader->memory->core_bytes / 8;
    *declared = (rhi_declared){0};
    *c = (rhi_declarer){.declared = declared, .reader = reader};
    c->words_max = words < WORDS_MAX / TIMES - WORDS_MIN ? words * TIMES + WORDS_MIN : WORDS_MAX;
    for (uint64_t i = 0; i < reader->types.count; i++)
        c->any |= reader->types.items[i].has_vectors;
    if (!c->any)
        return NULL;
    RHI_TRY(rhi__reader_program(reader, &program));
    c->malloc = &program->malloc;
    return NULL;
}

static bool add_slot(void *context, const rhi_slot *slot)
{
    rhi_declarer *c = context;
    if (slot->field->form == RHI_FORM_VECTOR)
        c->error = add_slots(c, slot->address, slot->address + 8, 8);
    return !c->error;
}

rhi_error *rhi__declare(rhi_declarer *c, const rhi_object *object, const uint8_t *bytes)
{
    const rhi_type *type = &c->reader->types.items[object->type];
    if (!type->has_vectors)
        return NULL;
    c->has_code = type->has_code;
    c->is_told = false;
    RHI_TRY(rhi__each_span(c->reader, object, bytes, add_span, c));
    if (type->has_code && !c->is_told)
        rhi__each_slot(c->reader, object, bytes, add_slot, c);
    return c->error;
}

void rhi__declared_close(rhi_declared *declared)
{
    free(declared->pages.items);
    free(declared->places);
    memset(declared, 0, sizeof *declared);
}

bool rhi__is_declared(rhi_declared *declared, uint64_t address)
{
    const struct rhi_declared_page *page = page_of(declared, address, false);
    uint64_t bit = address % PAGE_BYTES / 8;
    return page && page->bits[bit / 64] >> (bit % 64) & 1;
}

bool rhi__all_declared(rhi_declared *declared, uint64_t start, uint64_t end)
{
    for (uint64_t at = start & ~7ull; at < end;) {
        const struct rhi_declared_page *page = page_of(declared, at, false);
        uint64_t bit = at % PAGE_BYTES / 8, count = 64 - bit % 64, wanted = (end - at + 7) / 8;
        count = wanted < count ? wanted : count;
        if (!page || ~(page->bits[bit / 64] >> (bit % 64)) & (UINT64_MAX >> (64 - count)))
            return false;
        at += count * 8;
    }
    return true;
}
