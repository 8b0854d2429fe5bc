/* gcgraph.c - `gcgraph`: the graph around objects, or the cycles of the heap, with verdicts. */
#include "commands/all.h"
#include "render/gcgraph.h"

enum { DEFAULT_DEPTH = 2 };

rhi_error *rhi__run_gcgraph(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_gcgraph answer;
    rhi_picture_files files = {.dot = rhi__option(args, "--dot"),
                               .svg = rhi__option(args, "--svg")};
    rhi_gcgraph_asked asked = {.objects = args->operands,
                               .object_count = args->operand_count,
                               .limit = args->limit,
                               .only_cycles = rhi__option(args, "--cycles"),
                               .only_garbage = rhi__option(args, "--garbage"),
                               .as_list = args->json,
                               .is_drawn = files.dot || files.svg};
    (void)status;
    RHI_TRY(rhi__option_number(args, "--depth", DEFAULT_DEPTH, &asked.depth));
    rhi_error *error = rhi__gcgraph(session, &asked, &answer);
    if (!error && asked.is_drawn)
        error = rhi__draw(&session->work, &answer.picture, &files);
    if (!error)
        error = args->json ? rhi__gcgraph_json(&answer) : rhi__gcgraph_text(&answer, &files);
    rhi__gcgraph_free(&answer);
    return error;
}
