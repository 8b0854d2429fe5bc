/* hubs.c - references of a few large objects, sorted by where they lead (see hubs.h).
 *
 * Invariant: what is kept was read for this answer; so many references are kept, and
 * of one object more if it has more. */
#include "words/hubs.h"
#include "base/array.h"
#include "base/search.h"

enum { HUBS = 16, HUB_EDGES = 64, EDGES_KEPT = 1 << 22 };

typedef struct hub {
    uint32_t from;
    rhi_edge *items; /* sorted by `to` */
    uint64_t count, capacity;
    uint64_t asked; /* when it was asked for last; 0: there is none */
    bool is_short;  /* memory was, when it was read */
    bool is_sorted; /* as it was read */
} hub;

typedef struct hubs {
    hub items[HUBS];
    uint64_t clock, count; /* count: references of all */
} hubs;

bool rhi__is_hub(const rhi_graph *graph, uint32_t from)
{
    return graph->edge_start[from + 1] - graph->edge_start[from] >= HUB_EDGES;
}

static void free_hubs(void *value)
{
    hubs *h = value;
    for (unsigned i = 0; h && i < HUBS; i++)
        free(h->items[i].items);
    free(h);
}

static rhi_error *hubs_of(rhi_session *session, hubs **result)
{
    if ((*result = rhi__kept(&session->kept_now, free_hubs)))
        return NULL;
    if (!(*result = calloc(1, sizeof **result)))
        return rhi__error_memory();
    return rhi__keep(&session->kept_now, *result, free_hubs);
}

static void forget(hubs *h, hub *one)
{
    h->count -= one->count;
    free(one->items);
    *one = (hub){0};
}

static hub *asked_least(hubs *h)
{
    hub *least = &h->items[0];
    for (unsigned i = 1; i < HUBS; i++)
        least = h->items[i].asked < least->asked ? &h->items[i] : least;
    return least;
}

static int edge_order(const void *left, const void *right)
{
    const rhi_edge *a = left, *b = right;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

static bool take_edge(void *context, const rhi_edge *edge)
{
    hub *one = context;
    one->is_short = !rhi__array_reserve(one, 1);
    if (!one->is_short) {
        one->is_sorted &= !one->count || edge_order(&one->items[one->count - 1], edge) <= 0;
        one->items[one->count++] = *edge;
    }
    return !one->is_short;
}

static rhi_error *read_hub(rhi_session *session, rhi_reader *reader, hubs *h, uint32_t from,
                           hub **result)
{
    hub *one = asked_least(h);
    forget(h, one);
    one->is_sorted = true;
    rhi__each_edge(session, reader, from, take_edge, one);
    if (one->is_short) {
        forget(h, one);
        return rhi__error_memory();
    }
    if (!one->is_sorted)
        qsort(one->items, one->count, sizeof *one->items, edge_order);
    one->from = from;
    one->asked = ++h->clock;
    for (h->count += one->count; h->count > EDGES_KEPT;) {
        hub *least = NULL;
        for (unsigned i = 0; i < HUBS; i++)
            if (h->items[i].asked && (!least || h->items[i].asked < least->asked))
                least = &h->items[i];
        if (!least || least == one)
            break;
        forget(h, least);
    }
    *result = one;
    return NULL;
}

rhi_error *rhi__hub_edges(rhi_session *session, rhi_reader *reader, uint32_t from, uint32_t to,
                          rhi_edge_visitor visit, void *context)
{
    hubs *h;
    hub *one = NULL;
    RHI_TRY(hubs_of(session, &h));
    for (unsigned i = 0; i < HUBS && !one; i++)
        if (h->items[i].asked && h->items[i].from == from)
            one = &h->items[i];
    if (!one)
        RHI_TRY(read_hub(session, reader, h, from, &one));
    one->asked = ++h->clock;
    uint64_t at = rhi__first(0, one->count, i, one->items[i].to >= to);
    for (; at < one->count && one->items[at].to == to; at++)
        if (!visit(context, &one->items[at]))
            break;
    return NULL;
}
