/* checkpoint.h - how a sample stops for a debugger, and says what is true at that moment.
 *
 * A sample describes what it knows with truth_*(), then calls checkpoint(name). The program
 * writes one line of JSON to stdout and goes on, or stops there for good:
 *
 *     REFHEAP_STOP_AT=2          abort at the second checkpoint (the kernel writes a core)
 *     REFHEAP_STOP_AT=collected  the same, by name
 *     REFHEAP_WAIT_AT=2          write the line, then wait to be inspected (refheap --pid, gdb
 *     -p)
 *
 * In a debugger, `break checkpoint`, then `up` to the sample's own variables. The line of a
 * checkpoint:
 *
 *     {"checkpoint": 3, "name": "names dropped", "objects": [OBJECT...], "cycles": [CYCLE...],
 *      "types": {"node": 2}}
 *     OBJECT {"expression": "a"|null, "frame": "main"|"worker"|null, "thread": "worker-1"|null,
 *             "address": "0x...", "status": "live"|"freed", "id": "A#1", "refcount": 1|null,
 *             "immortal": false, "locals": ["a"], "roots": ["document"], "referrers":
 *             ["B#2.next"],
 *             "referents": {"next": "B#2"}, "previous": ["T#n"], "born": 21, "freed": 34,
 *             "freed_in": "drop"|null}
 *     CYCLE  {"objects": ["A#1", "B#2"], "verdict": "garbage"|"held"}
 *
 * The truth is made of constants that stand in the sample: what it built, not what the runtime
 * says of it. truth_object compares both, and ends the program when they differ.
 *
 * Invariant: telling the truth disturbs nothing. No count is touched, and no address is left in
 * memory or on the stack, where a scan for references could find it: addresses are kept inverted,
 * and are forgotten before the program stops. */
#ifndef REFHEAP_SAMPLES_CHECKPOINT_H
#define REFHEAP_SAMPLES_CHECKPOINT_H

#include <refheap/refheap.h>

enum { TRUTH_NAMES_MAX = 6 };

/* What a sample knows of one object. Lists end at the first NULL. */
typedef struct truth {
    const rh_heap *heap; /* NULL: the process's own (shared immortal values) */
    const char *status;  /* "live" or "freed" */
    const char *id;      /* of the object that lives there, or of the one that died there last */
    size_t refcount;     /* of a live object; RH_IMMORTAL: not kept */
    const char *frame;   /* the function in which the expression has a meaning; NULL: main */
    const char *thread;  /* the thread's name; NULL: the main thread */
    const char *locals[TRUTH_NAMES_MAX];    /* variables that own one count each */
    const char *roots[TRUTH_NAMES_MAX];     /* registered roots */
    const char *referrers[TRUTH_NAMES_MAX]; /* fields that hold it: "B#2.next" */
    struct {
        const char *field, *target;
    } referents[TRUTH_NAMES_MAX];          /* what its fields hold */
    const char *previous[TRUTH_NAMES_MAX]; /* earlier tenants of the address, newest first */
    /* of the first of these, if it is said: the lines that made and freed it, and in which function
     * that was */
    int born, freed;
    const char *freed_in;
} truth;

/* truth_object("a", a, .heap = heap, .status = "live", .id = "A#1", .refcount = 1, ...): expression
 * (NULL: the object has no name here), address, and what is known. */
#define truth_object(expression, address, ...)                                                     \
    truth_object_at((expression), ~(uintptr_t)(address), &(const truth){__VA_ARGS__})
void truth_object_at(const char *expression, uintptr_t inverted_address, const truth *known);

/* "T#n" from a type's name and rh_serial(), where a serial cannot be a constant. Valid until exit.
 */
const char *truth_id(const char *type, const void *object);

/* A cycle of two objects, and its verdict: "garbage" or "held". */
void truth_cycle(const char *one, const char *other, const char *verdict);

/* How many objects of a type are alive in all heaps but the process's own. */
void truth_type(const char *type, size_t count);

/* Writes the line, forgets the truth, stops if the environment asks for it. */
void checkpoint(const char *name);

/* rh_set, not inlined: the variable or field (its address) holds the object, or NULL, from now
 * on. The inlined functions leave copies of the pointer in the caller's frame when nothing is
 * optimized; here the samples show what the variables hold, and nothing else. */
#define assign(variable, object) assign_inverted((variable), ~(uintptr_t)(object))
void assign_inverted(void *variable, uintptr_t inverted_object);

/* Ends the program with a message when a fact that a sample is about does not hold. */
#define expect(fact) expect_fact((fact), #fact, __FILE__, __LINE__)
void expect_fact(bool is_true, const char *fact, const char *file, int line);

#endif
