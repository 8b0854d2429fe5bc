/* asked.c - the rows of the object that was asked for last (see asked.h).
 * Invariant: kept rows have no names, are all that were found, and are read again before they are
 * handed out: a difference marks the session, and the question is asked again. */
#include "words/asked.h"
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_MAX = 1 << 14 };

typedef struct asked {
    uint64_t address, end;
    unsigned wanted; /* of enum rhi_holders_wanted */
    bool has_graph;
    rhi_holders rows;
} asked;

typedef struct gathering {
    uint64_t target;
    unsigned wanted;
    rhi_holders *holders;
} gathering;

static rhi_error *add_row(void *context, const rhi_holder *holder)
{
    const gathering *g = context;
    rhi_holder row = *holder;
    row.target = g->target;
    row.in_garbage = row.in_garbage && g->wanted & RHI_HOLDERS_GARBAGE_LAST;
    return row.weak && !(g->wanted & RHI_HOLDERS_WEAK) ? NULL
                                                       : rhi__collect_holder(g->holders, &row);
}

static void free_asked(void *value)
{
    asked *a = value;
    if (!a)
        return;
    rhi__holders_free(&a->rows);
    free(a);
}

static rhi_error *copy_rows(const rhi_holders *from, rhi_holders *to)
{
    if (!rhi__array_reserve(to, from->count))
        return rhi__error_memory();
    if (from->count)
        memcpy(to->items, from->items, from->count * sizeof *from->items);
    to->count = from->count;
    return NULL;
}

static rhi_error *keep_rows(rhi_session *session, const asked *question, const rhi_holders *rows)
{
    if (rows->count > KEPT_MAX || rows->left_out.rows)
        return NULL;
    asked *a = malloc(sizeof *a);
    if (!a)
        return rhi__error_memory();
    *a = *question;
    rhi_error *error = copy_rows(rows, &a->rows);
    if (error) {
        free_asked(a);
        return error;
    }
    return rhi__keep(&session->kept, a, free_asked);
}

static rhi_error *give_again(rhi_session *session, rhi_reader *reader, const asked *a,
                             rhi_holders *holders)
{
    for (uint64_t i = 0; i < a->rows.count; i++) {
        const rhi_holder *row = &a->rows.items[i];
        uint64_t value;
        if (row->address &&
            (!rhi__memory_u64(reader->memory, row->address, &value) || value != row->value))
            session->has_changed = true;
    }
    RHI_TRY(copy_rows(&a->rows, holders));
    return rhi__word_limits(session, reader);
}

rhi_error *rhi__who_holds(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                          unsigned wanted, rhi_holders *holders)
{
    const asked *last = rhi__kept(&session->kept, free_asked);
    asked question = {.address = object->address,
                      .end = rhi__object_end(object),
                      .wanted = wanted,
                      .has_graph = session->graph != NULL};
    if (last && last->address == question.address && last->end == question.end &&
        last->wanted == wanted && last->has_graph == question.has_graph)
        return give_again(session, reader, last, holders);
    gathering g = {.target = object->address, .wanted = wanted, .holders = holders};
    RHI_TRY(rhi__reader_load(reader));
    RHI_TRY(rhi__each_referrer(session, reader, object, wanted & RHI_HOLDERS_WEAK, add_row, &g));
    RHI_TRY(rhi__each_word(session, reader, question.address, question.end, add_row, &g));
    rhi__sort_holders(holders);
    return keep_rows(session, &question, holders);
}
