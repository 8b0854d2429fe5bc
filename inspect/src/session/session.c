/* session.c - opens memory, heap and graph on their first use, and drops them when the target moved
 * on (see session.h). */
#include "session/session.h"
#include "readers/all.h"
#include "target/open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rhi__session_drop(rhi_session *session)
{
    rhi__kept_drop(&session->kept_now);
    rhi__kept_drop(&session->kept);
    rhi__symbols_forget(session->symbols);
    rhi__graph_free(session->graph);
    rhi__reader_free(session->reader);
    rhi__notes_free(&session->refused);
    if (session->has_memory)
        rhi__memory_close(&session->memory);
    free(session->core_path);
    session->core_path = NULL;
    session->graph = NULL;
    session->reader = NULL;
    session->not_read = NULL;
    session->has_memory = session->is_partial = false;
}

void rhi__session_use(rhi_session *session, const rhi_target *target)
{
    session->target = target;
    if (session->has_memory)
        session->memory.door = target;
    rhi__symbols_begin(session->symbols, target ? target->exe_path : NULL, &session->remarks);
}

/* ---- the cache ------------------------------------------------------------------------------ */

bool rhi__core_has_changed(const rhi_session *session)
{
    uint64_t state = session->has_memory ? rhi__memory_core_state(&session->memory) : 0;
    /* 0: no core, or the way to its file was given up */
    return state && state != session->memory.core_state;
}

/* Is it the process or core that was opened, whatever it did since? */
static bool is_same_target(const rhi_session *session)
{
    const rhi_target *target = session->target;
    return session->has_memory && target->state_id && !rhi__core_has_changed(session) &&
           session->context == target->context && session->pid == target->pid &&
           rhi__same_text(session->core_path, target->core_path);
}

static bool is_same_state(const rhi_session *session)
{
    return is_same_target(session) &&
           session->target->state_id(session->target->context) == session->state;
}

/* `threads`: those are wanted, too. */
static rhi_error *open_anew(rhi_session *session, bool threads)
{
    const rhi_target *target = session->target;
    rhi__session_drop(session);
    session->state = target->state_id ? target->state_id(target->context) : 0;
    session->context = target->context;
    session->pid = target->pid;
    if (target->core_path && !(session->core_path = strdup(target->core_path)))
        return rhi__error_memory();
    rhi_target without = *target;
    without.threads = NULL;
    RHI_TRY(rhi__memory_open(&session->memory, threads ? target : &without));
    session->memory.door = target;
    session->has_memory = true;
    session->is_partial = !threads;
    session->memory.work = &session->work;
    return NULL;
}

static rhi_error *open_memory(rhi_session *session)
{
    if (session->has_memory && session->is_checked)
        return NULL;
    session->is_checked = true;
    return is_same_state(session) && !session->is_partial ? NULL : open_anew(session, true);
}

/* Does the map name private writable memory of which not a byte can be read, as cores without it
 * do? */
static bool writable_memory_is_missing(rhi_memory *memory)
{
    uint8_t byte;
    for (uint64_t i = 0; i < memory->map.regions.count; i++) {
        const rhi_region *region = &memory->map.regions.items[i];
        if (region->flags & RHI_REGION_WRITE && !(region->flags & RHI_REGION_SHARED) &&
            rhi__memory_read(memory, region->start, &byte, 1) == 0)
            return true;
    }
    return false;
}

static rhi_error *no_such_heap(const rhi_session *session)
{
    enum { HEAPS_NAMED = 16 };
    const rhi_reader *reader = session->reader;
    char known[HEAPS_NAMED * 24 + 8] = "";
    uint64_t after = 0;
    for (int named = 0; named <= HEAPS_NAMED; named++) { /* in the order of their numbers */
        uint64_t next = UINT64_MAX;
        for (uint64_t i = 0; i < reader->heaps.count; i++)
            if (reader->heaps.items[i].number >= after && reader->heaps.items[i].number < next)
                next = reader->heaps.items[i].number;
        if (next == UINT64_MAX)
            break;
        size_t used = strlen(known);
        if (named == HEAPS_NAMED)
            snprintf(known + used, sizeof known - used, ", …");
        else
            snprintf(known + used, sizeof known - used, "%s%" PRIu64, named ? ", " : "", next);
        after = next + 1;
    }
    return rhi__error("there is no heap %" PRIu64 "%s%s", session->heap,
                      known[0] ? ": numbers in use: " : "", known);
}

static void add_word(char *text, size_t size, const char *between, const char *word)
{
    size_t used = strlen(text);
    rhi__text(text + used, size - used, "%s%s", used ? between : "", word);
}

/* Why no format has found a heap. What was found and refused comes first: the rest may explain it.
 */
static rhi_error *no_heap_at_all(rhi_session *session)
{
    const rhi_memory *memory = &session->memory;
    char found[320] = "", names[64] = "";
    for (uint64_t i = 0; i < session->refused.count; i++)
        add_word(found, sizeof found, "; ", session->refused.items[i]);
    if (!found[0])
        add_word(found, sizeof found, "", "no heap was found");
    if (memory->truncated[0])
        return rhi__error("%s, but %s", found, memory->truncated);
    if (memory->refused[0] && session->target->core_path)
        return rhi__error("%s: %s", found, memory->refused);
    if (writable_memory_is_missing(&session->memory))
        return rhi__error("%s, but writable memory is not in the core: see coredump_filter in "
                          "core(5)",
                          found);
    if (session->refused.count)
        return rhi__error("%s", found);
    for (const rhi_format *const *format = rhi__formats; *format; format++)
        add_word(names, sizeof names, " or ", (*format)->name);
    return rhi__error("no heap of %s here: the program does not use it, has not created one yet, "
                      "or has unloaded the library that did",
                      names);
}

/* It would else look like debug info that is missing. */
static void say_if_no_program(rhi_session *session)
{
    char text[640];
    const char *exe = session->target->exe_path;
    if (!exe || !rhi__is_no_program(exe))
        return;
    rhi__text(text, sizeof text,
              "no names come from %.400s: it is no ELF file of 64 bits that can be read", exe);
    rhi__note(&session->remarks, text);
}

rhi_error *rhi__session_open(rhi_session *session, rhi_reader **reader)
{
    RHI_TRY(open_memory(session));
    if (!session->reader) {
        rhi_error *error = rhi__reader_open(&session->memory, rhi__formats, false,
                                            &session->refused, &session->reader);
        if (error) { /* its map may be lost: who asks again would be told of no heap */
            rhi__session_drop(session);
            return error;
        }
    }
    if (!session->reader)
        return no_heap_at_all(session);
    for (uint64_t i = 0; i < session->refused.count; i++)
        rhi__note(&session->remarks, session->refused.items[i]);
    *reader = session->reader;
    if (!session->is_begun) {
        rhi__begin_question(session->reader);
        say_if_no_program(session);
    }
    session->is_begun = true;
    for (uint32_t i = 0; i < session->reader->heaps.count; i++)
        if (rhi__heap_wanted(session, session->reader, i))
            return NULL;
    return session->has_heap ? no_such_heap(session) : NULL;
}

rhi_error *rhi__session_reader(rhi_session *session, rhi_reader **reader)
{
    RHI_TRY(rhi__session_open(session, reader));
    return rhi__reader_load(*reader);
}

static rhi_error *open_partly(rhi_session *session, rhi_reader **reader)
{
    rhi_error *error = open_anew(session, false);
    if (!error) {
        rhi__memory_keep_pages(&session->memory); /* small reads share a page with others */
        error = rhi__reader_open(&session->memory, rhi__formats, true, &session->refused,
                                 &session->reader);
        rhi__memory_drop_pages(&session->memory);
    }
    if (error) /* nothing is known of it, not even that it has no heap */
        rhi__session_drop(session);
    *reader = session->reader;
    return error;
}

rhi_error *rhi__session_glance(rhi_session *session, rhi_reader **reader)
{
    *reader = session->reader;
    session->is_checked = true;
    if (is_same_state(session) && (session->reader || session->is_partial))
        return NULL;
    if (!is_same_target(session) || !session->reader || rhi__memory_is_gone(&session->memory) ||
        !rhi__reader_renew(session->reader))
        return open_partly(session, reader);
    /* what else was made of the state before is of no use */
    rhi__kept_drop(&session->kept);
    rhi__graph_free(session->graph);
    session->graph = NULL;
    session->not_read = NULL;
    session->state = session->target->state_id(session->target->context);
    session->is_partial = true;
    return NULL;
}

rhi_error *rhi__session_look_again(rhi_session *session, rhi_reader **reader)
{
    return session->reader && session->reader->is_renewed ? open_partly(session, reader) : NULL;
}

bool rhi__heap_wanted(const rhi_session *session, const rhi_reader *reader, uint32_t heap)
{
    return !session->has_heap || reader->heaps.items[heap].number == session->heap;
}

bool rhi__heap_is_provisional(const rhi_session *session, uint32_t heap)
{
    return !rhi__is_at_rest(session->reader, heap) &&
           rhi__heap_wanted(session, session->reader, heap);
}

bool rhi__is_provisional(const rhi_session *session)
{
    for (uint32_t i = 0; session->reader && i < session->reader->heaps.count; i++)
        if (rhi__heap_is_provisional(session, i))
            return true;
    return false;
}

rhi_error *rhi__session_graph(rhi_session *session, rhi_graph **graph)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    if (!session->graph)
        RHI_TRY(rhi__graph_build(&session->work, reader, &session->graph));
    *graph = session->graph;
    return NULL;
}

/* ---- another core --------------------------------------------------------------------------- */

typedef struct beside_session {
    rhi_session session; /* first, so that it is one */
    rhi_target target;
} beside_session;

rhi_error *rhi__session_beside(rhi_session *session, const char *core, rhi_session **beside)
{
    char message[sizeof((rhi_error *)0)->message];
    beside_session *made = calloc(1, sizeof *made);
    rhi_symbols *symbols =
        made ? rhi__symbols_new(&made->session.memory, &made->session.work) : NULL;
    if (!symbols) {
        free(made);
        return rhi__error_memory();
    }
    made->session.symbols = symbols;
    made->session.work = session->work;
    made->session.json = session->json;
    if (rhi_target_open_core(core, NULL, &made->target, message, sizeof message) != 0) {
        rhi__symbols_free(symbols);
        free(made);
        return rhi__error("%s", message);
    }
    rhi__session_use(&made->session, &made->target);
    *beside = &made->session;
    return NULL;
}

void rhi__session_beside_free(rhi_session *session, rhi_session *beside)
{
    if (!beside)
        return;
    session->work = beside->work; /* what was shown, and whether the user was heard */
    rhi__session_drop(beside);
    rhi__symbols_free(beside->symbols);
    rhi__notes_free(&beside->notes);
    rhi__notes_free(&beside->remarks);
    rhi_target_close(&((beside_session *)beside)->target);
    free(beside);
}

/* ---- what concerns every answer ------------------------------------------------------------- */

/* Where there is no heap, nothing was looked at: a program that crashed early has no leak either.
 * The values that all heaps share (heap 0) are no heap of the program's. */
static bool has_none(const rhi_session *session)
{
    const rhi_reader *reader = session->reader;
    for (uint64_t i = 0; reader && i < reader->heaps.count; i++)
        if (!reader->heaps.items[i].is_shared || session->has_heap)
            return false;
    return reader && session->is_about_all;
}

static bool is_damaged(const rhi_session *session)
{
    return session->reader->problems.count || session->memory.truncated[0];
}

bool rhi__no_heap(const rhi_session *session, char *text, size_t size)
{
    if (!has_none(session) || is_damaged(session))
        return false;
    uint64_t destroyed = session->reader->destroyed;
    if (destroyed)
        snprintf(text, size,
                 "there was nothing to look at: there is no heap any more, %" PRIu64
                 " %s destroyed; ask before that: break at rh_heap_destroy",
                 destroyed, destroyed == 1 ? "was" : "were");
    else
        snprintf(text, size,
                 "there was nothing to look at: no heap was created yet; ask when "
                 "rh_heap_create has returned");
    return true;
}

bool rhi__complete_so_far(rhi_session *session)
{
    for (uint64_t i = 0; session->reader && i < session->reader->problems.count; i++)
        rhi__note(&session->notes, session->reader->problems.items[i]);
    if (session->reader)
        rhi__notes_add(&session->notes, &session->reader->asked);
    char text[RHI_NO_HEAP_SIZE];
    if (rhi__no_heap(session, text, sizeof text))
        rhi__note(&session->notes, text);
    else if (has_none(session))
        rhi__note(&session->notes, "there was nothing to look at: no heap could be read");
    if (session->has_memory && session->memory.truncated[0])
        rhi__note(&session->notes, session->memory.truncated);
    if (rhi__core_has_changed(session))
        rhi__note(&session->notes, "the core file changed while it was read");
    if (session->has_memory && session->memory.is_short)
        rhi__note(&session->notes, rhi__error_memory()->message);
    if (session->target->flags & RHI_TARGET_NO_STOP)
        rhi__note(&session->notes, "the process ran while it was read: provisional");
    return !session->notes.is_incomplete;
}

void rhi__check_header(rhi_session *session, uint32_t index, const rhi_object *object)
{
    const rhi_graph *graph = session->graph;
    if (!graph || index >= graph->count)
        return;
    uint8_t flags = graph->flags[index];
    uint64_t count = object->count < 0 ? 0 : (uint64_t)object->count;
    bool is_same = graph->stored[index] == (count > UINT32_MAX ? UINT32_MAX : (uint32_t)count) &&
                   !(flags & RHI_GRAPH_IMMORTAL) == !object->immortal &&
                   !(flags & RHI_GRAPH_DYING) == (object->state != RHI_DYING) &&
                   !(flags & RHI_GRAPH_HELD) == !object->held &&
                   !(flags & RHI_GRAPH_CORRUPT) ==
                       (rhi__is_object(object->state) && object->type != UINT32_MAX);
    session->has_changed = session->has_changed || !is_same;
}
