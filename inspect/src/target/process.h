/* process.h - a process that somebody else has stopped, as a target: reads and map alone. */
#ifndef RHI_PROCESS_H
#define RHI_PROCESS_H

#include <refheap/inspect.h>

int rhi__process_open_stopped(int64_t pid, rhi_target *target, char *error, size_t error_size);

#endif
