/* objat.c - `objat`: what is at an address. */
#include "commands/all.h"
#include "render/objat.h"

rhi_error *rhi__run_objat(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_objat *answer = calloc(1, sizeof *answer); /* too large for a stack */
    rhi_objat_asked asked = {.operand = args->operands[0],
                             .limit = args->limit,
                             .ledger = rhi__option(args, "--ledger"),
                             .history = rhi__option(args, "--history")};
    (void)status;
    if (!answer)
        return rhi__error_memory();
    rhi_error *error = rhi__objat(session, &asked, answer);
    if (!error && args->json)
        rhi__objat_json(answer);
    else if (!error)
        error = rhi__objat_print(answer);
    rhi__objat_free(answer);
    free(answer);
    return error;
}
