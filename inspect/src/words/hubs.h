/* hubs.h - references of objects that hold many others, kept: who asks for the holders of each of
 * these would read all of them again each time. */
#ifndef RHI_HUBS_H
#define RHI_HUBS_H

#include "words/edges.h"

/* Has it so many references that they are worth keeping? */
bool rhi__is_hub(const rhi_graph *graph, uint32_t from);
/* Visits the references of such an object to this one, as rhi__each_edge would. */
rhi_error *rhi__hub_edges(rhi_session *session, rhi_reader *reader, uint32_t from, uint32_t to,
                          rhi_edge_visitor visit, void *context);

#endif
