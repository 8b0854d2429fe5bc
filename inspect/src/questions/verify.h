/* verify.h - what does not fit together in a heap: the findings of `gcverify`.
 *
 * Invariant: a finding is certain of the bytes that were read. What could not be read is no
 * finding but makes the answer incomplete; a heap that was stopped inside a collection is not
 * judged where counts are in motion. */
#ifndef RHI_VERIFY_H
#define RHI_VERIFY_H

#include "graph/graph.h"
#include "session/session.h"

typedef struct rhi_finding {
    uint8_t kind;
    uint32_t heap;    /* index into reader->heaps; UINT32_MAX: of none */
    uint64_t address; /* of the object, slot, root or block */
    char *object;     /* "node#12"; NULL: there is no object */
    char *detail;
} rhi_finding;

/* A bit for each serial of one copy of the runtime, from `first` on. */
typedef struct rhi_serials {
    uint64_t *bits, first, words;
    bool given_up;
} rhi_serials;

typedef struct rhi_verify {
    rhi_check check; /* first: what formats see of it */
    rhi_session *session;
    rhi_reader *reader;
    rhi_graph *graph;
    uint64_t limit; /* findings kept of each kind */
    bool has_heap;  /* --heap, as in the session */
    uint64_t heap;
    uint64_t totals[RHI_FINDING_KINDS];
    /* sorted by kind, then address */
    struct {
        rhi_finding *items;
        uint64_t count, capacity;
    } findings;
    uint64_t objects;     /* checked */
    uint64_t *no_objects; /* as in `check` */
    rhi_serials *serials; /* per copy of the runtime */
    uint32_t serials_count;
    uint64_t run_first, run_end; /* the objects around the visited one that are of its heap */
    uint64_t run_block;
    bool out_of_memory;
} rhi_verify;

/* Checks everything, or hands out what was found before; at least `limit` findings of each kind
 * are kept. It belongs to the session. */
rhi_error *rhi__session_verify(rhi_session *session, uint64_t limit, rhi_verify **verify);
/* Findings of all kinds. */
static inline uint64_t rhi__verify_total(const rhi_verify *verify)
{
    uint64_t total = 0;
    for (unsigned kind = 0; kind < RHI_FINDING_KINDS; kind++)
        total += verify->totals[kind];
    return total;
}

#endif
