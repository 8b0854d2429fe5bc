/* values_stepping.c - lists and dictionaries are true at every instruction.
 *
 * A child runs the operations; its parent single-steps it and, like a debugger, reads the
 * container after each instruction: every declared slot must be NULL or a known object, and no
 * object may be found in more slots than it has counts. Invariant: what is read lies at the same
 * address in both processes, because the child is a fork of the parent. */
#define _GNU_SOURCE
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <refheap/refheap.h>

enum { OBJECTS = 6, SLOTS_MAX = 256, STEPS_MIN = 2000 };

static rh_heap *heap;
static rh_list *lists[2];
static rh_dict *dicts[2];
static rh_object *objects[OBJECTS];
static bool is_child; /* its malloc is below */

/* ---- the parent: a reader of the stopped child ---------------------------------------------- */

/* For what holds millions of times: libcheck's own assertions write to a file even then. */
#define must_hold(fact, ...)                                                                       \
    do {                                                                                           \
        if (!(fact))                                                                               \
            ck_abort_msg(__VA_ARGS__);                                                             \
    } while (0)

static void read_child(pid_t child, const void *address, void *buffer, size_t size)
{
    struct iovec to = {buffer, size}, from = {(void *)(uintptr_t)address, size};
    must_hold(process_vm_readv(child, &to, 1, &from, 1, 0) == (ssize_t)size, "cannot read %p",
              address);
}

static void count_slot(const rh_object *object, size_t *found)
{
    int i = 0;
    while (object && i < OBJECTS && objects[i] != object)
        i++;
    must_hold(i < OBJECTS, "a slot holds %p, which is no object", (const void *)object);
    if (object)
        found[i]++;
}

static void check_counts(pid_t child, const size_t *found)
{
    rh_object headers[OBJECTS];
    struct iovec to = {headers, sizeof headers}, from[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        from[i] = (struct iovec){objects[i], sizeof *objects[i]};
    must_hold(process_vm_readv(child, &to, 1, from, OBJECTS, 0) == (ssize_t)sizeof headers,
              "no headers");
    for (int i = 0; i < OBJECTS; i++) {
        size_t stored = (headers[i].rh_count >> 1) + 1;
        must_hold(stored < 1000, "object %d has count word %x", i, headers[i].rh_count);
        size_t others = stored - 1; /* one count is this test's */
        must_hold(found[i] <= others, "object %d: %zu slots, %zu counts", i, found[i], others);
    }
}

static void count_list(pid_t child, const rh_list *list, size_t *found)
{
    rh_list copy;
    rh_object *items[SLOTS_MAX];
    read_child(child, list, &copy, sizeof copy);
    must_hold(copy.length <= SLOTS_MAX, "length %zu", copy.length);
    if (copy.length)
        read_child(child, copy.items, items, copy.length * sizeof *items);
    for (size_t i = 0; i < copy.length; i++)
        count_slot(items[i], found);
}

static void count_dict(pid_t child, const rh_dict *dict, size_t *found)
{
    rh_dict copy;
    rh_dict_entry entries[SLOTS_MAX];
    read_child(child, dict, &copy, sizeof copy);
    must_hold(copy.entry_count <= SLOTS_MAX, "%zu entries", copy.entry_count);
    if (copy.entry_count)
        read_child(child, copy.entries, entries, copy.entry_count * sizeof *entries);
    for (size_t i = 0; i < copy.entry_count; i++) {
        count_slot(entries[i].key, found);
        count_slot(entries[i].value, found);
    }
}

/* All containers together: what one gains and another loses must never be seen in both for one
 * count. */
static void check_containers(pid_t child)
{
    size_t found[OBJECTS] = {0};
    for (int i = 0; i < 2; i++) {
        count_list(child, lists[i], found);
        count_dict(child, dicts[i], found);
    }
    check_counts(child, found);
}

/* Runs `operations` in a child and checks the containers after each of its instructions. */
static void step_through(void (*operations)(void))
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        is_child = true;
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        operations();
        _exit(42);
    }
    int status;
    size_t steps = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_EXITKILL);
    for (; WIFSTOPPED(status); steps++) {
        must_hold(steps == 0 || WSTOPSIG(status) == SIGTRAP, "signal %d", WSTOPSIG(status));
        check_containers(child);
        must_hold(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0, "cannot step");
        must_hold(waitpid(child, &status, 0) == child, "the child is gone");
    }
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 42);
    ck_assert_uint_ge(steps, STEPS_MIN);
}

/* ---- the child's malloc --------------------------------------------------------------------- */
/* Linked with -Wl,--wrap. Few instructions, and what was freed or lies behind a vector is
 * garbage: a vector that is used after its end, in time or in space, shows, whatever the system's
 * malloc would leave there. */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);

#define GARBAGE ((size_t)0xa5a5a5a5a5a5a5a5)
static size_t arena_used; /* in words */
static size_t arena[16384];

void *__wrap_malloc(size_t size)
{
    if (!is_child)
        return __real_malloc(size);
    size_t words = (size + sizeof *arena - 1) / sizeof *arena;
    size_t *memory = &arena[arena_used];
    if (arena_used + 2 + words > sizeof arena / sizeof *arena)
        return NULL;
    memory[0] = words;
    memory[1 + words] = GARBAGE;
    arena_used += 2 + words;
    return memory + 1;
}

void *__wrap_calloc(size_t count, size_t size)
{
    /* the arena is zero */
    return is_child ? __wrap_malloc(count * size) : __real_calloc(count, size);
}

void __wrap_free(void *memory)
{
    size_t *words = memory;
    if (!is_child)
        __real_free(memory);
    else if (memory && words > arena && words < arena + arena_used)
        memset(memory, GARBAGE & 0xff, words[-1] * sizeof *words);
}

/* ---- the child: what is stepped through ----------------------------------------------------- */

static void must(bool is_done)
{
    if (!is_done)
        _exit(1);
}

static void change_list(void)
{
    rh_list *list = lists[0];
    for (size_t i = 0; i < 18; i++) /* grows three times */
        must(rh_list_insert(list, i % 3 ? i / 2 : i, objects[i % OBJECTS]));
    must(rh_list_set(list, 3, objects[0]));
    must(rh_list_remove(list, 0));
    must(rh_list_remove(list, 7));
    while (rh_list_length(list) > 1) { /* shrinks */
        rh_release(rh_list_pop(list));
        must(rh_list_remove(list, 0));
    }
}

/* Takes items out of the list that is being sorted, and puts others in. */
static rh_order disturb(const void *a, const void *b, void *context)
{
    int *calls = context;
    if (++*calls == 3)
        rh_list_clear(lists[0]);
    else if (*calls == 5)
        must(rh_list_append(lists[0], objects[0]));
    return rh_compare(a, b);
}

static void rearrange_list(void)
{
    rh_list *list = lists[0];
    for (size_t i = 0; i < 5; i++)
        must(rh_list_append(list, objects[(i * 2) % OBJECTS]));
    must(rh_list_extend(list, list));
    rh_list_reverse(list);
    must(rh_list_sort(list, NULL, NULL));
    must(rh_list_append(lists[1], objects[1]) && rh_list_extend(lists[1], list));
    rh_list_clear(lists[1]);
    int calls = 0;
    rh_list_reverse(list);
    must(rh_list_sort(list, disturb, &calls) && calls > 5 && rh_list_length(list) == 10);
    rh_list_clear(list);
}

static void change_dict(void)
{
    rh_dict *dict = dicts[0];
    for (size_t round = 0; round < 4; round++) {
        for (size_t i = 0; i < OBJECTS; i++)
            must(rh_dict_set(dict, objects[i], objects[(i + round) % OBJECTS]));
        for (size_t i = round; i < OBJECTS; i++)
            must(rh_dict_delete(dict, objects[i]));
    }
    /* A queue of one: a large vector full of deleted entries is rebuilt as a small one. */
    for (size_t i = 0; i < 20; i++) {
        must(rh_dict_set(dict, objects[(i + 3) % OBJECTS], objects[0]));
        must(rh_dict_delete(dict, objects[(i + 3) % OBJECTS]));
    }
}

static void combine_dicts(void)
{
    for (size_t i = 0; i < OBJECTS; i++)
        must(rh_dict_set(dicts[i % 2], objects[i], objects[OBJECTS - 1 - i]));
    must(rh_dict_set(dicts[1], objects[0], objects[1])); /* replaces one of the other's */
    must(rh_dict_update(dicts[0], dicts[1]) && rh_dict_length(dicts[0]) == OBJECTS);
    rh_dict_clear(dicts[0]);
    rh_dict_clear(dicts[1]);
}

START_TEST(a_list_is_true_at_every_instruction)
{
    step_through(change_list);
}
END_TEST

START_TEST(a_list_that_is_rearranged_is_true_at_every_instruction)
{
    step_through(rearrange_list);
}
END_TEST

START_TEST(a_dict_is_true_at_every_instruction)
{
    step_through(change_dict);
}
END_TEST

START_TEST(dicts_that_are_combined_are_true_at_every_instruction)
{
    step_through(combine_dicts);
}
END_TEST

static void setup(void)
{
    heap = rh_heap_create(NULL);
    for (int i = 0; i < 2; i++) {
        lists[i] = rh_list_new(heap);
        dicts[i] = rh_dict_new(heap);
    }
    for (int i = 0; i < OBJECTS; i++)
        objects[i] = (rh_object *)rh_int_new(heap, 1000 + i);
    ck_assert(rh_is_dict(dicts[1]) && rh_is_list(lists[1]) && objects[OBJECTS - 1]);
}

static void teardown(void)
{
    rh_heap_destroy(heap);
}

int main(void)
{
    Suite *suite = suite_create("values_stepping");
    TCase *tests = tcase_create("values_stepping");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_list_is_true_at_every_instruction);
    tcase_add_test(tests, a_list_that_is_rearranged_is_true_at_every_instruction);
    tcase_add_test(tests, a_dict_is_true_at_every_instruction);
    tcase_add_test(tests, dicts_that_are_combined_are_true_at_every_instruction);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
