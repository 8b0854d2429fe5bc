/* selection.h - the part of the graph that an answer is about: objects in the order they were met. */
#ifndef RHI_SELECTION_H
#define RHI_SELECTION_H

#include "objects.h"
#include "words.h"

typedef struct rhi_selection {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    struct { uint32_t *items; uint64_t count, capacity; } nodes;
    uint32_t *depth;    /* per object: how far from an asked-for one; UINT32_MAX: not selected */
} rhi_selection;

rhi_error *rhi__selection_open(rhi_session *session, rhi_selection *selection);
void rhi__selection_close(rhi_selection *selection);
bool rhi__selection_add(rhi_selection *selection, uint32_t index, uint32_t depth);
/* Adds everything up to `depth` strong references away from what is selected, both ways. */
rhi_error *rhi__selection_grow(rhi_selection *selection, uint64_t depth);
static inline bool rhi__is_selected(const rhi_selection *selection, uint32_t index)
{
    return selection->depth[index] != UINT32_MAX;
}
static inline bool rhi__cycle_is_garbage(const rhi_graph *graph, uint32_t cycle)
{
    return !(graph->flags[graph->cycle_member[graph->cycle_start[cycle]]] & RHI_GRAPH_REACHED);
}

/* The decoded header of an object by its number; false if it cannot be read. */
bool rhi__object_at_index(rhi_reader *reader, uint32_t index, rhi_object *object);

/* One reference between two live objects. */
typedef struct rhi_edge {
    uint32_t from, to;
    const rhi_field *field;
    uint64_t element, address;
} rhi_edge;
/* Visits the references of an object to objects that are there, in field order. */
rhi_error *rhi__each_edge(rhi_reader *reader, uint32_t from, bool (*visit)(void *context, const rhi_edge *edge), void *context);

/* Who holds a cycle from outside: fields of other objects, and, where a member has counts that no
 * field explains, registered roots and words. `words` are all words into the heap. */
rhi_error *rhi__cycle_holders(const rhi_selection *selection, uint32_t cycle, const rhi_holders *words, rhi_holders *holders);

/* Writes the first objects of the selection (at most RHI_DRAWN_MAX) as a Graphviz graph, and with
 * `svg_path` has `dot` draw it. *left_out: objects not drawn. */
enum { RHI_DRAWN_MAX = 100 };
rhi_error *rhi__draw(const rhi_selection *selection, const char *dot_path, const char *svg_path, uint64_t *left_out);

#endif
