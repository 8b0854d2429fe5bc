/* collectable.h - how much a format's own collector would find (rhi_format.collect_word), and how
 * much of that is certain. Private to leaks.c, but for the figures.
 *
 * A collector finds what it tracks and only itself holds, by what the types tell it. It does not
 * see what untracked objects hold, nor slots that are unseen: what such garbage holds it keeps, and
 * all that is reached from there. */
#ifndef RHI_COLLECTABLE_H
#define RHI_COLLECTABLE_H

#include "base/bits.h"
#include "graph/graph.h"

struct rhi_session;

/* Of the garbage it would find at least `least` objects, at most `most`: with finalizers, which run
 * before it counts, it may find fewer, and where an unsure slot decides, or a collector is at work
 * already. Invariant: both hold
 * whatever finalizers do, and whatever opaque types own and tell. */
typedef struct rhi_collectable {
    uint64_t least, most;
    /* weak references that it may count besides: they call back, and may go by that */
    uint64_t weak;
    /* an object of this type is opaque (rhi_type.is_opaque) and perhaps garbage: it may find more
     * than `most`, what it cannot be known to hold. UINT32_MAX: there is none */
    uint32_t opaque;
    bool is_open; /* it may find more, for that reason or since not all memory was read */
} rhi_collectable;

/* A slot that is no guess, of an object apart; or a weak reference that calls back, with its
 * target. */
typedef struct rhi_told_pairs {
    struct rhi_told_pair {
        uint32_t from, to;
    } * items;
    uint64_t count, capacity;
} rhi_told_pairs;

/* What the collector knows of objects: bits by object. */
typedef struct rhi_knowledge {
    struct rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    uint64_t *garbage;
    uint64_t *tracked; /* frozen ones are not */
    uint64_t *part;    /* rhi_type.is_part */
    uint64_t *opaque;
    uint64_t *apart;      /* opaque, or with parts: `slots` says what they hold */
    uint64_t *unseen;     /* garbage that a slot holds of which the collector is not told */
    uint64_t *unsure;     /* garbage that a slot holds of which it is perhaps not told */
    uint64_t *final;      /* garbage whose finalizer has not run yet */
    rhi_told_pairs slots; /* of objects apart, sorted by `from` */
    rhi_told_pairs weak;
    uint32_t object; /* whose slots are visited */
    bool is_opaque, is_silent, is_short;
    bool is_whole; /* all frozen objects are known */
} rhi_knowledge;

/* Takes `garbage`: bits by object. Then each object is to be noted, in the order of numbers. */
rhi_error *rhi__knowledge_begin(rhi_knowledge *k, struct rhi_session *session, rhi_reader *reader,
                                rhi_graph *graph, uint64_t *garbage);
rhi_error *rhi__note_collectable(rhi_knowledge *k, uint32_t index, const rhi_object *object,
                                 const uint8_t *bytes);
rhi_error *rhi__count_collectable(rhi_knowledge *k, rhi_collectable *result);
void rhi__knowledge_free(rhi_knowledge *k);

#endif
