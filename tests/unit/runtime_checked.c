/* runtime_checked.c - a program compiled with REFHEAP_CHECKED: each inlined retain and release
 * looks whether it is given an object, and whether the thread may use it. */
#ifndef REFHEAP_CHECKED
#error "compile with -DREFHEAP_CHECKED"
#endif
#include "runtime_test.h"

#include <pthread.h>

/* Addresses become A and threads N. */
static void normalize(char *text)
{
    char *to = text;
    for (char *at = text; *at;) {
        size_t skipped = strncmp(at, "0x", 2) == 0 ? 2 + strspn(at + 2, "0123456789abcdef") : 0;
        size_t digits = strspn(at, "0123456789");
        if (skipped) {
            *to++ = 'A';
        } else if (digits && to - text >= 7 && strncmp(to - 7, "thread ", 7) == 0) {
            *to++ = 'N';
            skipped = digits;
        } else {
            *to++ = *at;
            skipped = 1;
        }
        at += skipped;
    }
    *to = '\0';
}

static void assert_reports(void (*body)(void), const char *expected)
{
    char text[4096];
    int status = run_child(body, text, sizeof text);
    normalize(text);
    ck_assert_str_eq(text, expected);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x",
                  (unsigned)status);
}

/* ---- addresses ------------------------------------------------------------------------------ */

/* The compiler would see what is wrong with these addresses. */
static void *hidden(void *address)
{
    __asm__("" : "+r"(address));
    return address;
}

static void release_null_page(void)
{
    rh_release(hidden((void *)(uintptr_t)8)); /* NULL plus the offset of a member */
}

static void retain_stack(void)
{
    node on_stack = {.value = 1};
    rh_retain(hidden(&on_stack));
}

static void retain_malloc(void)
{
    rh_retain(hidden(malloc(sizeof(node))));
}

static void release_inside(void)
{
    node *a = new_node(rh_heap_create(NULL), &node_type, 1);
    rh_release(hidden(&a->next));
}

static void release_unaligned(void)
{
    node *a = new_node(rh_heap_create(NULL), &node_type, 1);
    rh_release(hidden((char *)a + 1));
}

static void retain_of_destroyed_heap(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_retain(a); /* the chunk was seen */
    rh_heap_destroy(heap);
    rh_retain(a);
}

static void retain_never_used(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_retain(hidden(a + 100 * 48 / sizeof(node)));
}

static void set_in_never_used_chunk_part(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1), *slot = a;
    rh_retain(a);
    rh_set(&slot, (char *)a + (2 << 20));
}

static void retain_heap(void)
{
    rh_retain(rh_heap_create(NULL));
}

static void release_inside_large(void)
{
    static rh_type large = {.name = "large", .size = 9 << 20};
    char *object = rh_new(rh_heap_create(NULL), &large);
    rh_release(hidden(object + (64 << 10)));
}

START_TEST(what_is_no_object_is_reported_before_it_is_touched)
{
    assert_reports(release_null_page,
                   "refheap: release of A, which is no object: it lies in no heap\n");
    assert_reports(retain_stack, "refheap: retain of A, which is no object: it lies in no heap\n");
    assert_reports(retain_malloc, "refheap: retain of A, which is no object: it lies in no heap\n");
    assert_reports(release_inside,
                   "refheap: release of A, which is no object: it lies 16 bytes inside node#1\n");
    assert_reports(release_unaligned,
                   "refheap: release of A, which is no object: it lies 1 bytes inside node#1\n");
    assert_reports(retain_of_destroyed_heap,
                   "refheap: retain of A, which is no object: it lies in no heap\n");
    assert_reports(
        retain_never_used,
        "refheap: retain of A, which is no object: it lies in no slot that was ever used\n");
    assert_reports(
        set_in_never_used_chunk_part,
        "refheap: retain of A, which is no object: it lies in no slot that was ever used\n");
    assert_reports(retain_heap, "refheap: retain of A, which is no object: it lies in no heap\n");
    assert_reports(
        release_inside_large,
        "refheap: release of A, which is no object: it lies in no slot that was ever used\n");
}
END_TEST

/* ---- threads -------------------------------------------------------------------------------- */

static rh_heap *heap;
static node *object;
static void *(*in_thread)(void *);

static void *other_retain(void *unused)
{
    rh_retain(object);
    return unused;
}

static void *other_release(void *unused)
{
    rh_release(object);
    return unused;
}

static void *other_set(void *unused)
{
    node *slot = object;
    rh_set(&slot, NULL);
    return unused;
}

static void run_in_thread(void)
{
    pthread_t thread;
    heap = rh_heap_create(NULL);
    object = new_node(heap, &node_type, 1);
    for (int i = 0; i < 10; i++)
        /* far from the last release, and a candidate: only the inlined check sees it */
        rh_retain(object);
    rh_release(object);
    if (pthread_create(&thread, NULL, in_thread, NULL) != 0 || pthread_join(thread, NULL) != 0)
        _exit(9);
}

START_TEST(every_retain_and_release_is_checked_for_its_thread)
{
    in_thread = other_retain;
    assert_reports(
        run_in_thread,
        "refheap: retain of node#1 (heap 1) in thread N, but the heap is attached to thread N "
        "(rh_heap_attach hands it over)\n");
    in_thread = other_release;
    assert_reports(
        run_in_thread,
        "refheap: release of node#1 (heap 1) in thread N, but the heap is attached to thread N "
        "(rh_heap_attach hands it over)\n");
    in_thread = other_set;
    assert_reports(
        run_in_thread,
        "refheap: release of node#1 (heap 1) in thread N, but the heap is attached to thread N "
        "(rh_heap_attach hands it over)\n");
}
END_TEST

static void *use_properly(void *unused)
{
    rh_release(rh_retain(rh_nil()));
    rh_heap_attach(heap);
    other_retain(NULL);
    other_release(NULL);
    return unused;
}

START_TEST(right_use_passes)
{
    char text[1024];
    in_thread = use_properly;
    int status = run_child(run_in_thread, text, sizeof text);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(status, 0);
    static rh_type large = {.name = "large", .size = 100000, .fields = node_fields};
    for (int round = 0; round < 3; round++) {
        rh_heap *heaps[100]; /* more chunks than are remembered at once */
        node *objects[100];
        for (int i = 0; i < 100; i++) {
            heaps[i] = rh_heap_create(NULL);
            objects[i] = new_node(heaps[i], i % 2 ? &node_type : &large, i);
        }
        for (int i = 0; i < 1000; i++)
            rh_retain(objects[i % 100]);
        for (int i = 0; i < 1000; i++)
            rh_release(objects[i % 100]);
        for (int i = 0; i < 100; i++)
            rh_heap_destroy(heaps[i]);
    }
    rh_heap *own = rh_heap_create(NULL);
    rh_list *list = rh_list_new(own);
    MUST(list && rh_list_append(list, rh_nil()));
    rh_release(list);
    rh_heap_destroy(own);
}
END_TEST

static void release_freed(void)
{
    node *a = new_node(rh_heap_create(&(rh_heap_options){.history_events = RH_HISTORY_OFF}),
                       &node_type, 1);
    rh_release(a);
    rh_release(a);
}

START_TEST(freed_objects_are_reported_as_ever)
{
    assert_reports(release_freed, "refheap: release of freed object node#1 (freed by release)\n");
}
END_TEST

RUN_TESTS("runtime_checked", what_is_no_object_is_reported_before_it_is_touched,
          every_retain_and_release_is_checked_for_its_thread, right_use_passes,
          freed_objects_are_reported_as_ever)
