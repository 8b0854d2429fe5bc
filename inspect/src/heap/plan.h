/* plan.h - where a type has the references of its objects, worked out once for each type. */
#ifndef RHI_PLAN_H
#define RHI_PLAN_H

#include "heap/format.h"

enum { RHI_PLAN_MAX = 64 };

typedef struct rhi_plan {
    /* all references that own a count are at the same offsets in each object: `offsets`, in the
     * order of the fields; else objects are asked one by one */
    bool is_fixed;
    bool has_borrowed; /* there are references that own none, or that is not known */
    /* no two references that own a count come from one word, and none from outside of the object */
    bool has_own_words;
    uint32_t count, end; /* end: bytes that an object must have for it */
    /* bytes that it must have for all fields; UINT64_MAX: its own counts say how many */
    uint64_t size;
    uint32_t offsets[RHI_PLAN_MAX];
    uint8_t kinds[RHI_PLAN_MAX];
} rhi_plan;

/* NULL: memory is short. Freed with free. */
rhi_plan *rhi__plans_make(const rhi_type *types, uint64_t count);

#endif
