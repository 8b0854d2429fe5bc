/* gcstat.c - `gcstat`: what each heap holds, by type. */
#include "commands/all.h"
#include "render/gcstat.h"
#include "render/pprof.h"

rhi_error *rhi__run_gcstat(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcstat answer;
    const char *profile = rhi__option(args, "--pprof");
    (void)status;
    rhi_error *error = rhi__gcstat(session, !rhi__option(args, "--no-retained"),
                                   rhi__option(args, "--sites") || profile, args->limit, &answer);
    answer.profile = profile;
    if (!error && profile)
        error = rhi__pprof_write(session, profile);
    if (!error && args->json)
        rhi__gcstat_json(session, &answer, args->limit);
    else if (!error)
        rhi__gcstat_print(session, &answer, args->limit);
    rhi__gcstat_free(&answer);
    return error;
}
