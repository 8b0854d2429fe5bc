/* leaks.c - what a heap still holds when it is destroyed, by the lines that made it: what
 * REFHEAP_OPTIONS=leaks=on prints.
 *
 * Invariant: it only reads the heap, before anything of its end runs. A leak is direct if a count
 * of the object comes from outside of the heap's objects (a variable never gave it back), indirect
 * if direct ones lead to it, and else cyclic: garbage that holds itself, with all that it reaches.
 * Immortal objects, and what only they lead to, are none.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define ROWS_SHOWN 20u

enum leak_kind { LEAK_DIRECT, LEAK_CYCLIC, LEAK_INDIRECT };

/* An object; then all that are alike, with the first of them. */
typedef struct leak {
    const rh_object *object;
    uint64_t bytes;
    uint64_t objects;
    uint32_t kind;
    uint16_t type;
    uint16_t site;
} leak;

enum reached { REACHED_BY_NONE, REACHED_BY_LEAK, REACHED_BY_IMMORTAL, IS_DIRECT };

typedef struct state {
    uint32_t found;   /* counts in fields of the heap's objects */
    uint32_t reached; /* enum reached */
} state;

typedef struct search {
    rh_heap *heap;
    state *states;     /* by slab->check_base + slot */
    rh_object **queue; /* reached, and their slots not looked at */
    uint64_t queued;
    uint32_t mark; /* of what the queue leads to */
    leak *leaks;
    uint64_t count;
} search;

static state *state_of(const search *s, const rh_object *object)
{
    const rh__slab *slab = rh__slab_of(object);
    return &s->states[slab->check_base + rh__slot_of(slab, object)];
}

/* The object of this heap that a slot holds, or NULL. */
static rh_object *target_of(const search *s, void **slot)
{
    void *target;
    memcpy(&target, slot, sizeof target);
    return target ? rh__slot_at(s->heap, target) : NULL;
}

static void count_slot(void *context, void **slot)
{
    const rh_object *target = target_of(context, slot);
    if (target)
        state_of(context, target)->found++;
}

static void reach_slot(void *context, void **slot)
{
    search *s = context;
    rh_object *target = target_of(s, slot);
    if (!target || state_of(s, target)->reached != REACHED_BY_NONE)
        return;
    state_of(s, target)->reached = s->mark;
    s->queue[s->queued++] = target;
}

static void reach_all(search *s, enum reached mark)
{
    s->mark = mark;
    while (s->queued)
        rh__visit_slots(s, s->queue[--s->queued], reach_slot);
}

static uint64_t bytes_of(const rh_object *object)
{
    const rh__type_entry *type = rh__type_of(object);
    size_t elements = 0;
    if (type->length_offset)
        memcpy(&elements, (const char *)object + type->length_offset, sizeof elements);
    return type->object_size + elements * type->element_size;
}

static bool is_immortal(const rh_object *object)
{
    return (object->rh_flags & RH_FLAG_IMMORTAL) != 0;
}

static void add_leak(search *s, const rh_object *object, enum leak_kind kind)
{
    s->leaks[s->count++] = (leak){.object = object,
                                  .bytes = bytes_of(object),
                                  .objects = 1,
                                  .kind = kind,
                                  .type = object->rh_type_index,
                                  .site = (uint16_t)object->rh_origin};
}

/* Numbers the slots of all slabs; returns how many there are. */
static uint64_t number_slots(rh_heap *heap)
{
    uint64_t slots = 0;
    for (rh__chunk *chunk = heap->chunks; chunk; chunk = chunk->next)
        for (uint32_t i = 0; i < RH__CHUNK_SLABS; i++) {
            chunk->slabs[i].check_base = slots;
            slots += chunk->slabs[i].slot_size ? chunk->slabs[i].capacity : 0;
        }
    return slots;
}

static void find_direct(search *s)
{
    rh__cursor cursor = {0};
    for (rh_object *object; (object = rh__next_object(s->heap, &cursor));) {
        state *known = state_of(s, object);
        size_t count = rh_refcount(object) - ((object->rh_flags & RH_FLAG_HELD) != 0);
        if (is_immortal(object) || count <= known->found)
            continue;
        add_leak(s, object, LEAK_DIRECT);
        if (known->reached == REACHED_BY_NONE)
            s->queue[s->queued++] = object;
        known->reached = IS_DIRECT;
    }
    reach_all(s, REACHED_BY_LEAK);
}

static void find_leaks(search *s)
{
    rh__cursor cursor = {0};
    for (rh_object *object; (object = rh__next_object(s->heap, &cursor));)
        rh__visit_slots(s, object, count_slot);
    cursor = (rh__cursor){0};
    for (rh_object *object; (object = rh__next_object(s->heap, &cursor));)
        if (is_immortal(object) && state_of(s, object)->reached == REACHED_BY_NONE) {
            state_of(s, object)->reached = REACHED_BY_IMMORTAL;
            s->queue[s->queued++] = object;
        }
    reach_all(s, REACHED_BY_IMMORTAL);
    find_direct(s);
    cursor = (rh__cursor){0};
    for (rh_object *object; (object = rh__next_object(s->heap, &cursor));) {
        uint32_t reached = state_of(s, object)->reached;
        if (reached == REACHED_BY_NONE || reached == REACHED_BY_LEAK)
            add_leak(s, object, reached == REACHED_BY_NONE ? LEAK_CYCLIC : LEAK_INDIRECT);
    }
}

/* ---- what is printed ------------------------------------------------------------------------ */

static int alike_order(const void *left, const void *right)
{
    const leak *a = left, *b = right;
    uint64_t keys[2] = {(uint64_t)a->kind << 32 | (uint64_t)a->type << 16 | a->site,
                        (uint64_t)b->kind << 32 | (uint64_t)b->type << 16 | b->site};
    if (keys[0] != keys[1])
        return keys[0] < keys[1] ? -1 : 1;
    return a->object->rh_origin < b->object->rh_origin ? -1 : 1;
}

/* The causes first, of these what is largest. */
static int row_order(const void *left, const void *right)
{
    const leak *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? -1 : 1;
    return a->object->rh_origin < b->object->rh_origin ? -1 : 1;
}

static bool are_alike(const leak *a, const leak *b)
{
    return a->kind == b->kind && a->type == b->type && a->site == b->site;
}

static void join_alike(search *s)
{
    uint64_t kept = 0;
    qsort(s->leaks, s->count, sizeof *s->leaks, alike_order);
    for (uint64_t i = 0; i < s->count; i++)
        if (kept && are_alike(&s->leaks[kept - 1], &s->leaks[i])) {
            s->leaks[kept - 1].bytes += s->leaks[i].bytes;
            s->leaks[kept - 1].objects++;
        } else {
            s->leaks[kept++] = s->leaks[i];
        }
    s->count = kept;
    qsort(s->leaks, s->count, sizeof *s->leaks, row_order);
}

static void print_row(const leak *row)
{
    static const char *const kinds[] = {"direct", "cyclic", "indirect"};
    char born[RH__BIRTH_TEXT_SIZE];
    const char *type = rh__type_name(row->type);
    fprintf(stderr, "refheap: %s leak of %llu bytes in %llu %s%s%s: %s#%llu%s\n", kinds[row->kind],
            (unsigned long long)row->bytes, (unsigned long long)row->objects, type,
            rh__birth_text(row->object, born) ? " born " : "", born, type,
            (unsigned long long)rh__serial(row->object), row->objects > 1 ? ", …" : "");
}

static void print(search *s)
{
    uint64_t objects = s->count, bytes = 0;
    for (uint64_t i = 0; i < s->count; i++)
        bytes += s->leaks[i].bytes;
    if (objects == 0)
        return;
    join_alike(s);
    fprintf(stderr, "refheap: heap %llu%s%s is destroyed, and holds %llu object%s of %llu bytes:\n",
            (unsigned long long)s->heap->number, *s->heap->name ? " " : "", s->heap->name,
            (unsigned long long)objects, objects == 1 ? "" : "s", (unsigned long long)bytes);
    for (uint64_t i = 0; i < s->count && i < ROWS_SHOWN; i++)
        print_row(&s->leaks[i]);
    if (s->count > ROWS_SHOWN)
        fprintf(stderr, "refheap: and %llu more rows\n",
                (unsigned long long)(s->count - ROWS_SHOWN));
}

void rh__leaks_report(rh_heap *heap)
{
    uint64_t slots = number_slots(heap), objects = rh__object_count(heap);
    search s = {.heap = heap,
                .states = calloc(slots + 1, sizeof *s.states),
                .queue = malloc((objects + 1) * sizeof *s.queue),
                .leaks = malloc((objects + 1) * sizeof *s.leaks)};
    if (s.states && s.queue && s.leaks) {
        find_leaks(&s);
        print(&s);
    } else {
        fprintf(stderr,
                "refheap: heap %llu is destroyed, and holds %llu objects; no memory to tell them\n",
                (unsigned long long)heap->number, (unsigned long long)objects);
    }
    free(s.states);
    free(s.queue);
    free(s.leaks);
}
