/* cycle_guard.h - against lists of the target that go round in circles: R. P. Brent, "An improved
 * Monte Carlo factorization algorithm" (1980). Start with {0}; ask with each address met. */
#ifndef RHI_CYCLE_GUARD_H
#define RHI_CYCLE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rhi_cycle_guard {
    uint64_t anchor, steps, limit;
} rhi_cycle_guard;

static inline bool rhi__is_repeated(rhi_cycle_guard *guard, uint64_t address)
{
    if (address == guard->anchor)
        return true;
    if (guard->steps++ == guard->limit) {
        guard->anchor = address;
        guard->limit = guard->limit ? guard->limit * 2 : 1;
    }
    return false;
}

#endif
