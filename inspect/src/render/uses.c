/* uses.c - which code of the program fills and uses a variable, for people and in JSON (see
 * uses.h). */
#include "render/uses.h"
#include "heap/objects.h"
#include "questions/selection.h"
#include "render/output.h"
#include "render/sentences.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kind_words[] = {"fills", "sets", "empties", "unsets", "passes", "reads"};
_Static_assert(sizeof kind_words / sizeof *kind_words == RHI_USE_KINDS, "a word for each kind");

/* "  answer() at service.py:57      cache[…] = …" */
static void print_row(rhi_session *session, const rhi_use_row *row)
{
    enum { PLACE_SIZE = 512 };
    char place[PLACE_SIZE], line[16] = "";
    if (row->line)
        snprintf(line, sizeof line, ":%" PRIu32, row->line);
    snprintf(place, sizeof place, "%s%s at %s%s", row->is_guess ? "possibly " : "", row->function,
             row->name, line);
    rhi__print(session, "  %-36s %s\n", place, row->text);
}

/* Those that fill it, or the others. */
static void print_rows(rhi_session *session, const rhi_uses_of *of, bool fill, uint64_t limit)
{
    uint64_t shown = 0, more = fill ? 0 : of->left_out;
    for (uint64_t i = 0; i < of->rows.count; i++) {
        const rhi_use_row *row = &of->rows.items[i];
        if ((row->kind == RHI_USE_FILLS) != fill)
            continue;
        if (shown < limit)
            print_row(session, row);
        else
            more++;
        shown++;
    }
    rhi__print_more(session, "  ", more, NULL);
}

static void print_of(rhi_session *session, const rhi_uses_of *of, uint64_t limit)
{
    uint64_t fill = 0;
    for (uint64_t i = 0; i < of->rows.count; i++)
        fill += of->rows.items[i].kind == RHI_USE_FILLS;
    if (fill) {
        rhi__print(session, "code that can fill %s:\n", of->name);
        print_rows(session, of, true, limit);
    }
    if (of->rows.count > fill) {
        rhi__print(session, fill ? "other code that names it:\n" : "code that names %s:\n",
                   of->name);
        print_rows(session, of, false, limit);
    }
    if (of->rows.count == 0)
        rhi__print(session, "code that names %s: none was found\n", of->name);
    if (of->unread)
        rhi__print(session, "  code of %" PRIu64 " function%s cannot be read\n", of->unread,
                   rhi__plural(of->unread));
}

void rhi__uses_print(rhi_session *session, const rhi_uses *uses, uint64_t limit)
{
    uint64_t rows = 0;
    for (unsigned i = 0; i < uses->count; i++)
        rows += uses->items[i].rows.count;
    for (unsigned i = 0; i < uses->count; i++)
        if (uses->items[i].rows.count || rows == 0) /* of several names some are not used */
            print_of(session, &uses->items[i], limit);
    if (uses->left_out)
        rhi__print(session, "… %" PRIu64 " more variable%s that code names\n", uses->left_out,
                   rhi__plural(uses->left_out));
}

static const rhi_json_type use_type = {
    .name = "use",
    .doc = "A line of code that names a variable. Whether it ever ran, code does not tell.",
    .members = (const rhi_json_member[]){
        {"does", .is = RHI_JSON_TEXT,
         "what it can do: put something into the variable's value, have the variable hold "
         "something else, take something out, delete the variable, hand the value on, or read it",
         .words = "fills|sets|empties|unsets|passes|reads"},
        {"function", .is = RHI_JSON_TEXT, "as answer(), Store.put(), <module>"},
        {"file", .is = RHI_JSON_TEXT, "as the code has it"},
        {"line", .is = RHI_JSON_COUNT | RHI_JSON_NULL, "null: not known"},
        {"text", .is = RHI_JSON_TEXT, "in short, as cache[…] = …"},
        {"possible", .is = RHI_JSON_BOOLEAN,
         "true: it names a variable that is perhaps another one"},
        {0}}};

const rhi_json_type rhi__used_type = {
    .name = "used",
    .doc = "A variable, and the code of the program that names it.",
    .members = (const rhi_json_member[]){
        {"name", .is = RHI_JSON_TEXT, "as app.cache; of an attribute: Store.sessions"},
        {"holds", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the name of the object that it holds"},
        {"code", .is = RHI_JSON_ROWS, "code that names it", .of = {&use_type}},
        {"unread", .is = RHI_JSON_COUNT, "functions whose code cannot be read"},
        {0}}};

static json_t *row_json(const rhi_use_row *row)
{
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b}", "does", kind_words[row->kind], "function",
                     rhi__json_text(row->function), "file", rhi__json_text(row->file), "line",
                     row->line ? json_integer(row->line) : json_null(), "text",
                     rhi__json_text(row->text), "possible", row->is_guess);
}

static json_t *of_json(rhi_session *session, rhi_reader *reader, const rhi_uses_of *of,
                       uint64_t limit)
{
    char id[RHI_ID_SIZE] = "";
    json_t *rows = json_array();
    for (uint64_t i = 0; i < of->rows.count && i < limit; i++)
        json_array_append_new(rows, row_json(&of->rows.items[i]));
    rhi__index_id(session, reader, rhi__object_of(reader, of->slot.value), id, sizeof id);
    json_t *json = json_pack("{s:o, s:s?, s:o, s:o}", "name", rhi__json_text(of->name), "holds",
                             id[0] ? id : NULL, "code", rows, "unread", rhi__json_u64(of->unread));
    if (of->rows.count + of->left_out > limit || of->left_out)
        json_object_set_new(json, "code_total", rhi__json_u64(of->rows.count + of->left_out));
    return json;
}

void rhi__uses_json(rhi_session *session, rhi_reader *reader, const rhi_uses *uses, uint64_t limit)
{
    if (uses->count == 0)
        return;
    rhi__json_array(session, "variables");
    for (unsigned i = 0; i < uses->count; i++)
        rhi__json_item(session, of_json(session, reader, &uses->items[i], limit));
    rhi__json_array_end(session);
    if (uses->left_out)
        rhi__json_key(session, "variables_total", rhi__json_u64(uses->count + uses->left_out));
}
