/* tables.h - the tables that there are: objects.c, refs.c, cycles.c, lists.c, each_object.c. */
#ifndef RHI_TABLES_OF_QUERY_H
#define RHI_TABLES_OF_QUERY_H

#include "query/table.h"

extern const rhi_table rhi__objects_table, rhi__refs_table;

#endif
