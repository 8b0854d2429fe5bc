/* sarif.c - writes leaks in SARIF 2.1.0 (see sarif.h).
 *
 * A result is a cause, a type and a place: the line that made the representative, or the innermost
 * call of its recorded stack that has a line. Invariant: each result has a location, if only the
 * name of the type, and a mark that is the same in each run; `error` is what rests on no guess. */
#include "render/sarif.h"
#include "heap/objects.h"
#include "program/symbols.h"
#include "render/file.h"
#include "render/gcleaks.h"
#include "render/output.h"
#include "render/sentences.h"
#include "render/stacks.h"
#include "words/edges.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct rhi_gcleaks answer;

/* Where objects were made; file NULL: it has none that could be shown; line 0: not known. */
typedef struct place {
    const char *file, *function;
    uint32_t line;
} place;

static const char *const rules[RHI_CAUSES] = {
    [RHI_CAUSE_CYCLE] = "Garbage: objects that hold each other, and that nothing outside holds.",
    [RHI_CAUSE_LOST] = "A count was taken that no field, root or word of memory owns.",
    [RHI_CAUSE_LOST_BLOCK] = "Only words in malloc blocks that nothing reaches own a count.",
    [RHI_CAUSE_DEPENDENT] = "Only leaked objects hold these."};

static json_t *message(const char *text)
{
    return json_pack("{s:o}", "text", rhi__json_text(text));
}

/* A path as a reference: what a URI may not have, and ':', which would end a scheme, is escaped. */
static json_t *uri_of(const char *path)
{
    static const char kept[] =
        "/-._~abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    char *uri = malloc(3 * strlen(path) + sizeof "file://"), *end = uri;
    if (!uri)
        return NULL;
    end += sprintf(end, "%s", *path == '/' ? "file://" : "");
    for (const char *c = path; *c; c++)
        end += sprintf(end, strchr(kept, *c) ? "%c" : "%%%02X", (unsigned char)*c);
    json_t *json = json_string(uri);
    free(uri);
    return json;
}

/* What a compiler or Python calls "<string>" is no file. */
static bool is_file(const char *file)
{
    return file && *file && *file != '<';
}

static json_t *location_json(const answer *a, const place *where, uint32_t type)
{
    const char *name = where->function ? where->function : rhi__type_name(a->reader, type);
    json_t *location =
        json_pack("{s:[{s:o, s:s}]}", "logicalLocations", "name", rhi__json_text(name), "kind",
                  where->function ? "function" : "type");
    if (!is_file(where->file))
        return location;
    json_t *file = json_pack("{s:o}", "uri", uri_of(where->file));
    json_t *physical = json_pack("{s:o}", "artifactLocation", file);
    if (*where->file != '/')
        json_object_set_new(file, "uriBaseId", json_string("%SRCROOT%"));
    if (where->line)
        json_object_set_new(physical, "region",
                            json_pack("{s:o}", "startLine", rhi__json_u64(where->line)));
    json_object_set_new(location, "physicalLocation", physical);
    return location;
}

/* Sets the place of the innermost call that has a line, if one has. */
static void place_of_stack(const answer *a, const rhi_event *birth, place *where)
{
    rhi_stack_rows stack = rhi__stack_rows(a->session, a->reader, birth);
    for (uint64_t i = stack.first; stack.rows && i < stack.end && !where->file; i++) {
        const rhi_call *call = stack.rows[i].call;
        if (call && is_file(call->file))
            *where = (place){.file = call->file,
                             .function = call->name,
                             .line = call->line > 0 ? (uint32_t)call->line : 0};
    }
    free(stack.rows);
}

static place place_of(const answer *a, const rhi_leak_list *kinds, uint64_t number)
{
    rhi_object object;
    rhi_site site;
    place where = {0};
    if (rhi__object_at_index(a->session, a->reader, a->alike.items[number].sample, &object) &&
        rhi__site(a->reader, &object, &site))
        where = (place){.file = site.file, .function = site.function, .line = site.line};
    else if (rhi__birth(kinds, number))
        place_of_stack(a, rhi__birth(kinds, number), &where);
    return where;
}

static const char *level_of(const answer *a, const rhi_leak *leak)
{
    return leak->cause == RHI_CAUSE_DEPENDENT                                 ? "note"
           : leak->is_guessed || !rhi__is_at_rest(a->reader, leak->heap)      ? "warning"
           : (a->session->target->flags & RHI_TARGET_NO_STOP) /* it ran on */ ? "warning"
                                                                              : "error";
}

/* "lost_reference: 5 of type session, …; the largest: session#1 at 0x…: …". */
static json_t *message_of(const answer *a, const rhi_leak_total *alike, const rhi_leak *leak)
{
    char line[RHI_LEAK_LINE_SIZE], text[RHI_LEAK_LINE_SIZE + 2 * RHI_NAME_SIZE + 192],
        many[RHI_NAME_SIZE + 128] = "";
    rhi__leak_line(a, leak, line);
    if (alike->groups > 1)
        rhi__text(many, sizeof many,
                  "%" PRIu64 " of type %s, %" PRIu64 " object%s, %" PRIu64 " bytes; the largest: ",
                  alike->groups, rhi__type_name(a->reader, alike->type), alike->objects,
                  rhi__plural(alike->objects), alike->bytes);
    rhi__text(text, sizeof text, "%s: %s%s%s%s", rhi__cause_word(leak->cause), many, line,
              leak->is_guessed ? " (only if words that nothing declares own what they hold)" : "",
              alike->in_use ? " (in use all the same)" : "");
    return message(text);
}

/* Equal in all runs of one program, so that a code host knows a leak again. */
static json_t *mark_of(const answer *a, const rhi_leak_total *alike, const place *where)
{
    const char *file = where->file ? where->file : "", *slash = strrchr(file, '/');
    char text[512];
    rhi__text(text, sizeof text, "%s %s %s %s%s", rhi__cause_word(alike->cause),
              rhi__type_name(a->reader, alike->type), slash ? slash + 1 : file,
              where->function ? where->function : "", alike->in_use ? " in use" : "");
    return rhi__json_text(text);
}

static json_t *result_json(const answer *a, const rhi_leak_list *kinds, uint64_t number)
{
    const rhi_leak_total *alike = &a->alike.items[number];
    const rhi_leak *leak = &a->leaks->groups[alike->leak];
    place where = place_of(a, kinds, number);
    return json_pack(
        "{s:s, s:i, s:s, s:o, s:[o], s:o, s:{s:o}, s:{s:s, s:o, s:o, s:o}}", "ruleId",
        rhi__cause_word(alike->cause), "ruleIndex", (int)alike->cause - (RHI_CAUSE_NONE + 1),
        "level", level_of(a, leak), "message", message_of(a, alike, leak), "locations",
        location_json(a, &where, alike->type), "occurrenceCount", rhi__json_u64(alike->groups),
        "partialFingerprints", "causeTypePlace/v1", mark_of(a, alike, &where), "properties", "type",
        rhi__type_name(a->reader, alike->type), "objects", rhi__json_u64(alike->objects), "bytes",
        rhi__json_u64(alike->bytes), "retained", rhi__json_u64(alike->retained));
}

static json_t *rules_json(void)
{
    json_t *list = json_array();
    for (unsigned i = RHI_CAUSE_NONE + 1; i < RHI_CAUSES; i++)
        json_array_append_new(list, json_pack("{s:s, s:o}", "id", rhi__cause_word(i),
                                              "shortDescription", message(rules[i])));
    return list;
}

static void add_notice(json_t *notices, const char *text)
{
    json_array_append_new(notices,
                          json_pack("{s:s, s:o}", "level", "warning", "message", message(text)));
}

/* Why there may be more leaks than there are results. */
static json_t *notices_json(const answer *a)
{
    json_t *notices = json_array();
    const rhi_notes *notes = &a->session->notes;
    char text[256];
    bool is_complete = rhi__complete_so_far(a->session); /* behind all that reads */
    for (uint64_t i = 0; i < notes->count; i++)
        add_notice(notices, notes->items[i]);
    if (!is_complete && !notes->count)
        add_notice(notices, "incomplete");
    if (!a->leaks->is_decided) {
        rhi__text(text, sizeof text,
                  "undecided: %" PRIu64 " object%s a count whose owner was not found; not "
                  "everything could be searched, so nothing is called lost",
                  a->leaks->undecided, a->leaks->undecided == 1 ? " has" : "s have");
        add_notice(notices, text);
    }
    if (rhi__is_provisional(a->session))
        add_notice(notices, "provisional: counts are in motion");
    return notices;
}

/* "refheap/NAME/": files that are uploaded together are told apart by it. */
static json_t *run_id(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), tail = strlen(".sarif");
    bool has_tail = length > tail && strcmp(name + length - tail, ".sarif") == 0;
    char text[512];
    rhi__text(text, sizeof text, "refheap/%.*s/", (int)(has_tail ? length - tail : length), name);
    return rhi__json_text(text);
}

static json_t *document(const answer *a, const rhi_leak_list *kinds, const char *path)
{
    json_t *results = json_array();
    for (uint64_t i = 0; i < a->alike.count; i++)
        json_array_append_new(results, result_json(a, kinds, i));
    json_t *run =
        json_pack("{s:{s:{s:s, s:o}}, s:{s:o}, s:[{s:b, s:o}], s:s, s:o}", "tool", "driver", "name",
                  "refheap", "rules", rules_json(), "automationDetails", "id", run_id(path),
                  "invocations", "executionSuccessful", 1, "toolExecutionNotifications",
                  notices_json(a), "columnKind", "unicodeCodePoints", "results", results);
    return json_pack("{s:s, s:s, s:[o]}", "$schema",
                     "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/"
                     "sarif-schema-2.1.0.json",
                     "version", "2.1.0", "runs", run);
}

rhi_error *rhi__sarif_write(rhi_gcleaks *a, const char *path)
{
    rhi_leak_list kinds = {0};
    rhi_error *error = rhi__list_alike(a, a->alike.count, &kinds);
    json_t *json = error ? NULL : document(a, &kinds, path);
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    if (!error)
        error = text ? rhi__file_write(path, text, strlen(text)) : rhi__error_memory();
    free(text);
    json_decref(json);
    rhi__leak_list_free(&kinds);
    return error;
}
