/* gcstale.h - stale pointers, for people and in JSON. */
#ifndef RHI_RENDER_GCSTALE_H
#define RHI_RENDER_GCSTALE_H

#include "questions/gcstale.h"

void rhi__gcstale_print(const rhi_gcstale *answer);
void rhi__gcstale_json(const rhi_gcstale *answer);

#endif
