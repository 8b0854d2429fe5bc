/* three_names.c - variables are references: one object, three names, and its count goes 1, 2, 3,
 * 2, 1.
 *
 * `second = my_var` makes a second name for the same object, not a second object. In C the
 * assignment has to say so: retain the new one, store it, release the old one (rh_set; assign()
 * here). Asking for the count, in the program or in a debugger, does not change it.
 *
 *     gdb: break checkpoint, run, up, refs my_var
 *
 * Invariant: the variables that are not NULL own one count each. */
#include "checkpoint.h"

typedef struct node {
    rh_object base;
    int value;
} node;

static const rh_field node_fields[] = {RH_INT(node, value), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = RH_SIZE(node, base), .fields = node_fields};

int main(void)
{
    rh_heap *heap = rh_heap_create(NULL);

    node *my_var = rh_new(heap, &node_type);
    my_var->value = 42;
    truth_object("my_var", my_var, .heap = heap, .status = "live", .id = "node#1", .refcount = 1,
                 .locals = {"my_var"});
    checkpoint("one name");

    node *second = NULL;
    assign(&second, my_var);
    truth_object("my_var", my_var, .heap = heap, .status = "live", .id = "node#1", .refcount = 2,
                 .locals = {"my_var", "second"});
    truth_object("second", second, .heap = heap, .status = "live", .id = "node#1", .refcount = 2,
                 .locals = {"my_var", "second"});
    checkpoint("two names");

    node *third = NULL;
    assign(&third, my_var);
    truth_object("third", third, .heap = heap, .status = "live", .id = "node#1", .refcount = 3,
                 .locals = {"my_var", "second", "third"});
    checkpoint("three names");

    assign(&third, NULL);
    truth_object("second", second, .heap = heap, .status = "live", .id = "node#1", .refcount = 2,
                 .locals = {"my_var", "second"});
    checkpoint("two names again");

    assign(&second, NULL);
    truth_object("my_var", my_var, .heap = heap, .status = "live", .id = "node#1", .refcount = 1,
                 .locals = {"my_var"});
    checkpoint("one name again");

    expect(second == NULL && third == NULL && my_var->value == 42);
    assign(&my_var, NULL);
    rh_heap_destroy(heap);
    return 0;
}
