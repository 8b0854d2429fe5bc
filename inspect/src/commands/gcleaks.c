/* gcleaks.c - `gcleaks`: what is leaked, by cause. */
#include "commands/all.h"
#include "render/file.h"
#include "render/gcleaks.h"
#include "render/sarif.h"

rhi_error *rhi__run_gcleaks(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcleaks answer;
    const char *sarif = rhi__option(args, "--sarif");
    if (sarif)
        RHI_TRY(rhi__file_check(sarif)); /* before the heap is read */
    rhi_error *error = rhi__gcleaks(session, args->json, args->limit, &answer);
    answer.sarif = sarif;
    if (!error && sarif)
        error = rhi__sarif_write(&answer, sarif);
    if (!error && args->json)
        rhi__gcleaks_json(&answer);
    else if (!error)
        rhi__gcleaks_print(&answer);
    if (!error)
        *status = rhi__check_status(session, args, answer.certain > 0);
    rhi__gcleaks_free(&answer);
    return error;
}
