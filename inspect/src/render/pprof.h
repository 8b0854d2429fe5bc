/* pprof.h - live objects by the line that made them, as a profile that pprof reads. */
#ifndef RHI_PPROF_H
#define RHI_PPROF_H

#include "session/session.h"

/* Writes the wanted heaps' objects into the file. */
rhi_error *rhi__pprof_write(rhi_session *session, const char *path);

#endif
