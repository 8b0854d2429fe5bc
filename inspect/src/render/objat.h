/* objat.h - what is at an address, for people and in JSON. */
#ifndef RHI_RENDER_OBJAT_H
#define RHI_RENDER_OBJAT_H

#include "render/json_type.h"
#include "questions/objat.h"

rhi_error *rhi__objat_print(rhi_objat *answer);
void rhi__objat_json(rhi_objat *answer);
extern const rhi_json_type rhi__objat_type, rhi__event_type;
/* Rows of it: a field of the object; an event. */
json_t *rhi__field_json(const rhi_objat *answer, const rhi_objat_row *row);
/* Two of its members by themselves. */
void rhi__field_row_name(const rhi_objat_row *row, char *name, size_t size);
const char *rhi__field_kind(const rhi_field *field);
json_t *rhi__event_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event);

#endif
