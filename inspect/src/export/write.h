/* write.h - writes the graph to a file by its ending, and says what was written. */
#ifndef RHI_EXPORT_WRITE_H
#define RHI_EXPORT_WRITE_H

#include "export/export.h"
#include "render/json_type.h"

extern const rhi_json_type rhi__gcexport_type;

/* Writes the heap to this path; `replaces`: also where a file is. An error leaves no file behind,
 * and one that was there as it was. */
rhi_error *rhi__export(rhi_session *session, const char *path, bool replaces);

#endif
