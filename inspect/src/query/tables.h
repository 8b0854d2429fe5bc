/* tables.h - the tables that there are: objects.c, refs.c, each_object.c (holders, fields),
 * statistics.c (types, sites, heaps), cycles.c, verdicts.c (leaks, stale), program.c (threads,
 * history). */
#ifndef RHI_TABLES_OF_QUERY_H
#define RHI_TABLES_OF_QUERY_H

#include "query/table.h"

extern const rhi_table rhi__objects_table, rhi__refs_table, rhi__holders_table, rhi__types_table,
    rhi__sites_table, rhi__cycles_table, rhi__cycle_members_table, rhi__leaks_table,
    rhi__stale_table, rhi__heaps_table, rhi__threads_table, rhi__fields_table, rhi__history_table;

#endif
