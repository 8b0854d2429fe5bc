/* gcfind.c - `gcfind`: the objects that have certain properties. */
#include "commands/all.h"
#include "render/gcfind.h"

rhi_error *rhi__run_gcfind(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcfind answer;
    rhi_gcfind_asked asked = {.type = rhi__option(args, "--type"),
                              .site = rhi__option(args, "--site"),
                              .unreachable = rhi__option(args, "--unreachable"),
                              .finalized = rhi__option(args, "--finalized"),
                              .limit = args->limit};
    (void)status;
    RHI_TRY(rhi__option_number(args, "--min-refs", 0, &asked.min_refs));
    RHI_TRY(rhi__option_number(args, "--min-size", 0, &asked.min_size));
    rhi_error *error = rhi__gcfind(session, &asked, &answer);
    if (!error && args->json)
        rhi__gcfind_json(&answer);
    else if (!error)
        rhi__gcfind_print(&answer);
    rhi__gcfind_free(&answer);
    return error;
}
