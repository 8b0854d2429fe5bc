/* reader.h - what the files that read refheap's own format share: its constants. Private to them.
 *
 * layout.c reads the constants and checks them, reader.c reads heaps by them, sites.c the lines
 * that made objects, verify.c holds the parts of a heap against each other. */
#ifndef RHI_READER_REFHEAP_H
#define RHI_READER_REFHEAP_H

#include "heap/reader.h"

#include <refheap/metadata.h>

/* The constants that a table may have besides. */
enum rhi_more_constants {
    RHI_BEFORE_MORE = RH_MC_COUNT - 1,
#define RHI_ID(id, name) RH_MC_##id,
    RH_METADATA_WEAK_CONSTANTS(RHI_ID) RH_METADATA_SLOT_CONSTANTS(RHI_ID)
        RH_METADATA_SITE_CONSTANTS(RHI_ID) RH_METADATA_EVENT_CONSTANTS(RHI_ID)
            RH_METADATA_RING_CONSTANTS(RHI_ID) RH_METADATA_POISON_CONSTANTS(RHI_ID)
                RH_METADATA_TRACE_CONSTANTS(RHI_ID) RH_METADATA_RANGE_CONSTANTS(RHI_ID)
                    RH_METADATA_CHECK_CONSTANTS(RHI_ID) RH_METADATA_QUIET_CONSTANTS(RHI_ID)
                        RH_METADATA_COUNTER_CONSTANTS(RHI_ID)
#undef RHI_ID
                            CONSTANTS
};
#define ABSENT UINT64_MAX
enum { RHI_OFFSET_MAX = 1 << 20, RHI_RING_BLOCK_MAX = 1024 };

/* One descriptor: one copy of the runtime in the process. */
typedef struct space {
    struct rh_metadata_descriptor descriptor;
    uint64_t constant[CONSTANTS];
    uint64_t stacks, stack_depth; /* the two constants of stacks */
    uint32_t first_type, type_count;
    /* what the allocators have available is known and no taken slot: the header of no other one
     * is blank */
    bool blank_is_damage;
    uint32_t serial_shift; /* of the word at object.serial: below it lies the site; 0: no sites */
    struct known_site *sites; /* by number, those that were asked for; made by the first question */
    uint32_t site_room;       /* entries of that */
    uint64_t site_bytes;      /* of their texts, in our memory */
} space;

/* Slots that an allocator has available: bit b is that at base + b * slot_size. */
typedef struct available_word {
    uint64_t base, slot_size, bits;
} available_word;

typedef struct format {
    struct {
        space *items;
        uint64_t count, capacity;
    } spaces;
    struct {
        available_word *items;
        uint64_t count, capacity;
    } available;          /* by base */
    uint32_t field_count; /* of all types */
    bool has_cut_roots;   /* there are more roots than are looked at */
    /* one goes on in memory whose bytes are missing: what it does not lead to is no damage */
    bool has_cut_lists;
} format;

/* Does the runtime record where the record of a traced object begins and ends? */
static inline bool has_ranges(const space *s)
{
    return s->constant[RH_MC_event_begin] == RH_EVENT_BEGIN &&
           s->constant[RH_MC_event_end] == RH_EVENT_END;
}

static inline const space *space_of(const rhi_heap_info *heap)
{
    return &((const format *)heap->state)->spaces.items[heap->space];
}
#define C(space_, id) ((space_)->constant[RH_MC_##id])

/* Reads the named constants of the space's descriptor, and refuses those that make no sense.
 * *sound: they are those that the runtime wrote, as far as it says. */
rhi_error *rhi__refheap_layout(rhi_memory *memory, space *s, bool *sound);
/* A member of the heap at `heap`; 0 if the constant is absent or it cannot be read. */
uint64_t rhi__refheap_member(rhi_reader *reader, const space *s, uint64_t heap, unsigned id,
                             unsigned width);
rhi_error *rhi__refheap_check(rhi_reader *reader, rhi_check *check);
/* Appends the types of the space. *fields: of all types so far. */
rhi_error *rhi__refheap_types(rhi_reader *reader, space *s, uint32_t *fields);

/* The count word of a traced object as it would be without the mark. */
uint32_t rhi__refheap_unmarked(const space *s, uint32_t word, uint32_t flags, bool *is_marked);

/* As in rhi_format. */
void rhi__refheap_decode(const rhi_reader *reader, const rhi_block *block, uint64_t address,
                         const uint8_t *bytes, bool live, rhi_object *object);
void rhi__refheap_headers(const rhi_reader *reader, const rhi_block *block, const uint8_t *bytes,
                          uint64_t slot_count, rhi_header *headers);
void rhi__refheap_count_unmarked(const rhi_reader *reader, const rhi_block *block,
                                 const uint8_t *bytes, uint64_t slot_count, rhi_harm *harm);
bool rhi__refheap_site(rhi_reader *reader, const rhi_object *object, rhi_site *site);
/* In mark.c. */
rhi_error *rhi__refheap_mark(rhi_reader *reader, const rhi_object *object, bool on,
                             rhi_patches *patches);
rhi_error *rhi__refheap_mark_type(rhi_reader *reader, uint32_t type, bool on, rhi_patches *patches);
bool rhi__refheap_type_is_marked(rhi_reader *reader, uint32_t type);
rhi_error *rhi__refheap_quiet(rhi_reader *reader, uint32_t heap, rhi_patches *patches);
uint64_t rhi__refheap_hook(rhi_reader *reader, uint32_t heap);
void rhi__refheap_sites_free(space *s);
void rhi__refheap_remark(rhi_reader *reader, uint64_t address, const rhi_object *object, char *text,
                         size_t size);
bool rhi__refheap_history_begin(rhi_reader *reader, uint32_t heap, uint64_t *number);
uint64_t rhi__refheap_history(rhi_reader *reader, uint64_t address, uint64_t serial, bool counts,
                              rhi_event *events, uint64_t limit);
void rhi__refheap_trace(rhi_reader *reader, uint32_t heap, rhi_trace *trace);
void rhi__refheap_births(rhi_reader *reader, const rhi_born *born, uint64_t count,
                         rhi_event *events);

/* Lists of the target may be long: Ctrl-C is heard. */
static inline rhi_error *poll(const rhi_reader *reader, uint64_t n)
{
    rhi_work *work = reader->memory->work;
    return n % 4096 == 4095 && work && rhi__work_stopped(work) ? rhi__error_cancelled() : NULL;
}

#endif
