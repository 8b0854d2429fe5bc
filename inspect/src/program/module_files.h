/* module_files.h - what the files of a target's modules hold and its core does not: constants,
 * texts of C.
 *
 * Invariant: a file is believed only if its build-id is the one in the target's memory. */
#ifndef RHI_MODULE_FILES_H
#define RHI_MODULE_FILES_H

#include "program/image.h"
#include "target/memory.h"

/* The build-id of the module whose first page is mapped at `start`, by its memory; size 0: none. */
void rhi__module_id(rhi_memory *memory, uint64_t start, rhi_build_id *id);

/* Files that were looked at. To be freed before the memory is closed. */
typedef struct rhi_module_files rhi_module_files;
/* NULL: our own memory is short. */
rhi_module_files *rhi__module_files_new(rhi_memory *memory);
void rhi__module_files_free(rhi_module_files *files);
/* Bytes of the file at an address of memory that the program does not write to, its code for
 * instance; at most `size`. Returns how many. */
uint64_t rhi__module_constants(rhi_module_files *files, uint64_t address, void *buffer,
                               uint64_t size);
/* NUL-terminated text, cleaned and cut as rhi__memory_name does it: of the target's memory; where
 * that has nothing there, of the read-only data in the module's file. files: NULL: of memory
 * alone. False: neither has any. */
bool rhi__module_name(rhi_module_files *files, rhi_memory *memory, uint64_t address,
                      char name[RHI_NAME_SIZE]);

#endif
