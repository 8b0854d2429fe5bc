/* gcleaks.h - what is leaked, for people and in JSON. */
#ifndef RHI_RENDER_GCLEAKS_H
#define RHI_RENDER_GCLEAKS_H

#include "questions/gcleaks.h"

void rhi__gcleaks_print(const rhi_gcleaks *answer);
void rhi__gcleaks_json(const rhi_gcleaks *answer);
/* A group, by its place in answer->each. */
json_t *rhi__leak_json(const rhi_gcleaks *answer, uint64_t place);

#endif
