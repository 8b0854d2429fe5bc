/* objects.h - objects in JSON. */
#ifndef RHI_RENDER_OBJECTS_H
#define RHI_RENDER_OBJECTS_H

#include "render/json_type.h"
#include "questions/objects.h"

#include <jansson.h>

/* What it holds, as rhi__value says it but for the space; null. */
json_t *rhi__value_json(rhi_reader *reader, const rhi_object *object);
/* {"file", "line", "function"} */
json_t *rhi__site_row(const rhi_site *site);
/* What made it, as such a row, or null. */
/* "  born in run() at app.c:12", a line; nothing if that is not known. */
void rhi__print_born(rhi_session *session, rhi_reader *reader, const rhi_object *object);
json_t *rhi__site_json(rhi_reader *reader, const rhi_object *object);
extern const rhi_json_type rhi__object_type, rhi__site_type;
json_t *rhi__object_json(rhi_reader *reader, const rhi_object *object);

/* The id of the object that a reference leads to; false: to none. */
bool rhi__referent_id(const rhi_reader *reader, const rhi_referent *referent, char id[RHI_ID_SIZE]);
/* "live", "interior", "unmapped", "unreadable" */
const char *rhi__referent_word(const rhi_referent *referent);

#endif
