/* returns.h - does an address lie behind a call, as the return addresses of recorded stacks do?
 *
 * Invariant: what is said not to be so is not: where code cannot be read, or a debugger may have
 * put a breakpoint, nothing is said. */
#ifndef RHI_RETURNS_H
#define RHI_RETURNS_H

#include "program/module_files.h"
#include "target/memory.h"

enum rhi_return {
    RHI_RETURN_UNKNOWN,
    RHI_RETURN_GOOD,
    RHI_RETURN_NO_CODE, /* no memory that can be executed is there */
    RHI_RETURN_NO_CALL
};

/* files: of modules whose code a core lacks; NULL: memory is asked alone. */
enum rhi_return rhi__return_at(rhi_memory *memory, rhi_module_files *files, uint64_t address);

enum { RHI_CALL_BYTES = 8 };
/* Do these bytes end with a call? *is_hidden: not seen, but a breakpoint may lie on it. */
bool rhi__ends_with_x86_call(const uint8_t bytes[RHI_CALL_BYTES], bool *is_hidden);
bool rhi__ends_with_arm_call(const uint8_t bytes[RHI_CALL_BYTES], bool *is_hidden);

#endif
