/* refwatch.c - `refwatch`: marks objects, so that each change of their counts is recorded; and what
 * is said where a program stops at such a change. */
#include "commands/all.h"
#include "render/refwatch.h"

static rhi_error *check(const rhi_args *args, const rhi_refwatch_asked *asked)
{
    if (asked->operand && asked->type)
        return rhi__error("one object, or --type=NAME, not both");
    if (asked->off && asked->stop)
        return rhi__error("--off ends stopping, too: give one of the two");
    if (asked->living && !asked->type)
        return rhi__error("--living goes with --type=NAME");
    if ((asked->off || asked->stop) && !asked->operand && !asked->type)
        return rhi__error("which object? usage: %s", args->command->usage);
    return NULL;
}

rhi_error *rhi__run_refwatch(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_refwatch answer;
    rhi_refwatch_asked asked = {.operand = args->operand_count ? args->operands[0] : NULL,
                                .type = rhi__option(args, "--type"),
                                .off = rhi__option(args, "--off"),
                                .stop = rhi__option(args, "--stop"),
                                .living = rhi__option(args, "--living"),
                                .limit = args->limit};
    (void)status;
    RHI_TRY(check(args, &asked));
    rhi_error *error = rhi__refwatch(session, &asked, &answer);
    if (!error && args->json)
        rhi__refwatch_json(&answer);
    else if (!error)
        rhi__refwatch_print(&answer);
    rhi__refwatch_free(&answer);
    if (asked.operand || asked.type) /* what was learned before is of other bytes */
        rhi__session_drop(session);
    return error;
}

rhi_error *rhi__run_reached(rhi_session *session, const rhi_args *args, int *status)
{
    rhi_reached reached;
    bool is_wanted;
    (void)args;
    (void)status;
    rhi_error *error = rhi__reached(session, &reached, &is_wanted);
    session->reached_frame = is_wanted || error ? reached.frame : RHI_GO_ON;
    if (!error && is_wanted)
        rhi__reached_print(session, &reached);
    return error;
}
