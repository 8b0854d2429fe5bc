/* ledger.h - what explains the count of an object, for people and in JSON. */
#ifndef RHI_RENDER_LEDGER_H
#define RHI_RENDER_LEDGER_H

#include "questions/ledger.h"

/* LEDGER of the manual. */
json_t *rhi__ledger_json(const rhi_ledger *ledger);
void rhi__ledger_print(rhi_session *session, const rhi_ledger *ledger);

#endif
