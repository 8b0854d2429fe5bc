/* gcgraph.h - what `gcgraph` has gathered, for its renderings: gcgraph_text.c, gcgraph_json.c. */
#ifndef RHI_GCGRAPH_H
#define RHI_GCGRAPH_H

#include "commands/command.h"
#include "questions/tree.h"

typedef struct rhi_gcgraph {
    rhi_selection s;
    rhi_session *session;
    const rhi_args *args;
    bool only_garbage;
    /* the first ones of the answer; with operands all */
    struct {
        uint32_t *items;
        uint64_t count, capacity;
    } cycles;
    uint64_t cycles_total, garbage_total, nodes_total;
    rhi_held *held; /* per shown cycle */
    uint64_t shown_cycles, edges, depth;
    rhi_tree below, above; /* of the operands, in text */
    uint32_t roots;
    rhi_picture picture;
} rhi_gcgraph;

/* Is the cycle part of the answer (--garbage, --heap)? */
bool rhi__gcgraph_wants(const rhi_gcgraph *a, uint32_t cycle);
rhi_error *rhi__gcgraph_text(const rhi_gcgraph *a);
rhi_error *rhi__gcgraph_json(rhi_gcgraph *a);

#endif
