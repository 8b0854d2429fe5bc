/* runtime_trim.c - tests of rh_heap_trim: what it gives back, and what it must not touch.
 *
 * munmap is counted (-Wl,--wrap=munmap). */
#include "runtime_test.h"

#include <sys/mman.h>

enum { CHUNK = 4 << 20 };

static rh_heap *heap;

static void setup_heap(void)
{
    heap = rh_heap_create(NULL);
    rh_gc_disable(heap);
    death_count = 0;
}

int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);
static size_t unmapped_bytes;

int __wrap_munmap(void *address, size_t bytes)
{
    /* rh_heap_check, which a stress build calls everywhere, has mappings of its own */
    if (bytes == CHUNK)
        unmapped_bytes += bytes;
    return __real_munmap(address, bytes);
}

START_TEST(trim_gives_back_what_it_says)
{
    /* A chunk of 4 MiB has 62 slabs of 8 objects of this size; the heap keeps 32 chunks. */
    typedef struct big {
        rh_object base;
        char bytes[8192 - sizeof(rh_object)];
    } big;
    enum { PER_CHUNK = 496, CHUNKS = MANY(100000) == 100000 ? 40 : 2 };
    static rh_type type = {.name = "big", .size = sizeof(big)};
    static void *objects[CHUNKS * PER_CHUNK];
    setup_heap();
    node *stays = new_node(heap, &node_type, 1);
    for (int i = 0; i < CHUNKS * PER_CHUNK; i++)
        MUST((objects[i] = rh_new(heap, &type)) != NULL);
    unmapped_bytes = 0;
    for (int i = 0; i < CHUNKS * PER_CHUNK; i++)
        rh_release(objects[i]);
    size_t by_release = unmapped_bytes;
#ifndef REFHEAP_GC_STRESS
    ck_assert_uint_ge(by_release, (CHUNKS - 33) * (size_t)CHUNK);
    ck_assert_uint_le(by_release, (CHUNKS - 31) * (size_t)CHUNK);
#else
    ck_assert_uint_eq(by_release, 0);
#endif
    size_t trimmed = rh_heap_trim(heap);
    ck_assert_uint_eq(unmapped_bytes, by_release + trimmed);
    ck_assert_uint_ge(unmapped_bytes, (CHUNKS - 2) * (size_t)CHUNK);
    assert_valid(heap);
    for (int i = 0; i < CHUNKS * PER_CHUNK; i++)
        MUST(!rh_is_object(heap, objects[i]));
    ck_assert_uint_eq(rh_heap_trim(heap), 0);
    ck_assert(rh_is_object(heap, stays));
    objects[0] = rh_new(heap, &type);
    ck_assert(rh_is_object(heap, objects[0]));
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

static void trim_within(void *object)
{
    (void)object;
    rh_heap_trim(heap);
    death_count++;
}

START_TEST(trim_inside_finalizers_takes_nothing_that_is_in_use)
{
    enum { COUNT = MANY(300000) };
    static rh_type type = {
        .name = "trimmer", .size = sizeof(node), .fields = node_fields, .finalize = trim_within};
    setup_heap();
    node *list = NULL, *first = NULL;
    for (int i = 0; i < COUNT; i++) {
        node *a = new_node(heap, i % (COUNT / 10) == 0 ? &type : &node_type, i);
        a->next = list;
        list = a;
        if (!first)
            first = a;
    }
    rh_release(list); /* by release */
    ck_assert_int_ge(death_count, 10);
    ck_assert_uint_eq(rh_gc_get_counts(heap).objects, 0);
    assert_valid(heap);
    death_count = 0;
    list = new_node(heap, &type, 0);
    first = list;
    for (int i = 1; i < COUNT; i++) {
        node *a = new_node(heap, i % (COUNT / 10) == 0 ? &type : &node_type, i);
        a->next = list;
        list = a;
    }
    rh_set(&first->next, list); /* by collection */
    rh_release(list);
    assert_collects(heap, COUNT);
    ck_assert_int_ge(death_count, HAS_COLLECTOR ? 10 : 0);
    assert_valid(heap);
    rh_heap_destroy(heap);
}
END_TEST

RUN_TESTS("runtime_trim", trim_gives_back_what_it_says,
          trim_inside_finalizers_takes_nothing_that_is_in_use)
