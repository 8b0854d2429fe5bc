/* refs.c - `refs`: who holds an object, what it holds, and whether that explains its count. */
#include "commands/all.h"
#include "render/refs.h"

rhi_error *rhi__run_refs(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_refs answer;
    bool only_in = rhi__option(args, "--in"), only_out = rhi__option(args, "--out");
    rhi_refs_asked asked = {.operand = args->operands[0],
                            .limit = args->limit,
                            .in = only_in || !only_out,
                            .out = only_out || !only_in,
                            .weak = rhi__option(args, "--weak"),
                            .path = rhi__option(args, "--path"),
                            .pairs = rhi__option(args, "--ledger")};
    (void)status;
    RHI_TRY(rhi__option_number(args, "--depth", 1, &asked.depth));
    rhi_error *error = rhi__refs(session, &asked, &answer);
    if (!error && args->json)
        error = rhi__refs_json(&answer);
    else if (!error)
        rhi__refs_print(&answer);
    rhi__refs_free(&answer);
    return error;
}
