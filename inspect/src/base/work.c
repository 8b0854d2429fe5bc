/* work.c - progress and its end (see work.h). */
#include "base/work.h"

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void rhi__work_start(rhi_work *work)
{
    work->must_finish = work->is_stopped = false;
    work->polled_at = 0;
    work->shown = (struct timespec){0};
    clock_gettime(CLOCK_MONOTONIC, &work->started);
}

/* Is it time to ask, or to show something? */
static bool is_due(rhi_work *work)
{
    struct timespec now;
    /* a door's callback costs a thousand times as much */
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    int64_t milliseconds = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (work->polled_at && milliseconds - work->polled_at < work->poll_milliseconds)
        return false;
    work->polled_at = milliseconds;
    return true;
}

static bool ask(rhi_work *work)
{
    work->is_stopped = work->is_stopped || (!work->must_finish && work->interrupted &&
                                            work->interrupted(work->context));
    return work->is_stopped;
}

bool rhi__work_stopped(rhi_work *work)
{
    return work->is_stopped || (is_due(work) && ask(work));
}

rhi_error *rhi__progress(rhi_work *work, const char *what, uint64_t done, uint64_t total)
{
    if (work->is_stopped)
        return rhi__error_cancelled();
    if (!is_due(work))
        return NULL;
    if (ask(work))
        return rhi__error_cancelled();
    if (!work->must_finish && work->show && total && seconds_since(&work->started) > 0.5 &&
        seconds_since(&work->shown) > 0.2) {
        work->show(work->context, what, (unsigned)((double)done / (double)total * 100));
        clock_gettime(CLOCK_MONOTONIC, &work->shown);
    }
    return NULL;
}
