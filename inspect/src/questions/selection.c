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

rhi_error *rhi__selection_grow(rhi_selection *selection, uint64_t depth)
{
    const rhi_graph *g = selection->graph;
    for (uint64_t i = 0; i < selection->nodes.count; i++) {
        uint32_t index = selection->nodes.items[i],
                 reached = rhi__map_get(&selection->depth, index);
        if (reached >= depth || reached >= RHI_NOT_THERE - 1)
            continue;
        if (i % 4096 == 4095)
            RHI_TRY(
                rhi__progress(&selection->session->work, "selecting", i, selection->nodes.count));
        if (!add_all(selection, g->edge_to + g->edge_start[index],
                     g->edge_to + g->edge_start[index + 1], reached + 1) ||
            !add_all(selection, g->referrer_from + g->referrer_start[index],
                     g->referrer_from + g->referrer_start[index + 1], reached + 1))
            return rhi__error_memory();
    }
    return NULL;
}
