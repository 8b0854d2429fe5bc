/* file.h - files that the user asked for. */
#ifndef RHI_FILE_H
#define RHI_FILE_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Can a file be written under this name? Only a regular one is, or a new one: what is a device, a
 * pipe or a link is refused, as root may replace even /dev/null. */
rhi_error *rhi__file_check(const char *path);
/* Puts a file with this content there, in place of the one that may be there; or an error, and
 * that one is as it was. Nothing else is left behind. */
rhi_error *rhi__file_write(const char *path, const char *content, size_t size);

/* A file that is written bit by bit. Freed by rhi__file_drop: whatever was not kept is gone then.
 */
typedef struct rhi_new_file rhi_new_file;
/* replaces: the file that may be there; else it is an error that one is. *file is set in any case.
 */
rhi_error *rhi__file_new(const char *path, bool replaces, rhi_new_file **file);
/* Where its bytes go: a stream with room for a million of them, which is the file's own. NULL:
 * memory is short. */
FILE *rhi__file_stream(rhi_new_file *file);
/* The same for others, who read it, too. */
int rhi__file_descriptor(const rhi_new_file *file);
/* Bytes that the disk has of it. */
uint64_t rhi__file_size(const rhi_new_file *file);
/* All of it is written: it gets its name. */
rhi_error *rhi__file_keep(rhi_new_file *file);
void rhi__file_drop(rhi_new_file *file); /* NULL: nothing */
/* Why the first write that failed did. */
rhi_error *rhi__file_error(const rhi_new_file *file);

#endif
