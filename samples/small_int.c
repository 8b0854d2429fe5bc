/* small_int.c - small integers are shared: two variables, one immortal object whose count is not
 * kept.
 *
 * That is why the count of such an object answers no question, and why a debugger says "immortal"
 * instead of a number. A large integer is an object of its own each time.
 *
 *     gdb: break checkpoint, run, up, objat a
 *
 * Invariant: a == b, c != d, although both pairs are equal in value. */
#include "checkpoint.h"

int main(void)
{
    rh_heap *heap = rh_heap_create(NULL);

    rh_int *c = rh_int_new(heap, 1000);
    rh_int *d = rh_int_new(heap, 1000);
    rh_int *a = rh_int_new(heap, 7);
    rh_int *b = rh_int_new(heap, 7);
    expect(a == b && rh_equal(a, b));
    expect(c != d && rh_equal(c, d));

    truth_object("a", a, .status = "live", .id = truth_id("int", a), .refcount = RH_IMMORTAL,
                 .locals = {"a", "b"});
    truth_object("b", b, .status = "live", .id = truth_id("int", b), .refcount = RH_IMMORTAL,
                 .locals = {"a", "b"});
    truth_object("c", c, .heap = heap, .status = "live", .id = "int#1", .refcount = 1,
                 .locals = {"c"});
    truth_object("d", d, .heap = heap, .status = "live", .id = "int#2", .refcount = 1,
                 .locals = {"d"});
    truth_type("int", 2);
    checkpoint("shared and not shared");

    /* A thousand more names change nothing, and neither does giving up more than there ever were.
     */
    rh_int *another = NULL;
    for (int i = 0; i < 1000; i++) {
        assign(&another, a);
        another = NULL; /* forgets a reference without giving it up */
    }
    for (int i = 0; i < 5000; i++) {
        another = b; /* never took one */
        assign(&another, NULL);
    }
    truth_object("a", a, .status = "live", .id = truth_id("int", a), .refcount = RH_IMMORTAL,
                 .locals = {"a", "b"});
    checkpoint("count not kept");

    rh_release(d);
    rh_release(c);
    rh_heap_destroy(heap);
    return 0;
}
