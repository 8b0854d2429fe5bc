/* runtime_misuse.c - tests of what is said about misuse: how an object ended, who lived at its
 * address before, and where; and about options that make no sense. */
#include "runtime_constants.h"
#include "runtime_reports.h"
#include "runtime_ring.h"
#include "runtime_test.h"

#define EVENTS_OF_TRACED 65536 /* that a heap remembers at most */

/* ---- the end of an object ------------------------------------------------------------------- */

static rh_heap *remembering_heap(void)
{
    return rh_heap_create(&(rh_heap_options){.name = "notes", .history_events = 64});
}

static void release_freed(void)
{
    node *a = new_node(remembering_heap(), &node_type, 1);
    rh_release(a);
    rh_release(a);
}

static void retain_reused_and_freed(void)
{
    rh_heap *heap = remembering_heap();
    node *a = new_node(heap, &node_type, 1);
    rh_release(a);
    node *b = new_node(heap, &node_type, 2);
    if (HAS_COLLECTOR)
        rh_set(&b->next, b);
    rh_release(b);
    rh_gc_collect(heap);
    if (a == b)
        rh_retain(a);
}

static void set_of_freed(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = 64});
    node *a = new_node(heap, &node_type, 1), *slot = NULL;
    rh_release(a);
    rh_set(&slot, a);
}

static void overflow_with_history(void)
{
    node *a = new_node(remembering_heap(), &node_type, 1);
    a->base.rh_count = 0x7fffffff;
    rh_retain(a);
}

static void greedy(void *object)
{
    rh_release(object);
}

static void over_release_dying(void)
{
    static rh_type type = {.name = "greedy", .size = sizeof(node), .finalize = greedy};
    rh_release((rh_new)(remembering_heap(), &type));
}

static void forgotten(void)
{
    static rh_type other = {.name = "other", .size = 200};
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = 4});
    node *a = new_node(heap, &node_type, 1);
    rh_release(a);
    for (int i = 0; i < 100; i++)
        rh_new(heap, &other);
    rh_release(a);
}

START_TEST(a_report_tells_how_the_object_ended)
{
    assert_reports(release_freed,
                   "refheap: release of freed object node#1 (freed by release)\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                   "refheap:   at most T s ago: alloc of node#1 in thread N\n");
    assert_reports(set_of_freed,
                   "refheap: retain of freed object node#1 (freed by release)\n"
                   "refheap: heap 1 remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                   "refheap:   at most T s ago: alloc of node#1 in thread N\n");
    assert_reports(overflow_with_history,
                   "refheap: count overflow: retain of object node#1\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: alloc of node#1 in thread N\n");
    assert_reports(over_release_dying,
                   "refheap: over-release: release of dying object greedy#1\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: finalize of greedy#1 in thread N\n"
                   "refheap:   at most T s ago: alloc of greedy#1 in thread N\n");
}
END_TEST

static void release_traced(void)
{
    node *a = new_node(remembering_heap(), &node_type, 1);
    rh_trace(a);
    for (int i = 0; i < 1000; i++) { /* more blocks than one */
        rh_retain(a);
        rh_release(a);
    }
    rh_retain(a);
    rh_release(a);
    rh_release(a);
    rh_release(a);
}

static void release_traced_for_a_while(void)
{
    node *a = new_node(remembering_heap(), &node_type, 1);
    rh_trace(a);
    rh_retain(a);
    rh_untrace(a);
    rh_release(a);
    rh_release(a);
    rh_release(a);
}

static void retain_after_an_event_at_the_end_of_the_ring(void)
{
    node *a = new_node(remembering_heap(), &node_type, 1);
    rh_trace(a);
    for (int i = 0; i < EVENTS_OF_TRACED / 2; i++) {
        rh_retain(a);
        if (i < EVENTS_OF_TRACED / 2 - 1)
            rh_release(a);
    }
    rh_release(a); /* the ring's last slot is full, and this is in its first one */
    rh_release(a);
    rh_retain(a);
}

START_TEST(the_last_retains_and_releases_of_a_traced_object_are_told)
{
    assert_reports(release_traced,
                   "refheap: release of freed object node#1 (freed by release)\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                   "refheap:   at most T s ago: release of node#1 in thread N\n"
                   "refheap:   at most T s ago: release of node#1 in thread N\n"
                   "refheap:   at most T s ago: retain of node#1 in thread N\n");
    assert_reports(release_traced_for_a_while,
                   "refheap: release of freed object node#1 (freed by release)\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                   "refheap:   at most T s ago: retain of node#1 in thread N\n"
                   "refheap:   at most T s ago: alloc of node#1 in thread N\n");
    assert_reports(retain_after_an_event_at_the_end_of_the_ring,
                   "refheap: retain of freed object node#1 (freed by release)\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                   "refheap:   at most T s ago: release of node#1 in thread N\n"
                   "refheap:   at most T s ago: release of node#1 in thread N\n"
                   "refheap:   at most T s ago: retain of node#1 in thread N\n");
}
END_TEST

#if HAS_COLLECTOR
#define REASON "collect"
#else
#define REASON "release"
#endif

START_TEST(earlier_tenants_are_named_as_suspects)
{
    assert_reports(retain_reused_and_freed,
                   "refheap: retain of freed object node#2 (freed by " REASON ")\n"
                   "refheap: heap 1 notes remembers of this address, newest first:\n"
                   "refheap:   at most T s ago: free of node#2 by " REASON " in thread N\n"
                   "refheap:   at most T s ago: alloc of node#2 in thread N\n"
                   "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                   "refheap:   at most T s ago: alloc of node#1 in thread N\n");
    assert_reports(forgotten, "refheap: release of freed object node#1 (freed by release)\n"
                              "refheap: the history of heap 1 does not reach back to it\n");
}
END_TEST

/* ---- stacks --------------------------------------------------------------------------------- */

/* Of the event that is the last but `age`. */
static const uint64_t *stack_of_event(rh_heap *heap, uint64_t age)
{
    ring_event events[256];
    ck_assert_uint_le(ring_capacity(heap), 256);
    uint64_t count = ring_events(heap, events),
             stacks = load((uintptr_t)heap + constant("heap.stacks"), 8),
             depth = load((uintptr_t)heap + constant("heap.stack_depth"), 4);
    ck_assert_uint_gt(count, age);
    const ring_event *event = &events[count - 1 - age];
    ck_assert(event->has_stack);
    return (const uint64_t *)(uintptr_t)(stacks + event->place * depth * 8);
}

static __attribute__((noinline)) node *birth_here(rh_heap *heap)
{
    node *result = (rh_new)(heap, &node_type);
    __asm__ volatile("");
    return result;
}

static __attribute__((noinline)) void death_here(void *object)
{
    rh_release(object);
    __asm__ volatile("");
}

static __attribute__((noinline)) void collect_here(rh_heap *heap)
{
    rh_gc_collect(heap);
    __asm__ volatile("");
}

static bool is_in(uint64_t address, const void *function)
{
    return address > (uint64_t)(uintptr_t)function && address < (uint64_t)(uintptr_t)function + 512;
}

START_TEST(stacks_begin_in_the_program)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = 4, .stack_frames = 3});
    ck_assert_uint_eq(load((uintptr_t)heap + constant("heap.stack_depth"), 4), 3);
    for (unsigned n = 0; n < 50; n++) { /* the ring goes round */
        node *a = birth_here(heap);
        death_here(a);
        a = birth_here(heap);
        if (HAS_COLLECTOR) {
            rh_set(&a->next, a);
            rh_release(a);
            collect_here(heap);
        } else {
            death_here(a);
        }
        ck_assert(is_in(stack_of_event(heap, 3)[0], (void *)(uintptr_t)birth_here));
        ck_assert(is_in(stack_of_event(heap, 2)[0], (void *)(uintptr_t)death_here));
        ck_assert(is_in(stack_of_event(heap, 0)[0], HAS_COLLECTOR ? (void *)(uintptr_t)collect_here
                                                                  : (void *)(uintptr_t)death_here));
        ck_assert_uint_ne(stack_of_event(heap, 3)[1], 0);
        ck_assert_uint_eq(stack_of_event(heap, 3)[1] - stack_of_event(heap, 1)[1] < 4096 ||
                              stack_of_event(heap, 1)[1] - stack_of_event(heap, 3)[1] < 4096,
                          1); /* both in this function */
    }
    rh_heap_destroy(heap);
}
END_TEST

START_TEST(stacks_are_limited_and_go_with_what_the_history_has)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.stack_frames = 1000});
    ck_assert_uint_eq(load((uintptr_t)heap + constant("heap.stack_depth"), 4), 16);
    ck_assert_uint_eq(load((uintptr_t)heap + constant("heap.keeps_all"), 4), 0);
    death_here(birth_here(heap));
    ck_assert(is_in(stack_of_event(heap, 0)[0], (void *)(uintptr_t)death_here));
    rh_heap_destroy(heap);
    heap = rh_heap_create(&(rh_heap_options){.stack_frames = 2, .history_events = RH_HISTORY_OFF});
    ck_assert_uint_eq(load((uintptr_t)heap + constant("heap.stacks"), 8), 0);
    rh_heap_destroy(heap);
    heap = rh_heap_create(&(rh_heap_options){.history_events = 4});
    ck_assert_uint_eq(load((uintptr_t)heap + constant("heap.stacks"), 8), 0);
    rh_heap_destroy(heap);
}
END_TEST

static void release_freed_with_stacks(void)
{
    setenv("REFHEAP_OPTIONS", "stacks=2,history=64", 1);
    node *a = birth_here(rh_heap_create(NULL));
    death_here(a);
    death_here(a);
}

START_TEST(a_report_tells_where)
{
    int stack_lines =
        assert_reports(release_freed_with_stacks,
                       "refheap: release of freed object node#1 (freed by release)\n"
                       "refheap: heap 1 remembers of this address, newest first:\n"
                       "refheap:   at most T s ago: free of node#1 by release in thread N\n"
                       "refheap:   at most T s ago: alloc of node#1 in thread N\n");
    ck_assert_int_eq(stack_lines, 4);
}
END_TEST

/* ---- addresses that are no object ----------------------------------------------------------- */

static void retain_stack(void)
{
    static uint32_t words[8] __attribute__((aligned(16))) = {0xfffffff0u};
    rh_retain(words);
}

static void retain_inside(void)
{
    node *a = new_node(rh_heap_create(NULL), &node_type, -5);
    rh_retain(&a->value);
}

START_TEST(what_is_no_object_is_called_so)
{
    assert_reports(
        retain_stack,
        "refheap: count overflow: retain of A, which is no object: it lies in no heap\n");
    assert_reports(retain_inside, "refheap: count overflow: retain of A, which is no object: it "
                                  "lies 40 bytes inside node#1\n");
}
END_TEST

/* ---- options -------------------------------------------------------------------------------- */

static void wrong_options(void)
{
    setenv("REFHEAP_OPTIONS",
           "stacks=17,stacks=,stacks,stacks=-1,quarantine=1T,quarantine,check=yes,check,"
           "stacks=3,quarantine=4k,check=off",
           1);
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.check_threads = true});
    if (load((uintptr_t)heap + constant("heap.stack_depth"), 4) != 3)
        _exit(1);
}

START_TEST(wrong_values_are_named)
{
    char text[2048];
    int status = run_child(wrong_options, text, sizeof text);
    ck_assert_str_eq(
        text, "refheap: REFHEAP_OPTIONS: 'stacks=17' is not possible, stacks wants a number of "
              "return addresses, at most 16\n"
              "refheap: REFHEAP_OPTIONS: 'stacks=' is not possible, stacks wants a number of "
              "return addresses, at most 16\n"
              "refheap: REFHEAP_OPTIONS: 'stacks' is not possible, stacks wants a number of return "
              "addresses, at most 16\n"
              "refheap: REFHEAP_OPTIONS: 'stacks=-1' is not possible, stacks wants a number of "
              "return addresses, at most 16\n"
              "refheap: REFHEAP_OPTIONS: 'quarantine=1T' is not possible, quarantine wants a "
              "number of bytes, like 65536, 64k or 1M\n"
              "refheap: REFHEAP_OPTIONS: 'quarantine' is not possible, quarantine wants a number "
              "of bytes, like 65536, 64k or 1M\n"
              "refheap: REFHEAP_OPTIONS: 'check=yes' is not possible, check wants on or off\n"
              "refheap: REFHEAP_OPTIONS: 'check' is not possible, check wants on or off\n");
    ck_assert_int_eq(status, 0);
}
END_TEST

RUN_TESTS("runtime_misuse", a_report_tells_how_the_object_ended,
          the_last_retains_and_releases_of_a_traced_object_are_told,
          earlier_tenants_are_named_as_suspects, stacks_begin_in_the_program,
          stacks_are_limited_and_go_with_what_the_history_has, a_report_tells_where,
          what_is_no_object_is_called_so, wrong_values_are_named)
