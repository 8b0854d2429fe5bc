/* symbols.h - the variables and functions of a target's modules, from ELF symbols and DWARF of
 * the files that are mapped.
 *
 * One naming for all doors: whatever debugger asks, a word of module data or of thread-local
 * memory gets the same name. Invariant: a file is believed only if it is the mapped one: its
 * build-id (or, where there is none, its program headers) equals that in the target's memory. */
#ifndef RHI_SYMBOLS_H
#define RHI_SYMBOLS_H

#include "session/session.h"

enum { RHI_VARIABLE_SIZE = 192, RHI_OWNER_SIZE = 96 };

/* A variable that debug info names, and the place in it where a word lies. */
typedef struct rhi_variable {
    /* "registry.slots[3]": as one writes it where the variable is in scope */
    char text[RHI_VARIABLE_SIZE];
    char function[RHI_OWNER_SIZE]; /* that a local or a static belongs to, or "" */
    char type[RHI_OWNER_SIZE];     /* of the place: "struct node *", or "" */
    uint32_t frame;                /* of a local */
    bool is_local;
    /* where type_die is; NULL: unknown; lives as long as the session's symbols */
    struct rhi_dwarf *dwarf;
    uint64_t type_die;
} rhi_variable;

/* The variable at an address of module data, or, thread_pointer not being 0, of that thread's
 * thread-local memory. False if nothing is known. */
bool rhi__symbols_variable(rhi_session *session, uint64_t address, uint64_t thread_pointer,
                           rhi_variable *variable);
/* A function at an instruction, and the line in it that is being executed: both of one level of
 * inlining. */
enum { RHI_CALLS_MAX = 64 };
typedef struct rhi_call {
    char *name;
    const char *file; /* NULL if the line is not known */
    uint64_t offset;  /* of the instruction in the function's symbol; 0: not known */
    int line;
    bool is_inlined;   /* into the next call */
    bool is_of_header; /* a function of refheap's own headers: no line of the user's */
} rhi_call;
/* The calls at an instruction, the innermost first; *count 0 if nothing is known of it. They live
 * until the next rhi__symbols_forget. */
const rhi_call *rhi__symbols_calls(rhi_session *session, uint64_t address, unsigned *count);

/* A variable that a name means: where it lies, of a thread-local in one thread after the other. */
typedef struct rhi_named {
    uint64_t address, lwp;   /* lwp 0: not thread-local */
    struct rhi_dwarf *dwarf; /* where type is; NULL: known by the ELF symbol alone */
    uint64_t type;
} rhi_named;
/* All that "name", "function::name", "'file.c'::name" can mean, at most `max`: the text's
 * beginning, up to `length`. */
unsigned rhi__symbols_named(rhi_session *session, const char *text, size_t length, rhi_named *found,
                            unsigned max);
/* The type called so, by the debug info of any module: *dwarf and its key, or 0. */
uint64_t rhi__symbols_type(rhi_session *session, const char *name, struct rhi_dwarf **dwarf);
/* The first byte of the module whose file has this name (without folder); 0: there is none. */
uint64_t rhi__symbols_module(rhi_session *session, const char *name, size_t length);

/* Does a struct `type` begin with a struct `base`, by the debug info of any module? */
bool rhi__symbols_begins_with(rhi_session *session, const char *type, const char *base);

/* A file that should be the program, and is another one by its build-id. */
typedef struct rhi_misfit {
    char path[256], id[20], program_id[20]; /* shortened */
    /* the file that names come from all the same; empty: they are missing */
    char names[256];
} rhi_misfit;
/* That of this target, or NULL: the executable that the user or the debugger named, or, where it
 * is none (a script, say) and names were asked for in this answer, what lies at the program's own
 * path. Of what has no build-id nothing is said. */
const rhi_misfit *rhi__symbols_misfit(rhi_session *session);

/* The target may have changed: each file must be seen to be the mapped one again. */
void rhi__symbols_forget(rhi_symbols *symbols);
void rhi__symbols_free(rhi_symbols *symbols);

#endif
