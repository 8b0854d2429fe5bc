/* inspect_ways.c - the direct way to a process or a core, and when it must be given up for the
 * door's reads.
 *
 * The door's memory is the test's own; the direct way leads to a child process that has the same
 * bytes at the same addresses, or to a core made of them. Then one side is changed. Invariant:
 * the only object's count is `DOOR_COUNT` in the door's memory and `DIRECT_COUNT` in the other,
 * and nothing that is compared depends on it: the answer tells which way was taken. */
#define _GNU_SOURCE
#include "inspect_test.h"
#include "fake_core.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIRECT_COUNT = 3, DOOR_COUNT = 5 };
static const uint64_t stack = 0x500100000000, stack_pointer = 0x500100000800,
                      second_pointer = 0x500100001000;

typedef struct two_ways {
    world w;
    uint64_t object;
    pid_t child;
    char core[64];
} two_ways;

static two_ways ways_new(int layout)
{
    two_ways s = {.w = world_new(layout)};
    fake_map(s.w.t, stack, 0x2000, RHI_REGION_READ | RHI_REGION_WRITE, "");
    s.object = new_node(&s.w, DIRECT_COUNT);
    return s;
}

/* Waits to be killed. A sanitizer's shadow, terabytes that the engine would search, is given
 * back: from then on nothing instrumented may run. */
__attribute__((no_sanitize("address", "undefined"))) static void wait_without_shadow(int ready)
{
    unsigned long long starts[16], ends[16];
    unsigned count = 0;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && count < 16 && fgets(line, sizeof line, maps))
        if (sscanf(line, "%llx-%llx", &starts[count], &ends[count]) == 2 &&
            ends[count] - starts[count] > 1ull << 36)
            count++;
    for (unsigned i = 0; i < count; i++)
        syscall(SYS_munmap, starts[i], ends[i] - starts[i]);
    syscall(SYS_write, ready, "", 1);
    for (;;)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
}

/* Starts a process that has the door's memory as it is now, or nothing of it. */
static void start_child(two_ways *s, bool has_memory)
{
    const fake_target *t = s->w.t;
    int ready[2];
    char byte = 0;
    ck_assert_int_eq(pipe(ready), 0);
    s->child = fork();
    ck_assert_int_ge(s->child, 0);
    if (s->child == 0) {
        for (unsigned i = 0; i < t->segment_count && has_memory; i++) {
            const fake_segment *each = &t->segments[i];
            uint64_t start = each->start & ~4095ull, end = (each->end + 4095) & ~4095ull;
            void *at = mmap((void *)(uintptr_t)start, end - start, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
            if (at != (void *)(uintptr_t)start)
                _exit(1);
            memcpy((void *)(uintptr_t)each->start, each->bytes, each->end - each->start);
        }
        wait_without_shadow(ready[1]);
    }
    close(ready[1]);
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    s->w.t->target.pid = s->child;
}

static void write_core(two_ways *s)
{
    size_t size;
    snprintf(s->core, sizeof s->core, "/tmp/refheap-test-XXXXXX");
    close(mkstemp(s->core));
    uint8_t *bytes = fake_core_bytes(s->w.t, &size);
    fake_core_write(s->core, bytes, size);
    free(bytes);
    s->w.t->target.core_path = s->core;
}

static void ways_free(two_ways *s)
{
    if (s->child) {
        kill(s->child, SIGKILL);
        waitpid(s->child, NULL, 0);
    }
    if (s->core[0])
        unlink(s->core);
    world_free(&s->w);
}

/* The count that the engine sees: whose memory it reads. */
static long long seen_count(two_ways *s)
{
    fake_count(s->w.heap, s->object, DOOR_COUNT);
    s->w.t->state++;
    json_t *json = fake_json(s->w.t, "objat", "#1");
    long long count = fake_integer(json, "object.refcount");
    ck_assert(json_is_true(fake_at(json, "complete")));
    json_decref(json);
    return count;
}

static void change(two_ways *s, uint64_t address)
{
    fake_put(s->w.t, address, fake_get(s->w.t, address, 1) ^ 1, 1);
}

START_TEST(a_process_that_shows_the_same_is_read_directly)
{
    two_ways s = ways_new(_i);
    fake_thread(s.w.t, 321, stack_pointer);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, pid), 0, 8); /* not known: no reason against it */
    start_child(&s, true);
    ck_assert_int_eq(seen_count(&s), DIRECT_COUNT);
    ways_free(&s);
}
END_TEST

START_TEST(a_process_with_another_descriptor_is_not_read)
{
    two_ways s = ways_new(_i);
    fake_thread(s.w.t, 321, stack_pointer);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, pid), 0, 8);
    start_child(&s, true);
    change(&s, FAKE_DESCRIPTOR(s.w.space, nonce));
    ck_assert_int_eq(seen_count(&s), DOOR_COUNT);
    ways_free(&s);
}
END_TEST

START_TEST(a_process_of_another_pid_than_the_descriptor_says_is_not_read)
{
    /* As a fork of the debugged process, or a process elsewhere whose number is also one of ours.
     */
    two_ways s = ways_new(_i);
    fake_thread(s.w.t, 321, stack_pointer);
    fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, pid), (uint64_t)getpid(), 8);
    start_child(&s, true);
    ck_assert_int_eq(seen_count(&s), DOOR_COUNT);
    ways_free(&s);
}
END_TEST

START_TEST(a_process_with_another_stack_is_not_read)
{
    for (unsigned differs = 0; differs < 2; differs++) {
        two_ways s = ways_new(_i);
        fake_thread(s.w.t, 321, stack_pointer);
        fake_thread(s.w.t, 322, second_pointer);
        fake_put(s.w.t, FAKE_DESCRIPTOR(s.w.space, pid), 0, 8);
        start_child(&s, true);
        change(&s, (differs ? second_pointer : stack_pointer) + 63);
        ck_assert_int_eq(seen_count(&s), DOOR_COUNT);
        ways_free(&s);
    }
}
END_TEST

START_TEST(a_process_without_this_heap_is_not_read)
{
    /* It has neither the descriptor nor, at that address, the stack. */
    for (unsigned threads = 0; threads < 2; threads++) {
        two_ways s = ways_new(_i);
        if (threads)
            fake_thread(s.w.t, 321, stack_pointer);
        start_child(&s, false);
        ck_assert_int_eq(seen_count(&s), DOOR_COUNT);
        ways_free(&s);
    }
}
END_TEST

START_TEST(a_process_that_is_gone_is_not_read)
{
    two_ways s = ways_new(_i);
    fake_thread(s.w.t, 321, stack_pointer);
    start_child(&s, true);
    kill(s.child, SIGKILL);
    waitpid(s.child, NULL, 0);
    s.child = 0;
    ck_assert_int_eq(seen_count(&s), DOOR_COUNT);
    ways_free(&s);
}
END_TEST

START_TEST(a_core_that_shows_the_same_is_read_directly)
{
    two_ways s = ways_new(_i);
    fake_thread(s.w.t, 321, stack_pointer);
    write_core(&s);
    ck_assert_int_eq(seen_count(&s), DIRECT_COUNT);
    ways_free(&s);
}
END_TEST

START_TEST(a_core_that_was_replaced_is_not_read)
{
    enum { OTHER_RUN, OTHER_STACK, OTHER_PROGRAM, NO_CORE, WAYS };
    for (unsigned other = 0; other < WAYS; other++) {
        two_ways s = ways_new(_i);
        fake_thread(s.w.t, 321, stack_pointer);
        write_core(&s);
        if (other == OTHER_RUN)
            change(&s, FAKE_DESCRIPTOR(s.w.space, nonce));
        else if (other == OTHER_STACK)
            change(&s, stack_pointer);
        else if (other == OTHER_PROGRAM) {
            fake_target *empty = fake_target_new();
            size_t size;
            fake_map(empty, 0x700000000000, 0x1000, RHI_REGION_READ | RHI_REGION_WRITE, "");
            fake_thread(empty, 321, 0x700000000800);
            uint8_t *bytes = fake_core_bytes(empty, &size);
            fake_core_write(s.core, bytes, size);
            free(bytes);
            fake_target_free(empty);
        } else {
            fake_core_write(s.core, (const uint8_t *)"no core", 7);
        }
        if (seen_count(&s) != DOOR_COUNT)
            ck_abort_msg("case %u: the other file was read", other);
        ways_free(&s);
    }
}
END_TEST

RUN_TESTS("inspect_ways", a_process_that_shows_the_same_is_read_directly,
          a_process_with_another_descriptor_is_not_read,
          a_process_of_another_pid_than_the_descriptor_says_is_not_read,
          a_process_with_another_stack_is_not_read, a_process_without_this_heap_is_not_read,
          a_process_that_is_gone_is_not_read, a_core_that_shows_the_same_is_read_directly,
          a_core_that_was_replaced_is_not_read)
