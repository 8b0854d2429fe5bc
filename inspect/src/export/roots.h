/* roots.h - finds export->roots: the graph, leaks and dominators stand. */
#ifndef RHI_EXPORT_ROOTS_H
#define RHI_EXPORT_ROOTS_H

#include "export/export.h"

rhi_error *rhi__export_find_roots(rhi_export *export);

#endif
