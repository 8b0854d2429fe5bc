/* tables.c - the tables in the order in which they are listed (see table.h). */
#include "query/tables.h"

static const rhi_table *const tables[] = {
    &rhi__objects_table, &rhi__refs_table,   &rhi__holders_table,       &rhi__fields_table,
    &rhi__types_table,   &rhi__sites_table,  &rhi__heaps_table,         &rhi__threads_table,
    &rhi__leaks_table,   &rhi__cycles_table, &rhi__cycle_members_table, &rhi__stale_table,
    &rhi__history_table};

const rhi_table *rhi__table(unsigned index)
{
    return index < sizeof tables / sizeof *tables ? tables[index] : NULL;
}
