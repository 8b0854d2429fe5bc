/* gcfind.h - the objects that were found, for people and in JSON. */
#ifndef RHI_RENDER_GCFIND_H
#define RHI_RENDER_GCFIND_H

#include "questions/gcfind.h"

void rhi__gcfind_print(const rhi_gcfind *answer);
void rhi__gcfind_json(const rhi_gcfind *answer);

#endif
