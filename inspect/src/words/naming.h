/* naming.h - names of rows, which come last: they never change which rows there are. */
#ifndef RHI_NAMING_H
#define RHI_NAMING_H

#include "words/holders.h"
#include "session/session.h"

/* Names the first `count` rows: by what the engine knows, and by the target's debug info. */
void rhi__name_holders(rhi_session *session, rhi_reader *reader, rhi_holders *holders,
                       uint64_t count);

#endif
