/* sink.h - what a target reports of itself: its memory map, its threads and their registers.
 *
 * A target's callbacks fill it by the rhi_sink_* calls of refheap/inspect.h. Nothing of it is
 * checked until rhi__sink_sort: the map may come from a hostile core. */
#ifndef RHI_SINK_H
#define RHI_SINK_H

#include <refheap/inspect.h>
#include <stdbool.h>

/* What the kernel counts of a live process's mappings, beside enum rhi_region_flag: see
 * rhi__memory_note_usage. */
enum {
    RHI_REGION_USED = 1 << 8,      /* there are pages of it, in memory or swapped out */
    RHI_REGION_COPIED = 1 << 9,    /* some of them are no longer the file's */
    RHI_REGION_EXCLUDED = 1 << 10, /* the program wants it in no core */
    RHI_REGION_DEVICE = 1 << 11,
    RHI_REGION_MAY_WRITE = 1 << 12 /* its file was opened for writing, if it is shared */
};

/* Which run of a program a process is: 16 bytes that the kernel draws for each (AT_RANDOM of its
 * auxiliary vector; a child of fork has those of its parent), its number, and its name, as the
 * kernel cuts that. 0 and "": not known. */
typedef struct rhi_identity {
    uint64_t random[2], pid;
    char name[17];
} rhi_identity;

/* The address of its 16 bytes, by an auxiliary vector; 0: it does not say. */
uint64_t rhi__random_address(const uint8_t *vector, uint64_t size);

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

/* Puts the regions in the order of their addresses. */
void rhi__sink_sort_regions(struct rhi_sink *sink);
/* The same, cuts what overlaps, and puts the registers of each thread in one order, whoever
 * reports them. */
void rhi__sink_sort(struct rhi_sink *sink);
void rhi__sink_clear(struct rhi_sink *sink);

#endif
