/* memory.h - the target's memory as the engine sees it: regions, threads, bulk reads.
 *
 * Stands between the target seam and everything else. Takes the direct way (core file, or
 * process_vm_readv) where the target is local and both ways were seen to show the same bytes;
 * otherwise the door's own reads. Invariant: `regions` is sorted and without overlap. */
#ifndef RHI_MEMORY_H
#define RHI_MEMORY_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/text.h"
#include "base/work.h"
#include "target/sink.h"

#include <stdbool.h>

typedef struct rhi_memory {
    const rhi_target *door; /* evaluate, name, interrupted, emit */
    rhi_target direct;      /* the engine's own way, where open */
    bool is_direct;
    struct rhi_sink map;
    bool has_threads; /* threads and registers could be had */
    /* of the core's file when the map was read; 0: it is no core, or not read here */
    uint64_t core_state;
    bool has_usage;      /* regions have the flags RHI_REGION_USED … */
    char truncated[160]; /* what a cut-off core lacks; empty: nothing */
    /* that the core really has: its file may be sparse, and its headers claim anything;
     * UINT64_MAX: no core */
    uint64_t core_bytes;
    char refused[256];       /* why the core's file is not read here, but through the door */
    struct rhi_pages *pages; /* see rhi__memory_keep_pages */
    /* a view failed for lack of our own memory: what looks unreadable may not be */
    bool is_short;
    /* Asked now and then by reads: once the user wants the work to stop nothing can be read, so
     * that every loop over what the target claims to have comes to its end. NULL: nothing stops
     * them. */
    rhi_work *work;
    uint32_t reads; /* since it was asked last, in READ_COST_BYTES */
} rhi_memory;

/* The target whose reads are used. */
static inline const rhi_target *rhi__memory_source(const rhi_memory *memory)
{
    return memory->is_direct ? &memory->direct : memory->door;
}
void rhi__memory_close(rhi_memory *memory);

/* Bytes read from the start on, up to the first unreadable one. */
uint64_t rhi__memory_read(rhi_memory *memory, uint64_t address, void *buffer, uint64_t size);
/* From here on until rhi__memory_drop_pages, small reads take whole pages and keep many of them:
 * for a long list, whose rows read near each other. The caller sees to it that the target does
 * not change meanwhile. */
void rhi__memory_keep_pages(rhi_memory *memory);
void rhi__memory_drop_pages(rhi_memory *memory);
/* The same into a buffer of the engine's own: `scratch` holds the bytes; it starts as {0}, is
 * reused by later views, and is freed with rhi__scratch_free. *got is the readable prefix; NULL
 * if that is 0 or memory is short. */
typedef struct rhi_scratch {
    void *bytes;
    uint64_t capacity;
} rhi_scratch;
const uint8_t *rhi__memory_view(rhi_memory *memory, uint64_t address, uint64_t size,
                                rhi_scratch *scratch, uint64_t *got);
void rhi__scratch_free(rhi_scratch *scratch);
/* Can anything be written? */
bool rhi__memory_is_writable(const rhi_memory *memory);
/* Writes these bytes, and reads them again: are they there now? */
bool rhi__memory_write(rhi_memory *memory, uint64_t address, const void *bytes, uint64_t size);
/* Where a scan goes on behind the unreadable byte at `address`: at most `end`. */
uint64_t rhi__memory_hole_end(const rhi_memory *memory, uint64_t address, uint64_t end);
/* The first address from here on, at most `end`, that need not hold zero: a scan for addresses goes
 * on there. */
uint64_t rhi__memory_data_start(const rhi_memory *memory, uint64_t address, uint64_t end);
/* The first address from here on, at most `end`, that a sparse core has nothing of but its word
 * that it is zero. */
uint64_t rhi__memory_data_end(const rhi_memory *memory, uint64_t address, uint64_t end);
/* Is this read from a core by the engine itself? */
bool rhi__memory_is_core(const rhi_memory *memory);
/* The file of that core; NULL: it is not read from one. */
const char *rhi__memory_core_path(const rhi_memory *memory);
/* Which run of which program it is, where the engine reads it itself. */
rhi_identity rhi__memory_identity(const rhi_memory *memory);
/* Of a process that is read by the engine itself, a number under which /proc has it; else 0. */
int rhi__memory_process(const rhi_memory *memory);
/* Has it ended since it was opened? Then nothing of it can be read. False for other targets. */
bool rhi__memory_is_gone(const rhi_memory *memory);
/* Changes when the core's file does; 0: no core, or not read by the engine itself. */
uint64_t rhi__memory_core_state(const rhi_memory *memory);
/* Does this core name all mappings of its process, also those that it has no byte of? GDB's do not.
 */
bool rhi__memory_lists_all(const rhi_memory *memory);
/* The file that is mapped at the address, also where a core names it and has nothing of it; NULL:
 * none. */
const char *rhi__memory_file(const rhi_memory *memory, uint64_t address);
/* Asks the kernel about the pages of all mappings, where the engine reads a process itself:
 * has_usage. */
void rhi__memory_note_usage(rhi_memory *memory);
bool rhi__memory_u64(rhi_memory *memory, uint64_t address, uint64_t *value);
/* NUL-terminated text of at most size - 1 bytes, cleaned. False if unreadable. */
bool rhi__memory_text(rhi_memory *memory, uint64_t address, char *text, size_t size);
/* The same of a name that may be longer: rhi__cut_name. */
bool rhi__memory_name(rhi_memory *memory, uint64_t address, char name[RHI_NAME_SIZE]);
/* The region that contains the address, or NULL. */
const rhi_region *rhi__memory_region(const rhi_memory *memory, uint64_t address);

#endif
