/* misuse.c - what is said when the program breaks the rules: objects used after their end,
 * objects that never were, heaps used from the wrong thread.
 *
 * Invariant: a report is one write of at most PIPE_BUF bytes, so that no other output gets
 * between its lines, and needs no memory. It believes nothing about the address it is given: it
 * looks for the chunk in the list of mappings first.
 */
#include "internal.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_SHOWN 4u /* the object's own end, and three more */

typedef struct report {
    size_t length;
    char text[PIPE_BUF];
} report;

bool rh__checks_some;

static const char *const deaths[] = {"?", "release", "collect", "destroy"};
static const char *const events[] = {"?",         "alloc",        "free",   "finalize",
                                     "resurrect", "last release", "retain", "release"};

/* What does not fit is left out; the text ends with a newline either way. */
static __attribute__((format(printf, 2, 3))) void add(report *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t left = sizeof self->text - self->length;
    int wrote = vsnprintf(self->text + self->length, left, format, arguments);
    va_end(arguments);
    if (wrote < 0)
        return;
    if ((size_t)wrote < left) {
        self->length += (size_t)wrote;
        return;
    }
    self->length = sizeof self->text;
    self->text[sizeof self->text - 1] = '\n';
}

static void add_name(report *self, uint32_t type, uint64_t serial)
{
    add(self, "%s#%llu", rh__type_name(type), (unsigned long long)serial);
}

/* Where it was born, if that is known, between two other texts. */
static void add_birth(report *self, const rh_object *object, const char *before, const char *after)
{
    char born[RH__BIRTH_TEXT_SIZE];
    if (rh__birth_text(object, born))
        add(self, "%sborn %s%s", before, born, after);
}

static __attribute__((noreturn)) void finish(const report *self)
{
    ssize_t written = write(STDERR_FILENO, self->text, self->length);
    (void)written;
    abort();
}

/* ---- where an address lies ------------------------------------------------------------------ */

/* Chunks that this thread saw lately. One that is unmapped since makes all of them unknown. */
#define SEEN 64u
static _Thread_local const void *seen[SEEN];
static _Thread_local uint32_t seen_unmapped;

static bool is_chunk(const void *chunk)
{
    uint32_t unmapped = __atomic_load_n(&rh__chunks_unmapped, __ATOMIC_RELAXED);
    if (seen_unmapped != unmapped) {
        memset(seen, 0, sizeof seen);
        seen_unmapped = unmapped;
    }
    const void **place = &seen[(uintptr_t)chunk / RH__CHUNK_SIZE % SEEN];
    if (*place == chunk && chunk)
        return true;
    if (!rh__is_chunk(chunk))
        return false;
    *place = chunk;
    return true;
}

/* The slot that the address lies in, or NULL: it was never an object's. */
static const rh_object *slot_around(const void *address)
{
    const rh__chunk *chunk = rh__chunk_of(address);
    uintptr_t offset = (uintptr_t)address - (uintptr_t)chunk;
    if (offset < RH__CHUNK_DATA || !is_chunk(chunk))
        return NULL;
    const rh__slab *slab = rh__slab_of(address);
    if (!slab->slot_size)
        return NULL;
    uint32_t slot = rh__slot_of(slab, address);
    const rh_object *object = slot < slab->capacity ? rh__slot_object(slab, slot) : NULL;
    return object && object->rh_type_index ? object : NULL;
}

static __attribute__((noreturn, noinline)) void
report_no_object(const char *what, const void *address, const rh_object *around)
{
    report text = {0};
    add(&text, "refheap: %s %p, which is no object", what, address);
    if (around) {
        add(&text, ": it lies %zu bytes inside %s",
            (size_t)((const char *)address - (const char *)around),
            around->rh_flags & RH_FLAG_FREED ? "freed " : "");
        add_name(&text, around->rh_type_index, rh__serial(around));
        add_birth(&text, around, ", ", "");
    } else {
        add(&text, ": it lies in no %s",
            is_chunk(rh__chunk_of(address)) ? "slot that was ever used" : "heap");
    }
    add(&text, "\n");
    finish(&text);
}

/* ---- what the history says ------------------------------------------------------------------ */

static void add_place(report *text, uint64_t place)
{
    const void *address = (const void *)(uintptr_t)place;
    Dl_info info;
    add(text, "refheap:     at %p", address);
    /* A return address may lie behind the function's last instruction. */
    if (dladdr((const char *)address - 1, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        const char *file = slash ? slash + 1 : info.dli_fname;
        if (info.dli_sname)
            add(text, " %s+%#zx", info.dli_sname,
                (size_t)((const char *)address - (const char *)info.dli_saddr));
        /* As addr2line -e wants it. */
        add(text, " (%s+%#zx)", file,
            (size_t)((const char *)address - (const char *)info.dli_fbase));
    }
    add(text, "\n");
}

typedef struct recalling {
    report *text;
    uint64_t now; /* in ns */
    uint32_t shown;
} recalling;

static bool add_event(void *context, const rh_heap *heap, const rh__recalled *event)
{
    recalling *self = context;
    report *text = self->text;
    const rh__event *slot = event->slot;
    uint32_t kind = slot->what & RH__EVENT_KIND;
    if (kind > RH_EVENT_MARK)
        return true; /* nothing happened to it */
    if (!self->shown)
        add(text, "refheap: heap %llu%s%s remembers of this address, newest first:\n",
            (unsigned long long)heap->number, *heap->name ? " " : "", heap->name);
    double seconds = self->now > event->since ? (double)(self->now - event->since) / 1e9 : 0;
    add(text, "refheap:   at most %.3f s ago: %s of ", seconds,
        events[kind < RH_EVENT_MARK ? kind : 0]);
    add_name(text, (uint16_t)slot->where, slot->origin >> RH__SITE_BITS);
    if (kind == RH_EVENT_FREE)
        add(text, " by %s", deaths[slot->what >> RH__EVENT_DEATH_SHIFT & 3]);
    add(text, " in thread %u\n", event->thread);
    uint64_t place = slot->where >> 16;
    if (!(slot->what & RH__EVENT_STACK) && place)
        add_place(text, place);
    const uint64_t *stack = heap->stacks + place * heap->stack_depth;
    if (slot->what & RH__EVENT_STACK)
        for (uint32_t i = 0; i < heap->stack_depth && stack[i]; i++)
            add_place(text, stack[i]);
    return ++self->shown < EVENTS_SHOWN;
}

/* The newest events of the address: how the object ended, and who lived there before it. */
static void add_history(report *text, const rh_heap *heap, const rh_object *object)
{
    if (!heap->ring)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    recalling self = {.text = text,
                      .now = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec};
    rh__history_recall(heap, object, add_event, &self);
    /* Of who is not freed a history of deaths says nothing. */
    if (!self.shown && (heap->keeps_all || object->rh_flags & RH_FLAG_FREED))
        add(text, "refheap: the history of heap %llu does not reach back to it\n",
            (unsigned long long)heap->number);
}

void rh__misuse(const char *what, const rh_object *object)
{
    const rh_object *around = slot_around(object);
    if (around != object)
        report_no_object(what, object, around);
    report text = {0};
    uint32_t flags = object->rh_flags;
    add(&text, "refheap: %s %sobject ", what,
        flags & RH_FLAG_FREED   ? "freed "
        : flags & RH_FLAG_DYING ? "dying "
                                : "");
    add_name(&text, object->rh_type_index, rh__serial(object));
    add_birth(&text, object, ", ", "");
    if (flags & RH_FLAG_FREED)
        add(&text, " (freed by %s)", deaths[rh__death_of(object) & 3]);
    add(&text, "\n");
    add_history(&text, rh__heap_of(object), object);
    finish(&text);
}

/* ---- threads -------------------------------------------------------------------------------- */

static __attribute__((noreturn, noinline)) void
report_thread(const rh_heap *heap, const char *operation, const rh_object *object)
{
    report text = {0};
    unsigned long long number = (unsigned long long)heap->number;
    add(&text, "refheap: %s of ", operation);
    if (object) {
        add_name(&text, object->rh_type_index, rh__serial(object));
        add(&text, " (heap %llu)", number);
    } else {
        add(&text, "heap %llu", number);
    }
    add(&text,
        " in thread %u, but the heap is attached to thread %u (rh_heap_attach hands it over)\n",
        rh__thread_id(), heap->owner_thread);
    finish(&text);
}

/* Heap 0 belongs to everybody: its objects are immortal, its births are under a lock. */
void rh__check_thread(const rh_heap *heap, const char *operation, const rh_object *object)
{
    if (RH__LIKELY(heap->number != 0) && RH__UNLIKELY(heap->owner_thread != rh__thread_id()))
        report_thread(heap, operation, object);
}

void rh__check_access(const void *address, const char *operation)
{
    const rh_object *object = address;
    if (RH__UNLIKELY(slot_around(object) != object)) {
        char what[32];
        snprintf(what, sizeof what, "%s of", operation);
        report_no_object(what, object, slot_around(object));
    }
    if (!(object->rh_flags & RH_FLAG_FREED)) /* the operation itself reports what is freed */
        rh__check_thread(rh__heap_of(object), operation, object);
}
