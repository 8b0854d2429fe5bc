/* malloc_place.h - what is at an address in malloc's memory, or in memory in use that a heap's own
 * allocator lent to somebody: the block, and who leads there. */
#ifndef RHI_MALLOC_PLACE_H
#define RHI_MALLOC_PLACE_H

#include "session/session.h"

/* The objects that a block's words lead to: so many are listed, in the order of the words, each
 * once, of the block's first MiB. */
enum { RHI_BLOCK_OBJECTS = 10, RHI_BLOCK_SEARCHED = 1 << 20 };
typedef struct rhi_block_object {
    uint64_t offset; /* of the word in the block */
    rhi_object object;
} rhi_block_object;

/* The block in which an address lies, and what leads there. */
typedef struct rhi_malloc_place {
    bool is_known, in_use;
    bool is_raw;                   /* of a heap's own allocator: what reaches it was not asked */
    uint64_t start, end;           /* the memory that the program has of the block */
    uint8_t reach;                 /* enum rhi_reach, of a block in use */
    struct rhi_holders *referrers; /* words that lead into the block; sorted; owned */
    rhi_block_object objects[RHI_BLOCK_OBJECTS];
    uint64_t object_count; /* listed ones; has_more: there are others */
    bool has_more;
} rhi_malloc_place;
rhi_error *rhi__malloc_place(rhi_session *session, rhi_reader *reader, uint64_t address,
                             uint64_t limit, rhi_malloc_place *place);
/* The same of a block in use of a heap's own allocator that holds no object. */
rhi_error *rhi__raw_place(rhi_session *session, rhi_reader *reader, const rhi_object *slot,
                          uint64_t limit, rhi_malloc_place *place);
void rhi__malloc_place_free(rhi_malloc_place *place);

#endif
