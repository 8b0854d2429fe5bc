/* runtime_owner.c - tests of the check that one thread alone uses a heap: what it finds, and what
 * passes it. */
#include "runtime_reports.h"
#include "runtime_test.h"

#include <pthread.h>

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

RUN_TESTS("runtime_owner", a_heap_is_checked_for_its_thread, the_threads_are_named_by_their_numbers,
          what_is_allowed_passes_the_check)
