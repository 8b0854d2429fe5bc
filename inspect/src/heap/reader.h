/* reader.h - the heaps of a target, of all formats and runtimes, as one.
 *
 * Blocks of all heaps lie in one table, sorted by address; their objects are numbered together, in
 * address order, so that a reference may lead from one heap, or format, into another.
 * Invariant: blocks do not overlap; heaps have numbers of their own. */
#ifndef RHI_READER_H
#define RHI_READER_H

#include "base/notes.h"
#include "base/bits.h"
#include "base/search.h"
#include "heap/format.h"
#include "heap/plan.h"
#include "program/program.h"
#include "target/window.h"

/* A stretch of memory with blocks, in equal pieces of 2^shift bytes; first[p]: the first block that
 * ends behind the beginning of piece p; one more entry than pieces. Most pieces hold one block. */
typedef struct rhi_island {
    uint64_t start, size;
    uint32_t *first; /* owned */
    unsigned shift;
} rhi_island;

/* How far a format looks for what it reads. */
enum rhi_search {
    /* what notes and symbols tell, and little of each module's data (RHI_GLANCE_BYTES), or of all
     * memory where that has nothing: for a look, which must not take longer in a larger program */
    RHI_SEARCH_GLANCE,
    RHI_SEARCH_MODULES, /* the data of modules, where it lies as a rule */
    /* no format has found anything there: all memory, which takes as long as there is of it */
    RHI_SEARCH_ALL
};
/* of a region of data, and of all of them */
#define RHI_GLANCE_BYTES (2ull << 20)
#define RHI_GLANCE_BYTES_IN_ALL (8ull << 20)

struct rhi_reader {
    rhi_memory *memory;
    rhi_notes *refused; /* see rhi__reader_refuse */
    enum rhi_search search;
    /* of all runtimes with serials, each with types, serials and heaps of its own */
    uint32_t copies;
    /* the formats that were found, and what each made for itself */
    struct {
        struct rhi_opened {
            const rhi_format *format;
            void *state;
        } * items;
        uint64_t count, capacity;
    } formats;
    struct {
        rhi_type *items;
        uint64_t count, capacity;
    } types;
    rhi_plan *plans;     /* of the types */
    uint64_t plan_count; /* a format may learn types while blocks are read */
    struct {
        rhi_heap_info *items;
        uint64_t count, capacity;
    } heaps;
    rhi_program *program;  /* see rhi__reader_program */
    bool is_history_short; /* not all of the history that was read last could be */
    bool is_loaded;
    bool is_renewed;   /* see rhi__reader_renew */
    bool has_moved;    /* and then it met what is not as it was */
    bool has_prefixes; /* some block has */
    bool has_raw;      /* likewise */
    rhi_blocks blocks; /* from rhi__reader_load on */
    /* see rhi__block_near */
    struct {
        struct rhi_near {
            uint64_t start, end; /* what was asked for: a range, or one address */
            rhi_blocks blocks;
        } * items;
        uint64_t count, capacity;
    } near;
    struct {
        rhi_root *items;
        uint64_t count, capacity;
    } roots; /* sorted by slot */
    /* sorted: all of the runtime's own memory */
    struct {
        rhi_own_range *items;
        uint64_t count, capacity;
    } own;
    /* what could not be read or made no sense */
    struct {
        char **items;
        uint64_t count, capacity;
    } problems;
    /* the same, of what one question alone needed: told with its answer, gone with the next */
    rhi_notes asked;
    /* of the problems, what made no sense */
    struct {
        rhi_damage *items;
        uint64_t count, capacity;
    } damage;
    rhi_harm harm;
    uint64_t slot_room; /* bytes of slots and vectors that may still be read: rhi__begin_pass */
    uint64_t question_least, pass_least; /* so much of them, however small the core is */
    uint64_t readings;  /* questions and passes that began: each reads anew what may have changed */
    uint64_t destroyed; /* heaps that are gone, of all that there were */
    uint64_t lowest, highest; /* span of all blocks */
    /* where blocks lie near each other, in order; the one with the most blocks once more */
    struct {
        rhi_island *items;
        uint64_t count, capacity;
    } islands;
    rhi_island main_island;
};

/* Notes a problem (one line); the answer becomes incomplete. */
__attribute__((format(printf, 2, 3))) void rhi__reader_problem(rhi_reader *reader,
                                                               const char *format, ...);
/* The same of what is read for this question alone, and of which nothing is kept. */
__attribute__((format(printf, 2, 3))) void rhi__question_problem(rhi_reader *reader,
                                                                 const char *format, ...);
/* Notes a problem that is damage, at `address`; RHI_FOUND_BAD_TYPE: of the type that is the object
 * there. */
__attribute__((format(printf, 4, 5))) void rhi__reader_damage(rhi_reader *reader, uint64_t address,
                                                              enum rhi_finding_kind kind,
                                                              const char *format, ...);
/* Notes that the target has heaps of a format, or of a version of it, that are not read, and why.
 * That is said with every answer, and instead of one where no heap is read. */
__attribute__((format(printf, 2, 3))) void rhi__reader_refuse(rhi_reader *reader,
                                                              const char *format, ...);
/* Opens all formats of the list (NULL at its end) that are found in the target. *reader NULL: none
 * is. What is there and is not read is noted in `refused`, which the caller keeps. is_glance: see
 * RHI_SEARCH_GLANCE; what is not found then may be there all the same. */
rhi_error *rhi__reader_open(rhi_memory *memory, const rhi_format *const *formats, bool is_glance,
                            rhi_notes *refused, rhi_reader **reader);
/* What a format's open made for itself; NULL: it is not open, or has nothing. */
static inline void *rhi__format_state(const rhi_reader *reader, const rhi_format *format)
{
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format == format)
            return reader->formats.items[i].state;
    return NULL;
}
/* Are counts, candidates and references of this heap at rest, so that they can be judged? */
static inline bool rhi__is_at_rest(const rhi_reader *reader, uint32_t heap)
{
    return !reader->heaps.items[heap].provisional;
}
/* Makes rhi__own_at find what was appended; it is done again when all formats are open. */
void rhi__sort_own(rhi_reader *reader);
/* Said by a format's open before it appends anything. False if memory is short. */
bool rhi__format_opened(rhi_reader *reader, const rhi_format *format, void *state);
/* What slots and vectors may be read: no two references have a word in common, so that in one
 * pass over all objects no more of them is read than a core has, a few times over, and in a
 * question many times as much. What claims more is left out, and said to be. A question begins
 * with rhi__begin_question; a pass gives back what was left before it. */
void rhi__begin_question(rhi_reader *reader);
uint64_t rhi__begin_pass(rhi_reader *reader);
uint64_t rhi__pass_room(const rhi_reader *reader); /* what one pass may read */
void rhi__renew_room(rhi_reader *reader);          /* there is at least as much left as that */
/* Appends a block of one slot, where an object lives `prefix` bytes behind its start. */
rhi_error *rhi__add_lone(rhi_blocks *blocks, uint64_t start, uint64_t size, uint8_t prefix,
                         uint32_t heap);
/* Module data, and malloc's blocks: found on first use. */
rhi_error *rhi__reader_program(rhi_reader *reader, rhi_program **program);
/* Takes so many bytes from what may be read; false: there is no more, and that is said. */
bool rhi__take_room(rhi_reader *reader, uint64_t bytes);
/* Reads all blocks, if that is yet to be done: what numbers or looks through objects needs them. */
rhi_error *rhi__reader_load(rhi_reader *reader);
/* The block that contains the address, of which no more is read than the range it lies in: the
 * answer about one address takes the same time in a heap of any size. Its slots are not numbered.
 */
const rhi_block *rhi__block_near(rhi_reader *reader, uint64_t address);
/* Makes a reader of a target that ran meanwhile good for questions about single addresses: its
 * blocks are read again as they are asked for. Memory map and roots stay those of before. False: it
 * must be opened again. So it is later, too, where has_moved is set. */
bool rhi__reader_renew(rhi_reader *reader);
void rhi__reader_free(rhi_reader *reader);
/* The island that contains the address, or NULL. */
const rhi_island *rhi__island_at(const rhi_reader *reader, uint64_t address);
/* The same where all blocks were read; NULL before. */
static inline const rhi_block *rhi__block_at(const rhi_reader *reader, uint64_t address)
{
    const rhi_island *island = &reader->main_island;
    if (address - island->start >= island->size && !(island = rhi__island_at(reader, address)))
        return NULL;
    uint64_t piece = (address - island->start) >> island->shift;
    const rhi_block *blocks = reader->blocks.items;
    uint32_t i = rhi__first(island->first[piece], island->first[piece + 1], at,
                            blocks[at].base + blocks[at].size > address);
    return address - blocks[i].base < blocks[i].size ? &blocks[i] : NULL;
}
__extension__ typedef unsigned __int128 rhi__wide;
/* The slot that contains an address of the block. Division by multiplication: exact while offset
 * and slot size are below 2^32. */
static inline uint64_t rhi__slot_number(const rhi_block *block, uint64_t address)
{
    uint64_t offset = address - block->base;
    return block->reciprocal ? (uint64_t)((rhi__wide)offset * block->reciprocal >> 64)
                             : offset / block->slot_size;
}
/* Where the slot ends that contains the address; 0: none does. */
static inline uint64_t rhi__slot_end(const rhi_reader *reader, uint64_t address)
{
    const rhi_block *block = rhi__block_at(reader, address);
    return block ? block->base + (rhi__slot_number(block, address) + 1) * block->slot_size : 0;
}
/* Bytes of a block up to the end of its last live slot: pages behind it may never have been
 * touched. */
uint64_t rhi__block_used_bytes(const rhi_block *block);
/* The first `size` bytes of a block, as rhi__memory_view gives them, for loops over blocks in
 * order: of small ones that lie near each other many are read at once. The room starts as {0}. */
typedef struct rhi_block_room {
    rhi_window window;
    rhi_scratch scratch;
} rhi_block_room;
const uint8_t *rhi__block_bytes(rhi_reader *reader, const rhi_block *block, uint64_t size,
                                rhi_block_room *room, uint64_t *got);
void rhi__block_room_free(rhi_block_room *room);
const rhi_own_range *rhi__own_at(const rhi_reader *reader, uint64_t address);
/* Blocks from `from` on, to the end of its range, may be missing: not all of it can be read. */
void rhi__reader_unread(rhi_reader *reader, uint64_t from);
static inline const rhi_format *rhi__format_of(const rhi_reader *reader, uint32_t heap)
{
    return reader->heaps.items[heap].format;
}
/* The address of the object that lives, or may live, in a slot of the block. */
static inline uint64_t rhi__slot_address(const rhi_block *block, uint64_t slot)
{
    return block->base + slot * block->slot_size + (block->prefixes ? block->prefixes[slot] : 0);
}
/* Is that the address, which lies in the slot? In a heap without prefixes no more of the block is
 * looked at than its beginning. */
static inline bool rhi__is_slot_address(const rhi_reader *reader, const rhi_block *block,
                                        uint64_t slot, uint64_t address)
{
    return __builtin_expect(reader->has_prefixes, 0)
               ? rhi__slot_address(block, slot) == address
               : slot * block->slot_size == address - block->base;
}
/* Decodes the header of the slot at `start`, of which `bytes` are the first. */
static inline void rhi__decode(const rhi_reader *reader, const rhi_block *block, uint64_t start,
                               const uint8_t *bytes, bool live, rhi_object *object)
{
    rhi__format_of(reader, block->heap)->decode(reader, block, start, bytes, live, object);
}
/* The live object in the slot at `start`, as far as its header tells in short. */
static inline rhi_object rhi__object_by_header(const rhi_block *block, uint64_t start,
                                               const rhi_header *header)
{
    return (rhi_object){.address = rhi__slot_address(block, rhi__slot_number(block, start)),
                        .start = start,
                        .slot_size = block->slot_size,
                        .count = header->count,
                        .type = header->type,
                        .heap = block->heap,
                        .state = header->state,
                        .immortal = header->immortal,
                        .finalized = header->finalized,
                        .held = header->held,
                        .damaged = header->damaged};
}
/* Decodes the headers of the block's live slots, of which `bytes` holds the first `slots`, in
 * order, into room that is used again: {0}, and freed with its items. NULL if memory is short. */
typedef struct rhi_headers {
    rhi_header *items;
    uint64_t capacity;
} rhi_headers;
rhi_header *rhi__headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                         uint64_t slots, rhi_headers *room);
static inline bool rhi__slot_is_live(const rhi_block *block, uint64_t slot)
{
    return block->live[slot / 64] >> (slot % 64) & 1;
}
/* The header of the slot that contains an address of a block; false if it cannot be read. */
bool rhi__slot_at(rhi_reader *reader, const rhi_block *block, uint64_t address, rhi_object *object);
/* Of all formats: as `history` and `births` of rhi_format; no birth: zeros. */
uint64_t rhi__history(rhi_reader *reader, uint64_t address, uint64_t serial, bool counts,
                      rhi_event *events, uint64_t limit);
bool rhi__history_begin(rhi_reader *reader, uint32_t heap, uint64_t *number);
void rhi__trace(rhi_reader *reader, uint32_t heap, rhi_trace *trace);
void rhi__births(rhi_reader *reader, const rhi_born *born, uint64_t count, rhi_event *events);
const char *rhi__type_name(const rhi_reader *reader, uint32_t type);

/* ---- numbers of objects --------------------------------------------------------------------- */

#define RHI_NO_OBJECT UINT32_MAX
/* The number of the object in a slot, or RHI_NO_OBJECT: it is free. */
static inline uint32_t rhi__slot_index(const rhi_block *block, uint64_t slot)
{
    uint64_t live = block->live[slot / 64], bit = 1ull << (slot % 64);
    return live & bit ? block->rank[slot / 64] + rhi__population(live & (bit - 1)) : RHI_NO_OBJECT;
}
/* The number of the live object whose slot contains the address, or RHI_NO_OBJECT. */
uint32_t rhi__object_index(const rhi_reader *reader, uint64_t address);
/* The number of the live object whose address it is, or RHI_NO_OBJECT. */
uint32_t rhi__object_of(const rhi_reader *reader, uint64_t address);
/* The address of an object. */
uint64_t rhi__object_address(const rhi_reader *reader, uint32_t index);

#endif
