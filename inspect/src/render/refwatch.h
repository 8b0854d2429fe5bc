/* refwatch.h - how the answer of `refwatch` looks, and the line that is shown where a program stops
 * at a change. */
#ifndef RHI_RENDER_REFWATCH_H
#define RHI_RENDER_REFWATCH_H

#include "render/json_type.h"
#include "questions/reached.h"
#include "questions/refwatch.h"

extern const rhi_json_type rhi__refwatch_type;
void rhi__refwatch_print(const rhi_refwatch *answer);
void rhi__refwatch_json(const rhi_refwatch *answer);
void rhi__reached_print(rhi_session *session, const rhi_reached *reached);

#endif
