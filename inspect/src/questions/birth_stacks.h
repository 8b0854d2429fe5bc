/* birth_stacks.h - which live objects were made by the same calls, as far as the history tells. */
#ifndef RHI_BIRTH_STACKS_H
#define RHI_BIRTH_STACKS_H

#include "questions/snapshot.h"

/* Objects of one class that one stack made. */
typedef struct rhi_birth_group {
    uint32_t kind;    /* the class */
    uint64_t objects; /* at least 1 */
    const rhi_event *birth;
} rhi_birth_group;

typedef struct rhi_birth_stacks {
    rhi_event *births; /* owned: what the groups point to */
    struct {
        rhi_birth_group *items; /* in order of their classes */
        uint64_t count, capacity;
    } groups;
} rhi_birth_stacks;

/* Of the snapshot's rows, which were taken by the session's reader. Freed by the caller, also after
 * an error. */
rhi_error *rhi__birth_stacks_find(rhi_session *session, const rhi_snapshot *snapshot,
                                  rhi_birth_stacks *ret);
void rhi__birth_stacks_free(rhi_birth_stacks *self);

#endif
