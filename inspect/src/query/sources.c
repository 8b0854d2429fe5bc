/* sources.c - the objects that have slots which hold another one (see query.h).
 *
 * The first question is answered as `refs` answers it, by a search of the heap. Whoever asks again
 * asks often: then the graph is made, which has the references that own counts, and an index of
 * the others. Invariant: both give the same objects. */
#include "query/table.h"
#include "base/array.h"
#include "graph/harm.h"
#include "words/words.h"

#include <string.h>

/* ---- references that own nothing ------------------------------------------------------------ */

typedef struct borrowed_edge {
    uint32_t to, from;
} borrowed_edge;
typedef struct borrowed_index {
    borrowed_edge *items; /* sorted */
    uint64_t count, capacity;
} borrowed_index;

static void free_borrowed(void *value)
{
    borrowed_index *index = value;
    if (index)
        free(index->items);
    free(index);
}

typedef struct borrowed_search {
    rhi_query *query;
    borrowed_index *index;
    uint32_t from;
    bool is_short;
} borrowed_search;

static bool add_borrowed(void *context, const rhi_slot *slot)
{
    borrowed_search *s = context;
    if (slot->field->kind != RHI_KIND_BORROWED)
        return true;
    uint32_t to = rhi__query_object_of(s->query, slot->value);
    borrowed_index *index = s->index;
    if (to == RHI_NO_OBJECT || (index->count && index->items[index->count - 1].to == to &&
                                index->items[index->count - 1].from == s->from))
        return true;
    s->is_short = !rhi__array_reserve(index, 1);
    if (!s->is_short)
        index->items[index->count++] = (borrowed_edge){.to = to, .from = s->from};
    return !s->is_short;
}

static bool may_borrow(void *context, uint32_t index, const rhi_block *block,
                       const rhi_header *header, const uint8_t *bytes)
{
    const borrowed_search *s = context;
    const rhi_reader *reader = s->query->reader;
    (void)index, (void)block, (void)bytes;
    /* a plan does not count the slot of the heap's own weak references */
    return rhi__is_object(header->state) && header->type < reader->plan_count &&
           (reader->plans[header->type].has_borrowed || reader->types.items[header->type].is_weak);
}

static rhi_error *look_at(void *context, uint32_t index, const rhi_object *object,
                          const uint8_t *bytes)
{
    borrowed_search *s = context;
    s->from = index;
    rhi__each_slot(s->query->reader, object, bytes, add_borrowed, s);
    return s->is_short ? rhi__error_memory() : NULL;
}

static int edge_order(const void *left, const void *right)
{
    const borrowed_edge *a = left, *b = right;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    return a->from < b->from ? -1 : a->from > b->from;
}

static rhi_error *find_borrowed(void *context, void *value)
{
    borrowed_search s = {.query = context, .index = value};
    RHI_TRY(rhi__each_chosen(&s.query->session->work, s.query->reader,
                             "looking for references that own nothing", may_borrow, look_at, &s));
    if (s.index->count)
        qsort(s.index->items, s.index->count, sizeof *s.index->items, edge_order);
    return NULL;
}

/* ---- sources -------------------------------------------------------------------------------- */

static rhi_error *add(rhi_found *sources, uint32_t from)
{
    if (sources->count && sources->items[sources->count - 1] == from)
        return NULL;
    if (!rhi__array_reserve(sources, 1))
        return rhi__error_memory();
    sources->items[sources->count++] = from;
    return NULL;
}

static void put_in_order(rhi_found *sources)
{
    uint64_t kept = 0;
    if (sources->count)
        qsort(sources->items, sources->count, sizeof *sources->items, rhi__index_order);
    for (uint64_t i = 0; i < sources->count; i++)
        if (kept == 0 || sources->items[kept - 1] != sources->items[i])
            sources->items[kept++] = sources->items[i];
    sources->count = kept;
}

typedef struct scan {
    rhi_query *query;
    rhi_found *sources;
} scan;

static rhi_error *add_holder(void *context, const rhi_holder *holder)
{
    const scan *s = context;
    uint32_t from = holder->kind == RHI_HOLDER_FIELD ? rhi__query_object_of(s->query, holder->from)
                                                     : RHI_NO_OBJECT;
    return from == RHI_NO_OBJECT ? NULL : add(s->sources, from);
}

static rhi_error *by_search(rhi_query *query, uint32_t target, rhi_found *sources)
{
    rhi_object object;
    scan s = {.query = query, .sources = sources};
    uint64_t address = rhi__object_address(query->reader, target);
    const rhi_block *block = rhi__block_at(query->reader, address);
    if (!block || !rhi__slot_at(query->reader, block, address, &object))
        return NULL;
    RHI_TRY(rhi__each_slot_to(query->session, query->reader, &object, add_holder, &s));
    return rhi__tell_harm(&query->session->work, &query->session->notes, query->reader, true);
}

static rhi_error *by_graph(rhi_query *query, uint32_t target, rhi_found *sources)
{
    void *value;
    RHI_TRY(rhi__query_graph(query));
    RHI_TRY(rhi__graph_referrers(&query->session->work, query->graph));
    RHI_TRY(rhi__kept_or_made(&query->session->kept, sizeof(borrowed_index), find_borrowed, query,
                              free_borrowed, &value));
    const borrowed_index *borrowed = value;
    const rhi_graph *g = query->graph;
    for (uint32_t e = g->referrer_start[target]; e < g->referrer_start[target + 1]; e++)
        RHI_TRY(add(sources, g->referrer_from[e]));
    uint64_t at = rhi__first(0, borrowed->count, i, borrowed->items[i].to >= target);
    for (; at < borrowed->count && borrowed->items[at].to == target; at++)
        RHI_TRY(add(sources, borrowed->items[at].from));
    return NULL;
}

rhi_error *rhi__query_sources(rhi_query *query, uint32_t target, rhi_found *sources)
{
    bool has_graph = query->session->graph != NULL;
    RHI_TRY(query->lookups++ || has_graph ? by_graph(query, target, sources)
                                          : by_search(query, target, sources));
    put_in_order(sources);
    return NULL;
}
