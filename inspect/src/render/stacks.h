/* stacks.h - recorded stacks as they are shown. */
#ifndef RHI_STACKS_H
#define RHI_STACKS_H

#include "session/session.h"

/* The calls of a recorded event's stack, with functions and lines where symbols tell
 * them: an array for JSON, or a line each. */
json_t *rhi__stack_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event);
void rhi__stack_print(rhi_session *session, const rhi_reader *reader, const rhi_event *event,
                      const char *indent);

#endif
