/* objects.c - objects in JSON (see objects.h). */
#include "render/objects.h"
#include "render/output.h"
#include "render/value.h"
#include "heap/objects.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *rhi__value_json(rhi_reader *reader, const rhi_object *object)
{
    char value[RHI_VALUE_SIZE];
    rhi__value(reader, object, value);
    return value[0] ? rhi__json_text(value + 1) : json_null();
}

const rhi_json_type rhi__site_type = {
    .name = "site",
    .doc = "A line of the program that makes objects.",
    .members = (const rhi_json_member[]){
        {"file", .is = RHI_JSON_TEXT, "its source file, as the program tells it"},
        {"line", .is = RHI_JSON_COUNT, "the line's number, from 1 on"},
        {"function", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "the function that it is in; null: not known"},
        {NULL}}};

json_t *rhi__site_row(const rhi_site *site)
{
    return json_pack("{s:o, s:o, s:o}", "file", rhi__json_text(site->file), "line",
                     rhi__json_u64(site->line), "function",
                     site->function ? rhi__json_text(site->function) : json_null());
}

void rhi__print_born(rhi_session *session, rhi_reader *reader, const rhi_object *object)
{
    rhi_site site;
    char text[RHI_SITE_SIZE];
    if (!rhi__site(reader, object, &site))
        return;
    rhi__born_text(&site, text);
    rhi__print(session, "  born %s\n", text);
}

json_t *rhi__site_json(rhi_reader *reader, const rhi_object *object)
{
    rhi_site site;
    return rhi__site(reader, object, &site) ? rhi__site_row(&site) : json_null();
}

/* The type's name with what it comes from; null: its format has no such names. */
static json_t *qualified_json(const rhi_reader *reader, uint32_t type)
{
    const char *name = type < reader->types.count ? reader->types.items[type].qualified : "";
    return name[0] ? rhi__json_text(name) : json_null();
}

const rhi_json_type rhi__object_type = {
    .name = "object",
    .doc = "An object of a heap.",
    .members = (const rhi_json_member[]){
        {"id", .is = RHI_JSON_TEXT,
         "its name: type#serial, as node#12; or type@address where a format has no serials"},
        {"type", .is = RHI_JSON_TEXT, "its type's name"},
        {"qualified", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "the type's name with its module; null: the format has no such names"},
        {"serial", .is = RHI_JSON_COUNT | RHI_JSON_NULL,
         "a number that no other object ever has; null: the format has none"},
        {"address", .is = RHI_JSON_ADDRESS, "where it begins"},
        {"size", .is = RHI_JSON_COUNT, "bytes that it takes"},
        {"refcount", .is = RHI_JSON_INTEGER | RHI_JSON_NULL,
         "the count that is stored in it; null: it is immortal, and its count is not kept"},
        {"immortal", .is = RHI_JSON_BOOLEAN, "it never dies"},
        {"heap", .is = RHI_JSON_COUNT, "the number of its heap"},
        {"state", .is = RHI_JSON_TEXT,
         "dying: its last count is gone; finalized: its finalizer ran, and it lives; "
         "uncollectable: left in its garbage cycle because it has a finalizer",
         .words = "live|dying|finalized|uncollectable"},
        {"format", .is = RHI_JSON_TEXT, "the format of its heap: refheap, python"},
        {"tracked", .is = RHI_JSON_BOOLEAN | RHI_JSON_NULL,
         "the collector knows it; null: the collector of this format knows all"},
        {"site", .is = RHI_JSON_NULL, "the line that made it; null: not known",
         .of = {&rhi__site_type}},
        {"value", .is = RHI_JSON_TEXT | RHI_JSON_NULL,
         "what it holds, short: {key: 14}; null: nothing to say"},
        {NULL}}};

json_t *rhi__object_json(rhi_reader *reader, const rhi_object *object)
{
    char id[RHI_ID_SIZE];
    rhi__object_id(reader, object, id, sizeof id);
    json_t *json = json_object();
    json_object_set_new(json, "id", json_string(id));
    json_object_set_new(json, "type", json_string(rhi__type_name(reader, object->type)));
    const rhi_format *format = rhi__format_of(reader, object->heap);
    json_object_set_new(json, "qualified", qualified_json(reader, object->type));
    json_object_set_new(json, "serial",
                        format->has_serials ? json_integer((json_int_t)(object->serial & INT64_MAX))
                                            : json_null());
    json_object_set_new(json, "address", json_sprintf("0x%" PRIx64, object->address));
    json_object_set_new(json, "size", rhi__json_u64(rhi__object_size_at(reader, object)));
    json_object_set_new(json, "refcount",
                        object->immortal ? json_null() : json_integer(object->count));
    json_object_set_new(json, "immortal", json_boolean(object->immortal));
    json_object_set_new(json, "heap",
                        json_integer((json_int_t)reader->heaps.items[object->heap].number));
    json_object_set_new(json, "state", json_string(rhi__state_word(object)));
    json_object_set_new(json, "format", json_string(format->name));
    json_object_set_new(json, "tracked",
                        format->has_tracking ? json_boolean(object->tracked) : json_null());
    json_object_set_new(json, "site", rhi__site_json(reader, object));
    json_object_set_new(json, "value", rhi__value_json(reader, object));
    return json;
}

bool rhi__referent_id(const rhi_reader *reader, const rhi_referent *referent, char id[RHI_ID_SIZE])
{
    id[0] = '\0';
    if (!rhi__referent_is_object(referent))
        return false;
    rhi__object_id(reader, &referent->object, id, RHI_ID_SIZE);
    return true;
}

const char *rhi__referent_word(const rhi_referent *referent)
{
    return !referent->is_readable ? "unreadable"
           : rhi__place_has_object(referent->place) && !referent->is_start
               ? "interior"
               : rhi__place_word(referent->place);
}
