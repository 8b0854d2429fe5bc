/* gcfind.h - the objects that have certain properties: the answer of `gcfind`. */
#ifndef RHI_GCFIND_H
#define RHI_GCFIND_H

#include "base/map.h"
#include "questions/leaks.h"
#include "questions/listing.h"

typedef struct rhi_gcfind_asked {
    const char *type; /* a pattern for its name, or the qualified one; NULL: any */
    /* a pattern for the line that made it, as it is shown or with the whole file's name, or for its
     * function: "server.c:*", "log_in()"; "unknown": none is known. NULL: any */
    const char *site;
    uint64_t min_refs, min_size;
    bool unreachable, finalized;
    uint64_t limit;
} rhi_gcfind_asked;

typedef struct rhi_gcfind {
    rhi_session *session;
    rhi_gcfind_asked asked;
    rhi_reader *reader;
    const rhi_listing *listing;
    const rhi_leaks *leaks; /* if it was asked what is unreachable */
    uint8_t *fits;          /* per type, and behind them: objects without a valid type */
    rhi_map *sites;         /* by heap: from the number of a site to whether it fits */
    uint32_t wanted;        /* bits of rhi_listing.kinds that an object must have */
    struct {
        rhi_object *items;
        uint64_t count, capacity;
    } shown; /* the first ones, in address order */
    uint64_t total;
    bool has_type; /* some type is called as was asked, objects of it or none */
} rhi_gcfind;

/* Freed in any case; memory that was read stays until then. */
rhi_error *rhi__gcfind(rhi_session *session, const rhi_gcfind_asked *asked, rhi_gcfind *answer);
void rhi__gcfind_free(rhi_gcfind *answer);

#endif
