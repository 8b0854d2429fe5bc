/* stacks.h - recorded stacks as they are shown. */
#ifndef RHI_STACKS_H
#define RHI_STACKS_H

#include "render/json_type.h"
#include "heap/objects.h"
#include "session/session.h"

struct rhi_call;
typedef struct rhi_stack_row {
    uint64_t address;
    const struct rhi_call *call; /* NULL: nothing is known of it */
    const char *doubt; /* why no call was made there, whatever was recorded; NULL: one may be */
} rhi_stack_row;
typedef struct rhi_stack_rows {
    rhi_stack_row *rows; /* freed by the caller; NULL: memory was short, and the reader knows */
    uint64_t first, end; /* of those that are shown */
} rhi_stack_rows;
/* The calls of a recorded event's stack, innermost first. */
rhi_stack_rows rhi__stack_rows(rhi_session *session, const rhi_reader *reader,
                               const rhi_event *event);

extern const rhi_json_type rhi__call_type;

/* These, with functions and lines where symbols tell
 * them: an array for JSON, or a line each. */
json_t *rhi__stack_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event);
void rhi__stack_print(rhi_session *session, const rhi_reader *reader, const rhi_event *event,
                      const char *indent);

enum { RHI_PLACE_SIZE = 512 };
/* The innermost of these calls: "in drop() at stale.c:34", "in drop()+0x1c", "at app+0x11f0", "at
 * 0x1234, as recorded, which is not behind a call"; "" if none was recorded. */
void rhi__place_text(rhi_session *session, const rhi_reader *reader, const rhi_event *event,
                     char text[RHI_PLACE_SIZE]);
enum { RHI_DEATH_SIZE = RHI_SITE_SIZE + RHI_PLACE_SIZE + 64 };
/* "born in make() at stale.c:21, freed by release in drop() at stale.c:34", as much of it as is
 * known. event NULL: its death was not recorded. */
void rhi__death_text(rhi_session *session, rhi_reader *reader, const rhi_object *object,
                     const rhi_event *event, char text[RHI_DEATH_SIZE]);
json_t *rhi__place_json(rhi_session *session, const rhi_reader *reader, const rhi_event *event);

#endif
