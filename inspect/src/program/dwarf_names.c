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

typedef struct type_walk {
    rhi_dwarf *d;
    Dwarf_CU *unit;
    Dwarf_Die die; /* the type */
    bool is_in_unit;
    uint64_t seen; /* more than RHI_DIES_MAX: not all were looked at */
} type_walk;

static bool next_die(type_walk *w)
{
    uint8_t kind;
    if (w->is_in_unit && rhi__die_next(&w->die))
        return true;
    do {
        if (!rhi__dwarf_next_unit(w->d, &w->unit, &kind, &w->die))
            return w->is_in_unit = false;
    } while (dwarf_child(&w->die, &w->die) != 0);
    return w->is_in_unit = true;
}

/* The next type in no namespace that is called so, and not only declared. */
static bool next_type(type_walk *w, const char *name)
{
    while (next_die(w) && ++w->seen <= RHI_DIES_MAX) {
        int tag = dwarf_tag(&w->die);
        if ((tag == DW_TAG_typedef || tag == DW_TAG_structure_type || tag == DW_TAG_class_type) &&
            strcmp(rhi__die_name(&w->die), name) == 0 && !dwarf_hasattr(&w->die, DW_AT_declaration))
            return true;
    }
    return false;
}

uint64_t rhi__dwarf_type(rhi_dwarf *d, const char *name, bool *found_struct)
{
    type_walk walk = {.d = d};
    uint64_t structure = 0;
    *found_struct = false;
    while (next_type(&walk, name)) {
        int tag = dwarf_tag(&walk.die);
        uint64_t number = tag != DW_TAG_class_type ? rhi__die_key(d, &walk.die) : 0;
        if (tag == DW_TAG_typedef && number)
            return *found_struct = false, number;
        if (tag == DW_TAG_structure_type) {
            structure = number;
            *found_struct = structure != 0;
        }
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

static bool is_called_so(Dwarf_Die type, const char *name)
{
    for (int i = 0; i < RHI_PEEL_MAX; i++) {
        if (strcmp(rhi__die_name(&type), name) == 0)
            return true;
        if (rhi__die_is_struct(&type) || !rhi__die_type(&type, &type))
            break;
    }
    return false;
}

/* What lies where a struct begins, in it and in what begins it: of a union, and of a class with
 * empty bases, that may be more than one. */
typedef struct starts {
    Dwarf_Die waiting[RHI_NESTING_MAX]; /* types that were not looked into */
    unsigned count, looked_into, steps;
    bool any, is_unsure;
} starts;

static bool is_at_start(starts *s, Dwarf_Die *member)
{
    uint64_t start = 0;
    int tag = dwarf_tag(member);
    bool is_static = dwarf_hasattr(member, DW_AT_external) ||
                     dwarf_hasattr(member, DW_AT_declaration); /* as DWARF 4 has it */
    if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || is_static)
        return false;
    /* a virtual base is where the object says */
    if (!rhi__die_number(member, DW_AT_data_member_location, &start))
        s->is_unsure |= dwarf_hasattr(member, DW_AT_data_member_location) != 0;
    return start == 0;
}

/* Is one of these called so? Otherwise their types wait. */
static bool look_into(starts *s, Dwarf_Die structure, const char *base)
{
    Dwarf_Die member, type;
    for (bool any = dwarf_child(&structure, &member) == 0; any; any = rhi__die_next(&member)) {
        bool has_room = ++s->steps <= RHI_PLACE_STEPS_MAX && s->count < RHI_NESTING_MAX;
        if (has_room && !is_at_start(s, &member))
            continue;
        if (!has_room || !rhi__die_type(&member, &type)) {
            s->is_unsure = true;
            return false;
        }
        if (is_called_so(type, base))
            return true;
        s->any = true;
        s->waiting[s->count++] = type;
    }
    return false;
}

static enum rhi_beginning beginning_of(rhi_dwarf *d, Dwarf_Die die, const char *base)
{
    starts s = {.waiting = {die}, .count = 1};
    while (s.count && s.looked_into++ < RHI_NESTING_MAX) {
        Dwarf_Die each = s.waiting[--s.count];
        if (!rhi__die_complete(d, &each))
            s.is_unsure |= !rhi__die_peel(&each) || rhi__die_is_struct(&each);
        else if (look_into(&s, each, base))
            return RHI_BEGINS_WITH;
    }
    return s.any && !s.count && !s.is_unsure ? RHI_BEGINS_OTHERWISE : RHI_BEGINS_UNKNOWN;
}

enum rhi_beginning rhi__dwarf_beginning(rhi_dwarf *d, const char *type, const char *base)
{
    type_walk walk = {.d = d};
    unsigned found = 0, otherwise = 0;
    while (next_type(&walk, type)) {
        enum rhi_beginning each = beginning_of(d, walk.die, base);
        if (each == RHI_BEGINS_WITH)
            return each;
        found++;
        otherwise += each == RHI_BEGINS_OTHERWISE;
    }
    return found && found == otherwise && walk.seen <= RHI_DIES_MAX ? RHI_BEGINS_OTHERWISE
                                                                    : RHI_BEGINS_UNKNOWN;
}
