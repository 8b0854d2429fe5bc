/* gcverify.h - what does not fit together in the heap, for people and in JSON. */
#ifndef RHI_RENDER_GCVERIFY_H
#define RHI_RENDER_GCVERIFY_H

#include "render/json_type.h"
#include "questions/verify.h"

extern const rhi_json_type rhi__gcverify_type;
/* limit: findings of a kind in text, of all kinds in JSON. */
void rhi__gcverify_print(rhi_session *session, const rhi_verify *verify, uint64_t limit);
void rhi__gcverify_json(rhi_session *session, const rhi_verify *verify, uint64_t limit);

#endif
