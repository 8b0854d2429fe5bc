/* gcstat.h - what each heap holds, by type: the answer of `gcstat`. */
#ifndef RHI_GCSTAT_H
#define RHI_GCSTAT_H

#include "base/map.h"
#include "questions/sites.h"

/* The objects of one type in one heap. */
typedef struct rhi_tally {
    uint64_t count, bytes, retained;
    uint32_t type;    /* of the reader */
    uint32_t first;   /* an object */
    uint32_t largest; /* the one that retains most */
    uint32_t number;  /* among the tallies of all heaps */
} rhi_tally;

typedef struct rhi_heap_tally {
    uint64_t objects, bytes, blocks, block_bytes, slot_bytes, damaged;
    uint64_t lone; /* of `objects`, those in memory of others, outside of all blocks */
    /* of types that have objects; most bytes first */
    struct {
        rhi_tally *items;
        uint64_t count, capacity;
    } rows;
    rhi_map row_of; /* by type, until they are in order */
} rhi_heap_tally;

typedef struct rhi_statistics {
    rhi_heap_tally *heaps;
    uint64_t heap_count;
    uint32_t *order; /* heaps by number */
    /* by type: where its tally was last; heap UINT32_MAX: nowhere yet */
    struct rhi_tally_place {
        uint32_t heap, row;
    } * near;
    uint32_t tally_count;
    bool has_retained;
} rhi_statistics;

/* What the heap's format says of it besides, in its order. */
typedef struct rhi_facts {
    rhi_fact *items;
    uint64_t count, capacity;
    bool is_short; /* of memory */
} rhi_facts;

typedef struct rhi_gcstat {
    rhi_reader *reader;
    const rhi_statistics *statistics; /* the session's */
    bool has_retained;                /* what is retained was asked for */
    uint32_t *heaps;                  /* the wanted ones, by number, as many as are shown */
    uint64_t count, total;
    rhi_facts *facts; /* of each of `heaps` */
    bool has_sites;   /* lines that made objects were asked for, instead of types */
    rhi_sites sites;
    const char *profile; /* the file that was written for pprof; NULL: none was asked for */
} rhi_gcstat;

/* Freed in any case. */
rhi_error *rhi__gcstat(rhi_session *session, bool retained, bool sites, uint64_t limit,
                       rhi_gcstat *answer);
void rhi__gcstat_free(rhi_gcstat *answer);

/* The object that stands for the others of its row. */
static inline uint32_t rhi__tally_sample(const rhi_gcstat *answer, const rhi_tally *tally)
{
    return answer->has_retained ? tally->largest : tally->first;
}
/* Of the memory that blocks with objects take, what no object uses. */
static inline unsigned rhi__fragmentation_percent(const rhi_heap_tally *heap)
{
    return heap->block_bytes ? (unsigned)((double)(heap->block_bytes - heap->slot_bytes) /
                                          (double)heap->block_bytes * 100)
                             : 0;
}

#endif
