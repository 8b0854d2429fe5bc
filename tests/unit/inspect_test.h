/* inspect_test.h - what the engine's tests share: a small heap that most of them start from, and
 * main. Included by one .c file per program, so everything is static. */
#ifndef REFHEAP_TESTS_INSPECT_TEST_H
#define REFHEAP_TESTS_INSPECT_TEST_H

#include "fake_heap.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* For loops: libcheck's own asserts write a record each time they pass. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            ck_abort_msg("%s", #condition);                                                        \
    } while (0)

/* Bodies: `next` and `other` are strong, `weak` weak, `back` borrowed, `value` a 32-bit integer. */
enum {
    NEXT = 0,
    OTHER = 8,
    WEAK = 16,
    BACK = 24,
    VALUE = 32,
    NODE_BODY = 48,
    /* of which 8 bytes are undeclared: */ BLIND = 40
};

static const fake_field node_fields[] = {
    FAKE_STRONG("next", NEXT), FAKE_STRONG("other", OTHER), FAKE_ONE("weak", RH_KIND_WEAK, WEAK, 8),
    FAKE_ONE("back", RH_KIND_BORROWED, BACK, 8), FAKE_ONE("value", RH_KIND_INT, VALUE, 4)};

typedef struct world {
    fake_target *t;
    fake_space *space;
    fake_heap *heap;
    uint32_t node; /* the type */
} world;

/* One heap, number 1, its descriptor in anonymous memory. omit: as in fake_space_new. */
static inline world world_without(int layout, const char *omit)
{
    world w = {.t = fake_target_new()};
    w.space = fake_space_new(w.t, 0x500000000040, layout, omit);
    w.node = fake_type(w.space, "node", NODE_BODY, node_fields, 5);
    w.heap = fake_heap_new(w.space, 1, "main");
    return w;
}

static inline world world_new(int layout)
{
    return world_without(layout, NULL);
}

static inline void world_free(world *w)
{
    fake_heap_free(w->heap);
    fake_space_free(w->space);
    fake_target_free(w->t);
}

static inline uint64_t new_node(const world *w, unsigned count)
{
    return fake_new(w->heap, w->node, count, 0);
}

/* The name of an object, "node#3"; up to eight at a time. */
static inline const char *id_of(const world *w, uint64_t object)
{
    static char ids[8][40];
    static unsigned next;
    char *id = ids[next++ % 8];
    snprintf(id, sizeof ids[0], "node#%" PRIu64, fake_serial(w->heap, object));
    return id;
}

static inline const char *text_of(uint64_t address)
{
    static char texts[8][24];
    static unsigned next;
    char *text = texts[next++ % 8];
    snprintf(text, sizeof texts[0], "0x%" PRIx64, address);
    return text;
}

static inline json_t *ask(const world *w, const char *command, const char *options,
                          uint64_t address)
{
    char line[256];
    snprintf(line, sizeof line, "%s 0x%" PRIx64, options, address);
    return fake_json(w->t, command, line);
}

#define ck_assert_has(text, part)                                                                  \
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in: %.2000s", part, text)
#define ck_assert_has_not(text, part)                                                              \
    ck_assert_msg(strstr(text, part) == NULL, "'%s' is in: %.2000s", part, text)

/* The file's main: all its tests, in the order written, each once in both layouts (_i). */
#define RUN_TESTS(name, ...)                                                                       \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        Suite *suite = suite_create(name);                                                         \
        TCase *tcase = tcase_create(name);                                                         \
        tcase_set_timeout(tcase, 120); /* seconds of the clock: the machine may be busy */         \
        for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)                                  \
            tcase_add_loop_test(tcase, tests[i], 0, 2);                                            \
        suite_add_tcase(suite, tcase);                                                             \
        SRunner *runner = srunner_create(suite);                                                   \
        srunner_run_all(runner, CK_ENV);                                                           \
        int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);              \
        srunner_free(runner);                                                                      \
        return failed || run == 0;                                                                 \
    }

#endif
