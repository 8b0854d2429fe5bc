/* all.c - the list of formats: a new one is a line here (see heap/format.h). */
#include "readers/all.h"
#include "readers/cpython/format.h"
#include "readers/refheap/format.h"

const rhi_format *const rhi__formats[] = {&rhi__format_refheap, &rhi__format_python, NULL};
