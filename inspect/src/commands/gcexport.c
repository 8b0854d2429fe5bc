/* gcexport.c - `gcexport`: the whole graph in a file, for other tools. */
#include "commands/all.h"
#include "export/write.h"

rhi_error *rhi__run_gcexport(rhi_session *session, const rhi_args *args, int *status)
{
    (void)status;
    bool is_named = args->operand_count && args->operands[0][0];
    if (args->operand_count != 1 || !is_named)
        return rhi__error("%s usage: %s",
                          args->operand_count > 1 ? "one file at a time:" : "to what file?",
                          args->command->usage);
    session->is_about_all = true; /* the file is no object */
    return rhi__export(session, args->operands[0], rhi__option(args, "--force") != NULL);
}
