/* gcstat.h - what each heap holds, for people and in JSON. */
#ifndef RHI_RENDER_GCSTAT_H
#define RHI_RENDER_GCSTAT_H

#include "questions/gcstat.h"

/* limit: types of one heap. */
void rhi__gcstat_print(rhi_session *session, const rhi_gcstat *answer, uint64_t limit);
void rhi__gcstat_json(rhi_session *session, const rhi_gcstat *answer, uint64_t limit);

#endif
