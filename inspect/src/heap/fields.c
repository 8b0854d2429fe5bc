/* fields.c - slots of objects, their names and places (see fields.h).
 *
 * Counts and addresses come from the target: each is bounded by what its object, or memory, can
 * hold. A type with fields has objects without a prefix. */
#include "heap/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { VECTOR_STEP_BYTES = 1 << 16, VECTOR_STEP_COST = 256 };

/* ---- names ---------------------------------------------------------------------------------- */

static void element_name(const rhi_field *field, const char *element, char *name, size_t size)
{
    /* Of a vector of structs the name is VECTOR.MEMBER; else a dot leads to a struct inside the
     * object. */
    bool is_of_structs =
        field->form == RHI_FORM_VECTOR && (field->stride != field->width || field->element_offset);
    const char *dot = is_of_structs ? strrchr(field->name, '.') : NULL;
    if (field->form == RHI_FORM_ONE)
        snprintf(name, size, "%s", field->name);
    else if (dot)
        snprintf(name, size, "%.*s[%s]%s", (int)(dot - field->name), field->name, element, dot);
    else
        snprintf(name, size, "%s[%s]", field->name, element);
}

void rhi__slot_name(const rhi_field *field, uint64_t element, char *name, size_t size)
{
    char text[24];
    if (field->call) {
        field->call(field->context, element, name, size);
        return;
    }
    snprintf(text, sizeof text, "%" PRIu64, element);
    element_name(field, text, name, size);
}

void rhi__slots_name(const rhi_field *field, uint64_t first, uint64_t last, char *name, size_t size)
{
    char text[48];
    snprintf(text, sizeof text, "%" PRIu64 "..%" PRIu64, first, last);
    element_name(field, text, name, size);
}

/* ---- fields --------------------------------------------------------------------------------- */

bool rhi__field_span(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                     const rhi_field *field, uint64_t *first, uint64_t *count)
{
    (void)reader;
    uint64_t size = object->slot_size, elements = field->count;
    *first = object->address + field->offset;
    *count = 0;
    if (field->count_width) {
        if ((uint64_t)field->count_offset + field->count_width > size)
            return false;
        elements = rhi__load(bytes + field->count_offset, field->count_width);
    }
    if (field->form == RHI_FORM_VECTOR) {
        if ((uint64_t)field->offset + 8 > size)
            return false;
        *first = rhi__load64(bytes + field->offset);
        if (*first == 0 || elements == 0)
            return true;
        if (field->stride == 0 || elements > (UINT64_MAX >> 1) / field->stride ||
            !rhi__range_ok(*first, elements * field->stride))
            return false;
        *count = elements;
        return true;
    }
    uint64_t room = size > field->offset ? size - field->offset : 0;
    if (field->stride == 0 || elements > room / field->stride ||
        (elements && (uint64_t)field->element_offset + field->width > field->stride))
        return false;
    *count = elements;
    return true;
}

uint64_t rhi__object_size(const rhi_reader *reader, const rhi_object *object, const uint8_t *bytes)
{
    if (object->type >= reader->types.count)
        return object->slot_size;
    const rhi_type *type = &reader->types.items[object->type];
    uint64_t size = type->size;
    if (type->has_code)
        return rhi__format_of(reader, object->heap)->size(reader, object, bytes);
    if (type->element_size && type->length_offset &&
        (uint64_t)type->length_offset + 8 <= object->slot_size) {
        uint64_t length = rhi__load64(bytes + type->length_offset);
        if (length <= object->slot_size / type->element_size)
            size += length * type->element_size;
    }
    for (uint32_t i = 0; i < type->field_count; i++) { /* a tail may have its own count */
        uint64_t first, count;
        if (type->fields[i].form != RHI_FORM_ARRAY ||
            !rhi__field_span(reader, object, bytes, &type->fields[i], &first, &count))
            continue;
        uint64_t end = first - object->address + count * type->fields[i].stride;
        size = end > size ? end : size;
    }
    return size < object->slot_size ? size : object->slot_size;
}

/* How many elements of a long vector from this address on lie in holes of a sparse core: they are
 * NULL. */
static uint64_t elements_in_hole(const rhi_reader *reader, uint64_t at, uint64_t count,
                                 uint64_t stride)
{
    if (count * stride <= VECTOR_STEP_BYTES)
        return 0;
    return (rhi__memory_data_start(reader->memory, at, at + count * stride) - at) / stride;
}

static bool each_vector_slot(rhi_reader *reader, const rhi_object *object, rhi_slot *slot,
                             uint64_t first, uint64_t count, rhi_slot_visitor visit, void *context)
{
    const rhi_field *field = slot->field;
    uint8_t buffer[VECTOR_STEP_BYTES];
    uint64_t per_step = sizeof buffer / field->stride, done = 0;
    while (done < count) {
        uint64_t step = count - done < per_step ? count - done : per_step;
        uint64_t at = first + done * field->stride,
                 skipped = elements_in_hole(reader, at, count - done, field->stride);
        if (!rhi__take_room(reader, (skipped ? 0 : step * field->stride) + VECTOR_STEP_COST))
            return true;
        done += skipped;
        if (skipped)
            continue;
        uint64_t got =
            rhi__memory_read(reader->memory, at, buffer, step * field->stride) / field->stride;
        for (uint64_t i = 0; i < got; i++) {
            slot->address = at + i * field->stride + field->element_offset;
            slot->value = rhi__load64(buffer + i * field->stride + field->element_offset);
            slot->element = done + i;
            if (slot->value && !visit(context, slot))
                return false;
        }
        if (got < step) {
            rhi__reader_problem(
                reader, "%s#%llu.%s: elements %llu to %llu of its vector cannot be read",
                rhi__type_name(reader, object->type), (unsigned long long)object->serial,
                field->name, (unsigned long long)(done + got), (unsigned long long)(count - 1));
            break;
        }
        done += step;
    }
    return true;
}

static bool each_field_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                            const rhi_field *field, rhi_slot_visitor visit, void *context)
{
    uint64_t first, count;
    rhi_slot slot = {.field = field};
    if (!rhi__field_span(reader, object, bytes, field, &first, &count) ||
        (field->form == RHI_FORM_VECTOR && field->stride > VECTOR_STEP_BYTES)) {
        rhi__reader_problem(
            reader, "%s#%llu.%s: its element count makes no sense (corrupt object?)",
            rhi__type_name(reader, object->type), (unsigned long long)object->serial, field->name);
        return true;
    }
    if (field->form == RHI_FORM_VECTOR)
        return each_vector_slot(reader, object, &slot, first, count, visit, context);
    if (!rhi__take_room(reader, count * 8))
        return true;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t offset = field->offset + i * field->stride + field->element_offset;
        slot.address = object->address + offset;
        slot.value = rhi__load64(bytes + offset);
        slot.element = i;
        if (slot.value && !visit(context, &slot))
            return false;
    }
    return true;
}

bool rhi__each_slot(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                    rhi_slot_visitor visit, void *context)
{
    if (object->type >= reader->types.count)
        return true;
    const rhi_type *type = &reader->types.items[object->type];
    if (type->has_code)
        return rhi__format_of(reader, object->heap)->slots(reader, object, bytes, visit, context);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        if (rhi__is_reference(field) &&
            !each_field_slot(reader, object, bytes, field, visit, context))
            return false;
    }
    return true;
}

/* ---- slots elsewhere ------------------------------------------------------------------------ */

typedef struct span_visit {
    rhi_span_visitor visit;
    void *context;
    rhi_error *error;
} span_visit;

static bool visit_outer(void *context, const rhi_slot *slot)
{
    span_visit *v = context;
    if (slot->field->form == RHI_FORM_VECTOR)
        v->error = v->visit(v->context, slot->address, 1, 8);
    return !v->error;
}

rhi_error *rhi__each_span(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                          rhi_span_visitor visit, void *context)
{
    const rhi_type *type = &reader->types.items[object->type];
    const rhi_format *format = rhi__format_of(reader, object->heap);
    if (type->has_code && format->spans)
        return format->spans(reader, object, bytes, visit, context);
    if (type->has_code) {
        span_visit v = {.visit = visit, .context = context};
        rhi__each_slot(reader, object, bytes, visit_outer, &v);
        return v.error;
    }
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        uint64_t first, count;
        if (field->form == RHI_FORM_VECTOR && rhi__is_reference(field) &&
            rhi__field_span(reader, object, bytes, field, &first, &count) && count)
            RHI_TRY(visit(context, first + field->element_offset, count, field->stride));
    }
    return NULL;
}

/* ---- the field of a word -------------------------------------------------------------------- */

typedef struct word_visit {
    uint64_t address;
    const rhi_field *field;
    uint64_t element;
} word_visit;

static bool visit_word(void *context, const rhi_slot *slot)
{
    word_visit *v = context;
    if (slot->address != v->address)
        return true;
    v->field = slot->field;
    v->element = slot->element;
    return false;
}

/* Is the word at `offset` one of the field's elements, or plain data inside of one? */
static bool is_declared_by(const rhi_field *field, uint64_t count, uint64_t offset)
{
    if (offset < field->offset || (offset - field->offset) / field->stride >= count)
        return false;
    uint64_t inside = (offset - field->offset) % field->stride;
    return rhi__is_reference(field) ? inside == field->element_offset
                                    : inside >= field->element_offset &&
                                          inside < (uint64_t)field->element_offset + field->width;
}

uint64_t rhi__declared_words(const rhi_reader *reader, uint32_t type, uint64_t slot_size)
{
    const rhi_object object = {.slot_size = slot_size};
    uint64_t words = 0, first, count;
    for (uint32_t i = 0; i < reader->types.items[type].field_count; i++) {
        const rhi_field *field = &reader->types.items[type].fields[i];
        if (field->form == RHI_FORM_VECTOR || field->count_width ||
            !rhi__field_span(reader, &object, NULL, field, &first, &count))
            continue;
        for (unsigned word = 0; word < 64; word++)
            words |= (uint64_t)is_declared_by(field, count, word * 8) << word;
    }
    return words;
}

/* By arithmetic: an object may hold a million references. */
static const rhi_field *declared_at(const rhi_reader *reader, const rhi_object *object,
                                    const uint8_t *bytes, uint64_t offset, uint64_t *element)
{
    const rhi_type *type = &reader->types.items[object->type];
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        uint64_t first, count;
        if (field->form == RHI_FORM_VECTOR || offset < field->offset ||
            !rhi__field_span(reader, object, bytes, field, &first, &count) ||
            !is_declared_by(field, count, offset))
            continue;
        *element = (offset - field->offset) / field->stride;
        return field;
    }
    return NULL;
}

const rhi_field *rhi__field_at(rhi_reader *reader, const rhi_object *object, const uint8_t *bytes,
                               uint64_t offset, uint64_t *element)
{
    word_visit v = {.address = object->start + offset};
    if (!reader->types.items[object->type].has_code)
        return declared_at(reader, object, bytes, offset, element);
    rhi__each_slot(reader, object, bytes, visit_word, &v);
    *element = v.element;
    return v.field;
}

/* ---- plain values --------------------------------------------------------------------------- */

double rhi__load_real(const uint8_t *bytes, unsigned width)
{
    float narrow;
    double real;
    long double wide;
    if (width == sizeof narrow)
        return memcpy(&narrow, bytes, sizeof narrow), (double)narrow;
    if (width == sizeof wide)
        return memcpy(&wide, bytes, sizeof wide), (double)wide;
    return memcpy(&real, bytes, sizeof real), real;
}

int64_t rhi__load_signed(const uint8_t *bytes, unsigned width)
{
    uint64_t value = rhi__load(bytes, width);
    if (width && width < 8 && value >> (width * 8 - 1) & 1)
        value |= UINT64_MAX << (width * 8);
    return (int64_t)value;
}
