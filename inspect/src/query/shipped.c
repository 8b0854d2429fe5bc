/* shipped.c - the questions of inspect/queries, which the build makes a table of (see shipped.h):
 * so each door has them, wherever it is installed. */
#include "query/shipped.h"

#include <stdio.h>
#include <string.h>

static const rhi_shipped table[] = {
#include <refheap_queries.inc>
};

const rhi_shipped *rhi__shipped(unsigned index)
{
    return index < sizeof table / sizeof *table ? &table[index] : NULL;
}

const rhi_shipped *rhi__shipped_named(const char *name)
{
    size_t length = strlen(name);
    if (length > 4 && strcmp(name + length - 4, ".sql") == 0)
        length -= 4;
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].name) == length && memcmp(table[i].name, name, length) == 0)
            return &table[i];
    return NULL;
}

void rhi__shipped_about(const rhi_shipped *shipped, char *text, size_t size)
{
    const char *line = shipped->sql + strspn(shipped->sql, "- ");
    snprintf(text, size, "%.*s", (int)strcspn(line, "\n"), line);
}
