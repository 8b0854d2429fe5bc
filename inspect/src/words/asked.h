/* asked.h - who holds one object, as rows: those of the object that was asked for last are kept, so
 * that asking again reads no more than these rows. */
#ifndef RHI_ASKED_H
#define RHI_ASKED_H

#include "words/words.h"

/* All slots and words that refer to the object, sorted; weak: also references that own no count. */
rhi_error *rhi__who_holds(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                          bool weak, rhi_holders *holders);

#endif
