/* catalog.c - lists tables and questions (see catalog.h). */
#include "query/catalog.h"
#include "query/shipped.h"
#include "query/table.h"
#include "render/output.h"

#include <stdio.h>
#include <string.h>

enum { ABOUT_SIZE = 200 };

static const char *const type_words[] = {"text", "integer", "any"};
static const char *const cost_words[] = {NULL, "the graph", "what is retained", "a search"};

static void print_columns(rhi_session *session, const rhi_table *table)
{
    for (unsigned i = 0; i < table->column_count; i++) {
        const rhi_column *column = &table->columns[i];
        rhi__print(session, "  %-18s %-8s %s%s%s%s%s\n", column->name, type_words[column->type],
                   column->doc, column->rows ? " [lookup]" : "", column->cost ? " [needs " : "",
                   column->cost ? cost_words[column->cost] : "", column->cost ? "]" : "");
    }
}

static json_t *columns_json(const rhi_table *table)
{
    json_t *columns = json_array();
    for (unsigned i = 0; i < table->column_count; i++) {
        const rhi_column *column = &table->columns[i];
        json_array_append_new(columns, json_pack("{s:s, s:s, s:s, s:b, s:s?, s:b}", "name",
                                                 column->name, "type", type_words[column->type],
                                                 "doc", column->doc, "lookup", column->rows != 0,
                                                 "cost", cost_words[column->cost], "hidden",
                                                 (int)rhi__is_hidden(column)));
    }
    return columns;
}

static const rhi_json_type column_type = {
    .name = "column",
    .doc = "A column of a table.",
    .members = (const rhi_json_member[]){
        {"name", .is = RHI_JSON_TEXT, "its name"},
        {"type", .is = RHI_JSON_TEXT, "of its values", .words = "text|integer|any"},
        {"doc", .is = RHI_JSON_TEXT, "what it is"},
        {"lookup", .is = RHI_JSON_BOOLEAN, "rows are found by it, without a search"},
        {"cost", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "what has to be computed for it; null: nothing"},
        {"hidden", .is = RHI_JSON_BOOLEAN, "it is no part of *"},
        {NULL}}};

const rhi_json_type rhi__gcquery_tables_type = {
    .name = "gcquery_tables",
    .doc = "With --tables: what can be asked about.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"tables", .is = RHI_JSON_LIST, "the tables",
         .members = (const rhi_json_member[]){{"table", .is = RHI_JSON_TEXT, "its name"},
                                              {"doc", .is = RHI_JSON_TEXT, "what its rows are"},
                                              {"cost", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
                                               "what has to be computed for it; null: nothing"},
                                              {"columns", .is = RHI_JSON_LIST, "its columns",
                                               .of = {&column_type}},
                                              {NULL}}},
        {NULL}}};

void rhi__show_tables(rhi_session *session)
{
    const rhi_table *table;
    if (session->json) {
        rhi__json_begin(session);
        rhi__json_array(session, "tables");
    }
    for (unsigned i = 0; (table = rhi__table(i)); i++) {
        if (session->json) {
            rhi__json_item(session, json_pack("{s:s, s:s, s:s?, s:o}", "table", table->name, "doc",
                                              table->doc, "cost", cost_words[table->cost],
                                              "columns", columns_json(table)));
            continue;
        }
        rhi__print(session, i ? "\n" : ""); /* a format: it is kept */
        rhi__print(session, "%s: %s%s%s%s\n", table->name, table->doc,
                   table->cost ? " [needs " : "", table->cost ? cost_words[table->cost] : "",
                   table->cost ? "]" : "");
        print_columns(session, table);
    }
    if (!session->json) {
        rhi__print(session, "\nWhat needs something is no part of *, and computed where a question "
                            "names it.\n");
        return;
    }
    rhi__json_array_end(session);
    rhi__json_key(session, "complete", json_true());
    rhi__json_close(session);
}

const rhi_json_type rhi__gcquery_list_type = {
    .name = "gcquery_list",
    .doc = "With --list: the questions that are shipped.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"queries", .is = RHI_JSON_LIST, "the questions",
         .members = (const rhi_json_member[]){{"name", .is = RHI_JSON_TEXT, "for --file"},
                                              {"doc", .is = RHI_JSON_TEXT, "what it asks"},
                                              {"sql", .is = RHI_JSON_TEXT, "the question itself"},
                                              {NULL}}},
        {NULL}}};

void rhi__show_shipped(rhi_session *session)
{
    const rhi_shipped *shipped;
    char about[ABOUT_SIZE];
    if (session->json) {
        rhi__json_begin(session);
        rhi__json_array(session, "queries");
    }
    for (unsigned i = 0; (shipped = rhi__shipped(i)); i++) {
        rhi__shipped_about(shipped, about, sizeof about);
        if (session->json)
            rhi__json_item(session, json_pack("{s:s, s:s, s:s}", "name", shipped->name, "doc",
                                              about, "sql", shipped->sql));
        else
            rhi__print(session, "%-22s %s\n", shipped->name, about);
    }
    if (!session->json) {
        rhi__print(session, "\nAsk one with --file=NAME; behind it, what ?1 stands for.\n");
        return;
    }
    rhi__json_array_end(session);
    rhi__json_key(session, "complete", json_true());
    rhi__json_close(session);
}
