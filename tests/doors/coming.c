/* coming.c - processes that are hard to stop: coming churn|leaderless|vfork. Says where its
 * counters lie, then goes on for ever.
 *
 * churn: eight threads start another one each, wait for it and start the next; all of them count.
 * leaderless: the first thread has ended, another one counts. vfork: the first thread waits in
 * vfork for its child, which sleeps. Invariant: a thread that runs counts; a counter that stays
 * the same belongs to nobody who runs. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <refheap/refheap.h>

enum { STARTERS = 8, SHORT_LIVES = 200, PATIENCE_SECONDS = 120 };

static volatile uint64_t counters[2 * STARTERS];

static void *live_short(void *counter)
{
    for (int i = 0; i < SHORT_LIVES; i++)
        ++*(volatile uint64_t *)counter;
    return NULL;
}

static void *start_others(void *counter)
{
    volatile uint64_t *own = counter;
    while (own) {
        pthread_t other;
        if (pthread_create(&other, NULL, live_short, (void *)(own + 1)) == 0)
            pthread_join(other, NULL);
        ++*own;
    }
    return NULL;
}

static void say_where(void)
{
    printf("{\"checkpoint\": 1, \"counters\": %lu, \"count\": %d}\n",
           (unsigned long)(uintptr_t)counters, 2 * STARTERS);
    fflush(stdout);
}

int main(int count, char **arguments)
{
    pthread_t thread;
    const char *how = count > 1 ? arguments[1] : "";
    int starters = strcmp(how, "churn") == 0 ? STARTERS : strcmp(how, "leaderless") == 0;
    rh_heap *heap = rh_heap_create(NULL);
    prctl(PR_SET_PDEATHSIG, 9); /* whatever becomes of the test, it does not go on for ever */
    alarm(PATIENCE_SECONDS);
    if (!heap)
        return 1;
    for (int i = 0; i < starters; i++)
        if (pthread_create(&thread, NULL, start_others, (void *)&counters[2 * i]) != 0)
            return 1;
    if (strcmp(how, "vfork") == 0) {
        say_where();
        if (vfork() == 0) {
            prctl(PR_SET_PDEATHSIG, 9);
            for (;;)
                pause();
        }
    }
    say_where();
    if (strcmp(how, "leaderless") == 0)
        pthread_exit(NULL);
    for (;;)
        pause();
}
