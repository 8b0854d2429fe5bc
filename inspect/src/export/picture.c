/* picture.c - `.dot` and `.svg`: the objects that retain most, as gcgraph draws them (see
 * export.h). A picture of more than a hundred shows nothing to anybody. */
#include "render/picture.h"
#include "export/formats.h"

#include <stdlib.h>

typedef struct largest {
    const rhi_graph *graph;
    uint32_t items[RHI_DRAWN_MAX]; /* most first; of equals the first in address order */
    uint32_t count;
} largest;

static void take(largest *l, uint32_t index)
{
    const uint64_t *retained = l->graph->retained;
    uint32_t at = l->count;
    if (at == RHI_DRAWN_MAX && retained[l->items[at - 1]] >= retained[index])
        return;
    at -= at == RHI_DRAWN_MAX;
    for (l->count = at + 1; at && retained[l->items[at - 1]] < retained[index]; at--)
        l->items[at] = l->items[at - 1];
    l->items[at] = index;
}

static rhi_error *select_largest(const rhi_export *export, rhi_selection *selection)
{
    largest l = {.graph = selection->graph};
    for (uint32_t i = 0; i < export->query.count; i++)
        if (export->numbers[i] != RHI_NO_OBJECT)
            take(&l, i);
    for (uint32_t i = 0; i < l.count; i++) /* nobody asked for these: they are on the way */
        if (!rhi__selection_add(selection, l.items[i], rhi__way(1, RHI_WAY_MIXED)))
            return rhi__error_memory();
    return NULL;
}

static rhi_error *draw(rhi_export *export, bool is_drawn)
{
    rhi_selection selection;
    rhi_picture picture = {0};
    rhi_session *session = export->query.session;
    rhi_error *error = rhi__selection_open(session, &selection);
    if (!error) {
        selection.leaks = export->query.leaks;
        error = select_largest(export, &selection);
    }
    if (!error)
        error = rhi__picture(&selection, &picture);
    if (!error) {
        picture.left_out = export->left_out = export->object_count - picture.objects;
        export->objects = picture.objects;
        for (uint64_t i = 0; i < picture.arrow_count; i++)
            export->references += picture.arrows[i].count;
        export->references_left_out = picture.edges_left_out;
        error = rhi__draw_into(&session->work, &picture, is_drawn, export->file);
    }
    rhi__picture_free(&picture);
    rhi__selection_close(&selection);
    return error;
}

static rhi_error *write_dot(rhi_export *export)
{
    return draw(export, false);
}

static rhi_error *write_svg(rhi_export *export)
{
    return draw(export, true);
}

const rhi_export_format rhi__dot_format = {.next =
                                               "draw it with Graphviz: dot -Tpdf FILE -o heap.pdf",
                                           .needs = RHI_EXPORT_VERDICTS,
                                           .write = write_dot};
const rhi_export_format rhi__svg_format = {
    .next = "open it in a browser; gcgraph OBJECT --svg=FILE draws what is around an object",
    .needs = RHI_EXPORT_VERDICTS,
    .write = write_svg};
