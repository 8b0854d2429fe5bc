/* runtime_safety.c - tests of what is said about misuse: how an object ended, who lived at its
 * address before, which thread may use a heap; and of the quarantine, which keeps reports certain
 * for longer. */
#include "runtime_ring.h"
#include "runtime_constants.h"
#include "runtime_test.h"

#include <pthread.h>
#include <refheap/metadata.h>
#include <sys/resource.h>

#define EVENTS_OF_TRACED 65536 /* that a heap remembers at most */

/* What differs from run to run becomes a letter: seconds T, threads N, addresses A. Lines about
 * return addresses are left out, and counted. */
static int normalize(char *text)
{
    int stack_lines = 0;
    char *to = text;
    for (char *line = text, *next; *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        if (strncmp(line, "refheap:     at 0x", 18) == 0) {
            stack_lines++;
            continue;
        }
        for (char *at = line; at < next;) {
            size_t digits = strspn(at, "0123456789.");
            size_t hex = strncmp(at, "0x", 2) == 0 ? 2 + strspn(at + 2, "0123456789abcdef") : 0;
            if (hex) {
                *to++ = 'A';
                at += hex;
            } else if (digits && strncmp(at + digits, " s ago", 6) == 0) {
                *to++ = 'T';
                at += digits;
            } else if (digits && to - text >= 7 && strncmp(to - 7, "thread ", 7) == 0) {
                *to++ = 'N';
                at += digits;
            } else {
                *to++ = *at++;
            }
        }
    }
    *to = '\0';
    return stack_lines;
}

static int assert_reports(void (*body)(void), const char *expected)
{
    char text[8192];
    int status = run_child(body, text, sizeof text);
    ck_assert_uint_le(strlen(text), 4096); /* one write that no other can split */
    int stack_lines = normalize(text);
    ck_assert_str_eq(text, expected);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x",
                  (unsigned)status);
    return stack_lines;
}

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

static void *release_it(void *object)
{
    rh_release(object);
    return NULL;
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

/* ---- threads -------------------------------------------------------------------------------- */

static rh_heap *checked;
static node *object;
static node *slot;
static rh_weak *weak;

static void *other_birth(void *unused)
{
    rh_new(checked, &node_type);
    return unused;
}

static void *other_array(void *unused)
{
    rh_new_array(checked, &node_type, 0);
    return unused;
}

static void *other_last_release(void *unused)
{
    rh_release(object);
    return unused;
}

static void *other_candidate(void *unused)
{
    rh_retain(object);
    rh_release(object);
    return unused;
}

static void *other_collect(void *unused)
{
    rh_gc_collect(checked);
    return unused;
}

static void *other_collect_young(void *unused)
{
    rh_gc_collect_young(checked);
    return unused;
}

static void *other_root_add(void *unused)
{
    rh_root_add(checked, &slot, "slot");
    return unused;
}

static void *other_root_remove(void *unused)
{
    rh_root_remove(checked, &slot);
    return unused;
}

static void *other_weak_new(void *unused)
{
    rh_weak_new(object);
    return unused;
}

static void *other_weak_get(void *unused)
{
    rh_weak_get(weak);
    return unused;
}

static void *other_immortal(void *unused)
{
    rh_make_immortal(object);
    return unused;
}

static void *other_destroy(void *unused)
{
    rh_heap_destroy(checked);
    return unused;
}

static void *other_trim(void *unused)
{
    rh_heap_trim(checked);
    return unused;
}

static void *(*in_thread)(void *);

static void run_in_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
        _exit(9);
}

static void use_from_another_thread(void)
{
    setenv("REFHEAP_OPTIONS", "check=on", 1);
    checked = rh_heap_create(NULL);
    object = new_node(checked, &node_type, 1);
    weak = rh_weak_new(object);
    run_in_thread();
}

START_TEST(a_heap_is_checked_for_its_thread)
{
    static const struct {
        void *(*use)(void *);
        const char *what;
    } uses[] = {
        {other_birth, "rh_new of heap 1"},
        {other_array, "rh_new of heap 1"},
        {other_last_release, "release of node#1 (heap 1)"},
#if HAS_COLLECTOR
        {other_candidate, "release of node#1 (heap 1)"},
#endif
        {other_collect, "rh_gc_collect of heap 1"},
        {other_collect_young, "rh_gc_collect_young of heap 1"},
        {other_root_add, "rh_root_add of heap 1"},
        {other_root_remove, "rh_root_remove of heap 1"},
        {other_weak_new, "rh_weak_new of node#1 (heap 1)"},
        {other_weak_get, "rh_weak_get of weak#2 (heap 1)"},
        {other_immortal, "rh_make_immortal of node#1 (heap 1)"},
        {other_destroy, "rh_heap_destroy of heap 1"},
        {other_trim, "rh_heap_trim of heap 1"},
    };
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        char expected[256];
        in_thread = uses[i].use;
        snprintf(expected, sizeof expected,
                 "refheap: %s in thread N, but the heap is attached to thread N (rh_heap_attach "
                 "hands it over)\n",
                 uses[i].what);
        assert_reports(use_from_another_thread, expected);
    }
}
END_TEST

static void name_the_threads(void)
{
    use_from_another_thread();
}

START_TEST(the_threads_are_named_by_their_numbers)
{
    char text[1024];
    in_thread = other_birth;
    run_child(name_the_threads, text, sizeof text);
    unsigned mine = 0, owner = 0;
    ck_assert_int_eq(
        sscanf(text,
               "refheap: rh_new of heap 1 in thread %u, but the heap is attached to thread %u",
               &mine, &owner),
        2);
    ck_assert_uint_ne(mine, owner);
}
END_TEST

static void *everything_after_attach(void *unused)
{
    rh_heap_attach(checked);
    other_root_add(NULL);
    other_root_remove(NULL);
    other_birth(NULL);
    rh_release(rh_weak_get(weak));
    other_candidate(NULL);
    other_collect(NULL);
    rh_release(rh_int_new(checked, 7)); /* of heap 0 */
    rh_release(rh_retain(rh_nil()));
    other_last_release(NULL);
    other_destroy(NULL);
    return unused;
}

static void hand_over(void)
{
    in_thread = everything_after_attach;
    use_from_another_thread();
}

static void *touch_shared(void *unused)
{
    rh_release(rh_retain(rh_int_new(NULL, 5)));
    rh_release(rh_weak_new(rh_nil()));
    rh_weak *nil_weak = rh_weak_new(rh_nil());
    return rh_weak_get(nil_weak) == rh_nil() ? unused : rh_nil();
}

static void share_immortals(void)
{
    in_thread = touch_shared;
    use_from_another_thread();
    touch_shared(NULL);
}

static void fork_keeps_the_heap(void)
{
    checked = rh_heap_create(&(rh_heap_options){.check_threads = true});
    object = new_node(checked, &node_type, 1);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        other_birth(NULL);
        other_last_release(NULL);
        _exit(7);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
        _exit(1);
    other_last_release(NULL);
    rh_heap_destroy(checked);
}

START_TEST(what_is_allowed_passes_the_check)
{
    static void (*const bodies[])(void) = {hand_over, share_immortals, fork_keeps_the_heap};
    for (size_t i = 0; i < 3; i++) {
        char text[1024];
        int status = run_child(bodies[i], text, sizeof text);
        ck_assert_str_eq(text, "");
        ck_assert_int_eq(status, 0);
    }
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

/* ---- quarantine ----------------------------------------------------------------------------- */

#define NODE_SLOT 48u /* bytes of a node's slot */

#ifdef REFHEAP_GC_STRESS /* every birth and every death validates the heap */
enum { SOME = 12, LOTS = 240, SEEDS = 3, STEPS = 300 };
#else
enum { SOME = 100, LOTS = 4000, SEEDS = 6, STEPS = 20000 };
#endif

static rh_heap *quarantined_heap(size_t nodes)
{
    return rh_heap_create(&(rh_heap_options){.quarantine_bytes = nodes * NODE_SLOT});
}

static bool is_tombstone(const node *a, uint64_t serial)
{
    return (a->base.rh_flags & RH_FLAG_FREED) && rh_serial(a) == serial;
}

START_TEST(freed_slots_wait_and_are_given_back_in_order)
{
    enum { WAIT = SOME };
    rh_heap *heap = quarantined_heap(WAIT);
    static node *dead[3 * WAIT];
    uint64_t serial[3 * WAIT];
    for (int i = 0; i < 3 * WAIT; i++) {
        dead[i] = new_node(heap, &node_type, i);
        serial[i] = rh_serial(dead[i]);
        for (int k = i - WAIT < 0 ? 0 : i - WAIT; k < i; k++) {
            MUST(dead[k] != dead[i]);
            MUST(is_tombstone(dead[k], serial[k]));
        }
        rh_release(dead[i]);
        if (i > WAIT) /* the slot that was given back last is taken first: it is the oldest one */
            MUST(dead[i] == dead[i - WAIT - 1]);
        MUST(!rh_is_object(heap, dead[i]));
    }
    assert_valid(heap);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    rh_heap_destroy(heap);
}
END_TEST

#ifndef TEST_ASAN /* which has terabytes of addresses */
static void short_of_memory(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = (rlim_t)48 << 20;
    if (setrlimit(RLIMIT_AS, &limit) != 0)
        _exit(1);
    rh_heap *heap = quarantined_heap((size_t)10 << 20);
    for (int i = 0; i < MANY(2 << 20); i++) { /* twice as much as there is */
        node *a = rh_new(heap, &node_type);
        if (!a)
            _exit(2);
        rh_release(a);
    }
}

START_TEST(it_gives_way_where_memory_is_short)
{
    char text[200];
    ck_assert_int_eq(run_child(short_of_memory, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST
#endif

START_TEST(cascades_and_collections_pass_through_it)
{
    enum { COUNT = SOME / 2 };
    rh_heap *heap = quarantined_heap(2 * COUNT);
    node *members[2 * COUNT];
    for (int i = 0; i < COUNT; i++) { /* a list */
        members[i] = new_node(heap, &node_type, i);
        members[i]->next = i ? members[i - 1] : NULL;
    }
    rh_release(members[COUNT - 1]);
    for (int i = COUNT; i < 2 * COUNT; i++) { /* a ring */
        members[i] = new_node(heap, &node_type, i);
        if (i > COUNT)
            rh_set(&members[i]->next, members[i - 1]);
    }
    if (HAS_COLLECTOR) /* else a second list */
        rh_set(&members[COUNT]->next, members[2 * COUNT - 1]);
    for (int i = COUNT; i < 2 * COUNT; i++)
        rh_release(members[i]);
    ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? COUNT : 0);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    assert_valid(heap);
    for (int i = 0; i < 2 * COUNT; i++) {
        node *fresh = new_node(heap, &node_type, 0);
        for (int k = 0; k < 2 * COUNT; k++)
            MUST(fresh != members[k] && is_tombstone(members[k], (uint64_t)k + 1));
    }
    rh_heap_destroy(heap);
}
END_TEST

/* How many of the freed slots still hold their tombstone after as many births. */
static int still_waiting(rh_heap *heap, node **dead, int count)
{
    int waiting = 0;
    uint64_t serial[LOTS];
    for (int i = 0; i < count; i++)
        serial[i] = rh_serial(dead[i]);
    for (int i = 0; i < 2 * count + 1500; i++) /* and the rest of a slab */
        new_node(heap, &node_type, 0);
    for (int i = 0; i < count; i++)
        waiting += is_tombstone(dead[i], serial[i]);
    return waiting;
}

START_TEST(a_collection_larger_than_the_quarantine_fills_it)
{
    enum { COUNT = LOTS, WAIT = LOTS / 4 };
    for (int with_older = 0; with_older < 2; with_older++) {
        rh_heap *heap = quarantined_heap(WAIT);
        rh_gc_disable(heap);
        static node *older[WAIT], *ring[COUNT];
        for (int i = 0; with_older && i < WAIT; i++)
            older[i] = new_node(heap, &node_type, i);
        for (int i = 0; i < COUNT; i++) {
            ring[i] = new_node(heap, &node_type, i);
            if (HAS_COLLECTOR)
                rh_set(&ring[i]->next, ring[i]);
        }
        for (int i = 0; with_older && i < WAIT; i++)
            rh_release(older[i]);
        for (int i = 0; i < COUNT; i++)
            rh_release(ring[i]);
        ck_assert_uint_eq(rh_gc_collect(heap), HAS_COLLECTOR ? COUNT : 0);
        assert_valid(heap);
        ck_assert_int_eq(still_waiting(heap, ring, COUNT), WAIT);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
}
END_TEST

START_TEST(large_objects_and_tiny_quarantines)
{
    static rh_type large = {.name = "large", .size = 20000};
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.quarantine_bytes = 1 << 20});
    void *first = rh_new(heap, &large);
    rh_release(first);
    void *second = rh_new(heap, &large);
    ck_assert_ptr_eq(first, second); /* not kept back */
    rh_release(second);
    assert_valid(heap);
    rh_heap_destroy(heap);
    static const size_t sizes[] = {1, 31, 32, 47, 48, 60};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        heap = rh_heap_create(&(rh_heap_options){.quarantine_bytes = sizes[i]});
        node *a = new_node(heap, &node_type, 1);
        rh_release(a);
        node *b = new_node(heap, &node_type, 2);
        ck_assert_int_eq(a != b, sizes[i] >= NODE_SLOT);
        rh_release(b);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
}
END_TEST

static uint32_t roll(uint32_t *state, uint32_t sides)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % sides;
}

/* Objects of several sizes, live graph and garbage: the heap stays valid, and nothing is reused
 * early. */
START_TEST(a_heap_with_everything_observed_stays_valid)
{
    static rh_type wide = {.name = "wide", .size = 600, .fields = node_fields};
    static rh_type huge = {.name = "huge", .size = 9000, .fields = node_fields};
    static rh_type *const types[] = {&node_type,   &node_type, &node_type,
                                     &logged_type, &wide,      &huge};
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        uint32_t state = seed;
        rh_heap *heap =
            rh_heap_create(&(rh_heap_options){.quarantine_bytes = (size_t)1 << (9 + 2 * seed),
                                              .history_events = 128,
                                              .stack_frames = 2,
                                              .check_threads = true});
        rh_gc_set_thresholds(heap, (rh_gc_thresholds){50, 25});
        enum { SLOTS = 64 };
        static node *slots[SLOTS];
        memset(slots, 0, sizeof slots);
        for (uint32_t step = 0; step < STEPS; step++) {
            node **at = &slots[roll(&state, SLOTS)], *from = slots[roll(&state, SLOTS)];
            switch (roll(&state, 6)) {
            case 0:
            case 1:
                rh_release(*at);
                *at = new_node(heap, types[roll(&state, 6)], 0);
                break;
            case 2:
                rh_set(at, NULL);
                break;
            case 3:
                if (*at)
                    rh_set(&(*at)->next, from);
                break;
            case 4:
                if (*at)
                    rh_set(&(*at)->other, from);
                break;
            default:
                rh_set(at, from);
            }
            if (roll(&state, 500) == 0)
                rh_gc_collect(heap);
            if (step % 512 == 0)
                assert_valid(heap);
        }
        assert_valid(heap);
        for (int i = 0; i < SLOTS; i++)
            rh_release(slots[i]);
        rh_gc_collect(heap);
        if (HAS_COLLECTOR)
            ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
        assert_valid(heap);
        rh_heap_destroy(heap);
    }
}
END_TEST

static void quarantine_makes_it_certain(void)
{
    setenv("REFHEAP_OPTIONS", "quarantine=64k", 1);
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    release_it(a);
    for (int i = 0; i < 1000; i++) /* they would have been born there */
        rh_release(rh_new(heap, &node_type));
    release_it(a);
}

START_TEST(a_quarantined_object_is_known_long_after_its_end)
{
    assert_reports(quarantine_makes_it_certain,
                   "refheap: release of freed object node#1 (freed by release)\n"
                   "refheap: the history of heap 1 does not reach back to it\n");
}
END_TEST

#ifdef TEST_ASAN
#define WITH_LIMITS
#else
#define WITH_LIMITS it_gives_way_where_memory_is_short,
#endif

RUN_TESTS("runtime_safety", a_report_tells_how_the_object_ended,
          the_last_retains_and_releases_of_a_traced_object_are_told,
          earlier_tenants_are_named_as_suspects, stacks_begin_in_the_program,
          stacks_are_limited_and_go_with_what_the_history_has, a_report_tells_where,
          what_is_no_object_is_called_so, a_heap_is_checked_for_its_thread,
          the_threads_are_named_by_their_numbers, what_is_allowed_passes_the_check,
          wrong_values_are_named, freed_slots_wait_and_are_given_back_in_order,
          WITH_LIMITS cascades_and_collections_pass_through_it,
          a_collection_larger_than_the_quarantine_fills_it, large_objects_and_tiny_quarantines,
          a_heap_with_everything_observed_stays_valid,
          a_quarantined_object_is_known_long_after_its_end)
