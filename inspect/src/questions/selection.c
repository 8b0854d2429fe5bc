/* selection.c - selects objects of the graph (see selection.h).
 * Invariant: `way` has a value exactly for the objects in `nodes`. */
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
    rhi__map_free(&selection->way);
}

bool rhi__selection_add(rhi_selection *selection, uint32_t index, uint32_t way)
{
    if (rhi__is_selected(selection, index))
        return true;
    if (!rhi__array_reserve(&selection->nodes, 1) || !rhi__map_set(&selection->way, index, way))
        return false;
    selection->nodes.items[selection->nodes.count++] = index;
    return true;
}

/* ---- growing -------------------------------------------------------------------------------- */

/* Adds the other ends of references in one direction, as far as they are followed from an object
 * that was met on this way. *followed: all were. */
static bool add_all(rhi_selection *selection, const uint32_t *objects, uint64_t count, uint32_t way,
                    enum rhi_way_kind kind, bool all, bool *followed)
{
    enum rhi_way_kind here = way & 3;
    bool straight = here == 0 || here == kind;
    uint64_t end = all || count <= RHI_FOLLOWED_MAX ? count : straight ? RHI_FOLLOWED_MAX : 0;
    uint32_t next = rhi__way((way >> 2) + 1, straight ? kind : RHI_WAY_MIXED);
    for (uint64_t i = 0; i < end; i++)
        if (!rhi__selection_add(selection, objects[i], next))
            return false;
    *followed = *followed && end == count;
    return true;
}

/* Adds what the object has references to and from; takes it down where that is not all. */
static bool add_around(rhi_selection *selection, uint32_t index, uint32_t way, bool all)
{
    const rhi_graph *g = selection->graph;
    bool followed = true;
    if (!add_all(selection, g->edge_to + g->edge_start[index],
                 g->edge_start[index + 1] - g->edge_start[index], way, RHI_WAY_DOWN, all,
                 &followed) ||
        !add_all(selection, g->referrer_from + g->referrer_start[index],
                 g->referrer_start[index + 1] - g->referrer_start[index], way, RHI_WAY_UP, all,
                 &followed))
        return false;
    if (followed)
        return true;
    if (!rhi__array_reserve(&selection->hubs, 1))
        return false;
    selection->hubs.items[selection->hubs.count++] = (struct rhi_hub){.index = index};
    return true;
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
    enum { DEPTH_MAX = (RHI_NOT_THERE >> 2) - 1 };
    for (uint64_t i = 0; i < selection->nodes.count; i++) {
        uint32_t index = selection->nodes.items[i], way = rhi__map_get(&selection->way, index);
        if (way >> 2 >= depth || way >> 2 >= DEPTH_MAX)
            continue;
        if (i % 4096 == 4095)
            RHI_TRY(
                rhi__progress(&selection->session->work, "selecting", i, selection->nodes.count));
        if (!add_around(selection, index, way, all))
            return rhi__error_memory();
    }
    return count_left_out(selection);
}
