/* caveats.c - gathers why an answer is not the whole truth (see caveats.h). */
#include "questions/caveats.h"
#include "base/array.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static rhi_error *add(rhi_caveats *caveats, const char *kind,
                                                            const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = rhi__array_reserve(caveats, 1) ? vasprintf(&text, format, arguments) : -1;
    va_end(arguments);
    if (length < 0)
        return rhi__error_memory();
    caveats->items[caveats->count++] = (rhi_caveat){.kind = kind, .text = text};
    return NULL;
}

static rhi_error *add_provisional(const rhi_session *session, rhi_caveats *caveats)
{
    const rhi_reader *reader = session->reader;
    for (uint32_t i = 0; reader && i < reader->heaps.count; i++)
        if (rhi__heap_is_provisional(session, i))
            RHI_TRY(add(caveats, "provisional", "heap %" PRIu64 " is %s: its counts are in motion",
                        reader->heaps.items[i].number, reader->heaps.items[i].phase));
    return NULL;
}

static rhi_error *add_reasons(const rhi_notes *notes, const char *kind, rhi_caveats *caveats)
{
    for (uint64_t i = 0; i < notes->count; i++)
        RHI_TRY(add(caveats, kind, "%s", notes->items[i]));
    return notes->is_short ? add(caveats, kind, "%s", rhi__error_memory()->message) : NULL;
}

/* Those of other heaps are on none of a file's lists, and hold what is. */
static rhi_error *add_left_out(const rhi_session *session, rhi_caveats *caveats)
{
    const rhi_reader *reader = session->reader;
    uint64_t others = 0;
    for (uint32_t i = 0; reader && i < reader->heaps.count; i++)
        others += !rhi__heap_wanted(session, reader, i);
    return others ? add(caveats, "left out",
                        "only heap %" PRIu64 " was asked for: %" PRIu64
                        " other heap%s not here, and may hold some of what is",
                        session->heap, others, others == 1 ? " is" : "s are")
                  : NULL;
}

static rhi_error *add_not_read(const rhi_session *session, rhi_caveats *caveats)
{
    for (uint64_t i = 0; session->not_read && i < session->not_read->count; i++) {
        const rhi_not_read_row *row = &session->not_read->items[i];
        RHI_TRY(add(caveats, "not read", "memory at 0x%" PRIx64 ", %" PRIu64 " bytes (%s): %s",
                    row->start, row->end - row->start, *row->path ? row->path : "without a name",
                    row->why));
    }
    return NULL;
}

static rhi_error *add_misfit(const rhi_session *session, rhi_caveats *caveats)
{
    const rhi_misfit *misfit = rhi__symbols_misfit(session->symbols);
    return misfit ? add(caveats, "wrong executable",
                        "%s is not the program: its build-id is %s…, the program's %s…; names %s%s",
                        misfit->path, misfit->id, misfit->program_id,
                        *misfit->names ? "come from " : "are missing", misfit->names)
                  : NULL;
}

rhi_error *rhi__caveats(rhi_session *session, const rhi_leaks *leaks, rhi_caveats *caveats)
{
    bool is_complete = rhi__complete_so_far(session);
    RHI_TRY(add_provisional(session, caveats));
    if (leaks && !leaks->is_decided)
        RHI_TRY(add(caveats, "undecided",
                    "not everything could be searched, so nothing is called lost"));
    RHI_TRY(add_reasons(&session->notes, "incomplete", caveats));
    if (!is_complete && !session->notes.count && !session->notes.is_short)
        RHI_TRY(add(caveats, "incomplete", "not all of it could be read"));
    RHI_TRY(add_left_out(session, caveats));
    RHI_TRY(add_not_read(session, caveats));
    RHI_TRY(add_misfit(session, caveats));
    return add_reasons(&session->remarks, "note", caveats);
}

bool rhi__caveats_are_same(const rhi_caveats *left, const rhi_caveats *right)
{
    bool are_same = left->count == right->count;
    for (uint64_t i = 0; are_same && i < left->count; i++)
        are_same = strcmp(left->items[i].kind, right->items[i].kind) == 0 &&
                   strcmp(left->items[i].text, right->items[i].text) == 0;
    return are_same;
}

void rhi__caveats_free(rhi_caveats *caveats)
{
    for (uint64_t i = 0; i < caveats->count; i++)
        free(caveats->items[i].text);
    free(caveats->items);
    *caveats = (rhi_caveats){0};
}
