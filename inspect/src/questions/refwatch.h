/* refwatch.h - marks objects, so that their runtime records each change of their counts; which are
 * marked: the answer of `refwatch`.
 *
 * Invariant: nothing is written but what a format says after it has looked at the target once more;
 * and nothing at all where the answer is an error, unless that says what was. */
#ifndef RHI_REFWATCH_H
#define RHI_REFWATCH_H

#include "session/session.h"

typedef struct rhi_refwatch_asked {
    const char *operand; /* an object; NULL: a type, or which are marked */
    const char *type;    /* a pattern: all future objects of such types */
    bool off, stop;
    bool living; /* with type: those, too, that live now */
    uint64_t limit;
} rhi_refwatch_asked;

typedef struct rhi_refwatch {
    rhi_session *session;
    rhi_refwatch_asked asked;
    rhi_reader *reader;
    struct {
        struct rhi_watched {
            rhi_object object;
            bool changed; /* by this command */
            bool stops;
        } * items;
        uint64_t count, capacity;
    } objects; /* the one that was asked for; or the first of those that are marked */
    uint64_t total;
    struct {
        struct rhi_watched_type {
            uint32_t type;
            bool changed, stops;
        } * items;
        uint64_t count, capacity;
    } types;
    uint64_t living, refused; /* objects of the types that were marked, that could not be */
} rhi_refwatch;

/* Freed in any case. */
rhi_error *rhi__refwatch(rhi_session *session, const rhi_refwatch_asked *asked,
                         rhi_refwatch *answer);
void rhi__refwatch_free(rhi_refwatch *answer);

#endif
