/* thread_locals.h - where thread-local variables and stacks of threads lie, without symbols and,
 * where a door does not show them, without the registers that point to them. */
#ifndef RHI_THREAD_LOCALS_H
#define RHI_THREAD_LOCALS_H

#include "target/memory.h"

typedef struct rhi_tls_block {
    /* end 0: of a module loaded later, in a malloc block that begins at or before `start` */
    uint64_t start, end;
    uint64_t lwp, thread_pointer;
} rhi_tls_block;

/* What is known of one thread, in the order of memory->map.threads. */
typedef struct rhi_thread_place {
    uint64_t thread_pointer; /* 0: not found */
    /* as pthread_create was given it, if it is this that the thread runs on; else 0 */
    uint64_t stack_start, stack_end;
} rhi_thread_place;

typedef struct rhi_thread_locals {
    struct {
        rhi_tls_block *items;
        uint64_t count, capacity;
    } blocks;
    rhi_thread_place *threads;
} rhi_thread_locals;

/* `size`: what the modules' thread-local variables take at most. */
rhi_error *rhi__thread_locals_open(rhi_memory *memory, uint64_t size, rhi_thread_locals *locals);
void rhi__thread_locals_close(rhi_thread_locals *locals);

#endif
