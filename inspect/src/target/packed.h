/* packed.h - compressed files, which are told from damaged ones. */
#ifndef RHI_PACKED_H
#define RHI_PACKED_H

#include <stdbool.h>
#include <stddef.h>

/* Does a file that begins so look compressed? Then `message` says by what, and the shell's command
 * that unpacks it. */
bool rhi__packed_message(const void *head, size_t size, const char *path, char *message,
                         size_t message_size);

#endif
