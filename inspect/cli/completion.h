/* completion.h - shells complete the command's line: scripts for them, from the command table. */
#ifndef REFHEAP_COMPLETION_H
#define REFHEAP_COMPLETION_H

#include <stdbool.h>

/* Prints the script for this shell: "bash", "zsh" or "fish"; false: there is none for it. */
bool print_completion(const char *shell);

#endif
