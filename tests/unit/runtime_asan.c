/* runtime_asan.c - what AddressSanitizer and LeakSanitizer say about objects and heaps. Built
 * where the whole tree has AddressSanitizer. Each scenario runs in a program of its own: this
 * one, with the scenario's name. */
#include "runtime_test.h"

#ifndef TEST_ASAN
#error "compile with -fsanitize=address"
#endif

/* What a scenario wrote, and how it ended. */
static int run_scenario(const char *name, char *text, size_t size)
{
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execl("/proc/self/exe", "unit_runtime_asan", name, (char *)NULL);
        _exit(99);
    }
    close(ends[1]);
    size_t length = 0;
    char rest[4096];
    for (;;) { /* read on where there is no room, so that the child can end */
        bool has_room = length + 1 < size;
        ssize_t got = read(ends[0], has_room ? text + length : rest,
                           has_room ? size - 1 - length : sizeof rest);
        if (got <= 0)
            break;
        length += has_room ? (size_t)got : 0;
    }
    text[length] = '\0';
    close(ends[0]);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static char text[64 * 1024];

static void assert_says(const char *what)
{
    ck_assert_msg(strstr(text, what) != NULL, "no '%s' in:\n%s", what, text);
}

/* ---- poison --------------------------------------------------------------------------------- */

static volatile int sink;

static rh_heap *heap_with(size_t quarantine)
{
    return rh_heap_create(&(rh_heap_options){.quarantine_bytes = quarantine});
}

static void read_freed(void)
{
    node *a = new_node(heap_with(0), &node_type, 1);
    rh_release(a);
    sink = a->value;
}

static void read_quarantined(void)
{
    rh_heap *heap = heap_with(100000);
    node *a = new_node(heap, &node_type, 1);
    rh_release(a);
    for (int i = 0; i < 1000; i++)
        rh_release(rh_new(heap, &node_type));
    sink = a->value;
}

static void read_collected(void)
{
    rh_heap *heap = heap_with(0);
    node *a = new_node(heap, &node_type, 1);
    if (HAS_COLLECTOR)
        rh_set(&a->next, a);
    rh_release(a);
    rh_gc_collect(heap);
    sink = a->value;
}

static rh_type large_type = {.name = "large", .size = 100001};

static void read_freed_large(void)
{
    char *object = rh_new(heap_with(0), &large_type);
    rh_release(object);
    sink = object[5000];
}

static void read_behind(void)
{
    static rh_type odd = {.name = "odd", .size = 37};
    char *object = rh_new(heap_with(0), &odd);
    sink = object[36];
    sink = object[37];
}

static void read_behind_large(void)
{
    char *object = rh_new(heap_with(0), &large_type);
    sink = object[100000];
    sink = object[100001];
}

static void read_behind_large_again(void)
{
    rh_heap *heap = heap_with(0);
    char *first = rh_new(heap, &large_type);
    rh_release(first);
    static rh_type less = {.name = "less", .size = 99001};
    char *second = rh_new(heap, &less);
    if (first == second)
        sink = second[99001];
}

static void read_never_used(void)
{
    node *a = new_node(heap_with(0), &node_type, 1);
    sink = a[1000].value;
}

static void use_everything(void)
{
    rh_heap *heap = heap_with(1000);
    for (int round = 0; round < 5; round++) {
        rh_object *keep[300];
        for (int i = 0; i < 300; i++) {
            static rh_type types[] = {{.name = "a", .size = 33},
                                      {.name = "b", .size = 640},
                                      {.name = "c", .size = 9001},
                                      {.name = "d", .size = 47}};
            rh_type *type = &types[(i / 7 + round) % 4];
            keep[i] = rh_new(heap, type);
            memset(keep[i] + 1, 7, type->size - sizeof *keep[i]);
        }
        for (int i = 0; i < 300; i++)
            rh_release(keep[i]);
    }
    rh_heap_trim(heap);
    rh_heap_destroy(heap);
}

/* ---- leaks ---------------------------------------------------------------------------------- */

static rh_heap *global_heap;

/* What a returned function left on the stack or in registers is no reference of anybody. */
static __attribute__((noinline)) void wipe_stack(void)
{
    volatile char bytes[8192];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = 0;
}

typedef struct owner {
    rh_object base;
    char *memory;
    size_t length;
} owner;
static const rh_field owner_fields[] = {RH_BYTES_VECTOR(owner, memory, length), RH_FIELDS_END};
static rh_type owner_type = {.name = "owner", .size = sizeof(owner), .fields = owner_fields};

static __attribute__((noinline)) void fill(rh_heap *heap)
{
    owner *o = rh_new(heap, &owner_type);
    o->memory = malloc(1234); /* nobody else knows it */
    o->length = 1234;
    for (int i = 0; i < 100; i++)
        new_node(heap, &node_type, i);
    rh_weak_new(o);
    rh_root_add(heap, &global_heap, "a root");
}

static __attribute__((noinline)) void lose_heap(bool is_empty)
{
    rh_heap *heap =
        rh_heap_create(&(rh_heap_options){.history_events = 64, .quarantine_bytes = 4096});
    if (!is_empty)
        fill(heap);
}

static void lost(void)
{
    lose_heap(false);
    wipe_stack();
}

static void lost_empty(void)
{
    lose_heap(true);
    wipe_stack();
}

static void lost_beside_others(void)
{
    global_heap = rh_heap_create(NULL);
    rh_int_new(global_heap, 1); /* heap 0 */
    fill(global_heap);
    lose_heap(false);
    rh_heap_destroy(rh_heap_create(NULL));
    wipe_stack();
}

static void kept(void)
{
    global_heap = rh_heap_create(NULL);
    fill(global_heap);
    rh_int_new(global_heap, 1);
    wipe_stack();
}

static void destroyed(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.history_events = 64});
    for (int i = 0; i < 1000; i++)
        new_node(heap, &node_type, i);
    rh_heap_destroy(heap);
    rh_nil();
}

static void destroy_global(void)
{
    rh_heap_destroy(global_heap);
    rh_heap *late = rh_heap_create(NULL);
    new_node(late, &node_type, 1);
    rh_heap_destroy(late);
}

/* Exit handlers of the program run behind the runtime's own if they were registered before it. */
static void destroyed_at_exit(void)
{
    atexit(destroy_global);
    global_heap = rh_heap_create(&(rh_heap_options){.history_events = 64});
    lose_heap(true);
    for (int i = 0; i < 100; i++)
        new_node(global_heap, &node_type, i);
    rh_nil();
    wipe_stack();
}

static __attribute__((noinline)) void lose_memory(rh_heap *heap)
{
    owner *o = rh_new(heap, &owner_type);
    o->memory = malloc(4321);
    rh_release(o); /* no dispose: the memory is lost */
}

static void lost_memory_of_dead(void)
{
    global_heap = rh_heap_create(NULL);
    lose_memory(global_heap);
    wipe_stack();
}

/* ---- tests ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
    const char *says; /* NULL: nothing */
} scenarios[] = {
    {"read_freed", read_freed, "use-after-poison"},
    {"read_quarantined", read_quarantined, "use-after-poison"},
    {"read_collected", read_collected, "use-after-poison"},
    {"read_freed_large", read_freed_large, "use-after-poison"},
    {"read_behind", read_behind, "use-after-poison"},
    {"read_behind_large", read_behind_large, "use-after-poison"},
    {"read_behind_large_again", read_behind_large_again, "use-after-poison"},
    {"read_never_used", read_never_used, "use-after-poison"},
    {"use_everything", use_everything, NULL},
    {"lost", lost, "Direct leak"},
    {"lost_empty", lost_empty, "Direct leak"},
    {"lost_beside_others", lost_beside_others, "Direct leak"},
    {"kept", kept, NULL},
    {"destroyed", destroyed, NULL},
    {"destroyed_at_exit", destroyed_at_exit, "Direct leak"},
    {"lost_memory_of_dead", lost_memory_of_dead, "Direct leak of 4321 byte(s)"},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

START_TEST(wrong_reads_and_leaks_are_reported_and_nothing_else)
{
    for (int i = 0; i < SCENARIOS; i++) {
        int status = run_scenario(scenarios[i].name, text, sizeof text);
        if (scenarios[i].says) {
            ck_assert_int_ne(status, 0);
            assert_says(scenarios[i].says);
        } else {
            ck_assert_str_eq(text, "");
            ck_assert_int_eq(status, 0);
        }
    }
}
END_TEST

static int count_of(const char *what)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        count++;
    return count;
}

START_TEST(a_lost_heap_is_one_direct_leak_that_tells_who_made_it)
{
    static const char *const names[] = {"lost", "lost_empty", "lost_beside_others",
                                        "destroyed_at_exit"};
    for (int i = 0; i < 4; i++) {
        run_scenario(names[i], text, sizeof text);
        assert_says("LeakSanitizer");
        assert_says("in rh_heap_create");
        assert_says("in lose_heap");
        ck_assert_int_eq(count_of("Direct leak"), 1);
        ck_assert_int_eq(count_of("Indirect leak"), 0);
    }
}
END_TEST

static int run_all(void)
{
    const TTest *const tests[] = {wrong_reads_and_leaks_are_reported_and_nothing_else,
                                  a_lost_heap_is_one_direct_leak_that_tells_who_made_it};
    return unit_run("runtime_asan", NULL, NULL, tests, 2);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return run_all();
    for (int i = 0; i < SCENARIOS; i++)
        if (strcmp(argv[1], scenarios[i].name) == 0) {
            scenarios[i].run();
            return 0;
        }
    return 98;
}
