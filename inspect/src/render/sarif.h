/* sarif.h - leaks as results of an analysis, for code hosts and editors. */
#ifndef RHI_SARIF_H
#define RHI_SARIF_H

#include "questions/gcleaks.h"

/* Writes all groups of the answer that are alike into the file, in SARIF 2.1.0. */
rhi_error *rhi__sarif_write(rhi_gcleaks *answer, const char *path);

#endif
