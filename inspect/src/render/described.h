/* described.h - what debuggers show of a variable that holds an object: text, functions, children.
 */
#ifndef RHI_RENDER_DESCRIBED_H
#define RHI_RENDER_DESCRIBED_H

#include "questions/described.h"

#include <jansson.h>

/* See rhi_session_describe. */
json_t *rhi__described_json(rhi_described *answer, uint64_t characters);

#endif
