/* refs.h - who holds an object, and what it holds, for people and in JSON. */
#ifndef RHI_RENDER_REFS_H
#define RHI_RENDER_REFS_H

#include "questions/refs.h"

void rhi__refs_print(const rhi_refs *answer);
rhi_error *rhi__refs_json(const rhi_refs *answer);

#endif
