/* gcdiff.h - what was born and died between moments, and what grew: the answer of `gcdiff`. */
#ifndef RHI_GCDIFF_H
#define RHI_GCDIFF_H

#include "questions/moments.h"

/* What a moment has. */
typedef struct rhi_diff_moment {
    rhi_moment moment;
    bool is_complete;
    uint64_t objects, bytes; /* of the wanted heaps */
    /* numbers of rows, by type and by site of the snapshot; of sites one more: of no known one */
    uint32_t *type_row, *site_row;
} rhi_diff_moment;

/* What became of a type's objects, or of a line's. */
typedef struct rhi_diff_row {
    const rhi_snapshot_type *type; /* or */
    const rhi_snapshot_site *site; /* NULL with no type: of which no line is known */
    const char *format;
    uint64_t *objects, *bytes;     /* at each moment; of the answer */
    uint64_t born, died, survived; /* from the first moment to the last */
    bool grew_each_time;           /* more bytes or objects, not fewer of either */
    bool is_exact; /* its objects have serials; else: at least so many were born and died */
} rhi_diff_row;
typedef struct rhi_diff_rows {
    rhi_diff_row *items; /* that changed: grew each time, then most growth in bytes, first */
    uint64_t count, capacity;
} rhi_diff_rows;

typedef struct rhi_gcdiff {
    rhi_session *session;
    rhi_diff_moment *moments; /* at least two */
    uint64_t moment_count;
    rhi_diff_rows types, sites;
    bool has_sites;    /* a line of some object is known */
    uint64_t *numbers; /* of all rows */
    /* rows of the last snapshot, and of the first; as many as are shown */
    struct rhi_diff_list {
        const rhi_snapshot_row **items;
        uint64_t count, capacity, total;
    } born, died;
    uint64_t survived;
    bool is_exact; /* all objects that are compared have serials */
    /* not all of the last moment, or of the first, could be read: what was not found there may
     * be there all the same */
    bool died_is_known, born_is_known;
} rhi_gcdiff;

/* Compares what the files hold, each a saved snapshot or a core; one alone with the session's
 * target. Freed in any case. */
rhi_error *rhi__gcdiff(rhi_session *session, char *const *files, unsigned count, uint64_t limit,
                       rhi_gcdiff *answer);
void rhi__gcdiff_free(rhi_gcdiff *answer);

/* Growth from the first moment to the last. */
static inline int64_t rhi__growth(const rhi_gcdiff *answer, const uint64_t *numbers)
{
    return (int64_t)(numbers[answer->moment_count - 1] - numbers[0]);
}

#endif
