/* unit_main.h - main of a libcheck program that needs no engine around its tests: one suite, and
 * success only if every test that was named ran. */
#ifndef UNIT_MAIN_H
#define UNIT_MAIN_H

#include <check.h>
#include <stdlib.h>

/* `setup` and `teardown` may be NULL; they run around each test, in its process. Each runs `times`
 * times, with its number in _i. */
static inline int unit_run_each(const char *name, void (*setup)(void), void (*teardown)(void),
                                const TTest *const *tests, size_t count, int times)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 600);
    if (setup)
        tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < count; i++)
        tcase_add_loop_test(tcase, tests[i], 0, times);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int ran = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 && ran == (int)count * times ? EXIT_SUCCESS : EXIT_FAILURE;
}

static inline int unit_run(const char *name, void (*setup)(void), void (*teardown)(void),
                           const TTest *const *tests, size_t count)
{
    return unit_run_each(name, setup, teardown, tests, count, 1);
}

/* The same of tests that run once for each of some versions, say. */
#define UNIT_MAIN_EACH(name, times, ...)                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run_each(name, NULL, NULL, tests, sizeof tests / sizeof *tests, times);        \
    }

#define UNIT_MAIN(name, setup, teardown, ...)                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run(name, setup, teardown, tests, sizeof tests / sizeof *tests);               \
    }

#endif
