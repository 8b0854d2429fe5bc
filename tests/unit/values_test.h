/* values_test.h - what the tests of the values share: one heap, checked after every operation,
 * and memory that runs out. Invariant: no failure that a test asked of malloc outlives it. */
#ifndef REFHEAP_TESTS_VALUES_TEST_H
#define REFHEAP_TESTS_VALUES_TEST_H

#include "unit_main.h"
#include "values_failing_malloc.h"

#include <check.h>
#include <pthread.h>
#include <refheap/refheap.h>

#define UNUSED __attribute__((unused))

/* Stress builds collect and validate at every allocation: O(n^2), so they run the same tests
 * smaller. */
#ifdef REFHEAP_GC_STRESS
#define MANY(n) ((n) / 1000 + 20)
#else
#define MANY(n) (n)
#endif

/* Without a collector (REFHEAP_COLLECTOR=OFF) cycles stay until their heap goes. */
#ifdef REFHEAP_NO_COLLECTOR
#define HAS_COLLECTOR 0
#else
#define HAS_COLLECTOR 1
#endif

/* For loops: libcheck's own assertions write to a file even when they hold. */
#define MUST(fact)                                                                                 \
    do {                                                                                           \
        if (!(fact))                                                                               \
            ck_abort_msg("%s, line %d", #fact, __LINE__);                                          \
    } while (0)

static rh_heap *heap;

static void setup(void)
{
    heap = rh_heap_create(NULL);
    ck_assert_ptr_nonnull(heap);
    /* the shared values exist before anything is counted or fails */
    ck_assert_ptr_nonnull(rh_nil());
}

static void teardown(void)
{
    failing_malloc_after(-1);
    rh_heap_destroy(heap);
}

UNUSED static void assert_heap(void)
{
    char report[4096];
    ck_assert_msg(rh_heap_check(heap, report, sizeof report) == 0, "%s", report);
}

UNUSED static size_t objects_alive(void)
{
    return rh_gc_get_counts(heap).objects;
}

UNUSED static void assert_objects(size_t expected)
{
    ck_assert_uint_eq(objects_alive(), expected);
    assert_heap();
}

/* All that is left are cycles that nobody holds. */
UNUSED static void assert_garbage_only(void)
{
    rh_gc_collect(heap);
    ck_assert(!HAS_COLLECTOR || objects_alive() == 0);
    assert_heap();
}

/* rh_equal(string, text), without an object for the text. */
UNUSED static bool is_text(const rh_string *string, const char *text)
{
    return string && strcmp(rh_string_text(string), text) == 0 &&
           rh_string_length(string) == strlen(text);
}

UNUSED static void release_all(void **objects, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rh_release(objects[i]);
}

/* A list of ints, small ones to write them down here. */
UNUSED static rh_list *new_ints(const int *values, size_t count)
{
    rh_list *list = rh_list_new(heap);
    for (size_t i = 0; i < count; i++) {
        rh_int *value = rh_int_new(heap, values[i]);
        MUST(rh_list_append(list, value));
        rh_release(value);
    }
    return list;
}
#define INTS(...)                                                                                  \
    new_ints((const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

/* Lists in each other, depth of them, around the object, whose reference goes into the innermost.
 */
UNUSED static void *new_nest(void *innermost, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        rh_list *list = rh_list_new(heap);
        MUST(rh_list_append(list, innermost));
        rh_release(innermost);
        innermost = list;
    }
    return innermost;
}

/* ---- a small stack -------------------------------------------------------------------------- */

static void (*thread_body)(void);

UNUSED static void *run_thread_body(void *unused)
{
    rh_heap_attach(heap);
    thread_body();
    return unused;
}

/* Runs body on a thread whose stack is 64 KiB: what recurses over a deep value does not come back.
 */
UNUSED static void on_small_stack(void (*body)(void))
{
    pthread_attr_t attributes;
    pthread_t thread;
    ck_assert_int_eq(pthread_attr_init(&attributes), 0);
    ck_assert_int_eq(pthread_attr_setstacksize(&attributes, 64 << 10), 0);
    thread_body = body;
    ck_assert_int_eq(pthread_create(&thread, &attributes, run_thread_body, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    rh_heap_attach(heap);
}

/* ---- a heap without memory ------------------------------------------------------------------ */

static void (*without_memory)(void);

UNUSED static void finalize_without_memory(void *object)
{
    (void)object;
    without_memory();
}

/* Runs body while every rh_new fails, and destroys the heap: in the finalizers of a heap that is
 * being destroyed there is no memory to be had. */
UNUSED static void destroy_heap_running(void (*body)(void))
{
    static rh_type type = {
        .name = "last", .size = sizeof(rh_object), .finalize = finalize_without_memory};
    without_memory = body;
    ck_assert_ptr_nonnull(rh_new(heap, &type));
    rh_heap_destroy(heap);
    heap = NULL;
}

/* ---- main ----------------------------------------------------------------------------------- */

#define RUN_TESTS(name, ...) UNIT_MAIN(name, setup, teardown, __VA_ARGS__)

#endif
