/* types.c - types and fields of a runtime, checked: offsets lie inside of objects, names can be
 * printed (see reader.h). */
#include "readers/refheap/reader.h"
#include "base/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = RH_METADATA_FIELDS_MAX, FIELDS_IN_ALL_MAX = 1 << 20 };

static bool read_field(const space *s, rhi_memory *memory, const uint8_t *bytes,
                       const rhi_type *type, rhi_field *field)
{
    static const uint8_t kinds[] = {
        [RH_KIND_STRONG] = RHI_KIND_STRONG,    [RH_KIND_WEAK] = RHI_KIND_WEAK,
        [RH_KIND_INT] = RHI_KIND_INT,          [RH_KIND_UINT] = RHI_KIND_UINT,
        [RH_KIND_FLOAT] = RHI_KIND_FLOAT,      [RH_KIND_BYTES] = RHI_KIND_BYTES,
        [RH_KIND_BORROWED] = RHI_KIND_BORROWED};
    uint8_t kind = bytes[C(s, field_kind)];
    field->form = bytes[C(s, field_form)];
    field->width = bytes[C(s, field_width)];
    field->count_width = bytes[C(s, field_count_width)];
    field->offset = rhi__load32(bytes + C(s, field_offset));
    field->count = rhi__load32(bytes + C(s, field_count));
    field->count_offset = rhi__load32(bytes + C(s, field_count_offset));
    field->stride = rhi__load32(bytes + C(s, field_stride));
    field->element_offset = rhi__load32(bytes + C(s, field_element_offset));
    if (kind == RH_KIND_END || kind > RH_KIND_BORROWED || field->form > RHI_FORM_VECTOR ||
        field->count_width > 8)
        return false;
    field->kind = kinds[kind];
    bool reference = rhi__is_reference(field);
    if (field->offset < C(s, object_size) ||
        (field->count_width && field->count_offset < C(s, object_size)))
        return false; /* over the object's header */
    uint64_t slot_end = (uint64_t)field->element_offset + (reference ? 8 : field->width);
    if (reference)
        field->width = 8;
    if (field->stride == 0 || field->width > 16 || slot_end > field->stride)
        return false;
    if (field->form != RHI_FORM_VECTOR && field->count_width == 0 &&
        (uint64_t)field->offset + (uint64_t)field->count * field->stride > type->size)
        return false;
    return rhi__memory_name(memory, rhi__load64(bytes + C(s, field_name)), field->name);
}

static rhi_error *read_fields(rhi_reader *reader, const space *s, rhi_type *type, uint64_t address,
                              uint64_t count, uint32_t *in_all)
{
    uint64_t size = C(s, field_size), got;
    rhi_scratch scratch = {0};
    if (count > FIELDS_MAX) {
        rhi__reader_damage(reader, address, RHI_FOUND_BAD_METADATA,
                           "type %s claims %" PRIu64 " fields: none of them is used", type->name,
                           count);
        return NULL;
    }
    if (count == 0)
        return NULL;
    /* Many types that claim one big table of fields would multiply it in our memory. */
    if (count > FIELDS_IN_ALL_MAX - *in_all) {
        rhi__reader_damage(reader, address, RHI_FOUND_BAD_METADATA,
                           "the types claim more than %d fields in all: the rest is not used",
                           FIELDS_IN_ALL_MAX);
        return NULL;
    }
    *in_all += (uint32_t)count;
    type->fields = calloc(count, sizeof *type->fields);
    if (!type->fields)
        return rhi__error_memory();
    const uint8_t *bytes = rhi__memory_view(reader->memory, address, count * size, &scratch, &got);
    for (uint64_t i = 0; i < count; i++) {
        rhi_field *field = &type->fields[type->field_count];
        if (!bytes || (i + 1) * size > got ||
            !read_field(s, reader->memory, bytes + i * size, type, field)) {
            uint8_t name;
            bool is_there =
                bytes && (i + 1) * size <= got &&
                rhi__memory_read(reader->memory, rhi__load64(bytes + i * size + C(s, field_name)),
                                 &name, 1) == 1;
            /* the first is enough: other problems want to be heard too */
            if (i == type->field_count && is_there)
                rhi__reader_damage(reader, address + i * size, RHI_FOUND_BAD_METADATA,
                                   "type %s: its field %" PRIu64 " makes no sense", type->name, i);
            else if (i == type->field_count)
                rhi__reader_problem(reader, "type %s: its field %" PRIu64 " cannot be read",
                                    type->name, i);
            memset(field, 0, sizeof *field);
            continue;
        }
        type->field_count++;
        type->has_references |= rhi__is_reference(field);
        type->has_vectors |= rhi__is_reference(field) && field->form == RHI_FORM_VECTOR;
    }
    rhi__scratch_free(&scratch);
    return NULL;
}

rhi_error *rhi__refheap_types(rhi_reader *reader, space *s, uint32_t *fields)
{
    uint64_t count = s->descriptor.type_count, size = C(s, type_size), got = 0;
    rhi_scratch scratch = {0};
    s->first_type = (uint32_t)reader->types.count;
    if (count > 65536) {
        rhi__reader_damage(reader, s->descriptor.types, RHI_FOUND_BAD_METADATA,
                           "the type table claims %" PRIu64 " types: only 65536 are read", count);
        count = 65536;
    }
    if (count == 0)
        return NULL;
    if (!rhi__array_reserve(&reader->types, count))
        return rhi__error_memory();
    const uint8_t *bytes =
        rhi__memory_view(reader->memory, s->descriptor.types, count * size, &scratch, &got);
    rhi_error *error = NULL;
    bool told = false;
    for (uint64_t i = 0; i < count && !error; i++) {
        rhi_type *type = &reader->types.items[reader->types.count++];
        memset(type, 0, sizeof *type);
        s->type_count++;
        if (i == 0 || !bytes || (i + 1) * size > got) {
            snprintf(type->name, sizeof type->name, "type%" PRIu64, i);
            if (i && !told)
                rhi__reader_problem(reader,
                                    "the type table cannot be read from type %" PRIu64 " on", i);
            told = i > 0;
            continue;
        }
        const uint8_t *row = bytes + i * size;
        if (!rhi__memory_name(reader->memory, rhi__load64(row + C(s, type_name)), type->name)) {
            snprintf(type->name, sizeof type->name, "type%" PRIu64, i);
            rhi__reader_problem(reader, "the name of type %" PRIu64 " cannot be read", i);
        }
        type->size = rhi__load64(row + C(s, type_object_size));
        type->element_size = rhi__load32(row + C(s, type_element_size));
        type->length_offset = rhi__load32(row + C(s, type_length_offset));
        type->acyclic = rhi__load32(row + C(s, type_flags)) & 1u;
        type->has_finalizer =
            C(s, type_finalize) != ABSENT && rhi__load64(row + C(s, type_finalize)) != 0;
        error = read_fields(reader, s, type, rhi__load64(row + C(s, type_fields)),
                            rhi__load32(row + C(s, type_field_count)), fields);
        type->is_weak = strcmp(type->name, "weak") == 0 && type->field_count == 1 &&
                        type->fields[0].kind == RHI_KIND_BORROWED &&
                        type->fields[0].form == RHI_FORM_ONE && type->size == C(s, object_size) + 8;
        if (type->is_weak)
            type->fields[0].is_weak_target = true;
    }
    rhi__scratch_free(&scratch);
    return error;
}
