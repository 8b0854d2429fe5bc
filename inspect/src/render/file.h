/* file.h - files that the user asked for. */
#ifndef RHI_FILE_H
#define RHI_FILE_H

#include "base/error.h"

#include <stddef.h>

/* Can a file be written under this name? Only a regular one is, or a new one: what is a device, a
 * pipe or a link is refused, as root may replace even /dev/null. */
rhi_error *rhi__file_check(const char *path);
/* Puts a file with this content there, in place of the one that may be there; or an error, and
 * that one is as it was. Nothing else is left behind. */
rhi_error *rhi__file_write(const char *path, const char *content, size_t size);

#endif
