/* edges.h - the references of an object, read again of the target and checked against the graph. */
#ifndef RHI_EDGES_H
#define RHI_EDGES_H

#include "words/words.h"

/* The decoded header of an object by its number; false if it cannot be read. */
bool rhi__object_at_index(rhi_session *session, rhi_reader *reader, uint32_t index,
                          rhi_object *object);
/* "node#12", "(unreadable)" */
void rhi__index_id(rhi_session *session, rhi_reader *reader, uint32_t index, char *id, size_t size);

/* One reference between two live objects. */
typedef struct rhi_edge {
    uint32_t from, to;
    const rhi_field *field;
    uint64_t element, address;
} rhi_edge;
typedef bool (*rhi_edge_visitor)(void *context, const rhi_edge *edge); /* false stops */
/* Visits the references of an object to objects that are there, in field order. */
void rhi__each_edge(rhi_session *session, rhi_reader *reader, uint32_t from, rhi_edge_visitor visit,
                    void *context);
/* The row of a reference. */
rhi_holder rhi__edge_holder(const rhi_reader *reader, const rhi_edge *edge);

#endif
