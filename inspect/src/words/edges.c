/* edges.c - reads objects of the graph and their references again (see edges.h).
 * Invariant: what is read again is compared with the graph: a difference marks the session, and
 * the question is asked again. */
#include "words/edges.h"
#include "heap/objects.h"

#include <stdio.h>

bool rhi__object_at_index(rhi_session *session, rhi_reader *reader, uint32_t index,
                          rhi_object *object)
{
    uint64_t address = rhi__object_address(reader, index);
    const rhi_block *block = rhi__block_at(reader, address);
    if (!block || !rhi__slot_at(reader, block, address, object))
        return false;
    rhi__check_header(session, index, object);
    return true;
}

void rhi__index_id(rhi_session *session, rhi_reader *reader, uint32_t index, char *id, size_t size)
{
    rhi_object object;
    if (rhi__object_at_index(session, reader, index, &object))
        rhi__object_id(reader, &object, id, size);
    else
        snprintf(id, size, "(unreadable)");
}

/* ---- edges ---------------------------------------------------------------------------------- */

typedef struct edge_visit {
    rhi_session *session;
    rhi_reader *reader;
    uint32_t from;
    uint32_t known, known_end; /* the graph's references of this object that were not seen yet */
    rhi_edge_visitor visit;
    void *context;
} edge_visit;

/* Holds a strong reference, read again, against the graph's next one. */
static void check_edge(edge_visit *v, uint32_t to)
{
    const rhi_graph *graph = v->session->graph;
    if (!graph || graph->flags[to] & RHI_GRAPH_CORRUPT) /* which the graph has no edges to */
        return;
    if (v->known == v->known_end || graph->edge_to[v->known] != to)
        v->session->has_changed = true;
    else
        v->known++;
}

static bool visit_slot(void *context, const rhi_slot *slot)
{
    edge_visit *v = context;
    uint32_t to = rhi__object_of(v->reader, slot->value);
    if (to == RHI_NO_OBJECT)
        return true;
    if (slot->field->kind != RHI_KIND_BORROWED)
        check_edge(v, to);
    rhi_edge edge = {.from = v->from,
                     .to = to,
                     .field = slot->field,
                     .element = slot->element,
                     .address = slot->address};
    return v->visit(v->context, &edge);
}

void rhi__each_edge(rhi_session *session, rhi_reader *reader, uint32_t from, rhi_edge_visitor visit,
                    void *context)
{
    rhi_object object;
    rhi_scratch scratch = {0};
    edge_visit v = {
        .session = session, .reader = reader, .from = from, .visit = visit, .context = context};
    if (session->graph) {
        v.known = session->graph->edge_start[from];
        v.known_end = session->graph->edge_start[from + 1];
    }
    if (!rhi__object_at_index(session, reader, from, &object))
        return; /* noted when the graph was built */
    const uint8_t *bytes =
        rhi__is_object(object.state) ? rhi__object_bytes(reader, &object, &scratch) : NULL;
    if (bytes && rhi__each_slot(reader, &object, bytes, visit_slot, &v) && v.known != v.known_end)
        session->has_changed = true; /* a reference is gone */
    rhi__scratch_free(&scratch);
}

rhi_holder rhi__edge_holder(const rhi_reader *reader, const rhi_edge *edge)
{
    uint64_t value = rhi__object_address(reader, edge->to);
    bool strong = edge->field->kind != RHI_KIND_BORROWED;
    return (rhi_holder){.kind = RHI_HOLDER_FIELD,
                        .strong = strong,
                        .weak = !strong,
                        .in_live = true,
                        .address = edge->address,
                        .value = value,
                        .target = value,
                        .from = rhi__object_address(reader, edge->from),
                        .field = edge->field,
                        .element = edge->element};
}
