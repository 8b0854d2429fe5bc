/* schema.h - the schemas of JSON answers, for programs that read them. */
#ifndef REFHEAP_SCHEMA_H
#define REFHEAP_SCHEMA_H

#include <stdbool.h>

/* The schema of a command's answers, or "answer": of what all have. False: no such command. */
bool print_schema(const char *name);
/* Writes them all into the folder, which is made if there is none: NAME.schema.json. False: one
 * could not be written. */
bool write_schemas(const char *folder);

#endif
