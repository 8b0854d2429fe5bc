/* pairs.h - which retains of a traced object were never given back, for people and in JSON. */
#ifndef RHI_RENDER_PAIRS_H
#define RHI_RENDER_PAIRS_H

#include "render/json_type.h"
#include "questions/ledger.h"
#include "questions/pairs.h"

/* ledger: NULL: who holds the object today was not looked for. */
void rhi__pairs_print(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                      const rhi_pairs *pairs, const rhi_ledger *ledger, uint64_t limit);
extern const rhi_json_type rhi__pairs_type;
json_t *rhi__pairs_json(rhi_session *session, const rhi_reader *reader, const rhi_pairs *pairs,
                        uint64_t limit);

#endif
