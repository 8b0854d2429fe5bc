/* v8_names.h - the table of strings of a V8 snapshot: texts get numbers as they come, and
 * are written behind all else.
 *
 * Texts wait in a file without a name, beside the one that is written, so that memory is bounded
 * however many there are. Those that came first are kept in memory, too: their like get the same
 * number. Later ones may be in the table twice, which readers do not mind. */
#ifndef RHI_V8_NAMES_H
#define RHI_V8_NAMES_H

#include "base/work.h"
#include "render/file.h"

typedef struct rhi_names rhi_names;

/* path: of the file that is written. *names is set in any case, and freed by rhi__names_free. */
rhi_error *rhi__names_new(const char *path, rhi_names **names);
/* Any bytes: what is no UTF-8 becomes U+FFFD. */
rhi_error *rhi__name_number(rhi_names *names, const char *text, size_t size, uint32_t *number);
/* Writes all of them, as the elements of an array of JSON. */
rhi_error *rhi__names_write(rhi_names *names, rhi_work *work, FILE *file);
void rhi__names_free(rhi_names *names); /* NULL: nothing */

#endif
