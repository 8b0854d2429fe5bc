/* loader.h - what the dynamic loader tells: which module is the program, and where blocks of
 * thread-local storage are. */
#ifndef RHI_LOADER_H
#define RHI_LOADER_H

#include "target/memory.h"

/* The modules with thread-local storage, in the order in which the loader numbered them. */
typedef struct rhi_tls_module {
    uint64_t start, dynamic, size;
} rhi_tls_module;
typedef struct rhi_tls_modules {
    rhi_tls_module *items;
    uint64_t count, capacity;
} rhi_tls_modules;

/* Replaces what is in the list. */
void rhi__tls_modules_find(rhi_memory *memory, rhi_tls_modules *modules);
/* The module whose block in this thread holds the address, and the offset in the block; NULL: none.
 */
const rhi_tls_module *rhi__tls_module_at(rhi_memory *memory, const rhi_tls_modules *modules,
                                         uint64_t address, uint64_t thread_pointer,
                                         uint64_t *offset);
/* The block of thread-local memory of the module at `start` in a thread; 0: it has none. */
uint64_t rhi__tls_block(rhi_memory *memory, const rhi_tls_modules *modules, uint64_t start,
                        uint64_t thread_pointer);

/* Is a module mapped there whose headers can be read? *is_program: the loader's list hangs on it.
 */
bool rhi__is_module(rhi_memory *memory, const rhi_region *region, bool *is_program);

#endif
