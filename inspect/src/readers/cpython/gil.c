/* gil.c - which threads may be changing Python's objects just now: those that hold a GIL (see
 * checks.h).
 *
 * Whoever gives the GIL up has all objects, tables and pools in order, since another thread may
 * look at them at once: what a waiting thread has at hand is at rest.
 * Invariant: a thread that is not known to be without the GIL counts as one that holds it. */
#include "readers/cpython/checks.h"

enum {
    /* of a GIL */
    GIL_INTERVAL = 0, /* microseconds */
    GIL_HOLDER = 8,   /* the state of the thread that holds it, or was the last to */
    GIL_LOCKED = 16,
    GIL_BYTES = 24
};
#define INTERVAL_MAX 1000000000000ull

/* False: there is none that makes sense, or that a thread ever held. */
static bool read_gil(py_runtime *py, const py_interpreter *interpreter, uint8_t gil[GIL_BYTES])
{
    uint64_t at = py->address + py->at->gil;
    if (py->at->gil_is_own && !rhi__memory_u64(py->memory, interpreter->address + py->at->gil, &at))
        return false;
    return at % 8 == 0 && rhi__memory_read(py->memory, at, gil, GIL_BYTES) == GIL_BYTES &&
           rhi__load64(gil + GIL_INTERVAL) < INTERVAL_MAX && rhi__load32(gil + GIL_LOCKED) <= 1 &&
           rhi__load64(gil + GIL_HOLDER) && rhi__load64(gil + GIL_HOLDER) % 8 == 0;
}

/* The thread whose state that is; threads.count: it is none of these interpreters', or not found.
 */
static uint64_t thread_of(py_runtime *py, uint64_t state)
{
    const struct rhi_sink *map = &py->memory->map;
    uint64_t owner, pointer, i = 0, k = 0, none = map->threads.count;
    if (!rhi__memory_u64(py->memory, state + py->at->thread_interpreter, &owner) ||
        !rhi__memory_u64(py->memory, state + py->at->thread_id, &pointer) || pointer == 0)
        return none;
    while (k < py->interpreters.count && py->interpreters.items[k].address != owner)
        k++;
    while (i < none && rhi__py_thread_pointer(map, &map->threads.items[i]) != pointer)
        i++;
    return k < py->interpreters.count ? i : none;
}

bool rhi__py_holders(py_runtime *py, py_holder_visitor visit, void *context)
{
    uint8_t gil[GIL_BYTES];
    for (uint64_t i = 0; i < py->interpreters.count; i++) {
        const py_interpreter *interpreter = &py->interpreters.items[i];
        if (!read_gil(py, interpreter, gil))
            return false;
        if (!rhi__load32(gil + GIL_LOCKED))
            continue;
        uint64_t thread = thread_of(py, rhi__load64(gil + GIL_HOLDER));
        if (thread == py->memory->map.threads.count ||
            !visit(context, &py->memory->map.threads.items[thread]))
            return false;
    }
    return true;
}
