/* gcfind.h - the objects that were found, for people and in JSON. */
#ifndef RHI_RENDER_GCFIND_H
#define RHI_RENDER_GCFIND_H

#include "render/json_type.h"
#include "questions/gcfind.h"

extern const rhi_json_type rhi__gcfind_type;
void rhi__gcfind_print(const rhi_gcfind *answer);
void rhi__gcfind_json(const rhi_gcfind *answer);

#endif
