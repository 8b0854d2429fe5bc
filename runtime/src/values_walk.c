/* values_walk.c - a stack and a table for walks through nested values, which may be deep and may
 * lead back to where they came from: recursion would overflow the program's stack.
 *
 * Invariant: a walk changes no value, allocates no object and runs no code of the program, so
 * nothing that it points to can change or die meanwhile. */
#include "values_internal.h"

#include <stdlib.h>

bool rh__walk_push(rh__walk *walk, const void *object, const void *other)
{
    if (walk->depth >= RH__WALK_FIRST && walk->depth - RH__WALK_FIRST == walk->capacity) {
        size_t capacity = walk->capacity ? walk->capacity * 2 : RH__WALK_FIRST;
        if (capacity > SIZE_MAX / 2 / sizeof *walk->deeper)
            return false;
        rh__walk_frame *deeper = realloc(walk->deeper, capacity * sizeof *deeper);
        if (!deeper)
            return false;
        walk->deeper = deeper;
        walk->capacity = capacity;
    }
    *rh__walk_at(walk, walk->depth++) = (rh__walk_frame){.object = object, .other = other};
    return true;
}

void rh__walk_free(rh__walk *walk)
{
    free(walk->deeper);
    RH__WALK_EMPTY(walk);
}

/* ---- the table: open addressing, at most two thirds full ------------------------------------ */

#define SEEN_SIZE_MIN 64

/* The object's cell, or the free one where it belongs. pre: the table has a free cell. */
static rh__seen_cell *probe(rh__seen_cell *cells, size_t size, const void *object)
{
    /* Objects lie at multiples of 16, one beside the other: the product spreads them. */
    uint64_t hash = ((uint64_t)(uintptr_t)object >> 4) * 0x9e3779b97f4a7c15u;
    size_t at = (hash >> 32) & (size - 1);
    while (cells[at].object && cells[at].object != object)
        at = (at + 1) & (size - 1);
    return &cells[at];
}

static bool grow(rh__seen *seen)
{
    size_t size = seen->size ? seen->size * 2 : SEEN_SIZE_MIN;
    rh__seen_cell *cells = calloc(size, sizeof *cells);
    if (!cells)
        return false;
    for (size_t i = 0; i < seen->size; i++)
        if (seen->cells[i].object)
            *probe(cells, size, seen->cells[i].object) = seen->cells[i];
    free(seen->cells);
    seen->cells = cells;
    seen->size = size;
    return true;
}

rh__seen_cell *rh__seen_find(const rh__seen *seen, const void *object)
{
    if (!seen->size)
        return NULL;
    rh__seen_cell *cell = probe(seen->cells, seen->size, object);
    return cell->object ? cell : NULL;
}

rh__seen_cell *rh__seen_add(rh__seen *seen, const void *object, uintptr_t value)
{
    rh__seen_cell *known = rh__seen_find(seen, object);
    if (known)
        return known;
    if (seen->used >= seen->size / 3 * 2 && !grow(seen))
        return NULL;
    rh__seen_cell *cell = probe(seen->cells, seen->size, object);
    *cell = (rh__seen_cell){object, value};
    seen->used++;
    return cell;
}

void rh__seen_free(rh__seen *seen)
{
    free(seen->cells);
    *seen = (rh__seen){0};
}
