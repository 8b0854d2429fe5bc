/* dwarf.h - the variables and the code of one file by DWARF: an index by address, places
 * inside of variables, their types; the functions and lines of an instruction.
 * Offered by dwarf.c, dwarf_calls.c and dwarf_names.c.
 *
 * The file is untrusted: chains of types, siblings and nesting are followed for a bounded number
 * of steps, and what is out of bounds is simply not known. Addresses are those of the file
 * (without load bias). */
#ifndef RHI_DWARF_H
#define RHI_DWARF_H

#include "program/extents.h"
#include "program/image.h"
#include "base/work.h"

typedef struct rhi_dwarf rhi_dwarf;

#define RHI_ANONYMOUS "(anonymous namespace)::" /* as debuggers write it */

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
    rhi_dwarf *dwarf;
    uint64_t type_die;
} rhi_variable;

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

/* Indexes the variables and functions of a loaded file. `path`: where it lies; `shared`: the file
 * that dwz made for several, or NULL. NULL if it has no debug info, or memory is short, or the
 * user interrupted. Both images outlive it. */
rhi_dwarf *rhi__dwarf_open(rhi_work *work, rhi_image *image, const char *path,
                           const rhi_image *shared);
void rhi__dwarf_free(rhi_dwarf *dwarf);
/* Fills text, function, type and type_die. */
bool rhi__dwarf_variable(rhi_dwarf *dwarf, uint64_t address, rhi_variable *variable);

/* What `value->PATH` is, the value being of type *die (a pointer, or the struct itself) and PATH
 * like "next", "items[3]", "entries[2].key": *die becomes the type of that. False if there is no
 * such member. */
bool rhi__dwarf_follow(rhi_dwarf *dwarf, uint64_t *die, const char *path);
/* The type called `name`: a typedef, else a struct. 0 if there is none. */
uint64_t rhi__dwarf_type(rhi_dwarf *dwarf, const char *name, bool *is_struct);
/* Is `base` the type of what lies where `type` begins, or of what lies where that begins, and so
 * on? Of several types of one name, the answer is yes if it is so of one. */
enum rhi_beginning {
    RHI_BEGINS_UNKNOWN, /* no type is called so, or not all of it is there */
    RHI_BEGINS_OTHERWISE,
    RHI_BEGINS_WITH
};
enum rhi_beginning rhi__dwarf_beginning(rhi_dwarf *dwarf, const char *type, const char *base);
/* The calls at an instruction, the innermost first: functions that were inlined there, and last
 * the function that it is in; each with the line that is being executed in it. Returns how many;
 * 0 if nothing is known. The names are the caller's to free. */
unsigned rhi__dwarf_calls(rhi_dwarf *dwarf, uint64_t address, rhi_call calls[RHI_CALLS_MAX]);

/* ---- by name: dwarf_names.c ---- */

/* Variable number `n` of those called `name`, in the function, namespace or class `owner`, or, if
 * that is NULL, in none; `anywhere`: in any of them. And of the unit of a source file, if `file`
 * is not NULL. False: there are no more. *type: 0 if that is not known. */
typedef struct rhi_text {
    const char *at;
    size_t length;
} rhi_text;
bool rhi__dwarf_named(rhi_dwarf *dwarf, const rhi_text *name, const rhi_text *owner,
                      const rhi_text *file, bool anywhere, unsigned n, uint64_t *address,
                      uint64_t *type);
/* What values of a type are for an expression. */
typedef struct rhi_shape {
    enum { RHI_SHAPE_NUMBER, RHI_SHAPE_POINTER, RHI_SHAPE_ARRAY, RHI_SHAPE_STRUCT } kind;
    /* bytes, 0: unknown; of an array those of one row of its outermost dimension not yet taken */
    uint64_t size;
    /* what a pointer points to, what an array has: a type; 0: unknown, as behind void * */
    uint64_t target;
    unsigned dimensions; /* of an array: how many are left */
} rhi_shape;
/* `taken`: how many dimensions of an array have been followed already. */
bool rhi__dwarf_shape(rhi_dwarf *dwarf, uint64_t type, unsigned taken, rhi_shape *shape);
uint64_t rhi__dwarf_size(rhi_dwarf *dwarf, uint64_t type); /* 0: unknown */
/* A member of a struct: *type becomes its type. */
bool rhi__dwarf_member(rhi_dwarf *dwarf, uint64_t *type, const rhi_text *name, uint64_t *offset);

#endif
