/* write.c - writes the graph to a file, and says what was written (see write.h).
 *
 * Invariant: a file gets its name only where all of it was written, of a target that stood still
 * meanwhile. */
#include "export/write.h"
#include "export/formats.h"
#include "export/roots.h"
#include "render/output.h"
#include "render/sentences.h"

#include <stdlib.h>

static rhi_error *prepare(rhi_export *export, rhi_session *session)
{
    char reason[RHI_NO_HEAP_SIZE];
    RHI_TRY(rhi__query_open(session, &export->query));
    if (rhi__no_heap(session, reason, sizeof reason))
        return rhi__error("%s", reason);
    RHI_TRY(rhi__query_listing(&export->query));
    RHI_TRY(rhi__export_number(export));
    if (!(export->format->needs & RHI_EXPORT_VERDICTS))
        return NULL;
    RHI_TRY(rhi__query_retained(&export->query));
    RHI_TRY(rhi__query_leaks(&export->query));
    return rhi__export_find_roots(export);
}

/* Parts of what was written may contradict each other, if it ran or was written to. */
static rhi_error *check_target(rhi_session *session)
{
    if (rhi__memory_is_gone(&session->memory))
        return rhi__error("the process ended while it was read: its memory is gone");
    if (session->has_changed || rhi__core_has_changed(session))
        return rhi__error("it changed while it was read: nothing was written");
    return NULL;
}

static rhi_error *write_file(rhi_export *export)
{
    export->file = rhi__file_stream(export->output);
    if (!export->file)
        return rhi__error_memory();
    RHI_TRY(export->format->write(export));
    RHI_TRY(check_target(export->query.session));
    RHI_TRY(rhi__progress(&export->query.session->work, "writing", 0, 0));
    RHI_TRY(rhi__file_keep(export->output));
    export->bytes = rhi__file_size(export->output);
    export->query.session->was_flushed =
        true; /* the answer is with the user: it is taken back no more */
    return NULL;
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void tell_text(const rhi_export *e)
{
    rhi_session *session = e->query.session;
    rhi__print(session, "%s: %lu object%s, %lu reference%s, written in %lu bytes\n", e->path,
               e->objects, rhi__plural(e->objects), e->references, rhi__plural(e->references),
               e->bytes);
    if (e->left_out)
        rhi__print(session, "left out: %lu object%s: %s shows a part only\n", e->left_out,
                   rhi__plural(e->left_out), e->ending);
    if (e->references_left_out)
        rhi__print(session, "left out: %lu reference%s between what is there\n",
                   e->references_left_out, rhi__plural(e->references_left_out));
    rhi__print(session, "next: %s\n", e->format->next);
    rhi__print_provisional(session);
    rhi__print_incomplete(session);
}

const rhi_json_type rhi__gcexport_type = {
    .name = "gcexport",
    .doc = "What was written.",
    .base = {&rhi__common_type},
    .members = (const rhi_json_member[]){
        {"file", .is = RHI_JSON_TEXT, "the file"},
        {"format", .is = RHI_JSON_TEXT, "its ending, as .sqlite"},
        {"file_bytes", .is = RHI_JSON_COUNT, "the file's size in bytes"},
        {"objects", .is = RHI_JSON_COUNT, "how many objects are in it"},
        {"references", .is = RHI_JSON_COUNT, "how many references are in it"},
        {"left_out", .is = RHI_JSON_COUNT, "objects that are not in it"},
        {"references_left_out", .is = RHI_JSON_COUNT,
         "references that are not in it, between objects that are"},
        {"next", .is = RHI_JSON_TEXT, "what to do with it, in words"},
        {"provisional", .is = RHI_JSON_BOOLEAN, "counts are in motion"},
        {NULL}}};

static void tell_json(const rhi_export *e)
{
    rhi_session *session = e->query.session;
    rhi__json_begin(session);
    rhi__json_key(session, "file", rhi__json_text(e->path));
    rhi__json_key(session, "format", rhi__json_text(e->ending));
    rhi__json_key(session, "file_bytes", rhi__json_u64(e->bytes));
    rhi__json_key(session, "objects", rhi__json_u64(e->objects));
    rhi__json_key(session, "references", rhi__json_u64(e->references));
    rhi__json_key(session, "left_out", rhi__json_u64(e->left_out));
    rhi__json_key(session, "references_left_out", rhi__json_u64(e->references_left_out));
    rhi__json_key(session, "next", rhi__json_text(e->format->next));
    rhi__json_key(session, "provisional", json_boolean(rhi__is_provisional(session)));
    rhi__json_end(session);
}

rhi_error *rhi__export(rhi_session *session, const char *path, bool replaces)
{
    rhi_export export = {.path = path};
    RHI_TRY(rhi__export_format(path, &export.format, &export.ending));
    rhi_error *error = rhi__file_new(path, replaces, &export.output); /* before the heap is read */
    if (!error)
        error = prepare(&export, session);
    if (!error)
        error = write_file(&export);
    if (!error && session->json)
        tell_json(&export);
    else if (!error)
        tell_text(&export);
    rhi__file_drop(export.output);
    rhi__query_close(&export.query);
    free(export.numbers);
    free(export.roots);
    return error;
}
