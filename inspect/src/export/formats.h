/* formats.h - the formats that there are, by the endings of their files: sqlite.c, heapsnapshot.c,
 * page.c, picture.c. A new one is a file of its own, with a row here. */
#ifndef RHI_FORMATS_OF_EXPORT_H
#define RHI_FORMATS_OF_EXPORT_H

#include "export/export.h"

/* name of its struct, ending, what it is for (help says so) */
#define RHI_EXPORT_FORMATS(row)                                                                    \
    row(sqlite, ".sqlite", "the tables of gcquery, with indices, for SQL over many heaps")         \
        row(heapsnapshot, ".heapsnapshot", "V8's format: Chrome DevTools, VS Code, memlab")        \
            row(page, ".html", "one page for a browser, to send to people without a debugger")     \
                row(dot, ".dot", "the objects that retain most, for Graphviz (at most 100)")       \
                    row(svg, ".svg", "the same, drawn (needs Graphviz's dot)")

#define RHI_EXPORT_DECLARE(name, ending, what) extern const rhi_export_format rhi__##name##_format;
RHI_EXPORT_FORMATS(RHI_EXPORT_DECLARE)
#undef RHI_EXPORT_DECLARE

/* The format of this path, and its ending. An error names the endings that there are. */
rhi_error *rhi__export_format(const char *path, const rhi_export_format **format,
                              const char **ending);

#endif
