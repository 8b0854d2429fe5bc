/* gcdiff.h - what was born, died and grew, for people and in JSON; saves a snapshot. */
#ifndef RHI_RENDER_GCDIFF_H
#define RHI_RENDER_GCDIFF_H

#include "render/json_type.h"
#include "questions/gcdiff.h"

extern const rhi_json_type rhi__gcdiff_type, rhi__gcdiff_saved_type;
void rhi__gcdiff_print(const rhi_gcdiff *answer, uint64_t limit);
void rhi__gcdiff_json(const rhi_gcdiff *answer, uint64_t limit);

/* Writes the target's objects as they are now into the file, and says so. */
rhi_error *rhi__gcdiff_save(rhi_session *session, const char *path);

#endif
