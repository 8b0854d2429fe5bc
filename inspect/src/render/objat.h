/* objat.h - what is at an address, for people and in JSON. */
#ifndef RHI_RENDER_OBJAT_H
#define RHI_RENDER_OBJAT_H

#include "questions/objat.h"

rhi_error *rhi__objat_print(rhi_objat *answer);
void rhi__objat_json(rhi_objat *answer);

#endif
