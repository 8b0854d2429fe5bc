/* gcstale.c - `gcstale`: pointers to where an object was. */
#include "commands/all.h"
#include "render/gcstale.h"

rhi_error *rhi__run_gcstale(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcstale answer;
    rhi_error *error = rhi__gcstale(session, args->limit, &answer);
    if (!error && args->json)
        rhi__gcstale_json(&answer);
    else if (!error)
        rhi__gcstale_print(&answer);
    if (!error)
        *status = rhi__check_status(session, args, answer.certain.total > 0);
    rhi__gcstale_free(&answer);
    return error;
}
