/* objects.c - ids, places and words of objects (see objects.h). */
#include "heap/objects.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { EVENTS_LOOKED_AT = 32 };

void rhi__make_id(const rhi_reader *reader, uint32_t type, uint64_t serial, char *id, size_t size)
{
    snprintf(id, size, "%s#%" PRIu64, rhi__type_name(reader, type), serial);
}

void rhi__object_id(const rhi_reader *reader, const rhi_object *object, char *id, size_t size)
{
    if (rhi__format_of(reader, object->heap)->has_serials)
        rhi__make_id(reader, object->type, object->serial, id, size);
    else
        snprintf(id, size, "%s@0x%" PRIx64, rhi__type_name(reader, object->type), object->address);
}

const char *rhi__death_word(uint8_t death)
{
    static const char *const words[] = {"unknown", "release", "collect", "destroy"};
    return words[death < sizeof words / sizeof *words ? death : 0];
}

const char *rhi__formats_word(const rhi_reader *reader)
{
    return reader->formats.count == 1 ? reader->formats.items[0].format->name : "known";
}

void rhi__examples(const rhi_reader *reader, char text[RHI_NAME_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (uint64_t i = 0; i < reader->formats.count && used < RHI_NAME_SIZE; i++) {
        rhi__text(text + used, RHI_NAME_SIZE - used, "%s%s", i ? " or " : "",
                  reader->formats.items[i].format->example);
        used += strlen(text + used);
    }
}

void rhi__no_variables(const rhi_reader *reader, char text[RHI_NAME_SIZE])
{
    text[0] = '\0';
    for (uint64_t i = 0; i < reader->formats.count; i++)
        if (reader->formats.items[i].format->language)
            rhi__text(text, RHI_NAME_SIZE,
                      "variables of %s are no operands: gcfind finds their objects (%s)",
                      reader->formats.items[i].format->language,
                      reader->formats.items[i].format->example);
}

const char *rhi__freed_text(uint8_t death)
{
    static const char *const texts[] = {"freed", "freed by release", "freed by collect",
                                        "freed by destroy"};
    return texts[death < sizeof texts / sizeof *texts ? death : 0];
}

static const char *qualified_name(const rhi_reader *reader, uint32_t type)
{
    return type < reader->types.count ? reader->types.items[type].qualified : "";
}

const char *rhi__plain_type_name(const rhi_reader *reader, uint32_t type)
{
    const char *qualified = qualified_name(reader, type), *dot = strrchr(qualified, '.');
    return !qualified[0] ? rhi__type_name(reader, type) : dot && dot[1] ? dot + 1 : qualified;
}

bool rhi__is_type_named(const rhi_reader *reader, uint32_t type, const char *name)
{
    const char *names[] = {rhi__type_name(reader, type), qualified_name(reader, type),
                           rhi__plain_type_name(reader, type)};
    for (unsigned i = 0; i < 3; i++)
        if ((i == 0 || names[i][0]) && rhi__is_typed_name(name, strlen(name), names[i]))
            return true;
    return false;
}

const char *rhi__place_word(enum rhi_place place)
{
    static const char *const words[] = {"live",     "freed",     "unused",
                                        "internal", "unmanaged", "unmapped"};
    return words[place];
}

/* Memory of the program's that lies in a slot? */
static bool is_raw(const rhi_block *block, uint64_t address)
{
    return block->raw && rhi__bit(block->raw, rhi__slot_number(block, address));
}

bool rhi__is_unread(const rhi_reader *reader, uint64_t address)
{
    const rhi_own_range *range = rhi__own_at(reader, address);
    return range && range->unread && address >= range->unread;
}

bool rhi__may_lie_alone(const rhi_reader *reader, uint32_t heap, uint64_t address)
{
    return rhi__format_of(reader, heap)->read_lone && address % 8 == 0 &&
           !rhi__block_at(reader, address) && !rhi__own_at(reader, address) &&
           rhi__memory_region(reader->memory, address);
}

bool rhi__may_hold(rhi_reader *reader, const rhi_object *object, uint64_t value)
{
    const rhi_format *format = rhi__format_of(reader, object->heap);
    return format->may_hold && format->may_hold(reader, object, value);
}

const char *rhi__empty_text(const rhi_reader *reader, const rhi_object *slot, uint64_t address)
{
    const rhi_block *block = rhi__block_at(reader, address);
    return block && is_raw(block, address)                    ? "memory in use that holds no object"
           : !rhi__format_of(reader, slot->heap)->has_serials ? "a free block"
           : slot->unborn ? "a slot without an object: one is just being born there, or something "
                            "has written over its header"
                          : "a slot that was never used";
}

void rhi__remark(rhi_reader *reader, uint64_t address, const rhi_object *object,
                 char text[RHI_REMARK_SIZE])
{
    const rhi_format *format = object->slot_size ? rhi__format_of(reader, object->heap) : NULL;
    text[0] = '\0';
    for (uint64_t i = 0; !format && !text[0] && i < reader->formats.count; i++)
        if (reader->formats.items[i].format->remarks_words)
            reader->formats.items[i].format->remark(reader, address, object, text, RHI_REMARK_SIZE);
    if (format && format->remark)
        format->remark(reader, address, object, text, RHI_REMARK_SIZE);
}

bool rhi__place_of(rhi_reader *reader, uint64_t address, enum rhi_place *place, rhi_object *object)
{
    const rhi_block *block = rhi__block_near(reader, address);
    object->slot_size = 0;
    if (block) {
        if (!rhi__slot_at(reader, block, address, object))
            return false;
        *place = rhi__is_object(object->state) ? RHI_PLACE_LIVE
                 : object->state == RHI_FREED  ? RHI_PLACE_FREED
                 : is_raw(block, address)      ? RHI_PLACE_INTERNAL
                                               : RHI_PLACE_UNUSED;
    } else if (rhi__own_at(reader, address)) {
        if (rhi__is_unread(reader, address))
            return false;
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
        rhi__memory_view(reader->memory, object->start, object->slot_size, scratch, &got);
    return bytes && got == object->slot_size ? bytes : NULL;
}

rhi_object rhi__event_object(const rhi_event *event)
{
    return (rhi_object){.state = RHI_FREED,
                        .death = event->death,
                        .address = event->address,
                        .start = event->address,
                        .heap = event->heap,
                        .type = event->type,
                        .serial = event->serial,
                        .site = event->site};
}

bool rhi__find_death(rhi_reader *reader, uint64_t address, uint64_t serial, bool of_serial,
                     rhi_event *event)
{
    rhi_event events[EVENTS_LOOKED_AT];
    uint64_t count = rhi__history(reader, address, 0, false, events, EVENTS_LOOKED_AT);
    for (uint64_t i = 0; i < count; i++)
        if (events[i].kind == RHI_EVENT_FREE && (events[i].serial == serial) == of_serial) {
            *event = events[i];
            return true;
        }
    return false;
}

bool rhi__site(rhi_reader *reader, const rhi_object *object, rhi_site *site)
{
    const rhi_format *format = rhi__format_of(reader, object->heap);
    *site = (rhi_site){0};
    bool is_told = rhi__is_object(object->state) || (object->state == RHI_FREED && object->site);
    return format->site && is_told && !object->damaged && format->site(reader, object, site) &&
           site->file;
}

void rhi__site_text(const rhi_site *site, char text[RHI_SITE_SIZE])
{
    const char *file = site->name ? site->name : site->file;
    rhi__text(text, RHI_SITE_SIZE, site->function ? "%s:%u in %s()" : "%s:%u", file, site->line,
              site->function);
}

void rhi__born_text(const rhi_site *site, char text[RHI_SITE_SIZE])
{
    const char *file = site->name ? site->name : site->file;
    if (site->function)
        rhi__text(text, RHI_SITE_SIZE, "in %s() at %s:%u", site->function, file, site->line);
    else
        rhi__text(text, RHI_SITE_SIZE, "at %s:%u", file, site->line);
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

bool rhi__raw_slot(const rhi_reader *reader, uint64_t address, uint64_t *start, uint64_t *end)
{
    const rhi_block *block = reader->has_raw ? rhi__block_at(reader, address) : NULL;
    if (!block)
        return false;
    uint64_t slot = rhi__slot_number(block, address);
    *start = block->base + slot * block->slot_size;
    *end = *start + block->slot_size;
    return block->raw && rhi__bit(block->raw, slot);
}
