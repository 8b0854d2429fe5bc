/* page.c - `.html`: writes the frame of the page, and of its document (see page.h). */
#include "export/page.h"
#include "export/formats.h"
#include "base/text.h"
#include "render/output.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* `page_before` and `page_after`: made from inspect/web, where refheap was built with it. */
#ifdef REFHEAP_PAGE
#include <refheap_page.inc>
#define MISSING NULL
#else
static const unsigned char page_before[] = "", page_after[] = "";
#define MISSING                                                                                    \
    "this refheap was built without the page's parts, which its build makes where it finds "       \
    "Node.js and npm (REFHEAP_PAGE)"
#endif

enum { TIME_SIZE = 32 };

static void time_text(time_t time, char text[TIME_SIZE])
{
    struct tm parts;
    if (!gmtime_r(&time, &parts) || !strftime(text, TIME_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts))
        text[0] = '\0';
}

/* What it is a heap of: name, number, the core and when that was written. */
static void put_program(rhi_page *page)
{
    const rhi_exported_program who = rhi__export_program(page->export);
    const char *slash = who.core ? strrchr(who.core, '/') : NULL;
    char written[TIME_SIZE], dumped[TIME_SIZE] = "";
    struct stat file;
    time_text(time(NULL), written);
    if (who.core && stat(who.core, &file) == 0)
        time_text(file.st_mtime, dumped);
    rhi__packed_put(&page->out, "{\"format\":1,\n\"written\":");
    rhi__packed_text(&page->out, written);
    rhi__packed_put(&page->out, ",\n\"program\":");
    rhi__packed_value(
        &page->out,
        json_pack("{s:o, s:o, s:o, s:o, s:b}", "name",
                  who.process.name[0] ? rhi__json_text(who.process.name) : json_null(), "pid",
                  who.process.pid ? rhi__json_u64(who.process.pid) : json_null(), "core",
                  who.core ? rhi__json_text(slash ? slash + 1 : who.core) : json_null(), "time",
                  dumped[0] ? rhi__json_text(dumped) : json_null(), "is_core", who.is_core));
    rhi__packed_put(&page->out, ",\n");
}

/* [kind, text] */
static void put_caveat(rhi_page *page, const rhi_caveat *caveat, bool is_first)
{
    rhi__packed_put(&page->out, is_first ? "[" : ",\n[");
    rhi__packed_text(&page->out, caveat->kind);
    rhi__packed_put(&page->out, ",");
    rhi__packed_text(&page->out, caveat->text);
    rhi__packed_put(&page->out, "]");
}

/* What is left out, and what all of it rests on: last, when everything has been read. */
static rhi_error *put_end(rhi_page *page)
{
    rhi_export *e = page->export;
    rhi_caveats caveats = {0};
    rhi_error *error = rhi__export_caveats(e, &caveats);
    rhi__packed_put(&page->out, ",\n\"shown\":{\"objects\":");
    rhi__packed_number(&page->out, page->chosen_count);
    rhi__packed_put(&page->out, ",\"left_out\":");
    rhi__packed_number(&page->out, e->left_out);
    rhi__packed_put(&page->out, ",\"left_out_retain_at_most\":");
    rhi__packed_number(&page->out, page->left_out_retain_at_most);
    rhi__packed_put(&page->out, ",\"top_left_out\":");
    rhi__packed_number(&page->out, page->top_left_out);
    rhi__packed_put(&page->out, ",\"references_left_out\":");
    rhi__packed_number(&page->out, e->references_left_out);
    rhi__packed_put(&page->out, ",\"events\":");
    rhi__packed_number(&page->out, page->events);
    rhi__packed_put(&page->out, page->events_are_cut ? ",\"events_cut\":true},\n\"caveats\":["
                                                     : ",\"events_cut\":false},\n\"caveats\":[");
    for (uint64_t i = 0; i < caveats.count; i++)
        put_caveat(page, &caveats.items[i], i == 0);
    rhi__packed_put(&page->out, rhi__is_provisional(e->query.session)
                                    ? "],\n\"provisional\":true"
                                    : "],\n\"provisional\":false");
    rhi__packed_put(&page->out, rhi__complete_so_far(e->query.session) ? ",\n\"complete\":true}"
                                                                       : ",\n\"complete\":false}");
    rhi__caveats_free(&caveats);
    return error;
}

static rhi_error *write_document(rhi_page *page)
{
    RHI_TRY(rhi__page_gather(page));
    RHI_TRY(rhi__page_choose(page));
    page->export->chosen = page->chosen;
    page->export->chosen_count = page->chosen_count;
    put_program(page);
    rhi__page_answers(page);
    RHI_TRY(rhi__page_objects(page));
    rhi__page_cycles(page);
    return put_end(page);
}

static rhi_error *write_page(rhi_export *export)
{
    rhi_page *page = calloc(1, sizeof *page);
    if (!page)
        return rhi__error_memory();
    page->export = export;
    fwrite(page_before, 1, sizeof page_before, export->file);
    rhi_error *error = rhi__packed_begin(&page->out, export->file);
    if (!error)
        error = write_document(page);
    rhi_error *ended = rhi__packed_end(&page->out, !error);
    if (error)
        rhi__error_free(ended);
    else
        error = ended;
    fwrite(page_after, 1, sizeof page_after, export->file);
    rhi__page_free(page);
    free(page);
    export->chosen = NULL;
    return error;
}

const rhi_export_format rhi__page_format = {
    .next = "open it in a browser, or send it: it holds all it needs, and loads nothing",
    .needs = RHI_EXPORT_OBJECTS | RHI_EXPORT_VERDICTS,
    .write = write_page,
    .missing = MISSING,
};
