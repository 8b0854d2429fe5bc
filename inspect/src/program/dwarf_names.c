/* dwarf_names.c - variables by name, and what leads from a value to the next (see dwarf.h). */
#include "program/dwarf.h"
#include "program/dwarf_walk.h"

#include <string.h>

static bool is_text(const char *found, const rhi_text *text)
{
    return strlen(found) == text->length && memcmp(found, text->at, text->length) == 0;
}

/* Is the DIE in the unit of this source file, named in full or by its end? */
static bool is_of_file(Dwarf_Die *die, const rhi_text *file)
{
    Dwarf_Die unit;
    const char *name = dwarf_diecu(die, &unit, NULL, NULL) ? rhi__die_name(&unit) : "";
    size_t length = strlen(name);
    return length >= file->length &&
           memcmp(name + length - file->length, file->at, file->length) == 0 &&
           (length == file->length || name[length - file->length - 1] == '/');
}

static bool is_called(rhi_dwarf *d, const rhi_extent *v, const rhi_text *name,
                      const rhi_text *owner, bool anywhere)
{
    if (!is_text(v->name, name))
        return false;
    if (anywhere && !owner)
        return true;
    if (v->function)
        return owner && is_text(v->function, owner);
    const char *scoped = rhi__variable_scoped_name(d, v);
    return strlen(scoped) == (owner ? owner->length + 2 : 0) + name->length &&
           (!owner || memcmp(scoped, owner->at, owner->length) == 0);
}

bool rhi__dwarf_named(rhi_dwarf *d, const rhi_text *name, const rhi_text *owner,
                      const rhi_text *file, bool anywhere, unsigned n, uint64_t *address,
                      uint64_t *type)
{
    for (uint64_t i = 0; i < d->variables.count; i++) {
        const rhi_extent *v = &d->variables.items[i];
        Dwarf_Die die, found;
        if (!is_called(d, v, name, owner, anywhere) || !rhi__dwarf_die(d, v->die, &die) ||
            (file && !is_of_file(&die, file)) || n-- > 0)
            continue;
        *address = v->address;
        *type = rhi__die_type(&die, &found) ? rhi__die_key(d, &found) : 0;
        return true;
    }
    return false;
}

static void shape_array(rhi_dwarf *d, Dwarf_Die *array, unsigned taken, rhi_shape *shape)
{
    uint64_t counts[RHI_DIMENSIONS_MAX];
    Dwarf_Die element;
    unsigned count = rhi__die_dimensions(array, counts);
    shape->kind = RHI_SHAPE_ARRAY;
    if (taken >= count || !rhi__die_type(array, &element))
        return;
    shape->target = rhi__die_key(d, &element);
    shape->dimensions = count - taken;
    shape->size = rhi__die_size(element);
    for (unsigned i = taken + 1; i < count; i++)
        if (__builtin_mul_overflow(shape->size, counts[i], &shape->size))
            shape->size = 0;
}

bool rhi__dwarf_shape(rhi_dwarf *d, uint64_t type, unsigned taken, rhi_shape *shape)
{
    Dwarf_Die die, target;
    if (!rhi__dwarf_die(d, type, &die) || !rhi__die_peel(&die))
        return false;
    *shape = (rhi_shape){.kind = RHI_SHAPE_NUMBER};
    int tag = dwarf_tag(&die);
    if (tag == DW_TAG_array_type) {
        shape_array(d, &die, taken, shape);
    } else if (rhi__die_is_struct(&die) || tag == DW_TAG_subroutine_type) {
        shape->kind = RHI_SHAPE_STRUCT;
    } else {
        bool is_pointer = tag == DW_TAG_pointer_type || tag == DW_TAG_reference_type ||
                          tag == DW_TAG_rvalue_reference_type;
        shape->kind = is_pointer ? RHI_SHAPE_POINTER : RHI_SHAPE_NUMBER;
        shape->size = is_pointer ? 8 : rhi__die_size(die);
        shape->target = is_pointer && rhi__die_type(&die, &target) ? rhi__die_key(d, &target) : 0;
    }
    return true;
}

uint64_t rhi__dwarf_size(rhi_dwarf *d, uint64_t type)
{
    Dwarf_Die die;
    return rhi__dwarf_die(d, type, &die) ? rhi__die_size(die) : 0;
}

bool rhi__dwarf_member(rhi_dwarf *d, uint64_t *type, const rhi_text *name, uint64_t *offset)
{
    Dwarf_Die die;
    unsigned steps = RHI_PLACE_STEPS_MAX;
    if (!rhi__dwarf_die(d, *type, &die) || !rhi__die_complete(d, &die) ||
        !rhi__die_member(die, name->at, name->length, 0, &steps, &die, offset))
        return false;
    *type = rhi__die_key(d, &die);
    return true;
}

/* ---- types by name -------------------------------------------------------------------------- */

uint64_t rhi__dwarf_type(rhi_dwarf *d, const char *name, bool *found_struct)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint64_t structure = 0, seen = 0;
    uint8_t kind;
    *found_struct = false;
    while (rhi__dwarf_next_unit(d, &unit, &kind, &die)) {
        if (dwarf_child(&die, &die) != 0)
            continue;
        do {
            int tag = dwarf_tag(&die);
            if (++seen > RHI_DIES_MAX)
                return structure;
            if ((tag != DW_TAG_typedef && tag != DW_TAG_structure_type) ||
                strcmp(rhi__die_name(&die), name) != 0 || dwarf_hasattr(&die, DW_AT_declaration))
                continue;
            uint64_t number = rhi__die_key(d, &die);
            if (tag == DW_TAG_typedef && number)
                return *found_struct = false, number;
            structure = number;
            *found_struct = structure != 0;
        } while (rhi__die_next(&die));
    }
    return structure;
}

bool rhi__die_complete(rhi_dwarf *d, Dwarf_Die *die)
{
    bool found_struct;
    uint64_t number;
    if (!rhi__die_peel(die) || !rhi__die_is_struct(die))
        return false;
    if (!dwarf_hasattr(die, DW_AT_declaration))
        return true;
    number = rhi__dwarf_type(d, rhi__die_name(die), &found_struct);
    return number && rhi__dwarf_die(d, number, die) && rhi__die_peel(die);
}
