/* gcverify.c - `gcverify`: does everything in the heap fit together? */
#include "commands/all.h"
#include "render/gcverify.h"

rhi_error *rhi__run_gcverify(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_verify *verify;
    RHI_TRY(rhi__session_verify(session, args->limit, &verify));
    if (args->json)
        rhi__gcverify_json(session, verify, args->limit);
    else
        rhi__gcverify_print(session, verify, args->limit);
    *status = rhi__check_status(session, args, rhi__verify_total(verify) > 0);
    return NULL;
}
