/* resolve.c - the address that an operand of a command means (see resolve.h). */
#include "session/resolve.h"
#include "base/text.h"
#include "heap/objects.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* `[type]#serial`: true, with the type's part as names are kept, and the serial read; of one that
 * is too large, all bits set. */
static bool parse_id(const char *operand, char type[RHI_NAME_SIZE], uint64_t *serial)
{
    const char *hash = strrchr(operand, '#');
    char *end;
    if (!hash || !isdigit((unsigned char)hash[1]))
        return false;
    *serial = strtoull(hash + 1, &end, 10);
    if (*end)
        return false;
    rhi__cut_name(operand, (size_t)(hash - operand), type);
    return true;
}

/* `type@0xaddress`, as objects of formats without serials are called: true, with both read. Also in
 * the brackets in which values show it, and as it stands in logs: `<app.User object at 0x7f…>`, in
 * quotes or without. */
static bool parse_place(const char *operand, char type[RHI_NAME_SIZE], uint64_t *address)
{
    static const char words[] = " object at ";
    char quote = *operand == '\'' || *operand == '"' ? *operand : '\0',
         closing[] = {'>', quote, '\0'};
    operand += quote != '\0';
    bool in_brackets = *operand == '<';
    const char *name = operand + in_brackets, *spoken = in_brackets ? strstr(name, words) : NULL,
               *at = spoken ? spoken : strrchr(name, '@'),
               *number = at ? at + (spoken ? sizeof words - 1 : 1) : "";
    char *end;
    if ((quote && !in_brackets) || strncmp(number, "0x", 2) != 0 ||
        !isxdigit((unsigned char)number[2]))
        return false;
    errno = 0;
    *address = strtoull(number, &end, 16);
    if (strcmp(end, in_brackets ? closing : "") != 0 || errno)
        return false;
    rhi__cut_name(name, (size_t)(at - name), type);
    return true;
}

/* Such an object lives where its name says, or that is said. */
static rhi_error *find_place(rhi_reader *reader, const char *operand, const char *type,
                             uint64_t address)
{
    enum rhi_place place;
    rhi_object object;
    char id[RHI_ID_SIZE];
    if (!rhi__place_of(reader, address, &place, &object))
        return NULL; /* whoever asks says that it cannot be read */
    if (!rhi__place_has_object(place))
        return rhi__error("there is no object %.160s: the address is %s", operand,
                          rhi__place_word(place));
    rhi__object_id(reader, &object, id, sizeof id);
    if (!rhi__is_type_named(reader, object.type, type))
        return rhi__error("there is no object %.160s: it is %s", operand, id);
    return NULL;
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
    char type[RHI_NAME_SIZE], hint[RHI_NAME_SIZE], message[256] = "";
    uint64_t serial;
    if (parse_number(operand, address))
        return NULL;
    if (parse_id(operand, type, &serial))
        return serial < UINT64_MAX
                   ? rhi__find_named(session, reader, type, serial, address)
                   : rhi__error("'%.100s' names no object: no serial is so large", operand);
    if (parse_place(operand, type, address))
        return find_place(reader, operand, type, *address);
    const rhi_target *target = session->target;
    if (!target->evaluate)
        return rhi__operand_evaluate(session, reader, operand, address);
    if (target->evaluate(target->context, operand, address, message, sizeof message) == 0 ||
        rhi__operand_is_root(session, reader, operand, address))
        return NULL;
    message[sizeof message - 1] = '\0';
    message[rhi__whole_characters(message, strlen(message))] = '\0';
    rhi__no_variables(reader, hint);
    size_t end = strlen(message);
    if (hint[0] && end && message[end - 1] == '.')
        message[end - 1] = '\0';
    return rhi__error("cannot evaluate '%.100s': %s%s%s", operand,
                      message[0] ? message : "no value", hint[0] ? "; " : "", hint);
}

/* A name is found by its tombstone, or in the history. Then others may have its slot by now, who
 * were not asked for. */
static rhi_error *is_another(const rhi_reader *reader, const char *operand,
                             const rhi_object *object, enum rhi_place place)
{
    char type[RHI_NAME_SIZE], id[RHI_ID_SIZE];
    uint64_t serial;
    if (!parse_id(operand, type, &serial) || !object->serial || object->serial == serial ||
        (place != RHI_PLACE_LIVE && place != RHI_PLACE_FREED) || object->damaged)
        return NULL;
    rhi__object_id(reader, object, id, sizeof id);
    return rhi__error("%.160s died, and its slot at 0x%" PRIx64 " was used again: %s %s "
                      "(objat tells more)",
                      operand, object->start, id,
                      place == RHI_PLACE_LIVE ? "is there now" : "was there last");
}

rhi_error *rhi__resolve_object(rhi_session *session, rhi_reader *reader, const char *operand,
                               rhi_object *object)
{
    uint64_t address;
    enum rhi_place place;
    char id[RHI_ID_SIZE];
    *object = (rhi_object){0}; /* not all places have one */
    RHI_TRY(rhi__resolve(session, reader, operand, &address));
    if (!rhi__place_of(reader, address, &place, object))
        return rhi__error("0x%" PRIx64 " lies in the heap, but its memory cannot be read", address);
    RHI_TRY(is_another(reader, operand, object, place));
    if (place == RHI_PLACE_LIVE)
        return NULL;
    if (object->unborn && place == RHI_PLACE_UNUSED)
        return rhi__error("0x%" PRIx64
                          " is in a slot without an object: one is just being born there, "
                          "or something has written over its header (objat tells more)",
                          address);
    if (place == RHI_PLACE_FREED) {
        rhi__object_id(reader, object, id, sizeof id);
        if (object->type == UINT32_MAX)
            return rhi__error("0x%" PRIx64
                              " is in a slot that is free, and whose header is damaged "
                              "(gcverify tells more)",
                              address);
        if (object->damaged)
            return rhi__error("0x%" PRIx64 " is in a slot that is free, but holds the header of %s:"
                              " one of the two is damaged (gcverify tells more)",
                              address, id);
        return rhi__error("0x%" PRIx64
                          " holds no object any more: it was %s, %s (objat tells more)",
                          address, id, rhi__freed_text(object->death));
    }
    return rhi__error("0x%" PRIx64
                      " is no object of a %s heap: the address is %s (objat tells more)",
                      address, rhi__formats_word(reader), rhi__place_word(place));
}
