/* compact.c - the large tables: what they consist of, and the views over them (see compact.h).
 *
 * Rows come in the order of their tables, so that pages are written once; an index is made of rows
 * that are there, which SQLite sorts. DuckDB reads the views' own text: it is SQL for both. */
#include "export/compact.h"
#include "query/tables.h"

#include <stdlib.h>
#include <string.h>

static const char tables[] =
    "CREATE TABLE object_kinds(number INTEGER PRIMARY KEY, type TEXT, qualified TEXT, format TEXT,"
    " state TEXT);"
    "CREATE TABLE object_sites(number INTEGER PRIMARY KEY, file TEXT, line INTEGER,"
    " function TEXT);"
    /* holds: what the slot is in holders; null: no row there */
    "CREATE TABLE slot_names(number INTEGER PRIMARY KEY, name TEXT, kind TEXT, status TEXT,"
    " holds TEXT);"
    /* place: address as a number; size is null: it is not exported, others lead to it; 0 is none */
    "CREATE TABLE object_rows(number INTEGER PRIMARY KEY, id TEXT, kind INTEGER, serial INTEGER,"
    " address TEXT, place INTEGER, size INTEGER, refcount INTEGER, heap INTEGER, site INTEGER,"
    " value TEXT, retained INTEGER, reachable INTEGER, garbage INTEGER, leaked TEXT,"
    " referrers INTEGER, cycle INTEGER);"
    "INSERT INTO object_rows(number) VALUES(0);"
    /* value: null: the address of the target, which is no 0; offset: of the slot, from the source's
       address */
    "CREATE TABLE ref_rows(source INTEGER, slot INTEGER, target INTEGER, name INTEGER, value TEXT,"
    " \"offset\" INTEGER, PRIMARY KEY(source, slot)) WITHOUT ROWID;"
    /* value: null, with a target: its address; more: of a reference the id of a dead object, of
     * bytes how many there are */
    "CREATE TABLE field_rows(object INTEGER, field INTEGER, name INTEGER, value, target INTEGER,"
    " more, PRIMARY KEY(object, field)) WITHOUT ROWID;"
    /* those of ref_rows with source 0, by slot */
    "CREATE TABLE holder_words(number INTEGER PRIMARY KEY, kind TEXT, strength TEXT, address TEXT,"
    " name TEXT, function TEXT, thread INTEGER, source TEXT, type TEXT, \"offset\" INTEGER,"
    " reachable INTEGER)";

static const char *const indices[] = {
    "CREATE INDEX object_id ON object_rows(id)",
    "CREATE INDEX object_address ON object_rows(address)",
    "CREATE INDEX object_kind ON object_rows(kind)",
    "CREATE INDEX object_cycle ON object_rows(cycle) WHERE cycle IS NOT NULL",
    "CREATE INDEX kind_type ON object_kinds(type)",
    "CREATE INDEX ref_target ON ref_rows(target)",
};

static const char views[] =
    "CREATE VIEW objects(id, address, type, serial, size, refcount, state, heap, site_file,"
    " site_line, site_function, value, qualified, format, retained, reachable, garbage, leaked,"
    " referrers) AS SELECT o.id, o.address, k.type, o.serial, o.size, o.refcount, k.state, o.heap,"
    " l.file, l.line, l.function, o.value, k.qualified, k.format, o.retained, o.reachable,"
    " o.garbage, o.leaked, o.referrers FROM object_rows o"
    " LEFT JOIN object_kinds k ON k.number = o.kind LEFT JOIN object_sites l ON l.number = o.site"
    " WHERE o.size IS NOT NULL;"

    "CREATE VIEW cycle_members(cycle, object, address, type) AS"
    " SELECT o.cycle, o.id, o.address, k.type FROM object_rows o"
    " LEFT JOIN object_kinds k ON k.number = o.kind WHERE o.cycle IS NOT NULL;"

    "CREATE VIEW refs(source, target, name, strength, target_status, value, address,"
    " source_address, target_address) AS SELECT s.id, t.id, n.name, n.kind, n.status,"
    " ifnull(r.value, t.address), printf('0x%llx', s.place + r.\"offset\"), s.address, t.address"
    " FROM ref_rows r JOIN object_rows s ON s.number = r.source"
    " JOIN object_rows t ON t.number = r.target"
    " LEFT JOIN slot_names n ON n.number = r.name WHERE r.source > 0;"

    "CREATE VIEW holders(target, target_address, kind, strength, address, name, function, thread,"
    " source, type, \"offset\", reachable) AS SELECT t.id, t.address, ifnull(w.kind, 'field'),"
    " ifnull(w.strength, n.holds),"
    " CASE r.source WHEN 0 THEN w.address ELSE printf('0x%llx', s.place + r.\"offset\") END,"
    " CASE r.source WHEN 0 THEN w.name ELSE n.name END, w.function, w.thread,"
    " CASE r.source WHEN 0 THEN w.source ELSE s.id END, w.type,"
    " CASE r.source WHEN 0 THEN w.\"offset\" ELSE 0 END, w.reachable"
    " FROM ref_rows r JOIN object_rows t ON t.number = r.target"
    " JOIN object_rows s ON s.number = r.source"
    " LEFT JOIN slot_names n ON n.number = r.name"
    " LEFT JOIN holder_words w ON r.source = 0 AND w.number = r.slot"
    " WHERE (r.source = 0 OR n.holds IS NOT NULL) AND t.size IS NOT NULL;"

    "CREATE VIEW fields(object, object_address, name, kind, value, target, target_value,"
    " target_status, value_total) AS SELECT o.id, o.address, n.name, n.kind,"
    " CASE WHEN f.value IS NULL THEN t.address ELSE f.value END,"
    " CASE WHEN n.status IS NULL THEN NULL ELSE ifnull(t.id, f.more) END, t.value, n.status,"
    " CASE WHEN n.status IS NULL THEN f.more END FROM field_rows f"
    " JOIN object_rows o ON o.number = f.object"
    " LEFT JOIN slot_names n ON n.number = f.name"
    " LEFT JOIN object_rows t ON t.number = f.target";

bool rhi__is_compact(const rhi_table *table)
{
    return table == &rhi__objects_table || table == &rhi__refs_table ||
           table == &rhi__holders_table || table == &rhi__fields_table ||
           table == &rhi__cycle_members_table;
}

static rhi_error *fill(rhi_compact *c)
{
    rhi_database *d = c->database;
    RHI_TRY(rhi__database_run(d, tables));
    RHI_TRY(rhi__dictionary_open(d, "INSERT INTO object_kinds VALUES(?, ?, ?, ?, ?)", &c->kinds));
    RHI_TRY(rhi__dictionary_open(d, "INSERT INTO object_sites VALUES(?, ?, ?, ?)", &c->sites));
    RHI_TRY(rhi__dictionary_open(d, "INSERT INTO slot_names VALUES(?, ?, ?, ?, ?)", &c->slots));
    RHI_TRY(rhi__compact_objects(c));
    RHI_TRY(rhi__compact_refs(c));
    RHI_TRY(rhi__compact_fields(c));
    RHI_TRY(rhi__compact_holders(c));
    return rhi__compact_mentioned(c);
}

rhi_error *rhi__compact_fill(rhi_database *database)
{
    rhi_compact c = {.database = database};
    c.mentioned = calloc((uint64_t)database->export->query.count / 64 + 1, sizeof *c.mentioned);
    rhi_error *error = c.mentioned ? fill(&c) : rhi__error_memory();
    rhi__dictionary_free(&c.kinds);
    rhi__dictionary_free(&c.sites);
    rhi__dictionary_free(&c.slots);
    free(c.mentioned);
    return error;
}

rhi_error *rhi__compact_finish(rhi_database *database)
{
    database->doing = "sorting";
    for (unsigned i = 0; i < sizeof indices / sizeof *indices; i++)
        RHI_TRY(rhi__database_run(database, indices[i]));
    return rhi__database_run(database, views);
}
