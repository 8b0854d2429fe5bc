/* all.h - the commands, a function each: objat.c, refs.c, gcgraph.c, gcleaks.c, gcstale.c,
 * gcstat.c, gcfind.c, gcverify.c, gcdiff.c, gcquery.c, gcexport.c, refwatch.c. It reads the
 * arguments, has a question answered and the answer shown, and says the exit status. run.c runs
 * them for a door. */
#ifndef RHI_ALL_H
#define RHI_ALL_H

#include "commands/args.h"

rhi_error *rhi__run_objat(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_refs(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcstat(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcgraph(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcverify(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcfind(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcleaks(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcstale(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcdiff(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcquery(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_gcexport(rhi_session *session, const rhi_args *args, int *status);
rhi_error *rhi__run_refwatch(rhi_session *session, const rhi_args *args, int *status);
/* Of no command: a program has come to where it may have to stop. Sets session->reached_frame. */
rhi_error *rhi__run_reached(rhi_session *session, const rhi_args *args, int *status);

#endif
