/* refwatch.c - marks objects, or says which are marked (see refwatch.h). */
#include "questions/refwatch.h"
#include "base/array.h"
#include "graph/graph.h"
#include "heap/objects.h"
#include "questions/types_like.h"
#include "session/resolve.h"
#include "target/proc_files.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct rhi_refwatch answer;

/* ---- writing -------------------------------------------------------------------------------- */

static rhi_error *check_writable(const answer *a)
{
    const rhi_memory *memory = a->reader->memory;
    if (rhi__memory_is_writable(memory))
        return NULL;
    if (memory->door->flags & RHI_TARGET_NO_STOP)
        return rhi__error("the process runs while it is read: ask without --no-stop, which stops "
                          "it for a moment");
    return rhi__error("needs a process, in which a mark is written: this is %s",
                      rhi__memory_is_core(memory) || memory->door->core_path
                          ? "a core"
                          : "none that can be changed");
}

static rhi_error *write_patches(rhi_reader *reader, const rhi_patches *patches)
{
    for (unsigned i = 0; i < patches->count; i++)
        if (!rhi__memory_write(reader->memory, patches->items[i].address, patches->items[i].bytes,
                               patches->items[i].size))
            return rhi__error("the process's memory at 0x%" PRIx64
                              " cannot be written%s: does the debugger allow it?",
                              patches->items[i].address, i ? ", and what belongs to it was" : "");
    return NULL;
}

static rhi_error *cannot_be_traced(const rhi_reader *reader, const rhi_object *object)
{
    const rhi_format *format = rhi__format_of(reader, object->heap);
    char id[RHI_ID_SIZE];
    rhi__object_id(reader, object, id, sizeof id);
    return rhi__error("%s is an object of a %s heap: it keeps no record of who takes and gives "
                      "counts, and has no place for a mark",
                      id, format->name);
}

/* Marks it, or takes the mark off. */
static rhi_error *mark(answer *a, const rhi_object *object, bool *changed)
{
    const rhi_format *format = rhi__format_of(a->reader, object->heap);
    rhi_patches patches = {0};
    if (!format->mark)
        return cannot_be_traced(a->reader, object);
    RHI_TRY(format->mark(a->reader, object, !a->asked.off, &patches));
    *changed = patches.count > 0;
    return write_patches(a->reader, &patches);
}

/* ---- stopping ------------------------------------------------------------------------------- */

static rhi_error *check_stopping(const answer *a, uint32_t heap)
{
    const rhi_format *format = rhi__format_of(a->reader, heap);
    if (!a->asked.stop)
        return NULL;
    if (!a->session->target->stop_at)
        return rhi__error("--stop needs a debugger, which can stop the program: ask in GDB or "
                          "LLDB");
    if (!format->hook || !format->hook(a->reader, heap))
        return rhi__error("--stop finds no function to stop in: its runtime calls none");
    return NULL;
}

/* Is the object of a watch gone, so that nothing can happen to it any more? */
static bool is_over(rhi_reader *reader, const rhi_watch *watch)
{
    enum rhi_place place;
    rhi_object object;
    for (uint64_t i = 0; watch->address && i < reader->heaps.count; i++)
        if (reader->heaps.items[i].nonce == watch->nonce &&
            reader->heaps.items[i].pid == watch->pid)
            return rhi__place_of(reader, watch->address, &place, &object) &&
                   !(place == RHI_PLACE_LIVE && object.serial == watch->serial);
    return false; /* of another process */
}

/* What was changed is on the lists: the door is told. */
static rhi_error *settle_stops(answer *a)
{
    rhi_watches *watches = &a->session->watches;
    for (uint64_t i = watches->count; i-- > 0;)
        if (is_over(a->reader, &watches->items[i]))
            watches->items[i] = watches->items[--watches->count];
    bool told = !a->session->target->stop_at || rhi__tell_stops(watches, a->reader);
    return told ? NULL
                : rhi__error("the mark is set, but the debugger cannot stop where changes of "
                             "counts are recorded");
}

/* ---- what was asked for --------------------------------------------------------------------- */

static rhi_error *add_object(answer *a, const rhi_object *object, bool changed)
{
    if (a->total++ >= a->asked.limit)
        return NULL;
    if (!rhi__array_reserve(&a->objects, 1))
        return rhi__error_memory();
    a->objects.items[a->objects.count++] =
        (struct rhi_watched){.object = *object,
                             .changed = changed,
                             .stops = rhi__stops_at(&a->session->watches, a->reader, object)};
    return NULL;
}

static rhi_error *add_type(answer *a, uint32_t type, bool changed)
{
    if (!rhi__array_reserve(&a->types, 1))
        return rhi__error_memory();
    a->types.items[a->types.count++] = (struct rhi_watched_type){
        .type = type,
        .changed = changed,
        .stops = rhi__stops_at_type(&a->session->watches, a->reader, type)};
    return NULL;
}

/* The rest of what is asked for works on the object as it is now. */
static rhi_error *watch_object(answer *a)
{
    rhi_object object;
    bool changed = false, readable;
    enum rhi_place place;
    RHI_TRY(rhi__resolve_object(a->session, a->reader, a->asked.operand, &object));
    RHI_TRY(check_stopping(a, object.heap));
    RHI_TRY(mark(a, &object, &changed));
    RHI_TRY(rhi__watch_object(&a->session->watches, a->reader, &object,
                              a->asked.stop && !a->asked.off));
    RHI_TRY(settle_stops(a));
    readable = rhi__place_of(a->reader, object.address, &place, &object);
    return readable ? add_object(a, &object, changed)
                    : rhi__error("0x%" PRIx64 " cannot be read any more", object.address);
}

typedef struct living {
    answer *a;
    const uint8_t *fits; /* a type each */
} living;

static bool is_living(void *context, uint32_t index, const rhi_block *block,
                      const rhi_header *header, const uint8_t *bytes)
{
    const living *self = context;
    const answer *a = self->a;
    (void)index;
    (void)bytes;
    return header->state == RHI_LIVE && header->type < a->reader->types.count &&
           (header->traced || !a->asked.off) && self->fits[header->type] &&
           rhi__format_of(a->reader, block->heap)->mark &&
           rhi__heap_wanted(a->session, a->reader, block->heap);
}

static rhi_error *mark_living(void *context, uint32_t index, const rhi_object *object,
                              const uint8_t *bytes)
{
    answer *a = ((living *)context)->a;
    rhi_patches patches = {0};
    (void)index;
    (void)bytes;
    rhi_error *error =
        rhi__format_of(a->reader, object->heap)->mark(a->reader, object, !a->asked.off, &patches);
    a->living += !error;
    a->refused += error != NULL;
    rhi__error_free(error); /* one that is immortal, say: how many there are is told */
    return write_patches(a->reader, &patches);
}

static bool is_type_wanted(const answer *a, uint32_t type, uint32_t *heap)
{
    for (*heap = 0; *heap < a->reader->heaps.count; ++*heap) {
        const rhi_heap_info *info = &a->reader->heaps.items[*heap];
        if (type - info->first_type < info->type_count &&
            rhi__heap_wanted(a->session, a->reader, *heap))
            return a->reader->types.items[type].size > 0; /* entry 0 is no type */
    }
    return false;
}

static rhi_error *watch_type(answer *a, uint32_t type, uint32_t heap)
{
    const rhi_format *format = rhi__format_of(a->reader, heap);
    rhi_patches patches = {0};
    if (!format->mark_type)
        return rhi__error("%s is a type of a %s heap: changes of its objects' counts cannot be "
                          "recorded",
                          rhi__type_name(a->reader, type), format->name);
    RHI_TRY(check_stopping(a, heap));
    RHI_TRY(format->mark_type(a->reader, type, !a->asked.off, &patches));
    RHI_TRY(write_patches(a->reader, &patches));
    RHI_TRY(rhi__watch_type(&a->session->watches, a->reader, type, a->asked.stop && !a->asked.off));
    return add_type(a, type, patches.count > 0);
}

static rhi_error *watch_types(answer *a, const uint8_t *fits)
{
    uint32_t heap;
    for (uint32_t i = 0; i < a->reader->types.count; i++)
        if (fits[i] && is_type_wanted(a, i, &heap))
            RHI_TRY(watch_type(a, i, heap));
    if (a->types.count == 0)
        return rhi__error(
            "there is no type '%.100s': gcstat lists those that there are, and a type is "
            "known from its first object on",
            a->asked.type);
    if (a->asked.living) {
        living self = {a, fits};
        RHI_TRY(rhi__reader_load(a->reader));
        RHI_TRY(rhi__each_chosen(&a->session->work, a->reader, "marking objects", is_living,
                                 mark_living, &self));
    }
    return settle_stops(a);
}

/* ---- what is marked ------------------------------------------------------------------------- */

static bool is_traced(void *context, uint32_t index, const rhi_block *block,
                      const rhi_header *header, const uint8_t *bytes)
{
    const answer *a = context;
    (void)index;
    (void)bytes;
    return header->traced && rhi__is_object(header->state) &&
           rhi__heap_wanted(a->session, a->reader, block->heap);
}

static rhi_error *list_object(void *context, uint32_t index, const rhi_object *object,
                              const uint8_t *bytes)
{
    (void)index;
    (void)bytes;
    return add_object(context, object, false);
}

static rhi_error *list(answer *a)
{
    uint32_t heap;
    for (uint32_t i = 0; i < a->reader->types.count; i++)
        if (is_type_wanted(a, i, &heap) && rhi__format_of(a->reader, heap)->type_is_marked &&
            rhi__format_of(a->reader, heap)->type_is_marked(a->reader, i))
            RHI_TRY(add_type(a, i, false));
    RHI_TRY(rhi__reader_load(a->reader));
    RHI_TRY(rhi__each_chosen(&a->session->work, a->reader, "finding objects", is_traced,
                             list_object, a));
    return settle_stops(a);
}

/* ---- programs that shut themselves in ------------------------------------------------------- */

static bool is_unready(rhi_reader *reader, uint32_t heap)
{
    rhi_trace trace;
    rhi__trace(reader, heap, &trace);
    return trace.can == RHI_TRACE_POSSIBLE && !trace.is_ready;
}

/* Has the heap record without asking the system for anything. *is_quiet: it will. */
static rhi_error *make_quiet(const answer *a, uint32_t heap, bool *is_quiet)
{
    const rhi_format *format = rhi__format_of(a->reader, heap);
    rhi_patches patches = {0};
    if (format->quiet)
        RHI_TRY(format->quiet(a->reader, heap, &patches));
    *is_quiet &= patches.count > 0;
    return write_patches(a->reader, &patches);
}

/* The heaps of objects; an object of a type may be born in any. *some: there are such that would
 * ask the system for what they need at the first change, as the program has not done before. */
static rhi_error *make_all_quiet(const answer *a, bool *some, bool *is_quiet)
{
    for (uint64_t heap = 0; heap < a->reader->heaps.count; heap++) {
        bool is_asked = a->types.count > 0;
        for (uint64_t i = 0; i < a->objects.count; i++)
            is_asked |= a->objects.items[i].object.heap == heap;
        if (!is_asked || !is_unready(a->reader, (uint32_t)heap))
            continue;
        *some = true;
        if (*is_quiet)
            RHI_TRY(make_quiet(a, (uint32_t)heap, is_quiet));
    }
    return NULL;
}

/* It must not be killed for what is recorded. Of a process behind a server nobody tells whether it
 * may. */
static rhi_error *spare_sealed(const answer *a)
{
    int pid = rhi__memory_process(a->reader->memory);
    bool some = false, is_quiet = pid != 0; /* what may be asked for at all */
    char text[RHI_NAME_SIZE + 256];
    if (a->asked.off || (!a->asked.operand && !a->asked.type) ||
        !(a->objects.count + a->types.count) || (pid && !rhi__is_sealed(pid)))
        return NULL;
    RHI_TRY(make_all_quiet(a, &some, &is_quiet));
    if (!some)
        return NULL;
    uint32_t type = a->objects.count ? a->objects.items[0].object.type : a->types.items[0].type;
    if (is_quiet)
        snprintf(text, sizeof text,
                 "the program runs under seccomp, so that nothing is asked of the system: changes "
                 "are recorded without stacks, and the last 5,000 of them; "
                 "REFHEAP_OPTIONS=trace=%s records more",
                 rhi__type_name(a->reader, type));
    else
        snprintf(text, sizeof text,
                 "%s it may be killed at the first change that is recorded, if its filter refuses "
                 "openat or mmap; start it with REFHEAP_OPTIONS=trace=%s instead",
                 pid ? "the program runs under seccomp:"
                     : "whether the program runs under seccomp is not known here; if it does,",
                 rhi__type_name(a->reader, type));
    rhi__note(&a->session->remarks, text);
    return NULL;
}

static rhi_error *ask(rhi_session *session, answer *a)
{
    uint8_t *fits = NULL;
    RHI_TRY(rhi__session_open(session, &a->reader));
    if (!a->asked.operand && !a->asked.type)
        return list(a);
    RHI_TRY(check_writable(a));
    if (a->asked.operand)
        return watch_object(a);
    rhi_error *error = rhi__types_like(a->reader, a->asked.type, &fits);
    if (!error)
        error = watch_types(a, fits);
    free(fits);
    return error;
}

rhi_error *rhi__refwatch(rhi_session *session, const rhi_refwatch_asked *asked, answer *a)
{
    *a = (answer){.session = session, .asked = *asked};
    RHI_TRY(ask(session, a));
    return spare_sealed(a);
}

void rhi__refwatch_free(answer *a)
{
    free(a->objects.items);
    free(a->types.items);
}
