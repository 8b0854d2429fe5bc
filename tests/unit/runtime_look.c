/* runtime_look.c - tests of the functions that look at objects and the references between them. */
#include "runtime_test.h"

static rh_heap *heap;

static void setup_heap(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    death_count = 0;
}

typedef struct seen {
    int count;
    int limit; /* 0: none */
    void *objects[64];
} seen;

static bool see(void *object, void *context)
{
    seen *self = context;
    MUST(self->count < 64);
    self->objects[self->count++] = object;
    return self->count != self->limit;
}

static bool has_seen(const seen *self, const void *object)
{
    for (int i = 0; i < self->count; i++)
        if (self->objects[i] == object)
            return true;
    return false;
}

/* ---- each object ---------------------------------------------------------------------------- */

enum { MOST_OBJECTS = MANY(200000) + 100 };

typedef struct walk {
    size_t visited;
    size_t not_objects;
    void *objects[MOST_OBJECTS];
} walk;

static bool follow(void *object, void *context)
{
    walk *self = context;
    MUST(self->visited < MOST_OBJECTS);
    self->objects[self->visited++] = object;
    self->not_objects += !rh_is_object(heap, object);
    return true;
}

static int compare_addresses(const void *a, const void *b)
{
    uintptr_t first = *(const uintptr_t *)a, second = *(const uintptr_t *)b;
    return (first > second) - (first < second);
}

/* Every object once: as many as there are, all of them objects, no two the same. */
static void assert_walk(size_t expected)
{
    static walk result;
    result.visited = result.not_objects = 0;
    ck_assert_uint_eq(rh_gc_each_object(heap, follow, &result), expected);
    ck_assert_uint_eq(result.visited, expected);
    ck_assert_uint_eq(result.not_objects, 0);
    qsort(result.objects, result.visited, sizeof *result.objects, compare_addresses);
    for (size_t i = 1; i < result.visited; i++)
        MUST(result.objects[i] != result.objects[i - 1]);
    ck_assert_uint_eq(rh_gc_each_object(heap, NULL, NULL), expected);
}

START_TEST(each_object_visits_every_object_once)
{
    static rh_type bytes = {.name = "bytes", .size = sizeof(rh_object) + 8, .element_size = 1};
    enum { COUNT = MANY(200000) };
    static void *objects[COUNT];
    setup_heap();
    assert_walk(0);
    for (int i = 0; i < COUNT; i++)
        objects[i] =
            i % 3 ? rh_new(heap, &node_type) : rh_new_array(heap, &bytes, (size_t)(i % 700));
    assert_walk(COUNT);
    size_t left = COUNT;
    for (int i = 0; i < COUNT; i++)
        if (i % 7 && left--)
            rh_release(objects[i]);
    rh_weak *weak = rh_weak_new(objects[0]);
    rh_make_immortal(objects[0]);
    assert_walk(left + 1);
    rh_release(weak);
    assert_walk(left);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(each_object_visits_large_objects_but_not_freed_ones)
{
    static rh_type bytes = {.name = "bytes", .size = sizeof(rh_object) + 8, .element_size = 1};
    void *large[60], *later[30];
    setup_heap();
    for (int i = 0; i < 60; i++)
        large[i] = rh_new_array(heap, &bytes, 200000);
    for (int i = 20; i < 45; i++)
        rh_release(large[i]);
    for (int i = 0; i < 30; i++)
        later[i] = rh_new_array(heap, &bytes, 20000); /* too small for the mappings that are kept */
    assert_walk(35 + 30);
    assert_valid(heap);
    for (int i = 0; i < 30; i++)
        rh_release(later[i]);
    assert_walk(35);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(each_object_stops_when_told_to)
{
    seen some = {.limit = 3};
    setup_heap();
    for (int i = 0; i < 10; i++)
        new_node(heap, &node_type, i);
    ck_assert_uint_eq(rh_gc_each_object(heap, see, &some), 3);
    ck_assert_int_eq(some.count, 3);
    rh_heap_destroy(heap);
}
END_TEST

static void look_while_dying(void *object)
{
    node *self = object;
    seen all = {0}, holders = {0};
    log_value(object);
    ck_assert_uint_eq(rh_gc_each_object(heap, see, &all), 1); /* the child; not itself */
    ck_assert(has_seen(&all, self->next));
    /* its one referrer dies */
    ck_assert_uint_eq(rh_gc_referrers(heap, self->next, see, &holders), 0);
    ck_assert(!rh_gc_is_tracked(self));
    ck_assert(rh_gc_is_finalized(self));
    ck_assert(!rh_gc_is_finalized(self->next));
}

START_TEST(the_dying_are_not_visited)
{
    static rh_type type = {
        .name = "looks", .size = sizeof(node), .fields = node_fields, .finalize = look_while_dying};
    setup_heap();
    node *parent = new_node(heap, &type, 1);
    parent->next = new_node(heap, &node_type, 2);
    rh_release(parent);
    ck_assert_int_eq(death_count, 1);
    assert_walk(0);
    rh_heap_destroy(heap);
}
END_TEST

/* ---- referrers and referents ---------------------------------------------------------------- */

typedef struct entry {
    long key;
    node *value;
} entry;

/* Every form of reference. */
typedef struct hub {
    rh_object base;
    node *late;
    rh_weak *weak;
    node *pair[2];
    char far_away[600];
    node *far;
    size_t vector_length;
    node **vector;
    size_t entry_count;
    entry *entries;
    node *borrowed;
    node *early;
    uint32_t tail_length;
    uint32_t reserved;
    node *tail[];
} hub;

static const rh_field hub_fields[] = {RH_STRONG_TAIL(hub, tail, tail_length),
                                      RH_STRONG(hub, early),
                                      RH_STRONG_VECTOR(hub, vector, vector_length),
                                      RH_STRONG(hub, far),
                                      RH_BORROWED(hub, borrowed),
                                      RH_WEAK(hub, weak),
                                      RH_STRONG_VECTOR_OF(hub, entries, entry_count, entry, value),
                                      RH_STRONG_ARRAY(hub, pair),
                                      RH_STRONG(hub, late),
                                      RH_FIELDS_END};
static rh_type hub_type = {
    .name = "hub", .size = sizeof(hub), .fields = hub_fields, .element_size = sizeof(node *)};

static node *vector_of_hub[2];
static entry entries_of_hub[2];

/* A hub whose fields hold expected[0], expected[1], … */
static hub *make_hub(void **expected)
{
    int n = 0;
    hub *self = rh_new_array(heap, &hub_type, 2);
    self->tail_length = 2;
    self->vector = vector_of_hub;
    self->vector_length = 2;
    self->entries = entries_of_hub;
    self->entry_count = 2;
    expected[n++] = self->tail[0] = rh_new(heap, &node_type);
    expected[n++] = self->tail[1] = rh_new(heap, &node_type);
    expected[n++] = self->early = rh_new(heap, &node_type);
    expected[n++] = self->vector[0] = rh_new(heap, &node_type);
    expected[n++] = self->vector[1] = rh_new(heap, &node_type);
    expected[n++] = self->far = rh_new(heap, &node_type);
    expected[n++] = self->weak = rh_weak_new(self->far);
    expected[n++] = entries_of_hub[0].value = rh_new(heap, &node_type);
    expected[n++] = entries_of_hub[1].value = rh_new(heap, &node_type);
    expected[n++] = self->pair[0] = rh_new(heap, &node_type);
    expected[n++] = self->pair[1] = rh_new(heap, &node_type);
    expected[n++] = self->late = rh_new(heap, &node_type);
    self->borrowed = self->late;
    return self;
}

enum { HUB_REFERENCES = 12 };

START_TEST(referents_are_visited_once_per_slot)
{
    void *expected[HUB_REFERENCES];
    seen found = {0}, some = {.limit = 4};
    setup_heap();
    hub *self = make_hub(expected);
    ck_assert_uint_eq(rh_gc_referents(self, see, &found), HUB_REFERENCES);
    for (int i = 0; i < HUB_REFERENCES; i++)
        ck_assert(has_seen(&found, expected[i]));
    ck_assert_uint_eq(rh_gc_referents(self, see, &some), 4);
    ck_assert_int_eq(some.count, 4);
    ck_assert_uint_eq(rh_gc_referents(self, NULL, NULL), HUB_REFERENCES);
    ck_assert_uint_eq(rh_gc_referents(NULL, see, &found), 0);
    ck_assert_uint_eq(rh_gc_referents(expected[0], see, &found), 0); /* all NULL */
    rh_set(&self->late, self->pair[1]);
    rh_set(&self->tail[0], self->pair[1]);
    found.count = 0;
    ck_assert_uint_eq(rh_gc_referents(self, see, &found), HUB_REFERENCES);
    int times = 0;
    for (int i = 0; i < found.count; i++)
        times += found.objects[i] == self->pair[1];
    ck_assert_int_eq(times, 3);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(referrers_are_visited_once_whatever_the_field)
{
    void *held[HUB_REFERENCES];
    setup_heap();
    hub *self = make_hub(held);
    for (int i = 0; i < HUB_REFERENCES; i++) {
        seen found = {0};
        ck_assert_uint_eq(rh_gc_referrers(heap, held[i], see, &found), 1);
        ck_assert_ptr_eq(found.objects[0], self);
    }
    rh_set(&self->pair[0], self->far);
    rh_set(&self->vector[1], self->far);
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    rh_set(&a->next, self->far);
    rh_set(&a->other, self->far);
    rh_set(&b->next, self->far);
    rh_set(&b->other, b);
    rh_set(&b->weak, self->weak);
    seen found = {0}, some = {.limit = 2};
    ck_assert_uint_eq(rh_gc_referrers(heap, self->far, see, &found), 3);
    ck_assert(has_seen(&found, self) && has_seen(&found, a) && has_seen(&found, b));
    ck_assert_uint_eq(rh_gc_referrers(heap, self->far, see, &some), 2);
    ck_assert_uint_eq(rh_gc_referrers(heap, self->far, NULL, NULL), 3);
    ck_assert_uint_eq(rh_gc_referrers(heap, self->weak, NULL, NULL), 2);
    ck_assert_uint_eq(rh_gc_referrers(heap, b, NULL, NULL), 1); /* itself */
    /* a borrowed field does not count */
    ck_assert_uint_eq(rh_gc_referrers(heap, self->late, NULL, NULL), 1);
    rh_set(&self->late, NULL);
    ck_assert_uint_eq(rh_gc_referrers(heap, self, NULL, NULL), 0);
    ck_assert_uint_eq(rh_gc_referrers(heap, NULL, NULL, NULL), 0);
    self->borrowed = NULL;
    rh_heap_destroy(heap);
}
END_TEST

/* ---- tracked, finalized --------------------------------------------------------------------- */

START_TEST(what_cannot_be_in_a_cycle_is_not_tracked)
{
    static rh_type leaf = {.name = "leaf", .size = sizeof(node)};
    static rh_type declared = {
        .name = "declared", .size = sizeof(node), .fields = node_fields, .flags = RH_TYPE_ACYCLIC};
    setup_heap();
    node *a = new_node(heap, &node_type, 1);
    rh_weak *weak = rh_weak_new(a);
    ck_assert_int_eq(rh_gc_is_tracked(a), HAS_COLLECTOR);
    ck_assert(!rh_gc_is_tracked(weak));
    ck_assert(!rh_gc_is_tracked(new_node(heap, &leaf, 1)));
    ck_assert(!rh_gc_is_tracked(new_node(heap, &declared, 1)));
    rh_make_immortal(a);
    ck_assert(!rh_gc_is_tracked(a));
    ck_assert(!rh_gc_is_tracked(NULL));
    rh_heap_destroy(heap);
}
END_TEST

static node *risen;

static void rise(void *object)
{
    log_value(object);
    risen = rh_retain(object);
}

START_TEST(an_object_tells_that_its_finalizer_ran)
{
    static rh_type type = {
        .name = "rises", .size = sizeof(node), .fields = node_fields, .finalize = rise};
    setup_heap();
    node *a = new_node(heap, &type, 1);
    ck_assert(!rh_gc_is_finalized(a));
    ck_assert(!rh_gc_is_finalized(NULL));
    rh_release(a);
    ck_assert_ptr_eq(risen, a);
    ck_assert(rh_gc_is_finalized(a));
    ck_assert_int_eq(rh_gc_is_tracked(a), HAS_COLLECTOR);
    ck_assert_uint_eq(rh_refcount(a), 1);
    rh_release(a);
    ck_assert_int_eq(death_count, 1);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_look", each_object_visits_every_object_once,
          each_object_visits_large_objects_but_not_freed_ones, each_object_stops_when_told_to,
          the_dying_are_not_visited, referents_are_visited_once_per_slot,
          referrers_are_visited_once_whatever_the_field, what_cannot_be_in_a_cycle_is_not_tracked,
          an_object_tells_that_its_finalizer_ran)
