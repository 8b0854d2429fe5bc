/* leaks.h - what is leaked: the one computation behind gcleaks, gcfind --unreachable and the
 * colours of gcgraph.
 *
 * Invariant: cause is set for every object; garbage is known in any case, lost references (and
 * what depends on them) only if everything that could own a count was searched (is_decided). */
#ifndef RHI_LEAKS_H
#define RHI_LEAKS_H

#include "questions/collectable.h"
#include "words/orphans.h"

enum rhi_cause {
    RHI_CAUSE_NONE,
    RHI_CAUSE_CYCLE, /* garbage: no count comes from outside */
    RHI_CAUSE_LOST,  /* it has more counts than owners: one that no registered root, word or field
                        owns */
    /* only leaked objects lead to it, from fields or through blocks of malloc */
    RHI_CAUSE_DEPENDENT,
    /* it has a count that only words in blocks of malloc own which nothing reaches */
    RHI_CAUSE_LOST_BLOCK,
    RHI_CAUSES
};

/* Objects that one cause keeps: a topmost component of the garbage with what it reaches, one
 * object with a lost count, what is lost with one block of malloc, or what depends on such a
 * group. What several groups reach is of the first in address order. */
typedef struct rhi_leak {
    /* retained: bytes that nothing outside the group reaches, of a lost object with its
     * dependents */
    uint64_t bytes, retained;
    uint32_t first, count; /* rhi_leaks.members[first …]: the first is the representative */
    /* of dependents: the representative of the group that they depend on */
    uint32_t of;
    /* of what is lost with a block: its number (malloc_graph.h), a topmost one */
    uint32_t block;
    uint32_t type;      /* the representative's; so is heap */
    uint32_t heap : 24; /* as in rhi_object */
    uint32_t cause : 8;
    uint64_t lost;   /* counts of its members that have no owner */
    bool is_guessed; /* some member's verdict rests on guesses */
} rhi_leak;

typedef struct rhi_leaks {
    uint8_t *causes;             /* per object: rhi__cause tells */
    rhi_collectable collectable; /* with has_groups */
    bool has_open;               /* some count has no owner that was found */
    bool is_decided;
    /* objects with a count whose owner was not found, where that is not decided */
    uint64_t undecided;
    rhi_orphans orphans;
    rhi_notes because; /* why not everything was searched */
    bool has_groups;   /* rhi__session_leak_groups: */
    rhi_leak *groups;  /* largest retained first, then in address order */
    uint32_t *members;
    uint32_t group_count, member_count;
} rhi_leaks;

/* The leaked objects, found on first use. */
rhi_error *rhi__session_leaks(rhi_session *session, rhi_leaks **leaks);
/* The same with their groups. */
rhi_error *rhi__session_leak_groups(rhi_session *session, rhi_leaks **leaks);
void rhi__leaks_free(void *leaks);

/* a lost count of an object that is held all the same */
enum {
    RHI_CAUSE_MASK = 7,
    RHI_LEAK_IN_USE = 8,
    RHI_LEAK_GUESSED = 16 /* garbage, if slots that are guesses own counts: words lead to it */
};
static inline enum rhi_cause rhi__cause(const rhi_leaks *leaks, uint32_t index)
{
    return (enum rhi_cause)(leaks->causes[index] & RHI_CAUSE_MASK);
}
const char *rhi__cause_word(enum rhi_cause cause);

#endif
