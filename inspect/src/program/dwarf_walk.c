/* dwarf_walk.c - careful steps from DIE to DIE (see dwarf_walk.h).
 *
 * Invariant: every walk counts its steps against a bound of its own, because a damaged file may
 * name itself as its type, its sibling or its child. libdw checks single reads, not walks. */
#include "program/dwarf_walk.h"

#include <stdio.h>
#include <string.h>

enum { SCOPE_STEPS_MAX = 1 << 20, NAME_SIZE = 512 };

bool rhi__dwarf_die(rhi_dwarf *d, uint64_t number, Dwarf_Die *die)
{
    return dwarf_die_addr_die(d->dwarf, (void *)(uintptr_t)number, die) != NULL;
}

uint64_t rhi__die_key(rhi_dwarf *d, Dwarf_Die *die)
{
    Dwarf_Die again;
    uint64_t number = (uintptr_t)die->addr;
    return rhi__dwarf_die(d, number, &again) ? number : 0;
}

bool rhi__dwarf_next_unit(rhi_dwarf *d, Dwarf_CU **unit, uint8_t *kind, Dwarf_Die *die)
{
    Dwarf_Die whole, split;
    if (dwarf_get_units(d->dwarf, *unit, unit, NULL, kind, &whole, &split) != 0)
        return false;
    *die = *kind == DW_UT_skeleton && dwarf_tag(&split) != DW_TAG_invalid ? split : whole;
    return true;
}

/* ---- DIEs, values, types ----------------------------------------------------------------------
 */

bool rhi__die_type(Dwarf_Die *die, Dwarf_Die *type)
{
    Dwarf_Attribute attribute;
    return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attribute), type) != NULL;
}

const char *rhi__die_name(Dwarf_Die *die)
{
    Dwarf_Attribute attribute;
    const char *name = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_name, &attribute));
    return name ? name : "";
}

bool rhi__die_number(Dwarf_Die *die, unsigned name, uint64_t *number)
{
    Dwarf_Attribute attribute;
    Dwarf_Word word;
    if (dwarf_formudata(dwarf_attr_integrate(die, name, &attribute), &word) != 0)
        return false;
    *number = word;
    return true;
}

bool rhi__die_peel(Dwarf_Die *die)
{
    for (int i = 0; i < RHI_PEEL_MAX; i++) {
        switch (dwarf_tag(die)) {
        case DW_TAG_typedef:
        case DW_TAG_const_type:
        case DW_TAG_volatile_type:
        case DW_TAG_restrict_type:
        case DW_TAG_atomic_type:
            if (!rhi__die_type(die, die))
                return false;
            break;
        case DW_TAG_invalid:
            return false;
        default:
            return true;
        }
    }
    return false;
}

bool rhi__die_is_struct(Dwarf_Die *die)
{
    int tag = dwarf_tag(die);
    return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

bool rhi__die_next(Dwarf_Die *die)
{
    Dwarf_Die next;
    if (dwarf_siblingof(die, &next) != 0 || (uintptr_t)next.addr <= (uintptr_t)die->addr)
        return false;
    *die = next;
    return true;
}

unsigned rhi__die_dimensions(Dwarf_Die *array, uint64_t counts[RHI_DIMENSIONS_MAX])
{
    Dwarf_Die child;
    unsigned count = 0;
    if (dwarf_child(array, &child) != 0)
        return 0;
    do {
        uint64_t bound;
        if (dwarf_tag(&child) != DW_TAG_subrange_type)
            continue;
        if (rhi__die_number(&child, DW_AT_count, &bound))
            counts[count++] = bound;
        else
            counts[count++] = rhi__die_number(&child, DW_AT_upper_bound, &bound) ? bound + 1 : 0;
    } while (count < RHI_DIMENSIONS_MAX && rhi__die_next(&child));
    return count;
}

uint64_t rhi__die_size(Dwarf_Die die)
{
    uint64_t size, factor = 1, counts[RHI_DIMENSIONS_MAX];
    for (int i = 0; i < RHI_PEEL_MAX && rhi__die_peel(&die); i++) {
        if (rhi__die_number(&die, DW_AT_byte_size, &size))
            return __builtin_mul_overflow(size, factor, &size) ? 0 : size;
        if (dwarf_tag(&die) == DW_TAG_pointer_type)
            return __builtin_mul_overflow(8, factor, &size) ? 0 : size;
        if (dwarf_tag(&die) != DW_TAG_array_type)
            return 0;
        for (unsigned d = rhi__die_dimensions(&die, counts); d-- > 0;)
            if (__builtin_mul_overflow(factor, counts[d], &factor))
                return 0;
        if (!rhi__die_type(&die, &die))
            return 0;
    }
    return 0;
}

bool rhi__die_is_c(Dwarf_Die *die)
{
    Dwarf_Die unit;
    switch (dwarf_diecu(die, &unit, NULL, NULL) ? dwarf_srclang(&unit) : -1) {
    case DW_LANG_C:
    case DW_LANG_C89:
    case DW_LANG_C99:
    case DW_LANG_C11:
        return true;
    default:
        return false;
    }
}

/* ---- names ---------------------------------------------------------------------------------- */

Dwarf_Die rhi__die_declaration(Dwarf_Die die)
{
    Dwarf_Attribute attribute;
    for (int i = 0; i < RHI_NESTING_MAX; i++) {
        Dwarf_Die next;
        if (!dwarf_formref_die(dwarf_attr(&die, DW_AT_abstract_origin, &attribute), &next) &&
            !dwarf_formref_die(dwarf_attr(&die, DW_AT_specification, &attribute), &next))
            break;
        die = next;
    }
    return die;
}

/* The child that the DIE is in, or is; its siblings lie behind one another. */
static bool child_around(Dwarf_Die *owner, const Dwarf_Die *die, unsigned *steps, Dwarf_Die *child)
{
    Dwarf_Die next;
    if ((uintptr_t)owner->addr >= (uintptr_t)die->addr || dwarf_child(owner, child) != 0)
        return false;
    for (next = *child;
         rhi__die_next(&next) && (uintptr_t)next.addr <= (uintptr_t)die->addr && *steps > 0;
         --*steps)
        *child = next;
    return *steps > 0;
}

char *rhi__die_scoped_name(Dwarf_Die *named)
{
    char text[NAME_SIZE];
    Dwarf_Die die = rhi__die_declaration(*named), scope;
    unsigned steps = SCOPE_STEPS_MAX;
    size_t used = 0;
    const char *name = rhi__die_name(&die);
    if (rhi__die_is_c(&die) || !*name || !dwarf_diecu(&die, &scope, NULL, NULL))
        return *name ? strdup(name) : NULL;
    for (int i = 0; i < RHI_NESTING_MAX && child_around(&scope, &die, &steps, &scope) &&
                    scope.addr != die.addr;
         i++) {
        int tag = dwarf_tag(&scope);
        bool is_namespace = tag == DW_TAG_namespace;
        const char *part = rhi__die_name(&scope);
        if (is_namespace && !*part)
            part = "(anonymous namespace)";
        if ((is_namespace || rhi__die_is_struct(&scope)) && *part && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s::", part);
    }
    if (used < sizeof text)
        snprintf(text + used, sizeof text - used, "%s", name);
    return strdup(text);
}

const char *rhi__variable_scoped_name(rhi_dwarf *d, const rhi_extent *variable)
{
    rhi_extent *v = &d->variables.items[variable - d->variables.items];
    Dwarf_Die die;
    if (!v->scoped && rhi__dwarf_die(d, v->die, &die))
        v->scoped = rhi__die_scoped_name(&die);
    return v->scoped && *v->scoped ? v->scoped : v->name;
}

/* ---- members by name ------------------------------------------------------------------------ */

bool rhi__die_member(Dwarf_Die owner, const char *name, size_t length, unsigned depth,
                     unsigned *steps, Dwarf_Die *type, uint64_t *offset)
{
    Dwarf_Die member, inner;
    if (depth >= RHI_NESTING_MAX || !rhi__die_peel(&owner) || !rhi__die_is_struct(&owner) ||
        dwarf_child(&owner, &member) != 0)
        return false;
    do {
        if (*steps == 0 || --*steps == 0)
            return false;
        int tag = dwarf_tag(&member);
        uint64_t start = 0, within = 0;
        if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || !rhi__die_type(&member, &inner))
            continue;
        const char *found = tag == DW_TAG_member ? rhi__die_name(&member) : "";
        if (*found ? strlen(found) == length && memcmp(found, name, length) == 0
                   : rhi__die_member(inner, name, length, depth + 1, steps, type, &within)) {
            if (*found)
                *type = inner;
            rhi__die_number(&member, DW_AT_data_member_location, &start);
            *offset = start + within;
            return true;
        }
    } while (rhi__die_next(&member));
    return false;
}
