/* dwarf_walk.h - what the files that walk DWARF share: an open file and careful steps from DIE to
 * DIE.
 *
 * Invariant: no step leads backwards in the file, so that no walk over siblings goes round. */
#ifndef RHI_DWARF_WALK_H
#define RHI_DWARF_WALK_H

#include "program/extents.h"
#include "program/image.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

enum {
    RHI_NESTING_MAX = 64,
    RHI_PEEL_MAX = 64,
    RHI_DIMENSIONS_MAX = 8,
    RHI_PLACE_STEPS_MAX = 4096,
    RHI_DIES_MAX = 50000000
};

typedef struct rhi_dwarf rhi_dwarf;
struct rhi_dwarf {
    Dwarf *dwarf, *shared; /* shared: what dwz moved into a file for several, or NULL */
    rhi_extents variables, functions;
    bool functions_complete; /* where none is, there is none */
};

/* The next sibling, in the order of the file only: false at the end. */
bool rhi__die_next(Dwarf_Die *die);
/* "" if it has none. */
const char *rhi__die_name(Dwarf_Die *die);
bool rhi__die_number(Dwarf_Die *die, unsigned attribute, uint64_t *number);
bool rhi__die_is_struct(Dwarf_Die *die);
/* The type of a variable, a member, an element, or of what a pointer points to. */
bool rhi__die_type(Dwarf_Die *die, Dwarf_Die *type);
/* The type without typedefs and qualifiers. */
bool rhi__die_peel(Dwarf_Die *die);
/* Bytes of a value; 0 if unknown. */
uint64_t rhi__die_size(Dwarf_Die die);
/* Element counts of an array's dimensions; an open one counts 0. */
unsigned rhi__die_dimensions(Dwarf_Die *array, uint64_t counts[RHI_DIMENSIONS_MAX]);
/* A struct's member by name, looking into those without a name: its type and where it begins. */
bool rhi__die_member(Dwarf_Die owner, const char *name, size_t length, unsigned depth,
                     unsigned *steps, Dwarf_Die *type, uint64_t *offset);
/* Is it of a unit in C? */
bool rhi__die_is_c(Dwarf_Die *die);

/* The DIE that says what it is called and where it is declared, at the end of abstract origins and
 * specifications. */
Dwarf_Die rhi__die_declaration(Dwarf_Die die);
/* The name of a function or variable with the namespaces and classes that it is in,
 * "shop::order::total". Allocated, or NULL. */
char *rhi__die_scoped_name(Dwarf_Die *die);

/* The scoped name of a variable of no function, kept with it; its plain name, where memory is
 * short. */
const char *rhi__variable_scoped_name(rhi_dwarf *dwarf, const rhi_extent *variable);

/* DIEs are remembered by where they lie in our memory: that holds for split and type units too.
 * The key is 0 for a DIE of another file (dwz's shared debug info), which is not known here. */
uint64_t rhi__die_key(rhi_dwarf *dwarf, Dwarf_Die *die);
bool rhi__dwarf_die(rhi_dwarf *dwarf, uint64_t key, Dwarf_Die *die);
/* The next unit's DIE, that of the split unit where there is one. False: no more. */
bool rhi__dwarf_next_unit(rhi_dwarf *dwarf, Dwarf_CU **unit, uint8_t *kind, Dwarf_Die *die);

/* ---- in dwarf_names.c ---- */

/* The whole of a struct that is only declared here. */
bool rhi__die_complete(rhi_dwarf *dwarf, Dwarf_Die *die);

/* ---- in dwarf_split.c ---- */

/* Opens the files of split units, before libdw does so by name. False: a name could not be taken
 * from it, and nothing of this file may be asked. */
bool rhi__dwarf_open_split(rhi_dwarf *dwarf, rhi_image *image, const char *path);

#endif
