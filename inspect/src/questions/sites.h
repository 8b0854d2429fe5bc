/* sites.h - the live objects of each line that made some. */
#ifndef RHI_SITES_H
#define RHI_SITES_H

#include "session/session.h"

typedef struct rhi_site_tally {
    rhi_site site;
    uint64_t objects, bytes, retained;
    uint32_t heap; /* in which they are */
    uint32_t sample;
} rhi_site_tally;

typedef struct rhi_sites {
    rhi_site_tally *items; /* by heap, most bytes first */
    uint64_t count, capacity;
    uint64_t *unknown; /* by heap: objects of which no line is known */
} rhi_sites;

/* Of the wanted heaps. retained: also what they retain. Freed in any case. */
rhi_error *rhi__sites(rhi_session *session, rhi_reader *reader, bool retained, rhi_sites *sites);
void rhi__sites_free(rhi_sites *sites);
/* Those of a heap: items[*first .. what is returned). */
uint64_t rhi__sites_of(const rhi_sites *sites, uint32_t heap, uint64_t *first);

#endif
