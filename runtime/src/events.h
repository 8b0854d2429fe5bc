/* events.h - what is recorded of objects, grouped by owning file. */
#ifndef RH_EVENTS_H
#define RH_EVENTS_H

#include "objects.h"

/* ---- history.c ------------------------------------------------------------------------------ */

#define RH__STACK_MAX 16u
#define RH__OWN_FRAMES_MAX 24u /* more than births and deaths have */

/* The LWP of the calling thread, 0 until it is asked for. */
extern _Thread_local uint32_t rh__thread __attribute__((tls_model("initial-exec")));
uint32_t rh__thread_id(void);

/* As the options say; false if there is no memory for so many events. */
bool rh__history_start(rh_heap *heap, size_t events);
/* False if there is no memory for the stacks. */
bool rh__stacks_start(rh_heap *heap, uint32_t frames);
void rh__history_free(rh_heap *heap);
void rh__history_forked(void);
/* Is the address in the runtime's own code? */
bool rh__is_own_code(uint64_t address);
void rh__code_find(void); /* once */

/* An event by its number, the newest first, or those of one address. */
typedef struct rh__recalled {
    const rh__event *slot; /* of the ring */
    uint64_t number;
    uint64_t since; /* the clock before it, in ns */
    uint32_t thread;
} rh__recalled;
typedef bool rh__recall_visit(void *context, const rh_heap *heap, const rh__recalled *event);
/* Visits the events of the object, newest first, until `visit` returns false. */
void rh__history_recall(const rh_heap *heap, const rh_object *object, rh__recall_visit *visit,
                        void *context);

/* The words of a slot. */
#define RH__EVENT_KIND 15u
#define RH__EVENT_ADDRESS 0x0000FFFFFFFFFFF0u
#define RH__EVENT_DEATH_SHIFT 48
#define RH__EVENT_STACK ((uint64_t)1 << 50)
#define RH__EVENT_WHAT(kind, death) ((uint64_t)(kind) | (uint64_t)(death) << RH__EVENT_DEATH_SHIFT)

/* The stores are single ones: a compiler that joins two of them first brings both together. */
static inline __attribute__((always_inline)) void rh__event_write(rh__event *event, uint64_t what,
                                                                  uint64_t origin, uint64_t where)
{
    __atomic_store_n(&event->where, where, __ATOMIC_RELAXED);
    __atomic_store_n(&event->origin, origin, __ATOMIC_RELAXED);
    what |= rh_metadata_slot_check(what, origin, where);
    __atomic_store_n(&event->what, what, __ATOMIC_RELAXED);
}

/* Goes on behind an event that filled its block, or that another thread wrote. */
void rh__history_turn(rh_heap *heap);
/* Whatever is no death that takes the short way. A death whose place is 0: an earlier event has it.
 */
void rh__history_record(rh_heap *heap, enum rh_event kind, const rh_object *object,
                        enum rh_death death, uint64_t place);

/* Writes an event. Returns whether rh__history_turn has to follow. */
static inline __attribute__((always_inline)) bool
rh__history_put(rh_heap *heap, uint64_t what, const rh_object *object, uint64_t place)
{
    rh__event *event = heap->event_next;
    if (RH__UNLIKELY(!event))
        return false;
    rh__event_write(event, what | (uint64_t)(uintptr_t)object, object->rh_origin,
                    place << 16 | object->rh_type_index);
    RH__ORDER();
    heap->event_next = ++event;
    return RH__UNLIKELY((event == heap->event_stop) | (heap->event_thread != rh__thread));
}

/* What only a history of everything has, and that of a traced object. */
static inline void rh__history(rh_heap *heap, enum rh_event kind, const rh_object *object)
{
    if (RH__UNLIKELY(heap->keeps_all | (object->rh_flags & RH_FLAG_TRACED)))
        rh__history_record(heap, kind, object, RH_DEATH_NONE, heap->place);
}

extern uint64_t rh__code_begin, rh__code_bytes; /* the runtime's own code, and perhaps more */

/* A public function was called from there. If the runtime itself calls it, what the program called
 * stays at work. */
static inline __attribute__((always_inline)) void rh__enter(rh_heap *heap, uint64_t place)
{
    if (RH__LIKELY(place - rh__code_begin > rh__code_bytes) || !rh__is_own_code(place))
        heap->place = place;
}

/* At the entry of a public function that may make or free objects. */
#define RH__PLACE ((uint64_t)(uintptr_t)__builtin_return_address(0))
#define RH__ENTER(heap) rh__enter((heap), RH__PLACE)

/* ---- trace.c -------------------------------------------------------------------------------- */

/* Traces all objects of types of such names from their births on. False: no room for the pattern.
 */
bool rh__trace_types(const char *pattern);
/* Does a pattern ask for it? */
bool rh__trace_wants(const char *type_name);
/* After the options were read: if the heap is to trace, prepares it, or says that it cannot. */
void rh__trace_check(rh_heap *heap);
/* Joins flag and mark again where one of them was undone: the record has a gap. */
void rh__trace_settle(rh_object *object);
/* Marks a traced object whose word the runtime itself has written without the mark. */
void rh__trace_mark(rh_object *object);
/* It will be traced no more: says so in the record. */
void rh__trace_end(rh_heap *heap, const rh_object *object);
/* The new object is of a traced type. */
void rh__trace_birth(rh_heap *heap, rh_object *object);
/* pre: marked. */
void rh__trace_retain(rh_object *object, uint64_t place);
/* Records a change of an object's count, if it is traced. pre: rh__trace_begin, before the count
 * changed. */
void rh__trace_tell(rh_heap *heap, const rh_object *object, int32_t change, uint64_t count,
                    uint64_t place);
/* Is there a ring for the events of traced objects? Makes it. */
bool rh__trace_is_ready(rh_heap *heap);
/* Where its ring may be without asking for memory, or NULL: its heap had no room. */
rh__ring *rh__trace_reserve(rh_heap *heap);
/* pre: it is. */
void rh__trace_put(rh_heap *heap, uint64_t what, const rh_object *object, uint64_t place);
void rh__trace_free(rh_heap *heap);
/* The breakpoint's place: does nothing. */
void rh__trace_hook(const void *object, int32_t change, uint64_t count);

/* Says in the record from where on it is one. pre: heap->tracing is the object. */
void rh__trace_resume(rh_heap *heap, rh_object *object);

/* The count and the record of a traced object are about to change. */
static inline void rh__trace_begin(rh_heap *heap, rh_object *object)
{
    heap->tracing = object;
    RH__ORDER();
    if (RH__UNLIKELY(object->rh_flags & RH_FLAG_GAP))
        rh__trace_resume(heap, object);
}

#endif
