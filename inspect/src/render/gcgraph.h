/* gcgraph.h - the answer of `gcgraph`, for people (gcgraph_text.c) and in JSON (gcgraph_json.c). */
#ifndef RHI_RENDER_GCGRAPH_H
#define RHI_RENDER_GCGRAPH_H

#include "render/json_type.h"
#include "questions/gcgraph.h"
#include "render/picture.h"

extern const rhi_json_type rhi__gcgraph_type;
/* drawn: the files that hold its picture. */
rhi_error *rhi__gcgraph_text(const rhi_gcgraph *answer, const rhi_picture_files *drawn);
/* What stands behind "held from outside", and before its rows where it has some: " by", ", by
 * counts whose owner is lost"; after all that is read. */
const char *rhi__held_text(rhi_session *session, const rhi_held *held);
rhi_error *rhi__gcgraph_json(rhi_gcgraph *answer);

#endif
