/* gcstale.h - stale pointers, for people and in JSON. */
#ifndef RHI_RENDER_GCSTALE_H
#define RHI_RENDER_GCSTALE_H

#include "render/json_type.h"
#include "questions/gcstale.h"

extern const rhi_json_type rhi__gcstale_type;
void rhi__gcstale_print(const rhi_gcstale *answer);
void rhi__gcstale_json(const rhi_gcstale *answer);
/* A row of it. */
json_t *rhi__stale_json(const rhi_gcstale *answer, const rhi_holder *row,
                        const rhi_stale_verdict *verdict);

#endif
