/* settle.h - slots become edges, beside the thread that reads them. */
#ifndef RHI_SETTLE_H
#define RHI_SETTLE_H

#include "base/beside.h"
#include "graph/graph.h"

#include <stdatomic.h>

/* A strong slot that may become an edge. */
typedef struct rhi_loose {
    uint64_t value;
    uint32_t from;                                 /* the object that it is in */
    uint32_t heap : 30, is_live : 1, is_guess : 1; /* heap: its; is_live: it is not dying */
} rhi_loose;

/* A strong slot of a live object that holds no object. */
typedef struct rhi_stray {
    uint64_t value;
    uint32_t from;
} rhi_stray;

enum { RHI_STRAYS_KEPT = 4096 };
enum { RHI_LOOSE_PLACES = 3, RHI_LOOSE_HEAP = (1 << 30) - 1 };

typedef struct rhi_settler {
    rhi_reader *reader;
    rhi_graph *graph; /* its edges and `found` */
    rhi_beside beside;
    rhi_loose *places[RHI_LOOSE_PLACES];
    uint32_t counts[RHI_LOOSE_PLACES]; /* of each place */
    uint32_t batch;                    /* room of a place */
    /* of the reading thread: the place that it fills */
    rhi_loose *items;
    uint32_t count;
    unsigned place;
    /* of the job */
    struct rhi_located *located;
    const rhi_loose *asked; /* of these, `located_count` */
    uint32_t located_count;
    uint32_t started; /* objects whose edges have a beginning */
    uint64_t strays;  /* how many there are, of which the first RHI_STRAYS_KEPT are kept */
    struct {
        rhi_stray *items;
        uint64_t count, capacity;
    } kept;
    bool out_of_memory, is_cut; /* is_cut: there are more edges than a core has words */
    atomic_bool is_over;        /* either of these: there is no use in more */
} rhi_settler;

/* Objects are to be read in the order of their numbers. Is to be ended, also after an error. */
rhi_error *rhi__settle_begin(rhi_settler *s, rhi_reader *reader, rhi_graph *graph);
/* All slots were added: the edges of all objects have a beginning afterwards. What was kept of
 * strays is the caller's. */
rhi_error *rhi__settle_end(rhi_settler *s);
void rhi__settle_batch(rhi_settler *s);
/* An edge to this object is a guess. False if memory is short. */
bool rhi__note_guess(rhi_graph *graph, uint32_t to);

static inline void rhi__settle_add(rhi_settler *s, rhi_loose slot)
{
    if (s->count == s->batch)
        rhi__settle_batch(s);
    s->items[s->count++] = slot;
}

/* Is there no use in adding more? */
static inline bool rhi__settle_is_over(const rhi_settler *s)
{
    return atomic_load_explicit(&s->is_over, memory_order_relaxed);
}

#endif
