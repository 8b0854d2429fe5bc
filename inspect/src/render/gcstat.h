/* gcstat.h - what each heap holds, for people and in JSON. */
#ifndef RHI_RENDER_GCSTAT_H
#define RHI_RENDER_GCSTAT_H

#include "render/json_type.h"
#include "questions/gcstat.h"

extern const rhi_json_type rhi__gcstat_type;
/* limit: types of one heap. */
void rhi__gcstat_print(rhi_session *session, const rhi_gcstat *answer, uint64_t limit);
void rhi__gcstat_json(rhi_session *session, const rhi_gcstat *answer, uint64_t limit);
/* Rows of it: a type, a line, a heap with its first types. */
json_t *rhi__type_row_json(const rhi_gcstat *answer, const rhi_tally *tally);
json_t *rhi__site_row_json(const rhi_gcstat *answer, const rhi_site_tally *tally);
json_t *rhi__heap_json(const rhi_gcstat *answer, uint64_t place, uint64_t limit);

#endif
