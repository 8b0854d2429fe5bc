/* v8_roots.h - the roots of a V8 snapshot: groups of what holds objects from outside, and a
 * reference to each object from the groups that hold it.
 *
 * Words that were found are references with the name of the word: of a variable, a register, a
 * root. What else holds an object is a reference without a name. Invariant: groups and references
 * are in the order in which they are written. */
#ifndef RHI_V8_ROOTS_H
#define RHI_V8_ROOTS_H

#include "export/export.h"

typedef struct rhi_root_group {
    char name[RHI_NAME_SIZE]; /* "(global variables)", "(thread 4711)" */
    unsigned bit;             /* its kind, by the number of the bit in enum rhi_export_root */
    uint64_t lwp;             /* of one thread; 0: of all kinds but that */
    uint64_t first, words;    /* rhi_root_groups.rows[first …] */
    uint64_t unnamed;         /* objects that it holds, and not by a word */
} rhi_root_group;

typedef struct rhi_root_groups {
    rhi_export *export;
    struct {
        rhi_root_group *items;
        uint64_t count, capacity;
    } groups;
    rhi_holders words; /* in the order of groups, then of objects */
} rhi_root_groups;

/* Starts as {0}, and is freed in any case. */
rhi_error *rhi__root_groups_find(rhi_export *export, rhi_root_groups *groups);
void rhi__root_groups_free(rhi_root_groups *groups);

/* name: NULL: it has none; `number`, from 0, then tells it from others of the group. */
typedef rhi_error *(*rhi_root_visitor)(void *context, uint32_t to, const char *name,
                                       uint64_t number);
/* Visits groups->words + groups->unnamed references. */
rhi_error *rhi__each_root_of(const rhi_root_groups *groups, const rhi_root_group *group,
                             rhi_root_visitor visit, void *context);

#endif
