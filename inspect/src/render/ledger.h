/* ledger.h - what explains the count of an object, for people and in JSON. */
#ifndef RHI_RENDER_LEDGER_H
#define RHI_RENDER_LEDGER_H

#include "render/json_type.h"
#include "questions/ledger.h"

extern const rhi_json_type rhi__ledger_type;
json_t *rhi__ledger_json(const rhi_ledger *ledger);
void rhi__ledger_print(rhi_session *session, const rhi_ledger *ledger);

#endif
