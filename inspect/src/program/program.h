/* program.h - the data of a program's modules and the blocks of its malloc: what all who look at
 * its memory share.
 * Invariant: `data` lies in mappings; pieces of it may overlap where headers are damaged. */
#ifndef RHI_PROGRAM_H
#define RHI_PROGRAM_H

#include "program/malloc.h"

typedef struct rhi_program {
    /* writable data of modules that is mapped: what their headers call so; and file mappings of
     * modules whose headers are not there. The .bss of those is told from other memory by
     * nothing. */
    struct {
        rhi_range *items;
        uint64_t count, capacity;
    } data;
    /* the same as headers have it */
    struct {
        rhi_range *items;
        uint64_t count, capacity;
    } segments;
    uint64_t tls_bytes; /* that the modules' thread-local variables have at most, for each thread */
    bool is_cut;        /* there are more modules than are told from other memory */
    bool is_short;      /* of our own memory */
    rhi_malloc malloc;
} rhi_program;

rhi_error *rhi__program_open(rhi_work *work, rhi_memory *memory, rhi_program **program);
void rhi__program_close(rhi_program *program);
/* Does a header call some of the region module data? */
bool rhi__has_header(const rhi_program *program, const rhi_region *region);

#endif
