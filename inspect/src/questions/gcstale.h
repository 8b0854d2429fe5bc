/* gcstale.h - stale pointers, and what was and is where they lead: the answer of `gcstale`. */
#ifndef RHI_GCSTALE_H
#define RHI_GCSTALE_H

#include "heap/objects.h"
#include "questions/stale.h"

/* Why a pointer is stale, or may be. */
enum rhi_stale_evidence {
    RHI_STALE_UNREADABLE,
    RHI_STALE_FREED,
    RHI_STALE_INSIDE_FREED,
    RHI_STALE_NO_OBJECT,       /* nothing lives there now */
    RHI_STALE_INSIDE_ANOTHER,  /* where it leads another object lies now */
    RHI_STALE_OF_ANOTHER_TYPE, /* than the variable */
    RHI_STALE_TOO_MANY         /* references to what is there now: one of them at least is stale */
};

/* What is known of the slot that a pointer leads to. */
typedef struct rhi_stale_verdict {
    enum rhi_stale_evidence evidence;
    bool has_object;              /* something lives there now */
    bool has_tenant;              /* somebody died there */
    char remark[RHI_REMARK_SIZE]; /* what its format says of the place */
    rhi_object object;            /* who lives there; or, if it is free, who died there */
    rhi_object tenant; /* who died there last, but for who lives there now; as far as it is known */
    rhi_event event;   /* of that death, if is_recorded */
    bool is_recorded;
} rhi_stale_verdict;

/* The rows of the wanted heaps, as many as are shown, with a verdict of each. */
typedef struct rhi_stale_rows {
    rhi_holders holders;
    rhi_stale_verdict *verdicts;
    uint64_t total;
} rhi_stale_rows;

typedef struct rhi_gcstale {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_stale *stale; /* the session's */
    rhi_stale_rows certain, possible;
} rhi_gcstale;

/* Freed in any case. */
rhi_error *rhi__gcstale(rhi_session *session, uint64_t limit, rhi_gcstale *answer);
void rhi__gcstale_free(rhi_gcstale *answer);

#endif
