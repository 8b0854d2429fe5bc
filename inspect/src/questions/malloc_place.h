/* malloc_place.h - what is at an address in malloc's memory. */
#ifndef RHI_MALLOC_PLACE_H
#define RHI_MALLOC_PLACE_H

#include "session/session.h"

/* Where in malloc's memory an unmanaged address lies, and what leads there. */
typedef struct rhi_malloc_place {
    bool is_malloc, in_use;
    uint64_t start, end;           /* the memory that the program has of the block */
    uint8_t reach;                 /* enum rhi_reach, of a block in use */
    struct rhi_holders *referrers; /* words that lead into the block; sorted; owned */
} rhi_malloc_place;
rhi_error *rhi__malloc_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                             uint64_t limit, rhi_malloc_place *place);
void rhi__malloc_place_free(rhi_malloc_place *place);

#endif
