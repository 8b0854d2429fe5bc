/* runtime_sealed.c - a program that shut itself in after its heap was made: what records an event
 * opens no file and asks for no memory.
 *
 * Invariant: each test runs in a child that the kernel kills at the first such request. */
#include "runtime_ring.h"
#include "runtime_test.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* From here on the calling thread may not ask for files, memory or facts. */
static void seal(void)
{
#define KILL_AT(number)                                                                            \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),                                             \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        KILL_AT(SYS_openat),
#ifndef REFHEAP_GC_STRESS /* which validates the heap, and that needs memory */
        KILL_AT(SYS_mmap),
#endif
        KILL_AT(SYS_brk),
        KILL_AT(SYS_prlimit64),
        KILL_AT(SYS_sched_getaffinity),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof rules / sizeof *rules, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(77);
}

static rh_heap *heap_with_stacks(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.stack_frames = 8});
    if (!heap)
        _exit(76);
    return heap;
}

static void release_with_stacks(void)
{
    node *a = new_node(heap_with_stacks(), &node_type, 1);
    seal();
    rh_release(a);
}

/* Events enough for many blocks of the ring. */
static void retain_traced(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    if (!rh_trace(a))
        _exit(75);
    seal();
    for (int i = 0; i < 1000; i++) {
        rh_retain(a);
        rh_release(a);
    }
    rh_release(a);
}

/* A debugger traces it later on, and says that the program has shut itself in. */
static void retain_marked(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = new_node(heap, &node_type, 1);
    rh_release(new_node(heap, &node_type, 2)); /* the thread's number is known */
    *(uint32_t *)((char *)heap + constant("heap.trace_quietly")) = 1;
    a->base.rh_count += (uint32_t)constant("count.traced");
    a->base.rh_flags |= (uint16_t)(constant("object.traced") | RH_FLAG_GAP);
    seal();
    for (int i = 0; i < 10000; i++) { /* more than there is room for */
        rh_retain(a);
        rh_release(a);
    }
    uint64_t at = (uint64_t)(uintptr_t)heap, ring = load(at + constant("heap.trace"), 8);
    if (!ring || load(at + constant("heap.trace_lost"), 8) ||
        load(ring + constant("ring.capacity"), 8) < 10000)
        _exit(72);
    rh_release(a);
    rh_heap_destroy(heap);
}

/* The heap's first memory is another type's. */
static void release_of_traced_type(void)
{
    setenv("REFHEAP_OPTIONS", "trace=node", 1);
    rh_heap *heap = rh_heap_create(NULL);
    new_node(heap, &logged_type, 1);
    seal();
    node *a = new_node(heap, &node_type, 1);
    rh_retain(a);
    rh_release(a);
    rh_release(a);
}

/* Fewer than a chunk has room for. Most of them die: a history that can grow does. */
static void births(const rh_heap_options *options)
{
    enum { COUNT = 3000 };
    static node *made[COUNT];
    rh_heap *heap = rh_heap_create(options);
    new_node(heap, &node_type, 1);
    uint64_t capacity = ring_capacity(heap);
    seal();
    for (int i = 0; i < COUNT; i++)
        made[i] = new_node(heap, &node_type, i);
    for (int i = 0; i < COUNT; i++)
        rh_release(made[i]);
    bool grows = !options || options->history_events == RH_HISTORY_ALL;
    if (grows && ring_capacity(heap) < 4 * capacity)
        _exit(73);
}

static void births_by_default(void)
{
    births(NULL);
}

static void births_of_all(void)
{
    births(&(rh_heap_options){.history_events = RH_HISTORY_ALL});
}

static void births_with_memory(void)
{
    births(&(rh_heap_options){.history_events = 1000});
}

#ifndef REFHEAP_GC_STRESS /* each birth validates the heap */
/* Several chunks of small objects, once before the program shut itself in, and once more. */
static void births_as_before(void)
{
    enum { COUNT = 300000 };
    static node *made[COUNT];
    rh_heap *heap = rh_heap_create(NULL);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < COUNT; i++)
            made[i] = new_node(heap, &node_type, i);
        for (int i = 0; i < COUNT; i++)
            rh_release(made[i]);
        if (turn == 0)
            seal();
    }
}
#endif

static void births_without_history(void)
{
    births(&(rh_heap_options){.history_events = RH_HISTORY_OFF});
}

static void *release_in_thread(void *object)
{
    rh_heap_attach(*(rh_heap **)object);
    seal();
    rh_release(((void **)object)[1]);
    return NULL;
}

static void release_elsewhere(void)
{
    void *both[2] = {heap_with_stacks(), NULL};
    pthread_t thread;
    both[1] = new_node(both[0], &node_type, 1);
    if (pthread_create(&thread, NULL, release_in_thread, both) != 0)
        _exit(74);
    pthread_join(thread, NULL);
}

static void survives(void (*body)(void))
{
    char text[1024];
    ck_assert_int_eq(run_child(body, text, sizeof text), 0);
    ck_assert_str_eq(text, "");
}

START_TEST(a_death_with_its_stack_asks_for_nothing)
{
    survives(release_with_stacks);
}
END_TEST

START_TEST(nor_in_a_thread_that_took_the_heap_over)
{
    survives(release_elsewhere);
}
END_TEST

START_TEST(counts_of_a_traced_object_ask_for_nothing)
{
    survives(retain_traced);
}
END_TEST

START_TEST(nor_do_those_of_one_that_was_marked_from_outside)
{
    survives(retain_marked);
}
END_TEST

START_TEST(nor_objects_of_a_traced_type)
{
    survives(release_of_traced_type);
}
END_TEST

START_TEST(births_ask_for_nothing_while_there_is_memory_for_objects)
{
    survives(births_by_default);
    survives(births_of_all);
    survives(births_with_memory);
    survives(births_without_history);
}
END_TEST

START_TEST(nor_do_as_many_as_died_before)
{
#ifndef REFHEAP_GC_STRESS
    survives(births_as_before);
#endif
}
END_TEST

RUN_TESTS("runtime_sealed", births_ask_for_nothing_while_there_is_memory_for_objects,
          nor_do_as_many_as_died_before, a_death_with_its_stack_asks_for_nothing,
          nor_in_a_thread_that_took_the_heap_over, counts_of_a_traced_object_ask_for_nothing,
          nor_do_those_of_one_that_was_marked_from_outside, nor_objects_of_a_traced_type)
