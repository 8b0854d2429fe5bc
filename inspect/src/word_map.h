/* word_map.h - which class each piece of private memory belongs to: made once per state of the target.
 * Invariant: `parts` are sorted, aligned to words and do not overlap; memory that holds nothing (the
 * runtime's own, unused stack, malloc's free end) and memory of others is in no part that is searched. */
#ifndef RHI_WORD_MAP_H
#define RHI_WORD_MAP_H

#include "malloc.h"
#include "words.h"

enum { RHI_PART_NOTHING = 255 };

typedef struct rhi_part {
    uint64_t start, end;
    uint8_t kind;       /* enum rhi_holder_kind or RHI_PART_NOTHING */
    bool is_chunks;     /* a span of malloc's: what holds nothing in it is known chunk by chunk */
    bool is_block;      /* malloc's, with a mapping of its own, and nothing that only looks like one */
    bool must_be_there; /* bytes that cannot be read are missing private writable memory */
    uint64_t lwp, base; /* as in rhi_holder */
} rhi_part;

typedef struct rhi_word_map {
    struct { rhi_part *items; uint64_t count, capacity; } parts;
    rhi_malloc malloc;
    uint64_t bytes;   /* that are searched */
    json_t *problems; /* array of strings: what is missing of the answer */
    json_t *not_read; /* array of {"start", "end", "path"}: writable memory shared with others */
} rhi_word_map;

rhi_error *rhi__word_map_open(rhi_session *session, rhi_reader *reader, rhi_word_map *map);
/* That of the session, made on first use. */
rhi_error *rhi__session_word_map(rhi_session *session, rhi_reader *reader, rhi_word_map **map);
void rhi__word_map_close(rhi_word_map *map);

#endif
