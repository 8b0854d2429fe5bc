/* observe.c - what the death of an object of an observed heap has besides: the quarantine, and
 * Valgrind.
 *
 * A quarantine is a ring of freed small slots that are not given back yet, so that a stale
 * pointer meets the tombstone of its object and not a new tenant. Invariant: a waiting slot
 * counts as taken (its live bit is set) and holds a tombstone; `bytes` is the sum of the waiting
 * slots' sizes, at most `bytes_max`; slots are given back in the order of their deaths. A slab
 * with a waiting slot is not empty, so it stays where it is.
 */
#include "internal.h"

#ifdef REFHEAP_VALGRIND
#include <valgrind/memcheck.h>
#endif

#define ENTRIES_MAX ((size_t)1 << 20)

typedef struct rh__quarantine {
    rh__mapping mapping;
    uint64_t capacity;
    uint64_t bytes_max;
    uint64_t bytes;
    uint64_t first;
    uint64_t count;
    rh_object *slots[]; /* from `first` on, round the end */
} quarantine;

/* ---- quarantine ----------------------------------------------------------------------------- */

bool rh__quarantine_start(rh_heap *heap, size_t bytes)
{
    uint64_t capacity = bytes / RH__SLOT_MIN;
    if (!capacity)
        return true; /* not one slot may wait */
    if (capacity > ENTRIES_MAX)
        capacity = ENTRIES_MAX;
    rh__mapping *mapping = rh__map(heap, RH_MAPPING_HISTORY,
                                   sizeof(quarantine) + capacity * sizeof(rh_object *), 0, true);
    if (!mapping)
        return false;
    heap->quarantine = (quarantine *)(void *)mapping;
    heap->quarantine->capacity = capacity;
    heap->quarantine->bytes_max = bytes;
    heap->is_observed = true;
    return true;
}

void rh__quarantine_free(rh_heap *heap)
{
    if (heap->quarantine)
        rh__unmap(&heap->quarantine->mapping);
    heap->quarantine = NULL;
}

static void release_oldest(rh_heap *heap, quarantine *self)
{
    rh_object *object = self->slots[self->first];
    self->first = self->first + 1 == self->capacity ? 0 : self->first + 1;
    self->count--;
    rh__slab *slab = rh__slab_of(object);
    self->bytes -= slab->slot_size;
    rh__slot_free(heap, slab, object);
}

static bool has_room(const quarantine *self, uint64_t slots, uint64_t bytes)
{
    return slots <= self->capacity - self->count && bytes <= self->bytes_max - self->bytes;
}

static void make_room(rh_heap *heap, quarantine *self, uint64_t slots, uint64_t bytes)
{
    while (self->count && !has_room(self, slots, bytes))
        release_oldest(heap, self);
}

static bool append(quarantine *self, rh_object *object, uint64_t bytes)
{
    if (!has_room(self, 1, bytes))
        return false;
    uint64_t last = self->first + self->count;
    self->slots[last < self->capacity ? last : last - self->capacity] = object;
    self->count++;
    self->bytes += bytes;
    return true;
}

/* Nothing of the trial is buried yet, so each of its slabs has an object and stays. */
void rh__quarantine_prepare(rh_heap *heap)
{
    if (!heap->quarantine)
        return;
    uint64_t slots = 0, bytes = 0;
    for (const rh__slab *slab = heap->trial_slabs; slab; slab = slab->trial_next) {
        uint64_t condemned = 0;
        for (uint32_t word = 0; word < slab->words; word++)
            condemned += (uint64_t)__builtin_popcountll(slab->trial[word] & ~slab->rescued[word]);
        if (slab->state == RH__SLAB_LARGE)
            continue;
        slots += condemned;
        bytes += condemned * slab->slot_size;
    }
    make_room(heap, heap->quarantine, slots, bytes);
}

bool rh__quarantine_empty(rh_heap *heap)
{
    if (!heap->quarantine || !heap->quarantine->count)
        return false;
    while (heap->quarantine->count)
        release_oldest(heap, heap->quarantine);
    return true;
}

/* ---- Valgrind ------------------------------------------------------------------------------- */

#ifdef REFHEAP_VALGRIND

void rh__valgrind_start(rh_heap *heap)
{
    if (!RUNNING_ON_VALGRIND)
        return;
    VALGRIND_CREATE_MEMPOOL(heap, 0, 1);
    heap->is_on_valgrind = true;
    heap->is_observed = true;
}

void rh__valgrind_stop(rh_heap *heap)
{
    if (heap->is_on_valgrind)
        VALGRIND_DESTROY_MEMPOOL(heap);
}

void rh__valgrind_birth(rh_heap *heap, rh_object *object, size_t bytes)
{
    uint64_t slot_size = rh__slab_of(object)->slot_size;
    VALGRIND_MEMPOOL_ALLOC(heap, object, bytes);
    (void)VALGRIND_MAKE_MEM_DEFINED(object, bytes);
    (void)VALGRIND_MAKE_MEM_NOACCESS((char *)object + bytes, slot_size - bytes);
}

void rh__valgrind_open(void *address, size_t bytes)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(address, bytes);
}

void rh__valgrind_close(void *address, size_t bytes)
{
    (void)VALGRIND_MAKE_MEM_NOACCESS(address, bytes);
}

/* The tombstone is read by whoever meets the address: it stays. */
static void valgrind_free(rh_heap *heap, const rh__slab *slab, rh_object *object)
{
    VALGRIND_MEMPOOL_FREE(heap, object);
    (void)VALGRIND_MAKE_MEM_DEFINED(object, sizeof *object);
    (void)VALGRIND_MAKE_MEM_NOACCESS(object + 1, slab->slot_size - sizeof *object);
}

#else

void rh__valgrind_start(rh_heap *heap)
{
    (void)heap;
}

void rh__valgrind_stop(rh_heap *heap)
{
    (void)heap;
}

void rh__valgrind_birth(rh_heap *heap, rh_object *object, size_t bytes)
{
    (void)heap, (void)object, (void)bytes;
}

void rh__valgrind_open(void *address, size_t bytes)
{
    (void)address, (void)bytes;
}

void rh__valgrind_close(void *address, size_t bytes)
{
    (void)address, (void)bytes;
}

static void valgrind_free(rh_heap *heap, const rh__slab *slab, rh_object *object)
{
    (void)heap, (void)slab, (void)object;
}

#endif

/* ---- deaths --------------------------------------------------------------------------------- */

bool rh__observe_bury(rh_heap *heap, rh__slab *slab, rh_object *object)
{
    if (heap->is_on_valgrind)
        valgrind_free(heap, slab, object);
    return heap->quarantine && slab->state != RH__SLAB_LARGE &&
           append(heap->quarantine, object, slab->slot_size);
}

bool rh__observe_free(rh_heap *heap, rh__slab *slab, rh_object *object)
{
    if (heap->quarantine && slab->state != RH__SLAB_LARGE)
        make_room(heap, heap->quarantine, 1, slab->slot_size);
    return rh__observe_bury(heap, slab, object);
}
