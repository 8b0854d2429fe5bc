/* command.h - the command table: one entry makes a command appear in GDB, LLDB, the shell and the
 * manual.
 *
 * command.c has the table, completion.c completes lines by it, schema.c makes the JSON Schemas of
 * the commands' answers (rhi_schema of inspect.h). A new command is written in a file
 * of its name, declared in all.h, and added to the table. No door changes. describe.c is no
 * command: it answers about variables (inspect.h). */
#ifndef RHI_COMMAND_H
#define RHI_COMMAND_H

#include "commands/args.h"

const rhi_command *rhi__command_find(const char *name);
const char *rhi__command_name(unsigned index); /* of one after the other; NULL behind the last */

/* run.c: the session is about this target, for a command or another question; and no more. */
void rhi__run_start(rhi_session *session, const rhi_target *target, const char *command);
void rhi__run_end(rhi_session *session);

#endif
