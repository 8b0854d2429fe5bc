/* malloc_place.h - a block of malloc in which an address lies, for people and in JSON. */
#ifndef RHI_RENDER_MALLOC_PLACE_H
#define RHI_RENDER_MALLOC_PLACE_H

#include "render/json_type.h"
#include "questions/malloc_place.h"

/* is_owned: it is known whose memory that is: then words that lead there tell nothing. */
void rhi__malloc_place_print(rhi_session *session, rhi_reader *reader,
                             const rhi_malloc_place *place, bool is_owned, uint64_t address,
                             uint64_t limit);
extern const rhi_json_type rhi__malloc_place_type;
/* {"address", "size", "offset", "in_use"}, and of a block in use "reachable", "referrers". */
json_t *rhi__malloc_place_json(rhi_reader *reader, const rhi_malloc_place *place, uint64_t address,
                               uint64_t limit);

#endif
