/* picture.c - gathers what a picture shows (see picture.h). References between the same two objects
 * are one arrow. */
#include "questions/picture.h"

#include <stdlib.h>

typedef struct search {
    rhi_picture *picture;
    rhi_map drawn; /* an object's place in the selection */
    uint64_t looked_at;
    /* between two places, and whether dashed: 1 + the arrow */
    uint16_t at[RHI_DRAWN_MAX][RHI_DRAWN_MAX][2];
    rhi_error *error;
} search;

static void add_arrow(search *s, const rhi_edge *edge, uint16_t *at, bool is_dashed)
{
    rhi_picture *p = s->picture;
    const rhi_graph *g = p->selection->graph;
    bool is_strong = edge->field->kind != RHI_KIND_BORROWED;
    if (p->arrow_count == RHI_ARROWS_MAX) {
        p->edges_left_out++;
        return;
    }
    rhi_arrow *arrow = &p->arrows[p->arrow_count++];
    *at = (uint16_t)p->arrow_count;
    *arrow = (rhi_arrow){.from = edge->from,
                         .to = edge->to,
                         .is_dashed = is_dashed,
                         .count = 1,
                         .in_cycle = is_strong && g->cycle_of[edge->from] != RHI_NO_OBJECT &&
                                     g->cycle_of[edge->from] == g->cycle_of[edge->to]};
    rhi__slot_name(edge->field, edge->element, arrow->name, sizeof arrow->name);
}

static bool take_edge(void *context, const rhi_edge *edge)
{
    search *s = context;
    if (++s->looked_at % 65536 == 0 &&
        (s->error = rhi__progress(&s->picture->selection->session->work, "drawing", 0, 0)))
        return false;
    uint64_t from = rhi__map_get(&s->drawn, edge->from), to = rhi__map_get(&s->drawn, edge->to);
    bool is_dashed = edge->field->kind != RHI_KIND_STRONG;
    if (from == RHI_NOT_THERE || to == RHI_NOT_THERE)
        return true;
    uint16_t *at = &s->at[from][to][is_dashed];
    if (*at)
        s->picture->arrows[*at - 1].count++;
    else
        add_arrow(s, edge, at, is_dashed);
    return true;
}

static rhi_error *find_arrows(search *s)
{
    const rhi_selection *selection = s->picture->selection;
    for (uint64_t i = 0; i < s->picture->objects; i++)
        if (!rhi__map_set(&s->drawn, selection->nodes.items[i], (uint32_t)i))
            return rhi__error_memory();
    for (uint64_t i = 0; i < s->picture->objects && !s->error; i++)
        rhi__each_edge(selection->session, selection->reader, selection->nodes.items[i], take_edge,
                       s);
    return s->error;
}

rhi_error *rhi__picture(const rhi_selection *selection, rhi_picture *picture)
{
    search *s = calloc(1, sizeof *s);
    picture->selection = selection;
    picture->objects =
        selection->nodes.count < RHI_DRAWN_MAX ? selection->nodes.count : RHI_DRAWN_MAX;
    picture->arrows = malloc(RHI_ARROWS_MAX * sizeof *picture->arrows);
    rhi_error *error = rhi__error_memory();
    if (s && picture->arrows) {
        s->picture = picture;
        error = find_arrows(s);
        rhi__map_free(&s->drawn);
    }
    free(s);
    return error;
}

void rhi__picture_free(rhi_picture *picture)
{
    free(picture->arrows);
    *picture = (rhi_picture){0};
}
