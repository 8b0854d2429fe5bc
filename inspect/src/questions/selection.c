/* selection.c - selects objects of the graph (see selection.h).
 * Invariant: `depth` has a value exactly for the objects in `nodes`. */
#include "questions/selection.h"

rhi_error *rhi__selection_open(rhi_session *session, rhi_selection *selection)
{
    *selection = (rhi_selection){.session = session};
    RHI_TRY(rhi__session_reader(session, &selection->reader));
    RHI_TRY(rhi__session_graph(session, &selection->graph));
    RHI_TRY(rhi__graph_referrers(&session->work, selection->graph));
    return rhi__graph_cycles(&session->work, selection->graph);
}

void rhi__selection_close(rhi_selection *selection)
{
    free(selection->nodes.items);
    free(selection->hubs.items);
    rhi__map_free(&selection->depth);
}

bool rhi__selection_add(rhi_selection *selection, uint32_t index, uint32_t depth)
{
    if (rhi__is_selected(selection, index))
        return true;
    if (!rhi__array_reserve(&selection->nodes, 1) || !rhi__map_set(&selection->depth, index, depth))
        return false;
    selection->nodes.items[selection->nodes.count++] = index;
    return true;
}

static bool add_all(rhi_selection *selection, const uint32_t *from, const uint32_t *to,
                    uint32_t depth)
{
    for (; from < to; from++)
        if (!rhi__selection_add(selection, *from, depth))
            return false;
    return true;
}

/* ---- growing -------------------------------------------------------------------------------- */

/* How many of so many references are followed. */
static uint32_t followed(uint32_t count, uint32_t depth)
{
    return count <= RHI_FOLLOWED_MAX ? count : depth == 0 ? RHI_FOLLOWED_MAX : 0;
}

/* Adds what the object, `depth` away, has references to and from; takes it down where that is not
 * all. */
static bool add_around(rhi_selection *selection, uint32_t index, uint32_t depth, bool all)
{
    const rhi_graph *g = selection->graph;
    const uint32_t *to = g->edge_to + g->edge_start[index],
                   *from = g->referrer_from + g->referrer_start[index];
    uint32_t to_count = g->edge_start[index + 1] - g->edge_start[index],
             from_count = g->referrer_start[index + 1] - g->referrer_start[index],
             to_followed = all ? to_count : followed(to_count, depth),
             from_followed = all ? from_count : followed(from_count, depth);
    if (to_followed < to_count || from_followed < from_count) {
        if (!rhi__array_reserve(&selection->hubs, 1))
            return false;
        selection->hubs.items[selection->hubs.count++] = (struct rhi_hub){.index = index};
    }
    return add_all(selection, to, to + to_followed, depth + 1) &&
           add_all(selection, from, from + from_followed, depth + 1);
}

static uint32_t count_unselected(const rhi_selection *selection, const uint32_t *objects,
                                 const uint32_t *end)
{
    uint32_t count = 0;
    for (; objects < end; objects++)
        count += !rhi__is_selected(selection, *objects);
    return count;
}

/* Of what was not followed, what leads elsewhere. */
static rhi_error *count_left_out(rhi_selection *selection)
{
    const rhi_graph *g = selection->graph;
    uint64_t kept = 0;
    for (uint64_t i = 0; i < selection->hubs.count; i++) {
        struct rhi_hub hub = selection->hubs.items[i];
        RHI_TRY(rhi__progress(&selection->session->work, "counting what is not followed", i,
                              selection->hubs.count));
        hub.to = count_unselected(selection, g->referrer_from + g->referrer_start[hub.index],
                                  g->referrer_from + g->referrer_start[hub.index + 1]);
        hub.from = count_unselected(selection, g->edge_to + g->edge_start[hub.index],
                                    g->edge_to + g->edge_start[hub.index + 1]);
        if (hub.to || hub.from)
            selection->hubs.items[kept++] = hub;
    }
    selection->hubs.count = kept;
    return NULL;
}

rhi_error *rhi__selection_grow(rhi_selection *selection, uint64_t depth, bool all)
{
    for (uint64_t i = 0; i < selection->nodes.count; i++) {
        uint32_t index = selection->nodes.items[i],
                 reached = rhi__map_get(&selection->depth, index);
        if (reached >= depth || reached >= RHI_NOT_THERE - 1)
            continue;
        if (i % 4096 == 4095)
            RHI_TRY(
                rhi__progress(&selection->session->work, "selecting", i, selection->nodes.count));
        if (!add_around(selection, index, reached, all))
            return rhi__error_memory();
    }
    return count_left_out(selection);
}
