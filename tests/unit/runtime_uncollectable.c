/* runtime_uncollectable.c - tests of the rule before PEP 442: garbage cycles that contain objects
 * whose finalizer has not run stay and are listed.
 *
 * Births come first in each test: a stress build collects at every one of them. */
#include "runtime_test.h"

static rh_heap *heap;

static void setup_heap(void)
{
    heap = rh_heap_create(&(rh_heap_options){.gc_disabled = true, .finalizer_cycles_stay = true});
    death_count = 0;
}

typedef struct listed {
    size_t count;
    node *nodes[16];
} listed;

static bool list(void *object, void *context)
{
    listed *self = context;
    MUST(self->count < 16);
    self->nodes[self->count++] = object;
    return true;
}

static listed uncollectable(void)
{
    listed result = {0};
    ck_assert_uint_eq(rh_gc_each_uncollectable(heap, list, &result), result.count);
    ck_assert_uint_eq(rh_gc_get_counts(heap).uncollectable, result.count);
    return result;
}

static bool is_listed(const node *a)
{
    listed all = uncollectable();
    for (size_t i = 0; i < all.count; i++)
        if (all.nodes[i] == a)
            return true;
    return false;
}

/* a -> b -> a; both counts ours still. */
static void tie(node *a, node *b)
{
    rh_set(&a->next, b);
    rh_set(&b->next, a);
}

START_TEST(cycles_with_finalizers_stay_and_are_listed)
{
    setup_heap();
    node *a = new_node(heap, &logged_type, 1), *b = new_node(heap, &node_type, 2);
    node *c = new_node(heap, &node_type, 3), *d = new_node(heap, &node_type, 4);
    node *behind = new_node(heap, &node_type, 5);
    rh_weak *weak = rh_weak_new(a);
    tie(a, b);
    tie(c, d); /* without a finalizer */
    b->other = behind;
    rh_release(a);
    rh_release(b);
    rh_release(c);
    rh_release(d);
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    ck_assert(rh_is_object(heap, a) && rh_is_object(heap, b) && rh_is_object(heap, behind));
    ck_assert(is_listed(a));
    ck_assert_uint_eq(uncollectable().count, 1); /* what it holds stays, unlisted */
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).uncollectable, 1);
    ck_assert_int_eq(death_count, 0);
    ck_assert_uint_eq(rh_refcount(a), 1);
    assert_valid(heap);
    void *target = rh_weak_get(weak); /* it is not dying */
    ck_assert_ptr_eq(target, a);
    rh_release(target);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).uncollectable, 1); /* found already */
    rh_set(&a->next, NULL); /* b and its child die, and with them the reference to a */
    ck_assert_int_eq(death_count, 1);
    ck_assert_ptr_null(rh_weak_get(weak));
    ck_assert_uint_eq(uncollectable().count, 0);
    rh_release(weak);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static bool stop_at_the_first(void *object, void *context)
{
    *(node **)context = object;
    return false;
}

START_TEST(a_cycle_is_broken_through_the_list)
{
    setup_heap();
    node *a = new_node(heap, &logged_type, 1), *b = new_node(heap, &logged_type, 2);
    tie(a, b);
    rh_release(a);
    rh_release(b);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    node *found = NULL;
    ck_assert_uint_eq(rh_gc_each_uncollectable(heap, stop_at_the_first, &found), 1);
    ck_assert_uint_eq(rh_gc_each_uncollectable(heap, NULL, NULL), 2);
    rh_retain(found);
    rh_set(&found->next->next, NULL);
    rh_release(found);
    ck_assert_int_eq(death_count, 2);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    ck_assert_uint_eq(rh_gc_get_counts(heap).uncollectable, 0);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(a_young_collection_finds_them_too)
{
    setup_heap();
    node *a = new_node(heap, &logged_type, 1), *b = new_node(heap, &node_type, 2);
    tie(a, b);
    rh_release(a);
    rh_release(b);
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
#ifndef REFHEAP_GC_STRESS /* where the first is old since the birth of the second */
    ck_assert(is_listed(a));
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_YOUNG).uncollectable, 1);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).uncollectable, 0);
#else
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
#endif
    ck_assert(is_listed(a));
    rh_set(&b->next, NULL);
    ck_assert_int_eq(death_count, 1);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(what_only_freed_garbage_held_dies_with_its_finalizer)
{
    setup_heap();
    node *a = new_node(heap, &node_type, 1), *b = new_node(heap, &node_type, 2);
    node *held = new_node(heap, &logged_type, 3), *below = new_node(heap, &logged_type, 4);
    rh_weak *weak = rh_weak_new(held);
    tie(a, b);
    a->other = held;
    held->other = below;
    rh_release(a);
    rh_release(b);
    ck_assert_uint_eq(rh_gc_collect(heap), 4);
    ck_assert_int_eq(death_count, 2);
    ck_assert_int_eq(death_log[0], 3);
    ck_assert_int_eq(death_log[1], 4);
    ck_assert_ptr_null(rh_weak_get(weak));
    ck_assert_uint_eq(uncollectable().count, 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).uncollectable, 0);
    assert_valid(heap);
    rh_release(weak);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(what_the_program_holds_again_is_not_listed_after_a_full_collection)
{
    setup_heap();
    node *a = new_node(heap, &logged_type, 1), *b = new_node(heap, &logged_type, 2);
    node *c = new_node(heap, &logged_type, 3);
    node *late = new_node(heap, &logged_type, 4);
    tie(a, b);
    tie(c, c);
    tie(late, late);
    rh_release(a);
    rh_release(b);
    rh_release(c);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(uncollectable().count, 3);
    rh_retain(b); /* holds a as well */
    ck_assert_uint_eq(rh_gc_collect_young(heap), 0);
    ck_assert_uint_eq(uncollectable().count, 3);
    rh_release(late); /* found by the collection that takes two others off the list */
    uint64_t found = rh_gc_get_stats(heap, RH_GC_FULL).uncollectable;
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(rh_gc_get_stats(heap, RH_GC_FULL).uncollectable, found + 1);
    ck_assert_uint_eq(uncollectable().count, 2);
    ck_assert(is_listed(c) && is_listed(late));
    rh_release(b);
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(uncollectable().count, 4);
    ck_assert_int_eq(death_count, 0);
    assert_valid(heap);
    rh_make_immortal(c); /* held for ever */
    ck_assert_uint_eq(rh_gc_collect(heap), 0);
    ck_assert_uint_eq(uncollectable().count, 3);
    rh_heap_destroy(heap);
    ck_assert_int_eq(death_count, 4); /* at the end all finalizers run */
}
END_TEST

static node *risen;

static void rise(void *object)
{
    log_value(object);
    risen = rh_retain(object);
}

START_TEST(a_cycle_whose_finalizers_ran_is_collected)
{
    static rh_type type = {
        .name = "rises", .size = sizeof(node), .fields = node_fields, .finalize = rise};
    setup_heap();
    node *a = new_node(heap, &type, 1), *b = new_node(heap, &node_type, 2);
    rh_release(a); /* it rises */
    ck_assert_ptr_eq(risen, a);
    tie(a, b);
    rh_release(risen);
    rh_release(b);
    ck_assert_uint_eq(rh_gc_collect(heap), 2);
    ck_assert_uint_eq(uncollectable().count, 0);
    ck_assert_int_eq(death_count, 1);
    rh_heap_destroy(heap);
}
END_TEST

static rh_gc_event last_stop;

static void note_stop(rh_heap *which, const rh_gc_event *event, void *context)
{
    (void)which, (void)context;
    if (event->is_stop)
        last_stop = *event;
}

START_TEST(callbacks_are_told_how_many_were_found)
{
    setup_heap();
    node *a = new_node(heap, &logged_type, 1), *b = new_node(heap, &logged_type, 2);
    node *c = new_node(heap, &node_type, 3);
    tie(a, b);
    tie(c, c);
    rh_release(a);
    rh_release(b);
    rh_release(c);
    ck_assert(rh_gc_add_callback(heap, note_stop, NULL));
    rh_gc_collect(heap);
    ck_assert_uint_eq(last_stop.uncollectable, 2);
    ck_assert_uint_eq(last_stop.reclaimed, 1);
    rh_gc_collect(heap);
    ck_assert_uint_eq(last_stop.uncollectable, 0);
    rh_heap_destroy(heap);
}
END_TEST

static void die_by_the_environment(const char *options, bool asked, bool expect_stay)
{
    setenv("REFHEAP_OPTIONS", options, 1);
    death_count = 0;
    heap = rh_heap_create(&(rh_heap_options){.finalizer_cycles_stay = asked});
    node *a = new_node(heap, &logged_type, 1);
    rh_set(&a->next, a);
    rh_release(a);
    ck_assert_uint_eq(rh_gc_collect(heap), expect_stay ? 0 : 1);
    ck_assert_int_eq(death_count, expect_stay ? 0 : 1);
    ck_assert_uint_eq(uncollectable().count, expect_stay ? 1 : 0);
    rh_heap_destroy(heap);
    ck_assert_int_eq(death_count, 1);
}

START_TEST(the_environment_chooses_the_rule)
{
    die_by_the_environment("finalizers=stay", false, true);
    die_by_the_environment("finalizers=run", true, false);
    die_by_the_environment("gc=off,finalizers=stay", false, true);
    die_by_the_environment("gc=off", true, true);
    die_by_the_environment("", false, false);
}
END_TEST

static void choose_wrong(void)
{
    setenv("REFHEAP_OPTIONS", "finalizers=never,gc=off", 1);
    heap = rh_heap_create(&(rh_heap_options){.finalizer_cycles_stay = true});
    if (rh_gc_is_enabled(heap))
        _exit(1);
    node *a = rh_new(heap, &logged_type);
    rh_set(&a->next, a);
    rh_release(a);
    if (rh_gc_collect(heap) != 0) /* the program's choice stays */
        _exit(2);
    rh_heap_destroy(heap);
}

START_TEST(a_wrong_rule_is_named)
{
    char text[512];
    int status = run_child(choose_wrong, text, sizeof text);
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(text, "refheap: REFHEAP_OPTIONS: 'finalizers=never' is not possible, "
                           "finalizers wants run or stay\n");
}
END_TEST

RUN_TESTS("runtime_uncollectable", cycles_with_finalizers_stay_and_are_listed,
          a_cycle_is_broken_through_the_list, a_young_collection_finds_them_too,
          what_only_freed_garbage_held_dies_with_its_finalizer,
          what_the_program_holds_again_is_not_listed_after_a_full_collection,
          a_cycle_whose_finalizers_ran_is_collected, callbacks_are_told_how_many_were_found,
          the_environment_chooses_the_rule, a_wrong_rule_is_named)
