/* stale.c - an address that was kept after its object died, and who lives there now.
 *
 * `a_id` is a number: it owns nothing. Once the object is gone it names a grave, and later somebody
 * else's home: reading it as an A gives nonsense. A debugger that reads tombstones and history says
 * what happened: gdb: break checkpoint, run, continue, up, objat a_id. Invariant: a_id never
 * changes. */
#include "checkpoint.h"
#include <string.h>

typedef struct a {
    rh_object base;
    int64_t value;
} a_object;
static const rh_field a_fields[] = {RH_INT(a_object, value), RH_FIELDS_END};
static rh_type a_type = {.name = "A", .size = RH_SIZE(a_object, base), .fields = a_fields};

static rh_heap *heap;

static a_object *make(int64_t value)
{
    a_object *made = rh_new(heap, &a_type);
    made->value = value;
    return made;
}

/* As large as an A, so that it can get a dead one's place. */
static rh_type filler_type = {.name = "Filler", .size = sizeof(a_object)};
/* Larger. */
static rh_type noise_type = {.name = "noise", .size = 200};

static void drop(a_object *object)
{
    object->value = -1;
    rh_release(object);
}

static void make_noise(int count)
{
    for (int i = 0; i < count; i++)
        rh_release(rh_new(heap, &noise_type));
}

int main(void)
{
    heap = rh_heap_create(&(rh_heap_options){.name = "stale"});

    make_noise(11);
    a_object *a = make(42);
    uintptr_t a_id = (uintptr_t)a;
    truth_object("a_id", a_id, .heap = heap, .status = "live", .id = "A#12", .refcount = 1,
                 .locals = {"a"});
    checkpoint("alive");

    drop(a);
    a = NULL;
    truth_object("a_id", a_id, .heap = heap, .status = "freed", .id = "A#12", .previous = {"A#12"},
                 .born = 21, .freed_in = "drop", .freed = 34);
    checkpoint("freed");

    make_noise(27);
    void *tenant = rh_new(heap, &filler_type);
    memset((rh_object *)tenant + 1, 0xff, sizeof(int64_t));
    expect(a_id == (uintptr_t)tenant);
    expect(((a_object *)a_id)->value == -1); /* nonsense: this A was 42 */
    truth_object("a_id", a_id, .heap = heap, .status = "live", .id = "Filler#40", .refcount = 1,
                 .locals = {"tenant"}, .previous = {"A#12"}, .born = 21, .freed_in = "drop",
                 .freed = 34);
    truth_object("tenant", tenant, .heap = heap, .status = "live", .id = "Filler#40", .refcount = 1,
                 .locals = {"tenant"}, .previous = {"A#12"});
    checkpoint("reused");

    expect(a == NULL);
    assign(&tenant, NULL);
    rh_heap_destroy(heap);
    return 0;
}
