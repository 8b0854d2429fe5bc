/* runtime_death.c - tests of dying: order, finalizers, resurrection, chains, dispose, destroy. */
#include "runtime_test.h"

#include <pthread.h>
#include <refheap/metadata.h>

static rh_heap *heap;
static node *kept;

static void setup_heap(void)
{
    heap = rh_heap_create(NULL);
    death_count = 0;
    kept = NULL;
}

START_TEST(parents_die_before_children)
{
    setup_heap();
    node *root = new_node(heap, &logged_type, 1);
    root->next = new_node(heap, &logged_type, 2);
    root->other = new_node(heap, &logged_type, 3);
    root->next->next = new_node(heap, &logged_type, 4);
    root->other->next = rh_retain(root->next->next); /* dies with its last parent */
    rh_release(root);
    ck_assert_int_eq(death_count, 4);
    ck_assert_int_eq(death_log[0], 1);
    ck_assert_int_eq(death_log[3], 4);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void look_around(void *object)
{
    node *self = object;
    ck_assert_uint_eq(rh_refcount(self), 1);
    ck_assert(!rh_is_object(heap, self));
    ck_assert_ptr_nonnull(self->next); /* children are intact */
    ck_assert(rh_is_object(heap, self->next));
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    if (self->weak)
        ck_assert_ptr_null(rh_weak_get(self->weak));
    node *made = rh_new(heap, &node_type); /* allocation works inside a finalizer */
    ck_assert_ptr_nonnull(made);
    rh_release(made);
    log_value(object);
}

START_TEST(release_of_last_reference_runs_the_finalizer_once)
{
    static rh_type type = {
        .name = "looker", .size = sizeof(node), .fields = node_fields, .finalize = look_around};
    setup_heap();
    node *a = new_node(heap, &type, 5);
    a->next = new_node(heap, &node_type, 6);
    a->weak = rh_weak_new(a);
    node *next = a->next;
    rh_release(a);
    ck_assert_int_eq(death_count, 1);
    ck_assert(!rh_is_object(heap, a));
    ck_assert(!rh_is_object(heap, next));
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void keep(void *object)
{
    log_value(object);
    kept = rh_retain(object);
}

static rh_type phoenix_type = {
    .name = "phoenix", .size = sizeof(node), .fields = node_fields, .finalize = keep};

START_TEST(a_resurrected_object_lives_on_and_is_not_finalized_again)
{
    setup_heap();
    node *a = new_node(heap, &phoenix_type, 1);
    node *child = a->next = new_node(heap, &logged_type, 2);
    rh_release(a);
    ck_assert_ptr_eq(kept, a);
    ck_assert(rh_is_object(heap, a));
    ck_assert_uint_eq(rh_refcount(a), 1);
    ck_assert(rh_is_object(heap, child));
    assert_valid(heap);
    rh_release(a);
    ck_assert_int_eq(death_count, 2); /* its finalizer once, its child's once */
    ck_assert(!rh_is_object(heap, a));
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void hold_itself(void *object)
{
    node *self = object;
    log_value(object);
    rh_set(&self->next, self);
}

START_TEST(an_object_that_makes_itself_a_cycle_is_collected)
{
    static rh_type type = {
        .name = "selfish", .size = sizeof(node), .fields = node_fields, .finalize = hold_itself};
    setup_heap();
    node *a = new_node(heap, &type, 1);
    rh_release(a);
    ck_assert(rh_is_object(heap, a));
    assert_valid(heap);
    assert_collects(heap, 1);
    ck_assert_int_eq(rh_is_object(heap, a), !HAS_COLLECTOR);
    if (!HAS_COLLECTOR)
        rh_set(&a->next, NULL); /* by hand, then */
    ck_assert_int_eq(death_count, 1);
    ck_assert(!rh_is_object(heap, a));
    rh_heap_destroy(heap);
}
END_TEST

static void become_immortal(void *object)
{
    rh_make_immortal(object);
}

START_TEST(a_finalizer_may_make_its_object_immortal)
{
    static rh_type type = {.name = "eternal",
                           .size = sizeof(node),
                           .fields = node_fields,
                           .finalize = become_immortal};
    setup_heap();
    node *a = new_node(heap, &type, 1);
    rh_release(a);
    ck_assert(rh_is_object(heap, a));
    ck_assert_uint_eq(rh_refcount(a), RH_IMMORTAL);
    assert_valid(heap);
    node *b = new_node(heap, &type, 2);
    b->next = b; /* the same in a collection: the count moves into the cycle */
    assert_collects(heap, 0);
    if (!HAS_COLLECTOR) {
        ck_assert_uint_eq(rh_refcount(b), 1);
        rh_set(&b->next, NULL);
    }
    ck_assert_uint_eq(rh_refcount(b), RH_IMMORTAL);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void *release_a_long_chain(void *argument)
{
    (void)argument;
    rh_heap_attach(heap);
    rh_release(kept);
    return NULL;
}

START_TEST(a_chain_of_five_million_dies_on_a_small_stack)
{
    setup_heap();
    for (int i = 0; i < MANY(5000000); i++) {
        node *a = rh_new(heap, &node_type);
        a->next = kept;
        if (i % 3 == 0) /* branches use the queue, not only its register */
            a->other = rh_new(heap, &node_type);
        kept = a;
    }
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, 64 << 10), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, release_a_long_chain, NULL), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    rh_heap_attach(heap);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    assert_valid(heap);
    node *first = rh_new(heap, &node_type); /* nothing is left: the first slot is free */
    char report[64];
    ck_assert_uint_eq(rh_heap_check(heap, report, sizeof report), 0);
    rh_release(first);
    rh_heap_destroy(heap);
}
END_TEST

typedef struct holder {
    rh_object base;
    node **items;
    size_t length;
} holder;

static int disposed;

static void holder_dispose(void *object)
{
    holder *self = object;
    for (size_t i = 0; i < self->length; i++)
        ck_assert_ptr_null(self->items[i]); /* released, slot by slot */
    free(self->items);
    disposed++;
}

static const rh_field holder_fields[] = {RH_STRONG_VECTOR(holder, items, length), RH_FIELDS_END};
static rh_type holder_type = {
    .name = "holder", .size = sizeof(holder), .fields = holder_fields, .dispose = holder_dispose};

static holder *new_holder(size_t length)
{
    holder *self = rh_new(heap, &holder_type);
    self->items = calloc(length, sizeof *self->items);
    self->length = length;
    return self;
}

START_TEST(a_vector_is_released_and_disposed_of)
{
    setup_heap();
    holder *self = new_holder(3);
    self->items[0] = new_node(heap, &logged_type, 1);
    self->items[2] = new_node(heap, &logged_type, 2);
    assert_valid(heap);
    rh_release(self);
    ck_assert_int_eq(death_count, 2);
    ck_assert_int_eq(disposed, 1);
    rh_release(rh_new(heap, &holder_type)); /* a vector that was never allocated */
    ck_assert_int_eq(disposed, 2);
    rh_heap_destroy(heap);
}
END_TEST

typedef struct pair {
    node *key;
    node *value;
} pair;
typedef struct table {
    rh_object base;
    uint16_t length;
    uint8_t used;
    node *fixed[2];
    pair *pairs;
    node *tail[];
} table;

static void table_dispose(void *object)
{
    free(((table *)object)->pairs);
}

START_TEST(every_form_of_field_is_visited)
{
    static const rh_field fields[] = {RH_STRONG_ARRAY(table, fixed),
                                      RH_STRONG_VECTOR_OF(table, pairs, length, pair, key),
                                      RH_STRONG_VECTOR_OF(table, pairs, length, pair, value),
                                      RH_STRONG_TAIL(table, tail, used), RH_FIELDS_END};
    static rh_type type = {.name = "table",
                           .size = sizeof(table),
                           .fields = fields,
                           .dispose = table_dispose,
                           .element_size = sizeof(node *)};
    setup_heap();
    table *t = rh_new_array(heap, &type, 3);
    t->pairs = calloc(2, sizeof *t->pairs);
    t->length = 2;
    t->used = 3;
    int value = 0;
    node **slots[] = {&t->fixed[0],     &t->fixed[1],       &t->pairs[0].key, &t->pairs[0].value,
                      &t->pairs[1].key, &t->pairs[1].value, &t->tail[0],      &t->tail[2]};
    for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
        *slots[i] = new_node(heap, &logged_type, value++);
    t->tail[1] = (node *)rh_retain(t); /* and a cycle through one of them */
    assert_valid(heap);
    rh_release(t);
    ck_assert_int_eq(death_count, 0);
    assert_collects(heap, 9);
    if (!HAS_COLLECTOR) {
        ck_assert_int_eq(death_count, 0);
        rh_set(&t->tail[1], NULL);
    }
    ck_assert_int_eq(death_count, 8);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void keep_in_destroy(void *object)
{
    node *self = object;
    log_value(object);
    kept = rh_retain(object);
    ck_assert_ptr_null(rh_new(heap, &node_type));
    if (self->next) {
        ck_assert_int_eq(self->next->value, self->value + 1); /* still intact */
        rh_release(self->next);                               /* cannot free it now */
        self->next = NULL;
    }
    rh_set(&self->other, NULL);    /* lets go of a holder */
    ck_assert_int_eq(disposed, 0); /* but nothing dies before all finalizers ran */
    if (self->weak)
        ck_assert_ptr_null(rh_weak_get(self->weak));
}

START_TEST(destroy_finalizes_once_and_disposes_of_everything)
{
    static rh_type type = {
        .name = "late", .size = sizeof(node), .fields = node_fields, .finalize = keep_in_destroy};
    setup_heap();
    node *a = new_node(heap, &type, 1);
    a->next = new_node(heap, &type, 2);
    a->weak = rh_weak_new(a);
    node *already = new_node(heap, &phoenix_type, 3);
    rh_release(already); /* finalized, resurrected */
    disposed = 0;
    a->other = (node *)(void *)new_holder(5);
    rh_make_immortal(new_node(heap, &logged_type, 4));
    ck_assert_int_eq(death_count, 1);
    rh_heap_destroy(heap);
    ck_assert_int_eq(death_count, 4);
    ck_assert_int_eq(disposed, 1);
}
END_TEST

static node *borrowed;

static void retain_borrowed(void *object)
{
    (void)object;
    if (borrowed)
        kept = rh_retain(borrowed);
    borrowed = NULL;
}

START_TEST(an_object_that_waits_for_its_death_may_be_resurrected)
{
    static rh_type type = {
        .name = "thief", .size = sizeof(node), .fields = node_fields, .finalize = retain_borrowed};
    setup_heap();
    node *a = new_node(heap, &node_type, 1);
    a->next = new_node(heap, &type, 2);
    a->other = new_node(heap, &logged_type, 3); /* queued behind the thief, as it has a finalizer */
    borrowed = a->other;
    rh_release(a);
    ck_assert_ptr_nonnull(kept);
    ck_assert(rh_is_object(heap, kept));
    ck_assert_uint_eq(rh_refcount(kept), 1);
    assert_valid(heap);
    rh_release(kept);
    ck_assert(!rh_is_object(heap, kept));
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_death", parents_die_before_children,
          release_of_last_reference_runs_the_finalizer_once,
          a_resurrected_object_lives_on_and_is_not_finalized_again,
          an_object_that_makes_itself_a_cycle_is_collected,
          a_finalizer_may_make_its_object_immortal, a_chain_of_five_million_dies_on_a_small_stack,
          a_vector_is_released_and_disposed_of, every_form_of_field_is_visited,
          destroy_finalizes_once_and_disposes_of_everything,
          an_object_that_waits_for_its_death_may_be_resurrected)
