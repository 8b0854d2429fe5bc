/* kept.h - what was learned of one state of the target and may be asked for again.
 *
 * A list of values, each with the function that frees it, which is also the name under which it
 * is found: a question adds a kind of value of its own, and whoever holds the list need not know
 * it. Invariant: at most one value of each function; what was kept last is freed first, because
 * it may point into what was kept before. Starts as {0}. */
#ifndef RHI_KEPT_H
#define RHI_KEPT_H

#include "base/error.h"

#include <stdint.h>

typedef void (*rhi_free)(void *value);
typedef struct rhi_kept {
    struct rhi_kept_entry {
        void *value;
        rhi_free free;
    } * items;
    uint64_t count, capacity;
} rhi_kept;

/* The value that `free` frees, or NULL: there is none. */
void *rhi__kept(const rhi_kept *kept, rhi_free free);
/* Takes the value over, in an error too; the one before it is freed. */
rhi_error *rhi__keep(rhi_kept *kept, void *value, rhi_free free);
/* The value that is kept, or a new one: `make` fills it, which begins as zeros. `free` is asked to
 * free what could be made half only. */
rhi_error *rhi__kept_or_made(rhi_kept *kept, uint64_t size,
                             rhi_error *(*make)(void *context, void *value), void *context,
                             rhi_free free, void **value);
void rhi__kept_drop(rhi_kept *kept);

#endif
