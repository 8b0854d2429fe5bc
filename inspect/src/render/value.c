/* value.c - what an object holds, in a few words: "hello", 42, [1, 2, … 40 more], {"a": 1}, {key:
 * 14, next: node#3}.
 *
 * Made from the declared fields alone, so that it is there for every type: one text, one number,
 * one vector of references, keys and values of one vector, or a few fields by name. Nothing is
 * followed further than one reference.
 *
 * Invariant: a value is never more than one line of 60 columns or so, and costs a few reads of
 * bounded size, whatever counts and pointers the object claims. What cannot be read is left out
 * and makes no answer incomplete. */
#include "render/value.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLAIN_SIZE = 64,  /* of one text or number */
    FIELDS_MAX = 16,  /* of a type that are looked at */
    HEAD_BYTES = 512, /* of an object */
    ELEMENTS_MAX = 6, /* that are shown */
    SCANNED_MAX = 32, /* that are looked at for so many */
    SCANNED_BYTES = 1024,
    TEXT_BYTES = 48 /* of a text */
};

/* The beginning of an object. */
typedef struct head {
    rhi_reader *reader;
    const rhi_object *object;
    const rhi_type *type;
    const rhi_field *but; /* not to be shown among others: it is shown already */
    uint64_t characters;  /* of a text that are shown, at most */
    uint64_t got;
    uint8_t bytes[HEAD_BYTES];
} head;

void rhi__real_text(double value, unsigned width, char *text, size_t size)
{
    bool is_float = width == sizeof(float);
    int digits = is_float ? 6 : 15, most = is_float ? 9 : 17;
    if (fabs(value) < (is_float ? 0x1p-126 : 0x1p-1022))
        digits = 1; /* such numbers have fewer */
    for (;; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (digits == most ||
            (is_float ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value))
            return;
    }
}

static void scalar_text(const rhi_field *field, const uint8_t *bytes, char *text, size_t size)
{
    if (field->kind == RHI_KIND_FLOAT)
        rhi__real_text(rhi__load_real(bytes, field->width), field->width, text, size);
    else if (field->kind == RHI_KIND_INT)
        snprintf(text, size, "%" PRId64, rhi__load_signed(bytes, field->width));
    else
        snprintf(text, size, "%" PRIu64, rhi__load(bytes, field->width));
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_head(rhi_reader *reader, const rhi_object *object, head *h)
{
    uint64_t size = object->slot_size < HEAD_BYTES ? object->slot_size : HEAD_BYTES;
    if (!rhi__is_object(object->state) || object->type >= reader->types.count ||
        reader->types.items[object->type].field_count == 0)
        return false;
    h->reader = reader;
    h->object = object;
    h->but = NULL;
    h->characters = TEXT_BYTES;
    h->type = &reader->types.items[object->type];
    h->got = rhi__memory_read(reader->memory, object->address, h->bytes, size);
    return h->got > 0;
}

static bool span_of(const head *h, const rhi_field *field, uint64_t *first, uint64_t *count)
{
    uint64_t end = field->count_width ? (uint64_t)field->count_offset + field->count_width : 0;
    uint64_t pointer_end = field->form == RHI_FORM_VECTOR ? (uint64_t)field->offset + 8 : 0;
    return end <= h->got && pointer_end <= h->got &&
           rhi__field_span(h->reader, h->object, h->bytes, field, first, count);
}

/* Bytes at an address, which is likely to be in the head. */
static uint64_t read_at(const head *h, uint64_t address, void *buffer, uint64_t size)
{
    uint64_t offset = address - h->object->address;
    if (offset >= h->got || size > h->got - offset)
        return rhi__memory_read(h->reader->memory, address, buffer, size);
    memcpy(buffer, h->bytes + offset, size);
    return size;
}

/* Is this number the count of another field's elements? */
static bool is_count(const rhi_type *type, const rhi_field *field)
{
    if (field->form != RHI_FORM_ONE || rhi__is_reference(field) || field->kind == RHI_KIND_BYTES)
        return false;
    for (uint32_t i = 0; i < type->field_count && i < FIELDS_MAX; i++)
        if (type->fields[i].count_width && type->fields[i].count_offset == field->offset)
            return true;
    return false;
}

/* The only field that a type has, but for counts; NULL: it has several or none. */
static const rhi_field *only_field(const rhi_type *type)
{
    const rhi_field *only = NULL;
    if (type->field_count > FIELDS_MAX)
        return NULL;
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (is_count(type, &type->fields[i]))
            continue;
        if (only)
            return NULL;
        only = &type->fields[i];
    }
    return only;
}

static bool bytes_text(const head *h, const rhi_field *field, char *text, size_t size)
{
    char bytes[TEXT_BYTES];
    uint64_t first, count;
    if (!span_of(h, field, &first, &count))
        return false;
    uint64_t shown = count < h->characters ? count : h->characters;
    if (read_at(h, first, bytes, shown) != shown)
        return false;
    rhi__quote(bytes, count > shown ? rhi__whole_characters(bytes, shown) : shown, count > shown,
               text, size);
    return true;
}

/* A number, or a text of at most `size` bytes; false if the field is neither, or cannot be read. */
static bool plain_text(const head *h, const rhi_field *field, char *text, size_t size)
{
    if (field->kind == RHI_KIND_BYTES)
        return bytes_text(h, field, text, size);
    uint8_t bytes[16];
    bool is_inside = field->width <= sizeof bytes &&
                     (uint64_t)field->offset + field->width <= h->object->slot_size;
    if (rhi__is_reference(field) || field->form != RHI_FORM_ONE || !is_inside ||
        read_at(h, h->object->address + field->offset, bytes, field->width) != field->width)
        return false;
    scalar_text(field, bytes, text, size);
    return true;
}

/* What a reference holds: the number or text that its referent is, or the referent's id. */
static void referent_text(rhi_reader *reader, uint64_t value, char *text, size_t size)
{
    enum { SHORT = 24 };
    enum rhi_place place;
    rhi_object object;
    head h;
    char id[RHI_ID_SIZE];
    if (value == 0 || !rhi__place_of(reader, value, &place, &object) ||
        !rhi__place_has_object(place) || object.address != value) {
        snprintf(text, size, value ? "0x%" PRIx64 : "NULL", value);
        return;
    }
    const rhi_field *only =
        object.type < reader->types.count ? only_field(&reader->types.items[object.type]) : NULL;
    if (place == RHI_PLACE_LIVE && only && read_head(reader, &object, &h) &&
        plain_text(&h, only, text, SHORT))
        return;
    rhi__object_id(reader, &object, id, sizeof id);
    snprintf(text, size, "%s%s", id, place == RHI_PLACE_FREED ? " (freed)" : "");
}

/* ---- shapes --------------------------------------------------------------------------------- */

/* Elements of a field, as many as are looked at. */
typedef struct elements {
    uint8_t bytes[SCANNED_BYTES];
    uint64_t first, count, got; /* got: so many are here */
} elements;

static bool read_elements(const head *h, const rhi_field *field, elements *e)
{
    uint64_t last; /* a count is believed if there is memory for it */
    if (!span_of(h, field, &e->first, &e->count) || field->stride > SCANNED_BYTES)
        return false;
    uint64_t most = SCANNED_BYTES / field->stride, wanted = e->count < most ? e->count : most;
    wanted = wanted < SCANNED_MAX ? wanted : SCANNED_MAX;
    e->got = read_at(h, e->first, e->bytes, wanted * field->stride) / field->stride;
    return e->got == wanted &&
           (e->count == wanted ||
            read_at(h, e->first + (e->count - 1) * field->stride + field->element_offset, &last,
                    sizeof last) == sizeof last);
}

static uint64_t element_of(const elements *e, const rhi_field *field, uint64_t i)
{
    return rhi__load64(e->bytes + i * field->stride + field->element_offset);
}

/* [1, 2, … 40 more] */
static void put_list(const head *h, const rhi_field *field, rhi_brief *w)
{
    char text[RHI_ID_SIZE + 16];
    elements e;
    uint64_t shown = 0;
    if (!read_elements(h, field, &e))
        return;
    rhi__brief_put(w, "[");
    for (bool fits = true; fits && shown < e.got && shown < ELEMENTS_MAX; shown += fits) {
        referent_text(h->reader, element_of(&e, field, shown), text, sizeof text);
        fits = rhi__brief_part(w, text);
    }
    rhi__brief_more(w, e.count - shown);
    rhi__brief_put(w, "]");
}

/* Keys and values in one vector of structs: exactly two fields, and a number that says how many are
 * used. */
static bool find_pairs(const rhi_type *type, const rhi_field **key, const rhi_field **value,
                       const rhi_field **length)
{
    *key = *value = *length = NULL;
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rhi_field *field = &type->fields[i];
        if (is_count(type, field))
            continue;
        const rhi_field **place = field->kind == RHI_KIND_UINT && strcmp(field->name, "length") == 0
                                      ? length
                                  : !*key ? key
                                          : value;
        if (*place ||
            (place != length && (field->kind != RHI_KIND_STRONG || field->form != RHI_FORM_VECTOR)))
            return false;
        *place = field;
    }
    return *value && (*key)->offset == (*value)->offset && (*key)->stride == (*value)->stride &&
           (*key)->count_offset == (*value)->count_offset &&
           (*key)->element_offset != (*value)->element_offset;
}

/* {"a": 1, … 12 more}; pairs without a key are unused. False: how many there are is not known. */
static bool put_pairs(const head *h, const rhi_field *key, const rhi_field *value,
                      const rhi_field *length, rhi_brief *w)
{
    char pair[2 * RHI_ID_SIZE + 40];
    elements e;
    uint64_t shown = 0, used = 0;
    bool fits = true;
    if (!read_elements(h, key, &e))
        return false;
    for (uint64_t i = 0; i < e.got; i++)
        used += element_of(&e, key, i) != 0;
    if (length && (uint64_t)length->offset + length->width <= h->got)
        used = rhi__load(h->bytes + length->offset, length->width);
    else if (e.got < e.count)
        return false;
    rhi__brief_put(w, "{");
    for (uint64_t i = 0; i < e.got && fits && shown < ELEMENTS_MAX / 2; i++) {
        if (element_of(&e, key, i) == 0)
            continue;
        referent_text(h->reader, element_of(&e, key, i), pair, RHI_ID_SIZE + 16);
        size_t at = strlen(pair);
        memcpy(pair + at, ": ", 3);
        referent_text(h->reader, element_of(&e, value, i), pair + at + 2, RHI_ID_SIZE + 16);
        shown += fits = rhi__brief_part(w, pair);
    }
    rhi__brief_more(w, used > shown ? used - shown : 0);
    rhi__brief_put(w, "}");
    return true;
}

/* "key: 14", "next: node#3", "items[4]"; false: nothing to say of it. */
static bool named_text(const head *h, const rhi_field *field, char *text, size_t size)
{
    uint64_t first, count, value;
    size_t at = (size_t)snprintf(text, size, "%s: ", field->name);
    if (field->kind == RHI_KIND_BYTES || (!rhi__is_reference(field) && field->form == RHI_FORM_ONE))
        return !is_count(h->type, field) && plain_text(h, field, text + at, 32);
    if (!span_of(h, field, &first, &count) || count == 0)
        return false;
    if (field->form != RHI_FORM_ONE) {
        snprintf(text, size, "%s[%" PRIu64 "]", field->name, count);
        return true;
    }
    if (read_at(h, first + field->element_offset, &value, sizeof value) != sizeof value ||
        value == 0)
        return false;
    referent_text(h->reader, value, text + at, size - at);
    return true;
}

/* {key: 14, hits: 3, next: node#3}: numbers and texts first, then what it refers to. */
static void put_fields(const head *h, rhi_brief *w)
{
    char text[RHI_NAME_SIZE + RHI_ID_SIZE + 32];
    uint32_t most = h->type->field_count < FIELDS_MAX ? h->type->field_count : FIELDS_MAX;
    unsigned references = 0;
    rhi__brief_put(w, "{");
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < most && !w->is_full; i++) {
            bool refers = rhi__is_reference(&h->type->fields[i]);
            if (refers != pass || &h->type->fields[i] == h->but ||
                !named_text(h, &h->type->fields[i], text, sizeof text))
                continue;
            w->is_full = (references += refers) > ELEMENTS_MAX || !rhi__brief_part(w, text);
        }
    if (w->is_full || most < h->type->field_count)
        rhi__brief_put(w, w->parts ? ", …" : "…");
    rhi__brief_put(w, "}");
    if (w->parts == 0)
        w->used = 0;
}

/* As its format says it. */
static void coded_text(rhi_reader *reader, const rhi_object *object, char text[RHI_VALUE_SIZE])
{
    rhi_scratch scratch = {0};
    const uint8_t *bytes = rhi__object_bytes(reader, object, &scratch);
    text[1] = '\0';
    if (bytes)
        rhi__format_of(reader, object->heap)
            ->value(reader, object, bytes, text + 1, RHI_VALUE_SIZE - 1);
    text[0] = text[1] ? ' ' : '\0';
    rhi__scratch_free(&scratch);
}

void rhi__plain_value(rhi_reader *reader, const rhi_object *object, uint64_t characters,
                      char text[RHI_VALUE_SIZE])
{
    head h;
    char plain[PLAIN_SIZE];
    const rhi_field *only;
    text[0] = '\0';
    if (rhi__is_object(object->state) && object->type < reader->types.count &&
        reader->types.items[object->type].has_code)
        coded_text(reader, object, text);
    else if (read_head(reader, object, &h) && (only = only_field(h.type))) {
        h.characters = characters < TEXT_BYTES ? characters : TEXT_BYTES;
        if (plain_text(&h, only, plain, sizeof plain))
            rhi__text(text, RHI_VALUE_SIZE, " %s", plain);
    }
}

void rhi__value(rhi_reader *reader, const rhi_object *object, char text[RHI_VALUE_SIZE])
{
    rhi__value_but(reader, object, NULL, text);
}

void rhi__value_but(rhi_reader *reader, const rhi_object *object, const rhi_field *but,
                    char text[RHI_VALUE_SIZE])
{
    head h;
    char plain[PLAIN_SIZE];
    const rhi_field *only, *key, *value, *length;
    rhi_brief w = {.used = 0};
    text[0] = '\0';
    if (rhi__is_object(object->state) && object->type < reader->types.count &&
        reader->types.items[object->type].has_code) {
        coded_text(reader, object, text);
        return;
    }
    if (!read_head(reader, object, &h))
        return;
    h.but = but;
    only = only_field(h.type);
    if (only && plain_text(&h, only, plain, sizeof plain))
        rhi__brief_put(&w, plain);
    else if (only && rhi__is_reference(only) && only->form != RHI_FORM_ONE)
        put_list(&h, only, &w);
    else if (!only && h.type->field_count <= FIELDS_MAX &&
             find_pairs(h.type, &key, &value, &length) && put_pairs(&h, key, value, length, &w))
        ;
    else
        put_fields(&h, &w);
    if (w.used)
        rhi__text(text, RHI_VALUE_SIZE, " %s", w.text);
}
