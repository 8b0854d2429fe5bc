/* reached.c - what a program has come to (see reached.h).
 *
 * Most that is traced is not waited for: by its address alone that is known before anything of the
 * target is read. */
#include "questions/reached.h"
#include "heap/objects.h"

enum { FRAMES_MAX = 64, EVENTS_LOOKED_AT = 8 };

/* The argument of that number, of integers, at the first instruction of a function. */
static bool argument(const rhi_target *target, unsigned number, uint64_t *value)
{
    static const char *const registers[][3] = {{"$rdi", "$rsi", "$rdx"}, {"$x0", "$x1", "$x2"}};
    char message[256];
    for (unsigned i = 0; target->evaluate_in && i < sizeof registers / sizeof *registers; i++)
        if (target->evaluate_in(target->context, 0, 0, registers[i][number], value, message,
                                sizeof message) == 0)
            return true;
    return false;
}

/* Is the event, one of this object, of the kind that such a change is? */
static bool fits(const rhi_event *event, const rhi_reached *r)
{
    bool is_first = r->change > 0 && r->count == 1;
    return r->change < 0
               ? event->kind == RHI_EVENT_RELEASE
               : event->kind == RHI_EVENT_RETAIN || (is_first && event->kind == RHI_EVENT_ALLOC);
}

/* What the runtime has recorded of the change just before: where the program's own code made it,
 * above all. */
static rhi_event recorded(const rhi_reached *r)
{
    const rhi_object *object = &r->object;
    rhi_event events[EVENTS_LOOKED_AT];
    uint64_t count = rhi__history(r->reader, object->address, 0, true, events, EVENTS_LOOKED_AT);
    for (uint64_t i = 0; i < count; i++)
        if (events[i].serial == object->serial && fits(&events[i], r))
            return events[i];
    return (rhi_event){0};
}

/* Functions of refheap's headers that were inlined where the place is: a frame each. */
static uint64_t inlined_frames(rhi_session *session, const uint64_t *frames, uint64_t count,
                               uint64_t from)
{
    unsigned known, of_header = 0;
    const rhi_call *calls = rhi__symbols_calls(session->symbols, frames[from] - 1, &known);
    while (of_header + 1 < known && calls[of_header].is_of_header && from + of_header + 1 < count &&
           frames[from + of_header + 1] == frames[from])
        of_header++;
    return of_header;
}

/* Which of the frames is at the place, if the debugger gets so far. */
static int find_frame(rhi_session *session, uint64_t place)
{
    const rhi_target *target = session->target;
    uint64_t frames[FRAMES_MAX],
        at = 0, count = target->frames ? target->frames(target->context, frames, FRAMES_MAX) : 0;
    count = count < FRAMES_MAX ? count : FRAMES_MAX;
    while (at < count && frames[at] != place)
        at++;
    return at < count ? (int)(at + inlined_frames(session, frames, count, at)) : 0;
}

rhi_error *rhi__reached(rhi_session *session, rhi_reached *r, bool *is_wanted)
{
    uint64_t address = 0, change;
    enum rhi_place place;
    *r = (rhi_reached){0};
    *is_wanted = true;
    bool is_known = argument(session->target, 0, &address);
    *is_wanted = !is_known || rhi__may_stop_at(&session->watches, address);
    if (!*is_wanted)
        return NULL;
    if (!is_known || !argument(session->target, 1, &change) ||
        !argument(session->target, 2, &r->count))
        return rhi__error("a count changes, but the debugger does not give the registers that say "
                          "which");
    r->change = (int32_t)change;
    RHI_TRY(rhi__session_open(session, &r->reader));
    *is_wanted = rhi__place_of(r->reader, address, &place, &r->object) &&
                 rhi__place_has_object(place) && r->object.address == address &&
                 rhi__stops_at(&session->watches, r->reader, &r->object);
    if (!*is_wanted)
        return NULL;
    r->event = recorded(r);
    r->frame = r->event.depth ? find_frame(session, r->event.stack[0]) : 0;
    return NULL;
}
