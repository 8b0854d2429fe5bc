/* tables.h - the tables that there are: objects.c, refs.c, each_object.c (holders, fields),
 * statistics.c (types, sites, heaps), cycles.c, verdicts.c (leaks, stale), program.c (threads,
 * history). */
#ifndef RHI_TABLES_OF_QUERY_H
#define RHI_TABLES_OF_QUERY_H

#include "query/table.h"
#include "questions/objat.h"
#include "words/holders.h"

extern const rhi_table rhi__objects_table, rhi__refs_table, rhi__holders_table, rhi__types_table,
    rhi__sites_table, rhi__cycles_table, rhi__cycle_members_table, rhi__leaks_table,
    rhi__stale_table, rhi__heaps_table, rhi__threads_table, rhi__fields_table, rhi__history_table;

/* Rows as data, for whoever writes all of them down; good until the next one. The object that a row
 * of refs, holders or fields is of has the number rows->number >> 32. */
const rhi_slot *rhi__refs_slot(const rhi_rows *rows);
const rhi_holder *rhi__holders_holder(const rhi_rows *rows);
const rhi_objat_row *rhi__fields_field(const rhi_rows *rows);

/* Makes what the next one needs. */
rhi_error *rhi__query_cycles(rhi_query *query);
/* The cycle that the object is a member of, as cycle_members has it; 0: none. */
uint32_t rhi__query_cycle(const rhi_query *query, uint32_t index);

#endif
