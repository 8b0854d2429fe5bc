/* proc_files.h - what /proc/PID says of a live process beside its map: which pages there are, and
 * what the kernel keeps for it. */
#ifndef RHI_PROC_FILES_H
#define RHI_PROC_FILES_H

#include "target/sink.h"

/* Sets RHI_REGION_USED and what follows it in all regions; false if that cannot be had. Walks the
 * page tables once. */
bool rhi__note_usage(int64_t pid, struct rhi_sink *map);
/* The first page from `address` on, and before `end`, that is there; `end`: none. 0: it is not
 * known. */
uint64_t rhi__page_after(int64_t pid, uint64_t address, uint64_t end);
/* Reads of pages that are there although the program itself may not read them now; up to the first
 * that is not. */
uint64_t rhi__read_page_by_force(int64_t pid, uint64_t address, void *buffer, uint64_t size);

/* A word that the kernel keeps for the program: what epoll_ctl or timer_create was given. */
typedef struct rhi_kernel_word {
    uint64_t value;
    char name[56]; /* "epoll fd 5, watching fd 7" */
} rhi_kernel_word;
typedef struct rhi_kernel_words {
    struct {
        rhi_kernel_word *items;
        uint64_t count, capacity;
    } words;
    char unseen[96]; /* what keeps words that nobody can see: "io_uring fd 7, …"; empty: nothing */
} rhi_kernel_words;
/* False if memory is short. */
bool rhi__read_kernel_words(int64_t pid, rhi_kernel_words *found);

/* Does some thread run under seccomp, strictly or with a filter? False also where that is unknown.
 */
bool rhi__is_sealed(int64_t pid);

#endif
