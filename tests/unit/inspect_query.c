/* inspect_query.c - `gcquery`: tables and lookups, forms of output, what is refused, bounds. */
#include "inspect_test.h"
#include "own_folder.h"
#include "session/session.h"

#include <limits.h>
#include <unistd.h>

/* The rows as comma-separated values, behind their names. */
static const char *rows(const world *w, const char *sql)
{
    static char line[2048];
    snprintf(line, sizeof line, "--csv --limit=0 %s", sql);
    ck_assert_msg(fake_run(w->t, "gcquery", line) == RHI_ANSWERED, "%s: %s", sql, w->t->err.bytes);
    const char *behind = strchr(w->t->out.bytes, '\n');
    ck_assert_ptr_nonnull(behind);
    return behind + 1;
}

/* node 1 -> 2 -> 3 by next, 3 -> 1 by back (borrowed), 2 <-> 4 by other; 5 freed, which 1.other
 * holds; 1 is immortal. */
static world chain(int layout)
{
    world w = world_new(layout);
    uint64_t n[5];
    for (unsigned i = 0; i < 5; i++)
        n[i] = new_node(&w, i == 1 ? 2 : 1);
    fake_immortal(w.heap, n[0]);
    fake_link(w.heap, n[0], NEXT, n[1]);
    fake_link(w.heap, n[1], NEXT, n[2]);
    fake_link(w.heap, n[2], BACK, n[0]);
    fake_link(w.heap, n[1], OTHER, n[3]);
    fake_link(w.heap, n[3], OTHER, n[1]);
    fake_link(w.heap, n[0], OTHER, n[4]);
    fake_free_object(w.heap, n[4], RH_DEATH_RELEASE);
    return w;
}

START_TEST(a_lookup_gives_the_rows_of_a_search)
{
    world w = chain(_i);
    static const char to_first[] = "node#3,back,borrowed,live\n",
                      to_second[] = "node#1,next,strong,live\nnode#4,other,strong,live\n";
    /* twice: a question about one object is answered by a search, as long as there is no graph; the
     * second object of one makes that */
    for (unsigned time = 0; time < 2; time++) {
        ck_assert_str_eq(rows(&w, "select source, name, strength, target_status from refs where "
                                  "target = 'node#1'"),
                         to_first);
        ck_assert_str_eq(rows(&w, "select source, name, strength, target_status from refs where "
                                  "target = 'node#2'"),
                         to_second);
        ck_assert_str_eq(rows(&w, "select source, name, strength, target_status from refs where "
                                  "+target = 'node#2'"),
                         to_second);
        ck_assert_str_eq(rows(&w, "select id from objects where id in ('node#2', 'node#9', "
                                  "'other#2', 'node#5', '#2', '')"),
                         "node#2\n");
        ck_assert_str_eq(
            rows(&w, "select r.source from (values ('node#2'), ('node#1')) v cross join refs r "
                     "on r.target = v.column1"),
            "node#1\nnode#4\nnode#3\n");
    }
    ck_assert_str_eq(rows(&w, "select name, target, target_status from refs where source = "
                              "'node#1'"),
                     "next,node#2,live\nother,,freed\n");
    ck_assert_str_eq(rows(&w, "select count(*) from refs where target is null"), "1\n");
    ck_assert_str_eq(rows(&w, "select id from objects where type = 'node' and serial > 2"),
                     "node#3\nnode#4\n");
    ck_assert_str_eq(rows(&w, "select id from objects where type = 'nod' or type = 'nodes'"), "");
    world_free(&w);
}
END_TEST

START_TEST(addresses_are_the_texts_of_cells)
{
    world w = chain(_i);
    char line[512];
    uint64_t first =
        w.heap ? strtoull(rows(&w, "select address from objects limit 1"), NULL, 16) : 0;
    snprintf(line, sizeof line,
             "select id from objects where address = %" PRIu64 " union all select id from objects "
             "where address = '0x%" PRIx64 "' union all select id from objects where address = "
             "'0x0%" PRIx64 "' or address = 'x' or address is null or address = 1.5",
             first, first, first);
    ck_assert_str_eq(rows(&w, line), "node#1\n");
    world_free(&w);
}
END_TEST

START_TEST(weak_references_are_found_by_each_lookup)
{
    static const char *const to_second = "select source, name from refs where target = 'node#2'";
    world w = world_new(_i);
    uint32_t weak = fake_weak_type(w.space);
    uint64_t n[4];
    for (unsigned i = 0; i < 4; i++)
        n[i] = new_node(&w, i == 1 ? 2 : 1);
    fake_link(w.heap, n[0], NEXT, n[1]);
    fake_link(w.heap, n[3], OTHER, n[1]);
    fake_weak(w.heap, fake_new(w.heap, weak, 1, 0), n[1]);
    /* by a search; by an index, as the second object of a question; by the graph that there is */
    for (unsigned time = 0; time < 3; time++)
        ck_assert_str_eq(rows(&w, time != 1 ? to_second
                                            : "select r.source, r.name from (values ('node#1'), "
                                              "('node#2')) v cross join refs r on r.target = "
                                              "v.column1"),
                         "node#1,next\nnode#4,other\nweak#5,target\n");
    ck_assert_str_eq(rows(&w, "select r.source, r.name from objects o left join refs r on r.target "
                              "= o.id where o.type = 'node' and o.serial = 2"),
                     "node#1,next\nnode#4,other\nweak#5,target\n");
    world_free(&w);
}
END_TEST

/* As SQLite compares, which a search of all rows shows. */
START_TEST(a_number_is_found_in_every_spelling)
{
    static const char *const spellings[] = {"1", "'1'", "1.0", "' 1 '", "'1e0'", "+'1'"};
    world w = chain(_i);
    for (unsigned i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char line[128];
        snprintf(line, sizeof line, "select objects from cycles where cycle = %s", spellings[i]);
        ck_assert_str_eq(rows(&w, line), "2\n");
        snprintf(line, sizeof line, "select object from cycle_members where cycle = %s limit 1",
                 spellings[i]);
        ck_assert_str_eq(rows(&w, line), "node#2\n");
    }
    ck_assert_str_eq(rows(&w, "select objects from cycles where cycle in ('x', 1.5, '1.5', null, "
                              "x'31', 1e300, -1)"),
                     "");
    world_free(&w);
}
END_TEST

START_TEST(plans_say_what_is_looked_up)
{
    world w = chain(_i);
    ck_assert_has(rows(&w, "explain query plan select * from refs where target = 'node#1'"),
                  "LOOKUP target");
    ck_assert_has(rows(&w, "explain query plan select * from refs where source = 'node#1'"),
                  "LOOKUP source");
    ck_assert_has(rows(&w, "explain query plan select * from objects where id = 'x'"), "LOOKUP id");
    ck_assert_has(rows(&w, "explain query plan select * from objects where address = 1"),
                  "LOOKUP address");
    ck_assert_has(rows(&w, "explain query plan select * from objects where type = 'x'"),
                  "LOOKUP type");
    ck_assert_has(
        rows(&w, "explain query plan select * from objects where id = 'x' collate nocase"), "ALL");
    ck_assert_has(rows(&w, "explain query plan select * from holders where target = 'x'"),
                  "LOOKUP target");
    ck_assert_has(rows(&w, "explain query plan select type, count(*) from objects group by type"),
                  "BY type");
    world_free(&w);
}
END_TEST

START_TEST(questions_that_call_themselves_walk_the_graph)
{
    world w = chain(_i);
    ck_assert_str_eq(rows(&w, "with recursive r(id, d) as (select 'node#1', 0 union select target, "
                              "d + 1 from r join refs on source = r.id where d < 3 and target is "
                              "not null) select id, min(d) from r group by id"),
                     "node#1,0\nnode#2,1\nnode#3,2\nnode#4,2\n");
    ck_assert_str_eq(rows(&w, "--file=within-three node#1"),
                     "node#1,0\nnode#2,1\nnode#3,2\nnode#4,2\n");
    ck_assert_str_eq(rows(&w, "--file=within-three node#99"), "");
    ck_assert_str_eq(rows(&w, "--file=parents-of.sql node"),
                     "node#3,back,node#1\nnode#1,next,node#2\nnode#4,other,node#2\n"
                     "node#2,next,node#3\nnode#2,other,node#4\n");
    world_free(&w);
}
END_TEST

START_TEST(only_questions_are_answered)
{
    static const char *const refused[] = {"create table t(a)",
                                          "delete from objects",
                                          "insert into objects(id) values (1)",
                                          "update objects set id = 1",
                                          "attach 'file.db' as f",
                                          "attach ':memory:' as f",
                                          "vacuum into 'file.db'",
                                          "reindex",
                                          "pragma temp_store_directory = '/tmp'",
                                          "pragma table_info(objects)",
                                          "select * from pragma_database_list",
                                          "begin",
                                          "create virtual table t using objects",
                                          "select load_extension('x')",
                                          "drop table objects"};
    world w = chain(_i);
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        ck_assert_msg(fake_run(w.t, "gcquery", refused[i]) == RHI_NO_ANSWER, "%s", refused[i]);
        ck_assert_str_eq(w.t->out.bytes, "");
        ck_assert_has(w.t->err.bytes, "gcquery");
    }
    ck_assert_int_ne(access("file.db", F_OK), 0);
    static const char *const said[][2] = {
        {"reindex", "has a change"},
        {"vacuum", "has a change"},
        {"vacuum into 'file.db'", "has a change"},
        {"create table t(a)", "has a change"},
        {"create index i on objects(id)", "has a change"},
        {"alter table objects rename to o", "has a change"},
        {"delete from objects", "has a change"},
        {"with a as (select 1) delete from objects", "has a change"},
        {"explain delete from objects", "has a change"},
        {"insert into objects(id) values (1)", "has a change"},
        {"update objects set id = 1 where 0", "has a change"},
        {"attach 'file.db' as f", "has ATTACH"},
        {"detach main", "has DETACH"},
        {"pragma journal_mode = wal", "has PRAGMA"},
        {"commit", "has a transaction"},
        {"select load_extension('x')", "has a function that reaches outside"},
        {" select * from json_each('[1]')", "SQLite's own"}};
    for (unsigned i = 0; i < sizeof said / sizeof *said; i++) {
        ck_assert_int_eq(fake_run(w.t, "gcquery", said[i][0]), RHI_NO_ANSWER);
        ck_assert_has(w.t->err.bytes, "gcquery only reads: a question begins with SELECT, WITH, "
                                      "VALUES or EXPLAIN, and this has ");
        ck_assert_has(w.t->err.bytes, said[i][1]);
    }
    world_free(&w);
}
END_TEST

START_TEST(a_wrong_question_is_told_what_there_is)
{
    world w = chain(_i);
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json select sise from objects"),
                  "no such column: sise, at 'sise from objects'; objects has id, address, type");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json select 1 from object"),
                  "no such table: object; the tables are objects, refs, holders");
    /* of each table, however many there are, each column */
    json_t *answer = fake_json(w.t, "gcquery", "--json --tables"), *table, *column;
    char line[400] = "--json select nosuch from objects";
    unsigned columns = 0;
    size_t i, k;
    json_array_foreach(json_object_get(answer, "tables"), i, table)
        sprintf(line + strlen(line), ", %s", json_string_value(json_object_get(table, "table")));
    char *told = strdup(fake_json_failure(w.t, "gcquery", line));
    ck_assert_ptr_eq(strstr(told, "…"), NULL);
    json_array_foreach(json_object_get(answer, "tables"), i, table)
    {
        char *has = strstr(told, json_string_value(json_object_get(table, "table")));
        json_array_foreach(json_object_get(table, "columns"), k, column)
        {
            MUST(has);
            ck_assert_has(has, json_string_value(json_object_get(column, "name")));
            columns++;
        }
    }
    ck_assert_uint_gt(columns, 100);
    free(told);
    json_decref(answer);
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json selec 1"),
                  "syntax error, at 'selec 1'");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json select 1; select 2"),
                  "one question at a time");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json -- --"), "there is no question");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json"), "what is asked?");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json ;"), "there is no question");
    ck_assert_has(fake_json_failure(w.t, "gcquery",
                                    "--json select o.\"table may not be there\" from objects o"),
                  "objects has id");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json select ?1"), "stands for");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json --file=no-such-file"), "--list");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json --file=/"), "it is no file");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json --csv select 1"), "not both");
    ck_assert_str_eq(rows(&w, "select 1; -- and no more"), "1\n");
    world_free(&w);
}
END_TEST

START_TEST(what_a_question_may_take_is_bounded)
{
    static char line[1100000];
    static const char forever[] =
        "with recursive c(n) as (select 1 union all select n + 1 from c) ";
    world w = chain(_i);
    snprintf(line, sizeof line, "--json --steps=100k %s select count(*) from c", forever);
    ck_assert_has(fake_json_failure(w.t, "gcquery", line), "more than 102400 steps");
    ck_assert_has(fake_json_failure(w.t, "gcquery", "--json select zeroblob(1073741824)"),
                  "too big");
    memset(line, 'x', sizeof line - 1);
    memcpy(line, "--json select '", 15);
    line[sizeof line - 2] = '\'';
    ck_assert_has(fake_json_failure(w.t, "gcquery", line), "has more than 1000000 bytes");
    w.t->interrupt_at = w.t->polls + 3;
    snprintf(line, sizeof line, "%s select count(*) from c", forever);
    ck_assert_int_eq(fake_run(w.t, "gcquery", line), RHI_NO_ANSWER);
    ck_assert_str_eq(w.t->err.bytes, "gcquery: cancelled\n");
    world_free(&w);
}
END_TEST

START_TEST(rows_in_every_form)
{
    world w = chain(_i);
    ck_assert_int_eq(fake_run(w.t, "gcquery",
                              "--limit=2 select id, serial * 100 as n, null as none from objects"),
                     RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "id        n  none\n"
                                  "node#1  100  null\n"
                                  "node#2  200  null\n"
                                  "… more rows (--limit=0 shows all)\n");
    json_t *json = fake_json(w.t, "gcquery",
                             "--limit=1 select id, id, 0.5 as half, x'00ff' as b from objects");
    ck_assert_str_eq(fake_string(json, "columns.1"), "id:1");
    ck_assert_str_eq(fake_string(json, "rows.0.id:1"), "node#1");
    ck_assert_str_eq(fake_string(json, "rows.0.b"), "x'00ff'");
    ck_assert(json_is_true(fake_at(json, "rows_cut")));
    json_decref(json);
    ck_assert_str_eq(rows(&w, "select 'a,b', '\"', '', null, char(27, 10) || 'x', 1.5"),
                     "\"a,b\",\"\"\"\",\"\",,??x,1.5\n");
    ck_assert_int_eq(fake_run(w.t, "gcquery", "select 1 where 0"), RHI_ANSWERED);
    ck_assert_str_eq(w.t->out.bytes, "1\nno rows\n");
    /* quotes as a shell wants them; an option stands behind, a comment does not */
    ck_assert_int_eq(fake_run(w.t, "gcquery", "\"select 1 --csv\" --csv"), RHI_ANSWERED);
    ck_assert_str_eq(w.t->out.bytes, "1 --csv\n1\n");
    world_free(&w);
}
END_TEST

/* No column of a row is lost behind another one of its name, or of its first letters. */
START_TEST(each_column_has_a_key_of_its_own)
{
    world w = chain(_i);
    char line[1024], many[301] = "";
    memset(many, 'x', sizeof many - 1);
    ck_assert_int_eq(
        fake_run(w.t, "gcquery", "--json select 1 a, 2 a, 3 \"a:1\", 4 a, 9e999, -9e999"),
        RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "{\"a\":1,\"a:1\":2,\"a:1:1\":3,\"a:2\":4,\"9e999\":\"inf\","
                                  "\"-9e999\":\"-inf\"}");
    snprintf(line, sizeof line, "--json select 5 \"%s1\", 6 \"%s2\"", many, many);
    ck_assert_int_eq(fake_run(w.t, "gcquery", line), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "\":5,");
    ck_assert_has(w.t->out.bytes, ":1\":6}");
    ck_assert_int_eq(fake_run(w.t, "gcquery", "select fts3_tokenizer('simple')"), RHI_NO_ANSWER);
    world_free(&w);
}
END_TEST

START_TEST(a_blob_is_whole_in_what_programs_read)
{
    world w = chain(_i);
    char whole[256];
    snprintf(whole, sizeof whole, "x'%0200d'", 0);
    ck_assert_int_eq(fake_run(w.t, "gcquery", "--csv select zeroblob(100)"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, whole);
    json_t *json = fake_json(w.t, "gcquery", "select zeroblob(100) as b");
    ck_assert_str_eq(fake_string(json, "rows.0.b"), whole);
    json_decref(json);
    ck_assert_int_eq(fake_run(w.t, "gcquery", "select zeroblob(100)"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "00…'");
    world_free(&w);
}
END_TEST

START_TEST(columns_that_cost_are_computed_when_they_are_named)
{
    world w = chain(_i);
    json_t *json = fake_json(w.t, "gcquery", "select * from objects");
    ck_assert_ptr_null(json_object_get(json_array_get(fake_at(json, "rows"), 0), "leaked"));
    ck_assert_ptr_null(fake_at(json, "undecided"));
    json_decref(json);
    json = fake_json(w.t, "gcquery", "select id, retained, leaked, referrers from objects");
    ck_assert_ptr_nonnull(fake_at(json, "undecided"));
    ck_assert_int_eq(fake_integer(json, "rows.1.referrers"), 2);
    json_decref(json);
    /* cycles have the graph turn round, and count otherwise from then on */
    json = fake_json(w.t, "gcquery", "select count(*) as cycles from cycles");
    json_decref(json);
    json = fake_json(w.t, "gcquery", "select id, referrers from objects");
    ck_assert_int_eq(fake_integer(json, "rows.1.referrers"), 2);
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(what_cannot_be_read_makes_the_rows_incomplete)
{
    world w = chain(_i);
    uint64_t third =
        strtoull(rows(&w, "select address from objects where id = 'node#3'"), NULL, 16);
    w.t->hole_start = third;
    w.t->hole_end = third + 8;
    int status;
    json_t *json = fake_json_status(w.t, "gcquery", "--json select id from objects", &status);
    ck_assert(json_is_false(fake_at(json, "complete")));
    json_decref(json);
    world_free(&w);
}
END_TEST

START_TEST(a_heap_can_be_chosen)
{
    world w = chain(_i);
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    uint64_t other = fake_new(second, w.node, 1, 0);
    ck_assert_str_eq(rows(&w, "--heap=2 select id, heap from objects"), "node#6,2\n");
    ck_assert_str_eq(rows(&w, "--heap=2 select id from objects where type = 'node'"), "node#6\n");
    ck_assert_str_eq(rows(&w, "--heap=2 select id from objects where id = 'node#1'"), "");
    ck_assert_str_eq(rows(&w, "select heap, count(*) from objects group by heap"), "1,4\n2,1\n");
    (void)other;
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

/* What ?1 stands for in a shipped query; "": it has none. */
static const char *parameter_of(const char *sql)
{
    return !strstr(sql, "?1")           ? ""
           : strstr(sql, "type = ?1")   ? "node"
           : strstr(sql, "cast(?1 as ") ? "3"
                                        : "node#1";
}

/* Every one must find what it needs in whatever an earlier command left behind. */
START_TEST(shipped_queries_answer_alike_behind_each_command)
{
    static const char *const before[][2] = {
        {"objat", "--ledger --history node#1"},
        {"refs", "--weak node#1"},
        {"refs", "--path node#2"},
        {"refs", "--ledger node#2"},
        {"gcgraph", ""},
        {"gcgraph", "node#1"},
        {"gcfind", ""},
        {"gcfind", "--unreachable"},
        {"gcleaks", ""},
        {"gcstale", ""},
        {"gcstat", ""},
        {"gcverify", ""},
        {"gcexport", "--force inspect_query.sqlite"},
        {"gcdiff", "no-such-core"}, /* which cannot be answered here, nor can the next one */
        {"refwatch", "--type=node"},
        {"gcquery", "select * from cycles"},
        {"gcquery", "select source from refs where target in ('node#1', 'node#2')"}};
    enum { BEFORE = sizeof before / sizeof *before };
    world w = chain(_i);
    json_t *commands = json_loads(rhi_commands(), 0, NULL),
           *list = fake_json(w.t, "gcquery", "--list"), *command, *query;
    size_t at, number;
    json_array_foreach(commands, at, command)
    {
        unsigned found = 0;
        while (found < BEFORE && strcmp(before[found][0], fake_string(command, "name")) != 0)
            found++;
        ck_assert_msg(found < BEFORE, "%s is not tried", fake_string(command, "name"));
    }
    world_free(&w);
    ck_assert_uint_gt(fake_size(list, "queries"), 10);
    json_array_foreach(fake_at(list, "queries"), number, query)
    {
        char line[256], alone[4096];
        snprintf(line, sizeof line, "--file=%s %s", fake_string(query, "name"),
                 parameter_of(fake_string(query, "sql")));
        w = chain(_i);
        snprintf(alone, sizeof alone, "%s", rows(&w, line));
        world_free(&w);
        for (unsigned i = 0; i < BEFORE; i++) {
            w = chain(_i);
            int status = fake_run(w.t, before[i][0], before[i][1]);
            ck_assert_msg(status != RHI_NO_ANSWER || strstr("gcdiff refwatch", before[i][0]),
                          "%s: %s", before[i][0], w.t->err.bytes);
            ck_assert_msg(strcmp(rows(&w, line), alone) == 0, "%s behind %s %s: %s, alone %s", line,
                          before[i][0], before[i][1], w.t->out.bytes, alone);
            world_free(&w);
        }
    }
    json_decref(commands);
    json_decref(list);
}
END_TEST

START_TEST(one_question_may_count_referrers_and_find_cycles)
{
    world w = chain(_i);
    ck_assert_str_eq(rows(&w, "select count(*) from cycles union all "
                              "select referrers from objects where id = 'node#2'"),
                     "1\n2\n");
    world_free(&w);
}
END_TEST

START_TEST(tables_are_listed_as_text)
{
    world w = chain(_i);
    ck_assert_int_eq(fake_run(w.t, "gcquery", "--tables"), RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "objects: the objects, as gcfind lists them\n  id ");
    ck_assert_has(w.t->out.bytes, "\n\nrefs: the references in objects");
    ck_assert_has_not(w.t->out.bytes, "?");
    world_free(&w);
}
END_TEST

static bool is_complete(const world *w, const char *sql)
{
    char line[512];
    int status;
    snprintf(line, sizeof line, "--json %s", sql);
    json_t *json = fake_json_status(w->t, "gcquery", line, &status);
    bool complete = json_is_true(fake_at(json, "complete"));
    json_decref(json);
    return complete;
}

static const char *const lookups_of_third[] = {
    "select id from objects where id = 'node#3'",
    "select id from objects where id in ('node#9', 'node#3')",
    "select count(*) from refs where source = 'node#3'",
    "select count(*) from refs where target = 'node#3'",
    "select count(*) from fields where object = 'node#3'",
    "select count(*) from holders where target = 'node#3'",
    "select count(*) from cycle_members where object = 'node#3'",
    "select id from objects where address = '0x%" PRIx64 "'",
    "select count(*) from refs where source_address = '0x%" PRIx64 "'",
    "select count(*) from fields where object_address = '0x%" PRIx64 "'"};

/* In a session of its own: an answer must not rest on what an earlier question found. */
static bool is_third_complete(int layout, unsigned lookup, void (*harm)(world *, uint64_t))
{
    char sql[256];
    world w = chain(layout);
    uint64_t third =
        strtoull(rows(&w, "select address from objects where id = 'node#3'"), NULL, 16);
    world_free(&w);
    w = chain(layout);
    harm(&w, third);
    snprintf(sql, sizeof sql, lookups_of_third[lookup], third);
    bool complete = is_complete(&w, sql);
    world_free(&w);
    return complete;
}

static void leave(world *w, uint64_t object)
{
    (void)w, (void)object;
}

static void harm_type(world *w, uint64_t object)
{
    fake_put(w->t, object + w->space->c[RH_MC_object_type], 0x6161, 2);
}

static void harm_serial(world *w, uint64_t object)
{
    fake_put(w->t, object + w->space->c[RH_MC_object_serial], 0, 8);
}

static void harm_bitmap(world *w, uint64_t object)
{
    uint64_t bit, word = fake_bitmap_word(w->heap, RH_MC_slab_live, object, &bit);
    fake_put(w->t, word, fake_get(w->t, word, 8) & ~bit, 8);
}

static void unmap_header(world *w, uint64_t object)
{
    w->t->hole_start = object;
    w->t->hole_end = object + 8;
}

START_TEST(a_lookup_of_what_is_damaged_is_incomplete)
{
    static void (*const harms[])(world *, uint64_t) = {harm_type, harm_serial, harm_bitmap,
                                                       unmap_header};
    for (unsigned i = 0; i < sizeof lookups_of_third / sizeof *lookups_of_third; i++) {
        /* whether something holds it is not known here: all memory is searched for that */
        ck_assert_msg(strstr(lookups_of_third[i], "holders") || is_third_complete(_i, i, leave),
                      "%s", lookups_of_third[i]);
        for (unsigned k = 0; k < sizeof harms / sizeof *harms; k++)
            ck_assert_msg(!is_third_complete(_i, i, harms[k]), "%s, harm %u", lookups_of_third[i],
                          k);
    }
}
END_TEST

START_TEST(a_lookup_of_what_is_whole_is_complete)
{
    world w = chain(_i);
    harm_type(&w, strtoull(rows(&w, "select address from objects where id = 'node#3'"), NULL, 16));
    ck_assert(!is_complete(&w, "select id from objects"));
    ck_assert(is_complete(&w, "select id from objects where id = 'node#2'"));
    ck_assert(is_complete(&w, "select id from objects where id in ('node#2', 'node#4')"));
    ck_assert(is_complete(&w, "select id from objects where address = 16"));
    ck_assert(is_complete(&w, "select target from refs where source = 'node#4'"));
    world_free(&w);
}
END_TEST

START_TEST(a_heap_in_motion_is_provisional)
{
    static const char *const questions[] = {
        "select refcount from objects", "select state from objects where id = 'node#1'",
        "select count(*) from fields", "select * from types", "select id, leaked from objects"};
    for (unsigned i = 0; i < sizeof questions / sizeof *questions; i++) {
        world w = chain(_i);
        json_t *json = fake_json(w.t, "gcquery", questions[i]);
        ck_assert_msg(json_is_false(fake_at(json, "provisional")), "%s", questions[i]);
        json_decref(json);
        world_free(&w);
        w = chain(_i);
        fake_phase(w.heap, RH_PHASE_FREEING);
        json = fake_json(w.t, "gcquery", questions[i]);
        ck_assert_msg(json_is_true(fake_at(json, "provisional")), "%s", questions[i]);
        json_decref(json);
        ck_assert_int_eq(fake_run(w.t, "gcquery", questions[i]), RHI_ANSWERED);
        ck_assert_has(w.t->out.bytes, "provisional: heap 1 is freeing: its counts are in motion");
        char line[128];
        snprintf(line, sizeof line, "--csv %s", questions[i]);
        ck_assert_int_eq(fake_run(w.t, "gcquery", line), RHI_ANSWERED);
        ck_assert_has(w.t->err.bytes, "provisional: counts are in motion");
        world_free(&w);
    }
}
END_TEST

static const uint64_t start_ns = 1700000000000000000ull, second_ns = 1000000000ull;

static void ring_event(const world *w, enum rh_event kind, uint64_t object)
{
    fake_ring_event(w->heap, kind, object, fake_serial(w->heap, object), 0, w->node,
                    kind == RH_EVENT_FREE ? RH_DEATH_RELEASE : RH_DEATH_NONE, 0);
}

START_TEST(events_of_all_rings_are_told_newest_first)
{
    world w = world_new(_i);
    fake_heap *second = fake_heap_new(w.space, 2, "second");
    uint64_t n[3], other;
    for (unsigned i = 0; i < 3; i++)
        n[i] = new_node(&w, 1);
    other = fake_new(second, w.node, 1, 0);
    fake_ring_mark(w.heap, 0, start_ns + 10 * second_ns, 77);
    for (unsigned i = 0; i < 3; i++)
        ring_event(&w, RH_EVENT_ALLOC, n[i]);
    fake_ring_mark(w.heap, 3, start_ns + 50 * second_ns, 77);
    ring_event(&w, RH_EVENT_FREE, n[2]);
    ring_event(&w, RH_EVENT_FREE, n[1]);
    ring_event(&w, RH_EVENT_FREE, n[0]); /* from the 50th second on: an object dies last */
    fake_traced_event(w.heap, 0, start_ns + 51 * second_ns, RH_EVENT_RETAIN, n[0], 1, w.node);
    fake_traced_event(w.heap, 1, start_ns + 53 * second_ns, RH_EVENT_RELEASE, n[0], 1, w.node);
    fake_ring_mark(second, 0, start_ns + 52 * second_ns, 77);
    fake_ring_event(second, RH_EVENT_ALLOC, other, 4, 0, w.node, RH_DEATH_NONE, 0);
    ck_assert_str_eq(rows(&w, "select event, traced, kind, id, heap from history"),
                     "5,0,free,node#1,1\n1,1,release,node#1,1\n0,0,alloc,node#4,2\n"
                     "0,1,retain,node#1,1\n4,0,free,node#2,1\n3,0,free,node#3,1\n"
                     "2,0,alloc,node#3,1\n1,0,alloc,node#2,1\n0,0,alloc,node#1,1\n");
    /* events that are found on several ways are told apart, and each is one row */
    ck_assert_str_eq(
        rows(&w, "select event, traced, kind, id from history where id = 'node#1' or "
                 "id in ('node#2', 'node#4') or id = 'node#1 ' order by id, traced, event"),
        "0,0,alloc,node#1\n5,0,free,node#1\n0,1,retain,node#1\n"
        "1,1,release,node#1\n1,0,alloc,node#2\n4,0,free,node#2\n"
        "0,0,alloc,node#4\n");
    ck_assert_str_eq(w.t->err.bytes, "");
    fake_heap_free(second);
    world_free(&w);
}
END_TEST

START_TEST(a_history_says_what_is_forgotten)
{
    world w = world_new(_i);
    uint64_t node = new_node(&w, 1);
    fake_ring_mark(w.heap, 99942, start_ns, 77);
    ring_event(&w, RH_EVENT_FREE, node);
    fake_traced_event(w.heap, 7, start_ns, RH_EVENT_RETAIN, node, 1, w.node);
    ck_assert_int_eq(fake_run(w.t, "gcquery", "select count(*) from history where kind = 'free'"),
                     RHI_ANSWERED);
    ck_assert_has(w.t->out.bytes, "note: heap 1: its history begins at event 99942: what was "
                                  "before is forgotten\n");
    ck_assert_has(w.t->out.bytes, "note: heap 1: that of traced objects begins at traced event 7");
    json_t *json = fake_json(w.t, "gcquery", "select count(*) from history");
    ck_assert_int_eq(fake_integer(json, "rows.0.count(*)"), 2);
    ck_assert_has(fake_string(json, "notes.0"), "event 99942");
    json_decref(json);
    ck_assert_str_eq(rows(&w, "--file=deaths-by-place"), "node,release,,,,1\n");
    ck_assert_has(w.t->err.bytes, "note: heap 1: its history begins at event 99942");
    ck_assert_str_eq(rows(&w, "select 1"), "1\n");
    ck_assert_str_eq(w.t->err.bytes, "");
    world_free(&w);
}
END_TEST

START_TEST(the_kinds_of_events_are_listed)
{
    world w = chain(_i);
    ck_assert_int_eq(fake_run(w.t, "gcquery", "--tables"), RHI_ANSWERED);
    const char *kind = strstr(strstr(w.t->out.bytes, "\nhistory: "), "  kind ");
    char line[256];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(kind, "\n"), kind);
    static const char *const words[] = {"alloc",        "free",    "finalize", "resurrect",
                                        "last release", " retain", " release,"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        ck_assert_has(line, words[i]);
    world_free(&w);
}
END_TEST

START_TEST(serials_tell_which_birth_was_first)
{
    world w = world_new(_i);
    uint64_t first = new_node(&w, 1), second = new_node(&w, 1);
    fake_ring_mark(w.heap, 0, start_ns + 50 * second_ns, 77); /* or later */
    ring_event(&w, RH_EVENT_ALLOC, second);
    ring_event(&w, RH_EVENT_FREE, second);
    fake_traced_event(w.heap, 0, start_ns + 55 * second_ns, RH_EVENT_ALLOC, first, 1, w.node);
    fake_traced_event(w.heap, 1, start_ns + 60 * second_ns, RH_EVENT_RETAIN, first, 1, w.node);
    ck_assert_str_eq(rows(&w, "select event, traced, kind, id from history"),
                     "1,1,retain,node#1\n1,0,free,node#2\n0,0,alloc,node#2\n0,1,alloc,node#1\n");
    world_free(&w);
}
END_TEST

/* Who asks about each element of a list must not read the list as often: of a larger one that would
 * be more than a question may read. */
START_TEST(holders_of_all_elements_of_a_large_list_are_told)
{
    enum { ITEMS = 0, ITEM_COUNT = 8, MANY = 14000 };
    static const fake_field fields[] = {FAKE_VECTOR("items", ITEMS, ITEM_COUNT)};
    static uint64_t items[2 * MANY];
    world w = world_new(_i);
    uint32_t bag = fake_type(w.space, "bag", 16, fields, 1);
    uint64_t list = fake_new(w.heap, bag, 1, 0);
    for (unsigned i = 0; i < MANY; i++)
        items[i] = items[MANY + i] = new_node(&w, 2);
    fake_vector(w.heap, list, ITEMS, ITEM_COUNT, items, 2 * MANY);
    w.t->stop_after_reads = ULONG_MAX; /* they are counted then */
    json_t *json =
        fake_json(w.t, "gcquery", "select count(*), count(distinct target) from holders");
    ck_assert_int_eq(fake_integer(json, "rows.0.count(*)"), 2 * MANY);
    ck_assert_int_eq(fake_integer(json, "rows.0.count(distinct target)"), MANY);
    ck_assert_uint_lt(w.t->reads, MANY);
    json_decref(json);
    world_free(&w);
}
END_TEST

/* A bag of so many nodes, in a session whose questions may read `question` bytes of references, and
 * `pass` in one pass over all objects. */
static world bag_with_room(int layout, unsigned count, uint64_t question, uint64_t pass)
{
    enum { ITEMS = 0, ITEM_COUNT = 8 };
    static const fake_field fields[] = {FAKE_VECTOR("items", ITEMS, ITEM_COUNT)};
    static uint64_t items[1000];
    world w = world_new(layout);
    uint64_t list = fake_new(w.heap, fake_type(w.space, "bag", 16, fields, 1), 1, 0);
    for (unsigned i = 0; i < count; i++)
        items[i] = new_node(&w, 1);
    fake_vector(w.heap, list, ITEMS, ITEM_COUNT, items, count);
    rows(&w, "select count(*) from objects"); /* the heap is open from here on */
    rhi_reader *reader = w.t->session->reader;
    reader->memory->core_bytes = 0;
    reader->question_least = question;
    reader->pass_least = pass;
    return w;
}

/* A join reads a table many times: each time as much as one that reads it once. */
START_TEST(each_scan_of_a_join_may_read_as_much_as_the_first)
{
    enum { COUNT = 1000, VECTOR = COUNT * 8 /* bytes */ };
    static const char join[] = "with recursive n(i) as (select 1 union all select i + 1 from n "
                               "where i < 50) select count(*) from n cross join refs",
                      lookups[] = "with recursive n(i) as (select 1 union all select i + 1 from n "
                                  "where i < 50) select count(*) from n cross join refs where "
                                  "source = iif(i, 'bag#1', '')";
    world w = bag_with_room(_i, COUNT, 20 * VECTOR, 10 * VECTOR);
    ck_assert_str_eq(rows(&w, "select count(*) from refs"), "1000\n");
    ck_assert_str_eq(w.t->err.bytes, "");
    ck_assert_str_eq(rows(&w, join), "50000\n");
    ck_assert_str_eq(w.t->err.bytes, "");
    ck_assert_str_eq(rows(&w, lookups), "50000\n");
    ck_assert_str_eq(w.t->err.bytes, "");
    ck_assert(is_complete(&w, join) && is_complete(&w, lookups));
    world_free(&w);
}
END_TEST

/* One pass ends where it has read more than it may, and says so; so do its like. */
START_TEST(what_a_pass_may_not_read_is_left_out_and_told)
{
    enum { COUNT = 1000, VECTOR = COUNT * 8 };
    static const char *const questions[] = {
        "select * from refs", "select * from refs where source = 'bag#1'",
        "select count(*) from objects o, refs r", "select * from fields"};
    for (unsigned i = 0; i < sizeof questions / sizeof *questions; i++) {
        world w = bag_with_room(_i, COUNT, VECTOR / 2, VECTOR / 4);
        ck_assert_int_eq(fake_run(w.t, "gcquery", questions[i]), RHI_ANSWERED);
        ck_assert_has(w.t->out.bytes, "than the core has words: the rest is left out");
        ck_assert_msg(!is_complete(&w, questions[i]), "%s", questions[i]);
        world_free(&w);
    }
}
END_TEST

/* SQLite's integers end with 2^63-1, and what follows is a text, which is more than each of them.
 */
START_TEST(an_unsigned_number_is_never_another_one)
{
    static const fake_field fields[] = {FAKE_ONE("most", RH_KIND_UINT, 0, 8)};
    world w = world_new(_i);
    uint32_t type = fake_type(w.space, "meter", 16, fields, 1);
    uint64_t meter = fake_new(w.heap, type, 1, 0);
    const char *sql = "select value, typeof(value), value > 5 from fields where object = 'meter#1'";
    fake_put(w.t, fake_slot(w.space, meter, 0), UINT64_MAX, 8);
    ck_assert_str_eq(rows(&w, sql), "18446744073709551615,text,1\n");
    json_t *json = fake_json(w.t, "objat", "meter#1");
    ck_assert_str_eq(fake_string(json, "fields.0.value"), "18446744073709551615");
    json_decref(json);
    fake_put(w.t, fake_slot(w.space, meter, 0), 1ull << 63, 8);
    w.t->state++;
    ck_assert_str_eq(rows(&w, sql), "9223372036854775808,text,1\n");
    fake_put(w.t, fake_slot(w.space, meter, 0), INT64_MAX, 8);
    w.t->state++;
    ck_assert_str_eq(rows(&w, sql), "9223372036854775807,integer,1\n");
    json = fake_json(w.t, "objat", "meter#1");
    ck_assert_int_eq(fake_integer(json, "fields.0.value"), INT64_MAX);
    json_decref(json);
    world_free(&w);
}
END_TEST

RUN_TESTS("inspect_query", an_unsigned_number_is_never_another_one,
          holders_of_all_elements_of_a_large_list_are_told,
          each_scan_of_a_join_may_read_as_much_as_the_first,
          what_a_pass_may_not_read_is_left_out_and_told, a_lookup_gives_the_rows_of_a_search,
          addresses_are_the_texts_of_cells, weak_references_are_found_by_each_lookup,
          a_number_is_found_in_every_spelling, plans_say_what_is_looked_up,
          questions_that_call_themselves_walk_the_graph, only_questions_are_answered,
          a_wrong_question_is_told_what_there_is, what_a_question_may_take_is_bounded,
          rows_in_every_form, each_column_has_a_key_of_its_own,
          a_blob_is_whole_in_what_programs_read, columns_that_cost_are_computed_when_they_are_named,
          what_cannot_be_read_makes_the_rows_incomplete, a_heap_can_be_chosen,
          shipped_queries_answer_alike_behind_each_command,
          one_question_may_count_referrers_and_find_cycles, tables_are_listed_as_text,
          a_lookup_of_what_is_damaged_is_incomplete, a_lookup_of_what_is_whole_is_complete,
          a_heap_in_motion_is_provisional, events_of_all_rings_are_told_newest_first,
          a_history_says_what_is_forgotten, the_kinds_of_events_are_listed,
          serials_tell_which_birth_was_first)
