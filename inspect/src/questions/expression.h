/* expression.h - the path to an object as an expression for the debugger. */
#ifndef RHI_EXPRESSION_H
#define RHI_EXPRESSION_H

#include "questions/path.h"

/* Fills in the path's expression, and where it is meant, if there is one. */
void rhi__path_express(rhi_session *session, rhi_reader *reader, rhi_path *path);

#endif
