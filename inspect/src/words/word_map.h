/* word_map.h - which class each piece of memory belongs to: made once per state of the target.
 * Invariant: `parts` are sorted, aligned to words and do not overlap; memory that holds nothing
 * (the runtime's own, unused stack, malloc's free end) and memory of others is in no part that is
 * searched. Objects that lie in a part are no words: pieces.h. */
#ifndef RHI_WORD_MAP_H
#define RHI_WORD_MAP_H

#include "program/program.h"
#include "session/session.h"
#include "target/proc_files.h"
#include "words/holders.h"
#include "words/regions.h"

enum { RHI_PART_NOTHING = 255 };

typedef struct rhi_part {
    uint64_t start, end;
    uint8_t kind;   /* enum rhi_holder_kind or RHI_PART_NOTHING */
    bool is_chunks; /* a span of malloc's: what holds nothing in it is known chunk by chunk */
    /* malloc's, with a mapping of its own, and nothing that only looks like one */
    bool is_block;
    bool must_be_there; /* bytes that cannot be read are missing private writable memory */
    bool in_heap;       /* of a format's own memory: its raw slots are searched, nothing else */
    uint64_t lwp, base; /* as in rhi_holder */
} rhi_part;

/* What leads to memory that is not there. Stacks are full of leftovers. */
enum rhi_lead { RHI_LEAD_NONE, RHI_LEAD_STACK, RHI_LEAD_WORD };

/* Memory that the program may have written and that is not searched. */
typedef struct rhi_gap {
    uint64_t start, end;
    uint8_t worth;    /* enum rhi_worth: MISSING, UNUSED or DEVICE */
    uint8_t lead;     /* enum rhi_lead: the best of the words that lead there */
    const char *path; /* of the region; lives as long as the memory's map */
} rhi_gap;

typedef struct rhi_word_map {
    struct {
        rhi_part *items;
        uint64_t count, capacity;
    } parts;
    rhi_malloc *malloc; /* the reader's */
    uint64_t bytes;     /* that are searched */
    rhi_notes problems; /* what is missing of the answer */
    struct {
        rhi_gap *items;
        uint64_t count, capacity;
    } gaps;                  /* sorted */
    rhi_kernel_words kernel; /* of a live process */
    /* gaps were judged by what leads to them, and unlisted[] was asked for */
    bool has_leads;
    /* of a core that does not name what it lacks: what words point to; empty: nothing */
    char unlisted[192];
    rhi_not_read not_read; /* the gaps, but those that were never used */
} rhi_word_map;

rhi_error *rhi__word_map_open(rhi_session *session, rhi_reader *reader, rhi_word_map *map);
void rhi__word_map_close(rhi_word_map *map);

#endif
