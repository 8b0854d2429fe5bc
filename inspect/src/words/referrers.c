/* referrers.c - every slot that refers to one object: from the graph where there is one, else by
 * a scan of the heap (see words.h). Both give the same rows.
 *
 * The graph knows which objects have a strong reference to it; words that no field declares are
 * kept in an index, made on first use. Weak references are in neither: who asks for them pays for
 * a scan. */
#include "base/array.h"
#include "base/search.h"
#include "words/edges.h"
#include "words/hubs.h"

#include <string.h>

/* The words inside objects that no field declares and that hold an address of the heap, by value.
 */
enum { INDEX_MAX = 1 << 20 };
typedef struct undeclared_word {
    uint64_t value, address, from;
} undeclared_word;
struct rhi_undeclared {
    undeclared_word *items;
    uint64_t count, capacity;
    bool is_partial; /* there are too many: of no use */
};

static rhi_error *add_word(void *context, const rhi_holder *holder)
{
    struct rhi_undeclared *index = context;
    if (index->count == INDEX_MAX || !rhi__array_reserve(index, 1)) {
        index->is_partial = true;
        return rhi__error_cancelled(); /* enough */
    }
    index->items[index->count++] =
        (undeclared_word){.value = holder->value, .address = holder->address, .from = holder->from};
    return NULL;
}

static int word_order(const void *left, const void *right)
{
    const undeclared_word *a = left, *b = right;
    if (a->value != b->value)
        return a->value < b->value ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

static void free_index(void *value)
{
    struct rhi_undeclared *index = value;
    if (!index)
        return;
    free(index->items);
    free(index);
}

static rhi_error *index_of(rhi_session *session, rhi_reader *reader,
                           const struct rhi_undeclared **result)
{
    if ((*result = rhi__kept(&session->kept, free_index)))
        return NULL;
    struct rhi_undeclared *index = calloc(1, sizeof *index);
    if (!index)
        return rhi__error_memory();
    rhi_error *error =
        rhi__each_undeclared(session, reader, reader->lowest, reader->highest, add_word, index);
    if (error && !index->is_partial) {
        free_index(index);
        return error;
    }
    if (index->is_partial) { /* it stays as the mark that there is none */
        free(index->items);
        index->items = NULL;
        index->count = index->capacity = 0;
    } else if (index->count) {
        qsort(index->items, index->count, sizeof *index->items, word_order);
    }
    *result = index;
    return rhi__keep(&session->kept, index, free_index);
}

/* ---- from the graph ------------------------------------------------------------------------- */

typedef struct search {
    rhi_session *session;
    rhi_reader *reader;
    uint32_t target;
    rhi_holder_visitor visit;
    void *context;
    rhi_error *error;
} search;

/* Is a holder garbage, and what it holds is not? */
static bool is_only_garbage(const search *s, uint32_t from)
{
    enum { KNOWN = RHI_GRAPH_REACHED | RHI_GRAPH_CORRUPT };
    const uint8_t *flags = s->session->graph->flags;
    return !(flags[from] & KNOWN) && flags[s->target] & KNOWN;
}

static bool visit_edge(void *context, const rhi_edge *edge)
{
    search *s = context;
    if (edge->to != s->target || edge->field->kind == RHI_KIND_BORROWED)
        return true;
    rhi_holder row = rhi__edge_holder(s->reader, edge);
    row.target = 0; /* as a scan gives it */
    row.in_live = !(s->session->graph->flags[edge->from] & RHI_GRAPH_DYING);
    row.in_garbage = is_only_garbage(s, edge->from);
    s->error = s->visit(s->context, &row);
    return !s->error;
}

static rhi_error *visit_fields(search *s)
{
    const rhi_graph *g = s->session->graph;
    uint32_t last = RHI_NO_OBJECT;
    for (uint32_t e = g->referrer_start[s->target];
         e < g->referrer_start[s->target + 1] && !s->error; e++) {
        if (g->referrer_from[e] == last)
            continue;
        last = g->referrer_from[e];
        RHI_TRY(rhi__progress(&s->session->work, "reading referrers",
                              e - g->referrer_start[s->target],
                              g->referrer_start[s->target + 1] - g->referrer_start[s->target]));
        if (rhi__is_hub(g, last))
            RHI_TRY(rhi__hub_edges(s->session, s->reader, last, s->target, visit_edge, s));
        else
            rhi__each_edge(s->session, s->reader, last, visit_edge, s);
    }
    return s->error;
}

/* An answer about one object shows all of these. */
static rhi_error *visit_checked(void *context, const rhi_holder *row)
{
    search *s = context;
    rhi_holder judged = *row;
    uint32_t from = rhi__object_index(s->reader, row->from);
    rhi__check_undeclared(s->session, s->reader, row);
    judged.in_garbage = from != RHI_NO_OBJECT && is_only_garbage(s, from);
    return s->visit(s->context, &judged);
}

/* ---- from the index ------------------------------------------------------------------------- */

static rhi_error *visit_index(rhi_session *session, rhi_reader *reader,
                              const struct rhi_undeclared *index, uint64_t low, uint64_t high,
                              rhi_holder_visitor visit, void *context)
{
    uint64_t first = rhi__first(0, index->count, at, index->items[at].value >= low);
    for (; first < index->count && index->items[first].value < high; first++) {
        const undeclared_word *word = &index->items[first];
        uint32_t from = session->graph ? rhi__object_index(reader, word->from) : RHI_NO_OBJECT;
        rhi_holder row = {.kind = RHI_HOLDER_UNDECLARED,
                          .address = word->address,
                          .value = word->value,
                          .from = word->from,
                          .in_live = from != RHI_NO_OBJECT &&
                                     !(session->graph->flags[from] & RHI_GRAPH_DYING)};
        RHI_TRY(visit(context, &row));
    }
    return NULL;
}

void rhi__check_undeclared(rhi_session *session, rhi_reader *reader, const rhi_holder *row)
{
    uint64_t now;
    if (!rhi__memory_u64(reader->memory, row->address, &now) ||
        (now != row->value && (now & RHI_OBJECT_MASK) != row->value))
        session->has_changed = true;
}

rhi_error *rhi__each_kept_undeclared(rhi_session *session, rhi_reader *reader, uint64_t low,
                                     uint64_t high, rhi_holder_visitor visit, void *context)
{
    const struct rhi_undeclared *index;
    RHI_TRY(index_of(session, reader, &index));
    if (index->is_partial)
        return rhi__each_undeclared(session, reader, low, high, visit, context);
    return visit_index(session, reader, index, low, high, visit, context);
}

rhi_error *rhi__each_referrer(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                              bool weak, rhi_holder_visitor visit, void *context)
{
    uint64_t low = object->address, high = rhi__object_end(object);
    uint32_t target = session->graph && !weak ? rhi__object_index(reader, low) : RHI_NO_OBJECT;
    const struct rhi_undeclared *index = NULL;
    if (target != RHI_NO_OBJECT) {
        RHI_TRY(rhi__graph_referrers(&session->work, session->graph));
        RHI_TRY(index_of(session, reader, &index));
    }
    if (!index || index->is_partial)
        return rhi__each_slot_to(session, reader, object, visit, context);
    search s = {
        .session = session, .reader = reader, .target = target, .visit = visit, .context = context};
    RHI_TRY(visit_fields(&s));
    return visit_index(session, reader, index, low, high, visit_checked, &s);
}
