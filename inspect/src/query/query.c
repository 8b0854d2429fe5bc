/* query.c - opens what a question is asked about, and makes what its columns need (see query.h). */
#include "query/query.h"
#include "graph/harm.h"
#include "graph/spread.h"
#include "words/owners.h"

#include <string.h>

rhi_error *rhi__query_open(rhi_session *session, rhi_query *query)
{
    *query = (rhi_query){.session = session};
    RHI_TRY(rhi__session_reader(session, &query->reader));
    for (uint64_t i = 0; i < query->reader->blocks.count; i++)
        query->count += query->reader->blocks.items[i].object_count;
    rhi__memory_keep_pages(query->reader->memory); /* single objects are read again and again */
    return NULL;
}

void rhi__query_close(rhi_query *query)
{
    rhi__kept_drop(&query->kept);
    if (query->reader)
        rhi__memory_drop_pages(query->reader->memory);
}

rhi_error *rhi__query_listing(rhi_query *query)
{
    if (query->listing)
        return NULL;
    RHI_TRY(rhi__session_listing(query->session, &query->listing));
    return rhi__tell_harm(&query->session->work, &query->session->notes, query->reader, false);
}

rhi_error *rhi__query_graph(rhi_query *query)
{
    if (query->graph)
        return NULL;
    rhi_graph *graph;
    RHI_TRY(rhi__session_graph(query->session, &graph));
    RHI_TRY(rhi__tell_harm(&query->session->work, &query->session->notes, query->reader, true));
    query->graph = graph;
    return NULL;
}

rhi_error *rhi__query_retained(rhi_query *query)
{
    RHI_TRY(rhi__query_graph(query));
    return rhi__graph_dominators(&query->session->work, query->reader, query->graph);
}

rhi_error *rhi__query_leaks(rhi_query *query)
{
    rhi_leaks *leaks;
    if (query->leaks)
        return NULL;
    RHI_TRY(rhi__query_graph(query));
    RHI_TRY(rhi__session_leaks(query->session, &leaks));
    query->leaks = leaks;
    return NULL;
}

/* ---- what is held for certain --------------------------------------------------------------- */

static void free_bits(void *bits)
{
    free(bits);
}

/* All that is reached from objects whose owners were found. */
static rhi_error *find_held(void *context, void *held)
{
    const rhi_query *query = context;
    const rhi_graph *g = query->graph;
    rhi_owners *owners;
    uint32_t count = 0;
    RHI_TRY(rhi__session_owners(query->session, query->reader, false, &owners));
    for (uint32_t i = 0; i < g->count; i++)
        if (rhi__is_held_itself(g, owners, i)) {
            rhi__bit_set(held, i);
            g->queue[count++] = i;
        }
    return rhi__graph_reach(&query->session->work, g, false, held, NULL, g->queue, count);
}

rhi_error *rhi__query_is_held(rhi_query *query, uint32_t index, bool *is_held)
{
    void *held;
    uint64_t size = ((uint64_t)query->graph->count / 64 + 1) * sizeof(uint64_t);
    RHI_TRY(rhi__kept_or_made(&query->kept, size, find_held, query, free_bits, &held));
    *is_held = rhi__bit(held, index);
    return NULL;
}

/* ---- objects -------------------------------------------------------------------------------- */

uint32_t rhi__query_object_of(const rhi_query *query, uint64_t address)
{
    uint32_t index = rhi__object_of(query->reader, address);
    rhi_object object;
    if (index == RHI_NO_OBJECT)
        return RHI_NO_OBJECT;
    bool is_object = query->listing
                         ? query->listing->kinds[index] & RHI_LISTING_OBJECT
                         : rhi__slot_at(query->reader, rhi__block_at(query->reader, address),
                                        address, &object) &&
                               rhi__is_object(object.state);
    return is_object ? index : RHI_NO_OBJECT;
}
