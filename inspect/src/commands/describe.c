/* describe.c - what debuggers show of variables that hold objects (inspect.h): no command, and
 * asked much more often than one.
 *
 * Invariant: no error comes out of here; where nothing can be said, nothing is. */
#include "commands/command.h"
#include "render/described.h"

#include <stdlib.h>

enum { REHEARSED = 200 }; /* children, and characters */

const char *rhi_describes(void)
{
    return "{\"structs\": [\"rh_object\", \"_object\"], \"foreign\": {\"_object\": \"PyObject\"},"
           " \"functions\": ["
           "{\"name\": \"refcount\", \"summary\": \"counts of the object at an address, as refheap"
           " reads them; 0: no live object is there; of an immortal one, 2^63 - 1\", \"nothing\": "
           "0},"
           "{\"name\": \"objid\", \"summary\": \"what refheap calls the object at an address, or "
           "the"
           " one that died there: \\\"user#1\\\"; \\\"\\\": none\", \"nothing\": \"\"},"
           "{\"name\": \"is_stale\", \"summary\": \"1: refheap knows that the object at an address"
           " was freed, and there is no other; 0: one lives there, perhaps a later one, or none is "
           "known to have been there\","
           " \"nothing\": 0},"
           "{\"name\": \"objtype\", \"summary\": \"refheap's type of the object at an address, or "
           "of"
           " the one that died there: \\\"user\\\"; \\\"\\\": none\", \"nothing\": \"\"},"
           "{\"name\": \"born\", \"summary\": \"the line that made the object at an address, if"
           " refheap knows it: \\\"app.c:12 in run()\\\"; \\\"\\\": not known\", \"nothing\": "
           "\"\"}]}";
}

static json_t *describe(rhi_session *session, uint64_t address, uint64_t children,
                        uint64_t characters)
{
    rhi_described *answer = calloc(1, sizeof *answer); /* too large for a stack */
    json_t *json = NULL;
    if (!answer)
        return NULL;
    rhi_error *error = rhi__describe(session, address, children, answer);
    if (!error && (answer->at.reader || answer->undecided[0]))
        json = rhi__described_json(answer, characters);
    rhi__error_free(error);
    rhi__described_free(answer);
    free(answer);
    return json;
}

/* Opens what is needed to look at objects, and looks at one: what is done once is done then. */
static void rehearse(rhi_session *session)
{
    uint64_t address;
    rhi_error *error = rhi__describable(session, &address);
    if (!error && address)
        json_decref(describe(session, address, REHEARSED, REHEARSED));
    rhi__error_free(error);
}

const char *rhi_session_describe(rhi_session *session, const rhi_target *target, uint64_t address,
                                 uint64_t children, uint64_t characters)
{
    rhi__run_start(session, target, "describe");
    session->json = session->has_heap = false;
    session->work.show = NULL;
    if (!address)
        rehearse(session);
    json_t *json = describe(session, address, children, characters);
    free(session->described);
    session->described = json && !session->work.is_stopped ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    rhi__run_end(session);
    return session->described;
}
