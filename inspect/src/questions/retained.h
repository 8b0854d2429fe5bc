/* retained.h - the bytes that would go if all objects of a class went: a type, a line that makes
 * objects. */
#ifndef RHI_RETAINED_H
#define RHI_RETAINED_H

#include "session/session.h"

typedef struct rhi_retained {
    uint64_t bytes;
    uint32_t largest; /* the object that retains most, the first of several */
    uint64_t largest_bytes;
} rhi_retained;

/* Adds up what the objects of each class retain: class_of[i] < count, or any other number for
 * none. What another object of the same kind dominates is part of what that one retains, and
 * counted once: kind_of a class is below `kinds`. The graph has dominators. `sums` are zeros. */
rhi_error *rhi__retained_by_class(rhi_session *session, const rhi_graph *graph,
                                  const uint32_t *class_of, const uint32_t *kind_of, uint32_t count,
                                  uint32_t kinds, rhi_retained *sums);

#endif
