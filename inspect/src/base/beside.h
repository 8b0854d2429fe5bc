/* beside.h - a thread that does one kind of job beside the thread that began it.
 *
 * Jobs lie in places that are used in turn: the beginner fills one, hands it over, and fills the
 * next one meanwhile. They are done in that order. Invariant: a place is either the beginner's or
 * the job's. Where there is no second core, or no thread to be had, or only one place, a job is
 * done as it is handed over. The thread hears no signals: these are for who has the process. */
#ifndef RHI_BESIDE_H
#define RHI_BESIDE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct rhi_beside {
    void (*job)(void *context, unsigned place);
    void *context;
    unsigned places;
    /* Its own. */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t changed;
    uint64_t handed, done; /* jobs */
    bool is_over;
    void (*question)(void *context); /* NULL: none */
} rhi_beside;

/* job, context and places are set. Is to be ended. */
void rhi__beside_begin(rhi_beside *beside);
/* Waits for the next place to be free, and says which one it is. */
unsigned rhi__beside_place(rhi_beside *beside);
/* That place is filled. */
void rhi__beside_hand(rhi_beside *beside);
/* For a job: has the beginner do what he alone may do, as soon as he hands over or waits. */
void rhi__beside_ask(rhi_beside *beside, void (*question)(void *context));
/* Waits for all jobs; the thread is gone then. */
void rhi__beside_end(rhi_beside *beside);

#endif
