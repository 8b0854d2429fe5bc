/* heap.c - heaps and the debug descriptor that leads to them.
 *
 * Invariant: a heap in the descriptor's list is complete, or destroying; it is linked after it
 * was filled and unlinked when nothing but its control block is left. Numbers are never used
 * again. The descriptor lies in this file because an unreferenced member of a static archive
 * vanishes, and no program has a heap without rh_heap_create.
 */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

#define SERIAL_BLOCK 1024u
#define YOUNG_DEFAULT 10000u /* as rh_gc_thresholds says */
#define FULL_PERCENT_DEFAULT 25u
/* Serials have 48 bits in a header. Heap 0 has the last of them. */
#define SERIALS_END ((uint64_t)1 << (64 - RH__SITE_BITS))
#define HEAP_ZERO_SERIALS (SERIALS_END - ((uint64_t)1 << 32))

static rh__destroyed destroyed[RH__DESTROYED_CAPACITY];

/* `used` alone does not survive -Wl,--gc-sections. */
__attribute__((used, retain)) struct rh_metadata_descriptor rh_debug_descriptor = {
    .magic = RH_METADATA_MAGIC,
    .self = (uint64_t)(uintptr_t)&rh_debug_descriptor,
    .version = RH_METADATA_VERSION,
    .size = sizeof(struct rh_metadata_descriptor),
    .constants = (uint64_t)(uintptr_t)rh__metadata_constants,
    .constant_count = RH__METADATA_ROWS,
    .constant_size = sizeof(struct rh_metadata_constant),
    .destroyed = (uint64_t)(uintptr_t)destroyed,
    .trace_hook = (uint64_t)(uintptr_t)rh__trace_hook,
};

/* The ELF note that leads to the descriptor where no symbol does. A hidden name for it, because the
 * distance to a symbol that others may replace is not known when a shared library is linked. */
extern struct rh_metadata_descriptor rh__descriptor_here
    __attribute__((alias("rh_debug_descriptor"), used, visibility("hidden")));
__asm__(".pushsection .note.refheap,\"aR\",@note\n"
        ".balign 4\n"
        ".long 8\n" /* bytes of the owner's name */
        ".long 8\n" /* bytes of the description */
        ".long 1\n" /* RH_METADATA_NOTE_TYPE */
        ".asciz \"" RH_METADATA_NOTE_OWNER "\"\n"
        ".quad rh__descriptor_here - .\n"
        ".popsection");
_Static_assert(sizeof(RH_METADATA_NOTE_OWNER) == 8 && RH_METADATA_NOTE_TYPE == 1,
               "as the note says");

uint64_t rh__next_serial = 1;    /* atomic */
static uint64_t next_number = 1; /* under the process lock */
static rh_heap *heap_zero;       /* under heap_zero_lock, published with release order */
static pthread_mutex_t heap_zero_lock = PTHREAD_MUTEX_INITIALIZER;

/* After 325 days of ten million births a second. A serial is never used again: it tells a tombstone
 * from what came after it. */
static void say_end_of_serials(void)
{
    static bool is_said;
    if (!__atomic_exchange_n(&is_said, true, __ATOMIC_RELAXED))
        fprintf(stderr, "refheap: all serials are used up: no object can be made any more\n");
}

bool rh__refill_serials(rh_heap *heap)
{
    if (heap->number == 0)
        return false; /* 2^32 shared objects exist */
    uint64_t first = __atomic_fetch_add(&rh__next_serial, SERIAL_BLOCK, __ATOMIC_RELAXED);
    if (first > HEAP_ZERO_SERIALS - SERIAL_BLOCK) {
        say_end_of_serials();
        return false;
    }
    heap->serial_next = first;
    heap->serial_end = heap->serial_next + SERIAL_BLOCK;
    heap->serials_taken += SERIAL_BLOCK;
    if (!heap->serial_first)
        heap->serial_first = heap->serial_next;
    return true;
}

static void link_heap(rh_heap *heap, bool is_zero)
{
    rh__lock();
    heap->number = is_zero ? 0 : next_number++;
    rh_heap *head = (rh_heap *)(uintptr_t)rh_debug_descriptor.heaps;
    heap->next = head;
    RH__ORDER();
    if (head)
        head->prev = heap;
    rh_debug_descriptor.heaps = (uint64_t)(uintptr_t)heap;
    rh__unlock();
}

/* Leaves a record first, so that at every instruction the heap is in the list or in the ring. */
static void unlink_heap(rh_heap *heap, uint64_t objects)
{
    rh__lock();
    rh__destroyed *record =
        &destroyed[rh_debug_descriptor.destroyed_count % RH__DESTROYED_CAPACITY];
    *record = (rh__destroyed){heap->number, objects, heap->serial_first,
                              heap->serial_first ? heap->serial_next - 1 : 0};
    RH__ORDER();
    rh_debug_descriptor.destroyed_count++;
    RH__ORDER();
    if (heap->prev)
        heap->prev->next = heap->next;
    else
        rh_debug_descriptor.heaps = (uint64_t)(uintptr_t)heap->next;
    if (heap->next)
        heap->next->prev = heap->prev;
    rh__unlock();
}

/* Each piece leaves the heap, and then the list of mappings, before it is unmapped. */
static void unmap_pieces(rh_heap *heap)
{
    rh__valgrind_stop(heap);
    rh__chunks_unmap(heap);
    rh__table_free(&heap->weak_table);
    rh__roots_free(heap);
    rh__quarantine_free(heap);
    rh__history_free(heap);
}

/* Says once per process what an option did not get. */
static void say_less(const char *what, size_t wanted, size_t given)
{
    static bool is_said;
    if (__atomic_exchange_n(&is_said, true, __ATOMIC_RELAXED))
        return;
    if (given)
        fprintf(stderr, "refheap: no memory for a %s of %zu: it has %zu\n", what, wanted, given);
    else
        fprintf(stderr, "refheap: no memory for a %s of %zu: there is none\n", what, wanted);
}

/* History and quarantine help to find mistakes: where memory does not suffice for as much as was
 * asked for, the program goes on with less of them. */
static void start_observing(rh_heap *heap, const rh_heap_options *options)
{
    size_t asked = options->history_events, bytes = options->quarantine_bytes;
    bool is_sized = asked && asked < RH_HISTORY_OFF;
    size_t events = is_sized ? asked : 0;
    while (asked != RH_HISTORY_OFF && !rh__history_start(heap, events))
        events /= 2; /* with 0 it has room in any case */
    if (is_sized && events < asked)
        say_less("history", asked, events);
    heap->keeps_all = heap->is_observed |= is_sized || asked == RH_HISTORY_ALL;
    if (heap->ring && options->stack_frames) {
        heap->keeps_stacks = rh__stacks_start(heap, options->stack_frames);
        heap->is_observed |= heap->keeps_stacks;
        if (!heap->keeps_stacks)
            say_less("table of stacks", options->stack_frames, 0);
    }
    while (bytes && !rh__quarantine_start(heap, bytes))
        bytes /= 2;
    if (bytes < options->quarantine_bytes)
        say_less("quarantine", options->quarantine_bytes, bytes);
}

static rh_heap *heap_new(const rh_heap_options *options, bool is_zero)
{
    rh__process_init();
    size_t events = options->history_events;
    bool has_room = events == 0 || events == RH_HISTORY_ALL;
    rh__mapping *mapping =
        rh__map_heap(sizeof(rh_heap) + RH__RESERVE_BYTES + (has_room ? RH__RING_BYTES_MAX : 0));
    if (!mapping)
        mapping = rh__map_heap(sizeof(rh_heap)); /* its history stays small */
    if (!mapping)
        return NULL;
    rh_heap *heap = (rh_heap *)(void *)mapping;
    heap->mapping.heap = heap;
    if (options->name)
        memcpy(heap->name, options->name, strnlen(options->name, sizeof heap->name - 1));
    heap->chunk_table.kind = RH_MAPPING_CHUNKS;
    heap->weak_table.kind = RH_MAPPING_WEAK;
    heap->death = RH_DEATH_RELEASE;
    heap->owner_thread = rh__thread_id();
    heap->reports_leaks = options->report_leaks;
    heap->checks_thread = options->check_threads;
    heap->poisons = options->poison_freed;
    heap->is_observed = options->check_threads || options->poison_freed;
    if (options->check_threads)
        __atomic_store_n(&rh__checks_some, true, __ATOMIC_RELAXED);
#ifndef REFHEAP_NO_COLLECTOR
    heap->gc_enabled = !options->gc_disabled;
#endif
    heap->no_cache.cached = RH__CACHED_MAX;
    heap->old_rule = options->finalizer_cycles_stay;
    rh_gc_set_thresholds(heap, (rh_gc_thresholds){YOUNG_DEFAULT, FULL_PERCENT_DEFAULT});
    if (is_zero) {
        heap->serial_first = heap->serial_next = HEAP_ZERO_SERIALS;
        heap->serial_end = SERIALS_END;
        heap->serials_taken = heap->serial_end - heap->serial_next;
    }
    start_observing(heap, options);
    rh__valgrind_start(heap);
    link_heap(heap, is_zero);
    return heap;
}

rh_heap *rh_heap_create(const rh_heap_options *options)
{
    rh_heap_options chosen = {0};
    if (options)
        chosen = *options;
    rh__options_from_environment(&chosen);
    rh_heap *heap = heap_new(&chosen, false);
    if (heap)
        rh__trace_check(heap);
    return heap;
}

void rh_heap_attach(rh_heap *heap)
{
    heap->owner_thread = rh__thread_id();
#ifdef RH__UNWINDS
    if (RH__UNLIKELY(heap->unwinder != NULL))
        rh__stack_find();
#endif
}

/* ---- destroying a heap ---------------------------------------------------------------------- */

/* Held all together, so that no finalizer's release can free what another one still sees. */
static void finalize_all(rh_heap *heap)
{
    rh__cursor cursor = {0};
    for (rh_object *object; (object = rh__next_object(heap, &cursor));)
        rh__hold(object);
    cursor = (rh__cursor){0};
    for (rh_object *object; (object = rh__next_object(heap, &cursor));)
        rh__finalize(heap, object);
}

static void dispose_all(rh_heap *heap)
{
    rh__cursor cursor = {0};
    for (rh_object *object; (object = rh__next_object(heap, &cursor));) {
        void (*dispose)(void *) = rh__type_of(object)->dispose;
        if (dispose)
            dispose(object);
    }
}

void rh_heap_destroy(rh_heap *heap)
{
    if (!heap)
        return;
    rh__check_owner(heap);
    if (rh__is_busy(heap)) {
        fprintf(stderr, "refheap: rh_heap_destroy of heap %llu inside one of its finalizers\n",
                (unsigned long long)heap->number);
        abort();
    }
    if (heap->reports_leaks)
        rh__leaks_report(heap);
    heap->destroying = true;
    rh__set_limit(heap);
    uint64_t objects = rh__object_count(heap);
    rh__weak_clear_all(heap);
    finalize_all(heap);
    heap->phase = RH_PHASE_DESTROYING;
    RH__ORDER();
    dispose_all(heap);
    unmap_pieces(heap);
    unlink_heap(heap, objects);
    rh__unmap(&heap->mapping);
}

/* ---- heap 0 --------------------------------------------------------------------------------- */

void rh__heap_zero_lock(void)
{
    pthread_mutex_lock(&heap_zero_lock);
}

void rh__heap_zero_unlock(void)
{
    pthread_mutex_unlock(&heap_zero_lock);
}

rh_heap *rh__heap_zero(void)
{
    rh_heap *heap = __atomic_load_n(&heap_zero, __ATOMIC_ACQUIRE);
    if (heap)
        return heap;
    rh__heap_zero_lock();
    heap = heap_zero;
    if (!heap) {
        rh_heap_options options = {
            .name = "shared", .gc_disabled = true, .history_events = RH_HISTORY_OFF};
        heap = heap_new(&options, true);
        __atomic_store_n(&heap_zero, heap, __ATOMIC_RELEASE);
    }
    rh__heap_zero_unlock();
    return heap;
}

void *rh__new_immortal(rh_type *type, rh_site *site)
{
    rh_heap *heap = rh__heap_zero();
    if (!heap)
        return NULL;
    rh__heap_zero_lock();
    rh_heap_attach(heap);
    void *object = rh_new_at(heap, type, site);
    if (object)
        rh_make_immortal(object);
    rh__heap_zero_unlock();
    return object;
}

bool rh__is_shared_object(const void *address)
{
    rh_heap *heap = __atomic_load_n(&heap_zero, __ATOMIC_ACQUIRE);
    if (!heap)
        return false;
    rh__heap_zero_lock();
    const rh_object *object = rh__slot_at(heap, address);
    bool is_shared = object && (object->rh_flags & RH_FLAG_IMMORTAL);
    rh__heap_zero_unlock();
    return is_shared;
}
