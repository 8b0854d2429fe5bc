/* moments.h - moments that are compared: saved snapshots, cores, and now. */
#ifndef RHI_MOMENTS_H
#define RHI_MOMENTS_H

#include "questions/snapshot.h"

typedef struct rhi_moment {
    const char *name;       /* the file's, or "now" */
    rhi_snapshot *snapshot; /* owned */
    rhi_session *session;   /* of its target; NULL: it is a saved file */
    bool is_beside;         /* the session was opened for this moment, and is owned */
} rhi_moment;

/* What a file holds, a saved snapshot or a core, which is told by its first bytes. Freed in any
 * case. */
rhi_error *rhi__moment_open(rhi_session *session, const char *path, rhi_moment *moment);
/* The session's own target, as it is. */
rhi_error *rhi__moment_now(rhi_session *session, rhi_moment *moment);
void rhi__moment_free(rhi_session *session, rhi_moment *moment);

/* An error if the two are of different processes: objects of one are not those of the other. What
 * cannot be told is remarked. */
rhi_error *rhi__moments_fit(rhi_session *session, const rhi_moment *before,
                            const rhi_moment *after);

/* The space of `snapshot` that is the same copy of a runtime as `space` of another one of the same
 * process; NULL: it has none. */
const rhi_snapshot_space *rhi__same_space(const rhi_snapshot *snapshot, const rhi_snapshot *other,
                                          const rhi_snapshot_space *space);

#endif
