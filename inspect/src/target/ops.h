/* ops.h - what the engine asks of the targets that it opens itself, beyond the callbacks that every
 * door has. Each of them (core.c, process.c) has one const table, which its rhi_target points to.
 *
 * Invariant: a function may be missing. The answer is then the one that is named last: it is what
 * is true of any target of which nothing more is known. */
#ifndef RHI_OPS_H
#define RHI_OPS_H

#include "target/sink.h"

#include <stdbool.h>

/* `context` is the target's. */
struct rhi_target_ops {
    /* a file that is read, as it is now: changes when the file does; 0: none is read */
    uint64_t (*state)(void *context);
    /* where that is; NULL: nowhere */
    const char *(*path)(const void *context);
    /* why not everything is there, in words; NULL: all is */
    const char *(*truncated)(const void *context);
    /* how many there really are: a file may be sparse, and its headers claim anything; UINT64_MAX:
     * it is not known */
    uint64_t (*bytes)(void *context);
    /* are all mappings reported, also those that nothing can be read of? true */
    bool (*lists_all)(const void *context);
    /* the file that is mapped at an address where no region says so; NULL: none */
    const char *(*file)(const void *context, uint64_t address);
    /* where bytes follow again behind an address that has none, UINT64_MAX: nowhere; 0: it is not
     * known */
    uint64_t (*hole_end)(const void *context, uint64_t address);
    /* the first address from here on, in the same segment or at its end, that need not hold zero:
     * what a sparse file has no blocks for is skipped; the address itself */
    uint64_t (*data_start)(void *context, uint64_t address);
    /* the first address from here on that a sparse file has nothing of, or the segment's end;
     * UINT64_MAX: it is not known */
    uint64_t (*data_end)(void *context, uint64_t address);
    /* the number under which /proc has it; 0: it is no process */
    int (*process_id)(const void *context);
    /* has it ended since it was opened, so that nothing of it can be read? false */
    bool (*is_gone)(void *context);
    /* which run of which program it is: nothing of that is known */
    rhi_identity (*identity)(void *context);
    void (*close)(void *context);
};

static inline const struct rhi_target_ops *rhi__target_ops(const rhi_target *target)
{
    static const struct rhi_target_ops of_a_door = {0};
    return target->ops ? target->ops : &of_a_door;
}

#endif
