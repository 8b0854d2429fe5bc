/* shipped.h - the questions that come with refheap, by name. */
#ifndef RHI_SHIPPED_H
#define RHI_SHIPPED_H

#include <stdbool.h>
#include <stddef.h>

typedef struct rhi_shipped {
    const char *name, *sql; /* the first line of sql is a comment that says what is asked */
} rhi_shipped;

/* One after the other, by name; NULL behind the last. */
const rhi_shipped *rhi__shipped(unsigned index);
/* The one of this name, with or without ".sql"; NULL: there is none. */
const rhi_shipped *rhi__shipped_named(const char *name);
/* What is asked: the first line without "-- ". */
void rhi__shipped_about(const rhi_shipped *shipped, char *text, size_t size);

#endif
