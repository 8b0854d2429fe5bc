/* manual.h - pages about the commands, made from the command table and the schemas. */
#ifndef REFHEAP_MANUAL_H
#define REFHEAP_MANUAL_H

#include <stdbool.h>

/* docs/commands.md: all of them, in Markdown. */
void print_manual(void);
/* A page for man, as scdoc takes it: "refheap.1", "refheap-objat.1", "refheap-json.7"; "list": the
 * names of all of them. False: there is no such page. */
bool print_page(const char *name);

#endif
