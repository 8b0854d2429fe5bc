/* uses.c - which code of the program fills and uses a variable (see uses.h).
 *
 * The objects that lead to code are looked for once, in one pass over the headers of all objects,
 * and kept. Invariant: there is no pass unless some variable is asked for that code may name. */
#include "questions/uses.h"
#include "base/array.h"
#include "graph/graph.h"
#include "heap/objects.h"
#include "session/session.h"
#include "words/words.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS_MAX = 1 << 12 };

/* ---- variables ------------------------------------------------------------------------------ */

/* Adds the slot if it is a variable that is not there yet. */
static void add_variable(rhi_reader *reader, const rhi_variable_slot *slot, rhi_uses *uses)
{
    const rhi_format *format = rhi__format_of(reader, slot->holder.heap);
    rhi_uses_of of = {.slot = *slot};
    if (!format->uses || !slot->field || !format->variable(reader, slot, of.name))
        return;
    for (unsigned i = 0; i < uses->count; i++)
        if (uses->items[i].slot.value == slot->value && strcmp(uses->items[i].name, of.name) == 0)
            return;
    if (uses->count == RHI_USED_MAX) {
        uses->left_out++;
        return;
    }
    uses->items[uses->count++] = of;
}

rhi_error *rhi__uses_of_holders(rhi_reader *reader, const rhi_holders *holders, uint64_t limit,
                                rhi_uses *uses)
{
    for (uint64_t i = 0; i < holders->count && i < limit; i++) {
        const rhi_holder *row = &holders->items[i];
        rhi_variable_slot slot = {
            .field = row->field, .element = row->element, .value = row->target};
        enum rhi_place place;
        if (row->kind == RHI_HOLDER_FIELD && row->strong && row->value == row->target &&
            rhi__place_of(reader, row->from, &place, &slot.holder) && rhi__place_is_slot(place))
            add_variable(reader, &slot, uses);
    }
    return NULL;
}

/* Where one variable leads on to the next by its attribute, that one is meant: what the end of the
 * path lies in. */
static void add_step(rhi_reader *reader, const rhi_path_step *step, const rhi_object *owner,
                     rhi_uses *found)
{
    rhi_variable_slot slot = {.holder = step->object,
                              .owner = *owner,
                              .field = step->field,
                              .element = step->element,
                              .value = step->wanted};
    unsigned before = found->count;
    add_variable(reader, &slot, found);
    if (found->count == before || before == 0)
        return;
    uint64_t last = found->items[before - 1].slot.value;
    if (last == step->object.address || last == owner->address)
        found->items[--found->count - 1] = found->items[before];
}

typedef struct others {
    rhi_reader *reader;
    rhi_uses *uses;
} others;

static rhi_error *add_other(void *context, const rhi_holder *row)
{
    others *o = context;
    return rhi__uses_of_holders(o->reader, &(rhi_holders){.items = (rhi_holder *)row, .count = 1},
                                1, o->uses);
}

rhi_error *rhi__uses_of_path(rhi_session *session, rhi_reader *reader, const rhi_path *path,
                             rhi_uses *uses)
{
    rhi_path_step step;
    rhi_object owner = {0};
    rhi_uses found = {.count = 0};
    others o = {reader, uses};
    for (uint64_t i = 0; i + 1 < path->objects.count; i++) {
        if (!rhi__path_step(reader, path, i, &step))
            break;
        add_step(reader, &step, &owner, &found);
        owner = step.object;
    }
    for (unsigned i = 0; i < found.count; i++)
        add_variable(reader, &found.items[i].slot, uses);
    /* a module that imports the variable has one of its own */
    for (unsigned i = 0; i < found.count; i++) {
        enum rhi_place place;
        rhi_object value;
        if (rhi__place_of(reader, found.items[i].slot.value, &place, &value) &&
            rhi__place_is_slot(place))
            RHI_TRY(rhi__each_referrer(session, reader, &value, false, add_other, &o));
    }
    return NULL;
}

/* ---- code ----------------------------------------------------------------------------------- */

typedef struct runners {
    uint64_t *items;
    uint64_t count, capacity;
} runners;

static void free_runners(void *value)
{
    if (value)
        free(((runners *)value)->items);
    free(value);
}

typedef struct gathering {
    rhi_reader *reader;
    runners *found;
} gathering;

static bool runs_code(void *context, uint32_t index, const rhi_block *block,
                      const rhi_header *header, const uint8_t *bytes)
{
    const rhi_reader *reader = ((gathering *)context)->reader;
    (void)index, (void)block, (void)bytes;
    return rhi__is_object(header->state) && header->type < reader->types.count &&
           reader->types.items[header->type].runs_code;
}

static rhi_error *add_runner(void *context, uint32_t index, const rhi_object *object,
                             const uint8_t *bytes)
{
    gathering *g = context;
    (void)index, (void)bytes;
    if (!rhi__array_reserve(g->found, 1))
        return rhi__error_memory();
    g->found->items[g->found->count++] = object->address;
    return NULL;
}

static rhi_error *gather(rhi_session *session, rhi_reader *reader, const runners **found)
{
    *found = rhi__kept(&session->kept, free_runners);
    if (*found)
        return NULL;
    gathering g = {.reader = reader, .found = calloc(1, sizeof *g.found)};
    if (!g.found)
        return rhi__error_memory();
    rhi_error *error = rhi__each_chosen(&session->work, reader, "looking for functions", runs_code,
                                        add_runner, &g);
    if (error) {
        free_runners(g.found);
        return error;
    }
    *found = g.found;
    return rhi__keep(&session->kept, g.found, free_runners);
}

static rhi_error *keep_use(void *context, const rhi_use *use)
{
    rhi_uses_of *of = context;
    if (of->rows.count == ROWS_MAX) {
        of->left_out++;
        return NULL;
    }
    if (!rhi__array_reserve(&of->rows, 1))
        return rhi__error_memory();
    rhi_use_row *row = &of->rows.items[of->rows.count];
    *row = (rhi_use_row){.kind = use->kind,
                         .is_guess = use->is_guess,
                         .line = use->line,
                         .function = strdup(use->function),
                         .file = strdup(use->file),
                         .text = strdup(use->text)};
    of->rows.count++;
    if (!row->function || !row->file || !row->text)
        return rhi__error_memory();
    row->name = row->file + (use->name - use->file);
    return NULL;
}

static int row_order(const void *left, const void *right)
{
    const rhi_use_row *a = left, *b = right;
    if (a->is_guess != b->is_guess)
        return a->is_guess ? 1 : -1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int files = strcmp(a->file, b->file);
    if (files)
        return files;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    int functions = strcmp(a->function, b->function);
    return functions ? functions : strcmp(a->text, b->text);
}

static void free_row(rhi_use_row *row)
{
    free(row->function);
    free(row->file);
    free(row->text);
}

/* In order, and each once. */
static void settle(rhi_uses_of *of)
{
    uint64_t kept = 0;
    if (of->rows.count)
        qsort(of->rows.items, of->rows.count, sizeof *of->rows.items, row_order);
    for (uint64_t i = 0; i < of->rows.count; i++)
        if (kept && row_order(&of->rows.items[kept - 1], &of->rows.items[i]) == 0)
            free_row(&of->rows.items[i]);
        else
            of->rows.items[kept++] = of->rows.items[i];
    of->rows.count = kept;
}

rhi_error *rhi__uses_find(rhi_session *session, rhi_reader *reader, rhi_uses *uses)
{
    const runners *functions;
    if (uses->count == 0)
        return NULL;
    RHI_TRY(gather(session, reader, &functions));
    for (unsigned i = 0; i < uses->count; i++) {
        rhi_uses_of *of = &uses->items[i];
        rhi_use_search search = {
            .variable = &of->slot, .work = &session->work, .visit = keep_use, .context = of};
        RHI_TRY(rhi__format_of(reader, of->slot.holder.heap)
                    ->uses(reader, functions->items, functions->count, &search));
        of->unread = search.unread;
        settle(of);
    }
    return NULL;
}

void rhi__uses_free(rhi_uses *uses)
{
    for (unsigned i = 0; i < uses->count; i++) {
        for (uint64_t k = 0; k < uses->items[i].rows.count; k++)
            free_row(&uses->items[i].rows.items[k]);
        free(uses->items[i].rows.items);
    }
}
