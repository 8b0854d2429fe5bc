/* free_lists.c - lists and dicts that are kept for reuse, where static arrays of C have them: in
 * 3.9 (see roots.h). Later versions have them in the interpreter: interpreter.c.
 *
 * What is made takes the last entry, and its address stays in the array, which would be taken for
 * an owner. A collection empties the array and leaves all addresses. Invariant: an array is only
 * what has several addresses of free objects: no owner has that. All else stays words of data. */
#include "base/search.h"
#include "readers/cpython/roots.h"

enum {
    ENTRIES_MAX = 80,
    FREE_MIN = 4,
    ALIGN = 32 /* of an array of this size: a pointer in front of one is not taken for its first */
};

static bool is_in_arena(const py_runtime *py, uint64_t address)
{
    uint64_t next = rhi__first(0, py->arenas.count, at, py->arenas.items[at] > address);
    return next && address % 8 == 0 && address - py->arenas.items[next - 1] < py->at->arena_bytes;
}

/* Is an object of this kind there, or was? */
static bool is_kind(const py_runtime *py, uint64_t type, uint32_t kind)
{
    const py_type *known = rhi__py_known_type(py, type);
    return known && !known->is_heap_type && known->flags & kind;
}

/* Do so many entries, all of them addresses in arenas, lead to objects of this kind, some of which
 * are free? */
static bool is_array(const py_runtime *py, const uint8_t *entries, uint64_t count, uint32_t kind)
{
    uint64_t header[2], alike = 0, free = 0; /* header: count and type */
    for (uint64_t i = 0; i < count; i++)
        if (rhi__memory_read(py->memory, rhi__load64(entries + 8 * i), header, sizeof header) ==
                sizeof header &&
            is_kind(py, header[1], kind)) {
            alike++;
            free += header[0] == 0;
        }
    return free >= FREE_MIN && 2 * alike >= count;
}

void rhi__py_free_lists(py_roots *roots)
{
    const py_runtime *py = roots->py;
    rhi_scratch scratch = {0};
    uint64_t start, got, count;
    if (py->minor > 9)
        return;
    const uint8_t *bytes = rhi__py_variables(py, &scratch, &start, &got);
    for (uint64_t at = 0; bytes && at + 8 <= got; at += 8 * (count + 1)) {
        for (count = 0;
             at + 8 * (count + 1) <= got && is_in_arena(py, rhi__load64(bytes + at + 8 * count));)
            count++;
        if (count >= FREE_MIN && count <= ENTRIES_MAX && (start + at) % ALIGN == 0 &&
            (is_array(py, bytes + at, count, PY_FLAG_LIST) ||
             is_array(py, bytes + at, count, PY_FLAG_DICT)))
            rhi__py_nothing(roots, start + at, 8 * count, "the lists of objects kept for reuse");
    }
    rhi__scratch_free(&scratch);
}
