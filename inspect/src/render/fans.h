/* fans.h - pictures of objects that hold many, or that many hold: these stand in several rows, not
 * side by side, so that the picture is no strip that nobody can read. */
#ifndef RHI_FANS_H
#define RHI_FANS_H

#include "questions/picture.h"

/* For each arrow how many rows its end stands below its beginning; 0: it is part of no fan. */
void rhi__fan_rows(const rhi_picture *picture, uint16_t rows[RHI_ARROWS_MAX]);

#endif
