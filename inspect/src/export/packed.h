/* packed.h - JSON in a page: compressed by gzip, in letters of base64.
 *
 * What the letters stand for may be anything: among them is none that ends an element of HTML, so
 * no name of the target can. Invariant: a failure is kept until rhi__packed_end; what is put
 * meanwhile is dropped. */
#ifndef RHI_PACKED_JSON_H
#define RHI_PACKED_JSON_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>

enum { RHI_PACKED_BYTES = 1 << 16 };

typedef struct rhi_packed {
    FILE *file;
    z_stream stream;
    bool is_short; /* of memory */
    uint64_t used; /* of `plain` */
    unsigned kept; /* of `letters`: bytes that make no three yet */
    uint8_t plain[RHI_PACKED_BYTES], packed[RHI_PACKED_BYTES], letters[3];
} rhi_packed;

/* Ended by rhi__packed_end in any case. */
rhi_error *rhi__packed_begin(rhi_packed *packed, FILE *file);
/* JSON as it is. */
void rhi__packed_put(rhi_packed *packed, const char *json);
void rhi__packed_number(rhi_packed *packed, uint64_t number);
/* A text in quotes; NULL: null. What is no UTF-8 becomes a character that says so. */
void rhi__packed_text(rhi_packed *packed, const char *text);
/* A value, which is freed; NULL (memory is short): null. */
void rhi__packed_value(rhi_packed *packed, json_t *value);
/* is_whole: all of it was put; else only what it holds is freed. What cannot be written to the
 * file, the file says. */
rhi_error *rhi__packed_end(rhi_packed *packed, bool is_whole);

#endif
