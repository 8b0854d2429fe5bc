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
    if (a->start != b->start)
        return a->start < b->start ? -1 : 1;
    return a->end > b->end ? -1 : a->end < b->end;
}

/* Sorts them, and leaves out what lies in one before it; how many are left. */
static uint64_t settle(rhi_piece *pieces, uint64_t count)
{
    uint64_t kept = 0;
    if (count)
        qsort(pieces, count, sizeof *pieces, piece_order);
    for (uint64_t i = 0; i < count; i++)
        if (!kept || pieces[i].start >= pieces[kept - 1].end)
            pieces[kept++] = pieces[i];
    return kept;
}

rhi_error *rhi__tables_find(rhi_session *session, rhi_reader *reader, uint64_t low, uint64_t high,
                            rhi_tables *t)
{
    *t = (rhi_tables){.session = session, .reader = reader, .low = low, .high = high};
    RHI_TRY(rhi__each_place(session, reader, low, high, add_piece, t));
    t->pieces.count = settle(t->pieces.items, t->pieces.count);
    return NULL;
}

void rhi__tables_free(rhi_tables *t)
{
    free(t->pieces.items);
    free(t->words.items);
    t->pieces.items = t->words.items = NULL;
    t->pieces.count = t->pieces.capacity = t->words.count = t->words.capacity = 0;
}

typedef struct asking {
    rhi_tables *tables;
    bool has, is_told, is_short; /* is_told: of any memory */
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

/* A slot in memory that is not said to be the object's own: that word alone is. */
static bool note_slot(void *context, const rhi_slot *slot)
{
    asking *a = context;
    rhi_tables *t = a->tables;
    const rhi_piece *piece =
        slot->field->form == RHI_FORM_VECTOR ? rhi__piece_at(&t->pieces, slot->address) : NULL;
    if (!piece || slot->value - t->low >= t->high - t->low)
        return true;
    a->is_short = !rhi__array_reserve(&t->words, 1);
    if (!a->is_short)
        t->words.items[t->words.count++] = (rhi_piece){slot->address, slot->address + 8, true};
    return !a->is_short;
}

rhi_error *rhi__tables_ask(rhi_tables *t, const rhi_object *object, const uint8_t *bytes, bool *has)
{
    asking a = {.tables = t};
    RHI_TRY(rhi__each_span(t->reader, object, bytes, note_span, &a));
    *has = a.has || !a.is_told;
    if (!a.is_told)
        rhi__each_slot(t->reader, object, bytes, note_slot, &a);
    return a.is_short ? rhi__error_memory() : NULL;
}

bool rhi__tables_are_left(const rhi_tables *t)
{
    for (uint64_t i = 0; i < t->pieces.count; i++)
        if (!t->pieces.items[i].is_taken)
            return true;
    return false;
}

rhi_error *rhi__tables_keep(rhi_tables *t)
{
    for (uint64_t i = 0; i < t->pieces.count; i++)
        if (t->pieces.items[i].is_taken) {
            if (!rhi__array_reserve(&t->words, 1))
                return rhi__error_memory();
            t->words.items[t->words.count++] = t->pieces.items[i];
        }
    t->words.count = settle(t->words.items, t->words.count);
    return rhi__keep_places(t->session, t->reader, t->low, t->high, t->words.items, t->words.count);
}
