/* order.h - which of two moments of one process is the earlier one. */
#ifndef RHI_ORDER_H
#define RHI_ORDER_H

#include "questions/moments.h"

/* Of each heap of the later one of two moments the highest serial, and the one that the same heap
 * has in the earlier one; 0: none. */
typedef struct rhi_serials {
    uint64_t *highest, *passed;
} rhi_serials;
/* Freed in any case. */
rhi_error *rhi__serials_find(const rhi_snapshot *before, const rhi_snapshot *after,
                             rhi_serials *serials);
void rhi__serials_free(rhi_serials *serials);

enum rhi_order {
    RHI_ORDER_OPEN,     /* nothing but serials can tell it */
    RHI_ORDER_AS_GIVEN, /* the one that is given first is the earlier one */
    RHI_ORDER_TURNED,
    RHI_ORDER_DAMAGED /* both, so that something has written over counters */
};
/* What counters and clocks say. */
enum rhi_order rhi__order(const rhi_moment *before, const rhi_moment *after);

rhi_error *rhi__order_refused(const rhi_moment *before, const rhi_moment *after);
/* An error if they are in the wrong order for certain; what cannot be told is remarked. is_other:
 * there are objects that only one of them has. */
rhi_error *rhi__order_check(rhi_session *session, const rhi_moment *before, const rhi_moment *after,
                            bool is_other);

#endif
