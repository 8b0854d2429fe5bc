/* leaks.h - what is leaked: the one computation behind gcleaks, gcfind --unreachable and the colours of gcgraph.
 *
 * Invariant: cause is set for every object; garbage is known in any case, lost references (and what depends
 * on them) only if everything that could own a count was searched (is_decided). */
#ifndef RHI_LEAKS_H
#define RHI_LEAKS_H

#include "session.h"

enum rhi_cause {
    RHI_CAUSE_NONE,
    RHI_CAUSE_CYCLE,     /* garbage: no count comes from outside */
    RHI_CAUSE_LOST,      /* it has a count that no registered root, word or field owns */
    RHI_CAUSE_DEPENDENT, /* only objects with a lost count reach it */
    RHI_CAUSES
};

/* Objects that one cause keeps: a topmost component of the garbage with what it reaches, one object with a
 * lost count, or what depends on that object. What several groups reach is of the first in address order. */
typedef struct rhi_leak {
    uint64_t bytes, retained; /* retained: bytes that nothing outside the group reaches, of a lost object with its dependents */
    uint32_t first, count;    /* rhi_leaks.members[first …]: the first is the representative; members[first - 1]:
                               * of dependents, the lost object */
    uint32_t type;            /* the representative's; so is heap */
    uint32_t heap : 24;       /* as in rhi_object */
    uint32_t cause : 8;
} rhi_leak;

typedef struct rhi_leaks {
    uint8_t *causes;    /* per object: rhi__cause tells */
    bool is_decided;
    uint64_t undecided; /* objects with a count whose owner was not found, where that is not decided */
    json_t *because;    /* why not everything was searched */
    bool has_groups;    /* rhi__session_leak_groups: */
    rhi_leak *groups;   /* largest retained first, then in address order */
    uint32_t *members;
    uint32_t group_count, member_count;
} rhi_leaks;

/* The leaked objects, found on first use. */
rhi_error *rhi__session_leaks(rhi_session *session, rhi_leaks **leaks);
/* The same with their groups. */
rhi_error *rhi__session_leak_groups(rhi_session *session, rhi_leaks **leaks);
void rhi__leaks_free(rhi_leaks *leaks);

enum { RHI_LEAK_IN_USE = 4 }; /* a lost count of an object that is held all the same */
static inline enum rhi_cause rhi__cause(const rhi_leaks *leaks, uint32_t index)
{
    return (enum rhi_cause)(leaks->causes[index] & 3u);
}
const char *rhi__cause_word(enum rhi_cause cause);

#endif
