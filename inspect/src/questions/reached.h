/* reached.h - a program has come to where the runtime tells of a change: is it one that the user
 * waits for, and whose code made it? */
#ifndef RHI_REACHED_H
#define RHI_REACHED_H

#include "session/session.h"

typedef struct rhi_reached {
    rhi_reader *reader;
    rhi_object object;
    int32_t change;  /* +1, -1 */
    uint64_t count;  /* after it */
    rhi_event event; /* as it was recorded; kind RHI_EVENT_OTHER: it was not */
    int frame;       /* of the selected thread, at that place; 0: not known */
} rhi_reached;

/* *is_wanted: false: the program shall go on. */
rhi_error *rhi__reached(rhi_session *session, rhi_reached *reached, bool *is_wanted);

#endif
