/* gcdiff.c - `gcdiff`: what was born, died and grew between moments; saves one. */
#include "commands/all.h"
#include "render/gcdiff.h"

rhi_error *rhi__run_gcdiff(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcdiff answer;
    const char *path = rhi__option(args, "--save");
    (void)status;
    if (path && (args->operand_count || args->has_heap))
        return rhi__error("--save=FILE saves all there is now, and compares nothing");
    if (path)
        return rhi__gcdiff_save(session, path);
    if (args->operand_count == 0)
        return rhi__error("compare with what? save a moment by gcdiff --save=FILE, and ask gcdiff "
                          "FILE later");
    rhi_error *error =
        rhi__gcdiff(session, args->operands, args->operand_count, args->limit, &answer);
    if (!error && args->json)
        rhi__gcdiff_json(&answer, args->limit);
    else if (!error)
        rhi__gcdiff_print(&answer, args->limit);
    rhi__gcdiff_free(&answer);
    return error;
}
