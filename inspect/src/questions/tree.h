/* tree.h - the references below or above an object as a tree of rows, nearest first.
 *
 * Invariant: each object has branches in one place only, the nearest to the root; elsewhere its
 * row is marked as repeated. Children of a branch lie one after the other in `branches`, a level
 * behind the other. */
#ifndef RHI_TREE_H
#define RHI_TREE_H

#include "questions/selection.h"

typedef struct rhi_branch {
    rhi_holder row;        /* the reference; owns its names; none at a root */
    uint32_t index;        /* the object at its far end; RHI_NO_OBJECT: it is a word outside */
    uint32_t depth;        /* 0: a root */
    uint32_t first, count; /* its children */
    uint32_t gap;          /* so many of them come before those that are left out */
    uint64_t left_out;
    bool is_repeated; /* its object has its branches elsewhere */
    bool is_cut;      /* its object's branches are not in the tree: it is full */
} rhi_branch;

typedef struct rhi_tree {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    bool upwards;   /* who holds it, instead of what it holds */
    uint64_t depth; /* levels below the roots */
    uint64_t limit; /* children of one branch */
    struct {
        rhi_branch *items;
        uint64_t count, capacity;
    } branches;   /* roots first */
    rhi_map seen; /* objects that have branches */
    uint64_t cut; /* branches that are cut */
} rhi_tree;

/* A root: an object, and, if `row` is given, the reference that leads to it. */
rhi_error *rhi__tree_add_root(rhi_tree *tree, uint32_t index, const rhi_holder *row);
/* Grows it from its roots. Upwards, children are fields by the graph, then words; they are named.
 */
rhi_error *rhi__tree_grow(rhi_tree *tree);
/* Visits what is below a root, branches before their children: `rails` says of each level above a
 * row whether it goes on below; `is_last` of the row's own; a NULL branch stands for left_out
 * rows. */
typedef struct rhi_tree_row {
    const rhi_branch *branch;
    uint64_t left_out;
    const bool *rails;
    uint32_t level; /* 0: a child of the root */
    bool is_last;
} rhi_tree_row;
rhi_error *rhi__tree_walk(const rhi_tree *tree, uint32_t root,
                          void (*visit)(void *context, const rhi_tree_row *row), void *context);
void rhi__tree_free(rhi_tree *tree);

#endif
