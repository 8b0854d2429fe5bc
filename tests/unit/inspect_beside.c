/* inspect_beside.c - jobs beside the thread that hands them over: all are done, in order, each
 * place in one pair of hands at a time; questions are answered by who began. Once more under
 * ThreadSanitizer. */
#include "base/beside.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLACES = 3, ITEMS = 64, JOBS = 3000 };

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

typedef struct bench {
    rhi_beside beside;
    pthread_t beginner;
    unsigned items[PLACES][ITEMS];
    unsigned jobs, asked, answered, every; /* every: so many jobs, one asks; 0: none */
    bool was_elsewhere, hears_signals;
} bench;

static void answer(void *context)
{
    bench *b = context;
    MUST(pthread_equal(pthread_self(), b->beginner));
    b->answered = b->asked;
}

static void job(void *context, unsigned place)
{
    bench *b = context;
    sigset_t blocked;
    for (unsigned i = 0; i < ITEMS; i++)
        MUST(b->items[place][i] == b->jobs * ITEMS + i);
    memset(b->items[place], 0, sizeof b->items[place]);
    if (b->every && b->jobs % b->every == 0) {
        b->asked = b->jobs + 1;
        rhi__beside_ask(&b->beside, answer);
        MUST(b->answered == b->jobs + 1);
    }
    b->jobs++;
    if (!pthread_equal(pthread_self(), b->beginner)) {
        b->was_elsewhere = true;
        pthread_sigmask(SIG_SETMASK, NULL, &blocked);
        b->hears_signals |= !sigismember(&blocked, SIGINT) || !sigismember(&blocked, SIGCHLD);
    }
}

/* Returns whether there was a second thread. */
static bool run(unsigned places, unsigned jobs, unsigned every)
{
    bench *b = calloc(1, sizeof *b);
    MUST(b);
    b->every = every;
    b->beginner = pthread_self();
    b->beside = (rhi_beside){.job = job, .context = b, .places = places};
    rhi__beside_begin(&b->beside);
    bool has_thread = b->beside.has_thread;
    unsigned place = 0;
    for (unsigned k = 0; k < jobs; k++) {
        for (unsigned i = 0; i < ITEMS; i++)
            b->items[place][i] = k * ITEMS + i;
        rhi__beside_hand(&b->beside);
        place = rhi__beside_place(&b->beside);
        MUST(place == (k + 1) % places);
    }
    rhi__beside_end(&b->beside);
    MUST(b->jobs == jobs);
    MUST(b->was_elsewhere == (has_thread && jobs));
    MUST(!b->hears_signals);
    free(b);
    return has_thread;
}

int main(void)
{
    sigset_t blocked;
    bool has_thread = run(PLACES, JOBS, 0);
    run(PLACES, JOBS, 7); /* also by the last job, when nobody hands over any more */
    run(PLACES, JOBS, 1);
    run(2, JOBS, 3);
    run(PLACES, 1, 1);
    run(PLACES, 0, 0);
    MUST(!run(1, JOBS, 2));
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    MUST(!sigismember(&blocked, SIGINT));
    printf("%s\n", has_thread ? "beside" : "one after the other: there is one core");
    return 0;
}
