/* gcdiff.c - what was born, died and grew, for people and in JSON (see gcdiff.h).
 *
 * Invariant: where not all of a moment could be read, nothing is said to be born or dead: it was
 * not found there. */
#include "render/gcdiff.h"
#include "heap/objects.h"
#include "render/file.h"
#include "render/objects.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/value.h"
#include "words/edges.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const rhi_diff_moment *last_of(const rhi_gcdiff *answer)
{
    return &answer->moments[answer->moment_count - 1];
}

static bool is_provisional(const rhi_gcdiff *answer)
{
    for (uint64_t m = 0; m < answer->moment_count; m++)
        if (answer->moments[m].moment.snapshot->provisional)
            return true;
    return false;
}

/* The object of a row of the last moment, if its target is at hand. */
static bool object_of(const rhi_gcdiff *answer, const rhi_snapshot_row *row, rhi_reader **reader,
                      rhi_object *object)
{
    rhi_session *session = last_of(answer)->moment.session;
    *reader = session ? session->reader : NULL;
    return session && rhi__object_at_index(session, *reader, row->index, object);
}

/* "app.c:12 in run()", "app.c:12" */
static void site_text(const rhi_snapshot_site *site, char text[RHI_SITE_SIZE])
{
    rhi_site shown = {.line = site->line,
                      .file = site->file,
                      .name = site->file + site->name_at,
                      .function = site->function};
    rhi__site_text(&shown, text);
}

/* ---- text ----------------------------------------------------------------------------------- */

/* "100 → 150 → 230"; of many moments the first ones and the last. */
static void numbers_text(const rhi_gcdiff *answer, const uint64_t *numbers, char *text, size_t size)
{
    enum { SHOWN = 4 };
    size_t used = 0;
    text[0] = '\0';
    for (uint64_t m = 0; m < answer->moment_count && used < size; m++) {
        bool is_left_out = m >= SHOWN && m + 1 < answer->moment_count;
        if (is_left_out && m > SHOWN)
            continue;
        rhi__text(text + used, size - used, is_left_out ? "%s…" : "%s%lu", m ? " → " : "",
                  numbers[m]);
        used += strlen(text + used);
    }
}

static const char *born_word(const rhi_gcdiff *answer)
{
    return answer->born_is_known ? "born" : "not seen before";
}

static const char *died_word(const rhi_gcdiff *answer)
{
    return answer->died_is_known ? "died" : "not found";
}

/* "+120", "-16" */
enum { SIGNED_SIZE = 24 };
static const char *signed_text(int64_t number, char text[SIGNED_SIZE])
{
    snprintf(text, SIGNED_SIZE, "%+" PRId64, number);
    return text;
}

/* Rows of Python's are the least that there were. */
static void print_row(const rhi_gcdiff *answer, const rhi_diff_row *row)
{
    enum { NUMBERS_SIZE = 160 };
    char objects[NUMBERS_SIZE], name[RHI_SITE_SIZE], born[32], died[32], growth[SIGNED_SIZE];
    const char *least = row->is_exact ? "" : "≥ ";
    numbers_text(answer, row->objects, objects, sizeof objects);
    rhi__text(born, sizeof born, "%s%lu", row->born ? least : "", row->born);
    rhi__text(died, sizeof died, "%s%lu", row->died ? least : "", row->died);
    if (row->site)
        site_text(row->site, name);
    else
        rhi__text(name, sizeof name, "%s", row->type ? row->type->name : "(no line is known)");
    rhi__print(answer->session, "  %10s %10s %14s  %-24s  %s%s\n", born, died,
               signed_text(rhi__growth(answer, row->bytes), growth), objects, name,
               answer->moment_count > 2 && row->grew_each_time ? "  (grew each time)" : "");
}

static void print_rows(const rhi_gcdiff *answer, const rhi_diff_rows *rows, const char *what,
                       uint64_t limit)
{
    if (rows->count)
        rhi__print(answer->session, "  %10s %10s %14s  %-24s  %s\n",
                   answer->born_is_known ? "born" : "not before",
                   answer->died_is_known ? "died" : "not found", "bytes", "objects", what);
    for (uint64_t i = 0; i < rows->count && i < limit; i++)
        print_row(answer, &rows->items[i]);
    if (rows->count > limit)
        rhi__print_more(answer->session, "  ", rows->count - limit, what);
}

static void print_born(const rhi_gcdiff *answer)
{
    char id[RHI_ID_SIZE], text[RHI_SITE_SIZE], value[RHI_VALUE_SIZE];
    rhi_session *session = answer->session;
    const rhi_snapshot *s = last_of(answer)->moment.snapshot;
    if (answer->born.total)
        rhi__print(session, "%s:\n", born_word(answer));
    for (uint64_t i = 0; i < answer->born.count; i++) {
        const rhi_snapshot_row *row = answer->born.items[i];
        const rhi_snapshot_class *kind = &s->classes.items[row->kind];
        rhi_reader *reader;
        rhi_object object;
        rhi__snapshot_id(s, row, id, sizeof id);
        bool is_there = object_of(answer, row, &reader, &object);
        rhi__print(session, "  %-28s", id);
        if (is_there && rhi__snapshot_space(s, kind->heap)->has_serials) /* else it is named so */
            rhi__print(session, " 0x%lx ", object.address);
        rhi__print(session, " %lu bytes", kind->size);
        if (kind->site != RHI_NO_SITE) {
            site_text(&s->sites.items[kind->site], text);
            rhi__print(session, ", %s", text);
        }
        value[0] = '\0';
        if (is_there)
            rhi__value(reader, &object, value);
        rhi__print(session, "%s%s\n", value[0] ? "," : "", value);
    }
    rhi__print_more(session, "  ", answer->born.total - answer->born.count, NULL);
}

static void print_died(const rhi_gcdiff *answer)
{
    char id[RHI_ID_SIZE];
    const rhi_snapshot *s = answer->moments[0].moment.snapshot;
    if (answer->died.total)
        rhi__print(answer->session, "%s:\n", died_word(answer));
    for (uint64_t i = 0; i < answer->died.count; i++) {
        rhi__snapshot_id(s, answer->died.items[i], id, sizeof id);
        rhi__print(answer->session, "  %s\n", id);
    }
    rhi__print_more(answer->session, "  ", answer->died.total - answer->died.count, NULL);
}

void rhi__gcdiff_print(const rhi_gcdiff *answer, uint64_t limit)
{
    rhi_session *s = answer->session;
    const char *least = answer->is_exact ? "" : "at least ";
    char growth[SIGNED_SIZE];
    for (uint64_t m = 0; m < answer->moment_count; m++)
        rhi__print(s, "%s%s", m ? " → " : "", answer->moments[m].moment.name);
    rhi__print(s, ": %s%lu %s, %s%lu %s, %s%lu survived; %s bytes\n", least, answer->born.total,
               born_word(answer), least, answer->died.total, died_word(answer),
               answer->is_exact ? "" : "at most ", answer->survived,
               signed_text((int64_t)(last_of(answer)->bytes - answer->moments[0].bytes), growth));
    print_rows(answer, &answer->types, "type", limit);
    if (answer->has_sites)
        print_rows(answer, &answer->sites, "line", limit);
    print_born(answer);
    print_died(answer);
    if (!answer->is_exact)
        rhi__print(s, "not exact by object: Python's objects have no serials; one of the same type "
                      "at the same address is perhaps the same\n");
    if (is_provisional(answer))
        rhi__print(s, "provisional: a heap was stopped in the midst of a collection\n");
    rhi__print_incomplete(s);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *signed_json(int64_t number)
{
    return json_integer((json_int_t)number);
}

static json_t *numbers_json(const rhi_gcdiff *answer, const uint64_t *numbers)
{
    json_t *json = json_array();
    for (uint64_t m = 0; m < answer->moment_count; m++)
        json_array_append_new(json, rhi__json_u64(numbers[m]));
    return json;
}

/* What is known of it: null where not all could be read. */
static json_t *known_json(bool is_known, uint64_t number)
{
    return is_known ? rhi__json_u64(number) : json_null();
}

static json_t *row_json(const rhi_gcdiff *answer, const rhi_diff_row *row)
{
    json_t *json = json_object();
    if (row->type) {
        json_object_set_new(json, "type", rhi__json_text(row->type->name));
        json_object_set_new(json, "qualified",
                            row->type->qualified[0] ? rhi__json_text(row->type->qualified)
                                                    : json_null());
        json_object_set_new(json, "format", rhi__json_text(row->format));
    } else {
        json_object_set_new(json, "file",
                            row->site ? rhi__json_text(row->site->file) : json_null());
        json_object_set_new(json, "line", row->site ? rhi__json_u64(row->site->line) : json_null());
        json_object_set_new(json, "function",
                            row->site && row->site->function ? rhi__json_text(row->site->function)
                                                             : json_null());
    }
    json_object_set_new(json, "born", known_json(answer->born_is_known, row->born));
    json_object_set_new(json, "died", known_json(answer->died_is_known, row->died));
    json_object_set_new(json, "survived", rhi__json_u64(row->survived));
    json_object_set_new(json, "bytes", signed_json(rhi__growth(answer, row->bytes)));
    json_object_set_new(json, "objects", numbers_json(answer, row->objects));
    json_object_set_new(json, "grew_each_time", json_boolean(row->grew_each_time));
    json_object_set_new(json, "exact", json_boolean(row->is_exact));
    return json;
}

static void add_rows(const rhi_gcdiff *answer, const char *key, const char *total_key,
                     const rhi_diff_rows *rows, uint64_t limit)
{
    rhi__json_array(answer->session, key);
    for (uint64_t i = 0; i < rows->count && i < limit; i++)
        rhi__json_item(answer->session, row_json(answer, &rows->items[i]));
    rhi__json_array_end(answer->session);
    if (rows->count > limit && limit)
        rhi__json_key(answer->session, total_key, rhi__json_u64(rows->count));
}

/* An object, as far as a saved snapshot has it. */
static json_t *saved_object_json(const rhi_snapshot *s, const rhi_snapshot_row *row)
{
    char id[RHI_ID_SIZE];
    const rhi_snapshot_class *kind = &s->classes.items[row->kind];
    const rhi_snapshot_type *type = &s->types.items[kind->type];
    const rhi_snapshot_space *space = rhi__snapshot_space(s, kind->heap);
    const rhi_snapshot_site *site = kind->site == RHI_NO_SITE ? NULL : &s->sites.items[kind->site];
    static const char *const unknown[] = {"refcount", "immortal", "state", "tracked", "value"};
    rhi_site shown = {.line = site ? site->line : 0,
                      .file = site ? site->file : "",
                      .function = site ? site->function : NULL};
    rhi__snapshot_id(s, row, id, sizeof id);
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "id", rhi__json_text(id),
                             "type", rhi__json_text(type->name), "qualified",
                             type->qualified[0] ? rhi__json_text(type->qualified) : json_null(),
                             "serial", known_json(space->has_serials, row->key), "address",
                             space->has_serials ? json_null() : rhi__json_address(row->key), "size",
                             rhi__json_u64(kind->size), "heap",
                             rhi__json_u64(s->heaps.items[kind->heap].number), "format",
                             rhi__json_text(space->format));
    json_object_set_new(json, "site", site ? rhi__site_row(&shown) : json_null());
    for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++)
        json_object_set_new(json, unknown[i], json_null());
    return json;
}

static void add_lists(const rhi_gcdiff *answer)
{
    rhi_session *session = answer->session;
    char id[RHI_ID_SIZE];
    rhi__json_array(session, answer->born_is_known ? "born" : "not_seen_before");
    for (uint64_t i = 0; i < answer->born.count; i++) {
        rhi_reader *reader;
        rhi_object object;
        rhi__json_item(session, object_of(answer, answer->born.items[i], &reader, &object)
                                    ? rhi__object_json(reader, &object)
                                    : saved_object_json(last_of(answer)->moment.snapshot,
                                                        answer->born.items[i]));
    }
    rhi__json_array_end(session);
    rhi__json_array(session, answer->died_is_known ? "died" : "not_found");
    for (uint64_t i = 0; i < answer->died.count; i++) {
        rhi__snapshot_id(answer->moments[0].moment.snapshot, answer->died.items[i], id, sizeof id);
        rhi__json_item(session, rhi__json_text(id));
    }
    rhi__json_array_end(session);
    if (!answer->born_is_known)
        rhi__json_key(session, "born", json_null());
    if (!answer->died_is_known)
        rhi__json_key(session, "died", json_null());
    rhi__json_key(session, answer->born_is_known ? "born_total" : "not_seen_before_total",
                  rhi__json_u64(answer->born.total));
    rhi__json_key(session, answer->died_is_known ? "died_total" : "not_found_total",
                  rhi__json_u64(answer->died.total));
    rhi__json_key(session, "survived", rhi__json_u64(answer->survived));
}

/* What saved_object_json writes. */
static const rhi_json_type saved_object_type = {
    .name = "saved_object",
    .doc = "An object as a saved moment has it: what is not saved is null.",
    .members = (const rhi_json_member[]){
        {"id", .is = RHI_JSON_TEXT, "its name"},
        {"type", .is = RHI_JSON_TEXT, "its type's name"},
        {"qualified", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "with its module"},
        {"serial", .is = RHI_JSON_COUNT | RHI_JSON_NULL, "its serial, where the format has such"},
        {"address", .is = RHI_JSON_ADDRESS | RHI_JSON_NULL,
         "where it began, where there are no serials"},
        {"size", .is = RHI_JSON_COUNT, "bytes that it took"},
        {"heap", .is = RHI_JSON_COUNT, "the number of its heap"},
        {"format", .is = RHI_JSON_TEXT, "the format of its heap"},
        {"site", .is = RHI_JSON_NULL, "the line that made it; null: not known",
         .of = {&rhi__site_type}},
        {"refcount", .is = RHI_JSON_NULL, "not saved"},
        {"immortal", .is = RHI_JSON_NULL, "not saved"},
        {"state", .is = RHI_JSON_NULL, "not saved"},
        {"tracked", .is = RHI_JSON_NULL, "not saved"},
        {"value", .is = RHI_JSON_NULL, "not saved"},
        {NULL}}};

static const rhi_json_type moment_type = {
    .name = "moment",
    .doc = "What is compared.",
    .members = (const rhi_json_member[]){
        {"name", .is = RHI_JSON_TEXT, "the file, or now"},
        {"saved", .is = RHI_JSON_BOOLEAN, "by gcdiff; false: a core, or the target itself"},
        {"objects", .is = RHI_JSON_COUNT, "how many there were"},
        {"bytes", .is = RHI_JSON_COUNT, "that these took"},
        {"complete", .is = RHI_JSON_BOOLEAN, "all of it could be read"},
        {"provisional", .is = RHI_JSON_BOOLEAN, "counts were in motion"},
        {NULL}}};

static const rhi_json_type change_type = {
    .members = (const rhi_json_member[]){
        {"born", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "objects since the first moment; null: not known"},
        {"died", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "objects since the first moment; null: not known"},
        {"survived", .is = RHI_JSON_COUNT, "objects of both the first moment and the last"},
        {"bytes", .is = RHI_JSON_INTEGER, "growth from the first moment to the last"},
        {"objects", .is = RHI_JSON_COUNT | RHI_JSON_LIST, "how many there were at each moment"},
        {"grew_each_time", .is = RHI_JSON_BOOLEAN, "from each moment to the next"},
        {"exact", .is = RHI_JSON_BOOLEAN, "false: at least so many were born and died"},
        {NULL}}};

static const rhi_json_type type_change_type = {
    .name = "type_change",
    .doc = "What became of the objects of a type.",
    .base = {&change_type},
    .members = (const rhi_json_member[]){{"type", .is = RHI_JSON_TEXT, "its name"},
                                         {"qualified", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
                                          "with its module; null: not of this format"},
                                         {"format", .is = RHI_JSON_TEXT, "of the heap"},
                                         {NULL}}};

static const rhi_json_type site_change_type = {
    .name = "site_change",
    .doc = "What became of the objects that a line made.",
    .base = {&change_type},
    .members = (const rhi_json_member[]){
        {"file", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "its source file; null: of no known line"},
        {"line", .is = RHI_JSON_COUNT | RHI_JSON_NULL, "its number; null: of no known line"},
        {"function", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the function; null: not known"},
        {NULL}}};

const rhi_json_type rhi__gcdiff_type = {
    .name = "gcdiff",
    .doc = "What was born, died and grew between moments.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"moments", .is = RHI_JSON_LIST, "the earliest first", .of = {&moment_type}},
        {"exact", .is = RHI_JSON_BOOLEAN,
         "false: objects are perhaps the same, they have no serials"},
        {"born", .is = RHI_JSON_LIST | RHI_JSON_NULL,
         "objects of the last moment that are not of the first; null: not all of the first could "
         "be read",
         .of = {&rhi__object_type, &saved_object_type}},
        {"born_total", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "how many these are, if that is known"},
        {"not_seen_before", .is = RHI_JSON_LIST | RHI_JSON_OPTIONAL,
         "instead, where that is not known", .of = {&rhi__object_type, &saved_object_type}},
        {"not_seen_before_total", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL, "how many these are"},
        {"died", .is = RHI_JSON_TEXT | RHI_JSON_LIST | RHI_JSON_NULL,
         "names of objects of the first moment that are not of the last; null: not all of the "
         "last could be read"},
        {"died_total", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "how many these are, if that is known"},
        {"not_found", .is = RHI_JSON_TEXT | RHI_JSON_LIST | RHI_JSON_OPTIONAL,
         "instead, where that is not known"},
        {"not_found_total", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL, "how many these are"},
        {"survived", .is = RHI_JSON_COUNT, "objects of both moments"},
        {"by_type", .is = RHI_JSON_ROWS, "types that changed", .of = {&type_change_type}},
        {"by_site", .is = RHI_JSON_ROWS, "lines that changed", .of = {&site_change_type}},
        {"provisional", .is = RHI_JSON_BOOLEAN, "counts were in motion at one of the moments"},
        {NULL}}};

void rhi__gcdiff_json(const rhi_gcdiff *answer, uint64_t limit)
{
    rhi_session *session = answer->session;
    rhi__json_begin(session);
    rhi__json_array(session, "moments");
    for (uint64_t m = 0; m < answer->moment_count; m++) {
        const rhi_diff_moment *each = &answer->moments[m];
        rhi__json_item(session,
                       json_pack("{s:o, s:b, s:o, s:o, s:b, s:b}", "name",
                                 rhi__json_text(each->moment.name), "saved", !each->moment.session,
                                 "objects", rhi__json_u64(each->objects), "bytes",
                                 rhi__json_u64(each->bytes), "complete", each->is_complete,
                                 "provisional", each->moment.snapshot->provisional));
    }
    rhi__json_array_end(session);
    rhi__json_key(session, "exact", json_boolean(answer->is_exact));
    add_lists(answer);
    add_rows(answer, "by_type", "by_type_total", &answer->types, limit);
    add_rows(answer, "by_site", "by_site_total", &answer->sites, answer->has_sites ? limit : 0);
    rhi__json_key(session, "provisional", json_boolean(is_provisional(answer)));
    rhi__json_end(session);
}

const rhi_json_type rhi__gcdiff_saved_type = {
    .name = "gcdiff_saved",
    .doc = "With --save: what was saved.",
    .base = {&rhi__common_type},
    .members =
        (const rhi_json_member[]){{"saved", .is = RHI_JSON_TEXT, "the file"},
                                  {"file_bytes", .is = RHI_JSON_COUNT, "the file's size in bytes"},
                                  {"objects", .is = RHI_JSON_COUNT, "how many objects are saved"},
                                  {"bytes", .is = RHI_JSON_COUNT, "that these take"},
                                  {"provisional", .is = RHI_JSON_BOOLEAN, "counts are in motion"},
                                  {NULL}}};

/* ---- saving --------------------------------------------------------------------------------- */

static void tell_saved(rhi_session *session, const rhi_snapshot *snapshot, const char *path,
                       size_t size)
{
    if (session->json) {
        rhi__json_begin(session);
        rhi__json_key(session, "saved", rhi__json_text(path));
        rhi__json_key(session, "file_bytes", rhi__json_u64(size));
        rhi__json_key(session, "objects", rhi__json_u64(snapshot->row_count));
        rhi__json_key(session, "bytes", rhi__json_u64(rhi__snapshot_bytes(snapshot)));
        rhi__json_key(session, "provisional", json_boolean(snapshot->provisional));
        rhi__json_end(session);
        return;
    }
    rhi__print(session, "%s: %lu object%s of %lu bytes, saved in %lu bytes\n", path,
               snapshot->row_count, rhi__plural(snapshot->row_count), rhi__snapshot_bytes(snapshot),
               (uint64_t)size);
    rhi__print_provisional(session);
    rhi__print_incomplete(session);
}

rhi_error *rhi__gcdiff_save(rhi_session *session, const char *path)
{
    rhi_snapshot *snapshot = NULL;
    char *bytes = NULL;
    size_t size = 0;
    RHI_TRY(rhi__file_check(path));
    RHI_TRY(rhi__snapshot_take(session, &snapshot));
    rhi_error *error = rhi__snapshot_encode(snapshot, &bytes, &size);
    if (!error)
        error = rhi__file_write(path, bytes, size);
    if (!error)
        tell_saved(session, snapshot, path, size);
    free(bytes);
    rhi__snapshot_free(snapshot);
    return error;
}
