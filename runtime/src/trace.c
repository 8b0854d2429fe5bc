/* trace.c - traced objects: each change of their count is recorded, in a ring of their own.
 *
 * The count word of a traced object is marked: RH__WORD_TRACED is added to it. So it is negative
 * whatever its count is, and the inlined fast paths of retain and release do not apply. Everything
 * else is as with others: bit 0 says whether it is armed, and adding and subtracting 2 is right.
 *
 * Invariant: the flag decides whether an object is traced, and the mark follows it. Both are
 * written from outside, too, between any two instructions, so one of them may be missing; whoever
 * meets that joins them again, and the count is right either way.
 *
 * The ring is one like that of heap->ring (history.c), but each event has a mark of its own: these
 * events are few, each has its clock, and deaths of other objects do not push them out. It is made
 * with the first event, and so is a table of stacks, if the program has not asked for one. */
#include "internal.h"

#include <fnmatch.h>
#include <stdio.h>
#include <time.h>

#define SLOTS ((uint64_t)1 << 17) /* two an event */
#define STACK_FRAMES 8u           /* of a program that did not say how many */
#define PATTERNS_MAX 16u
#define PATTERN_SIZE 64u

_Static_assert(RH__RING_BLOCK % 2 == 0 && SLOTS % RH__RING_BLOCK == 0,
               "a mark and its event are in one block");

/* ---- the ring ------------------------------------------------------------------------------- */

static rh__event *first_slot(const rh_heap *heap)
{
    return (rh__event *)(uintptr_t)(heap->trace + 1);
}

bool rh__trace_is_ready(rh_heap *heap)
{
    if (RH__LIKELY(heap->trace))
        return true;
    if (!heap->ring)
        return false;
    rh__mapping *mapping =
        rh__map(heap, RH_MAPPING_HISTORY,
                RH__MAPPING_DATA + sizeof(rh__ring) + SLOTS * sizeof(rh__event), 0, true);
    if (!mapping)
        return false;
    rh__ring *ring = (rh__ring *)(void *)((char *)mapping + RH__MAPPING_DATA);
    ring->capacity = SLOTS;
    heap->trace_next = (rh__event *)(void *)(ring + 1);
    RH__ORDER();
    heap->trace = ring;
    if (!heap->stacks)
        rh__stacks_start(heap, STACK_FRAMES); /* without memory for it: return addresses */
    return true;
}

void rh__trace_free(rh_heap *heap)
{
    rh__ring *ring = heap->trace;
    heap->trace = NULL;
    heap->trace_next = NULL;
    RH__ORDER();
    if (ring)
        rh__unmap((rh__mapping *)(void *)((char *)ring - RH__MAPPING_DATA));
}

void rh__trace_put(rh_heap *heap, uint64_t what, const rh_object *object, uint64_t place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    rh__event *mark = heap->trace_next, *event = mark + 1;
    mark->what = RH__EVENT_WHAT(RH_EVENT_MARK, 0) | (uint64_t)rh__thread_id() << 4;
    mark->origin = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    mark->where = heap->trace_count;
    event->what = what | (uint64_t)(uintptr_t)object;
    event->origin = object->rh_origin;
    event->where = place << 16 | object->rh_type_index;
    heap->trace_count++;
    rh__event *next = event + 1;
    RH__ORDER();
    heap->trace_next = next == first_slot(heap) + SLOTS ? first_slot(heap) : next;
}

/* Debuggers set a breakpoint here: neither inlined, nor left out, nor made one with another
 * function. */
__attribute__((noinline, used)) void rh__trace_hook(const void *object, int32_t change,
                                                    uint64_t count)
{
    __asm__ volatile("" : : "r"(object), "r"(change), "r"(count), "r"(&rh__trace_hook) : "memory");
}

void rh__trace_tell(rh_heap *heap, const rh_object *object, int32_t change, uint64_t count,
                    uint64_t place)
{
    bool is_traced = object->rh_flags & RH_FLAG_TRACED;
    if (is_traced && rh__trace_is_ready(heap))
        rh__history_record(heap, change > 0 ? RH_EVENT_RETAIN : RH_EVENT_RELEASE, object,
                           RH_DEATH_NONE, rh__is_own_code(place) ? heap->place : place);
    else
        heap->trace_lost += is_traced;
    RH__ORDER();
    heap->tracing = NULL;
    if (is_traced)
        rh__trace_hook(object, change, count);
}

/* ---- objects -------------------------------------------------------------------------------- */

void rh__trace_settle(rh_object *object)
{
    bool is_marked = rh__is_marked(object);
    if (RH__LIKELY(is_marked == ((object->rh_flags & RH_FLAG_TRACED) != 0)))
        return;
    if (is_marked)
        rh__header_write(object, object->rh_count - RH__WORD_TRACED, object->rh_type_index,
                         object->rh_flags | RH_FLAG_GAP);
    else if (!rh__is_special(object) &&
             object->rh_count < RH__WORD_TRACED_END - RH__WORD_TRACED - 2)
        object->rh_count += RH__WORD_TRACED;
}

void rh__trace_birth(rh_heap *heap, rh_object *object)
{
    if (!heap->ring)
        return;
    rh__header_write(object, object->rh_count + RH__WORD_TRACED, object->rh_type_index,
                     object->rh_flags | RH_FLAG_TRACED);
}

void rh__trace_retain(rh_object *object, uint64_t place)
{
    uint32_t word = object->rh_count + 2;
    if (!(object->rh_flags & RH_FLAG_TRACED) || word >= RH__WORD_TRACED_END - 2) {
        /* its flag is gone, or more counts than a mark leaves room for */
        rh__header_write(object, word - RH__WORD_TRACED, object->rh_type_index,
                         (object->rh_flags & ~(uint32_t)RH_FLAG_TRACED) | RH_FLAG_GAP);
        return;
    }
    rh_heap *heap = rh__heap_of(object);
    rh__trace_begin(heap, object);
    object->rh_count = word;
    rh__trace_tell(heap, object, 1, rh_refcount(object), place);
}

static void say_no_history(const char *what, const rh_heap *heap)
{
    static bool is_said;
    if (!__atomic_exchange_n(&is_said, true, __ATOMIC_RELAXED))
        fprintf(stderr,
                "refheap: %s is not possible in heap %llu: its history is off (history=0)\n", what,
                (unsigned long long)heap->number);
}

bool rh_trace(void *address)
{
    rh_object *object = address;
    if (!object || (object->rh_flags & RH_FLAG_IMMORTAL))
        return false;
    if (object->rh_flags & RH_FLAG_FREED)
        rh__misuse("rh_trace of", object);
    rh_heap *heap = rh__heap_of(object);
    if (RH__CHECKS_THREAD(heap))
        rh__check_thread(heap, "rh_trace", object);
    if (!heap->ring) {
        say_no_history("rh_trace", heap);
        return false;
    }
    if (!(object->rh_flags & RH_FLAG_DYING) && !rh__is_marked(object) &&
        object->rh_count >= RH__WORD_TRACED_END - RH__WORD_TRACED - 2)
        return false;
    object->rh_flags |= RH_FLAG_TRACED;
    rh__trace_settle(object);
    return true;
}

void rh_untrace(void *address)
{
    rh_object *object = address;
    if (!object)
        return;
    if (object->rh_flags & RH_FLAG_FREED)
        rh__misuse("rh_untrace of", object);
    if (object->rh_flags & RH_FLAG_TRACED)
        object->rh_flags = (uint16_t)((object->rh_flags & ~RH_FLAG_TRACED) | RH_FLAG_GAP);
    rh__trace_settle(object);
}

/* ---- types ---------------------------------------------------------------------------------- */

static char patterns[PATTERNS_MAX][PATTERN_SIZE]; /* under the lock of types */
static uint32_t pattern_count;

bool rh__trace_wants(const char *type_name)
{
    for (uint32_t i = 0; i < pattern_count; i++)
        if (fnmatch(patterns[i], type_name, 0) == 0)
            return true;
    return false;
}

/* pre: the lock is held. */
static bool add_pattern(const char *pattern)
{
    for (uint32_t i = 0; i < pattern_count; i++)
        if (strcmp(patterns[i], pattern) == 0)
            return false;
    size_t length = strlen(pattern);
    if (pattern_count == PATTERNS_MAX || length >= PATTERN_SIZE)
        return false;
    memcpy(patterns[pattern_count++], pattern, length + 1);
    return true;
}

/* Of types that are registered already, objects that are born by now are not traced. */
void rh__trace_types(const char *pattern)
{
    rh__type_lock();
    if (add_pattern(pattern))
        for (uint64_t i = 1; i < rh__type_count(); i++) {
            rh__type_entry *type = &rh__types[i];
            if (fnmatch(pattern, type->name, 0) != 0)
                continue;
            type->flags |= RH_TYPE_TRACED;
            __atomic_store_n(&type->source->rh_private.slot_class, RH__CLASS_NONE,
                             __ATOMIC_RELEASE);
        }
    rh__type_unlock();
}

void rh__trace_check(const rh_heap *heap)
{
    if (pattern_count && !heap->ring)
        say_no_history("trace=TYPE", heap);
}
