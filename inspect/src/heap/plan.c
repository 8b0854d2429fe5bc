/* plan.c - where a type has its references (see plan.h). */
#include "heap/plan.h"

#include <stdlib.h>

/* Adds the slots of a field that owns counts; false: they are not at fixed places, or too many. */
static bool add_field(rhi_plan *plan, const rhi_field *field)
{
    uint64_t count = field->form == RHI_FORM_ONE ? 1 : field->count;
    uint64_t end = field->offset + count * field->stride;
    if (field->form == RHI_FORM_VECTOR || field->count_width ||
        count > RHI_PLAN_MAX - plan->count || field->width != 8 ||
        (uint64_t)field->element_offset + 8 > field->stride || end > UINT32_MAX)
        return false;
    for (uint64_t k = 0; k < count; k++) {
        plan->kinds[plan->count] = field->kind;
        plan->offsets[plan->count++] =
            (uint32_t)(field->offset + k * field->stride + field->element_offset);
    }
    plan->end = end > plan->end ? (uint32_t)end : plan->end;
    return true;
}

static uint64_t end_of(const rhi_field *field)
{
    return field->count_width ? UINT64_MAX : field->offset + (uint64_t)field->count * field->stride;
}

static bool has_own_words(const rhi_type *type)
{
    if (type->has_vectors || type->has_code || type->field_count > RHI_PLAN_MAX)
        return false;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *a = &type->fields[i];
        if (rhi__owns(a) && ((a->offset + a->element_offset) % 8 || a->stride % 8))
            return false;
        for (uint32_t k = 0; rhi__owns(a) && k < i; k++) {
            const rhi_field *b = &type->fields[k];
            if (rhi__owns(b) && b->offset < end_of(a) && a->offset < end_of(b))
                return false;
        }
    }
    return true;
}

static void make(const rhi_type *type, rhi_plan *plan)
{
    plan->is_fixed = !type->has_code;
    plan->has_borrowed = type->has_code;
    plan->has_own_words = has_own_words(type);
    plan->size = type->element_size && type->length_offset ? UINT64_MAX : type->size;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        uint64_t end = field->form == RHI_FORM_VECTOR ? UINT64_MAX : end_of(field);
        plan->size = end > plan->size ? end : plan->size;
        /* The heap's own weak references are checked with their targets. */
        plan->has_borrowed |= field->kind == RHI_KIND_BORROWED && !type->is_weak;
        if (plan->is_fixed && rhi__owns(field))
            plan->is_fixed = add_field(plan, field);
    }
}

rhi_plan *rhi__plans_make(const rhi_type *types, uint64_t count)
{
    rhi_plan *plans = calloc(count + 1, sizeof *plans);
    for (uint64_t i = 0; plans && i < count; i++)
        make(&types[i], &plans[i]);
    return plans;
}
