/* objects.h - objects in JSON, and what is said of all that are asked about. */
#ifndef RHI_RENDER_OBJECTS_H
#define RHI_RENDER_OBJECTS_H

#include "session/session.h"

/* What it holds, as rhi__value says it but for the space; null. */
json_t *rhi__value_json(rhi_reader *reader, const rhi_object *object);
/* OBJ of the manual. */
json_t *rhi__object_json(rhi_reader *reader, const rhi_object *object);
/* Says which heaps are provisional. */
void rhi__print_provisional(rhi_session *session);

#endif
