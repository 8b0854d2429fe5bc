/* compact_holders.c - who holds an object, but for slots that are rows of refs (see compact.h).
 *
 * Most objects are held by such slots alone: nobody is asked about them. Invariant: an object is
 * asked about, as gcquery asks about each, if a word may lead to it, if a count of it has no slot,
 * or if a heap that is left out holds it. */
#include "export/compact.h"
#include "query/tables.h"
#include "words/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const columns[] = {"kind",   "strength", "address", "name",   "function",
                                      "thread", "source",   "type",    "offset", "reachable"};
enum { COLUMNS = sizeof columns / sizeof *columns };

typedef struct words {
    rhi_compact *compact;
    rhi_query *query;
    uint64_t *asked; /* bits */
    sqlite3_stmt *put, *put_ref;
    unsigned numbers[COLUMNS];
    uint32_t target;
    int64_t count;
} words;

/* ---- about which objects -------------------------------------------------------------------- */

static rhi_error *mark_word(void *context, const rhi_holder *word)
{
    words *w = context;
    uint32_t index = rhi__object_index(w->query->reader, word->value);
    if (index != RHI_NO_OBJECT)
        rhi__bit_set(w->asked, index);
    return NULL;
}

static rhi_error *mark_words(words *w)
{
    rhi_reader *reader = w->query->reader;
    RHI_TRY(
        rhi__each_word(w->query->session, reader, reader->lowest, reader->highest, mark_word, w));
    return rhi__each_kept_undeclared(w->query->session, reader, reader->lowest, reader->highest,
                                     mark_word, w);
}

/* What an object has of counts that no slot owns, a packed word may own; what heaps that are left
 * out hold has holders that are no rows of refs. */
static rhi_error *mark_objects(words *w)
{
    const rhi_graph *g = w->query->graph;
    for (uint32_t i = 0; i < g->count; i++) {
        if (i % 65536 == 0)
            RHI_TRY(rhi__progress(&w->query->session->work, "looking for holders", i, g->count));
        if (rhi__ext(g, i) > 0 && !(g->flags[i] & RHI_GRAPH_IMMORTAL))
            rhi__bit_set(w->asked, i);
        if (rhi__is_exported(w->compact, i) && !(g->flags[i] & RHI_GRAPH_CORRUPT))
            continue;
        for (uint32_t e = g->edge_start[i]; e < g->edge_start[i + 1]; e++)
            rhi__bit_set(w->asked, g->edge_to[e]);
    }
    return NULL;
}

/* ---- their holders -------------------------------------------------------------------------- */

/* Is it a row of refs, which is one of holders, too? */
static bool is_ref(const words *w, const rhi_holder *holder)
{
    uint32_t source = holder->kind == RHI_HOLDER_FIELD
                          ? rhi__object_index(w->query->reader, holder->from)
                          : RHI_NO_OBJECT;
    return source != RHI_NO_OBJECT && holder->strong && rhi__is_exported(w->compact, source) &&
           rhi__slot_holds(w->compact, holder->field, w->target);
}

static rhi_error *put_word(void *context, rhi_rows *rows)
{
    words *w = context;
    rhi_database *d = w->compact->database;
    rhi_cell cell;
    if (is_ref(w, rhi__holders_holder(rows)))
        return NULL;
    const rhi_cell number = rhi__number_cell((uint64_t)++w->count),
                   target = rhi__number_cell((uint64_t)rhi__compact_number(w->target));
    RHI_TRY(rhi__database_bind(d, w->put, 1, &number));
    for (unsigned i = 0; i < COLUMNS; i++) {
        RHI_TRY(rows->table->cell(rows, w->numbers[i], &cell));
        RHI_TRY(rhi__database_bind(d, w->put, (int)i + 2, &cell));
    }
    RHI_TRY(rhi__database_put(d, w->put));
    RHI_TRY(rhi__database_bind(d, w->put_ref, 1, &number));
    RHI_TRY(rhi__database_bind(d, w->put_ref, 2, &target));
    return rhi__database_put(d, w->put_ref);
}

static rhi_error *put_words_of(words *w, uint32_t index)
{
    char address[32];
    const rhi_table *table = &rhi__holders_table;
    snprintf(address, sizeof address, "0x%" PRIx64, rhi__object_address(w->query->reader, index));
    const rhi_lookup lookup = {.column = (int)rhi__column(table, "target_address"),
                               .value = rhi__text_cell(address, false)};
    w->target = index;
    return rhi__each_row(w->query, table, &lookup, put_word, w);
}

static rhi_error *put_words(words *w)
{
    uint32_t count = w->query->count;
    for (unsigned i = 0; i < COLUMNS; i++)
        w->numbers[i] = rhi__column(&rhi__holders_table, columns[i]);
    RHI_TRY(mark_words(w));
    RHI_TRY(mark_objects(w));
    for (uint32_t i = 0; i < count; i++) {
        if (i % 4096 == 0)
            RHI_TRY(rhi__progress(&w->query->session->work, "writing holders", i, count));
        if (rhi__bit(w->asked, i) && rhi__is_exported(w->compact, i))
            RHI_TRY(put_words_of(w, i));
    }
    return NULL;
}

rhi_error *rhi__compact_holders(rhi_compact *compact)
{
    rhi_query *query = &compact->database->export->query;
    words w = {.compact = compact, .query = query};
    w.asked = calloc((uint64_t)query->count / 64 + 1, sizeof *w.asked);
    rhi_error *error =
        w.asked ? rhi__database_prepare(compact->database,
                                        "INSERT INTO holder_words VALUES(?,?,?,?,?,?,?,?,?,?,?)",
                                        &w.put)
                : rhi__error_memory();
    if (!error)
        error = rhi__database_prepare(compact->database,
                                      "INSERT INTO ref_rows(source, slot, target) VALUES(0,?,?)",
                                      &w.put_ref);
    if (!error)
        error = put_words(&w);
    sqlite3_finalize(w.put);
    sqlite3_finalize(w.put_ref);
    free(w.asked);
    return error;
}
