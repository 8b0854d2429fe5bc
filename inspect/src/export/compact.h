/* compact.h - the large tables of a `.sqlite` file: objects, refs, holders, fields and
 * cycle_members.
 *
 * They are views. Below them are tables in which an object is a number: rhi_reader's and 1. What
 * many rows share (type, line, name of a slot) stands once, in a table of its own. A slot that
 * holds an object is one row of ref_rows, for refs and for holders; other words that hold one are
 * rows of it without a source. Invariant: a view has the columns and the rows of the table of
 * gcquery, and what can be looked up there is looked up here by an index.
 *
 * compact.c has the tables, views and indices; compact_objects.c, compact_slots.c and
 * compact_holders.c fill them. */
#ifndef RHI_COMPACT_H
#define RHI_COMPACT_H

#include "base/bits.h"
#include "export/dictionary.h"

typedef struct rhi_compact {
    rhi_database *database;
    rhi_dictionary kinds, sites, slots;
    uint64_t *mentioned; /* bits: objects that are left out, and named by those that are not */
} rhi_compact;

/* Is it one of these? */
bool rhi__is_compact(const rhi_table *table);
/* Makes and fills them. */
rhi_error *rhi__compact_fill(rhi_database *database);
/* Indices, then views: when all else is filled. */
rhi_error *rhi__compact_finish(rhi_database *database);

/* compact_objects.c: all objects; last, those that are mentioned. */
rhi_error *rhi__compact_objects(rhi_compact *compact);
rhi_error *rhi__compact_mentioned(rhi_compact *compact);
/* compact_slots.c */
rhi_error *rhi__compact_refs(rhi_compact *compact);
rhi_error *rhi__compact_fields(rhi_compact *compact);
/* compact_holders.c: those that are no rows of refs. */
rhi_error *rhi__compact_holders(rhi_compact *compact);

static inline int64_t rhi__compact_number(uint32_t index)
{
    return (int64_t)index + 1;
}
static inline bool rhi__is_exported(const rhi_compact *compact, uint32_t index)
{
    return compact->database->export->numbers[index] != RHI_NO_OBJECT;
}
/* Does a slot with this field, which holds this object, hold it in the table holders? */
static inline bool rhi__slot_holds(const rhi_compact *compact, const rhi_field *field,
                                   uint32_t target)
{
    const rhi_graph *graph = compact->database->export->query.graph;
    return rhi__is_reference(field) && field->kind != RHI_KIND_BORROWED &&
           target != RHI_NO_OBJECT && !(graph->flags[target] & RHI_GRAPH_CORRUPT);
}

#endif
