/* gcleaks.h - what is leaked, in figures, and the groups that are shown: the answer of `gcleaks`.
 *
 * Groups that are alike (one mistake makes many: their cause, the type of their representatives
 * and the stack or line that allocated these are the same) are counted together. */
#ifndef RHI_GCLEAKS_H
#define RHI_GCLEAKS_H

#include "graph/graph.h"
#include "questions/leaks.h"
#include "words/owners.h"

/* Groups of one cause whose representatives are of one type, and, where it says so, made by one
 * stack or line. */
typedef struct rhi_leak_total {
    uint64_t groups, objects, bytes;
    uint64_t retained; /* as in rhi_leak */
    uint64_t lost;     /* counts without an owner */
    uint64_t stack;    /* a mark of the stack, or of the line; 0: not known */
    uint32_t leak;     /* the largest of them */
    uint32_t sample;   /* its representative */
    uint32_t type;
    uint8_t cause;
    bool in_use; /* lost counts of objects that are held all the same: another mistake */
} rhi_leak_total;
typedef struct rhi_leak_totals {
    rhi_leak_total *items;
    uint64_t count, capacity;
} rhi_leak_totals;

/* Groups by number, and what the histories say of the allocation of their representatives. */
typedef struct rhi_leak_list {
    uint32_t *items;
    uint64_t count, capacity;
    struct {
        rhi_event *items;
        uint64_t count, capacity;
    } births;
    uint32_t *birth_of; /* by place in the list: 1 + its place among the births; 0: none recorded */
} rhi_leak_list;

typedef struct rhi_gcleaks {
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    uint64_t limit;
    const rhi_leaks *leaks;   /* the session's */
    const rhi_owners *owners; /* for what is only possible */
    rhi_leak_list each;       /* the first groups, if each is shown by itself */
    rhi_leak_list largest;    /* of the first of those that are alike */
    rhi_leak_totals by_type;  /* most bytes first */
    rhi_leak_totals alike;    /* where to look first: causes, most retained bytes first; then what
                               * only they hold */
    rhi_leak_totals lost_by_type; /* of lost references alone; most objects first */
    rhi_leak_total by_cause[RHI_CAUSES], all;
    /* what would find some of the garbage by itself; NULL: no format has a word for it */
    const char *collect_word;
    const char *sarif;   /* the file that was written in SARIF; NULL: none was asked for */
    uint64_t collectors; /* of these formats' heaps: each finds its own */
    uint64_t certain;    /* objects in heaps that are at rest, whose verdict rests on no guess */
    /* of a lost one that is shown it is not recorded what allocated it: its format; NULL: of none
     */
    const rhi_format *unrecorded;
} rhi_gcleaks;

/* each: also each group by itself. Freed in any case. */
rhi_error *rhi__gcleaks(rhi_session *session, bool each, uint64_t limit, rhi_gcleaks *answer);
void rhi__gcleaks_free(rhi_gcleaks *answer);
/* The largest of the first `limit` of those that are alike, as `largest`. Freed in any case. */
rhi_error *rhi__list_alike(rhi_gcleaks *answer, uint64_t limit, rhi_leak_list *list);
void rhi__leak_list_free(rhi_leak_list *list);

/* The recorded allocation of the representative of a group, by its place in the list, or NULL. */
static inline const rhi_event *rhi__birth(const rhi_leak_list *list, uint64_t place)
{
    return list->birth_of[place] ? &list->births.items[list->birth_of[place] - 1] : NULL;
}
/* Did a count of it get lost, whatever else holds it? */
static inline bool rhi__leak_is_lost(const rhi_leak *leak)
{
    return leak->cause == RHI_CAUSE_LOST || leak->cause == RHI_CAUSE_LOST_BLOCK;
}

#endif
