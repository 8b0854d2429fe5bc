/* work.c - progress and its end (see work.h). */
#include "work.h"

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void rhi__work_start(rhi_work *work)
{
    work->must_finish = false;
    work->polled_at = 0;
    work->shown = (struct timespec){0};
    clock_gettime(CLOCK_MONOTONIC, &work->started);
}

rhi_error *rhi__progress(rhi_work *work, const char *what, uint64_t done, uint64_t total)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now); /* a door's callback costs a thousand times as much */
    int64_t milliseconds = now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (work->polled_at && milliseconds - work->polled_at < work->poll_milliseconds)
        return NULL;
    work->polled_at = milliseconds;
    if (work->must_finish)
        return NULL;
    if (work->interrupted && work->interrupted(work->context))
        return rhi__error_cancelled();
    if (work->show && total && seconds_since(&work->started) > 0.5 && seconds_since(&work->shown) > 0.2) {
        work->show(work->context, what, (unsigned)((double)done / (double)total * 100));
        clock_gettime(CLOCK_MONOTONIC, &work->shown);
    }
    return NULL;
}
