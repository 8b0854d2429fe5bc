/* command.h - the command table: one entry makes a command appear in GDB, LLDB, the shell and the
 * manual.
 *
 * command.c has the table. A new command is written in a file of its name, declared in all.h, and
 * added to the table. No door changes. */
#ifndef RHI_COMMAND_H
#define RHI_COMMAND_H

#include "commands/args.h"

/* What --help prints, in lines of so many columns, or (0) with a line for each paragraph;
 * allocated, NULL if memory is short. */
enum { RHI_HELP_COLUMNS = 79 };
char *rhi__help_text(const rhi_command *command, unsigned columns);
const rhi_command *rhi__command_find(const char *name);
const char *rhi__command_name(unsigned index); /* of one after the other; NULL behind the last */

#endif
