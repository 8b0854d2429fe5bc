/* hostile_cores.c - writes the cores of hostile.h into a folder, for tests/doors/check_costs.py,
 * and says what each is incomplete for: a line of name, tab, reason. */
#include "hostile.h"

#include <check.h>
#include <stdio.h>

static const char *folder;

START_TEST(all_cores)
{
    (void)_i;
    for (unsigned i = 0; i < hostile_core_count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", folder, hostile_cores[i].name);
        hostile_cores[i].write(path);
        printf("%s\t%s\n", hostile_cores[i].name,
               hostile_cores[i].said ? hostile_cores[i].said : "");
    }
}
END_TEST

/* As a test, since what makes the heaps checks itself as tests do. */
int main(int count, char **words)
{
    Suite *suite = suite_create("hostile_cores");
    TCase *tcase = tcase_create("hostile_cores");
    folder = count == 2 ? words[1] : "";
    tcase_add_test(tcase, all_cores);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
