/* refs.h - who holds an object, and what it holds, for people and in JSON. */
#ifndef RHI_RENDER_REFS_H
#define RHI_RENDER_REFS_H

#include "render/json_type.h"
#include "questions/refs.h"

extern const rhi_json_type rhi__refs_type;
void rhi__refs_print(const rhi_refs *answer);
rhi_error *rhi__refs_json(const rhi_refs *answer);

#endif
