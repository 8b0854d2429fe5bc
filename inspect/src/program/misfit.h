/* misfit.h - files that should be the program, and are another one. */
#ifndef RHI_MISFIT_H
#define RHI_MISFIT_H

#include "target/memory.h"

/* A file that should be the program, and is another one by its build-id. */
typedef struct rhi_misfit {
    char path[256], id[20], program_id[20]; /* shortened */
    /* the file that names come from all the same; empty: they are missing */
    char names[256];
} rhi_misfit;

/* Is `path` a file with another build-id than that of everything that is mapped? NULL: what lies at
 * the program's own path. *is_mapped: it is what is mapped. */
bool rhi__is_misfit(rhi_memory *memory, const char *path, rhi_misfit *misfit, bool *is_mapped);
/* Is something there that may be read, and is no ELF file of 64 bits with sound headers? */
bool rhi__is_no_program(const char *path);

#endif
