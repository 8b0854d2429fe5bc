/* asked.h - who holds one object, as rows: those of the object that was asked for last are kept, so
 * that asking again reads no more than these rows. */
#ifndef RHI_ASKED_H
#define RHI_ASKED_H

#include "words/words.h"

/* All slots and words that refer to the object, sorted. */
enum rhi_holders_wanted {
    RHI_HOLDERS_WEAK = 1,        /* also references that own no count */
    RHI_HOLDERS_GARBAGE_LAST = 2 /* the graph stands; else their order does not depend on it */
};
rhi_error *rhi__who_holds(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                          unsigned wanted, rhi_holders *holders);

#endif
