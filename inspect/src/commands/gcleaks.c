/* gcleaks.c - `gcleaks`: what is leaked, by cause. */
#include "commands/all.h"
#include "render/gcleaks.h"

rhi_error *rhi__run_gcleaks(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcleaks answer;
    rhi_error *error = rhi__gcleaks(session, args->json, args->limit, &answer);
    if (!error && args->json)
        rhi__gcleaks_json(&answer);
    else if (!error)
        rhi__gcleaks_print(&answer);
    if (!error)
        *status = rhi__check_status(session, args, answer.certain > 0);
    rhi__gcleaks_free(&answer);
    return error;
}
