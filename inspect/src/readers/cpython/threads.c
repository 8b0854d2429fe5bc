/* threads.c - what the states of Python's threads own, and which thread of the process each is (see
 * roots.h). Invariant: lists of the target that have no end come to one here. */
#include "readers/cpython/roots.h"
#include "base/array.h"
#include "base/cycle_guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS_MAX = 1 << 18 };

/* Bytes of a thread's state, by version. */
static const uint16_t state_bytes[PY_VERSIONS] = {264, 280, 360, 288, 336};
/* What it owns, and where; 0: nothing of the kind. Of exceptions that are being handled it owns the
 * last of the chain alone, which is in it: the others are in generators, whose they are. */
/* clang-format off */
static const struct {
    const char *name;
    uint16_t at[PY_VERSIONS];
} owned[] = {
    {"sys.setprofile",                       { 72,  72,  80,  80,  96}},
    {"sys.settrace",                         { 80,  80,  88,  88, 104}},
    {"exception that is being raised",       { 96,  96, 104,  96, 112}},
    {"type of the exception being raised",   { 88,  88,  96,   0,   0}},
    {"traceback of the exception being raised", {104, 104, 112, 0,  0}},
    {"exception that is being handled",      {120, 120, 320, 256, 256}},
    {"type of the exception being handled",  {112, 112,   0,   0,   0}},
    {"traceback of the exception being handled", {128, 128, 0, 0,   0}},
    {"dict of the thread's state",           {152, 152, 128, 112, 128}},
    {"exception set from outside",           {168, 168, 144, 128, 144}},
    {"hook for new async generators",        {224, 224, 208, 192, 192}},
    {"hook for async generators that end",   {232, 232, 216, 200, 200}},
    {"context",                              {240, 240, 224, 208, 208}},
    {"executor that was left",               {  0,   0,   0,   0, 272}},
    {"key of threading.local",               {  0,   0,   0,   0, 288}},
    {"sentinel of threading.local",          {  0,   0,   0,   0, 296}},
    {"running loop of asyncio",              {  0,   0,   0,   0, 304}},
};
/* what a thread that ends hands on, where a function for that is set: the word before it */
static const uint16_t at_end[PY_VERSIONS] = {208, 208, 192, 176, 0};
/* clang-format on */

/* ---- threads of the process ----------------------------------------------------------------- */

typedef struct pthread {
    uint64_t pointer, lwp;
} pthread;
/* Of those threads whose thread pointer is known; sorted by it. */
typedef struct places {
    pthread *items;
    uint64_t count;
} places;

static int pthread_order(const void *left, const void *right)
{
    const pthread *a = left, *b = right;
    return a->pointer < b->pointer ? -1 : a->pointer > b->pointer;
}

uint64_t rhi__py_thread_pointer(const struct rhi_sink *map, const rhi_thread *thread)
{
    const rhi_register *r = &map->registers.items[thread->first_register];
    for (uint32_t i = 0; i < thread->register_count; i++)
        if (strcmp(r[i].name, "fs_base") == 0 || strcmp(r[i].name, "tpidr") == 0 ||
            strcmp(r[i].name, "tpidr_el0") == 0)
            return r[i].value;
    return 0;
}

static bool find_places(const struct rhi_sink *map, places *p)
{
    p->items = calloc(map->threads.count + 1, sizeof *p->items);
    for (uint64_t i = 0; p->items && i < map->threads.count; i++) {
        const rhi_thread *thread = &map->threads.items[i];
        uint64_t pointer = rhi__py_thread_pointer(map, thread);
        if (pointer)
            p->items[p->count++] = (pthread){pointer, thread->lwp};
    }
    if (p->items)
        qsort(p->items, p->count, sizeof *p->items, pthread_order);
    return p->items != NULL;
}

/* By the number of pthreads, which is glibc's thread pointer; else as the kernel told the process,
 * which in a container is another number than ours. */
static void identify(py_roots *roots, const places *p, py_thread *thread)
{
    const py_offsets *at = roots->py->at;
    uint64_t id = 0, native = 0;
    rhi__py_word(roots, thread->address + at->thread_id, &id);
    if (at->native_id != PY_ABSENT)
        rhi__py_word(roots, thread->address + at->native_id, &native);
    uint64_t i = rhi__first(0, p->count, k, p->items[k].pointer >= id);
    if (id && i < p->count && p->items[i].pointer == id)
        native = p->items[i].lwp;
    thread->id = id;
    snprintf(thread->name, sizeof thread->name, native ? "thread %" PRIu64 : "thread 0x%" PRIx64,
             native ? native : id);
}

/* ---- their states --------------------------------------------------------------------------- */

static void add_state(py_roots *roots, const py_thread *thread)
{
    unsigned version = py_version(roots->py);
    uint64_t function, data, type;
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        if (owned[i].at[version])
            rhi__py_root(roots, thread->address + owned[i].at[version], "%s, %s", owned[i].name,
                         thread->name);
    /* that of `threading` is a weak reference; others may do what they like */
    uint64_t end = thread->address + at_end[version];
    if (at_end[version] && rhi__py_word(roots, end - 8, &function) && function &&
        rhi__py_word(roots, end, &data) && data && rhi__py_word(roots, data + PY_OB_TYPE, &type)) {
        const py_type *found = rhi__py_type_at(roots->py, type);
        if (found && found->layout == PY_WEAKREF)
            rhi__py_root(roots, end, "lock for the end of %s", thread->name);
    }
    rhi__py_nothing(roots, thread->address, state_bytes[version], "the state of a Python thread");
}

/* Of an interpreter, until the visitor returns false. False: the list breaks off. */
static bool each_thread(py_roots *roots, const py_interpreter *interpreter,
                        bool (*visit)(void *context, py_roots *roots, const py_thread *thread),
                        void *context)
{
    const py_offsets *at = roots->py->at;
    rhi_cycle_guard guard = {0};
    places p = {0};
    uint64_t address, owner, count = 0;
    if (!find_places(&roots->reader->memory->map, &p))
        roots->out_of_memory = true;
    bool ok = rhi__py_word(roots, interpreter->address + at->threads_head, &address);
    while (ok && address && !roots->out_of_memory) {
        py_thread thread = {.address = address};
        if (count++ == THREADS_MAX) {
            rhi__py_cut(roots, "threads of Python");
            break;
        }
        ok = !rhi__is_repeated(&guard, address) && rhi__range_ok(address, 4096) &&
             rhi__py_word(roots, address + at->thread_interpreter, &owner) &&
             owner == interpreter->address &&
             rhi__py_word(roots, address + at->thread_next, &address);
        if (ok)
            identify(roots, &p, &thread);
        if (ok && !visit(context, roots, &thread))
            break;
    }
    free(p.items);
    return ok;
}

static bool add_thread(void *context, py_roots *roots, const py_thread *thread)
{
    add_state(roots, thread);
    rhi__py_frame_roots(roots, context, thread);
    return true;
}

void rhi__py_thread_roots(py_roots *roots, py_frames *frames, const py_interpreter *interpreter)
{
    if (!each_thread(roots, interpreter, add_thread, frames))
        rhi__reader_problem(roots->reader,
                            "the list of Python's threads breaks off: what holds objects in the "
                            "others is not known");
}

typedef struct looking {
    py_frames *frames;
    uint64_t slot;
    py_frame_place *place;
    bool found;
} looking;

static bool look_in_thread(void *context, py_roots *roots, const py_thread *thread)
{
    looking *l = context;
    l->found = rhi__py_find_in_frames(roots, l->frames, thread, l->slot, l->place);
    return !l->found;
}

bool rhi__py_frame_at(py_runtime *py, uint64_t slot, py_frame_place *place)
{
    looking l = {.frames = rhi__py_frames_new(), .slot = slot, .place = place};
    py_roots roots = {.py = py,
                      .reader = py->reader,
                      .window = {.memory = py->memory, .step = PY_WINDOW_BYTES},
                      .frames_left = PY_FRAMES_MAX,
                      .is_quiet = true};
    for (uint64_t i = 0; l.frames && i < py->interpreters.count && !l.found; i++)
        each_thread(&roots, &py->interpreters.items[i], look_in_thread, &l);
    rhi__py_frames_free(l.frames);
    rhi__scratch_free(&roots.window.scratch);
    return l.found;
}
