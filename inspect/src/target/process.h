/* process.h - a process that somebody else has stopped: as a target, reads and map alone. */
#ifndef RHI_PROCESS_H
#define RHI_PROCESS_H

#include <refheap/inspect.h>

#include <stdbool.h>

int rhi__process_open_stopped(int64_t pid, rhi_target *target, char *error, size_t error_size);
/* Is there none of this number, or nothing left of it that could be read? False for 0: it is none
 * of this machine. */
bool rhi__process_has_ended(int64_t pid);

#endif
