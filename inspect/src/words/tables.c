/* tables.c - whose tables some words lie in (see tables.h). */
#include "words/tables.h"
#include "base/array.h"
#include "base/search.h"

enum { PIECES_MAX = 1 << 12 };

static rhi_error *add_piece(void *context, uint64_t start, uint64_t end)
{
    rhi_tables *t = context;
    const rhi_piece *last = t->pieces.count ? &t->pieces.items[t->pieces.count - 1] : NULL;
    if (t->is_open || (last && last->start == start))
        return NULL;
    if (start >= end || t->pieces.count == PIECES_MAX) {
        t->is_open = true;
        return NULL;
    }
    if (!rhi__array_reserve(&t->pieces, 1))
        return rhi__error_memory();
    t->pieces.items[t->pieces.count++] = (rhi_piece){.start = start, .end = end};
    for (uint64_t page = start >> RHI_TABLE_PAGE_SHIFT; page <= (end - 1) >> RHI_TABLE_PAGE_SHIFT;
         page++)
        rhi__bit_set(t->pages, page & (RHI_TABLE_PAGES - 1));
    return NULL;
}

static int piece_order(const void *left, const void *right)
{
    const rhi_piece *a = left, *b = right;
    return a->start < b->start ? -1 : a->start > b->start;
}

rhi_error *rhi__tables_find(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                            rhi_tables *t)
{
    *t = (rhi_tables){.session = session, .reader = reader, .low = low, .high = high};
    RHI_TRY(rhi__each_place(session, reader, low, high, add_piece, t));
    uint64_t kept = 0;
    if (t->pieces.count)
        qsort(t->pieces.items, t->pieces.count, sizeof *t->pieces.items, piece_order);
    for (uint64_t i = 0; i < t->pieces.count; i++)
        if (!kept || t->pieces.items[i].start >= t->pieces.items[kept - 1].end)
            t->pieces.items[kept++] = t->pieces.items[i];
    t->pieces.count = kept;
    return NULL;
}

void rhi__tables_free(rhi_tables *t)
{
    free(t->pieces.items);
    t->pieces.items = NULL;
    t->pieces.count = t->pieces.capacity = 0;
}

typedef struct asking {
    rhi_tables *tables;
    bool has, is_told; /* is_told: of any memory */
} asking;

static rhi_error *note_span(void *context, uint64_t first, uint64_t count, uint64_t stride)
{
    asking *a = context;
    rhi_piece *piece = rhi__piece_at(&a->tables->pieces, first);
    (void)count;
    (void)stride;
    a->is_told = true;
    if (piece)
        a->has = piece->is_taken = true;
    return NULL;
}

rhi_error *rhi__tables_ask(rhi_tables *t, const rhi_object *object, const uint8_t *bytes, bool *has)
{
    asking a = {.tables = t};
    RHI_TRY(rhi__each_span(t->reader, object, bytes, note_span, &a));
    *has = a.has || !a.is_told;
    return NULL;
}

bool rhi__tables_are_left(const rhi_tables *t)
{
    for (uint64_t i = 0; i < t->pieces.count; i++)
        if (!t->pieces.items[i].is_taken)
            return true;
    return false;
}

rhi_error *rhi__tables_keep(const rhi_tables *t)
{
    return rhi__keep_places(t->session, t->reader, t->low, t->high, t->pieces.items,
                            t->pieces.count);
}
