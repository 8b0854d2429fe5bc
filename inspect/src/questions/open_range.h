/* open_range.h - what may be open of each stack, whatever unsure choices of releases were (see
 * pairs.h).
 *
 * Invariant: whatever admissible choices were made so far, what is open of a stack is within its
 * range. Stacks that an unsure choice was between form a set, of which `total` are open in any
 * case; a stack whose range is one number is in none. So ranges may be wider than need be: what one
 * choice says of another is kept as far as the totals say it. */
#ifndef RHI_OPEN_RANGE_H
#define RHI_OPEN_RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* Of one stack. */
typedef struct rhi_open_range {
    uint32_t least, most;
    uint32_t set;   /* that it is in; RHI_NO_SET: none */
    uint32_t fit;   /* how well the release that is looked at fits; higher is better */
    uint32_t total; /* of the set that has this stack's number */
    int64_t room;   /* for a moment, of that set */
    bool may_be;    /* the release may be its own */
} rhi_open_range;

#define RHI_NO_SET UINT32_MAX

/* A retain of stack number `stack`. */
void rhi__range_take(rhi_open_range *stacks, uint32_t stack);
/* A release, once its fits are set for all stacks of which some may be open. */
void rhi__range_give_back(rhi_open_range *stacks, uint32_t count);

#endif
