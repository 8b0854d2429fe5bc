/* dictionary.h - rows that many others share, in a table of their own: others have its number.
 *
 * Rows that came first are kept in memory: their like get the same number. Later ones may be in the
 * table twice, which nobody minds who joins by the number: so memory is bounded however many there
 * are. */
#ifndef RHI_DICTIONARY_H
#define RHI_DICTIONARY_H

#include "export/database.h"

typedef struct rhi_dictionary {
    rhi_database *database;
    sqlite3_stmt *put; /* parameters: the number, then the values */
    int64_t count;     /* numbers begin with 1 */
    struct rhi_dictionary_bytes {
        char *items;
        uint64_t count, capacity;
    } keys, key; /* those of rows that are kept, and of the one that is looked up */
    struct rhi_dictionary_entry *entries;
    uint64_t capacity, kept; /* capacity: 0 or a power of two */
} rhi_dictionary;

/* sql: puts in a row. Freed in any case. */
rhi_error *rhi__dictionary_open(rhi_database *database, const char *sql,
                                rhi_dictionary *dictionary);
rhi_error *rhi__dictionary_number(rhi_dictionary *dictionary, const rhi_cell *values,
                                  unsigned count, int64_t *number);
void rhi__dictionary_free(rhi_dictionary *dictionary);

#endif
