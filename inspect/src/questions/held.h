/* held.h - who holds a part of the graph from outside. */
#ifndef RHI_HELD_H
#define RHI_HELD_H

#include "questions/selection.h"

/* Facts about each cycle that need a look at all its members: gathered once for a graph. */
enum rhi_cycle_fact {
    RHI_CYCLE_GARBAGE = 1,
    RHI_CYCLE_HAS_EXT = 2 /* counts that no field explains */,
    RHI_CYCLE_HAS_STAYING = 4 /* an immortal or dying member */
};
rhi_error *rhi__cycle_facts(rhi_session *session, rhi_graph *graph);

/* Who holds a group of objects from outside: a cycle, or a single object. */
typedef struct rhi_held {
    uint32_t cycle, index; /* the cycle, or none and the one object */
    rhi_holders rows;      /* at most `limit`, sorted */
    uint64_t total;        /* rows there are */
    bool is_at_least;      /* more were not looked for */
} rhi_held;
/* Finds the holders of `count` groups: fields of other objects, members that stay, and, where a
 * member has counts that no field explains, registered roots and words, also those in objects
 * that no field declares. The work is bounded whatever the size of the groups: what was not
 * looked at is said by is_at_least. No two groups are the same. */
rhi_error *rhi__find_holders(const rhi_selection *selection, rhi_held *groups, uint64_t count,
                             uint64_t limit);
/* The same, of single objects and without the fields. */
rhi_error *rhi__find_word_holders(const rhi_selection *selection, rhi_held *groups, uint64_t count,
                                  uint64_t limit);
/* Was nothing found that owns the counts from outside? A word in a block that nothing reaches owns
 * none. */
static inline bool rhi__held_by_nobody(const rhi_held *held)
{
    bool nobody = held->total == held->rows.count && !held->is_at_least;
    for (uint64_t i = 0; i < held->rows.count; i++)
        nobody &= held->rows.items[i].reach > RHI_REACH_YES;
    return nobody;
}
/* Names the rows of all groups, at once. */
void rhi__name_held(const rhi_selection *selection, rhi_held *groups, uint64_t count);

#endif
