/* uses.h - which code of the program fills and uses a variable, for people and in JSON. */
#ifndef RHI_RENDER_USES_H
#define RHI_RENDER_USES_H

#include "questions/uses.h"
#include "render/json_type.h"

extern const rhi_json_type rhi__used_type;
void rhi__uses_print(rhi_session *session, const rhi_uses *uses, uint64_t limit);
/* The member "variables", if there is any. */
void rhi__uses_json(rhi_session *session, rhi_reader *reader, const rhi_uses *uses, uint64_t limit);

#endif
