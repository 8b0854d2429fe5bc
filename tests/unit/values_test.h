/* values_test.h - the fixture of the tests of containers: one heap, checked after every operation.
 * Invariant: no failure that a test asked of malloc outlives it. */
#ifndef REFHEAP_TESTS_VALUES_TEST_H
#define REFHEAP_TESTS_VALUES_TEST_H

#include "values_failing_malloc.h"

#include <check.h>
#include <refheap/refheap.h>

static rh_heap *heap;

static void setup(void)
{
    heap = rh_heap_create(NULL);
    ck_assert_ptr_nonnull(heap);
}

static void teardown(void)
{
    failing_malloc_after(-1);
    rh_heap_destroy(heap);
}

static void assert_heap(void)
{
    char report[4096];
    ck_assert_msg(rh_heap_check(heap, report, sizeof report) == 0, "%s", report);
}

#endif
