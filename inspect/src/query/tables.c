/* tables.c - the tables in the order in which they are listed (see table.h). */
#include "query/tables.h"

static const rhi_table *const tables[] = {&rhi__objects_table, &rhi__refs_table};

const rhi_table *rhi__table(unsigned index)
{
    return index < sizeof tables / sizeof *tables ? tables[index] : NULL;
}
