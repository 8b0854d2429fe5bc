/* unit_main.h - main of a libcheck program of the runtime's and the values' tests: one suite, and
 * success only if every test that was named ran. */
#ifndef UNIT_MAIN_H
#define UNIT_MAIN_H

#include <check.h>
#include <stdlib.h>

/* `setup` and `teardown` may be NULL; they run around each test, in its process. */
static inline int unit_run(const char *name, void (*setup)(void), void (*teardown)(void),
                           const TTest *const *tests, size_t count)
{
    Suite *suite = suite_create(name);
    TCase *tcase = tcase_create(name);
    tcase_set_timeout(tcase, 600);
    if (setup)
        tcase_add_checked_fixture(tcase, setup, teardown);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int ran = srunner_ntests_run(runner), failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 && ran == (int)count ? EXIT_SUCCESS : EXIT_FAILURE;
}

#define UNIT_MAIN(name, setup, teardown, ...)                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__};                                                \
        return unit_run(name, setup, teardown, tests, sizeof tests / sizeof *tests);               \
    }

#endif
