/* dwarf.c - variables, places and types of one file (see dwarf.h).
 *
 * Invariant: every walk over DIEs counts its steps against a bound of its own (dwarf_walk.c says
 * why). */
#include "program/dwarf.h"
#include "base/array.h"
#include "program/dwarf_walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { POLL_DIES = 4096, RANGES_MAX = 64 };

/* ---- types ---------------------------------------------------------------------------------- */

static bool is_pointer(Dwarf_Die die)
{
    return rhi__die_peel(&die) && dwarf_tag(&die) == DW_TAG_pointer_type;
}

/* "struct node *", "const char *", "node [4]": as debuggers spell it. */
static void type_text(Dwarf_Die die, char *text, size_t size)
{
    char behind[32] = "";
    size_t at = sizeof behind - 1; /* the text behind grows to the left */
    const char *before = "", *name = NULL;
    for (int i = 0; !name && i < RHI_PEEL_MAX; i++) {
        int is = dwarf_tag(&die);
        const char *mark = is == DW_TAG_pointer_type ? "*" : is == DW_TAG_array_type ? "[]" : "";
        if (is == DW_TAG_const_type)
            before = "const ";
        else if (is == DW_TAG_subroutine_type)
            name = "function";
        else if (!*mark && is != DW_TAG_volatile_type && is != DW_TAG_restrict_type &&
                 is != DW_TAG_atomic_type)
            name = rhi__die_name(&die);
        if (at < strlen(mark) + 1)
            return;
        at -= strlen(mark);
        memcpy(behind + at, mark, strlen(mark));
        if (!name && !rhi__die_type(&die, &die))
            name = "void";
    }
    if (!name)
        return;
    int tag = rhi__die_is_c(&die) ? dwarf_tag(&die) : DW_TAG_invalid;
    const char *word = tag == DW_TAG_structure_type     ? "struct "
                       : tag == DW_TAG_union_type       ? "union "
                       : tag == DW_TAG_enumeration_type ? "enum "
                                                        : "";
    int length = (int)(sizeof behind - 1 - at);
    snprintf(text, size, "%s%s%s%s%.*s", before, word, *name ? name : "{...}", length ? " " : "",
             length, behind + at);
}

/* ---- the place in a variable ---------------------------------------------------------------- */

typedef struct place {
    char text[RHI_VARIABLE_SIZE];
    Dwarf_Die type;  /* of what lies there */
    bool is_pointer; /* a pointer does */
} place;

static void append(place *p, const char *text)
{
    size_t used = strlen(p->text);
    snprintf(p->text + used, sizeof p->text - used, "%s", text);
}

static bool member_span(Dwarf_Die *member, uint64_t offset, uint64_t *start, Dwarf_Die *type)
{
    int tag = dwarf_tag(member);
    if ((tag != DW_TAG_member && tag != DW_TAG_inheritance) || !rhi__die_type(member, type))
        return false;
    *start = 0;
    if (!rhi__die_number(member, DW_AT_data_member_location, start) &&
        rhi__die_number(member, DW_AT_data_bit_offset, start))
        *start /= 8;
    return offset >= *start && offset - *start < rhi__die_size(*type);
}

/* Follows the byte at `offset` into arrays and members; of a union, the member that holds a
 * pointer there is preferred. Recursion is bounded by RHI_NESTING_MAX, the whole of it by *steps.
 */
static void find_place(Dwarf_Die type, uint64_t offset, unsigned depth, unsigned *steps, place *p)
{
    uint64_t counts[RHI_DIMENSIONS_MAX], start;
    char number[32];
    Dwarf_Die peeled = type, member, inner;
    place best = {.text = ""};
    p->type = type;
    bool can_step = depth<RHI_NESTING_MAX && * steps> 0 && rhi__die_peel(&peeled);
    if (can_step && dwarf_tag(&peeled) == DW_TAG_array_type && rhi__die_type(&peeled, &inner)) {
        uint64_t size = rhi__die_size(inner);
        unsigned count = rhi__die_dimensions(&peeled, counts);
        for (unsigned d = 0; d < count && size; d++) {
            uint64_t stride = size;
            for (unsigned k = d + 1; k < count; k++)
                stride *= counts[k] ? counts[k] : 1;
            if (!stride)
                break;
            snprintf(number, sizeof number, "[%" PRIu64 "]", offset / stride);
            append(p, number);
            offset %= stride;
        }
        (*steps)--;
        if (count && size) {
            find_place(inner, offset, depth + 1, steps, p);
            return;
        }
    }
    bool found = false;
    if (can_step && rhi__die_is_struct(&peeled) && dwarf_child(&peeled, &member) == 0) {
        do {
            if (*steps == 0 || --*steps == 0)
                break;
            if (!member_span(&member, offset, &start, &inner))
                continue;
            place next = {.text = ""};
            memcpy(next.text, p->text, sizeof next.text);
            const char *name = dwarf_tag(&member) == DW_TAG_member ? rhi__die_name(&member) : "";
            append(&next, *name ? "." : "");
            append(&next, name);
            find_place(inner, offset - start, depth + 1, steps, &next);
            if (!found || next.is_pointer)
                best = next;
            found = true;
        } while (!best.is_pointer && rhi__die_next(&member));
    }
    if (found) {
        *p = best;
        return;
    }
    if (offset) {
        snprintf(number, sizeof number, "+%" PRIu64, offset);
        append(p, number);
    }
    p->is_pointer = offset == 0 && is_pointer(type);
}

/* ---- the index ------------------------------------------------------------------------------ */

/* Where a variable lies, if that is one place for good. */
static bool location_of(Dwarf_Die *die, uint64_t *address)
{
    Dwarf_Attribute attribute, form;
    Dwarf_Op *ops;
    size_t count;
    if (!dwarf_attr(die, DW_AT_location, &attribute) ||
        dwarf_getlocation(&attribute, &ops, &count) != 0 || count == 0 || count > 2)
        return false;
    Dwarf_Addr value = ops[0].number;
    bool is_address = ops[0].atom == DW_OP_addr,
         is_number = ops[0].atom == DW_OP_const8u || ops[0].atom == DW_OP_const4u;
    if (!is_address && !is_number) { /* by way of a table: split units */
        is_address = ops[0].atom == DW_OP_addrx || ops[0].atom == DW_OP_GNU_addr_index;
        is_number = ops[0].atom == DW_OP_constx || ops[0].atom == DW_OP_GNU_const_index;
        if ((!is_address && !is_number) ||
            dwarf_getlocation_attr(&attribute, &ops[0], &form) != 0 ||
            (dwarf_formaddr(&form, &value) != 0 && dwarf_formudata(&form, &value) != 0))
            return false;
    }
    bool is_tls = count == 2 && (ops[1].atom == DW_OP_GNU_push_tls_address ||
                                 ops[1].atom == DW_OP_form_tls_address);
    *address = is_tls ? value | RHI_TLS : value;
    return is_tls || (is_address && count == 1 && !(value & RHI_TLS));
}

static bool add_variable(rhi_dwarf *d, Dwarf_Die *die, const char *function)
{
    rhi_extent extent = {.function = function};
    Dwarf_Die type;
    if (!location_of(die, &extent.address))
        return true;
    extent.name = rhi__die_name(die);
    extent.size = rhi__die_type(die, &type) ? rhi__die_size(type) : 0;
    extent.die = rhi__die_key(d, die);
    if (!*extent.name || !extent.die)
        return true;
    if (extent.size == 0)
        extent.size = 8;
    if (!rhi__array_reserve(&d->variables, 1))
        return false;
    d->variables.items[d->variables.count++] = extent;
    return true;
}

/* Where a function's instructions are, if it has any here. */
static bool add_function(rhi_dwarf *d, Dwarf_Die *die)
{
    Dwarf_Addr base, start, end;
    ptrdiff_t at = 0;
    uint64_t key = rhi__die_key(d, die);
    for (int i = 0; i < RANGES_MAX && key && (at = dwarf_ranges(die, at, &base, &start, &end)) > 0;
         i++) {
        if (end <= start)
            continue;
        if (!rhi__array_reserve(&d->functions, 1))
            return false;
        d->functions.items[d->functions.count++] =
            (rhi_extent){.address = start, .size = end - start, .die = key};
    }
    d->functions_complete &= key && at == 0;
    return true;
}

/* One unit: its functions, its variables, and those inside its functions, at any depth. False: give
 * up. */
static bool index_unit(rhi_work *work, rhi_dwarf *d, Dwarf_Die *unit, uint64_t *seen)
{
    Dwarf_Die path[RHI_NESTING_MAX];
    const char *function[RHI_NESTING_MAX] = {NULL};
    int depth = 1;
    if (dwarf_child(unit, &path[1]) != 0)
        return true;
    while (depth > 0) {
        Dwarf_Die *die = &path[depth];
        int tag = dwarf_tag(die);
        if (++*seen > RHI_DIES_MAX)
            return false;
        if (*seen % POLL_DIES == 0) {
            rhi_error *error = rhi__progress(work, "reading debug info", 0, 0);
            if (error)
                return rhi__error_free(error), false;
        }
        if ((tag == DW_TAG_variable && !add_variable(d, die, function[depth])) ||
            (tag == DW_TAG_subprogram && !add_function(d, die)))
            return false;
        bool is_function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
        bool is_local_class = function[depth] && rhi__die_is_struct(die);
        bool inside =
            is_function || tag == DW_TAG_lexical_block || tag == DW_TAG_namespace || is_local_class;
        if (inside && depth + 1 < RHI_NESTING_MAX && dwarf_child(die, &path[depth + 1]) == 0) {
            function[depth + 1] = is_function ? rhi__die_name(die) : function[depth];
            depth++;
            continue;
        }
        while (depth > 0 && !rhi__die_next(&path[depth]))
            depth--;
    }
    return true;
}

rhi_dwarf *rhi__dwarf_open(rhi_work *work, rhi_image *image, const char *path,
                           const rhi_image *shared)
{
    rhi_dwarf *d = calloc(1, sizeof *d);
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    uint64_t seen = 0;
    uint8_t kind;
    if (!d)
        return NULL;
    d->functions_complete = true;
    d->dwarf = dwarf_begin_elf(image->elf, DWARF_C_READ, NULL);
    if (d->dwarf && shared && (d->shared = dwarf_begin_elf(shared->elf, DWARF_C_READ, NULL)))
        dwarf_setalt(d->dwarf, d->shared);
    bool more = d->dwarf != NULL && rhi__dwarf_open_split(d, image, path);
    while (more && rhi__dwarf_next_unit(d, &unit, &kind, &die))
        more = kind == DW_UT_type || index_unit(work, d, &die, &seen);
    if (!more) {
        rhi__dwarf_free(d);
        return NULL;
    }
    rhi__extents_sort(&d->variables);
    rhi__extents_sort(&d->functions);
    return d;
}

void rhi__dwarf_free(rhi_dwarf *d)
{
    if (!d)
        return;
    for (uint64_t i = 0; i < d->variables.count; i++)
        free(d->variables.items[i].scoped);
    dwarf_end(d->dwarf);
    dwarf_end(d->shared);
    free(d->variables.items);
    free(d->functions.items);
    free(d);
}

bool rhi__dwarf_variable(rhi_dwarf *d, uint64_t address, rhi_variable *variable)
{
    const rhi_extent *extent = rhi__extents_find(&d->variables, address);
    Dwarf_Die die, type;
    unsigned steps = RHI_PLACE_STEPS_MAX;
    place p = {.text = ""};
    if (!extent)
        return false;
    snprintf(p.text, sizeof p.text, "%s",
             extent->function ? extent->name : rhi__variable_scoped_name(d, extent));
    variable->type[0] = '\0';
    variable->dwarf = NULL;
    if (rhi__dwarf_die(d, extent->die, &die) && rhi__die_type(&die, &type)) {
        find_place(type, address - extent->address, 0, &steps, &p);
        type_text(p.type, variable->type, sizeof variable->type);
        variable->type_die = rhi__die_key(d, &p.type);
        variable->dwarf = variable->type_die ? d : NULL;
    }
    memcpy(variable->text, p.text, sizeof variable->text);
    snprintf(variable->function, sizeof variable->function, "%s",
             extent->function ? extent->function : "");
    return true;
}

/* ---- members by name ------------------------------------------------------------------------ */

/* What a pointer or array gives with an index or an arrow. */
static bool pointed(Dwarf_Die *die)
{
    if (!rhi__die_peel(die))
        return false;
    int tag = dwarf_tag(die);
    return (tag == DW_TAG_pointer_type || tag == DW_TAG_array_type) && rhi__die_type(die, die);
}

bool rhi__dwarf_follow(rhi_dwarf *d, uint64_t *number, const char *path)
{
    Dwarf_Die die;
    unsigned steps = RHI_PLACE_STEPS_MAX;
    uint64_t offset;
    if (!rhi__dwarf_die(d, *number, &die) || !rhi__die_peel(&die) ||
        (dwarf_tag(&die) == DW_TAG_pointer_type && !rhi__die_type(&die, &die)))
        return false;
    for (const char *at = path; *at;) {
        if (*at == '[') {
            at += strcspn(at, "]");
            at += *at == ']';
            if (!pointed(&die))
                return false;
            continue;
        }
        at += *at == '.';
        size_t length = strcspn(at, ".[");
        if (length == 0 || !rhi__die_complete(d, &die) ||
            !rhi__die_member(die, at, length, 0, &steps, &die, &offset))
            return false;
        at += length;
    }
    *number = rhi__die_key(d, &die);
    return *number != 0;
}
