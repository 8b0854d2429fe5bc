/* module.h - a module of the target, the file that it was mapped from, and that of its debug info.
 *
 * Invariant: a file is believed only if it is the mapped one (see symbols.h). */
#ifndef RHI_MODULE_H
#define RHI_MODULE_H

#include "program/dwarf.h"
#include "program/extents.h"
#include "program/image.h"
#include "target/memory.h"

typedef struct rhi_module {
    uint64_t start, bias;
    char *path; /* as the target's map has it */
    char *exe;  /* what --exe said when it was opened, or NULL */
    /* what a process runs, whatever lies at its path by now; empty: no process */
    char running[40];
    const char *file_path; /* of these three the one that is the file */
    rhi_image main, debug; /* debug: the file of its debug info, if that is another one */
    rhi_image shared;      /* what dwz moved out of that into a file for several */
    /* the user named the file, and nothing in memory can tell whether that is right */
    bool is_named;
    /* it has the same headers, and nothing more tells whether it is the file */
    bool is_unsure;
    bool is_checked, is_good, is_indexed;
    rhi_extents symbols, functions; /* addresses of the file */
    rhi_dwarf *dwarf;
} rhi_module;

/* The module whose first page is this region, with its file if that is to be had (is_good). `exe`:
 * the file that may be the program, or NULL. NULL: memory is short. */
rhi_module *rhi__module_open(rhi_memory *memory, const rhi_region *region, const char *exe);
void rhi__module_free(rhi_module *module);
/* The target may have changed: is the file still what is mapped there? */
bool rhi__module_is_good(rhi_memory *memory, const rhi_module *module);
/* Reads its symbols and its debug info: once, before they are asked. */
void rhi__module_index(rhi_module *module, rhi_work *work);
/* Does a segment of the module that is loaded cover this address of its file? */
bool rhi__module_covers(const rhi_module *module, uint64_t address);

/* The file that a process runs: /proc/PID/exe; "": there is no process. */
void rhi__running_file(const rhi_memory *memory, char *path, size_t size);
/* Without its folder. */
const char *rhi__base_name(const char *path);

#endif
