/* dwarf_calls.c - the functions and lines of an instruction, with those that were inlined there
 * (see dwarf.h).
 *
 * Invariant: a function and a line of one row are of one level. The line table tells where the
 * innermost level is; where each other one is, the DIE of the call that was inlined into it
 * tells. */
#include "program/dwarf.h"
#include "program/dwarf_walk.h"

#include <string.h>

enum { SCOPE_STEPS_MAX = 1 << 20 };

/* ---- files ---------------------------------------------------------------------------------- */

/* The file that an attribute of the DIE counts in its unit's table, or NULL. (dwarf_decl_file
 * asserts that there is one.) */
static const char *file_of(Dwarf_Die *die, unsigned attribute)
{
    uint64_t number;
    Dwarf_Die unit;
    Dwarf_Files *files;
    size_t count;
    if (!rhi__die_number(die, attribute, &number) || !dwarf_diecu(die, &unit, NULL, NULL) ||
        dwarf_getsrcfiles(&unit, &files, &count) != 0 || number >= count)
        return NULL;
    return dwarf_filesrc(files, number, NULL, NULL);
}

/* Is it one of the functions that <refheap/....h> give to a program? Where debug info has no
 * declarations (-gmlt), the file of its line tells. */
static bool is_of_header(Dwarf_Die *function, const char *file_of_line)
{
    Dwarf_Die die = rhi__die_declaration(*function);
    const char *file =
        strncmp(rhi__die_name(&die), "rh_", 3) == 0 ? file_of(&die, DW_AT_decl_file) : "";
    file = file ? file : file_of_line;
    const char *slash = file ? strrchr(file, '/') : NULL, folder[] = "/refheap";
    size_t length = slash ? (size_t)(slash - file) : 0, end = strlen(folder);
    return length >= end && memcmp(slash - end, folder, end) == 0 &&
           strcmp(file + strlen(file) - 2, ".h") == 0;
}

/* ---- levels --------------------------------------------------------------------------------- */

/* The function, and what was inlined around an instruction of it, the outermost first. 0: not
 * known. */
static unsigned levels_at(rhi_dwarf *d, const rhi_extent *function, uint64_t address,
                          Dwarf_Die levels[RHI_CALLS_MAX])
{
    unsigned count = 1, steps = SCOPE_STEPS_MAX;
    Dwarf_Die scope, child;
    if (!rhi__dwarf_die(d, function->die, &levels[0]))
        return 0;
    scope = levels[0];
    for (bool more = dwarf_child(&scope, &child) == 0; more;) {
        int tag = dwarf_tag(&child);
        bool is_inlined = tag == DW_TAG_inlined_subroutine,
             is_block = tag == DW_TAG_lexical_block || tag == DW_TAG_try_block ||
                        tag == DW_TAG_catch_block;
        if (steps-- == 0 || (is_inlined && count == RHI_CALLS_MAX))
            return 0; /* half a truth would pair a function with another one's line */
        if ((is_inlined || is_block) && dwarf_haspc(&child, address) == 1) {
            scope = child;
            if (is_inlined)
                levels[count++] = child;
            more = dwarf_child(&scope, &child) == 0;
        } else {
            more = rhi__die_next(&child);
        }
    }
    return count;
}

typedef struct line {
    const char *file;
    int number;
} line; /* file NULL: not known */

static line line_at(Dwarf_Die *die, uint64_t address)
{
    Dwarf_Die unit;
    line found = {.file = NULL};
    Dwarf_Line *row = dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_getsrc_die(&unit, address) : NULL;
    if (row && dwarf_lineno(row, &found.number) == 0 && found.number > 0)
        found.file = dwarf_linesrc(row, NULL, NULL);
    return found;
}

/* Where the call that was inlined as this DIE stands. */
static line line_of_call(Dwarf_Die *inlined)
{
    uint64_t number;
    if (!rhi__die_number(inlined, DW_AT_call_line, &number) || number == 0 || number > INT32_MAX)
        return (line){.file = NULL};
    return (line){.file = file_of(inlined, DW_AT_call_file), .number = (int)number};
}

/* Assemblers write lines and no functions; compilers that are to write lines alone (-gmlt), only
 * functions that something was inlined into. (Of a unit whose functions are in a file that is
 * missing, nothing is known.) */
static unsigned without_function(rhi_dwarf *d, uint64_t address, rhi_call *call)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint8_t kind;
    bool found = false;
    while (!found && dwarf_get_units(d->dwarf, unit, &unit, NULL, &kind, &die, NULL) == 0)
        found = kind == DW_UT_compile && dwarf_haspc(&die, address) == 1;
    if (!found)
        return 0;
    line here = line_at(&die, address);
    *call = (rhi_call){.file = here.file, .line = here.number};
    return here.file != NULL;
}

unsigned rhi__dwarf_calls(rhi_dwarf *d, uint64_t address, rhi_call calls[RHI_CALLS_MAX])
{
    Dwarf_Die levels[RHI_CALLS_MAX];
    const rhi_extent *function = rhi__extents_find(&d->functions, address);
    unsigned count = function ? levels_at(d, function, address, levels) : 0;
    if (!function && d->functions_complete)
        return without_function(d, address, &calls[0]);
    if (count == 0)
        return 0;
    line here = line_at(&levels[0], address);
    for (unsigned i = 0; i < count; i++) {
        Dwarf_Die *die = &levels[count - 1 - i];
        calls[i] = (rhi_call){.name = rhi__die_scoped_name(die),
                              .file = here.file,
                              .line = here.number,
                              .is_inlined = i + 1 < count,
                              .is_of_header = is_of_header(die, here.file)};
        if (calls[i].is_inlined)
            here = line_of_call(die);
    }
    return count;
}
