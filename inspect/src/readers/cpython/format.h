/* format.h - CPython's heaps, as one of the formats. */
#ifndef RHI_FORMAT_PYTHON_H
#define RHI_FORMAT_PYTHON_H

#include "heap/format.h"

extern const rhi_format rhi__format_python;

#endif
