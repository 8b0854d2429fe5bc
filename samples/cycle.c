/* cycle.c - two objects that hold each other outlive all their names, with counts of 1, until the
 * collector comes.
 *
 * The collector is off, so that the moment between "nobody wants them" and "they are gone" can be
 * looked at. a_id and b_id are numbers: they remember where the objects were and keep nothing
 * alive.
 *
 *     gdb: break checkpoint, run, continue twice, up, refs a_id, gcgraph --cycles
 *
 * Invariant: from the second checkpoint to rh_gc_collect, a and b hold each other. */
#include "checkpoint.h"

typedef struct A {
    rh_object base;
    struct B *next;
} A;

typedef struct B {
    rh_object base;
    struct A *next;
} B;

static const rh_field a_fields[] = {RH_STRONG(A, next), RH_FIELDS_END};
static const rh_field b_fields[] = {RH_STRONG(B, next), RH_FIELDS_END};
static rh_type a_type = {.name = "A", .size = sizeof(A), .fields = a_fields};
static rh_type b_type = {.name = "B", .size = sizeof(B), .fields = b_fields};

int main(void)
{
    rh_heap_options options = {.name = "cycle", .gc_disabled = true, .history_events = 1024};
    rh_heap *heap = rh_heap_create(&options);

    A *a = rh_new(heap, &a_type);
    B *b = rh_new(heap, &b_type);
    truth_object("a", a, .heap = heap, .status = "live", .id = "A#1", .refcount = 1,
                 .locals = {"a"});
    truth_object("b", b, .heap = heap, .status = "live", .id = "B#2", .refcount = 1,
                 .locals = {"b"});
    checkpoint("two objects");

    assign(&a->next, b);
    assign(&b->next, a);
    truth_object("a", a, .heap = heap, .status = "live", .id = "A#1", .refcount = 2,
                 .locals = {"a"}, .referrers = {"B#2.next"}, .referents = {{"next", "B#2"}});
    truth_object("b", b, .heap = heap, .status = "live", .id = "B#2", .refcount = 2,
                 .locals = {"b"}, .referrers = {"A#1.next"}, .referents = {{"next", "A#1"}});
    truth_cycle("A#1", "B#2", "held");
    checkpoint("they hold each other");

    uintptr_t a_id = (uintptr_t)a;
    uintptr_t b_id = (uintptr_t)b;
    assign(&a, NULL);
    assign(&b, NULL);
    truth_object("a_id", a_id, .heap = heap, .status = "live", .id = "A#1", .refcount = 1,
                 .referrers = {"B#2.next"}, .referents = {{"next", "B#2"}});
    truth_object("b_id", b_id, .heap = heap, .status = "live", .id = "B#2", .refcount = 1,
                 .referrers = {"A#1.next"}, .referents = {{"next", "A#1"}});
    truth_cycle("A#1", "B#2", "garbage");
    checkpoint("names dropped");

    size_t reclaimed = rh_gc_collect(heap);
    expect(reclaimed == 2);
    truth_object("a_id", a_id, .heap = heap, .status = "freed", .id = "A#1", .previous = {"A#1"});
    truth_object("b_id", b_id, .heap = heap, .status = "freed", .id = "B#2", .previous = {"B#2"});
    checkpoint("collected");

    expect(a == NULL && b == NULL);
    rh_heap_destroy(heap);
    return 0;
}
