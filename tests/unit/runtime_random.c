/* runtime_random.c - random programs against a trivially correct twin.
 *
 * The twin is a matrix: who holds whom in which slot, and what the program itself holds. An object must
 * be alive iff it is reachable from what the program holds, after every collection; between collections
 * whatever the twin can reach must be alive, and the count of each live object must be exactly the
 * number of slots and program references that hold it. */
#include "runtime_test.h"

#if defined(REFHEAP_GC_STRESS) || defined(TEST_ASAN)
enum { SEEDS = 60 };
#else
enum { SEEDS = 400 };
#endif
enum { OBJECTS = 60, SLOTS = 3, STEPS = 400 };

typedef struct thing {
    rh_object base;
    struct thing *slots[SLOTS];
    rh_weak *weak;
    int id;
} thing;

static rh_heap *heap;
static thing *objects[OBJECTS]; /* NULL: does not exist */
static int held[OBJECTS];       /* counts of the program itself */
static int slots[OBJECTS][SLOTS]; /* id + 1, 0: NULL */
static rh_weak *weaks[OBJECTS];
static int disposed;

static void thing_dispose(void *object)
{
    thing *self = object;
    MUST(objects[self->id] == self);
    objects[self->id] = NULL; /* the twin learns of each death, and looks whether it was right */
    disposed++;
}

static const rh_field fields[] = { RH_STRONG_ARRAY(thing, slots), RH_WEAK(thing, weak), RH_FIELDS_END };
static rh_type thing_type = { .name = "thing", .size = sizeof(thing), .fields = fields, .dispose = thing_dispose };

static uint64_t state;

static unsigned pick(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 33) % n;
}

/* O(n^2): marks until nothing changes. */
static void reachable(bool *marks)
{
    for (int i = 0; i < OBJECTS; i++)
        marks[i] = held[i] > 0;
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < OBJECTS; i++)
            for (int k = 0; marks[i] && k < SLOTS; k++)
                if (slots[i][k] && !marks[slots[i][k] - 1])
                    marks[slots[i][k] - 1] = changed = true;
    }
}

/* What the twin says dies when nothing but counts is looked at: objects that nobody holds, repeatedly. */
static void twin_release(void)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < OBJECTS; i++) {
            int count = held[i];
            bool exists = count > 0;
            for (int k = 0; k < OBJECTS; k++)
                for (int n = 0; n < SLOTS; n++)
                    count += slots[k][n] == i + 1;
            for (int n = 0; n < SLOTS; n++)
                exists |= slots[i][n] != 0;
            if (count == 0 && exists) {
                memset(slots[i], 0, sizeof slots[i]);
                changed = true;
            }
        }
    }
}

static size_t twin_count(int i)
{
    size_t count = (size_t)held[i];
    for (int k = 0; k < OBJECTS; k++)
        for (int n = 0; n < SLOTS; n++)
            count += slots[k][n] == i + 1;
    return count;
}

static void compare(bool after_collection)
{
    bool marks[OBJECTS];
    twin_release();
    reachable(marks);
    for (int i = 0; i < OBJECTS; i++)
        if (after_collection && !marks[i])
            memset(slots[i], 0, sizeof slots[i]); /* garbage is gone */
    for (int i = 0; i < OBJECTS; i++) {
        size_t count = twin_count(i);
        MUST(!marks[i] || objects[i]);                     /* what is reachable lives */
        MUST(!after_collection || marks[i] || !objects[i]); /* garbage does not survive a collection */
        MUST((objects[i] != NULL) == (count > 0));
        if (objects[i])
            MUST(rh_refcount(objects[i]) == count && rh_is_object(heap, objects[i]));
        if (weaks[i]) {
            thing *target = rh_weak_get(weaks[i]);
            MUST(target == objects[i]);
            rh_release(target);
        }
    }
}

static void drop_weak(int i)
{
    rh_release(weaks[i]);
    weaks[i] = NULL;
}

static void create(int i)
{
    drop_weak(i);
    thing *made = rh_new(heap, &thing_type);
    made->id = i;
    objects[i] = made;
    held[i] = 1;
}

#ifdef REFHEAP_GC_STRESS
#define COLLECTS_ON_NEW true
#else
#define COLLECTS_ON_NEW false
#endif

/* One random operation; returns whether a collection ran. */
static bool step(void)
{
    int i = (int)pick(OBJECTS), k = (int)pick(OBJECTS), n = (int)pick(SLOTS);
    switch (pick(10)) {
    case 0:
    case 1:
        if (!objects[i]) {
            create(i);
            return COLLECTS_ON_NEW;
        }
        return false;
    case 2: /* moves the program's count into a slot: no release happens */
        if (objects[i] && objects[k] && held[i] && held[k] && !slots[i][n]) {
            objects[i]->slots[n] = objects[k];
            slots[i][n] = k + 1;
            held[k]--;
        }
        return false;
    case 3:
    case 4:
        if (objects[i] && held[i] && (!objects[k] || held[k])) {
            slots[i][n] = objects[k] ? k + 1 : 0;
            rh_set(&objects[i]->slots[n], objects[k]);
        }
        return false;
    case 5:
    case 6:
        if (held[i]) {
            held[i]--;
            rh_release(objects[i]);
        }
        return false;
    case 7:
        if (held[i] && held[i] < 4) {
            rh_retain(objects[i]);
            held[i]++;
        }
        return false;
    case 8:
        if (held[i] && !weaks[i])
            weaks[i] = rh_weak_new(objects[i]);
        else if (held[i] && weaks[k])
            rh_set(&objects[i]->weak, weaks[k]);
        return false;
    default:
        if (pick(8) != 0)
            return false;
        rh_gc_collect(heap);
        return true;
    }
}

START_TEST(random_programs_behave_like_their_twin)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        state = seed * 0x9e3779b97f4a7c15u;
        heap = rh_heap_create(NULL);
        memset(objects, 0, sizeof objects);
        memset(held, 0, sizeof held);
        memset(slots, 0, sizeof slots);
        memset(weaks, 0, sizeof weaks);
        for (int i = 0; i < STEPS; i++) {
            compare(step());
            if (i % 16 == 0)
                assert_valid(heap);
        }
        for (int i = 0; i < OBJECTS; i++) {
            drop_weak(i);
            for (; held[i]; held[i]--)
                rh_release(objects[i]);
        }
        rh_gc_collect(heap);
        for (int i = 0; i < OBJECTS; i++)
            ck_assert_ptr_null(objects[i]);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
    ck_assert_int_gt(disposed, (int)SEEDS * 10);
}
END_TEST

RUN_TESTS("runtime_random", random_programs_behave_like_their_twin)
