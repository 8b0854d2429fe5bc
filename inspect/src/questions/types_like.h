/* types_like.h - the types that a pattern means. */
#ifndef RHI_TYPES_LIKE_H
#define RHI_TYPES_LIKE_H

#include "heap/reader.h"

/* Is it the name, as it was typed (`whole`, as names are kept), or does the pattern fit it? */
bool rhi__matches_name(const char *glob, const char *whole, const char *name);
/* A byte for each type of the reader, and one behind them for objects without a valid type: 1 where
 * its name, or the qualified one, fits. glob NULL: all do. Allocated, freed by the caller. */
rhi_error *rhi__types_like(const rhi_reader *reader, const char *glob, uint8_t **fits);

#endif
