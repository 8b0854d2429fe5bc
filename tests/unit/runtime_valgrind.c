/* runtime_valgrind.c - what Valgrind says about objects: each scenario runs this program under
 * valgrind, with the scenario's name. */
#include "runtime_test.h"

#ifdef TEST_ASAN
#error "a program with AddressSanitizer cannot run in Valgrind"
#endif

static volatile int sink;

static __attribute__((noinline)) void release_here(void *object)
{
    rh_release(object);
    __asm__ volatile("");
}

static __attribute__((noinline)) node *birth_here(rh_heap *heap)
{
    node *result = rh_new(heap, &node_type);
    __asm__ volatile("");
    return result;
}

static __attribute__((noinline)) void collect_here(rh_heap *heap)
{
    rh_gc_collect(heap);
    __asm__ volatile("");
}

static void read_freed(void)
{
    node *a = birth_here(rh_heap_create(NULL));
    release_here(a);
    sink = a->value;
}

static void read_collected(void)
{
    rh_heap *heap = rh_heap_create(NULL);
    node *a = birth_here(heap);
    if (HAS_COLLECTOR)
        rh_set(&a->next, a);
    rh_release(a);
    collect_here(heap);
    sink = a->value;
}

static void read_quarantined(void)
{
    rh_heap *heap = rh_heap_create(&(rh_heap_options){.quarantine_bytes = 100000});
    node *a = birth_here(heap);
    release_here(a);
    for (int i = 0; i < 100; i++)
        rh_release(rh_new(heap, &node_type));
    sink = a->value;
}

static void read_behind(void)
{
    static rh_type odd = {.name = "odd", .size = 37};
    char *object = rh_new(rh_heap_create(NULL), &odd);
    sink = object[36];
    sink = object[37];
}

static void read_freed_large(void)
{
    static rh_type large = {.name = "large", .size = 100000};
    char *object = rh_new(rh_heap_create(NULL), &large);
    release_here(object);
    sink = object[5000];
}

/* All kinds of births and deaths, reuse of slots, slabs and large mappings: not one complaint. */
static void use_everything(void)
{
    static rh_type types[] = {{.name = "a", .size = 33},
                              {.name = "b", .size = 640},
                              {.name = "c", .size = 9001},
                              {.name = "d", .size = 47},
                              {.name = "e", .size = 9500}};
    rh_heap *heap =
        rh_heap_create(&(rh_heap_options){.quarantine_bytes = 1000, .history_events = 64});
    rh_object *keep[300];
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 300; i++) {
            rh_type *type = &types[(i / 7 + round) % 5];
            keep[i] = rh_new(heap, type);
            memset(keep[i] + 1, 7, type->size - sizeof *keep[i]);
        }
        for (int i = 0; i < 300; i++)
            rh_release(keep[i]);
    }
    for (int round = 0; round < 4; round++) { /* slabs change their class */
        static rh_object *many[5000];
        int count = round % 2 ? 1000 : 5000;
        for (int i = 0; i < count; i++)
            many[i] = rh_new(heap, round % 2 ? &types[1] : &node_type);
        for (int i = 0; i < count; i++)
            rh_release(many[i]);
    }
    for (int i = 0; i < 5000; i++) {
        node *a = new_node(heap, i % 2 ? &node_type : &logged_type, i),
             *b = new_node(heap, &node_type, i);
        rh_set(&a->next, b);
        rh_set(&b->other, i % 3 ? a : NULL);
        a->weak = rh_weak_new(b);
        rh_release(rh_weak_get(a->weak));
        rh_release(a);
        rh_release(b);
    }
    rh_gc_collect(heap);
    char report[1000];
    if (rh_heap_check(heap, report, sizeof report))
        _exit(97);
    rh_release(rh_string_new(heap, "abc"));
    rh_heap_trim(heap);
    rh_heap_destroy(heap);
}

static const struct {
    const char *name;
    void (*run)(void);
    const char *says[5];
} scenarios[] = {
    {"read_freed",
     read_freed,
     {"Invalid read of size 4", "is 40 bytes inside a block of size 48 free'd", "release_here",
      "Block was alloc'd at", "birth_here"}},
    {"read_collected",
     read_collected,
#if HAS_COLLECTOR
     {"is 40 bytes inside a block of size 48 free'd", "rh__collect", "collect_here", "birth_here"}},
#else
     {"is 40 bytes inside a block of size 48 free'd", "birth_here"}},
#endif
    {"read_quarantined",
     read_quarantined,
     {"is 40 bytes inside a block of size 48 free'd", "release_here", "birth_here"}},
    {"read_behind", read_behind, {"Invalid read of size 1", "read_behind"}},
    {"read_freed_large",
     read_freed_large,
     {"is 5,000 bytes inside a block of size 100,000 free'd", "release_here"}},
    {"use_everything", use_everything, {"ERROR SUMMARY: 0 errors"}},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

START_TEST(valgrind_knows_objects_as_blocks)
{
    static char text[64 * 1024], command[4096], self[2048];
    ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof self - 1), 0);
    for (int i = 0; i < SCENARIOS; i++) {
        snprintf(command, sizeof command, "'%s' --error-exitcode=7 '%s' %s 2>&1", TEST_VALGRIND,
                 self, scenarios[i].name);
        FILE *output = popen(command, "r");
        ck_assert_ptr_nonnull(output);
        size_t length = fread(text, 1, sizeof text - 1, output);
        text[length] = '\0';
        int status = pclose(output);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == (i == SCENARIOS - 1 ? 0 : 7),
                      "%s: status %#x:\n%s", scenarios[i].name, (unsigned)status, text);
        for (int k = 0; k < 5 && scenarios[i].says[k]; k++)
            ck_assert_msg(strstr(text, scenarios[i].says[k]) != NULL, "%s: no '%s' in:\n%s",
                          scenarios[i].name, scenarios[i].says[k], text);
        if (i < SCENARIOS - 1)
            ck_assert_msg(strstr(text, "ERROR SUMMARY: 1 errors") != NULL, "%s", text);
    }
}
END_TEST

static int run_all(void)
{
    const TTest *const tests[] = {valgrind_knows_objects_as_blocks};
    return unit_run("runtime_valgrind", NULL, NULL, tests, 1);
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
