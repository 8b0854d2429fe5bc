/* shadow.h - a program's own model of its heaps: what it built, kept beside them and told as
 * JSON.
 *
 * Every operation on a heap has its twin here; nothing is asked of the runtime but an object's
 * serial, at its birth. Before the model is told, shadow_compare() ends the program if the
 * runtime disagrees with it.
 *
 * Invariant: the model is in memory of its own, and every address in it is inverted, so that no
 * word of it refers to an object. */
#ifndef REFHEAP_TESTS_SHADOW_H
#define REFHEAP_TESTS_SHADOW_H

#include <refheap/refheap.h>

typedef uint32_t shadow_id; /* 0: none */

/* Whether an object is needed, by the way the program made it. */
typedef enum shadow_fate { SHADOW_HELD, SHADOW_LOST, SHADOW_DEPENDENT, SHADOW_CYCLE } shadow_fate;

/* What a slot is called: "next", "items[3]", "entries[3].key". element < 0: head alone. */
typedef struct shadow_name {
    const char *head;
    long element;
    const char *tail;
} shadow_name;

/* The line that made an object. file NULL: none that is known. */
typedef struct shadow_site {
    const char *file, *function;
    uint32_t line;
} shadow_site;

typedef struct shadow_object {
    const char *type;
    shadow_site site; /* the program sets it */
    uint64_t serial;
    uintptr_t inverted;
    rh_heap *heap; /* NULL: the process's own */
    size_t size;
    uint64_t count;
    uint32_t heap_number;
    uint32_t first_slot, slot_count, slot_capacity;
    shadow_id before; /* who died at this address last */
    shadow_fate fate;
    bool immortal, live, finalized;
} shadow_object;

/* A word outside of declared strong slots that holds an address. */
typedef struct shadow_word {
    const char *kind, *name;
    uintptr_t inverted; /* the word's own address; 0: a register */
    long lwp;           /* 0: of no thread */
    shadow_id from;     /* the object it lies in */
    shadow_id to;
    size_t offset; /* into that object */
    bool owns;     /* one count */
} shadow_word;

void shadow_open(size_t objects_max);
shadow_object *shadow_at(shadow_id id);
shadow_id shadow_count(void);
void *shadow_address(shadow_id id);

/* An object was born with a count of 1, and room for so many slots. */
shadow_id shadow_birth(rh_heap *heap, uint32_t heap_number, const char *type, const void *object,
                       size_t size, unsigned slots);
/* One more slot of the object, empty. Returns its number. */
unsigned shadow_slot(shadow_id id, shadow_name name, const char *strength);
shadow_id shadow_held_by(shadow_id from, unsigned slot);
/* The slot gives up the count of what it holds, and owns one of `to` (0: nothing). */
void shadow_set(shadow_id from, unsigned slot, shadow_id to);
void shadow_retain(shadow_id id);
void shadow_release(shadow_id id);
/* A count went without its field: nothing dies in the model but the object itself. */
void shadow_over_release(shadow_id id);
void shadow_add_word(shadow_word word);

/* Ends the program where the runtime says otherwise. `is_sound`: the heaps are free of errors. */
void shadow_compare(bool is_sound);
/* Writes the members of a JSON object, without braces and newline. */
void shadow_tell(void);

#define require(fact) require_fact((fact), #fact, __FILE__, __LINE__)
void require_fact(bool is_true, const char *fact, const char *file, int line);

#endif
