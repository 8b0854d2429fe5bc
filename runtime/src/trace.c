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
 * when the program or an option asks for tracing, and so is a table of stacks, if the program has
 * not asked for one: events then ask for nothing. If a debugger traces, the first event makes it;
 * in a program that has shut itself in, where the debugger says so, of memory that the heap has
 * kept for it: it has fewer slots then, and no stacks.
 */
#include "internal.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <time.h>

#define SLOTS ((uint64_t)1 << 17) /* two an event */
#define RESERVE_SLOTS                                                                              \
    ((RH__RESERVE_BYTES - sizeof(rh__ring)) / sizeof(rh__event) / RH__RING_BLOCK * RH__RING_BLOCK)
#define STACK_FRAMES 8u /* of a program that did not say how many */
#define PATTERNS_MAX 16u
#define PATTERN_SIZE 64u

_Static_assert(RH__RING_BLOCK % 2 == 0 && SLOTS % RH__RING_BLOCK == 0,
               "a mark and its event are in one block");

/* ---- the ring ------------------------------------------------------------------------------- */

static rh__event *first_slot(const rh_heap *heap)
{
    return (rh__event *)(uintptr_t)(heap->trace + 1);
}

rh__ring *rh__trace_reserve(rh_heap *heap)
{
    if (heap->mapping.bytes < sizeof *heap + RH__RESERVE_BYTES)
        return NULL;
    return (rh__ring *)(void *)((char *)heap + heap->mapping.bytes - RH__RESERVE_BYTES);
}

static void use_ring(rh_heap *heap, rh__ring *ring, uint64_t slots)
{
    ring->capacity = slots;
    heap->trace_next = (rh__event *)(void *)(ring + 1);
    RH__ORDER();
    heap->trace = ring;
}

static bool make_ring(rh_heap *heap)
{
    if (heap->trace_quietly) {
        rh__ring *reserve = rh__trace_reserve(heap);
        if (reserve)
            use_ring(heap, reserve, RESERVE_SLOTS);
        return reserve != NULL;
    }
    rh__mapping *mapping =
        rh__map(heap, RH_MAPPING_HISTORY,
                RH__MAPPING_DATA + sizeof(rh__ring) + SLOTS * sizeof(rh__event), 0, true);
    if (!mapping)
        return false;
    use_ring(heap, (rh__ring *)(void *)((char *)mapping + RH__MAPPING_DATA), SLOTS);
    if (!heap->stacks)
        rh__stacks_start(heap, STACK_FRAMES); /* without memory for it: return addresses */
    return true;
}

/* Where memory is short each try is a system call: they become rarer. The program, which may have
 * only taken or given a count, must not find another errno. */
static __attribute__((noinline)) bool try_ring(rh_heap *heap)
{
    uint32_t tries = ++heap->trace_tries;
    if (!heap->ring || tries & (tries - 1))
        return false;
    int before = errno;
    bool done = make_ring(heap);
    errno = before;
    return done;
}

bool rh__trace_is_ready(rh_heap *heap)
{
    return RH__LIKELY(heap->trace != NULL) || try_ring(heap);
}

void rh__trace_free(rh_heap *heap)
{
    rh__ring *ring = heap->trace;
    heap->trace = NULL;
    heap->trace_next = NULL;
    RH__ORDER();
    if (ring && ring != rh__trace_reserve(heap))
        rh__unmap((rh__mapping *)(void *)((char *)ring - RH__MAPPING_DATA));
}

void rh__trace_put(rh_heap *heap, uint64_t what, const rh_object *object, uint64_t place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    rh__event *mark = heap->trace_next, *event = mark + 1;
    rh__event_write(mark, RH__EVENT_WHAT(RH_EVENT_MARK, 0) | (uint64_t)rh__thread_id() << 4,
                    (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, heap->trace_count);
    rh__event_write(event, what | (uint64_t)(uintptr_t)object, object->rh_origin,
                    place << 16 | object->rh_type_index);
    heap->trace_count++;
    rh__event *next = event + 1;
    RH__ORDER();
    heap->trace_next = next == first_slot(heap) + heap->trace->capacity ? first_slot(heap) : next;
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
    bool is_traced = object->rh_flags & RH_FLAG_TRACED,
         is_ready = is_traced && rh__trace_is_ready(heap);
    if (is_ready && !(object->rh_flags & RH_FLAG_GAP))
        rh__history_record(heap, change > 0 ? RH_EVENT_RETAIN : RH_EVENT_RELEASE, object,
                           RH_DEATH_NONE, rh__is_own_code(place) ? heap->place : place);
    else
        heap->trace_lost += is_traced && !is_ready;
    RH__ORDER();
    heap->tracing = NULL;
    if (is_traced)
        rh__trace_hook(object, change, count);
}

/* ---- where a record begins and ends --------------------------------------------------------- */

/* The number of an event's place is a number of counts here. A held object has one of the runtime's
 * own, and so has a dying one. */
static void put_boundary(rh_heap *heap, enum rh_event kind, const rh_object *object)
{
    uint64_t own = (object->rh_flags & (RH_FLAG_HELD | RH_FLAG_DYING)) != 0;
    rh__trace_put(heap, RH__EVENT_WHAT(kind, 0), object, rh_refcount(object) - own);
}

void rh__trace_resume(rh_heap *heap, rh_object *object)
{
    if (!(object->rh_flags & RH_FLAG_TRACED) || !rh__trace_is_ready(heap))
        return;
    put_boundary(heap, RH_EVENT_BEGIN, object);
    RH__ORDER();
    object->rh_flags &= (uint16_t)~RH_FLAG_GAP;
}

void rh__trace_end(rh_heap *heap, const rh_object *object)
{
    if ((object->rh_flags & (RH_FLAG_TRACED | RH_FLAG_GAP)) == RH_FLAG_TRACED &&
        rh__trace_is_ready(heap))
        put_boundary(heap, RH_EVENT_END, object);
}

/* ---- objects -------------------------------------------------------------------------------- */

static bool may_be_marked(const rh_object *object)
{
    return !rh__is_special(object) && object->rh_count < RH__WORD_TRACED_END - RH__WORD_TRACED - 2;
}

void rh__trace_settle(rh_object *object)
{
    bool is_marked = rh__is_marked(object);
    if (RH__LIKELY(is_marked == ((object->rh_flags & RH_FLAG_TRACED) != 0)))
        return;
    if (is_marked)
        rh__header_write(object, object->rh_count - RH__WORD_TRACED, object->rh_type_index,
                         object->rh_flags | RH_FLAG_GAP);
    else if (may_be_marked(object))
        rh__header_write(object, object->rh_count + RH__WORD_TRACED, object->rh_type_index,
                         object->rh_flags | RH_FLAG_GAP);
}

void rh__trace_mark(rh_object *object)
{
    if (object->rh_flags & RH_FLAG_TRACED && !rh__is_marked(object) && may_be_marked(object))
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
    rh_heap *heap = rh__heap_of(object);
    if (!(object->rh_flags & RH_FLAG_TRACED) || word >= RH__WORD_TRACED_END - 2) {
        /* its flag is gone, or more counts than a mark leaves room for */
        rh__trace_end(heap, object);
        rh__header_write(object, word - RH__WORD_TRACED, object->rh_type_index,
                         (object->rh_flags & ~(uint32_t)RH_FLAG_TRACED) | RH_FLAG_GAP);
        return;
    }
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
    bool needs_mark = !rh__is_special(object) && !rh__is_marked(object);
    if (needs_mark && !may_be_marked(object))
        return false;
    heap->tracing = object;
    RH__ORDER();
    if (needs_mark || !(object->rh_flags & RH_FLAG_TRACED))
        rh__header_write(object, object->rh_count + (needs_mark ? RH__WORD_TRACED : 0),
                         object->rh_type_index, object->rh_flags | RH_FLAG_TRACED | RH_FLAG_GAP);
    rh__trace_begin(heap, object); /* without memory for it: events are lost, and counted */
    RH__ORDER();
    heap->tracing = NULL;
    return true;
}

void rh_untrace(void *address)
{
    rh_object *object = address;
    if (!object)
        return;
    if (object->rh_flags & RH_FLAG_FREED)
        rh__misuse("rh_untrace of", object);
    if (object->rh_flags & RH_FLAG_IMMORTAL)
        return;
    rh_heap *heap = rh__heap_of(object);
    if (RH__CHECKS_THREAD(heap))
        rh__check_thread(heap, "rh_untrace", object);
    heap->tracing = object;
    RH__ORDER();
    rh__trace_end(heap, object);
    bool is_marked = rh__is_marked(object);
    if (is_marked || (object->rh_flags & RH_FLAG_TRACED))
        rh__header_write(object, object->rh_count - (is_marked ? RH__WORD_TRACED : 0),
                         object->rh_type_index,
                         (object->rh_flags & ~(uint32_t)RH_FLAG_TRACED) | RH_FLAG_GAP);
    RH__ORDER();
    heap->tracing = NULL;
}

/* ---- types ---------------------------------------------------------------------------------- */

static char patterns[PATTERNS_MAX][PATTERN_SIZE]; /* under the lock of types */
static uint32_t pattern_count;                    /* atomic */

bool rh__trace_wants(const char *type_name)
{
    for (uint32_t i = 0; i < pattern_count; i++)
        if (fnmatch(patterns[i], type_name, 0) == 0)
            return true;
    return false;
}

static bool has_pattern(const char *pattern)
{
    for (uint32_t i = 0; i < pattern_count; i++)
        if (strcmp(patterns[i], pattern) == 0)
            return true;
    return false;
}

/* False: there is no room for it. pre: the lock is held. */
static bool add_pattern(const char *pattern)
{
    size_t length = strlen(pattern);
    if (pattern_count == PATTERNS_MAX || length >= PATTERN_SIZE)
        return false;
    memcpy(patterns[pattern_count], pattern, length + 1);
    __atomic_store_n(&pattern_count, pattern_count + 1, __ATOMIC_RELAXED);
    return true;
}

/* Of types that are registered already, objects that are born by now are not traced; in heaps that
 * exist already, others neither, until a birth there goes the long way. */
bool rh__trace_types(const char *pattern)
{
    rh__type_lock();
    bool is_known = has_pattern(pattern), is_new = !is_known && add_pattern(pattern);
    if (is_new)
        for (uint32_t i = 1; i < rh__type_count(); i++)
            if (fnmatch(pattern, rh__types[i].name, 0) == 0)
                rh__type_trace(i);
    rh__type_unlock();
    return is_known || is_new;
}

void rh__trace_check(rh_heap *heap)
{
    if (!__atomic_load_n(&pattern_count, __ATOMIC_RELAXED))
        return;
    if (!heap->ring)
        say_no_history("trace=TYPE", heap);
    else
        rh__trace_is_ready(heap);
}
