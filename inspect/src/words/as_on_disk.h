/* as_on_disk.h - files that a process had mapped, and whose pages its core lacks. */
#ifndef RHI_AS_ON_DISK_H
#define RHI_AS_ON_DISK_H

#include "target/memory.h"

/* Is it a file of the system's own, as a locale? Programs do not write to these: only where others
 * lie need one look whether they did. */
bool rhi__is_file_of_system(const char *path);

/* A core does not say whether a mapping is shared. If it is, its pages are the file's own, and the
 * program may have written to them. Does the file, as it is now, have no address of memory that the
 * program could write in these bytes (as far as it has them)? True of programs and libraries, which
 * nobody writes to; false also where the file is not to be had, or is newer than the core. *room:
 * bytes that may still be read of files. */
bool rhi__file_has_no_address(rhi_memory *memory, const char *path, uint64_t offset, uint64_t size,
                              uint64_t *room);

#endif
