/* retained.c - adds up what classes of objects retain (see retained.h).
 *
 * One walk through the tree of dominators, parents first, that counts how many objects of each
 * class it is below of. Invariant: the way back is by the dominators, so that no stack is needed
 * for a tree of any depth. */
#include "questions/retained.h"

#include <stdlib.h>
#include <string.h>

typedef struct walk {
    rhi_session *session;
    const rhi_graph *graph;
    const uint32_t *class_of, *kind_of;
    uint32_t count;
    rhi_retained *sums;
    uint32_t *first, *next; /* child, and sibling, by object */
    uint32_t *above;        /* by kind: objects of it on the way here */
    uint64_t steps;
} walk;

static void link_children(walk *w)
{
    const uint32_t *dominator = w->graph->dominator;
    memset(w->first, 0xff, ((uint64_t)w->graph->count + 1) * sizeof *w->first);
    for (uint32_t i = w->graph->count; i-- > 0;)
        if (dominator[i] != RHI_NO_OBJECT) {
            w->next[i] = w->first[dominator[i]];
            w->first[dominator[i]] = i;
        }
}

static void enter(walk *w, uint32_t at)
{
    uint32_t class = w->class_of[at];
    if (class >= w->count || w->above[w->kind_of[class]]++)
        return;
    rhi_retained *sum = &w->sums[class];
    uint64_t bytes = w->graph->retained[at];
    sum->bytes += bytes;
    if (bytes > sum->largest_bytes || (bytes == sum->largest_bytes && at < sum->largest)) {
        sum->largest = at;
        sum->largest_bytes = bytes;
    }
}

static void leave(walk *w, uint32_t at)
{
    if (w->class_of[at] < w->count)
        w->above[w->kind_of[w->class_of[at]]]--;
}

static rhi_error *walk_tree(walk *w, uint32_t root)
{
    uint32_t at = root;
    for (;;) {
        enter(w, at);
        if (++w->steps % 65536 == 0)
            RHI_TRY(rhi__progress(&w->session->work, "adding up retained bytes", w->steps,
                                  w->graph->count));
        if (w->first[at] != RHI_NO_OBJECT) {
            at = w->first[at];
            continue;
        }
        while (leave(w, at), at != root && w->next[at] == RHI_NO_OBJECT)
            at = w->graph->dominator[at];
        if (at == root)
            return NULL;
        at = w->next[at];
    }
}

rhi_error *rhi__retained_by_class(rhi_session *session, const rhi_graph *graph,
                                  const uint32_t *class_of, const uint32_t *kind_of, uint32_t count,
                                  uint32_t kinds, rhi_retained *sums)
{
    walk w = {.session = session,
              .graph = graph,
              .class_of = class_of,
              .kind_of = kind_of,
              .count = count,
              .sums = sums,
              .first = rhi__big_array((uint64_t)graph->count + 1, sizeof *w.first),
              .next = rhi__big_array((uint64_t)graph->count + 1, sizeof *w.next),
              .above = calloc((uint64_t)kinds + 1, sizeof *w.above)};
    rhi_error *error = w.first && w.next && w.above ? NULL : rhi__error_memory();
    if (!error)
        link_children(&w);
    for (uint32_t i = 0; i < graph->count && !error; i++)
        if (graph->dominator[i] == RHI_NO_OBJECT)
            error = walk_tree(&w, i);
    free(w.first);
    free(w.next);
    free(w.above);
    return error;
}
