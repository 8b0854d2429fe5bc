/* stale.c - an address that was kept after its object died, and who lives there now.
 *
 * `a_id` is a number: it owns nothing and keeps nothing alive. Once the object is gone the same
 * number names a grave, and later somebody else's home. Reading it as a node then gives nonsense;
 * a debugger that reads tombstones and history says what happened.
 *
 *     gdb: break checkpoint, run, continue, up, objat a_id
 *
 * Invariant: a_id never changes. */
#include "checkpoint.h"

typedef struct node {
    rh_object base;
    struct node *next;
    int64_t value;
} node;

/* As large as a node, so that it can get a dead node's place. */
typedef struct filler {
    rh_object base;
    unsigned char bytes[16];
} filler;

static const rh_field node_fields[] = {RH_STRONG(node, next), RH_INT(node, value), RH_FIELDS_END};
static rh_type node_type = {.name = "node", .size = RH_SIZE(node, base), .fields = node_fields};
static rh_type filler_type = {.name = "Filler", .size = sizeof(filler)};

int main(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.name = "stale", .history_events = 1024});

    node *a = rh_new(heap, &node_type);
    a->value = 42;
    uintptr_t a_id = (uintptr_t)a;
    truth_object("a_id", a_id, .heap = heap, .status = "live", .id = "node#1", .refcount = 1,
                 .locals = {"a"});
    checkpoint("alive");

    assign(&a, NULL);
    truth_object("a_id", a_id, .heap = heap, .status = "freed", .id = "node#1",
                 .previous = {"node#1"});
    checkpoint("freed");

    filler *tenant = rh_new(heap, &filler_type);
    for (size_t i = 0; i < sizeof tenant->bytes; i++)
        tenant->bytes[i] = 0xff;
    expect(a_id == (uintptr_t)tenant);
    expect(((node *)a_id)->value == -1); /* nonsense: no node ever had this value */
    truth_object("a_id", a_id, .heap = heap, .status = "live", .id = "Filler#2", .refcount = 1,
                 .locals = {"tenant"}, .previous = {"node#1"});
    truth_object("tenant", tenant, .heap = heap, .status = "live", .id = "Filler#2", .refcount = 1,
                 .locals = {"tenant"}, .previous = {"node#1"});
    checkpoint("reused");

    expect(a == NULL);
    assign(&tenant, NULL);
    rh_heap_destroy(heap);
    return 0;
}
