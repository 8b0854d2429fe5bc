/* notes.h - why an answer is not complete: lines for its reader, each said once.
 * Starts as {0}, which is a complete answer. And the memory that was not searched for it. */
#ifndef RHI_NOTES_H
#define RHI_NOTES_H

#include <stdbool.h>
#include <stdint.h>

typedef struct rhi_notes {
    char **items; /* owned */
    uint64_t count, capacity;
    bool is_incomplete, is_short; /* is_short: of reasons, because memory is */
} rhi_notes;

/* Memory that was not searched, and why: "absent", "large", "device". */
typedef struct rhi_not_read_row {
    uint64_t start, end;
    const char *path, *why; /* neither is owned; path: of the mapping, perhaps "" */
} rhi_not_read_row;
typedef struct rhi_not_read {
    rhi_not_read_row *items;
    uint64_t count, capacity;
} rhi_not_read;

void rhi__note(rhi_notes *notes, const char *reason);
/* Adds those of `from`. */
void rhi__notes_add(rhi_notes *notes, const rhi_notes *from);
void rhi__notes_free(rhi_notes *notes);
/* What is found out now and kept has reasons of its own: those of before are set aside, and come
 * back behind them. */
rhi_notes rhi__notes_set_aside(rhi_notes *notes);
void rhi__notes_put_back(rhi_notes *notes, rhi_notes *aside);

#endif
