/* path.c - the path from a root to an object, for people and in JSON (see path.h). */
#include "render/path.h"
#include "heap/objects.h"
#include "questions/selection.h"
#include "render/holders.h"
#include "render/output.h"

#include <inttypes.h>

/* A long path is shown at its two ends. Which object comes behind number i? *left_out: so many are
 * passed over. */
static uint64_t next_shown(const rhi_path *path, uint64_t i, uint64_t limit, uint64_t *left_out)
{
    *left_out =
        i + 1 == (limit + 1) / 2 && path->objects.count > limit ? path->objects.count - limit : 0;
    return i + 1 + *left_out;
}

void rhi__path_print(rhi_session *session, rhi_reader *reader, const rhi_path *path, uint64_t limit)
{
    rhi_path_step step;
    char id[RHI_ID_SIZE] = "";
    if (path->objects.count == 0) {
        rhi__print(session, "path: none: nothing outside holds it, directly or not\n");
        return;
    }
    rhi__print(session, path->has_root ? "path: " : "path: (%s) -> ", path->why);
    for (uint64_t i = 0; i < path->words.count; i++) {
        const rhi_holder *word = &path->words.items[i];
        if (path->left_out && i == path->gap)
            rhi__print(session, "… %" PRIu64 " more malloc block%s … -> ", path->left_out,
                       rhi__plural(path->left_out));
        id[0] = '\0';
        if (word->kind == RHI_HOLDER_UNDECLARED || word->kind == RHI_HOLDER_FIELD)
            rhi__index_id(session, reader, rhi__object_index(reader, word->from), id, sizeof id);
        rhi__print(session, "%s%s%s%s -> ", id,
                   word->kind == RHI_HOLDER_FIELD ? rhi__dot_before(word->name ? word->name : "")
                                                  : "",
                   word->name ? word->name : "(unnamed word)",
                   word->reach == RHI_REACH_NO ? " (which nothing reaches)" : "");
    }
    for (uint64_t i = 0, left_out; i < path->objects.count;
         i = next_shown(path, i, limit, &left_out)) {
        if (!rhi__path_step(reader, path, i, &step))
            continue;
        rhi__object_id(reader, &step.object, id, sizeof id);
        rhi__print(session, "%s%s%s%s%s", id, step.name[0] ? " " : "",
                   step.name[0] ? rhi__dot_before(step.name) : "", step.name,
                   i + 1 < path->objects.count ? " -> " : "");
        next_shown(path, i, limit, &left_out);
        if (left_out)
            rhi__print(session, "… %" PRIu64 " more (--limit=0 shows all) … -> ", left_out);
    }
    rhi__print(session, "\n");
    if (path->in_language)
        rhi__print(session, "in %s: %s\n", path->language, path->in_language);
    if (!path->expression)
        return;
    rhi__print(session, "expression: %s", path->expression);
    if (path->in_frame)
        rhi__print(session, "  (in frame %" PRIu32 " of thread %" PRIu64 ")", path->frame,
                   path->lwp);
    else if (path->in_thread)
        rhi__print(session, "  (in thread %" PRIu64 ")", path->lwp);
    rhi__print(session, "%s\n",
               path->is_unverified ? "  (not verified: no debugger evaluated it)" : "");
}

static const rhi_json_type step_type = {
    .name = "step",
    .doc = "An object of a path, and the field that leads on to the next one.",
    .members = (const rhi_json_member[]){
        {"object", .is = RHI_JSON_TEXT, "the object's name"},
        {"name", .is = RHI_JSON_TEXT | RHI_JSON_NULL, "the field; null: the path ends here"},
        {0}}};

const rhi_json_type rhi__path_type = {
    .members = (const rhi_json_member[]){
        {"path", .is = RHI_JSON_LIST | RHI_JSON_OPTIONAL,
         "with --path: the shortest way from a root to the object: the word that it begins with, "
         "words of malloc blocks that lead on, then objects. Empty: there is none",
         .of = {&rhi__holder_type, &step_type}},
        {"path_left_out", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "malloc blocks amidst a long way that are not listed"},
        {"path_objects_left_out", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "objects amidst a long way that are not listed, by --limit"},
        {"expression", .is = RHI_JSON_TEXT | RHI_JSON_NULL | RHI_JSON_OPTIONAL,
         "with --path: an expression of C that walks it; null: there is none"},
        {"language_expression", .is = RHI_JSON_OPTIONAL,
         "an expression of the program's own language, where its objects have one",
         .members = (const rhi_json_member[]){{"language", .is = RHI_JSON_TEXT, "as Python"},
                                              {"text", .is = RHI_JSON_TEXT, "the expression"},
                                              {0}}},
        {"frame", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "the frame in which the expression is meant"},
        {"thread", .is = RHI_JSON_COUNT | RHI_JSON_OPTIONAL,
         "the system's number of the thread in which the expression is meant"},
        {"unverified", .is = RHI_JSON_BOOLEAN | RHI_JSON_OPTIONAL,
         "true: no debugger evaluated the expression"},
        {0}}};

void rhi__path_json(rhi_session *session, rhi_reader *reader, const rhi_path *path, uint64_t limit)
{
    rhi_path_step step;
    char id[RHI_ID_SIZE];
    rhi__json_array(session, "path");
    for (uint64_t i = 0; i < path->words.count; i++)
        rhi__json_item(session, rhi__holder_json(reader, &path->words.items[i]));
    for (uint64_t i = 0, left_out; i < path->objects.count;
         i = next_shown(path, i, limit, &left_out)) {
        if (!rhi__path_step(reader, path, i, &step))
            continue;
        rhi__object_id(reader, &step.object, id, sizeof id);
        rhi__json_item(session, json_pack("{s:s, s:s?}", "object", id, "name",
                                          step.name[0] ? step.name : NULL));
    }
    rhi__json_array_end(session);
    if (path->left_out)
        rhi__json_key(session, "path_left_out", rhi__json_u64(path->left_out));
    if (path->objects.count > limit)
        rhi__json_key(session, "path_objects_left_out", rhi__json_u64(path->objects.count - limit));
    rhi__json_key(session, "expression",
                  path->expression ? rhi__json_text(path->expression) : json_null());
    if (path->in_language)
        rhi__json_key(session, "language_expression",
                      json_pack("{s:s, s:o}", "language", path->language, "text",
                                rhi__json_text(path->in_language)));
    if (path->expression && path->in_frame)
        rhi__json_key(session, "frame", json_integer(path->frame));
    if (path->expression && path->in_thread)
        rhi__json_key(session, "thread", rhi__json_u64(path->lwp));
    if (path->expression && path->is_unverified)
        rhi__json_key(session, "unverified", json_true());
}
