/* format.h - refheap's own heaps, as one of the formats. */
#ifndef RHI_FORMAT_REFHEAP_H
#define RHI_FORMAT_REFHEAP_H

#include "heap/format.h"

extern const rhi_format rhi__format_refheap;

#endif
