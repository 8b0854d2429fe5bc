/* objects.c - ids, places, operands of commands (see objects.h). */
#include "render/objects.h"
#include "render/output.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void rhi__make_id(const rhi_reader *reader, uint32_t type, uint64_t serial, char *id, size_t size)
{
    snprintf(id, size, "%s#%" PRIu64, rhi__type_name(reader, type), serial);
}

void rhi__object_id(const rhi_reader *reader, const rhi_object *object, char *id, size_t size)
{
    rhi__make_id(reader, object->type, object->serial, id, size);
}

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
    snprintf(text, sizeof text, "%" PRIu64, element);
    element_name(field, text, name, size);
}

void rhi__slots_name(const rhi_field *field, uint64_t first, uint64_t last, char *name, size_t size)
{
    char text[48];
    snprintf(text, sizeof text, "%" PRIu64 "..%" PRIu64, first, last);
    element_name(field, text, name, size);
}

const char *rhi__death_word(uint8_t death)
{
    static const char *const words[] = {"unknown", "release", "collect", "destroy"};
    return words[death < sizeof words / sizeof *words ? death : 0];
}

const char *rhi__place_word(enum rhi_place place)
{
    static const char *const words[] = {"live",     "freed",     "unused",
                                        "internal", "unmanaged", "unmapped"};
    return words[place];
}

bool rhi__place_of(rhi_reader *reader, uint64_t address, enum rhi_place *place, rhi_object *object)
{
    const rhi_block *block = rhi__block_near(reader, address);
    if (block) {
        if (!rhi__slot_at(reader, block, address, object))
            return false;
        *place = object->state <= RHI_DYING   ? RHI_PLACE_LIVE
                 : object->state == RHI_FREED ? RHI_PLACE_FREED
                                              : RHI_PLACE_UNUSED;
    } else if (rhi__own_at(reader, address)) {
        *place = RHI_PLACE_INTERNAL;
    } else {
        *place =
            rhi__memory_region(reader->memory, address) ? RHI_PLACE_UNMANAGED : RHI_PLACE_UNMAPPED;
    }
    return true;
}

const uint8_t *rhi__object_bytes(rhi_reader *reader, const rhi_object *object, rhi_scratch *scratch)
{
    uint64_t got;
    const uint8_t *bytes =
        rhi__memory_view(reader->memory, object->address, object->slot_size, scratch, &got);
    return bytes && got == object->slot_size ? bytes : NULL;
}

const char *rhi__state_word(const rhi_object *object)
{
    return object->state == RHI_DYING ? "dying"
           : object->uncollectable    ? "uncollectable"
           : object->finalized        ? "finalized"
                                      : "live";
}

void rhi__count_text(const rhi_object *object, char *text, size_t size)
{
    if (object->immortal)
        snprintf(text, size, "immortal");
    else
        snprintf(text, size, "%" PRId64, object->count);
}

uint64_t rhi__object_size_at(rhi_reader *reader, const rhi_object *object)
{
    rhi_scratch scratch = {0};
    if (object->type < reader->types.count && reader->types.items[object->type].has_fixed_size)
        return reader->types.items[object->type].size < object->slot_size
                   ? reader->types.items[object->type].size
                   : object->slot_size;
    const uint8_t *bytes = rhi__object_bytes(reader, object, &scratch);
    uint64_t size = bytes ? rhi__object_size(reader, object, bytes) : object->slot_size;
    rhi__scratch_free(&scratch);
    return size;
}

json_t *rhi__value_json(rhi_reader *reader, const rhi_object *object)
{
    char value[RHI_VALUE_SIZE];
    rhi__value(reader, object, value);
    return value[0] ? rhi__json_text(value + 1) : json_null();
}

json_t *rhi__object_json(rhi_reader *reader, const rhi_object *object)
{
    char id[RHI_ID_SIZE];
    rhi__object_id(reader, object, id, sizeof id);
    json_t *json = json_object();
    json_object_set_new(json, "id", json_string(id));
    json_object_set_new(json, "type", json_string(rhi__type_name(reader, object->type)));
    json_object_set_new(json, "serial", json_integer((json_int_t)(object->serial & INT64_MAX)));
    json_object_set_new(json, "address", json_sprintf("0x%" PRIx64, object->address));
    json_object_set_new(json, "size", rhi__json_u64(rhi__object_size_at(reader, object)));
    json_object_set_new(json, "refcount",
                        object->immortal ? json_null() : json_integer(object->count));
    json_object_set_new(json, "immortal", json_boolean(object->immortal));
    json_object_set_new(json, "heap",
                        json_integer((json_int_t)reader->heaps.items[object->heap].number));
    json_object_set_new(json, "state", json_string(rhi__state_word(object)));
    json_object_set_new(json, "format", json_string(reader->ops->name));
    json_object_set_new(json, "value", rhi__value_json(reader, object));
    return json;
}

static bool heap_is_provisional(const rhi_session *session, uint32_t heap)
{
    return session->reader->heaps.items[heap].provisional &&
           rhi__heap_wanted(session, session->reader, heap);
}

bool rhi__is_provisional(const rhi_session *session)
{
    for (uint32_t i = 0; session->reader && i < session->reader->heaps.count; i++)
        if (heap_is_provisional(session, i))
            return true;
    return false;
}

void rhi__print_provisional(rhi_session *session)
{
    for (uint32_t i = 0; session->reader && i < session->reader->heaps.count; i++)
        if (heap_is_provisional(session, i))
            rhi__print(session, "provisional: heap %" PRIu64 " is %s: its counts are in motion\n",
                       session->reader->heaps.items[i].number,
                       session->reader->heaps.items[i].phase);
}

/* ---- operands ------------------------------------------------------------------------------- */

/* `[type]#serial`: true, with the type's part as names are kept, and the serial read. */
static bool parse_id(const char *operand, char type[RHI_NAME_SIZE], uint64_t *serial)
{
    const char *hash = strrchr(operand, '#');
    char *end;
    if (!hash || !isdigit((unsigned char)hash[1]))
        return false;
    errno = 0;
    *serial = strtoull(hash + 1, &end, 10);
    if (*end || errno)
        return false;
    rhi__cut_name(operand, (size_t)(hash - operand), type);
    return true;
}

static bool parse_number(const char *operand, uint64_t *value)
{
    char *end;
    if (!isdigit((unsigned char)operand[0]))
        return false;
    errno = 0;
    *value = strtoull(operand, &end,
                      strncmp(operand, "0x", 2) == 0 || strncmp(operand, "0X", 2) == 0 ? 16 : 10);
    return *end == '\0' && errno == 0;
}

rhi_error *rhi__resolve(rhi_session *session, rhi_reader *reader, const char *operand,
                        uint64_t *address)
{
    char type[RHI_NAME_SIZE], message[256] = "";
    uint64_t serial;
    if (parse_number(operand, address))
        return NULL;
    if (parse_id(operand, type, &serial))
        return rhi__find_named(session, reader, type, serial, address);
    const rhi_target *target = session->target;
    if (!target->evaluate)
        return rhi__operand_evaluate(session, reader, operand, address);
    if (target->evaluate(target->context, operand, address, message, sizeof message) == 0 ||
        rhi__operand_is_root(session, reader, operand, address))
        return NULL;
    message[sizeof message - 1] = '\0';
    message[rhi__whole_characters(message, strlen(message))] = '\0';
    return rhi__error("cannot evaluate '%.100s': %s", operand, message[0] ? message : "no value");
}

rhi_error *rhi__resolve_object(rhi_session *session, rhi_reader *reader, const char *operand,
                               rhi_object *object)
{
    uint64_t address;
    enum rhi_place place;
    char id[RHI_ID_SIZE];
    RHI_TRY(rhi__resolve(session, reader, operand, &address));
    if (!rhi__place_of(reader, address, &place, object))
        return rhi__error("0x%" PRIx64 " lies in the heap, but its memory cannot be read", address);
    if (place == RHI_PLACE_LIVE)
        return NULL;
    if (place == RHI_PLACE_FREED) {
        rhi__object_id(reader, object, id, sizeof id);
        return rhi__error("0x%" PRIx64
                          " holds no object any more: it was %s, freed by %s (objat tells more)",
                          address, id, rhi__death_word(object->death));
    }
    return rhi__error("0x%" PRIx64
                      " is no object of a refheap heap: the address is %s (objat tells more)",
                      address, rhi__place_word(place));
}
