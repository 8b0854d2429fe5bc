/* formats.c - finds a format by the ending of a file (see formats.h). */
#include "export/formats.h"

#include <string.h>
#include <strings.h>

#define ROW(name, ending, what) {ending, &rhi__##name##_format},
static const struct row {
    const char *ending;
    const rhi_export_format *format;
} rows[] = {RHI_EXPORT_FORMATS(ROW)};
#undef ROW

enum { ROWS = sizeof rows / sizeof *rows };

rhi_error *rhi__export_format(const char *path, const rhi_export_format **format,
                              const char **ending)
{
    char endings[256] = "";
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (unsigned i = 0; i < ROWS; i++) {
        size_t length = strlen(name), used = strlen(endings), own = strlen(rows[i].ending);
        rhi__text(endings + used, sizeof endings - used, "%s%s", i ? ", " : "", rows[i].ending);
        if (length <= own || strcasecmp(name + length - own, rows[i].ending) != 0)
            continue;
        if (strcmp(name + length - own, rows[i].ending) != 0)
            return rhi__error("%.200s: endings are lower-case: say %s", path, rows[i].ending);
        *format = rows[i].format;
        *ending = rows[i].ending;
        return (*format)->missing ? rhi__error("%s: %s", *ending, (*format)->missing) : NULL;
    }
    for (unsigned i = 0; i < ROWS; i++)
        if (strcmp(name, rows[i].ending) == 0)
            return rhi__error("'%.200s' is an ending alone: name the file, as heap%s", path, name);
    return rhi__error("the ending of '%.200s' says no format: there are %s", path, endings);
}
