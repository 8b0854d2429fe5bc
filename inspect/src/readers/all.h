/* all.h - the formats that this engine reads. */
#ifndef RHI_READERS_ALL_H
#define RHI_READERS_ALL_H

#include "heap/format.h"

/* NULL ends the list. */
extern const rhi_format *const rhi__formats[];

#endif
