/* runtime_shared.c - many threads ask for weak references to the shared immortal objects at once,
 * while the table of these references grows under them; and a fork falls into the making of the
 * shared objects.
 *
 * Heap 0 is made once per process, so each round is a child. Whoever leaves a lock waits behind
 * it for a while (the linker wraps pthread_mutex_lock and _unlock): what is done with a lock's
 * data after it was given up then meets what the others did meanwhile. A program of its own (no
 * libcheck), so that it can be built with ThreadSanitizer, too. Exit status 0 and silence: all
 * went well. */
#include <refheap/refheap.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 8, CHILDREN = 40, TARGETS = RH_INT_SHARED_MAX - RH_INT_SHARED_MIN + 1 };

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "runtime_shared.c:%d: %s\n", __LINE__, #condition);                    \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static volatile int wait_below; /* so many locks held */
static pthread_barrier_t begin;
static rh_weak *found[THREADS][TARGETS];

static _Thread_local int depth;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
    depth++;
    return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    int result = __real_pthread_mutex_unlock(mutex);
    if (--depth < wait_below)
        usleep(100);
    return result;
}

static void ask_for(rh_weak **mine, int k)
{
    rh_int *target = rh_int_new(NULL, k + RH_INT_SHARED_MIN);
    rh_weak *weak = rh_weak_new(target);
    MUST(weak && rh_weak_get(weak) == target);
    MUST(!mine[k] || mine[k] == weak);
    mine[k] = weak;
}

/* Half of the threads make the table grow; the others hold what they found in it meanwhile. */
static void *ask_for_all(void *argument)
{
    rh_weak **mine = argument;
    bool is_first = (mine - found[0]) / TARGETS % 2 == 0;
    pthread_barrier_wait(&begin);
    for (int k = 0; k < TARGETS; k++)
        ask_for(mine, is_first ? k : k % 4);
    for (int k = 0; k < TARGETS; k++)
        ask_for(mine, k);
    return NULL;
}

static void in_many_threads(void)
{
    pthread_t threads[THREADS];
    MUST(rh_nil());
    MUST(pthread_barrier_init(&begin, NULL, THREADS) == 0);
    wait_below = 1; /* to wait while a lock is held would only hold the others up */
    for (int i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], NULL, ask_for_all, found[i]) == 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 1; i < THREADS; i++) /* one for each target, whoever asks */
        for (int k = 0; k < TARGETS; k++)
            MUST(found[i][k] == found[0][k]);
}

static void *make_shared(void *argument)
{
    rh_nil();
    return argument;
}

/* While another thread makes the shared objects. */
static void across_a_fork(void)
{
    pthread_t thread;
    rh_heap_destroy(rh_heap_create(NULL)); /* installs the fork handlers */
    wait_below = 2;                        /* under the lock of the shared values, too */
    MUST(pthread_create(&thread, NULL, make_shared, NULL) == 0);
    usleep(2000);
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        alarm(60); /* a lock that stayed taken ends the child by a signal */
        /* ThreadSanitizer would look for the threads of the parent */
        syscall(SYS_exit_group, rh_nil() ? 0 : 1);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child);
    MUST(status == 0);
    pthread_join(thread, NULL);
}

static void run_in_child(void (*body)(void))
{
    pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child);
    MUST(status == 0);
}

int main(void)
{
    for (int i = 0; i < CHILDREN; i++)
        run_in_child(in_many_threads);
    for (int i = 0; i < 5; i++)
        run_in_child(across_a_fork);
    return 0;
}
