/* beside.c - a thread that does one kind of job (see beside.h). */
#include "base/beside.h"

#include <sched.h>
#include <signal.h>

static void *work_through(void *context)
{
    rhi_beside *b = context;
    pthread_mutex_lock(&b->lock);
    while (true) {
        while (b->done == b->handed && !b->is_over)
            pthread_cond_wait(&b->changed, &b->lock);
        if (b->done == b->handed)
            break;
        unsigned place = (unsigned)(b->done % b->places);
        pthread_mutex_unlock(&b->lock);
        b->job(b->context, place);
        pthread_mutex_lock(&b->lock);
        b->done++;
        pthread_cond_signal(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static bool has_second_core(void)
{
    cpu_set_t cores;
    return sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) > 1;
}

void rhi__beside_begin(rhi_beside *beside)
{
    sigset_t all, before;
    beside->has_thread = false;
    beside->handed = beside->done = 0;
    beside->is_over = false;
    beside->question = NULL;
    if (beside->places < 2 || !has_second_core())
        return;
    pthread_mutex_init(&beside->lock, NULL);
    pthread_cond_init(&beside->changed, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    beside->has_thread = pthread_create(&beside->thread, NULL, work_through, beside) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!beside->has_thread) {
        pthread_cond_destroy(&beside->changed);
        pthread_mutex_destroy(&beside->lock);
    }
}

/* Answers what the job asks, until no more jobs than so many are left. With the lock. */
static void wait_for(rhi_beside *b, uint64_t left)
{
    while (b->question || b->handed - b->done > left) {
        if (b->question) {
            b->question(b->context); /* the job waits for it: it needs no place */
            b->question = NULL;
            pthread_cond_signal(&b->changed);
        } else {
            pthread_cond_wait(&b->changed, &b->lock);
        }
    }
}

unsigned rhi__beside_place(rhi_beside *beside)
{
    if (beside->has_thread) {
        pthread_mutex_lock(&beside->lock);
        wait_for(beside, beside->places - 1);
        pthread_mutex_unlock(&beside->lock);
    }
    return (unsigned)(beside->handed % beside->places);
}

void rhi__beside_hand(rhi_beside *beside)
{
    if (!beside->has_thread) {
        beside->job(beside->context, (unsigned)(beside->handed++ % beside->places));
        return;
    }
    pthread_mutex_lock(&beside->lock);
    beside->handed++;
    pthread_cond_signal(&beside->changed);
    pthread_mutex_unlock(&beside->lock);
}

void rhi__beside_ask(rhi_beside *beside, void (*question)(void *context))
{
    if (!beside->has_thread) {
        question(beside->context);
        return;
    }
    pthread_mutex_lock(&beside->lock);
    beside->question = question;
    pthread_cond_signal(&beside->changed);
    while (beside->question)
        pthread_cond_wait(&beside->changed, &beside->lock);
    pthread_mutex_unlock(&beside->lock);
}

void rhi__beside_end(rhi_beside *beside)
{
    if (!beside->has_thread)
        return;
    pthread_mutex_lock(&beside->lock);
    wait_for(beside, 0);
    beside->is_over = true;
    pthread_cond_signal(&beside->changed);
    pthread_mutex_unlock(&beside->lock);
    pthread_join(beside->thread, NULL);
    pthread_cond_destroy(&beside->changed);
    pthread_mutex_destroy(&beside->lock);
    beside->has_thread = false;
}
