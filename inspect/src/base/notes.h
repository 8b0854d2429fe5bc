/* notes.h - why an answer is not complete: lines for its reader, each said once.
 * Starts as {0}, which is a complete answer. */
#ifndef RHI_NOTES_H
#define RHI_NOTES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rhi_notes {
    char **items; /* owned */
    uint64_t count, capacity;
    bool is_incomplete, is_short; /* is_short: of reasons, because memory is */
} rhi_notes;

void rhi__note(rhi_notes *notes, const char *reason);
/* Adds those of `from`. */
void rhi__notes_add(rhi_notes *notes, const rhi_notes *from);
void rhi__notes_free(rhi_notes *notes);

#endif
