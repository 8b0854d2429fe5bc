/* path.h - the path from a root to an object, for people and in JSON. */
#ifndef RHI_RENDER_PATH_H
#define RHI_RENDER_PATH_H

#include "render/json_type.h"
#include "questions/path.h"

/* Of a path of more objects than `limit` the two ends are shown. */
void rhi__path_print(rhi_session *session, rhi_reader *reader, const rhi_path *path,
                     uint64_t limit);
extern const rhi_json_type rhi__path_type;
/* Writes the keys "path", "expression" and those that belong to it. */
void rhi__path_json(rhi_session *session, rhi_reader *reader, const rhi_path *path, uint64_t limit);

#endif
