/* modules.h - the ELF modules of a target, read from its memory: no file on disk is needed. */
#ifndef RHI_MODULES_H
#define RHI_MODULES_H

#include "target/memory.h"

typedef struct rhi_segment {
    uint32_t type, flags; /* PT_*, PF_* */
    uint64_t start, end;  /* addresses in the target */
    uint64_t bias;        /* of the module: what is added to the addresses that its file names */
} rhi_segment;

enum rhi_segments { RHI_SEGMENTS_NO_MODULE, RHI_SEGMENTS_DONE, RHI_SEGMENTS_STOPPED };

/* Visits the program headers of the module whose first page is mapped at `start`, until the visitor
 * returns false. */
enum rhi_segments rhi__each_segment(rhi_memory *memory, uint64_t start,
                                    bool (*visit)(void *context, const rhi_segment *),
                                    void *context);

/* Where the module whose first page is mapped at `start` has what it exports by that name; false:
 * it exports none, or its tables cannot be read, as in cores without files. */
bool rhi__module_symbol(rhi_memory *memory, uint64_t start, const char *name, uint64_t *address);

/* "libfoo.so+0x4040": where in which module an address is, zeroed data behind its file included;
 * false where no module is. */
bool rhi__module_text(const rhi_memory *memory, uint64_t address, char *text, size_t size);

/* Is the region a mapping of a file on disk (a program, a library, data)? */
bool rhi__region_is_file(const rhi_region *region);

#endif
