/* symbols.h - the variables and functions of a target's modules, from ELF symbols and DWARF of
 * the files that are mapped.
 *
 * One naming for all doors: whatever debugger asks, a word of module data or of thread-local
 * memory gets the same name. Invariant: a file is believed only if it is the mapped one: its
 * build-id (or, where there is none, its program headers) equals that in the target's memory. With
 * the headers alone it may be another build: then each answer that has names of it says so, unless
 * the kernel tells that it is the file. */
#ifndef RHI_SYMBOLS_H
#define RHI_SYMBOLS_H

#include "base/notes.h"
#include "program/dwarf.h"
#include "program/misfit.h"
#include "program/returns.h"
#include "target/memory.h"

typedef struct rhi_symbols rhi_symbols;

/* Of this memory, once it is open; both outlive them. NULL if our own memory is short. */
rhi_symbols *rhi__symbols_new(rhi_memory *memory, rhi_work *work);
/* A command begins: `exe`, which outlives it, is the executable that its door names, or NULL. No
 * names were asked for yet. What is told by a file that could not be checked is remarked. */
void rhi__symbols_begin(rhi_symbols *symbols, const char *exe, rhi_notes *remarks);

/* The variable at an address of module data, or, thread_pointer not being 0, of that thread's
 * thread-local memory. False if nothing is known. */
bool rhi__symbols_variable(rhi_symbols *symbols, uint64_t address, uint64_t thread_pointer,
                           rhi_variable *variable);
/* The calls at an instruction, the innermost first; *count 0 if nothing is known of it. They live
 * until the next rhi__symbols_forget. */
const rhi_call *rhi__symbols_calls(rhi_symbols *symbols, uint64_t address, unsigned *count);
/* Does a return address lie behind a call? */
enum rhi_return rhi__symbols_return(rhi_symbols *symbols, uint64_t address);

/* A variable that a name means: where it lies, of a thread-local in one thread after the other. */
typedef struct rhi_named {
    uint64_t address, lwp; /* lwp 0: not thread-local */
    rhi_dwarf *dwarf;      /* where type is; NULL: known by the ELF symbol alone */
    uint64_t type;
} rhi_named;
/* All that "name", "function::name", "'file.c'::name" can mean, at most `max`: the text's
 * beginning, up to `length`. */
unsigned rhi__symbols_named(rhi_symbols *symbols, const char *text, size_t length, rhi_named *found,
                            unsigned max);
/* The type called so, by the debug info of any module: *dwarf and its key, or 0. */
uint64_t rhi__symbols_type(rhi_symbols *symbols, const char *name, rhi_dwarf **dwarf);
/* The first byte of the module whose file has this name (without folder); 0: there is none. */
uint64_t rhi__symbols_module(rhi_symbols *symbols, const char *name, size_t length);

/* Does a struct `type` begin with a struct `base`, by the debug info of any module? */
enum rhi_beginning rhi__symbols_beginning(rhi_symbols *symbols, const char *type, const char *base);

/* That of this target, or NULL: the executable that the user or the debugger named, or, where it
 * is none (a script, say) and names were asked for in this command, what lies at the program's own
 * path. Of what has no build-id it cannot be told. */
const rhi_misfit *rhi__symbols_misfit(rhi_symbols *symbols);

/* The target may have changed: each file must be seen to be the mapped one again. */
void rhi__symbols_forget(rhi_symbols *symbols);
void rhi__symbols_free(rhi_symbols *symbols);

#endif
