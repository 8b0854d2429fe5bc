/* circle.h - against lists of the target that go round in circles: R. P. Brent, "An improved
 * Monte Carlo factorization algorithm" (1980). Start with {0}; ask with each address met. */
#ifndef RHI_CIRCLE_H
#define RHI_CIRCLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rhi_circle {
    uint64_t anchor, steps, limit;
} rhi_circle;

static inline bool rhi__goes_round(rhi_circle *circle, uint64_t address)
{
    if (address == circle->anchor)
        return true;
    if (circle->steps++ == circle->limit) {
        circle->anchor = address;
        circle->limit = circle->limit ? circle->limit * 2 : 1;
    }
    return false;
}

#endif
