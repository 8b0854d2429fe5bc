/* help.h - the help of a command. */
#ifndef RHI_HELP_H
#define RHI_HELP_H

#include "commands/args.h"

/* What --help prints, in lines of so many columns, or (0) with a line for each paragraph;
 * allocated, NULL if memory is short. */
enum { RHI_HELP_COLUMNS = 79 };
char *rhi__help_text(const rhi_command *command, unsigned columns);

#endif
