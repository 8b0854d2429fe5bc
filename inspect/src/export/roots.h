/* roots.h - finds export->roots: the graph, leaks and dominators stand. */
#ifndef RHI_EXPORT_ROOTS_H
#define RHI_EXPORT_ROOTS_H

#include "export/export.h"

rhi_error *rhi__export_find_roots(rhi_export *export);
/* The kind of root that a word of this enum rhi_holder_kind is, of enum rhi_export_root. */
uint16_t rhi__export_root_of(uint8_t kind);

#endif
