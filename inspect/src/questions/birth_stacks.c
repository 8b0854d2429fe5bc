/* birth_stacks.c - finds the recorded stacks of births of live objects, and joins equal ones (see
 * birth_stacks.h).
 *
 * A history remembers the newest births. So only the newest objects are asked about, as many as a
 * history of the default size has events.
 * Invariant: an object is counted in one group at most. */
#include "questions/birth_stacks.h"
#include "base/array.h"
#include "heap/objects.h"
#include "words/edges.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECTS_MAX = 1 << 17 };

/* An object that is asked about. */
typedef struct asked {
    rhi_born born;
    uint32_t kind;
} asked;

static int by_birth(const void *left, const void *right)
{
    return rhi__born_order(&((const asked *)left)->born, &((const asked *)right)->born);
}

/* Does the heap record stacks of births? */
static bool has_stacks(const rhi_reader *reader, const rhi_snapshot *snapshot, uint32_t heap)
{
    for (uint64_t i = 0; i < reader->heaps.count; i++)
        if (reader->heaps.items[i].number == snapshot->heaps.items[heap].number &&
            reader->heaps.items[i].keeps_births && reader->heaps.items[i].stack_depth)
            return true;
    return false;
}

/* The newest objects of each space. */
static uint64_t choose(rhi_session *session, rhi_reader *reader, const rhi_snapshot *snapshot,
                       asked *chosen)
{
    uint64_t count = 0;
    for (uint64_t k = 0; k < snapshot->spaces.count; k++) {
        const rhi_snapshot_space *space = &snapshot->spaces.items[k];
        for (uint64_t i = space->count; space->has_serials && i-- > 0 && count < OBJECTS_MAX;) {
            const rhi_snapshot_row *row = &snapshot->rows[space->first + i];
            rhi_object object;
            if (has_stacks(reader, snapshot, snapshot->classes.items[row->kind].heap) &&
                rhi__object_at_index(session, reader, row->index, &object))
                chosen[count++] = (asked){{object.serial, object.address}, row->kind};
        }
    }
    qsort(chosen, count, sizeof *chosen, by_birth);
    return count;
}

/* By class and stack. */
static int by_stack(const void *left, const void *right)
{
    const rhi_birth_group *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->birth->depth != b->birth->depth)
        return a->birth->depth < b->birth->depth ? -1 : 1;
    return memcmp(a->birth->stack, b->birth->stack, a->birth->depth * sizeof *a->birth->stack);
}

/* Every group has one object so far. */
static void join_equal(rhi_birth_stacks *self)
{
    uint64_t left = 0;
    qsort(self->groups.items, self->groups.count, sizeof *self->groups.items, by_stack);
    for (uint64_t i = 0; i < self->groups.count; i++) {
        const rhi_birth_group *group = &self->groups.items[i];
        if (left && by_stack(&self->groups.items[left - 1], group) == 0)
            self->groups.items[left - 1].objects++;
        else
            self->groups.items[left++] = *group;
    }
    self->groups.count = left;
}

static rhi_error *find_births(rhi_reader *reader, const asked *chosen, uint64_t count,
                              rhi_birth_stacks *ret)
{
    rhi_born *born = malloc((count + 1) * sizeof *born);
    ret->births = calloc(count + 1, sizeof *ret->births);
    if (!born || !ret->births || !rhi__array_reserve(&ret->groups, count + 1)) {
        free(born);
        return rhi__error_memory();
    }
    for (uint64_t i = 0; i < count; i++)
        born[i] = chosen[i].born;
    rhi__births(reader, born, count, ret->births);
    free(born);
    for (uint64_t i = 0; i < count; i++)
        if (ret->births[i].kind == RHI_EVENT_ALLOC && ret->births[i].depth)
            ret->groups.items[ret->groups.count++] =
                (rhi_birth_group){chosen[i].kind, 1, &ret->births[i]};
    join_equal(ret);
    return NULL;
}

rhi_error *rhi__birth_stacks_find(rhi_session *session, const rhi_snapshot *snapshot,
                                  rhi_birth_stacks *ret)
{
    rhi_reader *reader;
    RHI_TRY(rhi__session_reader(session, &reader));
    asked *chosen = malloc(OBJECTS_MAX * sizeof *chosen);
    if (!chosen)
        return rhi__error_memory();
    uint64_t count = choose(session, reader, snapshot, chosen);
    rhi_error *error = count ? find_births(reader, chosen, count, ret) : NULL;
    free(chosen);
    return error;
}

void rhi__birth_stacks_free(rhi_birth_stacks *self)
{
    free(self->births);
    free(self->groups.items);
}
