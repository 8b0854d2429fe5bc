/* cell.c - values (see table.h). */
#include "query/table.h"

#include <string.h>

rhi_cell rhi__text_cell(const char *text, bool lasts)
{
    return text ? (rhi_cell){.kind = RHI_CELL_TEXT,
                             .text = text,
                             .size = strlen(text),
                             .lasts = lasts}
                : rhi__null_cell();
}
