/* gcleaks.h - what is leaked, for people and in JSON. */
#ifndef RHI_RENDER_GCLEAKS_H
#define RHI_RENDER_GCLEAKS_H

#include "render/json_type.h"
#include "heap/objects.h"
#include "questions/gcleaks.h"

extern const rhi_json_type rhi__gcleaks_type;
void rhi__gcleaks_print(const rhi_gcleaks *answer);
void rhi__gcleaks_json(const rhi_gcleaks *answer);
/* "node#12 at 0x…: 3 objects, 96 bytes, 96 retained", and with what it was lost. */
enum { RHI_LEAK_LINE_SIZE = 3 * RHI_ID_SIZE + 384 };
void rhi__leak_line(const rhi_gcleaks *answer, const rhi_leak *leak, char line[RHI_LEAK_LINE_SIZE]);
/* A group, by its place in answer->each. */
json_t *rhi__leak_json(const rhi_gcleaks *answer, uint64_t place);
/* Those that are alike, by their place in answer->alike, as far as answer->largest goes. */
/* That a count of it got lost while something holds it, and what; NULL: it is not so. */
const char *rhi__in_use_text(const rhi_gcleaks *answer, uint32_t index);
json_t *rhi__alike_json(const rhi_gcleaks *answer, uint64_t place);

#endif
