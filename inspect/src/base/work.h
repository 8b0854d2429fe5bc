/* work.h - long work: shows how far it is, and stops when its user wants it to.
 *
 * Whatever takes long is handed one and calls rhi__progress in its loops. It knows neither
 * commands nor where progress is shown: whoever starts the work says how the user is asked and
 * told. */
#ifndef RHI_WORK_H
#define RHI_WORK_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct rhi_work {
    int (*interrupted)(void *context); /* does the user want it to stop? NULL: never */
    /* NULL: progress is not shown */
    void (*show)(void *context, const char *what, unsigned percent);
    void *context;             /* of both */
    int64_t poll_milliseconds; /* at most so often is `interrupted` asked */
    bool must_finish;          /* half a document is out: nothing stops the rest */
    /* Its own. */
    struct timespec started, shown; /* shown: 0: never */
    int64_t polled_at;              /* milliseconds; 0: not yet */
    bool is_stopped;                /* the user was heard: it stays so until the next start */
} rhi_work;

/* The clock starts now; what was set by the caller stays. */
void rhi__work_start(rhi_work *work);

/* Does the user want it to stop? He is asked now and then only. */
bool rhi__work_stopped(rhi_work *work);

/* Called in long loops, now and then: shows progress on a terminal, and returns the error
 * "cancelled" if the user interrupted. total 0: it is not known how much there is to do, and
 * nothing is shown. */
rhi_error *rhi__progress(rhi_work *work, const char *what, uint64_t done, uint64_t total);

#endif
