/* type_cache.c - the cache of types' attributes, which owns names (see roots.h).
 *
 * From 3.10 on an interpreter has it. In 3.9 it is a variable of CPython's own file, for all
 * interpreters, that no symbol leads to in a stripped one: but the place of each row follows from
 * what the row holds. Invariant: what is taken for the cache has enough rows, and nearly all of
 * them are at their places. */
#include "readers/cpython/roots.h"

enum {
    ROWS = 4096,
    ROW_BYTES = 24, /* {u32 version, name, value} */
    NAME = 8,
    TABLE_BYTES = ROWS * ROW_BYTES,
    STR_HASH = 24,
    ENOUGH = 64, /* rows that are at their places */
    ENOUGH_OF_ALL = 16,
    MISPLACED_MAX = 2 /* a row may be written just now */
};

/* Where the row stands that holds this, in 3.9; ROWS: nowhere. */
static uint64_t place_of(py_roots *roots, const uint8_t *row)
{
    uint64_t version = rhi__load64(row), name = rhi__load64(row + NAME), hash;
    return version == 0 || version > UINT32_MAX || name == 0 || name % 8 ||
                   !rhi__py_word(roots, name + STR_HASH, &hash)
               ? ROWS
               : (version ^ hash) % ROWS;
}

static bool is_table(py_roots *roots, const uint8_t *table)
{
    unsigned placed = 0, misplaced = 0;
    for (uint64_t i = 0; i < ROWS && misplaced <= MISPLACED_MAX && placed < ENOUGH; i++) {
        uint64_t place = place_of(roots, table + i * ROW_BYTES);
        placed += place == i;
        misplaced += place != i && place != ROWS;
    }
    return placed >= ENOUGH_OF_ALL && misplaced <= MISPLACED_MAX;
}

static uint64_t find_table(py_roots *roots)
{
    rhi_scratch scratch = {0};
    uint64_t start, got, found = 0;
    const uint8_t *bytes = rhi__py_variables(roots->py, &scratch, &start, &got);
    for (uint64_t at = 0; bytes && at + ROW_BYTES <= got && !found; at += 8) {
        uint64_t before = place_of(roots, bytes + at) * ROW_BYTES;
        if (before < TABLE_BYTES && before <= at && got - (at - before) >= TABLE_BYTES &&
            is_table(roots, bytes + at - before))
            found = start + at - before;
    }
    rhi__scratch_free(&scratch);
    return found;
}

void rhi__py_type_cache(py_roots *roots, const py_interpreter *interpreter)
{
    const py_runtime *py = roots->py;
    bool is_first = interpreter == &py->interpreters.items[0],
         is_own = py->at->type_cache != PY_ABSENT;
    uint64_t at = is_own     ? interpreter->address + py->at->type_cache
                  : is_first ? find_table(roots)
                             : 0;
    if (!at)
        return;
    for (uint32_t i = 0; i < ROWS; i++)
        rhi__py_root(roots, at + i * ROW_BYTES + NAME, "cache of types' attributes");
    rhi__py_nothing(roots, at, TABLE_BYTES, "the cache of types' attributes");
}
