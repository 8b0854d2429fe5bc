/* roots.c - roots, and memory that owns nothing, as threads, frames and interpreters add them (see
 * roots.h). Invariant: no more of them are kept than are said to be looked at. */
#include "readers/cpython/roots.h"
#include "base/array.h"

#include <stdarg.h>
#include <string.h>

enum { ROOTS_MAX = 1 << 20 };

const uint8_t *rhi__py_at(py_roots *roots, uint64_t address, uint64_t size)
{
    rhi_window *window = &roots->window;
    if (!rhi__window_covers(window, address, size)) {
        const rhi_region *region = rhi__memory_region(window->memory, address);
        if (!region || region->end - address < size)
            return NULL;
        uint64_t before = address - region->start;
        before = (before < window->step / 2 ? before : window->step / 2) & ~7ull;
        rhi__window_at(window, address - before, 1);
    }
    return rhi__window_at(window, address, size);
}

bool rhi__py_word(py_roots *roots, uint64_t address, uint64_t *value)
{
    const uint8_t *bytes = rhi__py_at(roots, address, 8);
    if (bytes)
        *value = rhi__load64(bytes);
    return bytes != NULL;
}

void rhi__py_cut(py_roots *roots, const char *what)
{
    if (!roots->is_cut && !roots->is_quiet)
        rhi__reader_problem(roots->reader, "there are more %s than are looked at", what);
    roots->is_cut = true;
}

static void add(py_roots *roots, rhi_root root, const char *format, va_list arguments)
{
    uint64_t value;
    root.heap = roots->heap;
    if (rhi__py_word(roots, root.slot, &value) && value == 0)
        return;
    if (roots->reader->roots.count >= ROOTS_MAX) {
        rhi__py_cut(roots, "roots of Python");
        return;
    }
    if (!rhi__array_reserve(&roots->reader->roots, 1)) {
        roots->out_of_memory = true;
        return;
    }
    rhi__format_into(root.name, sizeof root.name, format, arguments);
    roots->reader->roots.items[roots->reader->roots.count++] = root;
}

#define ADD(...)                                                                                   \
    do {                                                                                           \
        va_list arguments;                                                                         \
        va_start(arguments, format);                                                               \
        add(roots, (rhi_root){.slot = slot, __VA_ARGS__}, format, arguments);                      \
        va_end(arguments);                                                                         \
    } while (0)

void rhi__py_root(py_roots *roots, uint64_t slot, const char *format, ...)
{
    ADD(.reach = RHI_ROOT_LASTS);
}

void rhi__py_named_root(py_roots *roots, uint64_t slot, const char *format, ...)
{
    ADD(.reach = RHI_ROOT_BY_NAME);
}

void rhi__py_frame_root(py_roots *roots, uint64_t slot, const char *format, ...)
{
    ADD(.reach = RHI_ROOT_IN_CALL);
}

void rhi__py_stack_root(py_roots *roots, uint64_t slot, const char *format, ...)
{
    ADD(.reach = RHI_ROOT_IN_PASSING);
}

void rhi__py_guessed_root(py_roots *roots, uint64_t slot, const char *format, ...)
{
    ADD(.reach = RHI_ROOT_IN_PASSING, .is_guess = true);
}

void rhi__py_nothing(py_roots *roots, uint64_t start, uint64_t size, const char *what)
{
    rhi_reader *reader = roots->reader;
    if (size == 0 || !rhi__range_ok(start, size))
        return;
    if (!rhi__array_reserve(&reader->own, 1))
        roots->out_of_memory = true;
    else
        reader->own.items[reader->own.count++] =
            (rhi_own_range){.start = start, .end = start + size, .what = what, .heap = roots->heap};
}

const uint8_t *rhi__py_variables(const py_runtime *py, rhi_scratch *scratch, uint64_t *start,
                                 uint64_t *got)
{
    enum { BYTES_MAX = 4 << 20 };
    const rhi_region *region = rhi__memory_region(py->memory, py->address);
    uint64_t first = py->address, end = region ? region->end : first;
    for (; region && region->flags & RHI_REGION_WRITE && end - first < BYTES_MAX;
         region = rhi__memory_region(py->memory, first - 1))
        first = region->start;
    *start = end - first < BYTES_MAX ? first : end - BYTES_MAX;
    return rhi__memory_view(py->memory, *start, end - *start, scratch, got);
}
