/* query.h - what the tables of one question share: the heap, what was made of it, which objects a
 * value names.
 *
 * Invariant: object numbers that are handed out are those of objects that are there, of any heap:
 * which heaps are wanted (--heap) is asked where rows are made. */
#ifndef RHI_QUERY_H
#define RHI_QUERY_H

#include "base/kept.h"
#include "heap/objects.h"
#include "questions/leaks.h"
#include "questions/listing.h"
#include "render/value.h"

struct rhi_cell;
struct rhi_scan;

typedef struct rhi_query {
    rhi_session *session;
    rhi_reader *reader;
    const rhi_listing *listing;   /* NULL until rhi__query_listing: single objects need none */
    uint32_t count;               /* numbers of objects */
    uint64_t names, lookups;      /* how often objects were looked up: by name, by what they hold */
    rhi_kept kept;                /* what its tables made, as long as the question lasts */
    const struct rhi_scan *outer; /* the one whose progress is shown */
    rhi_graph *graph;             /* from rhi__query_graph on */
    const rhi_leaks *leaks;       /* from rhi__query_leaks on */
} rhi_query;

rhi_error *rhi__query_open(rhi_session *session, rhi_query *query);
void rhi__query_close(rhi_query *query);

/* The headers of all objects in short; the graph; the same with what is retained; who is leaked.
 * Made on first use. */
rhi_error *rhi__query_listing(rhi_query *query);
rhi_error *rhi__query_graph(rhi_query *query);
rhi_error *rhi__query_retained(rhi_query *query);
rhi_error *rhi__query_leaks(rhi_query *query);
/* Where not all owners could be found: is it certain that something holds the object? */
rhi_error *rhi__query_is_held(rhi_query *query, uint32_t index, bool *is_held);

/* A pointer as a reference has it: the number of the object there, or RHI_NO_OBJECT. */
uint32_t rhi__query_object_of(const rhi_query *query, uint64_t address);

/* Numbers of objects. */
typedef struct rhi_found {
    uint32_t *items;
    uint64_t count, capacity;
} rhi_found;
/* The objects of this id; several where copies of the runtime count their own serials. In find.c,
 * as are the next two. */
rhi_error *rhi__query_by_id(rhi_query *query, const struct rhi_cell *value, rhi_found *found);
/* The object at this address, spelled as cells are: "0x7f…". */
rhi_error *rhi__query_by_address(rhi_query *query, const struct rhi_cell *value, rhi_found *found);
/* The address that a value is; false: it is none, or spelled in another way. */
bool rhi__query_address(const struct rhi_cell *value, uint64_t *address);

/* The objects in the order of their types' names, and, of one type, of their addresses. In
 * by_type.c. */
typedef struct rhi_by_type {
    uint32_t *order;
    uint64_t count;
} rhi_by_type;
rhi_error *rhi__query_by_type(rhi_query *query, const rhi_by_type **by_type);
/* Those of the types with this name: *first and *end in the order. */
rhi_error *rhi__query_of_type(rhi_query *query, const struct rhi_cell *name,
                              const rhi_by_type **by_type, uint64_t *first, uint64_t *end);

/* The objects that may have slots which hold this one, each once, in order. In sources.c. */
rhi_error *rhi__query_sources(rhi_query *query, uint32_t target, rhi_found *sources);

#endif
