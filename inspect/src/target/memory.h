/* memory.h - the target's memory as the engine sees it: regions, threads, bulk reads.
 *
 * Stands between the target seam and everything else. Takes the direct way (core file, or
 * process_vm_readv) where the target is local and both ways were seen to show the same bytes;
 * otherwise the door's own reads. Invariant: `regions` is sorted and without overlap. */
#ifndef RHI_MEMORY_H
#define RHI_MEMORY_H

#include "base/error.h"
#include "base/text.h"
#include "base/work.h"

#include <refheap/inspect.h>
#include <stdbool.h>

/* What the kernel counts of a live process's mappings, beside enum rhi_region_flag: see
 * rhi__memory_note_usage. */
enum {
    RHI_REGION_USED = 1 << 8,      /* there are pages of it, in memory or swapped out */
    RHI_REGION_COPIED = 1 << 9,    /* some of them are no longer the file's */
    RHI_REGION_EXCLUDED = 1 << 10, /* the program wants it in no core */
    RHI_REGION_DEVICE = 1 << 11
};

typedef struct rhi_region {
    uint64_t start, end, file_offset;
    uint32_t flags; /* enum rhi_region_flag, RHI_REGION_USED … */
    char *path;     /* never NULL */
} rhi_region;

typedef struct rhi_register {
    char name[12];
    uint64_t value;
} rhi_register;

typedef struct rhi_thread {
    uint64_t lwp, stack_pointer;
    uint32_t first_register, register_count; /* in rhi_sink.registers */
} rhi_thread;

/* What rhi_sink_* calls fill. */
struct rhi_sink {
    struct {
        rhi_region *items;
        uint64_t count, capacity;
    } regions;
    struct {
        rhi_thread *items;
        uint64_t count, capacity;
    } threads;
    struct {
        rhi_register *items;
        uint64_t count, capacity;
    } registers;
    bool out_of_memory;
};

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

/* Opens memory for the door's target: decides the way and reads the map and the threads. */
rhi_error *rhi__memory_open(rhi_memory *memory, const rhi_target *door);
void rhi__memory_close(rhi_memory *memory);
/* Gives the direct way up for the door's reads (they showed different bytes). */
rhi_error *rhi__memory_use_door(rhi_memory *memory);
/* Do both ways show the same `size` (at most 256) bytes at `address`? True if there is one way
 * only. */
bool rhi__memory_ways_agree(rhi_memory *memory, uint64_t address, uint64_t size);

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
/* Of a process that is read by the engine itself, a number under which /proc has it; else 0. */
int rhi__memory_process(const rhi_memory *memory);
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

void rhi__sink_clear(struct rhi_sink *sink);
/* Is [start, start + size) inside without wrapping around? */
static inline bool rhi__range_ok(uint64_t start, uint64_t size)
{
    return size <= UINT64_MAX - start;
}

/* Little-endian loads from untrusted bytes of any alignment. */
static inline uint64_t rhi__load(const uint8_t *bytes, unsigned width)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < width && i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}
static inline uint64_t rhi__load64(const uint8_t *bytes)
{
    uint64_t value;
    __builtin_memcpy(&value, bytes, 8);
    return value;
}
static inline uint32_t rhi__load32(const uint8_t *bytes)
{
    uint32_t value;
    __builtin_memcpy(&value, bytes, 4);
    return value;
}
static inline uint16_t rhi__load16(const uint8_t *bytes)
{
    uint16_t value;
    __builtin_memcpy(&value, bytes, 2);
    return value;
}

/* In target/core.c: reports the thread and its registers from the kernel's user_regs_struct. */
void rhi__report_registers(rhi_sink *sink, uint64_t lwp, const uint64_t *words);
/* In target/core.c: the vector registers of the thread that was reported last, in halves of 8
 * bytes (xmm3[1], ymm3[2], v3[0]) that are not 0, from what the kernel writes of them. */
void rhi__report_vectors(rhi_sink *sink, const uint8_t *bytes, uint64_t size);
#if defined(__x86_64__)
enum { RHI_NT_VECTORS = 0x202 /* NT_X86_XSTATE */, RHI_VECTORS_MAX = 16384 };
#else
enum { RHI_NT_VECTORS = 2 /* NT_FPREGSET */, RHI_VECTORS_MAX = 1024 };
#endif
/* Closes a core target; 0 if it is none. */
int rhi__core_close(rhi_target *target);
/* In target/core.c: the first address from here on, in the same segment or at its end, that need
 * not hold zero: what a sparse file has no blocks for is skipped. The address itself where
 * nothing is known. */
uint64_t rhi__core_data_start(const rhi_target *target, uint64_t address);
/* Changes when the core's file does; 0: no core. */
uint64_t rhi__core_state(const rhi_target *target);
/* In target/core.c: where a core has bytes again behind an address that it has none of; 0: no
 * core, or nowhere. */
uint64_t rhi__core_hole_end(const rhi_target *target, uint64_t address);
/* In target/core.c: where a hole of the file begins behind this address, or the segment's bytes
 * end. UINT64_MAX: not known. */
uint64_t rhi__core_data_end(const rhi_target *target, uint64_t address);
/* In target/core.c: bytes that the file really has, for rhi__memory_core_bytes; UINT64_MAX: no
 * core. */
uint64_t rhi__core_bytes(const rhi_target *target);
/* rhi__memory_lists_all of a core target; the file that its table names at an address, or NULL. */
bool rhi__core_lists_all(const rhi_target *target);
const char *rhi__core_file(const rhi_target *target, uint64_t address);
/* What a cut-off core lacks, in words, or NULL. */
const char *rhi__core_truncated(const rhi_target *target);
/* In target/process.c: opens a process that somebody else has stopped: reads and map alone. */
int rhi__process_open_stopped(int64_t pid, rhi_target *target, char *error, size_t error_size);
/* In target/process.c: the number under which /proc has it, or 0: it is none. */
int rhi__process_id(const rhi_target *target);
/* Has it ended since it was opened? Then nothing of it can be read. False for other targets. */
bool rhi__process_is_gone(const rhi_target *target);

#endif
